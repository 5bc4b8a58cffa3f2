# %% [markdown] slideshow={"slide_type": "slide"}
# # Graphical models
#
# **Unit 01, walkthrough.** How can one write down a probability distribution over more variables
# than a table can hold, and what can one then ask of it?
#
# This notebook is a lecture that runs. Each section is one idea: the formula, a few lines of code
# that use it, a figure or a table of measured numbers, and what you should see in it. Run it from
# top to bottom, or show it as slides. Nothing is downloaded.
#
# | section | | section | |
# |---|---|---|---|
# | 1.1 | distributions and their parameters | 1.8 | naive Bayes and logistic regression |
# | 1.2 | joint tables | 1.9 | Gaussian naive Bayes has a logistic posterior |
# | 1.3 | Bayesian networks | 1.10 | learning curves: generative and discriminative |
# | 1.4 | d-separation | 1.11 | table, logistic, network: the same conditional |
# | 1.5 | Markov models and language models | 1.12 | latent variables |
# | 1.6 | undirected models and factor graphs | 1.13 | learning tables and trees from data |
# | 1.7 | the three inference tasks | | |
#
# It follows three public lectures, which are called *the slides* here (see the end). Where a
# slide slips, a section **"The slide says"** computes the right answer.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import itertools
import logging
import math
import time

import networkx as nx
import torch
from sklearn import datasets as sklearn_datasets

from gencourse import data, densities, plots, widgets
from gencourse import graphical as gm
from gencourse.graphical import examples, parameter_count
from gencourse.graphical.belief_propagation import belief_propagation
from gencourse.graphical.chow_liu import chow_liu, mutual_information
from gencourse.graphical.learning_curves import learning_curve
from gencourse.graphical.linear_gaussian import five_gaussians
from gencourse.graphical.uniform_gaussian import UniformGaussian


def seeded(seed=0):
    """Return a source of randomness; every figure below is the same at every run."""
    return torch.Generator().manual_seed(seed)


logging.getLogger("gencourse").setLevel(logging.ERROR)  # some cells stop early on purpose
torch.set_num_threads(1)  # the tensors are small: one thread is faster than two

# where the nodes of the red/blue network stand, as a directed graph and as a factor graph
PLACES = {"x1": (0, 0), "x2": (1.2, 0), "x4": (2.4, -0.6), "x3": (1.2, -1.2), "x5": (2.4, -1.8)}
FACTOR_PLACES = {
    "p(x1)": (0, 0),
    "x1": (1, 0),
    "p(x2|x1)": (2, 0),
    "x2": (3, 0),
    "p(x4|x2,x3)": (4, -0.75),
    "x4": (5, -0.75),
    "p(x3)": (2, -1.5),
    "x3": (3, -1.5),
    "p(x5|x3)": (4, -2.25),
    "x5": (5, -2.25),
}

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a generative model is
#
# A **generative model** is a probability distribution $p(x)$ learnt from data. It has three uses:
#
# - **generation**: draw $x \sim p(x)$ and get new data that look like the old ones;
# - **density estimation**: compute $p(x)$, and notice when an $x$ does not belong;
# - **features**: infer what the data have in common, without labels.
#
# The course asks three questions of every model: how is $p$ **represented** compactly, how is it
# **learnt**, and how is it **inverted** (inference)? This unit answers them where everything can
# be computed exactly, so that later units have something to be compared with.

# %% slideshow={"slide_type": "subslide"}
digits = data.digits()
grey, labels = digits.x.reshape(-1, 64).double(), digits.y  # (1797, 64) in [0, 1], (1797,)
order = torch.randperm(len(grey), generator=seeded(1))
train, test = order[:1400], order[1400:]

mixture = gm.GaussianMixture(20, 64, covariance="diag", min_variance=0.02)  # 20 hidden kinds
mixture.fit(grey[train], max_iterations=60, tolerance=1e-3, generator=seeded(2))

samples = mixture.sample(30, generator=seeded(3)).clamp(0, 1).reshape(-1, 8, 8)
others = {
    "digits, held out": grey[test],
    "the same, upside down": grey[test].reshape(-1, 8, 8).flip(1).reshape(-1, 64),
    "the same, pixels shuffled": grey[test][:, torch.randperm(64, generator=seeded(4))],
}
scores = {name: mixture.log_prob(x) for name, x in others.items()}
kind = mixture.posterior(grey).argmax(1)

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 3, size=(11, 3.1), width_ratios=(1, 1.5, 1))
plots.image_grid(ax[0], samples, columns=6, title="generation: samples")
for (name, score), colour, shade in zip(
    scores.items(), (plots.BLUE, plots.ORANGE, "#000000"), (0.9, 0.7, 0.5), strict=True
):
    ax[1].hist(score.clamp(-400), 40, range=(-400, 150), color=colour, alpha=shade, label=name)
ax[1].set(title="density: log p(x)", xlabel="nats (all below -400 stand at -400)", ylabel="images")
ax[1].legend(frameon=False, fontsize=8)
plots.image_grid(
    ax[2],
    mixture.means.reshape(-1, 8, 8).clamp(0, 1),
    columns=5,
    title="features: 20 kinds, unlabelled",
)
plots.picture(
    fig,
    """Three uses of one model of digits: samples that look like blurred digits;
    histograms of log p(x), high for held-out digits and lower for upside-down and shuffled ones;
    and the mean images of its twenty components, each of which looks like one digit.""",
)

# %% slideshow={"slide_type": "fragment"}
common = {k: labels[train][kind[train] == k].mode().values for k in kind[train].unique().tolist()}
agree = torch.stack([labels[i] == common[int(kind[i])] for i in train])
low = scores["digits, held out"].quantile(0.05)  # 5 % of the digits score less
rows = [
    [f"density: {name}, below 95 % of the digits", f"{float((s < low).double().mean()):.0%}"]
    for name, s in list(scores.items())[1:]
]
rows.append(
    [
        "features: images whose digit is the commonest of their kind",
        f"{float(agree.double().mean()):.0%}",
    ]
)
plots.number_table(["use", "measured"], rows)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One model, never told what a digit is, does all three: noisy samples
# that can be read, a density that rejects every shuffled image and more than half of the
# upside-down ones (a 0 upside down is still a 0), and kinds that are nearly the ten classes. *Why
# it matters:* these are the three axes on which every later model is judged, and few models do
# well on all.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.1 Distributions, and how many numbers they need
#
# The building blocks, with their **free parameters** (numbers that the others do not fix):
#
# | distribution | $p(x)$ | free parameters |
# |---|---|---|
# | Bernoulli$(\theta)$ | $\theta^x (1-\theta)^{1-x}$ | 1 |
# | Categorical$(\theta_1, \dots, \theta_K)$ | $\theta_x$, with $\sum_k \theta_k = 1$ | $K-1$ |
# | Uniform$(a, b)$ | $\frac{1}{b-a}$ on $[a, b]$ | 2 |
# | Gaussian $\mathcal N(\mu, \sigma)$ | $e^{-(x-\mu)^2 / 2\sigma^2} / \sigma\sqrt{2\pi}$ | 2 |
# | mixture of $K$ Gaussians | $\sum_k \pi_k\, \mathcal N(x; \mu_k, \sigma_k)$ | $(K-1) + 2K$ |

# %% slideshow={"slide_type": "subslide"}
n = 4000
x = torch.linspace(-2.5, 3.5, 400, dtype=torch.float64)
theta = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
two = gm.GaussianMixture.from_parameters([0.3, 0.7], [-1.0, 1.5], [0.4, 0.7])
uniform = -1 + 3 * torch.rand(n, generator=seeded(1))
normal = 1 + 0.5 * torch.randn(n, generator=seeded(2))

fig, ax = plots.figure(1, 5, size=(12, 2.5))
for a, p in ((ax[0], torch.tensor([0.7, 0.3])), (ax[1], theta)):
    drawn = torch.multinomial(p.double(), n, replacement=True, generator=seeded(3))
    share = drawn.bincount(minlength=len(p)) / n
    plots.bars(a, [str(k) for k in range(len(p))], {"exact": p, f"{n} samples": share})
    a.legend(frameon=False, fontsize=7)
ax[0].set(title="Bernoulli(0.3)", ylim=(0, 1))
ax[1].set(title="Categorical", ylim=(0, 0.6))
continuous = {
    "Uniform(-1, 2)": (uniform, densities.log_uniform(x, -1.0, 2.0)),
    "Gaussian N(1, 0.5)": (normal, densities.log_normal(x, 1.0, 0.5, event_dims=0)),
    "mixture": (two.sample(n, generator=seeded(4))[:, 0], two.log_prob(x[:, None])),
}
for a, (title, (drawn, log_p)) in zip(ax[2:], continuous.items(), strict=True):
    a.hist(drawn, 40, density=True, color="#CCCCCC")
    plots.curves(a, x, {"exp(log p)": log_p.exp()}, legend=False)
    a.set(title=title)
