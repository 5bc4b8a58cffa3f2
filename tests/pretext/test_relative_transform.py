"""Relative transformation: the map by hand from two sets of points."""

import pytest
import torch

from gencourse.data import world
from gencourse.pretext import RelativeTransform, pretext_loss
from gencourse.pretext.relative_transform import (
    affine_from_points,
    apply_affine,
    invert,
    map_distance,
    warp,
)
from gencourse.train import fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_maps(n, **options):
    task = RelativeTransform((3, 16, 16), **options)
    return task.maps(torch.empty(n, 1, dtype=torch.float64), generator=seeded())


POINTS = torch.rand(50, 4, 2, generator=seeded(1), dtype=torch.float64) * 2 - 1


def test_recovered_from_two_sets_of_points():
    maps = random_maps(50)
    moved = apply_affine(POINTS, maps)
    for p, a, q in zip(POINTS[:3], maps, moved, strict=False):
        torch.testing.assert_close(q[0], a[:, :2] @ p[0] + a[:, 2])
    torch.testing.assert_close(affine_from_points(POINTS, moved), maps)
    torch.testing.assert_close(affine_from_points(POINTS[:, :3], moved[:, :3]), maps)
    torch.testing.assert_close(affine_from_points(moved, POINTS), invert(maps))
    same = affine_from_points(POINTS, POINTS)
    torch.testing.assert_close(same, torch.eye(2, 3).double().expand(50, -1, -1))


def blobs(centres, side):
    """Pictures of one soft dot each, (B, 2) in half sides -> (B, 1, S, S)."""
    pixel = (2 * torch.arange(side).double() + 1) / side - 1
    across, down = ((pixel - c[:, None]).square() for c in centres.unbind(1))
    return torch.exp(-(down[:, :, None] + across[:, None]) / 0.02)[:, None]


def centroids(x):
    pixel = (2 * torch.arange(x.shape[-1]).double() + 1) / x.shape[-1] - 1
    total = x.sum((1, 2, 3))
    return torch.stack([(x.sum(2)[:, 0] @ pixel), (x.sum(3)[:, 0] @ pixel)], 1) / total[:, None]


def test_a_warp_sends_things_where_the_map_says():
    """The map is read off where four dots are before and after, and is the one asked for."""
    maps = random_maps(8, rotation=40.0, shift=0.1)
    dots = torch.tensor([[-0.4, -0.3], [0.4, -0.2], [0.1, 0.4], [-0.2, 0.1]]).double()
    before, after = [], []
    for dot in dots:
        x = blobs(dot.expand(8, -1), 64)
        before.append(centroids(x))
        after.append(centroids(warp(x, maps)))
    found = affine_from_points(torch.stack(before, 1), torch.stack(after, 1))
    torch.testing.assert_close(found, maps, atol=0.01, rtol=0)


def test_equal_views_have_the_identity():
    x = torch.rand(3, 3, 16, 16, generator=seeded(), dtype=torch.float64)
    identity = torch.eye(2, 3).double().expand(3, -1, -1)
    torch.testing.assert_close(warp(x, identity), x)
    assert torch.equal(invert(identity), identity)


def test_the_distance_is_that_of_points():
    maps = random_maps(40)
    points = torch.rand(1, 200_000, 2, generator=seeded(2), dtype=torch.float64) * 2 - 1
    apart = apply_affine(points, maps[:20]) - apply_affine(points, maps[20:])
    torch.testing.assert_close(
        map_distance(maps[:20], maps[20:]), apart.square().sum(2).mean(1), rtol=0.01, atol=0
    )


