"""What the tasks that reconstruct, and CPC, have in common; and what their features are worth."""

import pytest
import torch
from torch.utils.data import TensorDataset

from gencourse.data import digits, world
from gencourse.evaluate import frozen_features, linear_probe
from gencourse.pretext import TASKS, make_task, pretext_loss
from gencourse.train import fit, load

NAMES = ("denoising", "context_encoder", "colorization", "split_brain", "upsampling", "cpc")
DRAWS = ("denoising", "context_encoder")  # the questions of the others hold no chance
X = world(16, seed=1, num_shapes=1, frames=1, background="sky").x[:, 0]  # (16, 3, 16, 16)


def small(name):
    torch.manual_seed(0)
    return make_task(name, (3, 16, 16), widths=(8, 16))


@pytest.mark.parametrize("name", NAMES)
class TestEveryTask:
    def test_it_trains_is_saved_and_loaded(self, name, tmp_path):
        task = small(name)
        fit(task, TensorDataset(X, torch.zeros(16)), loss=pretext_loss, steps=3, batch_size=8,
            progress=False, checkpoint=tmp_path / "task.pt")  # fmt: skip
        again = load(tmp_path / "task.pt")
        assert again.config == task.config and type(again) is TASKS[name]
        torch.testing.assert_close(frozen_features(again, X), frozen_features(task, X))

    def test_the_generator_decides(self, name):
        task = small(name).eval()
        losses = [
            float(task.loss((X,), generator=torch.Generator().manual_seed(seed)).detach())
            for seed in (0, 0, 1)
        ]
        assert losses[0] == losses[1]
        assert (losses[0] != losses[2]) == (name in DRAWS)

    def test_scoring_leaves_everything_as_it_was(self, name):
        task = small(name).train()
        before = {key: t.clone() for key, t in task.state_dict().items()}
        score = task.score(X)
        assert task.training and all(p.grad is None for p in task.parameters())
        assert all(torch.equal(before[key], t) for key, t in task.state_dict().items())
        assert score.higher_is_better != ("error" in score.metric)

    def test_features_of_other_sizes(self, name):
        assert small(name).features(torch.rand(2, 3, 24, 24)).shape == (2, 16)

    def test_features_do_not_depend_on_the_batch(self, name):
        task = small(name).eval()
        torch.testing.assert_close(task.features(X)[3:4], task.features(X[3:4]))

    def test_bad_input(self, name):
        with pytest.raises(ValueError, match=r"got shape \(16, 3, 8, 16\), expected"):
            pretext_loss(small(name), (X[:, :, :8],))
        with pytest.raises(ValueError, match="at least 1 row"):
            small(name).score(X[:0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "gain"), [("denoising", 0.01), ("context_encoder", 0.005), ("cpc", 0.05)]
)
def test_digits_from_ten_labels_a_class(name, gain):
    """Linear probe with ten labels a class; random features are those of the same network."""
    data = digits()
    order = torch.randperm(len(data.x), generator=torch.Generator().manual_seed(0))
    x, y = data.x[order], data.y[order]
    train, test = (x[:1200], y[:1200]), (x[1200:], y[1200:])
    torch.manual_seed(0)
    task = make_task(name, (1, 8, 8), widths=(32, 64)).eval()
    before = linear_probe(task, train, test, labels=10).mean
    options = {"steps": 800, "lr": 3e-3, "batch_size": 64 if name == "cpc" else 128}
    fit(task, train[0], loss=pretext_loss, progress=False, **options)
    assert linear_probe(task, train, test, labels=10).mean > before + gain
    score = task.score(test[0])
    assert (score.value < score.chance / 2) != score.higher_is_better


@pytest.mark.slow
def test_split_brain_knows_colours_and_shapes():
    """18 classes, colour x shape, before a sky: the gain is more than three standard errors."""

    def pictures(n, seed):
        data = world(n, seed=seed, frames=1, num_shapes=1, background="sky")
        a = data.attributes
        return data.x[:, 0], a["shape"][:, 0] * 6 + a["colour"][:, 0]

    train, test = pictures(2000, 1), pictures(2000, 2)
    torch.manual_seed(0)
    task = make_task("split_brain", (3, 16, 16)).eval()
    before = linear_probe(task, train, test)
    fit(task, pictures(8000, 0)[0], loss=pretext_loss, steps=800, lr=3e-3, progress=False)
    after = linear_probe(task, train, test)
    assert after.mean > before.mean + 0.04
