# %% [markdown]
# # Homework 4: GANs and the minimax game
#
# Sixteen short exercises to program and one to write about, 40 points in all, about seven and
# a half hours. No exercise needs another one, so begin where you like.
#
# * Write your code where it says `YOUR CODE HERE`. Keep the names and the arguments of the
#   functions; helper functions of your own are welcome in the same cell.
# * The docstring is the contract: shapes, order of the axes, units. Logarithms are natural (nats).
# * $p$ is the distribution of the data, $q$ that of the generator: $x = G(z)$ with noise $z$.
#   $D(x)$ is the probability that $x$ is data, its logit comes before the sigmoid. Shapes: N real
#   points, M fakes, B points, D entries of a point, K latent units, C classes or states.
# * Nothing here draws random numbers: noise is an argument, so that answers can be compared.
# * Arrays arrive as torch tensors (numbers in double precision, classes as integers). You may
#   return torch, numpy or plain Python numbers, in single or double precision; where a gradient
#   is tested, torch.
# * The test cells under each exercise say in words what is wrong. More tests with other inputs are
#   run when the homework is graded, so an answer that fits the visible numbers only is worth
#   nothing.
# * The course library can solve some of these in one call. That is not an answer; as a second
#   opinion on an example of your own it is welcome.

# %%
import math

import numpy as np  # noqa: F401 (an answer may want it)
import torch
import torch.nn.functional as F

from gencourse.exercises import check  # noqa: F401 (the test cells use it)

# %% [markdown]
# ## 1. The best discriminator, and what it is worth (3 points, about 20 minutes)
#
# For a fixed generator the discriminator maximises
#
# $$V(D) = \mathbb E_{x \sim p} \log D(x) + \mathbb E_{x \sim q} \log(1 - D(x)) .$$
#
# Where $x$ has $C$ states this is a sum, and each state can be maximised by itself: the best is
# $D^*(x) = p(x) / (p(x) + q(x))$. What is left of $V$ there says how far $q$ is from $p$,
#
# $$V(D^*) = -\log 4 + 2\, \mathrm{JSD}(p \,\|\, q), \qquad \mathrm{JSD}(p \,\|\, q)
#   = \tfrac12 \mathrm{KL}(p \,\|\, m) + \tfrac12 \mathrm{KL}(q \,\|\, m), \quad
#   m = \tfrac12 (p + q) .$$
#
# For the state of the visible test with $p = 0.2$ and $q = 0.6$, $D^* = 0.25$. As always
# $0 \log 0 = 0$. Two distributions that have no state in common have JSD $\log 2 = 0.6931$,
# however near to each other their states lie.

# %% exercise="optimal-discriminator"
def optimal_game(p, q):
    """Return the best discriminator of two discrete distributions and the value of the game.

    Args:
        p: tensor (C,), probabilities of the data; they sum to 1, some may be 0.
        q: tensor (C,), likewise, of the generator.

    Returns:
        {"best": (C,), D*; 1/2 in a state that neither p nor q ever visits,
        "value": V(D*) in nats, "jsd": JSD(p || q) in nats}; never NaN.
    """
    ### BEGIN SOLUTION
    total = p + q
    best = torch.where(total > 0, p / total, 0.5)
    value = (torch.xlogy(p, best) + torch.xlogy(q, 1 - best)).sum()
    return {"best": best, "value": value, "jsd": (value + math.log(4)) / 2}
    ### END SOLUTION


# %% [markdown]
# ## 2. The discriminator's loss, from logits (2 points, about 20 minutes)
#
# The discriminator minimises $-V$: the cross-entropy with the label 1 for real points plus the
# cross-entropy with the label 0 for fakes, each of them a mean over its own batch. (A slide lost
# the minus in front of the whole.) A network gives *logits* $s$, $D = \sigma(s)$ with the logistic
# function $\sigma$. One of the tricks that keep a discriminator from being too sure is to soften
# the label of the **real** points to a target $t < 1$ (Salimans et al., 2016):
#
# $$\frac1N \sum_{n=1}^N \bigl( -t \log D(x_n) - (1 - t) \log(1 - D(x_n)) \bigr)
#   + \frac1M \sum_{m=1}^M -\log(1 - D(G(z_m))) .$$
#
# A discriminator that is sure of itself has logits in the hundreds, where $\sigma$ rounds to 0 or
# to 1; its loss and the gradient are finite all the same. The tests look at the value and at the
# gradient by the logits.

# %% exercise="discriminator-loss"
def discriminator_loss(real_logits, fake_logits, real_target):
    """Return the discriminator's loss with a softened label for real points.

    Args:
        real_logits: tensor (N,), logits of D for real points.
        fake_logits: tensor (M,), logits of D for fakes.
        real_target: float t in (0, 1], the label of the real points.

    Returns:
        One number in nats, differentiable by both kinds of logits.
    """
    ### BEGIN SOLUTION
    target = torch.full_like(real_logits, real_target)
    on_real = F.binary_cross_entropy_with_logits(real_logits, target)
    return on_real + F.softplus(fake_logits).mean()
    ### END SOLUTION


