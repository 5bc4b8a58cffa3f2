"""Attribution to the generator: each leaves a fingerprint on all its pictures.

Marra, Gragnaniello, Verdoliva & Poggi, "Do GANs leave artificial fingerprints?" (MIPR 2019), after
the sensor noise by which cameras are known. Take the fine detail of a picture, what a smoothed
copy lacks; the mean over many pictures of one generator is its fingerprint, for what the pictures
show cancels. A picture belongs to the generator whose fingerprint its own detail fits best.

Shapes: N pictures, C channels, S side of the image in pixels, K generators.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def residual(x: Tensor) -> Tensor:
    """Return the picture less the mean of each 3 x 3 pixels, (N, C, S, S) -> the same."""
    return x - F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)


def fingerprints(samples: Sequence[Tensor]) -> Tensor:
    """Return each generator's fingerprint from its samples, K of (N, C, S, S) -> (K, C, S, S).

    The part that all share, which is the data's and not the generators', is taken away.

    Raises:
        ValueError: fewer than 2 generators.
    """
    if len(samples) < 2:
        raise ValueError(f"samples are of {len(samples)} generators, expected at least 2")
    each = torch.stack([residual(x).mean(0) for x in samples])
    return each - each.mean(0)


def correlations(x: Tensor, prints: Tensor) -> Tensor:
    """Return the correlation of each picture's residual with each fingerprint, -> (N, K)."""
    if x.shape[1:] != prints.shape[1:]:
        raise ValueError(
            f"pictures have shape {tuple(x.shape[1:])}, the fingerprints {tuple(prints.shape[1:])}"
        )
    detail = F.normalize(residual(x).flatten(1), dim=1)
    return detail @ F.normalize(prints.flatten(1), dim=1).T


def which_generator(x: Tensor, prints: Tensor) -> Tensor:
    """Return the generator that each picture is attributed to, (N, C, S, S) -> (N,)."""
    return correlations(x, prints).argmax(1)
