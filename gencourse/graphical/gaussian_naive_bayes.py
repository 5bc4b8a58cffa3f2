"""Gaussian naive Bayes: p(x_i | y) is normal, features independent given the class.

With one variance per feature, shared by the classes, the quadratic terms cancel and p(y=1 | x) is
exactly a logistic function of a linear one: the generative partner of logistic regression (Ng &
Jordan, NIPS 2001).

Shapes: B batch, D features, K classes.
"""

from typing import Self

import torch
from torch import Tensor

from gencourse.densities import log_normal
from gencourse.graphical.generative_classifier import GenerativeClassifier
from gencourse.graphical.inputs import class_counts, feature_rows, one_hot_labels


class GaussianNaiveBayes(GenerativeClassifier):
    """Naive Bayes with normal features and K classes.

    Buffers: `prior` (K,), `mean` (K, D), `variance` (K, D), whose rows are equal when it is
    shared.

    Args:
        num_features: D.
        num_classes: K.
        shared_variance: one variance per feature for all classes.
        min_variance: an estimated variance is never less, in squared units of the data; a constant
            feature would otherwise have variance 0.
    """

    mean: Tensor
    variance: Tensor

    def __init__(
        self,
        num_features: int,
        num_classes: int = 2,
        *,
        shared_variance: bool = False,
        min_variance: float = 1e-9,
    ) -> None:
        super().__init__(num_features, num_classes)
        if not min_variance > 0:
            raise ValueError(f"min_variance is {min_variance}, expected a positive number")
        self.shared_variance, self.min_variance = shared_variance, min_variance
        shape = (num_classes, num_features)
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(shape, dtype=torch.float64))

    @torch.no_grad()
    def fit(self, x: Tensor, y: Tensor) -> Self:
        """Fit by maximum likelihood: shares, means and (biased) variances of the classes.

        Raises:
            ValueError: wrong shapes, a feature that is not finite, a label out of range, or a
            class
                with no example.
        """
        x = feature_rows(x, self.num_features, self.prior, finite=True)
        member = one_hot_labels(y, self.num_classes, x)  # (B, K)
        class_count = class_counts(member)
        mean = member.T @ x / class_count[:, None]
        residual = (x - member @ mean).square()
        if self.shared_variance:
            variance = residual.mean(0).expand_as(mean)
        else:
            variance = member.T @ residual / class_count[:, None]
        self.prior.copy_(class_count / len(x))
        self.mean.copy_(mean)
        self.variance.copy_(variance.clamp(min=self.min_variance))
        return self

    def log_joint(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return log p(x, y) for each class in nats, (B, D) -> (B, K).

        Args:
            x: features; NaN stands for one that was not observed and is integrated out.
            observed: True where a feature was observed, (B, D) or (D,).
        """
        x, seen = self._split_missing(x, observed)
        terms = log_normal(x[:, None], self.mean, self.variance.sqrt(), event_dims=0)  # (B, K, D)
        return self.prior.log() + torch.where(seen[:, None], terms, 0.0).sum(-1)

    def logistic_weights(self) -> tuple[Tensor, Tensor]:
        """Return (w0, w), () and (D,), with p(y=1 | x) = 1 / (1 + exp(w0 + w · x)).

        With π = p(y=1): w_i = (μ_i0 - μ_i1) / σ_i², and
        w0 = log((1 - π) / π) + sum_i (μ_i1² - μ_i0²) / (2 σ_i²). Mind the sign: these are the
        weights of the log-odds of class 0, as exp stands without a minus.

        Raises:
            ValueError: more than two classes, or variances that the classes do not share.
        """
        if self.num_classes != 2 or not self.shared_variance:
            raise ValueError(
                f"num_classes is {self.num_classes}, shared_variance is {self.shared_variance}, "
                "expected 2 and True: otherwise the posterior is no logistic function"
            )
        variance = self.variance[0]
        w = (self.mean[0] - self.mean[1]) / variance
        w0 = self.prior[0].log() - self.prior[1].log()
        return w0 + ((self.mean[1] ** 2 - self.mean[0] ** 2) / (2 * variance)).sum(), w

    def num_parameters(self) -> int:
        """Count the free parameters: K - 1 for p(y), K D means, and D or K D variances."""
        num_variances = self.num_features * (1 if self.shared_variance else self.num_classes)
        return self.num_classes - 1 + self.mean.numel() + num_variances

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Tensor | int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n rows from p(x), or from p(x | y = condition), -> (n, D)."""
        y = self._labels(n, condition, generator)
        return torch.normal(self.mean[y], self.variance[y].sqrt(), generator=generator)
