"""Verification of a received release: offline, from the package and the publisher's public key alone."""

from dpsynth.release.verifying.outcome import PROVES, RESTS, Check, Outcome, Verified
from dpsynth.release.verifying.verify import verify

__all__ = ["PROVES", "RESTS", "Check", "Outcome", "Verified", "verify"]
