"""Augmentation in every GAN: what is augmented and what is not, ADA's signs, options, the picture, resuming."""

import functools
import typing

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import rpgan_tf
import train
from rpgan_tf import config, data, projections, randomness
from rpgan_tf.augmentation import augmented, light, pipes
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.randomness import AUGMENTATION, D_STEP, G_REAL, G_STEP, REAL
from rpgan_tf.sampling import augmentations
from rpgan_tf.training import memory, monitor
from tests.conftest import through_projections
from tests.training.runs import run

BANK = {"net": "rpgan", "lfile": "digits", "imsz": 16, "channels": 1, "bsz": 4, "zlen": 4, "ksz": 4, "f1": 8, "df": 4}
SMALL = {"net": "dcgan", "filts": None, "ksz": None, "f1": None, "df": None, "ngf": 2, "ndf": 2}
STYLES = {"lfile": "digits", "imsz": 16, "channels": 1, "bsz": 4, "zlen": 4, "w_dim": 4, "map_layers": 1}
STYLES |= {"net": "stylegan2", "channel_base": 64, "channel_max": 4}
DECODER = STYLES | {"net": "glead", "res_d": 8, "res_g": 8}
OF_STYLES = {
    "StyleGAN2": STYLES,
    "GGDR": DECODER | {"heads": False},
    "GLeaD": DECODER | {"real_loss": "mse", "fake_loss": "mse"},
}
KINDS = {"light": {"aug": "light"}, "fixed": {"aug": "fixed", "aug_p": 0.5, "aug_pipe": "bg"}, "ada": {"aug": "ada"}}
PENALIZED = {"WGAN": {"warmup_iterations": 0, "warmup_every": 0, "d_steps": 1}, "WGANGP": {"d_steps": 1}}


@pytest.fixture(scope="module")
def filters(tmp_path_factory):
    path = tmp_path_factory.mktemp("filts") / "K2.npz"
    atomic.save_arrays(path, projections.draw([(4, 2, 1, 2)], seed=1, channels=1))
    return str(path)


def values_of(gan, filters):
    """Return options of a GAN on small images: through two projections where it can be."""
    if gan == "Baseline":
        return BANK | {"gan": gan}
    return (OF_STYLES.get(gan) or BANK | {"filts": filters} | PENALIZED.get(gan, {})) | {"gan": gan}


def build(values, **others):
    gan = rpgan_tf.build(config.resolve(values | others))
    gan.compile(run_eagerly=True)
    return gan


def batch(gan, seed=0):
    return tf.random.stateless_uniform([gan.pack * gan.options.bsz, 16, 16, 1], [seed, 2], -1, 1)


@pytest.mark.parametrize("kind", ["light", "ada"])
@pytest.mark.parametrize("name", config.gans())
def test_every_gan_trains_with_augmentation(name, kind, filters):
    values = values_of(name, filters) | KINDS[kind]
    if kind == "ada" and name in PENALIZED:
        with pytest.raises(UserError, match=f"aug = 'ada' follows the sign .* gan = '{name}', have no threshold"):
            config.resolve(values)
        return
    if name not in ("RPGAN", *OF_STYLES):
        values = values | SMALL
    gan = build(values)
    before = gan.generator.get_arrays()
    gan.fit(data.dataset(gan.options), steps_per_epoch=2, verbose=0, shuffle=False)
    after = gan.generator.get_arrays()
    assert all(np.all(np.isfinite(array)) for array in after.values())
    assert not all(np.array_equal(after[key], before[key]) for key in after)


def test_every_gan_that_has_projections_is_among_them():
    assert set(config.gans()) == {*through_projections(), *OF_STYLES, "Baseline"}


@pytest.mark.parametrize("name", ["RPGAN", "RSGAN", "WGANGP"])
def test_all_that_d_judges_is_augmented_each_time_anew(name, filters):
    """D is shown nothing but blank images, in four different roles where G's loss sees real ones."""
    gan, seen, shown = build(values_of(name, filters), aug="light"), [], []
    gan.augmented = lambda images, role, step: seen.append((role, int(step))) or 0 * images
    project = gan.discriminator.project
    gan.discriminator.project = lambda images: shown.append(np.abs(images).max()) or project(images)
    gan.train_step(next(iter(data.dataset(gan.options))))
    assert shown and max(shown) == 0
    assert set(seen) == {(REAL, 0), (D_STEP, 0), (G_STEP, 0)} | ({(G_REAL, 0)} if name == "RSGAN" else set())
    assert len(seen) == len(set(seen))


