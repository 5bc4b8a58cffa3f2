"""TransGAN and ViTGAN: each idea against its formula, and both against their untrained selves."""

import time

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from gencourse import data
from gencourse.evaluate import frechet_distance
from gencourse.gan import (
    GridSelfAttention,
    L2SelfAttention,
    PatchDecoder,
    SelfModulatedNorm,
    TransGAN,
    TransGANDiscriminator,
    TransGANGenerator,
    ViTGAN,
    ViTGANDiscriminator,
    ViTGANGenerator,
    normalise_to_initial,
)
from gencourse.gan.transgan import as_map, as_tokens
from gencourse.gan.vitgan import SelfModulatedBlock
from gencourse.losses import gradient_penalty
from gencourse.nets import MLP, Classifier, SelfAttention, TransformerBlock, classifier_loss
from gencourse.train import fit, fit_adversarial

TRANS = {"width": 32, "num_heads": 2, "grid": 4, "depths": (1, 1)}
VIT = {"width": 8, "num_heads": 2, "depth": 1}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


class TestGridSelfAttention:
    def made(self, side, grid):
        torch.manual_seed(0)
        return GridSelfAttention(6, 2, side=side, grid=grid).double()

    def test_one_cell_over_everything_is_full_attention(self):
        grid = self.made(4, 4)
        full = SelfAttention(6, 2).double()
        full.load_state_dict(grid.attention.state_dict())
        x = normal(3, 16, 6)
        torch.testing.assert_close(grid(x), full(x), rtol=0, atol=1e-6)

    def test_each_cell_is_attention_of_its_own(self):
        """Cut by slices of the square, not by the layer's own reshapes."""
        grid, x = self.made(6, 3), normal(2, 36, 6)
        square, found = x.view(2, 6, 6, 6), grid(x).view(2, 6, 6, 6)
        for rows in (slice(0, 3), slice(3, 6)):
            for columns in (slice(0, 3), slice(3, 6)):
                alone = grid.attention(square[:, rows, columns].reshape(2, 9, 6))
                torch.testing.assert_close(found[:, rows, columns], alone.view(2, 3, 3, 6))

    def test_a_place_sees_its_cell_and_nothing_else(self):
        grid = self.made(4, 2)
        jacobian = torch.autograd.functional.jacobian(grid, normal(1, 16, 6))
        seen = jacobian.abs().sum((0, 2, 3, 5)) > 0  # (places, places)
        row, column = torch.arange(16) // 4, torch.arange(16) % 4
        cell = row // 2 * 2 + column // 2
        assert torch.equal(seen, cell[:, None] == cell)

    def test_cells_of_one_place_only_look_at_themselves(self):
        grid, x = self.made(2, 1), normal(1, 4, 6)
        values = grid.attention.queries_keys_values(x)[..., 12:]
        torch.testing.assert_close(grid(x), grid.attention.out(values))

    def test_what_does_not_fit(self):
        with pytest.raises(ValueError, match="side is 6 and grid is 4"):
            self.made(6, 4)
        with pytest.raises(ValueError, match="side is 4 and grid is 0"):
            self.made(4, 0)
        with pytest.raises(ValueError, match=r"x has shape \(1, 9, 6\), expected \(B, 16, W\)"):
            self.made(4, 2)(normal(1, 9, 6))


