"""Moving pictures: a GIF, an MP4, or a folder of frames."""

import pathlib
from collections.abc import Iterable

import numpy as np

from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.sampling import pictures


def check(path: str | pathlib.Path, fps: float) -> None:
    """Raise a `UserError` unless moving pictures can be written to `path`: *.gif, *.mp4, or a folder."""
    suffix = pathlib.Path(path).suffix
    if suffix not in (".gif", ".mp4", ""):
        raise UserError(f"expected a name that ends in .gif or .mp4, or a folder without a suffix; received '{path}'")
    check_folder(path)
    if not 0 < fps <= 100:
        raise UserError(f"expected --fps above 0, at most 100; received {fps}")


def check_folder(path: str | pathlib.Path) -> None:
    """Raise a `UserError` if `path` is a folder with pictures: they would mix with the new ones."""
    if any(pathlib.Path(path).glob("*.png")):
        raise UserError(f"the folder '{path}' has pictures already; choose a new one, or remove them")


def save(path: str | pathlib.Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write moving pictures.

    Args:
        path: *.gif, which repeats for ever; *.mp4, in H.264; or a folder for frame_0000.png, ...
        frames: each uint8 [H, W, 1 or 3].
        fps: frames per second; a GIF has the nearest rate whose period is whole hundredths of a second.

    Raises:
        UserError: imageio is not installed, or the file cannot be written.
    """
    path, frames = pathlib.Path(path), list(frames)
    if not path.suffix:
        for i, frame in enumerate(frames):
            pictures.save_png(path / f"frame_{i:04d}.png", frame)
        return
    try:
        import imageio.v3 as imageio
    except ImportError:
        raise UserError("GIF and MP4 need imageio: pip install imageio imageio-ffmpeg") from None
    pixels = np.stack([np.broadcast_to(frame, (*frame.shape[:2], 3)) for frame in frames])
    if path.suffix == ".gif":
        encoded = imageio.imwrite("<bytes>", pixels, extension=".gif", duration=10 * round(100 / fps), loop=0)
    else:
        odd = [length % 2 for length in pixels.shape[1:3]]  # H.264 needs even sides
        pixels = np.pad(pixels, [(0, 0), (0, odd[0]), (0, odd[1]), (0, 0)])
        encoded = imageio.imwrite(
            "<bytes>",
            pixels,
            extension=".mp4",
            plugin="FFMPEG",
            codec="libx264",
            fps=fps,
            quality=9,
            macro_block_size=2,
        )
    atomic.write(path, lambda file: file.write(encoded))
