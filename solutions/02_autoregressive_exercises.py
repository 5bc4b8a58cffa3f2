"""Exercises of unit 02: references, inputs, tolerances, known mistakes and other right answers.

Instructors only. `gencourse build` turns the references and the known mistakes into cases, plain
numbers; no line of this file reaches a student. A mistake is written as what it is, a change of
the reference (`variant`), and inputs are drawn until every mistake is far from the right answer.

Which exercise asks the central idea of which row of the curriculum is in `ROWS`.
"""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F

from gencourse.authoring.contract import Exercise, Mistake, Test, Wrong
from gencourse.authoring.draws import run, separated, telling_declared
from gencourse.authoring.variants import slips, variant
from gencourse.exercises.evaluators import nade

ROWS = {
    "2.1": ("fvsbn",),
    "2.2": ("nade", "train-nade"),
    "2.3": ("rnade",),
    "2.4": ("made",),
    "2.5": ("pixel-masks", "pixel-context"),
    "2.6": ("pixel-context",),
    "2.7": ("diagonal-bilstm",),
    "2.8": ("pixel-masks",),
    "2.9": ("language-model", "densities"),
    "2.10": ("completion", "measures", "densities"),
    "2.11": ("wavenet", "language-model"),
    "2.12": ("wavenet",),
}


def all_states(d):
    """Return all 2^D states as rows of integers."""
    return np.array(list(itertools.product((0, 1), repeat=d)))


def normal(rng, *shape, scale=1.0):
    """Return normal numbers with two decimals, none of them nearer to 0 than a tenth of scale."""
    x = rng.normal(size=shape) * scale
    return np.round(np.where(np.abs(x) < 0.1 * scale, 0.1 * scale * np.where(x < 0, -1, 1), x), 2)


def shuffled(rng, d):
    """Return a permutation without a fixed point that is not its own inverse."""
    while True:
        order = rng.permutation(d)
        if (order != np.arange(d)).all() and (order[order] != np.arange(d)).any():
            return order


# --- 1. fvsbn ---------------------------------------------------------------------------


class Fvsbn:
    def __init__(self, W, b, order):
        place = order.argsort()
        self.W = W * (place[None, :] < place[:, None])
        self.b, self.order = b, order

    def log_prob(self, x):
        logits = x.double() @ self.W.T + self.b
        log_p = F.logsigmoid((2 * x - 1) * logits)
        return log_p.sum(1)

    def sample(self, uniforms):
        x = torch.zeros_like(uniforms)
        for i in self.order.tolist():
            p = torch.sigmoid(x @ self.W[i] + self.b[i])
            x[:, i] = (uniforms[:, i] < p).double()
        return x.long()


class FvsbnByLoops:
    """Single numbers in plain Python, from the definition."""

    def __init__(self, W, b, order):
        self.W, self.b, self.order = W.tolist(), b.tolist(), order.tolist()

    def p_of_one(self, row, k):
        i = self.order[k]
        total = sum((self.W[i][j] * row[j] for j in self.order[:k]), self.b[i])
        return i, 1 / (1 + math.exp(-total))

    def log_prob(self, x):
        result = []
        for row in x.tolist():
            pairs = [self.p_of_one(row, k) for k in range(len(row))]
            result.append(sum(math.log(p if row[i] == 1 else 1 - p) for i, p in pairs))
        return result

    def sample(self, uniforms):
        rows = []
        for u in uniforms.tolist():
            row = [None] * len(u)
            for k in range(len(u)):
                i, p = self.p_of_one(row, k)
                row[i] = int(u[i] < p)
            rows.append(row)
        return np.array(rows)


class FvsbnInOrder:
    """Sorts everything into the order of the model first; single precision."""

    def __init__(self, W, b, order):
        self.order, self.back = order, order.argsort()
        self.W, self.b = W[order][:, order].tril(-1).float(), b[order].float()

    def log_prob(self, x):
        z = x[:, self.order].float()
        p = torch.distributions.Bernoulli(logits=z @ self.W.T + self.b)
        return p.log_prob(z).sum(-1)

    def sample(self, uniforms):
        z, u = torch.zeros(len(uniforms), 0), uniforms[:, self.order].float()
        for k in range(u.shape[1]):
            bit = u[:, k].logit() < z @ self.W[k, :k] + self.b[k]
            z = torch.cat([z, bit[:, None].float()], 1)
        return z[:, self.back]


FVSBN_MISTAKES = [
    *slips(
        Fvsbn,
        "log-prob",
        """
        FvsbnNoMask
        place[None, :] < place[:, None] => (place >= 0)
        Every variable looks at all the others, also at those that come after it and at itself: row
        i of W may use the variables before i only.

        FvsbnSeesItself
        [None, :] < place => [None, :] <= place
        x_i is among its own inputs: p(x_i | x_<i) must not know x_i. (Mask B where mask A
        belongs.)

        FvsbnReversed
        [None, :] < place => [None, :] > place
        You condition each variable on those that come after it in the ordering.

        FvsbnNaturalOrder
        order.argsort() => torch.arange(len(order))
        The ordering makes no difference to your probabilities: `order` says which variable comes
        first.

        FvsbnOrderAsPlace
        order.argsort() => order
        order[k] is the variable that comes k-th; you read it as the place of variable k.

        FvsbnTransposed
        [None, :] < place[:, None] => [:, None] < place
        @ self.W.T => @ self.W
        W is used the wrong way round: W[i, j] is the weight of x_j in the regression for x_i.

        FvsbnTwice
        * logits) => * torch.sigmoid(logits))
        A sigmoid is applied twice: every probability of a 1 is then between 0.5 and 0.7311. They
        still sum to 1, so that only the values betray it.

        FvsbnOnesOnly
        log_p.sum(1) => (log_p * x).sum(1)
        A pixel that is 0 counts too: it contributes log(1 - p).

        FvsbnMean
        log_p.sum(1) => log_p.mean(1)
        You average over the variables: log p(x) is a sum (the chain rule is a product).

        FvsbnNegative
        log_p.sum(1) => -log_p.sum(1)
        That is -log p(x): the sign is reversed.

        FvsbnBits
        log_p.sum(1) => log_p.sum(1) / math.log(2)
        Your logarithm is to the base 2 (bits): nats are asked.
        """,
    ),
    *slips(
        Fvsbn,
        "sample",
        """
        FvsbnOnePass
        x @ self.W[i] => 0 * x @ self.W[i]
        You draw all variables from the probabilities of an empty image: each has to see what was
        drawn before it.

        FvsbnUpsideDown
        uniforms[:, i] < p => uniforms[:, i] > p
        x_i is 1 where u_i < p; you have it the other way round.

        FvsbnMode
        uniforms[:, i] < p => 0.5 < p
        You take the more probable value: that is no sample, and the uniforms are not used.

        FvsbnSampledNaturally
        in self.order.tolist() => in range(len(self.b))
        You draw in the order 0, 1, ...: a variable then misses some that come before it in the
        ordering of the model.

        FvsbnUniformsInOrder
        for i in self => for k, i in enumerate(self
        .order.tolist() => .order.tolist())
        uniforms[:, i] => uniforms[:, k]
        Column i of the uniforms decides variable i, whenever it is drawn.

        FvsbnColumnsInOrder
        return x.long() => return x[:, self.order].long()
        Column i of the answer is variable i, whenever it was drawn.
        """,
    ),
]
FVSBN_WRONG = [
    *slips(
        Fvsbn,
        "sample",
        """
        FvsbnPassesProbabilities
        (uniforms[:, i] < p).double() => p
        return x.long() => return (uniforms < x).long()
        """,
    ),
    Wrong(variant(Fvsbn, "FvsbnNoBias", ("+ self.b\n", "\n")), test="log-prob"),
]


def draw_states_of_fvsbn(rng):
    calls = [["log_prob", {"x": all_states(4)}]]
    init = {"W": normal(rng, 4, 4), "b": normal(rng, 4), "order": shuffled(rng, 4)}
    return {"init": init, "calls": calls}


def draw_fvsbn_uniforms(rng):
    """The uniforms are far enough from the probabilities for single precision."""
    init = {"W": normal(rng, 5, 5, scale=2), "b": normal(rng, 5), "order": shuffled(rng, 5)}
    u = (rng.integers(0, 1000, size=(14, 5)) + 0.5) / 1000
    calls = [["sample", {"uniforms": u}]]
    steady = [
        run(Fvsbn, {"init": init, "calls": [["sample", {"uniforms": u + shift}]]})[0]
        for shift in (-1e-4, 1e-4)
    ]
    return {"init": init, "calls": calls} if torch.equal(*steady) else None


FVSBN = Exercise(
    id="fvsbn",
    answer="FVSBN",
    kind="class",
    title="One logistic regression for each pixel",
    minutes=25,
    reference=Fvsbn,
    tests=[
        Test(
            "log-prob",
            2,
            telling_declared(
                "log-prob", draw_states_of_fvsbn, Fvsbn, 0.02, FVSBN_MISTAKES, FVSBN_WRONG
            ),
            cases=2,
            fixed=[
                {
                    "init": {"W": np.array([[2.0]]), "b": np.array([0.0]), "order": np.array([0])},
                    "calls": [["log_prob", {"x": np.array([[0], [1]])}]],
                }
            ],
            properties=[
                {"name": "log_prob_sum", "key": 0, "says": "p(x) over all x must sum to 1"}
            ],
        ),
        Test(
            "sample",
            1,
            telling_declared(
                "sample", draw_fvsbn_uniforms, Fvsbn, 0.5, FVSBN_MISTAKES, FVSBN_WRONG
            ),
        ),
    ],
    mistakes=FVSBN_MISTAKES,
    wrong=FVSBN_WRONG,
    right=[FvsbnByLoops, FvsbnInOrder],
    discouraged=("gencourse.autoregressive.FVSBN",),
)


# --- 2. nade ----------------------------------------------------------------------------


def nade_reference(x, W, V, b, c):
    a = c.expand(len(x), -1)  # (B, H)
    total = 0.0
    for i in range(x.shape[1]):
        h = torch.sigmoid(a)
        logits = h @ V[i] + b[i]
        total = total + F.logsigmoid((2 * x[:, i] - 1) * logits)
        a = a + x[:, i, None] * W[:, i]
    return total


def nade_by_cumsum(x, W, V, b, c):
    """All hidden layers at once, by a running sum shifted by one place."""
    terms = x[:, :, None] * W.T  # (B, D, H)
    before = torch.cumsum(F.pad(terms, (0, 0, 1, 0)), 1)[:, :-1]
    logits = (torch.sigmoid(c + before) * V).sum(-1) + b
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def nade_slowly(x, W, V, b, c):
    """The formula as it stands, O(HD^2), row by row in single precision."""
    x, W, V, b, c = (t.float() for t in (x, W, V, b, c))
    rows = []
    for row in x:
        log_p = torch.zeros(())
        for i in range(len(row)):
            h = 1 / (1 + torch.exp(-(W[:, :i] @ row[:i] + c)))
            logit = torch.dot(V[i], h) + b[i]
            log_p = log_p - F.softplus(-logit if row[i] == 1 else logit)
        rows.append(log_p)
    return torch.stack(rows)


