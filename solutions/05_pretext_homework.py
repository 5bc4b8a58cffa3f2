# %% [markdown]
# # Homework 5: self-supervised pretext tasks
#
# Twenty-one short exercises to program and one to write about, 40 points in all, about seven
# and a half hours. No exercise needs another one, so begin where you like.
#
# * Write your code where it says `YOUR CODE HERE`. Keep the names and the arguments of the
#   functions; helper functions of your own are welcome in the same cell.
# * The docstring is the contract: shapes, order of the axes, units. Logarithms are natural (nats).
# * A *pretext task* makes (input, target) from data without labels. An encoder turns what it is
#   shown into an embedding. *Scores* are what a softmax is taken of, before it is taken. Shapes: B
#   batch, C channels or classes, H and W the image in pixels, D the embedding, T tiles or frames.
# * Nothing here draws random numbers: where a task needs chance, it is an argument, so that
#   answers can be compared.
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
# ## 1. Which way is up (2 points, about 15 minutes)
#
# *Rotation prediction* (Gidaris et al., 2018) turns each image by a number of quarter turns and
# asks by how many. The data are free of labels, the labels free of cost. Uniform numbers
# $u \in [0, 1)$ choose the turns: the whole part of $4u$, so that all four answers, not turned at
# all among them, are equally likely. Turns are counter-clockwise: one of them brings the upper
# right corner to the upper left.

# %% exercise="rotation"
def rotation_batch(x, uniforms):
    """Turn each image by a number of quarter turns of its own.

    Args:
        x: tensor (B, C, S, S), the images; the last two axes are rows and columns.
        uniforms: tensor (B,), numbers in [0, 1), one for each image.

    Returns:
        {"input": (B, C, S, S), the turned images, "turns": (B,), the number of turns of each, a
        whole number from 0 to 3}, in the order of x.
    """
    ### BEGIN SOLUTION
    turns = (4 * uniforms).long()
    turned = [torch.rot90(image, int(k), (1, 2)) for image, k in zip(x, turns, strict=True)]
    return {"input": torch.stack(turned), "turns": turns}
    ### END SOLUTION


# %% [markdown]
# ## 2. A puzzle and its solution (2 points, about 25 minutes)
#
# A *jigsaw* (Noroozi and Favaro, 2016) cuts the picture into $T$ tiles, numbered as one reads:
# row by row. It shuffles them by one of $P$ permutations and asks which. The convention is
# this: place $j$ of the shuffled tiles holds tile `permutation[j]` of the picture. With the
# permutation $(2, 0, 1)$ tile 2 comes first; its inverse is $(1, 2, 0)$.
#
# Nine tiles have 362,880 permutations, far too many for classes. The set is built greedily: of
# some candidates take the one whose *least* Hamming distance to the permutations in the set is
# largest. (The Hamming distance is the number of places in which two permutations differ. Were
# two nearly alike, nobody could tell them apart.)

# %% exercise="jigsaw"
class Jigsaw:
    """Shuffles pictures, solves them, and helps to choose the permutations.

    Args:
        permutations: tensor (P, T) of whole numbers; row i is permutation i. T is a square: the
            picture is a grid of sqrt(T) by sqrt(T) tiles.
    """

    def __init__(self, permutations):
        self.permutations = permutations

    def shuffle(self, x, index):
        """Return the tiles of each picture, shuffled.

        Args:
            x: tensor (B, H, W); both sides are multiples of sqrt(T).
            index: tensor (B,), the number of each picture's permutation.

        Returns:
            (B, T, H / sqrt(T), W / sqrt(T)).
        """
        ### BEGIN SOLUTION
        g = math.isqrt(self.permutations.shape[1])
        b, h, w = len(x), x.shape[1] // g, x.shape[2] // g
        tiles = x.reshape(b, g, h, g, w).transpose(2, 3).reshape(b, g * g, h, w)
        return tiles[torch.arange(b)[:, None], self.permutations[index]]
        ### END SOLUTION

    def solve(self, tiles, index):
        """Return the pictures of shuffled tiles; it undoes `shuffle`.

        Args:
            tiles: tensor (B, T, h, w), shuffled.
            index: tensor (B,), the numbers of the permutations that shuffled them.

        Returns:
            (B, h * sqrt(T), w * sqrt(T)).
        """
        ### BEGIN SOLUTION
        b, t, h, w = tiles.shape
        g = math.isqrt(t)
        tiles = tiles[torch.arange(b)[:, None], self.permutations[index].argsort(1)]
        return tiles.reshape(b, g, g, h, w).transpose(2, 3).reshape(b, g * h, g * w)
        ### END SOLUTION

    def farthest(self, candidates):
        """Say which candidate is farthest from the permutations in the set.

        Args:
            candidates: tensor (M, T) of whole numbers, permutations.

        Returns:
            {"distances": (M,), the least Hamming distance of each to the set, "best": the number
            of the candidate for which it is largest}.
        """
        ### BEGIN SOLUTION
        differ = (candidates[:, None] != self.permutations).sum(2)  # (M, P)
        distances = differ.amin(1)
        return {"distances": distances, "best": distances.argmax()}
        ### END SOLUTION


