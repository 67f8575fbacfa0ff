"""The named settings of StyleGAN2's program, as option `cfg`: they replace defaults, and the experiment wins over both.

Karras et al., "Training generative adversarial networks with limited data", arXiv 2006.06676, appendix F; `auto` and
the lengths of runs are those of its program.
"""

from typing import Any

COMMON = {"map_layers": 8, "ema_ramp": 0.0, "num_half": 4, "channel_max": 512}
CIFAR = {"map_layers": 2, "ema_ramp": 0.05, "pl_weight": 0.0, "style_mixing": 0.0, "d_arch": "orig"}


def row(
    thousands: int,
    bsz: int,
    mbstd_group: int,
    width: float,
    learning_rate: float,
    r1_gamma: float,
    average: float,
    **others: Any,
) -> dict[str, Any]:
    """Return the settings of a row.

    Args:
        thousands: images of the run, in thousands.
        bsz, mbstd_group, learning_rate, r1_gamma: options.
        width: channel_base as a share of 32768.
        average: half-life of the average of G's weights, in thousands of images.
        **others: options that differ from the common ones.
    """
    own = {"bsz": bsz, "mbstd_group": mbstd_group, "channel_base": int(width * 32768), "learning_rate": learning_rate}
    return COMMON | own | {"r1_gamma": r1_gamma, "thousands": thousands, "average": average} | others


def auto(imsz: int) -> dict[str, Any]:
    """Return the row of `auto` for one device: batch, learning rate and penalty follow from the size of images."""
    bsz = max(min(4096 // imsz, 32), 1)
    width, rate = (1 if imsz >= 512 else 0.5), (0.002 if imsz >= 1024 else 0.0025)
    others = {"map_layers": 2, "ema_ramp": 0.05}
    return row(25000, bsz, min(bsz, 4), width, rate, 0.0002 * imsz**2 / bsz, bsz * 10 / 32, **others)


ROWS = {
    "stylegan2": row(25000, 32, 4, 1, 0.002, 10, 10),
    "paper256": row(25000, 64, 8, 0.5, 0.0025, 1, 20),
    "paper512": row(25000, 64, 8, 1, 0.0025, 0.5, 20),
    "paper1024": row(25000, 32, 4, 1, 0.002, 2, 10),
    "cifar": row(100000, 64, 32, 1, 0.0025, 0.01, 500, **CIFAR),
}


def values(cfg: str, imsz: int, bsz: int | None = None, accumulation: int = 1) -> dict[str, Any]:
    """Return {option: value} of a preset.

    Args:
        cfg: "auto" or a name in `ROWS`.
        imsz: size of images.
        bsz: batch size of the experiment; None for the preset's.
        accumulation: batches an iteration. The length of the run and the momentum of the average follow from the number
            of images an iteration.
    """
    found = auto(imsz) if cfg == "auto" else dict(ROWS[cfg])
    images = (bsz or found["bsz"]) * accumulation
    thousands, average = found.pop("thousands"), found.pop("average")
    return found | {"MAXITER": thousands * 1000 // images, "ema": 0.5 ** (images / (average * 1000))}
