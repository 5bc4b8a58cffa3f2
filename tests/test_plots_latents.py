import numpy as np
import pytest
import torch
from matplotlib.patches import Ellipse

from gencourse import plots


def shown(ax):
    return np.asarray(ax.images[0].get_array())


def test_image_rows_puts_each_row_after_its_name():
    _, ax = plots.figure()
    plots.image_rows(ax, {"black": torch.zeros(3, 2, 2), "white": torch.ones(3, 2, 2)})
    canvas = shown(ax)
    assert canvas.shape == (2 * 3 + 1, 3 * 3 + 1)
    assert (canvas[1:3, 4:6] == 0).all() and (canvas[4:6, 7:9] == 1).all()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["black", "white"]
    middle_of_black, middle_of_white = ax.get_yticks()
    assert 1 <= middle_of_black <= 2 and 4 <= middle_of_white <= 5


def test_image_rows_leaves_room_for_long_names():
    fig, ax = plots.figure(size=(5.6, 3.2))
    names = ("short", "a rather long name of a row", "another")
    plots.image_rows(ax, {name: torch.zeros(4, 8, 8) for name in names})
    fig.draw_without_rendering()
    left = min(label.get_window_extent().x0 for label in ax.get_yticklabels())
    assert left >= 0


def test_image_rows_refuses_rows_of_other_shapes():
    _, ax = plots.figure()
    with pytest.raises(ValueError, match=r"'b' has shape \(2, 2, 2\), expected \(3, 2, 2\)"):
        plots.image_rows(ax, {"a": torch.zeros(3, 2, 2), "b": torch.zeros(2, 2, 2)})


def test_image_plane_draws_low_rows_at_the_bottom_and_centres_images():
    _, ax = plots.figure()
    images = torch.zeros(2, 3, 4, 4)
    images[0, 2] = 1  # the lowest y, the highest x
    plots.image_plane(ax, images, x=(-1, 1), y=(0, 4))
    canvas = shown(ax)
    assert canvas.shape == (2 * 10, 3 * 10)  # pixels are doubled, with a frame around each image
    assert (canvas[11:19, 21:29] == 1).all() and (canvas == 1).sum() == 64
    assert (canvas == 0).sum() == 5 * 64
    assert tuple(ax.images[0].get_extent()) == (-1.5, 1.5, -2, 6)
    with pytest.raises(ValueError, match=r"\(1, 3, 4, 4\), expected \(R, C, H, W\)"):
        plots.image_plane(ax, images[:1], x=(-1, 1), y=(0, 4))


def test_class_map_writes_each_class_as_its_character():
    _, ax = plots.figure()
    points, classes = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), torch.tensor([7, 0, 7])
    plots.class_map(ax, points, classes)
    sizes = [len(collection.get_offsets()) for collection in ax.collections]
    assert sizes == [1, 2]  # class 0, class 7
    one, seven = (c.get_paths()[0].vertices for c in ax.collections)
    assert one.shape != seven.shape or not np.allclose(one, seven)
    with pytest.raises(ValueError, match="classes go from 0 to 10, expected 0 to 9"):
        plots.class_map(ax, points, torch.tensor([0, 1, 10]))


def test_ellipse_is_the_contour_at_so_many_standard_deviations():
    _, ax = plots.figure()
    covariance = torch.tensor([[2.0, 1.2], [1.2, 1.0]], dtype=torch.float64)
    plots.ellipse(ax, covariance, mean=(1.0, -1.0), sds=2.0)
    (patch,) = (p for p in ax.patches if isinstance(p, Ellipse))
    unit = np.linspace(0, 2 * np.pi, 50)
    circle = np.stack([np.cos(unit), np.sin(unit)], 1)
    data = patch.get_patch_transform().transform(circle) - [1.0, -1.0]
    distance = np.einsum("ni,ij,nj->n", data, np.linalg.inv(covariance.numpy()), data)
    np.testing.assert_allclose(np.sqrt(distance), 2.0)
    with pytest.raises(ValueError, match="positive definite"):
        plots.ellipse(ax, [[1.0, 2.0], [2.0, 1.0]])


def test_mark_is_visible_on_black_and_on_white():
    _, ax = plots.figure()
    plots.mark(ax, (0.5, 0.25))
    edges = {line.get_markeredgecolor() for line in ax.lines if line.get_marker() == "o"}
    assert edges == {"white", "black"}
    assert all(tuple(line.get_xydata()[0]) == (0.5, 0.25) for line in ax.lines)