# %% [markdown]
# ## 3. Two patches, and what must not leak (2 points, about 25 minutes)
#
# *Context prediction* (Doersch et al., 2015) shows two patches of a picture, $P \times P$ pixels
# each, and asks which of the eight neighbours of the first the second is. The answers are
# numbered as one reads, the middle left out:
#
# | | | |
# |---|---|---|
# | 0 | 1 | 2 |
# | 3 | first | 4 |
# | 5 | 6 | 7 |
#
# Networks like to cheat. A line that runs on from one patch into the next gives the answer away:
# so there is a **gap** between the patches ($g$ pixels between facing edges), and the second
# patch is **shifted** by a jitter of a few pixels, (down, right), from where it would be. And a
# lens bends green otherwise than red and blue, which prints into each patch where in the picture
# it was: so the colours lose their **green-magenta** part. With $a = (-1, 2, -1)$ the colour $v$
# of each pixel becomes
#
# $$v - a\, \frac{a \cdot v}{a \cdot a} .$$

# %% exercise="neighbour-patches"
def neighbour_patches(x, top, left, direction, shift, size, gap, project):
    """Cut a patch and one of its neighbours out of each picture.

    Args:
        x: tensor (B, C, H, W).
        top: tensor (B,), the first row of each first patch.
        left: tensor (B,), its first column.
        direction: tensor (B,), the answers, from 0 to 7.
        shift: tensor (B, 2), the jitter of each second patch: pixels down, pixels to the right.
        size: int P, the side of a patch.
        gap: int g, pixels between the facing edges of two patches without jitter.
        project: bool, whether to remove the green-magenta part; then C = 3, in the order red,
            green, blue.

    Returns:
        (B, 2, C, P, P): the first patch and the second. All of them lie inside the pictures.
    """
    ### BEGIN SOLUTION
    rows, columns = [-1, -1, -1, 0, 0, 1, 1, 1], [-1, 0, 1, -1, 1, -1, 0, 1]
    pairs = []
    for n, image in enumerate(x):
        r, c = int(top[n]), int(left[n])
        first = image[:, r : r + size, c : c + size]
        r += (size + gap) * rows[direction[n]] + int(shift[n, 0])
        c += (size + gap) * columns[direction[n]] + int(shift[n, 1])
        pairs.append(torch.stack([first, image[:, r : r + size, c : c + size]]))
    patches = torch.stack(pairs)  # (B, 2, C, P, P)
    if project:
        a = x.new_tensor([-1.0, 2.0, -1.0])[:, None, None]
        patches = patches - a * (a * patches).sum(2, keepdim=True) / (a * a).sum()
    return patches
    ### END SOLUTION


# %% [markdown]
# ## 4. What was done to the picture (1 point, about 15 minutes)
#
# *Relative transformation*: a network sees two views of a picture and estimates the affine map
# between them, $b = Aa + t$ for corresponding points $a$ and $b$. The labels are known because
# we made the views; the classical way to estimate the map, with points that have been matched,
# is least squares, and good features are those for which matching works. Return the $A$ and $t$
# that minimise $\sum_n \lVert A a_n + t - b_n \rVert^2$.

# %% exercise="relative-transform"
def affine_between(a, b):
    """Return the affine map that takes some points nearest to others.

    Args:
        a: tensor (N, 2), points of one view, not all on a line.
        b: tensor (N, 2), where they are in the other view, measured a little inexactly.

    Returns:
        (2, 3): A in the first two columns, t in the last.
    """
    ### BEGIN SOLUTION
    columns = torch.cat([a, torch.ones(len(a), 1, dtype=a.dtype)], dim=1)
    return torch.linalg.lstsq(columns, b).solution.T
    ### END SOLUTION


# %% [markdown]
# ## 5. The best that restoring can do (2 points, about 25 minutes)
#
# A *denoising autoencoder* (Vincent et al., 2008) is shown $x + \text{noise}$, a *context
# encoder* (Pathak et al., 2016) a picture with a hole. Both are trained with the squared error,
# whose optimum is a conditional mean. For Gaussian pictures $x \sim \mathcal N(m, S)$ it can be
# written down. With noise $\mathcal N(0, \sigma^2 I)$ and $y$ the noisy picture,
#
# $$\mathbb E[x \mid y] = m + S (S + \sigma^2 I)^{-1} (y - m),$$
#
# and the covariance of what is left is $S - S (S + \sigma^2 I)^{-1} S$. With a hole, call the
# missing pixels $h$ and the others $o$:
#
# $$\mathbb E[x_h \mid x_o] = m_h + S_{ho} S_{oo}^{-1} (x_o - m_o),$$
#
# and what is left has the covariance $S_{hh} - S_{ho} S_{oo}^{-1} S_{oh}$. For one pixel with
# $m = 0$, $S = 1$ and $\sigma^2 = 0.25$ the best denoiser is $0.8\, y$, and its expected squared
# error is 0.2. No network can do better, so this is what a network's loss should be compared
# with. (And the conditional mean is a blur wherever several pictures would fit: hence the
# adversarial loss that a context encoder has besides.)

# %% exercise="restore"
def restore(x, mean, cov, damage, noise_var, hole):
    """Return the best restoration of damaged Gaussian pictures, and its error.

    Args:
        x: tensor (B, D), the damaged pictures. Where there is a hole, an entry means nothing.
        mean: tensor (D,), the mean m of undamaged pictures.
        cov: tensor (D, D), their covariance S.
        damage: "noise" or "hole".
        noise_var: float, the variance of the noise of each pixel; there is none with a hole.
        hole: bools (D,), True where pixels are missing from all pictures; only used for "hole".

    Returns:
        {"x": (B, D), the conditional means; with a hole, the other pixels stay as they are,
        "error": one number, the expected squared error of a pixel, averaged over all D pixels for
        "noise", over those of the hole for "hole"}.
    """
    ### BEGIN SOLUTION
    if damage == "noise":
        gain = cov @ torch.linalg.inv(cov + noise_var * torch.eye(len(mean), dtype=x.dtype))
        left = cov - gain @ cov
        return {"x": mean + (x - mean) @ gain.T, "error": left.diag().mean()}
    seen, restored = ~hole, x.clone()
    slope = cov[hole][:, seen] @ torch.linalg.inv(cov[seen][:, seen])
    restored[:, hole] = mean[hole] + (x[:, seen] - mean[seen]) @ slope.T
    left = cov[hole][:, hole] - slope @ cov[seen][:, hole]
    return {"x": restored, "error": left.diag().mean()}
    ### END SOLUTION