@pytest.mark.parametrize("only", ["rotation", "scale", "shear", "shift"])
def test_each_range_alone(only):
    ranges = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0}
    largest = {"rotation": 90.0, "scale": 0.5, "shear": 0.4, "shift": 0.3}[only]
    maps = random_maps(20_000, **{**ranges, only: largest})
    linear, shift = maps[..., :2], maps[..., 2]
    value = {
        "rotation": torch.atan2(linear[:, 1, 0], linear[:, 0, 0]).rad2deg(),
        "scale": torch.linalg.det(linear).sqrt() - 1,
        "shear": linear[:, 0, 1],
        "shift": shift[:, 0],
    }[only]
    assert value.abs().max() <= largest + 1e-9
    assert abs(float(value.mean())) < 4 * largest / (3 * 20_000) ** 0.5
    assert float(value.var()) == pytest.approx(largest**2 / 3, rel=0.05)
    others = torch.linalg.det(linear) - 1
    assert only == "scale" or others.abs().max() < 1e-9
    assert only == "shift" or torch.equal(shift, torch.zeros_like(shift))


def test_no_constant_is_better_than_the_guess():
    task = RelativeTransform((3, 16, 16), rotation=90.0)
    maps = random_maps(20_000, rotation=90.0)
    guess = task.guess(maps, maps).mean()
    best = map_distance(maps.mean(0).expand_as(maps), maps).mean()
    assert float(guess) == pytest.approx(float(best), rel=1e-3)
    identity = map_distance(torch.eye(2, 3).expand_as(maps), maps).mean()
    assert identity > 1.1 * guess


def test_a_shift_is_learnt():
    """One dot in the middle, shifted: the border of the convolutions says where it is."""
    torch.manual_seed(0)
    options = {"rotation": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.5}
    task = RelativeTransform((1, 8, 8), widths=(16, 32), **options)
    x = blobs(torch.zeros(500, 2), 8).float()
    fit(task, x, loss=pretext_loss, steps=150, batch_size=50, lr=1e-2, progress=False)
    score = task.score(x, generator=seeded())
    assert not score.higher_is_better and score.chance == pytest.approx(2 * 0.25 / 3, rel=0.15)
    assert score.value < 0.1 * score.chance


def test_noise_without_a_common_content_leaves_the_guess():
    """Views of two different noises: no answer can be better than the guess but by chance."""
    task = RelativeTransform((1, 8, 8), widths=(16,))
    views, maps = task.make(torch.rand(400, 1, 8, 8, generator=seeded()), generator=seeded(1))
    views[:, 1] = torch.rand(400, 1, 8, 8, generator=seeded(2))
    assert task.measure(task(views), maps).mean() > 0.9 * task.guess(maps, maps).mean()


def test_one_image_and_double_precision():
    task = RelativeTransform((3, 16, 16), widths=(8, 16)).double()
    loss = pretext_loss(task, (torch.rand(1, 3, 16, 16, dtype=torch.float64),))
    loss.backward()
    assert loss.dtype == torch.float64 and all(p.grad is not None for p in task.parameters())


def test_a_gradient_reaches_every_parameter_and_the_generator_decides():
    x = world(24, seed=1, num_shapes=1, frames=1).x[:, 0]
    task = RelativeTransform((3, 16, 16), widths=(8, 16))
    pretext_loss(task, (x,)).backward()
    assert all(p.grad.abs().sum() > 0 for p in task.parameters())
    losses = [float(task.eval().loss((x,), generator=seeded(s)).detach()) for s in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_bad_input():
    with pytest.raises(ValueError, match=r"are \(-1, 0.3, 0.2, 0.3\)"):
        RelativeTransform((3, 16, 16), rotation=-1)
    with pytest.raises(ValueError, match="not all 0"):
        RelativeTransform((3, 16, 16), rotation=0, scale=0, shear=0, shift=0)
    with pytest.raises(ValueError, match="with P >= 3"):
        affine_from_points(POINTS[:, :2], POINTS[:, :2])
    with pytest.raises(ValueError, match=r"maps have shape \(1, 2, 3\), expected \(2, 2, 3\)"):
        warp(torch.zeros(2, 1, 8, 8), torch.zeros(1, 2, 3))
