"""One pass over the buckets of a plan, from the first to the last.

Each message is divided by its largest entry now and then, and the logarithm of the divisor is
kept: the product of thousands of small numbers never underflows, and zeros stay exact zeros.

Shapes: tables are (K1, ..., Kn, B), axes in the order of elimination and the batch axis last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gencourse.graphical.elimination_plan import Bucket, Plan, Shape


@dataclass
class Elimination:
    """What a pass over the buckets leaves behind, for a second pass back.

    Attributes:
        plan: the buckets.
        tables: the factors, reduced by the evidence and laid out as the plan wants them.
        batch_size: B, at least 1.
        scales: the divisors, (B,) or (1,) each.
        bases: product of the factors of each bucket, None where there are none.
        messages: message of each bucket, None where it is all ones.
        pointers: for maximisation, the best state of each bucket's variable.
        result: the product of the last bucket, over the variables kept.
    """

    plan: Plan
    tables: list[Tensor]
    batch_size: int
    scales: list[Tensor]
    bases: list[Tensor | None] = field(default_factory=list)
    messages: list[Tensor | None] = field(default_factory=list)
    pointers: list[Tensor] = field(default_factory=list)
    result: Tensor | None = None

    @property
    def log_scale(self) -> Tensor:
        """Sum of the logarithms of all divisors, (B,)."""
        if not self.scales:
            return self.result.new_zeros(self.batch_size)
        return torch.stack([s.expand(self.batch_size) for s in self.scales]).log().sum(0)

    def log_total(self) -> Tensor:
        """Return the logarithm of the sum (or maximum) over all variables, (B,)."""
        total = self.result.reshape(-1, self.result.shape[-1]).sum(0)
        return total.log() + self.log_scale


def send_messages(done: Elimination, *, maximise: bool) -> None:
    """Send the messages of a plan from the first bucket to the last."""
    plan = done.plan
    for bucket in plan.buckets[:-1]:
        base = _base(bucket, done)
        done.bases.append(base)
        if bucket.silent:
            done.messages.append(None)
            continue
        table = times_messages(base, bucket, done)
        if maximise:
            message, pointer = table.max(0)
            done.pointers.append(pointer)
        else:
            message = table.sum(0)
        done.messages.append(rescaled(message, done.scales) if bucket.rescale else message)
    last = plan.buckets[-1]
    result = times_messages(_base(last, done), last, done)
    if result is None:  # nothing but sums of conditional distributions
        result = done.tables[0].new_ones(1)
    sizes = [plan.cardinalities[name] for name in last.scope]
    done.result = result.expand(*sizes, done.batch_size)


def _base(bucket: Bucket, done: Elimination) -> Tensor | None:
    return _product([aligned(done.tables[i], shape) for i, shape in bucket.factors], done)


def times_messages(base: Tensor | None, bucket: Bucket, done: Elimination) -> Tensor | None:
    """Multiply the messages of a bucket into the product of its factors."""
    parts = [] if base is None else [base]
    for sender, shape in bucket.messages:
        message = done.messages[sender]
        if message is not None:
            parts.append(aligned(message, shape))
    return _product(parts, done)


def _product(parts: list[Tensor], done: Elimination) -> Tensor | None:
    """Multiply aligned tables; a long product is rescaled on the way."""
    if not parts:
        return None
    table = parts[0]
    for i, part in enumerate(parts[1:], start=1):
        table = table * part
        if i % done.plan.stride == 0 and i < len(parts) - 1:
            table = rescaled(table, done.scales)
    return table


def aligned(table: Tensor, shape: Shape) -> Tensor:
    """Give a table an axis for each variable of a bucket's scope."""
    return table if shape is None else table.reshape(shape)


def rescaled(table: Tensor, scales: list[Tensor] | None = None) -> Tensor:
    """Divide by the largest entry of each row, noted in ``scales``; a row of zeros stays."""
    top = table.detach()
    if table.ndim > 1:
        top = top.amax(tuple(range(table.ndim - 1)))  # (B,)
    top = top.clamp_min(torch.finfo(table.dtype).tiny)
    if scales is not None:
        scales.append(top)
    return table / top
