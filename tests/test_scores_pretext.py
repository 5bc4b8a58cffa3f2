"""Every pretext task gains what its trial states, or is declared to gain nothing, on one seed."""

import math
from dataclasses import replace

import pytest
import torch

from gencourse.pretext import CATEGORIES, TASKS
from gencourse.runs import scores
from gencourse.runs.scores import Goal, Suite, Trial, Yardstick, probes, sights

SUITE = scores.suite_of("pretext")
DATA_SETS = (
    sights.TEXTURE,
    sights.DIGITS,
    sights.SHAPES,
    sights.SMALL_TEXTURE,
    sights.SKY,
    sights.FRAMES,
)
NO_GAIN = 0.02  # mean over the linear and the k-NN probe, at most


def named(name):
    (trial,) = SUITE.chosen([name])
    return trial


def gain(result, measure):
    return result["measures"][measure]["after"] - result["measures"][measure]["before"]


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the machine may be busy; the budget below counts its own time only
@pytest.mark.parametrize("trial", SUITE.trials, ids=lambda trial: trial.name)
def test_a_task_gains_or_is_declared_not_to(trial):
    result = trial.run(0)
    told = scores.told(trial, result)
    print(told, result["measures"])
    assert result["processor_seconds"] <= scores.BUDGET, told
    if trial.goal is not None:
        assert trial.goal.margin > 0, "a goal says how far a task gets from its untrained self"
        assert trial.reached(result), told
    elif trial.category != "baseline":
        gains = [gain(result, measure) for measure in (probes.LINEAR, probes.NEIGHBOURS)]
        assert sum(gains) / 2 < NO_GAIN, f"{told}: it may have a goal"
    elif trial.name.endswith("supervised"):
        assert gain(result, probes.LINEAR) > 0.02, told