plots.picture(fig, """Five distributions. For each, the shares or the histogram of 4000 samples
    agree with the exact probabilities or density.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Histogram and formula agree in all five. *Why it matters:* a sampler
# and a log-probability are two programs that claim to describe one distribution. Comparing them
# is the first test of every model in this course.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The slides disagree: what is the second argument of $\mathcal N$?
#
# One writes $\mathcal N(\mu, \sigma)$ with the standard deviation, another $\mathcal N(0,
# \sigma^2 I)$ with the variance, and calls that one standard, which it is only for $\sigma = 1$.
# The number decides:

# %% slideshow={"slide_type": "fragment"}
zero = torch.zeros(1, 1, dtype=torch.float64)
plots.number_table(["reading of N(0, 4)", "sd", "density at 0"], [
    ["4 is the standard deviation (this course)", 4.0, densities.log_normal(zero, 0.0, 4.0).exp()],
    ["4 is the variance", 2.0, densities.log_normal(zero, 0.0, 2.0).exp()],
])


# %% [markdown] slideshow={"slide_type": "slide"}
# ### One coloured pixel
#
# Three channels $R, G, B$ with 256 values each. A table of $p(r, g, b)$ has $256^3$ entries, and
# the last one follows from the others because they sum to 1:
#
# $$256 \cdot 256 \cdot 256 - 1 = 16{,}777{,}215.$$
#
# **The slide says** (in another deck) $255 \cdot 255 \cdot 255$. Compute it: the number of free
# parameters is the dimension of the set of tables that one can reach, which is the rank of the
# Jacobian of "parameters to table". For a few levels per channel, count it so.

# %% slideshow={"slide_type": "subslide"}
def dimension(table, num_inputs):
    """Return the dimension of the family {table(w)}: the rank of its Jacobian at a random w."""
    w = torch.randn(num_inputs, generator=seeded(5), dtype=torch.float64)
    return int(torch.linalg.matrix_rank(torch.autograd.functional.jacobian(table, w)))


rows = [
    [levels, dimension(lambda w: w.softmax(0), levels**3), levels**3 - 1, (levels - 1) ** 3]
    for levels in (2, 3, 4)
]
rows.append([256, "too large to measure", 256**3 - 1, 255**3])
plots.number_table(
    ["levels per channel", "measured", "levels³ - 1", "the slide: (levels - 1)³"], rows
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Measured is $L^3-1$ every time. A coin thrown three times ($L = 2$) is
# not described by one number. $(L-1)$ would be right for one channel; the constraint "sums to 1"
# is one for the whole table, not one per channel.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A black-and-white image of $n$ pixels
#
# | assumption | factorisation | parameters |
# |---|---|---|
# | none | $p(x_1, \dots, x_n)$ | $2^n - 1$ |
# | Markov chain | $p(x_1) \prod_{i>1} p(x_i \mid x_{i-1})$ | $1 + 2(n-1) = 2n - 1$ |
# | the same, one table for all steps | as above | $1 + 2 = 3$ |
# | independence | $\prod_i p(x_i)$ | $n$ |
#
# *Markov* means $X_{i+1} \perp X_1, \dots, X_{i-1} \mid X_i$. The same measurement, for $n = 4$
# pixels, confirms all four.

# %% slideshow={"slide_type": "subslide"}
n = 4
images = torch.tensor(list(itertools.product((0, 1), repeat=n)))  # (16, 4): every image


def chain(w, step):  # w[0] and two numbers a step -> p(image), (16,)
    p = torch.where(images[:, 0] == 1, w[0].sigmoid(), (-w[0]).sigmoid())
    for i in range(1, n):
        logit = w[1 + 2 * step(i) + images[:, i - 1]]
        p = p * torch.where(images[:, i] == 1, logit.sigmoid(), (-logit).sigmoid())
    return p


plots.number_table(
    ["model", "measured", "formula", "gencourse.graphical"],
    [
        [
            "joint table",
            dimension(lambda w: w.softmax(0), 16),
            2**n - 1,
            parameter_count.num_parameters_joint([2] * n),
        ],
        [
            "Markov chain",
            dimension(lambda w: chain(w, lambda i: i - 1), 7),
            2 * n - 1,
            parameter_count.num_parameters_markov_chain(n),
        ],
        [
            "homogeneous chain",
            dimension(lambda w: chain(w, lambda i: 0), 3),
            3,
            parameter_count.num_parameters_markov_chain(n, homogeneous=True),
        ],
        [
            "independent",
            dimension(lambda w: (images * w - torch.nn.functional.softplus(w)).sum(1).exp(), n),
            n,
            parameter_count.num_parameters_independent([2] * n),
        ],
    ],
    caption="Free parameters for n = 4 binary pixels",
)

# %% slideshow={"slide_type": "subslide"}
sizes = torch.arange(1, 65)
fig, ax = plots.figure(size=(6.6, 3.2))
plots.curves(ax, sizes, {
    "joint table, 2ⁿ - 1": [float(2 ** int(k) - 1) for k in sizes],
    "Markov chain, 2n - 1": 2.0 * sizes - 1,
    "independent, n": 1.0 * sizes,
    "homogeneous chain, 3": torch.full((64,), 3.0),
})
ax.set(yscale="log", xlabel="pixels n", ylabel="free parameters", xticks=[1, 16, 32, 48, 64])
ax.axhline(8e9, color="#999999", lw=0.8)
ax.text(1, 1.3e10, "people on Earth", fontsize=8, color="#555555")
plots.picture(fig, """Free parameters against the number of pixels, logarithmic: the joint table
    grows as a straight line to ten to the nineteenth at 64 pixels; chain and independent pixels
    stay near a hundred.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** At 33 pixels the table already has more entries than the Earth has
# people. A 28×28 image needs a number of parameters that is 237 digits long. Structure is no
# optimisation: without it nothing can be written down.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Why not simply independent pixels?
#
# $n$ numbers are cheap, but sampling then tosses a separate coin for each pixel. Three models of
# the 8×8 digits, black and white, learnt by counting:

# %% slideshow={"slide_type": "subslide"}
binary = data.digits(binarise="threshold").x.reshape(-1, 64).long()  # (1797, 64) of 0 and 1
names = [f"x{i}" for i in range(64)]
counting = {"x": binary[train], "smoothing": 0.5, "cardinalities": [2] * 64}
alone = gm.fit_cpds({v: () for v in names}, **counting)
in_a_row = gm.fit_cpds({v: names[max(i - 1, 0) : i] for i, v in enumerate(names)}, **counting)
tree = chow_liu(**counting)  # section 1.13 explains it

models = {
    "independent": alone,
    "Markov chain, row by row": in_a_row,
    "best tree (section 1.13)": tree,
}
fig, ax = plots.figure(4, 1, size=(8, 4.0))
plots.image_grid(ax[0], binary[test][:20].reshape(-1, 8, 8), columns=20, title="held-out digits")
for a, (title, model) in zip(ax[1:], models.items(), strict=True):
    drawn = model.sample(20, generator=seeded(6))
    column = [model.variables.index(v) for v in names]
    plots.image_grid(a, drawn[:, column].reshape(-1, 8, 8), columns=20, title=title)
plots.picture(
    fig,
    """Four rows of twenty binary 8 by 8 images. Held-out digits are crisp; samples
    from independent pixels are salt and pepper in the shape of an average digit; those of the
    chain have horizontal strokes; those of the tree have strokes in all directions.""",
)


# %% slideshow={"slide_type": "fragment"}
def nats(model, x):  # x has its columns in the order of names
    return -model.log_prob(x[:, [names.index(v) for v in model.variables]]).mean()


plots.number_table(
    ["model", "free parameters", "test nats per image (less is better)"],
    [[k, m.num_parameters(), nats(m, binary[test])] for k, m in models.items()],
    digits=2,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Independent pixels give snow: each pixel has the right frequency, and
# no pixel knows its neighbour. The chain knows its left neighbour and draws horizontal strokes.
# The tree has as many parameters as the chain and spends them on the right pairs. *Why it
# matters:* the art is to say which dependencies to keep. The rest of this unit is a language for
# saying it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.2 Joint tables
#
# Everything about a few discrete variables follows from one table and two rules:
#
# $$\text{chain rule: } p(x_1, \dots, x_n) = \prod_{i} p(x_i \mid x_1, \dots, x_{i-1}), \qquad
# \text{Bayes: } p(d \mid a) = \frac{p(a \mid d)\, p(d)}{\sum_{d'} p(a \mid d')\, p(d')}.$$
#
# A disease $d$ that one person in 100 has, and two tests $a, b$ that are right for 95 % of the
# ill and 90 % of the healthy, independent of each other *given* $d$.

# %% slideshow={"slide_type": "subslide"}
health = ("healthy", "ill")
right = [[0.90, 0.10], [0.05, 0.95]]  # p(test | d), one row for the healthy, one for the ill
joint = (
    gm.Factor(["d"], [0.99, 0.01]) * gm.Factor(["d", "a"], right) * gm.Factor(["d", "b"], right)
)

fig, ax = plots.figure(1, 3, size=(11, 2.2), width_ratios=(1.6, 1, 1.6))
pairs = ["a-, b-", "a-, b+", "a+, b-", "a+, b+"]
plots.table(
    ax[0],
    joint.values.reshape(2, 4),
    rows=health,
    columns=pairs,
    title="joint p(d, a, b)",
    form="{:.5f}",
)
plots.table(
    ax[1],
    joint.marginal(["a", "b"]).values,
    rows=["a-", "a+"],
    columns=["b-", "b+"],
    title="marginal p(a, b)",
    form="{:.5f}",
)
plots.table(
    ax[2],
    joint.conditional(["d"], ["a", "b"]).values.reshape(4, 2).T,
    rows=health,
    columns=pairs,
    title="conditional p(d | a, b)",
    form="{:.4f}",
)
plots.picture(
    fig,
    """Three tables: the joint of disease and two tests, the marginal of the two
    tests, and the probability of illness given both, 0.4768 when both are positive.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# By hand: one positive test gives $\frac{0.95 \cdot 0.01}{0.95 \cdot 0.01 + 0.10 \cdot 0.99} =
# \frac{0.0095}{0.1085} = 0.0876$, a second one $\frac{0.009025}{0.009025 + 0.0099} = 0.4769$.
# Does the table agree? And are the two tests independent?

# %% slideshow={"slide_type": "fragment"}
any_order = (
    joint.marginal(["b"]) * joint.conditional(["a"], ["b"]) * joint.conditional(["d"], ["a", "b"])
)
gap = (any_order.marginal(["d", "a", "b"]).values - joint.values).abs().max()
plots.number_table(
    ["question", "answer"],
    [
        ["P(ill | a positive)", joint.conditional(["d"], ["a"])[{"d": 1, "a": 1}]],
        [
            "P(ill | a and b positive)",
            joint.conditional(["d"], ["a", "b"])[{"d": 1, "a": 1, "b": 1}],
        ],
        ["a ⊥ b ?", joint.is_independent("a", "b")],
        ["a ⊥ b | d ?", joint.is_independent("a", "b", given=["d"])],
        ["chain rule in the order b, a, d: largest difference", f"{float(gap):.0e}"],
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The tests are dependent (both go up with the disease) and become
# independent once $d$ is known. The chain rule holds in *every* order, and in every order it
# costs $1 + 2 + 4 = 7 = 2^3 - 1$ numbers: by itself it buys nothing. Only dropping a condition
# does.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.3 Bayesian networks
#
# A **Bayesian network** is a directed acyclic graph with one node a variable and one
# **conditional probability distribution** (CPD) a node:
#
# $$p(x_1, \dots, x_n) = \prod_{i} p(x_i \mid x_{\mathrm{Pa}(i)}).$$
#
# It is a chain rule in an order of the graph, with conditions dropped. Hence it always sums to 1.
# The student network: a course's difficulty $d$, a student's intelligence $i$, the grade $g$, the
# SAT score $s$, a letter of recommendation $l$: $\;p(d)\, p(i)\, p(g \mid i, d)\, p(s \mid i)\,
# p(l \mid g)$.

# %% slideshow={"slide_type": "subslide"}
student = examples.student_network()
student.draw(
    labels={"d": "difficulty", "i": "intelligence", "g": "grade", "s": "SAT", "l": "letter"}
)


# %% slideshow={"slide_type": "subslide"}
def cpd_table(ax, net, child, **options):
    """Draw p(child | parents) with one row for each state of the parents."""
    parents = net.parents(child)
    name = {v: net.states.get(v, range(net.cardinalities[v])) for v in net.variables}
    lines = [
        ", ".join(f"{p}={s}" for p, s in zip(parents, row, strict=True))
        for row in itertools.product(*(name[p] for p in parents))
    ]
    title = f"p({child}" + (f" | {', '.join(parents)})" if parents else ")")
    plots.table(
        ax,
        net.cpd(child).reshape(-1, net.cardinalities[child]),
        rows=lines or [""],
        columns=[str(s) for s in name[child]],
        title=title,
        **options,
    )


fig, ax = plots.figure(1, 5, size=(13, 2.4), width_ratios=(1, 1, 1.5, 1, 1))
for a, v in zip(ax, student.variables, strict=True):
    cpd_table(a, student, v)
plots.picture(
    fig, """The five conditional tables of the student network, rows for the parents' states."""
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Each row sums to 1. Count the free numbers: they are the rows times
# (columns minus 1), and together far fewer than a joint table needs.

# %% slideshow={"slide_type": "fragment"}
everyone = gm.Factor(student.variables, student.joint().values)
plots.number_table(
    ["", "value"],
    [
        ["free parameters of the network", student.num_parameters()],
        [
            "free parameters of a joint table",
            parameter_count.num_parameters_joint(list(student.cardinalities.values())),
        ],
        ["sum of the joint over all states", everyone.values.sum()],
        [
            "log p of all variables in their first state, nats",
            student.log_prob(torch.zeros(1, 5, dtype=torch.long)),
        ],
        [
            "... by hand: the sum of five logarithms",
            sum(float(student.cpd(v).flatten()[0].log()) for v in student.variables),
        ],
    ],
)


# %% [markdown] slideshow={"slide_type": "slide"}
# ### Ancestral sampling
#
# Draw each variable from its CPD, parents first. Then the drawn rows have exactly the
# distribution of the network: the sampler *is* the factorisation, read as a program.

# %% slideshow={"slide_type": "subslide"}
def ancestral(net, n, generator):
    drawn = {}
    for v in net.variables:  # parents come before children
        rows = net.cpd(v)[tuple(drawn[p] for p in net.parents(v))]  # (n, K) or (K,)
        drawn[v] = torch.multinomial(rows.expand(n, -1), 1, generator=generator)[:, 0]
    return torch.stack([drawn[v] for v in net.variables], 1)


target = student.variables[2]
exact = student.marginals()[target]
sizes = [10, 30, 100, 300, 1000, 3000, 10_000]
share = {
    n: [
        ancestral(student, n, seeded(k))[:, 2].bincount(minlength=len(exact)) / n
        for k in range(10)
    ]
    for n in sizes
}
error = [float(torch.stack([(s - exact).abs().mean() for s in share[n]]).mean()) for n in sizes]

fig, ax = plots.figure(1, 2, size=(9, 3))
few, many = torch.stack(share[100]), torch.stack(share[10000])
grades = student.states.get(target, [str(k) for k in range(len(exact))])
plots.bars(
    ax[0],
    list(grades),
    {"exact": exact, "100 samples": few.mean(0), "10 000 samples": many.mean(0)},
    spread={"100 samples": few.std(0), "10 000 samples": many.std(0)},
)
ax[0].set(title=f"p({target})", ylim=(0, 0.62))
plots.curves(
    ax[1],
    torch.tensor(sizes),
    {"mean error": error, "0.36 / √n": 0.36 / torch.tensor(sizes).sqrt()},
    markers=True,
)
ax[1].set(
    xscale="log", yscale="log", xlabel="samples n", title="error of the estimated probabilities"
)
plots.picture(
    fig,
    """Left: exact marginal of the grade and its estimates from 100 and 10000
    samples with error bars over ten repetitions. Right: the mean error falls as one over the
    square root of n.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The estimates centre on the exact bars; the error falls as $1/\sqrt n$:
# one more digit costs a hundred times the samples. *Why it matters:* whenever exact sums are out
# of reach (all later units) this is the price list.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Move the evidence
#
# Choose what is observed; the bars are the posterior of everything else. Try: a bad grade (what
# happens to intelligence?), then also a high difficulty.

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.evidence_explorer(examples.student_network(), evidence={"g": 2})

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The price of a CPD is exponential in its parents
#
# A binary node with $k$ binary parents has $2^k$ free numbers. So the same joint distribution may
# be cheap in one direction and hopeless in the other: $n$ words and a label $y$, with the words
# independent given $y$, need $2n + 1$ numbers as $y \to x_i$. Turned round, $x_i \to y$ takes
# $2^n$ for $p(y \mid x)$ alone.

# %% slideshow={"slide_type": "subslide"}
sizes = list(range(1, 21))
count = {"y → x₁ … xₙ": [], "x₁ … xₙ → y": []}
for n in sizes:
    words = [f"x{i}" for i in range(n)]
    binary_states = dict.fromkeys(["y", *words], 2)
    count["y → x₁ … xₙ"].append(
        parameter_count.num_parameters_bayes_net(
            {"y": [], **{w: ["y"] for w in words}}, binary_states
        )
    )
    count["x₁ … xₙ → y"].append(
        parameter_count.num_parameters_bayes_net(
            {"y": words, **{w: [] for w in words}}, binary_states
        )
    )

fig, ax = plots.figure(1, 3, size=(10.5, 2.8), width_ratios=(1, 1, 1.5))
words = [f"x{i}" for i in range(1, 5)]
places = {"y": (1.5, 0), **plots.row(words, y=-1.2)}
plots.draw_graph(nx.DiGraph([("y", w) for w in words]), positions=places, ax=ax[0])
plots.draw_graph(nx.DiGraph([(w, "y") for w in words]), positions=places, ax=ax[1])
ax[0].set_title("generative")
ax[1].set_title("discriminative")
plots.curves(ax[2], torch.tensor(sizes), count)
ax[2].set(yscale="log", xlabel="features n", title="free parameters", xticks=[1, 5, 10, 15, 20])
plots.picture(
    fig,
    """Two graphs over a label y and words x: arrows from y to the words, and from
    the words to y. The first needs 2n+1 parameters, the second about 2 to the n.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** In one direction each word adds two numbers, in the other it doubles
# them. There are two ways out of the exponential, and the rest of the course is built on them:
# *drop parents* (graphical models), or keep all parents and replace the table by *a function with
# few parameters* (logistic, section 1.8; neural networks, section 1.11 and unit 02).

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The red/blue network
#
# Five variables, two states each, $p(x_5 \mid x_3)\, p(x_4 \mid x_2, x_3)\, p(x_3)\, p(x_2 \mid
# x_1)\, p(x_1)$. Observed nodes are shaded.

# %% slideshow={"slide_type": "subslide"}
red_blue = examples.red_blue_network()
fig, ax = plots.figure(1, 6, size=(13.5, 2.5), width_ratios=(2, 0.9, 0.9, 0.9, 1.1, 0.9))
plots.draw_graph(red_blue, positions=PLACES, observed=["x1", "x3", "x4"], ax=ax[0])
for a, v in zip(ax[1:], ("x1", "x2", "x3", "x4", "x5"), strict=True):
    cpd_table(a, red_blue, v)
plots.picture(fig, """The red/blue network: x1 to x2, x2 and x3 to x4, x3 to x5, with x1, x3 and x4
    observed, and its five tables.""")

# %% slideshow={"slide_type": "subslide"}
plots.number_table(["how one might count", "numbers"], [
    ["free parameters: 1 + 2 + 1 + 4 + 2", red_blue.num_parameters()],
    ["every entry of every table (each row holds one number too many)",
     sum(red_blue.cpd(v).numel() for v in red_blue.variables)],
    ["one a node (the parents are forgotten)", len(red_blue.variables)],
    ["a joint table", parameter_count.num_parameters_joint([2] * 5)],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Ten numbers, because $x_4$ has two parents ($2^2$ rows), $x_2$ and
# $x_5$ have one ($2$ rows each) and $x_1, x_3$ have none: $4 + 2 + 2 + 1 + 1$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The slides disagree: is 0 red or blue?
#
# One slide asks for $P(X_2, X_5 \mid X_1 = 0, X_3 = 1, X_4 = 1)$, but the tables speak of red and
# blue. Compute both readings. (The library takes 0 = red, the tables' order.)

# %% slideshow={"slide_type": "fragment"}
readings = {"0 = red": {"x1": 0, "x3": 1, "x4": 1}, "0 = blue": {"x1": 1, "x3": 0, "x4": 0}}
plots.number_table(
    ["reading", "P(x2 = red | ...)", "P(x5 = red | ...)"],
    [
        [name, red_blue.marginals(e)["x2"][0], red_blue.marginals(e)["x5"][0]]
        for name, e in readings.items()
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** By hand, with 0 = red: $p(x_2 \mid x_1 {=} r)\, p(x_4 {=} b \mid x_2,
# x_3 {=} b)$ is $0.7 \cdot 0.2$ for $x_2 = r$ and $0.3 \cdot 0.7$ for $x_2 = b$, so $P(x_2 {=} r
# \mid \cdot) = \frac{0.14}{0.14 + 0.21} = 0.4$. The other reading gives 0.4545. A posterior is
# only as good as the coding of its evidence: name the states.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Sampling under evidence
#
# Rejection (draw from the network, keep what agrees with the evidence) is right and wasteful: it
# keeps a share $P(\text{evidence})$. Exact posterior sampling wastes nothing.

# %% slideshow={"slide_type": "fragment"}
evidence = readings["0 = red"]
col = {v: i for i, v in enumerate(red_blue.variables)}
drawn = red_blue.sample(4000, generator=seeded(1))
kept = drawn[torch.stack([drawn[:, col[v]] == s for v, s in evidence.items()]).all(0)]
direct = red_blue.sample(4000, condition=evidence, generator=seeded(2))
pairs = ["r r", "r b", "b r", "b b"]


def pair_shares(rows):
    return (2 * rows[:, col["x2"]] + rows[:, col["x5"]]).bincount(minlength=4) / len(rows)


fig, ax = plots.figure(size=(6.4, 2.8))
plots.bars(ax, pairs, {
    "exact": red_blue.query(["x2", "x5"], evidence).values.flatten(),
    f"rejection ({len(kept)} of 4000 kept)": pair_shares(kept),
    "posterior sampling (4000 of 4000)": pair_shares(direct),
})
ax.set(ylim=(0, 0.55), xlabel="x2 x5", title="P(x2, x5 | x1 = red, x3 = blue, x4 = blue)")
plots.picture(fig, """Posterior of x2 and x5: exact probabilities, shares from rejection sampling,
    and shares from posterior sampling agree; rejection keeps a small part of its samples.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Both agree with the exact posterior. Rejection threw away nineteen
# samples of twenty for three observed variables; with thirty it would keep none.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The same graph with real-valued variables
#
# Tables give way to densities; graph and factorisation stay. With a **linear-Gaussian** CPD,
#
# $$x_2 \sim \mathcal N(x_1, \sigma_2), \quad x_4 \sim \mathcal N(x_2 + x_3, \sigma_4), \quad
# \dots \qquad x = Wx + S\varepsilon \;\Rightarrow\; x \sim \mathcal N\!\left(0,\; A
# A^\top\right),\; A = (I - W)^{-1} S,$$
#
# (here $\sigma$ is a standard deviation, and covariances are in the second slot of the joint).
# Everything has a closed form: with all $\sigma = 1$, $\mathrm{Var}(x_4) = \mathrm{Var}(x_2) +
# \mathrm{Var}(x_3) + 1 = 2 + 1 + 1 = 4$.

# %% slideshow={"slide_type": "subslide"}
gaussians = five_gaussians()
mean, covariance = gaussians.joint()
drawn = gaussians.sample(4000, generator=seeded(1))
fig, ax = plots.figure(1, 2, size=(8.4, 2.8))
plots.table(
    ax[0],
    covariance,
    rows=gaussians.variables,
    columns=gaussians.variables,
    title="exact covariance",
    form="{:.0f}",
)
plots.table(
    ax[1],
    drawn.T.cov(),
    rows=gaussians.variables,
    columns=gaussians.variables,
    title="covariance of 4000 samples",
)
plots.picture(
    fig,
    """The exact covariance of the five Gaussian variables and that of 4000 samples, nearly
    equal.""",
)


# %% slideshow={"slide_type": "subslide"}
def log_gaussian(query):  # contours of an exact two-dimensional posterior
    return lambda z: (
        torch.distributions.MultivariateNormal(query.mean, query.covariance).log_prob(z).exp()
    )


cases = {"nothing observed": {}, "x4 = 3 observed": {"x4": 3.0}}
fig, ax = plots.figure(1, 2, size=(8, 3.6), sharey=True)
i, j = gaussians.variables.index("x2"), gaussians.variables.index("x3")
for a, (title, e) in zip(ax, cases.items(), strict=True):
    points = gaussians.sample(600, condition=e, generator=seeded(2))[:, [i, j]]
    query = gaussians.query(["x2", "x3"], e)
    correlation = query.covariance[0, 1] / query.covariance.diagonal().prod().sqrt()
    a.scatter(*points.T, s=7, color=plots.ORANGE, lw=0)
    plots.contours(
        a, log_gaussian(query), x=(-4, 5), y=(-4, 5), levels=4, label=False, filled=False
    )
    a.set(title=f"{title}: correlation {float(correlation):.3f}", xlabel="x2")
ax[0].set_ylabel("x3")
plots.picture(
    fig,
    """Samples of x2 and x3 with exact contours. Unobserved x4: an upright cloud,
    correlation 0. With x4 = 3 observed: a cloud along a falling line, correlation -0.577.""",
)


# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $x_2$ and $x_3$ are independent until their common child is seen; then
# a large one explains the child, and the other need not be large. The next section gives the
# rule.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.4 d-separation: what a graph says about independence
#
# Evidence blocks a path, or opens it, depending on the middle node:
#
# | junction | nothing observed | middle observed |
# |---|---|---|
# | chain $a \to m \to b$ | open | **blocked** |
# | fork $a \leftarrow m \to b$ | open | **blocked** |
# | collider $a \to m \leftarrow b$ | **blocked** | open (also by a descendant of $m$) |
#
# $a$ and $b$ are **d-separated** by evidence if every path is blocked. Then $a \perp b \mid
# \text{evidence}$ for *every* choice of CPDs. Measure it: the dependence of $a$ and $b$ over
# random CPDs.

# %% slideshow={"slide_type": "subslide"}
def random_cpds(net, generator):
    """Return a net of the same graph with CPDs drawn uniformly."""
    cpds = {}
    for v in net.variables:
        noise = -torch.rand(net.cpd(v).shape, generator=generator, dtype=torch.float64).log()
        cpds[v] = (net.parents(v), noise / noise.sum(-1, keepdim=True))
    return gm.BayesNet(cpds)


def dependence(joint, a, b, given=()):
    """Return the conditional mutual information I(a; b | given) in nats of a joint table."""
    abc, ac, bc, c = (joint.marginal([*v, *given]) for v in ([a, b], [a], [b], []))
    ratio = (
        abc
        * gm.Factor(c.variables, c.values)
        * gm.Factor(ac.variables, 1 / ac.values)
        * gm.Factor(bc.variables, 1 / bc.values)
    )
    return float((abc.values * ratio.marginal(abc.variables).values.log()).sum())


junctions = {
    "chain": [("a", "m"), ("m", "b")],
    "fork": [("m", "a"), ("m", "b")],
    "collider": [("a", "m"), ("b", "m")],
}
fig, ax = plots.figure(2, 3, size=(9, 4.2), height_ratios=(1, 1.4))
for column, (name, edges) in zip(ax.T, junctions.items(), strict=True):
    graph = nx.DiGraph(edges)
    plots.draw_graph(graph, positions={"a": (0, 0), "m": (1.2, 0), "b": (2.4, 0)}, ax=column[0])
    column[0].set_title(name)
    shape = gm.BayesNet(
        {
            v: (tuple(graph.predecessors(v)), torch.full((2,) * (graph.in_degree(v) + 1), 0.5))
            for v in nx.topological_sort(graph)
        }
    )
    many = [random_cpds(shape, seeded(k)).joint() for k in range(100)]
    both = {given: [dependence(t, "a", "b", given) for t in many] for given in ((), ("m",))}
    for k, values in enumerate(both.values()):
        noise = torch.linspace(-0.2, 0.2, 100)
        column[1].scatter(
            k + noise,
            torch.tensor(values).clamp(1e-17),
            s=9,
            lw=0,
            color=(plots.BLUE, plots.ORANGE)[k],
            marker="os"[k],
        )
    column[1].set(yscale="log", ylim=(3e-18, 3), xlim=(-0.5, 1.5))
    column[1].set_xticks([0, 1], ["I(a; b)", "I(a; b | m)"])
ax[1, 0].set_ylabel("nats, 100 random nets")
plots.picture(
    fig,
    """Chain, fork and collider, and the mutual information of the end nodes over
    100 random networks. In chain and fork it is zero once the middle is observed; in the collider
    it is zero until the middle is observed.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Where the table says "blocked" the mutual information is zero up to
# rounding ($10^{-16}$ nats and less), where it says "open" it is positive: not for one lucky
# network, but for all 100.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The student network's independencies
#
# Against the chain rule that any distribution obeys, $p(d)\,p(i \mid d)\,p(g \mid i, d)\,p(s \mid
# i, d, g)\,p(l \mid g, d, i, s)$, the graph drops conditions, and so claims $D \perp I$, $\;S
# \perp \{D, G\} \mid I$, $\;L \perp \{I, D, S\} \mid G$. d-separation finds these, and others
# that follow.

# %% slideshow={"slide_type": "subslide"}
claims = [
    ("d", "i", ()),
    ("s", "d", ("i",)),
    ("s", "g", ("i",)),
    ("l", "i", ("g",)),
    ("l", "d", ("g",)),
    ("l", "s", ("g",)),
    ("d", "i", ("g",)),
    ("d", "i", ("l",)),
    ("s", "l", ()),
    ("d", "s", ("g", "i")),
]
random_students = [random_cpds(student, seeded(k)).joint() for k in range(30)]
plots.number_table(
    ["claim", "d-separated?", "largest I(a; b | given) over 30 random nets, nats"],
    [
        [
            f"{a} ⊥ {b}" + (f" | {', '.join(c)}" if c else ""),
            student.d_separated(a, b, given=c),
            f"{max(dependence(t, a, b, c) for t in random_students):.1e}",
        ]
        for a, b, c in claims
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** "True" goes with numbers at rounding error, "False" with numbers that
# are plainly not 0. Look at $d$ and $i$: independent, dependent given the grade, and *also* given
# only the letter, the grade's child.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Explaining away, in numbers
#
# In the red/blue network $x_2 \to x_4 \leftarrow x_3$ is a collider. How probable is $x_3 =
# \text{red}$?

# %% slideshow={"slide_type": "subslide"}
cases = {
    "nothing": {},
    "x2 = red": {"x2": 0},
    "x4 = red": {"x4": 0},
    "x4 = red,\nx2 = red": {"x4": 0, "x2": 0},
    "x4 = red,\nx2 = blue": {"x4": 0, "x2": 1},
}
fig, ax = plots.figure(size=(7, 2.9))
plots.bars(
    ax,
    list(cases),
    {"P": [float(red_blue.marginals(e)["x3"][0]) for e in cases.values()]},
    form="{:.4f}",
)
ax.set(ylim=(0, 0.9), ylabel="P(x3 = red | observed)")
plots.picture(
    fig,
    """P(x3 = red): 0.6 with nothing observed and with x2 observed; 0.5795 given x4
    = red; 0.4839 if also x2 is red; 0.7500 if x2 is blue.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $x_2$ alone says nothing about $x_3$ (0.6 stays 0.6). Once $x_4$ is
# seen, it does: 0.5795 becomes 0.4839 or 0.7500. By hand: $\frac{0.6 \cdot 0.5}{0.6 \cdot 0.5 +
# 0.4 \cdot 0.8} = \frac{0.30}{0.62} = 0.4839$ and $\frac{0.6 \cdot 0.6}{0.6 \cdot 0.6 + 0.4 \cdot
# 0.3} = \frac{0.36}{0.48} = 0.75$. If you got 0.5795 three times, you have ignored the collider.

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.evidence_explorer(examples.red_blue_network(), evidence={"x4": 0}, positions=PLACES)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Observe $x_4$, then change $x_2$ and watch $x_3$ *and* $x_5$. Then un-observe $x_4$ and change
# $x_2$ again.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.5 Markov models and language models
#
# A **Markov model of order $k$** lets each variable look at the $k$ before it:
#
# $$p(x_1, \dots, x_T) = \prod_t p(x_t \mid x_{t-k}, \dots, x_{t-1}), \qquad K^k (K-1) \text{
# numbers for one shared step.}$$
#
# Letters of English text: $K = 27$ (26 letters and the space). The text is what comes with
# scikit-learn's data sets.

# %% slideshow={"slide_type": "subslide"}
alphabet = " abcdefghijklmnopqrstuvwxyz"
described = ("breast_cancer", "wine", "diabetes", "digits", "iris", "linnerud")
text = " ".join(getattr(sklearn_datasets, f"load_{name}")().DESCR.lower() for name in described)
words = "".join(c if c in alphabet else " " for c in text).split()
letters = torch.tensor([alphabet.index(c) for c in " ".join(words)])
cut = len(letters) * 4 // 5
train_lines = letters[:cut].unfold(0, 50, 10)  # (lines, 50), a new line every 10 letters
test_lines = letters[cut:].unfold(0, 50, 50)
chains = {
    k: gm.MarkovChain.fit(train_lines, order=k, num_states=27, smoothing=0.05) for k in (1, 2, 3)
}
share = (letters[:cut].bincount(minlength=27) + 0.05) / (cut + 27 * 0.05)


def bits(order, x):
    log_p = share[x].log().sum(1) if order == 0 else chains[order].log_prob(x)
    return float(-log_p.mean() / 50 / math.log(2))


orders = [0, 1, 2, 3]
measured = {
    "training text": [bits(k, train_lines) for k in orders],
    "held-out text": [bits(k, test_lines) for k in orders],
}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(9.5, 2.9), width_ratios=(1.5, 1))
for y, k in enumerate((1, 2, 3)):
    steps = [f"x{i}" for i in range(1, 6)]
    graph = nx.DiGraph(
        [(steps[i], steps[j]) for i in range(5) for j in range(i + 1, min(i + k, 4) + 1)]
    )
    plots.draw_graph(graph, positions=plots.row(steps, y=-1.35 * y, spacing=1.25), ax=ax[0])
    ax[0].text(-1.6, -1.35 * y, f"order {k}", va="center", fontsize=9)
ax[0].set(xlim=(-1.7, 5.4), ylim=(-3.1, 0.7))
plots.curves(ax[1], torch.tensor(orders), measured, markers=True)
ax[1].set(
    xticks=orders, xlabel="order k", ylabel="bits per letter", title="what a longer memory buys"
)
plots.picture(
    fig,
    """Left: graphs of Markov models of order 1, 2 and 3. Right: bits per letter
    against the order, steeply down on the training text, slowly down on held-out text.""",
)

# %% slideshow={"slide_type": "fragment"}
rows = [
    [
        "0 (independent letters)",
        26,
        "".join(alphabet[c] for c in torch.multinomial(share, 50, True, generator=seeded(3))),
    ]
]
for k, model in chains.items():
    rows.append(
        [
            str(k),
            model.num_parameters(),
            "".join(alphabet[c] for c in model.sample(1, generator=seeded(3))[0]),
        ]
    )
plots.number_table(["order", "free parameters", "50 letters drawn from the model"], rows)


# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With every step of memory the samples look more like English and the
# training text gets cheaper, while the table grows 27-fold. On text that the model has not seen
# the gain is small. At order 3 the sample shows why: it writes words until it meets a context
# that never occurred, about which the table knows nothing, and from there on it is noise. *Why it
# matters:* a table cannot share what it learns between similar contexts. A network can.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### An RNN language model is a fully connected directed model
#
# $$p(w_1, \dots, w_5) = p(w_1)\, p(w_2 \mid w_1) \cdots p(w_5 \mid w_1, \dots, w_4)$$
#
# The recurrent state is a deterministic function of all words so far, so the graph over the words
# has every edge. Not an assumption of independence but *shared parameters* make it affordable.
# **The slide says** (in another deck) that autoregressive models use conditional independence.
# Compute it: does $w_5$ still depend on $w_1$?

# %% slideshow={"slide_type": "subslide"}
class TinyRNN(torch.nn.Module):
    """h_t = tanh(U h_(t-1) + E[w_t]),  p(w_(t+1) | w_1 .. w_t) = softmax(V h_t)."""

    def __init__(self, vocabulary=3, hidden=8):
        super().__init__()
        self.U, self.V = torch.nn.Linear(hidden, hidden), torch.nn.Linear(hidden, vocabulary)
        self.E = torch.nn.Embedding(vocabulary + 1, hidden)  # one more for "start"

    def log_conditionals(self, w):  # (B, T) -> (B, T, V)
        start = torch.full_like(w[:, :1], self.V.out_features)
        h, out = torch.zeros(len(w), self.U.in_features), []
        for t in torch.cat([start, w[:, :-1]], 1).T:
            h = torch.tanh(self.U(h) + self.E(t))
            out.append(self.V(h).log_softmax(-1))
        return torch.stack(out, 1)


torch.manual_seed(0)
rnn = TinyRNN()
sentences = torch.tensor(list(itertools.product(range(3), repeat=5)))  # all 243
with torch.no_grad():
    log_conditionals = rnn.log_conditionals(sentences)
p = log_conditionals.gather(2, sentences[:, :, None])[:, :, 0].sum(1).exp()
last = log_conditionals[:, 4].exp().reshape(3, 3, 3, 3, 3, 3)[:, :, :, :, 0]  # p(w5 | w1..w4)
moved = [float((last.amax(i) - last.amin(i)).max()) for i in range(4)]

names5 = [f"w{i}" for i in range(1, 6)]
complete = nx.DiGraph([(a, b) for i, a in enumerate(names5) for b in names5[i + 1:]])
plots.draw_graph(complete, positions=plots.row(names5, spacing=1.3))

# %% slideshow={"slide_type": "fragment"}
plots.number_table(
    ["", "value"],
    [
        ["sum of p over all 243 sentences (chain rule)", f"{float(p.double().sum()):.6f}"],
        ["edges of the graph, of 10 possible", complete.number_of_edges()],
        *[
            [f"largest change of p(w5 | ...) when only w{i + 1} changes", change]
            for i, change in enumerate(moved)
        ],
        ["parameters of tables for this graph, 3 words", 3**5 - 1],
        ["parameters of the RNN, 3 words", sum(q.numel() for q in rnn.parameters())],
        ["tables for 20 words of a vocabulary of 10 000", "about 10^80"],
        ["this RNN, any length, 10 000 words", 8 * 9 + 10_000 * 9 + 10_001 * 8],
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The probabilities sum to 1 though nobody normalised the whole: each
# conditional is normalised, and that is enough. Every earlier word moves $p(w_5 \mid \cdot)$: no
# independence is assumed. The influence fades with distance (the numbers grow towards $w_4$)
# because these weights make it fade, not because the graph says so.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.6 Undirected models and factor graphs
#
# Not every relation has a direction. A **factor graph** has circles for variables and squares for
# **factors** (potentials) $\psi_\alpha \ge 0$, local opinions about the variables they touch:
#
# $$p(x) = \frac1Z \prod_\alpha \psi_\alpha(x_\alpha), \qquad Z = \sum_x \prod_\alpha
# \psi_\alpha(x_\alpha).$$
#
# The lunch: two foods, an opinion about each, and one about the pair (nobody wants tuna with ice
# cream).

# %% slideshow={"slide_type": "subslide"}
lunch = examples.lunch_graph()
first, second = lunch.variables
foods = list(lunch.states[first])
short = [f.replace("peanut butter", "p. butter") for f in foods]
one, two, pair = (
    next(f for f in lunch.factors() if set(f.variables) == v)
    for v in ({first}, {second}, {first, second})
)
pair = pair.marginal([first, second])  # rows: the first food

fig, ax = plots.figure(1, 4, size=(13, 2.3), width_ratios=(1.2, 1.3, 1.3, 1.6))
plots.draw_graph(
    lunch,
    positions={v: (2 * i, 0) for i, v in enumerate((first, second))}
    | {
        name: (
            sum(2.0 * (first, second).index(v) for v in f.variables) / len(f.variables),
            0 if len(f.variables) == 2 else 0.9,
        )
        for name, f in zip(lunch.factor_names, lunch.factors(), strict=True)
    },
    ax=ax[0],
)
plots.table(
    ax[1], one.values, rows=[f"ψ({first})"], columns=short, form="{:g}", title="the first food"
)
plots.table(
    ax[2], two.values, rows=[f"ψ({second})"], columns=short, form="{:g}", title="the second food"
)
plots.table(
    ax[3], pair.values, rows=short, columns=short, form="{:g}", title=f"the pair ({first} in rows)"
)
for a in ax[1:]:
    a.tick_params(axis="x", labelsize=7)
plots.picture(
    fig,
    """The lunch factor graph: two variables, a factor on each and one between them,
    with the three tables of potentials.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# $P(\text{tuna}, \text{ice cream}) = \frac1Z\, (6 \cdot 7 \cdot 0.1)$. With the four foods that
# the slide shows, $Z$ is a sum of 16 products.

# %% slideshow={"slide_type": "subslide"}
scores = one.values[:, None] * two.values * pair.values  # (4, 4)
Z = scores.sum()
tuna, ice = foods.index("tuna"), foods.index("ice cream")
local = (one.values / one.values.sum())[:, None] * (
    scores / scores.sum(1, keepdim=True)
)  # p(a) p(b | a)
no_pair = (one.values / one.values.sum())[:, None] * (two.values / two.values.sum())
plots.number_table(
    ["P(tuna, ice cream)", "value", "which"],
    [
        ["4.2 / Z", scores[tuna, ice] / Z, f"right; Z = {float(Z):.2f}"],
        ["the library", lunch.query([first, second]).values[tuna, ice], "right"],
        ["4.2", scores[tuna, ice], "not divided by Z: no probability"],
        ["locally normalised", local[tuna, ice], "each step made to sum to 1 by itself"],
        ["pair factor forgotten", no_pair[tuna, ice], "as if the foods were independent"],
    ],
    digits=6,
)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Local and global normalisation
#
# A Bayesian network normalises *locally*: every factor sums to 1 over its child, hence $Z = 1$. A
# factor graph normalises *globally*, by one $Z$. With the same numbers they are different models:
# locally, the first food is chosen without looking at what it will go with.
#
# **The slide says** that one divides because $Z > 1$. Any $Z \neq 1$ needs it; potentials have no
# scale. Multiply all by a constant:

# %% slideshow={"slide_type": "subslide"}
rows = []
for scale in (1.0, 0.1, 0.001):
    graph = gm.FactorGraph([gm.Factor(f.variables, scale * f.values) for f in lunch.factors()])
    rows.append(
        [
            f"all potentials times {scale:g}",
            f"{float(graph.log_partition().exp()):.4g}",
            graph.query([first, second]).values[tuna, ice],
        ]
    )
rows.append(
    [
        "a Bayesian network (red/blue) as a factor graph",
        f"{float(gm.FactorGraph.from_bayes_net(red_blue).log_partition().exp()):.4g}",
        "-",
    ]
)
fig, ax = plots.figure(size=(6.5, 2.6))
plots.bars(
    ax,
    short,
    {
        "global: what goes together counts": scores.sum(1) / Z,
        "local: first food by its own factor": one.values / one.values.sum(),
    },
    form="{:.3f}",
)
ax.set(ylim=(0, 0.75), title=f"p({first})")
plots.picture(
    fig,
    """The distribution of the first food under global and local normalisation:
    locally tuna leads with 0.496, globally peanut butter with 0.671.""",
)

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["model", "Z", "P(tuna, ice cream)"], rows, digits=6)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $Z$ moves by nine orders of magnitude and no probability moves at all.
# And locally tuna is the favourite (its own opinion is highest), while globally it loses: it gets
# along with nothing. *Why it matters:* language models are normalised locally, energy-based
# models globally; their temperatures and their costs differ for this reason.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Three pictures of one distribution
#
# Directed graph, undirected graph (parents of a common child are **married**: their CPD touches
# all of them), and factor graph.

# %% slideshow={"slide_type": "subslide"}
as_factors = gm.FactorGraph.from_bayes_net(red_blue)
married = nx.Graph(
    [pair for f in as_factors.factors() for pair in itertools.combinations(f.variables, 2)]
)
fig, ax = plots.figure(1, 3, size=(12.5, 3.2), width_ratios=(1, 1, 1.8))
plots.draw_graph(red_blue, positions=PLACES, ax=ax[0])
plots.draw_graph(married, positions=PLACES, ax=ax[1])
plots.draw_graph(as_factors, positions=FACTOR_PLACES, ax=ax[2])
for a, title in zip(ax, ("directed", "undirected", "factor graph"), strict=True):
    a.set_title(title)
plots.picture(
    fig,
    """The red/blue network as a directed graph, as an undirected graph in which x2
    and x3 are joined, and as a factor graph with five factors.""",
)

# %% slideshow={"slide_type": "fragment"}
everything = torch.tensor(list(itertools.product((0, 1), repeat=5)))
gap = (red_blue.log_prob(everything) - as_factors.log_prob(
    everything[:, [red_blue.variables.index(v) for v in as_factors.variables]])).abs().max()
plots.number_table(["", ""], [
    ["largest difference of log p over all 32 states", f"{float(gap):.0e}"],
    ["x2 ⊥ x3 in the directed graph", red_blue.d_separated("x2", "x3")],
    ["x2 and x3 separated in the undirected graph", not married.has_edge("x2", "x3")],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The numbers are the same in all three, the *graph* says less after
# marrying: that $x_2 \perp x_3$ (until $x_4$ is seen) can no longer be read off. Conversely, a
# square of four undirected edges has no directed equal.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.7 Inference: three tasks
#
# | task | formula | hardness in general |
# |---|---|---|
# | marginals, of variables and of cliques | $p(x_C) = \sum_{x' : x'_C = x_C} p(x')$ | #P-hard |
# | partition function | $Z = \sum_x \prod_\alpha \psi_\alpha(x_\alpha)$ | #P-hard |
# | MAP | $\hat x = \operatorname{argmax}_x\, p(x)$ | NP-hard |
#
# For five binary variables (or two foods) brute force will do: write down all states.

# %% slideshow={"slide_type": "subslide"}
table = as_factors.joint()  # all 32 states
clique = table.marginal(["x2", "x3"])
lunch_sum = math.exp(float(lunch.log_partition()))
plots.number_table(
    ["task", "all states written down", "the library, by elimination"],
    [
        ["marginal of a variable: P(x4 = red)", table.marginal("x4").values[0],
         as_factors.marginals()["x4"][0]],
        ["marginal of a clique: P(x2 = red, x3 = red)", clique.values[0, 0],
         as_factors.query(["x2", "x3"]).values[0, 0]],
        ["Z of the lunch", scores.sum(), lunch_sum],
        ["MAP: its probability", table.values.max(), table[as_factors.map()]],
    ],
)

# %% slideshow={"slide_type": "subslide"}
best = table.argmax()
alone = {v: int(p.argmax()) for v, p in as_factors.marginals().items()}
order = sorted(best)


def spell(assignment):
    return ", ".join("red" if assignment[v] == 0 else "blue" for v in order)


plots.number_table(["assignment to x1 .. x5", "probability", "what it is"], [
    [spell(best), table[best], "MAP: the most probable state of all five together"],
    [spell(alone), table[alone], "each variable's own favourite"],
])


# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** They differ. The best state of the whole is not made of everybody's
# best: maximising and summing do not commute. *Why it matters:* greedy decoding of a language
# model makes the second choice one word at a time.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Brute force, elimination, message passing
#
# Sums distribute over products: on a chain, $\sum_{x_1} \sum_{x_2} \sum_{x_3} f(x_1, x_2)\,
# g(x_2, x_3) = \sum_{x_3} \sum_{x_2} g(x_2, x_3) \sum_{x_1} f(x_1, x_2)$. **Variable
# elimination** pushes each sum as far in as it goes; brute force builds the whole table. All
# marginals of a binary chain of $n$ variables: brute force costs $n\,2^n$, one elimination for
# each variable $4n^2$, belief propagation $8n$.

# %% slideshow={"slide_type": "subslide"}
def seconds(job, net, repeat=3):
    best = math.inf
    for _ in range(repeat):
        start = time.perf_counter()
        job(net)
        best = min(best, time.perf_counter() - start)
    return best


def brute_force(net):
    whole = net.joint()
    return {v: whole.marginal([v]).values for v in net.variables}


lengths = {
    "brute force": [4, 8, 12, 16, 18],
    "elimination": [4, 8, 16, 32],
    "belief propagation": [4, 8, 16, 32, 64],
}
jobs = {
    "brute force": brute_force,
    "elimination": lambda net: {
        v: gm.variable_elimination(net.factors(), [v]).values for v in net.variables
    },
    "belief propagation": lambda net: (
        belief_propagation(gm.FactorGraph.from_bayes_net(net)).marginals
    ),
}
fig, ax = plots.figure(size=(6.4, 3.1))
for k, (name, job) in enumerate(jobs.items()):
    nets = [examples.random_chain(n, cardinality=2, seed=0) for n in lengths[name]]
    plots.curves(
        ax,
        torch.tensor(lengths[name]),
        {name: [seconds(job, net) for net in nets]},
        markers=True,
        first=k,
    )
ax.set(
    yscale="log",
    xlabel="variables in the chain",
    ylabel="seconds, all marginals",
    xticks=[4, 8, 16, 32, 64],
)
plots.picture(
    fig,
    """Time for all marginals of a binary chain. Brute force shoots up; elimination
    and belief propagation grow slowly and reach chains of 32 and 64 variables.""",
)


# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Brute force is a line on a logarithmic axis (each variable doubles it)
# once the overhead is left behind. The other two bend over. With 784 pixels, only they would
# finish.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The order of elimination matters
#
# Eliminating a variable joins all factors that touch it into one table over its neighbours. In a
# star, taking the hub first joins all leaves; taking leaves first never makes more than a pair.
# The best order is NP-hard to find; **min-fill** (eliminate the variable that adds the fewest new
# edges) is the usual heuristic.

# %% slideshow={"slide_type": "fragment"}
def largest_table(factors, order):
    """Return the number of entries of the largest table that this order of elimination builds."""
    states = {v: k for f in factors for v, k in f.cardinalities.items()}
    scopes, largest = [set(f.variables) for f in factors], 0
    for v in order:
        joined = set().union(*(s for s in scopes if v in s))
        largest = max(largest, math.prod(states[u] for u in joined))
        scopes = [s for s in scopes if v not in s] + [joined - {v}]
    return largest


def pairwise(edges, generator):
    return [
        gm.Factor(e, torch.rand(2, 2, generator=generator, dtype=torch.float64) + 0.1)
        for e in edges
    ]


star = pairwise([("hub", f"leaf{i:02d}") for i in range(20)], seeded(1))
leaves = [f"leaf{i:02d}" for i in range(20)]
side = 6
grid_graph = nx.grid_2d_graph(side, side)
name = {p: f"x{p[0]}{p[1]}" for p in grid_graph}
grid = pairwise([(name[a], name[b]) for a, b in grid_graph.edges], seeded(2))
shuffled = [sorted(name.values())[i] for i in torch.randperm(side * side, generator=seeded(3))]
plots.number_table(
    ["model", "order", "largest table"],
    [
        ["star with 20 leaves", "hub first", largest_table(star, ["hub", *leaves])],
        ["star with 20 leaves", "leaves first", largest_table(star, [*leaves, "hub"])],
        ["6 × 6 grid", "at random", largest_table(grid, shuffled)],
        ["6 × 6 grid", "row by row", largest_table(grid, sorted(name.values()))],
        [
            "6 × 6 grid",
            "min-fill",
            largest_table(grid, gm.elimination_order(grid, [], heuristic="min-fill")),
        ],
        ["6 × 6 grid", "(brute force)", 2 ** (side * side)],
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The same star costs 4 entries or two million. A grid of side $s$ needs
# about $2^s$ in any order: min-fill finds such an order by itself, a random order is far from it.
# That exponent is the graph's *treewidth*: trees are cheap, grids are not.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Belief propagation, one message at a time
#
# On a tree, all marginals at once: each node sends each neighbour what it knows *from the
# others*.
#
# $$\mu_{x \to f}(x) = \prod_{g \ni x,\, g \neq f} \mu_{g \to x}(x), \qquad \mu_{f \to x}(x) =
# \sum_{x_f \setminus x} \psi_f(x_f) \prod_{y \in f,\, y \neq x} \mu_{y \to f}(y), \qquad p(x)
# \propto \prod_{f \ni x} \mu_{f \to x}(x).$$
#
# A node may send as soon as it has heard from all its other neighbours, so the leaves begin. Here
# for the red/blue network with $x_4 = $ red observed: its factor keeps only the row for red.
# Messages are (red, blue), as computed by hand, not scaled.

# %% slideshow={"slide_type": "subslide"}
net = examples.red_blue_network()
graph = gm.FactorGraph.from_bayes_net(net)
result = belief_propagation(graph, evidence={"x4": 0})
steps = sorted({m.step for m in result.messages})
short = dict(zip(graph.factor_names, ("1", "2|1", "3", "4|2,3", "5|3"), strict=True))
fig, ax = plots.figure(4, 2, size=(11, 12))
for a, step in zip(ax.flat[:-1], steps, strict=True):
    plots.draw_messages(
        graph,
        result.messages,
        step=step,
        observed={"x4": "red"},
        labels=short,
        positions=FACTOR_PLACES,
        ax=a,
    )
    a.set_title(f"step {step}")
red = {v: float(result.marginals[v][0]) for v in sorted(result.marginals)}
plots.bars(ax.flat[-1], list(red), {"P(red | x4 = red)": list(red.values())}, form="{:.4f}")
ax.flat[-1].set(title="products of what arrived: P(red | x4 = red)", ylim=(0, 1.15))
plots.picture(
    fig,
    """Seven steps of belief propagation on the red/blue factor graph: messages
    start at the leaves, meet in the middle, and return to the leaves. Last, the marginals: P(x3 =
    red | x4 = red) = 0.5795.""",
)

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
net = examples.red_blue_network()
graph = gm.FactorGraph.from_bayes_net(net)
result = belief_propagation(graph, evidence={"x4": 0})
widgets.message_explorer(graph, result.messages, observed={"x4": "red"}, positions=FACTOR_PLACES)

# %% slideshow={"slide_type": "subslide"}
exact = net.marginals({"x4": 0})
plots.number_table(
    ["variable", "belief propagation: P(red)", "enumeration: P(red)"],
    [[v, result.marginals[v][0], exact[v][0]] for v in ("x1", "x2", "x3", "x5")]
    + [
        [
            "P(x4 = red), from the messages",
            result.log_partition.exp(),
            net.log_partition({"x4": 0}).exp(),
        ]
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Two messages an edge, one in each direction, and every marginal is
# there, exact: 0.5795 for $x_3$ again. The cost is linear in the number of edges. Replace the sum
# by a maximum and the same messages find the MAP state.

# %% slideshow={"slide_type": "fragment"}
highest = belief_propagation(graph, semiring="max")
plots.number_table(["max-product", "probability of it", "sum-product, then each argmax"],
                   [[spell(highest.assignment), highest.log_partition.exp(), spell(alone)]])


# %% [markdown] slideshow={"slide_type": "slide"}
# ### Loopy belief propagation, going wrong on purpose
#
# Run the same messages on a graph with a cycle. A message comes back to its sender as if it were
# news: evidence is counted again and again. Four variables in a ring that like to agree ($\psi =
# e^{J}$ if equal, $e^{-J}$ if not), with a slight preference for 1 at one of them.

# %% slideshow={"slide_type": "subslide"}
def ring(coupling, field=0.15, size=4, extra=()):
    J, h = math.exp(coupling), math.exp(field)
    edges = [(f"x{i}", f"x{(i + 1) % size}") for i in range(size)] + list(extra)
    return gm.FactorGraph(
        [gm.Factor(["x0"], [1 / h, h])] + [gm.Factor(e, [[J, 1 / J], [1 / J, J]]) for e in edges]
    )


couplings = torch.linspace(0, 2, 11)
loopy, right = [], []
for J in couplings:
    graph = ring(float(J))
    loopy.append(belief_propagation(graph, max_iterations=500, tolerance=1e-6).marginals["x2"][1])
    right.append(graph.marginals()["x2"][1])

# every pair of five variables wants to differ: it cannot be done
frustrated = ring(-0.6, size=5, extra=[(f"x{i}", f"x{(i + 2) % 5}") for i in range(5)])
residuals = {
    f"damping {d:g}": belief_propagation(frustrated, max_iterations=60, damping=d, tolerance=1e-6)
    for d in (0.0, 0.5)
}

fig, ax = plots.figure(1, 3, size=(11.5, 3), width_ratios=(1, 1.3, 1.3))
plots.draw_graph(
    nx.cycle_graph([f"x{i}" for i in range(4)]),
    positions={"x0": (0, 0), "x1": (1.3, 0), "x2": (1.3, -1.3), "x3": (0, -1.3)},
    ax=ax[0],
)
plots.curves(
    ax[1], couplings, {"loopy": torch.stack(loopy), "exact": torch.stack(right)}, markers=True
)
ax[1].set(xlabel="coupling J", title="P(x2 = 1): overconfident")
for k, (name, r) in enumerate(residuals.items()):
    plots.curves(ax[2], torch.arange(1, len(r.residuals) + 1), {name: r.residuals}, first=k)
ax[2].set(yscale="log", xlabel="iteration", title="largest change of a message")
plots.picture(
    fig,
    """A ring of four variables; the loopy marginal of x2 rises far above the exact
    one as the coupling grows; on a frustrated graph the messages keep changing without damping and
    settle with damping.""",
)

# %% slideshow={"slide_type": "fragment"}
plots.number_table(
    [
        "frustrated graph",
        "converged",
        "iterations",
        "largest error of a marginal",
        "log Z (Bethe)",
        "log Z",
    ],
    [
        [
            name,
            r.converged,
            r.iterations,
            max(
                float((r.marginals[v] - p).abs().max()) for v, p in frustrated.marginals().items()
            ),
            r.log_partition,
            frustrated.log_partition(),
        ]
        for name, r in residuals.items()
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** For weak coupling loopy BP is fine. For strong coupling it is nearly
# certain where the truth is still undecided. On the frustrated graph it does not even settle;
# **damping** (send a mix of the old and the new message) makes it settle. Settled is not right:
# always read the convergence report, and trust neither marginals nor $\log Z$ blindly.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.8 Naive Bayes and logistic regression
#
# Two ways to a classifier $p(y \mid x)$:
#
# - **generative**: model $p(y)$ and $p(x \mid y)$, then Bayes' rule. **Naive Bayes** assumes $x_i
#   \perp x_j \mid y$: $$p(y \mid x) = \frac{p(y) \prod_i p(x_i \mid y)}{\sum_{y'} p(y') \prod_i
#   p(x_i \mid y')}.$$
# - **discriminative**: model $p(y \mid x)$ alone. **Logistic regression**: $p(y{=}1 \mid x) =
#   \sigma(\alpha_0 + \sum_i \alpha_i x_i)$, with $\sigma(z) = 1 / (1 + e^{-z})$.
#
# Naive Bayes learns by counting, with $l$ imaginary examples of each value:
#
# $$\hat p(x_i = 1 \mid y = b) = \frac{\#\{x_i = 1, y = b\} + l}{\#\{y = b\} + 2l}, \qquad \hat
# p(y = b) = \frac{\#\{y = b\}}{\#\text{all}}.$$
#
# Three of four spam mails hold a word, $l = 1$: $\frac{3+1}{4+2} = 0.6667$ (not $\frac{3+1}{4+1}
# = 0.8$: there are two values, so $2l$).
#
# **The slide says** that a generative classifier models "$P(X \mid Y), P(X)$". It is $P(X \mid
# Y)$ and $P(Y)$; $P(X)$ follows from these two, and without $P(Y)$ there is no Bayes' rule.

# %% slideshow={"slide_type": "subslide"}
mails = torch.tensor([[1, 1], [1, 0], [1, 0], [0, 0], [0, 1], [0, 0], [1, 1], [0, 1]])
spam = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0])
plots.number_table(
    ["smoothing l", "p(word 1 | spam)", "p(word 1 | ham)"],
    [
        [l, *gm.NaiveBayes(2, smoothing=l).fit(mails, spam).probability[:, 0].flip(0)]
        for l in (0, 1, 10)  # noqa: E741
    ],
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Bernoulli naive Bayes is linear
#
# $$\log \frac{p(y{=}1 \mid x)}{p(y{=}0 \mid x)} = \log\frac{\pi_1}{\pi_0} + \sum_i \log\frac{1 -
# p_{i1}}{1 - p_{i0}} + \sum_i x_i \log \frac{p_{i1} (1 - p_{i0})}{p_{i0} (1 - p_{i1})}$$
#
# with $p_{ik} = p(x_i = 1 \mid y = k)$. Both classifiers draw a plane; they differ in how they
# choose it. Malignant or benign, from 30 measurements that are cut at their medians:

# %% slideshow={"slide_type": "subslide"}
cancer = data.tabular("breast_cancer")
features, malignant = cancer.x.double(), 1 - cancer.y
high = (features > features.median(0).values).double()  # (569, 30) of 0 and 1
order = torch.randperm(len(high), generator=seeded(1))
fit_rows, test_rows = order[:400], order[400:]
naive = gm.NaiveBayes(30).fit(high[fit_rows], malignant[fit_rows])
logistic = gm.LogisticRegression(30, l2=1.0).fit(high[fit_rows], malignant[fit_rows])
b, w = naive.log_odds_weights()
gap = (torch.sigmoid(b + high @ w) - naive.predict_proba(high)[:, 1]).abs().max()

fig, ax = plots.figure(size=(9, 2.8))
plots.bars(
    ax, [str(i) for i in range(30)], {"naive Bayes": w, "logistic regression": logistic.weight[0]}
)
ax.set(xlabel="feature", title="weights of the two planes")
ax.axhline(0, color="black", lw=0.8)
plots.picture(
    fig,
    """Weights of naive Bayes and logistic regression for thirty features: those of
    naive Bayes are nearly all positive, up to 4.6; those of logistic regression are smaller and of
    both signs.""",
)


# %% slideshow={"slide_type": "fragment"}
def report(model):
    p = model.predict_proba(high[test_rows])[:, 1].detach()
    y = malignant[test_rows]
    wrong = float(((p > 0.5) != (y == 1)).double().mean())
    return [
        f"{wrong:.1%}",
        float(
            -densities.log_bernoulli(y[:, None], p.clamp(1e-12, 1 - 1e-12).logit()[:, None]).mean()
        ),
        f"{float(((p < 0.01) | (p > 0.99)).double().mean()):.0%}",
    ]


plots.number_table(
    ["model", "test error", "test log loss, nats", "more than 99 % sure"],
    [
        ["naive Bayes", *report(naive)],
        ["logistic regression", *report(logistic)],
    ],
    caption=f"Bayes' rule and the plane b + w·x agree to {float(gap):.0e}",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Naive Bayes gives every feature its full weight; logistic regression
# shares the weight among features that say the same (radius, perimeter, area). Naive Bayes is
# certain far too often, and pays for it in log loss.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The evidence counted twice
#
# The words "bank" and "account" always come together: $x_1 = x_2$. With $p(\text{word} \mid
# \text{spam}) = 0.8$, $p(\text{word} \mid \text{ham}) = 0.2$ and prior $\tfrac12$:
#
# $$\text{right: } \frac{0.8}{0.8 + 0.2} = 0.8, \qquad \text{naive Bayes: } \frac{0.8^2}{0.8^2 +
# 0.2^2} = \frac{0.64}{0.68} = 0.9412.$$

# %% slideshow={"slide_type": "subslide"}
truth = examples_spam = gm.BayesNet(
    {
        "spam": ((), [0.5, 0.5]),
        "bank": (("spam",), [[0.8, 0.2], [0.2, 0.8]]),
        "account": (("bank",), [[1.0, 0.0], [0.0, 1.0]]),
    }
)
drawn = truth.sample(20_000, generator=seeded(1))
spam, both = drawn[:, 0], drawn[:, 1:].double()
seen = torch.ones(1, 2, dtype=torch.float64)
rows = [["exact", truth.marginals({"bank": 1, "account": 1})["spam"][1], "-", "-", "-"]]
model = gm.NaiveBayes(2, smoothing=0).fit(both, spam)
rows.append(
    [
        "naive Bayes",
        model.predict_proba(seen)[0, 1],
        *model.log_odds_weights()[1],
        model.log_odds_weights()[1].sum(),
    ]
)
for l2 in (1e-6, 1.0, 100.0):
    model = gm.LogisticRegression(2, l2=l2).fit(both, spam)
    rows.append(
        [
            f"logistic regression, l2 = {l2:g}",
            model.predict_proba(seen)[0, 1].detach(),
            *model.weight[0].detach(),
            model.weight[0].sum().detach(),
        ]
    )
plots.number_table(["model", "P(spam | bank, account)", "α₁", "α₂", "α₁ + α₂"], rows)


# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The slide says: logistic regression sets $\alpha_1 = 0$ or $\alpha_2 = 0$
#
# It does not. With $x_1 = x_2$ only the sum $\alpha_1 + \alpha_2$ enters the likelihood: every
# split is equally good, and where plain gradient ascent ends depends on where it starts. Compute
# it, and add a little L2 penalty ($\alpha_1^2 + \alpha_2^2$ at fixed sum is smallest at equal
# shares); an L1 penalty leaves open all splits with equal signs.

# %% slideshow={"slide_type": "fragment"}
def ascend(start, l2):
    alpha = torch.tensor([0.0, *start], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([alpha], max_iter=500, tolerance_grad=1e-9,
                                  tolerance_change=0, line_search_fn="strong_wolfe")

    def log_loss():
        logits = alpha[0] + both @ alpha[1:]
        return -densities.log_bernoulli(spam[:, None], logits[:, None]).mean()

    def closure():
        optimiser.zero_grad()
        objective = log_loss() + l2 * alpha[1:].square().sum()
        objective.backward()
        return objective

    optimiser.step(closure)
    return [*alpha[1:].detach(), alpha[1:].sum().detach(), log_loss().detach()]


plots.number_table(["start, penalty", "α₁", "α₂", "α₁ + α₂", "loss, nats"], [
    [f"{start}, l2 = {l2:g}", *ascend(start, l2)]
    for l2 in (0.0, 1e-4) for start in ((0.0, 0.0), (3.0, 0.0), (0.0, 3.0), (-2.0, 5.0))
])

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.duplicated_evidence_explorer()

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Logistic regression finds 0.8 whatever the split. Naive Bayes climbs
# with every copy: with ten copies it is certain. A *wrong* word is amplified just as much: make
# the word more frequent in ham and watch.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### But the generative model can do without features
#
# Not every feature is always observed. Naive Bayes sums the missing ones out, and because of the
# product form that means leaving their factors away: $p(y \mid x_S) \propto p(y) \prod_{i \in S}
# p(x_i \mid y)$. Logistic regression has no $p(x)$ to sum with; one has to invent a value.

# %% slideshow={"slide_type": "subslide"}
shares = [0.0, 0.2, 0.4, 0.6, 0.8, 0.9]
errors = {
    "naive Bayes, summed out": [],
    "logistic, missing = 0": [],
    "logistic, missing = mean": [],
}
y = malignant[test_rows]
mean = high[fit_rows].mean(0)
for share in shares:
    wrong = {k: [] for k in errors}
    for k in range(20):
        x = high[test_rows]
        seen = torch.rand(x.shape, generator=seeded(k)) >= share
        guesses = (
            naive.predict_proba(x, observed=seen),
            logistic.predict_proba(torch.where(seen, x, 0.0)),
            logistic.predict_proba(torch.where(seen, x, mean)),
        )
        for name, p in zip(errors, guesses, strict=True):
            wrong[name].append(float((p.argmax(1) != y).double().mean()))
    for name, values in wrong.items():
        errors[name].append(sum(values) / len(values))
fig, ax = plots.figure(size=(6, 3))
plots.curves(ax, torch.tensor(shares), errors, markers=True)
ax.set(xlabel="share of features not observed", ylabel="test error", ylim=(0, 0.42))
plots.picture(
    fig,
    """Test error against the share of missing features: naive Bayes stays below 15
    percent up to 80 percent missing; logistic regression with zeros filled in rises to 40 percent,
    with means filled in it stays between until 80 percent.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Naive Bayes hardly notices; the logistic regression with made-up zeros
# falls apart. *Why it matters:* a model of $p(x)$ answers questions that nobody had in mind when
# it was trained. In-painting and super-resolution later are the same sum.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The logistic plane
#
# $p = \sigma(\alpha_0 + \alpha \cdot x)$ depends on $x$ only through $\alpha \cdot x$. So all
# contours are straight lines across $\alpha$, the boundary $p = \tfrac12$ is one of them, and the
# slope is
#
# $$\nabla_x\, p = p\,(1 - p)\,\alpha, \qquad \text{steepest on the boundary: } \tfrac14
# \|\alpha\|.$$

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.logistic_explorer()

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Contours crowd together at the boundary, at equal distances for $p$ and
# $1-p$. Longer $\alpha$: steeper; other $\alpha_0$: the boundary moves; other direction of
# $\alpha$: it turns.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### $K$ classes, with a reference class
#
# $$p(y = k \mid x) = \frac{e^{z_k}}{1 + \sum_{j<K} e^{z_j}}, \quad k < K, \qquad p(y = K \mid x)
# = \frac{1}{1 + \sum_{j<K} e^{z_j}}, \qquad z_k = w_{k0} + w_k \cdot x.$$
#
# That is a softmax with $z_K = 0$: adding the same function to all $z_k$ changes nothing, so one
# class may be fixed. **The slides disagree** about the sign: one writes $1/(1 + e^{w_0 + w \cdot
# x})$ for $P(Y{=}1 \mid x)$, another $1/(1 + e^{-\alpha \cdot x - \theta})$. They are the same
# function with all signs turned; mix them up and every answer turns into its opposite.

# %% slideshow={"slide_type": "subslide"}
iris = data.tabular("iris")
petals, species = iris.x[:, 2:].double(), iris.y
three = gm.LogisticRegression(2, 3, l2=0.1).fit(petals, species)
fig, ax = plots.figure(size=(5.6, 3.4))
for k, level in enumerate(("#0072B2", "#E69F00", "#000000")):
    p = three.predict_proba(
        torch.cartesian_prod(torch.linspace(0, 3, 80), torch.linspace(0, 7.5, 80)).flip(1).double()
    )
    ax.contour(
        torch.linspace(0, 7.5, 80),
        torch.linspace(0, 3, 80),
        p[:, k].detach().reshape(80, 80),
        [0.5],
        colors=level,
    )
plots.scatter(ax, petals, species, iris.class_names)
ax.set(xlabel="petal length, cm", ylabel="petal width, cm", xlim=(0.5, 7.2), ylim=(0, 2.7))
plots.picture(
    fig,
    """Three species of iris by petal length and width, with the contours p = 1/2 of each
    class, nearly parallel lines.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One straight line between each two neighbours: a difference of two
# linear functions is linear. Where no class reaches 1/2, no line is drawn.

# %% slideshow={"slide_type": "fragment"}
flipped = (torch.sigmoid(-(b + high[test_rows] @ w)) > 0.5) != (y == 1)
plots.number_table(
    ["", "value"],
    [
        [
            "iris, three classes: training accuracy",
            f"{float((three.predict(petals) == species).double().mean()):.1%}",
        ],
        ["free parameters, (K - 1)(D + 1)", three.num_parameters()],
        ["cancer, naive Bayes with the right sign: test error", report(naive)[0]],
        ["... with the other slide's sign", f"{float(flipped.double().mean()):.1%}"],
    ],
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.9 Gaussian naive Bayes has a logistic posterior
#
# Let $p(y{=}1) = \pi$ and $p(x_i \mid y{=}k) = \mathcal N(\mu_{ik}, \sigma_i)$, with the *same*
# $\sigma_i$ for both classes. Then the squares of $x$ cancel:
#
# $$\log\frac{p(y{=}0 \mid x)}{p(y{=}1 \mid x)} = \log\frac{1-\pi}{\pi} + \sum_i \frac{(x_i -
# \mu_{i1})^2 - (x_i - \mu_{i0})^2}{2\sigma_i^2} = \underbrace{\log\frac{1-\pi}{\pi} + \sum_i
# \frac{\mu_{i1}^2 - \mu_{i0}^2}{2\sigma_i^2}}_{w_0} + \sum_i \underbrace{\frac{\mu_{i0} -
# \mu_{i1}}{\sigma_i^2}}_{w_i} x_i ,$$
#
# so that $p(y{=}1 \mid x) = 1 / (1 + e^{w_0 + w \cdot x})$: exactly the form of logistic
# regression, with weights in closed form. (Mind the sign: it is that of class 0.) With a $\sigma$
# for each class the squares stay, and the boundary is curved.

# %% slideshow={"slide_type": "subslide"}
wine = data.tabular("wine")
chosen = wine.y < 2  # the first two cultivars
x, y = wine.x[chosen][:, [9, 6]].double(), wine.y[chosen]
shared = gm.GaussianNaiveBayes(2, shared_variance=True).fit(x, y)
own = gm.GaussianNaiveBayes(2).fit(x, y)
w0, w = shared.logistic_weights()
discriminative = gm.LogisticRegression(2).fit(x, y)

fig, ax = plots.figure(1, 3, size=(12, 3.3), sharey=True)
for a, (title, model) in zip(
    ax,
    {
        "shared variance: straight": shared,
        "own variances: curved": own,
        "logistic regression": discriminative,
    }.items(), strict=True,
):
    plots.contours(
        a,
        lambda z, m=model: m.predict_proba(z)[:, 1].detach(),
        x=(1.0, 9.2),
        y=(0.3, 5.3),
        levels=[0.1, 0.3, 0.5, 0.7, 0.9],
    )
    plots.scatter(a, x, y, ["cultivar 0", "cultivar 1"])
    a.set(title=title, xlabel="colour intensity")
    a.get_legend().remove()
ax[0].set_ylabel("flavanoids")
ax[0].legend(loc="lower right", fontsize=8)
plots.picture(
    fig,
    """Contours of p(cultivar 1) over two measurements of wine: straight lines for
    Gaussian naive Bayes with shared variance, curves with own variances, straight but steeper
    lines for logistic regression.""",
)

# %% slideshow={"slide_type": "subslide"}
point = x[:1].clone().requires_grad_()
log_odds = (lambda p: p[:, 0].log() - p[:, 1].log())(shared.predict_proba(point))
by_autograd = torch.autograd.grad(log_odds.sum(), point)[0][0]
plots.number_table(
    ["weight", "closed form", "autograd through Bayes' rule", "logistic regression (sign turned)"],
    [
        [
            "w₀",
            w0,
            log_odds.detach()[0] - point.detach()[0] @ by_autograd,
            -discriminative.bias[0].detach(),
        ],
        *[
            [f"w{'₁₂'[i]}", w[i], by_autograd[i], -discriminative.weight[0, i].detach()]
            for i in range(2)
        ],
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The closed form and the gradient agree to all digits: the posterior
# *is* logistic. Logistic regression has the same form and other numbers: it fits $p(y \mid x)$
# directly and does not care whether the features are Gaussian or independent.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.10 Generative against discriminative: learning curves
#
# Same form of classifier, two ways to choose the weights. Ng & Jordan (2001): with $n$ features
# the generative one approaches *its* best error after about $\log n$ examples, the discriminative
# one needs about $n$, but its limit is at least as good when the model is wrong. Real data sets,
# 100 random splits for each size $m$; the band is two standard errors.

# %% slideshow={"slide_type": "subslide"}
diabetes = data.tabular("diabetes")
tasks = {
    "breast cancer": (features, malignant),
    "digits, even or odd": (grey, labels % 2),
    "digits, 3 or 8": (
        grey[(labels == 3) | (labels == 8)],
        (labels[(labels == 3) | (labels == 8)] == 8).long(),
    ),
    "iris, versicolor or virginica": (iris.x[50:].double(), species[50:] - 1),
    "wine, three kinds": (wine.x.double(), wine.y),
    "diabetes, above the median": (diabetes.x.double(), (diabetes.y > diabetes.y.median()).long()),
}
curves = {}
for title, (x, y) in tasks.items():
    last = min(2 * len(x) // 3, 600)
    sizes = sorted({round(4 * (last / 4) ** (k / 6)) for k in range(7)})
    curves[title] = learning_curve(x, y, sizes=sizes, num_splits=100, generator=seeded(1))

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(2, 3, size=(11, 5.2))
for a, (title, c) in zip(ax.flat, curves.items(), strict=True):
    plots.curves(a, c.sizes, {"naive Bayes": (c.naive_bayes, 2 * c.naive_bayes_standard_error),
                              "logistic regression": (c.logistic, 2 * c.logistic_standard_error)},
                 legend=a is ax.flat[0])
    a.set(xscale="log", title=title, ylim=(0, None))
    a.set_xticks([4, 10, 30, 100, 300], ["4", "10", "30", "100", "300"])
    a.set_xticks([], minor=True)
for a in ax[1]:
    a.set_xlabel("training examples m")
for a in ax[:, 0]:
    a.set_ylabel("test error")
plots.picture(fig, """Test error against training size for six data sets. Naive Bayes starts lower
    in most; where its assumption is wrong, the logistic regression overtakes it as the training
    set grows.""")

# %% slideshow={"slide_type": "subslide"}
plots.number_table(
    ["data", "smallest m", "naive Bayes", "logistic", "largest m", "naive Bayes", "logistic"],
    [
        [
            t,
            int(c.sizes[0]),
            c.naive_bayes[0],
            c.logistic[0],
            int(c.sizes[-1]),
            c.naive_bayes[-1],
            c.logistic[-1],
        ]
        for t, c in curves.items()
    ],
    digits=3,
    caption="Mean test error over 100 splits",
)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The slide says $\epsilon(h_{\mathrm{Dis}, \infty}) \le \epsilon(h_{\mathrm{Gen}, \infty})$
#
# For *log loss* that is true: logistic regression minimises it over all planes, and naive Bayes
# is one of them. For the *0-1 error* of maximum-likelihood logistic regression it is not. A
# distribution over two binary features, counts of ($y=0$, $y=1$) out of 20:

# %% slideshow={"slide_type": "fragment"}
counts = {(0, 0): (2, 1), (0, 1): (0, 3), (1, 0): (0, 2), (1, 1): (8, 4)}
x = torch.tensor([k for k, c in counts.items() for _ in range(sum(c))], dtype=torch.float64)
y = torch.tensor([k for c in counts.values() for k in (0,) * c[0] + (1,) * c[1]])
rows = []
for name, model in {
    "naive Bayes": gm.NaiveBayes(2, smoothing=0),
    "logistic regression": gm.LogisticRegression(2),
}.items():
    p = model.fit(x, y).predict_proba(x).detach()
    rows.append([name, (p.argmax(1) != y).double().mean(), -p[torch.arange(20), y].log().mean()])
plots.number_table(
    ["infinitely many examples of this distribution", "0-1 error", "log loss, nats"], rows
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** On the real data, the paper's picture: at the smallest $m$ naive Bayes
# is ahead (or level, for iris), at the largest $m$ logistic regression is ahead in all six. In
# the last table the order in the limit is reversed: 0.30 against 0.40 in error, and yet logistic
# regression has the better log loss. *Why it matters:* say which loss a theorem is about.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.11 A table, a logistic, a network: the same conditional
#
# A conditional $p(y \mid x)$ of a binary $y$ given $n$ binary parents:
#
# | form | $p(y{=}1 \mid x)$ | parameters | can say |
# |---|---|---|---|
# | table | $\theta_x$ | $2^n$ | everything |
# | logistic | $\sigma(\alpha_0 + \alpha \cdot x)$ | $n + 1$ | what is linear in the log-odds |
# | network | $\sigma(\alpha_0 + \alpha \cdot \tanh(Ax + b))$ | $H(n + 2) + 1$ | more with $H$ |
#
# A truth that is not linear: with $n = 8$, $y$ is mostly the parity of $x_1, x_2$, and leans on
# $x_3$.

# %% slideshow={"slide_type": "subslide"}
n, hidden = 8, 8
states = torch.tensor(
    list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64
)  # (256, 8)
true_logit = 5 * (states[:, 0] != states[:, 1]).double() - 3 + 1.5 * states[:, 2]


def fit_by_gradient(model, x, y, l2=1e-3):
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = -model.log_prob(y, x).mean() + l2 * sum(
            w.square().sum() for w in model.parameters()
        )
        loss.backward()
        return loss

    optimiser.step(closure)
    return model


def excess(model):  # mean KL(truth || model) in nats, over all 256 states
    p, q = true_logit.sigmoid(), model.probability(states).detach()
    return float((p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean())


sizes = [50, 150, 500, 1500, 5000]
kl = {"table": [], "logistic": [], "network, 8 hidden units": []}
for m in sizes:
    rows = torch.randint(256, (m,), generator=seeded(m))
    x, y = (
        states[rows],
        torch.bernoulli(true_logit.sigmoid()[rows], generator=seeded(m + 1)).long(),
    )
    models = (
        gm.TableConditional(n).fit(x, y, smoothing=0.5),
        fit_by_gradient(gm.LogisticConditional(n), x, y),
        fit_by_gradient(gm.NeuralConditional(n, hidden, generator=seeded(2)), x, y, l2=3 / m / 10),
    )
    for name, model in zip(kl, models, strict=True):
        kl[name].append(excess(model))
fig, ax = plots.figure(size=(6.4, 3.1))
plots.curves(ax, torch.tensor(sizes), kl, markers=True)
ax.set(xscale="log", yscale="log", xlabel="training examples", ylabel="KL(truth ‖ model), nats")
plots.picture(
    fig,
    """Distance from the truth against the number of examples: the logistic stays
    flat at a high value, the table falls slowly, the network falls fastest.""",
)

# %% slideshow={"slide_type": "fragment"}
plots.number_table(
    ["form", "parameters, n = 8", "n = 20", "n = 783 (the last pixel of an image)"],
    [
        ["table", models[0].num_parameters(), 2**20, "a number of 236 digits"],
        ["logistic", models[1].num_parameters(), 21, 784],
        ["network, 8 hidden units", models[2].num_parameters(), 8 * 22 + 1, 8 * 785 + 1],
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The logistic is stuck however much it sees: parity is not linear. The
# table can say it, but must see each of its 256 rows often. The network shares what it learns
# between rows. *Why it matters:* put a network in every conditional of $p(x_1)\, p(x_2 \mid
# x_1)\, p(x_3 \mid x_1, x_2) \cdots$ and you have unit 02's autoregressive models: no
# independence assumed, a functional form assumed instead.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.12 Latent variables
#
# A **latent variable** $z$ is never observed. The graph is $z \to x$, and what we see is the
# marginal
#
# $$p(x) = \int p(z)\, p(x \mid z)\, dz \qquad \Big(\text{a sum if } z \text{ is discrete}\Big).$$
#
# | model | $z$ | $x \mid z$ | parameters |
# |---|---|---|---|
# | two Gaussians | Bernoulli$(\pi)$ | $\mathcal N(\mu_z, \sigma_z)$ | $\pi$, two $\mu, \sigma$ |
# | uniform → Gaussian | $\mathcal U(a, b)$ | $\mathcal N(z, \sigma)$ | $a, b, \sigma$ |
# | VAE | $\mathcal N(0, 1)$ | $\mathcal N(\mu_\theta(z), e^{\sigma_\phi(z)})$ | weights |

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A mixture of two Gaussians, learnt by EM
#
# If $z$ were known, learning would be averaging. **EM** alternates (E) the posterior $r_{ik} =
# p(z = k \mid x_i)$ and (M) averages weighted by it:
#
# $$r_{ik} = \frac{\pi_k \mathcal N(x_i; \mu_k, \sigma_k)}{\sum_j \pi_j \mathcal N(x_i; \mu_j,
# \sigma_j)}, \qquad \pi_k = \tfrac1N \sum_i r_{ik}, \quad \mu_k = \frac{\sum_i r_{ik} x_i}{\sum_i
# r_{ik}}, \quad \sigma_k^2 = \frac{\sum_i r_{ik} (x_i - \mu_k)^2}{\sum_i r_{ik}}.$$
#
# The petal lengths of 150 irises, species unknown:

# %% slideshow={"slide_type": "subslide"}
lengths = iris.x[:, 2:3].double()  # (150, 1) cm
start = torch.tensor([[3.0], [4.0]])
em = gm.GaussianMixture(2).fit(lengths, initial_means=start)
grid = torch.linspace(0.3, 7.7, 400, dtype=torch.float64)[:, None]

fig, ax = plots.figure(1, 3, size=(12, 3))
for k, steps in enumerate((0, 10, 14)):
    early = gm.GaussianMixture(2)
    early.fit(lengths, initial_means=start, max_iterations=steps)
    plots.curves(ax[0], grid[:, 0], {f"after {steps} steps": early.log_prob(grid).exp()}, first=k)
plots.curves(ax[0], grid[:, 0], {"at the end": em.log_prob(grid).exp()}, first=4)
ax[0].hist(lengths[:, 0], 30, density=True, color="#DDDDDD")
ax[0].set(xlabel="petal length, cm", title="p(x)")
ax[0].legend(frameon=False, fontsize=8)
plots.curves(
    ax[1],
    torch.arange(len(em.history)),
    {"log-likelihood": em.history},
    legend=False,
    markers=True,
)
ax[1].set(xlabel="EM step", ylabel="nats, all 150 flowers", title="never goes down")
plots.curves(
    ax[2],
    grid[:, 0],
    {"p(z=0 | x)": em.posterior(grid)[:, 0], "p(z=1 | x)": em.posterior(grid)[:, 1]},
)
ax[2].set(xlabel="petal length, cm", title="which component?")
plots.picture(
    fig,
    """EM on iris petal lengths: the density after 0, 10, 14 and all steps moves
    from one hump to two; the log-likelihood rises at every step; the posterior switches between
    the components at about 2 cm, and back below 0.6 cm.""",
)

# %% slideshow={"slide_type": "fragment"}
from sklearn import mixture as sklearn_mixture

peer = sklearn_mixture.GaussianMixture(
    2, means_init=start, reg_covar=0, tol=1e-12, max_iter=1000
).fit(lengths)
z = int(em.means.argmin())
plots.number_table(
    ["parameter", "gencourse", "scikit-learn", "the flowers themselves (setosa, others)"],
    [
        ["share of the short kind", em.weights[z], peer.weights_[peer.means_.argmin()], 1 / 3],
        ["mean, short", em.means[z, 0], peer.means_.min(), lengths[species == 0].mean()],
        [
            "sd, short",
            em.covariances[z, 0, 0].sqrt(),
            peer.covariances_[peer.means_.argmin(), 0, 0] ** 0.5,
            lengths[species == 0].std(correction=0),
        ],
        ["mean, long", em.means[1 - z, 0], peer.means_.max(), lengths[species > 0].mean()],
        [
            "sd, long",
            em.covariances[1 - z, 0, 0].sqrt(),
            peer.covariances_[peer.means_.argmax(), 0, 0] ** 0.5,
            lengths[species > 0].std(correction=0),
        ],
    ],
)

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.mixture_explorer(data.tabular("iris").x[:, 2])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** EM finds the setosas without a label, and agrees with scikit-learn.
# (The posterior turns back below 0.6 cm: far out, the wider component always wins.) Try to beat
# its mean log-likelihood by hand with the sliders. Every $p(x \mid z)$ is Gaussian, and $p(x)$
# has two humps.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Uniform → Gaussian: an infinite mixture
#
# $$p(x) = \frac{1}{b-a}\int_a^b \mathcal N(x; z, \sigma)\, dz =
# \frac{\Phi\left(\frac{x-a}{\sigma}\right) - \Phi\left(\frac{x-b}{\sigma}\right)}{b - a},$$
#
# with $\Phi$ the standard normal distribution function.

# %% slideshow={"slide_type": "subslide"}
x = torch.linspace(-4, 4, 161, dtype=torch.float64)[:, None]
z = torch.linspace(-2, 2, 2001, dtype=torch.float64)
fig, ax = plots.figure(1, 3, size=(11, 2.6), sharey=True)
for a, sd in zip(ax, (0.1, 0.5, 1.5), strict=True):
    model = UniformGaussian(-2.0, 2.0, sd)
    by_quadrature = torch.trapezoid(
        densities.log_normal(x[..., None], z, sd, event_dims=0)[:, 0].exp() / 4, z, dim=1
    )
    moments = math.sqrt(4**2 / 12 + sd**2)
    plots.curves(
        a,
        x[:, 0],
        {
            "p(x), formula": model.log_prob(x).exp(),
            "a Gaussian of equal variance": densities.log_normal(x, 0.0, moments).exp(),
        },
        legend=False,
    )
    a.plot(x[::8, 0], by_quadrature[::8], "o", ms=4, mfc="none", mec="black", label="quadrature")
    a.set(title=f"σ = {sd}", xlabel="x", ylim=(0, 0.42))
ax[2].legend(frameon=False, fontsize=8, loc="upper right")
plots.picture(
    fig,
    """p(x) of the uniform-Gaussian model for three noise levels: a box with soft
    edges for small noise, nearly a Gaussian for large noise; formula and quadrature agree.""",
)


# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Little noise: a box, nothing like a Gaussian. Much noise: the box is
# smeared until it looks like one. Formula and quadrature agree everywhere.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A variational autoencoder's graph, before there is a way to train it
#
# Same graph $z \to x$, with networks for the mean and for the *logarithm* of the standard
# deviation. The slide notes that however deep the networks, "the functional form is still
# Gaussian". True of $p(x \mid z)$. Is it true of $p(x)$? Take two random networks and integrate.

# %% slideshow={"slide_type": "subslide"}
def random_network(seed, scale):
    g = seeded(seed)
    A, b, c = (torch.randn(s, generator=g, dtype=torch.float64) for s in ((1, 30), (30,), (30, 1)))
    return lambda z: scale * (torch.tanh(2 * z[:, None] @ A + b) @ c)[:, 0]


mean_network, log_sd_network = random_network(6, 0.5), random_network(56, 0.12)
z = torch.linspace(-6, 6, 2001, dtype=torch.float64)
mu, sd = mean_network(z), (log_sd_network(z) - 1.2).exp()
weight = densities.log_normal(z[:, None], 0.0, 1.0).exp()
x = torch.linspace(-7, 7, 701, dtype=torch.float64)
p_given_z = densities.log_normal(x[:, None], mu, sd, event_dims=0).exp()  # (x, z)
p_x = torch.trapezoid(p_given_z * weight, z, dim=1)

fig, ax = plots.figure(1, 3, size=(11.5, 2.9), width_ratios=(0.4, 1.3, 1.3))
plots.draw_graph(nx.DiGraph([("z", "x")]), observed=["x"], ax=ax[0])
nearest = {v: int((z - v).abs().argmin()) for v in (-1, 0, 1)}
plots.curves(ax[1], x, {f"p(x | z = {v})": p_given_z[:, i] for v, i in nearest.items()})
ax[1].set(xlabel="x", title="given z: always Gaussian")
average = torch.trapezoid(x * p_x, x)
spread = torch.trapezoid((x - average) ** 2 * p_x, x).sqrt()
plots.curves(
    ax[2],
    x,
    {
        "p(x), by quadrature": p_x,
        "Gaussian, same mean and sd": densities.log_normal(
            x[:, None], float(average), float(spread)
        ).exp(),
    },
)
ax[2].set(xlabel="x", title="z integrated out: not Gaussian")
plots.picture(
    fig,
    """The graph from z to x; three Gaussian densities of x given z; and p(x), the
    average over z, which has several peaks and is far from the Gaussian with the same mean and
    standard deviation.""",
)


# %% slideshow={"slide_type": "fragment"}
def excess_kurtosis(p):
    m = torch.trapezoid(x * p, x)
    v = torch.trapezoid((x - m) ** 2 * p, x)
    return torch.trapezoid((x - m) ** 4 * p, x) / v**2 - 3


linear = torch.trapezoid(
    densities.log_normal(x[:, None], 0.8 * z, 0.6, event_dims=0).exp() * weight, z, dim=1
)
plots.number_table(
    ["model", "∫ p(x) dx", "peaks of p(x)", "excess kurtosis (Gaussian: 0)"],
    [
        [
            name,
            torch.trapezoid(p, x),
            int(((p[1:-1] > p[:-2]) & (p[1:-1] > p[2:])).sum()),
            excess_kurtosis(p),
        ]
        for name, p in {"random networks": p_x, "linear mean, constant sd": linear}.items()
    ],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $p(x \mid z)$ Gaussian does *not* make $p(x)$ Gaussian, unless the mean
# is linear and the standard deviation constant. With $z$ in one dimension quadrature does the
# integral; with a hundred dimensions nothing does, which is why unit 03 exists.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Without noise there is no density at all
#
# **The slide says** that for a GAN, $x = G(z)$ with no noise added, the integral $p(x) = \int p(x
# \mid z) p(z) dz$ is intractable. If $z$ has fewer dimensions than $x$, it is worse: the samples
# lie on a thin sheet, and no density exists. Measure it: estimate the density at samples by
# counting neighbours within a radius $\varepsilon$. Where a density exists, the estimate settles
# as $\varepsilon \to 0$.

# %% slideshow={"slide_type": "subslide"}
a_net, b_net = random_network(5, 0.5), random_network(6, 0.5)
u = torch.randn(6000, generator=seeded(1), dtype=torch.float64)
curve = torch.stack([a_net(u), b_net(u)], 1)  # z in one dimension, x in two
cloud = curve + 0.3 * torch.randn(curve.shape, generator=seeded(2), dtype=torch.float64)
radii = torch.logspace(-1.6, 0, 7)
estimate = {
    name: [
        (torch.cdist(points[:500], points) < r).double().mean() / (math.pi * r**2) for r in radii
    ]
    for name, points in {"x = G(z)": curve, "x = G(z) + noise": cloud}.items()
}
fig, ax = plots.figure(1, 2, size=(9, 3))
ax[0].scatter(*cloud[:1500].T, s=4, color=plots.ORANGE, lw=0, label="G(z) + noise")
ax[0].scatter(*curve[:1500].T, s=4, color=plots.BLUE, lw=0, label="G(z)")
ax[0].legend(frameon=False, fontsize=8, markerscale=3)
plots.curves(ax[1], radii, estimate, markers=True)
ax[1].set(xscale="log", yscale="log", xlabel="radius ε", title="estimated density at the samples")
plots.picture(
    fig,
    """Left: samples of G(z) on a thin curve and a cloud around it. Right: as the
    radius shrinks the estimated density of the curve grows without end, like one over the radius,
    and that of the cloud settles.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The blue line keeps climbing like $1/\varepsilon$: the density would
# have to be infinite on the curve and 0 elsewhere. Unit 04 trains such models without a density.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.13 Learning: tables by counting, and a tree from data
#
# With complete data the log-likelihood splits into one term a CPD, and its maximum is a ratio of
# counts, smoothed by $l$:
#
# $$\hat p(x_i = s \mid \mathrm{pa} = u) = \frac{\#\{x_i = s, \mathrm{pa} = u\} +
# l}{\#\{\mathrm{pa} = u\} + K l}.$$
#
# How far is the learnt student network from the true one, $\mathrm{KL}(p \,\|\, \hat p) = \sum_x
# p(x) \log \frac{p(x)}{\hat p(x)}$?

# %% slideshow={"slide_type": "subslide"}
structure = {v: student.parents(v) for v in student.variables}
sizes_of = [student.cardinalities[v] for v in student.variables]
every = torch.tensor(list(itertools.product(*(range(k) for k in sizes_of))))
log_true = student.log_prob(every)
smoothings = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]


def distance(n, smoothing, seed):
    rows = student.sample(n, generator=seeded(seed))
    learnt = gm.fit_cpds(structure, rows, smoothing=smoothing, cardinalities=sizes_of)
    return float((log_true.exp() * (log_true - learnt.log_prob(every))).sum())


fig, ax = plots.figure(size=(6.4, 3))
plots.curves(
    ax,
    torch.tensor(smoothings),
    {
        f"{n} examples": [sum(distance(n, k, s) for s in range(10)) / 10 for k in smoothings]
        for n in (20, 100, 1000)
    },
    markers=True,
)
ax.set(xscale="log", yscale="log", xlabel="smoothing l", ylabel="KL(true ‖ learnt), nats")
ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plots.picture(
    fig,
    """Distance of the learnt from the true student network against smoothing, for
    20, 100 and 1000 examples: each curve has a minimum near l = 1, and matters less with more
    examples.""",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Without smoothing an unseen state gets probability 0 and the KL is
# infinite; too much of it drowns the data. In between, about one imaginary example is right, and
# with many real examples it hardly matters.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### By gradient, also with missing values
#
# The library's tables are differentiable, so a CPD can be learnt as any network is: ascend $\log
# p(\text{observed})$. If everything is observed this finds the counts. If not, the gradient still
# exists, and it is what EM uses (Fisher's identity, each entry of a table taken as free):
#
# $$\frac{\partial \log p(\text{evidence})}{\partial \log p(x_i{=}s \mid u)} = p(x_i = s,
# \mathrm{pa}_i = u \mid \text{evidence}).$$

# %% slideshow={"slide_type": "subslide"}
rows = red_blue.sample(2000, generator=seeded(1))
col = {v: i for i, v in enumerate(red_blue.variables)}
logits = torch.zeros(2, 2, 2, dtype=torch.float64, requires_grad=True)  # of p(x4 | x2, x3)


def with_table(table):
    return gm.BayesNet(
        {
            v: (red_blue.parents(v), table if v == "x4" else red_blue.cpd(v))
            for v in red_blue.variables
        }
    )


optimiser = torch.optim.Adam([logits], lr=0.1)
losses = []
for _ in range(300):
    optimiser.zero_grad()
    loss = -with_table(logits.softmax(-1)).log_prob(rows).mean()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())
assert red_blue.parents("x4") == ("x2", "x3")
counted = gm.fit_cpds({v: red_blue.parents(v) for v in red_blue.variables}, rows).cpd("x4")

# Fisher's identity, with only x4 and x1 observed
table = red_blue.cpd("x4").clone().requires_grad_()
evidence = {"x4": 0, "x1": 1}
gradient = (
    torch.autograd.grad(with_table(table).log_partition(evidence), table)[0] * table.detach()
)
posterior = red_blue.query(["x2", "x3"], evidence).values

fig, ax = plots.figure(1, 3, size=(12, 2.6), width_ratios=(1.3, 1, 1))
plots.curves(ax[0], torch.arange(300), {"negative log-likelihood": losses}, legend=False)
ax[0].set(xlabel="gradient step", ylabel="nats a row")
states4 = [f"x2={a}, x3={c}" for a in "rb" for c in "rb"]
plots.table(
    ax[1],
    counted.reshape(4, 2),
    rows=states4,
    columns=["r", "b"],
    title="p(x4 | x2, x3) by counting",
    form="{:.4f}",
)
plots.table(
    ax[2],
    logits.softmax(-1).reshape(4, 2),
    rows=[""] * 4,
    columns=["r", "b"],
    title="by gradient",
    form="{:.4f}",
)
plots.picture(
    fig,
    """The loss falls in 300 gradient steps; the table it finds agrees with the table of
    counts.""",
)

# %% slideshow={"slide_type": "fragment"}
plots.number_table(
    [
        "x2, x3",
        "gradient with respect to log p(x4 = red | x2, x3)",
        "P(x2, x3 | x4 = red, x1 = blue)",
    ],
    [
        [f"{'rb'[i]}, {'rb'[j]}", gradient[i, j, 0], posterior[i, j]]
        for i in range(2)
        for j in range(2)
    ],
    digits=6,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With complete data, gradient and counting find the same table. With
# missing data, the gradient *is* the posterior over what is missing: each row of data is shared
# out among the states it may have come from, as in EM.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A graph from data: the Chow-Liu tree
#
# Among all trees, which has the highest likelihood? The log-likelihood of a fitted tree is, for
# $N$ rows,
#
# $$\log \hat L = N \sum_{(i,j) \in \text{tree}} I(x_i; x_j) - N \sum_i H(x_i),$$
#
# with mutual information $I$ and entropy $H$ of the data. So the best tree is the **maximum
# spanning tree** for $I$: no search. On the binary digits:

# %% slideshow={"slide_type": "subslide"}
information = mutual_information(binary[train])
fig, ax = plots.figure(1, 2, size=(8.6, 4))
plots.image_grid(
    ax[0],
    (information / information.max()).clamp(0, 0.5)[None] * 2,
    columns=1,
    title="mutual information of all pixel pairs",
)
edges = [(names.index(a), names.index(c)) for a, c in tree.graph.edges]
telling = [(a, c) for a, c in edges if information[a, c] > 0.01]  # the rest joins black corners
plots.pixel_tree(ax[1], telling, (8, 8), background=grey.mean(0).reshape(8, 8))
ax[1].set_title("the best tree (solid: neighbours)")
plots.picture(
    fig,
    """Left: the 64 by 64 matrix of mutual information, bright near the diagonal and
    eight off it. Right: the best tree drawn over the pixels; most edges join neighbouring pixels,
    vertical ones above all.""",
)

# %% slideshow={"slide_type": "subslide"}
near = sum(abs(a // 8 - c // 8) + abs(a % 8 - c % 8) == 1 for a, c in telling)
star_graph = {v: (() if i == 36 else (names[36],)) for i, v in enumerate(names)}
others = {
    "Chow-Liu tree": tree,
    "chain, row by row": in_a_row,
    "star around pixel 36": gm.fit_cpds(star_graph, **counting),
}
pairs = {
    "Chow-Liu tree": edges,
    "chain, row by row": [(i, i + 1) for i in range(63)],
    "star around pixel 36": [(36, i) for i in range(64) if i != 36],
}
plots.number_table(
    ["tree", "sum of I over its edges, nats", "training nats per image", "test nats per image"],
    [
        [
            k,
            sum(float(information[a, c]) for a, c in pairs[k]),
            nats(m, binary[train]),
            nats(m, binary[test]),
        ]
        for k, m in others.items()
    ],
    digits=2,
    caption=f"{near} of the {len(telling)} edges that tell 0.01 nats or more join neighbours",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Nobody said that the 64 numbers are a picture, yet the tree rediscovers
# the grid. Each nat of mutual information in the second column is (up to smoothing) one nat of
# training likelihood in the third.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where this leads
#
# All unsupervised learning in this course has one form: data come from an unknown $p^*(x)$;
# choose a family $p_\theta(x)$ from which one can sample; find $\theta$ with $p_\theta \approx
# p^*$. The families differ in what they can compute:
#
# | unit | family | its graph | exact $\log p(x)$ | exact sampling |
# |---|---|---|---|---|
# | 02 | autoregressive | fully connected, networks as CPDs (1.5, 1.11) | yes | yes, but slow |
# | 03 | variational autoencoder | $z \to x$ (1.12) | no, a lower bound | yes |
# | 04 | generative adversarial network | $z \to x$ without noise (1.12) | none exists | yes |
#
# ### The slips of the slides, collected
#
# | the slide | computed |
# |---|---|
# | RGB pixel: $255^3$ parameters | $256^3 - 1$ (1.1) |
# | second argument of $\mathcal N$ | deviation in one deck, variance in another (1.1) |
# | evidence 0/1 against red/blue | 0.4 and 0.4, or 0.4545 and 0.7 (1.3) |
# | autoregressive models use conditional independence | none: they share parameters (1.5) |
# | divide because $Z > 1$ | because $Z \ne 1$ (1.6) |
# | logistic regression zeroes one of two equal features | only their sum is identified (1.8) |
# | generative classifiers model $P(X \mid Y), P(X)$ | $P(X \mid Y), P(Y)$ (1.8) |
# | the two logistic forms | opposite signs (1.8) |
# | $\epsilon(h_{Dis, \infty}) \le \epsilon(h_{Gen, \infty})$ | log loss yes, 0-1 error no (1.10) |
# | the GAN's integral is intractable | for $\dim z < \dim x$ no density exists (1.12) |
#
# ### Sources
#
# The lectures: Stanford CS 236, *Deep Generative Models*, introduction and background; CMU
# 10-423/623, *Generative AI*, lecture 6 (2025); MIT 6.874, lecture 6; Deep Learning Basics 9
# (Korea University) for two of the slips. Koller & Friedman, *Probabilistic Graphical Models*
# (2009). Ng & Jordan, *On discriminative vs. generative classifiers* (NIPS 2001). Chow & Liu,
# *Approximating discrete probability distributions with dependence trees* (1968). The homework of
# this unit asks you to build the pieces yourself.