# %% [markdown]
# ## 3. Four games, and what the generator feels (3 points, about 30 minutes)
#
# Let $s$ be the discriminator's outputs, real numbers without a sigmoid. All losses below are
# means over a batch, and both players minimise theirs.
#
# | game | generator, on fakes | discriminator, on real points | on fakes |
# |---|---|---|---|
# | `"minimax"` | $\log(1 - \sigma(s))$ | exercise 2 | exercise 2 |
# | `"non-saturating"` | $-\log \sigma(s)$ | exercise 2 | exercise 2 |
# | `"least-squares"` | $\frac12 (s - 1)^2$ | $\frac12 (s - 1)^2$ | $\frac12 s^2$ |
# | `"wasserstein"` | yours to write | yours to write | yours to write |
#
# (Mao et al., 2017; Arjovsky et al., 2017.) In the Wasserstein game the critic wants its mean
# output high for real points and low for fakes, and the generator wants it high for fakes; the
# losses are made of such means and of nothing else.
#
# The *slope* of the generator is the derivative of one fake's own term by its output $s$ (without
# the $1/M$ of the mean). All that the generator learns comes to it through these slopes. Against a
# discriminator that sees through a fake, $D = 0.01$, the slope is -0.01 in one of the first two
# games and -0.99 in the other: derive both before you run the test.

# %% exercise="two-players"
class TwoPlayers:
    """The losses of both players from given outputs of the discriminator.

    Args:
        real: tensor (N,), the discriminator's outputs for real points, without a sigmoid.
        fake: tensor (M,), its outputs for fakes.
    """

    def __init__(self, real, fake):
        self.real = real
        self.fake = fake

    def discriminator_loss(self, game):
        """Return the discriminator's loss, one number.

        Args:
            game: "least-squares" or "wasserstein".
        """
        ### BEGIN SOLUTION
        if game == "wasserstein":
            return self.fake.mean() - self.real.mean()
        return ((self.real - 1) ** 2).mean() / 2 + (self.fake**2).mean() / 2
        ### END SOLUTION

    def generator_loss(self, game):
        """Return the generator's loss, one number.

        Args:
            game: "minimax", "non-saturating", "least-squares" or "wasserstein".
        """
        ### BEGIN SOLUTION
        terms = {
            "minimax": -F.softplus(self.fake),
            "non-saturating": F.softplus(-self.fake),
            "least-squares": (self.fake - 1) ** 2 / 2,
            "wasserstein": -self.fake,
        }
        return terms[game].mean()
        ### END SOLUTION

    def generator_slope(self, game):
        """Return the slope of each fake's term by its output, (M,).

        Args:
            game: as in `generator_loss`.
        """
        ### BEGIN SOLUTION
        d = torch.sigmoid(self.fake)
        slopes = {
            "minimax": -d,
            "non-saturating": d - 1,
            "least-squares": self.fake - 1,
            "wasserstein": -torch.ones_like(d),
        }
        return slopes[game]
        ### END SOLUTION


# %% [markdown]
# ## 4. Algorithm 1: who learns when (3 points, about 45 minutes)
#
# A generator $G(z) = \tanh(Az + b)$ and a discriminator with the logit $w^\top x + c$ play the
# game by gradient descent with the learning rate $\eta$ (plain: no momentum).
#
# * A **discriminator step** moves $w$ and $c$ down the gradient of
#   $-\frac1N \sum_n \log D(x_n) - \frac1M \sum_m \log(1 - D(G(z_m)))$. The generator stays where
#   it is.
# * A **generator step** moves $A$ and $b$ down the gradient of the non-saturating loss
#   $-\frac1M \sum_m \log D(G(z_m))$. The discriminator stays where it is.
#
# The object keeps the parameters, and the tests call the two methods in some order, as
# Algorithm 1 does: $k$ discriminator steps, one generator step, and so on, each with a batch of
# its own. Derive the gradients, or leave them to torch; then take care which of them reach whom,
# and which are still lying about from the step before.

# %% exercise="algorithm-1"
class AlgorithmOne:
    """A generator tanh(Az + b) and a discriminator sigmoid(w.x + c) at play.

    Args:
        A: tensor (D, K).
        b: tensor (D,).
        w: tensor (D,).
        c: tensor (1,).
        lr: float, the learning rate of both players.
    """

    def __init__(self, A, b, w, c, lr):
        ### BEGIN SOLUTION
        self.generator = [v.clone().requires_grad_() for v in (A, b)]
        self.discriminator = [v.clone().requires_grad_() for v in (w, c)]
        self.lr = lr
        ### END SOLUTION

    def discriminator_step(self, real, z):
        """Let the discriminator take a step of gradient descent.

        Args:
            real: tensor (N, D), data.
            z: tensor (M, K), noise for the fakes.

        Returns:
            {"w": (D,), "c": (1,)}: the discriminator's parameters after the step.
        """
        ### BEGIN SOLUTION
        with torch.enable_grad():
            fake = self._fakes(z).detach()
            loss = F.softplus(-self._logits(real)).mean() + F.softplus(self._logits(fake)).mean()
        self.discriminator = self._moved(self.discriminator, loss)
        return dict(zip("wc", self.discriminator, strict=True))
        ### END SOLUTION

    def generator_step(self, z):
        """Let the generator take a step of gradient descent.

        Args:
            z: tensor (M, K), noise for the fakes.

        Returns:
            {"A": (D, K), "b": (D,)}: the generator's parameters after the step.
        """
        ### BEGIN SOLUTION
        with torch.enable_grad():
            loss = F.softplus(-self._logits(self._fakes(z))).mean()
        self.generator = self._moved(self.generator, loss)
        return dict(zip("Ab", self.generator, strict=True))

    def _fakes(self, z):
        A, b = self.generator
        return torch.tanh(z @ A.T + b)

    def _logits(self, x):
        w, c = self.discriminator
        return x @ w + c

    def _moved(self, parameters, loss):
        slopes = torch.autograd.grad(loss, parameters)
        return [
            (v - self.lr * slope).detach().requires_grad_()
            for v, slope in zip(parameters, slopes, strict=True)
        ]
        ### END SOLUTION


