"""WaveNet: what it sees and what not, the μ-law, and sound given the same sound at a low rate."""

import copy

import numpy as np
import pytest
import torch

from gencourse.autoregressive import (
    WaveNet,
    low_rate,
    mu_law_decode,
    mu_law_encode,
    super_resolution_loss,
)
from gencourse.data import tones
from gencourse.train import fit
from tests.autoregressive.slow_loops import randomised
from tests.density_suite import dependence

SMALL = {"num_levels": 3, "num_channels": 5, "num_skip": 4}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def context_of_outputs(model):
    """Which places each output depends on, bool (T, T)."""

    def function(x):  # a straight line through the one-hot rows
        direction = torch.tensor([1.0, -0.7, 0.2], dtype=torch.float64)
        return model.logits(0.3 + x.double()[..., None] * direction)

    return dependence(function, model.event_shape)


def band(length, field):
    """The `field` places before each one."""
    ago = torch.arange(length)[:, None] - torch.arange(length)
    return (ago >= 1) & (ago <= field)


@pytest.mark.parametrize("num_layers", [1, 2, 3, 4])
def test_kernel_2_sees_exactly_2_to_the_number_of_layers(num_layers):
    model = randomised(WaveNet(20, num_layers=num_layers, **SMALL)).double()
    assert model.receptive_field == 2**num_layers
    assert torch.equal(context_of_outputs(model), band(20, 2**num_layers))


@pytest.mark.parametrize(
    "options, field",
    [
        ({"num_layers": 2, "kernel_size": 3}, 1 + 2 * 3),
        ({"num_layers": 2, "num_blocks": 3}, 1 + 3 * 3),
        ({"num_layers": 1, "kernel_size": 4, "num_blocks": 2}, 1 + 2 * 3),
    ],
)
def test_other_kernels_and_more_blocks(options, field):
    sizes = SMALL | {"num_skip": 16}  # some of them pass the ReLU
    model = randomised(WaveNet(14, **sizes, **options), scale=0.5).double()
    assert model.receptive_field == field
    assert torch.equal(context_of_outputs(model), band(14, field))


def test_the_first_layers_are_those_of_the_paper():
    """One layer by the formula: z = tanh(W_f * x) ⊙ σ(W_g * x), residual and skip."""
    model = randomised(WaveNet(7, num_layers=2, **SMALL)).double()
    codes = model.sample(1, generator=seeded())
    first, second = model.layers
    inputs = np.array([3, *codes[0, :-1].tolist()])
    x = model.embedding.weight.detach().numpy()[inputs]  # (T, R)
    skips = 0
    for layer, d in ((first, 1), (second, 2)):
        weight, bias = (p.detach().numpy() for p in (layer.dilated.weight, layer.dilated.bias))
        past = np.concatenate([np.zeros((d, 5)), x])[:7]
        both = past @ weight[:, :, 0].T + x @ weight[:, :, 1].T + bias
        z = np.tanh(both[:, :5]) / (1 + np.exp(-both[:, 5:]))
        skip = layer.skip
        skips = skips + z @ skip.weight.detach().numpy()[:, :, 0].T + skip.bias.detach().numpy()
        if layer is first:
            out = layer.residual
            x = x + z @ out.weight.detach().numpy()[:, :, 0].T + out.bias.detach().numpy()
    hidden = np.maximum(skips, 0)
    for conv in (model.head[1], model.head[3]):
        hidden = hidden @ conv.weight.detach().numpy()[:, :, 0].T + conv.bias.detach().numpy()
        logits, hidden = hidden, np.maximum(hidden, 0)
    np.testing.assert_allclose(model.logits(codes)[0].detach().numpy(), logits, rtol=1e-9)


def test_a_long_sound_goes_around_each_ring_many_times():
    model = WaveNet(70, num_levels=8, num_channels=6, num_skip=7, num_layers=3, num_blocks=2)
    model = randomised(model, scale=0.5).double()
    fast = model.sample(6, generator=seeded())
    assert torch.equal(fast, model.sample_by_full_passes(6, generator=seeded()))
    assert (fast.float().std(1) > 0).all()


class TestMuLaw:
    @pytest.mark.parametrize("levels", [2, 5, 64, 256, 65536])
    def test_each_code_comes_back(self, levels):
        codes = torch.arange(levels)
        wave = mu_law_decode(codes.double().long(), levels)
        assert torch.equal(mu_law_encode(wave, levels), codes)
        assert float(wave[0]) == -1 and float(wave[-1]) == 1
        assert (wave.diff() > 0).all()

    def test_the_formula(self):
        wave = torch.tensor([-1.0, -0.5, -0.01, 0, 1e-4, 0.01, 0.5, 1], dtype=torch.float64)
        squeezed = np.sign(wave.numpy()) * np.log(1 + 255 * np.abs(wave.numpy())) / np.log(256)
        codes = mu_law_encode(wave)
        assert codes.tolist() == np.floor((squeezed + 1) / 2 * 255 + 0.5).tolist()
        assert codes.tolist() == [0, 16, 98, 128, 128, 157, 239, 255]
        assert codes.dtype == torch.int64

    def test_quiet_sounds_are_coded_finely(self):
        for amplitude, bound in ((1.0, 0.022), (0.1, 0.0025), (0.01, 3e-4)):
            wave = torch.linspace(-amplitude, amplitude, 2001)
            error = (mu_law_decode(mu_law_encode(wave)) - wave).abs().max()
            assert error < bound
            assert error < 2 / 255 / 2 or amplitude == 1, "equal steps would do as well"

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"wave holds 1\.5, expected amplitudes"):
            mu_law_encode(torch.tensor([0.0, 1.5]))
        with pytest.raises(ValueError, match="wave holds nan"):
            mu_law_encode(torch.tensor([torch.nan]))
        with pytest.raises(ValueError, match=r"codes hold 256, expected 0\.\.255"):
            mu_law_decode(torch.tensor([0, 256]))
        with pytest.raises(ValueError, match="codes hold -1"):
            mu_law_decode(torch.tensor([-1]), 16)
        for call in (mu_law_encode, mu_law_decode):
            with pytest.raises(ValueError, match="num_levels is 1"):
                call(torch.tensor([0]), 1)


