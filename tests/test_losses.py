"""The games against their values and optimal discriminators in closed form, on discrete x."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gencourse.losses import (
    AdversarialLoss,
    contrastive_loss,
    f_gan_loss,
    gradient_penalty,
    info_nce,
    least_squares_loss,
    mil_nce,
    minimax_loss,
    non_saturating_loss,
    nt_xent,
    require_logits,
    triplet_loss,
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


def embeddings(rows, seed=0, d=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, d, generator=generator, dtype=torch.float64)


class TestInfoNCE:
    def test_by_hand(self):
        # scores (2, 1) with the positive first, at temperature 1/2 (4, 2)
        q, k = torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, 0.0]])
        n = torch.tensor([[0.5, 0.5]])
        found = info_nce(q, k, negatives=n, temperature=0.5, normalise=False)
        assert float(found) == pytest.approx(math.log(1 + math.exp(-2)))

    @pytest.mark.parametrize("normalise", [True, False])
    def test_by_a_loop_over_queries(self, normalise):
        q, k, tau = embeddings(4, 0), embeddings(4, 1), 0.3
        a, b = (
            (q, k) if not normalise else (q / q.norm(dim=1)[:, None], k / k.norm(dim=1)[:, None])
        )
        total = 0.0
        for i in range(4):
            scores = [math.exp(float(a[i] @ b[j]) / tau) for j in range(4)]
            total -= math.log(scores[i] / sum(scores))
        found = info_nce(q, k, temperature=tau, normalise=normalise)
        assert float(found) == pytest.approx(total / 4)

    def test_negatives_of_all_and_of_each(self):
        q, k, n = embeddings(4, 0), embeddings(4, 1), embeddings(7, 2)
        shared = info_nce(q, k, negatives=n)
        own = info_nce(q, k, negatives=n.expand(4, 7, 5))
        torch.testing.assert_close(shared, own)
        others = torch.stack([k[[j for j in range(4) if j != i]] for i in range(4)])
        torch.testing.assert_close(info_nce(q, k, negatives=others), info_nce(q, k))

    def test_it_is_a_bound_on_a_known_mutual_information(self):
        """Correlated normals and the best critic: the bound holds, and nearly reaches I."""
        rho, n, batches = 0.9, 64, 200
        information = -math.log(1 - rho**2) / 2
        generator = torch.Generator().manual_seed(0)
        bounds = []
        for _ in range(batches):
            x, e = torch.randn(2, n, generator=generator, dtype=torch.float64)
            y = rho * x + math.sqrt(1 - rho**2) * e
            # log p(y | x) - log p(y) as an inner product, up to a constant
            c = 1 / (1 - rho**2)
            q = torch.stack([rho * c * x, -(rho**2) * c / 2 * x.square(), torch.ones(n)], 1)
            k = torch.stack([y, torch.ones(n), -(rho**2) * c / 2 * y.square()], 1)
            loss = float(info_nce(q, k, temperature=1.0, normalise=False))
            bounds.append(math.log(n) - loss)
        mean, error = sum(bounds) / batches, torch.tensor(bounds).std() / math.sqrt(batches)
        assert mean <= information + 3 * error
        assert mean > information - 0.05
        assert max(bounds) <= math.log(n)

    def test_it_never_says_more_than_log_candidates(self):
        """Independent of the data: the loss of any embeddings is at least 0."""
        perfect = torch.eye(8, dtype=torch.float64)
        assert 0 <= float(info_nce(perfect, perfect, temperature=0.01)) < 1e-9

    def test_a_softmax_too_many_has_a_floor(self):
        for n, floor in ((1, 0.3133), (255, 4.552)):
            best = torch.zeros(1, n + 1)
            best[0, 0] = 1  # what a softmax gives at best
            target = torch.zeros(1, dtype=torch.long)
            assert float(F.cross_entropy(best, target)) == pytest.approx(floor, abs=1e-3)

    @pytest.mark.parametrize("loss", [info_nce, nt_xent])
    def test_bad_input(self, loss):
        with pytest.raises(ValueError, match="batch has 1 row, expected at least 2"):
            loss(embeddings(1), embeddings(1))
        with pytest.raises(ValueError, match=r"\(4, 5\).*\(3, 5\)"):
            loss(embeddings(4), embeddings(3))
        with pytest.raises(ValueError, match="temperature is 0, expected more than 0"):
            loss(embeddings(4), embeddings(4), temperature=0)

    def test_bad_negatives(self):
        for bad in (torch.zeros(7, 4), torch.zeros(3, 7, 5), torch.zeros(0, 5), torch.zeros(5)):
            with pytest.raises(ValueError, match="negatives have shape"):
                info_nce(embeddings(4), embeddings(4), negatives=bad.double())
        assert float(info_nce(embeddings(1), embeddings(1), negatives=embeddings(2, 1))) > 0


class TestNTXent:
    def test_by_a_loop_over_views(self):
        a, b, tau = embeddings(3, 0), embeddings(3, 1), 0.5
        z = torch.cat([a, b])
        z = z / z.norm(dim=1)[:, None]
        total = 0.0
        for i in range(6):
            scores = {j: math.exp(float(z[i] @ z[j]) / tau) for j in range(6) if j != i}
            total -= math.log(scores[(i + 3) % 6] / sum(scores.values()))
        assert float(nt_xent(a, b, temperature=tau)) == pytest.approx(total / 6)

    def test_a_collapse(self):
        same = torch.ones(128, 4)
        assert float(nt_xent(same, same)) == pytest.approx(math.log(255), abs=1e-5)
        assert math.log(255) == pytest.approx(5.5413, abs=1e-4)

    def test_a_gradient_reaches_both_views(self):
        a, b = (embeddings(4, seed).requires_grad_() for seed in (0, 1))
        assert torch.autograd.gradcheck(nt_xent, (a, b))


class TestTripletAndContrastive:
    def test_triplet_and_its_gradient(self):
        a, p, n = (embeddings(6, seed).requires_grad_() for seed in range(3))
        loss = triplet_loss(a, p, n, margin=1.0)
        violation = (a - p).square().sum(1) - (a - n).square().sum(1) + 1.0
        active = (violation > 0).double()[:, None] / 6
        assert 0 < float(active.sum()) < 1, "some triplets are within the margin, some are not"
        torch.testing.assert_close(loss, violation.clamp(min=0).mean())
        gradients = torch.autograd.grad(loss, (a, p, n))
        expected = (2 * (n - p) * active, 2 * (p - a) * active, 2 * (a - n) * active)
        for found, want in zip(gradients, expected, strict=True):
            torch.testing.assert_close(found, want)

    def test_contrastive_by_hand(self):
        a = torch.tensor([[3.0, 4.0], [3.0, 4.0], [0.3, 0.4], [1.0, 1.0]])
        b = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
        same = torch.tensor([True, False, False, False])
        # a pair at distance 5; strangers at 5, 0.5 and 0
        expected = (25 / 2 + 0 + 0.25 / 2 + 1 / 2) / 4
        assert float(contrastive_loss(a, b, same)) == pytest.approx(expected)

    def test_contrastive_gradient_is_finite_where_strangers_coincide(self):
        a = torch.zeros(2, 3, requires_grad=True)
        contrastive_loss(a, torch.zeros(2, 3), torch.tensor([True, False])).backward()
        assert a.grad.isfinite().all()

    def test_contrastive_gradient(self):
        a, b = (embeddings(6, seed).requires_grad_() for seed in (0, 1))
        same = torch.tensor([True, False] * 3)
        assert torch.autograd.gradcheck(
            lambda a, b: contrastive_loss(a, b, same, margin=4.0), (a, b)
        )

    def test_bad_input(self):
        a = embeddings(3)
        with pytest.raises(ValueError, match="margin is -1, expected at least 0"):
            triplet_loss(a, a, a, margin=-1)
        with pytest.raises(ValueError, match=r"same has shape \(3,\) of torch.int64"):
            contrastive_loss(a, a, torch.ones(3).long())
        with pytest.raises(ValueError, match="expected the same"):
            triplet_loss(a, a, a[:2])
        with pytest.raises(ValueError, match="at least 1 row"):
            triplet_loss(a[:0], a[:0], a[:0])


class TestMILNCE:
    def test_by_hand(self):
        scores = torch.tensor([[0.0, 4.0]], dtype=torch.float64)
        found = float(mil_nce(scores, torch.zeros(1, 1, dtype=torch.float64)))
        assert found == pytest.approx(math.log(1 + 1 / (1 + math.exp(4))))
        assert found == pytest.approx(0.0178, abs=1e-4)
        of_each = [math.log(1 + math.exp(-s)) for s in (0, 4)]
        assert sum(of_each) / 2 == pytest.approx(0.3556, abs=1e-4), "the mean of logs is another"

    def test_one_candidate_is_info_nce(self):
        q, k, n = embeddings(4, 0), embeddings(4, 1), embeddings(7, 2)
        found = mil_nce((q * k).sum(1, keepdim=True), q @ n.T)
        expected = info_nce(q, k, negatives=n, temperature=1.0, normalise=False)
        torch.testing.assert_close(found, expected)

    def test_an_empty_place_changes_nothing(self):
        p, n = embeddings(3, 0), embeddings(3, 1)
        wider = torch.cat([p, torch.full((3, 2), -torch.inf, dtype=p.dtype)], 1).requires_grad_()
        found = mil_nce(wider, n)
        torch.testing.assert_close(found, mil_nce(p, n))
        found.backward()
        assert wider.grad.isfinite().all()

    def test_bad_input(self):
        p = embeddings(3)
        with pytest.raises(ValueError, match="expected \\(B, P\\) and \\(B, M\\)"):
            mil_nce(p, p[:2])
        with pytest.raises(ValueError, match="expected"):
            mil_nce(p[:, :0], p)
        p[1] = -torch.inf
        with pytest.raises(ValueError, match="query 1 has no candidate"):
            mil_nce(p, embeddings(3, 1))