def test_draws_differ_by_role_step_and_iteration(filters):
    gan = build(values_of("RPGAN", filters), aug="light")
    images, found = batch(gan), []
    for iteration in (0, 1):
        gan.iteration.assign(iteration)
        for role in (REAL, D_STEP, G_REAL, G_STEP):
            found += [gan.augmented(images, role, step).numpy().tobytes() for step in (0, 1)]
    assert len(set(found)) == len(found) == 16
    roles = {key: value for key, value in vars(randomness).items() if key.isupper() and isinstance(value, int)}
    assert len(set(roles.values())) == len(roles)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_that_of_the_options(kind, filters):
    gan = build(values_of("RPGAN", filters), **KINDS[kind])
    images, seed = batch(gan), gan.noise_seed(AUGMENTATION + REAL, 3)
    if kind == "ada":
        gan.ada["ada_p"].assign(0.5)
    policy, pipe = gan.options.aug_policy, gan.options.aug_pipe
    expected = light.augment(images, seed, policy) if kind == "light" else pipes.augment(images, 0.5, seed, pipe)
    np.testing.assert_array_equal(gan.augmented(images.numpy(), REAL, 3), expected)


def test_images_of_a_pack_are_augmented_one_by_one(filters):
    gan = build(values_of("DCGAN", filters), aug="light", pack=2)
    images = batch(gan)
    expected = gan.packed(gan.augmented(images, REAL, 1))
    np.testing.assert_array_equal(gan.view(REAL, 1)(gan.packed(images)), expected)
    halves = np.split(gan.augmented(tf.repeat(images[:1], 8, axis=0), REAL, 1), 8)
    assert len({half.tobytes() for half in halves}) == 8


def test_gradients_reach_g_through_the_augmentation(filters):
    """Contrast c makes the gradient of an image c times as large."""
    gan = build(values_of("DCGAN", filters), aug="light")
    contrast = tf.constant([0.5, 1.0, 2.0, 3.0])[:, None, None, None]
    gan.augmented = lambda images, role, step: contrast * images
    gan.discriminator.judge = lambda seen, *labels, training: tf.reduce_sum(seen, axis=(1, 2, 3))
    fake = tf.Variable(tf.zeros([4, 16, 16, 1]))
    with tf.GradientTape() as tape:
        logits = gan.judge(gan.augmented(fake, G_STEP, 0))
    sums = np.sum(np.abs(tape.gradient(logits, fake)), axis=(1, 2, 3))
    np.testing.assert_allclose(sums / sums[1], [0.5, 1, 2, 3], rtol=1e-5)


def test_points_between_are_between_augmented_images(filters):
    gan, shown = build(values_of("WGANGP", filters), aug="light"), []
    real, fake = batch(gan), batch(gan, 1)
    gan.augmented = lambda images, role, step: tf.fill(tf.shape(images), {REAL: 2.0, D_STEP: 3.0}[role])
    gan.generator = lambda z, training: fake
    gan.update = lambda *args: None
    project = gan.discriminator.project
    gan.discriminator.project = lambda images: shown.append(images.numpy()) or project(images)
    gan.d_step(real, None)
    between = shown[-1][:, 0, 0, 0]
    assert len(shown) == 2 and np.all((2 < between) & (between < 3)) and len(set(between)) == 4


def test_measurements_are_of_images_as_they_are(filters):
    plain, gan = (build(values_of("RaSGAN", filters), **values) for values in ({}, KINDS["fixed"]))
    real, z = batch(gan), gan.latents(4, 0)
    for measure in (lambda gan: gan.test_step(real), lambda gan: monitor.diagnose(gan, real, z)):
        one, other = measure(plain), measure(gan)
        assert all(np.array_equal(one[key], other[key]) for key in one)


