"""What a fit held out, kept so that an audit can tell it again: the key of the coins, in a file of its owner alone.

The file is Internal: whoever reads it learns who was held out. Proof page: ``docs/proofs/holdout.md``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.curator.holdout import Coins, SideReader
from dpsynth.errors import DataMismatchError, FileFormatError, OutputExistsError, UsageError
from dpsynth.evidence import INTERNAL_WATERMARK
from dpsynth.pipeline.preprocessing import Preprocessing
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.unit import Unit
from dpsynth.tables import TableReader, atomic_write
from dpsynth.tables.atomic import check_output
from dpsynth.tables.files import reading_error

_VERSION = 1
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Holdout:
    """Who was held out of one fit. ``unit``: whose coins these are. ``transaction``: the fit's, in the ledger and in
    the model. ``sha256``: of the file that was fitted, None for a frame or a stream.
    """

    coins: Coins
    unit: Unit
    transaction: str
    sha256: str | None

    def training(self, reader: TableReader) -> SideReader:
        """The rows that the fit saw."""
        return SideReader(reader, self.coins, self.unit.column, held=False)

    def control(self, reader: TableReader) -> SideReader:
        """The rows that it did not see."""
        return SideReader(reader, self.coins, self.unit.column, held=True)


@dataclass(slots=True)
class HoldoutWish:
    """A share to be held out under a fresh key, whose text goes to ``path``; ``written`` once it is there."""

    coins: Coins
    path: Path
    text: str = field(repr=False)
    written: bool = False

    @staticmethod
    def of(share: Any, path: str | os.PathLike[str] | None, model: str | os.PathLike[str] | None) -> HoldoutWish | None:
        """The wish, with a key of its own; ``None`` when nothing is held out.

        The key goes to ``path``, else to ``MODEL.holdout.json``. Raises ``UsageError`` for a share that is none or a
        key without a place, ``OutputExistsError`` when that place is taken.
        """
        if share is None:
            if path is not None:
                raise UsageError("nothing is held out, so there is no key to keep", where="holdout_file")
            return None
        key, text = MaskKey.fresh()
        coins = Coins(key, _share(share))
        place = holdout_path(model) if path is None and model is not None else path
        if place is None:
            raise UsageError("the key of a holdout needs a file of its own", hint="Give holdout_file.")
        if model is not None and os.path.realpath(place) == os.path.realpath(model):
            raise UsageError("the key of a holdout would stand where the model goes", where=os.fspath(place))
        if Path(place).exists():
            hint = "Move it away: without it, the model it belongs to loses its control group."
            raise OutputExistsError("the key of a holdout stands here already", where=os.fspath(place), hint=hint)
        check_output(place, force=False)
        return HoldoutWish(coins, Path(place), text)

    def training(self, reader: TableReader, unit: Unit) -> SideReader:
        """The rows that the fit may see."""
        return SideReader(reader, self.coins, unit.column, held=False)

    def labeled(self, preprocessing: Preprocessing) -> Preprocessing:
        """What was done to the table, with this step."""
        step = f"held out before the fit: each unit with chance {self.coins.share}, by a secret coin"
        note = f"{self.path.name} tells who was held out: keep it for the audit, and to yourself"
        return replace(
            preprocessing,
            labels=(*preprocessing.labels, str(Label(LabelKind.FREE, step))),
            notes=(*preprocessing.notes, note),
        )

    def write(self, data: Any, unit: Unit, transaction: str) -> None:
        """Write the key, readable by its owner alone (mode 0600), complete or absent; never over another file."""
        record = {
            "dpsynth_holdout": _VERSION,
            "notice": f"{INTERNAL_WATERMARK}. Whoever reads the key learns who was held out.",
            "transaction": transaction,
            "unit": str(unit),
            "share": str(self.coins.share),
            "key": self.text,
            "table_sha256": table_digest(data),
        }
        with atomic_write(self.path, force=False) as part:
            part.chmod(0o600)
            part.write_text(json.dumps(record, indent=1) + "\n", encoding="ascii")
        self.written = True


@contextmanager
def kept_with(wish: HoldoutWish | None) -> Iterator[None]:
    """A block that may write the key of the wish: when it fails, no key stays behind."""
    try:
        yield
    except BaseException:
        if wish is not None and wish.written:
            wish.path.unlink(missing_ok=True)
        raise


def holdout_path(model: str | os.PathLike[str]) -> Path:
    """Where the key of a model's holdout stands."""
    return Path(f"{os.fspath(model)}.holdout.json")


def table_digest(data: Any) -> str | None:
    """The SHA-256 of a table's file in hex; ``None`` for a frame or a stream."""
    if not isinstance(data, str | os.PathLike) or os.fspath(data) == "-":
        return None
    try:
        with Path(data).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise reading_error(error, os.fspath(data)) from None


def read_holdout(path: str | os.PathLike[str]) -> Holdout:
    """The holdout of a file; ``FileFormatError`` (never with a key) when it is none."""
    where = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_LONGEST + 1)
    except OSError as error:
        raise reading_error(error, where) from None
    try:
        record = json.loads(raw)
        if len(raw) > _LONGEST or record["dpsynth_holdout"] != _VERSION:
            raise ValueError
        coins = Coins(MaskKey.parse(record["key"], where), Fraction(record["share"]))
        digest = record["table_sha256"]
        if not isinstance(digest, str | None):
            raise TypeError
        return Holdout(coins, Unit.parse(record["unit"]), str(record["transaction"]), digest)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, UsageError):
        raise FileFormatError("this is not a holdout file of this version", where=where) from None


def check_same_table(holdout: Holdout, data: Any) -> bool:
    """Whether the table is known to be the one that was split: false where no digest tells.

    Raises ``DataMismatchError`` when it is another file: its rows would fall on other sides.
    """
    digest = table_digest(data)
    if holdout.sha256 is None or digest is None:
        return False
    if digest != holdout.sha256:
        what = "this is not the file that was fitted: the holdout's coins belong to other rows"
        raise DataMismatchError(what, where=os.fspath(data), hint="Give the table of the fit, byte for byte.")
    return True


def _share(share: Any) -> Fraction:
    text = str(share)
    try:
        return Fraction(text.removesuffix("%")) / 100 if text.endswith("%") else Fraction(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UsageError("the share that is held out is a fraction such as 10% or 1/10", where="holdout") from None
