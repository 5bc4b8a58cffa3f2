"""Bernoulli naive Bayes: the deck's numbers, enumeration, scikit-learn."""

from itertools import product

import pytest
import torch
from sklearn.naive_bayes import BernoulliNB

from gencourse.graphical.naive_bayes import NaiveBayes


def data(rows=60, features=4, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (rows,), generator=generator)
    y[:classes] = torch.arange(classes)
    p = torch.rand(classes, features, generator=generator, dtype=torch.float64)
    return torch.bernoulli(p[y], generator=generator), y


def given(prior, probability):
    """Return a model with these tables instead of counted ones."""
    probability = torch.tensor(probability, dtype=torch.float64)
    model = NaiveBayes(probability.shape[1], len(prior))
    model.prior.copy_(torch.tensor(prior, dtype=torch.float64))
    model.probability.copy_(probability)
    return model


def states(n):
    return torch.tensor(list(product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def test_smoothing_counts_imaginary_examples():
    x = torch.tensor([[1.0], [1], [1], [0], [0]])
    y = torch.tensor([1, 1, 1, 1, 0])
    model = NaiveBayes(1, smoothing=1.0).fit(x, y)
    assert round(model.probability[1, 0].item(), 4) == 0.6667  # 3 of 4: (3 + 1) / (4 + 2)
    assert model.probability[0, 0].item() == pytest.approx(1 / 3)  # 0 of 1
    assert model.prior.tolist() == pytest.approx([0.2, 0.8])  # not smoothed
    assert NaiveBayes(1, smoothing=0).fit(x, y).probability[1, 0].item() == 0.75


def test_a_doubled_word_is_counted_twice():
    once = given([0.5, 0.5], [[0.2], [0.8]])
    twice = given([0.5, 0.5], [[0.2, 0.2], [0.8, 0.8]])
    assert round(once.predict_proba([[1]])[0, 1].item(), 4) == 0.8
    assert round(twice.predict_proba([[1, 1]])[0, 1].item(), 4) == 0.9412


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool])
def test_agrees_with_scikit_learn(dtype):
    x, y = data()
    model = NaiveBayes(4, 3, smoothing=0.5).fit(x.to(dtype), y)
    oracle = BernoulliNB(alpha=0.5).fit(x, y)
    torch.testing.assert_close(
        model.predict_proba(x.to(dtype)), torch.from_numpy(oracle.predict_proba(x))
    )
    assert model.predict(x[:1]).tolist() == oracle.predict(x[:1]).tolist()


def test_log_joint_is_the_product_of_tables_and_log_prob_sums_to_one():
    model = given([0.3, 0.7], [[0.1, 0.6, 0.9], [0.5, 0.2, 0.3]])
    x = states(3)
    for row, log_joint in zip(x, model.log_joint(x), strict=True):
        for k in range(2):
            p = model.prior[k]
            for i in range(3):
                q = model.probability[k, i]
                p = p * (q if row[i] else 1 - q)
            assert log_joint[k].exp().item() == pytest.approx(p.item())
    assert model.log_prob(x).exp().sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("hidden", [(0,), (1, 3), (0, 1, 2, 3)])
def test_unobserved_features_are_summed_out(hidden):
    x, y = data(features=4)
    model = NaiveBayes(4, 3).fit(x, y)
    row = x[:1]
    joint = torch.zeros(3, dtype=torch.float64)
    for values in product((0.0, 1.0), repeat=len(hidden)):
        full = row.clone()
        full[0, list(hidden)] = torch.tensor(values, dtype=torch.float64)
        joint += model.log_joint(full)[0].exp()
    with_nan, mask = row.clone(), torch.ones(4, dtype=torch.bool)
    with_nan[0, list(hidden)] = torch.nan
    mask[list(hidden)] = False
    for result in (model.predict_proba(with_nan), model.predict_proba(row, mask)):
        torch.testing.assert_close(result[0], joint / joint.sum())
    if len(hidden) == 4:
        torch.testing.assert_close(model.predict_proba(with_nan)[0], model.prior)


