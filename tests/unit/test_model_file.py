"""The ``.dps`` file: round trips, the same bytes for the same model, old files, and every kind of hostile file."""

from __future__ import annotations

import io
import json
import math
import pickle  # noqa: TID251  (to build the attack)
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import FileFormatError, OutputExistsError, UsageError
from dpsynth.graph import Convergence
from dpsynth.models import Expansion, MarkovRandomField, Model, archive, load
from dpsynth.models.model_file import VERSION
from dpsynth.privacy.answers import NoisyMarginal, Selection
from hostile_files import Edit, Members, at, pack, rewritten, with_array
from model_examples import answered, people, random_field

FIXTURE = Path(__file__).resolve().parents[1] / "data" / "model-v1.dps"


def example() -> Model:
    """Everything that a model file can hold, small and always the same."""
    model = people()
    assert isinstance(model.distribution, MarkovRandomField)
    return replace(
        model,
        answers=answered(model.distribution),
        method="mst",
        settings={"split": ["2/5", "1/10", "1/2"], "rounds": 3},
        convergence=Convergence(converged=True, iterations=7, objective=1.5, reason="closed form"),
        provenance={"dp": True, "labels": ["FREE encode"], "versions": {"dpsynth": "0.1.0"}},
    )


def expanded() -> Model:
    field = random_field((3, 2, 4), 1)
    return Model(MarkovRandomField(field.tree, (Expansion.even("a", [0, 1, 1, 2, 2, 2]),)))


def same(left: Model, right: Model) -> bool:
    facts = ("method", "settings", "convergence", "provenance", "domain", "total", "dp")
    assert all(getattr(left, fact) == getattr(right, fact) for fact in facts)
    for one, other in zip(left.answers, right.answers, strict=True):
        assert one.record() == other.record()
        if isinstance(one, NoisyMarginal):
            assert isinstance(other, NoisyMarginal)
            assert (one.values == other.values).all()
    cliques = left.domain.cliques(1) + left.domain.cliques(2)
    pairs = zip(left.distribution.marginals(cliques), right.distribution.marginals(cliques), strict=True)
    return all(np.array_equal(*pair) for pair in pairs) and left.sample(50, seed=1).equals(right.sample(50, seed=1))


@pytest.mark.parametrize("make", [example, expanded, lambda: Model(random_field((2,), 0, total=0.0))])
def test_a_model_survives_the_file_byte_for_byte(tmp_path, make):
    model = make()
    model.save(tmp_path / "one.dps")
    loaded = load(str(tmp_path / "one.dps"))
    loaded.save(tmp_path / "two.dps")
    assert (tmp_path / "one.dps").read_bytes() == (tmp_path / "two.dps").read_bytes()
    if model.total:
        assert same(model, loaded)


def test_facts_are_read_back_as_they_were(tmp_path):
    example().save(tmp_path / "m.dps")
    loaded = load(tmp_path / "m.dps")
    assert same(example(), loaded)
    assert loaded.schema is not None
    assert loaded.schema.to_dict() == people().schema.to_dict()
    assert isinstance(loaded.answers[-1], Selection)
    manifest = json.loads(zipfile.ZipFile(tmp_path / "m.dps").read("manifest.json"))
    assert not {"actor", "purpose", "path", "host"} & manifest.keys()


def test_numpy_reads_the_arrays_without_dpsynth(tmp_path):
    example().save(tmp_path / "m.dps")
    with zipfile.ZipFile(tmp_path / "m.dps") as file:
        names = [name for name in file.namelist() if name.endswith(".npy")]
        arrays = [np.load(io.BytesIO(file.read(name)), allow_pickle=False) for name in names]
    assert sum(float(array.sum()) for array in arrays if array.dtype == np.float64) == pytest.approx(1500.0)


