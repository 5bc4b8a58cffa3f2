"""Latent walks and search against closed forms, and on a generator that was trained on shapes."""

import math

import pytest
import torch
from torch import nn

from gencourse.data import super_resolution
from gencourse.gan import (
    DCGANGenerator,
    analogy,
    attribute_direction,
    interpolate,
    latent_search,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


class TestInterpolation:
    @pytest.mark.parametrize("spherical", [False, True])
    def test_ends(self, spherical):
        start, end = normal(2, 5, 7)
        walk = interpolate(start, end, 9, spherical=spherical)
        assert walk.shape == (9, 5, 7)
        torch.testing.assert_close(walk[[0, -1]], torch.stack([start, end]))
        one = interpolate(start[0], end[0], 9, spherical=spherical)
        torch.testing.assert_close(one, walk[:, 0])

    def test_straight_steps_are_equal(self):
        walk = interpolate(*normal(2, 4, 3), 6)
        torch.testing.assert_close(walk.diff(dim=0), walk.diff(dim=0)[:1].expand(5, 4, 3))

    def test_a_quarter_of_a_circle(self):
        walk = interpolate(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), 4, spherical=True)
        angle = torch.tensor([0, 30, 60, 90]) * math.pi / 180
        torch.testing.assert_close(walk, 2 * torch.stack([angle.cos(), angle.sin()], 1))

    def test_only_the_sphere_keeps_the_norm(self):
        start, end = normal(2, 200, 256)
        norms = {
            spherical: float(interpolate(start, end, 3, spherical=spherical)[1].norm(dim=1).mean())
            for spherical in (False, True)
        }
        assert norms[True] == pytest.approx(16, rel=0.01)
        assert norms[False] == pytest.approx(16 / math.sqrt(2), rel=0.01)

    def test_norms_go_from_one_to_the_other(self):
        walk = interpolate(normal(8), 3 * normal(8, seed=1), 5, spherical=True)
        steps = walk.norm(dim=1).diff()
        torch.testing.assert_close(steps, steps[:1].expand(4))

    @pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
    def test_on_one_line_through_zero(self, factor):
        z = normal(6)
        walk = interpolate(z, factor * z, 5, spherical=True)
        torch.testing.assert_close(walk, interpolate(z, factor * z, 5))

    def test_bad_input(self):
        with pytest.raises(ValueError, match="num_steps is 1"):
            interpolate(normal(3), normal(3), 1)
        with pytest.raises(ValueError, match=r"start \(3,\) and end \(4,\)"):
            interpolate(normal(3), normal(4), 2)


class TestArithmetic:
    def test_the_direction_of_an_attribute(self):
        z = normal(4000, 5)
        has = z[:, 2] > 0
        direction = attribute_direction(z, has)
        expected = torch.zeros(5, dtype=torch.float64)
        expected[2] = 2 * math.sqrt(2 / math.pi)  # 2 E|z|
        torch.testing.assert_close(direction, expected, rtol=0, atol=0.12)
        torch.testing.assert_close(attribute_direction(z, ~has), -direction)

    def test_analogy(self):
        a, b, c = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.ones(1, 2), torch.eye(2)
        torch.testing.assert_close(analogy(a, b, c), torch.tensor([1.5, 2.5]))

    def test_bad_input(self):
        z = normal(4, 2)
        with pytest.raises(ValueError, match="has is True for all 4 latents"):
            attribute_direction(z, torch.ones(4, dtype=torch.bool))
        with pytest.raises(ValueError, match=r"and has \(4,\) of torch.int64"):
            attribute_direction(z, torch.tensor([0, 1, 0, 1]))
        with pytest.raises(ValueError, match=r"latents of shapes \[\(4, 2\), .*\(0, 2\)\]"):
            analogy(z, z, z[:0])


