"""A live reservation: touched once, drawn from before every answer, and ended by commit, abort or forfeit."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from dpsynth.errors import BudgetExceededError, LedgerError
from dpsynth.ledger import book
from dpsynth.ledger.pool_state import PoolState, pool_state
from dpsynth.ledger.public_texts import FORFEITED, GIVEN_UP, UNFINISHED
from dpsynth.ledger.store import Store
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import Receipt, loss_record


class Transaction:
    """One RESERVE of the ledger; every step is a durable write that is conditional on the transaction's live state.

    As a context manager it ends what was not committed: ``abort`` before TOUCH, ``forfeit`` after.
    """

    def __init__(self, store: Store, pool: str, identifier: str, reservation: PrivacyLoss, tip: book.Tip) -> None:
        self.id = identifier
        self.reservation = reservation
        self._store = store
        self._pool = pool
        self._tip = tip
        self._draws: list[Receipt] = []

    @property
    def pool(self) -> PoolState:
        """The pool after the last step of this transaction."""
        tip = self._tip
        return pool_state(self._pool, tip.pool, events=tip.seq, head=tip.hash, ephemeral=self._store.ephemeral)

    @property
    def draws(self) -> tuple[Receipt, ...]:
        """The receipts of this transaction, oldest first."""
        return tuple(self._draws)

    @property
    def governor(self) -> Governor:
        """The currency that the reservation is spent in."""
        return self._tip.pool.governor

    @property
    def remaining(self) -> PrivacyLoss:
        """What is left to draw; nothing once the transaction has ended."""
        live = self._tip.pool.live.get(self.id)
        return PrivacyLoss() if live is None else live.reservation.minus(live.drawn)

    def touch(self) -> None:
        """Record, durably, that rows are about to be read. From here on a failure forfeits the reservation.

        ``LedgerError`` if the transaction has ended or was touched before.
        """
        self._write("TOUCH", {})

    def draw(self, loss: PrivacyLoss, question: Mapping[str, Any]) -> Receipt:
        """The receipt of a charge that is on disk before this returns. ``question`` is public JSON.

        Raises ``BudgetExceededError`` if less than ``loss`` remains and ``LedgerError`` if the transaction has ended;
        nothing is charged then.
        """
        number = len(self._draws) + 1
        data = {"draw": number, "loss": loss_record(loss), "question": dict(question)}
        receipt = Receipt(self.id, number, self._write("DRAW", data), loss)
        self._draws.append(receipt)
        return receipt

    def commit(self, summary: Mapping[str, Any]) -> None:
        """End the transaction; what was never drawn returns to the pool. ``summary`` is public JSON.

        ``LedgerError`` if the transaction has ended, or if the ledger's draws are not those of this object.
        """
        drawn = sum((receipt.loss for receipt in self._draws), start=PrivacyLoss())
        self._write("COMMIT", {"drawn": loss_record(drawn), "summary": dict(summary)})

    def abort(self) -> None:
        """Give back the whole reservation; legal only before ``touch``. ``LedgerError`` otherwise."""
        self._write("ABORT", {"reason": GIVEN_UP})

    def forfeit(self, reason: str) -> None:
        """Charge the whole reservation; legal only after ``touch``. ``reason`` is private."""
        with self._store.writing() as session:
            tip = book.tip(session, self._pool)
            live = tip.pool.live.get(self.id) if tip else None
            if live is None or not live.touched:
                raise LedgerError("only a touched, live transaction can be forfeited", where=self.id)
            book.close(session, self._pool, self.id, FORFEITED, {"reason": reason})
            self._refresh(book.tip(session, self._pool))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.id not in self._tip.pool.live:
            return
        try:
            with self._store.writing() as session:
                book.close(session, self._pool, self.id, UNFINISHED)
                self._refresh(book.tip(session, self._pool))
        except LedgerError:
            # An unreachable ledger must not hide the error that ended the work: the reservation stays held meanwhile.
            if error is None:
                raise

    def _write(self, kind: str, data: Mapping[str, Any]) -> str:
        with self._store.writing() as session:
            try:
                event, tip = book.append(session, self._pool, kind, transaction=self.id, data=data)
            except BudgetExceededError:
                raise BudgetExceededError(
                    "the question costs more than what is left of this fit's reservation; nothing was read",
                    where=self._pool,
                ) from None
        self._tip = tip
        return event.hash

    def _refresh(self, tip: book.Tip | None) -> None:
        if tip is not None:
            self._tip = tip
