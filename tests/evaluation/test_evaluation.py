"""Evaluation: what is measured, what is said and kept of it, and that it goes on where it was killed."""

import importlib.util
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint, config, data
from rpgan_tf.data import digits, names, stream
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import evaluator, feature_cache, features, image_sets, metrics, protocol, subjects
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators, pictures
from rpgan_tf.training import callbacks
from tests.conftest import ROOT, command
from tools import dump, fixbn
from tools import evaluate as tool


class Means:
    """Extractor: the means of 4 x 4 fields, in grey; and four logits."""

    name, key, num_features, num_classes = "means of 16 fields", "means", 16, 4
    stop_after = None

    def __init__(self):
        self.seen = []  # images a call

    def __call__(self, pixels):
        if self.stop_after is not None and sum(self.seen) >= self.stop_after:
            raise KeyboardInterrupt
        self.seen.append(len(pixels))
        grey = np.float32(pixels).mean(-1) / 255
        size = grey.shape[1] // 4
        found = grey.reshape(len(pixels), 4, size, 4, size).mean((2, 4)).reshape(len(pixels), 16)
        return found, 4 * found[:, :4]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with iterations 2 and 4 of exp/tiny.py of the fixture `project`."""
    values = {"ksz": 4, "zlen": 8, "f1": 16, "df": 8, "imsz": 16, "bsz": 4, "lfile": "digits", "gan": "Baseline"}
    options = config.resolve(values | {"wts_dir": str(tmp_path_factory.mktemp("weights")), "SAVEFREQ": 2})
    gan = rpgan_tf.build(options)
    gan.fit(data.dataset(options), steps_per_epoch=4, verbose=0, shuffle=False, callbacks=[callbacks.Save(options)])
    return pathlib.Path(options.wts_dir)


@pytest.fixture
def extractor(monkeypatch):
    """The extractor of all names."""
    found = Means()
    monkeypatch.setattr(features, "find", lambda name: found)
    monkeypatch.setattr(features, "check", lambda name: None)
    return found


@pytest.fixture
def trained(project, weights, extractor, monkeypatch):
    """The folder of `project` with those weights, and a cache of its own."""
    shutil.copytree(weights, "models/tiny")
    monkeypatch.setenv("RPGAN_TF_CACHE", str(project / "cache"))
    return project


def measure(capsys, *arguments):
    """Run the command; return the rows on standard output, and the lines on standard error."""
    capsys.readouterr()
    tool.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], [line for line in err.splitlines() if "it/s" not in line]


def cached(project):
    return sorted(path.name.split("_")[0] + path.suffix for path in (project / "cache/features").iterdir())


def test_rows_are_printed_kept_and_drawn(trained, capsys):
    rows, said = measure(capsys, "tiny,3", "all", "--metrics", "fid,kid,is,pr,dc,swd", "--samples", 42)
    assert [row["iteration"] for row in rows] == [2, 4]
    assert said[0::7] == [row["protocol"] for row in rows]
    assert said[8:10] == [
        f"fid {rows[1]['values']['fid']:.4g}",
        f"kid {rows[1]['values']['kid']:.4g}, kid_error {rows[1]['values']['kid_error']:.4g}",
    ]
    assert protocol.read("models/tiny/metrics.jsonl") == rows
    row, arrays = rows[1], atomic.load_arrays("models/tiny/iter_4.gmodel.npz")
    hashed = subjects.hash_arrays(arrays)
    assert row["protocol"] == (
        f"protocol: models/tiny/iter_4.gmodel.npz ({hashed}), 42 images of seed 3 and uniform latents, "
        f"statistics of batches of 4; reference: train, digits ({row['reference_hash']}), 1797 images, bicubic from "
        "8x8; 16x16x3; pixels clip(round(127.5 x + 127.5)); extractor: means of 16 fields (means); kid: "
        "blocks of 1000 in random order; is: 10 splits in random order; precision and recall: k = 3; density and "
        "coverage: k = 5; swd: 42 images of each"
    )
    names = ["fid", "kid", "kid_error", "is", "is_std", "precision", "recall", "density", "coverage", "swd", "swd_16"]
    assert list(evaluator.numbers(row)) == names
    assert all(np.isfinite(row["values"][name]) for name in names)
    assert (row["experiment"], row["seed"], row["samples"], row["split"]) == ("tiny", 3, 42, "train")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", row["date"]) and row["versions"]["tensorflow"]
    events = [
        (event.step, value.tag, float(tf.make_ndarray(value.tensor)))
        for path in sorted(pathlib.Path("models/tiny/tensorboard").glob("evaluation_*/*"))
        for record in tf.data.TFRecordDataset(str(path))
        for event in [tf.compat.v1.Event.FromString(record.numpy())]
        for value in event.summary.value
        if value.tag != "protocol"
    ]
    assert len(list(pathlib.Path("models/tiny/tensorboard").glob("evaluation_*"))) == 1
    measure(capsys, "tiny,4", "--metrics", "fid", "--samples", 42)  # other latents are another curve
    assert len(list(pathlib.Path("models/tiny/tensorboard").glob("evaluation_*"))) == 2
    expected = [
        (row["iteration"], f"metrics/{name}", np.float32(row["values"][name])) for row in rows for name in names
    ]
    assert sorted(events) == sorted(expected)
    assert cached(trained) == ["real.npy", "real.npz"]  # features of samples are gone


def test_fid_is_that_of_all_samples_at_once(trained, extractor):
    """Independent of chunks; the samples are those of the same latents, in batches of bsz."""
    options = config.load("tiny")
    row = evaluator.evaluate(options, 4, ("fid", "kid"), samples=42, seed=3)
    generate = generators.load(options, generators.find(options, 4))
    z = generators.latents(options, 3, 44)
    fake = image_sets.to_pixels(np.concatenate([generate(part) for part in np.split(z, 11)]))[:42]
    real = digits.images("digits", 16)
    moments = [metrics.Moments(), metrics.Moments()]
    for each, pixels in zip(moments, (real, fake)):
        each.update(extractor(pixels)[0])
    np.testing.assert_allclose(row["values"]["fid"], metrics.frechet_distance(*moments), rtol=1e-4)
    kid, error = metrics.kernel_distance(extractor(real)[0], extractor(fake)[0], 1000)
    np.testing.assert_allclose([row["values"]["kid"], row["values"]["kid_error"]], [kid, error], rtol=1e-3)


@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_latents_are_those_of_samples(prior):
    options = config.resolve({"gan": "RSGAN", "net": "dcgan", "zlen": 7, "prior": prior})
    drawn = [z for z, _ in zip(subjects.latents(options, 5, 3), range(4))]
    np.testing.assert_array_equal(np.concatenate(drawn), generators.latents(options, 5, 12))


def test_what_was_measured_is_not_measured_again(trained, extractor, capsys):
    (first,), _ = measure(capsys, "tiny", "--samples", 20, "--metrics", "fid,pr")
    seen = len(extractor.seen)
    (row,), said = measure(capsys, "tiny", "--samples", 20)
    assert row == first and len(extractor.seen) == seen
    assert said[1] == (f"measured already: {row['date']}, in models/tiny/metrics.jsonl; --again measures it anew")
    (row,), _ = measure(capsys, "tiny", "--samples", 20, "--again")
    assert row["values"] == {"fid": first["values"]["fid"]}
    assert sum(extractor.seen[seen:]) == 20  # those of the reference are cached
    measure(capsys, "tiny,1", "--samples", 20)
    measure(capsys, "tiny", "--samples", 24)
    measure(capsys, "tiny", "--samples", 24, "--reference", "digits:test")
    assert len(protocol.read("models/tiny/metrics.jsonl")) == 5
    assert cached(trained) == ["real.npy", "real.npy", "real.npz", "real.npz"]
    shutil.copytree("models/tiny", "models/study/seed0")
    (row,), said = measure(capsys, "tiny", "--samples", 28, "--set", "wts_dir=models/study/seed0")
    assert row["experiment"] == "tiny" and len(said) == 2
    arrays = atomic.load_arrays("models/tiny/iter_4.gmodel.npz")
    atomic.save_arrays("models/tiny/iter_4.gmodel.npz", {name: array / 2 for name, array in arrays.items()})
    (row,), _ = measure(capsys, "tiny", "--samples", 20)
    assert row["values"]["fid"] != first["values"]["fid"]


def test_an_evaluation_that_was_interrupted_goes_on(trained, extractor, capsys, monkeypatch):
    (expected,), _ = measure(capsys, "tiny", "--samples", 42, "--metrics", "fid,is")
    extractor.seen, extractor.stop_after = [], 20
    monkeypatch.setattr(feature_cache, "GROUP", 21)  # whole batches of four
    with pytest.raises(KeyboardInterrupt):
        measure(capsys, "tiny", "--samples", 42, "--metrics", "fid,is", "--again")
    assert cached(trained) == ["fake.part", "real.npy", "real.npz"]
    extractor.seen, extractor.stop_after = [], None
    (row,), _ = measure(capsys, "tiny", "--samples", 42, "--metrics", "fid,is", "--again")
    assert evaluator.numbers(row) == evaluator.numbers(expected)
    assert extractor.seen == [20, 2]


KILLED = """
import os, sys
import numpy as np
from rpgan_tf import feature_files, imagesets
from pathlib import Path

