"""Exercises of unit 03: references, inputs, tolerances, known mistakes and other right answers.

Instructors only. `gencourse build` turns the references and the known mistakes into cases, plain
numbers; no line of this file reaches a student. A mistake is written as what it is, a change of
the reference (`variant`), and inputs are drawn until every mistake is far from the right answer
and from every other mistake.

Which exercise asks the central idea of which row of the curriculum is in `ROWS`.

Shapes: N training points, B batch, D pixels, K latent units, S samples, C classes.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from gencourse.authoring.contract import Exercise, Test, Wrong
from gencourse.authoring.draws import as_tensors, grid, signed, simplex, telling, with_gradients
from gencourse.authoring.variants import mistakes, variant
from gencourse.exercises import adapter
from gencourse.exercises.encoding import decode, encode
from gencourse.exercises.judge import measure

ROWS = {
    "3.1": ("linear-autoencoder", "few-labels", "axes-and-collapse"),
    "3.2": ("kl-discrete", "kl-gaussian", "best-factorised"),
    "3.3": ("encoder-gaps", "fill-in"),
    "3.4": ("bernoulli-elbo", "two-gradients"),
    "3.5": ("bernoulli-elbo", "gaussian-decoder"),
    "3.6": ("bernoulli-elbo", "axes-and-collapse"),
    "3.7": ("iwae",),
    "3.8": ("class-conditional",),
    "3.9": ("encoder-gaps", "gumbel-softmax", "class-conditional"),
    "3.10": ("collapse", "axes-and-collapse"),
}

LOG_2PI = math.log(2 * math.pi)


def by_logistic_metrics(answer, call):
    """Compare what trained weights are judged by."""
    weights = decode(adapter.call(answer, kind="weights", call=encode(call)))
    return measure(weights, call, "binary_logistic")


# --- 1. linear-autoencoder --------------------------------------------------------------


def reconstruct(train, x, num_units):
    mean = train.mean(0)
    vectors = torch.linalg.eigh((train - mean).T @ (train - mean))[1].flip(1)  # largest first
    axes = vectors[:, :num_units].T  # (K, D)
    code = (x - mean) @ axes.T
    return code @ axes + mean


def reconstruct_by_svd(train, x, num_units):
    """Singular vectors in numpy, single precision."""
    train, x = np.float32(train), np.float32(x)
    mean = train.mean(0, keepdims=True)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:num_units]
    return mean + (x - mean) @ (axes.T @ axes)


def reconstruct_by_sklearn(train, x, num_units):
    from sklearn.decomposition import PCA

    model = PCA(num_units).fit(train.numpy())
    return model.inverse_transform(model.transform(x.numpy()))


def reconstruct_by_training(train, x, num_units):
    """Train decoder and encoder in turn, each by least squares, from a start of no meaning."""
    ones, numbers = torch.ones(len(train), 1, dtype=x.dtype), torch.arange(len(train) * num_units)
    inputs, code = torch.cat([train, ones], 1), torch.sin(numbers.to(x)).reshape(-1, num_units)
    for _ in range(400):
        decoder = torch.linalg.lstsq(torch.cat([code, ones], 1), train).solution
        wanted = (train - decoder[-1]) @ torch.linalg.pinv(decoder[:-1])
        encoder = torch.linalg.lstsq(inputs, wanted).solution
        code = inputs @ encoder
    new = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1) @ encoder
    return new @ decoder[:-1] + decoder[-1]


AUTOENCODER_MISTAKES = mistakes(
    "training-data",
    reconstruct,
    (
        "reconstruct_not_centred",
        "You do not centre the data: an autoencoder with biases can put the origin of its code "
        "anywhere, and the mean of the data is the best place.",
        ("train.mean(0)", "0 * train.mean(0)"),
    ),
    (
        "reconstruct_code_not_centred",
        "You find the directions in centred data and code points that are not: the mean is taken "
        "off before coding, too.",
        ("(x - mean) @ axes.T", "x @ axes.T"),
    ),
    (
        "reconstruct_mean_lost",
        "The mean that you subtracted is not added back.",
        ("axes + mean", "axes"),
    ),
    (
        "reconstruct_smallest",
        "You keep the directions in which the data vary least (`eigh` sorts eigenvalues upwards).",
        (".flip(1)", ""),
    ),
    (
        "reconstruct_rows",
        "You take the rows of the matrix of eigenvectors: `eigh` returns them as columns, and "
        "`svd` returns the transpose of what it calls V.",
        ("vectors[:, :num_units].T", "vectors[:num_units]"),
    ),
    (
        "reconstruct_standardised",
        "You divide each pixel by its standard deviation first: that is the best code for "
        "another error than the squared one of the pixels as they are.",
        ("mean = train", "sd = train.std(0)\n    train, x = train / sd, x / sd\n    mean = train"),
        ("code @ axes + mean", "(code @ axes + mean) * sd"),
    ),
    (
        "reconstruct_whitened",
        "Your code has unit variance, and decoding does not undo that scale.",
        ("(x - mean) @ axes.T", "(x - mean) @ axes.T / ((train - mean) @ axes.T).std(0)"),
    ),
    (
        "reconstruct_pixels",
        "You keep the pixels that vary most; a unit of the code may mix all pixels.",
        ("vectors[:, :num_units].T", "0 * vectors[:num_units]"),
        (
            "    code",
            "    axes[range(num_units), train.var(0).topk(num_units).indices] = 1\n    code",
        ),
    ),
    (
        "reconstruct_identity",
        "You return x itself: not everything gets through so few units.",
        ("code @ axes + mean", "x"),
    ),
)
NEW_DATA_MISTAKES = mistakes(
    "new-data",
    reconstruct,
    (
        "reconstruct_refit",
        "You fit the autoencoder to the new points: it is trained on `train` alone.",
        ("mean = train", "train = x\n    mean = train"),
    ),
    (
        "reconstruct_own_mean",
        "You centre the new points at their own mean: an autoencoder treats each point by "
        "itself, with the biases that it learned from `train`.",
        ("    code", "    mean = x.mean(0)\n    code"),
    ),
)
AUTOENCODER_WRONG = [Wrong(AUTOENCODER_MISTAKES[0].answer, test="new-data")]


def draw_training_data(rng):
    """Points whose directions of most variance are clear and are no axes."""
    points = rng.normal(size=(12, 4)) * np.array([2.4, 1.4, 0.7, 0.3])
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    x = np.round((points - points.mean(0)) @ turn + signed(rng, 0.5, 2.0, 4), 2)
    return {"train": x, "x": x, "num_units": int(rng.integers(1, 3))}


def draw_new_data(rng):
    call = draw_training_data(rng)
    return call | {"x": np.round(call["train"][:4] + rng.normal(size=(4, 4)) + 0.7, 2)}


AUTOENCODER = Exercise(
    id="linear-autoencoder",
    answer="reconstruct",
    kind="function",
    title="What a linear autoencoder learns",
    minutes=25,
    reference=reconstruct,
    atol=2e-4,
    tests=[
        Test(
            "training-data",
            2,
            telling(draw_training_data, reconstruct, AUTOENCODER_MISTAKES, 0.05),
        ),
        Test(
            "new-data",
            1,
            telling(draw_new_data, reconstruct, NEW_DATA_MISTAKES + AUTOENCODER_MISTAKES, 0.02),
        ),
    ],
    mistakes=AUTOENCODER_MISTAKES + NEW_DATA_MISTAKES,
    wrong=AUTOENCODER_WRONG,
    right=[reconstruct_by_svd, reconstruct_by_sklearn, reconstruct_by_training],
    discouraged=("gencourse.vae.LinearAutoencoder", "sklearn.decomposition.PCA"),
)


# --- 2. few-labels ----------------------------------------------------------------------


def train_on_code(unlabelled, x, y, num_units, l2):
    mean = unlabelled.mean(0)
    axes = torch.linalg.svd(unlabelled - mean, full_matrices=False)[2][:num_units]
    z = torch.cat([(x - mean) @ axes.T, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    penalty = torch.tensor([l2] * num_units + [0.0], dtype=x.dtype)
    theta = torch.zeros_like(penalty)
    for _ in range(40):  # Newton's method
        p = torch.sigmoid(z @ theta)
        gradient = z.T @ (p - y) / len(y) + penalty * theta
        hessian = z.T @ (z * (p * (1 - p))[:, None]) / len(y) + penalty.diag()
        theta = theta - torch.linalg.solve(hessian, gradient)
    weight, bias = theta[:-1] @ axes, theta[-1]
    return {"weight": weight, "bias": bias - weight @ mean}


def train_on_code_by_sklearn(unlabelled, x, y, num_units, l2):
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    pca = PCA(num_units).fit(unlabelled.numpy())
    model = LogisticRegression(C=1 / (l2 * len(y)), tol=1e-10, max_iter=1000)
    model.fit(pca.transform(x.numpy()), y.numpy())
    weight = model.coef_[0] @ pca.components_
    return {"weight": weight, "bias": model.intercept_[0] - weight @ pca.mean_}


def train_on_code_by_lbfgs(unlabelled, x, y, num_units, l2):
    """Train on the code with torch's optimiser, and return a module."""
    mean = unlabelled.mean(0)
    axes = torch.linalg.eigh(torch.cov(unlabelled.T))[1][:, -num_units:].T
    head = torch.nn.Linear(num_units, 1, dtype=x.dtype)
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=200, tolerance_grad=1e-9)

    def closure():
        optimiser.zero_grad()
        logits = head((x - mean) @ axes.T).squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logits, y)
        loss = loss + l2 / 2 * head.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    whole = torch.nn.Linear(x.shape[1], 1, dtype=x.dtype)
    with torch.no_grad():
        whole.weight.copy_(head.weight @ axes)
        whole.bias.copy_(head.bias - whole.weight[0] @ mean)
    return whole


def train_on_code_by_descent(unlabelled, x, y, num_units, l2):
    """Gradient descent in single precision."""
    mean = unlabelled.mean(0).float()
    axes = torch.linalg.svd(unlabelled.float() - mean)[2][:num_units]
    z, y = (x.float() - mean) @ axes.T, y.float()
    v, b = torch.zeros(num_units), torch.zeros(())
    for _ in range(2000):
        wrong = torch.sigmoid(z @ v + b) - y
        v, b = v - 0.3 * (z.T @ wrong / len(y) + l2 * v), b - 0.3 * wrong.mean()
    return {"weight": v @ axes, "bias": b - v @ axes @ mean}


CODE_MISTAKES = mistakes(
    "code",
    train_on_code,
    (
        "code_of_all_pixels",
        "You train on all the pixels: the classifier is to see nothing but the code.",
        ("[2][:num_units]", "[2]"),
        ("[l2] * num_units", "[l2] * x.shape[1]"),
    ),
    (
        "code_of_labelled",
        "You fit the autoencoder to the labelled points; the many unlabelled ones know better "
        "where the data vary.",
        ("mean = unlabelled", "unlabelled = x\n    mean = unlabelled"),
    ),
    (
        "code_not_folded",
        "The bias belongs to the centred points: for x as it is, what the weights make of the "
        "mean has to be taken off.",
        ("bias - weight @ mean", "bias"),
    ),
    (
        "code_of_smallest",
        "Your code keeps the directions in which the data vary least.",
        ("[:num_units]", "[-num_units:]"),
    ),
    (
        "code_signs",
        "The signs are reversed: p(y = 1 | x) is the sigmoid of weight.x + bias.",
        ("    return", "    weight, bias = -weight, -bias\n    return"),
    ),
)
CODE_PENALTY_MISTAKES = mistakes(
    "penalty",
    train_on_code,
    (
        "code_whitened",
        "You scale the code to unit variance before you train: then the penalty is another one.",
        ("    z =", "    axes = axes / ((unlabelled - mean) @ axes.T).std(0)[:, None]\n    z ="),
    ),
    (
        "code_no_penalty",
        "The penalty makes next to no difference to your weights: is it there, and is the loss "
        "the mean over the points and not their sum?",
        ("[l2]", "[1e-4]"),
    ),
    (
        "code_no_half",
        "Your penalty is twice too strong: look at the factor in front of it.",
        ("[l2]", "[2 * l2]"),
    ),
    (
        "code_bias_penalised",
        "You penalise the bias too: only the weights are to be kept small.",
        ("[0.0]", "[l2]"),
    ),
)
CODE_WRONG = [Wrong(CODE_MISTAKES[0].answer, test="penalty")]


