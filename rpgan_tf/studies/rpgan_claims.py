"""Judge the published statements on RP-GAN's training (arXiv 1705.07831) from our runs.

`rpgan_claims.toml` holds the statements, their sources, and the rules with their thresholds. The function of the same
name here measures one seed and applies the rule; a statement is seen if its rule holds for every seed. Needs only
NumPy.
"""

import functools
import pathlib
import tomllib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from rpgan_tf.files import run_logs

WINDOW = 50  # iterations of a moving mean or standard deviation
TABLE = pathlib.Path(__file__).with_suffix(".toml")


def losses(mean: np.ndarray, each: np.ndarray) -> dict:
    """Summarize generator losses over N iterations.

    Args:
        mean: float [N], mean over the discriminators.
        each: float [N, K], loss of each discriminator.

    Returns:
        dict: "moving_mean" [N - window + 1]; its lowest and its last value, and the iteration of the lowest; the
        standard deviation within a window, averaged over the first and over the last third of the windows: of the mean,
        and for the last third of single discriminators.
    """
    window = min(WINDOW, len(mean))
    moving, deviation = run_logs.moving(mean, window)
    _, deviation_of_each = run_logs.moving(each.T, window)
    third = -(-len(deviation) // 3)
    return {
        "moving_mean": moving,
        "lowest": float(moving.min()),
        "lowest_at": int(np.argmin(moving)) + window,
        "last": float(moving[-1]),
        "first_third_deviation": float(deviation[:third].mean()),
        "last_third_deviation": float(deviation[-third:].mean()),
        "last_third_deviation_of_each": float(np.nanmean(deviation_of_each[:, -third:])),
    }


def of_figure2(pairs: Sequence[dict]) -> list[dict]:
    """Judge the statements of figure 2.

    Args:
        pairs: for each seed {"projected": run, "single": run}. A run is {"losses": see `losses`, "fids": at several
            iterations, the same for both, "gradient_norm": mean over iterations and discriminators}. The single one
            also has "long_fids", those of its whole training until it had used the time of the other, and
            "equal_time_fid".

    Returns:
        For each statement {"statement", "source", "rule", "verdict", "seeds": "m of n", "found": for each seed what was
        measured}.
    """
    return [judge("figure2", test, pairs) for test in FIGURE2]


def of_ksweep(seeds: Sequence[dict]) -> list[dict]:
    """Judge the statements on the number of projections for which there are enough K; returns as `of_figure2`.

    Args:
        seeds: for each seed {K: {"seconds_per_iteration", "fid", "high_frequency"}}.
    """
    tests: list[Callable] = [time_is_linear] if len(seeds[0]) > 2 else []
    tests += [less_noise, better_samples] if {12, 24} <= set(seeds[0]) else []
    return [judge("ksweep", test, seeds) for test in tests]


def judge(study: str, test: Callable, seeds: Sequence[dict]) -> dict:
    """Return one statement with its verdict: "seen" if `test` holds for all seeds. See `of_figure2`."""
    claim = _table()[study][test.__name__]
    threshold = claim.get("threshold")
    found, holds = zip(*(test(seed) if threshold is None else test(seed, threshold) for seed in seeds))
    return {
        "statement": claim["statement"],
        "source": claim["source"],
        "rule": claim["rule"].format(threshold=threshold, window=WINDOW),
        "verdict": "seen" if all(holds) else "not seen",
        "seeds": f"{sum(map(bool, holds))} of {len(holds)}",
        "found": list(found),
    }


def text(claims: Sequence[dict]) -> str:
    """Return verdicts and statements as lines."""
    return "".join(f"{each['verdict']:8} ({each['seeds']} seeds)  {each['statement']}\n" for each in claims)


@functools.cache
def _table() -> dict:
    return tomllib.loads(TABLE.read_text())


Finding: TypeAlias = tuple[dict, bool]  # measured on one seed, and whether the rule holds


def loss_rises(pair: dict, threshold: float) -> Finding:
    found = {name: pair[name]["losses"]["last"] / pair[name]["losses"]["lowest"] for name in pair}
    return found, min(found.values()) >= threshold


def single_loss_is_higher(pair: dict, threshold: float) -> Finding:
    single, projected = (pair[name]["losses"]["moving_mean"] for name in ("single", "projected"))
    share = float(np.mean(single > projected))
    return {"share": share}, share >= threshold


def single_loss_swings(pair: dict, threshold: float) -> Finding:
    found = {name: pair[name]["losses"]["last_third_deviation"] for name in ("single", "projected")}
    found["each_projected"] = pair["projected"]["losses"]["last_third_deviation_of_each"]
    return found, found["single"] >= threshold * found["projected"]


def swings_grow(pair: dict) -> Finding:
    found = {part: pair["single"]["losses"][f"{part}_deviation"] for part in ("first_third", "last_third")}
    return found, found["last_third"] > found["first_third"]


def single_gets_worse(pair: dict, threshold: float) -> Finding:
    fids = pair["single"]["long_fids"]
    return {"best": min(fids), "last": fids[-1]}, fids[-1] >= threshold * min(fids)


def projected_gets_better(pair: dict, threshold: float) -> Finding:
    fids = pair["projected"]["fids"]
    return {"fids": fids}, all(fid <= threshold * min(fids[: i + 1]) for i, fid in enumerate(fids))


def better_early(pair: dict) -> Finding:
    return _lower({name: pair[name]["fids"][0] for name in pair})


def better_at_equal_iterations(pair: dict) -> Finding:
    return _lower({name: pair[name]["fids"][-1] for name in pair})


def better_at_equal_time(pair: dict) -> Finding:
    return _lower({"projected": pair["projected"]["fids"][-1], "single": pair["single"]["equal_time_fid"]})


def larger_gradient(pair: dict) -> Finding:
    found = {name: pair[name]["gradient_norm"] for name in pair}
    return found, found["projected"] > found["single"]


def time_is_linear(sweep: dict, threshold: float) -> Finding:
    """Fit a line to the seconds per iteration over K."""
    k = np.array(sorted(sweep), float)
    seconds = np.array([sweep[number]["seconds_per_iteration"] for number in sorted(sweep)])
    slope, start = np.polyfit(k, seconds, 1)
    furthest = float(np.max(np.abs(start + slope * k - seconds) / seconds))
    return {"start": float(start), "slope": float(slope), "furthest": furthest}, furthest <= threshold


def less_noise(sweep: dict) -> Finding:
    return _lower_with_24(sweep, "high_frequency")


def better_samples(sweep: dict) -> Finding:
    return _lower_with_24(sweep, "fid")


def _lower(found):
    return found, found["projected"] < found["single"]


def _lower_with_24(sweep, key):
    return {f"K = {k}": sweep[k][key] for k in (12, 24)}, sweep[24][key] < sweep[12][key]


FIGURE2 = (
    loss_rises,
    single_loss_is_higher,
    single_loss_swings,
    swings_grow,
    single_gets_worse,
    projected_gets_better,
    better_early,
    better_at_equal_iterations,
    better_at_equal_time,
    larger_gradient,
)
