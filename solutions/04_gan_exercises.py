"""Exercises of unit 04: references, inputs, tolerances, known mistakes and other right answers.

Instructors only. `gencourse build` turns the references and the known mistakes into cases, plain
numbers; no line of this file reaches a student. A mistake is written as what it is, a change of
the reference (`variant`), and inputs are drawn until every mistake is far from the right answer
and from every other mistake of its test.

Weights, logits and samples are set by hand or drawn to be lopsided: at a fresh network, where
every logit is near 0, half of these mistakes cannot be seen.

Which exercise asks the central idea of which row of the curriculum is in `ROWS`. Style transfer
(4.15) is shown in the lecture and not asked.

Shapes: N real points, M fakes, B batch, D entries of a point, K latent units, C classes or states.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from gencourse.authoring.contract import Exercise, Test, Wrong
from gencourse.authoring.draws import grid, run, signed, simplex, telling_declared, with_gradients
from gencourse.authoring.variants import slips
from gencourse.exercises import adapter
from gencourse.exercises.encoding import decode, encode
from gencourse.exercises.judge import measure

ROWS = {
    "4.1": ("optimal-discriminator", "discriminator-loss", "two-players", "algorithm-1"),
    "4.2": ("conv-sizes",),
    "4.3": ("conv-sizes",),
    "4.4": ("conditions",),
    "4.5": ("two-players", "wasserstein-distance", "gradient-penalty"),
    "4.6": ("in-between",),
    "4.7": ("grid-attention",),
    "4.8": ("truncation",),
    "4.9": ("in-between",),
    "4.10": ("unpaired",),
    "4.11": ("conditions",),
    "4.12": ("info-bound", "beliefs-about-gans"),
    "4.13": ("beliefs-about-gans",),
    "4.14": ("fake-detector",),
    "4.16": ("two-samples", "beliefs-about-gans"),
    "4.17": ("f-bound", "beliefs-about-gans"),
    "4.18": ("truncation", "beliefs-about-gans"),
    "4.19": ("discriminator-loss",),
}


# --- 1. optimal-discriminator -----------------------------------------------------------


def optimal_game(p, q):
    total = p + q
    best = torch.where(total > 0, p / total, 0.5)
    on_real, on_fake = torch.xlogy(p, best), torch.xlogy(q, 1 - best)
    value = on_real.sum() + on_fake.sum()
    middle = torch.where(total > 0, total / 2, 1.0)
    terms = 0.5 * torch.xlogy(p, p / middle) + 0.5 * torch.xlogy(q, q / middle)
    jsd = terms.sum()
    return {"best": best, "value": value, "jsd": jsd}


def optimal_game_by_loop(p, q):
    """State by state in plain Python; the divergence from the value of the game."""
    best, value = [], 0.0
    for a, b in zip(p.tolist(), q.tolist(), strict=True):
        d = 0.5 if a + b == 0 else a / (a + b)
        best.append(d)
        value += a * math.log(d) if a > 0 else 0.0
        value += b * math.log(1 - d) if b > 0 else 0.0
    return {"best": np.float32(best), "value": value, "jsd": (value + math.log(4)) / 2}


def optimal_game_by_scipy(p, q):
    """scipy's distance is the square root of the divergence."""
    from scipy.spatial.distance import jensenshannon

    p, q = p.numpy(), q.numpy()
    jsd = jensenshannon(p, q) ** 2
    best = np.divide(p, p + q, out=np.full_like(p, 0.5), where=p + q > 0)
    return {"best": best, "value": -math.log(4) + 2 * jsd, "jsd": jsd}


OPTIMAL_MISTAKES = slips(
    optimal_game,
    "values",
    """
    optimal_swapped
    p / total => q / total
    D* is swapped: the discriminator gives the probability that x is data, so data's p stands
    above.

    optimal_ratio
    p / total => p / q
    You return the ratio p/q: D* is p/(p + q).

    optimal_squashed
    p / total => torch.sigmoid(p / total)
    There is a sigmoid around p/(p + q): that ratio is a probability already.

    optimal_log_ratio
    best, "value" => torch.log(p / q), "value"
    You return the logit of D*, log p - log q: the probability itself is asked.

    optimal_negative
    "value": value => "value": -value
    The sign of the value is reversed: V is what the discriminator maximises, not its loss.

    optimal_two_real_terms
    torch.xlogy(q, 1 - best) => torch.xlogy(q, best)
    The second term of V is about fakes: it holds log(1 - D), not log D.

    optimal_unweighted
    torch.xlogy(p, best), torch.xlogy(q, 1 - best) => best.log(), (1 - best).log()
    The terms of V are expectations: each state counts with its probability under p or q.

    optimal_mean
    on_real.sum() + on_fake.sum() => on_real.mean() + on_fake.mean()
    You average over the states: the probabilities are the weights already, so add up.

    optimal_half_value
    on_real.sum() + on_fake.sum() => 0.5 * on_real.sum() + 0.5 * on_fake.sum()
    Your value is half of V: there is no 1/2 in front of its two expectations.

    jsd_no_half
    jsd = terms.sum() => jsd = 2 * terms.sum()
    Your JSD is twice too large: it is the mean of two KL divergences, not their sum.

    jsd_bits
    jsd = terms.sum() => jsd = terms.sum() / math.log(2)
    Your JSD is in bits: nats are asked.

    jsd_root
    jsd = terms.sum() => jsd = terms.sum().sqrt()
    That is the Jensen-Shannon distance, the square root of the divergence.

    jsd_middle_not_halved
    total / 2, 1.0 => total, 1.0
    The distribution in the middle is (p + q)/2; yours does not sum to 1.

    jsd_one_side
    + 0.5 * torch.xlogy(q, q / middle) =>
    Only one of the two KL divergences is in your JSD: it is the mean of KL(p || m) and
    KL(q || m).

    jsd_symmetrised_kl
    torch.xlogy(p, p / middle) => torch.xlogy(p, p / q)
    torch.xlogy(q, q / middle) => torch.xlogy(q, q / p)
    That is the mean of KL(p || q) and KL(q || p): in the JSD both are compared with the
    middle, so that it stays finite.

    jsd_reversed
    torch.xlogy(p, p / middle) => torch.xlogy(middle, middle / p)
    torch.xlogy(q, q / middle) => torch.xlogy(middle, middle / q)
    The KL divergences in the JSD go from p and from q to the middle: yours begin there.
    """,
)
OPTIMAL_ZERO_MISTAKES = slips(
    optimal_game,
    "zeros",
    """
    jsd_skips_zeros
    jsd = terms.sum() => jsd = terms[(p > 0) & (q > 0)].sum()
    You leave out states where p or q is 0: there the other one is compared with half of itself,
    which adds log 2 times its probability.

    optimal_half_at_zeros
    torch.where(total > 0, p / total, 0.5) => torch.where((p > 0) & (q > 0), p / total, 0.5)
    Where only one of p and q is 0, D* is sure: 0 or 1. It is 1/2 only where nothing can be known.

    optimal_clamped
    p / total, 0.5) => (p / total).clamp(0.05, 0.95), 0.5)
    You keep D* away from 0 and 1: here it may be sure, and 0 log 0 counts as 0.

    optimal_zero_where_unknown
    p / total, 0.5) => p / total, 0.0)
    Where neither p nor q has mass, 1/2 is asked.
    """,
)
OPTIMAL_WRONG = [
    *slips(
        optimal_game,
        "zeros",
        """
        optimal_nan
        torch.where(total > 0, p / total, 0.5) => p / total

        optimal_plain_logarithms
        torch.xlogy(q, 1 - best) => q * (1 - best).log()
        """,
    ),
    Wrong(OPTIMAL_MISTAKES[0].answer, test="zeros"),
]


def draw_two_distributions(rng):
    return {"p": simplex(rng, 4), "q": simplex(rng, 4)}


def draw_with_zeros(rng):
    """States that only p has, that only q has, and one that neither has."""
    order = rng.permutation(6)
    p = np.append(simplex(rng, 4), [0.0, 0.0])
    q = np.append(np.append([0.0], simplex(rng, 4)), 0.0)
    return {"p": p[order], "q": q[order]}


OPTIMAL = Exercise(
    id="optimal-discriminator",
    answer="optimal_game",
    kind="function",
    title="The best discriminator, and what it is worth",
    minutes=20,
    reference=optimal_game,
    tests=[
        Test(
            "values",
            2,
            telling_declared(
                "values", draw_two_distributions, optimal_game, 0.01, OPTIMAL_MISTAKES
            ),
            fixed=[{"p": np.array([0.2, 0.8]), "q": np.array([0.6, 0.4])}],
            properties=[
                {"name": "at_least", "value": 0.0, "key": "best", "says": "D is a probability"},
                {"name": "at_most", "value": 1.0, "key": "best", "says": "D is a probability"},
                {
                    "name": "at_most",
                    "value": math.log(2),
                    "key": "jsd",
                    "says": "a JSD is at most log 2",
                },
            ],
        ),
        Test(
            "zeros",
            1,
            telling_declared(
                "zeros",
                draw_with_zeros,
                optimal_game,
                0.01,
                OPTIMAL_ZERO_MISTAKES,
                OPTIMAL_WRONG,
            ),
            fixed=[{"p": np.array([0.3, 0.7, 0, 0]), "q": np.array([0, 0, 0.9, 0.1])}],
        ),
    ],
    mistakes=OPTIMAL_MISTAKES + OPTIMAL_ZERO_MISTAKES,
    wrong=OPTIMAL_WRONG,
    right=[optimal_game_by_loop, optimal_game_by_scipy],
    discouraged=("gencourse.gan.lemma_1", "scipy.spatial.distance.jensenshannon"),
)


# --- 2. discriminator-loss --------------------------------------------------------------


def discriminator_loss(real_logits, fake_logits, real_target):
    r, f, t = real_logits, fake_logits, real_target
    if_real, if_fake = F.softplus(-r), F.softplus(r)  # what a real x costs with either label
    on_real = t * if_real + (1 - t) * if_fake
    on_fake = F.softplus(f)
    return on_real.mean() + on_fake.mean()


def discriminator_loss_by_torch(real_logits, fake_logits, real_target):
    """torch's own cross-entropy from logits, once for each kind of x."""
    smooth = torch.full_like(real_logits, real_target)
    on_real = F.binary_cross_entropy_with_logits(real_logits, smooth)
    on_fake = F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    return on_real + on_fake


def discriminator_loss_by_logaddexp(real_logits, fake_logits, real_target):
    """log(1 + e^s) = logaddexp(0, s) in single precision, one logit at a time."""
    zero = torch.zeros(())
    total = zero
    for s in real_logits.float():
        cost = real_target * torch.logaddexp(zero, -s)
        total = total + (cost + (1 - real_target) * torch.logaddexp(zero, s)) / len(real_logits)
    for s in fake_logits.float():
        total = total + torch.logaddexp(zero, s) / len(fake_logits)
    return total


def shy(s):
    """A probability that is kept away from 0 and 1."""
    return s.sigmoid().clamp(1e-6, 1 - 1e-6)


def log_plus(p):
    """A logarithm that is kept away from minus infinity."""
    return (p + 1e-8).log()


LOSS_MISTAKES = slips(
    discriminator_loss,
    "loss",
    """
    loss_swapped
    F.softplus(-r), F.softplus(r) => F.softplus(r), F.softplus(-r)
    on_fake = F.softplus(f) => on_fake = F.softplus(-f)
    The labels are swapped: real x have the label 1, fakes the label 0.

    loss_sign
    on_real.mean() + on_fake.mean() => -on_real.mean() - on_fake.mean()
    The sign is reversed: that is the value V, which the discriminator maximises. Its loss is -V.

    loss_one_minus_lost
    return on_real => return -on_real
    One minus sign is lost: both expectations of V count with a minus in the loss.

    loss_fakes_as_real
    on_fake = F.softplus(f) => on_fake = F.softplus(-f)
    You give the fakes the label 1: that is what the generator wants, the discriminator's label
    for them is 0.

    loss_sigmoid_twice
    = real_logits, fake_logits => = real_logits.sigmoid(), fake_logits.sigmoid()
    The sigmoid is applied twice: a function that takes logits applies its own.

    loss_summed
    on_real.mean() + on_fake.mean() => on_real.sum() + on_fake.sum()
    You add up over the batch: V holds expectations, so take means.

    loss_pooled
    on_real.mean() + on_fake.mean() => 2 * torch.cat([on_real, on_fake]).mean()
    You average over real and fake logits in one pot: each kind has a mean of its own, whatever
    the sizes of the batches.

    loss_halved
    on_real.mean() + on_fake.mean() => (on_real.mean() + on_fake.mean()) / 2
    Your loss is half of -V: V has no 1/2.

    loss_real_only
    + on_fake.mean() => + 0 * on_fake.mean()
    The fakes make no difference to your loss.

    loss_fake_only
    return on_real.mean() => return 0 * on_real.mean()
    The real x make no difference to your loss.

    loss_bits
    return on_real => return (on_real
    on_fake.mean() => on_fake.mean()) / math.log(2)
    Your logarithm is to the base 2: nats are asked.

    loss_target_ignored
    t = real_logits, fake_logits, real_target => t = real_logits, fake_logits, 1.0
    The target makes no difference to your loss: a real x costs -t log D - (1 - t) log(1 - D).

    loss_two_sided
    on_fake = F.softplus(f) => on_fake = t * F.softplus(f) + (1 - t) * F.softplus(-f)
    You smooth the fakes' target too: only the target of real x is softened, or a wrong generator
    would be told to stay where it is.

    loss_scaled_by_target
    t * if_real + (1 - t) * if_fake => t * if_real
    The part (1 - t) log(1 - D) is missing: without it the target only scales the loss.

    loss_real_detached
    return on_real.mean() => return on_real.detach().mean() + 0 * on_real.mean()
    The value is right, but no gradient comes back from the real x: they train the discriminator
    as well as the fakes do.
    """,
)
LARGE_LOSS_MISTAKES = slips(
    discriminator_loss,
    "large-logits",
    """
    loss_clamped
    F.softplus(-r), F.softplus(r) => F.softplus(-r).clamp(max=100), F.softplus(r).clamp(max=100)
    on_fake.mean() => on_fake.clamp(max=100).mean()
    Your logarithms stop at -100, as those of `binary_cross_entropy` do: stay with the logits.

    loss_with_epsilon
    F.softplus(-r), F.softplus(r) => -log_plus(r.sigmoid()), -log_plus(1 - r.sigmoid())
    on_fake = F.softplus(f) => on_fake = -log_plus(1 - f.sigmoid())
    A small number inside the logarithm hides what a sure and wrong discriminator pays: stay with
    the logits.

    loss_of_capped_probabilities
    F.softplus(-r), F.softplus(r) => -shy(r).log(), -(1 - shy(r)).log()
    on_fake = F.softplus(f) => on_fake = -(1 - shy(f)).log()
    You keep the probabilities away from 0 and 1: that caps the loss, and where it is capped no
    gradient is left.
    """,
)
LOSS_WRONG = [
    *slips(
        discriminator_loss,
        "large-logits",
        """
        loss_by_plain_logarithms
        F.softplus(-r), F.softplus(r) => -r.sigmoid().log(), -(1 - r.sigmoid()).log()
        on_fake = F.softplus(f) => on_fake = -(1 - f.sigmoid()).log()
        """,
    ),
    Wrong(LOSS_MISTAKES[0].answer, test="large-logits"),
    *slips(
        discriminator_loss,
        "loss",
        """
        loss_as_a_number
        return on_real => return on_real.detach()
        + on_fake.mean() => + on_fake.mean().item()
        """,
    ),
]


def draw_logits(rng):
    return {
        "real_logits": signed(rng, 0.4, 2.5, 4),
        "fake_logits": signed(rng, 0.4, 2.5, 3),
        "real_target": float(rng.choice([0.7, 0.8, 0.9])),
    }


def draw_sure_logits(rng):
    """Logits for which a probability rounds to 0 or 1, some of them on the wrong side."""
    call = draw_logits(rng)
    call["real_logits"] = rng.permutation([-1, -1, 1, 1]) * grid(rng, 110, 400, 4)
    call["fake_logits"] = rng.permutation([-1, 1, 1]) * grid(rng, 110, 400, 3)
    return call


