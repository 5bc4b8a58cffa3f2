"""Skip-gram: pairs by the slow loop, and inner products that approach PMI - log k."""

import math

import pytest
import torch

from gencourse.data import WORLD_WORDS, world
from gencourse.pretext import SkipGram, pretext_loss
from gencourse.pretext.skip_gram import cooccurrence, shifted_pmi, word_pairs
from gencourse.train import fit, load

K = 8  # words of the planted corpus, and one more for padding
TEXTS = world(40, seed=1).attributes["tokens"].flatten(0, 1)  # (160, 7)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def planted(n, *, seed):
    """Texts of two words from a known joint distribution, (n, 2)."""
    joint = torch.exp(0.8 * torch.randn(K, K, generator=seeded(5), dtype=torch.float64))
    pair = torch.multinomial((joint + joint.T).flatten(), n, True, generator=seeded(seed))
    return torch.stack([pair // K, pair % K], 1)


def world_task(**options):
    torch.manual_seed(0)
    return SkipGram((7,), num_words=len(WORLD_WORDS), **options)


class TestPairs:
    @pytest.mark.parametrize("window", [1, 2, 9])
    def test_by_the_slow_loop(self, window):
        pad = len(WORLD_WORDS) - 1
        expected = torch.zeros(pad + 1, pad + 1, dtype=torch.float64)
        for text in TEXTS.tolist():
            for i, w in enumerate(text):
                for j, c in enumerate(text):
                    if i != j and abs(i - j) <= window and pad not in (w, c):
                        expected[w, c] += 1
        assert torch.equal(cooccurrence(TEXTS, num_words=pad + 1, window=window), expected)
        assert len(word_pairs(TEXTS, window=window, padding=pad)[0]) == expected.sum()

    def test_questions_hold_the_pairs_and_noise_by_its_frequency(self):
        tokens = torch.tensor([[0, 1], [0, 1], [0, 1], [0, 2]])  # contexts 4, 3 and 1 times
        for power in (1.0, 0.75, 0.0):
            task = SkipGram((2,), num_words=5, num_negatives=2000, power=power)
            (words, candidates), target = task.make(tokens, generator=seeded())
            assert words.tolist() == [0] * 4 + [1, 1, 1, 2] and not target.any()
            assert candidates[:, 0].tolist() == [1, 1, 1, 2] + [0] * 4
            found = candidates[:, 1:].flatten().bincount(minlength=5) / 16000
            expected = torch.tensor([4.0, 3, 1, 0, 0]) ** power
            expected[3:] = 0
            torch.testing.assert_close(found, expected / expected.sum(), atol=0.02, rtol=0)

    def test_pmi_by_hand(self):
        counts = torch.tensor([[4.0, 2], [1, 3]])
        found = shifted_pmi(counts, num_negatives=3)
        assert float(found[0, 1]) == pytest.approx(math.log(0.2 / (0.6 * 0.5) / 3))
        smooth = shifted_pmi(torch.tensor([[4.0, 0], [8, 4]]).double(), num_negatives=1, power=0.5)
        q = math.sqrt(12) / (math.sqrt(12) + 2)
        assert float(smooth[1, 0]) == pytest.approx(math.log(0.5 / (0.75 * q)))
        assert smooth[0, 1] == -torch.inf


class TestLoss:
    def test_by_hand(self):
        task = SkipGram((2,), num_words=3, num_negatives=2)
        output = torch.tensor([[1.0, -1, 2], [0, 0, 0]])
        first = math.log1p(math.exp(-1)) * 2 + math.log1p(math.exp(2))
        found = float(task.criterion(output, torch.zeros(2).long()))
        assert found == pytest.approx((first + 3 * math.log(2)) / 2)

    @pytest.mark.parametrize("power", [1.0, 0.75])
    def test_the_gradient_vanishes_where_inner_products_are_shifted_pmi(self, power):
        x = planted(2000, seed=1)
        k = 64  # many, so that their mean is close to its expectation
        task = SkipGram((2,), num_words=K + 1, num_embedding=K + 1, num_negatives=k, power=power)
        task.double()
        counts = cooccurrence(x, num_words=K + 1)
        best = torch.zeros(K + 1, K + 1, dtype=torch.float64)
        best[:K, :K] = shifted_pmi(counts, num_negatives=k, power=power)[:K, :K]

        def slope(products):
            with torch.no_grad():
                task.words.weight.copy_(torch.eye(K + 1))
                task.contexts.weight.copy_(products.T)
            task.zero_grad()
            task.loss((x,), generator=seeded()).backward()
            return float(task.contexts.weight.grad.abs().max())

        assert best.isfinite().all()
        wrong = best.clone()
        wrong[:K, :K] += math.log(k)  # PMI without the shift
        assert slope(best) < 0.002 < 0.05 < slope(wrong)

    def test_ties_are_broken_by_lot(self):
        task = SkipGram((2,), num_words=3, num_negatives=2)
        output = torch.tensor([[0.0, 0, 0], [1, 1, 0], [2, 1, 0], [0, 1, 0]])
        found = task.measure(output, torch.zeros(4).long())
        assert found.tolist() == pytest.approx([1 / 3, 1 / 2, 1, 0])
        assert task.guess(output, None) == pytest.approx(1 / 3)


def test_inner_products_approach_pmi_minus_log_k():
    x, k = planted(40000, seed=1), 2
    torch.manual_seed(0)
    task = SkipGram((2,), num_words=K + 1, num_embedding=K, num_negatives=k)
    for lr, steps in ((3e-2, 100), (3e-3, 60)):
        fit(task, x, loss=pretext_loss, steps=steps, batch_size=4000, lr=lr, progress=False)
    target = shifted_pmi(cooccurrence(x, num_words=K + 1), num_negatives=k)[:K, :K].flatten()
    found = task.inner_products().detach()[:K, :K].flatten().double()
    assert float(torch.stack([found, target]).corrcoef()[0, 1]) > 0.97
    assert abs(float((found - target).mean())) < 0.05  # log 2 = 0.69 where the shift is forgotten
    assert float((found - target).abs().mean()) < 0.1
    score = task.score(planted(4000, seed=2), generator=seeded())
    assert score.value > score.chance + 0.08


def test_words_without_company_leave_chance():
    """Words that are independent: PMI is 0, and no answer is better than 1 / (k + 1)."""
    x = torch.randint(K, (4000, 2), generator=seeded(1))
    torch.manual_seed(0)
    task = SkipGram((2,), num_words=K + 1, num_embedding=4)
    fit(task, x, loss=pretext_loss, steps=60, batch_size=1000, lr=3e-2, progress=False)
    score = task.score(torch.randint(K, (4000, 2), generator=seeded(2)), generator=seeded())
    assert score.chance == pytest.approx(1 / 6) and abs(score.value - 1 / 6) < 0.025


class TestProtocol:
    def test_a_gradient_reaches_every_parameter(self):
        task = world_task()
        loss = pretext_loss(task, (TEXTS, torch.zeros(160)))
        assert loss.shape == () and loss.isfinite()
        loss.backward()
        assert all(p.grad.abs().sum() > 0 for p in task.parameters())

    def test_the_generator_decides(self):
        task = world_task()
        losses = [float(task.loss((TEXTS,), generator=seeded(s)).detach()) for s in (0, 0, 1)]
        assert losses[0] == losses[1] != losses[2]
        assert task.score(TEXTS, generator=seeded()) == task.score(TEXTS, generator=seeded())

    def test_double_precision(self):
        task = world_task()
        single = task.loss((TEXTS,), generator=seeded())
        double = task.double().loss((TEXTS,), generator=seeded())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), single, rtol=1e-4, atol=1e-5)

    def test_saved_and_loaded(self, tmp_path):
        task = world_task()
        fit(task, TEXTS, loss=pretext_loss, steps=2, batch_size=40, progress=False,
            checkpoint=tmp_path / "task.pt")  # fmt: skip
        again = load(tmp_path / "task.pt")
        assert again.score(TEXTS, generator=seeded()) == task.score(TEXTS, generator=seeded())
        torch.testing.assert_close(again.inner_products(), task.inner_products())

    def test_features_are_the_mean_of_the_words(self):
        task = world_task()
        text = WORLD_WORDS.encode(["the red wall"], length=7)
        expected = task.words.weight[text[0, :3]].mean(0)
        torch.testing.assert_close(task.features(text)[0], expected)

    def test_bad_input(self):
        task = world_task()
        with pytest.raises(ValueError, match=r"in 0\.\.31, expected torch.int64 in 0\.\.30"):
            pretext_loss(task, (torch.full((2, 7), 31).tril(),))
        with pytest.raises(ValueError, match="no text has two words"):
            task.score(WORLD_WORDS.encode(["the", "wall"], length=7))
        with pytest.raises(ValueError, match=r"got shape \(160, 6\)"):
            task.score(TEXTS[:, :6])
        with pytest.raises(ValueError, match="window is 0"):
            world_task(window=0)
        with pytest.raises(ValueError, match=r"event_shape is \(1,\), expected"):
            SkipGram((1,), num_words=3)