def draw_few_labels(rng, low=0.02, high=0.08):
    """Sixteen labelled points among fifty; the class follows the two directions of most variance
    and, a little, the others."""
    points = rng.normal(size=(50, 4)) * np.array([2.2, 1.5, 0.5, 0.4])
    logits = points @ np.array([1.0, -0.8, 1.2, 1.0]) + rng.choice([-1.3, 1.2])
    y = (rng.random(50) < 1 / (1 + np.exp(-logits))).astype(float)[:16]
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    x = np.round(points @ turn + signed(rng, 0.5, 1.5, 4), 2)
    call = {"unlabelled": x[16:], "x": x[:16], "y": y, "num_units": 2}
    call["l2"] = float(np.round(rng.uniform(low, high), 2))
    if not 5 <= y.sum() <= 11:
        return None
    found, free = (train_on_code(**as_tensors(call | {"l2": l2})) for l2 in (call["l2"], 1e-4))
    near = np.abs(call["x"] @ found["weight"].numpy() + float(found["bias"])).min() < 0.05
    separable = call["l2"] * free["weight"].square().sum() > 8
    return None if near or separable else call  # near: rounding would decide about a point


def draw_strong_penalty(rng):
    return draw_few_labels(rng, 0.15, 0.4)


LABELS = Exercise(
    id="few-labels",
    answer="train_on_code",
    kind="weights",
    title="Few labels, and a code from many points",
    minutes=30,
    reference=train_on_code,
    rtol=0.0,
    atol=0.002,
    evaluator="binary_logistic",
    tests=[
        Test(
            "code",
            1,
            telling(draw_few_labels, train_on_code, CODE_MISTAKES, 0.006, by_logistic_metrics),
            cases=2,
        ),
        Test(
            "penalty",
            1,
            telling(
                draw_strong_penalty,
                train_on_code,
                CODE_PENALTY_MISTAKES + CODE_WRONG,
                0.006,
                by_logistic_metrics,
            ),
            cases=2,
        ),
    ],
    mistakes=CODE_MISTAKES + CODE_PENALTY_MISTAKES,
    wrong=CODE_WRONG,
    right=[train_on_code_by_sklearn, train_on_code_by_lbfgs, train_on_code_by_descent],
    discouraged=(
        "gencourse.vae.LinearAutoencoder",
        "gencourse.graphical.LogisticRegression",
        "sklearn.linear_model.LogisticRegression",
    ),
)


# --- 3. kl-discrete ---------------------------------------------------------------------


def kl_both_ways(q, p):
    def terms_of(a, b):
        gain = torch.where(a > 0, (a / b).log(), 0.0)  # infinite where only b is 0
        return a * gain

    terms, back = terms_of(q, p), terms_of(p, q)
    return {"terms": terms, "q_to_p": terms.sum(), "p_to_q": back.sum()}


def kl_both_ways_by_scipy(q, p):
    from scipy.special import rel_entr

    q, p = q.numpy(), p.numpy()
    terms = rel_entr(q, p)
    return {"terms": terms.tolist(), "q_to_p": terms.sum(), "p_to_q": rel_entr(p, q).sum()}


def kl_both_ways_by_loop(q, p):
    """Plain Python: a state without mass under the first distribution adds nothing."""

    def term(a, b):
        if a == 0:
            return 0.0
        return math.inf if b == 0 else a * (math.log(a) - math.log(b))

    q, p = q.tolist(), p.tolist()
    terms = [term(a, b) for a, b in zip(q, p, strict=True)]
    back = [term(a, b) for a, b in zip(p, q, strict=True)]
    return {"terms": np.float32(terms), "q_to_p": sum(terms), "p_to_q": sum(back)}


KL_MISTAKES = mistakes(
    "values",
    kl_both_ways,
    (
        "kl_swapped",
        "The two directions are swapped: KL(q||p) averages under q, its first argument.",
        ("terms_of(q, p), terms_of(p, q)", "terms_of(p, q), terms_of(q, p)"),
    ),
    (
        "kl_sign",
        "The sign is reversed: inside the logarithm stands q/p and not p/q.",
        ("a / b", "b / a"),
    ),
    (
        "kl_bits",
        "Your unit is bits: nats are asked, the natural logarithm.",
        (".log()", ".log2()"),
    ),
    (
        "kl_unweighted",
        "Each log ratio counts with the probability of its state under the first distribution.",
        ("a * gain", "gain"),
    ),
    (
        "kl_cross_entropy",
        "That is the cross-entropy: the entropy of the first distribution is missing.",
        ("(a / b)", "(1 / b)"),
    ),
    (
        "kl_absolute",
        "You make all terms positive: single terms may be negative, only their sum may not.",
        ("a * gain", "(a * gain).abs()"),
    ),
    (
        "kl_mean",
        "You average over the states; the probabilities are the weights already, so add up.",
        ("terms.sum()", "terms.mean()"),
        ("back.sum()", "back.mean()"),
    ),
)
KL_ZERO_MISTAKES = mistakes(
    "zeros",
    kl_both_ways,
    (
        "kl_smoothed",
        "A small number added to p hides that KL is infinite where p gives no mass to a state "
        "that can happen.",
        ("(a / b)", "((a + 1e-10) / (b + 1e-10))"),
    ),
    (
        "kl_skipped",
        "You leave out states where either probability is 0. Where q is 0 that is right; where "
        "only p is, the term is infinite.",
        ("a > 0", "(a > 0) & (b > 0)"),
    ),
    (
        "kl_always_infinite",
        "A state with q = 0 adds nothing: q log q goes to 0 with q.",
        ("a * gain", "torch.where((a > 0) & (b > 0), a * gain, torch.inf)"),
    ),
)
KL_WRONG = [
    Wrong(variant(kl_both_ways, "kl_nan", ("a > 0", "a > -1")), test="zeros"),
    Wrong(KL_MISTAKES[0].answer, test="zeros"),
]


def draw_pair(rng):
    return {"q": simplex(rng, 4), "p": simplex(rng, 4)}


def draw_zeros(rng):
    """A state that neither knows, and one that only one of the two does."""
    wide, narrow = np.append(simplex(rng, 4), 0.0), np.append(simplex(rng, 3), [0.0, 0.0])
    order = rng.permutation(5)
    names = ("q", "p") if rng.random() < 0.5 else ("p", "q")
    return dict(zip(names, (wide[order], narrow[order]), strict=True))


DISCRETE = Exercise(
    id="kl-discrete",
    answer="kl_both_ways",
    kind="function",
    title="KL in both directions",
    minutes=15,
    reference=kl_both_ways,
    tests=[
        Test(
            "values",
            1,
            telling(draw_pair, kl_both_ways, KL_MISTAKES, 0.01),
            fixed=[{"q": np.array([0.9, 0.1]), "p": np.array([0.1, 0.9])}],
            properties=[
                {"name": "nonnegative", "key": k, "says": "a KL divergence is never negative"}
                for k in ("q_to_p", "p_to_q")
            ],
        ),
        Test("zeros", 1, telling(draw_zeros, kl_both_ways, KL_ZERO_MISTAKES, 0.01), cases=4),
    ],
    mistakes=KL_MISTAKES + KL_ZERO_MISTAKES,
    wrong=KL_WRONG,
    right=[kl_both_ways_by_scipy, kl_both_ways_by_loop],
    discouraged=("gencourse.densities.kl_discrete", "scipy.special.rel_entr"),
)


# --- 4. kl-gaussian ---------------------------------------------------------------------


def kl_gaussian(mean_q, log_var_q, mean_p, log_var_p):
    var_q, var_p = log_var_q.exp(), log_var_p.exp()
    distance = (mean_q - mean_p) ** 2
    terms = 0.5 * ((var_q + distance) / var_p - 1 + log_var_p - log_var_q)
    return terms.sum(1)


def kl_gaussian_by_distributions(mean_q, log_var_q, mean_p, log_var_p):
    q = torch.distributions.Normal(mean_q, (log_var_q / 2).exp())
    p = torch.distributions.Normal(mean_p, (log_var_p / 2).exp())
    return torch.distributions.kl_divergence(q, p).sum(-1, keepdim=True)


def kl_gaussian_by_loop(mean_q, log_var_q, mean_p, log_var_p):
    """Number by number, with standard deviations; the result in single precision."""
    total = np.zeros(len(mean_q), dtype=np.float32)
    for b, k in np.ndindex(*mean_q.shape):
        sd_q, sd_p = math.exp(log_var_q[b, k] / 2), math.exp(log_var_p[b, k] / 2)
        shift = (mean_q[b, k].item() - mean_p[b, k].item()) / sd_p
        total[b] += math.log(sd_p / sd_q) + (sd_q**2 / sd_p**2 + shift**2) / 2 - 0.5
    return total


def kl_gaussian_by_matrices(mean_q, log_var_q, mean_p, log_var_p):
    """The formula for any covariance, with trace and determinants, row by row."""
    rows = zip(mean_q, log_var_q.exp(), mean_p, log_var_p.exp(), strict=True)
    return [kl_full(m, v.diag(), n, w.diag()).item() for m, v, n, w in rows]


BEFORE_KL = "    var_q, var_p"
EXCHANGED = "    mean_q, mean_p, log_var_q, log_var_p = mean_p, mean_q, log_var_p, log_var_q"
STANDARD_MISTAKES = mistakes(
    "standard-prior",
    kl_gaussian,
    (
        "gauss_no_half",
        "Your KL is twice too large: did you forget the factor 1/2?",
        ("0.5 * ", ""),
    ),
    (
        "gauss_sd",
        "You use exp(log_var / 2), which is the standard deviation, where the variance belongs.",
        (BEFORE_KL, f"    log_var_q, log_var_p = log_var_q / 2, log_var_p / 2\n{BEFORE_KL}"),
    ),
    (
        "gauss_log_sd",
        "You read log_var as the logarithm of a standard deviation: exp(log_var) is the variance "
        "already.",
        (BEFORE_KL, f"    log_var_q, log_var_p = log_var_q * 2, log_var_p * 2\n{BEFORE_KL}"),
    ),
    (
        "gauss_reversed",
        "That is KL(p||q), the other direction.",
        (BEFORE_KL, f"{EXCHANGED}\n{BEFORE_KL}"),
    ),
    (
        "gauss_sign",
        "The sign of the whole is reversed: you return minus the KL.",
        ("0.5", "-0.5"),
    ),
    (
        "gauss_log_sign",
        "The logarithms have the wrong sign: that of p's variance adds, that of q's is taken off.",
        ("+ log_var_p - log_var_q", "- log_var_p + log_var_q"),
    ),
    (
        "gauss_both_signs",
        "The sign of the whole is reversed, and the logarithms have the wrong sign besides.",
        ("0.5", "-0.5"),
        ("+ log_var_p - log_var_q", "- log_var_p + log_var_q"),
    ),
    ("gauss_no_one", "The -1 is missing: for q = p your KL is not 0.", (" - 1", "")),
    (
        "gauss_mean",
        "You average over the units: the KL of independent units is the sum.",
        (".sum(1)", ".mean(1)"),
    ),
    ("gauss_not_squared", "The distance of the means enters squared.", (") ** 2", ").abs()")),
    (
        "gauss_summed",
        "You add up over the batch too: one number for each pair is asked.",
        (".sum(1)", ".sum()"),
    ),
)
PRIOR_MISTAKES = mistakes(
    "any-prior",
    kl_gaussian,
    (
        "gauss_p_ignored",
        "Your answer takes p for N(0, I), whatever its mean and variance.",
        (BEFORE_KL, f"    mean_p, log_var_p = 0 * mean_p, 0 * log_var_p\n{BEFORE_KL}"),
    ),
    (
        "gauss_mean_of_p_ignored",
        "The mean of p makes no difference to your answer.",
        ("mean_q - mean_p", "mean_q"),
    ),
    (
        "gauss_distance_unscaled",
        "The distance of the means has to be measured in standard deviations of p.",
        ("(var_q + distance) / var_p", "var_q / var_p + distance"),
    ),
    (
        "gauss_distance_by_q",
        "You divide the squared distance of the means by the variance of q: p's is the one.",
        ("(var_q + distance) / var_p", "var_q / var_p + distance / var_q"),
    ),
)
GAUSSIAN_WRONG = [Wrong(STANDARD_MISTAKES[3].answer, test="any-prior")]


def draw_from_standard(rng):
    zeros = np.zeros((3, 2))
    q = {"mean_q": signed(rng, 0.3, 2.0, 3, 2), "log_var_q": signed(rng, 0.3, 1.6, 3, 2)}
    return q | {"mean_p": zeros, "log_var_p": zeros}


def draw_gaussians(rng):
    p = {"mean_p": signed(rng, 0.3, 1.5, 3, 2), "log_var_p": signed(rng, 0.3, 1.2, 3, 2)}
    return draw_from_standard(rng) | p


def broad_against_standard():
    """KL(N(1, 2^2) || N(0, 1)) = 1.3069."""
    zero, q = np.zeros((1, 1)), {"mean_q": np.ones((1, 1)), "log_var_q": np.log([[4.0]])}
    return q | {"mean_p": zero, "log_var_p": zero}