# %% [markdown]
# ## 6. Colours as classes (2 points, about 20 minutes)
#
# *Colourisation* (Zhang et al., 2016) guesses the colour of each pixel from its lightness: in
# Lab coordinates, (a, b) from L. A squared error would give grey wherever an apple may be red or
# green. So colours are classes: $Q$ bins with centres in the plane of a and b, a pixel belonging
# to the nearest. Two things are needed besides a softmax.
#
# **Rebalancing.** Most pixels are dull. With the share $p_q$ of the pixels in bin $q$, the loss
# of a pixel in bin $q$ is multiplied by
#
# $$w_q \propto \Bigl( (1 - \lambda)\, p_q + \frac{\lambda}{Q} \Bigr)^{-1}, \qquad
#   \sum_q p_q w_q = 1 :$$
#
# rare colours weigh more, and over the *pixels* the weights average 1.
#
# **The annealed mean.** The mean colour is grey again, the most probable bin is patchy. In
# between lies the mean under the sharpened distribution with the probabilities
# $p_q^{1/T} / \sum_r p_r^{1/T}$, where $p = \mathrm{softmax}(\text{scores})$.

# %% exercise="colour-bins"
class ColourBins:
    """Turns colours into classes and back.

    Args:
        centres: tensor (Q, 2), the centres of the bins in the plane of a and b.
    """

    def __init__(self, centres):
        self.centres = centres

    def weights(self, ab, smoothing):
        """Return the weight of each bin.

        Args:
            ab: tensor (N, 2), the colours of the training pixels.
            smoothing: float, lambda, between 0 and 1.

        Returns:
            (Q,), weights that average 1 over the N pixels.
        """
        ### BEGIN SOLUTION
        nearest = torch.cdist(ab, self.centres).argmin(1)
        p = torch.bincount(nearest, minlength=len(self.centres)) / len(ab)
        w = 1 / ((1 - smoothing) * p + smoothing / len(p))
        return w / (p * w).sum()
        ### END SOLUTION

    def decode(self, scores, temperature):
        """Return the annealed mean colour of each pixel.

        Args:
            scores: tensor (B, Q), before the softmax.
            temperature: float T, between 0 and 1.

        Returns:
            (B, 2).
        """
        ### BEGIN SOLUTION
        return torch.softmax(scores / temperature, dim=1) @ self.centres
        ### END SOLUTION


# %% [markdown]
# ## 7. Half a brain for each half of the picture (2 points, about 20 minutes)
#
# Colourisation leaves an encoder that knows grey pictures only. A *split-brain autoencoder*
# (Zhang et al., 2017) has two halves: one sees the lightness L and guesses the colours (a, b),
# the other sees the colours and guesses the lightness. Together their features know everything.
# Here a half is one layer, applied to each pixel $x = (L, a, b)$:
#
# $$h_L = \tanh(W_L\, (L, 0, 0)^\top), \qquad h_{ab} = \tanh(W_{ab}\, (0, a, b)^\top),$$
#
# $$\text{loss} = \frac1B \sum_{n=1}^B \Bigl( \lVert V_L h_L - (a, b)^\top \rVert^2
#   + (V_{ab} h_{ab} - L)^2 \Bigr) .$$
#
# Both weight matrices have three columns. What a half may not see has to be put to 0: if
# anything leaks, nothing is left to guess. The tests take derivatives, by the pixels too: that
# of $h_L$ by a and b is 0.

# %% exercise="split-brain"
def split_brain(lab, W_L, W_ab, V_L, V_ab, part):
    """Return the features of a split-brain autoencoder, or its loss.

    Args:
        lab: tensor (B, 3), pixels (L, a, b).
        W_L: tensor (D, 3), the encoder of the half that sees L.
        W_ab: tensor (D, 3), the encoder of the half that sees a and b.
        V_L: tensor (2, D), makes a guess of (a, b) from h_L.
        V_ab: tensor (1, D), makes a guess of L from h_ab.
        part: "features" or "loss".

    Returns:
        "features": (B, 2 D), h_L and then h_ab.
        "loss": one number.
        Both differentiable by lab, W_L and W_ab.
    """
    ### BEGIN SOLUTION
    h_L = torch.tanh(lab[:, :1] @ W_L[:, :1].T)
    h_ab = torch.tanh(lab[:, 1:] @ W_ab[:, 1:].T)
    if part == "features":
        return torch.cat([h_L, h_ab], dim=1)
    errors = torch.cat([h_L @ V_L.T - lab[:, 1:], h_ab @ V_ab.T - lab[:, :1]], dim=1)  # (B, 3)
    return errors.square().sum(dim=1).mean()
    ### END SOLUTION


# %% [markdown]
# ## 8. Visual words (1 point, about 15 minutes)
#
# *Predicting bags of words* (Gidaris et al., 2020): the features that another network has of the
# patches of a picture are clustered; the $K$ centres are a vocabulary. A picture's *bag* says
# which share of its patches is nearest (Euclidean) to each word: a histogram that sums to 1 and
# does not know where the patches were. A new network sees a distorted picture and guesses the
# bag of the undistorted one: with its scores $s$, and the bag $t$ as target, the loss is the
# cross-entropy
#
# $$-\sum_{k=1}^K t_k \log \mathrm{softmax}(s)_k ,$$
#
# averaged over the pictures.

