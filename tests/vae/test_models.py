"""What every model with a bound has to satisfy: shapes, precisions, seeds, states, training."""

import copy
import math
from functools import partial

import pytest
import torch

from gencourse.protocols import Density, Sampler
from gencourse.train import fit, load
from gencourse.vae import (
    VAE,
    VQVAE,
    CategoricalVAE,
    ConditionalVAE,
    MixturePosteriorVAE,
    active_units,
    categorical_vae_loss,
    conditional_vae_loss,
    iwae_loss,
    vae_loss,
    vqvae_loss,
    wake_sleep_loss,
)
from tests.vae.oracles import randomised, seeded

SMALL = {"hidden": (6,), "num_latents": 2}
GAUSSIAN = {"likelihood": "gaussian"}
IMAGE = (1, 4, 8)
CASES = {
    "VAE": lambda: VAE((12,), **SMALL),
    "VAE of images": lambda: VAE(IMAGE, **SMALL),
    "convolutional VAE": lambda: VAE((3, 4, 8), channels=(4, 5), **SMALL),
    "Gaussian VAE": lambda: VAE((12,), **GAUSSIAN, sd=0.5, **SMALL),
    "Gaussian VAE, one sd": lambda: VAE((12,), **GAUSSIAN, sd="shared", **SMALL),
    "Gaussian VAE, many sds": lambda: VAE(IMAGE, channels=(4,), **GAUSSIAN, sd="output", **SMALL),
    "mixture": lambda: MixturePosteriorVAE(IMAGE, num_components=2, **SMALL),
    "conditional": lambda: ConditionalVAE(IMAGE, num_classes=3, **SMALL),
    "conditional, convolutional": lambda: ConditionalVAE(
        (2, 4, 8), num_classes=3, channels=(4,), **SMALL
    ),
    "categorical": lambda: CategoricalVAE(IMAGE, num_variables=2, num_categories=3, hidden=(6,)),
    "categorical, convolutional": lambda: CategoricalVAE(
        IMAGE, num_variables=2, num_categories=3, hidden=(6,), channels=(4,)
    ),
    "VQ-VAE": lambda: VQVAE((12,), num_codes=4, num_positions=3, hidden=(6,)),
    "VQ-VAE of bits, convolutional": lambda: VQVAE(
        (2, 4, 8), num_codes=4, code_size=3, channels=(4,), likelihood="bernoulli"
    ),
}
LOSSES = {"conditional": conditional_vae_loss, "categorical": categorical_vae_loss}
NORMAL = [n for n in CASES if not n.startswith(("categorical", "VQ"))]
SAMPLED = [n for n in CASES if not n.startswith("VQ")]
BITS = [n for n in CASES if "Gaussian" not in n and n != "VQ-VAE"]


def made(name, seed=0):
    """A model with asymmetric parameters."""
    return randomised(CASES[name](), seed, scale=0.5)


def loss_of(name):
    return vqvae_loss if name.startswith("VQ") else LOSSES.get(name.split(",")[0], vae_loss)


def data(name, n=6, seed=0):
    """Inputs of `elbo`: x, and labels where the model wants them."""
    model = CASES[name]()
    x = torch.randn(n, *model.event_shape, generator=seeded(seed))
    x = (x > 0.5).float() if name in BITS else x
    return (x, torch.arange(n) % 3) if name.startswith("conditional") else (x,)


def options(name, seed=0):
    return {} if name.startswith("VQ") else {"generator": seeded(seed)}


