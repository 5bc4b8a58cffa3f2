"""Exercises of unit 05: references, inputs, tolerances, known mistakes and other right answers.

Instructors only. `gencourse build` turns the references and the known mistakes into cases, plain
numbers; no line of this file reaches a student. A mistake is written as what it is, a change of
the reference (`variant`), and inputs are drawn until every mistake is far from the right answer
and from every other mistake.

Which exercise asks the central idea of which row of the curriculum is in `ROWS`.

Shapes: B batch, C channels or classes, H and W the image in pixels, D the embedding, T tiles or
frames, N candidates, patches or training points.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from gencourse.authoring.contract import Exercise, Test, Wrong
from gencourse.authoring.draws import grid, signed, telling, with_gradients
from gencourse.authoring.variants import mistakes, variant
from gencourse.exercises import adapter
from gencourse.exercises.encoding import decode, encode
from gencourse.exercises.judge import measure

ROWS = {
    "5.1": ("neighbour-patches", "shortcuts"),
    "5.2": ("jigsaw",),
    "5.3": ("rotation", "shortcuts"),
    "5.4": ("relative-transform",),
    "5.5": ("restore",),
    "5.6": ("restore",),
    "5.7": ("colour-bins", "shortcuts"),
    "5.8": ("split-brain",),
    "5.9": ("bag-of-words",),
    "5.10": ("info-nce",),
    "5.11": ("info-nce", "nt-xent", "metric-losses", "shortcuts"),
    "5.12": ("predictive-coding",),
    "5.13": ("what-moved",),
    "5.14": ("tracking",),
    "5.15": ("temporal-order",),
    "5.16": ("sound-and-sight",),
    "5.17": ("mil-nce",),
    "5.18": ("next-frame",),
    "5.19": ("skip-gram",),
}
EVALUATION = ("frozen-probe", "nearest-neighbours")
"""What is asked about every row: how a representation is judged."""


def by_probe_metrics(answer, call):
    """Compare what a trained probe is judged by."""
    weights = decode(adapter.call(answer, kind="weights", call=encode(call)))
    return measure(weights, call, "frozen_probe")


# --- 1. rotation ------------------------------------------------------------------------


def rotation_batch(x, uniforms):
    turns = (4 * uniforms).long()
    pairs = zip(x, turns, strict=True)
    turned = torch.stack([torch.rot90(image, int(k), (1, 2)) for image, k in pairs])
    return {"input": turned, "turns": turns}


def rotation_by_flips(x, uniforms):
    """A turn is a transposition and a flip of the rows; single precision."""
    turns, turned = [int(4 * u) for u in uniforms.tolist()], []
    for image, k in zip(x, turns, strict=True):
        for _ in range(k):
            image = image.transpose(1, 2).flip(1)
        turned.append(image.float().numpy())
    return {"input": np.stack(turned), "turns": turns}


def rotation_by_coordinates(x, uniforms):
    """Where each pixel of the turned image comes from."""
    turns, last = torch.floor(uniforms * 4).int(), x.shape[-1] - 1
    turned = torch.zeros_like(x)
    for i, j in np.ndindex(*x.shape[2:]):
        sources = [(i, j), (j, last - i), (last - i, last - j), (last - j, i)]
        for n, k in enumerate(turns.tolist()):
            turned[n, :, i, j] = x[n][:, sources[k][0], sources[k][1]]
    return {"turns": turns, "input": turned}


def rotation_by_numpy(x, uniforms):
    """All images four times, then a choice."""
    four = np.stack([np.rot90(x.numpy(), k, axes=(2, 3)) for k in range(4)])
    turns = np.digitize(uniforms.numpy(), [0.25, 0.5, 0.75])
    return {"input": four[turns, np.arange(len(x))], "turns": turns}


TURN = "torch.rot90(image, int(k), (1, 2))"
TURN_MISTAKES = mistakes(
    "turns",
    rotation_batch,
    (
        "rotation_clockwise",
        "You turn clockwise: one quarter turn counter-clockwise brings the upper right corner to "
        "the upper left.",
        ("int(k)", "-int(k)"),
    ),
    (
        "rotation_mirrored",
        "Your images are mirrored besides: a rotation leaves left and right of a thing as they "
        "are.",
        (TURN, f"{TURN}.flip(2)"),
    ),
    (
        "rotation_half_turn_by_one_flip",
        "Two quarter turns flip the rows *and* the columns; one flip is a mirror image.",
        (TURN, f"image.flip(1) if k == 2 else {TURN}"),
    ),
    (
        "rotation_by_transposing",
        "You transpose for odd numbers of turns: that is a mirror image at the diagonal; one flip "
        "more makes it a turn.",
        (TURN, f"image.transpose(1, 2) if k % 2 else {TURN}"),
    ),
    (
        "rotation_of_nothing",
        "Your images are not turned, and the labels say that they are.",
        ("int(k)", "0"),
    ),
    (
        "rotation_degrees",
        "Your labels are degrees; the number of quarter turns is asked, a class from 0 to 3.",
        ('"turns": turns', '"turns": 90 * turns'),
    ),
    (
        "rotation_undone",
        "Your label is the number of turns that would undo the rotation, not the number done.",
        ('"turns": turns', '"turns": (4 - turns) % 4'),
    ),
)
TURN_BATCH_MISTAKES = mistakes(
    "batch",
    rotation_batch,
    (
        "rotation_rounded",
        "You round 4u: then 0 turns and 4 turns, which look the same, are two classes, and their "
        "shares are not equal. Take the whole part.",
        ("(4 * uniforms)", "(4 * uniforms).round()"),
    ),
    (
        "rotation_from_one",
        "Your numbers of turns run from 1 to 4: take the whole part of 4u, from 0 to 3.",
        ("(4 * uniforms)", "(4 * uniforms).ceil()"),
    ),
    (
        "rotation_always_turned",
        "Not turned at all is one of the four answers; yours has only three.",
        ("(4 * uniforms).long()", "(3 * uniforms).long() + 1"),
    ),
    (
        "rotation_one_for_all",
        "You turn all images by the number of the first: each has a number of its own.",
        ("(4 * uniforms).long()", "(4 * uniforms[:1].expand(len(x))).long()"),
    ),
    (
        "rotation_labels_right_images_not",
        "The labels are right, but every image is turned as the first one is.",
        ("int(k)", "int(turns[0])"),
    ),
    (
        "rotation_of_channels",
        "You turn the channels against the rows: the last two axes are rows and columns.",
        ("(1, 2)", "(0, 1)"),
    ),
    (
        "rotation_sorted",
        "Your images come out sorted by their labels: row n belongs to image n.",
        ("    pairs", "    x, turns = x[turns.argsort()], turns.sort().values\n    pairs"),
    ),
)
TURN_WRONG = [Wrong(TURN_MISTAKES[0].answer, test="batch")]


def draw_turns(rng):
    """One image for each number of turns but 0."""
    uniforms = np.round((rng.permutation([1, 2, 3]) + rng.uniform(0.1, 0.4, 3)) / 4, 3)
    return {"x": grid(rng, 0.0, 1.0, 3, 1, 3, 3), "uniforms": uniforms}


def draw_turn_batch(rng):
    fractions = np.append(rng.uniform(0.1, 0.45, 4), rng.uniform(0.55, 0.95))
    uniforms = (np.append(rng.permutation(4), 3) + fractions) / 4
    return {"x": grid(rng, 0.0, 1.0, 5, 3, 3, 3), "uniforms": np.round(uniforms, 3)}


ROTATION = Exercise(
    id="rotation",
    answer="rotation_batch",
    kind="sampler",
    title="Which way is up",
    minutes=15,
    reference=rotation_batch,
    tests=[
        Test(
            "turns",
            1,
            telling(draw_turns, rotation_batch, TURN_MISTAKES, 0.05),
            properties=[
                {"name": "at_most", "key": "turns", "value": 3, "says": "classes are 0 to 3"}
            ],
        ),
        Test(
            "batch",
            1,
            telling(draw_turn_batch, rotation_batch, [*TURN_BATCH_MISTAKES, *TURN_WRONG], 0.05),
        ),
    ],
    mistakes=[*TURN_MISTAKES, *TURN_BATCH_MISTAKES],
    wrong=TURN_WRONG,
    right=[rotation_by_flips, rotation_by_coordinates, rotation_by_numpy],
    discouraged=("gencourse.pretext.Rotation", "gencourse.pretext.rotation.rotate"),
)


# --- 2. jigsaw --------------------------------------------------------------------------


class Jigsaw:
    def __init__(self, permutations):
        self.permutations = permutations

    def shuffle(self, x, index):
        g = math.isqrt(self.permutations.shape[1])
        b, h, w = len(x), x.shape[1] // g, x.shape[2] // g
        tiles = x.reshape(b, g, h, g, w).transpose(2, 3).reshape(b, g * g, h, w)
        order = self.permutations[index]  # (B, T)
        return tiles[torch.arange(b)[:, None], order]

    def solve(self, tiles, index):
        b, t, h, w = tiles.shape
        g = math.isqrt(t)
        back = self.permutations[index].argsort(1)
        tiles = tiles[torch.arange(b)[:, None], back]
        return tiles.reshape(b, g, g, h, w).transpose(2, 3).reshape(b, g * h, g * w)

    def farthest(self, candidates):
        moved = candidates[:, None] != self.permutations  # (M, P, T)
        distances = moved.sum(2).amin(1)
        return {"distances": distances, "best": distances.argmax()}


class JigsawByLoops:
    """Cut, place and count with plain loops."""

    def __init__(self, permutations):
        self.table = permutations.tolist()
        self.g = round(len(self.table[0]) ** 0.5)

    def place(self, j, h, w):
        row, column = divmod(j, self.g)
        return slice(row * h, (row + 1) * h), slice(column * w, (column + 1) * w)

    def shuffle(self, x, index):
        h, w, rows = x.shape[1] // self.g, x.shape[2] // self.g, []
        for image, i in zip(x.numpy(), index.tolist(), strict=True):
            rows.append([image[self.place(j, h, w)] for j in self.table[i]])
        return np.array(rows, dtype=np.float32)

    def solve(self, tiles, index):
        _, _, h, w = tiles.shape
        images = np.zeros((len(tiles), self.g * h, self.g * w))
        for image, parts, i in zip(images, tiles.numpy(), index.tolist(), strict=True):
            for j, part in zip(self.table[i], parts, strict=True):
                image[self.place(j, h, w)] = part
        return images

    def farthest(self, candidates):
        distances = []
        for c in candidates.tolist():
            apart = [sum(a != b for a, b in zip(c, p, strict=True)) for p in self.table]
            distances.append(min(apart))
        return {"best": distances.index(max(distances)), "distances": distances}


class JigsawByGather:
    """Tiles by unfold and gather, images by scatter and fold."""

    def __init__(self, permutations):
        self.permutations = permutations

    def shuffle(self, x, index):
        g = int(self.permutations.shape[1] ** 0.5)
        size = (x.shape[1] // g, x.shape[2] // g)
        columns = F.unfold(x[:, None], size, stride=size)  # (B, hw, T)
        order = self.permutations[index][:, None].expand_as(columns)
        return columns.gather(2, order).transpose(1, 2).unflatten(2, size)

    def solve(self, tiles, index):
        g = int(tiles.shape[1] ** 0.5)
        columns = tiles.flatten(2).transpose(1, 2)
        order = self.permutations[index][:, None].expand_as(columns)
        right = torch.zeros_like(columns).scatter(2, order, columns)
        size = tuple(tiles.shape[2:])
        return F.fold(right, (g * size[0], g * size[1]), size, stride=size)[:, 0]

    def farthest(self, candidates):
        same = F.one_hot(candidates).flatten(1) @ F.one_hot(self.permutations).flatten(1).T
        distances = candidates.shape[1] - same.max(1).values
        return {"distances": distances, "best": distances.max(0).indices}


CUT = "x.reshape(b, g, h, g, w).transpose(2, 3).reshape(b, g * g, h, w)"
ORDER = "order = self.permutations[index]"
BACK = "self.permutations[index].argsort(1)"
SHUFFLE_MISTAKES = mistakes(
    "permute",
    Jigsaw,
    (
        "JigsawBothInverse",
        "Permutation and inverse are confused in both methods: place j of the shuffled tiles "
        "holds tile permutation[j] of the picture.",
        (ORDER, f"order = {BACK}"),
        (f"back = {BACK}", "back = self.permutations[index]"),
    ),
    (
        "JigsawShufflesInverse",
        "Your `shuffle` moves tile j to place permutation[j]. That is the inverse: place j "
        "*receives* tile permutation[j].",
        (ORDER, f"order = {BACK}"),
    ),
    (
        "JigsawSolvesAgain",
        "Your `solve` applies the permutation once more; its inverse puts the tiles back.",
        (f"back = {BACK}", "back = self.permutations[index]"),
    ),
    (
        "JigsawByColumns",
        "Your tiles are numbered column by column: the order is that of reading, row by row.",
        (CUT, "x.reshape(b, g, h, g, w).permute(0, 3, 1, 2, 4).reshape(b, g * g, h, w)"),
    ),
    (
        "JigsawBlind",
        "A reshape alone does not cut an image into squares: it cuts the line of all its pixels. "
        "Split rows and columns, then bring the two axes of the grid together.",
        (CUT, "x.reshape(b, g * g, h, w)"),
    ),
    (
        "JigsawOnePermutation",
        "You shuffle all images by the permutation of the first.",
        (ORDER, "order = self.permutations[index[:1]].expand(b, -1)"),
    ),
    (
        "JigsawIndexIgnored",
        "You use permutation n for image n; `index` says which one it is.",
        (ORDER, "order = self.permutations[torch.arange(b)]"),
    ),
    (
        "JigsawTilesTransposed",
        "The picture is put together with its tiles in the right places, column by column.",
        (
            "reshape(b, g, g, h, w).transpose(2, 3)",
            "reshape(b, g, g, h, w).permute(0, 2, 3, 1, 4)",
        ),
    ),
)
FAR_MISTAKES = mistakes(
    "distance",
    Jigsaw,
    (
        "JigsawAgreements",
        "You count the places that agree; the Hamming distance counts those that differ.",
        ("candidates[:, None] != ", "candidates[:, None] == "),
    ),
    (
        "JigsawFarthestOfAll",
        "You take each candidate's distance to the *farthest* permutation of the set: the nearest "
        "one is what it will be mistaken for.",
        ("amin(1)", "amax(1)"),
    ),
    (
        "JigsawAllDistances",
        "You add up the distances to the set; the least one counts.",
        ("sum(2).amin(1)", "sum((1, 2))"),
    ),
    (
        "JigsawNearest",
        "You choose the candidate that is nearest to the set; the farthest makes the labels "
        "easiest to tell apart.",
        ("distances.argmax()", "distances.argmin()"),
    ),
    (
        "JigsawFirstOnly",
        "You compare with the first permutation of the set only.",
        ("sum(2).amin(1)", "sum(2)[:, 0]"),
    ),
    (
        "JigsawEuclid",
        "You subtract numbers of tiles: they are names, and tile 8 is no farther from tile 0 than "
        "tile 1 is.",
        (
            "moved = candidates[:, None] != self.permutations",
            "moved = (candidates[:, None] - self.permutations).abs()",
        ),
    ),
)
FAR_WRONG = [
    Wrong(
        variant(Jigsaw, "JigsawFirstCandidate", ("distances.argmax()", "distances.argmax() * 0")),
        test="distance",
    )
]


def draw_puzzles(rng):
    """Four tiles; permutations that are not their own inverse."""
    table = np.stack([rng.permutation(4) for _ in range(5)])
    if any((np.argsort(p) == p).all() for p in table):
        return None
    call = {"index": rng.permutation(5)[:2]}
    shuffled = {"x": grid(rng, 0.0, 1.0, 2, 4, 4)} | call
    solved = {"tiles": grid(rng, 0.0, 1.0, 2, 4, 2, 2)} | call
    return {
        "init": {"permutations": table},
        "calls": [["shuffle", shuffled], ["solve", solved]],
    }


def draw_candidates(rng):
    """Nine tiles; three permutations in the set, four to choose from, the farthest only one."""
    table = np.stack([rng.permutation(9) for _ in range(3)])
    candidates = np.stack(
        [rng.permutation(9) for _ in range(2)]
        + [swapped(rng, table[k], n) for k, n in ((0, 3), (1, 5))]
    )
    distances = np.sort((candidates[:, None] != table).sum(2).min(1))
    if distances[-1] == distances[-2]:
        return None
    return {"init": {"permutations": table}, "calls": [["farthest", {"candidates": candidates}]]}


def swapped(rng, permutation, n):
    """Move n places of a permutation round."""
    found, places = permutation.copy(), rng.permutation(len(permutation))[:n]
    found[places] = permutation[np.roll(places, 1)]
    return found


JIGSAW = Exercise(
    id="jigsaw",
    answer="Jigsaw",
    kind="class",
    title="A puzzle and its solution",
    minutes=25,
    reference=Jigsaw,
    tests=[
        Test("permute", 1, telling(draw_puzzles, Jigsaw, SHUFFLE_MISTAKES, 0.05)),
        Test("distance", 1, telling(draw_candidates, Jigsaw, [*FAR_MISTAKES, *FAR_WRONG], 0.05)),
    ],
    mistakes=[*SHUFFLE_MISTAKES, *FAR_MISTAKES],
    wrong=FAR_WRONG,
    right=[JigsawByLoops, JigsawByGather],
    discouraged=(
        "gencourse.pretext.Jigsaw",
        "gencourse.pretext.jigsaw.hamming",
        "gencourse.pretext.jigsaw.shuffle",
    ),
)


# --- 3. neighbour-patches ---------------------------------------------------------------


def neighbour_patches(x, top, left, direction, shift, size, gap, project):
    rows, columns = [-1, -1, -1, 0, 0, 1, 1, 1], [-1, 0, 1, -1, 1, -1, 0, 1]
    step = size + gap
    pairs = []
    for n, image in enumerate(x):
        down, right = rows[direction[n]], columns[direction[n]]
        r, c = int(top[n]), int(left[n])
        first = image[:, r : r + size, c : c + size]
        r, c = r + step * down + int(shift[n, 0]), c + step * right + int(shift[n, 1])
        second = image[:, r : r + size, c : c + size]
        pairs.append(torch.stack([first, second]))
    patches = torch.stack(pairs)  # (B, 2, C, P, P)
    if project:
        a = x.new_tensor([-1.0, 2.0, -1.0])
        amount = torch.einsum("c,bkchw->bkhw", a, patches) / (a @ a)
        patches = patches - amount[:, :, None] * a[:, None, None]
    return patches


def patches_by_numpy(x, top, left, direction, shift, size, gap, project):
    """Corners by arithmetic, patches by slicing, colours by a matrix; single precision."""
    place = direction.numpy() + (direction.numpy() > 3)  # the middle is number 4
    first = np.stack([top.numpy(), left.numpy()], axis=1)
    second = first + (size + gap) * (np.stack(divmod(place, 3), axis=1) - 1) + shift.numpy()
    images = x.float().numpy()
    if project:
        a = np.array([-1.0, 2.0, -1.0]) / math.sqrt(6)
        images = np.einsum("ij,bjhw->bihw", np.eye(3) - np.outer(a, a), images)
    return [
        [image[:, r : r + size, c : c + size] for r, c in corners]
        for image, corners in zip(images, np.stack([first, second], axis=1), strict=True)
    ]


def patches_by_unfold(x, top, left, direction, shift, size, gap, project):
    """All patches of the picture, then two of them; the colour by a convolution."""
    if project:
        a = x.new_tensor([-1.0, 2.0, -1.0])
        x = F.conv2d(x, (torch.eye(3, dtype=x.dtype) - a[:, None] * a / 6)[:, :, None, None])
    every = x.unfold(2, size, 1).unfold(3, size, 1)  # (B, C, rows, columns, P, P)
    ways = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    out = []
    for n in range(len(x)):
        down, right = ways[direction[n]]
        r, c = top[n] + down * (gap + size) + shift[n, 0], left[n] + right * (gap + size)
        out.append(torch.stack([every[n, :, top[n], left[n]], every[n, :, r, c + shift[n, 1]]]))
    return torch.stack(out)


PLACE = "down, right = rows[direction[n]], columns[direction[n]]"
PATCH_MISTAKES = mistakes(
    "places",
    neighbour_patches,
    (
        "patches_touch",
        "Your patches touch: without the gap every line that runs from one into the other gives "
        "the answer away.",
        ("step = size + gap", "step = size"),
    ),
    (
        "patches_overlap",
        "Your patches overlap: the gap is counted from the edge of the first patch, so corners "
        "are size + gap apart. What they have in common gives the answer away.",
        ("step = size + gap", "step = gap"),
    ),
    (
        "patches_two_gaps",
        "There are two gaps between your patches, one is asked.",
        ("step = size + gap", "step = size + 2 * gap"),
    ),
    (
        "patches_axes_swapped",
        "Rows and columns are swapped: answer 1 is above, answer 3 to the left.",
        (PLACE, "right, down = rows[direction[n]], columns[direction[n]]"),
    ),
    (
        "patches_middle_counted",
        "You count the middle as an answer: the eight neighbours are numbered 0 to 7 without it.",
        (PLACE, "down, right = int(direction[n]) // 3 - 1, int(direction[n]) % 3 - 1"),
    ),
    (
        "patches_clockwise",
        "You number the neighbours clockwise: they are numbered row by row.",
        ("[-1, -1, -1, 0, 0, 1, 1, 1]", "[-1, -1, -1, 0, 1, 1, 1, 0]"),
        ("[-1, 0, 1, -1, 1, -1, 0, 1]", "[-1, 0, 1, 1, 1, 0, -1, -1]"),
    ),
    (
        "patches_opposite",
        "Your second patch is on the opposite side: the answer says where it lies, seen from the "
        "first.",
        (PLACE, "down, right = -rows[direction[n]], -columns[direction[n]]"),
    ),
    (
        "patches_not_shifted",
        "The jitter makes no difference to your patches.",
        ("step * down + int(shift[n, 0])", "step * down"),
        ("step * right + int(shift[n, 1])", "step * right"),
    ),
    (
        "patches_shift_swapped",
        "The first number of a shift moves the second patch down, the second moves it right; "
        "yours are swapped.",
        ("step * down + int(shift[n, 0])", "step * down + int(shift[n, 1])"),
        ("step * right + int(shift[n, 1])", "step * right + int(shift[n, 0])"),
    ),
    (
        "patches_both_shifted",
        "You shift both patches: only the second is, or the jitter does nothing to the distance.",
        (
            "int(top[n]), int(left[n])",
            "int(top[n] + shift[n, 0]), int(left[n] + shift[n, 1])",
        ),
        ("step * down + int(shift[n, 0])", "step * down"),
        ("step * right + int(shift[n, 1])", "step * right"),
    ),
    (
        "patches_exchanged",
        "The first patch comes first; yours are exchanged.",
        ("[first, second]", "[second, first]"),
    ),
)
PROJECTION = "amount[:, :, None] * a[:, None, None]"
LENS_MISTAKES = mistakes(
    "colours",
    neighbour_patches,
    (
        "lens_kept",
        "The colours are as they were: what the lens did to them still says where in the picture "
        "each patch was.",
        ("if project", "if False"),
    ),
    (
        "lens_not_normalised",
        "A projection divides by a.a, here 6: yours takes six times too much off.",
        (" / (a @ a)", ""),
    ),
    (
        "lens_square_root",
        "A projection divides by a.a once: you divide by the length of a.",
        ("(a @ a)", "(a @ a).sqrt()"),
    ),
    (
        "lens_projected_on",
        "You keep the green-magenta part and nothing else: it is what has to go.",
        (f"patches - {PROJECTION}", PROJECTION),
    ),
    (
        "lens_added",
        "You add the green-magenta part a second time: it is taken off.",
        (f"patches - {PROJECTION}", f"patches + {PROJECTION}"),
    ),
    (
        "lens_no_green",
        "You remove the green channel: the *direction* (-1, 2, -1) is to go, of whatever colour "
        "the pixel is.",
        (
            f"patches - {PROJECTION}",
            "patches * x.new_tensor([1.0, 0.0, 1.0])[:, None, None]",
        ),
    ),
    (
        "lens_grey",
        "You make the patches grey: that takes all colour off, and only one direction of it is "
        "suspect.",
        (f"patches - {PROJECTION}", "patches.mean(2, keepdim=True).expand_as(patches)"),
    ),
    (
        "lens_second_only",
        "You project the second patch only; the first says as much.",
        (PROJECTION, f"({PROJECTION})[:, 1:] * x.new_tensor([0.0, 1.0])[:, None, None, None]"),
    ),
)
PATCH_WRONG = [Wrong(PATCH_MISTAKES[0].answer, test="colours")]


def draw_patches(rng, project=False):
    """Corners from which every neighbour is inside, with all mistakes that shift it."""
    b, size = (2, 2) if project else (3, 2)
    channels = 3 if project else 1
    shift = rng.choice([-1, 1], size=(b, 2)) * rng.choice([1, 1, 0], size=(b, 2))
    return {
        "x": grid(rng, 0.0, 1.0, b, channels, 13, 13),
        "top": rng.integers(5, 7, size=b),
        "left": rng.integers(5, 7, size=b),
        "direction": rng.permutation(8)[:b],
        "shift": shift,
        "size": size,
        "gap": 1,
        "project": project,
    }


def draw_colours(rng):
    return draw_patches(rng, project=True)


CONTEXT = Exercise(
    id="neighbour-patches",
    answer="neighbour_patches",
    kind="function",
    title="Two patches, and what must not leak",
    minutes=25,
    reference=neighbour_patches,
    tests=[
        Test("places", 1, telling(draw_patches, neighbour_patches, PATCH_MISTAKES, 0.02)),
        Test(
            "colours",
            1,
            telling(draw_colours, neighbour_patches, [*LENS_MISTAKES, *PATCH_WRONG], 0.01),
        ),
    ],
    mistakes=[*PATCH_MISTAKES, *LENS_MISTAKES],
    wrong=PATCH_WRONG,
    right=[patches_by_numpy, patches_by_unfold],
    discouraged=(
        "gencourse.pretext.ContextPrediction",
        "gencourse.pretext.context_prediction.cut",
        "gencourse.pretext.context_prediction.project_colours",
    ),
)


# --- 4. relative-transform --------------------------------------------------------------


def affine_between(a, b):
    columns = torch.cat([a, torch.ones(len(a), 1, dtype=a.dtype)], 1)  # (N, 3)
    solution = torch.linalg.lstsq(columns, b).solution  # (3, 2)
    return solution.T


def affine_by_moments(a, b):
    """From centred points, in numpy and single precision."""
    a, b = a.numpy(), b.numpy()
    u, v = a - a.mean(0), b - b.mean(0)
    A = (v.T @ u) @ np.linalg.inv(u.T @ u)
    return np.float32(np.column_stack([A, b.mean(0) - A @ a.mean(0)]))


def affine_by_normal_equations(a, b):
    """Two regressions, one for each coordinate of b."""
    rows = [[x, y, 1.0] for x, y in a.tolist()]
    design = torch.tensor(rows, dtype=torch.float64)
    gram = design.T @ design
    return [torch.linalg.solve(gram, design.T @ b[:, k]).tolist() for k in range(2)]


AFFINE_MISTAKES = mistakes(
    "points",
    affine_between,
    (
        "affine_inverse",
        "That is the transformation from b to a: it is to take a to b.",
        ("    columns", "    a, b = b, a\n    columns"),
    ),
    (
        "affine_transposed",
        "Your A is transposed: points are rows here, so in rows it reads b = a A^T + t.",
        ("solution.T", "torch.cat([solution[:2], solution[2:].T], 1)"),
    ),
    (
        "affine_no_translation",
        "Your fit has no translation: it is fitted along with A, not left out.",
        ("torch.ones(len(a), 1, dtype=a.dtype)", "torch.zeros(len(a), 1, dtype=a.dtype)"),
    ),
    (
        "affine_translation_first",
        "Your translation stands in the first column: the order is [A, t].",
        ("solution.T", "solution.T.roll(1, 1)"),
    ),
    (
        "affine_three_points",
        "You use three points only: they determine the transformation, but all of them are to be "
        "fitted, by least squares.",
        ("    columns", "    a, b = a[:3], b[:3]\n    columns"),
    ),
    (
        "affine_translation_of_means",
        "The translation is mean(b) - A mean(a), not mean(b) - mean(a).",
        (
            "solution.T",
            "torch.cat([solution[:2].T, (b.mean(0) - a.mean(0))[:, None]], 1)",
        ),
    ),
    (
        "affine_shift_before",
        "Your translation acts before A: b = A (a + t). It is to act afterwards, b = A a + t.",
        (
            "solution.T",
            "torch.cat([solution[:2].T, torch.linalg.solve(solution[:2].T, solution[2:].T)], 1)",
        ),
    ),
    (
        "affine_pairs_lost",
        "You sort the points; row n of b belongs to row n of a.",
        ("    columns", "    a, b = a.sort(0).values, b.sort(0).values\n    columns"),
    ),
    (
        "affine_offsets",
        "You fit the offsets b - a: A has the identity in it.",
        ("lstsq(columns, b)", "lstsq(columns, b - a)"),
    ),
)


def draw_points(rng):
    """Six points, measured a little inexactly after a transformation far from symmetric."""
    a, A = signed(rng, 0.3, 2.5, 6, 2), signed(rng, 0.4, 1.5, 2, 2)
    if abs(np.linalg.det(A)) < 0.3 or abs(A[0, 1] - A[1, 0]) < 0.3:
        return None
    if min(np.linalg.svd(a - a.mean(0))[1][1], np.linalg.svd(a[:3] - a[:3].mean(0))[1][1]) < 0.7:
        return None
    return {"a": a, "b": np.round(a @ A.T + signed(rng, 0.4, 2, 2) + signed(rng, 0, 0.3, 6, 2), 2)}


AFFINE_WRONG = [
    Wrong(variant(affine_between, "affine_identity", ("solution.T", "torch.eye(2, 3)")),
          test="points")
]  # fmt: skip
AFFINE = Exercise(
    id="relative-transform",
    answer="affine_between",
    kind="function",
    title="What was done to the picture",
    minutes=15,
    reference=affine_between,
    atol=1e-4,
    tests=[
        Test(
            "points",
            1,
            telling(draw_points, affine_between, [*AFFINE_MISTAKES, *AFFINE_WRONG], 0.01),
        )
    ],
    mistakes=AFFINE_MISTAKES,
    wrong=AFFINE_WRONG,
    right=[affine_by_moments, affine_by_normal_equations],
    discouraged=(
        "gencourse.pretext.RelativeTransform",
        "gencourse.pretext.relative_transform.affine_from_points",
    ),
)


# --- 5. restore -------------------------------------------------------------------------


def restore(x, mean, cov, damage, noise_var, hole):
    d = len(mean)
    if damage == "noise":
        shrink = cov @ torch.linalg.inv(cov + noise_var * torch.eye(d, dtype=x.dtype))
        best = mean + (x - mean) @ shrink.T
        left = cov - shrink @ cov
        return {"x": best, "error": left.diag().mean()}
    seen = ~hole
    slope = cov[hole][:, seen] @ torch.linalg.inv(cov[seen][:, seen])
    best = x.clone()
    best[:, hole] = mean[hole] + (x[:, seen] - mean[seen]) @ slope.T
    left = cov[hole][:, hole] - slope @ cov[seen][:, hole]
    return {"x": best, "error": left.diag().mean()}


def restore_by_precision(x, mean, cov, damage, noise_var, hole):
    """Everything from the inverse of the covariance, in numpy and single precision."""
    x, mean, hole = x.float().numpy(), mean.numpy(), hole.numpy()
    precision = np.linalg.inv(cov.numpy())
    if damage == "noise":
        left = np.linalg.inv(precision + np.eye(len(mean)) / noise_var)
        best = (mean @ precision + x / noise_var) @ left
        return {"x": np.float32(best), "error": np.trace(left) / len(mean)}
    left = np.linalg.inv(precision[np.ix_(hole, hole)])
    pull = (x[:, ~hole] - mean[~hole]) @ precision[np.ix_(~hole, hole)]
    best = x.copy()
    best[:, hole] = mean[hole] - pull @ left
    return {"x": best, "error": float(np.trace(left)) / hole.sum()}


def restore_by_infinite_noise(x, mean, cov, damage, noise_var, hole):
    """A missing pixel is one with enormous noise; then one formula does both."""
    noise = torch.full_like(mean, noise_var)
    if damage == "hole":
        noise = torch.where(hole, 1e8, 1e-9).to(cov)
    gain = torch.linalg.solve(cov + noise.diag(), cov)
    best = mean + (torch.where(hole, mean, x) - mean if damage == "hole" else x - mean) @ gain
    left = (cov - cov @ gain).diag()
    return {"x": best, "error": left[hole].mean() if damage == "hole" else left.mean()}


NOISY = '    if damage == "noise":\n'
NOISE_MISTAKES = mistakes(
    "noise",
    restore,
    (
        "restore_nothing",
        "You return the damaged picture: doing nothing has the error noise_var (0.25 for "
        "s^2 = 1), the best denoiser less (0.2).",
        (NOISY, f'{NOISY}        return {{"x": x, "error": noise_var}}\n'),
    ),
    (
        "restore_mean_only",
        "You return the mean of the data; the noisy picture says more than that.",
        ("mean + (x - mean) @ shrink.T", "mean.expand_as(x)"),
    ),
    (
        "restore_shrunk_to_zero",
        "You shrink towards 0: what is uncertain goes to the mean of the data.",
        ("mean + (x - mean) @ shrink.T", "x @ shrink.T"),
    ),
    (
        "restore_keeps_noise",
        "Your matrix is noise_var (S + noise_var I)^-1, the share of the noise; that of the "
        "picture, S (S + noise_var I)^-1, is kept.",
        ("shrink = cov @ ", "shrink = noise_var * "),
    ),
    (
        "restore_pixel_by_pixel",
        "You shrink each pixel by itself: correlated pixels say something about each other.",
        (NOISY, f"{NOISY}        cov = cov.diag().diag()\n"),
    ),
    (
        "restore_sd",
        "`noise_var` is a variance already; you square it.",
        ("noise_var * torch", "noise_var**2 * torch"),
    ),
    (
        "restore_error_of_data",
        "Your error is the variance of the data, what the mean picture would have; the denoiser "
        "leaves S - S (S + noise_var I)^-1 S of it.",
        ("left = cov - shrink @ cov", "left = cov"),
    ),
    (
        "restore_error_summed",
        "Your error is summed over the pixels; the mean is asked.",
        (
            'left = cov - shrink @ cov\n        return {"x": best, "error": left.diag().mean()}',
            'left = cov - shrink @ cov\n        return {"x": best, "error": left.diag().sum()}',
        ),
    ),
    (
        "restore_error_of_all_entries",
        "Your error averages the whole matrix of what is left: the squared errors of the pixels "
        "stand on its diagonal.",
        (
            'left = cov - shrink @ cov\n        return {"x": best, "error": left.diag().mean()}',
            'left = cov - shrink @ cov\n        return {"x": best, "error": left.mean()}',
        ),
    ),
    (
        "restore_smaller_noise",
        "You subtract the noise's variance from the covariance: it is added to it, for the "
        "covariance of noisy pictures is larger.",
        ("cov + noise_var", "cov - noise_var"),
    ),
)
GUESS = "mean[hole] + (x[:, seen] - mean[seen]) @ slope.T"
HOLE_MISTAKES = mistakes(
    "hole",
    restore,
    (
        "hole_of_mean",
        "You fill the hole with the mean picture: what surrounds it says more.",
        (GUESS, "mean[hole].expand(len(x), -1)"),
    ),
    (
        "hole_left",
        "You return the picture with its hole.",
        (GUESS, "x[:, hole]"),
    ),
    (
        "hole_zeros",
        "You take the missing pixels for pixels of value 0 and correct nothing.",
        (GUESS, "0 * x[:, hole]"),
    ),
    (
        "hole_not_centred",
        "The pixels around the hole enter as deviations from their means, and the mean of the "
        "missing ones is added.",
        (GUESS, "x[:, seen] @ slope.T"),
    ),
    (
        "hole_mean_lost",
        "The mean of the missing pixels is not added back.",
        (GUESS, "(x[:, seen] - mean[seen]) @ slope.T"),
    ),
    (
        "hole_inverse_cut",
        "You cut the observed pixels out of the *inverse* covariance: that conditions on the "
        "missing ones. Cut them out of the covariance, then invert.",
        ("torch.linalg.inv(cov[seen][:, seen])", "torch.linalg.inv(cov)[seen][:, seen]"),
    ),
    (
        "hole_uncorrelated",
        "You regress on each observed pixel by itself: they are correlated, so invert the whole "
        "of their covariance.",
        ("torch.linalg.inv(cov[seen][:, seen])", "torch.diag(1 / cov.diag()[seen])"),
    ),
    (
        "hole_error_of_data",
        "Your error is the variance of the missing pixels: what surrounds them explains a part.",
        (" - slope @ cov[seen][:, hole]", ""),
    ),
    (
        "hole_error_over_all",
        "You average the error over all pixels: those that are there have none, so the mean over "
        "the hole is asked.",
        (
            'cov[seen][:, hole]\n    return {"x": best, "error": left.diag().mean()}',
            'cov[seen][:, hole]\n    return {"x": best, "error": left.diag().sum() / d}',
        ),
    ),
)
HOLE_WRONG = [Wrong(variant(restore, "hole_noise", ('damage == "noise"', "True")), test="hole")]


def draw_gaussian_pictures(rng, damage):
    """Four correlated pixels."""
    factors = signed(rng, 0.4, 1.2, 4, 2)
    cov = np.round(factors @ factors.T + np.diag(rng.uniform(0.2, 0.5, 4)), 3)
    mean = signed(rng, 0.5, 1.5, 4)
    return {
        "x": np.round(mean + signed(rng, 0.3, 1.6, 3, 4), 2),
        "mean": mean,
        "cov": cov,
        "damage": damage,
        "noise_var": float(grid(rng, 0.2, 0.7)),
        "hole": rng.permutation(4) < 2,
    }


def draw_noise(rng):
    return draw_gaussian_pictures(rng, "noise")


def draw_hole(rng):
    return draw_gaussian_pictures(rng, "hole")


ONE_PIXEL = {
    "x": np.array([[1.0]]),
    "mean": np.array([0.0]),
    "cov": np.array([[1.0]]),
    "damage": "noise",
    "noise_var": 0.25,
    "hole": np.array([False]),
}

RESTORE = Exercise(
    id="restore",
    answer="restore",
    kind="function",
    title="The best that restoring can do",
    minutes=25,
    reference=restore,
    atol=1e-5,
    tests=[
        Test(
            "noise",
            1,
            telling(draw_noise, restore, NOISE_MISTAKES, 0.01),
            fixed=[ONE_PIXEL],
            properties=[{"name": "nonnegative", "key": "error", "says": "no error is negative"}],
        ),
        Test("hole", 1, telling(draw_hole, restore, [*HOLE_MISTAKES, *HOLE_WRONG], 0.01)),
    ],
    mistakes=[*NOISE_MISTAKES, *HOLE_MISTAKES],
    wrong=HOLE_WRONG,
    right=[restore_by_precision, restore_by_infinite_noise],
    discouraged=("gencourse.pretext.Denoising", "gencourse.pretext.ContextEncoder"),
)


# --- 6. colour-bins ---------------------------------------------------------------------


class ColourBins:
    def __init__(self, centres):
        self.centres = centres

    def weights(self, ab, smoothing):
        squared = (ab[:, None] - self.centres).square().sum(2)  # (N, Q)
        nearest = squared.argmin(1)
        p = F.one_hot(nearest, len(self.centres)).to(ab.dtype).mean(0)
        w = 1 / ((1 - smoothing) * p + smoothing / len(p))
        return w / (p * w).sum()

    def decode(self, scores, temperature):
        log_p = scores.log_softmax(1)
        sharp = torch.softmax(log_p / temperature, 1)
        return sharp @ self.centres


class ColourBinsByNumpy:
    """Counts by bincount; powers of probabilities; single precision."""

    def __init__(self, centres):
        self.centres = np.float32(centres)

    def weights(self, ab, smoothing):
        offsets = np.float32(ab)[:, None] - self.centres
        nearest = np.linalg.norm(offsets, axis=2).argmin(1)
        p = np.bincount(nearest, minlength=len(self.centres)) / len(ab)
        w = (p * (1 - smoothing) + smoothing / p.size) ** -1.0
        return w / w[nearest].mean()

    def decode(self, scores, temperature):
        p = np.exp(np.float32(scores))
        p = (p / p.sum(1, keepdims=True)) ** (1 / temperature)
        return p / p.sum(1, keepdims=True) @ self.centres


class ColourBinsByLoops:
    """Pixel by pixel in plain Python."""

    def __init__(self, centres):
        self.centres = centres.tolist()

    def weights(self, ab, smoothing):
        q, counts = len(self.centres), [0] * len(self.centres)
        for pixel in ab.tolist():
            distances = [math.dist(pixel, c) for c in self.centres]
            counts[distances.index(min(distances))] += 1
        p = [n / len(ab) for n in counts]
        w = [1 / (f - smoothing * f + smoothing / q) for f in p]
        total = sum(a * b for a, b in zip(p, w, strict=True))
        return [a / total for a in w]

    def decode(self, scores, temperature):
        colours = []
        for row in scores.tolist():
            e = [math.exp((s - max(row)) / temperature) for s in row]
            parts = zip(*[(v * a, v * b) for v, (a, b) in zip(e, self.centres, strict=True)],
                        strict=True)  # fmt: skip
            colours.append([sum(part) / sum(e) for part in parts])
        return colours


SMOOTH = "1 / ((1 - smoothing) * p + smoothing / len(p))"
WEIGHT_MISTAKES = mistakes(
    "weights",
    ColourBins,
    (
        "BinsProportional",
        "Your weights grow with the frequency: rare colours have to weigh more.",
        (SMOOTH, "(1 - smoothing) * p + smoothing / len(p)"),
    ),
    (
        "BinsAverageOverBins",
        "Your weights average 1 over the *bins*: they are to average 1 over the pixels, so that "
        "the size of the loss stays what it was.",
        ("w / (p * w).sum()", "w / w.mean()"),
    ),
    (
        "BinsSumToOne",
        "Your weights add up to 1: they are to average 1 over the pixels.",
        ("w / (p * w).sum()", "w / w.sum()"),
    ),
    (
        "BinsSumOverPixels",
        "Your weights add up to 1 over the pixels: they are to average 1.",
        ("(p * w).sum()", "(p * w).sum() / len(ab)"),
    ),
    (
        "BinsNotNormalised",
        "Your weights do not average 1 over the pixels: divide by their mean under p.",
        ("w / (p * w).sum()", "w"),
    ),
    (
        "BinsSmoothingSwapped",
        "The smoothing is swapped: lambda belongs to the uniform distribution, 1 - lambda to the "
        "frequencies.",
        (SMOOTH, "1 / (smoothing * p + (1 - smoothing) / len(p))"),
    ),
    (
        "BinsNotUniform",
        "The uniform distribution gives 1/Q to each bin; you add lambda itself.",
        ("smoothing / len(p)", "smoothing"),
    ),
    (
        "BinsNotSmoothed",
        "The smoothing makes no difference to your weights: a colour that is seen once would "
        "count like all others together, one never seen infinitely.",
        (SMOOTH, "1 / p"),
    ),
    (
        "BinsByInnerProduct",
        "You assign pixels to the bin with the largest inner product: the nearest one is asked.",
        ("squared.argmin(1)", "(ab @ self.centres.T).argmax(1)"),
    ),
    (
        "BinsFarthest",
        "You assign pixels to the farthest bin.",
        ("squared.argmin(1)", "squared.argmax(1)"),
    ),
    (
        "BinsByA",
        "You compare the a channel only: distance is in the plane of a and b.",
        ("square().sum(2)", "square()[:, :, 0]"),
    ),
    (
        "BinsRoot",
        "You take the square root of the weights; no root is asked.",
        ("return w /", "w = w.sqrt()\n        return w /"),
    ),
)
DECODE_MISTAKES = mistakes(
    "decode",
    ColourBins,
    (
        "BinsMode",
        "You take the most probable bin: colours then jump from bin to bin. The annealed mean is "
        "asked.",
        ("sharp @ self.centres", "self.centres[sharp.argmax(1)]"),
    ),
    (
        "BinsMean",
        "The temperature makes no difference: that is the plain mean, which is grey where two "
        "colours are possible.",
        (" / temperature", ""),
    ),
    (
        "BinsTimesTemperature",
        "You multiply by the temperature: log-probabilities are divided by it.",
        ("/ temperature", "* temperature"),
    ),
    (
        "BinsUnnormalised",
        "After the power 1/T the probabilities no longer add up to 1: divide by their sum.",
        ("torch.softmax(log_p / temperature, 1)", "torch.exp(log_p / temperature)"),
    ),
    (
        "BinsTemperedProbabilities",
        "You take a softmax of probabilities over T: their *logarithms* are divided.",
        ("scores.log_softmax(1)", "scores.softmax(1)"),
    ),
    (
        "BinsOverBatch",
        "Your softmax runs over the pixels: each pixel has a distribution over the bins.",
        ("torch.softmax(log_p / temperature, 1)", "torch.softmax(scores / temperature, 0)"),
    ),
    (
        "BinsScoresAsWeights",
        "Scores are no probabilities: take a softmax first.",
        ("torch.softmax(log_p / temperature, 1)", "scores"),
    ),
)
BINS_WRONG = [Wrong(variant(ColourBins, "BinsGrey", ("sharp @", "0 * sharp @")), test="decode")]


def draw_colours_of_pixels(rng):
    """Ten pixels in four bins, none empty, none near a border, and no two equally full."""
    centres = rng.choice([-60.0, -20.0, 20.0, 60.0, 100.0], size=(4, 2)) + grid(rng, 1, 9, 4, 2)
    ab = np.round(centres[rng.permutation([0, 0, 0, 0, 0, 1, 1, 1, 2, 3])], 2)
    ab = np.round(ab + rng.normal(size=ab.shape) * 14, 1)
    distances = np.sort(np.linalg.norm(ab[:, None] - centres, axis=2), axis=1)
    counts = np.bincount(np.linalg.norm(ab[:, None] - centres, axis=2).argmin(1), minlength=4)
    if counts.min() < 1 or (distances[:, 1] - distances[:, 0]).min() < 1:
        return None
    weigh = {"ab": ab, "smoothing": float(rng.choice([0.2, 0.3, 0.4]))}
    return {"init": {"centres": np.round(centres, 2)}, "calls": [["weights", weigh]]}


def draw_scores_of_bins(rng):
    centres = signed(rng, 10, 90, 4, 2)
    decode_call = {
        "scores": signed(rng, 0.2, 1.6, 3, 4),
        "temperature": float(rng.choice([0.3, 0.4, 0.6])),
    }
    return {"init": {"centres": centres}, "calls": [["decode", decode_call]]}


COLOURS = Exercise(
    id="colour-bins",
    answer="ColourBins",
    kind="class",
    title="Colours as classes",
    minutes=20,
    reference=ColourBins,
    atol=1e-4,
    tests=[
        Test(
            "weights",
            1,
            telling(draw_colours_of_pixels, ColourBins, WEIGHT_MISTAKES, 0.01),
            properties=[{"name": "at_least", "key": 0, "value": 0.0, "says": "weights are > 0"}],
        ),
        Test(
            "decode",
            1,
            telling(draw_scores_of_bins, ColourBins, [*DECODE_MISTAKES, *BINS_WRONG], 0.1),
        ),
    ],
    mistakes=[*WEIGHT_MISTAKES, *DECODE_MISTAKES],
    wrong=BINS_WRONG,
    right=[ColourBinsByNumpy, ColourBinsByLoops],
    discouraged=(
        "gencourse.pretext.Colorization",
        "gencourse.pretext.colorization.annealed_mean",
        "gencourse.pretext.colorization.rebalancing_weights",
        "gencourse.pretext.lab.nearest_bins",
    ),
)


# --- 7. split-brain ---------------------------------------------------------------------


def split_brain(lab, W_L, W_ab, V_L, V_ab, part):
    sees_L = lab * lab.new_tensor([1.0, 0.0, 0.0])
    sees_ab = lab * lab.new_tensor([0.0, 1.0, 1.0])
    h_L, h_ab = torch.tanh(sees_L @ W_L.T), torch.tanh(sees_ab @ W_ab.T)  # (B, D) each
    if part == "features":
        return torch.cat([h_L, h_ab], 1)
    error_ab = h_L @ V_L.T - lab[:, 1:]
    error_L = h_ab @ V_ab.T - lab[:, :1]
    return error_ab.square().sum(1).mean() + error_L.square().sum(1).mean()


def split_brain_by_columns(lab, W_L, W_ab, V_L, V_ab, part):
    """Only the columns of the weights that a half may use."""
    light, colour = lab.split([1, 2], dim=1)
    halves = [torch.tanh(F.linear(light, W_L[:, :1])), torch.tanh(F.linear(colour, W_ab[:, 1:]))]
    if part == "features":
        return torch.hstack(halves)
    guesses = torch.hstack([F.linear(halves[1], V_ab), F.linear(halves[0], V_L)])
    return (guesses - lab).pow(2).sum() / len(lab)


def split_brain_by_rows(lab, W_L, W_ab, V_L, V_ab, part):
    """Pixel by pixel, in single precision."""
    rows = []
    for pixel in lab.float():
        h_L = torch.tanh(W_L.float()[:, 0] * pixel[0])
        h_ab = torch.tanh(W_ab.float()[:, 1] * pixel[1] + W_ab.float()[:, 2] * pixel[2])
        errors = [V_L.float() @ h_L - pixel[1:], V_ab.float() @ h_ab - pixel[:1]]
        both = sum((e**2).sum() for e in errors)
        rows.append(torch.cat([h_L, h_ab]) if part == "features" else both)
    rows = torch.stack(rows)
    return rows if part == "features" else rows.mean()


SEES_L, SEES_AB = "lab * lab.new_tensor([1.0, 0.0, 0.0])", "lab * lab.new_tensor([0.0, 1.0, 1.0])"
SPLIT_FEATURE_MISTAKES = mistakes(
    "features",
    split_brain,
    (
        "split_both_see_all",
        "Both halves see all three channels: then each can read off what it is to guess.",
        (SEES_L, "lab"),
        (SEES_AB, "lab"),
    ),
    (
        "split_colour_leaks",
        "The L half sees the colours: its derivative by a and b has to be 0.",
        (SEES_L, "lab"),
    ),
    (
        "split_lightness_leaks",
        "The ab half sees the lightness: its derivative by L has to be 0.",
        (SEES_AB, "lab"),
    ),
    (
        "split_b_lost",
        "The ab half does not see b.",
        ("[0.0, 1.0, 1.0]", "[0.0, 1.0, 0.0]"),
    ),
    (
        "split_exchanged",
        "The halves are exchanged: the L half sees L.",
        ("[1.0, 0.0, 0.0]", "[0.0, 1.0, 1.0]"),
        ("sees_ab = lab * lab.new_tensor([0.0, 1.0, 1.0])", "sees_ab = lab - sees_L"),
    ),
    (
        "split_order",
        "The features of the L half come first.",
        ("[h_L, h_ab]", "[h_ab, h_L]"),
    ),
    (
        "split_one_half",
        "The features of the ab half are missing; together the halves have seen everything.",
        ("[h_L, h_ab]", "[h_L, 0 * h_ab]"),
    ),
    (
        "split_added",
        "You add the halves up: they are put side by side.",
        ("torch.cat([h_L, h_ab], 1)", "h_L + h_ab"),
    ),
    (
        "split_detached",
        "The values are right, but the features are cut off from the ab half's weights: no "
        "gradient reaches them.",
        ("[h_L, h_ab]", "[h_L, h_ab.detach() + 0 * h_ab]"),
    ),
)
SPLIT_LOSS_MISTAKES = mistakes(
    "loss",
    split_brain,
    (
        "split_peeks",
        "Your loss is that of halves that see all three channels: they can read off what they are "
        "to guess.",
        (SEES_L, "lab + 0"),
        (SEES_AB, "lab + 0"),
    ),
    (
        "split_lightness_only",
        "The guess of the lightness is missing in your loss.",
        (" + error_L.square().sum(1).mean()", " + 0 * error_L.sum()"),
    ),
    (
        "split_colour_only",
        "The guess of the colours is missing in your loss.",
        ("error_ab.square().sum(1).mean()", "0 * error_ab.sum()"),
    ),
    (
        "split_mean_over_channels",
        "You average over the channels: a pixel's squared error is their sum.",
        ("error_ab.square().sum(1)", "error_ab.square().mean(1)"),
    ),
    (
        "split_summed",
        "You add up over the pixels: the mean is asked.",
        (
            "error_ab.square().sum(1).mean() + error_L.square().sum(1).mean()",
            "error_ab.square().sum() + error_L.square().sum()",
        ),
    ),
    (
        "split_absolute",
        "Errors are squared; you take their absolute values.",
        (
            "error_ab.square().sum(1).mean() + error_L.square()",
            "error_ab.abs().sum(1).mean() + error_L.abs()",
        ),
    ),
    (
        "split_half_loss",
        "There is no factor 1/2 in this loss.",
        (
            "return error_ab.square().sum(1).mean() + ",
            "return 0.5 * error_ab.square().sum(1).mean() + 0.5 * ",
        ),
    ),
)
SPLIT_WRONG = [
    Wrong(SPLIT_FEATURE_MISTAKES[1].answer, test="loss"),
    Wrong(SPLIT_FEATURE_MISTAKES[2].answer, test="loss"),
]
SPLIT_WRT = ("lab", "W_L", "W_ab")


def draw_split(rng, part="features"):
    return {
        "lab": signed(rng, 0.2, 1.2, 3, 3),
        "W_L": signed(rng, 0.3, 1.2, 2, 3),
        "W_ab": signed(rng, 0.3, 1.2, 2, 3),
        "V_L": signed(rng, 0.3, 1.2, 2, 2),
        "V_ab": signed(rng, 0.3, 1.2, 1, 2),
        "part": part,
    }


def draw_split_loss(rng):
    return draw_split(rng, "loss")


SPLIT = Exercise(
    id="split-brain",
    answer="split_brain",
    kind="gradient",
    wrt=SPLIT_WRT,
    title="Half a brain for each half of the picture",
    minutes=20,
    reference=split_brain,
    atol=1e-5,
    tests=[
        Test(
            "features",
            1,
            telling(
                draw_split, split_brain, SPLIT_FEATURE_MISTAKES, 0.01, with_gradients(*SPLIT_WRT)
            ),
        ),
        Test(
            "loss",
            1,
            telling(
                draw_split_loss,
                split_brain,
                [*SPLIT_LOSS_MISTAKES, *SPLIT_WRONG],
                0.01,
                with_gradients(*SPLIT_WRT),
            ),
        ),
    ],
    mistakes=[*SPLIT_FEATURE_MISTAKES, *SPLIT_LOSS_MISTAKES],
    wrong=SPLIT_WRONG,
    right=[split_brain_by_columns, split_brain_by_rows],
    discouraged=("gencourse.pretext.SplitBrain",),
)


# --- 8. bag-of-words --------------------------------------------------------------------


def bag_of_words(patches, vocabulary, scores):
    squared = (patches[:, :, None] - vocabulary).square().sum(3)  # (B, N, K)
    words = F.one_hot(squared.argmin(2), len(vocabulary))
    target = words.double().mean(1)
    log_q = torch.log_softmax(scores, dim=1)
    loss = -(target * log_q).sum(1).mean()
    return {"target": target, "loss": loss}


def bag_by_bincount(patches, vocabulary, scores):
    """Counts in numpy, cross-entropy by torch."""
    nearest = torch.cdist(patches, vocabulary[None]).argmin(2).numpy()
    counts = [np.bincount(row, minlength=len(vocabulary)) for row in nearest]
    target = torch.tensor(np.array(counts)) / patches.shape[1]
    return {"loss": F.cross_entropy(scores, target.to(scores.dtype)), "target": target}


def bag_by_loops(patches, vocabulary, scores):
    targets, loss = [], 0.0
    for parts, s in zip(patches.tolist(), scores.tolist(), strict=True):
        row = [0.0] * len(vocabulary)
        for p in parts:
            distances = [math.dist(p, w) for w in vocabulary.tolist()]
            row[min(range(len(row)), key=distances.__getitem__)] += 1 / len(parts)
        total = math.log(sum(map(math.exp, s)))
        loss += sum(t * (total - v) for t, v in zip(row, s, strict=True)) / len(scores)
        targets.append(row)
    return {"target": np.float32(targets), "loss": np.float32(loss)}


BAG = "words.double().mean(1)"
BAG_MISTAKES = mistakes(
    "target",
    bag_of_words,
    (
        "bag_counts",
        "Your targets are counts: divide by the number of patches, so that each adds up to 1.",
        (BAG, "words.double().sum(1)"),
    ),
    (
        "bag_presence",
        "You note which words occur: how often they do counts.",
        (BAG, "words.double().amax(1)"),
    ),
    (
        "bag_presence_shared",
        "You share the target equally among the words that occur: how often they do counts.",
        (BAG, "words.amax(1) / words.amax(1).sum(1, keepdim=True).double()"),
    ),
    (
        "bag_most_frequent",
        "You keep the most frequent word only: the target is the whole distribution.",
        (BAG, "F.one_hot(words.sum(1).argmax(1), len(vocabulary)).double()"),
    ),
    (
        "bag_inner_products",
        "You take the word with the largest inner product: the nearest one is asked.",
        ("squared.argmin(2)", "(patches @ vocabulary.T).argmax(2)"),
    ),
    (
        "bag_farthest",
        "You assign each patch to the farthest word.",
        ("squared.argmin(2)", "squared.argmax(2)"),
    ),
    (
        "bag_of_mean",
        "You average the patches and look for one word: each patch has its own.",
        ("    squared =", "    patches = patches.mean(1, keepdim=True)\n    squared ="),
    ),
    (
        "bag_of_batch",
        "You count over the whole batch: each picture has a bag of its own.",
        (BAG, "words.double().mean((0, 1)).expand(len(patches), -1)"),
    ),
    (
        "bag_softmax_twice",
        "The targets are right. The loss has a softmax too many: cross-entropy takes scores.",
        ("torch.log_softmax(scores, dim=1)", "torch.log_softmax(scores.softmax(1), dim=1)"),
    ),
    (
        "bag_logarithm_of_scores",
        "The targets are right. Scores are no probabilities: the loss takes the logarithm of "
        "their softmax.",
        ("torch.log_softmax(scores, dim=1)", "scores"),
    ),
    (
        "bag_sigmoids",
        "The targets are right. The words compete in one softmax; you judge each by itself.",
        ("torch.log_softmax(scores, dim=1)", "F.logsigmoid(scores)"),
    ),
    (
        "bag_over_batch",
        "The targets are right. Your softmax runs over the pictures instead of the words.",
        ("dim=1", "dim=0"),
    ),
    (
        "bag_mean_over_words",
        "The targets are right. The loss adds up over the words; you average.",
        (".sum(1).mean()", ".mean()"),
    ),
    (
        "bag_kl",
        "The targets are right. That is the KL divergence; the cross-entropy is asked, without "
        "the entropy of the target taken off.",
        ("    return", "    loss = loss + torch.xlogy(target, target).sum(1).mean()\n    return"),
    ),
)
BAG_WRONG = [Wrong(variant(bag_of_words, "bag_sign", ("-(target", "(target")), test="target")]


def draw_bag(rng):
    """Six patches of three pictures, clearly nearest to one of four words."""
    vocabulary = signed(rng, 0.3, 2.0, 4, 2)
    words = rng.integers(4, size=(3, 6))
    patches = np.round(vocabulary[words] + rng.normal(size=(3, 6, 2)) * 0.5, 2)
    distance = np.sort(np.linalg.norm(patches[:, :, None] - vocabulary, axis=3), axis=2)
    if (distance[:, :, 1] - distance[:, :, 0]).min() < 0.05:
        return None
    scores = signed(rng, 0.2, 1.8, 3, 4)
    return {"patches": patches, "vocabulary": vocabulary, "scores": scores}


WORDS = Exercise(
    id="bag-of-words",
    answer="bag_of_words",
    kind="function",
    title="Visual words",
    minutes=15,
    reference=bag_of_words,
    tests=[
        Test(
            "target",
            1,
            telling(draw_bag, bag_of_words, [*BAG_MISTAKES, *BAG_WRONG], 0.01),
            properties=[
                {"name": "sums_to", "key": "target", "axis": 1, "says": "each target adds up to 1"}
            ],
        )
    ],
    mistakes=BAG_MISTAKES,
    wrong=BAG_WRONG,
    right=[bag_by_bincount, bag_by_loops],
    discouraged=("gencourse.pretext.BagOfWords", "gencourse.pretext.bag_of_words.histogram"),
)


# --- 9. info-nce ------------------------------------------------------------------------


def info_nce(queries, keys, index, temperature):
    queries, keys = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    scores = queries @ keys.T / temperature  # (B, N)
    log_p = scores - torch.logsumexp(scores, dim=1, keepdim=True)
    chosen = log_p[torch.arange(len(index)), index]
    return -chosen.mean()


def info_nce_by_cross_entropy(queries, keys, index, temperature):
    cosines = F.cosine_similarity(queries[:, None], keys, dim=2)
    return F.cross_entropy(cosines / temperature, index)


def info_nce_by_loop(queries, keys, index, temperature):
    """Query by query, the largest score taken off first; single precision."""
    queries, keys, losses = queries.float(), keys.float(), []
    for q, i in zip(queries, index.tolist(), strict=True):
        scores = keys @ q / (keys.norm(dim=1) * q.norm() * temperature)
        scores = scores - scores.max().detach()
        losses.append(scores.exp().sum().log() - scores[i])
    return sum(losses) / len(losses)


def info_nce_by_softplus(queries, keys, index, temperature):
    """-log(1 / (1 + sum exp(s_n - s_p))), the sum over the negatives only."""
    units = [rows / rows.square().sum(1, keepdim=True).sqrt() for rows in (queries, keys)]
    scores = torch.einsum("bd,nd->bn", *units).div(temperature)
    gaps = scores - scores.gather(1, index[:, None])
    own = F.one_hot(index, len(keys)).bool()
    return F.softplus(gaps.masked_fill(own, -torch.inf).logsumexp(1)).mean()


LOG_P = "log_p = scores - torch.logsumexp(scores, dim=1, keepdim=True)"
NCE_VALUE_MISTAKES = mistakes(
    "value",
    info_nce,
    (
        "nce_softmax_twice",
        "That is a softmax too many: cross-entropy of scores takes a softmax by itself. Yours "
        "never falls below log(1 + N/e) with N negatives: 0.3133 for one, 4.552 for 255.",
        ("/ temperature", "/ temperature\n    scores = torch.softmax(scores, 1)"),
    ),
    (
        "nce_inner_products",
        "You compare inner products: bring queries and keys to length 1 first.",
        ("F.normalize(queries, dim=1), F.normalize(keys, dim=1)", "queries, keys"),
    ),
    (
        "nce_queries_not_normalised",
        "The keys have length 1, the queries still have the length that they came with.",
        ("F.normalize(queries, dim=1)", "queries"),
    ),
    (
        "nce_keys_not_normalised",
        "The queries have length 1, the keys still have the length that they came with.",
        ("F.normalize(keys, dim=1)", "keys"),
    ),
    (
        "nce_times_temperature",
        "You multiply by the temperature: scores are divided by it.",
        ("/ temperature", "* temperature"),
    ),
    (
        "nce_no_temperature",
        "The temperature makes no difference to your loss.",
        (" / temperature", ""),
    ),
    (
        "nce_summed",
        "You add up over the queries: the mean is asked.",
        ("chosen.mean()", "chosen.sum()"),
    ),
    (
        "nce_sign",
        "The sign is reversed: a loss is *minus* the mean log-probability.",
        ("-chosen", "chosen"),
    ),
    (
        "nce_probability",
        "You average probabilities: the logarithm of each is asked, then the mean.",
        ("-chosen.mean()", "1 - chosen.exp().mean()"),
    ),
    (
        "nce_without_positive",
        "The sum in the denominator holds the negatives only; the positive belongs in it too.",
        (
            LOG_P,
            "own = F.one_hot(index, len(keys)).bool()\n"
            "    others = scores.masked_fill(own, -torch.inf)\n"
            "    log_p = scores - torch.logsumexp(others, dim=1, keepdim=True)",
        ),
    ),
    (
        "nce_positive_twice",
        "The positive is among the negatives besides: it stands twice in the denominator.",
        (
            LOG_P,
            "own = scores.gather(1, index[:, None])\n"
            "    log_p = scores - torch.cat([own, scores], 1).logsumexp(1, keepdim=True)",
        ),
    ),
    (
        "nce_diagonal",
        "You take key n as the positive of query n: `index` says which one it is.",
        ("arange(len(index)), index]", "arange(len(index)), torch.arange(len(index))]"),
    ),
    (
        "nce_over_queries",
        "Your softmax runs over the queries: each query chooses among the keys.",
        ("logsumexp(scores, dim=1", "logsumexp(scores, dim=0"),
    ),
    (
        "nce_binary",
        "You judge each key by itself with a sigmoid: the keys compete, in one softmax.",
        (LOG_P, "log_p = F.logsigmoid(scores)"),
    ),
    (
        "nce_detached_keys",
        "The value is right, but no gradient reaches the keys (in MoCo that is meant; here both "
        "sides learn).",
        ("F.normalize(keys, dim=1)", "F.normalize(keys.detach(), dim=1) + 0 * keys"),
    ),
)
NCE_COLD_MISTAKES = mistakes(
    "cold",
    info_nce,
    (
        "nce_overflows",
        "Your exponentials overflow at low temperatures: take the largest score off first, or "
        "use logsumexp or cross_entropy.",
        (LOG_P, "log_p = (scores.exp() / scores.exp().sum(1, keepdim=True)).log()"),
    ),
    (
        "nce_log_of_softmax",
        "At low temperatures your softmax is 0 in all but one place, and its logarithm infinite: "
        "compute the logarithm of the softmax at once.",
        (LOG_P, "log_p = scores.softmax(1).log()"),
    ),
    (
        "nce_padded_logarithm",
        "A small number added inside the logarithm caps the loss: where it should be large, it "
        "stays near 18. Compute the logarithm of the softmax at once.",
        (LOG_P, "log_p = (torch.softmax(scores, 1) + 1e-8).log()"),
    ),
    (
        "nce_clamped",
        "You clamp the scores: a large loss is then wrong, and its gradient is 0.",
        ("/ temperature", "/ temperature\n    scores = scores.clamp(-50, 50)"),
    ),
)
NCE_WRONG = [Wrong(NCE_VALUE_MISTAKES[0].answer, test="cold")]


def draw_exemplars(rng, temperature=None):
    """Four crops of five images, two of them of one image."""
    index = rng.permutation(5)[[0, 1, 2, 0]]
    return {
        "queries": signed(rng, 0.2, 1.8, 4, 3),
        "keys": signed(rng, 0.2, 1.8, 5, 3),
        "index": index,
        "temperature": temperature or float(rng.choice([0.3, 0.4, 0.6, 0.7])),
    }


def draw_cold(rng):
    """Scores near 1000, queries whose best key is clear, and positives both good and bad."""
    call = draw_exemplars(rng, temperature=0.001)
    q, k = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (call["queries"], call["keys"]))
    top, own = np.sort(q @ k.T, axis=1), (q * k[call["index"]]).sum(1)
    clear = (top[:, -1] - top[:, -2]).min() > 0.05
    return call if clear and own.max() > 0.8 and (top[:, -1] - own).max() > 0.8 else None


FLOOR = {
    "queries": np.array([[2.0, 0.0], [0.0, -3.0]]),
    "keys": np.array([[1.0, 0.0], [0.0, -1.0]]),
    "index": np.array([0, 1]),
    "temperature": 0.02,
}

NCE = Exercise(
    id="info-nce",
    answer="info_nce",
    kind="gradient",
    wrt=("queries", "keys"),
    title="InfoNCE, from exemplars to pairs",
    minutes=25,
    reference=info_nce,
    rtol=2e-4,
    atol=1e-5,
    tests=[
        Test(
            "value",
            1,
            telling(
                draw_exemplars,
                info_nce,
                NCE_VALUE_MISTAKES,
                0.01,
                with_gradients("queries", "keys"),
            ),
            fixed=[FLOOR],
            properties=[{"name": "nonnegative", "key": "value", "says": "the loss is never < 0"}],
        ),
        Test(
            "cold",
            1,
            telling(
                draw_cold,
                info_nce,
                [*NCE_COLD_MISTAKES, *NCE_WRONG],
                0.5,
                with_gradients("queries", "keys"),
            ),
            rtol=1e-3,
            atol=2e-3,
        ),
    ],
    mistakes=[*NCE_VALUE_MISTAKES, *NCE_COLD_MISTAKES],
    wrong=NCE_WRONG,
    right=[info_nce_by_cross_entropy, info_nce_by_loop, info_nce_by_softplus],
    discouraged=("gencourse.losses.info_nce", "gencourse.losses.nt_xent"),
)


# --- 10. nt-xent ------------------------------------------------------------------------


def nt_xent(a, b, temperature):
    views = F.normalize(torch.cat([a, b]), dim=1)
    scores = views @ views.T / temperature  # (2B, 2B)
    own = torch.eye(len(views)).bool()
    scores = scores.masked_fill(own, -torch.inf)
    partner = torch.arange(len(views)).roll(len(a))
    return F.cross_entropy(scores, partner)


def nt_xent_by_loop(a, b, temperature):
    """Each view against the 2B - 1 others, in plain Python."""
    views = [*a.tolist(), *b.tolist()]
    units = [[v / math.hypot(*row) for v in row] for row in views]
    n, losses = len(a), []
    for i, u in enumerate(units):
        scores = {
            j: sum(x * y for x, y in zip(u, w, strict=True)) / temperature
            for j, w in enumerate(units)
            if j != i
        }
        total = sum(math.exp(s) for s in scores.values())
        losses.append(math.log(total) - scores[(i + n) % (2 * n)])
    return np.float32(np.mean(losses))


def nt_xent_by_blocks(a, b, temperature):
    """Four blocks of cosines; the diagonals of two of them are left out."""
    a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    cross, total, n = a @ b.T / temperature, 0.0, len(a)
    for rows, others in ((a, cross), (b, cross.T)):
        same = (rows @ rows.T / temperature)[~torch.eye(n, dtype=torch.bool)].reshape(n, n - 1)
        everything = torch.cat([others, same], dim=1)
        total = total + (everything.logsumexp(1) - others.diag()).sum()
    return total / (2 * n)


MASKED = "scores.masked_fill(own, -torch.inf)"
COLLAPSE_MISTAKES = mistakes(
    "collapse",
    nt_xent,
    (
        "xent_self_kept",
        "A view is among its own candidates: with itself it agrees perfectly. For B = 128 equal "
        "embeddings your loss is log 256; leave the view itself out, log 255 = 5.5413.",
        (MASKED, "scores"),
    ),
    (
        "xent_self_scores_zero",
        "You set a view's score with itself to 0: exp(0) = 1 still counts. A score of minus "
        "infinity leaves it out.",
        (MASKED, "scores.masked_fill(own, 0.0)"),
    ),
    (
        "xent_other_views_only",
        "Your candidates are the B views of the other kind; the B - 1 other images' views of the "
        "same kind are negatives as well.",
        ("    own =", "    kind = torch.arange(len(views)) < len(a)\n    own ="),
        ("torch.eye(len(views)).bool()", "kind[:, None] == kind"),
    ),
    (
        "xent_without_positive",
        "The positive is missing in the denominator: the candidates are all views but the view "
        "itself.",
        (
            "F.cross_entropy(scores, partner)",
            "(scores.scatter(1, partner[:, None], -torch.inf).logsumexp(1)"
            " - scores.gather(1, partner[:, None])[:, 0]).mean()",
        ),
    ),
    (
        "xent_summed",
        "You add up over the views: the mean over all 2B is asked.",
        ("partner)", 'partner, reduction="sum")'),
    ),
    (
        "xent_over_images",
        "You divide by the number of images: the mean is over their 2B views.",
        ("return ", "return 2 * "),
    ),
    (
        "xent_bits",
        "Your unit is bits: nats are asked.",
        ("return ", "return 1 / math.log(2) * "),
    ),
)
XENT_MISTAKES = mistakes(
    "views",
    nt_xent,
    (
        "xent_softmax_twice",
        "That is a softmax too many: cross-entropy takes the scores as they are.",
        (MASKED, f"{MASKED}.softmax(1)"),
    ),
    (
        "xent_positive_twice",
        "The positive stands among the negatives besides, so it counts twice in the denominator.",
        (
            "F.cross_entropy(scores, partner)",
            "F.cross_entropy(torch.cat([scores, scores.gather(1, partner[:, None])], 1), partner)",
        ),
    ),
    (
        "xent_one_direction",
        "Only the views in a look for their partners: those in b do as well.",
        (
            "F.cross_entropy(scores, partner)",
            "F.cross_entropy(scores[: len(a)], partner[: len(a)])",
        ),
    ),
    (
        "xent_neighbours",
        "You pair views 2i and 2i + 1 of the stacked batch: a and b are stacked one below the "
        "other, so the partner of view i is B places away.",
        ("torch.arange(len(views)).roll(len(a))", "torch.arange(len(views)) ^ 1"),
    ),
    (
        "xent_rolled_by_one",
        "Your partner is the next view of the stack: it is B places away.",
        ("roll(len(a))", "roll(1)"),
    ),
    (
        "xent_not_normalised",
        "You compare inner products: bring the embeddings to length 1 first.",
        ("F.normalize(torch.cat([a, b]), dim=1)", "torch.cat([a, b])"),
    ),
    (
        "xent_times_temperature",
        "You multiply by the temperature: scores are divided by it.",
        ("/ temperature", "* temperature"),
    ),
    (
        "xent_no_temperature",
        "The temperature makes no difference to your loss.",
        (" / temperature", ""),
    ),
    (
        "xent_positive_pulled_only",
        "Your loss pulls the two views together and pushes nothing apart: a constant embedding "
        "would be perfect.",
        ("F.cross_entropy(scores, partner)", "-scores.gather(1, partner[:, None]).mean()"),
    ),
)
XENT_WRONG = [
    Wrong(COLLAPSE_MISTAKES[0].answer, test="views"),
    Wrong(COLLAPSE_MISTAKES[2].answer, test="views"),
]


def draw_collapse(rng):
    """All embeddings point one way; only their lengths differ."""
    b, way = int(rng.integers(4, 8)), signed(rng, 0.4, 1.5, 2)
    lengths = rng.integers(1, 5, size=(2, b, 1))
    return {
        "a": lengths[0] * way,
        "b": lengths[1] * way,
        "temperature": float(rng.choice([0.4, 0.5, 0.8])),
    }


def draw_views(rng):
    a = signed(rng, 0.3, 1.8, 4, 3)
    return {
        "a": a,
        "b": np.round(a + rng.normal(size=a.shape), 2),
        "temperature": float(rng.choice([0.3, 0.4, 0.6])),
    }


XENT = Exercise(
    id="nt-xent",
    answer="nt_xent",
    kind="function",
    title="Two views, and everybody else",
    minutes=20,
    reference=nt_xent,
    atol=1e-5,
    tests=[
        Test(
            "collapse",
            1,
            telling(draw_collapse, nt_xent, COLLAPSE_MISTAKES, 0.01),
            fixed=[{"a": np.ones((128, 1)), "b": np.ones((128, 1)), "temperature": 0.5}],
        ),
        Test("views", 1, telling(draw_views, nt_xent, [*XENT_MISTAKES, *XENT_WRONG], 0.01)),
    ],
    mistakes=[*COLLAPSE_MISTAKES, *XENT_MISTAKES],
    wrong=XENT_WRONG,
    right=[nt_xent_by_loop, nt_xent_by_blocks],
    discouraged=("gencourse.losses.nt_xent", "gencourse.losses.info_nce"),
)


# --- 11. metric-losses ------------------------------------------------------------------


def metric_loss(anchor, positive, negative, margin, loss):
    near = (anchor - positive).square().sum(1)
    far = (anchor - negative).square().sum(1)
    if loss == "triplet":
        return (near - far + margin).clamp(min=0).mean()
    strangers = (margin - far.sqrt()).clamp(min=0).square()
    return (near / 2 + strangers / 2).mean()


def metric_loss_by_rows(anchor, positive, negative, margin, loss):
    """Row by row, with a plain if in the place of the maximum; single precision."""
    total = 0.0
    for a, p, n in zip(anchor.float(), positive.float(), negative.float(), strict=True):
        near, far = torch.dist(a, p), torch.dist(a, n)
        if loss == "triplet":
            total = total + (near**2 - far**2 + margin) * (near**2 + margin > far**2)
        else:
            total = total + 0.5 * near**2 + (0.5 * (margin - far) ** 2 if far < margin else 0)
    return total / len(anchor)


def metric_loss_by_products(anchor, positive, negative, margin, loss):
    """Distances from inner products, hinges by relu."""
    d = [
        (anchor * anchor + other * other - 2 * anchor * other).sum(1)
        for other in (positive, negative)
    ]
    if loss == "triplet":
        return F.relu(margin + d[0] - d[1]).sum() / len(anchor)
    same = torch.cat([torch.ones(len(anchor)), torch.zeros(len(anchor))])
    d = torch.cat(d)
    both = same * d + (1 - same) * F.relu(margin - d**0.5) ** 2
    return both.mean()


TRIPLET_MISTAKES = mistakes(
    "triplet",
    metric_loss,
    (
        "triplet_swapped",
        "Positive and negative are swapped: your loss pulls strangers together.",
        ("(near - far + margin)", "(far - near + margin)"),
    ),
    (
        "triplet_anchor_negative",
        "You measure the second distance from the positive to the negative; both are measured "
        "from the anchor.",
        ("far = (anchor - negative)", "far = (positive - negative)"),
    ),
    (
        "triplet_margin_sign",
        "The margin has the wrong sign: the negative has to be farther by at least the margin.",
        ("+ margin", "- margin"),
    ),
    (
        "triplet_no_margin",
        "The margin makes no difference to your loss: then a constant embedding costs nothing.",
        (" + margin", ""),
    ),
    (
        "triplet_not_squared",
        "Your distances are not squared.",
        ("(near - far + margin)", "(near.sqrt() - far.sqrt() + margin)"),
    ),
    (
        "triplet_no_hinge",
        "Triplets that keep the margin already count as negative losses: cut each at 0.",
        (".clamp(min=0).mean()\n    strangers", ".mean()\n    strangers"),
    ),
    (
        "triplet_hinge_last",
        "You cut the mean at 0: every triplet is cut before the mean is taken.",
        (".clamp(min=0).mean()\n    strangers", ".mean().clamp(min=0)\n    strangers"),
    ),
    (
        "triplet_mean_of_coordinates",
        "You average over the coordinates: a squared distance is their sum.",
        (
            "    if loss",
            "    near, far = near / anchor.shape[1], far / anchor.shape[1]\n    if loss",
        ),
    ),
    (
        "triplet_active_only",
        "You average over the triplets that cost something; the mean over all of them is asked.",
        (
            "(near - far + margin).clamp(min=0).mean()",
            "(near - far + margin)[near - far + margin > 0].mean()",
        ),
    ),
    (
        "triplet_summed",
        "You add up over the triplets: the mean is asked.",
        ("(near - far + margin).clamp(min=0).mean()", "(near - far + margin).clamp(min=0).sum()"),
    ),
    (
        "triplet_negative_detached",
        "The value is right, but the negative does not learn: no gradient reaches it.",
        ("(anchor - negative)", "(anchor - negative.detach() + 0 * negative)"),
    ),
)
STRANGERS = "(margin - far.sqrt()).clamp(min=0).square()"
PAIR_MISTAKES = mistakes(
    "pairs",
    metric_loss,
    (
        "pairs_squared_margin",
        "You compare the margin with the *squared* distance: strangers cost (margin - d)^2 / 2, "
        "with the distance itself.",
        (STRANGERS, "(margin - far).clamp(min=0)"),
    ),
    (
        "pairs_margin_squared_too",
        "Squaring margin and distance one by one is something else: take margin - d, then square.",
        (STRANGERS, "(margin**2 - far).clamp(min=0)"),
    ),
    (
        "pairs_hinge_sign",
        "Your hinge is turned round: strangers cost something while they are *nearer* than the "
        "margin.",
        ("(margin - far.sqrt())", "(far.sqrt() - margin)"),
    ),
    (
        "pairs_no_hinge",
        "Strangers farther away than the margin cost nothing; yours are pulled back to it.",
        (STRANGERS, "(margin - far.sqrt()).square()"),
    ),
    (
        "pairs_not_squared",
        "The hinge is squared.",
        (STRANGERS, "(margin - far.sqrt()).clamp(min=0)"),
    ),
    (
        "pairs_no_half",
        "Your loss is twice too large: did you forget the 1/2?",
        ("near / 2 + strangers / 2", "near + strangers"),
    ),
    (
        "pairs_swapped",
        "Positives and negatives are swapped: in the paper Y = 0 means the same.",
        (STRANGERS, "(margin - near.sqrt()).clamp(min=0).square()"),
        ("near / 2 + strangers / 2", "far / 2 + strangers / 2"),
    ),
    (
        "pairs_distance",
        "A pair costs its squared distance; yours costs the distance.",
        ("near / 2", "near.sqrt() / 2"),
    ),
    (
        "pairs_pulled_only",
        "The strangers make no difference: then a constant embedding costs nothing.",
        (" + strangers / 2", " + 0 * strangers"),
    ),
    (
        "pairs_mean_over_both",
        "You average over the 2B pairs; what is asked is the mean over the B rows of the sum of "
        "both costs.",
        ("near / 2 + strangers / 2", "near / 4 + strangers / 4"),
    ),
)
PAIR_WRONG = [
    Wrong(variant(metric_loss, "pairs_as_triplets", ('loss == "triplet"', "True")), test="pairs")
]


def draw_triplets(rng, loss="triplet"):
    """Five rows, some within the margin and some beyond it, none near the bend."""
    anchor, margin = signed(rng, 0.1, 1.0, 5, 3), float(rng.choice([0.7, 1.3, 1.5]))
    call = {
        "anchor": anchor,
        "positive": np.round(anchor + rng.normal(size=(5, 3)) * 0.6, 2),
        "negative": np.round(anchor + rng.normal(size=(5, 3)) * 0.8, 2),
        "margin": margin,
        "loss": loss,
    }
    near, far = (((anchor - call[k]) ** 2).sum(1) for k in ("positive", "negative"))
    slack = near - far + margin if loss == "triplet" else margin - np.sqrt(far)
    mixed = 2 <= (slack > 0).sum() <= 4 and np.abs(slack).min() > 0.05
    return call if mixed and min(near.min(), far.min()) > 0.05 else None


def draw_pairs(rng):
    return draw_triplets(rng, "pairs")


EMBEDDINGS = ("anchor", "positive", "negative")
METRIC = Exercise(
    id="metric-losses",
    answer="metric_loss",
    kind="gradient",
    wrt=EMBEDDINGS,
    title="Near and far, without a softmax",
    minutes=20,
    reference=metric_loss,
    atol=1e-5,
    tests=[
        Test(
            "triplet",
            1,
            telling(
                draw_triplets, metric_loss, TRIPLET_MISTAKES, 0.01, with_gradients(*EMBEDDINGS)
            ),
            properties=[{"name": "nonnegative", "key": "value", "says": "the loss is never < 0"}],
        ),
        Test(
            "pairs",
            1,
            telling(
                draw_pairs,
                metric_loss,
                [*PAIR_MISTAKES, *PAIR_WRONG],
                0.01,
                with_gradients(*EMBEDDINGS),
            ),
            properties=[{"name": "nonnegative", "key": "value", "says": "the loss is never < 0"}],
        ),
    ],
    mistakes=[*TRIPLET_MISTAKES, *PAIR_MISTAKES],
    wrong=PAIR_WRONG,
    right=[metric_loss_by_rows, metric_loss_by_products],
    discouraged=(
        "gencourse.losses.triplet_loss",
        "gencourse.losses.contrastive_loss",
        "torch.nn.TripletMarginLoss",
        "torch.nn.functional.triplet_margin_loss",
    ),
)


# --- 12. predictive-coding --------------------------------------------------------------


def cpc_loss(z, W, step):
    b, g = z.shape[:2]
    rows = torch.arange(1, g + 1, dtype=z.dtype)[:, None, None]
    context = z.cumsum(1) / rows  # (B, G, G, D), of rows 0 to r
    guesses = context[:, : g - step] @ W.T
    scores = guesses @ z.flatten(0, 2).T  # (B, G - step, G, B G G)
    target = torch.arange(b * g * g).reshape(b, g, g)[:, step:]
    return F.cross_entropy(scores.reshape(-1, b * g * g), target.reshape(-1))


def cpc_by_loops(z, W, step):
    """Place by place."""
    patches, losses = z.reshape(-1, z.shape[3]), []
    for n, r, q in np.ndindex(*z.shape[:3]):
        if r + step < z.shape[1]:
            guess = W @ z[n, : r + 1, q].mean(0)
            scores = patches @ guess
            losses.append(scores.exp().sum().log() - guess @ z[n, r + step, q])
    return torch.stack(losses).mean()


def cpc_by_numpy(z, W, step):
    """Contexts by a triangular matrix, in single precision."""
    z, W, g = np.float32(z), np.float32(W), z.shape[1]
    average = np.tril(np.ones((g, g))) / np.arange(1, g + 1)[:, None]
    guesses = np.einsum("rs,nsqd,ed->nrqe", average, z, W)[:, : g - step]
    scores = np.tensordot(guesses, z.reshape(-1, z.shape[3]), axes=(3, 1))
    right = (guesses * z[:, step:]).sum(3)
    return np.float32(np.mean(np.logaddexp.reduce(scores, axis=3) - right))


CONTEXT_OF_ROWS = "z.cumsum(1) / rows"
CPC_MISTAKES = mistakes(
    "loss",
    cpc_loss,
    (
        "cpc_sees_everything",
        "Your context has seen the whole column, the patch that is to be guessed included: only "
        "rows 0 to r belong in it.",
        (CONTEXT_OF_ROWS, "z.mean(1, keepdim=True).expand_as(z)"),
    ),
    (
        "cpc_sees_next_row",
        "Your context has seen one row too many: for step 1 that is the answer.",
        (CONTEXT_OF_ROWS, "(z.cumsum(1) + z.roll(-1, 1)) / (rows + 1)"),
    ),
    (
        "cpc_one_patch",
        "Your context is the patch itself: it is the mean of the patches of its column down to "
        "there.",
        (CONTEXT_OF_ROWS, "z"),
    ),
    (
        "cpc_row_above_only",
        "Your context lacks its own row: rows 0 to r belong in it.",
        (CONTEXT_OF_ROWS, "(z.cumsum(1) - z) / (rows - 1).clamp(min=1)"),
    ),
    (
        "cpc_across",
        "Your context runs along the rows: it is the column's, from the top down.",
        (CONTEXT_OF_ROWS, "z.cumsum(2) / rows.transpose(0, 1)"),
    ),
    (
        "cpc_summed_context",
        "Your context is the sum over the rows: the mean is asked.",
        (CONTEXT_OF_ROWS, "z.cumsum(1)"),
    ),
    (
        "cpc_same_patch",
        "Your target is the patch at row r itself: the one `step` rows below it is to be found.",
        ("[:, step:]", "[:, : g - step]"),
    ),
    (
        "cpc_to_the_right",
        "Your target lies to the right: it lies `step` rows below.",
        (
            "target = torch.arange(b * g * g).reshape(b, g, g)[:, step:]",
            "target = torch.arange(b * g * g).reshape(b, g, g).roll(-step, 2)[:, : g - step]",
        ),
    ),
    (
        "cpc_transposed",
        "Your W is transposed: the guess is W c.",
        ("@ W.T", "@ W"),
    ),
    (
        "cpc_same_picture_only",
        "Your candidates are the patches of the same picture: those of the other pictures are "
        "negatives, too.",
        (
            "    target =",
            "    own = torch.arange(b)[:, None, None, None] == torch.arange(b * g * g) // g**2\n"
            "    scores = scores.masked_fill(~own, -torch.inf)\n    target =",
        ),
    ),
    (
        "cpc_other_pictures_only",
        "The other patches of the same picture are negatives, too; your candidates are the target "
        "and the patches of the other pictures.",
        (
            "    target =",
            "    own = torch.arange(b)[:, None, None, None] == torch.arange(b * g * g) // g**2\n"
            "    right = torch.arange(b * g * g).reshape(b, g, g)[:, step:, :, None]\n"
            "    own = own & (torch.arange(b * g * g) != right)\n"
            "    scores = scores.masked_fill(own, -torch.inf)\n    target =",
        ),
    ),
    (
        "cpc_softmax_twice",
        "That is a softmax too many: cross-entropy takes the scores as they are.",
        ("scores.reshape(-1, b * g * g)", "scores.reshape(-1, b * g * g).softmax(1)"),
    ),
    (
        "cpc_cosines",
        "You compare cosines: inner products are asked.",
        ("@ W.T", "@ W.T\n    guesses, z = F.normalize(guesses, dim=3), F.normalize(z, dim=3)"),
    ),
)
CPC_WRONG = [
    Wrong(
        variant(
            cpc_loss,
            "cpc_step_ignored",
            ("b, g = z.shape[:2]", "b, g, step = *z.shape[:2], 1"),
        ),
        test="loss",
    )
]


def draw_grid_of_patches(rng):
    return {
        "z": signed(rng, 0.2, 1.4, 2, 4, 4, 2),
        "W": signed(rng, 0.3, 1.2, 2, 2),
        "step": 2,
    }


CPC = Exercise(
    id="predictive-coding",
    answer="cpc_loss",
    kind="function",
    title="What comes below",
    minutes=20,
    reference=cpc_loss,
    atol=1e-5,
    tests=[
        Test("loss", 1, telling(draw_grid_of_patches, cpc_loss, [*CPC_MISTAKES, *CPC_WRONG], 0.01))
    ],
    mistakes=CPC_MISTAKES,
    wrong=CPC_WRONG,
    right=[cpc_by_loops, cpc_by_numpy],
    discouraged=("gencourse.pretext.CPC", "gencourse.losses.info_nce"),
)


# --- 13. what-moved ---------------------------------------------------------------------


def what_moved(clip, threshold, guess):
    before = (clip[1:-1] - clip[:-2]).abs() > threshold  # (T - 2, H, W)
    after = (clip[1:-1] - clip[2:]).abs() > threshold
    mask = before & after
    common = (mask & guess).sum((1, 2))
    iou = common / (mask | guess).sum((1, 2))
    return {"mask": mask, "iou": iou}


def moved_by_loops(clip, threshold, guess):
    """Pixel by pixel, in plain Python."""
    frames, masks, ious = clip.tolist(), [], []
    for t in range(1, len(frames) - 1):
        mask, both, either = np.zeros(clip.shape[1:]), 0, 0
        for i, j in np.ndindex(*clip.shape[1:]):
            now = frames[t][i][j]
            steps = [abs(now - frames[s][i][j]) for s in (t - 1, t + 1)]
            mask[i, j] = min(steps) > threshold
            guessed = bool(guess[t - 1, i, j])
            both += bool(mask[i, j]) and guessed
            either += bool(mask[i, j]) or guessed
        masks.append(mask.tolist())
        ious.append(both / either)
    return {"mask": masks, "iou": ious}


def moved_by_numpy(clip, threshold, guess):
    """The smaller of both changes; the union from the sizes; single precision."""
    change = np.abs(np.diff(clip.float().numpy(), axis=0))
    mask, guess = np.minimum(change[:-1], change[1:]) > threshold, guess.numpy()
    sizes = [m.reshape(len(m), -1).sum(1) for m in (mask, guess, mask * guess)]
    return {"iou": np.float32(sizes[2] / (sizes[0] + sizes[1] - sizes[2])), "mask": mask}


IOU = "common / (mask | guess).sum((1, 2))"
MOVED_MISTAKES = mistakes(
    "mask",
    what_moved,
    (
        "moved_ghost",
        "Your mask marks where the thing was before, besides: compare with the next frame as "
        "well, and keep what differs from both.",
        ("mask = before & after", "mask = before"),
    ),
    (
        "moved_ghost_ahead",
        "Your mask marks where the thing will be, besides: compare with the frame before as well.",
        ("mask = before & after", "mask = after"),
    ),
    (
        "moved_either",
        "Your mask holds what differs from either neighbour, so the thing is in it three times: "
        "keep what differs from both.",
        ("before & after", "before | after"),
    ),
    (
        "moved_brighter",
        "You mark pixels that grew brighter only: a dark thing moves, too. Take absolute changes.",
        ("(clip[1:-1] - clip[:-2]).abs()", "(clip[1:-1] - clip[:-2])"),
        ("(clip[1:-1] - clip[2:]).abs()", "(clip[1:-1] - clip[2:])"),
    ),
    (
        "moved_skipping",
        "You compare the frame before with the one after: the frame in the middle is asked about.",
        ("mask = before & after", "mask = (clip[2:] - clip[:-2]).abs() > threshold"),
    ),
    (
        "moved_from_median",
        "You compare with what is usually there, the median of the clip: a thing that pauses does "
        "not move. Compare with the frame before and with the one after.",
        ("mask = before & after", "mask = (clip - clip.median(0).values).abs()[1:-1] > threshold"),
    ),
    (
        "moved_inverted",
        "Your mask is inverted: True where something moved.",
        ("mask = before & after", "mask = ~(before & after)"),
    ),
    (
        "moved_precision",
        "The mask is right; you divide the common pixels by those of the guess. Divide by the "
        "union.",
        (IOU, "common / guess.sum((1, 2))"),
    ),
    (
        "moved_recall",
        "The mask is right; you divide the common pixels by those of the mask. Divide by the "
        "union.",
        (IOU, "common / mask.sum((1, 2))"),
    ),
    (
        "moved_dice",
        "The mask is right. That is Dice's coefficient: intersection over union has no 2, and the "
        "common pixels count once in the denominator.",
        (IOU, "2 * common / (mask.sum((1, 2)) + guess.sum((1, 2)))"),
    ),
    (
        "moved_accuracy",
        "The mask is right. That is the share of pixels that agree: a mask of nothing would do "
        "well.",
        (IOU, "(mask == guess).double().mean((1, 2))"),
    ),
    (
        "moved_iou_of_clip",
        "The mask is right. You pool all frames: an intersection over union for each is asked.",
        (IOU, "(common.sum() / (mask | guess).sum()).expand(len(mask))"),
    ),
)
MOVED_WRONG = [
    Wrong(
        variant(what_moved, "moved_a_little", ("    before", "    threshold /= 10\n    before")),
        test="mask",
    )
]


def draw_clip(rng):
    """A bright thing and a dark one move over a noisy background; one stays, one pauses."""
    clip = np.full((4, 4, 7), 0.5) + np.round(rng.uniform(-0.05, 0.05, size=(4, 4, 7)), 2)
    rows, (start, dark) = rng.permutation(4), rng.integers(0, 3, size=2)
    for t in range(4):
        clip[t, rows[0], start + t] = 0.9
        clip[t, rows[1], 6 - dark - t] = 0.1
        clip[t, rows[2], 2:4] = 0.95
        clip[t, rows[3], (1, 4, 4, 6)[t]] = 0.9
    guess = rng.random((2, 4, 7)) < 0.15
    for t in (0, 1):
        guess[t, rows[0], start + t + 1] = True
    call = {"clip": clip, "threshold": 0.2, "guess": guess}
    return call if 2 <= guess[0].sum() < 8 and 2 <= guess[1].sum() < 8 else None


MOVED = Exercise(
    id="what-moved",
    answer="what_moved",
    kind="function",
    title="What moved",
    minutes=15,
    reference=what_moved,
    tests=[
        Test(
            "mask",
            1,
            telling(draw_clip, what_moved, [*MOVED_MISTAKES, *MOVED_WRONG], 0.01),
            properties=[
                {"name": "at_most", "key": "iou", "value": 1.0},
                {"name": "nonnegative", "key": "iou"},
            ],
        )
    ],
    mistakes=MOVED_MISTAKES,
    wrong=MOVED_WRONG,
    right=[moved_by_loops, moved_by_numpy],
    discouraged=("gencourse.pretext.WatchingMotion", "gencourse.pretext.watching_motion.iou"),
)


# --- 14. tracking -----------------------------------------------------------------------


def track(keys, labels, temperature):
    frames, current = [], labels
    for t in range(1, len(keys)):
        scores = keys[t] @ keys[t - 1].T / temperature  # (N, N), a row for each pixel of frame t
        attention = torch.softmax(scores, dim=1)
        current = attention @ current
        frames.append(current)
    return torch.stack(frames)


def track_by_loops(keys, labels, temperature):
    """Pixel by pixel: an average of the labels of the frame before."""
    result, before = [], labels.tolist()
    for old, new in zip(keys[:-1].tolist(), keys[1:].tolist(), strict=True):
        now = []
        for f in new:
            w = [
                math.exp(sum(a * b for a, b in zip(f, g, strict=True)) / temperature) for g in old
            ]
            columns = zip(*before, strict=True)
            now.append([sum(a * b for a, b in zip(w, c, strict=True)) / sum(w) for c in columns])
        result.append(now)
        before = now
    return result


def track_by_products(keys, labels, temperature):
    """All attentions at once, then one product more for each frame; single precision."""
    keys = keys.float().numpy()
    scores = np.einsum("tid,tjd->tij", keys[1:], keys[:-1]) / temperature
    weights = np.exp(scores - scores.max(2, keepdims=True))
    weights /= weights.sum(2, keepdims=True)
    whole, frames = np.eye(len(labels), dtype=np.float32), []
    for step in weights:
        whole = step @ whole
        frames.append(whole @ np.float32(labels))
    return np.stack(frames)


COPY = "scores = keys[t] @ keys[t - 1].T / temperature"
COPY_MISTAKES = mistakes(
    "copy",
    track,
    (
        "track_wrong_axis",
        "Your softmax runs over the pixels of the new frame. Each new pixel spreads one unit of "
        "attention over the *old* ones, so that its label is an average of theirs.",
        ("dim=1", "dim=0"),
    ),
    (
        "track_backwards",
        "The attention is transposed: a row belongs to a pixel of the new frame.",
        (COPY, "scores = keys[t - 1] @ keys[t].T / temperature"),
    ),
    (
        "track_times_temperature",
        "You multiply by the temperature: scores are divided by it.",
        ("/ temperature", "* temperature"),
    ),
    (
        "track_no_temperature",
        "The temperature makes no difference to your labels.",
        (" / temperature", ""),
    ),
    (
        "track_no_softmax",
        "Scores are no weights: take a softmax.",
        ("torch.softmax(scores, dim=1)", "scores"),
    ),
    (
        "track_nearest",
        "You copy the label of the most similar pixel alone: attention is soft, which is what can "
        "be trained.",
        (
            "torch.softmax(scores, dim=1)",
            "F.one_hot(scores.argmax(1), len(labels)).to(scores.dtype)",
        ),
    ),
    (
        "track_cosines",
        "You normalise the keys: inner products are asked.",
        ("    frames, current", "    keys = F.normalize(keys, dim=2)\n    frames, current"),
    ),
    (
        "track_stays",
        "You leave the labels where they are: things move, and the keys say where to.",
        ("attention @ current", "current"),
    ),
    (
        "track_within_frame",
        "You compare the new frame with itself: its pixels look for their like in the old one.",
        (COPY, "scores = keys[t] @ keys[t].T / temperature"),
    ),
)
CHAIN_MISTAKES = mistakes(
    "chain",
    track,
    (
        "track_from_first_frame",
        "You compare every frame with frame 0: labels go from frame to frame.",
        ("keys[t - 1].T", "keys[0].T"),
    ),
    (
        "track_first_labels",
        "You copy the labels of frame 0 each time: those of the frame before are to be copied.",
        ("attention @ current", "attention @ labels"),
    ),
    (
        "track_hardened",
        "You round the labels before you hand them on: they stay soft.",
        (
            "        frames",
            "        hard = F.one_hot(current.argmax(1), current.shape[1])\n        frames",
        ),
        (
            "frames.append(current)",
            "frames.append(current)\n        current = hard.to(keys.dtype)",
        ),
    ),
    (
        "track_last_only",
        "You return the last frame's labels for all frames.",
        ("torch.stack(frames)", "torch.stack([current] * len(frames))"),
    ),
    (
        "track_reversed",
        "Your frames come out in the reverse order.",
        ("torch.stack(frames)", "torch.stack(frames[::-1])"),
    ),
    (
        "track_one_attention",
        "You use the attention between the first two frames for all steps.",
        (COPY, "scores = keys[1] @ keys[0].T / temperature"),
    ),
)
CHAIN_WRONG = [Wrong(COPY_MISTAKES[0].answer, test="chain")]


def draw_frames(rng, frames=2):
    """Four pixels, two things and the background."""
    labels = np.eye(3)[rng.permutation([0, 1, 2, int(rng.integers(3))])]
    return {
        "keys": signed(rng, 0.2, 1.6, frames, 4, 3),
        "labels": labels,
        "temperature": float(rng.choice([0.5, 0.6, 0.7])),
    }


def draw_longer(rng):
    return draw_frames(rng, frames=4)


ROWS_OF_LABELS = [
    {"name": "nonnegative"},
    {"name": "sums_to", "axis": -1, "value": 1.0, "says": "the label of each pixel adds up to 1"},
]
TRACKING = Exercise(
    id="tracking",
    answer="track",
    kind="function",
    title="Tracking by copying",
    minutes=20,
    reference=track,
    atol=1e-5,
    tests=[
        Test(
            "copy",
            1,
            telling(draw_frames, track, COPY_MISTAKES, 0.02),
            properties=ROWS_OF_LABELS,
        ),
        Test(
            "chain",
            1,
            telling(draw_longer, track, [*CHAIN_MISTAKES, *CHAIN_WRONG], 0.01),
            properties=ROWS_OF_LABELS,
        ),
    ],
    mistakes=[*COPY_MISTAKES, *CHAIN_MISTAKES],
    wrong=CHAIN_WRONG,
    right=[track_by_loops, track_by_products],
    discouraged=(
        "gencourse.pretext.TrackingByColorization",
        "gencourse.pretext.tracking_by_colorization.copy",
        "torch.nn.functional.scaled_dot_product_attention",
    ),
)


# --- 15. temporal-order -----------------------------------------------------------------


def time_targets(times, task, near, far):
    if task == "order":
        first, middle, last = times.T
        forwards = (first < middle) & (middle < last)
        backwards = (first > middle) & (middle > last)
        return (forwards | backwards).long()
    distance = (times[:, :, None] - times[:, None, :]).abs()  # (B, T, T)
    target = torch.zeros_like(distance)
    target[distance <= near] = 1
    target[distance >= far] = -1
    target[:, range(times.shape[1]), range(times.shape[1])] = 0
    return target


def time_targets_by_sign(times, task, near, far):
    """Two steps in the same direction; pairs by arithmetic on truth values."""
    if task == "order":
        return (times.diff(dim=1).sign().prod(1) > 0).tolist()
    t = times.numpy()
    distance = abs(t[:, None, :] - t[:, :, None])
    close = 1.0 * (distance <= near) * (1 - np.eye(t.shape[1]))
    return close - (distance >= far)


def time_targets_by_loops(times, task, near, far):
    """The middle one of the three lies between the others; pairs one by one."""
    out = []
    for row in times.tolist():
        if task == "order":
            out.append(int(sorted(row)[1] == row[1]))
            continue
        matrix = [[0] * len(row) for _ in row]
        for i, s in enumerate(row):
            for j, t in enumerate(row):
                if i != j:
                    matrix[i][j] = 1 if abs(s - t) <= near else -1 if abs(s - t) >= far else 0
        out.append(matrix)
    return torch.tensor(out, dtype=torch.float32)


RETURN_ORDER = "return (forwards | backwards).long()"
ORDER_MISTAKES = mistakes(
    "order",
    time_targets,
    (
        "order_forwards_only",
        "You count three frames in the reverse order as shuffled. Then the direction of a motion "
        "gives the answer away; played backwards they are in order, too.",
        (RETURN_ORDER, "return forwards.long()"),
    ),
    (
        "order_labels_swapped",
        "The labels are swapped: 1 means in order.",
        (RETURN_ORDER, "return (~(forwards | backwards)).long()"),
    ),
    (
        "order_ends_only",
        "You compare the first frame with the last: where the middle one belongs is the question.",
        (RETURN_ORDER, "return (first < last).long()"),
    ),
    (
        "order_first_step",
        "You compare the first two frames only.",
        (RETURN_ORDER, "return (first < middle).long()"),
    ),
    (
        "order_later_than_first",
        "You ask whether the first frame is the earliest: the order of the other two matters as "
        "well.",
        (RETURN_ORDER, "return ((first < middle) & (first < last)).long()"),
    ),
    (
        "order_direction",
        "Forwards and backwards are two classes for you: both are in order, 1.",
        (RETURN_ORDER, "return forwards.long() + 2 * backwards.long()"),
    ),
)
PAIRING_MISTAKES = mistakes(
    "pairs",
    time_targets,
    (
        "order_self_positive",
        "A frame is its own positive in your answer: that pair teaches nothing, 0.",
        ("    target[:, range(times.shape[1]), range(times.shape[1])] = 0\n", ""),
    ),
    (
        "order_future_only",
        "Your distances have a sign: earlier frames are near or far just as later ones are.",
        ("times[:, None, :]).abs()", "times[:, None, :])"),
    ),
    (
        "order_no_gap",
        "All pairs that are not near are far for you: those between near and far are neither, 0.",
        ("distance >= far", "distance > near"),
    ),
    (
        "order_gap_is_near",
        "Pairs between near and far are positive for you: they are neither, 0.",
        ("distance <= near", "distance < far"),
    ),
    (
        "order_strict",
        "A distance of just `near` is near, one of just `far` is far.",
        ("distance <= near", "distance < near"),
        ("distance >= far", "distance > far"),
    ),
    (
        "order_by_place",
        "You count places in the row: `times` says when each frame was taken.",
        (
            "    distance =",
            "    times = torch.arange(times.shape[1]).expand_as(times)\n    distance =",
        ),
    ),
    (
        "order_pairs_swapped",
        "The signs are swapped: near pairs are positives, 1.",
        ("target[distance <= near] = 1", "target[distance <= near] = -1"),
        ("target[distance >= far] = -1", "target[distance >= far] = 1"),
    ),
)
ORDER_WRONG = [
    Wrong(variant(time_targets, "order_no_negatives", ("far] = -1", "far] = 0")), test="pairs")
]


def draw_orders(rng):
    """All six orders of three frames, at times that are no neighbours."""
    ranks = rng.permutation([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
    times = np.sort(np.stack([rng.permutation(12)[:3] for _ in range(6)]), axis=1)
    return {
        "times": np.take_along_axis(times, ranks, axis=1),
        "task": "order",
        "near": 2,
        "far": 5,
    }


def draw_times(rng):
    times = np.stack([rng.permutation(10)[:5] for _ in range(2)])
    near = int(rng.integers(1, 3))
    return {"times": times, "task": "pairs", "near": near, "far": near + int(rng.integers(2, 4))}


ORDER_EXERCISE = Exercise(
    id="temporal-order",
    answer="time_targets",
    kind="function",
    title="Before, after and close by",
    minutes=15,
    reference=time_targets,
    tests=[
        Test(
            "order",
            1,
            telling(draw_orders, time_targets, ORDER_MISTAKES, 0.5),
            properties=[{"name": "at_most", "value": 1, "says": "the classes are 0 and 1"}],
        ),
        Test(
            "pairs",
            1,
            telling(draw_times, time_targets, [*PAIRING_MISTAKES, *ORDER_WRONG], 0.5),
            properties=[{"name": "at_most", "value": 1}, {"name": "at_least", "value": -1}],
        ),
    ],
    mistakes=[*ORDER_MISTAKES, *PAIRING_MISTAKES],
    wrong=ORDER_WRONG,
    right=[time_targets_by_sign, time_targets_by_loops],
    discouraged=("gencourse.pretext.TemporalOrder", "gencourse.pretext.TimeContrastive"),
)


# --- 16. sound-and-sight ----------------------------------------------------------------


def hear_and_see(maps, sounds, scale, bias):
    maps, sounds = F.normalize(maps, dim=1), F.normalize(sounds, dim=1)
    heat = torch.einsum("bdhw,sd->bshw", maps, sounds)  # every picture with every sound
    logits = scale * heat.flatten(2).amax(2) + bias
    own = torch.eye(len(maps)).bool()
    together = F.softplus(-logits)[own].mean()
    apart = F.softplus(logits)[~own].mean()
    return {"heat": heat[own], "loss": (together + apart) / 2}


def hear_and_see_by_loops(maps, sounds, scale, bias):
    """Pair by pair; single precision."""
    maps, sounds, losses, heat = maps.float(), sounds.float(), {True: [], False: []}, []
    for i, picture in enumerate(maps):
        for j, sound in enumerate(sounds):
            cosines = F.cosine_similarity(picture, sound[:, None, None], dim=0)
            if i == j:
                heat.append(cosines.tolist())
            p = torch.sigmoid(scale * cosines.max() + bias)
            losses[i == j].append(-float(torch.log(p if i == j else 1 - p)))
    return {"loss": 0.5 * np.mean(losses[True]) + 0.5 * np.mean(losses[False]), "heat": heat}


def hear_and_see_by_weights(maps, sounds, scale, bias):
    """Binary cross-entropy with a weight for each pair."""
    b, d, h, w = maps.shape
    places = maps.permute(0, 2, 3, 1).reshape(-1, d)
    places = places / places.norm(dim=1, keepdim=True)
    cosines = (places @ (sounds / sounds.norm(dim=1, keepdim=True)).T).reshape(b, h * w, b)
    target = torch.eye(b, dtype=maps.dtype)
    weight = target / b + (1 - target) / (b * b - b)
    logits = bias + scale * cosines.max(1).values
    loss = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum") / 2
    return {"heat": cosines.diagonal(dim1=0, dim2=2).T.reshape(b, h, w), "loss": loss}


POOLED = "heat.flatten(2).amax(2)"
SOUND_MISTAKES = mistakes(
    "correspondence",
    hear_and_see,
    (
        "sound_mean_over_places",
        "You average over the places: a small thing makes the sound, so the best place counts.",
        (POOLED, "heat.flatten(2).mean(2)"),
    ),
    (
        "sound_pooled_first",
        "You pool the picture's embedding before you compare: the place is lost then. Compare "
        "each place, then take the best.",
        (
            POOLED,
            "(F.normalize(maps.mean((2, 3)), dim=1) @ sounds.T)",
        ),
    ),
    (
        "sound_not_normalised",
        "You compare inner products: cosines are asked.",
        ("F.normalize(maps, dim=1), F.normalize(sounds, dim=1)", "maps, sounds"),
    ),
    (
        "sound_normalised_over_picture",
        "You normalise over the places: each place's embedding has length 1.",
        ("F.normalize(maps, dim=1)", "F.normalize(maps.flatten(1), dim=1).view_as(maps)"),
    ),
    (
        "sound_labels_swapped",
        "The labels are swapped: a picture belongs with its own sound.",
        ("F.softplus(-logits)[own]", "F.softplus(logits)[own]"),
        ("F.softplus(logits)[~own]", "F.softplus(-logits)[~own]"),
    ),
    (
        "sound_all_pairs_equal",
        "You average over all pairs: few of them belong together, so saying no always would be "
        "cheap. Both kinds have half the weight.",
        ("(together + apart) / 2", "(together + (len(maps) - 1) * apart) / len(maps)"),
    ),
    (
        "sound_no_half",
        "Your loss is twice too large: the mean of both kinds is asked.",
        ("(together + apart) / 2", "together + apart"),
    ),
    (
        "sound_positives_among_negatives",
        "The true pairs are among the negatives: a picture with its own sound is none.",
        ("F.softplus(logits)[~own]", "F.softplus(logits)"),
    ),
    (
        "sound_true_pairs_only",
        "You look at the true pairs only: a constant answer would be perfect.",
        ("(together + apart) / 2", "together"),
    ),
    (
        "sound_sigmoid_twice",
        "That is a sigmoid too many.",
        ("    own =", "    logits = logits.sigmoid()\n    own ="),
    ),
    (
        "sound_heat_of_next",
        "The loss is right; the heat is that of another sound: each picture with its own.",
        ('"heat": heat[own]', '"heat": heat[own.roll(1, 1)]'),
    ),
    (
        "sound_heat_softmax",
        "The loss is right; the heat is asked as cosines, without a softmax.",
        ('"heat": heat[own]', '"heat": heat[own].flatten(1).softmax(1).view_as(heat[own])'),
    ),
    (
        "sound_scale_forgotten",
        "The scale and the bias make no difference to your loss.",
        ("scale * heat.flatten(2).amax(2) + bias", "heat.flatten(2).amax(2)"),
    ),
)
SOUND_WRONG = [
    Wrong(variant(hear_and_see, "sound_softmax_loss", ("(together + apart) / 2",
          "F.cross_entropy(logits, torch.arange(len(maps)))")), test="correspondence")
]  # fmt: skip


def draw_scene(rng):
    return {
        "maps": signed(rng, 0.2, 1.6, 3, 3, 2, 3),
        "sounds": signed(rng, 0.2, 1.6, 3, 3),
        "scale": float(rng.choice([2.0, 3.0])),
        "bias": float(rng.choice([-1.5, -1.0, -0.5])),
    }


SOUND = Exercise(
    id="sound-and-sight",
    answer="hear_and_see",
    kind="function",
    title="Where does the sound come from",
    minutes=20,
    reference=hear_and_see,
    atol=1e-5,
    tests=[
        Test(
            "correspondence",
            1,
            telling(draw_scene, hear_and_see, [*SOUND_MISTAKES, *SOUND_WRONG], 0.005),
            properties=[
                {"name": "at_most", "key": "heat", "value": 1.0, "says": "a cosine is at most 1"}
            ],
        )
    ],
    mistakes=SOUND_MISTAKES,
    wrong=SOUND_WRONG,
    right=[hear_and_see_by_loops, hear_and_see_by_weights],
    discouraged=("gencourse.pretext.AudioVisual",),
)


# --- 17. mil-nce ------------------------------------------------------------------------


def mil_nce(positives, negatives, delays, window):
    near = delays.abs() <= window  # (B, P)
    candidates = positives.masked_fill(~near, -torch.inf)
    good = candidates.logsumexp(1)
    everything = torch.cat([candidates, negatives], 1).logsumexp(1)
    return (everything - good).mean()


def mil_nce_by_loop(positives, negatives, delays, window):
    """Clip by clip: the chance that the sentence chosen by a softmax is one of the candidates."""
    losses = []
    rows = zip(positives.tolist(), negatives.tolist(), delays.tolist(), strict=True)
    for own, others, late in rows:
        own = [s for s, d in zip(own, late, strict=True) if -window <= d <= window]
        top = max(own + others)
        good = sum(math.exp(s - top) for s in own)
        losses.append(math.log(good + sum(math.exp(s - top) for s in others)) - math.log(good))
    return sum(losses) / len(losses)


def mil_nce_by_softplus(positives, negatives, delays, window):
    """log(1 + negatives / positives), in numpy and single precision."""
    keep = np.where(np.abs(delays.numpy()) <= window, 0.0, -np.inf)
    good = np.logaddexp.reduce(np.float32(positives) + keep, axis=1)
    bad = np.logaddexp.reduce(np.float32(negatives), axis=1)
    return np.float32(np.logaddexp(0, bad - good).mean())


MIL = "(everything - good).mean()"
MIL_MISTAKES = mistakes(
    "candidates",
    mil_nce,
    (
        "mil_mean_of_logs",
        "You average the candidates' own losses: (0, 4) against 0 gives 0.3556. Add the "
        "probabilities first, then take the logarithm: 0.0178. One good candidate is enough.",
        (
            MIL,
            "(torch.logaddexp(candidates, negatives.logsumexp(1)[:, None]) - candidates)"
            "[near].reshape(len(near), -1).mean(1).mean()",
        ),
    ),
    (
        "mil_mean_of_logs_shared",
        "You average the log-probabilities of the candidates: add up the probabilities, then take "
        "the logarithm.",
        (MIL, "(everything - positives.where(near, 0.0).sum(1) / near.sum(1)).mean()"),
    ),
    (
        "mil_best_only",
        "You take the best candidate and forget the others: all of them are added up.",
        (
            "candidates.logsumexp(1)",
            "candidates.amax(1)\n    candidates = candidates.amax(1, keepdim=True)",
        ),
    ),
    (
        "mil_mean_score",
        "You average the candidates' scores: exponentials are added up, not scores.",
        (
            "    good =",
            "    candidates = positives.where(near, 0.0).sum(1, True) / near.sum(1, True)\n"
            "    good =",
        ),
    ),
    (
        "mil_average_of_candidates",
        "You divide by the number of candidates: their exponentials are added up, not averaged.",
        (MIL, "(everything - good + near.sum(1).double().log()).mean()"),
    ),
    (
        "mil_without_positives",
        "The candidates are missing in the denominator.",
        ("torch.cat([candidates, negatives], 1)", "negatives"),
    ),
    (
        "mil_softmax_twice",
        "That is a softmax too many: the scores go into the formula as they are.",
        (
            "    good =",
            "    both = torch.cat([candidates, negatives], 1).softmax(1)\n"
            "    size = positives.shape[1]\n"
            "    candidates = both[:, :size].masked_fill(~near, -torch.inf)\n"
            "    negatives = both[:, size:]\n"
            "    good =",
        ),
    ),
    ("mil_summed", "You add up over the clips: the mean is asked.", (".mean()", ".sum()")),
    (
        "mil_sign",
        "The sign is reversed: a loss is minus the log-probability.",
        ("everything - good", "good - everything"),
    ),
)
WINDOW_MISTAKES = mistakes(
    "window",
    mil_nce,
    (
        "mil_no_window",
        "All sentences of the clip are candidates for you: those outside the window are not.",
        ("delays.abs() <= window", "delays.abs() >= 0"),
    ),
    (
        "mil_window_one_sided",
        "You take sentences that come late only: narrators also announce what they will do.",
        ("delays.abs() <= window", "(delays >= 0) & (delays <= window)"),
    ),
    (
        "mil_no_lower_end",
        "Your window is open on one side: a delay of -100 is not within it.",
        ("delays.abs() <= window", "delays <= window"),
    ),
    (
        "mil_outside_is_negative",
        "You count the clip's own sentences outside the window as negatives: they may well be "
        "about it, so they count as neither.",
        ("torch.cat([candidates, negatives], 1)", "torch.cat([positives, negatives], 1)"),
    ),
    (
        "mil_nearest_only",
        "You keep only the sentence nearest in time: every sentence within the window is a "
        "candidate.",
        ("delays.abs() <= window", "delays.abs() == delays.abs().amin(1, keepdim=True)"),
    ),
    (
        "mil_window_halved",
        "`window` is the largest delay on either side, not the width of the whole.",
        ("<= window", "<= window / 2"),
    ),
    (
        "mil_score_zero_outside",
        "You give sentences outside the window the score 0: exp(0) = 1 still counts.",
        ("-torch.inf", "0.0"),
    ),
)
MIL_WRONG = [Wrong(MIL_MISTAKES[0].answer, test="window")]


def draw_candidates_in_time(rng):
    """All candidates are within the window."""
    return {
        "positives": signed(rng, 0.2, 2.5, 3, 3),
        "negatives": signed(rng, 0.2, 2.5, 3, 4),
        "delays": signed(rng, 0.1, 1.9, 3, 3),
        "window": 2.0,
    }


def draw_window(rng):
    """In each row three of five within the window, early and late, near and less near."""
    sides = rng.permutation([1, 1, -1])
    rows = [s * np.array([0.4, -0.8, 1.5, -2.7, 2.6]) * rng.uniform(0.9, 1.1) for s in sides]
    return {
        "positives": signed(rng, 0.2, 2.0, 3, 5),
        "negatives": signed(rng, 0.2, 2.0, 3, 4),
        "delays": np.round([rng.permutation(r) for r in rows], 2),
        "window": 2.0,
    }


MIL_FIXED = {
    "positives": np.array([[0.0, 4.0]]),
    "negatives": np.array([[0.0]]),
    "delays": np.array([[-1.0, 1.5]]),
    "window": 2.0,
}

MIL_NCE = Exercise(
    id="mil-nce",
    answer="mil_nce",
    kind="function",
    title="Narration that comes early or late",
    minutes=20,
    reference=mil_nce,
    atol=1e-5,
    tests=[
        Test(
            "candidates",
            1,
            telling(draw_candidates_in_time, mil_nce, MIL_MISTAKES, 0.01),
            fixed=[MIL_FIXED],
            properties=[{"name": "nonnegative", "says": "the loss is never negative"}],
        ),
        Test("window", 1, telling(draw_window, mil_nce, [*WINDOW_MISTAKES, *MIL_WRONG], 0.01)),
    ],
    mistakes=[*MIL_MISTAKES, *WINDOW_MISTAKES],
    wrong=MIL_WRONG,
    right=[mil_nce_by_loop, mil_nce_by_softplus],
    discouraged=("gencourse.losses.mil_nce", "gencourse.pretext.Narration"),
)


# --- 18. next-frame ---------------------------------------------------------------------


def next_frame(belief):
    left, right = belief
    moved_left = torch.cat([left[1:], left[:1] * 0])
    moved_right = torch.cat([right[-1:] * 0, right[:-1]])
    frame = moved_left + moved_right
    frame[1] += left[0]
    frame[-2] += right[-1]
    return {"frame": frame, "error": 1 - frame.square().sum()}


def next_frame_by_states(belief):
    """Every state by itself, and the expected squared error as it is defined."""
    w = belief.shape[1]
    pictures, chances = [], []
    for side, at in np.ndindex(2, w):
        to = at + (1 if side else -1)
        to = 1 if to < 0 else w - 2 if to == w else to
        pictures.append(np.eye(w)[to])
        chances.append(float(belief[side, at]))
    mean = np.average(pictures, axis=0, weights=chances)
    errors = [((p - mean) ** 2).sum() for p in pictures]
    return {"error": np.float32(np.dot(errors, chances)), "frame": np.float32(mean)}


def next_frame_by_matrices(belief):
    """One matrix for each direction; the error as a sum of variances."""
    w = belief.shape[1]
    step = torch.diag(torch.ones(w - 1, dtype=belief.dtype), 1)  # from i to i + 1
    step[-1, -2] = 1
    frame = belief[1] @ step + belief[0] @ step.flip(0, 1)
    return {"frame": frame.tolist(), "error": (frame * (1 - frame)).sum().item()}


ERROR = "1 - frame.square().sum()"
NEXT_MISTAKES = mistakes(
    "frame",
    next_frame,
    (
        "next_copy",
        "You return where the ball is now: it moves.",
        ("    return", "    frame = left + right\n    return"),
    ),
    (
        "next_directions_swapped",
        "The directions are swapped: row 0 of the belief is a ball that moves left.",
        ("left, right = belief", "right, left = belief"),
    ),
    (
        "next_stops_at_wall",
        "Your ball stops at the wall: it turns round, and is one pixel away from it in the next "
        "frame.",
        ("frame[1] += left[0]", "frame[0] += left[0]"),
        ("frame[-2] += right[-1]", "frame[-1] += right[-1]"),
    ),
    (
        "next_wraps",
        "Your ball leaves at one wall and comes in at the other: it bounces back.",
        ("frame[1] += left[0]", "frame[-1] += left[0]"),
        ("frame[-2] += right[-1]", "frame[0] += right[-1]"),
    ),
    (
        "next_lost",
        "Your ball is lost at the walls: the frame no longer adds up to 1.",
        ("    frame[1] += left[0]\n", ""),
        ("    frame[-2] += right[-1]\n", ""),
    ),
    (
        "next_wall_one_sided",
        "Only one of your walls makes the ball bounce.",
        ("    frame[-2] += right[-1]\n", "    frame[-1] += right[-1]\n"),
    ),
    (
        "next_most_likely",
        "You draw the ball at its likeliest place: the least squared error has the mean of the "
        "possible frames, a blur.",
        ("    return", "    frame = F.one_hot(frame.argmax(), len(frame)).double()\n    return"),
        (ERROR, "2 - 2 * (moved_left + moved_right).max()"),
    ),
    (
        "next_error_averaged",
        "The frame is right; your error is averaged over the pixels, their sum is asked.",
        (ERROR, "(1 - frame.square().sum()) / len(frame)"),
    ),
    (
        "next_error_of_mode",
        "The frame is right; the error is that of the likeliest frame, not that of the mean.",
        (ERROR, "2 - 2 * frame.max()"),
    ),
    (
        "next_error_zero",
        "The frame is right; but the ball will be somewhere, not everywhere a little: the "
        "expected squared error is not 0.",
        (ERROR, "0.0"),
    ),
    (
        "next_error_absolute",
        "The frame is right; the error is the expected absolute one, the squared is asked.",
        (ERROR, "2 - 2 * frame.square().sum()"),
    ),
)
NEXT_WRONG = [
    Wrong(variant(next_frame, "next_uniform", (ERROR, "1 - 1 / len(frame)")), test="frame")
]


def draw_belief(rng):
    """Ten states, some likelier than others, both walls possible."""
    p = (rng.multinomial(70, rng.dirichlet(np.ones(10))) + 3) / 100
    return {"belief": np.round(p.reshape(2, 5), 2)}


NEXT = Exercise(
    id="next-frame",
    answer="next_frame",
    kind="function",
    title="The best guess of the next frame",
    minutes=15,
    reference=next_frame,
    atol=1e-5,
    tests=[
        Test(
            "frame",
            1,
            telling(draw_belief, next_frame, [*NEXT_MISTAKES, *NEXT_WRONG], 0.005),
            fixed=[{"belief": np.array([[0.0, 0.0, 0.5, 0, 0], [0.0, 0.0, 0.5, 0, 0]])}],
            properties=[
                {"name": "nonnegative", "key": "frame"},
                {"name": "sums_to", "key": "frame", "value": 1.0, "axis": 0},
            ],
        )
    ],
    mistakes=NEXT_MISTAKES,
    wrong=NEXT_WRONG,
    right=[next_frame_by_states, next_frame_by_matrices],
    discouraged=("gencourse.pretext.FramePrediction",),
)


# --- 19. skip-gram ----------------------------------------------------------------------


def skip_gram(counts, scores, k, part):
    total = counts.sum()
    words, contexts = counts.sum(1), counts.sum(0)
    independent = words[:, None] * contexts / total
    if part == "optimum":
        pmi = (counts / independent).log()
        return pmi - math.log(k)
    drawn = k * independent
    loss = counts * F.softplus(-scores) + drawn * F.softplus(scores)
    return loss.sum() / total


def skip_gram_by_loops(counts, scores, k, part):
    n = counts.tolist()
    total, rows = sum(map(sum, n)), [sum(r) for r in n]
    columns, table, loss = [sum(c) for c in zip(*n, strict=True)], [], 0.0
    for i, j in np.ndindex(*counts.shape):
        ratio = n[i][j] * total / (rows[i] * columns[j] * k)
        table.append(math.log(ratio) if ratio else -math.inf)
        p = 1 / (1 + math.exp(-float(scores[i, j])))
        loss -= n[i][j] * math.log(p) + k * rows[i] * columns[j] / total * math.log(1 - p)
    return np.reshape(table, counts.shape) if part == "optimum" else loss / total


def skip_gram_by_probabilities(counts, scores, k, part):
    """Frequencies in numpy and single precision."""
    p = np.float32(counts / counts.sum())
    product = np.outer(p.sum(1), p.sum(0))
    if part == "optimum":
        with np.errstate(divide="ignore"):
            return np.log(p) - np.log(k * product)
    s = np.float32(scores)
    return (p * np.logaddexp(0, -s) + k * product * np.logaddexp(0, s)).sum()


OPTIMUM_MISTAKES = mistakes(
    "optimum",
    skip_gram,
    (
        "skip_no_log_k",
        "That is the PMI: with k negatives for each pair the optimum is PMI - log k.",
        ("pmi - math.log(k)", "pmi"),
    ),
    (
        "skip_plus_log_k",
        "log k has the wrong sign: more negatives make every score lower.",
        ("pmi - math.log(k)", "pmi + math.log(k)"),
    ),
    (
        "skip_minus_k",
        "You subtract k; its logarithm is subtracted.",
        ("pmi - math.log(k)", "pmi - k"),
    ),
    (
        "skip_bits",
        "Your unit is bits: nats are asked, the natural logarithm.",
        ("pmi - math.log(k)", "(pmi - math.log(k)) / math.log(2)"),
    ),
    (
        "skip_joint",
        "That is log P(w, c): the PMI divides by both words' own probabilities.",
        ("counts / independent", "counts / total"),
    ),
    (
        "skip_conditional",
        "That is log P(c | w): the PMI divides by the context's own probability as well.",
        ("counts / independent", "counts / words[:, None]"),
    ),
    (
        "skip_axes_swapped",
        "Rows and columns are swapped: words stand in rows, so their counts are the sums of the "
        "rows.",
        ("counts.sum(1), counts.sum(0)", "counts.sum(0), counts.sum(1)"),
    ),
    (
        "skip_positive",
        "You cut negative values at 0 (positive PMI); the optimum may be negative.",
        ("pmi - math.log(k)", "(pmi - math.log(k)).clamp(min=0)"),
    ),
    (
        "skip_smoothed",
        "You add 1 to the counts: pairs that never occur have a score of minus infinity.",
        ("    total", "    counts = counts + 1\n    total"),
    ),
    (
        "skip_reversed",
        "The fraction is upside down: pairs that occur together often have a high PMI.",
        ("(counts / independent)", "(independent / counts)"),
    ),
)
SKIP_LOSS_MISTAKES = mistakes(
    "loss",
    skip_gram,
    (
        "skip_one_negative",
        "You draw one negative for each pair: k are drawn.",
        ("drawn = k * independent", "drawn = independent"),
    ),
    (
        "skip_negatives_uniform",
        "You draw negatives uniformly: they are drawn as often as words occur as contexts.",
        (
            "drawn = k * independent",
            "drawn = k * words[:, None] / len(contexts) + 0 * independent",
        ),
    ),
    (
        "skip_negatives_from_words",
        "You draw negatives with the probabilities of the *words*; those of the contexts count.",
        ("drawn = k * independent", "drawn = k * words[:, None] * words / total"),
    ),
    (
        "skip_signs_swapped",
        "The signs are swapped: pairs that occur get high scores.",
        ("F.softplus(-scores)", "F.softplus(scores)"),
        ("drawn * F.softplus(scores)", "drawn * F.softplus(-scores)"),
    ),
    (
        "skip_negatives_same_sign",
        "Drawn negatives are to get *low* scores: log sigmoid(-s).",
        ("drawn * F.softplus(scores)", "drawn * F.softplus(-scores)"),
    ),
    (
        "skip_no_negatives",
        "There are no negatives in your loss: infinite scores for everything would be best.",
        (" + drawn * F.softplus(scores)", ""),
    ),
    (
        "skip_not_divided",
        "You add up over the pairs: divide by their number.",
        ("loss.sum() / total", "loss.sum()"),
    ),
    (
        "skip_over_words",
        "You divide by the number of cells of the table: divide by the number of pairs counted.",
        ("loss.sum() / total", "loss.mean()"),
    ),
    (
        "skip_softmax",
        "That is a softmax over the contexts: negative sampling has two sigmoids instead.",
        (
            "    loss =",
            "    full = -(counts * scores.log_softmax(1)).sum() / total\n    loss =",
        ),
        ("return loss.sum() / total", "return full"),
    ),
)
SKIP_WRONG = [
    Wrong(
        variant(skip_gram, "skip_mean_of_negatives", ("drawn = k *", "drawn = 1 / k *")),
        test="loss",
    )
]


def draw_counts(rng, part="optimum"):
    """Some pairs never occur; rows and columns have different sums."""
    counts = rng.choice([0, 1, 2, 3, 5, 8, 13], size=(3, 3))
    if counts.sum(1).min() < 2 or counts.sum(0).min() < 2 or not 1 <= (counts == 0).sum() <= 2:
        return None
    scores = signed(rng, 0.2, 1.8, 3, 3)
    return {"counts": counts, "scores": scores, "k": int(rng.integers(2, 6)), "part": part}


def draw_skip_loss(rng):
    return draw_counts(rng, "loss")


SKIP = Exercise(
    id="skip-gram",
    answer="skip_gram",
    kind="function",
    title="The same idea in text",
    minutes=20,
    reference=skip_gram,
    atol=1e-5,
    tests=[
        Test("optimum", 1, telling(draw_counts, skip_gram, OPTIMUM_MISTAKES, 0.01)),
        Test(
            "loss",
            1,
            telling(draw_skip_loss, skip_gram, [*SKIP_LOSS_MISTAKES, *SKIP_WRONG], 0.01),
            properties=[{"name": "nonnegative", "says": "the loss is never negative"}],
        ),
    ],
    mistakes=[*OPTIMUM_MISTAKES, *SKIP_LOSS_MISTAKES],
    wrong=SKIP_WRONG,
    right=[skip_gram_by_loops, skip_gram_by_probabilities],
    discouraged=("gencourse.pretext.SkipGram", "gencourse.pretext.skip_gram.shifted_pmi"),
)


# --- 20. frozen-probe -------------------------------------------------------------------


def train_probe(W, x, y, l2):
    h = torch.relu(x @ W.T)  # (B, D), fixed: W is not trained
    z = torch.cat([h, torch.ones(len(h), 1, dtype=x.dtype)], 1)
    penalty = torch.tensor([l2] * len(W) + [0.0], dtype=x.dtype)
    theta = torch.zeros_like(penalty)
    for _ in range(30):  # Newton's method
        p = torch.sigmoid(z @ theta)
        gradient = z.T @ (p - y) / len(y) + penalty * theta
        hessian = z.T @ (z * (p * (1 - p))[:, None]) / len(y) + penalty.diag()
        theta = theta - torch.linalg.solve(hessian, gradient)
    return {"W": W, "weight": theta[:-1], "bias": theta[-1]}


def slope_of_encoder(W, x, y, weight, bias):
    """The gradient of the mean negative log-likelihood by the encoder's weights."""
    h = x @ W.T
    wrong = torch.sigmoid(h.clamp(min=0) @ weight + bias) - y
    return (wrong[:, None] * weight * (h > 0)).T @ x / len(y)


