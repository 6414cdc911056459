"""The model of a package, when it ships one: it must be the model that the report speaks of."""

from __future__ import annotations

from dpsynth.errors import DpsynthError, VerificationError
from dpsynth.release.layout import MODEL
from dpsynth.release.verifying.documents import Part
from dpsynth.release.verifying.opening import Package
from dpsynth.release.verifying.outcome import Unchecked


def check_model(package: Package, report: Part) -> str | Unchecked:
    """In words that the model states the report's guarantee, fit and noisy answers; ``VerificationError`` otherwise."""
    if MODEL not in package.files:
        return Unchecked("the package ships no model")
    from dpsynth.models import load
    from dpsynth.privacy.answers import NoisyMarginal

    try:
        model = load(package.files[MODEL])
    except DpsynthError as error:
        raise VerificationError(f"the model cannot be read: {error.message}", where=MODEL) from None
    stated = {"guarantee": model.provenance.get("guarantee", {}), "transaction": model.provenance.get("transaction")}
    if any(report.value.get(key) != value for key, value in stated.items()):
        raise VerificationError("it is not the model that the report speaks of", where=MODEL)
    alone = [one for one in model.answers if isinstance(one, NoisyMarginal) and len(one.clique) == 1]
    noisy = {(one.clique[0], one.receipt.draw): one.values.tolist() for one in alone}
    quoted = [one for one in report.parts("marginals") if one.value.get("draw") is not None]
    for one in quoted:
        if noisy.get((str(one.list("columns")[0]), one.whole("draw"))) != one.list("noisy"):
            raise VerificationError("its noisy counts are not the model's answer", where=one.where)
    return f"the model states the same guarantee, and its answers are the {len(quoted)} noisy counts of the report"