@pytest.mark.parametrize("name", CASES)
class TestEvery:
    def test_is_a_sampler_without_a_density(self, name):
        model = CASES[name]()
        assert isinstance(model, Sampler) and not isinstance(model, Density)

    @pytest.mark.parametrize("n", [1, 5])
    def test_shapes(self, name, n):
        model, inputs = made(name), data(name, n)
        bound = model.elbo(*inputs, **options(name))
        assert bound.shape == (n,) and bound.isfinite().all()
        x = model.sample(n, generator=seeded())
        assert x.shape == (n, *model.event_shape) and not x.requires_grad
        if name in BITS:
            assert set(x.unique().tolist()) <= {0.0, 1.0}
        if name in SAMPLED:
            found = model.iwae_bound(*inputs, 4, generator=seeded())
            assert found.shape == (n,) and found.isfinite().all()

    def test_a_generator_decides_and_nothing_else_moves(self, name):
        model, inputs = made(name), data(name)
        before = torch.get_rng_state()
        a, b = (model.elbo(*inputs, **options(name, 3)) for _ in range(2))
        assert torch.equal(a, b)
        a, b = (model.sample(20, generator=seeded(3)) for _ in range(2))
        assert torch.equal(a, b) and not torch.equal(a, model.sample(20, generator=seeded(4)))
        assert torch.equal(before, torch.get_rng_state())
        if name in SAMPLED:
            different = model.elbo(*inputs, **options(name, 4))
            assert not torch.equal(model.elbo(*inputs, **options(name, 3)), different)

    def test_rows_do_not_see_each_other(self, name):
        """With many samples, or none at all, the bound of a row is its own."""
        model, inputs = made(name).double(), data(name)
        many = {} if name.startswith("VQ") else {"num_samples": 4000, "generator": seeded()}
        together = model.elbo(*inputs, **many)
        alone = torch.cat([model.elbo(*(t[i : i + 1] for t in inputs), **many) for i in range(6)])
        torch.testing.assert_close(together, alone, rtol=0.05, atol=0.1)

    def test_precisions(self, name):
        inputs, found = data(name), {}
        for dtype in (torch.float32, torch.float64):
            model = copy.deepcopy(made(name)).to(dtype)
            assert model.elbo(*inputs, **options(name)).dtype == dtype
            assert model.sample(2, generator=seeded()).dtype == dtype
            many = {} if name.startswith("VQ") else {"num_samples": 5000, **options(name)}
            found[dtype] = model.elbo(*inputs, **many).double()
        torch.testing.assert_close(*found.values(), rtol=0.02, atol=0.1)

    def test_state_and_configuration(self, name):
        model, inputs = made(name), data(name)
        again = type(model)(**model.config)
        again.load_state_dict(copy.deepcopy(model.state_dict()))
        expected = model.elbo(*inputs, **options(name))
        assert torch.equal(again.elbo(*inputs, **options(name)), expected)
        a, b = (m.sample(5, generator=seeded()) for m in (model, again))
        assert torch.equal(a, b)

    def test_trains_from_a_checkpoint_and_is_loaded(self, name, tmp_path):
        torch.manual_seed(0)
        model, inputs = CASES[name](), data(name, 40)
        rows = torch.utils.data.TensorDataset(*inputs)
        path = tmp_path / "model.pt"
        history = fit(
            model, rows, loss=loss_of(name), steps=60, batch_size=20, lr=0.02,
            checkpoint=path, progress=False, device="cpu",
        )  # fmt: skip
        assert sum(history.loss[-10:]) < sum(history.loss[:10])
        again = load(path)
        found = again.elbo(*inputs, **options(name))
        assert torch.equal(found, model.elbo(*inputs, **options(name)))

    def test_gradients_reach_every_parameter(self, name):
        model, inputs = made(name), data(name, 20)
        torch.manual_seed(1)
        value = loss_of(name)(model, inputs)
        if name.startswith("VQ"):
            value = value - model.elbo(*inputs).mean()  # which is what trains the prior
        value.backward()
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), key
            assert parameter.grad.any(), key

    def test_autocast(self, name):
        model, inputs = made(name), data(name)
        with torch.autocast("cpu", torch.bfloat16):
            bound = model.elbo(*inputs, **options(name))
            loss_of(name)(model, inputs).backward()
        assert bound.dtype == torch.float32 and bound.isfinite().all()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.5, 2.0, -1.0, 2**-20])
    def test_refuses_impossible_values(self, name, value):
        if math.isfinite(value) and name not in BITS:
            return
        model, (x, *rest) = CASES[name](), data(name)
        x.view(6, -1)[2, 1] = value
        with pytest.raises(ValueError, match=rf"x\[2, .*is {value}, expected"):
            model.elbo(x, *rest)
        if not rest:
            with pytest.raises(ValueError, match=rf"x\[2, .*is {value}, expected"):
                model.encode(x)

    def test_refuses_other_shapes(self, name):
        model, (x, *rest) = CASES[name](), data(name)
        with pytest.raises(ValueError, match=r"x has shape .*expected \(B, \*event_shape\)"):
            model.elbo(x[..., :1], *rest)

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    def test_on_a_gpu(self, name):
        model, inputs = made(name).double(), data(name)
        many = {} if name.startswith("VQ") else {"num_samples": 4000}
        expected = model.elbo(*inputs, **many)
        model, inputs = model.cuda(), [t.cuda() for t in inputs]
        found = model.elbo(*inputs, **many)
        torch.testing.assert_close(found.cpu(), expected, rtol=0.02, atol=0.1)
        generator = torch.Generator("cuda").manual_seed(0)
        assert model.sample(3, generator=generator).is_cuda
        loss_of(name)(model, tuple(inputs)).backward()


