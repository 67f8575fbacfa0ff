"""sample, fixbn, interp and compare: the original's pixels, and one line for each mistake."""

import importlib
import json
import os
import re
import shutil
import sys
import types

import numpy as np
import PIL.Image
import pytest

from rpgan_tf import checkpoint
from rpgan_tf import command as commands
from rpgan_tf.files import atomic
from rpgan_tf.sampling import latents, pictures
from tests.conftest import DATA, ROOT, command

OPTIONS = "ksz, zlen, f1, df, imsz, bsz = 4, 20, 32, 8, 16, 4\nlfile, wts_dir = 'digits', 'models'\n"


@pytest.fixture
def trained(project):
    """The original's own weights, as exp/old.py."""
    shutil.copytree(DATA / "rpgan_tools", project / "models")
    (project / "exp" / "old.py").write_text(OPTIONS)
    return project


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command as `tests.conftest.command` does, but in this process: TensorFlow is imported once for all."""

    def run(name, *arguments):
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # else the first command sets it for all later processes
        monkeypatch.setattr(sys, "argv", [str(ROOT / name), *map(str, arguments)])
        module = importlib.import_module(name.removesuffix(".py").replace("/", "."))
        capsys.readouterr()
        code = 0
        try:
            commands.run(module.main)
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return types.SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return run


def pixels(path):
    return np.asarray(PIL.Image.open(path)).astype(int)


def assert_same_picture(path, expected):
    """At most one grey level on at most 0.1 % of the values."""
    difference = np.abs(pixels(path) - pixels(expected))
    assert difference.max() <= 1 and np.mean(difference > 0) <= 1e-3


@pytest.mark.parametrize("name, expected", [("old", "sample_seed0"), ("old,100", "sample_seed100")])
def test_sample_draws_the_originals_pixels(trained, run, name, expected):
    process = (command if name == "old" else run)("sample.py", name, "pictures/out.png", 105)
    assert process.stdout == "read models/iter_105.gmodel.npz\nwrote pictures/out.png\n"
    assert process.stderr == ""
    assert_same_picture("pictures/out.png", DATA / "rpgan_tools" / f"{expected}.png")


def test_interp_draws_the_originals_pixels(trained, run):
    process = run("interp.py", "old,3", "out.png", "137,65", "1,150", "15,138")
    assert process.stdout == "read models/iter_105.bgmodel.npz\nwrote out.png\n"
    assert_same_picture("out.png", DATA / "rpgan_tools" / "interp_seed3.png")


def test_fixbn_stores_the_statistics_of_one_batch(trained, run):
    original = atomic.load_arrays("models/iter_105.bgmodel.npz")
    os.remove("models/iter_105.bgmodel.npz")
    process = run("fixbn.py", "old", "--chunk", 100)
    assert process.stdout == "read models/iter_105.gmodel.npz\nwrote models/iter_105.bgmodel.npz\n"
    arrays = atomic.load_arrays("models/iter_105.bgmodel.npz")
    assert arrays.keys() == original.keys()
    first = latents.draw(0, 20, 2048) @ arrays["c1_w"][0, 0]
    first = first.reshape(-1, 32)  # every pixel of every image
    np.testing.assert_allclose(arrays["bnm_c1_w"], first.mean(0), atol=1e-6)
    np.testing.assert_allclose(arrays["bnv_c1_w"], first.var(0), rtol=1e-5)
    for name in original:  # the original drew other latents: 2,048 of them estimate the same moments
        exact = not name.startswith("bn")
        np.testing.assert_allclose(arrays[name], original[name], rtol=0 if exact else 0.1, atol=0 if exact else 0.03)


def test_sample_with_stored_statistics(trained, run):
    """An image no longer depends on the others of its batch, and is that of interp's ends."""
    for line in ("sample.py old,3 stored.png --bgmodel", "sample.py old,3 batch.png", "interp.py old,3 row.png 137,65"):
        assert run(*line.split()).returncode == 0
    grid, row = pixels("stored.png"), pixels("row.png")
    a, b = [grid[16 * (i // 15) :, 16 * (i % 15) :][:16, :16] for i in (136, 64)]
    assert np.abs(row[:, :16] - a).max() <= 1 and np.abs(row[:, -16:] - b).max() <= 1
    assert np.abs(grid - pixels("batch.png")).max() > 1


def test_statistics_that_are_missing_are_named(trained, run):
    arrays = atomic.load_arrays("models/iter_105.bgmodel.npz")
    atomic.save_arrays("models/iter_105.bgmodel.npz", {key: arrays[key] for key in arrays if key != "bnv_c2_w"})
    process = run("interp.py", "old", "out.png", "1,2")
    assert process.returncode == 2
    assert "iter_105.bgmodel.npz' does not fit: it has no array 'bnv_c2_w'" in process.stderr


def test_newest_iteration_is_the_default(trained, run):
    arrays = atomic.load_arrays("models/iter_105.gmodel.npz")
    atomic.save_arrays("models/iter_1000.gmodel.npz", arrays)
    atomic.save_arrays("models/iter_20.gmodel.npz", arrays)
    assert "read models/iter_1000.gmodel.npz" in run("sample.py", "old", "out.png").stdout
    assert checkpoint.saved_iterations("models", "gmodel") == [20, 105, 1000]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["sample.py", "odl", "out.png"], "no experiment 'odl': expected a file 'exp/odl.py'; did you mean 'old'?"),
        (["sample.py", "old,x", "out.png"], "expected NAME and up to 1 whole numbers between commas, received 'old,x'"),
        (["sample.py", "old,1,2", "out.png"], "received 'old,1,2'"),
        (["sample.py", "old", "out.png", "7"], "no file 'models/iter_7.gmodel.npz': there are iterations 105; make it"),
        (
            ["sample.py", "old", "out.png", "--set", "wts_dir=no"],
            "no file 'no/iter_<N>.gmodel.npz': there is none at all",
        ),
        (["sample.py", "old"], "the following arguments are required: out; usage: sample.py"),
        (
            ["interp.py", "old", "out.png", "1,151"],
            "expected a pair a,b of image numbers from 1 to 150, as 137,65; received",
        ),
        (["interp.py", "old", "out.png", "12"], "received '12'"),
        (["interp.py", "old,0,9", "out.png", "1,2"], "no file 'models/iter_9.bgmodel.npz'"),
        (
            ["fixbn.py", "old", "9"],
            "no file 'models/iter_9.gmodel.npz': there are iterations 105; make it with train.py",
        ),
        (["fixbn.py", "old", "--chunk", "0"], "expected --chunk >= 1"),
        (["sample.py", "old", "out.png", "--set", "f1=64"], "expected c1_w [1, 1, 20, 1024], received [1, 1, 20, 512]"),
        (["sample.py", "old", "out.png", "--set", "ksz=7"], "ksz = 7, imsz = 16, f1 = 32 do not fit: expected imsz ="),
        (["tools/compare.py", "old", "out.png"], "no file 'models/train.log'; train the experiment first"),
    ],
)
def test_mistakes_end_in_one_line(trained, run, arguments, message):
    process = run(*arguments)
    assert process.returncode == 2
    assert message in process.stderr and process.stderr.count("\n") == 1 and not process.stdout
    assert not os.path.exists("out.png")