# %% exercise="bag-of-words"
def bag_of_words(patches, vocabulary, scores):
    """Return the bags of visual words of some pictures, and the loss of a guess.

    Args:
        patches: tensor (B, N, D), the features of the N patches of each picture.
        vocabulary: tensor (K, D), the words.
        scores: tensor (B, K), the guesses, before the softmax.

    Returns:
        {"target": (B, K), the bags, "loss": one number in nats, the mean over the pictures}.
    """
    ### BEGIN SOLUTION
    nearest = torch.cdist(patches, vocabulary[None]).argmin(2)  # (B, N)
    target = F.one_hot(nearest, len(vocabulary)).to(scores.dtype).mean(1)
    return {"target": target, "loss": F.cross_entropy(scores, target)}
    ### END SOLUTION


# %% [markdown]
# ## 9. InfoNCE, from exemplars to pairs (2 points, about 25 minutes)
#
# *Exemplar* networks (Dosovitskiy et al., 2014) take every image for a class of its own: which
# of the $N$ images is this distorted crop from? The classifier has one weight vector $k_j$ an
# image. With cosines and a temperature $\tau$, its loss for a crop of image $p$ whose embedding
# is $q$ is
#
# $$-\log \frac{\exp(\cos(q, k_p) / \tau)}{\sum_{j=1}^N \exp(\cos(q, k_j) / \tau)} .$$
#
# Put embeddings of other crops in the place of the weights and it is *InfoNCE* (van den Oord et
# al., 2018), which needs no weights for each image: the same formula. It is a cross-entropy whose
# scores are the cosines over $\tau$. The denominator holds each key once, the positive one among
# them. Return the mean over the crops.
#
# A slide writes `cross_entropy(softmax(logits), labels)`. With a cross-entropy that takes
# scores, as torch's does, that is a softmax too many: the loss still falls, but with $N$
# negatives never below $\log(1 + N/e)$. One of the visible tests has a perfect answer; see what
# the slide makes of it. The tests also look at the gradient by queries and keys, and at
# temperatures so low that $\exp$ overflows.

# %% exercise="info-nce"
def info_nce(queries, keys, index, temperature):
    """Return the InfoNCE loss of some crops against all images.

    Args:
        queries: tensor (B, D), the embeddings of the crops, of any length.
        keys: tensor (N, D), one vector for each image, of any length.
        index: tensor (B,), the image of each crop, from 0 to N - 1; crops may share an image.
        temperature: float > 0.

    Returns:
        One number in nats, the mean over the crops, differentiable by queries and keys.
    """
    ### BEGIN SOLUTION
    scores = F.normalize(queries, dim=1) @ F.normalize(keys, dim=1).T / temperature  # (B, N)
    return F.cross_entropy(scores, index)
    ### END SOLUTION


# %% [markdown]
# ## 10. Two views, and everybody else (2 points, about 20 minutes)
#
# SimCLR (Chen et al., 2020) makes two random views of each of $B$ images and embeds all $2B$.
# Each view looks for its partner among the $2B - 1$ **other** views: the $B - 1$ other images
# count with both of their views, and the view itself is no candidate. With the partner $p(i)$ of
# view $i$,
#
# $$\mathcal L = \frac{1}{2B} \sum_{i=1}^{2B} -\log
#   \frac{\exp(\cos(z_i, z_{p(i)}) / \tau)}{\sum_{j \ne i} \exp(\cos(z_i, z_j) / \tau)} .$$
#
# A number to know: an encoder that has *collapsed*, whose embeddings are all equal, guesses
# among $2B - 1$ candidates. For $B = 128$ the loss is then $\log 255 = 5.5413$. If your training
# begins there and stays there, you know what has happened.

# %% exercise="nt-xent"
def nt_xent(a, b, temperature):
    """Return SimCLR's loss.

    Args:
        a: tensor (B, D), the embedding of one view of each image, of any length.
        b: tensor (B, D), of the other view, in the same order.
        temperature: float > 0.

    Returns:
        One number in nats, the mean over all 2B views.
    """
    ### BEGIN SOLUTION
    views = F.normalize(torch.cat([a, b]), dim=1)
    scores = (views @ views.T / temperature).fill_diagonal_(-torch.inf)  # (2B, 2B)
    return F.cross_entropy(scores, torch.arange(len(views)).roll(len(a)))
    ### END SOLUTION


# %% [markdown]
# ## 11. Near and far, without a softmax (2 points, about 20 minutes)
#
# Two older losses ask for distances instead of a choice. With an anchor $a$, a positive $p$ and
# a negative $n$ in each of $B$ rows, the **triplet** loss (Schroff et al., 2015) is the mean of
#
# $$\max\bigl(0,\ \lVert a - p \rVert^2 - \lVert a - n \rVert^2 + \text{margin}\bigr),$$
#
# and the **contrastive** loss (Hadsell et al., 2006), for the pair $(a, p)$ and the strangers
# $(a, n)$, is the mean of
#
# $$\tfrac12 \lVert a - p \rVert^2
#   + \tfrac12 \max\bigl(0,\ \text{margin} - \lVert a - n \rVert\bigr)^2 .$$
#
# Mind what is squared. Distances are sums over the coordinates; nothing is normalised here. Both
# losses stop pushing when the margin is kept: find the gradient by $a$ on paper, then compare.

