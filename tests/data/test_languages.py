"""Languages whose probabilities are known: counted by hand, summed, and drawn from."""

import hashlib
import math
import re

import numpy as np
import pytest
import torch
from scipy import stats

from gencourse.data import Language, TextData, Vocabulary, sentences, split, translations
from gencourse.protocols import Density

TEXTS = {"sentences": sentences, "translations": translations}
# of the first 200 rows with seed 3: a change of the data behind the course's figures must be seen
SHA256 = {
    "sentences": "34e37e3301857484d4a7b242314f4554b060c65f393e5c902763ab60dffda8db",
    "translations": "5b58a47a7b80b0e62de776d4d07bb4ae0266e4931600c593cb558bacdb5b3680",
}


class TestVocabulary:
    def test_words_and_characters(self):
        words = Vocabulary(["a", "cat", "sleeps"], words=True)
        assert words.symbols == ("a", "cat", "sleeps", "_") and len(words) == 4
        rows = words.encode(["a cat sleeps", "cat"], length=4)
        assert rows.tolist() == [[0, 1, 2, 3], [1, 3, 3, 3]] and rows.dtype == torch.int64
        assert words.decode(rows) == ["a cat sleeps", "cat"]
        characters = Vocabulary("abc ", words=False)
        rows = characters.encode(["cab b", ""])
        assert rows.tolist() == [[2, 0, 1, 3, 1], [4, 4, 4, 4, 4]]
        assert characters.decode(rows) == ["cab b", ""]
        assert characters.encode([]).shape == (0, 0)

    def test_padding_within_a_text_is_shown(self):
        assert Vocabulary("ab", words=False).decode(torch.tensor([[0, 2, 1, 2]])) == ["a_b"]

    def test_bad_input(self):
        vocabulary = Vocabulary("ab", words=False)
        with pytest.raises(ValueError, match="text 1 holds 'c'"):
            vocabulary.encode(["a", "bc"])
        with pytest.raises(ValueError, match="text 0 has 3 symbols, expected at most 2"):
            vocabulary.encode(["aba"], length=2)
        with pytest.raises(ValueError, match="the single text 'ab', expected a list"):
            vocabulary.encode("ab")
        with pytest.raises(ValueError, match=r"tokens hold 3, expected 0\.\.2"):
            vocabulary.decode(torch.tensor([[0, 3]]))
        with pytest.raises(ValueError, match=r"tokens have shape \(2,\)"):
            vocabulary.decode(torch.tensor([0, 1]))
        for symbols in ("aba", "a_"):
            with pytest.raises(ValueError, match=r"symbols hold '[a_]' twice"):
                Vocabulary(symbols, words=False)


class TestLanguage:
    LANGUAGE = Language(
        {"ab": 0.5, "a": 0.25, "bba": 0.25, "bbb": 0.0}, Vocabulary("ab", words=False)
    )

    def test_numbers_worked_by_hand(self):
        language = self.LANGUAGE
        assert language.entropy == pytest.approx(1.5 * math.log(2))
        assert language.event_shape == (3,) and isinstance(language, Density)
        x = language.vocabulary.encode(["ab", "bba", "bbb", "ba"], length=3)
        expected = [0.5, 0.25, 0, 0]
        assert language.log_prob(x).exp().tolist() == pytest.approx(expected)
        begun = language.given("a")
        assert begun.sentences == ("ab", "a")
        assert begun.probabilities.tolist() == pytest.approx([2 / 3, 1 / 3])
        assert begun.event_shape == (3,)
        assert language.given("").entropy == pytest.approx(language.entropy)

    def test_draws(self):
        numbers = self.LANGUAGE.draw(40_000, generator=torch.Generator().manual_seed(0))
        count = torch.bincount(numbers, minlength=4)
        assert count[3] == 0
        assert stats.chisquare(count[:3], [20_000, 10_000, 10_000]).pvalue > 1e-3
        a, b = (
            self.LANGUAGE.sample(5, generator=torch.Generator().manual_seed(1)) for _ in range(2)
        )
        assert torch.equal(a, b) and a.shape == (5, 3)

    def test_bad_input(self):
        letters = Vocabulary("ab", words=False)
        for p in ({"a": 0.5}, {"a": 1.5, "b": -0.5}):
            with pytest.raises(ValueError, match="probabilities sum to"):
                Language(p, letters)
        for prefix in ("bbb", "abab", "aa"):
            with pytest.raises(ValueError, match=f"prefix is '{prefix}', expected the beginning"):
                self.LANGUAGE.given(prefix)
        with pytest.raises(ValueError, match=r"x has shape \(2, 2\), expected \(B, 3\)"):
            self.LANGUAGE.log_prob(torch.zeros(2, 2))


