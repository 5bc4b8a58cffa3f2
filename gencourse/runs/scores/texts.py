"""Two toy corpora in which the best possible answer is known.

- Pairs of words from a planted joint distribution: what skip-gram's inner products tend to can be
  counted.
- Texts "a b c" in which a and b give each other away, and c is one of four: nobody fills more than
  3/4 of the gaps.

Shapes: n texts, T words. The last word of a vocabulary is padding.
"""

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from gencourse.pretext import MaskedWords, SkipGram
from gencourse.pretext.skip_gram import cooccurrence, shifted_pmi
from gencourse.runs.scores.probes import CHANCE, DIGITS, SCORE, score_in_task
from gencourse.runs.scores.trial import Yardstick

NUM_WORDS = 12  # of the pairs, without the padding
NUM_PAIRS = 100_000
CORRELATION = "correlation with PMI - log k"
TABLE = "Toy corpora"


def pairs(n: int, *, seed: int) -> Tensor:
    """Draw pairs of words from the planted joint distribution, -> (n, 2)."""
    planted, drawn = (torch.Generator().manual_seed(s) for s in (5, seed))
    joint = torch.exp(
        0.8 * torch.randn(NUM_WORDS, NUM_WORDS, generator=planted, dtype=torch.float64)
    )
    pair = torch.multinomial((joint + joint.T).flatten(), n, True, generator=drawn)
    return torch.stack([pair // NUM_WORDS, pair % NUM_WORDS], 1)


def pair_rows() -> TensorDataset:
    """Return the training pairs."""
    return TensorDataset(pairs(NUM_PAIRS, seed=1))


def measure_pairs(task: SkipGram, generator: torch.Generator) -> dict[str, float]:
    """Return the score on fresh pairs, and how close inner products are to the theory."""
    counts = cooccurrence(pairs(NUM_PAIRS, seed=1), num_words=NUM_WORDS + 1, window=task.window)
    target = shifted_pmi(counts, num_negatives=task.num_negatives)[:NUM_WORDS, :NUM_WORDS]
    found = task.inner_products().detach()[:NUM_WORDS, :NUM_WORDS].double()
    both = torch.stack([found.flatten(), target.flatten()])
    score = score_in_task(task, (pairs(4000, seed=2),), generator)
    return {CORRELATION: float(both.corrcoef()[0, 1]), **score}


PAIRS = Yardstick(
    "inner products beside PMI - log k of the training pairs; 4000 fresh pairs",
    {SCORE: SkipGram.metric, CHANCE: "", CORRELATION: ""},
    measure_pairs,
    table=TABLE,
    digits=DIGITS,
)

EMPTY = 10  # the padding of the texts


def texts(n: int, *, seed: int) -> Tensor:
    """Draw texts "a b c" and padding: a of 0..2, b = a + 3, c of 6..9, -> (n, 4)."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randint(3, (n,), generator=generator)
    c = 6 + torch.randint(4, (n,), generator=generator)
    return torch.stack([a, a + 3, c, torch.full_like(a, EMPTY)], 1)


def text_rows() -> TensorDataset:
    """Return the training texts."""
    return TensorDataset(texts(2000, seed=1))


def measure_texts(task: MaskedWords, generator: torch.Generator) -> dict[str, float]:
    """Return the score on fresh texts."""
    return score_in_task(task, (texts(6000, seed=2),), generator)


TEXTS = Yardstick(
    "6000 fresh texts",
    {SCORE: MaskedWords.metric, CHANCE: ""},
    measure_texts,
    table=TABLE,
    digits=DIGITS,
)
