"""Narration: bags of candidates, MIL-NCE, and what misaligned or exchanged sentences teach."""

import math

import pytest
import torch
from torch.utils.data import TensorDataset

from gencourse.data import WORLD_WORDS, shapes, world
from gencourse.evaluate import linear_probe
from gencourse.losses import info_nce
from gencourse.pretext import Narration, pretext_loss
from gencourse.train import fit, load

PAD = len(WORLD_WORDS) - 1


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def narrated(data):
    return data.x, data.attributes["tokens"], data.attributes["times"]


DATA = narrated(world(8, seed=1))


def make_task(**options):
    torch.manual_seed(0)
    return Narration((16, 3, 16, 16), **{"widths": (8, 16), **options})


class TestBags:
    def numbered(self):
        """Frames that show their number, and sentences of one word, their number in all."""
        video = torch.arange(16.0)[:, None, None, None].expand(3, 16, 3, 16, 16)
        tokens = torch.arange(12).reshape(3, 4, 1)
        times = torch.tensor([[0.0, 5, 6, 14], [-2, 4, 8, 20], [1, 2, 3, 4]])
        return video, tokens, times

    def test_candidates_are_the_nearest_in_time(self):
        video, tokens, times = self.numbered()
        task = make_task(num_candidates=2)
        seen = set()
        for seed in range(40):
            (clips, sentences), (own, valid) = task.make(
                video, tokens, times, generator=seeded(seed)
            )
            assert clips.shape == (3, 1, 3, 16, 16) and sentences.shape == (6, 1) and valid.all()
            frame = clips[:, 0, 0, 0, 0]
            for i, found in enumerate(sentences.reshape(3, 2).tolist()):
                distance = (times[i] - frame[i]).abs()
                expected = sorted(range(4), key=lambda j: (float(distance[j]), j))[:2]
                assert found == [4 * i + j for j in expected]
            assert own.tolist() == [[j // 2 == i for j in range(6)] for i in range(3)]
            seen |= {(i, float(f)) for i, f in enumerate(frame)}
        # each sentence has its turn, and what is said outside of the clip belongs to its end
        assert {f for i, f in seen if i == 0} == {0, 5, 6, 14}
        assert {f for i, f in seen if i == 1} == {0, 4, 8, 15}

    def test_the_sentence_is_said_in_the_middle_of_the_frames(self):
        video, tokens, times = self.numbered()
        (clips, _), _ = make_task(num_frames=3).make(video, tokens, times, generator=seeded(3))
        frames = clips[:, :, 0, 0, 0]
        assert torch.equal(frames - frames[:, :1], torch.arange(3.0).expand(3, 3))
        for row, said in zip(frames.tolist(), times.tolist(), strict=True):
            assert row[1] in {min(max(t, 1), 14) for t in said}

    def test_an_empty_sentence_is_no_candidate(self):
        video, tokens, times = (t[:2] for t in DATA)
        tokens = tokens.clone()
        tokens[0, 1:] = PAD  # one sentence left for the first clip
        task = make_task().eval()
        question, target = task.make(video, tokens, times, generator=seeded())
        own, valid = target
        assert own.tolist() == [
            [True, False, False, False, False, False],
            [False] * 3 + [True] * 3,
        ]
        assert valid.sum() == 4 and task.guess(task(question), target).tolist() == [0.25, 0.75]
        output = torch.zeros(2, 6)
        output[:, 1] = 9.0  # an empty place is never the answer, whatever its score
        output[0, 0], output[1, 3] = 1.0, 1.0
        assert task.measure(output, target).tolist() == [1, 1]
        expected = -(
            math.log(math.e / (math.e + math.e + 2)) + math.log((2 + math.e) / (2 + 2 * math.e))
        )
        output[0, 3], output[1, 0] = 1.0, 1.0
        assert float(task.criterion(output, target)) == pytest.approx(expected / 2)


class TestLoss:
    def test_one_candidate_gives_info_nce(self):
        task = make_task(num_candidates=1).eval()
        (clips, sentences), target = task.make(*DATA, generator=seeded())
        expected = info_nce(task.embed_frames(clips), task.embed_sentences(sentences))
        found = task.criterion(task((clips, sentences)), target)
        torch.testing.assert_close(found, expected)

    def test_by_hand(self):
        """Positives (0, 4) against one negative of 0: 0.0178, not the mean of logs 0.3556."""
        own = torch.tensor([[True, True, False], [False, False, True]])
        target = own, torch.ones(3, dtype=torch.bool)
        output = torch.tensor([[0.0, 4, 0], [-1, -1, 1]])
        second = math.log(1 + 2 * math.exp(-2))
        found = float(make_task().criterion(output, target))
        assert found == pytest.approx((0.0178 + second) / 2, abs=3e-5)

    def test_a_collapse_is_worth_log_of_the_clips(self):
        task = make_task()
        _, target = task.make(*DATA, generator=seeded())
        output = torch.zeros(8, 24)
        assert float(task.criterion(output, target)) == pytest.approx(math.log(8), rel=1e-5)
        assert task.guess(output, target).tolist() == pytest.approx([1 / 8] * 8)


class TestSentences:
    def test_padding_and_the_order_of_words_do_not_count(self):
        task = make_task().eval()
        tokens = WORLD_WORDS.encode(["the red circle", "circle the red", "the red square"])
        longer = torch.cat([tokens, torch.full((3, 4), PAD)], 1)
        found = task.embed_sentences(longer)
        torch.testing.assert_close(found, task.embed_sentences(tokens))
        torch.testing.assert_close(found[0], found[1])
        assert (found[0] - found[2]).abs().max() > 1e-3

    def test_frames_are_averaged(self):
        task = make_task(num_frames=4).eval()
        clips = DATA[0][:2, :4]
        features = torch.stack([task.features(c).mean(0) for c in clips])
        expected = task.see(features)
        expected = expected / expected.norm(dim=1, keepdim=True)
        torch.testing.assert_close(task.embed_frames(clips), expected)


class TestProtocol:
    def test_a_gradient_reaches_every_parameter(self):
        task = make_task()
        loss = pretext_loss(task, (*DATA, torch.zeros(8)))
        assert loss.shape == () and loss.isfinite()
        loss.backward()
        assert all(p.grad.abs().sum() > 0 for p in task.parameters())

    def test_the_generator_decides(self):
        task = make_task().eval()
        losses = [float(task.loss(DATA, generator=seeded(s)).detach()) for s in (0, 0, 1)]
        assert losses[0] == losses[1] != losses[2]
        assert task.score(*DATA, generator=seeded()) == task.score(*DATA, generator=seeded())

    def test_double_precision(self):
        task = make_task(num_candidates=4).eval()
        still = DATA[0][:, :1].expand_as(DATA[0])  # all frames alike, all sentences candidates
        single = task.loss((still, *DATA[1:]), generator=seeded())
        double = task.double().loss((still.double(), *DATA[1:]), generator=seeded())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), single, rtol=1e-4, atol=1e-5)

    def test_saved_and_loaded(self, tmp_path):
        task = make_task()
        fit(task, TensorDataset(*DATA), loss=pretext_loss, steps=2, batch_size=4,
            progress=False, checkpoint=tmp_path / "task.pt")  # fmt: skip
        again = load(tmp_path / "task.pt")
        assert again.score(*DATA, generator=seeded()) == task.score(*DATA, generator=seeded())
        assert again.features(torch.rand(2, 3, 24, 24)).shape == (2, 16)

    def test_bad_data(self):
        task = make_task()
        video, tokens, times = DATA
        empty = tokens.clone()
        empty[5] = PAD
        with pytest.raises(ValueError, match="narration of clip 5 is empty"):
            pretext_loss(task, (video, empty, times))
        with pytest.raises(ValueError, match="narration of clip 0 is empty"):
            task.score(video, tokens[:, :0], times[:, :0])
        with pytest.raises(ValueError, match="video has 1 clip, expected at least 2"):
            pretext_loss(task, tuple(t[:1] for t in DATA))
        with pytest.raises(ValueError, match=r"tokens are in 0\.\.31, expected 0\.\.30"):
            pretext_loss(task, (video, torch.full_like(tokens, 31).tril(), times))
        with pytest.raises(ValueError, match=r"times \(8, 3\), expected"):
            pretext_loss(task, (video, tokens, times[:, 1:]))
        with pytest.raises(ValueError, match="times hold nan"):
            pretext_loss(task, (video, tokens, times * torch.nan))

    def test_bad_arguments(self):
        for options in ({"num_words": 1}, {"num_candidates": 0}, {"num_frames": 17}):
            with pytest.raises(ValueError, match=f"{next(iter(options))} is"):
                make_task(**options)
        with pytest.raises(ValueError, match="temperature is 0"):
            make_task(temperature=0)


