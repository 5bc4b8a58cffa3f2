"""Self-supervised pretext tasks, under one protocol: see `gencourse.pretext.task`."""

from gencourse.pretext.audio_visual import AudioVisual
from gencourse.pretext.bag_of_words import BagOfWords
from gencourse.pretext.compare import compare
from gencourse.pretext.context_prediction import ContextPrediction
from gencourse.pretext.contrastive import Contrastive
from gencourse.pretext.denoising import Denoising
from gencourse.pretext.jigsaw import Jigsaw
from gencourse.pretext.relative_transform import RelativeTransform
from gencourse.pretext.rotation import Rotation
from gencourse.pretext.task import (
    CATEGORIES,
    NUM_INPUTS,
    TASKS,
    PretextTask,
    Score,
    frozen,
    make_task,
    pretext_loss,
    register,
)
from gencourse.pretext.tracking_by_colorization import TrackingByColorization
from gencourse.pretext.upsampling import Upsampling
from gencourse.pretext.watching_motion import WatchingMotion

__all__ = [
    "CATEGORIES",
    "NUM_INPUTS",
    "TASKS",
    "AudioVisual",
    "BagOfWords",
    "ContextPrediction",
    "Contrastive",
    "Denoising",
    "Jigsaw",
    "PretextTask",
    "RelativeTransform",
    "Rotation",
    "Score",
    "TrackingByColorization",
    "Upsampling",
    "WatchingMotion",
    "compare",
    "frozen",
    "make_task",
    "pretext_loss",
    "register",
]
