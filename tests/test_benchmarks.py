"""Benchmarks: what they count, that both sides are checked, and the page that is made of their records."""

import importlib.util
import shutil
import types

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config, projections, randomness
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.conftest import ROOT

needs_pytorch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
SIZE = {"bsz": 4, "df": 8, "imsz": 16, "f1": 16, "zlen": 8}


@pytest.fixture(autouse=True)
def folder(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.fixture
def gan(tmp_path):
    atomic.save_arrays(tmp_path / "K3.npz", projections.draw([(8, 2, 1, 3)], seed=1))
    return rpgan_tf.build(config.resolve(SIZE | {"filts": str(tmp_path / "K3.npz")}))


def test_operations_are_those_of_the_graph(gan):
    import cost

    work = cost.Work(3, **SIZE)
    real = tf.zeros([4, 16, 16, 3])
    graph = tf.function(gan.train_step, autograph=False).get_concrete_function(real).graph
    assert cost.of_graph(graph)[0] == cost.of_iteration(gan, real)[0] == work.iteration


def test_weights_and_layers_of_the_bank(gan):
    import cost

    work = cost.Work(3, **SIZE)
    assert work.weights == sum(int(tf.size(weight)) for weight in gan.discriminator.weights)
    assert work.layers == [(16, 16, 8), (4, 128, 16), (1, 64, 1)]


def test_division_on_a_machine_whose_numbers_are_plain():
    """What is sent by hand: a ring of two sends everything once."""
    import cost

    work = cost.Work(2, bsz=4, df=8, imsz=16, f1=16, zlen=8)
    machine = cost.Machine(flops=1e30, memory=1e30, link=1.0)
    assert cost.divided(work, 2, machine, "batch") == pytest.approx(4 * work.weights)
    assert cost.divided(work, 2, machine, "discriminators") == pytest.approx(16 * 4 * 16 * 16 * 3)
    slow = cost.Machine(flops=1.0, memory=1e30)
    for what in ("batch", "discriminators"):
        assert cost.divided(work, 2, slow, what) == pytest.approx(work.iteration / 2)


def test_sides_that_differ_are_not_timed(monkeypatch):
    import against_pytorch

    monkeypatch.setattr(against_pytorch, "np", np, raising=False)
    against_pytorch.check("loop", [np.ones(3), 1.0], [np.ones(3), 1.0005])
    with pytest.raises(SystemExit, match="loop: the first losses differ by 0.0"):
        against_pytorch.check("loop", [np.ones(3), 1.0], [np.ones(3), 1.02])


@pytest.mark.parametrize("has", [True, False])
def test_rows_in_bfloat16_where_the_processor_has_it(tmp_path, monkeypatch, has):
    """The first size of RP-GAN and of DCGAN."""
    import against_pytorch

    monkeypatch.setattr(against_pytorch.measuring, "multiplies_bfloat16", lambda: has)
    found = against_pytorch.settings(False, tmp_path)
    half = [title for title, values in found.items() if config.resolve(values).precision == "mixed_bfloat16"]
    assert half == has * [
        "RPGAN bfloat16 K=12 bsz=64 df=32 imsz=32 f1=128",
        "DCGAN bfloat16 bsz=16 imsz=64 ngf=32 ndf=32",
    ]
    assert [title for title in found if title.startswith("RPGAN K=4 ")] == ["RPGAN K=4 bsz=32 df=128 imsz=32 f1=128"]


def test_the_original_iteration_is_that_of_the_library(gan):
    """Four iterations, so Adam's too, whose steps turn a rounded gradient into a loss that differs by some 1e-5."""
    import original

    real = tf.random.stateless_uniform([4, 16, 16, 3], [1, 2], -1, 1)
    program = original.Original(gan, real.numpy())
    for _ in range(4):
        z = [gan.latents(4, role).numpy() for role in (randomness.G_STEP, randomness.D_STEP)]
        d_losses, g_losses = program.train_step(z)
        logs = gan.train_step(real)
        np.testing.assert_allclose(d_losses, logs["d_losses"], rtol=1e-4)
        np.testing.assert_allclose(g_losses, logs["g_losses"], rtol=1e-4)
    assert not np.array_equal(program.train_step()[1], program.train_step()[1])


@needs_pytorch
@pytest.mark.parametrize("form", ["loop", "grouped", "vmap", "loop channels_last", "grouped channels_last"])
def test_programs_in_pytorch_compute_what_the_bank_does(gan, form):
    """Three iterations, so Adam's too."""
    import pytorch
    import torch

    real = tf.random.stateless_uniform([4, 16, 16, 3], [1, 2], -1, 1)
    program = pytorch.RPGAN(gan, form.removesuffix(" channels_last"))
    images = torch.from_numpy(real.numpy()).permute(0, 3, 1, 2).contiguous()
    if form.endswith("channels_last"):
        program, images = pytorch.channels_last(program), images.contiguous(memory_format=torch.channels_last)
        assert all(kernel.movedim(-3, -1).is_contiguous() for kernel in program.d_weights if kernel.ndim >= 4)
    for _ in range(3):
        z = [torch.from_numpy(gan.latents(4, role).numpy()) for role in (randomness.G_STEP, randomness.D_STEP)]
        found, logs = program(images, *z), gan.train_step(real)
        np.testing.assert_allclose(found[0], logs["d_losses"], rtol=1e-4)
        np.testing.assert_allclose(found[1], logs["g_losses"], rtol=1e-4)


@needs_pytorch
@pytest.mark.parametrize("name", ["RPGAN", "DCGAN"])
def test_programs_in_bfloat16(gan, name, monkeypatch):
    """Products are in bfloat16, weights and losses in float32; the losses are near those in float32."""
    import pytorch
    import torch

    if name == "DCGAN":
        values = {"gan": "DCGAN", "net": "dcgan", "imsz": 32, "bsz": 4, "ngf": 4, "ndf": 4, "zlen": 8}
        gan = rpgan_tf.build(config.resolve(values))
    seen, conv2d = set(), torch.nn.functional.conv2d

    def watched(*arguments, **settings):
        out = conv2d(*arguments, **settings)
        seen.add(out.dtype)
        return out

    monkeypatch.setattr(torch.nn.functional, "conv2d", watched)
    size = gan.options.imsz
    random = torch.Generator().manual_seed(0)
    images, z = torch.rand(4, 3, size, size, generator=random), torch.rand(4, 8, generator=random)
    arguments = (images, z, z) if name == "RPGAN" else ([images], z, [z], [None])
    make = {"RPGAN": lambda: pytorch.RPGAN(gan, "loop"), "DCGAN": lambda: pytorch.DCGAN(gan)}[name]
    full = make()(*arguments)
    assert seen == {torch.float32}
    seen.clear()
    program = pytorch.bfloat16(make())
    half = program(*arguments)
    assert seen == {torch.bfloat16} and {each.dtype for each in program.d_weights} == {torch.float32}
    for a, b in zip(full, half):
        assert not np.array_equal(a, b)
        np.testing.assert_allclose(a, b, rtol=0.02)


@needs_pytorch
def test_the_program_in_pytorch_computes_what_realness_gan_does():
    import pytorch
    import torch

    from rpgan_tf.devices import replicas

    values = {"gan": "RealnessGAN", "net": "realness", "imsz": 16, "bsz": 4, "zlen": 8, "ngf": 8, "ndf": 8}
    gan = rpgan_tf.build(config.resolve(values | {"num_outcomes": 5}))
    to_torch = lambda tensor: torch.from_numpy(tensor.numpy())  # noqa: E731
    program = pytorch.RealnessGAN(gan)
    for _ in range(2):  # the second iteration sees D's vectors u after four calls
        counter = int(gan.discriminator.counter)
        noise = [to_torch(replicas.normal([4, 5], [gan.options.seed, counter + i])) for i in (1, 2, 3, 4)]
        z_g, z_d = (to_torch(gan.latents(4, role)) for role in (randomness.G_STEP, randomness.D_STEP))
        real = tf.random.stateless_uniform([8, 16, 16, 3], [1, 2], -1, 1)
        theirs = to_torch(real).permute(0, 3, 1, 2).contiguous().chunk(2)
        found = program(theirs, z_g, [z_d], None, [to_torch(each) for each in gan.draw()], noise)
        logs = gan.train_step(real)
        np.testing.assert_allclose(found, [logs["d_loss"], logs["g_loss"]], rtol=1e-4)


@needs_pytorch
@pytest.mark.parametrize("form", ["plain", "channels_last"])
def test_the_program_in_pytorch_computes_what_r3gan_does(form):
    """Three iterations, after which the last convolutions of blocks are no longer 0."""
    import pytorch
    import torch

    values = {"gan": "R3GAN", "net": "r3gan", "ema_kimg": None, "schedule_kimg": None, "final_ema_kimg": None}
    values |= {"imsz": 16, "bsz": 4, "zlen": 8, "channel_base": 256, "channel_max": 32, "learning_rate": 1e-3}
    gan = rpgan_tf.build(config.resolve(values | {"final_learning_rate": None}))
    program = pytorch.R3GAN(gan)
    program = pytorch.channels_last(program) if form == "channels_last" else program
    for _ in range(3):
        z_g, z_d = (torch.from_numpy(gan.latents(4, role).numpy()) for role in (randomness.G_STEP, randomness.D_STEP))
        real = tf.random.stateless_uniform([8, 16, 16, 3], [1, 2], -1, 1)
        theirs = torch.from_numpy(real.numpy()).permute(0, 3, 1, 2).contiguous().chunk(2)
        found, logs = program(theirs, z_g, [z_d], None), gan.train_step(real)
        np.testing.assert_allclose(found, [logs["d_loss"], logs["g_loss"]], rtol=1e-4)


@needs_pytorch
@pytest.mark.parametrize("form", ["scaled channels_last", "grouped"])
@pytest.mark.parametrize("name", ["StyleGAN2", "GLeaD"])
def test_programs_in_pytorch_compute_what_the_phases_do(name, form, monkeypatch):
    """With noise and biases that count; each phase starts from the step of the one before."""
    import pytorch_stylegan2
    import stylegan2
    import torch

    from rpgan_tf.devices import replicas

    modules = {"programs": pytorch_stylegan2, "randomness": randomness, "replicas": replicas, "tf": tf, "torch": torch}
    for key, module in modules.items():
        monkeypatch.setattr(stylegan2, key, module, raising=False)
    small = {"imsz": 16, "bsz": 4, "mbstd_group": 2, "channel_base": 128, "channel_max": 8}
    gan = rpgan_tf.build(config.resolve({"gan": name} | stylegan2.SETTINGS | stylegan2.GANS[name] | small))
    for variable in gan.generator.trainable_variables:
        if variable.path.endswith(("noise_strength", "bias")):
            variable.assign(variable + 1.0)
    theirs, ours = stylegan2.phases_in_pytorch(gan, form), stylegan2.phases_here(gan)
    for phase in stylegan2.SHARES:
        np.testing.assert_allclose(theirs[phase](), ours[phase](), rtol=1e-4, err_msg=phase)


def test_phases_that_differ_are_not_timed():
    import stylegan2

    stylegan2.check("scaled", "D", [1.0, 2.0], np.float32([1.0, 2.001]))
    with pytest.raises(SystemExit, match="scaled: the losses of D differ: expected"):
        stylegan2.check("scaled", "D", [1.0, 2.0], np.float32([1.0, 2.01]))


@needs_pytorch
def test_both_sides_of_the_input_read_the_same_files(tmp_path):
    """Flat images, which resizing and cutting leave as they are: each comes once, a level of 256 off at most."""
    import input as benchmark

    (tmp_path / "list.txt").write_text("".join(f"{tmp_path}/{number}.jpg\n" for number in range(benchmark.BSZ)))
    for number in range(benchmark.BSZ):
        grey = PIL.Image.new("RGB", (70, 90), (4 * number,) * 3)
        grey.save(tmp_path / f"{number}.jpg", quality=90)
    here = next(iter(benchmark.of_this_library("here", str(tmp_path)))).numpy()
    images = benchmark.Images((tmp_path / "list.txt").read_text().split())
    theirs = np.stack([images[number].numpy() for number in range(benchmark.BSZ)])
    assert here.shape == theirs.shape
    np.testing.assert_allclose(np.sort(here.mean(axis=(1, 2, 3))), theirs.mean(axis=(1, 2, 3)), atol=0.008)


def test_every_benchmark_has_its_section():
    """`report.py --measure` runs those that have one."""
    import report

    programs = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "command.run(main)" in path.read_text()}
    assert programs - {"report"} == set(report.sections())


