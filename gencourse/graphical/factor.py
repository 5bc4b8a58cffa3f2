"""Factor: a table of non-negative numbers over named discrete variables.

A joint distribution, a conditional table and a potential are all factors, and inference is made of
three operations on them: multiply, sum out (or maximise out), and reduce by evidence.
See Koller & Friedman, Probabilistic Graphical Models (2009), sections 4.2 and 9.3.

Shapes: B rows of a batch (when there is one, always the first axis), K states of a variable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from html import escape
from itertools import product
from typing import Any

import torch
from torch import Tensor

from gencourse.graphical.evidence import parse_evidence
from gencourse.graphical.memory import check_table

_SHOWN_ROWS = 64


class Factor:
    """A table over named variables, one axis a variable.

    Args:
        variables: names, one for each axis of ``values``.
        values: (K1, ..., Kn), or (B, K1, ..., Kn) for a batch of tables. A floating tensor
            is kept as it is (its dtype, device and gradient); everything else becomes float64.
        states: variable -> names of its states, for those variables that have names.

    Raises:
        ValueError: if the shape does not match the variables, or a value is negative,
            infinite or NaN.
    """

    def __init__(
        self,
        variables: Sequence[str],
        values: Any,
        *,
        states: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.variables = _names(variables)
        self.values = as_table(values)
        extra = self.values.ndim - len(self.variables)
        if extra not in (0, 1):
            raise ValueError(
                f"a factor over {self._label()} needs {len(self.variables)} axes "
                f"(one more for a batch); its values have shape {tuple(self.values.shape)}"
            )
        if len(set(self.variables)) < len(self.variables):
            raise ValueError(f"a variable is named twice in {self._label()}")
        if self.values.numel() == 0:
            raise ValueError(
                f"the factor over {self._label()} is empty: shape {tuple(self.values.shape)}"
            )
        check_values(self.values, f"the factor over {self._label()}", self.variables)
        self.states = check_states(states, self.cardinalities)

    @classmethod
    def _of(
        cls, variables: Iterable[str], values: Tensor, states: Mapping[str, tuple[str, ...]]
    ) -> Factor:
        """Make a factor from values that are known to be right, without checking them."""
        factor = cls.__new__(cls)
        factor.variables = tuple(variables)
        factor.values = values
        factor.states = {name: states[name] for name in factor.variables if name in states}
        return factor

    @property
    def batch_size(self) -> int | None:
        """B for a batch of tables, None for a single one."""
        return len(self.values) if self.values.ndim > len(self.variables) else None

    @cached_property
    def cardinalities(self) -> dict[str, int]:
        """Variable -> number of its states."""
        sizes = self.values.shape[self.values.ndim - len(self.variables) :]
        return dict(zip(self.variables, sizes, strict=True))

    @cached_property
    def views(self) -> dict[tuple[str, ...], Tensor]:
        """Permuted views of the values, which elimination keeps for repeated queries."""
        return {}

    def __mul__(self, other: Factor) -> Factor:
        """Multiply two tables over the union of their variables."""
        if not isinstance(other, Factor):
            return NotImplemented
        ours, theirs = self.cardinalities, other.cardinalities
        for name in ours.keys() & theirs.keys():
            if ours[name] != theirs[name]:
                raise ValueError(
                    f"{name!r} has {ours[name]} states in one factor and {theirs[name]} in another"
                )
            if (
                name in self.states
                and other.states.get(name, self.states[name]) != self.states[name]
            ):
                raise ValueError(
                    f"the states of {name!r} are {self.states[name]} in one factor "
                    f"and {other.states[name]} in another"
                )
        if self.batch_size and other.batch_size and self.batch_size != other.batch_size:
            raise ValueError(
                f"cannot multiply batches of {self.batch_size} and {other.batch_size} tables"
            )
        union = (*self.variables, *(v for v in other.variables if v not in ours))
        check_table(
            union,
            ours | theirs,
            itemsize=self.values.element_size(),
            batch_size=self.batch_size or other.batch_size or 1,
            device=self.values.device,
        )
        batched = self.batch_size is not None or other.batch_size is not None
        values = self._spread(union, batched) * other._spread(union, batched)
        return Factor._of(union, values, self.states | other.states)

    def marginal(self, variables: Sequence[str] | str) -> Factor:
        """Sum out every variable that is not asked for; axes in the order asked."""
        return self._keep(variables, lambda values, axes: values.sum(axes))

    def maximum(self, variables: Sequence[str] | str) -> Factor:
        """Maximise out every variable that is not asked for; axes in the order asked."""
        return self._keep(variables, lambda values, axes: values.amax(axes))

    def reduce(self, evidence: Mapping[str, Any]) -> Factor:
        """Fix variables to observed states; their axes go.

        Args:
            evidence: variable -> state, state name or (B,) tensor; a tensor makes (or indexes
                row by row) the batch axis.
        """
        parsed = parse_evidence(
            evidence, self.cardinalities, states=self.states, device=self.values.device
        )
        if self.batch_size and parsed.batch_size and self.batch_size != parsed.batch_size:
            raise ValueError(
                f"evidence for {_label(parsed.observed)} has {parsed.batch_size} rows, "
                f"but the factor over {self._label()} has {self.batch_size}"
            )
        observed = [name for name in self.variables if name in parsed.observed]
        rest = [name for name in self.variables if name not in parsed.observed]
        if not observed:
            return self
        values = self._ordered((*observed, *rest))
        index = [parsed.observed[name] for name in observed]
        if self.batch_size is None:
            values = values[tuple(index)]  # (B or 1, rest)
        else:
            rows = torch.arange(self.batch_size, device=self.values.device)
            values = values[(rows, *index)]  # (B, rest)
        if parsed.batch_size is None and self.batch_size is None:
            values = values[0]
        return Factor._of(rest, values, self.states)

    def normalize(self) -> Factor:
        """Divide by the sum of the table (of each table of a batch).

        Raises:
            ValueError: if a table sums to zero.
        """
        axes = self._axes(self.variables)
        total = self.values.sum(axes, keepdim=True) if axes else self.values
        if not bool((total > 0).all()):
            raise ValueError(
                f"the factor over {self._label()} sums to 0, not to a positive number"
            )
        return Factor._of(self.variables, self.values / total, self.states)

    def conditional(self, variables: Sequence[str] | str, given: Sequence[str] | str) -> Factor:
        """Return p(variables | given) of a joint table, axes (*given, *variables).

        Raises:
            ValueError: if a state of the given variables has probability zero.
        """
        variables, given = _names(variables), _names(given)
        both = self.marginal((*given, *variables))
        below = both.marginal(given)
        if not bool((below.values > 0).all()):
            state = (below.values == 0).nonzero()[0][-len(given) :].tolist() if given else []
            where = ", ".join(f"{v}={s}" for v, s in zip(given, state, strict=True))
            raise ValueError(f"cannot condition on {where or 'this table'}: its probability is 0")
        divisor = below._spread(both.variables, both.batch_size is not None)
        return Factor._of(both.variables, both.values / divisor, self.states)

    def is_independent(
        self,
        a: Sequence[str] | str,
        b: Sequence[str] | str,
        given: Sequence[str] | str = (),
        *,
        tolerance: float = 1e-9,
    ) -> bool:
        """Test a ⊥ b | given on this joint table.

        The test is p(a, b, c) p(c) = p(a, c) p(b, c) for every state, so that states of
        probability zero need no special case. ``tolerance`` is absolute, on probabilities.
        """
        a, b, given = _names(a), _names(b), _names(given)
        overlap = (set(a) & set(b)) | (set(a) & set(given)) | (set(b) & set(given))
        if overlap:
            raise ValueError(f"{_label(sorted(overlap))} stands on two sides of the statement")
        joint = self.marginal((*a, *b, *given)).normalize()
        left = joint * joint.marginal(given)
        right = joint.marginal((*a, *given)) * joint.marginal((*b, *given))
        difference = left.values - right._ordered(left.variables)
        return bool(difference.abs().max() <= tolerance)

    def argmax(self) -> dict[str, int] | dict[str, Tensor]:
        """Return the most probable joint state: ints, or (B,) tensors for a batch."""
        flat = self.values.reshape(self.batch_size or 1, -1).argmax(1)  # (B,)
        states = torch.unravel_index(flat, tuple(self.cardinalities.values()))
        if self.batch_size is None:
            return {v: int(s) for v, s in zip(self.variables, states, strict=True)}
        return dict(zip(self.variables, states, strict=True))

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw n joint states in proportion to the table, -> (n, number of variables) int64."""
        if self.batch_size is not None:
            raise ValueError(f"sample needs a single table; this is a batch of {self.batch_size}")
        cumulative = self.normalize().values.detach().flatten().cumsum(0)
        u = torch.rand(n, dtype=cumulative.dtype, device=cumulative.device, generator=generator)
        flat = torch.searchsorted(cumulative, u * cumulative[-1], right=True)
        states = torch.unravel_index(flat, tuple(self.cardinalities.values()))
        return torch.stack(states, -1) if states else flat.new_empty(n, 0)

    def __getitem__(self, assignment: Mapping[str, Any]) -> Tensor:
        """Return the value at a full assignment, () or (B,)."""
        missing = [name for name in self.variables if name not in assignment]
        if missing:
            raise ValueError(f"the assignment does not give {_label(missing)}")
        return self.reduce(assignment).values

    def __repr__(self) -> str:
        batch = "" if self.batch_size is None else f", batch of {self.batch_size}"
        sizes = ", ".join(f"{v}: {k}" for v, k in self.cardinalities.items())
        if self.batch_size is not None or self.values.numel() > _SHOWN_ROWS:
            return f"Factor({sizes}{batch})"
        rows = [[*self.variables, "value"], *self._rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        if self.batch_size is not None or self.values.numel() > _SHOWN_ROWS:
            return f"<code>{escape(repr(self))}</code>"
        head = "".join(f"<th>{escape(name)}</th>" for name in (*self.variables, "value"))
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _rows(self) -> list[list[str]]:
        """Return the table as rows of text: a state of each variable, then the value."""
        names = [
            self.states.get(v, tuple(map(str, range(k)))) for v, k in self.cardinalities.items()
        ]
        values = self.values.detach().flatten().tolist()
        return [
            [*state, f"{value:.6g}"] for state, value in zip(product(*names), values, strict=True)
        ]

    def _label(self) -> str:
        return _label(self.variables)

    def _axes(self, names: Iterable[str]) -> tuple[int, ...]:
        """Return the axes of some variables, counted from the end because of the batch."""
        n = len(self.variables)
        return tuple(self.variables.index(name) - n for name in names)

    def _ordered(self, variables: Sequence[str]) -> Tensor:
        """Return the values with axes permuted to ``variables``, a batch axis first."""
        axes = [axis + self.values.ndim for axis in self._axes(variables)]
        return self.values.permute([0, *axes] if self.batch_size is not None else axes)

    def _spread(self, union: Sequence[str], batched: bool) -> Tensor:
        """Return the values with one axis for each variable of ``union``, of size 1 if absent."""
        values = self._ordered([name for name in union if name in self.variables])
        sizes = self.cardinalities
        batch = [self.batch_size or 1] if batched else []
        return values.reshape(*batch, *(sizes.get(name, 1) for name in union))

    def _keep(self, variables: Sequence[str] | str, combine: Any) -> Factor:
        variables = _names(variables)
        unknown = [name for name in variables if name not in self.variables]
        if unknown:
            raise ValueError(
                f"unknown variable {_label(unknown)}; this factor has {self._label()}"
            )
        dropped = self._axes(name for name in self.variables if name not in variables)
        values = combine(self.values, dropped) if dropped else self.values
        kept = [name for name in self.variables if name in variables]
        return Factor._of(variables, Factor._of(kept, values, {})._ordered(variables), self.states)


def as_table(values: Any) -> Tensor:
    """Return floating tensors and arrays as they are, and everything else as float64."""
    if not hasattr(values, "dtype"):
        return torch.tensor(values, dtype=torch.float64)
    table = torch.as_tensor(values)
    return table if table.is_floating_point() else table.double()


def check_values(values: Tensor, what: str, variables: Sequence[str]) -> None:
    """Refuse negative, infinite and NaN entries, naming the first one and its place."""
    good = (values >= 0) & (values < math.inf)
    if bool(good.all()):
        return
    place = (~good).nonzero()[0].tolist()
    value = float(values[tuple(place)])
    states = place[len(place) - len(variables) :]
    where = ", ".join(f"{v}={s}" for v, s in zip(variables, states, strict=True))
    raise ValueError(
        f"{what} holds {value} at {where or 'its only entry'}; expected a finite number >= 0"
    )


def sample_categorical(probs: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw one state for each row by inverting the cumulative sum, (n, K) -> (n,) int64.

    States of probability zero are never drawn.
    """
    cumulative = probs.detach().cumsum(-1)  # (n, K)
    u = torch.rand(len(probs), 1, dtype=probs.dtype, device=probs.device, generator=generator)
    return (cumulative <= u * cumulative[:, -1:]).sum(-1)


def _names(variables: Sequence[str] | str) -> tuple[str, ...]:
    return (variables,) if isinstance(variables, str) else tuple(variables)


def _label(variables: Iterable[str]) -> str:
    return ", ".join(variables) or "no variables"


def check_states(
    states: Mapping[str, Sequence[str]] | None, cardinalities: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    """Check the names of states against the number of states of their variables."""
    checked = {}
    for name, names in (states or {}).items():
        if name not in cardinalities:
            raise ValueError(f"states names an unknown variable {name!r}")
        if len(names) != cardinalities[name] or len(set(names)) != len(names):
            raise ValueError(
                f"the states of {name!r} are {tuple(names)}; "
                f"expected {cardinalities[name]} different names"
            )
        checked[name] = tuple(map(str, names))
    return checked
