"""Drawing inputs on which a wrong answer cannot pass by luck.

Inputs are drawn again until every listed mistake is further from the right output than any
tolerance. That decides the case for good: whoever makes the mistake fails on every seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

MOST_TRIES = 2000


def as_tensors(value: Any) -> Any:
    """Return inputs with their arrays as tensors, as an answer receives them."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, dict):
        return {name: as_tensors(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_tensors(part) for part in value]
    return value


def run(answer: Callable, inputs: dict) -> Any:
    """Return what an answer gives; of a class, the list of what its methods return.

    Args:
        answer: a function or a class.
        inputs: keyword arguments or, for a class, `{"init": kwargs, "calls": [[method, kwargs],
            ...]}`; arrays are passed as tensors.
    """
    call = as_tensors(inputs)
    if set(call) != {"init", "calls"}:
        return answer(**call)
    made = answer(**call["init"])
    return [getattr(made, method)(**kwargs) for method, kwargs in call["calls"]]


def flat(output: Any) -> np.ndarray:
    """Return all numbers of a tree of tensors, arrays and numbers in one line."""
    if isinstance(output, dict):
        output = [output[name] for name in sorted(output)]
    if isinstance(output, (list, tuple)):
        return np.concatenate([flat(part) for part in output]) if output else np.zeros(0)
    if isinstance(output, torch.Tensor):
        output = output.detach().numpy()
    return np.asarray(output, float).ravel()


def apart(one: Any, other: Any, margin: float) -> bool:
    """Tell whether two outputs differ in size, or somewhere by more than `margin`."""
    a, b = flat(one), flat(other)
    with np.errstate(invalid="ignore"):
        return a.shape != b.shape or not np.all((np.abs(a - b) <= margin) | (a == b))


def separated(
    rng: np.random.Generator,
    draw: Callable[[np.random.Generator], dict | None],
    right: Callable,
    others: Sequence[Callable],
    margin: float,
    *,
    measure: Callable[[Callable, dict], Any] = run,
) -> dict:
    """Return inputs on which all outputs are apart: those of the wrong answers also pairwise.

    Apart from one another, they are told apart, and each gets its own words.

    Args:
        rng: the generator that the exercise was given.
        draw: makes inputs, or None to have another try.
        right: the reference.
        others: the wrong answers.
        margin: least difference, absolute.
        measure: (answer, inputs) to what is compared.

    Raises:
        RuntimeError: no draw does it; the message names the pair that agreed most often.
    """
    agreed: dict[tuple[str, str], int] = {}
    for _ in range(MOST_TRIES):
        inputs = draw(rng)
        if inputs is None:
            continue
        answers = (right, *others)
        outputs = [measure(answer, inputs) for answer in answers]
        equal = (
            (a.__name__, b.__name__)
            for (a, x), (b, y) in itertools.combinations(zip(answers, outputs, strict=True), 2)
            if not apart(x, y, margin)
        )
        pair = next(equal, None)
        if pair is None:
            return inputs
        agreed[pair] = agreed.get(pair, 0) + 1
    most = max(agreed, key=agreed.__getitem__) if agreed else ("nothing", "drawn")
    raise RuntimeError(f"{draw.__name__}: no draw tells {most[0]} from {most[1]}")
