"""Training runs: a model, a data set and a folder, from the first step to the measured result.

`run.py` is the file to read. What can be trained stands in `recipes.py` (models), `sources.py`
(data) and `presets.py` (rows of papers): a model of another family is one more recipe.
"""

from gencourse.runs.presets import PRESETS, Preset
from gencourse.runs.recipes import RECIPES, Recipe
from gencourse.runs.run import Settings, settings_of, train_model
from gencourse.runs.sources import SOURCES, Source

__all__ = [
    "PRESETS",
    "RECIPES",
    "SOURCES",
    "Preset",
    "Recipe",
    "Settings",
    "Source",
    "settings_of",
    "train_model",
]
