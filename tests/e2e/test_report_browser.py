"""The page of a report in headless Chromium: it fits the screen, asks nobody for anything, everybody can use it.

One small model and one with hostile names; both editions, wide and narrow, light and dark. Nothing here is statistical.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import dpsynth
from dpsynth.ledger import Ledger
from dpsynth.pipeline.report import report
from dpsynth.pipeline.sample import sample

CHROMIUM = Path("/usr/bin/chromium")
DRIVERS = ("playwright", "axe_core_python")
MISSING = [str(CHROMIUM)] * (not CHROMIUM.exists()) + [one for one in DRIVERS if not importlib.util.find_spec(one)]
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(MISSING), reason=f"the page is not looked at in a browser: {', '.join(MISSING)} missing"),
]
PLAIN = ("sex", "color", "years")
HOSTILE = ("<script>alert(1)</script>", "\u202emoji 🦉\u200f|`*", "w" * 500)
PAGES = [f"{names}-{edition}" for names in ("plain", "hostile") for edition in ("internal", "public")]
A4_POINTS = (595, 842)


def schema_of(names: tuple[str, str, str], choices: tuple[list[str], ...]) -> str:
    """The schema of two columns of categories and one of numbers, as YAML."""
    fields: list[dict[str, Any]] = [
        {"name": name, "type": "string", "constraints": {"enum": of}, "dpsynth": {"source": "public"}}
        for name, of in zip(names, choices, strict=False)
    ]
    bins = {"source": "public", "bins": {"width": 10}}
    fields.append({"name": names[2], "type": "integer", "constraints": {"minimum": 0, "maximum": 79}, "dpsynth": bins})
    described = {"dpsynth": {"version": 1, "name": "people", "unit": "row"}, "fields": fields}
    return yaml.safe_dump(described, allow_unicode=True)


def written(folder: Path, names: tuple[str, str, str]) -> None:
    """Both editions of the report of 300 made-up rows, in ``folder``."""
    draw = np.random.default_rng(1)
    choices = (["<b>", "=cmd"], ["f", "m"])
    table = pd.DataFrame({name: draw.choice(of, 300) for name, of in zip(names, choices, strict=False)})
    table[names[2]] = draw.integers(0, 80, 300)
    table.to_csv(folder / "people.csv", index=False)
    (folder / "s.yaml").write_text(schema_of(names, choices), encoding="utf-8")
    people, ledger = str(folder / "people.csv"), Ledger.open(folder / "l.db")
    ledger.create("people", epsilon=2, delta="1e-9", actor="me", purpose="a test")
    model = dpsynth.fit(people, str(folder / "s.yaml"), epsilon=1, method="independent", ledger=ledger)
    rows = folder / "synthetic.csv"
    sample(model, rows, n=300, seed=1)
    made = {"synthetic": str(rows), "ledger": ledger}
    internal, public = report(model, real=people, **made), report(model, edition="public", **made)
    (folder / "internal.html").write_text(internal.to_html(), encoding="utf-8")
    (folder / "public.html").write_text(public.to_html(), encoding="utf-8")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of each page."""
    found = {}
    for kind, names in (("plain", PLAIN), ("hostile", HOSTILE)):
        folder = tmp_path_factory.mktemp(kind)
        written(folder, names)
        found |= {f"{kind}-{edition}": (folder / f"{edition}.html").as_uri() for edition in ("internal", "public")}
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One headless Chromium for the whole module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, as its package ships it."""
    found = importlib.util.find_spec("axe_core_python")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_page_asks_nobody_fits_the_screen_and_is_accessible(
    browser: Any, axe: str, pages: dict[str, str], page: str, scheme: str
) -> None:
    # The policy of the page forbids every script, so axe-core needs a context that does not keep it; what the page
    # itself asks for and complains about is seen in one that does.
    complaints, requests = [], []
    with browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 800}) as context:
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(pages[page])
        assert (complaints, requests) == ([], [pages[page]])
    with browser.new_context(color_scheme=scheme, bypass_csp=True) as context:
        tab = context.new_page()
        tab.goto(pages[page])
        tab.evaluate(axe)
        for width in (1280, 360):
            tab.set_viewport_size({"width": width, "height": 800})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
        found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("page", ["plain-internal", "hostile-public"])
def test_page_prints_on_a4(browser: Any, pages: dict[str, str], page: str) -> None:
    with browser.new_context() as context:
        tab = context.new_page()
        tab.goto(pages[page])
        printed = tab.pdf(format="A4")
        folded = "all => all.map(el => getComputedStyle(el, '::details-content').contentVisibility)"
        assert set(tab.locator("details").evaluate_all(folded)) == {"hidden"}
        tab.emulate_media(media="print")
        # On paper nothing can be unfolded.
        assert set(tab.locator("details").evaluate_all(folded)) == {"visible"}
        shown = "all => all.map(el => getComputedStyle(el).display)"
        assert set(tab.locator("summary").evaluate_all(shown)) == {"none"}
        mark = "el => [el, '::after'].map((_, n) => getComputedStyle(el, n ? '::after' : null).position)"
        assert tab.locator(".watermark").evaluate_all(f"all => all.map({mark})") == (
            # What stands on every page lets the text below show through; the line itself takes its own room.
            [["static", "fixed"]] if "internal" in page else []
        )
    assert printed.startswith(b"%PDF-")
    width, height = A4_POINTS
    box = printed.split(b"/MediaBox [", 1)[1].split(b"]", 1)[0].split()
    assert (abs(float(box[2]) - width) <= 1, abs(float(box[3]) - height) <= 1) == (True, True)
