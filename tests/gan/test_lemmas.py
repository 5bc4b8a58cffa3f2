"""Both lemmas to 1e-6, and that they fail where they should."""

import math

import pytest
import torch

from gencourse.gan import lemma_1, lemma_2
from gencourse.losses import minimax_loss, non_saturating_loss

GENERATOR = torch.Generator().manual_seed(0)
K, J = 5, 3


def logits(*shape):
    return torch.randn(*shape, generator=GENERATOR, dtype=torch.float64)


THETA, OTHER, DATA, REAL = logits(K), logits(K), logits(K).softmax(0), logits(K).sigmoid()
DECODER, ENCODER, PRIOR = logits(J, K), logits(K, J), logits(J).softmax(0)


def close(a, b):
    return torch.allclose(a, b, rtol=0, atol=1e-6)


class TestLemma1:
    def test_the_identity(self):
        found = lemma_1(THETA, DATA, REAL)
        assert close(found.loss, found.kl - found.jsd)
        assert found.loss.abs().max() > 0.01 and found.jsd.abs().max() > 0.01
        assert not close(found.loss, found.kl) and not close(found.loss, found.kl + found.jsd)

    def test_only_at_theta_0(self):
        found = lemma_1(THETA, DATA, REAL, frozen=OTHER)
        assert not close(found.loss, found.kl - found.jsd)

    def test_the_left_side_is_the_non_saturating_loss(self):
        """Half its gradient, because p(y) = 1/2; at the best discriminator, too."""
        theta = THETA.clone().requires_grad_()
        for real in (REAL, DATA / (DATA + THETA.softmax(0))):
            terms = non_saturating_loss.for_generator(real.logit())
            (expected,) = torch.autograd.grad((theta.softmax(0) * terms).sum() / 2, theta)
            assert close(lemma_1(THETA, DATA, real).loss, expected)
            terms = minimax_loss.for_generator(real.logit())
            (saturating,) = torch.autograd.grad((theta.softmax(0) * terms).sum() / 2, theta)
            assert not close(saturating, expected)

    def test_the_jsd_by_finite_differences(self):
        def jsd(theta):
            p = theta.softmax(0)
            m = (p + DATA) / 2
            return float((p * (p / m).log() + DATA * (DATA / m).log()).sum() / 2)

        found, step = lemma_1(THETA, DATA, REAL).jsd, 1e-5
        for i, direction in enumerate(torch.eye(K, dtype=torch.float64)):
            change = jsd(THETA + step * direction) - jsd(THETA - step * direction)
            assert float(found[i]) == pytest.approx(change / (2 * step), abs=1e-8)


class TestLemma2:
    def gradients(self, **options):
        theta, eta = (t.clone().requires_grad_() for t in (DECODER, ENCODER))
        found = lemma_2(theta, eta, DATA, PRIOR, **options)
        return found, [torch.autograd.grad(f, (theta, eta), retain_graph=True) for f in found]

    def test_the_identity_of_gradients(self):
        _, (elbo, joint, posterior) = self.gradients()
        for i in range(2):
            assert elbo[i].abs().max() > 0.01
            assert close(elbo[i], joint[i]) and close(elbo[i], posterior[i])

    def test_the_last_form_holds_only_at_theta_0(self):
        _, (elbo, joint, posterior) = self.gradients(frozen=logits(J, K))
        assert close(elbo[0], joint[0]) and not close(elbo[0], posterior[0])

    def test_the_values_differ(self):
        """The deck's equality signs hold up to a constant, and for the gradient only."""
        found, _ = self.gradients()
        p_g = PRIOR @ DECODER.softmax(1)
        constant = float((p_g * DATA.log()).sum()) - 2 * math.log(2)
        assert (found.joint - found.elbo).item() == pytest.approx(constant)
        m = (p_g + DATA) / 2
        entropy = -2 * float((m * m.log()).sum())
        assert (found.posterior - found.joint).item() == pytest.approx(entropy)

    def test_the_elbo_is_below_and_touches_at_the_posterior(self):
        joint = PRIOR * DECODER.softmax(1).T  # (K, J)
        evidence = float((DATA * joint.sum(1).log()).sum())
        assert float(lemma_2(DECODER, ENCODER, DATA, PRIOR).elbo) < evidence
        assert float(lemma_2(DECODER, joint.log(), DATA, PRIOR).elbo) == pytest.approx(evidence)


def test_bad_input():
    with pytest.raises(ValueError, match=r"probabilities sum to 0\.9"):
        lemma_1(THETA, DATA * 0.9, REAL)
    with pytest.raises(ValueError, match=r"expected \(5,\) in \(0, 1\)"):
        lemma_1(THETA, DATA, REAL.logit())
    with pytest.raises(ValueError, match=r"expected \(5,\) in"):
        lemma_1(THETA, DATA[:3], REAL)
    with pytest.raises(ValueError, match=r"eta has shape \(3, 5\), expected \(5, 3\)"):
        lemma_2(DECODER, ENCODER.T, DATA, PRIOR)