# %% [markdown]
# ## 5. The Wasserstein distance on a line (2 points, about 20 minutes)
#
# The Wasserstein-1 distance is the least work, mass times way, that carries one distribution over
# into another. On a line it needs no critic: whoever carries mass from left to right never crosses
# his own way, so that the smallest goes to the smallest. For two samples of equal size the
# distance is the mean distance of the sorted points; for any sizes, where each point of the first
# has mass $1/N$ and each of the second $1/M$, it is
#
# $$W_1 = \int_{-\infty}^{\infty} \lvert F(t) - H(t) \rvert \, dt = \int_0^1 \lvert F^{-1}(u)
#   - H^{-1}(u) \rvert \, du$$
#
# with the two (empirical) distribution functions $F$ and $H$. Both visible pairs of disjoint
# samples have JSD 0.6931; the distance tells that the second pair is further apart, which is why
# a generator can learn from it.

# %% exercise="wasserstein-distance"
def wasserstein(x, y):
    """Return the Wasserstein-1 distance of two samples of real numbers.

    Args:
        x: tensor (N,), points in any order, each of mass 1/N.
        y: tensor (M,), points in any order, each of mass 1/M.

    Returns:
        One number, in the unit of x.
    """
    ### BEGIN SOLUTION
    edges = torch.cat([x, y]).sort().values
    F_x, F_y = ((v <= edges[:-1, None]).to(x).mean(1) for v in (x, y))
    return ((F_x - F_y).abs() * edges.diff()).sum()
    ### END SOLUTION


# %% [markdown]
# ## 6. The gradient penalty (3 points, about 30 minutes)
#
# The Wasserstein game asks for a critic whose slope is at most 1. WGAN-GP (Gulrajani et al., 2017)
# pays it for a slope of norm 1 at points between real and fake ones,
#
# $$\frac1B \sum_{n=1}^B \Bigl( \bigl\lVert \nabla_{\hat x} f(\hat x_n) \bigr\rVert_2 - 1 \Bigr)^2,
#   \qquad \hat x_n = u_n x_n + (1 - u_n) \tilde x_n,$$
#
# with a real $x_n$, a fake $\tilde x_n$ and a $u_n \in (0, 1)$ for each row. The critic is
# $f(x) = v^\top \tanh(Wx + b)$ with $H$ hidden units. The slope is differentiated once more when
# the critic learns, so the tests look at the gradient by $W$ and $v$, too. (In the first test
# real and fake points coincide, so that it does not matter where between them you look.)

# %% exercise="gradient-penalty"
def gradient_penalty(real, fake, u, W, b, v):
    """Return the gradient penalty of a critic v.tanh(Wx + b), without its weight.

    Args:
        real: tensor (B, D).
        fake: tensor (B, D).
        u: tensor (B,), the share of the real point in each row.
        W: tensor (H, D).
        b: tensor (H,).
        v: tensor (H,).

    Returns:
        One number, differentiable by W and v.
    """
    ### BEGIN SOLUTION
    with torch.enable_grad():
        x = torch.lerp(fake, real, u[:, None]).requires_grad_()
        outputs = torch.tanh(x @ W.T + b) @ v
        (slope,) = torch.autograd.grad(outputs.sum(), x, create_graph=True)
        return ((slope.norm(dim=1) - 1) ** 2).mean()
    ### END SOLUTION


# %% [markdown]
# ## 7. Sizes in a DCGAN, and what a patch sees (2 points, about 20 minutes)
#
# A DCGAN's generator turns one pixel into an image with transposed convolutions, its
# discriminator goes back with convolutions. A layer has a kernel of $k$ pixels, a stride $s$ and a
# padding $p$ on both sides; there is no output padding and no dilation. A convolution makes
# $\lfloor (n + 2p - k)/s \rfloor + 1$ pixels of $n$; a transposed one turns the sizes round, to
# the smallest $n$ from which the convolution would make what comes in.
#
# A PatchGAN's discriminator gives a score for each patch of the image. How large a patch is says
# the **receptive field**: the number of pixels, along one side, on which one score depends (where
# the border does not cut them off). With kernels of 4, padding 1 and the strides 2, 2, 2, 1, 1 it
# gives 30 x 30 scores for an image of 256 pixels, each of which sees 70 pixels: not 16, not 46.