LOSS_WRT = ("real_logits", "fake_logits")
LOSS_PARTS = with_gradients(*LOSS_WRT)
LOSS = Exercise(
    id="discriminator-loss",
    answer="discriminator_loss",
    kind="gradient",
    wrt=LOSS_WRT,
    title="The discriminator's loss, from logits",
    minutes=20,
    reference=discriminator_loss,
    atol=1e-5,
    tests=[
        Test(
            "loss",
            1,
            telling_declared(
                "loss",
                draw_logits,
                discriminator_loss,
                0.01,
                LOSS_MISTAKES,
                compared=LOSS_PARTS,
            ),
        ),
        Test(
            "large-logits",
            1,
            telling_declared(
                "large-logits",
                draw_sure_logits,
                discriminator_loss,
                0.01,
                LARGE_LOSS_MISTAKES,
                LOSS_WRONG,
                compared=LOSS_PARTS,
            ),
            cases=2,
        ),
    ],
    mistakes=[*LOSS_MISTAKES, *LARGE_LOSS_MISTAKES],
    wrong=LOSS_WRONG,
    right=[discriminator_loss_by_torch, discriminator_loss_by_logaddexp],
    discouraged=("gencourse.losses",),
)


# --- 3. two-players ---------------------------------------------------------------------


class Players:
    def __init__(self, real, fake):
        self.real, self.fake = real, fake

    def discriminator_loss(self, game):
        if game == "least-squares":
            return self.targets(1, 0)
        return self.fake.mean() - self.real.mean()

    def targets(self, for_real, for_fake):
        return ((self.real - for_real) ** 2).mean() / 2 + ((self.fake - for_fake) ** 2).mean() / 2

    def generator_loss(self, game):
        return self.term(game, self.fake).mean()

    def term(self, game, s):
        low, high = -F.softplus(s), F.softplus(-s)  # log(1 - D) and -log D
        return {
            "minimax": low,
            "non-saturating": high,
            "least-squares": (s - 1) ** 2 / 2,
            "wasserstein": -s,
        }[game]

    def generator_slope(self, game):
        s, d = self.fake, torch.sigmoid(self.fake)
        steep, flat = d - 1, -d
        return {
            "minimax": flat,
            "non-saturating": steep,
            "least-squares": s - 1,
            "wasserstein": 0 * s - 1,
        }[game]


def cross_entropy(real, fake):
    """The discriminator's loss in the first game."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def squashed_terms(s):
    """A sigmoid too many."""
    return -F.softplus(s.sigmoid()), F.softplus(-s.sigmoid())


def least_squares_term(s):
    return F.mse_loss(s, torch.ones_like(s), reduction="none") / 2


def minimax_term(s):
    return torch.log1p(-torch.sigmoid(s))


def non_saturating_term(s):
    return F.binary_cross_entropy_with_logits(s, torch.ones_like(s), reduction="none")


class PlayersByAutograd:
    """What one fake costs, differentiated by torch."""

    def __init__(self, real, fake):
        self.real, self.fake = real, fake
        self.terms = {
            "minimax": minimax_term,
            "non-saturating": non_saturating_term,
            "least-squares": least_squares_term,
            "wasserstein": torch.neg,
        }

    def discriminator_loss(self, game):
        if game == "wasserstein":
            return -(self.real.mean() - self.fake.mean())
        on_real = F.mse_loss(self.real, torch.ones_like(self.real))
        return (on_real + F.mse_loss(self.fake, torch.zeros_like(self.fake))) / 2

    def generator_loss(self, game):
        return self.terms[game](self.fake).mean()

    def generator_slope(self, game):
        with torch.enable_grad():
            s = self.fake.clone().requires_grad_()
            return torch.autograd.grad(self.terms[game](s).sum(), s)[0]


class PlayersByNumpy:
    """Single precision, slopes from the probability D."""

    def __init__(self, real, fake):
        self.real, self.fake = np.float32(real), np.float32(fake)
        self.d = 1 / (1 + np.exp(-self.fake))

    def discriminator_loss(self, game):
        if game == "least-squares":
            return np.mean((self.real - 1) ** 2) / 2 + np.mean(self.fake**2) / 2
        return np.mean(self.fake) - np.mean(self.real)

    def generator_loss(self, game):
        if game == "minimax":
            return np.mean(np.log(1 - self.d))
        if game == "non-saturating":
            return -np.mean(np.log(self.d))
        if game == "least-squares":
            return np.mean((self.fake - 1) ** 2) / 2
        return -np.mean(self.fake)

    def generator_slope(self, game):
        if game == "minimax":
            return -self.d
        if game == "non-saturating":
            return self.d - 1
        return self.fake - 1 if game == "least-squares" else -np.ones_like(self.fake)


SATURATION_MISTAKES = slips(
    Players,
    "saturation",
    """
    PlayersAllSaturating
    low, high = -F.softplus(s), F.softplus(-s) => low, high = -F.softplus(s), -F.softplus(s)
    steep, flat = d - 1, -d => steep, flat = -d, -d
    Your non-saturating loss is the saturating one, the mean of log(1 - D): against a
    discriminator that sees through the fakes (D = 0.01) its slope is -0.01 and not -0.99.

    PlayersFormsSwapped
    low, high = -F.softplus(s), F.softplus(-s) => high, low = -F.softplus(s), F.softplus(-s)
    steep, flat = d - 1, -d => flat, steep = d - 1, -d
    The two forms are swapped: in "minimax" the generator minimises log(1 - D), which is flat
    where D is near 0; in "non-saturating" -log D, which is steep there.

    PlayersAllSigns
    low, high = -F.softplus(s), F.softplus(-s) => low, high = F.softplus(s), -F.softplus(-s)
    steep, flat = d - 1, -d => steep, flat = 1 - d, d
    All signs are reversed: the generator would help the discriminator.

    PlayersFlippedSign
    -F.softplus(s), F => F.softplus(s), F
    flat = d - 1, -d => flat = d - 1, d
    Your minimax loss has the wrong sign: -log(1 - D) is the discriminator's loss on fakes, and
    the generator minimises the opposite.

    PlayersLogD
    F.softplus(-s)  # => -F.softplus(-s)  #
    d - 1, -d => 1 - d, -d
    Your non-saturating loss has the wrong sign: log D is what the generator wants large, so it
    minimises -log D.

    PlayersSigmoidTwice
    low, high = -F.softplus(s), F.softplus(-s) => low, high = squashed_terms(s)
    The sigmoid is applied twice: the outputs are logits, and a function that takes logits applies
    its own.

    PlayersByProbability
    steep, flat = d - 1, -d => steep, flat = -1 / d, -1 / (1 - d)
    Your slopes are derivatives by the probability D: the ones by the logit are asked.

    PlayersSlopesSwapped
    steep, flat = d - 1, -d => flat, steep = d - 1, -d
    Your losses are right and the slopes of the two forms swapped: the derivative of log(1 - D) by
    the logit is -D.

    PlayersSlopesUp
    steep, flat = d - 1, -d => steep, flat = 1 - d, d
    Your losses are right and the signs of the slopes reversed: a larger logit lowers both losses.

    PlayersSlopesAveraged
    s, d = self.fake, torch => s, n, d = self.fake, len(self.fake), torch
    steep, flat = d - 1, -d => steep, flat = (d - 1) / n, -d / n
    "least-squares": s - 1 => "least-squares": (s - 1) / n
    0 * s - 1 => (0 * s - 1) / n
    You divide the slopes by the number of fakes: the slope of each fake's own term is asked.

    PlayersSummed
    (game, self.fake).mean() => (game, self.fake).sum()
    You add up over the batch: the loss is a mean.
    """,
)
LEAST_SQUARES_MISTAKES = slips(
    Players,
    "least-squares",
    """
    PlayersTargetsSwapped
    self.targets(1, 0) => self.targets(0, 1)
    The discriminator's targets are swapped: 1 for real outputs, 0 for those of fakes.

    PlayersTargetOfFakes
    "least-squares": (s - 1) ** 2 / 2 => "least-squares": s**2 / 2
    "least-squares": s - 1 => "least-squares": s
    The generator's target is 1, the discriminator's target for real x: with 0 both players want
    the same.

    PlayersTargetMinusOne
    self.targets(1, 0) => self.targets(1, -1)
    The target for fakes is 0 here, not -1.

    PlayersSquashed
    self.targets(1, 0) => Players(self.real.sigmoid(), self.fake.sigmoid()).targets(1, 0)
    "least-squares": (s - 1) ** 2 / 2 => "least-squares": (s.sigmoid() - 1) ** 2 / 2
    "least-squares": s - 1 => "least-squares": (d - 1) * d * (1 - d)
    There is a sigmoid in your squares: the least-squares game compares the outputs as they are,
    so that its slope does not fade.

    PlayersNoHalves
    self.targets(1, 0) => 2 * self.targets(1, 0)
    "least-squares": (s - 1) ** 2 / 2 => "least-squares": (s - 1) ** 2
    "least-squares": s - 1 => "least-squares": 2 * s - 2
    The factor 1/2 of the squares is missing.

    PlayersNoHalfInD
    self.targets(1, 0) => 2 * self.targets(1, 0)
    The discriminator's squares lack their factor 1/2.

    PlayersSlopeOfWhole
    "least-squares": s - 1 => "least-squares": 2 * (s - 1)
    The slope of (s - 1)^2 / 2 is s - 1: yours is twice too steep.

    PlayersSquaresAreLogs
    self.targets(1, 0) => cross_entropy(self.real, self.fake)
    "least-squares": (s - 1) ** 2 / 2 => "least-squares": high
    "least-squares": s - 1 => "least-squares": steep
    That is the cross-entropy of the first game: squares are asked.
    """,
)
WASSERSTEIN_MISTAKES = slips(
    Players,
    "wasserstein",
    """
    PlayersCriticSign
    self.fake.mean() - self.real.mean() => self.real.mean() - self.fake.mean()
    The critic's sign is reversed: it *minimises* its loss, and wants real outputs high.

    PlayersGeneratorSign
    "wasserstein": -s => "wasserstein": s
    0 * s - 1 => 0 * s + 1
    The generator's sign is reversed: it wants the critic's output for its fakes high.

    PlayersBothSigns
    self.fake.mean() - self.real.mean() => self.real.mean() - self.fake.mean()
    "wasserstein": -s => "wasserstein": s
    0 * s - 1 => 0 * s + 1
    Both signs are reversed: that is the same game with an output that is high for fakes, but the
    contract gives real x the high ones.

    PlayersBothPushedDown
    self.fake.mean() - self.real.mean() => -self.fake.mean() - self.real.mean()
    The critic has to tell the two kinds apart: real outputs up, fake outputs down.

    PlayersCriticLogs
    return self.fake.mean() - self.real.mean() => return cross_entropy(self.real, self.fake)
    "wasserstein": -s => "wasserstein": high
    0 * s - 1 => steep
    There are logarithms in it: the Wasserstein game uses the outputs as they are.

    PlayersRealInGenerator
    "wasserstein": -s => "wasserstein": self.real.mean() - s
    Real outputs do not depend on the generator: they have no place in its loss.

    PlayersCriticSummed
    self.fake.mean() - self.real.mean() => self.fake.sum() - self.real.sum()
    The critic's loss is a difference of means, not of sums.
    """,
)
PLAYERS_WRONG = [
    Wrong(SATURATION_MISTAKES[-1].answer, test="least-squares"),
    Wrong(SATURATION_MISTAKES[-2].answer, test="wasserstein"),
]


def draw_outputs(rng, *calls):
    """Outputs of a discriminator of both signs, all of them clearly different from 0 and 1."""
    real = np.round(rng.permutation([-1.3, 0.6, 2.1]) + signed(rng, 0.03, 0.3, 3), 2)
    fake = np.round(rng.permutation([-2.4, -0.7, 0.5, 1.6]) + signed(rng, 0.03, 0.3, 4), 2)
    return {"init": {"real": real, "fake": fake}, "calls": [list(call) for call in calls]}


def called(games, *methods):
    """Return the calls of some methods for some games."""
    return [(method, {"game": game}) for game in games for method in methods]


def draw_saturation(rng):
    games = ("minimax", "non-saturating")
    return draw_outputs(rng, *called(games, "generator_loss", "generator_slope"))


ALL_METHODS = ("discriminator_loss", "generator_loss", "generator_slope")


def draw_least_squares(rng):
    return draw_outputs(rng, *called(["least-squares"], *ALL_METHODS))


def draw_wasserstein_game(rng):
    """The critic has it wrong: fakes are high on average."""
    call = draw_outputs(rng, *called(["wasserstein"], *ALL_METHODS))
    call["init"]["fake"] = np.round(call["init"]["fake"] + 2.5, 2)
    return call


def seen_through():
    """One fake for which D = 0.01, the lecture's example."""
    logit = np.log([0.01 / 0.99])
    games = ("minimax", "non-saturating")
    calls = called(games, "generator_loss", "generator_slope")
    return {"init": {"real": -logit, "fake": logit}, "calls": [list(call) for call in calls]}


PLAYERS = Exercise(
    id="two-players",
    answer="TwoPlayers",
    kind="class",
    title="Four games, and what the generator feels",
    minutes=30,
    reference=Players,
    atol=1e-5,
    tests=[
        Test(
            "saturation",
            1,
            telling_declared("saturation", draw_saturation, Players, 0.01, SATURATION_MISTAKES),
            fixed=[seen_through()],
        ),
        Test(
            "least-squares",
            1,
            telling_declared(
                "least-squares",
                draw_least_squares,
                Players,
                0.01,
                LEAST_SQUARES_MISTAKES,
                PLAYERS_WRONG,
            ),
            cases=2,
        ),
        Test(
            "wasserstein",
            1,
            telling_declared(
                "wasserstein",
                draw_wasserstein_game,
                Players,
                0.01,
                WASSERSTEIN_MISTAKES,
                PLAYERS_WRONG,
            ),
            cases=2,
        ),
    ],
    mistakes=[*SATURATION_MISTAKES, *LEAST_SQUARES_MISTAKES, *WASSERSTEIN_MISTAKES],
    wrong=PLAYERS_WRONG,
    right=[PlayersByAutograd, PlayersByNumpy],
    discouraged=("gencourse.losses", "gencourse.gan.GAMES"),
)


# --- 4. algorithm-1 ---------------------------------------------------------------------


class AlgorithmOne:
    def __init__(self, A, b, w, c, lr):
        self.A, self.b, self.w, self.c, self.lr = A, b, w, c, lr

    def generate(self, z):
        return torch.tanh(z @ self.A.T + self.b)

    def judge(self, x):
        return torch.sigmoid(x @ self.w + self.c)

    def discriminator_step(self, real, z):
        fake = self.generate(z)
        on_real, on_fake = self.judge(real) - 1, self.judge(fake)  # slopes by the logits
        n, m = len(real), len(fake)
        self.w = self.w - self.lr * (on_real @ real / n + on_fake @ fake / m)
        self.c = self.c - self.lr * (on_real.sum() / n + on_fake.sum() / m)
        return {"w": self.w, "c": self.c}

    def generator_step(self, z):
        fake = self.generate(z)
        slopes = (self.judge(fake) - 1) / len(fake)  # of -log D by the logit
        back = slopes[:, None] * self.w * (1 - fake**2)
        self.A = self.A - self.lr * back.T @ z
        self.b = self.b - self.lr * back.sum(0)
        return {"A": self.A, "b": self.b}


class AlgorithmOneByAutograd:
    """Two optimisers of torch, each for the parameters of its own player."""

    def __init__(self, A, b, w, c, lr):
        self.A, self.b, self.w, self.c = (v.clone().requires_grad_() for v in (A, b, w, c))
        self.of_g = torch.optim.SGD([self.A, self.b], lr=lr)
        self.of_d = torch.optim.SGD([self.w, self.c], lr=lr)

    def generate(self, z):
        return torch.tanh(z @ self.A.T + self.b)

    def judge(self, x):
        return x @ self.w + self.c

    def discriminator_step(self, real, z):
        with torch.enable_grad():
            real_logits, fake_logits = self.judge(real), self.judge(self.generate(z).detach())
            loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        self.of_d.zero_grad()
        loss.backward()
        self.of_d.step()
        return {"w": self.w.detach().clone(), "c": self.c.detach().clone()}

    def generator_step(self, z):
        with torch.enable_grad():
            loss = F.softplus(-self.judge(self.generate(z))).mean()
        self.of_g.zero_grad()
        loss.backward()
        self.of_g.step()
        return {"A": self.A.detach().clone(), "b": self.b.detach().clone()}


