"""A watermark: n bits that a picture carries unseen, and a test with an exact error rate.

Spread spectrum (Cox et al., "Secure spread spectrum watermarking for multimedia", IEEE TIP 1997).
Each bit has a carrier, a random pattern of P x P pixels that only the key tells, and adds or
subtracts it; the sum tiles the picture. Who has the key takes the inner product with each carrier,
where the picture cancels and the bit's sign is left.

The message is drawn at random, without a look at any picture. So whatever bits the decoder reads
in an unmarked picture, each is right with probability 1/2, and independently: the number of right
ones is Binomial(n, 1/2), *exactly*, for any picture and any decoder that does not know the
message. This is why the decoder may search for the place of a crop.

Shapes: B pictures, C channels, H x W pixels, n bits, P period of the tiling.
"""

import math
from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BAND = (0.12, 0.3)  # cycles a pixel: finer is lost in compression, coarser is full of picture


class Watermark:
    """The carriers of n bits.

    Args:
        num_bits: n.
        period: P; a picture that is cropped to at least P x P pixels still has all bits.
        key: seed of the carriers.

    Raises:
        ValueError: fewer than 1 bit, or too many for the frequencies of P x P pixels.
    """

    def __init__(self, num_bits: int = 32, *, period: int = 32, key: int = 0) -> None:
        fx, fy = torch.fft.fftfreq(period), torch.fft.rfftfreq(period)
        frequency = (fx[:, None].square() + fy.square()).sqrt()
        band = (frequency >= BAND[0]) & (frequency <= BAND[1])  # (P, P/2 + 1)
        if not 1 <= num_bits <= int(band.sum()):
            raise ValueError(
                f"num_bits is {num_bits}, expected 1..{int(band.sum())} for a period of {period}"
            )
        noise = torch.randn(num_bits, period, period, generator=torch.Generator().manual_seed(key))
        smooth = torch.fft.irfft2(torch.fft.rfft2(noise) * band, s=(period, period))
        # orthogonal, so that no bit disturbs another; each pixel has a variance of 1 / n from each
        rows = torch.linalg.qr(smooth.flatten(1).T).Q.T  # (n, P P)
        self.carriers = rows.unflatten(1, (period, period)) * period / math.sqrt(num_bits)
        self.num_bits, self.period = num_bits, period

    def pattern(self, bits: Tensor) -> Tensor:
        """Return the tile that carries bits, of variance 1, (B, n) of 0 and 1 -> (B, P, P).

        Raises:
            ValueError: bits of another number, or other than 0 and 1.
        """
        if bits.ndim != 2 or bits.shape[1] != self.num_bits or ((bits != 0) & (bits != 1)).any():
            raise ValueError(
                f"bits have shape {tuple(bits.shape)} and values {bits.unique().tolist()[:4]}, "
                f"expected (B, {self.num_bits}) of 0 and 1"
            )
        signs = 2 * bits.to(self.carriers) - 1
        return torch.einsum("bn,nij->bij", signs, self.carriers)

    def embed(self, x: Tensor, bits: Tensor, *, strength: float = 0.015) -> Tensor:
        """Add the mark to pictures in [0, 1] and round to 1/255, (B, C, H, W) -> the same.

        Args:
            x: the pictures.
            bits: (B, n).
            strength: standard deviation of the mark, in pixels' unit; all channels get the same.
        """
        height, width = x.shape[2:]
        tiles = self.pattern(bits).repeat(
            1, math.ceil(height / self.period), math.ceil(width / self.period)
        )
        marked = x + strength * tiles[:, None, :height, :width]
        return (255 * marked.clamp(0, 1)).round() / 255

    def decode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bits, (B, n), and the shift at which they were found, (B, 2).

        A crop shifts the tiles. All P² shifts are tried at once by Fourier transforms, and the one
        where the carriers, whatever their signs, explain most is taken.

        Raises:
            ValueError: pictures smaller than a tile.
        """
        period, (height, width) = self.period, x.shape[2:]
        if min(height, width) < period:
            raise ValueError(
                f"pictures have {height} x {width} pixels, expected at least {period}"
            )
        grey = x.mean(1, keepdim=True)
        # the picture is smooth and the mark is not: take away the mean of the neighbours
        rough = grey - F.avg_pool2d(F.pad(grey, (3, 3, 3, 3), mode="reflect"), 7, 1)
        tile = _folded(rough[:, 0], period)  # (B, P, P)
        spectrum = torch.fft.fft2(tile)[:, None] * torch.fft.fft2(self.carriers).conj()
        products = torch.fft.ifft2(spectrum).real  # (B, n, P, P): at each shift
        best = products.square().sum(1).flatten(1).argmax(1)  # (B,)
        shift = torch.stack([best // period, best % period], 1)
        found = products.flatten(2)[torch.arange(len(x)), :, best]
        return (found > 0).long(), shift


def _folded(x: Tensor, period: int) -> Tensor:
    """Return the mean of all tiles, (B, H, W) -> (B, P, P); what does not repeat cancels."""
    height, width = x.shape[1:]
    down, right = -height % period, -width % period
    padded, ones = F.pad(x, (0, right, 0, down)), F.pad(torch.ones_like(x), (0, right, 0, down))

    def total(values: Tensor) -> Tensor:
        return values.unflatten(2, (-1, period)).unflatten(1, (-1, period)).sum((1, 3))

    return total(padded) / total(ones)


def p_value(decoded: Tensor, bits: Tensor) -> Tensor:
    """Return P(Binomial(n, 1/2) >= the number of equal bits), (B, n) and (B, n) -> (B,).

    To call a picture marked when this is at most α is wrong for at most a share α of unmarked
    pictures.
    """
    if decoded.shape != bits.shape or decoded.ndim != 2:
        raise ValueError(
            f"decoded has shape {tuple(decoded.shape)} and bits {tuple(bits.shape)}, "
            "expected (B, n) both"
        )
    n = bits.shape[1]
    ways = torch.tensor([math.comb(n, k) / 2**n for k in range(n + 1)], dtype=torch.float64)
    tail = ways.flip(0).cumsum(0).flip(0)  # P(at least k are right)
    return tail[(decoded == bits).sum(1)]


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Return 10 log10 (1 / mean squared difference) in dB, for pixels in [0, 1], -> (B,)."""
    return -10 * (x - y).square().flatten(1).mean(1).log10()


def jpeg(x: Tensor, *, quality: int = 50) -> Tensor:
    """Compress RGB pictures to JPEG and back, (B, 3, H, W) in [0, 1] -> the same."""
    from PIL import Image

    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}, expected 1..100")
    images = []
    for image in (255 * x).round().byte().permute(0, 2, 3, 1).cpu().numpy():
        file = BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        images.append(torch.from_numpy(np.array(Image.open(file))))
    return torch.stack(images).permute(0, 3, 1, 2).to(x) / 255
