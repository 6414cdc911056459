"""What a release says of itself to other tools: a Data Package (version 2) and a Croissant description.

Everything here is public before it is written: types, values and bounds come from the schema of the model, never from
the rows, and the facts about the fit from its model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpsynth.release.layout import DATAPACKAGE, LEDGER, REPORT_JSON, content_digest, table_members
from dpsynth.report.sections import reserved_at
from dpsynth.schema import Schema, export_schema

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
VERSION = 1
_CROISSANT_TYPES = {
    "integer": "sc:Integer",
    "number": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "datetime": "sc:DateTime",
}


@dataclass(frozen=True)
class Described:
    """What everything that a release says of itself follows from.

    ``license``: its entry in the Data Package. ``tables``: (SHA-256 in hex, bytes) by member. ``report``: the content
    of report.json, public edition.
    """

    name: str
    title: str
    license: Mapping[str, str]
    columns: tuple[str, ...]
    tables: Mapping[str, tuple[str, int]]
    schema: Schema
    model_digest: str
    report: Mapping[str, Any]

    @property
    def content(self) -> str:
        """What the ledger knows the release by."""
        digests = {member: digest for member, (digest, _) in self.tables.items()}
        return content_digest(digests, self.model_digest, override=self.report["override"])

    @property
    def created(self) -> str | None:
        """When the fit was reserved, ISO 8601: the last moment of the model that is public; ``None`` without a pool."""
        return reserved_at(self.report)

    @property
    def facts(self) -> dict[str, Any]:
        """The ``dpsynth`` block of the Data Package."""
        pool = self.report["pool"]
        return {
            "version": VERSION,
            "name": self.name,
            "report": REPORT_JSON,
            "ledger": LEDGER,
            "content": self.content,
            "model_digest": self.model_digest,
            "guarantee": self.report["guarantee"],
            "pool": None if pool is None else pool["digest"],
            "override": self.report["override"],
            "synthetic_rows": self.report["synthetic_rows"],
            "schema": dict(self.schema.document),
        }


def table_schema(schema: Schema, columns: Sequence[str]) -> dict[str, Any]:
    """The Table Schema of the released columns, in their order: types, enums and bounds of the public schema."""
    exported: dict[str, Any] = json.loads(export_schema(schema, "frictionless").text)
    # The real table may spell booleans otherwise; the released one says true and false.
    told = [{key: one[key] for key in one if key not in ("trueValues", "falseValues")} for one in exported["fields"]]
    fields = {field["name"]: field for field in told}
    return {**exported, "fields": [fields.get(name, {"name": name, "type": "any"}) for name in columns]}


def datapackage(release: Described) -> bytes:
    """The content of ``datapackage.json``: one described table as CSV, and the same rows as a Parquet file."""
    table = table_schema(release.schema, release.columns)
    csv, parquet = table_members(release.name)
    package: dict[str, Any] = {
        "$schema": PROFILE,
        "name": release.name,
        "title": release.title,
        **({} if release.created is None else {"created": release.created}),
        "licenses": [dict(release.license)],
        "resources": [
            {
                "name": release.name,
                "type": "table",
                "path": csv,
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                **_sized(release.tables[csv]),
                "schema": table,
            },
            {
                "name": f"{release.name}-parquet",
                "type": "file",
                "path": parquet,
                "format": "parquet",
                "mediatype": "application/vnd.apache.parquet",
                **_sized(release.tables[parquet]),
            },
        ],
        "dpsynth": release.facts,
    }
    return _written(package)


def croissant(release: Described) -> bytes:
    """The content of ``croissant.json``: Croissant 1.0 (MLCommons), with one record set over the CSV."""
    csv, _ = table_members(release.name)
    return _written(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "name": release.name,
            "description": release.title,
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "license": release.license.get("path", release.license.get("title", "")),
            "url": DATAPACKAGE,
            "version": "1.0.0",
            **({} if release.created is None else {"datePublished": release.created}),
            "distribution": _files(release, csv),
            "recordSet": [{"@type": "cr:RecordSet", "@id": "rows", "name": "rows", "field": _fields(release, csv)}],
        }
    )


def _files(release: Described, csv: str) -> list[dict[str, str]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": member,
            "name": member,
            "contentUrl": member,
            "encodingFormat": "text/csv" if member == csv else "application/vnd.apache.parquet",
            "sha256": digest,
            "contentSize": f"{size} B",
        }
        for member, (digest, size) in sorted(release.tables.items())
    ]


def _fields(release: Described, csv: str) -> list[dict[str, Any]]:
    types = {
        field["name"]: field.get("type", "any") for field in table_schema(release.schema, release.columns)["fields"]
    }
    return [
        {
            "@type": "cr:Field",
            "@id": f"rows/{number}",
            "name": f"rows/{number}",
            "description": name,
            "dataType": _CROISSANT_TYPES.get(types[name], "sc:Text"),
            "source": {"fileObject": {"@id": csv}, "extract": {"column": name}},
        }
        for number, name in enumerate(release.columns)
    ]


def _sized(table: tuple[str, int]) -> dict[str, Any]:
    digest, size = table
    return {"bytes": size, "hash": f"sha256:{digest}"}


def _written(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