@pytest.mark.parametrize("name", NORMAL)
def test_samples_given_z_have_the_decoders_mean(name):
    model = made(name).double()
    inputs = {"y": torch.ones(1).long()} if name.startswith("conditional") else {}
    z = torch.tensor([[0.5, -1.0]]).double()
    outputs = model.decode(z, **inputs)
    assert outputs.shape == (1, *model.event_shape)
    if inputs:
        return
    drawn = model.sample(20_000, condition=z.expand(20_000, 2), generator=seeded())
    spread = drawn.std(0) / 20_000**0.5 + 1e-6
    assert ((drawn.mean(0) - outputs[0]).abs() < 5 * spread).all()
    with pytest.raises(ValueError, match=r"condition has shape \(3, 1\), expected z \(3, 2\)"):
        model.sample(3, condition=z[:, :1].expand(3, 1))


@pytest.mark.parametrize("loss", [vae_loss, partial(iwae_loss, num_samples=5), wake_sleep_loss])
@pytest.mark.parametrize("name", ["VAE", "Gaussian VAE", "Gaussian VAE, one sd"])
def test_other_losses_train_a_vae(loss, name):
    torch.manual_seed(0)
    model, (x,) = CASES[name](), data(name, 40)
    x = torch.cat([x[:1], x[1:2]]).repeat(20, 1)  # two patterns
    before = model.iwae_bound(x, 50, generator=seeded()).mean()
    fit(model, x, loss=loss, steps=300, batch_size=40, lr=0.02, progress=False)
    assert model.iwae_bound(x, 50, generator=seeded()).mean() > before + 1


def test_losses_take_images_for_vectors():
    torch.manual_seed(0)
    model, x = CASES["VAE"](), data("VAE")[0]
    torch.manual_seed(1)
    a = vae_loss(model, (x.reshape(6, 1, 3, 4), None))
    torch.manual_seed(1)
    assert torch.equal(a, vae_loss(model, (x,)))
    assert a.item() == pytest.approx(-model.elbo(x, num_samples=500).mean().item(), rel=0.1)


class TestOptionsOfTheLoss:
    def model(self):
        return made("VAE"), data("VAE", 50)[0]

    def value(self, model, x, **kwargs):
        torch.manual_seed(5)
        return vae_loss(model, (x,), **kwargs).item()

    def test_beta_weighs_the_kl(self):
        model, x = self.model()
        kl = model.encode(x).kl().sum(-1).mean().item()
        base = self.value(model, x)
        assert self.value(model, x, beta=4.0) == pytest.approx(base + 3 * kl, rel=1e-5)
        assert self.value(model.eval(), x, beta=4.0) == pytest.approx(base + 3 * kl, rel=1e-5)

    def test_free_bits_are_a_floor_of_each_latent(self):
        model, x = self.model()
        kl = model.encode(x).kl().mean(0).detach()
        floor = float(kl.mean())  # between the two
        base, found = self.value(model, x), self.value(model, x, free_bits=floor)
        expected = base - kl.sum() + kl.clamp(min=floor).sum()
        assert found == pytest.approx(expected.item(), rel=1e-5) and found > base
        assert self.value(model.eval(), x, free_bits=floor) == pytest.approx(base, rel=1e-6)

    def test_warm_up_rises_and_is_part_of_the_state(self):
        model, x = self.model()
        kl, base = model.encode(x).kl().sum(-1).mean().item(), self.value(model.eval(), x)
        model.train()
        for step in range(8):
            assert int(model.num_steps) == step
            found = self.value(model, x, warm_up=5)
            assert found == pytest.approx(base - (1 - min(step / 5, 1)) * kl, rel=1e-5)
        again = CASES["VAE"]()
        again.load_state_dict(model.state_dict())
        assert int(again.num_steps) == 8
        self.value(model.eval(), x, warm_up=5)
        assert int(model.num_steps) == 8, "evaluation is no step"

    @pytest.mark.parametrize("option", ["beta", "free_bits", "warm_up"])
    def test_refuses_negative_ones(self, option):
        model, x = self.model()
        with pytest.raises(ValueError, match=f"{option} is -1, expected at least 0"):
            vae_loss(model, (x,), **{option: -1})


