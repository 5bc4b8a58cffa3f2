"""Rosters of every origin, and whose submission a name means."""

import pytest

from gencourse.course import Course, CourseError
from gencourse.grading.roster import load_roster, read_roster

OWN = (
    "id,name,email,canvas id,moodle id\nal1,Ada Lovelace,ada@uni.org,77,12\neb2,Émile Borel,,78,\n"
)
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Homework 1 (5)\n"
    "    Points Possible,,,,,40\n"
    '"Lovelace, Ada",77,al1,ada,A,\n'
)
MOODLE = (
    "Identifier,Full name,Email address,Status,Grade\n"
    "Participant 12,Ada Lovelace,ada@uni.org,Submitted,\n"
)


def roster(tmp_path, text):
    path = tmp_path / "class.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_roster(path)


def test_exports_of_canvas_and_moodle_are_rosters(tmp_path):
    (ada,) = roster(tmp_path, CANVAS).students.values()
    assert (ada.id, ada.canvas, ada.login, ada.section) == ("al1", "77", "ada", "A")
    assert ada.turned == "Lovelace, Ada"
    (ada,) = roster(tmp_path, MOODLE).students.values()
    assert (ada.id, ada.name, ada.moodle) == ("ada@uni.org", "Ada Lovelace", "12")
    (ada,) = roster(tmp_path, "Student ID;First name;Surname\nal1;Ada;Lovelace").students.values()
    assert (ada.id, ada.name, ada.turned) == ("al1", "Ada Lovelace", "Lovelace, Ada")
    assert roster(tmp_path, "id,name\n1,Émile".encode("cp1252")).students["1"].name == "Émile"


@pytest.mark.parametrize(
    ("names", "numbers", "wanted"),
    [
        (("al1",), {}, "al1"),
        (("AL1",), {}, "al1"),
        (("lovelaceada",), {}, "al1"),  # as Canvas writes it
        (("Ada Lovelace",), {}, "al1"),
        (("Lovelace_Ada",), {}, "al1"),
        (("ada@uni.org",), {}, "al1"),
        (("emile borel",), {}, "eb2"),
        (("somebody",), {"canvas": "78"}, "eb2"),
        (("somebody",), {"moodle": "12"}, "al1"),
        (("somebody",), {"canvas": "99"}, None),
        (("",), {}, None),
        (("___",), {}, None),
    ],
)
def test_names_find_their_student(tmp_path, names, numbers, wanted):
    found = roster(tmp_path, OWN).find(names, **numbers)
    assert [s.id for s in found] == ([wanted] if wanted else [])


def test_a_name_that_two_have_finds_both(tmp_path):
    both = roster(tmp_path, "id,name\na,Ada L\nb,Ada L\n").find(("Ada L",))
    assert {s.id for s in both} == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,name\na,Ada\nA,Abel\n", "line 3: A is there twice"),
        ("colour,size\n1,2\n", "has the columns colour, size; expected a column id"),
        ("", "has the columns none"),
    ],
)
def test_a_roster_that_is_none(tmp_path, text, words):
    with pytest.raises(CourseError, match=words):
        roster(tmp_path, text)


def test_another_file_becomes_the_courses_roster_once(tmp_path):
    course = Course(tmp_path / "course")
    course.root.mkdir()
    assert not load_roster(course)
    path = tmp_path / "class.csv"
    path.write_text(OWN)
    assert (
        set(load_roster(course, path).students)
        == {"al1", "eb2"}
        == set(load_roster(course).students)
    )
    path.write_text(OWN + "cf3,Carl,,,\n")
    with pytest.raises(CourseError, match="is another roster"):
        load_roster(course, path)
    with pytest.raises(CourseError, match="cannot be read"):
        load_roster(course, tmp_path / "missing.csv")