def probe_by_sklearn(W, x, y, l2):
    from sklearn.linear_model import LogisticRegression

    h = np.maximum(x.numpy() @ W.numpy().T, 0)
    model = LogisticRegression(C=1 / (l2 * len(y)), tol=1e-10, max_iter=2000).fit(h, y.numpy())
    return {"W": W.numpy(), "weight": model.coef_[0], "bias": model.intercept_}


def probe_by_lbfgs(W, x, y, l2):
    """A network whose encoder is frozen, trained by torch's optimiser."""
    encoder = torch.nn.Linear(x.shape[1], len(W), bias=False, dtype=x.dtype)
    encoder.weight.data.copy_(W)
    encoder.requires_grad_(False)
    head = torch.nn.Linear(len(W), 1, dtype=x.dtype)
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=300, tolerance_grad=1e-9)

    def closure():
        optimiser.zero_grad()
        logits = head(torch.relu(encoder(x))).squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logits, y)
        loss = loss + l2 / 2 * head.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return {"W": encoder.weight, "weight": head.weight, "bias": head.bias}


def probe_by_descent(W, x, y, l2):
    """Gradient descent in single precision."""
    h, y = torch.relu(x.float() @ W.float().T), y.float()
    v, b = torch.zeros(len(W)), torch.zeros(())
    rate = 1 / (0.25 * h.square().sum(1).mean() + 0.25 + l2)
    for _ in range(3000):
        wrong = torch.sigmoid(h @ v + b) - y
        v, b = v - rate * (h.T @ wrong / len(y) + l2 * v), b - rate * wrong.mean()
    return {"W": W, "weight": v, "bias": b}


