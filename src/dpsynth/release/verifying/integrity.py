"""Sums and signature: every member is the one that was signed, and the descriptions speak of these files."""

from __future__ import annotations

from typing import Any

from dpsynth.errors import VerificationError
from dpsynth.release.keys import PublicKey, parsed_signature
from dpsynth.release.layout import CROISSANT, DATAPACKAGE, MODEL, SIGNATURE, SUMS, parsed_sums
from dpsynth.release.verifying.documents import Part
from dpsynth.release.verifying.opening import Package, shown

_RESOURCE = {"name", "type", "path", "format", "mediatype", "encoding", "bytes", "hash", "schema"}


def check_sums(package: Package) -> str:
    """In words that the sums are those of all other members; ``VerificationError`` names the first that differs."""
    promised = parsed_sums(package.read(SUMS))
    present = set(package.files) - {SUMS, SIGNATURE}
    if absent := sorted(set(promised) - present):
        raise VerificationError("the sums name a file that is missing", where=absent[0])
    if extra := sorted(present - set(promised)):
        raise VerificationError("the sums do not name this file", where=extra[0])
    for name in sorted(promised):
        if package.digests[name] != promised[name]:
            raise VerificationError("the file was changed: its SHA-256 is not the one in SHA256SUMS", where=name)
    return f"all {len(promised)} files have the SHA-256 that {SUMS} states"


def check_signature(package: Package, key: PublicKey | None) -> tuple[PublicKey, str]:
    """The key that signed the sums, and in words what that means; ``VerificationError`` if it did not sign them, or is
    not ``key``.
    """
    signer, signature = parsed_signature(package.read(SIGNATURE))
    if key is not None and key != signer:
        what = f"the package is signed with the key {signer.id}, not with the one that was given, {key.id}"
        raise VerificationError(what, where=SIGNATURE)
    signer.verify(signature, package.read(SUMS))
    if key is None:
        return signer, f"the sums are signed with the key {signer.id} inside the package; whose it is was not checked"
    return signer, f"the sums are signed with the key that was given, {signer.id}"


def check_datapackage(package: Package, described: Part) -> str:
    """In words that the Data Package describes the two tables as they are; ``VerificationError`` otherwise."""
    parts = described.parts("resources")
    resources = {one.text("path"): one for one in parts}
    if set(resources) != {package.csv, package.parquet} or len(parts) != len(resources):
        raise VerificationError("it does not describe the tables that are there, each once", where=DATAPACKAGE)
    for path, resource in resources.items():
        if unknown := sorted(set(resource.value) - _RESOURCE):
            raise VerificationError(f"a property that this version cannot check: {unknown[0]!a}", where=resource.where)
        if resource.value.get("encoding", "utf-8") != "utf-8":
            raise VerificationError("the tables of a release are in UTF-8", where=resource.where)
        stated = (resource.text("hash"), resource.whole("bytes"))
        if stated != (f"sha256:{package.digests[path]}", package.sizes[path]):
            raise VerificationError("it states another size or hash of a table", where=resource.where)
    schemas = [resource.value["schema"] for resource in resources.values() if "schema" in resource.value]
    if any(schema != schemas[0] for schema in schemas):
        raise VerificationError("it describes the two forms of the table differently", where=DATAPACKAGE)
    claimed = described.part("dpsynth").value.get("model_digest")
    if MODEL in package.files and claimed != package.digests[MODEL]:
        raise VerificationError("the model is not the one that the description names", where=MODEL)
    return "the description states path, size and hash of both forms of the table"


def check_croissant(package: Package, described: Part) -> str:
    """In words that the Croissant description speaks of these tables; ``VerificationError`` otherwise."""
    files: dict[str, Any] = {}
    for one in described.parts("distribution"):
        if one.value.get("contentUrl") is not None:
            files[one.text("contentUrl")] = one
    for path in (package.csv, package.parquet):
        if path not in files:
            raise VerificationError("it does not name a table that is there", where=CROISSANT)
    for path, one in files.items():
        if path not in package.files:
            raise VerificationError(f"it names a file that is not there: {shown(path)}", where=CROISSANT)
        if one.text("sha256") != package.digests[path]:
            raise VerificationError("it states another hash of a file", where=one.where)
    return "the description states the hash of both forms of the table"
