"""Which rows are fit, who is the same, which value counts."""