# %% exercise="conv-sizes"
def conv_sizes(size, layers, network):
    """Return sizes, and receptive fields of a discriminator, after each layer.

    Args:
        size: int, pixels along one side of what goes in.
        layers: integer tensor (L, 3), kernel, stride and padding of each layer, the first that
            is applied in row 0.
        network: "generator" (transposed convolutions) or "discriminator" (convolutions).

    Returns:
        "generator": {"sizes": (L,)}, pixels along one side after each layer.
        "discriminator": {"sizes": (L,), "fields": (L,)}, the same, and the receptive field of a
        unit after each layer in pixels of the image.
    """
    ### BEGIN SOLUTION
    sizes, fields, field, step = [], [], 1, 1
    for k, s, p in layers.tolist():
        if network == "generator":
            size = (size - 1) * s + k - 2 * p
        else:
            size = (size + 2 * p - k) // s + 1
        field += (k - 1) * step  # neighbouring units are `step` pixels apart
        step *= s
        sizes.append(size)
        fields.append(field)
    return {"sizes": sizes} if network == "generator" else {"sizes": sizes, "fields": fields}
    ### END SOLUTION


# %% [markdown]
# ## 8. Telling both players what to draw (2 points, about 25 minutes)
#
# In a class-conditional GAN both players get the label (Mirza and Osindero, 2014): the generator
# as a one-hot vector **after** its noise, the discriminator as one plane for each class **after**
# the image's channels, the plane of the image's class all 1 and the others all 0.
#
# With captions, the discriminator must also learn to read. Reed et al. (2016) give it three kinds
# of pairs: a real image with its caption (label 1), a real image with the caption of *another*
# image (label 0) and a fake with the caption from which it was made (label 0). The logit of an
# image with features $\phi$ and a caption with the vector $t$ is $t^\top V \phi$; the other
# caption of row $n$ is that of row $n + 1$, and the first one for the last row. The loss is
#
# $$-\frac1B \sum_n \log \sigma(\text{right}_n) - \frac{1}{2B} \sum_n \Bigl(
#   \log\bigl(1 - \sigma(\text{wrong}_n)\bigr) + \log\bigl(1 - \sigma(\text{fake}_n)\bigr)
#   \Bigr) .$$

# %% exercise="conditions"
class Conditional:
    """What two conditional players see, and what a discriminator that reads captions pays.

    Args:
        num_classes: int C.
        V: tensor (T, Q), between captions of T and features of Q numbers.
    """

    def __init__(self, num_classes, V):
        self.num_classes = num_classes
        self.V = V

    def generator_input(self, z, y):
        """Return the generator's input, (B, K + C).

        Args:
            z: tensor (B, K), noise.
            y: integer tensor (B,), classes from 0 to C - 1.
        """
        ### BEGIN SOLUTION
        return torch.cat([z, F.one_hot(y, self.num_classes)], dim=1)
        ### END SOLUTION

    def discriminator_input(self, x, y):
        """Return the discriminator's input, (B, channels + C, height, width).

        Args:
            x: tensor (B, channels, height, width), images.
            y: integer tensor (B,), classes from 0 to C - 1.
        """
        ### BEGIN SOLUTION
        label = F.one_hot(y, self.num_classes)[:, :, None, None]
        return torch.cat([x, label.expand(-1, -1, *x.shape[2:])], dim=1)
        ### END SOLUTION

    def caption_loss(self, real, fake, captions):
        """Return the loss of the discriminator that reads captions, one number in nats.

        Args:
            real: tensor (B, Q), features of the real images.
            fake: tensor (B, Q), features of fakes; row n was made from caption n.
            captions: tensor (B, T), captions of the real images.
        """
        ### BEGIN SOLUTION
        read = captions @ self.V  # (B, Q)
        right, wrong, made = (
            (t * x).sum(1) for t, x in ((read, real), (read.roll(-1, 0), real), (read, fake))
        )
        on_fakes = F.softplus(wrong).mean() + F.softplus(made).mean()
        return F.softplus(-right).mean() + 0.5 * on_fakes
        ### END SOLUTION


# %% [markdown]
# ## 9. What a code says about its image (2 points, about 20 minutes)
#
# InfoGAN (Chen et al., 2016) gives the generator a code $c$ besides its noise and asks that it can
# be read off the image. The mutual information $I(c; x)$ cannot be computed, but a network
# $Q(c \mid x)$ that guesses the code gives a lower bound of it,
#
# $$I(c; x) \ \ge\ \mathbb E_{c,\, x = G(z, c)} \log Q(c \mid x) + H(c), \qquad
#   H(c) = -\sum_c P(c) \log P(c),$$
#
# where $P$ is the distribution from which the codes are drawn. With ten equally probable codes
# the bound is at most $\log 10 = 2.3026$; an answer that is always negative has forgotten
# something. The tests look at the value and at the gradient by the logits.

# %% exercise="info-bound"
def info_bound(logits, codes, prior):
    """Return the lower bound of the mutual information between code and image.

    Args:
        logits: tensor (B, C), logits of Q(c | x_n) for B generated images.
        codes: integer tensor (B,), the code from which each image was made.
        prior: tensor (C,), P(c) > 0, sums to 1.

    Returns:
        One number in nats, differentiable by the logits; the expectation is the batch's mean.
    """
    ### BEGIN SOLUTION
    entropy = -(prior * prior.log()).sum()
    return entropy - F.cross_entropy(logits, codes)
    ### END SOLUTION


