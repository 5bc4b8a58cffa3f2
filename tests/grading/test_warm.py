"""Kernels forked from a warm parent: quick, alone, bounded, and gone with their grader."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gencourse.grading import folders, sandbox, warm
from gencourse.grading.sandbox import Limits
from gencourse.grading.session import Session

from .conftest import needs_sandbox

pytestmark = [pytest.mark.kernel, needs_sandbox]
LIGHT = ("numpy", "ipykernel.kernelapp", "ipykernel.ipkernel")  # for parents that soon end


@pytest.fixture
def light_parent(monkeypatch):
    """A parent with few imports, for tests that end it."""
    warm.close_parent()
    monkeypatch.setattr(warm, "PRELOAD", LIGHT)
    yield
    warm.close_parent()


@pytest.fixture(scope="module")
def siblings():
    """Two kernels of one parent, alive at the same time."""
    with Session() as one, Session() as other:
        yield one, other


def say(session, expression):
    """Return `str(expression)` as the kernel has it; what it raises otherwise."""
    outcome = session.ask(f"str({expression})")
    return outcome.value if outcome.status == "ok" else outcome.ename


def do(session, *lines):
    outcome = session.run("\n".join(lines))
    assert outcome.status == "ok", outcome


def test_torch_is_there_at_once_and_a_restart_is_a_new_fork(siblings):
    assert warm.cold_because() is None
    session = siblings[0]
    parent = warm._thread.parent
    began = time.monotonic()
    session.restart()
    assert say(session, "__import__('sys').modules['torch'].ones(2).sum().item()") == "2.0"
    assert time.monotonic() - began < 3  # importing it takes longer than all this, even when busy
    assert warm._thread.parent is parent
    assert say(session, "__import__('os').environ['OMP_NUM_THREADS']") == "1"
    do(session, "import torch", "torch.ones(300, 300).requires_grad_().exp().sum().backward()")
    do(session, "import matplotlib.pyplot as plt", "plt.plot([1, 2]); plt.savefig('a.png')")


def test_a_kernel_is_alone_and_has_no_rights(siblings):
    for session in siblings:
        seen = say(session, "sorted(p for p in __import__('os').listdir('/proc') if p.isdigit())")
        assert seen == "['1']"
        status = say(session, "open('/proc/self/status').read()")
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert f"{name}:\t{'0' * 16}\n" in status
        assert say(session, "open('/proc/self/oom_score_adj').read().strip()") == "1000"
        assert "NoNewPrivs:\t1" in status and f"Uid:\t{sandbox.NOBODY}" in status
        do(session, "import ctypes", "libc = ctypes.CDLL(None, use_errno=True)")
        for call in (
            "unshare(0x10000000)",  # a user namespace
            "unshare(0x20000)",  # a mount namespace
            "mount(b'none', b'/tmp', b'tmpfs', 0, None)",
            "umount2(b'/proc', 2)",
            "umount2(b'/tmp', 2)",
            "sethostname(b'x', 1)",
        ):
            assert say(session, f"libc.{call}") == "-1", call


def test_the_parent_and_a_sibling_are_out_of_reach(siblings):
    one, other = siblings
    do(one, "import os, signal, ctypes", "libc = ctypes.CDLL(None)")
    do(one, "signal.signal(15, signal.SIG_IGN)")
    do(one, "others = set(range(2, 400)) - set(map(int, os.listdir('/proc/self/task')))")
    assert say(one, "[p for p in others if libc.ptrace(16, p, 0, 0) != -1]") == "[]"
    assert say(one, "[p for p in others if libc.kill(p, 0) != -1]") == "[]"
    assert say(one, "[p for p in others if os.path.exists(f'/proc/{p}')]") == "[]"
    do(one, "try: os.kill(-1, 9)\nexcept ProcessLookupError: pass")
    do(one, "os.killpg(0, 15)", "os.kill(0, 15)")  # the group must not be the parent's
    assert say(one, "libc.getppid()") == "0"
    assert other.alive and say(other, "1") == "1"
    assert warm._thread.parent._process.poll() is None


def test_the_sockets_of_a_sibling_cannot_be_found(siblings):
    one, other = siblings
    folder = other._manager.folder.path
    assert (folder / "s-1").is_socket()
    do(
        one,
        "import socket",
        "def knock(address):",
        "    with socket.socket(socket.AF_UNIX) as s:",
        "        try: s.connect(address)",
        "        except OSError as error: return type(error).__name__",
    )
    assert say(one, f"knock({str(folder / 's-1')!r})") == "FileNotFoundError"
    do(other, "import socket", "s = socket.socket(socket.AF_UNIX)", "s.bind('\\0mine')")
    do(other, "s.listen()", "t = socket.create_server(('127.0.0.1', 4321))")
    assert say(one, "knock('\\0mine')") == "ConnectionRefusedError"
    do(one, "s = socket.socket()", "refused = s.connect_ex(('127.0.0.1', 4321))")
    assert say(one, "refused != 0") == "True"
    handles = say(one, "sorted(os.readlink(f'/proc/self/fd/{h}').split(':')[0] for h in range(3))")
    assert handles == "['/dev/null', 'pipe', 'pipe']"


def test_what_a_kernel_writes_is_its_own_and_gone_with_it(siblings):
    one, other = siblings
    do(one, "for d in ('/tmp', '/dev/shm', '.'): open(f'{d}/mine', 'w').close()")
    do(other, "import os")
    assert say(other, "[d for d in ('/tmp', '/dev/shm', '.') if 'mine' in os.listdir(d)]") == "[]"
    one.restart()
    assert "mine" not in say(one, "__import__('os').listdir('/tmp')")
    do(
        one,
        "import os",
        "rw = [l.split()[4] for l in open('/proc/self/mountinfo') if l.split()[5][:2] == 'rw']",
        "can = [p for p in rw if os.path.isdir(p) and os.access(p, os.W_OK)]",
    )
    assert set(eval(say(one, "can"))) <= {"/tmp", "/dev/shm", "/dev/pts", "/proc"}


def test_no_two_kernels_draw_the_same_numbers(siblings):
    draws = "__import__('random').random(), __import__('numpy').random.random()"
    draws += ", __import__('torch').rand(1).item(), __import__('tempfile').mktemp()"
    one, other = (eval(say(s, f"({draws})")) for s in siblings)
    assert not set(one) & set(other)


def test_limits_hold_for_each_kernel():
    small = Limits(memory_mib=5000, file_mib=2, tmp_mib=4, cpu_seconds=3, processes=40)
    with Session(limits=small) as session:
        assert session.run("bytearray(5 << 30)").ename == "MemoryError"
        assert session.run("open('a', 'wb').write(bytes(3 << 20))").ename == "OSError"
        filled = session.run("for i in range(9): open(f'{i}', 'wb').write(bytes(1 << 20))")
        assert "No space" in filled.message
        bomb = "import os, time\nn = 0\nwhile True:\n  if os.fork() == 0: time.sleep(99)\n  n += 1"
        assert session.run(bomb).ename == "BlockingIOError"
        assert 5 < int(say(session, "n")) < 40
        assert session.run("while True: pass", seconds=30).status == "died"
    with Session() as session:  # other limits, the same parent
        do(session, "open('a', 'wb').write(bytes(3 << 20))")


def descendants(pid):
    """Return the start times of the processes below one, by pid."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = (int(fields[1]), fields[19])
    found, size = {pid}, 0
    while len(found) > size:
        size = len(found)
        found |= {p for p, (parent, _) in parents.items() if parent in found}
    return {p: parents[p][1] for p in found - {pid}}


