"""Judges an answer's output against a case and says in words what is wrong; numpy only.

The diagnosis is the most telling that holds: a known mistake whose output this is, and besides it
the shape, a property that every right answer has, or the first entry that differs. Values are
shown on public cases only. About a hidden case nothing is said that the answer could choose
freely, for it has seen the case's inputs: no message, no number, no name of its own.
"""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gencourse.exercises.compare import Difference, Tolerance, as_array, first_difference
from gencourse.exercises.encoding import EncodingError, decode
from gencourse.exercises.evaluators import EVALUATORS
from gencourse.exercises.properties import broken
from gencourse.exercises.words import shown

HIDDEN = "wrong on a hidden case"
NO_PLACE = "your answer is wrong"  # what a difference says that has no place and shows no value
NOT_ANSWERED = "not answered yet"
UNREADABLE = "your answer gave no readable reply"
MOST_PARTS = 100_000  # lists and dicts in a reply: they cost far more memory than its text
EXCEPTIONS = {
    name
    for name, thing in vars(builtins).items()
    if isinstance(thing, type) and issubclass(thing, BaseException)
} | {"LinAlgError", "AxisError", "OutOfMemoryError"}  # numpy's and torch's
PLACES = re.compile(r"\bitem \d+")
SIZES = re.compile(r" of size \d+")


@dataclass(frozen=True)
class Verdict:
    """What the judge has to say.

    Args:
        right: the answer is right.
        says: the diagnosis, empty where it is right.
        mistake: the words of the known mistake that was recognised, if one was.
    """

    right: bool
    says: str = ""
    mistake: str | None = None


def judge(
    output: Any, case: Mapping[str, Any], *, exercise: Mapping[str, Any], show_values: bool
) -> Verdict:
    """Judge one encoded output.

    Args:
        output: what `adapter.call` returned, possibly from an untrusted process.
        case: one case of a test.
        exercise: the exercise's entry in the case file.
        show_values: the case is public, so the diagnosis may hold its numbers.
    """
    return _judge(output, case, exercise, show_values)[0]


def judge_reply(
    reply: str, case: Mapping[str, Any], *, exercise: Mapping[str, Any], show_values: bool
) -> Verdict:
    """Judge what `adapter.reply` returned; an error is a wrong answer, its diagnosis the error."""
    return _judge_reply(reply, case, exercise, show_values)[0]


def judge_test(
    replies: Sequence[str],
    test: Mapping[str, Any],
    *,
    exercise: Mapping[str, Any],
    show_values: bool,
) -> Verdict:
    """Judge the replies to all cases of a test.

    A known mistake is named only when it explains every case that is wrong.
    """
    cases = test["cases"]
    if len(replies) != len(cases):
        raise ValueError(
            f"replies holds {len(replies)} entries; expected {len(cases)}, one a case"
        )
    judged = [
        _judge_reply(r, c, exercise, show_values) for r, c in zip(replies, cases, strict=True)
    ]
    return _agree(judged, cases)


def judge_outputs(
    outputs: Sequence[Any],
    test: Mapping[str, Any],
    *,
    exercise: Mapping[str, Any],
    show_values: bool,
) -> Verdict:
    """Judge the encoded outputs for all cases of a test, as `judge_test` does with replies."""
    judged = [
        _judge(o, c, exercise, show_values) for o, c in zip(outputs, test["cases"], strict=True)
    ]
    return _agree(judged, test["cases"])


Judged = tuple[Verdict, list[str], str]  # verdict, all mistakes that match, other diagnosis


def _agree(judged: Sequence[Judged], cases: Sequence[Mapping[str, Any]]) -> Verdict:
    wrong = [(j, c) for j, c in zip(judged, cases, strict=True) if not j[0].right]
    if not wrong:
        return Verdict(True)
    (_, matched, plain), _ = wrong[0]
    seen = [words for (_, found, _), _ in wrong for words in found]
    for words in dict.fromkeys(matched + seen):
        stored = [(found, [m["says"] for m in case["mistakes"]]) for (_, found, _), case in wrong]
        if all(words in found or words not in known for found, known in stored):
            return Verdict(False, _join(plain, words), words)
    return Verdict(False, plain)


def _judge_reply(
    reply: str, case: Mapping[str, Any], exercise: Mapping[str, Any], show_values: bool
) -> Judged:
    if reply.count("[") + reply.count("{") > MOST_PARTS:
        return _plain(UNREADABLE)
    try:
        data = json.loads(reply)
    except (ValueError, RecursionError):
        return _plain(UNREADABLE)
    if isinstance(data, dict) and set(data) == {"ok"}:
        return _judge(data["ok"], case, exercise, show_values)
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return _plain(UNREADABLE)
    ename, message = str(error.get("ename"))[:80], str(error.get("message"))[:500]
    return _plain(in_words(ename, message, show_values=show_values))