class TestTransGAN:
    def test_pixel_shuffle_turns_four_features_into_four_places(self):
        tokens = torch.arange(16.0).view(1, 4, 4)  # a square of 2 x 2 tokens with 4 features
        larger = nn.functional.pixel_shuffle(as_map(tokens), 2)[0, 0]
        expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
        assert larger.tolist() == expected
        torch.testing.assert_close(as_tokens(as_map(tokens)), tokens)

    def test_stages_trade_width_for_resolution(self):
        network = TransGANGenerator((3, 16, 16), num_latents=5, width=64, depths=(2, 1, 1))
        found = []
        for stage in network.stages:
            stage.register_forward_hook(lambda _, __, out: found.append(tuple(out.shape[1:])))
        network(torch.randn(2, 5))
        assert found == [(16, 64), (64, 16), (256, 4)]
        kinds = [
            [type(block.attention).__name__ for block in stage.blocks] for stage in network.stages
        ]
        assert kinds == [["SelfAttention"] * 2, ["SelfAttention"], ["GridSelfAttention"]]

    def test_the_generator_divides_by_the_root_mean_square(self):
        network = TransGANGenerator((1, 8, 8), num_latents=3, **TRANS).double()
        norm, x = network.stages[0].blocks[0].mlp_norm, normal(2, 4, 32)
        torch.testing.assert_close(norm(x), x / x.square().mean(-1, keepdim=True).sqrt())

    def test_the_discriminator_sees_patches_of_each_size(self):
        torch.manual_seed(0)
        network = TransGANDiscriminator((3, 16, 16), width=16, depths=(1, 1, 1), num_heads=2)
        kernels = [(p.kernel_size[0], p.out_channels) for p in network.patches]
        assert kernels == [(2, 4), (4, 4), (8, 8)]
        found = []
        for stage in network.stages:
            stage.register_forward_hook(lambda _, inputs, out: found.append(inputs[0]))
        x = torch.rand(2, 3, 16, 16)
        network(x)
        assert [tuple(t.shape[1:]) for t in found] == [(64, 4), (16, 8), (4, 16)]
        # what a stage gets from the pixels is in the second half of its features
        with torch.no_grad():
            fresh = network.patches[2](2 * x - 1)
            network(1 - x)  # the hook below sees other pixels
        torch.testing.assert_close(as_map(found[2])[:, 8:], fresh)
        assert not torch.allclose(as_map(found[5])[:, 8:], fresh)

    def test_a_penalty_has_its_second_derivative(self):
        """The fused attention kernel has none, so this fails with it."""
        torch.manual_seed(0)
        network = TransGANDiscriminator((1, 8, 8), width=8, num_heads=2, depths=(1, 1)).double()
        real, fake = (torch.rand(3, 1, 8, 8, dtype=torch.float64) for _ in range(2))
        gradient_penalty(network, real, fake, generator=seeded()).backward()
        for parameter in (network.patches[0].weight, network.stages[0].positions):
            assert parameter.grad.abs().sum() > 0

    @pytest.mark.parametrize("side, depths", [(8, (1,)), (12, (1, 1)), (16, (1, 1, 1))])
    def test_other_sizes(self, side, depths):
        shape = (1, side, side)
        options = {"width": 32, "num_heads": 2, "grid": side // 4}
        z, x = torch.randn(2, 5), torch.rand(2, *shape)
        assert (
            TransGANGenerator(shape, num_latents=5, depths=depths, **options)(z).shape == x.shape
        )
        options["grid"] = side // 2
        assert TransGANDiscriminator(shape, depths=(1, 1), **options)(x).shape == (2,)

    @pytest.mark.parametrize(
        "make, words",
        [
            (lambda: TransGAN((3, 15, 15)), r"event_shape is \(3, 15, 15\), expected a side that"),
            (lambda: TransGAN((3, 16, 8)), r"event_shape is \(3, 16, 8\), expected \(C, S, S\)"),
            (lambda: TransGAN((64,)), r"event_shape is \(64,\)"),
            (lambda: TransGAN((3, 20, 20)), "side is 10 and grid is 8"),
            (
                lambda: TransGANDiscriminator((3, 16, 16), patch=3),
                r"event_shape is \(3, 16, 16\) and patch is 3, .* multiple of 6",
            ),
            (lambda: TransGANDiscriminator((3, 16, 16), width=7), "width is 7"),
            (lambda: TransGANGenerator((3, 16, 16), width=130), "width is 130"),
            (lambda: TransGANGenerator((3, 16, 16), width=4), "width is 1 and num_heads is 4"),
            (lambda: TransGANGenerator((3, 16, 16), depths=()), r"depths are \(\)"),
            (lambda: TransGANGenerator((3, 16, 16), num_latents=0), "num_latents is 0"),
            (
                lambda: TransGANDiscriminator((3, 16, 16))(torch.rand(2, 3, 32, 32)),
                r"x has shape \(2, 3, 32, 32\)",
            ),
        ],
    )
    def test_what_it_cannot_make(self, make, words):
        with pytest.raises(ValueError, match=words):
            make()


class TestL2SelfAttention:
    def test_the_formula_pair_by_pair(self):
        torch.manual_seed(0)
        layer, x = L2SelfAttention(6, 2).double(), normal(2, 5, 6)
        q, v = (f(x).view(2, 5, 2, 3) for f in (layer.queries, layer.values))
        mixed = torch.zeros_like(v)
        for b, h, i in torch.cartesian_prod(*map(torch.arange, (2, 2, 5))).tolist():
            distances = torch.stack([(q[b, i, h] - q[b, j, h]).norm() for j in range(5)])
            weights = (-distances.square() / 3**0.5).exp()
            mixed[b, i, h] = (weights / weights.sum()) @ v[b, :, h]
        torch.testing.assert_close(layer(x), layer.out(mixed.flatten(2)))

    def test_its_slope_stays_where_that_of_the_usual_attention_grows(self):
        """A place at 0 between places far away in opposite directions: the counterexample of Kim
        et al., in which the usual attention's slope grows with their distance squared."""
        torch.manual_seed(0)
        plain, layer = SelfAttention(6, 1).double(), L2SelfAttention(6, 1).double()
        nn.init.zeros_(plain.queries_keys_values.bias)
        u = normal(1, 1, 6)

        def slope(f, scale):
            x = scale * torch.cat([0 * u, u, -u], 1)
            jacobian = torch.autograd.functional.jacobian(f, x)
            return float(torch.linalg.matrix_norm(jacobian.view(18, 18), 2))

        assert slope(plain, 400) > 90 * slope(plain, 40)
        limit = torch.linalg.matrix_norm((layer.out.weight @ layer.values.weight).detach(), 2)
        assert max(slope(layer, scale) for scale in (0.5, 1, 2, 4, 40, 400)) < 3 * limit

    def test_what_does_not_fit(self):
        with pytest.raises(ValueError, match="width is 6 and num_heads is 4"):
            L2SelfAttention(6, 4)
        with pytest.raises(ValueError, match="causal is True"):
            L2SelfAttention(6, 2)(torch.zeros(1, 3, 6), causal=True)


class TestImprovedSpectralNorm:
    def test_it_keeps_the_first_norm_whatever_the_weight_becomes(self):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(2, 5, 3), nn.Flatten(), MLP(5, 1, hidden=(16,)))
        layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]

        def norms():
            return [
                float(torch.linalg.matrix_norm(m.weight.detach().flatten(1), 2)) for m in layers
            ]

        before = norms()
        assert normalise_to_initial(network) is network
        assert norms() == pytest.approx(before, rel=1e-2)
        with torch.no_grad():
            for layer in layers:
                layer.parametrizations.weight.original.mul_(7).add_(
                    torch.randn(layer.weight.shape)
                )
        for _ in range(100):
            network(torch.randn(1, 2, 3, 3))  # a power iteration each
        assert norms() == pytest.approx(before, rel=1e-3)

    def test_all_weights_of_the_discriminator_have_it(self):
        network = ViTGANDiscriminator((1, 8, 8), **VIT)
        layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        assert len(layers) == 1 + 3 + 2 + 1  # patches, attention, MLP, head
        for layer in layers:
            initial = layer.parametrizations.weight.original.detach().flatten(1)
            factor = layer.parametrizations.weight[1].factor
            torch.testing.assert_close(factor, torch.linalg.matrix_norm(initial, 2))
        assert "head.parametrizations.weight.1.factor" in network.state_dict()


