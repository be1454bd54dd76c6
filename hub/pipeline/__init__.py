"""A table's way in: pull, gate, link, fuse and publish as one durable workflow."""
