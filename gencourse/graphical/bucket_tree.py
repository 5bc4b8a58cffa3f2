"""The second pass, from the last bucket to the first: all marginals, samples, or the MAP state.

The buckets of an elimination form a tree. After the messages have gone up, one pass down gives

- all marginals at once (Shafer & Shenoy, 1990): what a bucket sends down to a sender is everything
  but that sender's own message, so there is no division and zeros are harmless;
- an exact posterior sample: draw each variable given those eliminated after it;
- the most probable state: follow the pointers of max-product.

Two passes cost about two eliminations. The gradient of log Z would give the same marginals, but
takes 2 to 5 times as long (measured on chains and random networks): it builds a graph first.

Shapes: tables are (K1, ..., Kn, B), axes in the order of elimination and the batch axis last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gencourse.graphical.elimination import eliminate, joined_cardinalities, joined_states
from gencourse.graphical.evidence import Evidence, parse_evidence
from gencourse.graphical.factor import Factor, sample_categorical
from gencourse.graphical.message_pass import Elimination, aligned, rescaled, times_messages


def all_marginals(
    factors: Sequence[Factor],
    evidence: Mapping[str, Any] | Evidence | None = None,
    *,
    heuristic: str | Sequence[str] = "min-fill",
    children: Sequence[str | None] | None = None,
) -> dict[str, Tensor]:
    """Return p(x | evidence) for every variable, (K,) or (B, K); one-hot where observed.

    Args:
        factors: tables whose product is the unnormalised joint.
        evidence: variable -> state, or a (B,) tensor of states.
        heuristic: see `order_variables`.
        children: for each factor, the variable over which it is known to sum to 1, or None.

    Raises:
        ValueError: for bad input, a table too large for memory, evidence of probability zero.
    """
    parsed = _parsed(factors, evidence)
    done, batch_size = eliminate(factors, parsed, heuristic=heuristic, children=children)
    check_possible(done, parsed)
    marginals = _normalized(_beliefs(done), batch_size)
    sizes = joined_cardinalities(factors)
    for name, states in parsed.observed.items():
        size = sizes[name]
        one_hot = torch.nn.functional.one_hot(states, size).to(done.tables[0])  # (B or 1, K)
        marginals[name] = one_hot[0] if batch_size is None else one_hot.expand(batch_size, size)
    return {name: marginals[name] for name in sizes}


def most_probable(
    factors: Sequence[Factor],
    evidence: Mapping[str, Any] | Evidence | None = None,
    *,
    heuristic: str | Sequence[str] = "min-fill",
    children: Sequence[str | None] | None = None,
) -> dict[str, int] | dict[str, Tensor]:
    """Return the most probable joint state given evidence, ints or (B,) tensors.

    Max-product elimination with back-pointers (Koller & Friedman, 2009, section 13.2).
    """
    parsed = _parsed(factors, evidence)
    done, batch_size = eliminate(
        factors, parsed, heuristic=heuristic, maximise=True, children=children
    )
    check_possible(done, parsed)
    rows = torch.arange(done.batch_size, device=done.tables[0].device)
    states = {name: s.expand(done.batch_size) for name, s in parsed.observed.items()}
    for bucket, pointer in zip(done.plan.buckets[-2::-1], done.pointers[::-1], strict=True):
        states[bucket.scope[0]] = _at(pointer, bucket.scope[1:], states, rows)
    names = joined_cardinalities(factors)
    if batch_size is None:
        return {name: int(states[name][0]) for name in names}
    return {name: states[name] for name in names}


def posterior_samples(
    factors: Sequence[Factor],
    n: int,
    evidence: Mapping[str, Any] | Evidence | None = None,
    *,
    generator: torch.Generator | None = None,
    heuristic: str | Sequence[str] = "min-fill",
    children: Sequence[str | None] | None = None,
) -> dict[str, Tensor]:
    """Draw n exact joint samples given evidence, variable -> (n,) int64.

    Evidence given as tensors must have n rows: one sample is drawn for each row.
    """
    parsed = _parsed(factors, evidence)
    if parsed.batch_size not in (None, n):
        raise ValueError(f"evidence has {parsed.batch_size} rows, but n is {n} samples")
    done, _ = eliminate(factors, parsed, heuristic=heuristic, children=children)
    check_possible(done, parsed)
    rows = torch.arange(n, device=done.tables[0].device)
    states = {name: s.expand(n) for name, s in parsed.observed.items()}
    for b in range(len(done.plan.order) - 1, -1, -1):
        bucket = done.plan.buckets[b]
        table = times_messages(done.bases[b], bucket, done).detach()
        # a size-1 axis of the table (a variable it does not depend on) is read at 0
        flat = _at(table.movedim(0, -1), bucket.scope[1:], states, rows)  # (n, K)
        states[bucket.scope[0]] = sample_categorical(flat, generator=generator)
    return states


def check_possible(done: Elimination, evidence: Evidence) -> None:
    """Refuse evidence of probability zero.

    Raises:
        ValueError: naming the evidence (of the first impossible row of a batch).
    """
    total = done.result.detach().reshape(-1, done.batch_size).sum(0)  # (B,)
    if 0 < float(total.min()) and float(total.max()) < torch.inf:
        return
    row = int((~((total > 0) & total.isfinite())).nonzero()[0])
    if not bool(total[row].isfinite()):
        raise ValueError("the product of the factors overflows: divide the potentials first")
    if not evidence.observed:
        raise ValueError("the factors give every state probability 0")
    where = f" (row {row})" if evidence.batch_size is not None else ""
    raise ValueError(f"the evidence {evidence.describe(row)}{where} has probability 0")


def _beliefs(done: Elimination) -> dict[str, Tensor]:
    """Send the messages down; variable -> unnormalised marginal, (K, B or 1).

    None stands for a table of ones throughout, and a load counts the tables multiplied since
    the last rescaling, as on the way up.
    """
    buckets = done.plan.buckets
    beliefs: dict[str, Tensor] = {}
    incoming: list[Tensor | None] = [None] * len(buckets)
    loads = [0] * len(buckets)
    for b in range(len(buckets) - 2, -1, -1):
        bucket, table, above = buckets[b], done.bases[b], incoming[b]
        if above is not None:
            table = above.unsqueeze(0) if table is None else table * above
        if bucket.silent:  # every message is one, and the sum of all entries stays as it is
            belief = table
            for (sender, _), outside in zip(bucket.messages, bucket.outside, strict=True):
                belief = incoming[sender] = table.sum(outside) if outside else table
                loads[sender] = loads[b]
        else:
            belief = _send_down(done, b, table, incoming, loads)
        rest = tuple(range(1, belief.ndim - 1))
        beliefs[bucket.scope[0]] = belief.sum(rest) if rest else belief
    return beliefs


def _send_down(
    done: Elimination,
    b: int,
    table: Tensor | None,
    incoming: list[Tensor | None],
    loads: list[int],
) -> Tensor:
    """Send each sender everything but its own message; return the product of everything.

    Variables other than the bucket's own may already be summed out of what is returned.
    """
    bucket, buckets, stride = done.plan.buckets[b], done.plan.buckets, done.plan.stride
    messages = [
        None if done.messages[sender] is None else aligned(done.messages[sender], shape)
        for sender, shape in bucket.messages
    ]
    load = loads[b] + len(bucket.factors) + sum(buckets[m].load for m, _ in bucket.messages)
    belief = table
    for i, after in enumerate(_products_after(messages, stride)):
        sender, outside = bucket.messages[i][0], bucket.outside[i]
        down = _times(table, after)
        if down is not None and outside:
            down = down.sum(outside)
        loads[sender] = load - buckets[sender].load
        if down is not None and loads[sender] >= stride:
            down, loads[sender] = rescaled(down), 1
        incoming[sender] = down
        if i == len(messages) - 1:
            belief = _times(down, done.messages[sender])
        elif messages[i] is not None:
            table = _times(table, messages[i])
            table = rescaled(table) if i % stride == 0 else table
    return belief


def _products_after(messages: list[Tensor | None], stride: int) -> list[Tensor | None]:
    """Return, for each message, the product of all that come after it."""
    after: list[Tensor | None] = [None] * len(messages)
    for i in range(len(messages) - 1, 0, -1):
        after[i - 1] = _times(after[i], messages[i])
        if after[i - 1] is not None and i % stride == 0:
            after[i - 1] = rescaled(after[i - 1])
    return after


def _normalized(beliefs: Mapping[str, Tensor], batch_size: int | None) -> dict[str, Tensor]:
    """Divide each belief by its sum, all variables of a kind at once, -> (K,) or (B, K) each."""
    groups: dict[torch.Size, list[str]] = {}
    for name, belief in beliefs.items():
        groups.setdefault(belief.shape, []).append(name)
    marginals = {}
    for (size, _), names in groups.items():
        stacked = torch.stack([beliefs[name] for name in names])  # (variables, K, B or 1)
        probs = stacked / stacked.sum(1, keepdim=True)
        if batch_size is None:
            probs = probs.squeeze(2)
        else:
            probs = probs.transpose(1, 2).expand(len(names), batch_size, size)
        marginals.update(zip(names, probs.unbind(), strict=True))
    return marginals


def _at(
    table: Tensor, scope: Sequence[str], states: Mapping[str, Tensor], rows: Tensor
) -> Tensor:
    """Read a table (scope..., B or 1, ...) at the states of each row; size-1 axes at 0."""
    zeros = torch.zeros_like(rows)
    index = [*(states[name] for name in scope), rows]
    return table[tuple(i if table.shape[a] > 1 else zeros for a, i in enumerate(index))]


def _times(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None:
        return b
    return a if b is None else a * b


def _parsed(
    factors: Sequence[Factor], evidence: Mapping[str, Any] | Evidence | None
) -> Evidence:
    if isinstance(evidence, Evidence):
        return evidence
    return parse_evidence(
        evidence,
        joined_cardinalities(factors),
        states=joined_states(factors),
        device=factors[0].values.device,
    )
