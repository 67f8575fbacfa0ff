"""Discriminators that are divided among devices: the run is that of one device, and any division can go on with it."""

import types

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
import train
from rpgan_tf import checkpoint, config, factory
from rpgan_tf.devices import replicas
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, run_logs
from tests.conftest import TINY, command
from tests.training.runs import run

LOOKS = ["test_lfile=digits:test", "test_every=2", "monitor_every=2", "sync_bn=True", "compile=eager"]


@pytest.fixture
def trained_by_one(project):
    """Train models/one of `project` on one device."""
    assert run(train.main, "tiny", "--set", *LOOKS, "wts_dir=models/one").returncode == 0


def test_a_divided_run_is_that_of_one_device(project, trained_by_one):
    """Two devices train K = 2, one resumes: weights, optimizers, statistics and held-out losses are those of one."""
    divided = ["divide=discriminators", "wts_dir=models/divided", "MAXITER=4"]
    output = command("train.py", "tiny", "--strategy", "mirrored:2", "--set", *LOOKS, *divided).stdout
    assert "2 devices: 2 images of a batch on each" in output
    assert run(train.main, "tiny", "--set", *LOOKS, "wts_dir=models/divided").returncode == 0
    for kind in ("gmodel", "dmodel", "state"):
        one, other = (atomic.load_arrays(checkpoint.path_of(f"models/{run}", 6, kind)) for run in ("one", "divided"))
        assert list(one) == list(other)
        for name in one:
            np.testing.assert_allclose(other[name], one[name], atol=1e-5, err_msg=f"{kind} {name}")
    one, other = (run_logs.read_looks(project / "models" / run) for run in ("one", "divided"))
    assert [look["iteration"] for look in other] == [2, 4, 6]
    for key in ("g_loss", "real_loss", "fake_loss", "accuracy", "gradient_norm"):
        np.testing.assert_allclose([look[key] for look in other], [look[key] for look in one], atol=2e-4)
    logs = [(project / "models" / run / "train.log").read_text().splitlines() for run in ("one", "divided")]
    held_out = [[line for line in lines if "held out" in line] for lines in logs]
    assert len(held_out[0]) == 3 and [line[:30] for line in held_out[0]] == [line[:30] for line in held_out[1]]


def test_within_a_whole_batch_a_replica_is_alone():
    context = types.SimpleNamespace(num_replicas_in_sync=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.distribute, "get_replica_context", lambda: context)
        x = tf.ones([3])
        assert replicas.count() == 2
        with replicas.whole():
            assert replicas.count() == 1 and replicas.gather(x) is x and replicas.mean(x) is x
            assert float(replicas.part_of_mean(x[0])) == 1
        assert replicas.count() == 2 and float(replicas.part_of_mean(x[0])) == 0.5


def test_mistakes(tiny, monkeypatch):
    with pytest.raises(UserError, match="divide = 'discriminators' is for those of filts, received filts = None"):
        config.resolve(TINY | {"gan": "Baseline", "divide": "discriminators"})
    with pytest.raises(UserError, match="has no option 'divide'"):
        config.resolve({"gan": "DCGAN", "net": "dcgan", "divide": "discriminators"})
    values = vars(tiny) | {"divide": "discriminators"}
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: types.SimpleNamespace(num_replicas_in_sync=2))
    with pytest.raises(UserError, match="K = 3 discriminators cannot be divided among 2 devices: expected a multiple"):
        factory.build_discriminator(types.SimpleNamespace(**values))


def test_optimizers_other_than_adam_cannot_be_divided(tiny):
    gan = rpgan_tf.build(config.resolve(TINY | {"gan": "WGAN", "filts": tiny.filts}))
    gan.discriminator.divided = True
    with pytest.raises(UserError, match="divide = 'discriminators' needs Adam: gan = 'WGAN' trains with RMSprop"):
        gan.compile()
