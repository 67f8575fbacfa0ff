"""Pixels: decoded, resized and cropped as NumPy and Pillow do."""

import io
import itertools

import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from rpgan_tf.data import faults
from tests.data.images import (
    PIXELS,
    PNGS,
    SIDE,
    batches,
    encode,
    flat,
    in_order,
    levels,
    one,
    options,
    over,
    resize,
    scaled,
    windows,
    write_list,
)


@pytest.fixture(scope="module")
def decoded(tmp_path_factory):
    """{channels: {name: image}} of `PNGS`, as training reads them."""
    encoded = [encoded for encoded, _ in PNGS.values()]
    return {
        channels: dict(zip(PNGS, in_order(tmp_path_factory.mktemp("pngs"), encoded, channels=channels)))
        for channels in (1, 3)
    }


@pytest.mark.parametrize("name", PNGS)
def test_png(decoded, name):
    np.testing.assert_array_equal(decoded[3][name], scaled(PNGS[name][1]))


@pytest.mark.parametrize("background, ground", [("black", [0, 0, 0]), ("#ff8000", [255, 128, 0])])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_background(tmp_path, background, ground, kind):
    """Transparent images lie over it, whoever decodes them; the others do not change."""
    alpha = np.uint8(np.arange(SIDE * SIDE).reshape(SIDE, SIDE, 1) * 4)
    values = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    encoded = [encode(np.dstack([PIXELS, alpha]), kind, **values), encode(PIXELS)]
    first, second = in_order(tmp_path, encoded, background=background)
    np.testing.assert_array_equal(levels(first), over(PIXELS, alpha, np.array(ground)))
    np.testing.assert_array_equal(levels(second), PIXELS)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_images_are_turned_upright(tmp_path, kind):
    """The eight orientations of EXIF: the image seen upright is that which Pillow turns."""
    encoded = []
    for orientation in range(1, 9):
        exif = PIL.Image.Exif()
        exif[PIL.ExifTags.Base.Orientation] = orientation
        encoded.append(encode(RAMP, kind, exif=exif))
    for contents, image in zip(encoded, in_order(tmp_path, encoded), strict=True):
        upright = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(contents)).convert("RGB"))
        assert np.abs(np.int32(levels(image)) - np.array(upright)).max() <= (3 if kind == "JPEG" else 0)
    assert not np.array_equal(*in_order(tmp_path, encoded[:2]))


def test_upright_photographs_are_decoded_as_before(tmp_path):
    """A JPEG with EXIF that needs no turning is TensorFlow's, to the last bit."""
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Make] = "a camera"
    contents = encode(RAMP, "JPEG", exif=exif)
    np.testing.assert_array_equal(in_order(tmp_path, [contents])[0], scaled(tf.io.decode_jpeg(contents, channels=3)))


RAMP = np.uint8(np.arange(SIDE)[:, None, None] * [10, 20, 30] + np.arange(SIDE)[None, :, None])


def test_jpeg(tmp_path):
    kinds = itertools.product(("RGB", "L"), (False, True))
    encoded = [encode(PIL.Image.fromarray(RAMP).convert(mode), "JPEG", progressive=kind) for mode, kind in kinds]
    for contents, image in zip(encoded, in_order(tmp_path, encoded), strict=True):
        np.testing.assert_array_equal(image, scaled(tf.io.decode_jpeg(contents, channels=3)))  # the original's
        expected = np.array(PIL.Image.open(io.BytesIO(contents)).convert("RGB"))
        assert np.abs(np.int32(levels(image)) - expected).max() <= 3  # TensorFlow's inverse DCT is the fast one


