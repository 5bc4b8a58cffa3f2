"""A damaged submission is rebuilt on the release; what cannot be mended says why."""

import copy
import json

import pytest

from gencourse.grading.rebuild import (
    NotGradable,
    grade_id,
    is_test,
    is_written,
    parse,
    rebuild,
    source,
)

ANSWERS = ["kl-normal", "counting", "log-normaliser", "inverse-cdf", "logistic"]


@pytest.fixture
def release(package):
    return copy.deepcopy(package.releases[package.current].notebook)


@pytest.fixture
def handed_in(solved):
    nb = json.loads(json.dumps(solved))
    for cell in nb["cells"]:
        if is_written(cell):
            cell["source"] += "\nBecause of Jensen."
    return nb


def find(notebook, name):
    return next(c for c in notebook["cells"] if grade_id(c) == name)


def at(notebook, name):
    return notebook["cells"].index(find(notebook, name))


def texts(rebuilt):
    return {grade_id(c): source(c) for c in rebuilt.cells if grade_id(c)}


def mended(handed_in, release, solved, *notes):
    """Check that the rebuilt notebook is the solved one, and that exactly `notes` are said."""
    built = rebuild(handed_in, release)
    theirs = {grade_id(c): source(c) for c in solved["cells"] if grade_id(c)}
    built_texts = {k: v.strip() for k, v in texts(built).items() if k in ANSWERS}
    assert built_texts == {k: v.strip() for k, v in theirs.items() if k in ANSWERS}
    assert built.answered >= set(ANSWERS)
    pristine = {grade_id(c): source(c) for c in release["cells"] if grade_id(c)}
    for cell in built.cells:
        if grade_id(cell) and not cell["metadata"]["nbgrader"]["solution"]:
            assert source(cell) == pristine[grade_id(cell)]
    order = [grade_id(c) for c in built.cells if grade_id(c)]
    assert order == [grade_id(c) for c in release["cells"] if grade_id(c)]
    assert built.notes == list(notes)
    return built


def test_an_untouched_submission_needs_no_mending(release, handed_in, solved):
    built = mended(handed_in, release, solved)
    assert built.answered == {*ANSWERS, "why-kl"}
    assert texts(built) == {grade_id(c): source(c) for c in handed_in["cells"] if grade_id(c)}
    assert rebuild(release, release).answered == set()


def test_edited_tests_points_and_locked_cells_come_from_the_release(release, handed_in):
    test = find(handed_in, "test-kl-normal-values")
    test["source"] = "pass"
    test["metadata"]["nbgrader"].update(points=100, grade=False, solution=True)
    find(handed_in, "setup")["source"] = "import os"
    built = rebuild(handed_in, release)
    cell = next(c for c in built.cells if grade_id(c) == "test-kl-normal-values")
    pristine = find(release, "test-kl-normal-values")
    assert cell == pristine | {"source": source(pristine)} and is_test(cell)
    assert built.notes == [
        "setup: a locked cell had been edited, restored",
        "test-kl-normal-values: its points or grading flags had been changed, restored",
        "test-kl-normal-values: a locked cell had been edited, restored",
    ]
    assert texts(built)["setup"] == source(find(release, "setup"))


def test_deleted_cells(release, handed_in, solved):
    for name in ("setup", "test-counting-counts"):
        handed_in["cells"].remove(find(handed_in, name))
    words = "missing, restored as released"
    mended(handed_in, release, solved, f"setup: {words}", f"test-counting-counts: {words}")
    handed_in["cells"].remove(find(handed_in, "counting"))
    built = rebuild(handed_in, release)
    assert texts(built)["counting"] == source(find(release, "counting"))
    assert f"counting: {words}" in built.notes and "counting" not in built.answered


def test_moved_cells(release, handed_in, solved):
    handed_in["cells"].insert(0, handed_in["cells"].pop(at(handed_in, "logistic")))
    mended(handed_in, release, solved, "logistic: moved, put back in the order of the release")


