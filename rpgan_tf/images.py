"""Latents of a seed, and pictures of samples: the functions that users draw with."""

from rpgan_tf.sampling.latents import draw as latents
from rpgan_tf.sampling.pictures import COLUMNS, ROWS, grid, pairs, picture, save_png, scatter

__all__ = ["COLUMNS", "ROWS", "grid", "latents", "pairs", "picture", "save_png", "scatter"]
