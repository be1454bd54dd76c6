"""Quality as the running hub has it: gating a landing, scores over time, rows to send back, and
pages to read.
"""
