"""Two measures that a blur cannot please: how sharp pictures are, how alike to a network's eyes.

Squared error is smallest for the mean of all pictures that might be right, and a mean is blurred.

Shapes: B batch, C channels, H x W pixels.
"""

import torch
from torch import Tensor, nn

from gencourse.nets import ConvEncoder


def sharpness(x: Tensor) -> Tensor:
    """Return the mean length of the gradient from pixel to pixel, (B, C, H, W) -> ().

    For a model against data it is their ratio that counts: below 1 the model's pictures are
    blurred, above 1 noisy.

    Raises:
        ValueError: no images of at least 2x2 pixels.
    """
    if x.ndim != 4 or min(x.shape) < 1 or min(x.shape[2:]) < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, C, H, W) from 2x2 pixels on")
    across = x[..., :-1, 1:] - x[..., :-1, :-1]
    down = x[..., 1:, :-1] - x[..., :-1, :-1]
    return (across.square() + down.square()).sqrt().mean()


@torch.no_grad()
def perceptual_distance(encoder: ConvEncoder, x: Tensor, y: Tensor) -> Tensor:
    """Compare pictures pair by pair on a network's features, (B, C, H, W) twice -> (B,).

    As LPIPS (Zhang et al., CVPR 2018), without its learnt weights and on an encoder trained here:
    at each place of each layer the features are scaled to length 1, and the squared distances are
    averaged over places and summed over layers. Numbers from different encoders do not compare.

    Raises:
        ValueError: pictures of different shapes, or an encoder in training mode.
    """
    if x.shape != y.shape or encoder.training:
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}, training is "
            f"{encoder.training}, expected one shape and an encoder in evaluation mode"
        )
    distance = x.new_zeros(len(x))
    for layer in encoder.layers:
        x, y = layer(x), layer(y)
        if isinstance(layer, nn.ReLU):
            a, b = (h / h.norm(dim=1, keepdim=True).clamp(min=1e-6) for h in (x, y))
            distance = distance + (a - b).square().sum(1).mean((1, 2))
    return distance
