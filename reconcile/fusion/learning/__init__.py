"""How far each source can be believed, learned from counted patterns of claims: no engine, no text."""
