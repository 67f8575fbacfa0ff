"""Images of codes as a user makes them: by seed, truncated, mixed, saved, reconstructed, projected; path lengths."""

import json
import pathlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint, config
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import metrics
from rpgan_tf.files import atomic, lpips_weights
from rpgan_tf.nets import glead
from rpgan_tf.nets.lpips import LPIPS, at_most_256
from rpgan_tf.sampling import projector, w_codes
from tools import evaluate, generate, project, reconstruct

VALUES = {"gan": "GLeaD", "net": "glead", "channels": 1, "imsz": 16, "bsz": 4, "zlen": 6, "w_dim": 5, "map_layers": 1}
VALUES |= {"channel_base": 64, "channel_max": 4, "res_d": 8, "res_g": 8, "real_loss": "mse", "fake_loss": "mse"}
VALUES |= {"lfile": "digits:train", "test_lfile": "digits:test"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Experiments `plain` and `labelled`, whose nets are not trained, but have noise and averages."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "exp").mkdir()
    for name, values in {"plain": VALUES, "labelled": VALUES | {"num_classes": 10}}.items():
        values = values | {"wts_dir": f"{folder}/{name}"}
        (folder / "exp" / f"{name}.py").write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
        model = rpgan_tf.build(config.resolve(values))
        for weight in model.generator.weights:
            if weight.name == "noise_strength":
                weight.assign(0.05)
        model.generator.mapping.w_avg.assign(np.linspace(-1, 1, 5))
        for net, kind in ((model.generator, "ema"), (model.discriminator, "dmodel")):
            checkpoint.save_npz(net, checkpoint.path_of(values["wts_dir"], 7, kind))
    for net in lpips_weights.STAGES:
        random = np.random.default_rng(0)
        shapes = lpips_weights.shapes(net).items()
        arrays = {key: np.float32(random.normal(0, 0.1, shape)) for key, shape in shapes}
        arrays |= {key: np.abs(array) for key, array in arrays.items() if key.startswith("lin")}
        atomic.save_arrays(folder / f"{net}.npz", arrays)
    return folder


@pytest.fixture
def here(saved, monkeypatch, tmp_path):
    """Run in a folder from which the experiments are seen; return where to write."""
    monkeypatch.chdir(saved)
    return tmp_path


def pixels(path):
    return np.array(PIL.Image.open(path))


def squared_error(a, b):
    return tf.reduce_mean((a - b) ** 2, axis=[1, 2, 3])


def generator_of(name):
    options = config.load(name)
    return w_codes.load(options, checkpoint.path_of(options.wts_dir, 7, "ema"))


def run(here, *arguments, name="plain"):
    """Run tools/generate.py; return {file name: pixels} of what it wrote."""
    generate.main([name, f"{here}/out", *arguments])
    return {path.stem: pixels(path) for path in sorted((here / "out").iterdir())}


def test_images_of_seeds(here):
    """Z is RandomState(seed).randn(1, zlen), pixels are rounded."""
    found = run(here, "7", "--seeds", "600-601,7")
    assert list(found) == ["seed0007", "seed0600", "seed0601"]
    z = np.float32(np.random.RandomState(600).randn(1, 6))
    image = generator_of("plain")(z).numpy()[0, ..., 0]
    np.testing.assert_array_equal(found["seed0600"], np.rint(np.clip(image * 127.5 + 127.5, 0, 255)))


def test_truncation_and_noise(here):
    """With psi = 0 all images are that of the average; with psi = 1 all is as without."""
    plain = run(here / "a", "--seeds", "1,2")
    same = run(here / "b", "--seeds", "1,2", "--trunc", "1")
    average = run(here / "c", "--seeds", "1,2", "--trunc", "0")
    assert not np.array_equal(plain["seed0001"], plain["seed0002"])
    assert all(np.array_equal(plain[name], same[name]) for name in plain)
    assert np.array_equal(average["seed0001"], average["seed0002"])
    modes = {mode: run(here / mode, "--seeds", "1", "--noise_mode", mode)["seed0001"] for mode in w_codes.NOISE}
    again = run(here / "again", "--seeds", "1", "--noise_mode", "random")["seed0001"]
    assert np.array_equal(modes["random"], again) and np.array_equal(modes["const"], plain["seed0001"])
    assert not np.array_equal(modes["random"], modes["const"]) and not np.array_equal(modes["none"], modes["const"])


def test_saved_codes_give_the_same_images(here):
    by_seed = run(here / "a", "--seeds", "3-5", "--trunc", "0.7", "--save_w", f"{here}/w.npz")
    codes = atomic.load_arrays(here / "w.npz")["w"]
    assert codes.shape == (3, 6, 5) and np.array_equal(codes[:, 0], codes[:, 5])
    by_code = run(here / "b", "--w", f"{here}/w.npz")
    assert list(by_code) == ["w00", "w01", "w02"]
    assert all(map(np.array_equal, by_seed.values(), by_code.values()))
    atomic.save_arrays(here / "one.npz", {"w": codes[:, 0]})  # one for all layers
    assert all(map(np.array_equal, by_seed.values(), run(here / "c", "--w", f"{here}/one.npz").values()))


def test_mixed_styles(here):
    """Rows at the left, columns on top; each inner image has the codes of its row but for those of its column."""
    mixed = run(here / "a", "--rows", "1,2", "--cols", "3,4,5", "--styles", "0-2,5")["mixed"].reshape(3, 16, 4, 16)
    mixed = mixed.transpose(0, 2, 1, 3)
    singles = run(here / "b", "--seeds", "1-5")
    assert not mixed[0, 0].any()
    assert all(np.array_equal(mixed[i, 0], singles[f"seed000{i}"]) for i in (1, 2))
    assert all(np.array_equal(mixed[0, i], singles[f"seed000{i + 2}"]) for i in (1, 2, 3))
    generator = generator_of("plain")
    row, column = generator.codes(w_codes.latents(config.load("plain"), [2, 3])).numpy()
    row[[0, 1, 2, 5]] = column[[0, 1, 2, 5]]
    np.testing.assert_array_equal(mixed[2, 1], w_codes.synthesize(generator, row[None])[0, ..., 0])


def test_images_of_a_class(here):
    three, four = (run(here / label, "--seeds", "1", "--class", label, name="labelled") for label in "34")
    assert not np.array_equal(three["seed0001"], four["seed0001"])
    z, label = np.float32(np.random.RandomState(1).randn(1, 6)), np.eye(10, dtype=np.float32)[[3]]
    image = generator_of("labelled")(z, label).numpy()[0, ..., 0]
    np.testing.assert_array_equal(three["seed0001"], np.rint(np.clip(image * 127.5 + 127.5, 0, 255)))


def test_reconstruction(here, capsys):
    """Images above, what G makes of D's outputs below; a folder, a picture and the experiment's data are read."""
    reconstruct.main(["plain", f"{here}/out.png", "--count", "10"])
    lines = pixels(here / "out.png").reshape(4, 16, 8, 16).transpose(0, 2, 1, 3)
    options = config.load("plain")
    real = w_codes.read_images(options, w_codes.choose_images(options, None), 10)
    generator, discriminator = generator_of("plain"), glead.build_discriminator(options)
    checkpoint.load_npz(discriminator, checkpoint.path_of(options.wts_dir, 7, "dmodel"))
    again = glead.reconstruct(generator, discriminator.decode(discriminator.features(real))).numpy()
    as_drawn = [np.uint8(np.clip((each[..., 0] * 0.5 + 0.5) * 255, 0, 255)) for each in (real, again)]
    np.testing.assert_array_equal(np.concatenate([lines[0], lines[2, :2]]), as_drawn[0])
    difference = np.concatenate([lines[1], lines[3, :2]]).astype(int) - as_drawn[1]
    assert np.abs(difference).max() <= 1
    error = float(np.mean((again - real) ** 2))
    assert f"10 images, mean squared error {error:.4f}" in capsys.readouterr().out
    PIL.Image.fromarray(as_drawn[0][4]).save(here / "five.png")
    reconstruct.main(["plain", f"{here}/one.png", "--images", f"{here}/five.png"])
    assert np.abs(pixels(here / "one.png")[:16].astype(int) - as_drawn[0][4]).max() <= 1  # grids are truncated


@pytest.mark.parametrize("lpips, steps", [(False, "200"), (True, "30")])
def test_projection(here, lpips, steps, capsys):
    """The distance to an image of G falls far below that of the average; codes are kept, and the search is shown."""
    generate.main(["plain", str(here), "--seeds", "8"])
    arguments = ["--images", f"{here}/seed0008.png", "--steps", steps, "--video", f"{here}/frames"]
    arguments += ["--set", f"lpips_weights={pathlib.Path('vgg.npz').absolute()}"] if lpips else []
    project.main(["plain", f"{here}/out", *arguments])
    text = capsys.readouterr().out
    assert f"distance: {'LPIPS by vgg' if lpips else 'mean squared error'}\n" in text
    generator, target = generator_of("plain"), np.float32(pixels(here / "seed0008.png") / 127.5 - 1)[None, ..., None]
    distance = LPIPS(lpips_weights.load("vgg.npz")) if lpips else squared_error
    codes = w_codes.load_codes(here / "out" / "w.npz", generator)
    assert codes.shape == (1, 6, 5) and np.array_equal(codes[:, 0], codes[:, 5])
    start = float(distance(generator.synthesize(generator.codes(np.zeros([1, 6])), "none")[0], target)[0])
    assert float(text.split("image 1: distance ")[1].split()[0]) < (0.8 if lpips else 0.3) * start
    frames = sorted((here / "frames").iterdir())
    assert len(frames) == int(steps) and pixels(frames[0]).shape == (32, 16)
    picture = pixels(here / "out" / "projected.png")
    assert picture.shape == (32, 16) and np.abs(picture[:16].astype(int) - pixels(here / "seed0008.png")).max() <= 1


def test_learning_rate_of_a_projection():
    rates = [float(projector.ramp(tf.constant(t))) for t in (0.0, 0.025, 0.05, 0.5, 0.75, 0.875, 0.9999)]
    np.testing.assert_allclose(rates, [0, 0.5, 1, 1, 1, 0.5, 0], atol=1e-6)


def test_correlation_of_noise():
    """White noise has hardly any, a constant has 1 in each direction at each size, stripes one after averaging."""
    assert float(projector.correlation(tf.random.stateless_normal([64, 64], [0, 1]))) < 0.05
    assert float(projector.correlation(tf.ones([32, 32]))) == pytest.approx(6)
    stripes = tf.constant(np.tile([1.0, -1.0], [16, 8]), tf.float32)
    assert float(projector.correlation(stripes)) == pytest.approx(2)  # -1 across, 1 along; averaged they are nothing
    assert float(projector.correlation(tf.ones([4, 4]))) == pytest.approx(2)


def test_path_length_in_w(here, capsys):
    """Of a linear G: |direction|^2, without the extreme percentiles. By command: LPIPS' names are in the protocol."""
    random = np.random.RandomState(0)
    w_0, w_1 = random.randn(2, 300, 3)
    batches = []

    def synthesize(codes, i):
        batches.append((len(codes), i))
        return np.float64(codes)

    found = metrics.path_length_in_w(synthesize, w_0, w_1, lambda a, b: np.sum((a - b) ** 2, axis=1), 1e-2, 128)
    assert batches == [(128, 0), (128, 0), (128, 1), (128, 1), (44, 2), (44, 2)]
    squares = np.sort(np.sum((w_1 - w_0) ** 2, axis=1))
    assert found == pytest.approx(np.mean(squares[2:-2]), rel=1e-3)
    lpips = pathlib.Path("vgg.npz").absolute()
    arguments = ["--metrics", "ppl_w", "--samples", "20", "--set", f"lpips_weights={lpips}"]
    evaluate.main(["labelled", *arguments])
    out, err = capsys.readouterr()
    assert '"values": {"ppl_w": ' in out and "ppl_w: ends of paths in w, LPIPS by vgg " in err
    evaluate.main(["labelled", *arguments])
    assert "measured already" in capsys.readouterr().err


def test_path_lengths_are_of_the_net_in_full_precision(here, capsys):
    lpips = pathlib.Path("vgg.npz").absolute()
    arguments = ["plain", "--metrics", "ppl_w", "--samples", "16", "--again", "--set", f"lpips_weights={lpips}"]
    values = []
    for more in ([], ["num_half=2"]):
        evaluate.main(arguments + more)
        values.append(json.loads(capsys.readouterr().out)["values"]["ppl_w"])
    assert values[0] == values[1]
    with pytest.raises(UserError, match="ppl needs full precision, and the net has num_half > 0"):
        evaluate.main(["plain", "--metrics", "ppl", "--set", "num_half=2"])


def test_large_images_are_averaged():
    x = tf.random.stateless_normal([2, 512, 512, 1], [0, 1])
    np.testing.assert_allclose(at_most_256(x)[0, 3, 5, 0], np.mean(x[0, 6:8, 10:12, 0]), rtol=1e-5)
    assert at_most_256(x[:, :256, :256]).shape == (2, 256, 256, 1)


MISTAKES = {
    "plain out --seeds 5-3": (generate, "expected seeds such as 600-605 or 1,5,7-9; received '5-3'"),
    "plain out --seeds 1 --class 3": (generate, "expected --class none, since the net has no labels; received 3"),
    "labelled out --seeds 1": (generate, "expected --class 0 to 9; received None"),
    "labelled out --seeds 1 --class 10": (generate, "expected --class 0 to 9; received 10"),
    "plain out --rows 1,2": (generate, "--rows and --cols are given together"),
    "plain out --rows 1 --cols 2": (generate, "expected --styles of 0 to 5, received 0-6"),
    "plain out --w w.npz --trunc 0.5": (generate, "--w has codes already: --trunc and --class are for seeds"),
    "plain out --w none.npz": (generate, "no file 'none.npz'"),
    "plain out --w vgg.npz": (generate, "'vgg.npz': expected an array 'w' [N, 6, 5], received no such array"),
    "plain out 8 --seeds 1": (generate, "no file '{}/plain/iter_8.ema.npz'"),
    "plain out --seeds 1 --set gan=DCGAN net=dcgan": (generate, "has no option 'w_dim'"),
    "plain out.png --count 0": (reconstruct, "expected --count of at least 1, received 0"),
    "plain out.png --images faces": (reconstruct, "images not found: images = 'faces' is no list file"),
    "plain out.png --set gan=GGDR heads=0": (reconstruct, "has no option 'real_loss'"),
    "plain out --steps 0": (project, "expected --count and --steps of at least 1"),
    "plain out --seed -1": (project, "expected --seed in 0 .. 2^31 - 1, received -1"),
    "plain out --video a.avi": (project, "expected a name that ends in .gif or .mp4"),
    "labelled out": (project, "expected --class 0 to 9; received None"),
    "plain out --set lpips_weights=alex.npz": (project, "LPIPS by the net 'alex' needs images of at least 31 pixels"),
    "plain --metrics ppl_w": (evaluate, "ppl_w needs the weights of LPIPS: expected --set lpips_weights=<file>.npz"),
    "plain --metrics ppl2_wend --samples 7": (evaluate, "ppl2_wend is of 50000 samples, received 7; take ppl_w"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(text, here, saved):
    tool, message = MISTAKES[text]
    with pytest.raises(UserError) as error:
        tool.main(text.split())
    assert message.format(saved) in str(error.value)
    assert not list(here.iterdir())