class TestContext:
    @staticmethod
    def model(length=12, stride=4, seed=0):
        model = WaveNet(length, num_layers=2, context_stride=stride, **SMALL)
        return randomised(model, seed, scale=0.7).double()

    def test_the_low_rate_signal_is_made_of_means(self):
        wave = torch.tensor([[0.0, 1, 2, 4, -1, -3]])
        assert low_rate(wave, 2).tolist() == [[0.5, 3, -2]]
        assert torch.equal(low_rate(wave, 1), wave)
        for stride in (0, 4):
            with pytest.raises(ValueError, match=f"stride is {stride}, expected .* length 6"):
                low_rate(wave, stride)

    def test_a_sample_depends_on_its_own_low_rate_number_and_the_two_beside_it(self):
        model = self.model(length=16)
        x = model.given(torch.zeros(4)).sample(1, generator=seeded())
        reached = torch.zeros(16, 4, dtype=torch.bool)
        for context in torch.randn(20, 4, generator=seeded(), dtype=torch.float64):
            jacobian = torch.autograd.functional.jacobian(
                lambda context: model.given(context).logits(x)[0], context
            )
            reached |= (jacobian != 0).any(1)  # (T, K, T / r) -> (T, T / r)
        step = torch.arange(4)
        for t in range(16):
            # the gates at t, and those of the first layer at t - 2, which the second looks at
            own = torch.tensor([t, max(t - 2, 0)]) // 4
            expected = ((step[:, None] - own).abs() <= 1).any(1)
            assert torch.equal(reached[t], expected), t

    def test_each_row_has_its_own_context(self):
        model = self.model()
        contexts = torch.tensor([[1.0, -1, 0], [0, 2, 1]])
        x = model.given(contexts).sample(2, generator=seeded())
        together = model.given(contexts).log_prob(x)
        alone = [model.given(contexts[i]).log_prob(x[i : i + 1]) for i in range(2)]
        torch.testing.assert_close(together, torch.cat(alone))
        other = model.given(contexts.flip(0)).log_prob(x)
        assert (together - other).abs().min() > 1e-3
        slow = model.given(contexts).sample_by_full_passes(2, generator=seeded())
        assert torch.equal(slow, x)

    def test_the_loss_reaches_every_parameter(self):
        model = self.model()
        context = torch.randn(9, 3, generator=seeded())
        x = model.given(context).sample(9, generator=seeded())
        loss = super_resolution_loss(model, (x, context))
        assert float(loss.detach()) == pytest.approx(
            -float(model.given(context).log_prob(x).mean().detach())
        )
        loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.any(), name

    def test_copy_and_config(self):
        model = self.model()
        again = type(model)(**model.config).double()
        again.load_state_dict(copy.deepcopy(model.state_dict()))
        context = torch.randn(3, generator=seeded())
        x = model.given(context).sample(4, generator=seeded())
        assert torch.equal(again.given(context).log_prob(x), model.given(context).log_prob(x))

    def test_refusals(self):
        model, plain = self.model(), WaveNet(12, num_layers=2, **SMALL)
        x = torch.zeros(2, 12).long()
        for call in (model.log_prob, model.logits):
            with pytest.raises(ValueError, match=r"context_stride is 4, .*given\(context\)"):
                call(x)
        for call in (model.sample, model.sample_by_full_passes):
            with pytest.raises(ValueError, match="context_stride is 4"):
                call(2)
        with pytest.raises(ValueError, match="context_stride is None"):
            plain.given(torch.zeros(3))
        with pytest.raises(ValueError, match=r"context has shape \(4,\), expected \(B, 3\)"):
            model.given(torch.zeros(4))
        with pytest.raises(ValueError, match="context holds nan"):
            model.given(torch.full((3,), torch.nan))
        given = model.given(torch.zeros(3, 3))
        with pytest.raises(ValueError, match="context has 3 rows, expected 1 or 2"):
            given.log_prob(x)
        with pytest.raises(ValueError, match="context has 3 rows, expected 1 or 5"):
            given.sample(5)

    def test_a_sound_is_likelier_given_its_own_low_rate_signal(self):
        """The context is worth nats: its own beats none, and none beats that of another clip."""
        wave = tones(120, length=64, rate=2000).x
        x, low = mu_law_encode(wave, 16), low_rate(wave, 4)
        options = {"num_levels": 16, "num_channels": 12, "num_skip": 16, "num_layers": 4}
        training = {"steps": 60, "lr": 0.02, "batch_size": 20, "progress": False}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            plain = WaveNet(64, **options)
            model = WaveNet(64, context_stride=4, **options)
        pairs = torch.utils.data.TensorDataset(x[:100], low[:100])
        fit(model, pairs, loss=super_resolution_loss, **training)
        fit(plain, x[:100], loss=lambda model, batch: -model.log_prob(batch[0]).mean(), **training)
        with torch.no_grad():
            own = float(model.given(low[100:]).log_prob(x[100:]).mean())
            none = float(plain.log_prob(x[100:]).mean())
            another = float(model.given(low[100:].roll(1, 0)).log_prob(x[100:]).mean())
        assert own > none + 2, (own, none)
        assert none > another + 15, (none, another)