def test_output_mean_is_where_x_starts():
    for name in ("VAE", "VAE of images", "Gaussian VAE", "convolutional VAE"):
        model = made(name)
        with torch.no_grad():
            for parameter in model.decoder.parameters():
                parameter.zero_()
        mean = torch.linspace(0.1, 0.9, math.prod(model.event_shape)).reshape(model.event_shape)
        model.set_output_mean(mean)
        found = model.decode(torch.randn(3, 2, generator=seeded()))
        if name == "convolutional VAE":  # one number a channel
            mean = mean.logit().mean((1, 2), keepdim=True).sigmoid().expand_as(mean)
        torch.testing.assert_close(found, mean.expand_as(found))


class TestConditional:
    def test_sees_the_class_in_encoder_and_decoder(self):
        model, (x, _) = made("conditional"), data("conditional")
        zeros, ones = torch.zeros(6).long(), torch.ones(6).long()
        assert not torch.allclose(model.encode(x, zeros).mean, model.encode(x, ones).mean)
        z = torch.zeros(6, 2)
        assert not torch.allclose(model.decode(z, zeros), model.decode(z, ones))

    def test_learns_which_class_an_image_is(self):
        """One pattern a class: bounds and samples both know it."""
        torch.manual_seed(0)
        x = torch.eye(3, 12).repeat_interleave(4, 1)[:, :12].repeat(10, 1)
        rows = torch.utils.data.TensorDataset(x, torch.arange(3).repeat(10))
        model = ConditionalVAE((12,), num_classes=3, **SMALL)
        fit(model, rows, loss=conditional_vae_loss, steps=400, lr=0.03, progress=False)
        bounds = model.class_bounds(x, num_samples=5, generator=seeded())
        assert bounds.shape == (30, 3)
        assert torch.equal(bounds.argmax(-1), torch.arange(3).repeat(10))
        for y in range(3):
            drawn = model.sample(50, condition=y, generator=seeded())
            assert (drawn == x[y]).float().mean() > 0.95

    def test_without_a_condition_all_classes_are_drawn(self):
        model = made("conditional").double()
        pixels = model.sample(30_000, generator=seeded()).mean(0)
        each = [model.sample(30_000, condition=y, generator=seeded(1)).mean(0) for y in range(3)]
        torch.testing.assert_close(pixels, torch.stack(each).mean(0), rtol=0, atol=0.015)

    @pytest.mark.parametrize("y", [[0, 3], [-1, 0], [0.5, 1.0]])
    def test_refuses_labels(self, y):
        model, (x, _) = made("conditional"), data("conditional", 2)
        with pytest.raises(ValueError, match=r"y is .*expected \(B,\) integers in 0\.\.2"):
            model.elbo(x, torch.tensor(y))
        with pytest.raises(ValueError, match=r"y has 1 labels, expected 2"):
            model.elbo(x, torch.tensor([1]))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: VAE((4,), num_latents=0), "num_latents is 0"),
        (lambda: VAE(()), r"event_shape is \(\)"),
        (lambda: VAE((0, 3)), r"event_shape is \(0, 3\)"),
        (lambda: VAE((1, 6, 8), channels=(2, 2)), "sides divisible by 4"),
        (lambda: VAE((8,), channels=(2,)), "sides divisible by 2"),
        (lambda: VAE((1, 8, 8), channels=(0,)), r"channels is \[0\]"),
        (lambda: VAE((4,), likelihood="mse"), "likelihood is 'mse'"),
        (lambda: VAE((4,), activation="Gone"), "activation is 'Gone'"),
        (lambda: MixturePosteriorVAE((4,), num_components=0), "num_components is 0"),
        (lambda: ConditionalVAE((4,), num_classes=0), "num_classes is 0"),
        (lambda: CategoricalVAE((4,), num_categories=0), "expected at least 1"),
        (lambda: VQVAE((4,), num_codes=0), "num_codes is 0"),
        (lambda: VQVAE((4,), commitment=-1), "commitment is -1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_active_units_are_those_whose_mean_moves():
    model, x = made("VAE"), data("VAE", 400)[0]
    with torch.no_grad():
        last = model.encoder[-1].layers[-1]
        last.weight[0] = 0  # the first latent's mean is a constant
    found = active_units(model, x, batch_size=150)
    assert found.active.tolist() == [False, True] and found.count == 1
    expected = model.encode(x).mean[:, 1].var()
    torch.testing.assert_close(found.variance[1], expected)
    assert active_units(model, x, threshold=10.0).count == 0
    with pytest.raises(ValueError, match="x has 1 rows"):
        active_units(model, x[:1])
