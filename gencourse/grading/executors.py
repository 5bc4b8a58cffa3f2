"""What grades submissions at the same time: processes of this machine, or a dask cluster.

Both are an executor of `concurrent.futures` with two additions: how many submissions it is worth
having under way, and how a worker comes by the package, which is sent to it once.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gencourse.course import CourseError
from gencourse.grading import sandbox
from gencourse.grading.package import Package, grader_version

EXECUTORS = ("processes", "dask")
CONNECT_SECONDS = 10
Grader = Callable[[bytes, Package], dict[str, Any]]

_package: Package | None = None  # in a worker process: what it grades against


def _task(grader: Grader, notebook: bytes, package: Package | None) -> dict[str, Any]:
    return grader(notebook, package or _package)


def _remote_task(grader: Grader, notebook: bytes, package: Package) -> dict[str, Any]:
    """Grade on a machine that may have another version of this package.

    Raises:
        CourseError: it has, or it has no sandbox.
    """
    if package.version != grader_version():
        raise CourseError(
            f"{socket.gethostname()} has the grader {grader_version()}, this machine has "
            f"{package.version}: install the same gencourse on every worker"
        )
    if not package.unsafe:
        sandbox.require()
    return grader(notebook, package)


@dataclass(frozen=True)
class Crew:
    """Workers that grade.

    Args:
        executor: runs tasks.
        package: the package, or what stands for it in the arguments of a task.
        window: how many submissions to have under way now.
        lost: what a future raises when the process at work on it has ended.
        task: what a worker calls, with a grader, a submission and `package`.
    """

    executor: Executor
    package: Any
    window: Callable[[], int]
    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)
    task: Callable[[Grader, bytes, Any], dict[str, Any]] = _task

    def submit(self, grader: Grader, notebook: bytes) -> Future:
        """Begin to grade one submission."""
        return self.executor.submit(self.task, grader, notebook, self.package)


@contextmanager
def processes(package: Package, workers: int, scratch: Path) -> Iterator[Crew]:
    """Yield worker processes of this machine; none outlives the block, or this process.

    Args:
        package: what to grade against.
        workers: how many.
        scratch: a folder for their temporary files.
    """
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    executor = Separate(workers, context, _begin, (theirs, str(scratch), package))
    try:
        yield Crew(executor, None, lambda: workers)
        executor.shutdown()
    finally:
        ours.close()  # whoever is still at work ends at once
        executor.shutdown(cancel_futures=True)
        theirs.close()


class Separate(Executor):
    """A pool of processes each with a queue of its own: one that is killed loses its own task.

    In a `ProcessPoolExecutor` it would take the tasks of all the others with it. A process that
    has ended is replaced.

    Args:
        workers: how many processes.
        context: how to start them.
        initializer: what each does first, with `initargs`.
        initargs: its arguments.
    """

    def __init__(
        self, workers: int, context: Any, initializer: Callable, initargs: tuple
    ) -> None:
        self._new = lambda: ProcessPoolExecutor(1, context, initializer, initargs)
        self._pools = [self._new() for _ in range(workers)]
        self._tasks: list[list[Future]] = [[] for _ in range(workers)]

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """Give a task to the process that has least to do."""
        self._tasks = [[f for f in tasks if not f.done()] for tasks in self._tasks]
        k = min(range(len(self._pools)), key=lambda i: len(self._tasks[i]))
        with _starting_deaf():
            try:
                future = self._pools[k].submit(fn, *args, **kwargs)
            except BrokenExecutor:
                self._pools[k].shutdown()
                self._pools[k] = self._new()
                future = self._pools[k].submit(fn, *args, **kwargs)
        self._tasks[k].append(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when they have finished."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=cancel_futures)
        for pool in self._pools:
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)


@contextmanager
def dask(package: Package, workers: int, scratch: Path, scheduler: str | None) -> Iterator[Crew]:
    """Yield the workers of a dask cluster.

    Args:
        package: what to grade against.
        workers: how many to start when there is no scheduler.
        scratch: a folder for their temporary files.
        scheduler: address of a running one; without it a cluster of processes is started on this
            machine, which listens on the loopback interface alone.

    Raises:
        CourseError: dask.distributed is not installed, or the scheduler does not answer.
    """
    try:
        from dask import config
        from distributed import Client, LocalCluster
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise CourseError(
            "dask.distributed is not installed: pip install 'gencourse[grade]'"
        ) from None
    settings = {
        "distributed.scheduler.worker-saturation": 1.0,  # waiting tasks wait in the scheduler
        "distributed.scheduler.allowed-failures": 1,
        "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS}s",
    }
    with config.set(settings):
        cluster = scheduler or LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
            local_directory=str(scratch),
            env={"TMPDIR": str(scratch)},
            silence_logs=logging.CRITICAL,
        )
        try:
            try:
                client = Client(cluster, set_as_default=False, timeout=CONNECT_SECONDS)
            except (OSError, ValueError, TimeoutError) as error:
                raise CourseError(f"no dask scheduler at {scheduler} ({error})") from None
            with client:
                # a task, not scattered data: that would be gone with the last worker that held it
                sent = client.submit(_same, package, pure=False)
                crew = client.get_executor(pure=False)
                task = _remote_task if scheduler else _task
                yield Crew(crew, sent, lambda: _slots(client), (KilledWorker,), task)
        finally:
            if scheduler is None:
                _end(cluster)


def _end(cluster: Any) -> None:
    """End a cluster's workers at once, with their kernels, not when their tasks are done."""
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        with suppress(TypeError, ProcessLookupError):  # it had ended
            os.kill(nanny.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        cluster.close(timeout=2)


def _slots(client: Any) -> int:
    """Return how many tasks keep a cluster busy; workers come and go."""
    return 2 * max(1, sum(client.nthreads().values()))


def _same(package: Package) -> Package:
    """Return the package, on a worker, from where the others fetch it."""
    return package


def _begin(parent: Connection, scratch: str, package: Package) -> None:
    """Prepare a worker process."""
    global _package
    _package = package
    tempfile.tempdir = scratch
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the parent, which ends this one
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Connection) -> None:
    """End this process, and with it its kernels, when the other end of a pipe is closed."""
    with suppress(EOFError, OSError):
        parent.recv_bytes()  # nothing is ever sent
    os._exit(1)


@contextmanager
def _starting_deaf() -> Iterator[None]:
    """Let a process that is started here not hear Ctrl-C before `_begin` has run."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
