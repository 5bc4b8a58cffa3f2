"""Variable elimination: sum variables out one at a time, so that the joint is never built.

Zhang & Poole (1994); Dechter, "Bucket elimination" (UAI 1996); Koller & Friedman (2009), ch. 9.

Shapes: tables are (K1, ..., Kn, B), axes in the order of elimination and the batch axis last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from gencourse.graphical.elimination_plan import plan_elimination
from gencourse.graphical.evidence import Evidence, parse_evidence
from gencourse.graphical.factor import Factor
from gencourse.graphical.memory import check_table
from gencourse.graphical.message_pass import Elimination, rescaled, send_messages
from gencourse.graphical.ordering import order_variables


def variable_elimination(
    factors: Iterable[Factor],
    query: Sequence[str] | str,
    *,
    evidence: Mapping[str, Any] | None = None,
    heuristic: str | Sequence[str] = "min-fill",
    reduce: Literal["sum", "max"] = "sum",
) -> Factor:
    """Multiply all factors and sum (or maximise) out what is not asked for, in a good order.

    Args:
        factors: tables whose product is the (unnormalised) joint.
        query: variables of the result, in this order.
        evidence: variable -> state, or a (B,) tensor of states.
        heuristic: ``"min-fill"``, ``"min-weight"``, or the order itself.
        reduce: ``"sum"`` for sum-product, ``"max"`` for max-product.

    Returns:
        The unnormalised factor over the query; for a Bayesian network p(query, evidence).
        Very long products may underflow here; the methods of the models keep to logarithms.

    Raises:
        ValueError: for bad input, and for a table that would not fit in memory, before it is
            built, with its size and the variables that span it.
    """
    if reduce not in ("sum", "max"):
        raise ValueError(f"reduce is {reduce!r}; expected 'sum' or 'max'")
    factors = list(factors)
    query = (query,) if isinstance(query, str) else tuple(query)
    done, batch_size = eliminate(
        factors, evidence, keep=query, heuristic=heuristic, maximise=reduce == "max"
    )
    values = done.result * done.log_scale.exp()
    return as_factor(values, query, batch_size, joined_states(factors))


def elimination_order(
    factors: Iterable[Factor],
    query: Sequence[str] | str = (),
    *,
    evidence: Iterable[str] = (),
    heuristic: str = "min-fill",
) -> tuple[str, ...]:
    """Return the order in which `variable_elimination` would eliminate."""
    factors, observed = list(factors), set(evidence)
    sizes = {k: v for k, v in joined_cardinalities(factors).items() if k not in observed}
    scopes = [[name for name in factor.variables if name not in observed] for factor in factors]
    query = (query,) if isinstance(query, str) else tuple(query)
    return order_variables(scopes, sizes, keep=query, heuristic=heuristic)


def eliminate(
    factors: Sequence[Factor],
    evidence: Mapping[str, Any] | Evidence | None,
    *,
    keep: tuple[str, ...] = (),
    heuristic: str | Sequence[str] = "min-fill",
    maximise: bool = False,
    children: Sequence[str | None] | None = None,
) -> tuple[Elimination, int | None]:
    """Plan and run one pass; return it with the batch size (None without a batch).

    Args:
        factors: tables whose product is the joint.
        evidence: what was observed.
        keep: variables that are not eliminated.
        heuristic: how to choose the order.
        maximise: maximum instead of sum.
        children: for each factor, the variable over which it is known to sum to 1, or None.
    """
    sizes = joined_cardinalities(factors)
    device = factors[0].values.device
    if not isinstance(evidence, Evidence):
        evidence = parse_evidence(evidence, sizes, states=joined_states(factors), device=device)
    observed = evidence.observed
    for name in keep:
        if name not in sizes:
            raise ValueError(f"unknown variable {name!r}; the variables are {', '.join(sizes)}")
        if name in observed:
            raise ValueError(f"{name!r} is asked for, but it is part of the evidence")
    batch_size = _batch_size(factors, evidence)
    plan = plan_elimination(
        tuple(tuple(n for n in factor.variables if n not in observed) for factor in factors),
        tuple((name, size) for name, size in sizes.items() if name not in observed),
        keep=keep,
        heuristic=heuristic if isinstance(heuristic, str) else tuple(heuristic),
        children=None if children is None or maximise
        else tuple(None if name in observed else name for name in children),
        stride=4 if factors[0].values.dtype == torch.float64 else 1,
    )  # fmt: skip
    check_table(
        plan.largest,
        sizes,
        itemsize=factors[0].values.element_size(),
        batch_size=batch_size or 1,
        device=device,
        num_entries=plan.num_entries,
    )
    scales: list[Tensor] = []
    tables = []
    for factor, layout in zip(factors, plan.layouts, strict=True):
        table = _lay_out(factor, layout, observed)
        if children is None or len(layout) < len(factor.variables):
            table = rescaled(table, scales)  # a whole CPD needs none: its rows sum to 1
        tables.append(table)
    done = Elimination(plan, tables, batch_size or 1, scales)
    send_messages(done, maximise=maximise)
    return done, batch_size


def _lay_out(factor: Factor, layout: tuple[str, ...], observed: Mapping[str, Tensor]) -> Tensor:
    """Return a factor's table, reduced by evidence, as (layout..., B or 1)."""
    seen = [name for name in factor.variables if name in observed] if observed else []
    if not seen and not factor.values.requires_grad:  # a view: kept with the factor
        if layout not in factor.views:
            factor.views[layout] = _permuted(factor, layout)
        return factor.views[layout]
    table = _permuted(factor, (*layout, *seen))
    if not seen:
        return table
    index = [observed[name] for name in seen]
    if factor.batch_size is None:
        return table[(..., *index, 0)]
    return table[(..., *index, torch.arange(factor.batch_size, device=table.device))]


def _permuted(factor: Factor, variables: Sequence[str]) -> Tensor:
    """Return a factor's table with its axes in this order, and the batch axis (B or 1) last."""
    axes = [factor.variables.index(name) for name in variables]
    if factor.batch_size is None:
        return factor.values.permute(axes).unsqueeze(-1)
    return factor.values.movedim(0, -1).permute(*axes, -1)


def _batch_size(factors: Sequence[Factor], evidence: Evidence) -> int | None:
    sizes = {size for factor in factors if (size := factor.batch_size) is not None}
    if evidence.batch_size is not None:
        sizes.add(evidence.batch_size)
    if len(sizes) > 1:
        raise ValueError(f"factors and evidence have different batch sizes: {sorted(sizes)}")
    return sizes.pop() if sizes else None


def as_factor(
    values: Tensor, variables: Sequence[str], batch_size: int | None, states: Mapping[str, Any]
) -> Factor:
    """Turn (K1, ..., Kn, B) into a factor, with the batch axis first or gone."""
    values = values[..., 0] if batch_size is None else values.movedim(-1, 0)
    return Factor._of(variables, values, states)


def joined_cardinalities(factors: Iterable[Factor]) -> dict[str, int]:
    """Return variable -> number of states over all factors, which must agree."""
    sizes: dict[str, int] = {}
    for factor in factors:
        for name, size in factor.cardinalities.items():
            if sizes.setdefault(name, size) != size:
                raise ValueError(
                    f"{name!r} has {sizes[name]} states in one factor and {size} in another"
                )
    if not sizes:
        raise ValueError("there are no factors over any variable")
    return sizes


def joined_states(factors: Iterable[Factor]) -> dict[str, tuple[str, ...]]:
    """Return variable -> names of states over all factors."""
    return {name: names for factor in factors for name, names in factor.states.items()}
