"""Intake: every layout is found, nothing leads out of it, what is too large or odd is named."""

import io
import os
import stat
import zipfile
from datetime import UTC, datetime

import pytest

from gencourse.course import CourseError
from gencourse.grading import files
from gencourse.grading.names import student_id
from gencourse.grading.roster import Roster, Student
from gencourse.grading.submissions import LATE_UNKNOWN, collect

UNIT = "01_graphical_models"
NAME = f"{UNIT}_homework.ipynb"


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return path


def inner(members):
    stream = io.BytesIO()
    archive(stream, members)
    return stream.getvalue()


def found(path):
    return {s.student: s for s in collect(path, UNIT)}


def test_nbgraders_layout(tmp_path):
    for student in ("ada", "blaise"):
        folder = tmp_path / student / UNIT
        folder.mkdir(parents=True)
        (folder / NAME).write_text(student)
        (folder / "timestamp.txt").write_text("2026-10-01 10:00:00 UTC\n")
        other = tmp_path / student / "02_autoregressive"
        other.mkdir()
        (other / "02_autoregressive_homework.ipynb").write_text("not this unit")
    result = found(tmp_path)
    assert {s: r.notebook for s, r in result.items()} == {"ada": b"ada", "blaise": b"blaise"}
    assert result["ada"].timestamp == "2026-10-01 10:00:00 UTC"
    assert result["ada"].notes == [] and result["ada"].problem is None


def test_moodle_and_canvas_zips(tmp_path):
    moodle = archive(
        tmp_path / "moodle.zip",
        {
            f"Ada Lovelace_12_assignsubmission_file/{NAME}": "a",
            f"Ada Lovelace_13_assignsubmission_file_/{NAME}": "b",
            "Émile Borel_14_assignsubmission_file/work.zip": inner({f"sub/{NAME}": "c"}),
            "__MACOSX/x.ipynb": "junk",
        },
    )
    result = found(moodle)
    assert {s: r.notebook for s, r in result.items()} == {
        "Ada-Lovelace-12": b"a",
        "Ada-Lovelace-13": b"b",
        "Émile-Borel-14": b"c",
    }
    canvas = archive(
        tmp_path / "canvas.zip",
        {
            f"lovelaceada_77_901_{NAME}": "a",
            f"borelemile_LATE_78_902_{UNIT}_homework-1.ipynb": "b",
        },
    )
    result = found(canvas)
    assert set(result) == {"lovelaceada-77", "borelemile-78"}
    assert "taken as" in result["borelemile-78"].notes[0]


def test_a_name_that_leads_out_of_the_zip_is_refused_and_written_nowhere(tmp_path):
    path = archive(
        tmp_path / "evil.zip",
        {
            f"../../escaped/{NAME}": "x",
            f"/etc/{NAME}": "x",
            f"eve/../../{NAME}": "x",
            f"bob\\..\\..\\{NAME}": "x",
            f"ada/{NAME}": "fine",
        },
    )
    before = set(tmp_path.parent.rglob("*"))
    result = found(path)
    assert result["ada"].notebook == b"fine"
    for name, submission in result.items():
        if name != "ada":
            assert submission.notebook is None and "leads out" in submission.problem
    assert set(tmp_path.parent.rglob("*")) == before


def test_symbolic_links_are_refused_in_folders_and_zips(tmp_path):
    target = tmp_path / "target.ipynb"
    target.write_text("secret")
    folder = tmp_path / "in" / "eve" / UNIT
    folder.mkdir(parents=True)
    (folder / NAME).symlink_to(target)
    (tmp_path / "in" / "bob").mkdir()
    (tmp_path / "in" / "bob" / UNIT).symlink_to(folder)
    (tmp_path / "in" / "ada" / UNIT).mkdir(parents=True)
    (tmp_path / "in" / "ada" / UNIT / NAME).write_text("fine")
    result = found(tmp_path / "in")
    assert result["ada"].notebook == b"fine"
    assert result["eve"].notebook is None and "link" in result["eve"].problem
    assert result["bob"].notebook is None
    info = zipfile.ZipInfo(f"eve/{NAME}")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as out:
        out.writestr(info, "/etc/passwd")
    assert "symbolic link" in found(tmp_path / "links.zip")["eve"].problem