# %% [markdown]
# ## 10. One game for each divergence (2 points, about 30 minutes)
#
# An f-divergence is $D_f(p \,\|\, q) = \sum_x q(x) f\bigl(p(x)/q(x)\bigr)$ with a convex $f$ and
# $f(1) = 0$. With the *conjugate* $f^*(t) = \sup_{u > 0} \{ u t - f(u) \}$ every function $T$
# gives a lower bound (Nowozin et al., 2016),
#
# $$D_f(p \,\|\, q) \ \ge\ \sum_x p(x)\, T(x) - \sum_x q(x)\, f^*(T(x)), \qquad
#   \text{tight for } T^*(x) = f'\bigl(p(x)/q(x)\bigr) .$$
#
# A discriminator that maximises it measures the divergence. Its outputs $v$ are any real numbers;
# $T = g(v)$ brings them to where $f^*$ is finite.
#
# | divergence | $f(u)$ | $T = g(v)$ |
# |---|---|---|
# | `"kl"` | $u \log u$ | $v$ |
# | `"reverse-kl"` | $-\log u$ | $-e^{-v}$ |
#
# Find the two conjugates (set a derivative by $u$ to zero), and the two $f'$.

# %% exercise="f-bound"
def f_bound(p, q, outputs, divergence):
    """Return an f-GAN's bound, the divergence itself, and where the bound is tight.

    Args:
        p: tensor (C,), probabilities of the data, none of them 0.
        q: tensor (C,), probabilities of the generator, none of them 0.
        outputs: tensor (C,), outputs v of the discriminator in each state.
        divergence: "kl" or "reverse-kl".

    Returns:
        {"bound": one number for these outputs, "divergence": D_f(p || q), "best": (C,), T*}.
    """
    ### BEGIN SOLUTION
    u = p / q
    if divergence == "kl":
        bound = (p * outputs - q * torch.exp(outputs - 1)).sum()
        return {"bound": bound, "divergence": (p * u.log()).sum(), "best": 1 + u.log()}
    T = -torch.exp(-outputs)
    bound = (p * T + q * (1 + torch.log(-T))).sum()
    return {"bound": bound, "divergence": -(q * u.log()).sum(), "best": -1 / u}
    ### END SOLUTION


# %% [markdown]
# ## 11. How far are the fakes from the data? (2 points, about 30 minutes)
#
# A GAN has no likelihood, so samples are compared with samples, on features of a classifier. Two
# measures:
#
# * the **Fréchet distance** (Heusel et al., 2017) between Gaussians with the samples' means
#   $\mu$ and covariances $\Sigma$ (dividing by $N - 1$ and $M - 1$), left squared:
#
# $$\lVert \mu_x - \mu_y \rVert^2 + \mathrm{tr}\,\Sigma_x + \mathrm{tr}\,\Sigma_y
#   - 2\, \mathrm{tr}\bigl( (\Sigma_x \Sigma_y)^{1/2} \bigr),$$
#
#   where $A^{1/2}$ is the matrix with $A^{1/2} A^{1/2} = A$, and the trace of
#   $(\Sigma_x \Sigma_y)^{1/2}$ the sum of the square roots of the eigenvalues of
#   $\Sigma_x \Sigma_y$;
# * the **unbiased estimate of the squared MMD** (Gretton et al., 2012) with the kernel
#   $k(a, b) = \exp\bigl(-\lVert a - b \rVert^2 / 2h^2\bigr)$: the mean of $k$ over all pairs of
#   two *different* points of $x$, plus the same for $y$, minus twice the mean over all pairs of an
#   $x$ and a $y$. Its average over samples from equal distributions is 0.

# %% exercise="two-samples"
def distance_of_samples(x, y, measure, bandwidth):
    """Return how far apart two samples are.

    Args:
        x: tensor (N, D), features of the data.
        y: tensor (M, D), features of the fakes.
        measure: "frechet" or "mmd".
        bandwidth: float, the h of the kernel; the Fréchet distance ignores it.

    Returns:
        One number: the (squared) Fréchet distance, or the unbiased estimate of the squared MMD.
    """
    ### BEGIN SOLUTION
    if measure == "frechet":
        a, b = torch.cov(x.T), torch.cov(y.T)
        roots = torch.linalg.eigvals(a @ b).real.clamp(min=0).sqrt()
        means = (x.mean(0) - y.mean(0)).square().sum()
        return means + a.trace() + b.trace() - 2 * roots.sum()
    points = torch.cat([x, y])
    k = torch.exp(-torch.cdist(points, points).square() / (2 * bandwidth**2))
    n, m = len(x), len(y)
    within_x = (k[:n, :n].sum() - n) / (n * (n - 1))
    within_y = (k[n:, n:].sum() - m) / (m * (m - 1))
    return within_x + within_y - 2 * k[:n, n:].mean()
    ### END SOLUTION


