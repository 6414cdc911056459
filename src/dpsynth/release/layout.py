"""What a release holds, member by member, and the bytes that are signed: integrity rests on these few lines."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from dpsynth.errors import UsageError, VerificationError

README, LICENSE = "README.md", "LICENSE"
DATAPACKAGE, CROISSANT = "datapackage.json", "croissant.json"
REPORT_HTML, REPORT_JSON = "report.html", "report.json"
LEDGER, MODEL = "ledger.jsonl", "model.dps"
SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
DATA = "data"

CONTENT = frozenset({README, LICENSE, DATAPACKAGE, CROISSANT, REPORT_HTML, REPORT_JSON, LEDGER})
"""The members that every release has, beside its tables, the sums and the signature."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}", re.ASCII)
"""Names of releases: they are names of files and of resources."""

_TABLE = re.compile(rf"{DATA}/[a-z0-9][a-z0-9._-]{{0,60}}\.(?:csv|parquet)", re.ASCII)
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]{1,100})", re.ASCII)
_CONTEXT = b"dpsynth-release-v1\n"


def checked_name(name: str) -> str:
    """The name of a release; ``UsageError`` for one that could not be a file's on every system."""
    if not NAME.fullmatch(name):
        what = "a release is named in lower case letters, digits, dots, dashes and underscores"
        raise UsageError(what, where="--name", hint="Example: --name adult-2026")
    return name


def table_members(name: str) -> tuple[str, str]:
    """The members that hold the synthetic rows of a release of this name: CSV and Parquet."""
    return f"{DATA}/{name}.csv", f"{DATA}/{name}.parquet"


def is_member(member: str) -> bool:
    """Whether a release may hold a member of this name."""
    return member in CONTENT | {SUMS, SIGNATURE, MODEL} or bool(_TABLE.fullmatch(member))


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def content_digest(tables: Mapping[str, str], model: str, *, override: bool) -> str:
    """What the ledger knows a release by: digests of its tables and its model, and if the gate was passed over."""
    said = {"tables": dict(tables), "model": model, "override": override}
    return digest(json.dumps(said, sort_keys=True).encode())


def sums_text(digests: Mapping[str, str]) -> bytes:
    """The content of ``SHA256SUMS``, as ``sha256sum`` writes it: members in the order of their names."""
    return "".join(f"{digests[member]}  {member}\n" for member in sorted(digests)).encode("ascii")


def parsed_sums(content: bytes) -> dict[str, str]:
    """Digests by member; ``VerificationError`` unless this is the one text that ``sums_text`` writes of them."""
    lines = content.decode("ascii", "replace").splitlines()
    found = {match[2]: match[1] for line in lines if (match := _LINE.fullmatch(line))}
    if sums_text(found) != content or not all(is_member(member) for member in found):
        raise VerificationError("it is not a list of digests in the order of the members", where=SUMS)
    return found


def signed_bytes(sums: bytes) -> bytes:
    """What a signature is over: nothing else that the same key signs begins with these words."""
    return _CONTEXT + sums
