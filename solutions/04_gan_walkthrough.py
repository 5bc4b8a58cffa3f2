# %% [markdown] slideshow={"slide_type": "slide"}
# # GANs and the minimax game
#
# **Unit 04, walkthrough.** How can one learn to draw from a distribution over images without ever
# writing down a likelihood, from an opponent that only tells real from fake?
#
# This notebook is a lecture that runs. Each section is one idea: the formula, a few lines of code
# that use it, a figure or a table of measured numbers, and what you should see in it. Run it from
# top to bottom, or show it as slides. Nothing is downloaded. Most models are trained while you
# watch; what takes longer comes from the course's **gallery**, and then a line says when, on what
# and from which version of the code it was made (`python -m gencourse.runs.gallery` makes it
# again).
#
# | section | | section | |
# |---|---|---|---|
# | 4.1 | the game, D*, value, gradients | 4.9 | image to image: pix2pix, CycleGAN, search |
# | 4.2 | Algorithm 1 in the plane, lost modes | 4.10 | caption to image, style transfer |
# | 4.3 | other games: least squares, Wasserstein | 4.11 | the lost ping-pong ball |
# | 4.4 | DCGAN and its guidelines, PatchGAN | 4.12 | InfoGAN and BiGAN |
# | 4.5 | judging samples without a likelihood | 4.13 | GANs and VAEs as one family |
# | 4.6 | class-conditional GANs | 4.14 | one normal, six divergences |
# | 4.7 | walks and arithmetic in latent space | 4.15 | watermark, detection, attribution |
# | 4.8 | transformers, styles, growing | 4.16 | consequences; all families in one table |
#
# It follows three public lectures, which are called *the slides* here (see the end). Where a slide
# slips, a paragraph **"The slide says"** computes the right answer.
#
# **Notation.** $p$ is the data's distribution, $q$ the generator's (the slides' $p_g$). The noise
# $z$ has the prior $p(z)$; **the slides' Algorithm 1 calls it $p_g(z)$**, the name of the
# generator's distribution over $x$, which it is not. All logarithms are natural.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import functools
import logging
import math
import time

import torch
from sklearn import linear_model
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import logsigmoid
from torch.utils.data import TensorDataset

from gencourse import autoregressive, data, densities, gan, losses, plots, vae, widgets
from gencourse.data.captions import caption_vocabulary, captions, look_like
from gencourse.evaluate import (
    frechet_distance,
    negative_log_likelihood,
    precision_recall,
    two_sample_test,
)

# %% tags=["setup"] slideshow={"slide_type": "skip"}
from gencourse.gan import divergence_fits, gallery
from gencourse.gan.applications import attribution, fake_detection, leave_one_out
from gencourse.gan.applications.consequences import (
    copying_test,
    shares_under_truncation,
    truncated_noise,
)
from gencourse.gan.applications.style_transfer import transfer
from gencourse.gan.applications.watermark import Watermark, jpeg, p_value, psnr
from gencourse.gan.guidelines import GUIDELINES
from gencourse.graphical import chow_liu
from gencourse.nets import MLP
from gencourse.runs.judge import Judge
from gencourse.train import fit, fit_adversarial

logging.getLogger("gencourse").setLevel(logging.ERROR)
torch.set_num_threads(1)  # the networks are small: one thread is faster than two

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def seeded(seed=0):
    """Return a source of randomness; every figure below is the same at every run."""
    return torch.Generator().manual_seed(seed)


def made(kind, *arguments, seed=0, **options):
    """Make a model with fixed first weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(*arguments, **options)


def played(model, x, *, steps, **options):
    """Play Algorithm 1 for so many rounds, and return the model."""
    fit_adversarial(model, x, steps=steps, device="cpu", progress=False, **options)
    return model


def trained(model, x, loss, *, steps, lr=3e-3, batch_size=64):
    """Minimise a loss for so many batches, and return the model."""
    fit(model, x, loss=loss, steps=steps, lr=lr, batch_size=batch_size, device="cpu",
        progress=False)
    return model


# %% tags=["setup"] slideshow={"slide_type": "skip"}
shapes = data.large_shapes(6000, seed=0)  # coloured shapes, 16 x 16, attributes known
unseen = data.large_shapes(1000, seed=1)
digits = data.digits()  # 8 x 8 pixels, grey
judge = Judge(shapes, unseen)  # a classifier of 3 shapes x 6 colours, trained here

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.1 Two networks, one number
#
# The **generator** turns noise into an image, $x = G_\theta(z)$ with $z \sim \mathcal N(0, I)$.
# The **discriminator** says how probable it is that an image is real, $D_\phi(x) \in (0, 1)$. One
# number, the value of the game, is pulled up by the one and down by the other (Goodfellow et al.,
# 2014):
#
# $$\min_\theta \max_\phi V(\theta, \phi), \qquad V = \mathbb E_{x \sim p}[\log D_\phi(x)] +
# \mathbb E_{z}\big[\log\big(1 - D_\phi(G_\theta(z))\big)\big].$$
#
# **The slide says** (2024) that $D$ *minimises* $\log D(x) + \log(1 - D(G(z)))$ and $G$
# *maximises* $\log(1 - D(G(z)))$. Both signs are the wrong way round: the overall minus of the
# cross-entropy was lost. With $D$ minimising it, real images are called fake. The 2025 slide has
# it right.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The best answer of the discriminator
#
# Fix the generator. At one $x$ the integrand is $p \log D + q \log(1 - D)$, and its derivative
# $\frac{p}{D} - \frac{q}{1 - D}$ is zero at
#
# $$D^*(x) = \frac{p(x)}{p(x) + q(x)}.$$
#
# For $p = 0.2$ and $q = 0.6$, and what two common mistakes give:

# %% slideshow={"slide_type": "fragment"}
p, q = 0.2, 0.6
plots.number_table(["p = 0.2, q = 0.6", "D", "p log D + q log(1 - D)"], [
    [name, d, p * math.log(d) + q * math.log(1 - d)] for name, d in (
        ("p / (p + q)", p / (p + q)), ("wrong: q / (p + q), swapped", q / (p + q)),
        ("wrong: p / q, a ratio is no probability", p / q), ("D = 1/2, no idea", 0.5))
])

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Does a network find it?
#
# A network that sees nothing but samples of $p$ and $q$, trained by cross-entropy alone, against
# the ratio of the two densities, which we know here:

# %% slideshow={"slide_type": "subslide"}
line = torch.linspace(-8, 8, 3201, dtype=torch.float64)
humps = torch.stack([densities.log_normal(line, m, 0.7, event_dims=0) for m in (-2.0, 2.0)], -1)
log_p = densities.log_mixture(humps, torch.tensor([0.5, 0.5]).double().log())
log_q = densities.log_normal(line, 0.5, 1.5, event_dims=0)


def value(logits):
    """Return V by quadrature, for the discriminator of these logits on the line."""
    return torch.trapezoid(log_p.exp() * logsigmoid(logits) + log_q.exp() * logsigmoid(-logits),
                           line)


d = made(MLP, 1, 1, hidden=(32, 32), activation="Tanh")
optimiser, draws, history = torch.optim.Adam(d.parameters(), lr=5e-3), seeded(1), []
for step in range(801):
    if step % 20 == 0:
        history.append((step, float(value(d(line[:, None].float())[:, 0].double().detach()))))
    sign = torch.randint(2, (512, 1), generator=draws) * 2 - 1
    real = 2 * sign + 0.7 * torch.randn(512, 1, generator=draws)
    fake = 0.5 + 1.5 * torch.randn(512, 1, generator=draws)
    loss = losses.minimax_loss.discriminator(d(real), d(fake))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
learned = d(line[:, None].float())[:, 0].double().detach()

# %% slideshow={"slide_type": "subslide"}
best = log_p - log_q  # the logit of D*
log_m = torch.logaddexp(log_p, log_q) - math.log(2)
jsd = (torch.trapezoid(log_p.exp() * (log_p - log_m), line)
       + torch.trapezoid(log_q.exp() * (log_q - log_m), line)) / 2
fig, ax = plots.figure(1, 2, size=(10, 3))
plots.curves(ax[0], line, {"D*": best.sigmoid(), "D, a network": learned.sigmoid(),
                           "p": log_p.exp(), "q": log_q.exp()})
ax[0].set(xlabel="x", ylim=(0, 1), xlim=(-5, 5))
plots.curves(ax[1], torch.tensor([s for s, _ in history]),
             {"V(D, G)": torch.tensor([v for _, v in history]),
              "-log 4 + 2 JSD": (2 * jsd - math.log(4)).expand(len(history)),
              "-log 4": torch.full((len(history),), -math.log(4))})
ax[1].set(xlabel="steps of D", ylabel="nats", ylim=(-1.45, -1.0))
plots.picture(fig, """Left: data with two humps, a generator with one wide hump, D* and the
    network's D, which agree where there are samples. Right: the value of the game rises from
    -log 4 to the line -log 4 + 2 JSD and stays below it.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The network finds a ratio of densities that neither side can evaluate.
# Put $D^*$ into $V$, and with $m = (p + q)/2$
#
# $$V(D^*, G) = \mathbb E_p\Big[\log \frac{p}{2m}\Big] + \mathbb E_q\Big[\log \frac{q}{2m}\Big] =
# -\log 4 + 2\,\mathrm{JSD}(p \,\|\, q),$$
#
# twice the **Jensen-Shannon divergence**, $\mathrm{JSD} = \frac12 \mathrm{KL}(p\|m) + \frac12
# \mathrm{KL}(q\|m)$, between 0 (only for $q = p$) and $\log 2$. Every worse $D$ gives less:
# training $D$ estimates a divergence from below; training $G$ lowers the estimate. Move the
# generator:

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.discriminator_explorer()

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Where the divergence goes flat
#
# Take two normals of standard deviation 0.1 and move one away. The JSD says "different" and no
# more; the **Wasserstein distance** $W_1$ (the least mean distance over which mass must be
# carried) says how far:

# %% slideshow={"slide_type": "subslide"}
shifts = torch.linspace(0, 2, 81, dtype=torch.float64)


def jsd_of_shift(s):
    a, b = (densities.log_normal(line, m, 0.1, event_dims=0) for m in (0.0, float(s)))
    m = torch.logaddexp(a, b) - math.log(2)
    return float(torch.trapezoid(a.exp() * (a - m) + b.exp() * (b - m), line)) / 2


by_shift = torch.tensor([jsd_of_shift(s) for s in shifts])
fig, ax = plots.figure(size=(6.4, 2.8))
plots.curves(ax, shifts, {"JSD, nats": by_shift, "Wasserstein-1": shifts,
                          "log 2": torch.full_like(shifts, math.log(2))})
