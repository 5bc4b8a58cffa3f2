"""Runs inside the sandbox: a parent from which kernels are forked, and each kernel's first steps.

A warm parent imports what homework imports and then only waits; it never runs a student's code.
It forks a keeper, the keeper forks the kernel, in namespaces of its own: no other process to be
seen, a private /tmp, no network, no capability. The keeper's one end of a socket, the lifeline,
is how the grader knows that the kernel lives and how it ends it: whoever closes first, the other
sees it, however either of them died. A cold parent imports nothing, has no capability to make
namespaces and serves one kernel, which the sandbox itself keeps apart.

This file is started by its path and imports nothing of the grader.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
from typing import Any

MOST_HANDLES = 8
STARTED = b"started"

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 1 << 12, 1 << 14, 1 << 18
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 24, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION, LAST_CAPABILITY = 0x20080522, 63
SIOCSIFFLAGS, IFF_UP = 0x8914, 1

libc = ctypes.CDLL(None, use_errno=True)


def main(modules: list[str]) -> None:
    """Serve requests for kernels on the socket at descriptor 0 until the grader closes it.

    Args:
        modules: what to import first; a parent without any is a cold one.
    """
    warm = bool(modules)
    control = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        preload(modules)
    except Exception as error:
        control.send(f"{type(error).__name__}: {error}"[:500].encode())
        return
    control.send(b"ready")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    while True:
        request, handles, *_ = socket.recv_fds(control, 1 << 16, MOST_HANDLES)
        if not request:
            return
        if os.fork() == 0:
            control.close()
            keep(json.loads(request), handles[0], handles[1:], warm=warm)
        for handle in handles:
            os.close(handle)


def preload(modules: list[str]) -> None:
    """Import what kernels need.

    Raises:
        RuntimeError: an import has started a thread, which would be missing after a fork.
    """
    for name in modules:
        with contextlib.suppress(ImportError):  # a course may do without one of them
            importlib.import_module(name)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise RuntimeError(f"the imports started {threads - 1} threads")
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page


def keep(request: dict[str, Any], lifeline: int, listeners: list[int], *, warm: bool) -> None:
    """Fork the kernel and outlive it: end it when the grader lets go of the lifeline."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        if warm:
            _check(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET))
        kernel = os.fork()
        if kernel == 0:
            become_kernel(request, lifeline, listeners, warm=warm)
        ended = os.pidfd_open(kernel)
    except BaseException as error:
        os.write(lifeline, f"{type(error).__name__}: {error}"[:500].encode())
        os._exit(1)
    for listener in listeners:
        os.close(listener)
    waiting = select.poll()
    waiting.register(lifeline, select.POLLIN)
    waiting.register(ended, select.POLLIN)
    waiting.poll()
    os.kill(kernel, signal.SIGKILL)
    os.waitpid(kernel, 0)  # returns when every process of its namespace has ended
    os._exit(0)


def become_kernel(
    request: dict[str, Any], lifeline: int, listeners: list[int], *, warm: bool
) -> None:
    """Turn this process into a kernel on the sockets given, in the order of their ports."""
    os.setsid()  # or a signal to the group would reach the parent
    _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if warm:
        isolate(request["tmp_bytes"])
    os.chdir("/tmp")
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # when memory runs out, a kernel goes first, not its grader
    for name, value in request["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    close_all_but(lifeline, *listeners)
    reseed()
    run(listeners, request["connection"], lifeline)


def isolate(tmp_bytes: int) -> None:
    """Give this process file systems of its own, and take every capability from it."""
    quiet = MS_NOSUID | MS_NODEV
    _check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    below = {path: os.open(path, os.O_PATH) for path in mounts_below("/tmp")}
    for path in (b"/tmp", b"/dev/shm"):
        _check(libc.mount(b"tmpfs", path, b"tmpfs", quiet, b"mode=1777,size=%d" % tmp_bytes))
    for path, handle in below.items():  # an environment that lies there must stay in sight
        os.makedirs(path)
        source = f"/proc/self/fd/{handle}".encode()
        _check(libc.mount(source, path.encode(), None, MS_BIND | MS_REC, None))
        os.close(handle)
    _check(libc.mount(b"proc", b"/proc", b"proc", quiet | MS_NOEXEC, None))
    terminals = b"newinstance,ptmxmode=0666,mode=620"
    _check(libc.mount(b"devpts", b"/dev/pts", b"devpts", MS_NOSUID | MS_NOEXEC, terminals))
    with socket.socket() as any_socket:
        up = struct.pack("16sh", b"lo", IFF_UP)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, up)
    _check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails beyond the last that is known
    header = struct.pack("Ii", CAPABILITY_VERSION, 0)
    _check(libc.capset(header, bytes(24)))


def mounts_below(folder: str) -> list[str]:
    """Return the folders below one on which something is mounted, outer ones first."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        places = [line.split()[4].encode().decode("unicode_escape") for line in file]
    return sorted(p for p in places if p.startswith(f"{folder}/") and os.path.isdir(p))


def reseed() -> None:
    """Let no two kernels draw the same random numbers: what is seeded at import is seeded anew."""
    tempfile._name_sequence = None
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()


def run(listeners: list[int], connection: dict[str, Any], lifeline: int) -> None:
    """Run a kernel on sockets that listen already; does not return."""
    from ipykernel.kernelapp import IPKernelApp

    class KernelApp(IPKernelApp):
        """A kernel without files: its sockets are given, it has no heartbeat and no history."""

        def _try_bind_socket(self, s: Any, port: int) -> int:
            s.use_fd = listeners[port - 1]
            s.bind(f"ipc://{port}")
            return port

        def init_control(self, context: Any) -> None:
            super().init_control(context)
            endpoint = self.shell_socket.LAST_ENDPOINT  # a debugger's, not to be reached in here
            self.debug_shell_socket.disconnect(endpoint)

        def init_heartbeat(self) -> None:
            self.heartbeat = None

    with open("/tmp/kernel.json", "w", encoding="ascii") as file:
        json.dump(connection, file)
    app = KernelApp.instance()
    app.initialize(["-f", "/tmp/kernel.json", "--HistoryManager.enabled=False"])
    os.unlink("/tmp/kernel.json")
    os.write(lifeline, STARTED)
    os.close(lifeline)
    app.start()
    os._exit(0)


def close_all_but(*handles: int) -> None:
    """Close every descriptor but these, which no child shall have, and the standard ones."""
    for handle in map(int, os.listdir("/proc/self/fd")):
        if handle > 2 and handle not in handles:
            with contextlib.suppress(OSError):  # the one that lists them
                os.close(handle)
    for handle in handles:
        os.set_inheritable(handle, False)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(sys.argv[1:])
