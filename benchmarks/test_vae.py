"""VAE, IWAE and the 5000-sample NLL against loops and against pythae: equal results, then times.

Run with ``pytest -s benchmarks/test_vae.py``; the ratios are printed. A round times both sides,
one after the other, in an order that changes each round; what is quoted is the median and the
lower quartile of the per-round ratios, on one thread. The network is that of Burda et al. (ICLR
2016): 784-200-200-50 with tanh, and its mirror. Without pythae its comparisons are skipped.
"""

import math
import statistics
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from gencourse.densities import log_bernoulli, log_normal
from gencourse.vae import VAE, importance_weighted_nll, iwae_loss, vae_loss

B, K = 100, 50


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def bits(n=B):
    """As many ones as binarised MNIST has, 13%."""
    return (torch.rand(n, 784, generator=seeded()) < 0.13).float()


def vae():
    torch.manual_seed(0)
    model = VAE((784,))
    model.set_output_mean(torch.full((784,), 0.13))
    return model


def seconds(call):
    start = time.process_time()  # of this process: others on the machine do not count
    call()
    return time.process_time() - start


def compare(title, ours, theirs, *, at_least, rounds):
    """Time both in turns and print the ratio theirs / ours."""
    ours(), theirs()
    ratios, times = [], []
    for i in range(rounds):
        taken = [0.0, 0.0]
        for side in (0, 1) if i % 2 == 0 else (1, 0):
            taken[side] = seconds((ours, theirs)[side])
        ratios.append(taken[1] / taken[0])
        times.append(taken)
    quartile, median = statistics.quantiles(ratios, n=4)[0], statistics.median(ratios)
    mine, other = (statistics.median(t[side] for t in times) * 1e3 for side in (0, 1))
    print(
        f"\n{title}: {median:.2f}x (lower quartile {quartile:.2f}x), wanted {at_least}x; "
        f"median {mine:.1f} ms against {other:.1f} ms"
    )
    assert median >= at_least


def step(model, loss):
    model.zero_grad()
    loss().backward()
    return [p.grad for p in model.parameters()]


@torch.no_grad()
def nll_by_a_loop(model, x, num_samples, noise=None):
    """Encode, draw, decode, for each of the samples: the lecture's definition."""
    log_w = []
    for i in range(num_samples):
        mean, log_variance = model.encoder(x).chunk(2, -1)
        sd = (0.5 * log_variance).exp()
        z = mean + sd * (torch.randn_like(mean) if noise is None else noise[i])
        log_p = log_bernoulli(x, model.decoder(z)[0]) + log_normal(z, 0.0, 1.0)
        log_w.append(log_p - log_normal(z, mean, sd))
    return math.log(num_samples) - torch.stack(log_w).logsumexp(0)


@pytest.mark.parametrize("rows", [1, 20])
def test_5000_sample_nll_against_a_loop_that_encodes_each_time(rows):
    model, x = vae(), bits(rows)
    exact = model.double()
    ours = importance_weighted_nll(exact, x, num_samples=40, generator=seeded(1))
    noise = torch.randn(40, rows, 50, generator=seeded(1), dtype=torch.float64)
    theirs = nll_by_a_loop(exact, x.double(), 40, noise)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    model = model.float()
    compare(
        f"NLL from 5000 samples of {rows} rows, against a loop that encodes for each sample",
        lambda: importance_weighted_nll(model, x),
        lambda: nll_by_a_loop(model, x, 5000),
        at_least=5,
        rounds=5,
    )


MEMORY = """
import torch
from benchmarks.test_vae import *
torch.set_num_threads(1)
def resident(line):  # VmRSS now, VmHWM at its highest since it was reset
    return int(open("/proc/self/status").read().split(line + ":")[1].split()[0]) / 1024
model, x = vae(), bits(20)
importance_weighted_nll(model, x, num_samples=100)
open("/proc/self/clear_refs", "w").write("5")  # resets the high-water mark
before = resident("VmRSS")
importance_weighted_nll(model, x, num_samples={samples})
print(resident("VmHWM") - before)
"""