def test_range_is_minus_one_to_one(tmp_path):
    pixels = np.uint8(np.arange(256 * 3).reshape(16, 16, 3) // 3)
    images = batches(options(write_list(tmp_path, [encode(pixels)]), imsz=16, bsz=1), 1)
    np.testing.assert_array_equal(images[0, 0], scaled(pixels))
    assert images.min() == -1 and images.max() == 1


@pytest.mark.parametrize("name", ["1", "L", "LA", "I;16", "16 bits, 2"])
def test_one_channel_of_grey_images(decoded, name):
    np.testing.assert_array_equal(decoded[1][name], scaled(PNGS[name][1][..., :1]))


@pytest.mark.parametrize("name", ["RGB", "RGBA", "P", "16 bits, 3", "16 bits, 4"])
def test_one_channel_of_colour_images(decoded, name):
    expected = PIL.Image.fromarray(np.uint8(PNGS[name][1])).convert("L")
    assert decoded[1][name].shape == (SIDE, SIDE, 1)
    assert np.abs(np.int32(levels(decoded[1][name][..., 0])) - np.array(expected)).max() <= 1


def test_one_channel_of_a_jpeg(tmp_path):
    encoded = encode(RAMP, "JPEG")
    images = batches(options(write_list(tmp_path, [encoded]), bsz=1, channels=1), 1)
    expected = PIL.Image.fromarray(tf.io.decode_jpeg(encoded, channels=3).numpy()).convert("L")
    assert np.abs(np.int32(levels(images[0, 0, ..., 0])) - np.array(expected)).max() <= 2  # it is the file's own luma


# Sizes


FILTERS = {
    "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
    "lanczos3": PIL.Image.Resampling.LANCZOS,
    "area": PIL.Image.Resampling.BOX,
}


def by_pillow(pixels, sides, method, size=SIDE):
    """Resize [H, W, C] to (height, width) with Pillow in float32, antialiased as always there; cut out the centre."""
    planes = [PIL.Image.fromarray(np.float32(plane)) for plane in np.moveaxis(pixels, -1, 0)]
    planes = [plane.resize(sides[::-1], FILTERS[method]) for plane in planes]
    top, left = (sides[0] - size) // 2, (sides[1] - size) // 2
    return np.clip(np.stack(planes, axis=-1)[top : top + size, left : left + size], 0, 255)


COVERS = {(5, 5): (8, 8), (40, 21): (15, 8), (21, 40): (8, 15), (8, 13): (8, 13), (6, 7): (8, 9)}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos3"])
@pytest.mark.parametrize("how", ["cover", "stretch"])
def test_resize(tmp_path, how, method, channels):
    """Images of five shapes; `COVERS` has the sides that cover 8 x 8."""
    noise = [np.uint8(np.random.RandomState(2).randint(0, 256, (*shape, channels))) for shape in COVERS]
    encoded = [encode(pixels[..., 0] if channels == 1 else pixels) for pixels in noise]
    values = {"resize": how, "resize_filter": method, "channels": channels}
    images = in_order(tmp_path, encoded, **values)
    assert images.shape == (5, SIDE, SIDE, channels) and np.abs(images).max() <= 1
    for pixels, cover, image in zip(noise, COVERS.values(), images):
        expected = by_pillow(pixels, cover if how == "cover" else (SIDE, SIDE), method)
        np.testing.assert_allclose((image + 1) * 127.5, expected, atol=1e-3)  # of 255
    assert faults.find_fault(options(tmp_path / "faces.txt", bsz=5, **values), 0, 1, one) is None


def test_resize_by_area(tmp_path):
    pixels = np.uint8(np.random.RandomState(2).randint(0, 256, (24, 32, 3)))
    images = batches(options(write_list(tmp_path, [encode(pixels)]), resize="stretch", resize_filter="area"), 1)
    expected = pixels.reshape(8, 3, 8, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose((images[0, 0] + 1) * 127.5, expected, atol=1e-3)


def test_resize_of_a_constant_image_and_one_of_the_size(tmp_path):
    source = options(write_list(tmp_path, [encode(flat(77, 50, 30))]), resize="cover", imsz=16)
    np.testing.assert_allclose(batches(source, 1), scaled(77), atol=1e-5)
    source = options(write_list(tmp_path, [encode(PIXELS)]), resize="cover")
    np.testing.assert_array_equal(batches(source, 1)[0, 0], scaled(PIXELS))


# Crops


@pytest.mark.parametrize("shape", [(7, 9), (9, 7), (12, 12), (30, 13), (5, 6), (8, 21), (9, 14)])
def test_crop_is_a_window_of_the_resized_image(tmp_path, shape):
    pixels = np.uint8(np.random.RandomState(2).randint(0, 256, (*shape, 3)))
    images = batches(options(write_list(tmp_path, [encode(pixels)]), crop=True), 2).reshape(-1, SIDE, SIDE, 3)
    places = windows(scaled(resize(pixels, SIDE)), SIDE)
    for image in images:
        assert min(np.abs(image - window).max() for window in places.values()) < 2e-6


def test_sides_are_truncated_in_float32(tmp_path):
    pixels = np.uint8(np.random.RandomState(2).randint(0, 256, (133, 133, 3)))
    assert resize(pixels, 4).shape == (4, 4, 3)  # 5 / 133 * 133 is just below 5
    images = batches(options(write_list(tmp_path, [encode(pixels)]), crop=True, imsz=4), 1)[0]
    np.testing.assert_allclose(images, np.stack([scaled(resize(pixels, 4))] * 4), atol=2e-6)


def test_every_place_is_as_likely(tmp_path):
    pixels = np.uint8(np.arange(5 * 7 * 3).reshape(5, 7, 3))  # the resize by 5 / 5 leaves it as it is
    images = levels(batches(options(write_list(tmp_path, [encode(pixels)]), crop=True, imsz=4, bsz=200), 4))
    places = windows(pixels, 4)
    counts = [np.sum(np.all(images == window, axis=(2, 3, 4))) for window in places.values()]
    assert len(places) == 8 and sum(counts) == 800
    assert np.sum((np.array(counts) - 100) ** 2 / 100) < 24.3  # chi-square, 7 degrees of freedom: 0.1 %


def test_crops_differ_between_seeds_and_positions(tmp_path):
    lfile = write_list(tmp_path, [encode(np.uint8(np.arange(5 * 40 * 3).reshape(5, 40, 3)))])
    first, again, other = (batches(options(lfile, crop=True, imsz=4, seed=seed), 2) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])