ax.set(xlabel="shift of q", ylim=(0, 1.6))
plots.picture(fig, f"""JSD rises steeply and is flat at log 2 from a shift of about 0.6 on, where
    it is {by_shift[24]:.4f}; the Wasserstein distance is the shift.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** 0.6931 at every shift as soon as the two hardly overlap. A perfect
# discriminator has nothing to teach: its slope, like that of the JSD, is zero. Two remedies
# follow: another loss for the generator (next), or another divergence (section 4.3).

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Saturating and non-saturating
#
# Early on, $D$ sees through the generator: $D(G(z)) = \sigma(v)$ is near 0. What reaches the
# generator per logit $v$:
#
# $$\frac{d}{dv} \log(1 - \sigma(v)) = -D \quad\text{(saturating)}, \qquad \frac{d}{dv} \big(-\log
# \sigma(v)\big) = -(1 - D) \quad\text{(non-saturating)}.$$

# %% slideshow={"slide_type": "fragment"}
at = torch.tensor([0.01, 0.1, 0.5, 0.9], dtype=torch.float64).logit().requires_grad_()
rows = []
for name, game in (("saturating: min log(1 - D)", losses.minimax_loss),
                   ("non-saturating: min -log D", losses.non_saturating_loss)):
    (slope,) = torch.autograd.grad(game.for_generator(at).sum(), at)
    rows.append([name, *slope])
plots.number_table(["gradient by the logit, at", "D = 0.01", "D = 0.1", "D = 0.5", "D = 0.9"],
                   rows, digits=2)

# %% slideshow={"slide_type": "fragment"}
logits = torch.linspace(-6, 6, 201, dtype=torch.float64)
fig, ax = plots.figure(1, 2, size=(10, 2.8))
plots.curves(ax[0], logits, {"log(1 - D), saturating": -nn.functional.softplus(logits),
                             "-log D, non-saturating": nn.functional.softplus(-logits)})
ax[0].set(xlabel="logit of D at a sample", ylabel="generator's loss")
plots.curves(ax[1], logits, {"saturating": logits.sigmoid(), "non-saturating":
                             1 - logits.sigmoid()})
ax[1].set(xlabel="logit of D at a sample", ylabel="size of the gradient")
plots.picture(fig, """Left: the two losses of the generator over D's logit; both fall. Right: the
    size of their slopes: the saturating one is flat where D is sure that a sample is fake, the
    non-saturating one is flat where D is fooled.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** At $D = 0.01$: -0.01 against -0.99, a hundred times as much to learn
# from. Both push in the same direction, and both have the same fixed point. **The slides
# disagree**: the prose of 2024 ("maximise the likelihood of being classified as real") is
# non-saturating, its formula saturating; Algorithm 1 is saturating in two decks and non-saturating
# in the third. From here on, the generator minimises $-\log D(G(z))$ unless a section says
# otherwise.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Can one differentiate through $G$, though $z$ is random?
#
# A slide asks this. $z$ is drawn *first*, from a distribution without parameters, and $x =
# G_\theta(z)$ is a deterministic function of $\theta$: the pathwise gradient of unit 03 (3.4).
# With $G(z) = \mu + \sigma z$ and $D(x) = \sigma(x)$ both sides can be computed:

# %% slideshow={"slide_type": "fragment"}
mu, sd = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (-1.0, 0.5))
z = torch.randn(200_000, generator=seeded(1), dtype=torch.float64)
nodes = torch.linspace(-8, 8, 4001, dtype=torch.float64)
bell = densities.log_normal(nodes, 0.0, 1.0, event_dims=0).exp()
sampled = torch.autograd.grad(nn.functional.softplus(-(mu + sd * z)).mean(), (mu, sd))
exact = torch.autograd.grad(
    torch.trapezoid(bell * nn.functional.softplus(-(mu + sd * nodes)), nodes), (mu, sd))
frozen = (mu + sd * z).detach()  # x, without the way back to θ
detached = torch.autograd.grad(
    nn.functional.softplus(-frozen).mean() + 0 * (mu + sd), (mu, sd))
