"""InfoGAN (Chen et al., NIPS 2016): part of the noise is a code that can be read off the picture.

The generator's input is z and a code c. In a GAN nothing keeps it from ignoring c; here it is paid
for the mutual information I(c; x) = H(c) - H(c | x). The second term needs p(c | x), which is not
known. Any other distribution Q(c | x) gives a lower bound (Barber & Agakov, NIPS 2003),

    L_I = H(c) + E log Q(c | x) <= I(c; x) <= H(c),

whose gap is E KL(p(c | x) ‖ Q(c | x)). No label is used: what the code means is found afterwards.

Shapes: B batch, n samples, C channels, S side of the image in pixels, L latents, K_i values of
categorical code i, k of these codes, M continuous codes, E = K_1 + ... + K_k + M.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.densities import log_normal
from gencourse.gan.dcgan import DCGANGenerator
from gencourse.gan.info_networks import InfoDiscriminator
from gencourse.gan.picture_gan import PictureGAN
from gencourse.losses import gradient_penalty


class Codes(NamedTuple):
    """The code of each row.

    Attributes:
        categorical: numbers of the values, (B, k).
        continuous: in [-1, 1] where they were drawn, (B, M).
    """

    categorical: Tensor
    continuous: Tensor


class InfoGAN(PictureGAN):
    """DCGAN with a code, categorical parts uniform on 0..K_i - 1, continuous ones on [-1, 1].

    Q is a product: a categorical distribution for each categorical code, a normal one, of learnt
    mean and variance, for each continuous code. In the paper Q is optimised in both players'
    steps. Here each parameter has one owner: Q belongs to the discriminator, whose trunk it
    shares. In its step Q learns to read the code of samples that stand still, in its own the
    generator makes pictures that Q, which stands still, reads well. Both raise the same bound.

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        categorical: K_1, ..., K_k.
        num_continuous: M.
        num_latents: L, without the code.
        width: channels of the layer next to the image, in both networks.
        norm: of the discriminator; "batch" does not go with a penalty.
        weight: λ of the bound, in both players' losses.
        **game: loss and penalty, as in `GAN`.

    Raises:
        ValueError: no code at all, a code with fewer than 2 values, a negative weight, and as in
            `GAN` and `DCGAN`; in the losses pixels outside [0, 1].
    """

    discriminator: InfoDiscriminator

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        categorical: Sequence[int] = (10,),
        num_continuous: int = 0,
        num_latents: int = 32,
        width: int = 32,
        norm: str = "batch",
        weight: float = 1.0,
        **game: Any,
    ) -> None:
        values = tuple(categorical)
        if any(k < 2 for k in values) or num_continuous < 0 or not len(values) + num_continuous:
            raise ValueError(
                f"categorical is {values} and num_continuous is {num_continuous}, expected at "
                "least 2 values for each code, and at least one code"
            )
        if not weight >= 0:
            raise ValueError(f"weight is {weight}, expected at least 0")
        num_inputs = num_latents + sum(values) + num_continuous
        generator = DCGANGenerator(event_shape, num_latents=num_inputs, width=width)
        discriminator = InfoDiscriminator(
            event_shape, num_answers=sum(values) + 2 * num_continuous, width=width, norm=norm
        )
        shapes = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, **shapes, **game)
        self.categorical, self.num_continuous, self.weight = values, num_continuous, weight

    @property
    def entropy(self) -> float:
        """H(c) in nats, log K for each categorical code and log 2 for each continuous one."""
        return sum(math.log(k) for k in (*self.categorical, *[2] * self.num_continuous))

    def draw_codes(self, n: int, *, generator: torch.Generator | None = None) -> Codes:
        """Draw n codes."""
        like = next(self.generator.parameters())
        columns = [
            torch.randint(k, (n,), generator=generator, device=like.device)
            for k in self.categorical
        ]
        continuous = like.new_empty(n, self.num_continuous).uniform_(-1, 1, generator=generator)
        return Codes(torch.stack(columns, 1) if columns else _none(continuous), continuous)

    def encoded(self, c: Codes) -> Tensor:
        """Return a code as the generator's input, one-hot where it is categorical, -> (B, E).

        Raises:
            ValueError: parts of the wrong shape, or a value that a categorical code does not have.
        """
        y, u = c
        if y.shape[1:] != (len(self.categorical),) or u.shape != (len(y), self.num_continuous):
            raise ValueError(
                f"codes have shapes {tuple(y.shape)} and {tuple(u.shape)}, expected "
                f"(B, {len(self.categorical)}) and (B, {self.num_continuous})"
            )
        for column, k in zip(y.T, self.categorical, strict=True):
            if ((column < 0) | (column >= k)).any():
                raise ValueError(f"a code is {column.tolist()[:9]}, expected 0..{k - 1}")
        hot = [F.one_hot(column, k) for column, k in zip(y.T, self.categorical, strict=True)]
        return torch.cat([*(h.to(u.dtype) for h in hot), u], 1)

    def generate(self, z: Tensor, c: Codes) -> Tensor:
        """Return G(z, c), (B, L) and codes -> (B, C, S, S)."""
        return self.generator(torch.cat([z, self.encoded(c)], 1))

    def log_q(self, answers: Tensor, c: Codes) -> Tensor:
        """Return log Q(c | x) in nats of what the discriminator answered, (B, A) -> (B,)."""
        logits, mean, log_variance = self._parted(answers)
        total = log_normal(c.continuous, mean, (log_variance / 2).exp())
        for column, part in zip(c.categorical.T, logits, strict=True):
            total = total - F.cross_entropy(part, column, reduction="none")
        return total

    def information(self, x: Tensor, c: Codes) -> Tensor:
        """Return L_I in nats, estimated on x = G(z, c), (B, C, S, S) -> ()."""
        return self.entropy + self.log_q(self.discriminator.answers(x), c).mean()

    @torch.no_grad()
    def infer(self, x: Tensor) -> Codes:
        """Return the most probable code of each image, (B, C, S, S) -> (B, k) and (B, M)."""
        logits, mean, _ = self._parted(self.discriminator.answers(x))
        found = [part.argmax(1) for part in logits]
        return Codes(torch.stack(found, 1) if found else _none(mean), mean)

    def discriminator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the discriminator pays, less λ L_I of samples that stand still, -> ()."""
        x = self.real(batch)
        with torch.no_grad():
            c = self.draw_codes(len(x))
            fake = self.generate(self.noise(len(x)), c)
        verdict, answers = self.discriminator.both(fake)
        loss = self.game.discriminator(self.discriminator(x), verdict)
        if self.penalty:
            loss = loss + self.penalty * gradient_penalty(self.discriminator, x, fake)
        return loss - self.weight * (self.entropy + self.log_q(answers, c).mean())

    def generator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the generator pays on new samples, less λ L_I, -> ()."""
        n = len(batch[0])
        c = self.draw_codes(n)
        verdict, answers = self.discriminator.both(self.generate(self.noise(n), c))
        information = self.entropy + self.log_q(answers, c).mean()
        return self.game.generator(verdict) - self.weight * information

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Codes | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n samples, of the codes c = condition if they are given, -> (n, C, S, S).

        Raises:
            ValueError: codes of the wrong shape or value, or not n of them.
        """
        c = self.draw_codes(n, generator=generator) if condition is None else condition
        if len(c[0]) != n:
            raise ValueError(f"condition has {len(c[0])} codes, expected n = {n}")
        return self.generate(self.noise(n, generator=generator), Codes(*c))

    def _parted(self, answers: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Split (B, A) into logits (B, K_i), means (B, M) and log variances (B, M)."""
        m = self.num_continuous
        *logits, mean, log_variance = answers.split([*self.categorical, m, m], 1)
        return logits, mean, log_variance.clamp(-8, 8)


def _none(like: Tensor) -> Tensor:
    """Return codes of no column, -> (B, 0)."""
    return torch.empty(len(like), 0, dtype=torch.long, device=like.device)
