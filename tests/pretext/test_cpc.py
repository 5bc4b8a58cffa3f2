"""CPC: what the context sees, which patches are asked for, and what chance is."""

import math

import pytest
import torch
from torch import nn

from gencourse.data import shapes
from gencourse.nets import ENCODERS
from gencourse.pretext import CPC, pretext_loss
from gencourse.pretext.cpc import RowsAbove
from gencourse.train import fit

X = shapes(12, seed=1, size=16).x


def small(**options):
    torch.manual_seed(0)
    return CPC((3, 16, 16), widths=(8, 16), **options)


class TestWhatIsSeen:
    @pytest.mark.parametrize("num_layers", [1, 2, 4])
    def test_the_jacobian_of_the_context(self, num_layers):
        torch.manual_seed(0)
        context = RowsAbove(3, num_layers).double()
        z = torch.rand(1, 3, 5, 5, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(context, z)[0, :, :, :, 0]
        seen = jacobian.abs().sum((0, 3)) > 0  # (row, column) of c by (row, column) of z
        for i in range(5):
            assert not seen[i, :, i:].any(), f"the context of row {i} sees itself or below"
            reach = range(max(0, i - 1 - num_layers), i)
            for row in range(i):
                assert bool(seen[i, 2, row, 2]) == (row in reach)

    def test_down_to_the_pixels(self):
        """Predictions of row i + k depend on no pixel of the patches that they are to tell."""
        task = small(patch=4, stride=2, num_ahead=2).double().eval()
        assert task.ahead == (1, 2)
        x = torch.rand(1, 3, 16, 16, dtype=torch.float64, requires_grad=True)
        c = task.context(task.codes(task.patches(x)))
        for i in range(1, 7):
            (slope,) = torch.autograd.grad(c[:, :, i].square().sum(), x, retain_graph=True)
            rows = slope.abs().sum((0, 1, 3)) > 0
            last = 2 * (i - 1) + 4  # the first pixel row under patch row i - 1
            assert rows[:last].any() and not rows[last:].any()
            assert 2 * (i + min(task.ahead)) >= last, "no pixel is shared"

    def test_patches_by_slices(self):
        task = small(patch=8, stride=4)
        grid = task.patches(X)
        assert grid.shape == (12, 3, 3, 3, 8, 8)
        assert torch.equal(grid[5, 2, 1], X[5, :, 8:16, 4:12])
        z = task.eval().codes(grid)
        torch.testing.assert_close(z[5, :, 2, 1], task.encoder(X[5:6, :, 8:16, 4:12])[0])
        torch.testing.assert_close(task.features(X)[5], z[5].mean((1, 2)))


class TestQuestions:
    def test_a_prediction_stands_beside_the_patch_it_is_about(self):
        """With W_k = 1 and a context that repeats the row above, a question is z two rows up."""
        task = small(patch=4, stride=4, num_ahead=2).eval()
        assert task.ahead == (0, 1)
        task.context = Above()
        for W in task.W:
            nn.init.dirac_(W.weight)
            nn.init.zeros_(W.bias)
        z = task.codes(task.patches(X))
        for k, (predicted, true) in zip(task.ahead, task(task.patches(X)), strict=True):
            want = z[:, :, 1 + k :].permute(0, 2, 3, 1).reshape(-1, 16)
            torch.testing.assert_close(true, want)
            seen = z[:, :, : 3 - k].permute(0, 2, 3, 1).reshape(-1, 16)
            torch.testing.assert_close(predicted, seen)

    def test_columns_that_go_on_are_predicted_perfectly(self):
        """Stripes from top to bottom, all different: what is above is what is below."""
        stripes = torch.rand(12, 3, 1, 16, generator=torch.Generator().manual_seed(0))
        torch.manual_seed(0)
        task = CPC((3, 8, 16), patch=4, stride=4, widths=(8, 16)).eval()
        task.context = Above()
        nn.init.dirac_(task.W[0].weight)
        nn.init.zeros_(task.W[0].bias)
        x = stripes.expand(-1, -1, 8, -1)
        assert task.score(x).value == 1 and task.score(x).num_rows == 48
        assert task.score(x.flip(2) * torch.rand(12, 3, 8, 1)).value < 1

    def test_chance(self):
        task = small(patch=8, stride=4)  # 3x3 patches, of which the last row is asked for
        score = task.score(X)
        assert score.num_rows == 36 and score.chance == pytest.approx(1 / 36)
        for W in task.W:
            nn.init.zeros_(W.weight)
            nn.init.zeros_(W.bias)
        assert float(pretext_loss(task, (X,)).detach()) == pytest.approx(math.log(36), abs=1e-4)

    def test_noise_leaves_chance(self):
        torch.manual_seed(0)
        task = small(patch=4, stride=4)
        noise = torch.rand(600, 3, 16, 16, generator=torch.Generator().manual_seed(1))
        fit(task, noise[:400], loss=pretext_loss, steps=20, lr=3e-3, batch_size=50, progress=False)
        score = task.score(noise[400:], batch_size=50)
        assert score.value < 4 * score.chance + 3 * (score.chance / score.num_rows) ** 0.5

    def test_it_learns(self):
        task = small(patch=8, stride=4)
        data = shapes(1000, seed=2, size=16).x
        fit(task, data, loss=pretext_loss, steps=40, lr=3e-3, batch_size=64, progress=False)
        score = task.score(shapes(256, seed=3, size=16).x, batch_size=64)
        assert score.value > 5 * score.chance


class Above(nn.Module):
    """A context that repeats the row above."""

    def forward(self, z):
        return nn.functional.pad(z, (0, 0, 1, 0))[:, :, :-1]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_gradient_reaches_every_parameter(encoder):
    torch.manual_seed(0)
    task = CPC((3, 16, 16), encoder=encoder, widths=(8, 16))
    pretext_loss(task, (X,)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in task.parameters())


def test_one_image_has_negatives_of_its_own():
    task = small(patch=4, stride=4).double()
    loss = pretext_loss(task, (X[:1].double(),))
    assert loss.dtype == torch.float64 and loss.isfinite()


def test_bad_input():
    with pytest.raises(ValueError, match=r"patch is 12 and stride 4: 2 rows .* at least 4 rows"):
        small(patch=12, stride=4)
    with pytest.raises(ValueError, match=r"stride 5, .* no stride above the patch"):
        small(patch=4, stride=5)
    with pytest.raises(ValueError, match="0 rows of 0 patches, expected at least 2 rows"):
        small(patch=32, stride=32)
    with pytest.raises(ValueError, match="4 rows of 0 patches"):
        CPC((3, 16, 3), patch=4, stride=4)
    with pytest.raises(ValueError, match="patch is 0"):
        CPC((3, 1, 1))
