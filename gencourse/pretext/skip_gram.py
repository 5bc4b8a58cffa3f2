"""Skip-gram with negative sampling (Mikolov et al., NIPS 2013).

The same idea in text: predict the neighbours of a word. Words that keep the same company get
similar vectors. What the inner product of a word w and a context c
learns is known (Levy & Goldberg, NIPS 2014): with k noise words drawn from the contexts it
approaches PMI(w, c) - log k, PMI = log p(w, c) / (p(w) p(c)).

Shapes: B texts, T places, K words of the vocabulary, R pairs of a word and its context, k noise
words a pair, E embedding. The last word of the vocabulary is padding.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.pretext.task import PretextTask, register


def word_pairs(tokens: Tensor, *, window: int, padding: int) -> tuple[Tensor, Tensor]:
    """Return all words with a context at most `window` places away, (B, T) -> (R,) and (R,)."""
    words, contexts = [], []
    for step in range(1, min(window, tokens.shape[1] - 1) + 1):
        left, right = tokens[:, :-step].flatten(), tokens[:, step:].flatten()
        words += [left, right]
        contexts += [right, left]
    if not words:
        return tokens.new_empty(0), tokens.new_empty(0)
    w, c = torch.cat(words), torch.cat(contexts)
    real = (w != padding) & (c != padding)
    return w[real], c[real]


def cooccurrence(tokens: Tensor, *, num_words: int, window: int = 2) -> Tensor:
    """Count each word with each context, (B, T) -> (K, K) of float64."""
    w, c = word_pairs(tokens, window=window, padding=num_words - 1)
    counts = (w * num_words + c).bincount(minlength=num_words**2)
    return counts.reshape(num_words, num_words).double()


def shifted_pmi(counts: Tensor, *, num_negatives: int, power: float = 1.0) -> Tensor:
    """Return log p(w, c) / (p(w) q(c)) - log k, to which inner products tend, (K, K) -> (K, K).

    q is the distribution of the noise, that of the contexts to a power; with power 1 this is
    PMI - log k. It is -inf for pairs that never occur, and no number for words that never do.

    Args:
        counts: see `cooccurrence`.
        num_negatives: k.
        power: see `SkipGram`.
    """
    noise = counts.sum(0) ** power * (counts.sum(0) > 0)
    joint, word = counts / counts.sum(), counts.sum(1, keepdim=True) / counts.sum()
    return (joint / (word * (noise / noise.sum()))).log() - math.log(num_negatives)


@register
class SkipGram(PretextTask):
    """Which of these k + 1 words stood near this one? Chance is 1 / (k + 1).

    The noise words are drawn from the contexts in the batch, each with its count to a power, so
    that a large batch knows the distribution well.

    Args:
        event_shape: (T,).
        num_words: K, the padding included.
        num_embedding: E.
        window: how many places away a context may be.
        num_negatives: k.
        power: 3/4 in the paper, found by trial; 1 for plain PMI.

    Raises:
        ValueError: sizes below 1, a negative power. In `loss` and `score`: words outside of the
            vocabulary, or texts in which no word has a context.
    """

    name = "skip_gram"
    category = "structure"
    takes = "text"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_words: int,
        num_embedding: int = 16,
        window: int = 2,
        num_negatives: int = 5,
        power: float = 1.0,
    ) -> None:
        super().__init__(event_shape)
        if len(self.event_shape) != 1 or self.event_shape[0] < 2:
            raise ValueError(f"event_shape is {self.event_shape}, expected (T,) with T >= 2")
        if min(num_words, num_embedding, window, num_negatives) < 1 or not power >= 0:
            raise ValueError(
                f"num_words is {num_words}, num_embedding is {num_embedding}, window is {window}, "
                f"num_negatives is {num_negatives} and power is {power}, "
                "expected at least 1 each and power >= 0"
            )
        self.window, self.num_negatives, self.power = window, num_negatives, power
        self.words = nn.Embedding(num_words, num_embedding)
        self.contexts = nn.Embedding(num_words, num_embedding)

    def check(self, *x: Tensor) -> None:
        """Refuse what is no data of this task, among it texts without a pair of words."""
        super().check(*x)
        check_words(x[0], self.words.num_embeddings)
        padding = self.words.num_embeddings - 1
        if not len(word_pairs(x[0], window=self.window, padding=padding)[0]):
            raise ValueError("no text has two words near each other, expected at least one pair")

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Return words (R,) with a context and k noise words each (R, 1 + k), and zeros (R,)."""
        num_words = self.words.num_embeddings
        w, c = word_pairs(x, window=self.window, padding=num_words - 1)
        count = c.bincount(minlength=num_words).double()
        weight = count**self.power * (count > 0)  # 0 to the power 0 would be 1
        below = weight.cumsum(0) / weight.sum()
        u = torch.rand(len(c), self.num_negatives, generator=generator, device=x.device)
        noise = torch.searchsorted(below, u.double(), right=True).clamp(max=int(c.max()))
        return (w, torch.cat([c[:, None], noise], 1)), torch.zeros_like(w)

    def forward(self, question: tuple[Tensor, Tensor]) -> Tensor:
        """Return inner products, (R,) and (R, 1 + k) -> (R, 1 + k)."""
        words, candidates = question
        return torch.einsum("re,rke->rk", self.words(words), self.contexts(candidates))

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return -log σ(context) - Σ log σ(-noise) in nats (the paper's equation 4), -> ()."""
        return F.softplus(-output[:, 0]).mean() + F.softplus(output[:, 1:]).sum(1).mean()

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the chance of taking the context, with ties broken by lot, -> (R,)."""
        best = output == output.amax(1, keepdim=True)
        return best[:, 0] / best.sum(1)

    def features(self, x: Tensor) -> Tensor:
        """Return the mean of a text's word vectors, (B, T) -> (B, E); without words it is 0."""
        real = (x != self.words.num_embeddings - 1)[..., None]
        return (self.words(x) * real).sum(1) / real.sum(1).clamp(min=1)

    def inner_products(self) -> Tensor:
        """Return the inner product of each word with each context, -> (K, K)."""
        return self.words.weight @ self.contexts.weight.T


def check_words(tokens: Tensor, num_words: int) -> None:
    """Raise a ValueError where tokens are no numbers of words, 0..num_words - 1."""
    if tokens.dtype != torch.long or not 0 <= int(tokens.min()) <= int(tokens.max()) < num_words:
        raise ValueError(
            f"tokens are {tokens.dtype} in {tokens.min().item()}..{tokens.max().item()}, "
            f"expected torch.int64 in 0..{num_words - 1}"
        )
