"""Random views of images: what may change without changing what is shown.

torchvision's random transforms draw one set of numbers for a whole batch; a contrastive task needs
one for each image. Here every image has a draw of its own, as one operation on the batch and on
its device. Crops and flips change the geometry, jitter and grey the colour (Chen et al., "SimCLR",
ICML 2020, appendix A).

Shapes: B batch, C channels, H and W the image in pixels. Images are in [0, 1].
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601


def random_crops(
    x: Tensor,
    *,
    scale: tuple[float, float] = (0.3, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    generator: torch.Generator | None = None,
) -> Tensor:
    """Cut a rectangle out of each image and stretch it to the whole size, (B, C, H, W) -> same.

    The area is uniform between two shares of the image's, the aspect ratio is log-uniform, the
    place is uniform among those inside the image.

    Raises:
        ValueError: shares that are not in (0, 1] in order, or aspect ratios not above 0.
    """
    if not 0 < scale[0] <= scale[1] <= 1 or not 0 < aspect[0] <= aspect[1]:
        raise ValueError(
            f"scale is {scale} and aspect is {aspect}, expected low <= high, shares in (0, 1]"
        )
    u = torch.rand(4, len(x), generator=generator, device=x.device, dtype=x.dtype)
    area = torch.lerp(u.new_tensor(scale[0]), u.new_tensor(scale[1]), u[0])
    ratio = torch.lerp(u.new_tensor(aspect[0]).log(), u.new_tensor(aspect[1]).log(), u[1]).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    # where each row and column of the view lies in the image, in -1..1 from border to border
    across, down = (
        size[:, None] * _centres(x, side) + ((2 * place - 1) * (1 - size))[:, None]
        for size, place, side in ((width, u[2], x.shape[3]), (height, u[3], x.shape[2]))
    )
    shape = (len(x), *x.shape[2:])
    grid = torch.stack([across[:, None, :].expand(shape), down[:, :, None].expand(shape)], -1)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _centres(x: Tensor, side: int) -> Tensor:
    """Return the centres of the pixels along one side, in -1..1 from border to border."""
    return (2 * torch.arange(side, device=x.device, dtype=x.dtype) + 1) / side - 1


def random_flips(x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Mirror each image left to right with probability 1/2, (B, C, H, W) -> same."""
    flip = torch.rand(len(x), generator=generator, device=x.device) < 0.5
    return torch.where(flip[:, None, None, None], x.flip(3), x)


def colour_jitter(
    x: Tensor, *, strength: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    """Change each image's brightness, contrast and colour, (B, C, H, W) -> same, in [0, 1].

    Three steps: all values times a factor; their distance from the image's mean times a factor;
    each channel times a factor of its own, which moves the hue. All factors are uniform in
    1 - strength .. 1 + strength.

    Raises:
        ValueError: a strength that is not in [0, 1].
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}, expected 0 <= strength <= 1")
    u = torch.rand(
        len(x), 2 + x.shape[1], 1, 1, generator=generator, device=x.device, dtype=x.dtype
    )
    factor = 1 + strength * (2 * u - 1)
    x = x * factor[:, :1]
    x = torch.lerp(x.mean((1, 2, 3), keepdim=True), x, factor[:, 1:2])
    return (x * factor[:, 2:]).clamp(0, 1)


def random_grey(x: Tensor, *, p: float = 0.2, generator: torch.Generator | None = None) -> Tensor:
    """Take the colour from each image with probability p, (B, C, H, W) -> same."""
    grey = torch.rand(len(x), generator=generator, device=x.device) < p
    if x.shape[1] == 3:
        lightness = torch.einsum("bchw,c->bhw", x, x.new_tensor(LUMA))[:, None]
    else:
        lightness = x.mean(1, keepdim=True)
    return torch.where(grey[:, None, None, None], lightness, x)


def augment(
    x: Tensor,
    *,
    crop: float = 0.3,
    flip: bool = True,
    jitter: float = 0.5,
    grey: float = 0.2,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return one random view of each image, (B, C, H, W) -> same.

    Args:
        x: images in [0, 1].
        crop: smallest share of the area that a crop keeps; 1 for no crop.
        flip: whether images may be mirrored.
        jitter: strength of `colour_jitter`; 0 for none.
        grey: probability that the colour is taken; 0 for never.
        generator: draws everything.
    """
    if crop < 1:
        x = random_crops(x, scale=(crop, 1.0), generator=generator)
    if flip:
        x = random_flips(x, generator=generator)
    if jitter:
        x = colour_jitter(x, strength=jitter, generator=generator)
    if grey:
        x = random_grey(x, p=grey, generator=generator)
    return x
