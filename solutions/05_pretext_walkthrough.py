# %% [markdown] slideshow={"slide_type": "slide"}
# # Self-supervised pretext tasks
#
# **Unit 05, walkthrough.** How can a network learn what is in a picture when nobody says what is
# in it?
#
# Make up a question whose answer the data itself holds: turn the picture, and ask by how much.
# Nobody needs the answer. What is kept is the encoder that had to understand the picture to give
# it.
#
# This notebook is a lecture that runs. Each section is one kind of question: you answer it first
# (the quizzes), then a network does, then we look at what it learnt and what it got away with.
#
# | section | | section | |
# |---|---|---|---|
# | 5.1 | a question, an encoder, a probe | 5.5 | instances and InfoNCE |
# | 5.2 | structure, and a shortcut | 5.6 | time |
# | 5.3 | transformation | 5.7 | several senses |
# | 5.4 | reconstruction | 5.8 | the same idea in text |
# | | | 5.9 | all of them in one table |
#
# It follows a public lecture, *the slides* here (see the end), with its six categories, its pros
# and its cons. Where a con can be measured, it is. Nothing is downloaded: pictures, videos, sounds
# and sentences come from a small rendered world of shapes that move and bounce.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import functools
import logging
import math

import torch
import torch.nn.functional as F
from torch.utils.data import TensorDataset

from gencourse import data, plots, pretext, widgets
from gencourse.data import SHAPES, WORLD_WORDS
from gencourse.evaluate import frozen_features, knn_probe, linear_probe
from gencourse.losses import info_nce, mil_nce
from gencourse.pretext import TASKS, audio_visual, context_prediction, jigsaw, pretext_loss
from gencourse.pretext.denoising import corrupt
from gencourse.pretext.lab import lab_to_rgb, rgb_to_lab
from gencourse.pretext.relative_transform import affine_from_points, apply_affine, warp
from gencourse.pretext.rotation import rotate
from gencourse.pretext.skip_gram import cooccurrence, shifted_pmi
from gencourse.pretext.split_brain import scaled
from gencourse.pretext.views import augment
from gencourse.pretext.watching_motion import iou, motion_mask
from gencourse.train import fit

logging.getLogger("gencourse").setLevel(logging.ERROR)
torch.set_num_threads(1)  # the networks are small: one thread is faster than two

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def seeded(seed=0):
    """Return a source of randomness; every figure below is the same at every run."""
    return torch.Generator().manual_seed(seed)


def fresh(make):
    """Make a model with fixed first weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def trained(make, *x, steps, lr=3e-3, batch_size=64):
    """Make a task, train it for `steps` batches of unlabelled data x, and return it."""
    task = fresh(make)
    fit(task, TensorDataset(*x), loss=pretext_loss, steps=steps, lr=lr, batch_size=batch_size,
        device="cpu", progress=False)
    return task.eval()


def pictures(n, seed, **options):
    """Return n pictures of one shape each, 16 x 16, with all that is known of them."""
    world = data.world(n, seed=seed, frames=1, num_shapes=1, **options)
    return world.x[:, 0], {k: v[:, 0] for k, v in world.attributes.items() if v.ndim > 1}

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def probes(model, train, test):
    """Return the test accuracy of the linear and of the nearest-neighbour probe."""
    return linear_probe(model, train, test).mean, knn_probe(model, train, test).mean


photos = F.interpolate(data.photographs().x[..., 100:527], (96, 96), mode="area")
temple, flower = photos[:1], photos[1:]  # (1, 3, 96, 96) each
digits = data.digits()
order = torch.randperm(len(digits.x), generator=seeded(1))
ones, named = digits.x[order], digits.y[order]  # (1797, 1, 8, 8), (1797,)
clips = data.world(1200, seed=3)  # two shapes, 16 frames of 16 x 16
x, known = pictures(2000, seed=1)
x_test, known_test = pictures(1000, seed=2)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5.1 A question, an encoder, a probe
#
# A **pretext task** is a transform $T$ that makes, from unlabelled data $x$ and some dice
# $\varepsilon$, a question and its answer, $(q, t) = T(x, \varepsilon)$. An encoder $f_\theta$ and
# a small head $h_w$ answer it,
#
# $$\min_{\theta, w}\ \mathbb E_{x, \varepsilon}\,\big[\ell\big(h_w(f_\theta(q)),\ t\big)\big],$$
#
# with the cross-entropy for $\ell$ where the answers are classes. Then the head is thrown away.
# In the library a task is one class with `make` ($T$), `encoder` ($f_\theta$) and `forward`:

# %% slideshow={"slide_type": "subslide"}
task = fresh(lambda: pretext.Rotation((3, 96, 96)))
asked, turns = task.make(temple.expand(6, -1, -1, -1), generator=seeded(2))
fig, ax = plots.figure(size=(8.6, 1.9))
plots.colour_grid(ax, asked, columns=6,
                  title="   ".join(f"answer {int(t)}" for t in turns))
plots.picture(fig, f"""One photograph of a temple, turned six times; the answers are the numbers
    of quarter turns, {turns.tolist()}.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One unlabelled picture, many questions, and the answers for free
# (quarter turns counter-clockwise). You know at once which are upright: you know where roofs and
# sky belong. That is the hope: *to answer, one has to know what is shown.*
#
# **How is it judged?** Not by its answers. The encoder is **frozen**, and a **probe** asks what
# its features tell: a *linear probe* is a logistic regression on them, a *k-NN probe* lets the 20
# nearest training pictures vote. Three rows give such a number its meaning: the raw pixels, an
# encoder with **random** weights, and one trained with the labels.

# %% slideshow={"slide_type": "subslide"}
rows = [[category, ", ".join(n.replace("_", " ") for n, t in TASKS.items()
                              if t.category == category)]
        for category in pretext.CATEGORIES]
plots.number_table(["category", "tasks of this unit"], rows)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5.2 Structure: where does this piece belong?
#
# Play first: choose a task and an answer; the right one is marked. (Without a live kernel the
# first question stands there with its answer. So it is with every quiz below.)

# %% tags=["setup"] slideshow={"slide_type": "skip"}
PLACES = ("above, left", "above", "above, right", "left", "right", "below, left", "below",
          "below, right")


def pieces(image, corners, size):
    """Cut squares out of one image (1, C, H, W) at corners (row, column)."""
    top, left = torch.tensor(corners).T
    return context_prediction.cut(image.expand(len(corners), -1, -1, -1), top, left, size)


def assembled(tiles):
    """Put four tiles (4, C, S, S) together, row by row, as one image (1, C, 2S, 2S)."""
    return torch.cat([torch.cat([*tiles[r : r + 2]], 2) for r in (0, 2)], 1)[None]


tiles = pieces(flower, [(2, 2), (2, 50), (50, 2), (50, 50)], 44)
orders = torch.tensor([[1, 3, 0, 2], [0, 2, 3, 1], [3, 0, 1, 2], [2, 1, 3, 0]])
mixed = tiles[orders[2]]  # place i shows tile orders[2][i]
solutions = torch.cat([assembled(mixed[o.argsort()]) for o in orders])
structure = [
    widgets.Question("context prediction", "where is the second piece, seen from the first?",
                     pieces(temple, [(44, 34), (12, 34)], 28), PLACES, 1),
    widgets.Question("jigsaw", "which is the picture?", mixed, solutions, 2),
    widgets.Question("skip-gram", "which word stands near the other?", "the red circle hits the ?",
                     ("so", "left", "day", "was"), 1),
]

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.quiz_explorer(structure)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Context prediction, and the network that looked at the lens
#
# Of a patch and one of its eight neighbours: in which direction does the second lie? Chance is
# $1/8$ (Doersch, Gupta & Efros, 2015). A network may find an answer without any content: lines
# that run on across the border (hence a **gap** and a **jitter** between the patches), and the
# **lens**. Real lenses magnify green a little differently from red and blue, so the colour fringes
# at an edge point away from the middle of the photograph, and tell where a patch was cut.
#
# We plant it: pictures of nothing, smooth grey noise, first as they are, then through a lens.

# %% slideshow={"slide_type": "subslide"}
def smooth_noise(n, seed, side=32):
    """Grey noise that looks the same everywhere: there is nothing to be learnt in it."""
    noise = torch.randn(n, 1, side + 8, side + 8, generator=seeded(seed))
    blurred = F.avg_pool2d(F.avg_pool2d(noise, 3, 1), 3, 1)
    return blurred[:, :, 2:-2, 2:-2].expand(-1, 3, -1, -1).contiguous()


def lens(n, seed):
    return context_prediction.aberrate(smooth_noise(n, seed), 0.2)


def context_score(make_pictures, colour):
    task = trained(lambda: pretext.ContextPrediction((3, 32, 32), colour=colour, widths=(16, 32)),
                   make_pictures(2000, 1), steps=150, lr=1e-2)
    return task.score(make_pictures(2000, 2), generator=seeded()).value


planted = {"noise": context_score(smooth_noise, "keep"), "+ lens": context_score(lens, "keep"),
           "+ lens,\ncolours dropped": context_score(lens, "drop")}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(1, 2, size=(9.6, 2.9), width_ratios=(1.2, 1))
