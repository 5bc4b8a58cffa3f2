"""A small convolutional encoder, and the classifier that is one linear layer on top of it.

Features are what a picture is compared by where pixels would mislead: the Fréchet distance of a
GAN's samples, the probes of a self-supervised task. The encoder is small on purpose; one core
takes thousands of 32x32 images a second.

Shapes: B batch, C channels, H and W the image in pixels, D features, K classes.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.protocols import Configurable


class ConvEncoder(Configurable, nn.Module):
    """Convolutions that halve the image, batch norm and ReLU, then a mean over all places.

    Args:
        in_channels: C.
        widths: channels after each halving; the last is D.

    Raises:
        ValueError: a size below 1, or no widths.
    """

    def __init__(self, in_channels: int, *, widths: Sequence[int] = (16, 32, 64)) -> None:
        super().__init__()
        if not widths or min(in_channels, *widths) < 1:
            raise ValueError(
                f"in_channels is {in_channels} and widths are {tuple(widths)}, "
                "expected at least 1 each, and at least one width"
            )
        self.num_features = widths[-1]
        layers: list[nn.Module] = []
        for i, o in itertools.pairwise([in_channels, *widths]):
            layers += [nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def maps(self, x: Tensor) -> Tensor:
        """Return the features of each place, (B, C, H, W) -> (B, D, H / 2^n, W / 2^n)."""
        return self.layers(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of each image, (B, C, H, W) -> (B, D)."""
        return self.maps(x).mean((2, 3))


class Classifier(Configurable, nn.Module):
    """A linear layer on the features of a `ConvEncoder`.

    Args:
        event_shape: (C, H, W).
        num_classes: K.
        widths: of the encoder.

    Raises:
        ValueError: a size below 1, or an event that is no image.
    """

    def __init__(
        self, event_shape: Sequence[int], *, num_classes: int, widths: Sequence[int] = (16, 32, 64)
    ) -> None:
        super().__init__()
        if len(event_shape) != 3 or num_classes < 1:
            raise ValueError(
                f"event_shape is {tuple(event_shape)} and num_classes is {num_classes}, "
                "expected (C, H, W) and at least 1"
            )
        self.event_shape = tuple(event_shape)
        self.encoder = ConvEncoder(event_shape[0], widths=widths)
        self.head = nn.Linear(widths[-1], num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return what the linear layer sees, (B, C, H, W) -> (B, D)."""
        return self.encoder(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, C, H, W) -> (B, K)."""
        return self.head(self.encoder(x))

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Return the most probable class of each image, (B, C, H, W) -> (B,)."""
        return self(x).argmax(1)


def classifier_loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the mean of -log p(y | x) in nats over a batch (x, y, ...), -> ()."""
    x, y = batch[:2]
    return F.cross_entropy(model(x), y)
