"""The games against their values and optimal discriminators in closed form, on discrete x."""

import math

import pytest
import torch
from torch import nn

from gencourse.losses import (
    AdversarialLoss,
    f_gan_loss,
    gradient_penalty,
    least_squares_loss,
    minimax_loss,
    non_saturating_loss,
    require_logits,
    wasserstein_loss,
)
from gencourse.nets import MLP

DIVERGENCES = ("kl", "reverse_kl", "pearson", "squared_hellinger", "jensen_shannon")
GAMES = {
    "minimax": minimax_loss,
    "non-saturating": non_saturating_loss,
    "least squares": least_squares_loss,
    "Wasserstein": wasserstein_loss,
    **{name: f_gan_loss(name) for name in DIVERGENCES},
}

# x in {0, 1, 2}: as many rows as its probability in eighths
P = torch.tensor([2.0, 1.0, 5.0], dtype=torch.float64) / 8
Q = torch.tensor([4.0, 3.0, 1.0], dtype=torch.float64) / 8
REAL, FAKE = (torch.arange(3).repeat_interleave((8 * t).long()) for t in (P, Q))
M = (P + Q) / 2
JSD = float((P * (P / M).log() + Q * (Q / M).log()).sum() / 2)


def kl(p, q):
    return float((p * (p / q).log()).sum())


def best_outputs(loss: AdversarialLoss):
    """The discriminator's output for each x, and its loss, after minimising over all tables."""
    table = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([table], max_iter=500, line_search_fn="strong_wolfe",
                                  tolerance_grad=1e-12, tolerance_change=1e-16)  # fmt: skip

    def closure():
        optimizer.zero_grad()
        value = loss.discriminator(table[REAL], table[FAKE])
        value.backward()
        return value

    optimizer.step(closure)
    return table.detach(), float(loss.discriminator(table[REAL], table[FAKE]).detach())


def slope(function, logit):
    v = torch.tensor(logit, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(function(v), v)
    return float(found)


class TestGames:
    @pytest.mark.parametrize("loss", [minimax_loss, non_saturating_loss])
    def test_best_discriminator_and_value(self, loss):
        logits, value = best_outputs(loss)
        torch.testing.assert_close(logits.sigmoid(), P / (P + Q), rtol=0, atol=1e-6)
        assert value == pytest.approx(math.log(4) - 2 * JSD, abs=1e-9)

    def test_the_generators_side_of_minimax_is_the_same_value(self):
        logits, value = best_outputs(minimax_loss)
        data_term = float(-(P * logits.sigmoid().log()).sum())
        assert float(minimax_loss.generator(logits[FAKE])) == pytest.approx(data_term - value)

    def test_gradients_at_a_bad_sample(self):
        logit = math.log(0.01 / 0.99)
        assert slope(minimax_loss.generator, logit) == pytest.approx(-0.01)
        assert slope(non_saturating_loss.generator, logit) == pytest.approx(-0.99)

    def test_least_squares(self):
        outputs, value = best_outputs(least_squares_loss)
        torch.testing.assert_close(outputs, P / (P + Q), rtol=0, atol=1e-6)
        assert value == pytest.approx(float((P * Q / (P + Q)).sum()) / 2, abs=1e-9)
        assert slope(least_squares_loss.generator, -3.0) == pytest.approx(-4)

    def test_wasserstein(self):
        real, fake = torch.tensor([1.0, 4.0]), torch.tensor([-1.0, 0.5, 2.0])
        assert float(wasserstein_loss.discriminator(real, fake)) == pytest.approx(0.5 - 2.5)
        assert float(wasserstein_loss.generator(fake)) == pytest.approx(-0.5)

    @pytest.mark.parametrize(
        "name, expected",
        [
            ("kl", kl(P, Q)),
            ("reverse_kl", kl(Q, P)),
            ("pearson", float(((P - Q).square() / Q).sum())),
            ("squared_hellinger", float((P.sqrt() - Q.sqrt()).square().sum())),
            ("jensen_shannon", 2 * JSD),
        ],
    )
    def test_f_gan_reaches_its_divergence(self, name, expected):
        loss = f_gan_loss(name)
        _, value = best_outputs(loss)
        assert -value == pytest.approx(expected, abs=1e-9)
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):  # and any other discriminator stays below
            table = torch.randn(3, generator=generator, dtype=torch.float64)
            assert -loss.discriminator(table[REAL], table[FAKE]) <= expected

    @pytest.mark.parametrize("name", GAMES)
    def test_a_step_of_each_side_goes_the_right_way(self, name):
        """The discriminator raises real and lowers fake logits, the generator raises its own."""
        loss, v = GAMES[name], 0.3
        assert slope(loss.on_real, v) < 0 < slope(loss.on_fake, v)
        assert slope(loss.generator, v) < 0

    @pytest.mark.parametrize("name", GAMES)
    def test_shapes_and_sizes(self, name):
        loss, patches = GAMES[name], torch.randn(4, 1, 3, 3, generator=torch.Generator())
        assert loss.discriminator(patches, patches[:2]).shape == ()
        assert loss.generator(patches).shape == ()
        mean = loss.generator(patches.flatten())
        torch.testing.assert_close(loss.generator(patches), mean)
        with pytest.raises(ValueError, match=r"logits have shape \(0, 2\)"):
            loss.discriminator(patches, torch.zeros(0, 2))

    def test_logits_far_out_stay_finite(self):
        far = torch.tensor([-300.0, 300.0])
        for loss in (minimax_loss, non_saturating_loss, f_gan_loss("jensen_shannon")):
            assert loss.discriminator(far, far).isfinite() and loss.generator(far).isfinite()

    def test_an_unknown_divergence(self):
        with pytest.raises(ValueError, match="divergence is 'jsd', expected one of"):
            f_gan_loss("jsd")