# %% [markdown]
# ## 12. Truncation, twice, and mixed styles (2 points, about 25 minutes)
#
# Less variety for better images, in two ways that are often mixed up:
#
# * **BigGAN** (Brock et al., 2019) draws $z$ from a normal distribution *truncated* to
#   $[-\ell, \ell]$, where draws outside are thrown away and drawn again. Do that with the inverse
#   of the distribution function: a uniform $u$ becomes the $z$ with
#   $P(Z \le z \mid -\ell \le Z \le \ell) = u$. $\ell$ may be infinite.
# * **StyleGAN** (Karras et al., 2019) maps $z$ to a style $w$, here $w = \tanh(Mz + m)$, and pulls
#   $w$ towards the mean style, $w' = \bar w + \psi (w - \bar w)$. With $\psi = 0$ every image is
#   the mean image; a negative $\psi$ goes beyond it.
#
# Each layer of StyleGAN's generator gets a style. **Style mixing** uses two: that of a first $z$
# for the coarse layers before the crossover, that of a second $z$ for the layers from the
# crossover on.

# %% exercise="truncation"
def truncated_styles(uniforms, limit, M, m, mean_w, psi, crossover, num_layers):
    """Return truncated latents and the styles of every layer.

    Args:
        uniforms: tensor (2, B, K), strictly between 0 and 1; index 0 makes the first source z,
            index 1 the second.
        limit: float > 0, z lies between -limit and limit; may be math.inf.
        M: tensor (W, K).
        m: tensor (W,).
        mean_w: tensor (W,), the mean style.
        psi: float, may be negative.
        crossover: int, the number of layers that get the first source's style.
        num_layers: int L.

    Returns:
        {"z": (2, B, K), the latents of both sources, "styles": (B, L, W), the style of each
        layer, after pulling by psi; layer 0 is the coarsest}.
    """
    ### BEGIN SOLUTION
    outside = torch.special.ndtr(torch.tensor(-limit, dtype=uniforms.dtype))  # on either side
    z = torch.special.ndtri(outside + (1 - 2 * outside) * uniforms)
    w = torch.tanh(z @ M.T + m)
    first, second = (mean_w + psi * (w - mean_w))[:, :, None]  # (B, 1, W) each
    coarse, fine = first.expand(-1, crossover, -1), second.expand(-1, num_layers - crossover, -1)
    return {"z": z, "styles": torch.cat([coarse, fine], dim=1)}
    ### END SOLUTION


# %% [markdown]
# ## 13. Between two codes, between two networks (2 points, about 20 minutes)
#
# Normal noise in many dimensions lies near a sphere, which a straight line between two codes
# leaves. **Spherical interpolation** keeps to the arc: with the angle $\omega$ between $a$ and
# $b$,
#
# $$\mathrm{slerp}(a, b; t) = \frac{\sin((1 - t)\,\omega)}{\sin \omega}\, a
#   + \frac{\sin(t\, \omega)}{\sin \omega}\, b .$$
#
# $a$ and $b$ need not have length 1, nor equal lengths: the angle does not depend on them, and the
# formula is used with $a$ and $b$ as they are. Its limit for $\omega \to 0$ is the straight line.
#
# **Progressive growing** (Karras et al., 2018) adds a layer that doubles the resolution, and fades
# it in: the small network's image, enlarged so that each pixel becomes a block of 2 x 2 equal
# ones, has the weight $1 - \alpha$, the large network's image the weight $\alpha$.

# %% exercise="in-between"
class Between:
    """Two ways to be between."""

    def slerp(self, a, b, t):
        """Return the points of the arcs from a to b, (B, K).

        Args:
            a: tensor (B, K), no row 0; where a row of b has the same direction as that of a, go
                along the straight line. No two rows point in opposite directions.
            b: tensor (B, K), likewise.
            t: float from 0, which is a, to 1, which is b.
        """
        ### BEGIN SOLUTION
        lengths = a.norm(dim=1) * b.norm(dim=1)
        omega = torch.acos(((a * b).sum(1) / lengths).clamp(-1, 1))[:, None]
        arc = (torch.sin((1 - t) * omega) * a + torch.sin(t * omega) * b) / torch.sin(omega)
        return torch.where(omega > 1e-6, arc, torch.lerp(a, b, t))
        ### END SOLUTION

    def fade_in(self, small, large, alpha):
        """Return images between those of a small network and of a grown one.

        Args:
            small: tensor (B, channels, height, width), images of the small network.
            large: tensor (B, channels, 2 height, 2 width), images of the grown one.
            alpha: float from 0, the small network only, to 1, the grown one only.

        Returns:
            (B, channels, 2 height, 2 width).
        """
        ### BEGIN SOLUTION
        return torch.lerp(F.interpolate(small, scale_factor=2, mode="nearest"), large, alpha)
        ### END SOLUTION


# %% [markdown]
# ## 14. Two maps and no pairs (2 points, about 25 minutes)
#
# CycleGAN (Zhu et al., 2017) learns to translate between two kinds of images of which no pairs are
# known. Here the two maps are linear, $x \mapsto Ax$ from X to Y and $y \mapsto By$ from Y to X,
# and the outputs of the discriminators are linear, too, $D_X(x) = d_X^\top x$ and
# $D_Y(y) = d_Y^\top y$, without a sigmoid. The maps minimise
#
# $$\begin{aligned}
# &\operatorname{mean} \bigl(D_Y(Ax) - 1\bigr)^2 + \operatorname{mean} \bigl(D_X(By) - 1\bigr)^2 \\
# &+ \lambda\, \bigl( \operatorname{mean} \lvert BAx - x \rvert
#   + \operatorname{mean} \lvert ABy - y \rvert \bigr) \\
# &+ \mu\, \bigl( \operatorname{mean} \lvert Ay - y \rvert
#   + \operatorname{mean} \lvert Bx - x \rvert \bigr),
# \end{aligned}$$
#
# means over the batch and, in the last four, over the entries of an image. The second line closes
# the cycle. The third asks that a map leave alone what is of the wanted kind already. The tests
# look at the value and at the gradient by $A$ and $B$. (In the second test both discriminators
# always say 0, so that the other terms stand alone.)