plots.number_table(["gradient of E[-log D(G(z))]", "by μ", "by σ"], [
    ["exact, by quadrature", *exact], ["200 000 draws of z, backpropagated", *sampled],
    ["wrong: G(z) detached in the generator's step", *detached],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# In $D$'s step it is the other way round: there $G(z)$ *must* be a constant (detached), or $D$'s
# loss also trains the generator to be found out.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Why there is no $\log q(x)$
#
# **The slide says** that the likelihood's "integral is intractable". For a deterministic $G$ with
# fewer latents than pixels it is worse: there is *no density at all*. The samples lie on a surface
# of dimension $\dim z$, which has no area. Cover the samples of two random networks $G: \mathbb
# R^L \to \mathbb R^2$ by boxes and let the boxes shrink:

# %% slideshow={"slide_type": "subslide"}
def curved(num_latents, n=400_000):
    """Draw from a random network from so many latents into the plane."""
    net = made(nn.Sequential, nn.Linear(num_latents, 2))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(5)
        net = nn.Sequential(nn.Linear(num_latents, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(),
                            nn.Linear(64, 2))
        for layer in net[::2]:
            layer.weight.mul_(3)
        return net(torch.rand(n, num_latents, generator=seeded(2)) * 4 - 2)


def area(points, box):
    """Return the area of the boxes with a point in them."""
    return len(torch.unique((points / box).floor().long(), dim=0)) * box**2


drawn = {"one latent": curved(1), "two latents": curved(2)}
boxes = [0.4, 0.2, 0.1, 0.05, 0.025]
fig, ax = plots.figure(1, 2, size=(7, 3.2))
for a, (name, points) in zip(ax, drawn.items(), strict=True):
    a.scatter(*points[:6000].T, s=2, color=plots.BLUE, lw=0)
    a.set(title=f"{name}, 6000 samples", aspect="equal")
plots.picture(fig, """Samples of a random network from one latent lie on a winding curve; from two
    latents they fill a region of the plane.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["area of the boxes that hold samples; side of a box:", *map(str, boxes)], [
    [name, *[area(points, b) for b in boxes]] for name, points in drawn.items()
], digits=3, caption="400 000 samples each")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With one latent each halving of the box halves the area: it goes to 0,
# the likelihood of a test point is 0 for almost every point, and $\mathrm{KL}(p \| q)$ is
# infinite. With two latents the area stays. A $64 \times 64$ image from 100 latents is the first
# case. That is why a GAN in this course has `sample` and no `log_prob`.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A game of two numbers
#
# What does Algorithm 1 *do*? Make both players one number. Data $\mathcal N(2, 1)$, generator
# $\mathcal N(\mu, 1)$, discriminator $D(x) = \sigma\big(w (x - c)\big)$ with its threshold $c =
# \frac{\mu + 2}2$ in the middle. The best answer is $w^* = 2 - \mu$, and at $\mu = 2$, $w = 0$
# nobody moves. With $\delta = 2 - \mu$, $u \sim \mathcal N(\delta/2, 1)$ and $v \sim \mathcal
# N(-\delta/2, 1)$, the gradients are integrals on a line:
#
# $$\dot w = 2\, \mathbb E\big[u\, \sigma(-w u)\big], \qquad \dot\mu = w\, \mathbb E\big[\sigma(-w
# v)\big] \text{ (non-saturating) or } w\, \mathbb E\big[\sigma(w v)\big] \text{ (saturating)}.$$
#
# Algorithm 1: $k$ steps of $D$, then one of $G$. Arrows: where a round pushes.

# %% tags=["setup"] slideshow={"slide_type": "subslide"}
t = torch.linspace(-6, 6, 121, dtype=torch.float64)
weight = densities.log_normal(t, 0.0, 1.0, event_dims=0).exp() * (t[1] - t[0])


def two_numbers(sign):
    """Return the slopes of both players, for the loss of the generator with this sign in σ."""
    def slopes(mu, w):
        half = (2 - mu)[..., None] / 2
        dw = 2 * ((half + t) * torch.sigmoid(-w[..., None] * (half + t))) @ weight
        dmu = w * (torch.sigmoid(sign * w[..., None] * (t - half)) @ weight)
        return dmu, dw
    return slopes


games = {"non-saturating": two_numbers(-1), "saturating": two_numbers(1)}

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.game_explorer(games, best_response=lambda mu: 2 - mu, equilibrium=(2.0, 0.0),
                      start=(-1.0, 0.0), x=(-2, 6), y=(-4, 4), rounds=60)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With $k = 1$ the game does not walk downhill, it *spirals*: the
# generator runs past the data while $D$ still points where it was. With $k = 10$ the discriminator
# stays near the dashed line $D^*$, and the generator walks along it without a turn. **The slide
# says** "some find $k = 1$ more stable, others use $k > 1$, no best rule": here you can see why. A
# small $k$ turns in circles; a large $k$ costs time, and a discriminator that is always right
# leaves the saturating loss without a gradient.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### When the circles do not close
#
# Shrink both normals to points: data at 2, generator at $\mu$, $D(x) = \sigma(w (x - 2))$, the
# **Dirac-GAN** (Mescheder, Geiger & Nowozin, 2018). Nothing damps the rotation any more. A penalty
# on $D$'s slope at the data, $\frac\gamma2 \mathbb E \lVert \nabla_x v(x) \rVert^2 = \frac\gamma2
# w^2$ (their $R_1$), brings the damping back:

# %% slideshow={"slide_type": "subslide"}
def dirac(mu, w, sign=-1, gamma=0.0):
    off = mu - 2
    return w * torch.sigmoid(sign * w * off), -off * torch.sigmoid(w * off) - gamma * w


def orbit(slopes, start=(3.0, 0.0), rate=0.3, rounds=150):
    mu, w = (torch.tensor(v, dtype=torch.float64) for v in start)
    states = [(mu, w)]
    for _ in range(rounds):
        w = w + rate * slopes(mu, w)[1]
        mu = mu + rate * slopes(mu, w)[0]
        states.append((mu, w))
    return torch.tensor(states)

# %% slideshow={"slide_type": "fragment"}
variants = {
    "saturating": functools.partial(dirac, sign=1),
    "Wasserstein": lambda mu, w: (w, -(mu - 2)),
    "non-saturating": dirac,
    "non-saturating, R₁, γ = 0.5": functools.partial(dirac, gamma=0.5),
}
fig, ax = plots.figure(1, 4, size=(10.5, 3.0), sharey=True)
ends = {}
for a, (name, slopes) in zip(ax, variants.items(), strict=True):
    ends[name] = orbit(slopes)
    plots.vector_field(a, lambda at, f=slopes: torch.stack(f(*at.T), 1), x=(0, 4), y=(-2, 2))
    plots.path(a, ends[name])
    a.plot(2, 0, "k*", markersize=12)
    a.set_title(name, fontsize=10)
    a.set_xlabel("generator μ")
ax[0].set_ylabel("discriminator w")
plots.picture(fig, """Vector fields of four games with one path each. The saturating game and the
    Wasserstein game go round the equilibrium on a closed curve, the non-saturating one winds
    inwards slowly; with the penalty the path goes into it within one turn.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["distance of the generator from 2", "at first", "largest, last 30 rounds"], [
    [name, abs(path[0, 0] - 2), (path[-30:, 0] - 2).abs().max()] for name, path in ends.items()
], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Two games go round for ever, although both losses are as smooth as can
# be: a game need not converge where a minimisation would. The non-saturating game creeps inwards,
# more and more slowly; the penalty ends it within a turn. *Why it matters:* a GAN's losses do not
# fall, they balance. $V = -\log 4$ and $D = \frac12$ everywhere would be the end; no loss curve
# says how good the samples are, so one draws samples along the way.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.2 Algorithm 1, in the plane
#
# Eight small normals on a ring, two fully connected networks, one `fit_adversarial`. The whole
# method is two losses and a loop (`gencourse/train/adversarial.py`): $k$ steps of $D$ on a batch
# of real and as many new fake points, then one step of $G$ on new noise.

# %% slideshow={"slide_type": "subslide"}
turn = torch.arange(8) * math.pi / 4
centres = 2 * torch.stack([turn.cos(), turn.sin()], 1)
chosen = torch.randint(8, (8000,), generator=seeded(0))
ring = centres[chosen] + 0.05 * torch.randn(8000, 2, generator=seeded(1))


def modes_of(points, radius=0.2):
    """Return how many modes have 1 % of the points within 4 sd, and the share of all that have."""
    distance = torch.cdist(points, centres)
    near = distance.amin(1) < radius
    counts = torch.bincount(distance.argmin(1)[near], minlength=len(centres))
    return int((counts >= 0.01 * len(points)).sum()), float(near.float().mean())


def on_ring(*, steps=800, seed=0, snapshots=None, k=1, batch_size=128, betas=(0.5, 0.999),
            **options):
    """Play on the ring; if asked, keep samples along the way."""
    model = made(gan.MLPGAN, (2,), num_latents=4, hidden=(64, 64), seed=seed, **options)
    keep = {} if snapshots is None else {
        "sample_steps": steps // 5, "num_samples": 1500,
        "on_samples": lambda step, x: snapshots.update({step: x})}
    return played(model, ring, steps=steps, lr=2e-3, batch_size=batch_size, seed=seed, betas=betas,
                  discriminator_steps=k, **keep)


along = {}
first = on_ring(snapshots=along)

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 5, size=(10.4, 2.5))
for a, (step, points) in zip(ax, along.items(), strict=True):
    hit, share = modes_of(points)
    plots.mode_map(a, points, centres, radius=0.2,
                   title=f"step {step}\n{hit} of 8 modes, {share:.0%} on them")
plots.picture(fig, "Samples of the generator after " + "; ".join(
    f"{step} steps: {modes_of(x)[0]} of 8 modes, {modes_of(x)[1]:.0%} of the points near one"
    for step, x in along.items()) + ".")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The samples chase from mode to mode before they settle, and threads
# remain between them: $G$ is continuous and its noise is one connected cloud, so it cannot tear.
# Dotted circles are modes without a sample.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Side by side
#
# The same networks and data under other games (section 4.3 explains them), and with a momentum of
# 0.9, Adam's default, where DCGAN's authors advise 0.5:

# %% slideshow={"slide_type": "subslide"}
contest = {
    "minimax\n(saturating)": {"loss": "minimax"},
    "non-saturating,\nk = 5": {"k": 5, "steps": 270},
    "non-saturating,\nβ₁ = 0.9": {"betas": (0.9, 0.999)},
    "least squares": {"loss": "least_squares"},
    "WGAN-GP,\nk = 5": {"loss": "wasserstein", "penalty": 0.1, "k": 5, "steps": 270,
                         "betas": (0.0, 0.9)},
    "spectral norm": {"spectral": True},
}
outcomes = {"non-saturating": along[max(along)]}
for name, options in contest.items():
    outcomes[name] = on_ring(**options).sample(1500, generator=seeded(1))

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 7, size=(10.5, 2.1))
for a, (name, points) in zip(ax, outcomes.items(), strict=True):
    plots.mode_map(a, points, centres, radius=0.2, title=name)
plots.picture(fig, "Samples under seven games: " + "; ".join(
    f"{name} {modes_of(x)[0]} of 8 modes" for name, x in outcomes.items()) + ".")

# %% slideshow={"slide_type": "fragment"}
rings = {name: gallery.piece(f"ring_{name}") for name in (
    "non_saturating", "minimax", "k_5", "momentum", "least_squares", "wgan_gp", "spectral")}
plots.number_table(["game", "modes here", "near a mode here", "modes, five seeds, 1200 steps",
                    "near a mode, five seeds"], [
    [here.replace("\n", " "), modes_of(points)[0], f"{modes_of(points)[1]:.0%}",
     " ".join(f"{m:.0f}" for m in piece.numbers["modes"]),
     " ".join(f"{share:.0%}" for share in piece.numbers["near a mode"])]
    for (here, points), piece in zip(outcomes.items(), rings.values(), strict=True)])

# %% slideshow={"slide_type": "skip"}
print("\n".join(piece.made for piece in rings.values()))

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** (Here 800 steps and one run; the last columns are five runs of 1200.) No
# game wins. Least squares puts most samples onto modes and loses a mode in most runs; WGAN-GP
# finds all eight in every run, with few samples on them so far. And three rows have *the same
# loss*: with k = 5 one run of five keeps 3 modes, with a momentum of 0.9 none keeps more than 4.
# *Why it matters:* losing modes is a matter of the game as played, not of the divergence alone,
# and one run shows nothing: always several seeds.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.3 Other games
#
# - **Least squares** (LSGAN, Mao et al., 2017; a slide credits Zhu): $D$ regresses on 1 for real
#   and 0 for fake. Its best answer is the same $D^* = p/(p+q)$, as a mean of labels; its gradient
#   grows with the distance from the target instead of fading.
# - **Wasserstein** (Arjovsky, Chintala & Bottou, 2017): among all functions of slope at most 1,
#   $\;W_1(p, q) = \sup_{\lVert f \rVert_L \le 1} \mathbb E_p f - \mathbb E_q f$. The **critic**
#   $f$ gives any number. What keeps its slope at 1: clipped weights (the first paper), the
#   **gradient penalty** $\lambda\, \mathbb E\big(\lVert \nabla f(\hat x) \rVert - 1\big)^2$ at
#   points $\hat x$ between real and fake ones (Gulrajani et al., 2017), or **spectral
#   normalisation**, each weight divided by its largest singular value (Miyato et al., 2018).
#
# On a line $W_1 = \int |F_p - F_q|\, dx$ is known. $p = \mathcal N(0, 1)$, $q = \mathcal N(3,
# 0.5^2)$:

# %% slideshow={"slide_type": "subslide"}
def critic(*, penalty=0.0, spectral=False, clip=None, steps=400, seed=0):
    """Train a critic on the two normals; return its estimate of W₁ and its largest slope."""
    f = made(MLP, 1, 1, hidden=(32, 32), activation="ReLU", seed=seed)
    if spectral:
        gan.normalise_spectrally(f)
    optimiser, draw = torch.optim.Adam(f.parameters(), lr=2e-3, betas=(0.0, 0.9)), seeded(3)
    for _ in range(steps):
        real = torch.randn(256, 1, generator=draw)
        fake = 3 + 0.5 * torch.randn(256, 1, generator=draw)
        loss = losses.wasserstein_loss.discriminator(f(real), f(fake))
        if penalty:
            loss = loss + penalty * losses.gradient_penalty(f, real, fake, generator=draw)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if clip:
            with torch.no_grad():
                for w in f.parameters():
                    w.clamp_(-clip, clip)
    f.eval()
    x = torch.linspace(-3, 5, 801)[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(f(x).sum(), x)
    return f, slope.abs()[:, 0]

# %% slideshow={"slide_type": "fragment"}
cdf = [densities.log_normal(line, m, s, event_dims=0).exp().cumsum(0) * (line[1] - line[0])
       for m, s in ((0.0, 1.0), (3.0, 0.5))]
exact_w = float(torch.trapezoid((cdf[0] - cdf[1]).abs(), line))
critics = {
    "no constraint": critic(),
    "weights clipped at 0.1": critic(clip=0.1),
    "gradient penalty, λ = 10": critic(penalty=10.0),
    "spectral normalisation": critic(spectral=True),
}
real, fake = torch.randn(4000, 1, generator=seeded(5)), 3 + 0.5 * torch.randn(
    4000, 1, generator=seeded(6))
plots.number_table(["critic after 400 steps", "E f(real) - E f(fake)", "largest slope"], [
    ["exact W₁", exact_w, 1.0],
    *[[name, -losses.wasserstein_loss.discriminator(f(real), f(fake)).detach(), slope.max()]
      for name, (f, slope) in critics.items()]], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Without a constraint the difference is in the hundreds and means
# nothing: $f$ can be stretched at will. Clipping holds the slope down, but at no known value, so
# that 0.5 is no distance either. The penalty only asks for slope 1 where it looks, and after 400
# steps is 9 % too high at a slope of 1.4; spectral normalisation has slope 1.000 by construction
# and finds the distance. The critic's loss *is* an estimate of a distance here, and falls when
# samples get better.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.4 DCGAN: convolutions that train
#
# The generator *doubles* the image, the discriminator halves it. A **transposed** (fractionally
# strided) convolution of kernel 4, stride 2, padding 1 maps side $s$ to $(s - 1) \cdot 2 - 2 + 4 =
# 2s$: 4, 8, 16, 32, 64. It is not the inverse of a convolution (no "deconvolution"), but the
# transpose of its matrix:

# %% slideshow={"slide_type": "fragment"}
down = nn.Conv2d(1, 1, 4, 2, 1, bias=False).double()
up = nn.ConvTranspose2d(1, 1, 4, 2, 1, bias=False).double()
up.weight.data = down.weight.data
a = torch.autograd.functional.jacobian(lambda v: down(v.reshape(1, 1, 8, 8)).flatten(),
                                       torch.zeros(64).double())
b = torch.autograd.functional.jacobian(lambda v: up(v.reshape(1, 1, 4, 4)).flatten(),
                                       torch.zeros(16).double())
plots.number_table(["matrix of", "shape", "difference from the other's transpose"], [
    ["Conv2d, 8 × 8 to 4 × 4", str(tuple(a.shape)), float((a - b.T).abs().max())],
    ["ConvTranspose2d, 4 × 4 to 8 × 8", str(tuple(b.shape)), float((b - a.T).abs().max())],
], digits=6)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The architecture, layer by layer
#
# Five guidelines (Radford, Metz & Chintala, 2016): strided convolutions instead of pooling; batch
# norm in both networks; no fully connected hidden layers; ReLU in $G$ with tanh at its end; leaky
# ReLU in $D$. The paper's size, $64 \times 64$ from 100 latents:

# %% slideshow={"slide_type": "fragment"}
def layer_sides(network, x):
    """Return kind and output shape of each layer with weights."""
    found = []
    for layer in network.layers:
        x = layer(x)
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            count = sum(p.numel() for p in layer.parameters())
            found.append([type(layer).__name__, " × ".join(map(str, x.shape[1:])), count])
    return found


g64 = gan.DCGANGenerator((3, 64, 64), num_latents=100, width=64)
d64 = gan.DCGANDiscriminator((3, 64, 64), width=64)
with torch.no_grad():
    both = layer_sides(g64, torch.randn(2, 100, 1, 1)) + layer_sides(d64, torch.rand(2, 3, 64, 64))
plots.number_table(["layer", "output", "parameters"], both)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Trained while you watch
#
# Coloured shapes of $16 \times 16$ pixels, so that one core can do it: 16 latents, 17 000
# parameters in $G$. A game turns in circles (section 4.1), so what is shown is a **running
# average** of the generator's weights, `average=0.99`. The same 20 noises at each look:

# %% slideshow={"slide_type": "subslide"}
watched = {}
live = played(made(gan.DCGAN, (3, 16, 16), num_latents=16, width=16), shapes.x, steps=600, lr=1e-3,
              average=0.99, sample_steps=150, num_samples=20,
              on_samples=lambda step, x: watched.update({f"step {step}": x}))
fig, ax = plots.figure(size=(9.4, 3.4))
plots.colour_rows(ax, {"data": shapes.x[:20], **watched})
plots.picture(fig, """Twenty real pictures and the samples of twenty fixed noises after 150, 300,
    450 and 600 steps: from chequered smears to coloured blobs, some with corners.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Colours come first, then sizes, edges last; the chequered pattern of the
# first look fades. Four times as many steps of a wider network give the gallery's generator, the
# one that the following sections look into:

# %% slideshow={"slide_type": "subslide"}
dcgan = gallery.model("dcgan")
fig, ax = plots.figure(size=(9.4, 2.4))
plots.colour_grid(ax, dcgan.sample(80, generator=seeded(1)), columns=20)
plots.picture(fig, """Eighty samples of the gallery's DCGAN on black: in most one can tell circle,
    square or triangle, with ragged edges.""")

# %% slideshow={"slide_type": "skip"}
print(gallery.piece("dcgan").made)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Each guideline removed once
#
# What is each worth? The same small DCGAN, 1000 steps, three seeds, one guideline removed at a
# time; the Fréchet distance to held-out pictures (section 4.5 says what that is; smaller is
# better):

# %% slideshow={"slide_type": "subslide"}
ablations = {name: gallery.piece(f"without {name}".replace(" ", "_"))
             for name in ("nothing", *GUIDELINES)}


def three(values, form="{:.1f}"):
    """Return the mean of three seeds and their values."""
    mean = sum(values) / len(values)
    return [form.format(mean), ", ".join(form.format(v) for v in values)]


plots.number_table(["removed", "what stands there instead", "Fréchet distance", "the three seeds",
                    "recall"], [
    [name, GUIDELINES.get(name, "as the paper"), *three(p.numbers["Fréchet distance"]),
     sum(p.numbers["recall"]) / 3] for name, p in ablations.items()], digits=2)

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(size=(9.4, 5.0))
stand_ins = ("as the paper", "pooling", "no batch norm", "hidden layer", "tanh in G", "cut off",
             "ReLU in D", "torch's weights")
plots.colour_rows(ax, {name: p.rows["samples"] for name, p in zip(
    stand_ins, ablations.values(), strict=True)})
plots.picture(fig, """Sixteen samples of each small DCGAN that lacks one guideline. Without batch
    norm all are bluish green, with a hidden layer all have one outline; with pooling they are the
    cleanest.""")

# %% slideshow={"slide_type": "skip"}
print("\n".join(p.made for p in ablations.values()))

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Two guidelines are confirmed in every seed: without batch norm the
# distance is nearly four times as large, with a fully connected hidden layer nearly three times,
# and next to no variety is left in either (the recall). Three are **not** confirmed, again in
# every seed: without strided convolutions the distance is little more than half, because a
# transposed convolution of kernel 4 leaves chequerboards that up-sampling by repetition does not
# (Odena, Dumoulin & Olah, 2016), at one and a half times the time; torch's own initial weights are
# better by a third, tanh in $G$ by a little. Leaky ReLU and tanh at the end make no difference
# that three seeds could show. The guidelines were found at 64 pixels with the optimisers of 2015.
# *Why it matters:* a guideline is a measurement, with a date and a size.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### PatchGAN: a judge of patches
#
# Stop the discriminator before it has seen the whole image: each output is a logit for one
# **patch**, and the loss is their mean (Isola et al., 2017). Which pixels one logit sees is the
# *receptive field*: backwards through a layer of kernel $k$ and stride $s$, $\;r \to (r - 1)\, s +
# k$. For kernels 4 and strides 2, 2, 2, 1, 1:
#
# $$1 \to 4 \to 7 \to 16 \to 34 \to 70.$$
#
# Autograd knows it too: the gradient of one logit by the pixels is zero outside.

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 3, size=(9, 3.2))
rows = []
for a, halvings in zip(ax, (1, 2, 3), strict=True):
    patch = made(gan.PatchGANDiscriminator, 3, width=8, num_halvings=halvings, norm="none")
    pixels = torch.rand(1, 3, 96, 96, generator=seeded(1)).requires_grad_()
    scores = patch(pixels)
    middle = scores.shape[-1] // 2
    (seen,) = torch.autograd.grad(scores[0, 0, middle, middle], pixels)
    seen = seen[0].abs().amax(0)
    plots.heat(a, seen, title=f"{halvings} halvings: {patch.receptive_field} pixels")
    rows.append([halvings, str(tuple(scores.shape[2:])), patch.receptive_field,
                 int(seen.amax(0).count_nonzero())])
plots.picture(fig, """Pixels that the middle logit depends on, in an image of 96 x 96: squares of
    16, 34 and 70 pixels.""")

# %% slideshow={"slide_type": "fragment"}
strides = [2, 2, 2, 1, 1]


def field(strides, kernel=4):
    r = 1
    for s in reversed(strides):
        r = (r - 1) * s + kernel
    return r


plots.number_table(["layers that halve", "logits of a 96 × 96 image", "field, by formula",
                    "field, by autograd"], rows,
                   caption=f"strides 2, 2, 2, 1, 1: {field(strides)}; wrong: strides ignored "
                   f"{field([1] * 5)}, a layer of stride 1 lost {field(strides[:-1])}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** 70 pixels, the paper's choice. A patch judge asks for sharp texture
# everywhere, takes images of any size and has few parameters, but it does not care whether the
# patches fit *together*. That is why pix2pix (section 4.9) adds an $L_1$ loss. A slide says that
# PatchGAN "helps avoid producing blurry images": section 4.9 measures what it adds.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.5 How to judge samples without a likelihood
#
# No $\log q(x)$, no test likelihood. What is left compares two *samples*, real and generated, on
# **features** of a network (pixels say little about what a picture shows). The features here are
# the last layer of a classifier of shape and colour that was trained in the set-up cell; no
# weights are downloaded, and numbers from other features do not compare.
#
# - **Two-sample test** (Gretton et al., 2012): $\mathrm{MMD}^2 = \mathbb E\, k(x, x') + \mathbb
#   E\, k(y, y') - 2\, \mathbb E\, k(x, y)$, estimated without bias and compared with random
#   splits.
# - **Fréchet distance** (Heusel et al., 2017): fit a normal to each, $\lVert \mu_x - \mu_y
#   \rVert^2 + \mathrm{tr}\big(\Sigma_x + \Sigma_y - 2 (\Sigma_x \Sigma_y)^{1/2}\big)$.
# - **Precision and recall** (Kynkäänniemi et al., 2019): the share of samples that lie where data
#   are, and of data that lie where samples are.

# %% slideshow={"slide_type": "subslide"}
real, others = judge.features(unseen.x), data.large_shapes(6000, seed=3)
candidates = {
    "new real pictures": data.large_shapes(1000, seed=2).x,
    "DCGAN, gallery": dcgan.sample(1000, generator=seeded(1)),
    "DCGAN, 600 steps": live.sample(1000, generator=seeded(1)),
    "one good picture, 1000 times": unseen.x[:1].expand(1000, -1, -1, -1),
    "red pictures only": others.x[others.attributes["colour"] == 0][:900],
    "real pictures and noise of sd 0.2": (
        data.large_shapes(1000, seed=4).x
        + 0.2 * torch.randn(1000, 3, 16, 16, generator=seeded(4))).clamp(0, 1),
}
rows, measured = [], {}
for name, x in candidates.items():
    found = judge.features(x)
    test = two_sample_test(real[:200], found[:200], num_permutations=200, generator=seeded(1))
    pr = precision_recall(real, found)
    measured[name] = frechet_distance(real, found), *pr
    rows.append([name, test.mmd, test.p_value, *measured[name]])
plots.number_table(["compared with 1000 held-out pictures", "MMD² (200 rows)", "p-value",
                    "Fréchet distance", "precision", "recall"], rows, digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** New real pictures pass the test, every generator fails it: a test says
# *that* two samples differ, not how much it matters. The Fréchet distance orders the two
# generators rightly, but one number mixes two failures: perfect pictures of one colour are almost
# three times as far from the data as pictures under noise, none of which lies where data are.
# Precision and recall part them: real red pictures have precision 0.95 and recall 0.15, one
# picture repeated 1.00 and 0.00, noisy ones 0.00 and 0.73. The DCGAN's samples are of all kinds
# (recall 0.82), and only 6 % have edges good enough to lie among real pictures.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A Fréchet distance has a bias
#
# Two samples of $N$ rows from the *same* $d$-dimensional standard normal are on average $\frac{d
# (d + 5)}{2N}$ apart, to first order. A report without $N$ is no report:

# %% slideshow={"slide_type": "fragment"}
rows = []
for n in (200, 1000, 5000):
    found = [frechet_distance(torch.randn(n, 16, generator=seeded(2 * r)),
                              torch.randn(n, 16, generator=seeded(2 * r + 1))) for r in range(20)]
    unbiased = [two_sample_test(torch.randn(100, 16, generator=seeded(2 * r)),
                                torch.randn(100, 16, generator=seeded(2 * r + 1)),
                                num_permutations=1).mmd for r in range(20)]
    rows.append([n, sum(found) / 20, 16 * 21 / (2 * n)])
plots.number_table(["rows N, d = 16", "Fréchet distance, mean of 20", "d (d + 5) / 2N"], rows,
                   caption=f"the unbiased MMD² of two equal samples of 100: mean "
                   f"{sum(unbiased) / 20:.5f}, {sum(m < 0 for m in unbiased)} of 20 negative")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Copies?
#
# A generator that repeats its training pictures has a perfect Fréchet distance. So the papers show
# the nearest training picture beside each sample, as a slide does. Better: are samples *closer* to
# the training set than new real pictures are (Meehan, Chaudhuri & Dasgupta, 2020)?

# %% slideshow={"slide_type": "subslide"}
some = dcgan.sample(16, generator=seeded(3))
flat = shapes.x.flatten(1)
twins = shapes.x[torch.cdist(some.flatten(1), flat).argmin(1)]
fig, ax = plots.figure(size=(9, 1.8))
plots.colour_rows(ax, {"samples": some, "nearest in training": twins})
plots.picture(fig, """Sixteen samples and the nearest of the 6000 training pictures to each: alike
    in colour and size, with ragged edges where the training picture has clean ones.""")

# %% slideshow={"slide_type": "fragment"}
features_of_training = judge.features(shapes.x)
rows = []
for name, x in {"new real pictures": candidates["new real pictures"],
                "DCGAN, gallery": candidates["DCGAN, gallery"],
                "training pictures, copied": shapes.x[:1000],
                "half copied": torch.cat([shapes.x[:500], candidates["new real pictures"][:500]])
                }.items():
    test = copying_test(judge.features(x), features_of_training, real)
    rows.append([name, test.closer, f"{test.p_value:.1e}"])
plots.number_table(["samples", "P(closer to training than a held-out picture)", "p-value"], rows,
                   digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** New pictures score about ½, copies 1, and a half of copies is found out.
# The DCGAN's samples are *farther* from the training pictures than new pictures are: no copies,
# and not good enough to be mistaken for any.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.6 Class-conditional generation
#
# The first task of the slides: "image classification is $p(y \mid x)$, class-conditional
# generation does this in reverse, $p(x \mid y)$". Both players are told $y$ (Mirza & Osindero,
# 2014). A picture that looks real but shows another class is easy to tell from data now, so $G$
# must obey. On digits of $8 \times 8$ pixels, judged by a classifier that sees real digits only:

# %% slideshow={"slide_type": "subslide"}
order = torch.randperm(len(digits.y), generator=seeded(1))
train, test = order[:1397], order[1397:]
reader = linear_model.LogisticRegression(max_iter=1000).fit(
    digits.x[train].flatten(1).numpy(), digits.y[train].numpy())
writer = played(made(gan.ConditionalGAN, (1, 8, 8), num_classes=10, num_latents=16, width=24),
                TensorDataset(digits.x[train], digits.y[train]), steps=900, lr=1e-3,
                average=0.99)
asked = torch.arange(10).repeat(60)
written = writer.sample(600, condition=asked, generator=seeded(1))


def read_as(x):
    return torch.from_numpy(reader.predict(x.flatten(1).numpy()))


fig, ax = plots.figure(size=(5.2, 4.2))
plots.image_grid(ax, written[:100], columns=10, title="asked for 0 1 2 3 4 5 6 7 8 9")
plots.picture(fig, """Ten rows of generated digits; the columns were asked for 0 to 9, and most
    look like it.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["the classifier agrees with the label", ""], [
    ["real test digits", float((read_as(digits.x[test]) == digits.y[test]).float().mean())],
    ["generated, given y", float((read_as(written) == asked).float().mean())],
    ["generated, labels shuffled", float((read_as(written) == asked[torch.randperm(
        600, generator=seeded(2))]).float().mean())],
], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Agreement far above the 10 % of a generator that ignores $y$, and below
# that of real digits. It measures obedience, not variety: one perfect digit a class would score 1.
# For variety look down a column.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.7 Walks in latent space
#
# Is there a picture between two pictures? Walk from $z_0$ to $z_1$. Straight, or along the sphere:
# in $L$ dimensions nearly all noise lies near the radius $\sqrt L$, and half-way between two
# independent draws a straight line is at $\sqrt{L / 2}$.

# %% slideshow={"slide_type": "subslide"}
ends = torch.randn(2, 16, generator=seeded(8))
straight = gan.interpolate(ends[0], ends[1], 14)
round_walk = gan.interpolate(ends[0], ends[1], 14, spherical=True)
first, last = dcgan.sample(2, condition=ends)
fade = torch.linspace(0, 1, 14)[:, None, None, None]
fig, ax = plots.figure(size=(9, 2.4))
plots.colour_rows(ax, {
    "straight": dcgan.sample(14, condition=straight),
    "on the sphere": dcgan.sample(14, condition=round_walk),
    "cross-fade of pixels": (1 - fade) * first + fade * last,
})
plots.picture(fig, """Fourteen steps between two samples. In latent space a blue square
    turns green, then yellow, and changes its outline; a cross-fade of pixels is grey half-way.""")

# %% slideshow={"slide_type": "fragment"}
pairs = torch.randn(2, 500, 16, generator=seeded(9))
rows = []
for name, z in (("end points", pairs[0]), ("half-way, straight", pairs.mean(0)),
                ("half-way, on the sphere", gan.interpolate(*pairs, 3, spherical=True)[1])):
    x = dcgan.sample(500, condition=z)
    rows.append([name, z.norm(dim=1).mean(), judge.compare(x)["precision"],
                 frechet_distance(real, judge.features(x))])
halves = 0.5 * candidates["DCGAN, gallery"][:500] + 0.5 * candidates["DCGAN, gallery"][500:]
rows.append(["half-way, pixels", "", judge.compare(halves)["precision"],
             frechet_distance(real, judge.features(halves))])
plots.number_table(["500 pictures", "mean length of z", "precision", "Fréchet distance"], rows,
                   digits=2, caption=f"√L = {math.sqrt(16):.1f}, √(L/2) = {math.sqrt(8):.2f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Pictures between two pictures: a blue shape becomes yellow by way of
# green, where the cross-fade of pixels is a grey mixture of both. Half-way along the straight line
# samples are farther from the data than at the ends (8.6 against 6.1), since $z$ is shorter there
# than the noise that $G$ was trained on; the sphere mends most of it (6.3). A mean of two pictures
# is no picture (16.4). Precision is too near 0 here to tell.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Arithmetic
#
# "Smiling woman - neutral woman + neutral man" (Radford et al.): means of the latents of a few
# pictures of each kind. The slide shows one example; here the attributes are *known to a
# classifier*, so that the claim can be counted. Take 300 red pictures and add the direction from
# red to blue, $\bar z_{\text{blue}} - \bar z_{\text{red}}$, several times:

# %% slideshow={"slide_type": "subslide"}
z = torch.randn(4000, 16, generator=seeded(11))
seen = judge.classifier.predict(dcgan.sample(4000, condition=z))
shape, colour = seen // 6, seen % 6
names = list(data.COLOURS)
red, blue = names.index("red"), names.index("blue")
towards = z[colour == blue][:300].mean(0) - z[colour == red][:300].mean(0)
subjects = z[colour == red][300:600]
kept_shape = shape[colour == red][300:600]
rows, strip = [], {}
for times in (0.0, 0.5, 1.0, 2.0, 3.0):
    x = dcgan.sample(len(subjects), condition=subjects + times * towards)
    now = judge.classifier.predict(x)
    strip[f"{times:g} times"] = x[:16]
    rows.append([times, (now % 6 == red).float().mean(), (now % 6 == blue).float().mean(),
                 (now // 6 == kept_shape).float().mean()])
fig, ax = plots.figure(size=(9, 3))
plots.colour_rows(ax, strip, title="red pictures + so many times (mean of blue - mean of red)")
plots.picture(fig, """Sixteen red pictures. With the direction added once most are blue or
    bluish green; with two or three times of it all look much alike.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["direction added", "seen as red", "seen as blue", "seen as the same shape"],
                   rows, digits=2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Once the direction: 3 % are still red, but only 53 % are blue; the
# others turned into a third colour. 63 % keep the shape that the classifier saw (a third would be
# chance). Farther on it gets no better: at three times 38 % are blue and the pictures look alike,
# for $z$ leaves the place where noise is. So the arithmetic on the slide is real and much less
# clean than one well-chosen example suggests. Nothing in the game asks for straight directions;
# unit 03's section 3.6 has the reason.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.8 Transformers, styles, growing
#
# "But what about those vision transformers?" A slide cuts the image into patches and lets them
# attend to each other. All pairs of pixels are too many, $S^2 \cdot S^2$; TransGAN (Jiang, Chang &
# Wang, 2021) lets pixels attend within **grid** cells of $g \times g$ once the image is large:
# $S^2 \cdot g^2$ pairs. With one cell it is the full attention:

# %% slideshow={"slide_type": "subslide"}
cells = {g: made(gan.GridSelfAttention, 16, 4, side=8, grid=g, seed=1) for g in (8, 4, 2)}
tokens = torch.randn(1, 64, 16, generator=seeded(1)).requires_grad_()
fig, ax = plots.figure(1, 3, size=(7.6, 2.7))
rows = []
for a, (g, attention) in zip(ax, cells.items(), strict=True):
    (seen_by,) = torch.autograd.grad(attention(tokens)[0, 27].sum(), tokens)
    reach = seen_by[0].abs().sum(1).reshape(8, 8)
    plots.heat(a, reach, title=f"8 × 8 tokens, cells of {g} × {g}")
    rows.append([f"{g} × {g}", int(reach.count_nonzero()), 64 * g * g, 256**2 * g * g])
plots.picture(fig, """Which of 8 x 8 tokens one token attends to: all with one cell, 4 x 4 and
    2 x 2 with smaller cells.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["cells", "tokens that one token sees", "pairs at side 8", "pairs at side 256"],
                   rows)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### TransGAN, ViTGAN and a convolution, at this size
#
# Both need more of everything than a core can give in a lecture: TransGAN's paper augments the
# data and trains on $32^2$ to $256^2$ pixels, ViTGAN (Lee et al., 2022) keeps its discriminator's
# slope down (attention by distance, spectral normalisation to its initial value).

# %% slideshow={"slide_type": "subslide"}
zoo = {"DCGAN": "dcgan", "StyleGAN": "style", "progressive": "progressive",
       "TransGAN": "transgan", "ViTGAN": "vitgan"}
zoo = {name: gallery.piece(file) for name, file in zoo.items()}
fig, ax = plots.figure(size=(9.2, 3.2))
plots.colour_rows(ax, {name: list(p.rows.values())[-1] for name, p in zoo.items()})
plots.picture(fig, "Sixteen samples each of " + ", ".join(zoo) + " from the gallery.")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["gallery", "steps", "batch", "seconds", "Fréchet distance", "precision",
                    "recall"], [
    [name, p.facts["settings"]["fit"]["steps"], p.facts["settings"]["fit"].get("batch_size", 64),
     f"{p.facts['seconds']:.0f}", *[p.numbers[k][0] for k in (
         "Fréchet distance", "precision", "recall")]] for name, p in zoo.items()], digits=2)

# %% slideshow={"slide_type": "skip"}
print("\n".join(p.made for p in zoo.values()))

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** In about a minute of one core DCGAN is far ahead (5.4), the two other
# convolutional ones follow (15.5 and 17.7), the two transformers are last: TransGAN (24.3) finds
# colours and sizes but no corners, ViTGAN (27.5) draws speckled spots with hardly any variety. All
# samples are those of a running average of the generator. The transformers' papers train for days:
# this table is about this size, this minute and one seed, and about nothing else. All GANs of this
# unit over three seeds, before and after training, are in `docs/scores_gan.md`, and `gencourse
# scores gan` makes that table.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Styles, truncation and mixing
#
# **StyleGAN** (Karras, Laine & Aila, 2019) first maps $z$ to a style $w = f(z)$, then feeds $w$ to
# every layer. **Truncation**: $w_\psi = \bar w + \psi (w - \bar w)$. At $\psi = 0$ every $z$ gives
# the same picture, at $\psi < 0$ the "opposite" one. BigGAN (Brock, Donahue & Simonyan, 2019)
# truncates $z$ itself. Both trade variety for quality:

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
style = gallery.model("style")
same_z = torch.randn(500, 16, generator=seeded(2))
same_noise = style.generator.draw_noise(500, generator=seeded(3))
real_500 = judge.features(unseen.x[:500])


def at_psi(psi):
    return style.sample(500, condition=same_z, truncation=psi, noise=same_noise)


def quality_and_variety(x):
    return tuple(precision_recall(real_500, judge.features(x)))


widgets.truncation_explorer(at_psi, quality_and_variety)

# %% slideshow={"slide_type": "subslide"}
psis = [1.0, 0.7, 0.5, 0.25, 0.0, -0.5, -1.0]
one_noise = [n[:1].expand(500, *n.shape[1:]) for n in same_noise]  # the same for all pictures
fig, ax = plots.figure(size=(8, 4.0))
by_psi = {f"ψ = {psi:g}": style.sample(500, condition=same_z, truncation=psi, noise=one_noise)
          for psi in psis}
plots.colour_rows(ax, {name: x[:14] for name, x in by_psi.items()})
plots.picture(fig, """Fourteen styles at ψ from 1 to -1. At 0 all pictures are the same; below 0
    they part again, each into another direction.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["fixed noise", "spread between pictures", "precision", "recall"], [
    [name, (x - x.mean(0)).square().sum((1, 2, 3)).mean().sqrt(), *quality_and_variety(x)]
    for name, x in by_psi.items()], digits=3)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Style mixing**: coarse layers from one picture, fine layers from another. On the slide coarse
# styles bring pose, fine ones colour. Which layers hold what here?

# %% slideshow={"slide_type": "subslide"}
z_a, z_b = same_z[:12], same_z[20:32]
noise12 = [n[:1].expand(12, *n.shape[1:]) for n in same_noise]
mixes = {f"coarse A, from layer {c} B": style.generator.mix(z_a, z_b, c, noise=noise12).detach()
         for c in range(1, style.generator.num_layers)}
fig, ax = plots.figure(size=(8.4, 4.2))
plots.colour_rows(ax, {"A": style.sample(12, condition=z_a, noise=noise12), **mixes,
                       "B": style.sample(12, condition=z_b, noise=noise12)})
plots.picture(fig, """Twelve pairs A and B of samples, and their mixtures, with B's styles from
    layer 1, 2, 3, 4, 5 on: the later B's styles come in, the more of A is left.""")

# %% slideshow={"slide_type": "fragment"}
many_a, many_b = same_z[:250], same_z[250:]
noise250 = [n[:1].expand(250, *n.shape[1:]) for n in same_noise]


def seen_in(x):
    found = judge.classifier.predict(x.detach())
    return found // 6, found % 6


shape_a, colour_a = seen_in(style.sample(250, condition=many_a, noise=noise250))
shape_b, colour_b = seen_in(style.sample(250, condition=many_b, noise=noise250))
rows = [["all of B (chance)", (colour_b == colour_a).float().mean(),
         (shape_b == shape_a).float().mean()]]
for c in range(1, style.generator.num_layers + 1):
    shape_m, colour_m = seen_in(style.generator.mix(many_a, many_b, c, noise=noise250))
    rows.append([c, (colour_m == colour_a).float().mean(), (shape_m == shape_a).float().mean()])
plots.number_table(["B's styles from layer", "colour as in A", "shape as in A"], rows, digits=2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** At $\psi = 0$ one picture. On the way there the recall falls from 0.22
# to 0.10 at $\psi = 0.7$ and to nothing at $\frac12$, the precision rises from 0.02 to 0.04 only:
# a small gain for all variety. Mixing is as on the slide: the fine layers hold the colour. With
# the last layer alone from B, nearly half of the pictures lose A's colour; with all but the first,
# it is close to chance (0.22 against the first row's 0.17). Shapes are spread over all layers, and
# even by chance agree in 0.48, since this generator prefers one.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Growing
#
# **Progressive growing** (Karras et al., 2018): learn $4 \times 4$ first, then let a new layer
# fade in: $\;(1 - \alpha) \cdot \text{enlarged small output} + \alpha \cdot \text{new output}$
# with $\alpha$ rising from 0 to 1. At the ends the network is exactly the small and the large one:

# %% slideshow={"slide_type": "subslide"}
stages = gallery.piece("progressive")
fig, ax = plots.figure(size=(8.4, 2.2))
plots.colour_rows(ax, stages.rows)
plots.picture(fig, """The same noise at the end of each stage: blocks of colour at 4 x 4, blobs at
    8 x 8, shapes at 16 x 16.""")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.9 Image to image
#
# Super-resolution, inpainting, uncropping, colourisation: four tasks of the slides, one form. $y =
# A(x)$ lost something, and many $x$ go with one $y$. **pix2pix** (Isola et al., 2017) learns from
# pairs: a U-Net $G(y)$ with
#
# $$\min_G \max_D\; \mathbb E\big[\log D(y, x) + \log\big(1 - D(y, G(y))\big)\big] + \lambda\,
# \mathbb E\lVert x - G(y) \rVert_1 .$$
#
# The $L_1$ term asks for the right colours in the right places, the PatchGAN for a picture that
# could be real. Beside it the same U-Net trained by squared error alone, whose best answer is the
# mean $\mathbb E[x \mid y]$:

# %% slideshow={"slide_type": "subslide"}
tasks = {name: gallery.piece(name) for name in (
    "super_resolution", "inpainting", "uncropping", "colourisation")}
fig, ax = plots.figure(2, 2, size=(10.5, 4.1))
for a, (name, p) in zip(ax.flat, tasks.items(), strict=True):
    plots.colour_rows(a, {row: x[:10] for row, x in p.rows.items()}, title=name.replace("_", "-"))
plots.picture(fig, """Four tasks, ten held-out pictures each: what is given, the answer of squared
    error, the answer of pix2pix, the truth.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["task", "trained by", "rmse", "sharpness, truth = 1", "distance on features",
                    "Fréchet distance"], [
    [name.replace("_", "-"), who, *[p.numbers[f"{who}: {what}"][0] for what in (
        "rmse", "sharpness", "perceptual", "Fréchet distance")]]
    for name, p in tasks.items() for who in ("squared error", "pix2pix")], digits=3,
    caption="1000 held-out pictures, one seed")

# %% slideshow={"slide_type": "skip"}
print("\n".join(p.made for p in tasks.values()))

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Squared error wins the squared error in all four tasks, as it must. Here
# it also wins the rest: the distance on features in all four, and the Fréchet distance, though in
# inpainting by a hair (10.7 against 11.0). So the slide's warning of blur is *not* confirmed, and
# the pictures show why. First, little is left open: a large shape in the middle betrays its
# colour, its size and mostly its kind, a grey value its colour, and then the mean of what could be
# nearly *is* the picture. Second, the game was short, 900 steps at $16 \times 16$: pix2pix is
# sharper than the truth (1.17 to 1.29, squared error 1.04 to 1.12), but with speckles, not with
# edges, and in colourisation it often commits itself to a wrong colour. Where much is open,
# squared error does lose: section 4.11. *Why it matters:* "adversarial" is no guarantee of
# "better"; the simplest loss belongs into the table.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Without a new network: search in latent space
#
# A trained generator knows what pictures look like. For *any* known $A$, look for the $z$ whose
# picture explains what was seen (Bora et al., 2017):
#
# $$\hat z = \arg\min_z \lVert A\, G(z) - y \rVert^2 .$$
#
# Not convex, so from several starts. One generator, four tasks, no pairs:

# %% slideshow={"slide_type": "subslide"}
held = unseen.x[:10]
problems = {
    "super-resolution": data.super_resolution(held, factor=4),
    "inpainting": data.inpainting(held, hole=0.5, generator=seeded(1)),
    "uncropping": data.uncropping(held, generator=seeded(2)),
    "colourisation": data.colourisation(held),
}
fig, ax = plots.figure(2, 2, size=(10.5, 3.2))
rows = []
for a, (name, problem) in zip(ax.flat, problems.items(), strict=True):
    found = gan.latent_search(dcgan.generator, problem.y, problem.A, num_latents=16, steps=120,
                              num_restarts=8, lr=0.1, generator=seeded(3))
    given = problem.input[:, :3].expand(-1, 3, -1, -1)
    plots.colour_rows(a, {"given": given, "found": found.x, "truth": held}, title=name)
    spread = found.objective
    rows.append([name, found.residual.mean(), spread.median(),
                 (found.x - held).square().mean().sqrt()])
plots.picture(fig, """Four tasks solved by search in the latent space of one DCGAN: given, found,
    truth for ten held-out pictures.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["task", "best residual, mean", "residual of a start, median",
                    "rmse to the truth"], rows, digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** No pairs, no new training, any $A$: and on these ten pictures the rmse
# (0.07 to 0.10) is below that of pix2pix on its thousand (0.08 to 0.14), and but for inpainting
# above that of squared error. The answer is always a picture that the generator can draw. Where
# pixels are missing, what was seen is nearly matched and the rest is the generator's guess; where
# colours are missing, it guesses a colour, sometimes another one than the truth. The spread over
# starts is why one needs several.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Without pairs: CycleGAN
#
# No photograph has a twin painted by Monet. **CycleGAN** (Zhu et al., 2017) learns $F: X \to Y$
# and $B: Y \to X$ from two heaps of pictures: each result must fool the other heap's
# discriminator, and the way back must end at the start, $\lVert B(F(x)) - x \rVert_1$. Red shapes
# to blue ones:

# %% slideshow={"slide_type": "subslide"}
cycle = gallery.piece("cycle")
fig, ax = plots.figure(size=(8.4, 2.2))
plots.colour_rows(ax, cycle.rows)
plots.picture(fig, "Sixteen red shapes, the blue ones they became, and the way back to red.")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["held-out red pictures", ""],
                   [[name, values[0]] for name, values in cycle.numbers.items()], digits=3,
                   caption=cycle.made)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** All are seen as blue, all keep their shape and stay in place (to a tenth
# of a pixel), without a single pair. Cycle consistency alone does not say so: a map that also
# moves every shape two pixels and a way back that undoes it has the same cycle loss. What keeps
# shapes in place here is the networks' preference (residual blocks that start near the identity)
# and the identity loss.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.10 Text to image
#
# "Given a text description, sample an image that depicts the prompt." A caption is a bag of words
# here, "a small red circle", and $G$ gets its code beside $z$. The discriminator sees *three*
# kinds of pairs: a real picture with its caption, a generated one, and a **real picture with a
# wrong caption**, which is fake too (Reed et al., ICML **2016**, not 2017 as on the slide).
# Without the third kind nothing asks $G$ to read.

# %% slideshow={"slide_type": "subslide"}
painter, words = gallery.model("caption"), caption_vocabulary()
prompts = ["a small red circle", "a large red circle", "a large blue square",
           "a large yellow triangle", "a small green square", "a large pink circle"]
fig, ax = plots.figure(size=(8.4, 3.6))
plots.colour_rows(ax, {text: painter.sample(12, condition=words.encode([text])[0],
                                            generator=seeded(4)) for text in prompts})
plots.picture(fig, "Twelve samples for each of six captions: " + "; ".join(prompts) + ".")

# %% slideshow={"slide_type": "fragment"}
reading = gallery.piece("caption")
chance = {"colour as asked": 1 / 6, "shape as asked": 1 / 3, "size as asked": 1 / 2}
plots.number_table(["1000 captions", "agreement", "chance"],
                   [[name, v[0], chance[name]] for name, v in reading.numbers.items()], digits=3,
                   caption=reading.made)

# %% slideshow={"slide_type": "fragment"}
circle = "a large red circle"  # large: from a size of 0.39 of the picture's side on
drawn_here = painter.sample(160, condition=words.encode([circle])[0], generator=seeded(4))
as_described = torch.tensor([c == circle for c in captions(shapes.attributes, middle=0.39)])
plots.number_table([circle, "pictures", "mean size", "sd of the size"], [
    [name, len(x), look_like(x).mean(), look_like(x).std()]
    for name, x in (("generated", drawn_here), ("data", shapes.x[as_described]))], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** All three words are heard: colour in 100 %, shape in 99.8 %, size in
# 99.5 % of the pictures. Each is counted for itself: a single "how faithful" number would hide a
# word that is not heard. And none of the three measures variety. The sizes of the generated large
# red circles spread half as widely as those in the data: along a row the noise decides less than
# it should.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Style transfer
#
# "The semantic content of the source image in the style of the reference." No generator at all:
# keep the *maps* of a network (what is where) of one picture, and the **Gram matrices** of
# another, $\; \mathcal G = \frac{1}{hw} \sum_{\text{places}} f f^\top$, which features go
# together, wherever they are (Gatys, Ecker & Bethge, 2016). Then change the pixels by gradient
# descent. The network is this notebook's classifier of shapes:

# %% slideshow={"slide_type": "subslide"}
side = 32
down_right = torch.arange(side)[:, None] + torch.arange(side)
manners = {
    "stripes": torch.stack([(down_right // 3 % 2).float() * c for c in (0.9, 0.6, 0.1)])[None],
    "checks": torch.stack([((torch.arange(side)[:, None] // 4 + torch.arange(side) // 4) % 2
                            ).float() * c for c in (0.1, 0.7, 0.5)])[None],
}
source = data.large_shapes(3, seed=5, size=side).x[:1]
results = {name: transfer(source, style_image, judge.classifier.encoder, steps=40)
           for name, style_image in manners.items()}
fig, ax = plots.figure(1, 2, size=(9.6, 3.0), width_ratios=(1.5, 1))
plots.colour_grid(ax[0], torch.cat([source, *[torch.cat([manners[n], r.image])
                                              for n, r in results.items()]]), columns=5,
                  title="content; stripes, result; checks, result")
steps = {n: torch.tensor(r.style) for n, r in results.items()}
shortest = min(map(len, steps.values()))
plots.curves(ax[1], torch.arange(shortest), {n: s[:shortest] for n, s in steps.items()})
ax[1].set(xlabel="evaluations", ylabel="style loss", yscale="log")
plots.picture(fig, """A shape, two patterns, and the shape in the manner of each; the style loss
    falls by more than an order of magnitude.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The shape is still there, the black ground has taken the stripes, and
# from the checks their colours in wavy strokes. The classifier never saw a pattern in training;
# Gram matrices of a network that knows three shapes are enough for a texture of a few pixels, not
# for a board of squares. What is "content" and what "style" is defined by the layers one picks,
# not by the pictures.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.11 The lost ping-pong ball
#
# A slide (after Goodfellow, Bengio & Courville, 2016) shows a network trained by squared error
# that loses the ball: "it is not large enough to significantly affect the mean squared error".
# Predict the next frame of a scene in which a ball of 5 pixels jumps in one of eight directions,
# and nothing tells which. The best squared error is $\mathbb E[y \mid x]$, known in closed form:
# eight ghosts, each of $\frac18$ of the ball.

# %% slideshow={"slide_type": "subslide"}
scenes, new_scenes = data.ping_pong(3000, seed=0), data.ping_pong(300, seed=1)
pairs_of = TensorDataset(scenes.x, scenes.y)
by_square = trained(made(gan.UNetGenerator, 1, 1, width=16, num_halvings=2, dropout=0.0), pairs_of,
                    gan.squared_error_loss, steps=400, lr=2e-3)
by_game = played(
    made(gan.Pix2Pix, (1, 16, 16), in_channels=1, width=16, num_halvings=2, patch_width=16,
         patch_halvings=1, l1_weight=10.0), pairs_of, steps=500, lr=1e-3, average=0.99,
    num_samples=8, draw=lambda m, g: m.sample(8, condition=new_scenes.x[:8], generator=g))
with torch.no_grad():
    predictions = {
        "squared error": by_square(new_scenes.x),
        "adversarial": by_game.sample(300, condition=new_scenes.x, generator=seeded(1)),
    }

# %% slideshow={"slide_type": "subslide"}
best_mean = data.expected_next_frame(new_scenes)
fig, ax = plots.figure(size=(9, 4))
plots.image_rows(ax, {
    "frame": new_scenes.x[:14, 0], "next": new_scenes.y[:14, 0],
    "E[next | frame]": best_mean[:14, 0],
    **{name: x[:14, 0].clamp(0, 1) for name, x in predictions.items()}})
plots.picture(fig, """Fourteen scenes: a frame, the true next one, the conditional mean with eight
    faint ghosts, the prediction by squared error that looks like it, and the adversarial one with
    a bright ball, two, or part of one.""")

# %% slideshow={"slide_type": "fragment"}
background = new_scenes.attributes["background"]
rows = []
for name, x in {"true next frame": new_scenes.y, "E[next | frame], exact": best_mean,
                **predictions}.items():
    balls = data.find_balls(x.clamp(0, 1), background)
    off = (balls.position - new_scenes.attributes["next_position"]).abs().amax(1)
    rows.append([name, (x - new_scenes.y).square().mean(), (balls.count == 1).float().mean(),
                 balls.peak.mean(), (off <= 1).float().mean()])
plots.number_table(["", "mean squared error", "exactly one ball", "brightest spot, ball = 1",
                    "brightest at the true place"], rows, digits=4)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Squared error finds the eight ghosts: 0.0070 against 0.0064, the best
# possible, and not one ball. The adversarial prediction has *twice* the squared error, and exactly
# one whole ball in 44 % of the scenes (in others two, or part of one: 500 steps are few). It is in
# the wrong place mostly, as it must be: nothing tells where. *Why it matters:* a loss that
# averages over pixels cannot say what is important; an adversary notices what is always there.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.12 A code that can be read, and an encoder
#
# **InfoGAN** (Chen et al., 2016): part of the noise is a code $c$, here one of 10 values, and both
# players raise a lower bound of the information that the picture carries about it,
#
# $$I(c; x) \ge \mathbb E_{c,\, x = G(z, c)}[\log Q(c \mid x)] + H(c), \qquad H(c) = \log 10 =
# 2.3026 \text{ nats}.$$
#
# No label is used. (Who forgets $H(c)$ reports a bound that is never positive.)

# %% slideshow={"slide_type": "subslide"}
info = played(made(gan.InfoGAN, (1, 8, 8), categorical=(10,), num_latents=16, width=16),
              digits.x, steps=600, lr=1e-3, average=0.99)
value = torch.arange(10).repeat(8)[:, None]
codes = info.draw_codes(80)._replace(categorical=value)
x = info.sample(80, condition=codes, generator=seeded(1))
fig, ax = plots.figure(size=(5.2, 3.6))
plots.image_grid(ax, x, columns=10, title="one column for each value of the code")
plots.picture(fig, "Eight samples for each of ten codes: within a column the digits are alike.")

# %% slideshow={"slide_type": "fragment"}
drawn_codes = info.draw_codes(1000, generator=seeded(2))
x = info.sample(1000, condition=drawn_codes, generator=seeded(2))
with torch.no_grad():
    bound = float(info.information(x, drawn_codes))
    inferred = info.infer(digits.x).categorical[:, 0]
purity = sum(int(torch.bincount(digits.y[inferred == k], minlength=10).max())
             for k in range(10) if (inferred == k).any()) / len(inferred)
plots.number_table(["", ""], [
    ["bound of I(c; x), nats", bound], ["H(c) = log 10", math.log(10)],
    ["bound without H(c)", bound - math.log(10)],
    ["real digits with the majority digit of their inferred code", purity],
], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The bound is within 0.01 nats of $\log 10$: nearly all the code can be
# read off the picture, and each column is a kind of its own. What it stands for was not asked: 44
# % of real digits fall under the majority digit of their code, better than 10 %, far from classes.
# The game found ten kinds of strokes, not ten numbers.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### BiGAN: which $z$ belongs to this $x$?
#
# A GAN draws, it does not encode. **BiGAN** (Donahue et al.; ALI: Dumoulin et al., 2017) gives the
# discriminator *pairs*: $(x, E(x))$ from data, $(G(z), z)$ from noise. If it cannot tell them
# apart, $E$ inverts $G$, although no loss compares $x$ with $G(E(x))$.

# %% slideshow={"slide_type": "subslide"}
both_ways = made(gan.BiGAN, (1, 8, 8), num_latents=16, width=16)
before = both_ways.eval().reconstruct(digits.x[:500]).detach()
both_ways = played(both_ways, digits.x, steps=700, lr=1e-3,
                    discriminator_lr=4e-3, betas=(0.0, 0.99))
with torch.no_grad():
    after = both_ways.reconstruct(digits.x[:500])
fig, ax = plots.figure(size=(8, 1.9))
plots.image_rows(ax, {"x": digits.x[:16, 0], "G(E(x))": after[:16, 0].clamp(0, 1),
                      "a sample": both_ways.sample(16, generator=seeded(1))[:, 0]})
plots.picture(fig, "Sixteen digits, their reconstructions by a BiGAN, and samples.")

# %% slideshow={"slide_type": "fragment"}
def squared(a, b):
    return float((a - b).square().flatten(1).sum(1).mean())


other = digits.x[torch.randperm(500, generator=seeded(3))]
plots.number_table(["squared error of a digit", ""], [
    ["G(E(x)), untrained", squared(before, digits.x[:500])],
    ["another digit", squared(other, digits.x[:500])],
    ["the mean digit", squared(digits.x.mean(0, keepdim=True), digits.x[:500])],
    ["G(E(x)), trained", squared(after, digits.x[:500])],
], digits=2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Half the error of the mean digit, and no loss asked for it. It is no
# autoencoder: what comes back is *a* digit of the same look, not the same pixels.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### AnoGAN: what no $z$ explains
#
# (Schlegl et al., 2017.) Train on normal pictures only; search the $z$ for a new one; what remains
# is the score. Normal here: shapes. Abnormal: two shapes one over the other, or a grey patch in
# the middle of a shape.

# %% slideshow={"slide_type": "subslide"}
normal = unseen.x[100:130]
doubled = torch.maximum(unseen.x[200:230], unseen.x[300:330])
hollow = unseen.x[130:160].clone()
hollow[:, :, 6:10, 6:10] = 0.6
everything = torch.cat([normal, doubled, hollow])
searched = gan.latent_search(dcgan.generator, everything, lambda x: x, num_latents=16, steps=100,
                             num_restarts=4, lr=0.1, generator=seeded(5))
score = searched.residual
fig, ax = plots.figure(size=(8.4, 2.0))
few = [0, 1, 2, 3, 30, 31, 32, 33, 60, 61, 62, 63]
plots.colour_rows(ax, {"picture": everything[few], "best G(z)": searched.x[few]},
                  title="normal, two shapes, a grey patch")
plots.picture(fig, """Four normal pictures, four with two shapes, four with a grey patch, and the
    nearest sample found for each.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["", "mean residual", "area under the ROC curve"], [
    ["normal", score[:30].mean(), ""],
    *[[name, score[rows].mean(), roc_auc_score([0] * 30 + [1] * 30, torch.cat(
        [score[:30], score[rows]]).numpy())]
      for name, rows in (("two shapes", slice(30, 60)), ("a grey patch", slice(60, 90)))]],
    digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The generator has no way to make two shapes or a grey patch, so more is
# left over: an area of 0.78 and 0.92, where 0.5 is a coin (two shapes of a kind nearly cover each
# other). A flaw of this method is in the first column: the search also misses normal pictures,
# whose clean edges this generator does not have.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.13 GANs and VAEs as one family
#
# A deck draws both in one form (Hu, Yang, Salakhutdinov & Xing, 2018). Let a label $y$ say where
# $x$ comes from, $p(x \mid y = 1) = p(x)$ the data and $p_\theta(x \mid y = 0)$ the generator,
# $p(y) = \frac12$, and let $q^r(y \mid x) = q(1 - y \mid x)$ be the reversed discriminator. Then
# the non-saturating generator loss is $-\mathbb E_{p_\theta(x \mid y) p(y)} [\log q^r(y \mid x)]$,
# and
#
# **Lemma 1.** With $p_{\theta_0}(x) = \frac12 (p_{\theta_0}(x | 0) + p(x | 1))$ and $q^r(x | y)
# \propto q^r(y | x)\, p_{\theta_0}(x)$, at $\theta = \theta_0$
#
# $$\nabla_\theta \Big[-\mathbb E \log q^r(y | x)\Big] = \nabla_\theta \Big[ \mathbb E_{p(y)}
# \mathrm{KL}\big(p_\theta(x | y) \,\|\, q^r(x | y)\big) - \mathrm{JSD}\big(p_\theta(x | 0) \,\|\,
# p(x | 1)\big) \Big].$$
#
# On five values of $x$ both sides can be computed, for any discriminator:

# %% slideshow={"slide_type": "subslide"}
theta = torch.tensor([0.3, -1.0, 0.5, 0.0, 1.2], dtype=torch.float64)
target = torch.tensor([0.1, 0.3, 0.25, 0.2, 0.15], dtype=torch.float64)
guess = torch.tensor([0.2, 0.7, 0.4, 0.55, 0.3], dtype=torch.float64)  # q(y = 1 | x)
here = gan.lemma_1(theta, target, guess)
away = gan.lemma_1(theta, target, guess, frozen=theta + torch.tensor([1.0, 0, 0, 0, -1.0]))
plots.number_table(["gradient by θ", "θ₁", "θ₂", "θ₃", "θ₄", "θ₅"], [
    ["generator's loss", *here.loss], ["KL", *here.kl], ["JSD", *here.jsd],
    ["KL - JSD", *(here.kl - here.jsd)], ["KL + JSD, the sign wrong", *(here.kl + here.jsd)],
    ["KL - JSD, q^r built at another θ₀", *(away.kl - away.jsd)],
], digits=4, caption=f"largest difference of loss and KL - JSD: "
   f"{float((here.loss - here.kl + here.jsd).abs().max()):.1e}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Equal to rounding, at $\theta_0$ and **only there**: the slide's
# equation is one of gradients, not of functions, for $q^r$ is frozen. And mind the minus:
# descending $-\mathrm{JSD}$ pushes $p_\theta$ *away* from the data; it is the KL that pulls.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Lemma 2: the VAE in the same form
#
# With a *perfect* discriminator $q_*(y | x)$ the ELBO's gradient is that of $2\, \mathbb
# E_{p_{\theta_0}(x)} \big[-\mathrm{KL}\big(q_\eta(z | x, y)\, q_*^r(y | x) \,\|\, p_\theta(z, y |
# x)\big)\big]$: here the model stands *behind* the bars, in Lemma 1 before them.

# %% slideshow={"slide_type": "fragment"}
decoder = torch.randn(3, 5, generator=seeded(1), dtype=torch.float64).requires_grad_()
encoder = torch.randn(5, 3, generator=seeded(2), dtype=torch.float64).requires_grad_()
prior = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
sides = gan.lemma_2(decoder, encoder, target, prior)
gradients = [torch.autograd.grad(side, (decoder, encoder), retain_graph=True) for side in sides]
plots.number_table(["objective", "value", "largest difference of its gradient from the ELBO's"], [
    [name, side, max(float((g - g0).abs().max()) for g, g0 in zip(grads, gradients[0],
                                                                   strict=True))]
    for name, side, grads in zip(
        ("ELBO", "with y, joint form", "with y, posterior form"), sides, gradients, strict=True)],
    digits=6)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The gradients agree, the values do not: **the slide** writes "=" where
# it holds up to a constant and, for the last form, at $\theta_0$ only.
#
# **The slide says** "asymmetry of KL: $p_\theta$ misses modes", and that VAEs, with the KL the
# other way round, cover. The reverse KL *permits* missing a mode. It does not force it, and
# forward-KL training by a local method drops modes too. Look at section 4.2: there the same
# divergence kept or lost modes by $k$ and by the momentum. What is dropped is mostly a matter of
# the *game*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.14 One normal, a mixture, six divergences
#
# What does each divergence *want*, if nothing stands in the way? Fit one normal $q$ to a mixture
# by quadrature; the f-GAN (Nowozin, Cseke & Tomioka, 2016) turns any $f$-divergence into a game:
# $\mathbb E_p T - \mathbb E_q f^*(T) \le D_f(p \| q)$.

# %% slideshow={"slide_type": "subslide"}
mixture = divergence_fits.Mixture([0.6, 0.4], [-2.0, 2.5], [0.7, 0.9])
titles = {"kl": "KL(p‖q)", "reverse_kl": "KL(q‖p)", "jsd": "JSD", "wasserstein_1": "W₁",
          "wasserstein_2": "W₂²", "mmd": "MMD², width 1"}
fits = {name: divergence_fits.fit_gaussian(mixture, name) for name in titles}
at = torch.linspace(-7, 8, 601, dtype=torch.float64)
fig, ax = plots.figure(1, 2, size=(10.4, 3.2), sharey=True)
for a, group in zip(ax, (("kl", "jsd", "reverse_kl"), ("wasserstein_1", "wasserstein_2", "mmd")),
                    strict=True):
    plots.curves(a, at, {"p": mixture.log_prob(at).exp(), **{
        titles[n]: densities.log_normal(at, fits[n].mean, fits[n].sd, event_dims=0).exp()
        for n in group}})
    a.set(xlabel="x", ylim=(0, 0.6))
plots.picture(fig, "The mixture and the nearest normals: " + "; ".join(
    f"{titles[n]} mean {f.mean:.2f}, sd {f.sd:.2f}" for n, f in fits.items()) + ".")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["nearest normal by", "mean", "sd", *titles.values()], [
    [titles[n], f.mean, f.sd, *[
        divergence_fits.DIVERGENCES[m](mixture, torch.tensor(f.mean).double(),
                                       torch.tensor(f.sd).double()) for m in titles]]
    for n, f in fits.items()], digits=3,
    caption=f"the mixture has mean {mixture.mean:.3f} and sd {mixture.sd:.3f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $\mathrm{KL}(p \| q)$ has mean and standard deviation of the mixture,
# $W_2$ its mean, JSD and $W_1$ come close: all four cover both humps. Only $\mathrm{KL}(q \| p)$
# sits down on one, the heavier. MMD with a narrow kernel leans towards the taller hump. Each is
# the best in its own column, and JSD here prefers to *cover*: so this is not why GANs lose modes.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.15 Whose picture is this?
#
# **Watermark.** "Allows one to identify when an image has been created by a model." Each of 32
# bits adds or subtracts a secret pattern, too faint to see; who has the key correlates. A picture
# without the mark agrees with a given message in a Binomial(32, ½) number of bits, so the rate of
# false alarms is *exact*:

# %% slideshow={"slide_type": "subslide"}
photos = data.photographs().x
crops = torch.stack([photos[i % 2, :, 40 * i : 40 * i + 128, 60 * i : 60 * i + 128]
                     for i in range(8)])
mark = Watermark(32, key=7)
message = torch.randint(2, (8, 32), generator=seeded(1))
marked = mark.embed(crops, message)
attacks = {
    "marked": marked, "compressed (JPEG, quality 50)": jpeg(marked, quality=50),
    "cropped to 90 × 90": marked[..., 11:101, 23:113],
    "noise of sd 0.03": (marked + 0.03 * torch.randn(marked.shape, generator=seeded(2))
                         ).clamp(0, 1),
    "never marked": crops,
}
rows = []
for name, x in attacks.items():
    bits, _ = mark.decode(x)
    chance = p_value(bits, message)
    rows.append([name, float((bits == message).float().mean()), f"{float(chance.max()):.1e}",
                 f"{int((chance < 1e-3).sum())} of 8"])
fig, ax = plots.figure(size=(8.4, 2.4))
plots.colour_grid(ax, torch.cat([crops[:3], marked[:3], (0.5 + 5 * (marked - crops)[:3])]),
                  columns=9, title="photographs, marked, the difference five times enlarged")
plots.picture(fig, """Three crops of photographs, the same marked, which look the same, and the
    difference enlarged, a faint pattern.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["8 pictures", "bits read rightly", "largest p-value", "called marked"],
                   rows, digits=3, caption=f"the mark changes a picture by "
                   f"{float(psnr(crops, marked).mean()):.1f} dB; called marked if p < 0.001")

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Detection without a mark.** Up-sampling leaves its trace in the spectrum. A linear detector on
# the power at each frequency, trained on one generator and tried on another:

# %% slideshow={"slide_type": "subslide"}
makers = {"DCGAN": dcgan, "DCGAN, another seed": gallery.model("dcgan_other"), "StyleGAN": style}
first_half = {n: m.sample(800, generator=seeded(1)) for n, m in makers.items()}
second_half = {n: m.sample(800, generator=seeded(2)) for n, m in makers.items()}
fig, ax = plots.figure(size=(6, 2.8))
spectra = {"real": shapes.x[:800], **first_half}
plots.curves(ax, torch.arange(1, 9), {
    n: fake_detection.power_spectrum(x)[:, 1:].log().mean(0) for n, x in spectra.items()},
    markers=True)
ax.set(xlabel="frequency, cycles a picture", ylabel="log power, mean")
plots.picture(fig, """Mean log power against frequency for real pictures and three generators.
    All lines are close; both DCGANs have more power at the highest frequency, the second from 3
    cycles on, StyleGAN has slightly less.""")

# %% slideshow={"slide_type": "fragment"}
table = fake_detection.generalisation(shapes.x[:800], shapes.x[800:1600], list(
    first_half.values()), list(second_half.values()))
plots.number_table(["detector trained on (row), tried on", *makers], [
    [n, *row] for n, row in zip(makers, table, strict=True)], digits=3,
    caption="accuracy, 0.5 is chance")

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Attribution to a model.** "Very successful (natural watermarks)", says the slide. The mean fine
# detail over many samples is a generator's fingerprint; a picture goes to the one that its own
# detail fits best:

# %% slideshow={"slide_type": "fragment"}
prints = attribution.fingerprints(list(first_half.values()))
rows = []
for n, x in second_half.items():
    named = attribution.which_generator(x, prints)
    rows.append([n, *[(named == j).float().mean() for j in range(3)]])
plots.number_table(["made by (row), attributed to", *makers], rows, digits=3,
                   caption="shares of 800 new samples each; chance 0.333")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The mark survives compression and noise; of the crops one is misread
# (the decoder must also find where the tiles begin). Without a mark it is much harder. A detector
# is right in 65 to 76 % on the generator that it was shown, in 62 and 71 % on the other seed of
# it, and in 52 to 58 % on another architecture, where 50 % is chance. By its fingerprint StyleGAN
# is named in 94.5 %, but of the two DCGANs' pictures only 35 % go to the right one, as by chance,
# and half to StyleGAN. So much for "very successful": two generators of one kind cannot be told
# apart here.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Attribution to training pictures.** Which of the training pictures does a sample owe most to?
# By definition: leave one out, train again, look at $\log q(x)$. For a network that is 6000
# trainings, and a GAN has no $\log q$. In a fitted normal it has a closed form; the *nearest*
# picture, the usual guess, is then a poor one:

# %% slideshow={"slide_type": "fragment"}
rows_of = judge.features(shapes.x[:300]).double()
asked_about = judge.features(dcgan.sample(20, generator=seeded(6))).double()
influence = leave_one_out.gaussian_leave_one_out(asked_about, rows_of, ridge=0.1)
guesses = {
    "influence function (one derivative)": leave_one_out.gaussian_influence(
        asked_about, rows_of, ridge=0.1),
    "nearness in feature space": leave_one_out.nearness(asked_about, rows_of),
}
plots.number_table(["guess", "rank correlation with leaving out", "same first of 300"], [
    [name, leave_one_out.rank_agreement(g, influence).mean(),
     (g.argmax(1) == influence.argmax(1)).double().mean()] for name, g in guesses.items()],
    digits=3, caption="20 samples, a normal fitted to the features of 300 training pictures")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4.16 Consequences
#
# Truncation makes samples better and *fewer of a kind*: who is rare goes first. The share of each
# colour among samples of the gallery's DCGAN, as the noise is cut off at a threshold (the data
# hold a sixth of each):

# %% slideshow={"slide_type": "subslide"}
thresholds = [3.0, 1.5, 1.0, 0.5, 0.25]
shares = shares_under_truncation(
    dcgan.generator, lambda x: judge.classifier.predict(x) % 6, thresholds, num_classes=6,
    num_latents=16, n=1000, generator=seeded(1))
fig, ax = plots.figure(size=(8.6, 2.8))
plots.bars(ax, [f"|z| < {t:g}" for t in thresholds],
           {name: shares[:, k] for k, name in enumerate(data.COLOURS)})
ax.axhline(1 / 6, color=plots.GREY, linestyle=":", linewidth=1)
ax.set(ylabel="share of the samples", ylim=(0, 1))
plots.add_legend(ax, ncols=6, loc="upper left")
plots.picture(fig, "Shares of six colours at five thresholds: " + "; ".join(
    f"at {t:g} the most frequent has {float(s.max()):.2f}, the rarest {float(s.min()):.2f}"
    for t, s in zip(thresholds, shares, strict=True)) + ".")

# %% slideshow={"slide_type": "fragment"}
rows = []
for t, s in zip(thresholds, shares, strict=True):
    x = dcgan.sample(1000, condition=truncated_noise(1000, 16, t, generator=seeded(2)))
    rows.append([t, s.min(), s.max(), *precision_recall(real, judge.features(x))])
plots.number_table(["threshold", "rarest colour", "most frequent", "precision", "recall"], rows,
                   digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** At $|z| < 1$ one colour has a third of all samples and another 7 %; at ½
# one has more than half, at ¼ nearly all, and the rarest has vanished. The precision hardly moves
# down to 1, and falls in the end: this generator's best pictures are not near $z = 0$. What BigGAN
# sells as quality for variety is, for whoever is rare, just less. The same holds for any filter
# "best of $n$". *Why it matters:* a generator is used to make data; count who is in them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## All families of the course so far, in one table
#
# One data set, black-and-white digits of $8 \times 8$ pixels; the same 1397 for training and 400
# for testing; Fréchet distance and precision on the features of one classifier:

# %% slideshow={"slide_type": "subslide"}
binary = data.binarise(digits.x, "threshold")
digit_judge = Judge(
    data.ArrayData(binary[train], digits.y[train], source="digits"),
    data.ArrayData(binary[test], digits.y[test], source="digits"), epochs=15)
flat_train, flat_test = binary[train].reshape(-1, 64), binary[test].reshape(-1, 64)
tree = chow_liu(flat_train.long(), cardinalities=[2] * 64, smoothing=1.0)
made_model = trained(made(autoregressive.MADE, 64, hidden=(128,), generator=seeded(0)), flat_train,
                     autoregressive.made_loss, steps=700)
vae_model = trained(made(vae.VAE, (64,), num_latents=8, hidden=(128,)), flat_train, vae.vae_loss,
                    steps=900)
bits = played(made(gan.DCGAN, (1, 8, 8), num_latents=16, width=24), binary[train], steps=900,
              lr=1e-3, average=0.99)

# %% slideshow={"slide_type": "subslide"}
def timed(draw):
    """Return 1000 samples and the milliseconds they took."""
    began = time.perf_counter()
    with torch.no_grad():
        x = draw(1000, generator=seeded(1))
    return x.reshape(-1, 1, 8, 8).float(), 1e3 * (time.perf_counter() - began)



pixels = torch.tensor([int(name[1:]) for name in tree.variables])  # the tree's own order


def from_tree(n, generator):
    return tree.sample(n, generator=generator)[:, pixels.argsort()]

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    exact_tree = float(tree.log_prob(flat_test.long()[:, pixels]).mean())
    exact_made = -negative_log_likelihood(made_model, flat_test).mean
    bound = float(vae_model.elbo(flat_test, num_samples=20, generator=seeded(1)).mean())
entries = []
for name, family, likelihood, code, draw in (
    ("Chow-Liu tree (01)", "directed graph", f"{exact_tree:.2f}, exact", "none", from_tree),
    ("MADE (02)", "autoregressive", f"{exact_made:.2f}, exact", "none", made_model.sample),
    ("VAE (03)", "latent, with encoder", f"{bound:.2f}, a bound", "encoder", vae_model.sample),
    ("DCGAN (04)", "implicit", "none", "search, or BiGAN", bits.sample),
):
    x, took = timed(draw)
    found = digit_judge.compare((x > 0.5).float())
    entries.append([name, family, likelihood, code, f"{took:.0f}", found["Fréchet distance"],
                    found["precision"], found["recall"]])
real_row = digit_judge.compare(binary[train][:400])
entries.append(["training digits", "", "", "", "", real_row["Fréchet distance"],
                real_row["precision"], real_row["recall"]])
plots.number_table(["model", "family", "log p(x) of a test digit, nats", "code of x",
                    "1000 samples, ms", "Fréchet", "precision", "recall"], entries, digits=2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One column is empty for the GAN and its neighbour full: no likelihood,
# yet samples in one pass, the most precise of the four and the ones with the lowest recall. MADE
# has both an exact likelihood and the smallest distance; the tree of unit 01, with no network at
# all, is two nats behind in likelihood. No row wins everywhere, and no column ranks the rows as
# another one does: choose by what you need to *do* with $p(x)$.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What GANs are good and bad at
#
# | | GAN | VAE (03) | autoregressive (02) |
# |---|---|---|---|
# | $\log p(x)$ | none | a bound | exact |
# | a sample | one pass, sharp | one pass, soft where $z$ is silent | one step for each pixel |
# | a code of $x$ | by search, or an encoder trained beside | yes | no |
# | training | a game: watch samples | one loss | one loss |
# | fails by | lost modes, circles, collapse | collapse of the posterior | slow sampling |
#
# A slide puts GANs beside diffusion models. Diffusion (a later unit) has won back what GANs lost,
# covering modes and a stable loss, at many passes for a sample; adversarial losses live on inside
# it, in autoencoders and in distillation to few steps.
#
# ### The slips of the slides, collected
#
# | the slide | computed |
# |---|---|
# | $D$ minimises $\log D(x) + \log(1 - D(G(z)))$ | maximises it (4.1) |
# | prose non-saturating, formula saturating | gradients -0.99 against -0.01 at $D = 0.01$ (4.1) |
# | noise prior $p_g(z)$ | $p(z)$; $p_g$ is over $x$ (top) |
# | "the integral is intractable" | for $\dim z < \dim x$ there is no density (4.1) |
# | $p_{\text{noise}}$ a standard Gaussian $\mathcal N(0, \sigma^2 I)$ | for $\sigma = 1$ only |
# | LSGAN, Zhu 2017 | Mao et al., 2017 (4.3) |
# | Reed et al., 2017 | ICML 2016 (4.10) |
# | strided convolutions instead of pooling, always | measured: not at this size (4.4) |
# | Lemmas 1 and 2 as equations | of gradients, at $\theta_0$ (4.13) |
# | GANs descend the JSD | the non-saturating step *raises* it, KL minus JSD (4.13) |
# | the KL's direction explains lost modes | $k$ and momentum change them (4.2) |
#
# ### Sources
#
# The lectures: CMU 10-423/623, *Generative AI*, lecture 6 (2024 and 2025); MIT 6.874, lecture 6.
# Goodfellow et al., *Generative adversarial nets* (2014). Mirza & Osindero, conditional GANs
# (2014). Radford, Metz & Chintala, DCGAN (2016). Chen et al., InfoGAN (2016). Reed et al., text to
# image (2016). Nowozin, Cseke & Tomioka, f-GAN (2016). Gatys, Ecker & Bethge, style transfer
# (2016). Goodfellow, Bengio & Courville, *Deep learning*, section 15.3 (2016). Mao et al., LSGAN
# (2017). Arjovsky, Chintala & Bottou; Gulrajani et al., Wasserstein GANs (2017). Isola et al.,
# pix2pix (2017). Zhu et al., CycleGAN (2017). Donahue, Krähenbühl & Darrell; Dumoulin et al.,
# BiGAN and ALI (2017). Schlegl et al., AnoGAN (2017). Bora et al., compressed sensing (2017).
# Heusel et al., Fréchet distance (2017). Odena, Dumoulin & Olah, chequerboards (2016). Miyato et
# al., spectral normalisation (2018). Mescheder, Geiger & Nowozin, *Which training methods for GANs
# do actually converge?* (2018). Hu et al., *On unifying deep generative models* (2018). Karras et
# al., progressive growing (2018), StyleGAN (2019). Brock, Donahue & Simonyan, BigGAN (2019).
# Kynkäänniemi et al., precision and recall (2019). Marra et al., fingerprints (2019). Durall,
# Keuper & Keuper, spectra (2020). Meehan, Chaudhuri & Dasgupta, copying (2020). Jiang, Chang &
# Wang, TransGAN (2021). Lee et al., ViTGAN (2022). Cox et al., spread spectrum (1997). Gretton et
# al., two-sample test (2012). The homework of this unit asks you to build the pieces yourself.
