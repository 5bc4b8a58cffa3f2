"""One split of the data: trained in stages, chosen by validation, its test rows measured once."""

import logging
import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from gencourse.data import ArrayData, Split
from gencourse.runs import folder
from gencourse.runs.recipes import Measure, Recipe
from gencourse.runs.settings import Settings
from gencourse.runs.sources import SOURCES
from gencourse.train import History
from gencourse.train.checkpoint import read
from gencourse.train.machine import own_randomness

logger = logging.getLogger(__name__)

CHECKPOINT_STEPS = 200  # between two checkpoints, which are written after each epoch, too


class Fold:
    """A model, its rows, and what became of them.

    Args:
        recipe: of the model.
        settings: of the run.
        split: the rows.

    Attributes:
        model: untrained until `run`.
        histories: of the stages.
        measures: of the test rows.
        seconds: of training, over all sessions.
    """

    measures: list[Measure]
    seconds: float

    def __init__(self, recipe: Recipe, settings: Settings, split: Split) -> None:
        self.recipe, self.settings, self.split = recipe, settings, split
        shape = tuple(split.train.x.shape[1:])
        source = SOURCES[settings.data]
        levels = 2 if settings.binarise else source.levels
        with own_randomness(settings.seed, torch.device("cpu")):
            options = settings.options
            self.model: nn.Module = recipe.make(shape, levels, options, classes=source.classes)
        self.histories: list[History] = []

    def run(self, out: Path, device: str | None, progress: bool) -> None:
        """Train in this folder, and measure the test rows, unless that was done before."""
        out.mkdir(exist_ok=True)
        last = _checkpoint(out, len(self.settings.lr))
        clock = folder.Clock(out / "time.json", max(_checkpoints(out), key=_written, default=last))
        try:
            for stage, lr in enumerate(self.settings.lr, 1):
                self._train(_checkpoint(out, stage), stage, lr, clock, device, progress)
        finally:
            self.seconds = clock.stop()
        lowest = [min(h.val_loss, default=math.inf) for h in self.histories]
        if lowest[-1] > min(lowest):  # a later stage need not be a better one
            state = read(_checkpoint(out, lowest.index(min(lowest)) + 1))
            self.model.load_state_dict(state["best"] or state["model"])
        done = out / "measures.json"
        if not done.exists():  # once: what is seen twice is soon chosen by
            measures = self._measure(device)
            folder.write_json(done, {"test": [m._asdict() for m in measures]})
        self.measures = [Measure(**m) for m in folder.read_json(done)["test"]]

    def _train(
        self,
        checkpoint: Path,
        stage: int,
        lr: float,
        clock: folder.Clock,
        device: str | None,
        progress: bool,
    ) -> None:
        """Train one stage to its end, from where its checkpoint is."""
        settings, stages = self.settings, len(self.settings.lr)
        by_clock = settings.minutes is not None  # which is read after each epoch
        limit = 60 * settings.minutes * stage / stages if by_clock else math.inf
        epochs = 1 if by_clock else settings.epochs
        while True:
            history = self.recipe.train(
                self.model,
                self.split.train,
                loss=self.recipe.loss,
                epochs=epochs,
                steps=settings.steps,
                batch_size=settings.batch_size,
                lr=lr,
                clip=settings.clip,
                seed=settings.seed + stage - 1,
                val=self.split.val,
                patience=settings.patience,
                checkpoint=checkpoint,
                checkpoint_steps=CHECKPOINT_STEPS,
                resume=True,
                device=device,
                progress=progress,
            )
            if history.stopped == "interrupted":
                raise KeyboardInterrupt
            _log(checkpoint, history)
            done = self._epochs_of(history)
            if not by_clock or history.stopped == "early stop" or done >= settings.epochs:
                break
            if clock.seconds > limit or _checkpoint(checkpoint.parent, stage + 1).exists():
                history = replace(history, stopped="time is up")
                break
            epochs = done + 1
        self.histories.append(history)

    def _measure(self, device: str | None) -> list[Measure]:
        """Measure the test rows, on a GPU where there is one: elsewhere pixel models are slow."""
        where = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
        rows: ArrayData = self.split.test
        with own_randomness(self.settings.seed, where):
            source = SOURCES[self.settings.data]
            measures = self.recipe.measure(self.model.to(where), rows, source)
        self.model.cpu()
        return measures

    def _epochs_of(self, history: History) -> int:
        """Return the number of whole epochs."""
        return len(history.loss) // math.ceil(len(self.split.train) / self.settings.batch_size)

    @property
    def validation(self) -> float | None:
        """The lowest validation loss in nats, None before the first epoch has ended."""
        return min((v for h in self.histories for v in h.val_loss), default=None)

    @property
    def epochs(self) -> list[int]:
        """Whole epochs of each stage."""
        return [self._epochs_of(history) for history in self.histories]

    @property
    def stopped(self) -> list[str]:
        """Why each stage ended."""
        return [history.stopped for history in self.histories]


def _log(checkpoint: Path, history: History) -> None:
    if history.val_loss:
        last, best = history.val_loss[-1], min(history.val_loss)
        told = checkpoint, len(history.val_loss), last, best, history.best_epoch
        logger.info("%s: epoch %d, validation loss %.4f, lowest %.4f in epoch %d", *told)


def _checkpoint(out: Path, stage: int) -> Path:
    return out / f"checkpoint-{stage}.pt"


def _checkpoints(out: Path) -> list[Path]:
    return list(out.glob("checkpoint-*.pt"))


def _written(path: Path) -> float:
    return path.stat().st_mtime