NEVER_NEGATIVE = [{"name": "nonnegative", "says": "a KL divergence is never negative"}]
GAUSSIAN = Exercise(
    id="kl-gaussian",
    answer="kl_gaussian",
    kind="function",
    title="KL between Gaussians, with all constants",
    minutes=20,
    reference=kl_gaussian,
    tests=[
        Test(
            "standard-prior",
            2,
            telling(draw_from_standard, kl_gaussian, STANDARD_MISTAKES, 0.02),
            fixed=[broad_against_standard()],
            properties=NEVER_NEGATIVE,
        ),
        Test(
            "any-prior",
            1,
            telling(draw_gaussians, kl_gaussian, PRIOR_MISTAKES + STANDARD_MISTAKES, 0.02),
            properties=NEVER_NEGATIVE,
        ),
    ],
    mistakes=STANDARD_MISTAKES + PRIOR_MISTAKES,
    wrong=GAUSSIAN_WRONG,
    right=[kl_gaussian_by_distributions, kl_gaussian_by_loop, kl_gaussian_by_matrices],
    discouraged=("gencourse.densities.kl_gaussian", "torch.distributions.kl_divergence"),
)


# --- 5. best-factorised -----------------------------------------------------------------


def kl_full(mean_q, cov_q, mean_p, cov_p):
    """Return KL(N(mean_q, cov_q) || N(mean_p, cov_p)) in nats for full covariances."""
    shift = mean_p - mean_q
    fit = torch.linalg.solve(cov_p, cov_q).trace() + shift @ torch.linalg.solve(cov_p, shift)
    return 0.5 * (fit - len(mean_q) + torch.logdet(cov_p) - torch.logdet(cov_q))


def best_factorised(mean, cov, direction):
    if direction == "q||p":
        var = 1 / torch.linalg.inv(cov).diag()
        kl = kl_full(mean, var.diag(), mean, cov)
    else:
        var = cov.diag()
        kl = kl_full(mean, cov, mean, var.diag())
    return {"mean": mean, "var": var, "kl": kl}


def best_factorised_in_closed_form(mean, cov, direction):
    """At the optimum trace and dimension cancel, and the logarithms are left; numpy."""
    mean, cov = mean.numpy(), cov.numpy()
    logdet = np.linalg.slogdet(cov)[1]
    if direction == "q||p":
        var = 1 / np.diag(np.linalg.inv(cov))
        return {"mean": mean, "var": var, "kl": 0.5 * (logdet - np.log(var).sum())}
    var = np.diag(cov)
    return {"mean": mean, "var": var, "kl": 0.5 * (np.log(var).sum() - logdet)}


def best_factorised_by_conditionals(mean, cov, direction):
    """Variances of one coordinate given the others, by Schur complements; single precision."""
    var = []
    for i in range(len(mean)):
        rest = [j for j in range(len(mean)) if j != i]
        cross = cov[i, rest]
        explained = cross @ torch.linalg.solve(cov[rest][:, rest], cross)
        var.append(cov[i, i] - (explained if direction == "q||p" else 0.0))
    diagonal = torch.stack(var).diag()
    pair = (diagonal, cov) if direction == "q||p" else (cov, diagonal)
    return {
        "mean": mean.float(),
        "var": torch.stack(var).float(),
        "kl": kl_full(mean, pair[0], mean, pair[1]).float(),
    }


def best_factorised_by_descent(mean, cov, direction):
    """Minimise the KL over mean and log variances numerically."""
    with torch.enable_grad():
        m, log_var = (torch.zeros_like(mean).requires_grad_() for _ in range(2))
        optimiser = torch.optim.LBFGS(
            [m, log_var], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
        )

        def loss():
            q = (m, torch.diag(log_var.exp()))
            return kl_full(*q, mean, cov) if direction == "q||p" else kl_full(mean, cov, *q)

        def closure():
            optimiser.zero_grad()
            value = loss()
            value.backward()
            return value

        optimiser.step(closure)
        return {"mean": m, "var": log_var.exp(), "kl": loss()}


Q_TO_P_MISTAKES = mistakes(
    "q-to-p",
    best_factorised,
    (
        "best_swapped",
        "The directions are swapped: KL(q||p) punishes q for mass where p has none, so it makes "
        "q narrow; KL(p||q) makes q cover p.",
        ('== "q||p"', '== "p||q"'),
    ),
    (
        "best_precisions",
        "The diagonal of the inverse covariance holds precisions: a variance is one over that.",
        ("1 / torch", "torch"),
    ),
    (
        "best_kl_swapped",
        "The Gaussian is right, its KL is that of the other direction.",
        ("kl_full(mean, var.diag(), mean, cov)", "kl_full(mean, cov, mean, 1 * var.diag())"),
        ("kl_full(mean, cov, mean, var.diag())", "kl_full(mean, var.diag(), mean, cov)"),
    ),
)
P_TO_Q_MISTAKES = mistakes(
    "p-to-q",
    best_factorised,
    (
        "best_no_half",
        "The Gaussian is right, its KL twice too large: the 1/2 is missing.",
        ('"kl": kl', '"kl": 2 * kl'),
    ),
    (
        "best_sds",
        "You return standard deviations: variances are asked.",
        ('"var": var', '"var": var.sqrt()'),
    ),
    (
        "best_kl_zero",
        "Your KL is 0: no factorised q can be the same as a p whose coordinates depend on each "
        "other.",
        ('"kl": kl', '"kl": 0.0'),
    ),
    (
        "best_eigenvalues",
        "You take eigenvalues of the covariance: those are variances along its own axes, and q "
        "has to keep to x1, x2 and so on.",
        ('"var": var', '"var": torch.linalg.eigvalsh(cov)'),
    ),
)
BEST_WRONG = [Wrong(Q_TO_P_MISTAKES[0].answer, test="p-to-q")]


def draw_correlated(rng, direction):
    """Three coordinates of unequal variance, two of the correlations strong."""
    rho = np.eye(3)
    for (i, j), r in zip(
        [(0, 1), (0, 2), (1, 2)], rng.permutation([0.75, 0.5, -0.3]), strict=True
    ):
        rho[i, j] = rho[j, i] = r + rng.integers(-8, 9) / 100
    if np.linalg.eigvalsh(rho).min() < 0.08:
        return None
    sd = rng.permutation([0.6, 1.1, 1.7]) + rng.integers(-10, 11) / 100
    return {
        "mean": signed(rng, 0.4, 2.0, 3),
        "cov": rho * np.outer(sd, sd),
        "direction": direction,
    }


def draw_q_to_p(rng):
    return draw_correlated(rng, "q||p")


def draw_p_to_q(rng):
    return draw_correlated(rng, "p||q")


def narrow_ridge(direction):
    """The in-class exercise: unit variances and a correlation of 0.9."""
    return {"mean": np.zeros(2), "cov": np.array([[1.0, 0.9], [0.9, 1.0]]), "direction": direction}


FACTORISED = Exercise(
    id="best-factorised",
    answer="best_factorised",
    kind="function",
    title="The best factorised Gaussian, in either direction",
    minutes=25,
    reference=best_factorised,
    rtol=2e-4,
    atol=2e-5,
    tests=[
        Test(
            "q-to-p",
            1,
            telling(draw_q_to_p, best_factorised, Q_TO_P_MISTAKES + P_TO_Q_MISTAKES, 0.02),
            fixed=[narrow_ridge("q||p")],
        ),
        Test(
            "p-to-q",
            1,
            telling(draw_p_to_q, best_factorised, P_TO_Q_MISTAKES + BEST_WRONG, 0.02),
            fixed=[narrow_ridge("p||q")],
        ),
    ],
    mistakes=Q_TO_P_MISTAKES + P_TO_Q_MISTAKES,
    wrong=BEST_WRONG,
    right=[
        best_factorised_in_closed_form,
        best_factorised_by_conditionals,
        best_factorised_by_descent,
    ],
    discouraged=("gencourse.vae.factorised_gaussian",),
)


# --- 6. bernoulli-elbo ------------------------------------------------------------------


def elbo(x, mean, log_var, eps, W, b, beta):
    sd = (log_var / 2).exp()
    z = mean + sd * eps  # (S, B, K)
    logits = z @ W.T + b  # (S, B, D)
    log_p = x * logits - F.softplus(logits)
    kl = 0.5 * (log_var.exp() + mean**2 - 1 - log_var)  # (B, K)
    return log_p.sum(2).mean(0) - beta * kl.sum(1)


def elbo_by_distributions(x, mean, log_var, eps, W, b, beta):
    q = torch.distributions.Normal(mean, log_var.mul(0.5).exp())
    p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    z = q.loc + q.scale * eps
    decoder = torch.distributions.Bernoulli(logits=torch.einsum("sbk,dk->sbd", z, W) + b)
    kl = torch.distributions.kl_divergence(q, p).sum(-1)
    return decoder.log_prob(x.expand(decoder.batch_shape)).sum(-1).mean(0) - beta * kl


def elbo_by_loop(x, mean, log_var, eps, W, b, beta):
    """One point and one sample at a time, in single precision, cross-entropy from logits."""
    x, mean, log_var, eps, W, b = (t.float() for t in (x, mean, log_var, eps, W, b))
    found = []
    for i in range(len(x)):
        total = 0.0
        for noise in eps[:, i]:
            logits = W @ (mean[i] + torch.sqrt(log_var[i].exp()) * noise) + b
            total = total - F.binary_cross_entropy_with_logits(logits, x[i], reduction="sum")
        kl = -0.5 * torch.sum(1 + log_var[i] - mean[i].pow(2) - log_var[i].exp())
        found.append(total / len(eps) - beta * kl)
    return torch.stack(found)


LOG_P = "x * logits - F.softplus(logits)"
ONE_SAMPLE_MISTAKES = mistakes(
    "one-sample",
    elbo,
    (
        "elbo_kl_added",
        "You add the KL: the ELBO subtracts it.",
        ("- beta * kl", "+ beta * kl"),
    ),
    (
        "elbo_negative",
        "You return the loss, minus the ELBO: the ELBO itself is asked.",
        ("return log_p.sum(2).mean(0) -", "return -log_p.sum(2).mean(0) +"),
    ),
    (
        "elbo_mean_over_pixels",
        "You average the reconstruction over the pixels: log p(x|z) is their sum. With the mean "
        "you train a beta-VAE whose beta is the number of pixels.",
        ("log_p.sum(2)", "log_p.mean(2)"),
    ),
    (
        "elbo_mean_over_units",
        "You average the KL over the latent units: the KL of independent units is the sum.",
        ("kl.sum(1)", "kl.mean(1)"),
    ),
    (
        "elbo_variance_as_sd",
        "Your noise is scaled by exp(log_var), the variance: the standard deviation belongs "
        "there.",
        ("(log_var / 2).exp()", "log_var.exp() * 1"),
    ),
    (
        "elbo_log_var_as_sd",
        "Your noise is scaled by log_var itself: the standard deviation is exp(log_var / 2).",
        ("(log_var / 2).exp()", "log_var"),
    ),
    (
        "elbo_no_half",
        "Your KL is twice too large: its factor 1/2 is missing.",
        ("0.5 * (", "("),
    ),
    (
        "elbo_no_kl",
        "There is no KL in your answer: that is the reconstruction alone.",
        ("- beta * kl", "- 0 * kl"),
    ),
    (
        "elbo_no_noise",
        "You decode the mean of q: the ELBO averages over z = mean + sd * eps.",
        ("sd * eps", "0 * sd * eps"),
    ),
    (
        "elbo_squashed_twice",
        "The sigmoid is applied twice: a function that takes logits applies its own.",
        ("z @ W.T + b", "torch.sigmoid(z @ W.T + b)"),
    ),
    (
        "elbo_pixels_negated",
        "You have p(x = 0) and p(x = 1) the wrong way round.",
        ("x * logits", "(1 - x) * logits"),
    ),
    (
        "elbo_squared_error",
        "Your reconstruction is a squared error: that is no log-likelihood of a binary pixel.",
        (LOG_P, "-((x - torch.sigmoid(logits)) ** 2)"),
    ),
    (
        "elbo_ones_only",
        "Pixels that are 0 count too: (1 - x) log(1 - p) is missing.",
        (LOG_P, "x * F.logsigmoid(logits)"),
    ),
    (
        "elbo_detached",
        "The value is right, but no gradient flows through z: with z detached the encoder learns "
        "nothing about the reconstruction.",
        ("z @ W.T", "z.detach() @ W.T"),
    ),
    (
        "elbo_kl_detached",
        "The value is right, but the KL passes no gradient to the encoder.",
        ("kl.sum(1)", "kl.sum(1).detach()"),
    ),
    (
        "elbo_summed",
        "You add up over the batch: one number for each point is asked.",
        ("return log_p", "bound = log_p"),
        ("kl.sum(1)", "kl.sum(1)\n    return bound.sum()"),
    ),
)
SAMPLES_MISTAKES = mistakes(
    "samples",
    elbo,
    (
        "elbo_samples_summed",
        "You add up over the samples: their mean estimates the expectation.",
        (".mean(0)", ".sum(0)"),
    ),
    (
        "elbo_log_outside",
        "You average p(x|z) over the samples and take the logarithm last: the ELBO averages the "
        "logarithms.",
        (".mean(0)", ".logsumexp(0) - math.log(len(eps))"),
    ),
    (
        "elbo_first_sample",
        "Only the first sample makes a difference to your answer.",
        (".mean(0)", "[0]"),
    ),
    (
        "elbo_mean_of_noise",
        "You average the noise before you decode: decode each sample and average what comes out.",
        ("sd * eps", "sd * eps.mean(0, keepdim=True)"),
    ),
    (
        "elbo_beta_ignored",
        "beta makes no difference to your answer: it multiplies the KL.",
        ("- beta * kl", "- kl"),
    ),
    (
        "elbo_beta_on_reconstruction",
        "You multiply the reconstruction by beta: it belongs to the KL.",
        ("return log_p", "return beta * log_p"),
        ("- beta * kl", "- kl"),
    ),
)
LARGE_MISTAKES = mistakes(
    "large-logits",
    elbo,
    (
        "elbo_clamped",
        "Your logarithms stop at -100, as those of `binary_cross_entropy` do: stay with the "
        "logits.",
        (
            LOG_P,
            "-F.binary_cross_entropy(logits.sigmoid(), x.expand_as(logits), reduction='none')",
        ),
    ),
    (
        "elbo_with_epsilon",
        "A small number inside the logarithm hides what a sure and wrong decoder costs: stay "
        "with the logits.",
        ("    log_p", "    p = torch.sigmoid(logits)\n    log_p"),
        (LOG_P, "x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()"),
    ),
)
ELBO_WRONG = [
    Wrong(
        variant(
            elbo,
            "elbo_by_plain_logarithms",
            ("    log_p", "    p = torch.sigmoid(logits)\n    log_p"),
            (LOG_P, "x * p.log() + (1 - x) * (1 - p).log()"),
        ),
        test="large-logits",
    ),
    Wrong(ONE_SAMPLE_MISTAKES[13].answer, test="samples"),
]


