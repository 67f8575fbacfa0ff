"""Evaluation: what is measured, what is said and kept of it, and that it goes on where it was killed."""

import itertools
import json
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint, config
from rpgan_tf.data import digits
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import evaluator, feature_cache, metrics, protocol, subjects
from rpgan_tf.files import atomic, run_logs
from rpgan_tf.sampling import generators, latents, pictures
from rpgan_tf.training import callbacks
from tools import dump, fixbn
from tools import evaluate as tool


def cached(project):
    return sorted(path.name.split("_")[0] + path.suffix for path in (project / "cache/features").iterdir())


def test_rows_are_printed_kept_and_drawn(trained, measure):
    rows, said = measure("tiny,3", "all", "--metrics", "fid,kid,is,pr,dc,swd", "--samples", 42)
    assert [row["iteration"] for row in rows] == [2, 4]
    assert said[0::7] == [row["protocol"] for row in rows]
    assert said[8:10] == [
        f"fid {rows[1]['values']['fid']:.4g}",
        f"kid {rows[1]['values']['kid']:.4g}, kid_error {rows[1]['values']['kid_error']:.4g}",
    ]
    assert run_logs.read_records("models/tiny/metrics.jsonl") == rows
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
    measure("tiny,4", "--metrics", "fid", "--samples", 42)  # other latents are another curve
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
    generate = generators.load(options, generators.find_weights(options, 4))
    z, _ = latents.inputs(options, 3, 44)
    fake = pictures.to_pixels(np.concatenate([generate(part) for part in np.split(z, 11)]))[:42]
    real = digits.images("digits", 16)
    moments = [metrics.Moments(), metrics.Moments()]
    for each, pixels in zip(moments, (real, fake)):
        each.update(extractor(pixels)[0])
    np.testing.assert_allclose(row["values"]["fid"], metrics.frechet_distance(*moments), rtol=1e-4)
    kid, error = metrics.kernel_distance(extractor(real)[0], extractor(fake)[0], 1000)
    np.testing.assert_allclose([row["values"]["kid"], row["values"]["kid_error"]], [kid, error], rtol=1e-3)


def test_what_was_measured_is_not_measured_again(trained, extractor, measure):
    (first,), _ = measure("tiny", "--samples", 20, "--metrics", "fid,pr")
    seen = len(extractor.seen)
    (row,), said = measure("tiny", "--samples", 20)
    assert row == first and len(extractor.seen) == seen
    assert said[1] == (f"measured already: {row['date']}, in models/tiny/metrics.jsonl; --again measures it anew")
    (row,), _ = measure("tiny", "--samples", 20, "--again")
    assert row["values"] == {"fid": first["values"]["fid"]}
    assert sum(extractor.seen[seen:]) == 20  # those of the reference are cached
    measure("tiny,1", "--samples", 20)
    measure("tiny", "--samples", 24)
    measure("tiny", "--samples", 24, "--reference", "digits:test")
    assert len(run_logs.read_records("models/tiny/metrics.jsonl")) == 5
    assert cached(trained) == ["real.npy", "real.npy", "real.npz", "real.npz"]
    shutil.copytree("models/tiny", "models/study/seed0")
    (row,), said = measure("tiny", "--samples", 28, "--set", "wts_dir=models/study/seed0")
    assert row["experiment"] == "tiny" and len(said) == 2
    arrays = atomic.load_arrays("models/tiny/iter_4.gmodel.npz")
    atomic.save_arrays("models/tiny/iter_4.gmodel.npz", {name: array / 2 for name, array in arrays.items()})
    (row,), _ = measure("tiny", "--samples", 20)
    assert row["values"]["fid"] != first["values"]["fid"]


def test_an_evaluation_that_was_interrupted_goes_on(trained, extractor, monkeypatch, measure):
    (expected,), _ = measure("tiny", "--samples", 42, "--metrics", "fid,is")
    extractor.seen, extractor.stop_after = [], 20
    monkeypatch.setattr(feature_cache, "GROUP", 21)  # whole batches of four
    with pytest.raises(KeyboardInterrupt):
        measure("tiny", "--samples", 42, "--metrics", "fid,is", "--again")
    assert cached(trained) == ["fake.part", "real.npy", "real.npz"]
    extractor.seen, extractor.stop_after = [], None
    (row,), _ = measure("tiny", "--samples", 42, "--metrics", "fid,is", "--again")
    assert evaluator.numbers(row) == evaluator.numbers(expected)
    assert extractor.seen == [20, 2]


