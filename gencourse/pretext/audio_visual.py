"""Audio-visual correspondence (Arandjelović & Zisserman, ICCV 2017), and where the sound is.

Does the sound go with the picture? Whoever knows what things look like and what they sound like
can tell, and nobody had to name them. The score of a pair is the largest similarity between the
sound and any place of the picture ("Objects that sound", ECCV 2018): to answer, the network has to
find the place, and so the map of similarities shows the sounding object. What makes no sound is
never asked for, the blind spot; and the sound of another clip counts as wrong even if the same
kind of thing made it.

Shapes: B batch, T frames, C channels, H and W the image in pixels, S samples of sound in a frame,
L frames to listen to, D features, E embedding, h and w the places of the encoder's maps.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.nets import MLP
from gencourse.pretext.task import PretextTask, register

QUESTIONS = ("pair", "which")


def audible(sound: Tensor) -> Tensor:
    """Return whether there is anything to be heard in each clip, (B, T, S) -> (B,) of bool."""
    return (sound != 0).flatten(1).any(1)


def spectrum(sound: Tensor) -> Tensor:
    """Return log(1 + |Fourier coefficient|) of each frequency, (B, L, S) -> (B, L S // 2 + 1)."""
    return torch.fft.rfft(sound.flatten(1)).abs().log1p()


@register
class AudioVisual(PretextTask):
    """Does this sound go with this picture? Chance is 1/2.

    From each clip comes one frame, drawn with probability proportional to the energy of its sound,
    and the sound of the frames from there on. Every frame of the batch meets every sound: those of
    its own clip are right, the others wrong, and both kinds count one half. With the question
    "which" the frame has to find its sound among all of the batch, and chance is 1 / B: a remedy
    for an output space of only two cases.

    Args:
        event_shape: (T, C, H, W).
        question: "pair" for binary cross-entropy on pairs, "which" for InfoNCE.
        samples: S.
        listen: L.
        num_embedding: E.
        encoder: see `PretextTask`.
        widths: see `PretextTask`; each halves the map on which the sound is to be found.

    Raises:
        ValueError: an unknown question, more frames to listen to than there are, a size below 1.
            In `loss` and `score`: one clip only, sound that does not fit the video, a silent clip.
    """

    name = "audio_visual"
    category = "multimodal"
    takes = "audiovisual"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        question: str = "pair",
        samples: int = 128,
        listen: int = 2,
        num_embedding: int = 32,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if question not in QUESTIONS:
            raise ValueError(f"question is {question!r}, expected one of {QUESTIONS}")
        if not 1 <= listen <= self.event_shape[0] or min(samples, num_embedding) < 1:
            raise ValueError(
                f"listen is {listen}, samples is {samples} and num_embedding is {num_embedding}, "
                f"expected 1 <= listen <= {self.event_shape[0]} frames and at least 1"
            )
        self.question, self.samples, self.listen = question, samples, listen
        if question == "which":
            self.metric = "retrieval accuracy"
        self.see = nn.Conv2d(self.encoder.num_features, num_embedding, 1)
        pitches = listen * samples // 2 + 1
        self.hear = nn.Sequential(
            nn.BatchNorm1d(pitches), MLP(pitches, num_embedding, hidden=(128,))
        )
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())  # 1 / τ of a cosine
        if question == "pair":
            self.threshold = nn.Parameter(torch.tensor(0.5))  # the cosine of an even chance

    def check(self, *x: Tensor) -> None:
        """Refuse what is no data of this task, among it silent clips and a batch of one."""
        super().check(*x)
        video, sound = x
        if sound.shape != (*video.shape[:2], self.samples):
            raise ValueError(
                f"sound has shape {tuple(sound.shape)}, expected "
                f"{(*video.shape[:2], self.samples)}: a row of samples for each frame"
            )
        if len(video) < 2:
            raise ValueError("video has 1 clip, expected at least 2: the others' sound is wrong")
        loud = audible(sound[:, : self.event_shape[0] - self.listen + 1])
        if not loud.all():
            raise ValueError(
                f"sound of clip {int((~loud).nonzero()[0])} is silent, expected something to be "
                f"heard before the last {self.listen - 1} frames; see `audible`"
            )

    def make(
        self, video: Tensor, sound: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Return a frame and its sound of each clip, and which sound is whose.

        -> ((B, C, H, W), (B, L, S)) and (B,).
        """
        rows = torch.arange(len(video), device=video.device)
        energy = sound.square().sum(2)[:, : video.shape[1] - self.listen + 1]
        moment = torch.multinomial(energy, 1, generator=generator)  # (B, 1)
        heard = moment + torch.arange(self.listen, device=video.device)  # (B, L)
        return (video[rows, moment[:, 0]], sound[rows[:, None], heard]), rows

    def embed_frames(self, frames: Tensor) -> Tensor:
        """Return what each place looks like, (B, C, H, W) -> (B, E, h, w) of length 1."""
        return F.normalize(self.see(self.encoder.maps(frames)), dim=1)

    def embed_sound(self, sound: Tensor) -> Tensor:
        """Return what is heard, (B, L, S) -> (B, E) of length 1."""
        return F.normalize(self.hear(spectrum(sound)), dim=1)

    def forward(self, question: tuple[Tensor, Tensor]) -> Tensor:
        """Return the logit of every frame with every sound, (B, C, H, W), (B, L, S) -> (B, B)."""
        frames, sound = question
        places = self.embed_frames(frames).flatten(2)  # (B, E, h w)
        cosine = torch.einsum("bep,ae->bap", places, self.embed_sound(sound)).amax(2)
        return self.log_scale.exp() * (cosine - (self.threshold if self.question == "pair" else 0))

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy in nats, of pairs or of the choice, -> ()."""
        if self.question == "which":
            return F.cross_entropy(output, target)
        return _half_and_half(F.softplus(-output), F.softplus(output), target).mean()

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the share of right answers about each frame, -> (B,)."""
        if self.question == "which":
            return super().measure(output, target)
        return _half_and_half((output > 0).float(), (output <= 0).float(), target)

    def guess(self, output: Tensor, target: Tensor) -> float:
        """Return 1/2, or 1 / B for the question which."""
        return 1 / output.shape[1] if self.question == "which" else 0.5

    def localise(self, frames: Tensor, sound: Tensor) -> Tensor:
        """Return how well each pixel goes with the sound, a cosine, -> (B, H, W).

        Args:
            frames: (B, C, H, W).
            sound: that of each frame and those after it, (B, L, S).
        """
        cosine = torch.einsum("behw,be->bhw", self.embed_frames(frames), self.embed_sound(sound))
        size = frames.shape[2:]
        return F.interpolate(cosine[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def _half_and_half(right: Tensor, wrong: Tensor, target: Tensor) -> Tensor:
    """Return for each frame the mean of its right pair and of the mean over its wrong pairs.

    Args:
        right: what a pair is worth if it belongs together, (B, A).
        wrong: what it is worth if it does not, (B, A).
        target: which of the A sounds is the frame's own, (B,).
    """
    own = F.one_hot(target, right.shape[1]).bool()
    others = (wrong * ~own).sum(1) / (right.shape[1] - 1)
    return (right.gather(1, target[:, None])[:, 0] + others) / 2
