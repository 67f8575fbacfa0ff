"""The cache of XLA's machine code: what is loaded, what is kept, and that a resume loads it."""

import os
import time
import zlib

import pytest
import tensorflow as tf

from rpgan_tf.devices import processor
from rpgan_tf.files import xla_cache
from tests.conftest import command


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """No cache yet in this process; its own is started in a new folder."""
    monkeypatch.setattr(xla_cache, "_cache", None)
    monkeypatch.setattr("atexit.register", lambda function: None)
    monkeypatch.setenv("RPGAN_TF_CACHE", str(tmp_path))
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    return monkeypatch


def test_entries_are_kept_and_damaged_ones_removed(tmp_path):
    first = xla_cache.Cache(tmp_path, "kind")
    (first.own / "a.pb").write_bytes(b"code")
    (first.own / "b.pb").write_bytes(b"more")
    (first.own / "c.pb.tmp").write_bytes(b"unfinished")
    first.keep()
    kept = {path.name.partition("-")[2]: path for path in first.store.iterdir()}
    assert sorted(kept) == ["a.pb", "b.pb"]
    kept["a.pb"].write_bytes(b"cod")
    second = xla_cache.Cache(tmp_path, "kind")
    assert [path.name for path in second.own.iterdir()] == ["b.pb"]
    assert not kept["a.pb"].exists()
    assert not list(xla_cache.Cache(tmp_path, "other").own.iterdir())
    second.close()
    assert not second.own.exists()


def test_two_processes_keep_the_same_entry(tmp_path):
    both = [xla_cache.Cache(tmp_path, "kind") for _ in range(2)]
    for cache in both:
        (cache.own / "a.pb").write_bytes(b"code")
    for cache in both:
        cache.keep()
    (entry,) = both[0].store.iterdir()
    (both[0].store / f"{zlib.crc32(b'same'):08x}-a.pb").write_bytes(b"same")  # at the same moment
    assert len(list(xla_cache.Cache(tmp_path, "kind").own.iterdir())) == 1 and entry.exists()


def test_oldest_entries_and_folders_of_killed_processes_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(xla_cache, "SIZE", 8)
    cache, old = xla_cache.Cache(tmp_path, "kind"), xla_cache.Cache(tmp_path, "other")
    for age, name in enumerate("abc"):
        (cache.own / f"{name}.pb").write_bytes(b"code")
        os.utime(cache.own / f"{name}.pb", (1000 - age, 1000 - age))
    cache.keep()
    assert sorted(path.name.partition("-")[2] for path in cache.store.iterdir()) == ["a.pb", "b.pb"]
    os.utime(old.own, (time.time() - 2 * xla_cache.ABANDONED,) * 2)
    xla_cache.Cache(tmp_path, "kind")
    assert cache.own.exists() and not old.own.exists()


def test_kind_of_code(monkeypatch, tmp_path):
    kinds = [xla_cache.kind(), xla_cache.kind("--tf_xla_auto_jit=1")]
    for name, value in {"XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false", "OMP_NUM_THREADS": "77"}.items():
        monkeypatch.setenv(name, value)
        kinds.append(xla_cache.kind())
    for flags in ("avx2", "avx2 avx512f", "avx2 gfni"):
        (tmp_path / "cpuinfo").write_text(f"model name\t: EPYC\nflags\t: {flags}\ncpu MHz\t: 2000\n\n")
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
        kinds.append(xla_cache.kind())
    monkeypatch.setattr(tf.version, "VERSION", "2.99.0")
    kinds.append(xla_cache.kind())
    assert len(set(kinds)) == len(kinds)
    (tmp_path / "cpuinfo").write_text("model name\t: EPYC\nflags\t: avx2 gfni\ncpu MHz\t: 3000\n\n")
    assert xla_cache.kind() == kinds[-1]


def test_users_flags_win(environment, tmp_path):
    for flags in ("--tf_xla_persistent_cache_directory=/own", "flags.txt"):
        environment.setenv("TF_XLA_FLAGS", flags)
        xla_cache.start()
        assert os.environ["TF_XLA_FLAGS"] == flags
    environment.delenv("TF_XLA_FLAGS")
    environment.setenv("RPGAN_TF_XLA_CACHE", "0")
    xla_cache.start()
    assert "TF_XLA_FLAGS" not in os.environ
    assert not list(tmp_path.iterdir())


def test_flags_beside_the_cache_stay_and_those_of_a_parent_go(environment, tmp_path):
    parent = f"--tf_xla_persistent_cache_directory={tmp_path}/xla/process-1 --tf_xla_persistent_cache_device_types=CPU"
    environment.setenv("TF_XLA_FLAGS", f"--tf_xla_auto_jit=0 {parent}")
    xla_cache.start()
    flags = os.environ["TF_XLA_FLAGS"].split()
    own = f"--tf_xla_persistent_cache_directory={xla_cache._cache.own}"
    assert flags == ["--tf_xla_auto_jit=0", own, "--tf_xla_persistent_cache_device_types=CPU"]


def test_a_folder_that_cannot_be_used_is_no_error(environment, tmp_path):
    (tmp_path / "xla").write_text("a file")
    xla_cache.start()
    environment.setattr(xla_cache, "ROOM", 2**62)
    environment.setenv("RPGAN_TF_CACHE", str(tmp_path / "full"))
    xla_cache.start()
    xla_cache.keep()
    assert "TF_XLA_FLAGS" not in os.environ


def test_a_resume_loads_all_entries_but_a_damaged_one(project):
    verbose = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "device_executable_persistor=1", "TF_XLA_FLAGS": ""}

    def train(iterations):
        line = "train.py", "tiny", "--set", f"MAXITER={iterations}"
        log = command(*line, RPGAN_TF_CACHE="cache", **verbose).stderr
        return [log.count(text) for text in ("Try loading serialized", "Loading cached entry")]

    tried, loaded = train(1)
    entries = list((project / "cache" / "xla").glob("*/*"))
    assert tried == len(entries) > loaded == 0
    entries[0].write_bytes(entries[0].read_bytes()[:1000])
    assert train(2) == [tried, tried - 1]
    assert len(entries) == len(list((project / "cache" / "xla").glob("*/*")))
