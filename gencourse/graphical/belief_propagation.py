"""Belief propagation: sum-product and max-product on factor graphs (Pearl 1988).

On a tree two passes, to a root and back, give every marginal exactly, at a cost linear in the
number of factors (Kschischang, Frey & Loeliger 2001). Elsewhere the same messages are sent round
until they settle, which they need not do, and what they settle on is an approximation (Murphy,
Weiss & Jordan 1999; Yedidia, Freeman & Weiss 2005).

Shapes: B batch, K states, b is 1 or B.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from gencourse.graphical.evidence import Evidence, parse_evidence
from gencourse.graphical.factor import Factor
from gencourse.graphical.factor_graph import FactorGraph
from gencourse.graphical.log_space import restore_infinity
from gencourse.graphical.message_passing import (
    Edge,
    LogGraph,
    Semiring,
    bethe_log_partition,
    decode,
    is_forest,
)
from gencourse.graphical.message_schedules import (
    Sent,
    check_possible,
    residual,
    settled,
    sweep,
    two_pass,
    variable_messages,
)

logger = logging.getLogger(__name__)

Schedule = Literal["auto", "two-pass", "synchronous", "sequential"]


@dataclass(frozen=True)
class Message:
    """One message as it was sent.

    Attributes:
        step: On a tree, when it can be sent at the earliest: 1 for a leaf's, else one more than
            the last of the messages it waits for. On a loopy graph, the number of the sweep.
        source: A variable's or a factor's name.
        target: The other one's name.
        log_values: Log message, (K,) or (B, K). On a tree it is as computed by hand, not
            normalised; on a loopy graph it sums to 1 (for max-product its largest entry is 1).
        phase: "to the root" in the first of two passes, "from the root" in the second, or "loopy".
    """

    step: int
    source: str
    target: str
    log_values: Tensor
    phase: str

    @property
    def values(self) -> Tensor:
        """The message itself, exp of its log, (K,) or (B, K)."""
        return self.log_values.exp()

    @property
    def normalized(self) -> Tensor:
        """The message scaled to sum to 1, (K,) or (B, K); safe where `values` would underflow."""
        return self.log_values.softmax(-1)


@dataclass(frozen=True)
class BeliefPropagationResult:
    """What the messages say, and how they came to say it.

    Attributes:
        marginals: Variable -> (K,) or (B, K), one-hot where observed. For max-product, the
            max-marginals: the best probability with each state, relative to the best of all.
        factor_beliefs: Factor's name -> belief over its unobserved variables, scaled likewise.
        messages: Every message, by step.
        converged: True on a tree; elsewhere, whether the last residual is within the tolerance.
        iterations: Sweeps made; 1 on a tree.
        residuals: After each sweep, the largest change of any entry of a message.
        log_partition: Log of the sum over all states that agree with the evidence, () or (B,):
            exact on a forest, the Bethe estimate elsewhere. For max-product, the log of the
            largest product of potentials.
        assignment: For max-product, a most probable joint state (exact on a forest), ints or (B,)
            tensors as `FactorGraph.map` gives; None for sum-product.
    """

    marginals: dict[str, Tensor]
    factor_beliefs: dict[str, Factor]
    messages: list[Message]
    converged: bool
    iterations: int
    residuals: list[float]
    log_partition: Tensor
    assignment: dict[str, int] | dict[str, Tensor] | None


def belief_propagation(
    graph: FactorGraph,
    *,
    evidence: Mapping[str, Any] | None = None,
    semiring: Literal["sum", "max"] = "sum",
    schedule: Schedule = "auto",
    max_iterations: int = 200,
    damping: float = 0.0,
    tolerance: float = 1e-10,
) -> BeliefPropagationResult:
    """Pass messages until every belief is known.

    Evidence cuts observed variables out of the graph first, so that observing a cycle's variable
    can make a tree of it.

    Args:
        graph: The model.
        evidence: Variable -> state, or a (B,) tensor of states.
        semiring: "sum" for marginals and Z, "max" for a most probable state.
        schedule: "two-pass" (forests only, exact), "synchronous" (all factors answer the messages
            of the last sweep), "sequential" (each factor hears what was said before it in this
            sweep), or "auto": two passes where the graph allows, synchronous elsewhere.
        max_iterations: Most sweeps of a loopy schedule.
        damping: In [0, 1): weight of the old log message in the new one; loopy schedules only.
        tolerance: Residual below which the messages count as settled.

    Raises:
        ValueError: For a bad option, bad evidence, or evidence found to have probability zero.
    """
    _check_options(semiring, schedule, max_iterations, damping, tolerance)
    device = graph.factors()[0].values.device
    parsed = parse_evidence(evidence, graph.cardinalities, states=graph.states, device=device)
    logs, ring = LogGraph(graph, parsed), Semiring(maximise=semiring == "max")
    forest = is_forest(logs)
    if schedule == "two-pass" and not forest:
        raise ValueError("schedule is 'two-pass', but the graph has a cycle")
    check_possible([logs.constant], parsed)
    inbox: dict[Edge, Tensor] = {}
    residuals: list[float] = []
    if schedule == "two-pass" or (schedule == "auto" and forest):
        sent = two_pass(logs, ring, inbox)
        converged, iterations = True, 1
    else:
        sent, converged, iterations = [], False, 0
        inbox = {(f, v): ring.normalize(logs.silence(v)) for f, v in logs.edges()}
        while not converged and iterations < max_iterations:
            iterations += 1
            before = dict(inbox)
            for edge, message in sweep(
                logs, ring, inbox, schedule == "sequential", damping, parsed
            ):
                sent.append((iterations, *edge, message, "loopy"))
            residuals.append(residual(before, inbox))
            converged = residuals[-1] <= tolerance
        if not converged:
            logger.warning(
                "belief propagation has not converged in %d sweeps: the last residual is %.3g",
                iterations,
                residuals[-1],
            )
        inbox |= settled(variable_messages(logs, inbox), ring, parsed)
    check_possible([ring.total(logs.belief(v, inbox), [1]) for v in logs.sizes], parsed)
    inbox = {edge: ring.normalize(message) for edge, message in inbox.items()}
    return _result(graph, logs, ring, inbox, parsed, sent, converged, iterations, residuals)


def _result(
    graph: FactorGraph,
    logs: LogGraph,
    ring: Semiring,
    inbox: Mapping[Edge, Tensor],
    evidence: Evidence,
    sent: list[Sent],
    converged: bool,
    iterations: int,
    residuals: list[float],
) -> BeliefPropagationResult:
    """Read the beliefs off the normalised messages, and give each the shape of the batch."""
    rows = evidence.batch_size or 1

    def shown(tensor: Tensor) -> Tensor:
        if evidence.batch_size is None:
            return tensor[0]
        return tensor.expand(rows, *tensor.shape[1:])

    def assigned(states: Tensor) -> int | Tensor:
        return int(states[0]) if evidence.batch_size is None else states.expand(rows)

    marginals, assignment = {}, {}
    best = decode(logs, inbox, rows) if ring.maximise else {}
    for name, size in graph.cardinalities.items():
        if name in logs.sizes:
            belief = ring.normalize(logs.belief(name, inbox)).exp()
        else:
            best[name] = evidence.observed[name]
            belief = torch.nn.functional.one_hot(best[name], size).to(logs.constant)
        marginals[name] = shown(belief)
        if ring.maximise:
            assignment[name] = assigned(best[name])
    beliefs = {}
    for name, scope in logs.scopes.items():
        table = shown(ring.normalize(logs.filled(name, inbox)).exp())
        states = {v: s for v, s in graph.states.items() if v in scope}
        beliefs[name] = Factor(scope, table, states=states)
    messages = [
        Message(step, source, target, shown(restore_infinity(logs)), phase)
        for step, source, target, logs, phase in sent
    ]
    log_partition = shown(bethe_log_partition(logs, inbox, ring))
    return BeliefPropagationResult(
        marginals,
        beliefs,
        messages,
        converged,
        iterations,
        residuals,
        log_partition,
        assignment or None,
    )


def _check_options(
    semiring: str, schedule: str, max_iterations: int, damping: float, tolerance: float
) -> None:
    if semiring not in ("sum", "max"):
        raise ValueError(f"semiring is {semiring!r}, expected 'sum' or 'max'")
    if schedule not in get_args(Schedule):
        raise ValueError(f"schedule is {schedule!r}, expected one of {get_args(Schedule)}")
    if max_iterations < 1:
        raise ValueError(f"max_iterations is {max_iterations}, expected at least 1")
    if not 0 <= damping < 1:
        raise ValueError(f"damping is {damping}, expected 0 <= damping < 1")
    if not tolerance >= 0:
        raise ValueError(f"tolerance is {tolerance}, expected >= 0")
