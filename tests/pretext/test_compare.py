"""One call makes the table: what it trains, what it holds out, and what it refuses."""

import itertools

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.data import digits, shapes, world
from gencourse.evaluate import knn_probe, linear_probe
from gencourse.pretext import Contrastive, PretextTask, Rotation, compare
from gencourse.train import fit

DATA, HELD_OUT = shapes(300, seed=0, size=8), shapes(120, seed=1, size=8)
TRAIN, TEST = (DATA.x, DATA.y), (HELD_OUT.x, HELD_OUT.y)
COMMON = {"train": TRAIN, "test": TEST, "probes": {"linear": linear_probe, "k-NN": knn_probe}}
COMMON |= {"widths": (4, 8), "batch_size": 32}


def recorder(calls):
    """A `fit` that notes what it was given."""

    def record(model, data, **options):
        calls.append((model, data, options))
        return fit(model, data, **options)

    return record


def test_the_table():
    seeds = (0, 1)
    rows = compare(["rotation", "contrastive"], DATA.x, fit=fit, steps=3, seeds=seeds, **COMMON)
    names = ["rotation", "contrastive", "raw pixels", "random", "supervised"]
    assert [(r["seed"], r["task"]) for r in rows] == list(itertools.product(seeds, names))
    assert [r["category"] for r in rows[:5]] == ["transformation", "instance"] + 3 * ["baseline"]
    for row in rows:
        assert 0 < row["linear"] <= 1 and 0 < row["k-NN"] <= 1
        assert list(row) == list(rows[0]), "all rows have the same columns"
        assert row["steps"] == (0 if row["task"] in ("raw pixels", "random") else 3)
        assert (row["score"] is None) == (row["category"] == "baseline")
    assert rows[0]["chance"] == 0.25 and rows[1]["metric"] == "retrieval accuracy"
    assert rows[3]["linear"] != rows[8]["linear"], "another seed, other weights"
    again = compare(["rotation", "contrastive"], DATA.x, fit=fit, steps=3, seeds=seeds, **COMMON)
    assert all(a | {"seconds": 0} == b | {"seconds": 0} for a, b in zip(rows, again, strict=True))


def test_tasks_never_see_the_labels_nor_what_they_are_scored_on():
    calls = []
    compare(["rotation"], DATA.x, fit=recorder(calls), steps=1, **COMMON)
    (task, data, options), (judge, labelled, _) = calls
    assert isinstance(task, Rotation) and len(data.tensors) == 1
    assert torch.equal(data.tensors[0], DATA.x[:256]), "270 rows, cut to whole batches"
    assert options["batch_size"] == 32 and not options["progress"]
    assert torch.equal(labelled.tensors[1], DATA.y[:288])
    assert not isinstance(judge, PretextTask)


def test_supervision_is_better_than_random_weights():
    rows = compare([], DATA.x, fit=fit, steps=150, lr=1e-2, **COMMON)
    by_name = {row["task"]: row["linear"] for row in rows}
    assert by_name["supervised"] > by_name["random"] + 0.1


def test_tasks_made_to_order_and_data_by_kind():
    clips = world(40, seed=0, frames=4)

    class Still(PretextTask):
        """Is the clip turned? Frame by frame, from video."""

        name, category, takes = "still", "time", "video"

        def __init__(self, event_shape):
            super().__init__(event_shape, widths=(4, 8))
            self.head = nn.Linear(8, 4)

        def make(self, x, *, generator=None):
            turns = torch.randint(4, (len(x),), generator=generator)
            return torch.stack([v.rot90(int(k), (2, 3)) for v, k in zip(x, turns)]), turns  # noqa: B905

        def forward(self, x):
            return self.head(self.encoder(x[:, 0]))

    tasks = {
        "still": lambda: Still((4, 3, 16, 16)),
        "crops only": lambda: Contrastive((3, 8, 8), jitter=0.0, grey=0.0, widths=(4, 8)),
    }
    data = {"images": DATA.x, "video": clips.x}
    calls = []
    rows = compare(tasks, data, fit=recorder(calls), steps=1, baselines=False, **COMMON)
    assert [row["task"] for row in rows] == ["still", "crops only"]
    assert [row["category"] for row in rows] == ["time", "instance"]
    assert torch.equal(calls[0][1].tensors[0], clips.x[:32])
    assert calls[1][0].changes["jitter"] == 0