# %% exercise="unpaired"
def translation_loss(x, y, A, B, judge_x, judge_y, cycle, identity):
    """Return the loss of CycleGAN's two maps.

    Args:
        x: tensor (N, D), images of kind X, one in a row.
        y: tensor (N, D), images of kind Y; row n has nothing to do with row n of x.
        A: tensor (D, D), the map from X to Y: a row x becomes A x.
        B: tensor (D, D), the map from Y to X.
        judge_x: tensor (D,), the weights d_X of the discriminator of kind X.
        judge_y: tensor (D,), the weights d_Y of the discriminator of kind Y.
        cycle: float, the weight lambda.
        identity: float, the weight mu.

    Returns:
        One number, differentiable by A and B.
    """

    ### BEGIN SOLUTION
    def there_and_back(points, there, back, judge):
        made = points @ there.T
        fooled = (made @ judge - 1).square().mean()
        returned = (made @ back.T - points).abs().mean()
        unchanged = (points @ back.T - points).abs().mean()
        return fooled + cycle * returned + identity * unchanged

    return there_and_back(x, A, B, judge_y) + there_and_back(y, B, A, judge_x)
    ### END SOLUTION


# %% [markdown]
# ## 15. Train a detector of fakes (2 points, about 25 minutes)
#
# A detector of generated images is a discriminator that is trained to the end against a generator
# that does not move. Train one on features, with the logit $w^\top x + c$ and a penalty: minimise
#
# $$-\frac1N \sum_{n=1}^N \log D(x_n) - \frac1M \sum_{m=1}^M \log\bigl(1 - D(\tilde x_m)\bigr)
#   + \frac{\lambda}{2} \sum_d w_d^2,$$
#
# the bias not penalised. Any method of training will do; come close to the minimum, which is the
# only one: the loss with and without the penalty is tested to 0.002 nats. There may be more real
# points than fakes, or fewer.

# %% exercise="fake-detector"
def train_detector(real, fake, l2):
    """Train a logistic detector of fakes.

    Args:
        real: tensor (N, D), features of real images.
        fake: tensor (M, D), features of generated images.
        l2: float, the factor lambda > 0 of the penalty.

    Returns:
        {"weight": (D,), "bias": one number}, or a torch.nn.Linear(D, 1) with these as its
        parameters; a positive logit means real.
    """
    ### BEGIN SOLUTION
    detector = torch.nn.Linear(real.shape[1], 1, dtype=real.dtype)
    optimiser = torch.optim.LBFGS(detector.parameters(), max_iter=200, tolerance_grad=1e-9)

    def closure():
        optimiser.zero_grad()
        loss = F.softplus(-detector(real)).mean() + F.softplus(detector(fake)).mean()
        loss = loss + l2 / 2 * detector.weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    return detector
    ### END SOLUTION


# %% [markdown]
# ## 16. Attention in the cells of a grid (2 points, about 25 minutes)
#
# Each place of a feature map is a token. Attention with one head makes of a token the mean
#
# $$\text{out}_i = \sum_j \operatorname{softmax}_j \Bigl( \frac{q_i^\top k_j}{\sqrt E} \Bigr) v_j$$
#
# over tokens $j$, where $q_i$, $k_j$ and $v_j$ are linear maps of tokens into $E$ dimensions.
# Large images have too many pairs of tokens, so TransGAN (Jiang et al., 2021) cuts the map into
# square *cells* that do not overlap: a token looks at the tokens of its own cell only, itself
# among them. With one cell as large as the map nothing changes.

# %% exercise="grid-attention"
def grid_attention(x, Wq, Wk, Wv, cell):
    """Return single-head self-attention within the cells of a grid.

    Args:
        x: tensor (B, height, width, C), tokens; cells divide height and width.
        Wq: tensor (C, E); the query of a token, a row, is token @ Wq.
        Wk: tensor (C, E), for keys.
        Wv: tensor (C, E), for values.
        cell: int, the height and width of a cell.

    Returns:
        (B, height, width, E): what attention makes of each token, at its place.
    """
    ### BEGIN SOLUTION
    made = x.new_zeros(*x.shape[:3], Wv.shape[1])
    for i in range(0, x.shape[1], cell):
        for j in range(0, x.shape[2], cell):
            tokens = x[:, i : i + cell, j : j + cell].flatten(1, 2)  # (B, cell * cell, C)
            scores = (tokens @ Wq) @ (tokens @ Wk).mT / math.sqrt(Wq.shape[1])
            mixed = scores.softmax(dim=-1) @ (tokens @ Wv)
            made[:, i : i + cell, j : j + cell] = mixed.unflatten(1, (cell, cell))
    return made
    ### END SOLUTION


