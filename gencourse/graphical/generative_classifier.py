"""What generative classifiers share: a model of p(y) and p(x | y), turned round by Bayes' rule.

p(y | x) = p(y) p(x | y) / sum_y' p(y') p(x | y'). Because p(x | y) is a product over the features,
one that was not observed is summed out by leaving its factor away; a model of p(y | x) alone has
no such way.

Shapes: B batch, D features, K classes.
"""

from typing import Self

import torch
from torch import Tensor, nn

from gencourse.graphical.drawing import Drawable
from gencourse.graphical.inputs import feature_rows
from gencourse.protocols import Configurable


class GenerativeClassifier(Configurable, Drawable, nn.Module):
    """p(y) p(x | y) with K classes; subclasses say what p(x | y) is.

    Args:
        num_features: D.
        num_classes: K.
    """

    prior: Tensor  # p(y), (K,)

    def __init__(self, num_features: int, num_classes: int = 2) -> None:
        super().__init__()
        if num_features < 1 or num_classes < 2:
            raise ValueError(
                f"num_features, num_classes are {num_features}, {num_classes}, "
                "expected at least 1 and 2"
            )
        self.num_features, self.num_classes = num_features, num_classes
        prior = torch.full((num_classes,), 1 / num_classes, dtype=torch.float64)
        self.register_buffer("prior", prior)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(D,)."""
        return (self.num_features,)

    def edges(self) -> list[tuple[str, str]]:
        """Return the arrows of the network: from y to every feature."""
        return [("y", f"x{i}") for i in range(self.num_features)]

    def _split_missing(self, x: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return x with 0 where nothing was observed, and the mask of what was, both (B, D)."""
        x = feature_rows(x, self.num_features, self.prior)
        seen = ~x.isnan()
        if observed is not None:
            mask = torch.as_tensor(observed, dtype=torch.bool, device=x.device)
            try:
                seen = seen & mask.expand(x.shape)
            except RuntimeError:
                raise ValueError(
                    f"observed has shape {tuple(mask.shape)}, expected {tuple(x.shape)}"
                ) from None
        return torch.where(seen, x, 0.0), seen

    def fit(self, x: Tensor, y: Tensor) -> Self:
        """Estimate p(y) and p(x | y) from (B, D) features and (B,) labels."""
        raise NotImplementedError

    def log_joint(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return log p(x, y) for each class in nats, (B, D) -> (B, K).

        Args:
            x: features; NaN stands for one that was not observed.
            observed: True where a feature was observed, (B, D) or (D,).
        """
        raise NotImplementedError

    def log_prob(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return log p(x) = log sum_y p(x, y) in nats, (B, D) -> (B,)."""
        return self.log_joint(x, observed).logsumexp(-1)

    def predict_proba(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return p(y | what was observed of x), (B, D) -> (B, K).

        Raises:
            ValueError: a row has probability zero under every class.
        """
        log_joint = self.log_joint(x, observed)
        impossible = log_joint.isneginf().all(-1)
        if impossible.any():
            row = int(impossible.nonzero()[0])
            raise ValueError(
                f"x[{row}] has probability 0 under every class (smoothing > 0 mends it)"
            )
        return log_joint.softmax(-1)

    def predict(self, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """Return the most probable class, (B, D) -> (B,)."""
        return self.predict_proba(x, observed).argmax(-1)

    def _labels(
        self, n: int, condition: Tensor | int | None, generator: torch.Generator | None
    ) -> Tensor:
        """Return the classes to sample from: drawn from p(y), or the given ones, (n,)."""
        if condition is None:
            return torch.multinomial(self.prior, n, replacement=True, generator=generator)
        y = torch.as_tensor(condition, device=self.prior.device).long()
        if y.shape not in ((), (1,), (n,)) or ((y < 0) | (y >= self.num_classes)).any():
            raise ValueError(
                f"condition is {condition!r}, expected a class in 0..{self.num_classes - 1}, "
                f"or {n} of them"
            )
        return y.expand(n)
