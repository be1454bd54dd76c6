"""The stand-alone verifier: one file that asks the hub for nothing."""
