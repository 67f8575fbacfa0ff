"""Several devices: what they compute is what one does, by the command that users check theirs with."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config
from rpgan_tf.data import stream
from rpgan_tf.devices import replicas
from rpgan_tf.errors import UserError
from tests.conftest import command
from tools import check_devices

FOUR = "Baseline", "RSGAN", "RaLSGAN", "RaHingeGAN"
# test_devices.py has DCGAN, test_divided.py divided; StyleGAN2 is in GLeaD, SAGAN in labels, RPR3GAN in divR3GAN.
ELSEWHERE = *FOUR, "DCGAN", "divided", "StyleGAN2", "SAGAN", "RPR3GAN"
CASES = [("mirrored:2", name) for name in check_devices.CASES if name not in ELSEWHERE]
CASES += [("mirrored:4", name) for name in FOUR]


@functools.cache
def check(strategy):
    """Check all cases of a strategy in one process, which imports TensorFlow once; return it."""
    names = [name for other, name in CASES if other == strategy]
    return command("tools/check_devices.py", *names, "--strategy", strategy, "--iterations", 3, check=False)


@pytest.mark.parametrize("strategy, name", CASES)
def test_several_devices_compute_what_one_does(strategy, name):
    """A difference of 0 would mean that one device computed both."""
    process = check(strategy)
    head, _, *lines = process.stdout.splitlines()
    assert head == f"{strategy[-1]} devices, 8 images of a batch, 3 iterations"
    (row,) = [row for row in map(str.split, lines) if row[0] == name] or [process.stderr]
    assert 0 < float(row[3]) < 1e-3, row


def test_every_objective_is_checked():
    assert {values["gan"] for values in check_devices.CASES.values()} == set(config.gans())


def test_a_difference_is_seen():
    """Of a way of length 5 by 0.05, and of a loss by 2 of 1000, of which 0.5 may be rounding."""
    one = {"g_loss": np.float64(1000)}, [np.zeros(2), 7], [np.array([3.0, 4.0])]
    assert check_devices.compare(one, one) == ((0, 0, 0), True)
    off = {"g_loss": np.float64(1000.5)}, [np.array([0, 1]), 7], one[2]
    assert check_devices.compare(one, off) == ((0.5, 1, 0), True)
    off = {"g_loss": np.float64(1000)}, one[1], [np.array([3.0, 4.05])]
    assert check_devices.compare(one, off) == ((0, 0, pytest.approx(0.01)), False)
    off = {"g_loss": np.float64(1002)}, one[1], one[2]
    assert check_devices.compare(one, off) == ((2, 0, 0), False)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["RPGAM"], "no 'RPGAM'; did you mean 'RPGAN'?"),
        (["--iterations", "0"], "argument --iterations: expected a whole number, at least 1; received '0'"),
        (["--processes", "1"], "--processes must be at least 2, received 1"),
        (["--processes", "2", "--strategy", "mirrored:2"], "expected --processes or --strategy, received both"),
        (["--strategy", "one"], "there is one device only: expected several"),
    ],
)
def test_mistakes_of_the_check(arguments, message):
    with pytest.raises(UserError) as error:
        check_devices.main(arguments)
    assert message in str(error.value)


@pytest.mark.parametrize("count", [2, 4])
def test_parts_of_the_data_make_the_whole(count):
    """Each replica gets its part of every batch, in order; of images and of points, whose draws go by position."""
    batches = 2  # one for D, one for G
    read = functools.partial(stream.dataset, batches=lambda iteration: batches)
    for source in ({"lfile": "digits:train", "channels": 1, "imsz": 8}, {"lfile": "mixture:ring8", "net": "toy"}):
        options = config.resolve(source | {"gan": "RaSGAN", "bsz": 8, "pack": 2, "MAXITER": 9, "zlen": 4})
        whole = next(iter(read(options, 3))).numpy()
        parts = list(read(options, 3, parts=(range(count), count)).take(count).as_numpy_iterator())
        divided = [part.reshape(batches, 2, 8 // count, *part.shape[1:]) for part in parts]
        np.testing.assert_array_equal(np.concatenate(divided, axis=2).reshape(whole.shape), whole)
        last = read(options, 3, parts=(range(count - 1, count), count)).take(1).as_numpy_iterator()
        np.testing.assert_array_equal(next(last), parts[-1])


def test_outside_of_replicas_all_is_plain():
    x = tf.constant([1.0, 2.0])
    assert replicas.count() == 1 and replicas.mean(x) is x and float(replicas.part_of_mean(x[0])) == 1
    drawn = tf.random.stateless_normal([4, 2], [1, 2], alg="philox")
    np.testing.assert_array_equal(replicas.normal([4, 2], [1, 2]), drawn)
