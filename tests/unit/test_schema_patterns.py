"""Patterns of identifiers: their language is that of Python's ``re``, and none of them takes long."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from dpsynth.models.pattern_texts import RARE, PatternTexts
from dpsynth.models.permutation import Permutation
from dpsynth.schema.patterns import PatternError, automaton_of

SMALL = [
    "ab?",
    "(AB|A)(C|BC)",
    "a{1,3}b?",
    "a|a",
    "(a|b|ab|ba){2}",
    "[b-c][-a]",
    "(?:a|b){0,2}c",
    "a{0}b",
    "(a?){3}b",
    "c-a",
]
LARGE = [
    "[A-Z]{2}[0-9]{6}",
    r"\d{4}-\w{3}",
    "DE[0-9]{20}",
    "a|[0-9]{30}",
    "[0-9a-f]{64}",
    "(Ä|é)[α-ω]{4}",
    r"\+\d{1,15}",
]


def drawn(pattern: str, count: int, *, unique: bool, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return PatternTexts.of(automaton_of(pattern), rng, unique=unique).draw(0, count, rng).to_pylist()


@pytest.mark.parametrize("pattern", SMALL)
def test_the_language_is_that_of_python(pattern: str) -> None:
    every = {"".join(text) for size in range(6) for text in itertools.product("abcABC-", repeat=size)}
    wanted = {text for text in every if re.fullmatch(pattern, text)}
    automaton = automaton_of(pattern)
    assert automaton.counts[0] == len(wanted)
    assert automaton.longest == max(map(len, wanted))
    assert sorted(drawn(pattern, len(wanted), unique=True)) == sorted(wanted)


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("pattern", LARGE)
def test_texts_of_large_languages_match(pattern: str, unique: bool) -> None:
    texts = drawn(pattern, 20_000, unique=unique)
    assert all(re.fullmatch(pattern, text) for text in texts)
    assert len(set(texts)) == 20_000 or not unique


def test_a_language_beyond_64_bits_has_room_for_every_sample() -> None:
    rng = np.random.default_rng(0)
    assert PatternTexts.of(automaton_of("a|[0-9]{30}"), rng, unique=True).room == RARE


def test_texts_are_equally_likely() -> None:
    # 12 texts, 60,000 draws, chi-squared with 11 degrees of freedom: above 40 once in 30,000 correct drawings.
    texts = drawn("(a|bb|[a-e]x{0,1})", 60_000, unique=False)
    _, counts = np.unique(texts, return_counts=True)
    assert len(counts) == 11
    expected = 60_000 / 11
    assert ((counts - expected) ** 2 / expected).sum() < 40


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 1000, 4097])
def test_permutations_are_permutations(size: int) -> None:
    images = Permutation.of(size, np.random.default_rng(size))(np.arange(size))
    assert sorted(images.tolist()) == list(range(size))


def test_permutations_of_large_spaces_stay_inside() -> None:
    for size in (2**62, 2**61 + 1, 10**18):
        images = Permutation.of(size, np.random.default_rng(1))(np.arange(10_000))
        assert 0 <= images.min() <= images.max() < size
        assert len(set(images.tolist())) == 10_000
        assert abs(np.corrcoef(np.arange(10_000), images.astype(float))[0, 1]) < 0.06


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "empty"),
        ("()", "empty text"),
        ("a?", "empty text"),
        ("a{0}", "empty text"),
        ("a*", "without end"),
        ("(a+)+", "without end"),
        ("a{1,}", "neither"),
        ("a{,3}", "neither"),
        ("a{99999999999}", "neither"),
        ("a{x}", "neither"),
        ("a{2", "neither"),
        ("a{3,2}", "m above n"),
        ("a{2}{3}", "repeats a repeat"),
        ("a{99999}", "more than 256"),
        ("((((a{99}){99}){99}){99})", "more than 256"),
        ("((((){250}){250}){250}){250}a", "more than 256"),
        ("([a-z]?){200}x([0-9]?){50}", "too large"),
        ("(" * 17 + "a", "deep"),
        ("(a", "without its )"),
        ("a)", "without its ("),
        ("[a", "too early"),
        ("\\", "too early"),
        ("[]", "empty class"),
        ("[z-a]", "ascend"),
        ("[^a]", "excludes"),
        (".", "not supported"),
        ("^a$", "not supported"),
        ("(?=a)", "not supported"),
        ("(?P<n>a)", "not supported"),
        (r"a\b", "not supported"),
        (r"(a)\1", "not supported"),
        ("a\x00", "control"),
        ("a\n", "control"),
        ("[!-\U0010ffff]", "4,096"),
        ("\ud800", "no text"),
        ("a" * 257, "256 characters"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(PatternError, match=re.escape(said)):
        automaton_of(pattern)
