"""Up-sampling, or super-resolution, as a pretext task (after SRCNN: Dong et al., ECCV 2014).

The picture is shrunk and the network restores the lost detail. Edges can be sharpened by rule; how
an eye looks from close by has to be known. The least squared error has the mean of all pictures
that shrink to the one at hand: for Gaussian data with covariance S and the linear map A that
shrinks, S Aᵀ (A S Aᵀ)⁻¹ y.

Shapes: B batch, C channels, H and W the image in pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.pretext.decoder import PixelDecoder
from gencourse.pretext.task import PretextTask, register


def blur(x: Tensor, *, factor: int) -> Tensor:
    """Shrink to the means of blocks and enlarge again without new detail, (B, C, H, W) -> same.

    Enlarging is bilinear. All else that a network could know of x is lost.

    Raises:
        ValueError: a factor below 2 or one that does not divide H and W.
    """
    if factor < 2 or x.shape[2] % factor or x.shape[3] % factor:
        raise ValueError(
            f"factor is {factor}, expected at least 2 and a divisor of the sides "
            f"{tuple(x.shape[2:])}"
        )
    small = F.avg_pool2d(x, factor)
    return F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)


@register
class Upsampling(PretextTask):
    """What was there before the picture was shrunk? Chance is the error of bilinear enlargement.

    The network gets the small picture enlarged to the old size, so that things are as large as in
    the pictures that the features are for, and says what has to be added to it.

    Args:
        event_shape: (C, H, W).
        factor: how many pixels of a side become one.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: as in `blur` and `PretextTask`.
    """

    name = "upsampling"
    category = "reconstruction"
    metric = "squared error"
    higher_is_better = False

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        factor: int = 4,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        blur(torch.zeros(1, *event_shape), factor=factor)  # refuses what it cannot shrink
        self.factor = factor
        self.decoder = PixelDecoder(self.encoder, event_shape, event_shape[0])

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return images without detail and the images, (B, C, H, W) twice; nothing is drawn."""
        return blur(x, factor=self.factor), x

    def forward(self, blurred: Tensor) -> Tensor:
        """Return sharp images, (B, C, H, W) -> same."""
        return blurred + self.decoder(self.encoder.maps(blurred))

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the squared error, averaged over pixels and channels, -> ()."""
        return (output - target).square().mean()

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return each image's squared error, averaged over pixels and channels, -> (B,)."""
        return (output - target).square().flatten(1).mean(1)

    def guess(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the error of bilinear enlargement, which knows of nothing, -> (B,)."""
        return self.measure(blur(target, factor=self.factor), target)
