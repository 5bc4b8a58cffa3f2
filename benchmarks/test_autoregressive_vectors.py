"""FVSBN, NADE and MADE against the loops of the lecture: equal results first, then the times.

Run with ``pytest -s benchmarks/test_autoregressive_vectors.py``; the ratios are printed. A round
times both sides, one after the other, in an order that changes each round; what is quoted is the
median and the lower quartile of the per-round ratios, on one thread.
"""

import statistics
import subprocess
import sys
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gencourse.autoregressive import FVSBN, MADE, NADE
from gencourse.losses import nll_loss

D, H, B = 784, 500, 100


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def bits(dtype=torch.float32):
    """As many ones as binarised MNIST has, 13%."""
    return (torch.rand(B, D, generator=seeded()) < 0.13).to(dtype)


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


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
        f"\n{title}: {median:.1f}x (lower quartile {quartile:.1f}x), wanted {at_least}x; "
        f"median {mine:.1f} ms against {other:.1f} ms"
    )
    assert median >= at_least


def step(model, loss):
    model.zero_grad()
    loss().backward()
    return [p.grad for p in model.parameters()]


def nade_by_formula(model, x):
    """A hidden layer for each variable from the variables before it: O(HD²)."""
    logits = []
    for i in range(D):
        h = torch.sigmoid(F.linear(x[:, :i], model.W[:, :i], model.c))
        logits.append(h @ model.V[i] + model.b[i])
    logits = torch.stack(logits, 1)
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def nade_by_autograd(model, x):
    """The same loop with a running pre-activation, O(HD)."""
    a, logits = model.c.expand(len(x), -1), []
    for i in range(D):
        h = torch.sigmoid(a)
        logits.append(h @ model.V[i] + model.b[i])
        a = a + torch.outer(x[:, i], model.W[:, i])
    logits = torch.stack(logits, 1)
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


# the running loop is O(HD) as ours is: what remains is what autograd stores and reads again
@pytest.mark.parametrize(
    "loop, at_least, rounds", [(nade_by_formula, 5, 5), (nade_by_autograd, 5, 11)]
)
def test_nade_training_step(loop, at_least, rounds):
    x = bits(torch.float64)
    model = NADE(D, num_hidden=H, generator=seeded()).double()
    theirs = step(model, lambda: loop(model, x))
    for a, b in zip(step(model, lambda: nll_loss(model, (x,))), theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    model, x = model.float(), x.float()
    compare(
        f"NADE training step, D={D} H={H} B={B}, against autograd through {loop.__name__}",
        lambda: step(model, lambda: nll_loss(model, (x,))),
        lambda: step(model, lambda: loop(model, x)),
        at_least=at_least,
        rounds=rounds,
    )


MEMORY = """
import torch
from benchmarks.test_autoregressive_vectors import *
torch.set_num_threads(1)
def resident(line):  # VmRSS now, VmHWM at its highest since it was reset
    return int(open("/proc/self/status").read().split(line + ":")[1].split()[0]) / 1024
model, x = NADE(D, num_hidden=H), bits()
small = NADE(5, num_hidden=4)
step(small, lambda: nll_loss(small, (torch.ones(2, 5),)))
x @ model.W.T @ model.V.T  # matrix products allocate buffers of their own
model.zero_grad()
for p in model.parameters():
    p.grad = torch.zeros_like(p)
open("/proc/self/clear_refs", "w").write("5")  # resets the high-water mark
before = resident("VmRSS")
model.{loss}.backward()
print(resident("VmHWM") - before)
"""


def test_nade_training_step_in_little_memory():
    """The high-water mark of a process that makes one step, beyond parameters and gradients."""
    taken = {}
    for name, loss in {
        "ours": "log_prob(x).mean()",
        "autograd": "register_buffer('x', x) or nade_by_autograd(model, x)",
    }.items():
        code = MEMORY.replace("model.{loss}", f"({'model.' + loss})")
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        taken[name] = float(done.stdout)
    print(f"\nNADE training step: {taken['ours']:.0f} MiB, autograd {taken['autograd']:.0f} MiB")
    assert taken["ours"] < 60


@torch.no_grad()
def nade_sample_by_a_loop(model, n, generator):
    """The lecture's sampler with the running pre-activation."""
    uniform = torch.rand(n, D, generator=generator, dtype=model.c.dtype)
    x, a = torch.zeros_like(uniform), model.c.expand(n, -1)
    for i in range(D):
        h = torch.sigmoid(a)
        p = torch.sigmoid(h @ model.V[i] + model.b[i])
        x[:, i] = (uniform[:, i] < p).to(x)
        a = a + torch.outer(x[:, i], model.W[:, i])
    return x


def test_nade_sampling():
    model = NADE(D, num_hidden=H, generator=seeded()).double()
    assert torch.equal(
        model.sample(B, generator=seeded(1)), nade_sample_by_a_loop(model, B, seeded(1))
    )
    model = model.float()
    compare(
        f"NADE sampling of {B}, against a plain loop without gradients",
        lambda: model.sample(B),
        lambda: nade_sample_by_a_loop(model, B, None),
        at_least=2,
        rounds=15,
    )


def test_made_sampling():
    model = MADE(D, hidden=(H,), generator=seeded())
    model = model.double()
    ours = model.sample(B, generator=seeded(1))
    assert torch.equal(ours, model.sample_by_full_passes(B, generator=seeded(1)))
    model = model.float()
    compare(
        f"MADE sampling of {B}, against {D} full passes",
        lambda: model.sample(B),
        lambda: model.sample_by_full_passes(B),
        at_least=30,
        rounds=5,
    )


def test_fvsbn_training_step():
    model, x = FVSBN(D), bits()
    with torch.no_grad():
        model.W.normal_(0, 0.1, generator=seeded())
    layers = nn.ModuleList(nn.utils.skip_init(nn.Linear, i, 1) for i in range(D))
    with torch.no_grad():
        for i, layer in enumerate(layers):
            layer.weight.copy_(model.W[i, :i])
            layer.bias.copy_(model.b[i])

    def loop():
        layers.zero_grad()
        logits = torch.cat([layer(x[:, :i]) for i, layer in enumerate(layers)], 1)
        loss = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        loss.backward()

    def ours():
        model.zero_grad()
        nll_loss(model, (x,)).backward()

    ours(), loop()
    for i, layer in enumerate(layers):
        torch.testing.assert_close(model.b.grad[i : i + 1], layer.bias.grad)
        torch.testing.assert_close(model.W.grad[i, None, :i], layer.weight.grad)
    compare(
        f"FVSBN training step, D={D} B={B}, against {D} linear layers",
        ours,
        loop,
        at_least=8,
        rounds=15,
    )
