"""Open data: tables for the public, released only if nobody can be told from a few others."""
