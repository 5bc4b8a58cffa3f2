"""`check`: the one line of a homework's test cell."""

from __future__ import annotations

from collections.abc import Callable

from gencourse.exercises import adapter, judge, store
from gencourse.exercises.encoding import EncodingError


class CheckFailed(AssertionError):
    """An answer is not right; notebooks show its message alone, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check(exercise: str, test: str, answer: Callable, *, hidden: bool = False) -> None:
    """Check an answer against the cases of a test; print one line when it is right.

    Args:
        exercise: id of the exercise.
        test: name of the test.
        answer: the function or class to check.
        hidden: use the cases of the file that `GENCOURSE_HIDDEN` names; the message then shows no
            values.

    Raises:
        CheckFailed: the answer is wrong, with the diagnosis. An AssertionError.
        Exception: on visible cases, what the answer itself raises, so that its traceback can be
            read.
    """
    entry, asked = store.find(exercise, test, hidden=hidden)
    outputs = []
    for case in asked["cases"]:
        try:
            outputs.append(
                adapter.call(answer, kind=entry["kind"], call=case["call"], wrt=entry["wrt"])
            )
        except Exception as error:
            ours = isinstance(error, (NotImplementedError, EncodingError, adapter.AnswerError))
            if not hidden and not ours:
                raise
            name, message = type(error).__name__, adapter.message_of(error)
            words = judge.in_words(name, message, show_values=not hidden)
            raise CheckFailed(f"{exercise} / {test}: {words}") from None
    verdict = judge.judge_outputs(outputs, asked, exercise=entry, show_values=not hidden)
    if not verdict.right:
        raise CheckFailed(f"{exercise} / {test}: {verdict.says}")
    if not hidden:
        n = len(outputs)
        print(f"{exercise} / {test}: right ({n} {'case' if n == 1 else 'cases'})")
