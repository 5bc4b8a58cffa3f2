"""Two views: each image has its own draw, and what a collapse and chance are worth."""

import math

import pytest
import torch
from torch import nn

from gencourse.data import shapes
from gencourse.losses import nt_xent
from gencourse.pretext import Contrastive, pretext_loss
from gencourse.pretext.views import (
    augment,
    colour_jitter,
    random_crops,
    random_flips,
    random_grey,
)

ONE = shapes(1, seed=0, size=16).x
SAME = ONE.expand(200, -1, -1, -1).contiguous()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def distinct(x):
    return len(x.flatten(1).unique(dim=0))


class TestViews:
    def test_each_image_has_a_draw_of_its_own(self):
        assert distinct(random_crops(SAME, generator=seeded())) == 200
        assert distinct(colour_jitter(SAME, generator=seeded())) == 200
        assert distinct(random_flips(SAME, generator=seeded())) == 2
        assert distinct(random_grey(SAME, p=0.5, generator=seeded())) == 2
        assert torch.equal(augment(SAME, generator=seeded()), augment(SAME, generator=seeded()))

    def test_the_whole_picture_is_a_crop(self):
        whole = random_crops(SAME, scale=(1.0, 1.0), aspect=(1.0, 1.0), generator=seeded())
        torch.testing.assert_close(whole, SAME, atol=1e-5, rtol=0)

    def test_a_crop_of_a_ramp_shows_its_place_and_size(self):
        """On x = column, y = row, a crop is a ramp whose slope is the side and mean the centre."""
        s = 64
        centre = (torch.arange(s) + 0.5) / s
        ramps = torch.stack([centre.expand(s, s), centre[:, None].expand(s, s)])
        crops = random_crops(ramps.expand(500, -1, -1, -1), scale=(0.2, 0.6), generator=seeded())
        width = (crops[:, 0, 0, 40] - crops[:, 0, 0, 20]) * s / 20
        height = (crops[:, 1, 40, 0] - crops[:, 1, 20, 0]) * s / 20
        area, ratio = width * height, width / height
        assert 0.2 <= area.min() < 0.22 and 0.58 < area.max() <= 0.6001
        assert 0.75 - 1e-3 <= ratio.min() < 0.8 and 1.28 < ratio.max() <= 1.3334 + 1e-3
        for channel, side in ((0, width), (1, height)):
            middle = crops[:, channel].mean((1, 2))
            assert (middle - side / 2 > -0.01).all() and (middle + side / 2 < 1.01).all()

    def test_flips_by_pixels(self):
        found = random_flips(SAME, generator=seeded())
        mirrored = (found == SAME.flip(3)).flatten(1).all(1)
        kept = (found == SAME).flatten(1).all(1)
        assert (mirrored ^ kept).all() and 70 < int(mirrored.sum()) < 130

    def test_jitter_by_hand(self):
        x = torch.rand(3, 3, 4, 4, generator=seeded(1)) * 0.3 + 0.2
        found = colour_jitter(x, strength=0.2, generator=seeded())
        u = torch.rand(3, 5, 1, 1, generator=seeded())
        factor = 0.8 + 0.4 * u
        for image, f, got in zip(x, factor[:, :, 0, 0], found, strict=True):
            bright = image * f[0]
            contrast = bright.mean() + f[1] * (bright - bright.mean())
            torch.testing.assert_close(got, contrast * f[2:, None, None])
        assert torch.equal(colour_jitter(x, strength=0.0), x)

    def test_grey_has_three_equal_channels(self):
        grey = random_grey(SAME, p=1.0)
        assert torch.equal(grey[:, 0], grey[:, 2])
        r, g, b = ONE[0, :, 8, 8].tolist()
        assert float(grey[0, 0, 8, 8]) == pytest.approx(0.299 * r + 0.587 * g + 0.114 * b)
        assert torch.equal(random_grey(SAME, p=0.0), SAME)

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"scale is \(0.0, 1.0\)"):
            random_crops(SAME, scale=(0.0, 1.0))
        with pytest.raises(ValueError, match="strength is 2"):
            colour_jitter(SAME, strength=2)


class TestContrastive:
    def test_partners(self):
        x = shapes(5, seed=3, size=16).x
        task = Contrastive((3, 16, 16), crop=1.0, flip=False, jitter=0.0, grey=0.0)
        views, partner = task.make(x)
        assert torch.equal(views[partner], views), "without a change both views are the image"
        assert partner.tolist() == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]
        assert task.score(x).value == 1

    def test_the_two_views_differ(self):
        task = Contrastive((3, 16, 16))
        views, _ = task.make(SAME, generator=seeded())
        assert distinct(views) == 400

    def test_the_loss_is_nt_xent_of_the_head(self):
        task = Contrastive((3, 16, 16)).eval()
        x = shapes(6, seed=3, size=16).x
        z = task(task.make(x, generator=seeded())[0])
        expected = nt_xent(z[:6], z[6:], temperature=0.5)
        torch.testing.assert_close(task.loss((x,), generator=seeded()), expected)

    def test_a_collapse_costs_log_of_the_candidates(self):
        task = Contrastive((3, 16, 16))
        nn.init.zeros_(list(task.head.parameters())[-2])
        x = shapes(128, seed=3, size=16).x
        assert float(pretext_loss(task, (x,)).detach()) == pytest.approx(math.log(255), abs=1e-4)

    def test_images_that_are_all_the_same_leave_chance(self):
        torch.manual_seed(0)
        task = Contrastive((3, 16, 16))
        scores = [task.score(SAME[:100], generator=seeded(i)) for i in range(5)]
        assert scores[0].chance == pytest.approx(1 / 199)
        assert sum(s.value for s in scores) / 5 < 5 / 199

    def test_one_image(self):
        task = Contrastive((3, 16, 16))
        with pytest.raises(ValueError, match="x has 1 image, expected at least 2"):
            pretext_loss(task, (ONE,))
        with pytest.raises(ValueError, match="x has 1 image"):
            task.score(ONE)
