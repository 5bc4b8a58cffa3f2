"""Outputs of a notebook as a page needs them: pictures in files, each with its alternative text.

A picture of the course comes as an HTML image that holds its own bytes. On a page it is a file
beside the page instead, in lossless WebP, which takes about half of PNG's bytes and is only
fetched when it comes into view.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import io
from pathlib import Path

from nbformat import NotebookNode


def with_figures_in_files(notebook: NotebookNode, folder: Path, address: str) -> NotebookNode:
    """Return the notebook with one output for each output: HTML, or text where there is no other.

    Args:
        notebook: an executed notebook; left as it is.
        folder: where the picture files go, named after their content.
        address: of that folder as the page sees it, such as "../figures".
    """
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data")
            if data and "image/png" in data:
                described = output.get("metadata", {}).get("image/png", {})
                data = _in_a_file(data, described, folder, address)
            elif data and "text/html" in data:
                data = {"text/html": data["text/html"]}
            if data:
                output["data"], output["metadata"] = NotebookNode(data), NotebookNode()
    return notebook


def _in_a_file(data: dict, described: dict, folder: Path, address: str) -> dict:
    from PIL import Image

    png = base64.b64decode(data["image/png"])
    name = f"{hashlib.sha256(png).hexdigest()[:16]}.webp"
    with Image.open(io.BytesIO(png)) as image:
        width, height = image.size
        if not (folder / name).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            image.convert("RGB").save(folder / name, lossless=True, method=4)
    shown = int(described.get("width", width))
    alt = html.escape(described.get("alt") or data.get("text/plain", ""), quote=True)
    tag = (
        f'<img class="figure" alt="{alt}" src="{address}/{name}" width="{shown}" '
        f'height="{round(shown * height / width)}" loading="lazy">'
    )
    return {"text/html": tag}
