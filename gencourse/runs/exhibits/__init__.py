"""The pieces of the gallery of unit 04 by name: what is trained, shown and measured for each."""

import functools
from collections.abc import Callable

from gencourse.gan.guidelines import GUIDELINES
from gencourse.runs.exhibits.answers import TASKS, cycle, image_to_image
from gencourse.runs.exhibits.caption import caption
from gencourse.runs.exhibits.generators import (
    dcgan,
    dcgan_other,
    guideline,
    progressive,
    style,
    transgan,
    vitgan,
)
from gencourse.runs.exhibits.ring import RINGS, ring
from gencourse.runs.gallery import Exhibit

EXHIBITS: dict[str, Callable[[], Exhibit]] = {
    "dcgan": dcgan,
    "dcgan_other": dcgan_other,
    "style": style,
    "caption": caption,
    **{name: functools.partial(image_to_image, name) for name in TASKS},
    "cycle": cycle,
    "transgan": transgan,
    "vitgan": vitgan,
    "progressive": progressive,
    **{f"ring_{name}": functools.partial(ring, name) for name in RINGS},
    **{
        f"without {name}".replace(" ", "_"): functools.partial(guideline, name)
        for name in ("nothing", *GUIDELINES)
    },
}
