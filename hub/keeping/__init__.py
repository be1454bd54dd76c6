"""Keeping keys: data keys under their envelope, and exchanging them while the hub is in use."""