def test_a_zip_bomb_and_a_lying_size_cost_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "FILE_BYTES", 1 << 20)
    bomb = inner({NAME: bytes(300 << 20)})
    path = archive(tmp_path / "class.zip", {f"eve/{NAME}": bytes(64 << 20), "bob/own.zip": bomb})
    result = found(path)
    assert "larger than" in result["eve"].problem and "larger than" in result["bob"].problem
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 24 :][:4] = b"\1\0\0\0"
    (tmp_path / "broken.zip").write_bytes(bytes(data[:-8]))
    with pytest.raises(CourseError, match="not a zip"):
        collect(tmp_path / "broken.zip", UNIT)


def test_several_or_no_notebooks_are_a_problem_in_words(tmp_path):
    path = archive(
        tmp_path / "class.zip",
        {
            "ada/a.ipynb": "1",
            "ada/b.ipynb": "2",
            "bob/essay.docx": "3",
            f"eve/{NAME}": "4",
            "eve/old.ipynb": "5",
        },
    )
    result = found(path)
    assert "2 notebooks handed in (ada/a.ipynb, ada/b.ipynb)" in result["ada"].problem
    assert "no notebook" in result["bob"].problem
    assert result["eve"].notebook == b"4" and result["eve"].notes == ["not used: old.ipynb"]


def test_students_whose_names_become_one_id_stay_two(tmp_path):
    path = archive(
        tmp_path / "c.zip", {f"Ada L/{NAME}": "1", f"Ada-L/{NAME}": "2", f"ADA L/{NAME}": "3"}
    )
    result = found(path)
    assert len(result) == 3 and {r.notebook for r in result.values()} == {b"1", b"2", b"3"}
    assert len({s.casefold() for s in result}) == 3


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("=1+1", "1+1"),
        ("<b>x</b>", "b-x-b"),
        ("ada@uni.org", "ada@uni.org"),
        ("..", "unnamed"),
        ("a\x00b\nc", "a-b-c"),
        ("x" * 300, "x" * 80),
    ],
)
def test_ids_are_safe_file_names(raw, wanted):
    assert student_id(raw) == wanted


def test_nothing_there_is_one_line(tmp_path):
    with pytest.raises(CourseError, match="there is no"):
        collect(tmp_path / "missing", UNIT)
    with pytest.raises(CourseError, match="no submission"):
        collect(tmp_path, UNIT)
    (tmp_path / "x.zip").write_text("not a zip")
    with pytest.raises(CourseError, match="not a zip"):
        collect(tmp_path / "x.zip", UNIT)


# ---- names, attempts, receipts, times --------------------------------------------------------


ROSTER = Roster(
    {
        s.id: s
        for s in (
            Student("al1", "Ada Lovelace", "ada@uni.org", canvas="77", moodle="12"),
            Student("eb2", "Émile Borel"),
            Student("ab3", "Abel Borel"),
            Student("ab4", "Borel Abel"),
        )
    }
)


def test_names_of_zips_become_students_of_the_roster(tmp_path):
    path = archive(
        tmp_path / "canvas.zip",
        {
            f"whoever_77_901_{NAME}": "ada",
            f"borelemile_78_902_{NAME}": "émile",
            f"borelabel_79_903_{NAME}": "which?",
            f"stranger_80_904_{NAME}": "who?",
            "lovelaceada_77_905_numpy.py": "x",
        },
    )
    result = {s.student: s for s in collect(path, UNIT, roster=ROSTER)}
    assert set(result) == {"al1", "eb2", "borelabel-79", "stranger-80"}
    assert result["al1"].notes == [
        "not used: numpy.py",
        "numpy.py would have hidden the module of that name",
    ]
    assert result["eb2"].notes == [] and result["stranger-80"].notes == ["is not on the roster"]
    assert result["borelabel-79"].notes == [
        "is not on the roster under this name alone: could be ab3, ab4"
    ]


def test_a_stranger_never_gets_a_students_id(tmp_path):
    people = (Student("Ada-L", "Q R"), Student("x1", "Ada L"), Student("x2", "Ada L"))
    roster = Roster({s.id: s for s in people})
    path = archive(tmp_path / "c.zip", {f"Ada-L/{NAME}": "1", f"Ada L/{NAME}": "2"})
    result = {s.student: s for s in collect(path, UNIT, roster=roster)}
    assert result.pop("Ada-L").notebook == b"1"
    ((name, stranger),) = result.items()
    assert name.startswith("Ada-L-") and stranger.notebook == b"2"
    assert stranger.notes[0].endswith("could be Ada-L, x1, x2")


