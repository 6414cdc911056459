"""Masking, k-anonymity and its relatives, and the risks of a table: numpy over codes, no file read or written."""