# %% exercise="metric-losses"
def metric_loss(anchor, positive, negative, margin, loss):
    """Return the triplet loss or the contrastive loss.

    Args:
        anchor: tensor (B, D).
        positive: tensor (B, D), what belongs to each anchor.
        negative: tensor (B, D), what does not.
        margin: float > 0.
        loss: "triplet", or "pairs" for the contrastive loss.

    Returns:
        One number, the mean over the B rows, differentiable by all three embeddings.
    """
    ### BEGIN SOLUTION
    near = (anchor - positive).square().sum(1)
    far = (anchor - negative).square().sum(1)
    if loss == "triplet":
        return (near - far + margin).clamp(min=0).mean()
    return (near + (margin - far.sqrt()).clamp(min=0).square()).mean() / 2
    ### END SOLUTION


# %% [markdown]
# ## 12. What comes below (1 point, about 20 minutes)
#
# *Contrastive predictive coding* (van den Oord et al., 2018) cuts a picture into a grid of
# $G \times G$ patches with embeddings $z_{r,q}$ (row $r$, column $q$). A context sums up what is
# above, and from it the patches farther down are guessed; not their pixels, but *which* of many
# patches they are. Here the context is a mean down the column, and the guess is linear:
#
# $$c_{r,q} = \frac{1}{r + 1} \sum_{i=0}^{r} z_{i,q}, \qquad
#   \mathcal L_{r,q} = -\log \frac{\exp\bigl(z_{r+k,q}^\top W c_{r,q}\bigr)}
#   {\sum_{z} \exp\bigl(z^\top W c_{r,q}\bigr)} .$$
#
# The sum in the denominator is over all $B G^2$ patches of the batch, the right one among them:
# other places of the same picture, and other pictures. The loss is the mean over all pictures,
# all columns, and the rows $r = 0, \dots, G - 1 - k$. A context that has seen the answer learns
# nothing.

# %% exercise="predictive-coding"
def cpc_loss(z, W, step):
    """Return the loss of contrastive predictive coding for one distance.

    Args:
        z: tensor (B, G, G, D), the embeddings of the patches: picture, row, column.
        W: tensor (D, D).
        step: int k from 1 to G - 1, how many rows below the patch to guess lies.

    Returns:
        One number in nats.
    """
    ### BEGIN SOLUTION
    b, g = z.shape[:2]
    context = z.cumsum(dim=1) / torch.arange(1, g + 1)[:, None, None]
    scores = context[:, : g - step] @ W.T @ z.flatten(0, 2).T  # (B, G - k, G, B G G)
    target = torch.arange(b * g * g).reshape(b, g, g)[:, step:]
    return F.cross_entropy(scores.flatten(0, 2), target.flatten())
    ### END SOLUTION


# %% [markdown]
# ## 13. What moved (1 point, about 15 minutes)
#
# *Watching objects move* (Pathak et al., 2017) takes the pixels that move as the target of a
# segmentation: a network that sees a single frame has to guess which of its pixels belong to a
# thing that can move. The mask comes from the clip. The change from the frame before alone would
# mark where a thing is *and* where it was; so keep the pixels of frame $t$ that differ by more
# than a threshold from frame $t - 1$ **and** from frame $t + 1$. A guess is judged by
# *intersection over union*: pixels in both masks over pixels in at least one. (What rests is
# never marked: the blind spot of this task.)

# %% exercise="what-moved"
def what_moved(clip, threshold, guess):
    """Return the masks of what moves in a clip, and how well a guess agrees with them.

    Args:
        clip: tensor (T, H, W), grey values.
        threshold: float; a pixel changes if its value differs by more, either way.
        guess: bools (T - 2, H, W), guessed masks of frames 1 to T - 2, none of them empty.

    Returns:
        {"mask": (T - 2, H, W), True where frame t differs from both of its neighbours,
        "iou": (T - 2,), intersection over union of mask and guess, for each frame}.
    """
    ### BEGIN SOLUTION
    moves = clip.diff(dim=0).abs() > threshold  # (T - 1, H, W)
    mask = moves[:-1] & moves[1:]
    iou = (mask & guess).sum((1, 2)) / (mask | guess).sum((1, 2))
    return {"mask": mask, "iou": iou}
    ### END SOLUTION


# %% [markdown]
# ## 14. Tracking by copying (2 points, about 20 minutes)
#
# *Tracking by colourisation* (Vondrick et al., 2018) colours a frame by copying from the frame
# before: pixel $i$ of the new frame spreads its attention over the pixels $j$ of the old one,
#
# $$A_{ij} = \frac{\exp(f_i^\top g_j / \tau)}{\sum_k \exp(f_i^\top g_k / \tau)}, \qquad
#   c_i = \sum_j A_{ij}\, c_j ,$$
#
# with the embeddings $f$ of the new and $g$ of the old frame. Whoever copies colours well has
# found out where things went; so afterwards the same attention carries *labels*: the mask of a
# thing in frame 0 is copied to frame 1, from there to frame 2, and so on. Labels stay soft on
# the way.

# %% exercise="tracking"
def track(keys, labels, temperature):
    """Carry the labels of the first frame through a clip.

    Args:
        keys: tensor (T, N, D), the embeddings of the N pixels of T frames; inner products of them
            are compared as they are.
        labels: tensor (N, C), the labels of frame 0, rows that sum to 1.
        temperature: float > 0.

    Returns:
        (T - 1, N, C), the labels of frames 1 to T - 1.
    """
    ### BEGIN SOLUTION
    frames = []
    for t in range(1, len(keys)):
        labels = torch.softmax(keys[t] @ keys[t - 1].T / temperature, dim=1) @ labels
        frames.append(labels)
    return torch.stack(frames)
    ### END SOLUTION