RETURN_PROBE = '    return {"W": W'
FROZEN_MISTAKES = mistakes(
    "frozen",
    train_probe,
    (
        "probe_encoder_trained",
        "The encoder is not frozen: its weights are no longer those that it came with. What is "
        "measured then is training with labels, not what was learned without.",
        (
            RETURN_PROBE,
            "    for _ in range(50):\n"
            "        W = W - 0.5 * slope_of_encoder(W, x, y, theta[:-1], theta[-1])\n"
            f"{RETURN_PROBE}",
        ),
    ),
    (
        "probe_encoder_replaced",
        "Your encoder is another one: the pretrained weights are to be kept.",
        (
            RETURN_PROBE,
            f"    W = 0.5 * torch.sin(torch.arange(W.numel()).to(W)).view_as(W)\n{RETURN_PROBE}",
        ),
    ),
    (
        "probe_no_relu",
        "Your probe was trained on features without the ReLU.",
        ("torch.relu(x @ W.T)", "x @ W.T"),
    ),
    (
        "probe_centred",
        "Your probe was trained on centred features, and the shift is not folded into its bias.",
        ("    z =", "    h = h - h.mean(0)\n    z ="),
    ),
    (
        "probe_unit_length",
        "Your probe was trained on features of length 1; it gets them as the encoder makes them.",
        ("    z =", "    h = F.normalize(h, dim=1)\n    z ="),
    ),
    (
        "probe_no_bias",
        "Your probe has no bias.",
        ("torch.ones(len(h), 1, dtype=x.dtype)", "1e-6 * torch.ones(len(h), 1, dtype=x.dtype)"),
        ("[0.0]", "[1.0]"),
    ),
    (
        "probe_signs",
        "The signs are reversed: p(y = 1) is the sigmoid of weight.h + bias.",
        ("    return", "    theta = -theta\n    return"),
    ),
)
PROBE_PENALTY_MISTAKES = mistakes(
    "penalty",
    train_probe,
    (
        "probe_no_penalty",
        "The penalty makes next to no difference to your weights: is it there, and is the loss "
        "the mean over the points and not their sum?",
        ("[l2]", "[1e-4]"),
    ),
    (
        "probe_no_half",
        "Your penalty is twice too strong: look at the factor in front of it.",
        ("[l2]", "[2 * l2]"),
    ),
    (
        "probe_bias_penalised",
        "You penalise the bias too: only the weights are to be kept small.",
        ("[0.0]", "[l2]"),
    ),
    (
        "probe_standardised",
        "You standardise the features before you train: then the penalty is another one.",
        ("    z =", "    sd = h.std(0)\n    h = h / sd\n    z ="),
        ("theta[:-1], ", "theta[:-1] / sd, "),
    ),
    (
        "probe_few_steps",
        "You stop before the minimum is reached: the objective can still fall by more than 0.002.",
        ("range(30)", "range(1)"),
    ),
)
PROBE_WRONG = [Wrong(FROZEN_MISTAKES[0].answer, test="penalty")]


