"""Files of a save: whole or not at all, read back, cleaned up, and refused where they do not fit."""

import os

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.training.runs import assert_same, weights, with_folder


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


def test_old_files_are_cleaned_up_as_in_the_original(tiny, tmp_path):
    gan, options = rpgan_tf.build(tiny), with_folder(tiny, tmp_path, SAVEFREQ=10)
    for iteration in (7, 10, 13, 20, 21):
        gan.iteration.assign(iteration)
        assert [path.name for path in checkpoint.save(gan, options)] == [
            f"iter_{iteration}.{kind}.npz" for kind in ("dmodel", "state", "gmodel")
        ]
    kept = {"gmodel": [10, 20, 21], "dmodel": [10, 20, 21], "state": [21]}
    assert {kind: checkpoint.saved_iterations(tmp_path, kind) for kind in kept} == kept


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


def test_weights_that_are_not_finite_are_not_saved(tiny, tmp_path):
    gan, options = rpgan_tf.build(tiny), with_folder(tiny, tmp_path)
    gan.discriminator.kernels[0].assign(gan.discriminator.kernels[0] * np.inf)
    with pytest.raises(UserError, match="c0_0_w of the dmodel is not finite after iteration 0, so nothing was saved"):
        checkpoint.save(gan, options)
    assert not os.listdir(tmp_path)
