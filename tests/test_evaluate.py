"""Test NLL and bits per dimension against numbers that are known without them."""

import math

import pytest
import torch
from scipy import stats
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.evaluate import bits_per_dim, negative_log_likelihood, rank_p_values
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


class TestRankPValues:
    def test_counted_by_hand(self):
        training = torch.tensor([-3.0, -1.0, -1.0, -7.0])
        rows = torch.tensor([-9.0, -7.0, -5.0, -1.0, 0.0, -torch.inf])
        found = rank_p_values(rows, training)
        assert found.tolist() == [1 / 5, 2 / 5, 2 / 5, 1, 1, 1 / 5]
        assert found.dtype == torch.float64
        assert rank_p_values(rows[:0], training).shape == (0,)
        assert rank_p_values(torch.tensor([0.0]), torch.tensor([1.0])).tolist() == [0.5]

    def test_uniform_where_nothing_is_unusual(self):
        """Rows of the training distribution, whatever density ranks them."""
        generator = torch.Generator().manual_seed(0)
        wrong = GaussianMixture.from_parameters([1.0], [[1.0]], [[3.0]])
        p = []
        for _ in range(3000):  # a training set of its own for each, so that they are independent
            x = torch.randn(20, 1, generator=generator)
            with torch.no_grad():
                log_p = wrong.log_prob(x)
            p += rank_p_values(log_p[:1], log_p[1:]).tolist()
        count = torch.bincount((torch.tensor(p) * 20).round().long() - 1, minlength=20)
        assert len(count) == 20 and stats.chisquare(count).pvalue > 1e-3

    def test_small_where_rows_are_less_probable_and_near_1_where_more(self):
        generator = torch.Generator().manual_seed(0)
        model = GaussianMixture.from_parameters([1.0], [[0.0]], [[1.0]])
        training = model.log_prob(torch.randn(999, 1, generator=generator))
        far, centre = torch.tensor([[5.0]]), torch.tensor([[0.0]])
        assert rank_p_values(model.log_prob(far), training).item() == 1 / 1000
        assert rank_p_values(model.log_prob(centre), training).item() > 0.99, "the known failure"

    def test_bad_input(self):
        good = torch.zeros(3)
        with pytest.raises(ValueError, match=r"training_log_p has no rows"):
            rank_p_values(good, good[:0])
        with pytest.raises(ValueError, match=r"log_p has shape \(3, 1\), expected one number"):
            rank_p_values(good[:, None], good)
        with pytest.raises(ValueError, match=r"training_log_p has shape \(\)"):
            rank_p_values(good, good[0])
        with pytest.raises(ValueError, match="log_p of row 1 is nan"):
            rank_p_values(torch.tensor([0, torch.nan]), good)