def draw_labelled(rng, low=0.03, high=0.08):
    """Twenty points whose class the features tell in part."""
    W, x = signed(rng, 0.3, 1.2, 3, 2), np.round(rng.normal(size=(20, 2)) * 1.3, 2)
    h = np.maximum(x @ W.T, 0)
    logits = h @ signed(rng, 0.8, 1.6, 3) + rng.choice([-1.0, 1.0])
    y = (rng.random(20) < 1 / (1 + np.exp(-logits))).astype(float)
    call = {"W": W, "x": x, "y": y, "l2": float(grid(rng, low, high))}
    if not 6 <= y.sum() <= 14 or (h > 0).sum(0).min() < 6 or np.linalg.cond(h) > 8:
        return None
    found, free = (
        train_probe(**{k: torch.tensor(v) for k, v in call.items() if k != "l2"}, l2=l2)
        for l2 in (call["l2"], 1e-4)
    )
    logits = h @ found["weight"].numpy() + float(found["bias"])
    separable = call["l2"] * free["weight"].square().sum() > 8
    return None if np.abs(logits).min() < 0.03 or separable else call  # rounding would decide


def draw_penalised(rng):
    return draw_labelled(rng, 0.15, 0.4)


PROBE = Exercise(
    id="frozen-probe",
    answer="train_probe",
    kind="weights",
    title="A probe, and an encoder that holds still",
    minutes=25,
    reference=train_probe,
    rtol=0.0,
    atol=0.002,
    evaluator="frozen_probe",
    tests=[
        Test(
            "frozen",
            1,
            telling(draw_labelled, train_probe, FROZEN_MISTAKES, 0.006, by_probe_metrics),
            cases=2,
        ),
        Test(
            "penalty",
            1,
            telling(
                draw_penalised,
                train_probe,
                [*PROBE_PENALTY_MISTAKES, *PROBE_WRONG],
                0.006,
                by_probe_metrics,
            ),
            cases=2,
        ),
    ],
    mistakes=[*FROZEN_MISTAKES, *PROBE_PENALTY_MISTAKES],
    wrong=PROBE_WRONG,
    right=[probe_by_sklearn, probe_by_lbfgs, probe_by_descent],
    discouraged=(
        "gencourse.evaluate.linear_probe",
        "gencourse.graphical.LogisticRegression",
        "sklearn.linear_model.LogisticRegression",
    ),
)


