"""Self-supervised pretext tasks, under one protocol: see `gencourse.pretext.task`."""

from gencourse.pretext.audio_visual import AudioVisual
from gencourse.pretext.bag_of_words import BagOfWords
from gencourse.pretext.colorization import Colorization
from gencourse.pretext.compare import compare
from gencourse.pretext.context_encoder import ContextEncoder
from gencourse.pretext.context_prediction import ContextPrediction
from gencourse.pretext.contrastive import Contrastive
from gencourse.pretext.cpc import CPC
from gencourse.pretext.denoising import Denoising
from gencourse.pretext.exemplar import Exemplar
from gencourse.pretext.frame_prediction import FramePrediction
from gencourse.pretext.jigsaw import Jigsaw
from gencourse.pretext.masked_words import MaskedWords
from gencourse.pretext.narration import Narration
from gencourse.pretext.relative_transform import RelativeTransform
from gencourse.pretext.rotation import Rotation
from gencourse.pretext.skip_gram import SkipGram
from gencourse.pretext.split_brain import SplitBrain
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
from gencourse.pretext.temporal_order import OddOneOut, TemporalOrder, TimeContrastive
from gencourse.pretext.tracking_by_colorization import TrackingByColorization
from gencourse.pretext.upsampling import Upsampling
from gencourse.pretext.watching_motion import WatchingMotion

__all__ = [
    "CATEGORIES",
    "CPC",
    "NUM_INPUTS",
    "TASKS",
    "AudioVisual",
    "BagOfWords",
    "Colorization",
    "ContextEncoder",
    "ContextPrediction",
    "Contrastive",
    "Denoising",
    "Exemplar",
    "FramePrediction",
    "Jigsaw",
    "MaskedWords",
    "Narration",
    "OddOneOut",
    "PretextTask",
    "RelativeTransform",
    "Rotation",
    "Score",
    "SkipGram",
    "SplitBrain",
    "TemporalOrder",
    "TimeContrastive",
    "TrackingByColorization",
    "Upsampling",
    "WatchingMotion",
    "compare",
    "frozen",
    "make_task",
    "pretext_loss",
    "register",
]
