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

from gencourse.authoring.contract import Mistake, Wrong
from gencourse.exercises import adapter
from gencourse.exercises.encoding import decode, encode

Draw = Callable[[np.random.Generator], dict | None]
Compared = Callable[[Callable, dict], Any]
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
    draw: Draw,
    right: Callable,
    others: Sequence[Callable],
    margin: float,
    *,
    measure: Compared = run,
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


def telling(
    draw: Draw,
    right: Callable,
    told: Sequence[Mistake | Wrong],
    margin: float,
    compared: Compared = run,
) -> Callable[[np.random.Generator], dict]:
    """Return an input generator on which all of the answers are apart, see `separated`.

    Args:
        draw: makes a call from a generator, or None to have another try.
        right: the reference.
        told: mistakes and wrong answers.
        margin: least difference, absolute.
        compared: (answer, call) to the numbers that the judge will compare.
    """
    others = [item.answer for item in told]

    def inputs(rng: np.random.Generator) -> dict:
        return separated(rng, draw, right, others, margin, measure=compared)

    return inputs


def telling_declared(
    test: str,
    draw: Draw,
    right: Callable,
    margin: float,
    *declared: Sequence[Mistake | Wrong],
    compared: Compared = run,
) -> Callable[[np.random.Generator], dict]:
    """Return an input generator that tells everything declared for a test from the right answer.

    Args:
        test: name of the test.
        draw: makes a call from a generator, or None to have another try.
        right: the reference.
        margin: least difference, absolute.
        declared: lists of mistakes and wrong answers, also of other tests.
        compared: (answer, call) to the numbers that the judge will compare.
    """
    told = [item for items in declared for item in items if item.test == test]
    return telling(draw, right, told, margin, compared)


def with_gradients(*wrt: str) -> Compared:
    """Return a comparison of the value and the gradient by some inputs."""

    def compared(answer: Callable, call: dict) -> Any:
        return decode(adapter.call(answer, kind="gradient", call=encode(call), wrt=wrt))

    return compared


def grid(rng: np.random.Generator, low: float, high: float, *shape: int) -> np.ndarray:
    """Return numbers between low and high with two decimals."""
    return np.round(rng.uniform(low, high, size=shape), 2)


def signed(rng: np.random.Generator, low: float, high: float, *shape: int) -> np.ndarray:
    """Return numbers of either sign whose size is between low and high, with two decimals."""
    return grid(rng, low, high, *shape) * rng.choice([-1.0, 1.0], size=shape)


def simplex(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n probabilities, multiples of 1/100, none of them below 0.03."""
    return (rng.multinomial(100 - 3 * n, rng.dirichlet(np.ones(n))) + 3) / 100
