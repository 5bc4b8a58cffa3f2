"""What frozen features are worth: labelled pictures, and the probes of a model before and after.

Every data set has labelled pictures of its own, on which all tasks are probed that learn from it,
and three baselines: the raw pixels, an encoder with random weights, and one trained with labels.

Shapes: n pictures (n, C, H, W), classes (n,) from 0 on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from gencourse.evaluate import knn_probe, linear_probe
from gencourse.nets import classifier_loss, make_encoder
from gencourse.pretext import PretextTask, pretext_loss
from gencourse.pretext.compare import Supervised
from gencourse.runs.scores.trial import Trial, Yardstick
from gencourse.train import fit

LINEAR, NEIGHBOURS, FEW = "linear probe", "k-NN probe", "linear probe, 10 labels a class"
SCORE, CHANCE = "score in the task", "chance"
NUM_CHOICES = 5  # of the ten labels a class
DIGITS = 3  # that the table shows

Tensors = tuple[Tensor, ...]
Labelled = tuple[Tensor, Mapping[str, Tensor]]  # pictures, and classes by what they tell


def teach(
    model: nn.Module,
    rows: TensorDataset,
    *,
    stages: Sequence[tuple[int, float]],
    batch_size: int,
    seed: int,
    progress: bool,
    loss: Callable[..., Tensor] = pretext_loss,
) -> None:
    """Train by `train.fit`, in stages of (steps, lr), each with a new Adam.

    Rows that do not fill a batch are left out: the last batch may else have one row, and no
    negatives.

    Raises:
        KeyboardInterrupt: after Ctrl-C; a trial is too short to go on from its middle.
    """
    whole = len(rows) // batch_size * batch_size
    rows = TensorDataset(*(tensor[:whole] for tensor in rows.tensors))
    for stage, (steps, lr) in enumerate(stages):
        history = fit(
            model,
            rows,
            loss=loss,
            steps=steps,
            lr=lr,
            batch_size=batch_size,
            seed=seed + stage,
            device="cpu",
            progress=progress,
        )
        if history.stopped == "interrupted":
            raise KeyboardInterrupt


def teach_labels(model: nn.Module, rows: TensorDataset, **training: Any) -> None:
    """Train a classifier as `teach` trains a task."""
    teach(model, rows, loss=classifier_loss, **training)


def leave(model: nn.Module, rows: TensorDataset, **training: Any) -> None:
    """Train nothing."""


def raw_pixels() -> nn.Module:
    """Return the encoder that does nothing."""
    return nn.Flatten()


def random_encoder(event_shape: Sequence[int], *, widths: Sequence[int]) -> nn.Module:
    """Return an encoder as every task of the data set begins with."""
    return make_encoder("conv", event_shape, widths=widths)


def score_in_task(
    task: PretextTask, held_out: Tensors, generator: torch.Generator
) -> dict[str, float]:
    """Return how well a task is solved, and by chance."""
    score = task.score(*held_out, generator=generator)
    return {SCORE: score.value, CHANCE: score.chance}


@dataclass(frozen=True)
class DataSet:
    """Pictures with labels, on which features are probed.

    Args:
        name: begins the names of its baselines.
        table: the heading of its table.
        what: the labelled pictures in words.
        labels: what they tell; the first is the main one.
        train: makes the pictures that a probe learns from.
        test: makes those on which it is measured.
        event_shape: (C, H, W).
        num_classes: of the main labels.
        steps: of the supervised baseline.
        widths: of the encoder.
        few: whether to probe with ten labels a class, too.
    """

    name: str
    table: str
    what: str
    labels: Sequence[str]
    train: Callable[[], Labelled]
    test: Callable[[], Labelled]
    event_shape: Sequence[int]
    num_classes: int
    steps: int
    widths: Sequence[int] = (16, 32, 64)
    few: bool = False

    @cached_property
    def pictures(self) -> tuple[Labelled, Labelled]:
        """The labelled pictures, made once in a process."""
        return self.train(), self.test()

    @property
    def probes(self) -> list[str]:
        """The names of all probes, the main one first."""
        few = [FEW] if self.few else []
        return [LINEAR, NEIGHBOURS, *few, *(f"{LINEAR} of {told}" for told in self.labels[1:])]

    @cached_property
    def pixels(self) -> dict[str, float]:
        """What the probes get from the pixels: slow to find, and the same with every seed."""
        return self.probe(lambda x: x)

    def probe(self, model: nn.Module | Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Return the accuracy of every probe of the model's features."""
        if isinstance(model, nn.Flatten):
            return self.pixels
        (x, y), (x_test, y_test) = self.pictures
        parts = {told: ((x, y[told]), (x_test, y_test[told])) for told in self.labels}
        main = parts.pop(self.labels[0])
        found = {
            LINEAR: linear_probe(model, *main).mean,
            NEIGHBOURS: knn_probe(model, *main).mean,
            **{f"{LINEAR} of {told}": linear_probe(model, *p).mean for told, p in parts.items()},
        }
        if self.few:
            seeds = range(NUM_CHOICES)
            found[FEW] = fmean(linear_probe(model, *main, labels=10, seed=s).mean for s in seeds)
        return found

    def yardstick(
        self,
        task: type[PretextTask] | None = None,
        held_out: Callable[[], Tensors] | None = None,
        where: str = "the probes' test pictures",
    ) -> Yardstick:
        """Return the probes, and for a task its score.

        Args:
            task: whose score is taken; no score when None.
            held_out: makes the data of the score; the test pictures when None.
            where: these data in words.
        """
        units = dict.fromkeys(self.probes, "")
        if task is None:
            return Yardstick(
                self.what, units, lambda model, _: self.probe(model), dict, self.table, DIGITS
            )

        def measure(model: PretextTask, generator: torch.Generator) -> dict[str, float]:
            data = held_out() if held_out else (self.pictures[1][0],)
            return self.probe(model) | score_in_task(model, data, generator)

        units |= {SCORE: task.metric, CHANCE: ""}
        return Yardstick(
            f"{self.what}; the score on {where}", units, measure, dict, self.table, DIGITS
        )

    def baselines(self) -> list[Trial]:
        """Return the three rows that the numbers of tasks are compared with."""

        def rows() -> TensorDataset:
            x, y = self.pictures[0]
            return TensorDataset(x, y[self.labels[0]])

        shared = {"rows": rows, "yardstick": self.yardstick(), "goal": None}
        shared |= {"category": "baseline"}
        encoder = {"event_shape": self.event_shape, "widths": self.widths}
        untrained = {"data": "nothing", "training": {}, "train": leave}
        return [
            Trial(
                f"{self.name}-raw-pixels",
                raw_pixels,
                {},
                remark="Nothing is trained.",
                **untrained,
                **shared,
            ),
            Trial(
                f"{self.name}-random",
                random_encoder,
                encoder,
                remark="Nothing is trained.",
                **untrained,
                **shared,
            ),
            Trial(
                f"{self.name}-supervised",
                Supervised,
                {**encoder, "num_classes": self.num_classes, "encoder": "conv"},
                data="the labelled pictures of the probes",
                training={"stages": ((self.steps, 3e-3),), "batch_size": 128},
                train=teach_labels,
                remark=f"Trained to tell the {self.labels[0]}.",
                **shared,
            ),
        ]
