"""A small signed release, member by member, and the ways to pack and to falsify it."""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import dpsynth
from dpsynth.ledger import Ledger, chain
from dpsynth.models import Model
from dpsynth.pipeline.label_chain import chain_of
from dpsynth.pipeline.report import report as reported
from dpsynth.pipeline.sample import sample
from dpsynth.release.descriptions import descriptions
from dpsynth.release.keys import PrivateKey, PublicKey
from dpsynth.release.layout import SIGNATURE, SUMS, content_digest, sums_text, table_members
from dpsynth.release.licenses import License
from dpsynth.release.metadata import Described
from dpsynth.release.tables import released_rows
from dpsynth.release.verifying import Outcome, Verified, verify
from dpsynth.schema import Schema

NAME = "people"
CSV, PARQUET = table_members(NAME)
KEY = PrivateKey.create()
SCHEMA = """\
dpsynth: {version: 1, name: people, population: town, unit: row}
fields:
  - name: age
    type: integer
    constraints: {required: true, minimum: 0, maximum: 99}
    dpsynth: {source: public, public_reason: ages, bins: {width: 10}, "null": 0}
  - name: job
    type: string
    constraints: {enum: ["clerk", "cook, or \\"chef\\"", "two\\nlines", "=cmd()"]}
    dpsynth: {source: public, public_reason: form}
  - name: height
    type: number
    constraints: {minimum: 0, maximum: 2.5}
    dpsynth: {source: public, public_reason: form, bins: {count: 8}}
  - {name: born, type: date, constraints: {minimum: 1900-01-01, maximum: 2020-12-31},
     dpsynth: {source: public, public_reason: form, bins: year}}
  - {name: ok, type: boolean, dpsynth: {source: public, public_reason: form}}
"""
EVERY_TYPE = """\
dpsynth: {version: 1, name: visits, population: town, unit: {column: who, max_rows: 2}}
primaryKey: [id]
fields:
  - {name: id, type: integer, dpsynth: {role: direct-id, source: public, generate: sequence}}
  - {name: who, type: string, dpsynth: {role: direct-id, source: public}}
  - {name: born, type: date, format: "%d/%m/%Y", constraints: {minimum: 01/01/1900, maximum: 31/12/2020},
     dpsynth: {source: public, public_reason: form, bins: year}}
  - {name: seen, type: datetime, constraints: {minimum: "2020-01-01T00:00:00", maximum: "2021-01-01T00:00:00"},
     dpsynth: {source: public, public_reason: form, bins: month, zone: Europe/Berlin}}
  - {name: code, type: integer, constraints: {enum: [1, 5, 9]}, dpsynth: {source: public, public_reason: form}}
  - {name: money, type: number, constraints: {minimum: -1, maximum: 5},
     dpsynth: {source: public, public_reason: form, bins: {count: 4}, decimals: 2}}
  - {name: flag, type: boolean, dpsynth: {source: public, public_reason: form}}
"""


def people(rows: int = 400) -> pd.DataFrame:
    """Made-up rows that fit ``SCHEMA``."""
    draw = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "age": draw.integers(0, 100, rows),
            "job": draw.choice(["clerk", 'cook, or "chef"', "two\nlines", "=cmd()", ""], rows),
            "height": draw.random(rows) * 2.5,
            "born": [f"{year}-05-12" for year in draw.integers(1900, 2021, rows)],
            "ok": draw.choice(["true", "false", ""], rows),
        }
    )


def visits(rows: int = 400) -> pd.DataFrame:
    """Made-up rows that fit ``EVERY_TYPE``."""
    draw = np.random.default_rng(6)
    return pd.DataFrame(
        {
            "who": [f"p{row // 2}" for row in range(rows)],
            "born": [f"12/05/{year}" for year in draw.integers(1900, 2021, rows)],
            "seen": [f"2020-{month:02d}-03T10:00:00" for month in draw.integers(1, 13, rows)],
            "code": draw.choice([1, 5, 9], rows),
            "money": draw.random(rows) * 6 - 1,
            "flag": draw.choice(["true", "false", ""], rows),
        }
    )


def made_model(folder: Path, *, table: pd.DataFrame | None = None, schema: str = SCHEMA, **settings: Any) -> Model:
    """A model of ``people`` or of another table, paid from the ledger ``folder/l.db``."""
    data = people() if table is None else table
    return dpsynth.fit(data, Schema.loads(schema), ledger=folder / "l.db", **{"epsilon": 1, **settings})


@functools.cache
def honest_members() -> dict[str, bytes]:
    """The members of a release, signed with ``KEY``; made once a process, and not to be changed."""
    with tempfile.TemporaryDirectory() as folder:
        return signed(release_members(Path(folder), made_model(Path(folder), effort="fast")), KEY)


def release_members(folder: Path, model: Model) -> dict[str, bytes]:
    """The members of a release of a sample of the model, all but the sums and the signature."""
    assert model.schema is not None
    model.write(folder / "model.dps")
    drawn = folder / f"{NAME}.parquet"
    sample(model, drawn, n=500, seed=7)
    files = released_rows(drawn, model.schema, NAME, chain_of(drawn) or ()).members
    ledger = Ledger.open(folder / "l.db")
    model_digest = digest((folder / "model.dps").read_bytes())
    tables = {member: digest(files[member]) for member in files}
    content = content_digest(tables, model_digest, override=False)
    ledger.record(model_pool(ledger), "RELEASE", {"content": content, "override": False})
    model_file = (folder / "model.dps").read_bytes()
    return dated({**files, "model.dps": model_file, "LICENSE": License.of(None).text}, folder, model)


