"""NADE's logits with a backward pass of its own: fast, and without storing D hidden layers.

Variable i reads the hidden layer g(c + Σ_{j<i} x_j W_j), and where x_j = 0 nothing is added: all
variables up to the next one that isn't 0 read the same layer. A row of binarised MNIST has about
100 such layers for its 784 variables. So the loop runs over layers, not over variables, and what
lies between a layer and the variables that read it are sums and inner products of rows with rows,
which `embedding_bag` takes without storing the D x B pairs.

The layers are computed forwards in the backward pass too. Recomputed backwards, by subtraction,
they would round differently and open ReLU gates that were shut.

Shapes: B batch, D variables in the order of the model, H hidden units, T most updates of a row.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def _relu(a: Tensor, *, out: Tensor) -> Tensor:
    return torch.clamp(a, min=0, out=out)


ACTIVATIONS = {"sigmoid": torch.sigmoid, "relu": _relu}
LAYERS = 5000  # hidden layers that are held at once, all rows of a block together


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
        """Run over the rows in blocks, whose hidden layers are dropped when they are read."""
        ctx.activation = activation
        # the derivative by x_j needs the layer after j, also where x_j is 0
        ctx.moves = torch.ones_like(x, dtype=torch.bool) if ctx.needs_input_grad[0] else x != 0
        ctx.save_for_backward(x, W, V, c)
        logits = b[:, None].repeat(1, x.shape[1])
        for rows, runs in _blocks(x, ctx.moves):
            logits[:, rows] += runs.read(runs.layers(W, c, activation), V)
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Go through the blocks again, from the logits to the layers and back along the layers."""
        x, W, V, c = ctx.saved_tensors
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grad_W, grad_V, grad_c = torch.zeros_like(W), torch.zeros_like(V), torch.zeros_like(c)
        with torch.autocast(x.device.type, enabled=False):
            for rows, runs in _blocks(x, ctx.moves):
                h = runs.layers(W, c, ctx.activation)
                grad_V += runs.sum_over_rows(h, grad[:, rows])
                grad_a = runs.sum_over_readers(V, grad[:, rows])
                _times_derivative(grad_a, h, ctx.activation)
                for t in reversed(range(len(h) - 1)):
                    grad_a[t] += grad_a[t + 1]  # what a layer adds to all that come after it
                grad_W += runs.sum_over_updates(grad_a)
                grad_c += grad_a[0].sum(0)
                if grad_x is not None:
                    grad_x[:, rows] = _dots(grad_a.flatten(0, 1), runs.after, W)
        return grad_x, grad_W, grad_V, grad.sum(1), grad_c, None


@dataclass
class Runs:
    """Which hidden layer each variable reads, and which one its value makes.

    Layer t of row b has the index tB + b. Padded layers of rows with fewer updates are read by
    nobody.

    Attributes:
        x: (D, B), the values.
        moves: (D, B), whether a value makes a new layer.
        reads: (D, B), index of the layer that conditional k of row b reads.
        after: (D, B), index of the layer once x_k is added.
        num_layers: T + 1, of the row that has most.
    """

    x: Tensor
    moves: Tensor
    reads: Tensor
    after: Tensor
    num_layers: int

    @classmethod
    def of(cls, x: Tensor, moves: Tensor) -> Self:
        """Number the layers of a block of rows, (D, B)."""
        updates, row = moves.long().cumsum(0), torch.arange(x.shape[1], device=x.device)
        after = updates * len(row) + row
        return cls(x, moves, after - len(row) * moves, after, int(updates[-1].max()) + 1)

    def layers(self, W: Tensor, c: Tensor, activation: str) -> Tensor:
        """Return all hidden layers, -> (T + 1, B, H); a step makes the next layer of all rows."""
        num_rows = self.x.shape[1]
        activate, h = ACTIVATIONS[activation], W.new_empty(self.num_layers, num_rows, len(c))
        variable = self.after.new_zeros(self.num_layers * num_rows)
        value = W.new_zeros(self.num_layers * num_rows)  # of a padded layer: adds nothing
        made = self.after[self.moves]
        variable[made], value[made] = self.moves.nonzero()[:, 0], self.x[self.moves]
        variable, value = variable.view(-1, num_rows), value.view(-1, num_rows, 1)
        a = c.repeat(num_rows, 1)  # c.expand would alias the parameter when B is 1
        activate(a, out=h[0])
        for h_t, variable_t, value_t in zip(h[1:], variable[1:], value[1:], strict=True):
            activate(a.addcmul_(W.index_select(0, variable_t), value_t), out=h_t)
        return h

    def read(self, h: Tensor, V: Tensor) -> Tensor:
        """Return V_k h of the layer that k reads, -> (D, B)."""
        return _dots(h.flatten(0, 1), self.reads, V)

    def sum_over_rows(self, h: Tensor, weight: Tensor) -> Tensor:
        """Return Σ_b weight_kb h of the layer that k reads in row b, -> (D, H)."""
        return F.embedding_bag(
            self.reads, h.flatten(0, 1), per_sample_weights=weight.contiguous(), mode="sum"
        )

    def sum_over_readers(self, V: Tensor, weight: Tensor) -> Tensor:
        """Return Σ_k weight_kb V_k over the variables k that read a layer, -> (T + 1, B, H)."""
        num_rows = self.x.shape[1]
        layer, by_layer = self.reads.flatten().sort(stable=True)
        first = torch.searchsorted(layer, torch.arange(self.num_layers * num_rows).to(layer))
        sums = F.embedding_bag(
            by_layer // num_rows,
            V.detach(),  # a parameter takes the slower way that can be differentiated
            first,
            per_sample_weights=weight.flatten()[by_layer],
            mode="sum",
        )
        return sums.view(self.num_layers, num_rows, -1)

    def sum_over_updates(self, grad_a: Tensor) -> Tensor:
        """Return Σ_b x_kb grad_a of the layer after x_k, -> (D, H)."""
        counts = self.moves.sum(1)
        return F.embedding_bag(
            self.after[self.moves],
            grad_a.flatten(0, 1),
            counts.cumsum(0) - counts,
            per_sample_weights=self.x[self.moves],
            mode="sum",
        )


def _blocks(x: Tensor, moves: Tensor) -> list[tuple[slice, Runs]]:
    """Cut the rows into blocks of about `LAYERS` layers."""
    most = max(moves.sum(0).tolist(), default=0) + 1
    size = max(1, LAYERS // most)
    cuts = [slice(i, i + size) for i in range(0, x.shape[1], size)]
    return [(rows, Runs.of(x[:, rows], moves[:, rows])) for rows in cuts]


def _dots(rows: Tensor, index: Tensor, others: Tensor) -> Tensor:
    """Return the inner product of row index_kb with row k of others, (N, H), (D, B) -> (D, B).

    It is the derivative of Σ_b weight_kb rows[index_kb], projected on others, by the weights: so
    the D x B pairs of rows are never stored.
    """
    bags, size = index.shape
    bag = torch.arange(bags, device=index.device)
    dots = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        others, rows, index.flatten(), bag * size, bag.repeat_interleave(size), mode=0
    )
    return dots.view_as(index)


def _times_derivative(grad: Tensor, h: Tensor, activation: str) -> None:
    """Multiply `grad` in place by the derivative of the activation, from its value h."""
    if activation == "sigmoid":
        torch.ops.aten.sigmoid_backward(grad, h, grad_input=grad)
    else:
        torch.ops.aten.threshold_backward(grad, h, 0, grad_input=grad)
