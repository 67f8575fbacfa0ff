"""What RP-GAN's paper says of its training (arXiv 1705.07831), and whether it was seen in runs of ours.

Each statement has a rule of ours, which is applied to each seed; it is seen if it holds for all of them. The paper has
no number for most of what it says, so the rules' thresholds are ours, too. Knows NumPy only.
"""

import numpy as np

from rpgan_tf.files import run_logs

WINDOW = 50  # iterations of a moving mean or standard deviation
HIGHER, SWINGS, RISES, WORSE, OFF_LINE = 0.95, 2.0, 1.05, 1.1, 0.15
FIGURE_2 = "arXiv 1705.07831, figure 2 and its discussion"
THEOREM = "arXiv 1705.07831, theorem 2.1; the paper does not measure it"
OURS = "ours: the paper compares at equal iterations"
TIME, FIGURE_3 = "arXiv 1705.07831, section 3, training time", "arXiv 1705.07831, figure 3 and its discussion"


def losses(mean, each):
    """Return what is said of generator losses over N iterations.

    Args:
        mean: float [N], their mean over the discriminators.
        each: float [N, K], the loss of each.

    Returns:
        dict: "lowest" and "last" moving mean, and the iteration of the lowest; and the standard deviation within a
        window, averaged over the windows of the first and of the last third: of the mean and of single discriminators.
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


def of_figure2(pairs):
    """Return the statements of figure 2, each with its rule, what was found, and whether it was seen.

    Args:
        pairs: for each seed {"projected": run, "single": run}, and of each run {"losses": see `losses`, "fids": at
            several iterations, the same of both, "gradient_norm": mean over looks and discriminators}; the single one
            has also "long_fids", of all its training until the time of the other was used up, and "equal_time_fid".
    """
    return [
        claim(
            "With a single discriminator and with projections, the generator's loss rises after an initial dip.",
            FIGURE_2,
            f"the last moving mean is at least {RISES:g} times the lowest, in both",
            pairs,
            lambda pair: {name: pair[name]["losses"]["last"] / pair[name]["losses"]["lowest"] for name in pair},
            lambda found: min(found.values()) >= RISES,
        ),
        claim(
            "The loss against a single discriminator stays higher throughout.",
            FIGURE_2,
            f"its moving mean is higher in at least {HIGHER:.0%} of the iterations",
            pairs,
            lambda pair: {
                "share": float(
                    np.mean(pair["single"]["losses"]["moving_mean"] > pair["projected"]["losses"]["moving_mean"])
                )
            },
            lambda found: found["share"] >= HIGHER,
        ),
        claim(
            "The loss against a single discriminator swings widely, the mean over the projections is smooth.",
            FIGURE_2,
            f"in the last third, its standard deviation within {WINDOW} iterations is at least {SWINGS:g} times "
            "that of the mean over the projections (a mean is smoother by itself: that of each stands beside it)",
            pairs,
            lambda pair: {
                "single": pair["single"]["losses"]["last_third_deviation"],
                "projected": pair["projected"]["losses"]["last_third_deviation"],
                "each_projected": pair["projected"]["losses"]["last_third_deviation_of_each"],
            },
            lambda found: found["single"] >= SWINGS * found["projected"],
        ),
        claim(
            "These swings set in beyond some iteration.",
            FIGURE_2,
            "the single one's standard deviation is larger in the last third than in the first",
            pairs,
            lambda pair: {
                part: pair["single"]["losses"][f"{part}_deviation"] for part in ("first_third", "last_third")
            },
            lambda found: found["last_third"] > found["first_third"],
        ),
        claim(
            "Against a single discriminator, samples get worse from some iteration on (there about 40,000).",
            FIGURE_2,
            f"trained until the other's time was used up, its last FID is at least {WORSE:g} times the best measured",
            pairs,
            lambda pair: {"best": min(pair["single"]["long_fids"]), "last": pair["single"]["long_fids"][-1]},
            lambda found: found["last"] >= WORSE * found["best"],
        ),
        claim(
            "With projections, samples get better throughout.",
            FIGURE_2,
            f"no FID is above {WORSE:g} times the best before it",
            pairs,
            lambda pair: {"fids": pair["projected"]["fids"]},
            lambda found: all(fid <= WORSE * min(found["fids"][: i + 1]) for i, fid in enumerate(found["fids"])),
        ),
        claim(
            "With projections, samples are better even early.",
            FIGURE_2,
            "the FID of the first iteration that was measured is lower",
            pairs,
            lambda pair: {name: pair[name]["fids"][0] for name in pair},
            lambda found: found["projected"] < found["single"],
        ),
        claim(
            "With projections, samples are better in the end, after as many iterations.",
            FIGURE_2,
            "the last FID is lower",
            pairs,
            lambda pair: {name: pair[name]["fids"][-1] for name in pair},
            lambda found: found["projected"] < found["single"],
        ),
        claim(
            "With projections, samples are better in the end, after the same time.",
            OURS,
            "the last FID is lower than that of the single one trained on until the same time was used up",
            pairs,
            lambda pair: {"projected": pair["projected"]["fids"][-1], "single": pair["single"]["equal_time_fid"]},
            lambda found: found["projected"] < found["single"],
        ),
        claim(
            "Discriminators that see projections leave the generator a larger gradient.",
            THEOREM,
            "the gradient norm at the image, averaged over iterations and discriminators, is larger",
            pairs,
            lambda pair: {name: pair[name]["gradient_norm"] for name in pair},
            lambda found: found["projected"] > found["single"],
        ),
    ]


def of_ksweep(seeds):
    """Return the statements on the number of projections, as `of_figure2`; those whose K are not there are left out.

    Args:
        seeds: for each seed {K: {"seconds_per_iteration", "fid", "high_frequency"}}.
    """
    known = sorted(seeds[0])
    statements = []
    if len(known) > 2:
        statements.append(
            claim(
                "The time of an iteration grows linearly with K (seconds there: 3.2, 5.8, 11.2 for K = 12, 24, 48).",
                TIME,
                f"no K is further than {OFF_LINE:.0%} from the best line",
                seeds,
                _line,
                lambda found: found["furthest"] <= OFF_LINE,
            )
        )
    if {12, 24} <= set(known):
        statements += [
            claim(
                "K = 12 = d/m leaves high-frequency noise, which is gone with K = 24.",
                FIGURE_3,
                "samples have less energy in the highest octave with 24, relative to that of the data",
                seeds,
                lambda found: {f"K = {k}": found[k]["high_frequency"] for k in (12, 24)},
                lambda found: found["K = 24"] < found["K = 12"],
            ),
            claim(
                "Samples are better with K = 24 than with K = 12.",
                FIGURE_3,
                "the last FID is lower",
                seeds,
                lambda found: {f"K = {k}": found[k]["fid"] for k in (12, 24)},
                lambda found: found["K = 24"] < found["K = 12"],
            ),
        ]
    return statements


def claim(statement, source, rule, seeds, find, holds):
    """Return a statement with what was found for each seed, in how many it holds, and whether it was seen: in all."""
    found = [find(seed) for seed in seeds]
    count = sum(bool(holds(each)) for each in found)
    return {
        "statement": statement,
        "source": source,
        "rule": rule,
        "verdict": "seen" if count == len(found) else "not seen",
        "seeds": f"{count} of {len(found)}",
        "found": found,
    }


def text(claims):
    """Return statements and verdicts as lines."""
    return "".join(f"{each['verdict']:8} ({each['seeds']} seeds)  {each['statement']}\n" for each in claims)


def _line(sweep):
    """Return the line through the seconds an iteration over K, and how far the furthest is from it."""
    k = np.array(sorted(sweep), float)
    seconds = np.array([sweep[number]["seconds_per_iteration"] for number in sorted(sweep)])
    slope, start = np.polyfit(k, seconds, 1)
    furthest = np.max(np.abs(start + slope * k - seconds) / seconds)
    return {"start": float(start), "slope": float(slope), "furthest": float(furthest)}
