"""A small causal transformer: each place attends to itself and to the places before it.

Vaswani et al., "Attention is all you need" (NIPS 2017), with the decoder only and normalisation
before each part as in GPT-2 (Radford et al., 2019). Where an RNN squeezes the past into one state,
attention looks it up again: a sample costs O(T²), but no token is further away than another.

Shapes: B batch, n samples, T places, K tokens, W width.
"""

import torch
from torch import Tensor, nn

from gencourse.autoregressive.token_chain import Memory, TokenChain, check_at_least_one
from gencourse.autoregressive.token_values import TokenEmbedding
from gencourse.nets import KeyValueCache, TransformerBlock
from gencourse.protocols import Configurable


class CausalTransformer(Configurable, TokenChain):
    """p(x) over T tokens by masked self-attention, with a learnt vector for each place.

    Args:
        num_tokens: K.
        length: T.
        width: W, features of a token.
        num_heads: of each attention; must divide W.
        num_layers: blocks of attention and a two-layer network.

    Raises:
        ValueError: a size below 1, or heads that do not divide the width.
    """

    def __init__(
        self,
        num_tokens: int,
        length: int,
        *,
        width: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
    ) -> None:
        super().__init__(num_tokens, length)
        check_at_least_one(width=width, num_heads=num_heads, num_layers=num_layers)
        self.embedding = TokenEmbedding(num_tokens, width)
        self.places = nn.Parameter(torch.empty(length, width))
        for vectors in (self.embedding.weight, self.places):
            nn.init.normal_(vectors, std=0.1)
        self.blocks = nn.ModuleList(TransformerBlock(width, num_heads) for _ in range(num_layers))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, num_tokens))

    def features(self, previous: Tensor) -> Tensor:
        """Run the network over start symbol, x_0, ..., x_{T-2}: (B, T) -> (B, T, K)."""
        h = self.embedding(previous) + self.places  # (B, T, W)
        for block in self.blocks:
            h = block(h, causal=True)
        return self.head(h)

    def memory(self, n: int) -> Memory:
        """Return the network one token at a time; it remembers all keys and values."""
        places = iter(self.places)
        caches = [KeyValueCache(len(self.places)) for _ in self.blocks]

        def step(previous: Tensor) -> Tensor:
            h = self.embedding(previous) + next(places)  # (n, W)
            for block, cache in zip(self.blocks, caches, strict=True):
                h = block.step(h, cache)
            return self.head(h)

        return step