def draw_one_sample(rng, samples=1):
    return {
        "x": rng.integers(0, 2, size=(2, 5)).astype(float),
        "mean": signed(rng, 0.4, 1.6, 2, 2),
        "log_var": signed(rng, 0.3, 1.2, 2, 2),
        "eps": signed(rng, 0.2, 1.6, samples, 2, 2),
        "W": signed(rng, 0.3, 1.8, 5, 2),
        "b": signed(rng, 0.2, 1.0, 5),
        "beta": 1.0,
    }


def draw_samples(rng):
    return draw_one_sample(rng, 3) | {"beta": float(rng.choice([0.5, 2.0, 4.0]))}


def draw_large_logits(rng):
    """A decoder so sure of itself that probabilities round to 0 and 1."""
    call = draw_one_sample(rng, 2)
    return call | {"W": call["W"] * 150, "b": call["b"] * 100}


ELBO_WRT = ("mean", "log_var", "W")
ELBO_PARTS = with_gradients(*ELBO_WRT)
ELBO = Exercise(
    id="bernoulli-elbo",
    answer="elbo",
    kind="gradient",
    wrt=ELBO_WRT,
    title="The ELBO of a VAE with binary pixels",
    minutes=45,
    reference=elbo,
    rtol=2e-4,
    atol=2e-5,
    tests=[
        Test(
            "one-sample",
            3,
            telling(draw_one_sample, elbo, ONE_SAMPLE_MISTAKES, 0.02, ELBO_PARTS),
        ),
        Test(
            "samples",
            1,
            telling(draw_samples, elbo, SAMPLES_MISTAKES + ONE_SAMPLE_MISTAKES, 0.02, ELBO_PARTS),
            cases=2,
        ),
        Test(
            "large-logits",
            1,
            telling(draw_large_logits, elbo, LARGE_MISTAKES, 1.0, ELBO_PARTS),
            cases=2,
        ),
    ],
    mistakes=ONE_SAMPLE_MISTAKES + SAMPLES_MISTAKES + LARGE_MISTAKES,
    wrong=ELBO_WRONG,
    right=[elbo_by_distributions, elbo_by_loop],
    discouraged=("gencourse.vae.elbo", "gencourse.vae.VAE"),
)


# --- 7. gaussian-decoder ----------------------------------------------------------------


def gaussian_log_likelihood(x, mean, log_var):
    log_var = log_var.expand(x.shape)
    squares = (x - mean) ** 2 / log_var.exp()
    terms = -0.5 * (squares + log_var + LOG_2PI)
    return terms.sum(1)


def gaussian_by_distributions(x, mean, log_var):
    sd = log_var.mul(0.5).exp().expand_as(x)
    return torch.distributions.Normal(mean, sd).log_prob(x).sum(-1)


def gaussian_by_loss(x, mean, log_var):
    """torch's loss with its constant, in single precision."""
    x, mean, var = x.float(), mean.float(), log_var.float().exp().expand(x.shape)
    return -F.gaussian_nll_loss(mean, x, var, full=True, eps=0.0, reduction="none").sum(1)


def gaussian_by_loop(x, mean, log_var):
    rows = []
    for point, centre in zip(x, mean, strict=True):
        total = 0.0
        for d in range(len(point)):
            var = log_var[d if len(log_var) > 1 else 0].exp()
            total = total - (point[d] - centre[d]) ** 2 / (2 * var)
            total = total - torch.log(torch.sqrt(2 * math.pi * var))
        rows.append(total)
    return torch.stack(rows)


PIXELWISE_MISTAKES = mistakes(
    "pixelwise",
    gaussian_log_likelihood,
    (
        "gaussian_no_constant",
        "The gradient is right, the value off by a constant: -(1/2) log 2 pi for each pixel.",
        (" + LOG_2PI", ""),
    ),
    (
        "gaussian_one_constant",
        "The constant (1/2) log 2 pi belongs to each pixel, not once to all of them.",
        (" + LOG_2PI", " + LOG_2PI / x.shape[1]"),
    ),
    (
        "gaussian_whole_constant",
        "The gradient is right, the value off by a constant: it is half of log 2 pi.",
        ("LOG_2PI", "2 * LOG_2PI"),
    ),
    (
        "gaussian_no_half",
        "Look at the Gaussian's exponent: the squared distance has a factor 1/2.",
        ("(squares", "(2 * squares"),
    ),
    (
        "gaussian_log_sd",
        "You read log_var as the logarithm of a standard deviation.",
        ("expand(x.shape)", "expand(x.shape) * 2"),
    ),
    (
        "gaussian_by_sd",
        "You divide the squared distance by the standard deviation: the variance belongs there.",
        ("log_var.exp()", "(log_var / 2).exp()"),
    ),
    (
        "gaussian_whole_log_var",
        "The logarithm of the variance lacks its factor 1/2: what stands in front of a Gaussian "
        "is one over its standard deviation.",
        ("+ log_var", "+ 2 * log_var"),
    ),
    (
        "gaussian_no_log_var",
        "The factor in front of the exponential is missing: without it the best variance would "
        "be infinite.",
        ("+ log_var", ""),
    ),
    (
        "gaussian_mean",
        "You average over the pixels: log p(x|z) is their sum.",
        (".sum(1)", ".mean(1)"),
    ),
    (
        "gaussian_negative",
        "The sign is reversed: the log-likelihood is asked, not the loss.",
        ("-0.5", "0.5"),
    ),
    (
        "gaussian_detached",
        "The value is right, but part of the gradient by log_var is missing: the variance is "
        "learned, so the squared error must pull at it.",
        ("log_var.exp()", "log_var.exp().detach()"),
    ),
)
SHARED_MISTAKES = mistakes(
    "shared",
    gaussian_log_likelihood,
    (
        "gaussian_shared_once",
        "One variance for all pixels still has its logarithm once for each pixel, not once in "
        "all.",
        ("+ log_var", "+ log_var / x.shape[1]"),
    ),
    (
        "gaussian_squares_averaged",
        "Your squared errors are averaged over the pixels and the rest is not: a shared variance "
        "changes nothing about the sum.",
        ("(squares", "(squares / x.shape[1]"),
    ),
)
NORMAL_WRONG = [Wrong(PIXELWISE_MISTAKES[0].answer, test="shared")]


def draw_pixelwise(rng, variances=3):
    mean = signed(rng, 0.2, 1.5, 2, 3)
    x = np.round(mean + signed(rng, 0.3, 1.6, 2, 3), 2)
    return {"x": x, "mean": mean, "log_var": signed(rng, 0.4, 1.6, variances)}


def draw_shared(rng):
    return draw_pixelwise(rng, 1)


NORMAL_WRT = ("mean", "log_var")
NORMAL_PARTS = with_gradients(*NORMAL_WRT)
NORMAL = Exercise(
    id="gaussian-decoder",
    answer="gaussian_log_likelihood",
    kind="gradient",
    wrt=NORMAL_WRT,
    title="A Gaussian decoder that learns its variance",
    minutes=15,
    reference=gaussian_log_likelihood,
    atol=1e-5,
    tests=[
        Test(
            "pixelwise",
            1,
            telling(
                draw_pixelwise, gaussian_log_likelihood, PIXELWISE_MISTAKES, 0.02, NORMAL_PARTS
            ),
        ),
        Test(
            "shared",
            1,
            telling(
                draw_shared,
                gaussian_log_likelihood,
                SHARED_MISTAKES + PIXELWISE_MISTAKES,
                0.02,
                NORMAL_PARTS,
            ),
        ),
    ],
    mistakes=PIXELWISE_MISTAKES + SHARED_MISTAKES,
    wrong=NORMAL_WRONG,
    right=[gaussian_by_distributions, gaussian_by_loss, gaussian_by_loop],
    discouraged=(
        "gencourse.densities.log_normal",
        "torch.distributions.Normal",
        "torch.nn.functional.gaussian_nll_loss",
    ),
)


# --- 8. two-gradients -------------------------------------------------------------------


def gradient_estimates(mean, sd, eps, coefficients, baseline, estimator):
    z = mean + sd * eps
    value = sum(a * z**j for j, a in enumerate(coefficients))
    slope = sum(j * a * z ** (j - 1) for j, a in enumerate(coefficients) if j)
    if estimator == "pathwise":
        return torch.stack([slope, slope * eps], dim=1)
    by_mean, by_sd = eps / sd, (eps**2 - 1) / sd  # derivatives of log q(z)
    return torch.stack([by_mean, by_sd], dim=1) * (value - baseline)[:, None]


def gradient_estimates_by_autograd(mean, sd, eps, coefficients, baseline, estimator):
    """Differentiate what stands for each sample by torch."""

    def f(z):
        return sum(a * z**j for j, a in enumerate(coefficients.tolist()))

    rows = []
    with torch.enable_grad():
        for e in eps:
            m, s = (torch.tensor(v, dtype=torch.float64).requires_grad_() for v in (mean, sd))
            z = m + s * e
            if estimator == "pathwise":
                surrogate = f(z)
            else:
                log_q = torch.distributions.Normal(m, s).log_prob(z.detach())
                surrogate = (f(z).detach() - baseline) * log_q
            rows.append(torch.stack(torch.autograd.grad(surrogate, (m, s))))
    return torch.stack(rows)


def gradient_estimates_by_numpy(mean, sd, eps, coefficients, baseline, estimator):
    """numpy's polynomials; the score written in z; single precision at the end."""
    z = mean + sd * eps.numpy()
    f = np.polynomial.Polynomial(coefficients.numpy())
    if estimator == "pathwise":
        return np.float32([f.deriv()(z), f.deriv()(z) * (z - mean) / sd]).T
    score = [(z - mean) / sd**2, (z - mean) ** 2 / sd**3 - 1 / sd]
    return np.float32((f(z) - baseline) * np.array(score)).T