class TestTwoSteps:
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def a_tenth(cls):
        """Make a tenth of the rendered rows, and forget them afterwards."""

        def tenth(make):
            return lambda n, *given, **options: make(n // 10, *given, **options)

        with pytest.MonkeyPatch.context() as patch:
            for name in ("frames", "clips", "shape_rows"):
                patch.setattr(sights, name, tenth(getattr(sights, name)))
            kept = [dict(vars(data_set)) for data_set in DATA_SETS]
            for data_set in DATA_SETS:
                forget(data_set)
            yield
        for data_set, had in zip(DATA_SETS, kept, strict=True):
            forget(data_set)
            vars(data_set).update(had)

    @pytest.mark.parametrize("trial", SUITE.trials, ids=lambda trial: trial.name)
    def test_a_trial_measures_what_it_says(self, trial):
        """Nothing is learnt, but every measure is there and has moved."""
        stages = trial.training.get("stages", ())
        assert all(steps >= 100 for steps, _ in stages)
        training = {**trial.training, "stages": tuple((2, lr) for _, lr in stages)}
        result = replace(trial, training=training).run(0)
        measures = result["measures"]
        assert list(measures) == list(trial.yardstick.units)
        assert trial.goal is None or trial.goal.measure in measures
        assert all(math.isfinite(m[w]) for m in measures.values() for w in ("before", "after"))
        moved = any(m["before"] != m["after"] for m in measures.values())
        assert moved == bool(stages), "what is trained moves, and nothing else"
        if trial.category in CATEGORIES:
            assert measures[probes.SCORE]["unit"] == trial.model.metric
            assert probes.CHANCE in measures


def forget(data_set):
    for cached in ("pictures", "pixels"):
        vars(data_set).pop(cached, None)


def test_every_task_stands_once_and_each_data_set_has_its_baselines():
    tasks = [trial for trial in SUITE.trials if trial.category != "baseline"]
    assert sorted(t.model.name for t in tasks) == sorted(TASKS)
    assert all(t.category == t.model.category for t in tasks)
    tables = {t.yardstick.table for t in tasks if t.model.takes != "text"}
    assert tables == {data_set.table for data_set in DATA_SETS}
    for data_set in DATA_SETS:
        own = [t for t in SUITE.trials if t.yardstick.table == data_set.table]
        assert [t.category == "baseline" for t in own][:4] == [True, True, True, False]


def test_a_task_begins_with_the_random_encoder_of_its_data_set():
    """Else what a task gains would not be what it gains over the random baseline."""
    task, random = (named(name) for name in ("contrastive", "digits-random"))
    still = replace(task, train=probes.leave, training={}).run(3)["measures"]
    for name, measure in random.run(3)["measures"].items():
        assert measure["before"] == measure["after"] == still[name]["before"]


def test_rows_that_fill_no_batch_are_left_out(monkeypatch):
    seen = []
    monkeypatch.setattr(
        probes, "fit", lambda model, rows, **given: seen.append((rows, given)) or Finished
    )
    rows = torch.utils.data.TensorDataset(torch.arange(10), torch.arange(10))
    probes.teach(None, rows, stages=((5, 0.1), (6, 0.2)), batch_size=4, seed=3, progress=False)
    assert [len(rows) for rows, _ in seen] == [8, 8]
    assert [(g["steps"], g["lr"], g["seed"]) for _, g in seen] == [(5, 0.1, 3), (6, 0.2, 4)]
    monkeypatch.setattr(Finished, "stopped", "interrupted")
    with pytest.raises(KeyboardInterrupt):
        probes.teach(None, rows, stages=((5, 0.1),), batch_size=4, seed=0, progress=False)


class Finished:
    stopped = "finished"


RULER = Yardstick("a ruler", {"probe": "", "score": "accuracy"}, dict, dict, "Toys", probes.DIGITS)
GAINS = Trial(
    "gains", dict, {}, "toys", list, {}, RULER, Goal("probe", margin=0.25), category="time"
)
ERRS = replace(
    GAINS,
    name="errs",
    yardstick=RULER._replace(units={"probe": "", "score": "squared error"}),
    goal=None,
    remark="It forgets.",
    category="instance",
)
BASE = replace(ERRS, name="base", yardstick=RULER._replace(units={"probe": ""}))
TOYS = Suite("toys", "Toys", "", [BASE, GAINS, ERRS])


def result(trial, seed, **measures):
    units = trial.yardstick.units
    told = {n: (*pair, units[n]) for n, pair in measures.items()}
    return {
        "format": scores.trial.FORMAT,
        "seed": seed,
        "settings": trial.settings,
        "measures": {
            n: {"before": before, "after": after, "unit": unit, "data": None}
            for n, (before, after, unit) in told.items()
        },
        "parameters": 0,
        "processor_seconds": 7.0,
        "hardware": {"processor": "p", "threads": 1, "gpu": None, "device": "cpu"},
        "versions": {"torch": "2"},
        "commit": "c",
        "finished": "2026-01-01",
    }


def test_the_table_has_categories_units_of_each_row_and_no_goal_where_nothing_is_gained():
    found = {
        "base": {0: result(BASE, 0, probe=(0.5, 0.5)), 1: result(BASE, 1, probe=(0.52, 0.52))},
        "gains": {
            0: result(GAINS, 0, probe=(0.5, 0.75), score=(0.25, 0.5)),
            1: result(GAINS, 1, probe=(0.5, 0.74), score=(0.25, 0.5)),
        },
        "errs": {0: result(ERRS, 0, probe=(0.5, 0.4), score=(0.03, 0.0121))},
    }
    lines = scores.page(TOYS, found).splitlines()
    assert "## Toys" in lines
    table = [[c.strip() for c in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    assert table == [
        ["trial", "category", "probe", "score", "goal", "reached", "seconds of a core"],
        ["---"] * 7,
        ["base", "instance", "0.510 ± 0.01", "—", "none", "—", "7"],
        ["gains", "time", "0.500 → **0.745** ± 0.007", "0.250 → **0.500** ± 0 accuracy",
         "probe 0.25 better than untrained", "1 of 2", "7"],
        ["errs", "instance", "0.500 → **0.400**", "0.0300 → **0.0121** squared error", "none",
         "—", "7"],
    ]  # fmt: skip
    assert any(line.startswith("- **errs**") and "It forgets." in line for line in lines)
    assert "it has no goal" in scores.told(ERRS, found["errs"][0])
    assert "0.25 better than untrained is reached" in scores.told(GAINS, found["gains"][0])


def test_who_has_no_goal_says_why():
    with pytest.raises(ValueError, match="errs has no goal, expected a remark that says why"):
        replace(ERRS, remark="")
    assert not ERRS.reached(result(ERRS, 0, probe=(0.1, 0.9)))