class TestSelfModulation:
    def test_zero_weights_leave_plain_layer_norm(self):
        norm, h = SelfModulatedNorm(6, 3).double(), normal(2, 5, 6)
        nn.init.zeros_(norm.scale_shift.weight)
        plain = nn.functional.layer_norm(h, (6,))
        torch.testing.assert_close(norm(h, normal(2, 3)), plain)
        nn.init.constant_(norm.scale_shift.bias, 0.5)
        torch.testing.assert_close(norm(h, normal(2, 3)), 1.5 * plain + 0.5)

    def test_scale_and_shift_are_those_of_the_row(self):
        torch.manual_seed(0)
        norm, h, w = SelfModulatedNorm(6, 3).double(), normal(2, 5, 6), normal(2, 3, seed=1)
        weight = norm.scale_shift.weight
        for b in range(2):
            gamma, beta = 1 + weight[:6] @ w[b], weight[6:] @ w[b]
            by_hand = gamma * nn.functional.layer_norm(h[b], (6,)) + beta
            torch.testing.assert_close(norm(h, w)[b], by_hand)

    def test_a_block_without_modulation_is_the_transformers(self):
        torch.manual_seed(0)
        block, plain = SelfModulatedBlock(6, 2, num_conditions=3), TransformerBlock(6, 2)
        plain.load_state_dict(block.state_dict(), strict=False)
        for norm in (block.attention_norm, block.mlp_norm):
            nn.init.zeros_(norm.scale_shift.weight)
        h, w = torch.randn(2, 5, 6), torch.randn(2, 3)
        torch.testing.assert_close(block(h, w), plain(h))


