"""The sandbox: never root, nothing of the host in sight, bounded; a clear word where it lacks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gencourse.course import CourseError
from gencourse.grading import grade, sandbox
from gencourse.grading.sandbox import Limits

from ..conftest import SMALL_UNIT
from .conftest import needs_sandbox


def run(argv, **limits):
    line = sandbox.command(argv, limits=Limits(**limits))
    env = sandbox.host_environment()
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=60)


@needs_sandbox
def test_inside_is_nobody_without_capabilities_and_on_the_host_not_root():
    done = run(["/bin/sh", "-c", "id -u; grep CapEff /proc/self/status"])
    assert done.stdout.split() == [str(sandbox.NOBODY), "CapEff:", "0" * 16], done.stderr
    line = sandbox.command(["/bin/sleep", "54321.5"])
    with subprocess.Popen(line, env=sandbox.host_environment()) as sleeping:
        try:
            inside = wait_for(lambda: [p for p in running("/bin/sleep") if is_sleep(p)])
            user = inside[0].with_name("status").read_text().split("Uid:")[1].split()[0]
            assert int(user) == (sandbox.NOBODY if os.geteuid() == 0 else os.getuid())
        finally:
            sleeping.kill()


def test_a_course_in_what_the_sandbox_shows_is_refused(tmp_path):
    sandbox.require_hidden(tmp_path)
    for folder in (Path(sys.prefix), Path(sys.prefix) / "course", sandbox.PACKAGE / "secret"):
        with pytest.raises(CourseError, match="students' code can read"):
            sandbox.require_hidden(tmp_path, folder)


def is_sleep(path):
    return path.read_bytes().startswith(b"/bin/sleep\x0054321.5")


def wait_for(find, seconds=10):
    """Return what `find` finds, trying again for some seconds."""
    ends = time.monotonic() + seconds
    while not (found := find()) and time.monotonic() < ends:
        time.sleep(0.05)
    return found


@needs_sandbox
def test_inside_nothing_of_the_host_can_be_seen(tmp_path, monkeypatch):
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
    done = run([sys.executable, "-c", code])
    assert done.stdout.splitlines() == ["[]", "True", "False False", "no devices", "[]"], (
        done.stderr
    )


@needs_sandbox
def test_inside_no_further_namespace_and_no_network():
    done = run(["/usr/bin/unshare", "-U", "true"])
    assert done.returncode != 0
    code = "import socket; socket.create_connection(('127.0.0.1', 22), 2)"
    assert "refused" in run([sys.executable, "-c", code]).stderr
    code = "import socket; socket.create_connection(('10.0.0.1', 80), 2)"
    assert "unreachable" in run([sys.executable, "-c", code]).stderr


@needs_sandbox
def test_memory_processor_time_and_file_size_are_bounded():
    eat = "b = bytearray(3 << 30)"
    assert "MemoryError" in run([sys.executable, "-c", eat], memory_mib=2048).stderr
    assert run([sys.executable, "-c", "while True: pass"], cpu_seconds=1).returncode != 0
    write = "open('big', 'wb').write(bytes(3 << 20))"
    assert "too large" in run([sys.executable, "-c", write], file_mib=2).stderr
    fill = "open('/tmp/big', 'wb').write(bytes(5 << 20))"
    assert "No space" in run([sys.executable, "-c", fill], tmp_mib=4).stderr


@needs_sandbox
def test_only_memory_of_bounded_size_can_be_written_to():
    code = """
import os
for line in open("/proc/self/mountinfo"):
    place, options = line.split()[4:6]
    if "rw" in options.split(",") and os.access(place, os.W_OK) and os.path.isdir(place):
        print(place)
"""
    done = run([sys.executable, "-c", code])
    assert set(done.stdout.split()) <= {"/tmp", "/dev/shm", "/dev/pts", "/proc"}, done.stderr
    fill = "open('/dev/shm/big', 'wb').write(bytes(5 << 20))"
    assert "No space" in run([sys.executable, "-c", fill], tmp_mib=4).stderr


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
