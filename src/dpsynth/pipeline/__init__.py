"""The composition root: one file per journey, and the only importer of the curator."""
