"""Formats on disk. Needs NumPy only."""
