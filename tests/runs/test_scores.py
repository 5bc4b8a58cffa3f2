"""Tables of scores: resumable file by file, stale when a trial changes, equal to the results."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset
from typer.testing import CliRunner

from gencourse.cli import app
from gencourse.protocols import Configurable
from gencourse.runs import scores
from gencourse.runs.scores import Goal, Suite, Trial, Yardstick, trial
from tests.test_cli import refused

ROOT = Path(__file__).parents[2]


class Point(Configurable, nn.Module):
    """The mean of some numbers."""

    def __init__(self, start=0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(start))


def approach(model, rows, *, seed, progress, share, stop=None):
    """Move by a share of the way to the mean, a little less with each seed."""
    if stop == seed:
        raise KeyboardInterrupt
    target = rows.tensors[0].mean()
    with torch.no_grad():
        model.value += (share - 0.01 * seed) * (target - model.value)


TOY = Yardstick(
    "distance to 8",
    {"distance": "apples", "value": ""},
    lambda model, _: {"distance": abs(8 - model.value.item()), "value": model.value.item()},
    lambda: {"distance": 0.25},
)
NEAR = Trial(
    "near",
    Point,
    {"start": 1.0},
    "eights",
    lambda: TensorDataset(torch.full((4,), 8.0)),
    {"share": 0.9},
    TOY,
    Goal("distance", at_most=0.75, margin=6.0),
    approach,
    "A remark.",
)
FAR = replace(NEAR, name="far", training={"share": 0.5}, remark="")
SUITE = Suite("toy", "Scores of toys", "What is measured.", [NEAR, FAR])


def run(root, suite=SUITE, **given):
    return [(t.name, r["seed"]) for t, r in scores.run(suite, root, **given)]


def files(root):
    return {p.name: p.read_bytes() for p in (root / "results").rglob("*.*")}


def test_a_result_holds_what_made_it(tmp_path):
    assert run(tmp_path, seeds=(1,)) == [("near", 1), ("far", 1)]
    result = json.loads((tmp_path / "results/scores/toy/near-seed1.json").read_text())
    distance = result["measures"]["distance"]
    assert distance["before"] == 7 and distance["unit"] == "apples" and distance["data"] == 0.25
    assert distance["after"] == pytest.approx(7 * 0.11, rel=1e-6)
    assert result["measures"]["value"]["data"] is None
    assert result["settings"] == NEAR.settings == json.loads(json.dumps(NEAR.settings))
    assert result["hardware"]["threads"] == 1 and result["hardware"]["processor"]
    assert 0 < result["processor_seconds"] < 10 and result["wall_seconds"] > 0
    assert "commit" in result and result["versions"]["torch"] and result["finished"]
    assert not [v for v in json.dumps(result).split('"') if v.startswith("/")]
    assert torch.get_num_threads() >= 1


def test_what_is_there_is_kept_and_what_is_stale_runs_again(tmp_path):
    assert len(run(tmp_path, seeds=(0, 1))) == 4
    before = files(tmp_path)
    assert run(tmp_path, seeds=(0, 1)) == [] and files(tmp_path) == before
    assert run(tmp_path, seeds=(0, 1, 2), models=["far"]) == [("far", 2)]
    changed = replace(SUITE, trials=[NEAR, replace(FAR, training={"share": 0.6})])
    assert run(tmp_path, changed) == [("far", 0), ("far", 1), ("near", 2), ("far", 2)]
    assert files(tmp_path)["near-seed0.json"] == before["near-seed0.json"]


def test_an_interrupt_keeps_what_has_ended(tmp_path):
    stops = replace(SUITE, trials=[NEAR, replace(FAR, training={"share": 0.5, "stop": 1})])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stops)
    assert set(files(tmp_path)) >= {"near-seed0.json", "far-seed0.json", "near-seed1.json"}
    assert not [name for name in files(tmp_path) if name.startswith("far-seed1")]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stops)
    stops.trials[1] = replace(
        FAR, training={"share": 0.5, "stop": 3}
    )  # and so all of far is stale
    assert run(tmp_path, stops) == [("far", 0), ("far", 1), ("near", 2), ("far", 2)]


def test_ctrl_c_in_a_game_leaves_no_result(monkeypatch):
    class Stopped:
        stopped = "interrupted"

    monkeypatch.setattr(trial, "fit_adversarial", lambda *_, **__: Stopped)
    with pytest.raises(KeyboardInterrupt):
        trial.play(None, None, stages=((5, 1e-3),), seed=0, progress=False)


@pytest.mark.parametrize(
    ("goal", "before", "after", "reached"),
    [
        (Goal("m", at_most=2.0, margin=3.0), 9.0, 2.0, True),
        (Goal("m", at_most=2.0, margin=3.0), 9.0, 2.1, False),
        (Goal("m", at_most=2.0, margin=3.0), 4.0, 1.5, False),  # was nearly as good untrained
        (Goal("m", at_least=0.9, margin=0.5), 0.2, 0.95, True),
        (Goal("m", at_least=0.9, margin=0.5), 0.2, 0.85, False),
        (Goal("m", at_least=0.9, margin=0.5), 0.6, 0.95, False),
        (Goal("m", at_most=2.0), 9.0, float("nan"), False),
        (Goal("m", at_least=2.0), 1.0, float("nan"), False),
    ],
)
def test_a_goal_is_a_number_and_a_distance_from_the_untrained(goal, before, after, reached):
    assert goal.reached({"m": before}, {"m": after}) is reached


def page(root, suite=SUITE):
    return scores.write_page(suite, root).read_text(encoding="utf-8")


def row(text, name):
    return next(line for line in text.splitlines() if line.startswith(f"| {name}"))


def test_the_page_says_what_was_measured_and_what_was_not(tmp_path):
    assert "| near | — | — | distance ≤ 0.75 | not run | — |" in page(tmp_path)
    run(tmp_path)
    text = page(tmp_path)
    # 0.7, 0.77 and 0.84 apples: mean 0.77, standard deviation 0.07, one of them at most 0.75
    assert "7.00 → **0.77** ± 0.07" in row(text, "near") and "| 1 of 3 |" in row(text, "near")
    assert "| 0 of 3 |" in row(text, "far")
    assert "| *fresh data: eights* | 0.25 | — |" in text
    for words in (
        "Point(start 1.0), 1 parameters, on eights; share 0.9; seeds 0, 1, 2",
        "A remark",
    ):
        assert words in text
    assert "stale" not in row(text, "near") and "distance [apples]" in text


def test_the_page_marks_what_is_stale_until_it_runs_again(tmp_path):
    run(tmp_path, seeds=(0,))
    changed = replace(SUITE, trials=[replace(NEAR, training={"share": 0.95}), FAR])
    text = page(tmp_path, changed)
    assert "**0.70**" in row(text, "near (stale)") and "training is now share 0.95" in text
    assert "stale" not in row(text, "far")
    run(tmp_path, changed, seeds=(0,))
    assert "**0.35**" in row(page(tmp_path, changed), "near |")
    assert "Stale" not in page(tmp_path, changed)


def test_a_trial_over_its_time_has_not_reached_its_goal(tmp_path):
    ((_, result),) = scores.run(SUITE, tmp_path, models=["near"], seeds=(0,))
    assert scores.is_reached(NEAR, result)
    assert not scores.is_reached(NEAR, {**result, "processor_seconds": scores.BUDGET + 1})


def test_files_that_do_not_belong_are_refused(tmp_path):
    run(tmp_path, seeds=(0,))
    with pytest.raises(ValueError, match="result of 'far' with seed 0, expected one of its own"):
        scores.read_results(replace(SUITE, trials=[NEAR]), tmp_path)
    broken = tmp_path / "results/scores/toy/near-seed0.json"
    broken.write_text("{")
    with pytest.raises(ValueError, match=r"near-seed0\.json is damaged .* move it away"):
        run(tmp_path)


def test_the_command_runs_prints_and_writes_the_page(tmp_path, monkeypatch):
    (tmp_path / "nbgrader_config.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(scores.SUITES, "toy", SUITE)
    only = CliRunner().invoke(app, ["scores", "toy", "--table-only"])
    assert only.exit_code == 0 and "not run" in (tmp_path / "docs/scores_toy.md").read_text()
    done = CliRunner().invoke(app, ["scores", "toy", "--seeds", "0,2", "--model", "near"])
    assert done.exit_code == 0, done.output
    assert "2 of 2 to do" in done.stdout and "2 of 2: near, seed 2: distance 7.00" in done.stdout
    assert "**0.77**" in (tmp_path / "docs/scores_toy.md").read_text()
    again = CliRunner().invoke(app, ["scores", "toy", "--seeds", "0,2", "--model", "near"])
    assert "0 of 2 to do" in again.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gam"], "no scores of 'gam', expected one of gan"),
        (["gan", "--model", "dcgam"], "did you mean dcgan"),
        (["gan", "--seeds", "1,x"], "--seeds is '1,x', expected numbers"),
        (["gan", "--seeds", ""], "seeds are []"),
        (["gan", "--seeds", "-1"], "seeds are [-1]"),
    ],
)
def test_every_mistake_is_one_line(words, said, monkeypatch):
    monkeypatch.chdir(ROOT)
    refused(["scores", *words], said)


@pytest.mark.parametrize("suite", scores.SUITES.values(), ids=scores.SUITES)
def test_a_committed_page_is_what_the_results_give(suite):
    results = scores.read_results(suite, ROOT)
    assert suite.page(ROOT).read_text(encoding="utf-8") == scores.page(suite, results), (
        f"gencourse scores {suite.name} --table-only"
    )
    assert len({t.name for t in suite.trials}) == len(suite.trials)
    assert all(json.dumps(t.settings) for t in suite.trials)
