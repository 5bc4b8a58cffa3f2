# %% [markdown] slideshow={"slide_type": "slide"}
# # Autoencoders, VAEs and the ELBO
#
# **Unit 03, walkthrough.** How can one learn a distribution over images from *latent variables*
# that nobody has observed, when the likelihood is an integral that nobody can compute?
#
# This notebook is a lecture that runs. Each section is one idea: the formula, a few lines of code
# that use it, a figure or a table of measured numbers, and what you should see in it. Run it from
# top to bottom, or show it as slides. Nothing is downloaded; every model is trained while you
# watch, and every bound is compared with an exact log-likelihood.
#
# | section | | section | |
# |---|---|---|---|
# | 3.1 | autoencoders, their codes, their holes | 3.6 | the latent plane, traversals, β-VAE |
# | 3.2 | the Kullback-Leibler divergence | 3.7 | importance-weighted bound, the two gaps |
# | 3.3 | log p = ELBO + KL, line by line | 3.8 | class-conditional VAE |
# | 3.4 | Monte Carlo, and gradients through a draw | 3.9 | richer posteriors, latents and priors |
# | 3.5 | a VAE, trained live; Gaussian decoder | 3.10 | posterior collapse |
#
# It follows two public lectures, which are called *the slides* here (see the end). Where a slide
# slips, a paragraph **"The slide says"** computes the right answer.
#
# **One notation.** Encoder $q_\phi(z \mid x)$, decoder $p_\theta(x \mid z)$, as in the paper of
# Kingma & Welling (ICLR 2014). One deck writes it so; the other has $\theta$ and $\phi$ the other
# way round. The second argument of $\mathcal N(\mu, \sigma^2)$ is a **variance** in this unit
# (unit 01 wrote the standard deviation); functions of the library take the standard deviation.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import copy
import functools
import logging
import math
import time

import torch
from sklearn import decomposition, linear_model
from torch import nn

from gencourse import data, densities, plots, vae, widgets
from gencourse.autoregressive import MADE, made_loss
from gencourse.evaluate import negative_log_likelihood
from gencourse.train import fit
from gencourse.vae.vae import ElboTerms

logging.getLogger("gencourse").setLevel(logging.ERROR)
torch.set_num_threads(1)  # the networks are small: one thread is faster than two

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def seeded(seed=0):
    """Return a source of randomness; every figure below is the same at every run."""
    return torch.Generator().manual_seed(seed)


def trained(make, x, loss, *, steps, lr=3e-3, batch_size=100):
    """Make a model with fixed first weights, train it for `steps` batches, and return it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make()
    fit(model, x, loss=loss, steps=steps, lr=lr, batch_size=batch_size, device="cpu",
        progress=False)
    return model


digits = data.digits()  # 8 x 8 pixels, grey
grey, labels = digits.x.reshape(-1, 64), digits.y  # (1797, 64) in [0, 1], (1797,)
binary = data.binarise(grey, "threshold")  # 0 and 1
order = torch.randperm(len(grey), generator=seeded(1))
train, test = order[:1397], order[1397:]


def images(x, side=8):
    """Return rows of side² numbers as images, within [0, 1]."""
    return x.detach().clamp(0, 1).reshape(-1, side, side)

# %% tags=["setup"] slideshow={"slide_type": "skip"}
@functools.cache
def plane_vae():
    """A VAE with two latents on the binary digits; trained at the first call."""
    return trained(lambda: vae.VAE((64,), num_latents=2, hidden=(128,)), binary[train],
                   vae.vae_loss, steps=1400)


@functools.cache
def circles():
    """White circles on black, 16 x 16, and their three factors: across, down, scale, (N, 3)."""
    drawn = data.shapes(6000, seed=0, size=16)
    round_ones = drawn.y == data.SHAPES.index("circle")
    light = drawn.x[round_ones].amax(1).reshape(-1, 256)
    factors = [*drawn.attributes["position"][round_ones].T, drawn.attributes["scale"][round_ones]]
    return light / light.amax(1, keepdim=True), torch.stack(factors, 1)


@functools.cache
def circles_vae(beta):
    """A VAE with five latents on the circles, its KL weighted by beta."""
    return trained(
        lambda: vae.VAE((256,), num_latents=5, hidden=(128, 128), likelihood="gaussian", sd=0.15,
                        activation="ReLU"),
        circles()[0], functools.partial(vae.vae_loss, beta=beta), steps=1000,
        batch_size=128)

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def agreement(codes, factors):
    """Return the squared correlation of each factor with each latent, (N, L), (N, F) -> (F, L)."""
    both = torch.corrcoef(torch.cat([factors, codes.detach()], 1).T)
    return both[: factors.shape[1], factors.shape[1] :].nan_to_num().square()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.1 Autoencoders: compression without labels
#
# An **autoencoder** sends $x$ through a bottleneck and asks for it back: a code $z = f_\phi(x)$
# of few numbers, a reconstruction $\hat x = g_\theta(z)$, and the loss $\sum_n \lVert x_n - \hat
# x_n \rVert^2$. No label is used.
#
# Start linear, $z = Ax + a$ and $\hat x = Bz + b$, where the answer is known: the smallest error
# of any linear bottleneck is that of **principal component analysis** (PCA), and every local
# minimum of the linear autoencoder is a global one (Baldi & Hornik, 1989). So gradient descent
# has to find PCA's subspace:

# %% slideshow={"slide_type": "subslide"}
size = 4  # numbers in the code
pca = decomposition.PCA(size).fit(grey[train].numpy())
linear = trained(lambda: vae.LinearAutoencoder(64, num_latents=size), grey[train],
                 vae.autoencoder_loss, steps=400, lr=0.05, batch_size=1397)
axes = torch.from_numpy(pca.components_).float()  # (4, 64), orthonormal
cosines = torch.linalg.svdvals(axes @ linear.subspace())  # of the angles between the subspaces


def error(reconstruction, x):
    """Return the squared error of an image, the mean over rows."""
    return float((reconstruction.detach() - x).square().sum(1).mean())


def with_pca(model, x):
    return torch.from_numpy(model.inverse_transform(model.transform(x.numpy()))).float()


plots.number_table(["", "PCA", "linear autoencoder"], [
    ["squared error, training images", error(with_pca(pca, grey[train]), grey[train]),
     error(linear(grey[train]), grey[train])],
    ["squared error, test images", error(with_pca(pca, grey[test]), grey[test]),
     error(linear(grey[test]), grey[test])],
    ["largest angle between the two subspaces, degrees", 0.0,
     math.degrees(math.acos(min(1.0, float(cosines.min()))))],
])

# %% slideshow={"slide_type": "subslide"}
def stretched(basis):  # columns (64, 4) -> images, grey for 0
    return basis.T.reshape(-1, 8, 8) / (2 * basis.abs().max()) + 0.5


fig, ax = plots.figure(size=(5.6, 3.2))
plots.image_rows(ax, {
    "PCA's axes": stretched(axes.T),
    "decoder's columns": stretched(linear.decoder.weight.detach()),
    "PCA's axes, made\nof these columns": stretched(linear.subspace() @ linear.subspace().T
                                                    @ axes.T),
})
plots.picture(fig, """Four principal axes, the four columns of the linear decoder, which look
    different, and the principal axes projected onto the span of those columns, which look like
    the axes again.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The same error and the same subspace, but not the same axes: any
# invertible matrix between encoder and decoder cancels, $B z = (B M)(M^{-1} z)$. *Why it
# matters:* already here the data say which *space* the codes live in and nothing about which
# *axis* means what. We meet this again in section 3.6.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Deep and convolutional
#
# With layers between, the code may lie on a curved surface. The slides tell the history: linear
# with a sigmoid, then deep and fully connected, then convolutions with ReLU. The same digits,
# codes of 2 to 16 numbers:

# %% slideshow={"slide_type": "subslide"}
def deep(size, x=grey[train], steps=550):
    return trained(lambda: vae.Autoencoder((64,), num_latents=size, hidden=(128,)), x,
                   vae.autoencoder_loss, steps=steps, lr=5e-3)


sizes = [2, 8, 16]
deep_models = {k: deep(k) for k in sizes}
pca_models = {k: decomposition.PCA(k).fit(grey[train].numpy()) for k in sizes}
conv = trained(lambda: vae.ConvAutoencoder((1, 8, 8), num_latents=8, channels=(16, 32)),
               grey[train], vae.autoencoder_loss, steps=400, lr=5e-3)
seen = grey[test]
conv_seen = conv(seen.reshape(-1, 1, 8, 8)).reshape(-1, 64)

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(10.4, 3.3), width_ratios=(1, 1.3))
plots.curves(ax[0], torch.tensor(sizes), {
    "PCA": [error(with_pca(pca_models[k], seen), seen) for k in sizes],
    "deep autoencoder": [error(deep_models[k](seen), seen) for k in sizes],
}, markers=True)
ax[0].plot(8, error(conv_seen, seen), "k*", markersize=10, label="convolutional")
plots.add_legend(ax[0])
ax[0].set(xlabel="numbers in the code", ylabel="squared error", title="test images", ylim=(0, 4),
          xticks=sizes)
