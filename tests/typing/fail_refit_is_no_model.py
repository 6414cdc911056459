"""A refit of an audit is no model: nothing that saves or samples one takes it."""

from dpsynth.audit.attacks.refits import InternalModel
from dpsynth.models import Model


def released(model: Model) -> None:
    model.save("m.dps")


def leaves(refit: InternalModel) -> None:
    released(refit)  # type: ignore[arg-type]
    refit.save("m.dps")  # type: ignore[attr-defined]
    refit.sample(10)  # type: ignore[attr-defined]
