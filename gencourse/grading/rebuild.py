"""Rebuilds a submission on the pristine release.

Only the text of its answer cells is the student's. Locked cells, tests, points, cell types and
metadata come from the release, whatever was done to them. A cell is recognised by nbgrader's
`grade_id`, else by its cell id (which Colab moves into the metadata), else by its text; an answer
also by what it defines, or by its place. The student's own extra cells stay where they stood.

Of two different copies of an answer the last that is not empty counts.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from gencourse.grading.answers import cut, definitions, joined_code, joined_words
from gencourse.grading.reading import NotGradable, notebook_of, resolved, source, text_of

NAMED = 6  # how many cells a note names
GRADE_ID = re.compile(r"[A-Za-z0-9_-]{1,120}")
FLAGS = ("grade", "locked", "solution", "points", "task")


@dataclass
class Rebuilt:
    """A notebook that can be run.

    Args:
        cells: cells in the notebook format, each answer with the student's text.
        notes: what was mended.
        answered: ids of the answer cells whose text differs from the release.
    """

    cells: list[dict]
    notes: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)


def parse(data: bytes, notes: list[str] | None = None) -> dict:
    """Return the notebook in `data` as plain JSON values.

    Args:
        data: the bytes of the file.
        notes: gets what was mended.

    Raises:
        NotGradable: it cannot be read as a notebook.
    """
    notes = [] if notes is None else notes
    return notebook_of(text_of(data, notes), notes)


def stamp_of(notebook: dict) -> str | None:
    """Return the stamp of the release that a notebook comes from, or None when it holds none."""
    metadata = notebook.get("metadata")
    ours = metadata.get("gencourse") if isinstance(metadata, dict) else None
    stamp = ours.get("release") if isinstance(ours, dict) else None
    return stamp if isinstance(stamp, str) else None


def rebuild(submitted: dict, release: dict) -> Rebuilt:
    """Return the release with the answers of `submitted` in it.

    Raises:
        NotGradable: no answer of the release is recognised.
    """
    return _Mend(submitted["cells"], release["cells"]).rebuilt()


def grade_id(cell: dict) -> str | None:
    """Return a cell's id in nbgrader's metadata, or None."""
    name = _ours(cell).get("grade_id")
    return name if isinstance(name, str) and GRADE_ID.fullmatch(name) else None


def is_answer(cell: dict) -> bool:
    """Tell whether a cell of the release is for the student to fill in."""
    return bool(_ours(cell).get("solution"))


def is_locked(cell: dict) -> bool:
    """Tell whether a cell's text is the release's own."""
    return bool(_ours(cell).get("locked")) and not is_answer(cell)


def is_test(cell: dict) -> bool:
    """Tell whether a cell of the release is a test, graded without a person."""
    return bool(_ours(cell).get("grade")) and not is_answer(cell) and cell["cell_type"] == "code"


def is_written(cell: dict) -> bool:
    """Tell whether a cell of the release is an answer that a person grades."""
    return bool(_ours(cell).get("grade")) and is_answer(cell)


@dataclass
class _Cell:
    """A submitted cell, where it stood, and the index of the released cell that it is."""

    cell: dict
    at: int
    text: str
    is_of: int | None = None


class _Mend:
    """One pass over a submission's cells."""

    def __init__(self, submitted: list[dict], release: list[dict]) -> None:
        self.release = release
        self.notes: list[str] = []
        self.answers = [i for i, c in enumerate(release) if is_answer(c)]
        self.names = {i: definitions(source(release[i])) for i in self.answers}
        self.cells = [_Cell(c, at, source(c)) for at, c in enumerate(submitted)]
        self._recognise()

    def rebuilt(self) -> Rebuilt:
        """Return the release with each answer in its place."""
        texts = {i: self._answer(i) for i in self.answers}
        blank = {i: ("", source(self.release[i]).strip()) for i in self.answers}
        self.untouched = {
            i for i, text in texts.items() if text is not None and text.strip() in blank[i]
        }
        for i in self.answers:
            texts[i] = self._stray(i, texts)
        if all(text is None for text in texts.values()):
            raise NotGradable("no cell of this homework is recognised in the notebook")
        self._note_locked()
        self._note_moved()
        built = Rebuilt([], self.notes)
        own = self._own_cells()
        built.cells += own.get(-1, [])
        for i, cell in enumerate(self.release):
            cell = copy.deepcopy(cell) | {"source": source(cell)}
            text = texts.get(i)
            if text is not None:
                if text.strip() not in ("", cell["source"].strip()):
                    built.answered.add(grade_id(cell))
                cell["source"] = text
            elif i in texts:
                self._note(i, "missing, restored as released")
            built.cells += [cell, *own.get(i, [])]
        return built

    def _recognise(self) -> None:
        """Say which released cell each submitted one is, by its names and then by its text."""
        by_grade = {grade_id(c): i for i, c in enumerate(self.release) if grade_id(c)}
        by_id = {c["id"]: i for i, c in enumerate(self.release) if c.get("id")}
        by_text = {source(c).strip(): i for i, c in enumerate(self.release) if not is_answer(c)}
        stripped = []
        for cell in self.cells:
            named = by_grade.get(grade_id(cell.cell))
            known = [i for i in (named, *_by_ids(cell.cell, by_id)) if i is not None]
            cell.is_of = known[0] if known else None
            if cell.is_of is None and cell.text.strip():
                cell.is_of = by_text.get(cell.text.strip())
            if cell.is_of is not None and named is None and grade_id(self.release[cell.is_of]):
                stripped.append(grade_id(self.release[cell.is_of]))
            if cell.is_of in self.names and (text := resolved(cell.text)) is not None:
                cell.text = text
                self._note(cell.is_of, "held git conflict markers, the last version is used")
        if stripped:
            self.notes.append(
                f"{_listed(stripped)}: metadata missing or changed, "
                "recognised by the cell id or the text"
            )

    def _answer(self, i: int) -> str | None:
        """Return the text that the recognised copies of an answer stand for, None for none."""
        copies = [c for c in self.cells if c.is_of == i]
        if not copies:
            return None
        released = self.release[i]
        self._note_damage(i, copies[-1].cell)
        blank = ("", source(released).strip())
        live: dict[str, _Cell] = {}
        for c in copies:
            if c.text.strip() not in blank:
                live.pop(c.text.strip(), None)
                live[c.text.strip()] = c
        if len(live) < 2:
            if len(copies) > 1:
                words = "they agree" if live else "none is filled in"
                if live and any(c.text.strip() in blank for c in copies):
                    words = "the one that is filled in is used"
                self._note(i, f"there were {len(copies)} such cells, {words}")
            return next(iter(live.values()), copies[-1]).text
        return self._join(i, list(live.values()))

    def _join(self, i: int, copies: list[_Cell]) -> str:
        """Return what several different copies of an answer stand for."""
        texts, adjacent = [c.text for c in copies], copies[-1].at - copies[0].at < len(copies)
        if self.release[i]["cell_type"] == "code":
            text, words = joined_code(texts, self.names[i], adjacent=adjacent)
            for c in copies:  # a helper that was copied from the answer's cell stays where it is
                if c.text not in text and not definitions(c.text) & self.names[i]:
                    c.is_of = None
        else:
            text, words = joined_words(texts, adjacent=adjacent)
        self._note(i, words)
        return text

    def _stray(self, i: int, texts: dict[int, str | None]) -> str | None:
        """Return the text of an answer that stands in another cell than its own, if it does."""
        text, released = texts[i], self.release[i]
        untouched = i in self.untouched
        if released["cell_type"] == "code":
            names = self.names[i]
            if text is not None and not untouched and definitions(text) & names:
                return text
            others = set().union(*(n for k, n in self.names.items() if k != i))
            before = text if text and not untouched else ""
            if not untouched:  # merged with another answer, or exchanged with it
                for k in [k for k in self.answers if k != i and texts[k]]:
                    found, rest = cut(texts[k], names, others)
                    if found and k not in self.untouched:
                        texts[k] = rest
                        other = grade_id(self.release[k])
                        self._note(i, f"stood in the cell of {other}, put back")
                        return f"{before}\n\n{found}".strip("\n")
            for cell in reversed(self.cells):
                own = cell.is_of is None and cell.cell.get("cell_type") == "code"
                if own and definitions(cell.text) & names:
                    found, rest = cut(cell.text, names, others)
                    if not definitions(rest) & others:
                        found, cell.is_of = cell.text, i
                    cell.text = rest
                    self._note(i, "stood in a cell of its own, recognised by what it defines")
                    return f"{before}\n\n{found}".strip("\n")
        return self._by_place(i) if text is None else text

    def _by_place(self, i: int) -> str | None:
        """Return the text of unknown cells that stand where a missing answer belongs."""
        at = {c.is_of: c.at for c in self.cells if c.is_of is not None}
        before = max((k for k in at if k < i), default=None)
        after = min((k for k in at if k > i), default=None)
        start = -1 if before is None else at[before]
        stop = len(self.cells) if after is None else at[after]
        low, high = -1 if before is None else before, len(self.release) if after is None else after
        lost = [k for k in self.answers if low < k < high]
        there = [c for c in self.cells[start + 1 : stop] if c.is_of is None and c.text.strip()]
        same = [c for c in there if c.cell.get("cell_type") == self.release[i]["cell_type"]]
        same = same or there
        if len(at) < 2 or lost != [i] or len(same) != 1:
            return None
        same[0].is_of = i
        self._note(i, "not recognised by any name, taken from the cell in its place")
        return same[0].text

    def _own_cells(self) -> dict[int, list[dict]]:
        """Return the student's own cells by the released cell that they follow, -1 for none.

        They are reduced to type and text.
        """
        kept: dict[int, list[dict]] = {}
        anchor = -1
        for cell in self.cells:
            kind = cell.cell.get("cell_type")
            if cell.is_of is not None:
                anchor = cell.is_of if grade_id(self.release[cell.is_of]) else anchor
            elif kind in ("code", "markdown") and cell.text.strip():
                own = {"cell_type": kind, "metadata": {}, "source": cell.text}
                own |= {"outputs": [], "execution_count": None} if kind == "code" else {}
                kept.setdefault(anchor, []).append(own)
        return kept

    def _note_damage(self, i: int, theirs: dict) -> None:
        released = self.release[i]
        if theirs.get("cell_type") != released["cell_type"]:
            self._note(i, "its type had been changed, restored")
        ours, marks = _ours(released), _ours(theirs)
        if marks and any(k in marks and marks[k] != ours.get(k) for k in FLAGS):
            self._note(i, "its points or grading flags had been changed, restored")

    def _note_locked(self) -> None:
        """Say what was done to locked cells and tests."""
        for i, released in enumerate(self.release):
            if not grade_id(released) or is_answer(released):
                continue
            copies = [c for c in self.cells if c.is_of == i]
            if not copies:
                self._note(i, "missing, restored as released")
                continue
            self._note_damage(i, copies[-1].cell)
            if len(copies) > 1:
                self._note(i, f"there were {len(copies)} such cells, kept once")
            if any(c.text.strip() != source(released).strip() for c in copies):
                self._note(i, "a locked cell had been edited, restored")

    def _note_moved(self) -> None:
        order = list(dict.fromkeys(c.is_of for c in self.cells if c.is_of is not None))
        matcher = SequenceMatcher(None, order, sorted(order), autojunk=False)
        stay = {k for a, _, n in matcher.get_matching_blocks() for k in order[a : a + n]}
        moved = [grade_id(self.release[k]) for k in order if k not in stay]
        if moved := [name for name in moved if name]:
            self.notes.append(f"{_listed(moved)}: moved, put back in the order of the release")

    def _note(self, i: int, words: str) -> None:
        self.notes.append(f"{grade_id(self.release[i])}: {words}")


def _by_ids(cell: dict, known: dict[str, int]) -> list[int | None]:
    """Return the released cell of a cell's id, also where Colab keeps it."""
    metadata = cell.get("metadata")
    ids = (cell.get("id"), metadata.get("id") if isinstance(metadata, dict) else None)
    return [known.get(i) if isinstance(i, str) else None for i in ids]


def _ours(cell: dict) -> dict:
    metadata = cell.get("metadata")
    ours = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return ours if isinstance(ours, dict) else {}


def _listed(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
