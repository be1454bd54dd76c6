"""What stewards and departments do about the data: look, rule, answer. Decided, masked, logged."""
