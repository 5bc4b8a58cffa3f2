"""Self-attention and the transformer's block (Vaswani et al., NIPS 2017).

Shapes: B batch, S places, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.nets.mlp import MLP


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
