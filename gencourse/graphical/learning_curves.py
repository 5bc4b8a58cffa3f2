"""Generative against discriminative learning curves (Ng & Jordan, NIPS 2001, figure 1).

Naive Bayes and logistic regression both end in a linear classifier. Counting reaches its own,
usually worse, limit after few examples; maximising the conditional likelihood reaches the better
one later. Each curve is an average over many random splits, and all splits of one size are fitted
at once: they are a leading axis of every tensor, so there is no loop over splits.

Shapes: S splits, M training rows, T test rows, D features, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.graphical.inputs import class_counts, feature_rows, one_hot_labels
from gencourse.graphical.newton import fit_logistic


@dataclass(frozen=True)
class LearningCurve:
    """Test errors of both classifiers at each training size, for each split.

    Attributes:
        sizes: numbers of training rows, (N,).
        naive_bayes_errors: share of test rows classified wrongly, (N, S).
        logistic_errors: the same for logistic regression on the same splits.
    """

    sizes: Tensor
    naive_bayes_errors: Tensor
    logistic_errors: Tensor

    @property
    def naive_bayes(self) -> Tensor:
        """Mean error over the splits, (N,)."""
        return self.naive_bayes_errors.mean(1)

    @property
    def logistic(self) -> Tensor:
        """Mean error over the splits, (N,)."""
        return self.logistic_errors.mean(1)

    @property
    def naive_bayes_standard_error(self) -> Tensor:
        """Standard error of the mean over the splits, (N,)."""
        return _standard_error(self.naive_bayes_errors)

    @property
    def logistic_standard_error(self) -> Tensor:
        """Standard error of the mean over the splits, (N,)."""
        return _standard_error(self.logistic_errors)

    @property
    def difference(self) -> Tensor:
        """Mean of logistic minus naive Bayes error, (N,): where positive, naive Bayes leads."""
        return self.logistic - self.naive_bayes

    @property
    def difference_standard_error(self) -> Tensor:
        """Standard error of `difference`, from the paired differences, (N,)."""
        return _standard_error(self.logistic_errors - self.naive_bayes_errors)


def _standard_error(errors: Tensor) -> Tensor:
    """Return sd / sqrt(S), (N, S) -> (N,): of the average over splits of this one data set."""
    return errors.std(1) / errors.shape[1] ** 0.5


@torch.no_grad()
def learning_curve(
    x: Tensor,
    y: Tensor,
    *,
    sizes: Sequence[int],
    num_splits: int = 100,
    features: str = "gaussian",
    smoothing: float = 1.0,
    l2: float = 1e-3,
    generator: torch.Generator | None = None,
) -> LearningCurve:
    """Measure both classifiers' test error against the number of training rows.

    In each split a random order is drawn once: the first M rows train, the rows after the largest
    size test. Every training set holds at least one row of each class.

    Args:
        x: features, (B, D): real numbers, or 0 and 1 for "bernoulli".
        y: labels 0..K-1, (B,).
        sizes: training sizes M, each at least K and less than B.
        num_splits: S.
        features: "gaussian" for naive Bayes with normal features whose variances the classes
            share, "bernoulli" for binary features.
        smoothing: imaginary examples: l of deck and paper for "bernoulli"; for "gaussian", as many
            examples whose variance is that of the feature in the whole of `x` (labels unseen).
        l2: penalty of the logistic regression on standardised features. Small training sets are
            separable, and without a penalty no maximum exists.
        generator: randomness of the splits.

    Raises:
        ValueError: a size out of range, an unknown kind of features, features that are not finite
            (or not binary), a label out of range or a class without rows.
    """
    x = torch.as_tensor(x).double()
    x = feature_rows(x, x.shape[-1], x, finite=True)
    if features not in ("gaussian", "bernoulli"):
        raise ValueError(f"features is {features!r}, expected 'gaussian' or 'bernoulli'")
    if features == "bernoulli" and not ((x == 0) | (x == 1)).all():
        raise ValueError("x holds other values than 0 and 1, expected binary features")
    if not smoothing > 0:
        raise ValueError(f"smoothing is {smoothing}, expected a positive number")
    num_classes = max(int(torch.as_tensor(y).max()) + 1, 2)
    member = one_hot_labels(y, num_classes, x)
    class_counts(member)
    if not sizes:
        raise ValueError("sizes is empty, expected at least one training size")
    for size in sizes:
        if not num_classes <= size < len(x):
            raise ValueError(f"sizes holds {size}, expected {num_classes} to {len(x) - 1}")

    # standardise without the labels: it changes no naive Bayes, and gives l2 one meaning
    standard = (x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-12)
    order = _random_orders(member, num_splits, generator)
    test = order[:, max(sizes) :]
    errors: dict[str, list[Tensor]] = {"naive Bayes": [], "logistic": []}
    for size in sizes:
        train = order[:, :size]
        fit = _bernoulli_weights if features == "bernoulli" else _gaussian_weights
        inputs = x if features == "bernoulli" else standard
        weights = fit(inputs[train], member[train], smoothing)
        errors["naive Bayes"].append(_error(weights, inputs[test], member[test]))
        design = F.pad(standard, (1, 0), value=1.0)
        weights = fit_logistic(design[train], member[train][..., 1:], l2=l2, tolerance=1e-4)
        errors["logistic"].append(
            _error(F.pad(weights, (0, 0, 1, 0)), standard[test], member[test])
        )
    return LearningCurve(
        torch.tensor(list(sizes)),
        torch.stack(errors["naive Bayes"]),
        torch.stack(errors["logistic"]),
    )


def _random_orders(member: Tensor, num_splits: int, generator: torch.Generator | None) -> Tensor:
    """Return random orders of the rows, each led by a random row of every class, (S, B)."""
    key = torch.rand(num_splits, len(member), generator=generator, dtype=member.dtype)
    for column in member.bool().T:
        first = key.masked_fill(~column, torch.inf).argmin(1, keepdim=True)
        key.scatter_(1, first, key.gather(1, first) - 1)
    return key.argsort(1)


def _gaussian_weights(x: Tensor, member: Tensor, smoothing: float) -> Tensor:
    """Return the linear scores log p(x, y) + const of Gaussian naive Bayes, (S, K, 1 + D).

    With a shared variance σ², class k scores log π_k - sum μ_k²/2σ² + (μ_k/σ²) · x.
    """
    count = member.sum(1)[..., None]  # (S, K, 1)
    mean = member.mT @ x / count
    residual = (x - member @ mean).square().sum(1, keepdim=True)  # (S, 1, D)
    variance = (residual + smoothing) / (x.shape[1] + smoothing)  # the whole of x has variance 1
    bias = (count / x.shape[1]).log() - (mean.square() / (2 * variance)).sum(-1, keepdim=True)
    return torch.cat([bias, mean / variance], -1)


def _bernoulli_weights(x: Tensor, member: Tensor, smoothing: float) -> Tensor:
    """Return the linear scores log p(x, y) of Bernoulli naive Bayes, (S, K, 1 + D)."""
    count = member.sum(1)[..., None]  # (S, K, 1)
    p = (member.mT @ x + smoothing) / (count + 2 * smoothing)
    bias = (count / x.shape[1]).log() + (1 - p).log().sum(-1, keepdim=True)
    return torch.cat([bias, p.logit()], -1)


def _error(weights: Tensor, x: Tensor, member: Tensor) -> Tensor:
    """Return the share of rows whose best-scored class is not theirs, (S,)."""
    scores = x @ weights[..., 1:].mT + weights[:, None, :, 0]  # (S, T, K)
    return (scores.argmax(-1) != member.argmax(-1)).double().mean(1)


def counterexample() -> tuple[Tensor, Tensor]:
    """Return 20 rows (20, 2) of binary features and labels (20,) on which naive Bayes wins.

    With endless data of these proportions naive Bayes errs on 0.30 and logistic regression on
    0.40. Maximum likelihood promises logistic regression the better log loss, not the fewer
    mistakes, so that "the discriminative model is at least as good in the limit" fails for the 0-1
    error.
    """
    cells = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    counts = torch.tensor([[2, 1], [0, 3], [0, 2], [8, 4]])  # (cell, y)
    x = cells.repeat_interleave(counts.sum(1), dim=0)
    y = torch.tensor([0, 1]).repeat(4).repeat_interleave(counts.flatten())
    return x, y