def test_stored_statistics(trained, extractor, measure):
    """fixbn.py's, if they are of these weights; an image depends on no other, so ppl can be had."""
    with pytest.raises(UserError, match="ppl needs a generator with stored statistics.*fixbn.py first"):
        measure("tiny", "--metrics", "ppl")
    fixbn.main(["tiny"])
    (row,), _ = measure("tiny", "--samples", 20, "--metrics", "fid,ppl")
    assert row["statistics"] == "stored statistics" and row["weights"].endswith("iter_4.bgmodel.npz")
    assert row["values"]["ppl"] > 0
    dump.main(["tiny", "dump.npz", "20"])
    dump.main(["tiny", "dumped", "20"])
    for name, where in (("dump.npz", "metrics.jsonl"), ("dumped", "dumped/metrics.jsonl")):
        (again,), said = measure(name, "--experiment", "tiny")
        assert again["values"] == {"fid": row["values"]["fid"]}
        assert (again["weights"], again["experiment"], again["iteration"]) == (name, None, None)
        assert run_logs.read_records(where) == [again]
        assert said[0].startswith(f"protocol: {name} ({again['weights_hash']}), 20 images; reference: train, digits (")
    (row,), _ = measure("tiny", "--samples", 20, "--statistics", "batch")
    assert row["statistics"] == "statistics of batches of 4"
    (row,), _ = measure("tiny", 2, "--samples", 20)
    assert row["statistics"] == "statistics of batches of 4"
    with pytest.raises(UserError, match=r"no file 'models/tiny/iter_2.bgmodel.npz'.*fixbn.py"):
        measure("tiny", 2, "--statistics", "stored")
    shutil.copy("models/tiny/iter_2.gmodel.npz", "models/tiny/iter_4.gmodel.npz")
    with pytest.raises(UserError, match="has other weights than.*an earlier run; make it anew with fixbn.py"):
        measure("tiny", "--samples", 20)


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


def test_metrics_during_training(trained, extractor, capsys):
    """At saves, after them; training is left as it was, a resumed run measures what was not, and nothing twice."""
    shutil.rmtree("models/tiny")
    values = {
        "filts": None,
        "gan": "Baseline",
        "MAXITER": 6,
        "evaluate_samples": 40,
        "monitor_every": 0,
        "ema": 0.5,
        "compile": "eager",
    }

    def train(folder, steps, **more):
        options = config.load("tiny", values | {"wts_dir": folder} | more)
        gan = rpgan_tf.build(options)
        checkpoint.restore(gan, folder)
        start = int(gan.iteration.numpy())
        run = callbacks.for_run(gan, options)
        gan.fit(rpgan_tf.data.dataset(options, start), steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=run)
        return options, atomic.load_arrays(checkpoint.path_of(folder, start + steps, "gmodel"))

    _, expected = train("models/plain", 4)
    measuring = {"evaluate_every": 2, "evaluate_metrics": "fid,pr,swd", "evaluate_reference": "digits:train"}
    train("models/measured", 2, **measuring)
    options, arrays = train("models/measured", 2, **measuring)
    assert all(np.array_equal(array, arrays[name]) for name, array in expected.items())
    rows = run_logs.read_records("models/measured/metrics.jsonl")
    assert [row["iteration"] for row in rows] == [2, 4]
    assert rows[1]["weights"] == "models/measured/iter_4.ema.npz"
    assert f"iteration 4: fid {rows[1]['values']['fid']:.4g}, precision " in capsys.readouterr().out
    wanted = {"names": ("fid", "pr", "swd"), "samples": 40, "reference": "digits:train"}
    assert evaluator.evaluate(options, 4, **wanted) == rows[1]  # it is the command's number
    pathlib.Path("models/measured/metrics.jsonl").write_text(json.dumps(rows[0]) + "\n" + json.dumps(rows[1])[:50])
    train("models/measured", 1, **measuring)
    again = run_logs.read_records("models/measured/metrics.jsonl")
    assert evaluator.numbers(again[1]) == evaluator.numbers(rows[1]) and len(again) == 2


