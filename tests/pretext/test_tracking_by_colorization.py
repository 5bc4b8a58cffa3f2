"""Tracking by colourisation: the copy is exact where it can be, and carries masks and tracks."""

import pytest
import torch
from torch.utils.data import TensorDataset

from gencourse.data import world
from gencourse.data.shapes import COLOURS
from gencourse.evaluate import knn_probe, linear_probe
from gencourse.pretext import TrackingByColorization, pretext_loss
from gencourse.pretext.tracking_by_colorization import HUES, colour_classes, copy, lightness
from gencourse.train import fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class ByLightness(TrackingByColorization):
    """Recognises a pixel by its lightness alone: equal for equal ones, in any place."""

    def embed(self, grey):
        angle = grey.flatten(2).mT * torch.pi / 2
        return torch.cat([angle.cos(), angle.sin()], 2)


class TestColours:
    def test_a_colour_keeps_its_kind_as_it_fades(self):
        colours = torch.tensor(list(COLOURS.values())) / 255
        light = torch.linspace(0.5, 1, 20)
        kinds = colour_classes((colours[:, :, None] * light)[:, :, None])  # (6, 1, 20)
        assert (kinds == kinds[:, :, :1]).all() and (kinds > 0).all() and (kinds <= HUES).all()
        names = dict(zip(COLOURS, kinds[:, 0, 0].tolist(), strict=True))
        assert names.pop("blue") == names["cyan"], "of one hue"
        assert len(set(names.values())) == 5

    def test_grey_has_no_colour(self):
        grey = torch.rand(2, 1, 4, 4, generator=seeded()).expand(2, 3, 4, 4)
        assert not colour_classes(grey).any()
        assert not colour_classes(torch.tensor([0.5, 0.45, 0.5]).view(1, 3, 1, 1)).any()

    def test_hues_by_hand(self):
        red, green, blue = torch.eye(3)
        x = torch.stack([red, red + green, green, green + blue, blue, blue + red])
        # 0, 60, ..., 300 degrees in sectors of 45, rounding at 180 aside
        assert colour_classes(x[..., None, None]).flatten()[[0, 1, 2, 4, 5]].tolist() == [
            1, 2, 3, 6, 7]  # fmt: skip

    def test_lightness(self):
        x = torch.rand(2, 3, 4, 5, generator=seeded())
        r, g, b = x.unbind(1)
        torch.testing.assert_close(lightness(x)[:, 0], 0.299 * r + 0.587 * g + 0.114 * b)


class TestCopy:
    keys = torch.randn(3, 20, 16, generator=seeded(1), dtype=torch.float64)
    values = torch.rand(3, 20, 4, generator=seeded(2), dtype=torch.float64).softmax(2)

    def test_of_a_permuted_frame_it_is_exact(self):
        order = torch.randperm(20, generator=seeded())
        found = copy(self.keys[:, order] * 3, self.keys, self.values, temperature=1e-4)
        assert torch.equal(found, self.values[:, order])

    def test_where_keys_stand_does_not_matter(self):
        queries = torch.randn(3, 7, 16, generator=seeded(3), dtype=torch.float64)
        order = torch.randperm(20, generator=seeded())
        found = copy(queries, self.keys, self.values, temperature=0.2)
        again = copy(queries, self.keys[:, order], self.values[:, order], temperature=0.2)
        torch.testing.assert_close(found, again)
        torch.testing.assert_close(found.sum(2), torch.ones(3, 7, dtype=torch.float64))

    def test_by_hand(self):
        keys = torch.tensor([[[2.0, 0.0], [0.0, 5.0]]])
        query = torch.tensor([[[1.0, 0.0]]])
        found = copy(query, keys, torch.eye(2)[None], temperature=0.5)
        e = torch.tensor(2.0).exp()  # cosines 1 and 0
        torch.testing.assert_close(found[0, 0], torch.stack([e, e / e]) / (e + 1))