def test_5000_sample_nll_in_bounded_memory():
    """20 rows, 5000 samples: the logits at once would take 300 MiB."""
    taken = {}
    for samples in (500, 5000):
        code = MEMORY.replace("{samples}", str(samples))
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        taken[samples] = float(done.stdout)
    print(f"\nNLL, beyond the model: {taken[500]:.0f} MiB for 500, {taken[5000]:.0f} for 5000")
    assert taken[5000] < taken[500] + 20


class TestAgainstPythae:
    """The same network and the same weights on both sides."""

    @pytest.fixture
    def pythae(self):
        models = pytest.importorskip("pythae.models")
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder

        ours = vae()
        encode, decode = ours.encoder[-1].layers, ours.decoder.layers[0].layers

        class Encoder(BaseEncoder):
            def __init__(self):
                super().__init__()
                self.trunk = nn.Sequential(
                    nn.Linear(784, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh()
                )
                self.mean, self.log_var = nn.Linear(200, 50), nn.Linear(200, 50)

            def forward(self, x):
                h = self.trunk(x.reshape(len(x), -1))
                return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))

        class Decoder(BaseDecoder):
            def __init__(self):
                super().__init__()
                self.net = nn.Sequential(
                    nn.Linear(50, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(),
                    nn.Linear(200, 784), nn.Sigmoid(),
                )  # fmt: skip

            def forward(self, z):
                return ModelOutput(reconstruction=self.net(z).reshape(-1, 1, 28, 28))

        encoder, decoder = Encoder(), Decoder()
        with torch.no_grad():
            encoder.trunk.load_state_dict(encode[:4].state_dict())
            for i, part in enumerate((encoder.mean, encoder.log_var)):
                part.weight.copy_(encode[4].weight[50 * i : 50 * i + 50])
                part.bias.copy_(encode[4].bias[50 * i : 50 * i + 50])
            decoder.net.load_state_dict(decode.state_dict())

        def make(name, **options):
            config = getattr(models, name + "Config")(
                input_dim=(1, 28, 28), latent_dim=50, reconstruction_loss="bce", **options
            )
            return getattr(models, name)(config, encoder=encoder, decoder=decoder)

        return ours, make

    def compare_steps(self, title, ours, theirs, loss, *, at_least, rounds):
        x = bits()
        data = {"data": x.reshape(B, 1, 28, 28)}
        # one gradient, up to the noise of the samples: of the decoder's last layer, which sees
        # every pixel. The losses' values would not do: pythae's IWAE returns Σ w̃ log w, which has
        # the gradient of the bound but is not the bound
        mine, other = ours.decoder.layers[0].layers[4], theirs.decoder.net[4]
        ours_sum, theirs_sum = 0, 0
        for _ in range(10):
            step(ours, lambda: loss(ours, (x,)))
            step(theirs, lambda: theirs(data).loss)
            ours_sum, theirs_sum = ours_sum + mine.bias.grad, theirs_sum + other.bias.grad
        torch.testing.assert_close(ours_sum, theirs_sum, rtol=0.05, atol=0.05)
        compare(
            title,
            lambda: step(ours, lambda: loss(ours, (x,))),
            lambda: step(theirs, lambda: theirs(data).loss),
            at_least=at_least,
            rounds=rounds,
        )

    def test_training_step(self, pythae):
        ours, make = pythae
        self.compare_steps(
            f"VAE training step, B={B}, against pythae", ours, make("VAE"), vae_loss,
            at_least=1, rounds=101,
        )  # fmt: skip

    def test_iwae_training_step(self, pythae):
        ours, make = pythae
        self.compare_steps(
            f"IWAE training step, B={B} k={K}, against pythae",
            ours, make("IWAE", number_samples=K), iwae_loss, at_least=1.5, rounds=21,
        )  # fmt: skip

    def test_5000_sample_nll(self, pythae):
        ours, make = pythae
        theirs, x = make("VAE"), bits(5)
        images = x.reshape(-1, 1, 28, 28)
        with torch.no_grad():
            found = importance_weighted_nll(ours, x, num_samples=2000).mean().item()
            expected = theirs.get_nll(images, n_samples=2000)
            # pythae gives the mean of log p, without its minus
            assert abs(found - abs(expected)) < 0.5
            compare(
                "NLL from 5000 samples of 5 rows, against pythae's get_nll",
                lambda: importance_weighted_nll(ours, x),
                lambda: theirs.get_nll(images, n_samples=5000),
                at_least=1,
                rounds=7,
            )
