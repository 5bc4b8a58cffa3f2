"""Colourisation: Lab against known values, the weights of colours, and decoding."""

import math

import pytest
import torch

from gencourse.data import world
from gencourse.pretext import Colorization, pretext_loss
from gencourse.pretext.colorization import (
    annealed_mean,
    lightness,
    rebalancing_weights,
    soft_bins,
)
from gencourse.pretext.lab import ab_bins, lab_to_rgb, nearest_bins, rgb_to_lab
from gencourse.train import fit

X = world(24, seed=1, num_shapes=1, frames=1, background="sky").x[:, 0]  # (24, 3, 16, 16)
# skimage.color.rgb2lab of scikit-image 0.26.0
SCIKIT_IMAGE = {
    (1, 0, 0): (53.240588, 80.092308, 67.202751),
    (0, 1, 0): (87.735099, -86.18303, 83.179703),
    (0, 0, 1): (32.295673, 79.185591, -107.8573),
    (1, 1, 1): (100.0, -0.002455, 0.004653),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (0.5, 0.5, 0.5): (53.388965, -0.001468, 0.002784),
    (0.2, 0.4, 0.6): (42.008001, -0.154041, -32.842897),
    (0.9, 0.1, 0.5): (50.695958, 76.601505, -2.331794),
    (0.02, 0.03, 0.01): (1.847827, -1.37608, 1.695259),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class TestLab:
    def test_values_of_scikit_image(self):
        x = torch.tensor(list(SCIKIT_IMAGE), dtype=torch.float64).reshape(-1, 3, 1, 1)
        lab = torch.tensor(list(SCIKIT_IMAGE.values()), dtype=torch.float64).reshape(-1, 3, 1, 1)
        torch.testing.assert_close(rgb_to_lab(x), lab, atol=2e-6, rtol=0)
        torch.testing.assert_close(lab_to_rgb(lab), x, atol=1e-6, rtol=0)

    @pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
    def test_there_and_back(self, dtype, error):
        x = torch.rand(20, 3, 16, 16, generator=seeded(), dtype=dtype)
        x[0] = x[0] / 50  # near black, where the formulas are lines
        torch.testing.assert_close(lab_to_rgb(rgb_to_lab(x)), x, atol=error, rtol=0)

    def test_the_slope_is_finite_everywhere(self):
        x = torch.zeros(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
        rgb_to_lab(x).sum().backward()
        assert x.grad.isfinite().all() and x.grad.abs().min() > 0

    def test_what_no_screen_shows_is_cut(self):
        lab = torch.tensor([50.0, -150, 150]).reshape(1, 3, 1, 1)
        rgb = lab_to_rgb(lab)
        assert rgb.min() == 0 and rgb.max() <= 1

    def test_every_colour_has_a_bin_near_by(self):
        for spacing in (10.0, 20.0):
            bins = ab_bins(spacing)
            ab = rgb_to_lab(torch.rand(9, 3, 64, 64, generator=seeded()))[:, 1:].permute(
                0, 2, 3, 1
            )
            which = nearest_bins(ab, bins)
            off = (ab - bins[which]).abs().amax(-1)
            assert (off <= spacing / 2 + 1e-3).float().mean() > 0.999
            slow = (ab[0, 0, :, None] - bins).square().sum(-1).argmin(-1)
            assert torch.equal(which[0, 0], slow)
        assert len(ab_bins(10.0)) == 260

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"x has shape \(2, 1, 4, 4\), expected colour"):
            rgb_to_lab(torch.zeros(2, 1, 4, 4))
        with pytest.raises(ValueError, match="spacing is 1, expected"):
            ab_bins(1)


class TestWeights:
    def test_they_average_1_under_the_prior(self):
        prior = torch.tensor([0.9, 0.08, 0.02, 0.0])
        for mix in (0.1, 0.5, 1.0):
            weights = rebalancing_weights(prior, mix=mix)
            assert float((prior * weights).sum()) == pytest.approx(1)
            assert (weights.diff() >= 0).all(), "the rarer, the heavier"
        torch.testing.assert_close(weights, torch.ones(4))

    def test_by_hand(self):
        """1/w is proportional to 0.45 + 0.25 and 0.05 + 0.25; 0.9 / 0.7 + 0.1 / 0.3 = 1.6190."""
        found = rebalancing_weights(torch.tensor([0.9, 0.1]), mix=0.5)
        torch.testing.assert_close(found, torch.tensor([1 / 0.7, 1 / 0.3]) / 1.619048)

    def test_the_data_of_training_weigh_1_on_average(self):
        task = Colorization((3, 16, 16), widths=(4, 8))
        ab = torch.cat([task.make(part)[1] for part in X.split(6)])
        bins = nearest_bins(ab, task.bins)
        share = bins.flatten().bincount(minlength=len(task.bins)) / bins.numel()
        torch.testing.assert_close(task.prior, share, atol=1e-6, rtol=0)
        weights = rebalancing_weights(task.prior, mix=task.rebalance)
        assert float(weights[bins].mean()) == pytest.approx(1, abs=1e-5)
        assert weights.max() > 10 * weights.min()
        task.eval().make(X.flip(1))
        torch.testing.assert_close(task.prior, share, atol=1e-6, rtol=0)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="mix is 0, expected"):
            rebalancing_weights(torch.ones(3) / 3, mix=0)


