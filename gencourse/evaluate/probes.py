"""Probes: what can be read off a representation whose encoder is held still.

A few labels, a simple classifier, and features that the labels cannot change: how well that works
says how much of what the labels mean the representation has laid open. An encoder that is trained
along with the probe says nothing about how it was pretrained.

Shapes: N and M rows, D features, K classes.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.evaluate.likelihoods import Estimate

Labelled = tuple[Tensor, Tensor]


@torch.no_grad()
def frozen_features(
    model: nn.Module | Callable[[Tensor], Tensor], x: Tensor, *, batch_size: int = 512
) -> Tensor:
    """Return the features of all rows in evaluation mode and without a gradient, -> (N, D).

    Features are what `model.features` returns, or the model itself where it has no such method;
    `nn.Flatten()` gives the raw pixels. They come back on the CPU, flattened, in float32.

    Args:
        model: an encoder, a classifier or a pretext task; its mode is put back afterwards.
        x: rows (N, ...), moved to the model's device batch by batch.
        batch_size: rows at a time; changes the memory, not the result.

    Raises:
        ValueError: no rows, or features that are not all finite.
    """
    if not len(x):
        raise ValueError(f"x has shape {tuple(x.shape)}, expected at least 1 row")
    encode = getattr(model, "features", model)
    module = isinstance(model, nn.Module)
    where = next((t.device for t in model.parameters()), x.device) if module else x.device
    training = module and model.training
    if training:
        model.eval()
    try:
        rows = [encode(part.to(where)).flatten(1).float().cpu() for part in x.split(batch_size)]
    finally:
        if training:
            model.train()
    features = torch.cat(rows)
    if (bad := ~features.isfinite().all(1)).any():
        row = int(bad.nonzero()[0])
        raise ValueError(f"features of row {row} are {features[row].tolist()[:5]}, not all finite")
    return features


def linear_probe(
    model: nn.Module | Callable[[Tensor], Tensor],
    train: Labelled,
    test: Labelled,
    *,
    l2: float = 1e-3,
    labels: int | None = None,
    batch_size: int = 512,
    seed: int = 0,
) -> Estimate:
    """Return the test accuracy of logistic regression on frozen features.

    Features are standardised by the training rows. The objective, mean cross-entropy in nats plus
    l2 / 2 times the squared weights, is convex and solved by L-BFGS, so that the result depends on
    no learning rate and no seed (but for the choice of `labels`).

    Args:
        model: as in `frozen_features`.
        train: x (N, ...) and classes y (N,) from 0 on.
        test: x (M, ...) and y (M,).
        l2: weight of the penalty.
        labels: how many training rows of each class are used, all when None.
        batch_size: rows encoded at a time.
        seed: of the choice of labelled rows.

    Raises:
        ValueError: as in `frozen_features`; labels that are no classes; fewer than `labels` rows
            of a class.
    """
    a, y, b, target = _features(model, train, test, labels, batch_size, seed)
    mean, scale = a.mean(0), a.std(0, correction=0).clamp(min=1e-6)
    W, c = _logistic_regression((a - mean) / scale, y, l2)
    return _accuracy(((b - mean) / scale @ W + c).argmax(1) == target)


def knn_probe(
    model: nn.Module | Callable[[Tensor], Tensor],
    train: Labelled,
    test: Labelled,
    *,
    k: int = 20,
    temperature: float = 0.07,
    labels: int | None = None,
    batch_size: int = 512,
    seed: int = 0,
) -> Estimate:
    """Return the test accuracy of weighted nearest neighbours (Wu et al., CVPR 2018, section 3.4).

    The k training rows of the largest cosine s vote with weight exp(s / temperature). Features are
    centred on the training mean first: after a ReLU and a mean they all point the same way.

    Args:
        model: as in `frozen_features`.
        train: x (N, ...) and classes y (N,) from 0 on.
        test: x (M, ...) and y (M,).
        k: voters; all training rows if they are fewer.
        temperature: the smaller, the more the nearest alone decide.
        labels: how many training rows of each class are used, all when None.
        batch_size: rows encoded, and compared, at a time.
        seed: of the choice of labelled rows.

    Raises:
        ValueError: as in `linear_probe`; k below 1 or a temperature that is not positive.
    """
    if k < 1 or not temperature > 0:
        raise ValueError(
            f"k is {k} and temperature is {temperature}, expected at least 1 and more than 0"
        )
    a, y, b, target = _features(model, train, test, labels, batch_size, seed)
    a, b = F.normalize(a - a.mean(0)), F.normalize(b - a.mean(0))
    right = []
    for rows, want in zip(b.split(batch_size), target.split(batch_size), strict=True):
        s, who = (rows @ a.T).topk(min(k, len(a)))  # (M, k)
        votes = rows.new_zeros(len(rows), int(y.max()) + 1)
        votes.scatter_add_(1, y[who], ((s - s[:, :1]) / temperature).exp())
        right.append(votes.argmax(1) == want)
    return _accuracy(torch.cat(right))


class _Split(NamedTuple):
    train: Tensor
    y: Tensor
    test: Tensor
    target: Tensor


def _features(
    model: nn.Module | Callable[[Tensor], Tensor],
    train: Labelled,
    test: Labelled,
    labels: int | None,
    batch_size: int,
    seed: int,
) -> _Split:
    for name, (x, y) in (("train", train), ("test", test)):
        if y.shape != x.shape[:1] or y.is_floating_point() or (len(y) and int(y.min()) < 0):
            raise ValueError(
                f"{name} has labels of shape {tuple(y.shape)} and {y.dtype}, expected classes "
                f"({len(x)},) from 0 on"
            )
    x, y = train
    if labels is not None:
        rows = _rows_per_class(y, labels, seed)
        x, y = x[rows], y[rows]
    features = (frozen_features(model, part, batch_size=batch_size) for part in (x, test[0]))
    a, b = features
    return _Split(a, y.cpu(), b, test[1].cpu())


def _rows_per_class(y: Tensor, labels: int, seed: int) -> Tensor:
    """Return the numbers of `labels` random rows of each class, in order."""
    counts = y.unique(return_counts=True)[1]
    if labels < 1 or int(counts.min()) < labels:
        raise ValueError(
            f"labels is {labels}, expected between 1 and the {int(counts.min())} rows of the "
            "rarest class"
        )
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed)).to(y.device)
    rows = [order[y[order] == label][:labels] for label in y.unique()]
    return torch.cat(rows).sort().values


def _logistic_regression(x: Tensor, y: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    """Return W (D, K) and c (K,) of multinomial logistic regression, c without a penalty."""
    if not l2 >= 0:
        raise ValueError(f"l2 is {l2}, expected at least 0")
    W = x.new_zeros(x.shape[1], int(y.max()) + 1, requires_grad=True)
    c = x.new_zeros(W.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [W, c], max_iter=200, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(x @ W + c, y) + l2 / 2 * W.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(closure)
    return W.detach(), c.detach()


def _accuracy(right: Tensor) -> Estimate:
    """Return the share of right answers with its standard error, sqrt(p (1 - p) / M)."""
    p = float(right.double().mean())
    return Estimate(p, math.sqrt(p * (1 - p) / len(right)), len(right))
