import base64
import itertools
import re
from pathlib import Path

import matplotlib
import networkx as nx
import numpy as np
import pytest
import torch
from matplotlib.contour import ContourSet
from matplotlib.patches import Ellipse, FancyArrowPatch, Rectangle

from gencourse import plots
from gencourse.graphical import FactorGraph, belief_propagation
from gencourse.graphical.examples import red_blue_network, student_network

PNG = b"\x89PNG\r\n\x1a\n"
WALKTHROUGHS = sorted((Path(__file__).parents[1] / "solutions").glob("*_walkthrough.py"))


def test_a_picture_carries_its_alternative_text_to_every_front_end():
    fig, ax = plots.figure()
    ax.plot([0, 1])
    shown = plots.picture(fig, 'a line "up"\n   & <away>')
    data, metadata = shown._repr_mimebundle_()
    assert shown.png.startswith(PNG) and data["image/png"] == shown.png
    assert metadata["image/png"]["alt"] == 'a line "up" & <away>'
    assert 'alt="a line &quot;up&quot; &amp; &lt;away&gt;"' in data["text/html"]
    embedded = re.search(r"base64,([^\"]+)", data["text/html"]).group(1)
    assert base64.b64decode(embedded) == shown.png


def test_a_picture_without_words_is_refused(tmp_path):
    fig, _ = plots.figure()
    with pytest.raises(ValueError, match="alt"):
        plots.picture(fig, "  ")
    plots.picture(fig, "empty axes").save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_making_a_figure_changes_no_global_setting():
    before = dict(matplotlib.rcParams)
    fig, _ = plots.figure(2, 2)
    plots.picture(fig, "four empty axes")
    assert dict(matplotlib.rcParams) == before


def luminance(colour):
    channels = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_series_differ_without_colour():
    looks = [(str(dashes), marker, hatch) for _, dashes, marker, hatch in plots.SERIES]
    for column in zip(*looks, strict=True):
        assert len(set(column)) == len(plots.SERIES)
    light = [luminance(colour) for colour, *_ in plots.SERIES]
    # neighbours also differ in a greyscale print, by WCAG's contrast of 1.5 at least
    for a, b in itertools.pairwise(light[:4]):
        assert (max(a, b) + 0.05) / (min(a, b) + 0.05) > 1.5


def shapes(ax, kind):
    return [patch for patch in ax.patches if type(patch) is kind]


def test_draw_graph_shades_observed_nodes_and_draws_every_arrow():
    net = red_blue_network()
    _, ax = plots.figure()
    assert plots.draw_graph(net, observed=["x1", "x4"], ax=ax) is ax
    circles = shapes(ax, Ellipse)
    grey = [c for c in circles if c.get_facecolor()[:3] != (1, 1, 1)]
    arrows = shapes(ax, FancyArrowPatch)
    assert len(circles) == 5 and len(grey) == 2
    assert len(arrows) == 4 and not shapes(ax, Rectangle)
    assert {t.get_text() for t in ax.texts} == set(net.variables)


def test_draw_graph_puts_parents_above_children():
    places = plots.layered(student_network().graph)
    for parent, child in student_network().graph.edges:
        assert places[parent][1] > places[child][1]
    assert len(set(places.values())) == 5


def test_draw_graph_draws_squares_for_factors():
    graph = FactorGraph.from_bayes_net(red_blue_network())
    _, ax = plots.figure()
    plots.draw_graph(graph, ax=ax)
    assert len(shapes(ax, Rectangle)) == 5 and len(shapes(ax, Ellipse)) == 5
    assert len(shapes(ax, FancyArrowPatch)) == graph.graph.number_of_edges() == 9


def test_a_drawn_model_says_in_words_what_it_shows():
    shown = red_blue_network().draw(observed={"x4": "red"})
    assert "x2 to x4" in shown.alt and "Observed: x4 = red." in shown.alt
    graph = FactorGraph.from_bayes_net(red_blue_network()).draw()
    assert "p(x4|x2,x3) joins x2, x3, x4" in graph.alt
    assert "a with b" in plots.draw_graph(nx.Graph([("a", "b")])).alt


