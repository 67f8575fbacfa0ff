"""Training as a user runs it: files, resume, stopping, divergence; and the callbacks."""

import json
import os
import re
import signal
import subprocess

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint, config
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.training import blocks, callbacks
from tests.conftest import ROOT, command, line

LONG = ["--set", "MAXITER=80", "--set", "SAVEFREQ=40"]


def start(*arguments):
    return subprocess.Popen(line(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process, text):
    """Read the process's output until a line holds `text`."""
    for output in process.stdout:
        if text in output:
            return
    raise AssertionError(process.stderr.read())


def weights(folder, iteration):
    kinds = ("gmodel", "dmodel", "state")
    return [atomic.load_arrays(checkpoint.path_of(folder, iteration, kind)) for kind in kinds]


def assert_same(one, other):
    for arrays, others in zip(one, other):
        assert arrays.keys() == others.keys()
        for name, array in arrays.items():
            assert np.array_equal(array, others[name]), name


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
    command(ROOT / "tools/rproj.py", folder / "K2.npz", "8,2,1,2")
    command("train.py", folder / "exp" / "crops.py", "--set", f"wts_dir={folder}/models")
    return folder


def test_files_of_a_run(uninterrupted):
    names = sorted(path.name for path in (uninterrupted / "models").glob("*") if path.is_file())
    models = [f"iter_{n}.{kind}.npz" for n in (40, 80) for kind in ("dmodel", "gmodel")]
    assert names == ["filts.npz", *models, "iter_80.state.npz", "options.json", "run.json", "train.log"]
    assert json.loads((uninterrupted / "models/options.json").read_text())["bsz"] == 4
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


def test_killed_run_goes_on_exactly(uninterrupted, tmp_path):
    """Kill -9 after the first save: the next start reaches the weights of the run that was never killed."""
    arguments = ["train.py", uninterrupted / "exp/crops.py", "--set", f"wts_dir={tmp_path}"]
    process = start(*arguments)
    wait_for(process, "iter_40.gmodel.npz")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    output = command(*arguments).stdout
    assert f"read {tmp_path}/iter_40.state.npz" in output
    assert_same(weights(tmp_path, 80), weights(uninterrupted / "models", 80))


def test_run_killed_while_it_saved_goes_on_exactly(uninterrupted, tmp_path):
    """The generator is written last: without it, the other files of that save do not count."""
    arguments = ["train.py", uninterrupted / "exp/crops.py", "--set", f"wts_dir={tmp_path}"]
    command(*arguments, "--set", "MAXITER=40")
    for kind in ("dmodel", "state"):  # of an iteration whose generator is missing, and of no use
        atomic.save_arrays(checkpoint.path_of(tmp_path, 60, kind), {"half": np.zeros(3)})
    (tmp_path / ".iter_60.gmodel.npz.part").write_bytes(b"half")
    command(*arguments)
    assert_same(weights(tmp_path, 80), weights(uninterrupted / "models", 80))


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_a_kill_between_the_files_of_a_save_loses_nothing(tiny, reference, tmp_path, monkeypatch, writes):
    """Death before the n-th file: the save before it is whole, and the next start takes it."""
    images = tf.data.Dataset.from_tensors(reference["it0/real"]).repeat()
    gan, options = rpgan_tf.build(tiny), with_folder(tiny, tmp_path, SAVEFREQ=1000)
    gan.fit(images, steps_per_epoch=2, verbose=0, shuffle=False)
    checkpoint.save(gan, options)
    first = weights(tmp_path, 2)
    gan.fit(images, steps_per_epoch=1, verbose=0, shuffle=False)
    written, write = [], atomic.save_arrays

    def die(path, arrays):
        if len(written) == writes:
            raise KeyboardInterrupt
        written.append(path)
        write(path, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "save_arrays", die)
        if writes == 3:
            patch.setattr(checkpoint.pathlib.Path, "unlink", lambda *_, **__: die(None, None))  # before the clean-up
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(gan, options)
    again = rpgan_tf.build(tiny)
    lines = checkpoint.restore(again, tmp_path)
    iteration = 3 if writes == 3 else 2
    assert int(again.iteration) == int(again.g_optimizer.iterations) == int(again.d_optimizer.iterations) == iteration
    assert all(f"iter_{iteration}." in line for line in lines)
    if writes < 3:
        (tmp_path / ".iter_9.state.npz.part").write_bytes(b"half")
        checkpoint.save(again, with_folder(tiny, tmp_path, SAVEFREQ=1000))
        assert_same(weights(tmp_path, 2), first)
        assert not list(tmp_path.glob(".*"))


def pictures(folder):
    from tensorboard.backend.event_processing import event_accumulator

    events = event_accumulator.EventAccumulator(str(folder / "tensorboard"), {"tensors": 0}).Reload()
    return [event.step for event in events.Tensors("samples")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_end_cleanly(uninterrupted, tmp_path, number):
    arguments = ["train.py", uninterrupted / "exp/crops.py", "--set", f"wts_dir={tmp_path}"]
    process = start(*arguments, "--set", "MAXITER=1000000")
    wait_for(process, "iter_40.gmodel.npz")
    process.send_signal(number)
    process.send_signal(signal.SIGINT)  # an impatient second one
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    stopped = checkpoint.saved_iterations(tmp_path, "state")[-1]
    assert [checkpoint.saved_iterations(tmp_path, kind)[-1] for kind in ("gmodel", "dmodel", "state")] == [stopped] * 3
    assert pictures(tmp_path)[-1] == stopped
    if stopped < 80:
        command(*arguments)
        assert_same(weights(tmp_path, 80), weights(uninterrupted / "models", 80))


def test_old_files_are_cleaned_up_as_in_the_original(tiny, tmp_path):
    gan, options = rpgan_tf.build(tiny), with_folder(tiny, tmp_path, SAVEFREQ=10)
    for iteration in (7, 10, 13, 20, 21):
        gan.iteration.assign(iteration)
        assert [path.name for path in checkpoint.save(gan, options)] == [
            f"iter_{iteration}.{kind}.npz" for kind in ("dmodel", "state", "gmodel")
        ]
    kept = {"gmodel": [10, 20, 21], "dmodel": [10, 20, 21], "state": [21]}
    assert {kind: checkpoint.saved_iterations(tmp_path, kind) for kind in kept} == kept


def with_folder(options, folder, **changes):
    return type(options)(**vars(options) | {"wts_dir": str(folder)} | changes)


def test_models_of_the_original_are_taken_as_it_takes_them(tiny, tmp_path, reference):
    """Without optimizer state: newest G, its D or else the newest, new optimizers."""
    for letter, kind, iteration in (("G", "gmodel", 105), ("D", "dmodel", 100)):
        arrays = {name[3:]: array for name, array in reference.items() if name.startswith(f"{letter}5/")}
        np.savez(tmp_path / f"iter_{iteration}.{kind}.npz", **arrays)
    gan = rpgan_tf.build(tiny)
    lines = checkpoint.restore(gan, tmp_path)
    assert lines == [
        f"read {tmp_path}/iter_105.gmodel.npz",
        f"read {tmp_path}/iter_100.dmodel.npz",
        f"no '{tmp_path}/iter_105.state.npz': the optimizers start afresh",
    ]
    assert int(gan.iteration) == 105
    assert np.array_equal(gan.generator.get_arrays()["c2_w"], reference["G5/c2_w"])
    assert np.array_equal(gan.discriminator.get_arrays()["c2_1_w"], reference["D5/c2_1_w"])
    (tmp_path / "iter_100.dmodel.npz").unlink()
    np.savez(tmp_path / "iter_105.state.npz", a=1)
    lines = checkpoint.restore(rpgan_tf.build(tiny), tmp_path)
    assert "the discriminator starts from new weights" in lines[1]
    assert "iter_105.state.npz' is not used, since its discriminator is missing" in lines[2]
    assert checkpoint.restore(rpgan_tf.build(tiny), tmp_path / "none") == []


def test_saved_files_are_read_back(tiny, tmp_path):
    gan = rpgan_tf.build(tiny)
    for net in (gan.generator, gan.discriminator):
        path = tmp_path / "net.npz"
        checkpoint.save_npz(net, path)
        before = net.get_arrays()
        for weight in net.weights:
            weight.assign(weight + 1)
        checkpoint.load_npz(net, path)
        assert all(np.array_equal(array, before[name]) for name, array in net.get_arrays().items())


def test_learning_rate_of_the_experiment_wins_over_the_saved_state(tiny, tmp_path):
    checkpoint.save(rpgan_tf.build(tiny), with_folder(tiny, tmp_path))
    gan = rpgan_tf.build(with_folder(tiny, tmp_path, learning_rate=1e-3))
    checkpoint.restore(gan, tmp_path)
    assert float(gan.g_optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda arrays: arrays.pop("c2_w"), "it has no array 'c2_w'"),
        (lambda arrays: arrays.update(c2_w=np.zeros((4, 4, 8, 17))), r"expected c2_w \[4, 4, 8, 16\], received"),
        (lambda arrays: arrays.update(c9_w=np.zeros(3)), "it has an array 'c9_w' unknown to the net"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(tiny, tmp_path, change, message):
    generator = rpgan_tf.build(tiny).generator
    before = generator.get_arrays()
    arrays = dict(before)
    change(arrays)
    atomic.save_arrays(tmp_path / "wrong.npz", arrays)
    with pytest.raises(UserError, match=message):
        checkpoint.load_npz(generator, tmp_path / "wrong.npz")
    assert all(np.array_equal(array, before[name]) for name, array in generator.get_arrays().items())


def test_damaged_weights_are_refused(tiny, tmp_path):
    generator = rpgan_tf.build(tiny).generator
    checkpoint.save_npz(generator, tmp_path / "g.npz")
    content = (tmp_path / "g.npz").read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 1):
        (tmp_path / "g.npz").write_bytes(content[:length])
        with pytest.raises(UserError, match="cannot read .*g.npz': expected an .npz file of plain arrays"):
            checkpoint.load_npz(generator, tmp_path / "g.npz")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "first")

    def fail(file):
        file.write(b"sec")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="cannot write '.*a.txt': No space left on device; nothing there was changed"):
        atomic.write(path, fail)
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_divergence_stops_and_keeps_the_last_good_files(project):
    """A learning rate that overflows: one line, exit code 2, the files of the last save stay."""
    command("train.py", "tiny", "--set", "MAXITER=2")
    before = weights("models/tiny", 2)
    process = command("train.py", "tiny", "--set", "learning_rate=1e30", check=False)
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


