"""What an image model says about one pixel: Bernoulli, or a softmax over K grey or colour levels.

Pixels are floats in [0, 1]: level k of K is k / (K - 1), so that black is 0 and white is 1. With
two levels the model gives one logit (a sigmoid), with more it gives K (van den Oord et al.,
"Pixel recurrent neural networks", ICML 2016, section 2.3, where K is 256).

Shapes: B batch, C colour channels, H x W pixels, K levels.
"""

from torch import Tensor

from gencourse.densities import log_bernoulli, log_categorical

_TOLERANCE = 1e-3  # of a level: 8-bit images divided by 255 are off by rounding only


class PixelOutput:
    """The distribution of single pixel values.

    Args:
        num_levels: K; 2 for binary images, 256 for 8-bit ones.

    Raises:
        ValueError: fewer than two levels.
    """

    def __init__(self, num_levels: int) -> None:
        if num_levels < 2:
            raise ValueError(f"num_levels is {num_levels}, expected at least 2")
        self.num_levels = num_levels

    @property
    def num_logits(self) -> int:
        """Numbers that the network gives for each pixel value: 1 for two levels, otherwise K."""
        return 1 if self.num_levels == 2 else self.num_levels

    def logits(self, features: Tensor, num_channels: int) -> Tensor:
        """Split the network's last features by colour.

        Maps (B, C * num_logits, H, W) -> (B, C, H, W) for two levels, (B, C, H, W, K) for more.
        """
        by_colour = features.unflatten(1, (num_channels, self.num_logits)).movedim(2, -1)
        return by_colour[..., 0] if self.num_levels == 2 else by_colour

    def levels(self, x: Tensor) -> Tensor:
        """Return the levels 0..K-1 of pixel values, int64 of the same shape.

        Raises:
            ValueError: a value that is no level, such as a grey one for a binary model.
        """
        # integers would wrap around, so that bytes 0..255 could pass for levels
        scaled = (x if x.is_floating_point() else x.double()) * (self.num_levels - 1)
        level = scaled.round()
        good = (level >= 0) & (level < self.num_levels) & ((scaled - level).abs() < _TOLERANCE)
        if not good.all():
            raise ValueError(
                f"x holds the pixel value {float(x[~good][0])}, "
                f"expected k / {self.num_levels - 1} for k in 0..{self.num_levels - 1}"
            )
        return level.long()

    def log_conditionals(self, x: Tensor, logits: Tensor) -> Tensor:
        """Return the log-probability of each pixel value in nats, (B, C, H, W) -> the same shape.

        Raises:
            ValueError: a value that is no level.
        """
        levels = self.levels(x)
        if self.num_levels == 2:
            return log_bernoulli(levels, logits, event_dims=0)
        return log_categorical(levels, logits, event_dims=0)

    def draw(self, logits: Tensor, uniform: Tensor) -> Tensor:
        """Turn uniform numbers into pixel values by the inverse of the distribution function.

        The same uniforms and the same logits give the same pixels, however the logits came about.

        Args:
            logits: (B,) for two levels, (B, K) for more.
            uniform: (B,) in [0, 1).

        Returns:
            Pixel values in [0, 1], (B,).
        """
        if self.num_levels == 2:
            return (uniform < logits.sigmoid()).to(uniform.dtype)
        below = logits.softmax(-1).cumsum(-1)[:, :-1]  # P(level <= k) for k < K - 1
        return (below <= uniform[:, None]).sum(-1).to(uniform.dtype) / (self.num_levels - 1)
