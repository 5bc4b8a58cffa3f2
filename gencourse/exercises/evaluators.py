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


def discriminator(weights: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, float]:
    """Return how well a discriminator with the logit weight . x + bias tells real from fake.

    Args:
        weights: `weight` (D,) and `bias` ().
        inputs: `real` (N, D), `fake` (M, D) and `l2`, the factor of the penalty on the weight.

    Returns:
        `loss`, -mean log D over real minus mean log(1 - D) over fake in nats, and `objective` =
        loss + l2/2 |weight|^2.
    """
    real, fake = np.asarray(inputs["real"], float), np.asarray(inputs["fake"], float)
    weight, bias = _array(weights, "weight", real.shape[1]), _array(weights, "bias", 1)
    on_real = np.logaddexp(0.0, -(real @ weight + bias))
    on_fake = np.logaddexp(0.0, fake @ weight + bias)
    loss = float(on_real.mean() + on_fake.mean())
    return {"loss": loss, "objective": float(loss + inputs["l2"] / 2 * weight @ weight)}


def frozen_probe(weights: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, float]:
    """Return how well p(y = 1 | x) = sigmoid(weight . relu(W x) + bias) does, and whether W moved.

    Args:
        weights: `W` (D, K), the encoder; `weight` (D,) and `bias` (), the probe.
        inputs: `W` (D, K), what the encoder was before, `x` (B, K), `y` (B,) of 0 and 1, and `l2`.

    Returns:
        `moved`, the largest change of an entry of W, `nll`, the mean in nats, and `objective` =
        nll + l2/2 |weight|^2.
    """
    x, y, before = (np.asarray(inputs[k], float) for k in ("x", "y", "W"))
    W = _array(weights, "W", before.size).reshape(before.shape)
    weight, bias = _array(weights, "weight", len(W)), _array(weights, "bias", 1)
    logits = np.maximum(x @ W.T, 0) @ weight + bias
    nll = float(np.mean(np.logaddexp(0.0, logits) - y * logits))
    return {
        "moved": float(np.abs(W - before).max()),
        "nll": nll,
        "objective": float(nll + inputs["l2"] / 2 * weight @ weight),
    }


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


EVALUATORS: dict[str, Evaluator] = {
    "binary_logistic": binary_logistic,
    "discriminator": discriminator,
    "frozen_probe": frozen_probe,
    "nade": nade,
}