SCORES = "eps / sd, (eps**2 - 1) / sd"
PATHWISE_MISTAKES = mistakes(
    "pathwise",
    gradient_estimates,
    (
        "estimates_detached",
        "Your gradients are all 0: z depends on mean and sd, and f(z) with it. (Was the sample "
        "detached?)",
        ("[slope, slope * eps]", "[0 * slope, 0 * slope]"),
        ("[by_mean, by_sd]", "[0 * by_mean, 0 * by_sd]"),
    ),
    (
        "estimates_swapped",
        "The estimators are swapped: the pathwise one uses the slope of f, the score function "
        "only its value.",
        ('== "pathwise"', '== "score"'),
    ),
    (
        "estimates_columns",
        "Your columns are swapped: first the derivative by mean, then by sd.",
        ("[slope, slope * eps]", "[slope * eps, slope]"),
        ("[by_mean, by_sd]", "[by_sd, by_mean]"),
    ),
    (
        "estimates_at_eps",
        "You take the slope of f at eps: it is asked at z = mean + sd * eps.",
        ("a * z ** (j", "a * eps ** (j"),
    ),
    ("estimates_no_eps", "The derivative of z by sd is eps, not 1.", ("slope * eps", "slope")),
    (
        "estimates_times_sd",
        "The derivative of z by sd is eps: a factor sd is too many.",
        ("slope * eps", "slope * eps * sd"),
    ),
    (
        "estimates_of_value",
        "You use the value of f where its slope belongs.",
        ("[slope, slope * eps]", "[value, value * eps]"),
    ),
    (
        "estimates_averaged",
        "You average over the samples: one estimate for each sample is asked.",
        ("slope * eps], dim=1)", "slope * eps], dim=1).mean(0)"),
    ),
)
SCORE_MISTAKES = mistakes(
    "score",
    gradient_estimates,
    (
        "score_no_baseline",
        "The baseline makes no difference to your answer: subtract it from f(z).",
        ("value - baseline", "value"),
    ),
    (
        "score_baseline_added",
        "The baseline is subtracted from f(z), not added.",
        ("value - baseline", "value + baseline"),
    ),
    (
        "score_no_one",
        "The derivative of log q by sd lacks a term: log q holds -log sd.",
        ("eps**2 - 1", "eps**2"),
    ),
    (
        "score_by_z",
        "You differentiate log q by z: by the mean the sign is the other one.",
        ("= eps / sd", "= -eps / sd"),
    ),
    (
        "score_unscaled",
        "A factor is missing: log q changes faster where sd is small.",
        (SCORES, "eps, eps**2 - 1"),
    ),
    (
        "score_eps_for_distance",
        "You divide eps by sd as if it were z - mean: that is sd * eps, so eps is scaled already.",
        (SCORES, "eps / sd**2, (eps**2 / sd**2 - 1) / sd"),
    ),
    (
        "score_by_variance",
        "You divide by sd once too often: in terms of eps the derivative of log q by the mean is "
        "eps / sd.",
        (SCORES, "eps / sd**2, (eps**2 - 1) / sd**2"),
    ),
    (
        "score_alone",
        "That is the derivative of log q alone: it has to be weighted with f(z) - baseline.",
        ("(value - baseline)", "torch.ones_like(value)"),
    ),
    (
        "score_of_slope",
        "You weight the derivative of log q with the slope of f: the score function estimator "
        "needs f(z) only, which is why f need not be differentiable.",
        ("(value - baseline)", "(slope - baseline)"),
    ),
)
GRADIENTS_WRONG = [Wrong(m.answer, test="score") for m in PATHWISE_MISTAKES[:3]]


def draw_gradients(rng, estimator):
    return {
        "mean": float(signed(rng, 0.5, 1.8, 1)[0]),
        "sd": float(rng.choice([0.4, 0.6, 1.4, 1.7])),
        "eps": signed(rng, 0.3, 1.8, 4),
        "coefficients": signed(rng, 0.3, 1.5, 4),
        "baseline": float(signed(rng, 0.8, 2.0, 1)[0]),
        "estimator": estimator,
    }


def draw_pathwise(rng):
    return draw_gradients(rng, "pathwise")


def draw_score(rng):
    return draw_gradients(rng, "score")


def square_at(estimator):
    """f(z) = z^2 at mean 1.5 and sd 0.5, where the gradient of E f is (3, 1)."""
    nodes = {"mean": 1.5, "sd": 0.5, "eps": np.array([-1.0, 1.0])}
    rest = {"coefficients": np.array([0.0, 0.0, 1.0]), "baseline": 0.0, "estimator": estimator}
    return nodes | rest


GRADIENTS = Exercise(
    id="two-gradients",
    answer="gradient_estimates",
    kind="function",
    title="Two estimators of one gradient",
    minutes=30,
    reference=gradient_estimates,
    tests=[
        Test(
            "pathwise",
            1,
            telling(draw_pathwise, gradient_estimates, PATHWISE_MISTAKES, 0.02),
            fixed=[square_at("pathwise")],
        ),
        Test(
            "score",
            2,
            telling(draw_score, gradient_estimates, SCORE_MISTAKES + GRADIENTS_WRONG, 0.02),
            fixed=[square_at("score")],
        ),
    ],
    mistakes=PATHWISE_MISTAKES + SCORE_MISTAKES,
    wrong=GRADIENTS_WRONG,
    right=[gradient_estimates_by_autograd, gradient_estimates_by_numpy],
    discouraged=("gencourse.vae.pathwise_gradient", "gencourse.vae.score_function_gradient"),
)


# --- 9. iwae ----------------------------------------------------------------------------


def importance_weighted_bound(log_lik, z, mean, log_var, k):
    log_prior = -0.5 * (z**2 + LOG_2PI).sum(2)
    log_q = -0.5 * ((z - mean) ** 2 / log_var.exp() + log_var + LOG_2PI).sum(2)
    log_w = log_lik + log_prior - log_q  # (S, B)
    groups = log_w.reshape(-1, k, log_w.shape[1])
    bounds = groups.logsumexp(1) - math.log(k)  # (S/k, B)
    return bounds.mean(0)


def bound_by_numpy(log_lik, z, mean, log_var, k):
    """Point by point with scipy; single precision at the end."""
    from scipy.special import logsumexp
    from scipy.stats import norm

    log_lik, z, mean, sd = log_lik.numpy(), z.numpy(), mean.numpy(), np.exp(log_var.numpy() / 2)
    bounds = []
    for b in range(len(mean)):
        ratio = norm.logpdf(z[:, b]) - norm.logpdf(z[:, b], mean[b], sd[b])
        log_w = log_lik[:, b] + ratio.sum(1)
        parts = [logsumexp(log_w[s : s + k]) - np.log(k) for s in range(0, len(log_w), k)]
        bounds.append(sum(parts) / len(parts))
    return np.float32(bounds)


def bound_by_distributions(log_lik, z, mean, log_var, k):
    """The largest weight of each group is taken out by hand."""
    q = torch.distributions.Independent(torch.distributions.Normal(mean, (log_var / 2).exp()), 1)
    log_w = log_lik - 0.5 * z.square().sum(2) - 0.5 * LOG_2PI * z.shape[2] - q.log_prob(z)
    groups = log_w.split(k)
    tops = [g.max(0).values for g in groups]
    logs = [t + (g - t).exp().mean(0).log() for g, t in zip(groups, tops, strict=True)]
    return sum(logs) / len(logs)


LOG_MEAN = "groups.logsumexp(1) - math.log(k)"
BOUND_MISTAKES = mistakes(
    "bound",
    importance_weighted_bound,
    (
        "bound_of_logs",
        "You average the logarithms of the weights: that is the ELBO again, whatever k is. The "
        "logarithm comes after the average.",
        (LOG_MEAN, "groups.mean(1)"),
    ),
    (
        "bound_no_log_k",
        "Your bound is too large by log k: the mean of the weights is asked, not their sum.",
        (" - math.log(k)", ""),
    ),
    (
        "bound_of_largest",
        "You keep the largest weight of each group: all k are averaged.",
        (LOG_MEAN, "groups.max(1).values"),
    ),
    (
        "bound_of_one_group",
        "You put all samples into one average: that is the bound for k = S. With k samples each "
        "the logarithms of the S/k averages are averaged.",
        ("reshape(-1, k,", "reshape(1, len(z),"),
        ("math.log(k)", "math.log(len(z))"),
    ),
    (
        "bound_interleaved",
        "Your groups are not k samples that follow each other.",
        ("reshape(-1, k, log_w.shape[1])", "reshape(k, -1, log_w.shape[1]).transpose(0, 1)"),
    ),
    (
        "bound_no_prior",
        "The prior p(z) is missing in your weights.",
        (" + log_prior", ""),
    ),
    (
        "bound_no_q",
        "The weights lack q(z|x): samples come from q, and dividing by it makes up for that.",
        (" - log_q  #", "  #"),
    ),
    (
        "bound_times_q",
        "You multiply by q(z|x): the weight is p(x, z) divided by it.",
        ("- log_q", "+ log_q"),
    ),
    (
        "bound_uneven_constants",
        "log 2 pi is in one of the two Gaussians only: it cancels, or stands in both.",
        ("(z**2 + LOG_2PI)", "(z**2)"),
    ),
    (
        "bound_log_sd",
        "You read log_var as the logarithm of a standard deviation.",
        ("    log_q", "    log_var = 2 * log_var\n    log_q"),
    ),
    (
        "bound_closed_kl",
        "You subtract the KL in closed form: each weight needs the log ratio at its own z.",
        ("log_prior - log_q", "0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1)"),
    ),
    (
        "bound_of_batch",
        "You average over the batch: one bound for each point is asked.",
        ("bounds.mean(0)", "bounds.mean()"),
    ),
)
NATS_MISTAKES = mistakes(
    "many-nats",
    importance_weighted_bound,
    (
        "bound_with_epsilon",
        "Weights of an image are smaller than any floating-point number, and the small number "
        "that you add hides it: stay with logarithms throughout.",
        (LOG_MEAN, "(groups.exp().mean(1) + 1e-30).log()"),
    ),
)
IWAE_WRONG = [
    Wrong(
        variant(
            importance_weighted_bound,
            "bound_underflowing",
            (LOG_MEAN, "groups.exp().mean(1).log()"),
        ),
        test="many-nats",
    ),
    Wrong(
        variant(
            importance_weighted_bound,
            "bound_one_top_for_all",
            (LOG_MEAN, "(groups - log_w.max()).exp().mean(1).log() + log_w.max()"),
        ),
        test="many-nats",
    ),
    Wrong(BOUND_MISTAKES[0].answer, test="many-nats"),
]


def draw_weights(rng):
    mean, log_var = signed(rng, 0.3, 1.2, 2, 3), signed(rng, 0.3, 1.0, 2, 3)
    k = int(rng.integers(2, 4))
    z = np.round(mean + np.exp(log_var / 2) * rng.normal(size=(6, 2, 3)), 2)
    return {"log_lik": grid(rng, -6, -1, 6, 2), "z": z, "mean": mean, "log_var": log_var, "k": k}


def draw_many_nats(rng):
    """Likelihoods of images: a thousand nats, and hundreds of nats between the points."""
    call = draw_weights(rng)
    return call | {"log_lik": call["log_lik"] - np.array([900.0, 2400.0])}


def unit_gaussians():
    """z ~ N(0, 1), x|z ~ N(z, 1), x = 1 and q the prior, at five quantiles of q."""
    from scipy.stats import norm

    z = np.round(norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9]), 6).reshape(5, 1, 1)
    log_lik = -0.5 * (1 - z[:, :, 0]) ** 2 - 0.5 * LOG_2PI
    zeros = np.zeros((1, 1))
    return {"log_lik": log_lik, "z": z, "mean": zeros, "log_var": zeros, "k": 5}


IWAE = Exercise(
    id="iwae",
    answer="importance_weighted_bound",
    kind="function",
    title="The importance-weighted bound",
    minutes=25,
    reference=importance_weighted_bound,
    atol=1e-5,
    tests=[
        Test(
            "bound",
            2,
            telling(draw_weights, importance_weighted_bound, BOUND_MISTAKES, 0.02),
            fixed=[unit_gaussians()],
        ),
        Test(
            "many-nats",
            1,
            telling(
                draw_many_nats, importance_weighted_bound, NATS_MISTAKES + BOUND_MISTAKES, 0.3
            ),
            cases=2,
            rtol=1e-6,
            atol=1e-3,
        ),
    ],
    mistakes=BOUND_MISTAKES + NATS_MISTAKES,
    wrong=IWAE_WRONG,
    right=[bound_by_numpy, bound_by_distributions],
    discouraged=("gencourse.vae.iwae_bound",),
)


# --- 10. encoder-gaps -------------------------------------------------------------------


def evidence_and_gaps(x, mean, log_var, W, b, noise_var, part):
    cov = W @ W.T + noise_var * torch.eye(len(W), dtype=W.dtype)
    shift = x - b
    fit = (shift * torch.linalg.solve(cov, shift.T).T).sum(1)
    evidence = -0.5 * (fit + torch.logdet(cov) + len(W) * LOG_2PI)
    if part == "log-evidence":
        return evidence
    error = ((shift - mean @ W.T) ** 2).sum(1)
    error = error + log_var.exp() @ (W**2).sum(0)  # what the variance of q adds to it
    log_lik = -0.5 * (error / noise_var + len(W) * (math.log(noise_var) + LOG_2PI))
    kl = 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(1)
    bound = log_lik - kl
    if part == "elbo":
        return bound
    precision = torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / noise_var  # of p(z|x)
    least = 0.5 * (precision.diag().log().sum() - torch.logdet(precision))
    return {"approximation": least.expand(len(x)), "amortisation": evidence - bound - least}


