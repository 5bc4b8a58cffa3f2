"""Every GAN reaches its goal in a minute of one core, on one seed (see `docs/scores_gan.md`)."""

import math
from dataclasses import replace

import pytest

from gencourse.runs import scores

SUITE = scores.suite_of("gan")


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the machine may be busy; the budget below counts its own time only
@pytest.mark.parametrize("trial", SUITE.trials, ids=lambda trial: trial.name)
def test_a_model_reaches_its_goal(trial):
    result = trial.run(0)
    measure = result["measures"][trial.goal.measure]
    told = scores.told(trial, result)
    assert trial.goal.margin > 0, "a goal says how far a model must get from its untrained self"
    if trial.goal.at_most is not None:
        assert measure["after"] <= trial.goal.at_most, told
        assert measure["after"] <= measure["before"] - trial.goal.margin, told
    else:
        assert measure["after"] >= trial.goal.at_least, told
        assert measure["after"] >= measure["before"] + trial.goal.margin, told
    assert result["processor_seconds"] <= scores.BUDGET, told


@pytest.mark.parametrize("trial", SUITE.trials, ids=lambda trial: trial.name)
def test_a_trial_measures_what_it_says(trial):
    """Two steps of each stage: nothing is learnt, but every measure is there and has moved."""
    stages = tuple((2, lr) for _, lr in trial.training["stages"])
    result = replace(trial, training={**trial.training, "stages": stages}).run(0)
    assert trial.goal.measure in trial.yardstick.units
    values = [m[when] for m in result["measures"].values() for when in ("before", "after")]
    assert all(math.isfinite(v) for v in values)
    assert any(m["before"] != m["after"] for m in result["measures"].values())
    assert not trial.reached(result)
    assert sum(steps for steps, _ in trial.training["stages"]) >= 300
