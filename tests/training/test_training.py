"""Training as a user runs it: files, resume, stopping, divergence; and the callbacks."""

import json
import os
import re
import signal
import subprocess

import numpy as np
import pytest
import tensorflow as tf

import baseline_train
import rpgan_tf
import train
from rpgan_tf import checkpoint, config
from rpgan_tf.config import declared
from rpgan_tf.devices import processor
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.training import blocks, callbacks
from tests.conftest import ROOT, line
from tests.training.runs import assert_same, run, weights, with_folder
from tools import rproj


def start(*arguments):
    return subprocess.Popen(line(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process, text):
    """Read the process's output until a line holds `text`."""
    for output in process.stdout:
        if text in output:
            return
    raise AssertionError(process.stderr.read())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run of 80 iterations in one go, on images cut at random places."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "exp").mkdir()
    random = np.random.default_rng(0)
    for i in range(7):
        pixels = random.integers(0, 256, (20 + i, 23, 3), np.uint8)
        (folder / f"{i}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    (folder / "list.txt").write_text("".join(f"{folder}/{i}.png\n" for i in range(7)))
    (folder / "exp" / "crops.py").write_text(
        "ksz, zlen, f1, df, imsz, bsz, crop = 4, 8, 16, 8, 16, 4, True\n"
        f"lfile, filts, wts_dir, MAXITER, SAVEFREQ = '{folder}/list.txt', '{folder}/K2.npz', 'models/crops', 80, 40\n"
    )
    assert run(rproj.main, folder / "K2.npz", "8,2,1,2").returncode == 0
    assert run(train.main, *crops(folder, folder / "models")).returncode == 0
    return folder


def crops(folder, wts_dir):
    """Return the arguments that train in `wts_dir` what `uninterrupted` has trained in `folder`."""
    return [folder / "exp" / "crops.py", "--set", f"wts_dir={wts_dir}"]


def test_files_of_a_run(uninterrupted):
    names = sorted(path.name for path in (uninterrupted / "models").glob("*") if path.is_file())
    models = [f"iter_{n}.{kind}.npz" for n in (40, 80) for kind in ("dmodel", "gmodel")]
    assert names == ["filts.npz", *models, "iter_80.state.npz", "options.json", "run.json", "train.log"]
    assert json.loads((uninterrupted / "models/options.json").read_text())["bsz"] == 4
    record = json.loads((uninterrupted / "models/run.json").read_text())
    assert record["command"].startswith("train.py ") and record["seeds"] == [0]
    assert record["machine"] == processor.describe()
    assert record["versions"]["tensorflow"] == tf.__version__ and record["versions"]["rpgan_tf"] == rpgan_tf.__version__
    generator, discriminators, _ = weights(uninterrupted / "models", 80)
    assert list(generator) == [f"c{i}_{kind}" for i in (1, 2, 3) for kind in "wb"]
    assert discriminators["c1_0_w"].shape == (4, 4, 1, 8)


def test_log_has_the_originals_lines(uninterrupted):
    lines = (uninterrupted / "models/train.log").read_text().splitlines()
    assert len(lines) == 160
    for i in range(80):
        first = re.fullmatch(
            rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \[{i + 1:09d}\] Adam Loss: G=(\d+\.\d{{6}}),D=\d+\.\d{{6}}",
            lines[2 * i],
        )
        second = re.fullmatch(rf"\[{i + 1:09d}\]\* L00=(\d+\.\d{{3}}),L01=(\d+\.\d{{3}})", lines[2 * i + 1])
        assert np.mean([float(second[1]), float(second[2])]) == pytest.approx(float(first[1]), abs=6e-4)


def test_tensorboard_has_losses_rate_and_pictures(uninterrupted):
    from tensorboard.backend.event_processing import event_accumulator

    events = event_accumulator.EventAccumulator(str(uninterrupted / "models/tensorboard"), {"tensors": 0}).Reload()
    scalars = ["g_loss", "d_loss", "images_per_second", "share_of_time_waiting_for_data"]
    scalars += [f"{name}_of_each/0{i}" for name in ("g_loss", "d_loss") for i in range(2)]
    assert sorted(events.Tags()["tensors"]) == sorted([*scalars, "samples"])
    assert [event.step for event in events.Tensors("g_loss")] == list(range(10, 81, 10))
    shares = [tf.make_ndarray(event.tensor_proto) for event in events.Tensors(scalars[3])]
    assert all(0 < share < 1 for share in shares)
    pictures = events.Tensors("samples")
    assert [event.step for event in pictures] == [40, 80]
    assert tf.io.decode_png(tf.make_ndarray(pictures[0].tensor_proto)[2]).shape == (160, 240, 3)


def assert_goes_on(uninterrupted, folder):
    """Assert that the next start reaches the weights of the run that was never interrupted; return its output."""
    process = run(train.main, *crops(uninterrupted, folder))
    assert process.returncode == 0
    assert_same(weights(folder, 80), weights(uninterrupted / "models", 80))
    return process.stdout


def test_killed_run_goes_on_exactly(uninterrupted, tmp_path):
    """Kill -9 after the first save."""
    process = start("train.py", *crops(uninterrupted, tmp_path))
    wait_for(process, "iter_40.gmodel.npz")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert f"read {tmp_path}/iter_40.state.npz" in assert_goes_on(uninterrupted, tmp_path)


def test_run_killed_while_it_saved_goes_on_exactly(uninterrupted, tmp_path):
    """The generator is written last: without it, the other files of that save do not count."""
    assert run(train.main, *crops(uninterrupted, tmp_path), "--set", "MAXITER=40").returncode == 0
    for kind in ("dmodel", "state"):  # of an iteration whose generator is missing, and of no use
        atomic.save_arrays(checkpoint.path_of(tmp_path, 60, kind), {"half": np.zeros(3)})
    (tmp_path / ".iter_60.gmodel.npz.part").write_bytes(b"half")
    assert_goes_on(uninterrupted, tmp_path)


def pictures(folder):
    from tensorboard.backend.event_processing import event_accumulator

    events = event_accumulator.EventAccumulator(str(folder / "tensorboard"), {"tensors": 0}).Reload()
    return [event.step for event in events.Tensors("samples")]


def by_ctrl_c(arguments, monkeypatch):
    """Train in a process of its own until it is interrupted from outside; return its exit code and errors."""
    process = start("train.py", *arguments)
    wait_for(process, "iter_40.gmodel.npz")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # an impatient second one
    return process.communicate()[1], process.returncode


def by_sigterm(arguments, monkeypatch):
    """Train in this process until SIGTERM comes in iteration 47; return its exit code and errors."""
    begin = blocks.Blocks.on_train_batch_begin

    def begin_and_signal(self, batch, logs=None):
        begin(self, batch, logs)
        for number in (signal.SIGTERM, signal.SIGINT) if batch == 46 else ():
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(blocks.Blocks, "on_train_batch_begin", begin_and_signal)
        process = run(train.main, *arguments)
    return process.stderr, process.returncode


@pytest.mark.parametrize("interrupted", [by_ctrl_c, by_sigterm])
def test_signals_save_and_end_cleanly(uninterrupted, tmp_path, monkeypatch, interrupted):
    arguments = [*crops(uninterrupted, tmp_path), "--set", "MAXITER=1000000"]
    assert interrupted(arguments, monkeypatch) == ("", 0)
    stopped = checkpoint.saved_iterations(tmp_path, "state")[-1]
    assert [checkpoint.saved_iterations(tmp_path, kind)[-1] for kind in ("gmodel", "dmodel", "state")] == [stopped] * 3
    assert pictures(tmp_path)[-1] == stopped
    if interrupted is by_sigterm:
        assert stopped == 47
    if stopped < 80:
        assert_goes_on(uninterrupted, tmp_path)


def test_divergence_stops_and_keeps_the_last_good_files(project):
    """A learning rate that overflows: one line, exit code 2, the files of the last save stay."""
    assert run(train.main, "tiny", "--set", "MAXITER=2").returncode == 0
    before = weights("models/tiny", 2)
    process = run(train.main, "tiny", "--set", "learning_rate=1e30")
    assert process.returncode == 2
    assert re.fullmatch(
        r"train.py: training diverged: .* expected a finite number; the last good files in 'models/tiny' are kept; "
        r"try a smaller learning rate, or look at the images\n"
        r"|train.py: training diverged: .* is not finite after iteration 4, so nothing was saved; .*\n",
        process.stderr,
    )
    assert checkpoint.saved_iterations("models/tiny", "gmodel") == [2]
    assert_same(weights("models/tiny", 2), before)


def test_weights_that_overflow_are_told_in_one_line(tiny, reference, tmp_path):
    """Finite losses, then infinite weights: refused before a picture of them is drawn, which would warn."""
    gan = rpgan_tf.build(type(tiny)(**vars(tiny) | {"learning_rate": 1e39}))
    options = with_folder(tiny, tmp_path, SAVEFREQ=1)
    images = tf.data.Dataset.from_tensors(reference["it0/real"]).repeat()
    with pytest.raises(UserError, match="is not finite after iteration 1, so nothing was saved|in iteration 1,"):
        gan.fit(images, steps_per_epoch=2, callbacks=callbacks.for_run(gan, options), verbose=0, shuffle=False)
    assert not list(tmp_path.glob("iter_*"))


def test_divergence_names_the_discriminator_and_draws_nothing(tiny, reference, tmp_path):
    gan, options = rpgan_tf.build(tiny), with_folder(tiny, tmp_path, SAVEFREQ=1)
    gan.discriminator.biases[0].assign(gan.discriminator.biases[0] * [[1], [1], [1]] + [[0], [np.nan], [0]])
    images = tf.data.Dataset.from_tensors(reference["it0/real"]).repeat()
    with pytest.raises(UserError, match="g_losses of discriminator 1 is nan in iteration 1"):
        gan.fit(images, steps_per_epoch=2, callbacks=callbacks.for_run(gan, options), verbose=0, shuffle=False)
    assert not list(tmp_path.glob("iter_*"))
    assert "Adam Loss: G=nan" in (tmp_path / "train.log").read_text()


@pytest.mark.parametrize(
    "logs, message",
    [
        ({"g_loss": np.float32(np.nan)}, "g_loss is nan in iteration 3"),
        ({"d_loss": -np.inf, "d_losses": np.array([1, 2, -np.inf])}, "d_losses of discriminator 2 is -inf"),
    ],
)
def test_a_loss_that_is_not_finite_names_its_discriminator(tiny, logs, message):
    row = blocks.Row(3, logs, waited=0.0, time=0.0, spent=np.zeros(2), finite=False)
    with pytest.raises(UserError, match=message):
        callbacks.StopOnDivergence(tiny).read([row])


def test_a_bad_image_stops_the_run_with_its_line(uninterrupted, tmp_path):
    """Everything up to the fault is saved."""
    lines = (uninterrupted / "list.txt").read_text().splitlines()
    (tmp_path / "list.txt").write_text("\n".join([*lines, str(tmp_path / "missing.png")]))
    process = run(train.main, *crops(uninterrupted, tmp_path / "models"), "--set", f"lfile={tmp_path}/list.txt")
    assert process.returncode == 2
    assert process.stderr.startswith(f"train.py: {tmp_path}/list.txt, line 8: '{tmp_path}/missing.png'")
    assert process.stderr.count("\n") == 1
    position = list(np.random.RandomState(0).permutation(8)).index(7)
    assert checkpoint.saved_iterations(tmp_path / "models", "state") == ([position // 4] if position >= 4 else [])


def test_baseline_train_uses_the_single_discriminator(project):
    assert run(baseline_train.main, "tiny").returncode == 0
    options = json.loads((project / "models/tiny/options.json").read_text())
    assert (options["gan"], options["filts"]) == ("Baseline", None)
    assert "c0_w" in atomic.load_arrays("models/tiny/iter_6.dmodel.npz")
    assert not (project / "models/tiny/filts.npz").exists()
    assert "L00" not in (project / "models/tiny/train.log").read_text()
    assert "nothing to do: iteration 6 of 6 is reached" in run(baseline_train.main, "tiny").stdout


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "exp").glob("*.py")))
def test_every_experiment_trains_two_iterations(name, tmp_path, monkeypatch):
    """At toy size: its GAN, nets and filters, with the smallest channels, batch and image they allow."""
    monkeypatch.chdir(ROOT)
    published = vars(config.load(name))
    toy = {"f1": 16, "df": 2, "ngf": 8, "ndf": 8, "g_width": 8, "d_width": 4, "warmup_steps": 2, "bsz": 2}
    toy |= {"channel_base": 64, "channel_max": 4, "zlen": 4, "w_dim": 4, "map_layers": 1, "num_half": 0}
    toy |= {"group_width": 4, "num_classes": 10 if published["num_classes"] else 0}
    toy |= {"res_d": 8, "res_g": 8, "mbstd_group": 2, "lpips_weights": None, "real_loss": "mse", "fake_loss": "mse"}
    if published["net"] != "toy":
        toy |= {"imsz": 32 if published["net"] == "sagan" else 16, "lfile": "digits", "crop": False, "resize": "no"}
        toy["test_lfile"] = "digits:test" if published["test_lfile"] else ""
    offered = declared.of(published["gan"], published["net"])
    toy = {key: value for key, value in toy.items() if declared.offers(offered, key)}
    options = config.load(name, toy | {"MAXITER": 2, "SAVEFREQ": 1, "test_every": 2, "wts_dir": str(tmp_path)})
    config.check_files(options)
    gan = rpgan_tf.build(options)
    gan.compile(run_eagerly=True)  # two iterations take less time than tracing and compiling them
    before = gan.generator.get_arrays() | gan.discriminator.get_arrays()
    every = callbacks.for_run(gan, options)
    gan.fit(rpgan_tf.data.dataset(options), steps_per_epoch=2, callbacks=every, verbose=0, shuffle=False)
    assert checkpoint.saved_iterations(tmp_path, "state") == [2]
    after = gan.generator.get_arrays() | gan.discriminator.get_arrays()
    kernels = [name for name in before if name.endswith(("kernel", "_w"))]
    same = [name for name in kernels if np.array_equal(before[name], after[name])]
    assert len(same) < len(kernels) if options.active else kernels and not same


def test_another_gan_in_the_folder_of_a_run_is_refused(project):
    """Before TensorFlow is imported; other options may change, and that is printed."""
    assert run(train.main, "tiny").returncode == 0
    process = run(train.main, "tiny", "--set", "gan=Baseline", "filts=")
    assert process.returncode == 2
    assert "the run in 'models/tiny' was trained with gan = 'RPGAN', received 'Baseline'; start a new" in process.stderr
    output = run(train.main, "tiny", "--set", "bsz=2", "MAXITER=7").stdout
    assert "changed since the last start: bsz = 4 -> 2" in output
