"""Convolutions over images that look only at pixels before the present one.

Pixels come row by row, each row from left to right, and within a pixel R, then G, then B. Mask A
hides the present value itself and is for the image; mask B shows it and is for features, which
have already lost it (van den Oord et al., ICML 2016, section 3.4). Features are split into one
group per colour; the mask compares the groups at the kernel's centre only, because all colours of
an earlier pixel are known.

Shapes: I and O channels.
"""

import torch
from torch import Tensor

from gencourse.nets import MaskedConv2d


def colour_groups(num_features: int, num_colours: int) -> Tensor:
    """Return to which colour each feature belongs: the first third to R, and so on, (features,).

    Raises:
        ValueError: fewer features than colours: one of them would have no path to the output.
    """
    if num_features < num_colours:
        raise ValueError(
            f"a layer has {num_features} features, expected at least one for each of "
            f"{num_colours} colour channels"
        )
    return torch.arange(num_features) * num_colours // num_features


def causal_mask(
    kind: str,
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    *,
    num_colours: int = 1,
    num_gates: int = 1,
) -> Tensor:
    """Return mask A or B, (O, I, height, width) of 0 and 1 with O = num_gates * outputs.

    Args:
        kind: "A" or "B".
        inputs: I, in groups of colours.
        outputs: features of each gate, in groups of colours.
        kernel: height and width, odd.
        num_colours: colour channels of the image.
        num_gates: how many blocks of `outputs` channels follow each other, as in an LSTM.

    Raises:
        ValueError: another kind, or too few features for the colours.
    """
    if kind not in ("A", "B"):
        raise ValueError(f"kind is {kind!r}, expected 'A' or 'B'")
    height, width = kernel
    source = colour_groups(inputs, num_colours)
    target = colour_groups(outputs, num_colours).repeat(num_gates)[:, None]
    mask = torch.zeros(len(target), inputs, height, width)
    mask[:, :, : height // 2] = 1  # rows above
    mask[:, :, height // 2, : width // 2] = 1  # left in the same row
    mask[:, :, height // 2, width // 2] = (
        source < target if kind == "A" else source <= target
    ).float()
    return mask


class CausalConv2d(MaskedConv2d):
    """A convolution with mask A or B; the arguments are those of `causal_mask`."""

    def __init__(
        self,
        kind: str,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        *,
        num_colours: int = 1,
        num_gates: int = 1,
    ) -> None:
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        super().__init__(
            causal_mask(kind, inputs, outputs, size, num_colours=num_colours, num_gates=num_gates)
        )