some = seen[:10]
plots.image_rows(ax[1], {
    "x": images(some),
    "PCA, 2": images(with_pca(pca_models[2], some)), "deep, 2": images(deep_models[2](some)),
    "PCA, 8": images(with_pca(pca_models[8], some)), "deep, 8": images(deep_models[8](some)),
    "convolutional, 8": images(conv_seen[:10]),
})
plots.picture(fig, """Left: squared error against the size of the code; the deep autoencoder lies
    below PCA everywhere. Right: ten test digits and their reconstructions; with two numbers PCA
    gives a blur, the deep autoencoder mostly digits; with eight both are close.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** 64 pixels fit into a few numbers, and the smaller the code, the more a
# curved surface gains over PCA's flat one.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The code as features, and as a start, with few labels
#
# The slides promise that features learnt without labels help a classifier that has few of them.
# Two ways to use an encoder trained on all 1397 images *without* labels: freeze it and put a
# logistic regression on its code, or take it as the **initialisation** of a network that is then
# trained on the few labels.

# %% slideshow={"slide_type": "subslide"}
encoder = deep_models[16].encoder


def classifier(start, x, y, steps=60):
    """Train encoder and a linear layer on a few labels, from a pre-trained or a random start."""
    torch.manual_seed(1)
    net = nn.Sequential(copy.deepcopy(start), nn.Linear(16, 10))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        (-densities.log_categorical(y, net(x)).mean()).backward()
        optimiser.step()
    return (net(grey[test]).argmax(1) == labels[test]).float().mean()


def probe(features, rows):
    """Return the test accuracy of a logistic regression on the features of a few rows."""
    scaled = ((features - features.mean(0)) / features.std(0).clamp(min=1e-3)).detach().numpy()
    model = linear_model.LogisticRegression(max_iter=300).fit(scaled[rows], labels[rows].numpy())
    return float(model.score(scaled[test], labels[test].numpy()))

# %% slideshow={"slide_type": "subslide"}
few, repeats = [1, 2, 5, 20], 6
torch.manual_seed(2)
untrained = vae.Autoencoder((64,), num_latents=16, hidden=(128,)).encoder  # a control
features = {"pixels": grey, "code": encoder(grey), "code, untrained": untrained(grey)}
accuracy = {name: torch.zeros(len(few), repeats) for name in
            [*features, "network, random start", "network, from the encoder"]}
for i, n in enumerate(few):
    for r in range(repeats):
        shuffled = train[torch.randperm(len(train), generator=seeded(r))]
        rows = torch.cat([shuffled[labels[shuffled] == k][:n] for k in range(10)])
        for name, f in features.items():
            accuracy[name][i, r] = probe(f, rows)
        starts = {"network, random start": untrained, "network, from the encoder": encoder}
        for name, start in starts.items():
            accuracy[name][i, r] = classifier(start, grey[rows], labels[rows])

fig, ax = plots.figure(size=(10.4, 3.3))
means = {name: a.mean(1) for name, a in accuracy.items()}
plots.bars(ax, [f"{n} a class" for n in few], means, form="{:.2f}",
           spread={name: a.std(1) / math.sqrt(repeats) for name, a in accuracy.items()})
ax.set(ylabel="test accuracy", ylim=(0, 1.3), xlabel="labels used")
plots.add_legend(ax, ncols=5, loc="upper left", columnspacing=1.0)
plots.picture(fig, """Test accuracy with 1, 2, 5 and 20 labels a class. Logistic regression on
    pixels and on the code are level; on the code of an untrained encoder it is much worse. A
    network that starts from the trained encoder is level with one that starts at random.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** (Bars: the mean of six draws of the labels; lines: its standard error.)
# The code keeps in 16 numbers what a classifier needs from 64 pixels; an untrained encoder's code
# loses part of it, so it is the training that did this. But on these easy digits the
# code *gains* nothing over pixels, and starting a network from the encoder gains nothing over a
# random start. *Why it matters:* "features without labels help" is a claim to be measured
# against pixels and against a random encoder, every time. Unit 05 does so for every pretext task.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Can one sample from an autoencoder?
#
# Nothing in the loss says where the codes lie. A code that no image was sent to is an input on
# which the decoder was never trained. For a code of two numbers one can look:

# %% slideshow={"slide_type": "subslide"}
two = deep_models[2]
codes = two.encode(grey[train]).detach()
low, high = codes.quantile(0.01, 0), codes.quantile(0.99, 0)
side = 11
z1, z2 = (torch.linspace(float(low[i]), float(high[i]), side) for i in (0, 1))
box = {"x": (float(low[0]), float(high[0])), "y": (float(low[1]), float(high[1]))}
sheet = images(two.decode(torch.cartesian_prod(z2, z1).flip(1))).reshape(side, side, 8, 8)
fig, ax = plots.figure(1, 2, size=(10.4, 4.6))
plots.class_map(ax[0], codes[:500], labels[train][:500])
plots.image_plane(ax[1], sheet, title="the same plane, decoded", **box)
ax[0].set(title="codes of 500 digits", xlim=ax[1].get_xlim(), ylim=ax[1].get_ylim())
for a in ax:
    a.set_xlabel("$z_1$")
ax[0].set_ylabel("$z_2$")
plots.picture(fig, """Left: codes of 500 digits in the plane, written as their digit: classes
    form rays and clumps with empty space between them. Right: the plane decoded; where there are
    codes, digits; in the empty space smears and shapes that are no digit.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Clumps of codes on no recognisable scale, and between them **holes**.
# Now *measure* the holes, for codes of 8 numbers, where nobody can look: draw $z$ uniformly from
# the box that holds the codes, or from a normal fitted to them, decode it, and ask how far the
# image is from the nearest real one.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The slide says: samples are copies of the training set
#
# "Sampling from latent space of an autoencoder creates outputs that are effectively identical to
# images in the training dataset." If so, the distance from such a sample to its nearest training
# image is near 0. Real copies set the scale: the reconstructions of training images. And so do
# new digits, which the model has never seen.

# %% slideshow={"slide_type": "subslide"}
def nearest(x, among=grey[train]):
    """Return the distance of each image to the nearest training image, |x - x'|."""
    return torch.cdist(x.detach().clamp(0, 1), among).amin(1)


eight = deep_models[8]
codes8 = eight.encode(grey[train]).detach()
low8, high8 = codes8.quantile(0.01, 0), codes8.quantile(0.99, 0)
n = 400
in_box = low8 + (high8 - low8) * torch.rand(n, 8, generator=seeded(1))
scale = torch.linalg.cholesky(codes8.T.cov())
fitted = codes8.mean(0) + torch.randn(n, 8, generator=seeded(2)) @ scale.T
draws = {"box": eight.decode(in_box), "fitted normal": eight.decode(fitted)}
distance = {
    "reconstructions of training images": nearest(eight(grey[train][:n])),
    "new digits": nearest(grey[test]),
    "samples, z from a fitted normal": nearest(draws["fitted normal"]),
    "samples, z uniform in the box": nearest(draws["box"]),
}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(10.4, 3.4), width_ratios=(1.5, 1))
plots.histograms(ax[0], distance, edges=torch.linspace(0, 3.2, 41))
ax[0].set(xlabel="distance to the nearest training image", ylabel="images", ylim=(0, 105))
order8 = torch.cdist(draws["fitted normal"].detach().clamp(0, 1), grey[train]).argmin(1)
plots.image_rows(ax[1], {
    "z from the normal": images(draws["fitted normal"][:8]),
    "nearest in training": images(grey[train][order8[:8]]),
    "z from the box": images(draws["box"][:8]),
    "nearest in training ": images(grey[train][torch.cdist(
        draws["box"][:8].detach().clamp(0, 1), grey[train]).argmin(1)]),
})
plots.picture(fig, """Left: histograms of the distance to the nearest training image:
    reconstructions nearest, new digits next, samples from a fitted normal about as far as new
    digits or farther, samples from the box farthest. Right: samples and their nearest training
    images, which differ visibly.""")

# %% slideshow={"slide_type": "fragment"}
few_images = grey[train][:25]  # an autoencoder with far too little data
memory = deep(8, few_images, steps=700)
among = memory.encode(few_images).detach()
pairs = torch.randint(25, (2, n), generator=seeded(3))
between = memory.decode((among[pairs[0]] + among[pairs[1]]) / 2)
near = among[pairs[0]] + 0.1 * among.std(0) * torch.randn(n, 8, generator=seeded(4))
rows = [[name, d.median(), d.quantile(0.05)] for name, d in distance.items()]
plots.number_table(["", "median distance", "5 % are nearer than"], [
    *rows,
    ["trained on 25 images: z within 0.1 sd of a code",
     nearest(memory.decode(near), few_images).median(),
     nearest(memory.decode(near), few_images).quantile(0.05)],
    ["trained on 25 images: z half-way between two codes",
     nearest(between, few_images).median(), nearest(between, few_images).quantile(0.05)],
], digits=2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The claim is wrong here. Samples are *farther* from the training images
# than new, real digits are: not copies, but images that are no digits. What is right about it: a
# decoder trained on 25 images gives them back, as long as $z$ is close to one of their codes. A
# sparse latent space gives garbage in its holes; memory of too few data gives copies. The remedy
# for the first is to say, in the loss, where codes shall lie. That is the VAE.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Denoising autoencoders
#
# Give the network a damaged $\tilde x = x + \sigma\varepsilon$ and ask for the clean $x$ (Vincent
# et al., 2008). Copying is no solution any more, however wide the code. The smallest squared error
# is that of the **conditional mean** $\mathbb E[x \mid \tilde x]$, which can be worked out:
#
# - $x \sim \mathcal N(0, s^2)$: linear, $\;\hat x = \frac{s^2}{s^2 + \sigma^2}\, \tilde x$ with
#   error $\frac{s^2 \sigma^2}{s^2 + \sigma^2}$. For $s^2 = 1, \sigma^2 = 0.25$: $0.8\,\tilde x$
#   and $0.2$ (in many variables $S (S + \sigma^2 I)^{-1} \tilde x$);
# - $x = \pm 1$, a coin: $\;\hat x = \tanh(\tilde x / \sigma^2)$.

# %% slideshow={"slide_type": "subslide"}
def denoiser(x, noise, **options):
    return trained(lambda: vae.DenoisingAutoencoder(x.shape[1:], level=noise, **options), x,
                   vae.denoising_loss, steps=600, lr=3e-3, batch_size=256)


x1 = torch.randn(4000, 1, generator=seeded(1))
coin = x1.sign()
small = {"num_latents": 16, "hidden": (32,)}
at = torch.linspace(-2.5, 2.5, 201)
fig, ax = plots.figure(1, 2, size=(9, 3))
for a, rows, exact, title in ((ax[0], x1, 0.8 * at, "normal data"),
                              (ax[1], coin, torch.tanh(at / 0.25), "x = -1 or 1")):
    model = denoiser(rows, 0.5, **small)
    plots.curves(a, at, {"E[x | x̃], exact": exact, "network": model(at[:, None]).detach()[:, 0],
                         "do nothing": at})
    a.set(title=title, xlabel="damaged value x̃", ylim=(-2.6, 2.6))
ax[0].set_ylabel("restored value")
plots.picture(fig, """Restored against damaged value. For normal data the network follows the
    line of slope 0.8; for data of plus and minus one it follows a steep hyperbolic tangent; both
    lie on the exact conditional mean where there are data.""")

# %% slideshow={"slide_type": "subslide"}
noise = 0.5
cleaner = denoiser(grey[train], noise, num_latents=64, hidden=(200,))
mean, covariance = grey[train].mean(0), grey[train].T.cov()
wiener = torch.linalg.solve(covariance + noise**2 * torch.eye(64), covariance)  # (S + σ²I)⁻¹ S
damaged = grey[test] + noise * torch.randn(grey[test].shape, generator=seeded(5))
flat = (damaged - mean) @ wiener + mean
fig, ax = plots.figure(size=(8.2, 3.2))
plots.image_rows(ax, {"clean": images(grey[test][:14]), "damaged": images(damaged[:14]),
                      "best linear": images(flat[:14]), "network": images(cleaner(damaged)[:14])})
plots.picture(fig, """Fourteen test digits clean, damaged by noise, restored by the best linear
    map and by the network; both are readable, the network's are sharper.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["squared error per image, test", ""], [
    ["damaged (64 σ² = 16 expected)", error(damaged, grey[test])],
    ["S (S + σ²I)⁻¹, the best linear map", error(flat, grey[test])],
    ["denoising autoencoder, code of 64 numbers", error(cleaner(damaged), grey[test])],
    ["ordinary autoencoder, code of 16 numbers", error(deep_models[16](damaged), grey[test])],
], digits=2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The network finds the exact conditional mean in one dimension, and on
# digits it beats the best map that knows only means and covariances, although its code is as
# large as the image. Moving $\tilde x$ to $\mathbb E[x \mid \tilde x]$ is moving towards where
# data are dense; score-based diffusion models are built on that (a later unit).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.2 The Kullback-Leibler divergence
#
# To say where codes shall lie, we need a distance between distributions:
#
# $$\mathrm{KL}(q \,\|\, p) = \mathbb E_q\!\left[\log \frac{q(x)}{p(x)}\right] = \sum_x q(x) \log
# \frac{q(x)}{p(x)} \quad\text{or}\quad \int q(x) \log \frac{q(x)}{p(x)}\, dx.$$
#
# It is $\ge 0$, and 0 only for $q = p$ (Jensen's inequality). It is **not symmetric**, which is
# why one writes "$\|$" and not a comma. One term at a time, as on the slide:

# %% slideshow={"slide_type": "subslide"}
rows = []
for q, p, said in ((0.9, 0.9, "no increase"), (0.9, 0.1, "big increase"),
                   (0.1, 0.9, "little decrease"), (0.1, 0.1, "little decrease")):
    term = q * math.log(q / p)
    effect = "none" if term == 0 else "increase" if term > 0 else "decrease"
    rows.append([f"{q}", f"{p}", term, effect, said])
plots.number_table(["q(x')", "p(x')", "q log(q/p)", "effect on KL(q‖p)", "the slide says"], rows)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $0.9 \log 9 = 1.9775$ and $0.1 \log \frac19 = -0.2197$: **the slide
# says** 1.97 and -0.21 (cut off, not rounded), and calls the last row a "little decrease" though
# its term is 0. A single term may be negative; the sum never is. The asymmetry is in the factor
# $q(x')$ in front: where $q$ is large and $p$ small one pays dearly, where $q$ is small nearly
# nothing happens.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Between two normals
#
# $$\mathrm{KL}\big(\mathcal N(\mu, \sigma^2) \,\|\, \mathcal N(0, 1)\big) = \tfrac12 \left(\mu^2 +
# \sigma^2 - 1 - \log \sigma^2 \right),$$
#
# and for independent latents the sum over them. Derivation in one line: $\mathbb E_q[\log q - \log
# p] = -\frac12 \log \sigma^2 - \frac12 + \frac12 (\mu^2 + \sigma^2)$; the two $\frac12 \log 2\pi$
# cancel. Four mistakes, each with the number that betrays it, for $\mu = 1, \sigma = 2$:

# %% slideshow={"slide_type": "fragment"}
mu, sd = torch.tensor([[1.0]]).double(), torch.tensor([[2.0]]).double()
zero, one = torch.zeros_like(mu), torch.ones_like(sd)
grid = torch.linspace(-30, 30, 20_001, dtype=torch.float64)
log_q = densities.log_normal(grid, 1.0, 2.0, event_dims=0)
log_p = densities.log_normal(grid, 0.0, 1.0, event_dims=0)
right = densities.kl_gaussian(mu, sd)
plots.number_table(["KL(N(1, 2²) ‖ N(0, 1))", "nats"], [
    ["densities.kl_gaussian", right],
    ["by quadrature", torch.trapezoid(log_q.exp() * (log_q - log_p), grid)],
    ["torch.distributions", torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, sd), torch.distributions.Normal(zero, one))],
    ["wrong: the 1/2 forgotten", 2 * right],
    ["wrong: the standard deviation taken as variance", densities.kl_gaussian(mu, sd.sqrt())],
    ["wrong: KL(p‖q), the other way round", densities.kl_gaussian(zero, one, mu, sd)],
])

# %% [markdown] slideshow={"slide_type": "slide"}
# ### In class: which independent normal is nearest?
#
# $p = \mathcal N(0, \Sigma)$ is correlated; $q(x_1, x_2) = \mathcal N(x_1; \mu_1, \sigma_1^2)\,
# \mathcal N(x_2; \mu_2, \sigma_2^2)$ cannot be. Which $q$ minimises $\mathrm{KL}(q \| p)$, and
# which $\mathrm{KL}(p \| q)$? Set the derivatives to zero:
#
# $$\mathrm{KL}(q\|p): \;\; \sigma_i^2 = \frac{1}{(\Sigma^{-1})_{ii}}, \qquad\qquad
# \mathrm{KL}(p\|q): \;\; \sigma_i^2 = \Sigma_{ii},$$
#
# both with $\mu_i = 0$. The first is the variance of $x_i$ *given the other one*, $1 - \rho^2$ for
# unit variances; the second its variance *alone*, 1. Move the covariance:

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.factorised_explorer(vae.factorised_gaussian)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** At $\rho = 0.9$: variances 0.19 (inside $p$: it avoids places where $p$
# is small) against 1 (covers $p$: it avoids being small where $p$ is not). At $\rho = 0$ both are
# $p$. (The two least KLs are equal in two dimensions; only $q$ differs.) *Why it matters:* a
# VAE's encoder is such an independent $q$, trained with the first direction, so it is
# too **narrow** whenever latents are correlated given $x$. Check it without the formula, by
# gradient descent on each KL:

# %% slideshow={"slide_type": "subslide"}
sigma = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64)
p = torch.distributions.MultivariateNormal(torch.zeros(2).double(), sigma)
found = {}
for direction in ("q||p", "p||q"):
    log_sd = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([log_sd], lr=0.05)
    for _ in range(300):
        q = torch.distributions.MultivariateNormal(p.loc, (2 * log_sd).exp().diag())
        pair = (q, p) if direction == "q||p" else (p, q)
        loss = torch.distributions.kl_divergence(*pair)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    formula = vae.factorised_gaussian(sigma, direction=direction)
    found[direction] = [(2 * log_sd).exp()[0], formula[0], loss]
plots.number_table(["minimised", "variance by gradient", "formula", "least KL"],
                   [[f"KL({d.replace('||', '‖')})", *v] for d, v in found.items()])

# %% [markdown] slideshow={"slide_type": "slide"}
# ### One normal for two hills
#
# The same asymmetry decides what a too simple model does with data in two places. Fit one normal
# $q$ to a mixture $p$ of two, under each direction, by quadrature:

# %% slideshow={"slide_type": "subslide"}
x = torch.linspace(-8, 8, 2001, dtype=torch.float64)
weights = torch.tensor([0.6, 0.4]).double().log()
hills = torch.stack([densities.log_normal(x, m, s, event_dims=0)
                     for m, s in ((-2.0, 0.7), (2.5, 0.9))], -1)
log_p = densities.log_mixture(hills, weights)


def fit_normal(direction, start):
    parameters = torch.tensor([start, -0.5], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([parameters], lr=0.05)
    for _ in range(400):
        log_q = densities.log_normal(x, parameters[0], parameters[1].exp(), event_dims=0)
        a, b = (log_q, log_p) if direction == "q||p" else (log_p, log_q)
        loss = torch.trapezoid(a.exp() * (a - b), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return log_q.detach().exp(), float(loss.detach())


fits = {(d, s): fit_normal(d, s) for d, s in
        (("p||q", 0.5), ("q||p", -2.0), ("q||p", 3.0))}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(10, 3))
plots.curves(ax[0], x, {"p": log_p.exp(), "q": fits["p||q", 0.5][0]})
ax[0].set(title=f"least KL(p‖q) = {fits['p||q', 0.5][1]:.3f}: covers both", xlabel="x",
          ylim=(0, 0.62))
left, right_hill = fits["q||p", -2.0], fits["q||p", 3.0]
plots.curves(ax[1], x, {"p": log_p.exp(), f"q, KL(q‖p) = {left[1]:.3f}": left[0],
                        f"q, KL(q‖p) = {right_hill[1]:.3f}": right_hill[0]})
ax[1].set(title="KL(q‖p): one hill, which depends on the start", xlabel="x", ylim=(0, 0.85))
plots.picture(fig, """A density with two hills. Left: the normal of least KL(p‖q) is wide and
    covers both hills, with its top in the valley. Right: two local minima of KL(q‖p), each a
    normal on one hill; the left one is lower.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $\mathrm{KL}(p\|q)$, which maximum likelihood minimises with $p$ the
# data and $q$ the model, *covers*: its best normal has the data's mean and variance and is highest
# where there are few data. $\mathrm{KL}(q\|p)$, which an encoder minimises with $p$ the true
# posterior, *seeks a mode*. Both appear in this unit: the decoder learns by the first, the encoder
# by the second.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.3 log p = ELBO + KL, line by line
#
# A **latent-variable model**: draw $z \sim p(z)$ from a simple prior, then $x \sim p_\theta(x \mid
# z)$ from a decoder. Learning wants the likelihood $p_\theta(x) = \int p(z)\, p_\theta(x \mid z)\,
# dz$, an integral over all codes: out of reach for a network. Take *any* $q_\phi(z \mid x)$ and
# write, with $\mathbb E$ over $z \sim q_\phi(z \mid x)$,
#
# $$\begin{aligned} \log p_\theta(x) &= \mathbb E\left[\log p_\theta(x)\right] && (1) \\ &= \mathbb
# E\left[\log \frac{p_\theta(x \mid z)\, p(z)}{p_\theta(z \mid x)}\right] && (2)\text{ Bayes} \\ &=
# \mathbb E\left[\log \frac{p_\theta(x \mid z)\, p(z)}{p_\theta(z \mid x)} \cdot \frac{q_\phi(z
# \mid x)}{q_\phi(z \mid x)}\right] && (3)\text{ times 1} \\ &= \mathbb E\left[\log p_\theta(x \mid
# z)\right] - \mathbb E\left[\log \frac{q_\phi(z \mid x)}{p(z)}\right] + \mathbb E\left[\log
# \frac{q_\phi(z \mid x)}{p_\theta(z \mid x)}\right] && (4) \\ &= \underbrace{\mathbb E\left[\log
# p_\theta(x \mid z)\right] - \mathrm{KL}\big(q_\phi(z \mid x) \| p(z)\big)}_{\text{ELBO}} +
# \underbrace{\mathrm{KL}\big(q_\phi(z \mid x) \| p_\theta(z \mid x)\big)}_{\ge 0} && (5)
# \end{aligned}$$
#
# The first two terms can be estimated; the last one cannot, but it is never negative, so ELBO
# $\le \log p_\theta(x)$: the **evidence lower bound**.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same five lines as numbers
#
# Two models where every symbol can be computed. One discrete, $z \in \{1, 2, 3\}$; one continuous,
# **probabilistic PCA** (Tipping & Bishop, 1999), $z \sim \mathcal N(0, 1)$ and $x \mid z \sim
# \mathcal N(Wz + \mu, \sigma^2 I)$, whose likelihood and posterior are
#
# $$p(x) = \mathcal N\big(\mu,\; W W^\top + \sigma^2 I\big), \qquad p(z \mid x) = \mathcal
# N\big(M^{-1} W^\top (x - \mu),\; \sigma^2 M^{-1}\big), \quad M = W^\top W + \sigma^2 I.$$
#
# $q$ is deliberately not the posterior.

# %% slideshow={"slide_type": "subslide"}
def five_lines(log_prior, log_likelihood, log_posterior, log_q, log_p, expect):
    """Return the right-hand sides of (1) to (5); `expect` is the mean under q."""
    bayes = log_likelihood + log_prior - log_posterior
    three = expect(log_likelihood), expect(log_q - log_prior), expect(log_q - log_posterior)
    elbo = three[0] - three[1]
    return [log_p, expect(bayes), expect(bayes + log_q - log_q), three[0] - three[1] + three[2],
            elbo + three[2], *three, elbo]


prior = torch.tensor([0.5, 0.3, 0.2]).double()  # p(z), and p(x | z) for the x that was seen
seen_given_z = torch.tensor([0.1, 0.6, 0.3]).double()
q = torch.tensor([0.2, 0.5, 0.3]).double()
joint = prior * seen_given_z
discrete = five_lines(prior.log(), seen_given_z.log(), (joint / joint.sum()).log(), q.log(),
                      joint.sum().log(), lambda f: (q * f).sum())

# %% slideshow={"slide_type": "subslide"}
ppca = vae.ProbabilisticPCA(2, num_latents=1, sd=0.5).double()
with torch.no_grad():
    ppca.W.copy_(torch.tensor([[1.0], [0.5]]))
x = torch.tensor([[1.5, -0.5]], dtype=torch.float64)
z = torch.linspace(-12, 12, 40_001, dtype=torch.float64)[:, None, None]  # (S, 1, 1), quadrature
exact = ppca.posterior(x)
log_q = densities.log_normal(z, 0.3, 0.8, event_dims=2)  # q(z | x) = N(0.3, 0.8²)
log_prior = densities.log_normal(z, 0.0, 1.0, event_dims=2)
log_joint = ppca.log_joint(x, z)[:, 0].detach()
log_posterior = densities.log_normal(
    z, exact.mean.detach(), exact.covariance.detach().sqrt(), event_dims=2)
continuous = five_lines(log_prior, log_joint - log_prior, log_posterior, log_q,
                        ppca.log_prob(x).detach(),
                        lambda f: torch.trapezoid(log_q.exp() * f, z[:, 0, 0]))
names = ["(1) log p(x)", "(2)", "(3)", "(4)", "(5) ELBO + KL to the posterior", "E log p(x | z)",
         "KL(q(z|x) ‖ p(z))", "KL(q(z|x) ‖ p(z|x)), the gap", "ELBO"]
plots.number_table(["line", "three states", "probabilistic PCA"],
                   [[n, a, b] for n, a, b in zip(names, discrete, continuous, strict=True)],
                   digits=6)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Five equal lines in each column, and an ELBO that is lower by exactly
# the last KL. Nothing in the derivation needed $q$ to be good; only the size of the gap does. When
# $q$ *is* the posterior, the gap is 0 and the ELBO is the log-likelihood.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Four slips about this equation
#
# - **The slide says** "minimise the negative log-likelihood plus a regulariser", $\ell =
#   -\mathbb E \log p(x \mid z) + \mathrm{KL}(q \| p(z))$. The first term is not the negative
#   log-likelihood of $x$: by (5), $\ell = -\log p(x) + \mathrm{KL}(q \| p(z \mid x))$, the
#   negative log-likelihood *plus the gap*, and so never less than it.
# - **The slide says** (variational EM) "maximise $\mathbb E \log p(x \mid z) + \mathrm{KL}(q \|
#   p(z))$". The KL is *subtracted*, as the same deck's $F = -\log p(x) + \mathrm{KL}(q \| p(z \mid
#   x))$ demands.
# - **The slide says** that $\mathcal N(0, \sigma^2 I)$ is a standard Gaussian. Only $\sigma = 1$
#   is, and the KL to another prior is another number.
# - Averaging the squared error over the $D$ pixels instead of summing it divides the first term by
#   $D$: the same as a KL with weight $\beta = D$. The most common of all.

# %% slideshow={"slide_type": "subslide"}
one_x, z0 = torch.ones(1, 1).double(), torch.zeros(1, 1).double()  # x = 1; x | z ~ N(z, 1)
joint_of = lambda z: (densities.log_normal(one_x, z, 1.0, event_dims=1)  # noqa: E731
                      + densities.log_normal(z, 0.0, 1.0, event_dims=1))
q_prior = vae.NormalPosterior(z0, z0)  # q = the prior, N(0, 1)
many = vae.NormalPosterior(*[z0.expand(200_000, 1)] * 2)  # the same x, many times
reconstruction = -0.5 * math.log(2 * math.pi) - 0.5 * (1 + 1)  # E log N(1; z, 1): E (1 - z)² = 2
log_p1 = densities.log_normal(one_x, 0.0, math.sqrt(2.0))  # z + noise has the variance 2
gap = densities.kl_gaussian(z0, z0 + 1, z0 + 0.5, z0 + math.sqrt(0.5))  # posterior N(1/2, 1/2)
plots.number_table(["z ~ N(0, 1), x | z ~ N(z, 1), x = 1", "nats"], [
    ["log p(x), exact: x ~ N(0, 2)", log_p1],
    ["ELBO for q = prior, exact", reconstruction],
    ["log p(x) - ELBO", log_p1 - reconstruction],
    ["KL(q ‖ posterior), exact", gap],
    ["library: vae.elbo, mean of 200 000 samples",
     vae.elbo(joint_of, q_prior, num_samples=200_000, generator=seeded(1))],
    ["library: vae.iwae_bound, k = 5, mean of 200 000",
     vae.iwae_bound(joint_of, many, 5, generator=seeded(2)).mean()],
])

# %% [markdown] slideshow={"slide_type": "slide"}
# ### An exact posterior is an exact completion
#
# In probabilistic PCA everything is Gaussian, so that the missing half of an image has an exact
# conditional law: first $p(z \mid x_{\text{seen}})$, then $p(x_{\text{missing}} \mid
# x_{\text{seen}}) = \mathcal N\big(W_m \bar z + \mu_m,\; W_m C W_m^\top + \sigma^2 I\big)$ with
# $\bar z, C$ the mean and covariance of $z$ given what was seen. In-painting without a trick:

# %% slideshow={"slide_type": "subslide"}
painter = vae.ProbabilisticPCA(64, num_latents=20)
painter.fit(grey[train])
given = torch.ones(8, 8, dtype=torch.bool)
given[4:] = False  # the lower half is hidden
given = given.reshape(64)
rows = grey[test][:12]
filled = painter.complete(rows, given)
drawn = [painter.sample(12, condition=(rows, given), generator=seeded(s)) for s in (1, 2)]
fig, ax = plots.figure(size=(8.6, 4.4))
plots.image_rows(ax, {
    "x": images(rows), "seen": images(torch.where(given, rows, 0.5)),
    "mean": images(filled.mean), "one draw": images(drawn[0]), "another": images(drawn[1]),
    "sd × 2": images(2 * filled.sd.expand_as(filled.mean)),
})
plots.picture(fig, """Twelve digits, their upper halves, the mean completion, two drawn
    completions and the standard deviation of each missing pixel. The mean is blurred and
    plausible; the draws are grainy; the deviation is largest where strokes may end.""")

# %% slideshow={"slide_type": "fragment"}
everyone = painter.complete(grey[test], given)
z_score = ((grey[test] - everyone.mean) / everyone.sd)[:, ~given]
marginal = grey[train].mean(0).expand_as(grey[test])
rmse = lambda a: (a - grey[test])[:, ~given].square().mean().sqrt()  # noqa: E731
plots.number_table(["hidden lower half, test digits", ""], [
    ["root mean squared error, mean image", rmse(marginal)],
    ["root mean squared error, conditional mean", rmse(everyone.mean)],
    ["root mean squared error, one draw", rmse(painter.sample(
        len(test), condition=(grey[test], given), generator=seeded(3)))],
    ["share of hidden pixels within 2 sd (95 % if the model were right)",
     f"{float((z_score.abs() < 2).float().mean()):.1%}"],
], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The mean is the best single guess and looks like no digit in doubt; a
# draw is a possible image and has the larger error. A model that can say $p(\text{missing} \mid
# \text{seen})$ exactly needs no new training for each kind of hole. A VAE cannot: its posterior
# given half an image has no closed form, and its encoder expects all pixels.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.4 Monte Carlo: a value, and a gradient
#
# The expectation in the ELBO is estimated with $S$ draws $z_s \sim q_\phi(z \mid x)$: $\;\frac1S
# \sum_s \log p_\theta(x \mid z_s) - \mathrm{KL}(q_\phi \| p)$. The estimate is unbiased for every
# $S$; only its spread falls, as $1 / \sqrt S$. The toy model of section 3.3, 4000 estimates each:

# %% slideshow={"slide_type": "fragment"}
many = vae.NormalPosterior(*[z0.expand(4000, 1)] * 2)
rows = []
for S in (1, 10, 100):
    estimates = vae.elbo(joint_of, many, num_samples=S, generator=seeded(S))
    rows.append([S, estimates.mean(), estimates.std(), estimates.std() * math.sqrt(S)])
plots.number_table(["draws S", "mean", "sd", "sd · √S"], rows,
                   caption=f"exact: {reconstruction:.4f} nats")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The last column is constant. One draw is noisy and enough: a minibatch
# averages over its images, and training over its steps.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Gradients through a random draw
#
# Training wants $\nabla_\phi\, \mathbb E_{z \sim q_\phi} [f(z)]$, and $\phi$ stands in the
# distribution that one averages over. Drawing $z$ and differentiating $f(z)$ gives nothing: the
# draw does not show how it depends on $\phi$. Two ways out, both unbiased:
#
# - **score function** (Williams, 1992): $\;\mathbb E_q\big[f(z)\, \nabla_\phi \log
#   q_\phi(z)\big]$. It needs only values of $f$.
# - **pathwise**, the reparameterisation trick (Kingma & Welling; Rezende et al., 2014): write $z =
#   \mu + \sigma \varepsilon$ with $\varepsilon \sim \mathcal N(0, 1)$; then $\nabla_\phi\, \mathbb
#   E_\varepsilon [f(\mu + \sigma\varepsilon)] = \mathbb E_\varepsilon[f'(z)\, \nabla_\phi (\mu +
#   \sigma\varepsilon)]$. It needs the slope of $f$.
#
# A case with a known answer: $\mathbb E z^2 = \mu^2 + \sigma^2$, so the gradient by $(\mu,
# \sigma)$ is $(2\mu, 2\sigma) = (3, 1)$ at $\mu = 1.5, \sigma = 0.5$.

# %% slideshow={"slide_type": "subslide"}
mu, sd, n = (torch.tensor(v, dtype=torch.float64) for v in (1.5, 0.5, 100_000))
mu, sd, n = mu.requires_grad_(), sd.requires_grad_(), int(n)
detached = torch.square((mu + sd * torch.randn(n, generator=seeded(1))).detach()).mean()
wrong = torch.autograd.grad(detached + 0 * mu + 0 * sd, (mu, sd))
square = torch.square
estimates = {
    "score function": vae.score_function_gradient(square, mu, sd, num_samples=n,
                                                  generator=seeded(1)),
    "score function, baseline": vae.score_function_gradient(
        square, mu, sd, num_samples=n, baseline=True, generator=seeded(1)),
    "pathwise": vae.pathwise_gradient(square, mu, sd, num_samples=n, generator=seeded(1)),
}
plots.number_table(
    ["estimator", "mean, by μ", "by σ", "variance of one sample, by μ", "by σ"],
    [["exact", 2 * mu, 2 * sd, "", ""],
     *[[k, g.mean.mean(), g.sd.mean(), g.mean.var(), g.sd.var()] for k, g in estimates.items()],
     ["wrong: z drawn, then detached", *wrong, "", ""]],
    digits=3,
)

# %% slideshow={"slide_type": "subslide"}
sizes = [1, 3, 10, 30, 100]
variance = {name: [] for name in estimates}
for D in sizes:  # f(z) = Σ z_d²; look at the gradient by μ_1
    z_mu, z_sd = torch.full((D,), 1.5).double(), torch.full((D,), 0.5).double()
    noise = torch.randn(4000, D, generator=seeded(D), dtype=torch.float64)
    value = (z_mu + z_sd * noise).square().sum(1)
    variance["score function"].append((value * noise[:, 0] / 0.5).var())
    variance["score function, baseline"].append(((value - value.mean()) * noise[:, 0] / 0.5).var())
    variance["pathwise"].append((2 * (z_mu + z_sd * noise)[:, 0]).var())
fig, ax = plots.figure(1, 2, size=(10, 3.2))
for name, g in estimates.items():
    k = list(estimates).index(name)
    colour, dashes, *_ = plots.SERIES[k]
    ax[0].hist(g.mean, torch.linspace(-5, 25, 121), density=True, histtype="step", lw=1.8,
               color=colour, linestyle=dashes, label=name)
ax[0].axvline(3, color="#999999", lw=0.8)
plots.add_legend(ax[0])
ax[0].set(title="one-sample estimates of a gradient of 3", ylim=(0, 1.1))
plots.curves(ax[1], sizes, variance, markers=True)
ax[1].set(xscale="log", yscale="log", xlabel="latents D", title="variance of the gradient by μ₁")
plots.picture(fig, """Left: histograms of one-sample estimates; pathwise estimates are a narrow
    hill around 3, score function estimates a peak below 0 and a tail beyond 25. Right: variance
    against the number of latents; pathwise stays at 1, score function grows to 200 thousand,
    with a baseline to about a thousand.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** All three are right on average. But the score function only learns that
# "the whole value was high when $z_1$ was high": every other latent adds noise, and the variance
# grows with $D^2$ (with a baseline with $D$). The pathwise estimate asks how $f$ changes along
# $z_1$ and does not see the others. *Why it matters:* this is the step that made VAEs trainable.
# Where $f$ has no slope (a discrete $z$, section 3.9; a reward from a game), the score function is
# what is left.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.5 A variational autoencoder, trained live
#
# Now put networks in: an encoder that gives $\mu_\phi(x)$ and $\log \sigma^2_\phi(x)$ of $q_\phi(z
# \mid x)$, a decoder that gives the probability of each white pixel. Everything was derived
# above; the whole training step is:
#
# 1. encode: $\mu, \sigma$; 2. draw $z = \mu + \sigma \varepsilon$; 3. decode; 4. ascend
#
# $$\text{ELBO} = \underbrace{\textstyle\sum_d \log p_\theta(x_d \mid z)}_{\text{reconstruction}} -
# \underbrace{\textstyle\sum_l \frac12\left(\mu_l^2 + \sigma_l^2 - 1 - \log
# \sigma_l^2\right)}_{\text{KL to the prior}}.$$
#
# The gradient by $\theta$ and by $\phi$ comes from one `backward`.

# %% slideshow={"slide_type": "subslide"}
L = 8
torch.manual_seed(0)
encode = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 2 * L))
decode = nn.Sequential(nn.Linear(L, 128), nn.Tanh(), nn.Linear(128, 64))
optimiser = torch.optim.Adam([*encode.parameters(), *decode.parameters()], lr=3e-3)


def two_terms(x, noise):
    mu, log_variance = encode(x).chunk(2, -1)
    z = mu + (log_variance / 2).exp() * noise
    reconstruction = densities.log_bernoulli(x, decode(z))  # summed over pixels, (B,)
    kl = (mu**2 + log_variance.exp() - 1 - log_variance).sum(-1) / 2
    return reconstruction, kl


curve, held_out = [], []
for step in range(1501):
    rows = train[torch.randint(len(train), (128,))]
    reconstruction, kl = two_terms(binary[rows], torch.randn(128, L))
    optimiser.zero_grad()
    (kl - reconstruction).mean().backward()
    optimiser.step()
    curve.append([float(reconstruction.detach().mean()), float(kl.detach().mean())])
    if step % 100 == 0:
        with torch.no_grad():
            both = two_terms(binary[test], torch.randn(len(test), L))
        held_out.append([float(part.mean()) for part in both])

# %% slideshow={"slide_type": "subslide"}
model = vae.VAE((64,), num_latents=L, hidden=(128,))  # the library's, with the same weights
model.encoder[1].layers.load_state_dict(encode.state_dict())
model.decoder.layers[0].layers.load_state_dict(decode.state_dict())
curve, held_out = torch.tensor(curve), torch.tensor(held_out)
smooth = curve[:1500].reshape(-1, 25, 2).mean(1)
at = torch.arange(12, 1500, 25)
fig, ax = plots.figure(1, 3, size=(10.4, 3))
for a, k, title in ((ax[0], 0, "reconstruction, E log p(x|z)"), (ax[1], 1, "KL(q‖p)")):
    plots.curves(a, at, {"training": smooth[:, k]}, legend=False)
    a.plot(100 * torch.arange(16), held_out[:, k], "s--", color=plots.ORANGE, ms=4, label="test")
    a.set(title=title, xlabel="step")
ax[0].set_ylabel("nats")
plots.curves(ax[2], at, {"training": smooth[:, 0] - smooth[:, 1]}, legend=False)
ax[2].plot(100 * torch.arange(16), held_out[:, 0] - held_out[:, 1], "s--", color=plots.ORANGE,
           ms=4, label="test")
ax[2].set(title="ELBO = the first - the second", xlabel="step")
ax[2].lines[0].set_label("training")
plots.add_legend(ax[2], loc="lower right")
plots.picture(fig, """Three curves over 1500 steps. The reconstruction rises steeply, the KL
    rises from 0 to about six nats, and the ELBO, their difference, rises and levels off; the
    test curve lies somewhat below the training curve at the end.""")

# %% slideshow={"slide_type": "fragment"}
noise = torch.randn(len(test), L, generator=seeded(1))
mine = two_terms(binary[test], noise)
theirs = model.elbo_terms(binary[test], generator=seeded(1))
plots.number_table(["test digits, nats", "this loop", "gencourse.vae.VAE, same noise"], [
    ["reconstruction", mine[0].mean(), theirs.reconstruction.mean()],
    ["KL", mine[1].mean(), theirs.kl.sum(-1).mean()],
    ["ELBO", (mine[0] - mine[1]).mean(), (theirs.reconstruction - theirs.kl.sum(-1)).mean()],
    ["ELBO of a decoder that ignores z: independent pixels",
     densities.log_bernoulli(binary[test], binary[train].mean(0).clamp(0.001, 0.999).logit()
                             .expand(len(test), -1)).mean(), ""],
], digits=3)

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(10.4, 2.4), width_ratios=(1.25, 1))
some = binary[test][:12]
plots.image_rows(ax[0], {"x": images(some), "E[x | z]": images(model.reconstruct(some)),
                         "pixels drawn": images(model.sample(12, condition=model.encode(some).mean,
                                                             generator=seeded(2)))})
z = torch.randn(30, L, generator=seeded(3))
plots.image_grid(ax[1], images(model.decode(z)), columns=10, title="z from the prior: E[x | z]")
ax[0].set_title("reconstruction")
plots.picture(fig, """Left: twelve digits, their reconstructions, and reconstructions with each
    pixel drawn. Right: 30 decoded draws from the prior: many can be read as a digit, some are
    between two.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The KL *rises*: the encoder starts by saying nothing ($q = p$, KL 0) and
# pays for information only while a nat of KL buys more than a nat of reconstruction. Training
# balances the two; neither term alone is the goal. And now one can sample: draws from
# $\mathcal N(0, I)$ are codes that the decoder knows.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Gaussian decoder: the forgotten σ
#
# For real values, $p_\theta(x \mid z) = \mathcal N(\mu_\theta(z), \sigma^2 I)$ gives
#
# $$\log p_\theta(x \mid z) = -\frac{\lVert x - \mu_\theta(z) \rVert^2}{2 \sigma^2} - D \log
# \sigma - \frac D2 \log 2\pi.$$
#
# "Squared error plus KL" silently fixes $\sigma^2 = \frac12$. But $\sigma$ sets the exchange rate
# between error and nats: $\beta$ in disguise. Let it be learnt, and the best value is $\sigma^2 =$
# the mean squared error per pixel (set the derivative by $\sigma$ to zero). Grey digits, 8
# latents:

# %% slideshow={"slide_type": "subslide"}
settings = {"σ = 1, fixed": 1.0, "σ = 0.1, fixed": 0.1, "one σ, learned": "shared",
            "a σ for each pixel, learned": "output"}
normal_vaes = {
    name: trained(lambda sd=sd: vae.VAE((64,), num_latents=8, hidden=(128,), sd=sd,
                                        likelihood="gaussian"),
                  grey[train], vae.vae_loss,
                  **({"steps": 900} if sd == "output" else {"steps": 500, "lr": 6e-3}))
    for name, sd in settings.items()
}
rows = []
for name, m in normal_vaes.items():
    terms = m.elbo_terms(grey[test], num_samples=10, generator=seeded(1))
    outputs = m.decoder(m.encode(grey[train]).draw(1, generator=seeded(2)).z[0]).detach()
    sds = m.likelihood.sd(outputs)
    rows.append([name, sds.mean(), sds.min(),
                 math.sqrt(error(outputs[0], grey[train]) / 64), terms.kl.sum(-1).mean(),
                 vae.active_units(m, grey[test]).count,
                 (terms.reconstruction - terms.kl.sum(-1)).mean()])
plots.number_table(["decoder", "σ, mean", "σ, least", "root mean squared error, z drawn",
                    "KL, nats", "active latents", "test ELBO, nats (a density)"], rows, digits=3)

# %% slideshow={"slide_type": "subslide"}
z = torch.randn(12, 8, generator=seeded(4))
fig, ax = plots.figure(size=(8.6, 3.2))
shown = {}
for name, m in normal_vaes.items():
    shown[f"{name}: mean"] = images(m.decode(z))
shown["one σ: with its noise"] = images(
    normal_vaes["one σ, learned"].sample(12, condition=z, generator=seeded(5)))
plots.image_rows(ax, shown)
plots.picture(fig, """Samples of four Gaussian decoders, their means, and one with its noise.
    With sigma 1 all twelve are the same average image; the others show digits; with its noise a
    sample is grainy.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With $\sigma = 1$ the pixels' whole variance is less than the noise the
# model expects, so that no latent is worth its nats: all are switched off (section 3.10 takes this
# up). The learned $\sigma$ settles near the root mean squared error. The mean of the decoder looks
# better than an honest sample, which adds $\sigma \varepsilon$ to each pixel: papers mostly show
# means. And beware of the last row: its error is larger than with one $\sigma$ and its ELBO the
# best by far. Some pixels are black in every image, their $\sigma$ runs towards its floor of
# $10^{-3}$, and the *density* there grows without bound. An ELBO of grey values without added
# noise is not comparable with anything.

# %% slideshow={"slide_type": "subslide"}
z = torch.randn(400, 8, generator=seeded(6))
plots.number_table(["distance to the nearest training image", "median"], [
    ["autoencoder: z from a fitted normal",
     distance["samples, z from a fitted normal"].median()],
    ["VAE, one σ learned: z from N(0, I), mean image",
     nearest(normal_vaes["one σ, learned"].decode(z)).median()],
    ["new digits", distance["new digits"].median()],
], digits=2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Samples of the VAE lie somewhat nearer to real digits than those of the
# autoencoder, for which a normal had to be fitted afterwards: the holes of section 3.1 are
# smaller, not gone. And they are no copies either. (Distance is no measure of quality by itself:
# a blurred mean is near to everything.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.6 The latent plane
#
# With two latents one can see all of it. Move $z$; the ring shows where you are among the codes of
# 400 test digits.

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.plane_explorer(
    lambda z: images(plane_vae().decode(z)),
    points=plane_vae().encode(binary[test]).mean.detach(),
    classes=labels[test],
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Compare with the autoencoder's plane in section 3.1: the codes fill a
# disc around 0 whose scale is that of $\mathcal N(0, I)$, with small gaps only, and one digit
# turns into the next. Samples need no search.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Interpolation
#
# Between two images, along a straight line: of codes, or of pixels?

# %% slideshow={"slide_type": "subslide"}
pairs = [(0, 6), (3, 7), (2, 5)]
weights = torch.linspace(0, 1, 9)[:, None]
rows = {}
for a, b in pairs:
    first, second = (binary[test][labels[test] == k][4] for k in (a, b))
    za, zb = (model.encode(x[None]).mean.detach() for x in (first, second))
    rows[f"{a} to {b}: pixels"] = images((1 - weights) * first + weights * second)
    rows[f"{a} to {b}: codes"] = images(model.decode((1 - weights) * za + weights * zb))
fig, ax = plots.figure(size=(7.6, 4.6))
plots.image_rows(ax, rows)
plots.picture(fig, """Three interpolations over nine steps. Of pixels: a double exposure of both
    digits in the middle. Of codes: strokes move, and the middle image is one shape.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Pixels cross-fade: the middle is two ghosts. Codes *deform* one digit
# into the other.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Traversals on data whose factors are known
#
# White circles have three factors: place across, place down, scale. Give a VAE five latents and
# none of the factors. Beside it a **β-VAE** (Higgins et al., 2017), whose KL weighs $\beta = 8$.
# Each row moves one latent from -2 to 2; the others stay 0:

# %% slideshow={"slide_type": "subslide"}
def traversal(m, latent, steps=9):
    z = torch.zeros(steps, 5)
    z[:, latent] = torch.linspace(-2, 2, steps)
    return images(m.decode(z), 16)


fig, ax = plots.figure(1, 2, size=(10.4, 3.4))
for a, beta in zip(ax, (1, 8), strict=True):
    plots.image_rows(a, {f"$z_{k + 1}$": traversal(circles_vae(beta), k) for k in range(5)},
                     title=f"β = {beta}")
plots.picture(fig, """Traversals of five latents for beta 1 and beta 8. Some rows move or scale
    the circle, others change nothing.""")

# %% slideshow={"slide_type": "subslide"}
pictures, factors = circles()
fig, ax = plots.figure(1, 2, size=(9, 2.2))
for a, beta in zip(ax, (1, 8), strict=True):
    matrix = agreement(circles_vae(beta).encode(pictures).mean, factors)
    plots.table(a, matrix, rows=["across", "down", "scale"], largest=1.0,
                columns=[f"z{k}" for k in range(1, 6)],
                title=f"β = {beta}: squared correlation")
plots.picture(fig, """Squared correlation of three factors with five latents, for beta 1 and
    8.""")

# %% slideshow={"slide_type": "fragment"}
rows = []
for beta in (1, 8):
    m = circles_vae(beta)
    terms = m.elbo_terms(pictures, generator=seeded(1))
    matrix = agreement(m.encode(pictures).mean, factors)
    rows.append([beta, terms.reconstruction.mean(), terms.kl.sum(-1).mean(),
                 (terms.reconstruction - terms.kl.sum(-1)).mean(),
                 ", ".join(f"{float(v):.1f}" for v in terms.kl.detach().mean(0)),
                 matrix.amax(1).mean()])
plots.number_table(["β", "reconstruction, nats", "KL, nats", "ELBO (β = 1), nats",
                    "KL of z1 to z5", "score: best latent a factor, mean"], rows, digits=2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Five latents were offered; three carry nearly all of the KL, as many as
# there are factors. But those three need not *be* the factors: at $\beta = 1$ "across" and "down"
# are each spread over two latents, which move the circle along slanted lines. At $\beta = 8$ they
# agree better in this run, the circles are blurred, and the ELBO is worse: one pays for it in
# nats.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The slide says: diagonal prior ⟹ interpretable factors
#
# It does not follow. $\mathcal N(0, I)$ looks the same from every direction: for any rotation $R$,
# the model with decoder $p_\theta(x \mid R^\top z)$ has the *same* prior and, point for point, the
# same joint density, hence the same $p(x)$. "Independent latents" are still independent after
# turning, and the data cannot tell which axes are meant. Turn two latents into each other:

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
moved = agreement(circles_vae(8).encode(circles()[0]).mean, circles()[1])[:2].argmax(1)
widgets.rotation_explorer(
    lambda z: images(circles_vae(8).decode(z), 16),
    latents=(int(moved[0]), int(moved[1])),
    num_latents=5,
)

# %% slideshow={"slide_type": "subslide"}
m, some = circles_vae(8), pictures[:200]
i, j = (int(k) for k in agreement(m.encode(pictures).mean, factors)[:2].argmax(1))
rows = []
for angle in (0, 15, 30, 45):
    R = torch.eye(5)
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    R[i, i], R[i, j], R[j, i], R[j, j] = c, -s, s, c

    def turned_joint(z, R=R):  # log p(x | z) of the turned decoder + log p(z)
        return m.log_likelihood(some, z @ R) + densities.log_normal(z, 0.0, 1.0, event_dims=1)

    with torch.no_grad():
        q = m.encode(some)
        z = q.draw(1, generator=seeded(1)).z
        change = (turned_joint(z @ R.T) - m.log_joint(some, z)).abs().max()
        precision = (1 / q.sd.square()) @ R.T.square()  # diagonal of R diag(1/σ²) Rᵀ
        best = vae.NormalPosterior(q.mean @ R.T, -precision.log() / 2)  # section 3.2
        rows.append([f"{angle}°", f"{float(change):.1e}",
                     vae.iwae_bound(turned_joint, best, 150, generator=seeded(2)).mean(),
                     vae.elbo(turned_joint, best, num_samples=100, generator=seeded(3)).mean(),
                     agreement(q.mean @ R.T, factors[:200]).amax(1).mean()])
plots.number_table(["turned by", "largest change of log p(x, z)", "log p(x) ≈ IWAE, k = 150",
                    "ELBO, best diagonal q", "score"], rows, digits=2)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The joint density does not change (up to rounding), $\log p(x)$ does not
# change, and the ELBO moves by a tenth of a nat, while the score for "one latent, one factor"
# goes up and down. So neither model nor bound prefers an axis, and a good score is luck.
# A **diagonal** $q$ *can* break the tie, when the latents' posteriors have different widths: it
# then fits best along the posterior's own axes (Rolínek et al., 2019), and $\beta$ presses on
# that. Here "across" and "down" are equally sharp, so there is nothing to press on. That is a
# by-product of the encoder's family, not of the prior; without labels there is no guarantee
# (Locatello et al., 2019).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.7 The importance-weighted bound
#
# With weights $w_i = p_\theta(x, z_i) / q_\phi(z_i \mid x)$ for $z_i \sim q_\phi$, the mean
# $\mathbb E\, w = p_\theta(x)$ is exact. The ELBO is $\mathbb E \log w$: logarithm *inside* the
# average. Take it outside (Burda, Grosse & Salakhutdinov, 2016):
#
# $$\mathcal L_k = \mathbb E \log \frac1k \sum_{i=1}^k w_i, \qquad \text{ELBO} = \mathcal L_1 \le
# \mathcal L_2 \le \dots \le \mathcal L_k \to \log p_\theta(x).$$
#
# (Jensen: $\log$ of a mean is at least the mean of the logs.) With two latents the exact value is
# within reach: sum $p(z)\, p_\theta(x \mid z)$ over a fine grid.

# %% slideshow={"slide_type": "subslide"}
@torch.no_grad()
def on_grid(m, x, points=161, span=5.0):
    """Return the grid (points², 2) and log p(x, z) + log cell area on it, (B, points²)."""
    line = torch.linspace(-span, span, points)
    z = torch.cartesian_prod(line, line)
    logits = m.decoder(z)[0]  # (points², 64)
    log_likelihood = x @ logits.T - nn.functional.softplus(logits).sum(1)
    log_prior = densities.log_normal(z, 0.0, 1.0) + 2 * math.log(float(line[1] - line[0]))
    return z, log_likelihood + log_prior


plane, few_test = plane_vae(), binary[test][:100]
z_grid, log_joint = on_grid(plane, few_test)
exact = log_joint.logsumexp(1)  # log p(x), (100,)
finer = on_grid(plane, few_test, points=241)[1].logsumexp(1)
ks = [1, 2, 5, 10, 30, 100, 300, 1000]
with torch.no_grad():
    repeated = {k: range(max(3, 300 // k)) for k in ks}  # many estimates where k is small
    bounds = {k: torch.stack([plane.iwae_bound(few_test, k, chunk_size=100, generator=seeded(s))
                              for s in repeated[k]]).mean(0) for k in ks}
    wrong = [float(torch.stack([plane.elbo(few_test, num_samples=k, generator=seeded(s)).mean()
                                for s in repeated[k]]).mean()) for k in ks]

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(10.2, 3.2), width_ratios=(1.4, 1))
plots.curves(ax[0], ks, {"IWAE, log of the mean": [float(bounds[k].mean()) for k in ks],
                         "wrong: mean of k logs": wrong,
                         "log p(x), exact": [float(exact.mean())] * len(ks)}, markers=True)
ax[0].set(xscale="log", xlabel="samples k", ylabel="nats, mean of 100 test digits",
          title="the bound tightens with k")
short = {f"k = {k}": exact - bounds[k] for k in (1, 10, 1000)}
plots.histograms(ax[1], short, edges=torch.linspace(-0.5, 4, 46))
ax[1].set(xlabel="log p(x) - bound, nats", ylabel="digits", ylim=(0, 75))
plots.picture(fig, """Left: the importance-weighted bound rises with k from the ELBO to the exact
    log likelihood; the mean of k logarithms stays flat. Right: the shortfall for each digit
    shrinks towards zero.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["100 test digits, 2 latents", "nats"], [
    ["log p(x), exact, grid of 161²", exact.mean()],
    ["log p(x), exact, grid of 241²", finer.mean()],
    *[[f"IWAE, k = {k}", bounds[k].mean()] for k in (1, 10, 100, 1000)],
], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** $\mathcal L_k$ climbs to the exact value and stops there (up to the
# noise of the estimates, about a hundredth of a nat). Averaging $k$ logarithms only makes the ELBO
# less noisy: a much-copied mistake, betrayed by a line that does not rise. *Why it matters:*
# $\mathcal L_{5000}$ is what papers report as "the" log-likelihood of a VAE, and it is a bound
# still.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Training on it
#
# The IWAE is the same network trained on $\mathcal L_k$: a $q$ that covers is now worth more than
# one that fits (Burda et al.). Exact likelihoods of two models with two latents, same steps:

# %% slideshow={"slide_type": "subslide"}
iwae = trained(lambda: vae.VAE((64,), num_latents=2, hidden=(128,)), binary[train],
               functools.partial(vae.iwae_loss, num_samples=8), steps=800, batch_size=64)
sooner = trained(lambda: vae.VAE((64,), num_latents=2, hidden=(128,)), binary[train],
                 vae.vae_loss, steps=800, batch_size=64)
rows = []
for name, m in (("ELBO", sooner), ("IWAE, k = 8", iwae)):
    with torch.no_grad():
        log_p = on_grid(m, binary[test])[1].logsumexp(1).mean()
        elbo = m.elbo(binary[test], num_samples=100, generator=seeded(1)).mean()
        q = m.encode(binary[test])
        rows.append([name, log_p, elbo, log_p - elbo, q.sd.mean()])
plots.number_table(["trained on", "log p(x), exact", "ELBO", "gap", "mean sd of q"], rows,
                   digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The IWAE's model is better in what counts, $\log p(x)$, and worse by its
# ELBO: its $q$ is wide, meant as a proposal for several samples and not as a fit. Judging it by
# its ELBO would reverse the order.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Two reasons for the gap
#
# $\log p(x) - \text{ELBO} = \mathrm{KL}(q_\phi \| p(z \mid x))$ has two parts (Cremer, Li &
# Duvenaud, 2018). The **approximation gap** is what remains for the best independent normal $q^*$
# of *this* $x$; the **amortisation gap** is what the encoder loses against $q^*$ because one
# network has to answer for all $x$ at once. Find $q^*$ by gradient ascent, for 24 digits:

# %% slideshow={"slide_type": "subslide"}
gaps = vae.inference_gaps(plane, few_test[:24], exact[:24], steps=150, num_samples=32,
                          generator=seeded(1))
fig, ax = plots.figure(1, 4, size=(10.4, 3), width_ratios=(1.35, 1, 1, 1))
total = gaps.approximation + gaps.amortisation
worst = total.argsort(descending=True)
ranks = torch.arange(24)
ax[0].bar(ranks, gaps.approximation[worst], color=plots.BLUE, label="approximation")
ax[0].bar(ranks, gaps.amortisation[worst], bottom=gaps.approximation[worst], hatch="//",
          color=plots.ORANGE, edgecolor="white", label="amortisation")
ax[0].set(xlabel="digits, sorted", ylabel="nats", title="the gap of each digit")
plots.add_legend(ax[0])
q = plane.encode(few_test)
for a, k in zip(ax[1:], [worst[0], worst[1], worst[12]], strict=True):
    k = int(k)
    density = (log_joint[k] - exact[k]).exp().reshape(161, 161).T
    a.imshow(density, origin="lower", extent=(-5, 5, -5, 5), cmap=plots.LIGHT_BLUES)
    where = gaps.best.mean[k]
    for centre, sds, series, name in ((q.mean[k], q.sd[k], 1, "encoder"),
                                      (where, gaps.best.sd[k], 2, "best q*")):
        plots.ellipse(a, sds.square().diag(), mean=tuple(centre.tolist()), series=series,
                      label=name)
    a.set(xlim=(where[0] - 1.3, where[0] + 1.3), ylim=(where[1] - 1.3, where[1] + 1.3),
          title=f"gap {float(total[k]):.2f} nats", xlabel="$z_1$")
plots.add_legend(ax[1], loc="upper left")
plots.picture(fig, """Left: stacked bars of approximation and amortisation gap of 24 digits.
    Right: the exact posterior of three digits, shaded, with the ellipses of the encoder and of
    the best independent normal; for the worst digits the posterior is bent or the encoder is
    beside it.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["mean of 24 test digits", "nats"], [
    ["log p(x) - ELBO", total.mean()], ["approximation gap", gaps.approximation.mean()],
    ["amortisation gap", gaps.amortisation.mean()]], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Of the gap of this model most is amortisation: with 1397 images and two
# latents the encoder has to squeeze ten kinds of digits into one smooth map, and new digits end up
# beside their best place. The independent normal itself costs little, because most posteriors are
# single blobs; the exceptions are bent or tilted.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.8 Given a class
#
# Let encoder and decoder also see the label $y$ (Sohn, Lee & Yan, 2015): $\;\log p_\theta(x \mid
# y) \ge \mathbb E_{q_\phi(z \mid x, y)}\left[\log p_\theta(x \mid z, y)\right] -
# \mathrm{KL}\left(q_\phi(z \mid x, y) \| p(z)\right)$. What $z$ need no longer say is *which*
# digit; what is left is how it is written. Each column below is one $z$, each row one class:

# %% slideshow={"slide_type": "subslide"}
labelled = torch.utils.data.TensorDataset(binary[train], labels[train])
given_class = trained(
    lambda: vae.ConditionalVAE((64,), num_classes=10, num_latents=6, hidden=(128,)), labelled,
    vae.conditional_vae_loss, steps=800)
styles = torch.randn(10, 6, generator=seeded(1))
grid = {
    f"y = {k}": images(given_class.decode(styles, torch.full((10,), k))) for k in range(10)
}
fig, ax = plots.figure(size=(5.6, 4.8))
plots.image_rows(ax, grid, title="ten styles (columns) of ten classes")
plots.picture(fig, """A table of decoded digits: rows are the classes 0 to 9, columns ten draws
    of z. Each row shows its digit; along a column slant and stroke width are alike.""")

# %% slideshow={"slide_type": "subslide"}
judge = linear_model.LogisticRegression(max_iter=500).fit(binary[train].numpy(),
                                                          labels[train].numpy())
asked = torch.arange(1000) % 10
drawn = given_class.sample(1000, condition=asked, generator=seeded(2))
bits = given_class.decode(torch.randn(1000, 6, generator=seeded(3)), asked).round().detach()
by_bayes = given_class.class_bounds(binary[test], num_samples=20, generator=seeded(4)).argmax(1)
with torch.no_grad():
    on_class = given_class.elbo(binary[test], labels[test], num_samples=20, generator=seeded(5))
    without = model.elbo(binary[test], num_samples=20, generator=seeded(5))
agree = lambda x: judge.score(x.numpy(), asked.numpy())  # noqa: E731
plots.number_table(["", "measured"], [
    ["classifier on real test digits: accuracy",
     judge.score(binary[test].numpy(), labels[test].numpy())],
    ["classifier agrees with the class asked for, pixels drawn", agree(drawn)],
    ["... likelier value of each pixel", agree(bits)],
    ["classify by the largest bound on log p(x | y): accuracy",
     (by_bayes == labels[test]).float().mean()],
    ["bound on log p(x | y), nats", on_class.mean()],
    ["bound on log p(x, y) = log p(x | y) + log 1/10, nats", on_class.mean() - math.log(10)],
    ["bound on log p(x) of section 3.5, nats", without.mean()],
], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Samples are what was asked for as often as real digits are recognised,
# and the bounds alone make a generative classifier (unit 01: Bayes' rule with a better $p(x \mid
# y)$). The label raises the bound by more than two nats, but do not compare $\log p(x \mid y)$
# with $\log p(x)$: the label itself costs $\log 10 = 2.303$. Pair with pair, $\log p(x, y) \le
# \log p(x)$, a little of the gain is left.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.9 Richer posteriors: a mixture
#
# One independent normal cannot be bent or be in two places. A **mixture** $q = \sum_k \pi_k\,
# \mathcal N(\mu_k, \sigma_k^2)$ can. To see the posterior's part alone, freeze the decoder of the
# two-latent model: then $\log p(x)$ is fixed and known, and every nat of ELBO is a nat of gap.

# %% slideshow={"slide_type": "subslide"}
def only_encoder(components):
    """Return a mixture posterior around the frozen decoder of the two-latent model."""
    m = vae.MixturePosteriorVAE((64,), num_latents=2, hidden=(128,), num_components=components)
    m.decoder = copy.deepcopy(plane.decoder).requires_grad_(False)
    return m


full = on_grid(plane, binary[test])[1].logsumexp(1)
mixtures = {k: trained(lambda k=k: only_encoder(k), binary[train], vae.vae_loss, steps=550)
            for k in (1, 4)}
rows = []
for k, m in mixtures.items():
    with torch.no_grad():
        elbo = torch.stack([m.elbo(binary[test], num_samples=25, generator=seeded(s))
                            for s in range(4)]).mean()
    rows.append([k, full.mean(), elbo, full.mean() - elbo])
plots.number_table(["normals in q(z | x)", "log p(x), exact", "ELBO", "gap, nats"], rows,
                   digits=3)

# %% slideshow={"slide_type": "subslide"}
posterior = (log_joint - exact[:, None]).exp()  # (100, 161²), sums to 1
centre = posterior @ z_grid
width = posterior @ z_grid.square().sum(1) - centre.square().sum(1)
widest = width.argsort(descending=True)[:3]  # the three digits with the widest posterior
joint_of_widest = functools.partial(plane.log_joint, few_test[widest])


def best_mixture(components, steps=300):
    """Return the best q for each of three digits; the search starts at posterior draws."""
    start = z_grid[torch.multinomial(posterior[widest], components, generator=seeded(1))]
    parts = [torch.zeros(3, components), start, torch.full_like(start, -1.0)]
    parts = [part.requires_grad_() for part in parts]
    optimiser = torch.optim.Adam(parts, lr=0.05)
    for step in range(steps):
        q = vae.MixturePosterior(parts[0].log_softmax(-1), *parts[1:])
        loss = -vae.elbo(joint_of_widest, q, num_samples=16, generator=seeded(step)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    q = vae.MixturePosterior(parts[0].detach().log_softmax(-1), *(p.detach() for p in parts[1:]))
    with torch.no_grad():
        gap = exact[widest] - vae.elbo(joint_of_widest, q, num_samples=4000, generator=seeded(0))
    return q, gap

# %% slideshow={"slide_type": "subslide"}
found = {components: best_mixture(components) for components in (1, 4)}
fig, ax = plots.figure(1, 3, size=(10.2, 3.6))
for n, (a, k) in enumerate(zip(ax, widest.tolist(), strict=True)):
    a.imshow(posterior[k].reshape(161, 161).T, origin="lower", extent=(-5, 5, -5, 5),
             cmap=plots.LIGHT_BLUES)
    for series, (components, (q, _)) in enumerate(found.items(), start=1):
        heavy = (q.log_weights[n].exp() > 0.05).nonzero()[:, 0].tolist()
        for c in heavy:
            name = f"best of {components}" if c == heavy[0] else None
            plots.ellipse(a, (2 * q.log_sds[n, c]).exp().diag(), mean=q.means[n, c].tolist(),
                          series=series, label=name)
    gap_1, gap_4 = (float(gap[n]) for _, gap in found.values())
    a.set(title=f"gap {gap_1:.2f} with one, {gap_4:.2f} with four", xlabel="$z_1$",
          xlim=(-3.2, 3), ylim=(-3, 3))
plots.add_legend(ax[0], loc="upper left")
plots.picture(fig, """The exact posterior of the three digits for which it is widest, shaded,
    with the best single normal and those normals of the best mixture that weigh more than five
    percent.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The table: with everything else equal, a richer family closes part of
# the gap. The figure shows why, for the three of 100 digits whose posterior is widest, and with
# $q$ fitted to each digit alone: where the posterior is divided or bent, one normal has to choose,
# several share it out. Most posteriors are single blobs, though, and there a mixture helps in
# another way: several guesses of the encoder miss by less than one.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Categorical latents: Gumbel-softmax
#
# A draw of a category has no slope. But $\arg\max_k (\log \pi_k + g_k)$ with Gumbel noise $g_k =
# -\log(-\log u_k)$ *is* an exact draw, and $\mathrm{softmax}\big((\log \pi + g) / \tau\big)$ is
# smooth (Jang et al.; Maddison et al., 2017): near one-hot for a low temperature $\tau$, but with
# wild gradients; tame and wrong for a high one. $\pi = (0.1, 0.2, 0.3, 0.4)$:

# %% slideshow={"slide_type": "subslide"}
pi = torch.tensor([0.1, 0.2, 0.3, 0.4])
taste = torch.tensor([0.0, 0.0, 1.0, 3.0])  # f(z) = taste · z; E f = 0.3 + 1.2
rows = []
for tau in (0.1, 0.5, 1.0, 5.0):
    logits = pi.log().expand(4000, 4).clone().requires_grad_()
    soft = vae.gumbel_softmax(logits, temperature=tau, generator=seeded(1))
    value = (soft @ taste).square()  # not linear, so that a blurred z gives a biased mean
    gradient = torch.autograd.grad(value.sum(), logits)[0][:, 3]
    shown = ", ".join(f"{float(v):.2f}" for v in soft[0].detach())
    rows.append([tau, shown, value.mean(), gradient.mean(), gradient.std()])
logits = pi.log().requires_grad_()
true = (logits.softmax(0) * taste.square()).sum()  # E f(z)² over one-hot z
rows.append(["exact draws", "0, 0, 0, 1 (say)", true,
             torch.autograd.grad(true, logits)[0][3], ""])
plots.number_table(["τ", "one sample", "E (taste · z)²", "gradient by log π₄: mean", "sd"], rows,
                   digits=3)

# %% slideshow={"slide_type": "subslide"}
categorical = trained(
    lambda: vae.CategoricalVAE((64,), num_variables=3, num_categories=8, hidden=(128,)),
    binary[train], functools.partial(vae.categorical_vae_loss, temperature=0.7), steps=900)
with torch.no_grad():
    log_states = categorical.enumerate_log_joint(binary[test])  # (400, 512): every state of z
    exact_categorical = log_states.logsumexp(1)
    elbo = torch.stack([categorical.elbo(binary[test], num_samples=20, generator=seeded(s))
                        for s in range(5)]).mean(0)
    tighter = {k: categorical.iwae_bound(binary[test], k, generator=seeded(1)) for k in (10, 100)}
    q = categorical.encode(binary[test]).logits.log_softmax(-1)
    first, second, third = q.unbind(1)  # (400, 8) each
    log_q = (first[:, :, None, None] + second[:, None, :, None]
             + third[:, None, None, :]).flatten(1)  # of all 512 states
kl = densities.kl_discrete(log_q, log_states)
plots.number_table(["3 variables of 8 categories, test digits", "nats"], [
    ["ELBO", elbo.mean()],
    *[[f"IWAE, k = {k}", b.mean()] for k, b in tighter.items()],
    ["log p(x), exact: the sum over 512 states", exact_categorical.mean()],
    ["log p(x) - ELBO", (exact_categorical - elbo).mean()],
    ["KL(q(z|x) ‖ p(z|x)), exact", kl.mean()],
], digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** A high temperature gives gradients of small spread around a wrong
# mean; a low one a nearly right mean and a large spread: the usual bargain. After training, no
# relaxation is needed: exact draws give a bound, 512 states give the truth, and the gap is again
# the KL.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Vector quantised, with an autoregressive prior
#
# The **VQ-VAE** (van den Oord et al., 2017) rounds each part of the code to the nearest of $K$
# learned vectors. The encoder is *certain*: $q(z \mid x) = 1$ for one $z$, so its entropy is 0 and
#
# $$\log p(x) \ge \log p(\text{codes}(x)) + \log p_\theta(x \mid \text{codes}(x)).$$
#
# In the first stage all codes count as equally likely, which costs $M \log K$ nats for $M$ codes.
# The second stage fits an autoregressive model (unit 02) to the codes of the data:

# %% slideshow={"slide_type": "subslide"}
vq = trained(lambda: vae.VQVAE((64,), num_codes=16, code_size=4, num_positions=4, hidden=(128,),
                               likelihood="bernoulli", prior_hidden=48),
             binary[train], vae.vqvae_loss, steps=800)
fit(vq, binary[train], loss=vae.code_prior_loss, steps=250, lr=5e-3, device="cpu", progress=False)
with torch.no_grad():
    codes = vq.encode(binary[test])
    fidelity = vq.log_likelihood(binary[test], codes).mean()
    learned = vq.prior.log_prob(codes).mean()
usage = vq.usage(binary[train])
effective = float((-(usage * usage.clamp(min=1e-12).log()).sum()).exp())
uniform = torch.randint(16, (12, 4), generator=seeded(1))
fig, ax = plots.figure(size=(8.2, 2.4))
plots.image_rows(ax, {
    "reconstructions": images(vq.decode(codes[:12])),
    "uniform codes": images(vq.decode(uniform)),
    "codes of the prior": images(vq.decode(vq.prior.sample(12, generator=seeded(2)))),
})
plots.picture(fig, """Twelve reconstructions, twelve decoded draws of uniform codes, and twelve
    decoded draws of the autoregressive prior, more of which can be read.""")

# %% slideshow={"slide_type": "fragment"}
plots.number_table(["4 codes of 16, test digits", "nats"], [
    ["log p(x | codes)", fidelity],
    ["log p(codes), uniform: -4 log 16", -4 * math.log(16)],
    ["log p(codes), autoregressive", learned],
    ["bound on log p(x), uniform prior", fidelity - 4 * math.log(16)],
    ["bound on log p(x), autoregressive prior", fidelity + learned],
], digits=3, caption=f"in use: the perplexity of the codebook is {effective:.1f} of 16")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The prior does not change one pixel of a reconstruction, yet it is what
# one *samples* from, and the bound rises by what it knows about the codes. The bound stays below
# the VAE's of section 3.5 all the same: a $q$ that is certain has no entropy, and four codes are
# a coarse bottleneck. VQ-VAEs are built for large images, where the second stage does most of
# the modelling.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The best prior is the aggregate posterior
#
# With the encoder fixed, average the KL over the data (Hoffman & Johnson, 2016; Tomczak & Welling,
# 2018). With $q(z) = \frac1N \sum_n q_\phi(z \mid x_n)$, the **aggregate posterior**,
#
# $$\frac1N \sum_n \mathrm{KL}\big(q_\phi(z \mid x_n) \,\|\, p(z)\big) = \underbrace{I(n;
# z)}_{\text{what } z \text{ says about } n} + \underbrace{\mathrm{KL}\big(q(z) \,\|\,
# p(z)\big)}_{\text{0 for the prior } p = q}.$$

# %% slideshow={"slide_type": "subslide"}
with torch.no_grad():
    posteriors = plane.encode(binary[train])
aggregate = vae.AggregatePosterior(posteriors)
parts = vae.elbo_surgery(posteriors, num_samples=5, generator=seeded(1))
fig, ax = plots.figure(1, 3, size=(10.4, 3.3), width_ratios=(1, 1, 1.1))
look = {"x": (-3.2, 3.2), "y": (-3.2, 3.2), "points": 61, "label": False, "levels": 6}
plots.contours(ax[0], lambda z: aggregate.log_prob(z.float()).exp(), **look)
plots.contours(ax[1], lambda z: densities.log_normal(z, 0.0, 1.0).exp(), **look)
for a, title in zip(ax, ("aggregate posterior q(z)", "prior N(0, I)"), strict=False):
    a.set(title=title, aspect="equal", xlabel="$z_1$")
plots.image_rows(ax[2], {
    f"{name}{' ' * i}": images(plane.decode(z)) for name, draw in
    (("z ~ q(z)", aggregate.sample(16, generator=seeded(2))),
     ("z ~ N(0, I)", torch.randn(16, 2, generator=seeded(2))))
    for i, z in enumerate(draw.split(8))})
plots.picture(fig, """Contours of the aggregate posterior, a disc with gaps and hills, and of the
    standard normal; decoded draws from both.""")

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    def with_prior(x, log_prior):  # ELBO with another prior, 20 samples
        q = plane.encode(x)
        z, log_q, _ = q.draw(20, generator=seeded(3))
        return (plane.log_likelihood(x, z) + log_prior(z) - log_q).mean()
    standard = lambda z: densities.log_normal(z, 0.0, 1.0, event_dims=1)  # noqa: E731
    results = [[name, with_prior(binary[rows], standard),
                with_prior(binary[rows], aggregate.log_prob)]
               for name, rows in (("training digits", train[:400]), ("test digits", test))]
plots.number_table(["ELBO, nats", "prior N(0, I)", "prior q(z) of the training digits"], results,
                   digits=3, caption=f"mean KL {parts.mutual_information + parts.marginal_kl:.3f} "
                   f"= I(n; z) {parts.mutual_information:.3f} + KL(q(z)‖p(z)) "
                   f"{parts.marginal_kl:.3f}; log N = {math.log(len(train)):.3f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** What a better prior can gain is $\mathrm{KL}(q(z) \| p(z))$ and no more;
# it gains nearly as much on new digits. That is why the VQ-VAE's second stage pays.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Before reparameterisation: wake-sleep
#
# The older way to train two such networks (Hinton et al., 1995) needs no gradient through $z$.
# *Awake*, $z \sim q_\phi(z \mid x)$ for real $x$, and the **decoder** learns $\log
# p_\theta(x, z)$. *Asleep*, the decoder dreams $(x, z)$, and the **encoder** learns $\log
# q_\phi(z \mid x)$ on dreams: it descends $\mathrm{KL}(p \| q)$, the other direction, on the
# wrong data.

# %% slideshow={"slide_type": "subslide"}
dreamer = trained(lambda: vae.VAE((64,), num_latents=2, hidden=(128,)), binary[train],
                  vae.wake_sleep_loss, steps=800, batch_size=64)
rows = []
for name, m in (("ELBO, pathwise", sooner), ("wake-sleep", dreamer)):
    with torch.no_grad():
        log_p = on_grid(m, binary[test])[1].logsumexp(1).mean()
        elbo = m.elbo(binary[test], num_samples=100, generator=seeded(1)).mean()
        rows.append([name, log_p, elbo, log_p - elbo, m.encode(binary[test]).sd.mean()])
plots.number_table(["800 steps", "log p(x), exact", "ELBO", "gap", "mean sd of q"], rows,
                   digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** It works, with a worse likelihood after as many steps, and with a wider
# $q$: trained in the covering direction of section 3.2. No quantity falls in both phases, so
# nothing says that it converges.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3.10 Posterior collapse
#
# A latent is **collapsed** when $q_\phi(z_l \mid x) = p(z_l)$ for every $x$: KL 0, and the decoder
# learns to ignore it. Count the others: latent $l$ is **active** if $\mathrm{Var}_x\big(\mathbb
# E_q[z_l \mid x]\big) > 0.01$ (Burda et al., 2016). Two causes.
#
# **The optimum itself.** In probabilistic PCA the best $W$ has one column for each eigenvalue of
# the data's covariance that exceeds $\sigma^2$, and zeros for the rest: with noise larger than the
# signal, ignoring $z$ is *right* (Lucas et al., 2019). That was section 3.5's $\sigma = 1$:

# %% slideshow={"slide_type": "fragment"}
eigenvalues = torch.linalg.eigvalsh(grey[train].T.cov())
learned_sd = float(normal_vaes["one σ, learned"].likelihood.log_sd.detach().exp())
plots.number_table(["σ", "σ²", "eigenvalues of the grey digits above σ²"], [
    [s, s**2, int((eigenvalues > s**2).sum())] for s in (1.0, 0.5, 0.3, learned_sd, 0.1)
], digits=3, caption=f"the largest eigenvalue is {float(eigenvalues.max()):.3f}")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Made to happen
#
# **The path of training.** Give the decoder another way to know the pixels: let it see those
# before (unit 02), $\text{logits} = g_\theta(z) + A x$ with $A$ strictly lower triangular. And
# make the way through $z$ long: three narrow layers each way. Early on $z$ is noise, and the KL
# punishes using it; soon the pixels explain each other, and $z$ is never needed (Bowman et
# al., 2016). Two remedies:
# **warm-up** (the KL's weight rises from 0 to 1) and **free bits** (Kingma et al., 2016: the first
# $\lambda$ nats of each latent cost nothing).

# %% slideshow={"slide_type": "subslide"}
class SeesPixels(vae.VAE):
    """A VAE whose decoder also sees the pixels before: logits = g(z) + A x."""

    def __init__(self, event_shape, **options):
        super().__init__(event_shape, **options)
        self.A = nn.Parameter(torch.zeros(64, 64))

    def log_likelihood(self, x, z):
        logits = self.decoder(z)[0] + x @ self.A.tril(-1).T
        return densities.log_bernoulli(x, logits, event_dims=1)

    def log_joint(self, x, z):
        return self.log_likelihood(x, z) + densities.log_normal(z, 0.0, 1.0, event_dims=1)

    def elbo_terms(self, x, *, num_samples=1, generator=None):
        q = self.encode(x)
        z = q.draw(num_samples, generator=generator).z
        return ElboTerms(self.log_likelihood(x, z).mean(0), q.kl())


# %% slideshow={"slide_type": "subslide"}
def sees_pixels():
    return SeesPixels((64,), num_latents=8, hidden=(64, 64, 64))


remedies = {"nothing": {}, "warm-up, 500 steps": {"warm_up": 500},
            "free bits, 0.5 a latent": {"free_bits": 0.5}}
collapsed = {
    name: trained(sees_pixels, binary[train], functools.partial(vae.vae_loss, **options),
                  steps=800, batch_size=128)
    for name, options in remedies.items()
}
rows, kl = [], {}
for name, m in collapsed.items():
    with torch.no_grad():
        terms = m.elbo_terms(binary[test], num_samples=10, generator=seeded(1))
        bound = vae.iwae_bound(functools.partial(m.log_joint, binary[test]),
                               m.encode(binary[test]), 200, chunk_size=50,
                               generator=seeded(2)).mean()
    kl[name] = terms.kl.mean(0).sort(descending=True).values
    rows.append([name, vae.active_units(m, binary[test]).count, terms.kl.sum(-1).mean(),
                 (terms.reconstruction - terms.kl.sum(-1)).mean(), bound])

# %% slideshow={"slide_type": "subslide"}
plots.number_table(["decoder that sees pixels, trained with", "active of 8", "KL", "ELBO",
                    "IWAE, k = 200"], rows, digits=3, caption="test digits, nats")

# %% slideshow={"slide_type": "fragment"}
fig, ax = plots.figure(size=(9, 2.8))
plots.bars(ax, [f"latent {k + 1}" for k in range(8)], kl)
ax.set(ylabel="KL, nats", title="KL of each latent on test digits, sorted", ylim=(0, 1.0))
plots.picture(fig, """Sorted KL of eight latents for three models that see pixels: without a
    remedy all are zero, with warm-up one latent is used, with free bits all eight carry about
    half a nat.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Without a remedy nothing is left of the latents, and the two bounds are
# *equal*: with KL 0 there is no gap, the model is an autoregressive one with a useless encoder.
# Nothing in the loss curve betrays it; count the active units. Warm-up saves one latent here, free
# bits all eight. Free bits' ELBO is the *worst* of the three and its importance-weighted bound the
# *best*: the forced nats widen the gap, yet the decoder has learnt to use $z$. Both bounds are
# needed to see that.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a VAE is good and bad at
#
# **The slide says:** "maximises a lower bound of the likelihood: okay, but not as good
# evaluation as PixelRNN"; "samples blurrier". Measure it on the same black-and-white 8×8 digits,
# against the exact likelihood of unit 02's MADE, trained as long:

# %% slideshow={"slide_type": "subslide"}
made = trained(lambda: MADE(64, hidden=(128,), generator=seeded(0)), binary[train], made_loss,
               steps=1500)
exact_made = negative_log_likelihood(made, binary[test])
seen, unseen = (float(-vae.importance_weighted_nll(model, binary[rows], num_samples=500,
                                                   generator=seeded(1)).mean())
                for rows in (train[:400], test))
with torch.no_grad():
    one_draw = float(model.elbo(binary[test], num_samples=50, generator=seeded(1)).mean())
    made_seen = float(made.log_prob(binary[train][:400]).mean())
plots.number_table(["log p of a digit, nats", "what it is", "training", "test"], [
    ["MADE, 128 units", "exact", made_seen, -exact_made.mean],
    ["VAE, 8 latents (3.5)", "IWAE, k = 500: a bound", seen, unseen],
    ["VAE, 8 latents (3.5)", "ELBO: a looser bound", "", one_draw],
    ["VAE, 2 latents (3.6)", "exact, by grid", "", full.mean()],
    ["categorical, 3 × 8 states (3.9)", "exact, by enumeration", "", exact_categorical.mean()],
    ["VQ-VAE, 4 codes of 16 (3.9)", "a bound", "", fidelity + learned],
], digits=2, caption=f"standard error of the test column: about {exact_made.standard_error:.2f}")

# %% slideshow={"slide_type": "subslide"}
def seconds(draw):
    """Return the samples and the shortest time of three."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        x = draw(1000, generator=seeded(1))
        taken.append(time.perf_counter() - began)
    return x.reshape(-1, 64), min(taken)


def sure(x):
    """Return how sure the classifier of section 3.8 is of its answer, the mean."""
    return judge.predict_proba(x.numpy()).max(1).mean()


made_x, made_time = seconds(made.sample)
vae_x, vae_time = seconds(model.sample)
shuffled = binary[test][:, torch.randperm(64, generator=seeded(1))]
plots.number_table(["1000 samples", "ms", "a classifier is sure of", "distance to training"], [
    ["MADE, one pixel after the other", made_time * 1e3, sure(made_x), nearest(
        made_x, binary[train]).mean()],
    ["VAE, one pass", vae_time * 1e3, sure(vae_x), nearest(vae_x, binary[train]).mean()],
    ["real test digits", "", sure(binary[test]), nearest(binary[test], binary[train]).mean()],
    ["test digits, pixels shuffled", "", sure(shuffled),
     nearest(shuffled, binary[train]).mean()],
], digits=2)

# %% slideshow={"slide_type": "subslide"}
means = model.decode(torch.randn(24, L, generator=seeded(1)))
fig, ax = plots.figure(1, 3, size=(10.4, 2.4))
for a, x, title in zip(ax, (made_x[:24], vae_x[:24], means),
                       ("MADE, samples", "VAE, samples", "VAE, E[x | z]"), strict=True):
    plots.image_grid(a, images(x), columns=8, title=title)
plots.picture(fig, """Samples of MADE, samples of the VAE, and decoded means of the VAE: samples
    of both are digits with broken strokes, means are grey and soft.""")

# %% slideshow={"slide_type": "fragment"}
code = model.encode(binary).mean
rows = []
for n in (1, 5, 20):
    scores = torch.zeros(2, 6)
    for r in range(6):
        shuffled = train[torch.randperm(len(train), generator=seeded(r))]
        few_rows = torch.cat([shuffled[labels[shuffled] == k][:n] for k in range(10)])
        scores[:, r] = torch.tensor([probe(f, few_rows) for f in (binary, code)])
    rows.append([n, *scores.mean(1), (scores[1] - scores[0]).std() / math.sqrt(6)])
plots.number_table(["labels a class", "64 pixels", "8 latents", "se of the difference"], rows,
                   digits=3, caption="test accuracy of a logistic regression, six draws")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Here the two are level in $\log p(x)$ once the VAE's bound is made
# tight; its ELBO alone would have cost it most of a nat. (On natural images, too, very deep VAEs
# have overtaken the PixelCNN family: Child, 2021.) What is true of "blurry": the *mean* is soft
# where the latents leave a pixel open, and an honest sample tosses a coin for each such pixel, so
# that strokes break. MADE's break too, though it sees what it has drawn. And the code is a
# compression *for reconstruction*: with five labels a class or more, eight latents classify worse
# than 64 pixels do.
#
# | | VAE | autoregressive (unit 02) |
# |---|---|---|
# | $\log p(x)$ | a bound, tight at a price | exact |
# | a sample | one pass | one step for each pixel |
# | a code of $x$ | yes | no |
# | completing part of $x$ | needs inference (exact in linear models) | exact for what comes last |
# | fails by | collapse, a gap, soft means | slow sampling, no global plan |
#
# ## Where this leads
#
# The decoder alone, trained without any likelihood, is a **generative adversarial network** (unit
# 04). Many layers of latents, each a little noisier than the one before, with a fixed encoder: a
# **diffusion model** (a later unit), trained on this unit's ELBO.
#
# ### The slips of the slides, collected
#
# | the slide | computed |
# |---|---|
# | samples of an autoencoder are copies of the training set | farther away than new digits (3.1) |
# | KL table: 1.97, -0.21; (0.1, 0.1) a "little decrease" | 1.9775, -0.2197, none (3.2) |
# | negative log-likelihood plus a regulariser | at least the negative log-likelihood (3.3) |
# | maximise $\mathbb E \log p(x \mid z) + \mathrm{KL}$ | minus the KL (3.3) |
# | $\mathcal N(0, \sigma^2 I)$ is standard | for $\sigma = 1$ only (3.3) |
# | diagonal prior, hence interpretable factors | no axis is identified (3.6) |
# | encoder $\theta$, decoder $\phi$ in one deck | encoder $\phi$, decoder $\theta$ here |
#
# ### Sources
#
# The lectures: CMU 10-423/623, *Generative AI*, lecture 6 (2024); MIT 6.874, lecture 6. Williams
# (1992), the score function. Hinton, Dayan, Frey & Neal, *The wake-sleep algorithm* (1995).
# Tipping & Bishop, *Probabilistic PCA* (1999). Hinton & Salakhutdinov, autoencoders (2006).
# Vincent et al., denoising autoencoders (2008). Kingma & Welling, *Auto-encoding variational
# Bayes* (2014); Rezende, Mohamed & Wierstra (2014). Sohn, Lee & Yan, conditional VAE (2015).
# Burda, Grosse & Salakhutdinov, *Importance weighted autoencoders* (2016). Bowman et al.,
# warm-up (2016). Kingma et al., free bits (2016). Hoffman & Johnson, *ELBO surgery* (2016).
# Higgins et al., β-VAE (2017). Jang, Gu & Poole; Maddison, Mnih & Teh, Gumbel-softmax (2017).
# van den Oord, Vinyals & Kavukcuoglu, VQ-VAE (2017). Cremer, Li & Duvenaud, the two gaps (2018).
# Tomczak & Welling, the best prior (2018). Lucas et al., collapse (2019). Locatello et al.;
# Rolínek, Zietlow & Martius, disentanglement (2019). Child, *Very deep VAEs* (2021). The
# homework of this unit asks you to build the pieces yourself.