def late_colours(n, *, seed):
    """Videos of plain colours, each named one frame too late: word k for colour k of six."""
    colours = torch.rand(6, 3, generator=seeded(9))
    number = torch.randint(6, (n, 8), generator=seeded(seed))
    video = colours[number][..., None, None].expand(n, 8, 3, 8, 8).contiguous()
    return colours, (video, number[..., None], torch.arange(1.0, 9).expand(n, 8).contiguous())


def test_a_bag_of_candidates_bears_late_sentences_and_a_single_one_does_not():
    named = {}
    for candidates in (1, 3):
        colours, data = late_colours(256, seed=1)
        torch.manual_seed(0)
        task = Narration((8, 3, 8, 8), num_words=7, num_candidates=candidates, widths=(16,))
        fit(task, TensorDataset(*data), loss=pretext_loss, steps=150, batch_size=64, lr=5e-3,
            progress=False)  # fmt: skip
        frames = colours[:, None, :, None, None].expand(6, 1, 3, 8, 8)
        with torch.no_grad():
            best = task((frames, torch.arange(6)[:, None])).argmax(1)
        named[candidates] = int((best == torch.arange(6)).sum())
    assert named[3] == 6 and named[1] <= 3


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    task = Narration((16, 3, 16, 16), widths=(16, 32))
    data = TensorDataset(*narrated(world(1000, seed=1, unmentioned=("circle",))))
    fit(task, data, loss=pretext_loss, steps=300, batch_size=64, lr=5e-3, progress=False)
    return task


