"""Units by any unique prefix, and paths that follow the course folder."""

import pytest

from gencourse.course import UNITS, Course, CourseError, resolve_unit


@pytest.mark.parametrize("name", ["1", "01", "01_", "1_graph", "01_graphical_models"])
def test_any_unique_prefix_names_a_unit(name):
    assert resolve_unit(name) == "01_graphical_models"


@pytest.mark.parametrize("name", ["", " ", "0", "9", "graphical", "../01"])
def test_what_names_no_single_unit_is_refused_with_the_list(name):
    with pytest.raises(CourseError) as error:
        resolve_unit(name)
    assert all(unit in str(error.value) for unit in UNITS)


def test_the_course_is_found_from_below_and_missed_elsewhere(tmp_path):
    (tmp_path / "nbgrader_config.py").touch()
    below = tmp_path / "notebooks" / "01"
    below.mkdir(parents=True)
    assert Course.find(below).root == tmp_path.resolve()
    (tmp_path / "nbgrader_config.py").unlink()
    with pytest.raises(CourseError, match=r"nbgrader_config\.py"):
        Course.find(below)


def test_the_secret_can_live_elsewhere(tmp_path, monkeypatch):
    course = Course(tmp_path)
    assert course.secret == tmp_path / "secret"
    monkeypatch.setenv("GENCOURSE_SECRET", str(tmp_path / "vault"))
    assert course.secret == tmp_path / "vault"
