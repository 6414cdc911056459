"""Under which terms a release leaves: a license for data by its SPDX identifier, a text of the publisher, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dpsynth.errors import UsageError
from dpsynth.release.layout import LICENSE
from dpsynth.tables.files import reading_error

RESERVED = "All rights reserved. What the recipient may do with these data is agreed with the publisher.\n"

KNOWN = (
    *("Apache-2.0", "C-UDA-1.0", "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0"),
    *("CC-BY-SA-4.0", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "DL-DE-BY-2.0"),
    *("DL-DE-ZERO-2.0", "MIT", "NLOD-2.0", "O-UDA-1.0", "ODC-By-1.0", "ODbL-1.0", "OGL-Canada-2.0", "OGL-UK-3.0"),
    *("PDDL-1.0", "etalab-2.0"),
)
"""SPDX identifiers of licenses that data are published under."""

_LONGEST = 1 << 20
_OWN = {"path": LICENSE, "title": "The terms in LICENSE"}


@dataclass(frozen=True, slots=True)
class License:
    """The entry of the Data Package, and the text of the member LICENSE."""

    entry: Mapping[str, str]
    text: bytes

    @staticmethod
    def of(wanted: str | None) -> License:
        """The terms by identifier or file; all rights reserved for None.

        Raises ``UsageError`` for what is neither a known identifier nor a file that is there: a name with a typing
        error in it must not become the terms of a package.
        """
        if wanted is None:
            return License({"name": "other-closed", "title": "All rights reserved"}, RESERVED.encode())
        if wanted in KNOWN:
            page = f"https://spdx.org/licenses/{wanted}.html"
            return License({"name": wanted, "path": page}, f"Licensed under {wanted}: {page}\n".encode())
        return License(_OWN, _text(wanted))


def agrees(entry: Mapping[str, str], text: bytes) -> bool:
    """Whether this entry of a Data Package and this member LICENSE are those of one license."""
    if entry == _OWN:
        return True
    name = entry.get("name")
    made = License.of(name if name in KNOWN else None)
    return entry == made.entry and text == made.text


def _text(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        hint = f"Identifiers: {', '.join(KNOWN)}. For any other, give a file with its text."
        what = "a license is one of the known SPDX identifiers, or a file that is there"
        raise UsageError(what, where="--license", hint=hint) from None
    except OSError as error:
        raise reading_error(error, "--license") from None
    if len(content) > _LONGEST or not content.strip():
        raise UsageError("the file holds no text of a license, or far too much of it", where="--license")
    return content
