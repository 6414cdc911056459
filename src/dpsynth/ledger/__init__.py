"""The budget ledger: state machine, stores, and transactions that charge before anything is read."""

from dpsynth.ledger.chain import Event
from dpsynth.ledger.ledger import Ledger, Recovered, default_path
from dpsynth.ledger.pool_state import PoolState, Reservation
from dpsynth.ledger.transaction import Transaction

__all__ = ["Event", "Ledger", "PoolState", "Recovered", "Reservation", "Transaction", "default_path"]
