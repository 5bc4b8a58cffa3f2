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
from sklearn import mixture as sklearn_mixture

from gencourse import data, densities, plots, widgets
from gencourse import graphical as gm
from gencourse.graphical import examples, parameter_count
from gencourse.graphical.belief_propagation import belief_propagation
from gencourse.graphical.chow_liu import chow_liu, mutual_information
from gencourse.graphical.learning_curves import learning_curve
from gencourse.graphical.linear_gaussian import five_gaussians
from gencourse.graphical.uniform_gaussian import UniformGaussian

logging.getLogger("gencourse").setLevel(logging.ERROR)  # some cells stop early on purpose
torch.set_num_threads(1)  # the tensors are small: one thread is faster than two

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def seeded(seed=0):
    """Return a source of randomness; every figure below is the same at every run."""
    return torch.Generator().manual_seed(seed)


# where the nodes of the red/blue network stand, as a directed graph and as a factor graph
PLACES = {"x1": (0, 0), "x2": (1.2, 0), "x4": (2.4, -0.6), "x3": (1.2, -1.2), "x5": (2.4, -1.8)}
FACTOR_PLACES = {
    "p(x1)": (0, 0), "x1": (1, 0), "p(x2|x1)": (2, 0), "x2": (3, 0),
    "p(x4|x2,x3)": (4, -0.75), "x4": (5.5, -0.75),
    "p(x3)": (2, -1.5), "x3": (3, -1.5), "p(x5|x3)": (4, -2.25), "x5": (5.5, -2.25),
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
#
# Below, one model of the 8×8 digits of scikit-learn: a mixture of 20 Gaussians (sections 1.1 and
# 1.12). Log-probabilities are natural logarithms; their unit is the **nat** (1 nat is 1.44 bits).

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
fig, ax = plots.figure(1, 3, size=(10.5, 3.1), width_ratios=(1, 1.5, 1))
plots.image_grid(ax[0], samples, columns=6, title="generation: samples")
plots.histograms(ax[1], scores, edges=range(-300, 81, 10))
ax[1].set(title="density: log p(x)", xlabel="nats", ylabel="images")
means = mixture.means.reshape(-1, 8, 8).clamp(0, 1)
plots.image_grid(ax[2], means, columns=5, title="features: 20 kinds, unlabelled")
plots.picture(fig, """Three uses of one model of digits: samples, many of which look like noisy
    digits; histograms of log p(x), high for held-out digits, lower for upside-down ones and far
    lower for shuffled ones; and the mean images of its twenty components, most of which look like
    one digit.""")

# %% slideshow={"slide_type": "fragment"}
common = {k: labels[train][kind[train] == k].mode().values for k in kind[train].unique().tolist()}
agree = torch.stack([labels[i] == common[int(kind[i])] for i in train]).double().mean()
low = scores["digits, held out"].quantile(0.05)  # 5 % of the digits score less
rejected = [float((score < low).double().mean()) for score in list(scores.values())[1:]]
plots.number_table(["use", "measured"], [
    ["density: upside-down digits that score less than 95 % of the digits", f"{rejected[0]:.0%}"],
    ["density: shuffled digits that do", f"{rejected[1]:.0%}"],
    ["features: images that show the commonest digit of their kind", f"{float(agree):.0%}"],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One model, never told what a digit is, does all three: noisy samples,
# many of which can be read; a density that rejects every shuffled image and more than half of the
# upside-down ones (a 0 upside down is still a 0); and kinds most of which hold one digit, in
# several handwritings. *Why it matters:* these are the three axes on which every later model is
# judged, and few models do well on all.

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
two = gm.GaussianMixture.from_parameters([0.3, 0.7], [-1.0, 1.5], [0.4, 0.7])
discrete = {"Bernoulli(0.3)": [0.7, 0.3], "Categorical": [0.1, 0.2, 0.3, 0.4]}
continuous = {
    "Uniform(-1, 2)":
        (-1 + 3 * torch.rand(n, generator=seeded(1)), densities.log_uniform(x, -1.0, 2.0)),
    "Gaussian N(1, 0.5)":
        (1 + 0.5 * torch.randn(n, generator=seeded(2)),
         densities.log_normal(x, 1.0, 0.5, event_dims=0)),
    "mixture": (two.sample(n, generator=seeded(4))[:, 0], two.log_prob(x[:, None])),
}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 5, size=(10.5, 2.5))
for a, (title, p) in zip(ax, discrete.items(), strict=False):
    drawn = torch.multinomial(torch.tensor(p), n, replacement=True, generator=seeded(3))
    share = drawn.bincount(minlength=len(p)) / n
    plots.bars(a, [str(k) for k in range(len(p))], {"exact": p, "4000 drawn": share})
    a.set(title=title, ylim=(0, 1.6 * max(p)))
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
# not described by one number. $L-1$ would be right for one channel alone; but "sums to 1" is one
# constraint on the whole table, not one per channel.

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
# *Markov* means $X_{i+1} \perp X_1, \dots, X_{i-1} \mid X_i$: once $X_i$ is known, the pixels
# before it say nothing more about the next ($\perp$: independent of; $\mid$: given). The same
# measurement, for $n = 4$ pixels, confirms all four.

# %% slideshow={"slide_type": "subslide"}
n = 4
images = torch.tensor(list(itertools.product((0, 1), repeat=n)))  # (16, 4): every image


def joint_table(w):  # 16 numbers -> p(image), (16,)
    return w.softmax(0)


def independent(w):  # one number per pixel
    return (images * w - torch.nn.functional.softplus(w)).sum(1).exp()


def chain(w):  # one number for the first pixel, two for every later one
    p = torch.where(images[:, 0] == 1, w[0].sigmoid(), (-w[0]).sigmoid())
    for i in range(1, n):
        logit = w[2 * i - 1 + images[:, i - 1]]
        p = p * torch.where(images[:, i] == 1, logit.sigmoid(), (-logit).sigmoid())
    return p


def homogeneous(w):  # the same two numbers for every later pixel
    return chain(torch.cat([w[:1], *[w[1:]] * (n - 1)]))

# %% slideshow={"slide_type": "fragment"}
count_joint = parameter_count.num_parameters_joint
count_chain = parameter_count.num_parameters_markov_chain
count_independent = parameter_count.num_parameters_independent
plots.number_table(["model", "measured", "formula", "gencourse.graphical"], [
    ["joint table", dimension(joint_table, 16), 2**n - 1, count_joint([2] * n)],
    ["Markov chain", dimension(chain, 7), 2 * n - 1, count_chain(n)],
    ["homogeneous chain", dimension(homogeneous, 3), 3, count_chain(n, homogeneous=True)],
    ["independent", dimension(independent, n), n, count_independent([2] * n)],
], caption="Free parameters for n = 4 binary pixels")

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
ax.text(1, 1.3e10, "people on Earth", fontsize=9, color="#555555")
plots.picture(fig, """Free parameters against the number of pixels, logarithmic: the joint table
    grows as a straight line to ten to the nineteenth at 64 pixels; chain and independent pixels
    stay near a hundred.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** At 33 pixels the table already has more entries than the Earth has
# people. A 28×28 image needs a number of parameters that is 237 digits long. Structure is not a
# refinement: without it nothing can be written down.

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
models = {"independent": alone, "chain, row by row": in_a_row, "best tree (1.13)": tree}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 4, size=(10.5, 2.5))
plots.image_grid(ax[0], binary[test][:20].reshape(-1, 8, 8), columns=5, title="held-out digits")
for k, (a, (title, model)) in enumerate(zip(ax[1:], models.items(), strict=True)):
    drawn = model.sample(20, generator=seeded(6 + k))
    column = [model.variables.index(v) for v in names]
    plots.image_grid(a, drawn[:, column].reshape(-1, 8, 8), columns=5, title=title)
plots.picture(fig, """Four panels of twenty binary 8 by 8 images. Held-out digits have clean
    strokes; samples from independent pixels are speckled in the shape of an average digit; those
    of the chain have short horizontal strokes; those of the tree have strokes in all
    directions.""")

# %% slideshow={"slide_type": "fragment"}
def nats(model, x):  # x has its columns in the order of names
    return -model.log_prob(x[:, [names.index(v) for v in model.variables]]).mean()


plots.number_table(
    ["model", "free parameters", "test nats per image (less is better)"],
    [[k, m.num_parameters(), nats(m, binary[test])] for k, m in models.items()],
    digits=2,
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Independent pixels give speckle: each pixel has the right frequency,
# and no pixel knows its neighbour. In the chain a pixel knows its left neighbour: short
# horizontal strokes, and 0.8 nats saved per image. The tree has as many parameters as the chain,
# spends them on the pairs that matter, and saves 4 nats. *Why it matters:* the art is to say
# which dependencies to keep. The rest of this unit is a language for saying it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.2 Joint tables
#
# Everything about a few discrete variables follows from the table of their **joint**
# probabilities and two operations: sum out (a **marginal**) and divide (a **conditional**):
#
# $$p(a) = \sum_d p(a, d), \qquad p(d \mid a) = \frac{p(a, d)}{p(a)}.$$
#
# From them follow the chain rule and Bayes' rule,
#
# $$p(x_1, \dots, x_n) = \prod_{i} p(x_i \mid x_1, \dots, x_{i-1}), \qquad p(d \mid a) =
# \frac{p(a \mid d)\, p(d)}{\sum_{d'} p(a \mid d')\, p(d')},$$
#
# and **independence** is a statement about the table: $a \perp b \mid d$ means $p(a, b \mid d) =
# p(a \mid d)\, p(b \mid d)$ for all values.
#
# A disease $d$ that one person in 100 has, and two tests $a, b$ that are right for 95 % of the
# ill and 90 % of the healthy, independent of each other *given* $d$.

# %% slideshow={"slide_type": "subslide"}
health = ("healthy", "ill")
right = [[0.90, 0.10], [0.05, 0.95]]  # p(test | d), one row for the healthy, one for the ill
prior = gm.Factor(["d"], [0.99, 0.01])
joint = prior * gm.Factor(["d", "a"], right) * gm.Factor(["d", "b"], right)
both_tests = joint.marginal(["a", "b"])
after = joint.conditional(["d"], ["a", "b"]).values.reshape(4, 2).T  # p(d | a, b), (2, 4)

fig, ax = plots.figure(1, 3, size=(10.5, 2.2), width_ratios=(1.6, 1, 1.6))
pairs = {"rows": health, "columns": ["a-, b-", "a-, b+", "a+, b-", "a+, b+"]}
plots.table(ax[0], joint.values.reshape(2, 4), title="joint p(d, a, b)", form="{:.5f}", **pairs)
plots.table(ax[1], both_tests.values, title="marginal p(a, b)", form="{:.5f}",
            rows=["a-", "a+"], columns=["b-", "b+"])
plots.table(ax[2], after, title="conditional p(d | a, b)", form="{:.4f}", **pairs)
plots.picture(fig, """Three tables: the joint of disease and two tests, the marginal of the two
    tests, and the probability of illness given both, 0.4769 when both are positive.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# By hand: one positive test gives $\frac{0.95 \cdot 0.01}{0.95 \cdot 0.01 + 0.10 \cdot 0.99} =
# \frac{0.0095}{0.1085} = 0.0876$, a second one $\frac{0.009025}{0.009025 + 0.0099} = 0.4769$.
# Does the table agree? And are the two tests independent?

# %% slideshow={"slide_type": "fragment"}
given_tests = joint.conditional(["d"], ["a", "b"])
any_order = joint.marginal(["b"]) * joint.conditional(["a"], ["b"]) * given_tests
gap = (any_order.marginal(["d", "a", "b"]).values - joint.values).abs().max()
plots.number_table(["question", "answer"], [
    ["P(ill | a positive)", joint.conditional(["d"], ["a"])[{"d": 1, "a": 1}]],
    ["P(ill | a and b positive)", given_tests[{"d": 1, "a": 1, "b": 1}]],
    ["a ⊥ b ?", joint.is_independent("a", "b")],
    ["a ⊥ b | d ?", joint.is_independent("a", "b", given=["d"])],
    ["chain rule in the order b, a, d: largest difference", f"{float(gap):.0e}"],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The tests are dependent (both go up with the disease) and become
# independent once $d$ is known. The chain rule holds in *every* order, and in every order it
# costs $1 + 2 + 4 = 7 = 2^3 - 1$ numbers: by itself it buys nothing. Only dropping a condition
# does.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.3 Bayesian networks
#
# A **Bayesian network** is a directed acyclic graph with one node per variable and one
# **conditional probability distribution** (CPD) per node, given the node's parents
# $\mathrm{Pa}(i)$:
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


fig, ax = plots.figure(1, 5, size=(10.5, 2.2), width_ratios=(1, 1, 1.5, 1, 1))
for a, v in zip(ax, student.variables, strict=True):
    cpd_table(a, student, v)
plots.picture(fig, """The five conditional tables of the student network, one row for each state
    of the parents.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Each row sums to 1. Count the free numbers: they are the rows times
# (columns minus 1), and together fewer than a joint table needs.

# %% slideshow={"slide_type": "fragment"}
first_states = torch.zeros(1, 5, dtype=torch.long)  # easy, low, A, low, weak
by_hand = sum(math.log(student.cpd(v).flatten()[0]) for v in student.variables)
plots.number_table(["", "value"], [
    ["free parameters of the network", student.num_parameters()],
    ["free parameters of a joint table", count_joint([student.cardinalities[v] for v in "digsl"])],
    ["sum of the joint over all states", student.joint().values.sum()],
    ["log p of all variables in their first state, nats", student.log_prob(first_states)],
    ["... by hand: the sum of five logarithms", by_hand],
])

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


exact = student.marginals()["g"]
grade = student.variables.index("g")
sizes = [10, 30, 100, 300, 1000, 3000, 10_000]
share = {  # for each size, ten estimates of p(g): (10, 3)
    n: torch.stack([
        ancestral(student, n, seeded(k))[:, grade].bincount(minlength=3) / n for k in range(10)
    ])
    for n in sizes
}
error = [(share[n] - exact).abs().mean() for n in sizes]
predicted = [(2 / math.pi * exact * (1 - exact) / n).sqrt().mean() for n in sizes]

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(9, 3))
few, many = share[100], share[10_000]
plots.bars(
    ax[0], student.states["g"],
    {"exact": exact, "100 samples": few.mean(0), "10 000 samples": many.mean(0)},
    spread={"100 samples": few.std(0), "10 000 samples": many.std(0)},
)
ax[0].set(title="p(g), mean of ten repetitions", ylim=(0, 0.62))
plots.curves(ax[1], torch.tensor(sizes), {"measured": error, "√(2 p (1 - p) / π n)": predicted},
             markers=True)
ax[1].set(xscale="log", yscale="log", xlabel="samples n", title="mean error of a probability")
plots.picture(fig, """Left: exact marginal of the grade and its estimates from 100 and 10 000
    samples, with error bars of one standard deviation over ten repetitions. Right: the mean error
    falls as one over the square root of n, along the predicted line.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The estimates centre on the exact bars, and the error falls as $1/\sqrt
# n$, as the standard deviation $\sqrt{p(1-p)/n}$ of a share predicts (the mean size of a Gaussian
# error is $\sqrt{2/\pi}$ of its standard deviation): one more digit costs a hundred times the
# samples. *Why it matters:* whenever exact sums are out
# of reach (all later units) this is the price list.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Move the evidence
#
# Choose what is observed (the **evidence**); the bars are the **posterior** of every variable,
# its probability given the evidence. At the start the grade is a C: intelligence looks low. What
# happens to it when the course also turns out to be hard?

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.evidence_explorer(examples.student_network(), evidence={"g": 2})

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The price of a CPD is exponential in its parents
#
# A binary node with $k$ binary parents has $2^k$ free numbers. So it matters which way the arrows
# point: $n$ words and a label $y$, with the words independent given $y$, need $2n + 1$ numbers as
# $y \to x_i$. Turned round, $x_i \to y$ takes $2^n$ for $p(y \mid x)$ alone, even if one pretends
# that the words are independent of each other ($n$ more numbers).

# %% slideshow={"slide_type": "subslide"}
sizes = list(range(1, 21))
count = {"y → x₁ … xₙ": [], "x₁ … xₙ → y": []}
for n in sizes:
    words = [f"x{i}" for i in range(n)]
    two_states = dict.fromkeys(["y", *words], 2)
    graphs = {"y": [], **{w: ["y"] for w in words}}, {"y": words, **{w: [] for w in words}}
    for numbers, parents in zip(count.values(), graphs, strict=True):
        numbers.append(parameter_count.num_parameters_bayes_net(parents, two_states))

fig, ax = plots.figure(1, 3, size=(10.5, 2.8), width_ratios=(1, 1, 1.5))
words = [f"x{i}" for i in range(1, 5)]
places = {"y": (1.5, 0), **plots.row(words, y=-1.2)}
plots.draw_graph(nx.DiGraph([("y", w) for w in words]), positions=places, ax=ax[0])
plots.draw_graph(nx.DiGraph([(w, "y") for w in words]), positions=places, ax=ax[1])
ax[0].set_title("generative")
ax[1].set_title("discriminative")
plots.curves(ax[2], torch.tensor(sizes), count)
ax[2].set(yscale="log", xlabel="words n", title="free parameters", xticks=[1, 5, 10, 15, 20])
plots.picture(fig, """Two graphs over a label y and words x: arrows from y to the words, and from
    the words to y. The first needs 2n + 1 parameters, the second 2 to the n, plus n.""")

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
fig, ax = plots.figure(2, 3, size=(9, 3.8), width_ratios=(1.5, 1, 1))
ax = ax.T.flatten()
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
    ["one per node (the parents are forgotten)", len(red_blue.variables)],
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
# **What you should see.** Both agree with the exact posterior. Rejection threw away 94 % of its
# samples for three observed variables; with thirty it would keep none.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The same graph with real-valued variables
#
# Tables give way to densities; graph and factorisation stay. With a **linear-Gaussian** CPD,
#
# $$x_2 \sim \mathcal N(x_1, \sigma_2), \quad x_4 \sim \mathcal N(x_2 + x_3, \sigma_4), \quad
# \dots \qquad x = Wx + S\varepsilon \;\Rightarrow\; x \sim \mathcal N\!\left(0,\; A
# A^\top\right),\; A = (I - W)^{-1} S,$$
#
# where $W$ holds the weights of the parents, $S$ the standard deviations $\sigma_i$ on its
# diagonal, and $\varepsilon \sim \mathcal N(0, I)$. (The $\sigma_i$ are standard deviations; the
# second slot of the joint is a covariance matrix.) Everything has a closed form: with all $\sigma
# = 1$, $\mathrm{Var}(x_4) = \mathrm{Var}(x_2) + \mathrm{Var}(x_3) + 1 = 2 + 1 + 1 = 4$.

# %% slideshow={"slide_type": "subslide"}
gaussians = five_gaussians()
mean, covariance = gaussians.joint()
drawn = gaussians.sample(4000, generator=seeded(1))
fig, ax = plots.figure(1, 2, size=(8.4, 2.8))
both = {"rows": gaussians.variables, "columns": gaussians.variables}
plots.table(ax[0], covariance, title="exact covariance", form="{:.0f}", **both)
plots.table(ax[1], drawn.T.cov(), title="covariance of 4000 samples", **both)
plots.picture(fig, """The exact covariance of the five Gaussian variables and that of 4000 samples,
    nearly equal.""")

# %% slideshow={"slide_type": "subslide"}
def log_gaussian(query):  # contours of an exact two-dimensional posterior
    joint = torch.distributions.MultivariateNormal(query.mean, query.covariance)
    return lambda z: joint.log_prob(z).exp()


cases = {"nothing observed": {}, "x4 = 3 observed": {"x4": 3.0}}
fig, ax = plots.figure(1, 2, size=(8, 3.8))
i, j = gaussians.variables.index("x2"), gaussians.variables.index("x3")
for a, (title, e) in zip(ax, cases.items(), strict=True):
    points = gaussians.sample(600, condition=e, generator=seeded(2))[:, [i, j]]
    query = gaussians.query(["x2", "x3"], e)
    correlation = query.covariance[0, 1] / query.covariance.diagonal().prod().sqrt()
    a.scatter(*points.T, s=7, color=plots.ORANGE, lw=0)
    plots.contours(a, log_gaussian(query), x=(-4, 5), y=(-4, 4), levels=4, label=False,
                   filled=False)
    a.set(title=f"{title}: correlation {float(correlation):.3f}", xlabel="x2", aspect="equal")
for a in ax:
    a.set_ylabel("x3")
plots.picture(fig, """Samples of x2 and x3 with exact contours. Nothing observed: ellipses along
    the axes, correlation 0. With x4 = 3 observed: a cloud along a falling line, correlation
    -0.577.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $x_2$ and $x_3$ are independent until their common child $x_4$ is seen;
# then a large one explains the child, and the other need not be large (**explaining away**). The
# next section gives the rule.

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
# $a$ and $b$ are **d-separated** by evidence if every path between them (along arrows of either
# direction) is blocked. Then $a \perp b \mid \text{evidence}$ for *every* choice of CPDs. Measure
# it over random CPDs by the conditional mutual information, which is 0 exactly when $a \perp b
# \mid c$:
#
# $$I(a; b \mid c) = \sum_{a, b, c} p(a, b, c) \log \frac{p(a, b \mid c)}{p(a \mid c)\, p(b \mid
# c)} \ge 0.$$

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
    ratio = abc * c  # p(a, b, c) p(c) / (p(a, c) p(b, c))
    for below in (ac, bc):
        ratio = ratio * gm.Factor(below.variables, 1 / below.values)
    return float((abc.values * ratio.marginal(abc.variables).values.log()).sum())


def uniform_net(edges):
    graph = nx.DiGraph(edges)
    return gm.BayesNet({
        v: (tuple(graph.predecessors(v)), torch.full((2,) * (graph.in_degree(v) + 1), 0.5))
        for v in nx.topological_sort(graph)
    })

# %% slideshow={"slide_type": "subslide"}
junctions = {
    "chain": uniform_net([("a", "m"), ("m", "b")]),
    "fork": uniform_net([("m", "a"), ("m", "b")]),
    "collider": uniform_net([("a", "m"), ("b", "m")]),
}
fig, ax = plots.figure(2, 3, size=(9, 3.9), height_ratios=(1, 2.2))
beside = torch.linspace(-0.2, 0.2, 100)
for (above, below), (name, net) in zip(ax.T, junctions.items(), strict=True):
    plots.draw_graph(net, positions={"a": (0, 0), "m": (1.2, 0), "b": (2.4, 0)}, ax=above)
    above.set_title(name)
    many = [random_cpds(net, seeded(k)).joint() for k in range(100)]
    for k, given in enumerate([(), ("m",)]):
        values = torch.tensor([dependence(t, "a", "b", given) for t in many])
        colour, _, marker, _ = plots.SERIES[k]
        below.scatter(k + beside, values.clamp(1e-17), s=9, lw=0, color=colour, marker=marker)
    below.set(yscale="log", ylim=(3e-18, 3), xlim=(-0.5, 1.5))
    below.set_xticks([0, 1], ["I(a; b)", "I(a; b | m)"])
ax[1, 0].set_ylabel("nats, 100 random nets")
plots.picture(fig, """Chain, fork and collider, and the mutual information of the end nodes over
    100 random networks. In chain and fork it is zero once the middle is observed; in the collider
    it is zero until the middle is observed.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Where the table says "blocked" the mutual information is zero up to
# rounding (a few $10^{-16}$ nats; what is less than $10^{-17}$ stands at $10^{-17}$), where it
# says "open" it is positive: in all 100 networks, however weak the dependence of one or two of
# them.

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
# In the red/blue network $x_2 \to x_4 \leftarrow x_3$ is a collider: two causes of one effect.
# How probable is $x_3 = \text{red}$?

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
# (and a table for the first $k$). Letters of English text: $K = 27$ (26 letters and the space).
# The text describes scikit-learn's data sets. **Bits per letter**: $-\log_2 p(\text{text})$
# divided by its number of letters.

# %% slideshow={"slide_type": "subslide"}
alphabet = " abcdefghijklmnopqrstuvwxyz"
described = ("breast_cancer", "wine", "diabetes", "digits", "iris", "linnerud")
text = " ".join(getattr(sklearn_datasets, f"load_{name}")().DESCR.lower() for name in described)
words = "".join(c if c in alphabet else " " for c in text).split()
letters = torch.tensor([alphabet.index(c) for c in " ".join(words)])
cut = len(letters) * 4 // 5
train_lines = letters[:cut].unfold(0, 50, 10)  # (lines, 50), a new line every 10 letters
test_lines = letters[cut:].unfold(0, 50, 50)
fitting = {"num_states": 27, "smoothing": 0.05}
chains = {k: gm.MarkovChain.fit(train_lines, order=k, **fitting) for k in (1, 2, 3)}
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
def written(drawn):
    return "".join(alphabet[c] for c in drawn)


rows = [["0 (independent letters)", 26,
         written(torch.multinomial(share, 50, replacement=True, generator=seeded(3)))]]
for k, model in chains.items():
    rows.append([k, model.num_parameters(), written(model.sample(1, generator=seeded(3))[0])])
plots.number_table(["order", "free parameters", "50 letters drawn from the model"], rows)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With every step of memory the samples look more like English and the
# training text gets cheaper, while the table grows 27-fold. On text that the model has not seen
# the gain is a third as large. At order 3 the sample shows why: it writes pieces of words until
# it meets a context that never occurred, about which the table knows nothing; then it is noise
# until it happens on a known context again. *Why it matters:* a table cannot share what it learns
# between similar contexts. A network can.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### An RNN language model is a fully connected directed model
#
# $$p(w_1, \dots, w_5) = p(w_1)\, p(w_2 \mid w_1) \cdots p(w_5 \mid w_1, \dots, w_4)$$
#
# A recurrent neural network (RNN) updates a state $h_t$ word by word. The state is a
# deterministic function of all words so far, so the graph over the words has every edge. Not an
# assumption of independence but *shared parameters* make it affordable. **The slide says** (in
# another deck) that autoregressive models use conditional independence. Compute it, for an RNN
# with random weights: does $w_5$ still depend on $w_1$?

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

# %% slideshow={"slide_type": "subslide"}
torch.manual_seed(0)
rnn = TinyRNN()
sentences = torch.tensor(list(itertools.product(range(3), repeat=5)))  # all 243
with torch.no_grad():
    log_conditionals = rnn.log_conditionals(sentences)
p = log_conditionals.gather(2, sentences[:, :, None])[:, :, 0].sum(1).exp()
last = log_conditionals[:, 4].exp().reshape(3, 3, 3, 3, 3, 3)[:, :, :, :, 0]  # p(w5 | w1..w4)
moved = [float((last.amax(i) - last.amin(i)).max()) for i in range(4)]

five = [f"w{i}" for i in range(1, 6)]
complete = nx.DiGraph([(a, b) for i, a in enumerate(five) for b in five[i + 1 :]])
plots.draw_graph(complete, positions=plots.row(five, spacing=1.3))

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
# **factors** (potentials) $\psi_\alpha \ge 0$, local opinions about the variables $x_\alpha$ that
# they touch. Divided by the **partition function** $Z$ their product is a distribution:
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
tables = {frozenset(f.variables): f for f in lunch.factors()}
one, two = tables[frozenset({first})].values, tables[frozenset({second})].values
pair = tables[frozenset({first, second})].marginal([first, second]).values  # rows: the first

# %% slideshow={"slide_type": "subslide"}
places = {first: (0, 0), second: (2, 0)}
for name, f in zip(lunch.factor_names, lunch.factors(), strict=True):
    middle = sum(places[v][0] for v in f.variables) / len(f.variables)
    places[name] = (middle, 0 if len(f.variables) == 2 else 0.9)

fig, ax = plots.figure(2, 2, size=(9.5, 3.6), width_ratios=(1, 1.6), height_ratios=(1, 1.3))
plots.draw_graph(lunch, positions=places, ax=ax[0, 0])
both = torch.stack([one, two])
plots.table(ax[0, 1], both, rows=[f"ψ({first})", f"ψ({second})"], columns=short, form="{:g}",
            title="an opinion about each food (f1, f2)")
plots.table(ax[1, 1], pair, rows=short, columns=short, form="{:g}",
            title=f"f3, the pair: {first} food in rows, {second} in columns")
ax[1, 0].axis("off")
plots.picture(fig, """The lunch factor graph: two variables, a factor on each and one between them,
    with the tables of potentials.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# $P(\text{tuna}, \text{ice cream}) = \frac1Z\, (6 \cdot 7 \cdot 0.1)$. With the four foods that
# the slide shows, $Z$ is a sum of 16 products.

# %% slideshow={"slide_type": "subslide"}
scores = one[:, None] * two * pair  # (4, 4)
Z = scores.sum()
tuna, ice = foods.index("tuna"), foods.index("ice cream")
p_first = one / one.sum()  # by its own factor only
local = p_first[:, None] * scores / scores.sum(1, keepdim=True)  # p(first) p(second | first)
no_pair = p_first[:, None] * two / two.sum()
plots.number_table(["P(tuna, ice cream)", "value", "which"], [
    ["4.2 / Z", scores[tuna, ice] / Z, f"right; Z = {float(Z):.2f}"],
    ["the library", lunch.query([first, second]).values[tuna, ice], "right"],
    ["4.2", scores[tuna, ice], "not divided by Z: no probability"],
    ["locally normalised", local[tuna, ice], "each step made to sum to 1 by itself"],
    ["pair factor forgotten", no_pair[tuna, ice], "as if the foods were independent"],
], digits=6)

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
fig, ax = plots.figure(size=(6.5, 2.6))
plots.bars(ax, short, {
    "global: what goes together counts": scores.sum(1) / Z,
    "local: first food by its own factor": p_first,
}, form="{:.3f}")
ax.set(ylim=(0, 0.9), title=f"p({first} food)")
plots.picture(fig, """The distribution of the first food under global and local normalisation:
    locally tuna leads with 0.496, globally peanut butter with 0.671.""")

# %% slideshow={"slide_type": "fragment"}
rows = []
for scale in (1.0, 0.1, 0.001):
    graph = gm.FactorGraph([gm.Factor(f.variables, scale * f.values) for f in lunch.factors()])
    p, z = graph.query([first, second]).values[tuna, ice], float(graph.log_partition().exp())
    rows.append([f"all potentials times {scale:g}", f"{z:.4g}", p])
directed = gm.FactorGraph.from_bayes_net(red_blue)
rows.append(["red/blue, a Bayesian network as a factor graph",
             f"{float(directed.log_partition().exp()):.4g}", "-"])
plots.number_table(["model", "Z", "P(tuna, ice cream)"], rows, digits=6)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $Z$ moves by nine orders of magnitude and no probability moves at all.
# And locally tuna is the favourite (its own opinion is highest), while globally it loses: it goes
# with nothing but more tuna. *Why it matters:* language models are normalised locally, word by
# word, which is cheap; energy-based models (a later unit) globally, by one $Z$ over everything,
# which is not.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Three pictures of one distribution
#
# Directed graph, undirected graph (parents of a common child are **married**, that is, joined:
# the child's CPD touches all of them), and factor graph.

# %% slideshow={"slide_type": "subslide"}
as_factors = gm.FactorGraph.from_bayes_net(red_blue)
married = nx.Graph(
    [pair for f in as_factors.factors() for pair in itertools.combinations(f.variables, 2)]
)
fig, ax = plots.figure(1, 3, size=(10.5, 2.9), width_ratios=(1, 1, 2))
plots.draw_graph(red_blue, positions=PLACES, ax=ax[0])
plots.draw_graph(married, positions=PLACES, ax=ax[1])
plots.draw_graph(as_factors, positions=FACTOR_PLACES, ax=ax[2])
for a, title in zip(ax, ("directed", "undirected", "factor graph"), strict=True):
    a.set_title(title)
plots.picture(fig, """The red/blue network as a directed graph, as an undirected graph in which x2
    and x3 are joined, and as a factor graph with five factors.""")

# %% slideshow={"slide_type": "fragment"}
everything = torch.tensor(list(itertools.product((0, 1), repeat=5)))
columns = [red_blue.variables.index(v) for v in as_factors.variables]
gap = red_blue.log_prob(everything) - as_factors.log_prob(everything[:, columns])
plots.number_table(["question", "answer"], [
    ["largest difference of log p over all 32 states", f"{float(gap.abs().max()):.0e}"],
    ["x2 ⊥ x3 read off the directed graph", red_blue.d_separated("x2", "x3")],
    ["x2 ⊥ x3 read off the undirected graph", not nx.has_path(married, "x2", "x3")],
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
# A **clique** is a group of variables that share a factor; **MAP** (maximum a posteriori) is the
# most probable state of all variables together. #P-hard: as hard as *counting* the solutions of
# an NP-hard puzzle. For five binary variables (or two foods) brute force will do: write down all
# states.

# %% slideshow={"slide_type": "subslide"}
table = as_factors.joint()  # all 32 states
clique = table.marginal(["x2", "x3"])
lunch_sum = math.exp(float(lunch.log_partition()))
plots.number_table(["task", "all states written down", "the library, by elimination"], [
    ["marginal of a variable: P(x4 = red)", table.marginal("x4").values[0],
     as_factors.marginals()["x4"][0]],
    ["marginal of a clique: P(x2 = red, x3 = red)", clique.values[0, 0],
     as_factors.query(["x2", "x3"]).values[0, 0]],
    ["Z of the lunch", scores.sum(), lunch_sum],
    ["MAP: its probability", table.values.max(), table[as_factors.map()]],
])

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
# best: maximising and summing do not commute. *Why it matters:* a language model that writes the
# most probable next word, one word at a time, need not write the most probable sentence.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Brute force, elimination, message passing
#
# Sums distribute over products: on a chain, $\sum_{x_1} \sum_{x_2} \sum_{x_3} f(x_1, x_2)\,
# g(x_2, x_3) = \sum_{x_3} \sum_{x_2} g(x_2, x_3) \sum_{x_1} f(x_1, x_2)$. **Variable
# elimination** pushes each sum as far in as it goes; brute force builds the whole table. **Belief
# propagation** shares the partial sums among all queries (explained below). All marginals of a
# binary chain of $n$ variables take about $n\,2^n$ operations by brute force, $4n^2$ by one
# elimination for each variable, $8n$ by belief propagation.

# %% slideshow={"slide_type": "subslide"}
def brute_force(net):
    whole = net.joint()
    return {v: whole.marginal([v]).values for v in net.variables}


def elimination(net):
    return {v: gm.variable_elimination(net.factors(), [v]).values for v in net.variables}


def message_passing(net):
    return belief_propagation(gm.FactorGraph.from_bayes_net(net)).marginals


def seconds(job, net, repeat=3):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        job(net)
        times.append(time.perf_counter() - start)
    return min(times)

# %% slideshow={"slide_type": "subslide"}
jobs = {
    "brute force": (brute_force, [4, 8, 12, 16, 18]),
    "elimination": (elimination, [4, 8, 16, 32]),
    "belief propagation": (message_passing, [4, 8, 16, 32, 64]),
}
fig, ax = plots.figure(size=(6.4, 3.1))
for k, (name, (job, lengths)) in enumerate(jobs.items()):
    nets = [examples.random_chain(n, cardinality=2, seed=0) for n in lengths]
    times = [seconds(job, net) for net in nets]
    plots.curves(ax, torch.tensor(lengths), {name: times}, markers=True, first=k)
ax.set(yscale="log", xlabel="variables in the chain", ylabel="seconds, all marginals",
       xticks=[4, 8, 16, 32, 64])
plots.picture(fig, """Time for all marginals of a binary chain. Brute force shoots up; elimination
    and belief propagation grow slowly and reach chains of 32 and 64 variables.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Once the overhead is left behind, brute force rises as a line on this
# logarithmic axis: each variable doubles it. The other two bend over. On a chain of 784 variables
# only they would finish.

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

# %% slideshow={"slide_type": "fragment"}
star = pairwise([("hub", f"leaf{i:02d}") for i in range(20)], seeded(1))
leaves = [f"leaf{i:02d}" for i in range(20)]
side = 6
grid_graph = nx.grid_2d_graph(side, side)
name = {p: f"x{p[0]}{p[1]}" for p in grid_graph}
grid = pairwise([(name[a], name[b]) for a, b in grid_graph.edges], seeded(2))
shuffled = [sorted(name.values())[i] for i in torch.randperm(side * side, generator=seeded(3))]
min_fill = gm.elimination_order(grid, [], heuristic="min-fill")
plots.number_table(["model", "order", "entries of the largest table"], [
    ["star with 20 leaves", "hub first", largest_table(star, ["hub", *leaves])],
    ["star with 20 leaves", "leaves first", largest_table(star, [*leaves, "hub"])],
    ["6 × 6 grid", "at random", largest_table(grid, shuffled)],
    ["6 × 6 grid", "row by row", largest_table(grid, sorted(name.values()))],
    ["6 × 6 grid", "min-fill", largest_table(grid, min_fill)],
    ["6 × 6 grid", "(brute force)", 2 ** (side * side)],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The same star costs 4 entries or two million. In a grid of side $s$
# even the best order builds a table over $s + 1$ variables, $2^{s+1}$ entries: min-fill finds
# such an order by itself, a random order is far from it. The number of variables in that table,
# less one, is the graph's *treewidth*: 1 for trees, $s$ for grids.

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
# for the red/blue network with $x_4 = $ red observed: its factor keeps only the entries for red.
# Messages are (red, blue), as computed by hand, not scaled. By hand, at step 3: $\mu_{2|1 \to
# x_2}(\text{red}) = 0.4 \cdot 0.7 + 0.6 \cdot 0.5 = 0.58$.

# %% slideshow={"slide_type": "subslide"}
net = examples.red_blue_network()
graph = gm.FactorGraph.from_bayes_net(net)
result = belief_propagation(graph, evidence={"x4": 0})
short = dict(zip(graph.factor_names, ("1", "2|1", "3", "4|2,3", "5|3"), strict=True))


def draw_step(step, ax):
    plots.draw_messages(graph, result.messages, step=step, observed={"x4": "red"}, labels=short,
                        positions=FACTOR_PLACES, ax=ax)
    ax.set_title(f"step {step}")


fig, ax = plots.figure(2, 2, size=(10.5, 5.4))
for step, a in enumerate(ax.flat, start=1):
    draw_step(step, a)
plots.picture(fig, """The first four steps of belief propagation on the red/blue factor graph:
    messages start at the leaves x5, p(x1) and p(x3) and meet at the factor of x4.""")

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(2, 2, size=(10.5, 5.4))
for step, a in zip((5, 6, 7), ax.flat, strict=False):
    draw_step(step, a)
red = {v: float(result.marginals[v][0]) for v in sorted(result.marginals)}
plots.bars(ax[1, 1], list(red), {"P(red | x4 = red)": list(red.values())}, form="{:.4f}")
ax[1, 1].set(title="products of what arrived: P(red | x4 = red)", ylim=(0, 1.15))
plots.picture(fig, """Steps five to seven: the messages return from the middle to the leaves. Last,
    the marginals: P(x3 = red | x4 = red) = 0.5795.""")

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
net = examples.red_blue_network()
graph = gm.FactorGraph.from_bayes_net(net)
result = belief_propagation(graph, evidence={"x4": 0})
widgets.message_explorer(graph, result.messages, observed={"x4": "red"}, positions=FACTOR_PLACES)

# %% slideshow={"slide_type": "subslide"}
exact = net.marginals({"x4": 0})
p_evidence = net.log_partition({"x4": 0}).exp()
plots.number_table(["quantity", "belief propagation", "elimination"], [
    *[[f"P({v} = red | x4 = red)", result.marginals[v][0], exact[v][0]]
      for v in ("x1", "x2", "x3", "x5")],
    ["P(x4 = red), from the messages", result.log_partition.exp(), p_evidence],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Two messages per edge, one in each direction (none on the edge of the
# observed $x_4$), and every marginal is there, exact: 0.5795 for $x_3$ again. The cost is linear
# in the number of edges. Replace the sum by a maximum and the same messages find the MAP state.

# %% slideshow={"slide_type": "fragment"}
highest = belief_propagation(graph, semiring="max")
plots.number_table(["max-product", "probability of it", "sum-product, then each argmax"],
                   [[spell(highest.assignment), highest.log_partition.exp(), spell(alone)]])

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Loopy belief propagation, going wrong on purpose
#
# Run the same messages on a graph with a cycle. A message comes back to its sender as if it were
# news: evidence is counted again and again. Four variables in a ring that like to agree ($\psi =
# e^{J}$ if equal, $e^{-J}$ if not), with a slight preference for 1 at one of them. Then five
# variables of which *every pair* wants to differ: with two states that cannot be done, the graph
# is **frustrated**.

# %% slideshow={"slide_type": "subslide"}
def ring(coupling, field=0.15, size=4, extra=()):
    J, h = math.exp(coupling), math.exp(field)
    edges = [(f"x{i}", f"x{(i + 1) % size}") for i in range(size)] + list(extra)
    pairs = [gm.Factor(e, [[J, 1 / J], [1 / J, J]]) for e in edges]
    return gm.FactorGraph([gm.Factor(["x0"], [1 / h, h]), *pairs])


stop = {"tolerance": 1e-6}
couplings = torch.linspace(0, 2, 11)
rings = [ring(float(J)) for J in couplings]
beliefs = {
    "loopy": [belief_propagation(g, max_iterations=500, **stop).marginals["x2"][1] for g in rings],
    "exact": [g.marginals()["x2"][1] for g in rings],
}
frustrated = ring(-0.6, size=5, extra=[(f"x{i}", f"x{(i + 2) % 5}") for i in range(5)])
reports = {
    f"damping {d:g}": belief_propagation(frustrated, max_iterations=60, damping=d, **stop)
    for d in (0.0, 0.5)
}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 3, size=(10.5, 3), width_ratios=(0.8, 1.3, 1.3))
square = {"x0": (0, 0), "x1": (1.3, 0), "x2": (1.3, -1.3), "x3": (0, -1.3)}
plots.draw_graph(nx.cycle_graph(list(square)), positions=square, ax=ax[0])
plots.curves(ax[1], couplings, {k: torch.stack(p) for k, p in beliefs.items()}, markers=True)
ax[1].set(xlabel="coupling J", title="ring of four: P(x2 = 1)")
for k, (name, r) in enumerate(reports.items()):
    plots.curves(ax[2], torch.arange(1, len(r.residuals) + 1), {name: r.residuals}, first=k)
ax[2].set(yscale="log", xlabel="iteration", title="frustrated: largest change of a message")
plots.picture(fig, """A ring of four variables; the loopy marginal of x2 rises far above the exact
    one as the coupling grows; on a frustrated graph the messages keep changing without damping and
    settle with damping.""")

# %% slideshow={"slide_type": "fragment"}
exact, log_z = frustrated.marginals(), frustrated.log_partition()
worst = {
    name: max(float((r.marginals[v] - p).abs().max()) for v, p in exact.items())
    for name, r in reports.items()
}
plots.number_table(
    ["frustrated graph", "converged", "iterations", "largest error of a marginal",
     "log Z from the messages", "log Z, exact"],
    [[name, r.converged, r.iterations, worst[name], r.log_partition, log_z]
     for name, r in reports.items()],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** For weak coupling loopy BP is fine. For strong coupling it is nearly
# certain where the truth is still undecided. On the frustrated graph it does not even settle;
# **damping** (send a mix of the old and the new message) makes it settle. Settled is not right:
# always read the convergence report, and trust neither the marginals nor $\log Z$ (computed from
# the messages, the *Bethe* approximation) blindly.

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
# Three of four spam mails hold a word (mail that is not spam is called *ham*), $l = 1$:
# $\frac{3+1}{4+2} = 0.6667$ (not $\frac{3+1}{4+1} = 0.8$: there are two values, so $2l$).
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
# with $p_{ik} = p(x_i = 1 \mid y = k)$ and $\pi_k = p(y = k)$. Both classifiers draw a
# (hyper)plane; they differ in how they choose it. Is a tumour malignant or benign? 30
# measurements, each cut at its median over the training rows:

# %% slideshow={"slide_type": "subslide"}
cancer = data.tabular("breast_cancer")
features, malignant = cancer.x.double(), 1 - cancer.y
order = torch.randperm(len(features), generator=seeded(1))
fit_rows, test_rows = order[:400], order[400:]
high = (features > features[fit_rows].median(0).values).double()  # (569, 30) of 0 and 1
naive = gm.NaiveBayes(30).fit(high[fit_rows], malignant[fit_rows])
logistic = gm.LogisticRegression(30, l2=1.0).fit(high[fit_rows], malignant[fit_rows])
b, w = naive.log_odds_weights()
gap = (torch.sigmoid(b + high @ w) - naive.predict_proba(high)[:, 1]).abs().max()

fig, ax = plots.figure(size=(9, 2.8))
weights = {"naive Bayes": w, "logistic regression": logistic.weight[0]}
plots.bars(ax, [str(i) for i in range(30)], weights)
ax.set(xlabel="feature", title="weights of the two planes")
ax.axhline(0, color="black", lw=0.8)
plots.picture(fig, """Weights of naive Bayes and logistic regression for thirty features: those of
    naive Bayes are nearly all positive, up to 4.6; those of logistic regression are smaller and of
    both signs.""")

# %% slideshow={"slide_type": "fragment"}
def report(model):
    p = model.predict_proba(high[test_rows])[:, 1].detach()
    y = malignant[test_rows]
    wrong = ((p > 0.5) != (y == 1)).double().mean()
    logits = p.clamp(1e-12, 1 - 1e-12).logit()
    log_loss = -densities.log_bernoulli(y[:, None], logits[:, None]).mean()
    sure = ((p < 0.01) | (p > 0.99)).double().mean()
    return [f"{float(wrong):.1%}", log_loss, f"{float(sure):.0%}"]


plots.number_table(
    ["model", "test error", "test log loss, nats", "more than 99 % sure"],
    [["naive Bayes", *report(naive)], ["logistic regression", *report(logistic)]],
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
truth = gm.BayesNet({
    "spam": ((), [0.5, 0.5]),
    "bank": (("spam",), [[0.8, 0.2], [0.2, 0.8]]),
    "account": (("bank",), [[1.0, 0.0], [0.0, 1.0]]),
})
drawn = truth.sample(20_000, generator=seeded(1))
spam, both = drawn[:, 0], drawn[:, 1:].double()
seen = torch.ones(1, 2, dtype=torch.float64)


def line(name, model, alpha):
    return [name, model.predict_proba(seen)[0, 1].detach(), *alpha.detach(), alpha.sum().detach()]


counted = gm.NaiveBayes(2, smoothing=0).fit(both, spam)
rows = [
    ["exact", truth.marginals({"bank": 1, "account": 1})["spam"][1], "-", "-", "-"],
    line("naive Bayes", counted, counted.log_odds_weights()[1]),
]
for l2 in (1e-6, 1.0, 100.0):
    model = gm.LogisticRegression(2, l2=l2).fit(both, spam)
    rows.append(line(f"logistic regression, l2 = {l2:g}", model, model.weight[0]))
plots.number_table(["model", "P(spam | bank, account)", "α₁", "α₂", "α₁ + α₂"], rows)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The slide says: logistic regression sets $\alpha_1 = 0$ or $\alpha_2 = 0$
#
# It does not. With $x_1 = x_2$ only the sum $\alpha_1 + \alpha_2$ enters the likelihood: every
# split is equally good, and where following the gradient ends depends on where it starts. Compute
# it, then add a small L2 penalty ($\alpha_1^2 + \alpha_2^2$ at fixed sum is smallest at equal
# shares). (An L1 penalty, $|\alpha_1| + |\alpha_2|$, does not decide either: all splits with
# equal signs cost the same.)

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
# **What you should see.** Logistic regression finds 0.8 whatever the split (only a strong penalty
# pulls it towards 1/2). Naive Bayes climbs with every copy: with ten copies it is certain. A
# *wrong* word is amplified just as much: make the word more frequent in ham and watch.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### But the generative model can do without features
#
# Not every feature is always observed. Naive Bayes sums the missing ones out, and because of the
# product form that means leaving their factors away: $p(y \mid x_S) \propto p(y) \prod_{i \in S}
# p(x_i \mid y)$. Logistic regression has no $p(x)$ to sum with; one has to invent a value.

# %% slideshow={"slide_type": "subslide"}
shares = [0.0, 0.2, 0.4, 0.6, 0.8, 0.9]
x, y, mean = high[test_rows], malignant[test_rows], high[fit_rows].mean(0)


def guesses(seen):  # p(y | what is seen), by three methods
    return {
        "naive Bayes, summed out": naive.predict_proba(x, observed=seen),
        "logistic, missing = 0": logistic.predict_proba(torch.where(seen, x, 0.0)),
        "logistic, missing = mean": logistic.predict_proba(torch.where(seen, x, mean)),
    }


errors = {name: torch.zeros(len(shares)) for name in guesses(x >= 0)}
for i, share in enumerate(shares):
    for k in range(20):
        seen = torch.rand(x.shape, generator=seeded(k)) >= share
        for name, p in guesses(seen).items():
            errors[name][i] += (p.argmax(1) != y).double().mean() / 20
fig, ax = plots.figure(size=(6, 3))
plots.curves(ax, torch.tensor(shares), errors, markers=True)
ax.set(xlabel="share of features not observed", ylabel="test error", ylim=(0, 0.42))
plots.picture(fig, """Test error against the share of missing features: naive Bayes stays below 15
    percent up to 80 percent missing; logistic regression with zeros filled in rises to 40 percent;
    with means filled in it is as good as naive Bayes at 20 percent and far worse from 60.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Up to 60 % missing naive Bayes hardly notices. Logistic regression with
# made-up zeros falls apart at once; with made-up means it keeps its lead for a while and then
# falls apart too. *Why it matters:* a model of $p(x)$ answers questions that nobody had in mind
# when it was trained. In-painting and super-resolution later are the same sum.

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
across, up = torch.linspace(0.5, 7.2, 80), torch.linspace(0, 3, 80)
log_p = three.predict_proba(torch.cartesian_prod(up, across).flip(1).double()).detach().log()

fig, ax = plots.figure(size=(5.6, 3.4))
for (j, k), dashes in {(0, 1): "-", (1, 2): "--", (0, 2): ":"}.items():
    difference = (log_p[:, j] - log_p[:, k]).reshape(80, 80)  # z_j - z_k
    ax.contour(across, up, difference, [0.0], colors="black", linestyles=dashes)
    ax.plot([], [], dashes, color="black", label=f"{iris.class_names[j]} = {iris.class_names[k]}")
plots.scatter(ax, petals, species, iris.class_names)
plots.add_legend(ax, handlelength=1.8, loc="center left", bbox_to_anchor=(1, 0.5))
ax.set(xlabel="petal length, cm", ylabel="petal width, cm")
plots.picture(fig, """Three species of iris by petal length and width, and for each two species the
    straight line on which they are equally probable. The lines meet in one point.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One straight line for each two classes: it is where $z_j - z_k = 0$,
# and a difference of two linear functions is linear. Where two lines cross, all three classes are
# equal, so the third passes there too.

# %% slideshow={"slide_type": "fragment"}
flipped = (torch.sigmoid(-(b + high[test_rows] @ w)) > 0.5) != (y == 1)
accuracy = (three.predict(petals) == species).double().mean()
plots.number_table(["measured", "value"], [
    ["iris, three classes: training accuracy", f"{float(accuracy):.1%}"],
    ["free parameters, (K - 1)(D + 1)", three.num_parameters()],
    ["cancer, naive Bayes with the right sign: test error", report(naive)[0]],
    ["... with the other slide's sign", f"{float(flipped.double().mean()):.1%}"],
])

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
fitted = {
    "shared variance: straight": shared,
    "own variances: curved": own,
    "logistic regression": discriminative,
}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 3, size=(10.5, 3.2), sharey=True)
for a, (title, model) in zip(ax, fitted.items(), strict=True):
    plots.contours(a, lambda z, m=model: m.predict_proba(z)[:, 1].detach(), x=(1.0, 9.2),
                   y=(0.3, 5.3), levels=[0.1, 0.3, 0.5, 0.7, 0.9], filled=False)
    plots.scatter(a, x, y, ["cultivar 0", "cultivar 1"])
    a.set(title=title, xlabel="colour intensity")
    a.get_legend().remove()
ax[0].set_ylabel("flavanoids")
plots.add_legend(ax[0], handlelength=1.0, loc="upper right")
plots.picture(fig, """Contours of p(cultivar 1) over two measurements of wine: straight lines for
    Gaussian naive Bayes with shared variance, curves with own variances, straight but steeper
    lines for logistic regression.""")

# %% slideshow={"slide_type": "subslide"}
point = x[:1].clone().requires_grad_()
p = shared.predict_proba(point)[0]
log_odds = p[0].log() - p[1].log()  # by Bayes' rule
by_autograd = torch.autograd.grad(log_odds, point)[0][0]
offset = log_odds.detach() - point.detach()[0] @ by_autograd
fitted_bias, fitted_weight = discriminative.bias[0].detach(), discriminative.weight[0].detach()
plots.number_table(
    ["weight", "closed form", "autograd through Bayes' rule", "logistic regression (sign turned)"],
    [
        ["w₀", w0, offset, -fitted_bias],
        ["w₁", w[0], by_autograd[0], -fitted_weight[0]],
        ["w₂", w[1], by_autograd[1], -fitted_weight[1]],
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
# one needs about $n$, but its limit is usually better when the model is wrong. Real data sets,
# 100 random splits for each size $m$; the band is two standard errors.

# %% slideshow={"slide_type": "subslide"}
diabetes = data.tabular("diabetes")
loops = (labels == 3) | (labels == 8)
tasks = {
    "breast cancer": (features, malignant),
    "digits, even or odd": (grey, labels % 2),
    "digits, 3 or 8": (grey[loops], (labels[loops] == 8).long()),
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
fig, ax = plots.figure(2, 3, size=(10.5, 5.2))
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
plots.picture(fig, """Test error against training size for six data sets. Naive Bayes starts a
    little lower; logistic regression overtakes it in all six as the training set grows.""")

# %% slideshow={"slide_type": "subslide"}
rows = [
    [title, int(c.sizes[0]), c.naive_bayes[0], c.logistic[0],
     int(c.sizes[-1]), c.naive_bayes[-1], c.logistic[-1]]
    for title, c in curves.items()
]
plots.number_table(
    ["data", "smallest m", "naive Bayes", "logistic", "largest m", "naive Bayes", "logistic"],
    rows, digits=3, caption="Mean test error over 100 splits",
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
# **What you should see.** On the real data, the paper's picture, if faintly: at small
# $m$ naive Bayes is a little ahead in the mean, clearly so only for diabetes (elsewhere the bands
# overlap); at the largest $m$ logistic regression is ahead in all six. In the last table the
# order in the limit is reversed: 0.30 against 0.40 in error, and yet logistic regression has the
# better log loss. *Why it matters:* say which loss a theorem is about.

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
# A truth that is not linear: with $n = 8$, $y$ is mostly the parity of $x_1, x_2$ (1 if they
# differ), and leans on $x_3$. How far a model $q$ is from the truth $p$ is told by the
# **Kullback-Leibler divergence** $\mathrm{KL}(p \,\|\, q) = \sum_y p(y \mid x) \log \frac{p(y
# \mid x)}{q(y \mid x)}$, here averaged over all $x$: 0 if they agree, positive otherwise.

# %% slideshow={"slide_type": "subslide"}
n, hidden = 8, 8
states = torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64)
true_logit = 5 * (states[:, 0] != states[:, 1]).double() - 3 + 1.5 * states[:, 2]  # (256,)


def fit_by_gradient(model, x, y, l2):
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        penalty = sum(w.square().sum() for w in model.parameters())
        loss = -model.log_prob(y, x).mean() + l2 * penalty
        loss.backward()
        return loss

    optimiser.step(closure)
    return model


def excess(model):  # mean KL(truth || model) in nats, over all 256 states
    p, q = true_logit.sigmoid(), model.probability(states).detach()
    return float((p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean())

# %% slideshow={"slide_type": "subslide"}
sizes = [50, 150, 500, 1500, 5000]
kl = {"table": [], "logistic": [], "network, 8 hidden units": []}
for m in sizes:
    rows = torch.randint(256, (m,), generator=seeded(m))
    x, p = states[rows], true_logit.sigmoid()[rows]
    y = torch.bernoulli(p, generator=seeded(m + 1)).long()
    models = (
        gm.TableConditional(n).fit(x, y, smoothing=0.5),
        fit_by_gradient(gm.LogisticConditional(n), x, y, l2=0.3 / m),
        fit_by_gradient(gm.NeuralConditional(n, hidden, generator=seeded(2)), x, y, l2=0.3 / m),
    )
    for name, model in zip(kl, models, strict=True):
        kl[name].append(excess(model))
fig, ax = plots.figure(size=(6.4, 3.1))
plots.curves(ax, torch.tensor(sizes), kl, markers=True)
ax.set(xscale="log", yscale="log", xlabel="training examples", ylabel="KL(truth ‖ model), nats")
ax.set_xticks(sizes, [str(m) for m in sizes])
ax.set_xticks([], minor=True)
plots.picture(fig, """Distance from the truth against the number of examples: the logistic stays
    flat at a high value, the table falls slowly, the network falls fastest.""")

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
# | VAE | $\mathcal N(0, 1)$ | $\mathcal N(\mu_\theta(z), e^{s_\theta(z)})$ | weights $\theta$ |

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
# EM stands for expectation-maximisation; no step lowers the likelihood. The petal lengths of 150
# irises, species unknown, from a poor start, so that there is something to watch:

# %% slideshow={"slide_type": "subslide"}
lengths = iris.x[:, 2:3].double()  # (150, 1) cm
start = torch.tensor([[3.0], [4.0]])
em = gm.GaussianMixture(2).fit(lengths, initial_means=start)
grid = torch.linspace(0.3, 7.7, 400, dtype=torch.float64)[:, None]
densities_on_the_way = {}
for steps in (0, 10, 14):
    early = gm.GaussianMixture(2)
    early.fit(lengths, initial_means=start, max_iterations=steps)
    densities_on_the_way[f"after {steps} steps"] = early.log_prob(grid).exp()
densities_on_the_way["at the end"] = em.log_prob(grid).exp()

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 3, size=(10.5, 3))
ax[0].hist(lengths[:, 0], 30, density=True, color="#DDDDDD")
plots.curves(ax[0], grid[:, 0], densities_on_the_way)
ax[0].set(xlabel="petal length, cm", title="p(x)")
plots.curves(ax[1], torch.arange(len(em.history)), {"log-likelihood": em.history}, legend=False,
             markers=True)
ax[1].set(xlabel="EM step", ylabel="nats, all 150 flowers", title="never goes down")
ax[1].set_xticks([0, 5, 10, 15])
posterior = {f"p(z={k} | x)": em.posterior(grid)[:, k] for k in (0, 1)}
plots.curves(ax[2], grid[:, 0], posterior)
ax[2].set(xlabel="petal length, cm", title="which component?")
plots.picture(fig, """EM on iris petal lengths: the density after 0, 10, 14 and all steps moves
    from one hump to two; the log-likelihood rises at every step; the posterior switches between
    the components at about 2 cm, and back below 0.6 cm.""")

# %% slideshow={"slide_type": "fragment"}
begin = {"weights_init": [0.5, 0.5], "means_init": start, "precisions_init": [[[0.3]], [[0.3]]]}
peer = sklearn_mixture.GaussianMixture(2, **begin, reg_covar=0, tol=1e-12, max_iter=1000)
peer.fit(lengths)
short, theirs = int(em.means.argmin()), int(peer.means_.argmin())
ours_sd, their_sd = em.covariances[:, 0, 0].sqrt(), peer.covariances_[:, 0, 0] ** 0.5
kinds = lengths[species == 0], lengths[species > 0]
rows = [["share of the short kind", em.weights[short], peer.weights_[theirs], 1 / 3]]
for name, k, j, flowers in (("short", short, theirs, kinds[0]),
                            ("long", 1 - short, 1 - theirs, kinds[1])):
    rows.append([f"mean, {name}", em.means[k, 0], peer.means_[j, 0], flowers.mean()])
    rows.append([f"sd, {name}", ours_sd[k], their_sd[j], flowers.std(correction=0)])
plots.number_table(
    ["parameter", "gencourse", "scikit-learn", "the flowers themselves (setosa, others)"], rows
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
# with $\Phi$ the standard normal distribution function. The check is **quadrature**: the integral
# as a sum over a fine grid of $z$.

# %% slideshow={"slide_type": "subslide"}
x = torch.linspace(-4, 4, 161, dtype=torch.float64)[:, None]
z = torch.linspace(-2, 2, 2001, dtype=torch.float64)
fig, ax = plots.figure(1, 3, size=(10.5, 2.6), sharey=True)
for a, sd in zip(ax, (0.1, 0.5, 1.5), strict=True):
    p_given_z = densities.log_normal(x, z, sd, event_dims=0).exp()  # (161, 2001)
    by_quadrature = torch.trapezoid(p_given_z / 4, z, dim=1)
    same_variance = densities.log_normal(x, 0.0, math.sqrt(4**2 / 12 + sd**2)).exp()
    formula = UniformGaussian(-2.0, 2.0, sd).log_prob(x).exp()
    plots.curves(a, x[:, 0], {"p(x), formula": formula, "Gaussian, same sd": same_variance})
    a.plot(x[::8, 0], by_quadrature[::8], "o", ms=4, mfc="none", mec="black", label="quadrature")
    a.set(title=f"σ = {sd}", xlabel="x", ylim=(0, 0.5))
    a.get_legend().remove()
plots.add_legend(ax[2], loc="upper right")
plots.picture(fig, """p(x) of the uniform-Gaussian model for three noise levels: a box with soft
    edges for small noise, nearly a Gaussian for large noise; formula and quadrature agree.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Little noise: a box, nothing like a Gaussian. Much noise: the box is
# smeared until it looks like one. Formula and quadrature agree everywhere.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A variational autoencoder's graph, before there is a way to train it
#
# Same graph $z \to x$, with networks for the mean and for the *logarithm* of the standard
# deviation. The slide notes that however deep the networks, "the functional form is still
# Gaussian". True of $p(x \mid z)$. Is it true of $p(x)$? Take random networks and integrate.

# %% slideshow={"slide_type": "subslide"}
z = torch.linspace(-6, 6, 2001, dtype=torch.float64)
x = torch.linspace(-10, 10, 801, dtype=torch.float64)
weight = densities.log_normal(z[:, None], 0.0, 1.0).exp()  # p(z)


def random_network(seed, scale):
    """Return a function of z: one hidden layer of 30 tanh units with random weights."""
    g = seeded(seed)
    A, b, c = (torch.randn(s, generator=g, dtype=torch.float64) for s in ((1, 30), (30,), (30, 1)))
    return lambda z: scale * (torch.tanh(2 * z[:, None] @ A + b) @ c)[:, 0]


def decoder(seed):
    """Return p(x | z) on the grid, (x, z), with random networks for mean and log sd."""
    mean, log_sd = random_network(2 * seed, 0.5)(z), random_network(2 * seed + 1, 0.12)(z) - 1.2
    return densities.log_normal(x[:, None], mean, log_sd.exp(), event_dims=0).exp()


def marginal(p_given_z):  # sum z out, by quadrature
    return torch.trapezoid(p_given_z * weight, z, dim=1)


def same_moments(p):
    """Return the Gaussian density that has the mean and the standard deviation of p."""
    mean = torch.trapezoid(x * p, x)
    sd = torch.trapezoid((x - mean) ** 2 * p, x).sqrt()
    return densities.log_normal(x[:, None], float(mean), float(sd)).exp()

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 3, size=(10.5, 2.9), width_ratios=(0.4, 1.3, 1.3))
plots.draw_graph(nx.DiGraph([("z", "x")]), observed=["x"], ax=ax[0])
p_given_z = decoder(0)
p_x = marginal(p_given_z)
nearest = {v: int((z - v).abs().argmin()) for v in (-1, 0, 1)}
plots.curves(ax[1], x, {f"p(x | z = {v})": p_given_z[:, i] for v, i in nearest.items()})
plots.curves(ax[2], x, {"p(x), by quadrature": p_x, "Gaussian, same sd": same_moments(p_x)})
ax[1].set(xlabel="x", xlim=(-5, 5), title="given z: always Gaussian")
ax[2].set(xlabel="x", xlim=(-5, 5), ylim=(0, 0.55), title="z integrated out: not Gaussian")
plots.picture(fig, """The graph from z to x; three Gaussian densities of x given z; and p(x), the
    average over z, which has several peaks and is far from the Gaussian with the same mean and
    standard deviation.""")

# %% slideshow={"slide_type": "fragment"}
def distance(p):
    """Return the total variation from the Gaussian of equal mean and sd: 0 same, 1 disjoint."""
    return float(torch.trapezoid((p - same_moments(p)).abs(), x) / 2)


def peaks(p):
    return int(((p[1:-1] > p[:-2]) & (p[1:-1] > p[2:])).sum())


linear = densities.log_normal(x[:, None], 0.8 * z, 0.6, event_dims=0).exp()
twenty = [marginal(decoder(seed)) for seed in range(20)]
far = [distance(p) for p in twenty]
humps = [peaks(p) for p in twenty]
plots.number_table(["model", "∫ p(x) dx", "peaks of p(x)", "distance from a Gaussian"], [
    ["the random networks above", torch.trapezoid(p_x, x), peaks(p_x), distance(p_x)],
    ["20 pairs of random networks", "-", f"{min(humps)} to {max(humps)}",
     f"{min(far):.4f} to {max(far):.4f}"],
    ["linear mean, constant sd", torch.trapezoid(marginal(linear), x), peaks(marginal(linear)),
     distance(marginal(linear))],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $p(x \mid z)$ Gaussian does *not* make $p(x)$ Gaussian, in none of
# twenty random cases; with a linear mean and a constant standard deviation it does. With $z$ in
# one dimension quadrature does the integral; with a hundred dimensions nothing does, which is why
# unit 03 exists.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Without noise there is no density at all
#
# **The slide says** that for a GAN, $x = G(z)$ with no noise added, the integral $p(x) = \int p(x
# \mid z) p(z) dz$ is intractable. If $z$ has fewer dimensions than $x$, it is worse: the samples
# lie on a thin sheet, and no density exists. Measure it: estimate the density at samples by
# counting neighbours within a radius $\varepsilon$. Where a density exists, the estimate settles
# as $\varepsilon \to 0$.

# %% slideshow={"slide_type": "subslide"}
u = torch.randn(6000, generator=seeded(1), dtype=torch.float64)
curve = torch.stack([random_network(seed, 0.5)(u) for seed in (0, 1)], 1)  # z in 1-D, x in 2-D
cloud = curve + 0.3 * torch.randn(curve.shape, generator=seeded(2), dtype=torch.float64)
radii = torch.logspace(-1.6, 0, 7)


def density(points):
    """Return the neighbours within each radius per unit of area, a share of all points."""
    near = torch.cdist(points[:1000], points)
    others = [(near < r).double().sum(1).mean() - 1 for r in radii]  # not the point itself
    return torch.stack(others) / (len(points) - 1) / (math.pi * radii**2)


estimate = {"x = G(z)": density(curve), "x = G(z) + noise": density(cloud)}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(9, 3))
ax[0].scatter(*cloud[:1500].T, s=4, color=plots.ORANGE, lw=0, label="G(z) + noise")
ax[0].scatter(*curve[:1500].T, s=4, color=plots.BLUE, lw=0, label="G(z)")
ax[0].set(aspect="equal", xlabel="x₁", ylabel="x₂")
plots.add_legend(ax[0], markerscale=3, handlelength=1, loc="center left", bbox_to_anchor=(1, 0.5))
plots.curves(ax[1], radii, estimate, markers=True)
ax[1].set(xscale="log", yscale="log", xlabel="radius ε", title="estimated density at the samples")
plots.picture(fig, """Left: samples of G(z) on a thin curve and a cloud around it. Right: as the
    radius shrinks the estimated density of the curve grows without end, like one over the radius,
    and that of the cloud settles.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The blue line keeps climbing like $1/\varepsilon$: the density would
# have to be infinite on the curve and 0 elsewhere. Unit 04 trains such models without a density.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1.13 Learning: tables by counting, and a tree from data
#
# With complete data the log-likelihood splits into one term per CPD, and its maximum is a ratio
# of counts ($l = 0$); $l$ imaginary examples of each of the $K$ states smooth it:
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


def divergence(n, smoothing, seed):
    rows = student.sample(n, generator=seeded(seed))
    learnt = gm.fit_cpds(structure, rows, smoothing=smoothing, cardinalities=sizes_of)
    return float((log_true.exp() * (log_true - learnt.log_prob(every))).sum())


measured = {
    f"{n} examples": [sum(divergence(n, k, s) for s in range(10)) / 10 for k in smoothings]
    for n in (20, 100, 1000)
}
fig, ax = plots.figure(size=(6.4, 3))
plots.curves(ax, torch.tensor(smoothings), measured, markers=True)
ax.set(xscale="log", yscale="log", xlabel="smoothing l", ylabel="KL(true ‖ learnt), nats")
plots.add_legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))
plots.picture(fig, """Distance of the learnt from the true student network against smoothing, for
    20, 100 and 1000 examples: each curve has its minimum at l = 1, flatter with more examples.""")

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
parents = {v: red_blue.parents(v) for v in red_blue.variables}
counted = gm.fit_cpds(parents, rows).cpd("x4")


def with_table(table):
    """Return the red/blue network with another table for p(x4 | x2, x3)."""
    cpds = {v: (parents[v], red_blue.cpd(v)) for v in red_blue.variables}
    return gm.BayesNet({**cpds, "x4": (parents["x4"], table)})


logits = torch.zeros(2, 2, 2, dtype=torch.float64, requires_grad=True)
optimiser = torch.optim.Adam([logits], lr=0.1)
losses = []
for _ in range(300):
    optimiser.zero_grad()
    loss = -with_table(logits.softmax(-1)).log_prob(rows).mean()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 3, size=(10.5, 2.4), width_ratios=(1.3, 1, 1))
plots.curves(ax[0], torch.arange(300), {"negative log-likelihood": losses}, legend=False)
ax[0].set(xlabel="gradient step", ylabel="nats per row", title="negative log-likelihood")
found = logits.softmax(-1).detach().reshape(4, 2)
look = {"columns": ["red", "blue"], "form": "{:.4f}"}
states4 = [f"x2={a}, x3={c}" for a in ("red", "blue") for c in ("red", "blue")]
plots.table(ax[1], counted.reshape(4, 2), rows=states4, title="p(x4 | x2, x3), counting", **look)
plots.table(ax[2], found, title="by gradient", **look)
plots.picture(fig, """The loss falls in 300 gradient steps; the table that it finds agrees with the
    table of counts.""")

# %% slideshow={"slide_type": "fragment"}
# Fisher's identity, with only x4 and x1 observed
table, evidence = red_blue.cpd("x4").clone().requires_grad_(), {"x4": 0, "x1": 1}
slope = torch.autograd.grad(with_table(table).log_partition(evidence), table)[0]
gradient = slope * table.detach()  # with respect to the logarithm of the table
posterior = red_blue.query(["x2", "x3"], evidence).values
plots.number_table(
    ["x2, x3", "gradient of log p(x4 = red, x1 = blue) by log p(x4 = red | x2, x3)",
     "P(x2, x3 | x4 = red, x1 = blue)"],
    [[f"{a}, {c}", gradient[i, j, 0], posterior[i, j]]
     for i, a in enumerate(("red", "blue")) for j, c in enumerate(("red", "blue"))],
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
information = mutual_information(binary[train])  # (64, 64) nats
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
trees = {  # the model, and the pairs that its edges join
    "Chow-Liu tree": (tree, edges),
    "chain, row by row": (in_a_row, [(i, i + 1) for i in range(63)]),
    "star around pixel 36": (
        gm.fit_cpds(star_graph, **counting), [(36, i) for i in range(64) if i != 36]
    ),
}
plots.number_table(
    ["tree", "sum of I over its edges, nats", "training nats per image", "test nats per image"],
    [[name, sum(float(information[a, c]) for a, c in pairs), nats(model, binary[train]),
      nats(model, binary[test])] for name, (model, pairs) in trees.items()],
    digits=2,
    caption=f"{near} of the {len(telling)} edges with more than 0.01 nats join neighbours",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Nobody said that the 64 numbers are a picture, yet two thirds of the
# edges that tell something join neighbours on the grid. Each nat of mutual information in the
# second column is (up to smoothing) one nat of training likelihood in the third.

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
# | 04 | generative adversarial network | $z \to x$ without noise | none exists (1.12) | yes |
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
