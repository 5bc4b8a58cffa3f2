"""Autoencoders against PCA and against the best linear denoiser."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from gencourse.train import fit
from gencourse.vae import (
    Autoencoder,
    ConvAutoencoder,
    DenoisingAutoencoder,
    LinearAutoencoder,
    autoencoder_loss,
    denoising_loss,
)
from tests.vae.oracles import rows, seeded

CASES = {
    "linear": lambda: LinearAutoencoder(12, num_latents=2),
    "fully connected": lambda: Autoencoder((12,), num_latents=2, hidden=(7,)),
    "of images": lambda: Autoencoder((1, 3, 4), num_latents=2, hidden=(7,)),
    "convolutional": lambda: ConvAutoencoder((3, 4, 8), num_latents=2, channels=(4, 5)),
    "convolutional, hidden": lambda: ConvAutoencoder(
        (1, 4, 8), num_latents=2, channels=(4,), hidden=(5,)
    ),
    "denoising": lambda: DenoisingAutoencoder((12,), num_latents=2),
    "denoising images": lambda: DenoisingAutoencoder((1, 4, 8), channels=(4,), noise="mask"),
}


def trained_linear(x, num_latents):
    torch.manual_seed(0)
    model = LinearAutoencoder(x.shape[1], num_latents=num_latents).double()
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=2000, tolerance_grad=1e-11, tolerance_change=1e-15,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss = autoencoder_loss(model, (x,))
        loss.backward()
        return loss

    optimizer.step(closure)
    return model


@pytest.mark.parametrize("num_latents", [1, 2, 4])
def test_a_linear_autoencoder_finds_the_subspace_of_pca(num_latents):
    x = rows()
    model, reference = trained_linear(x, num_latents), PCA(num_latents).fit(x.numpy())
    angles = subspace_angles(model.subspace().numpy(), reference.components_.T)
    assert angles.max() < 1e-4
    expected = reference.inverse_transform(reference.transform(x.numpy()))
    np.testing.assert_allclose(model(x).detach(), expected, atol=1e-4)
    loss = autoencoder_loss(model, (x,)).item()
    rest = PCA().fit(x.numpy()).explained_variance_[num_latents:].sum()
    assert loss == pytest.approx(rest * (len(x) - 1) / len(x), rel=1e-8)


def test_only_the_span_is_found_not_the_axes():
    x = rows()
    model, reference = trained_linear(x, 2), PCA(2).fit(x.numpy())
    columns = torch.nn.functional.normalize(model.decoder.weight.detach(), dim=0)
    cosines = np.abs(columns.T.numpy() @ reference.components_.T)
    assert cosines.max() < 0.999, "an axis was found: the other test would not need spans"


@pytest.mark.parametrize("name", CASES)
class TestEvery:
    @pytest.mark.parametrize("n", [1, 5])
    def test_shapes_and_precisions(self, name, n):
        for dtype in (torch.float32, torch.float64):
            model = CASES[name]().to(dtype)
            x = torch.randn(n, *model.event_shape, generator=seeded())
            z = model.encode(x)
            assert z.shape == (n, model.num_latents) and z.dtype == dtype
            assert model.decode(z).shape == x.shape
            assert torch.equal(model(x), model.decode(z))

    def test_configuration(self, name):
        model = CASES[name]()
        again = type(model)(**model.config)
        again.load_state_dict(model.state_dict())
        x = torch.randn(3, *model.event_shape)
        assert torch.equal(model(x), again(x))

    def test_trains(self, name):
        torch.manual_seed(0)
        model = CASES[name]()
        loss = denoising_loss if name.startswith("denoising") else autoencoder_loss
        x = torch.rand(4, *model.event_shape, generator=seeded()).repeat(10, *[1] * 3)[:40]
        x = x.reshape(-1, *model.event_shape)
        history = fit(model, x, loss=loss, steps=150, lr=0.01, progress=False)
        assert np.mean(history.loss[-20:]) < 0.7 * history.loss[0]
        assert all(p.grad.isfinite().all() for p in model.parameters())

    def test_refuses(self, name):
        model = CASES[name]()
        if name == "linear":
            return
        x = torch.zeros(2, *model.event_shape)
        with pytest.raises(ValueError, match="x has shape"):
            model.encode(x[..., :1])
        x.view(2, -1)[1, 3] = math.nan
        with pytest.raises(ValueError, match=r"x\[1, .*is nan, expected a finite number"):
            model.encode(x)

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    def test_on_a_gpu(self, name):
        model = CASES[name]().double()
        x = torch.randn(3, *model.event_shape, generator=seeded()).double()
        expected = model(x)
        torch.testing.assert_close(model.cuda()(x.cuda()).cpu(), expected)


def test_loss_is_summed_over_the_event_and_averaged_over_the_rows():
    model = Autoencoder((3,), num_latents=1)
    x = torch.randn(5, 3, generator=seeded())
    expected = sum(((model(x) - x) ** 2)[i].sum() for i in range(5)) / 5
    torch.testing.assert_close(autoencoder_loss(model, (x, None)), expected)
    torch.testing.assert_close(autoencoder_loss(model, (x.reshape(5, 3, 1),)), expected)


def test_the_best_linear_denoiser_is_found():
    """E[x | x + noise] = S (S + σ² I)⁻¹ x for normal x; its error is known, too."""
    torch.manual_seed(0)
    level = 0.5
    scale = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    x = torch.randn(20_000, 2, generator=seeded()) @ scale.T
    x = x - x.mean(0)
    model = DenoisingAutoencoder((2,), num_latents=2, hidden=(), level=level)
    fit(model, x, loss=denoising_loss, epochs=15, batch_size=500, lr=0.02, progress=False)
    fit(model, x, loss=denoising_loss, epochs=10, batch_size=2000, lr=0.002, progress=False)
    S = x.T @ x / len(x)
    best = S @ torch.linalg.inv(S + level**2 * torch.eye(2))
    with torch.no_grad():
        found = model(torch.eye(2)) - model(torch.zeros(2, 2))
    torch.testing.assert_close(found.T, best, rtol=0, atol=0.02)
    torch.manual_seed(1)
    error = denoising_loss(model, (x,)).item()
    assert error == pytest.approx((S - best @ S).trace().item(), rel=0.03)
    assert error < 2 * level**2, "worse than doing nothing"


def test_one_variable_has_the_number_of_the_course():
    """s² = 1, σ² = 0.25: the best denoiser is 0.8 x with error 0.2, the identity has 0.25."""
    torch.manual_seed(0)
    x = torch.randn(20_000, 1, generator=seeded())
    x = (x - x.mean()) / x.std()
    model = DenoisingAutoencoder((1,), num_latents=1, hidden=(), level=0.5)
    fit(model, x, loss=denoising_loss, epochs=20, batch_size=1000, lr=0.02, progress=False)
    slope = (model(torch.ones(1, 1)) - model(torch.zeros(1, 1))).item()
    assert slope == pytest.approx(0.8, abs=0.02)
    assert denoising_loss(model, (x,)).item() == pytest.approx(0.2, abs=0.01)


def test_corruption():
    x = torch.ones(20_000, 3)
    gaussian = DenoisingAutoencoder((3,), level=0.3)
    noise = gaussian.corrupt(x, generator=seeded()) - x
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    mask = DenoisingAutoencoder((3,), noise="mask", level=0.3)
    damaged = mask.corrupt(x, generator=seeded())
    assert set(damaged.unique().tolist()) == {0.0, 1.0}
    assert damaged.mean().item() == pytest.approx(0.7, abs=0.01)
    assert torch.equal(damaged, mask.corrupt(x, generator=seeded()))
    assert torch.equal(x, torch.ones_like(x))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LinearAutoencoder(0, num_latents=1), "expected at least 1"),
        (lambda: Autoencoder((3,), num_latents=0), "num_latents is 0"),
        (lambda: Autoencoder((3,), hidden=(0,)), "expected at least 1"),
        (lambda: ConvAutoencoder((1, 6, 6)), "sides divisible by 4"),
        (lambda: DenoisingAutoencoder((3,), noise="salt"), "noise is 'salt'"),
        (lambda: DenoisingAutoencoder((3,), noise="mask", level=1.5), "level is 1.5"),
        (lambda: DenoisingAutoencoder((3,), level=-1.0), "level is -1.0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
