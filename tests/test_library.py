"""The README's notebook lines, run as they stand; and Keras' own saving."""

import re
import shutil

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import rpgan_tf
from tests.conftest import ROOT, command


def test_readme_lines_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for i in range(24):
        pixels = np.random.default_rng(i).integers(0, 256, (40, 50, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    (tmp_path / "filts").mkdir()
    shutil.copy(ROOT / "filts/K12_dm12.npz", tmp_path / "filts")
    lines = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert lines.count("\n") <= 14
    variables = {}
    exec(lines, variables)
    gan = variables["gan"]
    assert "d_loss" in capsys.readouterr().out  # Keras' progress bar
    assert int(gan.iteration) == int(gan.g_optimizer.iterations) == int(gan.d_optimizer.iterations) == 10
    with PIL.Image.open("samples.png") as picture:
        assert picture.size == (480, 320)
    assert (tmp_path / "losses.csv").read_text().startswith("epoch,d_loss,")
    assert len((tmp_path / "losses.csv").read_text().splitlines()) == 3

    again = rpgan_tf.build(variables["options"])
    rpgan_tf.checkpoint.load_npz(again.generator, "generator.npz")
    z = rpgan_tf.images.latents(0, 100)
    np.testing.assert_array_equal(again(z), variables["samples"])
    again.load_weights("gan.weights.h5")
    for weight, other in zip(gan.variables, again.variables):
        np.testing.assert_array_equal(weight, other)
    for optimizer, other in ((gan.g_optimizer, again.g_optimizer), (gan.d_optimizer, again.d_optimizer)):
        for variable, restored in zip(optimizer.variables, other.variables):
            np.testing.assert_array_equal(variable, restored)


def test_own_optimizers_are_used(tiny):
    gan = rpgan_tf.build(tiny)
    optimizers = {"g_optimizer": keras.optimizers.SGD(0.5), "d_optimizer": keras.optimizers.RMSprop(1e-3)}
    gan.compile(**optimizers, run_eagerly=True)
    before = gan.generator.get_arrays()
    gan.fit(tf.zeros([4, 16, 16, 3]), batch_size=4, verbose=0)
    assert isinstance(gan.d_optimizer, keras.optimizers.RMSprop)
    assert not np.array_equal(before["c3_w"], gan.generator.get_arrays()["c3_w"])


def test_generator_is_saved_and_loaded_whole_by_keras(tiny, tmp_path):
    generator = rpgan_tf.build(tiny).generator
    generator.save(tmp_path / "generator.keras")
    classes = {"Generator": type(generator)}
    again = keras.models.load_model(tmp_path / "generator.keras", custom_objects=classes)
    z = rpgan_tf.images.latents(0, tiny.zlen)
    np.testing.assert_array_equal(again(z), generator(z))


def test_unknown_attribute_of_the_library():
    with pytest.raises(AttributeError, match="has no attribute 'metrix'"):
        rpgan_tf.metrix  # noqa: B018


@pytest.mark.parametrize(
    "before, expected",
    [
        ("", "1 None"),
        ("os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'", "0 1"),
        ("os.environ |= {'TF_ENABLE_ONEDNN_OPTS': 'False', 'TF_CPU_ALLOCATOR_USE_BFC': '0'}", "False 0"),
        ("import sys; sys.modules['tensorflow'] = sys", "None None"),
    ],
    ids=["by default", "without oneDNN", "as the user says", "TensorFlow first"],
)
def test_onednn_is_on_on_every_processor_unless_the_user_says_otherwise(before, expected, monkeypatch):
    """TensorFlow reads the variables at its import, so that they are set where the library is imported first."""
    names = ["TF_ENABLE_ONEDNN_OPTS", "TF_CPU_ALLOCATOR_USE_BFC"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    after = f"import rpgan_tf; print(*map(os.environ.get, {names}))"
    assert command("-c", f"import os\n{before}\n{after}").stdout.strip() == expected
