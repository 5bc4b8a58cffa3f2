"""Checkpoints: what they hold, what they refuse, and that reading one runs no code."""

import pickle

import pytest
import torch
from torch import nn

import gencourse.nets.mlp
from gencourse.nets import MLP, MaskedLinear
from gencourse.protocols import Configurable
from gencourse.train import fit, load

X = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))


def loss(model, batch):
    return (model(batch[0]) - 1).square().mean()


def train(model, path, **options):
    defaults = {"steps": 2, "device": "cpu", "progress": False, "checkpoint": path}
    return fit(model, X, loss=loss, **defaults | options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.pt"


def test_load_makes_the_model_again(path):
    model = MLP(3, 2, hidden=[4, 5], activation="Tanh").double()
    fit(model, X.double(), loss=loss, steps=2, device="cpu", progress=False, checkpoint=path)
    loaded = load(path)
    assert type(loaded) is MLP and not loaded.training
    assert loaded.config == model.config
    assert loaded.config == {
        "in_features": 3,
        "out_features": 2,
        "hidden": [4, 5],
        "activation": "Tanh",
    }
    assert torch.equal(loaded(X.double()), model(X.double()))


def test_it_holds_plain_values_and_tensors_only(path):
    train(MLP(3, 1), path)
    state = torch.load(path, weights_only=True)
    assert state["class"] == "gencourse.nets.mlp:MLP" and state["format"] == 1
    assert len(state["history"]["loss"]) == 2
    assert [p.name for p in path.parent.iterdir()] == ["run.pt"]


class Student(Configurable, nn.Module):
    def __init__(self, width, extra=None):
        super().__init__()
        self.linear = nn.Linear(3, width)

    def forward(self, x):
        return self.linear(x)


def test_a_class_outside_of_the_package_is_not_imported_but_resumes(path):
    train(Student(2), path)
    with pytest.raises(ValueError, match="test_checkpoint:Student, and only classes of gencourse"):
        load(path)
    assert len(train(Student(2), path, steps=4, resume=True).loss) == 4


@pytest.mark.parametrize(
    "name, words",
    [
        ("os:system", "only classes of gencourse"),
        ("gencourse_evil:MLP", "only classes of gencourse"),
        ("gencourse.nets.mlp:Nothing", "unknown to this version"),
        ("gencourse.nothing:MLP", "unknown to this version"),
        ("gencourse.nets.mlp:itertools", "no Configurable class"),
    ],
)
def test_only_models_of_the_package_are_made(path, name, words):
    train(MLP(3, 1), path)
    torch.save(torch.load(path, weights_only=True) | {"class": name}, path)
    with pytest.raises(ValueError, match=words):
        load(path)


def test_a_pickle_with_code_does_not_run(path, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"format": 1, "class": "gencourse.nets.mlp:MLP", "config": Evil()}, path)
    with pytest.raises(ValueError, match="no readable checkpoint"):
        load(path)
    assert not (tmp_path / "ran").exists()
    path.write_bytes(pickle.dumps({"format": 1}, protocol=2))
    with pytest.raises(ValueError, match=r"run\.pt is no"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="no readable checkpoint"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.pt")


def test_another_model_or_another_run_is_refused_by_name(path):
    train(MLP(3, 1), path)
    with pytest.raises(ValueError, match=r"holds a gencourse\.nets\.mlp:MLP, expected .*Student"):
        train(Student(1), path, resume=True)
    with pytest.raises(ValueError, match="out_features is 2, but 1 in"):
        train(MLP(3, 2), path, resume=True)
    with pytest.raises(ValueError, match=r"lr is 0\.5, but 0\.001 in"):
        train(MLP(3, 1), path, resume=True, lr=0.5)
    with pytest.raises(ValueError, match="seed is 3, but 0 in"):
        train(MLP(3, 1), path, resume=True, seed=3)


def test_what_cannot_be_made_again_is_refused_before_training(path):
    with pytest.raises(ValueError, match="Linear is not Configurable"):
        train(nn.Linear(3, 1), path)
    with pytest.raises(ValueError, match="extra of Student is a ReLU, expected a plain value"):
        train(Student(1, extra=nn.ReLU()), path)
    assert not path.exists()


def test_a_run_that_dies_while_saving_leaves_the_checkpoint_before(path, monkeypatch):
    model = MLP(3, 1)
    train(model, path)
    saved = path.read_bytes()

    def half(state, file):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        train(model, path, steps=4, resume=True)
    assert path.read_bytes() == saved


def test_tensors_in_the_configuration_come_back(path, monkeypatch):
    class Masked(Configurable, MaskedLinear):
        def __init__(self, mask, generator=None):
            super().__init__(mask)

    Masked.__module__, Masked.__qualname__ = "gencourse.nets.mlp", "Masked"
    monkeypatch.setattr(gencourse.nets.mlp, "Masked", Masked, raising=False)
    mask = torch.tensor([[1, 0, 1], [0, 1, 0]])
    model = Masked(mask, generator=torch.Generator())
    assert list(model.config) == ["mask"]
    train(model, path)
    assert torch.equal(load(path)(X), model(X))
