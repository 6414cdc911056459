import numpy as np
import pyarrow as pa
import pytest

from dpsynth.curator import counting, grouping
from dpsynth.curator.counting import attributes_of, check_cliques, code_dtype, count_blocks
from dpsynth.curator.sources import CachedCounts, CountCache, MemorySource, encode_batch
from dpsynth.domain import Domain
from dpsynth.errors import DomainError, ResourceLimitError

DOMAIN = Domain.from_sizes({"a": 2, "b": 300, "c": 70, "d": 1, "e": 9})


def block(rows, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.integers(0, DOMAIN[name], rows).astype(code_dtype(DOMAIN[name])) for name in DOMAIN}


def brute(blocks, clique):
    counts = np.zeros(DOMAIN.shape(clique), dtype=np.int64)
    for one in blocks:
        for row in zip(*(one[name].tolist() for name in ("a", *clique)), strict=True):
            counts[row[1:]] += 1
    return counts


@pytest.mark.parametrize("step", [1, 7, 1 << 15])
@pytest.mark.parametrize("group", [1, 100, 1 << 14, 1 << 40])
def test_every_clique_is_exact_however_it_is_grouped(monkeypatch, step, group):
    monkeypatch.setattr(counting, "_ROWS", step)
    monkeypatch.setattr(grouping, "_GROUP_CELLS", group)
    blocks = [block(40), block(0), block(23, seed=1)]
    cliques = [(), *DOMAIN.cliques(1), *DOMAIN.cliques(2), *DOMAIN.cliques(3), ("e", "b", "a"), DOMAIN.attributes]
    for clique, counts in zip(cliques, count_blocks(DOMAIN, blocks, cliques), strict=True):
        assert counts.dtype == np.int64
        assert counts.flags.c_contiguous
        np.testing.assert_array_equal(counts, brute(blocks, clique), err_msg=str(clique))


def test_no_blocks_are_zero_rows():
    assert count_blocks(DOMAIN, [], [("a",)])[0].tolist() == [0, 0]


def test_a_repeated_clique_is_answered_twice():
    first, second = count_blocks(DOMAIN, [block(5)], [("a", "e"), ("e", "a")])
    np.testing.assert_array_equal(first, second.T)


def test_keys_do_not_overflow_their_dtype():
    domain = Domain.from_sizes({"x": 255, "y": 257, "z": 2})
    last = {"x": np.array([254], np.uint8), "y": np.array([256], np.uint16), "z": np.array([1], np.uint8)}
    pair, triple = count_blocks(domain, [last], [("x", "y"), ("x", "y", "z")])
    assert pair[254, 256] == pair.sum() == 1
    assert triple[254, 256, 1] == triple.sum() == 1


@pytest.mark.parametrize(("size", "dtype"), [(1, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")])
def test_codes_take_the_smallest_dtype(size, dtype):
    assert code_dtype(size) == np.dtype(dtype)


def test_a_pass_reads_the_union_and_never_nothing():
    assert attributes_of(DOMAIN, [("c", "a"), ("e",)]) == ("a", "c", "e")
    assert attributes_of(DOMAIN, [()]) == ("a",)


def test_questions_are_checked_before_a_table_is_opened():
    opened = []
    source = CachedCounts(DOMAIN, lambda attributes: opened.append(attributes) or [])
    with pytest.raises(DomainError):
        source.counts([("a", "x")])
    with pytest.raises(ResourceLimitError):
        check_cliques(Domain.from_sizes({"x": 1 << 20, "y": 1 << 20}), [("x", "y")])
    with pytest.raises(DomainError):
        check_cliques(Domain.from_sizes({}), [()])
    assert opened == []


class Passes:
    """Blocks that remember how often they were read, and for what."""

    def __init__(self):
        self.asked = []

    def __call__(self, attributes):
        self.asked.append(attributes)
        return [block(30)]


def test_a_prefetched_workload_is_one_pass():
    passes = Passes()
    source = CachedCounts(DOMAIN, passes)
    source.prefetch([("a", "c"), ("e",)])
    np.testing.assert_array_equal(source.counts([("c", "a")])[0], brute([block(30)], ("c", "a")))
    source.counts([("e",), ("a", "c")])
    assert passes.asked == [("a", "c", "e")]
    source.counts([("e",), ("b",), ("b", "e")])
    assert passes.asked[1:] == [("b", "e")]


def test_the_cache_is_limited_by_cells_and_forgets_the_oldest():
    passes = Passes()
    source = CachedCounts(DOMAIN, passes, cache_cells=80)
    source.prefetch([("c",), ("e",), ("b",)])  # b has more cells than are left: not counted ahead
    assert passes.asked == [("c", "e")]
    source.counts([("e",)])
    source.counts([("a", "d"), ("c",)])
    assert len(passes.asked) == 2
    source.counts([("b",)])
    source.counts([("b",)])
    assert len(passes.asked) == 4
    cache = CountCache(10)
    for name in ("x", "y", "z"):
        cache.put((name,), np.zeros(4, np.int64))
    assert cache.get(("x",)) is None
    assert cache.get(("z",)) is not None


@pytest.mark.parametrize(
    "columns",
    [
        {"a": np.zeros(2, np.uint8)},
        {"a": np.zeros(2, np.int64), "b": np.zeros(2, np.uint8)},
        {"a": np.zeros(2, np.uint8), "b": np.zeros(3, np.uint8)},
        {"a": np.zeros((2, 1), np.uint8), "b": np.zeros(2, np.uint8)},
        {"a": np.array([2], np.uint8), "b": np.zeros(1, np.uint8)},
    ],
    ids=["missing", "signed", "ragged", "matrix", "outside"],
)
def test_memory_source_refuses_columns_that_are_no_codes(columns):
    with pytest.raises(DomainError):
        MemorySource(Domain.from_sizes({"a": 2, "b": 3}), columns)


def test_a_faulty_codec_reaches_no_other_cell():
    class Faulty:
        domain = Domain.from_sizes({"a": 3})

        def columns(self, attributes):
            return attributes

        def encode(self, attributes, batch):
            return {"a": np.array([0, 2, 3, 70000, -1], np.int32)}

    assert encode_batch(pa.record_batch({"a": [0] * 5}), Faulty(), ("a",))["a"].tolist() == [0, 2, 2, 2, 2]
