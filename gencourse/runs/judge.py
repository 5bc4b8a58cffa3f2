"""A classifier as the judge of samples: what each shows, and how far they are from data.

Numbers from the features of different classifiers do not compare, so each judge says what it was
trained on. It is trained here, in seconds; no weights are downloaded.

Shapes: N images, D features.
"""

from functools import cached_property

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from gencourse.data import COLOURS, ArrayData
from gencourse.evaluate import frechet_distance, precision_recall
from gencourse.nets import Classifier, classifier_loss
from gencourse.train import fit
from gencourse.train.machine import own_randomness

TRAINING = {"epochs": 8, "lr": 3e-3, "batch_size": 64}
CHUNK = 1000  # images seen at a time


class Judge:
    """A classifier of the training rows, and the held-out rows to compare samples with.

    Args:
        train: labelled images, from which it learns.
        held_out: images of the same kind that it compares with.
        **training: arguments of `train.fit` other than `TRAINING`.
    """

    def __init__(self, train: ArrayData, held_out: ArrayData, **training: float) -> None:
        y = classes(train)
        self.held_out = held_out
        with own_randomness(0, torch.device("cpu")):
            self.classifier = Classifier(tuple(train.x.shape[1:]), num_classes=int(y.max()) + 1)
        fit(
            self.classifier,
            TensorDataset(train.x, y),
            loss=classifier_loss,
            device="cpu",
            progress=False,
            **{**TRAINING, **training},
        )

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Return what the classifier's last layer sees, (N, C, H, W) -> (N, D)."""
        return torch.cat([self.classifier.features(part) for part in x.cpu().split(CHUNK)])

    @cached_property
    def _held_out(self) -> Tensor:
        return self.features(self.held_out.x)

    def compare(self, x: Tensor) -> dict[str, float]:
        """Return Fréchet distance, precision and recall of samples, (N, C, H, W)."""
        fake = self.features(x)
        precision, recall = precision_recall(self._held_out, fake)
        return {
            "Fréchet distance": frechet_distance(self._held_out, fake),
            "precision": precision,
            "recall": recall,
        }

    def agreement(self, x: Tensor, y: Tensor) -> float:
        """Return the share of images in which the classifier sees the class y, (N,)."""
        seen = torch.cat([self.classifier.predict(part) for part in x.cpu().split(CHUNK)])
        return float((seen == y.cpu()).float().mean())


def classes(rows: ArrayData) -> Tensor:
    """Return what a judge tells apart, (N,): the labels, or 18 pairs of shape and colour."""
    known = rows.attributes
    joint = "shape" in known and "colour" in known
    return known["shape"] * len(COLOURS) + known["colour"] if joint else rows.y
