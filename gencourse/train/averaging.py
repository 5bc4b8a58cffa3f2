"""A running average of a network's parameters along training.

In a game the parameters circle around the solution rather than walk into it; their average is
nearer to it (Yazıcı et al., "The unusual effectiveness of averaging in GAN training", ICLR 2019).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class RunningAverage:
    """Keeps a ← d a + (1 - d) θ for each parameter θ, with d = min(decay, (1 + t) / (10 + t)).

    At step t = 0, 1, ... the weight of the past is small at first, so that the random start is
    soon forgotten. Buffers, such as the means of batch norm, are those of the latest step.

    Args:
        network: whose parameters are followed; never changed, but by `swapped_in`.
        decay: in [0, 1); 0 follows the parameters without delay.

    Attributes:
        state: the average, as a state dict.

    Raises:
        ValueError: another decay.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"average is {decay}, expected at least 0 and below 1")
        self.network, self.decay = network, decay
        self.state = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters of one more step, the `step`-th, counted from 0."""
        new = self.network.state_dict()
        averaged = [name for name, _ in self.network.named_parameters(remove_duplicate=False)]
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(
            [self.state[name] for name in averaged], [new[name] for name in averaged], 1 - decay
        )
        for name in new.keys() - set(averaged):
            self.state[name].copy_(new[name])

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from an average that was saved."""
        for name, tensor in state.items():
            self.state[name].copy_(tensor)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Give the network the average, and afterwards its own state back."""
        own = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict(self.state)
        try:
            yield
        finally:
            self.network.load_state_dict(own)
