"""What the pieces of the gallery share: how a game is trained, shown and measured.

Pictures and judge are those of the scores (`gencourse.runs.scores.shapes`); held-out pictures are
the judge's own.

Shapes: N images, C channels, S side of the image in pixels.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gencourse.runs.gallery import Exhibit, Numbers, Rows
from gencourse.runs.scores.shapes import EVENT, judge, pictures
from gencourse.train import fit_adversarial

AVERAGE = 0.99  # of each generator's parameters

SMALL: dict[str, Any] = {"event_shape": EVENT, "num_latents": 16, "width": 24}

LONG = {"steps": 2500, "lr": 1e-3, "average": AVERAGE}


def drawn(model: nn.Module, n: int = 1000, **options: Any) -> Tensor:
    """Samples from fixed noise, -> (n, C, S, S)."""
    return model.sample(n, generator=torch.Generator().manual_seed(1), **options)


def measured(model: nn.Module) -> Numbers:
    """Fréchet distance, precision and recall of 1000 samples."""
    return judge().compare(drawn(model))


def samples(model: nn.Module) -> Rows:
    """Two rows of samples."""
    x = drawn(model, 32)
    return {"samples": x[:16], "more samples": x[16:]}


def played(model: nn.Module, rows: Dataset | Tensor, *, seed: int, **fit: Any) -> nn.Module:
    """Train by `fit_adversarial`; an interruption ends the command, so that nothing is kept."""
    history = fit_adversarial(model, rows, seed=seed, device="cpu", progress=False, **fit)
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return model


def game(
    name: str,
    kind: Callable[..., nn.Module],
    config: dict[str, Any],
    fit: dict[str, Any],
    *,
    data: Callable[[], Dataset | Tensor] = lambda: pictures().x,
    **options: Any,
) -> Exhibit:
    """An exhibit of one class of GAN, by default samples of shapes and their three measures."""
    return Exhibit(
        name,
        {"class": kind.__name__, "config": config, "fit": fit},
        lambda seed: played(kind(**config), data(), seed=seed, **fit),
        **{"show": samples, "measure": measured, **options},
    )
