"""A recurrent language model: the state of an RNN stands for all tokens before.

h_t = f(h_{t-1}, x_{t-1}) and p(x_t | x_<t) = softmax(W h_t + b): a fully connected Bayesian
network whose number of parameters does not grow with the length. f is tanh of a linear map, as in
Mikolov et al., "Recurrent neural network based language model" (Interspeech 2010), an LSTM
(Hochreiter & Schmidhuber, 1997) or a GRU (Cho et al., 2014).

Shapes: B batch, n samples, T places, K tokens, H hidden units.
"""

from torch import Tensor, nn

from gencourse.autoregressive.token_chain import Memory, TokenChain, check_at_least_one
from gencourse.autoregressive.token_values import TokenEmbedding
from gencourse.protocols import Configurable

CELLS: dict[str, type[nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class RNNLanguageModel(Configurable, TokenChain):
    """p(x) over T tokens by a recurrent network; one step costs the same at every place.

    Args:
        num_tokens: K.
        length: T.
        cell: "lstm", "gru" or "rnn" (h_t = tanh(W_xh x_{t-1} + W_hh h_{t-1} + b)).
        num_hidden: H, units of each layer and features of an embedded token.
        num_layers: recurrent layers on top of each other.

    Raises:
        ValueError: a size below 1, or another cell.
    """

    def __init__(
        self,
        num_tokens: int,
        length: int,
        *,
        cell: str = "lstm",
        num_hidden: int = 128,
        num_layers: int = 1,
    ) -> None:
        super().__init__(num_tokens, length)
        check_at_least_one(num_hidden=num_hidden, num_layers=num_layers)
        if cell not in CELLS:
            raise ValueError(f"cell is {cell!r}, expected one of {list(CELLS)}")
        self.embedding = TokenEmbedding(num_tokens, num_hidden)
        self.rnn = CELLS[cell](num_hidden, num_hidden, num_layers, batch_first=True)
        self.head = nn.Linear(num_hidden, num_tokens)

    def features(self, previous: Tensor) -> Tensor:
        """Run the network over start symbol, x_0, ..., x_{T-2}: (B, T) -> (B, T, K)."""
        h, _ = self.rnn(self.embedding(previous))  # (B, T, H)
        return self.head(h)

    def memory(self, n: int) -> Memory:
        """Return the network one token at a time; what it remembers is its state."""
        state: Tensor | tuple[Tensor, Tensor] | None = None

        def step(previous: Tensor) -> Tensor:
            nonlocal state
            h, state = self.rnn(self.embedding(previous)[:, None], state)
            return self.head(h[:, 0])

        return step
