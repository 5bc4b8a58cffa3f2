"""The gradient penalty against one whose fakes are not detached: equal results, then the times.

Run with ``pytest -s benchmarks/test_gan.py``; the ratios are printed. A round times both sides,
one after the other, in an order that changes each round; what is quoted is the median and the
lower quartile of the per-round ratios, on one thread. Timed is the penalty with its backward pass;
making the fakes costs the same on both sides and is not timed. What detaching saves is the pass
back through the generator, so the ratio depends on how large it is beside the critic.
"""

import statistics
import time

import pytest
import torch

from gencourse.gan import DCGANDiscriminator, DCGANGenerator
from gencourse.losses import gradient_penalty

B, SIDE, WIDTH = 16, 32, 32


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def attached_penalty(critic, real, fake, *, generator=None):
    """The same number; its gradient goes on into what made the fakes."""
    place = real.new_empty(len(real), 1, 1, 1).uniform_(generator=generator)
    x = torch.lerp(fake, real, place)
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@pytest.mark.parametrize("times_as_wide, at_least", [(1, 1.2), (2, 1.6), (3, 2)])
def test_penalty_against_one_that_goes_back_through_the_generator(times_as_wide, at_least):
    torch.manual_seed(0)
    generator = DCGANGenerator((3, SIDE, SIDE), width=times_as_wide * WIDTH)
    critic = DCGANDiscriminator((3, SIDE, SIDE), width=WIDTH, norm="none")
    real, z = torch.rand(B, 3, SIDE, SIDE, generator=seeded()), torch.randn(B, 64)

    def step(penalty):
        """Return the seconds of the penalty and its backward pass, for this process alone."""
        generator.zero_grad()
        critic.zero_grad()
        with torch.set_grad_enabled(penalty is attached_penalty):
            fake = generator(z)
        start = time.process_time()
        penalty(critic, real, fake, generator=seeded(1)).backward()
        return time.process_time() - start

    step(gradient_penalty)
    ours = [p.grad.clone() for p in critic.parameters() if p.grad is not None]
    assert all(p.grad is None for p in generator.parameters())
    step(attached_penalty)
    theirs = [p.grad.clone() for p in critic.parameters() if p.grad is not None]
    torch.testing.assert_close(ours, theirs)
    assert all(p.grad is not None for p in generator.parameters())

    ratios, times = [], []
    for i in range(15):
        taken = {}
        sides = (gradient_penalty, attached_penalty)
        for penalty in sides if i % 2 == 0 else sides[::-1]:
            taken[penalty] = step(penalty)
        times.append([taken[side] for side in sides])
        ratios.append(times[-1][1] / times[-1][0])
    quartile, median = statistics.quantiles(ratios, n=4)[0], statistics.median(ratios)
    mine, other = (statistics.median(t[side] for t in times) * 1e3 for side in (0, 1))
    print(
        f"\npenalty, generator {times_as_wide}x as wide: {median:.2f}x (lower quartile "
        f"{quartile:.2f}x), wanted {at_least}x; median {mine:.1f} ms against {other:.1f} ms"
    )
    assert median >= at_least
