"""Pixels, order, crops and faults of `rpgan_tf.data`, against NumPy, PIL and raw record files."""

import io
import itertools
import json
import re
import types
import zipfile

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config
from rpgan_tf.data import digits, faults, mixtures, order, pixels, stream
from rpgan_tf.data import labels as data_labels
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import image_sets
from rpgan_tf.files import image_folders
from tests.data import test_mixtures
from tools import dataset as prepare_command

SIDE = 8
RANDOM = np.random.RandomState(7)
PIXELS = np.uint8(RANDOM.randint(0, 256, (SIDE, SIDE, 3)))
DEEP = np.uint16(RANDOM.randint(0, 65536, (SIDE, SIDE, 4)))


def options(lfile, **values):
    defaults = {"crop": False, "resize": "no", "resize_filter": "bilinear", "channels": 3, "imsz": SIDE, "bsz": 4}
    defaults |= {"gan": "RPGAN", "pack": 1, "d_steps": 1, "g_steps": 1, "accumulation": 1, "seed": 0, "MAXITER": 1000}
    defaults |= {"subset": None, "mirror": False, "cache": None}
    return types.SimpleNamespace(lfile=str(lfile), **(defaults | values))


def one(iteration):
    return 1


def dataset(options, start=0, batches=one, **values):
    return stream.dataset(options, start, batches=batches, **values)


def batches(options, count, start=0):
    return np.stack(list(dataset(options, start).take(count).as_numpy_iterator()))


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


@pytest.fixture
def numbered(tmp_path):
    """A list of five images; every pixel of image n is n."""
    return write_list(tmp_path, [encode(flat(number)) for number in range(5)])


@pytest.fixture
def mixed_sizes(tmp_path):
    """A list of seven noise images of many sizes."""
    random = np.random.RandomState(1)
    sizes = [(9, 9), (9, 20), (31, 12), (10, 11), (40, 40), (8, 17), (5, 6)]
    return write_list(tmp_path, [encode(np.uint8(random.randint(0, 256, (*size, 3)))) for size in sizes])


# Order


@pytest.mark.parametrize("batch_size", [1, 4, 5, 12])
@pytest.mark.parametrize("seed", [0, 3])
def test_order_is_one_permutation_after_the_other(numbered, batch_size, seed):
    random = np.random.RandomState(seed)
    order = np.concatenate([random.permutation(5) for _ in range(15)])[: 6 * batch_size]
    images = levels(batches(options(numbered, bsz=batch_size, seed=seed), 6))
    np.testing.assert_array_equal(images[..., 0, 0, 0].ravel(), order)


@pytest.mark.parametrize("start", [1, 3, 8])
@pytest.mark.parametrize("crop", [False, True])
def test_a_resumed_stream_is_the_uninterrupted_one(request, start, crop):
    source = options(request.getfixturevalue("mixed_sizes" if crop else "numbered"), crop=crop)
    np.testing.assert_array_equal(batches(source, 3, start), batches(source, start + 3)[start:])


