"""The audit log: an append-only Merkle tree (RFC 6962) kept in PostgreSQL."""