def test_an_existing_file_needs_force(tmp_path):
    model = expanded()
    model.save(tmp_path / "m.dps")
    before = (tmp_path / "m.dps").read_bytes()
    with pytest.raises(OutputExistsError):
        example().save(tmp_path / "m.dps")
    assert (tmp_path / "m.dps").read_bytes() == before
    example().save(tmp_path / "m.dps", force=True)
    assert (tmp_path / "m.dps").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["m.dps"]


def test_what_json_cannot_hold_is_refused_and_leaves_nothing(tmp_path):
    for wrong in ({"x": object()}, {"x": math.nan}, {1: {(1, 2): 3}}):
        with pytest.raises(UsageError, match="not JSON"):
            replace(expanded(), settings=wrong).save(tmp_path / "m.dps")
    assert not list(tmp_path.iterdir())
    replace(expanded(), settings={"n": np.int64(3), "x": np.float64(0.5)}).save(tmp_path / "m.dps")
    assert load(tmp_path / "m.dps").settings == {"n": 3, "x": 0.5}


def test_an_objective_without_a_value_can_be_saved(tmp_path):
    endless = Convergence(converged=False, iterations=1, objective=math.inf, reason="stopped")
    replace(expanded(), convergence=endless).save(tmp_path / "m.dps")
    assert math.isnan(load(tmp_path / "m.dps").convergence.objective)


def test_a_file_of_the_first_version_is_read():
    loaded = load(FIXTURE)
    assert loaded.dp
    assert loaded.method == "mst"
    assert loaded.total == 500.0
    assert same(loaded, replace(example(), distribution=loaded.distribution))
    cliques = loaded.domain.cliques(2)
    pairs = zip(loaded.distribution.marginals(cliques), example().distribution.marginals(cliques), strict=True)
    assert all(np.allclose(*pair) for pair in pairs)


def test_a_newer_version_is_told_apart(tmp_path):
    path = rewritten(tmp_path, example(), lambda manifest, _: manifest.update(version=VERSION + 1, more="facts"))
    with pytest.raises(FileFormatError, match=f"version {VERSION + 1}, newer than {VERSION}. Update dpsynth"):
        load(path)


# --- files that lie ---------------------------------------------------------------------------------------------


def changed(change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    """Change the belief of age and sex, and keep its size, hash, type and shape right."""
    return with_array(first_array, change)


def first_array(manifest: dict[str, Any]) -> str:
    place = manifest["distribution"]["cliques"].index(["age", "sex"])
    return str(manifest["distribution"]["beliefs"][place])


def with_object_array(manifest: dict[str, Any], members: Members) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([Bomb()], dtype=object), allow_pickle=True)
    data, name = stream.getvalue(), first_array(manifest)
    members[name] = data
    manifest["members"][name] |= {"bytes": len(data), "sha256": archive.hashlib.sha256(data).hexdigest()}