class TestSearch:
    @pytest.mark.parametrize("prior", [0.0, 0.5])
    def test_a_linear_generator_has_a_closed_form(self, prior):
        W, A, y = normal(3, 20) / 4, normal(20, 12, seed=1) / 4, normal(5, 12, seed=2)
        M = W @ A  # z M explains y
        eye = torch.eye(3, dtype=torch.float64)
        expected = torch.linalg.solve(M @ M.T + prior * eye, (y @ M.T).T).T
        found = latent_search(
            lambda z: z @ W, y, lambda x: x @ A, num_latents=3, prior=prior, num_restarts=2,
            steps=500, lr=0.1, generator=seeded(),
        )  # fmt: skip
        torch.testing.assert_close(found.z, expected, rtol=0, atol=1e-4)
        torch.testing.assert_close(found.x, found.z @ W)
        torch.testing.assert_close(found.residual, (found.x @ A - y).square().sum(1))
        objective = found.residual + prior * found.z.square().sum(1)
        torch.testing.assert_close(found.objective.min(0).values, objective)

    def test_restarts_leave_the_wrong_valley(self):
        """z³ - 3z is 2.5 only at z = 2.05; most starts end on a hill at z = -1, where it is 2."""

        def generate(z):
            return z**3 - 3 * z

        y = torch.full((50, 1), 2.5)
        options = {"num_latents": 1, "steps": 200, "lr": 0.02, "generator": seeded()}
        alone, many = (
            latent_search(generate, y, lambda x: x, num_restarts=r, **options) for r in (1, 64)
        )
        assert many.objective.shape == (64, 50)
        assert (many.residual < 1e-3).all() and (alone.residual > 0.2).sum() >= 10

    def test_rows_do_not_mix(self):
        """A search for one image ends where the search for it beside others does."""
        network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 5)).double().eval()
        y = normal(3, 5)
        options = {"num_latents": 2, "num_restarts": 1, "steps": 40}
        alone = latent_search(network, y[:1], lambda x: x, generator=seeded(), **options)
        beside = latent_search(network, y, lambda x: x, generator=seeded(), **options)
        # one restart: the first row starts from the same draw in both
        torch.testing.assert_close(beside.z[:1], alone.z)

    def test_the_generator_stays_as_it_is(self):
        generator = DCGANGenerator((1, 8, 8), num_latents=3, width=2).eval()
        before = {key: value.clone() for key, value in generator.state_dict().items()}
        with torch.no_grad():  # also where gradients are off
            found = latent_search(
                generator, torch.rand(2, 1, 8, 8), lambda x: x, num_latents=3, steps=3,
                num_restarts=2, generator=seeded(),
            )  # fmt: skip
        assert found.z.shape == (2, 3) and found.x.shape == (2, 1, 8, 8)
        assert not found.x.requires_grad and not found.z.requires_grad
        for key, value in generator.state_dict().items():
            assert torch.equal(value, before[key])
        assert all(p.grad is None and p.requires_grad for p in generator.parameters())

    def test_a_picture_of_the_generator_is_found_again(self):
        """From 1/16 of its pixels' worth of measurements, by an untrained but real network."""
        torch.manual_seed(0)
        generator = DCGANGenerator((1, 16, 16), num_latents=2, width=8, batch_norm=False)
        with torch.no_grad():
            for parameter in generator.parameters():
                parameter.mul_(8)
            truth = generator.eval()(torch.randn(3, 2, generator=seeded()))
        task = super_resolution(truth, factor=4)
        found = latent_search(
            generator, task.y, task.A, num_latents=2, steps=150, lr=0.1, generator=seeded()
        )
        assert (found.residual < 1e-5).all()
        assert truth.std() > 0.02 and (found.x - truth).abs().max() < 0.01

    def test_bad_input(self):
        y = normal(2, 4)
        options = {"num_latents": 4, "steps": 1}
        with pytest.raises(ValueError, match="generate is in training mode"):
            latent_search(nn.Linear(4, 4).double(), y, lambda x: x, **options)
        with pytest.raises(ValueError, match=r"y has shape \(2, 4\), expected \(2, 3\) as A G"):
            latent_search(lambda z: z, y, lambda x: x[..., :3], **options)
        with pytest.raises(ValueError, match="'num_restarts': 0"):
            latent_search(lambda z: z, y, lambda x: x, num_restarts=0, **options)
        with pytest.raises(ValueError, match=r"prior -1\.0"):
            latent_search(lambda z: z, y, lambda x: x, prior=-1.0, **options)
