"""Many at once: exactly as many reservations are granted as the cap holds, by threads and by processes."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Ledger
from dpsynth.privacy.unit import Unit

DELTA = Fraction(1, 10**9)

RESERVE_THIRTY = """
import sys
from fractions import Fraction
from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Ledger
from dpsynth.privacy.unit import Unit

ledger = Ledger.open(sys.argv[1])
share = ledger.pool("people").share_of_cap(Fraction(1, 50))
granted = 0
for _ in range(30):
    try:
        transaction = ledger.reserve("people", share, unit=Unit(), epsilon=Fraction(1), delta=Fraction(1, 10**9),
                                     method="mst")
    except BudgetExceededError:
        continue
    transaction.touch()
    transaction.draw(share, {"question": "measure"})
    transaction.commit({})
    granted += 1
print(granted)
"""


def test_four_processes_are_granted_exactly_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).create("people", epsilon=Fraction(1), delta=DELTA)
    command = [sys.executable, "-c", RESERVE_THIRTY, str(path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    granted = [int(worker.communicate()[0]) for worker in workers]
    assert sum(granted) == 50
    ledger = Ledger.open(path)
    state = ledger.pools()[0]
    assert state.charged.rho == 50 * (state.cap.rho // 50) <= state.cap.rho
    verification = ledger.verify()
    assert verification.ok
    assert verification.events == 1 + 4 * 50


def test_threads_share_a_ledger(tmp_path: Path) -> None:
    for ledger in (Ledger.open(tmp_path / "ledger.db"), Ledger.in_memory()):
        share = ledger.create("people", epsilon=Fraction(1), delta=DELTA).share_of_cap(Fraction(1, 20))

        def ask(_: int, ledger: Ledger = ledger, share: object = share) -> bool:
            try:
                ledger.reserve("people", share, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="mst")  # type: ignore[arg-type]
            except BudgetExceededError:
                return False
            return True

        with ThreadPoolExecutor(4) as threads:
            granted = sum(threads.map(ask, range(32)))
        assert granted == 20
        assert len(ledger.pools()[0].live) == 20
        assert ledger.verify().ok


def test_two_creators_get_one_pool(tmp_path: Path) -> None:
    def create(_: int) -> bool:
        return Ledger.open(tmp_path / "a" / "ledger.db").ensure("people", epsilon=Fraction(1), delta=DELTA)[1]

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(create, range(8))) == 1
    assert Ledger.open(tmp_path / "a" / "ledger.db").verify().events == 1
