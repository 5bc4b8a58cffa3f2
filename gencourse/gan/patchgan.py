"""PatchGAN (Isola et al., "Image-to-image translation", CVPR 2017): one logit for each patch.

A convolutional network without a layer over the whole image judges overlapping patches on their
own. It asks for sharp texture everywhere, has few parameters, and takes images of any size.

Shapes: B batch, C channels, H x W pixels, h x w patches.
"""

import itertools

from torch import Tensor, nn

from gencourse.gan.layers import down, initialise
from gencourse.protocols import Configurable


class PatchGANDiscriminator(Configurable, nn.Module):
    """Convolutions of kernel 4, most of stride 2, (B, C, H, W) -> logits (B, 1, h, w).

    With three that halve, one logit sees 70 x 70 pixels, the paper's choice. The losses take the
    mean over all patches.

    Args:
        in_channels: C; of image and condition together where there is one.
        width: channels after the first layer; they double up to 8 times as many.
        num_halvings: layers of stride 2; 1, 2, 3 give a receptive field of 16, 34, 70 pixels.
        norm: "batch", "instance", "spectral" or "none", as in `DCGANDiscriminator`. Instance norm
            lets each logit see the whole image, if only its mean and spread.

    Raises:
        ValueError: a size below 1, or another norm; in `forward` images of other channels or too
            small for one patch.
    """

    def __init__(
        self, in_channels: int, *, width: int = 64, num_halvings: int = 3, norm: str = "batch"
    ) -> None:
        super().__init__()
        sizes = {"in_channels": in_channels, "width": width, "num_halvings": num_halvings}
        if min(sizes.values()) < 1:
            raise ValueError(f"{sizes}, expected at least 1 each")
        self.in_channels, self.num_halvings = in_channels, num_halvings
        channels = [width * min(2**i, 8) for i in range(num_halvings + 1)]
        layers = down(in_channels, width, norm=norm, first=True)
        for i, o in itertools.pairwise(channels[:-1]):
            layers += down(i, o, norm=norm)
        layers += down(*channels[-2:], norm=norm, stride=1)
        layers += [nn.Conv2d(channels[-1], 1, 4, padding=1)]
        self.layers = initialise(nn.Sequential(*layers), spectral=norm == "spectral")

    @property
    def receptive_field(self) -> int:
        """The side of the patch that one logit sees, in pixels, counted back from the logit."""
        field = 1
        for layer in reversed(self.layers):
            if isinstance(layer, nn.Conv2d):
                field = (field - 1) * layer.stride[0] + layer.kernel_size[0]
        return field

    def forward(self, x: Tensor) -> Tensor:
        """Map pixels in [0, 1], (B, C, H, W) -> logits (B, 1, h, w)."""
        smallest = 3 * 2**self.num_halvings  # the two layers of stride 1 take a pixel off each
        if x.ndim != 4 or x.shape[1] != self.in_channels or min(x.shape[2:]) < smallest:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected (B, {self.in_channels}, H, W) with sides "
                f"of at least {smallest} pixels"
            )
        return self.layers(2 * x - 1)