# %% [markdown]
# ## 15. Before, after and close by (2 points, about 15 minutes)
#
# Time gives labels away for nothing. *Is the sequence in order?* (Misra et al., 2016): three
# frames of a clip are in order if the middle one was taken between the other two, whether they
# are shown forwards or backwards. (Counted as wrong, the reverse order would be told by the
# direction of a single motion; and of a ball that bounces without loss nobody can tell it.)
#
# *Time-contrastive* learning (Sermanet et al., 2017): frames of a clip that are close in time
# are to be embedded close to each other, frames far apart are not. A pair at a distance of at
# most `near` is a positive (1), at a distance of at least `far` a negative (-1). Pairs in
# between are left out (0), and so is a frame with itself.

# %% exercise="temporal-order"
def time_targets(times, task, near, far):
    """Make the labels of two tasks from the times at which frames were taken.

    Args:
        times: tensor (B, T) of whole numbers; times[n, i] is when frame i of clip n was taken.
            T = 3 for "order". All times of a clip differ; they need not be sorted.
        task: "order" or "pairs".
        near: int, for "pairs".
        far: int > near, for "pairs".

    Returns:
        "order": (B,), 1 where the three frames are in order, else 0.
        "pairs": (B, T, T), 1, -1 or 0 for each pair of frames of a clip.
    """
    ### BEGIN SOLUTION
    if task == "order":
        return times.diff(dim=1).sign().prod(1) > 0  # two steps in the same direction
    distance = (times[:, :, None] - times[:, None]).abs()  # (B, T, T)
    targets = (distance <= near).long() - (distance >= far).long()
    return targets * (distance > 0)
    ### END SOLUTION


# %% [markdown]
# ## 16. Where does the sound come from (1 point, about 20 minutes)
#
# *Does this sound go with this picture?* (Arandjelović and Zisserman, 2017 and 2018.) The true
# pairs are those of one clip, false ones are made by mixing clips. A picture has an embedding at
# each *place* of a coarse grid, and is compared with a sound $s$ at every place; the best place
# decides:
#
# $$\text{heat}_{h,w} = \cos(f_{h,w}, s), \qquad
#   \text{logit} = \text{scale} \cdot \max_{h,w} \text{heat}_{h,w} + \text{bias} .$$
#
# Nobody ever says where the sound comes from. But whoever answers well has found it: the heat of
# a picture with its own sound is a map of where. The loss is the binary cross-entropy, half of
# it the mean over the $B$ true pairs, half the mean over the $B^2 - B$ false ones.

# %% exercise="sound-and-sight"
def hear_and_see(maps, sounds, scale, bias):
    """Compare pictures with sounds, place by place.

    Args:
        maps: tensor (B, D, H, W), the embeddings of the places of each picture, of any length.
        sounds: tensor (B, D), the embedding of each clip's sound, of any length.
        scale: float.
        bias: float.

    Returns:
        {"heat": (B, H, W), of each picture with its own sound, "loss": one number in nats}.
    """
    ### BEGIN SOLUTION
    maps, sounds = F.normalize(maps, dim=1), F.normalize(sounds, dim=1)
    heat = torch.einsum("bdhw,sd->bshw", maps, sounds)  # every picture with every sound
    logits = scale * heat.amax((2, 3)) + bias
    own = torch.eye(len(maps), dtype=torch.bool)
    loss = (F.softplus(-logits[own]).mean() + F.softplus(logits[~own]).mean()) / 2
    return {"heat": heat[own], "loss": loss}
    ### END SOLUTION


# %% [markdown]
# ## 17. Narration that comes early or late (2 points, about 20 minutes)
#
# A narrator says what is to be seen, but a little before or after, and in between talks of other
# things. MIL-NCE (Miech et al., 2020) therefore takes **all** sentences within a window around a
# clip as candidates, and asks only that *some* of them fit. With the scores $s_c$ of the
# candidates and $s_n$ of sentences from other videos,
#
# $$-\log \frac{\sum_c e^{s_c}}{\sum_c e^{s_c} + \sum_n e^{s_n}} ,$$
#
# averaged over the clips. The probabilities are added first, and then the logarithm is taken:
# candidates with the scores 0 and 4 against one negative with the score 0 cost 0.0178. With one
# candidate this is InfoNCE. Sentences of the same video that lie outside the window count as
# neither: they may be about the clip or not.

# %% exercise="mil-nce"
def mil_nce(positives, negatives, delays, window):
    """Return the MIL-NCE loss.

    Args:
        positives: tensor (B, P), the scores of each clip with P sentences of its own video.
        negatives: tensor (B, M), its scores with sentences of other videos.
        delays: tensor (B, P), the time of each of the P sentences minus that of the clip.
        window: float; a sentence is a candidate if its delay is at most this, either way. Each
            clip has at least one candidate.

    Returns:
        One number in nats, the mean over the clips.
    """
    ### BEGIN SOLUTION
    candidates = positives.masked_fill(delays.abs() > window, -torch.inf)
    everything = torch.cat([candidates, negatives], dim=1)
    return (everything.logsumexp(1) - candidates.logsumexp(1)).mean()
    ### END SOLUTION


