"""A ring of eight normals in the plane, on which dropped modes can be counted.

The toy of Metz et al. ("Unrolled generative adversarial networks", ICLR 2017).

Shapes: n points.
"""

import math

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from gencourse.evaluate import two_sample_test
from gencourse.runs.scores.trial import Yardstick

MODES, RADIUS, SD = 8, 2.0, 0.1
NUM_POINTS = 2000  # drawn from a model, and held out
BANDWIDTH = 0.5


def centres() -> Tensor:
    """Return the means of the normals, (8, 2)."""
    angle = 2 * math.pi * torch.arange(MODES) / MODES
    return RADIUS * torch.stack([angle.cos(), angle.sin()], 1)


def ring(n: int, *, seed: int) -> Tensor:
    """Draw points from the mixture, -> (n, 2)."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(MODES, (n,), generator=generator)
    return centres()[which] + SD * torch.randn(n, 2, generator=generator)


def rows() -> TensorDataset:
    """Return the training points."""
    return TensorDataset(ring(8000, seed=0))


def compare(x: Tensor) -> dict[str, float]:
    """Return modes, share of points near one, and MMD² to held-out points, (n, 2)."""
    distance = torch.cdist(x, centres())  # (n, 8)
    near = distance.min(1).values < 3 * SD
    found = distance.argmin(1)[near].bincount(minlength=MODES)
    covered = found >= 0.2 * len(x) / MODES
    test = two_sample_test(ring(NUM_POINTS, seed=1), x, bandwidth=BANDWIDTH, num_permutations=1)
    return {
        "modes": float(covered.sum()),
        "near a mode": float(near.float().mean()),
        "MMD²": test.mmd,
    }


def measure(model: nn.Module, generator: torch.Generator) -> dict[str, float]:
    """Measure the samples of a model."""
    return compare(model.sample(NUM_POINTS, generator=generator))


def of_data() -> dict[str, float]:
    """Measure other points of the mixture."""
    return compare(ring(NUM_POINTS, seed=2))


YARDSTICK = Yardstick(
    f"{NUM_POINTS} points and as many held out; a mode counts when a fifth of its share is within "
    f"3 standard deviations; kernel of bandwidth {BANDWIDTH:g}",
    {"modes": "of 8", "near a mode": "", "MMD²": ""},
    measure,
    of_data,
)
