"""Pictures of what autoregressive models see: masks, contexts, networks, dilations, sound."""

import math

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle

from gencourse import plots
from gencourse.autoregressive import made_masks
from gencourse.autoregressive.diagonal_bilstm import skew


def shades(ax):
    """The cells of the picture as drawn, (H, W)."""
    return np.asarray(ax.images[0].get_array())


def hatches(ax):
    """Row and column -> hatch of each square drawn on top."""
    return {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)): p.get_hatch() for p in ax.patches}


def crosses(ax):
    marked = [line for line in ax.lines if line.get_marker() == "x"]
    return [(int(line.get_ydata()[0]), int(line.get_xdata()[0])) for line in marked]


def test_a_mask_is_drawn_as_it_is():
    _, ax = plots.figure()
    mask = torch.tensor([[1, 0, 1], [0, 0, 1]])
    plots.draw_mask(ax, mask, rows=[3, 1], columns=["a", "b", "c"], title="W")
    assert np.array_equal(shades(ax), mask.numpy())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["3", "1"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c"]
    assert ax.get_title() == "W"


@pytest.mark.parametrize("every, across, down", [(3, [2.5], [2.5]), ((2, 3), [2.5], [1.5, 3.5])])
def test_thick_lines_come_after_so_many_rows_and_columns(every, across, down):
    _, ax = plots.figure()
    plots.draw_mask(ax, np.eye(6), every=every)
    thick = [line for line in ax.lines if line.get_linewidth() > 1]
    lines = [np.asarray(line.get_data(), dtype=float) for line in thick]
    assert [y[0] for x, y in lines if y[0] == y[1]] == down
    assert [x[0] for x, y in lines if y[0] != y[1]] == across


def test_a_mask_that_is_none_is_refused():
    _, ax = plots.figure()
    with pytest.raises(ValueError, match=r"\(3,\)"):
        plots.draw_mask(ax, [1, 0, 1])
    with pytest.raises(ValueError, match=r"2 words.*expected 3"):
        plots.draw_mask(ax, np.eye(3), rows=["a", "b"])


def test_a_context_hatches_the_blind_spot_and_a_leak_apart():
    seen = np.zeros((3, 3), dtype=bool)
    seen[0, 0] = seen[1, 0] = True  # before (1, 1); blind are (0, 1) and (0, 2)
    seen[2, 2] = True  # after it: a leak
    _, ax = plots.figure()
    plots.draw_context(ax, seen, (1, 1))
    assert hatches(ax) == {(0, 1): "////", (0, 2): "////", (2, 2): "xx"}
    assert crosses(ax) == [(1, 1)]
    _, ax = plots.figure()
    plots.draw_context(ax, seen, (1, 1), blind_spot=False)
    assert hatches(ax) == {(2, 2): "xx"}


def test_the_predicted_pixel_itself_is_a_leak():
    seen = np.zeros((2, 2))
    seen[1, 0] = 0.3
    _, ax = plots.figure()
    plots.draw_context(ax, seen, (1, 0), blind_spot=False)
    assert hatches(ax) == {(1, 0): "xx"}
    assert shades(ax)[1, 0] == pytest.approx(0.3)


@pytest.mark.parametrize("pixel", [(3, 0), (0, 2), (-1, 0)])
def test_a_pixel_outside_of_the_image_is_refused(pixel):
    _, ax = plots.figure()
    with pytest.raises(ValueError, match=r"within \(3, 2\)"):
        plots.draw_context(ax, np.zeros((3, 2)), pixel)


def thick_lines(ax):
    return [line for line in ax.lines if line.get_linewidth() > 1]


def test_a_masked_network_draws_what_is_kept_and_what_leads_to_an_output():
    degrees = [torch.tensor([1, 2, 1])]
    masks = made_masks([0, 1, 2], degrees)
    layers = [[1, 2, 3], [1, 2, 1], [1, 2, 3]]
    _, ax = plots.figure()
    plots.draw_masked_network(ax, masks, layers, names=["in", "hidden", "out"], highlight=1)
    assert len(ax.lines) == sum(int(mask.sum()) for mask in masks)
    # output of degree 2: from the two hidden units of degree 1, and those from input 1 only
    assert len(thick_lines(ax)) == 2 + 2
    white = [c for c in ax.patches if isinstance(c, Circle) and c.get_facecolor()[:3] == (1, 1, 1)]
    assert len(white) == 9 - (1 + 2 + 1)
    assert [t.get_text() for t in ax.texts][:3] == ["1", "2", "3"]
    with pytest.raises(ValueError, match="masks have shapes"):
        plots.draw_masked_network(ax, masks[:1], layers)


@pytest.mark.parametrize("dilations, field", [([1, 2, 4], 8), ([1, 1, 1], 4), ([1], 2)])
def test_dilations_reach_as_far_as_they_should(dilations, field):
    _, ax = plots.figure()
    plots.draw_dilations(ax, dilations, steps=12)
    inputs = ax.collections[0].get_facecolors()
    reached = [t for t in range(12) if tuple(inputs[t][:3]) == to_rgb(plots.BLUE)]
    assert reached == list(range(12 - field, 12))
    with pytest.raises(ValueError, match="at least 1"):
        plots.draw_dilations(ax, [1, 0], steps=3)


def test_numbered_pixels_show_this_step_and_the_ones_before():
    numbers = skew(torch.arange(1, 7).reshape(2, 3))
    _, ax = plots.figure()
    plots.draw_numbered(ax, numbers, now={2, 4}, done={1})
    assert [t.get_text() for t in ax.texts] == ["1", "2", "3", "4", "5", "6"]
    assert set(hatches(ax)) == {(0, 3), (1, 0)}  # what skewing adds
    shade = shades(ax)
    assert shade[0, 1] == shade[1, 1] > shade[0, 0] > shade[0, 2] == 0


def test_a_spectrogram_is_darkest_at_the_tone():
    rate, hertz = 4000, 500
    time = torch.arange(2000) / rate
    _, ax = plots.figure()
    plots.draw_spectrogram(ax, (2 * math.pi * hertz * time).sin(), rate=rate, window=200)
    strength = shades(ax)  # (frequencies, pieces), 20 Hz apart
    assert (strength.argmax(0) == hertz / (rate / 200)).all()
    assert strength.max() == pytest.approx(0, abs=1e-4)
    assert ax.images[0].get_extent() == [0, 0.5, 0, 2000]
    with pytest.raises(ValueError, match=r"expected .* T >= 200"):
        plots.draw_spectrogram(ax, torch.zeros(199), rate=rate, window=200)
