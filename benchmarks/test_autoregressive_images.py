"""Sampling images with a cache against a full pass of the network per pixel.

Run with ``OMP_NUM_THREADS=1 pytest -s benchmarks/test_autoregressive_images.py``; the ratios are
printed. The slow side takes minutes an image, so that a round times its last pixels only, with
all others given, and multiplies: every pixel costs it the same full pass. The fast side draws
whole images. A round times both, in an order that changes each round; what is quoted is the
median and the lower quartile of the per-round ratios, on one thread, in single precision.
"""

import statistics
import time

import pytest
import torch

from gencourse.autoregressive import DiagonalBiLSTM, GatedPixelCNN, PixelCNN, RowLSTM

BATCH, TIMED_PIXELS, ROUNDS = 16, 8, 7
SHAPE = (1, 28, 28)


def generator():
    return torch.Generator().manual_seed(1)


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@torch.no_grad()
def assert_same_samples(model, images):
    """Assert that full passes draw these images from the same uniforms.

    One pass suffices: if p(x_i=1 | x_<i) of the images themselves and the uniforms give back each
    pixel, then so does, pixel after pixel, a pass over the images as far as they are drawn.
    """
    like = next(model.parameters())
    uniform = torch.rand(images.shape, generator=generator(), dtype=like.dtype)
    assert torch.equal(model.output.draw(model.logits(images), uniform), images)
    assert 0.05 < images.mean() < 0.95, "nearly constant images would prove little"


CASES = {
    "PixelCNN, 15 layers of 32 channels": (lambda: PixelCNN(SHAPE, num_layers=15), 50),
    "PixelCNN, 15 layers of 16 channels": (
        lambda: PixelCNN(SHAPE, num_layers=15, num_hidden=16),
        50,
    ),
    "GatedPixelCNN, 15 layers of 32 channels": (lambda: GatedPixelCNN(SHAPE), 50),
    "RowLSTM, 7 layers of 16 units": (lambda: RowLSTM(SHAPE), 20),
    "DiagonalBiLSTM, 7 layers of 16 units": (lambda: DiagonalBiLSTM(SHAPE), 200),
    "DiagonalBiLSTM, 1 layer of 32 units": (
        lambda: DiagonalBiLSTM(SHAPE, num_layers=1, num_hidden=32),
        200,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sampling_28x28(name):
    make, at_least = CASES[name]
    torch.manual_seed(0)
    model = make()
    for precision in (model.double(), model.float()):
        images = precision.sample(BATCH, generator=generator())
        assert_same_samples(precision, images)

    pixels = images[0].numel()
    given = (torch.arange(pixels) < pixels - TIMED_PIXELS).reshape(SHAPE)
    condition = (images, given)

    def ours():
        return model.sample(BATCH, generator=generator())

    def by_full_passes():
        return model.sample_by_full_passes(BATCH, condition=condition, generator=generator())

    assert torch.equal(ours(), by_full_passes())
    ratios, times = [], []
    for i in range(ROUNDS):
        sides = [(0, ours, 1), (1, by_full_passes, pixels / TIMED_PIXELS)]
        taken = [0.0, 0.0]
        for side, call, times_more in sides if i % 2 == 0 else sides[::-1]:
            taken[side] = seconds(call) * times_more
        ratios.append(taken[1] / taken[0])
        times.append(taken)
    quartile, median = statistics.quantiles(ratios, n=4)[0], statistics.median(ratios)
    fast, slow = (statistics.median(taken[side] for taken in times) for side in (0, 1))
    print(
        f"\n{name}, batch {BATCH}: {median:.0f}x (lower quartile {quartile:.0f}x), "
        f"wanted {at_least}x; median {fast:.2f} s against {slow:.0f} s (extrapolated)"
    )
    assert median >= at_least
