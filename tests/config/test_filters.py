"""Files of filters: what is checked before training, and the tool that draws them."""

import pathlib
import re

import numpy as np
import pytest

from rpgan_tf import config, projections
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from tests.conftest import ROOT


def check_filters(project, **changes):
    options = config.load("tiny", changes)
    config.check_files(options)


def test_missing_and_damaged_files(project):
    check_filters(project)
    with pytest.raises(UserError, match="filters not found: expected a file 'no.npz'; make one with tools/rproj.py"):
        check_filters(project, filts="no.npz")
    (project / "bad.npz").write_bytes((project / "K2.npz").read_bytes()[:500])
    with pytest.raises(UserError, match="cannot read 'bad.npz': expected an .npz file of plain arrays"):
        check_filters(project, filts="bad.npz")
    np.savez(project / "other.npz", a=1)
    with pytest.raises(UserError, match="'other.npz' is not a filter file"):
        check_filters(project, filts="other.npz")
    np.savez(project / "pickled.npz", nfilt=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="cannot read 'pickled.npz'.*allow_pickle=False"):
        check_filters(project, filts="pickled.npz")
    with pytest.raises(UserError, match="images not found: lfile = 'no.txt' is no list file and no folder or .zip"):
        check_filters(project, lfile="no.txt")


@pytest.mark.parametrize(
    "groups, imsz, message",
    [
        (
            [(8, 2, 1, 2), (4, 2, 1, 2)],
            16,
            "projections of one size, stride and number of channels; it has 4x4x3x1 stride 2",
        ),
        ([(7, 2, 1, 2)], 16, "filters of size 7 with stride 2 do not fit: expected an even size - stride >= 0"),
        ([(2, 4, 1, 2)], 16, "filters of size 2 with stride 4 do not fit"),
        ([(5, 3, 1, 2)], 16, "does not fit imsz = 16: imsz / stride must be a power of two >= 2, received 16 / 3"),
        ([(16, 16, 1, 2)], 16, "received 16 / 16"),
    ],
)
def test_filters_that_do_not_fit(project, groups, imsz, message):
    atomic.save_arrays("wrong.npz", projections.draw(groups, seed=0))
    with pytest.raises(UserError, match=re.escape(message)):
        check_filters(project, filts="wrong.npz", imsz=imsz)


def test_filters_are_kept_with_the_run_and_must_stay_the_same(project):
    atomic.save_arrays("K2b.npz", projections.draw([(8, 2, 1, 2)], seed=2))
    arrays = atomic.load_arrays("K2.npz")
    atomic.save_arrays("K2c.npz", arrays | {"s0": np.int64(4), "s1": np.int64(4)})
    kept = project / "models/tiny/filts.npz"
    for path in ("K2b.npz", "K2.npz", "K2.npz", "models/tiny/filts.npz"):  # nothing is trained yet: the last one counts
        check_filters(project, filts=path)
        content = (project / path).read_bytes()
        projections.keep(path, "models/tiny")
        assert kept.read_bytes() == content
    atomic.save_arrays("models/tiny/iter_2.dmodel.npz", {})
    check_filters(project)
    for other in ("K2b.npz", "K2c.npz"):
        with pytest.raises(UserError, match=f"'{other}' differs from 'models/tiny/filts.npz'.*--set filts="):
            check_filters(project, filts=other)


def test_drawn_filters_are_normal_and_of_unit_norm():
    arrays = projections.draw([(8, 2, 3, 40), (4, 1, 1, 2)], seed=5)
    assert arrays["nfilt"] == 42
    assert (arrays["p0"].shape, arrays["s0"], arrays["p41"].shape, arrays["s41"]) == ((8, 8, 3, 3), 2, (4, 4, 3, 1), 1)
    kernels = np.stack([arrays[f"p{i}"] for i in range(40)])
    assert kernels.dtype == np.float32
    np.testing.assert_allclose(np.sum(kernels**2, axis=(1, 2, 3)), 1, rtol=1e-5)
    standardized = kernels * np.sqrt(192)
    np.testing.assert_allclose([np.mean(standardized), np.mean(standardized**4)], [0, 3], atol=0.15)
    assert np.array_equal(arrays["p7"], projections.draw([(8, 2, 3, 8)], seed=5)["p7"])
    assert not np.array_equal(arrays["p7"], projections.draw([(8, 2, 3, 8)], seed=6)["p7"])


def test_shipped_filters_are_those_of_their_command(project, run_all):
    counts = 12, 24, 48
    ends = run_all(*(["tools/rproj.py", f"f{count}.npz", f"8,2,1,{count}", "--seed", count] for count in counts))
    assert [code for code, _, _ in ends] == [0, 0, 0]
    for count in counts:
        shipped, made = (atomic.load_arrays(path) for path in (ROOT / f"filts/K{count}_dm12.npz", f"f{count}.npz"))
        assert shipped.keys() == made.keys()
        assert all(np.array_equal(shipped[name], made[name]) for name in made)
        projections.check_fit(projections.load(f"f{count}.npz"), 64, "f.npz")


def test_mistakes_of_rproj(project, run_all):
    cases = [
        (["rproj.npz"], "the following arguments are required: k,stride,numf,K; usage: rproj.py"),
        (["f.npz", "8,2,1"], "expected k,stride,numf,K: four whole numbers >= 1, as 8,2,1,12; received '8,2,1'"),
        (["f.npz", "8,2,0,3"], "received '8,2,0,3'"),
        (["f.txt", "8,2,1,3"], "expected a file name that ends in .npz, received 'f.txt'"),
        (["f.npz", "8,2,1,3", "--seed", "-1"], "expected --seed >= 0"),
    ]
    for (_, message), (code, out, err) in zip(cases, run_all(*(["tools/rproj.py", *line] for line, _ in cases))):
        assert (code, out) == (2, "")
        assert err.startswith("rproj.py: ") and message in err
        assert err.count("\n") == 1
    assert not list(pathlib.Path().glob("f.*"))