@pytest.mark.parametrize("kind", ["markdown", "raw", 7])
def test_retyped_cells(release, handed_in, solved, kind):
    find(handed_in, "counting")["cell_type"] = kind
    find(handed_in, "setup")["cell_type"] = kind
    words = "its type had been changed, restored"
    built = mended(handed_in, release, solved, f"counting: {words}", f"setup: {words}")
    assert all(c["cell_type"] == "code" for c in built.cells if grade_id(c) == "counting")


def test_reflagged_answer(release, handed_in, solved):
    find(handed_in, "counting")["metadata"]["nbgrader"].update(locked=True, solution=False)
    words = "counting: its points or grading flags had been changed, restored"
    mended(handed_in, release, solved, words)


def test_a_renamed_cell_is_recognised_by_its_id(release, handed_in, solved):
    find(handed_in, "counting")["metadata"]["nbgrader"]["grade_id"] = "mine"
    words = "metadata missing or changed, recognised by the cell id or the text"
    mended(handed_in, release, solved, f"counting: {words}")


def test_a_cell_renamed_twice_is_recognised_by_what_it_defines(release, handed_in, solved):
    cell = find(handed_in, "counting")
    cell["metadata"]["nbgrader"]["grade_id"], cell["id"] = "mine", "mine"
    words = "stood in a cell of its own, recognised by what it defines"
    mended(handed_in, release, solved, f"counting: {words}")


# ---- copies and pieces -----------------------------------------------------------------------


def duplicate(notebook, name, text=None, place=None):
    cell = copy.deepcopy(find(notebook, name))
    cell["source"] = source(cell) if text is None else text
    notebook["cells"].insert(at(notebook, name) + 1 if place is None else place, cell)


def test_equal_copies(release, handed_in, solved):
    duplicate(handed_in, "kl-normal")
    duplicate(handed_in, "setup")
    mended(
        *(handed_in, release, solved),
        "kl-normal: there were 2 such cells, they agree",
        "setup: there were 2 such cells, kept once",
    )


def test_a_copy_that_is_not_filled_in(release, handed_in, solved):
    duplicate(handed_in, "kl-normal", source(find(release, "kl-normal")))
    duplicate(handed_in, "counting", "  \n")
    mended(
        *(handed_in, release, solved),
        "kl-normal: there were 2 such cells, the one that is filled in is used",
        "counting: there were 2 such cells, the one that is filled in is used",
    )


def test_of_different_copies_the_last_that_is_not_empty_counts(release, handed_in):
    last = "def kl(mu, logvar): return 1"
    duplicate(handed_in, "kl-normal", last)
    duplicate(handed_in, "kl-normal", "", place=len(handed_in["cells"]))
    built = rebuild(handed_in, release)
    assert texts(built)["kl-normal"] == last
    assert built.notes[0] == (
        "kl-normal: there were 2 different copies, the last that is not empty is used"
    )
    handed_in["cells"].append(find(handed_in, "kl-normal"))  # the first again: now the last
    assert texts(rebuild(handed_in, release))["kl-normal"] == source(find(handed_in, "kl-normal"))


@pytest.mark.parametrize("keeps", [0, 1])
def test_a_split_answer_is_joined(release, handed_in, solved, keeps):
    cell = find(handed_in, "counting")
    whole = source(cell)
    cut = whole.index("    def probabilities")
    cell["source"] = whole[: cut - 1]
    duplicate(handed_in, "counting", whole[cut:])
    built = mended(handed_in, release, solved, "counting: was split into 2 cells, joined")
    assert texts(built)["counting"] == whole


def test_a_scratch_cell_made_from_a_copy_does_not_replace_the_answer(release, handed_in, solved):
    duplicate(handed_in, "kl-normal", "kl(torch.zeros(1, 2)", place=len(handed_in["cells"]))
    words = "kl-normal: there were 2 such cells, the one that defines it is used"
    built = mended(handed_in, release, solved, words)
    assert built.cells[-1]["source"] == "kl(torch.zeros(1, 2)"


