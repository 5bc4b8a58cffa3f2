"""Logistic regression: p(y | x) as a softmax of linear functions, and no model of x at all.

It learns a linear boundary as naive Bayes does, but without assuming that the features are
independent: of two identical features only the sum of the weights is identified (an L2 penalty
splits it evenly).

Shapes: B batch, D features, K classes.
"""

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.graphical.inputs import class_counts, feature_rows, one_hot_labels
from gencourse.graphical.newton import fit_logistic
from gencourse.protocols import Configurable


class LogisticRegression(Configurable, nn.Module):
    """p(y=k | x) proportional to exp(b_k + w_k · x), with b = 0 and w = 0 for the reference class.

    With two classes the reference is class 0, so that p(y=1 | x) = 1 / (1 + exp(-(b + w · x)));
    with more it is the last class. Parameters: `weight` (K-1, D) and `bias` (K-1,), classes in
    order without the reference.

    Args:
        num_features: D.
        num_classes: K.
        l2: strength of the penalty l2/2 |weight|² on the summed loss; the bias is not penalised.
        reference: the class whose weights are 0. Without a penalty it changes no prediction.
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int = 2,
        *,
        l2: float = 0.0,
        reference: int | None = None,
    ) -> None:
        super().__init__()
        if num_features < 1 or num_classes < 2:
            raise ValueError(
                f"num_features, num_classes are {num_features}, {num_classes}, "
                "expected at least 1 and 2"
            )
        if not l2 >= 0:
            raise ValueError(f"l2 is {l2}, expected a number of at least 0")
        if reference is None:
            reference = 0 if num_classes == 2 else num_classes - 1
        if not 0 <= reference < num_classes:
            raise ValueError(f"reference is {reference}, expected a class in 0..{num_classes - 1}")
        self.num_features, self.num_classes = num_features, num_classes
        self.l2, self.reference = l2, reference
        shape = (num_classes - 1, num_features)
        self.weight = nn.Parameter(torch.zeros(shape, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(num_classes - 1, dtype=torch.float64))

    @torch.no_grad()
    def fit(self, x: Tensor, y: Tensor, *, max_iterations: int = 100) -> Self:
        """Maximise the (penalised) likelihood by Newton's method; O(B D² K²) a step.

        Args:
            x: (B, D).
            y: (B,) labels 0..K-1.
            max_iterations: Newton steps before it gives up; ten are usual.

        Raises:
            ValueError: bad shapes or values, a class with no example, classes that x separates
                perfectly while l2 = 0 (the maximum does not exist), or no convergence.
        """
        x = feature_rows(x, self.num_features, self.weight, finite=True).double()
        member = one_hot_labels(y, self.num_classes, x)
        class_counts(member)
        free = [k for k in range(self.num_classes) if k != self.reference]
        w = fit_logistic(
            F.pad(x, (1, 0), value=1.0)[None],
            member[None, :, free],
            l2=self.l2,
            max_iterations=max_iterations,
        )[0]
        self.bias.copy_(w[:, 0])
        self.weight.copy_(w[:, 1:])
        return self

    def logits(self, x: Tensor) -> Tensor:
        """Return log-odds of each class against the reference, (B, D) -> (B, K).

        Raises:
            ValueError: wrong shape, or a NaN: a model of p(y | x) alone cannot sum out a feature
                that was not observed.
        """
        x = feature_rows(x, self.num_features, self.weight, finite=True)
        free = F.linear(x, self.weight, self.bias)
        k = self.reference
        return torch.cat([free[:, :k], free.new_zeros(len(free), 1), free[:, k:]], dim=1)

    def log_prob(self, y: Tensor, x: Tensor) -> Tensor:
        """Return log p(y | x) in nats, (B,) labels and (B, D) features -> (B,)."""
        log_p = self.logits(x).log_softmax(-1)
        return (log_p * one_hot_labels(y, self.num_classes, log_p)).sum(-1)

    def predict_proba(self, x: Tensor) -> Tensor:
        """Return p(y | x), (B, D) -> (B, K)."""
        return self.logits(x).softmax(-1)

    def predict(self, x: Tensor) -> Tensor:
        """Return the most probable class, (B, D) -> (B,)."""
        return self.logits(x).argmax(-1)

    def slope(self, x: Tensor) -> Tensor:
        """Return the gradient of p(y=1 | x) in x, which is p (1 - p) w, (B, D) -> (B, D).

        It points along w everywhere, so that contours of equal probability are straight lines, and
        is steepest, w / 4, on the boundary p = 1/2.

        Raises:
            ValueError: more than two classes.
        """
        if self.num_classes != 2:
            raise ValueError(f"num_classes is {self.num_classes}, expected 2")
        p = self.predict_proba(x)
        sign = 1 if self.reference == 0 else -1
        return sign * (p[:, :1] * p[:, 1:]) * self.weight

    def num_parameters(self) -> int:
        """Count the free parameters, (K - 1) (D + 1)."""
        return self.weight.numel() + self.bias.numel()


def negative_log_likelihood(model: LogisticRegression, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return the mean of -log p(y | x) in nats over a batch (x, y), -> ()."""
    x, y = batch
    return -model.log_prob(y, x).mean()
