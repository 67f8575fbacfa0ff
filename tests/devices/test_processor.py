"""What the processor says of itself, from texts of /proc/cpuinfo and settings of the environment."""

import os
import platform

import pytest

from rpgan_tf.devices import processor

ZEN3 = "processor\t: 0\nmodel name\t: AMD EPYC 7543\nflags\t\t: fpu fma avx2 bmi2\n\nprocessor\t: 1\nmodel name\t: B\n"
SKYLAKE = "model name\t: Xeon 8175M\nflags\t\t: avx2 avx512f avx512dq\n"
ICE_LAKE = "model name\t: Xeon 8375C\nflags\t\t: avx2 avx512f avx512_vnni\n"
SAPPHIRE_RAPIDS = "model name\t: Xeon 8488C\nflags\t\t: avx2 avx512f avx512_bf16 avx512_vnni amx_bf16 amx_tile\n"
GRAVITON = "processor\t: 0\nFeatures\t: fp asimd sve\nCPU part\t: 0xd40\n"
VARIABLES = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of two processors whose /proc/cpuinfo can be written, without settings in the environment."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5}, raising=False)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    return tmp_path / "cpuinfo"


@pytest.mark.parametrize(
    "text, onednn, line",
    [
        (ZEN3, False, "AMD EPYC 7543 (AVX2), without oneDNN, 2 threads"),
        (SKYLAKE, False, "Xeon 8175M (AVX2 AVX-512), without oneDNN, 2 threads"),
        (ICE_LAKE, True, "Xeon 8375C (AVX2 AVX-512 VNNI), 2 threads"),
        (SAPPHIRE_RAPIDS, True, "Xeon 8488C (AVX2 AVX-512 VNNI BF16 AMX), 2 threads"),
        (GRAVITON, False, "aarch64 (NEON SVE), without oneDNN, 2 threads"),
        (None, False, "aarch64, without oneDNN, 2 threads"),
    ],
    ids=["AVX2", "AVX-512", "VNNI", "AMX", "ARM", "no such file"],
)
def test_kinds_of_processors(machine, text, onednn, line):
    """With TensorFlow's own default for oneDNN."""
    if text is not None:
        machine.write_text(text)
    assert processor.describe()["onednn"] is onednn and processor.line() == line


@pytest.mark.parametrize("text", [ZEN3, ICE_LAKE], ids=["off by default", "on by default"])
@pytest.mark.parametrize(
    "setting, onednn", [("0", False), ("false", False), ("1", True), ("True", True), ("", None), ("2", None)]
)
def test_the_users_setting_of_onednn(machine, monkeypatch, text, setting, onednn):
    """TensorFlow ignores what is neither true nor false."""
    machine.write_text(text)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", setting)
    assert processor.describe()["onednn"] is (text is ICE_LAKE if onednn is None else onednn)


def test_limits_of_the_environment(machine, monkeypatch):
    machine.write_text(ICE_LAKE)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    expected = {"processor": "Xeon 8375C", "extensions": ["AVX2", "AVX-512", "VNNI"], "limit": "AVX2", "onednn": True}
    assert processor.describe() == expected | {"threads": 1}
    assert processor.line() == "Xeon 8375C (AVX2 AVX-512 VNNI), oneDNN limited to AVX2, 1 thread"
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert processor.line() == "Xeon 8375C (AVX2 AVX-512 VNNI), without oneDNN, 1 thread"


def test_a_line_of_a_record(machine):
    found = {"processor": "M1", "extensions": [], "limit": None, "onednn": True, "threads": 8}
    assert processor.line(found) == "M1, 8 threads"
