"""A query's way out: decide, read, mask, log, and only then answer."""
