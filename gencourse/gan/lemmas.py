"""GANs and VAEs in one form: two lemmas as gradients, both sides computed on a discrete x.

Hu, Yang, Salakhutdinov & Xing, "On unifying deep generative models" (ICLR 2018). A label y says
where x comes from: p(x | y = 1) is the data, p_θ(x | y = 0) the generator, p(y) = 1/2. With r
reversing the label, q^r(y | x) = q(1 - y | x). Each lemma holds for the gradient by θ at θ0, and
at θ0 only: part of the right side is frozen there.

Shapes: K values of x, J values of z. All logarithms are natural.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Lemma1(NamedTuple):
    """The gradients by θ, each (K,).

    Attributes:
        loss: of the generator's loss -E log q^r(y | x), the non-saturating one.
        kl: of E_y KL(p_θ(x | y) ‖ q^r(x | y)).
        jsd: of JSD(p_θ(x | 0) ‖ p(x | 1)). The lemma: loss = kl - jsd.
    """

    loss: Tensor
    kl: Tensor
    jsd: Tensor


def lemma_1(theta: Tensor, data: Tensor, real: Tensor, *, frozen: Tensor | None = None) -> Lemma1:
    """Return the gradients of Lemma 1 for a generator p_g = softmax(θ), as (K,) each.

    The minus is the point: following the loss means to lower the KL *and to raise* the JSD, so the
    GAN's generator descends neither.

    Args:
        theta: θ, where the gradients are taken, (K,).
        data: p(x | y = 1), positive, (K,).
        real: the discriminator's q(y = 1 | x), in (0, 1), (K,); any one.
        frozen: θ0, at which q^r(x | y) is built; the lemma needs θ itself, the default.

    Raises:
        ValueError: shapes that differ, or no probabilities.
    """
    _check(data, theta.shape, sums_to_1=True)
    _check(real, theta.shape, sums_to_1=False)
    theta = theta.detach().requires_grad_()
    p_g = theta.softmax(0)
    with torch.no_grad():
        p_x = ((theta if frozen is None else frozen).softmax(0) + data) / 2
        target_0 = _normalised(real * p_x)  # q^r(x | y = 0), for q^r(0 | x) = q(1 | x)
        target_1 = _normalised((1 - real) * p_x)
    loss = -(_mean(p_g, real.log()) + _mean(data, (1 - real).log())) / 2
    kl = (_kl(p_g, target_0) + _kl(data, target_1)) / 2
    m = (p_g + data) / 2
    jsd = (_kl(p_g, m) + _kl(data, m)) / 2
    return Lemma1(*(torch.autograd.grad(f, theta, retain_graph=True)[0] for f in (loss, kl, jsd)))


class Lemma2(NamedTuple):
    """Three objectives; their gradients by (θ, η) agree at θ0, their values do not.

    Attributes:
        elbo: E_data of the ELBO.
        joint: twice E_x [E_q log p_θ(x | z, y) - KL(q(z, y | x) ‖ p(z | y) p(y))].
        posterior: twice E_x [-KL(q(z, y | x) ‖ p_θ(z, y | x))].
    """

    elbo: Tensor
    joint: Tensor
    posterior: Tensor


def lemma_2(
    theta: Tensor, eta: Tensor, data: Tensor, prior: Tensor, *, frozen: Tensor | None = None
) -> Lemma2:
    """Return the objectives of Lemma 2 for p_θ(x | z) = softmax(θ_z), q_η(z | x) = softmax(η_x).

    The discriminator is perfect: it knows where each x was drawn, so that q^r(y | x) puts all on
    y = 0 for data and on y = 1 for samples of the frozen generator. For the latter q(z | x, 1) is
    the prior. Differentiate the results by θ and η.

    Args:
        theta: θ, logits of the decoder, (J, K).
        eta: η, logits of the encoder, (K, J).
        data: p(x | y = 1), positive, (K,).
        prior: p(z), positive, (J,).
        frozen: θ0, of the distribution over which x is averaged; by default θ, detached.

    Raises:
        ValueError: shapes that do not fit, or no probabilities.
    """
    num_z, num_x = theta.shape
    _check(data, torch.Size([num_x]), sums_to_1=True)
    _check(prior, torch.Size([num_z]), sums_to_1=True)
    if eta.shape != (num_x, num_z):
        raise ValueError(f"eta has shape {tuple(eta.shape)}, expected ({num_x}, {num_z})")
    log_p_x_given_z = theta.log_softmax(1).T  # (K, J)
    q = eta.softmax(1)
    elbo_of_x = (q * (log_p_x_given_z + prior.log() - q.log())).sum(1)
    samples = prior @ (theta.detach() if frozen is None else frozen).softmax(1)  # p_θ0(x | 0)

    log_half = torch.tensor(0.5).log()
    # x from the data: y = 0 is inferred, and z with the encoder
    from_data = _mean(data, elbo_of_x + log_half)
    # x from the generator: y = 1 is inferred, z is not; nothing depends on θ or η
    from_generator = _mean(samples, data.log() + log_half)
    joint = from_data + from_generator  # 2 times 1/2 of each
    # the posterior has p_θ(x) below the line
    log_p_x = ((prior @ theta.softmax(1) + data) / 2).log()
    posterior = joint - _mean(data, log_p_x) - _mean(samples, log_p_x)
    return Lemma2(_mean(data, elbo_of_x), joint, posterior)


def _mean(p: Tensor, values: Tensor) -> Tensor:
    return (p * values).sum()


def _kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log()).sum()


def _normalised(p: Tensor) -> Tensor:
    return p / p.sum()


def _check(p: Tensor, shape: torch.Size, *, sums_to_1: bool) -> None:
    if p.shape != shape or not (p > 0).all() or not (p < 1).all():
        raise ValueError(f"probabilities are {p.tolist()}, expected {tuple(shape)} in (0, 1)")
    if sums_to_1 and abs(float(p.sum()) - 1) > 1e-5:
        raise ValueError(f"probabilities sum to {float(p.sum())}, expected 1")