def penalty_by_definition(critic, x):
    """One row at a time, through the Jacobian."""
    norms = []
    for row in x:
        jacobian = torch.autograd.functional.jacobian(
            lambda r: critic(r[None]).sum(), row, create_graph=True
        )
        norms.append(jacobian.flatten().square().sum().sqrt())
    return (torch.stack(norms) - 1).square().mean()


class TestGradientPenalty:
    def setup_method(self):
        torch.manual_seed(0)
        self.critic = MLP(6, 1, hidden=(8,), activation="Tanh").double()
        self.real, self.fake = torch.randn(2, 5, 6, dtype=torch.float64)

    def seeded(self):
        return torch.Generator().manual_seed(1)

    def test_against_the_definition(self):
        place = torch.rand(5, 1, generator=self.seeded(), dtype=torch.float64)
        x = place * self.real + (1 - place) * self.fake
        expected = penalty_by_definition(self.critic, x)
        found = gradient_penalty(self.critic, self.real, self.fake, generator=self.seeded())
        assert found.shape == ()
        torch.testing.assert_close(found, expected)
        parameters = list(self.critic.parameters())[:3]  # a last bias has no influence on a slope
        for a, b in zip(
            torch.autograd.grad(found, parameters),
            torch.autograd.grad(expected, parameters),
            strict=True,
        ):
            torch.testing.assert_close(a, b)

    def test_a_linear_critic(self):
        w = torch.tensor([3.0, 4.0])
        found = gradient_penalty(lambda x: x @ w, torch.randn(7, 2), torch.randn(7, 2))
        assert float(found) == pytest.approx(16)  # (5 - 1)^2

    def test_the_points_lie_between_one_real_and_one_fake(self):
        seen = []

        def critic(x):
            seen.append(x.detach())
            return x.flatten(1).sum(1)

        real, fake = torch.ones(200, 1, 2, 2), torch.zeros(200, 1, 2, 2)
        gradient_penalty(critic, real, fake)
        (x,) = seen
        assert torch.equal(x, x[:, :1, :1, :1].expand_as(x)), "one place a row"
        assert x.min() < 0.05 and x.max() > 0.95 and x.unique().numel() > 150

    def test_no_gradient_reaches_the_generator(self):
        weight = torch.ones(6, dtype=torch.float64, requires_grad=True)
        found = gradient_penalty(self.critic, self.real, self.fake * weight)
        found.backward()
        assert weight.grad is None
        assert all(p.grad is not None for p in list(self.critic.parameters())[:3])

    def test_without_gradients_around_it_is_the_same_number(self):
        a = gradient_penalty(self.critic, self.real, self.fake, generator=self.seeded())
        with torch.no_grad():
            b = gradient_penalty(self.critic, self.real, self.fake, generator=self.seeded())
        assert float(a.detach()) == float(b)

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"real has shape \(5, 6\) and fake \(4, 6\)"):
            gradient_penalty(self.critic, self.real, self.fake[:4])
        with pytest.raises(ValueError, match="at least 1 row"):
            gradient_penalty(self.critic, self.real[:0], self.fake[:0])


def test_probabilities_are_refused_by_the_last_layer():
    trunk = MLP(2, 1, hidden=(3,), activation="Sigmoid")
    require_logits(trunk)  # a sigmoid inside is no harm
    with pytest.raises(ValueError, match="last layer of Sequential is Sigmoid, expected logits"):
        require_logits(nn.Sequential(trunk, nn.Sigmoid()))
    with pytest.raises(ValueError, match="is Tanh"):
        require_logits(nn.Sequential(trunk, nn.Tanh(), nn.Flatten(0)))
    require_logits(nn.Identity())
