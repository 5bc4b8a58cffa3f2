"""Order of frames: what is drawn, and that there is no answer where time has no arrow."""

import itertools

import pytest
import torch
from torch.utils.data import TensorDataset

from gencourse.data import world
from gencourse.evaluate import knn_probe, linear_probe
from gencourse.pretext import OddOneOut, TemporalOrder, TimeContrastive, make_task, pretext_loss
from gencourse.pretext.temporal_order import frames_at
from gencourse.train import fit

CLOCK = torch.arange(16.0).view(1, 16, 1, 1, 1).expand(4000, 16, 1, 8, 8)  # shows its time


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def shown(frames):
    """The times that frames of the clock show."""
    return frames[..., 0, 0, 0].long()


def at_chance(score, chance):
    return abs(score.value - chance) < 4 * (chance * (1 - chance) / score.num_rows) ** 0.5


def test_frames_at_takes_each_clips_own():
    video = torch.rand(3, 5, 2, 4, 4, generator=seeded())
    times = torch.tensor([[0, 4], [2, 2], [3, 1]])
    found = frames_at(video, times)
    for clip, picked in enumerate(times.tolist()):
        assert torch.equal(found[clip], video[clip, picked])


class TestOrder:
    def test_what_is_drawn(self):
        task = TemporalOrder((16, 1, 8, 8), widths=(4,))
        frames, target = task.make(CLOCK, generator=seeded())
        times = shown(frames)
        turned = times[:, 0] > times[:, 2]
        times = torch.where(turned[:, None], times.flip(1), times)
        first, middle, last = times.unbind(1)
        assert (last - first == 4).all(), "stride 2: only the one between tells"
        assert torch.equal(middle - first == 2, target == 1)
        for outside in (-2, 6):
            assert 850 < int((middle - first == outside).sum()) < 1150
        assert 1850 < int(target.sum()) < 2150 and 1850 < int(turned.sum()) < 2150
        assert times.min() == 0 and times.max() == 15, "all of the clip is used"

    def test_direction(self):
        task = TemporalOrder((16, 1, 8, 8), question="direction", stride=3, widths=(4,))
        frames, target = task.make(CLOCK, generator=seeded())
        steps = shown(frames).diff(dim=1)
        assert torch.equal(steps, (6 * target - 3)[:, None].expand(-1, 2))
        assert 1850 < int(target.sum()) < 2150

    def test_without_motion_there_is_no_order(self):
        """Any single frame is as probable in both answers: trained on still clips, it guesses."""
        torch.manual_seed(0)
        task = TemporalOrder((9, 3, 16, 16), widths=(8,))
        still = world(300, seed=1, frames=9, stationary=1.0)
        fit(task, TensorDataset(still.x), loss=pretext_loss, steps=60, batch_size=50, lr=1e-2,
            progress=False)  # fmt: skip
        test = world(1500, seed=2, frames=9, stationary=1.0)
        assert at_chance(task.score(test.x, generator=seeded()), 0.5)

    def test_bad_input(self):
        with pytest.raises(
            ValueError, match="clips have 8 frames, expected at least 9 for 'order'"
        ):
            TemporalOrder((8, 3, 16, 16))
        with pytest.raises(ValueError, match="clips have 4 frames, expected at least 5"):
            TemporalOrder((4, 3, 16, 16), question="direction")
        with pytest.raises(ValueError, match="question is 'odd' and stride is 2"):
            TemporalOrder((16, 3, 16, 16), question="odd")
        with pytest.raises(ValueError, match="stride is 0"):
            TemporalOrder((16, 3, 16, 16), stride=0)


class TestArrowOfTime:
    """A frictionless bounce is as likely backwards; with friction the faster end is the first."""

    def trained(self, friction):
        kind = {"num_shapes": 1, "frames": 11, "friction": friction}
        torch.manual_seed(0)
        task = TemporalOrder((11, 3, 16, 16), question="direction", stride=5)
        fit(task, TensorDataset(world(1000, seed=1, **kind).x), loss=pretext_loss, steps=100,
            batch_size=64, lr=3e-3, progress=False)  # fmt: skip
        return task, task.score(world(1500, seed=2, **kind).x, generator=seeded())

    def test_elastic_clips_leave_chance(self):
        _, score = self.trained(0.0)
        assert score.chance == 0.5 and at_chance(score, 0.5)

    def test_friction_gives_it_away(self):
        task, score = self.trained(0.4)
        assert score.value > 0.8
        elastic = world(1500, seed=3, num_shapes=1, frames=11).x
        assert at_chance(task.score(elastic, generator=seeded()), 0.5), "the same network"


