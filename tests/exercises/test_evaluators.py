"""Metrics of trained weights against closed forms."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from gencourse.autoregressive import NADE
from gencourse.exercises.evaluators import binary_logistic, nade

RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 3))
Y = (X @ [1.5, -1.0, 0.5] + RNG.normal(size=40) > 0.3).astype(float)


def test_binary_logistic_measures_what_scikit_learn_measures():
    model = LogisticRegression(C=0.5).fit(X, Y)
    found = binary_logistic({"weight": model.coef_, "bias": model.intercept_}, {"x": X, "y": Y})
    assert found["nll"] == pytest.approx(log_loss(Y, model.predict_proba(X)))
    assert found["accuracy"] == pytest.approx(model.score(X, Y))
    assert "objective" not in found


def test_the_objective_tells_weights_apart_that_predict_the_same():
    twins = np.column_stack([X, X[:, 0]])
    even = {"weight": [0.5, -1.0, 0.5, 0.5], "bias": [0.1]}
    uneven = {"weight": [1.0, -1.0, 0.5, 0.0], "bias": [0.1]}
    inputs = {"x": twins, "y": Y, "l2": 0.2}
    one, other = binary_logistic(even, inputs), binary_logistic(uneven, inputs)
    assert one["nll"] == pytest.approx(other["nll"])
    assert one["objective"] == pytest.approx(one["nll"] + 0.1 * (0.25 + 1 + 0.25 + 0.25))
    assert other["objective"] - one["objective"] == pytest.approx(0.1 * (1.0 - 0.5))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"bias": [0.0]}, "no parameter weight"),
        ({"weight": [1.0, 2.0], "bias": [0.0]}, "holds 2 numbers, expected 3"),
        ({"weight": [1.0, np.nan, 0.0], "bias": [0.0]}, "NaN or infinity"),
    ],
)
def test_weights_that_cannot_be_measured_are_refused_in_words(weights, words):
    with pytest.raises(ValueError, match=words):
        binary_logistic(weights, {"x": X, "y": Y})


def nade_weights(num_vars, num_hidden):
    model = NADE(num_vars, num_hidden=num_hidden, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3).add_(0.2)
    return model.double()


def test_nade_measures_what_the_library_measures():
    model = nade_weights(5, 3)
    x = (np.random.default_rng(2).random((30, 5)) < 0.4).astype(float)
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    found = nade(weights, {"valid": x, "num_hidden": 3})
    assert found == {"nll": pytest.approx(-model.log_prob(torch.tensor(x)).mean().item())}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"W": [1.0, 2.0]}, "parameter W holds 2 numbers, expected 15"),
        ({"c": [np.nan, 0.0, 0.0]}, "parameter c holds NaN"),
        ({"V": None}, "no parameter V"),
    ],
)
def test_nade_refuses_weights_that_do_not_fit(changed, words):
    weights = {k: v.numpy() for k, v in nade_weights(5, 3).state_dict().items()} | changed
    weights = {k: v for k, v in weights.items() if v is not None}
    with pytest.raises(ValueError, match=words):
        nade(weights, {"valid": np.zeros((2, 5)), "num_hidden": 3})
