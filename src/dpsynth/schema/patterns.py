r"""A small regular language → its automaton, and texts by their rank: whole arrays of distinct texts of a pattern.

The subset: literals, escapes (``\d``, ``\w``, ``\.`` ...), classes (``[A-Z0-9_-]``), groups with alternatives
(``(AB|C)``), and the bounded repeats ``?``, ``{n}``, ``{m,n}``. Every pattern therefore has finitely many texts. It is
turned into a deterministic automaton (subset construction over character positions: Glushkov 1961; McNaughton and
Yamada 1960), in which every text has exactly one path. Counting paths ranks the texts; a permutation of the ranks
draws them without replacement, and an ambiguous pattern gives no text twice.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import cached_property

MAX_PATTERN = 256
MAX_POSITIONS = 256
MAX_STATES = 2_048
MAX_DEPTH = 16
MAX_ATOMS = 4 * MAX_POSITIONS
MAX_CLASS = 4_096
MAX_WORK = 250_000
_DIGITS = frozenset(string.digits)
_CLASSES = {"d": _DIGITS, "w": frozenset(string.ascii_letters + string.digits + "_")}
_SPECIAL = frozenset("\\[](){}|?*+.^$")
_CONTROL = frozenset(map(chr, (*range(32), 127)))


class PatternError(ValueError):
    """The pattern is outside the subset or too large; the message says why, in words for a schema's author."""


@dataclass(frozen=True)
class _Part:
    """A piece of the pattern over positions: those it may begin and end with, and whether it may be empty."""

    first: frozenset[int]
    last: frozenset[int]
    empty: bool


_NOTHING = _Part(frozenset(), frozenset(), empty=True)