def test_an_edge_bends_around_a_node_in_its_way():
    line = plots.row(["a", "b", "c"])
    _, ax = plots.figure()
    plots.draw_graph(nx.DiGraph([("a", "c"), ("a", "b"), ("b", "c")]), positions=line, ax=ax)
    bends = [arrow.get_connectionstyle().rad for arrow in shapes(ax, FancyArrowPatch)]
    assert sorted(rad != 0 for rad in bends) == [False, False, True]


def test_draw_graph_names_what_is_wrong():
    with pytest.raises(ValueError, match="'x9'"):
        plots.draw_graph(red_blue_network(), observed=["x9"])
    with pytest.raises(ValueError, match="p\\(x1\\)"):
        plots.draw_graph(FactorGraph.from_bayes_net(red_blue_network()), observed=["p(x1)"])
    with pytest.raises(ValueError, match="3"):
        plots.draw_graph(3)


def test_draw_messages_writes_the_values_of_the_present_step_only():
    graph = FactorGraph.from_bayes_net(red_blue_network())
    messages = belief_propagation(graph, evidence={"x4": 0}).messages
    _, ax = plots.figure()
    plots.draw_messages(graph, messages, step=2, ax=ax)
    now = [f"({m.values[0]:.2f}, {m.values[1]:.2f})" for m in messages if m.step == 2]
    written = [t.get_text() for t in ax.texts if t.get_text().startswith("(")]
    assert sorted(written) == sorted(now)
    sent = sum(m.step <= 2 for m in messages)
    assert len(shapes(ax, FancyArrowPatch)) == graph.graph.number_of_edges() + sent


