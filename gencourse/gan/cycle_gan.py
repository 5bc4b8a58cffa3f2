"""CycleGAN (Zhu et al., ICCV 2017): from one kind of picture to another without a single pair.

G turns x into a y, F turns y into an x, and each has a discriminator that knows its kind. That
alone would let G show any y. So there and back again has to return the picture it began with,
F(G(x)) ≈ x and G(F(y)) ≈ y: what x shows must stay visible in G(x).

Shapes: B batch, C channels, H x W pixels, P images in a pool.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.gan.layers import NORMS, SLOPE, initialise
from gencourse.gan.patchgan import PatchGANDiscriminator
from gencourse.gan.picture_gan import checked_pixels
from gencourse.losses import AdversarialLoss, least_squares_loss
from gencourse.protocols import Configurable

DIRECTIONS = (("x_to_y", "x", "y"), ("y_to_x", "y", "x"))  # name, from which kind, to which


class CycleGAN(Configurable, nn.Module):
    """Two generators against two PatchGANs, least squares; batches (x, y) are no pairs.

    The players are module dictionaries: `generator["x_to_y"]` and `["y_to_x"]`,
    `discriminator["x"]` and `["y"]`. With `fit_adversarial` x and y are two columns of one data
    set, in any order; give `draw=lambda model, g: model.sample(n, condition=x)`.

    Args:
        event_shape: (C, H, W) of both kinds.
        width: channels of the generators' first layer.
        num_blocks: residual blocks in each generator.
        norm: of all networks, "batch", "instance" or "none".
        patch_width: channels of the discriminators' first layer.
        patch_halvings: 1, 2, 3 judge patches of 16, 34, 70 pixels.
        cycle_weight: λ of the cycles' mean absolute error, with pixels in [-1, 1].
        identity_weight: of |G(y) - y| and |F(x) - x|, half of λ in the paper where colours matter.
        pool_size: P; the discriminators see half of their fakes from a pool of earlier ones
            (Shrivastava et al., CVPR 2017), 50 in the paper; 0 for none.

    Raises:
        ValueError: images that the networks cannot take, a negative weight or pool.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        width: int = 32,
        num_blocks: int = 3,
        norm: str = "instance",
        patch_width: int = 32,
        patch_halvings: int = 2,
        cycle_weight: float = 10.0,
        identity_weight: float = 5.0,
        pool_size: int = 0,
    ) -> None:
        super().__init__()
        shape, patch = tuple(event_shape), 3 * 2**patch_halvings
        if len(shape) != 3 or any(s % 4 for s in shape[1:]) or min(shape[1:]) < patch:
            raise ValueError(
                f"event_shape is {shape}, expected (C, H, W) with sides that are multiples of 4, "
                f"and at least the {patch} pixels that a discriminator with {patch_halvings} "
                "halvings needs"
            )
        sizes = {"cycle_weight": cycle_weight, "identity_weight": identity_weight}
        sizes |= {"pool_size": pool_size}
        if not min(sizes.values()) >= 0:
            raise ValueError(f"{sizes}, expected at least 0 each")
        self.event_shape = shape
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.generator = nn.ModuleDict(
            {
                direction: ResNetGenerator(shape[0], width=width, num_blocks=num_blocks, norm=norm)
                for direction, _, _ in DIRECTIONS
            }
        )
        self.discriminator = nn.ModuleDict(
            {
                kind: PatchGANDiscriminator(
                    shape[0], width=patch_width, num_halvings=patch_halvings, norm=norm
                )
                for kind in ("x", "y")
            }
        )
        self.pools = nn.ModuleDict({kind: ImagePool(pool_size, shape) for kind in ("x", "y")})

    @property
    def game(self) -> AdversarialLoss:
        """The two sides of the loss: least squares."""
        return least_squares_loss

    def translate(self, x: Tensor, direction: str = "x_to_y") -> Tensor:
        """Return G(x), or F(y) in the direction "y_to_x", (B, C, H, W) -> (B, C, H, W).

        Raises:
            ValueError: another direction, or images that do not fit.
        """
        if direction not in self.generator:
            raise ValueError(f"direction is {direction!r}, expected 'x_to_y' or 'y_to_x'")
        return self.generator[direction](self._images(x))

    def discriminator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what both discriminators pay, on x and F(y) and on y and G(x), -> ().

        No gradient reaches the generators.
        """
        real, loss = self._both(batch), 0
        with torch.no_grad():
            fake = {kind: self.generator[way](real[other]) for way, other, kind in DIRECTIONS}
        for kind, judge in self.discriminator.items():
            shown = self.pools[kind](fake[kind]) if self.training else fake[kind]
            loss = loss + self.game.discriminator(judge(real[kind]), judge(shown))
        return loss

    def generator_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what both generators pay: the game, the cycles, the identities, -> ()."""
        real, loss = self._both(batch), 0
        for way, source, kind in DIRECTIONS:
            there, back = self.generator[way], self.generator[f"{kind}_to_{source}"]
            fake = there(real[source])
            loss = loss + self.game.generator(self.discriminator[kind](fake))
            # twice the distance in [0, 1], since the paper's pixels are in [-1, 1]
            loss = loss + self.cycle_weight * 2 * F.l1_loss(back(fake), real[source])
            if self.identity_weight:
                same = F.l1_loss(there(real[kind]), real[kind])
                loss = loss + self.identity_weight * 2 * same
        return loss

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        direction: str = "x_to_y",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Translate n pictures, condition (n, C, H, W), or one, (C, H, W), n times.

        Nothing is random: `generator` is there because every model's `sample` has it.

        Raises:
            ValueError: no pictures, or what does not fit.
        """
        if condition is None:
            raise ValueError(
                "condition is None, expected input images (n, C, H, W): CycleGAN has no other "
                "source of samples (in fit_adversarial, give them with draw)"
            )
        x = condition.expand(n, -1, -1, -1) if condition.ndim == 3 else condition
        if len(x) != n:
            raise ValueError(f"condition has {len(x)} images, expected one or n = {n}")
        return self.translate(x, direction)

    def _both(self, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
        if len(batch) < 2:
            raise ValueError(f"a batch of {len(batch)} tensors, expected images of both kinds")
        return {"x": self._images(batch[0]), "y": self._images(batch[1])}

    def _images(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != self.event_shape:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, *{self.event_shape})")
        return checked_pixels(x).to(next(self.generator.parameters()).dtype)


class ResNetGenerator(Configurable, nn.Module):
    """CycleGAN's generator: two halvings, residual blocks, two doublings (after Johnson, 2016).

    Args:
        channels: C.
        width: channels of the first layer; the blocks have four times as many.
        num_blocks: residual blocks of two convolutions; 6 or 9 in the paper.
        norm: "batch", "instance" or "none" after all layers but the last.

    Raises:
        ValueError: a size below 1, or another norm.
    """

    def __init__(
        self, channels: int, *, width: int = 32, num_blocks: int = 3, norm: str = "instance"
    ) -> None:
        super().__init__()
        sizes = {"channels": channels, "width": width, "num_blocks": num_blocks}
        if min(sizes.values()) < 1:
            raise ValueError(f"{sizes}, expected at least 1 each")
        if norm not in NORMS or norm == "spectral":
            raise ValueError(f"norm is {norm!r}, expected 'batch', 'instance' or 'none'")
        self.channels, middle = channels, 4 * width
        self.layers = nn.Sequential(
            *_layer(nn.Conv2d(channels, width, 3, 1, 1), norm),
            *_layer(nn.Conv2d(width, 2 * width, 4, 2, 1), norm),
            *_layer(nn.Conv2d(2 * width, middle, 4, 2, 1), norm),
            *(_Residual(middle, norm) for _ in range(num_blocks)),
            *_layer(nn.ConvTranspose2d(middle, 2 * width, 4, 2, 1), norm),
            *_layer(nn.ConvTranspose2d(2 * width, width, 4, 2, 1), norm),
            nn.Conv2d(width, channels, 3, 1, 1),
            nn.Tanh(),
        )
        initialise(self.layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map pixels in [0, 1], (B, C, H, W) -> the same; H and W multiples of 4."""
        return (self.layers(2 * x - 1) + 1) / 2