feature_cache.GROUP = 64

class Extractor:
    num_features, calls = 3, 0
    def __call__(self, pixels):
        self.calls += 1
        if self.calls == 3:
            file = next(Path(".").glob("*.part"))
            with open(file, "ab") as torn:  # the third chunk, half of it
                torn.write(bytes(100))
            os.kill(os.getpid(), 9)
        return np.float32(pixels).mean((1, 2)), None

feature_cache.extract(Path("real_1.npy"), image_sets.open_npz("images.npz"), Extractor())
"""


def test_features_of_a_process_that_was_killed_are_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (200, 4, 5, 3), np.uint8)
    atomic.save_arrays("images.npz", {"arr_0": pixels})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.run([sys.executable, "-c", KILLED], env=environment)
    assert process.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.glob("real*")] == ["real_1.part"]
    monkeypatch.setattr(feature_cache, "GROUP", 64)
    seen = []

    def extract(batch):
        seen.append(len(batch))
        return np.float32(batch).mean((1, 2)), None

    extract.num_features = 3
    rows = feature_cache.extract(tmp_path / "real_1.npy", image_sets.open_npz("images.npz"), extract)
    assert seen == [64, 8] and isinstance(rows, np.memmap)
    np.testing.assert_array_equal(rows, np.float32(pixels).mean((1, 2)))
    assert [path.name for path in tmp_path.glob("real*")] == ["real_1.npy"]


def test_stored_statistics(trained, extractor, capsys):
    """fixbn.py's, if they are of these weights; an image depends on no other, so ppl can be had."""
    with pytest.raises(UserError, match="ppl needs a generator with stored statistics.*fixbn.py first"):
        measure(capsys, "tiny", "--metrics", "ppl")
    fixbn.main(["tiny"])
    (row,), _ = measure(capsys, "tiny", "--samples", 20, "--metrics", "fid,ppl")
    assert row["statistics"] == "stored statistics" and row["weights"].endswith("iter_4.bgmodel.npz")
    assert row["values"]["ppl"] > 0
    dump.main(["tiny", "dump.npz", "20"])
    dump.main(["tiny", "dumped", "20"])
    for name, where in (("dump.npz", "metrics.jsonl"), ("dumped", "dumped/metrics.jsonl")):
        (again,), said = measure(capsys, name, "--experiment", "tiny")
        assert again["values"] == {"fid": row["values"]["fid"]}
        assert (again["weights"], again["experiment"], again["iteration"]) == (name, None, None)
        assert protocol.read(where) == [again]
        assert said[0].startswith(f"protocol: {name} ({again['weights_hash']}), 20 images; reference: train, digits (")
    (row,), _ = measure(capsys, "tiny", "--samples", 20, "--statistics", "batch")
    assert row["statistics"] == "statistics of batches of 4"
    (row,), _ = measure(capsys, "tiny", 2, "--samples", 20)
    assert row["statistics"] == "statistics of batches of 4"
    with pytest.raises(UserError, match=r"no file 'models/tiny/iter_2.bgmodel.npz'.*fixbn.py"):
        measure(capsys, "tiny", 2, "--statistics", "stored")
    shutil.copy("models/tiny/iter_2.gmodel.npz", "models/tiny/iter_4.gmodel.npz")
    with pytest.raises(UserError, match="has other weights than.*an earlier run; make it anew with fixbn.py"):
        measure(capsys, "tiny", "--samples", 20)