GRADER = f"""
import os, sys, time
from gencourse.grading import warm
from gencourse.grading.session import Session
warm.PRELOAD = {LIGHT!r}
session = Session()
session.start()
session.run("import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)")
print(session._manager.folder.path, flush=True)
time.sleep(60)
"""


def left_of(processes):
    """Return those of some processes, with their start times, that still run."""
    alive = {}
    for pid in processes:
        try:
            alive[pid] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except OSError:
            continue
    return {p for p, began in processes.items() if alive.get(p) == began}


def test_a_killed_grader_leaves_nothing_and_the_next_one_sweeps(monkeypatch):
    line = [sys.executable, "-c", GRADER]
    grader = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    folder = Path(grader.stdout.readline().strip())
    below = descendants(grader.pid)
    assert len(below) >= 5 and folder.is_dir()  # bubblewrap, parent, keeper, kernel, its child
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    ends = time.monotonic() + 10
    while left_of(below) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not left_of(below)
    monkeypatch.setattr(folders, "YOUNG_SECONDS", -1)
    folders._sweep.cache_clear()
    held = folders.ConnectionFolder()
    folders._sweep.cache_clear()
    folders.ConnectionFolder().remove()
    assert not folder.exists() and held.path.exists()
    held.remove()


def test_a_killed_parent_is_replaced(light_parent):
    with Session() as session:
        warm._thread.parent._process.kill()
        warm._thread.parent._process.wait()
        assert session.run("1").status == "died"
        session.restart()
        assert say(session, "6 * 7") == "42"
    assert warm.cold_because() is None


def test_where_there_can_be_no_parent_kernels_start_cold_and_it_is_said(
    light_parent, monkeypatch, caplog
):
    command = sandbox.command
    monkeypatch.setattr(
        sandbox, "command", lambda *a, forks_kernels, **k: command(*a, forks_kernels=False, **k)
    )
    monkeypatch.setattr(warm, "_cold_because", [])
    with Session(limits=Limits(file_mib=2)) as session:
        assert "Operation not permitted" in warm.cold_because()
        assert "no warm kernels" in caplog.text
        assert say(session, "'torch' in __import__('sys').modules") == "False"
        assert "CapEff:\t" + "0" * 16 in say(session, "open('/proc/self/status').read()")
        assert session.run("open('a', 'wb').write(bytes(3 << 20))").ename == "OSError"
        session.run("import os; os._exit(0)")
        assert not session.alive


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the other tests so already")
def test_an_ordinary_user_gets_warm_kernels_too():
    code = f"""
import os
from gencourse.grading import warm
from gencourse.grading.session import Session
warm.PRELOAD = {LIGHT!r}
with Session() as session:
    print(os.geteuid(), warm.cold_because(), session.ask("str(6 * 7)").value)
    print(session.ask("str(__import__('os').listdir('/opt'))").value)
    print(session.ask("str('numpy' in __import__('sys').modules)").value)
"""
    mounts = [*sandbox._system(), sandbox.Mount("/etc/passwd", "/etc/passwd")]
    line = ["bwrap", "--die-with-parent", "--perms", "1777", "--tmpfs", "/tmp"]
    line += [*sandbox._binds(mounts), "--bind", "/proc", "/proc", "--dev", "/dev"]
    line += ["--setenv", "PYTHONPATH", sandbox.LIBRARY, "--", "setpriv", "--reuid=1234"]
    line += ["--regid=1234", "--clear-groups", sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["1234", "None", "42", "['gencourse']", "True"], done.stderr


def test_a_long_temporary_folder_does_not_make_a_socket_path_too_long(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    made = folders.ConnectionFolder()
    assert len(str(made.path)) < 60
    made.remove()
    assert not made.path.exists()
