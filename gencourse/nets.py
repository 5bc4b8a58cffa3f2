"""Networks that more than one model is built from.

Shapes: B batch, I inputs, O outputs (of a convolution: channels).
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.protocols import Configurable


class MLP(Configurable, nn.Module):
    """Fully connected layers with a non-linearity between them, none after the last.

    Args:
        in_features: I.
        out_features: O.
        hidden: widths of the hidden layers; empty gives a linear map.
        activation: name of the class in `torch.nn`, such as "ReLU", "Tanh" or "SiLU".

    Raises:
        ValueError: a width below 1, or a name that `torch.nn` does not know.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        hidden: Sequence[int] = (),
        activation: str = "ReLU",
    ) -> None:
        super().__init__()
        widths = [in_features, *hidden, out_features]
        if min(widths) < 1:
            raise ValueError(f"the layers' widths are {widths}, expected at least 1")
        make = getattr(nn, activation, None)
        if not (isinstance(make, type) and issubclass(make, nn.Module)):
            raise ValueError(f"activation is {activation!r}, expected a class of torch.nn")
        layers: list[nn.Module] = []
        for i, o in itertools.pairwise(widths):
            layers += [nn.Linear(i, o), make()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I) -> (B, O)."""
        return self.layers(x)


class MaskedLinear(nn.Linear):
    """A linear layer in which output o sees input i only where `mask[o, i]` is 1.

    The mask multiplies in the forward pass and never touches the stored weight, so that an
    optimiser with momentum or weight decay cannot bring a forbidden connection back.

    Args:
        mask: 0 and 1, (O, I); a buffer, saved with the state.
        bias: whether to add a bias.

    Raises:
        ValueError: `mask` is no matrix of 0 and 1.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, *, bias: bool = True) -> None:
        if mask.ndim != 2 or not ((mask == 0) | (mask == 1)).all():
            raise ValueError(
                f"mask has shape {tuple(mask.shape)} and values {mask.unique()[:5].tolist()}, "
                "expected (outputs, inputs) of 0 and 1"
            )
        super().__init__(mask.shape[1], mask.shape[0], bias=bias)
        self.register_buffer("mask", mask.to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I) -> (B, O)."""
        return F.linear(x, self.mask * self.weight, self.bias)


class MaskedConv2d(nn.Conv2d):
    """A convolution with a masked kernel; stride 1 and zeros around keep the size.

    As in `MaskedLinear` the stored weight is never touched.

    Args:
        mask: 0 and 1, (O, I, kernel height, kernel width), both odd; a buffer.
        bias: whether to add a bias.

    Raises:
        ValueError: `mask` holds other values, or has no centre.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, *, bias: bool = True) -> None:
        if mask.ndim != 4 or not ((mask == 0) | (mask == 1)).all():
            raise ValueError(
                f"mask has shape {tuple(mask.shape)} and values {mask.unique()[:5].tolist()}, "
                "expected (outputs, inputs, height, width) of 0 and 1"
            )
        outputs, inputs, height, width = mask.shape
        if not (height % 2 and width % 2):
            raise ValueError(f"mask has a kernel of {height}x{width}, expected odd sizes")
        padding = (height // 2, width // 2)
        super().__init__(inputs, outputs, (height, width), padding=padding, bias=bias)
        self.register_buffer("mask", mask.to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, I, height, width) -> (B, O, height, width)."""
        return F.conv2d(x, self.mask * self.weight, self.bias, padding=self.padding)


class KeyValueCache:
    """The keys and values that a `SelfAttention` has seen, for one place after the other.

    For sampling: what is stored carries no gradient.

    Args:
        length: most places that it can hold.
    """

    def __init__(self, length: int) -> None:
        self.length, self.filled = length, 0
        self.stored: Tensor | None = None  # (2, B, heads, length, W / heads)

    def append(self, new: Tensor) -> Tensor:
        """Take the key and value of one more place, (2, B, heads, W / heads).

        Returns:
            All keys and values so far, (2, B, heads, places, W / heads).

        Raises:
            ValueError: there is no room for another place.
        """
        if self.filled == self.length:
            raise ValueError(f"the cache holds {self.filled} places already, expected no more")
        if self.stored is None:
            self.stored = new.new_empty(*new.shape[:-1], self.length, new.shape[-1])
        self.stored[..., self.filled, :] = new
        self.filled += 1
        return self.stored[..., : self.filled, :]


class SelfAttention(nn.Module):
    """Attention with several heads: softmax(Q Kᵀ / √(W / heads)) V (Vaswani et al., NIPS 2017).

    Shapes: S places, W width.

    Args:
        width: W.
        num_heads: how many; must divide W.

    Raises:
        ValueError: a size below 1, or heads that do not divide the width.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        if width < 1 or num_heads < 1 or width % num_heads:
            raise ValueError(
                f"width is {width} and num_heads is {num_heads}, "
                "expected at least 1 each, and a number of heads that divides the width"
            )
        self.num_heads = num_heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        """Map (B, S, W) -> (B, S, W); with `causal` no place sees a later one."""
        parts = self.queries_keys_values(x).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, S, W / heads)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out(seen.transpose(1, 2).flatten(2))

    def step(self, x: Tensor, cache: KeyValueCache) -> Tensor:
        """Return the output at one more place, (B, W) -> (B, W), which sees those in `cache`."""
        parts = self.queries_keys_values(x).unflatten(-1, (3, self.num_heads, -1))
        q, *new = parts.unbind(1)  # each (B, heads, W / heads)
        k, v = cache.append(torch.stack(new))
        return self.out(F.scaled_dot_product_attention(q[:, :, None], k, v).flatten(1))


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)), with the norms inside the residuals.

    The norm comes first, as in GPT-2 and in the vision transformer (Dosovitskiy et al., ICLR
    2021). Nothing but `causal` and `step` knows an order of the places.

    Args:
        width: W.
        num_heads: of the attention; must divide W.
        mlp_ratio: hidden units of the MLP for each feature.

    Raises:
        ValueError: a size below 1, or heads that do not divide the width.
    """

    def __init__(self, width: int, num_heads: int, *, mlp_ratio: int = 4) -> None:
        super().__init__()
        self.attention = SelfAttention(width, num_heads)  # first, because it checks the sizes
        self.attention_norm = nn.LayerNorm(width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = MLP(width, width, hidden=(mlp_ratio * width,), activation="GELU")

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        """Map (B, S, W) -> (B, S, W); with `causal` no place sees a later one."""
        x = x + self.attention(self.attention_norm(x), causal=causal)
        return x + self.mlp(self.mlp_norm(x))

    def step(self, x: Tensor, cache: KeyValueCache) -> Tensor:
        """Return the output at one more place, (B, W) -> (B, W), as `forward` would, causal."""
        x = x + self.attention.step(self.attention_norm(x), cache)
        return x + self.mlp(self.mlp_norm(x))
