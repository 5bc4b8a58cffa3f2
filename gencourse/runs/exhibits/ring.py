"""Pieces of the gallery on eight modes in the plane: the same networks under seven games."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.gan import MLPGAN
from gencourse.runs.exhibits.parts import drawn, game
from gencourse.runs.gallery import Exhibit, Numbers

CENTRES = 2 * torch.stack([torch.cos(t := torch.arange(8) * math.pi / 4), torch.sin(t)], 1)
RINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # config and fit of each game
    "non_saturating": ({}, {}),
    "minimax": ({"loss": "minimax"}, {}),
    "k_5": ({}, {"discriminator_steps": 5, "steps": 400}),
    "momentum": ({}, {"betas": (0.9, 0.999)}),
    "least_squares": ({"loss": "least_squares"}, {}),
    "wgan_gp": (
        {"loss": "wasserstein", "penalty": 0.1},
        {"discriminator_steps": 5, "steps": 400, "betas": (0.0, 0.9)},
    ),
    "spectral": ({"spectral": True}, {}),
}


def on_the_ring() -> Tensor:
    """8000 points of eight normals of standard deviation 0.05 on a ring of radius 2."""
    draws = torch.Generator().manual_seed(0)
    which = torch.randint(8, (8000,), generator=draws)
    return CENTRES[which] + 0.05 * torch.randn(8000, 2, generator=draws)


def modes(model: nn.Module) -> Numbers:
    """How many modes have 1 % of the samples within 4 sd, and the share of samples at a mode."""
    points = drawn(model, 1500)
    distance = torch.cdist(points, CENTRES)
    near = distance.amin(1) < 0.2
    counts = torch.bincount(distance.argmin(1)[near], minlength=8)
    return {"modes": int((counts >= 15).sum()), "near a mode": float(near.float().mean())}


def ring(name: str) -> Exhibit:
    """One game on the ring, over five seeds."""
    config, fit = RINGS[name]
    config = {"event_shape": (2,), "num_latents": 4, "hidden": (64, 64), **config}
    fit = {"steps": 1200, "batch_size": 128, "lr": 2e-3, **fit}
    options = {"data": on_the_ring, "show": None, "measure": modes, "seeds": (0, 1, 2, 3, 4)}
    return game(f"ring_{name}", MLPGAN, config, fit, **options)
