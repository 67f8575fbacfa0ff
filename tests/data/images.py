"""Images for the tests of data: written, encoded, and read by the library as numbers."""

import io
import itertools
import types
import zipfile

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from rpgan_tf import config
from rpgan_tf.data import faults, stream

DEFAULTS = vars(config.resolve({"gan": "DCGAN", "net": "dcgan", "MAXITER": 1000, "wts_dir": "unused"}))
SIDE = 8
RANDOM = np.random.RandomState(7)
PIXELS = np.uint8(RANDOM.randint(0, 256, (SIDE, SIDE, 3)))
DEEP = np.uint16(RANDOM.randint(0, 65536, (SIDE, SIDE, 4)))


def options(lfile, **values):
    """Return options of images of 8 x 8 pixels in batches of 4."""
    return types.SimpleNamespace(**(DEFAULTS | {"lfile": str(lfile), "imsz": SIDE, "bsz": 4} | values))


def one(iteration):
    """An iteration takes one batch."""
    return 1


def vary(iteration):
    """Iterations take 3, 1, 2, 3, 1, 2, ... batches."""
    return (3, 1, 2)[iteration % 3]


def dataset(options, start=0, batches=one, **values):
    """Return the dataset of an iteration of one batch."""
    return stream.dataset(options, start, batches=batches, **values)


def batches(options, count, start=0):
    """Return the first batches of the dataset, from iteration `start` on."""
    return np.stack(list(dataset(options, start).take(count).as_numpy_iterator()))


def held_out(test_lfile, **values):
    """Return the batches of held-out data."""
    return list(stream.held_out(options("digits", test_lfile=str(test_lfile), **values)).as_numpy_iterator())


def in_order(folder, contents, **values):
    """Return images of these bytes, in their order, from the first batch of the dataset."""
    count = len(contents)
    received = batches(options(write_list(folder, contents), bsz=count, **values), 1)[0]
    return received[np.argsort(np.random.RandomState(0).permutation(count))]


def encode(image, kind="PNG", **values):
    file = io.BytesIO()
    image = image if isinstance(image, PIL.Image.Image) else PIL.Image.fromarray(image)
    image.save(file, kind, **values)
    return file.getvalue()


def flat(value, height=SIDE, width=SIDE):
    return np.full((height, width, 3), value, np.uint8)


def scaled(pixels):
    return np.float32(pixels) * np.float32(2) / np.float32(255) - np.float32(1)


def levels(images):
    return np.uint8(np.rint((np.asarray(images) + 1) * 127.5))


def write_list(folder, contents):
    """Write the bytes of images and a list of them, faces.txt; return the list's path."""
    for number, content in enumerate(contents):
        (folder / f"{number}.png").write_bytes(content)
    (folder / "faces.txt").write_text("".join(f"{folder}/{number}.png\n" for number in range(len(contents))))
    return folder / "faces.txt"


def picture(mode):
    return PIL.Image.fromarray(PIXELS).convert(mode)


def high_bytes(deep):
    """Return what 16 bits a channel become: the high byte; grey is repeated, alpha laid over white."""
    high = deep >> 8
    color = np.broadcast_to(high[..., : 1 if deep.shape[-1] < 3 else 3], (SIDE, SIDE, 3))
    return color if deep.shape[-1] % 2 else over(color, high[..., -1:], 255)


def over(color, alpha, ground):
    """Return color [H, W, 3] with alpha [H, W, 1] over a background, all in 0 .. 255."""
    return np.uint8(np.rint((np.float64(color) * alpha + np.float64(ground) * (255 - np.float64(alpha))) / 255))


PNGS = {mode: (encode(picture(mode)), np.array(picture(mode).convert("RGB"))) for mode in ("1", "L", "LA", "P", "RGB")}
PNGS["RGBA"] = encode(np.dstack([PIXELS, PIXELS[..., :1]])), over(PIXELS, PIXELS[..., :1], 255)
MOST = int(np.argmax(np.bincount(np.array(picture("P")).ravel())))  # the colour of most pixels
PNGS["P, transparent"] = (
    encode(picture("P"), transparency=MOST),
    np.where(np.array(picture("P"))[..., None] == MOST, np.uint8(255), PNGS["P"][1]),
)
PNGS["I;16"] = encode(DEEP[..., 0]), high_bytes(DEEP[..., :1])
PNGS |= {f"16 bits, {n}": (tf.io.encode_png(DEEP[..., :n]).numpy(), high_bytes(DEEP[..., :n])) for n in range(1, 5)}


def resize(image, size):
    """Resize [H, W, 3] to the shorter side size + 1: bilinear, pixel i of the result at i * (old side / new side)."""
    scale = np.float32(size + 1) / np.float32(min(image.shape[:2]))
    image = np.float32(image)
    for axis in (0, 1):
        old = image.shape[axis]
        new = int(scale * np.float32(old))
        places = np.arange(new, dtype=np.float32) * (np.float32(old) / np.float32(new))
        low = np.int32(places)
        high = np.minimum(low + 1, old - 1)
        weights = np.expand_dims(places - low, [1 - axis, 2])
        image = np.take(image, low, axis) * (1 - weights) + np.take(image, high, axis) * weights
    return image


def windows(image, size):
    """Return {(y, x): image[y : y + size, x : x + size]} of all places."""
    height, width = image.shape[:2]
    places = itertools.product(range(height - size + 1), range(width - size + 1))
    return {(y, x): image[y : y + size, x : x + size] for y, x in places}


NAMES = ["b/c/4.Jpg", "b/2.PNG", "a.png", "b/10.jpeg", "é.JPEG"]


def write_images(folder, names=NAMES):
    """Write images, the n-th by name of the grey 20 n, below a folder; return {name: bytes}."""
    contents = {
        name: encode(flat(value * 20), "PNG" if name.lower().endswith("png") else "JPEG")
        for value, name in enumerate(sorted(names))
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return contents


def write_zip(path, contents, **values):
    with zipfile.ZipFile(path, "w", **values) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def fault(options, iteration=0, count=1):
    """Return what `find_fault` says, after checking that the dataset stops there, too."""
    with pytest.raises(tf.errors.OpError):
        batches(options, iteration + count)
    message = faults.find_fault(options, iteration, count, one)
    assert "\n" not in message
    return message


def faulty(folder, content):
    """Write a list with a blank first line and an image with these bytes (None: no file) in line 3."""
    (folder / "good.png").write_bytes(encode(flat(1)))
    if content is not None:
        (folder / "bad.png").write_bytes(content)
    (folder / "faces.txt").write_text("\ngood.png\nbad.png\ngood.png\n")


WHOLE = {
    "png": encode(PIXELS),
    "large png": encode(np.random.RandomState(3).randint(0, 256, (200, 200, 3), dtype=np.uint8)),
    "jpeg": encode(PIXELS, "JPEG"),
    "progressive jpeg": encode(PIXELS, "JPEG", progressive=True),
}
