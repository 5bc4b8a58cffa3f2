"""What keeps a transformer from being too steep a discriminator (ViTGAN: Lee et al., ICLR 2022).

The slope of the usual attention has no bound: the inner product of two tokens grows with both. A
distance between tokens that share their projection has one (Kim et al., "The Lipschitz constant
of self-attention", ICML 2021). The weights around it keep the norm that they began with.

Shapes: B batch, S places, W width.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm


class L2SelfAttention(nn.Module):
    """softmax(-‖q_i - q_j‖² / √(W / heads)) V: keys are the queries (Kim et al., ICML 2021).

    As in ViTGAN the values have a weight of their own, where Kim et al. tie that one, too.

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
        self.queries = nn.Linear(width, width, bias=False)  # a bias would cancel in q_i - q_j
        self.values, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        """Map (B, S, W) -> (B, S, W), for any number S of places.

        Raises:
            ValueError: `causal`, which this attention does not know.
        """
        if causal:
            raise ValueError("causal is True, expected False: L2 attention sees all places")
        q, v = (
            layer(x)
            .unflatten(-1, (self.num_heads, -1))
            .transpose(1, 2)  # (B, heads, S, W / heads)
            for layer in (self.queries, self.values)
        )
        # -‖q_i - q_j‖² without ‖q_i‖², which is the same for all j and cancels in the softmax
        logits = 2 * q @ q.mT - q.square().sum(-1)[..., None, :]  # (B, heads, S, S)
        weights = (logits / q.shape[-1] ** 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class _Scale(nn.Module):
    """A weight times a number that is state, not a parameter."""

    factor: Tensor

    def __init__(self, factor: Tensor) -> None:
        super().__init__()
        self.register_buffer("factor", factor)

    def forward(self, weight: Tensor) -> Tensor:
        return self.factor * weight


def normalise_to_initial(network: nn.Module) -> nn.Module:
    """Keep each layer's largest singular value at what it is now: W σ(W_0) / σ(W).

    The improved spectral normalisation of ViTGAN. With a norm of 1 in every layer, as in
    `normalise_spectrally`, their transformer trained badly. Changes the network, and returns it. A
    convolution's weight is taken as a matrix (output channels, rest).
    """
    for layer in [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]:
        initial = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        spectral_norm(layer)
        parametrize.register_parametrization(layer, "weight", _Scale(initial))
    return network
