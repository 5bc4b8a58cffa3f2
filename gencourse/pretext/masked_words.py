"""Masked words (BERT: Devlin, Chang, Lee & Toutanova, NAACL 2019).

All [MASK] have tusks: whoever knows about elephants can fill the gap. It is what a context encoder
asks of a picture, but the answer is one of few words, and so their probabilities can be learnt. No
model is better than the language's own p(word | rest).

Shapes: B texts, T places, K words of the vocabulary, E embedding. The last word of the vocabulary
is padding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gencourse.nets import TransformerBlock
from gencourse.pretext.skip_gram import check_words
from gencourse.pretext.task import PretextTask, register


@register
class MaskedWords(PretextTask):
    """Which word was here? One word of each text is hidden, and a transformer sees all the rest.

    BERT hides 15% of the words and leaves a tenth of these as they are, so that the encoder also
    looks at words that are shown; here each text has one question. Chance is the share of the
    most frequent answer.

    Args:
        event_shape: (T,).
        num_words: K, the padding included.
        num_embedding: E.
        num_heads: of attention, a divisor of E.
        depth: blocks.

    Raises:
        ValueError: sizes below 1, heads that do not divide E. In `loss` and `score`: words outside
            of the vocabulary, or a text without a word.
    """

    name = "masked_words"
    category = "reconstruction"
    takes = "text"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_words: int,
        num_embedding: int = 32,
        num_heads: int = 4,
        depth: int = 2,
    ) -> None:
        super().__init__(event_shape)
        if min(num_words, depth, *self.event_shape) < 1 or len(self.event_shape) != 1:
            raise ValueError(
                f"event_shape is {self.event_shape}, num_words is {num_words} and depth is "
                f"{depth}, expected (T,) and at least 1 each"
            )
        self.num_words = num_words
        self.words = nn.Embedding(num_words + 1, num_embedding)  # the last hides a word
        self.places = nn.Parameter(0.1 * torch.randn(*self.event_shape, num_embedding))
        self.blocks = nn.Sequential(
            *(TransformerBlock(num_embedding, num_heads) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(num_embedding)
        self.head = nn.Linear(num_embedding, num_words)

    def check(self, *x: Tensor) -> None:
        """Refuse what is no data of this task, among it a text without a word."""
        super().check(*x)
        check_words(x[0], self.num_words)
        if (empty := (x[0] == self.num_words - 1).all(1)).any():
            raise ValueError(f"text {int(empty.nonzero()[0])} is empty, expected a word")

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Hide one word of each text, -> ((B, T), its place (B, 1)), and the word (B,)."""
        real = (x != self.num_words - 1).float()
        place = torch.multinomial(real, 1, generator=generator)
        return (x.scatter(1, place, self.num_words), place), x.gather(1, place)[:, 0]

    def encode(self, x: Tensor) -> Tensor:
        """Return what each place knows of the text, (B, T) -> (B, T, E)."""
        return self.norm(self.blocks(self.words(x) + self.places))

    def forward(self, question: tuple[Tensor, Tensor]) -> Tensor:
        """Return logits of the hidden word, -> (B, K)."""
        x, place = question
        return self.head(self.encode(x).take_along_dim(place[..., None], 1)[:, 0])

    def guess(self, output: Tensor, target: Tensor) -> float:
        """Return the share of the most frequent answer."""
        return float(target.bincount().max()) / len(target)

    def features(self, x: Tensor) -> Tensor:
        """Return the mean over a text's words, (B, T) -> (B, E); without words it is 0."""
        real = (x != self.num_words - 1)[..., None]
        return (self.encode(x) * real).sum(1) / real.sum(1).clamp(min=1)