def test_a_dataset_can_be_iterated_twice(mixed_sizes):
    images = dataset(options(mixed_sizes, crop=True)).take(3)
    first, second = (list(images.as_numpy_iterator()) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("crop", [False, True])
def test_shape_is_static(numbered, crop):
    assert dataset(options(numbered, crop=crop)).element_spec == tf.TensorSpec([4, SIDE, SIDE, 3], tf.float32)


def test_digits_shape_is_static():
    assert dataset(options("digits")).element_spec == tf.TensorSpec([4, SIDE, SIDE, 3], tf.float32)


@pytest.mark.parametrize(
    "lfile, shape", [("digits", [SIDE, SIDE, 3]), ("mixture:ring8", [2]), ("mixture:1200d", [1200])]
)
@pytest.mark.parametrize("number, size", [(lambda i: 3, 24), (lambda i: 1 + (i == 900), None)])
def test_shape_is_static_if_all_iterations_are_alike(lfile, shape, number, size):
    images = dataset(options(lfile, pack=2), batches=number)
    assert images.element_spec == tf.TensorSpec([size, *shape], tf.float32)
    assert next(iter(images)).shape == [24 if size else 8, *shape]


# Batches of an iteration


def vary(iteration):
    return (3, 1, 2)[iteration % 3]


def varied(options, count, start=0):
    return list(dataset(options, start, vary).take(count).as_numpy_iterator())


@pytest.fixture(params=["numbered", "mixed_sizes", "digits", "mixture:grid9"])
def any_source(request):
    crop = request.param == "mixed_sizes"
    is_name = request.param.startswith(("digits", "mixture"))
    lfile = request.param if is_name else request.getfixturevalue(request.param)
    return options(lfile, crop=crop, pack=2, bsz=3, seed=5)


def test_batches_of_an_iteration_are_consecutive(any_source):
    received = varied(any_source, 7)
    assert [len(element) for element in received] == [18, 6, 12, 18, 6, 12, 18]
    expected = dataset(any_source, batches=lambda i: 1).take(15).as_numpy_iterator()
    np.testing.assert_array_equal(np.concatenate(received), np.concatenate(list(expected)))


@pytest.mark.parametrize("start", [1, 4, 9])
def test_a_resumed_stream_of_varied_batches_is_the_uninterrupted_one(any_source, start):
    for received, expected in zip(varied(any_source, 4, start), varied(any_source, start + 4)[start:], strict=True):
        np.testing.assert_array_equal(received, expected)


def test_positions_by_hand(numbered):
    random = np.random.RandomState(0)
    order = np.concatenate([random.permutation(5) for _ in range(20)])
    first, second = varied(options(numbered), 2, start=4)  # 3 + 1 + 2 + 3 batches of 4 images come before
    np.testing.assert_array_equal(levels(first)[:, 0, 0, 0], order[36:40])
    np.testing.assert_array_equal(levels(second)[:, 0, 0, 0], order[40:48])


def test_a_late_start_takes_no_steps_through_the_images(numbered):
    taken = order.of_iterations(options(numbered, bsz=1), np.arange(10**6), 10**6 - 3, lambda i: 1)
    entries = [int(next(taken).entries[0]) for _ in range(5)]
    random = np.random.RandomState(0)
    expected = np.concatenate([random.permutation(10**6)[-3:], random.permutation(10**6)[:2]])
    np.testing.assert_array_equal(entries, expected)


def test_the_gan_says_how_many_batches(numbered):
    source = options(numbered, d_steps=3, accumulation=2, pack=2)
    received = next(iter(rpgan_tf.data.dataset(source)))
    np.testing.assert_array_equal(received, varied_by(source, 6))
    assert received.shape == (48, SIDE, SIDE, 3)


def varied_by(options, number):
    return next(iter(dataset(options, batches=lambda i: number)))


def test_find_fault_looks_at_the_batches_of_the_iteration(tmp_path):
    contents = [encode(flat(number)) for number in range(48)]
    order = np.random.RandomState(0).permutation(48)
    contents[order[15]] = b"in iteration 1"
    contents[order[23]] = b"in iteration 2"
    source = options(write_list(tmp_path, contents))
    assert faults.find_fault(source, 0, 1, vary) is None
    assert f"{order[15]}.png" in faults.find_fault(source, 1, 1, vary)
    assert f"{order[23]}.png" in faults.find_fault(source, 2, 1, vary)
    assert faults.find_fault(source, 3, 1, vary) is None
    assert f"{order[15]}.png" in faults.find_fault(options(source.lfile), 1, 1, lambda i: 2)


# Points


@pytest.mark.parametrize("name", ["ring8", "grid25", "1200d"])
def test_points_are_of_the_mixture(name):
    points = next(iter(dataset(options(f"mixture:{name}", bsz=4000), batches=lambda i: 1))).numpy()
    assert points.dtype == np.float32
    test_mixtures.check(points, mixtures.find(f"mixture:{name}"))


def test_points_depend_on_seed_and_position_alone():
    first, again, other, test = (
        np.concatenate(batches(options(lfile, bsz=size, seed=seed), 24 // size))
        for lfile, size, seed in [
            ("mixture:ring8", 4, 0),
            ("mixture:ring8", 12, 0),
            ("mixture:ring8", 4, 1),
            ("mixture:ring8:test", 4, 0),
        ]
    )
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(np.concatenate([first, other, test]), axis=0)) == 3 * 24


def test_unknown_mixture():
    with pytest.raises(UserError, match="no mixture 'mixture:rign8'.*did you mean 'ring8'"):
        dataset(options("mixture:rign8"))
    assert faults.find_fault(options("mixture:ring8"), 0, 1, one) is None


# Pixels


def picture(mode):
    return PIL.Image.fromarray(PIXELS).convert(mode)


def high_bytes(deep):
    """Return what 16 bits a channel become: the high byte; grey is repeated, alpha dropped."""
    return np.broadcast_to((deep >> 8)[..., : 1 if deep.shape[-1] < 3 else 3], (SIDE, SIDE, 3))


PNGS = {mode: (encode(picture(mode)), np.array(picture(mode).convert("RGB"))) for mode in ("1", "L", "LA", "P", "RGB")}
PNGS["RGBA"] = encode(np.dstack([PIXELS, PIXELS[..., :1]])), PIXELS
PNGS["P, transparent"] = encode(picture("P"), transparency=0), PNGS["P"][1]
PNGS["I;16"] = encode(DEEP[..., 0]), high_bytes(DEEP[..., :1])
PNGS |= {f"16 bits, {n}": (tf.io.encode_png(DEEP[..., :n]).numpy(), high_bytes(DEEP[..., :n])) for n in range(1, 5)}


@pytest.mark.parametrize("name", PNGS)
def test_png(tmp_path, name):
    encoded, expected = PNGS[name]
    images = batches(options(write_list(tmp_path, [encoded]), bsz=1), 1)
    np.testing.assert_array_equal(images[0, 0], scaled(expected))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(tmp_path, mode, progressive):
    ramp = np.uint8(np.arange(SIDE)[:, None, None] * [10, 20, 30] + np.arange(SIDE)[None, :, None])
    encoded = encode(PIL.Image.fromarray(ramp).convert(mode), "JPEG", progressive=progressive)
    images = batches(options(write_list(tmp_path, [encoded]), bsz=1), 1)
    np.testing.assert_array_equal(images[0, 0], scaled(tf.io.decode_jpeg(encoded, channels=3)))  # the original's
    expected = np.array(PIL.Image.open(io.BytesIO(encoded)).convert("RGB"))
    assert np.abs(np.int32(levels(images[0, 0])) - expected).max() <= 3  # TensorFlow's inverse DCT is the fast one


def test_range_is_minus_one_to_one(tmp_path):
    pixels = np.uint8(np.arange(256 * 3).reshape(16, 16, 3) // 3)
    images = batches(options(write_list(tmp_path, [encode(pixels)]), imsz=16, bsz=1), 1)
    np.testing.assert_array_equal(images[0, 0], scaled(pixels))
    assert images.min() == -1 and images.max() == 1


GREY = {mode: encoded for mode, (encoded, _) in PNGS.items() if mode in ("1", "L", "LA", "I;16", "16 bits, 2")}


@pytest.mark.parametrize("name", GREY)
def test_one_channel_of_grey_images(tmp_path, name):
    images = batches(options(write_list(tmp_path, [GREY[name]]), bsz=1, channels=1), 1)
    np.testing.assert_array_equal(images[0, 0], scaled(PNGS[name][1][..., :1]))


@pytest.mark.parametrize("name", ["RGB", "RGBA", "P", "16 bits, 3", "16 bits, 4"])
def test_one_channel_of_colour_images(tmp_path, name):
    images = batches(options(write_list(tmp_path, [PNGS[name][0]]), bsz=1, channels=1), 1)
    expected = PIL.Image.fromarray(np.uint8(PNGS[name][1])).convert("L")
    assert images.shape[2:] == (SIDE, SIDE, 1)
    assert np.abs(np.int32(levels(images[0, 0, ..., 0])) - np.array(expected)).max() <= 1


def test_one_channel_of_a_jpeg(tmp_path):
    ramp = np.uint8(np.arange(SIDE)[:, None, None] * [10, 20, 30] + np.arange(SIDE)[None, :, None])
    encoded = encode(ramp, "JPEG")
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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos3"])
@pytest.mark.parametrize(
    "shape, cover", [((5, 5), (8, 8)), ((40, 21), (15, 8)), ((21, 40), (8, 15)), ((8, 13), (8, 13)), ((6, 7), (8, 9))]
)
def test_resize(tmp_path, shape, cover, method, channels):
    pixels = np.uint8(np.random.RandomState(2).randint(0, 256, (*shape, channels)))
    lfile = write_list(tmp_path, [encode(pixels[..., 0] if channels == 1 else pixels)])
    for how, sides in (("cover", cover), ("stretch", (SIDE, SIDE))):
        source = options(lfile, resize=how, resize_filter=method, channels=channels, bsz=1)
        images = batches(source, 1)[0, 0]
        assert images.shape == (SIDE, SIDE, channels) and np.abs(images).max() <= 1
        np.testing.assert_allclose((images + 1) * 127.5, by_pillow(pixels, sides, method), atol=1e-3)  # of 255
        assert faults.find_fault(source, 0, 1, one) is None


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


# Sources


def test_list_of_relative_paths_mixed_kinds_and_blank_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(encode(flat(10)))
    (tmp_path / "a" / "zwölf 2.jpeg").write_bytes(encode(flat(200), "JPEG"))
    (tmp_path / "3").write_bytes(encode(flat(30)))  # the bytes decide, not the name
    (tmp_path / "list").write_bytes("\ufeff\r\na/1.png\r\n\r\n  a/zwölf 2.jpeg \r\n3".encode())
    images = levels(batches(options("list", bsz=3), 1))[0]
    assert sorted(images[:, 4, 4, 1]) == [10, 30, 200]


def test_folder_holds_every_image_below_it_sorted(tmp_path):
    names = ["b/c/4.Jpg", "b/2.PNG", "a.png", "b/10.jpeg", "é.JPEG"]
    for value, name in enumerate(sorted(names)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encode(flat(value * 20), "PNG" if name.lower().endswith("png") else "JPEG"))
    (tmp_path / "b" / "notes.txt").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    images = levels(batches(options(tmp_path, bsz=5), 1))[0]
    np.testing.assert_array_equal(images[:, 4, 4, 1], np.random.RandomState(0).permutation(5) * 20)


def test_folder_may_hold_links(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(encode(flat(9)))
    (tmp_path / "images" / "link").symlink_to(tmp_path / "elsewhere")
    assert np.all(levels(batches(options(tmp_path / "images"), 1)) == 9)


def test_digits():
    datasets = pytest.importorskip("sklearn.datasets")
    small = datasets.load_digits().images
    images = levels(batches(options("digits", imsz=8, bsz=1797), 1))[0]
    order = np.random.RandomState(0).permutation(1797)
    np.testing.assert_array_equal(images, np.repeat(np.uint8(small[order] * 255 / 16)[..., None], 3, axis=-1))
    large = digits.images("digits", 32)
    assert large.shape == (1797, 32, 32, 3) and large.dtype == np.uint8
    expected = PIL.Image.fromarray(np.uint8(small[5] * 255 / 16)).resize((32, 32), PIL.Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(large[5], np.stack([np.array(expected)] * 3, axis=-1))
    assert faults.find_fault(options("digits"), 0, 3, one) is None


@pytest.mark.parametrize("suffix, cut", [(":train", slice(1500)), (":test", slice(1500, 1797)), ("", slice(None))])
def test_digits_splits(suffix, cut):
    images = digits.images("digits", SIDE, channels=1)[cut]
    assert images.shape == (len(range(1797)[cut]), SIDE, SIDE, 1)
    received = batches(options(f"digits{suffix}", bsz=len(images), channels=1), 1)[0]
    np.testing.assert_array_equal(received, scaled(images[np.random.RandomState(0).permutation(len(images))]))


def test_digits_unknown_split():
    with pytest.raises(UserError, match="no digits 'digits:tset' for lfile; did you mean 'digits:test'?"):
        dataset(options("digits:tset"))


def test_digits_resume():
    source = options("digits", imsz=8, bsz=700)
    np.testing.assert_array_equal(batches(source, 2, 3), batches(source, 5)[3:])


# .zip


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


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_and_folder_are_the_same_images_in_the_same_order(tmp_path, compression):
    contents = write_images(tmp_path / "images") | {"notes.txt": b"none", "b/": b""}
    path = write_zip(tmp_path / "images.ZIP", contents, compression=compression)
    first, second = (batches(options(source, bsz=3), 4) for source in (path, tmp_path / "images"))
    np.testing.assert_array_equal(first, second)
    received = np.concatenate([batch for batch in stream.once("lfile", str(path), options(path))[1](0, 2)])
    np.testing.assert_array_equal(levels(received)[:, 4, 4, 1], np.arange(5) * 20)


@pytest.mark.parametrize("kind", ["BMP", "WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_zip_of_other_kinds(tmp_path, kind, mode):
    if mode == "CMYK" and kind != "TIFF":
        pytest.skip("has none")
    values = {"lossless": True} if kind == "WEBP" else {}
    contents = encode(picture("P" if kind == "GIF" and mode == "RGB" else mode), kind, **values)
    path = write_zip(tmp_path / "images.zip", {f"1.{kind.lower()}": contents})
    expected = np.array(PIL.Image.open(io.BytesIO(contents)).convert("RGB"))
    np.testing.assert_array_equal(levels(batches(options(path, bsz=1), 1)[0, 0]), expected)


def test_zip_of_16_bits_keeps_the_high_byte(tmp_path):
    path = write_zip(tmp_path / "images.zip", {"1.tiff": encode(DEEP[..., 0], "TIFF")})
    np.testing.assert_array_equal(batches(options(path, bsz=1), 1)[0, 0], scaled(high_bytes(DEEP[..., :1])))


@pytest.mark.parametrize("content", [b"", b"an image", encode(PIXELS)[:-30], encode(PIXELS, "WEBP")[:-30]])
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_fault_in_a_zip_names_the_image(tmp_path, content, suffix):
    path = write_zip(
        tmp_path / "images.zip", {f"a/{n}.{suffix}": content if n == 2 else WHOLE["png"] for n in range(4)}
    )
    assert fault(options(path)) == (
        f"{path}: 'a/2.{suffix}' is damaged or no image: expected a whole PNG or JPEG file; replace it or remove it"
    )


def test_fault_of_bytes_that_changed_in_a_zip(tmp_path):
    path = write_zip(tmp_path / "images.zip", {"1.png": encode(PIXELS)})
    contents = bytearray(path.read_bytes())
    contents[100] ^= 1
    path.write_bytes(contents)
    assert "'1.png' is damaged" in fault(options(path))


def test_zips_that_are_refused_at_once(tmp_path):
    with pytest.raises(UserError, match="no .png, .jpg, .jpeg files in the .zip lfile = .*; expected a text file"):
        dataset(options(write_zip(tmp_path / "none.zip", {"notes.txt": b""})))
    (tmp_path / "cut.zip").write_bytes(b"PK")
    for name, reason in (("cut.zip", "File is not a zip file"), ("nowhere.zip", "No such file")):
        with pytest.raises(
            UserError, match=f"cannot read lfile = '.*{name}': .*{reason}.*; expected a whole .zip of im"
        ):
            dataset(options(tmp_path / name))


# Labels


def labelled(folder, pairs):
    """Write `NAMES` and dataset.json with these labels to a folder and a .zip; return both paths."""
    contents = write_images(folder / "images")
    text = json.dumps({"labels": pairs})
    (folder / "images" / "dataset.json").write_text(text)
    return folder / "images", write_zip(folder / "images.zip", contents | {"dataset.json": text})


CLASSES = {name: [2, 0, 3, 3, 0][n] for n, name in enumerate(sorted(NAMES))}
VECTORS = {name: [n / 4, -1.5, n] for n, name in enumerate(sorted(NAMES))}


@pytest.mark.parametrize("values, expected", [(CLASSES, np.eye(4)[[2, 0, 3, 3, 0]]), (VECTORS, list(VECTORS.values()))])
def test_labels_go_with_their_images(tmp_path, values, expected):
    expected = np.float32(expected)
    for path in labelled(tmp_path, [[name, values[name]] for name in NAMES]):
        source = options(path, bsz=3, num_classes=expected.shape[1], test_lfile=str(path))
        batched = dataset(source)
        assert batched.element_spec[1] == tf.TensorSpec([3, expected.shape[1]], tf.float32)
        for images, labels in batched.take(4).as_numpy_iterator():
            np.testing.assert_array_equal(labels, expected[levels(images)[:, 4, 4, 1] // 20])
        (images, labels), *_ = stream.held_out(source).as_numpy_iterator()
        np.testing.assert_array_equal(labels, expected[:3])
        assert next(stream.once("lfile", source.lfile, source)[1](0, 2)).shape == (2, SIDE, SIDE, 3)  # images alone
        found = data_labels.of_training(source)
        np.testing.assert_array_equal(data_labels.take(found, np.arange(5)), expected)
        drawn = data_labels.draw(found, 4000, [1, 2]).numpy()
        np.testing.assert_array_equal(drawn, data_labels.draw(found, 4000, [1, 2]))
        np.testing.assert_allclose(drawn.mean(axis=0), expected.mean(axis=0), atol=0.1)  # over 5 standard errors
        assert not np.array_equal(drawn, data_labels.draw(found, 4000, [1, 3]))


def test_labels_of_a_resumed_stream(tmp_path):
    path, _ = labelled(tmp_path, list(CLASSES.items()))
    source = options(path, bsz=3, num_classes=4, mirror=True, subset=4)
    received = list(dataset(source, 3).take(3).as_numpy_iterator())
    for (images, labels), expected in zip(received, list(dataset(source).take(6).as_numpy_iterator())[3:]):
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(labels, expected[1])


def test_labels_are_not_looked_at_without_num_classes(tmp_path):
    path, _ = labelled(tmp_path, "damaged")
    assert data_labels.of_training(options(path)) is None and batches(options(path), 1).shape == (1, 4, SIDE, SIDE, 3)


@pytest.mark.parametrize("lfile, cut", [("digits", slice(None)), ("digits:test", slice(1500, None))])
def test_labels_of_digits(lfile, cut):
    datasets = pytest.importorskip("sklearn.datasets")
    classes = datasets.load_digits().target[cut]
    order = np.random.RandomState(0).permutation(len(classes))
    _, labels = next(iter(dataset(options(lfile, bsz=200, num_classes=10))))
    np.testing.assert_array_equal(labels, np.eye(10)[classes[order[:200]]])
    np.testing.assert_array_equal(data_labels.of_training(options(lfile, num_classes=10)).values, classes)


def test_labels_of_tfds(stored):
    images, labels = next(iter(dataset(options("tfds:tiny_grey", bsz=11, num_classes=20))))
    np.testing.assert_array_equal(labels, np.eye(20)[levels(images)[:, 0, 0, 0]])
    with pytest.raises(UserError, match="num_classes = 20 needs labels, and lfile = 'tfds:tiny_colour' has none"):
        dataset(options("tfds:tiny_colour", num_classes=20))


@pytest.mark.parametrize(
    "pairs, num_classes, message",
    [
        (
            list(CLASSES.items()),
            10,
            "has labels of 4 classes: received num_classes = 10; set num_classes=4, or 0 to use",
        ),
        (list(VECTORS.items()), 4, "has labels of 3 classes: received num_classes = 4"),
        (
            None,
            4,
            "num_classes = 4 needs labels, and lfile = '.*' has none: expected a folder or a .zip with a dataset.js",
        ),
        (list(CLASSES.items())[1:], 4, "dataset.json of lfile = '.*' has no label for 'a.png': expected one for each"),
        ("damaged", 4, 'dataset.json of lfile = .* cannot be read: ValueError.*; expected {"labels": '),
        ([], 4, "cannot be read: ValueError: labels are float64"),
        ([["a.png", -1]], 4, "cannot be read: ValueError: labels are int64"),
        ([["a.png", [1, 2]], ["b/2.PNG", [1]]], 4, "cannot be read: ValueError"),
        ([["a.png", True]], 1, "cannot be read: ValueError: labels are bool"),
        ([["a.png", [float("nan")]]], 1, "cannot be read: ValueError: labels are float64"),
        ([["a.png"]], 1, "cannot be read: ValueError"),
        (3, 1, "cannot be read: TypeError"),
    ],
)
def test_labels_that_are_refused_at_once(tmp_path, pairs, num_classes, message):
    for path in labelled(tmp_path, pairs):
        with pytest.raises(UserError, match=message) as caught:
            dataset(options(path, num_classes=num_classes))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lfile", ["digits:stacked", "faces.txt"])
def test_data_without_labels(numbered, monkeypatch, lfile):
    monkeypatch.chdir(numbered.parent)
    with pytest.raises(UserError, match=f"num_classes = 10 needs labels, and lfile = '{lfile}' has none"):
        dataset(options(lfile, num_classes=10))


def test_labels_are_checked_before_tensorflow_is_imported(tmp_path):
    values = {"gan": "StyleGAN2", "net": "stylegan2", "imsz": 16, "wts_dir": str(tmp_path), "num_classes": 7}
    for path in labelled(tmp_path, list(CLASSES.items())):
        with pytest.raises(UserError, match=f"lfile = '{path}' has labels of 4 classes: received num_classes = 7"):
            config.check_files(config.resolve(values | {"lfile": str(path)}))
        config.check_files(config.resolve(values | {"lfile": str(path), "num_classes": 4}))
    with pytest.raises(UserError, match="lfile = 'digits' has labels of 10 classes: received num_classes = 7"):
        config.check_files(config.resolve(values | {"lfile": "digits"}))
    with pytest.raises(UserError, match="test_lfile = 'digits:stacked' has none"):
        config.check_files(
            config.resolve(values | {"lfile": "digits", "num_classes": 10, "test_lfile": "digits:stacked"})
        )


# Subset and mirror images


@pytest.fixture
def ramps(tmp_path):
    """A list of five images; pixel x of image n is 8 n + x, so that an image and its mirror image are told apart."""
    rows = [np.broadcast_to(np.uint8(8 * n + np.arange(SIDE))[None, :, None], (SIDE, SIDE, 3)) for n in range(5)]
    return write_list(tmp_path, [encode(np.ascontiguousarray(row)) for row in rows])


def test_mirror_doubles_the_images(ramps):
    order = np.random.RandomState(0).permutation(10)
    rows = levels(batches(options(ramps, bsz=10, mirror=True), 1))[0, :, 3, :, 1]
    expected = [8 * (n % 5) + (np.arange(SIDE)[::-1] if n >= 5 else np.arange(SIDE)) for n in order]
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("seed", [0, 3])
def test_subset_is_drawn_by_the_seed(ramps, seed):
    chosen = sorted(np.random.RandomState(seed).permutation(5)[:3])
    order = np.random.RandomState(seed).permutation(6)
    rows = levels(batches(options(ramps, bsz=6, mirror=True, subset=3, seed=seed), 1))[0, :, 3, :, 1]
    np.testing.assert_array_equal(rows.min(axis=1) // 8, [chosen[n % 3] for n in order])
    np.testing.assert_array_equal(rows[:, 0] > rows[:, -1], order >= 3)


def test_subset_of_labels():
    found, every = (data_labels.of_training(options("digits", num_classes=10, subset=subset)) for subset in (100, None))
    chosen = np.sort(np.random.RandomState(0).permutation(1797)[:100])
    np.testing.assert_array_equal(found.values, every.values[chosen])
    assert found.num_classes == 10 and len(every.values) == 1797


def test_subset_that_is_too_large(numbered):
    with pytest.raises(UserError, match="has 5 images: expected subset of at most as many, received 6; set a smaller"):
        dataset(options(numbered, subset=6))
    assert batches(options(numbered, subset=5), 1).shape == (1, 4, SIDE, SIDE, 3)


def test_find_fault_looks_at_the_subset(tmp_path):
    lfile = write_list(tmp_path, [encode(flat(n)) if n != 2 else b"bad" for n in range(6)])
    for seed in range(8):
        message = faults.find_fault(options(lfile, subset=4, seed=seed, mirror=True), 0, 2, one)
        assert bool(message) == (2 in np.random.RandomState(seed).permutation(6)[:4])


def test_what_is_measured_and_held_out_is_whole_and_not_mirrored(numbered):
    source = options(numbered, subset=2, mirror=True, test_lfile=str(numbered))
    assert image_sets.open_data(str(numbered), source, of_training=True).count == 5
    received = next(image_sets.open_data(str(numbered), source, of_training=True).each())
    np.testing.assert_array_equal(received[:, 0, 0, 0], np.arange(5))
    assert levels(next(iter(stream.held_out(source))))[:, 0, 0, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("values", [{"subset": 3}, {"mirror": True}])
def test_subset_and_mirror_are_of_images_that_end(values):
    with pytest.raises(UserError, match="'digits:stacked' is drawn without end: expected subset = None and mirror"):
        config.resolve({"lfile": "digits:stacked", "gan": "DCGAN", "net": "dcgan"} | values)
    with pytest.raises(UserError, match=f"option '{next(iter(values))}' is of images, and lfile = 'mixture:ring8' has"):
        config.resolve({"lfile": "mixture:ring8", "gan": "DCGAN", "net": "toy"} | values)


# tensorflow-datasets


@pytest.fixture(scope="module")
def tfds_folder(tmp_path_factory):
    """A folder with two prepared data sets whose code is then unknown, and one, `drawn_later`, that is code only."""
    tfds = pytest.importorskip("tensorflow_datasets")

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        code_path = None  # no checksums and descriptions beside this file

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(self.features))

        def _split_generators(self, manager):
            return {"train": self._generate_examples(11), "test": self._generate_examples(3)}

        def _generate_examples(self, count):
            for number in range(count):
                yield number, self.example(number)

    image, label = tfds.features.Image, tfds.features.ClassLabel(num_classes=20)

    class TinyGrey(Builder, skip_registration=True):
        features = {"image": image(shape=(SIDE, SIDE, 1)), "label": label}

        def example(self, number):
            return {"image": flat(number)[..., :1], "label": number}

    class TinyColour(Builder, skip_registration=True):
        features = {
            "depth": image(shape=(SIDE, SIDE, 1), dtype=np.float32),
            "mask": tfds.features.LabeledImage(shape=(SIDE, SIDE, 1), labels=2),
            "photo": image(shape=(None, None, 3), encoding_format="jpeg"),
        }

        def example(self, number):
            zeros = np.zeros((SIDE, SIDE, 1))
            side = SIDE + (number == 7)
            return {"depth": np.float32(zeros), "mask": np.uint8(zeros), "photo": flat(20 * number, side, SIDE)}

    class TinyText(Builder, skip_registration=True):
        features = {"text": tfds.features.Text(), "label": label}

        def example(self, number):
            return {"text": str(number), "label": number}

    class DrawnLater(TinyGrey):
        pass

    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(num_shards=3)
    for builder in (TinyGrey, TinyColour, TinyText):
        builder(data_dir=folder).download_and_prepare(download_config=config)
    return folder


@pytest.fixture
def stored(tfds_folder, monkeypatch):
    """Return a function: the images of a split of a data set in stored order, read from its raw record files."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tfds_folder))

    def read(name, key, split):
        files = sorted(map(str, tfds_folder.glob(f"{name}/1.0.0/{name}-{split}.tfrecord*")))
        records = [tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(files)]
        contents = [record.features.feature[key].bytes_list.value[0] for record in records]
        return [np.array(PIL.Image.open(io.BytesIO(content)).convert("RGB")) for content in contents]

    return read


@pytest.mark.parametrize("suffix, cut", [("", slice(None)), (":train[:50%]", slice(6)), (":train[3:]", slice(3, None))])
def test_tfds_grey(stored, suffix, cut):
    images = np.stack(stored("tiny_grey", "image", "train"))[cut]
    order = np.random.RandomState(0).permutation(len(images))
    received = batches(options(f"tfds:tiny_grey{suffix}", bsz=len(images)), 1)[0]
    np.testing.assert_array_equal(received, scaled(images[order]))


def test_tfds_is_prepared_with_its_labels(stored, tmp_path):
    prepare_command.main(["tfds:tiny_grey:test", str(tmp_path / "tiny.zip")])
    images = stored("tiny_grey", "image", "test")
    received = next(stream.once("lfile", str(tmp_path / "tiny.zip"), options(""))[1](0, 3))
    np.testing.assert_array_equal(levels(received), images)
    found = image_folders.read_labels("lfile", str(tmp_path / "tiny.zip"))
    assert found.values.tolist() == [image[0, 0, 0] for image in images]


def test_tfds_version_and_other_split(stored):
    images = np.stack(stored("tiny_grey", "image", "test"))
    received = batches(options("tfds:tiny_grey:1.0.0:test", bsz=3), 1)[0]
    np.testing.assert_array_equal(received, scaled(images[np.random.RandomState(0).permutation(3)]))


def test_tfds_colour_takes_the_first_picture(stored):
    images = stored("tiny_colour", "photo", "train")
    received = levels(batches(options("tfds:tiny_colour", bsz=11, crop=True), 1))[0]
    expected = [images[entry][4, 4] for entry in np.random.RandomState(0).permutation(11)]
    assert np.abs(np.int32(received[:, 4, 4]) - expected).max() <= 2


def test_tfds_kept_in_memory(stored):
    sources = [options("tfds:tiny_colour", bsz=11, crop=True, cache=kind) for kind in ("memory", None)]
    np.testing.assert_array_equal(*(batches(source, 2) for source in sources))


def test_tfds_fault_names_the_image(stored):
    bad = [image.shape for image in stored("tiny_colour", "photo", "train")].index((SIDE + 1, SIDE, 3))
    source = options("tfds:tiny_colour", bsz=11)
    message = f"tfds:tiny_colour:train, image {bad} is 8x9 pixels: expected 8x8; "
    assert faults.find_fault(source, 0, 1, one).startswith(message)
    with pytest.raises(tf.errors.OpError):
        batches(source, 1)


def test_tfds_prepares_what_is_missing(tfds_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert sorted(levels(batches(options("tfds:drawn_later", bsz=11), 1))[0, :, 0, 0, 0]) == list(range(11))
    line = "tfds:drawn_later is not on this disk: downloading and preparing drawn_later in "
    assert f"{line}'{tmp_path}/drawn_later/1.0.0'" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "lfile, reason",
    [
        ("tfds:tiny_gray", "tiny_gray not found"),
        ("tfds:tiny_text", "has no images, only label, text"),
        ("tfds:tiny_grey:trian", r"Unknown split 'trian'. Should be one of \['train', 'test'\]"),
        ("tfds:tiny_grey:train[9:9]", "no data"),
        ("tfds:tiny_grey:train[:50", "Error parsing split"),
        ("tfds:no name", "failed"),
        ("tfds:", "expected a text file"),
    ],
)
def test_tfds_mistakes(stored, lfile, reason):
    with pytest.raises(UserError, match=f"lfile = '{re.escape(lfile)}'.*{reason}") as caught:
        dataset(options(lfile))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [6, 20])
def test_tfds_resized(stored, size):
    images = np.stack(stored("tiny_grey", "image", "train"))[..., :1]
    source = options("tfds:tiny_grey", bsz=11, channels=1, imsz=size, resize="cover")
    expected = images[np.random.RandomState(0).permutation(11), :1, :1]  # each is of one grey
    np.testing.assert_allclose(batches(source, 1)[0], scaled(np.tile(expected, (1, size, size, 1))), atol=1e-5)


# Held-out data


def held_out(test_lfile, **values):
    return list(stream.held_out(options("digits", test_lfile=str(test_lfile), **values)).as_numpy_iterator())


def test_held_out_images_come_once_in_stored_order(numbered):
    received = held_out(numbered, bsz=2)
    assert [levels(batch)[:, 0, 0, 0].tolist() for batch in received] == [[0, 1], [2, 3]]
    np.testing.assert_array_equal(received[1][1], scaled(flat(3)))
    assert [batch.shape for batch in held_out(numbered, bsz=1, pack=4)] == [(4, SIDE, SIDE, 3)]
    assert len(held_out(numbered, bsz=5)) == 1


def test_held_out_shape_is_static(numbered):
    images = stream.held_out(options("digits", test_lfile=str(numbered), pack=1))
    assert images.element_spec == tf.TensorSpec([4, SIDE, SIDE, 3], tf.float32)


@pytest.mark.parametrize("shape", [(7, 9), (30, 13), (12, 12)])
def test_held_out_crop_is_the_central_one(tmp_path, shape):
    pixels = np.uint8(np.random.RandomState(2).randint(0, 256, (*shape, 3)))
    received = held_out(write_list(tmp_path, [encode(pixels)]), bsz=1, crop=True)[0][0]
    resized = scaled(resize(pixels, SIDE))
    top, left = (resized.shape[0] - SIDE) // 2, (resized.shape[1] - SIDE) // 2
    np.testing.assert_allclose(received, resized[top : top + SIDE, left : left + SIDE], atol=2e-6)


def test_held_out_images_are_resized_as_others(mixed_sizes):
    values = {"resize": "cover", "bsz": 7}
    received = held_out(mixed_sizes, **values)[0]
    order = np.random.RandomState(0).permutation(7)
    np.testing.assert_array_equal(received[order], batches(options(mixed_sizes, **values), 1)[0])


def test_held_out_digits():
    received = np.concatenate(held_out("digits:test", bsz=99))
    np.testing.assert_array_equal(received, scaled(digits.images("digits", SIDE)[1500:]))


def test_held_out_points():
    received = held_out("mixture:ring8:test", bsz=300, pack=2)
    assert len(received) == 16  # 9,600 of 10,000 points
    trained_on = batches(options("mixture:ring8:test", bsz=600), 16)
    np.testing.assert_array_equal(received, trained_on)


def test_held_out_mistakes(numbered):
    expected = "has 5 images: expected at least one batch of bsz \\* pack = 6; add images, or set a smaller bsz"
    with pytest.raises(UserError, match=f"test_lfile = '{numbered}' {expected}"):
        held_out(numbered, bsz=3, pack=2)
    with pytest.raises(UserError, match="cannot read test_lfile = 'nowhere' as text"):
        held_out("nowhere")


def test_held_out_fault(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faulty(tmp_path, encode(flat(1, height=9, width=7)))
    source = options("digits", test_lfile="faces.txt")
    with pytest.raises(tf.errors.OpError):
        held_out("faces.txt", bsz=3)
    assert faults.find_held_out_fault(source).startswith("faces.txt, line 3: 'bad.png' is 7x9 pixels: expected 8x8; ")
    for lfile, values in (("faces.txt", {"crop": True}), ("digits:test", {}), ("mixture:ring8", {})):
        assert faults.find_held_out_fault(options("digits", test_lfile=lfile, **values)) is None


# Faults


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
NO_IMAGES = {"empty": b"", "text": b"an image", "bmp": encode(PIXELS, "BMP"), "gif": encode(PIXELS, "GIF")}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_fault_no_image(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    faulty(tmp_path, NO_IMAGES[name])
    assert fault(options("faces.txt")) == (
        "faces.txt, line 3: 'bad.png' is damaged or no image: expected a whole PNG or JPEG file; "
        "replace it or remove the line"
    )


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("name", WHOLE)
def test_fault_truncated(tmp_path, monkeypatch, name, crop):
    monkeypatch.chdir(tmp_path)
    faulty(tmp_path, WHOLE[name][:-1])
    assert "line 3: 'bad.png' is damaged" in fault(options("faces.txt", crop=crop))


@pytest.mark.parametrize("name", WHOLE)
def test_every_cut_is_noticed(name):
    whole = WHOLE[name]
    pixels.decode(whole)
    for cut in sorted({*range(0, len(whole), len(whole) // 50), *range(len(whole) - 20, len(whole))}):
        for rest in (b"", bytes(len(whole) - cut)):  # an unfinished copy is short, or ends in zeros
            with pytest.raises(tf.errors.OpError):
                pixels.decode(whole[:cut] + rest)


def test_fault_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faulty(tmp_path, None)
    assert fault(options("faces.txt")) == (
        "faces.txt, line 3: 'bad.png' cannot be read: No such file or directory; "
        f"expected a PNG or JPEG file, seen from '{tmp_path}'; correct the path or remove the line"
    )


def test_fault_folder_for_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faulty(tmp_path, None)
    (tmp_path / "bad.png").mkdir()
    assert "line 3: 'bad.png' cannot be read: " in fault(options("faces.txt"))


def test_fault_size(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faulty(tmp_path, encode(flat(1, height=9, width=7)))
    assert fault(options("faces.txt")) == (
        "faces.txt, line 3: 'bad.png' is 7x9 pixels: expected 8x8; set resize = 'cover' or crop = True, resize it, "
        "or remove the line"
    )
    assert faults.find_fault(options("faces.txt", crop=True), 0, 5, one) is None


def test_fault_in_a_folder_names_the_path(tmp_path):
    (tmp_path / "good.png").write_bytes(encode(flat(1)))
    (tmp_path / "small.png").write_bytes(encode(flat(1, 7, 7)))
    assert fault(options(tmp_path)) == (
        f"'{tmp_path}/small.png' is 7x7 pixels: expected 8x8; set resize = 'cover' or crop = True, resize it, "
        "or remove it"
    )


def test_find_fault_looks_at_the_given_iterations_in_order(tmp_path):
    contents = [encode(flat(number)) for number in range(12)]
    order = np.random.RandomState(0).permutation(12)
    contents[order[5]] = b"first"  # in batch 1 of 3
    contents[order[9]] = b"second"  # in batch 2
    source = options(write_list(tmp_path, contents))
    assert faults.find_fault(source, 0, 1, one) is None
    assert f"{order[5]}.png" in fault(source, 1, 2)
    assert f"{order[9]}.png" in fault(source, 2, 1)


def test_batches_before_the_fault_are_given(tmp_path):
    contents = [encode(flat(number)) for number in range(12)]
    order = np.random.RandomState(0).permutation(12)
    contents[order[8]] = WHOLE["png"][:-30]
    iterator = iter(dataset(options(write_list(tmp_path, contents))))
    for first in (0, 4):
        np.testing.assert_array_equal(levels(next(iterator))[:, 0, 0, 0], order[first : first + 4])
    with pytest.raises(tf.errors.OpError):
        next(iterator)


def test_find_fault_of_good_images(numbered):
    assert faults.find_fault(options(numbered), 0, 10, one) is None


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "lists no images"),
        (b"\n  \n", "lists no images"),
        (WHOLE["png"], "as text: 'utf-8' codec"),
        (b"a.png\0b.png", "as text: it holds null bytes"),
        (None, "No such file"),
    ],
)
def test_lists_that_are_refused_at_once(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "faces.txt").write_bytes(content)
    with pytest.raises(UserError, match=f"faces.txt.*{reason}.*; expected a text file with one image path a line"):
        dataset(options(tmp_path / "faces.txt"))


def test_folder_without_images_is_refused_at_once(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(UserError, match="no .png, .jpg, .jpeg files below the folder"):
        dataset(options(tmp_path))


def test_stacked_digits_are_three_of_the_digits():
    images = levels(batches(options("digits:stacked", imsz=16, bsz=200), 1))[0]
    assert images.shape == (200, 16, 16, 3)
    known = {digit.tobytes(): entry for entry, digit in enumerate(digits.images("digits", 16, channels=1)[..., 0])}
    entries = np.array([[known[np.ascontiguousarray(image[..., i]).tobytes()] for i in range(3)] for image in images])
    assert len(np.unique(entries)) > 400  # of 600 draws from 1,797: 508 are expected
    assert not np.any(np.all(entries == entries[:, :1], axis=1))


def test_stacked_digits_depend_on_seed_and_position_alone():
    source = options("digits:stacked", imsz=8, bsz=6)
    first = np.concatenate(batches(source, 2))
    np.testing.assert_array_equal(first[6:], batches(source, 1, start=1)[0])
    np.testing.assert_array_equal(first[:8], batches(options("digits:stacked", imsz=8, bsz=8), 1)[0])
    assert not np.array_equal(first, np.concatenate(batches(options("digits:stacked", imsz=8, bsz=6, seed=1), 2)))
    held_out = next(iter(stream.held_out(options("digits", test_lfile="digits:stacked", imsz=8, bsz=12)))).numpy()
    assert held_out.shape == (12, 8, 8, 3) and not np.array_equal(held_out, first)
