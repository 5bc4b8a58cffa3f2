"""Naive Bayes over binary features: p(y, x) = p(y) prod_i p(x_i | y).

Features are independent given the class. Learning is counting, with the smoothing of Ng & Jordan
(NIPS 2001). Two copies of one feature are counted as two pieces of evidence: the model does not
know that they always agree.

Shapes: B batch, D features, K classes.
"""

from typing import Self

import torch
from torch import Tensor

from gencourse.graphical.bayes_net import BayesNet
from gencourse.graphical.generative_classifier import GenerativeClassifier
from gencourse.graphical.inputs import class_counts, feature_rows, one_hot_labels


class NaiveBayes(GenerativeClassifier):
    """Bernoulli naive Bayes with K classes.

    Buffers: `prior` (K,) holds p(y), `probability` (K, D) holds p(x_i = 1 | y).

    Args:
        num_features: D.
        num_classes: K.
        smoothing: l, imaginary examples added to each of a feature's two values in each class;
            l = 1 is Laplace's rule, l = 0 plain counting.
    """

    probability: Tensor

    def __init__(self, num_features: int, num_classes: int = 2, *, smoothing: float = 1.0) -> None:
        super().__init__(num_features, num_classes)
        if not smoothing >= 0:
            raise ValueError(f"smoothing is {smoothing}, expected a number of at least 0")
        self.smoothing = smoothing
        shape = (num_classes, num_features)
        self.register_buffer("probability", torch.full(shape, 0.5, dtype=torch.float64))

    @torch.no_grad()
    def fit(self, x: Tensor, y: Tensor) -> Self:
        """Count: p(x_i=1 | y=b) = (#{x_i=1, y=b} + l) / (#{y=b} + 2 l), p(y=b) = #{y=b} / B.

        Args:
            x: (B, D) of 0 and 1.
            y: (B,) labels 0..K-1.

        Raises:
            ValueError: wrong shapes, a feature other than 0 or 1, a label out of range, or,
            without
                smoothing, a class with no example.
        """
        x = feature_rows(x, self.num_features, self.prior)
        self._check_binary(x)
        member = one_hot_labels(y, self.num_classes, x)  # (B, K)
        class_count = member.sum(0) if self.smoothing > 0 else class_counts(member)
        self.prior.copy_(class_count / len(x))
        ones = member.T @ x + self.smoothing  # (K, D)
        self.probability.copy_(ones / (class_count[:, None] + 2 * self.smoothing))
        return self

    @staticmethod
    def _check_binary(x: Tensor) -> None:
        wrong = (x != 0) & (x != 1)
        if wrong.any():
            row, column = wrong.nonzero()[0].tolist()
            raise ValueError(f"x[{row}, {column}] is {x[row, column].item()}, expected 0 or 1")

    def log_joint(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return log p(x, y) for each class in nats, (B, D) -> (B, K).

        Args:
            x: 0, 1, or NaN for a feature that was not observed and is summed out.
            observed: True where a feature was observed, (B, D) or (D,).

        Raises:
            ValueError: wrong shape, or an observed feature other than 0 or 1.
        """
        x, seen = self._split_missing(x, observed)
        self._check_binary(x)
        ones, zeros = x, seen.to(x.dtype) - x
        p, q = self.probability, 1 - self.probability
        # 0 · log 0 would be NaN: matrix products over the finite logarithms, the impossible apart
        log_p, log_q = (torch.where(t > 0, t, 1.0).log() for t in (p, q))
        log_likelihood = ones @ log_p.T + zeros @ log_q.T
        impossible = ones @ (p == 0).to(x.dtype).T + zeros @ (q == 0).to(x.dtype).T > 0
        return self.prior.log() + log_likelihood.masked_fill(impossible, -torch.inf)

    def log_odds_weights(self) -> tuple[Tensor, Tensor]:
        """Return (b, w), () and (D,), with log p(y=1 | x) / p(y=0 | x) = b + w · x.

        Bernoulli naive Bayes is a linear classifier, with weights set by counting.

        Raises:
            ValueError: more than two classes.
        """
        if self.num_classes != 2:
            raise ValueError(f"num_classes is {self.num_classes}, expected 2")
        p, q = self.probability, 1 - self.probability
        w = (p[1].log() - q[1].log()) - (p[0].log() - q[0].log())
        b = self.prior[1].log() - self.prior[0].log() + (q[1].log() - q[0].log()).sum()
        return b, w

    def to_bayes_net(self) -> BayesNet:
        """Return the same model as a network y -> x0, x1, ..."""
        tables = torch.stack([1 - self.probability, self.probability], -1)  # (K, D, 2)
        features = {f"x{i}": (("y",), tables[:, i]) for i in range(self.num_features)}
        return BayesNet({"y": ((), self.prior), **features})

    def num_parameters(self) -> int:
        """Count the free parameters: K - 1 for p(y), K D for p(x | y)."""
        return self.num_classes - 1 + self.probability.numel()

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Tensor | int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n rows from p(x), or from p(x | y = condition), -> (n, D) of 0 and 1."""
        y = self._labels(n, condition, generator)
        return torch.bernoulli(self.probability[y], generator=generator)
