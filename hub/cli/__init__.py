"""The command line ``hub``."""
