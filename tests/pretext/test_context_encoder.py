"""Context encoder: the hole, the best guess at it for Gaussian data, and the two players."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gencourse.data import shapes
from gencourse.nets import ENCODERS
from gencourse.pretext import ContextEncoder, pretext_loss
from gencourse.pretext.context_encoder import AcrossPlaces, cut
from gencourse.train import fit

X = shapes(24, seed=1, size=16).x


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Line(nn.Linear):
    """An encoder that is one linear map: each pixel becomes a channel of a map with one place."""

    def maps(self, x):
        return self(x.flatten(1))[:, :, None, None]


class TestHole:
    def test_by_a_loop(self):
        task = ContextEncoder((3, 16, 16), hole=0.4)
        (masked, corners), target = task.make(X, generator=seeded())
        assert task.hole == (6, 6) and target.shape == (24, 3, 6, 6)
        for image, hidden, (i, j), want in zip(X, masked, corners.tolist(), target, strict=True):
            assert torch.equal(image[:, i : i + 6, j : j + 6], want)
            whole = hidden.clone()
            assert (whole[:, i : i + 6, j : j + 6] == 0.5).all()
            whole[:, i : i + 6, j : j + 6] = want
            assert torch.equal(whole, image)

    def test_places_are_uniform_and_inside(self):
        task = ContextEncoder((1, 4, 6), hole=0.5, widths=(2,))
        (_, corners), _ = task.make(torch.zeros(4000, 1, 4, 6), generator=seeded())
        assert task.hole == (2, 3)
        counts = (corners[:, 0] * 4 + corners[:, 1]).bincount(minlength=12)
        assert len(counts) == 12 and (counts - 4000 / 12).abs().max() < 5 * (4000 / 12) ** 0.5

    def test_the_centre(self):
        task = ContextEncoder((3, 16, 16), place="centre")
        (masked, _), target = task.make(X)
        assert torch.equal(target, X[:, :, 4:12, 4:12])
        assert int((masked[0, 0] == 0.5).sum()) == 64

    def test_nothing_of_the_hole_is_seen(self):
        task = ContextEncoder((3, 16, 16), place="centre").eval()
        other = X.clone()
        other[:, :, 4:12, 4:12] = torch.rand(24, 3, 8, 8, generator=seeded())
        first, second = (task(task.make(x)[0]) for x in (X, other))
        assert torch.equal(first, second)


class TestGaussianData:
    """Images 4x4 from N(0, S), the middle 2x2 lost, and a network that is one matrix."""

    def data(self, n, seed):
        places = torch.arange(4, dtype=torch.float64)
        near = 0.8 ** (places[:, None] - places).abs()
        S = torch.kron(near, near)
        noise = torch.randn(n, 16, generator=seeded(seed), dtype=torch.float64)
        return (noise @ torch.linalg.cholesky(S).T).reshape(n, 1, 4, 4), S

    def task(self):
        task = ContextEncoder((1, 4, 4), place="centre", adversarial=0.0, fill=0.0, widths=(2,))
        task.encoder, task.across = Line(16, 16, bias=False), nn.Identity()
        task.decoder = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (1, 4, 4)))
        return task.double()

    def conditional(self, S):
        hole = torch.zeros(4, 4, dtype=torch.bool)
        hole[1:3, 1:3] = True
        h, c = hole.flatten(), ~hole.flatten()
        W = S[h][:, c] @ torch.linalg.inv(S[c][:, c])
        return h, c, W, float((S[h][:, h] - W @ S[c][:, h]).trace() / 4)

    def test_the_conditional_mean_has_the_conditional_variance(self):
        x, S = self.data(50_000, 10)
        h, c, W, error = self.conditional(S)
        task = self.task()
        weight = torch.zeros(16, 16, dtype=torch.float64)
        weight[torch.outer(h, c)] = W.flatten()
        task.encoder.weight.data.copy_(weight)
        score = task.score(x, batch_size=50_000)
        assert score.value == pytest.approx(error, rel=0.02)
        assert score.chance == pytest.approx(1, rel=0.02)
        task.loss((x,)).backward()
        assert task.encoder.weight.grad.abs().max() < 0.02, "it is where the slope is 0"

    def test_training_finds_it(self):
        x, S = self.data(10_000, 11)
        h, c, W, error = self.conditional(S)
        task = self.task()
        fit(task, x, loss=pretext_loss, steps=250, batch_size=500, lr=2e-2, progress=False)
        found = task.encoder.weight.data[h][:, c]
        torch.testing.assert_close(found, W, atol=0.1, rtol=0)
        assert task.score(self.data(20_000, 12)[0]).value == pytest.approx(error, rel=0.05)


class TestTwoPlayers:
    def gradients(self, task, term):
        task.zero_grad()
        term.backward()
        return {name: p.grad for name, p in task.named_parameters() if p.grad is not None}

    def test_each_learns_from_its_own_loss_only(self):
        torch.manual_seed(0)
        task = ContextEncoder((3, 16, 16), widths=(8, 16), adversarial=0.3)
        both = self.gradients(task, task.loss((X,), generator=seeded()))
        masked, target = task.make(X, generator=seeded())
        output = task(masked)
        D = task.discriminator
        told = F.softplus(-D(target)).mean() + F.softplus(D(output.detach())).mean()
        painter = 0.7 * (output - target).square().mean() + 0.3 * F.softplus(-D(output)).mean()
        judged = self.gradients(task, told)
        painted = self.gradients(task, painter)
        assert all(name.startswith("discriminator") for name in judged)
        for name, grad in both.items():
            expected = judged[name] if name.startswith("discriminator") else painted[name]
            torch.testing.assert_close(grad, expected, atol=1e-6, rtol=1e-4)
        assert both["encoder.layers.0.weight"].abs().sum() > 0

    def test_without_a_discriminator_it_is_the_squared_error(self):
        task = ContextEncoder((3, 16, 16), widths=(8, 16), adversarial=0.0)
        assert task.discriminator is None
        loss = task.loss((X,), generator=seeded())
        masked, target = task.make(X, generator=seeded())
        torch.testing.assert_close(loss, F.mse_loss(task(masked), target))

    def test_the_discriminator_learns(self):
        torch.manual_seed(0)
        task = ContextEncoder((3, 16, 16), widths=(8, 16), place="centre")
        x = shapes(400, seed=2, size=16).x
        fit(task, x, loss=pretext_loss, steps=60, lr=3e-3, progress=False)
        masked, target = task.eval().make(X)
        told = task.discriminator(target).mean() - task.discriminator(task(masked)).mean()
        assert told > 0.5


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_gradient_reaches_every_parameter(encoder):
    torch.manual_seed(0)
    task = ContextEncoder((3, 16, 16), encoder=encoder, widths=(16, 32))
    pretext_loss(task, (X,)).backward()
    assert all(p.grad.abs().sum() > 0 for p in task.parameters())


def test_one_image_in_double_precision():
    task = ContextEncoder((3, 16, 16), widths=(4, 8)).double()
    assert pretext_loss(task, (X[:1].double(),)).dtype == torch.float64


def test_places_are_mixed_within_a_channel_only():
    torch.manual_seed(0)
    layer = AcrossPlaces(3, 4)
    maps = torch.rand(2, 3, 2, 2, requires_grad=True)
    layer(maps)[0, 1, 0, 0].backward()
    assert (maps.grad[0, 1] != 0).all()
    assert maps.grad[0, [0, 2]].abs().max() == 0 and maps.grad[1].abs().max() == 0


def test_cut_by_hand():
    x = torch.arange(2 * 12.0).reshape(2, 1, 3, 4)
    found = cut(x, torch.tensor([[0, 1], [2, 0]]), hole=(1, 2))
    assert found.tolist() == [[[[1.0, 2.0]]], [[[20.0, 21.0]]]]


def test_bad_input():
    with pytest.raises(ValueError, match=r"hole is 1\.0 and"):
        ContextEncoder((3, 16, 16), hole=1.0)
    with pytest.raises(ValueError, match=r"adversarial is 1, expected"):
        ContextEncoder((3, 16, 16), adversarial=1)
    with pytest.raises(ValueError, match="place is 'left'"):
        ContextEncoder((3, 16, 16), place="left")
    with pytest.raises(ValueError, match="sides of at least 2"):
        ContextEncoder((3, 1, 16))