class TestSigns:
    """For ADA, of D's margins of real images."""

    def counted(self, gan, real_logits, fake_logits=0.0, num_images=4):
        real_logits = tf.constant(real_logits)
        gan.count_signs(real_logits, tf.zeros_like(real_logits) + fake_logits, num_images)
        return [float(gan.ada[name]) for name in ("ada_signs", "ada_count")]

    @pytest.mark.parametrize(
        "name, real, fake, expected",
        [
            ("DCGAN", [1.0, -1.0, 2.0, 3.0], 9.0, 2),  # fake logits have no part
            ("SAGAN", [1.0, -1.0, 2.0, 0.0], 0.0, 1),
            ("RSGAN", [1.0, -1.0, 2.0, 3.0], [0.0, -2.0, 3.0, 2.0], 2),  # of pairs: + + - +
            ("RaSGAN", [1.0, -1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 2.0], 0),  # of 1.5: - - + +
            ("RPGAN", [[1.0] * 4, [1.0, 1.0, -1.0, -1.0]], 0.0, 2),  # mean over K of 4 and 0
        ],
    )
    def test_by_hand(self, name, real, fake, expected, filters):
        gan = build(values_of(name, filters), aug="ada")
        assert self.counted(gan, real, tf.constant(fake)) == [expected, 4]
        assert self.counted(gan, real, tf.constant(fake)) == [2 * expected, 8]

    def test_of_outcomes_is_that_of_the_expected_one(self, filters):
        gan = build(values_of("RealnessGAN", filters), aug="ada", num_outcomes=3)
        assert self.counted(gan, [[[0.0, 0.0, 9.0], [9.0, 0.0, 0.0], [0.0, 9.0, 1.0], [1.0, 0.0, 2.0]]])[0] == 2

    def test_patches_of_an_image_count_as_one_and_images_of_a_pack_as_several(self, filters):
        gan = build(values_of("DCGAN", filters), aug="ada", pack=2)
        assert self.counted(gan, [1.0] * 12 + [-1.0] * 4) == [2, 4]
        real = batch(gan)
        gan.d_step(real, gan.latents(8, 0))
        assert float(gan.ada["ada_count"]) == 4 + 8

    def test_all_steps_count_and_p_moves_every_four_iterations(self, filters):
        """With three D steps of 4 images: 48 of 96 images in four iterations, upwards from a target of 0 of 1."""
        gan = build(values_of("DCGAN", filters), aug="ada", ada_kimg=0.096, ada_target=0.5, d_steps=3)
        gan.margins = lambda real, fake: (tf.ones_like(real), None)
        gan.discriminator.judge = lambda seen, *labels, training: tf.zeros([len(seen)])
        gan.update = lambda *args: None
        images = next(iter(data.dataset(gan.options)))
        received = [float(gan.train_step(images)["aug_p"]) for _ in range(5)]
        assert received == pytest.approx([0, 0, 0, 0.5, 0.5])
        assert [float(each) for each in gan.state.values()] == [0.5, 12, 12]
        gan.margins = lambda real, fake: (-tf.ones_like(real), None)
        assert [float(gan.train_step(images)["aug_p"]) for _ in range(3)][-1] == pytest.approx(0)

    def test_others_count_none(self, filters):
        gan = build(values_of("DCGAN", filters), aug="light")
        gan.margins = None
        assert gan.state == {} and gan.follow_signs() == {} and gan.count_signs(None, None, None) is None


MISTAKES = [
    ({"aug": "fixed"}, "aug_p is the probability of aug = 'fixed', .* received aug = 'fixed' with aug_p = None"),
    ({"aug": "ada", "aug_p": 0.5}, "received aug = 'ada' with aug_p = 0.5; change one of them"),
    ({"aug_p": 0.5}, "received aug = 'no' with aug_p = 0.5"),
    ({"aug": "light", "aug_p": 0.5}, "received aug = 'light' with aug_p = 0.5"),
    ({"aug": "fixed", "aug_p": 1.5}, "option 'aug_p' must be a number above 0, at most 1, received 1.5"),
    ({"aug_pipe": "bg"}, "aug_pipe is of aug = 'ada' and 'fixed', received aug = 'no'; .* --set aug_pipe=None"),
    ({"aug": "light", "aug_pipe": "bg"}, "aug_pipe is of aug = 'ada' and 'fixed', received aug = 'light'"),
    ({"aug": "ada", "aug_policy": "color"}, "aug_policy is of aug = 'light', received aug = 'ada'; .*aug_policy=None"),
    ({"aug": "light", "aug_policy": "cutout,color"}, "option 'aug_policy' must be one of 'color', .*'cutout,color'"),
    ({"aug": "fixed", "aug_p": 0.5, "ada_kimg": 1}, "ada_kimg is of aug = 'ada', received aug = 'fixed'"),
    ({"aug": "fixed", "aug_p": 0.5, "ada_target": 0.1}, "ada_target is of aug = 'ada', received aug = 'fixed'"),
    ({"aug": "ada", "aug_pipe": "bcg"}, "option 'aug_pipe' must be one of 'blit', .*, received 'bcg'"),
    ({"aug": "dark"}, "option 'aug' must be one of 'no', 'ada', 'fixed', 'light', received 'dark'"),
    (
        {"aug": "light", "net": "toy", "lfile": "mixture:ring8"},
        "aug = 'light' is for images, and net = 'toy' is for points; leave it out: --set aug=no",
    ),
]


