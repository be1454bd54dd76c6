"""Who may see which item of which row for which purpose, and how masked."""
