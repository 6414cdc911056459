"""Whatever the columns are, no question of discovery is asked for nothing: an empty share would end in a forfeit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from dpsynth.discovery import Purse, discover
from dpsynth.pipeline.discovery_plan import discovery_loss
from dpsynth.privacy.governor import Governor
from fake_discoverable import FakeDiscoverable

ROWS = 20_000
DRAW = np.random.default_rng(1)
TABLES = {
    "a list to complete, nothing in order": {
        "country": DRAW.choice(["France", "Germany", "Spain"], ROWS),
        "plan": DRAW.choice(["a", "b"], ROWS),
    },
    "codes among numbers, no text": {"code": DRAW.choice(["100234", "934234", "734999"], ROWS)},
    "truth alone": {"active": DRAW.choice(["true", "false"], ROWS)},
}


@pytest.mark.parametrize("name", TABLES)
def test_every_question_has_a_share(name: str) -> None:
    asker = FakeDiscoverable(pa.table(TABLES[name]))
    loss = discovery_loss(Fraction(3), Fraction(1, 10**9), Governor.GDP)
    purse = Purse(loss, Governor.GDP, 1, Fraction(1, 3))
    found = discover(asker, purse)
    assert all(one.modeled for one in found.findings)
    charged = [Governor.GDP.units(part) for _, _, part in asker.asked]
    assert all(charged)
    assert sum(charged) <= Governor.GDP.units(loss) / 3