@pytest.mark.parametrize("values, message", MISTAKES)
def test_mistakes(values, message):
    with pytest.raises(UserError, match=message):
        config.resolve({"gan": "DCGAN", "net": "dcgan"} | values)


def test_pipes_are_those_of_the_module():
    assert set(typing.get_args(typing.get_type_hints(augmented.Augmented)["aug_pipe"])) == pipes.PIPES.keys()


def test_the_memory_report_counts_it(filters):
    """Also where the discriminators are divided."""
    plain, other = (
        memory.report(config.resolve(values_of("RPGAN", filters) | {"MAXITER": 2} | values))
        for values in ({}, {"aug": "fixed", "aug_p": 0.5})
    )
    assert other["iteration"] > plain["iteration"] and other["weights of D"] == plain["weights of D"]
    values = values_of("RPGAN", filters) | {"MAXITER": 2, "divide": "discriminators", "aug": "light"}
    assert memory.report(config.resolve(values), 2)["weights of D"] == plain["weights of D"] // 2


class TestPicture:
    def options(self, **values):
        return config.resolve(BANK | {"gan": "Baseline"} | values)

    def test_rows_are_what_training_shows_d(self):
        options = self.options(aug="light", bsz=12, pack=2)
        gan, images = rpgan_tf.build(options), next(iter(data.dataset(options)))
        found = augmentations.rows(options)
        assert [label for label, _ in found] == ["real", *["light"] * 5]
        np.testing.assert_array_equal(found[0][1], images[:8])
        for iteration in (0, 4):
            gan.iteration.assign(iteration)
            np.testing.assert_array_equal(found[1 + iteration][1], gan.augmented(images, REAL, 0)[:8])

    def test_rows_of_ada_have_several_probabilities(self):
        labels = [label for label, _ in augmentations.rows(self.options(aug="ada"))]
        assert labels == ["real", "p = 0.2", "p = 0.4", "p = 0.6", "p = 0.8", "p = 1"]
        labels = [label for label, _ in augmentations.rows(self.options(aug="fixed", aug_p=0.25))]
        assert labels == ["real", *["p = 0.25"] * 5]
        scheduled = self.options(aug="fixed", final_aug_p=0.4, schedule_kimg=1)
        labels = [label for label, _ in augmentations.rows(scheduled)]
        assert labels == ["real", "p = 0", "p = 0.1", "p = 0.2", "p = 0.3", "p = 0.4"]

    def test_the_command(self, project):
        command = functools.partial(run, train.main, "tiny", "--show_augmentation", "out.png", "--set")
        process = command("aug=light", "bsz=3")
        assert process.returncode == 0 and process.stdout == "wrote out.png\n" and not (project / "models").exists()
        with PIL.Image.open("out.png") as picture:
            assert picture.size == (72 + 3 * 66, 6 * 66) and picture.mode == "RGB"
            pixels = np.asarray(picture)
        assert np.any(pixels[:66, :72] == 0)  # the label
        process = command("MAXITER=3")
        assert process.returncode == 2
        assert (
            "--show_augmentation draws what aug does to images, received aug = 'no'; --set aug=light" in process.stderr
        )

    def test_a_faulty_image_is_named(self, tmp_path):
        for name, size in (("a", 16), ("b", 20)):
            PIL.Image.new("RGB", (size, size)).save(tmp_path / f"{name}.png")
        options = self.options(aug="light", lfile=str(tmp_path), bsz=2)
        with pytest.raises(UserError, match=r"b\.png.* is 20x20 pixels: expected 16x16"):
            augmentations.rows(options)
