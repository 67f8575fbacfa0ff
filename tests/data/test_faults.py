"""Faulty images: the dataset stops there, and the message names the image, the fault and how to mend it."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.data import faults, pixels
from tests.data.images import (
    PIXELS,
    WHOLE,
    dataset,
    encode,
    fault,
    faulty,
    flat,
    held_out,
    levels,
    one,
    options,
    vary,
    write_list,
    write_zip,
)


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


@pytest.mark.parametrize("content", [b"", b"an image", encode(PIXELS)[:-30], encode(PIXELS, "WEBP")[:-30]])
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_fault_in_a_zip_names_the_image(tmp_path, content, suffix):
    path = write_zip(
        tmp_path / "images.zip", {f"a/{n}.{suffix}": content if n == 2 else WHOLE["png"] for n in range(4)}
    )
    assert fault(options(path)) == (
        f"{path}: 'a/2.{suffix}' is damaged or no image: expected a whole image; replace it or remove it"
    )


def test_fault_of_bytes_that_changed_in_a_zip(tmp_path):
    path = write_zip(tmp_path / "images.zip", {"1.png": encode(PIXELS)})
    contents = bytearray(path.read_bytes())
    contents[100] ^= 1
    path.write_bytes(contents)
    assert "'1.png' is damaged" in fault(options(path))


def test_find_fault_looks_at_the_subset(tmp_path):
    lfile = write_list(tmp_path, [encode(flat(n)) if n != 2 else b"bad" for n in range(6)])
    for seed in range(8):
        message = faults.find_fault(options(lfile, subset=4, seed=seed, mirror=True), 0, 2, one)
        assert bool(message) == (2 in np.random.RandomState(seed).permutation(6)[:4])


def test_held_out_fault(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faulty(tmp_path, encode(flat(1, height=9, width=7)))
    source = options("digits", test_lfile="faces.txt")
    with pytest.raises(tf.errors.OpError):
        held_out("faces.txt", bsz=3)
    assert faults.find_held_out_fault(source).startswith("faces.txt, line 3: 'bad.png' is 7x9 pixels: expected 8x8; ")
    for lfile, values in (("faces.txt", {"crop": True}), ("digits:test", {}), ("mixture:ring8", {})):
        assert faults.find_held_out_fault(options("digits", test_lfile=lfile, **values)) is None


NO_IMAGES = {"empty": b"", "text": b"an image", "cut bmp": encode(PIXELS, "BMP")[:-9], "head": WHOLE["png"][:9]}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_fault_no_image(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    faulty(tmp_path, NO_IMAGES[name])
    assert fault(options("faces.txt")) == (
        "faces.txt, line 3: 'bad.png' is damaged or no image: expected a whole image; replace it or remove the line"
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
        f"expected an image file, seen from '{tmp_path}'; correct the path or remove the line"
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
