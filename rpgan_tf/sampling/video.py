"""Moving pictures: a GIF, an MP4, or a folder of frames."""

import pathlib

import numpy as np

from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.sampling import pictures


def check(path, fps):
    """Raise a `UserError` unless moving pictures can be written to `path`: *.gif, *.mp4, or a folder."""
    suffix = pathlib.Path(path).suffix
    if suffix not in (".gif", ".mp4", ""):
        raise UserError(f"expected a name that ends in .gif or .mp4, or a folder without a suffix; received '{path}'")
    check_folder(path)
    if not 0 < fps <= 100:
        raise UserError(f"expected --fps above 0, at most 100; received {fps}")


def check_folder(path):
    """Raise a `UserError` if `path` is a folder with pictures, which would be taken for some of the new ones."""
    if any(pathlib.Path(path).glob("*.png")):
        raise UserError(f"the folder '{path}' has pictures already; choose a new one, or remove them")


def save(path, frames, fps):
    """Write frames uint8 [H, W, 1 or 3]: *.gif repeats for ever, *.mp4 is H.264, else PNG files frame_0000.png, ...

    A GIF counts time in hundredths of a second, so its rate is the nearest that can be had.
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
    frames = np.stack([np.broadcast_to(frame, (*frame.shape[:2], 3)) for frame in frames])
    if path.suffix == ".gif":
        arguments = {"extension": ".gif", "duration": 10 * round(100 / fps), "loop": 0}
    else:
        odd = [length % 2 for length in frames.shape[1:3]]  # H.264 wants even sides
        frames = np.pad(frames, [(0, 0), (0, odd[0]), (0, odd[1]), (0, 0)])
        arguments = {"extension": ".mp4", "plugin": "FFMPEG", "codec": "libx264"}
        arguments |= {"fps": fps, "quality": 9, "macro_block_size": 2}
    atomic.write(path, lambda file: file.write(imageio.imwrite("<bytes>", frames, **arguments)))
