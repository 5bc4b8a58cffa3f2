"""Log-densities against torch.distributions, at ordinary and at extreme parameters."""

import math

import pytest
import torch
from torch.distributions import (
    Bernoulli,
    Categorical,
    MultivariateNormal,
    Normal,
    Uniform,
    kl_divergence,
)

from gencourse.densities import (
    kl_discrete,
    kl_gaussian,
    log_bernoulli,
    log_categorical,
    log_mixture,
    log_multivariate_normal,
    log_normal,
    log_uniform,
    sample_bernoulli,
    sample_categorical,
)


@pytest.fixture(params=[1, 7], ids=["one row", "seven rows"])
def rows(request):
    return request.param


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_log_bernoulli_agrees_with_torch(rows):
    logits = 3 * draw(rows, 2, 5)
    x = (draw(rows, 2, 5, seed=1) > 0).double()
    expected = Bernoulli(logits=logits).log_prob(x).sum((1, 2))
    torch.testing.assert_close(log_bernoulli(x, logits), expected)
    torch.testing.assert_close(log_bernoulli(x.bool(), logits), expected)


def test_log_categorical_agrees_with_torch(rows):
    logits = draw(rows, 3, 4)
    x = Categorical(logits=logits).sample()
    expected = Categorical(logits=logits).log_prob(x).sum(1)
    torch.testing.assert_close(log_categorical(x, logits), expected)
    shared = log_categorical(x, logits[:1])
    torch.testing.assert_close(shared, Categorical(logits=logits[:1]).log_prob(x).sum(1))


def test_log_normal_agrees_with_torch(rows):
    x, mean, sd = draw(rows, 6), draw(rows, 6, seed=1), draw(6, seed=2).exp()
    torch.testing.assert_close(log_normal(x, mean, sd), Normal(mean, sd).log_prob(x).sum(1))
    torch.testing.assert_close(log_normal(x, 0.5, 2.0), Normal(0.5, 2.0).log_prob(x).sum(1))


def test_second_argument_of_the_normal_is_a_standard_deviation():
    at_mean = log_normal(torch.zeros(1, 1), 0.0, 4.0)
    assert at_mean.item() == pytest.approx(-math.log(4 * math.sqrt(2 * math.pi)))


def test_log_multivariate_normal_agrees_with_torch(rows):
    x, mean = draw(rows, 3), draw(2, 3, seed=1)
    scale_tril = torch.tril(draw(2, 3, 3, seed=2)) + 3 * torch.eye(3, dtype=torch.float64)
    expected = MultivariateNormal(mean, scale_tril=scale_tril).log_prob(x[:, None])
    torch.testing.assert_close(log_multivariate_normal(x, mean, scale_tril), expected)
    single = log_multivariate_normal(x, mean[1], scale_tril[1])
    torch.testing.assert_close(single, expected[:, 1])


def test_log_uniform_agrees_with_torch_inside_and_is_minus_infinity_outside():
    x = torch.tensor([[0.5, 1.0], [0.5, 3.5]], dtype=torch.float64)
    low, high = torch.tensor([-1.0, 3.0], dtype=torch.float64)
    inside = Uniform(low, high).log_prob(x[:1]).sum(1)
    assert log_uniform(x, -1.0, 3.0).tolist() == [inside.item(), -math.inf]


def test_log_mixture_is_the_logarithm_of_the_weighted_sum():
    log_components, weights = draw(5, 3), torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    expected = (log_components.exp() * weights).sum(-1).log()
    torch.testing.assert_close(log_mixture(log_components, weights.log() + 7.0), expected)