def test_batch_statistics_of_nets_with_averages_do_not_depend_on_the_batches_before(tmp_path):
    values = {"gan": "SAGAN", "net": "sagan", "imsz": 32, "zlen": 4, "ngf": 8, "ndf": 8, "bsz": 3}
    options = config.resolve(values | {"lfile": "digits", "wts_dir": str(tmp_path)})
    gan = rpgan_tf.build(options)
    path = checkpoint.path_of(tmp_path, 1, "gmodel")
    checkpoint.save_npz(gan.generator, path)
    batch = subjects.saved(options, path, "batch")
    stored = subjects.saved(options, path, "stored")
    assert (batch.statistics, stored.statistics) == ("statistics of batches of 3", "stored statistics")
    assert batch.generate is None and batch.images(5).chunk == 3
    every = list(batch.images(5).each())
    np.testing.assert_array_equal(every[1], next(batch.images(5).each(3)))
    assert [part.shape for part in every] == [(3, 32, 32, 3), (2, 32, 32, 3)]
    assert np.any(every[0] != next(stored.images(3).each()))


def test_sets_of_images(project, extractor, monkeypatch, capsys):
    """A set against itself has a distance of zero, whether folder, list or .npz."""
    monkeypatch.setenv("RPGAN_TF_CACHE", str(project / "cache"))
    pixels = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 1), np.uint8)
    atomic.save_arrays("set.npz", {"arr_0": pixels})
    for i, image in enumerate(pixels):
        pictures.save_png(f"set/{i:02d}.png", image)
    pathlib.Path("set.txt").write_text("".join(f"set/{i:02d}.png\n" for i in range(70)))
    fids, hashes = [], set()
    for one, other in (("set", "set.npz"), ("set.npz", "set"), ("set", "set.txt"), ("set.npz", "set.npz")):
        (row,), _ = measure(capsys, one, "--reference", other, "--metrics", "fid,kid,pr,swd", "--again")
        fids.append(row["values"]["fid"])
        values = row["values"]
        assert values["swd"] < 0.1  # patches and directions are drawn anew for each side
        hashes |= {row["reference_hash"], row["weights_hash"]}
        assert (values["precision"], values["recall"], row["samples"], row["reference_images"]) == (1, 1, 70, 70)
    np.testing.assert_allclose(fids, 0, atol=1e-6)
    assert len(hashes) == 1
    assert sum(extractor.seen) == 5 * 70  # the reference once, the set four times
    (row,), _ = measure(capsys, "set", "--reference", "set", "--samples", 60)
    assert row["samples"] == 60 and row["values"]["fid"] > 1e-6