def test_retrieval_is_learnt_and_is_gone_when_narrations_are_exchanged(trained):
    video, tokens, times = narrated(world(800, seed=2))
    score = trained.score(video, tokens, times, generator=seeded(), batch_size=16)
    assert score.chance == pytest.approx(1 / 16) and score.value > 3 / 16
    other = trained.score(
        video, tokens.roll(1, 0), times.roll(1, 0), generator=seeded(), batch_size=16
    )
    assert abs(other.value - 1 / 16) < 4 * (15 / 256 / 800) ** 0.5


def test_what_is_never_mentioned_is_a_blind_spot(trained):
    """Alone in the picture, a thing is to find its shape among three sentences of its colour."""
    data = world(600, seed=3, num_shapes=1, frames=1)
    colour, shape = data.attributes["colour"][:, 0], data.attributes["shape"][:, 0]
    names = WORLD_WORDS.symbols
    said = [f"the {names[7 + c]} {s}" for c in colour for s in ("circle", "square", "triangle")]
    with torch.no_grad():
        sentences = trained.embed_sentences(WORLD_WORDS.encode(said)).unflatten(0, (600, 3))
        best = torch.einsum("be,bse->bs", trained.embed_frames(data.x), sentences).argmax(1)
    circle, square, triangle = ((best == s)[shape == s].float().mean() for s in range(3))
    assert circle < 0.3 and min(square, triangle) > 0.6


@pytest.mark.slow
def test_features_beat_a_random_encoder():
    data = world(4000, seed=1)
    train, test = shapes(3000, seed=3, size=16), shapes(2000, seed=4, size=16)
    torch.manual_seed(0)
    task = Narration((16, 3, 16, 16))
    before = linear_probe(task, (train.x, train.y), (test.x, test.y)).mean
    fit(
        task, TensorDataset(*narrated(data)), loss=pretext_loss, steps=600, lr=3e-3, progress=False
    )
    assert linear_probe(task, (train.x, train.y), (test.x, test.y)).mean > before + 0.2
