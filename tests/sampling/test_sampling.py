"""Pictures, videos and files of samples, as a user makes them from a trained experiment."""

import pathlib
import re

import imageio.v3 as imageio
import imageio_ffmpeg
import numpy as np
import PIL.Image
import pytest

import train
from rpgan_tf import checkpoint, config
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators, latents, pictures
from tools import dump, fixbn, interp, morph, sample, timelapse

EXPERIMENTS = {
    "grey": {
        "gan": "RaSGAN", "net": "dcgan", "channels": 1, "zlen": 5, "ngf": 2, "ndf": 2, "imsz": 16, "bsz": 4,
        "lfile": "digits:train", "test_lfile": "digits:test",
        "test_every": 20, "ema": 0.5, "SAVEFREQ": 20, "MAXITER": 40,
        "learning_rate": 5e-3,
    },
    "labels": {
        "net": "rpgan", "gan": "Baseline", "channels": 1, "zlen": 5, "f1": 8, "df": 2, "imsz": 16, "bsz": 4,
        "lfile": "digits:train", "num_classes": 10, "SAVEFREQ": 2, "MAXITER": 2, "compile": "eager",
    },
    "points": {
        "gan": "DCGAN", "net": "toy", "zlen": 3, "g_width": 8, "d_width": 4, "bsz": 4, "lfile": "mixture:ring8",
        "SAVEFREQ": 2, "MAXITER": 4, "compile": "eager",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two experiments that were trained for four iterations."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "exp").mkdir()
    for name, values in EXPERIMENTS.items():
        lines = [f"{key} = {value!r}\n" for key, value in values.items()]
        (folder / "exp" / f"{name}.py").write_text("".join(lines) + f"wts_dir = '{folder}/models/{name}'\n")
        train.main([str(folder / "exp" / f"{name}.py")])
    return folder


@pytest.fixture
def here(trained, monkeypatch, tmp_path):
    """Run in a folder from which the experiments are seen; return where to write."""
    monkeypatch.chdir(trained)
    return tmp_path


def pixels(path):
    return np.array(PIL.Image.open(path))


def gif_times(path):
    """Return milliseconds a frame, and repeats, 0 for ever."""
    with PIL.Image.open(path) as picture:
        return picture.info["duration"], picture.info["loop"]


def test_files_of_a_run_with_a_moving_average(here):
    kinds = {kind: checkpoint.saved_iterations("models/grey", kind) for kind in ("gmodel", "dmodel", "ema", "state")}
    assert kinds == {"gmodel": [20, 40], "dmodel": [20, 40], "ema": [20, 40], "state": [40]}


def test_losses_of_the_held_out_split(here):
    """A run of its own for TensorBoard, with the tags of training, and a line in the log."""
    from tensorboard.backend.event_processing import event_accumulator

    events = event_accumulator.EventAccumulator("models/grey/tensorboard/test", {"tensors": 0}).Reload()
    assert sorted(events.Tags()["tensors"]) == ["d_loss", "g_loss"]
    assert [event.step for event in events.Tensors("g_loss")] == [20, 40]
    text = pathlib.Path("models/grey/train.log").read_text()
    assert re.findall(r"\[(\d+)\] held out: G=\d+\.\d+,D=\d+\.\d+\n", text) == ["000000020", "000000040"]
    assert len(re.findall(r"\[\d+\] Adam Loss: G=", text)) == 40


def test_samples_are_those_of_the_average(here):
    sample.main(["grey", f"{here}/average.png"])
    sample.main(["grey", f"{here}/raw.png", "--set", "ema=0"])
    sample.main(["grey,7", f"{here}/other.png", "20"])
    average, raw, other = (pixels(here / f"{name}.png") for name in ("average", "raw", "other"))
    assert average.shape == raw.shape == other.shape == (160, 240)
    assert not np.array_equal(average, raw)
    sample.main(["grey", f"{here}/batch.png", "--batch_statistics"])
    assert not np.array_equal(average, pixels(here / "batch.png"))
    with pytest.raises(UserError, match="--bgmodel and --batch_statistics exclude each other"):
        sample.main(["grey", "out.png", "--bgmodel", "--batch_statistics"])
    options = config.load("grey")
    generate = generators.load(options, checkpoint.path_of("models/grey", 40, "ema"))
    z = np.float32(np.random.RandomState(0).randn(150, 5))
    assert np.array_equal(average, pictures.grid(generate(z))[..., 0])


def test_a_grid_for_each_seed(here):
    sample.main(["grey", f"{here}/out_{{seed}}.png", "--seeds", "3-5"])
    assert sorted(path.name for path in here.iterdir()) == ["out_3.png", "out_4.png", "out_5.png"]
    sample.main(["grey,4", f"{here}/four.png"])
    assert np.array_equal(pixels(here / "four.png"), pixels(here / "out_4.png"))
    for arguments in (["grey", "out.png", "--seeds", "1-2"], ["grey,1", "out_{seed}.png", "--seeds", "1-2"]):
        with pytest.raises(UserError, match="--seeds expects NAME without a seed and a name such as out_{seed}.png"):
            sample.main(arguments)
    for seeds in ("5", "5-3", "a-b"):
        with pytest.raises(UserError, match="expected --seeds FIRST-LAST, as 0-99; received"):
            sample.main(["grey", "out_{seed}.png", "--seeds", seeds])


def test_interpolation_needs_no_fixbn_where_there_are_running_averages(here):
    interp.main(["grey,3,40", f"{here}/row.png", "137,65", "1,150"])
    row = pixels(here / "row.png")
    assert row.shape == (32, 176)
    sample.main(["grey,3", f"{here}/grid.png"])
    grid = pixels(here / "grid.png")
    first = grid[9 * 16 : 10 * 16, 16 : 2 * 16]  # image 137: row 9, column 1
    assert np.abs(first.astype(int) - row[:16, :16]).max() <= 1
    with pytest.raises(UserError, match="there is nothing to fix: net = 'dcgan' has running averages"):
        fixbn.main(["grey"])
    with pytest.raises(UserError, match="--bgmodel is for net = 'rpgan'"):
        sample.main(["grey", "out.png", "--bgmodel"])


@pytest.mark.parametrize("suffix", ["gif", "mp4", ""])
def test_morph(here, suffix):
    out = here / f"morph.{suffix}" if suffix else here / "frames"
    morph.main(["grey", str(out), "1,2", "2,3", "--frames", "5", "--fps", "10", "--loop"])
    if not suffix:
        frames = [pixels(path) for path in sorted(out.glob("frame_*.png"))]
        assert sorted(path.name for path in out.iterdir())[-1] == "frame_0011.png"
        sample.main(["grey", f"{here}/grid.png"])
        grid = pixels(here / "grid.png")
        for frame, number in ((0, 0), (4, 1), (8, 2)):  # 1 -> 2 -> 3 -> 1
            image = grid[:16, number * 16 : (number + 1) * 16]
            assert np.abs(frames[frame].astype(int) - image).max() <= 1
        assert len(frames) == 12
    if suffix == "gif":
        assert imageio.imread(out).shape == (12, 16, 16, 3)
        assert gif_times(out) == (100, 0)
    if suffix == "mp4":
        assert imageio_ffmpeg.count_frames_and_secs(str(out)) == (12, 1.2)
        assert out.read_bytes()[4:8] == b"ftyp"


def test_paths_between_latents():
    a, b = np.array([2.0, 0.0]), np.array([0.0, 2.0])
    np.testing.assert_allclose(morph.linear(a, b, 0.25), [1.5, 0.5])
    for t in (0, 0.25, 0.5, 1):  # on the arc, all of one length, at even angles
        angle = t * np.pi / 2
        np.testing.assert_allclose(morph.spherical(a, b, t), [2 * np.cos(angle), 2 * np.sin(angle)], atol=1e-12)
    np.testing.assert_allclose(morph.spherical(a, a, 0.5), a)
    places = morph.path_between([[1, 2], [2, 3], [4, 5]], 3)
    assert places == [(1, 2, 0), (1, 2, 0.5), (1, 2, 1), (2, 3, 0.5), (2, 3, 1), (4, 5, 0), (4, 5, 0.5), (4, 5, 1)]


def test_mistakes_of_videos(here):
    with pytest.raises(UserError, match="expected a name that ends in .gif or .mp4, or a folder without a suffix"):
        morph.main(["grey", "out.avi", "1,2"])
    with pytest.raises(UserError, match="expected --frames >= 2, received 1"):
        morph.main(["grey", "out.gif", "1,2", "--frames", "1"])
    with pytest.raises(UserError, match="expected --fps above 0, at most 100; received 0"):
        morph.main(["grey", "out.gif", "1,2", "--fps", "0"])
    with pytest.raises(UserError, match="expected a pair a,b of image numbers from 1 to 150"):
        morph.main(["grey", "out.gif", "0,2"])
    for command in (morph, interp):
        with pytest.raises(UserError, match="draws images, and lfile = 'mixture:ring8' has points; sample.py draws"):
            command.main(["points", "out.gif", "1,2"])


def test_dump(here):
    dump.main(["grey,5", f"{here}/samples.npz", "70"])
    dump.main(["grey,5", f"{here}/samples", "70"])
    array = atomic.load_arrays(here / "samples.npz")["arr_0"]
    assert (array.shape, array.dtype) == ((70, 16, 16, 1), np.uint8)
    paths = sorted((here / "samples").iterdir())
    assert [paths[0].name, paths[-1].name] == ["00000.png", "00069.png"]
    assert np.array_equal(np.stack([pixels(path) for path in paths])[..., None], array)
    np.testing.assert_array_equal(
        dump.to_bytes(np.float32([-1, -0.999, 0, 0.001, 0.999, 1])), [0, 0, 128, 128, 255, 255]
    )
    dump.main(["points", f"{here}/points.npz", "70"])
    assert atomic.load_arrays(here / "points.npz")["arr_0"].shape == (70, 2)
    with pytest.raises(UserError, match="draws images"):
        dump.main(["points", f"{here}/points", "70"])
    with pytest.raises(UserError, match="has pictures already; choose a new one, or remove them"):
        dump.main(["grey", f"{here}/samples", "3"])
    with pytest.raises(UserError, match="expected a folder or a file .*npz, and a number >= 1; received 'a.zip'"):
        dump.main(["grey", "a.zip", "1"])


def test_time_lapse(here):
    timelapse.main(["grey", f"{here}/run.gif", "--fps", "2"])
    frames = imageio.imread(here / "run.gif")
    assert frames.shape == (2, 160, 240, 3)
    assert gif_times(here / "run.gif") == (500, 0)
    sample.main(["grey", f"{here}/last.png"])
    assert np.abs(frames[-1][..., 0].astype(int) - pixels(here / "last.png")).max() <= 2


def test_samples_of_points_are_a_scatter_plot(here):
    sample.main(["points", f"{here}/points.png"])
    assert pixels(here / "points.png").shape == (640, 600, 3)


def test_statistics_of_the_average_have_a_file_of_their_own(here):
    """RP-GAN's nets with a moving average: fixbn.py and what reads its file take the same generator."""
    tiny = {"ksz": 4, "zlen": 8, "f1": 16, "df": 8, "imsz": 16, "bsz": 4, "gan": "Baseline", "ema": 0.9}
    tiny |= {"lfile": "digits", "MAXITER": 2, "compile": "eager"}
    lines = [f"{key} = {value!r}\n" for key, value in tiny.items()]
    (here / "average.py").write_text("".join(lines) + f"wts_dir = '{here}/models'\n")
    name = str(here / "average.py")
    train.main([name])
    fixbn.main([name, "--chunk", "2048"])
    fixbn.main([name, "--set", "ema=0", "--chunk", "2048"])
    average, raw = (atomic.load_arrays(here / f"models/iter_2.{kind}.npz") for kind in ("bgema", "bgmodel"))
    assert not np.array_equal(average["c2_w"], raw["c2_w"])
    assert np.array_equal(average["c2_w"], atomic.load_arrays(here / "models/iter_2.ema.npz")["c2_w"])
    interp.main([name, f"{here}/average.png", "1,2"])
    interp.main([name, f"{here}/raw.png", "1,2", "--set", "ema=0"])
    assert not np.array_equal(pixels(here / "average.png"), pixels(here / "raw.png"))


def test_samples_by_class(here):
    """A class in each row, or one alone; RP-GAN's nets need stored statistics, and the grid has the latents of all."""
    with pytest.raises(UserError, match="bgmodel.npz': there is none at all; make it with fixbn.py"):
        sample.main(["labels", f"{here}/out.png", "--classes"])
    fixbn.main(["labels", "--chunk", "300"])
    options = config.load("labels")
    path = generators.find_weights(options, single=True)
    generate, z = generators.load(options, path), latents.draw(0, 5, 150, options.prior)
    sample.main(["labels", f"{here}/classes.png", "--classes"])
    rows = np.eye(10, dtype=np.float32).repeat(15, axis=0)
    np.testing.assert_array_equal(pixels(here / "classes.png"), pictures.grid(generate(z, rows))[..., 0])
    sample.main(["labels", f"{here}/three.png", "--class", "3"])
    threes = np.eye(10, dtype=np.float32)[[3] * 150]
    np.testing.assert_array_equal(pixels(here / "three.png"), pictures.grid(generate(z, threes))[..., 0])
    for inputs in (latents.of_progress(options, 0), latents.by_class(options, 0)):
        np.testing.assert_array_equal(inputs[0], z)
        np.testing.assert_array_equal(inputs[1], rows)
    assert len(latents.by_class(options, 0, 3)[1]) == 45
    interp.main(["labels", f"{here}/row.png", "1,5"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["grey", "--class", "3"], "expected --class none, since the net has no labels; received 3"),
        (["grey", "--classes"], "--classes is for nets with labels, and num_classes = 0; leave it out"),
        (["labels", "--class", "10"], "expected --class 0 to 9; received 10"),
        (["labels", "--classes", "--batch_statistics"], "--batch_statistics excludes --class and --classes"),
        (["labels", "--classes", "--class", "1"], "not allowed with argument"),
    ],
)
def test_mistakes_in_classes(here, arguments, message):
    name, *rest = arguments
    with pytest.raises(UserError, match=message):
        sample.main([name, f"{here}/out.png", *rest])
