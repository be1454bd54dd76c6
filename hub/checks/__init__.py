"""Checks: questions about several people's records answered by rules, never by values."""
