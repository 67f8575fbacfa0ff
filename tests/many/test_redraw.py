"""`redraw`: when projections change, how they are drawn, what discriminators do then, and the files of a run."""

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
import train
from rpgan_tf import checkpoint, data, projections
from rpgan_tf.config import resolve
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.conftest import TINY, command, on_points
from tests.training.runs import run, weights

RING = "filts/K12_ring.npz"


def states(gan, number):
    """Train iterations; return the filters and the weights of D after each."""
    found = []
    for iteration in range(number):
        gan.fit(data.dataset(gan.options, iteration), steps_per_epoch=1, verbose=0, shuffle=False)
        filters = gan.discriminator.each_filter().numpy()
        found.append((filters, [np.array(weight.numpy()) for weight in gan.discriminator.trainable_variables]))
    return found


@pytest.mark.parametrize("active", [None, 4])
def test_projections_change_every_few_iterations(active):
    """The first are those of the file; the step is traced once."""
    gan, traces = on_points("RPGAN", RING, redraw=3, active=active, compile="graph"), []
    step = gan.train_step
    gan.train_step = lambda real: traces.append(real) or step(real)
    found = [filters for filters, _ in states(gan, 7)]
    same = [np.array_equal(one, other) for one, other in zip(found, found[1:])]
    assert same == [True, True, False, True, True, False] and len(traces) == 1
    assert np.array_equal(found[0], projections.load(RING).kernels) and not np.array_equal(found[3], found[6])


def test_distribution():
    """As of tools/rproj.py: each output channel is a direction drawn uniformly, of unit length."""
    gan = on_points("RPGAN", RING, redraw=1)
    drawn = []
    for iteration in range(1, 150):
        gan.iteration.assign(iteration)
        drawn.append(redrawn(gan))
    drawn = np.concatenate(drawn)[:, 0, 0, :, 0]  # [149 * 12, 2]
    np.testing.assert_allclose(np.sum(drawn**2, axis=1), 1, rtol=1e-5)
    angles = np.arctan2(drawn[:, 1], drawn[:, 0])
    share, _ = np.histogram(angles, bins=8, range=(-np.pi, np.pi))
    np.testing.assert_allclose(share / len(drawn), 1 / 8, atol=0.03)


def redrawn(gan):
    from rpgan_tf.many import redraw

    redraw.renew(gan)
    return gan.discriminator.each_filter().numpy()


def test_discriminators_go_on_or_start_again():
    kept = states(on_points("RPGAN", RING, redraw=2, learning_rate=1e-3, compile="graph"), 3)
    gan = on_points("RPGAN", RING, redraw=2, redraw_discriminators="new", learning_rate=1e-3, compile="graph")
    new = states(gan, 3)
    for one, other in zip(kept[:2], new[:2]):
        assert all(np.array_equal(a, b) for a, b in zip(one[1], other[1]))
    assert np.array_equal(kept[2][0], new[2][0])  # the same projections
    step = 1e-2  # more than a step of Adam
    assert all(np.max(np.abs(a - b)) < step for a, b in zip(kept[1][1], kept[2][1]))
    for i, (old, now, limit) in enumerate(zip(new[1][1], new[2][1], gan.discriminator.limits)):
        assert np.max(np.abs(now - old)) > 10 * step, i
        assert 0.6 * limit < np.max(np.abs(now)) <= limit + step
    counts = [np.unique(count) for count in gan.d_optimizer._counts]
    assert all(np.array_equal(count, [1]) for count in counts)  # one step since
    again = on_points("RPGAN", RING, redraw=2, redraw_discriminators="new", learning_rate=1e-3, compile="graph")
    assert all(np.array_equal(a, b) for a, b in zip(states(again, 3)[2][1], new[2][1]))


def test_packs_and_penalties_see_the_new_projections():
    """Points that are packed are projected one by one, and the pulled back gradient is by the current projections."""
    gan = on_points("RPGAN", RING, redraw=1, pack=2)
    gan.iteration.assign(1)
    filters = redrawn(gan)[:, 0, 0]
    points = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    expected = np.einsum("bpc,kcf->kbpf", points.reshape(3, 2, 2), filters).reshape(12, 3, 2)
    np.testing.assert_allclose(gan.discriminator.project(tf.constant(points)), expected, rtol=1e-5, atol=1e-6)
    upstream = np.ones([12, 3, 2], np.float32)
    pulled = np.einsum("kbpf,kcf->kbpc", upstream.reshape(12, 3, 2, 1), filters).reshape(12, 3, 4)
    np.testing.assert_allclose(gan.discriminator.pull_back(tf.constant(upstream)), pulled, rtol=1e-5, atol=1e-6)