def test_the_page_is_made_of_the_records(tmp_path, monkeypatch):
    import report

    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no records in 'docs/results/speed'"):
        report.main([])
    for kind, number in (("avx512", 3), ("avx2", 4)):
        folder = tmp_path / "docs/results/speed" / kind
        folder.mkdir(parents=True)
        (folder / "growth.txt").write_text(f"$ benchmarks/growth.py\n 1 2 {number}\n")
    rows = "here | 1\nGAN bsz=4: best PyTorch (loop channels_last) / here 1.25, least 3.0 ms\n  loop | 2\n"
    (folder / "against_pytorch.txt").write_text(rows)
    report.main([])
    page = (tmp_path / "docs/speed.md").read_text()
    records = [f"`{kind}`:\n\n```\n$ benchmarks/growth.py\n 1 2 {n}\n```" for kind, n in (("avx2", 4), ("avx512", 3))]
    assert "## Growth in K, batch size and resolution\n\n" + "\n\n".join(records) in page
    assert "| GAN and size | avx2 | avx512 |\n|---|---|---|\n| GAN bsz=4 | 1.25 (loop channels_last) |  |" in page
    assert "computed, not measured" in page and "| 8 | discriminators |" in page
    assert "Not recorded here yet: `benchmarks/scaling.py --record` records it." in page


def test_a_benchmark_that_fails_leaves_its_record(tmp_path, monkeypatch):
    """The others are run, and the page is written of what there is."""
    import report

    monkeypatch.chdir(tmp_path)
    run = []

    def subprocess_run(line):
        run.append(line[1])
        return types.SimpleNamespace(returncode=int("growth" in line[1]))

    monkeypatch.setattr(report.subprocess, "run", subprocess_run)
    record = tmp_path / "docs/results/speed/avx2/growth.txt"
    record.parent.mkdir(parents=True)
    record.write_text("$ benchmarks/growth.py\n before\n")
    with pytest.raises(UserError, match="^no new records of growth: "):
        report.main(["--measure"])
    assert len(run) == len(report.sections())
    assert " before\n" in (tmp_path / "docs/speed.md").read_text()


def test_the_page_is_that_of_the_records(tmp_path, monkeypatch):
    import report

    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    report.main([])
    assert (tmp_path / "docs/speed.md").read_text() == (ROOT / "docs/speed.md").read_text()