# --- 21. nearest-neighbours -------------------------------------------------------------


def neighbour_votes(train, y, queries, num_classes, k, temperature, own):
    train, queries = F.normalize(train, dim=1), F.normalize(queries, dim=1)
    cosines = queries @ train.T  # (M, N)
    if own:
        cosines = cosines.masked_fill(torch.eye(len(train)).bool(), -torch.inf)
    s, who = cosines.topk(k, dim=1)
    weights = torch.exp(s / temperature)
    classes = F.one_hot(y[who], num_classes).to(s.dtype)  # (M, k, C)
    votes = (weights[:, :, None] * classes).sum(1)
    return votes / votes.sum(1, keepdim=True)


def votes_by_loops(train, y, queries, num_classes, k, temperature, own):
    """Query by query in plain Python."""
    result = []
    for i, q in enumerate(queries.tolist()):
        scored = []
        for j, t in enumerate(train.tolist()):
            if not (own and i == j):
                dot = sum(a * b for a, b in zip(q, t, strict=True))
                scored.append((dot / math.hypot(*q) / math.hypot(*t), int(y[j])))
        votes = [0.0] * num_classes
        for s, label in sorted(scored, reverse=True)[:k]:
            votes[label] += math.exp((s - 1) / temperature)
        result.append([v / sum(votes) for v in votes])
    return result


