"""Every picture of the course: graphs, tables, bars, curves, contours, images, and words for them.

Colours are Okabe and Ito's eight ("Color universal design", 2008), which the common kinds of
colour-blindness tell apart. No picture leans on colour alone: a series also has its own line
style, marker and hatch, so that a greyscale print still reads. A finished figure becomes a
`Picture`, which carries alternative text to wherever it is shown. Figures are made without
pyplot: nothing is global, nothing stays open.

One file a subject: `pictures` (style, figures, alternative text), `number_tables`, `graphs`,
`messages`, `charts`, `images`, `latents`, `games`, `quizzes`, `sounds`, and
`contexts` and `networks` for what autoregressive models see and leave out.
"""

from gencourse.plots.charts import bars, contours, curves, histograms, scatter, table
from gencourse.plots.contexts import draw_context, draw_mask, draw_numbered
from gencourse.plots.games import colour_grid, colour_rows, heat, mode_map, path, vector_field
from gencourse.plots.graphs import draw_graph, layered, row
from gencourse.plots.images import image_grid, pixel_tree
from gencourse.plots.latents import class_map, ellipse, image_plane, image_rows, mark
from gencourse.plots.messages import draw_messages
from gencourse.plots.networks import draw_dilations, draw_masked_network
from gencourse.plots.number_tables import NumberTable, number_table
from gencourse.plots.pictures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIGHT_BLUES,
    ORANGE,
    PURPLE,
    SERIES,
    SKY,
    SMALL,
    VERMILLION,
    YELLOW,
    Picture,
    add_legend,
    figure,
    picture,
)
from gencourse.plots.quizzes import picture_answers, text_answers
from gencourse.plots.sounds import draw_spectrogram

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "GREY",
    "LIGHT_BLUES",
    "ORANGE",
    "PURPLE",
    "SERIES",
    "SKY",
    "SMALL",
    "VERMILLION",
    "YELLOW",
    "NumberTable",
    "Picture",
    "add_legend",
    "bars",
    "class_map",
    "colour_grid",
    "colour_rows",
    "contours",
    "curves",
    "draw_context",
    "draw_dilations",
    "draw_graph",
    "draw_mask",
    "draw_masked_network",
    "draw_messages",
    "draw_numbered",
    "draw_spectrogram",
    "ellipse",
    "figure",
    "heat",
    "histograms",
    "image_grid",
    "image_plane",
    "image_rows",
    "layered",
    "mark",
    "mode_map",
    "number_table",
    "path",
    "picture",
    "picture_answers",
    "pixel_tree",
    "row",
    "scatter",
    "table",
    "text_answers",
    "vector_field",
]
