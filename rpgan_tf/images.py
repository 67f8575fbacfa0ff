"""Latents of a seed, and pictures of samples: what users draw with."""

from rpgan_tf.sampling.pictures import COLUMNS, ROWS, grid, latents, pairs, picture, save_png, scatter

__all__ = ["COLUMNS", "ROWS", "grid", "latents", "pairs", "picture", "save_png", "scatter"]
