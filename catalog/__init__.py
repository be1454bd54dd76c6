"""What is registered, and the standards its data elements follow."""
