"""Gradients against float64: with the same sides of activations, nothing but rounding differs."""

import types

import numpy as np
import pytest

import rpgan_tf
from rpgan_tf.errors import UserError
from rpgan_tf.studies import float64
from tools import rounding


def test_gradients_are_those_of_float64(tiny, reference):
    gan, real = rpgan_tf.build(tiny), reference["it0/real"]
    found = float64.in_float32(gan, real)
    assert [side.shape for side in found.sides] == [
        *[(4, 4, 4, 16), (4, 8, 8, 8)],
        *[(3, 8, 4, 4, 4), (3, 16, 2, 2, 4), (3, 8, 4, 4, 8), (3, 16, 2, 2, 8)],
    ]
    expected = float64.in_float64(gan, real, found.sides)
    assert float64.difference(found.of_g, expected.of_g) < 1e-5
    assert float64.difference(found.of_d, expected.of_d) < 1e-5
    # One activation of discriminator 1 on the other side of 0, of one image of eight.
    found.sides[-1][1, 2, 0, 0, 5] ^= True
    other = float64.in_float64(gan, real, found.sides)
    assert float64.difference(other.of_d, expected.of_d) > 1e-3
    changed = [np.flatnonzero(np.abs(a - b).reshape(3, -1).max(1)) for a, b in zip(other.of_d, expected.of_d)]
    assert [list(which) for which in changed] == [[1]] * 6
    assert float64.difference(other.of_g, expected.of_g) == 0


def test_the_command(project, monkeypatch, capsys):
    def run(line, env):
        environments.append({key: env.get(key) for key in ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")})
        rounding.main(line[2:])
        return types.SimpleNamespace(returncode=0)

    environments = []
    monkeypatch.setattr(rounding, "MODES", {"oneDNN, AVX2": rounding.MODES["oneDNN, AVX2"]})
    monkeypatch.setattr(rounding, "subprocess", types.SimpleNamespace(run=run))
    rounding.main(["tiny"])
    assert environments == [{"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2"}]
    head, line = capsys.readouterr().out.splitlines()
    mode, counts, of_d, of_g = line.split("|")
    assert mode.strip() == "oneDNN, AVX2" and counts.split() == ["0", f"{4 * (256 + 512) + 2 * 12 * (128 + 64):,}"]
    assert all(float(number) < 1e-5 for number in (of_d + of_g).split())


def test_mistakes(project):
    with pytest.raises(UserError, match="expected gan = 'RPGAN' and pack = 1, received 'Baseline' and 1"):
        rounding.main(["tiny", "--set", "gan=Baseline", "filts=None"])
