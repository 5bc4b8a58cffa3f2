"""Markov chains of order k (Markov 1913; Shannon 1948 for text), the n-gram models of language.

Each variable depends on the k before it only: p(x_1, ..., x_T) = p(x_1, ..., x_k)
prod_{t>k} p(x_t | x_{t-k}, ..., x_{t-1}), where one table serves all t (homogeneous) or each t
has its own.

Shapes: B batch, T length, K states, k order, S = T - k steps.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx
import torch
from torch import Tensor

from gencourse.graphical.chain_tables import (
    block_numbers,
    check_shape,
    check_sums,
    checked_states,
    proportions,
    stationary_blocks,
)
from gencourse.graphical.evidence import parse_evidence
from gencourse.graphical.factor import Factor, as_table, sample_categorical
from gencourse.graphical.forward_backward import forward_backward, viterbi
from gencourse.graphical.log_space import LOG_ZERO, is_log_zero, restore_infinity, safe_log

if TYPE_CHECKING:
    from gencourse.graphical.bayes_net import BayesNet

Observations = Mapping[str, Any] | Tensor


class MarkovChain:
    """A chain x1, ..., xT over the states 0..K-1.

    Args:
        initial: p(x_1, ..., x_k), shape (K,) * k.
        transition: p(x_t | x_{t-k}, ..., x_{t-1}), the next state on the last axis: (K,) * (k + 1)
            for a homogeneous chain, (S,) + (K,) * (k + 1) for one with a table for each step.
        order: k >= 1.
        length: T >= k. May be left out of a homogeneous chain, which then scores, and samples
            when told how long; an inhomogeneous chain knows its length.
        states: Names of the K states.

    Everywhere, *evidence* maps "x3" to a state or a (B,) tensor of them, or is a tensor (T,) or
    (B, T) of states with -1 where an observation is missing.

    Raises:
        ValueError: For tables of the wrong shape, with a negative entry or NaN, or with a row that
            does not sum to 1 within 1e-6.
    """

    def __init__(
        self,
        initial: Any,
        transition: Any,
        *,
        order: int = 1,
        length: int | None = None,
        states: Sequence[str] | None = None,
    ) -> None:
        if order < 1:
            raise ValueError(f"order is {order}, expected at least 1")
        self.order = order
        self.initial = as_table(initial)
        self.transition = as_table(transition)
        self.num_states = K = self.transition.shape[-1]
        self.homogeneous = self.transition.ndim == order + 1
        check_shape("initial", self.initial, (K,) * order)
        own = self.transition.shape[:1] if not self.homogeneous else ()
        check_shape("transition", self.transition, (*own, *(K,) * (order + 1)))
        past = [f"x(t-{i})" for i in range(order, 0, -1)]
        check_sums("initial", self.initial, past, axes=tuple(range(order)))
        check_sums("transition", self.transition, [*past, "x(t)"], axes=(-1,))
        if not self.homogeneous:
            steps = len(self.transition) + order
            if length not in (None, steps):
                raise ValueError(f"length is {length}, but the transition tables are for {steps}")
            length = steps
        if length is not None and length < order:
            raise ValueError(f"length is {length}, expected at least the order {order}")
        self.length = length
        if states is not None and len(set(states)) != K:
            raise ValueError(f"states are {tuple(states)}, expected {K} different names")
        self.states = None if states is None else tuple(map(str, states))

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(T,): one state a step."""
        return (self._length(),)

    @property
    def variables(self) -> tuple[str, ...]:
        """Return ("x1", ..., "xT")."""
        return tuple(f"x{t}" for t in range(1, self._length() + 1))

    @property
    def graph(self) -> nx.DiGraph:
        """The directed graph: each variable after its k predecessors."""
        names = self.variables
        graph = nx.DiGraph()
        graph.add_nodes_from(names)
        for t, name in enumerate(names):
            graph.add_edges_from((past, name) for past in names[max(0, t - self.order) : t])
        return graph

    def num_parameters(self) -> int:
        """Count free parameters: K^k - 1 at the start and K - 1 for each row of each table."""
        rows = self.transition.numel() // self.num_states
        return self.num_states**self.order - 1 + rows * (self.num_states - 1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B, T) -> (B,); a homogeneous chain takes any T >= k."""
        k, K = self.order, self.num_states
        length = self.length or max(x.shape[-1], k)
        if x.ndim != 2 or x.shape[1] != length:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, {length})")
        x = checked_states(x, K, lowest=0)
        place = block_numbers(x, k, K)  # (B, S + 1)
        steps = safe_log(self.transition).reshape(-1, K**k, K)  # (S or 1, K^k, K)
        which = torch.arange(x.shape[1] - k, device=x.device).clamp(max=len(steps) - 1)
        logs = steps[which, place[:, :-1], x[:, k:]]  # (B, S)
        start = safe_log(self.initial).flatten()[place[:, 0]]
        return restore_infinity(start + logs.sum(1))

    def marginals(self, evidence: Observations | None = None) -> dict[str, Tensor]:
        """Return "x1" -> p(x1 | evidence), ..., each (K,) or (B, K), by forward-backward."""
        table = self._marginal_table(evidence)
        return dict(zip(self.variables, table.unbind(-2), strict=True))

    def query(
        self, variables: Sequence[str] | str, evidence: Mapping[str, Any] | None = None
    ) -> Factor:
        """Return p(variables | evidence) as a normalised factor, a batch axis first."""
        return self.to_bayes_net().query(variables, evidence)

    def log_partition(self, evidence: Observations | None = None) -> Tensor:
        """Return log P(evidence) in nats, () or (B,); 0 without evidence."""
        seen, batched = self._seen(evidence)
        log_initial, log_steps = self._logs()
        total = forward_backward(log_initial, log_steps, seen).forward[-1].logsumexp(-1)
        _check_possible(total, seen)
        return total if batched else total[0]

    def map(self, evidence: Observations | None = None) -> dict[str, int] | dict[str, Tensor]:
        """Return a most probable path given the evidence: ints, or (B,) tensors (Viterbi)."""
        seen, batched = self._seen(evidence)
        path, log_prob = viterbi(*self._logs(), seen)
        _check_possible(log_prob, seen)
        if batched:
            return dict(zip(self.variables, path.unbind(1), strict=True))
        return dict(zip(self.variables, path[0].tolist(), strict=True))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        length: int | None = None,
        condition: Observations | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n exact samples, first to last, -> (n, T) int64.

        With evidence, backward messages come first and the draw is from the posterior
        (forward filtering, backward sampling, turned round).

        Args:
            n: Number of samples.
            length: T, for a homogeneous chain that has none.
            condition: Evidence; a batch has n rows, one a sample.
            generator: Source of randomness.
        """
        k, K = self.order, self.num_states
        log_initial, log_steps = self._logs(length)
        ahead = log_steps.new_zeros(1, 1, 1).expand(len(log_steps) + 1, 1, K**k)
        if condition is not None:
            seen, batched = self._seen(condition, length)
            if batched and len(seen) != n:
                raise ValueError(f"condition has {len(seen)} rows, expected {n}, one a sample")
            messages = forward_backward(log_initial, log_steps, seen)
            _check_possible(messages.forward[-1].logsumexp(-1), seen)
            ahead = messages.backward
        start = (log_initial.flatten() + ahead[0]).expand(n, -1).softmax(-1)
        block = sample_categorical(start, generator=generator)  # (n,)
        path = [block // K**i % K for i in reversed(range(k))]
        for table, later in zip(log_steps.reshape(-1, K**k, K), ahead[1:], strict=True):
            suffix = block % K ** (k - 1)
            likelihood = later.expand(n, -1).reshape(n, -1, K)[torch.arange(n), suffix]
            probs = (table[block] + likelihood).softmax(-1)  # (n, K)
            path.append(sample_categorical(probs, generator=generator))
            block = suffix * K + path[-1]
        return torch.stack(path, 1)

    @classmethod
    def fit(
        cls,
        x: Tensor,
        *,
        num_states: int | None = None,
        order: int = 1,
        homogeneous: bool = True,
        smoothing: float = 0.0,
        states: Sequence[str] | None = None,
    ) -> "MarkovChain":
        """Learn a chain from complete sequences (B, T) by counting: (count + l) / (total + l K).

        Args:
            x: Sequences of states; the chain takes their length.
            num_states: K; the largest state seen plus one if left out.
            order: k.
            homogeneous: Whether all steps share one table.
            smoothing: l >= 0, added to every count. With l = 0 a context that never occurs gets
                the uniform distribution, which is the limit of l -> 0.
            states: Names of the states.
        """
        if x.ndim != 2 or x.shape[1] < order or x.numel() == 0:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, T) with T >= {order}")
        if not smoothing >= 0:
            raise ValueError(f"smoothing is {smoothing}, expected >= 0")
        K = num_states or len(states or ()) or int(x.max()) + 1
        x = checked_states(x, K, lowest=0)
        steps = x.shape[1] - order
        place = block_numbers(x, order, K)
        initial = torch.bincount(place[:, 0], minlength=K**order)
        rows = place[:, :-1] * K + x[:, order:]  # (B, S), each a cell of the step's table
        tables = 1 if homogeneous else steps
        which = torch.zeros_like(rows) if homogeneous else torch.arange(steps).expand_as(rows)
        cells = (which * K ** (order + 1) + rows).flatten()
        counts = torch.bincount(cells, minlength=tables * K ** (order + 1))
        shape = (K,) * (order + 1) if homogeneous else (steps, *(K,) * (order + 1))
        return cls(
            proportions(initial, smoothing).reshape((K,) * order),
            proportions(counts.reshape(-1, K), smoothing).reshape(shape),
            order=order,
            length=x.shape[1],
            states=states,
        )

    def stationary(self) -> Tensor:
        """Return the stationary distribution of k neighbouring states, (K,) * k.

        For k = 1 this is the pi with pi = pi P. With it as `initial`, all times look alike.

        Raises:
            ValueError: For an inhomogeneous chain, and where more than one distribution is
                stationary because the chain has several closed classes.
        """
        if not self.homogeneous:
            raise ValueError("an inhomogeneous chain has no stationary distribution")
        return stationary_blocks(self.transition, self.order)

    def to_bayes_net(self, length: int | None = None) -> "BayesNet":
        """Return the same distribution as a Bayesian network over x1, ..., xT."""
        from gencourse.graphical.bayes_net import BayesNet

        k, K = self.order, self.num_states
        length = self._length(length)
        names = [f"x{t}" for t in range(1, length + 1)]
        cpds: dict[str, tuple[tuple[str, ...], Tensor]] = {}
        for t in range(k):
            joint = self.initial.sum(tuple(range(t + 1, k))) if t + 1 < k else self.initial
            total = joint.sum(-1, keepdim=True)
            table = torch.where(total > 0, joint / total.clamp(min=1e-300), 1.0 / K)
            cpds[names[t]] = (tuple(names[:t]), table)
        for t in range(k, length):
            table = self.transition if self.homogeneous else self.transition[t - k]
            cpds[names[t]] = (tuple(names[t - k : t]), table)
        states = None if self.states is None else dict.fromkeys(names, self.states)
        return BayesNet(cpds, states=states)

    def draw(self, **options: Any) -> Any:
        """Draw the graph; see `gencourse.plots.draw_graph`."""
        from gencourse.plots import draw_graph

        return draw_graph(self, **options)

    def _marginal_table(self, evidence: Observations | None) -> Tensor:
        """Return all marginals, (T, K) or (B, T, K)."""
        k, K = self.order, self.num_states
        if k == 1 and (evidence is None or (isinstance(evidence, Mapping) and not evidence)):
            return self._prior_table()
        seen, batched = self._seen(evidence)
        messages = forward_backward(*self._logs(), seen)
        _check_possible(messages.forward[-1].logsumexp(-1), seen)
        blocks = (messages.forward + messages.backward).softmax(-1)  # (S + 1, B, K^k)
        first = blocks[0].unflatten(-1, (K,) * k)
        early = [first.sum([1 + i for i in range(k) if i != t]) for t in range(k - 1)]
        late = blocks.unflatten(-1, (-1, K)).sum(-2)  # (S + 1, B, K)
        table = torch.cat([*(marginal[None] for marginal in early), late]).transpose(0, 1)
        return table if batched else table[0]

    def _prior_table(self) -> Tensor:
        """Return the marginals (T, K) without evidence: p_t = p_(t-1) P, nothing comes back."""
        marginal, table = self.initial, [self.initial]
        steps = self._length() - 1
        tables = [self.transition] * steps if self.homogeneous else self.transition
        for step in tables:
            marginal = marginal @ step
            table.append(marginal)
        return torch.stack(table)

    def _length(self, length: int | None = None) -> int:
        """Return the chain's length, or the one asked of a chain that has none."""
        if self.length is None and length is None:
            raise ValueError("this chain has no length; make it with MarkovChain(..., length=T)")
        if length is not None and (
            length < self.order or (not self.homogeneous and length != self.length)
        ):
            expected = f"at least {self.order}" if self.homogeneous else self.length
            raise ValueError(f"length is {length}, expected {expected}")
        return length or self.length

    def _logs(self, length: int | None = None) -> tuple[Tensor, Tensor]:
        """Return log p(first block) and the log table of each step, (S,) + (K,) * (k + 1)."""
        steps = self._length(length) - self.order
        log_transition = safe_log(self.transition)
        if self.homogeneous:
            log_transition = log_transition.expand(steps, *log_transition.shape)
        return safe_log(self.initial), log_transition

    def _seen(
        self, evidence: Observations | None, length: int | None = None
    ) -> tuple[Tensor, bool]:
        """Return log 1 or log 0 for each state the evidence allows, (B, T, K), and if batched."""
        T, K, device = self._length(length), self.num_states, self.transition.device
        if isinstance(evidence, Tensor):
            if evidence.ndim not in (1, 2) or evidence.shape[-1] != T:
                shape = tuple(evidence.shape)
                raise ValueError(f"evidence has shape {shape}, expected ({T},) or (B, {T})")
            x = checked_states(torch.atleast_2d(evidence), K, lowest=-1).to(device)
            batched = evidence.ndim == 2
        else:
            names = [f"x{t}" for t in range(1, T + 1)]
            states = None if self.states is None else dict.fromkeys(names, self.states)
            parsed = parse_evidence(
                evidence, dict.fromkeys(names, K), states=states, device=device
            )
            batched = parsed.batch_size is not None
            x = torch.full((parsed.batch_size or 1, T), -1, device=device)
            for name, observed in parsed.observed.items():
                x[:, int(name[1:]) - 1] = observed
        excluded = (x[..., None] >= 0) & (x[..., None] != torch.arange(K, device=device))
        return self.transition.new_zeros(()).masked_fill(excluded, LOG_ZERO), batched


def _check_possible(log_prob: Tensor, seen: Tensor) -> None:
    """Refuse evidence of probability zero, naming the first such row of log_prob (B,)."""
    impossible = is_log_zero(log_prob).nonzero()
    if len(impossible):
        row = int(impossible[0])
        given = [
            f"x{t}={int(logs.argmax())}"
            for t, logs in enumerate(seen[row], start=1)
            if logs.min() == LOG_ZERO
        ]
        shown = ", ".join(given[:8]) + (", ..." if len(given) > 8 else "")
        raise ValueError(f"the evidence {shown} (row {row}) has probability zero")
