"""Gaussian naive Bayes: scikit-learn, quadrature, and the logistic weights by autograd."""

import pytest
import torch
from sklearn.naive_bayes import GaussianNB

from gencourse.graphical.gaussian_naive_bayes import GaussianNaiveBayes


def data(classes=2, rows=80, features=3):
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(classes, (rows,), generator=generator)
    y[: 2 * classes] = torch.arange(2 * classes) % classes
    noise = torch.randn(rows, features, generator=generator, dtype=torch.float64)
    return noise * torch.tensor([0.5, 1.0, 3.0]) + y[:, None] * torch.tensor([0.4, -1.0, 2.0]), y


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_scikit_learn(dtype):
    x, y = data(classes=3)
    x = x.to(dtype)
    oracle = GaussianNB(var_smoothing=0).fit(x.double(), y)
    model = GaussianNaiveBayes(3, 3).fit(x, y)
    torch.testing.assert_close(
        model.predict_proba(x), torch.from_numpy(oracle.predict_proba(x.double()))
    )
    torch.testing.assert_close(model.variance, torch.from_numpy(oracle.var_))


def test_shared_variance_is_the_pooled_one():
    x, y = data()
    model = GaussianNaiveBayes(3, shared_variance=True).fit(x, y)
    pooled = sum(((x[y == k] - x[y == k].mean(0)) ** 2).sum(0) for k in range(2)) / len(x)
    torch.testing.assert_close(model.variance, pooled.expand(2, 3))


def test_posterior_with_shared_variance_is_the_logistic_function_of_the_deck():
    x, y = data()
    model = GaussianNaiveBayes(3, shared_variance=True).fit(x, y)
    w0, w = model.logistic_weights()
    torch.testing.assert_close(1 / (1 + torch.exp(w0 + x @ w)), model.predict_proba(x)[:, 1])


def test_logistic_weights_are_the_derivatives_of_the_log_odds():
    x, y = data()
    model = GaussianNaiveBayes(3, shared_variance=True).fit(x, y)

    def log_odds_of_class_0(row):
        log_joint = model.log_joint(row[None])[0]
        return log_joint[0] - log_joint[1]

    w0, w = model.logistic_weights()
    zero = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(log_odds_of_class_0(zero), w0)
    for point in (zero, x[0]):  # the same everywhere: the log-odds are linear
        torch.testing.assert_close(torch.func.grad(log_odds_of_class_0)(point), w)


def test_separate_variances_give_no_linear_posterior():
    x, y = data()
    model = GaussianNaiveBayes(3).fit(x, y)
    slope = torch.func.grad(
        lambda r: model.log_joint(r[None])[0] @ torch.tensor([1.0, -1]).double()
    )
    assert (slope(x[0]) - slope(x[1])).abs().max() > 0.1
    with pytest.raises(ValueError, match="shared_variance is False"):
        model.logistic_weights()


def test_unobserved_feature_is_integrated_out():
    x, y = data()
    model = GaussianNaiveBayes(3).fit(x, y)
    grid = torch.linspace(-40, 40, 8001, dtype=torch.float64)
    full = x[:1].expand(len(grid), 3).clone()
    full[:, 2] = grid
    joint = torch.trapezoid(model.log_joint(full).exp(), grid, dim=0)
    missing = x[:1].clone()
    missing[0, 2] = torch.nan
    torch.testing.assert_close(model.predict_proba(missing)[0], joint / joint.sum())


def test_density_integrates_to_one_and_samples_have_its_moments():
    x, y = data()
    model = GaussianNaiveBayes(1).fit(x[:, :1], y)
    grid = torch.linspace(-20, 20, 40001, dtype=torch.float64)
    p = model.log_prob(grid[:, None]).exp()
    assert torch.trapezoid(p, grid).item() == pytest.approx(1.0)
    n = 100_000
    drawn = model.sample(n, generator=torch.Generator().manual_seed(0))
    mean = torch.trapezoid(p * grid, grid)
    sd = torch.trapezoid(p * (grid - mean) ** 2, grid).sqrt()
    assert abs(drawn.mean() - mean) < 5 * sd / n**0.5
    below = torch.trapezoid(p[grid <= mean], grid[grid <= mean])
    assert abs((drawn <= mean).double().mean() - below) < 5 * 0.5 / n**0.5 + 1e-3
    only = model.sample(n, condition=1, generator=torch.Generator().manual_seed(0))
    assert abs(only.mean() - model.mean[1, 0]) < 5 * sd / n**0.5


def test_constant_feature_keeps_a_positive_variance():
    x, y = data()
    x[:, 0] = 2.0
    model = GaussianNaiveBayes(3, min_variance=1e-4).fit(x, y)
    assert model.variance[:, 0].tolist() == [1e-4, 1e-4]
    assert model.predict_proba(x).isfinite().all()


def test_parameters_and_one_row():
    x, y = data()
    assert GaussianNaiveBayes(3).num_parameters() == 1 + 6 + 6
    assert GaussianNaiveBayes(3, shared_variance=True).num_parameters() == 1 + 6 + 3
    model = GaussianNaiveBayes(3).fit(x, y)
    assert model.predict_proba(x[:1]).shape == (1, 2)
    other = GaussianNaiveBayes(3)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.log_prob(x), model.log_prob(x))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y: GaussianNaiveBayes(3).fit(x.where(x > 0, torch.nan), y), "is nan"),
        (lambda x, y: GaussianNaiveBayes(3).fit(x, 0 * y), "class 1 has 0 examples"),
        (lambda x, y: GaussianNaiveBayes(2).fit(x, y), r"x has shape \(80, 3\)"),
        (lambda x, y: GaussianNaiveBayes(3, min_variance=0), "min_variance is 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(*data())