class TestOddOneOut:
    def test_what_is_drawn(self):
        task = OddOneOut((16, 1, 8, 8), num_parts=4, stride=3, widths=(4,))
        frames, odd = task.make(CLOCK, generator=seeded())
        times = shown(frames)  # (B, N, 3)
        assert times.shape == (4000, 4, 3)
        steps = times.diff(dim=2)
        straight = (steps[..., 0] == steps[..., 1]) & (steps[..., 0].abs() == 3)
        expected = torch.arange(4) != odd[:, None]
        assert torch.equal(straight, expected)
        spread = times.sort(2).values
        assert (spread[..., 2] - spread[..., 0] == 6).all() and (spread.diff(dim=2) == 3).all()
        orders = {tuple(o) for o in times[~straight].argsort(1).tolist()}
        everything = set(itertools.permutations(range(3)))
        assert orders == everything - {(0, 1, 2), (2, 1, 0)}
        assert (odd.bincount() - 1000).abs().max() < 130
        turned = (steps[..., 0] < 0)[straight].double().mean()
        assert abs(turned - 0.5) < 0.03
        assert len(times.amin(2).unique()) == 10, "each part starts at a time of its own"

    def test_the_score_of_a_part_does_not_depend_on_its_place(self):
        task = OddOneOut((16, 3, 16, 16), widths=(8,)).eval()
        frames, _ = task.make(world(5, seed=1).x, generator=seeded())
        order = [2, 0, 1]
        torch.testing.assert_close(task(frames[:, order]), task(frames)[:, order])

    def test_bad_input(self):
        with pytest.raises(ValueError, match="clips have 6 frames, expected at least 7"):
            OddOneOut((6, 3, 16, 16))
        with pytest.raises(ValueError, match="num_parts is 1 and stride is 3"):
            OddOneOut((16, 3, 16, 16), num_parts=1)


class TestTimeContrastive:
    def test_what_is_drawn(self):
        task = TimeContrastive((16, 1, 8, 8), near=2, far=7, widths=(4,))
        frames, _ = task.make(CLOCK, generator=seeded())
        anchor, positive, negative = shown(frames).unbind(1)
        near, far = (positive - anchor).abs(), (negative - anchor).abs()
        assert set(near.tolist()) == {1, 2} and far.min() == 7 and far.max() == 15
        assert len(anchor.unique()) == len(positive.unique()) == len(negative.unique()) == 16
        # uniform: anchor 0 has positives 1 and 2, and negatives 7 to 15
        at_start = anchor == 0
        assert abs((positive[at_start] == 1).double().mean() - 0.5) < 0.15
        assert len(negative[at_start].unique()) == 9

    def test_still_clips_are_worth_a_half(self):
        still = world(20, seed=1, stationary=1.0).x
        score = TimeContrastive((16, 3, 16, 16), widths=(8,)).score(still)
        assert score.value == score.chance == 0.5

    def test_the_measure_by_hand(self):
        task = TimeContrastive((16, 3, 16, 16), widths=(4,))
        e = torch.tensor([[[0.0, 1], [0, 2], [0, 3]], [[0, 1], [0, 3], [0, 2]]])
        assert task.measure(e, torch.zeros(2)).tolist() == [1, 0]

    def test_place_is_learnt_in_a_few_steps(self):
        torch.manual_seed(0)
        task = TimeContrastive((16, 3, 16, 16), widths=(16, 32))
        kind = {"num_shapes": 1}
        fit(task, TensorDataset(world(300, seed=1, **kind).x), loss=pretext_loss, steps=60,
            batch_size=50, lr=3e-3, progress=False)  # fmt: skip
        assert task.score(world(300, seed=2, **kind).x, generator=seeded()).value > 0.85

    def test_bad_input(self):
        with pytest.raises(ValueError, match="clips have 7 frames, expected at least 8"):
            TimeContrastive((7, 3, 16, 16))
        TimeContrastive((8, 3, 16, 16))
        with pytest.raises(ValueError, match="near is 4 and far is 4"):
            TimeContrastive((16, 3, 16, 16), near=4)


def places(w):
    """In which of 5 x 5 cells thing 0 of frame 0 is."""
    column, row = (w.attributes["tracks"][:, 0, 0] * 5).long().unbind(1)
    return row * 5 + column


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "solved"),
    [("temporal_order", 1200, 0.8), ("odd_one_out", 600, 0.8), ("time_contrastive", 600, 0.93)],
)
def test_place_is_learnt_and_the_kind_is_not(name, steps, solved):
    """Measured in 12, 14 and 7 s of processor time.

    25 places, linear: a random encoder 0.86; order 0.90, odd one out 0.88, time-contrastive 0.93.
    Colour, k-NN: a random encoder 0.76; 0.26, 0.26 and 0.36.
    """
    clips, a, b = (world(2000, seed=seed, num_shapes=1) for seed in (1, 2, 3))
    x, x_test = a.x[:, 0], b.x[:, 0]
    torch.manual_seed(0)
    task = make_task(name, (16, 3, 16, 16))

    def probe():
        where = linear_probe(task, (x, places(a)), (x_test, places(b))).mean
        colours = (w.attributes["colour"][:, 0] for w in (a, b))
        return where, knn_probe(task, *zip((x, x_test), colours, strict=True)).mean

    where, colour = probe()
    fit(task, TensorDataset(clips.x), loss=pretext_loss, steps=steps, batch_size=64, lr=3e-3,
        progress=False)  # fmt: skip
    assert task.score(b.x, generator=seeded()).value > solved
    where_after, colour_after = probe()
    assert where_after > where + (0.04 if name == "time_contrastive" else 0.01)
    assert colour_after < colour - 0.2, "no reason to tell colours apart"
