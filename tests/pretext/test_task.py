"""The protocol: every task of the registry keeps it, and it catches what does not fit."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.data import world
from gencourse.evaluate import frozen_features
from gencourse.nets import ENCODERS, make_encoder
from gencourse.pretext import (
    CATEGORIES,
    NUM_INPUTS,
    TASKS,
    Contrastive,
    PretextTask,
    Rotation,
    frozen,
    make_task,
    pretext_loss,
    register,
)
from gencourse.train import fit, load

X = world(24, seed=1, num_shapes=1).x[:, 0]  # (24, 3, 16, 16)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ["rotation", "contrastive"])
class TestEveryTask:
    def task(self, name, **options):
        torch.manual_seed(0)
        return make_task(name, (3, 16, 16), widths=(8, 16), **options)

    def test_its_entry(self, name):
        assert TASKS[name].name == name
        assert TASKS[name].category in CATEGORIES and TASKS[name].takes in NUM_INPUTS

    def test_a_gradient_reaches_every_parameter(self, name):
        task = self.task(name)
        loss = pretext_loss(task, (X, torch.zeros(24)))
        assert loss.shape == () and loss.isfinite()
        loss.backward()
        assert all(p.grad.abs().sum() > 0 for p in task.parameters())

    def test_the_generator_decides(self, name):
        task = self.task(name).eval()
        losses = [float(task.loss((X,), generator=seeded(s)).detach()) for s in (0, 0, 1)]
        assert losses[0] == losses[1] != losses[2]
        assert task.score(X, generator=seeded()) == task.score(X, generator=seeded())

    def test_it_trains_is_saved_and_loaded(self, name, tmp_path):
        task = self.task(name)
        history = fit(task, TensorDataset(X), loss=pretext_loss, steps=3, batch_size=12,
                      progress=False, checkpoint=tmp_path / "task.pt")  # fmt: skip
        assert len(history.loss) == 3
        again = load(tmp_path / "task.pt")
        torch.testing.assert_close(frozen_features(again, X), frozen_features(task, X))

    def test_scoring_leaves_the_mode_and_no_gradient(self, name):
        task = self.task(name).train()
        before = {key: t.clone() for key, t in task.state_dict().items()}
        score = task.score(X)
        assert task.training and all(p.grad is None for p in task.parameters())
        assert all(torch.equal(before[key], t) for key, t in task.state_dict().items())
        assert score.metric in str(score) and score.higher_is_better

    def test_features_of_other_sizes(self, name):
        task = self.task(name)
        assert task.features(torch.rand(2, 3, 24, 24)).shape == (2, 16)

    def test_bad_input(self, name):
        task = self.task(name)
        with pytest.raises(ValueError, match=r"got shape \(24, 3, 8, 16\), expected"):
            pretext_loss(task, (X[:, :, :8],))
        with pytest.raises(ValueError, match="at least 1 row"):
            task.score(X[:0])
        with pytest.raises(ValueError, match="got 2 tensors, expected 1"):
            task.score(X, X)


def test_a_score_does_not_depend_on_batches_and_counts_all_rows():
    task = Rotation((3, 16, 16), widths=(8,))
    still = torch.zeros_like(X)
    scores = [task.score(still, batch_size=size, generator=seeded()) for size in (24, 24, 5)]
    assert scores[0] == scores[1] and scores[2].num_rows == 24
    assert scores[2].chance == pytest.approx(0.25)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoders_by_name(encoder):
    task = Rotation((3, 16, 16), encoder=encoder, widths=(16, 32))
    net = task.encoder
    maps = net.maps(X[:4])
    assert maps.shape[:2] == (4, net.num_features) and net(X[:4]).shape == (4, net.num_features)
    pretext_loss(task, (X[:4],)).backward()
    assert all(p.grad is not None for p in net.parameters())
    assert net.num_features == {"conv": 32, "vit": 32, "resnet18": 512}[encoder]


def test_resnet_18_is_torchvisions():
    from torchvision.models import resnet18

    from gencourse.nets import ResNet18

    theirs, ours = resnet18(weights=None).eval(), ResNet18(3, small=False).eval()
    theirs.fc = nn.Identity()
    tensors = list(theirs.state_dict().values())
    ours.load_state_dict(dict(zip(ours.state_dict(), tensors, strict=True)))
    x = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(ours(x), theirs(x))
    assert ResNet18(1).maps(torch.rand(2, 1, 16, 16)).shape == (2, 512, 2, 2)


def test_unknown_names():
    with pytest.raises(ValueError, match="encoder is 'alexnet', expected one of"):
        make_encoder("alexnet", (3, 16, 16))
    with pytest.raises(ValueError, match="in_channels is 0"):
        make_encoder("resnet18", (0, 16, 16))
    with pytest.raises(ValueError, match=r"event_shape is \(16, 16\)"):
        make_encoder("conv", (16, 16))
    with pytest.raises(ValueError, match="name is 'puzzle', expected one of"):
        make_task("puzzle", (3, 16, 16))
    with pytest.raises(ValueError, match=r"event_shape of Contrastive is \(3, 16\)"):
        Contrastive((3, 16))


def test_the_registry_refuses():
    with pytest.raises(ValueError, match="'rotation' is Rotation, expected another name"):

        @register
        class Again(PretextTask):
            name, category = "rotation", "time"

    with pytest.raises(ValueError, match="has category 'magic'"):

        @register
        class Magic(PretextTask):
            name, category = "magic", "magic"

    assert "magic" not in TASKS


class Guessing(PretextTask):
    """A game of two players in one loss: `fake` is to look real to `judge`."""

    name, category = "guessing", "reconstruction"

    def __init__(self, event_shape):
        super().__init__(event_shape, widths=(4,))
        self.maker = nn.Linear(4, 2)
        self.judge = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))


def test_frozen_teaches_what_made_the_input_only():
    task = Guessing((3, 16, 16))
    before = {key: t.clone() for key, t in task.judge.state_dict().items()}
    fake = task.maker(task.encoder(X))
    frozen(task.judge, fake).square().sum().backward()
    assert all(p.grad is None for p in task.judge.parameters())
    assert all(p.grad is not None for p in [*task.encoder.parameters(), *task.maker.parameters()])
    torch.testing.assert_close(frozen(task.judge.eval(), fake), task.judge(fake))
    assert torch.equal(task.judge[0].weight, before["0.weight"])
