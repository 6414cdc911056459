"""The budget ledger: state machine, stores, and transactions that charge before anything is read."""

from dpsynth.ledger.chain import Event
from dpsynth.ledger.extract import parse_extract, read_extract, verify_extract
from dpsynth.ledger.ledger import Ledger, Recovered, default_path
from dpsynth.ledger.payment import Payment
from dpsynth.ledger.pool_state import PoolState, Reservation
from dpsynth.ledger.software import software
from dpsynth.ledger.transaction import Transaction
from dpsynth.ledger.verification import Verification

__all__ = [
    "Event",
    "Ledger",
    "Payment",
    "PoolState",
    "Recovered",
    "Reservation",
    "Transaction",
    "Verification",
    "default_path",
    "parse_extract",
    "read_extract",
    "software",
    "verify_extract",
]
