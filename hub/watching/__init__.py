"""Watching the trail: rules and habits, findings for auditors, and each person's own view."""
