"""How the codes of a sample become values: the schema's codecs, with bins tilted by the model's one-way marginals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dpsynth.models.code_numbers import CodeNumbers
from dpsynth.models.distribution import Distribution
from dpsynth.schema import Schema
from dpsynth.schema.codecs import BinnedCodec, Codec
from dpsynth.schema.tilting import tilted


def decoders(
    codecs: Mapping[str, Codec | CodeNumbers], schema: Schema | None, distribution: Distribution
) -> dict[str, Codec | CodeNumbers]:
    """The codec that decodes each attribute: as given, or interpolated between the bins where the field asks for it.

    Codes, labels and the mass of every code stay; only where the values of a bin lie changes. Cost: one one-way
    marginal per binned attribute.
    """
    found = dict(codecs)
    for name, codec in codecs.items():
        if schema is None or not isinstance(codec, BinnedCodec) or not schema.field(name).interpolated:
            continue
        masses = np.asarray(distribution.marginal((name,)), dtype=np.float64)[: codec.bins.count]
        found[name] = replace(codec, bins=tilted(codec.bins, masses))
    return found