class AlgorithmOneByModules:
    """Networks of torch.nn in single precision; gradients asked for by name."""

    def __init__(self, A, b, w, c, lr):
        inner, self.D = torch.nn.Linear(A.shape[1], A.shape[0]), torch.nn.Linear(len(w), 1)
        inner.load_state_dict({"weight": A, "bias": b})
        self.D.load_state_dict({"weight": w[None], "bias": c})
        self.G, self.lr = torch.nn.Sequential(inner, torch.nn.Tanh()), lr

    def descend(self, loss, network):
        grads = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for value, grad in zip(network.parameters(), grads, strict=True):
                value -= self.lr * grad
        return [value.detach().clone() for value in network.parameters()]

    def discriminator_step(self, real, z):
        with torch.enable_grad():
            on_real = F.logsigmoid(self.D(real.float())).mean()
            on_fake = F.logsigmoid(-self.D(self.G(z.float()))).mean()
            w, c = self.descend(-on_real - on_fake, self.D)
        return {"w": w, "c": c}

    def generator_step(self, z):
        with torch.enable_grad():
            A, b = self.descend(-F.logsigmoid(self.D(self.G(z.float()))).mean(), self.G)
        return {"A": A, "b": b}


D_STEP_MISTAKES = slips(
    AlgorithmOne,
    "discriminator",
    """
    StepUphill
    self.judge(real) - 1, self.judge(fake) => 1 - self.judge(real), -self.judge(fake)
    The discriminator goes the wrong way: it descends its loss, which is to ascend V.

    StepLabelsSwapped
    self.judge(real) - 1, self.judge(fake) => self.judge(real), self.judge(fake) - 1
    The labels are swapped: this discriminator learns to call real x fake.

    StepSummed
    n, m = len(real), len(fake) => n = m = 1
    You add up over the batch: V holds means, and with sums the step depends on the batch size.

    StepPooled
    n, m = len(real), len(fake) => n = m = (len(real) + len(fake)) / 2
    You average over real and fake in one pot: each kind has its own mean.

    StepRealOnly
    - 1, self.judge(fake) => - 1, 0 * self.judge(fake)
    The fakes make no difference to your step.

    StepFakeOnly
    self.judge(real) - 1 => 0 * self.judge(real)
    The real x make no difference to your step.

    StepBiasForgotten
    self.c - self.lr * ( => self.c - 0 * (
    The bias c does not move: it is a parameter, too.

    StepForgotten
    self.w = self.w - => w = self.w -
    self.c = self.c - => c = self.c -
    {"w": self.w, "c": self.c} => {"w": w, "c": c}
    Each call begins at the first parameters again: the object has to keep what it has learned.

    StepWithoutTanh
    torch.tanh(z @ self.A.T + self.b) => (z @ self.A.T + self.b)
    The tanh of the generator is missing.

    StepWithoutSigmoid
    torch.sigmoid(x @ self.w + self.c) => (x @ self.w + self.c)
    The sigmoid is missing: the derivative of the loss by a logit holds the probability D.

    StepSigmoidTwice
    torch.sigmoid(x @ self.w + self.c) => (x @ self.w + self.c).sigmoid().sigmoid()
    The sigmoid is applied twice: D is one sigmoid of the logit.
    """,
) + slips(
    AlgorithmOneByAutograd,
    "discriminator",
    """
    StepAccumulated
    self.of_d.zero_grad() => pass
    Each step of the discriminator adds the gradients of the steps before: torch adds to `.grad`
    until it is cleared.
    """,
)
G_STEP_MISTAKES = slips(
    AlgorithmOne,
    "generator",
    """
    StepSaturating
    slopes = (self.judge(fake) - 1) => slopes = -self.judge(fake)
    The generator descends log(1 - D), the saturating loss: the non-saturating one, -log D, is
    asked.

    StepHelpful
    slopes = (self.judge(fake) - 1) => slopes = (1 - self.judge(fake))
    The generator goes the wrong way: it makes its fakes easier to find out.

    StepDetached
    slopes = (self.judge(fake) - 1) => slopes = 0 * (self.judge(fake) - 1)
    The generator does not move: in its own step the fakes must not be detached.

    StepBeforeTanh
    self.w * (1 - fake**2) => self.w + 0 * fake
    The derivative of the tanh, 1 - x^2, is missing on the way back into the generator.

    StepTransposed
    back.T @ z => (back.T @ z).T
    The gradient by A is transposed: A[d, k] is the weight of z_k in x_d.

    StepGeneratorBias
    self.b - self.lr * back.sum(0) => self.b - 0 * back.sum(0)
    The bias b of the generator does not move.

    StepGeneratorSummed
    slopes = (self.judge(fake) - 1) / len(fake) => slopes = self.judge(fake) - 1
    You add up over the fakes: the generator's loss is a mean.

    StepStale
    self.c, self.lr = A, b, w, c, lr => self.c, self.lr = A, b, w, c, lr; self.w0, self.c0 = w, c
    self.judge(fake) - 1) / => (fake @ self.w0 + self.c0).sigmoid() - 1) /
    * self.w * (1 => * self.w0 * (1
    The generator is judged by the discriminator as it was at the beginning: use the one that has
    just been trained.
    """,
) + slips(
    AlgorithmOneByAutograd,
    "generator",
    """
    StepOneOptimiser
    self.generate(z).detach() => self.generate(z)
    torch.optim.SGD([self.w, self.c] => torch.optim.SGD([self.w, self.c, self.A, self.b]
    The discriminator's step moves the generator, too: there the fakes are constants (detach
    them), or the generator learns to be found out.

    StepLeftovers
    self.generate(z).detach() => self.generate(z)
    self.of_g.zero_grad() => pass
    The generator's step uses gradients that the discriminator's step left behind: detach the
    fakes there, and clear `.grad` before each backward pass.
    """,
)
ROUNDS_MISTAKES = slips(
    AlgorithmOneByAutograd,
    "rounds",
    """
    StepBothMove
    torch.optim.SGD([self.A, self.b] => torch.optim.SGD([self.A, self.b, self.w, self.c]
    The generator's step moves the discriminator, too: it would learn to be fooled.

    StepClearedTooEarly
    self.of_d.zero_grad() => pass
    self.of_d.step() => self.of_d.step(); self.of_d.zero_grad()
    The discriminator's step uses gradients that the generator's step left behind: its `.grad` has
    to be cleared just before the backward pass.
    """,
)
STEP_WRONG = [
    Wrong(D_STEP_MISTAKES[7].answer, test="rounds"),
    Wrong(G_STEP_MISTAKES[0].answer, test="rounds"),
    Wrong(G_STEP_MISTAKES[-2].answer, test="rounds"),
]


def draw_game(rng, *steps):
    """Two networks with lopsided weights, and batches of data and noise for some steps."""
    init = {
        "A": signed(rng, 0.4, 1.3, 2, 2),
        "b": signed(rng, 0.2, 0.8, 2),
        "w": signed(rng, 0.6, 1.8, 2),
        "c": signed(rng, 0.3, 0.8, 1),
        "lr": float(rng.choice([0.6, 0.8, 1.0])),
    }
    calls = []
    for step in steps:
        batch = {"z": signed(rng, 0.3, 1.6, 3, 2)}
        if step == "discriminator_step":
            batch = {"real": signed(rng, 0.2, 1.2, 4, 2), **batch}
        calls.append([step, batch])
    return {"init": init, "calls": calls}


def draw_d_steps(rng):
    return draw_game(rng, *["discriminator_step"] * 3)


def draw_g_steps(rng):
    return draw_game(rng, "discriminator_step", "generator_step", "generator_step")


def draw_rounds(rng):
    once = ["discriminator_step", "discriminator_step", "generator_step"]
    return draw_game(rng, *once, *once)


ALGORITHM = Exercise(
    id="algorithm-1",
    answer="AlgorithmOne",
    kind="class",
    title="Algorithm 1: who learns when",
    minutes=45,
    reference=AlgorithmOne,
    rtol=2e-4,
    atol=1e-5,
    tests=[
        Test(
            "discriminator",
            1,
            telling_declared("discriminator", draw_d_steps, AlgorithmOne, 0.01, D_STEP_MISTAKES),
        ),
        Test(
            "generator",
            1,
            telling_declared("generator", draw_g_steps, AlgorithmOne, 0.005, G_STEP_MISTAKES),
        ),
        Test(
            "rounds",
            1,
            telling_declared(
                "rounds", draw_rounds, AlgorithmOne, 0.005, ROUNDS_MISTAKES, STEP_WRONG
            ),
            cases=2,
        ),
    ],
    mistakes=[*D_STEP_MISTAKES, *G_STEP_MISTAKES, *ROUNDS_MISTAKES],
    wrong=STEP_WRONG,
    right=[AlgorithmOneByAutograd, AlgorithmOneByModules],
    discouraged=("gencourse.train.fit_adversarial", "gencourse.gan"),
)


# --- 5. wasserstein-distance ------------------------------------------------------------


def wasserstein(x, y):
    a, b = x.sort().values, y.sort().values
    a, b = a.repeat_interleave(len(y)), b.repeat_interleave(len(x))  # now of one length
    return (a - b).abs().mean()


def wasserstein_by_scipy(x, y):
    from scipy.stats import wasserstein_distance

    return wasserstein_distance(x.numpy(), y.numpy())


def wasserstein_by_areas(x, y):
    """The area between the two distribution functions, in single precision."""
    places = torch.cat([x, y]).float().sort().values
    below = [(v.float()[None] <= places[:-1, None]).float().mean(1) for v in (x, y)]
    return ((below[0] - below[1]).abs() * places.diff()).sum()


def wasserstein_by_transport(x, y):
    """Carry mass from left to right, in plain Python: the nearest that is left goes first."""
    left = [[v, 1 / len(x)] for v in sorted(x.tolist())]
    right = [[v, 1 / len(y)] for v in sorted(y.tolist())]
    cost = 0.0
    while left and right:
        mass = min(left[0][1], right[0][1])
        cost += mass * abs(left[0][0] - right[0][0])
        for side in (left, right):
            side[0][1] -= mass
            if side[0][1] < 1e-12:
                side.pop(0)
    return cost


def wasserstein_by_quantiles(x, y):
    """A base for mistakes: the quantile functions at a few levels."""
    levels = torch.linspace(0, 1, len(x), dtype=x.dtype)
    return (torch.quantile(x, levels) - torch.quantile(y, levels)).abs().mean()


def cut_to_one_length(a, b):
    n = min(len(a), len(b))
    return a[:n], b[:n]


SAME_SIZE_MISTAKES = slips(
    wasserstein,
    "same-size",
    """
    wasserstein_unsorted
    x.sort().values, y.sort().values => x, y
    You compare the points in the order in which they come: the cheapest way to carry them over
    takes the smallest to the smallest, so sort both.

    wasserstein_crossed
    y.sort().values => y.sort(descending=True).values
    You sort one sample upwards and the other downwards: that is the dearest way.

    wasserstein_means
    (a - b).abs().mean() => (a - b).mean().abs()
    Your answer is the distance of the two means: the absolute value belongs to each pair.

    wasserstein_signed
    (a - b).abs().mean() => (a - b).mean()
    Your answer is the difference of the two means: a pair costs its distance.

    wasserstein_two
    (a - b).abs().mean() => (a - b).square().mean().sqrt()
    That is the Wasserstein-2 distance, from squares: the first power is asked.

    wasserstein_squares
    (a - b).abs().mean() => (a - b).square().mean()
    You average squared distances: the first power is asked.

    wasserstein_largest
    (a - b).abs().mean() => (a - b).abs().max()
    You return what the dearest pair costs: the mean over the pairs is asked.

    wasserstein_all_pairs
    (a - b).abs().mean() => (x[:, None] - y[None]).abs().mean()
    You average over all pairs, as if each point were spread over all the others: the cheapest
    plan is asked.

    wasserstein_summed
    (a - b).abs().mean() => (a - b).abs().sum() / len(y)
    You add up over the pairs: each carries the mass 1/N, so take the mean.

    wasserstein_nearest
    (a - b).abs().mean() => (x[:, None] - y[None]).abs().min(1).values.mean()
    You send each x to the nearest y: then some y get too much and others nothing.
    """,
)
WASSERSTEIN_WRONG = [Wrong(SAME_SIZE_MISTAKES[0].answer, test="other-sizes")]
SIZES_MISTAKES = (
    slips(
        wasserstein,
        "other-sizes",
        """
    wasserstein_cut
    a.repeat_interleave(len(y)), b.repeat_interleave(len(x)) => cut_to_one_length(a, b)
    You leave out the points that are too many: every point has mass 1/N, or 1/M, and all of it
    has to be carried.

    wasserstein_tiled
    a.repeat_interleave(len(y)), b.repeat_interleave(len(x)) => a.repeat(len(y)), b.repeat(len(x))
    You repeat the whole sorted list: to make the lists equally long, repeat each point in place.
    """,
    )
    + slips(
        wasserstein_by_areas,
        "other-sizes",
        """
    wasserstein_counts
    .float().mean(1) => .float().sum(1)
    Your distribution functions count points: they have to end at 1 for both samples.

    wasserstein_no_widths
    * places.diff() => * 1
    You add up the gaps between the distribution functions without the widths over which they
    hold: the area is asked.

    wasserstein_largest_gap
    ((below[0] - below[1]).abs() * places.diff()).sum() => (below[0] - below[1]).abs().max()
    That is the largest gap between the distribution functions, the statistic of Kolmogorov and
    Smirnov: the area between them is asked.
    """,
    )
    + slips(
        wasserstein_by_quantiles,
        "other-sizes",
        """
    wasserstein_interpolated
    len(x), => max(len(x), len(y)),
    You interpolate between points to make the samples equally long: no mass lies between them.
    """,
    )
)


def draw_same_size(rng, m=4):
    """Two clouds that overlap, so that their means say little."""
    x, y = signed(rng, 0.1, 2.5, 4), np.round(signed(rng, 0.1, 2.5, m) + rng.choice([-1, 1]), 2)
    return {"x": x, "y": y}


def draw_other_sizes(rng):
    return draw_same_size(rng, 6)


WASSERSTEIN = Exercise(
    id="wasserstein-distance",
    answer="wasserstein",
    kind="function",
    title="The Wasserstein distance on a line",
    minutes=20,
    reference=wasserstein,
    tests=[
        Test(
            "same-size",
            1,
            telling_declared(
                "same-size",
                draw_same_size,
                wasserstein,
                0.01,
                SAME_SIZE_MISTAKES,
                WASSERSTEIN_WRONG,
            ),
            fixed=[
                {"x": np.array([0.0, 1.0]), "y": np.array([5.0, 4.0])},
                {"x": np.array([0.0, 1.0]), "y": np.array([9.0, 8.0])},
            ],
            properties=[{"name": "nonnegative", "says": "a distance is never negative"}],
        ),
        Test(
            "other-sizes",
            1,
            telling_declared("other-sizes", draw_other_sizes, wasserstein, 0.01, SIZES_MISTAKES),
            properties=[{"name": "nonnegative", "says": "a distance is never negative"}],
        ),
    ],
    mistakes=[*SAME_SIZE_MISTAKES, *SIZES_MISTAKES],
    wrong=WASSERSTEIN_WRONG,
    right=[wasserstein_by_scipy, wasserstein_by_areas, wasserstein_by_transport],
    discouraged=("scipy.stats.wasserstein_distance",),
)


# --- 6. gradient-penalty ----------------------------------------------------------------


def gradient_penalty(real, fake, u, W, b, v):
    u = u[:, None]
    x = u * real + (1 - u) * fake
    h = torch.tanh(x @ W.T + b)  # (B, H)
    slope = (v * (1 - h**2)) @ W  # (B, D), of the critic by x
    norm = slope.square().sum(1).sqrt()
    return (norm - 1).square().mean()


def gradient_penalty_by_autograd(real, fake, u, W, b, v):
    """Let torch differentiate the critic, in such a way that the result can be differentiated."""
    x = torch.lerp(fake, real, u[:, None]).requires_grad_()
    critic = torch.tanh(F.linear(x, W, b)) @ v
    (slope,) = torch.autograd.grad(critic.sum(), x, create_graph=True)
    return ((slope.norm(dim=1) - 1) ** 2).mean()


def gradient_penalty_row_by_row(real, fake, u, W, b, v):
    """The Jacobian of each row in single precision."""
    real, fake, u, W, b, v = (t.float() for t in (real, fake, u, W, b, v))
    costs = []
    for i in range(len(real)):
        x = fake[i] + u[i] * (real[i] - fake[i])
        inner = 1 / torch.cosh(W @ x + b) ** 2
        costs.append((torch.linalg.vector_norm(W.T @ (v * inner)) - 1) ** 2)
    return torch.stack(costs).mean()


