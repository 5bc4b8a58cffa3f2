# %% [markdown] slideshow={"slide_type": "slide"}
# # Autoregressive models
#
# **Unit 02, walkthrough.** A table cannot hold a distribution over 64 pixels, a network can. How
# does one turn networks into a distribution that is exactly normalised, whose density can be
# computed and from which one can sample?
#
# This notebook is a lecture that runs: formula, a few lines of code, a figure or a table of
# measured numbers, and what you should see in it. Run it from top to bottom, or show it as
# slides. Nothing is downloaded.
#
# | section | | section | |
# |---|---|---|---|
# | 2.0 | the chain rule, and orderings | 2.7 | PixelRNN: Diagonal BiLSTM |
# | 2.1 | FVSBN: a logistic regression for each pixel | 2.8 | colour |
# | 2.2 | NADE: shared parameters | 2.9 | language models and temperature |
# | 2.3 | RNADE: real values | 2.10 | what a density is for; units |
# | 2.4 | MADE: masks | 2.11 | fast sampling |
# | 2.5 | PixelCNN: masks, blind spot, gates | 2.12 | WaveNet: sound |
# | 2.6 | PixelRNN: Row LSTM | | all models in one table |
#
# It follows a public lecture, which is called *the slides* here (see the end). Where a slide
# slips, a section **"The slide says"** computes the right answer.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import copy
import itertools
import math
import time

import torch
from IPython.display import Audio
from torch.nn import functional as F

from gencourse import autoregressive as ar
from gencourse import data, densities, plots, widgets
from gencourse.autoregressive.causal_conv import causal_mask
from gencourse.autoregressive.diagonal_bilstm import skew, unskew
from gencourse.autoregressive.gated_pixel_cnn import VerticalConv2d
from gencourse.evaluate import bits_per_dim, negative_log_likelihood, rank_p_values
from gencourse.losses import nll_loss
from gencourse.train import fit

torch.set_num_threads(1)  # the tensors are small: one thread is about as fast as two

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def seeded(seed=0):
    """Return a source of randomness; every figure below is the same at every run."""
    return torch.Generator().manual_seed(seed)


def cpu_seconds(job, repeat=1):
    """Return the processor time of a job, the least of some repetitions, and what it returns."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        result = job()
        times.append(time.process_time() - start)
    return min(times), result

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.0 The chain rule, and orderings
#
# For *any* distribution over $D$ variables, and for *any* ordering of them,
#
# $$p(x_1, \dots, x_D) = \prod_{i=1}^{D} p(x_i \mid x_1, \dots, x_{i-1}) = \prod_i p(x_i \mid
# x_{<i}).$$
#
# A model that has a network for each factor, and normalises each factor over its one variable, is
# called **autoregressive**. It is a distribution whatever the networks compute:
#
# - **density**: one product, all factors of a known $x$ at once;
# - **sampling**: $x_1$, then $x_2$ given $x_1$, and so on: exact, but one after the other;
# - **learning**: minimise $-\frac1N \sum_n \log p(x^{(n)})$, the negative log-likelihood (NLL).
#
# No integral, no bound, no partition function. First the exactness: a random table over three
# pixels, taken apart and put together again in all six orderings.

# %% slideshow={"slide_type": "subslide"}
joint = torch.rand(2, 2, 2, generator=seeded(1), dtype=torch.float64)
joint /= joint.sum()


def factors(joint, order):
    """Return p(x_i | the variables before i in `order`) for each i, as tables that broadcast."""
    found = []
    for k, i in enumerate(order):
        later = tuple(order[k + 1 :])
        both = joint.sum(later, keepdim=True) if later else joint
        found.append(both / both.sum(i, keepdim=True))
    return found


rows = []
for order in itertools.permutations(range(3)):
    tables = factors(joint, order)
    error = (math.prod(tables) - joint).abs().max()
    free = [table.numel() // 2 for table in tables]  # one number a row: the other is 1 - p
    first = tables[0].flatten()[1]
    name = " → ".join(f"x{i + 1}" for i in order)
    rows.append([name, f"{float(error):.0e}", f"{first:.4f}", " + ".join(map(str, free))])
plots.number_table(
    ["ordering", "largest error of the product", "p(first = 1)", "free parameters"], rows
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Every ordering gives the joint back, up to rounding, with factors that
# differ. And every ordering needs $1 + 2 + 4 = 2^3 - 1$ numbers: as tables, the factors cost what
# the joint costs. *Why it matters:* the chain rule itself buys nothing and loses nothing. What
# buys something is how a model computes the factors.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The slide says: "auto-regressive models leverage this conditional independency"
#
# It says so after the Markov assumption, $X_{i+1} \perp X_1, \dots, X_{i-1} \mid X_i$, which needs
# $2D - 1$ numbers. The models of this unit assume no such thing. Compute it: for random
# parameters, does the probability of pixel $i$ move when an earlier pixel $j$ is flipped?

# %% slideshow={"slide_type": "subslide"}
def randomised(model, seed=0, scale=1.0):
    """Return the model with parameters from a normal distribution, in double precision."""
    model = model.double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=seeded(seed)))
    return model


@torch.no_grad()
def dependence(model, num_vars=12):
    """Return the largest change of log-odds i when variable j is flipped, (D, D)."""
    x = (torch.rand(40, num_vars, generator=seeded(2)) < 0.5).double()
    flipped = x[:, None] + (1 - 2 * x[:, None]) * torch.eye(num_vars).double()  # (40, D, D)
    moved = model.logits(flipped.flatten(0, 1)).reshape(flipped.shape)
    return (moved - model.logits(x)[:, None]).abs().amax(0).T


class Markov(ar.FVSBN):  # for comparison: only the variable before
    def logits(self, x):
        return F.linear(x, self.W.tril(-1).triu(-1), self.b)


kinds = {"Markov chain": Markov(12), "FVSBN": ar.FVSBN(12),
         "NADE": ar.NADE(12, num_hidden=5), "MADE": ar.MADE(12, hidden=(40,))}
moves = {name: dependence(randomised(model)) > 1e-9 for name, model in kinds.items()}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 4, size=(10, 2.9))
for a, (name, moved) in zip(ax, moves.items(), strict=True):
    plots.draw_mask(a, moved, title=name)
    a.set_xlabel("flipped pixel j")
ax[0].set_ylabel("pixel i")
plots.picture(fig, """Which of twelve pixels each pixel depends on. Markov chain: only the one
    before. FVSBN, NADE and MADE: the whole lower triangle, that is, all pixels before.""")

# %% slideshow={"slide_type": "fragment"}
D, H = 784, 500
pairs = 12 * 11 // 2
formula = {
    "table": ["2^784 - 1, a number of 237 digits", 0],
    "Markov chain": [2 * D - 1, pairs - int(moves["Markov chain"].sum())],
    "FVSBN": [D * (D - 1) // 2 + D, pairs - int(moves["FVSBN"].sum())],
    "NADE, 500 hidden units": [H * (D - 1) + H * D + D + H, pairs - int(moves["NADE"].sum())],
}
plots.number_table(
    ["model", "numbers that matter for 28×28 pixels", f"independences among {pairs} pairs"],
    [[name, *values] for name, values in formula.items()],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Only the Markov chain leaves out pairs. FVSBN, NADE and MADE depend on
# *every* earlier pixel: like the table they assume no independence. They are cheap because they
# restrict the *form* of each factor and **share parameters**. They pay for it: not every
# distribution can be written in that form.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The data of this unit
#
# The 8×8 digits of scikit-learn, made binary at the threshold 1/2: 1258 images to train on, 180
# to stop early by, 359 to test. Read row by row they are vectors of $D = 64$ bits. The yardstick:
# independent pixels, learnt by counting.

# %% tags=["setup"] slideshow={"slide_type": "subslide"}
parts = data.split(data.digits(binarise="threshold"))
train_x, test_x = parts.train.x, parts.test.x  # (N, 1, 8, 8) of 0 and 1
measured = {}  # name -> model, processor seconds of training; for the table at the end


def train(name, model, *, loss=nll_loss, **options):
    """Fit a model to the digits, keep it in `measured`, and return it."""
    options |= {"val": parts.val, "loss": loss, "progress": False, "device": "cpu"}
    measured[name] = model, cpu_seconds(lambda: fit(model, parts.train, **options))[0]
    return model


def test_nll(model):
    return negative_log_likelihood(model, parts.test).mean

# %% slideshow={"slide_type": "fragment"}
share = (train_x.flatten(1).sum(0) + 0.5) / (len(train_x) + 1)  # of white, for each pixel
alone = -densities.log_bernoulli(test_x.flatten(1), share.logit())  # (359,) nats
fig, ax = plots.figure(1, 2, size=(9, 2.0), width_ratios=(2.4, 1))
plots.image_grid(ax[0], test_x[:24], columns=12, title="test digits, binary")
plots.image_grid(ax[1], share.reshape(1, 8, 8), columns=1, title="share of white")
plots.picture(fig, "24 binary digits of 8 by 8 pixels, and the share of white for each pixel.")

# %% slideshow={"slide_type": "fragment"}
coins = 64 * math.log(2)
plots.number_table(["model", "test NLL, nats per image"], [
    ["64 fair coins: 64 ln 2", coins], ["independent pixels", alone.mean()],
], digits=2)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.1 FVSBN: a logistic regression for each pixel
#
# The **fully visible sigmoid belief network** (Frey, Hinton & Dayan 1995, after Neal 1992):
#
# $$p(x_i = 1 \mid x_{<i}) = \sigma\Big(b_i + \sum_{j<i} W_{ij} x_j\Big), \qquad \sigma(z) =
# \frac{1}{1 + e^{-z}}.$$
#
# All $D$ regressions are one matrix product with a lower triangular $W$. Nothing is shared: row
# $i$ of $W$ belongs to pixel $i$ alone, $D(D-1)/2 + D$ numbers in all. The log-likelihood is
# concave, so gradient ascent cannot get stuck.

# %% slideshow={"slide_type": "subslide"}
tiny = randomised(ar.FVSBN(9), seed=3)  # random weights, 3×3 pixels
images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 9)  # all 512
with torch.no_grad():
    p = tiny.log_prob(images).exp()
drawn = tiny.sample(20_000, generator=seeded(1))
code = 2 ** torch.arange(8, -1, -1).double()
frequency = (drawn @ code).long().bincount(minlength=512) / 20_000
top = p.argsort(descending=True)[:8]

fig, ax = plots.figure(size=(7.4, 2.6))
names = ["".join(str(int(v)) for v in images[k]) for k in top]
plots.bars(ax, names, {"exp(log p)": p[top], "share of 20,000 samples": frequency[top]})
ax.tick_params(axis="x", labelsize=9, rotation=20)
ax.set(title=f"the 8 likeliest of 512 images; Σ p = {float(p.sum()):.12f}",
       ylim=(0, 1.35 * float(p.max())))
plots.picture(fig, """Probabilities of the eight likeliest images of nine pixels under random
    weights agree with the shares of samples.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The probabilities of all 512 images sum to 1 though nobody normalised
# them as a whole, and the sampler draws each image as often as it should. Now with learnt weights:

# %% slideshow={"slide_type": "subslide"}
fvsbn = train("FVSBN", ar.FVSBN(64), epochs=40, batch_size=100, lr=0.02, patience=5)
with torch.no_grad():
    W = (fvsbn.mask * fvsbn.W).reshape(64, 8, 8)

fig, ax = plots.figure(1, 2, size=(9.6, 2.6), width_ratios=(1, 1.35))
samples = fvsbn.sample(40, generator=seeded(1)).reshape(-1, 8, 8)
plots.image_grid(ax[0], samples, columns=10, title=f"samples; test NLL {test_nll(fvsbn):.2f}")
look_at = [19, 28, 36, 45, 52]
plots.image_grid(ax[1], (W[look_at] / 6 + 0.5).clamp(0, 1), columns=5,
                 title="row i of W: white excites, black inhibits")
