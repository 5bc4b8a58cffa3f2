"""The bytes of a file become a notebook, or words that say why not."""

import json

import pytest

from gencourse.grading.reading import MAX_CELLS, NotGradable, notebook_of, source, text_of

CELL = {"cell_type": "code", "source": "x = 'é'", "metadata": {}}
GOOD = {"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
TEXT = json.dumps(GOOD, ensure_ascii=False)


def read(data):
    notes = []
    return notebook_of(text_of(data, notes), notes), notes


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (TEXT.encode(), []),
        (TEXT.encode("utf-8-sig"), []),
        (TEXT.replace("{", "{\r\n", 1).encode(), []),
        (TEXT.encode("utf-16"), ["the file was UTF-16 text, read as such"]),
        (TEXT.encode("utf-16-le"), ["the file was UTF-16 text, read as such"]),
        (TEXT.encode("utf-16-be"), ["the file was UTF-16 text, read as such"]),
        (TEXT.encode("utf-32"), ["the file was UTF-32 text, read as such"]),
        (TEXT.encode("cp1252"), ["the file was Windows-1252 text, read as such"]),
    ],
)
def test_encodings(data, said):
    assert read(data) == (GOOD, said)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"nbformat_minor": None}, "the file names no minor format, read as format 4"),
        ({"nbformat_minor": 99}, None),
        ({"nbformat": None}, "the file names no format, read as format 4"),
        ({"nbformat": 5}, "the file names format '5', read as format 4"),
        ({"cells": [CELL, 3, None]}, "2 entries in the list of cells are no cells, ignored"),
    ],
)
def test_formats(changed, said):
    notebook, notes = read(json.dumps(GOOD | changed).encode())
    assert notebook["cells"] == [CELL] and notes == ([said] if said else [])


def test_format_3_is_converted():
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Title"], "metadata": {}},
        {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "metadata": {"a": 1}, "outputs": []},
        {"cell_type": "markdown", "source": "text", "metadata": {}},
    ]
    old = {"worksheets": [{"cells": cells}, 3], "nbformat": 3, "nbformat_minor": 0}
    notebook, notes = read(json.dumps(old).encode())
    assert [(c["cell_type"], source(c)) for c in notebook["cells"]] == [
        ("markdown", "## Title"),
        ("code", "x = 1\ny = 2"),
        ("markdown", "text"),
    ]
    assert notebook["cells"][1]["metadata"] == {"a": 1}
    assert notes == ["the notebook was in format 3, converted to format 4"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\0\0 \n", "is empty"),
        (TEXT[:-30].encode(), "not readable as a notebook"),
        (TEXT.replace("]", ",]").encode(), "not readable as a notebook"),
        (b"\x93\xff\x00binary", "not UTF-8"),
        (b"\xff\xfe\x00", "not UTF-16 text"),
        (b"PK\x03\x04....", "is a zip archive"),
        (b"<!doctype html><html>", "is a web page"),
        (b"%PDF-1.7", "is a PDF"),
        (b"version https://git-lfs.github.com/spec/v1", "pointer of Git LFS"),
        (b"import numpy as np\n", "it is a Python script"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "no list of cells"),
        (b'{"cells": "none"}', "no list of cells"),
        (json.dumps({"cells": [{}] * (MAX_CELLS + 1)}).encode(), "2001 cells; expected at most"),
    ],
)
def test_what_cannot_be_mended_says_why(data, words):
    with pytest.raises(NotGradable, match=words):
        read(data)
