"""The plan of an elimination: which tables meet in which bucket, worked out once and cached.

Bucket elimination (Dechter, UAI 1996): variable v's bucket holds every factor and every message
whose first variable, in the order of elimination, is v; their product is summed over v
and the result is a message to a later bucket.

All tables of a plan keep their axes in the order of elimination, with the batch axis last. So the
variable to be summed out is always the first axis, tables are aligned by a reshape, and no index
letters are needed, of which ``torch.einsum`` has only 52.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gencourse.graphical.ordering import order_variables

Shape = tuple[int, ...] | None


@dataclass(frozen=True)
class Bucket:
    """The tables that are multiplied to eliminate one variable.

    A shape is None where the table has all axes of the scope and needs no reshape.

    Attributes:
        scope: variables of the product; the eliminated one is first.
        factors: (number of the factor, its shape when aligned with the scope).
        messages: (number of the bucket it comes from, its shape when aligned with the scope);
            the shape is 1 at a variable on which the message does not depend.
        outside: for each message, the axes of the product that its sender does not have.
        rescale: True when the message should be divided by its largest entry.
        load: how many tables the message has collected since it was last rescaled.
        silent: True when the message sent is known to be all ones, because what is summed is a
            conditional distribution and nothing else.
    """

    scope: tuple[str, ...]
    factors: tuple[tuple[int, Shape], ...]
    messages: tuple[tuple[int, Shape], ...]
    outside: tuple[tuple[int, ...], ...]
    rescale: bool
    load: int
    silent: bool


@dataclass(frozen=True)
class Plan:
    """An order of elimination and its buckets; the last bucket holds what is kept.

    Attributes:
        order: the variables eliminated, first to last.
        buckets: one for each variable of ``order``, then one for the variables kept.
        layouts: for each factor, its variables in the order in which the plan wants its axes.
        cardinalities: variable -> number of states.
        stride: how many tables may be multiplied before the product is rescaled.
        largest: the variables of the largest product.
        num_entries: entries of all products together.
    """

    order: tuple[str, ...]
    buckets: tuple[Bucket, ...]
    layouts: tuple[tuple[str, ...], ...]
    cardinalities: dict[str, int]
    stride: int
    largest: tuple[str, ...]
    num_entries: int


@lru_cache(maxsize=256)
def plan_elimination(
    scopes: tuple[tuple[str, ...], ...],
    cardinalities: tuple[tuple[str, int], ...],
    *,
    keep: tuple[str, ...],
    heuristic: str | tuple[str, ...],
    children: tuple[str | None, ...] | None,
    stride: int,
) -> Plan:
    """Work out a plan; the same arguments give the same plan without work.

    Args:
        scopes: the variables of each factor, without those observed.
        cardinalities: pairs (variable, number of states), without those observed.
        keep: variables that stay, in the order in which the result has them.
        heuristic: see `order_variables`.
        children: for each factor, the variable over which it sums to 1, or None.
        stride: how many tables may be multiplied before a message is rescaled.
    """
    sizes = dict(cardinalities)
    order = order_variables(scopes, sizes, keep=keep, heuristic=heuristic)
    rank = {name: i for i, name in enumerate((*order, *keep))}
    last = len(order)
    children = children or (None,) * len(scopes)
    layouts = tuple(tuple(sorted(scope, key=rank.__getitem__)) for scope in scopes)
    factors: list[list[int]] = [[] for _ in range(last + 1)]
    messages: list[list[int]] = [[] for _ in range(last + 1)]
    for i, layout in enumerate(layouts):
        factors[min(rank[layout[0]], last) if layout else last].append(i)
    buckets: list[Bucket] = []
    spans: list[set[str]] = []  # the variables on which each message really depends
    for b in range(last + 1):
        parts = [layouts[i] for i in factors[b]] + [buckets[m].scope[1:] for m in messages[b]]
        union = set().union(*parts, () if b == last else (order[b],))
        scope = keep if b == last else tuple(sorted(union, key=rank.__getitem__))
        silent = (
            b < last
            and [children[i] for i in factors[b]] == [order[b]]
            and all(buckets[m].silent for m in messages[b])
        )
        load = len(factors[b]) + sum(buckets[m].load for m in messages[b])
        buckets.append(
            Bucket(
                scope,
                tuple((i, _aligned(layouts[i], scope, sizes)) for i in factors[b]),
                tuple((m, _aligned(spans[m], scope, sizes)) for m in messages[b]),
                tuple(_outside(buckets[m].scope[1:], scope) for m in messages[b]),
                load >= stride,
                0 if silent else 1 if load >= stride else load,
                silent,
            )
        )
        span = set().union(*(layouts[i] for i in factors[b]), *(spans[m] for m in messages[b]))
        spans.append(set() if silent else span.difference(scope[:1]))
        if b < last:
            messages[min(rank[scope[1]], last) if len(scope) > 1 else last].append(b)
    entries = [math.prod(sizes[name] for name in bucket.scope) for bucket in buckets]
    largest = buckets[max(range(last + 1), key=entries.__getitem__)].scope
    return Plan(order, tuple(buckets), layouts, sizes, stride, largest, sum(entries))


def _aligned(variables: Collection[str], scope: Sequence[str], sizes: dict[str, int]) -> Shape:
    if len(variables) == len(scope):
        return None
    return (*(sizes[name] if name in variables else 1 for name in scope), -1)


def _outside(variables: Sequence[str], scope: Sequence[str]) -> tuple[int, ...]:
    return tuple(axis for axis, name in enumerate(scope) if name not in variables)