through = (lens(4, 3) * 1.2 + 0.5).clamp(0, 1)
plots.colour_grid(ax[0], torch.cat([(smooth_noise(4, 3) * 1.2 + 0.5).clamp(0, 1), through]),
                  columns=4, title="noise; the same through the lens")
plots.bars(ax[1], list(planted), {"accuracy": list(planted.values())}, form="{:.2f}")
ax[1].axhline(1 / 8, color="k", ls="--", lw=1)
ax[1].set(ylim=(0, 1.1), ylabel="accuracy; dashed: 1/8", title="pictures of nothing")
plots.picture(fig, f"""Left: smooth grey noise, and the same with coloured fringes. Right: accuracy
    of context prediction {[round(v, 2) for v in planted.values()]}: chance on noise, nearly solved
    through the lens, chance again when each patch keeps one channel only.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** On noise nothing can be learnt, and nothing is. Through the lens the
# same noise is nearly solved: the network has become an expert in lenses. If each patch keeps
# one colour channel only, the fringes are gone, and so is the skill. *Why it matters:* a high
# score at the pretext task is no evidence of understanding; "networks can cheat, so special care
# is needed". And the care costs: the encoder now never sees colours together, but will be used
# on pictures that have them, one more **gap** between training and use.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Jigsaw: how many answers?
#
# Eight directions are a small output space. A puzzle of $n$ tiles has $n!$ orders; nine tiles have
# 362,880. The network chooses among $P$ of them that differ in many places: the smallest
# **Hamming distance** between two, $\min_{i \neq j} |\{k : p_i(k) \neq p_j(k)\}|$, is made large
# greedily (Noroozi & Favaro, 2016).

# %% slideshow={"slide_type": "subslide"}
def closest(permutations):
    apart = jigsaw.hamming(permutations)
    return int(apart[~torch.eye(len(apart), dtype=torch.bool)].min())


rows = []
for size in (9, 24, 100):
    greedy = jigsaw.permutation_set(9, size)
    drawn = torch.stack([torch.randperm(9, generator=seeded(i)) for i in range(size)])
    rows.append([size, closest(greedy), closest(drawn)])
plots.number_table(["P permutations of 9 tiles", "closest two, chosen greedily",
                    "drawn at random"], rows)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Nine orders can differ in *all* nine places, a hundred still in six. A
# random hundred has near twins that differ by one swap. The cons are those of context prediction:
# it needs pictures that stand upright, it trains on tiles and is used on wholes, and nothing asks
# for what *distinguishes* one cat from one dog.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5.3 Transformation: what was done to this picture?

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def affine(degrees, size=1.0, across=0.0, down=0.0):
    """Return the map (1, 2, 3) that turns, magnifies and shifts, in half sides."""
    r = math.radians(degrees)
    return torch.tensor([[[size * math.cos(r), -size * math.sin(r), across],
                          [size * math.sin(r), size * math.cos(r), down]]])


MAPS = [affine(30), affine(0, 1.3), affine(-30, 1.0, 0.2), affine(0, 1.0, 0.3, 0.3)]
transformation = [
    widgets.Question("rotation", "by how much was it turned (counter-clockwise)?",
                     rotate(temple, torch.tensor([3])), ("0°", "90°", "180°", "270°"), 3),
    widgets.Question("relative transform", "what leads from the first view to the second?",
                     torch.cat([flower, warp(flower, MAPS[2])]),
                     ("turned by 30° clockwise", "magnified by 1.3",
                      "turned by 30° the other way, and shifted right", "shifted right and down"),
                     2),
]

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.quiz_explorer(transformation)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Rotation, trained live (1 of 4)
#
# The four turns $r \in \{0, 1, 2, 3\}$ form a group: $R^4 = 1$. The loss is $-\log p(r \mid R^r
# x)$, chance is $1/4$ and costs $\log 4 = 1.386$ nats (Gidaris, Singh & Komodakis, 2018). On
# pictures of one shape each:

# %% slideshow={"slide_type": "subslide"}
turning = trained(lambda: pretext.Rotation((3, 16, 16)), x, steps=500)
question, turns = turning.make(x_test, generator=seeded())
right = (turning(question).argmax(1) == turns).float()
by_shape = torch.stack([right[known_test["shape"] == s].mean() for s in range(3)])
fig, ax = plots.figure(1, 2, size=(9.6, 2.7), width_ratios=(1.3, 1))
plots.colour_grid(ax[0], question[:16], columns=8,
                  title="turned by (quarter turns): " + " ".join(str(int(t)) for t in turns[:16]))
plots.bars(ax[1], SHAPES, {"accuracy": by_shape}, form="{:.2f}")
ax[1].axhline(1 / 4, color="k", ls="--", lw=1)
ax[1].set(ylim=(0, 1.15), ylabel="accuracy; dashed: 1/4", title="by how much was it turned?")
plots.picture(fig, f"""Left: sixteen turned pictures. Right: accuracy for circles, squares and
    triangles {[round(float(v), 2) for v in by_shape]}; the dashed line is chance, 1/4.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** A circle and a square look the same after a quarter turn, so nobody can
# do better than $1/4$ on them; the triangle is solved. The best possible score here is
# $\tfrac13(\tfrac14 + \tfrac14 + 1) = \tfrac12$. The con "assumes a canonical orientation" is this
# row of bars: *things without one teach nothing*.

# %% slideshow={"slide_type": "subslide"}
train, test = (x, known["shape"]), (x_test, known_test["shape"])
colours, colours_test = (x, known["colour"]), (x_test, known_test["colour"])
untrained = fresh(lambda: pretext.Rotation((3, 16, 16)))
plots.number_table(
    ["encoder", "shape, linear", "shape, k-NN", "colour, linear", "colour, k-NN"],
    [["random weights", *probes(untrained, train, test),
      *probes(untrained, colours, colours_test)],
     ["rotation", *probes(turning, train, test), *probes(turning, colours, colours_test)]],
    digits=3, caption="test accuracy of the probes; 3 shapes, 6 colours")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Nobody named a shape, and the probe now tells shapes far better than
# from random weights. *Colours* were there in the random features and are now mostly
# **forgotten**: no answer ever depended on one. That is the slides' con "**not fine-grained**, no
# reason to tell a cat from a dog": what does not help to answer is not kept. *Every pretext task
# is a choice of what to be blind to.*

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A sky gives it away
#
# "Some domains are trivial, for example street views: just recognise the sky." We train once more,
# on pictures with a sky. *Which* pictures hardly matters:

# %% slideshow={"slide_type": "subslide"}
sky, sky_known = pictures(2000, seed=1, background="sky")
sky_test, sky_known_test = pictures(1000, seed=2, background="sky")
sky_train = (sky, sky_known["shape"]), (sky_test, sky_known_test["shape"])
gazing = trained(lambda: pretext.Rotation((3, 16, 16)), sky, steps=300)
rows = [["no sky", turning.score(x_test, generator=seeded()).value,
         linear_probe(untrained, train, test).mean, linear_probe(turning, train, test).mean],
        ["sky", gazing.score(sky_test, generator=seeded()).value,
         linear_probe(untrained, *sky_train).mean, linear_probe(gazing, *sky_train).mean]]
plots.number_table(["pictures", "rotation solved", "shape: random weights", "shape: rotation"],
                   rows, digits=3, caption="accuracy; linear probe")

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(size=(7.2, 1.3))
plots.colour_grid(ax, rotate(sky_test[:10], torch.arange(10)), columns=10,
                  title="turned by 0, 1, 2, 3, 0, 1, ... : look at the blue edge only")
plots.picture(fig, "Ten pictures with a sky, turned; the bright side tells the turn.")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With a sky the task is solved completely, and the features know no more
# of shapes than random weights do. Without one the task is half solved, which is all that can be,
# and they know a lot. *The easier the question, the less is learnt.*

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Relative transformation
#
# Two views, $x$ and $x \circ A^{-1}$ with $A p = L p + t$: which map leads from one to the other?
# Where three points and their images are known, $A$ is a linear system, and least squares for
# more of them: this is how it was done with SIFT's matches. The network gets no matches; the
# error is the mean squared distance of where points go.

# %% slideshow={"slide_type": "subslide"}
corners = torch.tensor([[[-1.0, -1], [1, -1], [-1, 1], [1, 1]]])
found = affine_from_points(corners, apply_affine(corners, MAPS[2]))
fig, ax = plots.figure(size=(8.4, 2.1))
plots.colour_grid(ax, torch.cat([temple, *(warp(temple, m) for m in MAPS)]), columns=5,
                  title="the picture, turned, magnified, turned and shifted, shifted")
print(f"from four corners the third map is found to {float((found - MAPS[2]).abs().max()):.0e}")
plots.picture(fig, "A photograph and four affine views of it.")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Corners are enough to know the map: no one has to know that this is a
# temple. That is the slides' doubt, "semantics or low-level features?" Moreover these features
# must *not* be invariant: they have to tell the very thing, the pose, that a classifier wants to
# forget.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5.4 Reconstruction: what is missing?

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def grey(image):
    """Return the lightness of colour images as images, (N, 3, H, W) -> same."""
    return (rgb_to_lab(image)[:, :1] / 100).expand(-1, 3, -1, -1)


def only_colour(image):
    """Return images with their colours at one lightness, (N, 3, H, W) -> same."""
    lab = rgb_to_lab(image)
    return lab_to_rgb(torch.cat([torch.full_like(lab[:, :1], 65.0), lab[:, 1:]], 1)).clamp(0, 1)


holed = temple.clone()
holed[..., 34:62, 34:62] = 0.5
squares = torch.cat([pieces(temple, [(6, 20), (34, 34), (66, 10)], 28),
                     pieces(flower, [(34, 34)], 28)])
swapped = [flower, flower[:, [2, 1, 0]], flower[:, [1, 0, 2]], flower[:, [0, 2, 1]]]
light = torch.cat([temple.flip(3), 1 - temple, temple, flower])
four = torch.cat([ones[named == k][:1] for k in (3, 8, 5, 9)])
bags = fresh(lambda: pretext.BagOfWords((3, 16, 16), num_words=8, teacher_widths=(16, 32)))
bags.learn_words(x[:500], generator=seeded())


def bars_of(histogram, height=24):
    """Draw a histogram as an image: (N, K) -> (N, 1, height, 4 K), white bars on black."""
    up = (histogram * height).round()[:, None, :, None]  # (N, 1, K, 1)
    filled = torch.arange(height, 0, -1) <= up  # (N, 1, K, height)
    return filled.mT.float().repeat_interleave(4, 3)

# %% tags=["setup"] slideshow={"slide_type": "skip"}
with torch.no_grad():
    views, words = bags.eval().make(x[40:44], generator=seeded(5))
reconstruction = [
    widgets.Question("context encoder", "what belongs into the hole?", holed, squares, 1),
    widgets.Question("colourisation", "which are the true colours?", grey(flower),
                     torch.cat([swapped[i] for i in (2, 0, 3, 1)]), 1),
    widgets.Question("split-brain", "which lightness goes with these colours?",
                     only_colour(temple), grey(light), 2),
    widgets.Question("denoising", "which digit is it?", corrupt(four[2:3], level=0.5,
                     generator=seeded(4)), four, 2),
    widgets.Question("up-sampling", "which picture was shrunk?",
                     F.interpolate(F.avg_pool2d(four[1:2], 2), (8, 8)), four, 1),
    widgets.Question("bag of words", "how often is each word in the whole of this picture?",
                     views[1:2], bars_of(words), 1),
    widgets.Question("masked words", "which word is hidden?", "the red circle ? the left wall",
                     ("nice", "hits", "day", "blue"), 1),
]

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.quiz_explorer(reconstruction)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Denoising is too easy
#
# $\tilde x = x + \sigma \varepsilon$, and $\min \mathbb E \lVert g(\tilde x) - x \rVert^2$. For
# Gaussian data with covariance $S$ the best answer is known and linear,
# $\hat x = \mu + S (S + \sigma^2 I)^{-1} (\tilde x - \mu)$: with one pixel, $s^2 = 1$ and
# $\sigma^2 = 0.25$, it is $0.8\, \tilde x$, with error $0.2$ where doing nothing costs $0.25$.
#
# "Low-level cues are sufficient": how far does a *single linear filter* get, 5 × 5 weights that
# cannot know what is shown, fitted by least squares?

# %% slideshow={"slide_type": "subslide"}
def windows(images, side=5):
    """Return the window around each pixel and a 1, (N, 1, H, W) -> (N H W, side² + 1)."""
    rows = F.unfold(images, side, padding=side // 2).mT.flatten(0, 1)
    return torch.cat([rows, torch.ones(len(rows), 1)], 1)


light_x, light_test = (F.interpolate(p.amax(1, keepdim=True), 16) for p in (x, x_test))
noisy, noisy_test = (corrupt(p, level=0.3, generator=seeded(1)) for p in (light_x, light_test))
weights = torch.linalg.lstsq(windows(noisy), light_x.reshape(-1, 1)).solution
filtered = (windows(noisy_test) @ weights).reshape(light_test.shape)
denoiser = trained(lambda: pretext.Denoising((1, 16, 16), level=0.3), light_x, steps=250,
                   batch_size=32)
with torch.no_grad():
    restored = denoiser(noisy_test)

# %% slideshow={"slide_type": "subslide"}
def squared(a, b=light_test):
    return float((a - b).square().mean())


gap = [squared(light_x.mean(0)), 0.3**2, squared(filtered), squared(restored)]
fig, ax = plots.figure(1, 2, size=(9.6, 3.0), width_ratios=(1.2, 1))
plots.image_rows(ax[0], {"noisy": noisy_test[:9, 0].clamp(0, 1),
                         "linear filter": filtered[:9, 0].clamp(0, 1),
                         "network": restored[:9, 0].clamp(0, 1), "x": light_test[:9, 0]})
plots.bars(ax[1], ["mean\npicture", "do\nnothing", "5 x 5\nfilter", "network"],
           {"squared error": gap}, form="{:.3f}")
ax[1].set(ylim=(0, 0.115), title="squared error, test pictures")
plots.picture(fig, f"""Left: noisy shapes, restored by one linear filter and by a network. Right:
    squared errors {[round(float(g), 3) for g in gap]} of the mean picture, of doing nothing, of
    the filter and of the network.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One filter that has no idea of a triangle removes most of the noise
# already. What is left for understanding is a small part of the loss. *Why it matters:* the size
# of the loss says nothing about how much of it needs semantics.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Trained on one thing, used on another
#
# The **train-eval gap**: an encoder that was trained on noise, holes or turned pictures is then
# used on pictures that have none. How different do the two look *to the encoder*? A linear probe
# on its features has to tell training inputs from plain pictures; $1/2$ means that there is no
# gap.

# %% slideshow={"slide_type": "subslide"}
holes = trained(lambda: pretext.ContextEncoder((3, 16, 16), adversarial=0.0), x, steps=250,
                batch_size=32)


def told_apart(task, inputs, plain):
    """Return how well the features tell inputs from plain pictures, on the second halves."""
    both = torch.cat([torch.stack([a, b]) for a, b in zip(inputs, plain, strict=True)])
    labels, cut = torch.arange(len(both)) % 2, len(both) // 2
    return linear_probe(task, (both[:cut], labels[:cut]), (both[cut:], labels[cut:])).mean


(masked, _), _ = holes.make(x, generator=seeded())
rows = [["denoising", "noise", told_apart(denoiser, noisy, light_x)],
        ["context encoder", "a hole", told_apart(holes, masked, x)],
        ["rotation", "a turn", told_apart(turning, turning.make(x, generator=seeded())[0], x)]]
plots.number_table(["task", "training inputs have", "told from plain pictures"], rows, digits=3)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Noise and holes are seen nearly always, a turn where it shows (on
# triangles). What the probes measure later is an encoder far from home. Tasks on video and sound
# ask about plain frames, so that there is no gap (sections 5.6 and 5.7).

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Context encoders: too hard, and ambiguous
#
# Cut a hole $h$ and paint it from the rest $c$. The least squared error has the conditional mean,
# for a joint Gaussian $\mu_h + S_{hc} S_{cc}^{-1}(x_c - \mu_c)$. Where several things could be
# there, it is their average, which is none of them. The paper (Pathak et al., 2016) adds a
# discriminator for that reason.

# %% slideshow={"slide_type": "subslide"}
with torch.no_grad():
    (masked, corners), hole = holes.make(x_test[:12], generator=seeded(6))
    painted = masked.clone()
    for image, (top, left), part in zip(painted, corners, holes((masked, corners)), strict=True):
        image[:, top : top + 8, left : left + 8] = part
score = holes.score(x_test, generator=seeded())
fig, ax = plots.figure(size=(9.0, 2.4))
plots.colour_rows(ax, {"question": masked, "answer": painted, "picture": x_test[:12]})
plots.picture(fig, f"""Twelve shapes with a grey square hole, what the network paints there, and
    the pictures. Painted parts are soft. Squared error {score.value:.4f}, mean hole
    {score.chance:.4f}.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Where a piece of the shape is left, its colour and rough outline are
# continued; where nothing is left, a grey smear appears, the mean of all that could be there.
# Hours of training would sharpen edges, "useless details" for which nobody asked.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Colourisation
#
# From lightness $L$ to colour $(a, b)$ (Zhang, Isola & Efros, 2016). A squared error would answer
# with the mean of all possible colours, which is grey. So the $ab$ plane is cut into $Q$ bins, the
# answer is a distribution $p(q)$, rare colours weigh more, $w_q \propto
# \big((1-\lambda)\,\tilde p_q + \lambda / Q\big)^{-1}$ with $\sum_q \tilde p_q w_q = 1$, and a
# colour is read off as the **annealed mean**, the mean of $p_q^{1/T}$, normalised:

# %% slideshow={"slide_type": "subslide"}
colouring = trained(lambda: pretext.Colorization((3, 16, 16)), sky, steps=120,
                    batch_size=32)
fig, ax = plots.figure(size=(9.0, 3.2))
seen = sky_test[:12]
with torch.no_grad():
    shown = {f"T = {t:g}": colouring.colourise(seen, temperature=t) for t in (1.0, 0.38, 0.1)}
plots.colour_rows(ax, {"question": grey(seen), **shown, "picture": seen})
plots.picture(fig, """Twelve pictures with a sky, in grey, coloured at three temperatures, and
    their true colours. The sky is right at once; the shapes, whose colours are drawn at random,
    get one that their lightness allows.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The sky is always blue and is learnt at once; a shape may have any of
# six colours, and its lightness is the only hint. Light ones are painted yellow, rightly or not;
# the others stay dull. A low $T$ is bolder than the safe mean, and no more right.
#
# **The slide says**, over colourisation's pros and cons, "Context encoders": a heading left over
# from the slide before. The first two cons do apply to both. The third, "forced to evaluate on
# greyscale images, losing information", is colourisation's alone: a context encoder sees colours.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Split-brain: the cure and its price
#
# Two halves: one predicts $ab$ from $L$, the other $L$ from $ab$ (Zhang, Isola & Efros, 2017).
# Together they see all of the picture. "But the chunks are processed **independently**":

# %% slideshow={"slide_type": "subslide"}
brain = fresh(lambda: pretext.SplitBrain((3, 16, 16))).eval()


def moved(change):
    """Return by how much each half's features move if the picture's L or ab is changed."""
    lab = scaled(rgb_to_lab(sky_test[:50]))
    other = lab.clone()
    other[:, change] = lab.roll(1, 0)[:, change]
    with torch.no_grad():
        pairs = zip(brain.halves(lab), brain.halves(other), strict=True)
        return [float((a - b).abs().mean()) for a, b in pairs]


plots.number_table(["exchanged with another picture", "half that sees L", "half that sees ab"],
                   [["L", *moved([0])], ["a and b", *moved([1, 2])]],
                   caption="mean change of the features")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Two zeros, exactly. No feature ever sees a colour *and* an edge: that a
# thing is "yellow **and** round" is for the probe to put together.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Bags of visual words, and what is too small to see
#
# Two more ways to choose what is missing. **Bags of words** (Gidaris et al., 2020) do not ask for
# pixels: places of *another* network's features are sorted into $K$ clusters, the **words**, and
# the target is their histogram, $t_k = \tfrac1P \sum_p [\,w_p = k\,]$, to be told from a changed
# view. **Up-sampling** asks for the detail that shrinking took (after Dong et al., 2014).

# %% slideshow={"slide_type": "subslide"}
seen = x[[40, 41, 43, 46, 47, 50, 52, 53]]
with torch.no_grad():
    views, words = bags.make(seen, generator=seeded(5))
large = functools.partial(F.interpolate, scale_factor=2)
fig, ax = plots.figure(size=(7.6, 2.9))
plots.colour_rows(ax, {"view": large(views), "its picture": large(seen),
                       "8 words,\nhow often": bars_of(words, 32)})
plots.picture(fig, """Eight changed views, their pictures, and the histograms of the eight visual
    words in the pictures: most places show the ground, which is a word of its own.""")

# %% slideshow={"slide_type": "subslide"}
sharpener = trained(lambda: pretext.Upsampling((3, 16, 16)), x, steps=200, batch_size=32)
with torch.no_grad():
    blurred, _ = sharpener.make(x_test[:12])
    sharp = sharpener(blurred).clamp(0, 1)
score = sharpener.score(x_test)
fig, ax = plots.figure(size=(9.0, 2.4))
plots.colour_rows(ax, {"question": blurred, "answer": sharp, "picture": x_test[:12]})
plots.picture(fig, f"""Twelve shapes shrunk to 4 by 4 pixels and enlarged, what the network makes
    of them, and the pictures. Squared error {score.value:.4f}, bilinear {score.chance:.4f}.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Above: a histogram knows *what*, not *where*, "loses spatial
# information", and it "requires bootstrapping from another network" (here one with random
# weights). Below: after shrinking four pixels to one a side, outlines come back and the kind of
# shape mostly does not: it is lost, or needs the knowledge that these are three kinds of shapes.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5.5 Instances: which picture is this a view of?

# %% tags=["setup"] slideshow={"slide_type": "skip"}
crowd = torch.cat([temple[..., :48, :48], temple[..., 48:, 48:], flower[..., :48, :48],
                   flower[..., 24:72, 24:72]])
instance = [
    widgets.Question("exemplar", "of which picture is this a view?",
                     augment(crowd[1:2], crop=0.3, generator=seeded(3)), crowd, 1),
    widgets.Question("contrastive", "which is another view of the same picture?",
                     augment(crowd[3:4], crop=0.3, generator=seeded(1)),
                     augment(crowd, crop=0.3, generator=seeded(8)), 3),
    widgets.Question("contrastive predictive coding", "which patch lies below this one?",
                     four[1:2, :, :4], four[[3, 0, 1, 2], :, 4:], 2),
]

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.quiz_explorer(instance)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### From a class for each picture to InfoNCE
#
# **Exemplar networks** (Dosovitskiy et al., 2014): each of $N$ pictures is a class, its random
# views are the members. The last layer has a row $w_n$ for each picture, so it grows with the
# data. Metric learning puts an embedding where the row was, $[w_p, w_{n_1}, \dots] \to
# [p, n_1, \dots]$:
#
# $$\mathcal L = -\log \frac{\exp(q^\top p)}{\exp(q^\top p) + \sum_{n \in N(q)} \exp(q^\top n)}$$
#
# for a query $q$, its positive $p$ and $N$ negatives: **InfoNCE** (van den Oord et al., 2018), the
# cross-entropy of picking the positive out of $N + 1$.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The slide says softmax, then cross-entropy
#
# "InfoNCE = cross_entropy(softmax(logits), labels)". A library's `cross_entropy` takes *logits*
# and applies the softmax itself, so that is one softmax too many. Scores then lie between 0
# and 1, and even a perfect answer, $(1, 0, \dots, 0)$, costs
#
# $$-\log \frac{e}{e + N} = \log\Big(1 + \frac N e\Big).$$

# %% slideshow={"slide_type": "subslide"}
rows = []
for negatives in (1, 15, 255):
    logits = torch.zeros(1, negatives + 1)
    logits[0, 0] = 50.0  # as sure as one can be, and right
    label = torch.zeros(1, dtype=torch.long)
    rows.append([negatives, F.cross_entropy(logits, label),
                 F.cross_entropy(logits.softmax(1), label), math.log(1 + negatives / math.e),
                 math.log(negatives + 1)])
plots.number_table(["N negatives", "right", "softmax twice", "log(1 + N/e)",
                    "log(N + 1): knowing nothing"], rows, caption="loss of a perfect answer, nats")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With 255 negatives a perfect answer would cost 4.55 nats where a blind
# one costs 5.55. The loss still falls, and a plot of it looks healthy: the floor is what gives it
# away. *Put a perfect answer through your loss before you train.*

# %% [markdown] slideshow={"slide_type": "slide"}
# ### What InfoNCE can say about mutual information
#
# For any scores, $I(x; y) \ge \log(N + 1) - \mathbb E[\mathcal L]$, and the right-hand side is
# never more than $\log(N+1)$. To see both we take a pair whose mutual information is known:
# $d$ independent pairs of standard normals with correlation $\rho$ have
# $I = -\tfrac d2 \log(1 - \rho^2)$. The best score is the log density ratio, up to terms in $x$
# alone, $s(x, y) = \dfrac{\rho\, x^\top y - \tfrac12 \rho^2 \lVert y \rVert^2}{1 - \rho^2}$:

# %% slideshow={"slide_type": "subslide"}
dimensions, candidates = 4, [2, 4, 8, 16, 32, 64, 128, 256, 512]


def bound(rho, n):
    """Return log n minus InfoNCE with the best scores, for n candidates, in nats."""
    losses, g = [], seeded(3)
    for _ in range(max(30, 4096 // n)):
        a, noise = torch.randn(2, n, dimensions, generator=g, dtype=torch.float64)
        b = rho * a + math.sqrt(1 - rho**2) * noise
        query = torch.cat([rho * a, torch.full((n, 1), -(rho**2) / 2)], 1) / (1 - rho**2)
        key = torch.cat([b, b.square().sum(1, keepdim=True)], 1)
        losses.append(info_nce(query, key, temperature=1.0, normalise=False))
    return math.log(n) - float(torch.stack(losses).mean())


information = {rho: -dimensions / 2 * math.log(1 - rho**2) for rho in (0.5, 0.9, 0.99)}
bounds = {rho: [bound(rho, n) for n in candidates] for rho in information}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(size=(7.2, 3.4))
steps = torch.tensor(candidates).double()
plots.curves(ax, steps, {f"ρ = {r:g}, I = {i:.2f}": bounds[r] for r, i in information.items()},
             markers=True, legend=False)
ax.plot(steps, steps.log(), color="k", lw=1, ls=(0, (1, 2)), label="log(N + 1)")
for value in information.values():
    ax.axhline(value, color=plots.GREY, lw=0.8)
ax.set(xscale="log", xlabel="candidates, N + 1", ylabel="nats", ylim=(0, 8.2))
plots.add_legend(ax, loc="upper left")
plots.picture(fig, """The bound log(N + 1) minus InfoNCE against the number of candidates, for
    three correlations. Each curve rises below the line log(N + 1) to its own mutual information,
    a thin horizontal line; the strongest correlation, 7.83 nats, is still far from its own.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Each curve stays below both lines: $\log(N+1)$, and its own mutual
# information. For $\rho = 0.99$ even the *best possible* scores say only what the number of
# negatives lets them say. *Why it matters:* to measure $I$ nats one needs about $e^I$ candidates.
# Big batches are not a detail of engineering.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A contrastive learner, trained live (2 of 4)
#
# SimCLR (Chen et al., 2020): two random views of each of $B$ pictures; each view has to find its
# partner among the other $2B - 1$. On digits, with crops and changes of contrast:

# %% slideshow={"slide_type": "subslide"}
half = len(ones) // 2
digit_train, digit_test = (ones[:half], named[:half]), (ones[half:], named[half:])
VIEWS = {"flip": False, "grey": 0.0, "crop": 0.5, "jitter": 0.3}


def simclr():
    return pretext.Contrastive((1, 8, 8), widths=(32, 64), **VIEWS)


seeing, blank = trained(simclr, ones[:half], steps=400, batch_size=128), fresh(simclr)
plots.number_table(
    ["features", "linear", "k-NN"],
    [["raw pixels", *probes(torch.nn.Flatten(), digit_train, digit_test)],
     ["random weights", *probes(blank, digit_train, digit_test)],
     ["contrastive", *probes(seeing, digit_train, digit_test)]], digits=3,
    caption="test accuracy on ten digits")

# %% slideshow={"slide_type": "subslide"}
def neighbours(model, queries, n=8):
    """Return the n pictures whose features are nearest, (Q,) -> (Q, n)."""
    features = frozen_features(model, ones)
    z = F.normalize(features - features.mean(0), dim=1)
    return (z[queries] @ z.T).topk(n + 1, dim=1).indices[:, 1:]


everyone = torch.arange(len(ones))
nearest = {name: neighbours(m, everyone) for name, m in (("contrastive", seeing),
                                                         ("random weights", blank))}
same = {name: (named[n] == named[:, None]).float().mean(1) for name, n in nearest.items()}
queries = same["random weights"].argsort()[:4]  # where random weights do worst
fig, ax = plots.figure(1, 2, size=(9.8, 3.0))
for a, (name, near) in zip(ax, nearest.items(), strict=True):
    plots.image_rows(a, {f"{i}: a {int(named[q])}, {int(8 * same[name][q])} of 8":
                         torch.cat([ones[q], ones[near[q], 0]])
                         for i, q in enumerate(queries, 1)},
                     title=f"{name}: {float(same[name].mean()):.1%} right over all digits")
plots.picture(fig, f"""Four digits (first column) and their eight nearest neighbours by contrastive
    features, left, and by an untrained encoder, right. Over all digits
    {float(same["contrastive"].mean()):.1%} and {float(same["random weights"].mean()):.1%} of the
    neighbours are of the same class.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The four digits for which *random* weights do worst, each with its eight
# nearest neighbours and how many of them are of its class. Contrastive features find the class
# more often, here and over all digits (the titles). No label was used: what crops and contrast
# leave alike is the digit.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### "Choosing the augmentations is important"
#
# What a view may change, the features learn to ignore. The same learner on coloured shapes, with
# and without changes of colour:

# %% slideshow={"slide_type": "subslide"}
def invariant(**views):
    return trained(lambda: pretext.Contrastive((3, 16, 16), crop=0.5, **views), x, steps=150)


choices = {"random weights": untrained, "views keep colour": invariant(jitter=0.0, grey=0.0),
           "views change colour": invariant(jitter=0.8, grey=0.5)}
found = {name: [knn_probe(m, colours, colours_test).mean, knn_probe(m, train, test).mean]
         for name, m in choices.items()}
fig, ax = plots.figure(size=(7.0, 2.8))
plots.bars(ax, ["colour (6)", "shape (3)"], found, form="{:.2f}")
ax.set(ylim=(0, 1.45), ylabel="k-NN accuracy")
plots.picture(fig, f"""k-NN accuracy for colour and shape: {found}.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** If views keep the colour, it is the easiest way to find the partner, and
# the features are about colour. If views change it, colour is what is forgotten. For the shape
# neither helps here: pictures of one shape differ most in place and size, and *those* tell
# instances apart. "Images of the same class are negatives; nothing prevents it from focusing on
# the background."

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Contrastive predictive coding
#
# Context prediction and instances in one: from the rows of patches **above**, predict the code of
# a patch $k$ rows below and find it among all patches of the batch,
# $q = W_k c$, $p = z_{+k}$. That the context sees only rows above must hold exactly; a Jacobian
# shows it:

# %% slideshow={"slide_type": "subslide"}
cpc = fresh(lambda: pretext.CPC((3, 16, 16), patch=4, stride=2)).double().eval()
z = torch.randn(1, 64, 7, 7, generator=seeded(), dtype=torch.float64, requires_grad=True)
context = cpc.context(z)
slopes = [torch.autograd.grad(context[0, :, r, 3].sum(), z, retain_graph=True)[0] for r in (2, 4)]
fig, ax = plots.figure(1, 2, size=(5.6, 2.8))
for a, r, slope in zip(ax, (2, 4), slopes, strict=True):
    plots.heat(a, slope[0].abs().sum(0), title=f"context of row {r}, column 3")
    a.plot(3, r, "x", color="k", markersize=9, mew=2)
plots.picture(fig, """On a 7 by 7 grid of patches, which codes the context of a place (cross)
    depends on: rows above it within a cone, its own row and those below not at all.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Nothing at or below the place. It keeps what instances need and learns
# about parts as context prediction does, and it inherits both lists of cons: other pictures of the
# same class are negatives, it trains on patches, it needs pictures that stand upright.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5.6 Time: what a video knows

# %% tags=["setup"] slideshow={"slide_type": "skip"}
CLIP = 79  # things that are fast enough for a clean mask
film = clips.x[CLIP]  # (16, 3, 16, 16)
moving = motion_mask(clips.x[CLIP : CLIP + 1])[0].float()[:, None]  # (16, 1, 16, 16)
swaps = torch.stack([film[9][[1, 2, 0]], film[9], film[9][[2, 0, 1]], film[9][[0, 2, 1]]])
shuffled = torch.cat([film[[1, 4, 7]], film[[11, 5, 8]], film[[9, 12, 15]]])
when = [
    widgets.Question("watching objects move", "which pixels will move?", film[3:4],
                     moving[[9, 0, 12, 3]], 3),
    widgets.Question("tracking by colourisation", "the second frame in colour?",
                     torch.stack([film[7], grey(film[9:10])[0]]), swaps, 1),
    widgets.Question("temporal order", "are these three in order?", film[[2, 8, 5]],
                     ("yes", "no"), 1),
    widgets.Question("odd one out", "which of the rows is not in order?", shuffled,
                     ("the upper", "the middle", "the lower"), 1, columns=3),
    widgets.Question("time-contrastive", "which is near in time to this one?", film[3:4],
                     film[[11, 4]], 1),
    widgets.Question("frame prediction", "what comes next?", film[[4, 5]], film[[3, 6, 9, 2]], 1),
]

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.quiz_explorer(when)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Watching objects move, trained live (3 of 4): segmentation emerges
#
# The video says which pixels moved: those that differ from what the pixel usually shows, the
# median over the clip. The network gets **one frame** and has to say which pixels *would* move,
# with the cross-entropy of each pixel (Pathak et al., 2017). In this world some things rest
# ("stationary") in about one clip out of three.

# %% slideshow={"slide_type": "subslide"}
resting = data.world(1200, seed=4, num_shapes=1, stationary=0.35, background="texture")
watcher = trained(lambda: pretext.WatchingMotion((16, 3, 16, 16)), resting.x, steps=220)
test_clips = data.world(400, seed=5, num_shapes=1, stationary=0.35, background="texture")
moves = test_clips.attributes["tracks"][:, :, 0].std(1).amax(1) > 0
frames, true = test_clips.x[:, 0], test_clips.attributes["masks"][:, 0] > 0
segments = watcher.segment(frames)
plots.number_table(
    ["things in the test clips", "clips", "IoU with the rendered mask"],
    [["that move", int(moves.sum()), iou(segments, true)[moves].mean()],
     ["that rest", int((~moves).sum()), iou(segments, true)[~moves].mean()]],
    digits=3, caption="segmenting a single frame; the target of a resting thing is the empty mask")

# %% slideshow={"slide_type": "subslide"}
def as_images(mask):
    return mask.float()[:, None]


fig, ax = plots.figure(size=(9.0, 2.4))
plots.colour_rows(ax, {"one frame": frames[:14], "would move": as_images(segments[:14]),
                       "rendered mask": as_images(true[:14])})
plots.picture(fig, """Fourteen frames with a textured ground, what the network says would move, and
    the rendered masks of the shapes. They agree in place and roughly in size.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Nobody drew a mask, and single frames are segmented. (The targets come
# from a motion segmentation that is given, here the median. A network that saw several frames
# could read them off: the task does not extend to video networks.) What *rests* has an empty
# target, "blind spot: stationary objects". It is segmented all the same, because its kind moves
# elsewhere. The blind spot is a kind of thing that *never* moves:

# %% slideshow={"slide_type": "subslide"}
def still_circles(n, seed):
    """Clips of one thing each: squares and triangles move, circles rest."""
    moving, rest = (data.world(n, seed=seed, num_shapes=1, stationary=p) for p in (0.0, 1.0))
    circle = SHAPES.index("circle")
    return torch.cat([moving.x[moving.y != circle], rest.x[rest.y == circle]])


def by_kind(video, steps):
    task = trained(lambda: pretext.WatchingMotion((16, 3, 16, 16)), video, steps=steps)
    overlap = iou(task.segment(x_test), x_test.amax(1) > 0.2)
    return [float(overlap[known_test["shape"] == s].mean()) for s in range(3)]


blind = {"everything moves": by_kind(data.world(1000, seed=6, num_shapes=1).x, 200),
         "circles never move": by_kind(still_circles(1000, seed=6), 200)}

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(size=(7.0, 2.8))
plots.bars(ax, SHAPES, blind, form="{:.2f}")
ax.set(ylim=(0, 1.4), ylabel="IoU")
plots.picture(fig, f"""Intersection over union for circles, squares and triangles: {blind}.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** What never moves is hardly ever found. *Why it matters:* a blind spot is
# not noise that more data would remove. It is systematic.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Tracking emerges from colour
#
# Colour frame $t'$, of which only the lightness is shown, by **copying** from frame $t$: with
# embeddings $e$ of each pixel,
#
# $$\hat c_j = \sum_i A_{ij}\, c_i, \qquad
#   A_{ij} = \frac{\exp(\cos(e_i, e_j) / \tau)}{\sum_k \exp(\cos(e_k, e_j) / \tau)}$$
#
# (Vondrick et al., 2018). Who copies well knows which pixel went where. So copy *labels* instead
# of colours, and the mask of the first frame is carried along:

# %% slideshow={"slide_type": "subslide"}
tracker = trained(lambda: pretext.TrackingByColorization((16, 3, 16, 16), widths=(16, 32)),
                  clips.x, steps=160, batch_size=24, lr=1e-2)
held = data.world(60, seed=7)
start = held.attributes["masks"][:, 0]
tracked = tracker.track(held.x, start)


def overlap(found, t):
    """Return the mean IoU of both things with their rendered masks at frame t."""
    true = held.attributes["masks"][:, t]
    return float(torch.stack([iou(found == k, true == k).mean() for k in (1, 2)]).mean())


rows = [[t, overlap(tracked[:, t], t), overlap(start, t)] for t in (1, 2, 4, 8)]
plots.number_table(["frames later", "tracked", "if nothing moved"], rows, digits=3,
                   caption="IoU with the rendered masks")

# %% slideshow={"slide_type": "subslide"}
each = [iou(tracked[:, t] == k, held.attributes["masks"][:, t] == k) for t in (3, 6)
        for k in (1, 2)]
one = int(torch.stack(each).mean(0).argmax())
fig, ax = plots.figure(size=(8.0, 2.6))
plots.colour_rows(ax, {"clip": held.x[one, :9], "carried along": as_images(tracked[one, :9] / 2),
                       "rendered": as_images(held.attributes["masks"][one, :9] / 2)})
plots.picture(fig, """Nine frames of one of the best clips, the labels of its two shapes carried
    from the first frame by copying, and the rendered masks.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Labels of the first frame follow the shapes (grey and
# white: two things). Nobody ever gave a track. It works by look alone, "low-level cues are
# effective": where two shapes meet, labels leak.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The arrow of time
#
# Are three frames in order? Shown one forwards or backwards clip, which is it? (Misra et al.,
# 2016; the direction: Wei et al., 2018.) In an **elastic** world a film played backwards is as
# probable as forwards, so *no* network can do better than $1/2$. With friction things slow down:

# %% slideshow={"slide_type": "subslide"}
def direction(friction):
    kind = {"num_shapes": 1, "frames": 11, "friction": friction}
    task = trained(lambda: pretext.TemporalOrder((11, 3, 16, 16), question="direction", stride=5,
                                                 widths=(16, 32)),
                   data.world(1200, seed=1, **kind).x, steps=300, lr=1e-2,
                   batch_size=48)
    return task.score(data.world(1000, seed=2, **kind).x, generator=seeded())


rows = [[name, *direction(f)[:2]] for name, f in (("none: elastic", 0.0), ("0.4", 0.4))]
plots.number_table(["friction", "forwards or backwards?", "chance"], rows, digits=3,
                   caption="accuracy on new clips")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** A coin's toss in the reversible world, more than three in four with
# friction: what is learnt is the physics that breaks the symmetry. As with a circle's rotation,
# *no symmetry broken, nothing learnt*. Two relatives are in the quiz: find the odd one of $N$
# sequences (chance $1/N$), and embed frames so that near in time is near (a triplet loss; it is in
# the table of 5.9).

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The next frame
#
# Predict $x_{t+1}$ with the least squared error: the answer is the mean of all possible futures.
# From **one** frame a thing may go anywhere; from **two** its velocity is known. Each pixel is a
# mixture of pixels nearby in the last frame, with weights that the network gives:

# %% slideshow={"slide_type": "subslide"}
single, single_test = data.world(800, seed=9, num_shapes=1), data.world(300, seed=10, num_shapes=1)
futures = {n: trained(functools.partial(pretext.FramePrediction, (16, 3, 16, 16), context=n,
                                        widths=(16, 32)), single.x, steps=130, lr=1e-2,
                      batch_size=24) for n in (1, 2)}
score = {n: task.score(single_test.x, generator=seeded()) for n, task in futures.items()}
start = single_test.x[:10, 4:6]
with torch.no_grad():
    after = {n: task(start[:, 2 - n :]) for n, task in futures.items()}
fig, ax = plots.figure(size=(8.6, 3.0))
plots.colour_rows(ax, {"last frame": start[:, 1], "next, from one": after[1],
                       "next, from two": after[2], "next": single_test.x[:10, 6]})
plots.picture(fig, f"""Ten last frames, the next as predicted from one and from two frames, and the
    true next. Squared errors {score[1].value:.4f} and {score[2].value:.4f}; the last frame once
    more {score[1].chance:.4f}.""")

# %% slideshow={"slide_type": "subslide"}
plots.number_table(["prediction", "squared error of a pixel"],
                   [["the last frame once more", score[1].chance],
                    ["from one frame", score[1].value], ["from two frames", score[2].value]])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** From one frame a halo, the mean over all directions; from two a sharper
# thing at the right place. The blur is not a weakness of the network but the right answer to the
# wrong question: one frame does not hold the future.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5.7 Several senses

# %% tags=["setup"] slideshow={"slide_type": "skip"}
def spectrogram(sound):
    """Draw sounds as images: (N, S) -> (N, 1, 32, 32), low pitches below, dark for loud."""
    window = torch.hann_window(64)
    power = torch.stft(sound, 64, hop_length=8, window=window, return_complex=True).abs()
    level = power.flip(1).log1p()[:, None]
    return 1 - F.interpolate(level / level.amax((2, 3), keepdim=True).clamp(min=1e-6), (32, 32))


beats = data.world(300, seed=11, num_shapes=1, size=32)
loud = beats.attributes["bounces"][:, 3:5].any(2).any(1).nonzero()[:, 0]
heard = loud[[0, 1, 2, 3]]
moment = beats.attributes["bounces"][heard, :15, 0].int().argmax(1)
sounds = torch.stack([beats.attributes["sound"][c, t : t + 2].flatten()
                      for c, t in zip(heard, moment, strict=True)])
told = beats.attributes["said_of"][:, 0] == 0
spoken = told.nonzero()[:4, 0]
lines = tuple(WORLD_WORDS.decode(beats.attributes["tokens"][spoken, 0]))
senses = [
    widgets.Question("audio-visual", "which sound is this? (pitch by colour, timbre by shape)",
                     beats.x[heard[1], moment[1]][None], spectrogram(sounds), 1),
    widgets.Question("narration", "what is said around this time?",
                     beats.x[spoken[2]][::3], lines, 2),
]

# %% tags=["widget"] slideshow={"slide_type": "subslide"}
widgets.quiz_explorer(senses)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Picture and sound, trained live (4 of 4): the sound is localised
#
# Does this sound go with this picture? (Arandjelović & Zisserman, 2017.) The score of a pair is
# the largest cosine of the sound with any **place** of the picture, $s = \max_{h, w}
# \cos(v_{hw}, a)$ ("Objects that sound", 2018). To answer, the network has to find the place:

# %% slideshow={"slide_type": "subslide"}
def audio_visual_task(clips, steps, widths=(16, 32), **options):
    sound = clips.attributes["sound"]
    ok = audio_visual.audible(sound[:, :-1])  # silent clips ask nothing
    shape = tuple(clips.x.shape[1:])
    return trained(lambda: pretext.AudioVisual(shape, widths=widths, **options), clips.x[ok],
                   sound[ok], steps=steps, lr=5e-3)


def single_bounces(clips):
    """Return moments at which one thing alone sounds: clip, frame, sound, and which thing."""
    bounces, sound = clips.attributes["bounces"], clips.attributes["sound"]
    some, alone = bounces.any(2), bounces.sum(2) == 1
    alone[:, 1:] &= ~some[:, :-1]
    alone[:, :-1] &= ~some[:, 1:]
    alone[:, -1] = False
    clip, t = alone.nonzero().T
    return clip, t, torch.stack([sound[clip, t], sound[clip, t + 1]], 1), bounces[
        clip, t].int().argmax(1)


hearing = audio_visual_task(clips, 250)
concert = data.world(200, seed=8)
clip, t, heard, thing = single_bounces(concert)
with torch.no_grad():
    maps = hearing.localise(concert.x[clip, t], heard)  # (M, 16, 16)

# %% slideshow={"slide_type": "subslide"}
at = maps.flatten(1).argmax(1)
label = concert.attributes["masks"][clip, t].flatten(1).gather(1, at[:, None])[:, 0].long()
area = concert.attributes["masks"][clip, t]
share = [(area == k + 1).float().mean((1, 2)) for k in (0, 1)]
place = torch.stack([at % 16, at // 16], 1)[:, None] / 16 + 1 / 32  # (M, 1, 2)
apart = (place - concert.attributes["tracks"][clip, t]).norm(dim=2)  # to each thing, (M, 2)
nearer = apart.argmin(1) == thing
grid = torch.cartesian_prod(torch.arange(16), torch.arange(16)).flip(1) / 16 + 1 / 32
anywhere = torch.cdist(grid[None], concert.attributes["tracks"][clip, t]).argmin(2)  # (M, 256)
rows = [["the thing that sounds", (label == thing + 1).float().mean(),
         torch.where(thing == 0, share[0], share[1]).mean()],
        ["the other thing", (label == 2 - thing).float().mean(),
         torch.where(thing == 0, share[1], share[0]).mean()],
        ["the background", (label == 0).float().mean(), (area == 0).float().mean()],
        ["nearer to the thing that sounds", nearer.float().mean(),
         (anywhere == thing[:, None]).float().mean()]]
plots.number_table(["the map's maximum lies on", "share", "at random"], rows, digits=3,
                   caption=f"{len(clip)} moments at which one of two things sounds")

# %% slideshow={"slide_type": "subslide"}
some = (label == thing + 1).nonzero()[:40:4, 0]
level = (maps[some] - maps[some].amin((1, 2), keepdim=True)) / (
    maps[some].amax((1, 2), keepdim=True) - maps[some].amin((1, 2), keepdim=True))
sounding = concert.attributes["masks"][clip[some], t[some]] == thing[some, None, None] + 1
fig, ax = plots.figure(size=(8.0, 2.6))
plots.colour_rows(ax, {"frame": concert.x[clip[some], t[some]], "goes with\nthe sound":
                       level[:, None], "what sounds": as_images(sounding)})
plots.picture(fig, """Ten frames of two shapes, the map of how well each place goes with the sound,
    bright at one of the two, and the mask of the shape that sounds: the same one.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** The map is bright at the thing that sounds and not at the other. It has
# 4 × 4 places only, so its maximum often lies beside the thing, but nearly always on that side.
# (The figure shows moments where it lies on the thing; the table counts all.) Nobody ever said
# where.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The blind spot: what makes no sound
#
# The same, where circles bounce without a sound during training:

# %% slideshow={"slide_type": "subslide"}
deaf = audio_visual_task(data.world(1200, seed=3, silent=("circle",)), 250)


@torch.no_grad()
def accepted(task):
    """How often is a thing's own sound said to go with its picture? For each shape."""
    yes = torch.cat([task(p).diagonal() > 0 for p in zip(
        concert.x[clip, t].split(200), heard.split(200), strict=True)]).float()
    kind = concert.attributes["shape"][clip, thing]
    return [float(yes[kind == s].mean()) for s in range(3)]


agrees = {"all shapes sounded": accepted(hearing), "circles were silent": accepted(deaf)}
fig, ax = plots.figure(size=(7.0, 2.8))
plots.bars(ax, SHAPES, agrees, form="{:.2f}")
ax.set(ylim=(0, 1.4), ylabel="own sound accepted")
plots.picture(fig, f"How often a thing's own sound is accepted, by shape: {agrees}.")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** A circle's sound, never heard in training, is taken for somebody else's.
# "Not everything makes a sound", and with narration "not everything is mentioned". In exchange two
# pros: two natural views, so no augmentations; and no train-eval gap, a frame is a frame. "Two
# cases only" is a small output space; asked *which* of the batch's sounds belongs to it (InfoNCE),
# the frame has to know more, and so it is asked in 5.9.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Narration: somebody said it, at about this time
#
# Speech is less aligned than sound: the sentence about a bounce comes early or late. So several
# candidates $P$ around the time are taken, of which *at least one* should fit, and probabilities
# are added before the logarithm: **MIL-NCE** (Miech et al., 2020),
#
# $$\mathcal L = -\log \frac{\sum_{p \in P} e^{s_p}}{\sum_{p \in P} e^{s_p} +
#   \sum_{n \in N} e^{s_n}}.$$

# %% slideshow={"slide_type": "subslide"}
positives, negative = torch.tensor([[0.0, 4.0]]), torch.tensor([[0.0]])
each = [mil_nce(positives[:, i : i + 1], negative) for i in (0, 1)]
plots.number_table(["", "loss, nats"], [
    ["scores (0, 4) against 0: sum inside the logarithm", mil_nce(positives, negative)],
    ["mean of the two candidates' InfoNCE: both have to fit", (each[0] + each[1]) / 2],
    ["the good candidate alone: InfoNCE", each[1]],
])

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** One good candidate is enough: 0.0178 nats, a little less than for the
# good one alone. The mean of logarithms, 0.3556, would still blame the network for a sentence that
# was about something else.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5.8 The same idea in text
#
# "All [MASK] have tusks": the neighbours of a word are a target that costs nothing (word2vec:
# Mikolov et al., 2013; BERT: Devlin et al., 2019). In the **skip-gram** with $k$ noise words,
#
# $$\log \sigma(w^\top c) + \sum_{i=1}^{k} \mathbb E_{n_i \sim p(c)} \log \sigma(-w^\top n_i),$$
#
# the best inner product is known, pointwise mutual information shifted by $\log k$ (Levy &
# Goldberg, 2014):
# $w^\top c = \log \dfrac{p(w, c)}{p(w)\, p(c)} - \log k$. On texts of two words with a known joint
# distribution:

# %% slideshow={"slide_type": "subslide"}
joint = torch.exp(0.8 * torch.randn(8, 8, generator=seeded(5), dtype=torch.float64))
pair = torch.multinomial((joint + joint.T).flatten(), 40_000, True, generator=seeded(1))
corpus, k = torch.stack([pair // 8, pair % 8], 1), 2
words = fresh(lambda: pretext.SkipGram((2,), num_words=9, num_embedding=8, num_negatives=k))
for lr, steps in ((3e-2, 100), (3e-3, 60)):
    fit(words, corpus, loss=pretext_loss, steps=steps, batch_size=4000, lr=lr, device="cpu",
        progress=False)
target = shifted_pmi(cooccurrence(corpus, num_words=9), num_negatives=k)[:8, :8].flatten()
inner = words.inner_products().detach()[:8, :8].flatten().double()

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(size=(4.4, 3.6))
ax.plot(target, inner, "o", color=plots.BLUE, markersize=4, alpha=0.8)
ends = torch.tensor([float(target.min()), float(target.max())])
ax.plot(ends, ends, color="k", lw=1, label="PMI - log k")
ax.plot(ends, ends + math.log(k), color="k", lw=1, ls=":", label="PMI, without the shift")
ax.set(xlabel="PMI - log k, counted", ylabel="inner product, learnt")
plots.add_legend(ax)
off = float((inner - target).abs().mean())
plots.picture(fig, f"""Learnt inner products of 64 pairs of words against PMI - log k: they lie
    near the diagonal, on average {off:.2f} away, and below the line without the shift.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** Points near the solid line, log 2 = 0.69 below the dotted one. This is
# InfoNCE's score once more: the density ratio of what belongs together against what does not.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A hidden word
#
# BERT's version hides a word and asks a transformer (unit 02) for it, $p(w_i \mid w_{-i})$. On the
# narration of our world, one word at a time of one sentence:

# %% slideshow={"slide_type": "subslide"}
said = clips.attributes["tokens"].flatten(0, 1)  # (4800, 7)
bert = trained(lambda: pretext.MaskedWords((7,), num_words=len(WORLD_WORDS)), said, steps=250,
               lr=1e-2, batch_size=128)
sentence = WORLD_WORDS.encode(["the blue square hits the top wall"], length=7)
places = torch.arange(7)[:, None]
with torch.no_grad():
    p = bert((sentence.repeat(7, 1).scatter(1, places, len(WORLD_WORDS)), places)).softmax(1)
rows = []
for i, row in enumerate(p):
    hidden, three = WORLD_WORDS.decode(sentence[:, i : i + 1])[0], row.topk(3)
    guesses = WORLD_WORDS.decode(three.indices[:, None])
    rows.append([hidden, ", ".join(f"{w} {v:.2f}" for w, v in zip(guesses, three.values,
                                                                  strict=True))])
plots.number_table(["hidden", "the three most probable words"], rows)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** "hits", "wall" and "the" are certain: grammar. For colour, shape and
# side it spreads its bets over the words of that *kind*, as it must: kinds of words were learnt,
# and nothing else was there to be known.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5.9 All of them in one table
#
# One call trains each task for the same number of batches, freezes the encoder, and asks both
# probes for the *shape*, a label that no task has seen. Here with 200 batches each, a matter of
# seconds:

# %% slideshow={"slide_type": "subslide"}
worlds = data.world(1500, seed=3, num_shapes=1)
a = worlds.attributes
ok = audio_visual.audible(a["sound"][:, :-1])
unlabelled = {"images": worlds.x[:, 0], "video": worlds.x,
              "audiovisual": (worlds.x[ok], a["sound"][ok]),
              "narrated": (worlds.x, a["tokens"], a["times"])}
which = functools.partial(pretext.AudioVisual, (16, 3, 16, 16), question="which")
chosen = ["context_prediction", "jigsaw", "rotation", "relative_transform", "denoising",
          "context_encoder", "cpc", "contrastive", "time_contrastive", "watching_motion",
          "narration"]
shapes_of = {"images": (3, 16, 16), "video": (16, 3, 16, 16), "narrated": (16, 3, 16, 16)}
makers = {n.replace("_", " "): functools.partial(TASKS[n], shapes_of[TASKS[n].takes])
          for n in chosen} | {"audio-visual": which}
results = pretext.compare(makers, unlabelled, train=train, test=test, fit=fit, steps=200,
                          batch_size=48, lr=3e-3,
                          probes={"linear": linear_probe, "k-NN": knn_probe})

# %% slideshow={"slide_type": "subslide"}
def cell(value):
    return "" if value is None else f"{value:.3f}"


rank = {c: i for i, c in enumerate((*pretext.CATEGORIES, "baseline"))}
results.sort(key=lambda r: (rank[r["category"]], r["task"]))
plots.number_table(
    ["category", "task", "its own measure", "score", "chance", "linear", "k-NN", "seconds"],
    [[r["category"], r["task"], r["metric"] or "", cell(r["score"]), cell(r["chance"]),
      cell(r["linear"]), cell(r["k-NN"]), f"{r['seconds']:.1f}"] for r in results],
    caption="3 shapes, 200 batches of 48, one seed; seconds of processor time for training")

# %% slideshow={"slide_type": "subslide"}
fig, ax = plots.figure(size=(9.6, 4.2))
names = [r["task"] for r in results]
at = torch.arange(len(results))
for shift, probe, (colour, _, _, hatch) in zip((-0.2, 0.2), ("linear", "k-NN"), plots.SERIES,
                                               strict=False):
    drawn = ax.barh(at + shift, [r[probe] for r in results], 0.38, label=probe, color=colour,
                    hatch=hatch, edgecolor="white")
base = {r["task"]: r["linear"] for r in results}
ax.axvline(base["random"], color="k", ls="--", lw=1)
ax.text(base["random"] + 0.005, -1.0, "random, linear", fontsize=plots.SMALL, va="center")
ax.set(yticks=at, xlim=(0.3, 1.02), ylim=(len(results) - 0.4, -1.5),
       xlabel="accuracy of the probe; one in three is chance")
ax.set_yticklabels([f"{r['task']}  ({r['category']})" for r in results], fontsize=plots.SMALL)
plots.add_legend(ax, loc="upper right")
plots.picture(fig, f"""Probe accuracies for the shape by task and category: {
    {r['task']: (round(r['linear'], 2), round(r['k-NN'], 2)) for r in results}}.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** (A probe's standard error is about 0.015.) *Above* random weights on
# both probes: context prediction, jigsaw, rotation, predictive coding, audio-visual, narration:
# their answers depend on the shape, by its parts, its pose, its timbre or its name. *Not above*:
# denoising and the context encoder, which colour and outline satisfy; contrastive and
# time-contrastive, for which place, size and colour are the better keys. Relative transformation
# and watching motion gain in the linear probe only. Raw pixels are a hard opponent for nearest
# neighbours on small pictures. With labels the same network is nearly perfect: none of these
# questions asks for all that a label asks for.
#
# One seed and 200 batches are a demonstration, not a ranking. `gencourse scores pretext` makes the
# long table over seeds, which stands in `docs/scores_pretext.md` with its settings.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Few labels
#
# What it is all for: many pictures, few labels. The contrastive encoder of section 5.5 saw 898
# digits without labels. Now the linear probe gets $n$ labels a class, three draws of them:

# %% slideshow={"slide_type": "subslide"}
few = [1, 2, 5, 10, 20, 50]
models = {"contrastive": seeing, "raw pixels": torch.nn.Flatten(), "random weights": blank}
curves = {}
for name, model in models.items():
    scores = torch.tensor([[linear_probe(model, digit_train, digit_test, labels=n, seed=s).mean
                            for s in range(3)] for n in few])
    curves[name] = (scores.mean(1), scores.std(1) / math.sqrt(3))
fig, ax = plots.figure(size=(6.6, 3.4))
plots.curves(ax, torch.tensor(few), curves, markers=True)
ax.set(xscale="log", xlabel="labels a class", ylabel="test accuracy", ylim=(0.4, 1.0))
ax.set_xticks(few, few)
ax.minorticks_off()
plots.picture(fig, f"""Accuracy against the labels a class: {
    {n: [round(float(v), 2) for v in c[0]] for n, c in curves.items()}}.""")

# %% [markdown] slideshow={"slide_type": "fragment"}
# **What you should see.** With $n$ labels contrastive features do about as well as raw pixels with
# $2n$; the fewer labels, the larger the gain. With fifty a class it is nearly gone.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to keep
#
# - A pretext task is a choice of what to look at **and of what to be blind to**: circles for
#   rotation, colour for jittered views, what rests, what is silent.
# - A solved task proves nothing: a lens, a sky, a border may have solved it. A hard task proves
#   nothing either: reconstruction spends itself on detail.
# - A symmetry that the data has cannot be learnt from: quarter turns of a circle, time
#   reversal of an elastic film.
# - The number to report is a probe's, beside raw pixels, random weights and a supervised encoder.
#
# ### The slides' pros and cons, measured here
#
# | the slides | measured in |
# |---|---|
# | networks can cheat | a lens on pure noise (5.2) |
# | small output space | Hamming distances of a puzzle (5.2); $\log(N + 1)$ (5.5) |
# | canonical orientation; trivial domains; not fine-grained | 5.3 |
# | train-eval gap; low-level cues suffice; ambiguous; independent chunks | 5.4 |
# | invariant to what you choose | colour jitter (5.5) |
# | blind spots: stationary, silent | 5.6, 5.7 |
# | emergent: segmentation, tracking, localisation | 5.6, 5.7 |
#
# ### The slides' slips, collected
#
# | the slide | right |
# |---|---|
# | cross_entropy(softmax(logits)) | cross_entropy(logits); else floor $\log(1 + N/e)$ (5.5) |
# | "Context encoders" over colourisation's pros and cons | colourisation (5.4) |
#
# ### Sources
#
# The lecture: MIT 6.874, lecture 6; its tour of pretext tasks credits R. Arandjelović. Dosovitskiy
# et al., exemplars (2014). Doersch, Gupta & Efros, context prediction (2015). Noroozi & Favaro,
# jigsaw (2016). Pathak et al., context encoders (2016), watching objects move (2017). Zhang, Isola
# & Efros, colourisation (2016), split-brain (2017). Misra et al., temporal order (2016); Fernando
# et al., odd one out (2017); Sermanet et al., time-contrastive (2017); Wei et al., the arrow of
# time (2018). Arandjelović & Zisserman, *Look, listen and learn* (2017), *Objects that sound*
# (2018). Gidaris et al., rotation (2018), bags of visual words (2020). Vondrick et al., tracking
# by colourisation (2018). van den Oord, Li & Vinyals, CPC (2018). Chen et al., SimCLR (2020).
# Miech et al., MIL-NCE (2020). Mikolov et al. (2013), Levy & Goldberg (2014), Devlin et al.
# (2019), text. The homework of this unit asks you to build the pieces.
