"""Rendered shapes: each attribute is read back from the pixels alone."""

import sys

import pytest
import torch
from scipy import stats

from gencourse import data
from gencourse.data.shapes import (
    COLOURS,
    POSITION,
    SCALE,
    SHAPES,
    large_shapes,
    render_shapes,
    shapes,
)

N = 300
SET = shapes(N, seed=1, size=48)
COVERED = SET.x.amax(1) / SET.x.amax((1, 2, 3))[:, None, None]  # (N, S, S)


def grid(size):
    return (torch.arange(size) + 0.5) / size


def test_the_colour_is_at_the_centre_and_black_at_the_corners():
    rgb = torch.tensor(list(COLOURS.values()))[SET.attributes["colour"]]
    column, row = (SET.attributes["position"] * 48).long().T
    assert torch.equal((SET.x[torch.arange(N), :, row, column] * 255).round().long(), rgb)
    border = torch.cat([SET.x[..., 0], SET.x[..., -1], SET.x[..., 0, :], SET.x[..., -1, :]], -1)
    assert not border.any(), "no shape touches the border"


def test_the_area_is_the_square_of_the_scale():
    area = COVERED.mean((1, 2)).sqrt()
    torch.testing.assert_close(area, SET.attributes["scale"], rtol=0.04, atol=0)


def test_the_centre_of_mass_is_the_position():
    mass = COVERED.sum((1, 2))
    x = (COVERED.sum(1) @ grid(48)) / mass
    y = (COVERED.sum(2) @ grid(48)) / mass
    torch.testing.assert_close(
        torch.stack([x, y], 1), SET.attributes["position"], rtol=0, atol=0.006
    )


def test_the_shape_is_seen_in_its_second_moments():
    # mean squared distance from the centre over the area: 1/2π, 1/6 and 1/(3√3) for the three
    position = SET.attributes["position"]
    dx = grid(48)[None, None, :] - position[:, 0, None, None]
    dy = grid(48)[None, :, None] - position[:, 1, None, None]
    spread = (COVERED * (dx.square() + dy.square())).sum((1, 2)) / COVERED.sum((1, 2))
    spread = spread / SET.attributes["scale"].square()
    exact = torch.tensor([1 / (2 * torch.pi), 1 / 6, 1 / (3 * 3**0.5)])
    # a pixel's own extent adds 1/6 of its area, and its smooth edge some more
    assert ((spread - exact[SET.y]).abs() < 0.007).float().mean() > 0.95
    triangles = SET.y == SHAPES.index("triangle")
    upper = (COVERED * (dy < 0)).sum((1, 2)) / COVERED.sum((1, 2))
    assert (upper[triangles] < 0.49).all(), "the point is up: 4/9 of the area above the centre"
    assert float(upper[triangles].mean()) == pytest.approx(4 / 9, abs=0.01)
    assert float(upper[~triangles].mean()) == pytest.approx(0.5, abs=0.01)


def test_edges_are_smooth():
    partly = (COVERED > 0.02) & (COVERED < 0.98)
    assert (partly.sum((1, 2)) >= 4).float().mean() > 0.9
    assert torch.equal((SET.x * 255).round() / 255, SET.x), "multiples of 1/255"


def test_attributes_are_uniform_and_independent():
    found = shapes(6000, seed=0, size=8).attributes
    for name, names in (("shape", SHAPES), ("colour", COLOURS)):
        count = torch.bincount(found[name], minlength=len(names))
        assert stats.chisquare(count).pvalue > 1e-3
    pairs = found["shape"] * len(COLOURS) + found["colour"]
    assert stats.chisquare(torch.bincount(pairs, minlength=18)).pvalue > 1e-3
    reals = torch.cat([found["scale"][:, None], found["position"]], 1)
    for column, (low, high) in zip(reals.T, (SCALE, POSITION, POSITION), strict=True):
        assert stats.kstest(column, "uniform", args=(low, high - low)).pvalue > 1e-3
    everything = torch.cat([reals, found["shape"][:, None], found["colour"][:, None]], 1)
    off_diagonal = torch.corrcoef(everything.T) - torch.eye(5)
    assert off_diagonal.abs().max() < 0.05


def test_the_seed_decides_everything():
    assert torch.equal(shapes(9, seed=4).x, shapes(9, seed=4).x)
    assert not torch.equal(shapes(9, seed=4).x, shapes(9, seed=5).x)
    assert shapes(0).x.shape == (0, 3, 32, 32)


def test_one_image_drawn_again_from_its_attributes():
    one = {name: column[7:8] for name, column in SET.attributes.items()}
    assert torch.equal(render_shapes(one, size=48)[0], SET.x[7])


def test_many_images_are_drawn_in_chunks_that_agree(monkeypatch):
    whole = shapes(50, seed=2, size=16).x
    monkeypatch.setattr(sys.modules["gencourse.data.shapes"], "_CHUNK", 7)
    assert torch.equal(shapes(50, seed=2, size=16).x, whole)


def test_bad_attributes_are_named():
    good = {name: column[:2] for name, column in SET.attributes.items()}
    with pytest.raises(ValueError, match=r"colour holds \[6, 0\], expected 0..5"):
        render_shapes(good | {"colour": torch.tensor([6, 0])})
    with pytest.raises(ValueError, match=r"attributes lack \['scale'\]"):
        render_shapes({k: v for k, v in good.items() if k != "scale"})
    with pytest.raises(ValueError, match="size is 4"):
        data.shapes(3, size=4)


def test_large_shapes_fill_the_picture_and_stay_inside():
    found = large_shapes(200, seed=3)
    assert found.x.shape == (200, 3, 16, 16)
    assert 0.3 <= found.attributes["scale"].min() and found.attributes["scale"].max() <= 0.48
    covered = (found.x.amax(1) > 0.2).float().mean((1, 2))
    assert covered.min() > 0.08 and covered.max() < 0.4
    border = torch.cat([found.x[..., 0], found.x[..., -1]], 2)  # left and right
    assert border.max() == 0


@pytest.mark.parametrize("scale", [(0.5, 0.4), (-0.1, 0.2), (0.5, 1.2)])
def test_a_range_that_is_none_is_refused(scale):
    with pytest.raises(ValueError, match="scale is"):
        shapes(2, scale=scale)
