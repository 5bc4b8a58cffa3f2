"""What all models over images share: p(x) as a product over pixel values, and exact sampling.

The values come row by row, from left to right, and within a pixel R, then G, then B:
p(x) = prod_i p(x_i | x_<i). A full pass of the network gives all factors of a known image at once,
but a sample needs one value after the other. `sample_by_full_passes` does that with a full pass
per value; `sample` keeps what earlier pixels have left in each layer.

Shapes: B batch, C colour channels, H x W pixels, K levels.
"""

import itertools

import torch
from torch import Tensor, nn

from gencourse.autoregressive.completion import Condition, given_values
from gencourse.autoregressive.pixel_cache import PixelCache
from gencourse.autoregressive.pixel_outputs import PixelOutput
from gencourse.protocols import Configurable


class PixelModel(Configurable, nn.Module):
    """An exact density over images (C, H, W) with pixel values k / (K - 1) in [0, 1].

    A model has `features`, the whole network, and `cache`, the same one pixel at a time.

    Args:
        event_shape: (C, H, W).
        num_levels: K; 2 (one logit a pixel) up to 256 and more.

    Raises:
        ValueError: a shape that is no image, or fewer than two levels.
    """

    def __init__(self, event_shape: tuple[int, int, int], *, num_levels: int) -> None:
        super().__init__()
        if len(event_shape) != 3 or min(event_shape) < 1:
            raise ValueError(f"event_shape is {tuple(event_shape)}, expected (C, H, W)")
        self.event_shape = tuple(event_shape)
        self.output = PixelOutput(num_levels)

    def features(self, x: Tensor) -> Tensor:
        """Run the network, (B, C, H, W) -> (B, C * num_logits, H, W)."""
        raise NotImplementedError

    def cache(self, n: int) -> PixelCache:
        """Return an empty memory for drawing n images."""
        raise NotImplementedError

    def logits(self, x: Tensor) -> Tensor:
        """Return the parameters of each p(x_i | x_<i).

        Maps (B, C, H, W) -> (B, C, H, W) for two levels, (B, C, H, W, K) for more.

        Raises:
            ValueError: images of another shape.
        """
        if x.shape[1:] != self.event_shape:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected (B, *event_shape) "
                f"with event_shape {self.event_shape}"
            )
        return self.output.logits(self.features(x.to(self._like())), self.event_shape[0])

    def log_conditionals(self, x: Tensor) -> Tensor:
        """Return log p(x_i | x_<i) in nats for each value, (B, C, H, W) -> the same shape.

        Raises:
            ValueError: images of another shape, or a pixel value that is no level.
        """
        # in the parameters' precision, also under autocast
        return self.output.log_conditionals(x, self.logits(x).to(self._like()))

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B, C, H, W) -> (B,); errors as in `log_conditionals`."""
        return self.log_conditionals(x).sum((1, 2, 3))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n exact samples, or exact completions of an image, -> (n, C, H, W).

        Args:
            n: how many.
            condition: an image (C, H, W), or one for each sample (n, C, H, W), and a mask that
                broadcasts to (C, H, W) and is true where its values are given. The given values
                must be the first ones in the model's order (all colours of the upper rows, and of
                the last of them the left part): p(rest | given) is then the product of the
                remaining factors.
            generator: of the uniform numbers, one for each value, (n, C, H, W).

        Raises:
            ValueError: given values that are impossible, or that come after one that is not given;
                for those, see `complete_by_importance`.
        """
        image, given = self._given(condition, n)
        self._check_given_come_first(given)
        return self._fill(image, given, generator)

    @torch.no_grad()
    def propose(
        self, n: int, condition: Condition, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw with the given values held, wherever they stand, for `complete_by_importance`.

        Returns:
            Images (n, C, H, W), and the log-weights (n,) in nats: what holding the values leaves
            out of p(x), their own probability, each given the values before it.
        """
        image, given = self._given(condition, n)
        x = self._fill(image, given, generator)
        return x, self.log_conditionals(x)[:, given].sum(-1)

    @torch.no_grad()
    def sample_by_full_passes(
        self,
        n: int,
        *,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw what `sample` draws, with a full pass of the network per value, -> (n, C, H, W).

        The algorithm of the lecture, and the oracle of the fast one: C H W times slower than
        `log_prob`. Arguments and errors are those of `sample`.
        """
        x, given = self._given(condition, n)
        self._check_given_come_first(given)
        uniform = self._uniform(n, generator)
        channels, height, width = self.event_shape
        for row, column, channel in itertools.product(*map(range, (height, width, channels))):
            if not given[channel, row, column]:
                at = (slice(None), channel, row, column)
                x[at] = self.output.draw(self.logits(x)[at], uniform[at])
        return x

    def _fill(self, x: Tensor, given: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw the values that are not given, each without a look at those given later."""
        uniform, is_given = self._uniform(len(x), generator), given.movedim(0, -1).tolist()
        channels, height, width = self.event_shape
        cache = self.cache(len(x))
        for row in range(height):
            cache.start_row()
            for column in range(width):
                pixel = x[:, :, row, column]  # a view: what is drawn shows in it
                for channel in range(channels):
                    known = is_given[row][column][channel]
                    if known and channel < channels - 1:
                        continue  # the step for the last colour will do
                    features = cache.step(column, pixel)
                    if not known:
                        logits = self.output.logits(features[..., None, None], channels)
                        pixel[:, channel] = self.output.draw(
                            logits[:, channel, 0, 0], uniform[:, channel, row, column]
                        )
                cache.finish(column, pixel)
        return x

    def _like(self) -> Tensor:
        return next(self.parameters())

    def _uniform(self, n: int, generator: torch.Generator | None) -> Tensor:
        like = self._like()
        return torch.rand(
            (n, *self.event_shape), generator=generator, dtype=like.dtype, device=like.device
        )

    def _given(self, condition: Condition | None, n: int) -> Condition:
        """Return images with the given values and elsewhere 0, and what is given (C, H, W)."""
        image, given = given_values(condition, n, self.event_shape, self._like())
        self.output.levels(image)
        return image.clone(), given

    def _check_given_come_first(self, given: Tensor) -> None:
        in_order = given.movedim(0, -1).flatten()  # rows, columns, colours
        if not in_order[: int(in_order.sum())].all():
            missing, late = (
                self._name(int(place))
                for place in ((~in_order).nonzero()[0], in_order.nonzero()[-1])
            )
            raise ValueError(
                f"condition gives the value at {late} but not the one at {missing}, which comes "
                "before it; expected the first values in the order of the model, row by row, "
                "because only these can be conditioned on exactly. complete_by_importance "
                "approximates the others"
            )

    def _name(self, place: int) -> str:
        pixel, channel = divmod(place, self.event_shape[0])
        row, column = divmod(pixel, self.event_shape[2])
        return f"(channel {channel}, row {row}, column {column})"


def check_sizes(**sizes: int) -> None:
    """Refuse a layer count or width below 1.

    Raises:
        ValueError: naming the first such size.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}, expected at least 1")


def check_kernel(**kernels: int) -> None:
    """Refuse a kernel that has no centre, or that with mask A sees nothing at all.

    Raises:
        ValueError: naming the first such kernel.
    """
    for name, size in kernels.items():
        if size < 3 or size % 2 == 0:
            raise ValueError(f"{name} is {size}, expected an odd number from 3")
