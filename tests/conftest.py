"""Settings and fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fake_queryable import FakeQueryable

ROOT = Path(__file__).resolve().parent.parent

# Examples per property: few in the suite that everybody runs, many on demand (HYPOTHESIS_PROFILE=thorough).
# No deadline: two busy cores make any time limit a coin toss. No database: runs leave nothing behind.
_SLOW_OK = [HealthCheck.too_slow]
# The quick examples are the same in every run: who changed nothing sees no new failure. "thorough" looks for new ones.
settings.register_profile(
    "quick", max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=_SLOW_OK
)
settings.register_profile("thorough", max_examples=2_000, deadline=None, database=None, suppress_health_check=_SLOW_OK)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forbid-skips", action="store_true", help="a test that skips is a test that failed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--forbid-skips"):
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(autouse=True)
def _isolated_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test ever reaches the ledger of the person who runs the tests, nor their settings."""
    for name in [name for name in os.environ if name.startswith("DPSYNTH_")]:
        if name != "DPSYNTH_BENCH_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("DPSYNTH_LEDGER", str(tmp_path / "ledger.db"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))


@pytest.fixture
def fake_queryable() -> type[FakeQueryable]:
    """A Queryable over made-up rows with numpy noise: ``fake_queryable(domain, codes, loss, seed)``."""
    return FakeQueryable
