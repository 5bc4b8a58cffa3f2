"""Makes a student's Markdown safe to show in an instructor's browser.

nbgrader's formgrader renders Markdown with the HTML in it, whatever nbconvert's `sanitize_html`
says, on a page that may talk to the instructor's Jupyter server. So a space makes a tag a
comparison, entities lose their ampersand, and links that would run a script their colon, also in
MathJax. All else reads as before.
"""

from __future__ import annotations

import re

TAG = re.compile(r"<(?=[A-Za-z/!?])")
ENTITY = re.compile(r"&(?=#|[A-Za-z]\w*;)")
SCRIPT = re.compile(r"((?:java|vb)\s*script[\s\\]*):", re.IGNORECASE)
HREF = re.compile(r"\\href", re.IGNORECASE)


def inert(markdown: str) -> str:
    """Return the text without anything in it that a browser would run."""
    text = ENTITY.sub("\N{FULLWIDTH AMPERSAND}", markdown)  # "&amp;" is read twice in a link
    text = TAG.sub("< ", text)
    text = HREF.sub(r"\\text", text)
    return SCRIPT.sub("\\1\N{FULLWIDTH COLON}", text)
