"""Data sets that yield (x, y), seeded, and usable without a network.

Images are (N, C, H, W) float32 in [0, 1]; making them binary is always an explicit argument that
names its protocol. Bundled or rendered: `digits`, `tabular`, `photographs`, `shapes` return
everything, and `split` divides it. In a folder (`GENCOURSE_DATA`) or downloaded: `mnist`,
`fashion_mnist`, `cifar10` return one part, "train", "val" or "test". In a folder only: the table
`wine_quality`.

Sequences: `tones` are rendered clips of sound, (N, T) float32 in [-1, 1]; `sentences` and
`translations` are tokens, (N, T) int64, from languages in which the probability of every sentence
is known.
"""

from gencourse.data.array_data import ArrayData
from gencourse.data.binarise import binarise
from gencourse.data.cifar10 import JpegZip, cifar10
from gencourse.data.digits import digits
from gencourse.data.language import Language, TextData
from gencourse.data.mnist import fashion_mnist, mnist
from gencourse.data.photographs import photographs
from gencourse.data.sentences import sentences
from gencourse.data.shapes import COLOURS, SHAPES, render_shapes, shapes
from gencourse.data.split import Split, split
from gencourse.data.storage import data_root
from gencourse.data.tabular import TABLES, tabular
from gencourse.data.tones import CHORDS, tones
from gencourse.data.translations import translations
from gencourse.data.uci import continuous_columns, wine_quality
from gencourse.data.vocabulary import Vocabulary

__all__ = [
    "CHORDS",
    "COLOURS",
    "SHAPES",
    "TABLES",
    "ArrayData",
    "JpegZip",
    "Language",
    "Split",
    "TextData",
    "Vocabulary",
    "binarise",
    "cifar10",
    "continuous_columns",
    "data_root",
    "digits",
    "fashion_mnist",
    "mnist",
    "photographs",
    "render_shapes",
    "sentences",
    "shapes",
    "split",
    "tabular",
    "tones",
    "translations",
    "wine_quality",
]
