"""The uniform-to-normal network against quadrature over z."""

import pytest
import torch

from gencourse.graphical.uniform_gaussian import UniformGaussian


@pytest.mark.parametrize(("low", "high", "sd"), [(0.0, 1.0, 0.1), (-2.0, 3.0, 1.0), (1, 1.5, 4)])
def test_density_is_the_integral_over_z(low, high, sd):
    model = UniformGaussian(low, high, sd)
    x = torch.linspace(low - 5 * sd, high + 5 * sd, 41, dtype=torch.float64)
    z = torch.linspace(low, high, 20001, dtype=torch.float64)
    joint = torch.stack([model.log_joint(z[:, None], x_i.expand(len(z), 1)).exp() for x_i in x])
    torch.testing.assert_close(
        model.log_prob(x[:, None]).exp(), torch.trapezoid(joint, z), rtol=1e-6, atol=1e-12
    )


def test_density_integrates_to_one_and_is_not_normal():
    model = UniformGaussian(-2.0, 2.0, 0.3)
    grid = torch.linspace(-8, 8, 16001, dtype=torch.float64)
    p = model.log_prob(grid[:, None]).exp()
    variance, fourth = (torch.trapezoid(p * grid**k, grid).item() for k in (2, 4))
    assert torch.trapezoid(p, grid).item() == pytest.approx(1.0)
    assert variance == pytest.approx(4**2 / 12 + 0.3**2)
    # cumulants add: the normal part has none of order 4, the uniform part -width⁴/120
    assert fourth - 3 * variance**2 == pytest.approx(-(4**4) / 120)


def test_far_tails_are_finite_and_symmetric():
    model = UniformGaussian(-1.0, 2.0, 0.5)
    far = torch.tensor([[-60.0], [61.0]])
    log_p = model.log_prob(far)
    # beyond the edge by t, p falls as sd / t φ(t / sd) / width, up to a relative (sd / t)²
    t, sd, width = torch.tensor([59.0, 0.5, 3.0], dtype=torch.float64)
    normal = torch.distributions.Normal(0.0, sd).log_prob(t)
    asymptote = normal + (sd * sd / t).log() - width.log()
    torch.testing.assert_close(log_p, asymptote.expand(2), rtol=0, atol=1e-4)


def test_samples_follow_the_density():
    model = UniformGaussian(-2.0, 1.0, 0.5)
    n = 100_000
    drawn = model.sample(n, generator=torch.Generator().manual_seed(0))
    grid = torch.linspace(-8, 8, 16001, dtype=torch.float64)
    p = model.log_prob(grid[:, None]).exp()
    for edge in (-2.0, 0.0, 1.2):
        below = torch.trapezoid(p[grid <= edge], grid[grid <= edge]).item()
        share = (drawn <= edge).double().mean().item()
        assert abs(share - below) < 5 * (below * (1 - below) / n) ** 0.5
    given = model.sample(n, condition=0.5, generator=torch.Generator().manual_seed(0))
    assert given.mean().item() == pytest.approx(0.5, abs=0.01)
    assert given.std().item() == pytest.approx(0.5, abs=0.01)


def test_shapes_and_state_dict():
    model, other = UniformGaussian(0, 1, 1), UniformGaussian(-5, 5, 2)
    x = torch.tensor([[0.3]])
    assert model.log_prob(x).shape == (1,)
    assert model.sample(3).shape == (3, *model.event_shape)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.log_prob(x), model.log_prob(x))
    assert model.num_parameters() == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((1, 1, 1), "high is 1"), ((0, 1, 0), "sd is 0"), ((0, 1, float("nan")), "sd is nan")],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        UniformGaussian(*arguments)
