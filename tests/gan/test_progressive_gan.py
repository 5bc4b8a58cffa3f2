"""Growing: fades at their ends, the schedule, equalised rates, variety of a batch."""

import math

import pytest
import torch
from torch.utils.data import TensorDataset

from gencourse.gan import ProgressiveDiscriminator, ProgressiveGAN, ProgressiveGenerator
from gencourse.gan.equalised import EqualConv2d, EqualLinear, minibatch_deviation, pixel_norm
from gencourse.gan.progressive_networks import double, halve
from gencourse.train import fit_adversarial, load

SHAPE = (2, 16, 16)
SMALL = {"num_latents": 5, "width": 3}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class TestFade:
    torch.manual_seed(0)
    generator = ProgressiveGenerator(SHAPE, **SMALL).double()
    discriminator = ProgressiveDiscriminator(SHAPE, width=3).double()
    z = torch.randn(4, 5, generator=seeded()).double()
    x = torch.rand(4, *SHAPE, generator=seeded()).double()

    @pytest.mark.parametrize("stage", [1, 2])
    def test_at_0_it_is_the_small_network(self, stage):
        small = self.generator(self.z, stage=stage - 1)
        assert torch.equal(self.generator(self.z, stage=stage, alpha=0.0), small)
        torch.testing.assert_close(
            self.discriminator(self.x, stage=stage, alpha=0.0),
            self.discriminator(self.x, stage=stage - 1),
        )

    @pytest.mark.parametrize("stage", [1, 2])
    def test_at_1_it_is_the_large_network_and_the_small_ways_to_pixels_are_gone(self, stage):
        generator, discriminator = (
            ProgressiveGenerator(SHAPE, **SMALL).double(),
            ProgressiveDiscriminator(SHAPE, width=3).double(),
        )
        ends = generator(self.z, stage=stage), discriminator(self.x, stage=stage)
        faded = generator(self.z, stage=stage, alpha=0.5), discriminator(self.x, stage=stage,
                                                                         alpha=0.5)  # fmt: skip
        with torch.no_grad():
            generator.to_pixels[stage - 1].bias += 1
            discriminator.from_pixels[stage - 1].bias += 1
        for alpha, before, same in ((1.0, ends, True), (0.5, faded, False)):
            after = (
                generator(self.z, stage=stage, alpha=alpha),
                discriminator(self.x, stage=stage, alpha=alpha),
            )
            for a, b in zip(before, after, strict=True):
                assert torch.equal(a, b) == same

    def test_between_it_is_the_mixture_of_both_before_the_squashing(self):
        low, middle, high = (
            torch.atanh(2 * self.generator(self.z, stage=2, alpha=a) - 1) for a in (0, 0.3, 1)
        )
        torch.testing.assert_close(middle, 0.7 * low + 0.3 * high)

    def test_a_small_stage_has_large_pixels(self):
        for stage, side in enumerate((4, 8, 16)):
            x = self.generator(self.z, stage=stage)
            assert x.shape == (4, *SHAPE)
            coarse = x[..., :: 16 // side, :: 16 // side]
            assert torch.equal(coarse.repeat_interleave(16 // side, 2).repeat_interleave(
                16 // side, 3), x)  # fmt: skip
            if side < 16:  # and the discriminator sees no finer ones
                blocks = double(double(halve(halve(self.x)))) if stage == 0 else double(
                    halve(self.x))  # fmt: skip
                torch.testing.assert_close(
                    self.discriminator(self.x, stage=stage),
                    self.discriminator(blocks, stage=stage),
                )

    @pytest.mark.parametrize("network", [generator, discriminator])
    def test_a_stage_that_is_not_there(self, network):
        given = self.z if network is self.generator else self.x
        with pytest.raises(ValueError, match=r"stage is 3 and alpha is 1\.0, expected 0\.\.2"):
            network(given, stage=3)
        with pytest.raises(ValueError, match=r"alpha is 1\.5"):
            network(given, stage=1, alpha=1.5)


class TestLayers:
    @pytest.mark.parametrize(
        "layer, fan_in", [(EqualLinear(300, 200), 300), (EqualConv2d(40, 100), 360)]
    )
    def test_the_effective_weight_has_hes_variance(self, layer, fan_in):
        assert abs(float(layer.weight.detach().var()) - 1) < 0.03
        effective = layer.scale * layer.weight.detach()
        assert float(effective.var()) == pytest.approx(2 / fan_in, rel=0.03)
        assert layer.scale == pytest.approx(math.sqrt(2 / fan_in))

    def test_the_scale_is_applied(self):
        x = torch.randn(2, 3, 5, 5, generator=seeded())
        conv, linear = EqualConv2d(3, 4), EqualLinear(75, 2)
        with torch.no_grad():
            conv.bias.fill_(0.5), linear.bias.fill_(0.5)
        expected = torch.nn.functional.conv2d(x, conv.weight * conv.scale, conv.bias, padding=1)
        torch.testing.assert_close(conv(x), expected)
        flat = x.flatten(1)
        torch.testing.assert_close(linear(flat), flat @ linear.weight.T * linear.scale + 0.5)

    def test_pixel_norm(self):
        x = pixel_norm(3 * torch.randn(2, 6, 4, 4, generator=seeded()))
        torch.testing.assert_close(x.square().mean(1), torch.ones(2, 4, 4))

    def test_the_batchs_deviation_is_one_more_channel(self):
        x = torch.tensor([0.0, 2.0, 1.0, 7.0]).reshape(2, 2, 1, 1).expand(-1, -1, 3, 3)
        out = minibatch_deviation(x)
        # the channels are (0, 1) and (2, 7): deviations 0.5 and 2.5
        assert torch.equal(out[:, :2], x)
        torch.testing.assert_close(out[:, 2:], torch.full((2, 1, 3, 3), 1.5))
        torch.testing.assert_close(
            minibatch_deviation(x[:1])[:, 2], torch.zeros(1, 3, 3), rtol=0, atol=1e-3
        )


def model_of(stage_steps=10, **options):
    torch.manual_seed(0)
    return ProgressiveGAN(SHAPE, stage_steps=stage_steps, **SMALL, **options)


class TestSchedule:
    @pytest.mark.parametrize(
        "steps, stage, alpha",
        [(0, 0, 1), (9, 0, 1), (10, 1, 0), (15, 1, 0.5), (20, 1, 1), (29, 1, 1), (30, 2, 0),
         (37, 2, 0.7), (40, 2, 1), (5000, 2, 1)],
    )  # fmt: skip
    def test_stages_and_fades(self, steps, stage, alpha):
        model = model_of()
        model.steps.fill_(steps)
        assert model.growth == {"stage": stage, "alpha": pytest.approx(alpha)}

    def test_0_is_grown_from_the_start(self):
        assert model_of(0).growth == {"stage": 2, "alpha": 1.0}

    def test_it_counts_the_generators_steps_in_training(self):
        model, batch = model_of(), (torch.rand(4, *SHAPE),)
        model.generator_loss(batch), model.discriminator_loss(batch)
        assert int(model.steps) == 1
        model.eval().generator_loss(batch)
        assert int(model.steps) == 1

    def test_data_is_as_coarse_as_the_stage(self):
        model, x = model_of(), torch.rand(3, *SHAPE, generator=seeded())
        model.steps.fill_(10)  # stage 1, α = 0: still 4x4
        torch.testing.assert_close(model.real((x,)), double(double(halve(halve(x)))))
        model.steps.fill_(35)
        torch.testing.assert_close(model.real((x,)), (x + double(halve(x))) / 2)
        model.steps.fill_(40)
        assert torch.equal(model.real((x,)), x)

    def test_both_players_see_the_stage(self):
        """At α = 0 of stage 1 the new blocks get no gradient but zeros, later ones none."""
        model, batch = model_of().double(), (torch.rand(4, *SHAPE).double(),)
        model.steps.fill_(13)
        for player in ("discriminator", "generator"):
            model.zero_grad()
            getattr(model, f"{player}_loss")(batch).backward()
            touched = {
                key.rsplit(".", 1)[0]
                for key, p in getattr(model, player).named_parameters()
                if p.grad is not None and p.grad.any()
            }
            ways = {int(key.split(".")[1]) for key in touched if "pixels" in key}
            assert ways == {0, 1}

    def test_a_resumed_run_grows_like_an_uninterrupted_one(self, tmp_path):
        data = TensorDataset(torch.rand(24, *SHAPE, generator=seeded()))
        options = {"batch_size": 4, "device": "cpu", "progress": False}
        whole, path = model_of(2), tmp_path / "model.pt"
        fit_adversarial(whole, data, steps=9, **options)
        fit_adversarial(model_of(2), data, steps=4, checkpoint=path, **options)
        assert load(path).growth == {"stage": 1, "alpha": 1.0}
        again = model_of(2)
        fit_adversarial(again, data, steps=9, checkpoint=path, resume=True, **options)
        assert int(again.steps) == 9 and again.growth["stage"] == 2
        for key, value in whole.state_dict().items():
            assert torch.equal(value, again.state_dict()[key]), key
        assert torch.equal(*(m.sample(3, generator=seeded()) for m in (whole, load(path))))


def test_it_learns_a_shape_of_data_by_growing():
    """Two kinds of pictures, black and half white: samples come to the right mean and spread."""
    torch.manual_seed(0)
    x = torch.zeros(64, 1, 8, 8)
    x[::2, :, :, 4:] = 1.0
    model = ProgressiveGAN((1, 8, 8), num_latents=4, width=4, stage_steps=40)
    fit_adversarial(
        model, x, steps=200, lr=3e-3, betas=(0.0, 0.99), batch_size=16, device="cpu",
        progress=False,
    )  # fmt: skip
    right = model.sample(200, generator=seeded())[..., 4:].mean((1, 2, 3))
    left = model.sample(200, generator=seeded())[..., :4].mean((1, 2, 3))
    assert float(left.mean()) < 0.15
    assert 0.25 < float(right.mean()) < 0.75 and float(right.std()) > 0.25


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: ProgressiveGAN((1, 4, 4)), r"event_shape is \(1, 4, 4\)"),
        (lambda: ProgressiveGAN(SHAPE, stage_steps=-1), "stage_steps is -1, expected at least 0"),
        (lambda: ProgressiveGAN(SHAPE, num_latents=0), "num_latents is 0"),
        (lambda: ProgressiveGAN(SHAPE, width=0), "width is 0"),
        (lambda: model_of().sample(2, condition=torch.zeros(1, 5)), r"condition has shape \(1, 5"),
        (lambda: model_of().real((torch.full((2, *SHAPE), -1.0),)), "pixels from -1 to -1"),
    ],
)
def test_arguments_that_do_not_fit(make, words):
    with pytest.raises(ValueError, match=words):
        make()
