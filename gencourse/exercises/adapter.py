"""Calls a student's answer with plain data and returns plain data.

It runs in the student's kernel and holds no answer.

Five kinds of exercise, each with its own shape of a call:

| kind | call | output |
|---|---|---|
| function | keyword arguments | what the function returns |
| class | `{"init": kwargs, "calls": [[method, kwargs], ...]}` | list of what the methods return |
| gradient | keyword arguments, some named in `wrt` | `{"value": output, "grad": {name: array}}` |
| sampler | keyword arguments, among them the uniforms to use | what the function returns |
| weights | keyword arguments | `{parameter name: array}` of the trained model |
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gencourse.exercises.encoding import decode, encode

KINDS = ("function", "class", "gradient", "sampler", "weights")
MAX_MESSAGE = 500


class AnswerError(Exception):
    """An answer that cannot be used as its exercise asks; the message is for the student."""


def call(answer: Callable, *, kind: str, call: Any, wrt: Sequence[str] = ()) -> Any:
    """Call `answer` as exercises of its kind are called and return its encoded output.

    Every call decodes its inputs afresh, so an answer that changes them in place harms only
    itself. Arrays arrive as torch tensors (float64, int64 or bool). The global random number
    generators are seeded before each call.

    Args:
        answer: the student's function or class.
        kind: one of `KINDS`.
        call: encoded inputs.
        wrt: for a gradient, the names of the inputs to differentiate by.

    Raises:
        AnswerError: no gradient flows, a method is missing, or weights are not weights.
        EncodingError: the output cannot be encoded.
        Exception: whatever the answer itself raises.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(KINDS)}")
    _seed()
    inputs = decode(call, array=_tensor)
    if kind == "class":
        return _call_class(answer, inputs)
    if kind == "gradient":
        return _call_gradient(answer, inputs, wrt)
    output = answer(**inputs)
    return encode(_weights(output) if kind == "weights" else output)


def reply(answer: Callable, request: str) -> str:
    """Answer a grader's request, JSON in and JSON out.

    Args:
        answer: the student's function or class.
        request: `{"kind": ..., "call": ..., "wrt": [...]}`.

    Returns:
        `{"ok": encoded output}` or `{"error": {"ename": ..., "message": ...}}`, whose message
        has at most 500 characters.
    """
    try:
        asked = json.loads(request)
        output = call(answer, kind=asked["kind"], call=asked["call"], wrt=asked.get("wrt") or ())
        return json.dumps({"ok": output}, allow_nan=False)
    except (Exception, SystemExit) as error:
        return json.dumps(
            {"error": {"ename": type(error).__name__[:80], "message": message_of(error)}}
        )


def message_of(error: BaseException) -> str:
    """Return the message of an exception, cut to 500 characters, whatever its `__str__` does."""
    try:
        text = str.__str__(str(error))
    except Exception:
        text = "(the exception has no readable message)"
    return text[:MAX_MESSAGE].encode("utf-8", "replace").decode()


def _seed() -> None:
    import torch

    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


def _tensor(array: np.ndarray) -> Any:
    import torch

    return torch.tensor(array)


def _call_class(answer: Callable, inputs: dict) -> list:
    made = answer(**inputs["init"])
    outputs = []
    for method, kwargs in inputs["calls"]:
        bound = getattr(made, method, None)
        if not callable(bound):
            raise AnswerError(f"your class has no method {method}")
        outputs.append(encode(bound(**kwargs)))  # at once: a later call may change it
    return outputs


def _call_gradient(answer: Callable, inputs: dict, wrt: Sequence[str]) -> Any:
    import torch

    with torch.enable_grad():
        for name in wrt:
            inputs[name] = inputs[name].double().requires_grad_()
        leaves = [inputs[name].mul(1.0) for name in wrt]  # unlike a leaf, may change in place
        output = answer(**{**inputs, **dict(zip(wrt, leaves, strict=True))})
        value = encode(output)
        total = _total(output)
        if total is None or not total.requires_grad:
            raise AnswerError(
                "no gradient flows through your answer: it is detached (by .item() or numpy?)"
            )
        grads = torch.autograd.grad(total, [inputs[name] for name in wrt], allow_unused=True)
    for name, grad in zip(wrt, grads, strict=True):
        if grad is None:
            raise AnswerError(f"no gradient reaches {name}: it is detached or not used")
    return {"dict": [["value", value], ["grad", encode(dict(zip(wrt, grads, strict=True)))]]}


def _total(output: Any) -> Any:
    """Return the sum of all float tensors in a tree, or None where there is none."""
    import torch

    if isinstance(output, torch.Tensor):
        return output.sum() if output.is_floating_point() else None
    parts = list(output.values()) if isinstance(output, dict) else output
    if not isinstance(parts, (list, tuple)):
        return None
    sums = [s for s in map(_total, parts) if s is not None]
    return sum(sums[1:], start=sums[0]) if sums else None


def _weights(output: Any) -> dict:
    import torch

    if isinstance(output, torch.nn.Module):
        output = dict(output.state_dict())
    if not isinstance(output, dict):
        raise AnswerError(
            f"your answer is a {type(output).__name__[:80]}; expected a model or a dict of tensors"
        )
    return output