@dataclass(frozen=True)
class Automaton:
    """A deterministic automaton without cycles. State 0 is the start; ``moves[s]`` lists (characters, next state)."""

    accepting: tuple[bool, ...]
    moves: tuple[tuple[tuple[str, int], ...], ...]

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """How many texts lead from each state to an end; exact."""
        found = [0] * len(self.moves)
        for state in self._backwards:
            ways = sum(len(characters) * found[target] for characters, target in self.moves[state])
            found[state] = ways + self.accepting[state]
        return tuple(found)

    @cached_property
    def longest(self) -> int:
        """The length of the longest text."""
        found = [0] * len(self.moves)
        for state in self._backwards:
            found[state] = max((1 + found[target] for _, target in self.moves[state]), default=0)
        return found[0]

    def text(self, rank: int) -> str:
        """The text of a rank in ``0 .. counts[0]-1``; distinct ranks have distinct texts."""
        state, written = 0, list[str]()
        while not self.accepting[state] or rank:
            rank -= self.accepting[state]
            for characters, target in self.moves[state]:
                ways = self.counts[target]
                if rank < len(characters) * ways:
                    break
                rank -= len(characters) * ways
            written.append(characters[rank // ways])
            state, rank = target, rank % ways
        return "".join(written)

    @cached_property
    def _backwards(self) -> list[int]:
        """The states, each after all that it leads to."""
        order: list[int] = []
        entered = {0}
        stack = [(0, iter(self.moves[0]))]
        while stack:
            state, rest = stack[-1]
            target = next((target for _, target in rest if target not in entered), None)
            if target is None:
                order.append(state)
                stack.pop()
            else:
                entered.add(target)
                stack.append((target, iter(self.moves[target])))
        return order


def automaton_of(pattern: str) -> Automaton:
    """The automaton of a pattern; ``PatternError`` if it is outside the subset, empty or too large."""
    if not pattern:
        raise PatternError("is empty")
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"is longer than {MAX_PATTERN} characters")
    reader = _Reader(pattern)
    whole = reader.alternatives(0)
    if reader.at < len(pattern):
        raise PatternError("has a ) without its (")
    if whole.empty:
        raise PatternError("allows the empty text, which would be a missing value")
    return _determined(reader, whole)


class _Reader:
    """Recursive descent over the pattern; collects positions (their characters) and which may follow which."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.read = 0
        self.positions: list[frozenset[str]] = []
        self.follows: list[set[int]] = []

    def alternatives(self, depth: int) -> _Part:
        """``a|b|c`` up to the end of its group."""
        if depth > MAX_DEPTH:
            raise PatternError(f"nests groups more than {MAX_DEPTH} deep")
        found = self._sequence(depth)
        while self._take("|"):
            other = self._sequence(depth)
            found = _Part(found.first | other.first, found.last | other.last, found.empty or other.empty)
        return found

    def _sequence(self, depth: int) -> _Part:
        found = _NOTHING
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            found = self._joined(found, self._repeated(depth))
        return found

    def _repeated(self, depth: int) -> _Part:
        """An atom and its repeat: read again for every copy, each with positions of its own."""
        start = self.at
        part = self._atom(depth)
        least, most = self._bounds()
        after = self.at
        if most == 0:
            return _NOTHING
        copies = [part]
        for _ in range(most - 1):
            self.at = start
            copies.append(self._atom(depth))
        self.at = after
        found = _NOTHING
        for index, copy in enumerate(copies):
            # An optional copy ends the repeat or is followed by the next; nesting them keeps the language the same.
            optional = copy if index < least else _Part(copy.first, copy.last, empty=True)
            found = self._joined(found, optional)
        return found

    def _joined(self, left: _Part, right: _Part) -> _Part:
        for position in left.last:
            self.follows[position] |= right.first
        first = left.first | right.first if left.empty else left.first
        last = left.last | right.last if right.empty else right.last
        return _Part(first, last, left.empty and right.empty)

    def _bounds(self) -> tuple[int, int]:
        if self._take("?"):
            return 0, 1
        if self.at < len(self.pattern) and self.pattern[self.at] in "*+":
            raise PatternError("repeats without end: give bounds, as {1,8}")
        if not self._take("{"):
            return 1, 1
        end = self.pattern.find("}", self.at)
        low, comma, high = self.pattern[self.at : end].partition(",") if end >= 0 else ("", "", "")
        high = high if comma else low
        if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit() and len(low + high) <= 12):
            raise PatternError("has a repeat that is neither {n} nor {m,n}")
        if int(low) > int(high):
            raise PatternError("has a repeat {m,n} with m above n")
        if int(high) > MAX_POSITIONS:
            raise PatternError(f"stands for more than {MAX_POSITIONS} characters")
        self.at = end + 1
        if self.at < len(self.pattern) and self.pattern[self.at] in "?*+{":
            raise PatternError("repeats a repeat: put the inner one in parentheses")
        return int(low), int(high)

    def _atom(self, depth: int) -> _Part:
        self.read += 1
        if self.read > MAX_ATOMS:
            raise PatternError(f"stands for more than {MAX_POSITIONS} characters")
        if self._take("("):
            if self._take("?") and not self._take(":"):
                raise PatternError("uses a group of the kind (?...), which is not supported")
            found = self.alternatives(depth + 1)
            if not self._take(")"):
                raise PatternError("has a ( without its )")
            return found
        if self._take("["):
            return self._position(self._members())
        character = self._next()
        if character == "\\":
            return self._position(self._escaped())
        if character in _SPECIAL:
            raise PatternError(
                f"uses {character!r}, which is not supported here: to mean the character, write \\{character}"
            )
        return self._position(frozenset(character))

    def _members(self) -> frozenset[str]:
        """The characters of a class, after its ``[``."""
        found: set[str] = set()
        if self.pattern[self.at : self.at + 1] == "^":
            raise PatternError("excludes characters ([^...]): list those that may stand there")
        while not self._take("]"):
            first = self._member()
            ranged = self.pattern[self.at : self.at + 1] == "-" and self.pattern[self.at + 1 : self.at + 2] not in (
                "]",
                "",
            )
            if not ranged:
                found |= first
                continue
            self.at += 1
            last = self._member()
            if len(first) != 1 or len(last) != 1 or min(first) > min(last):
                raise PatternError("has a range in [...] that does not ascend")
            if ord(min(last)) - ord(min(first)) >= MAX_CLASS:
                raise PatternError(f"has a class of more than {MAX_CLASS:,} characters")
            found |= set(map(chr, range(ord(min(first)), ord(min(last)) + 1)))
        if not found:
            raise PatternError("has an empty class []")
        return frozenset(found)

    def _member(self) -> frozenset[str]:
        character = self._next()
        return self._escaped() if character == "\\" else frozenset(character)

    def _escaped(self) -> frozenset[str]:
        character = self._next()
        if character in _CLASSES:
            return _CLASSES[character]
        if character.isalnum():
            raise PatternError(f"uses \\{character}, which is not supported: there are \\d and \\w")
        return frozenset(character)

    def _position(self, characters: frozenset[str]) -> _Part:
        if characters & _CONTROL:
            raise PatternError("holds a control character")
        if any(0xD800 <= ord(character) <= 0xDFFF for character in characters):
            raise PatternError("holds a character that is no text")
        if len(self.positions) == MAX_POSITIONS:
            raise PatternError(f"stands for more than {MAX_POSITIONS} characters")
        self.positions.append(characters)
        self.follows.append(set())
        only = frozenset([len(self.positions) - 1])
        return _Part(only, only, empty=False)

    def _take(self, character: str) -> bool:
        found = self.pattern.startswith(character, self.at)
        self.at += found
        return found

    def _next(self) -> str:
        if self.at >= len(self.pattern):
            raise PatternError("ends too early")
        self.at += 1
        return self.pattern[self.at - 1]


def _determined(reader: _Reader, whole: _Part) -> Automaton:
    """The subset construction: a state is the set of positions that may come next, and whether the text may end."""
    start = (whole.first, whole.empty)
    states = {start: 0}
    accepting, moves = [whole.empty], [_NO_MOVES]
    waiting = [start]
    work = 0
    while waiting:
        state = waiting.pop()
        work += sum(len(reader.positions[position]) for position in state[0])
        if work > MAX_WORK:
            raise PatternError("is too large: shorten its repeats or its classes")
        targets: dict[tuple[frozenset[int], bool], list[str]] = {}
        for characters, positions in _split(reader, state[0]):
            following = frozenset(after for position in positions for after in reader.follows[position])
            targets.setdefault((following, bool(positions & whole.last)), []).extend(characters)
        for target in targets:
            if target not in states:
                if len(states) == MAX_STATES:
                    raise PatternError("is too ambiguous: it needs more states than are allowed")
                states[target] = len(states)
                accepting.append(target[1])
                moves.append(_NO_MOVES)
                waiting.append(target)
        moves[states[state]] = tuple(("".join(sorted(texts)), states[target]) for target, texts in targets.items())
    return Automaton(tuple(accepting), tuple(moves))


_NO_MOVES: tuple[tuple[str, int], ...] = ()


def _split(reader: _Reader, positions: frozenset[int]) -> list[tuple[list[str], frozenset[int]]]:
    """The characters that may come next, grouped by the positions that each of them may stand at."""
    where: dict[str, set[int]] = {}
    for position in sorted(positions):
        for character in reader.positions[position]:
            where.setdefault(character, set()).add(position)
    groups: dict[frozenset[int], list[str]] = {}
    for character in sorted(where):
        groups.setdefault(frozenset(where[character]), []).append(character)
    return [(characters, found) for found, characters in groups.items()]
