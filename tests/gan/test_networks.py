"""DCGAN's guidelines in the structure of its networks, PatchGAN's field of view, spectral norm."""

import pytest
import torch
from torch import nn

from gencourse.gan import (
    DCGANDiscriminator,
    DCGANGenerator,
    PatchGANDiscriminator,
    normalise_spectrally,
)
from gencourse.nets import MLP


def layers_of(network, *kinds):
    return [m for m in network.modules() if isinstance(m, kinds)]


def sizes(network, x):
    """Side and channels of each convolution's output."""
    seen = []
    handles = [
        layer.register_forward_hook(lambda _, __, out: seen.append((out.shape[-1], out.shape[1])))
        for layer in layers_of(network, nn.Conv2d, nn.ConvTranspose2d)
    ]
    network(x)
    for handle in handles:
        handle.remove()
    return seen


class TestDCGAN:
    generator = DCGANGenerator((3, 64, 64), num_latents=10, width=4)
    discriminator = DCGANDiscriminator((3, 64, 64), width=4)

    def test_sizes(self):
        found = sizes(self.generator, torch.randn(2, 10))
        assert found == [(4, 32), (8, 16), (16, 8), (32, 4), (64, 3)]
        found = sizes(self.discriminator, torch.rand(2, 3, 64, 64))
        assert found == [(32, 4), (16, 8), (8, 16), (4, 32), (1, 1)]
        assert self.discriminator(torch.rand(2, 3, 64, 64)).shape == (2,)

    def test_strides_instead_of_pooling_and_no_hidden_layers_that_are_fully_connected(self):
        for network in (self.generator, self.discriminator):
            kinds = {type(m).__name__ for m in network.modules()}
            assert not [kind for kind in kinds if "Pool" in kind or "Upsample" in kind]
            assert "Linear" not in kinds
        strided = [c.stride for c in layers_of(self.generator, nn.ConvTranspose2d)]
        assert strided == [(1, 1)] + [(2, 2)] * 4
        assert [c.stride for c in layers_of(self.discriminator, nn.Conv2d)] == [(2, 2)] * 4 + [
            (1, 1)
        ]

    def test_batch_norm_everywhere_but_at_the_image(self):
        kinds = [type(layer).__name__ for layer in self.generator.layers]
        assert kinds == ["ConvTranspose2d", "BatchNorm2d", "ReLU"] * 4 + [
            "ConvTranspose2d",
            "Tanh",
        ]
        kinds = [type(layer).__name__ for layer in self.discriminator.layers]
        middle = ["Conv2d", "BatchNorm2d", "LeakyReLU"] * 3
        assert kinds == ["Conv2d", "LeakyReLU", *middle, "Conv2d", "Flatten"]
        assert {m.negative_slope for m in layers_of(self.discriminator, nn.LeakyReLU)} == {0.2}

    def test_initial_weights(self):
        generator = DCGANGenerator((1, 32, 32), num_latents=32, width=32)
        for layer in layers_of(generator, nn.ConvTranspose2d)[:-1]:
            assert abs(float(layer.weight.detach().std()) - 0.02) < 0.001

    @pytest.mark.parametrize("side", [8, 16, 32])
    def test_other_sizes_and_norms(self, side):
        z, x = torch.randn(2, 5), torch.rand(2, 1, side, side)
        assert DCGANGenerator((1, side, side), num_latents=5, width=2)(z).shape == x.shape
        for norm in ("batch", "instance", "spectral", "none"):
            assert DCGANDiscriminator((1, side, side), width=2, norm=norm)(x).shape == (2,)

    def test_pixels_are_0_to_1_outside_and_minus_1_to_1_inside(self):
        generator = DCGANGenerator((1, 8, 8), num_latents=2, width=2)
        z = torch.randn(3, 2)
        inside = generator.layers(z[:, :, None, None])
        torch.testing.assert_close(generator(z), (inside + 1) / 2)
        discriminator = DCGANDiscriminator((1, 8, 8), width=2)
        torch.testing.assert_close(discriminator(generator(z)), discriminator.layers(inside))

    @pytest.mark.parametrize("make", [DCGANGenerator, DCGANDiscriminator])
    @pytest.mark.parametrize("shape", [(1, 28, 28), (1, 4, 4), (1, 16, 8), (64,), (0, 8, 8)])
    def test_an_image_it_cannot_make(self, make, shape):
        with pytest.raises(ValueError, match="with S a power of 2 from 8, which doubling 4 can"):
            make(shape)

    def test_other_bad_input(self):
        with pytest.raises(ValueError, match="width is 0"):
            DCGANGenerator((1, 8, 8), width=0)
        with pytest.raises(ValueError, match="norm is 'group', expected one of"):
            DCGANDiscriminator((1, 8, 8), norm="group")


def field_of_view(network, side):
    """The box of pixels that a logit in the middle depends on."""
    x = torch.rand(1, network.in_channels, side, side).double().requires_grad_()
    patches = network.double().eval()(x)
    middle = patches.shape[-1] // 2
    (gradient,) = torch.autograd.grad(patches[0, 0, middle, middle], x)
    seen = gradient[0].abs().sum(0) > 0
    return [int(seen.any(axis).sum()) for axis in (0, 1)]


class TestPatchGAN:
    @pytest.mark.parametrize("halvings, field", [(1, 16), (2, 34), (3, 70)])
    def test_receptive_field_by_autograd(self, halvings, field):
        torch.manual_seed(0)
        network = PatchGANDiscriminator(2, width=3, num_halvings=halvings)
        assert network.receptive_field == field
        assert field_of_view(network, 160) == [field, field]

    def test_the_papers_network(self):
        network = PatchGANDiscriminator(3)
        convolutions = layers_of(network, nn.Conv2d)
        assert [c.out_channels for c in convolutions] == [64, 128, 256, 512, 1]
        assert [c.stride[0] for c in convolutions] == [2, 2, 2, 1, 1]
        assert len(layers_of(network, nn.BatchNorm2d)) == 3
        small = PatchGANDiscriminator(3, width=2)
        assert small(torch.rand(2, 3, 256, 256)).shape == (2, 1, 30, 30)  # the paper's map

    def test_any_size_from_one_patch_on(self):
        network = PatchGANDiscriminator(1, width=2)
        assert network(torch.rand(2, 1, 24, 37)).shape == (2, 1, 1, 2)
        for shape in ((2, 1, 23, 40), (2, 3, 64, 64), (1, 64, 64)):
            with pytest.raises(
                ValueError, match=r"expected \(B, 1, H, W\) with sides of at least"
            ):
                network(torch.rand(shape))
        with pytest.raises(ValueError, match="'num_halvings': 0"):
            PatchGANDiscriminator(1, num_halvings=0)

    @pytest.mark.parametrize("norm", ["instance", "spectral", "none"])
    def test_norms(self, norm):
        network = PatchGANDiscriminator(1, width=2, num_halvings=1, norm=norm)
        assert network(torch.rand(2, 1, 16, 16)).shape == (2, 1, 6, 6)


def test_spectral_norm_bounds_every_layer_and_the_slope():
    torch.manual_seed(0)
    network = MLP(2, 1, hidden=(16, 16), activation="LeakyReLU")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(5)
    assert normalise_spectrally(network) is network
    for _ in range(50):
        network(torch.randn(1, 2))
    network.eval()
    for layer in layers_of(network, nn.Linear):
        assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(
            1, rel=1e-3
        )
    x = (3 * torch.randn(500, 2)).requires_grad_()
    (slope,) = torch.autograd.grad(network(x).sum(), x)
    assert slope.norm(dim=1).max() <= 1.001
