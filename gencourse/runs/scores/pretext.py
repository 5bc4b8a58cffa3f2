"""The trials of pretext tasks: every task once, where its question is an honest one.

Goals are gains over the same encoder untrained, on one probe, well below what was gained when they
were set, since seeds differ. Where nothing was gained there is no goal, and the remark says
why.
"""

from collections.abc import Callable
from typing import Any

from torch.utils.data import TensorDataset

from gencourse import data, pretext
from gencourse.pretext import PretextTask
from gencourse.runs.scores import sights, texts
from gencourse.runs.scores.probes import FEW, LINEAR, NEIGHBOURS, DataSet, Tensors, teach
from gencourse.runs.scores.suite import Suite
from gencourse.runs.scores.trial import Goal, Trial

INTRODUCTION = """
A pretext task is a question whose answer the data itself holds. It is trained without labels; then
its encoder is held still, and probes measure what its features are worth. Each task stands on a
data set where its question is an honest one, and its baselines stand above it.

- **linear probe** is the test accuracy of logistic regression on the features, **k-NN probe** that
  of the 20 nearest neighbours. Before training, these are the probes of the same encoder with
  random weights, which is a strong rival for pictures so small.
- **score in the task** is how well the task itself is solved on data that it was not trained on,
  in its own measure, and **chance** is the best answer that does not look at the input. To solve
  the task is not the aim, and to solve it well is not to learn good features.
- **baselines**: the raw pixels, the encoder with random weights, and one that was trained with the
  labels of the probe's training pictures.

A goal says how much one probe must gain over the untrained encoder. A task whose goal is *none*
does not beat a random encoder here, and its remark says why. Texts have no such probe: there the
answer itself is compared with the best one.
"""

VIDEO = (16, 3, 16, 16)


def _name(task: type[PretextTask]) -> str:
    return task.name.replace("_", "-").replace(" ", "-")


def _trial(
    task: type[PretextTask],
    on: DataSet,
    words: str,
    make: Callable[[], Tensors],
    *,
    steps: int,
    goal: Goal | None,
    remark: str = "",
    held_out: tuple[Callable[[], Tensors], str] | None = None,
    event_shape: tuple[int, ...] | None = None,
    batch_size: int = 128,
    **options: Any,
) -> Trial:
    """Return the trial of a task that learns from `make`, and is probed on a data set."""
    config = {"event_shape": event_shape or on.event_shape, "widths": on.widths, **options}
    return Trial(
        _name(task),
        task,
        config,
        data=words,
        rows=lambda: TensorDataset(*make()),
        training={"stages": ((steps, 3e-3),), "batch_size": batch_size},
        yardstick=on.yardstick(task, *(held_out or ())),
        goal=goal,
        train=teach,
        remark=remark,
        category=task.category,
    )


def _pictures(on: DataSet) -> Callable[[], Tensors]:
    """Return what makes the labelled training pictures, without their labels."""
    return lambda: on.pictures[0][:1]


def _gain(measure: str, margin: float) -> Goal:
    return Goal(measure, margin=margin)


PLACE, BOTH = f"{LINEAR} of place", f"{LINEAR} of shape and colour"

_DIGITS = (sights.DIGITS, "1200 digits", _pictures(sights.DIGITS))
_TEXTURE = (
    sights.TEXTURE,
    "the probes' 4000 pictures",
    _pictures(sights.TEXTURE),
)


def _frames(background: str) -> Callable[[], Tensors]:
    return lambda: sights.frames(8000, 0, background=background)[:1]


def _clips(n: int, seed: int, **options: Any) -> Callable[[], Tensors]:
    return lambda: sights.clips(n, seed, **options)


_SOUNDS = {"num_shapes": 2, "also": ("sound",)}
_STORIES = {"num_shapes": 2, "also": ("tokens", "times")}
_ONE = (sights.FRAMES, "2000 clips of one thing", _clips(2000, 1))
_LATER = (_clips(1000, 3), "1000 other clips")

_IN_PLACE = (
    "What stays the same in a clip is no help with a question about motion: k-NN, which weighs "
    "all features alike, sees the shape worse than before."
)