def test_images_spread_over_a_set(tmp_path):
    pixels = np.arange(200, dtype=np.uint8).reshape(200, 1, 1, 1)
    atomic.save_arrays(tmp_path / "set.npz", {"x": pixels})
    found = image_sets.open_npz(tmp_path / "set.npz")
    np.testing.assert_array_equal(np.ravel(list(itertools.chain(*found.spread(8).each()))), np.arange(8) * 25)
    np.testing.assert_array_equal(np.ravel(list(itertools.chain(*found.spread(8).each(5)))), np.arange(5, 8) * 25)
    np.testing.assert_array_equal(np.concatenate(list(found.spread(200).each())), pixels)
    np.testing.assert_array_equal(np.concatenate(list(found.each(128))), pixels[128:])


def test_stacked_digits_of_training_and_of_tests_differ(project):
    options = config.load("tiny", {"lfile": names.STACKED, "test_lfile": names.STACKED})
    first, again, held_out = (next(image_sets.open_data(names.STACKED, options, kind).each()) for kind in (1, 1, 0))
    assert np.array_equal(first, again) and not np.array_equal(first, held_out)


def test_data_once_has_all_images_and_their_pixels(project):
    options = config.load("tiny")
    number, batches = stream.once("lfile", options.lfile, options)
    parts = list(batches(1700, 64))
    assert number == 1797 and [len(part) for part in parts] == [64, 33]
    np.testing.assert_array_equal(image_sets.to_pixels(np.concatenate(parts)), digits.images("digits", 16)[1700:])


