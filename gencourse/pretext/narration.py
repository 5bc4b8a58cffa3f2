"""Learning from narration with MIL-NCE (Miech et al., CVPR 2020).

Which of all sentences goes with this clip? People who show something also talk about it, but too
early, too late, or about the weather. So no single sentence is the right one: those said around
the clip's time are a bag of candidates, of which at least one is to fit. Their probabilities are
added before the logarithm is taken, and the network finds out for itself which one it was. With
one candidate the loss is InfoNCE. What is never mentioned is the blind spot.

Shapes: B batch, T frames, C channels, H and W the image in pixels, F frames of a short clip,
M sentences, L words, P candidates, D features, E embedding.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.losses import mil_nce
from gencourse.nets import MLP
from gencourse.pretext.task import PretextTask, register

Bags = tuple[Tensor, Tensor]


@register
class Narration(PretextTask):
    """Which sentence of the batch was said around this clip? Chance is about 1 / B.

    From each video comes one sentence, drawn at random, the frames in the midst of which it was
    said, and the P sentences nearest to them in time. The sentences of the other videos are the
    negatives. (The paper also takes other clips with the same sentences as negatives.)

    A sentence is a set of words here: the largest value of each unit over the words, as in the
    paper. The last word of the vocabulary is padding, and a sentence of padding only is none.

    Args:
        event_shape: (T, C, H, W).
        num_words: size of the vocabulary, the padding included; 31 in `data.WORLD_WORDS`.
        num_candidates: P; all sentences where a video has fewer.
        num_frames: F, whose features are averaged.
        num_embedding: E.
        temperature: τ, by which the cosine of clip and sentence is divided.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: sizes below 1, more frames than there are, a temperature that is not positive.
            In `loss` and `score`: one video only, an empty narration, tokens outside of the
            vocabulary, times that do not fit.
    """

    name = "narration"
    category = "multimodal"
    takes = "narrated"
    metric = "retrieval recall"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_words: int = 31,
        num_candidates: int = 3,
        num_frames: int = 1,
        num_embedding: int = 32,
        temperature: float = 0.1,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if min(num_candidates, num_embedding) < 1 or num_words < 2:
            raise ValueError(
                f"num_words is {num_words}, num_candidates is {num_candidates} and num_embedding "
                f"is {num_embedding}, expected at least 2, 1 and 1"
            )
        if not 1 <= num_frames <= self.event_shape[0] or not temperature > 0:
            raise ValueError(
                f"num_frames is {num_frames} and temperature is {temperature}, "
                f"expected 1..{self.event_shape[0]} and more than 0"
            )
        self.padding, self.num_candidates = num_words - 1, num_candidates
        self.num_frames, self.temperature = num_frames, temperature
        d = self.encoder.num_features
        self.see = MLP(d, num_embedding, hidden=(d,))
        self.words = nn.Embedding(num_words, d, padding_idx=self.padding)
        self.before = nn.Linear(d, 2 * d)
        self.after = nn.Linear(2 * d, num_embedding)

    def check(self, *x: Tensor) -> None:
        """Refuse what is no data of this task, among it empty narrations and a batch of one."""
        super().check(*x)
        video, tokens, times = x
        if tokens.ndim != 3 or tokens.shape[:2] != times.shape or len(tokens) != len(video):
            raise ValueError(
                f"tokens have shape {tuple(tokens.shape)} and times {tuple(times.shape)}, "
                f"expected (B, M, L) and (B, M) with B = {len(video)}"
            )
        if len(video) < 2:
            raise ValueError(
                "video has 1 clip, expected at least 2: the others' sentences are the negatives"
            )
        empty = (tokens == self.padding).flatten(1).all(1)  # also where M or L is 0
        if empty.any():
            raise ValueError(
                f"narration of clip {int(empty.nonzero()[0])} is empty, expected a sentence"
            )
        if not (0 <= int(tokens.min()) and int(tokens.max()) <= self.padding):
            raise ValueError(
                f"tokens are in {int(tokens.min())}..{int(tokens.max())}, "
                f"expected 0..{self.padding}"
            )
        if not times.isfinite().all():
            raise ValueError(f"times hold {times[~times.isfinite()][0].item()}, not all finite")

    def make(
        self,
        video: Tensor,
        tokens: Tensor,
        times: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[tuple[Tensor, Tensor], Bags]:
        """Return short clips, what was said around them, and in whose bag each sentence is.

        -> ((B, F, C, H, W), (B P, L)), and ((B, B P) whether a sentence is a candidate of the
        clip, (B P,) whether it is a sentence at all).
        """
        rows = torch.arange(len(video), device=video.device)
        said = (tokens != self.padding).any(2)  # (B, M)
        one = torch.multinomial(said.to(video.dtype), 1, generator=generator)
        middle = (self.num_frames - 1) / 2
        latest = video.shape[1] - self.num_frames
        start = (times.gather(1, one) - middle).round().long().clamp(0, latest)  # (B, 1)
        frames = start + torch.arange(self.num_frames, device=video.device)
        distance = (times - start - middle).abs().masked_fill(~said, torch.inf)
        nearest = distance.argsort(dim=1, stable=True)[:, : self.num_candidates]  # (B, P)
        valid = said.gather(1, nearest).flatten()
        own = torch.eye(len(rows), device=video.device, dtype=torch.bool)
        own = own.repeat_interleave(nearest.shape[1], 1) & valid
        sentences = tokens[rows[:, None], nearest].flatten(0, 1)
        return (video[rows[:, None], frames], sentences), (own, valid)

    def embed_frames(self, clips: Tensor) -> Tensor:
        """Return what is shown, (B, F, C, H, W) -> (B, E) of length 1."""
        features = self.encoder(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).mean(1)
        return F.normalize(self.see(features), dim=1)

    def embed_sentences(self, tokens: Tensor) -> Tensor:
        """Return what is said, (N, L) -> (N, E) of length 1; the order of words does not count."""
        units = self.before(self.words(tokens)).relu()  # (N, L, 2 D), and 0 is the least
        units = units.masked_fill((tokens == self.padding)[..., None], 0).amax(1)
        return F.normalize(self.after(units), dim=1)

    def forward(self, question: tuple[Tensor, Tensor]) -> Tensor:
        """Return the score of every clip with every sentence, -> (B, B P)."""
        clips, sentences = question
        return self.embed_frames(clips) @ self.embed_sentences(sentences).T / self.temperature

    def criterion(self, output: Tensor, target: Bags) -> Tensor:
        """Return MIL-NCE in nats, -> ()."""
        own, valid = target
        return mil_nce(
            output.masked_fill(~own, -torch.inf), output.masked_fill(own | ~valid, -torch.inf)
        )

    def measure(self, output: Tensor, target: Bags) -> Tensor:
        """Return whether the best of all sentences is a candidate: recall at 1, -> (B,)."""
        own, valid = target
        best = output.masked_fill(~valid, -torch.inf).argmax(1, keepdim=True)
        return own.gather(1, best)[:, 0].float()

    def guess(self, output: Tensor, target: Bags) -> Tensor:
        """Return the share of the candidates among all sentences, -> (B,)."""
        own, valid = target
        return own.sum(1) / valid.sum()