def dated(members: Mapping[str, bytes], folder: Path, model: Model) -> dict[str, bytes]:
    """The members with what the ledger says now, and what follows from that."""
    ledger = Ledger.open(folder / "l.db")
    report = reported(model, synthetic=folder / f"{NAME}.parquet", ledger=ledger, edition="public").to_dict()
    extract = ("\n".join(ledger.extract(model_pool(ledger))) + "\n").encode()
    return described({**members, "ledger.jsonl": extract}, report)


def model_pool(ledger: Ledger) -> str:
    """The one pool of a ledger."""
    return ledger.pools()[0].name


def described(members: Mapping[str, bytes], report: Mapping[str, Any], *, with_model: bool = True) -> dict[str, bytes]:
    """The members with all texts that follow from them and the facts of the report."""
    schema = loaded(members["model.dps"]).schema
    assert schema is not None
    release = Described(
        name=NAME,
        title="People",
        license=License.of(None).entry,
        columns=tuple(one.name for one in schema.output),
        tables={member: (digest(members[member]), len(members[member])) for member in table_members(NAME)},
        schema=schema,
        model_digest=digest(members["model.dps"]),
        report=report,
    )
    texts = descriptions(release, key_id=KEY.public.id, with_model=with_model)
    return {name: data for name, data in {**members, **texts}.items() if with_model or name != "model.dps"}


def loaded(content: bytes) -> Model:
    """The model of these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.dps")
        path.write_bytes(content)
        return dpsynth.load(path)


def signed(members: Mapping[str, bytes], key: PrivateKey) -> dict[str, bytes]:
    """The members with sums and signature, whatever they hold: a publisher may be dishonest."""
    content = {name: data for name, data in members.items() if name not in (SUMS, SIGNATURE)}
    sums = sums_text({name: digest(data) for name, data in content.items()})
    return {**content, SUMS: sums, SIGNATURE: key.signature(sums)}


def with_tables(members: Mapping[str, bytes], key: PrivateKey, **tables: bytes) -> dict[str, bytes]:
    """A release whose tables (``csv``, ``parquet``) were replaced and whose descriptions and sums were made to fit."""
    changed = {**members, **{f"data/{NAME}.{form}": data for form, data in tables.items()}}
    package, other = json.loads(members["datapackage.json"]), json.loads(members["croissant.json"])
    for one in package["resources"]:
        one.update(bytes=len(changed[one["path"]]), hash=f"sha256:{digest(changed[one['path']])}")
    for one in other["distribution"]:
        one["sha256"] = digest(changed[one["contentUrl"]])
    block = package["dpsynth"]
    tables = {member: digest(changed[member]) for member in table_members(NAME)}
    block["content"] = content_digest(tables, block["model_digest"], override=block["override"])
    return signed({**changed, "datapackage.json": as_json(package), "croissant.json": as_json(other)}, key)


def edited(
    members: Mapping[str, bytes], key: PrivateKey, name: str, change: Callable[[Any], object]
) -> dict[str, bytes]:
    """A release one of whose JSON members was changed and whose sums were signed anew."""
    content = json.loads(members[name])
    change(content)
    return signed({**members, name: as_json(content)}, key)


def rechained(members: Mapping[str, bytes], change: Callable[[list[Any]], object]) -> bytes:
    """The ledger extract with the bodies of its events changed, chained anew: its owner can write what it likes."""
    header, *lines = [json.loads(line) for line in members["ledger.jsonl"].splitlines()]
    bodies = [line["body"] for line in lines]
    change(bodies)
    replay, events = chain.Replay(private_omitted=True), []
    for body in bodies:
        body["previous"] = replay.head
        event = chain.Event(body, chain.digest(chain.canonical(body)))
        replay.add(event)
        events.append({"body": body, "hash": event.hash})
    header["pools"][0].update(head=replay.head, events=len(events))
    return "".join(f"{chain.canonical(one)}\n" for one in (header, *events)).encode()


def as_folder(members: Mapping[str, bytes], place: Path) -> Path:
    """The members as files of a folder."""
    for name, data in members.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def as_zip(members: Mapping[str, bytes], place: Path) -> Path:
    """The members in a zip, in the order given."""
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return place


def as_json(content: Any) -> bytes:
    """JSON as bytes."""
    return json.dumps(content).encode()


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def found_in(members: Mapping[str, bytes], folder: Path, key: PublicKey | None = KEY.public) -> Verified:
    """What ``verify`` finds in a zip of these members."""
    return verify(as_zip(members, folder / "r.zip"), key)


def failed(found: Verified) -> str:
    """The name of the check that failed; nothing after it was trusted."""
    assert found.failure is not None
    names = [one.name for one in found.checks]
    (name,) = [one.name for one in found.checks if one.outcome is Outcome.FAILS]
    after = [one.outcome for one in found.checks[names.index(name) + 1 :]]
    assert set(after) <= {Outcome.NOT_CHECKED}
    assert "\n" not in str(found.failure)
    return name


def set_at(*path: str | int, to: object) -> Callable[[Any], None]:
    """A change that sets one place of a JSON value."""

    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        if isinstance(content, list) and path[-1] == len(content):
            content.append(to)
        else:
            content[path[-1]] = to

    return change