def test_an_image_of_the_reference_that_is_damaged_is_named(project):
    pictures.save_png("set/a.png", np.zeros((16, 16, 3), np.uint8))
    pathlib.Path("set/b.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="'set/b.png' is damaged or no image"):
        image_sets.open_data("set", config.load("tiny")).hash()


def test_metrics_during_training(trained, extractor, capsys):
    """At saves, after them; training is left as it was, a resumed run measures what was not, and nothing twice."""
    shutil.rmtree("models/tiny")
    values = {"filts": None, "gan": "Baseline", "MAXITER": 6, "evaluate_samples": 40, "monitor_every": 0, "ema": 0.5}

    def train(folder, steps, **more):
        options = config.load("tiny", values | {"wts_dir": folder} | more)
        gan = rpgan_tf.build(options)
        checkpoint.restore(gan, folder)
        start = int(gan.iteration.numpy())
        run = [callback for callback in callbacks.for_run(options) if not isinstance(callback, callbacks.Log)]
        gan.fit(data.dataset(options, start), steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=run)
        return options, atomic.load_arrays(checkpoint.path_of(folder, start + steps, "gmodel"))

    _, expected = train("models/plain", 4)
    measuring = {"evaluate_every": 2, "evaluate_metrics": "fid,pr,swd", "evaluate_reference": "digits:train"}
    train("models/measured", 2, **measuring)
    options, arrays = train("models/measured", 2, **measuring)
    assert all(np.array_equal(array, arrays[name]) for name, array in expected.items())
    rows = protocol.read("models/measured/metrics.jsonl")
    assert [row["iteration"] for row in rows] == [2, 4]
    assert rows[1]["weights"] == "models/measured/iter_4.ema.npz"
    assert f"iteration 4: fid {rows[1]['values']['fid']:.4g}, precision " in capsys.readouterr().out
    wanted = {"names": ("fid", "pr", "swd"), "samples": 40, "reference": "digits:train"}
    assert evaluator.evaluate(options, 4, **wanted) == rows[1]  # it is the command's number
    pathlib.Path("models/measured/metrics.jsonl").write_text(json.dumps(rows[0]) + "\n" + json.dumps(rows[1])[:50])
    train("models/measured", 1, **measuring)
    again = protocol.read("models/measured/metrics.jsonl")
    assert evaluator.numbers(again[1]) == evaluator.numbers(rows[1]) and len(again) == 2


MISTAKES = {
    "tiny --metrics fid,kit": "no metric 'kit'; did you mean 'kid'?",
    "tiny --metrics fid50k_full --samples 9": "fid50k_full is of 50000 samples, received 9; take fid",
    "tiny --metrics fid,fid": "expected different metrics of fid, kid, is, swd, pr, dc, ppl, ppl_w; received 'fid,fid'",
    "tiny --samples 1": "expected --samples of at least 2, received 1",
    "tiny --reference test": "there is no reference 'test': option 'test_lfile' says none",
    "tiny --reference faces": "images not found: reference = 'faces' is no list file and no folder or .zip",
    "set --reference nothing": "mixture:<name>; set it with --reference...",
    "set --reference set --metrics swd": "swd needs images whose side is a power of two >= 8, received 20",
    "wide.npz --reference wide.npz --metrics swd": "swd needs square images, received 16x32",
    "tiny --metrics is --extractor keras:VGG16": "is needs classes, which the extractor 'keras:VGG16' has not",
    "tiny --reference mixture:ring8": "the reference 'mixture:ring8' has points: expected images",
    "tiny --reference other.npz": "no file 'other.npz'",
    "tiny 100": "no file 'models/tiny/iter_100.gmodel.npz': there is none at all; make it with train.py",
    "tiny all": "no file 'models/tiny/iter_<N>.gmodel.npz': there is none at all; make it with train.py",
    "tiny last": "expected an iteration, a whole number, or all; received 'last'",
    "tiny --experiment tiny": "--experiment is for a folder or an .npz file, received the experiment 'tiny'",
    "points": "metrics are of images, and lfile = 'mixture:ring8' has points; tools/modes.py counts these",
    "set": "'set' is a set of images and has no data 'train': expected --experiment NAME, or --reference",
    "set 100 --experiment tiny": "'set' is a set of images: an iteration and --statistics are for experiments",
    "set --experiment tiny": "image sizes differ: the reference has 16x16x3 (height, width, channels), 'set' 20x20x3",
    "set.npz --experiment tiny": "image sizes differ: the reference has 16x16x3 (height, width, channels), 'set.npz",
    "set --reference set --metrics ppl": "ppl needs a generator with stored statistics",
    "empty --experiment tiny": "no .png, .jpg, .jpeg files below the folder 'empty'",
    "bad.npz --experiment tiny": "'bad.npz': expected images, an array uint8 [N, H, W, 1 or 3] in C order",
    "text.npz --experiment tiny": "cannot read 'text.npz': expected an .npz file of images; File is not a zip file",
}


@pytest.mark.parametrize("arguments, message", MISTAKES.items(), ids=MISTAKES)
def test_mistakes_are_told_before_tensorflow_starts(arguments, message, project, extractor, monkeypatch):
    monkeypatch.setattr("rpgan_tf.command.start_tensorflow", lambda: pytest.fail("TensorFlow was started"))
    (project / "exp/points.py").write_text("gan, net, lfile, wts_dir = 'RSGAN', 'toy', 'mixture:ring8', 'models/p'\n")
    pictures.save_png("set/a.png", np.zeros((20, 20, 3), np.uint8))
    atomic.save_arrays("set.npz", {"arr_0": np.zeros((2, 20, 20, 3), np.uint8)})
    atomic.save_arrays("wide.npz", {"arr_0": np.zeros((2, 16, 32, 3), np.uint8)})
    atomic.save_arrays("bad.npz", {"arr_0": np.zeros((2, 20, 20, 3), np.float32)})
    (project / "text.npz").write_text("text")
    (project / "empty").mkdir()
    with pytest.raises(UserError, match=re.escape(message)):
        tool.main(arguments.split())


def test_mistakes_in_what_training_measures(project, extractor):
    with pytest.raises(UserError, match="evaluate_every must be a multiple of SAVEFREQ = 2, received 3"):
        config.load("tiny", {"evaluate_every": 3})
    for key, value, message in (
        ("evaluate_metrics", "fid,swt", "no metric 'swt'; did you mean 'swd'?"),
        ("evaluate_metrics", "ppl", "ppl needs a generator with stored statistics"),
        ("evaluate_reference", "test", "there is no reference 'test'"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            protocol.check_run(config.load("tiny", {"evaluate_every": 2, key: value}))


@pytest.mark.parametrize("metric, package", [("kid", "tensorflow_gan"), ("swd", "tensorflow_gan"), ("pr", "sklearn")])
def test_packages_that_are_missing_are_told_before(metric, package, project, extractor, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else find_spec(name))
    with pytest.raises(UserError, match="pip install"):
        protocol.check(config.load("tiny", {"lfile": "set"}), [metric], None, "set", "")


def test_images_that_are_not_finite(trained, extractor, capsys):
    path = pathlib.Path("models/tiny/iter_4.gmodel.npz")
    atomic.save_arrays(path, {name: array * np.nan for name, array in atomic.load_arrays(path).items()})
    with pytest.raises(UserError, match="an image is not finite: did training diverge"):
        measure(capsys, "tiny", "--samples", 40)


def test_a_course_is_of_one_protocol(project, monkeypatch, capsys):
    monkeypatch.setattr(protocol, "iterations", lambda options: [2, 4])
    kinds = {(2, "auto"): "stored", (4, "auto"): "batch", (2, "batch"): "batch", (4, "batch"): "batch"}
    monkeypatch.setattr(protocol, "find_weights", lambda options, i, wanted: (i, kinds[i, wanted]))
    assert tool.find(config.load("tiny"), "all", "auto") == [(2, "batch"), (4, "batch")]
    assert "all are measured with --statistics batch" in capsys.readouterr().err


def test_features_that_are_all_there_already(project, monkeypatch):
    """Of a process that was killed between writing the last group and giving the file its name."""
    options = config.load("tiny")
    monkeypatch.setattr(feature_cache, "GROUP", 4)
    generated = subjects.draw("zeros", lambda z: np.zeros((len(z), 16, 16, 3)), options, 0, 8, 4)  # without end
    path, extractor = project / "fake_1.npy", Means()
    expected = np.array(feature_cache.extract(path, generated, extractor))
    path.rename(path.with_suffix(".part"))
    np.testing.assert_array_equal(feature_cache.extract(path, generated, extractor), expected)
    assert extractor.seen == [4, 4]


def test_more_samples_than_there_are(trained, capsys):
    atomic.save_arrays("set.npz", {"arr_0": np.zeros((5, 16, 16, 3), np.uint8)})
    with pytest.raises(UserError, match="'set.npz' has 5 images, fewer than --samples 6; set a smaller number"):
        measure(capsys, "set.npz", "--experiment", "tiny", "--samples", 6)


def test_fewer_samples_than_features_are_told_before_they_are_drawn(trained, extractor, capsys):
    message = "the FID needs more images than features: expected over 16, 'models/tiny/iter_4.gmodel.npz' has 16; set a"
    with pytest.raises(UserError, match=message):
        measure(capsys, "tiny", "--samples", 16)
    assert not extractor.seen


def test_the_command_ends_with_two_and_a_line(project):
    process = command(ROOT / "tools/evaluate.py", "tiny", "--metrics", "fit", check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == "evaluate.py: no metric 'fit'; did you mean 'fid'?\n"


def test_published_names_of_metrics():
    assert protocol.parse("fid50k_full, swd", None) == (["fid", "swd"], 50000)
    assert protocol.parse("fid,kid", 700) == (["fid", "kid"], 700)
    assert protocol.parse("pr", None) == (["pr"], None)
