"""One kernel, and what the grader says to it; nothing it answers is trusted.

Every exchange has a time limit and a limit on what comes back. A cell that passes one is
interrupted; a kernel that does not heed the interrupt is killed. The caller decides whether to
start another.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from typing import Any

import zmq

from gencourse.grading.kernel import PlainKernelManager, SandboxKernelManager
from gencourse.grading.messages import Heard, Outcome
from gencourse.grading.sandbox import Limits
from gencourse.grading.warm import StartError

START_SECONDS = 90.0
GRACE_SECONDS = 3.0  # from an interrupt to a kill
SETTLE_SECONDS = 1.0  # from a reply to the last output
DYING_SECONDS = 0.5  # from the end of a connection to that of its kernel
POLL_MS = 200
MOST_PARTS = 100_000  # lists and dicts in a message: each costs far more memory than its brackets
UNREAD: dict = {}  # a message that would be too large in memory
NAMES = {"timeout": "Timeout", "flood": "TooMuchOutput", "died": "KernelDied"}


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
        self._manager = self._manager_class(limits=self.limits)
        try:
            self._manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self._connect()
            self._wait_until_ready()
        except StartError as error:
            self.close()
            raise KernelStartError(str(error)) from None
        except BaseException:
            self.close()
            raise

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
            self._kill()
            self._manager = None

    def run(self, source: str, *, seconds: float | None = None) -> Outcome:
        """Run one cell, for so many seconds, default the limit of a cell."""
        return self._exchange(source, seconds=seconds or self.limits.cell_seconds).outcome()

    def ask(self, expression: str) -> Outcome:
        """Evaluate an expression that gives a string; `Outcome.value` holds it."""
        return self.ask_all([expression])[0]

    def ask_all(self, expressions: Sequence[str]) -> list[Outcome]:
        """Evaluate expressions that give strings, one after the other, in one exchange.

        They have the time of one cell together. When the kernel ends or is stopped, that is the
        outcome of each.
        """
        asked = {str(i): expression for i, expression in enumerate(expressions)}
        heard = self._exchange("", asked=asked, seconds=self.limits.cell_seconds)
        return [heard.answer(name) for name in asked]

    def _exchange(
        self, source: str, *, seconds: float, asked: dict[str, str] | None = None
    ) -> Heard:
        """Send a request and return what comes back on it."""
        if not self.alive:
            ended = Outcome("died", NAMES["died"], "the kernel had ended")
            return Heard("", self.limits, end=ended)
        request = self._client.execute(
            source,
            silent=asked is not None,
            store_history=False,
            user_expressions=asked or {},
            allow_stdin=False,
        )
        heard = Heard(request, self.limits)
        done = self._listen(heard, time.monotonic() + seconds)
        if not done or heard.flooded:
            heard.end = self._stop(heard, seconds, done=done)
        return heard

    def _listen(self, heard: Heard, deadline: float) -> bool:
        """Collect messages until the request is done; else set `heard.broken`, return False."""
        settled = 0.0  # the reply can overtake the last outputs
        while True:
            now = time.monotonic()
            # an interrupt between the end of a cell and its reply swallows the reply
            if heard.reply is not None or (heard.broken and heard.idle):
                settled = settled or now + SETTLE_SECONDS
                if heard.idle or now > settled:
                    return True
            elif now > deadline:
                heard.broken = heard.broken or "timeout"
                return False
            ready = dict(self._poller.poll(POLL_MS))
            for wire in (self._shell, self._iopub):
                if wire.socket in ready:
                    message, size = self._receive(wire.socket)
                    heard.take(message, size)
                    if message == UNREAD and wire is self._shell:
                        heard.reply = heard.reply or {}
                if wire.monitor in ready:
                    wire.reconnect()
                    heard.cut = self._survives()
                    heard.lost |= wire is self._shell and heard.reply is None
                    if heard.lost or (heard.reply is None and not heard.broken):
                        heard.broken = "flood" if heard.cut else "died"
                        return False
            if heard.flooded and heard.reply is None and not heard.broken:
                heard.broken = "flood"
                return False
            if not ready and not self.alive:
                heard.broken = "died"
                return False

    def _survives(self) -> bool:
        """Tell whether the kernel outlives a connection, which it may have cut by ending."""
        ends = time.monotonic() + DYING_SECONDS
        while self.alive and time.monotonic() < ends:
            time.sleep(0.02)
        return self.alive

    def _stop(self, heard: Heard, seconds: float, *, done: bool) -> Outcome:
        """End a request that has broken a limit, if it has not ended; return how it ends.

        Too much output is too much, whether or not the kernel was quick enough to end by itself:
        what a submission is worth must not depend on a race.
        """
        status = heard.broken or "flood"
        words = {
            "timeout": f"stopped after {seconds:g} s",
            "flood": "stopped: too much output",
            "died": "the kernel ended (out of memory, os._exit or a crash)",
        }[status]
        if status == "died" or heard.lost:
            self._kill()
        elif not done and not self._interrupt(heard, time.monotonic() + GRACE_SECONDS):
            self._kill()
        return Outcome(status, NAMES[status], words, heard.outputs)

    def _interrupt(self, heard: Heard, deadline: float) -> bool:
        """Interrupt a request; tell whether it has ended and no interrupt is on its way any more.

        A cell that has printed too much may end by itself meanwhile. An interrupt that came after
        that would hit the next request, and cost an answer that has done nothing wrong.
        """
        control = self._client.control_channel
        request = self._client.session.msg("interrupt_request")
        control.send(request)
        done = self._listen(heard, deadline)
        while done and (left := deadline - time.monotonic()) > 0:
            if not control.socket.poll(1000 * left):
                break
            message, _ = self._receive(control.socket)
            parent = (message or {}).get("parent_header")
            if isinstance(parent, dict) and parent.get("msg_id") == request["msg_id"]:
                return True  # what it has answered, it has done
        return False

    def _kill(self) -> None:
        self._manager.shutdown_kernel(now=True)

    def _receive(self, socket: zmq.Socket) -> tuple[dict | None, int]:
        """Return one message, or None where it cannot be read, and its size in bytes."""
        frames = socket.recv_multipart(zmq.NOBLOCK)
        size = sum(map(len, frames))
        if sum(f.count(b"[") + f.count(b"{") for f in frames) > MOST_PARTS:
            return UNREAD, size
        try:
            _, parts = self._client.session.feed_identities(frames)
            return self._client.session.deserialize(parts), size
        except Exception:  # the kernel's bytes, made to break a parser
            return None, size

    def _connect(self) -> None:
        self._client = self._manager.client()
        self._client.session.digest_history_size = 0  # it would keep signatures of any length
        self._client.start_channels(stdin=False, hb=False)
        self._shell = _Wire(self._client.shell_channel.socket)
        self._iopub = _Wire(self._client.iopub_channel.socket)
        self._poller = zmq.Poller()
        for wire in (self._shell, self._iopub):
            self._poller.register(wire.socket, zmq.POLLIN)
            self._poller.register(wire.monitor, zmq.POLLIN)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.alive:
            heard = Heard(self._client.kernel_info(), self.limits)
            self._listen(heard, time.monotonic() + 1.0)
            if heard.reply is not None and heard.idle:  # both channels are connected
                return
        why = "ended at once" if not self.alive else f"does not answer within {START_SECONDS:g} s"
        raise StartError(f"the kernel {why}")


class _Wire:
    """A connected socket that notices when its connection is cut, by a message too long or ended.

    ZeroMQ does not connect again by itself after such a message, and would wait forever to send.
    """

    def __init__(self, socket: zmq.Socket) -> None:
        self.socket = socket
        self.monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._endpoint = socket.LAST_ENDPOINT

    def reconnect(self) -> None:
        """Take note of the cut and connect again."""
        self.monitor.recv_multipart()
        self.socket.disconnect(self._endpoint)
        self.socket.connect(self._endpoint)
