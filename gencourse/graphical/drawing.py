"""A model that is a small Bayesian network, drawn as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx


class Drawable:
    """Mixin: `edges()` says which arrows the network has, `draw()` shows it."""

    def edges(self) -> list[tuple[str, str]]:
        """Return the arrows as (parent, child)."""
        raise NotImplementedError

    @property
    def graph(self) -> nx.DiGraph:
        """The network as a networkx graph."""
        import networkx as nx

        return nx.DiGraph(self.edges())

    def draw(self, **options: Any) -> Any:
        """Draw the graph; see `gencourse.plots.draw_graph`."""
        from gencourse.plots import draw_graph

        return draw_graph(self, **options)
