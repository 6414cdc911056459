"""What a run remembers beside its pipeline: which stage made which files, told by digests. Internal: mode 0600.

It saves work and nothing else: who deletes it repeats stages, but pays for no fit again, since that is asked of the
ledger.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpsynth.errors import DpsynthError, FileFormatError
from dpsynth.schema import Schema
from dpsynth.schema.table import read_text
from dpsynth.schema.yamltext import parse
from dpsynth.tables import atomic_write
from dpsynth.tables.files import reading_error

VERSION = 1
_LARGEST = 1 << 24
ENDINGS = ("", ".dpsynth.json", ".holdout.json", ".roc.svg", ".risks.svg", ".pub")
"""What stands beside an output under its name: a sidecar, the key of a holdout, drawings, a public key."""


def state_path(pipeline: Path) -> Path:
    """Where the state of a pipeline stands."""
    return pipeline.with_name(f"{pipeline.name}.state.json")


@dataclass(frozen=True, slots=True)
class Made:
    """What one stage made: the digest of each file under its path. ``files`` is ``None`` while it runs, and stays so
    after a crash: its outputs are then half a run's, and may be replaced. ``exit_code``: 0, or 5 for a gate that
    stayed closed.
    """

    key: str
    outputs: tuple[str, ...]
    files: Mapping[str, str] | None = None
    exit_code: int = 0

    def unchanged(self, *, look: bool = True) -> bool:
        """Whether every file is the one that was made; without ``look`` only that it is there."""
        if not self.files:
            return False
        if not look:
            return all(os.path.lexists(path) for path in self.files)
        return all(digest_of(path) == digest for path, digest in self.files.items())


@dataclass(slots=True)
class RunState:
    """The stages of one pipeline that were run; every change is on disk, whole, before it returns."""

    path: Path
    made: list[Made] = field(default_factory=list)

    @staticmethod
    def load(path: Path) -> RunState:
        """The state in this file, an empty one when there is none; ``FileFormatError`` for a malformed one."""
        try:
            with path.open("rb") as file:
                raw = file.read(_LARGEST + 1)
        except FileNotFoundError:
            return RunState(path)
        except OSError as error:
            raise reading_error(error, str(path)) from None
        try:
            content = json.loads(raw)
            if len(raw) > _LARGEST or content["dpsynth_run_state"] != VERSION:
                raise ValueError
            return RunState(path, [_made(one) for one in content["stages"]])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            hint = "Delete it to run every stage again; what was paid for is known to the ledger."
            raise FileFormatError("this is not the state of a run", where=str(path), hint=hint) from None

    def of(self, key: str, outputs: Iterable[str]) -> Made | None:
        """What the stage of this key made at these places."""
        places = tuple(outputs)
        return next((one for one in self.made if one.key == key and one.outputs == places), None)

    def owns(self, outputs: Iterable[str]) -> bool:
        """Whether nothing stands at these places but what a stage of this pipeline made and nobody changed since."""
        known = [one for one in self.made if set(one.outputs) & set(outputs)]
        taken = [path for path in outputs if os.path.lexists(path)]
        return all(any(_is_of(one, path) for one in known) for path in taken)

    def put(self, made: Made) -> None:
        """Remember a stage in place of every earlier one with the same outputs."""
        self.keep([one for one in self.made if not set(one.outputs) & set(made.outputs)] + [made])

    def keep(self, made: list[Made]) -> None:
        """Remember exactly these stages."""
        self.made = made
        stages = [
            {
                "key": one.key,
                "outputs": list(one.outputs),
                "files": None if one.files is None else dict(one.files),
                "exit_code": one.exit_code,
            }
            for one in self.made
        ]
        with atomic_write(self.path, force=True) as part:
            part.chmod(0o600)
            part.write_text(json.dumps({"dpsynth_run_state": VERSION, "stages": stages}, indent=1) + "\n", "ascii")


def _is_of(made: Made, path: str) -> bool:
    """Whether the file at ``path`` is the stage's: unchanged since, or left by a run that did not end."""
    if path not in made.outputs:
        return False
    return made.files is None or (path in made.files and made.files[path] == digest_of(path))


def _made(record: Any) -> Made:
    key, outputs, files, code = (record[name] for name in ("key", "outputs", "files", "exit_code"))
    texts = [key, *outputs, *(() if files is None else (*files, *files.values()))]
    if not all(isinstance(text, str) for text in texts) or code not in {0, 5}:
        raise ValueError
    return Made(key, tuple(outputs), None if files is None else dict(files), code)


def files_of(outputs: Iterable[str]) -> dict[str, str]:
    """The digest of every file that stands at these places or beside them under their names."""
    places = [f"{output}{ending}" for output in outputs for ending in ENDINGS]
    found = {path: digest_of(path) for path in places if os.path.lexists(path)}
    return {path: digest for path, digest in found.items() if digest is not None}


def digest_of(path: str) -> str | None:
    """The SHA-256 of a file, or of the names and contents of a folder's files; ``None`` where nothing can be read."""
    try:
        if Path(path).is_dir():
            return text_digest([f"{name}\0{digest_of(str(Path(path, name)))}" for name in sorted(_below(Path(path)))])
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _below(folder: Path) -> Iterator[str]:
    for root, _, names in os.walk(folder):
        yield from (Path(root, name).relative_to(folder).as_posix() for name in names)


def schema_digest(path: str) -> str | None:
    """What a schema says, whatever its comments and layout; of a file that is none, the digest of its bytes."""
    try:
        return Schema.load(path).digest
    except DpsynthError:
        return digest_of(path)


def policy_digest(path: str) -> str | None:
    """What a policy says, with the files beside it that it names, such as hierarchies; of a file that is none, the
    digest of its bytes. Tables of people that it counts in (``policy_tables``) are not opened.
    """
    try:
        document = parse(read_text(path), path)
    except DpsynthError:
        return digest_of(path)
    people = {os.path.realpath(one) for one in policy_tables(path)}
    named = {text: Path(path).parent / text for text in sorted(set(_texts(document)))}
    beside = {text: one for text, one in named.items() if os.path.realpath(one) not in people and _is_file(one)}
    return text_digest([document, {text: digest_of(str(one)) for text, one in beside.items()}])


def policy_tables(path: str) -> tuple[str, ...]:
    """The tables of real people that a policy counts in, such as the population of k-map, each once; none for a file
    that is no policy. They are not opened.
    """
    try:
        document = parse(read_text(path), path)
    except DpsynthError:
        return ()
    found = dict.fromkeys(text for node in _under("population", document) for text in _texts(node))
    return tuple(str(Path(path).parent / text) for text in found)


def _under(key: str, node: Any) -> Iterator[Any]:
    """Whatever stands under this key, however deep."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from (value,) if name == key else _under(key, value)
    elif isinstance(node, list):
        for value in node:
            yield from _under(key, value)


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str) and 0 < len(node) <= 4096 and "\0" not in node:
        yield node
    elif isinstance(node, dict):
        yield from (text for value in node.values() for text in _texts(value))
    elif isinstance(node, list):
        yield from (text for value in node for text in _texts(value))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def text_digest(parts: Any) -> str:
    """The SHA-256 of the canonical JSON of these parts."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
