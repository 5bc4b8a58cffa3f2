"""Pairs: where they cannot be told apart the encoder inverts the generator."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.gan import BiGAN
from gencourse.train import fit_adversarial

SHAPE = (1, 8, 8)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def value(encoder, decoder, p_x, p_z):
    """2 JSD of the two joints on a discrete x and z, in nats."""
    of_data, of_noise = torch.zeros(len(p_x), len(p_z)), torch.zeros(len(p_x), len(p_z))
    for x, z in enumerate(encoder):
        of_data[x, z] += p_x[x]
    for z, x in enumerate(decoder):
        of_noise[x, z] += p_z[z]
    middle = (of_data + of_noise) / 2
    return sum(float(torch.special.xlogy(p, p / middle).nan_to_num().sum())
               for p in (of_data, of_noise))  # fmt: skip


class TestOptimum:
    def test_the_joints_agree_only_where_e_inverts_g(self):
        """All 27 x 27 deterministic pairs on three values of x and z."""
        p = torch.tensor([0.5, 0.3, 0.2])
        for encoder, decoder in itertools.product(itertools.product(range(3), repeat=3), repeat=2):
            inverse = all(decoder[encoder[x]] == x for x in range(3))
            right = inverse and all(p[decoder[z]] == p[z] for z in range(3))
            assert (value(encoder, decoder, p, p) < 1e-6) == right

    @pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
    def test_the_losses_are_those_of_pairs(self, loss):
        """At the best discriminator, a table: log 4 - 2 JSD, and by hand for the player."""
        model = BiGAN((1,), num_latents=1, loss=loss).double()
        p, encoder, decoder = torch.tensor([0.5, 0.3, 0.2]).double(), (0, 2, 1), (0, 2, 2)
        of_data, of_noise = torch.zeros(3, 3).double(), torch.zeros(3, 3).double()
        for i in range(3):
            of_data[i, encoder[i]] += p[i]
            of_noise[decoder[i], i] += p[i]
        logits = of_data.clamp(min=1e-12).log() - of_noise.clamp(min=1e-12).log()
        x = torch.tensor([0] * 5 + [1] * 3 + [2] * 2).double()[:, None]

        class Map(nn.Module):
            def __init__(self, table):
                super().__init__()
                self.table = nn.Parameter(torch.tensor(table).double())

            def forward(self, i):
                return self.table[i[:, 0].long()][:, None]

        class Judge(nn.Module):
            def forward(self, x, z):
                return logits[x[:, 0].long(), z[:, 0].long()]

        model.generator.encoder, model.generator.decoder = Map(encoder), Map(decoder)
        model.discriminator = Judge()
        model.noise = lambda n: x  # z has the distribution of x here
        jsd2 = value(encoder, decoder, p, p)
        found = float(model.discriminator_loss((x,)))
        assert found == pytest.approx(2 * math.log(2) - jsd2, abs=1e-6)
        seen = float(model.generator_loss((x,)))
        if loss == "minimax":
            assert seen == pytest.approx(-found)
        else:  # -E log(1 - D) on pairs of data and -E log D on pairs of noise
            by_hand = (of_data * nn.functional.softplus(logits)).sum() + (
                of_noise * nn.functional.softplus(-logits)
            ).sum()
            assert seen == pytest.approx(float(by_hand))

    def test_swapped_pairs_swap_the_sides(self):
        model = BiGAN((2,), num_latents=2, hidden=(8,)).double()
        x, z = (torch.randn(6, 2, generator=seeded(s)).double() for s in (0, 1))
        one, other = model.judge(x, model.encode(x)), model.judge(model.generator(z), z)
        model.noise = lambda n: z
        torch.testing.assert_close(
            model.discriminator_loss((x,)), model.game.discriminator(one, other)
        )
        torch.testing.assert_close(
            model.generator_loss((x,)), model.game.discriminator(other, one)
        )

    def test_both_of_a_pair_are_seen(self):
        for model, x in (
            (BiGAN((2,), num_latents=3), torch.rand(4, 2)),
            (BiGAN(SHAPE, num_latents=3, width=4).eval(), torch.rand(4, *SHAPE)),
        ):
            z = torch.randn(4, 3)
            logits = model.judge(x, z)
            assert logits.shape == (4,)
            assert not torch.allclose(logits, model.judge(x.flip(0), z))
            assert not torch.allclose(logits, model.judge(x, z.flip(0)))


def test_on_a_linear_gaussian_the_encoder_learns_to_invert():
    """x = 1 + 1.5 z for a normal z: no loss compares x with G(E(x)), and yet they agree."""
    torch.manual_seed(0)
    x = 1 + 1.5 * torch.randn(4096, 1, generator=seeded())
    model = BiGAN((1,), num_latents=1, hidden=(32, 32), coding=())
    z = torch.linspace(-1.5, 1.5, 7)[:, None]
    with torch.no_grad():
        assert float((model.encode(model.generator(z)) - z).abs().mean()) > 0.5
    fit_adversarial(
        model, TensorDataset(x), steps=1000, lr=3e-3, discriminator_lr=1e-2, betas=(0.0, 0.99),
        batch_size=128, device="cpu", progress=False,
    )  # fmt: skip
    with torch.no_grad():
        assert float((model.encode(model.generator(z)) - z).abs().mean()) < 0.15
        assert float((model.reconstruct(1 + 1.5 * z) - (1 + 1.5 * z)).abs().mean()) < 0.2
        scale = float(model.generator(z)[-1] - model.generator(z)[0]) / 3
        assert 1.2 < abs(scale) < 1.8
        assert abs(float(model.generator(torch.zeros(1, 1))) - 1) < 0.3


class TestModel:
    def test_the_player_is_generator_and_encoder(self):
        model, batch = BiGAN(SHAPE, num_latents=3, width=4), (torch.rand(6, *SHAPE),)
        model.generator_loss(batch).backward()
        for network in (model.generator.encoder, model.generator.decoder):
            assert all(p.grad is not None and p.grad.any() for p in network.parameters()
                       if p.ndim > 1)  # fmt: skip
        model.zero_grad()
        model.discriminator_loss(batch).backward()
        assert all(p.grad is None for p in model.generator.parameters())

    def test_codes_reconstructions_and_scores(self):
        model, x = BiGAN(SHAPE, num_latents=3, width=4).eval(), torch.rand(5, *SHAPE)
        assert model.encode(x).shape == (5, 3)
        torch.testing.assert_close(model.reconstruct(x), model.generator(model.encode(x)))
        expected = (x - model.reconstruct(x)).abs().mean((1, 2, 3)).detach()
        torch.testing.assert_close(model.anomaly(x), expected)
        assert not model.anomaly(x).requires_grad

    @pytest.mark.parametrize(
        "make, words",
        [
            (lambda: BiGAN((2, 3)), r"event_shape is \(2, 3\), expected \(D,\) or \(C, S, S\)"),
            (lambda: BiGAN((1, 9, 9)), r"event_shape is \(1, 9, 9\)"),
            (lambda: BiGAN((2,), num_latents=0), "widths are"),
            (lambda: BiGAN((2,), loss="hinge"), "loss is 'hinge'"),
            (
                lambda: BiGAN(SHAPE, width=2).discriminator_loss((torch.full((2, 64), 2.0),)),
                "pixels from 2 to 2",
            ),
        ],
    )
    def test_arguments_that_do_not_fit(self, make, words):
        with pytest.raises(ValueError, match=words):
            make()
