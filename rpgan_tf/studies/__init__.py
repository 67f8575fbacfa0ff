"""Reproductions of published findings, for tools/ alone."""
