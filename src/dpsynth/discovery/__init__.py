"""Private discovery: what a table's columns hold, decided from released answers alone; no rows, no noise, no ledger."""

from dpsynth.discovery.discover import Discovery, discover
from dpsynth.discovery.draft import document
from dpsynth.discovery.findings import Finding
from dpsynth.discovery.purse import Purse
from dpsynth.discovery.questions import Discoverable, Partitions
from dpsynth.discovery.shrinking import smaller

__all__ = ["Discoverable", "Discovery", "Finding", "Partitions", "Purse", "discover", "document", "smaller"]
