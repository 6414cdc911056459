"""The model of a package, when it ships one: the whole report follows from it, the ledger and the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dpsynth.errors import DpsynthError, VerificationError
from dpsynth.release.layout import MODEL
from dpsynth.release.verifying.accounts import Accounts
from dpsynth.release.verifying.documents import Part
from dpsynth.release.verifying.facts import ours
from dpsynth.release.verifying.opening import Package
from dpsynth.release.verifying.outcome import Unchecked
from dpsynth.report.marginals import released_marginal
from dpsynth.report.pool import discoveries, public_pool
from dpsynth.report.public import PublicReport

_ITS_MAKERS = frozenset({"made_by"})
_EVER = frozenset({"guarantee", "spent", "transaction", "method", "synthetic_rows", "override", "preprocessing"})
"""What every version states alike."""


def check_model(
    package: Package, report: Part, counts: Mapping[str, list[int]], accounts: Accounts | None
) -> str | Unchecked:
    """In words that the report is the one on this model; ``VerificationError`` names the first fact that is not.

    ``counts``: of every column, the rows of each of its cells in the table that is shipped.
    """
    if MODEL not in package.files:
        return Unchecked("the package ships no model: noisy counts and intervals rest on the publisher")
    from dpsynth.models import load

    try:
        model = load(package.files[MODEL])
        labels = list(model.provenance.get("labels", ()))
        transaction = str(model.provenance.get("transaction"))
        events = () if accounts is None else accounts.events
        made = PublicReport(
            model=model,
            pool=None if accounts is None else public_pool(accounts.state, events, transaction),
            marginals=tuple(released_marginal(model, name, np.array(counts[name])) for name in model.domain),
            synthetic_rows=report.whole("synthetic_rows"),
            table_labels=tuple(report.list("preprocessing")[len(labels) :]),
            questions=discoveries(events, transaction, {one.receipt.event for one in model.answers}),
            candidates=report.value.get("candidates"),
            override=report.truth("override"),
        ).to_dict()
    except (DpsynthError, KeyError) as error:
        what = error.message if isinstance(error, DpsynthError) else "it models a column that was not released"
        raise VerificationError(f"the model cannot be read: {what}", where=MODEL) from None
    same = ours(report)
    for name in made.keys() - _ITS_MAKERS if same else _EVER:
        if report.value.get(name) != made[name]:
            raise VerificationError("it is not what follows from the model", where=f"{report.where}, {name}")
    _check_counts(report, made["marginals"])
    if not same:
        return "the model is that of the guarantee, and its answers are the noisy counts of the report"
    return "the model, the ledger and the rows give exactly the facts of this report"


def _check_counts(report: Part, marginals: Sequence[Mapping[str, Any]]) -> None:
    for one, made in zip(report.parts("marginals"), marginals, strict=True):
        if any(one.value.get(key) != made[key] for key in ("columns", "noisy", "low", "high", "synthetic")):
            raise VerificationError("its counts are not those of the model", where=one.where)
