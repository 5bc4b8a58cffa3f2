"""Text of others, made fit to be shown."""

from gencourse.exercises.words import LONGEST, shown


def test_what_shows_as_itself_stays():
    text = "χ² = 0.3, naïve\n\tJürgen 王 😀 <b>"
    assert shown(text) == text


def test_what_does_not_is_spelt_out():
    assert shown("\x1b[2J\x00\u202egpj\ud800\u200b") == r"\x1b[2J\x00\u202egpj\ud800\u200b"
    shown("".join(map(chr, range(0x11000)))).encode()


def test_it_is_cut():
    assert len(shown("x" * 10_000)) == LONGEST
    assert shown("abc", 2) == "ab"
