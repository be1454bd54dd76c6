"""How to read a source: files, SQL databases, REST services."""
