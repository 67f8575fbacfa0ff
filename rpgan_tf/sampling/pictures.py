"""Latents of samples, and pictures of these: for images, the same seed and weights give the original's pixels."""

import numpy as np
import PIL.Image

from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

ROWS, COLUMNS = 10, 15
NUM_POINTS = 2000  # of the data in a scatter plot


def latents(seed, length, count=ROWS * COLUMNS, prior="uniform"):
    """Draw latents float32 [count, length]: U[-1, 1) as the original's sample.py does, or N(0, 1) of a normal prior."""
    random = np.random.RandomState(seed)
    if prior == "normal":
        return np.float32(random.randn(count, length))
    return np.float32(random.rand(count, 1, 1, length) * 2 - 1).reshape(count, length)


def picture(samples, options):
    """Return the grid of images [N, H, W, C], or the scatter plot of points [N, dims], as uint8 [H, W, C]."""
    return grid(samples) if np.ndim(samples) == 4 else scatter(samples, mixtures.find(options.lfile))


def grid(images, columns=COLUMNS):
    """Tile images [N, H, W, C] in [-1, 1] in reading order into uint8 [rows * H, columns * W, C].

    Pixels are truncated, as in the original: uint8((x * 0.5 + 0.5) * 255); what lies outside is clipped. Where the last
    row is not full, it is black.
    """
    pixels = np.uint8(np.clip((np.asarray(images) * 0.5 + 0.5) * 255, 0, 255))
    pixels = np.pad(pixels, [(0, -len(pixels) % columns), (0, 0), (0, 0), (0, 0)])
    count, height, width, channels = pixels.shape
    pixels = pixels.reshape(count // columns, columns, height, width, channels)
    return pixels.transpose(0, 2, 1, 3, 4).reshape(count // columns * height, columns * width, channels)


def pairs(upper, lower, columns=8):
    """Tile two sets of images [N, H, W, C] in [-1, 1], line by line: one of `upper`, one of `lower` below it, ..."""
    columns = min(columns, len(upper))
    rows = [grid(each[i : i + columns], columns) for i in range(0, len(upper), columns) for each in (upper, lower)]
    return np.concatenate(rows)


def scatter(points, mixture):
    """Plot points [N, dims] over points of their mixture, as uint8 [640, 600, 3]: see `scatter_on`.

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


def scatter_on(plot, points, mixture):
    """Plot points [N, dims] over points of their mixture on axes of matplotlib.

    Where there are more than two coordinates, the axes are the first two principal components of the mixture. The
    limits are those of the data; how many points lie outside of them is said in the label.
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
    plot.scatter(*data.T, s=12, color="0.75", linewidths=0, label="data")
    plot.scatter(*points.T, s=4, color="tab:red", linewidths=0, label=f"generated ({num_outside} outside)")


def principal_axes(mixture):
    """Return the first two principal components of a mixture, float64 [dims, 2], of unit length."""
    centers = np.float64(mixture.centers)
    covariance = np.cov(centers.T, bias=True) + np.diag(np.float64(mixture.scales) ** 2)
    axes = np.linalg.eigh(covariance)[1][:, :-3:-1]
    return axes * np.sign(axes[np.argmax(np.abs(axes), axis=0), [0, 1]])


def save_png(path, pixels):
    """Write uint8 pixels [H, W, 3] or [H, W, 1] as PNG."""
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    atomic.write(path, lambda file: PIL.Image.fromarray(pixels).save(file, format="PNG"))