def evidence_by_bayes(x, mean, log_var, W, b, noise_var, part):
    """From the exact posterior, by Bayes' rule and by divergences alone."""
    precision = torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / noise_var
    cov = torch.linalg.inv(precision)
    at = (x - b) @ W @ cov / noise_var
    total = [kl_full(m, v.diag(), n, cov) for m, v, n in zip(mean, log_var.exp(), at, strict=True)]
    best = (1 / precision.diag()).diag()
    least = torch.stack([kl_full(n, best, n, cov) for n in at])
    if part == "gaps":
        return {"approximation": least, "amortisation": torch.stack(total) - least}
    prior = torch.distributions.Normal(torch.zeros_like(at), 1.0)
    decoder = torch.distributions.Normal(at @ W.T + b, math.sqrt(noise_var))
    posterior = torch.distributions.MultivariateNormal(at, precision_matrix=precision)
    evidence = decoder.log_prob(x).sum(1) + prior.log_prob(at).sum(1) - posterior.log_prob(at)
    return evidence if part == "log-evidence" else evidence - torch.stack(total)


def evidence_by_numpy(x, mean, log_var, W, b, noise_var, part):
    """scipy's density; the best q by its own ELBO; single precision at the end."""
    from scipy.stats import multivariate_normal

    x, mean, log_var, W, b = (t.numpy() for t in (x, mean, log_var, W, b))
    evidence = multivariate_normal(b, W @ W.T + noise_var * np.eye(len(W))).logpdf(x)

    def bound(m, v):
        error = ((x - b - m @ W.T) ** 2).sum(1) + v @ (W**2).sum(0)
        log_lik = -0.5 * len(W) * np.log(2 * np.pi * noise_var) - error / (2 * noise_var)
        return log_lik + 0.5 * (1 + np.log(v) - m**2 - v).sum(1)

    own = bound(mean, np.exp(log_var))
    if part != "gaps":
        return np.float32(evidence if part == "log-evidence" else own)
    precision = np.eye(W.shape[1]) + W.T @ W / noise_var
    at = (x - b) @ W @ np.linalg.inv(precision) / noise_var
    best = bound(at, np.tile(1 / np.diag(precision), (len(x), 1)))
    return {"approximation": evidence - best, "amortisation": best - own}


EVIDENCE_MISTAKES = mistakes(
    "evidence",
    evidence_and_gaps,
    (
        "evidence_noise_as_sd",
        "You take `noise_var` for a standard deviation: the covariance of x is W W^T + noise_var "
        "I as it is.",
        ("noise_var * torch", "noise_var**2 * torch"),
    ),
    (
        "evidence_no_code",
        "The code makes no difference to your covariance: what W does to z varies too.",
        ("W @ W.T + noise", "noise"),
    ),
    (
        "evidence_diagonal",
        "You keep the diagonal of the covariance: pixels that share a cause depend on each other.",
        ("    shift = x", "    cov = cov.diag().diag()\n    shift = x"),
    ),
    (
        "evidence_no_half",
        "The logarithm of the determinant has a factor 1/2.",
        ("torch.logdet(cov)", "2 * torch.logdet(cov)"),
    ),
    (
        "evidence_no_constant",
        "Your value is off by a constant: -(D/2) log 2 pi.",
        (" + len(W) * LOG_2PI", ""),
    ),
    (
        "evidence_no_mean",
        "The mean of x is b: where does it stand in your answer?",
        ("shift = x - b", "shift = x"),
    ),
    (
        "evidence_at_one_code",
        "That is log p(x|z) at one z: for log p(x) the code has to be integrated out.",
        ("    fit =", "    cov, shift = cov - W @ W.T, shift - mean @ W.T\n    fit ="),
    ),
    (
        "evidence_is_elbo",
        "You return the ELBO: log p(x) is above it and does not depend on the encoder.",
        ('    if part == "log-evidence":\n        return evidence\n', ""),
        ('if part == "elbo"', 'if part != "gaps"'),
    ),
)
EXACT_ELBO_MISTAKES = mistakes(
    "elbo",
    evidence_and_gaps,
    (
        "exact_elbo_at_mean",
        "You decode the mean of q: the expected squared error also has the variance of q, as W "
        "passes it on to each pixel.",
        ("+ log_var.exp() @", "+ 0 * log_var @"),
    ),
    (
        "exact_elbo_plus_kl",
        "You add the KL: the ELBO subtracts it.",
        ("log_lik - kl", "log_lik + kl"),
    ),
    (
        "exact_elbo_no_half",
        "Your KL is twice too large: its factor 1/2 is missing.",
        ("kl = 0.5 * ", "kl = "),
    ),
    (
        "exact_elbo_no_constant",
        "Your value is off by a constant: (1/2) log 2 pi for each pixel.",
        ("(math.log(noise_var) + LOG_2PI)", "math.log(noise_var)"),
    ),
    (
        "exact_elbo_one_noise",
        "The logarithm of the noise variance counts once for each pixel.",
        ("len(W) * (math.log(noise_var) + LOG_2PI)", "math.log(noise_var) + len(W) * LOG_2PI"),
    ),
    (
        "exact_elbo_noise_as_sd",
        "You take `noise_var` for a standard deviation.",
        ("    error = ((", "    noise_var = noise_var**2\n    error = (("),
    ),
)
LEAST = "least = 0.5 * (precision.diag().log().sum() - torch.logdet(precision))"
AT = "at = shift @ W @ torch.linalg.inv(precision) / noise_var"
GAP_MISTAKES = mistakes(
    "gaps",
    evidence_and_gaps,
    (
        "gaps_swapped",
        "The two gaps are swapped: the approximation gap is left with the *best* diagonal q, the "
        "rest is the encoder's fault.",
        ('"amortisation": ev', '"": ev'),
        ('"approximation": least', '"amortisation": least'),
        ('"": ev', '"approximation": ev'),
    ),
    (
        "gaps_negative",
        "Your gaps are negative: log p(x) is above the ELBO.",
        ("least.expand", "-least.expand"),
        ("evidence - bound - least", "bound - evidence + least"),
    ),
    (
        "gaps_total",
        "Your amortisation gap is all of log p(x) - ELBO: what even the best diagonal q loses is "
        "not the encoder's fault.",
        ("evidence - bound - least", "evidence - bound"),
    ),
    (
        "gaps_of_marginals",
        "Your best q has the posterior's own variances: that q minimises the other direction of "
        "the KL; the ELBO wants the narrower one.",
        (
            LEAST,
            "cov = torch.linalg.inv(precision)\n    zero = 0 * b[: len(cov)]\n"
            "    least = kl_full(zero, cov.diag().diag(), zero, cov)",
        ),
    ),
    (
        "gaps_at_encoder_mean",
        "Your best q keeps the encoder's mean: the best one has the posterior's.",
        (
            LEAST,
            f"{LEAST}\n    {AT}\n"
            "    least = least + 0.5 * ((mean - at) @ precision * (mean - at)).sum(1)",
        ),
    ),
    (
        "gaps_from_prior",
        "Your approximation gap is a KL to the prior: how far q is from the *posterior* is asked.",
        (
            LEAST,
            f"{AT}\n    var = 1 / precision.diag()\n"
            "    least = 0.5 * (var + at**2 - 1 - var.log()).sum(1)",
        ),
    ),
)
GAPS_WRONG = [Wrong(EXACT_ELBO_MISTAKES[0].answer, test="gaps")]


def draw_linear_model(rng, part):
    """An encoder that is a little off, and a posterior whose units depend on each other."""
    W, b = signed(rng, 0.5, 1.2, 4, 2), signed(rng, 0.3, 1.0, 4)
    noise_var = float(rng.choice([0.5, 0.6, 1.5, 1.8]))
    x = np.round(b + rng.normal(size=(2, 2)) @ W.T + 0.7 * rng.normal(size=(2, 4)), 2)
    precision = np.eye(2) + W.T @ W / noise_var
    if abs(precision[0, 1]) / math.sqrt(precision[0, 0] * precision[1, 1]) < 0.45:
        return None
    at = (x - b) @ W @ np.linalg.inv(precision) / noise_var
    mean = np.round(at + signed(rng, 0.15, 0.5, 2, 2), 2)
    log_var = np.round(-np.log(np.diag(precision)) + signed(rng, 0.2, 0.6, 2, 2), 2)
    model = {"W": W, "b": b, "noise_var": noise_var}
    return {"x": x, "mean": mean, "log_var": log_var, **model, "part": part}


def draw_evidence(rng):
    return draw_linear_model(rng, "log-evidence")


def draw_exact_elbo(rng):
    return draw_linear_model(rng, "elbo")


def draw_gaps(rng):
    return draw_linear_model(rng, "gaps")


def one_pixel(part):
    """z ~ N(0, 1), x|z ~ N(z, 1), x = 1, q the prior: log p = -1.5155, ELBO = -1.9189."""
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    model = {"W": one, "b": np.zeros(1), "noise_var": 1.0}
    return {"x": one, "mean": zero, "log_var": zero, **model, "part": part}


GAPS = Exercise(
    id="encoder-gaps",
    answer="evidence_and_gaps",
    kind="function",
    title="What the bound loses, and whose fault it is",
    minutes=40,
    reference=evidence_and_gaps,
    atol=1e-4,
    tests=[
        Test(
            "evidence",
            1,
            telling(draw_evidence, evidence_and_gaps, EVIDENCE_MISTAKES, 0.02),
            fixed=[one_pixel("log-evidence")],
        ),
        Test(
            "elbo",
            1,
            telling(draw_exact_elbo, evidence_and_gaps, EXACT_ELBO_MISTAKES, 0.02),
            fixed=[one_pixel("elbo")],
        ),
        Test(
            "gaps",
            1,
            telling(draw_gaps, evidence_and_gaps, GAP_MISTAKES + GAPS_WRONG, 0.02),
            properties=[
                {"name": "nonnegative", "key": k, "says": "neither gap can be negative"}
                for k in ("approximation", "amortisation")
            ],
        ),
    ],
    mistakes=EVIDENCE_MISTAKES + EXACT_ELBO_MISTAKES + GAP_MISTAKES,
    wrong=GAPS_WRONG,
    right=[evidence_by_bayes, evidence_by_numpy],
    discouraged=("gencourse.vae.ProbabilisticPCA", "torch.distributions.MultivariateNormal"),
)


# --- 11. fill-in ------------------------------------------------------------------------


class PixelFiller:
    def __init__(self, W, b, noise_var):
        self.W, self.b, self.noise_var = W, b, noise_var

    def code(self, row, seen):
        W, shift = self.W[seen], row[seen] - self.b[seen]
        precision = torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / self.noise_var
        return torch.linalg.solve(precision, W.T @ shift / self.noise_var)

    def fill_in(self, x, observed):
        rows = [self.W @ self.code(row, o) + self.b for row, o in zip(x, observed, strict=True)]
        return torch.where(observed, x, torch.stack(rows))

    def log_prob(self, x, observed):
        whole = self.W @ self.W.T + self.noise_var * torch.eye(len(self.W), dtype=x.dtype)
        logs = []
        for row, seen in zip(x, observed, strict=True):
            cov, shift = whole[seen][:, seen], row[seen] - self.b[seen]
            fit = shift @ torch.linalg.solve(cov, shift)
            logs.append(-0.5 * (fit + torch.logdet(cov) + len(shift) * LOG_2PI))
        return torch.stack(logs)


class FillerByCovariance:
    """Conditions the Gaussian of all pixels; log p(x_o) by Bayes' rule for the code."""

    def __init__(self, W, b, noise_var):
        self.W, self.b, self.noise_var = W, b, noise_var
        self.cov = W @ W.T + noise_var * torch.eye(len(W), dtype=W.dtype)

    def fill_in(self, x, observed):
        filled = x.clone()
        for row, seen in zip(filled, observed, strict=True):
            pull = torch.linalg.solve(self.cov[seen][:, seen], row[seen] - self.b[seen])
            row[~seen] = self.b[~seen] + self.cov[~seen][:, seen] @ pull
        return filled.float()

    def log_prob(self, x, observed):
        logs = []
        for row, seen in zip(x, observed, strict=True):
            W, noise = self.W[seen], math.sqrt(self.noise_var)
            precision = torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / self.noise_var
            at = torch.linalg.solve(precision, W.T @ (row - self.b)[seen] / self.noise_var)
            log_lik = torch.distributions.Normal(self.b[seen] + W @ at, noise).log_prob(row[seen])
            logs.append(log_lik.sum() - at @ at / 2 - torch.logdet(precision) / 2)
        return torch.stack(logs)


