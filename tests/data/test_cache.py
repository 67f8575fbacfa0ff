"""Images that are kept decoded: the same batches, whatever happened to the files meanwhile; and what is refused."""

import contextlib
import itertools
import os
import pathlib
import shutil
import time
import zipfile

import numpy as np
import pytest

from rpgan_tf import config
from rpgan_tf.data import cache
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.data.images import WHOLE, batches, dataset, encode, options

KINDS = ["memory", "disk"]
RANDOM = np.random.RandomState(11)


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    """As if nothing were open yet."""
    monkeypatch.setattr(cache, "kept", {})


@pytest.fixture
def listed(tmp_path):
    """A list of nine images of many sizes, PNG and JPEG."""
    sizes = [(9, 9), (9, 20), (31, 12), (10, 11), (40, 40), (8, 17), (5, 6), (70, 90), (8, 8)]
    for number, size in enumerate(sizes):
        write(tmp_path / f"{number}.png", size, "JPEG" if number % 2 else "PNG")
    (tmp_path / "faces.txt").write_text("".join(f"{tmp_path}/{number}.png\n" for number in range(len(sizes))))
    return tmp_path / "faces.txt"


def write(path, size, kind="PNG"):
    path.write_bytes(encode(np.uint8(RANDOM.randint(0, 256, (*size, 3))), kind))


def kept(listed, kind, **values):
    return options(listed, **{"crop": True, "bsz": 9, "cache": kind, "cache_dir": str(listed.parent / "kept")} | values)


def kept_files(listed):
    return sorted(path.name for path in (listed.parent / "kept").glob("*"))


def forbid_decoding(monkeypatch):
    def fill(*arguments):
        raise AssertionError("images are decoded again")

    monkeypatch.setattr(cache, "_fill", fill)


class Bar(contextlib.nullcontext):
    """In place of the bar that shows progress: calls `update` after each image."""

    def __init__(self, update):
        super().__init__(self)
        self.update = update


@pytest.mark.parametrize(
    "kind, values",
    [
        ("memory", {}),
        ("memory", {"channels": 1, "pack": 2}),
        ("memory", {"crop": False, "resize": "cover"}),
        ("disk", {"subset": 4, "mirror": True}),
    ],
)
def test_batches_are_the_same_wherever_they_start(listed, kind, values):
    expected = batches(kept(listed, None, **values), 4)
    np.testing.assert_array_equal(batches(kept(listed, kind, **values), 4), expected)
    np.testing.assert_array_equal(batches(kept(listed, kind, **values), 2, start=2), expected[2:])


def test_parts_of_several_devices_are_the_same(listed):
    def parts(kind):
        return np.stack(list(dataset(kept(listed, kind, bsz=8), 1, parts=(range(1, 3), 4)).take(6).as_numpy_iterator()))

    np.testing.assert_array_equal(parts("disk"), parts(None))


def test_images_of_folders_and_archives(listed):
    with zipfile.ZipFile(listed.parent / "faces.zip", "w") as archive:
        for path in sorted(listed.parent.glob("*.png")):
            archive.write(path, path.name)
    for source in (listed.parent, listed.parent / "faces.zip", listed.parent / "4.png"):
        expected = batches(options(source, crop=True), 3)
        np.testing.assert_array_equal(batches(options(source, crop=True, cache="memory"), 3), expected)


def test_a_second_run_finds_what_the_first_one_kept(listed, monkeypatch, capsys):
    source = kept(listed, "disk")
    expected = batches(source, 3)
    (name,) = kept_files(listed)
    size = 3 * sum(height * width for height, width in [(9, 9), (9, 20), (31, 12), (10, 11), (40, 40), (8, 17)])
    size += 3 * (5 * 6 + 70 * 90 + 8 * 8)
    assert capsys.readouterr().out == f"keeping {size / 1e6:.1f} MB of pixels in '{source.cache_dir}/{name}'\n"
    monkeypatch.setattr(cache, "kept", {})
    forbid_decoding(monkeypatch)
    np.testing.assert_array_equal(batches(source, 3), expected)
    assert capsys.readouterr().out == f"decoded images are kept in '{source.cache_dir}/{name}'\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_decodes_once(listed, kind, monkeypatch):
    expected = batches(kept(listed, kind), 2)
    forbid_decoding(monkeypatch)
    np.testing.assert_array_equal(batches(kept(listed, kind), 2), expected)


def test_what_changed_is_decoded_again(listed):
    """An image written anew with as many bytes and the time it had, a longer list, another order, fewer images."""

    def check(**values):
        received, expected = (batches(kept(listed, kind, **values), 1) for kind in ("disk", None))
        np.testing.assert_array_equal(received, expected)

    check()
    path = listed.parent / "0.png"
    found, size = path.stat(), path.stat().st_size
    while path.stat().st_ctime_ns == found.st_ctime_ns or path.stat().st_size != size:
        write(path, (9, 9))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    check()
    paths = listed.read_text().splitlines(keepends=True)
    listed.write_text("".join(paths + paths[:1]))
    check()
    listed.write_text("".join(reversed(paths)))
    check()
    check(subset=3)
    assert len(kept_files(listed)) == 5


