"""Styles: demodulated weights, truncation, mixing, the tracked mean, and the game."""

import pytest
import torch
import torch.nn.functional as F

from gencourse.gan import StyleGAN, StyleGenerator
from gencourse.gan.equalised import EqualLinear, pixel_norm
from gencourse.gan.style_layers import MappingNetwork, ModulatedConv2d
from gencourse.losses import r1_penalty

SIZES = {"num_latents": 5, "num_styles": 7, "width": 3, "num_mapping": 2}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def network():
    """A generator in which no number is special: noise counts, and w has a mean."""
    torch.manual_seed(0)
    network = StyleGenerator((2, 16, 16), **SIZES).double()
    with torch.no_grad():
        for layer in network.layers:
            layer.strength.fill_(0.3)
        network.mean_w.copy_(network.mapping(torch.randn(100, 5).double()).mean(0) + 0.1)
    return network


def two(n=3):
    return (torch.randn(n, 5, generator=seeded(s), dtype=torch.float64) for s in (1, 2))


class TestModulation:
    torch.manual_seed(1)
    layer = ModulatedConv2d(3, 4, num_styles=5).double()
    x, w = (torch.randn(2, *shape, generator=seeded()).double() for shape in ((3, 6, 6), (5,)))

    def test_each_outputs_weights_have_norm_1(self):
        norms = self.layer.weights(self.w).flatten(2).norm(dim=2)
        torch.testing.assert_close(norms, torch.ones(2, 4).double(), rtol=0, atol=1e-7)

    def test_scaled_inputs_and_outputs_are_one_convolution_for_each_row(self):
        weights = self.layer.weights(self.w)
        rows = [F.conv2d(self.x[i : i + 1], weights[i], padding=1) for i in range(2)]
        torch.testing.assert_close(self.layer(self.x, self.w), torch.cat(rows))

    def test_without_demodulation_the_norm_follows_the_style(self):
        layer = ModulatedConv2d(3, 4, num_styles=5, demodulate=False).double()
        weights = layer.weights(self.w)
        expected = layer.scale * layer.weight * layer.to_scales(self.w)[:, None, :, None, None]
        torch.testing.assert_close(weights, expected)
        out = torch.cat([F.conv2d(self.x[i : i + 1], weights[i], padding=1) for i in range(2)])
        torch.testing.assert_close(layer(self.x, self.w), out)

    def test_a_style_changes_the_mixture_and_not_the_loudness(self):
        """Twice the scales of all channels changes nothing; other scales do."""
        layer = ModulatedConv2d(3, 4, num_styles=1).double()
        with torch.no_grad():
            layer.to_scales.weight.fill_(1.0)
            layer.to_scales.bias.zero_()
        one, double = (layer(self.x, torch.full((2, 1), s).double()) for s in (1.0, 2.0))
        torch.testing.assert_close(one, double)
        with torch.no_grad():
            layer.to_scales.bias[0] = 5
        assert not torch.allclose(layer(self.x, torch.ones(2, 1).double()), one)


class TestMapping:
    def test_the_length_of_z_does_not_count(self):
        mapping, (z, _) = MappingNetwork(5, 7, num_layers=3).double(), two()
        torch.testing.assert_close(mapping(z), mapping(4 * z))
        assert not torch.allclose(mapping(z), mapping(-z))

    def test_without_layers_w_is_the_normalised_z(self):
        z, _ = two()
        torch.testing.assert_close(MappingNetwork(5, 5, num_layers=0)(z), pixel_norm(z))

    def test_it_starts_like_other_layers_and_learns_100_times_slower(self):
        torch.manual_seed(0)
        slow, plain = EqualLinear(400, 300, rate=0.01), EqualLinear(400, 300)
        for layer in (slow, plain):
            effective = layer.scale * layer.weight.detach()
            assert abs(float(effective.std()) - (2 / 400) ** 0.5) < 0.001
        x = torch.randn(8, 400)
        changes = []
        for layer in (slow, plain):
            before = (layer.scale * layer.weight).detach()
            optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
            layer(x).sum().backward()
            optimizer.step()
            changes.append(float((layer.scale * layer.weight - before).detach().norm()))
        assert changes[1] / changes[0] == pytest.approx(100, rel=1e-3)


