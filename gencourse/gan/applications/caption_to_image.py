"""Caption to image (Reed et al., "Generative adversarial text to image synthesis", ICML 2016).

A caption becomes a code that the generator gets beside its noise. The discriminator sees a picture
with a caption, and learns from three kinds of pairs: a real picture with its caption is real; a
generated picture is fake; and so is a *real picture with a wrong caption*. Without the third kind
it could judge pictures alone, and nothing would tell the generator to read (their GAN-CLS).

Shapes: B batch, n samples, T words of a caption, K words in all, E width of the code, C channels,
S side of the image in pixels, L latents.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.gan.dcgan import DCGANGenerator
from gencourse.gan.layers import SLOPE, down, initialise, widths
from gencourse.gan.picture_gan import PictureGAN


class BagOfWords(nn.Module):
    """The sum of a vector for each word: their order is lost, (B, T) -> (B, E).

    Args:
        num_words: K; the last word is padding and counts for nothing.
        width: E.
    """

    def __init__(self, num_words: int, width: int) -> None:
        super().__init__()
        if min(num_words - 1, width) < 1:
            raise ValueError(
                f"num_words is {num_words} and width is {width}, expected at least 2 and 1"
            )
        self.words = nn.EmbeddingBag(num_words, width, padding_idx=num_words - 1, mode="sum")

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the code of each caption.

        Raises:
            ValueError: no rows of tokens, or a number that no word has.
        """
        last = self.words.num_embeddings - 1
        if tokens.ndim != 2 or tokens.is_floating_point():
            raise ValueError(f"tokens are {tokens.dtype} {tuple(tokens.shape)}, expected (B, T)")
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) <= last:
            outside = tokens[(tokens < 0) | (tokens > last)]
            raise ValueError(f"tokens hold {outside[0].item()}, expected 0..{last}")
        return self.words(tokens)


class TextGenerator(nn.Module):
    """DCGAN's generator on noise and code, (B, L) and (B, T) -> (B, C, S, S)."""

    def __init__(
        self,
        event_shape: Sequence[int],
        num_words: int,
        num_text: int,
        num_latents: int,
        width: int,
    ) -> None:
        super().__init__()
        self.text = BagOfWords(num_words, num_text)
        self.image = DCGANGenerator(event_shape, num_latents=num_latents + num_text, width=width)

    def forward(self, z: Tensor, tokens: Tensor) -> Tensor:
        """Return G(z, t)."""
        return self.image(torch.cat([z, self.text(tokens)], 1))


class TextDiscriminator(nn.Module):
    """Down to 4 x 4 places, where the code joins each place, (B, C, S, S) and (B, T) -> (B,)."""

    def __init__(
        self, event_shape: Sequence[int], num_words: int, num_text: int, width: int, norm: str
    ) -> None:
        super().__init__()
        self.text = BagOfWords(num_words, num_text)
        channels = widths(event_shape, width)
        layers = down(event_shape[0], width, norm=norm, first=True)
        for i in channels[:-1]:
            layers += down(i, 2 * i, norm=norm)
        top, spectral = channels[-1], norm == "spectral"
        joint = [nn.Conv2d(top + num_text, top, 1), nn.LeakyReLU(SLOPE)]
        joint += [nn.Conv2d(top, 1, 4), nn.Flatten(0)]
        self.image = initialise(nn.Sequential(*layers), spectral=spectral)
        self.joint = initialise(nn.Sequential(*joint), spectral=spectral)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Return the logits of "x is real, and t is its caption"."""
        maps = self.image(2 * x - 1)
        code = self.text(tokens)[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        return self.joint(torch.cat([maps, code], 1))


class CaptionGAN(PictureGAN):
    """Both players read; batches are (x, tokens).

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_words: K, with the padding, which comes last.
        num_text: E.
        num_latents: L.
        width: channels of the layer next to the image, in both networks.
        norm: of the discriminator.
        matching: whether a real picture with a wrong caption counts as fake.
        loss: as in `GAN`.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_words: int,
        num_text: int = 16,
        num_latents: int = 16,
        width: int = 32,
        norm: str = "batch",
        matching: bool = True,
        loss: str = "non_saturating",
    ) -> None:
        generator = TextGenerator(event_shape, num_words, num_text, num_latents, width)
        discriminator = TextDiscriminator(event_shape, num_words, num_text, width, norm)
        shapes: dict[str, Any] = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, loss=loss, **shapes)
        self.matching = matching

    def discriminator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return the loss on real pairs, generated pictures and wrong captions, -> ().

        The wrong caption is that of the next row. Where it reads the same it is not wrong, and
        the row is left out.
        """
        x, tokens = self.real(batch), batch[1]
        with torch.no_grad():
            fake = self.generator(self.noise(len(x)), tokens)
        on_fake = self.game.on_fake(self.discriminator(fake, tokens)).mean()
        other = tokens.roll(1, 0)
        wrong = (other != tokens).any(1)
        if self.matching and wrong.any():
            mismatched = self.game.on_fake(self.discriminator(x, other))[wrong].mean()
            on_fake = (on_fake + mismatched) / 2
        return self.game.on_real(self.discriminator(x, tokens)).mean() + on_fake

    def generator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the generator pays on new pictures for the captions of a batch, -> ()."""
        tokens = batch[1]
        fake = self.generator(self.noise(len(tokens)), tokens)
        return self.game.generator(self.discriminator(fake, tokens))

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n pictures for the captions condition, (T,) for all or (n, T), -> (n, C, S, S)."""
        if condition is None:
            raise ValueError("condition is None, expected the tokens of a caption, (T,) or (n, T)")
        z = self.noise(n, generator=generator)
        tokens = torch.as_tensor(condition, device=z.device)
        return self.generator(z, tokens.expand(n, tokens.shape[-1]))
