"""The multilayer perceptron: fully connected layers.

Shapes: B batch, I inputs, O outputs.
"""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from gencourse.protocols import Configurable


class MLP(Configurable, nn.Module):
    """Fully connected layers with a non-linearity between them, none after the last.

    Args:
        in_features: I.
        out_features: O.
        hidden: widths of the hidden layers; empty gives a linear map.
        activation: name of the class in `torch.nn`, such as "ReLU", "Tanh" or "SiLU".

    Raises:
        ValueError: a width below 1, or a name that `torch.nn` does not know.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        hidden: Sequence[int] = (),
        activation: str = "ReLU",
    ) -> None:
        super().__init__()
        widths = [in_features, *hidden, out_features]
        if min(widths) < 1:
            raise ValueError(f"the layers' widths are {widths}, expected at least 1")
        make = getattr(nn, activation, None)
        if not (isinstance(make, type) and issubclass(make, nn.Module)):
            raise ValueError(f"activation is {activation!r}, expected a class of torch.nn")
        layers: list[nn.Module] = []
        for i, o in itertools.pairwise(widths):
            layers += [nn.Linear(i, o), make()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I) -> (B, O)."""
        return self.layers(x)
