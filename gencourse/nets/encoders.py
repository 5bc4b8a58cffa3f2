"""Encoders by name, so that a task can be made again from plain arguments."""

from collections.abc import Sequence

from torch import nn

from gencourse.nets.conv_encoder import ConvEncoder
from gencourse.nets.resnet import ResNet18
from gencourse.nets.vision_transformer import VisionTransformer

ENCODERS = ("conv", "resnet18", "vit")


def make_encoder(
    name: str, event_shape: Sequence[int], *, widths: Sequence[int] = (16, 32, 64)
) -> nn.Module:
    """Return a new encoder with `maps`, `forward` and `num_features`.

    Args:
        name: "conv" for `ConvEncoder`, "resnet18" for `ResNet18` with the stem for small images,
            "vit" for a `VisionTransformer` on 4x4 patches.
        event_shape: (C, H, W). Only "vit" is bound to this H and W.
        widths: of a `ConvEncoder`; the last is the width of a "vit"; a ResNet-18 has its own.

    Raises:
        ValueError: another name, an event that is no image, or a size below 1.
    """
    if len(event_shape) != 3:
        raise ValueError(f"event_shape is {tuple(event_shape)}, expected (C, H, W)")
    if name == "conv":
        return ConvEncoder(event_shape[0], widths=widths)
    if name == "resnet18":
        return ResNet18(event_shape[0])
    if name == "vit":
        return VisionTransformer(event_shape, width=widths[-1])
    raise ValueError(f"encoder is {name!r}, expected one of {ENCODERS}")
