"""README.md of a release: what the partner holds, what it protects, and how to check it. Public facts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.models.origin import chosen
from dpsynth.release.layout import LEDGER, LICENSE, MODEL, REPORT_HTML, SUMS, table_members
from dpsynth.release.metadata import Described
from dpsynth.release.pool_words import beyond_cap
from dpsynth.report.markdown import escaped
from dpsynth.report.meaning import NOT_PROTECTED, sentence
from dpsynth.schema.codecs import CategoryCodec
from dpsynth.schema.formulas import formula_columns

OVERRIDE = "RELEASED UNDER OVERRIDE: somebody decided to hand this table out whatever the gate said."

CHOSEN = "DRAWN UNDER A CONDITION, OR BALANCED: the counts and shares of this table are not those of all rows."


def datasheet(release: Described, *, key_id: str, with_model: bool) -> bytes:
    """The text of README.md."""
    report, schema = release.report, release.schema
    csv, parquet = table_members(release.name)
    guarantee = report["guarantee"]
    lines = _head(release.title, report, chosen(report["preprocessing"], release.model_digest))
    lines += _promise(guarantee, report["claim"], report["pool"])
    lines += ["## What is here", "", "| file | what |", "|---|---|"]
    lines += [f"| `{csv}`, `{parquet}` | the same rows, as text and with types |"]
    lines += [f"| `{REPORT_HTML}` | the report: guarantee, budget, utility, limits; a page that needs no network |"]
    lines += ["| `report.json`, `datapackage.json`, `croissant.json` | the same facts for programs |"]
    spent = "what the population's budget was spent on, hash-chained"
    lines += [f"| `{LEDGER}` | {spent if guarantee else 'empty: no ledger of dpsynth paid for the model'} |"]
    lines += [f"| `{MODEL}` | the model itself: `dpsynth sample` draws more rows |"] if with_model else []
    lines += [f"| `{LICENSE}` | what you may do with it |", ""]
    lines += [
        "## How to check it",
        "",
        f"Signed by the key `{key_id}`. Compare that with what the publisher told you in another way:",
        "a file cannot vouch for itself.",
        "",
        "```",
        f"sha256sum -c {SUMS}                    # nothing was changed since",
        "frictionless validate datapackage.json     # every row fits its description",
        "dpsynth verify . --key ../PUBLISHER.pub    # signature, rows, ledger, and the arithmetic of the guarantee",
        "```",
        "",
        "Keep the publisher's key outside of this folder: a release holds nothing but its own files.",
        "",
    ]
    lines += ["## Columns", "", "| column | type | what may stand there |", "|---|---|---|"]
    lines += [f"| {escaped(one.name)} | {one.type} | {_values(one)} |" for one in schema.output]
    lines += ["", *_warning(formula_columns(schema))]
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def _head(title: str, report: Mapping[str, Any], drawn: str | None) -> list[str]:
    lines = [f"# {escaped(title)}", ""]
    lines += [f"**{OVERRIDE}**", ""] if report["override"] else []
    lines += [f"**{CHOSEN}** Its label: {escaped(drawn)}.", ""] if drawn else []
    return [
        *lines,
        f"{report['synthetic_rows']:,} synthetic rows, drawn from a model. None was taken from the table behind it;",
        "one may equal a row of that table by chance.",
        "",
    ]


def _promise(
    guarantee: Mapping[str, Any], claim: Mapping[str, Any] | None, pool: Mapping[str, Any] | None
) -> list[str]:
    if not guarantee:
        return ["## No guarantee of dpsynth", "", *_claimed(claim or {}), ""]
    epsilon, delta = str(guarantee["epsilon"]), str(guarantee["delta"])
    return [
        "## What is guaranteed",
        "",
        f"Differential privacy with ε = {epsilon}, δ = {delta}; it {escaped(str(guarantee['protects']))}.",
        sentence(epsilon, delta, str(guarantee["unit"])),
        "",
        *_pool(pool),
        "Not protected:",
        "",
        *(f"- {escaped(text)}" for text in NOT_PROTECTED),
        "",
    ]


def _pool(pool: Mapping[str, Any] | None) -> list[str]:
    if pool is None:
        return []
    cap, late = pool["cap"], bool(pool["raised_after_outputs"])
    said = beyond_cap(late=late, disclosures=int(pool["disclosures"]))
    total = f"Cap of the pool that paid, for all its releases together: ε = {cap['epsilon']}, δ = {cap['delta']}"
    return ["; ".join([total, *said]) + ".", ""]


def _claimed(claim: Mapping[str, Any]) -> list[str]:
    owner, words = claim.get("owner"), claim.get("text")
    whose = "its owner" if owner is None else escaped(str(owner))
    return [
        f"The model was made of tables that {whose} vouches for; dpsynth neither checked nor paid for what they state"
        + ("." if words is None else f", in their words: {escaped(str(words))}")
    ]


def _values(field: Any) -> str:
    codec = field.codec
    if isinstance(codec, CategoryCodec):
        return f"one of {len(codec.values):,} categories"
    return {"date": "dates", "datetime": "moments", "boolean": "true or false"}.get(field.type, "see datapackage.json")


def _warning(columns: Sequence[str]) -> list[str]:
    if not columns:
        return []
    named = ", ".join(escaped(name) for name in columns)
    return [
        "## Spreadsheets",
        "",
        f"The names or values of these columns begin with one of `= + - @`: {named}. They are published as they are;",
        "a spreadsheet program may take them for formulas. Import the CSV file as text.",
        "",
    ]
