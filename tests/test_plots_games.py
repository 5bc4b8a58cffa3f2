import numpy as np
import pytest
import torch
from matplotlib.patches import Circle
from matplotlib.quiver import Quiver

from gencourse import plots


def arrows(ax):
    return next(c for c in ax.collections if isinstance(c, Quiver))


def test_vector_field_points_where_the_field_pushes_as_seen_on_the_page():
    _, ax = plots.figure()
    field = lambda at: torch.stack([at[:, 1], torch.zeros(len(at))], 1)  # noqa: E731
    plots.vector_field(ax, field, x=(0, 1), y=(-10, 10), points=3)
    quiver = arrows(ax)
    below, middle, above = quiver.U.reshape(3, 3)[0]
    assert below == pytest.approx(-1) and above == pytest.approx(1)
    assert middle == 0  # where nothing moves there is no arrow, and no division by zero
    assert (quiver.V == 0).all()
    assert quiver.get_array().max() == pytest.approx(1)


def test_vector_field_draws_arrows_of_one_length_in_any_scale():
    _, ax = plots.figure()
    plots.vector_field(ax, lambda at: torch.tensor([1.0, 20.0]).expand(len(at), 2),
                       x=(0, 1), y=(0, 20), points=4)  # fmt: skip
    quiver = arrows(ax)
    np.testing.assert_allclose(np.hypot(quiver.U, quiver.V), 1)
    np.testing.assert_allclose(quiver.U, quiver.V)  # a diagonal of the rectangle


def test_path_rings_its_start_and_fills_its_end():
    _, ax = plots.figure()
    plots.path(ax, torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), label="walk")
    line, start, end = ax.lines
    assert line.get_label() == "walk" and list(line.get_xdata()) == [0, 2, 4]
    assert list(start.get_xdata()) == [0] and start.get_markerfacecolor() == "white"
    assert list(end.get_xdata()) == [4] and end.get_markerfacecolor() != "white"


def test_mode_map_marks_modes_without_samples():
    _, ax = plots.figure()
    samples = torch.tensor([[0.0, 0.05], [3.0, 3.0]])
    plots.mode_map(ax, samples, torch.tensor([[0.0, 0.0], [1.0, 0.0]]), radius=0.1)
    found, missed = (p for p in ax.patches if isinstance(p, Circle))
    assert tuple(found.center) == (0, 0) and found.get_linestyle() in ("-", "solid")
    assert tuple(missed.center) == (1, 0) and missed.get_linestyle() in (":", "dotted")


def shown(ax):
    return np.asarray(ax.images[0].get_array())


def test_colour_grid_tiles_coloured_images():
    _, ax = plots.figure()
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(3, 3, 2, 2)
    plots.colour_grid(ax, red, columns=2)
    canvas = shown(ax)
    assert canvas.shape == (2 * 3 + 1, 2 * 3 + 1, 3)
    assert (canvas[4:6, 1:3] == [1, 0, 0]).all()
    assert (canvas[4:6, 4:6] == 0.55).all()  # there is no fourth image


def test_colour_rows_enlarges_small_images_and_shows_grey_ones():
    _, ax = plots.figure()
    small = torch.arange(4.0).reshape(1, 1, 2, 2) / 3
    plots.colour_rows(ax, {"large": torch.ones(1, 3, 4, 4), "small": small})
    canvas = shown(ax)
    assert canvas.shape == (2 * 5 + 1, 5 + 1, 3)
    np.testing.assert_allclose(
        canvas[6:8, 3:5], 1 / 3, atol=1e-6
    )  # the second pixel, twice as large
    assert [label.get_text() for label in ax.get_yticklabels()] == ["large", "small"]


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (torch.zeros(2, 3, 4, 4), r"'b' has 2 images of 4 x 4 pixels, expected 1 squares"),
        (torch.zeros(1, 3, 3, 3), r"'b' has 1 images of 3 x 3 pixels, .* divides 4"),
        (torch.zeros(1, 2, 4, 4), r"'b' has shape \(1, 2, 4, 4\), expected \(N, 3 or 1, H, W\)"),
    ],
)
def test_colour_rows_refuses_what_does_not_fit(images, says):
    _, ax = plots.figure()
    with pytest.raises(ValueError, match=says):
        plots.colour_rows(ax, {"a": torch.zeros(1, 3, 4, 4), "b": images})


def test_heat_boxes_what_is_not_zero():
    _, ax = plots.figure()
    values = torch.zeros(6, 6)
    values[1:4, 2:5] = -1.0
    plots.heat(ax, values)
    assert shown(ax).min() == 0 and shown(ax).max() == 1
    (box,) = ax.lines
    assert (min(box.get_xdata()), max(box.get_xdata())) == (1.5, 4.5)
    assert (min(box.get_ydata()), max(box.get_ydata())) == (0.5, 3.5)


def test_heat_of_nothing_has_no_box():
    _, ax = plots.figure()
    plots.heat(ax, torch.zeros(3, 3))
    assert not ax.lines
