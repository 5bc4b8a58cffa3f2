"""Sphinx's configuration of the course site; everything that a page needs is in the site."""

project = "gencourse"
author = "The gencourse authors"
html_title = "Deep generative models"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "gencourse.site.reference",
]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "text/plain", 10)]
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header", "ref.python"]

default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True  # a field is listed once

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_extra_path = ["_extra"]
html_show_sphinx = False
mathjax_path = "tex-svg.js"  # MathJax 3 in the site itself, glyphs included
mathjax3_config = {
    "tex": {"inlineMath": [["\\(", "\\)"]], "displayMath": [["\\[", "\\]"]]},
    "options": {"processHtmlClass": "math", "ignoreHtmlClass": "document", "enableMenu": False},
}
myst_update_mathjax = False
html_copy_source = html_show_copyright = False
