"""Training: `fit` minimises a loss, `fit_adversarial` plays a game, `load` makes the model again.

`loop.py` and `adversarial.py` are the files to read; `checkpoint.py` and `machine.py` hold what
they stand on.
"""

from gencourse.train.adversarial import AdversarialHistory, fit_adversarial
from gencourse.train.checkpoint import load
from gencourse.train.loop import History, NonFiniteLossError, fit

__all__ = [
    "AdversarialHistory",
    "History",
    "NonFiniteLossError",
    "fit",
    "fit_adversarial",
    "load",
]
