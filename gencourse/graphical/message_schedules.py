"""In which order messages are sent: two passes over a forest, or sweeps over any graph.

Shapes: B batch, b is 1 or B, K states; a message is (b, K), in logs.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from gencourse.graphical.evidence import Evidence
from gencourse.graphical.log_space import is_log_zero
from gencourse.graphical.message_passing import Edge, LogGraph, Semiring, breadth_first

Sent = tuple[int, str, str, Tensor, str]  # step, source, target, log message, phase


def two_pass(graph: LogGraph, ring: Semiring, inbox: dict[Edge, Tensor]) -> list[Sent]:
    """Send every message once, from the leaves to the roots and back, filling the inbox.

    The step of a message is the earliest possible: one after the last of those it waits for. So
    the last step is the length of the longest path, whatever the root.
    """
    parent = breadth_first(graph)
    step: dict[Edge, int] = {}
    sent: list[Sent] = []

    def send(source: str, target: str, message: Tensor, waited: int, phase: str) -> None:
        inbox[source, target] = message
        step[source, target] = waited + 1
        sent.append((waited + 1, source, target, message, phase))

    for source in reversed(parent):
        target = parent[source]
        if target is None:
            continue
        below = [other for other in graph.around(source) if other != target]
        if source in graph.sizes:
            message = sum((inbox[f, source] for f in below), graph.silence(source))
        else:
            message = graph.from_factor(source, target, inbox, ring)
        waited = max((step[other, source] for other in below), default=0)
        send(source, target, message, waited, "to the root")
    for source in parent:
        around = graph.around(source)
        second, first = sorted([0, 0, *(step[other, source] for other in around)])[-2:]
        down = graph.from_variable(source, inbox) if source in graph.sizes else {}
        for target in around:
            if target == parent[source]:
                continue
            message = down[target] if down else graph.from_factor(source, target, inbox, ring)
            waited = second if step[target, source] == first else first
            send(source, target, message, waited, "from the root")
    return sorted(sent, key=lambda message: message[0])


def sweep(
    graph: LogGraph,
    ring: Semiring,
    inbox: dict[Edge, Tensor],
    sequential: bool,
    damping: float,
    evidence: Evidence,
) -> Iterator[tuple[Edge, Tensor]]:
    """Let every factor answer once, filling the inbox; yield the messages of both kinds."""
    if not sequential:
        heard = settled(variable_messages(graph, inbox), ring, evidence)
        yield from heard.items()
    for name, scope in graph.scopes.items():
        if sequential:
            now = {(v, name): graph.from_variable(v, inbox)[name] for v in scope}
            heard = settled(now, ring, evidence)
            yield from heard.items()
        said = {(name, v): graph.from_factor(name, v, heard, ring) for v in scope}
        for edge, message in settled(said, ring, evidence).items():
            if damping:
                message = ring.normalize((1 - damping) * message + damping * inbox[edge])
            inbox[edge] = message
            yield edge, message


def variable_messages(graph: LogGraph, inbox: Mapping[Edge, Tensor]) -> dict[Edge, Tensor]:
    """Return what every variable tells each of its factors."""
    return {
        (variable, name): message
        for variable in graph.sizes
        for name, message in graph.from_variable(variable, inbox).items()
    }


def settled(
    messages: Mapping[Edge, Tensor], ring: Semiring, evidence: Evidence
) -> dict[Edge, Tensor]:
    """Normalise messages; one that allows no state at all proves the evidence impossible."""
    norms = {edge: ring.total(message, [1]) for edge, message in messages.items()}
    check_possible(norms.values(), evidence)
    return {edge: message - norms[edge][:, None] for edge, message in messages.items()}


def residual(before: Mapping[Edge, Tensor], after: Mapping[Edge, Tensor]) -> float:
    """Return the largest change of any entry of any message."""
    changes = [(after[e].detach().exp() - before[e].detach().exp()).flatten() for e in before]
    return float(torch.cat(changes).abs().max()) if changes else 0.0


def check_possible(logs: Iterable[Tensor], evidence: Evidence) -> None:
    """Refuse evidence of probability zero, shown by a log-sum (b,) that stands for log 0."""
    rows = evidence.batch_size or 1
    sums = [log.detach().expand(rows) for log in logs]
    if not sums or not bool((impossible := is_log_zero(torch.stack(sums)).any(0)).any()):
        return
    if not evidence.observed:
        raise ValueError("the factors give every state probability 0")
    row = int(impossible.nonzero()[0])
    where = f" (row {row})" if evidence.batch_size is not None else ""
    raise ValueError(f"the evidence {evidence.describe(row)}{where} has probability 0")
