"""Sentences for a character model, from a small grammar of our own.

    S  -> the [ADJ] N(number) [that V(number) the N(any number)] V(number) .

The last verb agrees with the first noun, also where a noun of the other number stands between
them: "the cats that see the dog sleep." A model has to remember the number for some twenty
characters.
"""

import itertools
from functools import cache

from gencourse.data.language import Language, TextData
from gencourse.data.vocabulary import Vocabulary

ADJECTIVES = {"": 0.4, "old ": 0.3, "small ": 0.2, "grey ": 0.1}
NOUNS = {"dog": 0.4, "cat": 0.3, "bird": 0.2, "horse": 0.1}
SEEN_BY = {"": 0.6, "see": 0.25, "hear": 0.15}  # none: no relative clause
VERBS = {"sleep": 0.5, "run": 0.3, "wait": 0.2}
PLURAL = 0.5


def sentences(n: int, *, seed: int = 0) -> TextData:
    """Return n sentences as characters: x (n, T) tokens, y the number of the sentence.

    `data.language.entropy` is the least NLL of a model in nats per sentence, and
    `data.language.log_prob` the truth about each.

    Args:
        n: number of sentences, drawn with replacement.
        seed: of the draw.
    """
    return TextData(sentence_language(), n, seed=seed, source="sentences of a small grammar")


@cache
def sentence_language() -> Language:
    """Return the language: all 1632 sentences with their probabilities."""
    probabilities = {}
    numbers = {False: 1 - PLURAL, True: PLURAL}
    for adjective, noun, plural, verb, seen in itertools.product(
        ADJECTIVES, NOUNS, numbers, VERBS, SEEN_BY
    ):
        p = ADJECTIVES[adjective] * NOUNS[noun] * numbers[plural] * VERBS[verb] * SEEN_BY[seen]
        start, end = f"the {adjective}{_noun(noun, plural)}", f" {_verb(verb, plural)}."
        if not seen:
            probabilities[start + end] = p
            continue
        for other, many in itertools.product(NOUNS, numbers):
            clause = f" that {_verb(seen, plural)} the {_noun(other, many)}"
            probabilities[start + clause + end] = p * NOUNS[other] * numbers[many]
    symbols = sorted({symbol for text in probabilities for symbol in text})
    return Language(probabilities, Vocabulary(symbols, words=False))


def _noun(noun: str, plural: bool) -> str:
    return noun + "s" * plural


def _verb(verb: str, plural: bool) -> str:
    return verb + "s" * (not plural)
