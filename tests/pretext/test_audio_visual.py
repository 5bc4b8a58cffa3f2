"""Audio-visual correspondence: what belongs together, where it is, and what is never asked for."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import TensorDataset

from gencourse.data import shapes, world
from gencourse.evaluate import linear_probe
from gencourse.losses import info_nce
from gencourse.pretext import AudioVisual, pretext_loss
from gencourse.pretext.audio_visual import audible, spectrum
from gencourse.train import fit, load

W = world(8, seed=1)
VIDEO, SOUND = W.x, W.attributes["sound"]
QUESTIONS = pytest.mark.parametrize("question", ["pair", "which"])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make_task(question="pair", **options):
    torch.manual_seed(0)
    return AudioVisual((16, 3, 16, 16), question=question, **{"widths": (8, 16), **options})


def single_bounces(data):
    """Return frames in which one thing alone sounds, the sound, its number and the masks."""
    bounces, sound = data.attributes["bounces"], data.attributes["sound"]
    some = bounces.any(2)
    alone = bounces.sum(2) == 1
    alone[:, 1:] &= ~some[:, :-1]
    alone[:, :-1] &= ~some[:, 1:]
    alone[:, -1] = False
    clip, frame = alone.nonzero().T
    heard = torch.stack([sound[clip, frame], sound[clip, frame + 1]], 1)
    thing = bounces[clip, frame].int().argmax(1)
    return clip, data.x[clip, frame], heard, thing, data.attributes["masks"][clip, frame]


@torch.no_grad()
def pointed_at(task, data):
    """Return whether the map's maximum lies on the thing that sounds, and on the other one."""
    clip, frames, heard, thing, masks = single_bounces(data)
    where = task.localise(frames, heard).flatten(1).argmax(1, keepdim=True)
    found = masks.flatten(1).gather(1, where)[:, 0].long()
    shape = data.attributes["shape"][clip, thing]
    return found == thing + 1, (found > 0) & (found != thing + 1), shape


class TestQuestion:
    def test_sound_and_picture_are_of_one_moment(self):
        frame = torch.arange(16.0)
        video = frame[:, None, None, None].expand(5, 16, 3, 16, 16)
        sound = (1 + frame)[:, None].expand(5, 16, 128) * torch.arange(1, 6)[:, None, None]
        (frames, heard), target = make_task().make(video, sound, generator=seeded())
        moment = frames[:, 0, 0, 0]
        expected = torch.stack([1 + moment, 2 + moment], 1) * torch.arange(1, 6)[:, None]
        assert torch.equal(heard[..., 0], expected) and heard.shape == (5, 2, 128)
        assert target.tolist() == [0, 1, 2, 3, 4] and len(moment.unique()) > 1

    def test_moments_are_drawn_by_their_energy(self):
        sound = torch.zeros(4000, 16, 128)
        sound[:, 3], sound[:, 7], sound[:, 15] = 1.0, 2.0, 9.0  # energies 1 to 4; 15 has no after
        video = torch.arange(16.0)[:, None, None, None].expand(4000, 16, 3, 1, 1)
        (frames, _), _ = make_task().make(video, sound, generator=seeded())
        counts = frames[:, 0, 0, 0].long().bincount(minlength=16)
        assert counts[3] + counts[7] == 4000
        assert abs(int(counts[7]) - 3200) < 4 * math.sqrt(4000 * 0.2 * 0.8)

    def test_spectrum_of_a_pure_tone(self):
        time = torch.arange(256.0)
        tone = (2 * math.pi * 20 * time / 256).cos().reshape(1, 2, 128)
        found = spectrum(tone)
        assert found.shape == (1, 129) and found.argmax() == 20
        assert float(found[0, 20]) == pytest.approx(math.log(1 + 128), rel=1e-5)

    def test_audible(self):
        sound = torch.zeros(3, 4, 5)
        sound[1, 2, 3] = -0.1
        assert audible(sound).tolist() == [False, True, False]


