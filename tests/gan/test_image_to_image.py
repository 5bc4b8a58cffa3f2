"""U-Net, pix2pix, CycleGAN and the measures of blur: structure, losses, states, bad input."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.data import (
    expected_next_frame,
    find_balls,
    inpainting,
    ping_pong,
    render_shapes,
    shapes,
)
from gencourse.gan import (
    CycleGAN,
    Pix2Pix,
    ResNetGenerator,
    UNetGenerator,
    perceptual_distance,
    sharpness,
    squared_error_loss,
)
from gencourse.gan.cycle_gan import ImagePool
from gencourse.losses import least_squares_loss, non_saturating_loss
from gencourse.nets import Classifier, ConvEncoder, classifier_loss
from gencourse.protocols import Density, Sampler
from gencourse.train import fit, fit_adversarial, load

IMAGE = (2, 16, 16)
SMALL = {"width": 4, "patch_width": 4, "patch_halvings": 1}
CASES = {
    "Pix2Pix": lambda: Pix2Pix(IMAGE, in_channels=2, **SMALL),
    "Pix2Pix, no norm": lambda: Pix2Pix(
        IMAGE, in_channels=2, norm="none", patch_norm="none", loss="least_squares", **SMALL
    ),
    "Pix2Pix, one pixel in the middle": lambda: Pix2Pix(
        IMAGE, in_channels=2, num_halvings=4, norm="instance", patch_norm="spectral", **SMALL
    ),
    "CycleGAN": lambda: CycleGAN(IMAGE, num_blocks=1, **SMALL),
    "CycleGAN, pool": lambda: CycleGAN(IMAGE, num_blocks=1, norm="batch", pool_size=5, **SMALL),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(name, seed=0):
    torch.manual_seed(seed)
    return CASES[name]()


def batch(n=6, seed=0):
    return tuple(torch.rand(2, n, *IMAGE, generator=seeded(seed)))


@pytest.mark.parametrize("name", CASES)
class TestEvery:
    def test_is_a_sampler_without_a_density(self, name):
        assert isinstance(CASES[name](), Sampler) and not isinstance(CASES[name](), Density)

    @pytest.mark.parametrize("n", [1, 4])
    def test_samples_given_an_input(self, name, n):
        model, x, before = made(name).eval(), batch(n)[0], torch.get_rng_state()
        y = model.sample(n, condition=x, generator=seeded())
        assert y.shape == (n, *IMAGE) and not y.requires_grad and y.min() >= 0 and y.max() <= 1
        assert torch.equal(y, model.sample(n, condition=x, generator=seeded()))
        assert not torch.equal(y, model.sample(n, condition=1 - x, generator=seeded()))
        assert model.sample(3, condition=x[0]).shape == (3, *IMAGE)
        assert torch.equal(before, torch.get_rng_state()) or "Pix2Pix" in name
        with pytest.raises(ValueError, match="condition is None, expected input images"):
            model.sample(n)
        with pytest.raises(ValueError, match=rf"condition has {n} images, expected one or n = 9"):
            model.sample(9, condition=x)

    @pytest.mark.parametrize("n", [1, 4])
    def test_each_loss_reaches_its_own_player(self, name, n):
        model = made(name)
        for own, other in (("discriminator", "generator"), ("generator", "discriminator")):
            model.zero_grad()
            loss = getattr(model, f"{own}_loss")(batch(n))
            assert loss.shape == () and loss.isfinite()
            loss.backward()
            for key, parameter in getattr(model, own).named_parameters():
                # a bias before an instance norm is subtracted again
                if not key.endswith("bias"):
                    assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key
            if own == "discriminator":
                assert all(p.grad is None for p in getattr(model, other).parameters())

    def test_double_precision(self, name):
        model = copy.deepcopy(made(name)).double()
        assert model.sample(2, condition=batch(2)[0]).dtype == torch.float64
        assert model.discriminator_loss(batch()).dtype == torch.float64
        assert model.generator_loss(batch()).dtype == torch.float64

    def test_trains_from_a_checkpoint_and_goes_on_bit_by_bit(self, name, tmp_path):
        data, x = TensorDataset(*batch(12)), batch(4, seed=5)[0]

        def draw(model, generator):
            return model.sample(4, condition=x, generator=generator)

        def train(model, steps, path, **more):
            options = {"batch_size": 4, "device": "cpu", "progress": False, "draw": draw}
            fit_adversarial(model, data, steps=steps, checkpoint=path, **options, **more)

        whole, part = made(name), made(name)
        train(whole, 5, tmp_path / "whole.pt")
        train(part, 2, tmp_path / "part.pt")
        resumed = made(name, seed=1)
        train(resumed, 5, tmp_path / "part.pt", resume=True)
        again = load(tmp_path / "whole.pt")
        for key, value in whole.state_dict().items():
            assert torch.equal(value, resumed.state_dict()[key]), key
            assert torch.equal(value, again.state_dict()[key]), key
        for player in ("generator", "discriminator"):
            start = getattr(made(name), player).state_dict()
            end = getattr(whole, player).state_dict()
            assert any(not torch.equal(start[key], end[key]) for key in start)

    def test_images_that_do_not_fit(self, name):
        model, (x, y) = made(name), batch()
        for loss in (model.discriminator_loss, model.generator_loss):
            with pytest.raises(ValueError, match=r"pixels from 0.* to 2\d\d.*, expected them in"):
                loss((x, 255 * y))
            with pytest.raises(ValueError, match="pixels from nan"):
                loss((x * torch.nan, y))
            with pytest.raises(ValueError, match=r"has shape \(6, 2, 16, 8\), expected"):
                loss((x, y[..., :8]))
            with pytest.raises(ValueError, match=r"a batch of"):
                loss((x,))


class TestUNet:
    def test_sizes(self):
        network = UNetGenerator(1, 3, width=4, num_halvings=5)
        sides, channels = [], []

        def note(layer, inputs, out):
            sides.append(out.shape[-1])
            channels.append(out.shape[1])

        for layer in (*network.encoder, *network.decoder):
            layer.register_forward_hook(note)
        assert network(torch.rand(2, 1, 64, 32)).shape == (2, 3, 64, 32)
        assert sides == [16, 8, 4, 2, 1, 2, 4, 8, 16, 32]
        assert channels == [4, 8, 16, 32, 32, 32, 16, 8, 4, 3]

    def test_the_skip_passes_detail_that_the_middle_cannot_hold(self):
        """Noise pictures of 256 values through a middle of 8: only with skips they get through."""
        x = torch.rand(128, 1, 16, 16, generator=seeded())
        errors = {}
        for skips in (True, False):
            torch.manual_seed(0)
            network = UNetGenerator(1, 1, width=8, num_halvings=4, skips=skips, dropout=0.0)
            network.encoder[-1][0] = nn.Conv2d(32, 8, 4, 2, 1)
            inner = network.decoder[0][0]
            network.decoder[0][0] = nn.ConvTranspose2d(8, inner.out_channels, 4, 2, 1)
            fit(
                network, TensorDataset(x, x), loss=squared_error_loss, epochs=25, lr=5e-3,
                batch_size=32, device="cpu", progress=False,
            )  # fmt: skip
            with torch.no_grad():
                errors[skips] = float(F.mse_loss(network(x), x))
        assert errors[False] > 0.06  # the variance of a pixel is 1/12
        assert errors[True] < 0.03

    def test_what_a_skip_carries(self):
        """With the middle cut out, outputs follow the inputs through the skips alone."""
        for skips in (True, False):
            network = UNetGenerator(1, 1, width=4, skips=skips).eval()
            network.encoder[-1].register_forward_hook(lambda _, __, out: 0 * out)
            first, second = (
                network(torch.rand(1, 1, 16, 16, generator=seeded(s))) for s in (0, 1)
            )
            assert torch.equal(first, second) == (not skips)

    def test_dropout_is_the_noise(self):
        network, x = UNetGenerator(1, 1, width=4).eval(), torch.rand(3, 1, 16, 16)
        assert torch.equal(network(x), network(x))
        on = {"dropout": True}
        assert torch.equal(*(network(x, generator=seeded(), **on) for _ in range(2)))
        assert not torch.equal(*(network(x, generator=seeded(s), **on) for s in (0, 1)))
        network.train()
        assert not torch.equal(network(x), network(x))
        network.dropout = 0.0
        assert torch.equal(network(x), network(x))

    def test_dropout_keeps_the_mean_of_what_it_drops(self):
        network = UNetGenerator(1, 1, width=4, num_halvings=2, dropout=0.25).eval()
        inner = []
        network.decoder[1].register_forward_pre_hook(lambda _, args: inner.append(args[0]))
        x = torch.rand(1, 1, 8, 8)
        network(x, dropout=False)
        network(x.expand(4000, -1, -1, -1), dropout=True, generator=seeded())
        plain, dropped = (h[:, :4] for h in inner)  # before the skip's channels
        torch.testing.assert_close(dropped.mean(0), plain[0], rtol=0.1, atol=1e-3)
        share = float((dropped[:, plain[0] > 0] == 0).double().mean())
        assert share == pytest.approx(0.25, abs=0.01)

    @pytest.mark.parametrize(
        "make, words",
        [
            (lambda: UNetGenerator(1, 0), "'out_channels': 0"),
            (lambda: UNetGenerator(1, 1, dropout=1.0), r"dropout is 1\.0"),
            (lambda: UNetGenerator(1, 1, norm="spectral"), "norm is 'spectral'"),
            (
                lambda: UNetGenerator(1, 1)(torch.rand(1, 1, 12, 16)),
                "multiples of 8",
            ),
            (lambda: UNetGenerator(1, 1)(torch.rand(1, 2, 16, 16)), r"expected \(B, 1, H, W\)"),
            (lambda: ResNetGenerator(3, num_blocks=0), "'num_blocks': 0"),
            (lambda: ResNetGenerator(3, norm="x"), "norm is 'x'"),
        ],
    )
    def test_bad_input(self, make, words):
        with pytest.raises(ValueError, match=words):
            make()


class TestPix2Pix:
    def test_the_losses_are_those_of_the_paper(self):
        model, (x, y) = made("Pix2Pix, no norm").eval(), batch()
        game = least_squares_loss
        with torch.no_grad():
            fake = model.generator(x)
            real_logits, fake_logits = model.judge(x, y), model.judge(x, fake)
            found_d, found_g = model.discriminator_loss((x, y)), model.generator_loss((x, y))
        torch.testing.assert_close(found_d, game.discriminator(real_logits, fake_logits))
        scaled = (2 * fake - 1 - (2 * y - 1)).abs().mean()  # the paper's pixels, [-1, 1]
        torch.testing.assert_close(found_g, game.generator(fake_logits) + 100 * scaled)
        assert made("Pix2Pix").game is non_saturating_loss

    def test_the_discriminator_sees_the_pair(self):
        model, (x, y) = made("Pix2Pix").eval(), batch()
        logits = model.judge(x, y)
        assert logits.shape == (6, 1, 6, 6)
        assert not torch.allclose(logits, model.judge(x.roll(1, 0), y), atol=1e-6)
        assert not torch.allclose(logits, model.judge(x, y.roll(1, 0)), atol=1e-6)

    def test_only_a_pair_tells_what_goes_with_what(self):
        """Targets are the inputs, fakes are other inputs: as a set of images they are the same."""
        torch.manual_seed(0)
        x = (torch.rand(64, 1, 1, 1) > 0.5).float().expand(-1, 2, 16, 16) * 0.8 + 0.1
        model = made("Pix2Pix, no norm")
        optimizer = torch.optim.Adam(model.discriminator.parameters(), lr=0.01)
        for _ in range(60):
            optimizer.zero_grad()
            model.game.discriminator(model.judge(x, x), model.judge(x, 1 - x)).backward()
            optimizer.step()
        with torch.no_grad():
            assert (model.judge(x, x) > 0.8).all() and (model.judge(x, 1 - x) < 0.2).all()

    def test_lambda_decides(self):
        x, y = batch()
        terms = {}
        for weight in (0.0, 1.0, 50.0):
            model = made("Pix2Pix")
            model.l1_weight, model.generator.dropout = weight, 0.0
            terms[weight] = model.eval().generator_loss((x, y))
        ratio = (terms[50.0] - terms[0.0]) / (terms[1.0] - terms[0.0])
        assert ratio.item() == pytest.approx(50, rel=1e-3)

    def test_one_input_many_outputs(self):
        model, x = made("Pix2Pix").eval(), batch()[0]
        y = model.sample(8, condition=x[0], generator=seeded())
        assert len(y.flatten(1).unique(dim=0)) == 8
        off = model.sample(8, condition=x[0], dropout=False)
        assert torch.equal(off, off[:1].expand_as(off))

    def test_inputs_of_other_channels(self):
        model = Pix2Pix((3, 16, 16), in_channels=4, **SMALL)
        task = inpainting(shapes(4, size=16).x, generator=seeded())
        for loss in (model.discriminator_loss, model.generator_loss):
            assert loss(task.pairs()[:]).isfinite()
        assert model.sample(4, condition=task.input).shape == (4, 3, 16, 16)
        with pytest.raises(ValueError, match=r"input has shape \(4, 3, 16, 16\), expected \(B, *"):
            model.generator_loss((task.y, task.x))
        with pytest.raises(ValueError, match="expected as many inputs as targets"):
            model.generator_loss((task.input[:3], task.x))

    @pytest.mark.parametrize(
        "options, words",
        [
            ({"event_shape": (1, 12, 16)}, r"event_shape is \(1, 12, 16\), .* multiples of 8"),
            ({"event_shape": (1, 8, 8)}, "at least the 12 pixels"),
            ({"event_shape": (16, 16)}, r"event_shape is \(16, 16\)"),
            ({"l1_weight": -1.0}, r"l1_weight is -1\.0"),
            ({"loss": "l1"}, "loss is 'l1'"),
        ],
    )
    def test_arguments_that_do_not_fit(self, options, words):
        with pytest.raises(ValueError, match=words):
            Pix2Pix(**{"event_shape": (1, 16, 16), "in_channels": 1, **options})


class TestCycleGAN:
    def test_the_losses_are_those_of_the_paper(self):
        model, (x, y) = made("CycleGAN").eval(), batch()
        model.cycle_weight, model.identity_weight = 7.0, 3.0
        G, F_ = model.generator["x_to_y"], model.generator["y_to_x"]
        on_x, on_y = model.discriminator["x"], model.discriminator["y"]

        def distance(a, b):
            return 2 * (a - b).abs().mean()

        with torch.no_grad():
            found_d, found_g = model.discriminator_loss((x, y)), model.generator_loss((x, y))
            expected_d = (on_y(y) - 1).square().mean() + on_y(G(x)).square().mean()
            expected_d += (on_x(x) - 1).square().mean() + on_x(F_(y)).square().mean()
            expected_g = ((on_y(G(x)) - 1).square().mean() + (on_x(F_(y)) - 1).square().mean()) / 2
            expected_g += 7 * (distance(F_(G(x)), x) + distance(G(F_(y)), y))
            expected_g += 3 * (distance(G(y), y) + distance(F_(x), x))
        torch.testing.assert_close(found_d, expected_d / 2)
        torch.testing.assert_close(found_g, expected_g)

    def test_directions(self):
        model, (x, _) = made("CycleGAN").eval(), batch()
        for direction in ("x_to_y", "y_to_x"):
            found = model.sample(6, condition=x, direction=direction)
            torch.testing.assert_close(found, model.generator[direction](x).detach())
        with pytest.raises(ValueError, match="direction is 'back', expected 'x_to_y' or 'y_to_x'"):
            model.translate(x, "back")

    def test_batches_need_not_be_pairs(self):
        model, (x, y) = made("CycleGAN").eval(), batch()
        for loss in (model.discriminator_loss, model.generator_loss):
            torch.testing.assert_close(loss((x, y)), loss((x, y.roll(1, 0))))
            assert loss((x, y[:3])).isfinite()

    def test_arguments_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"event_shape is \(1, 18, 16\), .* multiples of 4"):
            CycleGAN((1, 18, 16))
        with pytest.raises(ValueError, match="at least the 12 pixels"):
            CycleGAN((1, 8, 8))
        with pytest.raises(ValueError, match="'pool_size': -1"):
            CycleGAN((1, 16, 16), pool_size=-1)


class TestPool:
    @staticmethod
    def numbered(start, n):
        return torch.arange(start, start + n).float().view(n, 1, 1, 1)

    def test_fills_up_first(self):
        pool = ImagePool(5, (1, 1, 1))
        for start in (0, 2):
            new = self.numbered(start, 2)
            assert torch.equal(pool(new), new)
        assert pool.images[:4].flatten().tolist() == [0, 1, 2, 3] and int(pool.num_filled) == 4

    def test_then_half_are_exchanged_and_none_is_lost(self):
        torch.manual_seed(0)
        pool, old = ImagePool(50, (1, 1, 1)), 0
        pool(self.numbered(0, 50))
        for i in range(200):
            new = self.numbered(50 + 20 * i, 20)
            before = pool.images.flatten().tolist()
            shown = pool(new).flatten().tolist()
            old += sum(value < 50 + 20 * i for value in shown)
            assert sorted([*before, *new.flatten().tolist()]) == sorted(
                [*shown, *pool.images.flatten().tolist()]
            )
        assert old / 4000 == pytest.approx(0.5, abs=0.04)

    def test_batches_that_are_larger_than_the_pool(self):
        pool, new = ImagePool(3, (1, 1, 1)), self.numbered(0, 8)
        shown = pool(new)
        assert shown.shape == new.shape and int(pool.num_filled) == 3
        kept = sorted([*shown.flatten().tolist(), *pool.images.flatten().tolist()])
        assert set(kept) == set(range(8))

    def test_the_losses_use_it_in_training_only(self):
        model, pair = made("CycleGAN, pool"), batch()
        model.eval().discriminator_loss(pair)
        assert int(model.pools["x"].num_filled) == 0
        model.train().discriminator_loss(pair)
        assert int(model.pools["x"].num_filled) == int(model.pools["y"].num_filled) == 5


class TestMeasures:
    def test_sharpness_of_a_ramp_and_of_an_edge(self):
        ramp = torch.arange(8.0).expand(1, 1, 8, 8) / 10
        assert float(sharpness(ramp)) == pytest.approx(0.1)
        diagonal = ramp + ramp.mT
        assert float(sharpness(diagonal)) == pytest.approx(0.1 * 2**0.5)

    def test_a_blur_is_less_sharp_though_its_squared_error_is_small(self):
        x = shapes(50, size=16).x
        blurred = F.avg_pool2d(x, 5, 1, 2)
        noisy = (x + 0.1 * torch.randn(x.shape, generator=seeded())).clamp(0, 1)
        assert sharpness(blurred) < 0.8 * sharpness(x) < sharpness(x) < sharpness(noisy)

    def test_perceptual_distance(self):
        torch.manual_seed(0)
        encoder = ConvEncoder(3, widths=(4, 8)).eval()
        x, y = shapes(6, size=16, seed=0).x, shapes(6, size=16, seed=1).x
        found = perceptual_distance(encoder, x, y)
        assert found.shape == (6,) and (found > 0).all()
        torch.testing.assert_close(perceptual_distance(encoder, x, x), torch.zeros(6))
        torch.testing.assert_close(perceptual_distance(encoder, y, x), found)
        # by hand: unit vectors are 2 - 2 cos apart
        expected, a, b = 0, x, y
        for block in (encoder.layers[:3], encoder.layers[3:]):
            a, b = block(a), block(b)
            same = F.cosine_similarity(a, b, dim=1)
            dead = (a.norm(dim=1) == 0).float() + (b.norm(dim=1) == 0).float()
            expected = expected + torch.where(dead > 0, 2 - dead, 2 - 2 * same).mean((1, 2))
        torch.testing.assert_close(found, expected.detach(), rtol=1e-3, atol=1e-4)

    def test_bad_input(self):
        encoder = ConvEncoder(3, widths=(4,))
        with pytest.raises(ValueError, match=r"x has shape \(2, 3, 8, 8\) and y \(1, 3, 8, 8\)"):
            perceptual_distance(encoder.eval(), torch.rand(2, 3, 8, 8), torch.rand(1, 3, 8, 8))
        with pytest.raises(ValueError, match="training is True"):
            perceptual_distance(encoder.train(), *torch.rand(2, 1, 3, 8, 8))
        with pytest.raises(ValueError, match=r"x has shape \(8, 8\)"):
            sharpness(torch.rand(8, 8))


@pytest.mark.slow
def test_cycle_gan_paints_red_shapes_green_without_a_pair():
    """Red and green shapes that were drawn apart; the true counterpart is known by rendering."""
    train, test = shapes(9000, size=16), shapes(1500, size=16, seed=1)
    red, green = (train.x[train.attributes["colour"] == c][:1400] for c in (0, 1))
    torch.manual_seed(0)
    judge = Classifier((3, 16, 16), num_classes=18)
    labels = train.attributes["shape"] * 6 + train.attributes["colour"]
    fit(
        judge, TensorDataset(train.x[:6000], labels[:6000]), loss=classifier_loss, epochs=8,
        lr=3e-3, device="cpu", progress=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = CycleGAN(
        (3, 16, 16), width=8, num_blocks=1, norm="batch", patch_width=16, patch_halvings=1
    ).eval()
    rows = test.attributes["colour"] == 0
    attributes = {name: values[rows] for name, values in test.attributes.items()}
    shape, x = attributes["shape"], test.x[rows]
    attributes["colour"] = torch.ones_like(shape)  # green
    truth = render_shapes(attributes, size=16)

    def agreement():
        found = judge.predict(model.sample(len(x), condition=x))
        return ((found % 6 == 1).float().mean(), (found // 6 == shape).float().mean())

    colour, _ = agreement()
    assert colour < 0.2
    fit_adversarial(
        model, TensorDataset(red, green), steps=600, lr=1e-3, batch_size=16, device="cpu",
        draw=lambda m, g: m.sample(64, condition=x[:64]), progress=False,
    )  # fmt: skip
    colour, kept = agreement()
    assert colour > 0.95 and kept > 0.7
    assert F.mse_loss(model.sample(len(x), condition=x), truth) < 0.1 * F.mse_loss(x, truth)


@pytest.mark.slow
def test_squared_error_loses_the_ball_and_the_game_keeps_it():
    """The next frame has a ball in one of eight places: L2 shows none, the game one."""
    train, test = ping_pong(4000), ping_pong(500, seed=1)
    background = test.attributes["background"]
    options = {"device": "cpu", "progress": False}

    torch.manual_seed(0)
    mean = UNetGenerator(1, 1, width=16, dropout=0.0)
    fit(mean, train, loss=squared_error_loss, epochs=12, lr=2e-3, batch_size=64, **options)
    with torch.no_grad():
        blurred = mean.eval()(test.x)

    torch.manual_seed(0)
    model = Pix2Pix(
        (1, 16, 16), in_channels=1, width=16, dropout=0.2, norm="instance", patch_width=16,
        patch_halvings=1, patch_norm="instance", l1_weight=3.0,
    )  # fmt: skip
    fit_adversarial(
        model, train, steps=300, lr=1e-3, batch_size=32,
        draw=lambda m, g: m.sample(64, condition=test.x[:64], generator=g), **options,
    )  # fmt: skip
    sharp = model.sample(500, condition=test.x, generator=seeded())

    lost, kept = find_balls(blurred, background), find_balls(sharp, background)
    assert (lost.count == 0).float().mean() > 0.95 and lost.peak.median() < 0.3
    assert (kept.count == 1).float().mean() > 0.8 and kept.peak.median() > 0.6
    assert F.mse_loss(blurred, test.y) < 0.7 * F.mse_loss(sharp, test.y)
    # and the L2 network is near the best there is
    best = F.mse_loss(expected_next_frame(test), test.y)
    assert best <= F.mse_loss(blurred, test.y) < 1.2 * best
