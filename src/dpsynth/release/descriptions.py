"""Everything that a release says of itself: each text follows from the same facts, so whoever has these can write all
of them again and compare.
"""

from __future__ import annotations

import json

from dpsynth.release.datasheet import datasheet
from dpsynth.release.layout import CROISSANT, DATAPACKAGE, README, REPORT_HTML, REPORT_JSON
from dpsynth.release.metadata import Described, croissant, datapackage
from dpsynth.report.html import html
from dpsynth.report.sections import public_document


def descriptions(release: Described, *, key_id: str, with_model: bool) -> dict[str, bytes]:
    """The members that describe the release, byte for byte the same for the same facts and version of dpsynth.

    ``key_id``: of the key that signs. ``with_model``: whether the model is among the members.
    """
    page = html(public_document(release.report))
    return {
        README: datasheet(release, key_id=key_id, with_model=with_model),
        DATAPACKAGE: datapackage(release),
        CROISSANT: croissant(release),
        REPORT_HTML: page.encode("utf-8", "backslashreplace"),
        REPORT_JSON: (json.dumps(release.report, indent=1) + "\n").encode(),
    }