def test_weights_that_are_not_finite_are_not_saved(tiny, tmp_path):
    gan, options = rpgan_tf.build(tiny), with_folder(tiny, tmp_path)
    gan.discriminator.kernels[0].assign(gan.discriminator.kernels[0] * np.inf)
    with pytest.raises(UserError, match="c0_0_w of the dmodel is not finite after iteration 0, so nothing was saved"):
        checkpoint.save(gan, options)
    assert not os.listdir(tmp_path)


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
    process = command(
        *("train.py", uninterrupted / "exp/crops.py", "--set", f"wts_dir={tmp_path}/models"),
        *("--set", f"lfile={tmp_path}/list.txt"),
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr.startswith(f"train.py: {tmp_path}/list.txt, line 8: '{tmp_path}/missing.png'")
    assert process.stderr.count("\n") == 1
    position = list(np.random.RandomState(0).permutation(8)).index(7)
    assert checkpoint.saved_iterations(tmp_path / "models", "state") == ([position // 4] if position >= 4 else [])


def test_baseline_train_uses_the_single_discriminator(project):
    command("baseline_train.py", "tiny")
    options = json.loads((project / "models/tiny/options.json").read_text())
    assert (options["gan"], options["filts"]) == ("Baseline", None)
    assert "c0_w" in atomic.load_arrays("models/tiny/iter_6.dmodel.npz")
    assert not (project / "models/tiny/filts.npz").exists()
    assert "L00" not in (project / "models/tiny/train.log").read_text()
    assert "nothing to do: iteration 6 of 6 is reached" in command("baseline_train.py", "tiny").stdout


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "exp").glob("*.py")))
def test_every_experiment_trains_two_iterations(name, tmp_path, monkeypatch):
    """At toy size: its GAN, nets and filters, with the smallest channels, batch and image they allow."""
    monkeypatch.chdir(ROOT)
    published = vars(config.load(name))
    toy = {"f1": 16, "df": 2, "ngf": 8, "ndf": 8, "g_width": 8, "d_width": 4, "warmup_steps": 2, "bsz": 2}
    toy |= {"channel_base": 64, "channel_max": 4, "zlen": 4, "w_dim": 4, "map_layers": 1, "num_half": 0}
    toy |= {"res_d": 8, "res_g": 8, "mbstd_group": 2, "lpips_weights": None, "real_loss": "mse", "fake_loss": "mse"}
    if published["net"] != "toy":
        toy |= {"imsz": 32 if published["net"] == "sagan" else 16, "lfile": "digits", "crop": False, "resize": "no"}
        toy["test_lfile"] = "digits:test" if published["test_lfile"] else ""
    toy = {key: toy[key] for key in toy if key in published}
    options = config.load(name, toy | {"MAXITER": 2, "SAVEFREQ": 1, "test_every": 2, "wts_dir": str(tmp_path)})
    config.check_files(options)
    gan = rpgan_tf.build(options)
    if published["net"] in ("stylegan2", "glead"):
        gan.compile(run_eagerly=True)  # compiling all phases takes ten times as long
    before = gan.generator.get_arrays() | gan.discriminator.get_arrays()
    run = callbacks.for_run(gan, options)
    gan.fit(rpgan_tf.data.dataset(options), steps_per_epoch=2, callbacks=run, verbose=0, shuffle=False)
    assert checkpoint.saved_iterations(tmp_path, "state") == [2]
    after = gan.generator.get_arrays() | gan.discriminator.get_arrays()
    kernels = [name for name in before if name.endswith(("kernel", "_w"))]
    assert kernels and not any(np.array_equal(before[name], after[name]) for name in kernels)


def test_another_gan_in_the_folder_of_a_run_is_refused(project):
    """Before TensorFlow is imported; other options may change, and that is said."""
    command("train.py", "tiny")
    process = command("train.py", "tiny", "--set", "gan=Baseline", "filts=", check=False)
    assert process.returncode == 2
    assert "the run in 'models/tiny' was trained with gan = 'RPGAN', received 'Baseline'; start a new" in process.stderr
    output = command("train.py", "tiny", "--set", "bsz=2", "MAXITER=7").stdout
    assert "changed since the last start: bsz = 4 -> 2" in output
