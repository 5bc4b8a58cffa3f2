"""What all tasks of video have in common, and each has to do."""

import pytest
import torch
from torch.utils.data import TensorDataset

from gencourse.data import world
from gencourse.evaluate import frozen_features
from gencourse.pretext import TASKS, make_task, pretext_loss
from gencourse.train import fit, load

NAMES = (
    "frame_prediction",
    "odd_one_out",
    "temporal_order",
    "time_contrastive",
    "tracking_by_colorization",
    "watching_motion",
)
SHAPE = (12, 3, 16, 16)
CLIPS = world(12, seed=1, frames=12).x


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def task_of(name, **options):
    torch.manual_seed(0)
    return make_task(name, SHAPE, **{"widths": (8, 16), **options})


def flat(nested):
    return [nested] if isinstance(nested, torch.Tensor) else [t for n in nested for t in flat(n)]


@pytest.mark.parametrize("name", NAMES)
class TestEachTask:
    def test_its_entry(self, name):
        assert TASKS[name].name == name
        assert TASKS[name].category == "time" and TASKS[name].takes == "video"

    def test_a_gradient_reaches_every_parameter(self, name):
        task = task_of(name)
        pretext_loss(task, (CLIPS, torch.zeros(12))).backward()
        silent = [key for key, p in task.named_parameters() if not p.grad.abs().sum() > 0]
        assert not silent

    def test_seeds(self, name):
        task = task_of(name).eval()
        questions = [flat(task.make(CLIPS, generator=seeded(s))) for s in (3, 3, 4)]
        assert all(torch.equal(a, b) for a, b in zip(*questions[:2], strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(*questions[1:], strict=True))
        assert task.score(CLIPS, generator=seeded()) == task.score(CLIPS, generator=seeded())

    def test_clips_are_independent(self, name):
        """In evaluation mode the answer to one clip does not depend on the others."""
        task = task_of(name).eval()
        question, _ = task.make(CLIPS, generator=seeded())
        some = question[3:5] if isinstance(question, torch.Tensor) else [q[3:5] for q in question]
        torch.testing.assert_close(task(some), task(question)[3:5])

    def test_one_clip_and_double_precision(self, name):
        task = task_of(name).double()
        loss = pretext_loss(task, (CLIPS[:1].double(),))
        assert loss.dtype == torch.float64 and loss.isfinite()
        loss.backward()
        features = task.features(CLIPS[:1, 0].double())
        assert features.shape == (1, 16) and features.dtype == torch.float64
        assert task.score(CLIPS[:1].double()).num_rows == 1

    def test_no_clip_is_changed(self, name):
        before = CLIPS.clone()
        task = task_of(name)
        pretext_loss(task, (CLIPS,))
        task.score(CLIPS)
        assert torch.equal(CLIPS, before)

    def test_features_are_of_single_pictures_of_any_size(self, name):
        task = task_of(name)
        assert task.features(torch.rand(5, 3, 24, 20)).shape == (5, 16)
        assert frozen_features(task, CLIPS[:, 0]).shape == (12, 16)

    @pytest.mark.parametrize("encoder", ["resnet18", "vit"])
    def test_other_encoders(self, name, encoder):
        task = task_of(name, encoder=encoder)
        pretext_loss(task, (CLIPS[:2],)).backward()
        assert task.score(CLIPS[:2]).num_rows == 2

    def test_frames_that_are_no_square(self, name):
        torch.manual_seed(0)
        task = make_task(name, (12, 3, 20, 13), widths=(8, 16))
        clips = torch.rand(2, 12, 3, 20, 13)
        pretext_loss(task, (clips,)).backward()
        assert task.score(clips).num_rows == 2

    def test_it_trains_is_saved_and_loaded(self, name, tmp_path):
        task = task_of(name)
        fit(task, TensorDataset(CLIPS), loss=pretext_loss, steps=3, batch_size=6,
            progress=False, checkpoint=tmp_path / "task.pt")  # fmt: skip
        again = load(tmp_path / "task.pt")
        torch.testing.assert_close(frozen_features(again, CLIPS[:, 0]),
                                   frozen_features(task, CLIPS[:, 0]))  # fmt: skip

    def test_clips_too_short(self, name):
        with pytest.raises(ValueError, match=r"(1, 3, 16, 16)|clips have 1 frames"):
            make_task(name, (1, 3, 16, 16))
        with pytest.raises(ValueError, match=r"got shape \(12, 3, 3, 16, 16\), expected"):
            pretext_loss(task_of(name), (CLIPS[:, :3],))
        with pytest.raises(ValueError, match=r"is \(3, 16, 16\), expected \(T, C, H, W\)"):
            make_task(name, (3, 16, 16))
