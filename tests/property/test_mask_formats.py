"""Format-preserving pseudonyms are bijections of the texts of one shape, and their check digits are right."""

import functools
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dpsynth.anonymization.masks.check_digits import Iban, Luhn
from dpsynth.anonymization.masks.formats import ALPHABETS, LONGEST, Format
from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.anonymization.masks.permutations import SORTED_DOMAIN, KeyedPermutation
from dpsynth.errors import DataMismatchError

HASHING = MaskKey(bytes(range(50, 90))).hashing("format", "")


@functools.cache
def rule(sets, keep, check):
    return Format(HASHING, sets, keep, check)


def texts(cells, sets=ALPHABETS["shape"], keep=" -./", check=None):
    return rule(sets, keep, check)(
        pa.array([cell.encode() if isinstance(cell, str) else cell for cell in cells], pa.binary())
    ).to_pylist()


@given(st.integers(1, 60), st.integers(2, 60), st.binary(max_size=4))
def test_small_domains_are_permuted_whole(left, right, label):
    first, second = (axis.reshape(-1) for axis in np.indices((left, right)))
    images = KeyedPermutation(HASHING, left, right, label)(first, second)
    assert sorted(zip(*map(np.ndarray.tolist, images), strict=True)) == [
        (a, b) for a in range(left) for b in range(right)
    ]


@given(st.integers(1, 1 << 62), st.integers(1, 1 << 62), st.data())
def test_large_domains_are_permuted_without_collision_and_stay_inside(left, right, data):
    assume(left * right >= SORTED_DOMAIN)
    pairs = data.draw(st.sets(st.tuples(st.integers(0, left - 1), st.integers(0, right - 1)), min_size=1, max_size=50))
    first, second = (np.array(half, dtype=np.int64) for half in zip(*sorted(pairs), strict=True))
    images = KeyedPermutation(HASHING, left, right, b"")(first, second)
    assert len(set(zip(*map(np.ndarray.tolist, images), strict=True))) == len(pairs)
    assert 0 <= images[0].min() <= images[0].max() < left
    assert 0 <= images[1].min() <= images[1].max() < right


def test_the_network_is_a_bijection_of_a_whole_domain():
    left, right = 1_009, 997  # just above the bound, so this is the Feistel network
    assert left * right >= SORTED_DOMAIN
    first, second = (axis.reshape(-1) for axis in np.indices((left, right)))
    one, two = KeyedPermutation(HASHING, left, right, b"")(first, second)
    images = one * right + two
    assert np.array_equal(np.sort(images), np.arange(left * right))
    # A random permutation of a million has one fixed point on average; more than 12 has a chance below 10**-10.
    assert (images == first * right + second).sum() <= 12


def test_another_key_or_label_is_another_permutation():
    numbers = np.arange(1_000)
    found = [
        KeyedPermutation(hashing, 1_000, 1_000, label)(numbers, numbers)[0].tolist()
        for hashing in (HASHING, MaskKey(bytes(range(60, 92))).hashing("format", ""))
        for label in (b"a", b"b")
    ]
    assert len({tuple(one) for one in found}) == 4


WORDS = st.builds(
    lambda head, rest: head + rest,
    st.sampled_from(["", "A", "Zq", "Mr. "]),
    st.text(st.sampled_from("0189-. "), min_size=1, max_size=45),
)


@given(st.sets(WORDS, max_size=30))
def test_texts_keep_their_shape_and_stay_distinct(words):
    given_ = sorted(words)
    found = dict(zip(given_, texts(given_), strict=True))
    kept = {word: image for word, image in found.items() if image is not None}
    assert all(shape(word) == shape(image) for word, image in kept.items())
    assert not [word for word in found if word not in kept and 2 <= len(re.sub("[-. ]", "", word)) <= 35]
    # Separators do not count: a number is the same number however it is written.
    plain_images = texts([re.sub("[-. ]", "", word) for word in kept])
    assert plain_images == [re.sub("[-. ]", "", image) for image in kept.values()]
    plain = {re.sub("[-. ]", "", word) for word in kept}
    assert len({re.sub("[-. ]", "", image) for image in kept.values()}) == len(plain)


