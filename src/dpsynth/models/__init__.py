"""Models, sampling from them, and the ``.dps`` file."""

from dpsynth.models.bayesian import BayesianNetwork, ConditionalTable
from dpsynth.models.claims import Claim, ClaimedMarginal
from dpsynth.models.distribution import Distribution
from dpsynth.models.intervals import MarginalInterval
from dpsynth.models.markov import Expansion, MarkovRandomField
from dpsynth.models.mixture import MixtureOfProducts
from dpsynth.models.model import Marginal, Model
from dpsynth.models.model_file import load

__all__ = [
    "BayesianNetwork",
    "Claim",
    "ClaimedMarginal",
    "ConditionalTable",
    "Distribution",
    "Expansion",
    "Marginal",
    "MarginalInterval",
    "MarkovRandomField",
    "MixtureOfProducts",
    "Model",
    "load",
]
