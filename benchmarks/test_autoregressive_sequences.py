"""Sampling sequences with a memory against a full pass of the network per token.

Run with ``OMP_NUM_THREADS=1 pytest -s benchmarks/test_autoregressive_sequences.py``; the ratios
are printed. A round of the slow side times its last tokens only, with all others given, and
multiplies: every token costs it the same full pass. The fast side draws whole sequences. A round
times both, in an order that changes each round; what is quoted is the median and the lower
quartile of the per-round ratios, on one thread, in single precision.
"""

import statistics
import time

import pytest
import torch

from gencourse.autoregressive import CausalTransformer, RNNLanguageModel, WaveNet
from gencourse.autoregressive.token_values import draw_token

BATCH, TIMED_TOKENS, ROUNDS = 16, 4, 7


def generator():
    return torch.Generator().manual_seed(1)


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@torch.no_grad()
def assert_same_samples(model, x):
    """Assert that full passes draw these tokens from the same uniforms.

    One pass suffices: if p(x_t | x_<t) of the sequences themselves and the uniforms give back each
    token, then so does, token after token, a pass over the sequence as far as it is drawn.
    """
    like = next(model.parameters())
    uniform = torch.rand(x.shape, generator=generator(), dtype=like.dtype)
    drawn = draw_token(model.logits(x).flatten(0, 1), uniform.flatten(), 1.0)
    assert torch.equal(drawn, x.flatten())
    assert len(x.unique()) > 5, "nearly constant sequences would prove little"


CASES = {
    "LSTM of 128 units, 256 characters": (lambda: RNNLanguageModel(64, 256), 25),
    "transformer of 2 layers of 64, 256 characters": (lambda: CausalTransformer(64, 256), 20),
    "WaveNet of 8 layers, 1024 samples": (lambda: WaveNet(1024), 100),
    "WaveNet of 2 x 10 layers, 4096 samples": (
        lambda: WaveNet(4096, num_layers=10, num_blocks=2),
        400,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sampling(name):
    make, at_least = CASES[name]
    torch.manual_seed(0)
    model = make()
    x = model.double().sample(BATCH, generator=generator())
    assert_same_samples(model, x)
    model.float()
    length = x.shape[1]
    condition = (x, torch.arange(length) < length - TIMED_TOKENS)

    def ours():
        return model.sample(BATCH, generator=generator())

    def by_full_passes():
        return model.sample_by_full_passes(BATCH, condition=condition, generator=generator())

    ratios, times = [], []
    for i in range(ROUNDS):
        sides = [(0, ours, 1), (1, by_full_passes, length / TIMED_TOKENS)]
        taken = [0.0, 0.0]
        for side, call, times_more in sides if i % 2 == 0 else sides[::-1]:
            taken[side] = seconds(call) * times_more
        ratios.append(taken[1] / taken[0])
        times.append(taken)
    quartile, median = statistics.quantiles(ratios, n=4)[0], statistics.median(ratios)
    fast, slow = (statistics.median(taken[side] for taken in times) for side in (0, 1))
    print(
        f"\n{name}, batch {BATCH}: {median:.0f}x (lower quartile {quartile:.0f}x), "
        f"wanted {at_least}x; median {fast:.2f} s against {slow:.1f} s (extrapolated)"
    )
    assert median >= at_least
