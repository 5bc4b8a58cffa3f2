"""A density over sequences of tokens: p(x) = Π_t p(x_t | x_<t), each factor a softmax over K.

A network sees the sequence moved one place to the right, behind a start symbol: what it says at
place t it says without x_t. One pass gives all T factors of a known sequence (all that training
needs); a sample needs one token after the other. `sample_by_full_passes` does that with a pass
over everything for each token; `sample` asks the model's memory, which takes one token at a time.

Shapes: B batch, n samples, T places, K tokens.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gencourse.autoregressive.chain_rule import uniforms
from gencourse.autoregressive.completion import Condition, check_given_come_first, given_values
from gencourse.autoregressive.token_values import check_tokens, draw_token
from gencourse.densities import log_categorical

Memory = Callable[[Tensor], Tensor]  # takes the token before, (n,), and returns logits, (n, K)


def check_at_least_one(**sizes: int) -> None:
    """Refuse a size below 1.

    Raises:
        ValueError: naming the first such size.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}, expected at least 1")


class TokenChain(nn.Module):
    """An exact density over T tokens, each 0..K-1.

    A model defines `features`, the whole network, and `memory`, the same one token at a time.

    Args:
        num_tokens: K.
        length: T.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, num_tokens: int, length: int) -> None:
        super().__init__()
        check_at_least_one(num_tokens=num_tokens, length=length)
        self.num_tokens = num_tokens
        self.event_shape = (length,)

    def features(self, previous: Tensor) -> Tensor:
        """Run the network over the moved sequence, (B, T, K + 1) one-hot or (B, T) -> (B, T, K).

        Output t may depend on places 0..t of `previous`, which hold the start symbol, x_0, ...,
        x_{t-1}.
        """
        raise NotImplementedError

    def memory(self, n: int) -> Memory:
        """Return the network for n sequences, to be called with the token before each place.

        The first call gets the start symbol, the number K.
        """
        raise NotImplementedError

    def logits(self, x: Tensor) -> Tensor:
        """Return unnormalised log p(x_t | x_<t), (B, T) -> (B, T, K).

        Args:
            x: tokens, or one-hot rows (B, T, K) of reals: the same numbers, and a gradient with
                respect to x, which shows what each output depends on.

        Raises:
            ValueError: another shape, or a value that is no token.
        """
        if x.ndim == 3 and x.shape[1:] == (*self.event_shape, self.num_tokens):
            moved = nn.functional.pad(x[:, :-1], (0, 1, 1, 0))  # (B, T, K + 1)
            start = torch.zeros_like(moved)
            start[:, 0, self.num_tokens] = 1
            return self.features(moved + start)
        x = check_tokens(x, self.event_shape, self.num_tokens)
        return self.features(nn.functional.pad(x[:, :-1], (1, 0), value=self.num_tokens))

    def log_conditionals(self, x: Tensor) -> Tensor:
        """Return log p(x_t | x_<t) in nats, (B, T) -> (B, T).

        Raises:
            ValueError: another shape, or a value that is no token.
        """
        x = check_tokens(x, self.event_shape, self.num_tokens)
        # in the parameters' precision, also under autocast
        return log_categorical(x, self.logits(x).to(self._like()), event_dims=0)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B, T) -> (B,); errors as in `log_conditionals`."""
        return self.log_conditionals(x).sum(-1)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Condition | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n samples, or n continuations of a prefix, -> (n, T) of int64.

        Exact at temperature 1. The temperature τ is local: each factor becomes
        p(x_t | x_<t)^(1/τ), normalised over x_t. That is not the global p(x)^(1/τ), normalised
        over whole sequences, where a first token also counts by what can follow it. With
        p(x_1 = 1) = 0.4, and p(x_2 = 1) = 0.5 after a 0 and 0.9 after a 1, the pair (1, 1) has at
        τ = 1/2 the local probability 0.3039 and the global one 0.4165.

        Args:
            n: how many.
            condition: tokens (T,), or a row for each sample (n, T), and a mask (T,) that is true
                where they are given: the first places.
            temperature: τ; below 1 sharper, above 1 flatter.
            generator: of the uniform numbers, one for each place, (n, T).

        Raises:
            ValueError: a temperature that is not positive, given values that are no tokens, or
                that come after one that is not given (for those, see `complete_by_importance`).
        """
        x, given = self._given(condition, n, temperature)
        check_given_come_first(given, torch.arange(len(given), device=given.device))
        return self._fill(x, given, temperature, generator)

    @torch.no_grad()
    def propose(
        self, n: int, condition: Condition, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw with the given tokens held, wherever they stand, for `complete_by_importance`.

        Returns:
            Sequences (n, T), and the log-weights (n,) in nats: the probability of the given
            tokens, each given those before it.
        """
        x, given = self._given(condition, n)
        x = self._fill(x, given, 1.0, generator)
        return x, self.log_conditionals(x)[:, given].sum(-1)

    @torch.no_grad()
    def sample_by_full_passes(
        self,
        n: int,
        *,
        condition: Condition | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw what `sample` draws, with a full pass of the network for each token, -> (n, T).

        The algorithm of the lecture, and the oracle of the fast one. Arguments and errors are
        those of `sample`.
        """
        x, given = self._given(condition, n, temperature)
        check_given_come_first(given, torch.arange(len(given), device=given.device))
        uniform = uniforms(x.to(self._like()), generator)
        for t in (~given).nonzero()[:, 0].tolist():
            x[:, t] = draw_token(self.logits(x)[:, t], uniform[:, t], temperature)
        return x

    def _fill(
        self, x: Tensor, given: Tensor, temperature: float, generator: torch.Generator | None
    ) -> Tensor:
        """Draw the tokens that are not given, each without a look at those given later."""
        uniform = uniforms(x.to(self._like()), generator)
        step, previous = self.memory(len(x)), x.new_full((len(x),), self.num_tokens)
        for t, is_given in enumerate(given.tolist()):
            logits = step(previous)
            if not is_given:
                x[:, t] = draw_token(logits, uniform[:, t], temperature)
            previous = x[:, t]
        return x

    def _like(self) -> Tensor:
        return next(self.parameters())

    def _given(
        self, condition: Condition | None, n: int, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Return tokens with the given values and elsewhere 0, (n, T), and what is given (T,)."""
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature is {temperature}, expected a positive number")
        like = torch.empty(0, dtype=torch.float32, device=self._like().device)
        values, given = given_values(condition, n, self.event_shape, like)
        # a copy, because the caller's values must not change
        return check_tokens(values, self.event_shape, self.num_tokens).clone(), given