def in_words(ename: str, message: str, *, show_values: bool) -> str:
    """Return the diagnosis for an answer that raised.

    The answer chose the message, and the name too where the exception is of its own making. Either
    may quote the inputs, so of a hidden case neither is told.
    """
    if ename == "NotImplementedError":
        return NOT_ANSWERED
    if not show_values:
        name = ename if ename in EXCEPTIONS else "an exception"
        return f"{HIDDEN}: your answer raises {name}"
    if ename in ("AnswerError", "EncodingError"):  # the adapter's own words
        return shown(message)
    said = f": {message}" if message else ""
    return shown(f"your answer raises {ename}{said}")


def _judge(
    output: Any, case: Mapping[str, Any], exercise: Mapping[str, Any], show_values: bool
) -> Judged:
    try:
        got = decode(output)
        if exercise["kind"] == "weights":
            got = measure(got, decode(case["call"]), exercise["evaluator"])
    except EncodingError:
        return _plain(UNREADABLE)
    except ValueError as error:
        return _plain(str(error) if show_values else f"{HIDDEN}: the weights cannot be evaluated")
    tolerance = Tolerance(case["rtol"], case["atol"], case["exact"])
    want = decode(case["expected"])
    if exercise["kind"] == "weights":
        got, want = _within_slack(got, want, case.get("metrics") or {})
    difference = _difference(got, want, tolerance, exercise["kind"], case["call"])
    if difference is None:
        return Verdict(True), [], ""
    facts = []
    if difference.kind == "value":
        facts = _broken(_reshaped(got, want), case["properties"], show_values)
    if not facts:
        facts.append(difference.values if show_values else difference.says)
    if not show_values:
        words = SIZES.sub("", PLACES.sub("an item", facts[0]))
        facts = [HIDDEN if words == NO_PLACE else f"{HIDDEN}: {words}"]
    plain = facts[0]
    matched = [
        m["says"]
        for m in case["mistakes"]
        if first_difference(got, decode(m["output"]), tolerance) is None
    ]
    if not matched:
        return Verdict(False, plain), [], plain
    return Verdict(False, _join(plain, matched[0]), matched[0]), matched, plain


def _difference(
    got: Any, want: Any, tolerance: Tolerance, kind: str, call: Any
) -> Difference | None:
    """Return the first difference, with the words that a kind of exercise has for its parts."""
    if kind == "class" and isinstance(got, list) and len(got) == len(want):
        methods = [method for method, _ in decode(call)["calls"]]
        names = [f"what {m} returns (call {i + 1})" for i, m in enumerate(methods)]
        parts = zip(names, got, want, strict=True)
    elif kind == "gradient" and isinstance(got, dict) and isinstance(got.get("grad"), dict):
        parts = [("the value", got.get("value"), want["value"])]
        parts += [(f"the gradient by {k}", got["grad"].get(k), g) for k, g in want["grad"].items()]
    else:
        parts = [("", got, want)]
    found = (first_difference(g, w, tolerance, name) for name, g, w in parts)
    return next((d for d in found if d is not None), None)


def _reshaped(got: Any, want: Any) -> Any:
    """Give an array the expected shape, from which it differs at most by axes of size 1."""
    mine, right = as_array(got), as_array(want)
    return got if mine is None or right is None else mine.reshape(right.shape)


def _broken(got: Any, properties: Sequence[Mapping[str, Any]], show_values: bool) -> list[str]:
    found = (broken(got, spec) for spec in properties)
    return [words[1 if show_values else 0] for words in found if words][:1]


def measure(weights: Any, inputs: Any, evaluator: str) -> dict[str, float]:
    """Return the metrics of trained weights.

    Raises:
        ValueError: the weights do not fit; the message is for the student.
    """
    if not isinstance(weights, dict):
        raise ValueError("your answer is not a dict of trained weights")
    try:
        return EVALUATORS[evaluator](weights, inputs)
    except (TypeError, OverflowError):
        raise ValueError("your trained weights are not arrays of numbers") from None


def _within_slack(
    got: dict, want: dict, metrics: Mapping[str, Mapping[str, float]]
) -> tuple[dict, dict]:
    """Let a metric pass that is above the reference's by `at_most` or below it by `at_least`."""
    got = dict(got)
    for name, rule in metrics.items():
        above, below = rule.get("at_most", float("inf")), rule.get("at_least", float("inf"))
        if want[name] - below <= got[name] <= want[name] + above:
            got[name] = want[name]
    return got, want


def _plain(says: str) -> Judged:
    says = shown(says)
    return Verdict(False, says), [], says


def _join(plain: str, mistake: str) -> str:
    return f"{HIDDEN}: {mistake}" if plain.startswith(HIDDEN) else f"{mistake} ({plain})"
