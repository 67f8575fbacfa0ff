"""The processor that computes: speed depends on its vector extensions, on oneDNN and on the threads."""

import os
import pathlib
import platform

# Flags of /proc/cpuinfo, in order of width.
EXTENSIONS = {
    "asimd": "NEON",
    "sve": "SVE",
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "BF16",
    "amx_bf16": "AMX",
}
CPUINFO = pathlib.Path("/proc/cpuinfo")


def describe() -> dict:
    """Return the processor of this process, and how TensorFlow computes on it; does not import it.

    Returns:
        "processor": its name; "extensions": names of vector extensions, as ["AVX2", "AVX-512"], none where the system
        does not list them; "limit": the extension that the user's environment limits oneDNN to, or None; "onednn":
        whether TensorFlow computes by oneDNN; "threads": of an operation.
    """
    entries, flags = _entries(), _flags()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return {
        "processor": entries.get("model name") or platform.processor() or platform.machine(),
        "extensions": [name for flag, name in EXTENSIONS.items() if flag in flags],
        "limit": os.environ.get("ONEDNN_MAX_CPU_ISA") or None,
        "onednn": onednn(),
        "threads": int(threads) if threads.isdecimal() else _available(),
    }


def line(found: dict | None = None) -> str:
    """Return what `describe` returned, or returns now, as a line of text."""
    found = found or describe()
    extensions = " ".join(found["extensions"])
    parts = [
        found["processor"] + (f" ({extensions})" if extensions else ""),
        f"oneDNN limited to {found['limit']}" if found["onednn"] and found["limit"] else None,
        None if found["onednn"] else "without oneDNN",
        f"{found['threads']} thread{'s' * (found['threads'] > 1)}",
    ]
    return ", ".join(part for part in parts if part)


def onednn() -> bool:
    """Return whether oneDNN is in force: TensorFlow's own default is by the processor."""
    asked = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").lower()
    return asked in ("1", "true") or (asked not in ("0", "false") and bool({"avx512_vnni", "amx_tile"} & set(_flags())))


def features() -> list[str]:
    """Return all that tells this kind of processor from others; where the system does not list it, the machine's name.

    Machine code that was compiled on one kind may fail on another.
    """
    entries = _entries()
    names = "vendor_id", "cpu family", "model", "model name", "flags", "CPU implementer", "CPU part", "Features"
    found = [entries[name] for name in names if name in entries]
    return [platform.machine(), *(found or [platform.node()])]


def _entries() -> dict[str, str]:
    """Return what the system says of the first processor."""
    try:
        first = CPUINFO.read_text().split("\n\n")[0]
    except OSError:  # macOS and Windows have no such file
        return {}
    pairs = (entry.partition(":") for entry in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _flags() -> list[str]:
    """Return the flags of the first processor."""
    entries = _entries()
    return (entries.get("flags") or entries.get("Features") or "").split()


def _available() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