PENALTY_MISTAKES = slips(
    gradient_penalty,
    "penalty",
    """
    penalty_one_sided
    (norm - 1).square() => (norm - 1).clamp(min=0).square()
    Your penalty is one-sided: slopes below 1 are to be drawn to 1 as well.

    penalty_no_one
    (norm - 1).square() => norm.square()
    Your penalty draws the slope to 0: the norm is to be 1.

    penalty_not_squared
    (norm - 1).square() => (norm - 1).abs()
    The distance of the norm from 1 enters squared.

    penalty_of_square
    slope.square().sum(1).sqrt() => slope.square().sum(1)
    You compare the squared norm with 1: the norm itself is asked.

    penalty_sum_of_sizes
    slope.square().sum(1).sqrt() => slope.abs().sum(1)
    You add up the sizes of the partial derivatives: the Euclidean norm is asked.

    penalty_mean_of_squares
    slope.square().sum(1).sqrt() => slope.square().mean(1).sqrt()
    You average over the coordinates inside the norm: a norm adds up the squares.

    penalty_norm_of_all
    slope.square().sum(1).sqrt() => slope.square().sum().sqrt()
    You take one norm over the whole batch: each row has a slope of its own.

    penalty_of_mean_norm
    (norm - 1).square().mean() => (norm.mean() - 1).square()
    You average the norms before you compare with 1: rows that are too steep would make up for
    rows that are too flat.

    penalty_of_mean_slope
    norm = slope.square() => norm = slope.mean(0, keepdim=True).square()
    You average the slopes over the batch inside the norm: each row has its own norm.

    penalty_of_mean_critic
    @ W  # => @ W / len(real)  #
    You differentiate the mean of the critic over the batch, so that each slope is too small by
    the batch size: differentiate the sum.

    penalty_of_entries
    (norm - 1).square() => (slope - 1).square()
    You compare each partial derivative with 1: it is the norm of each row that is to be 1.

    penalty_summed
    (norm - 1).square().mean() => (norm - 1).square().sum()
    You add up over the batch: the penalty is a mean.

    penalty_weighted
    return (norm => return 10 * (norm
    The weight 10 of the paper is not part of what is asked.

    penalty_of_output
    norm = slope.square().sum(1).sqrt() => norm = (h @ v).abs()
    You compare the critic's output with 1: its slope is meant.

    penalty_linear
    (v * (1 - h**2)) @ W => (v + 0 * h) @ W
    The slope of the tanh, 1 - h^2, is missing.

    penalty_detached
    (1 - h**2) => (1 - h.detach() ** 2)
    The value is right, and part of the gradient is missing: the slope itself has to stay
    differentiable by the weights (`create_graph=True`).
    """,
)
BETWEEN_MISTAKES = slips(
    gradient_penalty,
    "between",
    """
    penalty_at_real
    x = u * real + (1 - u) * fake => x = real
    You measure the slope at the real points: it is asked at points between real and fake.

    penalty_at_fake
    x = u * real + (1 - u) * fake => x = fake
    You measure the slope at the fakes: it is asked at points between real and fake.

    penalty_reversed
    u * real + (1 - u) * fake => (1 - u) * real + u * fake
    The weights are swapped: u = 1 is the real point.

    penalty_midpoint
    u = u[:, None] => u = 0.5
    You take the points half-way: u says where between fake and real each point lies.

    penalty_one_place
    u = u[:, None] => u = u[0]
    You use one place for the whole batch: u has one for each row.

    penalty_beyond
    u * real + (1 - u) * fake => real + u * (real - fake)
    Your points lie beyond the real ones, not between real and fake.

    penalty_not_between
    u * real + (1 - u) * fake => u * real + fake
    The weights of real and fake add up to 1: u and 1 - u.

    penalty_at_both
    = u[:, None] => = torch.cat([torch.ones(len(u), 1), torch.zeros(len(u), 1)])
    x = u * real + (1 - u) * fake => x = u * real.repeat(2, 1) + (1 - u) * fake.repeat(2, 1)
    You measure the slope at the real points and at the fakes: points between them are asked.
    """,
)
PENALTY_WRONG = [
    *slips(
        gradient_penalty_by_autograd,
        "penalty",
        """
        penalty_without_graph
        create_graph=True => retain_graph=True
        """,
    ),
    Wrong(PENALTY_MISTAKES[0].answer, test="between"),
]


def draw_between(rng):
    """A critic that is too steep in some rows and too flat in others."""
    call = {
        "real": signed(rng, 0.2, 1.5, 4, 2),
        "fake": signed(rng, 0.2, 1.5, 4, 2),
        "u": rng.permutation([0.15, 0.3, 0.72, 0.9]) + rng.integers(-4, 5, 4) / 100,
        "W": signed(rng, 0.4, 1.5, 3, 2),
        "b": signed(rng, 0.1, 0.6, 3),
        "v": signed(rng, 0.4, 1.5, 3),
    }
    return call if steep_and_flat(call) else None


def steep_and_flat(call):
    """Tell whether the critic's slope is well above 1 in some rows and well below in others."""
    u = call["u"][:, None]
    h = np.tanh((u * call["real"] + (1 - u) * call["fake"]) @ call["W"].T + call["b"])
    norm = np.linalg.norm((call["v"] * (1 - h**2)) @ call["W"], axis=1)
    return norm.min() < 0.75 and norm.max() > 1.3


def draw_penalty(rng):
    """Real and fake points are the same here, so that it does not matter where between them."""
    call = draw_between(rng)
    if call is None:
        return None
    call = call | {"fake": call["real"].copy()}
    return call if steep_and_flat(call) else None


PENALTY_WRT = ("W", "v")
PENALTY_PARTS = with_gradients(*PENALTY_WRT)


def penalty_parts(answer, call):
    """Compare the gradients, too; the answer without any is apart from all others."""
    try:
        return PENALTY_PARTS(answer, call)
    except adapter.AnswerError:
        return [math.inf]


PENALTY = Exercise(
    id="gradient-penalty",
    answer="gradient_penalty",
    kind="gradient",
    wrt=PENALTY_WRT,
    title="The gradient penalty",
    minutes=30,
    reference=gradient_penalty,
    rtol=2e-4,
    atol=1e-5,
    tests=[
        Test(
            "penalty",
            2,
            telling_declared(
                "penalty",
                draw_penalty,
                gradient_penalty,
                0.01,
                PENALTY_MISTAKES,
                PENALTY_WRONG,
                compared=penalty_parts,
            ),
        ),
        Test(
            "between",
            1,
            telling_declared(
                "between",
                draw_between,
                gradient_penalty,
                0.01,
                BETWEEN_MISTAKES,
                PENALTY_WRONG,
                compared=penalty_parts,
            ),
        ),
    ],
    mistakes=[*PENALTY_MISTAKES, *BETWEEN_MISTAKES],
    wrong=PENALTY_WRONG,
    right=[gradient_penalty_by_autograd, gradient_penalty_row_by_row],
    discouraged=("gencourse.losses.gradient_penalty",),
)


# --- 7. conv-sizes ----------------------------------------------------------------------


def conv_sizes(size, layers, network):
    sizes, fields, field, stride = [], [], 1, 1
    for k, s, p in layers.tolist():
        if network == "generator":
            size = (size - 1) * s - 2 * p + k
        else:
            size = (size + 2 * p - k) // s + 1
            field, stride = field + (k - 1) * stride, stride * s
        sizes.append(size)
        fields.append(field)
    return {"sizes": sizes} if network == "generator" else {"sizes": sizes, "fields": fields}


def conv_sizes_by_torch(size, layers, network):
    """Send an image through layers of torch, and a gradient back from the middle."""
    generator = network == "generator"
    make = torch.nn.ConvTranspose1d if generator else torch.nn.Conv1d
    net = [
        make(1, 1, k, stride=s, padding=p, bias=False, dtype=torch.float64)
        for k, s, p in layers.tolist()
    ]
    x, sizes = torch.ones(1, 1, size, dtype=torch.float64), []
    with torch.no_grad():
        for layer in net:
            x = layer(x)
            sizes.append(x.shape[2])
    if generator:
        return {"sizes": sizes}
    fields = []
    for depth in range(1, len(net) + 1):  # without padding, one output sees one field
        field, back = 1, list(layers[:depth].tolist())
        for k, s, _ in reversed(back):
            field = (field - 1) * s + k
        fields.append(field)
    return {"sizes": np.array(sizes), "fields": torch.tensor(fields)}


def conv_sizes_by_reach(size, layers, network):
    """The pixels that one output unit reaches, first and last, layer by layer backwards."""
    sizes, fields = [], []
    for i, (k, s, p) in enumerate(layers.tolist()):
        last = sizes[-1] if sizes else size
        sizes.append((last - 1) * s + k - 2 * p if network == "generator" else 0)
        if network != "generator":
            sizes[-1] = 1 + (last + 2 * p - k) // s
            first, final = 0, 0
            for kernel, step, _ in reversed(layers[: i + 1].tolist()):
                first, final = first * step, final * step + kernel - 1
            fields.append(final - first + 1)
    return {"sizes": sizes, **({"fields": fields} if fields else {})}


GENERATOR_SIZES_MISTAKES = slips(
    conv_sizes,
    "generator",
    """
    sizes_shrinking
    size = (size - 1) * s - 2 * p + k => size = (size + 2 * p - k) // s + 1
    That is the formula of a convolution: a transposed one turns it round and makes images larger.

    sizes_from_n
    (size - 1) * s - 2 * p + k => size * s - 2 * p + k
    Your sizes are too large: n pixels have n - 1 steps between them, not n.

    sizes_times_stride
    size = (size - 1) * s - 2 * p + k => size = size * s
    You multiply by the stride: kernel and padding decide about the border.

    sizes_padding_once
    s - 2 * p + k => s - p + k
    The padding is cut off on both sides.

    sizes_padding_added
    s - 2 * p + k => s + 2 * p + k
    The padding makes the output of a transposed convolution smaller: it is cut off.

    sizes_no_padding
    s - 2 * p + k => s + k
    The padding makes no difference to your sizes.

    sizes_one_less
    s - 2 * p + k => s - 2 * p + k - 1
    Each of your layers is a pixel too small.

    sizes_one_more
    s - 2 * p + k => s - 2 * p + k + 1
    Each of your layers is a pixel too large: here there is no output padding.

    sizes_with_input
    return {"sizes": sizes} if => return {"sizes": [first, *sizes[:-1]]} if
    sizes, fields, field, stride = [] => first, sizes, fields, field, stride = size, []
    Your list begins with the input: the size *after* each layer is asked.
    """,
)
PATCH_MISTAKES = slips(
    conv_sizes,
    "patches",
    """
    patches_growing
    size = (size + 2 * p - k) // s + 1 => size = (size - 1) * s - 2 * p + k
    Those are the sizes of transposed convolutions: the discriminator shrinks its image.

    patches_no_one
    // s + 1 => // s
    Your sizes lack the + 1: the kernel's first place counts, too.

    patches_padding_once
    size + 2 * p - k => size + p - k
    The padding is added on both sides.

    patches_rounded_up
    (size + 2 * p - k) // s + 1 => -((k - size - 2 * p) // s) + 1
    You round up: where the last step does not fit any more, it is not taken.

    patches_divided
    size = (size + 2 * p - k) // s + 1 => size = size // s
    You divide by the stride: kernel and padding decide about the border.

    fields_no_strides
    stride * s => 1
    Your receptive field ignores the strides (16 for the PatchGAN, not 70): after a stride of 2
    the next kernel's steps are two pixels wide.

    fields_own_stride
    (k - 1) * stride, => (k - 1) * stride * s,
    You widen a kernel's steps by the layer's own stride: only the strides of the layers below
    count.

    fields_layer_lost
    fields.append(field) => fields.append(field - (k - 1) * stride // s)
    A layer is lost (46 for the PatchGAN, not 70): the field after a layer contains that layer's
    kernel.

    fields_whole_kernels
    (k - 1) * stride => k * stride
    A kernel of k adds k - 1 steps: it covers one place already.

    fields_last_stride_only
    stride * s => s
    Only the stride of the layer just below makes a difference: all of them multiply.

    fields_padding
    (k - 1) * stride, => (k - 1 - p) * stride,
    Padding does not change the receptive field.

    fields_from_the_top
    field + (k - 1) * stride, => (field - 1) * s + k,
    You use the rule for going from the last layer down to the image, and go upwards with it.
    """,
)


def draw_layers(rng, network):
    """Three layers whose kernels, strides and paddings are all different."""
    layers = np.stack(
        [rng.permutation([3, 4, 5]), rng.permutation([1, 2, 3]), rng.permutation([0, 1, 2])], 1
    )
    size = int(rng.integers(3, 7) if network == "generator" else rng.integers(60, 90))
    return {"size": size, "layers": layers, "network": network}


def draw_generator_layers(rng):
    return draw_layers(rng, "generator")


def draw_discriminator_layers(rng):
    return draw_layers(rng, "discriminator")


def dcgan_layers():
    """From one pixel to 64."""
    return {
        "size": 1,
        "layers": np.array([[4, 1, 0], [4, 2, 1], [4, 2, 1], [4, 2, 1], [4, 2, 1]]),
        "network": "generator",
    }


def patchgan_layers():
    """Isola et al.: 30 x 30 scores of an image of 256 pixels."""
    return {
        "size": 256,
        "layers": np.array([[4, 2, 1], [4, 2, 1], [4, 2, 1], [4, 1, 1], [4, 1, 1]]),
        "network": "discriminator",
    }


SIZES = Exercise(
    id="conv-sizes",
    answer="conv_sizes",
    kind="function",
    title="Sizes in a DCGAN, and what a patch sees",
    minutes=20,
    reference=conv_sizes,
    tests=[
        Test(
            "generator",
            1,
            telling_declared(
                "generator", draw_generator_layers, conv_sizes, 0.5, GENERATOR_SIZES_MISTAKES
            ),
            fixed=[dcgan_layers()],
        ),
        Test(
            "patches",
            1,
            telling_declared(
                "patches", draw_discriminator_layers, conv_sizes, 0.5, PATCH_MISTAKES
            ),
            fixed=[patchgan_layers()],
        ),
    ],
    mistakes=[*GENERATOR_SIZES_MISTAKES, *PATCH_MISTAKES],
    wrong=[Wrong(PATCH_MISTAKES[0].answer, test="patches")],
    right=[conv_sizes_by_torch, conv_sizes_by_reach],
    discouraged=("gencourse.gan.PatchGANDiscriminator",),
)


# --- 8. conditions ----------------------------------------------------------------------


