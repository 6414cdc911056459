"""Arrow batches in and out, sidecar manifests, atomic writes; reader errors are reworded here."""
