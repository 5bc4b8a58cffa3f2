"""What a kernel says, read with suspicion: bounded, and reduced to text and pictures.

Nothing here runs anything or opens anything; malformed messages are dropped or become an error.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from gencourse.grading.sandbox import Limits

# possessive: what cannot be stepped back over is not kept, which would cost 100 bytes a character
STRING = re.compile(r"""'(?:[^'\\\n]++|\\.)*+'|"(?:[^"\\\n]++|\\.)*+\"""")
PNG = re.compile(r"[A-Za-z0-9+/=\n]*")

Status = Literal["ok", "error", "timeout", "flood", "died"]


@dataclass
class Outcome:
    """How an exchange ended.

    Args:
        status: `ok`, `error` (an exception), `timeout`, `flood` (too much output) or `died`.
        ename: name of the exception, if there was one.
        message: its message, or what happened in words.
        outputs: outputs of a cell in the notebook format, text and PNG only.
        value: the string that was asked for, if it was one.
    """

    status: Status
    ename: str = ""
    message: str = ""
    outputs: list[dict] = field(default_factory=list)
    value: str | None = None


class Heard:
    """What has come back on one request.

    Args:
        request: id of the request.
        limits: of what may come back.
        end: how it ended, where not with a reply.
    """

    def __init__(self, request: str, limits: Limits, *, end: Outcome | None = None) -> None:
        self.request = request
        self.limits = limits
        self.reply: dict | None = None
        self.idle = False
        self.broken: Status | None = None
        self.cut = False  # a connection was cut, by a message too long
        self.lost = False  # it was the one on which the reply would come
        self.end = end
        self.outputs: list[dict] = []
        self.bytes = self.messages = 0

    @property
    def flooded(self) -> bool:
        """Whether more has come than one cell may send."""
        limits = self.limits
        too_much = self.bytes > limits.output_bytes or self.messages > limits.output_messages
        return self.cut or too_much

    def take(self, message: dict | None, size: int) -> None:
        """Note one message, whose parts may be anything that JSON can hold."""
        message = message or {}
        kind, content, parent = map(message.get, ("msg_type", "content", "parent_header"))
        content = content if isinstance(content, dict) else {}
        ours = isinstance(parent, dict) and parent.get("msg_id") == self.request
        if kind in ("execute_reply", "kernel_info_reply"):
            self.reply = content if ours else self.reply
            return
        if kind == "status":
            self.idle = self.idle or (ours and content.get("execution_state") == "idle")
            return
        self.bytes += size
        self.messages += 1
        output = None if self.flooded else _output(kind, content)
        if output is not None:
            _append(self.outputs, output)

    def outcome(self) -> Outcome:
        """Return how a cell ended."""
        if self.end is not None:
            return self.end
        reply = self.reply or {}
        if reply.get("status") == "ok":
            return Outcome("ok", outputs=self.outputs)
        return Outcome(
            "error", _text(reply, "ename", 80), _text(reply, "evalue", 500), self.outputs
        )

    def answer(self, name: str) -> Outcome:
        """Return how the expression of that name ended."""
        if self.end is not None:
            return self.end
        answers = (self.reply or {}).get("user_expressions")
        answer = answers.get(name) if isinstance(answers, dict) else None
        answer = answer if isinstance(answer, dict) else {}
        if answer.get("status") != "ok":
            return Outcome("error", _text(answer, "ename", 80), _text(answer, "evalue", 500))
        data = answer.get("data")
        value = _string(
            data.get("text/plain") if isinstance(data, dict) else None, self.limits.reply_bytes
        )
        if value is None:
            return Outcome("error", "NoReply", "the kernel's reply cannot be read")
        return Outcome("ok", value=value)


def _string(literal: Any, longest: int) -> str | None:
    """Return the string whose `repr` this is, or None."""
    if not isinstance(literal, str) or len(literal) > longest or not STRING.fullmatch(literal):
        return None
    try:
        return ast.literal_eval(literal)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _text(content: dict, key: str, longest: int) -> str:
    value = content.get(key)
    return value[:longest].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _output(kind: Any, content: dict) -> dict | None:
    """Return a message as a notebook's output: text and PNG, nothing a browser would run."""
    if kind == "stream":
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": _text(content, "text", 1 << 20)}
    if kind == "error":
        lines = content.get("traceback")
        lines = (
            [line[:10_000] for line in lines if isinstance(line, str)]
            if isinstance(lines, list)
            else []
        )
        names = {"ename": _text(content, "ename", 80), "evalue": _text(content, "evalue", 500)}
        return {"output_type": "error", **names, "traceback": lines[:100]}
    if kind in ("display_data", "execute_result"):
        data = content.get("data")
        data = data if isinstance(data, dict) else {}
        kept = {"text/plain": _text(data, "text/plain", 100_000)}
        png = data.get("image/png")
        if isinstance(png, str) and PNG.fullmatch(png):
            kept["image/png"] = png
        return {"output_type": "display_data", "data": kept, "metadata": {}}
    return None


def _append(outputs: list[dict], output: dict) -> None:
    last = outputs[-1] if outputs else None
    if (
        last
        and output["output_type"] == "stream"
        and last["output_type"] == "stream"
        and last["name"] == output["name"]
    ):
        last["text"] += output["text"]
    else:
        outputs.append(output)