class _Residual(nn.Module):
    """h plus two convolutions of h, (B, D, H, W) -> the same."""

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        first = _layer(nn.Conv2d(width, width, 3, 1, 1), norm)
        self.layers = nn.Sequential(*first, *_layer(nn.Conv2d(width, width, 3, 1, 1), norm)[:-1])

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)


def _layer(convolution: nn.Conv2d | nn.ConvTranspose2d, norm: str) -> list[nn.Module]:
    """Return the convolution, its norm, leaky ReLU."""
    kinds = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
    norms = [kinds[norm](convolution.out_channels, affine=True)] if norm in kinds else []
    return [convolution, *norms, nn.LeakyReLU(SLOPE)]


class ImagePool(nn.Module):
    """The last P fakes, in buffers, so that a resumed run goes on with the same ones.

    A picture that comes in fills an empty place. When there is none, it is passed on in half of
    the cases, and else takes the place of one from the pool, which is passed on instead.

    Args:
        size: P; with 0 everything is passed on.
        event_shape: of an image.
    """

    def __init__(self, size: int, event_shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *event_shape))
        self.register_buffer("num_filled", torch.tensor(0))

    def forward(self, fake: Tensor) -> Tensor:
        """Exchange pictures, (B, C, H, W) -> (B, C, H, W); the draws are torch's default ones."""
        size = len(self.images)
        if not size:
            return fake
        shown = fake.clone()
        empty = size - int(self.num_filled)
        new, rest = fake[:empty], fake[empty:]
        start = int(self.num_filled)
        self.images[start : start + len(new)] = new
        self.num_filled += len(new)
        # as many different places as pictures, so that no two want the same
        rest = rest[:size]
        places = torch.randperm(size, device=fake.device)[: len(rest)]
        swapped = torch.rand(len(rest), device=fake.device) < 0.5
        rows = len(new) + torch.arange(len(rest), device=fake.device)[swapped]
        shown[rows] = self.images[places[swapped]]
        self.images[places[swapped]] = rest[swapped]
        return shown
