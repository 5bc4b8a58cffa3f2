"""The bound on the information against its value by enumeration, and codes that are read."""

import math

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.gan import Codes, InfoGAN
from gencourse.train import fit_adversarial, load

SHAPE = (1, 8, 8)
SMALL = {"num_latents": 3, "width": 4}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(seed=0, **options):
    torch.manual_seed(seed)
    return InfoGAN(SHAPE, **{"categorical": (4,), **SMALL, **options})


class Table(nn.Module):
    """A discriminator whose Q is a table, for pictures that are one of a few constants."""

    def __init__(self, log_q):
        super().__init__()
        self.log_q = log_q  # (number of pictures, K)

    def answers(self, x):
        return self.log_q[(x[:, 0, 0, 0] * 10).round().long()]


# p(x | c) in eighths: four codes, three pictures
CHANNELS = {
    "noisy": torch.tensor([[6, 1, 1], [0, 8, 0], [1, 1, 6], [2, 2, 4]]),
    "one to one": 8 * torch.eye(4).long(),
    "code ignored": torch.tensor([[2, 5, 1]] * 4),
    "two codes, one picture": torch.tensor([[8, 0], [8, 0], [0, 8], [0, 8]]),
}


def rows_of(channel):
    """Every pair (c, x) as often as its probability asks for, and I(c; x) by enumeration."""
    pairs = [
        (c, x)
        for c, row in enumerate(channel.tolist())
        for x, count in enumerate(row)
        for _ in range(count)
    ]
    c, x = torch.tensor(pairs).T
    joint = channel.double() / channel.sum()
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    mutual = float(torch.special.xlogy(joint, joint / independent).sum())
    pictures = (x / 10)[:, None, None, None].expand(-1, *SHAPE).double()
    return pictures, Codes(c[:, None], torch.empty(len(c), 0).double()), joint, mutual


@pytest.mark.parametrize("name", CHANNELS)
class TestBound:
    def test_it_is_the_information_when_q_is_the_posterior(self, name):
        x, c, joint, mutual = rows_of(CHANNELS[name])
        model = made().double()
        model.discriminator = Table((joint / joint.sum(0)).T.log())  # rows p(c | x)
        found = float(model.information(x, c))
        assert found == pytest.approx(mutual, abs=1e-9)
        assert found <= model.entropy + 1e-9

    def test_any_other_q_gives_less_by_the_expected_kl(self, name):
        x, c, joint, mutual = rows_of(CHANNELS[name])
        model = made().double()
        for seed in range(5):
            log_q = torch.randn(joint.shape[1], 4, generator=seeded(seed)).double().log_softmax(1)
            model.discriminator = Table(log_q)
            posterior = (joint / joint.sum(0)).T
            gap = torch.special.xlogy(posterior, posterior) - posterior * log_q
            gap = float((joint.sum(0) * gap.sum(1)).sum())
            found = float(model.information(x, c))
            assert found == pytest.approx(mutual - gap, abs=1e-9) and found < mutual


def test_the_informations_themselves():
    found = [rows_of(channel)[-1] for channel in CHANNELS.values()]
    assert found[1:] == [pytest.approx(math.log(4)), pytest.approx(0), pytest.approx(math.log(2))]
    assert 0.3 < found[0] < 0.7


class TestCodes:
    def test_entropy_in_nats(self):
        assert made(categorical=(10,)).entropy == pytest.approx(2.302585)
        model = made(categorical=(3, 2), num_continuous=2)
        assert model.entropy == pytest.approx(math.log(3 * 2 * 2 * 2))

    def test_they_are_uniform(self):
        model = made(categorical=(3, 2), num_continuous=1)
        y, u = model.draw_codes(20_000, generator=seeded())
        shares = torch.bincount(y[:, 0] * 2 + y[:, 1]) / 20_000
        torch.testing.assert_close(shares, torch.full((6,), 1 / 6), rtol=0, atol=0.01)
        assert u.min() >= -1 and u.max() <= 1
        torch.testing.assert_close(u.var(0), torch.tensor([1 / 3]), rtol=0, atol=0.01)

    def test_the_input_is_one_hot_beside_the_continuous_part(self):
        model = made(categorical=(3, 2), num_continuous=1)
        found = model.encoded(Codes(torch.tensor([[2, 0], [1, 1]]), torch.tensor([[0.5], [-1.0]])))
        expected = torch.tensor([[0, 0, 1, 1, 0, 0.5], [0, 1, 0, 0, 1, -1.0]])
        torch.testing.assert_close(found, expected)

    def test_log_q_by_torchs_distributions(self):
        model = made(categorical=(3, 2), num_continuous=2)
        answers, c = torch.randn(5, 9, generator=seeded()), model.draw_codes(5)
        d = torch.distributions
        expected = (
            d.Categorical(logits=answers[:, :3]).log_prob(c.categorical[:, 0])
            + d.Categorical(logits=answers[:, 3:5]).log_prob(c.categorical[:, 1])
            + d.Normal(answers[:, 5:7], (answers[:, 7:] / 2).exp()).log_prob(c.continuous).sum(1)
        )
        torch.testing.assert_close(model.log_q(answers, c), expected)

    def test_only_continuous_ones(self):
        model = made(categorical=(), num_continuous=2)
        x = model.sample(3)
        found = model.infer(x)
        assert found.categorical.shape == (3, 0) and found.continuous.shape == (3, 2)
        assert model.generator_loss((x,)).isfinite() and model.discriminator_loss((x,)).isfinite()

    def test_a_code_can_be_asked_for(self):
        model = made().eval()
        one, other = (
            model.sample(2, condition=Codes(torch.full((2, 1), k), torch.empty(2, 0)),
                         generator=seeded()) for k in (0, 3)
        )  # fmt: skip
        assert not torch.allclose(one, other)