def votes_by_sorting(train, y, queries, num_classes, k, temperature, own):
    """Distances of points of length 1 stand for cosines; single precision."""
    a, b = (np.float32(v / v.norm(dim=1, keepdim=True)) for v in (train, queries))
    distance = ((b[:, None] - a) ** 2).sum(2)  # 2 - 2 cos
    if own:
        np.fill_diagonal(distance, np.inf)
    limit = np.sort(distance, axis=1)[:, k - 1 : k]
    weights = np.where(distance <= limit, np.exp(-distance / 2 / temperature), 0)
    votes = weights @ np.eye(num_classes)[y.numpy()]
    return votes / votes.sum(1, keepdims=True)


VOTE_MISTAKES = mistakes(
    "votes",
    neighbour_votes,
    (
        "knn_euclid",
        "You look for the nearest in the Euclidean distance: compare cosines, the lengths of "
        "embeddings mean nothing.",
        (
            "cosines.topk(k, dim=1)",
            "(-torch.cdist(raw_q, raw)).topk(k, dim=1)\n    s = cosines.gather(1, who)",
        ),
        ("    train, queries", "    raw, raw_q = train, queries\n    train, queries"),
    ),
    (
        "knn_inner_products",
        "You compare inner products: bring all embeddings to length 1 first.",
        ("F.normalize(train, dim=1), F.normalize(queries, dim=1)", "train, queries"),
    ),
    (
        "knn_train_not_normalised",
        "The queries have length 1, the training points still have the length that they came "
        "with.",
        ("F.normalize(train, dim=1)", "train"),
    ),
    (
        "knn_equal_votes",
        "All neighbours have the same weight in your vote: it is exp(cos / temperature).",
        ("torch.exp(s / temperature)", "torch.ones_like(s)"),
    ),
    (
        "knn_cosine_weights",
        "The weight of a vote is exp(cos / temperature), not the cosine.",
        ("torch.exp(s / temperature)", "s"),
    ),
    (
        "knn_distance_weights",
        "The weight of a vote is exp(cos / temperature); yours is exp(-distance / temperature).",
        (
            "torch.exp(s / temperature)",
            "torch.exp(-(2 - 2 * s).clamp(min=0).sqrt() / temperature)",
        ),
    ),
    (
        "knn_times_temperature",
        "You multiply by the temperature: cosines are divided by it.",
        ("s / temperature", "s * temperature"),
    ),
    (
        "knn_no_temperature",
        "The temperature makes no difference to your votes.",
        ("s / temperature", "s"),
    ),
    (
        "knn_all_vote",
        "All training points vote; only the k nearest do.",
        ("topk(k, dim=1)", "topk(len(train), dim=1)"),
    ),
    (
        "knn_farthest",
        "The farthest points vote: those with the *largest* cosines are the nearest.",
        ("topk(k, dim=1)", "topk(k, dim=1, largest=False)"),
    ),
    (
        "knn_one_fewer",
        "One neighbour too few votes.",
        ("topk(k, dim=1)", "topk(k - 1, dim=1)"),
    ),
    (
        "knn_nearest_only",
        "You ask the nearest point alone: the k nearest vote.",
        ("topk(k, dim=1)", "topk(1, dim=1)"),
    ),
    (
        "knn_winner",
        "You return the winner; the shares of the votes are asked.",
        (
            "    return votes / votes.sum(1, keepdim=True)",
            "    return F.one_hot(votes.argmax(1), num_classes)",
        ),
    ),
    (
        "knn_not_shared",
        "Your votes do not add up to 1: divide by their sum.",
        (" / votes.sum(1, keepdim=True)", ""),
    ),
)
OWN_MISTAKES = mistakes(
    "own",
    neighbour_votes,
    (
        "knn_asks_itself",
        "Each point is among its own neighbours, and of course knows its label: leave it out.",
        ("    if own:\n", "    if False:\n"),
    ),
    (
        "knn_self_scores_zero",
        "You set a point's cosine with itself to 0: it may still be among the k nearest. Minus "
        "infinity leaves it out.",
        ("-torch.inf", "0.0"),
    ),
    (
        "knn_self_counts_as_one",
        "You leave the point itself out after choosing k: then one neighbour is missing.",
        ("-torch.inf", "9.0"),
        ("torch.exp(s / temperature)", "torch.exp(s / temperature) * (s < 8)"),
    ),
)
KNN_WRONG = [
    Wrong(VOTE_MISTAKES[0].answer, test="own"),
    Wrong(VOTE_MISTAKES[1].answer, test="own"),
]


