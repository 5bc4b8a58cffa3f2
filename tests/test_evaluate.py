"""Each measure against numbers that are known without it."""

import math

import pytest
import torch
from scipy import linalg, stats
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.evaluate import (
    bits_per_dim,
    frechet_distance,
    negative_log_likelihood,
    precision_recall,
    rank_p_values,
    two_sample_test,
)
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


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normals(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


class TestFrechetDistance:
    def test_against_the_matrix_square_root(self):
        mix = normals(3, 3, seed=1)
        x, y = normals(40, 3) @ mix, 0.5 * normals(30, 3, seed=2) + 1
        root = linalg.sqrtm(x.T.cov().numpy() @ y.T.cov().numpy())
        covariances = torch.trace(x.T.cov() + y.T.cov() - 2 * torch.tensor(root.real))
        expected = (x.mean(0) - y.mean(0)).square().sum() + covariances
        assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-9)
        assert frechet_distance(y, x) == pytest.approx(float(expected), rel=1e-9)

    def test_in_one_dimension_it_is_known(self):
        x = torch.tensor([[-1.0], [1.0]]) / math.sqrt(2)  # sd 1
        assert frechet_distance(x, 3 * x + 4) == pytest.approx(16 + (3 - 1) ** 2)

    @pytest.mark.parametrize("rows", [5, 200])
    def test_zero_for_the_same_rows_also_when_there_are_few(self, rows):
        x = normals(rows, 20) + 100
        assert frechet_distance(x, x.flip(0)) < 1e-9
        turned = torch.linalg.qr(normals(20, 20, seed=5)).Q
        y = normals(rows, 20, seed=3)
        moved = frechet_distance(x @ turned, y @ turned)
        assert moved == pytest.approx(frechet_distance(x, y), rel=1e-9)

    @pytest.mark.parametrize("d", [2, 8])
    def test_its_bias_for_equal_normals(self, d):
        n = 500
        found = torch.tensor(
            [
                frechet_distance(normals(n, d, seed=2 * i), normals(n, d, seed=2 * i + 1))
                for i in range(200)
            ]
        )
        expected = d * (d + 5) / (2 * n)
        error = float(found.std()) / math.sqrt(200)
        assert error < 0.06 * expected
        assert abs(float(found.mean()) - expected) < 4 * error


class TestPrecisionRecall:
    def slow(self, rows, support, k):
        """The paper's definition with loops."""
        count = 0
        for row in rows:
            inside = False
            for i, centre in enumerate(support):
                others = [math.dist(centre, o) for j, o in enumerate(support) if j != i]
                inside |= math.dist(row, centre) <= sorted(others)[k - 1]
            count += inside
        return count / len(rows)

    @pytest.mark.parametrize("k", [1, 3])
    def test_against_loops(self, k):
        real, fake = normals(25, 2), 0.7 * normals(20, 2, seed=1) + 1.5
        found = precision_recall(real, fake, k=k)
        expected = [
            self.slow(*pair, k)
            for pair in ((fake.tolist(), real.tolist()), (real.tolist(), fake.tolist()))
        ]
        assert found == pytest.approx(expected)
        assert 0 < found.precision < 1 and 0 < found.recall < 1 and expected[0] != expected[1]

    def test_what_each_one_sees(self):
        left, right = normals(300, 2), normals(300, 2, seed=1) + 50
        both = torch.cat([left, right])
        dropped = precision_recall(both, left[torch.randperm(300, generator=seeded())])
        assert dropped == (1, 0.5)
        invented = precision_recall(left, both)
        assert invented == (0.5, 1)
        assert precision_recall(left, right) == (0, 0)
        assert precision_recall(left, left.clone()) == (1, 1)

    def test_copies_have_balls_without_a_radius(self):
        stuck = torch.ones(10, 2)
        assert precision_recall(torch.cat([normals(9, 2) + 9, stuck[:1]]).float(), stuck) == (
            1,
            0.1,
        )


def slow_mmd(x, y, s):
    def kernel(a, b):
        return math.exp(-(math.dist(a, b) ** 2) / (2 * s * s))

    def within(rows):
        pairs = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        return sum(pairs) / len(pairs)

    between = [kernel(a, b) for a in x for b in y]
    return within(x) + within(y) - 2 * sum(between) / len(between)