class TestTruncation:
    def test_0_is_one_picture_for_fixed_noise(self, network):
        z, _ = two()
        x = network(z, truncation=0.0, noise=network.draw_noise(1, generator=seeded()))
        torch.testing.assert_close(x, x[:1].expand_as(x))
        varied = network(z, truncation=0.0, noise=network.draw_noise(3, generator=seeded()))
        assert not torch.allclose(varied[0], varied[1])  # the noise is left

    def test_1_is_no_truncation(self, network):
        (z, _), noise = two(), network.draw_noise(3)
        styles = network.mapping(z)[:, None].expand(-1, network.num_layers, -1)
        assert torch.equal(network(z, noise=noise), network.synthesis(styles, noise))
        assert torch.equal(network.styles(z, truncation=1.0), styles)

    def test_below_0_is_opposite(self, network):
        z, _ = two()
        w, mean = network.mapping(z), network.mean_w
        for psi in (-1.0, 0.7):
            torch.testing.assert_close(network.truncate(w, psi) - mean, psi * (w - mean))

    def test_less_of_it_means_less_variety(self, network):
        z = torch.randn(200, 5, generator=seeded()).double()
        noise = network.draw_noise(1, generator=seeded())
        spreads = [
            float(network(z, truncation=p, noise=noise).detach().var(0).sum())
            for p in (0.2, 0.5, 1)
        ]
        assert spreads[0] < spreads[1] < spreads[2]

    def test_the_mean_is_tracked_in_training_only(self):
        model = StyleGAN((1, 8, 8), **SIZES)
        batch = (torch.rand(4, 1, 8, 8),)
        model.eval().discriminator_loss(batch)
        assert not model.generator.mean_w.any()
        model.train()
        for _ in range(600):
            model.generator.track(model.generator.mapping(model.noise(200)))
        mean = model.generator.mapping(model.noise(20_000)).mean(0).detach()
        torch.testing.assert_close(model.generator.mean_w, mean, rtol=0.1, atol=0.02)
        before = model.generator.mean_w.clone()
        model.generator_loss(batch)
        assert not torch.equal(model.generator.mean_w, before)
        assert "generator.mean_w" in model.state_dict()


class TestMixing:
    @pytest.mark.parametrize("crossover", range(1, 6))
    def test_what_is_coarser_than_the_crossover_stays_bit_by_bit(self, network, crossover):
        (z1, z2), noise = two(), network.draw_noise(3)
        plain = network.activations(network.styles(z1), noise)
        mixed = network.activations(network.mixed_styles(z1, z2, crossover), noise)
        for number, (a, b) in enumerate(zip(plain, mixed, strict=True)):
            if number < crossover:
                assert torch.equal(a, b), number
            else:
                assert not torch.allclose(a, b), number
        assert not torch.allclose(network.mix(z1, z2, crossover, noise=noise),
                                  network(z1, noise=noise))  # fmt: skip

    def test_its_ends_are_the_two_pictures(self, network):
        (z1, z2), noise = two(), network.draw_noise(3)
        ends = (network.mix(z1, z2, c, noise=noise) for c in (0, network.num_layers))
        for x, z in zip(ends, (z2, z1), strict=True):
            assert torch.equal(x, network(z, noise=noise))

    def test_a_crossover_for_each_row(self, network):
        (z1, z2), noise = two(), network.draw_noise(1)
        x = network.mix(z1, z2, torch.tensor([1, 6, 3]), noise=noise)
        for row, c in enumerate((1, 6, 3)):
            torch.testing.assert_close(x[row], network.mix(z1, z2, c, noise=noise)[row])

    def test_layers(self):
        for side, layers in ((8, 4), (16, 6), (64, 10)):
            network = StyleGenerator((1, side, side), **SIZES)
            assert network.num_layers == layers
            sides = [noise.shape[-1] for noise in network.draw_noise(1)]
            assert sides == [4] + [s for s in (8, 16, 32, 64) if s <= side for _ in (0, 1)]
            assert network(torch.randn(1, 5)).shape == (1, 1, side, side)


