"""The tables of the comparison as codes: public sizes, a stated random 80 % for the peers, the rest held out."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from dpsynth.domain import Domain
from dpsynth.metrics import CodedTable, smallest_dtype
from dpsynth.schema import Schema

SCHEMAS = Path(__file__).resolve().parent / "schemas"
DATA_VARIABLE = "DPSYNTH_BENCH_DATA"
SPLIT_SEED = 20261122
TRAINED_SHARE = 0.8
SMOKE = "smoke"
SMOKE_ROWS = 2_500
SMOKE_COLUMNS = ("workclass", "marital-status", "relationship", "race", "sex", "income")


@dataclass(frozen=True)
class Source:
    """Where a table lies below the data folder, how its cells become codes, and what a classifier is to predict."""

    file: str
    title: str
    target: str | None
    delimiter: str = ","


SOURCES = {
    "adult_mckenna": Source("adult_mckenna.csv.gz", "Adult as coded by McKenna", "income>50K"),
    "nltcs": Source("nltcs.csv.gz", "NLTCS", None),
    "bank_full": Source("bank_full.csv.gz", "Bank Marketing", "y"),
    "arx_adult": Source("arx_adult/adult.csv.gz", "ARX's Adult", "salary-class", delimiter=";"),
}
TITLES = {name: source.title for name, source in SOURCES.items()} | {SMOKE: "Raw Adult of the demo, six columns"}


@dataclass(frozen=True, eq=False)
class Split:
    """A table of codes in two parts: ``train`` is what a synthesizer sees, ``holdout`` what it never sees."""

    name: str
    train: CodedTable
    holdout: CodedTable
    target: str | None

    @property
    def sizes(self) -> dict[str, int]:
        """The public number of codes of every column, in order."""
        return dict(zip(self.train.domain.attributes, self.train.domain.sizes, strict=True))


def load(name: str) -> Split | None:
    """The table of this name; ``None`` where its file is absent (``DPSYNTH_BENCH_DATA`` names the folder)."""
    if name == SMOKE:
        return _smoke()
    source = SOURCES[name]
    folder = os.environ.get(DATA_VARIABLE)
    path = Path(folder or ".") / source.file
    if not folder or not path.exists():
        return None
    sizes = path.with_name(f"{name}-domain.json")
    if sizes.exists():
        schema = Schema.from_domain(json.loads(sizes.read_text(encoding="utf-8")), public="the sizes are published")
    else:
        schema = Schema.load(SCHEMAS / f"{name}.yaml")
    options = pyarrow.csv.ParseOptions(delimiter=source.delimiter)
    return split(name, encode(schema, pyarrow.csv.read_csv(path, parse_options=options)), source.target)


def encode(schema: Schema, table: pa.Table) -> CodedTable:
    """The modeled columns of a table as codes, in the narrowest type."""
    domain = schema.domain
    codes = {
        name: schema.codec(name).encode(table[name].combine_chunks()).astype(smallest_dtype(domain[name]))
        for name in domain
    }
    return CodedTable(domain, codes)


def split(name: str, table: CodedTable, target: str | None) -> Split:
    """A random 80 % of the rows and the rest; the seed is fixed, so everybody gets the same rows."""
    order = np.random.default_rng(SPLIT_SEED).permutation(table.rows)
    cut = round(TRAINED_SHARE * table.rows)
    return Split(name, take(table, order[:cut]), take(table, order[cut:]), target)


def take(table: CodedTable, rows: np.ndarray) -> CodedTable:
    """These rows, in this order."""
    return CodedTable(table.domain, {column: codes[rows] for column, codes in table.columns.items()})


def write(table: CodedTable, path: Path) -> None:
    """The codes as CSV with a header."""
    pyarrow.csv.write_csv(pa.table({name: table.columns[name] for name in table.domain}), path)


def read(domain: Domain, path: Path) -> tuple[CodedTable, int]:
    """The rows of a CSV whose cells are codes of the domain, and how many rows had another cell and were dropped."""
    columns = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(domain, pa.float64()), include_columns=list(domain))
    table = pyarrow.csv.read_csv(path, convert_options=columns)
    codes = {name: table[name].to_numpy() for name in domain}
    good = np.all([(codes[name] >= 0) & (codes[name] < domain[name]) for name in domain], axis=0)
    kept = {name: column[good].astype(smallest_dtype(domain[name])) for name, column in codes.items()}
    return CodedTable(domain, kept), int((~good).sum())


def _smoke() -> Split:
    """A few columns of a slice of raw Adult, which ships with the package: works in a clean clone."""
    folder = resources.files("dpsynth.demo_data")
    document = Schema.loads(folder.joinpath("schema.yaml").read_text(encoding="utf-8")).to_dict()
    document["fields"] = [field for field in document["fields"] if field["name"] in SMOKE_COLUMNS]
    with resources.as_file(folder.joinpath("adult.csv.gz")) as path:
        table = pyarrow.csv.read_csv(path).slice(0, SMOKE_ROWS)
    return split(SMOKE, encode(Schema.from_dict(document), table), "income")
