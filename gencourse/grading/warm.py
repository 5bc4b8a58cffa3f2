"""Starts sandboxed kernels: forks of a warm parent, or cold ones where a host allows no parent.

Importing torch costs more than grading most notebooks, so each thread that grades keeps one
process in the sandbox which has imported it and forks a kernel on request (`inside.py`). Nothing
of a student's code ever runs in it. All that a kernel is given are sockets that listen already:
it needs no file of the host, and finds no socket of another kernel.
"""

from __future__ import annotations

import json
import logging
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gencourse.grading import sandbox
from gencourse.grading.sandbox import Limits

INSIDE = f"{sandbox.LIBRARY}/gencourse/grading/inside.py"
PRELOAD: tuple[str, ...] = (
    *("numpy", "numpy.random", "torch", "torch.nn.functional", "matplotlib.pyplot"),
    "torch._dynamo",  # the first optimiser imports it, in 2 s
    *("scipy.stats", "sklearn.linear_model", "sklearn.metrics", "networkx", "opt_einsum"),
    *("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "ipykernel.debugger"),
    *("IPython.core.completerlib", "IPython.core.debugger", "IPython.core.oinspect", "pdb"),
    *("IPython.extensions.storemagic", "tornado.platform.asyncio", "faulthandler"),
    *("gencourse.exercises", "gencourse.exercises.adapter"),
)  # what kernels would import one by one; at most a missing one costs time
READY, STARTED = b"ready", b"started"
WARM_SECONDS = 120.0  # to import everything on a loaded machine
START_SECONDS = 90.0
END_SECONDS = 10.0

logger = logging.getLogger(__name__)
_thread = threading.local()
_cold_because: list[str] = []  # why there are no warm kernels here, once that is known


class StartError(Exception):
    """A parent or a kernel did not start: the machine's fault, not the submission's."""


@dataclass(frozen=True)
class Request:
    """What a kernel is to be.

    Args:
        listeners: listening sockets for the channels shell, iopub, stdin and control.
        connection: the contents of its connection file.
        limits: what it may use.
        readable: files or folders that it may read besides the usual ones; only a cold kernel
            can.
        env: environment variables, only for a cold kernel.
    """

    listeners: Sequence[socket.socket]
    connection: Mapping[str, Any]
    limits: Limits
    readable: Sequence[Path] = ()
    env: Mapping[str, str] | None = None


class Parent:
    """A process in the sandbox that forks kernels; it ends with the thread that made it."""

    def __init__(self, *, warm: bool, request: Request) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line = sandbox.command(
            [sys.executable, "-P", INSIDE, *(PRELOAD if warm else ())],
            readable=request.readable,
            env=dict(request.env or {}),
            limits=request.limits,
            forks_kernels=warm,
        )
        with theirs:
            self._process = subprocess.Popen(
                line,
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=sandbox.host_environment(),
                start_new_session=True,
            )
        try:
            said = _receive(self._control, WARM_SECONDS)
        except BaseException:
            self.close()
            raise
        if said != READY:
            self.close()
            raise StartError(f"the parent of kernels does not start ({_words(said)})")

    def fork(self, request: Request) -> socket.socket:
        """Return the lifeline of a new kernel that is ready to answer.

        Raises:
            StartError: there is none.
        """
        ours, theirs = socket.socketpair()
        limits = request.limits
        text = json.dumps(
            {
                "connection": dict(request.connection),
                "limits": limits.of_process,
                "tmp_bytes": limits.tmp_mib << 20,
            }
        )
        try:
            with theirs:
                handles = [s.fileno() for s in (theirs, *request.listeners)]
                socket.send_fds(self._control, [text.encode()], handles)
            said = _receive(ours, START_SECONDS)
        except OSError as error:
            ours.close()
            raise StartError(f"the parent of kernels has ended ({error})") from None
        except BaseException:
            ours.close()
            raise
        if said != STARTED:
            ours.close()
            raise StartError(f"the kernel does not start ({_words(said)})")
        return ours

    def close(self) -> None:
        """End the process and every kernel that it has forked."""
        self._control.close()
        self._process.kill()
        self._process.wait()


class Kernel:
    """One kernel, which lives as long as the other end of its lifeline.

    Args:
        lifeline: the socket that `Parent.fork` returned.
        own: a parent that serves this kernel alone.
    """

    def __init__(self, lifeline: socket.socket, own: Parent | None = None) -> None:
        self._lifeline = lifeline
        self._own = own

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._lifeline.fileno() >= 0 and not _wait(self._lifeline, 0.0)

    def kill(self) -> None:
        """End it and all that it has started, and wait until they have ended."""
        if self._lifeline.fileno() < 0:
            return
        try:
            self._lifeline.shutdown(socket.SHUT_WR)
            _wait(self._lifeline, END_SECONDS)
        except OSError:  # it has ended
            pass
        finally:
            self._lifeline.close()
            if self._own is not None:
                self._own.close()


def start(request: Request) -> Kernel:
    """Start a kernel, forked from this thread's warm parent where that is possible.

    Raises:
        StartError: it does not start, not even cold.
    """
    while not (_cold_because or request.readable or request.env):
        fresh = getattr(_thread, "parent", None) is None
        try:
            return Kernel(_parent(request).fork(request))
        except StartError as error:
            close_parent()
            if fresh:  # an older one may have been killed, for its memory
                _cold_because.append(str(error))
                logger.warning("no warm kernels here, only slower cold ones: %s", error)
    parent = Parent(warm=False, request=request)
    try:
        return Kernel(parent.fork(request), own=parent)
    except BaseException:
        parent.close()
        raise


def cold_because() -> str | None:
    """Return why kernels of this process start cold, or None while they are warm."""
    return _cold_because[0] if _cold_because else None


def close_parent() -> None:
    """End this thread's warm parent, if it has one, and its kernels."""
    parent = getattr(_thread, "parent", None)
    _thread.parent = None
    if parent is not None:
        parent.close()


def _parent(request: Request) -> Parent:
    if getattr(_thread, "parent", None) is None:
        _thread.parent = Parent(warm=True, request=request)
    return _thread.parent


def _receive(source: socket.socket, seconds: float) -> bytes:
    """Return the next message; empty when there is none."""
    if not _wait(source, seconds):
        return b"no answer in time"
    try:
        return source.recv(1 << 10)
    except ConnectionError:
        return b""


def _wait(source: socket.socket, seconds: float) -> bool:
    """Wait until a socket has something to read or is closed at its other end."""
    poller = select.poll()
    poller.register(source, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def _words(said: bytes) -> str:
    return said.decode("utf-8", "replace") or "it ended at once"
