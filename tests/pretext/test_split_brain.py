"""Split-brain: no half sees what it is asked for."""

import math

import pytest
import torch
import torch.nn.functional as F

from gencourse.data import world
from gencourse.pretext import SplitBrain, pretext_loss
from gencourse.pretext.lab import nearest_bins, rgb_to_lab
from gencourse.pretext.split_brain import scaled
from gencourse.train import fit

X = world(24, seed=1, num_shapes=1, frames=1, background="sky").x[:, 0]  # (24, 3, 16, 16)


def small(**options):
    torch.manual_seed(0)
    return SplitBrain((3, 16, 16), widths=(8, 16), **options)


@pytest.mark.parametrize("training", [True, False])
def test_no_half_has_a_derivative_by_what_it_predicts(training):
    task = small().double().train(training)
    lab = scaled(rgb_to_lab(X[:4].double())).requires_grad_()
    for outputs in (task(lab), task.halves(lab)):
        from_grey, from_colour = (
            torch.autograd.grad(out.square().sum(), lab, retain_graph=True)[0] for out in outputs
        )
        assert from_grey[:, 1:].abs().max() == 0 < from_grey[:, 0].abs().max()
        assert from_colour[:, 0].abs().max() == 0 < from_colour[:, 1:].abs().max()


def test_features_are_both_halves():
    task = small().eval()
    features = task.features(X)
    assert features.shape == (24, 16)
    grey = X.mean(1, keepdim=True).expand_as(X)  # another picture with the same lack of colour
    paler = task.features(grey * 0.5)
    torch.testing.assert_close(paler[:, 8:], task.features(grey)[:, 8:], atol=1e-4, rtol=0)
    assert (paler[:, :8] - task.features(grey)[:, :8]).abs().max() > 1e-3


def test_targets_are_bins_of_the_mean_of_each_square():
    task = small(num_lightness=10)
    lab, (colour, shade) = task.make(X)
    means = F.avg_pool2d(rgb_to_lab(X), 2)
    assert lab.abs().max() <= 1.01
    assert torch.equal(colour, nearest_bins(means[:, 1:].permute(0, 2, 3, 1), task.bins))
    assert torch.equal(shade, (means[:, 0] / 10).floor().clamp(0, 9).long())
    white = torch.ones(1, 3, 16, 16)
    assert (task.make(white)[1][1] == 9).all(), "L = 100 belongs to the last bin"


def test_loss_measure_and_chance():
    task = small()
    _, target = task.make(X)
    sizes = (len(task.bins), 10)
    flat = tuple(torch.zeros(24, n, 8, 8) for n in sizes)
    assert float(task.criterion(flat, target)) == pytest.approx(
        sum(map(math.log, sizes)), rel=1e-5
    )
    pairs = list(zip(target, sizes, strict=True))
    right = tuple(F.one_hot(bins, n).permute(0, 3, 1, 2).float() for bins, n in pairs)
    assert (task.measure(right, target) == 1).all()
    most = [bins.flatten().mode().values for bins in target]
    lazy = tuple(
        F.one_hot(q, n).float()[:, None, None].expand(24, n, 8, 8)
        for q, n in zip(most, sizes, strict=True)
    )
    lazily = float(task.measure(lazy, target).mean())
    assert task.guess(lazy, target) == pytest.approx(lazily, abs=1e-6)


def test_a_gradient_reaches_every_parameter_and_one_image_is_enough():
    task = small().double()
    loss = pretext_loss(task, (X[:1].double(),))
    loss.backward()
    assert loss.dtype == torch.float64
    assert all(p.grad.abs().sum() > 0 for p in task.parameters())


def test_it_learns():
    data = world(1200, seed=2, num_shapes=1, frames=1, background="sky").x[:, 0]
    task = small()
    fit(task, data, loss=pretext_loss, steps=60, lr=1e-2, progress=False)
    score = task.score(X)
    assert score.value > score.chance + 0.15


def test_bad_input():
    with pytest.raises(ValueError, match=r"widths are \(8, 15\), expected even ones"):
        SplitBrain((3, 16, 16), widths=(8, 15))
    with pytest.raises(ValueError, match=r"event_shape is \(1, 16, 16\)"):
        SplitBrain((1, 16, 16))
    with pytest.raises(ValueError, match="num_lightness is 1"):
        SplitBrain((3, 16, 16), num_lightness=1)