class TestR1:
    def test_by_hand(self):
        """The slope of x1² + 3 x2 is (2 x1, 3)."""
        x = torch.tensor([[1.0, 5.0], [2.0, 7.0]], dtype=torch.float64)
        found = r1_penalty(lambda x: x[:, 0].square() + 3 * x[:, 1], x)
        assert float(found) == pytest.approx((13 + 25) / 2 / 2)
        assert float(r1_penalty(lambda x: 0 * x.sum(1), x)) == 0

    def test_the_critic_learns_from_it_and_the_data_does_not(self):
        a = torch.tensor([3.0, -4.0], requires_grad=True)
        x = torch.ones(5, 2, requires_grad=True)
        r1_penalty(lambda x: x @ a, x).backward()
        torch.testing.assert_close(a.grad, torch.tensor([3.0, -4.0]))  # of ½ ‖a‖²
        assert x.grad is None

    def test_no_rows(self):
        with pytest.raises(ValueError, match=r"real has shape \(0, 2\), expected at least 1 row"):
            r1_penalty(lambda x: x.sum(1), torch.zeros(0, 2))


class TestGame:
    def test_training_mixes_the_share_asked_for(self, monkeypatch):
        model = StyleGAN((1, 16, 16), mixing=0.25, **SIZES)
        seen = []
        monkeypatch.setattr(model.generator, "mix", lambda z1, z2, c: seen.append(c))
        torch.manual_seed(0)
        model.fake(8000)
        shares = torch.bincount(seen[0], minlength=7) / 8000
        expected = torch.tensor([0, 0.05, 0.05, 0.05, 0.05, 0.05, 0.75])
        torch.testing.assert_close(shares, expected, rtol=0, atol=0.012)

    def test_the_discriminator_pays_the_penalty_at_data(self):
        model = StyleGAN((1, 8, 8), penalty=3.0, **SIZES).double()
        free = StyleGAN((1, 8, 8), penalty=0.0, **SIZES).double()
        free.load_state_dict(model.state_dict())
        x = torch.rand(4, 1, 8, 8, generator=seeded()).double()
        values = []
        for m in (model, free):
            torch.manual_seed(3)
            values.append(m.discriminator_loss((x,)))
        torch.testing.assert_close(
            values[0] - values[1], 3 * r1_penalty(model.discriminator, x)
        )  # fmt: skip

    def test_a_z_and_noise_can_be_given(self):
        model = StyleGAN((1, 8, 8), **SIZES).eval()
        z, noise = model.noise(3), model.generator.draw_noise(1)
        x = model.sample(3, condition=z, truncation=0.4, noise=noise)
        torch.testing.assert_close(x, model.generator(z, truncation=0.4, noise=noise).detach())


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: StyleGAN((1, 12, 12)), r"event_shape is \(1, 12, 12\)"),
        (lambda: StyleGAN((1, 8, 8), mixing=1.5), "mixing is 1.5, expected a share"),
        (lambda: StyleGAN((1, 8, 8), num_styles=0), "num_styles is 0"),
        (lambda: StyleGAN((1, 8, 8), num_mapping=-1), "num_mapping is -1"),
        (
            lambda: StyleGenerator((1, 8, 8), num_latents=4, num_styles=5, num_mapping=0),
            "num_latents is 4 and num_styles is 5, expected the same size",
        ),
        (
            lambda: StyleGAN((1, 8, 8), **SIZES).sample(2, condition=torch.zeros(2, 4)),
            r"condition has shape \(2, 4\), expected z \(2, 5\)",
        ),
        (
            lambda: StyleGAN((1, 8, 8), **SIZES).discriminator_loss((torch.full((2, 64), 9.0),)),
            "pixels from 9 to 9",
        ),
    ],
)
def test_arguments_that_do_not_fit(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_styles_that_do_not_fit(network):
    z1, z2 = two()
    with pytest.raises(ValueError, match=r"crossover is 7, expected 0\.\.6"):
        network.mix(z1, z2, 7)
    with pytest.raises(ValueError, match=r"styles have shape \(3, 4, 7\) with 5 noises, expected"):
        network.synthesis(network.styles(z1)[:, :4], network.draw_noise(1))