def test_seconds_become_steps():
    calls = []
    rows = compare(
        ["rotation"], DATA.x, fit=recorder(calls), seconds=1.0, baselines=False, **COMMON
    )
    assert [c[2]["steps"] for c in calls[:-1]] == [2, 8]
    assert rows[0]["steps"] == calls[-1][2]["steps"] > 8
    assert 0.3 < rows[0]["seconds"] < 3
    assert calls[0][0] is not calls[-1][0], "the trial is thrown away"


def test_few_rows_are_one_batch():
    calls = []
    few = DATA.x[:12]
    compare(["rotation"], few, fit=recorder(calls), steps=1, baselines=False, **COMMON)
    assert torch.equal(calls[0][1].tensors[0], few[:10])
    assert isinstance(calls[0][1], TensorDataset)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"steps": 1, "seconds": 1.0}, "steps is 1 and seconds is 1.0, expected one"),
        ({}, "steps is None and seconds is None"),
        ({"tasks": "rotation", "steps": 1}, "tasks is 'rotation'"),
        ({"tasks": ["puzzle"], "steps": 1}, "tasks hold 'puzzle'"),
        ({"probes": {}, "steps": 1}, "expected several and at least 1"),
        ({"data": {"video": DATA.x[:, None]}, "steps": 1}, r"data holds \['video'\]"),
        ({"data": DATA.x[:3], "steps": 1}, "with 3 rows, expected 1 with at least 4"),
        ({"data": (DATA.x, DATA.y), "steps": 1}, "are 2 tensors"),
    ],
)
def test_bad_input(arguments, match):
    given = {"tasks": ["rotation"], "data": DATA.x, "fit": fit, **COMMON, **arguments}
    with pytest.raises(ValueError, match=match):
        compare(given.pop("tasks"), given.pop("data"), **given)


@pytest.mark.slow
class TestAgainstRandomWeights:
    """Within 60 s of processor time each; the margins are well below those measured."""

    def margins(self, tasks, train, test, **options):
        probes = {"linear": linear_probe, "k-NN": knn_probe}
        rows = compare(tasks, train[0], train=train, test=test, fit=fit, probes=probes, lr=3e-3,
                       **options)  # fmt: skip
        by_name = {row["task"]: row for row in rows}
        assert all(row["seconds"] < 60 for row in rows)
        (task,) = tasks
        return by_name[task], {p: by_name[task][p] - by_name["random"][p] for p in probes}

    def test_rotation_on_shapes(self):
        """Circles and squares look alike after a turn: at best 1/3 + 2/3 · 1/4 are right."""
        data, held_out = shapes(6000, seed=0, size=16), shapes(2000, seed=1, size=16)
        train, test = (data.x, data.y), (held_out.x, held_out.y)
        row, margin = self.margins(["rotation"], train, test, steps=1000)
        assert 0.4 < row["score"] < 0.5 + 3 * (0.25 / 600) ** 0.5
        assert margin["linear"] > 0.25 and margin["k-NN"] > 0.1

    def test_contrastive_on_digits(self):
        data = digits()
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
        x, y = data.x[order], data.y[order]
        tasks = {
            "contrastive": lambda: Contrastive(
                (1, 8, 8), crop=0.5, flip=False, jitter=0.3, grey=0.0, widths=(32, 64)
            )
        }
        train, test = (x[:1297], y[:1297]), (x[1297:], y[1297:])
        _, margin = self.margins(tasks, train, test, steps=1000, widths=(32, 64))
        assert margin["linear"] > 0.02 and margin["k-NN"] > 0.02
