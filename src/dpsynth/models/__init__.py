"""Models, sampling from them, and the ``.dps`` file."""

from dpsynth.models.markov import Distribution, Expansion, MarkovRandomField
from dpsynth.models.model import Marginal, Model
from dpsynth.models.model_file import load

__all__ = ["Distribution", "Expansion", "Marginal", "MarkovRandomField", "Model", "load"]
