"""The bubblewrap sandbox in which a student's kernel runs.

Inside there is no network, no other process, an almost empty read-only file system (interpreter,
environment, this package) and a private, bounded /tmp. Started by an ordinary user, one
bubblewrap does it. Started by root, that would leave the student root underneath (uid 65534 of
the new namespace is uid 0 of the host), and dropping first would lose the way to an interpreter
under a private home. So then an outer bubblewrap binds the paths, `setpriv` drops to nobody, and
an inner bubblewrap makes the namespaces.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gencourse.course import CourseError

NOBODY = 65534
PACKAGE = Path(__file__).resolve().parents[1]
LIBRARY = "/opt/gencourse"  # where the sandbox sees this package, and nothing that stands by it


@dataclass(frozen=True)
class Limits:
    """What one kernel may use.

    Args:
        cell_seconds: wall-clock time of one cell, or of one question to the kernel.
        total_seconds: wall-clock time of one submission.
        cpu_seconds: processor time of the whole kernel.
        memory_mib: address space of each process; importing a CUDA build of torch takes 2.5 GiB
            of it.
        processes: processes and threads together, of all kernels of one worker.
        file_mib: size of one file.
        tmp_mib: size of /tmp, which is memory.
        output_bytes: what one cell may print before it is stopped.
        output_messages: how many messages one cell may send before it is stopped.
        reply_bytes: the longest value that an answer may return, as JSON.
    """

    cell_seconds: float = 30.0
    total_seconds: float = 600.0
    cpu_seconds: int = 900
    memory_mib: int = 6144
    processes: int = 128
    file_mib: int = 64
    tmp_mib: int = 256
    output_bytes: int = 1 << 20
    output_messages: int = 2000
    reply_bytes: int = 4 << 20

    @property
    def of_process(self) -> dict[str, int]:
        """The system's limits of each process, by their names there."""
        return {
            "CPU": self.cpu_seconds,
            "AS": self.memory_mib << 20,
            "FSIZE": self.file_mib << 20,
            "NPROC": self.processes,
            "NOFILE": 1024,
            "CORE": 0,
        }


@dataclass(frozen=True)
class Mount:
    """One path of the host at a place in the sandbox."""

    source: str
    target: str


def command(
    argv: Sequence[str],
    *,
    readable: Iterable[Path] = (),
    env: dict[str, str] | None = None,
    limits: Limits | None = None,
    forks_kernels: bool = False,
) -> list[str]:
    """Return the command line that runs `argv` in a sandbox, in its private /tmp.

    Nothing inside can write to a file of the host.

    Args:
        argv: what to run; the environment's interpreter is at `sys.executable` inside as well.
        readable: files or folders to add read-only, at the same path inside.
        env: environment variables besides the usual ones.
        limits: resource limits.
        forks_kernels: the process never runs a student's code; it makes namespaces for the
            kernels that it forks, with capabilities that hold in the sandbox only, and it sets
            their limits.

    Start it with `env=host_environment()`: bubblewrap's own environment can be read inside.
    """
    limits = limits or Limits()
    mounts = [*_system(), *(Mount(str(p), str(p)) for p in readable)]
    inner = [Mount(m.target, m.target) for m in mounts] if _root() else mounts
    size = str(limits.tmp_mib << 20)
    line = [_bwrap(), "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"]
    line += ["--unshare-uts", "--unshare-cgroup-try", "--disable-userns", "--die-with-parent"]
    line += ["--new-session", "--uid", str(NOBODY), "--gid", str(NOBODY)]
    line += ["--cap-add", "ALL"] if forks_kernels else []
    line += ["--hostname", "sandbox", "--clearenv"]
    line += ["--size", size, "--perms", "1777", "--tmpfs", "/tmp", *_binds(inner)]
    line += ["--proc", "/proc", "--dev", "/dev"]
    line += ["--size", size, "--perms", "1777", "--tmpfs", "/dev/shm"]
    line += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    for name, value in (_environment() | (env or {})).items():
        line += ["--setenv", name, value]
    bounds = {"CORE": 0} if forks_kernels else limits.of_process
    line += ["--", "/usr/bin/prlimit", *(f"--{k.lower()}={v}" for k, v in bounds.items()), *argv]
    if not _root():
        return line
    drop = ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    drop += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    # root without capabilities may not signal nobody, so a pid namespace ends what is inside
    outer = [_bwrap(), "--die-with-parent", "--unshare-pid", "--perms", "1777", "--tmpfs", "/tmp"]
    outer += [*_binds(mounts), "--bind", "/proc", "/proc", "--dev", "/dev"]
    return [*outer, "--", *drop, *line]


