"""log p(x) of many bits at once, with few passes over the logits.

A Bernoulli decoder is asked for log σ(l) or log σ(-l) of each of D bits, S times for each row. At
50 samples of 784 pixels this, and not the network, is what a straightforward formula waits
for. Two observations make it cheap. In

    log p(x) = Σ_d [x_d l_d - log(1 + e^{l_d})] = Σ_d [(x_d - 1/2) l_d - |l_d| / 2 + log σ(|l_d|)]

the first part is an inner product; and σ(|l|) lies between 1/2 and 1, so that the product of 64 of
them can neither overflow nor vanish, and one logarithm does for 64 bits.

On a CPU the samples go through in blocks that stay in its cache, in a buffer that is used again:
fresh memory of the size of the logits costs more than the arithmetic.

Shapes: B batch, ... or S samples, D bits.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

_GROUP = 64
_BLOCK = 2**18  # logits at a time


def log_bits(x: Tensor, logits: Tensor) -> Tensor:
    """Return log p(x) of D independent bits in nats, (B, D) and (..., B, D) -> (..., B).

    Equal to `gencourse.densities.log_bernoulli` for finite logits, up to rounding of the sum. It
    has a first derivative with respect to `logits` only.

    Args:
        x: 0 or 1, in the dtype of the logits.
        logits: log p(x_d = 1) / p(x_d = 0).
    """
    samples = logits.reshape(-1, *x.shape)  # (S, B, D)
    return _LogBits.apply(x, samples).reshape(logits.shape[:-1])


def _block_size(samples: Tensor) -> int:
    """Return how many samples to take at a time; a GPU takes all."""
    on_cpu, one = samples.device.type == "cpu", max(1, samples[:1].numel())
    return max(1, _BLOCK // one) if on_cpu else max(1, len(samples))


class _LogBits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, logits: Tensor) -> Tensor:
        ctx.save_for_backward(x, logits)
        size, centred = _block_size(logits), x - 0.5
        buffer, log_p = torch.empty_like(logits[:size]), logits.new_empty(logits.shape[:2])
        for block, result in zip(logits.split(size), log_p.split(size), strict=True):
            part = buffer[: len(block)]
            torch.sum(torch.mul(block, centred, out=part), -1, out=result)
            result.sub_(torch.abs(block, out=part).sum(-1), alpha=0.5)
            likelier = part.sigmoid_()  # probability of the likelier value of each bit
            whole = likelier.shape[-1] // _GROUP * _GROUP
            groups = likelier[..., :whole].unflatten(-1, (-1, _GROUP)).prod(-1)
            result += groups.log().sum(-1) + likelier[..., whole:].prod(-1).log()
        return log_p

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[None, Tensor]:
        x, logits = ctx.saved_tensors
        size, slope = _block_size(logits), torch.empty_like(logits)
        for block, part, g in zip(
            logits.split(size), slope.split(size), grad[..., None].split(size), strict=True
        ):
            torch.sigmoid(block, out=part).neg_().add_(x).mul_(g)
        return None, slope
