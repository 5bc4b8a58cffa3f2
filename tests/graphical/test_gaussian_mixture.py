"""Gaussian mixtures: quadrature, scikit-learn's EM from the same start, and no collapse."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture as Oracle

from gencourse.graphical.gaussian_mixture import GaussianMixture


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def two_normals():
    return GaussianMixture.from_parameters([0.3, 0.7], [-1.0, 2.0], [0.5, 1.5])


def clouds(rows=300, features=2, seed=0):
    generator = seeded(seed)
    z = torch.randint(3, (rows,), generator=generator)
    centres = 6 * torch.eye(3, features, dtype=torch.float64)
    noise = torch.randn(rows, features, generator=generator, dtype=torch.float64)
    return centres[z] + noise @ (torch.eye(features) + 0.4).double()


def test_two_normals_integrate_to_one_and_have_the_weighted_density():
    model = two_normals()
    grid = torch.linspace(-15, 20, 20001, dtype=torch.float64)
    p = model.log_prob(grid[:, None]).exp()
    assert torch.trapezoid(p, grid).item() == pytest.approx(1.0)
    first = torch.distributions.Normal(torch.tensor(-1.0).double(), 0.5).log_prob(grid).exp()
    second = torch.distributions.Normal(torch.tensor(2.0).double(), 1.5).log_prob(grid).exp()
    torch.testing.assert_close(p, 0.3 * first + 0.7 * second)
    torch.testing.assert_close(model.posterior(grid[:, None])[:, 0], 0.3 * first / p)


def test_a_mixture_of_normals_is_not_normal():
    """x given z is normal; x has two modes, and a kurtosis that no normal has."""
    model = GaussianMixture.from_parameters([0.5, 0.5], [-3.0, 3.0], [1.0, 1.0])
    grid = torch.linspace(-12, 12, 24001, dtype=torch.float64)
    p = model.log_prob(grid[:, None]).exp()
    modes = ((p[1:-1] > p[:-2]) & (p[1:-1] > p[2:])).sum().item()
    moment = [torch.trapezoid(p * grid**k, grid).item() for k in (2, 4)]
    assert modes == 2
    assert moment[1] / moment[0] ** 2 == pytest.approx(1.38)  # 138 / 100, by hand; a normal has 3


@pytest.mark.parametrize("covariance", ["full", "diag"])
@pytest.mark.parametrize("features", [1, 3])
def test_em_ends_where_scikit_learn_ends_from_the_same_start(covariance, features):
    x = clouds(features=features)
    start = x[:3] + 0.1
    # the same start: equal weights, these means, the covariance of all rows
    everything = np.cov(x.numpy().T, bias=True).reshape(features, features)
    precision = np.linalg.inv(everything)
    if covariance == "diag":
        precision = 1 / np.diag(everything)
    oracle = Oracle(
        3,
        covariance_type=covariance,
        weights_init=np.full(3, 1 / 3),
        means_init=start.numpy(),
        precisions_init=np.stack([precision] * 3),
        reg_covar=0.0,
        tol=1e-12,
        max_iter=5000,
    ).fit(x)
    model = GaussianMixture(3, features, covariance=covariance)
    model.fit(x, initial_means=start, tolerance=1e-12, max_iterations=5000)
    np.testing.assert_allclose(model.means, oracle.means_, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(model.weights, oracle.weights_, rtol=1e-3)
    assert model.history[-1] / len(x) == pytest.approx(oracle.score(x), abs=1e-6)
    np.testing.assert_allclose(model.posterior(x), oracle.predict_proba(x), atol=1e-2)
    # and the density itself at scikit-learn's own parameters
    model.means.copy_(torch.from_numpy(oracle.means_))
    model.weights.copy_(torch.from_numpy(oracle.weights_))
    covariances = torch.from_numpy(oracle.covariances_)
    model.covariances.copy_(covariances if covariance == "full" else covariances.diag_embed())
    np.testing.assert_allclose(model.log_prob(x), oracle.score_samples(x), rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_no_step_lowers_the_likelihood(seed, covariance):
    x = clouds(60)
    model = GaussianMixture(4, 2, covariance=covariance, min_variance=0.5)
    model.fit(x, generator=seeded(seed))
    history = torch.tensor(model.history)
    assert len(history) > 3
    assert (history.diff() > -1e-9 * history[0].abs()).all()
    assert model.log_prob(x).sum().item() == pytest.approx(model.history[-1])
    assert torch.linalg.eigvalsh(model.covariances).min() >= 0.5 - 1e-12  # the bound was at work
    assert torch.linalg.eigvalsh(model.covariances).min() < 0.5 + 1e-9


def test_a_component_on_one_example_does_not_collapse():
    """Unbounded, the likelihood of such data is infinite."""
    x = torch.cat([torch.zeros(10, 1), torch.linspace(5, 9, 30)[:, None]]).double()
    model = GaussianMixture(2, min_variance=1e-4)
    model.fit(x, initial_means=torch.tensor([[0.0], [7.0]]))
    assert model.covariances[0].item() == pytest.approx(1e-4)
    assert model.log_prob(x).isfinite().all()
    full = GaussianMixture(3, 4).fit(clouds(4, features=4), generator=seeded())
    assert full.log_prob(clouds(4, features=4)).isfinite().all()


def test_recovers_the_parameters_of_its_own_samples():
    truth = two_normals()
    x = truth.sample(40_000, generator=seeded())
    model = GaussianMixture(2).fit(x, initial_means=torch.tensor([[-1.0], [1.0]]))
    torch.testing.assert_close(model.weights, truth.weights, atol=0.03, rtol=0)
    torch.testing.assert_close(model.means, truth.means, atol=0.06, rtol=0)
    torch.testing.assert_close(
        model.covariances.sqrt(), truth.covariances.sqrt(), atol=0.05, rtol=0
    )


def test_samples_follow_the_density():
    model = two_normals()
    n = 100_000
    drawn = model.sample(n, generator=seeded())[:, 0]
    grid = torch.linspace(-15, 20, 35001, dtype=torch.float64)
    p = model.log_prob(grid[:, None]).exp()
    for edge in (-1.5, -0.5, 1.0, 3.0):
        below = torch.trapezoid(p[grid <= edge], grid[grid <= edge]).item()
        share = (drawn <= edge).double().mean().item()
        assert abs(share - below) < 5 * (below * (1 - below) / n) ** 0.5
    one = model.sample(n, condition=1, generator=seeded())
    assert one.mean().item() == pytest.approx(2.0, abs=0.03)
    assert one.std().item() == pytest.approx(1.5, abs=0.03)


def test_samples_have_the_covariance():
    x = clouds()
    model = GaussianMixture(1, 2).fit(x, generator=seeded())
    drawn = model.sample(100_000, generator=seeded())
    torch.testing.assert_close(model.covariances[0], torch.cov(x.T, correction=0))
    torch.testing.assert_close(torch.cov(drawn.T), model.covariances[0], rtol=0.05, atol=0.05)


def test_seed_repeats_and_state_dict_round_trips():
    x = clouds()
    a, b = (GaussianMixture(3, 2).fit(x.float(), generator=seeded(7)) for _ in range(2))
    assert a.history == b.history
    other = GaussianMixture(3, 2)
    other.load_state_dict(a.state_dict())
    assert torch.equal(other.log_prob(x), a.log_prob(x))
    assert a.event_shape == (2,)
    assert a.log_prob(x[:1]).shape == (1,)


def test_number_of_parameters():
    assert GaussianMixture(2).num_parameters() == 5
    assert GaussianMixture(3, 2).num_parameters() == 2 + 6 + 9
    assert GaussianMixture(3, 2, covariance="diag").num_parameters() == 2 + 6 + 6


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x: m.fit(x[:2]), "x has 2 rows, expected at least 3"),
        (lambda m, x: m.fit(x[:, :1]), r"x has shape \(300, 1\), expected \(B, 2\)"),
        (lambda m, x: m.fit(x / 0), "expected a finite number"),
        (lambda m, x: m.fit(x, initial_means=x[:2]), r"initial_means has shape \(2, 2\)"),
        (lambda m, x: m.sample(3, condition=3), "condition is 3"),
        (lambda m, x: GaussianMixture(2, covariance="tied"), "covariance is 'tied'"),
        (lambda m, x: GaussianMixture(2, min_variance=0), "min_variance is 0"),
        (lambda m, x: GaussianMixture.from_parameters([0.5, 0.6], [0, 1], [1, 1]), "sums to 1"),
        (lambda m, x: GaussianMixture.from_parameters([0.5, 0.5], [0, 1], [1, 0]), "positive"),
        (lambda m, x: GaussianMixture.from_parameters([1.0], [0, 1], [1, 1]), "shapes"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(GaussianMixture(3, 2), clouds())
