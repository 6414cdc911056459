"""``dpsynth report``: both editions from a fit, what may not stand in the public one, hostile names, what does not fit.

Nothing here is statistical: the noise of the fit is not looked at.
"""

from __future__ import annotations

import copy
import json
import re
import stat
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

import dpsynth
from dpsynth.cli.main import APPLICATION
from dpsynth.errors import DataMismatchError, FileFormatError, LedgerError, NoGuaranteeError, UsageError
from dpsynth.ledger import Ledger
from dpsynth.models import Model
from dpsynth.pipeline.origin import drawing, model_digest
from dpsynth.pipeline.report import report
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import Receipt
from dpsynth.report.marginals import ReleasedMarginal, mean_error
from dpsynth.tables import write_sidecar
from model_examples import random_field
from reading import ROOT

MARK = "zq7marker"
HOSTILE = "<script>alert(1)</script>"
LONG = "w" * 500
SCHEMA = {
    "dpsynth": {"version": 1, "name": "people", "unit": "row"},
    "fields": [
        {"name": "id", "type": "string", "dpsynth": {"role": "direct-id", "source": "public"}},
        {"name": HOSTILE, "type": "string", "constraints": {"enum": ["<b>", "=cmd"]}, "dpsynth": {"source": "public"}},
        {"name": "emoji 🦉|`*", "type": "string", "constraints": {"enum": ["f", "m"]}, "dpsynth": {"source": "public"}},
        {
            "name": LONG,
            "type": "integer",
            "constraints": {"minimum": 0, "maximum": 79},
            "dpsynth": {"source": "public", "bins": {"width": 1}},
        },
    ],
}
SCHEMA_FILE = json.loads((ROOT / "docs/reference/report.schema.json").read_text(encoding="utf-8"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(APPLICATION, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit, its sample and an audit full of markers, in a folder whose name is one."""
    folder = tmp_path_factory.mktemp(MARK)
    draw = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "id": [f"{MARK}{one}" for one in range(400)],
            HOSTILE: draw.choice(["<b>", "=cmd"], 400),
            "emoji 🦉|`*": draw.choice(["f", "m"], 400),
            LONG: draw.integers(0, 80, 400),
        }
    )
    table.to_csv(folder / "people.csv", index=False)
    (folder / "s.yaml").write_text(yaml.safe_dump(SCHEMA, allow_unicode=True), encoding="utf-8")
    ledger = Ledger.open(folder / "l.db")
    ledger.create("people", epsilon=2, delta=Fraction(1, 10**9), actor=MARK, purpose=MARK)
    model = dpsynth.fit(
        str(folder / "people.csv"), str(folder / "s.yaml"), epsilon=1, method="independent", ledger=ledger
    )
    model.save(folder / "m.dps")
    assert run("sample", folder / "m.dps", "-o", folder / "syn.csv", "--seed", 1).exit_code == 0
    ledger.record("people", "AUDIT", {}, private={"candidate": MARK}, actor=MARK)
    ledger.record("people", "DISCLOSURE", {"what": "x"}, private={"purpose": MARK, "host": MARK}, actor=MARK)
    (folder / "audit.json").write_text(json.dumps(audit_of(folder)), encoding="utf-8")
    return folder


def audit_of(folder: Path) -> dict:
    interval = {"low": 0.112233, "high": 0.445566, "level": 0.9}
    figure = {"name": MARK, "value": 0.223344, "unit": "", "color": "internal", "source": MARK, "interval": interval}
    finding = {
        "risk": MARK,
        "attack": MARK,
        "threat_model": MARK,
        "group": MARK,
        "figure": figure,
        "threshold": 0.334455,
    }
    finding |= {"verdict": "PASS", "ceiling": 0.556677, "trials": {MARK: 9}, "needed": None, "words": MARK, "facts": {}}
    finding |= {"demand": "pass", "citation": MARK}
    digests = {name: model_digest(folder / file) for name, file in (("model", "m.dps"), ("synthetic", "syn.csv"))}
    return {
        "audit_version": 1,
        "kind": "release",
        "verdict": "PASS",
        "gate": {"name": MARK, "version": MARK, "title": MARK, "candidates": 7, "sha256": MARK},
        "rules": [{"rule": MARK, "verdict": "PASS", "words": MARK, "citation": MARK}],
        "findings": [finding],
        "reported": [{**finding, "measure": MARK, "value": 0.1, "low": 0.0, "high": 1.0}],
        "roc": [{"attack": MARK, "group": MARK, "points": [[0, 0], [0.5, 0.6], [1, 1]]}],
        "smoke_test": [{**figure, "name": MARK}],
        "checklist": [{"clause": MARK, "item": MARK}],
        "notes": [MARK],
        "samples": {MARK: 3},
        "attempt": None,
        "digests": {**digests, "real": MARK},
    }


def made_report(folder: Path, edition: str, **wishes: object):
    given = {"synthetic": folder / "syn.csv", "audit": folder / "audit.json", "ledger": folder / "l.db"}
    return report(folder / "m.dps", edition=edition, **{**given, **wishes})


def forms(made_of) -> dict[str, str]:
    texts = {"json": json.dumps(made_of.to_dict()), "html": made_of.to_html(), "md": made_of.to_markdown()}
    return {**texts, "registry": made_of.to_registry()}


def test_both_editions_follow_the_schema_and_repeat_their_bytes(made: Path) -> None:
    for edition, real in (("public", None), ("internal", made / "people.csv")):
        first, again = (made_report(made, edition, real=real) for _ in range(2))
        jsonschema.validate(first.to_dict(), SCHEMA_FILE)
        assert forms(first) == forms(again)


def test_no_internal_field_reaches_the_public_edition(made: Path) -> None:
    internal = forms(made_report(made, "internal", real=made / "people.csv"))
    assert all(MARK in internal[form] for form in ("json", "html", "md"))
    audit = audit_of(made)
    numbers = ("0.112233", "0.445566", "0.223344", "0.334455", "0.556677", "0.1122", "0.2233")
    for form, text in forms(made_report(made, "public")).items():
        assert MARK not in text, form
        assert not [number for number in numbers if number in text], form
        assert not re.search(r"\b(PASS|FAIL|INCONCLUSIVE|AUDIT)\b", text), form
    failed = {**audit, "verdict": "FAIL", "attempt": {"candidate": 2, "of": 7}}
    assert forms(made_report(made, "public", audit=failed)) == forms(made_report(made, "public"))
    assert "up to 7 candidates" in made_report(made, "public").to_dict()["meaning"]["candidates"]


def test_the_public_facts_are_those_of_model_table_and_ledger(made: Path) -> None:
    facts = made_report(made, "public").to_dict()
    model = dpsynth.load(made / "m.dps")
    assert facts["guarantee"] == dict(model.provenance["guarantee"])
    assert [one["receipt"] for one in facts["answers"]] == [one.receipt.record() for one in model.answers]
    table = pd.read_csv(made / "syn.csv")
    assert facts["synthetic_rows"] == len(table)
    sex = next(one for one in facts["marginals"] if one["columns"] == ["emoji 🦉|`*"])
    assert dict(zip(sex["labels"], sex["synthetic"], strict=True))["f"] == (table["emoji 🦉|`*"] == "f").sum()
    answer = next(one for one in model.answers if one.clique == ("emoji 🦉|`*",) and one.receipt.draw == sex["draw"])
    assert sex["noisy"] == answer.values.tolist()
    assert facts["pool"]["disclosures"] == 1
    assert 0.731 < next(one["value"] for one in facts["figures"] if one["name"].startswith("share")) < 0.7312


def test_internal_decisions_name_their_gate(made: Path) -> None:
    def decision(audit: object) -> dict:
        return made_report(made, "internal", audit=audit).to_dict()["decision"]

    assert decision(made / "audit.json")["allowed"]
    none = decision(None)
    assert not none["allowed"]
    assert "not audited" in none["gates"][0]
    assert not decision({**audit_of(made), "verdict": "INCONCLUSIVE"})["allowed"]


class Page(HTMLParser):
    """Collects tags and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_pages_run_nothing_fetch_nothing_and_escape_names(made: Path) -> None:
    for edition in ("public", "internal"):
        text = made_report(made, edition, real=made / "people.csv" if edition == "internal" else None).to_html()
        page = Page(text)
        names = [tag for tag, _ in page.tags]
        assert not {"script", "link", "img", "iframe", "b", "object"} & set(names)
        assert not [
            (name, to)
            for _, found in page.tags
            for name, to in found.items()
            if name in {"src", "style"} or name[:2] == "on" or (name == "href" and not str(to).startswith("#"))
        ]
        assert "default-src 'none'" in text
        assert names.count("h1") == 1
        assert len([tag for tag in names if tag == "svg"]) <= names.count("table")
        assert len(text) < 400_000
        assert ("INTERNAL" in text) == (edition == "internal")
        assert HOSTILE not in text
        assert HOSTILE not in made_report(made, edition).to_markdown()


def test_an_override_is_said_first(made: Path) -> None:
    facts = made_report(made, "public", override=True)
    assert facts.to_dict()["override"] is True
    assert "Released under override" in facts.to_html()


def test_what_does_not_belong_together_is_refused(made: Path, tmp_path: Path) -> None:
    audit = audit_of(made)
    other = copy.deepcopy(audit)
    other["digests"]["model"] = "0" * 64
    with pytest.raises(DataMismatchError, match="another model"):
        made_report(made, "public", audit=other)
    pd.read_csv(made / "syn.csv").iloc[1:].to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(DataMismatchError, match="another synthetic table"):
        made_report(made, "internal", synthetic=tmp_path / "other.csv")
    with pytest.raises(LedgerError, match="no such ledger"):
        made_report(made, "public", ledger=tmp_path / "other.db")
    assert not (tmp_path / "other.db").exists()
    Ledger.open(tmp_path / "other.db").create("others", epsilon=Fraction(1), delta=Fraction(1, 10**9))
    with pytest.raises(LedgerError, match="another population"):
        made_report(made, "public", ledger=tmp_path / "other.db")
    with pytest.raises(UsageError, match="no real rows"):
        made_report(made, "public", real=made / "people.csv")
    with pytest.raises(UsageError, match="synthetic table"):
        made_report(made, "internal", audit=None, synthetic=None, real=made / "people.csv")
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(DataMismatchError):
        made_report(made, "public", audit=None, synthetic=tmp_path / "x.csv")
    with pytest.raises(NoGuaranteeError):
        report(Model(random_field((2, 3), seed=1)), edition="public")


def test_counts_of_a_table_that_nobody_drew_are_never_public(made: Path, tmp_path: Path) -> None:
    copy_of_it = tmp_path / "bare.csv"
    copy_of_it.write_bytes((made / "syn.csv").read_bytes())
    for table in (made / "people.csv", pd.read_csv(made / "people.csv"), copy_of_it):
        with pytest.raises(DataMismatchError, match="it may be anything"):
            made_report(made, "public", audit=None, synthetic=table)
    audited = made_report(made, "internal", synthetic=copy_of_it).to_dict()["decision"]
    assert (audited["allowed"], len(audited["gates"])) == (False, 1)
    assert "drawn from a model" in audited["gates"][0]
    write_sidecar(copy_of_it, [f"POST {drawing('0' * 64)}"], model_digest(copy_of_it))
    for edition in ("public", "internal"):
        with pytest.raises(DataMismatchError, match="from another model"):
            made_report(made, edition, synthetic=copy_of_it)
    write_sidecar(copy_of_it, ["NON-DP edited by hand"], model_digest(copy_of_it))
    with pytest.raises(NoGuaranteeError, match="no guarantee holds"):
        made_report(made, "public", synthetic=copy_of_it)
    gates = made_report(made, "internal", synthetic=copy_of_it, audit=None).to_dict()["decision"]["gates"]
    assert any("no finite stability" in one for one in gates)


def test_a_report_without_a_table_allows_nothing(made: Path) -> None:
    decision = made_report(made, "internal", synthetic=None).to_dict()["decision"]
    assert (decision["allowed"], decision["gates"]) == (False, ["table: none was given to this report"])


def test_a_closed_gate_says_why_on_the_first_page(made: Path) -> None:
    audit = audit_of(made)
    finding = {**audit["findings"][0], "verdict": "INCONCLUSIVE", "words": "too few rows to tell"}
    rule = {"rule": "pool-epsilon", "verdict": "FAIL", "words": "the cap is 99", "citation": ""}
    closed = {**audit, "verdict": "FAIL", "findings": [finding], "rules": [rule]}
    page = made_report(made, "internal", audit=closed).to_html()
    assert all(words in page[: page.index("<nav")] for words in ("too few rows to tell", "the cap is 99"))
    told = made_report(made, "internal", audit={**closed, "findings": [{**finding, "demand": "no-failure"}]}).to_html()
    assert told.index("<nav") < told.index("too few rows to tell")


def test_a_registry_entry_is_public_and_counts_no_rows_that_nobody_drew(made: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_bytes((made / "syn.csv").read_bytes())
    with pytest.raises(DataMismatchError, match="drawn from the model"):
        made_report(made, "internal", synthetic=bare, audit=None).to_registry()
    base = ("report", made / "m.dps", "--ledger", made / "l.db", "--format", "registry", "-o", tmp_path / "r.yaml")
    drawn = ("--synthetic", made / "syn.csv")
    assert [run(*base, *more).exit_code for more in (("--synthetic", bare), (*drawn, "--real", bare), drawn)] == [
        3,
        2,
        0,
    ]


def test_distances_stand_beside_what_noise_alone_makes() -> None:
    share = {"column": "a", "labels": ("x", "y"), "low": (0.0, 0.0), "high": (9.0, 9.0), "synthetic": None}
    assert ReleasedMarginal(noisy=(60, 40), draw=1, error=5.0, **share).noise == pytest.approx(0.05)
    assert ReleasedMarginal(noisy=(60, -40), draw=1, error=1e9, **share).noise == 1.0
    assert ReleasedMarginal(noisy=(0, -1), draw=1, error=5.0, **share).noise is None
    assert ReleasedMarginal(noisy=(60, 40), draw=None, **share).noise is None
    receipt = Receipt("t", 1, "0" * 64, PrivacyLoss())
    # A million draws of each law: the mean of |X| lies within 0.5 % of its limit but for one run in 10^6 or fewer.
    draws = np.random.default_rng(1)
    drawn = {"gaussian": draws.normal(0, 7, 10**6), "laplace": draws.laplace(0, 7, 10**6)}
    for law, noise in drawn.items():
        made_of = NoisyMarginal(("a",), np.zeros(2, dtype=np.int64), 7.0, 1, receipt, "exact", law=law)
        assert mean_error(made_of.law, made_of.deviation) == pytest.approx(np.abs(noise).mean(), rel=0.005)


@pytest.mark.parametrize(
    "change",
    [
        {"audit_version": 2},
        {"kind": "mechanism"},
        {"verdict": "YES"},
        {"gate": None},
        {"roc": [{"attack": "a", "group": "b", "points": [[0]]}]},
        {"roc": [{"attack": "a", "group": "b", "points": [[0.5, 1], [0, 0]]}]},
        {"findings": [{}]},
        {"samples": {"x": "many"}},
        {"digests": []},
    ],
)
def test_a_damaged_audit_is_no_audit(made: Path, change: dict) -> None:
    with pytest.raises(FileFormatError, match="not the audit"):
        made_report(made, "internal", audit={**audit_of(made), **change})


def test_files_that_are_no_audit(made: Path, tmp_path: Path) -> None:
    for content in ("", "{", "[1]", '"x"', "null"):
        (tmp_path / "a.json").write_text(content, encoding="utf-8")
        with pytest.raises(FileFormatError):
            made_report(made, "public", audit=tmp_path / "a.json")
    with pytest.raises(FileFormatError, match="no such file") as missing:
        made_report(made, "public", audit=tmp_path / "none.json")
    assert "dpsynth audit release" in str(missing.value.hint)
    with pytest.raises(FileFormatError, match="cannot be read"):
        made_report(made, "public", audit=tmp_path)


def test_an_empty_synthetic_table_is_reported(made: Path, tmp_path: Path) -> None:
    pd.read_csv(made / "syn.csv").iloc[:0].to_csv(tmp_path / "empty.csv", index=False)
    write_sidecar(
        tmp_path / "empty.csv", [f"POST {drawing(model_digest(made / 'm.dps'))}"], model_digest(tmp_path / "empty.csv")
    )
    for edition in ("public", "internal"):
        real = made / "people.csv" if edition == "internal" else None
        found = made_report(made, edition, audit=None, synthetic=tmp_path / "empty.csv", real=real)
        assert found.to_dict()["synthetic_rows"] == 0
        assert forms(found)


def test_the_command_writes_every_form(made: Path, tmp_path: Path) -> None:
    base = ("report", made / "m.dps", "--synthetic", made / "syn.csv", "--ledger", made / "l.db")
    for name, edition in (("a.html", "internal"), ("b.json", "public"), ("c.md", "public"), ("d.yaml", "public")):
        done = run(*base, "--edition", edition, "-o", tmp_path / name)
        assert done.exit_code == 0, done.output
        assert (stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600) == (edition == "internal")
    assert run(*base, "-o", tmp_path / "a.html").exit_code == 2
    assert run(*base, "-o", tmp_path / "a.txt").exit_code == 2
    entry = yaml.safe_load((tmp_path / "d.yaml").read_text(encoding="utf-8"))
    assert entry["deployment"]["privacy_loss"]["privacy_parameters"] == {"epsilon": 1, "delta": 1e-9}
    shown = run(*base, "--edition", "public", "--format", "json", "-o", "-")
    assert json.loads(shown.stdout) == json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))


def test_a_pdf_without_its_extra_says_what_to_install(monkeypatch):
    import sys

    from dpsynth.errors import UsageError
    from dpsynth.report.report import Report

    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(UsageError, match="weasyprint") as refused:
        Report.to_pdf(object.__new__(Report))
    assert "print the HTML page" in refused.value.hint


def test_the_page_on_classes_says_what_the_audit_saw(made: Path) -> None:
    def page(audit: object) -> str:
        text = made_report(made, "internal", audit=audit).to_markdown()
        section = text.partition("k-anonymity and suppression")[2].partition("\n## ")[0]
        return re.sub(r"\(U\+20\d\d\)", "", section)

    plain = audit_of(made)
    counts = {"classes": 1234.0, "smallest": 2.0, "alone": 0.0, "rows": 400.0}
    seen = {"risk": "equivalence classes", "attack": "unique matches", "facts": counts}
    judged = {**plain, "findings": [{**plain["findings"][0], **seen}], "reported": []}
    assert re.search(r"classes\s*\|\s*zq7marker\s*\|\s*1,234", page(judged))
    assert "0.223, at most 0.446; accepted is 0.334455: PASS" in page(judged)
    reported = {**plain, "findings": [], "reported": [{**plain["reported"][0], **seen}]}
    assert re.search(r"unique matches: zq7marker\s*\|\s*zq7marker\s*\|\s*0.1, at most 1\b", page(reported))
    rule = {"rule": "smallest-class", "verdict": "FAIL", "words": "the smallest class has 2 rows", "citation": "x"}
    assert "the smallest class has 2 rows" in page({**plain, "rules": [rule]})
    assert "asks nothing of classes, and no attack looked at them" in page(plain)
    assert "was not audited" in page(None)
    assert "No gate asked" not in "".join(page(audit) for audit in (judged, reported, plain, None))
