"""The shared vocabulary: errors, types, clock, digests, database, lake, engine, keys."""
