"""Paired tasks: what is known stays, A is linear and gives y, places are drawn evenly."""

import pytest
import torch

from gencourse.data import colourisation, inpainting, shapes, super_resolution, uncropping

TASKS = {
    "inpainting": inpainting,
    "uncropping": uncropping,
    "super_resolution": super_resolution,
    "colourisation": colourisation,
}
MASKED = ("inpainting", "uncropping")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def degraded(name, x, seed=0, **options):
    if name in MASKED:
        options["generator"] = seeded(seed)
    return TASKS[name](x, **options)


@pytest.fixture(scope="module")
def x():
    return shapes(60, size=16).x


@pytest.mark.parametrize("name", TASKS)
class TestEvery:
    def test_a_gives_y_and_is_linear(self, name, x):
        task = degraded(name, x)
        torch.testing.assert_close(task.A(x), task.y)
        u, v = torch.randn(2, *x.shape, generator=seeded(), dtype=torch.float64)
        torch.testing.assert_close(task.A(2 * u - 3 * v), 2 * task.A(u) - 3 * task.A(v))
        both = task.A(torch.stack([u, v]))  # guesses in front
        torch.testing.assert_close(both, torch.stack([task.A(u), task.A(v)]))
        assert (task.A(u) - task.A(v)).abs().max() > 0.1

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_shapes_and_precision(self, name, dtype, x):
        for n in (1, 5):
            task = degraded(name, x[:n].to(dtype))
            assert task.y.dtype == task.input.dtype == dtype
            assert task.input.shape[0] == n and task.input.shape[2:] == x.shape[2:]
            assert task.y.min() >= 0 and task.y.max() <= 1
            inputs, targets = task.pairs()[:]
            assert torch.equal(inputs, task.input) and torch.equal(targets, x[:n].to(dtype))

    def test_the_generator_decides(self, name, x):
        first, again, other = (degraded(name, x, seed).y for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert torch.equal(first, other) == (name not in MASKED)

    def test_the_images_are_left_alone(self, name, x):
        before = x.clone()
        degraded(name, x)
        assert torch.equal(x, before)

    @pytest.mark.parametrize(
        "wrong, words",
        [
            (lambda x: x[0], r"x has shape \(3, 16, 16\)"),
            (lambda x: (255 * x).byte(), "torch.uint8, expected images"),
            (lambda x: 255 * x, r"pixels from 0 to 2\d\d, expected them in"),
            (lambda x: x * torch.nan, "pixels from nan"),
        ],
    )
    def test_no_images_in_0_to_1(self, name, wrong, words, x):
        with pytest.raises(ValueError, match=words):
            degraded(name, wrong(x))


@pytest.mark.parametrize("name", MASKED)
def test_what_is_known_stays_and_the_rest_is_black(name, x):
    task = degraded(name, x * 0.9 + 0.1)  # no pixel is black
    known = task.mask.bool().expand_as(x)
    assert torch.equal(task.y[known], task.x[known]) and (task.y[~known] == 0).all()
    torch.testing.assert_close(task.input, torch.cat([task.y, task.mask], 1))
    assert task.mask.shape == (60, 1, 16, 16) and set(task.mask.unique().tolist()) == {0, 1}


class TestInpainting:
    @pytest.mark.parametrize("hole, side", [(0.5, 8), (0.25, 4), (0.01, 1), (0.99, 15)])
    def test_one_square_of_the_right_size(self, hole, side, x):
        lost = 1 - inpainting(x, hole=hole, generator=seeded()).mask[:, 0]
        assert (lost.sum((1, 2)) == side**2).all()
        for axis in (1, 2):
            columns = lost.amax(axis)  # (N, 16), a run of ones
            assert (columns.sum(1) == side).all()
            assert ((columns.diff(dim=1) != 0).sum(1) <= 2).all()

    def test_every_place_is_as_likely(self):
        x = torch.zeros(18_000, 1, 4, 4)
        mask = inpainting(x, hole=0.5, generator=seeded()).mask[:, 0]
        corner = (1 - mask).flatten(1).argmax(1)
        counts = torch.bincount(corner, minlength=16).view(4, 4)
        assert (counts[3] == 0).all() and (counts[:, 3] == 0).all()
        assert ((counts[:3, :3] - 2000).abs() < 5 * 2000**0.5).all()

    def test_images_that_are_no_squares(self):
        lost = 1 - inpainting(torch.zeros(3, 1, 8, 12), hole=0.5).mask
        assert (lost.sum((1, 2, 3)) == 4 * 6).all()

    @pytest.mark.parametrize("hole", [0.0, 1.0, -0.5, float("nan")])
    def test_a_hole_that_is_none(self, hole, x):
        with pytest.raises(ValueError, match=f"hole is {hole}"):
            inpainting(x, hole=hole)


class TestUncropping:
    @pytest.mark.parametrize(
        "side, box",
        [
            ("left", (slice(None), slice(0, 4))),
            ("right", (slice(None), slice(12, 16))),
            ("top", (slice(0, 4), slice(None))),
            ("bottom", (slice(12, 16), slice(None))),
        ],
    )
    def test_the_side_is_lost(self, side, box, x):
        expected = torch.ones(16, 16)
        expected[box] = 0
        mask = uncropping(x, missing=0.25, side=side).mask
        assert torch.equal(mask, expected.expand(60, 1, 16, 16))

    def test_sides_are_drawn(self):
        x = torch.zeros(4000, 1, 4, 4)
        mask = uncropping(x, missing=0.5, generator=seeded()).mask
        kinds, counts = mask.flatten(1).unique(dim=0, return_counts=True)
        assert len(kinds) == 4 and ((counts - 1000).abs() < 150).all()

    def test_arguments_that_do_not_fit(self, x):
        with pytest.raises(ValueError, match="side is 'middle'"):
            uncropping(x, side="middle")
        with pytest.raises(ValueError, match=r"missing is 1\.5"):
            uncropping(x, missing=1.5)


class TestSuperResolution:
    def test_means_of_blocks(self, x):
        task = super_resolution(x, factor=4)
        torch.testing.assert_close(task.y, torch.nn.functional.avg_pool2d(x, 4))
        enlarged = torch.nn.functional.interpolate(task.y, scale_factor=4, mode="nearest")
        assert task.y.shape == (60, 3, 4, 4) and torch.equal(task.input, enlarged)
        assert task.mask is None

    @pytest.mark.parametrize("factor", [0, 3, 32])
    def test_a_factor_that_does_not_divide(self, factor, x):
        with pytest.raises(ValueError, match=f"factor is {factor}, expected a divisor"):
            super_resolution(x, factor=factor)


class TestColourisation:
    def test_brightness(self):
        colours = torch.eye(3)[:, :, None, None].expand(-1, -1, 2, 2)  # red, green, blue
        found = colourisation(torch.cat([colours, torch.ones(1, 3, 2, 2)])).y
        assert found.shape == (4, 1, 2, 2)
        torch.testing.assert_close(found[:, 0, 0, 0], torch.tensor([0.299, 0.587, 0.114, 1.0]))

    def test_grey_images(self):
        with pytest.raises(ValueError, match="x has 1 channels, expected red, green and blue"):
            colourisation(torch.rand(2, 1, 8, 8))
