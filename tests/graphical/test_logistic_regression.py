"""Logistic regression: scikit-learn, stationarity by autograd, and what separable data do."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression as Oracle

from gencourse.graphical.learning_curves import counterexample
from gencourse.graphical.logistic_regression import LogisticRegression, negative_log_likelihood
from gencourse.graphical.naive_bayes import NaiveBayes


def data(classes=2, rows=120, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 3, generator=generator, dtype=torch.float64)
    weight = torch.tensor([[0.0, 0, 0], [1.5, -0.5, 0.2], [-1.0, 0.8, 0.4]]).double()[:classes]
    p = (x @ weight.T).softmax(-1)
    return x, torch.multinomial(p, 1, generator=generator)[:, 0]


@pytest.mark.parametrize("l2", [0.0, 0.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_two_classes_agree_with_scikit_learn(l2, dtype):
    x, y = data()
    x = x.to(dtype)
    oracle = Oracle(C=1 / l2 if l2 else np.inf, tol=1e-10, max_iter=10_000).fit(x.double(), y)
    model = LogisticRegression(3, l2=l2).fit(x, y)
    np.testing.assert_allclose(model.weight.detach(), oracle.coef_, rtol=1e-5)
    np.testing.assert_allclose(model.bias.detach(), oracle.intercept_, rtol=1e-5)
    np.testing.assert_allclose(
        model.predict_proba(x).detach(), oracle.predict_proba(x.double()), rtol=1e-5
    )


def test_three_classes_agree_with_scikit_learn_for_any_reference():
    x, y = data(classes=3)
    oracle = Oracle(C=np.inf, tol=1e-10, max_iter=10_000).fit(x, y).predict_proba(x)
    for reference in (None, 0, 1, 2):
        model = LogisticRegression(3, 3, reference=reference).fit(x, y)
        np.testing.assert_allclose(model.predict_proba(x).detach(), oracle, rtol=1e-6)
        assert model.reference == (2 if reference is None else reference)
        assert (model.logits(x)[:, model.reference] == 0).all()
    assert model.num_parameters() == 2 * 4
    assert model.predict(x[:1]).item() == oracle[0].argmax()


def test_last_class_is_the_reference_as_in_the_deck():
    x, y = data(classes=3)
    model = LogisticRegression(3, 3).fit(x, y)
    z = x @ model.weight.T + model.bias
    denominator = 1 + z.exp().sum(1)
    expected = torch.cat([z.exp(), torch.ones(len(x), 1)], 1) / denominator[:, None]
    torch.testing.assert_close(model.predict_proba(x), expected)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_gradient_of_the_penalised_loss_is_zero_at_the_fit(classes, l2):
    x, y = data(classes)
    model = LogisticRegression(3, classes, l2=l2).fit(x, y)
    loss = len(x) * negative_log_likelihood(model, (x, y)) + l2 / 2 * model.weight.square().sum()
    loss.backward()
    assert model.weight.grad.abs().max() < 1e-6
    assert model.bias.grad.abs().max() < 1e-6  # the bias is not penalised


def test_log_prob_is_that_of_the_label():
    x, y = data(classes=3)
    model = LogisticRegression(3, 3).fit(x, y)
    expected = model.predict_proba(x)[torch.arange(len(x)), y].log()
    torch.testing.assert_close(model.log_prob(y, x), expected)


@pytest.mark.parametrize("reference", [0, 1])
def test_slope_is_p_times_one_minus_p_times_the_weight(reference):
    x, y = data()
    model = LogisticRegression(3, reference=reference).fit(x, y)
    point = x[:4].clone().requires_grad_()
    model.predict_proba(point)[:, 1].sum().backward()
    torch.testing.assert_close(model.slope(x[:4]), point.grad)


def test_contours_of_equal_probability_are_straight_lines():
    x, y = data()
    model = LogisticRegression(3).fit(x, y)
    along = torch.linalg.svd(model.weight.detach()).Vh[1:]  # directions orthogonal to the weight
    moved = x[:1] + torch.tensor([[5.0, -2.0], [0.3, 40.0]]).double() @ along
    p = model.predict_proba(torch.cat([x[:1], moved]))[:, 1]
    torch.testing.assert_close(p, p[:1].expand(3))


def test_of_two_identical_features_only_the_sum_is_identified():
    x, y = data()
    single = LogisticRegression(3).fit(x, y)
    doubled = torch.cat([x, x[:, :1]], 1)
    both = LogisticRegression(4).fit(doubled, y)
    weight = both.weight.detach()[0]
    assert (weight[0] + weight[3]).item() == pytest.approx(single.weight[0, 0].item(), rel=1e-7)
    likelihood = both.log_prob(y, doubled).sum().item()
    with torch.no_grad():  # any other division predicts the same, all on one feature included
        both.weight += torch.tensor([[weight[3], 0.0, 0.0, -weight[3]]])
    assert both.weight[0, 3].item() == 0
    assert both.log_prob(y, doubled).sum().item() == pytest.approx(likelihood, rel=1e-12)


def test_a_penalty_splits_the_weight_of_identical_features_evenly():
    x, y = data()
    weight = LogisticRegression(4, l2=0.3).fit(torch.cat([x, x[:, :1]], 1), y).weight[0]
    assert weight[0].item() == pytest.approx(weight[3].item(), rel=1e-9)
    assert abs(weight[0].item()) > 0.1


def test_doubled_evidence_is_not_counted_twice():
    """Naive Bayes doubles the log-odds of a doubled word; logistic regression does not."""
    x = torch.tensor([[1.0]] * 10 + [[0.0]] * 10)
    y = torch.tensor([1] * 8 + [0] * 2 + [1] * 2 + [0] * 8)
    doubled = x.expand(20, 2)
    naive = NaiveBayes(2, smoothing=0).fit(doubled, y).predict_proba(doubled[:1])
    logistic = LogisticRegression(2).fit(doubled, y).predict_proba(doubled[:1])
    assert round(naive[0, 1].item(), 4) == 0.9412
    assert logistic[0, 1].item() == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1]),  # completely
        ([[0.0], [0.0], [1.0], [1.0]], [0, 1, 1, 1]),  # all but a tie
        ([[0.0, 1], [1, 0], [2, 2], [3, 3]], [0, 1, 2, 2]),  # three classes
        ([[-1e-3], [1e-3]], [0, 1]),
    ],
)
def test_separable_classes_have_no_maximum_and_say_so(x, y):
    x, y = torch.tensor(x), torch.tensor(y)
    classes = int(y.max()) + 1
    with pytest.raises(ValueError, match=r"x separates the classes .* l2 > 0"):
        LogisticRegression(x.shape[1], classes).fit(x, y)
    held = LogisticRegression(x.shape[1], classes, l2=1e-6).fit(x, y)
    assert held.predict_proba(x).isfinite().all()


def test_nearly_separable_classes_are_fitted():
    """One row on the wrong side is enough for a maximum, however steep."""
    x = torch.linspace(-1, 1, 400, dtype=torch.float64)[:, None]
    y = (x[:, 0] > 0).long()
    y[198] = 1
    y[199] = 0
    model = LogisticRegression(1).fit(x, y)
    negative_log_likelihood(model, (x, y)).backward()
    assert model.weight.item() > 100
    assert model.weight.grad.abs().item() < 1e-8


def test_an_overshooting_step_is_halved():
    """From zero, full Newton steps run away on these rows, although a maximum exists."""
    x = torch.tensor([[0, 0], [-9, 2], [1, 0], [87, 58], [1, -227], [0, 0], [0, 0]]).double()
    y = torch.tensor([0, 1, 1, 0, 0, 1, 1])
    model = LogisticRegression(2).fit(x, y)
    negative_log_likelihood(model, (x, y)).backward()
    assert model.weight.grad.abs().max() < 1e-10
    assert model.bias.item() == pytest.approx(1.19045, abs=1e-4)


def test_scale_of_the_features_does_not_matter():
    x, y = data()
    scale = torch.tensor([1e-4, 1.0, 1e5], dtype=torch.float64)
    plain, scaled = LogisticRegression(3).fit(x, y), LogisticRegression(3).fit(x * scale, y)
    torch.testing.assert_close(scaled.weight * scale, plain.weight, rtol=1e-6, atol=1e-9)


def test_naive_bayes_can_win_for_good():
    """Deck 003's inequality in the limit holds for log loss, not for the 0-1 error."""
    x, y = counterexample()
    naive, logistic = NaiveBayes(2, smoothing=0).fit(x, y), LogisticRegression(2).fit(x, y)
    assert (naive.predict(x) != y).double().mean().item() == pytest.approx(0.30)
    assert (logistic.predict(x) != y).double().mean().item() == pytest.approx(0.40)
    rows = torch.arange(len(y))
    log_loss_naive = -naive.predict_proba(x)[rows, y].log().mean()
    assert -logistic.log_prob(y, x).mean() < log_loss_naive


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y: LogisticRegression(3).fit(x.where(x > 0, torch.nan), y), "is nan"),
        (lambda x, y: LogisticRegression(3).predict_proba(x / 0), "expected a finite number"),
        (lambda x, y: LogisticRegression(3, 3).fit(x, y), "class 2 has 0 examples"),
        (lambda x, y: LogisticRegression(3).fit(x, y + 0.5), "expected an integer in 0..1"),
        (lambda x, y: LogisticRegression(3, l2=-1), "l2 is -1"),
        (lambda x, y: LogisticRegression(3, 3, reference=3), "reference is 3"),
        (lambda x, y: LogisticRegression(3, 3).slope(x), "num_classes is 3"),
        (lambda x, y: LogisticRegression(3).fit(x, y, max_iterations=2), "max_iterations is 2"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(*data())
