"""A picture with controls, which every explorer of the course is."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ipywidgets

from gencourse.plots import Picture


class Explorer:
    """A picture and its controls; the last line of a cell shows both.

    Args:
        draw: called with the controls' values by name, returns the picture.
        controls: argument name -> a widget with a `value`.

    Attributes:
        controls: the widgets; setting the `value` of one redraws the picture.
        picture: the picture that is shown.
    """

    def __init__(
        self, draw: Callable[..., Picture], controls: Mapping[str, ipywidgets.ValueWidget]
    ) -> None:
        self.draw = draw
        self.controls = dict(controls)
        self.picture: Picture = draw(**self.values)
        self._view = ipywidgets.HTML(self.picture.html)
        wrap = ipywidgets.Layout(flex_flow="row wrap")
        panel = ipywidgets.Box(list(self.controls.values()), layout=wrap)
        self.widget = ipywidgets.VBox([panel, self._view])
        for control in self.controls.values():
            control.observe(self._redraw, names="value")

    @property
    def values(self) -> dict[str, Any]:
        """The controls' present values, by argument name."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def shown(self) -> str:
        """The HTML that stands below the controls: the picture, or what went wrong."""
        return self._view.value

    def _redraw(self, change: Any = None) -> None:
        try:
            self.picture = self.draw(**self.values)
        except Exception as error:
            words = html.escape(f"{type(error).__name__}: {error}")
            self._view.value = f'<p role="alert" style="color:#B00000">{words}</p>'
            raise
        self._view.value = self.picture.html

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        # a front end that knows widgets takes the live view, any other the picture
        data, metadata = self.picture._repr_mimebundle_()
        live = self.widget._repr_mimebundle_()
        live = live[0] if isinstance(live, tuple) else live
        return {**data, **{k: v for k, v in live.items() if k != "text/plain"}}, metadata


def real_slider(
    name: str, value: float, low: float, high: float, step: float = 0.05
) -> ipywidgets.FloatSlider:
    """Return a slider over real values that redraws when it is let go."""
    return ipywidgets.FloatSlider(
        value=value, min=low, max=high, step=step, description=name, continuous_update=False
    )


def step_slider(name: str, value: int, low: int, high: int) -> ipywidgets.IntSlider:
    """Return a slider over whole numbers that redraws when it is let go."""
    return ipywidgets.IntSlider(
        value=value, min=low, max=high, description=name, continuous_update=False
    )


def menu(name: str, options: Iterable[str]) -> ipywidgets.Dropdown:
    """Return a menu of words, of which the first is chosen."""
    return ipywidgets.Dropdown(options=[(word, word) for word in options], description=name)
