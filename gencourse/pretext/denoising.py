"""The denoising autoencoder as a pretext task (Vincent, Larochelle, Bengio & Manzagol, ICML 2008).

The input is damaged and the target is not. Whoever recognises the digit can restore it; often it
is enough to know that neighbouring pixels are alike, and then no meaning is needed. The least
squared error has the conditional mean E[x | damaged x]. For Gaussian data with covariance S and
noise of variance σ² that is S (S + σ² I)⁻¹: 0.8 x at S = 1 and σ² = 0.25, with an error of 0.2,
where doing nothing has 0.25.

Shapes: B batch, C channels, H and W the image in pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gencourse.pretext.decoder import PixelDecoder
from gencourse.pretext.task import PretextTask, register


def corrupt(
    x: Tensor, *, noise: str = "gaussian", level: float, generator: torch.Generator | None = None
) -> Tensor:
    """Return x plus noise of standard deviation `level`, or with pixels black at this probability.

    All channels of a pixel go black together: another channel would give the lost one away.

    Raises:
        ValueError: unknown noise, or a level outside its range.
    """
    if noise not in ("gaussian", "mask"):
        raise ValueError(f"noise is {noise!r}, expected 'gaussian' or 'mask'")
    if not level > 0 or (noise == "mask" and level >= 1):
        raise ValueError(f"level is {level}, expected more than 0, and less than 1 for a mask")
    options = {"generator": generator, "dtype": x.dtype, "device": x.device}
    if noise == "gaussian":
        return x + level * torch.randn(x.shape, **options)
    return x * (torch.rand(len(x), 1, *x.shape[2:], **options) >= level)


@register
class Denoising(PretextTask):
    """What did the picture look like before it was damaged?

    Chance is the better of two answers that take no understanding: the damaged picture as it is,
    and the mean of all pictures.

    Args:
        event_shape: (C, H, W).
        noise: "gaussian" or "mask", see `corrupt`.
        level: standard deviation of the noise, or the probability that a pixel goes black.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: as in `corrupt` and `PretextTask`.
    """

    name = "denoising"
    category = "reconstruction"
    metric = "squared error"
    higher_is_better = False

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        noise: str = "gaussian",
        level: float = 0.5,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        corrupt(torch.zeros(1, 1, 1, 1), noise=noise, level=level)  # refuses what it does not know
        self.noise, self.level = noise, level
        self.decoder = PixelDecoder(self.encoder, event_shape, event_shape[0])

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return damaged images and the images, (B, C, H, W) twice."""
        return corrupt(x, noise=self.noise, level=self.level, generator=generator), x

    def forward(self, damaged: Tensor) -> Tensor:
        """Return the restored images, (B, C, H, W) -> same."""
        return self.decoder(self.encoder.maps(damaged))

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the squared error, averaged over pixels and channels, -> ()."""
        return (output - target).square().mean()

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return each image's squared error, averaged over pixels and channels, -> (B,)."""
        return (output - target).square().flatten(1).mean(1)

    def guess(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the expected error of doing nothing, or of the mean image if less, -> ()."""
        lost = target.square().mean() * self.level  # what goes black costs its own square
        nothing = lost if self.noise == "mask" else lost.new_tensor(self.level**2)
        return torch.minimum(nothing, (target - target.mean(0)).square().mean())