class Bomb:
    """What an unpickled object array would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def huge_header(manifest: dict[str, Any], members: Members) -> None:
    name = first_array(manifest)
    members[name] = archive._header("<f8", (1 << 40, 1 << 20)) + b"\0" * 64
    manifest["members"][name] |= {
        "bytes": len(members[name]),
        "sha256": archive.hashlib.sha256(members[name]).hexdigest(),
    }


def huge_shape(manifest: dict[str, Any], members: Members) -> None:
    huge_header(manifest, members)
    manifest["members"][first_array(manifest)]["shape"] = [1 << 40, 1 << 20]


def flipped(manifest: dict[str, Any], members: Members) -> None:
    name = first_array(manifest)
    members[name] = members[name][:-1] + b"\x01"


LIES: dict[str, Edit] = {
    "object array": with_object_array,
    "huge shape in the header": huge_header,
    "huge shape in header and manifest": huge_shape,
    "changed byte": flipped,
    "NaN belief": changed(lambda array: array * np.nan),
    "negative belief": changed(lambda array: array - 50),
    "infinite belief": changed(lambda array: np.full_like(array, np.inf)),
    "belief of another total": changed(lambda array: array * 2),
    "belief of another shape": changed(lambda array: array.T.copy()),
    "belief that contradicts its neighbor": changed(lambda array: array[:, ::-1].copy()),
    "belief of another type": changed(lambda array: array.astype(np.int64)),
    "unknown member": lambda manifest, members: members.update({"answers/999999.npy": b"x"}),
    "absent member": lambda manifest, members: members.pop(first_array(manifest)),
    "unused member": lambda manifest, members: manifest["answers"].clear(),
    "array used twice": lambda manifest, members: manifest["distribution"].update(beliefs=[first_array(manifest)] * 3),
    "members is a list": at("members", value=[]),
    "another format": at("format", value="zip"),
    "version zero": at("version", value=0),
    "version as text": at("version", value="1"),
    "unknown key": at("code", value="print(1)"),
    "absent key": lambda manifest, members: manifest.pop("answers"),
    "infinite total": at("distribution", "total", value=1e400),
    "negative total": at("distribution", "total", value=-1.0),
    "unknown kind": at("distribution", "kind", value="neural"),
    "zero size": at("distribution", "domain", "sizes", 0, value=0),
    "huge size": at("distribution", "domain", "sizes", 0, value=10**30),
    "repeated attribute": at("distribution", "domain", "attributes", 0, value="sex"),
    "clique outside the domain": at("distribution", "cliques", 0, value=["nobody"]),
    "edge to itself": at("distribution", "edges", 0, value=[0, 0]),
    "edge out of range": at("distribution", "edges", 0, value=[0, 99]),
    "edge of three": at("distribution", "edges", 0, value=[0, 1, 2]),
    "edge twice": lambda manifest, members: manifest["distribution"]["edges"].__setitem__(
        -1, manifest["distribution"]["edges"][0]
    ),
    "no edges": at("distribution", "edges", value=[]),
    "no cliques": at("distribution", "cliques", value=[]),
    "other cliques": at("distribution", "cliques", 0, value=["age"]),
    "answer of an unknown kind": at("answers", 0, "kind", value="pickle"),
    "answer without receipt": lambda manifest, members: manifest["answers"][0].pop("receipt"),
    "answer of negative charge": at("answers", 0, "receipt", "loss", "rho", value="-1"),
    "answer of another clique": at("answers", 0, "clique", value=["born"]),
    "answer outside the domain": at("answers", 0, "clique", value=["age", "nobody"]),
    "selection outside the domain": at("answers", -1, "clique", value=["nobody"]),
    "bucket out of range": at("answers", 0, "coarsening", value={"sex": [0, 99]}),
    "buckets of another length": at("answers", 0, "coarsening", value={"sex": [0, 1, 1]}),
    "buckets that do not fit the counts": at("answers", 0, "coarsening", value={"sex": [0, 0]}),
    "buckets of an attribute that was not asked": at("answers", 0, "coarsening", value={"smoker": [0, 1, 2]}),
    "infinite scale": at("answers", 0, "scale", value="inf"),
    "schema of another domain": lambda manifest, members: manifest["schema"]["fields"].pop(0),
    "schema that is none": at("schema", value={"fields": 3}),
    "guarantee that was not recorded": at("provenance", "dp", value=False),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused(tmp_path, monkeypatch, lie):
    monkeypatch.chdir(tmp_path)
    path = rewritten(tmp_path, example(), LIES[lie])
    with pytest.raises(FileFormatError) as caught:
        load(path)
    assert caught.value.exit_code == 3
    assert caught.value.__cause__ is None
    assert str(tmp_path) not in str(caught.value)
    assert not (tmp_path / "executed").exists()


# --- containers that are none -----------------------------------------------------------------------------------


def manifest_only(data: bytes) -> Callable[[Path], Path]:
    return lambda folder: pack(folder / "m.dps", [("manifest.json", data)])


def valid(folder: Path) -> bytes:
    example().save(folder / "valid.dps")
    return (folder / "valid.dps").read_bytes()


def encrypted(folder: Path) -> Path:
    data = bytearray(valid(folder))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    (folder / "m.dps").write_bytes(data)
    return folder / "m.dps"


def duplicated(folder: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate"):
        return pack(folder / "m.dps", [("manifest.json", b"{}"), ("manifest.json", b"{}")])


def overlapping(folder: Path) -> Path:
    """Two directory entries that claim the whole file each."""
    path = pack(folder / "m.dps", [("manifest.json", b"x" * 500), ("beliefs/1.npy", b"y" * 500)])
    data = bytearray(path.read_bytes())
    for start in (data.find(b"PK\x01\x02"), data.rfind(b"PK\x01\x02")):
        data[start + 20 : start + 28] = struct.pack("<LL", 1000, 1000)
    path.write_bytes(data)
    return path


def written(data: bytes | Callable[[Path], bytes]) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        (folder / "m.dps").write_bytes(data if isinstance(data, bytes) else data(folder))
        return folder / "m.dps"

    return build


def bomb(folder: Path) -> Path:
    """A hundred megabytes of zeros in a hundred kilobytes."""
    return pack(folder / "m.dps", [("manifest.json", b"\0" * 100_000_000)], zipfile.ZIP_DEFLATED)


def crowded(folder: Path) -> Path:
    """An end record that announces a directory of 60 000 members."""
    data = bytearray(valid(folder))
    end = data.rfind(b"PK\x05\x06")
    data[end + 8 : end + 12] = struct.pack("<HH", 60_000, 60_000)
    (folder / "m.dps").write_bytes(data)
    return folder / "m.dps"


CONTAINERS: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "nothing.dps",
    "directory": lambda folder: folder,
    "empty": written(b""),
    "text": written(b"model\n" * 100),
    "pickle": written(pickle.dumps({"model": 1})),
    "truncated at the end": written(lambda folder: valid(folder)[:-10]),
    "truncated in the middle": written(lambda folder: valid(folder)[: len(valid_bytes(folder)) // 2]),
    "first half overwritten": written(lambda folder: b"\0" * 500 + valid(folder)[500:]),
    "zip bomb": bomb,
    "too many members": crowded,
    "duplicate members": duplicated,
    "overlapping members": overlapping,
    "encrypted": encrypted,
    "path traversal": lambda folder: pack(folder / "m.dps", [("manifest.json", b"{}"), ("../evil.npy", b"x")]),
    "absolute path": lambda folder: pack(folder / "m.dps", [("manifest.json", b"{}"), ("/tmp/evil.npy", b"x")]),  # noqa: S108
    "backslashes": lambda folder: pack(folder / "m.dps", [("manifest.json", b"{}"), ("..\\evil.npy", b"x")]),
    "a script": lambda folder: pack(folder / "m.dps", [("manifest.json", b"{}"), ("setup.py", b"x")]),
    "no manifest": lambda folder: pack(folder / "m.dps", [("beliefs/1.npy", b"x")]),
    "no JSON": manifest_only(b"{"),
    "JSON list": manifest_only(b"[]"),
    "deep JSON": manifest_only(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "NaN in JSON": manifest_only(b'{"format": NaN}'),
    "repeated JSON key": manifest_only(b'{"format": "a", "format": "dpsynth-model"}'),
    "undecodable JSON": manifest_only(b'{"format": "\xff"}'),
    "digits without end": manifest_only(b'{"version": ' + b"9" * 100_000 + b"}"),
}


def valid_bytes(folder: Path) -> bytes:
    return (folder / "valid.dps").read_bytes()


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_that_is_no_model_file_is_refused(tmp_path, container):
    path = CONTAINERS[container](tmp_path)
    with pytest.raises(FileFormatError) as caught:
        load(path)
    assert caught.value.__cause__ is None
    assert caught.value.where == path.name