STRUCTURE = [
    _trial(
        pretext.ContextPrediction,
        *_TEXTURE,
        steps=1200,
        patch=9,
        gap=1,
        jitter=1,
        goal=_gain(LINEAR, 0.08),
        remark="On digits the question is nearly solved, and the probe falls: nothing in it tells "
        "digits apart.",
    ),
    _trial(
        pretext.Jigsaw,
        *_TEXTURE,
        steps=800,
        goal=_gain(LINEAR, 0.1),
        remark="It is trained on tiles and probed on whole pictures; on digits the probe falls.",
    ),
    _trial(
        pretext.RelativeTransform,
        *_TEXTURE,
        steps=600,
        goal=_gain(LINEAR, 0.15),
    ),
    _trial(
        pretext.BagOfWords,
        *_TEXTURE,
        steps=700,
        teacher_widths=(16, 32),
        goal=_gain(LINEAR, 0.06),
        remark="The words are those of a random teacher, and ask for nothing that it does not "
        "see; k-NN loses.",
    ),
]

ON_DIGITS = [
    _trial(
        pretext.Contrastive,
        *_DIGITS,
        steps=1000,
        flip=False,
        crop=0.5,
        jitter=0.3,
        grey=0.0,
        goal=_gain(NEIGHBOURS, 0.015),
        remark="Digits are not mirrored: the features would forget which way a digit faces.",
    ),
    _trial(
        pretext.Exemplar,
        *_DIGITS,
        steps=1200,
        num_exemplars=1200,
        flip=False,
        jitter=0.3,
        grey=0.0,
        goal=_gain(FEW, 0.015),
    ),
    _trial(
        pretext.ContextEncoder,
        *_DIGITS,
        steps=800,
        goal=_gain(NEIGHBOURS, 0.005),
        remark="The gain is small where a random encoder is so good.",
    ),
    _trial(
        pretext.CPC,
        *_DIGITS,
        steps=800,
        batch_size=64,
        goal=_gain(NEIGHBOURS, 0.03),
        remark="Features are the mean over patches, and gain over those of the untrained "
        "network. They do not beat a random encoder that sees the whole picture: a mean does not "
        "know what was where.",
    ),
    _trial(
        pretext.Upsampling,
        *_DIGITS,
        steps=800,
        goal=None,
        remark="No gain: the encoder learns from blurred pictures and is probed on sharp ones, "
        "and to sharpen strokes one need not know the digit.",
    ),
]

ON_SHAPES = [
    _trial(
        pretext.Rotation,
        sights.SHAPES,
        "6000 shapes (data.shapes)",
        lambda: (data.shapes(6000, size=16).x,),
        steps=1000,
        goal=_gain(LINEAR, 0.15),
        remark="A circle and a square look the same when turned, so that half of the answers are "
        "a guess. On digits the probe falls: 6 and 9 are each other's turns.",
    ),
    _trial(
        pretext.AudioVisual,
        sights.SHAPES,
        "4000 clips of two things, with sound",
        _clips(4000, 1, **_SOUNDS),
        event_shape=VIDEO,
        question="which",
        steps=1000,
        held_out=(_clips(1000, 2, **_SOUNDS), "1000 other clips"),
        goal=_gain(LINEAR, 0.15),
    ),
    _trial(
        pretext.Narration,
        sights.SHAPES,
        "4000 clips of two things, narrated",
        _clips(4000, 1, **_STORIES),
        event_shape=VIDEO,
        steps=600,
        held_out=(_clips(1024, 2, **_STORIES), "1024 other clips"),
        goal=_gain(LINEAR, 0.15),
        remark="Recall is far below 1 in any case: several clips of a batch own an equally good "
        "sentence.",
    ),
]

ON_SMALL_TEXTURE = [
    _trial(
        pretext.WatchingMotion,
        sights.SMALL_TEXTURE,
        "2000 clips of one thing on a textured ground",
        _clips(2000, 1, background="texture"),
        event_shape=VIDEO,
        steps=800,
        batch_size=64,
        held_out=(_clips(1000, 3, background="texture"), "1000 other clips"),
        goal=_gain(LINEAR, 0.06),
    ),
    _trial(
        pretext.Denoising,
        sights.SMALL_TEXTURE,
        "8000 frames with one thing on a textured ground",
        _frames("texture"),
        steps=1000,
        goal=_gain(BOTH, 0.02),
        remark="What is gained is the colour. The linear probe of the shape gains nothing, and "
        "k-NN loses: the texture, too, must be painted, and weighs as much as the thing.",
    ),
]