def test_is_a_bayesian_network_in_which_features_may_be_unobserved():
    x, y = data()
    model = NaiveBayes(4, 3).fit(x, y)
    net = model.to_bayes_net()
    assert net.num_parameters() == model.num_parameters()
    posterior = net.query(["y"], {"x1": x[:, 1].long(), "x3": x[:, 3].long()}).values
    mask = torch.tensor([False, True, False, True])
    torch.testing.assert_close(model.predict_proba(x, mask), posterior)
    assert set(model.graph.edges) == set(net.graph.edges)


def test_bernoulli_naive_bayes_is_linear():
    x, y = data(classes=2)
    model = NaiveBayes(4).fit(x, y)
    b, w = model.log_odds_weights()
    p = model.predict_proba(states(4))
    torch.testing.assert_close(b + states(4) @ w, (p[:, 1] / p[:, 0]).log())


def test_samples_follow_the_model():
    model = given([0.3, 0.7], [[0.1, 0.6], [0.5, 0.2]])
    n = 200_000
    drawn = model.sample(n, generator=torch.Generator().manual_seed(1))
    p = model.log_prob(states(2)).exp()
    frequency = torch.bincount((drawn @ torch.tensor([2.0, 1.0]).double()).long(), minlength=4) / n
    assert ((frequency - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()
    one_class = model.sample(n, condition=0, generator=torch.Generator().manual_seed(1))
    assert one_class.mean(0).tolist() == pytest.approx([0.1, 0.6], abs=0.01)


def test_state_dict_round_trip():
    x, y = data()
    model, other = NaiveBayes(4, 3).fit(x, y), NaiveBayes(4, 3)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.log_prob(x), model.log_prob(x))
    assert model.event_shape == (4,)
    assert model.num_parameters() == 2 + 12


def test_zero_counts_without_smoothing_are_impossible_not_nan():
    x = torch.tensor([[1.0, 0], [1, 1], [0, 0], [0, 1]])
    model = NaiveBayes(2, smoothing=0).fit(x, torch.tensor([1, 1, 0, 0]))
    assert model.predict_proba(x)[:, 1].tolist() == [1, 1, 0, 0]
    never = given([0.5, 0.5], [[0.0], [0.0]])
    with pytest.raises(ValueError, match=r"x\[0\] has probability 0"):
        never.predict_proba([[1]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x, y: m.fit(x + 0.5, y), r"x\[0, 0\] is .*expected 0 or 1"),
        (lambda m, x, y: m.fit(x.where(x > 0, torch.nan), y), "is nan, expected 0 or 1"),
        (lambda m, x, y: m.fit(x[:, :2], y), r"x has shape \(60, 2\), expected \(B, 4\)"),
        (lambda m, x, y: m.fit(x, y[:5]), r"y has shape \(5,\), expected \(60,\)"),
        (lambda m, x, y: m.fit(x, y + 1), "is 3, expected an integer in 0..2"),
        (lambda m, x, y: m.fit(x[:0], y[:0]), "empty"),
        (lambda m, x, y: m.predict_proba(x, torch.ones(3)), r"observed has shape \(3,\)"),
        (lambda m, x, y: m.sample(2, condition=3), "condition is 3"),
        (lambda m, x, y: m.log_odds_weights(), "num_classes is 3"),
        (lambda m, x, y: NaiveBayes(4, smoothing=-1), "smoothing is -1"),
        (lambda m, x, y: NaiveBayes(4, 3, smoothing=0).fit(x, y.clamp(max=1)), "class 2 has 0"),
    ],
)
def test_bad_input_is_named(call, words):
    x, y = data()
    with pytest.raises(ValueError, match=words):
        call(NaiveBayes(4, 3), x, y)
