"""Cases: the same from the same seed, and refused where an exercise breaks its contract."""

import json
import os
import stat

import numpy as np
import pytest

from gencourse.authoring.cases import dumps, hidden_cases, make_cases, new_secret
from gencourse.authoring.contract import Exercise, Mistake, Test, Wrong, load_exercises
from gencourse.course import CourseError

from ..conftest import SMALL_UNIT as UNIT


def edit(course, old, new):
    path = course.source(UNIT, "exercises")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def calls(cases):
    return json.dumps(
        [
            [c["call"] for t in e["tests"].values() for c in t["cases"]]
            for e in cases["exercises"].values()
        ]
    )


def test_the_same_seed_makes_the_same_bytes(small_course):
    assert dumps(make_cases(small_course, UNIT, "public")) == dumps(
        make_cases(small_course, UNIT, "public")
    )


def test_the_text_is_the_data(small_course):
    cases = make_cases(small_course, UNIT, "public")
    assert json.loads(dumps(cases)) == cases


def test_seeds_differ_and_say_what_they_are(small_course):
    made = [
        make_cases(small_course, UNIT, s) for s in ("public", "development", b"a" * 32, b"b" * 32)
    ]
    assert [m["seed"] for m in made] == ["public", "development", "secret", "secret"]
    assert len({calls(m) for m in made}) == 4


def test_hand_set_inputs_are_public_only(small_course):
    public, hidden = (make_cases(small_course, UNIT, s) for s in ("public", "development"))
    count = [
        len(m["exercises"]["kl-normal"]["tests"]["values"]["cases"]) for m in (public, hidden)
    ]
    assert count == [4, 3]


def test_cases_of_one_exercise_do_not_depend_on_the_others(small_course):
    before = make_cases(small_course, UNIT, "public")
    edit(small_course, "EXERCISES = [\n", "EXERCISES = [][:0] + [\n")
    edit(small_course, '"kl-normal",\n', '"kl-other",\n')
    after = make_cases(small_course, UNIT, "public")
    assert after["exercises"]["counting"] == before["exercises"]["counting"]


def test_a_mistake_is_left_out_where_it_agrees_with_the_answer(small_course):
    edit(
        small_course,
        '{"mu": np.array([[1.0, -2.0]]), "logvar": np.array([[0.5, 0.0]])}',
        '{"mu": np.zeros((1, 2)), "logvar": np.zeros((1, 2))}',
    )
    tests = make_cases(small_course, UNIT, "public")["exercises"]["kl-normal"]["tests"]
    assert tests["values"]["cases"][0]["mistakes"] == []
    assert len(tests["values"]["cases"][1]["mistakes"]) == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "return 2 * kl(",
            "return kl(",
            r"kl-normal, test scale: the mistake kl_no_half raises or agrees",
        ),
        (
            "return 0.5 * (mu",
            "return 1 / 0 * (mu",
            "kl-normal, test values: the reference raises ZeroDiv",
        ),
        (
            "return 0.5 * (mu",
            "return -0.5 * (mu",
            "the reference lacks nonnegative: .*an entry is negative",
        ),
        (
            'return {"mu": rng',
            'raise KeyError("x")\n    return {"mu": rng',
            "the inputs of case 0 raise KeyError",
        ),
        (
            '{"theta": rng.normal(size=(2, 5))',
            '{"theta": object()',
            "log-normaliser, test gradient: inputs",
        ),
        ('metrics={"nll"', 'metrics={"loss"', "logistic, test likelihood: .* no metric loss"),
        ('"kl-normal",', '"KL",', "id is 'KL'"),
        ("EXERCISES = [", "EXERCISES = 5 * [", "two cells would have the id"),
        ("right=[draw_loop, draw_compare]", "right=[draw_loop]", "right holds 1"),
        ("import math", "import nothing_of_the_sort", "ModuleNotFoundError"),
    ],
)
def test_an_exercise_that_breaks_its_contract_is_refused_in_words(small_course, old, new, words):
    edit(small_course, old, new)
    with pytest.raises(CourseError, match=words):
        make_cases(small_course, UNIT, "public")


def answer(x):
    return x


def nothing(x):
    return None


