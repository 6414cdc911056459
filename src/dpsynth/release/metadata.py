"""What a release says of itself to other tools: a Data Package (version 2) and a Croissant description.

Everything here is public before it is written: types, values and bounds come from the schema of the model, never from
the rows, and the facts about the fit from its model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpsynth.release.layout import DATAPACKAGE, LEDGER, REPORT_JSON, table_members
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
    """A release in public facts: its name, title and license, the tables with digest and size, and the fit's facts.

    ``tables``: (SHA-256 in hex, bytes) by member. ``facts``: the ``dpsynth`` block. ``created``: a public time of the
    ledger, ISO 8601; None if there is none.
    """

    name: str
    title: str
    license: Mapping[str, str]
    created: str | None
    columns: tuple[str, ...]
    tables: Mapping[str, tuple[str, int]]
    facts: Mapping[str, Any]


def table_schema(schema: Schema, columns: Sequence[str]) -> dict[str, Any]:
    """The Table Schema of the released columns, in their order: types, enums and bounds of the public schema."""
    exported: dict[str, Any] = json.loads(export_schema(schema, "frictionless").text)
    # The real table may spell booleans otherwise; the released one says true and false.
    told = [{key: one[key] for key in one if key not in ("trueValues", "falseValues")} for one in exported["fields"]]
    fields = {field["name"]: field for field in told}
    return {**exported, "fields": [fields.get(name, {"name": name, "type": "any"}) for name in columns]}


def datapackage(schema: Schema, release: Described) -> bytes:
    """The content of ``datapackage.json``: one described table as CSV, and the same rows as a Parquet file."""
    table = table_schema(schema, release.columns)
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
        "dpsynth": {
            "version": VERSION,
            "name": release.name,
            "report": REPORT_JSON,
            "ledger": LEDGER,
            **release.facts,
        },
    }
    return _written(package)


def croissant(schema: Schema, release: Described) -> bytes:
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
            "recordSet": [
                {"@type": "cr:RecordSet", "@id": "rows", "name": "rows", "field": _fields(schema, release, csv)}
            ],
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


def _fields(schema: Schema, release: Described, csv: str) -> list[dict[str, Any]]:
    types = {field["name"]: field.get("type", "any") for field in table_schema(schema, release.columns)["fields"]}
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
