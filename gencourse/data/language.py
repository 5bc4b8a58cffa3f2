"""A finite language: every sentence with its exact probability, and so an exact entropy.

A model of real text has nothing to be compared with but other models. Here the true distribution
is known: the entropy is the lowest NLL that any model can reach, and p(target | source) says
whether a translation is right.

Shapes: N texts, B batch, T places.
"""

import math
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from gencourse.data.array_data import ArrayData
from gencourse.data.vocabulary import Vocabulary


class Language:
    """A distribution over texts, as tokens padded to the longest of them.

    Args:
        probabilities: text -> probability; they sum to 1.
        vocabulary: the symbols of the texts.
        length: T; that of the longest text when None.

    Attributes:
        sentences: all texts, in the order given.
        probabilities: theirs, float64.
        tokens: (number of sentences, T).
        event_shape: (T,).

    Raises:
        ValueError: probabilities that are negative or do not sum to 1.
    """

    def __init__(
        self,
        probabilities: Mapping[str, float],
        vocabulary: Vocabulary,
        *,
        length: int | None = None,
    ) -> None:
        self.sentences = tuple(probabilities)
        self.probabilities = torch.tensor(list(probabilities.values()), dtype=torch.float64)
        total = float(self.probabilities.sum())
        if (self.probabilities < 0).any() or abs(total - 1) > 1e-9:
            raise ValueError(
                f"probabilities sum to {total}, expected numbers from 0 that sum to 1"
            )
        self.vocabulary = vocabulary
        self.tokens = vocabulary.encode(self.sentences, length=length)
        self.event_shape = (self.tokens.shape[1],)
        self._number = {tuple(row): i for i, row in enumerate(self.tokens.tolist())}

    @property
    def entropy(self) -> float:
        """-Σ p log p in nats per sentence: no model has a lower expected NLL."""
        p = self.probabilities
        return float(-torch.xlogy(p, p).sum())

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, -inf for what is no sentence, (B, T) -> (B,) of float64.

        Raises:
            ValueError: tokens of another shape.
        """
        if x.ndim != 2 or x.shape[1:] != self.event_shape:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, {self.event_shape[0]})")
        numbers = (self._number.get(tuple(row)) for row in x.tolist())
        log_p = self.probabilities.log().tolist()
        values = [-math.inf if number is None else log_p[number] for number in numbers]
        return torch.tensor(values, dtype=torch.float64)

    def draw(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw n sentences and return their numbers, -> (n,)."""
        below = self.probabilities.cumsum(0)[:-1]
        uniform = torch.rand(n, generator=generator, dtype=torch.float64)
        return torch.searchsorted(below, uniform, right=True)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw n sentences as tokens, -> (n, T)."""
        return self.tokens[self.draw(n, generator=generator)]

    def given(self, prefix: str) -> Self:
        """Return the language of the sentences that begin with a text: p(rest | prefix).

        Args:
            prefix: for words, whole ones.

        Raises:
            ValueError: no sentence begins so.
        """
        start = self.vocabulary.encode([prefix])[0][: self.event_shape[0] + 1]
        fits = torch.tensor([row[: len(start)].equal(start) for row in self.tokens])
        fits &= self.probabilities > 0
        if not fits.any():
            raise ValueError(f"prefix is {prefix!r}, expected the beginning of a sentence")
        p = self.probabilities[fits]
        kept = [s for s, fit in zip(self.sentences, fits.tolist(), strict=True) if fit]
        rest = dict(zip(kept, (p / p.sum()).tolist(), strict=True))
        return type(self)(rest, self.vocabulary, length=self.event_shape[0])


class TextData(ArrayData):
    """Sentences drawn from a `Language`: x (N, T) tokens of int64, y (N,) the sentence's number.

    The same sentence may be drawn again and again. To test on sentences that were never trained
    on, choose rows by y: `data.subset(data.y % 5 > 0)` and `data.subset(data.y % 5 == 0)`.

    Args:
        language: the sentences.
        n: N.
        seed: of the draw.
        source: where the sentences come from, in words.
        prefix_length: places of the part that a continuation is asked for; 0 when there is none.
    """

    def __init__(
        self, language: Language, n: int, *, seed: int, source: str, prefix_length: int = 0
    ) -> None:
        numbers = language.draw(n, generator=torch.Generator().manual_seed(seed))
        super().__init__(language.tokens[numbers], numbers, source=f"{source}, seed {seed}")
        self.language, self.prefix_length = language, prefix_length

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols and their numbers."""
        return self.language.vocabulary
