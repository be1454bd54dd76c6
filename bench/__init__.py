"""Benchmarks: each prints a table with its machine, and a ceiling or a peer measured beside it."""
