"""A trial: one model, trained for at most a minute of one core, measured before and after.

Everything that decides the result stands in the trial, so that a result can tell whether it is
still that of the trial that has its name.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn

from gencourse.runs.circumstances import circumstances
from gencourse.runs.settings import as_json
from gencourse.train import fit_adversarial
from gencourse.train.machine import own_randomness

FORMAT = 1
BUDGET = 60.0  # seconds of one core for training

Values = Mapping[str, float]


class Yardstick(NamedTuple):
    """How models are measured, and what data itself would get.

    Attributes:
        what: in words; it counts as a setting.
        units: of each measure, by its name.
        measure: (model, generator of the samples) -> the value of each measure.
        data: -> the values that fresh data gets in place of samples, where that has a meaning.
        table: the heading of the table that its trials stand in; when empty, they share one with
            those of the same first measure.
        digits: significant ones in the table; as many as the number deserves when None.
    """

    what: str
    units: Mapping[str, str]
    measure: Callable[[nn.Module, torch.Generator], Values]
    data: Callable[[], Values] = dict
    table: str = ""
    digits: int | None = None


class Goal(NamedTuple):
    """What a trained model must reach in one measure, and how far from its untrained self.

    Attributes:
        measure: its name.
        at_most: the largest value that is good enough; or
        at_least: the smallest. With neither, only the margin counts, and larger is better.
        margin: the least distance to the value before training, towards the better.
    """

    measure: str
    at_most: float | None = None
    at_least: float | None = None
    margin: float = 0.0

    def reached(self, before: Values, after: Values) -> bool:
        """Return whether the values of a trained model are good enough."""
        old, new = before[self.measure], after[self.measure]
        if self.at_most is not None:
            return new <= self.at_most and old - new >= self.margin
        return (self.at_least is None or new >= self.at_least) and new - old >= self.margin

    def __str__(self) -> str:
        if self.at_most is None and self.at_least is None:
            return f"{self.measure} {self.margin:g} better than untrained"
        at_most = self.at_most is not None
        return f"{self.measure} {f'≤ {self.at_most:g}' if at_most else f'≥ {self.at_least:g}'}"


def play(
    model: nn.Module,
    rows: Any,
    *,
    stages: Sequence[tuple[int, float]],
    seed: int,
    progress: bool,
    discriminator_rate: float = 1.0,
    **training: Any,
) -> None:
    """Train by `train.fit_adversarial`, in stages of (steps, lr), each with a new Adam.

    Games do not settle at a constant step size; the last stage makes smaller steps. The step size
    of the discriminator is `discriminator_rate` times that of the generator.

    Raises:
        KeyboardInterrupt: after Ctrl-C; a trial is too short to go on from its middle.
    """
    for stage, (steps, lr) in enumerate(stages):
        history = fit_adversarial(
            model,
            rows,
            steps=steps,
            lr=lr,
            discriminator_lr=discriminator_rate * lr,
            seed=seed + stage,
            sample_steps=steps + 1,  # never: a sample along the way would cost time
            device="cpu",
            progress=progress,
            **training,
        )
        if history.stopped == "interrupted":
            raise KeyboardInterrupt


@dataclass(frozen=True)
class Trial:
    """One row of a table of scores.

    Args:
        name: of the row and of its results' files.
        model: makes the model from `config`.
        config: the model's arguments.
        data: the training rows in words; they count as a setting.
        rows: makes the training rows.
        training: arguments of `train`.
        yardstick: how it is measured.
        goal: what it must reach; None where nothing is to be gained, and the remark says why.
        train: the training loop, `(model, rows, *, seed, progress, **training)`.
        remark: what a reader of the row should know.
        category: of the model, for a column of the table that has more than one.

    Raises:
        ValueError: neither a goal nor a remark.
    """

    name: str
    model: Callable[..., nn.Module]
    config: Mapping[str, Any]
    data: str
    rows: Callable[[], Any]
    training: Mapping[str, Any]
    yardstick: Yardstick
    goal: Goal | None
    train: Callable[..., None] = field(default=play)
    remark: str = ""
    category: str = ""

    def __post_init__(self) -> None:
        if self.goal is None and not self.remark:
            raise ValueError(f"{self.name} has no goal, expected a remark that says why")

    @property
    def settings(self) -> dict[str, Any]:
        """What decides a result beside the seed, as JSON has it."""
        return as_json(
            {
                "model": self.model.__name__,
                "config": self.config,
                "data": self.data,
                "train": self.train.__name__,
                "training": self.training,
                "measured": self.yardstick.what,
            }
        )

    def run(self, seed: int, *, progress: bool = False) -> dict[str, Any]:
        """Train and measure on one thread of the CPU, and return the result."""
        with one_thread():
            with own_randomness(seed, torch.device("cpu")):
                model = self.model(**self.config).eval()
            data, before = self.yardstick.data(), self._measure(model, seed)
            rows = self.rows()
            processor, wall = time.process_time(), time.perf_counter()
            self.train(model, rows, seed=seed, progress=progress, **self.training)
            processor, wall = time.process_time() - processor, time.perf_counter() - wall
            after = self._measure(model.eval(), seed)
            return {
                "format": FORMAT,
                "trial": self.name,
                "seed": seed,
                "settings": self.settings,
                "parameters": sum(p.numel() for p in model.parameters()),
                "measures": {
                    name: {
                        "unit": unit,
                        "before": before[name],
                        "after": after[name],
                        "data": data.get(name),
                    }
                    for name, unit in self.yardstick.units.items()
                },
                "processor_seconds": processor,
                "wall_seconds": wall,
                **circumstances("cpu"),
            }

    def _measure(self, model: nn.Module, seed: int) -> Values:
        """Measure without a trace in torch's own random numbers."""
        with own_randomness(seed, torch.device("cpu")):
            return self.yardstick.measure(model, torch.Generator().manual_seed(seed))

    def reached(self, result: Mapping[str, Any]) -> bool:
        """Return whether a result reaches the goal; without one there is nothing to reach."""
        if self.goal is None:
            return False
        before, after = (
            {name: m[when] for name, m in result["measures"].items()}
            for when in ("before", "after")
        )
        return self.goal.reached(before, after)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that seconds of the processor are seconds of one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