def shape(word):
    return re.sub("[a-z]", "a", re.sub("[A-Z]", "A", re.sub("[0-9]", "0", word)))


def test_all_texts_of_a_small_shape_are_permuted():
    given_ = [f"{number:03d}-A" for number in range(1000)]
    found = texts(given_, sets=ALPHABETS["digits"], keep="-A")
    assert sorted(found) == given_
    assert found != given_


@pytest.mark.parametrize("cell", ["7", "", "--", "é123456", "x" * (LONGEST + 1), "1" * 50, b"\xff123456", "12#34567"])
def test_what_has_no_shape_to_permute_is_null(cell):
    assert texts([cell, "999-52-7304"])[0] is None


def test_a_zero_is_no_character_that_a_text_can_lose():
    assert texts(["123456", "123456\0", "12345\x006"])[1:] == [None, None]


def test_an_alphabet_of_ones_own():
    (found,) = texts(["αβγδαβγδ"], sets=("αβγδ",), keep="")
    assert set(found) <= set("αβγδ")
    assert len(found) == 8


def test_cells_of_too_many_shapes_have_no_format():
    cells = [bin(number)[2:].replace("0", "a").replace("1", "1") for number in range(1 << 11, 1 << 12)]
    with pytest.raises(DataMismatchError, match="forms"):
        texts(cells)


def luhn(number):
    digits = [int(one) for one in reversed(re.sub("[^0-9]", "", number))]
    doubled = [sum(divmod(2 * one, 10)) for one in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def with_luhn(payload):
    return next(number for check in "0123456789" if luhn(number := payload + check))


@given(st.sets(st.text(st.sampled_from("0123456789"), min_size=6, max_size=18), min_size=1, max_size=20))
def test_luhn_digits_are_written_anew(payloads):
    numbers = [with_luhn(payload) for payload in sorted(payloads)]
    found = texts(numbers, sets=ALPHABETS["digits"], check=Luhn())
    assert all(map(luhn, found))
    assert len(set(found)) == len(numbers)
    assert [len(one) for one in found] == [len(one) for one in numbers]
    spaced = " ".join((numbers[0][:4], numbers[0][4:]))
    assert texts([spaced], sets=ALPHABETS["digits"], check=Luhn())[0] == f"{found[0][:4]} {found[0][4:]}"


def test_a_wrong_luhn_digit_is_null():
    number = with_luhn("411111111111111")
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert texts([wrong, "7992739871A"], sets=ALPHABETS["digits"], check=Luhn()) == [None, None]


def iban_remainder(text):
    plain = text.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97


# The examples of the IBAN registry.
IBANS = ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "FR1420041010050500013M02606", "NO9386011117947"]


def test_ibans_keep_their_country_and_get_right_check_digits():
    found = texts(IBANS, sets=ALPHABETS["shape"][:2], check=Iban())
    for before, after in zip(IBANS, found, strict=True):
        assert iban_remainder(before) == iban_remainder(after) == 1
        assert before[:2] == after[:2]
        assert shape(before) == shape(after)
        assert before[4:] != after[4:]


@pytest.mark.parametrize(
    "cell", ["DE89370400440532013001", "1289370400440532013000", "DE8", "D189370400440532013000", "DE"]
)
def test_what_is_no_iban_is_null(cell):
    assert texts([cell], sets=ALPHABETS["shape"][:2], check=Iban()) == [None]


def test_check_digits_that_no_iban_has_are_null():
    cells = [f"GB{number}WEST{tail:014d}" for tail in range(500) for number in ("00", "01", "99")]
    wrong = [cell for cell in cells if iban_remainder(cell) == 1]
    assert {cell[2:4] for cell in wrong} == {"00", "01", "99"}
    assert set(texts(wrong, sets=ALPHABETS["shape"][:2], check=Iban())) == {None}