def host_environment() -> dict[str, str]:
    """Return the environment that bubblewrap itself is started with: nothing of the grader's."""
    return {"PATH": "/usr/bin:/bin"}


@functools.cache
def problem() -> str | None:
    """Return why there is no sandbox on this machine and how to mend it, or None when it works."""
    missing = [
        p for p in ("bwrap", "prlimit", *(["setpriv"] if _root() else [])) if not shutil.which(p)
    ]
    if sys.platform != "linux" or missing:
        lacks = (
            f"{' and '.join(missing)} not found"
            if sys.platform == "linux"
            else f"{sys.platform} has no bubblewrap"
        )
        return f"{lacks}; grade on Linux, with the packages bubblewrap and util-linux installed"
    try:
        line = command(["/bin/true"])
        done = subprocess.run(
            line, env=host_environment(), capture_output=True, text=True, timeout=20, check=False
        )
    except subprocess.TimeoutExpired:
        return "bubblewrap does not answer within 20 s on this machine"
    if done.returncode == 0:
        return None
    said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return f"bubblewrap fails here ({said}); the host must allow user namespaces"


def require() -> None:
    """Refuse to go on without a sandbox.

    Raises:
        CourseError: what is missing and how to mend it.
    """
    if why := problem():
        raise CourseError(
            f"no sandbox for students' code: {why}; or grade with --unsafe only what you trust"
        )


def require_hidden(*folders: Path) -> None:
    """Refuse folders that students' code could read: those below what the sandbox mounts.

    Raises:
        CourseError: the folder, and what it lies in; a course made inside a Python environment.
    """
    for folder in folders:
        for mount in _system():
            if folder.resolve().is_relative_to(Path(mount.source).resolve()):
                raise CourseError(
                    f"{folder} lies in {mount.source}, which students' code can read in the "
                    "sandbox; move the course, or the environment, elsewhere"
                )


def _root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


@functools.cache
def _bwrap() -> str:
    return shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin") or "bwrap"


@functools.cache
def _system() -> tuple[Mount, ...]:
    """System libraries, interpreter, environment and this package; nothing of a course."""
    wanted = ["/usr", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime"]
    wanted += ["/bin", "/sbin", "/lib", "/lib64", "/lib32"]
    wanted += [p for p in (sys.base_prefix, sys.prefix) if not Path(p).is_relative_to("/usr")]
    mounts = [Mount(p, p) for p in dict.fromkeys(wanted) if os.path.lexists(p)]
    return (*mounts, Mount(str(PACKAGE), f"{LIBRARY}/{PACKAGE.name}"))


def _binds(mounts: Iterable[Mount]) -> list[str]:
    """Bind each mount, keeping links such as /lib, with parents that all may walk through."""
    line: list[str] = []
    made = {"/", "/tmp"}
    for m in mounts:
        for parent in reversed(Path(m.target).parents):
            if str(parent) not in made:
                made.add(str(parent))
                line += ["--perms", "0755", "--dir", str(parent)]
        if (
            os.path.islink(m.source)
            and m.source == m.target
            and Path(m.source).parent == Path("/")
        ):
            line += ["--symlink", os.readlink(m.source), m.target]
        else:
            line += ["--ro-bind", m.source, m.target]
        made.add(m.target)
    return line


def _environment() -> dict[str, str]:
    return {
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "IPYTHONDIR": "/tmp/ipython",
        "PYTHONPATH": LIBRARY,
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
