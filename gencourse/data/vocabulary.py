"""The symbols of a text and their numbers.

Shapes: N texts, T places.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

PAD = "_"


class Vocabulary:
    """Symbols 0..K-1: characters, or words with a space between them; the last one is padding.

    Args:
        symbols: all symbols but the padding, each once; kept in this order.
        words: whether a symbol is a word; otherwise it is a character.

    Attributes:
        symbols: all K symbols, the padding "_" last.

    Raises:
        ValueError: a symbol that appears twice or is the padding itself.
    """

    def __init__(self, symbols: Iterable[str], *, words: bool) -> None:
        self.symbols = (*symbols, PAD)
        self.words = words
        self._number = {symbol: i for i, symbol in enumerate(self.symbols)}
        if len(self._number) < len(self.symbols):
            twice = [s for i, s in enumerate(self.symbols) if self._number[s] != i]
            raise ValueError(f"symbols hold {twice[0]!r} twice, expected each once and no {PAD!r}")

    def __len__(self) -> int:
        """Return K."""
        return len(self.symbols)

    def encode(self, texts: Sequence[str], *, length: int | None = None) -> Tensor:
        """Return the tokens of each text, padded at its end, -> (N, T) of int64.

        Args:
            texts: N texts.
            length: T; that of the longest text when None.

        Raises:
            ValueError: a symbol that is not in the vocabulary, or a text longer than `length`.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts is the single text {texts[:40]!r}, expected a list of texts")
        split = [text.split() if self.words else list(text) for text in texts]
        if length is None:
            length = max(map(len, split), default=0)
        rows = torch.full((len(split), length), len(self) - 1)
        for i, symbols in enumerate(split):
            if unknown := [s for s in symbols if s not in self._number]:
                raise ValueError(f"text {i} holds {unknown[0]!r}, which is not in the vocabulary")
            if len(symbols) > length:
                raise ValueError(f"text {i} has {len(symbols)} symbols, expected at most {length}")
            rows[i, : len(symbols)] = torch.tensor([self._number[s] for s in symbols]).long()
        return rows

    def decode(self, tokens: Tensor) -> list[str]:
        """Return the texts of tokens (N, T), without the padding at their ends.

        Raises:
            ValueError: tokens of another shape, or a number outside of 0..K-1.
        """
        if tokens.ndim != 2:
            raise ValueError(f"tokens have shape {tuple(tokens.shape)}, expected (N, T)")
        outside = (tokens < 0) | (tokens >= len(self))
        if outside.any():
            raise ValueError(
                f"tokens hold {tokens[outside][0].item()}, expected 0..{len(self) - 1}"
            )
        texts = []
        for row in tokens.tolist():
            symbols = [self.symbols[int(token)] for token in row]
            while symbols and symbols[-1] == PAD:
                symbols.pop()
            texts.append((" " if self.words else "").join(symbols))
        return texts