def exercise(**changes):
    keywords = {
        "title": "t",
        "minutes": 1,
        "reference": answer,
        "tests": [Test("a", 1, dict)],
        "mistakes": [Mistake(nothing, "nothing is returned", test="a")],
        "wrong": [],
        "right": [answer, answer],
    }
    positional = [
        changes.pop(k, d) for k, d in (("id", "x"), ("answer", "f"), ("kind", "function"))
    ]
    return Exercise(*positional, **(keywords | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "Kl"}, "id is 'Kl'"),
        ({"answer": "not a name"}, "answer is"),
        ({"kind": "essay"}, "kind is 'essay'"),
        ({"kind": "gradient"}, "wrt is"),
        ({"wrt": ["x"]}, "wrt is"),
        ({"kind": "weights"}, "evaluator is None"),
        ({"right": [answer]}, "right holds 1"),
        ({"reference": lambda x: x}, "not a named top-level"),
        ({"tests": []}, "tests are named"),
        ({"tests": [Test("a", 1, dict), Test("a", 1, dict)]}, "tests are named"),
        ({"wrong": [Wrong(nothing, test="b")]}, "meant for test 'b'"),
        ({"mistakes": []}, "no mistake or wrong answer is meant for test 'a'"),
        ({"id": "x" * 60}, "more than 64"),
    ],
)
def test_a_declaration_says_what_is_wrong_with_it(changes, words):
    with pytest.raises(ValueError, match=words):
        exercise(**changes)


@pytest.mark.parametrize(
    "changes", [{"points": 0}, {"points": 1.5}, {"cases": 0}, {"name": "A b"}]
)
def test_a_test_says_what_is_wrong_with_it(changes):
    keywords = {"name": "a", "points": 1, "inputs": dict} | changes
    with pytest.raises(ValueError, match=next(iter(changes))):
        Test(**keywords)
    with pytest.raises(ValueError, match="properties names 'no_such'"):
        Test("a", 1, dict, properties=[{"name": "no_such"}])


def test_hidden_cases_need_a_secret_or_the_development_seed(small_course):
    with pytest.raises(CourseError, match="gencourse secret"):
        hidden_cases(small_course, UNIT)
    assert hidden_cases(small_course, UNIT, dev_seed=True)["seed"] == "development"
    assert not small_course.secret.exists()


def test_a_secret_is_private_random_and_made_once(small_course):
    path = new_secret(small_course)
    assert len(path.read_bytes()) == 32
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(CourseError, match="exists"):
        new_secret(small_course)


def test_hidden_cases_are_kept_until_exercises_or_seed_change(small_course):
    seed = new_secret(small_course)
    first = hidden_cases(small_course, UNIT)
    path = small_course.secret / f"{UNIT}.json"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first["seed"] == "secret"
    assert seed.read_bytes().hex() not in path.read_text()
    before = path.stat().st_mtime_ns
    assert hidden_cases(small_course, UNIT) == first
    assert path.stat().st_mtime_ns == before
    edit(small_course, "size=(2, 5)", "size=(2, 6)")
    second = hidden_cases(small_course, UNIT)
    assert calls(second) != calls(first)
    seed.write_bytes(b"c" * 32)
    assert calls(hidden_cases(small_course, UNIT)) != calls(second)
    path.write_text("damaged")
    assert hidden_cases(small_course, UNIT)["seed"] == "secret"


def test_last_digits_do_not_reach_the_file(small_course):
    edit(small_course, "return 0.5 * (mu", "return (1 + 1e-14) * 0.5 * (mu")
    changed = make_cases(small_course, UNIT, "public")
    edit(small_course, "(1 + 1e-14) * ", "")
    assert dumps(changed) == dumps(make_cases(small_course, UNIT, "public"))


def test_expected_values_agree_with_the_closed_form(small_course):
    case = make_cases(small_course, UNIT, "public")["exercises"]["kl-normal"]["tests"]["values"][
        "cases"
    ][0]
    want = (1 + np.exp(0.5) - 0.5 - 1) / 2 + 4 / 2
    np.testing.assert_allclose(case["expected"]["array"], [want], rtol=1e-9)


def test_every_kind_is_in_the_small_course(small_course):
    kinds = {e.kind for e in load_exercises(small_course, UNIT)}
    assert kinds == {"function", "class", "gradient", "sampler", "weights"}