class TestTwoSampleTest:
    def test_against_loops(self):
        x, y = normals(7, 2), normals(5, 2, seed=1) + 1
        found = two_sample_test(x, y, bandwidth=0.8, num_permutations=1)
        assert found.mmd == pytest.approx(slow_mmd(x.tolist(), y.tolist(), 0.8), abs=1e-12)
        assert found.bandwidth == 0.8

    def test_the_bandwidth_is_the_median_distance(self):
        x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [10.0]])
        # distances 1, 2, 3, 7, 9, 10, of which torch takes the lower middle one
        assert two_sample_test(x, y, num_permutations=1).bandwidth == 3

    def test_unbiased(self):
        """Centred on the true MMD², which is 0 for equal normals, also with few rows."""
        s, n = 1.0, 6
        same_, moved = [], []
        for i in range(3000):
            rows = normals(2 * n, 1, seed=i)
            for found, shift in ((same_, 0), (moved, 1)):
                test = two_sample_test(rows[:n], rows[n:] + shift, bandwidth=s, num_permutations=1)
                found.append(test.mmd)
        one = s / math.sqrt(s * s + 2)  # E k(a, b) for a - b ~ N(0, 2)
        true = 2 * one * (1 - math.exp(-1 / (2 * (s * s + 2))))
        for found, expected in ((same_, 0), (moved, true)):
            values = torch.tensor(found)
            error = float(values.std()) / math.sqrt(len(values))
            assert abs(float(values.mean()) - expected) < 4 * error
            assert error < 0.1 * 2 / n * (1 - one), "would show the bias of the other estimate"
        assert min(same_) < 0

    def test_p_is_uniform_where_nothing_differs(self):
        p = []
        for i in range(600):
            rows = normals(15, 2, seed=i)
            p.append(
                two_sample_test(
                    rows[:6], rows[6:], num_permutations=19, generator=seeded(i)
                ).p_value
            )
        count = torch.bincount((torch.tensor(p) * 20).round().long() - 1, minlength=20)
        assert len(count) == 20 and stats.chisquare(count).pvalue > 1e-3

    def test_it_sees_what_means_and_covariances_do_not(self):
        x = normals(200, 1)
        y = torch.where(normals(200, 1, seed=1) > 0, 1.0, -1.0).double()
        y = (y - y.mean()) / y.std() * x.std() + x.mean()
        assert frechet_distance(x, y) < 1e-9
        found = two_sample_test(x, y, num_permutations=99, generator=seeded())
        assert found.p_value == 0.01 and found.mmd > 0.01

    def test_a_generator_decides(self):
        x, y = normals(20, 2), normals(20, 2, seed=1) + 0.3
        a, b = (two_sample_test(x, y, generator=seeded(2)) for _ in range(2))
        assert a == b


@pytest.mark.parametrize("measure", [frechet_distance, precision_recall, two_sample_test])
def test_features_that_do_not_fit(measure):
    good = normals(10, 3)
    with pytest.raises(ValueError, match=r"shapes \(10, 3\) and \(10, 2\), expected \(N, d\)"):
        measure(good, good[:, :2])
    with pytest.raises(ValueError, match=r"shapes \(10,\) and \(10, 3\)"):
        measure(good[:, 0], good)
    with pytest.raises(ValueError, match=r"with at least \d rows each"):
        measure(good, good[:1])
    with pytest.raises(ValueError, match=r"features of row 4 are \[nan"):
        measure(good, good.index_fill(0, torch.tensor([4]), torch.nan))
    assert measure(good.float(), good) == pytest.approx(measure(good, good), abs=1e-6)


def test_other_arguments_that_do_not_fit():
    good = normals(10, 3)
    with pytest.raises(ValueError, match="k is 0"):
        precision_recall(good, good, k=0)
    with pytest.raises(ValueError, match="num_permutations is 0"):
        two_sample_test(good, good, num_permutations=0)
    with pytest.raises(ValueError, match="bandwidth is -1"):
        two_sample_test(good, good, bandwidth=-1)
    with pytest.raises(ValueError, match=r"bandwidth is 0\.0"):
        two_sample_test(torch.zeros(4, 1), torch.zeros(4, 1))