def draw_neighbours(rng, own=False):
    """Nine points of three classes; no two cosines of one query nearly equal."""
    train = np.round(rng.normal(size=(9, 2)) * rng.choice([0.5, 1.0, 2.0], size=(9, 1)), 2)
    queries = train if own else signed(rng, 0.2, 1.6, 3, 2)
    lengths = [np.linalg.norm(v, axis=1, keepdims=True) for v in (train, queries)]
    cosines = np.sort((queries / lengths[1]) @ (train / lengths[0]).T, axis=1)
    if np.diff(cosines, axis=1).min() < 1e-3 or min(v.min() for v in lengths) < 0.2:
        return None
    return {
        "train": train,
        "y": rng.permutation([0, 0, 0, 1, 1, 1, 2, 2, 2]),
        "queries": queries,
        "num_classes": 3,
        "k": 4,
        "temperature": float(rng.choice([0.3, 0.4, 0.5])),
        "own": own,
    }


def draw_own(rng):
    """Some have a 4th neighbour behind their back, so that a cosine of 0 would be nearer."""
    return draw_neighbours(rng, own=True)


SHARES = [
    {"name": "nonnegative"},
    {"name": "sums_to", "axis": 1, "value": 1.0, "says": "the shares of a query add up to 1"},
]
KNN = Exercise(
    id="nearest-neighbours",
    answer="neighbour_votes",
    kind="function",
    title="Asking the neighbours",
    minutes=20,
    reference=neighbour_votes,
    atol=1e-5,
    tests=[
        Test(
            "votes",
            1,
            telling(draw_neighbours, neighbour_votes, VOTE_MISTAKES, 0.01),
            properties=SHARES,
        ),
        Test(
            "own",
            1,
            telling(draw_own, neighbour_votes, [*OWN_MISTAKES, *KNN_WRONG], 0.01),
            cases=2,
            properties=SHARES,
        ),
    ],
    mistakes=[*VOTE_MISTAKES, *OWN_MISTAKES],
    wrong=KNN_WRONG,
    right=[votes_by_loops, votes_by_sorting],
    discouraged=("gencourse.evaluate.knn_probe", "sklearn.neighbors"),
)


EXERCISES = [
    ROTATION,
    JIGSAW,
    CONTEXT,
    AFFINE,
    RESTORE,
    COLOURS,
    SPLIT,
    WORDS,
    NCE,
    XENT,
    METRIC,
    CPC,
    MOVED,
    TRACKING,
    ORDER_EXERCISE,
    SOUND,
    MIL_NCE,
    NEXT,
    SKIP,
    PROBE,
    KNN,
]
