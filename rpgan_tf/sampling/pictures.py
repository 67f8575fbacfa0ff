"""Pictures of samples: grids of images, scatter plots of points, PNG files."""

from __future__ import annotations

import functools
import pathlib
import types
import typing

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

if typing.TYPE_CHECKING:
    import matplotlib.axes

ROWS, COLUMNS = 10, 15
CELL, GAP, LINE = 64, 4, 16  # pixels of a labelled picture: smallest side of an image, between images, of text
NUM_POINTS = 2000  # data points in a scatter plot
ROUNDING = "clip(round(127.5 x + 127.5))"  # `to_pixels` of x in [-1, 1]


def to_pixels(images: np.ndarray) -> np.ndarray:
    """Return images in [-1, 1] as uint8, rounded; raises `UserError` if a value is not finite."""
    images = np.asarray(images)
    if not np.all(np.isfinite(images)):
        raise UserError("an image is not finite: did training diverge?")
    return np.clip(np.round(images * 127.5 + 127.5), 0, 255).astype(np.uint8)


def picture(samples: np.ndarray, options: types.SimpleNamespace) -> np.ndarray:
    """Return the grid of images [N, H, W, C], or the scatter plot of points [N, dims], as uint8 [H, W, C]."""
    return grid(samples) if np.ndim(samples) == 4 else scatter(samples, mixtures.find(options.lfile))


def grid(images: np.ndarray, columns: int = COLUMNS) -> np.ndarray:
    """Tile images [N, H, W, C] in [-1, 1] in reading order into uint8 [rows * H, columns * W, C].

    Pixels are truncated, as in the original: uint8((x * 0.5 + 0.5) * 255), clipped; the end of the last row is black.
    """
    return tile(np.clip((np.asarray(images) * 0.5 + 0.5) * 255, 0, 255).astype(np.uint8), columns)


def tile(pixels: np.ndarray, columns: int) -> np.ndarray:
    """Tile pixels [N, H, W, C] in reading order into [rows * H, columns * W, C]; the end of the last row is black."""
    pixels = np.pad(pixels, [(0, -len(pixels) % columns), (0, 0), (0, 0), (0, 0)])
    count, height, width, channels = pixels.shape
    pixels = pixels.reshape(count // columns, columns, height, width, channels)
    return pixels.transpose(0, 2, 1, 3, 4).reshape(count // columns * height, columns * width, channels)


def pairs(upper: np.ndarray, lower: np.ndarray, columns: int = 8) -> np.ndarray:
    """Tile two sets of images [N, H, W, C] in [-1, 1] in alternating rows: images of `upper`, those of `lower` below.

    Returns:
        uint8 [2 * rows * H, columns * W, C].
    """
    columns = min(columns, len(upper))
    rows = [grid(each[i : i + columns], columns) for i in range(0, len(upper), columns) for each in (upper, lower)]
    return np.concatenate(rows)


def labelled(images: np.ndarray, texts: list[list[str]], headings: dict[int, str], marked: np.ndarray) -> np.ndarray:
    """Tile images with a text below each; small ones are enlarged.

    Args:
        images: uint8 [rows, columns, H, W, 1 or 3].
        texts: of each image.
        headings: {number of a group's first column: text above it}; groups are apart.
        marked: bool [rows, columns], whose texts are red.

    Returns:
        uint8 [height, width, 3].
    """
    scale = max(-(-CELL // images.shape[3]), 1)
    images = np.broadcast_to(images, [*images.shape[:4], 3]).repeat(scale, axis=2).repeat(scale, axis=3)
    rows, columns, height, width, _ = images.shape
    groups = sorted(headings)
    left = [GAP + i * (width + GAP) + 3 * GAP * sum(0 < first <= i for first in groups) for i in range(columns)]
    canvas = PIL.Image.new("RGB", (left[-1] + width + GAP, LINE + rows * (height + LINE)), "white")
    draw, font = PIL.ImageDraw.Draw(canvas), PIL.ImageFont.load_default()
    for first, text in headings.items():
        draw.text((left[first], 2), text, "black", font)
    for row in range(rows):
        top = LINE + row * (height + LINE)
        for column in range(columns):
            canvas.paste(PIL.Image.fromarray(np.ascontiguousarray(images[row, column])), (left[column], top))
            place, color = (left[column], top + height + 1), "red" if marked[row, column] else "black"
            draw.text(place, texts[row][column], color, font)
    return np.asarray(canvas)


def scatter(points: np.ndarray, mixture: mixtures.Mixture) -> np.ndarray:
    """Plot points [N, dims] over points of their mixture, as uint8 [640, 600, 3]; see `scatter_on`.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("pictures of points need matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=(6, 6.4), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    scatter_on(figure.add_subplot(), points, mixture)
    figure.legend(loc="outside upper center", ncols=2, markerscale=3, frameon=False)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def scatter_on(plot: matplotlib.axes.Axes, points: np.ndarray, mixture: mixtures.Mixture) -> None:
    """Plot points [N, dims] over points of their mixture on axes of matplotlib.

    With more than two dimensions, the axes are the first two principal components of the mixture. The data set the
    limits; the label counts the points outside.
    """
    data, points = mixture.points(NUM_POINTS, seed=0), np.asarray(points)
    labels = ["first coordinate", "second coordinate"]
    if mixture.dims > 2:
        axes = principal_axes(mixture)
        data, points = data @ axes, points @ axes
        labels = [f"{number} principal component of the data" for number in ("first", "second")]
    low, high = data.min(axis=0), data.max(axis=0)
    low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
    num_outside = np.sum(~np.all((low <= points) & (points <= high), axis=1))  # NaN is outside, too
    plot.set(xlabel=labels[0], ylabel=labels[1], xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    plot.set_aspect("equal" if mixture.dims == 2 else "auto")
    plot.scatter(data[:, 0], data[:, 1], s=12, color="0.75", linewidths=0, label="data")
    plot.scatter(
        points[:, 0], points[:, 1], s=4, color="tab:red", linewidths=0, label=f"generated ({num_outside} outside)"
    )


@functools.cache
def principal_axes(mixture: mixtures.Mixture) -> np.ndarray:
    """Return the first two principal components of a mixture, float64 [dims, 2], of unit length."""
    centers = np.float64(mixture.centers)
    covariance = np.cov(centers.T, bias=True) + np.diag(np.float64(mixture.scales) ** 2)
    axes = np.linalg.eigh(covariance)[1][:, :-3:-1]
    return axes * np.sign(axes[np.argmax(np.abs(axes), axis=0), [0, 1]])


def save_png(path: str | pathlib.Path, pixels: np.ndarray) -> None:
    """Write uint8 pixels [H, W, 3] or [H, W, 1] as PNG."""
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    atomic.write(path, lambda file: PIL.Image.fromarray(pixels).save(file, format="PNG"))