class TestTask:
    def test_the_two_frames_are_a_gap_apart_and_grey(self):
        w = world(30, seed=1, frames=8)
        task = TrackingByColorization((8, 3, 16, 16), gap=3)
        (before, after, known), (wanted, same) = task.make(w.x, generator=seeded())
        first = torch.randint(5, (30,), generator=seeded()).tolist()
        assert set(first) == {0, 1, 2, 3, 4} and torch.equal(known, same)
        for i, t in enumerate(first):
            assert torch.equal(before[i : i + 1], lightness(w.x[i, t : t + 1]))
            assert torch.equal(after[i : i + 1], lightness(w.x[i, t + 3 : t + 4]))
            assert torch.equal(wanted[i], colour_classes(w.x[i, t + 3][None]).flatten())
            assert torch.equal(known[i], colour_classes(w.x[i, t][None]).flatten())

    def test_a_permuted_frame_is_coloured_and_tracked_exactly(self):
        """Each pixel has a lightness of its own, and moves to any place: all are found again."""
        levels = torch.linspace(0.05, 0.6, 64, dtype=torch.float64)[
            torch.randperm(64, generator=seeded(6))
        ]
        frame = torch.stack([levels, levels, levels])
        frame[torch.randint(3, (64,), generator=seeded()), torch.arange(64)] += 0.4
        level = torch.einsum("cp,c->p", frame, torch.tensor([0.299, 0.587, 0.114]).double())
        assert level.sort().values.diff().min() > 1e-5
        order = torch.randperm(64, generator=seeded(4))
        video = torch.stack([frame, frame[:, order]]).view(1, 2, 3, 8, 8)
        task = ByLightness((2, 3, 8, 8), gap=1, temperature=1e-13)
        question, (wanted, known) = task.make(video)
        output = task(question)
        assert torch.equal(output.argmax(2), known[:, order]) and torch.equal(
            wanted, known[:, order]
        )
        assert task.measure(output, (wanted, known)) == 1
        labels = torch.randint(5, (1, 8, 8), generator=seeded(5))
        tracked = task.track(video, labels)
        assert torch.equal(tracked[:, 0], labels)
        assert torch.equal(tracked[0, 1].flatten(), labels.flatten()[order])

    def test_lightness_carries_the_mask_of_one_thing(self):
        w = world(20, seed=3, num_shapes=1)
        task = ByLightness((16, 3, 16, 16), temperature=1e-3)
        inside = (w.x.amax(2) > 0.2).long()
        tracked = task.track(w.x, inside[:, 0])
        assert (tracked == inside).double().mean() > 0.99
        assert (inside[:, :1] == inside).double().mean() < 0.93, "staying put is no answer"

    def test_tracking_sees_no_colours(self):
        w = world(4, seed=3)
        task = TrackingByColorization((16, 3, 16, 16), widths=(8, 8)).eval()
        grey = lightness(w.x.flatten(0, 1)).expand(-1, 3, -1, -1).unflatten(0, (4, 16))
        start = w.attributes["masks"][:, 0]
        assert torch.equal(task.track(w.x, start), task.track(grey, start))
        torch.testing.assert_close(task.features(w.x[:, 0]), task.features(grey[:, 0]))

    def test_in_a_still_clip_the_guess_is_right(self):
        w = world(9, seed=3, stationary=1.0)
        assert TrackingByColorization((16, 3, 16, 16)).score(w.x).chance == 1

    def test_a_colour_that_is_nowhere_costs_no_infinity(self):
        task = TrackingByColorization((5, 3, 16, 16))
        clips = torch.zeros(2, 5, 3, 16, 16)
        clips[:, 4, 0] = 1  # all is red at last, and was black
        loss = pretext_loss(task, (clips,))
        assert float(loss.detach()) == pytest.approx(9.21, abs=0.01)

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"event_shape is \(4, 3, 16, 16\), gap is 4"):
            TrackingByColorization((4, 3, 16, 16))
        with pytest.raises(ValueError, match=r"expected \(T, 3, H, W\)"):
            TrackingByColorization((8, 1, 16, 16))
        with pytest.raises(ValueError, match=r"temperature is 0\.0"):
            TrackingByColorization((8, 3, 16, 16), temperature=0.0)


def centres(masks):
    """Centres of mass of masks, (..., S, S) of bool -> (..., 2), and whether there is one."""
    s = masks.shape[-1]
    weight = masks.double()
    place = (torch.arange(s) + 0.5) / s
    mass = weight.sum((-1, -2))
    across, down = ((weight.sum(d) * place).sum(-1) / mass.clamp_min(1) for d in (-2, -1))
    return torch.stack([across, down], -1), mass > 0


@pytest.mark.slow
def test_tracking_emerges():
    """Measured in 15 s of processor time: IoU after 4 frames 0.46, staying put 0.09.

    Shape of single frames: linear 0.47 -> 0.57, k-NN 0.67 -> 0.78.
    """
    clips = world(2000, seed=1)
    a, b = (world(2000, seed=seed, num_shapes=1) for seed in (2, 3))
    train, test = (a.x[:, 0], a.y), (b.x[:, 0], b.y)
    torch.manual_seed(0)
    task = TrackingByColorization((16, 3, 16, 16))
    before = [probe(task, train, test).mean for probe in (linear_probe, knn_probe)]
    fit(task, TensorDataset(clips.x), loss=pretext_loss, steps=400, batch_size=32, lr=3e-3,
        progress=False)  # fmt: skip
    after = [probe(task, train, test).mean for probe in (linear_probe, knn_probe)]
    assert after[0] > before[0] + 0.05 and after[1] > before[1] + 0.05
    held = world(300, seed=7)
    masks, tracks = held.attributes["masks"], held.attributes["tracks"]
    found = task.eval().track(held.x, masks[:, 0])
    for thing in (0, 1):
        here, there = found[:, 4] == thing + 1, masks[:, 4] == thing + 1
        start = masks[:, 0] == thing + 1
        both, either = (here & there).sum((1, 2)), (here | there).sum((1, 2)).clamp_min(1)
        stay = (start & there).sum((1, 2)) / (start | there).sum((1, 2)).clamp_min(1)
        assert (both / either).mean() > stay.mean() + 0.2
        where, seen = centres(here)
        off = (where - tracks[:, 4, thing]).norm(dim=-1)[seen].mean()
        moved = (tracks[:, 0, thing] - tracks[:, 4, thing]).norm(dim=-1)[seen].mean()
        assert off < 0.6 * moved
