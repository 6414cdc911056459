"""Synthesizers: frozen settings that ask questions and build a model from the answers; they never see rows."""