for k, i in enumerate(look_at):
    ax[1].plot(9 * k + 1 + i % 8, 1 + i // 8, "x", color=plots.VERMILLION, ms=9, mew=2.5)
plots.picture(fig, """Left: forty samples, many like digits. Right: weights of five pixels, marked
    by a cross. Only pixels before the cross have weights; the nearest are the strongest.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Six nats less than independent pixels, and samples with strokes. The
# crosses mark pixel $i$: nothing at or after a cross has a weight (grey is 0). Most weight is on
# the neighbours above and to the left, though nobody said that the 64 numbers are a picture.
# (Strong weights far off belong to pixels that are hardly ever white: there is little to learn
# them from.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.2 NADE: one hidden layer for each pixel, all with the same $W$
#
# The **neural autoregressive distribution estimator** (Larochelle & Murray 2011):
#
# $$h_i = \sigma\big(c + W_{\cdot,<i}\, x_{<i}\big) \in \mathbb R^H, \qquad p(x_i = 1 \mid x_{<i})
# = \sigma\big(b_i + V_i h_i\big).$$
#
# $D$ networks of $H$ hidden units would have about $H D^2 / 2$ first-layer weights. NADE uses the
# first $i - 1$ columns of *one* $W$ for pixel $i$: $HD$. (The slides write $\alpha_i$ for $V_i$.)
# The sharing also makes a recursion possible. With $a_1 = c$,
#
# $$a_{i+1} = a_i + W_{\cdot, i}\, x_i, \qquad h_i = \sigma(a_i),$$
#
# so that all $D$ hidden layers cost $O(HD)$ and not $O(HD^2)$. **The slide says** that each
# conditional "is computed independently". The opposite is the point: each starts from the one
# before.

# %% slideshow={"slide_type": "subslide"}
def naive_logits(model, x):
    """The formula as it stands: each hidden layer from the beginning, O(H D²)."""
    W, V, b, c = model.W, model.V, model.b, model.c
    hidden = [torch.sigmoid(c + x[:, :i] @ W[:, :i].T) for i in range(x.shape[1])]
    return torch.stack([b[i] + h @ V[i] for i, h in enumerate(hidden)], 1)


def recursive_logits(model, x):
    """The same numbers, O(H D): a running pre-activation."""
    a, logits = model.c.expand(len(x), -1), []
    for x_i, W_i, V_i, b_i in zip(x.T, model.W.T, model.V, model.b, strict=True):
        logits.append(b_i + torch.sigmoid(a) @ V_i)
        a = a + x_i[:, None] * W_i
    return torch.stack(logits, 1)

# %% slideshow={"slide_type": "subslide"}
sizes, times, gap = [128, 256, 512, 1024, 2048], {"naive": [], "recursive": []}, 0.0
with torch.no_grad():
    for D in sizes:
        model = ar.NADE(D, num_hidden=200, generator=seeded(1))
        x = (torch.rand(10, D, generator=seeded(2)) < 0.5).float()
        for name, way in (("naive", naive_logits), ("recursive", recursive_logits)):
            seconds, logits = cpu_seconds(lambda f=way, m=model, x=x: f(m, x), repeat=2)
            times[name].append(seconds)
            gap = max(gap, float((logits - model.logits(x)).abs().max()))  # the library's
slope = {k: math.log(t[-1] / t[-2], 2) for k, t in times.items()}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(size=(6.6, 3.2))
labels = {"naive": "each h from the beginning", "recursive": "running pre-activation"}
plots.curves(ax, torch.tensor(sizes), {labels[k]: t for k, t in times.items()}, markers=True)
ax.set(xscale="log", yscale="log", xlabel="pixels D", ylabel="seconds, 10 images")
ax.set_xticks(sizes, [str(D) for D in sizes])
ax.minorticks_off()
plots.picture(fig, """Time of NADE's forward pass against the number of pixels, both axes
    logarithmic: the naive way ends higher and steeper than the recursive one.""")

# %% slideshow={"slide_type": "fragment"}
D, H = 2048, 200
plots.number_table(
    ["way, D = 2048", "products with W per image", "seconds, 10 images",
     "exponent of D, last step"],
    [["each h from the beginning", H * D * (D - 1) // 2, times["naive"][-1],
      f"{slope['naive']:.2f}"],
     ["running pre-activation", H * (D - 1), times["recursive"][-1],
      f"{slope['recursive']:.2f}"],
     ["ratio", f"{D / 2:.0f}", f"{times['naive'][-1] / times['recursive'][-1]:.1f}", ""]],
    digits=3, caption=f"largest difference of a log-odds: {gap:.0e}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Doubling $D$ about doubles the time of the recursion (exponent 1); that
# of the naive way more than triples and would quadruple for still larger $D$ (exponent 2). Counted
# in products the gap is $D/2$; in seconds it is smaller, because both take $D$ steps with a
# sigmoid for each of $H$ units, and a large matrix product is quicker per number than a small one.
# Both compute the same numbers.

# %% slideshow={"slide_type": "subslide"}
nade = train("NADE", ar.NADE(64, num_hidden=100), epochs=40, batch_size=100, lr=0.01, patience=6)
with torch.no_grad():
    digits = test_x[10:20].flatten(1)
    said = [model.logits(digits).sigmoid() for model in (fvsbn, nade)]  # p(x_i = 1 | x_<i)
fig, ax = plots.figure(1, 2, size=(9.6, 2.6))
samples = nade.sample(40, generator=seeded(1)).reshape(-1, 8, 8)
plots.image_grid(ax[0], samples, columns=10, title=f"samples; test NLL {test_nll(nade):.2f}")
plots.image_grid(ax[1], torch.cat([digits, *said]).reshape(-1, 8, 8), columns=10,
                 title="digits; what FVSBN, then NADE expects")
plots.picture(fig, """Left: forty samples, many of which can be read. Right: ten test digits, and
    below each the probability of white that FVSBN and NADE give each pixel from those before it:
    blurred digits, a little sharper for NADE.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** About a nat better than FVSBN. On the right, white, grey and black are
# the probabilities $p(x_i = 1 \mid x_{<i})$ from which the NLL is computed: a bright pixel under a
# white one and a dark one under a black one cost little, a grey one 0.69 nats. (The last column
# of $W$ belongs to the last pixel, which nobody comes after: it is never used and never learns.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Any ordering is exact, but each learns another model
#
# The same NADE, with the pixels in other orderings:

# %% slideshow={"slide_type": "subslide"}
raster = torch.arange(64)
orderings = {
    "row by row": raster,
    "backwards": raster.flip(0),
    "random": torch.randperm(64, generator=seeded(1)),
}
by_order = {}
for name, order in orderings.items():
    model = ar.NADE(64, num_hidden=50, order=order, generator=seeded(0))
    fit(model, parts.train, loss=nll_loss, epochs=15, batch_size=100, lr=0.02, progress=False,
        device="cpu")
    by_order[name] = negative_log_likelihood(model, parts.test)
    if name == "backwards":
        backwards = model  # section 2.10 needs it

# %% slideshow={"slide_type": "subslide"}
rank = [order.argsort().reshape(8, 8) / 63 for order in orderings.values()]
fig, ax = plots.figure(1, 2, size=(9.6, 2.8), width_ratios=(1.5, 1))
plots.image_grid(ax[0], torch.stack(rank), columns=3, title=", ".join(orderings))
nlls = [estimate.mean for estimate in by_order.values()]
errors = [estimate.standard_error for estimate in by_order.values()]
ax[1].errorbar(nlls, range(3), xerr=errors, fmt="o", color=plots.BLUE, capsize=4)
ax[1].set_yticks(range(3), [f"{n}: {v:.2f}" for n, v in zip(by_order, nlls, strict=True)])
ax[1].set(xlabel="test NLL, nats, ± one standard error", ylim=(2.5, -0.5))
ax[0].title.set_fontsize(10)
plots.picture(fig, "Three orderings, black first and white last, and their test NLL: " + ", ".join(
    f"{name} {value:.2f}" for name, value in zip(by_order, nlls, strict=True)))

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** (Black comes first, white last.) Every ordering works, none assumes
# anything, and they differ by less than a standard error or two: a random ordering costs these
# digits about as much as reading order. Section 2.10 shows where the ordering does matter: it
# decides which questions are cheap.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A trap: "it still sums to 1"
#
# A much-copied NADE applies the sigmoid twice, $p = \sigma(\sigma(\cdot))$. It is still a
# distribution. The sum over all images does not notice; the *range* of $p$ does.

# %% slideshow={"slide_type": "fragment"}
tiny = randomised(ar.NADE(9, num_hidden=6), seed=4, scale=3.0)
once, twice = tiny.logits(images), tiny.logits(images).sigmoid()
rows = []
for name, logits in {"sigmoid once": once, "sigmoid twice": twice}.items():
    total = densities.log_bernoulli(images, logits).exp().sum().detach()
    p = logits.sigmoid().detach()
    best = [-math.log(1 - p.min()), -math.log(p.max())]  # cheapest possible 0 and 1
    white = float(test_x.flatten(1).sum(1).mean())
    floor = (64 - white) * best[0] + white * best[1] if "twice" in name else 0.0
    rows.append([name, f"{total:.9f}", f"{p.min():.4f} to {p.max():.4f}", f"{floor:.2f}"])
plots.number_table(
    ["output", "Σ p over 512 images", "range of p(x_i = 1 | ...)", "no digit's NLL can be below"],
    rows,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Both sum to 1. But with two sigmoids every $p$ lies between $\sigma(0)
# = 0.5$ and $\sigma(1) = 0.7311$: no pixel can be called black with more than 50 %. The best NLL
# that such a model can reach on the digits is far above that of independent pixels. *Why it
# matters:* "sums to 1" tests normalisation, not the model. Compare samples with $\log p$, and
# with the formula.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.3 RNADE: real values
#
# For $x \in \mathbb R^D$ each factor becomes a density, a mixture of $K$ Gaussians (Uria, Murray
# & Larochelle 2013) whose weights, means and standard deviations come from NADE's hidden layer:
#
# $$p(x_i \mid x_{<i}) = \sum_{k=1}^K \pi_{ik}\, \mathcal N(x_i;\, \mu_{ik}, \sigma_{ik}), \qquad
# (\pi_i, \mu_i, \sigma_i) = f_i(h_i).$$
#
# Why a mixture? Take a ring in the plane. Given $x_1$, the second coordinate is above *or* below:
# two humps. We know the truth here, $p(x) = \mathcal N(r;\, 2, \tfrac14) / 2\pi r$ with $r =
# \|x\|$ (the second argument of $\mathcal N$ is a standard deviation in this course).

# %% slideshow={"slide_type": "subslide"}
def log_ring(x):  # normal radius (the part below 0, eight deviations away, does not matter)
    r = x.norm(dim=1)
    return densities.log_normal(r, 2.0, 0.25, event_dims=0) - (2 * math.pi * r).log()


def draw_ring(n, generator):
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    r = 2 + 0.25 * torch.randn(n, generator=generator)
    return torch.stack([r * angle.cos(), r * angle.sin()], 1)


ring, held_out = draw_ring(4000, seeded(1)), draw_ring(4000, seeded(2))
rings = {}
for K in (1, 8):
    torch.manual_seed(0)
    rings[K] = ar.RNADE(2, num_hidden=30, num_components=K, generator=seeded(0))
    fit(rings[K], ring, loss=nll_loss, steps=500, batch_size=200, lr=0.01, progress=False,
        device="cpu")

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 4, size=(10.5, 2.9))
plane = {"x": (-3.2, 3.2), "y": (-3.2, 3.2), "label": False, "points": 100}  # not through 0
levels = [0.02, 0.05, 0.08, 0.11, 0.14]
ax[0].scatter(*held_out[:1000].T, s=4, color=plots.BLUE, lw=0)
ax[0].set(title="data", xlim=plane["x"], ylim=plane["y"])
plots.contours(ax[1], lambda x: log_ring(x).exp(), levels=levels, **plane)
ax[1].set_title("true density")
for a, K in zip(ax[2:], rings, strict=True):
    plots.contours(a, lambda x, K=K: rings[K].log_prob(x).exp(), levels=levels, **plane)
    a.set_title(f"RNADE, K = {K}")
for a in ax:
    a.set(aspect="equal", xlabel="x₁")
ax[0].set_ylabel("x₂")
plots.picture(fig, """Points on a ring; contours of the true density, a ring; RNADE with one
    Gaussian for each factor, which fills the hole; RNADE with eight, a ring again.""")

# %% slideshow={"slide_type": "fragment"}
grid = torch.linspace(-12, 12, 241, dtype=torch.float64)  # steps of 0.1
plane_points = torch.cartesian_prod(grid, grid)
truth = -log_ring(held_out).mean()
rows = [["truth (the entropy, estimated)", f"{truth:.3f}", "", ""]]
for K, model in rings.items():
    with torch.no_grad():
        nll = -model.log_prob(held_out).mean()
        mass = model.log_prob(plane_points).double().exp().sum() * 0.1**2
    rows.append([f"RNADE, K = {K}", f"{nll:.3f}", f"{nll - truth:.3f}", f"{mass:.4f}"])
plots.number_table(["model", "NLL, nats per point", "more than the truth: KL(p ‖ model)",
                    "∫∫ p dx₁ dx₂"], rows)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With one Gaussian the second factor has to cover both arcs and
# everything between: the hole fills up. With eight the ring is found, within a few hundredths of
# a nat. Both integrate to 1. These nats are of a *density*: in other units of $x$ they would be
# other numbers, and they may be negative (section 2.10).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.4 MADE: the triangle by masks
#
# NADE needs a loop over $D$. The **masked autoencoder** (Germain, Gregor, Murray & Larochelle
# 2015) gets all factors from one pass of an ordinary network by cutting connections. Each
# variable has a **degree** $d$, its place in the ordering, 1 to $D$; each hidden unit one between
# 1 and $D - 1$: it may know the first $d$ variables. A connection stays
#
# $$\text{into a hidden unit if } d_{\text{to}} \ge d_{\text{from}}, \qquad \text{into an output if
# } d_{\text{to}} > d_{\text{from}}.$$
#
# Along any path degrees never fall and at its end they strictly rise, so output $i$ sees earlier
# variables only.

# %% slideshow={"slide_type": "subslide"}
order = [2, 0, 3, 1]  # x3 first, then x1, x4, x2
degrees = [torch.tensor([1, 2, 3, 1, 2]), torch.tensor([2, 1, 3, 2, 3])]
masks = ar.made_masks(order, degrees)
place = (torch.tensor(order).argsort() + 1).tolist()  # degree of x1, x2, x3, x4
layers = [place, degrees[0].tolist(), degrees[1].tolist(), place]

fig, ax = plots.figure(1, 4, size=(10.5, 3.1), width_ratios=(1.9, 1, 1, 1))
plots.draw_masked_network(ax[0], masks, layers, names=["x1..x4", "hidden", "hidden", "out"],
                          highlight=3)
ax[0].set_title("paths to the output for x4 (degree 3)")
words = ["W¹", "W²", "V"]
for a, mask, word, before, after in zip(ax[1:], masks, words, layers, layers[1:], strict=False):
    plots.draw_mask(a, mask, rows=after, columns=before, title=f"mask of {word}")
ax[1].set_ylabel("degree, to")
ax[2].set_xlabel("degree, from")
plots.picture(fig, """A network with four inputs, two hidden layers of five units and four outputs,
    degrees written in the units; the paths to the output of degree three come from the inputs of
    degrees one and two only. Beside it the three masks.""")

# %% slideshow={"slide_type": "fragment"}
paths = (masks[2].int() @ masks[1].int() @ masks[0].int())
fig, ax = plots.figure(1, 2, size=(6.0, 2.7))
names = ["x1", "x2", "x3", "x4"]
largest = float(paths.max())
for a, title, at in ((ax[0], "as the variables are numbered", range(4)),
                     (ax[1], "in the order x3, x1, x4, x2", order)):
    words = [names[i] for i in at]
    plots.table(a, paths[list(at)][:, list(at)], rows=words, columns=words, form="{:.0f}",
                largest=largest, title=title)
plots.picture(fig, """Number of paths from each variable to each output. Sorted by the ordering the
    table is strictly lower triangular: nothing sees itself or what comes later.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Follow the thick lines: they end at $x_3$ and $x_1$, the two variables
# before $x_4$. The product of the three masks counts paths; in the order of the model it is
# strictly lower triangular. If the last rule were $\ge$, the diagonal would fill and each output
# would copy its own input: a perfect loss, and no distribution at all. With one pixel, $p(x{=}1
# \mid x) = \sigma(wx + b)$ for $w = 2$, $b = 0$: $\sigma(2) + (1 - \sigma(0)) = 1.3808$, not 1.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Several orderings in one network
#
# Other degrees give another ordering with the *same* weights. Train with one drawn for each
# batch; then average the *probabilities* over $M$ orderings:
#
# $$p(x) = \frac1M \sum_{m=1}^M p_m(x), \qquad -\log p(x) \le \frac1M \sum_m -\log p_m(x)
# \quad\text{(Jensen)}.$$

# %% slideshow={"slide_type": "subslide"}
torch.manual_seed(0)
options = {"loss": ar.made_loss, "batch_size": 100, "lr": 0.005, "patience": 15}
made = train("MADE, 1 ordering", ar.MADE(64, hidden=(300,), generator=seeded(1)),
             epochs=50, **options)
many = train("MADE, 8 orderings", ar.MADE(64, hidden=(300,), orders=8, generator=seeded(1)),
             epochs=80, **options)
with torch.no_grad():
    x = test_x.flatten(1)
    single = [-float(many.log_conditionals(x, ordering=m).sum(1).mean()) for m in range(8)]
mean = sum(single) / 8

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(size=(7.6, 2.7))
ax.plot(range(1, 9), single, "o", color=plots.BLUE, ms=7, label="one of 8 orderings alone")
for value, label, dashes in ((mean, "their mean", ":"), (test_nll(many), "mixture of the 8", "-"),
                             (test_nll(made), "trained with 1 ordering", "--")):
    ax.axhline(value, color="black", ls=dashes, lw=1.6, label=f"{label}: {value:.2f}")
ax.set(xlabel="ordering", ylabel="test NLL, nats", xlim=(0.5, 8.5))
plots.add_legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))
plots.picture(fig, f"""Test NLL of each of eight orderings alone, about {mean:.1f} nats, of their
    mixture, {test_nll(many):.2f}, and of a network trained with one ordering,
    {test_nll(made):.2f}.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The mixture is better than every ordering in it: eight models in one set
# of weights, for eight passes. A single ordering out of the eight is worse than a network that was
# trained for one only: the weights have to serve all. The mixture itself has no ordering; a sample
# draws one first.
# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.5 PixelCNN: masked convolutions
#
# An image model should treat pixels alike: **convolutions**. To keep the order of reading (row by
# row, left to right), the kernel is masked (van den Oord, Kalchbrenner & Kavukcuoglu 2016):
#
# - **mask A**, first layer: pixels above and to the left, *not* the pixel itself;
# - **mask B**, later layers: the same and the pixel itself, whose features have lost it already.

# %% slideshow={"slide_type": "subslide"}
kernels = {
    "mask A, 5×5": causal_mask("A", 1, 1, (5, 5))[0, 0],
    "mask B, 3×3": causal_mask("B", 1, 1, (3, 3))[0, 0],
    "vertical stack, first": VerticalConv2d(1, 1, 3, present=False).mask[0, 0],
    "vertical stack, later": VerticalConv2d(1, 1, 3, present=True).mask[0, 0],
    "horizontal stack, first": causal_mask("A", 1, 1, (1, 3))[0, 0],
    "horizontal stack, later": causal_mask("B", 1, 1, (1, 3))[0, 0],
}
fig, ax = plots.figure(1, 6, size=(10.5, 2.3))
for a, (name, mask) in zip(ax, kernels.items(), strict=True):
    plots.draw_mask(a, mask)
    a.set_title(name, fontsize=10)
    a.plot(mask.shape[1] // 2, mask.shape[0] // 2, "x", color=plots.ORANGE, ms=10, mew=3)
plots.picture(fig, """Six masked kernels with a cross at the centre. A: all above and left of the
    centre; B: the centre, too. The vertical stack of the gated PixelCNN: whole rows; the
    horizontal stack: the present row up to the centre.""")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### What does a pixel see? Ask the gradient
#
# $\partial \operatorname{logit}_i / \partial x_j = 0$ for all inputs means that pixel $i$ does not
# depend on pixel $j$. With positive weights nothing cancels, so one backward pass shows the
# **receptive field** of the architecture.

# %% tags=["setup"] slideshow={"slide_type": "fragment"}
def seen_by(model, pixel, colour=0):
    """Return which pixels the prediction of `pixel` depends on, by the gradient.

    (H, W) for grey images, (C, H, W) for images of several colours.
    """
    model = copy.deepcopy(model).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.02 + 0.1 * torch.rand(weight.shape, generator=seeded()))
    x = torch.rand(1, *model.event_shape, generator=seeded(1)).double().requires_grad_()
    model.logits(x)[0, colour][pixel].sum().backward()
    return (x.grad[0] != 0).squeeze(0)


SMALL_IMAGE = {"event_shape": (1, 8, 8), "num_hidden": 3, "first_kernel": 3}

# %% slideshow={"slide_type": "subslide"}
pixel = (5, 2)
fig, ax = plots.figure(2, 4, size=(9.6, 5.2))
for axes, (name, kind) in zip(ax, (("PixelCNN", ar.PixelCNN), ("gated", ar.GatedPixelCNN)),
                              strict=True):
    for a, layers in zip(axes, (1, 2, 4, 8), strict=True):
        seen = seen_by(kind(num_layers=layers, **SMALL_IMAGE), pixel)
        plots.draw_context(a, seen, pixel, title=f"{name}, {layers} deep: {int(seen.sum())}")
plots.picture(fig, """What the pixel in row 5, column 2 sees. PixelCNN: even with eight layers a
    wedge to the upper right stays unseen, hatched. Gated PixelCNN: with eight layers all 42
    pixels before it are seen.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** × is the predicted pixel, dark what it sees (the number counts it),
# hatched what comes before and is not seen. Depth widens the field, but PixelCNN's wedge to the
# upper right stays: each step up can move at most one pixel to the right, so slopes flatter than
# that are out of reach. This is the **blind spot**. (The first kernel is 3×3 here and
# usually 7×7, which only moves the wedge.)
#
# **The cure** (gated PixelCNN, van den Oord et al. 2016, NeurIPS): two stacks. The *vertical* one
# sees whole rows above, with no corner to go around; the *horizontal* one sees the present row up
# to the pixel and reads the vertical one. Its units are gated, $\tanh(\cdot) \odot
# \sigma(\cdot)$.

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
networks = {
    "PixelCNN": ar.PixelCNN(num_layers=8, **SMALL_IMAGE),
    "gated PixelCNN": ar.GatedPixelCNN(num_layers=8, **SMALL_IMAGE),
    "Row LSTM": ar.RowLSTM(num_layers=1, **SMALL_IMAGE),
    "Diagonal BiLSTM": ar.DiagonalBiLSTM(num_layers=1, **SMALL_IMAGE),
}
contexts = {name: lambda at, m=model: seen_by(m, at) for name, model in networks.items()}
widgets.context_explorer(contexts, (8, 8), pixel=(5, 2))

# %% [markdown] slideshow={"slide_type": "slide"}
# ### What the blind spot costs, exactly
#
# Does the wedge matter? Make images for which it does: a pixel equals the one a row up and *two
# columns to the right*, and is a fair coin where there is none. In 6×6 pixels there are 6 coins
# in the first row and 2 in each of the five others, so
#
# $$H(x) = (6 + 5 \cdot 2) \ln 2 = 11.09 \text{ nats, but without the wedge } 36 \ln 2 = 24.95
# \text{ nats.}$$

# %% slideshow={"slide_type": "subslide"}
def slanted(n, generator):
    x = (torch.rand(n, 1, 6, 6, generator=generator) < 0.5).float()
    for row in range(1, 6):
        x[:, :, row, :-2] = x[:, :, row - 1, 2:]
    return x


slants, slants_test = slanted(1600, seeded(1)), slanted(400, seeded(2))
kinds = {"PixelCNN": (ar.PixelCNN, 4), "gated PixelCNN": (ar.GatedPixelCNN, 3),
         "Row LSTM": (ar.RowLSTM, 1), "Diagonal BiLSTM": (ar.DiagonalBiLSTM, 1)}
learning = {}
for name, (kind, layers) in kinds.items():
    torch.manual_seed(0)
    model = kind((1, 6, 6), num_layers=layers, num_hidden=8, first_kernel=3)
    history = fit(model, slants, loss=nll_loss, steps=120, batch_size=50, lr=0.01,
                  progress=False, device="cpu")
    learning[name] = history.loss, negative_log_likelihood(model, slants_test).mean

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(10.2, 3.0), width_ratios=(1, 1.7))
plots.image_grid(ax[0], slants[:15], columns=5, title="slanted stripes")
smooth = {f"{name}: {nll:.2f}": torch.tensor(loss).unfold(0, 10, 10).mean(1)
          for name, (loss, nll) in learning.items()}
plots.curves(ax[1], torch.arange(5, 120, 10), smooth, legend=False, markers=True)
for value in (36 * math.log(2), 16 * math.log(2)):
    ax[1].axhline(value, color="black", lw=0.8)
    ax[1].text(135, value - 0.2, f"{value:.2f}", va="top", ha="right", fontsize=9)
ax[1].set(xlabel="step", ylabel="nats per image", ylim=(8, 27), xlim=(0, 135))
plots.add_legend(ax[1], title="test NLL", loc="center left", bbox_to_anchor=(1.02, 0.5))
plots.picture(fig, "Training loss on slanted stripes. " + ", ".join(
    f"{name} ends at {nll:.2f} nats" for name, (_, nll) in learning.items())
    + ". Exact: 11.09 with the pixel two columns to the right, 24.95 without.")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** PixelCNN and the Row LSTM (section 2.6) learn *nothing*: to them these
# images are coin tosses, at any depth and after any number of steps. The gated PixelCNN gets to
# the entropy, and the Diagonal BiLSTM (2.7) is on its way there. On digits the wedge matters far
# less, because what is in it can mostly be guessed from other pixels.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Both on digits

# %% slideshow={"slide_type": "fragment"}
shape = (1, 8, 8)
options = {"batch_size": 40, "patience": 5}
torch.manual_seed(0)
pixel_cnn = train("PixelCNN", ar.PixelCNN(shape, num_layers=2, num_hidden=16), epochs=12, lr=0.01,
                  **options)
torch.manual_seed(0)
gated = train("gated PixelCNN", ar.GatedPixelCNN(shape, num_layers=3, num_hidden=12), epochs=11,
              lr=0.01, **options)
fig, ax = plots.figure(1, 2, size=(9.6, 2.6))
for a, name, model in ((ax[0], "PixelCNN", pixel_cnn), (ax[1], "gated", gated)):
    plots.image_grid(a, model.sample(40, generator=seeded(1)), columns=10,
                     title=f"{name}: samples; test NLL {test_nll(model):.2f}")
plots.picture(fig, "Forty samples of each of the two models; most look like parts of digits.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.6 PixelRNN: the Row LSTM
#
# Instead of stacking layers to see further, a **recurrent** state walks down the image and carries
# everything along. In the Row LSTM all pixels of a row take their step at once; the state at
# column $j$ comes from the states at $j-1, j, j+1$ one row up:
#
# $$[o, f, i, g] = \underbrace{K^{ss} * h_{\text{row above}}}_{\text{no mask: known as a whole}} +
# \underbrace{K^{is} * x_{\text{row}}}_{\text{mask}}, \qquad c = \sigma(f) \odot c_{\text{above}} +
# \sigma(i) \odot \tanh(g), \quad h = \sigma(o) \odot \tanh(c).$$
#
# $*$ is a convolution along the row. One row up it widens by one pixel: a **triangle**.

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
row_lstm = ar.RowLSTM(num_layers=1, **SMALL_IMAGE)
widgets.row_explorer(lambda pixel: seen_by(row_lstm, pixel), (8, 8), pixel=(6, 4))

# %% slideshow={"slide_type": "subslide"}
row_lstm = ar.RowLSTM(num_layers=1, **SMALL_IMAGE)
pixel = (6, 4)
seen = seen_by(row_lstm, pixel)
fig, ax = plots.figure(1, 4, size=(10, 2.8))
for a, step in zip(ax, (1, 3, 5, 7), strict=True):
    reached = seen & (torch.arange(8)[:, None] < step)
    plots.draw_context(a, reached, pixel, title=f"after step {step}", blind_spot=step == 7)
    a.hlines([step - 1.5, step - 0.5], -0.5, 7.5, color=plots.ORANGE, lw=4)
plots.picture(fig, """What the prediction in row 6, column 4 has gathered after 1, 3, 5 and 7
    steps: row by row a triangle narrows towards it; the pixels outside of it are never seen.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The orange lines mark the row that is being computed, all 8 columns
# together: 8 steps an image in place of 64. What reaches × is a triangle (a little wider to the
# left, where the mask lets the present row in, too); the rest of the rows above never arrives.
# **The slide says** that Row LSTM and Diagonal BiLSTM differ in the *ordering* of the chain. They
# do not: both predict row by row, left to right. They differ in the context that reaches a pixel
# and in how many steps run at once. The next section measures both.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.7 PixelRNN: the Diagonal BiLSTM
#
# Here a state comes from its left and its upper neighbour, so it has seen everything to the upper
# left; all pixels of a *diagonal* can step at once. **Skewing** makes the diagonals columns: row
# $i$ moves $i$ places to the right. A second LSTM starts at the upper *right*. Together they see
# everything before the pixel.

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.diagonal_explorer(skew, (4, 6))

# %% slideshow={"slide_type": "subslide"}
numbers = torch.arange(1, 25).reshape(4, 6)
fig, ax = plots.figure(2, 2, size=(9.6, 4.4), width_ratios=(6, 9))
for axes, image, step, side in ((ax[0], numbers, 4, "left"), (ax[1], numbers.flip(1), 4, "right")):
    skewed = skew(image)
    now = set(skewed[:, step - 1].tolist()) - {0}
    done = set(skewed[:, : step - 1].flatten().tolist()) - {0}
    plots.draw_numbered(axes[0], numbers, now=now, done=done, title=f"from the upper {side}")
    plots.draw_numbered(axes[1], skewed, now=now, done=done, title="skewed: column 4 at once")
plots.picture(fig, """An image of 4 by 6 numbered pixels and its skewed form, for both directions:
    the fourth diagonal of the image is the fourth column of the skewed form.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Dark: the pixels of this step; light: those before; dotted: places that
# skewing adds, where the state has to stay 0. `unskew(skew(x))` is $x$. An image takes $W + H - 1$
# steps.
#
# **The trap.** In its own row the LSTM from the right has seen the pixels that come *later*. Its
# map must be shifted down by one row before the two are added. Without the shift:

# %% slideshow={"slide_type": "subslide"}
def unshifted(layer):
    """A layer of the Diagonal BiLSTM whose right half is not moved down."""
    return lambda x: x + layer.up(layer.from_left(x) + layer.from_right(x.flip(3)).flip(3))


def contexts_of(model):
    """Return for each of 16 pixels which pixels its prediction depends on, (16, 16)."""
    places = itertools.product(range(4), repeat=2)
    return torch.stack([seen_by(model, place).flatten() for place in places])


torch.manual_seed(0)
tiny = {"event_shape": (1, 4, 4), "num_layers": 1, "num_hidden": 3, "first_kernel": 3}
right, row = ar.DiagonalBiLSTM(**tiny), ar.RowLSTM(**tiny)
wrong = copy.deepcopy(right)
found = {"Row LSTM": contexts_of(row), "Diagonal BiLSTM": contexts_of(right)}
plain_forward = type(wrong.layers[0]).forward
type(wrong.layers[0]).forward = lambda self, x: unshifted(self)(x)
found["Diagonal, not shifted"] = contexts_of(wrong)
type(wrong.layers[0]).forward = plain_forward

# %% slideshow={"slide_type": "subslide"}
before = torch.ones(16, 16).tril(-1).bool()
fig, ax = plots.figure(1, 3, size=(9.6, 3.9))
for a, (name, seen) in zip(ax, found.items(), strict=True):
    plots.draw_mask(a, seen, every=4, title=name)
    rows, columns = (seen & ~before).nonzero().T
    a.plot(columns, rows, "x", color=plots.ORANGE, ms=6, mew=2)
    a.set_xlabel("depends on pixel")
ax[0].set_ylabel("pixel")
plots.picture(fig, """Dependence between the 16 pixels of a 4 by 4 image. Row LSTM: part of the
    lower triangle. Diagonal BiLSTM: all of it. Without the shift: also entries on and above the
    diagonal, marked by crosses.""")

# %% slideshow={"slide_type": "fragment"}
same = bool((unskew(skew(numbers)) == numbers).all())
plots.number_table(
    ["model", "of 120 pairs in order: seen", "leaks: itself or a later pixel",
     "steps for a 28×28 image, each layer"],
    [[name, int((seen & before).sum()), int((seen & ~before).sum()),
      28 if name.startswith("Row") else 28 + 29 - 1] for name, seen in found.items()],
    caption=f"unskew(skew(x)) == x: {same}. One column more than the image has is run through.",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** In the same raster order the Row LSTM sees a part of what comes before,
# the Diagonal BiLSTM all of it: that is the difference between the two. Without the shift pixels
# see themselves (the diagonal) and those to their right: crosses. Such a "model" would reach a
# wonderful loss, and its numbers would not be probabilities. *Why it matters:* test every mask
# for leaks, and for coverage.

# %% slideshow={"slide_type": "subslide"}
torch.manual_seed(0)
row_lstm = train("Row LSTM", ar.RowLSTM(shape, num_layers=1, num_hidden=16), epochs=12, lr=0.015,
                 **options)
torch.manual_seed(0)
diagonal = train("Diagonal BiLSTM", ar.DiagonalBiLSTM(shape, num_layers=1, num_hidden=16),
                 epochs=8, lr=0.025, batch_size=50)
fig, ax = plots.figure(1, 2, size=(9.6, 2.6))
for a, name, model in ((ax[0], "Row LSTM", row_lstm), (ax[1], "Diagonal BiLSTM", diagonal)):
    plots.image_grid(a, model.sample(40, generator=seeded(1)), columns=10,
                     title=f"{name}: test NLL {test_nll(model):.2f}")
plots.picture(fig, "Forty samples of Row LSTM and Diagonal BiLSTM; many look like digits.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### What trained models look at
#
# The receptive field says what a pixel *can* see. The mean size of the gradient over test images
# says what it *uses*.

# %% slideshow={"slide_type": "subslide"}
def used_by(model, pixel):
    x = test_x[:100].clone().requires_grad_()
    logit = model.logits(x.reshape(100, *model.event_shape)).reshape(100, 8, 8)[:, *pixel]
    return torch.autograd.grad(logit.sum(), x)[0].abs().mean(0)[0]


pixel = (4, 4)
models = {"NADE": nade, "PixelCNN": pixel_cnn, "gated": gated, "Row LSTM": row_lstm,
          "Diagonal": diagonal}
fig, ax = plots.figure(1, 5, size=(10.5, 2.5))
for a, (name, model) in zip(ax, models.items(), strict=True):
    used = used_by(model, pixel)
    plots.draw_context(a, (used / used.max()).sqrt(), pixel, title=name, blind_spot=False)
plots.picture(fig, """How strongly five trained models use each pixel for the one in row 4, column
    4: mostly its neighbours to the left and above.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** (The shade is the square root of the share of the largest.) All models
# lean on the near neighbours; the others count less, but they count. Neighbours say most
# about a pixel, which is why the blind spot costs so little on digits.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.8 Colour: red, then green, then blue
#
# An RGB pixel is three values, each with its own factor:
#
# $$p(x) = \prod_i p(x_{i,R} \mid x_{<i})\; p(x_{i,G} \mid x_{<i}, x_{i,R})\; p(x_{i,B} \mid
# x_{<i}, x_{i,R}, x_{i,G}).$$
#
# Features are split into three groups, R, G and B; at the kernel's centre the mask compares
# groups: mask A lets through earlier colours only, mask B also the own. Each value is one of 256
# classes, a **softmax**: no assumption about the form, and no probability for 255.5.

# %% slideshow={"slide_type": "subslide"}
colours = ["R", "G", "B"]
centre = {kind: causal_mask(kind, 3, 3, (3, 3), num_colours=3)[:, :, 1, 1] for kind in "AB"}
rgb = ar.GatedPixelCNN((3, 2, 2), num_levels=256, num_layers=3, num_hidden=6)
depends = torch.stack([  # the order of the factors: rows, columns, colours
    seen_by(rgb, (i, j), colour=c).permute(1, 2, 0).flatten()
    for i, j, c in itertools.product(range(2), range(2), range(3))
])

fig, ax = plots.figure(1, 3, size=(9.6, 3.7), width_ratios=(1, 1, 2.6))
for a, (kind, mask) in zip(ax, centre.items(), strict=False):
    plots.draw_mask(a, mask, rows=colours, columns=colours, title=f"mask {kind}, centre")
    a.set(xlabel="from", ylabel="to")
plots.draw_mask(ax[2], depends, rows=colours * 4, columns=colours * 4, every=3,
                title="12 sub-pixels of a 2×2 image")
ax[2].set(xlabel="depends on", ylabel="value")
plots.picture(fig, """Masks A and B between the colours at the centre of the kernel; and the
    dependence between the twelve sub-pixels of a 2 by 2 colour image: exactly the strict lower
    triangle.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Ordered pixel by pixel and R, G, B within each, the dependence is the
# strict lower triangle, complete: in a diagonal block G sees R, B sees R and G.
#
# **The slide says** that a table for one RGB pixel needs $255 \times 255 \times 255$ numbers. The
# chain rule counts them: $255$ for R, $255$ for each of $256$ reds for G, $255$ for each of
# $256^2$ for B.

# %% slideshow={"slide_type": "fragment"}
chain = 255 + 256 * 255 + 256**2 * 255
plots.number_table(["count", "numbers"], [
    ["chain rule: 255 + 256·255 + 256²·255", chain],
    ["256³ - 1", 256**3 - 1],
    ["the slide: 255³", 255**3],
    ["three independent channels: 3·255", 3 * 255],
])

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Why not three independent channels?
#
# Count the colours of the pixels in rendered shapes (each has one of a few colours), in 4 levels
# a channel, and compare the joint table with the product of its three marginals.

# %% slideshow={"slide_type": "subslide"}
shapes = data.shapes(1500, seed=0, size=8)
levels = (shapes.x * 3).round().long()  # (N, 3, 8, 8), 0..3
lit = levels.permute(0, 2, 3, 1).reshape(-1, 3)
lit = lit[lit.sum(1) > 0]  # without the black background
joint = torch.zeros(4, 4, 4).index_put_(tuple(lit.T), torch.ones(len(lit)), accumulate=True)
joint = joint.double() / len(lit)
margins = [joint.sum(tuple({0, 1, 2} - {c})) for c in range(3)]
product = margins[0][:, None, None] * margins[1][:, None] * margins[2]


def entropy(p):
    return float(torch.special.entr(p).sum())


def colours_from(p, n=60):
    drawn = torch.multinomial(p.flatten(), n, replacement=True, generator=seeded(1))
    return torch.stack(torch.unravel_index(drawn, p.shape), 1).reshape(6, n // 6, 3) / 3

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 3, size=(10.2, 2.5))
ax[0].imshow(shapes.x[:24].reshape(3, 8, 3, 8, 8).permute(0, 3, 1, 4, 2).reshape(24, 64, 3))
ax[0].set_title("shapes, 8×8")
for a, p, name in ((ax[1], joint, "R, then G, then B"), (ax[2], product, "independent channels")):
    a.imshow(colours_from(p))
    never = float(p[joint == 0].sum())
    a.set_title(f"{name}: {never:.0%} never seen")
for a in ax:
    a.axis("off")
plots.picture(fig, """Rendered shapes; sixty colours drawn from the joint distribution of a lit
    pixel, all of them colours of shapes; sixty drawn with independent channels, many of which
    occur in no image.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["one lit pixel", "entropy, nats"], [
    ["H(R) + H(G | R) + H(B | R, G): the joint", entropy(joint)],
    ["H(R) + H(G) + H(B): independent channels", sum(map(entropy, margins))],
    ["log of 64: nothing known", math.log(64)],
], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Independent channels cost nats in every pixel and make colours that
# occur in no image. With the chain over channels the model knows that after much red comes little
# green, or as much. Now a whole image model, in 4 levels for each channel:

# %% slideshow={"slide_type": "subslide"}
torch.manual_seed(0)
colour_model = ar.GatedPixelCNN((3, 8, 8), num_levels=4, num_layers=2, num_hidden=18)
fit(colour_model, levels[:1200] / 3, loss=nll_loss, steps=220, batch_size=40, lr=0.02,
    progress=False, device="cpu")
rgb_nll = negative_log_likelihood(colour_model, levels[1200:] / 3)
drawn = colour_model.sample(24, generator=seeded(1))
fig, ax = plots.figure(1, 2, size=(8.6, 2.2))
both = (("data, 4 levels", levels[1200:1224] / 3), ("samples", drawn))
for a, (name, x) in zip(ax, both, strict=True):
    a.imshow(x.reshape(3, 8, 3, 8, 8).permute(0, 3, 1, 4, 2).reshape(24, 64, 3))
    a.set_title(name)
    a.axis("off")
plots.picture(fig, """Shapes in four levels for each channel, and samples of a gated PixelCNN:
    small coloured blobs on black.""")

# %% slideshow={"slide_type": "fragment"}
sampled = (drawn * 3).round().long().permute(0, 2, 3, 1).reshape(-1, 3)
sampled = sampled[sampled.sum(1) > 0]
known = float((joint[tuple(sampled.T)] > 0).double().mean())
plots.number_table(["gated PixelCNN of shapes", "value"], [
    ["test NLL, nats per image", f"{rgb_nll.mean:.1f}"],
    ["bits per dimension (3·8·8 = 192 of them)", f"{bits_per_dim(rgb_nll.mean, (3, 8, 8)):.3f}"],
    ["the same with nothing learnt: log2 of 4 levels", "2.000"],
    ["sampled lit pixels with a colour that occurs in the data", f"{known:.0%}"],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Small blobs on black, some of one colour with a darker rim, some of
# several. The channels of a pixel agree more often than independent ones would. What the model has
# not learnt yet, in a few seconds, is to keep one colour for a whole blob.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A softmax for each value
#
# What does a softmax over levels look like? The grey digits have 17 of them, 0 to 16. A PixelCNN
# with 17 logits for each pixel:

# %% slideshow={"slide_type": "fragment"}
grey_parts = data.split(data.digits())
torch.manual_seed(0)
grey_model = ar.PixelCNN((1, 8, 8), num_levels=17, num_layers=2, num_hidden=16)
fit(grey_model, grey_parts.train, loss=nll_loss, epochs=8, batch_size=32, lr=0.01,
    progress=False, device="cpu")
digit, places = grey_parts.test.x[12], [(1, 1), (2, 3), (4, 4), (5, 5)]
with torch.no_grad():
    p = grey_model.logits(digit[None])[0, 0].softmax(-1)  # (8, 8, 17)

fig, ax = plots.figure(1, 5, size=(10.5, 2.3))
plots.image_grid(ax[0], digit, columns=1, title="a test digit")
for a, (i, j) in zip(ax[1:], places, strict=True):
    a.bar(range(17), p[i, j], color=plots.SKY)
    level = round(float(digit[0, i, j]) * 16)
    a.bar(level, p[i, j, level], color=plots.BLACK, hatch="//")
    ax[0].text(j + 1, i + 1, "abcd"[places.index((i, j))], ha="center", va="center",
               bbox={"boxstyle": "circle,pad=0.12", "facecolor": "white"})
    a.set(title=f"pixel {'abcd'[places.index((i, j))]}", xlabel="level", xticks=[0, 8, 16])
plots.picture(fig, """A digit with four marked pixels, and for each the probabilities of the 17
    levels given the pixels before; the level that is there is dark. Some have a peak at 0, some at
    16, some at both ends.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Dark: the level that is there. The distributions take forms that a
# Gaussian cannot have: peaks at both ends of the range, and nothing outside of it.
# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.9 Language models
#
# Text is a sequence of tokens $x_1, \dots, x_T$ out of $K$, and the chain rule is all that a
# language model is. Two networks for $p(x_t \mid x_{<t})$ with parameters that do not depend on
# $t$:
#
# - a **recurrent network** carries a state, $h_t = f(h_{t-1}, x_{t-1})$, and says $p(x_t \mid
#   x_{<t}) = \mathrm{softmax}(W h_t + b)$;
# - a **causal transformer** looks at all earlier places at once, with weights that a softmax over
#   *earlier* places computes: its mask is again a lower triangle.
#
# Every factor sums to 1 over its token, so the whole sums to 1 over all sequences. With 3 tokens
# and length 4 one can add up all 81:

# %% slideshow={"slide_type": "fragment"}
sequences = torch.cartesian_prod(*[torch.arange(3)] * 4)  # (81, 4)
small = {"RNN (GRU)": ar.RNNLanguageModel(3, 4, cell="gru", num_hidden=5),
         "transformer": ar.CausalTransformer(3, 4, width=8, num_heads=2, num_layers=1)}
rows = []
for name, model in small.items():
    randomised(model, seed=5, scale=0.7)
    with torch.no_grad():
        p = model.log_prob(sequences).exp()
    rows.append([name, f"{float(p.sum()):.12f}", f"{float(p.min()):.1e}", f"{float(p.max()):.3f}"])
plots.number_table(["random network", "Σ p over 81 sequences", "smallest p", "largest p"], rows)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Characters of a small language
#
# For real text nobody knows the best possible NLL. Here is a language of which everything is
# known, 1632 sentences with exact probabilities:

# %% slideshow={"slide_type": "fragment"}
text, text_test = data.sentences(2000, seed=0), data.sentences(1000, seed=1)
language, K, T = text.language, len(text.vocabulary), text.x.shape[1]
plots.number_table(["sentence", "probability"], [
    [sentence, f"{math.exp(float(language.log_prob(x[None]))):.5f}"]
    for x, sentence in zip(text.x[2:8], text.vocabulary.decode(text.x[2:8]), strict=True)
], caption=f"{K} characters, {T} places; entropy {language.entropy:.3f} nats per sentence")

# %% [markdown] slideshow={"slide_type": "fragment"}
# The last verb agrees with the *first* noun ("the cats that see the dog sleep."), up to twenty
# characters back. How large must a model be to learn that?

# %% slideshow={"slide_type": "subslide"}
def learn(model, rows, **options):
    torch.manual_seed(0)
    for weight in model.modules():
        if hasattr(weight, "reset_parameters"):
            weight.reset_parameters()
    fit(model, rows, loss=nll_loss, progress=False, device="cpu", **options)
    return model


sizes = {4: 0.05, 16: 0.03, 64: 0.015}  # hidden units, step size
speakers = {
    f"GRU, {H} units": learn(ar.RNNLanguageModel(K, T, cell="gru", num_hidden=H), text,
                             steps=140, batch_size=100, lr=lr)
    for H, lr in sizes.items()
}
spoken = {name: model.sample(400, generator=seeded(1)) for name, model in speakers.items()}
size_of = {name: sum(w.numel() for w in m.parameters()) for name, m in speakers.items()}
score = {name: negative_log_likelihood(m, text_test).mean for name, m in speakers.items()}

# %% slideshow={"slide_type": "subslide"}
def correct(tokens):
    """Return the share of rows that are sentences of the language."""
    return float((language.log_prob(tokens) > -math.inf).double().mean())


fig, ax = plots.figure(size=(6.6, 3.0))
plots.curves(ax, torch.tensor(list(size_of.values())), {"GRU": list(score.values())},
             markers=True, legend=False)
for H, (x, y) in zip(sizes, zip(size_of.values(), score.values(), strict=True), strict=True):
    ax.annotate(f"{H} units", (x, y), xytext=(4, 7), textcoords="offset points", fontsize=9)
ax.axhline(language.entropy, color="black", lw=1, ls=":", label="entropy of the language")
ax.set(xscale="log", xlabel="parameters", ylabel="test NLL, nats per sentence", ylim=(0, 27))
plots.add_legend(ax)
plots.picture(fig, "Test NLL against parameters: " + ", ".join(
    f"{name} {score[name]:.1f}" for name in speakers)
    + f" nats; the entropy is {language.entropy:.1f}.")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(
    ["model", "parameters", "nats above the entropy", "correct sentences", "a sample"],
    [[name, size_of[name], f"{score[name] - language.entropy:.2f}", f"{correct(x):.0%}",
      text.vocabulary.decode(x[:1])[0]] for name, x in spoken.items()],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** More parameters, fewer nats, towards the entropy and never below it (on
# average): the rest is the model's error, $\mathrm{KL}(p \,\|\, \text{model})$. The smallest model
# knows which letter follows which, the larger ones know words, then grammar. All were trained for
# the same number of steps; "scaling laws" for real text have this shape, without the dotted line.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Temperature is local
#
# Sampling at temperature $\tau$ divides the logits of each factor by $\tau$:
#
# $$q_\tau(x) = \prod_t \frac{p(x_t \mid x_{<t})^{1/\tau}}{\sum_{x'} p(x' \mid x_{<t})^{1/\tau}}
# \qquad\text{which is not}\qquad \frac{p(x)^{1/\tau}}{\sum_{x'} p(x')^{1/\tau}}.$$
#
# Two tokens, $p(x_1{=}1) = 0.4$, $p(x_2{=}1 \mid x_1{=}0) = 0.5$, $p(x_2{=}1 \mid x_1{=}1) = 0.1$,
# and $\tau = \tfrac12$, so that probabilities are squared. For $x = (1, 0)$, with $p = 0.36$:
#
# $$\text{local: } \frac{0.16}{0.52} \cdot \frac{0.81}{0.82} = 0.3039, \qquad \text{global: }
# \frac{0.1296}{0.09 + 0.09 + 0.1296 + 0.0016} = 0.4165.$$

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.temperature_explorer([0.6, 0.4], [[0.5, 0.5], [0.9, 0.1]])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Local sharpening prefers $x_1 = 0$, the likelier first token, although
# the single likeliest sequence begins with 1: it does not look ahead to what can follow. Global
# sharpening does, and would need the sum over all sequences. Which of the two does `sample` do?

# %% slideshow={"slide_type": "subslide"}
model, tau = small["RNN (GRU)"], 0.5
with torch.no_grad():
    p = model.log_prob(sequences)
    powers = model.logits(sequences) / tau
    local = densities.log_categorical(sequences, powers).exp()
    whole = (p / tau).softmax(0)
drawn = model.sample(20_000, temperature=tau, generator=seeded(1))
number = (drawn @ 3 ** torch.arange(3, -1, -1)).bincount(minlength=81) / 20_000
plots.number_table(["20,000 samples at τ = 1/2, 81 sequences", "total variation distance"], [
    ["from the local distribution", 0.5 * (number - local).abs().sum()],
    ["from the global one", 0.5 * (number - whole).abs().sum()],
    ["from p itself", 0.5 * (number - p.exp()).abs().sum()],
], caption="½ Σ |share - probability|: 0 for equal distributions, 1 for disjoint ones")

# %% slideshow={"slide_type": "subslide"}
best = speakers["GRU, 64 units"]
rows = []
for tau in (0.3, 0.6, 1.0, 1.5, 3.0):
    x = best.sample(400, temperature=tau, generator=seeded(2))
    rows.append([f"{tau:g}", f"{correct(x):.0%}", len(x.unique(dim=0)),
                 text.vocabulary.decode(x[:1])[0]])
plots.number_table(["τ", "correct sentences", "different ones of 400", "a sample"], rows)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The samples follow the local distribution. A low temperature gives few
# different sentences, a high one many, and wrong ones: temperature trades quality against variety,
# and at any $\tau \ne 1$ the samples are not from the model. It does not repair what the model
# has not learnt: where it prefers the wrong ending of the last verb, sharpening makes it sure.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Translation is a continuation
#
# Write source, separator and target into one sequence; a model of sequences then translates by
# **conditioning on a prefix**, which the chain rule makes exact and free:
#
# $$p(\text{target} \mid \text{source}) = \prod_{t > \text{prefix}} p(x_t \mid \text{source}, =,
# x_{\text{prefix} < t' < t}).$$
#
# The toy target language moves words and lets the adjective agree with the noun. "often" has two
# translations, with probabilities 0.7 and 0.3. One fifth of the sentences is never trained on.

# %% slideshow={"slide_type": "subslide"}
pairs = data.translations(3000, seed=0)
unseen, prefix = pairs.subset(pairs.y % 5 == 0), torch.arange(pairs.x.shape[1]) < 6
translator = learn(
    ar.CausalTransformer(len(pairs.vocabulary), pairs.x.shape[1], width=64, num_heads=4,
                         num_layers=2),
    pairs.subset(pairs.y % 5 > 0), steps=240, batch_size=50, lr=0.003)
answers = translator.sample(len(unseen), condition=(unseen.x, prefix), generator=seeded(1))
right = pairs.language.log_prob(answers) > -math.inf
often = (unseen.x == pairs.vocabulary.symbols.index("often")).any(1)
semba = (answers == pairs.vocabulary.symbols.index("semba")).any(1)
share = float(semba[often].double().mean())
rows = [[*row.split(" = "), "yes" if ok else "no"]
        for row, ok in zip(pairs.vocabulary.decode(answers[:6]), right[:6], strict=True)]
plots.number_table(
    ["source, never seen", "sampled target", "a right translation?"], rows,
    caption=f"{float(right.double().mean()):.0%} of {len(unseen)} unseen sources are translated "
            f"rightly; of {int(often.sum())} with 'often', {share:.0%} say semba",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Nearly all translations of unseen sentences are right, order and
# agreement included, and the synonyms are drawn about as often as they should be. Nothing in the
# model knows what a translation is.
# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.10 What a density is for, and in which units
#
# The likelihood of a test set is a score that needs no eye, if it is read in the right unit. For
# an image of $D$ values,
#
# $$\text{bits per dimension} = \frac{\text{nats per image}}{D \ln 2}.$$

# %% slideshow={"slide_type": "subslide"}
rows = []
for name, nats, shape in (("a NADE on MNIST, 28×28", 88.33, (28, 28)),
                          ("our NADE on digits, 8×8", test_nll(nade), (8, 8)),
                          ("our gated PixelCNN on shapes, 3×8×8", rgb_nll.mean, (3, 8, 8))):
    dimensions = math.prod(shape)
    rows.append([name, f"{nats:.2f}", f"{nats / math.log(2):.1f}", f"{nats / dimensions:.4f}",
                 f"{bits_per_dim(nats, shape):.4f}"])
plots.number_table(
    ["model", "nats per image", "bits per image", "nats per dimension", "bits per dimension"], rows
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One result, four numbers. 88.33 nats (a published result of NADE) are
# 0.1625 bits per dimension; who writes 0.1127 forgot the $\ln 2$, who writes 127.4 the dimension.
# Colour channels count as dimensions.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The binarisation trap
#
# Grey images become binary in three ways: by a **threshold** at 1/2; by a **static** draw, each
# pixel white with a probability equal to its grey value, once and for all; or by a **dynamic**
# draw, a new one whenever the image is shown. The same FVSBN, trained on each, tested on each:

# %% slideshow={"slide_type": "subslide"}
protocols = ["threshold", "static", "dynamic"]
versions = {p: data.split(data.digits(binarise=p)) for p in protocols}
table = torch.zeros(3, 3)
for i, trained_on in enumerate(protocols):
    torch.manual_seed(0)
    model = ar.FVSBN(64)
    fit(model, versions[trained_on].train, loss=nll_loss, epochs=25, batch_size=100, lr=0.02,
        progress=False, device="cpu")
    for j, tested_on in enumerate(protocols):
        torch.manual_seed(1)  # of the dynamic draw
        table[i, j] = negative_log_likelihood(model, versions[tested_on].test).mean
grey = grey_parts.test.x.flatten(1).double()
noise = torch.special.entr(grey) + torch.special.entr(1 - grey)  # entropy of each pixel's draw
floor = float(noise.sum(1).mean())

fig, ax = plots.figure(size=(5.6, 2.5))
plots.table(ax, table, rows=[f"trained on {p}" for p in protocols],
            columns=[f"tested on\n{p}" for p in protocols])
ax.set_title("test NLL, nats", pad=30)
plots.picture(fig, f"""Test NLL of three FVSBNs on three versions of the same digits. On threshold
    data {table[0, 0]:.1f} nats, on drawn data {table[1, 1]:.1f} and {table[2, 2]:.1f}.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["drawn test images", "nats"], [
    ["entropy of the draws alone, given the grey images: no model can be below", f"{floor:.2f}"],
    ["best of the three models", f"{float(table[:, 1:].min()):.2f}"],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The same images, the same model, numbers that lie many standard errors
# apart. Drawn images contain coin tosses that nobody can predict; a threshold removes them. Static
# and dynamic *test* sets are draws of the same kind; dynamic *training* is augmentation, with new
# noise in each epoch. *Why it matters:* an NLL without its protocol is not a result. Never put two
# protocols in one table.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Density or probability? The scale trap
#
# A *density* has units: in other units of $x$ it is another number. Grey digits have 17 levels
# $k$. Spread each over its interval, $v = k + u$ with uniform $u \in [0, 1)$, and fit one Gaussian
# to each pixel. On the scale $v / 17 \in [0, 1]$ the density is 17 times larger per pixel. What
# bounds the probability of the level is the density at unit spacing (Jensen):
#
# $$-\log P(k) = -\log \int_0^1 p(k + u)\, du \;\le\; -\int_0^1 \log p(k + u)\, du.$$

# %% slideshow={"slide_type": "fragment"}
levels = {part: (getattr(grey_parts, part).x.flatten(1) * 16).double()
          for part in ("train", "test")}
spread = {k: v + torch.rand(v.shape, generator=seeded(1)) for k, v in levels.items()}
mean, sd = spread["train"].mean(0), spread["train"].std(0)
cdf = torch.distributions.Normal(mean, sd).cdf
P = (cdf(levels["test"] + 1) - cdf(levels["test"])).clamp(1e-300)
v = spread["test"]
per_dim = {
    "density on [0, 1]": -densities.log_normal(v / 17, mean / 17, sd / 17).mean() / 64,
    "density on [0, 17], unit spacing": -densities.log_normal(v, mean, sd).mean() / 64,
    "probability of the level": -P.log().sum(1).mean() / 64,
    "17 equal levels": math.log(17),
}
plots.number_table(
    ["independent Gaussian pixels", "nats per dimension", "bits per dimension"],
    [[name, f"{float(v):.3f}", f"{float(v) / math.log(2):.3f}"] for name, v in per_dim.items()],
    caption=f"ln 17 = {math.log(17):.3f}",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The first two rows differ by exactly $\ln 17$ and describe the same
# model; the first even looks like "negative bits". The second is above the third, as Jensen
# says. Only the second and the third may be compared with a softmax over levels.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Completion: what is given must come first
#
# Hide a part of an image and draw it, $p(x_{\text{hidden}} \mid x_{\text{given}})$. If the given
# pixels come first in the ordering, drawing the rest in order is *exact*. If they come late,
# simply holding them at their values, **clamping**, is not conditioning: the pixels before are
# drawn as if nothing were known. Two bits, $x_1$ a fair coin, $x_2 = x_1$ with probability 0.9;
# given $x_2 = 1$:

# %% slideshow={"slide_type": "subslide"}
pair = ar.FVSBN(2)
with torch.no_grad():
    pair.b.copy_(torch.tensor([0.0, -math.log(9)]))
    pair.W[1, 0] = 2 * math.log(9)  # p(x2 = 1 | x1) = σ(±ln 9) = 0.9 or 0.1
given = (torch.tensor([0.0, 1.0]), torch.tensor([False, True]))  # x2 = 1
clamped, log_weight = pair.propose(4000, given, generator=seeded(1))
weighed = ar.complete_by_importance(pair, 4000, given, num_proposals=4000, generator=seeded(2))
states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 2)
with torch.no_grad():
    p = pair.log_prob(states).exp()
try:
    pair.sample(5, condition=given)
except ValueError as error:
    refusal = str(error)

plots.number_table(["way", "p(x1 = 1 | x2 = 1)"], [
    ["exact: p(1, 1) / (p(0, 1) + p(1, 1))", p[3] / (p[1] + p[3])],
    ["clamped: draw x1, set x2", clamped[:, 0].mean()],
    ["weighed by p(x2 = 1 | x1) and drawn again", weighed.samples[:, 0].mean()],
    ["p(x2 = 1), from the mean weight; exact: 0.5", math.exp(weighed.log_evidence)],
], caption=f"sample() refuses: {refusal[:78]} ...")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Clamping gives 0.5, the answer to another question. **Importance
# sampling** repairs it: draw with clamping, weigh each draw by what clamping left out, $w =
# \prod_{i \text{ given}} p(x_i \mid x_{<i})$, and draw again in proportion to $w$ (Rubin 1987).

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Occluded digits

# %% slideshow={"slide_type": "subslide"}
chosen = test_x[[13, 18, 21]]
upper = torch.arange(64) < 32
ways = {}  # name -> rows of (what is given, six completions)


def completed(draw, given):
    """Return for each chosen digit: the digit, the given part (grey elsewhere), six draws."""
    tiles = []
    for k, digit in enumerate(chosen.reshape(-1, 64)):
        tiles += [digit, torch.where(given, digit, 0.55), *draw(digit, seeded(k))]
    return torch.stack(tiles).reshape(-1, 8, 8)


effective = []


def by_importance(digit, generator):
    done = ar.complete_by_importance(nade, 6, (digit, ~upper), num_proposals=4000,
                                     generator=generator)
    effective.append(done.effective_sample_size)
    return done.samples


ways["lower half hidden: exact"] = completed(
    lambda x, g: nade.sample(6, condition=(x, upper), generator=g), upper)
ways["upper half hidden: clamped (wrong)"] = completed(
    lambda x, g: nade.propose(6, (x, ~upper), generator=g)[0], ~upper)
ways["the same: importance sampling"] = completed(by_importance, ~upper)
ways["the same: backwards NADE, exact"] = completed(
    lambda x, g: backwards.sample(6, condition=(x, ~upper), generator=g), ~upper)

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(2, 2, size=(9.6, 4.6))
for a, (name, tiles) in zip(ax.flat, ways.items(), strict=True):
    plots.image_grid(a, tiles, columns=8, title=name)
plots.picture(fig, """Completions of three digits; in each row the digit, the given half, six
    draws. Exact completions continue the strokes. Clamped upper halves do not fit the lower ones.
    Importance sampling and the backwards NADE fit.""")

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    rows = []
    for name, tiles in list(ways.items())[1:]:
        drawn = tiles.reshape(3, 8, 64)[:, 2:].flatten(0, 1)
        rows.append([name, f"{float(nade.log_prob(drawn).mean()):.1f}",
                     f"{float(backwards.log_prob(drawn).mean()):.1f}"])
plots.number_table(
    ["completion", "mean log p, NADE", "mean log p, backwards NADE"], rows,
    caption="effective sample size of 4000 proposals: "
            + ", ".join(f"{n:.0f}" for n in effective),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Clamped: good upper halves of *other* digits on top of the given lower
# halves; both models call them improbable. Weighed or drawn in a fitting order they belong
# together. The effective sample size $(\sum w)^2 / \sum w^2$ says how much of the 4000 proposals
# counts; when it is near 1, trust nothing. *Why it matters:* an autoregressive model answers
# cheaply only what its ordering allows.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Anomaly detection
#
# **The slide says** that $p(x)$ "should be high if $x$ looks like a dog, and low otherwise". Take
# the PixelCNN of *grey* digits (section 2.8) and score other things with it: rendered shapes,
# upside-down digits, shuffled pixels, and images of one grey level.

# %% slideshow={"slide_type": "subslide"}
rendered = (data.shapes(359, seed=1, size=8).x.amax(1, keepdim=True) * 16).round() / 16
real = grey_parts.test.x
shuffled = real.flatten(1)[:, torch.randperm(64, generator=seeded(1))].reshape(real.shape)
flat = (torch.arange(17) / 16).reshape(17, 1, 1, 1).expand(17, 1, 8, 8)
others = {"digits": real, "shapes": rendered, "upside down": real.flip(2), "shuffled": shuffled,
          "one grey level": flat}
with torch.no_grad():
    training_scores = grey_model.log_prob(grey_parts.train.x)
    scores = {name: grey_model.log_prob(x) for name, x in others.items()}
black = float(scores["one grey level"][0])

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(10.2, 3.0), width_ratios=(2.4, 1))
shown = {name: s.clamp(-299) for name, s in scores.items() if len(s) > 17}
plots.histograms(ax[0], shown, edges=range(-300, -19, 10))
plots.add_legend(ax[0], loc="upper left")
ax[0].plot(scores["one grey level"].clamp(-299), torch.full((17,), 4.0), "kx", ms=7, mew=2)
ax[0].annotate("all black", (black, 7), (black, 80), ha="center", fontsize=9,
               arrowprops={"arrowstyle": "-|>", "lw": 1.4})
ax[0].set(xlabel="log p(x), nats (×: the 17 images of one level)", ylabel="images",
          xlim=(-300, -20))
tiles = [x[:5] if name != "one grey level" else x[::4] for name, x in others.items()]
plots.image_grid(ax[1], torch.cat(tiles), columns=5)
plots.picture(fig, "Histograms of log p under a model of digits. On average " + "; ".join(
    f"{name} {float(s.mean()):.0f}" for name, s in scores.items())
    + f" nats. The black image has {black:.0f}.")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Shuffled pixels are caught, upside-down digits seldom. But *shapes score
# higher than digits*, and the black image higher still. This is the known
# failure (Nalisnick and others 2019, with CIFAR-10 and house numbers). $-\log p$ is a code length:
# a simple image has a short code in any good model of neighbours, whatever it shows. Nor need a
# typical digit be near the mode: 64 uncertain pixels, each not quite the likeliest.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A p-value by rank
#
# PixelDefend (Song and others 2018) asks how far down an image ranks among $N$ training images,
#
# $$p = \frac{1 + \#\{n : \log p(x^{(n)}) \le \log p(x)\}}{N + 1},$$
#
# and rejects small $p$. That is a one-sided test; $2 \min(p, 1 - p)$ also rejects what is *too*
# probable.

# %% slideshow={"slide_type": "fragment"}
cases = {**others, "all black": flat[:1]}
scores["all black"] = scores["one grey level"][:1]
above = float((scores["digits"] < black).double().mean())
rows = []
for name in cases:
    p = rank_p_values(scores[name], training_scores)
    two_sided = 2 * torch.minimum(p, 1 - p)
    rows.append([name, f"{float(scores[name].mean()):.1f}", f"{float(p.median()):.3f}",
                 f"{float((p < 0.05).double().mean()):.0%}",
                 f"{float((two_sided < 0.05).double().mean()):.0%}"])
plots.number_table(["images", "mean log p, nats", "median p", "rejected at 5 %: one-sided",
                    "two-sided"], rows, caption=f"{above:.0%} of the digits score below black")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Digits are rejected about as often as the level promises (a little more,
# because the model knows its training images a little too well). One-sided, not a single shape is
# rejected; two-sided most are. *Why it matters:* "low $p(x)$" is a definition of an anomaly that
# the numbers do not support; ask what is *unusual*, in either direction.
# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.11 Fast sampling
#
# The lecture's algorithm runs the whole network for each value and throws away all but one
# output. But what earlier values left in each layer does not change: keep it.
#
# - **NADE**: the running pre-activation; one column of $W$ for each value.
# - **MADE**: hidden units in the order of their degrees, each computed once.
# - **PixelCNN, Row LSTM, Diagonal BiLSTM**: for each layer its features at earlier places; a new
#   pixel needs one column of each kernel.
#
# Fast and slow must give the *same images* from the same random numbers.

# %% slideshow={"slide_type": "subslide"}
rows = []
for name in ("NADE", "MADE, 1 ordering", "PixelCNN", "gated PixelCNN", "Row LSTM",
             "Diagonal BiLSTM"):
    model = copy.deepcopy(measured[name][0]).double()
    slow, a = cpu_seconds(lambda m=model: m.sample_by_full_passes(16, generator=seeded(1)))
    fast, b = cpu_seconds(lambda m=model: m.sample(16, generator=seeded(1)), repeat=3)
    rows.append([name, f"{slow:.3f}", f"{fast:.4f}", f"{slow / fast:.0f}", bool((a == b).all())])
plots.number_table(
    ["16 images, 8×8", "full passes, s", "cached, s", "ratio", "the same images?"], rows
)

# %% slideshow={"slide_type": "subslide"}
sides, slow, fast = [6, 8, 12, 16], [], []
for side in sides:
    torch.manual_seed(0)
    model = ar.PixelCNN((1, side, side), num_layers=5, num_hidden=24)
    slow.append(cpu_seconds(lambda m=model: m.sample_by_full_passes(4, generator=seeded(1)))[0])
    fast.append(cpu_seconds(lambda m=model: m.sample(4, generator=seeded(1)), repeat=3)[0])
fig, ax = plots.figure(size=(6.6, 3.0))
pixels = torch.tensor(sides) ** 2
plots.curves(ax, pixels, {"a full pass per pixel": slow, "cached": fast}, markers=True)
ax.set(xscale="log", yscale="log", xlabel="pixels N of the image", ylabel="seconds, 4 images")
ax.set_xticks(pixels.tolist(), [f"{s}×{s}" for s in sides])
ax.minorticks_off()
plots.picture(fig, f"""Time of sampling against the number of pixels, both axes logarithmic: with
    full passes it ends at {slow[-1]:.2f} seconds, cached at {fast[-1]:.3f}, on a flatter line.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The same images, bit by bit, many times faster, and the gap widens:
# $O(N^2)$ against $O(N)$ for $N$ pixels. Sampling stays sequential, though. Training is not: there
# all factors of known images come from one pass.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2.12 WaveNet: sound
#
# Thousands of samples a second, and a period of a low tone is long. **Dilated** causal
# convolutions (van den Oord et al. 2016) skip: layer $\ell$ looks $2^\ell$ steps back, so that
# $L$ layers with kernels of width 2 see
#
# $$1 + \sum_{\ell=0}^{L-1} 2^\ell = 2^L \text{ samples with } L \text{ layers; without dilation
# only } L + 1.$$

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.dilation_explorer()

# %% slideshow={"slide_type": "subslide"}
def reach(model, at):
    """Return which earlier samples the prediction at a place depends on, by the gradient."""
    model = copy.deepcopy(model).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.02 + 0.1 * torch.rand(weight.shape, generator=seeded()))
    T, K = *model.event_shape, model.num_tokens
    x = torch.full((1, T, K), 1 / K, dtype=torch.float64, requires_grad=True)
    model.logits(x)[0, at].sum().backward()
    return x.grad[0].abs().sum(-1) != 0


rows = []
for layers in (1, 2, 4, 6, 8):
    net = ar.WaveNet(300, num_levels=4, num_channels=3, num_skip=3, num_layers=layers)
    seen = reach(net, 299)
    rows.append([layers, 2**layers, int(seen.sum()), int(seen[299:].sum())])
plots.number_table(
    ["layers", "2^layers", "earlier samples seen, by gradient", "present or later seen"], rows
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 256 levels are enough if they are placed well: μ-law
#
# A softmax over 65,536 levels of 16-bit sound is too wide. The **μ-law** (telephone standard
# G.711) spaces $K = \mu + 1$ levels finely where sound is quiet:
#
# $$f(x) = \operatorname{sign}(x)\, \frac{\ln(1 + \mu |x|)}{\ln(1 + \mu)}, \qquad x \in [-1, 1].$$

# %% slideshow={"slide_type": "subslide"}
RATE, LENGTH, LEVELS = 4000, 384, 32


def notes(n, seed):
    tones = data.tones(n, seed=seed, length=LENGTH, rate=RATE)
    return tones.x[tones.y == 0]  # single notes, no chords


sounds, fresh = notes(1600, 0), notes(320, 1)  # (about n / 4, LENGTH) in [-1, 1]
codes, codes_test = (ar.mu_law_encode(x, LEVELS) for x in (sounds, fresh))
again = ar.mu_law_decode(codes, LEVELS)
equal = ((sounds + 1) / 2 * (LEVELS - 1)).round() / (LEVELS - 1) * 2 - 1  # evenly spaced levels


def noise_ratio(x, y):  # in decibels: 10 for each factor of 10 in power
    return 10 * torch.log10(x.square().mean() / (x - y).square().mean())

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(9.6, 2.6), width_ratios=(1, 1.8))
line = torch.linspace(-1, 1, 801)
plots.curves(ax[0], line, {"code": ar.mu_law_encode(line, LEVELS)}, legend=False)
ax[0].set(xlabel="amplitude", ylabel=f"code, 0 to {LEVELS - 1}", title="μ-law")
milliseconds = torch.arange(LENGTH) / RATE * 1000
end = slice(324, 384)  # a decayed tone
quiet = int(sounds[:, end].abs().amax(1).argsort()[len(sounds) // 20])
plots.curves(ax[1], milliseconds[end], {"tone": sounds[quiet, end],
             "μ-law": again[quiet, end], "evenly": equal[quiet, end]}, legend=False)
plots.add_legend(ax[1], loc="center left", bbox_to_anchor=(1, 0.5))
ax[1].set(xlabel="milliseconds", title=f"the quiet end of a tone, {LEVELS} levels")
plots.picture(fig, """The μ-law curve, steep at 0. A quiet tone: the μ-law follows it closely,
    evenly spaced levels turn it into a few stairs.""")

# %% slideshow={"slide_type": "fragment"}
softest = sounds[:, end].abs().amax(1).argsort()[: len(sounds) // 4]
plots.number_table(
    [f"{LEVELS} levels", "signal to noise, all notes, dB", "ends of the softest quarter, dB"],
    [[name, noise_ratio(sounds, y), noise_ratio(sounds[softest, end], y[softest, end])]
     for name, y in {"μ-law": again, "evenly spaced": equal}.items()], digits=1)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Over all samples, which the loud ones dominate, evenly spaced levels do
# about as well; where sound is quiet they are stairs, and the μ-law keeps the shape.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A WaveNet of tones
#
# About 400 rendered notes of 0.1 seconds, at 4000 samples a second. Their pitches lie between 220
# and 440 Hz, so that a period takes 9 to 18 samples. Two networks: 3 layers see 8 samples, 7
# layers see 128. Both are given the first half of an unseen note (a prefix: exact) and go on.

# %% slideshow={"slide_type": "subslide"}
wavenets = {}
for layers in (3, 7):
    torch.manual_seed(0)
    net = ar.WaveNet(LENGTH, num_levels=LEVELS, num_channels=20, num_skip=32, num_layers=layers)
    fit(net, codes, loss=nll_loss, steps=140, batch_size=8, lr=0.012, clip=1.0, progress=False,
        device="cpu")
    wavenets[layers] = net
begun = codes_test, torch.arange(LENGTH) < LENGTH // 2
goes_on = {layers: ar.mu_law_decode(
    net.sample(len(fresh), condition=begun, generator=seeded(1)), LEVELS)
    for layers, net in wavenets.items()}

# %% slideshow={"slide_type": "subslide"}
waves = {"true note": fresh} | {f"sees {2**layers}": x for layers, x in goes_on.items()}
fig, ax = plots.figure(3, 2, size=(10.2, 5.4), width_ratios=(2, 1))
for axes, (name, x) in zip(ax, waves.items(), strict=True):
    axes[0].plot(milliseconds, x[2], color=plots.BLUE, lw=0.9)
    axes[0].axvline(LENGTH / 2 / RATE * 1000, color="black", ls="--", lw=1)
    axes[0].set(ylim=(-1, 1), ylabel=name)
    plots.draw_spectrogram(axes[1], x[2], rate=RATE, window=128)
    axes[1].set_xlabel("")
ax[0, 0].set_title("waveform")
ax[0, 1].set_title("spectrogram")
ax[2, 0].set_xlabel("milliseconds")
ax[2, 1].set_xlabel("seconds")
plots.picture(fig, """Waveform and spectrogram of a note, and of its first half as continued by two
    WaveNets. The note has a few horizontal lines in its spectrogram; after the dashed line they
    are blurred, more so for the network that sees 8 samples.""")

# %% slideshow={"slide_type": "fragment"}
def agreement(x):
    """Return the mean correlation with the true notes in the 10 ms after the given half."""
    after = slice(LENGTH // 2, LENGTH // 2 + 40)
    return float(F.cosine_similarity(x[:, after], fresh[:, after]).mean())


rows = [[f"{LEVELS} equal levels", "", f"{math.log(LEVELS):.3f}", f"{math.log2(LEVELS):.3f}", ""]]
for layers, net in wavenets.items():
    nll = negative_log_likelihood(net, codes_test).mean / LENGTH
    rows.append([f"WaveNet, {layers} layers", net.receptive_field, f"{nll:.3f}",
                 f"{nll / math.log(2):.3f}", f"{agreement(goes_on[layers]):.2f}"])
plots.number_table(["model", "sees samples", "test nats per sample", "bits per sample",
                    "correlation with the true note"], rows)

# %% slideshow={"slide_type": "fragment"}
silence = torch.zeros(RATE // 10)
played = [piece for x in (*fresh[:3], *goes_on[7][:3]) for piece in (x, silence)]
Audio(torch.cat(played).numpy(), rate=RATE, normalize=False)  # three notes; the same, continued

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Who sees less than a period does not know the pitch and soon loses it.
# With 128 samples the network hears at least seven periods and holds the note for a while, though
# roughly: it was trained for seconds, not for weeks.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Audio super-resolution
#
# A *conditional* density: $p(\text{sound} \mid \text{sound at a lower rate})$. The context is
# known as a whole and needs no mask. Keep a quarter of the rate (means of 4 samples in a row), and
# draw the sound back:

# %% slideshow={"slide_type": "subslide"}
STRIDE = 4
context, low = ar.low_rate(sounds, STRIDE), ar.low_rate(fresh, STRIDE)
torch.manual_seed(0)
sharpener = ar.WaveNet(LENGTH, num_levels=LEVELS, num_channels=16, num_skip=32, num_layers=5,
                       context_stride=STRIDE)
fit(sharpener, torch.utils.data.TensorDataset(codes, context), loss=ar.super_resolution_loss,
    steps=120, batch_size=8, lr=0.01, clip=1.0, progress=False, device="cpu")
with torch.no_grad():
    nll = -sharpener.given(low).log_prob(codes_test).mean() / LENGTH
    draws = torch.stack([
        ar.mu_law_decode(sharpener.given(low).sample(len(low), generator=seeded(k)), LEVELS)
        for k in range(4)])
stairs = low.repeat_interleave(STRIDE, 1)

# %% slideshow={"slide_type": "subslide"}
part, k = slice(60, 140), 1
fig, ax = plots.figure(size=(8.6, 2.8))
plots.curves(ax, milliseconds[part], {"true": fresh[k, part], "one draw": draws[0, k, part],
                                      "mean of four draws": draws[:, k, part].mean(0)},
             legend=False)
ax.step(milliseconds[part], stairs[k, part], where="post", color=plots.GREY, lw=1.2,
        label="given: means of 4")
ax.set(xlabel="milliseconds", ylabel="amplitude")
plots.add_legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))
plots.picture(fig, """A tone, its means over four samples as stairs, and draws of the WaveNet
    given the stairs, which follow the true wave more or less closely.""")

# %% slideshow={"slide_type": "fragment"}
straight = F.interpolate(low[:, None], scale_factor=STRIDE, mode="linear")[:, 0]
plots.number_table(["sound from a quarter of the rate", "signal to noise, dB"], [
    ["means of 4, held", noise_ratio(fresh, stairs)],
    ["means of 4, joined by lines", noise_ratio(fresh, straight)],
    ["WaveNet, one draw", noise_ratio(fresh, draws[0])],
    ["WaveNet, mean of four draws", noise_ratio(fresh, draws.mean(0))],
], digits=1, caption=f"test NLL given the means: {nll:.3f} nats per sample")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One draw is a *possible*
# sound and therefore further from the true one than the mean of several, which is nearer but
# duller: the mean minimises the squared error, and is no sample. The lines are a mean of a kind,
# too: compare like with like.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## All models of the unit, on the same digits
#
# 8×8, threshold binarisation, 1258 training images, one seed, no tuning beyond a step size.

# %% slideshow={"slide_type": "subslide"}
mean, error = float(alone.mean()), float(alone.std()) / math.sqrt(len(alone))
rows = [["independent pixels", 64, f"{mean:.2f} ± {error:.2f}",
         f"{bits_per_dim(mean, (64,)):.3f}", "-", "-"]]
for name, (model, train_seconds) in measured.items():
    nll = negative_log_likelihood(model, parts.test)
    sampling, _ = cpu_seconds(lambda m=model: m.sample(100, generator=seeded(1)))
    rows.append([name, sum(w.numel() for w in model.parameters()),
                 f"{nll.mean:.2f} ± {nll.standard_error:.2f}",
                 f"{bits_per_dim(nll.mean, (64,)):.3f}", f"{train_seconds:.1f}",
                 f"{sampling:.3f}"])
plots.number_table(
    ["model", "parameters", "test NLL, nats", "bits/dim", "training, CPU s",
     "100 samples, CPU s"], rows, caption="± one standard error over 359 test images",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Any of them is far ahead of independent pixels. Among the image models
# the order is that of the paper on MNIST: PixelCNN, Row LSTM, Diagonal BiLSTM. But on a thousand
# images of 64 pixels NADE and MADE lead, which have no convolutions: sharing one kernel among all
# places helps when there are many places. On MNIST (28×28) it is the other way round: the
# literature has NADE at 88.3 and MADE at 86.6 nats (2 layers, 32 orderings), PixelCNN at 81.3, the
# Diagonal BiLSTM at 79.2. And a small test set does not decide differences of one standard error.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Optional: NADE on MNIST
#
# Shown, not run: it needs MNIST on this machine (`data.data_root()` says where) and some minutes.
# Set `RUN_MNIST = True`. The binarisation is a seeded static draw of our own, so its numbers stand
# beside the published ones but are not the same data set. The whole experiment is one command,
# `gencourse train nade --data mnist --binarise static`.

# %% slideshow={"slide_type": "fragment"}
RUN_MNIST = False
if RUN_MNIST and (data.data_root() / "MNIST").is_dir():
    mnist = {part: data.mnist(part, binarise="static", download=False)
             for part in ("train", "val", "test")}
    large = ar.NADE(784, num_hidden=500, generator=seeded(0))
    fit(large, mnist["train"], val=mnist["val"], loss=nll_loss, epochs=3, batch_size=100,
        lr=1e-3, device="cpu")
    print(negative_log_likelihood(large, mnist["test"]), "nats")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where this leads
#
# An autoregressive model computes $\log p(x)$ exactly and samples exactly, one value at a time.
# It has no features of its own to show, and it draws a digit's last pixel as carefully as its
# class. Unit 03 puts the structure into a hidden variable and pays with a bound; unit 04 gives up
# the density.
#
# ### The slips of the slides, collected
#
# | the slide | computed |
# |---|---|
# | autoregressive models use conditional independence | none: form and shared parameters (2.0) |
# | NADE's conditionals are computed independently | each starts from the one before (2.2) |
# | Row LSTM and Diagonal BiLSTM differ in the ordering | same ordering, other context (2.7) |
# | an RGB pixel: $255^3$ numbers | $256^3 - 1$ (2.8) |
# | $p(x)$ is low for what does not belong | simple images score higher than digits (2.10) |
#
# ### Sources
#
# The lecture: Deep Learning Basics 9 (Korea University), after Stanford CS 236. Frey, Hinton &
# Dayan, *Does the wake-sleep algorithm produce good density estimators?* (NIPS 1995). Larochelle &
# Murray, *The neural autoregressive distribution estimator* (AISTATS 2011). Uria, Murray &
# Larochelle, *RNADE* (NIPS 2013). Germain, Gregor, Murray & Larochelle, *MADE* (ICML 2015). Uria,
# Côté, Gregor, Murray & Larochelle, *Neural autoregressive distribution estimation* (JMLR 2016).
# Van den Oord, Kalchbrenner & Kavukcuoglu, *Pixel recurrent neural networks* (ICML 2016). Van den
# Oord et al., *Conditional image generation with PixelCNN decoders* (NeurIPS 2016). Van den Oord
# et al., *WaveNet* (arXiv 2016). Mikolov et al., *Recurrent neural network based language model*
# (Interspeech 2010). Vaswani et al., *Attention is all you need* (NeurIPS 2017). Rubin, *The
# calculation of posterior distributions by data augmentation: comment* (JASA 1987). Song et al.,
# *PixelDefend* (ICLR 2018). Nalisnick et al., *Do deep generative models know what they don't
# know?* (ICLR 2019). The homework of this unit asks you to build the pieces yourself.
