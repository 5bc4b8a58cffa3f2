"""What every GAN has to satisfy: shapes, precisions, seeds, states, gradients, training."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.gan import (
    DCGAN,
    GAMES,
    GAN,
    MLPGAN,
    BiGAN,
    ConditionalGAN,
    InfoGAN,
    StyleGAN,
    TransGAN,
    ViTGAN,
)
from gencourse.nets import MLP
from gencourse.protocols import Density, Sampler
from gencourse.train import fit_adversarial, load

IMAGE = (2, 8, 8)
SMALL = {"num_latents": 3, "width": 4}
TOKENS = {"num_latents": 3, "width": 16, "num_heads": 2}
CASES = {
    "MLPGAN": lambda: MLPGAN((2,), num_latents=3, hidden=(8,)),
    "MLPGAN, spectral": lambda: MLPGAN((2,), num_latents=3, hidden=(8,), spectral=True),
    "WGAN-GP": lambda: MLPGAN((2,), hidden=(8,), loss="wasserstein", penalty=10.0),
    "DCGAN": lambda: DCGAN(IMAGE, **SMALL),
    "DCGAN, spectral": lambda: DCGAN((1, 16, 16), norm="spectral", **SMALL),
    "DCGAN, penalty": lambda: DCGAN(
        (1, 16, 16), norm="instance", loss="wasserstein", penalty=10.0, batch_norm=False, **SMALL
    ),
    "conditional": lambda: ConditionalGAN(IMAGE, num_classes=3, **SMALL),
    "conditional, penalty": lambda: ConditionalGAN(
        IMAGE, num_classes=3, norm="none", loss="wasserstein", penalty=1.0, **SMALL
    ),
    "TransGAN": lambda: TransGAN(IMAGE, **TOKENS, depths=(1, 1)),
    "TransGAN, penalty": lambda: TransGAN(IMAGE, **TOKENS, depths=(1, 1), penalty=1.0),
    "ViTGAN": lambda: ViTGAN(IMAGE, **TOKENS, depth=1),
    "style": lambda: StyleGAN(IMAGE, num_styles=4, num_mapping=2, **SMALL),
    "codes": lambda: InfoGAN(IMAGE, categorical=(3,), num_continuous=2, **SMALL),
    "codes, penalty": lambda: InfoGAN(
        IMAGE, norm="none", loss="wasserstein", penalty=1.0, **SMALL
    ),
    "pairs": lambda: BiGAN(IMAGE, **SMALL),
    "pairs of vectors": lambda: BiGAN((2,), num_latents=3),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(name, seed=0):
    torch.manual_seed(seed)
    return CASES[name]()


def batch(name, n=6, seed=0):
    x = torch.rand(n, *CASES[name]().event_shape, generator=seeded(seed))
    return (x, torch.arange(n) % 3) if name.startswith("conditional") else (x,)


@pytest.mark.parametrize("name", CASES)
class TestEvery:
    def test_is_a_sampler_without_a_density(self, name):
        assert isinstance(CASES[name](), Sampler) and not isinstance(CASES[name](), Density)

    @pytest.mark.parametrize("n", [1, 5])
    def test_samples(self, name, n):
        model = made(name).eval()
        x = model.sample(n, generator=seeded())
        assert x.shape == (n, *model.event_shape) and not x.requires_grad
        if len(model.event_shape) == 3:
            assert x.min() >= 0 and x.max() <= 1
        assert torch.equal(x, model.sample(n, generator=seeded()))
        assert not torch.equal(x, model.sample(n, generator=seeded(1)))

    def test_sampling_leaves_the_default_random_numbers_alone(self, name):
        model, before = made(name), torch.get_rng_state()
        model.sample(3, generator=seeded())
        assert torch.equal(before, torch.get_rng_state())

    def test_each_loss_reaches_its_own_player(self, name):
        model = made(name)
        for own, other in (("discriminator", "generator"), ("generator", "discriminator")):
            model.zero_grad()
            loss = getattr(model, f"{own}_loss")(batch(name))
            assert loss.shape == () and loss.isfinite()
            loss.backward()
            for key, parameter in getattr(model, own).named_parameters():
                last_bias = "WGAN" in name or "penalty" in name  # it shifts both terms alike
                if own == "generator" or not last_bias or not key.endswith("bias"):
                    assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key
            if own == "discriminator":
                assert all(p.grad is None for p in getattr(model, other).parameters())

    def test_precisions(self, name):
        for dtype in (torch.float32, torch.float64):
            model = copy.deepcopy(made(name)).to(dtype)
            assert model.sample(2, generator=seeded()).dtype == dtype
            assert model.discriminator_loss(batch(name)).dtype == dtype
            assert model.generator_loss(batch(name)).dtype == dtype

    def test_trains_from_a_checkpoint_and_is_loaded(self, name, tmp_path):
        model, path = made(name), tmp_path / "model.pt"
        history = fit_adversarial(
            model, TensorDataset(*batch(name, 12)), steps=3, batch_size=4, checkpoint=path,
            device="cpu", progress=False,
        )  # fmt: skip
        assert len(history.generator_loss) == 3
        again = load(path)
        assert torch.equal(*(m.sample(4, generator=seeded()) for m in (model, again)))
        for player in ("generator", "discriminator"):
            start = getattr(made(name), player).state_dict()
            end = getattr(model, player).state_dict()
            assert any(not torch.equal(start[key], end[key]) for key in start)


@pytest.mark.parametrize("loss", GAMES)
def test_the_losses_are_those_of_the_game(loss):
    model = MLPGAN((1,), num_latents=1, hidden=(3,), loss=loss)
    x = torch.randn(50, 1, generator=seeded())

    def drawn(function):
        with torch.random.fork_rng():
            torch.manual_seed(5)
            return function()

    with torch.no_grad():
        logits = drawn(lambda: model.discriminator(model.generator(model.noise(50))))
        real = model.discriminator(x)
        found_d = drawn(lambda: model.discriminator_loss((x,)))
        found_g = drawn(lambda: model.generator_loss((x,)))
    torch.testing.assert_close(found_d, GAMES[loss].discriminator(real, logits))
    torch.testing.assert_close(found_g, GAMES[loss].generator(logits))


def test_the_noise_is_standard_normal_and_z_can_be_given():
    model = MLPGAN((2,), num_latents=3, hidden=(4,))
    z = model.noise(20_000, generator=seeded())
    torch.testing.assert_close(z.T.cov(), torch.eye(3), rtol=0, atol=0.05)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), rtol=0, atol=0.05)
    torch.testing.assert_close(model.sample(4, condition=z[:4]), model.generator(z[:4]).detach())
    with pytest.raises(ValueError, match=r"condition has shape \(4, 2\), expected z \(4, 3\)"):
        model.sample(4, condition=z[:4, :2])


class TestConditional:
    def test_a_class_can_be_asked_for(self):
        model = made("conditional").eval()
        one, other = (model.sample(5, condition=y, generator=seeded()) for y in (0, 2))
        assert not torch.equal(one, other)
        mixed = model.sample(5, condition=torch.tensor([0, 2, 0, 2, 2]), generator=seeded())
        expected = torch.stack([one[0], other[1], one[2], other[3], other[4]])
        torch.testing.assert_close(mixed, expected)

    def test_both_players_are_told(self):
        model, (x, y) = made("conditional").eval(), batch("conditional")
        z = model.noise(6, generator=seeded())
        other = (y + 1) % 3
        for function, first in ((model.generate, z), (model.judge, x)):
            assert not torch.allclose(function(first, y), function(first, other), atol=1e-6)

    def test_it_learns_the_classes(self):
        """Images that are black, grey or white by class: each is found."""
        torch.manual_seed(0)
        y = torch.arange(96) % 3
        x = (y / 2)[:, None, None, None].expand(-1, 1, 8, 8) * 0.8 + 0.1
        x = x + 0.02 * torch.randn(x.shape, generator=seeded())
        model = ConditionalGAN((1, 8, 8), num_classes=3, num_latents=2, width=8, norm="spectral")
        fit_adversarial(
            model, TensorDataset(x, y), steps=150, lr=5e-3, batch_size=32, device="cpu",
            progress=False,
        )  # fmt: skip
        for c in range(3):
            found = float(model.sample(50, condition=c, generator=seeded()).mean())
            assert abs(found - (0.1 + 0.4 * c)) < 0.12

    @pytest.mark.parametrize(
        "labels, words",
        [
            (torch.tensor([0, 1, 3, 2]), r"y is \[3\], expected \(B,\) integers in 0\.\.2"),
            (torch.tensor([0, -1, 1, 2]), r"y is \[-1\]"),
            (torch.tensor([0, 0.5, 1, 2]), r"y is \[0\.5\]"),
            (torch.zeros(4, 1).long(), r"y is of shape \(4, 1\)"),
            (torch.zeros(3).long(), "expected x and y with one label a row"),
        ],
    )
    def test_labels_that_do_not_fit(self, labels, words):
        model, x = made("conditional"), torch.rand(4, *IMAGE)
        for loss in (model.discriminator_loss, model.generator_loss):
            with pytest.raises(ValueError, match=words):
                loss((x, labels))

    def test_without_labels(self):
        model = made("conditional")
        with pytest.raises(ValueError, match="expected x and y"):
            model.generator_loss((torch.rand(4, *IMAGE),))
        with pytest.raises(ValueError, match="y is"):
            model.sample(2, condition=7)
        with pytest.raises(ValueError, match="num_classes is 0"):
            ConditionalGAN(IMAGE, num_classes=0)


def test_a_gan_of_modules_trains_but_has_no_checkpoint(tmp_path):
    shapes = {"event_shape": (2,), "num_latents": 1}
    model = GAN(MLP(1, 2), MLP(2, 1, hidden=(4,)), **shapes)
    options = {"steps": 2, "device": "cpu", "progress": False}
    fit_adversarial(model, torch.randn(8, 2), **options)
    with pytest.raises(ValueError, match="generator of GAN is a MLP, expected a plain value"):
        fit_adversarial(model, torch.randn(8, 2), checkpoint=tmp_path / "x.pt", **options)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: MLPGAN((2,), loss="hinge"), "loss is 'hinge', expected one of"),
        (lambda: MLPGAN((2,), penalty=-1.0), "penalty is -1.0"),
        (lambda: MLPGAN((1, 8, 8)), r"event_shape is \(1, 8, 8\), expected \(D,\)"),
        (
            lambda: DCGAN((1, 16, 16), penalty=1.0),
            "discriminator has batch norm, which mixes rows",
        ),
        (lambda: DCGAN((1, 8, 8), num_latents=0), "num_latents is 0"),
        (
            lambda: GAN(
                MLP(1, 2), nn.Sequential(MLP(2, 1), nn.Sigmoid()), event_shape=(2,), num_latents=1
            ),
            "last layer of Sequential is Sigmoid, expected logits",
        ),
    ],
)
def test_arguments_that_do_not_fit(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("name", ["DCGAN", "conditional"])
def test_images_that_do_not_fit(name):
    model, (x, *y) = made(name), batch(name)
    with pytest.raises(ValueError, match=r"pixels from 0.* to 2\d\d.*, expected them in \[0, 1\]"):
        model.discriminator_loss(((255 * x).round(), *y))
    with pytest.raises(ValueError, match="pixels from nan"):
        model.discriminator_loss((x * torch.nan, *y))
    with pytest.raises(ValueError, match="values a row"):
        model.discriminator_loss((x[..., :4], *y))