class Conditional:
    def __init__(self, num_classes, V):
        self.num_classes, self.V = num_classes, V

    def generator_input(self, z, y):
        label = F.one_hot(y, self.num_classes).to(z)
        return torch.cat([z, label], dim=1)

    def discriminator_input(self, x, y):
        planes = F.one_hot(y, self.num_classes).to(x)
        planes = planes[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return torch.cat([x, planes], dim=1)

    def caption_loss(self, real, fake, captions):
        other = captions.roll(-1, 0)  # row n + 1, and the first one last
        right = self.score(real, captions)
        wrong, made = self.score(real, other), self.score(fake, captions)
        on_wrong, on_made = F.softplus(wrong).mean(), F.softplus(made).mean()
        return F.softplus(-right).mean() + (on_wrong + on_made) / 2

    def score(self, features, captions):
        return (captions * (features @ self.V.T)).sum(1)


class ConditionalByLoops:
    """One row, one plane and one pair at a time; cross-entropies of torch, single precision."""

    def __init__(self, num_classes, V):
        self.num_classes, self.V = num_classes, V.float()

    def labels(self, y):
        return torch.tensor([[float(c == k) for k in range(self.num_classes)] for c in y.tolist()])

    def generator_input(self, z, y):
        return [torch.cat([a.float(), b]) for a, b in zip(z, self.labels(y), strict=True)]

    def discriminator_input(self, x, y):
        made = torch.zeros(len(x), x.shape[1] + self.num_classes, *x.shape[2:])
        made[:, : x.shape[1]] = x
        for n, c in enumerate(y.tolist()):
            made[n, x.shape[1] + c] = 1.0
        return made

    def caption_loss(self, real, fake, captions):
        n, total = len(real), 0.0
        for i in range(n):
            pairs = [
                (real[i], captions[i], 1.0, 1.0),
                (real[i], captions[(i + 1) % n], 0.0, 0.5),
                (fake[i], captions[i], 0.0, 0.5),
            ]
            for features, caption, label, weight in pairs:
                logit = caption.float() @ self.V @ features.float()
                cost = F.binary_cross_entropy_with_logits(logit, torch.tensor(label))
                total = total + weight * cost / n
        return total


class ConditionalByMatrix:
    """All pairs of images and captions at once; those that count stand on diagonals."""

    def __init__(self, num_classes, V):
        self.eye, self.V = np.eye(num_classes), V.numpy()

    def generator_input(self, z, y):
        return np.hstack([z.numpy(), self.eye[y.numpy()]])

    def discriminator_input(self, x, y):
        ones = np.ones((1, 1, *x.shape[2:]))
        return np.concatenate([x.numpy(), self.eye[y.numpy()][:, :, None, None] * ones], axis=1)

    def caption_loss(self, real, fake, captions):
        t = captions.numpy() @ self.V
        real, fake = t @ real.numpy().T, t @ fake.numpy().T  # (captions, images)
        right, made = np.diag(real), np.diag(fake)
        wrong = np.diag(np.roll(real, -1, axis=0))
        on_fake = 0.5 * np.logaddexp(0, wrong) + 0.5 * np.logaddexp(0, made)
        return np.mean(np.logaddexp(0, -right) + on_fake)


INPUT_MISTAKES = slips(
    Conditional,
    "inputs",
    """
    ConditionalByNumber
    label = F.one_hot(y, self.num_classes).to(z) => label = y[:, None].to(z)
    planes = F.one_hot(y, self.num_classes).to(x) => planes = y[:, None].to(x)
    You append the number of the class: that would put an order on the classes, and 0 would look
    like none.

    ConditionalLabelFirst
    torch.cat([z, label], dim=1) => torch.cat([label, z], dim=1)
    torch.cat([x, planes], dim=1) => torch.cat([planes, x], dim=1)
    The label stands in front: noise and image come first, the label after them.

    ConditionalLabelsShifted
    label = F.one_hot(y, self => label = F.one_hot((y + 1) % self.num_classes, self
    planes = F.one_hot(y, self => planes = F.one_hot((y + 1) % self.num_classes, self
    Your labels are shifted by one: classes count from 0.

    ConditionalPlanesScaled
    .expand(-1, -1, *x.shape[2:]) => .expand(-1, -1, *x.shape[2:]) / x[0, 0].numel()
    You spread the 1 over the pixels: each entry of the class's plane is 1.

    ConditionalOnePixel
    .expand(-1, -1, *x.shape[2:]) => * corner(x)
    Your label stands in one corner only: every pixel of the class's plane is 1, so that each
    patch knows the class.

    ConditionalPlanesByBatch
    planes[:, :, None, None] => planes.flip(0)[:, :, None, None]
    The planes of your batch are in another order than the images.

    ConditionalLabelAdded
    torch.cat([x, planes], dim=1) => torch.cat([x + planes[:, : x.shape[1]], planes], dim=1)
    The image's own channels have to stay as they are.

    ConditionalInverted
    label = F => label = 1 - F
    planes = F => planes = 1 - F
    Your labels are inverted: 1 for the class of the row, 0 for all the others.
    """,
)
CAPTION_MISTAKES = slips(
    Conditional,
    "captions",
    """
    ConditionalNoWrongPairs
    (on_wrong + on_made) / 2 => on_made
    Real images with the caption of another image make no difference: without them nothing makes
    the discriminator read.

    ConditionalNoFakes
    (on_wrong + on_made) / 2 => on_wrong
    The fakes make no difference to your loss.

    ConditionalNoHalf
    (on_wrong + on_made) / 2 => (on_wrong + on_made)
    The two kinds of fakes count half each: their 1/2 is missing.

    ConditionalWrongAsReal
    F.softplus(wrong).mean() => F.softplus(-wrong).mean()
    A real image with a wrong caption is to be called fake: your label for it is 1.

    ConditionalLabelsSwapped
    softplus(wrong).mean(), F.softplus(made) => softplus(-wrong).mean(), F.softplus(-made)
    F.softplus(-right) => F.softplus(right)
    The labels are swapped: only a real image with its own caption has the label 1.

    ConditionalWrongFakes
    wrong, made = self.score(real, other) => wrong, made = self.score(fake, other)
    The wrong captions belong to real images: a fake with a wrong caption teaches nothing.

    ConditionalFakesMismatched
    self.score(fake, captions) => self.score(fake, other)
    The fakes were made for their own captions: judge them with those.

    ConditionalRolledBack
    captions.roll(-1, 0) => captions.roll(1, 0)
    Your wrong caption is that of the row before: the one of the next row is asked.

    ConditionalUnreadCaption
    (captions * (features @ self.V.T)).sum(1) => (features @ self.V.T).sum(1)
    The captions make no difference to your logits: the logit is t V phi.

    ConditionalSigmoidTwice
    self.V.T)).sum(1) => self.V.T)).sum(1).sigmoid()
    The sigmoid is applied twice: what t V phi gives is a logit.

    ConditionalMeanScore
    (captions * (features @ self.V.T)).sum(1) => (captions * (features @ self.V.T)).mean(1)
    You average inside the logit: it is a sum over the entries of the caption.

    ConditionalSummed
    return F.softplus(-right) => return len(real) * (F.softplus(-right)
    (on_wrong + on_made) / 2 => (on_wrong + on_made) / 2)
    You add up over the batch: the loss is a mean.
    """,
)


def corner(x):
    """A plane with a single 1."""
    plane = torch.zeros_like(x[:1, :1])
    plane[..., 0, 0] = 1
    return plane


def draw_labelled(rng):
    """Four classes, images of two channels and 2 x 3 pixels; no class is its own successor's."""
    y = rng.permutation(4)[:3]
    calls = [
        ["generator_input", {"z": signed(rng, 0.2, 2, 3, 2), "y": y}],
        ["discriminator_input", {"x": grid(rng, 0.1, 0.9, 3, 2, 2, 3), "y": y}],
    ]
    return {"init": {"num_classes": 4, "V": signed(rng, 0.2, 1, 2, 2)}, "calls": calls}


def draw_captions(rng):
    call = {k: signed(rng, 0.3, 1.5, 3, 2) for k in ("real", "fake")}
    call["captions"] = signed(rng, 0.3, 1.5, 3, 3)
    init = {"num_classes": 3, "V": signed(rng, 0.3, 1.2, 3, 2)}
    return {"init": init, "calls": [["caption_loss", call]]}


CONDITIONS = Exercise(
    id="conditions",
    answer="Conditional",
    kind="class",
    title="Telling both players what to draw",
    minutes=25,
    reference=Conditional,
    tests=[
        Test(
            "inputs",
            1,
            telling_declared("inputs", draw_labelled, Conditional, 0.05, INPUT_MISTAKES),
        ),
        Test(
            "captions",
            1,
            telling_declared("captions", draw_captions, Conditional, 0.01, CAPTION_MISTAKES),
        ),
    ],
    mistakes=[*INPUT_MISTAKES, *CAPTION_MISTAKES],
    wrong=[],
    right=[ConditionalByLoops, ConditionalByMatrix],
    discouraged=("gencourse.gan.ConditionalGAN",),
)


# --- 9. info-bound ----------------------------------------------------------------------


def info_bound(logits, codes, prior):
    log_q = F.log_softmax(logits, dim=1)
    fit = log_q[range(len(codes)), codes].mean()
    entropy = -(prior * prior.log()).sum()
    return fit + entropy


def info_bound_by_cross_entropy(logits, codes, prior):
    return torch.distributions.Categorical(prior).entropy() - F.cross_entropy(logits, codes)


def info_bound_by_loop(logits, codes, prior):
    """Row by row in single precision, with probabilities."""
    total = 0.0
    for row, c in zip(logits.float(), codes.tolist(), strict=True):
        q = torch.exp(row - row.max())
        total = total + torch.log(q[c] / q.sum()) / len(codes)
    return total + float(np.sum([p * np.log(1 / p) for p in prior.tolist()]))


UNIFORM_MISTAKES = slips(
    info_bound,
    "uniform-code",
    """
    info_no_entropy
    return fit + entropy => return fit
    Your bound is always negative, and mutual information never is: H(c) is missing.

    info_entropy_taken_off
    return fit + entropy => return fit - entropy
    H(c) is added to E log Q(c|x), not taken off.

    info_loss
    return fit + entropy => return -fit - entropy
    The sign is reversed: the bound itself is asked, not what a network minimises.

    info_fit_taken_off
    return fit + entropy => return entropy - fit
    E log Q(c|x) is added to H(c): it is negative already.

    info_logits
    F.log_softmax(logits, dim=1) => logits
    You use the logits of Q as if they were its log-probabilities: a log-softmax is missing.

    info_softmax_twice
    F.log_softmax(logits, dim=1) => F.log_softmax(logits.softmax(1), dim=1)
    There is a softmax too many: a function that takes logits applies its own.

    info_probability
    F.log_softmax(logits, dim=1) => F.softmax(logits, dim=1)
    You average the probability of the code: its logarithm is asked.

    info_of_batch
    F.log_softmax(logits, dim=1) => F.log_softmax(logits, dim=0)
    Your softmax runs over the batch: it runs over the codes of one x.

    info_best_guess
    fit = log_q[range(len(codes)), codes].mean() => fit = log_q.max(1).values.mean()
    You take the code that Q likes best: the one from which x was made is asked.

    info_summed
    fit = log_q[range(len(codes)), codes].mean() => fit = log_q[range(len(codes)), codes].sum()
    You add up over the batch: E log Q(c|x) is a mean.

    info_all_codes
    fit = log_q[range(len(codes)), codes].mean() => fit = log_q.mean()
    You average over all codes: only the one from which x was made counts.

    info_bits
    return fit + entropy => return (fit + entropy) / math.log(2)
    Your bound is in bits: nats are asked.
    """,
)
PRIOR_MISTAKES = slips(
    info_bound,
    "any-prior",
    """
    info_uniform_entropy
    entropy = -(prior * prior.log()).sum() => entropy = math.log(len(prior))
    Your H(c) is that of a uniform code: use the prior.

    info_unweighted_entropy
    prior * prior.log()).sum() => prior.log()).mean()
    In H(c) each -log p(c) counts with its probability.

    info_entropy_of_batch
    entropy = -(prior * prior.log()).sum() => entropy = -prior[codes].log().mean()
    You estimate H(c) from the batch: the prior is known, so take its entropy.

    info_reweighted
    fit = log_q[ => fit = (prior[codes] * log_q[
    codes].mean() => codes]).sum()
    You weight the rows with the prior: the codes were drawn from it already, so take the mean.

    info_posterior
    log_q = F.log_softmax(logits, dim=1) => log_q = F.log_softmax(logits + prior.log(), dim=1)
    You multiply Q by the prior: its logits are those of Q(c|x) itself.
    """,
)
INFO_WRONG = [Wrong(UNIFORM_MISTAKES[0].answer, test="any-prior")]


def draw_uniform_code(rng, prior=None):
    """Codes that Q often, not always, guesses."""
    prior = np.full(10, 0.1) if prior is None else prior
    logits = signed(rng, 0.2, 2.0, 4, len(prior))
    codes = rng.choice(len(prior), size=4, replace=False)
    logits[range(4), codes] += np.array([3.0, 2.5, 2.0, -1.0])
    return {"logits": np.round(logits, 2), "codes": codes, "prior": prior}


def draw_any_prior(rng):
    return draw_uniform_code(rng, simplex(rng, 5))


INFO_PARTS = with_gradients("logits")
INFO = Exercise(
    id="info-bound",
    answer="info_bound",
    kind="gradient",
    wrt=("logits",),
    title="What a code says about its image",
    minutes=20,
    reference=info_bound,
    atol=1e-5,
    tests=[
        Test(
            "uniform-code",
            1,
            telling_declared(
                "uniform-code",
                draw_uniform_code,
                info_bound,
                0.01,
                UNIFORM_MISTAKES,
                compared=INFO_PARTS,
            ),
            properties=[
                {
                    "name": "at_most",
                    "key": "value",
                    "value": math.log(10),
                    "says": "ten codes carry at most log 10 nats",
                }
            ],
        ),
        Test(
            "any-prior",
            1,
            telling_declared(
                "any-prior",
                draw_any_prior,
                info_bound,
                0.01,
                PRIOR_MISTAKES,
                INFO_WRONG,
                compared=INFO_PARTS,
            ),
        ),
    ],
    mistakes=[*UNIFORM_MISTAKES, *PRIOR_MISTAKES],
    wrong=INFO_WRONG,
    right=[info_bound_by_cross_entropy, info_bound_by_loop],
    discouraged=("gencourse.gan.InfoGAN",),
)


# --- 10. f-bound ------------------------------------------------------------------------


def f_bound(p, q, outputs, divergence):
    if divergence == "kl":
        T, conjugate = outputs, torch.exp(outputs - 1)
        exact = (p * (p / q).log()).sum()
        best = 1 + (p / q).log()
    else:
        T = -torch.exp(-outputs)
        conjugate = -1 - torch.log(-T)
        exact = (q * (q / p).log()).sum()
        best = -q / p
    bound = (p * T).sum() - (q * conjugate).sum()
    return {"bound": bound, "divergence": exact, "best": best}


def f_bound_by_search(p, q, outputs, divergence):
    """The conjugate found as what it is, the largest of u t - f(u), by Newton's method."""
    kl = divergence == "kl"
    T = outputs if kl else -torch.exp(-outputs)
    v = torch.zeros_like(T)  # u = exp(v)
    for _ in range(200):
        slope = T - (1 + v) if kl else T + torch.exp(-v)
        curve = -torch.ones_like(v) if kl else -torch.exp(-v)
        v = v - (slope / curve).clamp(-0.5, 0.5)
    u = torch.exp(v)
    conjugate = u * T - (u * torch.log(u) if kl else -torch.log(u))
    ratio = p / q
    f, slope = (ratio * ratio.log(), 1 + ratio.log()) if kl else (-ratio.log(), -1 / ratio)
    return {"bound": p @ T - q @ conjugate, "divergence": q @ f, "best": slope}


def f_bound_by_numpy(p, q, outputs, divergence):
    """Single precision; for the reverse KL the conjugate written out, f*(g(v)) = v - 1."""
    p, q, v = (np.float32(t) for t in (p, q, outputs))
    if divergence == "kl":
        bound = np.sum(p * v) - np.sum(q * np.exp(v)) / np.e
        exact = np.sum(p * np.log(p / q))
        return {"bound": bound, "divergence": exact, "best": np.log(np.e * p / q)}
    bound = 1 - np.sum(p * np.exp(-v)) - np.sum(q * v)
    return {"bound": bound, "divergence": -np.sum(q * np.log(p / q)), "best": -q / p}


KL_BOUND_MISTAKES = slips(
    f_bound,
    "kl",
    """
    bound_no_conjugate
    T, conjugate = outputs, torch.exp(outputs - 1) => T, conjugate = outputs, outputs
    Your second term is E_q T, as in the Wasserstein game: here it holds the conjugate f*(T).

    bound_donsker
    T, conjugate = outputs, torch.exp(outputs - 1) => T, conjugate = outputs, torch.exp(outputs)
    Your conjugate is exp(t): the largest value of u t - u log u is exp(t - 1), at u = exp(t - 1).

    bound_f_itself
    torch.exp(outputs - 1) => torch.xlogy(outputs, outputs.abs())
    You put T into f: the conjugate f* belongs there.

    bound_p_and_q_swapped
    (p * T).sum() - (q * conjugate).sum() => (q * T).sum() - (p * conjugate).sum()
    p and q are swapped in the bound: T is averaged under the data's p, f*(T) under the model's q.

    bound_negative
    bound = (p * T).sum() - (q * conjugate).sum() => bound = (q * conjugate).sum() - (p * T).sum()
    The sign of the bound is reversed: that is what the discriminator minimises.

    bound_added
    bound = (p * T).sum() - => bound = (p * T).sum() +
    The conjugate is taken off, not added.

    bound_means
    (p * T).sum() - (q * conjugate).sum() => (p * T).mean() - (q * conjugate).mean()
    You average over the states: the probabilities are the weights already.

    bound_log_ratio
    best = 1 + (p / q).log() => best = (p / q).log()
    The best T is f'(p/q): the derivative of u log u is 1 + log u.

    bound_ratio
    best = 1 + (p / q).log() => best = p / q
    You return the ratio p/q: the best T is f' there.

    bound_best_of_other
    best = 1 + (p / q).log() => best = 1 + (q / p).log()
    The ratio is upside down: f' is taken at p/q.

    bound_divergence_reversed
    exact = (p * (p / q).log()).sum() => exact = (q * (q / p).log()).sum()
    Your divergence is KL(q || p): with f(u) = u log u, the sum of q f(p/q) is KL(p || q).
    """,
)
REVERSE_BOUND_MISTAKES = slips(
    f_bound,
    "reverse-kl",
    """
    reverse_no_activation
    conjugate = -1 - torch.log(-T) => T, conjugate = outputs, -1 - torch.log(outputs.abs())
    You use the output itself as T: f* is finite for negative t only, so T = g(v) = -exp(-v).

    reverse_activation_sign
    T = -torch.exp(-outputs) => T = -torch.exp(outputs)
    The activation is g(v) = -exp(-v): a larger output has to mean a larger T.

    reverse_no_one
    -1 - torch.log(-T) => -torch.log(-T)
    Your conjugate lacks a -1: put u = -1/t into u t + log u.

    reverse_plus_one
    -1 - torch.log(-T) => 1 - torch.log(-T)
    Your conjugate has the wrong constant: u t is -1 at the best u.

    reverse_log_sign
    -1 - torch.log(-T) => -1 + torch.log(-T)
    Your conjugate has the wrong sign in front of its logarithm: log u is log(-1/t).

    reverse_kl_conjugate
    conjugate = -1 - torch.log(-T) => conjugate = torch.exp(T - 1)
    That is the conjugate of u log u: for f(u) = -log u find the largest u t + log u again.

    reverse_best_ratio
    best = -q / p => best = -p / q
    The ratio is upside down: the derivative of -log u is -1/u, and u is p/q.

    reverse_best_sign
    best = -q / p => best = q / p
    The sign of the best T is wrong: the derivative of -log u is -1/u.

    reverse_forward
    exact = (q * (q / p).log()).sum() => exact = (p * (p / q).log()).sum() * 1
    Your divergence is KL(p || q): with f(u) = -log u, the sum of q f(p/q) is KL(q || p).

    reverse_signed
    exact = (q * (q / p).log()).sum() => exact = (q * (p / q).log()).sum()
    Your divergence is negative: look at the sign of f.
    """,
)
F_WRONG = [
    Wrong(KL_BOUND_MISTAKES[3].answer, test="reverse-kl"),
    Wrong(KL_BOUND_MISTAKES[4].answer, test="reverse-kl"),
]


def draw_f(rng, divergence):
    return {
        "p": simplex(rng, 4),
        "q": simplex(rng, 4),
        "outputs": signed(rng, 0.3, 1.5, 4),
        "divergence": divergence,
    }


def draw_kl_bound(rng):
    return draw_f(rng, "kl")


def draw_reverse_bound(rng):
    return draw_f(rng, "reverse-kl")


F_BOUND = Exercise(
    id="f-bound",
    answer="f_bound",
    kind="function",
    title="One game for each divergence",
    minutes=30,
    reference=f_bound,
    atol=1e-5,
    tests=[
        Test("kl", 1, telling_declared("kl", draw_kl_bound, f_bound, 0.01, KL_BOUND_MISTAKES)),
        Test(
            "reverse-kl",
            1,
            telling_declared(
                "reverse-kl", draw_reverse_bound, f_bound, 0.01, REVERSE_BOUND_MISTAKES, F_WRONG
            ),
        ),
    ],
    mistakes=[*KL_BOUND_MISTAKES, *REVERSE_BOUND_MISTAKES],
    wrong=F_WRONG,
    right=[f_bound_by_search, f_bound_by_numpy],
    discouraged=("gencourse.losses.f_gan_loss",),
)


# --- 11. two-samples --------------------------------------------------------------------


def distance_of_samples(x, y, measure, bandwidth):
    n, m = len(x), len(y)
    if measure == "frechet":
        gap = (x.mean(0) - y.mean(0)).square().sum()
        a, b = covariance(x), covariance(y)
        root = matrix_root(a)
        both = matrix_root(root @ b @ root).trace()  # the trace of (ab)^(1/2), too
        return gap + a.trace() + b.trace() - 2 * both
    xx, yy, xy = (kernel(u, v, bandwidth) for u, v in ((x, x), (y, y), (x, y)))
    of_x, of_y = distinct(xx) / (n * n - n), distinct(yy) / (m * m - m)
    return of_x + of_y - 2 * xy.mean()


def covariance(x):
    return torch.cov(x.T)


def matrix_root(a):
    """The root of a symmetric matrix."""
    values, vectors = torch.linalg.eigh(a)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def kernel(x, y, bandwidth):
    squares = (x[:, None] - y[None]).square().sum(2)
    return torch.exp(-squares / (2 * bandwidth**2))


def distinct(pairs):
    """The sum over pairs of different points."""
    return pairs.sum() - pairs.trace()


def laplace(x, y, bandwidth):
    """A kernel of the distance itself."""
    return torch.exp(-(x[:, None] - y[None]).square().sum(2).sqrt() / (2 * bandwidth**2))


def distance_by_scipy(x, y, measure, bandwidth):
    from scipy.linalg import sqrtm
    from scipy.spatial.distance import cdist, pdist

    x, y = x.numpy(), y.numpy()
    if measure == "frechet":
        a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
        cross = np.trace(np.real(sqrtm(a @ b)))
        return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a) + np.trace(b) - 2 * cross
    parts = [pdist(x), pdist(y), cdist(x, y)]
    xx, yy, xy = (np.exp(-(d**2) / (2 * bandwidth**2)).mean() for d in parts)
    return xx + yy - 2 * xy


