"""One call that compares pretext tasks: train each, hold its encoder still, and probe it.

Beside the tasks stand the three rows that a number needs to mean something: the raw pixels, an
encoder with random weights, and one that was trained with the labels. All probes see the same
labelled pictures.

Shapes: N rows, ... the axes of one event, D features, K classes.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from gencourse.nets import classifier_loss, make_encoder
from gencourse.pretext.task import NUM_INPUTS, TASKS, PretextTask, make_task, pretext_loss

logger = logging.getLogger(__name__)

BASELINES = ("raw pixels", "random", "supervised")
TRIAL_STEPS = 8
Inputs = Tensor | tuple[Tensor, ...]
Labelled = tuple[Tensor, Tensor]
Maker = Callable[[], PretextTask]
Probe = Callable[..., Any]  # (model, train, test) -> Estimate


def compare(
    tasks: Sequence[str] | Mapping[str, Maker],
    data: Inputs | Mapping[str, Inputs],
    *,
    train: Labelled,
    test: Labelled,
    fit: Callable[..., Any],
    probes: Mapping[str, Probe],
    steps: int | None = None,
    seconds: float | None = None,
    seeds: Sequence[int] = (0,),
    baselines: bool = True,
    encoder: str = "conv",
    widths: Sequence[int] = (16, 32, 64),
    batch_size: int = 128,
    lr: float = 1e-3,
    **options: Any,
) -> list[dict[str, Any]]:
    """Train and probe each task with each seed, and return the rows of a table.

    A row has "task", "category", "seed", the pretext measure on held-out data ("metric", "score",
    "chance"), what training took ("steps", "seconds" of processor time), and the accuracy of each
    probe under its name. Baselines have the category "baseline" and no score.

    `fit` and the probes are arguments because a family of models knows neither
    `gencourse.train` nor `gencourse.evaluate`:

        compare(["rotation", "contrastive"], x, train=(x, y), test=(x_test, y_test), steps=500,
                fit=fit, probes={"linear": linear_probe, "k-NN": knn_probe})

    Args:
        tasks: names from `TASKS`, made with the encoder given here; or labels with functions that
            make the task as you like.
        data: what the tasks learn from, without labels: for each kind (`takes` of the task) its
            tensors; or the images alone. A tenth of it, the last rows, is held out for the score.
        train: labelled pictures (x, y) for the probes and the supervised encoder.
        test: others, on which the probes are measured.
        fit: `gencourse.train.fit`, or something like it.
        probes: name -> `(model, train, test) -> Estimate`.
        steps: batches for each task and the supervised encoder; or
        seconds: processor time for each, from which the steps are worked out by a short trial.
        seeds: of weights, order of the data, questions.
        baselines: whether to add the three rows.
        encoder: see `PretextTask`; also of the baselines.
        widths: see `PretextTask`; also of the baselines.
        batch_size: rows in a batch.
        lr: Adam's step size.
        **options: go to `fit`.

    Raises:
        ValueError: steps and seconds both or neither, no data of the kind that a task takes, too
            few rows, an unknown task.
    """
    if (steps is None) == (seconds is None):
        raise ValueError(f"steps is {steps} and seconds is {seconds}, expected one of the two")
    if isinstance(tasks, str) or not probes:
        raise ValueError(
            f"tasks is {tasks!r} and probes are {sorted(probes)}, expected several and at least 1"
        )
    kinds = data if isinstance(data, Mapping) else {"images": data}
    kinds = {kind: x if isinstance(x, tuple) else (x,) for kind, x in kinds.items()}
    shared = {"encoder": encoder, "widths": tuple(widths)}
    run = partial(
        _train,
        fit=partial(fit, batch_size=batch_size, lr=lr, **{"progress": False, **options}),
        batch_size=batch_size,
        steps=steps,
        seconds=seconds,
    )
    makers = tasks if isinstance(tasks, Mapping) else _makers(tasks, kinds, shared)
    judge = partial(
        Supervised, tuple(train[0].shape[1:]), num_classes=int(train[1].max()) + 1, **shared
    )
    table = []
    for seed in seeds:
        for label, make in makers.items():
            x = _rows(kinds, _seeded(make, seed))
            cut = len(x[0]) - max(2, len(x[0]) // 10)
            task, cost = run(make, tuple(t[:cut] for t in x), seed=seed, loss=pretext_loss)
            score = _score(task, tuple(t[cut:] for t in x), seed)
            row = {"task": label, "category": task.category, "seed": seed, **score, **cost}
            table.append(row | _probe(probes, task, train, test))
            logger.info("%s", table[-1])
        for label in BASELINES if baselines else ():
            model, cost = nn.Flatten(), {"steps": 0, "seconds": 0.0}
            if label == "random":
                model = _seeded(judge, seed)
            elif label == "supervised":
                model, cost = run(judge, train, seed=seed, loss=classifier_loss)
            nothing = {"metric": None, "score": None, "chance": None}
            row = {"task": label, "category": "baseline", "seed": seed, **nothing, **cost}
            table.append(row | _probe(probes, model, train, test))
            logger.info("%s", table[-1])
    return table


class Supervised(nn.Module):
    """An encoder with a linear layer for labels: trained, it is what pretext tasks aim at.

    Args:
        event_shape: (C, H, W).
        num_classes: K.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.
    """

    def __init__(
        self, event_shape: Sequence[int], *, num_classes: int, encoder: str, widths: Sequence[int]
    ) -> None:
        super().__init__()
        self.encoder = make_encoder(encoder, event_shape, widths=widths)
        self.head = nn.Linear(self.encoder.num_features, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the encoder's features, (B, C, H, W) -> (B, D)."""
        return self.encoder(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, C, H, W) -> (B, K)."""
        return self.head(self.encoder(x))


def _makers(
    names: Sequence[str], kinds: Mapping[str, tuple[Tensor, ...]], shared: Mapping[str, Any]
) -> dict[str, Maker]:
    """Return what makes each task for the events of its data."""
    makers = {}
    for name in names:
        if name not in TASKS:
            raise ValueError(f"tasks hold {name!r}, expected names of {sorted(TASKS)}")
        shape = tuple(_rows(kinds, TASKS[name])[0].shape[1:])
        makers[name] = partial(make_task, name, shape, **shared)
    return makers


def _rows(
    kinds: Mapping[str, tuple[Tensor, ...]], task: PretextTask | type[PretextTask]
) -> tuple[Tensor, ...]:
    """Return the data that the task takes."""
    if task.takes not in kinds:
        raise ValueError(
            f"data holds {sorted(kinds)}, expected {task.takes!r}, which {task.name!r} takes"
        )
    x = kinds[task.takes]
    if len(x) != NUM_INPUTS[task.takes] or len(x[0]) < 4:
        raise ValueError(
            f"data of {task.takes!r} are {len(x)} tensors with {len(x[0])} rows, "
            f"expected {NUM_INPUTS[task.takes]} with at least 4"
        )
    return x


def _seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Make a model with initial weights of this seed; torch's generator is put back."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return make()


def _train(
    make: Callable[[], nn.Module],
    x: tuple[Tensor, ...],
    *,
    seed: int,
    loss: Callable[..., Tensor],
    fit: Callable[..., Any],
    batch_size: int,
    steps: int | None,
    seconds: float | None,
) -> tuple[Any, dict[str, float]]:
    """Return a trained model, and its steps and seconds."""
    whole = len(x[0]) // batch_size * batch_size  # a last batch of one row has no negatives
    rows = TensorDataset(*(t[: whole or len(t)] for t in x))
    train = partial(fit, data=rows, loss=loss, seed=seed)
    if steps is None:
        trial = _seeded(make, seed)
        train(trial, steps=2)  # the first steps also pay for what is set up once
        start = time.process_time()
        train(trial, steps=TRIAL_STEPS)
        steps = max(1, round(seconds * TRIAL_STEPS / (time.process_time() - start)))
    model, start = _seeded(make, seed), time.process_time()
    train(model, steps=steps)
    return model, {"steps": steps, "seconds": time.process_time() - start}


def _score(task: PretextTask, x: tuple[Tensor, ...], seed: int) -> dict[str, Any]:
    """Return the columns of the task's own measure."""
    where = next(task.parameters()).device
    found = task.score(*x, generator=torch.Generator(where).manual_seed(seed))
    return {"metric": found.metric, "score": found.value, "chance": found.chance}


def _probe(
    probes: Mapping[str, Probe], model: nn.Module, train: Labelled, test: Labelled
) -> dict[str, float]:
    """Return the column of each probe."""
    return {name: probe(model, train, test).mean for name, probe in probes.items()}
