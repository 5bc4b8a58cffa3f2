"""Test NLL and bits per dimension against numbers that are known without them."""

import math

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.evaluate import bits_per_dim, negative_log_likelihood
from gencourse.graphical.gaussian_mixture import GaussianMixture
from gencourse.losses import nll_loss


class Coins(nn.Module):
    """Independent bits with p(1) = p; broken in training mode, to see that it is left."""

    def __init__(self, shape, p=0.25):
        super().__init__()
        self.event_shape = shape
        self.logits = nn.Parameter(torch.full(shape, math.log(p / (1 - p))))

    def log_prob(self, x):
        assert x.shape[1:] == self.event_shape
        log_p = torch.distributions.Bernoulli(logits=self.logits).log_prob(x).flatten(1).sum(1)
        return log_p + (100 if self.training else 0)

    def sample(self, n, *, condition=None, generator=None):
        raise NotImplementedError


X = torch.tensor([[[1.0, 0, 0, 0]], [[1, 1, 0, 0]], [[0, 0, 0, 0]]])  # (3, 1, 4)
ONES = torch.tensor([1.0, 2.0, 0.0])
NATS = -(ONES * math.log(0.25) + (4 - ONES) * math.log(0.75))


@pytest.mark.parametrize("batch_size", [1, 2, 256])
def test_nll_is_the_mean_over_rows_whatever_the_batches(batch_size):
    model = Coins((4,))
    data = TensorDataset(X, torch.zeros(3))
    found = negative_log_likelihood(model, data, batch_size=batch_size)
    assert found.mean == pytest.approx(float(NATS.mean()), rel=1e-6)
    assert found.standard_error == pytest.approx(float(NATS.std()) / math.sqrt(3), rel=1e-6)
    assert found.num_rows == 3 and "(N = 3)" in str(found)
    assert model.training, "the mode is put back"
    assert found == negative_log_likelihood(model, X, batch_size=batch_size)


def test_the_nll_of_a_model_on_its_own_samples_is_its_entropy():
    one = GaussianMixture.from_parameters([1.0], [[0.0]], [[2.0]])
    x = one.sample(20_000, generator=torch.Generator().manual_seed(0))
    entropy = 0.5 * math.log(2 * math.pi * math.e * 4)
    found = negative_log_likelihood(one, x)
    assert abs(found.mean - entropy) < 4 * found.standard_error
    assert found.standard_error == pytest.approx(math.sqrt(0.5 / 20_000), rel=0.05)


def test_nll_edges():
    assert math.isnan(negative_log_likelihood(Coins((4,)), X[:1]).standard_error)
    with pytest.raises(ValueError, match="no rows"):
        negative_log_likelihood(Coins((4,)), X[:0])
    with pytest.raises(ValueError, match="values a row"):
        negative_log_likelihood(Coins((5,)), X)
    with pytest.raises(TypeError, match="Linear, expected a Density"):
        negative_log_likelihood(nn.Linear(2, 2), X)
    broken = Coins((4,))
    with torch.no_grad():
        broken.logits[0] = float("nan")
    with pytest.raises(ValueError, match=r"(row 0 is nan|Expected parameter)"):
        negative_log_likelihood(broken, X)


def test_nll_loss_is_the_same_number_with_a_gradient():
    model = Coins((2, 2)).eval()
    loss = nll_loss(model, (X, torch.zeros(3)))
    assert float(loss.detach()) == pytest.approx(float(NATS.mean()), rel=1e-6)
    loss.backward()
    # d/dlogit of the mean of -log p is p - mean(x)
    expected = 0.25 - X.mean((0, 1))
    torch.testing.assert_close(model.logits.grad.flatten(), expected)


def test_bits_per_dim():
    assert bits_per_dim(88.33, (1, 28, 28)) == pytest.approx(0.1625, abs=5e-5)
    assert bits_per_dim(math.log(2), (1,)) == pytest.approx(1)
    # uniform over 256 values of each of 3072 sub-pixels
    assert bits_per_dim(3072 * math.log(256), (3, 32, 32)) == pytest.approx(8)
    with pytest.raises(ValueError, match=r"event_shape is \(0, 3\)"):
        bits_per_dim(1.0, (0, 3))