@pytest.mark.parametrize("first", ["counting", "log-normaliser"])
def test_merged_answers_are_taken_apart(release, handed_in, solved, first):
    second = {"counting": "log-normaliser", "log-normaliser": "counting"}[first]
    one, two = find(handed_in, first), find(handed_in, second)
    one["source"] = f"{source(one)}\n\n{source(two)}"
    handed_in["cells"].remove(two)
    mended(handed_in, release, solved, f"{second}: stood in the cell of {first}, put back")


def test_exchanged_answers_are_put_back(release, handed_in, solved):
    one, two = find(handed_in, "counting"), find(handed_in, "log-normaliser")
    one["source"], two["source"] = two["source"], one["source"]
    mended(
        *(handed_in, release, solved),
        "counting: stood in the cell of log-normaliser, put back",
        "log-normaliser: stood in the cell of counting, put back",
    )


def test_an_answer_in_a_cell_of_its_own_below_the_stub(release, handed_in, solved):
    cell = find(handed_in, "kl-normal")
    own = {"cell_type": "code", "source": source(cell), "metadata": {}}
    cell["source"] = source(find(release, "kl-normal"))
    handed_in["cells"].append(own)
    words = "kl-normal: stood in a cell of its own, recognised by what it defines"
    built = mended(handed_in, release, solved, words)
    assert source(own) not in [c["source"] for c in built.cells if not grade_id(c)]


def test_a_helper_of_an_answered_exercise_is_no_answer_to_an_untouched_one(release, handed_in):
    find(handed_in, "kl-normal")["source"] = source(find(release, "kl-normal"))
    find(handed_in, "counting")["source"] += "\n\ndef kl(mu, logvar):\n    return 0"
    built = rebuild(handed_in, release)
    assert "kl-normal" not in built.answered and built.notes == []


def test_written_answers_pieces_are_joined_and_of_versions_the_last_counts(release, handed_in):
    original = source(find(handed_in, "why-kl"))
    duplicate(handed_in, "why-kl", "Second, the logarithm is concave, as 1.3 of the notes shows.")
    built = rebuild(handed_in, release)
    assert texts(built)["why-kl"].startswith(original)
    assert texts(built)["why-kl"].endswith("notes shows.")
    assert built.notes == ["why-kl: was split into 2 cells, joined"]
    find(handed_in, "why-kl")["source"] = "Second, the logarithm is concave, as 1.2 shows."
    built = rebuild(handed_in, release)
    assert texts(built)["why-kl"].endswith("1.3 of the notes shows.")
    assert "there were 2 different copies" in built.notes[0]
    assert "1.2" not in texts(built)["why-kl"]


# ---- round trips -----------------------------------------------------------------------------


def test_a_round_trip_through_colab_that_keeps_nbgraders_metadata(release, handed_in, solved):
    for i, cell in enumerate(handed_in["cells"]):
        cell["metadata"] |= {"id": f"abc{i}", "colab": {"base_uri": "https://colab"}}
        cell.pop("id")
    handed_in |= {"nbformat_minor": 0}
    handed_in["metadata"]["colab"] = {"provenance": []}
    mended(handed_in, release, solved)


def test_a_round_trip_through_colab_that_moves_the_ids_into_the_metadata(
    release, handed_in, solved
):
    for cell in handed_in["cells"]:
        cell["metadata"] = {"id": cell.pop("id"), "colab": {}}
    built = rebuild(handed_in, release)
    assert built.answered == {*ANSWERS, "why-kl"}
    assert len(built.notes) == 1 and built.notes[0].startswith("setup, kl-normal, ")
    assert built.notes[0].endswith(
        "more: metadata missing or changed, recognised by the cell id or the text"
    )


