"""Formats on disk, and the progress of reading and writing them. Needs NumPy only."""