def test_table_writes_every_number_under_its_name():
    _, ax = plots.figure()
    values = torch.tensor([[0.25, 0.75], [0.5, 0.5]], requires_grad=True)
    plots.table(ax, values, rows=["a", "b"], columns=["c", "d"], title="p(y | x)")
    written = {(round(t._x), round(t._y)): t.get_text() for t in ax.texts}
    assert written == {(0, 0): "0.25", (1, 0): "0.75", (0, 1): "0.50", (1, 1): "0.50"}
    assert [t.get_text() for t in ax.get_xticklabels()] == ["c", "d"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    with pytest.raises(ValueError, match=r"rows has 1 names \['a'\], expected 2"):
        plots.table(ax, values, rows=["a"])


def test_bars_stand_at_their_heights():
    _, ax = plots.figure()
    plots.bars(ax, ["a", "b"], {"exact": [0.2, 0.8], "sampled": torch.tensor([0.3, 0.7])})
    assert [p.get_height() for p in ax.patches] == pytest.approx([0.2, 0.8, 0.3, 0.7])
    assert len({(p.get_facecolor(), p.get_hatch()) for p in ax.patches}) == 2
    with pytest.raises(ValueError, match=r"'exact' has shape \(3,\)"):
        plots.bars(ax, ["a", "b"], {"exact": [1, 2, 3]})


def test_curves_take_a_band():
    _, ax = plots.figure()
    plots.curves(ax, [0, 1], {"a": [1.0, 2.0], "b": (torch.tensor([3.0, 4.0]), [0.5, 0.5])})
    assert ax.lines[1].get_ydata() == pytest.approx([3, 4])
    corners = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert corners.min() == 2.5 and corners.max() == 4.5


def test_histograms_count_what_falls_between_the_edges():
    _, ax = plots.figure()
    plots.histograms(ax, {"a": torch.tensor([0.5, 0.6, 1.5]), "b": [1.2]}, edges=[0, 1, 2])
    outlines = [patch.get_data().values.tolist() for patch in ax.patches if not patch.fill]
    assert outlines == [[2, 1], [0, 1]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_contours_are_where_the_function_has_that_height():
    _, ax = plots.figure()
    plots.contours(ax, lambda z: z[:, 0] + 2 * z[:, 1], x=(0, 1), y=(0, 3), levels=[2.0, 9.0])
    lines = next(c for c in ax.collections if isinstance(c, ContourSet) and not c.filled)
    points = lines.get_paths()[0].vertices
    assert points[:, 0] + 2 * points[:, 1] == pytest.approx(np.full(len(points), 2.0))


def test_image_grid_lays_images_out_row_by_row():
    _, ax = plots.figure()
    images = torch.arange(3.0)[:, None, None, None].expand(3, 1, 2, 2) / 2
    plots.image_grid(ax, images, columns=2)
    canvas = ax.images[0].get_array()
    assert canvas.shape == (7, 7)
    assert [canvas[1, 1], canvas[1, 4], canvas[4, 1]] == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="images has shape"):
        plots.image_grid(ax, torch.zeros(2, 3, 4, 4))


def test_pixel_tree_marks_edges_between_neighbours():
    _, ax = plots.figure()
    plots.pixel_tree(ax, [(0, 1), (1, 5)], (2, 3), background=torch.zeros(2, 3))
    assert list(ax.lines[0].get_xdata()) == [0, 1] and list(ax.lines[1].get_ydata()) == [0, 1]
    assert ax.lines[0].get_linestyle() == "-" and ax.lines[1].get_linestyle() == ":"


def test_scatter_gives_each_class_its_marker():
    _, ax = plots.figure()
    plots.scatter(ax, torch.zeros(3, 2), torch.tensor([0, 1, 1]), ["a", "b"])
    assert [len(c.get_offsets()) for c in ax.collections] == [1, 2]


def test_number_table_reads_as_text_and_as_html():
    rows = [["x", torch.tensor(0.123456)], ["<y>", 1234567], ["z", True]]
    shown = plots.number_table(["name", "value"], rows, caption="measured")
    assert shown.rows == (("x", "0.1235"), ("<y>", "1,234,567"), ("z", "True"))
    assert repr(shown).splitlines()[:2] == ["measured", "name  value    "]
    page = shown._repr_html_()
    assert "<td>&lt;y&gt;</td>" in page and "<caption>measured" in page
    assert "caption" not in plots.number_table(["a"], [[1]])._repr_html_()
    assert repr(plots.number_table(["a"], [[1]])) == "a\n1"
    with pytest.raises(ValueError, match="1 cells, expected 2"):
        plots.number_table(["a", "b"], [["only"]])


def test_small_negative_numbers_are_written_without_a_sign():
    assert plots.number_table(["a"], [[-1e-9]]).rows == (("0.0000",),)
    assert plots.number_table(["a"], [[-0.1]]).rows == (("-0.1000",),)
    _, ax = plots.figure()
    plots.table(ax, [-1e-9, -0.5])
    assert [t.get_text() for t in ax.texts] == ["0.00", "-0.50"]


def test_nothing_is_written_too_small_for_a_projector():
    _, ax = plots.figure(1, 4)
    plots.draw_graph(FactorGraph.from_bayes_net(red_blue_network()), ax=ax[0])
    plots.bars(ax[1], ["a"], {"exact": [0.2], "sampled": [0.3]}, form="{:.2f}")
    plots.contours(ax[2], lambda z: z[:, 0], x=(0, 1), y=(0, 1))
    plots.table(ax[3], [[1, 2]], columns=["a", "b"])
    written = [t for a in ax for t in (*a.texts, *a.get_xticklabels())]
    written += ax[1].get_legend().get_texts()
    assert min(t.get_fontsize() for t in written) >= plots.SMALL


@pytest.mark.parametrize("path", WALKTHROUGHS, ids=lambda p: p.stem)
def test_a_walkthrough_fits_a_projector(path):
    """Figures that fit the page are not shrunk; a cell that fits the screen is not scrolled."""
    text = path.read_text()
    widths = [float(width) for width in re.findall(r"size=\((\d+\.?\d*), ", text)]
    assert max(widths) <= 10.5
    fonts = [float(size) for size in re.findall(r"(?:font|label)size=(\d+)", text)]
    assert min(fonts, default=plots.SMALL) >= plots.SMALL
    parts = re.split(r"(?m)^# %%(.*)$", text)
    code = [
        body.strip()
        for head, body in zip(parts[1::2], parts[2::2], strict=True)
        if "[markdown]" not in head
    ]
    assert max(body.count("\n") + 1 for body in code) <= 30