NADE_UPDATE = "a = a + x[:, i, None] * W[:, i]"
NADE_MISTAKES = [
    *slips(
        nade_reference,
        "value-and-gradient",
        """
        nade_twice
        h @ V[i] + b[i] => torch.sigmoid(h @ V[i] + b[i])
        A sigmoid is applied twice: every p(x_i = 1 | x_<i) is then between 0.5 and 0.7311. The
        probabilities still sum to 1, so that only the values betray it.

        nade_markov
        a = a + x[:, i, None] * W[:, i] => a = c + x[:, i, None] * W[:, i]
        Each variable sees the one before it only: the context has to grow, not to be replaced.

        nade_c_each_time
        a = a + x[:, i, None] * W[:, i] => a = a + x[:, i, None] * W[:, i] + c
        The bias c is added again for every variable: it belongs to a hidden layer once.

        nade_ones_only
        F.logsigmoid((2 * x[:, i] - 1) * logits) => x[:, i] * F.logsigmoid(logits)
        A variable that is 0 counts too: it contributes log(1 - p).

        nade_tanh
        torch.sigmoid(a) => torch.tanh(a)
        The hidden units are sigmoids here, not tanh.

        nade_relu
        torch.sigmoid(a) => torch.relu(a)
        The hidden units are sigmoids here, not rectifiers.

        nade_linear
        torch.sigmoid(a) => a
        The hidden layer has lost its sigmoid.

        nade_mean
        return total => return total / x.shape[1]
        You average over the variables: log p(x) is a sum.

        nade_negative
        return total => return -total
        That is -log p(x): the sign is reversed.

        nade_backwards
        in range(x.shape[1]) => in reversed(range(x.shape[1]))
        You go through the variables from the last to the first.
        """,
    ),
    Mistake(
        variant(
            nade_reference,
            "nade_own_context",
            ("h = torch", "a = a + x[:, i, None] * W[:, i]\n        h = torch"),
            ("logits)\n        " + NADE_UPDATE, "logits)"),
        ),
        "x_i is in its own context: the hidden layer of variable i must be made before x_i is "
        "added.",
        test="value-and-gradient",
    ),
    Mistake(
        variant(
            nade_reference,
            "nade_one_late",
            (NADE_UPDATE, "a = a + (x[:, i - 1, None] * W[:, i - 1] if i else 0 * W[:, 0])"),
        ),
        "The context is one variable short: x_{i-1} belongs to it.",
        test="value-and-gradient",
    ),
    Mistake(
        variant(
            nade_reference,
            "nade_underflow",
            (
                "F.logsigmoid((2 * x[:, i] - 1) * logits)",
                "(x[:, i] * p + (1 - x[:, i]) * (1 - p)).log()",
            ),
            ("        total = total", "        p = torch.sigmoid(logits)\n        total = total"),
        ),
        "A probability underflows to 0 before you take its logarithm: work with the logit, "
        "log p = logsigmoid(logit) and log(1 - p) = logsigmoid(-logit).",
        test="far",
    ),
]
NADE_WRONG = [
    *slips(
        nade_reference,
        "value-and-gradient",
        """
        nade_no_c
        c.expand => torch.zeros_like(c).expand

        nade_detached
        sigmoid(a) => sigmoid(a.detach())

        nade_one_v
        V[i] => V[0]
        """,
    ),
    Wrong(variant(nade_reference, "nade_no_b", (" + b[i]", "")), test="value-and-gradient"),
    Wrong(
        variant(
            nade_reference,
            "nade_clamped",
            (
                "F.logsigmoid((2 * x[:, i] - 1) * logits)",
                "torch.sigmoid((2 * x[:, i] - 1) * logits).clamp(min=1e-12).log()",
            ),
        ),
        test="far",
    ),
]


def draw_nade(rng):
    """All states, so that the probabilities have to sum to 1."""
    d, h = 4, 3
    return {
        "x": all_states(d).astype(float),
        "W": normal(rng, h, d, scale=1.5),
        "V": normal(rng, d, h, scale=1.5),
        "b": normal(rng, d),
        "c": normal(rng, h),
    }


def nade_states(rng):
    told = [
        item.answer
        for item in (*NADE_MISTAKES, *NADE_WRONG)
        if item.test == "value-and-gradient" and item.answer.__name__ != "nade_detached"
    ]
    return separated(rng, draw_nade, nade_reference, told, 0.01)


def nade_far(rng):
    """Logits of some hundreds, of either sign."""
    call = draw_nade(rng)
    call["V"], call["b"] = (
        np.abs(call["V"]) * [[300.0], [-200.0], [250.0], [-400.0]],
        9 * call["b"],
    )
    call["x"] = rng.permutation(call["x"])[:5]
    call["x"][0], call["x"][1] = [0, 1, 0, 1], [1, 1, 0, 1]
    return call


NADE = Exercise(
    id="nade",
    answer="nade_log_prob",
    kind="gradient",
    title="NADE: sharing that saves a factor D",
    minutes=30,
    reference=nade_reference,
    wrt=("W", "V", "b", "c"),
    tests=[
        Test(
            "value-and-gradient",
            3,
            nade_states,
            cases=2,
            properties=[
                {"name": "log_prob_sum", "key": "value", "says": "p(x) over all x must sum to 1"}
            ],
        ),
        Test("far", 1, nade_far, cases=2),
    ],
    mistakes=NADE_MISTAKES,
    wrong=NADE_WRONG,
    right=[nade_by_cumsum, nade_slowly],
    atol=1e-5,
    discouraged=("gencourse.autoregressive.NADE",),
)


# --- 3. rnade ---------------------------------------------------------------------------


def rnade_reference(x, W, c, rho, V, b):
    a, columns = c.expand(len(x), -1), []
    for i in range(x.shape[1]):
        h = torch.relu(rho[i] * a)  # (B, H)
        scores, means, log_sds = torch.einsum("skh,bh->sbk", V[:, i], h) + b[:, i, None]
        log_weights = F.log_softmax(scores, -1)
        z = (x[:, i, None] - means) * torch.exp(-log_sds)
        log_normal = -z.square() / 2 - log_sds - math.log(2 * math.pi) / 2
        columns.append(torch.logsumexp(log_weights + log_normal, -1))
        a = a + x[:, i, None] * W[:, i]
    return torch.stack(columns, 1)


def rnade_by_distributions(x, W, c, rho, V, b):
    """All hidden layers at once, and torch's own mixture; single precision."""
    x, W, c, rho, V, b = (t.float() for t in (x, W, c, rho, V, b))
    earlier = torch.ones(len(rho), len(rho)).tril(-1)
    h = F.relu(rho[:, None] * (torch.einsum("bj,hj,ij->bih", x, W, earlier) + c))
    scores, means, log_sds = torch.einsum("bih,sikh->sbik", h, V) + b[:, None]
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=scores),
        torch.distributions.Normal(means, log_sds.exp()),
    )
    return mixture.log_prob(x)


def rnade_by_loops(x, W, c, rho, V, b):
    """One number at a time, with numpy and the largest term taken out."""
    x, W, c, rho, V, b = (t.numpy() for t in (x, W, c, rho, V, b))
    out = np.zeros(x.shape)
    for n, i in np.ndindex(*x.shape):
        h = np.maximum(
            rho[i] * (c + sum((W[:, j] * x[n, j] for j in range(i)), np.zeros(len(c)))), 0
        )
        scores, mu, log_sd = (V[s, i] @ h + b[s, i] for s in range(3))
        terms = scores - 0.5 * ((x[n, i] - mu) / np.exp(log_sd)) ** 2 - log_sd
        top, top_score = terms.max(), scores.max()
        log_z = top_score + np.log(np.exp(scores - top_score).sum())
        out[n, i] = top + np.log(np.exp(terms - top).sum()) - log_z - 0.5 * np.log(2 * np.pi)
    return out.tolist()


RNADE_MISTAKES = [
    *slips(
        rnade_reference,
        "mixture",
        """
        rnade_variance
        exp(-log_sds) => exp(-log_sds / 2)
        - log_sds - => - log_sds / 2 -
        You read the third output as the logarithm of a variance: it is that of the standard
        deviation.

        rnade_no_sd_outside
        - log_sds - => -
        The Gaussian lacks its 1/sd in front: what is wider has to be lower.

        rnade_no_half
        z.square() / 2 => z.square()
        The 1/2 in the exponent of the Gaussian is missing.

        rnade_scores
        F.log_softmax(scores, -1) => scores
        The mixture's weights do not sum to 1: take the softmax of the scores.

        rnade_weights_not_log
        log_softmax => softmax
        You add a weight where its logarithm belongs.

        rnade_mean_of_logs
        torch.logsumexp(log_weights + log_normal, -1) => (log_weights.exp() * log_normal).sum(-1)
        You average the components' logarithms; asked is the logarithm of the average (log-sum-
        exp).

        rnade_equal_weights
        F.log_softmax(scores, -1) => -math.log(b.shape[2]) + 0 * scores
        All components seem to have the same weight: take the softmax of the scores.
        """,
    ),
    *slips(
        rnade_reference,
        "conditionals",
        """
        rnade_markov
        a = a + x[:, i, None] * W[:, i] => a = c + x[:, i, None] * W[:, i]
        Each variable sees the one before it only: the context has to grow.

        rnade_no_context
        a = a + x[:, i, None] * W[:, i] => a = c + 0 * a
        Your conditionals do not depend on the variables before.

        rnade_no_rho
        rho[i] * a => a
        The scale rho_i in front of the pre-activation is missing.

        rnade_sigmoid
        torch.relu( => torch.sigmoid(
        The hidden units are rectifiers here, not sigmoids.

        rnade_no_c
        c.expand => (0 * c).expand
        The bias c of the hidden layer is missing.
        """,
    ),
    Mistake(
        variant(rnade_reference, "rnade_no_constant", (" - math.log(2 * math.pi) / 2", "")),
        "The Gaussian lacks the constant 1/sqrt(2 pi).",
        test="mixture",
    ),
    Mistake(
        variant(
            rnade_reference,
            "rnade_own_context",
            ("h = torch", "a = a + x[:, i, None] * W[:, i]\n        h = torch"),
            ("-1))\n        " + NADE_UPDATE, "-1))"),
        ),
        "x_i is in its own context: the conditional of variable i must not know x_i.",
        test="conditionals",
    ),
    Mistake(
        variant(
            rnade_reference,
            "rnade_underflow",
            (
                "torch.logsumexp(log_weights + log_normal, -1)",
                "(log_weights + log_normal).exp().sum(-1).log()",
            ),
        ),
        "Far from all components the densities underflow to 0 before you take the logarithm: use "
        "log-sum-exp.",
        test="far-away",
    ),
]
RNADE_WRONG = [
    *slips(
        rnade_reference,
        "conditionals",
        """
        rnade_summed
        torch.stack(columns, 1) => sum(columns)
        """,
    ),
    Wrong(
        variant(rnade_reference, "rnade_swapped", ("means, log_sds = ", "log_sds, means = ")),
        test="mixture",
    ),
    Wrong(
        variant(
            rnade_reference,
            "rnade_clamped",
            (
                "torch.logsumexp(log_weights + log_normal, -1)",
                "((log_weights + log_normal).exp().sum(-1) + 1e-12).log()",
            ),
        ),
        test="far-away",
    ),
]


def draw_rnade(rng, d, x):
    """Two or three hidden units, three components; of the units, some are off and some on."""
    h, k = 3, 3
    V = normal(rng, 3, d, k, h, scale=0.5)
    V[2] *= 0.3  # standard deviations between a third and three
    b = normal(rng, 3, d, k, scale=0.8)
    b[2] *= 0.4
    c = np.abs(normal(rng, h)) * rng.permutation([1, 1, -1])
    rho = np.round(rng.choice([0.4, 0.6, 1.6, 2.1], size=d), 2)
    W = normal(rng, h, d)
    return {"x": x, "W": W, "c": c, "rho": rho, "V": V.round(3), "b": b.round(3)}


GRID = np.arange(-12, 12, 0.25)  # a density times 0.25, added up over it, gives 1


def draw_rnade_grid(rng):
    call = draw_rnade(rng, 1, GRID[:, None])
    total = torch.as_tensor(run(rnade_reference, call)).exp().sum() * 0.25
    return call if abs(total - 1) < 1e-7 else None


def draw_rnade_points(rng):
    return draw_rnade(rng, 4, normal(rng, 5, 4, scale=1.5))


def rnade_far(rng):
    """The last variable is a few hundred away; it is nobody's context."""
    call = draw_rnade(rng, 3, normal(rng, 4, 3, scale=1.5))
    call["x"][:, 2] = rng.permutation([-900.0, 400.0, 650.0, -300.0])
    return call


RNADE = Exercise(
    id="rnade",
    answer="rnade_log_conditionals",
    kind="function",
    title="RNADE: a mixture for every real variable",
    minutes=25,
    reference=rnade_reference,
    tests=[
        Test(
            "mixture",
            1,
            telling_declared(
                "mixture", draw_rnade_grid, rnade_reference, 0.02, RNADE_MISTAKES, RNADE_WRONG
            ),
            cases=1,
            properties=[
                {
                    "name": "log_prob_sum",
                    "value": 4.0,
                    "says": "on this grid the densities must sum to 4, one over its spacing",
                }
            ],
        ),
        Test(
            "conditionals",
            1,
            telling_declared(
                "conditionals",
                draw_rnade_points,
                rnade_reference,
                0.02,
                RNADE_MISTAKES,
                RNADE_WRONG,
            ),
            cases=2,
        ),
        Test("far-away", 1, rnade_far, cases=1),
    ],
    mistakes=RNADE_MISTAKES,
    wrong=RNADE_WRONG,
    right=[rnade_by_distributions, rnade_by_loops],
    atol=1e-4,
    discouraged=("gencourse.autoregressive.RNADE", "torch.distributions.MixtureSameFamily"),
)


