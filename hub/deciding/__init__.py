"""What would be decided: explained, listed, tried on the past, and asked for by other systems."""