def test_a_run_that_is_ended_while_it_writes_leaves_nothing(listed, monkeypatch):
    source, decoded = kept(listed, "disk"), itertools.count()

    def stop():
        if next(decoded) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cache.progress, "bar", lambda *arguments: Bar(stop))
        dataset(source)
    assert kept_files(listed) == []
    np.testing.assert_array_equal(batches(source, 3), batches(kept(listed, None), 3))


def test_what_a_killed_run_left_is_removed_once_nobody_writes_it(listed):
    folder = listed.parent / "kept"
    folder.mkdir()
    old, recent, other = (folder / name for name in (".a.pixels.1.part", ".b.pixels.2.part", ".c.npz.3.part"))
    for path in (old, recent, other):
        path.write_bytes(b"")
    for path in (old, other):
        os.utime(path, (0, time.time() - 2 * cache.ABANDONED))
    dataset(kept(listed, "disk"))
    assert not old.exists() and recent.exists() and other.exists()


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:60], lambda whole: whole[:-1]])
def test_a_file_that_is_not_whole_is_made_again(listed, damage, monkeypatch):
    source = kept(listed, "disk")
    expected = batches(source, 3)
    path = listed.parent / "kept" / kept_files(listed)[0]
    whole = path.read_bytes()
    atomic.write(path, lambda file: file.write(damage(whole)))
    monkeypatch.setattr(cache, "kept", {})
    np.testing.assert_array_equal(batches(source, 3), expected)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("kind", KINDS)
def test_images_that_change_while_they_are_decoded(listed, kind, monkeypatch):
    fill = cache._fill

    def disturbed(*arguments):
        write(listed.parent / "8.png", (12, 12))
        return fill(*arguments)

    monkeypatch.setattr(cache, "_fill", disturbed)
    with pytest.raises(UserError, match=f"images of {listed} changed while they were decoded; start again"):
        dataset(kept(listed, kind))
    assert kept_files(listed) == []


@pytest.mark.parametrize("kind, place", [("memory", "in memory"), ("disk", "in '.*/kept'")])
def test_no_room(listed, kind, place, monkeypatch):
    monkeypatch.setattr(cache, "_free_memory", lambda: 1e3)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1e6, 1e6, 1e3))
    message = f"cache = '{kind}' takes about .* MB for 9 images, and there are 0.0 MB {place}; expected cache = None, "
    with pytest.raises(UserError, match=message):
        dataset(kept(listed, kind))
    assert kept_files(listed) == []


def test_no_room_is_said_after_some_images(tmp_path, monkeypatch):
    """Of 400 images, all of 192 bytes, a hundred show that there is no room for all."""
    (tmp_path / "0.png").write_bytes(WHOLE["png"])
    listed = tmp_path / "faces.txt"
    listed.write_text(f"{tmp_path}/0.png\n" * 400)
    decoded = []
    monkeypatch.setattr(cache, "_free_memory", lambda: 400 * 192 - 1)
    monkeypatch.setattr(cache.progress, "bar", lambda *arguments: Bar(lambda: decoded.append(0)))
    with pytest.raises(UserError, match="takes about 0.1 MB for 400 images"):
        dataset(kept(listed, "memory"))
    assert len(decoded) == cache.ENOUGH - 1


@pytest.mark.parametrize("kind", KINDS)
def test_faults_are_named_before_training(listed, kind):
    (listed.parent / "3.png").write_bytes(WHOLE["jpeg"][:-1])
    with pytest.raises(UserError, match="faces.txt, line 4: '.*/3.png' is damaged"):
        dataset(kept(listed, kind))
    (listed.parent / "3.png").unlink()
    with pytest.raises(UserError, match="faces.txt, line 4: '.*/3.png' cannot be read: "):
        dataset(kept(listed, kind))
    assert kept_files(listed) == []


def test_options():
    assert config.resolve({"wts_dir": "models/a", "cache": "disk"}).cache_dir == "models/a/cache"
    for values, message in [
        ({"cache": "ram"}, "option 'cache' must be one of 'memory', 'disk', received 'ram'"),
        ({"cache": "memory", "lfile": "digits"}, "lfile = 'digits' is in memory as it is: expected cache = None"),
        ({"cache_dir": "x", "cache": "memory"}, "cache_dir is of cache = 'disk', received cache = 'memory'"),
        ({"cache": "disk", "lfile": "mixture:ring8", "net": "toy"}, "option 'cache' is of images"),
    ]:
        with pytest.raises(UserError, match=message):
            config.resolve({"gan": "RaSGAN"} | values)


def test_a_folder_that_cannot_be_written_is_said_at_once(listed):
    values = {"lfile": str(listed), "gan": "DCGAN", "net": "dcgan", "cache": "disk", "cache_dir": f"{listed}/below"}
    with pytest.raises(UserError, match=f"cannot write cache_dir = '{listed}/below': '{listed}' is no folder"):
        config.check_files(config.resolve(values | {"wts_dir": str(pathlib.Path(listed).parent)}))
