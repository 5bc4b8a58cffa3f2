"""The loss of a model with an exact likelihood."""

from torch import Tensor

from gencourse.protocols import Density, as_events


def nll_loss(model: Density, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the mean of -log p(x) in nats over a batch (x, ...), -> ().

    Its minimum over models is the entropy of the data, reached when p is the data's distribution.
    """
    return -model.log_prob(as_events(batch[0], model.event_shape)).mean()
