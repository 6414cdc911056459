"""The released model: what a fit hands out, and all that analysts, samplers and reports need."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pyarrow as pa

from dpsynth.domain import Clique, Domain
from dpsynth.errors import UsageError
from dpsynth.graph import Convergence
from dpsynth.models.balancing import absent, balanced
from dpsynth.models.claims import Claim, ClaimedMarginal, checked_claim, claim_of
from dpsynth.models.code_numbers import CodeNumbers
from dpsynth.models.constrained import constrained, with_known_zeros
from dpsynth.models.dealing import BLOCK_ROWS, Codes
from dpsynth.models.decoding import decoders
from dpsynth.models.distribution import Distribution, Method
from dpsynth.models.frames import Output, converted
from dpsynth.models.intervals import MarginalInterval, NoisyAnswers, checked_level
from dpsynth.models.regeneration import Regeneration
from dpsynth.models.rounding import Expected
from dpsynth.models.where import Where, evidence_of
from dpsynth.privacy.answers import NoisyMarginal, Selection
from dpsynth.schema.codecs import Codec
from dpsynth.schema.conditions import Condition
from dpsynth.schema.document import did_you_mean
from dpsynth.tables import atomic_write

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.schema import Schema

ROW_LIMIT = 1 << 40


@dataclass(frozen=True, eq=False)
class Marginal:
    """The expected counts of a clique: ``values`` float64, one axis per attribute, in rows; ``labels`` names the codes
    along every axis. A model's estimate, computed from noisy answers.
    """

    clique: Clique
    values: Expected
    labels: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A differentially private model of a table. Everything it computes is post-processing: free and repeatable.

    ``answers`` are the noisy answers it was estimated from, each with its receipt. ``settings`` and ``provenance``
    hold JSON-able public facts; ``provenance`` is what the pipeline records about the fit (guarantee, labels, pool
    digest, versions). Without a schema, values are integer codes; with one, it is kept as its public copy.

    ``claims`` are somebody else's noisy tables, when it was estimated from those: such a model carries their owner's
    claim and no guarantee of dpsynth. Anything else raises ``NoGuaranteeError``.

    >>> from dpsynth.graph import CalibratedTree, junction_tree
    >>> from dpsynth.models import MarkovRandomField
    >>> tree = junction_tree(Domain(("a",), (2,)), [("a",)])
    >>> model = Model(MarkovRandomField(CalibratedTree(tree, (np.array([30.0, 70.0]),), 100.0)))
    >>> model.sample(10, seed=0)["a"].value_counts().to_dict()
    {1: 7, 0: 3}
    >>> model
    <dpsynth.Model by unknown: 1 column, about 100 rows, no guarantee recorded>
    """

    distribution: Distribution
    answers: tuple[NoisyMarginal | Selection, ...] = ()
    method: str = "unknown"
    settings: Mapping[str, Any] = field(default_factory=dict)
    convergence: Convergence | None = None
    schema: Schema | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    claims: tuple[ClaimedMarginal, ...] = ()

    def __post_init__(self) -> None:
        if self.schema is not None:
            object.__setattr__(self, "schema", self.schema.public)
        checked_claim(self.provenance, self.claims, self.answers)

    def __repr__(self) -> str:
        """One line: what it is, how large, and what it guarantees."""
        stated = self.provenance.get("guarantee", {}) if self.dp else {}
        known = "epsilon" in stated and "delta" in stated
        promise = f"epsilon {stated['epsilon']}, delta {stated['delta']}" if known else "no guarantee recorded"
        if self.claim is not None:
            promise = f"dp: {self.claim.stamp}"
        columns = f"{len(self.domain)} column" + ("s" if len(self.domain) != 1 else "")
        return f"<dpsynth.Model by {self.method}: {columns}, about {self.default_rows:,} rows, {promise}>"

    @property
    def domain(self) -> Domain:
        """The modeled attributes and their sizes."""
        return self.distribution.domain

    @property
    def total(self) -> float:
        """The noisy number of rows."""
        return self.distribution.total

    @property
    def dp(self) -> bool:
        """Whether the pipeline recorded that a guarantee holds for this model; a claim is none."""
        return self.provenance.get("dp") is True

    @property
    def claim(self) -> Claim | None:
        """Whose word stands for a guarantee instead of a ledger; ``None`` unless the model was made of their tables."""
        return claim_of(self.provenance)

    @property
    def default_rows(self) -> int:
        """The noisy number of rows as a count: the default size of a sample."""
        return max(round(self.total), 0)

    @cached_property
    def constrained(self) -> Distribution:
        """The distribution with the constraints of the schema as exact zeros: what samples and marginals follow.

        Without constraints it is ``distribution``, as it was estimated.
        """
        allowed = self.schema.allowed if self.schema else None
        return constrained(self.distribution, allowed) if allowed else self.distribution

    @cached_property
    def codecs(self) -> Mapping[str, Codec | CodeNumbers]:
        """How the codes of every attribute become values."""
        schema, domain = self.schema, self.domain
        plain = {name: CodeNumbers(domain[name]) for name in domain}
        return MappingProxyType({name: schema.codec(name) if schema else plain[name] for name in domain})

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow types of every sampled batch."""
        if self.schema is not None:
            return self.schema.arrow_schema
        codecs = self.codecs
        return pa.schema([pa.field(name, codecs[name].arrow_type, codecs[name].nullable) for name in self.domain])

    @cached_property
    def _decoders(self) -> Mapping[str, Codec | CodeNumbers]:
        return decoders(self.codecs, self.schema, self.distribution)

    @cached_property
    def _noisy_answers(self) -> NoisyAnswers:
        return NoisyAnswers.of(self.domain, (*self.answers, *self.claims))

    @overload
    def marginal(self, clique: Clique | str, interval: None = None) -> Marginal: ...

    @overload
    def marginal(self, clique: Clique | str, interval: float) -> MarginalInterval: ...

    def marginal(self, clique: Clique | str, interval: float | None = None) -> Marginal | MarginalInterval:
        """The expected counts of a few columns with their labels; ``DomainError`` for an unknown column.

        A single column may be given by its name. With ``interval``, a level such as 0.95, every cell also has an
        interval for its true count, from the noisy answers or claimed tables that the model keeps: ``UsageError`` for a
        level outside (0, 1), and for a model that keeps none. Cells that the schema's constraints rule out are [0, 0].
        """
        names = (clique,) if isinstance(clique, str) else tuple(clique)
        self.domain.check_clique(names)
        level = None if interval is None else checked_level(interval)
        labels = MappingProxyType({name: tuple(self.codecs[name].labels) for name in names})
        values = self.constrained.marginal(names)
        if level is None:
            return Marginal(names, values, labels)
        found = self._noisy_answers.interval(names, values, labels, level)
        allowed = self.schema.allowed if self.schema else None
        return with_known_zeros(found, allowed.possible(names, values.shape)) if allowed else found

    @overload
    def sample(
        self,
        n: int | None = None,
        where: Where = None,
        seed: int | None = None,
        method: Method = "rounding",
        *,
        balance: str | None = None,
        output: Literal["pandas"] = "pandas",
    ) -> pd.DataFrame: ...

    @overload
    def sample(
        self,
        n: int | None = None,
        where: Where = None,
        seed: int | None = None,
        method: Method = "rounding",
        *,
        balance: str | None = None,
        output: Literal["pyarrow"],
    ) -> pa.Table: ...

    @overload
    def sample(
        self,
        n: int | None = None,
        where: Where = None,
        seed: int | None = None,
        method: Method = "rounding",
        *,
        balance: str | None = None,
        output: Output,
    ) -> Any: ...

    def sample(
        self,
        n: int | None = None,
        where: Where = None,
        seed: int | None = None,
        method: Method = "rounding",
        *,
        balance: str | None = None,
        output: Output = "pandas",
    ) -> Any:
        """``n`` synthetic rows (default: the noisy total) in random order, as a pandas, polars or pyarrow table.

        ``where`` conditions the model exactly: no row is drawn and thrown away. The same seed gives the same table.
        Columns that the schema invents (``generate``) stand among the others; nobody's values are in them.
        With ``rounding`` the counts of every clique of the model stay within a few rows of their expectation; ``iid``
        draws every row independently. ``balance`` names a column: each of its values (or bins) that meets the
        conditions gets the same number of rows, nulls none. Raises ``UsageError`` for a negative ``n``, an unknown
        column, an impossible condition, and more rows than a unique column has values.
        """
        if output not in {"pandas", "polars", "pyarrow"}:
            raise UsageError("the output is pandas, polars or pyarrow", where="output")
        batches = list(self.sample_batches(n, where, seed, method=method, balance=balance))
        return converted(pa.Table.from_batches(batches, schema=self.arrow_schema), output, self.schema)

    def sample_batches(
        self,
        n: int | None = None,
        where: Where = None,
        seed: int | None = None,
        batch_rows: int = BLOCK_ROWS,
        method: Method = "rounding",
        *,
        balance: str | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of ``sample`` as record batches of at most ``batch_rows`` rows, in bounded memory.

        The rows do not depend on ``batch_rows``. Arguments are checked at once, before the first batch is asked for.
        """
        rows = self.default_rows if n is None else _checked_rows(n)
        if method not in {"rounding", "iid"}:
            raise UsageError("the method of sampling is rounding or iid", where="method")
        if _integer(batch_rows, "batch_rows") < 1:
            raise UsageError("a batch needs at least 1 row", where="batch_rows")
        generator = _entropy(seed)
        source, inside = self._given(where)
        if balance is not None:
            source = balanced(source, *self._balanced_column(balance))
        if rows and not source.total > 0:
            raise UsageError("the model describes an empty table: it has no rows to draw", where="n")
        added = Regeneration(self.schema, rows, generator)
        return self._batches(source, rows, inside, generator, added, batch_rows=batch_rows, method=method)

    def absent_values(self, column: str, where: Where = None) -> tuple[str, ...]:
        """The labels of the values (or bins, not null) of a column that the model has no rows of, given conditions:
        those that a balanced sample leaves out. Raises ``UsageError`` for an unknown column.
        """
        return absent(self._given(where)[0], *self._balanced_column(column))

    def _balanced_column(self, column: str) -> tuple[str, Codec | CodeNumbers]:
        if column not in self.domain:
            hint = did_you_mean(column, list(self.domain))
            raise UsageError(f"the model has no column {column!r}", where="balance", hint=hint)
        return column, self.codecs[column]

    def _given(self, where: Where) -> tuple[Distribution, Mapping[str, Condition]]:
        """The distribution given the conditions, and the conditions that decoding draws within."""
        evidence = evidence_of(where, self.domain, self._decoders, self.schema)
        source = self.constrained.conditioned(evidence.weights) if evidence.weights else self.constrained
        if evidence.weights and not source.total > 0:
            hint = "Each condition can be met, but in this model not all of them together."
            raise UsageError("the conditions are impossible", where="where", hint=hint)
        return source, evidence.inside

    def _batches(
        self,
        source: Distribution,
        rows: int,
        inside: Mapping[str, Condition],
        generator: np.random.Generator,
        added: Regeneration,
        *,
        batch_rows: int,
        method: Method,
    ) -> Iterator[pa.RecordBatch]:
        for codes in source.sample_blocks(rows, generator, method) if rows else ():
            block = self._decoded(codes, inside, generator, added)
            for start in range(0, block.num_rows, batch_rows):
                yield block.slice(start, batch_rows)

    def _decoded(
        self,
        codes: Mapping[str, Codes],
        inside: Mapping[str, Condition],
        generator: np.random.Generator,
        added: Regeneration,
    ) -> pa.RecordBatch:
        columns = {name: self._decoders[name].decode(codes[name], generator, inside.get(name)) for name in self.domain}
        if self.schema is not None:
            columns = self.schema.restored(columns, generator)
        columns |= added.columns(len(next(iter(columns.values()))))
        return pa.RecordBatch.from_arrays([columns[name] for name in self.arrow_schema.names], schema=self.arrow_schema)

    def write(self, path: str | PathLike[str]) -> None:
        """Write the model file to ``path`` itself, which may exist; the same model gives the same bytes."""
        from dpsynth.models.model_file import write_model

        write_model(self, path)

    def save(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Save the model as a ``.dps`` file: complete or not at all.

        Raises ``OutputExistsError`` if the file exists and ``force`` is not given.
        """
        with atomic_write(path, force=force) as part:
            self.write(part)


def _integer(value: int, where: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise UsageError("this must be a whole number", where=where) from None


def _checked_rows(n: int) -> int:
    rows = _integer(n, "n")
    if not 0 <= rows <= ROW_LIMIT:
        raise UsageError(f"the number of rows must lie between 0 and {ROW_LIMIT:,}", where="n")
    return rows


def _entropy(seed: int | None) -> np.random.Generator:
    """The generator of a sample: the only randomness is its seed, or fresh entropy of the system."""
    if seed is not None and _integer(seed, "seed") < 0:
        raise UsageError("a seed is a whole number of at least 0", where="seed")
    return np.random.default_rng(seed)
