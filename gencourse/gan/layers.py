"""What the convolutional networks of this unit share: sizes, a layer that halves, initial weights.

Shapes: C channels, S side of the image in pixels.
"""

from collections.abc import Sequence

from torch import nn

from gencourse.gan.gan import normalise_spectrally

SLOPE = 0.2  # of leaky ReLU below 0
NORMS = ("batch", "instance", "spectral", "none")


def widths(event_shape: Sequence[int], width: int) -> list[int]:
    """Return the channels of DCGAN's feature maps from the image inwards, (w, 2w, 4w, ...).

    One for each halving of the side until 4 pixels are left.

    Raises:
        ValueError: no square image with a side of 8, 16, 32, ..., or a width below 1.
    """
    shape = tuple(event_shape)
    square = len(shape) == 3 and shape[1] == shape[2] and min(shape) >= 1
    if not square or shape[1] < 8 or shape[1] & (shape[1] - 1):
        raise ValueError(
            f"event_shape is {shape}, expected (C, S, S) with S a power of 2 from 8, "
            "which doubling 4 can make"
        )
    if width < 1:
        raise ValueError(f"width is {width}, expected at least 1")
    return [width * 2**i for i in range(shape[1].bit_length() - 3)]


def down(
    inputs: int, outputs: int, *, norm: str, stride: int = 2, first: bool = False
) -> list[nn.Module]:
    """Return a convolution (kernel 4, padding 1), its norm unless it is the first, leaky ReLU.

    Raises:
        ValueError: an unknown norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm is {norm!r}, expected one of {NORMS}")
    # a norm subtracts the mean, and with it any bias
    has_norm = norm in ("batch", "instance") and not first
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 4, stride, 1, bias=not has_norm)]
    if has_norm and norm == "batch":
        layers += [nn.BatchNorm2d(outputs)]
    elif has_norm:
        layers += [nn.InstanceNorm2d(outputs, affine=True)]
    return [*layers, nn.LeakyReLU(SLOPE)]


def initialise(network: nn.Module, *, spectral: bool = False) -> nn.Module:
    """Draw all convolutions' weights from N(0, 0.02²), as DCGAN does, and return the network."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return normalise_spectrally(network) if spectral else network
