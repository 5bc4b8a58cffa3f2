"""Neural style transfer (Gatys, Ecker & Bethge, CVPR 2016): content by place, style without it.

The maps of a trained network say what is where. Their Gram matrix, the mean over all places of the
products of two features, says which features go together and forgets where: that is the style.
Pixels are changed until a picture has the maps of one picture and the Gram matrices of another.

Shapes: B pictures, C channels, H x W pixels, D features, h x w places.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.nets import ConvEncoder


def gram(maps: Tensor) -> Tensor:
    """Return the mean over places of the outer product of the features, (B, D, h, w) -> (B, D, D).

    Raises:
        ValueError: no maps.
    """
    if maps.ndim != 4:
        raise ValueError(f"maps have shape {tuple(maps.shape)}, expected (B, D, h, w)")
    rows = maps.flatten(2)  # (B, D, h w)
    return rows @ rows.mT / rows.shape[2]


def layer_maps(encoder: ConvEncoder, x: Tensor) -> list[Tensor]:
    """Return the maps after each ReLU, at every pixel, from fine to coarse, (B, D, H, W) each.

    The encoder halves, and looks at one pixel of four. A picture made to please it would be a
    chequerboard. So each convolution has stride 1 here, and its taps are as far apart as the
    halvings before it would have put them (dilation): the same features, at each shift.
    """
    maps, step = [], 1
    for layer in encoder.layers:
        if isinstance(layer, nn.Conv2d):
            x = F.conv2d(x, layer.weight, layer.bias, padding=step, dilation=step)
            step *= layer.stride[0]
        else:
            x = layer(x)
        if isinstance(layer, nn.ReLU):
            maps.append(x)
    return maps


def content_loss(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Return the squared difference of maps, relative to their power, over all layers, -> ()."""
    pairs = zip(found, wanted, strict=True)
    return sum((a - b).square().mean() / (b.square().mean() + 1e-8) for a, b in pairs)


def style_loss(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Return the squared difference of Gram matrices, relative to their power, -> ()."""
    return content_loss([gram(a) for a in found], [gram(b) for b in wanted])


class Transfer(NamedTuple):
    """A picture and how it came about.

    Attributes:
        image: (1, C, H, W), in [0, 1].
        content: the content loss at each step.
        style: the style loss at each step.
    """

    image: Tensor
    content: list[float]
    style: list[float]


def transfer(
    content: Tensor,
    style: Tensor,
    encoder: ConvEncoder,
    *,
    style_weight: float = 10.0,
    content_layers: Sequence[int] = (1,),
    steps: int = 100,
    start: Tensor | None = None,
) -> Transfer:
    """Change pixels by L-BFGS until the maps are those of content and the Grams those of style.

    Args:
        content: (1, C, H, W), in [0, 1].
        style: (1, C, H', W'), in [0, 1].
        encoder: trained, or even at random; it is put into evaluation mode and does not change.
        style_weight: of the style loss; the content loss has weight 1.
        content_layers: which layers' maps say what is where, from 0, the finest.
        steps: of L-BFGS.
        start: the first picture, content itself when None.

    Raises:
        ValueError: more pictures than one, a layer that is not there or a negative weight.
    """
    count = sum(isinstance(layer, nn.ReLU) for layer in encoder.layers)
    if wrong := [i for i in content_layers if not 0 <= i < count]:
        raise ValueError(f"content_layers hold {wrong[0]}, expected 0..{count - 1}")
    if len(content) != 1 or len(style) != 1 or not style_weight >= 0:
        raise ValueError(
            f"{len(content)} and {len(style)} pictures and style_weight {style_weight}, "
            "expected one of each and a weight of at least 0"
        )
    encoder.eval()
    with torch.no_grad():
        wanted, manner = layer_maps(encoder, content), layer_maps(encoder, style)
    x = (content if start is None else start).clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [x], max_iter=steps, max_eval=2 * steps, history_size=20, tolerance_grad=0,
        tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip
    losses: list[tuple[float, float]] = []

    def closure() -> Tensor:
        maps = layer_maps(encoder, x)
        of_content = content_loss(*([m[i] for i in content_layers] for m in (maps, wanted)))
        of_style = style_loss(maps, manner)
        outside = (x - x.clamp(0, 1)).square().sum()  # pixels stay in [0, 1]
        loss = of_content + style_weight * of_style + outside
        (x.grad,) = torch.autograd.grad(loss, x)
        losses.append((float(of_content.detach()), float(of_style.detach())))
        return loss.detach()

    optimizer.step(closure)
    contents, styles = (list(values) for values in zip(*losses, strict=True))
    return Transfer(x.detach().clamp(0, 1), contents, styles)