def test_of_several_attempts_the_latest_counts(tmp_path):
    path = archive(
        tmp_path / "canvas.zip",
        {
            f"ada_77_902_{UNIT}_homework-1.ipynb": "second",
            f"ada_77_901_{NAME}": "first",
            f"bob_78_903_{NAME}": "only",
        },
    )
    result = found(path)
    assert result["ada-77"].notebook == b"second"
    assert result["ada-77"].notes[0] == f"2 attempts, the latest counts: {UNIT}_homework-1.ipynb"
    folder = tmp_path / "in" / "ada"
    folder.mkdir(parents=True)
    for name in (f"{UNIT}_homework (2).ipynb", NAME, f"{UNIT}_homework(1).ipynb"):
        (folder / name).write_text(name)
    assert found(tmp_path / "in")["ada"].notebook.endswith(b"(2).ipynb")
    for i, name in enumerate(("work.zip", "work (1).zip")):
        archive(folder / name, {NAME: f"zip {i}"})
    for path in folder.glob("*.ipynb"):
        path.unlink()
    assert found(tmp_path / "in")["ada"].notebook == b"zip 1"


def test_the_later_file_counts_where_names_say_nothing(tmp_path):
    for i, place in enumerate(("new", "old")):
        folder = tmp_path / "ada" / place
        folder.mkdir(parents=True)
        (folder / NAME).write_text(place)
        os.utime(folder / NAME, (1e9 - i, 1e9 - i))
    result = found(tmp_path)["ada"]
    assert result.notebook == b"new" and "the latest counts: ada/new/" in result.notes[0]
    os.utime(tmp_path / "ada" / "old" / NAME, (1e9, 1e9))
    assert "2 notebooks handed in" in found(tmp_path)["ada"].problem


@pytest.mark.parametrize("name", [f"{NAME}.txt", f"{NAME}.json", NAME.upper().replace("G", "g")])
def test_a_notebook_under_another_ending(tmp_path, name):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / name).write_text("x")
    result = found(tmp_path)["ada"]
    assert result.notebook == b"x"
    assert result.notes == [f"{name!r} taken as {NAME}"]


def test_flat_files_are_named_after_their_student(tmp_path):
    path = archive(tmp_path / "c.zip", {f"ada_{NAME}": "1", "bob.ipynb": "2", "readme.txt": "3"})
    assert {s: r.notebook for s, r in found(path).items()} == {"ada": b"1", "bob": b"2"}


def test_when_it_was_handed_in(tmp_path):
    with zipfile.ZipFile(tmp_path / "moodle.zip", "w") as out:
        info = zipfile.ZipInfo(f"Ada_12_assignsubmission_file_/{NAME}", (2026, 10, 1, 12, 0, 0))
        out.writestr(info, "x")
        forged = inner({NAME: "y", f"x/{UNIT}/timestamp.txt": "2020-01-01 00:00:00 UTC"})
        out.writestr(zipfile.ZipInfo(f"Bob_13_assignsubmission_file_/{UNIT}.zip"), forged)
    result = found(tmp_path / "moodle.zip")
    local = datetime(2026, 10, 1, 12).astimezone(UTC)
    assert result["Ada-12"].timestamp == f"{local:%Y-%m-%d %H:%M:%S} UTC"
    assert not (result["Bob-13"].timestamp or "").startswith("2020-01-01 00")
    path = archive(tmp_path / "canvas.zip", {f"ada_LATE_77_1_{NAME}": "x"})
    assert found(path)["ada-77"].timestamp is None
    assert found(path)["ada-77"].notes == [LATE_UNKNOWN]
    folder = tmp_path / "own" / "ada" / UNIT
    folder.mkdir(parents=True)
    (folder / NAME).write_text("x")
    (folder / "timestamp.txt").write_text("<b>soon</b>")
    result = found(tmp_path / "own")["ada"]
    assert result.timestamp is None and "is no time: '<b>soon</b>'" in result.notes[0]