# --- 4. made ----------------------------------------------------------------------------


class Made:
    def __init__(self, weights, biases, degrees):
        self.weights, self.biases, self.degrees = weights, biases, degrees

    def masks(self, order):
        place = order.argsort() + 1
        levels = [place, *self.degrees]
        hidden = [high[:, None] >= low for low, high in itertools.pairwise(levels)]
        return [*hidden, place[:, None] > levels[-1]]

    def log_prob(self, x, orders):
        log_p = []
        for order in orders:
            h = x.double()
            for k, mask in enumerate(self.masks(order)):
                h = h if k == 0 else torch.relu(h)
                h = h @ (mask * self.weights[k]).T + self.biases[k]
            log_p.append(F.logsigmoid((2 * x - 1) * h).sum(1))
        return torch.stack(log_p).logsumexp(0) - math.log(len(log_p))


class MadeByLoops:
    """Connection by connection, in numpy."""

    def __init__(self, weights, biases, degrees):
        self.weights = [W.numpy() for W in weights]
        self.biases = [b.numpy() for b in biases]
        self.degrees = [d.tolist() for d in degrees]

    def masks(self, order):
        place = {int(i): k for k, i in enumerate(order)}
        inputs = [place[i] + 1 for i in range(len(place))]
        masks, before = [], inputs
        for degrees in self.degrees:
            masks.append([[1 if high >= low else 0 for low in before] for high in degrees])
            before = degrees
        masks.append([[1 if high > low else 0 for low in before] for high in inputs])
        return [np.array(mask, dtype=np.float32) for mask in masks]

    def log_prob(self, x, orders):
        x, total = x.numpy(), 0.0
        for order in orders.tolist():
            h = x
            masks = self.masks(order)
            for k, (mask, W, b) in enumerate(zip(masks, self.weights, self.biases, strict=True)):
                h = h @ (mask * W).T + b
                if k < len(masks) - 1:
                    h = np.maximum(h, 0)
            p = 1 / (1 + np.exp(-h))
            total = total + np.where(x == 1, p, 1 - p).prod(1) / len(orders)
        return np.log(total)


class MadeInOrder(Made):
    """Masks from sorted variables, single precision, torch's own loss."""

    def masks(self, order):
        d = len(order)
        place = torch.empty(d, dtype=torch.long)
        place[order] = torch.arange(1, d + 1)
        first = torch.stack([degree >= place for degree in self.degrees[0]])
        middle = [
            (hi[:, None] - lo[None, :]) >= 0
            for lo, hi in zip(self.degrees, self.degrees[1:], strict=False)
        ]
        last = ~(self.degrees[-1][None, :] >= place[:, None])
        return [m.int() for m in (first, *middle, last)]

    def log_prob(self, x, orders):
        rows = []
        for order in orders:
            layers = [m * W.float() for m, W in zip(self.masks(order), self.weights, strict=True)]
            h = x.float()
            for W, b in zip(layers[:-1], self.biases, strict=False):
                h = F.linear(h, W, b.float()).clamp(min=0)
            logits = F.linear(h, layers[-1], self.biases[-1].float())
            rows.append(-F.binary_cross_entropy_with_logits(logits, x.float(), reduction="none"))
        return torch.stack(rows, 1).sum(2).exp().mean(1).log()


MADE_MISTAKES = [
    *slips(
        Made,
        "masks",
        """
        MadeSwapped
        [:, None] >= low => [:, None] > low
        [:, None] > levels => [:, None] >= levels
        The strict comparison belongs into the output layer and the other one into the hidden
        layers: you have them the other way round, so that an output sees its own variable.

        MadeAllStrict
        [:, None] >= low => [:, None] > low
        Your hidden masks are strict: a connection may join equal degrees there. You lose context
        that is allowed.

        MadeNoneStrict
        [:, None] > levels => [:, None] >= levels
        Your output mask is not strict: x_i reaches its own output.

        MadeReversed
        [:, None] >= low => [:, None] <= low
        [:, None] > levels => [:, None] < levels
        Degrees may not fall along a connection; in your masks they may not rise.

        MadeFromZero
        order.argsort() + 1 => order.argsort()
        The first variable has degree 1, not 0.
        """,
    ),
    *slips(
        Made,
        "orderings",
        """
        MadeNaturalOrder
        order.argsort() + 1 => torch.arange(len(order)) + 1
        The ordering makes no difference to your masks: the degree of a variable is its place in
        the ordering.

        MadeOrderAsDegree
        order.argsort() + 1 => order + 1
        order[k] is the variable that comes k-th; you read it as the place of variable k.

        MadeNaturalOutputs
        place[:, None] > levels => place.sort()[0][:, None] > levels
        The outputs belong to the variables in the order 0, 1, ..., with the degrees of these
        variables: only the inputs follow the ordering in your masks.
        """,
    ),
    *slips(
        Made,
        "log-prob",
        """
        MadeMeanOfLogs
        .logsumexp(0) - math.log(len(log_p)) => .mean(0)
        You average log-probabilities; the model is the average of the probabilities. Yours do not
        sum to 1.

        MadeProduct
        .logsumexp(0) - math.log(len(log_p)) => .sum(0)
        You multiply the orderings' probabilities; the model is their average.

        MadeFirstOnly
        for order in orders: => for order in orders[:1]:
        Only the first ordering is used.

        MadeNotMasked
        (mask * self.weights[k]) => self.weights[k]
        The masks are not used: each output sees its own variable and later ones.

        MadeReluOnOutput
        ((2 * x - 1) * h) => ((2 * x - 1) * torch.relu(h))
        The last layer has no rectifier: a logit may be negative.

        MadeTwice
        ((2 * x - 1) * h) => ((2 * x - 1) * torch.sigmoid(h))
        A sigmoid is applied twice: every p(x_i = 1 | ...) is then between 0.5 and 0.7311. The
        probabilities still sum to 1.

        MadeLinear
        torch.relu(h) => h
        The hidden layers have lost their rectifier.
        """,
    ),
    Mistake(
        variant(
            Made,
            "MadeTransposed",
            ("[:, None] >= low for", " >= low[:, None] for"),
            ("place[:, None] > levels[-1]", "place > levels[-1][:, None]"),
        ),
        "Your masks are transposed: the rows of a weight matrix are the units of the upper layer.",
        test="masks",
    ),
    Mistake(
        variant(Made, "MadeNotDivided", (" - math.log(len(log_p))", "")),
        "You add the orderings' probabilities up and forget to divide by their number.",
        test="log-prob",
    ),
]
MADE_WRONG = [
    *slips(
        Made,
        "log-prob",
        """
        MadeOnesOnly
        ((2 * x - 1) * h) => (h)

        MadeOnlyFirstMask
        (mask * self => (mask ** (k == 0) * self
        """,
    ),
    *slips(
        Made,
        "orderings",
        """
        MadeSwapped2
        [:, None] >= low => [:, None] > low
        [:, None] > levels => [:, None] >= levels
        """,
    ),
]


def draw_made(rng, d, *widths):
    """Degrees between 1 and D - 1, every one of them in the first layer, shuffled."""
    sizes = [d, *widths, d]
    degrees = [
        rng.permutation(
            [1 + k % (d - 1) if k < d - 1 else int(rng.integers(1, d)) for k in range(w)]
        )
        for w in widths
    ]
    return {
        "weights": [normal(rng, o, i) for i, o in itertools.pairwise(sizes)],
        "biases": [normal(rng, o, scale=0.7) for o in sizes[1:]],
        "degrees": degrees,
    }


def draw_made_masks(rng):
    init = draw_made(rng, 5, 6, 7)
    return {"init": init, "calls": [["masks", {"order": np.arange(5)}]]}


def draw_made_orderings(rng):
    calls = [["masks", {"order": shuffled(rng, 5)}] for _ in range(2)]
    return {"init": draw_made(rng, 5, 6), "calls": calls}


def draw_made_states(rng):
    orders = np.stack([shuffled(rng, 4) for _ in range(3)])
    calls = [["log_prob", {"x": all_states(4), "orders": orders}]]
    return {"init": draw_made(rng, 4, 5, 6), "calls": calls}


MADE = Exercise(
    id="made",
    answer="MADE",
    kind="class",
    title="MADE: one network, several orderings",
    minutes=35,
    reference=Made,
    tests=[
        Test(
            "masks",
            1,
            telling_declared("masks", draw_made_masks, Made, 0.5, MADE_MISTAKES, MADE_WRONG),
            cases=2,
        ),
        Test(
            "orderings",
            1,
            telling_declared(
                "orderings", draw_made_orderings, Made, 0.5, MADE_MISTAKES, MADE_WRONG
            ),
            cases=2,
        ),
        Test(
            "log-prob",
            2,
            telling_declared("log-prob", draw_made_states, Made, 0.02, MADE_MISTAKES, MADE_WRONG),
            cases=2,
            properties=[
                {"name": "log_prob_sum", "key": 0, "says": "p(x) over all x must sum to 1"}
            ],
        ),
    ],
    mistakes=MADE_MISTAKES,
    wrong=MADE_WRONG,
    right=[MadeByLoops, MadeInOrder],
    discouraged=("gencourse.autoregressive.MADE", "gencourse.autoregressive.made_masks"),
)


# --- 5. pixel-masks ---------------------------------------------------------------------


def masks_reference(in_colours, out_colours, size):
    middle, masks = size // 2, {}
    source, target = torch.tensor(in_colours), torch.tensor(out_colours)[:, None]
    for kind, centre in (("A", source < target), ("B", source <= target)):
        mask = torch.zeros(len(out_colours), len(in_colours), size, size, dtype=torch.bool)
        mask[:, :, :middle] = True
        mask[:, :, middle, :middle] = True
        mask[:, :, middle, middle] = centre
        masks[kind] = mask
    return masks


def masks_by_loops(in_colours, out_colours, size):
    """Entry by entry, by comparing (row, column, colour) with the present place."""
    middle = size // 2
    now = middle * size + middle

    def open_(kind, source, target, row, column):
        place = row * size + column
        if place != now:
            return float(place < now)
        return float(source < target or (kind == "B" and source == target))

    return {
        kind: [
            [
                [[open_(kind, s, t, row, col) for col in range(size)] for row in range(size)]
                for s in in_colours
            ]
            for t in out_colours
        ]
        for kind in "AB"
    }


