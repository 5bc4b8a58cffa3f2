"""Up-sampling: what is lost, and the best guess at it, which is known for Gaussian data."""

import pytest
import torch
from torch import nn

from gencourse.data import shapes
from gencourse.pretext import Upsampling, pretext_loss
from gencourse.pretext.upsampling import blur

X = shapes(12, seed=1, size=16).x


class Line(nn.Linear):
    """An encoder that is one linear map: each pixel becomes a channel of a map with one place."""

    def maps(self, x):
        return self(x.flatten(1))[:, :, None, None]


def test_blur_by_hand():
    """Halves 0 and 1 of four columns: bilinear weights 1, 3/4, 1/4, 0 between the two means."""
    x = torch.tensor([0.0, 0, 1, 1]).expand(1, 1, 4, 4)
    row = torch.tensor([0, 0.25, 0.75, 1])
    torch.testing.assert_close(blur(x, factor=2), row.expand(1, 1, 4, 4))


def test_detail_is_lost_and_the_means_are_not():
    x = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    shuffled = x.reshape(5, 3, 2, 4, 2, 4).flip(3, 5).reshape(5, 3, 8, 8)  # within each block
    assert not torch.equal(shuffled, x)
    torch.testing.assert_close(blur(shuffled, factor=4), blur(x, factor=4))
    grey = torch.full((1, 3, 8, 8), 0.3)
    torch.testing.assert_close(blur(grey, factor=4), grey)


def test_chance_is_bilinear():
    task = Upsampling((3, 16, 16), factor=4)
    question, target = task.make(X)
    assert torch.equal(target, X)
    assert task.score(X).chance == pytest.approx(float((question - X).square().mean()), rel=1e-5)
    assert not task.score(X).higher_is_better


def test_the_best_linear_answer_for_gaussian_data():
    """A task whose network is one matrix reaches the error of E[x | y], and no less."""
    places = torch.arange(4, dtype=torch.float64)
    near = 0.9 ** (places[:, None] - places).abs()
    S = torch.kron(near, near)  # of 4x4 pixels
    noise = torch.randn(
        40_000, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(4)
    )
    x = (noise @ torch.linalg.cholesky(S).T).reshape(-1, 1, 4, 4)
    basis = torch.eye(16, dtype=torch.float64).reshape(16, 1, 4, 4)
    A = torch.nn.functional.avg_pool2d(basis, 2).flatten(1).T  # (4, 16)
    U = blur(basis, factor=2).flatten(1).T @ torch.linalg.pinv(A)  # bilinear enlargement
    best = S @ A.T @ torch.linalg.inv(A @ S @ A.T)  # (16, 4)
    error = float((S - best @ A @ S).trace() / 16)

    task = Upsampling((1, 4, 4), factor=2, widths=(2,))
    task.encoder = Line(16, 16, bias=False)
    task.decoder = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (1, 4, 4)))
    task.double().encoder.weight.data.copy_((best - U) @ torch.linalg.pinv(U))
    score = task.score(x, batch_size=40_000)
    assert score.value == pytest.approx(error, rel=0.02)
    assert score.value < 0.95 * score.chance, "bilinear does not know S"
    task.loss((x,)).backward()
    assert task.encoder.weight.grad.abs().max() < 0.01, "it is where the slope is 0"


def test_a_gradient_reaches_every_parameter_and_one_image_is_enough():
    torch.manual_seed(0)
    task = Upsampling((3, 16, 16), widths=(8, 16)).double()
    loss = pretext_loss(task, (X[:1].double(),))
    loss.backward()
    assert loss.dtype == torch.float64
    assert all(p.grad.abs().sum() > 0 for p in task.parameters())


def test_bad_input():
    with pytest.raises(ValueError, match="factor is 3, expected at least 2 and a divisor"):
        Upsampling((3, 16, 16), factor=3)
    with pytest.raises(ValueError, match="factor is 1"):
        blur(X, factor=1)