class TestBins:
    def test_a_colour_is_shared_by_its_neighbours(self):
        bins = ab_bins(10.0)
        ab = torch.tensor([[0.0, 0.0], [3.0, -4.0]])
        share = soft_bins(ab, bins, width=5.0)
        torch.testing.assert_close(share.sum(1), torch.ones(2))
        assert ((share > 0).sum(1) == 5).all()
        assert torch.equal(share.argmax(1), nearest_bins(ab, bins))
        grey = nearest_bins(torch.zeros(2), bins)
        expected = 1 / (1 + 4 * math.exp(-2))  # four bins 10 away, at a width of 5
        assert float(share[0, grey]) == pytest.approx(expected, abs=1e-6)

    def test_annealed_mean_from_the_mean_to_the_mode(self):
        bins = torch.tensor([[0.0, 0.0], [10.0, 20.0]])
        logits = torch.tensor([0.25, 0.75]).log().reshape(1, 2, 1, 1)

        def decoded(temperature):
            return annealed_mean(logits, bins, temperature=temperature)[0, :, 0, 0]

        torch.testing.assert_close(decoded(1.0), torch.tensor([7.5, 15.0]))
        torch.testing.assert_close(decoded(0.5), torch.tensor([9.0, 18.0]))  # 9 : 1
        torch.testing.assert_close(decoded(0.01), torch.tensor([10.0, 20.0]))
        with pytest.raises(ValueError, match="temperature is 0"):
            decoded(0)


class TestColorization:
    def test_the_network_sees_no_colour(self):
        task = Colorization((3, 16, 16), widths=(4, 8)).eval()
        lab = rgb_to_lab(X.double())
        lab[:, 1:] *= 0.5
        faded = lab_to_rgb(lab).float()
        assert (faded - X).abs().max() > 0.1
        torch.testing.assert_close(lightness(faded), lightness(X), atol=2e-4, rtol=0)
        torch.testing.assert_close(task.features(faded), task.features(X), atol=1e-3, rtol=0)
        grey, ab = task.make(X)
        assert grey.shape == (24, 1, 16, 16) and ab.shape == (24, 8, 8, 2)

    def test_perfect_logits(self):
        task = Colorization((3, 16, 16), widths=(4, 8))
        grey, ab = task.make(X)
        bins = nearest_bins(ab, task.bins)
        right = 100 * torch.nn.functional.one_hot(bins, len(task.bins)).permute(0, 3, 1, 2).float()
        assert task.measure(right, ab).mean() == pytest.approx(1, abs=1e-5)
        one = torch.zeros_like(right)
        best = 0.0
        for q in bins.unique().tolist():
            one.zero_()[:, q] = 1
            best = max(best, float(task.measure(one, ab).mean()))
        assert float(task.guess(right, ab)) == pytest.approx(best, abs=1e-5)
        assert task(grey).shape == right.shape

    def test_the_loss_in_two_lines(self):
        task = Colorization((3, 16, 16), widths=(4, 8))
        grey, ab = task.make(X)
        output = task(grey).detach()
        log_p = output.log_softmax(1).permute(0, 2, 3, 1)
        weights = rebalancing_weights(task.prior)[nearest_bins(ab, task.bins)]
        expected = -(weights * (soft_bins(ab, task.bins, width=10.0) * log_p).sum(-1)).mean()
        torch.testing.assert_close(task.criterion(output, ab), expected)

    def test_a_gradient_reaches_every_parameter_and_one_image_is_enough(self):
        torch.manual_seed(0)
        task = Colorization((3, 16, 16), widths=(8, 16)).double()
        loss = pretext_loss(task, (X[:1].double(),))
        loss.backward()
        assert loss.dtype == torch.float64
        assert all(p.grad.abs().sum() > 0 for p in task.parameters())

    def test_it_learns_that_the_sky_is_blue(self):
        torch.manual_seed(0)
        data = world(1200, seed=2, num_shapes=1, frames=1, background="sky").x[:, 0]
        task = Colorization((3, 16, 16), widths=(8, 16))
        fit(task, data, loss=pretext_loss, steps=60, lr=1e-2, progress=False)
        score = task.score(X)
        assert score.value > score.chance + 0.2
        task.eval()
        told = task.colourise(X)
        assert told.shape == X.shape and told.min() >= 0 and told.max() <= 1
        assert (told[:, 2, 0] - told[:, 0, 0]).mean() > 0.1, "more blue than red in the top row"

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"expected \(3, H, W\) in colour"):
            Colorization((1, 16, 16))
        with pytest.raises(ValueError, match="stride is 3, expected a divisor"):
            Colorization((3, 16, 16), stride=3)
        with pytest.raises(ValueError, match=r"mix is 0\.0"):
            Colorization((3, 16, 16), rebalance=0.0)
