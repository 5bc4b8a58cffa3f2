"""Probes against scikit-learn, and that they leave the encoder as it is."""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from torch import nn

from gencourse.data import digits
from gencourse.evaluate import frozen_features, knn_probe, linear_probe
from gencourse.nets import Classifier, ConvEncoder

DIGITS = digits()
TRAIN, TEST = (DIGITS.x[:600], DIGITS.y[:600]), (DIGITS.x[600:1100], DIGITS.y[600:1100])
PROBES = pytest.mark.parametrize("probe", [linear_probe, knn_probe])


def pixels(x):
    return x.flatten(1).numpy()


def test_the_linear_probe_is_logistic_regression():
    l2 = 1e-2
    scaler = StandardScaler().fit(pixels(TRAIN[0]))
    judge = LogisticRegression(C=1 / (600 * l2), max_iter=1000, tol=1e-6)
    judge.fit(scaler.transform(pixels(TRAIN[0])), TRAIN[1].numpy())
    expected = judge.score(scaler.transform(pixels(TEST[0])), TEST[1].numpy())
    found = linear_probe(nn.Flatten(), TRAIN, TEST, l2=l2)
    assert found.mean == pytest.approx(expected, abs=0.003)
    assert found.num_rows == 500
    assert found.standard_error == pytest.approx(
        math.sqrt(found.mean * (1 - found.mean) / 500), rel=1e-6
    )


def test_the_nearest_neighbour_is_scikit_learns():
    centre = TRAIN[0].flatten(1).mean(0)
    a, b = ((part[0].flatten(1) - centre).numpy() for part in (TRAIN, TEST))
    judge = KNeighborsClassifier(1, metric="cosine").fit(a, TRAIN[1].numpy())
    found = knn_probe(nn.Flatten(), TRAIN, TEST, k=1)
    assert found.mean == pytest.approx(judge.score(b, TEST[1].numpy()), abs=0.003)


def test_votes_have_weights():
    """Cosines 1, 0.9, 0.9: two against one, unless the temperature lets the nearest decide."""
    angle = math.acos(0.9)
    near = [[1.0, 0], [math.cos(angle), math.sin(angle)], [math.cos(angle), -math.sin(angle)]]
    far = [[-sum(row[0] for row in near), 0.0]]  # so that the mean is 0, and centring does nothing
    train = torch.tensor(near + far), torch.tensor([0, 1, 1, 2])
    test = torch.tensor([[1.0, 0]]), torch.tensor([0])
    identity = nn.Identity()
    assert knn_probe(identity, train, test, k=3, temperature=0.1).mean == 1  # e > 2
    assert knn_probe(identity, train, test, k=3, temperature=0.2).mean == 0  # e^0.5 < 2


@PROBES
def test_the_encoder_stays_as_it_is(probe):
    model = ConvEncoder(1, widths=(8, 16)).train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    first = probe(model, TRAIN, TEST)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert model.training, "the mode is put back"
    assert first == probe(model, TRAIN, TEST), "nothing is random"
    assert first.mean == pytest.approx(probe(model.eval(), TRAIN, TEST).mean), "evaluation mode"
    assert not model.training


def test_features_are_rows_on_their_own():
    model = ConvEncoder(1, widths=(8, 16)).train()
    whole = frozen_features(model, TRAIN[0][:50])
    torch.testing.assert_close(frozen_features(model, TRAIN[0][:50], batch_size=7), whole)
    assert whole.shape == (50, 16) and not whole.requires_grad


def test_features_are_the_models_own():
    model = Classifier((1, 8, 8), num_classes=10, widths=(8, 16)).eval()
    expected = model.features(TRAIN[0]).detach()
    torch.testing.assert_close(frozen_features(model, TRAIN[0]), expected)


@PROBES
def test_few_labels(probe):
    few = [probe(nn.Flatten(), TRAIN, TEST, labels=3, seed=seed).mean for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
    assert few[0] < probe(nn.Flatten(), TRAIN, TEST).mean - 0.05
    with pytest.raises(ValueError, match="labels is 600, expected between 1 and the"):
        probe(nn.Flatten(), TRAIN, TEST, labels=600)


def test_few_labels_are_so_many_of_each_class():
    seen = []

    def spy(x):
        seen.append(x)
        return x.flatten(1)

    linear_probe(spy, TRAIN, TEST, labels=3)
    used = seen[0].flatten(1)
    rows = [int((TRAIN[0].flatten(1) == row).all(1).nonzero()[0]) for row in used]
    assert len(set(rows)) == 30
    assert TRAIN[1][rows].bincount().tolist() == [3] * 10


@PROBES
def test_labels_that_say_nothing_leave_chance(probe):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(10, (rows,), generator=generator) for rows in (600, 500))
    found = probe(nn.Flatten(), (TRAIN[0], a), (TEST[0], b))
    assert abs(found.mean - 0.1) < 3 * math.sqrt(0.09 / 500)


@PROBES
def test_bad_input(probe):
    x, y = TRAIN
    with pytest.raises(ValueError, match=r"train has labels of shape \(599,\)"):
        probe(nn.Flatten(), (x, y[1:]), TEST)
    with pytest.raises(ValueError, match=r"test has labels .* torch.float32"):
        probe(nn.Flatten(), TRAIN, (TEST[0], TEST[1].float()))
    with pytest.raises(ValueError, match="at least 1 row"):
        probe(nn.Flatten(), (x[:0], y[:0]), TEST)
    with pytest.raises(ValueError, match=r"features of row 0 are .*not all finite"):
        probe(lambda x: x.flatten(1).log(), TRAIN, TEST)
    with pytest.raises(ValueError, match=r"k is 0|l2 is -1"):
        probe(nn.Flatten(), TRAIN, TEST, **({"k": 0} if probe is knn_probe else {"l2": -1}))
