"""Detection of fakes: up-sampling leaves its trace in the spectrum, and each kind another one.

Durall, Keuper & Keuper, "Watch your up-convolution" (CVPR 2020). A generator doubles its maps
several times; a transposed convolution puts zeros between the pixels, which repeats the spectrum
at high frequencies, and no filter of a few pixels takes all of it away. The detector here is a
linear discriminant on the power at each frequency, fitted in closed form. It knows the generators
it was shown: whether it knows another one is measured, not assumed.

Shapes: N pictures, C channels, S side of the image in pixels, R = S/2 + 1 frequencies.
"""

import torch
from torch import Tensor


def power_spectrum(x: Tensor) -> Tensor:
    """Return the mean power of pictures at each radius of frequency, (N, C, S, S) -> (N, R).

    Entry r is the mean of |DFT|² / S² over all frequencies at a distance of r ± 1/2 from 0, in
    cycles a picture; beyond S/2 are the corners, which count for the last. White noise of variance
    σ² has σ² everywhere but at 0: the mean is taken away.

    Raises:
        ValueError: pictures that are no squares.
    """
    if x.ndim != 4 or x.shape[2] != x.shape[3]:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (N, C, S, S)")
    side = x.shape[3]
    power = torch.fft.fft2(x - x.mean((2, 3), keepdim=True)).abs().square().mean(1) / side**2
    axis = torch.fft.fftfreq(side, 1 / side, dtype=torch.float64)
    radius = (axis[:, None].square() + axis.square()).sqrt().round().long().clamp(max=side // 2)
    rings = torch.nn.functional.one_hot(radius.flatten()).to(power)  # (S S, R)
    return power.flatten(1) @ rings / rings.sum(0)


class SpectralDetector:
    """Fisher's linear discriminant on the logarithm of the power spectrum.

    Args:
        real: pictures of the data, (N, C, S, S).
        fake: pictures of a generator, (M, C, S, S).
        ridge: added to the variances, which are those of log power in nats.
    """

    def __init__(self, real: Tensor, fake: Tensor, *, ridge: float = 1e-3) -> None:
        a, b = self.features(real), self.features(fake)
        within = (torch.cov(a.T) + torch.cov(b.T)) / 2
        eye = torch.eye(len(within)).to(within)
        self.weight = torch.linalg.solve(within + ridge * eye, b.mean(0) - a.mean(0))  # (R,)
        self.bias = -self.weight @ (a.mean(0) + b.mean(0)) / 2

    @staticmethod
    def features(x: Tensor) -> Tensor:
        """Return log power without that at 0, (N, C, S, S) -> (N, R - 1)."""
        return (power_spectrum(x)[:, 1:].double() + 1e-8).log()

    def logits(self, x: Tensor) -> Tensor:
        """Return log odds of being fake, if both kinds are normal, (N, C, S, S) -> (N,)."""
        return self.features(x) @ self.weight + self.bias

    def accuracy(self, real: Tensor, fake: Tensor) -> float:
        """Return the mean of the two shares that are judged rightly: 1/2 is chance."""
        right = (self.logits(real) < 0).double().mean() + (self.logits(fake) > 0).double().mean()
        return float(right) / 2


def generalisation(
    real_train: Tensor, real_test: Tensor, train: list[Tensor], test: list[Tensor]
) -> Tensor:
    """Return the accuracy of a detector trained on generator i (row) on generator j, -> (K, K).

    The diagonal against the rest is the gap: to know one generator is not to know fakes.

    Args:
        real_train: pictures of the data.
        real_test: others of the data.
        train: pictures of each of K generators.
        test: others of each.
    """
    rows = []
    for fakes in train:
        detector = SpectralDetector(real_train, fakes)
        rows.append([detector.accuracy(real_test, other) for other in test])
    return torch.tensor(rows)
