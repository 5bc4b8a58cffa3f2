"""Measures trained weights with numpy, outside the kernel that trained them.

An evaluator takes the weights (name to array) and the inputs of the call, and returns named
numbers. It refuses weights of the wrong names or shapes with a `ValueError` for the student to
read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Evaluator = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, float]]


def binary_logistic(weights: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, float]:
    """Return how well p(y = 1 | x) = sigmoid(weight . x + bias) does.

    Args:
        weights: `weight` (D,) and `bias` ().
        inputs: `x` (B, D), `y` (B,) of 0 and 1, and `l2` where weights are penalised.

    Returns:
        `nll`, the mean in nats, `accuracy` and, with `l2`, `objective` = nll + l2/2 |weight|^2.
    """
    x, y = np.asarray(inputs["x"], float), np.asarray(inputs["y"], float)
    weight, bias = _array(weights, "weight", x.shape[1]), _array(weights, "bias", 1)
    logits = x @ weight + bias
    nll = np.mean(np.logaddexp(0.0, logits) - y * logits)
    metrics = {"nll": float(nll), "accuracy": float(np.mean((logits > 0) == (y > 0.5)))}
    if "l2" in inputs:
        metrics["objective"] = float(nll + inputs["l2"] / 2 * weight @ weight)
    return metrics


def nade(weights: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, float]:
    """Return how well NADE with sigmoid hidden units does on data that it was not trained on.

    Args:
        weights: `W` (H, D), `V` (D, H), `b` (D,) and `c` (H,).
        inputs: `num_hidden` H and `valid` (B, D) of 0 and 1.

    Returns:
        `nll`, the mean of -log p(x) over `valid` in nats.
    """
    x, size = np.asarray(inputs["valid"], float), int(inputs["num_hidden"])
    rows, d = x.shape
    W = _array(weights, "W", size * d).reshape(size, d)
    V = _array(weights, "V", d * size).reshape(d, size)
    b, c = _array(weights, "b", d), _array(weights, "c", size)
    nll, a = np.zeros(rows), np.tile(c, (rows, 1))
    for i in range(d):
        h = 0.5 * (1 + np.tanh(a / 2))  # the sigmoid, without overflow
        nll += np.logaddexp(0.0, (1 - 2 * x[:, i]) * (h @ V[i] + b[i]))
        a += np.outer(x[:, i], W[:, i])
    return {"nll": float(nll.mean())}


def _array(weights: Mapping[str, Any], name: str, size: int) -> np.ndarray:
    if name not in weights:
        raise ValueError(
            f"there is no parameter {name} among {', '.join(map(str, weights)) or 'none'}"
        )
    array = np.asarray(weights[name], float).ravel()
    if array.size != size:
        raise ValueError(f"parameter {name} holds {array.size} numbers, expected {size}")
    if not np.isfinite(array).all():
        raise ValueError(f"parameter {name} holds NaN or infinity: the training diverged")
    return array


EVALUATORS: dict[str, Evaluator] = {"binary_logistic": binary_logistic, "nade": nade}
