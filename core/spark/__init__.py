"""Spark as an engine: the same plans on a cluster."""
