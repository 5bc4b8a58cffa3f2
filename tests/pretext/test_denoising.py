"""Denoising: the best linear denoiser is known for Gaussian data."""

import pytest
import torch
from torch import nn

from gencourse.data import shapes
from gencourse.nets import ENCODERS
from gencourse.pretext import Denoising, pretext_loss
from gencourse.pretext.decoder import PixelDecoder
from gencourse.pretext.denoising import corrupt
from gencourse.train import fit

X = shapes(12, seed=1, size=16).x


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Line(nn.Linear):
    """An encoder that is one linear map: each pixel becomes a channel of a map with one place."""

    num_features = property(lambda self: self.out_features)

    def maps(self, x):
        return self(x.flatten(1))[:, :, None, None]


def linear(task, size):
    """Make the task's network one matrix, without which the optimum has no formula."""
    task.encoder = Line(size, size, bias=False)
    task.decoder = nn.Sequential(nn.Flatten(), nn.Unflatten(1, task.event_shape))
    return task.double()


def gaussian(n, seed=10, pixels=4):
    """Images (n, 1, 2, 2) from N(0, S), and S: neighbours are alike."""
    places = torch.arange(pixels, dtype=torch.float64)
    S = 0.8 ** (places[:, None] - places).abs()
    noise = torch.randn(n, pixels, generator=seeded(seed), dtype=torch.float64)
    return (noise @ torch.linalg.cholesky(S).T).reshape(n, 1, 2, 2), S


class TestGaussianData:
    def best(self, S, level):
        eye = torch.eye(len(S), dtype=S.dtype)
        W = S @ torch.linalg.inv(S + level**2 * eye)
        return W, float((S - W @ S).trace() / len(S))

    def test_one_pixel_by_hand(self):
        """s² = 1, σ² = 0.25: 0.8 x with an error of 0.2; doing nothing costs 0.25."""
        x = torch.randn(200_000, 1, 1, 1, generator=seeded(1), dtype=torch.float64)
        task = linear(Denoising((1, 1, 1), level=0.5, widths=(2,)), 1)
        for weight, error in ((0.8, 0.2), (1.0, 0.25)):
            task.encoder.weight.data.fill_(weight)
            score = task.score(x, generator=seeded(), batch_size=200_000)
            assert score.value == pytest.approx(error, abs=0.004)
            assert score.chance == pytest.approx(0.25) and not score.higher_is_better

    def test_the_bayes_denoiser_has_the_bayes_error(self):
        x, S = gaussian(100_000)
        W, error = self.best(S, 0.5)
        task = linear(Denoising((1, 2, 2), level=0.5, widths=(2,)), 4)
        task.encoder.weight.data.copy_(W)
        loss = task.loss((x,), generator=seeded())
        assert float(loss.detach()) == pytest.approx(error, abs=0.003)
        loss.backward()
        assert task.encoder.weight.grad.abs().max() < 0.01, "it is where the slope is 0"

    def test_training_finds_it(self):
        x, S = gaussian(20_000)
        W, error = self.best(S, 0.5)
        task = linear(Denoising((1, 2, 2), level=0.5, widths=(2,)), 4)
        fit(task, x, loss=pretext_loss, steps=400, batch_size=500, lr=1e-2, progress=False)
        torch.testing.assert_close(task.encoder.weight.data, W, atol=0.06, rtol=0)
        held_out = task.score(gaussian(50_000, seed=20)[0], generator=seeded())
        assert held_out.value == pytest.approx(error, abs=0.005)


class TestCorrupt:
    def test_gaussian_noise(self):
        noise = corrupt(torch.ones(50, 3, 16, 16), level=0.3, generator=seeded()) - 1
        assert noise.std() == pytest.approx(0.3, abs=0.01) and abs(float(noise.mean())) < 0.01

    def test_a_mask_takes_all_channels_of_a_pixel(self):
        damaged = corrupt(torch.ones(50, 3, 16, 16), noise="mask", level=0.3, generator=seeded())
        assert set(damaged.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(damaged[:, 0], damaged[:, 2])
        assert 1 - damaged.mean() == pytest.approx(0.3, abs=0.02)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="noise is 'salt', expected"):
            Denoising((3, 16, 16), noise="salt")
        with pytest.raises(ValueError, match=r"level is 1\.0, expected"):
            Denoising((3, 16, 16), noise="mask", level=1.0)
        with pytest.raises(ValueError, match="level is 0"):
            corrupt(X, level=0)


def test_the_target_is_the_undamaged_image():
    damaged, target = Denoising((3, 16, 16)).make(X, generator=seeded())
    assert torch.equal(target, X) and not torch.equal(damaged, X)


@pytest.mark.parametrize("noise", ["gaussian", "mask"])
def test_chance_is_the_better_of_two_lazy_answers(noise):
    task = Denoising((3, 16, 16), noise=noise, level=0.5)
    mean = (X - X.mean(0)).square().mean()
    nothing = 0.25 if noise == "gaussian" else X.square().mean() / 2
    assert task.score(X).chance == pytest.approx(min(float(mean), float(nothing)), rel=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_decoder_of_every_encoder(encoder):
    task = Denoising((3, 16, 16), encoder=encoder, widths=(16, 32))
    assert task(X).shape == X.shape
    pretext_loss(task, (X,)).backward()
    assert all(p.grad.abs().sum() > 0 for p in task.parameters())


def test_sizes_that_do_not_halve():
    task = Denoising((1, 13, 10), widths=(4, 8)).double()
    x = torch.rand(1, 1, 13, 10, dtype=torch.float64)
    assert task(x).shape == x.shape and pretext_loss(task, (x,)).dtype == torch.float64


def test_a_place_paints_its_own_square_and_its_neighbours():
    decoder = PixelDecoder(Denoising((1, 16, 16), widths=(4, 8)).encoder, (1, 16, 16), 2)
    maps = torch.zeros(1, 8, 4, 4, requires_grad=True)
    decoder(maps)[0, :, 4:8, 8:12].sum().backward()
    touched = maps.grad.abs().sum((0, 1)) > 0
    assert touched[:3, 1:].all() and not touched[3].any() and not touched[:, 0].any()
    with pytest.raises(ValueError, match="stride is 3, expected a divisor of the sides"):
        PixelDecoder(Denoising((1, 16, 16)).encoder, (1, 16, 16), 2, stride=3)
