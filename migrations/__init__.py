"""Alembic migrations of the hub's PostgreSQL schema."""