# %% [markdown]
# ## 17. Beliefs about GANs (4 points, about 40 minutes, graded by hand)
#
# **A lost ball.** In the next frame of a game the ball is on one of four pixels, each with
# probability 1/4; it is 1 there, and 0 on the other three pixels. A network predicts these four
# pixels, in one of four ways. Errors are summed over the pixels; the divergence is that of
# predicted frames from true ones.
#
# | prediction | squared error | absolute error | JSD |
# |---|---|---|---|
# | 1/4 on each pixel | 0.75 | 1.50 | 0.6931 |
# | no ball | 1.00 | 1.00 | 0.6931 |
# | the ball always on the first pixel | 1.50 | 1.50 | 0.3804 |
# | the ball on a pixel drawn at random | 1.50 | 1.50 | 0.0000 |
#
# **One Gaussian for two modes.** The data are
# $p = 0.6\, \mathcal N(-2, 0.6^2) + 0.4\, \mathcal N(2, 0.6^2)$ (standard deviations squared).
# Two Gaussians $q$:
#
# | $q$ | KL(p‖q) | KL(q‖p) | JSD |
# |---|---|---|---|
# | mean -0.40, standard deviation 2.05 | 0.56 | 1.28 | 0.155 |
# | mean -2.00, standard deviation 0.60 | 8.22 | 0.51 | 0.164 |
#
# **Four generators of digits**, each of 898 images of 64 pixels. The Fréchet distance from 898
# training images is on the pixels; the last column is the distance of an image to its nearest
# training image, the median over the images.
#
# | images | Fréchet distance | nearest training image |
# |---|---|---|
# | real digits that were held out | 0.077 | 1.09 |
# | generator R | 0.030 | 0.00 |
# | generator S | 0.063 | 0.40 |
# | generator T | 0.036 | 1.81 |
#
# In at most 300 words:
#
# * **a.** A slide says that the likelihood of a GAN is not used because the integral
#   $p(x) = \int p(z)\, p(x \mid z)\, dz$ is intractable. The generator is a deterministic network
#   from 64 latent units to 4096 pixels. What is wrong with the reason, what is D* against data of
#   the same kind, and why is that bad news for the saturating generator?
# * **b.** Which of the four predictions does each of the two errors and the adversarial game
#   prefer? Why does a network trained with one of the errors make a blur, and with the other lose
#   the ball?
# * **c.** It is often said that GANs miss modes because the JSD behaves like KL(q‖p). Does the
#   table agree? GANs whose game is KL(p‖q) were seen to miss modes, too: name two other causes.
# * **d.** What are R, S and T likely to be? Which of them would the Fréchet distance recommend,
#   what does it not see, and what would you measure besides?

# %% [markdown] written="beliefs-about-gans" points=4
# *Your answer to a, b, c and d, in at most 300 words:*
#
# === BEGIN MARK SCHEME ===
#
# One point each; half points where the reason is missing.
#
# * **a (1).** There is no density to compute: with 64 latent units the images lie on a set of
#   measure zero among the 4096 pixels, so p(x) as a density does not exist and no integration
#   method would help (given z, x is a point, not a density p(x|z)). Data of the same kind lie on
#   another such set, and two of them meet almost nowhere: D* is 1 on data and 0 on fakes (almost
#   everywhere), the JSD log 2 wherever the fakes are. There the slope of the saturating loss by
#   the logit, -D, is 0. (Mends such as noise on x, WGAN or the non-saturating loss are welcome,
#   not needed.) Half a point for the density alone.
# * **b (1).** Squared error: 1/4 everywhere, the mean, which is the blur. Absolute error: no ball,
#   the median of each pixel (each is 0 more often than not). The game: the ball at random, whose
#   JSD is 0; then nothing tells it from data. The errors compare pixel by pixel with one truth, so
#   that an uncertain network hedges; the game asks only whether such a frame exists. Half a point
#   without the mean and the median.
# * **c (1).** No: by the JSD the wide Gaussian is (a little) better, 0.155 against 0.164, as by
#   KL(p‖q); only KL(q‖p) prefers the single mode. Two of: the generator's steps follow a
#   discriminator of the moment and not D* (few steps, a game that turns in circles); minimising
#   over G first makes it put all its mass where D is highest at the moment (the order of min and
#   max); a generator that cannot split its noise into separate modes; each fake is judged by
#   itself, so nothing rewards variety in a batch; a discriminator that forgets; the non-saturating
#   loss, whose gradient is that of another divergence. "Bad luck" or "too few epochs" get nothing.
# * **d (1).** R: copies of training images (distance 0). S: copies with a little noise, or small
#   changes of them: nearer to a training image than held-out digits are. T: no digits at all, such
#   as a Gaussian with the right mean and covariance: further from every training image than
#   digits are. The distance recommends R (then T), and puts all three before real digits that were
#   held out: it sees means and covariances, no copies and no shapes. Besides: distances to the
#   nearest training image against those of held-out data, precision and recall, a classifier's
#   features instead of pixels, a two-sample test against held-out data. Half a point without a
#   measure.
#
# === END MARK SCHEME ===
