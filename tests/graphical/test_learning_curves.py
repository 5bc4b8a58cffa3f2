"""Learning curves: the batched fits against one fit a split, and Ng & Jordan's finding on data."""

import numpy as np
import pytest
import torch
from sklearn import datasets
from sklearn.linear_model import LogisticRegression as Oracle

from gencourse.graphical.gaussian_naive_bayes import GaussianNaiveBayes
from gencourse.graphical.learning_curves import _random_orders, counterexample, learning_curve
from gencourse.graphical.logistic_regression import LogisticRegression
from gencourse.graphical.naive_bayes import NaiveBayes


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def load(name):
    loaded = getattr(datasets, f"load_{name}")()
    return torch.tensor(loaded.data), torch.tensor(loaded.target)


def splits(y, sizes, num_splits):
    """Return the splits that `learning_curve` draws from the same seed."""
    member = torch.nn.functional.one_hot(y).double()
    order = _random_orders(member, num_splits, seeded())
    return [[(row[:m], row[max(sizes) :]) for row in order] for m in sizes]


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
def test_gaussian_errors_are_those_of_one_fit_a_split(name):
    x, y = load(name)
    sizes, classes = [10, 60], int(y.max()) + 1
    curve = learning_curve(
        x, y, sizes=sizes, num_splits=4, smoothing=1e-9, l2=0.5, generator=seeded()
    )
    z = (x - x.mean(0)) / x.std(0, correction=0)
    for n, per_size in enumerate(splits(y, sizes, 4)):
        for s, (train, test) in enumerate(per_size):
            naive = GaussianNaiveBayes(x.shape[1], classes, shared_variance=True)
            wrong = naive.fit(z[train], y[train]).predict(z[test]) != y[test]
            assert curve.naive_bayes_errors[n, s].item() == wrong.double().mean().item()
            # the curve's reference class is 0: it matters, because the penalty depends on it
            model = LogisticRegression(x.shape[1], classes, l2=0.5, reference=0)
            wrong = model.fit(z[train], y[train]).predict(z[test]) != y[test]
            assert curve.logistic_errors[n, s].item() == wrong.double().mean().item()
            if classes == 2:
                oracle = Oracle(C=2.0, tol=1e-10, max_iter=10_000).fit(z[train], y[train])
                error = 1 - oracle.score(z[test], y[test])
                assert curve.logistic_errors[n, s].item() == pytest.approx(error)


def test_bernoulli_errors_are_those_of_one_fit_a_split():
    x, y = load("breast_cancer")
    x = (x > x.median(0).values).double()
    curve = learning_curve(
        x, y, sizes=[10, 60], num_splits=4, features="bernoulli", generator=seeded()
    )
    for n, per_size in enumerate(splits(y, [10, 60], 4)):
        for s, (train, test) in enumerate(per_size):
            wrong = NaiveBayes(x.shape[1]).fit(x[train], y[train]).predict(x[test]) != y[test]
            assert curve.naive_bayes_errors[n, s].item() == wrong.double().mean().item()


@pytest.mark.parametrize(
    ("name", "small", "large"),
    [("breast_cancer", 8, 256), ("wine", 8, 96), ("iris", 8, None), ("diabetes", 16, 256)],
)
def test_naive_bayes_leads_at_first_and_logistic_regression_in_the_end(name, small, large):
    x, y = load(name)
    if name == "diabetes":
        y = (y > y.median()).long()
    sizes = [small] if large is None else [small, large]
    curve = learning_curve(x, y, sizes=sizes, num_splits=150, generator=seeded())
    z = curve.difference / curve.difference_standard_error
    assert z[0] > 2.5
    if large is not None:
        assert z[1] < -4
        assert (curve.naive_bayes > 1.05 * curve.logistic)[1]


def test_both_reach_the_same_error_where_naive_bayes_is_right():
    y = torch.arange(6000) % 2
    noise = torch.randn(6000, 20, generator=seeded(), dtype=torch.float64)
    curve = learning_curve(
        noise + 0.25 * y[:, None], y, sizes=[40, 3000], num_splits=40, generator=seeded()
    )
    bayes = torch.special.ndtr(torch.tensor(-(20**0.5) * 0.25 / 2)).item()
    assert curve.difference[0] > 4 * curve.difference_standard_error[0]
    assert curve.naive_bayes[1].item() == pytest.approx(bayes, abs=0.01)
    assert curve.logistic[1].item() == pytest.approx(bayes, abs=0.01)


def test_naive_bayes_keeps_its_lead_on_the_counterexample():
    x, y = (t.repeat(150, *[1] * (t.ndim - 1)) for t in counterexample())
    curve = learning_curve(
        x, y, sizes=[2400], num_splits=20, features="bernoulli", generator=seeded()
    )
    assert curve.naive_bayes.item() == pytest.approx(0.30, abs=0.01)
    assert curve.logistic.item() == pytest.approx(0.40, abs=0.01)


def test_orders_are_permutations_led_by_every_class():
    member = torch.nn.functional.one_hot(torch.tensor([0] * 50 + [1] * 3 + [2])).double()
    order = _random_orders(member, 30, seeded())
    assert torch.equal(order.sort(1).values, torch.arange(54).expand(30, 54))
    assert (member[order[:, :3]].sum(1) == 1).all()
    assert len(order[:, :3].unique()) > 10
    later = order[:, 3:].double().argsort(1)  # the rest is in random order
    assert later.double().std(0).min() > 0


def test_standard_errors_and_repeatability():
    x, y = load("iris")
    curve, again = (
        learning_curve(x, y, sizes=[6, 20], num_splits=30, generator=seeded(5)) for _ in range(2)
    )
    assert torch.equal(curve.logistic_errors, again.logistic_errors)
    errors = curve.naive_bayes_errors.numpy()
    np.testing.assert_allclose(
        curve.naive_bayes_standard_error, errors.std(1, ddof=1) / np.sqrt(30)
    )
    paired = (curve.logistic_errors - curve.naive_bayes_errors).numpy()
    np.testing.assert_allclose(
        curve.difference_standard_error, paired.std(1, ddof=1) / np.sqrt(30)
    )
    np.testing.assert_allclose(curve.difference, paired.mean(1))
    assert curve.sizes.tolist() == [6, 20]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sizes": [2]}, "sizes holds 2, expected 3 to 149"),
        ({"sizes": [150]}, "sizes holds 150"),
        ({"sizes": []}, "sizes is empty"),
        ({"features": "poisson"}, "features is 'poisson'"),
        ({"features": "bernoulli"}, "other values than 0 and 1"),
        ({"smoothing": 0.0}, "smoothing is 0"),
        ({"x": torch.full((150, 4), torch.nan)}, "is nan"),
        ({"y": torch.zeros(150)}, "class 1 has 0 examples"),
    ],
)
def test_bad_input_is_named(change, words):
    x, y = load("iris")
    arguments = {"x": x, "y": y, "sizes": [10], **change}
    x, y = arguments.pop("x"), arguments.pop("y")
    with pytest.raises(ValueError, match=words):
        learning_curve(x, y, **arguments)
