"""Wrong answers as edits: what they change, what they refuse, that they stand alone in a cell."""

import pytest

from gencourse.authoring import catalogue
from gencourse.authoring.contract import Exercise, Mistake, Test, Wrong
from gencourse.authoring.variants import slips, variant, variant_source


def shift(x):
    return x + 1


def power(x, n):
    """x to the power n, by calling itself; it uses a helper of the file."""
    return shift(x - 1) * power(x, n - 1) if n else 1


class Counter:
    def __init__(self, start):
        self.n = start

    def up(self):
        self.n += 1
        return self.n


def test_a_function_changes_in_one_place_and_the_original_does_not():
    made = variant(power, "power_no_helper", ("shift(x - 1)", "shift(x)"))
    assert (made(2, 3), power(2, 3)) == (27, 8)  # it calls itself, not the original
    assert (made.__name__, made.__qualname__, made.__module__) == (
        "power_no_helper",
        "power_no_helper",
        __name__,
    )


def test_changes_apply_in_turn_and_a_variant_has_variants():
    two = variant(shift, "shift_two", ("+ 1", "+ 2"), ("+ 2", "- 2"))
    assert two(5) == 3
    assert variant(two, "shift_three", ("- 2", "* 2"))(5) == 10


def test_a_class_changes_too():
    made = variant(Counter, "CounterDown", ("+= 1", "-= 1"))
    assert (made(5).up(), Counter(5).up()) == (4, 6)

    class Heir(made):
        pass

    assert variant_source(Heir) is None and variant_source(Counter) is None


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("none", ("x + 7", "x"), "'x \\+ 7' occurs 0 times in shift; expected once"),
        ("twice", ("x", "y"), "'x' occurs 2 times"),
        ("shift", ("+ 1", "+ 2"), "name is 'shift'; expected a Python name that is not taken"),
        ("a b", ("+ 1", "+ 2"), "name is 'a b'"),
    ],
)
def test_a_change_that_does_not_apply_is_refused(name, change, words):
    with pytest.raises(ValueError, match=words):
        variant(shift, name, change)


def test_a_variant_brings_its_helpers_into_a_cell_and_not_the_machinery():
    made = variant(power, "power_of_two", ("if n", "if n > 1"))
    source = catalogue.source_of(made)
    assert source.startswith("def shift") and "def power_of_two" in source
    assert "def power(" not in source and "import" not in source
    test = Test("test", 1, lambda rng: {"x": 1, "n": 1})
    exercise = Exercise(
        "power",
        "power",
        "function",
        title="Power",
        minutes=1,
        reference=power,
        tests=[test],
        mistakes=[Mistake(made, "One factor is missing.", test="test")],
        wrong=[],
        right=[power, shift],
    )
    namespace = {}
    exec(catalogue.as_cell(exercise, made), namespace)
    assert namespace["power"](2, 3) == 4


def test_a_text_lists_mistakes_and_wrong_answers():
    told, wrong = slips(
        shift,
        "value",
        """
        shift_down
        x + 1 => x - 1
        You subtract: the sign
        is reversed.

        shift_no_more
        + 1 =>
        """,
    )
    assert (told.says, told.test) == ("You subtract: the sign is reversed.", "value")
    assert (told.answer(5), wrong.answer(5)) == (4, 5)
    assert isinstance(told, Mistake) and isinstance(wrong, Wrong)


def test_a_paragraph_without_a_change_is_refused():
    with pytest.raises(ValueError, match="shift_forgotten has no change"):
        slips(shift, "value", "shift_forgotten\nThese are words only.")