def test_labels_and_augmentation(tmp_path):
    """The weights of classes, too, are gathered, scattered and drawn anew; nets for images."""
    atomic.save_arrays(tmp_path / "K4.npz", projections.draw([(4, 2, 1, 4)], seed=1))
    values = TINY | {"lfile": "digits", "num_classes": 10, "aug": "light", "filts": str(tmp_path / "K4.npz")}
    values |= {"active": 2, "redraw": 1, "redraw_discriminators": "new", "compile": "eager"}
    gan = rpgan_tf.build(resolve(values))
    found = [arrays for _, arrays in states(gan, 3)]
    assert len(found[0]) == len(gan.discriminator.limits) == 7
    assert all(np.all(np.any(one != other, axis=-1)) for one, other in zip(found[1][::2], found[2][::2]))


def test_files_of_a_run(project):
    """Each save has its projections, `filts.npz` those of the start; a resumed run equals one that was not stopped."""
    values = ["redraw=4", "active=1", "SAVEFREQ=3", "monitor_every=2", "compile=eager"]
    assert run(train.main, "tiny", "--set", *values, "wts_dir=models/whole").returncode == 0
    assert run(train.main, "tiny", "--set", *values, "wts_dir=models/parts", "MAXITER=5").returncode == 0
    output = run(train.main, "tiny", "--set", *values, "wts_dir=models/parts")
    assert "read models/parts/iter_5.filts.npz" in output.stdout
    for one, other in zip(weights("models/whole", 6), weights("models/parts", 6)):
        assert all(np.array_equal(array, other[name]) for name, array in one.items())
    start = projections.load("models/whole/filts.npz").kernels
    first, last = (projections.load(checkpoint.path_of("models/whole", i, "filts")).kernels for i in (3, 6))
    assert np.array_equal(first, start) and np.array_equal(start, projections.load("K2.npz").kernels)
    assert not np.array_equal(last, first)
    log = (project / "models/whole/train.log").read_text()
    assert "Loss" in log and "L00=" not in log  # another one each time
    dry = run(train.main, "tiny", "--set", *values, "redraw_discriminators=new", "--dry_run")
    assert '"redraw": 4' in dry.stdout


def test_several_devices(project):
    """With the batch divided, a run is that of one device; divided discriminators resume exactly, each with its own."""
    atomic.save_arrays(project / "K4.npz", projections.draw([(8, 2, 1, 4)], seed=1))
    values = ["filts=K4.npz", "active=2", "redraw=3", "weighting=softmax", "feedback_dropout=0.4", "sync_bn=True"]
    values += ["compile=eager", "redraw_discriminators=new", "monitor_every=3"]
    assert run(train.main, "tiny", "--set", *values, "wts_dir=models/one").returncode == 0
    command("train.py", "tiny", "--strategy", "mirrored:2", "--set", *values, "wts_dir=models/batch")
    for one, other in zip(weights("models/one", 6), weights("models/batch", 6)):
        for name, array in one.items():
            np.testing.assert_allclose(other[name], array, atol=2e-5, err_msg=name)
    values += ["divide=discriminators"]
    command("train.py", "tiny", "--strategy", "mirrored:2", "--set", *values, "wts_dir=models/whole")
    command("train.py", "tiny", "--strategy", "mirrored:2", "--set", *values, "wts_dir=models/parts", "MAXITER=4")
    command("train.py", "tiny", "--strategy", "mirrored:2", "--set", *values, "wts_dir=models/parts")
    for one, other in zip(weights("models/whole", 6), weights("models/parts", 6)):
        assert one.keys() == other.keys() and all(np.array_equal(array, other[name]) for name, array in one.items())
    state = weights("models/whole", 6)[2]
    counts = [array.ravel() for array in state.values() if array.size == 4 and np.array_equal(array, array.round())]
    assert counts and all(count[:2].sum() == count[2:].sum() == 3 for count in counts)  # one a device since iteration 3


def test_mistakes():
    values = TINY | {"filts": "filts/K12_dm12.npz", "redraw_discriminators": "new"}
    with pytest.raises(
        UserError, match="redraw_discriminators is of redraw, received redraw = 0; set redraw, or leave"
    ):
        resolve(values)
    with pytest.raises(UserError, match="active = None and redraw = 3 are of K discriminators, received filts = None"):
        resolve(TINY | {"gan": "Baseline", "redraw": 3})
