"""Data sets that yield (x, y), seeded, and usable without a network.

Images are (N, C, H, W) float32 in [0, 1]; making them binary is always an explicit argument that
names its protocol. Bundled or rendered: `digits`, `tabular`, `photographs`, `shapes` return
everything, and `split` divides it. In a folder (`GENCOURSE_DATA`) or downloaded: `mnist`,
`fashion_mnist`, `cifar10` return one part, "train", "val" or "test". In a folder only: the table
`wine_quality`.

Sequences: `tones` are rendered clips of sound, (N, T) float32 in [-1, 1]; `sentences` and
`translations` are tokens, (N, T) int64, from languages in which the probability of every sentence
is known.

`world` has pictures, sound and sentences at once: clips of things that bounce, (N, T, C, H, W).
"""

from gencourse.data.array_data import ArrayData
from gencourse.data.binarise import binarise
from gencourse.data.cifar10 import JpegZip, cifar10
from gencourse.data.degradations import (
    Degraded,
    colourisation,
    inpainting,
    super_resolution,
    uncropping,
)
from gencourse.data.digits import digits
from gencourse.data.language import Language, TextData
from gencourse.data.mnist import fashion_mnist, mnist
from gencourse.data.narration import WORLD_WORDS
from gencourse.data.photographs import photographs
from gencourse.data.ping_pong import (
    MOVES,
    Balls,
    expected_next_frame,
    find_balls,
    ping_pong,
    with_ball,
)
from gencourse.data.sentences import sentences
from gencourse.data.shapes import COLOURS, SHAPES, large_shapes, render_shapes, shapes
from gencourse.data.split import Split, split
from gencourse.data.storage import data_root
from gencourse.data.tabular import TABLES, tabular
from gencourse.data.tones import CHORDS, tones
from gencourse.data.translations import translations
from gencourse.data.uci import continuous_columns, wine_quality
from gencourse.data.vocabulary import Vocabulary
from gencourse.data.world import world

__all__ = [
    "CHORDS",
    "COLOURS",
    "MOVES",
    "SHAPES",
    "TABLES",
    "WORLD_WORDS",
    "ArrayData",
    "Balls",
    "Degraded",
    "JpegZip",
    "Language",
    "Split",
    "TextData",
    "Vocabulary",
    "binarise",
    "cifar10",
    "colourisation",
    "continuous_columns",
    "data_root",
    "digits",
    "expected_next_frame",
    "fashion_mnist",
    "find_balls",
    "inpainting",
    "large_shapes",
    "mnist",
    "photographs",
    "ping_pong",
    "render_shapes",
    "sentences",
    "shapes",
    "split",
    "super_resolution",
    "tabular",
    "tones",
    "translations",
    "uncropping",
    "wine_quality",
    "with_ball",
    "world",
]
