"""The texts of a package, written again from the facts that were checked: README, page, descriptions and license."""

from __future__ import annotations

from collections.abc import Sequence

from dpsynth.errors import DpsynthError, VerificationError
from dpsynth.release.descriptions import descriptions
from dpsynth.release.layout import DATAPACKAGE, LICENSE, MODEL, REPORT_JSON
from dpsynth.release.licenses import agrees
from dpsynth.release.metadata import Described
from dpsynth.release.verifying.documents import Part
from dpsynth.release.verifying.facts import maker, ours
from dpsynth.release.verifying.opening import Package
from dpsynth.release.verifying.outcome import Unchecked
from dpsynth.schema import Schema

_FAULTS = (DpsynthError, KeyError, IndexError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)


def described_release(
    package: Package, columns: Sequence[str], report: Part, described: Part, schema: Schema
) -> Described:
    """The release that the texts of a package are about; ``VerificationError`` where one is not named."""
    licenses = described.parts("licenses")
    if len(licenses) != 1:
        raise VerificationError("a release has one license", where=DATAPACKAGE)
    block = described.part("dpsynth")
    return Described(
        name=block.text("name"),
        title=described.text("title"),
        license=licenses[0].value,
        columns=tuple(columns),
        tables={name: (package.digests[name], package.sizes[name]) for name in (package.csv, package.parquet)},
        schema=schema,
        model_digest=block.text("model_digest"),
        report=report.value,
    )


def check_texts(package: Package, release: Described, *, key_id: str) -> str | Unchecked:
    """In words that every text of the package is, byte for byte, what dpsynth writes of these facts;
    ``VerificationError`` names the first that is not. Another version of dpsynth may write them otherwise.
    """
    if not agrees(release.license, package.read(LICENSE)):
        raise VerificationError("the terms in it are not those of the description", where=LICENSE)
    report = Part(release.report, REPORT_JSON)
    if not ours(report):
        return Unchecked(f"written by {maker(report)}: only that version can say whether they follow from the facts")
    try:
        made = descriptions(release, key_id=key_id, with_model=MODEL in package.files)
    except _FAULTS:
        raise VerificationError("nothing can be written of its facts", where=REPORT_JSON) from None
    for name, content in made.items():
        if package.read(name) != content:
            raise VerificationError("it says something else than the facts of this release", where=name)
    return f"{', '.join(sorted(made))} are, byte for byte, what dpsynth writes of these facts"
