"""One run from settings to result: train, choose by validation, measure the test rows once.

The same call goes on after Ctrl-C or a kill, and on a CPU ends with the same numbers as a run
that was never stopped; when the run has finished, it returns the result that is there.
"""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gencourse.runs import folder, pictures, sources
from gencourse.runs.circumstances import circumstances
from gencourse.runs.fold import Fold
from gencourse.runs.recipes import RECIPES, Measure
from gencourse.runs.settings import Settings, as_json, settings_of
from gencourse.runs.sources import SOURCES
from gencourse.train import NonFiniteLossError
from gencourse.train.machine import own_randomness

__all__ = ["Settings", "settings_of", "train_model"]

BINARISATION = {
    "static": "static: each pixel drawn once, by a fixed seed of this package",
    "dynamic": "dynamic: drawn anew each time an image is shown; the test rows once, by the seed",
    "threshold": "threshold: 1 where the grey value is above 1/2",
}


def train_model(
    settings: Settings, out: Path | str, *, device: str | None = None, progress: bool = True
) -> dict[str, Any]:
    """Train a model in a folder and return its result, which is written as `result.json`.

    The folder also gets `curve.png`, `samples.png` if the model draws any, and `checkpoint-1.pt`,
    one for each stage, from which `gencourse.train.load` makes the model again. With several
    folds, each has a folder of its own, and the pictures are those of the first.

    Args:
        settings: what to do; see `settings_of`.
        out: a new folder, or that of a run of the same settings.
        device: "cpu", "cuda" or "mps"; found by accelerate when None. It is no part of the
            settings, so that a run may go on elsewhere.
        progress: whether to show a bar.

    Raises:
        ValueError: settings that do not fit together, a folder of another run, or a loss that is
            no number.
        FileNotFoundError: data that is not here; the message says what to do.
        KeyboardInterrupt: Ctrl-C, when all is saved; the message says how to go on.
    """
    out, command = Path(out), settings.command()
    recipe, source = RECIPES[settings.model], SOURCES[settings.data]
    if (done := folder.check(out, settings.plain())) is not None:
        return done
    splits = sources.load(settings.data, settings.binarise, settings.folds)
    folds = [Fold(recipe, settings, split) for split in splits]
    folder.claim(out, settings.plain(), command)
    try:
        for k, fold in enumerate(folds, 1):
            fold.run(out if len(folds) == 1 else out / f"fold-{k}", device, progress)
        first = folds[0]
        with own_randomness(settings.seed, torch.device("cpu")):
            pictures.draw(
                out,
                first.model,
                first.histories,
                splits[0],
                batch_size=settings.batch_size,
                unit=recipe.unit,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"saved in {out}; to go on: {command} --out {out}") from None
    except NonFiniteLossError as error:
        raise ValueError(f"{error}; the options are --lr and --clip") from None
    result = {
        "format": folder.FORMAT,
        "command": command,
        "model": recipe.name,
        "config": as_json({k: v for k, v in first.model.config.items() if k != "generator"}),
        "parameters": sum(p.numel() for p in first.model.parameters()),
        "data": settings.data,
        "source": source.what,
        "binarisation": BINARISATION.get(settings.binarise, "none"),
        "rows": {name: len(part) for name, part in splits[0]._asdict().items()},
        "test": [m._asdict() for m in _over_folds([fold.measures for fold in folds])],
        "standard_error_over": "test rows" if len(folds) == 1 else f"{len(folds)} folds",
        "validation": _mean([fold.validation for fold in folds]),
        "epochs": [fold.epochs for fold in folds],
        "stopped": [fold.stopped for fold in folds],
        "seconds": sum(fold.seconds for fold in folds),
        "seed": settings.seed,
        "settings": settings.plain(),
        **circumstances(device),
    }
    folder.write_json(out / "result.json", result)
    return result


def _over_folds(measured: Sequence[Sequence[Measure]]) -> list[Measure]:
    """Return the mean of each measure over the folds, with the standard error over them."""
    if len(measured) == 1:
        return list(measured[0])
    means = []
    for same in zip(*measured, strict=True):
        values = [m.value for m in same]
        error = statistics.stdev(values) / math.sqrt(len(values))
        means.append(same[0]._replace(value=statistics.fmean(values), standard_error=error))
    return means


def _mean(values: Sequence[float | None]) -> float | None:
    return None if None in values else statistics.fmean(values)