@pytest.mark.parametrize("make", TEXTS.values(), ids=TEXTS)
class TestBoth:
    def test_the_form(self, make):
        data = make(500, seed=1)
        assert isinstance(data, TextData)
        assert data.x.dtype == data.y.dtype == torch.int64 and len(data) == 500
        assert torch.equal(data.language.tokens[data.y], data.x)
        assert 0 <= int(data.x.min()) and int(data.x.max()) < len(data.vocabulary)
        assert data.language.log_prob(data.x).isfinite().all()
        texts = data.vocabulary.decode(data.x)
        assert torch.equal(data.vocabulary.encode(texts, length=data.x.shape[1]), data.x)
        assert len(set(texts)) > 150

    def test_the_seed_decides(self, make):
        assert torch.equal(make(50, seed=2).x, make(50, seed=2).x)
        assert not torch.equal(make(50, seed=2).x, make(50, seed=3).x)

    def test_the_numbers_are_these(self, make):
        content = b"".join(t.contiguous().numpy().tobytes() for t in make(200, seed=3).tensors)
        assert hashlib.sha256(content).hexdigest() == SHA256[make.__name__]

    def test_the_frequencies_are_the_probabilities(self, make):
        data = make(60_000)
        p = data.language.probabilities.numpy()
        count = np.bincount(data.y.numpy(), minlength=len(p))
        rare = p * len(data) < 8
        p, count = (np.append(v[~rare], v[rare].sum()) for v in (p, count))
        keep = p > 0
        assert stats.chisquare(count[keep], len(data) * p[keep]).pvalue > 1e-3

    def test_parts_know_their_language(self, make):
        data = make(100)
        held_out = data.subset(data.y % 5 == 0)
        assert held_out.language is data.language and 0 < len(held_out) < 100
        assert split(data).test.vocabulary is data.vocabulary


def test_the_entropy_of_sentences_is_that_of_their_choices():
    """Each sentence comes from one list of choices, and these are independent."""

    def h(*p):
        return -sum(q * math.log(q) for q in p)

    noun = h(0.4, 0.3, 0.2, 0.1) + math.log(2)  # and its number
    clause = h(0.6, 0.25, 0.15) + 0.4 * noun
    by_hand = h(0.4, 0.3, 0.2, 0.1) + noun + clause + h(0.5, 0.3, 0.2)
    language = sentences(1).language
    assert language.entropy == pytest.approx(by_hand) == pytest.approx(6.0093, abs=5e-5)
    assert len(language.sentences) == 4 * 8 * (1 + 2 * 8) * 3 == 1632


def test_every_sentence_agrees():
    pattern = re.compile(
        r"the (old |small |grey )?(dog|cat|bird|horse)(s?)"
        r"( that (see|hear)(s?) the (dog|cat|bird|horse)s?)? (sleep|run|wait)(s?)\."
    )
    for text in sentences(1).language.sentences:
        found = pattern.fullmatch(text)
        assert found, text
        plural = bool(found[3])
        assert bool(found[9]) != plural, text
        assert not found[4] or bool(found[6]) != plural, text


def test_translations_by_a_dictionary():
    """Word for word, by rules written down a second time, for all 960 sentences."""
    nouns = {"cat": "miru", "bird": "pila", "dog": "vako", "horse": "hesto", "fox": "rufo"}
    nouns |= {n + ("es" if n == "fox" else "s"): t + "n" for n, t in nouns.items()}
    stems = {"red": "ros", "old": "vel", "small": "pik", "white": "alb"}
    verbs = {"sleep": "dormen", "run": "kuren", "sing": "kanten", "wait": "speren"}
    verbs |= {v + "s": t[:-1] for v, t in verbs.items()}
    adverbs = {"here": ["isti"], "now": ["nun"], "often": ["semba", "ofta"]}
    expected = {}
    for number, count, share in (("a", "", 0.5), ("two", " du", 0.3), ("three", " tir", 0.2)):
        for adjective, stem in stems.items():
            for noun, noun_there in nouns.items():
                for verb, verb_there in verbs.items():
                    plural = noun.endswith("s")
                    if plural == (number == "a") or plural == verb.endswith("s"):
                        continue
                    ending = "a" if noun_there.startswith(("miru", "pila")) else "o"
                    for adverb, there in adverbs.items():
                        for word, p in zip(there, (0.7, 0.3) if there[1:] else (1,), strict=True):
                            text = f"{number} {adjective} {noun} {verb} {adverb} = {word} "
                            text += f"{verb_there} {noun_there} {stem}{ending}{count}"
                            expected[text] = share * p / (4 * 5 * 4 * 3)
    language = translations(1).language
    found = dict(zip(language.sentences, language.probabilities.tolist(), strict=True))
    assert found == pytest.approx(expected)
    assert len(found) == 960


def test_a_translation_is_a_continuation():
    data = translations(20, seed=4)
    assert data.prefix_length == 6
    assert (data.x[:, 5] == data.vocabulary.symbols.index("=")).all()
    rest = data.language.given("two red cats sleep often =")
    assert dict(zip(rest.sentences, rest.probabilities.tolist(), strict=True)) == pytest.approx(
        {
            "two red cats sleep often = semba dormen mirun rosa du": 0.7,
            "two red cats sleep often = ofta dormen mirun rosa du": 0.3,
        }
    )
    assert data.language.given("a white fox waits now =").sentences == (
        "a white fox waits now = nun spere rufo albo",
    )
    with pytest.raises(ValueError, match="expected the beginning of a sentence"):
        data.language.given("two red cats sleeps")
