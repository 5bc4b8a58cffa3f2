"""Masked words: one of each text is hidden, and the best possible answer is known."""

import math

import pytest
import torch

from gencourse.pretext import MaskedWords, pretext_loss
from gencourse.train import fit, load


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def grammar(n, *, seed):
    """Texts "a b c" and padding: a of 0..2, b = a + 3 always, c of 6..9, all uniform, (n, 4)."""
    a = torch.randint(3, (n,), generator=seeded(seed))
    c = 6 + torch.randint(4, (n,), generator=seeded(seed + 100))
    return torch.stack([a, a + 3, c, torch.full_like(a, 10)], 1)


class TestMaskedWords:
    def task(self):
        torch.manual_seed(0)
        return MaskedWords((4,), num_words=11, num_embedding=16, depth=1)

    def test_one_word_is_hidden_and_the_rest_is_left(self):
        x = grammar(3000, seed=1)
        (seen, place), target = self.task().make(x, generator=seeded())
        assert ((seen != x).sum(1) == 1).all() and torch.equal(seen == 11, seen != x)
        assert torch.equal(x.gather(1, place)[:, 0], target) and target.max() < 10
        assert (place.flatten().bincount() - 1000).abs().max() < 4 * 26

    def test_the_best_possible_answer_is_reached_and_not_passed(self):
        """a and b give each other away, c is one of four: 3/4 right, at log(4) / 3 nats."""
        task, test = self.task(), grammar(6000, seed=2)
        fit(task, grammar(2000, seed=1), loss=pretext_loss, steps=150, lr=1e-2, progress=False)
        score = task.score(test, generator=seeded())
        assert abs(score.value - 0.75) < 4 * (0.75 * 0.25 / 6000) ** 0.5
        assert score.chance < 0.15
        with torch.no_grad():
            nats = float(task.loss((test,), generator=seeded()))
        assert abs(nats - math.log(4) / 3) < 0.03
        hidden = torch.tensor([[0, 11, 6, 10]]), torch.tensor([[1]])
        with torch.no_grad():
            assert float(task(hidden).softmax(1)[0, 3]) > 0.97

    def test_the_hidden_word_cannot_be_seen(self):
        task, x = self.task().eval(), grammar(60, seed=1)
        other = x.clone()
        other[:, 2] = 6 + (other[:, 2] - 5) % 4
        (seen, place), target = task.make(x, generator=seeded())
        (seen_other, _), target_other = task.make(other, generator=seeded())
        hidden = place[:, 0] == 2
        assert hidden.any() and (target != target_other)[hidden].all()
        answers = [task((t[hidden], place[hidden])) for t in (seen, seen_other)]
        torch.testing.assert_close(*answers)

    def test_protocol(self, tmp_path):
        task, x = self.task(), grammar(40, seed=1)
        pretext_loss(task, (x,)).backward()
        assert all(p.grad.abs().sum() > 0 for p in task.parameters())
        losses = [float(task.loss((x,), generator=seeded(s)).detach()) for s in (0, 0, 1)]
        assert losses[0] == losses[1] != losses[2]
        fit(task, x, loss=pretext_loss, steps=2, batch_size=20, progress=False,
            checkpoint=tmp_path / "task.pt")  # fmt: skip
        again = load(tmp_path / "task.pt")
        torch.testing.assert_close(again.features(x), task.features(x))
        single = task.loss((x,), generator=seeded())
        double = task.double().loss((x,), generator=seeded())
        torch.testing.assert_close(double.float(), single, rtol=1e-4, atol=1e-5)

    def test_bad_input(self):
        task, x = self.task(), grammar(4, seed=1)
        x[2] = 10
        with pytest.raises(ValueError, match="text 2 is empty"):
            pretext_loss(task, (x,))
        with pytest.raises(ValueError, match=r"in 11\.\.11, expected torch.int64 in 0\.\.10"):
            task.score(torch.full((2, 4), 11))
        with pytest.raises(ValueError, match="depth is 0"):
            MaskedWords((4,), num_words=11, depth=0)
