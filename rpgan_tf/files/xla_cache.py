"""XLA's machine code on disk: a second start and a resume load it instead of compiling.

TensorFlow's persistent cache stops a run at a damaged entry, and knows neither the processor nor its own version. So
each process reads and writes a folder of its own, with links to the entries whose checksum holds; `keep` adds its new
ones to the store, in a folder named by a hash of all that code depends on. TensorFlow itself compares the whole program
before it loads an entry.
"""

import atexit
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time
import zlib

from rpgan_tf.devices import processor
from rpgan_tf.files import user_cache

FLAG = "--tf_xla_persistent_cache_directory="
SIZE = 2**29  # bytes of all entries
ROOM = 2**30  # bytes that must be free: TensorFlow stops a run whose entry it cannot write
ABANDONED = 24 * 3600  # seconds after which the folder of a killed process is removed; TensorFlow makes it anew if not


class Cache:
    """The entries of this process and those kept.

    Args:
        root: folder of all entries.
        kind: name of the folder of entries that this process may load.

    Raises:
        OSError: the folder cannot be written, or the disk has no room.
    """

    def __init__(self, root: pathlib.Path, kind: str) -> None:
        self.root, self.store = root, root / kind
        self.store.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(root).free < ROOM:
            raise OSError("no room")
        for path in root.glob("process-*"):
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
        self.own = pathlib.Path(tempfile.mkdtemp(prefix="process-", dir=root))
        for path in self.store.iterdir():
            checksum, _, name = path.name.partition("-")
            with contextlib.suppress(FileNotFoundError, FileExistsError):  # another process removed it, or kept another
                if checksum == _checksum(path):
                    os.link(path, self.own / name)
                else:
                    path.unlink()

    def keep(self) -> None:
        """Add new entries to the store, and remove the oldest beyond `SIZE`."""
        kept = {path.name.partition("-")[2] for path in self.store.iterdir()}
        for path in self.own.glob("*.pb"):
            if path.name not in kept:
                os.link(path, self.store / f"{_checksum(path)}-{path.name}")
        size = 0
        entries = [(path.stat().st_mtime, path) for path in self.root.glob("[!p]*/*")]
        for _, path in sorted(entries, reverse=True):
            size += path.stat().st_size
            if size > SIZE:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep new entries, and remove the folder of this process."""
        with contextlib.suppress(OSError):
            self.keep()
        shutil.rmtree(self.own, ignore_errors=True)


_cache: Cache | None = None  # of this process


def start() -> None:
    """Let TensorFlow load and keep what XLA compiles for the CPU; for after its import, before its first operation.

    Does nothing if TF_XLA_FLAGS names a cache already, with RPGAN_TF_XLA_CACHE=0, and if the disk has no room.
    """
    global _cache
    flags, found, folder = os.environ.get("TF_XLA_FLAGS", "").partition(FLAG)
    if found and "/xla/process-" in folder:  # those of a parent
        found = ""
    a_file = flags.strip() and not flags.lstrip().startswith("-")
    root = user_cache.folder().absolute() / "xla"
    if _cache or found or a_file or os.environ.get("RPGAN_TF_XLA_CACHE") == "0" or " " in str(root):
        return
    with contextlib.suppress(OSError):  # a disk without links or room, or a folder that is not ours
        _cache = Cache(root, kind(flags.strip()))
        atexit.register(_cache.close)
        of_ours = f"{FLAG}{_cache.own} --tf_xla_persistent_cache_device_types=CPU"
        os.environ["TF_XLA_FLAGS"] = f"{flags.strip()} {of_ours}".lstrip()


def keep() -> None:
    """Keep what was compiled so far, also if this process is killed."""
    if _cache:
        with contextlib.suppress(OSError):
            _cache.keep()


def kind(flags: str = "") -> str:
    """Return a hash of what code depends on: TensorFlow, the processor, threads, and flags of XLA."""
    import tensorflow as tf

    flags += os.environ.get("XLA_FLAGS", "")
    found = [tf.version.VERSION, tf.version.GIT_VERSION, processor.describe(), processor.features(), flags]
    return hashlib.sha256(json.dumps([*found, os.cpu_count()]).encode()).hexdigest()[:16]


def _checksum(path: pathlib.Path) -> str:
    return f"{zlib.crc32(path.read_bytes()):08x}"
