"""Contrastive losses against lightly's, and transforms against one image at a time with PIL.

Run with ``pytest -s benchmarks/test_pretext.py``; the ratios are printed. lightly is no dependency
of the course: ``pip install --no-deps --target FOLDER lightly lightly_utils`` once, and put FOLDER
on PYTHONPATH. A round times both sides, one after the other, in an order that changes each round;
what is quoted is the median and the lower quartile of the per-round ratios, on one thread, in
processor time.
"""

import statistics
import time

import numpy as np
import pytest
import torch
from PIL import Image

from gencourse.losses import info_nce, nt_xent
from gencourse.pretext.rotation import rotate
from gencourse.pretext.views import random_crops

ROUNDS = 31
PIL_TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180,
             Image.Transpose.ROTATE_270)  # fmt: skip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def compare_times(name, ours, theirs, at_least, repeats=1):
    """Print and check how many times as long `theirs` takes."""
    ratios, times = [], []
    for i in range(ROUNDS):
        taken = {}
        for side in (ours, theirs) if i % 2 == 0 else (theirs, ours):
            start = time.process_time()
            for _ in range(repeats):
                side()
            taken[side] = (time.process_time() - start) / repeats
        times.append((taken[ours], taken[theirs]))
        ratios.append(taken[theirs] / taken[ours])
    quartile, median = statistics.quantiles(ratios, n=4)[0], statistics.median(ratios)
    mine, other = (statistics.median(t[side] for t in times) * 1e3 for side in (0, 1))
    print(
        f"\n{name}: {median:.2f}x (lower quartile {quartile:.2f}x), wanted {at_least}x; "
        f"median {mine:.2f} ms against {other:.2f} ms"
    )
    assert median >= at_least


def gradients(loss, *embeddings):
    leaves = [e.clone().requires_grad_() for e in embeddings]
    value = loss(*leaves)
    value.backward()
    return value.detach(), [leaf.grad for leaf in leaves]


@pytest.mark.parametrize("rows", [64, 128, 512])
def test_two_views_against_lightly(rows):
    lightly = pytest.importorskip(
        "lightly.loss", reason="lightly is not installed, so nothing was compared: see the top"
    )
    theirs = lightly.NTXentLoss(temperature=0.5)
    a, b = torch.randn(2, rows, 128, generator=seeded())
    torch.testing.assert_close(gradients(nt_xent, a, b), gradients(theirs, a, b))
    compare_times(
        f"NT-Xent of {rows} pairs, with its backward pass",
        lambda: gradients(nt_xent, a, b),
        lambda: gradients(theirs, a, b),
        1,
        repeats=max(1, 1024 // rows),
    )


@pytest.mark.parametrize("rows", [64, 256])
def test_info_nce_against_lightly_with_a_memory_bank(rows):
    """MoCo's form: one positive, and negatives that all queries share."""
    lightly = pytest.importorskip(
        "lightly.loss", reason="lightly is not installed, so nothing was compared: see the top"
    )
    theirs = lightly.NTXentLoss(temperature=0.2, memory_bank_size=(1024, 128))
    bank = theirs.memory_bank.bank  # (1024, 128)
    q, k = torch.randn(2, rows, 128, generator=seeded())
    negatives = bank.clone()

    def ours():
        return gradients(lambda q: info_nce(q, k, negatives=negatives, temperature=0.2), q)

    def other():
        return gradients(lambda q: theirs(q, k), q)

    theirs.eval()
    torch.testing.assert_close(ours(), other())
    compare_times(f"InfoNCE of {rows} queries, 1024 negatives", ours, other, 1, repeats=8)


def test_rotation_against_pil():
    x = (torch.rand(256, 3, 32, 32, generator=seeded()) * 255).byte()
    turns = torch.randint(4, (256,), generator=seeded(1))
    pictures = [Image.fromarray(row.permute(1, 2, 0).numpy()) for row in x]
    tensors = x.float() / 255

    def with_pil():
        turned = [
            p if k == 0 else p.transpose(PIL_TURNS[k])
            for p, k in zip(pictures, turns.tolist(), strict=True)
        ]
        rows = [torch.from_numpy(np.array(p)).permute(2, 0, 1).float() / 255 for p in turned]
        return torch.stack(rows)

    assert torch.equal(rotate(tensors, turns), with_pil())
    compare_times("256 rotations", lambda: rotate(tensors, turns), with_pil, 5)


def test_crops_against_pil():
    """The same crops: PIL's `resize` of a box, with bilinear weights that do not smooth."""
    x = (torch.rand(256, 3, 32, 32, generator=seeded()) * 255).byte()
    pictures = [Image.fromarray(row.permute(1, 2, 0).numpy()) for row in x]
    tensors = x.float() / 255

    def ours():
        return random_crops(tensors, scale=(0.3, 1.0), generator=seeded(2))

    def with_pil():
        rng = np.random.default_rng(0)
        rows = []
        for picture in pictures:
            area, ratio = rng.uniform(0.3, 1), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
            w, h = min(1, np.sqrt(area * ratio)), min(1, np.sqrt(area / ratio))
            left, top = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
            box = (32 * left, 32 * top, 32 * (left + w), 32 * (top + h))
            view = picture.resize((32, 32), Image.Resampling.BILINEAR, box=box)
            rows.append(torch.from_numpy(np.array(view)).permute(2, 0, 1).float() / 255)
        return torch.stack(rows)

    a, b = ours(), with_pil()
    assert a.shape == b.shape
    assert abs(float(a.mean() - b.mean())) < 0.01
    compare_times("256 crops", ours, with_pil, 5)