def distance_by_loops(x, y, measure, bandwidth):
    """The covariances' roots by singular values; pairs one by one; single precision."""
    x, y = x.float(), y.float()
    if measure == "frechet":
        a, b = x - x.mean(0), y - y.mean(0)
        a, b = a / (len(a) - 1) ** 0.5, b / (len(b) - 1) ** 0.5
        spread = (a**2).sum() + (b**2).sum() - 2 * torch.linalg.svdvals(a @ b.T).sum()
        return ((x.mean(0) - y.mean(0)) ** 2).sum() + spread

    def mean(pairs):
        pairs = list(pairs)
        total = sum(math.exp(-float(((a - b) ** 2).sum()) / 2 / bandwidth**2) for a, b in pairs)
        return total / len(pairs)

    inside = [
        mean((v[i], v[j]) for i in range(len(v)) for j in range(len(v)) if i != j) for v in (x, y)
    ]
    return sum(inside) - 2 * mean((a, b) for a in x for b in y)


FRECHET_MISTAKES = slips(
    distance_of_samples,
    "frechet",
    """
    frechet_no_root
    matrix_root(root @ b @ root) => (a @ b)
    Your last term is the trace of the product: the trace of the product's square root is asked.

    frechet_elementwise_root
    matrix_root(root @ b @ root) => (a @ b).abs().sqrt()
    You take the root of each entry of the product: the square root of a matrix is another thing.

    frechet_diagonal
    matrix_root(root @ b @ root) => (a.diag() * b.diag()).sqrt().diag()
    You use the variances alone, as if the features were not correlated.

    frechet_two_roots
    matrix_root(root @ b @ root) => (root @ matrix_root(b))
    You multiply the roots of the two covariances: the root of their product is another matrix.

    frechet_root_of_trace
    matrix_root(root @ b @ root).trace() => (a @ b).trace().sqrt()
    You take the root of the trace: first the root of the matrix, then its trace.

    frechet_no_two
    - 2 * both => - both
    The factor 2 of the last term is missing: for equal samples your distance is not 0.

    frechet_plus
    - 2 * both => + 2 * both
    The last term is taken off, not added.

    frechet_no_root_term
    - 2 * both => - 0 * both
    The last term is missing: for equal samples your distance is not 0.

    frechet_rooted
    return gap => return (gap
    - 2 * both => - 2 * both).sqrt()
    You take the root of the whole: this distance is left squared.

    frechet_no_means
    return gap => return 0 * gap
    The means make no difference to your distance.

    frechet_means_only
    + a.trace() + b.trace() - 2 * both =>
    The covariances make no difference to your distance.

    frechet_norm_of_means
    return gap => return gap.sqrt()
    The distance of the means enters squared.

    frechet_by_n
    covariance(x), covariance(y) => covariance(x) * (n - 1) / n, covariance(y) * (m - 1) / m
    Your covariances divide by N: here they divide by N - 1.

    frechet_not_centred
    covariance(x), covariance(y) => x.T @ x / (n - 1), y.T @ y / (m - 1)
    Your covariances are not centred: take the mean off first.

    frechet_of_differences
    a.trace() + b.trace() - 2 * both => (a - b).square().sum() + 0 * both
    You add the squared difference of the covariances: look at the last three terms again.
    """,
)
MMD_MISTAKES = slips(
    distance_of_samples,
    "mmd",
    """
    mmd_biased
    distinct(xx) / (n * n - n), distinct(yy) / (m * m - m) => xx.mean(), yy.mean()
    Your estimate is biased: the pairs of a point with itself do not count, or two samples from one
    distribution look apart.

    mmd_half_biased
    distinct(xx) / (n * n - n), distinct(yy) => xx.sum() / (n * n - n), yy.sum()
    You divide by the number of pairs without the points themselves, and add those up as well.

    mmd_other_half_biased
    (n * n - n), distinct(yy) / (m * m - m) => n**2, distinct(yy) / m**2
    You leave out the pairs of a point with itself and divide by N^2 all the same.

    mmd_no_two
    - 2 * xy.mean() => - xy.mean()
    The pairs across the samples count twice: the factor 2 is missing.

    mmd_plus
    - 2 * xy.mean() => + 2 * xy.mean()
    The kernel across the samples is taken off: similar samples are near.

    mmd_bandwidth
    kernel(u, v, bandwidth) => kernel(u, v, bandwidth / math.sqrt(2))
    Your kernel is too narrow: the squared distance is divided by 2 h^2.

    mmd_variance
    kernel(u, v, bandwidth) => kernel(u, v, math.sqrt(bandwidth))
    You divide by 2 h: the bandwidth enters squared, as a standard deviation does.

    mmd_not_squared
    kernel(u, v, bandwidth) => laplace(u, v, bandwidth)
    The distance enters the kernel squared.

    mmd_clamped
    of_x + of_y - 2 * xy.mean() => (of_x + of_y - 2 * xy.mean()).clamp(min=0)
    You clip the estimate at 0: unbiased, it has to be negative now and then.

    mmd_absolute
    of_x + of_y - 2 * xy.mean() => (of_x + of_y - 2 * xy.mean()).abs()
    You make the estimate positive: unbiased, it has to be negative now and then.

    mmd_sums
    xy.mean() => xy.sum()
    You add up over the pairs across the samples: take their mean.

    mmd_x_alone
    of_x + of_y => 2 * of_x
    The pairs within y make no difference to your estimate.
    """,
)


def draw_features(rng):
    """Features that are correlated, in one sample otherwise than in the other."""
    x = np.round(rng.normal(size=(8, 3)) @ signed(rng, 0.3, 1.2, 3, 3), 2)
    y = np.round(rng.normal(size=(7, 3)) @ signed(rng, 0.3, 1.2, 3, 3) + signed(rng, 0.4, 1, 3), 2)
    return {"x": x, "y": y, "measure": "frechet", "bandwidth": 1.0}


def draw_alike(rng):
    """Two samples of one distribution, for which the unbiased estimate is negative."""
    x, y = signed(rng, 0.1, 1.6, 4, 2), signed(rng, 0.1, 1.6, 5, 2)
    call = {"x": x, "y": y, "measure": "mmd", "bandwidth": float(rng.choice([0.7, 1.4]))}
    return call if run(distance_of_samples, call) < -0.03 else None


TWO_SAMPLES = Exercise(
    id="two-samples",
    answer="distance_of_samples",
    kind="function",
    title="How far are the fakes from the data?",
    minutes=30,
    reference=distance_of_samples,
    rtol=3e-4,
    atol=1e-5,
    tests=[
        Test(
            "frechet",
            1,
            telling_declared(
                "frechet", draw_features, distance_of_samples, 0.02, FRECHET_MISTAKES
            ),
            properties=[{"name": "nonnegative", "says": "a Fréchet distance is never negative"}],
        ),
        Test(
            "mmd", 1, telling_declared("mmd", draw_alike, distance_of_samples, 0.01, MMD_MISTAKES)
        ),
    ],
    mistakes=[*FRECHET_MISTAKES, *MMD_MISTAKES],
    wrong=[],
    right=[distance_by_scipy, distance_by_loops],
    discouraged=(
        "gencourse.evaluate.frechet_distance",
        "gencourse.evaluate.two_sample_test",
    ),
)


# --- 12. truncation ---------------------------------------------------------------------


def truncated_styles(uniforms, limit, M, m, mean_w, psi, crossover, num_layers):
    t = torch.tensor(limit, dtype=uniforms.dtype)
    low, high = torch.special.ndtr(-t), torch.special.ndtr(t)
    z = torch.special.ndtri(low + (high - low) * uniforms)  # (2, B, K)
    w = torch.tanh(z @ M.T + m)  # (2, B, W)
    w = mean_w + psi * (w - mean_w)
    coarse = torch.arange(num_layers)[:, None] < crossover
    styles = torch.where(coarse, w[0][:, None], w[1][:, None])  # (B, L, W)
    return {"z": z, "styles": styles}


def truncated_styles_by_scipy(uniforms, limit, M, m, mean_w, psi, crossover, num_layers):
    from scipy.stats import truncnorm

    z = truncnorm.ppf(uniforms.numpy(), -limit, limit)
    w = np.tanh(z @ M.numpy().T + m.numpy())
    w = (1 - psi) * mean_w.numpy() + psi * w
    source = [0 if layer < crossover else 1 for layer in range(num_layers)]
    return {"z": z, "styles": np.swapaxes(w[source], 0, 1)}


def truncated_styles_by_loops(uniforms, limit, M, m, mean_w, psi, crossover, num_layers):
    """Python's own normal distribution; one image and one layer at a time; single precision."""
    from statistics import NormalDist

    normal = NormalDist()
    p = normal.cdf(limit)
    z = uniforms.clone().apply_(lambda u: normal.inv_cdf((1 - p) + u * (2 * p - 1)))
    styles = []
    for a, b in zip(z[0], z[1], strict=True):
        first, second = (torch.tanh(M @ v + m).float() for v in (a, b))
        pulled = [torch.lerp(mean_w.float(), v, psi) for v in (first, second)]
        rows = [pulled[0]] * crossover + [pulled[1]] * (num_layers - crossover)
        styles.append(torch.stack(rows))
    return {"z": z.float(), "styles": torch.stack(styles)}


LATENT_MISTAKES = slips(
    truncated_styles,
    "latents",
    """
    latents_clamped
    ndtri(low + (high - low) * uniforms) => ndtri(uniforms).clamp(-limit, limit)
    You move what lies outside onto the border: truncated, the normal has its shape inside and no
    heap at the ends.

    latents_not_truncated
    ndtri(low + (high - low) * uniforms) => ndtri(uniforms)
    The limit makes no difference to your z: all of them have to lie within it.

    latents_scaled
    ndtri(low + (high - low) * uniforms) => ndtri(uniforms) * limit
    You shrink the normal: that is a normal with another standard deviation, which still has no
    limit.

    latents_uniform
    torch.special.ndtri(low + (high - low) * uniforms) => t * (2 * uniforms - 1)
    You spread z evenly between the limits: inside them it has the shape of the normal.

    latents_one_side
    (low + (high - low) * uniforms) => (high * uniforms)
    You cut off the upper end only: z lies between -limit and limit.

    latents_from_the_middle
    (low + (high - low) * uniforms) => (0.5 + (high - 0.5) * uniforms)
    Your z are all positive: they lie between -limit and limit.

    latents_no_offset
    low + (high - low) * uniforms => (high - low) * uniforms
    u = 0 belongs to -limit: the probability below it has to be added.

    latents_reversed
    low + (high - low) * uniforms => high - (high - low) * uniforms
    You run from the upper limit down: a larger u gives a larger z.

    latents_are_probabilities
    torch.special.ndtri(low + (high - low) * uniforms) => (low + (high - low) * uniforms)
    You stop at the probability below z: the inverse of the distribution function is missing.
    """,
)
STYLE_MISTAKES = slips(
    truncated_styles,
    "styles",
    """
    styles_about_zero
    w = mean_w + psi * (w - mean_w) => w = psi * w
    You pull the styles towards 0: truncation pulls them towards the mean of w, where the average
    image is.

    styles_about_batch
    w = mean_w + psi * (w - mean_w) => w = w.mean(1, True) + psi * (w - w.mean(1, True))
    You pull the styles towards the mean of this batch: the mean over many z is given.

    styles_mean_added
    w = mean_w + psi * (w - mean_w) => w = mean_w + psi * w
    You add the mean without taking it off first: with psi = 1 nothing may change.

    styles_mean_lost
    w = mean_w + psi * (w - mean_w) => w = psi * (w - mean_w)
    The mean that you took off is not added again.

    styles_other_way
    w = mean_w + psi * (w - mean_w) => w = w + psi * (mean_w - w)
    Your psi works the other way round: with psi = 0 all images are the mean one, with psi = 1
    nothing changes.

    styles_not_negative
    psi * (w - mean_w) => abs(psi) * (w - mean_w)
    The sign of psi makes no difference: a negative psi goes to the other side of the mean.

    styles_clipped
    psi * (w - mean_w) => max(psi, 0) * (w - mean_w)
    You stop at psi = 0: a negative psi goes to the other side of the mean.

    styles_of_scaled_noise
    torch.tanh(z @ M.T + m) => torch.tanh(psi * z @ M.T + m)
    w = mean_w + psi * (w - mean_w) => w = w * 1
    You scale z: this truncation happens after the mapping, in w.

    styles_of_one
    w[0][:, None], w[1][:, None] => w[0][:, None], w[0][:, None]
    The second source makes no difference: the layers from the crossover on are its own.

    styles_swapped
    w[0][:, None], w[1][:, None] => w[1][:, None], w[0][:, None]
    The sources are swapped: the coarse layers, before the crossover, come from the first.

    styles_one_layer_more
    [:, None] < crossover => [:, None] <= crossover
    Your crossover is one layer late: layer `crossover` is the first of the second source.

    styles_averaged
    torch.where(coarse, w[0][:, None], w[1][:, None]) => (0 * coarse + w.mean(0)[:, None])
    You average the two sources: each layer has the style of one of them.

    styles_truncated_coarse
    w = mean_w + psi * (w - mean_w) => w = torch.stack([mean_w + psi * (w[0] - mean_w), w[1]])
    You truncate the first source only.
    """,
)


