"""One kernel, and what the grader says to it; nothing it answers is trusted.

Every exchange has a time limit and a limit on what comes back. A cell that passes one is
interrupted; a kernel that does not heed the interrupt is killed. The caller decides whether to
start another.
"""

from __future__ import annotations

import subprocess
import time
from typing import Any

import zmq

from gencourse.grading.kernel import PlainKernelManager, SandboxKernelManager
from gencourse.grading.messages import Heard, Outcome
from gencourse.grading.sandbox import Limits

START_SECONDS = 90.0
GRACE_SECONDS = 3.0  # from an interrupt to a kill
SETTLE_SECONDS = 1.0  # from a reply to the last output
POLL_MS = 200


class KernelStartError(Exception):
    """The kernel did not start: the machine's fault, not the submission's."""


class Session:
    """A kernel for one submission.

    Args:
        limits: what the kernel may use.
        unsafe: no sandbox.
    """

    def __init__(self, *, limits: Limits | None = None, unsafe: bool = False) -> None:
        self.limits = limits or Limits()
        self._manager_class = PlainKernelManager if unsafe else SandboxKernelManager
        self._manager: Any = None
        self._client: Any = None
        self._deaf = False  # a message beyond all limits has ended the connection for outputs

    def __enter__(self) -> Session:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the kernel still runs."""
        return self._manager is not None and self._manager.is_alive()

    def start(self) -> None:
        """Start a kernel and wait until it answers.

        Raises:
            KernelStartError: it does not.
        """
        self._deaf = False
        self._manager = self._manager_class(limits=self.limits)
        self._manager.shutdown_wait_time = 0.5
        self._manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._client = self._manager.client()
        self._client.start_channels(stdin=False, hb=False)
        self._poller = zmq.Poller()
        for channel in (self._client.shell_channel, self._client.iopub_channel):
            self._poller.register(channel.socket, zmq.POLLIN)
        self._wait_until_ready()

    def restart(self) -> None:
        """Replace the kernel by a fresh one."""
        self.close()
        self.start()

    def close(self) -> None:
        """End the kernel and all it started."""
        if self._client is not None:
            self._client.stop_channels()
            self._client.context.destroy(linger=0)
            self._client = None
        if self._manager is not None:
            self._manager.shutdown_kernel(now=True)
            self._manager = None

    def run(self, source: str, *, seconds: float | None = None) -> Outcome:
        """Run one cell, for so many seconds, default the limit of a cell."""
        return self._exchange(source, seconds=seconds or self.limits.cell_seconds)

    def ask(self, expression: str) -> Outcome:
        """Evaluate an expression that gives a string; `Outcome.value` holds it."""
        return self._exchange("", expression=expression, seconds=self.limits.cell_seconds)

    def _exchange(self, source: str, *, seconds: float, expression: str | None = None) -> Outcome:
        if not self.alive:
            return Outcome("died", "KernelDied", "the kernel had ended")
        asked = {} if expression is None else {"value": expression}
        request = self._client.execute(
            source,
            silent=expression is not None,
            store_history=False,
            user_expressions=asked,
            allow_stdin=False,
        )
        heard = Heard(request, self.limits, silent=expression is not None)
        if not self._listen(heard, time.monotonic() + seconds):
            return self._stop(heard, seconds)
        return heard.outcome()

    def _listen(self, heard: Heard, deadline: float) -> bool:
        """Collect messages until the request is done; else set `heard.broken`, return False."""
        settle = 0.0  # the reply can overtake the last outputs
        while True:
            now = time.monotonic()
            if heard.reply is not None:
                settle = settle or now + SETTLE_SECONDS
                if heard.idle or self._deaf or heard.silent or now > settle:
                    self._deaf = self._deaf or now > settle
                    return True
            if now > deadline and heard.reply is None:
                heard.broken = heard.broken or "timeout"
                return False
            ready = dict(self._poller.poll(POLL_MS))
            for channel in (self._client.shell_channel, self._client.iopub_channel):
                if channel.socket in ready:
                    heard.take(*self._receive(channel.socket))
            if heard.flooded and heard.reply is None and not heard.broken:
                heard.broken = "flood"
                return False
            if not ready and not self.alive:
                heard.broken = "died"
                return False
            if self._folder_bytes() > self.limits.file_mib << 20:
                heard.broken = "flood"
                return False

    def _stop(self, heard: Heard, seconds: float) -> Outcome:
        status, words = (
            heard.broken,
            {
                "timeout": f"stopped after {seconds:g} s",
                "flood": "stopped: too much output",
                "died": "the kernel ended (out of memory, os._exit or a crash)",
            },
        )
        if status in ("timeout", "flood"):
            self._manager.interrupt_kernel()
            if not self._listen(heard, time.monotonic() + GRACE_SECONDS):
                self._kill()
        elif status == "died":
            self._kill()
        name = {"timeout": "Timeout", "flood": "TooMuchOutput", "died": "KernelDied"}[status]
        return Outcome(status, name, words[status], heard.outputs)

    def _kill(self) -> None:
        self._manager.shutdown_kernel(now=True)

    def _folder_bytes(self) -> int:
        """What the sandbox has put into the one folder that it shares with the host."""
        try:
            return sum(
                entry.stat(follow_symlinks=False).st_size
                for entry in self._manager.folder.iterdir()
            )
        except OSError:
            return 0

    def _receive(self, socket: zmq.Socket) -> tuple[dict | None, int]:
        """Return one message, or None where it cannot be read, and its size in bytes."""
        frames = socket.recv_multipart(zmq.NOBLOCK)
        size = sum(map(len, frames))
        try:
            _, parts = self._client.session.feed_identities(frames)
            return self._client.session.deserialize(parts), size
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None, size

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            heard = Heard(self._client.kernel_info(), self.limits)
            self._listen(heard, time.monotonic() + 1.0)
            self._deaf = False
            if heard.reply is not None and heard.idle:  # both channels are connected
                return
            if not self.alive:
                break
        why = "ended at once" if not self.alive else f"does not answer within {START_SECONDS:g} s"
        self.close()
        raise KernelStartError(f"the kernel {why}")
