"""``verify`` reads the ledger of a release exactly: its chain, its prices, its bytes; and no number stops it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dpsynth.privacy.laws import LOSSES, gaussian_loss
from dpsynth.privacy.loss import PrivacyLoss, total
from dpsynth.release.verifying import Verified, accounts, verify
from dpsynth.release.verifying.documents import Part
from release_examples import KEY, as_zip, edited, failed, honest_members, rechained, signed


@pytest.fixture
def honest() -> dict[str, bytes]:
    return honest_members()


def found_in(members: dict[str, bytes], folder: Path) -> Verified:
    return verify(as_zip(members, folder / "r.zip"), KEY.public)


def found_with(honest: dict[str, bytes], ledger: bytes, folder: Path) -> Verified:
    """The verification of a release with another ledger, signed anew by the right key."""
    return found_in(signed({**honest, "ledger.jsonl": ledger}, KEY), folder)


def test_a_ledger_line_cut_from_the_middle_or_the_end_is_found(honest, tmp_path):
    lines = honest["ledger.jsonl"].splitlines(keepends=True)
    for kept in (lines[:4] + lines[5:], lines[:-1], lines[:1], [lines[0], *lines[2:]], lines + lines[-1:]):
        cut = {**honest, "ledger.jsonl": b"".join(kept)}
        assert failed(found_in(cut, tmp_path)) == "sums"
        assert failed(found_in(signed(cut, KEY), tmp_path)) == "ledger"
    assert failed(found_in(signed({**honest, "ledger.jsonl": b""}, KEY), tmp_path)) == "ledger"


def test_a_ledger_with_private_fields_or_from_memory_is_found(honest, tmp_path):
    header, first, *rest = honest["ledger.jsonl"].splitlines(keepends=True)
    private = json.loads(first) | {"private": {"salt": "00", "fields": {}}}
    content = b"".join([header, json.dumps(private).encode() + b"\n", *rest])
    assert "private" in str(found_with(honest, content, tmp_path).failure)
    memory = honest["ledger.jsonl"].replace(b'"ephemeral":false', b'"ephemeral":true')
    found = found_with(honest, memory, tmp_path)
    assert failed(found) == "ledger"
    assert "memory" in str(found.failure)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"ephemeral":false', b'{"ephemeral":true,"ephemeral":false'),
        (b'{"ephemeral":false', b'{"checked_by":"an authority","ephemeral":false'),
        (b'{"ephemeral":false', b'{"ephemeral":null'),
        (b'"events":', b'"events":1'),
        (b'"pool":', b'"pool": '),
        (b'{"body":', b'{"a":0,"body":'),
        (b'{"body":', b'{"body":{},"body":'),
        (b'"seq":1,', b'"seq":9,"seq":1,'),
        (b'"kind":"CREATE"', b'"kind":"CR\\u0045ATE"'),
        (b"}\n", b"}\x0b"),
        (b"}\n", b"}\r"),
        (b"}\n", b"}\x0c"),
        (b"}\n", b"}\r\n"),
        (b"}\n", b"}\x1e"),
        (b"}\n", b"} \n"),
    ],
)
def test_a_ledger_whose_bytes_are_not_those_that_the_ledger_writes_is_found(honest, tmp_path, old, new):
    content = honest["ledger.jsonl"].replace(old, new, 1)
    assert content != honest["ledger.jsonl"]
    found = found_with(honest, content, tmp_path)
    assert failed(found) == "ledger"
    assert "not written as dpsynth writes an extract" in str(found.failure)


def test_a_last_line_without_its_end_blank_lines_and_deep_ones_are_found(honest, tmp_path):
    content = honest["ledger.jsonl"]
    deep = [b'{"a":' * levels + b"1" + b"}" * levels + b"\n" for levels in (200, 900, 980, 100_000)]
    for other in (content[:-1], content + b"\n", b"\n" + content, *(content + line for line in deep)):
        assert failed(found_with(honest, other, tmp_path)) == "ledger"


def test_what_is_nested_deeper_than_can_be_followed_ends_in_one_line(honest, tmp_path):
    """Just below the depth that cannot be parsed lie some that can, but not hashed or compared."""

    def said(depth: int) -> str:
        ledger = honest["ledger.jsonl"].replace(b'"data":{"', b'"data":{"deep":' + b"[" * depth + b"]" * depth + b',"')
        found = found_with(honest, ledger, tmp_path)
        assert failed(found) == "ledger"
        return str(found.failure)

    parsed, broken = 1, 100_000
    while broken - parsed > 1:
        middle = (parsed + broken) // 2
        parsed, broken = (parsed, middle) if "not a ledger export" in said(middle) else (middle, broken)
    for depth in (parsed - 1, parsed - 2, parsed - 3):
        said(depth)


def questions(bodies: list[Any]) -> list[dict[str, Any]]:
    return [body["data"]["question"] for body in bodies if body["kind"] == "DRAW"]


def test_a_charge_that_does_not_follow_from_its_scales_is_found(honest, tmp_path):
    """Who holds the ledger can write a chain anew, hashes and balances included: not the price of a scale."""

    def halve(bodies: list[Any]) -> None:
        for question in questions(bodies):
            if "scales" in question:
                question["scales"] = [(float.fromhex(one) / 2).hex() for one in question["scales"]]
            else:
                question["scale"] = (float.fromhex(question["scale"]) / 2).hex()

    assert failed(found_with(honest, rechained(honest, halve), tmp_path)) == "losses"
    found = found_with(honest, rechained(honest, lambda bodies: None), tmp_path)
    assert found.ok, found.failure


SCALES = ["1e400", "9" * 399, "1e-400", "0x1p+9999", "nan", "inf", "0", "-1", "1/3", "", "1e1000000000", 5, None, []]


@pytest.mark.parametrize("scale", SCALES)
def test_a_scale_that_is_none_ends_in_one_line(honest, tmp_path, scale):
    def change(bodies: list[Any]) -> None:
        question = questions(bodies)[0]
        question["scales"] = [scale, *question["scales"][1:]]

    assert failed(found_with(honest, rechained(honest, change), tmp_path)) == "losses"


@pytest.mark.parametrize("kind", ["select", "categories", "distinct_counts", "measure"])
@pytest.mark.parametrize("scale", SCALES)
def test_so_does_one_of_another_question(honest, tmp_path, kind, scale):
    other = {"question": kind, "law": "gaussian", "sensitivity": 1, "sampler": "x", "columns": ["age"], "threshold": 5}

    def change(bodies: list[Any]) -> None:
        draw = next(body for body in bodies if body["kind"] == "DRAW")
        draw["data"]["question"] = {**other, "scale": scale, "scales": scale, "cliques": scale}

    assert failed(found_with(honest, rechained(honest, change), tmp_path)) == "losses"


@pytest.mark.parametrize("value", ["1e400", "", "1/0", "9" * 5_000, "0x1p+1", None, 1, ["1"]])
@pytest.mark.parametrize("name", ["epsilon", "delta"])
def test_a_reservation_that_is_no_number_ends_in_one_line(honest, tmp_path, name, value):
    def change(bodies: list[Any]) -> None:
        next(body for body in bodies if body["kind"] == "RESERVE")["data"][name] = value

    found = found_with(honest, rechained(honest, change), tmp_path)
    assert failed(found) == "guarantee"
    assert name in str(found.failure.where)


@pytest.mark.parametrize("data", [[1], None, "x", 5])
def test_a_release_event_that_says_nothing_ends_in_one_line(honest, tmp_path, data):
    changed = rechained(honest, lambda bodies: bodies[-1].update(data=data))
    assert failed(found_with(honest, changed, tmp_path)) in {"facts", "release"}


def test_many_answers_are_counted_and_each_scale_is_priced_once(monkeypatch):
    priced: list[float] = []

    def counted(sensitivity: int, scale: float) -> PrivacyLoss:
        priced.append(scale)
        return gaussian_loss(sensitivity, scale)

    monkeypatch.setitem(LOSSES, "gaussian", counted)
    content = {"law": "gaussian", "sensitivity": 1, "scale": "0x1.8p+3"}
    many = {**content, "question": "measure", "cliques": [["a"]] * 300, "scales": ["7", "0x1.8p+3", "7"] * 100}
    expected = total([gaussian_loss(1, 7.0)] * 200 + [gaussian_loss(1, 12.0)] * 100)
    columns = {**content, "question": "distinct_counts", "columns": ["a"] * 300}
    for question, loss in ((many, expected), (columns, total([gaussian_loss(1, 12.0)] * 300))):
        part = Part(question, "x")
        assert accounts.cost_of(part, accounts._answers_of(part)) == loss
    assert priced == [7.0, 12.0, 12.0]


def test_more_prices_than_can_be_computed_are_refused(honest, tmp_path, monkeypatch):
    monkeypatch.setattr(accounts, "_MOST_PRICES", 1)
    found = found_in(honest, tmp_path)
    assert failed(found) == "losses"
    assert "can be priced" in str(found.failure)


def test_an_answer_that_stands_twice_for_another_is_found(honest, tmp_path):
    def double(content: Any) -> None:
        scales = [(one["scale"], one["receipt"]["event"]) for one in content["answers"]]
        first = next(at for at, one in enumerate(scales) if scales.count(one) > 1)
        content["answers"][first] = content["answers"][scales.index(scales[first], first + 1)]

    assert failed(found_in(edited(honest, KEY, "report.json", double), tmp_path)) == "answers"


def test_a_reservation_that_states_less_than_it_costs_is_found(honest, tmp_path):
    """Ledger, report and description agree on epsilon 0.5, at the price of 1: the conversion is computed again."""

    def cheaper(bodies):
        reserve = next(body for body in bodies if body["kind"] == "RESERVE")
        assert reserve["data"]["epsilon"] == "1"
        reserve["data"]["epsilon"] = "1/2"

    def state(content):
        for one in (content.get("guarantee"), content.get("dpsynth", {}).get("guarantee")):
            if one is not None:
                one["epsilon"] = "0.5"

    members = edited(edited(honest, KEY, "report.json", state), KEY, "datapackage.json", state)
    text = rechained(honest, cheaper)
    found = found_in(signed({**members, "ledger.jsonl": text}, KEY), tmp_path)
    assert failed(found) == "guarantee"
    assert "larger epsilon" in str(found.failure)