def draw_truncation(rng):
    num_layers = 4
    return {
        "uniforms": grid(rng, 0.02, 0.98, 2, 3, 2),
        "limit": float(rng.choice([0.5, 0.8, 1.3])),
        "M": signed(rng, 0.3, 1.0, 3, 2),
        "m": signed(rng, 0.1, 0.5, 3),
        "mean_w": signed(rng, 0.2, 0.6, 3),
        "psi": 1.0,
        "crossover": num_layers,
        "num_layers": num_layers,
    }


def draw_styles(rng):
    """No limit for z, and a psi on the other side of the mean."""
    call = draw_truncation(rng)
    psi = -float(rng.choice([0.3, 0.6, 0.8]))
    return call | {"limit": math.inf, "psi": psi, "crossover": int(rng.integers(1, 4))}


def half_way():
    """A psi as in the paper, and limits that most z keep anyway."""
    call = draw_truncation(np.random.default_rng(3))
    return call | {"limit": 2.0, "psi": 0.7, "crossover": 2}


TRUNCATION = Exercise(
    id="truncation",
    answer="truncated_styles",
    kind="sampler",
    title="Truncation, twice, and mixed styles",
    minutes=25,
    reference=truncated_styles,
    atol=1e-5,
    tests=[
        Test(
            "latents",
            1,
            telling_declared("latents", draw_truncation, truncated_styles, 0.02, LATENT_MISTAKES),
        ),
        Test(
            "styles",
            1,
            telling_declared("styles", draw_styles, truncated_styles, 0.02, STYLE_MISTAKES),
            fixed=[half_way()],
        ),
    ],
    mistakes=[*LATENT_MISTAKES, *STYLE_MISTAKES],
    wrong=[],
    right=[truncated_styles_by_scipy, truncated_styles_by_loops],
    discouraged=("gencourse.gan.StyleGenerator", "scipy.stats.truncnorm"),
)


# --- 13. in-between ---------------------------------------------------------------------


def enlarged(x):
    """Each pixel becomes a block of 2 x 2."""
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


class Between:
    def slerp(self, a, b, t):
        cosine = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
        omega = cosine.clamp(-1, 1).acos()[:, None]
        near = omega < 1e-6
        safe = torch.where(near, 1.0, omega)
        on_a, on_b = ((1 - t) * safe).sin() / safe.sin(), (t * safe).sin() / safe.sin()
        return torch.where(near, (1 - t) * a + t * b, on_a * a + on_b * b)

    def fade_in(self, small, large, alpha):
        old = enlarged(small)
        return (1 - alpha) * old + alpha * large


class BetweenByRotation:
    """Rotate from a in the plane of a and b; torch's own nearest neighbours."""

    def slerp(self, a, b, t):
        rows = []
        for u, v in zip(a, b, strict=True):
            e = u / u.norm()
            across = v / v.norm() - (v / v.norm() @ e) * e
            if across.norm() < 1e-6:
                rows.append(torch.lerp(u, v, t))
                continue
            f = across / across.norm()
            angle = torch.atan2(v @ f, v @ e)
            share_b = torch.sin(t * angle) / torch.sin(angle)
            share_a = torch.cos(t * angle) - torch.cos(angle) * share_b
            rows.append(share_a * u + share_b * v)
        return torch.stack(rows)

    def fade_in(self, small, large, alpha):
        return torch.lerp(F.interpolate(small, scale_factor=2, mode="nearest"), large, alpha)


class BetweenByNumpy:
    """Single precision; np.kron for larger pixels, sinc for an angle that may be 0."""

    def slerp(self, a, b, t):
        a, b = np.float64(a), np.float64(b)
        unit_a, unit_b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
        half = np.linalg.norm(unit_a - unit_b, axis=1, keepdims=True) / 2
        omega = 2 * np.arcsin(half) / np.pi  # np.sinc(x) = sin(pi x) / (pi x)
        on_a = (1 - t) * np.sinc((1 - t) * omega) / np.sinc(omega)
        return np.float32(on_a * a + t * np.sinc(t * omega) / np.sinc(omega) * b)

    def fade_in(self, small, large, alpha):
        old = np.kron(small.numpy(), np.ones((1, 1, 2, 2)))
        return np.float32(old + alpha * (large.numpy() - old))


SLERP_MISTAKES = slips(
    Between,
    "slerp",
    """
    BetweenOnALine
    near = omega < 1e-6 => near = omega > -1
    You go along the straight line: its middle is nearer to 0 than any typical z.

    BetweenReversed
    cosine = (a * b).sum(1) => t = 1 - t; cosine = (a * b).sum(1)
    You go from b to a: t = 0 is a.

    BetweenUnnormalised
    cosine = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)) => cosine = (a * b).sum(1)
    The angle is that between unit vectors: divide by the lengths of a and b.

    BetweenUnitVectors
    on_a * a + on_b * b => on_a * unit(a) + on_b * unit(b)
    You return unit vectors: the lengths of a and b are kept at the ends.

    BetweenNormalisedLine
    on_a * a + on_b * b => unit((1 - t) * a + t * b) * torch.lerp(norm(a), norm(b), t)
    You straighten the line and mend the length: the angle has to grow evenly.

    BetweenNoSine
    / safe.sin(), (t * safe).sin() / safe.sin() => , (t * safe).sin()
    The division by sin(omega) is missing: at t = 0 the answer is a.

    BetweenCosines
    ((1 - t) * safe).sin() / safe.sin() => (t * safe).cos()
    The weight of a is sin((1 - t) omega) / sin(omega): yours belongs to a vector at a right angle.

    BetweenSmallAngles
    ((1 - t) * safe).sin() / safe.sin() => (safe - (t * safe).sin()) / safe.sin()
    The weight of a is sin((1 - t) omega) / sin(omega): sines do not add up as angles do.

    BetweenAngleOfBatch
    .acos()[:, None] => .mean().acos().expand(len(a), 1)
    You use one angle for the whole batch: each row has its own.
    """,
)
FADE_MISTAKES = slips(
    Between,
    "fade-in",
    """
    BetweenFadedOut
    (1 - alpha) * old + alpha * large => alpha * old + (1 - alpha) * large
    Your alpha works the other way round: at 0 only the small network is seen, at 1 only the large
    one.

    BetweenBilinear
    old = enlarged(small) => old = bilinear(small)
    You smooth while you enlarge: each pixel becomes a block of 2 x 2 equal ones.

    BetweenTiled
    old = enlarged(small) => old = small.repeat(1, 1, 2, 2)
    You put four copies of the small image side by side: each pixel becomes a block of 2 x 2.

    BetweenZeroFilled
    old = enlarged(small) => old = zero_filled(small)
    You leave gaps of 0 between the pixels: each pixel becomes a block of 2 x 2 equal ones.

    BetweenAdded
    (1 - alpha) * old + alpha * large => old + alpha * large
    The old image has to fade while the new one comes: its weight is 1 - alpha.

    BetweenWithoutOld
    (1 - alpha) * old + alpha * large => alpha * large + 0 * old
    The small network makes no difference: at alpha = 0 its image is all that is seen.

    BetweenSquared
    (1 - alpha) * old + alpha * large => math.sqrt(1 - alpha) * old + math.sqrt(alpha) * large
    The weights add up to 1: there are no roots in them.

    BetweenMirrored
    old = enlarged(small) => old = enlarged(small).flip(3)
    Your enlarged image is mirrored.
    """,
)


def unit(v):
    return v / norm(v)


def norm(v):
    return v.norm(dim=1, keepdim=True)


def bilinear(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def zero_filled(x):
    made = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    made[:, :, ::2, ::2] = x
    return made


def draw_directions(rng):
    """Two pairs at a wide angle, of unequal lengths, and one pair in one direction."""
    a, b = signed(rng, 0.3, 1.5, 3, 3), signed(rng, 0.3, 1.5, 3, 3)
    b[2] = 2 * a[2]
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    lengths = np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    if np.abs(cosine[:2]).max() > 0.85 or np.abs(lengths - 1).min() < 0.15:
        return None
    call = {"a": a, "b": b, "t": float(rng.choice([0.2, 0.3, 0.7, 0.8]))}
    return {"init": {}, "calls": [["slerp", call]]}


def draw_fade(rng):
    call = {
        "small": grid(rng, 0, 1, 2, 1, 2, 3),
        "large": grid(rng, 0, 1, 2, 1, 4, 6),
        "alpha": float(rng.choice([0.2, 0.3, 0.7, 0.8])),
    }
    return {"init": {}, "calls": [["fade_in", call]]}


BETWEEN = Exercise(
    id="in-between",
    answer="Between",
    kind="class",
    title="Between two codes, between two networks",
    minutes=20,
    reference=Between,
    atol=1e-5,
    tests=[
        Test(
            "slerp", 1, telling_declared("slerp", draw_directions, Between, 0.02, SLERP_MISTAKES)
        ),
        Test("fade-in", 1, telling_declared("fade-in", draw_fade, Between, 0.02, FADE_MISTAKES)),
    ],
    mistakes=[*SLERP_MISTAKES, *FADE_MISTAKES],
    wrong=[],
    right=[BetweenByRotation, BetweenByNumpy],
    discouraged=("gencourse.gan.ProgressiveGAN", "gencourse.gan.slerp"),
)


# --- 14. unpaired -----------------------------------------------------------------------


def translation_loss(x, y, A, B, judge_x, judge_y, cycle, identity):
    fake_y, fake_x = x @ A.T, y @ B.T
    fooled = (fake_y @ judge_y - 1).square().mean() + (fake_x @ judge_x - 1).square().mean()
    back_x, back_y = fake_y @ B.T, fake_x @ A.T
    back = (back_x - x).abs().mean() + (back_y - y).abs().mean()
    same = (x @ B.T - x).abs().mean() + (y @ A.T - y).abs().mean()
    return fooled + cycle * back + identity * same


def translation_loss_by_torch(x, y, A, B, judge_x, judge_y, cycle, identity):
    """Linear maps and losses of torch."""

    def to_y(points):
        return F.linear(points, A)

    def to_x(points):
        return F.linear(points, B)

    ones = torch.ones(len(x), dtype=x.dtype), torch.ones(len(y), dtype=y.dtype)
    total = F.mse_loss(to_y(x) @ judge_y, ones[0]) + F.mse_loss(to_x(y) @ judge_x, ones[1])
    total = total + cycle * (F.l1_loss(to_x(to_y(x)), x) + F.l1_loss(to_y(to_x(y)), y))
    return total + identity * (F.l1_loss(to_y(y), y) + F.l1_loss(to_x(x), x))


def translation_loss_by_loop(x, y, A, B, judge_x, judge_y, cycle, identity):
    """Both directions with one loop, point by point, in single precision."""
    x, y, A, B, judge_x, judge_y = (v.float() for v in (x, y, A, B, judge_x, judge_y))
    total = 0.0
    for points, there, back, judge in ((x, A, B, judge_y), (y, B, A, judge_x)):
        for p in points:
            cost = (judge @ (there @ p) - 1) ** 2
            cost = cost + cycle * (back @ (there @ p) - p).abs().mean()
            total = total + (cost + identity * (back @ p - p).abs().mean()) / len(points)
    return total


FOOLING_MISTAKES = slips(
    translation_loss,
    "fooling",
    """
    translation_target
    (fake_y @ judge_y - 1).square() => (fake_y @ judge_y).square()
    (fake_x @ judge_x - 1).square() => (fake_x @ judge_x).square()
    Your target for the fakes is 0: the maps want their images taken for real, 1.

    translation_judges_swapped
    fake_y @ judge_y => fake_y @ judge_x
    fake_x @ judge_x => fake_x @ judge_y
    The judges are swapped: what was made from x shall look like a y, so D_Y looks at it.

    translation_judges_real
    fake_y @ judge_y - 1 => y @ judge_y + 0 * fake_y[:, 0] - 1
    fake_x @ judge_x - 1 => x @ judge_x + 0 * fake_x[:, 0] - 1
    You let the discriminators judge real images: no map learns from that.

    translation_one_way
    + (fake_x @ judge_x - 1).square().mean() =>
    With you only the map from X to Y has to fool a discriminator: both maps have to.

    translation_halved
    return fooled => return 0.5 * fooled
    The two squares count in full: there is no 1/2 here.

    translation_logs
    (fake_y @ judge_y - 1).square() => F.softplus(-fake_y @ judge_y)
    (fake_x @ judge_x - 1).square() => F.softplus(-fake_x @ judge_x)
    That is the loss with logarithms: the game is that of least squares.

    translation_fooled_summed
    return fooled + => return len(x) * fooled +
    You add up over the images: all terms are means.

    translation_not_fooled
    return fooled + => return 0 * fooled +
    The discriminators make no difference to your loss.

    translation_detached
    return fooled + => return fooled.detach() +
    The value is right, but the maps learn nothing from the discriminators: their gradient is lost.

    translation_subtracted
    return fooled + => return -fooled +
    The sign of the two squares is reversed: the maps minimise them.
    """,
)
CYCLE_MISTAKES = slips(
    translation_loss,
    "cycle",
    """
    cycle_squared
    back = (back_x - x).abs().mean() => back = F.mse_loss(back_x, x)
    + (back_y - y).abs() => + (back_y - y).square()
    Your cycle loss is squared: the mean absolute difference is asked.

    cycle_one_way
    + (back_y - y).abs().mean() =>
    Your cycle closes in one direction only: there and back from X, and there and back from Y.

    cycle_with_partner
    back = (back_x - x).abs() => back = (fake_y - y).abs()
    + (back_y - y).abs() => + (fake_x - x).abs()
    You compare what was made from x with a y: there are no pairs. Only what comes back can be
    compared.

    cycle_twice_the_same
    back_x, back_y = fake_y @ B.T, fake_x @ A.T => back_x, back_y = fake_y @ A.T, fake_x @ B.T
    You go on with the same map: the other one leads back.

    cycle_compared_crosswise
    back = (back_x - x).abs() => back = (back_x - y).abs()
    + (back_y - y).abs() => + (back_y - x).abs()
    What comes back to X is compared with its own x.

    cycle_summed
    return fooled + cycle * back => return fooled + cycle * back * x.numel()
    You add up over the entries: the differences are averaged over images and entries.

    cycle_over_entries
    return fooled + cycle * back => return fooled + cycle * back * x.shape[1]
    You add up over the entries of an image: the differences are averaged over them, too.

    cycle_half_detached
    fake_y @ B.T, fake_x @ A.T => fake_y.detach() @ B.T, fake_x.detach() @ A.T
    The value is right, and part of the gradient is missing: the way there must learn from what
    comes back, too.

    cycle_weights_swapped
    cycle * back + identity * same => identity * back + cycle * same
    The weights of the cycle and of the identity are swapped.

    cycle_no_identity
    + identity * same =>
    The identity term makes no difference to your loss.

    cycle_only_identity
    + cycle * back =>
    The cycle makes no difference to your loss.

    cycle_identity_of_others
    same = (x @ B.T => same = (x @ A.T
    + (y @ A.T => + (y @ B.T
    The map to Y has to leave a *y* as it is: it is there to change an x.

    cycle_signed
    back = (back_x - x).abs() => back = (back_x - x)
    + (back_y - y).abs() => + (back_y - y)
    Differences of opposite sign cancel in your cycle: the absolute value is missing.
    """,
)
CYCLE_WRONG = [Wrong(FOOLING_MISTAKES[0].answer, test="cycle")]


def draw_fooling(rng, cycle=0.0, identity=0.0):
    return {
        "x": signed(rng, 0.3, 1.5, 3, 2),
        "y": signed(rng, 0.3, 1.5, 3, 2),
        "A": signed(rng, 0.3, 1.3, 2, 2),
        "B": signed(rng, 0.3, 1.3, 2, 2),
        "judge_x": signed(rng, 0.4, 1.2, 2),
        "judge_y": signed(rng, 0.4, 1.2, 2),
        "cycle": cycle,
        "identity": identity,
    }


def draw_cycle(rng):
    """Discriminators that say 0 to everything, so that the other terms are seen alone."""
    call = draw_fooling(rng, float(rng.choice([2.0, 10.0])), float(rng.choice([0.5, 5.0])))
    return call | {"judge_x": np.zeros(2), "judge_y": np.zeros(2)}


CYCLE_WRT = ("A", "B")
CYCLE_PARTS = with_gradients(*CYCLE_WRT)
UNPAIRED = Exercise(
    id="unpaired",
    answer="translation_loss",
    kind="gradient",
    wrt=CYCLE_WRT,
    title="Two maps and no pairs",
    minutes=25,
    reference=translation_loss,
    rtol=2e-4,
    atol=1e-5,
    tests=[
        Test(
            "fooling",
            1,
            telling_declared(
                "fooling",
                draw_fooling,
                translation_loss,
                0.01,
                FOOLING_MISTAKES,
                compared=CYCLE_PARTS,
            ),
        ),
        Test(
            "cycle",
            1,
            telling_declared(
                "cycle",
                draw_cycle,
                translation_loss,
                0.01,
                CYCLE_MISTAKES,
                CYCLE_WRONG,
                compared=CYCLE_PARTS,
            ),
        ),
    ],
    mistakes=[*FOOLING_MISTAKES, *CYCLE_MISTAKES],
    wrong=CYCLE_WRONG,
    right=[translation_loss_by_torch, translation_loss_by_loop],
    discouraged=("gencourse.gan.CycleGAN",),
)


# --- 15. fake-detector ------------------------------------------------------------------


def train_detector(real, fake, l2):
    n, m = len(real), len(fake)
    x, y = torch.cat([real, fake]), torch.cat([torch.ones(n), torch.zeros(m)]).to(real)
    share = torch.cat([torch.full((n,), 1 / n), torch.full((m,), 1 / m)]).to(real)
    x = torch.cat([x, torch.ones(n + m, 1, dtype=x.dtype)], 1)
    penalty = torch.tensor([l2] * real.shape[1] + [0.0], dtype=x.dtype)
    theta = torch.zeros_like(penalty)
    for _ in range(40):  # Newton's method
        d = torch.sigmoid(x @ theta)
        gradient = x.T @ (share * (d - y)) + penalty * theta
        hessian = x.T @ (x * (share * d * (1 - d))[:, None]) + penalty.diag()
        theta = theta - torch.linalg.solve(hessian, gradient)
    return {"weight": theta[:-1], "bias": theta[-1]}


def train_detector_by_sklearn(real, fake, l2):
    from sklearn.linear_model import LogisticRegression

    n, m = len(real), len(fake)
    weights = np.repeat([1 / n, 1 / m], [n, m])
    model = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=2000)
    model.fit(torch.cat([real, fake]).numpy(), np.repeat([1, 0], [n, m]), sample_weight=weights)
    return {"weight": model.coef_[0], "bias": model.intercept_[0]}