class TestPlayers:
    def test_q_is_the_discriminators_and_both_raise_the_bound(self):
        """With weight alone as the difference, each player's gradient is minus the bound's."""
        batch = (torch.rand(6, *SHAPE, generator=seeded()),)
        for player in ("discriminator", "generator"):
            values, bounds = [], []
            for weight in (0.0, 2.0):
                model = made(norm="none", weight=weight).eval()
                torch.manual_seed(7)
                values.append(getattr(model, f"{player}_loss")(batch))
                torch.manual_seed(7)
                c, z = model.draw_codes(6), model.noise(6)  # as the losses draw them
                bounds.append(model.information(model.generate(z, c), c))
            torch.testing.assert_close(values[0] - values[1], 2 * bounds[1])
        owned = {id(p) for p in model.discriminator.parameters()}
        assert all(id(p) in owned for p in model.discriminator.answer.parameters())

    def test_the_heads_share_the_trunk(self):
        model, x = made().eval(), torch.rand(3, *SHAPE)
        verdict, answers = model.discriminator.both(x)
        assert torch.equal(verdict, model.discriminator(x)) and verdict.shape == (3,)
        assert torch.equal(answers, model.discriminator.answers(x)) and answers.shape == (3, 4)
        for output in (verdict, answers):
            model.zero_grad()
            output.sum().backward(retain_graph=True)
            assert all(p.grad.any() for p in model.discriminator.trunk.parameters()
                       if p.grad is not None and p.ndim == 4)  # fmt: skip


def test_it_finds_the_two_kinds_of_pictures(tmp_path):
    """Left or right half white, never told which: the code is the kind."""
    torch.manual_seed(0)
    kind = torch.arange(128) % 2
    x = torch.zeros(128, *SHAPE)
    x[kind == 0, :, :, :4] = 0.9
    x[kind == 1, :, :, 4:] = 0.9
    x = (x + 0.05 * torch.rand(x.shape, generator=seeded())).clamp(0, 1)
    model = InfoGAN(SHAPE, categorical=(2,), num_latents=2, width=8, norm="spectral")
    path = tmp_path / "model.pt"
    fit_adversarial(
        model, TensorDataset(x), steps=150, lr=3e-3, batch_size=32, device="cpu", progress=False,
        checkpoint=path,
    )  # fmt: skip
    found = load(path).infer(x).categorical[:, 0]
    agreement = float((found == kind).float().mean())
    assert max(agreement, 1 - agreement) > 0.95
    c = model.draw_codes(200, generator=seeded())
    samples = model.sample(200, condition=c, generator=seeded(1))
    assert 0.6 < float(model.information(samples, c)) <= math.log(2)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: made(categorical=()), r"categorical is \(\) and num_continuous is 0"),
        (lambda: made(categorical=(3, 1)), r"categorical is \(3, 1\).* at least 2 values"),
        (lambda: made(num_continuous=-1), "num_continuous is -1"),
        (lambda: made(weight=-1.0), r"weight is -1\.0"),
        (lambda: InfoGAN((1, 9, 9)), r"event_shape is \(1, 9, 9\)"),
        (
            lambda: made().sample(1, condition=Codes(torch.tensor([[4]]), torch.empty(1, 0))),
            r"a code is \[4\], expected 0\.\.3",
        ),
        (
            lambda: made().sample(1, condition=Codes(torch.tensor([4]), torch.empty(1, 0))),
            r"codes have shapes \(1,\) and \(1, 0\), expected \(B, 1\) and \(B, 0\)",
        ),
        (lambda: made().sample(3, condition=made().draw_codes(2)), "2 codes, expected n = 3"),
        (lambda: made().discriminator_loss((torch.full((2, *SHAPE), 3.0),)), "pixels from 3 to 3"),
    ],
)
def test_arguments_that_do_not_fit(make, words):
    with pytest.raises(ValueError, match=words):
        make()