ON_SKY = [
    _trial(
        pretext.SplitBrain,
        sights.SKY,
        "8000 frames with one thing before a sky",
        _frames("sky"),
        steps=700,
        goal=_gain(LINEAR, 0.02),
        remark="k-NN loses: most of what one half tells about the other is the sky.",
    ),
    _trial(
        pretext.Colorization,
        sights.SKY,
        "8000 frames with one thing before a sky",
        _frames("sky"),
        steps=400,
        goal=_gain(LINEAR, 0.06),
        remark="The encoder sees lightness only, before training as well, and learns which "
        "colours go with it. Over a random encoder that sees colours it gains little or nothing: "
        "the colour of a thing does not depend on its shape.",
    ),
]

ON_FRAMES = [
    _trial(
        pretext.TemporalOrder,
        *_ONE,
        event_shape=VIDEO,
        steps=1200,
        batch_size=64,
        held_out=_LATER,
        goal=_gain(PLACE, 0.01),
        remark=_IN_PLACE,
    ),
    _trial(
        pretext.OddOneOut,
        *_ONE,
        event_shape=VIDEO,
        steps=600,
        batch_size=64,
        held_out=_LATER,
        goal=_gain(LINEAR, 0.01),
        remark=_IN_PLACE,
    ),
    _trial(
        pretext.TimeContrastive,
        *_ONE,
        event_shape=VIDEO,
        steps=600,
        batch_size=64,
        held_out=_LATER,
        goal=_gain(PLACE, 0.03),
        remark=_IN_PLACE,
    ),
    _trial(
        pretext.FramePrediction,
        *_ONE,
        event_shape=VIDEO,
        steps=600,
        batch_size=64,
        held_out=_LATER,
        goal=_gain(PLACE, 0.03),
        remark="Chance is the last frame again; whoever knew place and speed would be near 0. "
        "k-NN sees the shape no better than before.",
    ),
    _trial(
        pretext.TrackingByColorization,
        sights.FRAMES,
        "2000 clips of two things",
        _clips(2000, 1, num_shapes=2),
        event_shape=VIDEO,
        steps=400,
        batch_size=32,
        held_out=_LATER,
        goal=_gain(LINEAR, 0.04),
        remark="The encoder sees grey pictures, before training as well.",
    ),
]

ON_TEXTS = [
    Trial(
        _name(pretext.SkipGram),
        pretext.SkipGram,
        {
            "event_shape": (2,),
            "num_words": texts.NUM_WORDS + 1,
            "num_embedding": texts.NUM_WORDS,
            "num_negatives": 2,
        },
        data=f"{texts.NUM_PAIRS} pairs of {texts.NUM_WORDS} words from a known joint distribution",
        rows=texts.pair_rows,
        training={"stages": ((150, 3e-2), (100, 3e-3)), "batch_size": 4096},
        yardstick=texts.PAIRS,
        goal=Goal(texts.CORRELATION, at_least=0.95, margin=0.5),
        train=teach,
        remark="What inner products tend to is known: Levy & Goldberg, NIPS 2014.",
        category=pretext.SkipGram.category,
    ),
    Trial(
        _name(pretext.MaskedWords),
        pretext.MaskedWords,
        {
            "event_shape": (4,),
            "num_words": texts.EMPTY + 1,
            "num_embedding": 16,
            "depth": 1,
        },
        data='2000 texts "a b c", in which a and b give each other away and c is one of four',
        rows=texts.text_rows,
        training={"stages": ((150, 1e-2),), "batch_size": 128},
        yardstick=texts.TEXTS,
        goal=Goal(texts.SCORE, at_least=0.72, margin=0.4),
        train=teach,
        remark="The best possible answer is right in 3/4 of the gaps on average.",
        category=pretext.MaskedWords.category,
    ),
]

SUITE = Suite(
    "pretext",
    "Scores of pretext tasks",
    INTRODUCTION,
    [
        *sights.TEXTURE.baselines(),
        *STRUCTURE,
        *sights.DIGITS.baselines(),
        *ON_DIGITS,
        *sights.SHAPES.baselines(),
        *ON_SHAPES,
        *sights.SMALL_TEXTURE.baselines(),
        *ON_SMALL_TEXTURE,
        *sights.SKY.baselines(),
        *ON_SKY,
        *sights.FRAMES.baselines(),
        *ON_FRAMES,
        *ON_TEXTS,
    ],
)
