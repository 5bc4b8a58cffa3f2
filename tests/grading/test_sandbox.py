"""The sandbox: never root, nothing of the host in sight, bounded; a clear word where it lacks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gencourse.course import CourseError
from gencourse.grading import grade, sandbox
from gencourse.grading.kernel import connection_folder
from gencourse.grading.sandbox import Limits
from gencourse.grading.session import Session

from ..conftest import SMALL_UNIT
from .conftest import needs_sandbox


def run(argv, folder, **limits):
    line = sandbox.command(argv, cwd=folder, writable=[folder], limits=Limits(**limits))
    env = sandbox.host_environment()
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder():
    made = connection_folder()
    sandbox.give_to_sandbox(made)
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=True)


@needs_sandbox
def test_inside_is_nobody_without_capabilities_and_on_the_host_not_root(folder):
    done = run(["/bin/sh", "-c", "id -u; grep CapEff /proc/self/status; touch mine"], folder)
    assert done.stdout.split() == [str(sandbox.NOBODY), "CapEff:", "0" * 16], done.stderr
    assert (folder / "mine").stat().st_uid == (
        sandbox.NOBODY if os.geteuid() == 0 else os.getuid()
    )


@needs_sandbox
def test_inside_nothing_of_the_host_can_be_seen(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADERS_OWN", "do not show")
    (tmp_path / "private").write_text("x")
    secrets = [
        tmp_path / "private",
        Path.home() / ".bashrc",
        Path("/etc/passwd"),
        Path("/etc/shadow"),
    ]
    secrets += [
        sandbox.PACKAGE.parent / name for name in ("solutions", "tests", ".git", "pyproject.toml")
    ]
    code = f"""
import os, pathlib
print([p for p in {[str(s) for s in secrets]!r} if os.path.exists(p)])
print(sorted(int(p) for p in os.listdir("/proc") if p.isdigit()) == [1, 2])
print(b"GRADERS_OWN" in pathlib.Path("/proc/1/environ").read_bytes(), "GRADERS_OWN" in os.environ)
print(os.listdir("/sys/class/net") if os.path.exists("/sys") else "no devices")
print([k for k in ("/", "/opt/gencourse/gencourse", "/usr") if os.access(k, os.W_OK)])
"""
    done = run([sys.executable, "-c", code], folder)
    assert done.stdout.splitlines() == ["[]", "True", "False False", "no devices", "[]"], (
        done.stderr
    )


@needs_sandbox
def test_inside_no_further_namespace_and_no_network(folder):
    done = run(["/usr/bin/unshare", "-U", "true"], folder)
    assert done.returncode != 0
    code = "import socket; socket.create_connection(('127.0.0.1', 22), 2)"
    assert "refused" in run([sys.executable, "-c", code], folder).stderr
    code = "import socket; socket.create_connection(('10.0.0.1', 80), 2)"
    assert "unreachable" in run([sys.executable, "-c", code], folder).stderr


@needs_sandbox
def test_memory_processor_time_and_file_size_are_bounded(folder):
    eat = "b = bytearray(3 << 30)"
    assert "MemoryError" in run([sys.executable, "-c", eat], folder, memory_mib=2048).stderr
    assert run([sys.executable, "-c", "while True: pass"], folder, cpu_seconds=1).returncode != 0
    write = "open('big', 'wb').write(bytes(3 << 20))"
    assert "too large" in run([sys.executable, "-c", write], folder, file_mib=2).stderr
    fill = "open('/tmp/big', 'wb').write(bytes(5 << 20))"
    assert "No space" in run([sys.executable, "-c", fill], folder, tmp_mib=4).stderr


@needs_sandbox
@pytest.mark.kernel
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the other tests so already")
def test_an_ordinary_user_gets_a_sandbox_too():
    code = """
import os
from gencourse.grading.session import Session
with Session() as session:
    print(os.geteuid(), session.ask("str(6 * 7)").value)
    print(session.ask("str(__import__('os').listdir('/opt'))").value)
"""
    mounts = [*sandbox._system(), sandbox.Mount("/etc/passwd", "/etc/passwd")]
    line = [
        "bwrap",
        "--die-with-parent",
        "--perms",
        "1777",
        "--tmpfs",
        "/tmp",
        *sandbox._binds(mounts),
    ]
    line += [
        "--bind",
        "/proc",
        "/proc",
        "--dev",
        "/dev",
        "--setenv",
        "PYTHONPATH",
        sandbox.LIBRARY,
    ]
    line += [
        "--",
        "setpriv",
        "--reuid=1234",
        "--regid=1234",
        "--clear-groups",
        sys.executable,
        "-c",
        code,
    ]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["1234", "42", "['gencourse']"], done.stderr


@needs_sandbox
@pytest.mark.kernel
def test_filling_the_shared_folder_ends_the_kernel():
    with Session(limits=Limits(file_mib=4)) as session:
        fill = "import os\nd = os.popen('ls -d /tmp/gc-*').read().strip()\n"
        fill += (
            "for i in range(99): open(f'{d}/{i}', 'wb').write(bytes(3 << 20))\nwhile True: pass"
        )
        assert session.run(fill).status == "flood"
        folder = session._manager.folder
    assert not folder.exists()


@needs_sandbox
@pytest.mark.kernel
def test_a_killed_grader_leaves_no_kernel_behind():
    code = """
import time
from gencourse.grading.session import Session
session = Session()
session.start()
print(session._manager.folder, flush=True)
time.sleep(60)
"""
    grader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    folder = grader.stdout.readline().strip()
    assert running(folder)
    grader.kill()
    grader.wait()
    for _ in range(50):
        if not running(folder):
            break
        time.sleep(0.1)
    assert not running(folder)
    subprocess.run(["rm", "-rf", folder], check=True)


def running(word):
    """Return the processes of the host whose command line holds a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path] if word.encode() in path.read_bytes() else []
        except OSError:
            continue
    return found


def test_without_bubblewrap_grading_refuses_and_says_what_to_do(course, tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda *a, **k: None)
    sandbox.problem.cache_clear()
    try:
        with pytest.raises(CourseError, match=r"bubblewrap.*--unsafe"):
            grade(course, SMALL_UNIT, tmp_path)
    finally:
        sandbox.problem.cache_clear()


def test_a_long_temporary_folder_does_not_make_a_socket_path_too_long(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    made = connection_folder()
    assert len(str(made)) < 60
    made.rmdir()
