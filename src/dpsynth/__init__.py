"""dpsynth: differentially private synthetic tables with a budget ledger."""