def train_detector_by_lbfgs(real, fake, l2):
    """A linear layer of torch and its optimiser."""
    model = torch.nn.Linear(real.shape[1], 1, dtype=real.dtype)
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=300, tolerance_grad=1e-9)

    def closure():
        optimiser.zero_grad()
        loss = F.softplus(-model(real)).mean() + F.softplus(model(fake)).mean()
        loss = loss + l2 / 2 * model.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return model


def train_detector_by_descent(real, fake, l2):
    """Gradient descent in single precision."""
    real, fake = real.float(), fake.float()
    w, c = torch.zeros(real.shape[1]), torch.zeros(())
    for _ in range(1500):
        on_real, on_fake = torch.sigmoid(real @ w + c) - 1, torch.sigmoid(fake @ w + c)
        w = w - 0.3 * (on_real @ real / len(real) + on_fake @ fake / len(fake) + l2 * w)
        c = c - 0.3 * (on_real.mean() + on_fake.mean())
    return {"weight": w, "bias": c}


DETECTOR_MISTAKES = slips(
    train_detector,
    "equal",
    """
    detector_swapped
    torch.ones(n), torch.zeros(m) => torch.zeros(n), torch.ones(m)
    The labels are swapped: a positive logit means real.

    detector_no_penalty
    [l2] * real => [1e-4] * real
    The penalty makes next to no difference to your weights: is it there, and are the other terms
    means?

    detector_no_half
    [l2] * real => [2 * l2] * real
    Your penalty is twice too strong, or the other two terms half too weak: look at the factors in
    front of them.

    detector_bias_penalised
    + [0.0] => + [l2]
    You penalise the bias, too: only the weights are to be kept small.

    detector_no_bias
    = theta - torch => = (penalty > 0) * (theta - torch
    solve(hessian, gradient) => solve(hessian, gradient))
    Your bias is 0: it is a parameter, too.

    detector_of_means
    return {"weight": theta[:-1], "bias": theta[-1]} => return between_means(real, fake)
    You take the direction from the mean of the fakes to the mean of the real points: the
    discriminator is to be trained.

    detector_untrained
    range(40) => range(1)
    You stop after a step or two: go on until the loss does not fall any more.
    """,
)
UNEQUAL_MISTAKES = slips(
    train_detector,
    "unequal",
    """
    detector_pooled
    1 / n), torch.full((m,), 1 / m) => 2 / (n + m)), torch.full((m,), 2 / (n + m))
    You average over real and fake points in one pot: then the many outweigh the few, and the bias
    shows how many there were.

    detector_summed
    1 / n), torch.full((m,), 1 / m) => 1.0), torch.full((m,), 1.0)
    You add up over the points: each kind has a mean.
    """,
)
DETECTOR_WRONG = [Wrong(DETECTOR_MISTAKES[0].answer, test="unequal")]


def between_means(real, fake):
    """The logit if both kinds were standard normal around their means."""
    a, b = real.mean(0), fake.mean(0)
    return {"weight": a - b, "bias": (b @ b - a @ a) / 2}


def draw_detector(rng, n=12, m=12):
    """Features of real and of generated images that overlap, far from 0 on one side."""
    shift = signed(rng, 0.4, 0.9, 3)
    centre = signed(rng, 0.5, 1.0, 3)
    real = np.round(rng.normal(size=(n, 3)) + shift + centre, 2)
    fake = np.round(rng.normal(size=(m, 3)) * np.array([1.4, 0.7, 1.0]) - shift + centre, 2)
    free = train_detector(torch.tensor(real), torch.tensor(fake), 1e-3)["weight"]
    if not free.norm() < 5:
        return None  # nearly separable: without a penalty there is no best detector
    return {"real": real, "fake": fake, "l2": float(rng.choice([0.1, 0.2, 0.3]))}


def draw_few_fakes(rng):
    return draw_detector(rng, 18, 6)


def by_discriminator_metrics(answer, call):
    """Compare what trained weights are judged by."""
    weights = decode(adapter.call(answer, kind="weights", call=encode(call)))
    return measure(weights, call, "discriminator")


DETECTOR = Exercise(
    id="fake-detector",
    answer="train_detector",
    kind="weights",
    title="Train a detector of fakes",
    minutes=25,
    reference=train_detector,
    rtol=0.0,
    atol=0.002,
    evaluator="discriminator",
    tests=[
        Test(
            "equal",
            1,
            telling_declared(
                "equal",
                draw_detector,
                train_detector,
                0.006,
                DETECTOR_MISTAKES,
                compared=by_discriminator_metrics,
            ),
            cases=2,
        ),
        Test(
            "unequal",
            1,
            telling_declared(
                "unequal",
                draw_few_fakes,
                train_detector,
                0.006,
                UNEQUAL_MISTAKES,
                DETECTOR_WRONG,
                compared=by_discriminator_metrics,
            ),
            cases=2,
        ),
    ],
    mistakes=[*DETECTOR_MISTAKES, *UNEQUAL_MISTAKES],
    wrong=DETECTOR_WRONG,
    right=[train_detector_by_sklearn, train_detector_by_lbfgs, train_detector_by_descent],
    discouraged=(
        "gencourse.graphical.LogisticRegression",
        "sklearn.linear_model.LogisticRegression",
    ),
)


# --- 16. grid-attention -----------------------------------------------------------------


def grid_attention(x, Wq, Wk, Wv, cell):
    b, h, w, _ = x.shape
    tokens = into_cells(x, cell)  # (b * cells, cell * cell, C)
    q, k, v = tokens @ Wq, tokens @ Wk, tokens @ Wv
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    made = scores.softmax(-1) @ v
    return out_of_cells(made, b, h, w, cell)


def into_cells(x, cell):
    b, h, w, c = x.shape
    cells = x.reshape(b, h // cell, cell, w // cell, cell, c).permute(0, 1, 3, 2, 4, 5)
    return cells.reshape(-1, cell * cell, c)


def out_of_cells(tokens, b, h, w, cell):
    cells = tokens.reshape(b, h // cell, w // cell, cell, cell, -1).permute(0, 1, 3, 2, 4, 5)
    return cells.reshape(b, h, w, -1)


def grid_attention_by_mask(x, Wq, Wk, Wv, cell):
    """Attention over the whole image with a mask, torch's own."""
    b, h, w, c = x.shape
    rows, columns = torch.arange(h) // cell, torch.arange(w) // cell
    name = (rows[:, None] * w + columns).reshape(-1)
    flat = x.reshape(b, h * w, c)
    made = F.scaled_dot_product_attention(
        flat @ Wq, flat @ Wk, flat @ Wv, attn_mask=name[:, None] == name
    )
    return made.reshape(b, h, w, -1)


def grid_attention_by_loops(x, Wq, Wk, Wv, cell):
    """One place at a time, in single precision."""
    x, Wq, Wk, Wv = (v.float() for v in (x, Wq, Wk, Wv))
    b, h, w, _ = x.shape
    made = torch.zeros(b, h, w, Wv.shape[1])
    for n in range(b):
        for i in range(h):
            for j in range(w):
                top, left = i - i % cell, j - j % cell
                near = x[n, top : top + cell, left : left + cell].reshape(cell * cell, -1)
                weight = torch.softmax(near @ Wk @ (x[n, i, j] @ Wq) / Wq.shape[1] ** 0.5, 0)
                made[n, i, j] = weight @ (near @ Wv)
    return made


ATTENTION_MISTAKES = slips(
    grid_attention,
    "one-cell",
    """
    attention_unscaled
    / math.sqrt(q.shape[-1]) =>
    The scores are not divided by the square root of E, the width of queries and keys.

    attention_by_width
    / math.sqrt(q.shape[-1]) => / q.shape[-1]
    You divide the scores by E: its square root is asked.

    attention_by_input_width
    / math.sqrt(q.shape[-1]) => / math.sqrt(x.shape[-1])
    You divide by the root of C, the width of the tokens: queries and keys have the width E.

    attention_over_queries
    scores.softmax(-1) => scores.softmax(-2)
    Your softmax runs over the queries: for each query the weights of all keys sum to 1.

    attention_turned
    q @ k.mT => k @ q.mT
    Queries and keys are swapped: row i of the scores belongs to query i.

    attention_no_softmax
    scores.softmax(-1) => scores
    The softmax is missing: the weights of the keys sum to 1.

    attention_sigmoid
    scores.softmax(-1) => scores.sigmoid()
    You squash each score by itself: the weights of the keys sum to 1.

    attention_of_keys
    @ v => @ k
    You average the keys: the values are what is averaged.

    attention_hard
    scores.softmax(-1) => F.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores)
    You look at the best key alone: all of them count with their weights.

    attention_residual
    made = scores.softmax(-1) @ v => made = scores.softmax(-1) @ v + v
    You add the values themselves: nothing but the attention is asked.

    attention_even
    scores.softmax(-1) => (0 * scores).softmax(-1)
    All keys count the same with you: the scores make no difference.
    """,
)
GRID_MISTAKES = slips(
    grid_attention,
    "grid",
    """
    grid_ignored
    tokens = into_cells(x, cell) => tokens = x.reshape(b, h * w, -1)
    out_of_cells(made, b, h, w, cell) => made.reshape(b, h, w, -1)
    Every place looks at the whole image: the grid lets it see its own cell.

    grid_of_runs
    tokens = into_cells(x, cell) => tokens = x.reshape(-1, cell * cell, x.shape[-1])
    out_of_cells(made, b, h, w, cell) => made.reshape(b, h, w, -1)
    Your cells are runs of consecutive places of a row: a cell is a square of cell x cell places,
    so the axes have to be moved before you reshape.

    grid_dilated
    tokens = into_cells(x, cell) => tokens = into_cells(strided(x, cell), h // cell)
    out_of_cells(made, b, h, w, cell) => strided(out_of_cells(made, b, h, w, h // cell), h // cell)
    Your places see those at the same spot of the other cells: a cell holds neighbours.

    grid_not_put_back
    out_of_cells(made, b, h, w, cell) => made.reshape(b, h, w, -1)
    You do not put the cells back where they came from: the axes have to be moved back.

    grid_columns
    tokens = into_cells(x, cell) => tokens = into_cells(x, cell).reshape(-1, cell, x.shape[-1])
    Your places see one row of their cell: all cell x cell places belong to it.

    grid_of_batch
    tokens = into_cells(x, cell) => tokens = across_batch(into_cells(x, cell), b)
    out_of_cells(made => out_of_cells(across_batch_back(made, b, cell)
    Your images look at each other: the batch is no part of a cell.
    """,
)
GRID_WRONG = [
    Wrong(ATTENTION_MISTAKES[0].answer, test="grid"),
    Wrong(ATTENTION_MISTAKES[3].answer, test="grid"),
]


def strided(x, step):
    """Gather every step-th row and column, so that they become neighbours."""
    b, h, w, c = x.shape
    parts = x.reshape(b, h // step, step, w // step, step, c).permute(0, 2, 1, 4, 3, 5)
    return parts.reshape(b, h, w, c)


def across_batch(tokens, b):
    """The same cell of all images as one."""
    return tokens.reshape(b, -1, *tokens.shape[1:]).transpose(0, 1).flatten(1, 2)


def across_batch_back(tokens, b, cell):
    parts = tokens.reshape(len(tokens), b, cell * cell, -1).transpose(0, 1)
    return parts.reshape(-1, cell * cell, tokens.shape[-1])


def draw_attention(rng, size=2, cell=2):
    call = {name: signed(rng, 0.4, 1.6, 2, 3) for name in ("Wq", "Wk", "Wv")}
    return {"x": signed(rng, 0.3, 1.5, 2, size, size, 2), **call, "cell": cell}


def draw_grid(rng):
    return draw_attention(rng, 4, 2)


ATTENTION = Exercise(
    id="grid-attention",
    answer="grid_attention",
    kind="function",
    title="Attention in the cells of a grid",
    minutes=25,
    reference=grid_attention,
    atol=1e-5,
    tests=[
        Test(
            "one-cell",
            1,
            telling_declared("one-cell", draw_attention, grid_attention, 0.02, ATTENTION_MISTAKES),
        ),
        Test(
            "grid",
            1,
            telling_declared("grid", draw_grid, grid_attention, 0.02, GRID_MISTAKES, GRID_WRONG),
        ),
    ],
    mistakes=[*ATTENTION_MISTAKES, *GRID_MISTAKES],
    wrong=GRID_WRONG,
    right=[grid_attention_by_mask, grid_attention_by_loops],
    discouraged=(
        "gencourse.gan.TransGANGenerator",
        "torch.nn.functional.scaled_dot_product_attention",
        "torch.nn.MultiheadAttention",
    ),
)


EXERCISES = [
    OPTIMAL,
    LOSS,
    PLAYERS,
    ALGORITHM,
    WASSERSTEIN,
    PENALTY,
    SIZES,
    CONDITIONS,
    INFO,
    F_BOUND,
    TWO_SAMPLES,
    TRUNCATION,
    BETWEEN,
    UNPAIRED,
    DETECTOR,
    ATTENTION,
]