# %% [markdown]
# ## 18. The best guess of the next frame (1 point, about 15 minutes)
#
# *Predicting the next frame* has a best answer when the world is known. A ball of one pixel
# moves on a line of $W$ pixels, one pixel a frame. From the walls it bounces: a ball on the last
# pixel that moves right is on the last but one in the next frame (and likewise on the left). A
# frame is 1 where the ball is and 0 elsewhere. What has been seen leaves some doubt: a *belief*
# gives a probability to each place and direction. With the squared error, summed over the
# pixels, the best guess is the mean of the frames that may come. Return it, and the squared
# error that is to be expected of it. A ball in the middle of five pixels whose direction is
# unknown: half a ball on either side, and an error of 0.5.

# %% exercise="next-frame"
def next_frame(belief):
    """Return the best guess of the next frame in the squared error.

    Args:
        belief: tensor (2, W), W >= 3; belief[0, i] is the probability that the ball is at pixel i
            and moves left, belief[1, i] that it is there and moves right; they sum to 1.

    Returns:
        {"frame": (W,), the best guess, "error": its expected squared error, summed over the
        pixels}.
    """
    ### BEGIN SOLUTION
    left, right = belief
    frame = torch.zeros_like(left)
    frame[:-1] += left[1:]
    frame[1:] += right[:-1]
    frame[1] += left[0]
    frame[-2] += right[-1]
    return {"frame": frame, "error": 1 - frame.square().sum()}
    ### END SOLUTION


# %% [markdown]
# ## 19. The same idea in text (2 points, about 20 minutes)
#
# *Skip-gram with negative sampling* (Mikolov et al., 2013) is a pretext task on text: which
# words occur near which? A table counts how often the word $w$ and the context $c$ occurred
# together, $n_{wc}$; its row sums are $n_w$, its column sums $n_c$, its total is $N$. For each
# of the $N$ pairs $k$ negative contexts are drawn with the probabilities $n_c / N$. With a score
# $s_{wc}$ (the inner product of two embeddings) and the logistic function $\sigma$, the expected
# loss for a pair is
#
# $$-\frac1N \sum_{w,c} \Bigl( n_{wc} \log \sigma(s_{wc})
#   + k\, \frac{n_w n_c}{N} \log \sigma(-s_{wc}) \Bigr) .$$
#
# Set its derivative by one $s_{wc}$ to zero (Levy and Goldberg, 2014): the best score is
#
# $$s_{wc} = \log \frac{n_{wc}\, N}{n_w n_c} - \log k = \mathrm{PMI}(w, c) - \log k,$$
#
# minus infinity for a pair that never occurs.

# %% exercise="skip-gram"
def skip_gram(counts, scores, k, part):
    """Return the best scores of skip-gram with negative sampling, or the loss of given scores.

    Args:
        counts: tensor (V, V) of whole numbers, words in rows, contexts in columns; no row and no
            column is all 0.
        scores: tensor (V, V), for "loss".
        k: int, how many negatives are drawn for each pair.
        part: "optimum" or "loss".

    Returns:
        "optimum": (V, V), the best scores.
        "loss": one number in nats, the expected loss for a pair.
    """
    ### BEGIN SOLUTION
    total = counts.sum()
    independent = counts.sum(1, keepdim=True) * counts.sum(0) / total
    if part == "optimum":
        return torch.log(counts / independent) - math.log(k)
    loss = counts * F.softplus(-scores) + k * independent * F.softplus(scores)
    return loss.sum() / total
    ### END SOLUTION


# %% [markdown]
# ## 20. A probe, and an encoder that holds still (2 points, about 25 minutes)
#
# How good is a representation? A **linear probe** tells: a few labels, a linear classifier on
# top, and an encoder that **does not move**. (Were it trained along, the result would say little
# about what was learned without labels.) Here the encoder is one pretrained layer,
# $h = \mathrm{ReLU}(Wx)$, and the probe is a logistic regression
# $p(y = 1 \mid x) = \sigma(v^\top h + b)$ that minimises
#
# $$-\frac1B \sum_{n=1}^{B} \log p(y_n \mid x_n) + \frac{\lambda}{2} \sum_d v_d^2 ,$$
#
# the bias not penalised. Any method of training will do; come close to the minimum, which is the
# only one: the objective and its first term, the negative log-likelihood `nll`, are tested to
# 0.002 nats. The encoder's weights are returned along with the probe's and compared with those
# that it came with: `moved` is the largest difference.

