"""Training: `fit` minimises a model's loss, `load` makes a trained model from its checkpoint.

`loop.py` is the file to read; `checkpoint.py` and `machine.py` hold what it stands on.
"""

from gencourse.train.checkpoint import load
from gencourse.train.loop import History, NonFiniteLossError, fit

__all__ = ["History", "NonFiniteLossError", "fit", "load"]
