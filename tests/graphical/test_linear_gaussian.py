"""Linear-Gaussian networks against closed forms, quadrature, torch.distributions and moments."""

import math

import numpy as np
import pytest
import torch

from gencourse.graphical.linear_gaussian import LinearGaussian, LinearGaussianNet, five_gaussians

SDS = (0.5, 1.5, 2.0, 0.7, 1.2)


@pytest.fixture
def net():
    return five_gaussians(1.0, -2.0, sds=SDS)


@pytest.fixture
def weighted():
    """Weights, intercepts and an insertion order that is not topological."""
    return LinearGaussianNet(
        {
            "c": LinearGaussian(0.3, 0.8, {"a": 2.0, "b": -0.5}),
            "a": LinearGaussian(1.0, 0.5),
            "b": LinearGaussian(-1.0, 1.5, {"a": 0.7}),
        }
    )


def test_joint_of_the_lecture_in_closed_form(net):
    v1, v2, v3, v4, v5 = (s**2 for s in SDS)
    mean, covariance = net.joint()
    assert net.variables == ("x1", "x2", "x3", "x4", "x5")
    torch.testing.assert_close(mean, torch.tensor([1.0, 1.0, -2.0, -1.0, -2.0]).double())
    by_hand = [
        [v1, v1, 0, v1, 0],
        [v1, v1 + v2, 0, v1 + v2, 0],
        [0, 0, v3, v3, v3],
        [v1, v1 + v2, v3, v1 + v2 + v3 + v4, v3],
        [0, 0, v3, v3, v3 + v5],
    ]
    torch.testing.assert_close(covariance, torch.tensor(by_hand).double())


def test_log_prob_is_that_of_the_joint_gaussian(net, weighted):
    for model in (net, weighted):
        mean, covariance = model.joint()
        x = torch.randn(7, len(mean), dtype=torch.float64, generator=torch.manual_seed(0))
        expected = torch.distributions.MultivariateNormal(mean, covariance).log_prob(x)
        torch.testing.assert_close(model.log_prob(x), expected)


def test_second_argument_is_a_standard_deviation():
    net = LinearGaussianNet({"x": LinearGaussian(1.0, 2.0)})
    value = net.log_prob(torch.tensor([[4.0]]))
    assert value.item() == pytest.approx(-math.log(2.0 * math.sqrt(2 * math.pi)) - 9 / 8)
    assert net.marginals()["x"].sd.item() == pytest.approx(2.0)


def test_conditioning_agrees_with_quadrature(weighted):
    grid = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    a_given = torch.stack([grid, torch.full_like(grid, 0.4), torch.full_like(grid, 2.5)], dim=1)
    assert weighted.variables == ("a", "b", "c")
    density = weighted.log_prob(a_given).exp()
    step = grid[1] - grid[0]
    total = density.sum() * step
    mean = (grid * density).sum() * step / total
    sd = ((grid - mean).square() * density).sum().mul(step / total).sqrt()
    evidence = {"c": 2.5, "b": 0.4}
    marginal = weighted.marginals(evidence)["a"]
    torch.testing.assert_close(marginal.mean, mean)
    torch.testing.assert_close(marginal.sd, sd)
    torch.testing.assert_close(weighted.log_partition(evidence), total.log())


def test_query_is_in_the_order_asked_and_batched(net):
    values = torch.tensor([0.0, 3.0, -1.0], dtype=torch.float64)
    mean, covariance = net.query(["x3", "x1"], {"x4": values, "x5": 0.5})
    assert mean.shape == (3, 2) and covariance.shape == (2, 2)
    precision = net.joint().covariance.inverse()
    hidden = [0, 1, 2]  # conditional covariance is the inverse of the precision's block
    expected = precision[hidden][:, hidden].inverse()[[2, 0]][:, [2, 0]]
    torch.testing.assert_close(covariance, expected)
    for row, value in enumerate(values):
        alone = net.query(["x3", "x1"], {"x4": float(value), "x5": 0.5})
        torch.testing.assert_close(mean[row], alone.mean)
    assert net.log_partition({"x4": values}).shape == (3,)
    assert net.log_partition().item() == 0.0


def test_explaining_away(net):
    """x1 and x3 are independent, and dependent once their common descendant x4 is seen."""
    assert net.query(["x1", "x3"]).covariance[0, 1].item() == 0.0
    assert net.query(["x1", "x3"], {"x4": 0.0}).covariance[0, 1].item() < -0.05


