"""NADE's logits with a backward pass of its own: fast, and without storing D hidden layers.

Left to autograd, the loop over variables stores all hidden layers, B x D x H numbers, several
times over. Here the forward pass keeps one pre-activation, updates it in place, and stores it at
the start of each chunk of variables only. The backward pass recomputes the others from there,
with the same operations: a recomputation that ran backwards, by subtraction, would round
differently and open ReLU gates that were shut.

Shapes: B batch, D variables in the order of the model, H hidden units, K variables in a chunk.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def _relu(a: Tensor, *, out: Tensor) -> Tensor:
    return torch.clamp(a, min=0, out=out)


ACTIVATIONS = {"sigmoid": torch.sigmoid, "relu": _relu}
CHUNK = 28  # variables whose hidden layers the backward pass holds at once; about √D is smallest


def nade_logits(x: Tensor, W: Tensor, V: Tensor, b: Tensor, c: Tensor, activation: str) -> Tensor:
    """Return V_i g(c + Σ_{j<i} x_j W_j) + b_i for each i, (D, B) -> (D, B).

    Works in the precision of the parameters, also under autocast: the running sum has D terms.

    Args:
        x: (D, B), any real values.
        W: (D, H), the transpose of the paper's.
        V: (D, H).
        b: (D,).
        c: (H,).
        activation: g, a key of `ACTIVATIONS`.
    """
    with torch.autocast(x.device.type, enabled=False):
        return NADELogits.apply(x, W, V, b, c, activation)


class NADELogits(torch.autograd.Function):
    """The recursion x (D, B), W (D, H), ... -> logits (D, B), see `nade_logits`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, W: Tensor, V: Tensor, b: Tensor, c: Tensor, activation: str
    ) -> Tensor:
        """Run over the variables with one pre-activation, stored at the start of each chunk."""
        activate = ACTIVATIONS[activation]
        a = c.repeat(x.shape[1], 1)  # (B, H); c.expand would alias the parameter when B is 1
        h, starts, logits = torch.empty_like(a), [], b[:, None].repeat(1, x.shape[1])
        for k, (x_k, W_k, V_k, logits_k) in enumerate(zip(x, W, V, logits, strict=True)):
            if k % CHUNK == 0:
                starts.append(a.clone())
            activate(a, out=h)
            logits_k.addmv_(h, V_k)
            a.addr_(x_k, W_k)
        ctx.save_for_backward(x, W, V, *starts)
        ctx.activation = activation
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Go through the chunks from the last to the first, and through each one backwards."""
        x, W, V, *starts = ctx.saved_tensors
        grad, grad_x = grad.contiguous(), torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grad_W, grad_V = torch.empty_like(W), torch.empty_like(V)
        grad_a = torch.zeros_like(starts[0])  # (B, H), of the pre-activation after variable k
        layers = grad_a.new_empty(CHUNK, *grad_a.shape)
        with torch.autocast(x.device.type, enabled=False):
            for i, start in reversed(list(enumerate(starts))):
                chunk = slice(i * CHUNK, (i + 1) * CHUNK)
                h = _hidden_layers(start, x[chunk], W[chunk], ctx.activation, out=layers)
                torch.bmm(grad[chunk, None], h, out=grad_V[chunk, None])
                # V_k g'(a_k) of the whole chunk, in the place of h
                _derivative(V[chunk, None].expand_as(h), h, ctx.activation, out=h)
                steps = list(zip(x[chunk], grad_W[chunk], h, grad[chunk, :, None], strict=True))
                for k in reversed(range(len(h))):
                    # the pre-activation after variable k is the one before it plus x_k W_k
                    x_k, grad_W_k, derivative_k, grad_k = steps[k]
                    torch.mv(grad_a.T, x_k, out=grad_W_k)
                    if grad_x is not None:
                        torch.mv(grad_a, W[chunk][k], out=grad_x[chunk][k])
                    grad_a.addcmul_(derivative_k, grad_k)
        return grad_x, grad_W, grad_V, grad.sum(1), grad_a.sum(0), None


def _hidden_layers(a: Tensor, x: Tensor, W: Tensor, activation: str, *, out: Tensor) -> Tensor:
    """Return the hidden layers of one chunk, (k, B, H), from the pre-activation at its start."""
    out = out[: len(x)]
    out[0] = a
    for before, x_k, W_k, after in zip(out, x, W, out[1:], strict=False):
        torch.addr(before, x_k, W_k, out=after)
    return ACTIVATIONS[activation](out, out=out)


def _derivative(factor: Tensor, h: Tensor, activation: str, *, out: Tensor) -> None:
    """Write `factor` times the derivative of the activation, from its value h, to `out`."""
    if activation == "sigmoid":
        torch.ops.aten.sigmoid_backward(factor, h, grad_input=out)
    else:
        torch.ops.aten.threshold_backward(factor, h, 0, grad_input=out)
