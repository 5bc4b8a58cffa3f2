"""Forward-backward and Viterbi on chains, in log space (Baum et al. 1970; Viterbi 1967).

The chain of order k is a first-order chain over *blocks* of k neighbouring variables: a step drops
the oldest variable of the block and appends the next one. The backward pass is the forward pass
along the reversed chain, so both run in the same loop, as two rows of one tensor.

Shapes: B batch, T length, K states, k order, R = K^(k-1), S = T - k steps. A block's K^k states
are numbered with its latest variable running fastest.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Messages(NamedTuple):
    """Log messages of every block, both (S + 1, B, K^k).

    Attributes:
        forward: log p(block, evidence up to the block's end).
        backward: log p(evidence in and after the block | block).
    """

    forward: Tensor
    backward: Tensor


def forward_backward(log_initial: Tensor, log_steps: Tensor, log_seen: Tensor) -> Messages:
    """Pass messages along the chain in both directions, S steps of O(B K^(k+1)).

    Args:
        log_initial: (K,) * k, log p(first block).
        log_steps: (S, K, ..., K) with k + 1 state axes, log p(next | block); may be expanded.
        log_seen: (B, T, K), 0 where the evidence allows a state, LOG_ZERO where it does not.
    """
    k, K = log_initial.ndim, log_initial.shape[0]
    R = K ** (k - 1)
    turned = log_steps.flip(0).permute(0, *range(k + 1, 0, -1))
    tables = torch.stack([log_steps, turned], 1).reshape(-1, 2, 1, K, R, K)
    seen = torch.stack([log_seen, log_seen.flip(1)]).transpose(1, 2)  # (2, T, B, K)
    both = _block(seen[:, :k])  # (2, B, K^k)
    start = log_initial.reshape(1, 1, -1)
    both = (both + torch.cat([start, torch.zeros_like(start)])).unflatten(-1, (R, K))
    history = [both]
    for table, now in zip(tables, seen[:, k:, :, None].unbind(1), strict=True):
        spread = both.reshape(2, -1, K, R, 1) + table  # (2, B, K, R, K), the oldest first
        both = spread.logsumexp(2) + now  # (2, B, R, K)
        history.append(both)
    forward, backward = torch.stack(history, 1).flatten(3)  # each (S + 1, B, K^k)
    axes = backward.flip(0).unflatten(-1, (K,) * k)
    return Messages(forward, axes.permute(0, 1, *range(k + 1, 1, -1)).flatten(2))


def viterbi(log_initial: Tensor, log_steps: Tensor, log_seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return a most probable path (B, T) and its log-probability (B,).

    The arguments are those of `forward_backward`. Back-pointers make the path one whole optimum
    even where several tie.
    """
    k, K = log_initial.ndim, log_initial.shape[0]
    R = K ** (k - 1)
    seen = log_seen.transpose(0, 1)  # (T, B, K)
    best = log_initial.flatten() + _block(seen[None, :k])[0]  # (B, K^k)
    pointers = []
    for table, now in zip(log_steps.reshape(-1, K, R, K), seen[k:], strict=True):
        top = (best.reshape(-1, K, R, 1) + table).max(1)  # over the oldest: (B, R, K)
        pointers.append(top.indices.flatten(1))
        best = (top.values + now[:, None]).flatten(1)
    log_prob, block = best.max(1)
    path = []
    for pointer in reversed(pointers):
        path.append(block % K)
        oldest = pointer.gather(1, block[:, None])[:, 0]
        block = oldest * R + block // K
    path += [block // K**i % K for i in range(k)]
    return torch.stack(path[::-1], 1), log_prob


def _block(seen: Tensor) -> Tensor:
    """Add up what is seen of k neighbouring variables, (2, k, B, K) -> (2, B, K^k)."""
    total = seen[:, 0]
    for now in seen.unbind(1)[1:]:
        total = (total[..., None] + now[:, :, None]).flatten(2)
    return total
