"""Released models: marginals, sampling, and the .dps file."""