class FillerByNumpy:
    """Missing pixels from the precision matrix; the density from scipy."""

    def __init__(self, W, b, noise_var):
        W = W.numpy()
        self.b, self.cov = b.numpy(), W @ W.T + noise_var * np.eye(len(W))

    def fill_in(self, x, observed):
        precision, filled = np.linalg.inv(self.cov), x.numpy().copy()
        for row, seen in zip(filled, observed.numpy(), strict=True):
            pull = precision[np.ix_(~seen, seen)] @ (row[seen] - self.b[seen])
            row[~seen] = self.b[~seen] - np.linalg.solve(precision[np.ix_(~seen, ~seen)], pull)
        return filled

    def log_prob(self, x, observed):
        from scipy.stats import multivariate_normal

        return [
            multivariate_normal(self.b[s], self.cov[np.ix_(s, s)]).logpdf(row[s])
            for row, s in zip(x.numpy(), observed.numpy(), strict=True)
        ]


FILL_MISTAKES = mistakes(
    "fill",
    PixelFiller,
    (
        "FillerMean",
        "You fill in the mean of the data: the pixels that are there say more than that.",
        ("self.W @ self.code(row, o) + self.b", "self.b"),
    ),
    (
        "FillerZeros",
        "You take missing pixels for pixels that are 0 when you infer the code.",
        ("self.code(row, o)", "self.code(row * o, o | ~o)"),
    ),
    (
        "FillerMeansFirst",
        "You put the mean in for missing pixels and then infer the code as if they had been "
        "seen: pixels that are not there must not count at all.",
        ("self.code(row, o)", "self.code(torch.where(o, row, self.b), o | ~o)"),
    ),
    (
        "FillerLeastSquares",
        "You fit the code by least squares alone: the prior pulls it towards 0, the more so the "
        "noisier the pixels are.",
        (
            "torch.linalg.solve(precision, W.T @ shift / self.noise_var)",
            "torch.linalg.pinv(W) @ shift",
        ),
    ),
    (
        "FillerSmooths",
        "Pixels that are known have to stay as they are; you replace them by their "
        "reconstruction.",
        ("torch.where(observed, x, torch.stack(rows))", "torch.stack(rows)"),
    ),
    (
        "FillerFirstMask",
        "You use the first row's pattern of missing pixels for all rows.",
        ("        rows =", "        observed = observed[:1].expand_as(observed)\n        rows ="),
        ("        logs =", "        observed = observed[:1].expand_as(observed)\n        logs ="),
    ),
    (
        "FillerNotCentred",
        "Pixels have to be compared with their mean b before the code is inferred, and b belongs "
        "to what is filled in.",
        ("self.noise_var = W, b, noise_var", "self.noise_var = W, 0 * b, noise_var"),
    ),
    (
        "FillerNoiseAsSd",
        "You take `noise_var` for a standard deviation: it is the variance.",
        ("self.noise_var = W, b, noise_var", "self.noise_var = W, b, noise_var**2"),
    ),
)
DENSITY_MISTAKES = mistakes(
    "density",
    PixelFiller,
    (
        "FillerNoNoise",
        "The noise is missing in the covariance of the pixels: it is W W^T + noise_var I.",
        ("self.noise_var = W, b, noise_var", "self.noise_var = W, b, 1e-6"),
    ),
    (
        "FillerAllPixels",
        "Your density counts the missing pixels as they stand in x: they mean nothing and have "
        "to be integrated out.",
        ("        logs =", "        observed = observed | ~observed\n        logs ="),
    ),
    (
        "FillerFilledPixels",
        "You fill in the missing pixels and take the density of the whole: that counts guesses "
        "as seen. They have to be integrated out.",
        (
            "        logs =",
            "        x = self.fill_in(x, observed)\n"
            "        observed = observed | ~observed\n        logs =",
        ),
    ),
    (
        "FillerAllConstants",
        "The constant log 2 pi counts the pixels that are observed, not all of them.",
        ("len(shift) * LOG_2PI", "len(row) * LOG_2PI"),
    ),
    (
        "FillerNoConstant",
        "Your density is off by a constant: (1/2) log 2 pi for each observed pixel.",
        (" + len(shift) * LOG_2PI", ""),
    ),
    (
        "FillerConditions",
        "You cut the rows of missing pixels out of the *inverse* covariance: that conditions on "
        "them. Cut them out of the covariance, then invert.",
        (
            "cov, shift = whole[seen][:, seen],",
            "cov = whole.inverse()[seen][:, seen].inverse()\n            shift =",
        ),
    ),
    (
        "FillerIndependent",
        "You add up the densities of single pixels: pixels that share a code depend on each "
        "other.",
        ("        logs =", "        whole = whole.diag().diag()\n        logs ="),
    ),
)
FILLER_WRONG = [
    Wrong(DENSITY_MISTAKES[0].answer, test="fill"),
    Wrong(FILL_MISTAKES[5].answer, test="density"),
]


def draw_holes(rng, method):
    """Rows with different pixels missing, two or three of five."""
    W, b = signed(rng, 0.5, 1.4, 5, 2), signed(rng, 0.4, 1.2, 5)
    noise_var = float(rng.choice([0.3, 0.5, 0.6, 1.6]))
    x = np.round(b + rng.normal(size=(3, 2)) @ W.T + 0.6 * rng.normal(size=(3, 5)), 2)
    observed = np.array([rng.permutation(5) < n for n in rng.integers(2, 4, size=3)])
    calls = [[method, {"x": x, "observed": observed}]]
    return {"init": {"W": W, "b": b, "noise_var": noise_var}, "calls": calls}


def draw_fill(rng):
    return draw_holes(rng, "fill_in")


def draw_density(rng):
    return draw_holes(rng, "log_prob")


FILLER = Exercise(
    id="fill-in",
    answer="PixelFiller",
    kind="class",
    title="Filling in missing pixels, exactly",
    minutes=30,
    reference=PixelFiller,
    atol=1e-4,
    tests=[
        Test("fill", 1, telling(draw_fill, PixelFiller, FILL_MISTAKES + FILLER_WRONG[:1], 0.02)),
        Test(
            "density",
            1,
            telling(draw_density, PixelFiller, DENSITY_MISTAKES + FILLER_WRONG[1:], 0.02),
        ),
    ],
    mistakes=FILL_MISTAKES + DENSITY_MISTAKES,
    wrong=FILLER_WRONG,
    right=[FillerByCovariance, FillerByNumpy],
    discouraged=("gencourse.vae.ProbabilisticPCA",),
)


# --- 12. gumbel-softmax -----------------------------------------------------------------


def gumbel_softmax(logits, uniforms, temperature, hard):
    noise = -torch.log(-torch.log(uniforms))
    y = torch.softmax((logits + noise) / temperature, dim=1)
    if hard:
        return F.one_hot(y.argmax(1), y.shape[1]).to(y.dtype)
    return y


def gumbel_by_numpy(logits, uniforms, temperature, hard):
    from scipy.special import softmax
    from scipy.stats import gumbel_r

    noisy = logits.numpy() + gumbel_r.ppf(uniforms.numpy())
    if hard:
        return (noisy == noisy.max(1, keepdims=True)).astype(int)
    return softmax(noisy / temperature, axis=1).astype(np.float32)


def gumbel_by_race(logits, uniforms, temperature, hard):
    """Exponential clocks: the state whose clock of rate exp(logit) rings first wins."""
    rows = []
    for scores, u in zip(logits, uniforms, strict=True):
        times = -u.log() / scores.exp()
        soft = times ** (-1 / temperature)
        first = [float(t == times.min()) for t in times]
        rows.append(first if hard else (soft / soft.sum()).tolist())
    return rows


NOISE = "-torch.log(-torch.log(uniforms))"
SOFT_MISTAKES = mistakes(
    "soft",
    gumbel_softmax,
    (
        "gumbel_flipped",
        "Your noise has the wrong sign: a Gumbel variable is -log(-log u).",
        (NOISE, "torch.log(-torch.log(uniforms))"),
    ),
    (
        "gumbel_exponential",
        "Your noise is -log u: a Gumbel variable takes the logarithm twice.",
        (NOISE, "-torch.log(uniforms)"),
    ),
    (
        "gumbel_uniform",
        "You add the uniform numbers themselves: turn them into Gumbel variables first.",
        (NOISE, "uniforms"),
    ),
    (
        "gumbel_no_noise",
        "The noise makes no difference to your answer: that is no sample.",
        (NOISE, "0 * uniforms"),
    ),
    (
        "gumbel_times_temperature",
        "You multiply by the temperature: a low one has to make the sample sharp.",
        ("/ temperature", "* temperature"),
    ),
    (
        "gumbel_no_temperature",
        "The temperature makes no difference to your answer.",
        (" / temperature", ""),
    ),
    (
        "gumbel_logits_cooled",
        "You divide the logits by the temperature and not the noise: both are divided.",
        ("(logits + noise) / temperature", "logits / temperature + noise"),
    ),
    (
        "gumbel_on_probabilities",
        "You add the noise to probabilities: it belongs to logits.",
        ("(logits + noise)", "(torch.softmax(logits, 1) + noise)"),
    ),
    (
        "gumbel_over_batch",
        "Your softmax runs over the batch: each row is one sample.",
        ("dim=1", "dim=0"),
    ),
)
ONE_HOT = "F.one_hot(y.argmax(1), y.shape[1]).to(y.dtype)"
HARD_MISTAKES = mistakes(
    "hard",
    gumbel_softmax,
    (
        "gumbel_still_soft",
        "With `hard` the sample is one-hot: yours is still soft.",
        (ONE_HOT, "y"),
    ),
    (
        "gumbel_most_probable",
        "You take the largest logit: the noise has to decide.",
        ("y.argmax(1)", "logits.argmax(1)"),
    ),
    (
        "gumbel_rounded",
        "You round: where no entry is above one half nothing is left of the sample. The largest "
        "entry is the one.",
        (ONE_HOT, "y.round()"),
    ),
    (
        "gumbel_index",
        "You return the state's index: a one-hot row is asked.",
        (ONE_HOT, "y.argmax(1)"),
    ),
    (
        "gumbel_inverted_cdf",
        "You invert the cumulative distribution with the first uniform number of each row: here "
        "all K of them make the sample.",
        (
            "y.argmax(1)",
            "(uniforms[:, :1] > torch.softmax(logits, 1).cumsum(1)[:, :-1]).sum(1)",
        ),
    ),
)
GUMBEL_WRONG = [Wrong(SOFT_MISTAKES[3].answer, test="hard")]


def draw_gumbel(rng, hard=False, batch=3):
    return {
        "logits": signed(rng, 0.2, 1.6, batch, 4),
        "uniforms": grid(rng, 0.04, 0.97, batch, 4),
        "temperature": float(rng.choice([0.4, 0.6, 1.7, 2.0])),
        "hard": hard,
    }


def draw_hard(rng):
    """Six rows without a close race."""
    call = draw_gumbel(rng, hard=True, batch=6)
    noisy = np.sort(call["logits"] - np.log(-np.log(call["uniforms"])), axis=1)
    return call if (noisy[:, -1] - noisy[:, -2]).min() > 0.05 else None


GUMBEL = Exercise(
    id="gumbel-softmax",
    answer="gumbel_softmax",
    kind="sampler",
    title="A categorical sample that gradients can pass",
    minutes=15,
    reference=gumbel_softmax,
    atol=1e-5,
    tests=[
        Test(
            "soft",
            1,
            telling(draw_gumbel, gumbel_softmax, SOFT_MISTAKES, 0.02),
            properties=[
                {"name": "nonnegative"},
                {"name": "sums_to", "axis": 1, "value": 1.0, "says": "each row adds up to 1"},
            ],
        ),
        Test("hard", 1, telling(draw_hard, gumbel_softmax, HARD_MISTAKES, 0.02)),
    ],
    mistakes=SOFT_MISTAKES + HARD_MISTAKES,
    wrong=GUMBEL_WRONG,
    right=[gumbel_by_numpy, gumbel_by_race],
    discouraged=("gencourse.vae.gumbel_softmax", "torch.nn.functional.gumbel_softmax"),
)


# --- 13. class-conditional --------------------------------------------------------------


def with_classes(elbos, class_prior, q_class, part):
    log_joint = elbos + class_prior.log()  # (B, C)
    if part == "classify":
        return torch.softmax(log_joint, dim=1)
    entropy = -torch.special.xlogy(q_class, q_class).sum(1)  # 0 log 0 = 0
    return (q_class * log_joint).sum(1) + entropy