def test_images_that_are_not_finite(trained, extractor, measure):
    path = pathlib.Path("models/tiny/iter_4.gmodel.npz")
    atomic.save_arrays(path, {name: array * np.nan for name, array in atomic.load_arrays(path).items()})
    with pytest.raises(UserError, match="an image is not finite: did training diverge"):
        measure("tiny", "--samples", 40)


def test_a_course_is_of_one_protocol(project, monkeypatch, capsys):
    monkeypatch.setattr(protocol, "iterations", lambda options: [2, 4])
    kinds = {(2, "auto"): "stored", (4, "auto"): "batch", (2, "batch"): "batch", (4, "batch"): "batch"}
    monkeypatch.setattr(protocol, "find_weights", lambda options, i, wanted: (i, kinds[i, wanted]))
    assert tool.find_weights(config.load("tiny"), "all", "auto") == [(2, "batch"), (4, "batch")]
    assert "all are measured with --statistics batch" in capsys.readouterr().err


def test_more_samples_than_there_are(trained, measure):
    atomic.save_arrays("set.npz", {"arr_0": np.zeros((5, 16, 16, 3), np.uint8)})
    with pytest.raises(UserError, match="'set.npz' has 5 images, fewer than --samples 6; set a smaller number"):
        measure("set.npz", "--experiment", "tiny", "--samples", 6)


def test_fewer_samples_than_features_are_told_before_they_are_drawn(trained, extractor, measure):
    message = "the FID needs more images than features: expected over 16, 'models/tiny/iter_4.gmodel.npz' has 16; set a"
    with pytest.raises(UserError, match=message):
        measure("tiny", "--samples", 16)
    assert not extractor.seen


def test_fid_of_each_class(project, extractor, measure, monkeypatch):
    """The samples of the FID, each against the real images of its class; their labels are those that drew them."""
    monkeypatch.setenv("RPGAN_TF_CACHE", str(project / "cache"))
    values = ["gan=Baseline", "filts=None", "num_classes=10", "wts_dir=models/labels", "compile=eager", "MAXITER=1"]
    options = config.load("tiny", config.parse_overrides(values))
    gan = rpgan_tf.build(options)
    checkpoint.save(gan, options)
    arguments = ["tiny,3", "--metrics", "fid,intra_fid", "--set", *values, "--samples"]
    (row,), said = measure(*arguments, 402)
    assert row["protocol"].endswith("; intra_fid: mean over 10 classes")
    generate = generators.load(options, generators.find_weights(options))
    fake, classes = [], []
    for z, labels in itertools.islice(latents.batches(options, 3, 4), 101):
        fake.append(pictures.to_pixels(generate(z, labels)))
        classes.append(labels.argmax(axis=1))
    fake, classes = np.concatenate(fake)[:402], np.concatenate(classes)[:402]
    real, of_real = digits.images("digits", 16), digits.classes("digits")
    fids = []
    for number in range(10):
        moments = [metrics.Moments(), metrics.Moments()]
        for each, pixels in zip(moments, (real[of_real == number], fake[classes == number])):
            each.update(extractor(pixels)[0])
        fids.append(metrics.frechet_distance(*moments))
        counts = row["values"][f"real_{number}"], row["values"][f"generated_{number}"]
        assert counts == (np.sum(of_real == number), np.sum(classes == number))
        np.testing.assert_allclose(row["values"][f"fid_{number}"], fids[-1], rtol=1e-3)
    assert row["values"]["intra_fid"] == pytest.approx(np.mean(fids), rel=1e-3)
    with pytest.raises(UserError, match="needs more images than features: expected over 16, class 0 has [0-9]+ gener"):
        measure(*arguments, 40)
    for wrong, message in (
        (["tiny", "--metrics", "intra_fid", "--set", "wts_dir=models/labels"], "and num_classes = 0; take fid"),
        ([*arguments, 402, "--reference", "x.npz"], "intra_fid needs labels, and the reference 'x.npz' has none"),
    ):
        with pytest.raises(UserError, match=message):
            measure(*wrong)
