"""U-Net as a generator (Isola et al., "Image-to-image translation", CVPR 2017).

An encoder halves the picture until it knows what is shown, a decoder doubles it again, and each
layer of the decoder also sees the encoder's layer of its size. So fine detail need not squeeze
through the narrow middle.

Shapes: B batch, C channels of the input, O of the output, H x W pixels, w width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.gan.layers import NORMS, down, initialise
from gencourse.protocols import Configurable


class UNetGenerator(Configurable, nn.Module):
    """n convolutions of stride 2 and n transposed ones, (B, C, H, W) -> (B, O, H, W).

    Channels double from w up to 8w on the way in. Dropout in the decoder's inner layers
    is the only noise: the paper found that a z beside the picture is ignored.

    Args:
        in_channels: C.
        out_channels: O.
        width: w.
        num_halvings: n; H and W must be multiples of 2^n.
        dropout: probability that a channel of one place is set to 0, in [0, 1).
        skips: whether the decoder sees the encoder's layers; without them it is an autoencoder.
        norm: "batch", "instance" or "none" after all layers but the first, the innermost and the
            last.

    Raises:
        ValueError: a size below 1, a dropout or norm that is none of these; in `forward` images
            of other channels, or that cannot be halved so often.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int = 32,
        num_halvings: int = 3,
        dropout: float = 0.5,
        skips: bool = True,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        sizes = {"in_channels": in_channels, "out_channels": out_channels}
        sizes |= {"width": width, "num_halvings": num_halvings}
        if min(sizes.values()) < 1:
            raise ValueError(f"{sizes}, expected at least 1 each")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}, expected a probability in [0, 1)")
        if norm not in NORMS or norm == "spectral":
            raise ValueError(f"norm is {norm!r}, expected 'batch', 'instance' or 'none'")
        self.in_channels, self.num_halvings = in_channels, num_halvings
        self.dropout, self.skips = dropout, skips
        channels = [in_channels, *(width * min(2**i, 8) for i in range(num_halvings))]
        encoder, decoder = [], []
        for i in range(num_halvings):
            # one pixel may be left in the middle, which no norm can scale
            bare = i in (0, num_halvings - 1)
            encoder += [nn.Sequential(*down(channels[i], channels[i + 1], norm=norm, first=bare))]
        for i in reversed(range(num_halvings)):
            inputs = channels[i + 1] * (2 if skips and i < num_halvings - 1 else 1)
            if i:
                decoder += [_up(inputs, channels[i], norm)]
            else:
                last = nn.ConvTranspose2d(inputs, out_channels, 4, 2, 1)
                decoder += [nn.Sequential(last, nn.Tanh())]
        self.encoder, self.decoder = nn.ModuleList(encoder), nn.ModuleList(decoder)
        initialise(self)

    def forward(
        self,
        x: Tensor,
        *,
        dropout: bool | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Map pixels in [0, 1], (B, C, H, W) -> (B, O, H, W) in [0, 1].

        Args:
            x: the input pictures.
            dropout: whether it is on; in training mode only when None.
            generator: its randomness.
        """
        side = 2**self.num_halvings
        wrong = x.ndim != 4 or x.shape[1] != self.in_channels or not x.numel()
        if wrong or x.shape[2] % side or x.shape[3] % side:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected (B, {self.in_channels}, H, W) with sides "
                f"that are multiples of {side}, to be halved {self.num_halvings} times"
            )
        h, seen = 2 * x - 1, []
        for layer in self.encoder:
            h = layer(h)  # (B, w 2^i, H / 2^(i+1), W / 2^(i+1))
            seen.append(h)
        dropping = self.dropout and (self.training if dropout is None else dropout)
        for i, layer in enumerate(self.decoder):
            skip = seen[-1 - i]
            h = layer(torch.cat([h, skip], 1) if self.skips and i else h)
            if dropping and i < min(max(1, self.num_halvings - 2), self.num_halvings - 1):
                keep = torch.empty_like(h).bernoulli_(1 - self.dropout, generator=generator)
                h = h * keep / (1 - self.dropout)
        return (h + 1) / 2


def _up(inputs: int, outputs: int, norm: str) -> nn.Sequential:
    """Return a transposed convolution that doubles the side, its norm, ReLU."""
    layers: list[nn.Module] = [
        nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=norm == "none"),
    ]
    if norm == "batch":
        layers += [nn.BatchNorm2d(outputs)]
    elif norm == "instance":
        layers += [nn.InstanceNorm2d(outputs, affine=True)]
    return nn.Sequential(*layers, nn.ReLU())


def squared_error_loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the mean squared error of model(input) for batches (input, target), -> ().

    The baseline of image to image: its optimum is the mean of all targets that go with an input.
    """
    x, y = batch[:2]
    return F.mse_loss(model(x), y)