def test_a_round_trip_that_loses_every_name(release, handed_in, solved):
    for i, cell in enumerate(handed_in["cells"]):
        cell["metadata"] = {"vscode": {"languageId": "python"}}
        cell["id"] = f"{i:08x}"
    handed_in |= {"nbformat_minor": 2}
    built = rebuild(handed_in, release)
    assert built.answered == {*ANSWERS, "why-kl"}
    assert texts(built) == {grade_id(c): source(c) for c in solved["cells"] if grade_id(c)} | {
        "why-kl": source(find(solved, "why-kl")) + "\nBecause of Jensen."
    }
    assert "kl-normal: stood in a cell of its own, recognised by what it defines" in built.notes
    assert "why-kl: not recognised by any name, taken from the cell in its place" in built.notes
    assert len(built.cells) == len(release["cells"]), "no released cell is there twice"


def test_cells_without_nbgraders_metadata_are_recognised_by_their_id(release, handed_in, solved):
    for cell in handed_in["cells"]:
        cell["metadata"] = {"vscode": {"languageId": "python"}}
    built = rebuild(handed_in, release)
    assert built.answered == {*ANSWERS, "why-kl"}


# ---- own cells, strange cells ----------------------------------------------------------------


def test_own_cells_stay_in_place_without_metadata_or_outputs(release, handed_in):
    place = at(handed_in, "counting") + 1
    own = {
        "cell_type": "code",
        "source": ["x = 1\n", "y = 2"],
        "metadata": {"nbgrader": {"grade": True, "points": 99, "grade_id": "mine"}},
        "outputs": [{"output_type": "display_data", "data": {"text/html": "<script>"}}],
    }
    handed_in["cells"].insert(place, own)
    built = rebuild(handed_in, release)
    place = [grade_id(c) for c in built.cells].index("counting") + 1
    assert built.cells[place]["source"] == "x = 1\ny = 2"
    assert built.cells[place]["metadata"] == {} and built.cells[place]["outputs"] == []


@pytest.mark.parametrize(
    "cell",
    [
        {},
        {"cell_type": 3},
        {"metadata": [], "source": 4, "id": []},
        {"metadata": {"nbgrader": 1, "id": []}},
        {"metadata": {"nbgrader": {"grade_id": ["kl-normal"]}}, "source": [1, None, "x"]},
    ],
)
def test_strange_cells_do_no_harm(release, handed_in, cell):
    handed_in["cells"].insert(0, cell)
    assert rebuild(handed_in, release).answered == {*ANSWERS, "why-kl"}


def test_a_notebook_without_any_known_cell_is_not_gradable(release):
    with pytest.raises(NotGradable, match="no cell"):
        rebuild({"cells": [{"cell_type": "code", "source": "1", "metadata": {}}]}, release)


def test_conflict_markers_inside_a_cell(release, handed_in, solved):
    right = source(find(handed_in, "kl-normal"))
    find(handed_in, "kl-normal")["source"] = (
        f"<<<<<<< local\ndef kl(mu, logvar):\n    return 0\n=======\n{right}\n>>>>>>> remote"
    )
    words = "kl-normal: held git conflict markers, the last version is used"
    mended(handed_in, release, solved, words)


def test_conflict_markers_in_the_file(release, handed_in, solved):
    text = json.dumps(handed_in, indent=1)
    line = next(x for x in text.split("\n") if "Because of Jensen" in x)
    other = line.replace("Jensen", "Gibbs")
    block = f"<<<<<<< HEAD\n{other}\n||||||| base\n nothing\n=======\n{line}\n>>>>>>> ada"
    notes = []
    submitted = parse(text.replace(line, block).encode(), notes)
    assert notes == ["the file held git conflict markers; the cells of both versions are taken"]
    built = mended(
        *(submitted, release, solved),
        "why-kl: there were 2 different copies, the last that is not empty is used",
    )
    assert texts(built)["why-kl"].endswith("Jensen.")
    notes = []
    broken = text.replace(line, block.replace(other, other[:-8]))
    parse(broken.encode(), notes)
    assert notes == ["the file held git conflict markers; the version that can be read is used"]
    with pytest.raises(NotGradable, match="conflict markers, and neither version"):
        parse(broken.replace(line, line[:-8]).encode())