def with_classes_by_numpy(elbos, class_prior, q_class, part):
    elbos, prior, q = np.float32(elbos), np.float32(class_prior), np.float32(q_class)
    if part == "classify":
        weights = prior * np.exp(elbos - elbos.max(1, keepdims=True))
        return weights / weights.sum(1, keepdims=True)
    safe = np.where(q > 0, q, 1.0)
    return (q * (elbos + np.log(prior) - np.log(safe))).sum(1)


def with_classes_by_identity(elbos, class_prior, q_class, part):
    """The bound as log of the sum minus a KL, row by row."""
    rows = []
    for bounds, q in zip(elbos, q_class, strict=True):
        log_joint = bounds + torch.log(class_prior)
        total = torch.logsumexp(log_joint, 0)
        log_posterior, kept = log_joint - total, q > 0
        kl = (q[kept] * (q[kept].log() - log_posterior[kept])).sum()
        rows.append(log_posterior.exp() if part == "classify" else total - kl)
    return torch.stack(rows)


SOFTMAX = "torch.softmax(log_joint, dim=1)"
CLASSIFY_MISTAKES = mistakes(
    "classify",
    with_classes,
    (
        "classify_no_prior",
        "The class prior makes no difference to your answer.",
        ("softmax(log_joint", "softmax(elbos"),
    ),
    (
        "classify_prior_on_log",
        "You multiply the bounds by the class prior: they are logarithms, so its logarithm is "
        "added.",
        ("softmax(log_joint", "softmax(elbos * class_prior"),
    ),
    (
        "classify_over_batch",
        "You normalise over the batch: each row is a distribution over the classes.",
        ("dim=1", "dim=0"),
    ),
    (
        "classify_logarithms",
        "You normalise the logarithms: exponentiate first.",
        (SOFTMAX, "log_joint / log_joint.sum(1, keepdim=True)"),
    ),
    (
        "classify_least",
        "You prefer the class under which the point is *least* probable: a bound is a "
        "log-probability, not a loss.",
        ("softmax(log_joint", "softmax(class_prior.log() - elbos"),
    ),
    (
        "classify_hard",
        "You return the best class alone: probabilities are asked.",
        (SOFTMAX, "F.one_hot(log_joint.argmax(1), elbos.shape[1]).double()"),
    ),
    ("classify_unnormalised", "Your rows do not add up to 1.", (SOFTMAX, "log_joint.exp()")),
)
CLASS_BOUND_MISTAKES = mistakes(
    "bound",
    with_classes,
    (
        "classes_no_entropy",
        "The entropy of q(y|x) is missing: the label is a latent variable with a KL of its own.",
        (" + entropy", ""),
    ),
    (
        "classes_entropy_sign",
        "The entropy of q(y|x) has the wrong sign: -log q raises the bound.",
        ("+ entropy", "- entropy"),
    ),
    (
        "classes_no_prior",
        "The class prior p(y) is missing in your bound.",
        ("q_class * log_joint", "q_class * elbos"),
    ),
    (
        "classes_prior_sign",
        "The logarithm of the class prior has the wrong sign: the bound subtracts "
        "KL(q(y|x)||p(y)).",
        ("elbos + class_prior", "elbos - class_prior"),
    ),
    (
        "classes_summed_out",
        "That is the bound with the best q(y|x): q(y|x) is given, and your answer does not look "
        "at it.",
        ("(q_class * log_joint).sum(1) + entropy", "log_joint.logsumexp(1)"),
    ),
    (
        "classes_under_prior",
        "You average under the class prior: the average is taken under q(y|x).",
        ("(q_class * log_joint).sum(1) + entropy", "(class_prior * elbos).sum(1)"),
    ),
    (
        "classes_log_outside",
        "You average the exponentials and take the logarithm last: the bound averages logarithms.",
        ("(q_class * log_joint).sum(1) + entropy", "(elbos + q_class.log()).logsumexp(1)"),
    ),
)
CLASSES_WRONG = [
    Wrong(
        variant(
            with_classes,
            "classify_underflowing",
            (SOFTMAX, "log_joint.exp() / log_joint.exp().sum(1, keepdim=True)"),
        ),
        test="classify",
    ),
    Wrong(
        variant(
            with_classes,
            "classes_nan",
            ("torch.special.xlogy(q_class, q_class)", "(q_class * q_class.log())"),
        ),
        test="bound",
    ),
]


def draw_classes(rng, part):
    """Bounds of images: one far less probable than the others, a few nats between the classes."""
    level = -grid(rng, 2, 9, 3, 1) - np.array([[0.0], [0.0], [900.0]])
    q = np.stack([simplex(rng, 3) for _ in range(3)])
    q[1] = rng.permutation([0.0, 0.3, 0.7])
    prior = rng.permutation([0.15, 0.25, 0.6])
    elbos = np.round(level + rng.uniform(-1.6, 1.6, size=(3, 3)), 2)
    return {"elbos": elbos, "class_prior": prior, "q_class": q, "part": part}


def draw_classify(rng):
    return draw_classes(rng, "classify")


def draw_class_bound(rng):
    return draw_classes(rng, "bound")


CLASSES = Exercise(
    id="class-conditional",
    answer="with_classes",
    kind="function",
    title="When the class is a latent variable",
    minutes=20,
    reference=with_classes,
    atol=1e-4,
    tests=[
        Test(
            "classify",
            1,
            telling(draw_classify, with_classes, CLASSIFY_MISTAKES, 0.02),
            properties=[
                {"name": "sums_to", "axis": 1, "value": 1.0, "says": "each row is a distribution"}
            ],
        ),
        Test("bound", 1, telling(draw_class_bound, with_classes, CLASS_BOUND_MISTAKES, 0.02)),
    ],
    mistakes=CLASSIFY_MISTAKES + CLASS_BOUND_MISTAKES,
    wrong=CLASSES_WRONG,
    right=[with_classes_by_numpy, with_classes_by_identity],
)


# --- 14. collapse -----------------------------------------------------------------------


def collapse_report(mean, log_var, free_bits, part):
    if part == "activity":
        return mean.var(0)
    kl = 0.5 * (log_var.exp() + mean**2 - 1 - log_var)  # (N, K)
    return kl.mean(0).clamp(min=free_bits).sum()


def collapse_by_numpy(mean, log_var, free_bits, part):
    mean, log_var = np.float32(mean), np.float32(log_var)
    if part == "activity":
        return np.square(mean - mean.mean(0)).sum(0) / (len(mean) - 1)
    kl = 0.5 * (np.exp(log_var) + mean**2 - log_var - 1).mean(0)
    return np.maximum(kl, free_bits).sum()


def collapse_by_loop(mean, log_var, free_bits, part):
    """Unit by unit, as a difference of moments and with torch's own KL."""
    found = []
    for m, v in zip(mean.T, log_var.T, strict=True):
        if part == "activity":
            found.append(((m @ m - m.sum() ** 2 / len(m)) / (len(m) - 1)).item())
        else:
            q = torch.distributions.Normal(m, (v / 2).exp())
            p = torch.distributions.Normal(0.0, 1.0)
            kl = torch.distributions.kl_divergence(q, p).sum().item() / len(m)
            found.append(free_bits if kl < free_bits else kl)
    return found if part == "activity" else sum(found)


ACTIVITY = "mean.var(0)"
FLOOR = "kl.mean(0).clamp(min=free_bits).sum()"
ACTIVITY_MISTAKES = mistakes(
    "activity",
    collapse_report,
    (
        "activity_sd",
        "You return standard deviations: variances are asked.",
        ("mean.var", "mean.std"),
    ),
    (
        "activity_of_samples",
        "You add the variance of q itself: a collapsed unit has plenty of that and still says "
        "nothing about x. How much does the *mean* move from point to point?",
        (ACTIVITY, f"{ACTIVITY} + log_var.exp().mean(0)"),
    ),
    (
        "activity_not_centred",
        "You average the squares of the means: take off their average first, or a unit that "
        "always says the same looks active.",
        (ACTIVITY, "mean.square().mean(0)"),
    ),
    (
        "activity_of_q",
        "That is the average variance of q: it is near 1 where a unit has collapsed, but "
        "activity is the variance of the means.",
        (ACTIVITY, "log_var.exp().mean(0)"),
    ),
    (
        "activity_over_units",
        "You take the variance over the units of one point: over the points, for each unit, is "
        "asked.",
        ("mean.var(0", "mean.var(1"),
    ),
    (
        "activity_divided_by_n",
        "You divide by N, as numpy's `var` does: by N - 1 is asked.",
        (ACTIVITY, "mean.var(0, correction=0)"),
    ),
    (
        "activity_by_kl",
        "That is the KL of each unit: activity is the variance of its mean over the data.",
        (ACTIVITY, "0.5 * (log_var.exp() + mean**2 - 1 - log_var).mean(0)"),
    ),
)
FREE_BITS_MISTAKES = mistakes(
    "free-bits",
    collapse_report,
    (
        "free_bits_of_points",
        "Your floor is under the KL of each point: average over the points first.",
        (FLOOR, "kl.clamp(min=free_bits).mean(0).sum()"),
    ),
    (
        "free_bits_below",
        "You take the smaller of the two: the larger one counts, so that below the floor nothing "
        "is gained by using a unit less.",
        ("clamp(min", "clamp(max"),
    ),
    (
        "free_bits_subtracted",
        "You subtract the floor: max(free_bits, KL) is asked, which is not 0 for an unused unit.",
        (FLOOR, "(kl.mean(0) - free_bits).clamp(min=0).sum()"),
    ),
    (
        "free_bits_ignored",
        "`free_bits` makes no difference to your answer: the floor is under each unit's KL, not "
        "under their sum.",
        (".clamp(min=free_bits)", ""),
    ),
    (
        "free_bits_from_bits",
        "The floor is given in nats already, whatever it is called.",
        ("min=free_bits", "min=free_bits * math.log(2)"),
    ),
    (
        "free_bits_averaged",
        "You average over the units: their floors add up.",
        ("free_bits).sum()", "free_bits).mean()"),
    ),
    (
        "free_bits_summed",
        "You add up over the points: the floor is under their mean.",
        ("kl.mean(0)", "kl.sum(0)"),
    ),
    (
        "free_bits_no_half",
        "Your KL is twice too large: its factor 1/2 is missing.",
        ("0.5 * (", "("),
    ),
    (
        "free_bits_of_average",
        "You average the parameters of q and take one KL: take the KL of each point, then the "
        "average.",
        (
            "    kl =",
            "    mean, log_var = mean.mean(0, True), log_var.exp().mean(0, True).log()\n    kl =",
        ),
    ),
)
COLLAPSE_WRONG = [
    Wrong(
        variant(
            collapse_report,
            "activity_absolute",
            (ACTIVITY, "(mean - mean.mean(0)).abs().mean(0)"),
        ),
        test="activity",
    )
]


def draw_units(rng, part):
    """One unit that is used, one that always says the same, one that has collapsed, one that is
    on the way there."""
    means = [
        signed(rng, 0.6, 2.0, 5),
        1.3 + grid(rng, -0.15, 0.15, 5),
        grid(rng, -0.06, 0.06, 5),
        signed(rng, 0.2, 0.6, 5),
    ]
    ranges = [(-2.5, -1.0), (-0.5, -0.1), (-0.05, 0.05), (-0.4, -0.1)]
    log_vars = [grid(rng, low, high, 5) for low, high in ranges]
    order = rng.permutation(4)
    q = {"mean": np.stack(means, 1)[:, order], "log_var": np.stack(log_vars, 1)[:, order]}
    return q | {"free_bits": float(rng.choice([0.15, 0.25, 0.3])), "part": part}


def draw_activity(rng):
    return draw_units(rng, "activity")


def draw_free_bits(rng):
    return draw_units(rng, "free-bits")


COLLAPSE = Exercise(
    id="collapse",
    answer="collapse_report",
    kind="function",
    title="Units that say nothing",
    minutes=15,
    reference=collapse_report,
    atol=1e-5,
    tests=[
        Test(
            "activity",
            1,
            telling(draw_activity, collapse_report, ACTIVITY_MISTAKES + COLLAPSE_WRONG, 0.002),
        ),
        Test("free-bits", 1, telling(draw_free_bits, collapse_report, FREE_BITS_MISTAKES, 0.005)),
    ],
    mistakes=ACTIVITY_MISTAKES + FREE_BITS_MISTAKES,
    wrong=COLLAPSE_WRONG,
    right=[collapse_by_numpy, collapse_by_loop],
    discouraged=("gencourse.vae.active_units",),
)


EXERCISES = [
    AUTOENCODER,
    LABELS,
    DISCRETE,
    GAUSSIAN,
    FACTORISED,
    ELBO,
    NORMAL,
    GRADIENTS,
    IWAE,
    GAPS,
    FILLER,
    GUMBEL,
    CLASSES,
    COLLAPSE,
]