# %% exercise="frozen-probe"
def train_probe(W, x, y, l2):
    """Train a linear probe on a frozen encoder.

    Args:
        W: tensor (D, K), the weights of the pretrained encoder.
        x: tensor (B, K), the labelled points.
        y: tensor (B,) of 0. and 1.
        l2: float, the factor lambda > 0 of the penalty.

    Returns:
        {"W": (D, K), the encoder's weights after training, "weight": (D,), v, "bias": one
        number, b}.
    """
    ### BEGIN SOLUTION
    h = torch.relu(x @ W.T)
    v = torch.zeros(len(W), dtype=x.dtype, requires_grad=True)
    b = torch.zeros((), dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.LBFGS([v, b], max_iter=200, tolerance_grad=1e-8)  # W is not among them

    def closure():
        optimiser.zero_grad()
        loss = F.binary_cross_entropy_with_logits(h @ v + b, y) + l2 / 2 * v.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return {"W": W, "weight": v, "bias": b}
    ### END SOLUTION


# %% [markdown]
# ## 21. Asking the neighbours (2 points, about 20 minutes)
#
# The other probe needs no training at all (Wu et al., 2018). A query's $k$ nearest training
# points, those with the largest **cosines**, vote for their classes, each with the weight
# $\exp(\cos / \tau)$; the shares of the votes are the answer. Cosines and not Euclidean
# distances: how long an embedding is was never trained to mean anything.
#
# If the queries *are* the training points, as when one tunes $k$ without a validation set,
# nobody may vote for itself: leave each point out of its own neighbours, and let $k$ others
# vote.

# %% exercise="nearest-neighbours"
def neighbour_votes(train, y, queries, num_classes, k, temperature, own):
    """Return the shares of the votes of each query's nearest neighbours.

    Args:
        train: tensor (N, D), the embeddings of the training points, of any length.
        y: tensor (N,), their classes.
        queries: tensor (M, D).
        num_classes: int C.
        k: int, how many neighbours vote.
        temperature: float > 0.
        own: bool, whether the queries are the training points themselves, in the same order.

    Returns:
        (M, C), rows that sum to 1.
    """
    ### BEGIN SOLUTION
    cosines = F.normalize(queries, dim=1) @ F.normalize(train, dim=1).T  # (M, N)
    if own:
        cosines.fill_diagonal_(-torch.inf)
    s, who = cosines.topk(k, dim=1)
    weights = torch.softmax(s / temperature, dim=1)  # (M, k)
    return (weights[:, :, None] * F.one_hot(y[who], num_classes)).sum(1)
    ### END SOLUTION


# %% [markdown]
# ## 22. Shortcuts and other beliefs (4 points, about 30 minutes, graded by hand)
#
# **Rules that have learned nothing.** The first looks at two neighbouring patches of a
# photograph, 8 by 8 pixels each, and says on which of four sides the second lies: on the side
# where the two facing edges agree best. The patches are `gap` pixels apart.
#
# | gap | 0 | 2 | 4 | 8 | 16 |
# |---|---|---|---|---|---|
# | right answers (chance 0.25) | 0.87 | 0.73 | 0.65 | 0.57 | 0.48 |
#
# The second looks at a turned picture of rendered shapes and says: the brightest of its four
# edges was on top.
#
# | background | black | sky |
# |---|---|---|
# | right turns (chance 0.25) | 0.26 | 1.00 |
#
# **Three logs** of the loss in nats.
#
# | run | loss | batch or negatives | at the start | after a day |
# |---|---|---|---|---|
# | U | NT-Xent | B = 128 | 5.5413 | 5.5413 |
# | V | NT-Xent | B = 128 | 5.5452 | 5.5452 |
# | W | InfoNCE with cosines | 255 negatives | 5.545 | 4.552 |
#
# **A slide.** Its heading is "Context encoders"; the picture before it is a grey photograph
# whose colours are to be guessed. Pros: requires preservation of fine-grained information. Cons:
# reconstruction is too hard and ambiguous; lots of effort spent on "useless" details: exact
# colour, good boundary, etc; forced to evaluate on greyscale images, losing information.
#
# In at most 300 words:
#
# * **a.** Why does the first rule work, and why does a gap help without mending everything? Name
#   one more remedy, and one shortcut that no gap removes, with its own remedy.
# * **b.** An encoder was pretrained by rotation on pictures with a sky, and answers every time.
#   What has it learned? A colleague has microscope pictures of cells, which have no up and no
#   down. Which pretext tasks lose their sense, and which one would you take instead, with which
#   augmentation?
# * **c.** What is wrong in each of the three runs? Where the number alone does not decide, say
#   what you would look at.
# * **d.** What is wrong with the slide, which of its lines shows it, and which con that context
#   encoders do have is missing? Then: the accuracy in the pretext task rose from 0.60 to 0.95. Why
#   is that no proof of a better representation, and what would you measure, against what?

# %% [markdown] written="shortcuts" points=4
# *Your answer to a, b, c and d, in at most 300 words:*
#
# === BEGIN MARK SCHEME ===
#
# One point each; half points where the reason is missing.
#
# * **a (1).** Neighbouring pixels are alike and lines run on, so facing edges agree on the true
#   side; nothing has to be recognised. Over a gap pixels are less alike, but photographs are
#   smooth over many pixels (0.48 at a gap of 16). More remedies: jitter of the second patch, a
#   larger gap, patches of different pictures as negatives. No gap removes the lens (chromatic
#   aberration): the shift of green against red and blue tells where in the picture a patch was.
#   Remedy: project the green-magenta direction out, or keep one channel only. (Also accepted:
#   vignetting or a gradient of brightness, with normalised patches.) Half a point without the
#   second shortcut.
# * **b (1).** To find the brightest edge: a rule does as well, nothing about the shapes was
#   needed. Without up and down: rotation, context prediction, jigsaw, CPC (canonical orientation);
#   two of them are enough. Instead: contrastive or exemplar learning with rotations and flips as
#   augmentations, since nothing depends on them; with care about colour jitter where a stain means
#   something. Denoising or a masked region are accepted with a reason. Half a point without the
#   augmentation.
# * **c (1).** U: log 255, a constant embedding: collapsed, or no gradient reaches the encoder (a
#   learning rate of 0, a detached output); look at the standard deviation of the embeddings and
#   at the gradient. V: log 256: the view itself is among its candidates (and collapsed besides).
#   W: starts near log 256 as it should, and stops at log(1 + 255/e) = 4.552: a softmax too many.
#   Half a point for two of three.
# * **d (1).** It is the slide of colourisation: "forced to evaluate on greyscale" makes no sense
#   for a context encoder, whose input has its colours. Missing: the train-eval gap, no masks at
#   evaluation. Pretext accuracy may rise by a shortcut (as in a and b), and the task is not what
#   we want. Measure a linear or k-NN probe on a *frozen* encoder, against a random encoder and raw
#   pixels (and supervised training), with equal steps and several seeds. Half a point for one of
#   the two halves.
#
# === END MARK SCHEME ===
