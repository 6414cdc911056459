"""Models, sampling from them, and the ``.dps`` file."""

from dpsynth.models.distribution import Distribution
from dpsynth.models.intervals import MarginalInterval
from dpsynth.models.markov import Expansion, MarkovRandomField
from dpsynth.models.mixture import MixtureOfProducts
from dpsynth.models.model import Marginal, Model
from dpsynth.models.model_file import load

__all__ = [
    "Distribution",
    "Expansion",
    "Marginal",
    "MarginalInterval",
    "MarkovRandomField",
    "MixtureOfProducts",
    "Model",
    "load",
]