def test_event_dims_keeps_other_axes_apart():
    x, logits = (draw(4, 1, 5) > 0).double(), draw(3, 5, seed=1)
    kept = log_bernoulli(x, logits, event_dims=1)
    assert kept.shape == (4, 3)
    torch.testing.assert_close(kept[:, 2], log_bernoulli(x[:, 0], logits[2]))
    assert log_normal(x, 0.0, 1.0, event_dims=0).shape == x.shape
    assert log_bernoulli(torch.ones(4), torch.zeros(4)).shape == (4,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_are_exact_and_have_finite_gradients(dtype):
    logits = torch.tensor([[1000.0], [-1000.0], [40.0], [-40.0]], dtype=dtype, requires_grad=True)
    right = log_bernoulli(torch.tensor([[1], [0], [1], [0]]), logits)
    wrong = log_bernoulli(torch.tensor([[0], [1], [0], [1]]), logits)
    tail = math.log1p(math.exp(-40.0))  # about 4e-18: 1 - it rounds to 1, its logarithm must not
    expected = torch.tensor([0.0, 0.0, -tail, -tail], dtype=dtype)
    torch.testing.assert_close(right, expected, rtol=1e-5, atol=0.0)
    assert wrong.tolist() == [-1000.0, -1000.0, -40.0, -40.0]
    (right.sum() + wrong.sum()).backward()
    assert logits.grad.isfinite().all()

    categorical = torch.tensor([[1e4, -1e4, 0.0]], dtype=dtype)
    assert log_categorical(torch.tensor([1]), categorical).item() == -2e4
    assert log_categorical(torch.tensor([0]), categorical).item() == 0.0


def test_infinite_logits_are_certain_and_never_nan():
    logits = torch.tensor([[math.inf], [-math.inf], [math.inf], [-math.inf]], requires_grad=True)
    log_p = log_bernoulli(torch.tensor([[1], [0], [0], [1]]), logits)
    assert log_p.tolist() == [0.0, 0.0, -math.inf, -math.inf]
    log_p[:2].sum().backward()
    assert logits.grad[:2].tolist() == [[0.0], [0.0]]


def test_log_bernoulli_of_a_value_between_is_the_cross_entropy():
    x, logits = draw(5, 3).sigmoid(), draw(5, 3, seed=1)
    expected = -torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
    torch.testing.assert_close(log_bernoulli(x, logits), expected.sum(1))


def test_impossible_category_is_minus_infinity_and_never_nan():
    logits = torch.tensor([[0.0, -math.inf]])
    assert log_categorical(torch.tensor([1]), logits).item() == -math.inf
    assert log_categorical(torch.tensor([0]), logits).item() == 0.0


def test_densities_work_under_vmap():
    logits, x = draw(6, 3), torch.tensor([0, 2, 1, 1, 0, 2])
    each = torch.func.vmap(lambda i, z: log_categorical(i[None], z[None])[0])(x, logits)
    torch.testing.assert_close(each, log_categorical(x, logits))


def test_samplers_draw_with_the_right_frequencies_and_repeat_with_a_seed():
    logits = torch.tensor([0.0, 1.0, -2.0, 0.5])
    n = 200_000
    drawn = sample_categorical(logits.expand(n, 4), generator=torch.Generator().manual_seed(3))
    again = sample_categorical(logits.expand(n, 4), generator=torch.Generator().manual_seed(3))
    p = logits.softmax(0)
    frequency = torch.bincount(drawn, minlength=4) / n
    assert torch.equal(drawn, again)
    assert ((frequency - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()

    bits = sample_bernoulli(logits.expand(n, 4), generator=torch.Generator().manual_seed(4))
    p = logits.sigmoid()
    assert set(bits.unique().tolist()) == {0.0, 1.0}
    assert ((bits.mean(0) - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


class TestKL:
    def test_of_normals_agrees_with_torch(self, rows):
        mean, sd = draw(rows, 3), draw(rows, 3, seed=1).exp()
        other_mean, other_sd = draw(3, seed=2), draw(rows, 3, seed=3).exp()
        each = kl_divergence(Normal(mean, sd), Normal(other_mean, other_sd))
        found = kl_gaussian(mean, sd, other_mean, other_sd)
        torch.testing.assert_close(found, each.sum(1))
        kept = kl_gaussian(mean, sd, other_mean, other_sd, event_dims=0)
        torch.testing.assert_close(kept, each)
        standard = kl_divergence(Normal(mean, sd), Normal(0.0, 1.0)).sum(1)
        torch.testing.assert_close(kl_gaussian(mean, sd), standard)

    def test_of_normals_agrees_with_quadrature(self):
        one = torch.ones(1, 1, dtype=torch.float64)
        z = torch.linspace(-30, 30, 200_001, dtype=torch.float64)[:, None]
        log_q, log_p = log_normal(z, 1.0, 2.0), log_normal(z, 0.5, 0.8)
        expected = (log_q.exp() * (log_q - log_p)).sum() * 60 / 200_000
        found = kl_gaussian(one, 2 * one, 0.5, 0.8)
        assert found.item() == pytest.approx(expected.item(), rel=1e-9)

    def test_of_normals_has_the_numbers_of_the_course(self):
        one = torch.ones(1, 1, dtype=torch.float64)
        assert kl_gaussian(one, 2 * one).item() == pytest.approx(1.3069, abs=5e-5)
        reverse = kl_gaussian(0 * one, one, one, 2 * one)
        assert reverse.item() == pytest.approx(0.4431, abs=5e-5)
        assert kl_gaussian(one, 2 * one, one, 2 * one).item() == 0

    def test_of_categories_agrees_with_torch(self, rows):
        q, p = draw(rows, 2, 4), draw(rows, 2, 4, seed=1)
        each = kl_divergence(Categorical(logits=q), Categorical(logits=p))
        torch.testing.assert_close(kl_discrete(q, p), each.sum(1))
        torch.testing.assert_close(kl_discrete(q, p, event_dims=0), each)
        torch.testing.assert_close(kl_discrete(q, p[0, 0]), kl_discrete(q, p[:1, :1]))

    def test_of_categories_has_the_numbers_of_the_course(self):
        q, p = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64)
        assert (q * (q / p).log()).tolist() == pytest.approx([1.9775, -0.2197], abs=5e-5)
        found = kl_discrete(q.log()[None], p.log()[None])
        assert found.item() == pytest.approx(1.9775 - 0.2197, abs=1e-4)

    def test_a_category_that_q_excludes_counts_0_and_has_a_gradient(self):
        q = torch.tensor([[0.5, 0.5, 0.0]]).log().requires_grad_()
        for p in ([0.2, 0.3, 0.5], [0.2, 0.8, 0.0]):
            found = kl_discrete(q, torch.tensor([p]).log())
            expected = 0.5 * math.log(0.5 / p[0]) + 0.5 * math.log(0.5 / p[1])
            assert found.item() == pytest.approx(expected, rel=1e-5)
            assert torch.autograd.grad(found, q)[0].isfinite().all()
        assert kl_discrete(q, torch.tensor([[1.0, 0.0, 0.0]]).log()).item() == math.inf

    @pytest.mark.parametrize(
        "shapes",
        [
            {"mean": (3,), "sd": (3, 1)},
            {"mean": (3, 2), "sd": (3,)},
            {"mean": (3, 2), "sd": (3, 2), "other_mean": (3, 1)},
            {"mean": (3, 2), "sd": (3, 2), "other_sd": (4, 2)},
        ],
    )
    def test_mismatched_shapes(self, shapes):
        tensors = {name: torch.ones(shape) for name, shape in shapes.items()}
        with pytest.raises(ValueError, match=r"has shape .*expected that of the others"):
            kl_gaussian(**tensors)

    def test_mismatched_categories(self):
        with pytest.raises(ValueError, match="has shape"):
            kl_discrete(torch.zeros(3, 4), torch.zeros(3, 5))
        with pytest.raises(ValueError, match="categories"):
            kl_discrete(torch.zeros(3, 4), torch.zeros(1, 1))
        with pytest.raises(ValueError, match="has shape"):
            kl_discrete(torch.zeros(3, 2, 4), torch.zeros(2, 2, 4))

    def test_under_vmap(self):
        mean, sd = draw(6, 3), draw(6, 3, seed=1).exp()
        each = torch.func.vmap(lambda m, s: kl_gaussian(m[None], s[None])[0])(mean, sd)
        torch.testing.assert_close(each, kl_gaussian(mean, sd))
