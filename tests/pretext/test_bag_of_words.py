"""Bags of words: k-means against scikit-learn, histograms by hand, and who is trained."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from gencourse.data import shapes, world
from gencourse.nets import make_encoder
from gencourse.pretext import BagOfWords, Rotation, pretext_loss
from gencourse.pretext.bag_of_words import histogram, k_means
from gencourse.train import fit, load

X = world(64, seed=1, num_shapes=1, frames=1).x[:, 0]  # (64, 3, 16, 16)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def learnt(**options):
    torch.manual_seed(0)
    task = BagOfWords((3, 16, 16), num_words=8, widths=(8, 16), **options)
    return task.learn_words(X, generator=seeded())


class TestKMeans:
    def test_it_is_scikit_learns(self):
        points = torch.randn(500, 5, generator=seeded(), dtype=torch.float64)
        start = points[:7]
        theirs = KMeans(7, init=start.numpy(), n_init=1, max_iter=6, tol=0).fit(points.numpy())
        np.testing.assert_allclose(
            k_means(points, 7, start=start, steps=6), theirs.cluster_centers_
        )

    def test_far_clusters_are_found(self):
        centres = torch.tensor([[0.0, 0], [10, 0], [0, 10], [10, 10], [5, 20]])
        points = centres.repeat(40, 1) + 0.1 * torch.randn(200, 2, generator=seeded())
        for seed in range(5):
            found = k_means(points, 5, generator=seeded(seed))
            assert torch.cdist(centres, found).amin(1).max() < 0.1

    def test_copies_where_points_are_few(self):
        points = torch.tensor([[1.0, 2], [3, 4], [3, 4]])
        found = k_means(points, 5, generator=seeded())
        assert found.shape == (5, 2) and len(found.unique(dim=0)) == 2

    def test_bad_input(self):
        with pytest.raises(ValueError, match="k is 0"):
            k_means(torch.zeros(3, 2), 0)
        with pytest.raises(ValueError, match=r"start has shape \(2, 2\), expected \(3, 2\)"):
            k_means(torch.zeros(3, 2), 3, start=torch.zeros(2, 2))


def test_a_histogram_sums_to_1_and_knows_no_order():
    words = torch.randint(6, (20, 9), generator=seeded())
    found = histogram(words, 6)
    assert histogram(torch.tensor([[2, 0, 2, 2]]), 4).tolist() == [[0.25, 0, 0.75, 0]]
    torch.testing.assert_close(found.sum(1), torch.ones(20))
    assert torch.equal(found, histogram(words[:, torch.randperm(9, generator=seeded())], 6))


def test_the_target_counts_the_nearest_words():
    task = learnt().eval()
    _, target = task.make(X, generator=seeded())
    maps = task.teacher.maps(X)  # (64, 16, 4, 4)
    for row, m in zip(target, maps, strict=True):
        places = m.flatten(1).T
        nearest = (places[:, None] - task.words).square().sum(2).argmin(1)
        torch.testing.assert_close(row, nearest.bincount(minlength=8) / 16)
    assert task.frequencies.sum() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(task.frequencies, target.mean(0), atol=0.01, rtol=0)


def test_the_order_of_patches_does_not_count():
    """With a teacher that sees each 4x4 patch alone, shuffling the patches changes no target."""
    task = learnt()
    task.teacher = Patches()
    task.register_buffer("words", torch.rand(8, 48, generator=seeded()))
    x = torch.rand(5, 3, 16, 16, generator=seeded(1))
    patches = x.unfold(2, 4, 4).unfold(3, 4, 4).flatten(2, 3)  # (B, C, N, 4, 4)
    mixed = patches[:, :, torch.randperm(16, generator=seeded())].unflatten(2, (4, 4))
    mixed = mixed.permute(0, 1, 2, 4, 3, 5).reshape(5, 3, 16, 16)
    targets = [task.make(images)[1] for images in (x, mixed)]
    assert not torch.equal(x, mixed) and torch.equal(*targets)


class Patches(torch.nn.Module):
    """An encoder whose features are the pixels of each 4x4 patch."""

    def maps(self, x):
        return torch.nn.functional.pixel_unshuffle(x, 4)


def test_the_view_is_changed_and_the_target_is_not():
    task = learnt().eval()
    views, targets = zip(*(task.make(X, generator=seeded(s)) for s in (0, 1)), strict=True)
    assert torch.equal(*targets) and not torch.equal(*views)
    same = learnt(crop=1.0, flip=False, jitter=0.0, grey=0.0)
    assert torch.equal(same.make(X)[0], X)


def test_the_error_is_a_divergence():
    task = learnt()
    target = torch.tensor([[0.5, 0.5, 0, 0, 0, 0, 0, 0]])
    exact = target.log().clamp(min=-100)
    assert task.measure(exact, target).abs().max() < 1e-6
    even = torch.zeros(1, 8)
    assert float(task.measure(even, target)) == pytest.approx(float(torch.tensor(4.0).log()))
    logits = task.frequencies.log()[None]
    torch.testing.assert_close(task.measure(logits, target), task.guess(logits, target))
    a, b = (task.criterion(logit, target) for logit in (exact, even))
    assert float(b - a) == pytest.approx(float(torch.tensor(4.0).log()), abs=1e-5)


def test_the_teacher_is_never_trained():
    task = learnt().train()
    before = {key: t.clone() for key, t in task.state_dict().items()}
    fit(task, X, loss=pretext_loss, steps=3, batch_size=32, progress=False)
    after = task.state_dict()
    held = [key for key in before if key.startswith(("teacher", "words", "frequencies"))]
    assert len(held) > 10 and all(torch.equal(before[key], after[key]) for key in held)
    assert not torch.equal(before["encoder.layers.0.weight"], after["encoder.layers.0.weight"])
    assert not any(key.startswith("teacher") for key, _ in task.named_parameters())


def test_words_from_an_earlier_task(tmp_path):
    rotation = Rotation((3, 16, 16), widths=(8, 16))
    fit(rotation, X, loss=pretext_loss, steps=3, batch_size=32, progress=False)
    task = BagOfWords((3, 16, 16), num_words=8, widths=(8, 16))
    task.learn_words(X, teacher=rotation.encoder, generator=seeded())
    torch.testing.assert_close(task.teacher.maps(X), rotation.eval().encoder.maps(X))
    fit(task, X, loss=pretext_loss, steps=2, batch_size=32, progress=False,
        checkpoint=tmp_path / "task.pt")  # fmt: skip
    again = load(tmp_path / "task.pt").eval()
    assert torch.equal(again.make(X)[1], task.eval().make(X)[1])
    with pytest.raises(ValueError, match="teacher does not fit"):
        task.learn_words(X, teacher=make_encoder("conv", (3, 16, 16), widths=(8,)))


def test_the_first_batch_in_training_gives_the_words():
    task = BagOfWords((3, 16, 16), num_words=8, widths=(8, 16))
    task.score(X[:20], generator=seeded())
    assert not task.learnt and task.words.abs().sum() == 0, "a score sets nothing"
    pretext_loss(task, (X,))
    first = task.words.clone()
    pretext_loss(task, (X.flip(3),))
    assert task.learnt and torch.equal(task.words, first)


@pytest.mark.parametrize("encoder", ["conv", "resnet18", "vit"])
def test_one_image_and_double_precision(encoder):
    task = BagOfWords((3, 16, 16), encoder=encoder, widths=(8, 16)).double()
    loss = pretext_loss(task, (X[:1].double(),))
    loss.backward()
    assert loss.dtype == torch.float64 and all(p.grad is not None for p in task.parameters())


def test_a_gradient_reaches_every_parameter_and_the_generator_decides():
    task = learnt(teacher_widths=(4,))
    pretext_loss(task, (X,)).backward()
    assert all(p.grad.abs().sum() > 0 for p in task.parameters())
    losses = [float(task.eval().loss((X,), generator=seeded(s)).detach()) for s in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_it_learns_better_than_the_frequencies():
    torch.manual_seed(0)
    data = shapes(1200, seed=0, size=16).x
    task = BagOfWords((3, 16, 16), num_words=16, crop=0.8, jitter=0.0, grey=0.0,
                      widths=(16, 32))  # fmt: skip
    task.learn_words(data[:300], generator=seeded())
    fit(task, data[:1000], loss=pretext_loss, steps=200, batch_size=100, lr=1e-2, progress=False)
    score = task.score(data[1000:], generator=seeded())
    assert not score.higher_is_better and score.value < 0.8 * score.chance


def test_bad_input():
    with pytest.raises(ValueError, match="num_words is 1"):
        BagOfWords((3, 16, 16), num_words=1)
    with pytest.raises(ValueError, match=r"got shape \(2, 3, 8, 8\)"):
        learnt().learn_words(torch.zeros(2, 3, 8, 8))