class TestViTGAN:
    def test_a_pixel_of_a_patch_by_hand(self):
        torch.manual_seed(0)
        decoder = PatchDecoder(5, patch=4, channels=3, num_features=6).double()
        tokens = normal(2, 7, 5)
        found = decoder(tokens)
        assert found.shape == (2, 7, 16, 3)
        y, x = 2, 3  # the pixel's row and column, its centre at (2.5 / 4, 3.5 / 4)
        place = torch.tensor([2 * 2.5 / 4 - 1, 2 * 3.5 / 4 - 1], dtype=torch.float64)
        first, second = (1 + decoder.scales(tokens[1, 4])).chunk(2)
        features = (decoder.fourier.weight @ place + decoder.fourier.bias).sin()
        hidden = (decoder.hidden.weight * first) @ features + decoder.hidden.bias
        pixel = (decoder.out.weight * second) @ hidden.sin() + decoder.out.bias
        torch.testing.assert_close(found[1, 4, 4 * y + x], pixel, rtol=1e-6, atol=1e-6)

    def test_patches_stand_where_their_tokens_do(self):
        network = ViTGANGenerator((2, 8, 8), num_latents=3, patch=4, **VIT)
        parts = torch.arange(2 * 4 * 16.0).view(1, 2, 4, 16) / 200  # channel, token, pixel
        network.decoder.forward = lambda tokens: parts.permute(0, 2, 3, 1).atanh()
        x = 2 * network(torch.randn(1, 3))[0] - 1
        for token, (row, column) in enumerate((r, c) for r in (0, 4) for c in (0, 4)):
            patch = x[:, row : row + 4, column : column + 4].flatten(1)
            torch.testing.assert_close(patch, parts[0, :, token], rtol=0, atol=1e-5)

    def test_the_noise_enters_through_the_norms_only(self):
        network = ViTGANGenerator((1, 8, 8), num_latents=3, **VIT)
        z = torch.randn(2, 3)
        assert not torch.allclose(*network(z), atol=1e-5)
        for module in network.modules():
            if isinstance(module, SelfModulatedNorm):
                nn.init.zeros_(module.scale_shift.weight)
        torch.testing.assert_close(*network(z))

    def test_a_penalty_has_its_second_derivative(self):
        torch.manual_seed(0)
        network = ViTGANDiscriminator((1, 8, 8), **VIT)
        gradient_penalty(network, *torch.rand(2, 3, 1, 8, 8), generator=seeded()).backward()
        assert network.encoder.positions.grad.abs().sum() > 0

    @pytest.mark.parametrize("make", [ViTGAN, ViTGANGenerator, ViTGANDiscriminator])
    @pytest.mark.parametrize("shape", [(3, 14, 14), (3, 16, 8), (64,)])
    def test_an_image_it_cannot_make(self, make, shape):
        with pytest.raises(ValueError, match=r"expected .* the patch divides"):
            make(shape)

    def test_other_bad_input(self):
        with pytest.raises(ValueError, match="num_latents is 0"):
            ViTGAN((1, 8, 8), num_latents=0)
        with pytest.raises(ValueError, match="'patch': 0"):
            PatchDecoder(4, patch=0, channels=1)
        with pytest.raises(ValueError, match="num_conditions is 0"):
            SelfModulatedNorm(4, 0)
        with pytest.raises(ValueError, match=r"x has shape \(2, 1, 16, 16\)"):
            ViTGANDiscriminator((1, 8, 8), **VIT)(torch.rand(2, 1, 16, 16))


@pytest.fixture(scope="module")
def judged_shapes():
    """Images to train on, images held out, and the classifier whose features measure samples."""
    images, held = data.shapes(6000, size=16), data.shapes(1000, seed=1, size=16)
    labels = images.attributes["shape"] * 6 + images.attributes["colour"]
    torch.manual_seed(0)
    judge = Classifier((3, 16, 16), num_classes=18)
    fit(
        judge, TensorDataset(images.x, labels), loss=classifier_loss, epochs=8, lr=3e-3,
        batch_size=64, device="cpu", progress=False,
    )  # fmt: skip
    return images.x, held.x, judge.eval()


TRAINED = {
    "TransGAN": (
        lambda: TransGAN(
            (3, 16, 16), depths=(2, 1, 1), discriminator_depths=(1, 1), num_heads=2, grid=4,
            penalty=1.0,
        ),
        {"steps": 400, "lr": 1e-3, "betas": (0, 0.99)},
    ),
    "ViTGAN": (
        lambda: ViTGAN((3, 16, 16), num_latents=16, width=48, depth=2),
        {"steps": 900, "lr": 5e-4, "discriminator_lr": 1e-3, "betas": (0.5, 0.99)},
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_training_brings_the_samples_towards_the_data(name, judged_shapes):
    images, held, judge = judged_shapes
    make, options = TRAINED[name]
    torch.manual_seed(0)
    model = make()

    @torch.no_grad()
    def distance():
        samples = model.eval().sample(1000, generator=seeded())
        return frechet_distance(judge.features(held), judge.features(samples))

    untrained, began = distance(), time.process_time()
    fit_adversarial(model, images, batch_size=32, device="cpu", progress=False, **options)
    seconds = time.process_time() - began
    assert distance() < untrained / 4
    if torch.get_num_threads() == 1:
        assert seconds < 90  # 60 on an idle core
