"""Unit 02's explorers: every control moves the picture, and the words say what is true."""

import numpy as np
import pytest

from gencourse import plots, widgets
from gencourse.autoregressive.diagonal_bilstm import skew
from tests.test_widgets import LIVE, drive


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch):
    monkeypatch.setattr(plots.pictures, "DOTS_PER_INCH", 40)


def all_before(pixel):
    places = np.arange(20).reshape(4, 5)
    return places < places[pixel]


def only_left(pixel):
    row, column = pixel
    seen = np.zeros((4, 5))
    seen[row, :column] = 1
    return seen


EXPLORERS = {
    "context": lambda: widgets.context_explorer(
        {"all": all_before, "left": only_left}, (4, 5), pixel=(2, 3)
    ),
    "row": lambda: widgets.row_explorer(all_before, (4, 5), pixel=(2, 3)),
    "diagonal": lambda: widgets.diagonal_explorer(skew, (4, 5)),
    "temperature": lambda: widgets.temperature_explorer([0.6, 0.4], [[0.5, 0.5], [0.9, 0.1]]),
    "dilation": widgets.dilation_explorer,
}


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_control_moves_its_picture_and_its_words(name):
    explorer = EXPLORERS[name]()
    first = explorer.picture
    assert explorer._repr_mimebundle_()[0][LIVE]["model_id"] == explorer.widget.model_id
    pictures = drive(explorer)
    assert all(p.png != first.png and p.alt != first.alt for p in pictures)


def test_the_context_explorer_counts_what_is_seen():
    explorer = EXPLORERS["context"]()
    assert "depends on 13 of the 13 pixels" in explorer.picture.alt
    explorer.controls["model"].value = "left"
    assert "depends on 3 of the 13 pixels" in explorer.picture.alt


def test_the_row_explorer_gathers_row_by_row():
    explorer = EXPLORERS["row"]()
    gathered = []
    for step in (1, 2, 3):
        explorer.controls["step"].value = step
        gathered.append(explorer.picture.alt.split(": ")[1])
    assert [int(words.split("; ")[1].split()[0]) for words in gathered] == [5, 10, 13]


def test_the_diagonal_explorer_names_the_pixels_of_a_diagonal():
    explorer = EXPLORERS["diagonal"]()
    assert explorer.picture.alt.endswith("computes the pixels 4, 8, 12, 16.")
    explorer.controls["start"].value = "upper right"
    assert explorer.picture.alt.endswith("computes the pixels 2, 8, 14, 20.")


def test_local_and_global_temperature_of_the_lecture():
    explorer = EXPLORERS["temperature"]()
    assert "p(10) is 0.3039 locally and 0.4165 globally" in explorer.picture.alt
    explorer.controls["temperature"].value = 1.0
    assert "p(10) is 0.3600 locally and 0.3600 globally" in explorer.picture.alt
    with pytest.raises(ValueError, match="expected 1"):
        widgets.temperature_explorer([0.6, 0.5], [[0.5, 0.5], [0.9, 0.1]])


def test_the_dilation_explorer_states_the_receptive_field():
    explorer = EXPLORERS["dilation"]()
    assert "4 layers with dilations 1, 2, 4, 8 see 16 steps" in explorer.picture.alt
    explorer.controls["growth"].value = "always 1"
    assert "see 5 steps" in explorer.picture.alt
