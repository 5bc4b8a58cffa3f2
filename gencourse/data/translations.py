"""Translation as continuing a prefix: a source sentence, a separator, its translation.

The target is an invented language. Its order is adverb, verb, noun, adjective, number; the
adjective agrees with the gender of the noun, noun and verb have a plural ending -n, and "a" is
left out. "often" has two translations, so that even the truth has something to draw:

    two red cats sleep here  =  isti dormen mirun rosa du
"""

import itertools
from functools import cache

from gencourse.data.language import Language, TextData
from gencourse.data.vocabulary import Vocabulary

SEPARATOR = "="
NUMBERS = {"a": ("", 0.5), "two": ("du", 0.3), "three": ("tir", 0.2)}  # target, probability
ADJECTIVES = {"red": "ros", "old": "vel", "small": "pik", "white": "alb"}
NOUNS = {"cat": "miru", "bird": "pila", "dog": "vako", "horse": "hesto", "fox": "rufo"}
FEMININE = ("cat", "bird")
VERBS = {"sleep": "dorme", "run": "kure", "sing": "kante", "wait": "spere"}
ADVERBS = {"here": {"isti": 1.0}, "now": {"nun": 1.0}, "often": {"semba": 0.7, "ofta": 0.3}}


def translations(n: int, *, seed: int = 0) -> TextData:
    """Return n sentences with their translations: x (n, T) tokens that are words, y the number.

    A row is five words of source, the separator "=", and four or five words of target, padded.
    `data.prefix_length` is 6, the places that are given when the model translates.
    `data.language.given("two red cats sleep here =")` holds all right translations.

    Args:
        n: number of rows, drawn with replacement.
        seed: of the draw.
    """
    source = "translations of a toy grammar"
    return TextData(translation_language(), n, seed=seed, source=source, prefix_length=6)


@cache
def translation_language() -> Language:
    """Return the language: 720 sources, of which a third has two translations."""
    probabilities = {}
    for number, adjective, noun, verb, adverb in itertools.product(
        NUMBERS, ADJECTIVES, NOUNS, VERBS, ADVERBS
    ):
        counted, p = NUMBERS[number]
        p /= len(ADJECTIVES) * len(NOUNS) * len(VERBS) * len(ADVERBS)
        plural = number != "a"
        nouns = noun + ("es" if noun == "fox" else "s") if plural else noun
        source = f"{number} {adjective} {nouns} {verb if plural else verb + 's'} {adverb}"
        many = "n" if plural else ""
        described = ADJECTIVES[adjective] + ("a" if noun in FEMININE else "o")
        target = f"{VERBS[verb]}{many} {NOUNS[noun]}{many} {described} {counted}"
        for word, share in ADVERBS[adverb].items():
            probabilities[f"{source} {SEPARATOR} {word} {target}".strip()] = p * share
    symbols = dict.fromkeys(word for text in probabilities for word in text.split())
    return Language(probabilities, Vocabulary(symbols, words=True))
