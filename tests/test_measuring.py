"""What the benchmarks measure of a call and of the machine, and what they record."""

import functools
import os
import re
import sys
import types

import pytest

from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def folder(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_usage_is_medians_over_rounds():
    """Three rounds: cores 2, 1 and 1.5; the kernel has 1 s of 6 s."""
    import measuring

    usage = measuring.usage([(1.0, 1.5, 0.5, 10), (2.0, 2.0, 0.0, 900), (4.0 / 3, 1.5, 0.5, 20)])
    assert usage == measuring.Usage(seconds=4.0 / 3, cores=1.5, system=1 / 6, faults=20)


def test_faults_are_those_of_the_call():
    """Memory that is mapped anew: a fault a page, or fewer where the system has large pages."""
    import mmap

    import measuring

    def touch():
        with mmap.mmap(-1, 64 * mmap.PAGESIZE) as fresh:
            fresh.write(b"1" * len(fresh))

    found = measuring.usages({"touches": touch, "rests": lambda: None}, rounds=3)
    assert found["touches"].faults > found["rests"].faults


@pytest.mark.parametrize(
    ("used", "own", "expected"),
    [(9.0, 8.9, 0.01), (5.0, 5.0, 0.0), (10.0, 6.0, 0.4), (4.9, 5.0, 0.0)],
    ids=["idle", "one thread", "busy", "rounding"],
)
def test_share_of_others(used, own, expected):
    """Of ten seconds; what went before does not count, and the next second is not yet known."""
    import measuring

    readings = iter([(100.0, 70.0, 30.0), (110.0, 70 + used, 30 + own), (110.9, 71 + used, 30 + own)])
    others = measuring.Others(lambda: next(readings))
    assert others.share() == pytest.approx(expected)
    assert others.share() == 0


def test_seconds_of_the_processors_that_are_available(monkeypatch):
    """Stolen seconds count as used, idle ones do not; other processors do not count."""
    import measuring
    import psutil

    processors = [types.SimpleNamespace(user=u, system=2, idle=900, steal=1.5) for u in (500, 10, 20)]
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: processors)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 2}, raising=False)
    _, used, own = measuring.processor_seconds()
    assert used == (10 + 2 + 1.5 + 20 + 2 + 1.5) / 2
    assert own > 0


ENTRIES = {
    "Zen 3": "avx2",
    "Zen 5": "avx2 avx512f avx512_vnni avx512_bf16",
    "Xeon": "avx2 avx512f avx512_bf16 amx_bf16",
}


@pytest.mark.parametrize(
    ("name", "variables", "kind", "bfloat16"),
    [
        ("Zen 3", {}, "avx2", False),
        ("Zen 5", {}, "avx512", True),
        ("Zen 5", {"TF_ENABLE_ONEDNN_OPTS": "0"}, "avx512-limited", False),
        ("Zen 5", {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "avx2-limited", False),
        ("Zen 5", {"ATEN_CPU_CAPABILITY": "avx2"}, "avx512-limited", True),
        ("Zen 3", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, "avx2-limited", False),
        ("Xeon", {}, "amx", True),
        ("Xeon", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}, "avx512-limited", False),
        ("Xeon", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}, "amx-limited", True),
    ],
)
def test_kinds_of_processors(name, variables, kind, bfloat16, machine):
    import measuring

    machine(name, **variables)
    assert measuring.kind() == kind
    assert measuring.multiplies_bfloat16() == bfloat16


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that makes this machine one of `ENTRIES`, with environment variables."""
    import measuring

    from rpgan_tf.devices import processor

    def be(name, **variables):
        (tmp_path / "cpuinfo").write_text(f"model name : {name}\nflags : fpu {ENTRIES[name]}\n\n")
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
        for variable in measuring.VARIABLES:
            monkeypatch.delenv(variable, raising=False)
        for variable, value in ({"TF_ENABLE_ONEDNN_OPTS": "1"} | variables).items():
            monkeypatch.setenv(variable, value)

    return be


def recorded(monkeypatch, *shares):
    """Print a table of two rows under --record, while others take these shares of the processors."""
    import measuring

    monkeypatch.setattr(sys, "argv", ["benchmarks/growth.py", "--rounds", "3", "--record"])
    others = types.SimpleNamespace(share=functools.partial(next, iter(shares)))
    table = measuring.Table(types.SimpleNamespace(record=True), others)
    table(" K  ms")
    table(" 1  15")
    table.close()


def test_a_record_names_the_command_and_the_processor(tmp_path, monkeypatch, machine):
    monkeypatch.chdir(tmp_path)
    machine("Zen 5", ONEDNN_MAX_CPU_ISA="AVX2", XLA_FLAGS="--a --b")
    recorded(monkeypatch, 0, 0.05, 0)
    head, *lines = (tmp_path / "docs/results/speed/avx2-limited/growth.txt").read_text().splitlines()
    command, _, comment = head.partition("    # ")
    assert command == "$ ONEDNN_MAX_CPU_ISA=AVX2 XLA_FLAGS='--a --b' benchmarks/growth.py --rounds 3"
    assert comment.split(", ", 1)[1].startswith("Zen 5 (AVX2 AVX-512 VNNI BF16), oneDNN limited to AVX2, ")
    assert lines == [" K  ms", " 1  15"]


@pytest.mark.parametrize("shares", [(0, 0.06, 0), (0, 0, 0.3)], ids=["a row", "the end"])
def test_a_busy_machine_is_not_recorded(tmp_path, monkeypatch, machine, capsys, shares):
    monkeypatch.chdir(tmp_path)
    machine("Zen 3")
    recorded(monkeypatch, 0, 0, 0)
    (record,) = tmp_path.glob("docs/results/speed/avx2/growth.txt")
    record.write_text("before")
    capsys.readouterr()
    with pytest.raises(SystemExit, match="the machine was busy: 'docs/results/speed/avx2/growth.txt' is as it was"):
        recorded(monkeypatch, *shares)
    assert record.read_text() == "before"
    assert ("15   BUSY: others took 6% of the processors" in capsys.readouterr().out) == (0.06 in shares)


def test_lines_of_a_comparison():
    import measuring

    seconds = {"here": 0.1, "here, float32": 0.2, "loop": 0.15, "vmap": 0.12}
    usages = {side: measuring.Usage(each, 1.9, 0.25, 12345) for side, each in seconds.items()}
    title, *rows = measuring.comparison("GAN bsz=4", usages, least=0.05)
    assert title == "\nGAN bsz=4: best PyTorch (vmap) / here 1.20, least 50.0 ms"
    assert rows[2].split() == ["loop", "|", "150.0", "1.50", "|", "1.90", "25%", "12,345"]
    assert [row.index("|") for row in (measuring.COLUMNS, *rows)] == [26] * 5
    assert re.findall(measuring.TITLE, title, re.M) == [("GAN bsz=4", "vmap", "1.20")]
