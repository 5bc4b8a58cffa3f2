"""Due dates, grace, cap and extensions, and what is said of a file that is wrong."""

from datetime import UTC, datetime, timedelta

import pytest

from gencourse.course import Course, CourseError
from gencourse.grading.late import as_text, load_policy, parse_time, setting

UNIT = "01_graphical_models"
DUE = datetime(2026, 10, 15, 21, 59, tzinfo=UTC)
TOML = """
timezone = "Europe/Berlin"
[units.01_graphical_models]
due = 2026-10-15T23:59:00
late_percent_per_day = 10
grace_minutes = 15
cap_percent = 35
canvas_assignment = "Homework 1 (77)"
"""


@pytest.fixture
def course(tmp_path):
    (tmp_path / "course.toml").write_text(TOML)
    return Course(tmp_path)


@pytest.mark.parametrize(
    ("late", "days", "percent"),
    [
        (timedelta(hours=-1), 0, 0),
        (timedelta(0), 0, 0),
        (timedelta(minutes=15), 0, 0),
        (timedelta(minutes=15, seconds=1), 1, 10),
        (timedelta(days=1), 1, 10),
        (timedelta(days=1, seconds=1), 2, 20),
        (timedelta(days=30), 30, 35),
    ],
)
def test_percent_a_day_begun_after_the_grace_up_to_the_cap(course, late, days, percent):
    found = load_policy(course, UNIT).of("ada", DUE + late)
    assert (found.days, found.percent, found.due) == (days, percent, DUE)
    assert found.penalty(12.5) == pytest.approx(12.5 * percent / 100)
    assert found.penalty(None) == 0 and found.penalty(-1) == 0


def test_without_a_file_or_a_time_nothing_is_late(tmp_path, course):
    assert load_policy(course, UNIT).of("ada", None).percent == 0
    assert load_policy(course, "03_vae").of("ada", DUE).percent == 0
    (tmp_path / "course.toml").unlink()
    assert load_policy(course, UNIT).of("ada", DUE + timedelta(days=9)).percent == 0


def test_extensions(course):
    (course.root / "extensions.csv").write_text(
        "student;unit;due\nAda;01;+48h\nblaise;01_graphical_models;2026-10-20 12:00\ncarl;02;+2d\n"
    )
    policy = load_policy(course, UNIT)
    assert policy.of("ada", DUE + timedelta(hours=48)).percent == 0
    assert policy.of("ada", DUE + timedelta(hours=49)).percent == 10
    assert policy.of("ada", DUE).extended and not policy.of("carl", DUE).extended
    assert policy.of("blaise", None).due == datetime(2026, 10, 20, 10, tzinfo=UTC)
    assert policy.of("carl", DUE + timedelta(hours=1)).percent == 10
    assert setting(course, UNIT, "canvas_assignment") == "Homework 1 (77)"


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("course.toml", "due = = 3", "cannot be read"),
        ("course.toml", "[units.01]\ndeu = 2026-10-15", "deu is not known; expected"),
        ("course.toml", "[units.01]\ndue = 'soon'", "due of .* is 'soon'"),
        ("course.toml", "[units.01]\ncap_percent = 120", "cap_percent .* is 120; expected 0 to"),
        ("course.toml", "timezone = 'Mars/Olympus'", "timezone is 'Mars/Olympus'"),
        ("course.toml", "units = 3", "holds no tables"),
        ("extensions.csv", "student,unit\nada,01", "line 2: expected student, unit and due"),
        ("extensions.csv", "student,unit,due\nada,01,later", "line 2: due of ada is 'later'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(course, file, text, words):
    (course.root / file).write_text(text)
    with pytest.raises(CourseError, match=words):
        load_policy(course, UNIT)


def test_hours_more_than_no_due_date_are_refused(course):
    (course.root / "course.toml").unlink()
    (course.root / "extensions.csv").write_text("student,unit,due\nada,01,+2d")
    with pytest.raises(CourseError, match="has no due date"):
        load_policy(course, UNIT)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-10-01 10:00:00 UTC", "2026-10-01 10:00:00 UTC"),
        ("2026-10-01 10:00:00.123456 UTC", "2026-10-01 10:00:00 UTC"),
        ("2026-10-01T12:00:00+02:00", "2026-10-01 10:00:00 UTC"),
        ("2026-10-01T10:00:00Z", "2026-10-01 10:00:00 UTC"),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times(text, wanted):
    when = parse_time(text)
    assert (when and as_text(when)) == wanted