def masks_by_numpy(in_colours, out_colours, size):
    """A flattened kernel: 1 before the centre, 0 behind it, the colours' rule on it."""
    before = (np.arange(size * size) < size * size // 2).astype(np.float32)
    shape = (len(out_colours), len(in_colours), 1)
    a = np.array([[s < t for s in in_colours] for t in out_colours], np.float32).reshape(shape)
    same = np.array([[s == t for s in in_colours] for t in out_colours], np.float32).reshape(shape)
    on_centre = (np.arange(size * size) == size * size // 2).astype(np.float32)
    full = (*shape[:2], size, size)
    return {
        "B": (before + (a + same) * on_centre).reshape(full),
        "A": (before + a * on_centre).reshape(full),
    }


MASK_MISTAKES = [
    *slips(
        masks_reference,
        "grey",
        """
        masks_swapped
        "A", source < => "B", source <
        "B", source <= => "A", source <=
        A and B are swapped: A, for the first layer, hides the present pixel's own value; B, for
        the layers after it, shows the feature at the centre.

        masks_both_a
        source <= target => source < target
        Mask B hides the centre too: its features have lost the present value already, and without
        them each layer forgets what the one before it knew.

        masks_see_right
        [:, :, middle, :middle] => [:, :, middle, :middle + 2]
        The pixel to the right of the centre is open: that is the future.

        masks_no_upper_right
        [:, :, :middle] = True => [:, :, :middle, :middle + 1] = True
        Rows above are known as a whole, to the right of the centre too.

        masks_by_columns
        [:, :, :middle] => [:, :, :, :middle]
        [:, :, middle, :middle] => [:, :, :middle, middle]
        Pixels come row by row; your masks go column by column.

        masks_upside_down
        [:, :, :middle] => [:, :, middle + 1:]
        [:, :, middle, :middle] => [:, :, middle, middle + 1:]
        Your masks are upside down: they show what comes after the present pixel.
        """,
    ),
    *slips(
        masks_reference,
        "colours",
        """
        masks_grey_rule
        source < target => torch.zeros(len(target), len(source)).bool()
        source <= target => torch.ones(len(target), len(source)).bool()
        You treat the colours of a pixel as one: at the centre G may see R, and B may see R and G;
        with mask B each also its own colour, and no later one.

        masks_colours_reversed
        source < target => source > target
        source <= target => source >= target
        Your colours come in the order B, G, R: R comes first and sees no other.

        masks_colours_alone
        source < target => source != source + 0 * target
        source <= target => source == target
        At the centre each colour sees its own only: G may see R, B may see R and G.
        """,
    ),
    Mistake(
        variant(masks_reference, "masks_both_b", ('"A", source < ', '"A", source <= ')),
        "Mask A lets the present value through: with w = 2 and b = 0 a model of one pixel then "
        "has probabilities that sum to 1.3808.",
        test="grey",
    ),
    Mistake(
        variant(masks_reference, "masks_only_row", ("        mask[:, :, :middle] = True\n", "")),
        "The rows above the centre are closed in your masks.",
        test="grey",
    ),
    Mistake(
        variant(
            masks_reference,
            "masks_colours_everywhere",
            (
                "mask[:, :, :middle] = True",
                "mask[:, :, :middle] = (source <= target)[..., None, None]",
            ),
            (
                "mask[:, :, middle, :middle] = True",
                "mask[:, :, middle, :middle] = (source <= target)[..., None]",
            ),
        ),
        "The order of the colours matters at the centre only: of an earlier pixel all colours "
        "are known.",
        test="colours",
    ),
    Mistake(
        variant(
            masks_reference,
            "masks_transposed",
            ("source < target", "source > target"),
            ("source <= target", "source >= target"),
            (
                "len(out_colours), len(in_colours), size, size",
                "len(in_colours), len(out_colours), size, size",
            ),
            ("] = centre", "] = centre.T"),
        ),
        "Inputs and outputs are swapped: a convolution's weight is (outputs, inputs, height, "
        "width).",
        test="colours",
    ),
]
MASK_WRONG = [
    *slips(
        masks_reference,
        "colours",
        """
        masks_both_a_colours
        source <= target => source < target
        """,
    ),
    Wrong(
        variant(masks_reference, "masks_both_b_colours", ('"A", source < ', '"A", source <= ')),
        test="colours",
    ),
]


def draw_grey_masks(rng):
    many, few = rng.permutation([2, 3]).tolist()
    return {"in_colours": [0] * many, "out_colours": [0] * few, "size": int(rng.choice([3, 5]))}


def draw_colour_masks(rng):
    """Channels in any order, so that no rule about thirds of the channels gives the answer."""
    many = int(rng.integers(3, 5))
    inputs = rng.permutation([0, 1, 2, int(rng.integers(3))][:many]).tolist()
    outputs = rng.permutation([0, 1, 2, *rng.integers(3, size=2)]).tolist()
    return {"in_colours": inputs, "out_colours": outputs, "size": 3}


MASKS = Exercise(
    id="pixel-masks",
    answer="causal_masks",
    kind="function",
    title="PixelCNN's masks, in colour",
    minutes=25,
    reference=masks_reference,
    tests=[
        Test(
            "grey",
            1,
            telling_declared(
                "grey", draw_grey_masks, masks_reference, 0.5, MASK_MISTAKES, MASK_WRONG
            ),
            cases=2,
        ),
        Test(
            "colours",
            2,
            telling_declared(
                "colours", draw_colour_masks, masks_reference, 0.5, MASK_MISTAKES, MASK_WRONG
            ),
            cases=2,
            fixed=[{"in_colours": [0, 1, 2], "out_colours": [0, 1, 2], "size": 3}],
        ),
    ],
    mistakes=MASK_MISTAKES,
    wrong=MASK_WRONG,
    right=[masks_by_loops, masks_by_numpy],
    discouraged=(
        "gencourse.autoregressive.causal_conv.causal_mask",
        "gencourse.autoregressive.causal_conv.CausalConv2d",
    ),
)


# --- 6. pixel-context -------------------------------------------------------------------

LEFT, HERE, ABOVE = [(0, -1)], [(0, 0)], [(-1, -1), (-1, 0), (-1, 1)]
SIDES = [(0, -1), (0, 0), (0, 1)]


def context_reference(model, height, width, layers, row, column):
    # what a feature reads: another feature, how many layers below, at which offsets
    first = {"features": [("image", 1, LEFT + ABOVE)], "vertical": [("image", 1, ABOVE)]}
    if model == "pixelcnn":
        later = {"features": [("features", 1, LEFT + HERE + ABOVE)]}
    elif model == "row-lstm":
        later = {"features": [("features", 1, LEFT + HERE), ("features", 0, ABOVE)]}
    else:
        first["features"] = [("image", 1, LEFT), ("vertical", 0, HERE)]
        later = {
            "features": [("features", 1, LEFT + HERE), ("vertical", 0, HERE)],
            "vertical": [("vertical", 1, ABOVE + SIDES)],
        }
    todo, seen = [("features", layers, row, column)], set()
    while todo:
        name, layer, i, j = node = todo.pop()
        if node in seen or not (0 <= i < height and 0 <= j < width):
            continue
        seen.add(node)
        if name != "image":
            for other, below, offsets in (first if layer == 0 else later)[name]:
                todo += [(other, layer - below, i + di, j + dj) for di, dj in offsets]
    return [[("image", -1, i, j) in seen for j in range(width)] for i in range(height)]


def context_by_convolution(model, height, width, layers, row, column):
    """Influence of each pixel by positive weights that cannot cancel, and its gradient."""

    def conv(x, kernel):
        padding = (len(kernel) // 2, len(kernel[0]) // 2)
        return F.conv2d(x[None, None], torch.tensor([[kernel]]).double(), padding=padding)[0, 0]

    mask_a, mask_b = [[1, 1, 1], [1, 0, 0], [0, 0, 0]], [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
    x = torch.ones(height, width, dtype=torch.float64, requires_grad=True)
    features = conv(x, mask_a)
    if model == "pixelcnn":
        for _ in range(layers):
            features = conv(features, mask_b)
    elif model == "row-lstm":
        for _ in range(layers):
            inputs, state, rows = conv(features, [[1, 1, 0]]), torch.zeros(1, width), []
            for i in range(height):
                state = inputs[i : i + 1] + conv(state.double(), [[1, 1, 1]])
                rows.append(state)
            features = torch.cat(rows)
    else:
        vertical = conv(x, [[1, 1, 1], [0, 0, 0], [0, 0, 0]])
        features = conv(x, [[1, 0, 0]]) + vertical
        for _ in range(layers):
            vertical = conv(vertical, [[1, 1, 1], [1, 1, 1], [0, 0, 0]])
            features = conv(features, [[1, 1, 0]]) + vertical
    features[row, column].backward()
    return (x.grad > 0).float()


def context_by_formula(model, height, width, layers, row, column):
    """The shapes that one finds with pencil and paper."""
    out = np.zeros((height, width), dtype=int)
    for i, j in itertools.product(range(height), range(width)):
        up, right = row - i, j - column
        own_row = up == 0 and -layers - 1 <= right <= -1
        if model == "pixelcnn":  # to go right it has to go up as far, and no row up is free
            above = 0 < up <= layers + 1 and -layers - 1 <= right <= up
        elif model == "row-lstm":
            above = up > 0 and -1 - layers - up <= right <= up
        else:
            above = 0 < up <= layers + 1 and abs(right) <= layers + 1
        out[i, j] = own_row or above
    return out


CONTEXT_MISTAKES = [
    *slips(
        context_reference,
        "blind-spot",
        """
        context_no_blind_spot
        model == "pixelcnn" => False
        There is a blind spot: with 3x3 masks, a pixel to the upper right is reached by going up a
        row for each column to the right. Follow the paths through the masks.

        context_sees_itself
        1, LEFT + ABOVE)] => 1, LEFT + HERE + ABOVE)]
        Your context holds the pixel itself: the first layer has mask A.

        context_layer_short
        [("features", layers, row => [("features", layers - 1, row
        Your context is a layer short: there are `layers` of them after the first one.

        context_always_a
        ("features", 1, LEFT + HERE + ABOVE) => ("features", 1, LEFT + ABOVE)
        You use mask A in every layer; after the first one it is mask B, which shows the centre.

        context_future
        1, LEFT + ABOVE)] => 1, SIDES + ABOVE)]
        Your context holds pixels that come later.

        context_everything_before
        ("image", -1, i, j) in seen => i * width + j < row * width + column
        That is all that comes before the pixel: some of it is out of reach for so few layers, and
        for some models always.
        """,
    ),
    *slips(
        context_reference,
        "two-stacks",
        """
        context_stacks_like_cnn
        model == "pixelcnn" => model != "row-lstm"
        The blind spot is still there: the vertical stack reads to the right as well, and after its
        first layer its own row too (a vertical feature at row i knows rows before i only).

        context_vertical_present
        "vertical": [("image", 1, ABOVE)] => "vertical": [("image", 1, ABOVE + SIDES)]
        Your vertical stack sees the present row, with its future: its first layer has to leave it
        out.
        """,
    ),
    *slips(
        context_reference,
        "triangle",
        """
        context_lstm_like_cnn
        ("features", 0, ABOVE) => ("features", 1, ABOVE)
        A Row LSTM's state comes from the states of the same layer in the row above, and so on up
        to the first row: its reach does not end after a few rows.

        context_lstm_column
        ("features", 0, ABOVE) => ("features", 0, ABOVE[1:2])
        The state-to-state convolution has width 3: the context widens by a column on each side
        with each row.
        """,
    ),
    Mistake(
        variant(
            context_reference,
            "context_no_vertical",
            (', ("vertical", 0, HERE)],\n            "vertical"', '],\n            "vertical"'),
        ),
        "The horizontal stack reads the vertical one in every layer, not in the first only.",
        test="two-stacks",
    ),
    Mistake(
        variant(
            context_reference,
            "context_lstm_whole_rows",
            (
                '("image", -1, i, j) in seen',
                '("image", -1, i, j) in seen or (model == "row-lstm" and i < row)',
            ),
        ),
        "A Row LSTM does not see whole rows above: only a triangle.",
        test="triangle",
    ),
    Mistake(
        variant(
            context_reference,
            "context_lstm_leaks",
            (
                '("features", 1, LEFT + HERE), ("features", 0, ABOVE)',
                '("features", 1, SIDES), ("features", 0, ABOVE)',
            ),
        ),
        "The input-to-state convolution is not masked in your model: it reads the feature to the "
        "right, which has seen the present pixel.",
        test="triangle",
    ),
]
CONTEXT_WRONG = [
    *slips(
        context_reference,
        "triangle",
        """
        context_columns_first
        ("image", -1, i, j) in seen for j => ("image", -1, j, i) in seen for j

        context_everything_before_lstm
        ("image", -1, i, j) in seen => i * width + j < row * width + column
        """,
    ),
    *slips(
        context_reference,
        "two-stacks",
        """
        context_everything_before_stacks
        ("image", -1, i, j) in seen => i * width + j < row * width + column
        """,
    ),
]


def draw_context(rng, model):
    """A pixel far enough from all borders, in an image that is no square."""
    layers = int(rng.integers(1, 3))
    height, width = int(rng.integers(7, 9)), int(rng.integers(9, 12))
    row = int(rng.integers(layers + 3, height - 1))
    column = int(rng.integers(layers + 1, width - layers - 3))
    return dict(model=model, height=height, width=width, layers=layers, row=row, column=column)


def draw_cnn_context(rng):
    return draw_context(rng, "pixelcnn")


def draw_stacks_context(rng):
    return draw_context(rng, "two-stacks")


def draw_lstm_context(rng):
    return draw_context(rng, "row-lstm")


CONTEXT = Exercise(
    id="pixel-context",
    answer="context",
    kind="function",
    title="Which pixels does a pixel see?",
    minutes=30,
    reference=context_reference,
    tests=[
        Test(
            "blind-spot",
            1,
            telling_declared(
                "blind-spot",
                draw_cnn_context,
                context_reference,
                0.5,
                CONTEXT_MISTAKES,
                CONTEXT_WRONG,
            ),
            cases=2,
        ),
        Test(
            "two-stacks",
            1,
            telling_declared(
                "two-stacks",
                draw_stacks_context,
                context_reference,
                0.5,
                CONTEXT_MISTAKES,
                CONTEXT_WRONG,
            ),
            cases=2,
        ),
        Test(
            "triangle",
            1,
            telling_declared(
                "triangle",
                draw_lstm_context,
                context_reference,
                0.5,
                CONTEXT_MISTAKES,
                CONTEXT_WRONG,
            ),
            cases=2,
        ),
    ],
    mistakes=CONTEXT_MISTAKES,
    wrong=CONTEXT_WRONG,
    right=[context_by_convolution, context_by_formula],
)


# --- 7. diagonal-bilstm -----------------------------------------------------------------


class Diagonal:
    def __init__(self, beside, above):
        self.beside, self.above = beside, above

    def skew(self, x):
        height, width = x.shape
        out = x.new_zeros(height, width + height - 1)
        for i in range(height):
            out[i, i : i + width] = x[i]
        return out

    def states(self, x):
        columns, state = [], x.new_zeros(len(x))
        for inputs in self.skew(x).T:
            lower = F.pad(state, (1, -1))
            state = torch.tanh(inputs + self.beside * state + self.above * lower)
            columns.append(state)
        skewed = torch.stack(columns, 1)
        return torch.stack([row[i : i + x.shape[1]] for i, row in enumerate(skewed)])

    def both(self, x):
        left, right = self.states(x), self.states(x.flip(1)).flip(1)
        return left + F.pad(right, (0, 0, 1, -1))


class DiagonalByPixels:
    """Pixel by pixel, with no skewing at all."""

    def __init__(self, beside, above):
        self.beside, self.above = beside, above

    def skew(self, x):
        height, width = x.shape
        return [
            [float(x[i, k - i]) if 0 <= k - i < width else 0 for k in range(width + height - 1)]
            for i in range(height)
        ]

    def scan(self, x, step):
        height, width = x.shape
        s = np.zeros((height + 1, width + 2))
        for i in range(height):
            for j in range(width)[::step]:
                inputs = float(x[i, j]) + self.beside * s[i + 1, j + 1 - step]
                s[i + 1, j + 1] = math.tanh(inputs + self.above * s[i, j + 1])
        return s[:, 1:-1]

    def states(self, x):
        return self.scan(x, 1)[1:]

    def both(self, x):
        return self.scan(x, 1)[1:] + self.scan(x, -1)[:-1]


class DiagonalByReshape(Diagonal):
    """Skew and unskew by padding and reshaping; single precision."""

    def skew(self, x):
        height, width = x.shape
        padded = torch.cat([x, torch.zeros(height, height)], 1).flatten()
        return padded[: height * (width + height - 1)].reshape(height, -1).float()

    def states(self, x):
        skewed, found = self.skew(x), []
        h = torch.zeros(len(x))
        for k in range(skewed.shape[1]):
            above = torch.cat([torch.zeros(1), h[:-1]])
            h = (skewed[:, k] + self.beside * h + self.above * above).tanh()
            found.append(h)
        i, j = torch.meshgrid(torch.arange(len(x)), torch.arange(x.shape[1]), indexing="ij")
        return torch.stack(found)[i + j, i]


DIAGONAL_MISTAKES = [
    *slips(
        Diagonal,
        "skew",
        """
        DiagonalSkewedBack
        out[i, i : i + width] => out[i, height - 1 - i : height - 1 - i + width]
        You shift the upper rows furthest: row i has to move to the right by i.

        DiagonalNoOffset
        out[i, i : i + width] => out[i, :width]
        The rows are not shifted: row i moves to the right by i.

        DiagonalOneMore
        out[i, i : i + width] => out[i, i + 1 : i + 1 + width]
        width + height - 1) => width + height)
        Row 0 stays where it is: you shift every row one column too far.

        DiagonalRolled
        out[i, i : i + width] => out[i, :width]
        = x[i] => = x[i].roll(i)
        What leaves on the right comes back on the left in your skew: the image gets wider instead,
        and the corners hold zeros.
        """,
    ),
    *slips(
        Diagonal,
        "states",
        """
        DiagonalStillSkewed
        row[i : i + x.shape[1]] => row[:x.shape[1]]
        The states are still skewed: row i has to move back by i.

        DiagonalFromBelow
        F.pad(state, (1, -1)) => F.pad(state, (-1, 1))
        A state takes from the row below, which is not known yet; it has to come from the row
        above.

        DiagonalNoBeside
        inputs + self.beside * state => inputs
        The state of the pixel to the left is missing.

        DiagonalFactorsSwapped
        self.beside * state + self.above * lower => self.above * state + self.beside * lower
        The two factors are swapped: `beside` belongs to the left neighbour, `above` to the one
        above.

        DiagonalUpperLeft
        for inputs in self.skew(x).T => for inputs in x.T
        row[i : i + x.shape[1]] => row
        Without the skew, the column before holds the upper left neighbour, not the one above.

        DiagonalLinear
        torch.tanh( => (
        The tanh is missing.
        """,
    ),
    *slips(
        Diagonal,
        "both",
        """
        DiagonalNoShift
        F.pad(right, (0, 0, 1, -1)) => right
        The right-to-left half is not shifted down: it sees the pixels to the right in the present
        row, which is the future.

        DiagonalShiftUp
        (0, 0, 1, -1) => (0, 0, -1, 1)
        The right-to-left half is shifted up: it now sees a row below. Shift it down.

        DiagonalShiftRolls
        F.pad(right, (0, 0, 1, -1)) => right.roll(1, 0)
        You shift with a roll: the last row comes back on top, and the first row sees the end of
        the image. Zeros belong there.

        DiagonalShiftsBoth
        return left + F.pad(right, => return F.pad(left + right,
        Only the right-to-left half is shifted: the left-to-right one sees no future.

        DiagonalShiftsLeftHalf
        left + F.pad(right, => right + F.pad(left,
        You shift the left-to-right half; it is the other one that sees the future.

        DiagonalShiftsSideways
        (0, 0, 1, -1) => (-1, 1)
        You shift by a column: it has to be a row, because all of the present row to the right is
        unknown.

        DiagonalNotFlippedBack
        self.states(x.flip(1)).flip(1) => self.states(x.flip(1))
        The right-to-left half is still mirrored: flip its states back.

        DiagonalFlipsRows
        self.states(x.flip(1)).flip(1) => self.states(x.flip(0)).flip(0)
        You flip the rows, and so begin at the bottom of the image: mirror it left to right.

        DiagonalOneHalf
        left + F.pad(right, (0, 0, 1, -1)) => left
        Only the left-to-right half is there: the upper right part of the context is missing.
        """,
    ),
    Mistake(
        variant(Diagonal, "DiagonalNoAbove", (" + self.above * lower", "")),
        "The state of the pixel above is missing.",
        test="states",
    ),
]
DIAGONAL_WRONG = [
    *slips(
        Diagonal,
        "states",
        """
        DiagonalWraps
        F.pad(state, (1, -1)) => state.roll(1)
        """,
    ),
    Wrong(
        variant(
            Diagonal,
            "DiagonalTransposed",
            ("return out\n", "return out.T\n"),
            ("self.skew(x).T", "self.skew(x)"),
        ),
        test="skew",
    ),
]


def draw_diagonal(rng, method):
    height, width = rng.permutation([4, int(rng.choice([3, 5, 6]))]).tolist()
    beside, above = rng.permutation([0.5, -0.8]) + rng.integers(-1, 2, size=2) / 10
    calls = [[method, {"x": normal(rng, height, width)}]]
    return {"init": {"beside": float(beside), "above": float(above)}, "calls": calls}


def draw_skew(rng):
    return draw_diagonal(rng, "skew")


def draw_diagonal_states(rng):
    return draw_diagonal(rng, "states")


def draw_both_halves(rng):
    return draw_diagonal(rng, "both")


DIAGONAL = Exercise(
    id="diagonal-bilstm",
    answer="DiagonalScan",
    kind="class",
    title="Along the diagonals, from both sides",
    minutes=30,
    reference=Diagonal,
    tests=[
        Test(
            "skew",
            1,
            telling_declared("skew", draw_skew, Diagonal, 0.05, DIAGONAL_MISTAKES, DIAGONAL_WRONG),
            cases=2,
        ),
        Test(
            "states",
            1,
            telling_declared(
                "states", draw_diagonal_states, Diagonal, 0.02, DIAGONAL_MISTAKES, DIAGONAL_WRONG
            ),
            cases=2,
        ),
        Test(
            "both",
            1,
            telling_declared(
                "both", draw_both_halves, Diagonal, 0.02, DIAGONAL_MISTAKES, DIAGONAL_WRONG
            ),
            cases=2,
        ),
    ],
    mistakes=DIAGONAL_MISTAKES,
    wrong=DIAGONAL_WRONG,
    right=[DiagonalByPixels, DiagonalByReshape],
    discouraged=(
        "gencourse.autoregressive.diagonal_bilstm.skew",
        "gencourse.autoregressive.diagonal_bilstm.unskew",
        "gencourse.autoregressive.DiagonalBiLSTM",
    ),
)


# --- 8. language-model ------------------------------------------------------------------


def generate_reference(E, R, U, c, prefix, uniforms, temperature):
    h, columns = torch.zeros(len(uniforms), len(R)).double(), []
    for token in prefix:
        h = torch.tanh(h @ R.T + E[token])
    for u in uniforms.T:
        logits = h @ U.T + c
        p = torch.softmax(logits / temperature, -1)
        token = (u[:, None] >= p.cumsum(-1)).sum(-1)
        columns.append(token)
        h = torch.tanh(h @ R.T + E[token])
    return torch.stack(columns, 1)


def generate_from_scratch(E, R, U, c, prefix, uniforms, temperature):
    """Run the whole network again for every token, row by row, with numpy."""
    E, R, U, c = (t.numpy().astype(np.float32) for t in (E, R, U, c))
    rows = []
    for row in uniforms.tolist():
        tokens = list(prefix)
        for u in row:
            h = np.zeros(len(R), np.float32)
            for token in tokens:
                h = np.tanh(R @ h + E[token])
            scores = (U @ h + c) / temperature
            p = np.exp(scores - scores.max())
            k, left = 0, u - p[0] / p.sum()
            while left >= 0:
                k += 1
                left -= p[k] / p.sum()
            tokens.append(k)
        rows.append(tokens[len(prefix) :])
    return rows


def generate_by_cell(E, R, U, c, prefix, uniforms, temperature):
    """torch's own recurrent cell, and a search in the running sum."""
    cell = torch.nn.RNNCell(len(E), len(R), bias=False).double()
    cell.load_state_dict({"weight_ih": E.T, "weight_hh": R})
    n, one_hot = len(uniforms), torch.eye(len(E)).double()
    with torch.no_grad():
        h, out = torch.zeros(n, len(R)).double(), torch.zeros(uniforms.shape)
        for token in prefix:
            h = cell(one_hot[token].expand(n, -1), h)
        for t in range(uniforms.shape[1]):
            weights = ((h @ U.T + c) / temperature).exp()
            target = uniforms[:, t : t + 1] * weights.sum(1, keepdim=True)
            token = torch.searchsorted(weights.cumsum(1), target, right=True)[:, 0]
            out[:, t], h = token, cell(one_hot[token], h)
    return out


def generate_global(E, R, U, c, prefix, uniforms, temperature):
    """Draw from p(x)^(1/T) / Z over whole continuations, by listing them."""
    k, length = len(E), uniforms.shape[1]
    sequences = torch.cartesian_prod(*[torch.arange(k)] * length)  # (K^T, T)
    h, log_p = torch.zeros(len(sequences), len(R)).double(), 0.0
    for token in prefix:
        h = torch.tanh(h @ R.T + E[token])
    for token in sequences.T:
        log_p = log_p + (h @ U.T + c).log_softmax(-1).gather(1, token[:, None])[:, 0]
        h = torch.tanh(h @ R.T + E[token])
    weights, rows = (log_p / temperature).exp(), []
    for row in uniforms.tolist():
        left, w = sequences, weights
        for t, u in enumerate(row):
            p = torch.stack([w[left[:, t] == s].sum() for s in range(k)]) / w.sum()
            token = int((u >= p.cumsum(0)).sum())
            left, w = left[left[:, t] == token], w[left[:, t] == token]
        rows.append(left[0])
    return torch.stack(rows)


FEED = "h = torch.tanh(h @ R.T + E[token])\n    return"
GENERATE_MISTAKES = [
    *slips(
        generate_reference,
        "temperature",
        """
        generate_hotter
        logits / temp => logits * temp
        You multiply by the temperature: a high temperature has to flatten the distribution.

        generate_tempered_twice
        temperature, -1) => temperature**2, -1)
        The temperature acts twice.

        generate_power
        softmax(logits / temperature, -1) => softmax(logits, -1) ** temperature
        .sum(-1) => .sum(-1).clamp(max=len(c) - 1)
        You raise the probabilities to the power T: it is 1/T, and they have to sum to 1 again.

        generate_greedy
        (u[:, None] >= p.cumsum(-1)).sum(-1) => p.argmax(-1)
        You take the most probable token: that is no sample, and the uniforms are not used.

        generate_upside_down
        u[:, None] >= => 1 - u[:, None] >=
        Your tokens count from the wrong end: small u belongs to token 0.

        generate_no_running_sum
        (u[:, None] >= p.cumsum(-1)).sum(-1) => (u[:, None] < p).int().argmax(-1)
        You compare u with single probabilities: compare it with their running sum.
        """,
    ),
    *slips(
        generate_reference,
        "prefix",
        """
        generate_no_prefix
        in prefix: => in prefix[:0]:
        The prefix makes no difference to your samples: feed it to the network first.

        generate_last_of_prefix
        in prefix: => in prefix[-1:]:
        Only the last token of the prefix is used: the state has to run through all of it.

        generate_prefix_short
        in prefix: => in prefix[:-1]:
        The last token of the prefix is not fed.

        generate_prefix_long
        in prefix: => in [*prefix, prefix[-1]]:
        The last token of the prefix is fed twice: once as the prefix, once more before the first
        draw.

        generate_prefix_reversed
        in prefix: => in prefix[::-1]:
        The prefix is read backwards.
        """,
    ),
    Mistake(
        generate_global,
        "You temper the distribution of whole sequences, p(x)^(1/T)/Z. Asked is the temperature "
        "that language models use: in each conditional. The two differ.",
        test="temperature",
    ),
    Mistake(
        variant(generate_reference, "generate_no_temperature", (" / temperature", "")),
        "The temperature makes no difference to your samples: logits are divided by it, before "
        "the softmax (dividing probabilities and normalising again changes nothing).",
        test="temperature",
    ),
    Mistake(
        variant(
            generate_reference,
            "generate_after_softmax",
            ("softmax(logits / temperature, -1)", "softmax(logits, -1) / temperature"),
            (".sum(-1)\n", ".sum(-1).clamp(max=len(c) - 1)\n"),
        ),
        "You divide probabilities by the temperature: they no longer sum to 1. Divide the logits.",
        test="temperature",
    ),
    Mistake(
        variant(generate_reference, "generate_not_fed", (FEED, "pass\n    return")),
        "What was drawn is not fed back: every token is drawn as if it were the first.",
        test="temperature",
    ),
    Mistake(
        variant(
            generate_reference,
            "generate_no_memory",
            (FEED, "h = torch.tanh(E[token])\n    return"),
        ),
        "The state forgets: each token depends on the one before it only (the term R h is "
        "missing).",
        test="temperature",
    ),
]
GENERATE_WRONG = [
    *slips(
        generate_reference,
        "prefix",
        """
        generate_with_prefix
        .double(), [] => .double(), [torch.full_like(uniforms[:, 0], k) for k in prefix]
        """,
    ),
    *slips(
        generate_reference,
        "temperature",
        """
        generate_one_uniform
        for u in uniforms.T => for u in uniforms[:, :1].expand_as(uniforms).T
        """,
    ),
    Wrong(variant(generate_reference, "generate_no_bias", (" + c\n", "\n")), test="temperature"),
]


def draw_generation(rng, prefix, temperature):
    """Three tokens; the uniforms are far enough from the running sums for single precision."""
    k, h = 3, 3
    call = {
        "E": normal(rng, k, h, scale=1.5),
        "R": normal(rng, h, h),
        "U": normal(rng, k, h, scale=2),
        "c": normal(rng, k, scale=0.7),
        "prefix": prefix,
        "temperature": temperature,
    }
    u = (rng.integers(0, 1000, size=(20, 4)) + 0.5) / 1000
    steady = [run(generate_reference, call | {"uniforms": u + shift}) for shift in (-1e-4, 1e-4)]
    return call | {"uniforms": u} if torch.equal(*steady) else None


def draw_tempered(rng):
    return draw_generation(rng, [], float(rng.choice([0.5, 0.6, 1.8, 2.5])))


def draw_prefixed(rng):
    prefix = rng.integers(3, size=4).tolist()
    return draw_generation(rng, prefix, 1.0)


GENERATE = Exercise(
    id="language-model",
    answer="generate",
    kind="sampler",
    title="A language model speaks",
    minutes=30,
    reference=generate_reference,
    tests=[
        Test(
            "temperature",
            2,
            telling_declared(
                "temperature",
                draw_tempered,
                generate_reference,
                0.5,
                GENERATE_MISTAKES,
                GENERATE_WRONG,
            ),
            cases=2,
        ),
        Test(
            "prefix",
            1,
            telling_declared(
                "prefix", draw_prefixed, generate_reference, 0.5, GENERATE_MISTAKES, GENERATE_WRONG
            ),
            cases=2,
        ),
    ],
    mistakes=GENERATE_MISTAKES,
    wrong=GENERATE_WRONG,
    right=[generate_from_scratch, generate_by_cell],
    discouraged=("gencourse.autoregressive.RNNLanguageModel",),
)


# --- 9. wavenet -------------------------------------------------------------------------


class Wave:
    def __init__(self, weights, levels):
        self.weights, self.mu = weights, levels - 1
        self.queues = [[0.0] * 2**layer for layer in range(len(weights))]

    def encode(self, x):
        y = x.sign() * torch.log1p(self.mu * x.abs()) / math.log1p(self.mu)
        return torch.round((y + 1) / 2 * self.mu).long()

    def decode(self, codes):
        y = 2 * codes / self.mu - 1
        return y.sign() * ((1 + self.mu) ** y.abs() - 1) / self.mu

    def forward(self, x):
        for layer, (past, present) in enumerate(self.weights):
            earlier = F.pad(x, (2**layer, -(2**layer)))
            x = torch.tanh(past * earlier + present * x)
        return x

    def step(self, value):
        for (past, present), queue in zip(self.weights, self.queues, strict=True):
            queue.append(value)
            earlier = queue.pop(0)
            value = torch.tanh(past * earlier + present * value)
        return value


class WaveByHistory:
    """Recursion over single samples; `step` keeps all that came and begins again each time."""

    def __init__(self, weights, levels):
        self.weights, self.top, self.heard = weights.tolist(), levels - 1, []

    def encode(self, x):
        codes = []
        for value in x.tolist():
            size = math.log(1 + self.top * abs(value)) / math.log(1 + self.top)
            codes.append(int((math.copysign(size, value) + 1) * self.top / 2 + 0.5))
        return codes

    def decode(self, codes):
        y = (codes.numpy() - self.top / 2) / (self.top / 2)
        return np.copysign(np.expm1(np.abs(y) * np.log(1 + self.top)) / self.top, y)

    def at(self, x, layer, t):
        if t < 0:
            return 0.0
        if layer < 0:
            return x[t]
        past, present = self.weights[layer]
        earlier, now = self.at(x, layer - 1, t - 2**layer), self.at(x, layer - 1, t)
        return math.tanh(past * earlier + present * now)

    def forward(self, x):
        x = x.tolist()
        return [self.at(x, len(self.weights) - 1, t) for t in range(len(x))]

    def step(self, value):
        self.heard.append(value)
        return self.at(self.heard, len(self.weights) - 1, len(self.heard) - 1)


class WaveByConv(Wave):
    """torch's dilated convolution; queues that one writes round and round."""

    def __init__(self, weights, levels):
        super().__init__(weights.float(), levels)
        self.memory = [torch.zeros(2**layer) for layer in range(len(weights))]
        self.time = 0

    def forward(self, x):
        y = x.float()[None, None]
        for layer, kernel in enumerate(self.weights):
            padded = F.pad(y, (2**layer, 0))
            y = F.conv1d(padded, kernel[None, None], dilation=2**layer).tanh()
        return y

    def step(self, value):
        value = torch.tensor(float(value))
        for kernel, memory in zip(self.weights, self.memory, strict=True):
            place = self.time % len(memory)
            earlier = memory[place].clone()
            memory[place] = value
            value = (kernel @ torch.stack([earlier, value])).tanh()
        self.time += 1
        return value


WAVE_MISTAKES = [
    *slips(
        Wave,
        "mu-law",
        """
        WaveMuIsLevels
        levels - 1 => levels
        mu is levels - 1 (255 for 256 levels): with mu = levels the codes go from 0 to levels, one
        too many.

        WaveLinear
        x.sign() * torch.log1p(self.mu * x.abs()) / math.log1p(self.mu) => x
        Your codes are evenly spaced: the logarithm, which gives quiet sounds more levels, is
        missing.

        WaveNoOne
        torch.log1p(self.mu * x.abs()) => torch.log(self.mu * x.abs())
        It is ln(1 + mu |x|): without the 1 a quiet sample has a negative size.

        WaveUnsigned
        x.sign() * torch => torch
        Samples of either sign get the same code: the sign of x is lost.

        WaveFloor
        torch.round( => torch.floor(
        You cut the digits off: round to the nearest code.

        WaveDecodesLinearly
        y.sign() * ((1 + self.mu) ** y.abs() - 1) / self.mu => y
        `decode` does not undo the logarithm.

        WaveDecodesNoOne
        ** y.abs() - 1) / => ** y.abs()) /
        `decode` lacks the -1: silence comes back as a sound.

        WaveNatural
        ((1 + self.mu) ** y.abs() - 1) => (y.abs().exp() - 1)
        `decode` has the wrong base: the inverse of ln(1 + mu |x|) / ln(1 + mu) is ((1 + mu)^|y| -
        1) / mu.
        """,
    ),
    *slips(
        Wave,
        "causal",
        """
        WaveFuture
        (2**layer, -(2**layer)) => (-(2**layer), 2**layer)
        You look into the future: the other tap is 2^l samples earlier, so pad on the left.

        WaveNoDilation
        (2**layer, -(2**layer)) => (1, -1)
        No layer is dilated: with L layers you see L + 1 samples instead of 2^L.

        WaveLinearDilation
        (2**layer, -(2**layer)) => (layer + 1, -layer - 1)
        The dilations are 1, 2, 3, ...: they have to double, 1, 2, 4, ...

        WaveOneMoreDoubling
        (2**layer, -(2**layer)) => (2 ** (layer + 1), -(2 ** (layer + 1)))
        The dilations begin with 1 in layer 0, not with 2.

        WaveTapsSwapped
        past * earlier + present * x => past * x + present * earlier
        The taps are swapped: weights[l, 0] belongs to the earlier sample.

        WaveWraps
        F.pad(x, (2**layer, -(2**layer))) => x.roll(2**layer)
        Your shift wraps around: the first outputs see the end of the sound. Zeros belong there.

        WaveNoTanh
        torch.tanh(past * earlier + present * x) => past * earlier + present * x
        The tanh after each layer is missing.
        """,
    ),
    *slips(
        Wave,
        "stream",
        """
        WaveNoQueue
        queue.pop(0) => queue.pop(-2)
        Every layer remembers one sample only: layer l needs its input of 2^l steps ago.

        WaveStackOfPlates
        queue.pop(0) => queue.pop()
        You take from the queue what you have just put in: first in, first out.

        WaveQueueLong
        2**layer for layer in => (2**layer + 1) for layer in
        The queues are one step too long: layer l needs its input of 2^l steps ago.

        WaveQueueLinear
        2**layer for layer in => (layer + 1) for layer in
        The queues grow by one from layer to layer: they have to double, 1, 2, 4, ...
        """,
    ),
    Mistake(
        variant(
            Wave,
            "WaveQueueShort",
            (
                "queue.append(value)\n            earlier = queue.pop(0)",
                "earlier = [*queue, value][1]\n            queue[:] = [*queue[1:], value]",
            ),
        ),
        "The queues are one step too short: layer l needs its input of 2^l steps ago.",
        test="stream",
    ),
    Mistake(
        variant(
            Wave,
            "WaveStoresOutputs",
            ("queue.append(value)\n            earlier = queue.pop(0)", "earlier = queue.pop(0)"),
            ("present * value)\n", "present * value)\n            queue.append(value)\n"),
        ),
        "You store the outputs of a layer where its inputs belong.",
        test="stream",
    ),
    Mistake(
        variant(
            Wave,
            "WaveForgets",
            ("queue.append(value)\n            earlier = queue.pop(0)", "earlier = 0.0"),
        ),
        "Nothing is remembered from one step to the next.",
        test="stream",
    ),
    Mistake(
        variant(
            Wave,
            "WaveStoresTheSound",
            ("for (past, present), queue", "heard = value\n        for (past, present), queue"),
            ("queue.append(value)", "queue.append(heard)"),
        ),
        "Every layer stores the sound itself: layer l has to remember what came out of layer "
        "l - 1.",
        test="stream",
    ),
]
WAVE_WRONG = [
    *slips(
        Wave,
        "causal",
        """
        WaveCentred
        (2**layer, -(2**layer)) => (2**layer // 2, -(2**layer // 2))
        """,
    ),
    *slips(
        Wave,
        "stream",
        """
        WaveStepSwapped
        past * earlier + present * value => present * earlier + past * value
        """,
    ),
]


def draw_wave(rng, layers, *calls, levels=256):
    weights = np.round(normal(rng, layers, 2, scale=0.6) + np.array([0.5, -0.4]), 2)
    return {"init": {"weights": weights, "levels": levels}, "calls": list(calls)}


def draw_mu_law(rng):
    """No sample is so near to the border of two codes that single precision decides."""
    levels = int(rng.choice([16, 64, 256]))
    x = np.round(rng.choice([-1, 1], size=12) * rng.uniform(0.001, 1, size=12) ** 2, 4)
    x[x == 0] = 0.0007
    scaled = (
        (np.sign(x) * np.log1p((levels - 1) * np.abs(x)) / np.log(levels) + 1) / 2 * (levels - 1)
    )
    if (np.abs(scaled % 1 - 0.5) < 1e-3).any():
        return None
    codes = rng.permutation(levels)[:6]
    return draw_wave(rng, 1, ["encode", {"x": x}], ["decode", {"codes": codes}], levels=levels)


def draw_sound(rng):
    return draw_wave(rng, 4, ["forward", {"x": normal(rng, 20, scale=0.8)}])


def draw_stream(rng):
    steps = [["step", {"value": float(v)}] for v in normal(rng, 14, scale=0.8)]
    return draw_wave(rng, 3, *steps)


WAVE = Exercise(
    id="wavenet",
    answer="WaveStack",
    kind="class",
    title="WaveNet, all at once and sample by sample",
    minutes=40,
    reference=Wave,
    tests=[
        Test(
            "mu-law",
            1,
            telling_declared("mu-law", draw_mu_law, Wave, 0.01, WAVE_MISTAKES, WAVE_WRONG),
            cases=2,
        ),
        Test(
            "causal",
            1,
            telling_declared("causal", draw_sound, Wave, 0.02, WAVE_MISTAKES, WAVE_WRONG),
            cases=2,
        ),
        Test(
            "stream",
            2,
            telling_declared("stream", draw_stream, Wave, 0.02, WAVE_MISTAKES, WAVE_WRONG),
            cases=2,
        ),
    ],
    mistakes=WAVE_MISTAKES,
    wrong=WAVE_WRONG,
    right=[WaveByHistory, WaveByConv],
    discouraged=(
        "gencourse.autoregressive.WaveNet",
        "gencourse.autoregressive.mu_law_encode",
        "gencourse.autoregressive.mu_law_decode",
    ),
)


# --- 10. completion ---------------------------------------------------------------------


def complete_reference(conditionals, given):
    evidence, ones = torch.zeros(()).double(), torch.zeros(len(given)).double()
    for x in itertools.product((0, 1), repeat=len(given)):
        if any(g is not None and g != s for g, s in zip(given, x, strict=True)):
            continue
        p = torch.ones(()).double()
        for i, table in enumerate(conditionals):
            p_one = table[x[:i]]
            p = p * (p_one if x[i] == 1 else 1 - p_one)
        evidence = evidence + p
        ones = ones + p * torch.tensor(x)
    return {"log_evidence": evidence.log(), "marginals": ones / evidence}


def complete_by_table(conditionals, given):
    """Build the joint table axis by axis and cut it; numpy in single precision."""
    joint = np.ones((), np.float32)
    for table in conditionals:
        p = table.numpy().astype(np.float32)
        joint = joint[..., None] * np.stack([1 - p, p], -1)
    for axis, g in enumerate(given):
        if g is not None:
            keep = np.zeros(2, np.float32)
            keep[g] = 1
            joint = joint * keep.reshape([2 if k == axis else 1 for k in range(len(given))])
    total = joint.sum()
    marginals = [np.take(joint, 1, axis).sum() / total for axis in range(len(given))]
    return {"marginals": marginals, "log_evidence": float(np.log(total))}


def complete_by_weights(conditionals, given):
    """Clamped sequences, all of them, each with its proposal times its importance weight."""
    sequences = [((), 1.0, 1.0)]
    for table, g in zip(conditionals, given, strict=True):
        longer = []
        for x, proposal, weight in sequences:
            p = float(table[x])
            for s, q in ((0, 1 - p), (1, p)):
                if g is None:
                    longer.append(((*x, s), proposal * q, weight))
                elif s == g:
                    longer.append(((*x, s), proposal, weight * q))
        sequences = longer
    evidence = sum(q * w for _, q, w in sequences)
    marginals = [sum(q * w * x[i] for x, q, w in sequences) / evidence for i in range(len(given))]
    return {"log_evidence": math.log(evidence), "marginals": marginals}


COMPLETE_P = "p = p * (p_one if x[i] == 1 else 1 - p_one)"


def clamped(conditionals, given):
    """Return the marginals of drawing in order with the given values held."""
    ones = torch.zeros(len(given)).double()
    for x in itertools.product((0, 1), repeat=len(given)):
        q = torch.tensor(float(all(g in (None, s) for g, s in zip(given, x, strict=True))))
        for i, table in enumerate(conditionals):
            if given[i] is None:
                q = q * (table[x[:i]] if x[i] == 1 else 1 - table[x[:i]])
        ones = ones + q * torch.tensor(x)
    return ones


CLAMPING = (
    "You hold the given values and draw the others in order: clamping is not conditioning. What "
    "is given late says something about what comes before it (0.9 in the example, not 0.5)."
)
COMPLETE_MISTAKES = [
    *slips(
        complete_reference,
        "late",
        """
        complete_clamped_marginals
        ones / evidence} => clamped(conditionals, given)}
        You hold the given values and draw the others in order: clamping is not conditioning. What
        is given late says something about what comes before it (0.9 in the example, not 0.5).
        """,
    ),
    *slips(
        complete_reference,
        "first",
        """
        complete_joint
        ones / evidence => ones
        Your marginals are joint probabilities p(x_i = 1, given): divide by p(given).

        complete_prior
        if any(g is not None and g != s for => if any(False and g != s for
        What is given makes no difference: leave out the x that do not agree with it.

        complete_ones_only
        p = p * (p_one if x[i] == 1 else 1 - p_one) => p = p * p_one
        A variable that is 0 contributes 1 - p(x_i = 1 | x_<i).

        complete_no_log
        evidence.log() => evidence
        The logarithm of the evidence is asked.

        complete_bits
        evidence.log() => evidence.log2()
        Your logarithm is to the base 2 (bits): nats are asked.

        complete_zeros
        p * torch.tensor(x) => p * (1 - torch.tensor(x))
        Your marginals are those of 0: p(x_i = 1 | given) is asked.

        complete_no_evidence
        evidence.log() => 0.0
        In your answer p(given) is 1: read the evidence off before you normalise.
        """,
    ),
    Mistake(
        variant(
            complete_reference,
            "complete_clamped",
            (
                COMPLETE_P,
                "p = p * (1 if given[i] is not None else p_one if x[i] == 1 else 1 - p_one)",
            ),
        ),
        CLAMPING,
        test="late",
    ),
    Mistake(
        variant(
            complete_reference,
            "complete_best",
            (
                "evidence = evidence + p\n        ones = ones + p * torch.tensor(x)",
                "ones = torch.tensor(x) + 0.0 if p > evidence else ones\n"
                "        evidence = torch.maximum(evidence, p)",
            ),
            ("ones / evidence", "ones"),
        ),
        "You keep the most probable completion only: every one counts with its probability.",
        test="late",
    ),
    Mistake(
        variant(
            complete_reference,
            "complete_uniform",
            (
                "evidence = evidence + p\n",
                "p = torch.ones(()).double()\n        evidence = evidence + p\n",
            ),
        ),
        "Every completion counts the same in your answer: weigh it with its probability.",
        test="first",
    ),
]
COMPLETE_WRONG = [
    *slips(
        complete_reference,
        "first",
        """
        complete_context_backwards
        table[x[:i]] => table[x[:i][::-1]]
        """,
    ),
]


def conditionals_of(rng, d):
    """Probabilities in hundredths, none of them near one half."""
    tables = [np.round(rng.uniform(0.05, 0.35, size=(2,) * i), 2) for i in range(d)]
    return [np.where(rng.random(t.shape) < 0.5, t, np.round(1 - t, 2)) for t in tables]


def draw_first(rng):
    given = [int(s) for s in rng.integers(2, size=2)] + [None] * 3
    return {"conditionals": conditionals_of(rng, 5), "given": given}


def draw_late(rng):
    """The first two are not given; of the others some are."""
    late = [int(rng.integers(2)), None, int(rng.integers(2))]
    given = [None, None, *(late[k] for k in rng.permutation(3))]
    return {"conditionals": conditionals_of(rng, 5), "given": given}


COPIES = [np.array(0.5), np.array([0.1, 0.9])]  # x_1 is a copy of x_0, with 1 error in 10

COMPLETE = Exercise(
    id="completion",
    answer="complete",
    kind="function",
    title="Completing what is half seen",
    minutes=30,
    reference=complete_reference,
    tests=[
        Test(
            "first",
            1,
            telling_declared(
                "first", draw_first, complete_reference, 0.01, COMPLETE_MISTAKES, COMPLETE_WRONG
            ),
            cases=2,
        ),
        Test(
            "late",
            2,
            telling_declared(
                "late", draw_late, complete_reference, 0.02, COMPLETE_MISTAKES, COMPLETE_WRONG
            ),
            cases=2,
            fixed=[{"conditionals": COPIES, "given": [None, 1]}],
        ),
    ],
    mistakes=COMPLETE_MISTAKES,
    wrong=COMPLETE_WRONG,
    right=[complete_by_table, complete_by_weights],
    discouraged=("gencourse.autoregressive.complete_by_importance",),
)


# --- 11. measures -----------------------------------------------------------------------


class Measures:
    def __init__(self, train_log_probs, event_shape):
        self.train, self.dims = train_log_probs, math.prod(event_shape)

    def bits_per_dim(self, log_probs, levels):
        nats = -log_probs.mean()
        if levels is not None:
            nats = nats + self.dims * math.log(levels)
        return nats / (self.dims * math.log(2))

    def p_values(self, log_probs):
        no_higher = (self.train[None, :] <= log_probs[:, None]).sum(1)
        return (no_higher + 1) / (len(self.train) + 1)


class MeasuresInNumpy:
    """Bits from the start, and ranks by a sorted search; single precision."""

    def __init__(self, train_log_probs, event_shape):
        self.sorted = np.sort(train_log_probs.numpy())
        self.dims = np.prod(np.array(event_shape))

    def bits_per_dim(self, log_probs, levels):
        bits = -np.mean(log_probs.numpy() / np.log(2)) / self.dims
        return np.float32(bits if levels is None else bits + np.log2(levels))

    def p_values(self, log_probs):
        rank = np.searchsorted(self.sorted, log_probs.numpy(), side="right") + 1
        return rank.astype(np.float32) / (len(self.sorted) + 1)


class MeasuresByLoops:
    """Row by row."""

    def __init__(self, train_log_probs, event_shape):
        self.train, self.shape = train_log_probs.tolist(), event_shape

    def bits_per_dim(self, log_probs, levels):
        dims = 1
        for size in self.shape:
            dims *= size
        offset = math.log2(levels) if levels else 0.0
        rows = [-value / math.log(2) / dims + offset for value in log_probs.tolist()]
        return sum(rows) / len(rows)

    def p_values(self, log_probs):
        everyone = [[t for t in self.train if not t > value] for value in log_probs.tolist()]
        return [(1 + len(below)) / (1 + len(self.train)) for below in everyone]


MEASURE_MISTAKES = [
    *slips(
        Measures,
        "bits",
        """
        MeasuresInNats
        (self.dims * math.log(2)) => self.dims
        Those are nats per dimension (0.1127 for 88.33 nats and 784 pixels): a bit is ln 2 nats.

        MeasuresPerEvent
        (self.dims * math.log(2)) => math.log(2)
        Those are bits per image (127.4 for 88.33 nats): divide by the number of dimensions.

        MeasuresTimesLog2
        / (self.dims * math.log(2)) => / self.dims * math.log(2)
        You multiply by ln 2: a number of bits is larger than that of nats.

        MeasuresNegative
        nats = -log_probs.mean() => nats = log_probs.mean()
        The sign of the log-likelihood is reversed: bits per dimension come from -log p.

        MeasuresSum
        log_probs.mean() => log_probs.sum()
        You add the images up: their average is asked.

        MeasuresNoChannels
        math.prod(event_shape) => math.prod(event_shape[1:])
        Colour channels are dimensions too.

        MeasuresNoLevels
        nats + self.dims * math.log(levels) => nats
        You take a density over pixels scaled to [0, 1] for a probability: the width of a level,
        1/levels in each dimension, has to be multiplied in.

        MeasuresLevelsOnce
        self.dims * math.log(levels) => math.log(levels)
        ln(levels) counts once for every dimension.

        MeasuresLevelsOff
        nats + self.dims => nats - self.dims
        The levels count with the wrong sign: a density over [0, 1] is *higher* than the
        probability of a level, by a factor of `levels` in each dimension.
        """,
    ),
    *slips(
        Measures,
        "ranks",
        """
        MeasuresReversed
        <= log_probs => >= log_probs
        Your p-value is small for what is *more* probable than the training data: count the
        training images that are no more probable than the new one.

        MeasuresNoOne
        (no_higher + 1) / (len(self.train) + 1) => no_higher / len(self.train)
        The new image counts as one of those compared: without the two +1 a p-value can be 0, and a
        test at level alpha alarms too often.

        MeasuresOneBelow
        (no_higher + 1) => no_higher
        The +1 of the numerator is missing: the new image is no more probable than itself.

        MeasuresStrict
        <= log_probs => < log_probs
        Ties: a training image that is exactly as probable counts too.
        """,
    ),
]
MEASURE_WRONG = [
    *slips(
        Measures,
        "ranks",
        """
        MeasuresCounts
        (no_higher + 1) / (len(self.train) + 1) => no_higher + 1
        """,
    ),
    Wrong(
        variant(
            Measures,
            "MeasuresNormalTail",
            (
                "        return (no_higher + 1) / (len(self.train) + 1)",
                "        z = (log_probs - self.train.mean()) / self.train.std()\n"
                "        return 0.5 * (1 + torch.erf(z / math.sqrt(2))) + 0 * no_higher",
            ),
        ),
        test="ranks",
    ),
]


def draw_bits(rng):
    """One model of grey levels' probabilities and one of a density over [0, 1]."""
    shape = [3, int(rng.integers(2, 6)), int(rng.integers(6, 9))]
    levels = int(rng.choice([16, 32, 256]))
    log_p = np.round(-rng.uniform(0.8, 2.5, size=4) * math.prod(shape), 2)
    init = {"train_log_probs": np.array([-1.0]), "event_shape": shape}
    density = np.round(log_p + math.prod(shape) * math.log(levels), 2)
    return {
        "init": init,
        "calls": [
            ["bits_per_dim", {"log_probs": log_p, "levels": None}],
            ["bits_per_dim", {"log_probs": density[:3], "levels": levels}],
        ],
    }


def draw_ranks(rng):
    """Some of the new images tie with one of the training images, one is below all of them."""
    train = np.round(rng.normal(-90, 8, size=11), 1)
    new = np.concatenate([train[:2], np.round(rng.normal(-95, 12, size=3), 1), [-200.0]])
    init = {"train_log_probs": train, "event_shape": [1, 28, 28]}
    return {"init": init, "calls": [["p_values", {"log_probs": rng.permutation(new)}]]}


MNIST_ROW = {
    "init": {"train_log_probs": np.array([-88.0]), "event_shape": [1, 28, 28]},
    "calls": [["bits_per_dim", {"log_probs": np.array([-88.33]), "levels": None}]],
}

MEASURES = Exercise(
    id="measures",
    answer="Measures",
    kind="class",
    title="Bits, and how odd an image is",
    minutes=15,
    reference=Measures,
    tests=[
        Test(
            "bits",
            1,
            telling_declared("bits", draw_bits, Measures, 0.02, MEASURE_MISTAKES, MEASURE_WRONG),
            cases=2,
            fixed=[MNIST_ROW],
        ),
        Test(
            "ranks",
            1,
            telling_declared("ranks", draw_ranks, Measures, 0.01, MEASURE_MISTAKES, MEASURE_WRONG),
            cases=2,
        ),
    ],
    mistakes=MEASURE_MISTAKES,
    wrong=MEASURE_WRONG,
    right=[MeasuresInNumpy, MeasuresByLoops],
    discouraged=("gencourse.evaluate.bits_per_dim", "gencourse.evaluate.rank_p_values"),
)


# --- 12. train-nade ---------------------------------------------------------------------


def descend(x, valid, num_hidden, loss, steps=150, sign=1.0):
    """Adam on `loss`, from a seeded start; return the weights that were best on `valid`."""
    generator, d = torch.Generator().manual_seed(0), x.shape[1]
    shapes = {"W": (num_hidden, d), "V": (d, num_hidden), "b": (d,), "c": (num_hidden,)}
    weights = {
        name: (0.3 * torch.randn(shape, generator=generator).double()).requires_grad_()
        for name, shape in shapes.items()
    }
    optimiser = torch.optim.Adam(weights.values(), lr=0.1)
    best, kept = math.inf, {}
    for _ in range(steps):
        with torch.no_grad():
            now = float(loss(valid, **weights))
        if now < best or sign < 0:
            best, kept = now, {name: w.detach().clone() for name, w in weights.items()}
        optimiser.zero_grad()
        (sign * loss(x, **weights)).backward()
        optimiser.step()
    return kept


def nade_loss(x, W, V, b, c):
    before = F.pad(x[:, :, None] * W.T, (0, 0, 1, 0)).cumsum(1)[:, :-1]
    logits = (torch.sigmoid(c + before) * V).sum(-1) + b
    return F.softplus((1 - 2 * x) * logits).sum(1).mean()


def train_reference(x, valid, num_hidden):
    return descend(x, valid, num_hidden, nade_loss)


def train_by_library(x, valid, num_hidden):
    """The library's own NADE, plain minibatches, no early stop."""
    from gencourse import autoregressive

    torch.manual_seed(1)
    model = autoregressive.NADE(x.shape[1], num_hidden=num_hidden).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=1e-3)
    for _ in range(8):
        for batch in x[torch.randperm(len(x))].split(20):
            optimiser.zero_grad()
            (-model.log_prob(batch).mean()).backward()
            optimiser.step()
    return model


def train_by_hand(x, valid, num_hidden):
    """Gradients from the recursion of the paper, in numpy, with momentum."""
    x, rng = x.numpy(), np.random.default_rng(5)
    n, d = x.shape
    theta = {
        "W": 0.3 * rng.normal(size=(num_hidden, d)),
        "V": 0.3 * rng.normal(size=(d, num_hidden)),
        "b": np.zeros(d),
        "c": np.zeros(num_hidden),
    }
    speed = {name: np.zeros_like(t) for name, t in theta.items()}
    for _ in range(200):
        terms = x[:, :, None] * theta["W"].T
        h = 1 / (1 + np.exp(-(theta["c"] + terms.cumsum(1) - terms)))
        error = 1 / (1 + np.exp(-((h * theta["V"]).sum(-1) + theta["b"]))) - x  # (B, D)
        down = error[:, :, None] * theta["V"] * h * (1 - h)  # (B, D, H)
        later = down[:, ::-1].cumsum(1)[:, ::-1] - down
        gradient = {
            "W": np.einsum("bi,bih->hi", x, later) / n,
            "V": np.einsum("bi,bih->ih", error, h) / n,
            "b": error.mean(0),
            "c": down.sum(1).mean(0),
        }
        for name, g in gradient.items():
            speed[name] = 0.9 * speed[name] - 0.1 * g
            theta[name] += speed[name]
    return theta


def train_factorised(x, valid, num_hidden):
    """The best that independent pixels can do."""
    p = x.mean(0).clamp(0.01, 0.99)
    zeros = torch.zeros(num_hidden, x.shape[1])
    return {"W": zeros, "V": zeros.T, "b": p.logit(), "c": zeros[:, 0]}


def train_nothing(x, valid, num_hidden):
    zeros = torch.zeros(num_hidden, x.shape[1])
    return {"W": zeros, "V": zeros.T, "b": zeros[0], "c": zeros[:, 0]}


def train_uphill(x, valid, num_hidden):
    return descend(x, valid, num_hidden, nade_loss, steps=40, sign=-1.0)


def train_few_steps(x, valid, num_hidden):
    return descend(x, valid, num_hidden, nade_loss, steps=5)


def own_context_loss(x, W, V, b, c):
    logits = (torch.sigmoid(c + (x[:, :, None] * W.T).cumsum(1)) * V).sum(-1) + b
    return F.softplus((1 - 2 * x) * logits).sum(1).mean()


def train_own_context(x, valid, num_hidden):
    return descend(x, valid, num_hidden, own_context_loss)


def twice_loss(x, W, V, b, c):
    before = F.pad(x[:, :, None] * W.T, (0, 0, 1, 0)).cumsum(1)[:, :-1]
    p = torch.sigmoid((torch.sigmoid(c + before) * V).sum(-1) + b)
    return F.softplus((1 - 2 * x) * p).sum(1).mean()


def train_twice(x, valid, num_hidden):
    return descend(x, valid, num_hidden, twice_loss)


def backwards_loss(x, W, V, b, c):
    return nade_loss(x.flip(1), W.flip(1), V.flip(0), b.flip(0), c)


def train_backwards(x, valid, num_hidden):
    return descend(x, valid, num_hidden, backwards_loss)


TRAIN_MISTAKES = [
    Mistake(
        train_factorised,
        "That is what independent pixels reach: your hidden layer contributes nothing.",
        test="held-out",
    ),
    Mistake(
        train_nothing,
        "That is a coin toss for every pixel, D ln 2 nats: nothing has been learned.",
        test="held-out",
    ),
]
TRAIN_WRONG = [
    Wrong(train_uphill, test="held-out"),
    Wrong(train_few_steps, test="held-out"),
    Wrong(train_own_context, test="held-out"),
    Wrong(train_twice, test="held-out"),
    Wrong(train_backwards, test="held-out"),
]
SLACK = 0.8  # nats above the reference on data of the same kind


def bars(rng, n):
    """Noisy 3x3 images of one bar, upright or lying."""
    images = np.zeros((n, 3, 3))
    for image, lying, place in zip(
        images, rng.random(n) < 0.5, rng.integers(3, size=n), strict=True
    ):
        image[(place, slice(None)) if lying else (slice(None), place)] = 1
    return np.abs(images - (rng.random(images.shape) < 0.03)).reshape(n, 9)


def nll_of(answer, call):
    weights = run(answer, call)
    weights = weights.state_dict() if isinstance(weights, torch.nn.Module) else weights
    return nade({name: np.asarray(w) for name, w in weights.items()}, call)["nll"]


def draw_bars(rng):
    return {"x": bars(rng, 160), "valid": bars(rng, 120), "num_hidden": 12}


def bars_inputs(rng):
    told = [m.answer for m in (*TRAIN_MISTAKES, *TRAIN_WRONG)]
    best = separated(rng, draw_bars, train_reference, [told[0]], 2 * SLACK, measure=nll_of)
    return best


TRAIN = Exercise(
    id="train-nade",
    answer="train_nade",
    kind="weights",
    title="Train a NADE on bars",
    minutes=25,
    reference=train_reference,
    evaluator="nade",
    tests=[
        Test(
            "held-out",
            2,
            bars_inputs,
            cases=1,
            metrics={"nll": {"at_most": SLACK}},
            properties=[
                {
                    "name": "at_most",
                    "key": "nll",
                    "value": 9 * math.log(2),
                    "says": "your model is worse than a coin toss for every pixel (9 ln 2 nats): "
                    "is x_i in its own context while you train, or do you climb the loss",
                }
            ],
        )
    ],
    rtol=0.0,
    atol=0.005,
    mistakes=TRAIN_MISTAKES,
    wrong=TRAIN_WRONG,
    right=[train_by_library, train_by_hand],
)


EXERCISES = [
    FVSBN,
    NADE,
    RNADE,
    MADE,
    MASKS,
    CONTEXT,
    DIAGONAL,
    GENERATE,
    WAVE,
    COMPLETE,
    MEASURES,
    TRAIN,
]