class TestScores:
    def test_the_score_is_the_best_place(self):
        task = make_task("which").eval()
        (frames, heard), _ = task.make(VIDEO, SOUND, generator=seeded())
        found = task((frames, heard))
        places, voices = task.embed_frames(frames), task.embed_sound(heard)
        assert places.shape == (8, 32, 4, 4) and voices.shape == (8, 32)
        for i in range(8):
            for j in range(8):
                cosines = [
                    F.cosine_similarity(places[i, :, r, c], voices[j], dim=0)
                    for r in range(4)
                    for c in range(4)
                ]
                torch.testing.assert_close(found[i, j], 10 * torch.stack(cosines).max())

    def test_the_map_of_similarities_is_the_one_that_is_scored(self):
        task = make_task("which").eval()
        (frames, heard), _ = task.make(VIDEO, SOUND, generator=seeded())
        small = F.avg_pool2d(frames, 1)  # the map itself: a picture as large as its own map
        maps = torch.einsum("behw,be->bhw", task.embed_frames(small), task.embed_sound(heard))
        torch.testing.assert_close(task((frames, heard)).diagonal(), 10 * maps.amax((1, 2)))
        pixels = task.localise(frames, heard)
        assert pixels.shape == (8, 16, 16)
        torch.testing.assert_close(  # between the middles of cells bilinear values are means
            F.avg_pool2d(pixels[:, None, 6:10, 6:10], 4)[:, 0, 0, 0],
            maps[:, 1:3, 1:3].mean((1, 2)),
        )

    def test_which_is_info_nce_when_there_is_one_place(self):
        task = make_task("which", widths=(8, 8, 8, 16)).eval()
        question, target = task.make(VIDEO, SOUND, generator=seeded())
        places = task.embed_frames(question[0])
        assert places.shape[2:] == (1, 1)
        expected = info_nce(places.flatten(1), task.embed_sound(question[1]), temperature=0.1)
        torch.testing.assert_close(task.criterion(task(question), target), expected)

    def test_right_and_wrong_pairs_count_one_half_each(self):
        task, target = make_task(), torch.arange(3)
        output = torch.tensor([[2.0, -1, 1], [-1, -3, -1], [0.5, -2, 4]])
        expected = [0.75, 0.5, 0.75]  # own pair right, wrong, right; others 1/2, 1, 1/2
        assert task.measure(output, target).tolist() == expected

        def cost(z):
            return math.log1p(math.exp(z))

        rows = [
            cost(-2) + (cost(-1) + cost(1)) / 2,
            cost(3) + (cost(-1) + cost(-1)) / 2,
            cost(-4) + (cost(0.5) + cost(-2)) / 2,
        ]
        assert float(task.criterion(output, target)) == pytest.approx(sum(rows) / 6)

    def test_one_answer_for_all_is_chance(self):
        task, target = make_task(), torch.arange(9)
        for z in (-5.0, 0.0, 5.0):
            output = torch.full((9, 9), z)
            assert float(task.measure(output, target).mean()) == 0.5 == task.guess(output, target)
        assert float(task.criterion(torch.zeros(9, 9), target)) == pytest.approx(math.log(2))
        which = make_task("which")
        assert which.guess(torch.zeros(9, 9), target) == pytest.approx(1 / 9)


@QUESTIONS
class TestProtocol:
    def test_a_gradient_reaches_every_parameter(self, question):
        task = make_task(question)
        loss = pretext_loss(task, (VIDEO, SOUND, torch.zeros(8)))
        assert loss.shape == () and loss.isfinite()
        loss.backward()
        assert all(p.grad.abs().sum() > 0 for p in task.parameters())

    def test_the_generator_decides(self, question):
        task = make_task(question).eval()
        losses = [
            float(task.loss((VIDEO, SOUND), generator=seeded(s)).detach()) for s in (0, 0, 1)
        ]
        assert losses[0] == losses[1] != losses[2]
        assert task.score(VIDEO, SOUND, generator=seeded()) == task.score(
            VIDEO, SOUND, generator=seeded()
        )

    def test_double_precision(self, question):
        task = make_task(question).eval()
        # the moments are drawn in the sound's precision:
        # with one loud frame both draw the same
        quiet = torch.zeros_like(SOUND)
        quiet[:, 4:6] = torch.rand(8, 1, 128, generator=seeded())
        quiet[:, 5] = 0
        single = task.loss((VIDEO, quiet), generator=seeded())
        double = task.double().loss((VIDEO.double(), quiet.double()), generator=seeded())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), single, rtol=1e-4, atol=1e-5)

    def test_saved_and_loaded(self, question, tmp_path):
        task = make_task(question)
        fit(task, TensorDataset(VIDEO, SOUND), loss=pretext_loss, steps=2, batch_size=4,
            progress=False, checkpoint=tmp_path / "task.pt")  # fmt: skip
        again = load(tmp_path / "task.pt")
        score = task.score(VIDEO, SOUND, generator=seeded())
        assert again.score(VIDEO, SOUND, generator=seeded()) == score
        assert score.metric == {"pair": "accuracy", "which": "retrieval accuracy"}[question]
        assert again.features(torch.rand(2, 3, 24, 24)).shape == (2, 16)

    def test_bad_data(self, question):
        task = make_task(question)
        silent = SOUND.clone()
        silent[3] = 0
        with pytest.raises(ValueError, match="sound of clip 3 is silent"):
            pretext_loss(task, (VIDEO, silent))
        silent[3, -1] = 1  # the last frame, which has nothing after it
        with pytest.raises(ValueError, match="sound of clip 3 is silent"):
            task.score(VIDEO, silent)
        with pytest.raises(ValueError, match="video has 1 clip, expected at least 2"):
            pretext_loss(task, (VIDEO[:1], SOUND[:1]))
        with pytest.raises(ValueError, match=r"sound has shape \(8, 15, 128\), expected"):
            pretext_loss(task, (VIDEO, SOUND[:, 1:]))
        with pytest.raises(ValueError, match="got 1 tensors, expected 2"):
            task.score(VIDEO)