def test_ancestral_samples_have_the_joint_moments(net):
    mean, covariance = net.joint()
    x = net.sample(40_000, generator=torch.manual_seed(1))
    assert x.shape == (40_000, 5)
    torch.testing.assert_close(x.mean(0), mean, atol=0.06, rtol=0)
    torch.testing.assert_close(x.T.cov(), covariance, atol=0.25, rtol=0.03)
    again = net.sample(40_000, generator=torch.manual_seed(1))
    assert torch.equal(x, again)


def test_posterior_samples_have_the_posterior_moments(net):
    evidence = {"x4": 3.0, "x5": -1.0}
    x = net.sample(40_000, condition=evidence, generator=torch.manual_seed(2))
    assert (x[:, 3] == 3.0).all() and (x[:, 4] == -1.0).all()
    mean, covariance = net.query(["x1", "x2", "x3"], evidence)
    torch.testing.assert_close(x[:, :3].mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(x[:, :3].T.cov(), covariance, atol=0.04, rtol=0)
    values = torch.tensor([0.0, 5.0], dtype=torch.float64)
    assert torch.equal(net.sample(2, condition={"x4": values})[:, 3], values)


def test_marginals_of_observed_variables_and_map(net):
    marginals = net.marginals({"x1": torch.tensor([1.0, 2.0])})
    assert list(marginals) == list(net.variables)
    assert marginals["x1"].mean.tolist() == [1.0, 2.0] and marginals["x1"].sd == 0
    assert marginals["x2"].mean.tolist() == pytest.approx([1.0, 2.0])
    assert net.map({"x3": 0.25})["x5"].item() == pytest.approx(0.25)


def test_weights_are_learnt_by_gradient(weighted):
    x = weighted.sample(3_000, generator=torch.manual_seed(3))
    weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)

    def model():
        parents = {"a": weight[0], "b": weight[1]}
        return LinearGaussianNet(
            {"a": LinearGaussian(1.0, 0.5), "b": LinearGaussian(-1.0, 1.5, {"a": 0.7})}
            | {"c": LinearGaussian(0.3, 0.8, parents)}
        )

    optimizer = torch.optim.LBFGS([weight], max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = -model().log_prob(x).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    a, b, c = x.T.numpy()
    least_squares = np.linalg.lstsq(np.stack([a, b], 1), c - 0.3, rcond=None)[0]
    np.testing.assert_allclose(weight.detach().numpy(), least_squares, rtol=1e-4)
    model().query(["a"], {"c": 1.0}).mean.sum().backward()  # exact conditioning differentiates too


def test_counts_graph_and_dtype(net):
    assert net.num_parameters() == 5 + 5 + 4
    assert net.event_shape == (5,)
    assert net.parents("x4") == ("x2", "x3") and net.cpd("x4").sd == SDS[3]
    single = LinearGaussianNet({"x": LinearGaussian(torch.tensor(0.0), torch.tensor(1.0))})
    assert single.sample(2).dtype == torch.float32


@pytest.mark.parametrize(
    ("cpds", "words"),
    [
        ({}, "empty"),
        ({"x": LinearGaussian(0.0, 0.0)}, r"'x'.*sd is 0\.0"),
        ({"x": LinearGaussian(float("nan"), 1.0)}, r"'x'.*intercept is nan"),
        ({"x": LinearGaussian(0.0, 1.0, {"y": 1.0})}, r"'x'.*unknown parent 'y'"),
        (
            {"x": LinearGaussian(0, 1, {"y": 1}), "y": LinearGaussian(0, 1, {"x": 1})},
            "cycle .*x.*y|cycle .*y.*x",
        ),
    ],
)
def test_bad_networks_are_refused(cpds, words):
    with pytest.raises(ValueError, match=words):
        LinearGaussianNet(cpds)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net: net.marginals({"x9": 1.0}), "unknown variable 'x9'"),
        (lambda net: net.marginals({"x1": float("nan")}), "'x1' is nan"),
        (lambda net: net.marginals({"x1": torch.zeros(2), "x2": torch.zeros(3)}), "'x1'.*shape"),
        (lambda net: net.query(["x1", "x1"]), "twice"),
        (lambda net: net.query(["x1"], {"x1": 0.0}), "'x1' is both"),
        (lambda net: net.log_prob(torch.zeros(2, 4)), r"shape \(2, 4\)"),
        (lambda net: net.log_prob(torch.full((1, 5), torch.nan)), "NaN"),
        (lambda net: net.sample(3, condition={"x1": torch.zeros(2)}), "2 rows"),
        (lambda net: five_gaussians(sds=(1.0,)), "1 entries"),
    ],
)
def test_bad_requests_are_refused(net, call, words):
    with pytest.raises(ValueError, match=words):
        call(net)
