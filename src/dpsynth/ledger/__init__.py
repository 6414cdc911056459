"""The budget ledger: state machine and stores."""