def test_bad_arguments():
    with pytest.raises(ValueError, match="question is 'what', expected one of"):
        make_task("what")
    with pytest.raises(ValueError, match="listen is 17"):
        make_task(listen=17)


def test_a_world_of_silent_things_asks_nothing():
    """The blind spot at its purest: no clip is left to learn from."""
    mute = world(4, seed=1, num_shapes=1, silent=("circle", "square", "triangle"))
    assert not audible(mute.attributes["sound"]).any()
    with pytest.raises(ValueError, match="sound of clip 0 is silent"):
        pretext_loss(make_task(), (mute.x, mute.attributes["sound"]))


@pytest.fixture(scope="module")
def trained():
    data = world(600, seed=1)
    torch.manual_seed(0)
    task = AudioVisual((16, 3, 16, 16), widths=(16, 32))
    pairs = TensorDataset(data.x, data.attributes["sound"])
    fit(task, pairs, loss=pretext_loss, steps=120, batch_size=64, lr=5e-3, progress=False)
    return task


def test_correspondence_is_learnt_and_is_gone_when_sounds_are_exchanged(trained):
    test = world(400, seed=2)
    sound = test.attributes["sound"]
    score = trained.score(test.x, sound, generator=seeded())
    assert score.chance == 0.5 and score.value > 0.75
    exchanged = trained.score(test.x, sound.roll(1, 0), generator=seeded())
    # the frame's share of right answers has a deviation below 1/2
    assert abs(exchanged.value - 0.5) < 4 * 0.5 / 400**0.5


def test_the_map_points_to_what_sounds(trained):
    own, other, _ = pointed_at(trained, world(300, seed=2))
    assert float(own.float().mean()) > 0.25 > 0.05 > float(other.float().mean())


@torch.no_grad()
def accepted(task, data):
    """Return for each shape how often a thing's own sound is said to go with its picture."""
    clip, frames, heard, thing, _ = single_bounces(data)
    parts = zip(frames.split(200), heard.split(200), strict=True)
    yes = torch.cat([task(part).diagonal() > 0 for part in parts]).float()
    shape = data.attributes["shape"][clip, thing]
    return [float(yes[shape == s].mean()) for s in range(3)]


def test_a_silent_shape_is_a_blind_spot():
    """Circles never sounded: when they do, their sound is held to be another thing's."""
    data = world(1500, seed=1, silent=("circle",))
    sound = data.attributes["sound"]
    heard = audible(sound[:, :-1])
    assert 0.8 < heard.float().mean() < 1  # clips of two circles are gone
    torch.manual_seed(0)
    task = AudioVisual((16, 3, 16, 16), widths=(16, 32))
    pairs = TensorDataset(data.x[heard], sound[heard])
    fit(task, pairs, loss=pretext_loss, steps=350, lr=5e-3, batch_size=64, progress=False)
    circle, square, triangle = accepted(task, world(600, seed=2))
    assert circle < 0.6 and min(square, triangle) > 0.8


@pytest.mark.slow
def test_features_beat_a_random_encoder():
    data = world(4000, seed=1)
    train, test = shapes(3000, seed=3, size=16), shapes(2000, seed=4, size=16)
    torch.manual_seed(0)
    task = AudioVisual((16, 3, 16, 16), question="which")
    before = linear_probe(task, (train.x, train.y), (test.x, test.y)).mean
    pairs = TensorDataset(data.x, data.attributes["sound"])
    fit(task, pairs, loss=pretext_loss, steps=1200, lr=3e-3, progress=False)
    assert linear_probe(task, (train.x, train.y), (test.x, test.y)).mean > before + 0.1