def test_compare_draws_runs_side_by_side(project, run):
    assert run("train.py", "tiny", "--set", "compile=eager").returncode == 0
    text = (project / "exp/tiny.py").read_text()
    (project / "exp/tiny1.py").write_text(text.replace("models/tiny", "models/tiny1"))
    assert run("baseline_train.py", "tiny1", "--set", "compile=eager").returncode == 0
    process = run("tools/compare.py", "tiny", "tiny1", "out.png")
    assert process.stdout.endswith("wrote out.png\n")
    assert pixels("out.png").shape[:2] == (800, 1200)


def test_grid_places_images_in_reading_order_and_truncates():
    values = np.array([-1, 0, 0.999, 1], np.float32).reshape(4, 1, 1, 1)
    picture = pictures.grid(np.broadcast_to(values, (4, 2, 3, 1)), columns=2)
    assert picture.shape == (4, 6, 1)
    assert pictures.grid(np.ones((3, 2, 2, 3)), columns=2).tolist()[2:] == [[[255] * 3] * 2 + [[0] * 3] * 2] * 2
    assert [int(picture[row, column, 0]) for row, column in ((0, 0), (0, 3), (2, 0), (2, 3))] == [0, 127, 254, 255]


TOOLS = sorted(f"tools/{path.stem}" for path in (ROOT / "tools").glob("[!_]*.py"))
COMMANDS = ["train", "baseline_train", "sample", "fixbn", "interp", *TOOLS]
HELP = """
import contextlib, io, json, os, runpy, sys
root, *names = sys.argv[1:]
path, texts = list(sys.path), {}
for name in names:
    file = os.path.join(root, name + ".py")
    sys.argv, sys.path[:] = [file, "--help"], [os.path.dirname(file), *path]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            runpy.run_path(file, run_name="__main__")
        except SystemExit as end:
            assert not end.code, (name, end.code)
    texts[name] = out.getvalue()
assert "tensorflow" not in sys.modules
print(json.dumps(texts))
"""


@pytest.fixture(scope="module")
def helps(tmp_path_factory):
    """What --help prints of each command: {name: text}. They are run as scripts, in one process elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        return json.loads(command("-c", HELP, ROOT, *COMMANDS).stdout)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_the_usage(helps, name):
    assert re.match(rf"usage: {name.split('/')[-1]}\.py ", helps[name])
    assert "NAME" in helps[name] or f"{name}.py" in helps[name]  # the usage has no folder, the examples have


def test_tensorflow_starts_silently_with_the_threads_of_the_environment(project):
    lines = "from rpgan_tf import command; command.start_tensorflow(); import tensorflow as tf; tf.zeros(3);"
    lines += "print(tf.config.threading.get_intra_op_parallelism_threads())"
    process = command("-c", lines, OMP_NUM_THREADS="3")
    assert (process.stdout, process.stderr) == ("3\n", "")
