#!/usr/bin/env python3
"""Reproduce RealnessGAN's figure 3: modes found of the 3x3 mixture, over numbers of outcomes and of steps of G.

tools/outcomes.py                      both rows of the figure, one seed: about twenty minutes on two cores
tools/outcomes.py --outcomes 2 5 --seeds 3 --iterations 500

Each number of outcomes is trained with one step of G an iteration, and with the paper's number of steps; all else is
exp/realness_mog.py. The paper picked converged models: the table gives the save with the most modes, then the most
samples of high quality, and the last save beside it. Writes OUT.json, OUT.txt and OUT.png. By default, OUT is
docs/results/outcomes with all outcomes, and models/outcomes/table otherwise.
"""

import json
import pathlib

from rpgan_tf import command
from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, provenance
from rpgan_tf.sampling import pictures
from rpgan_tf.studies import mode_coverage, mode_rules, training_runs

EXPERIMENT = "realness_mog"
RULE = "4 std"
SOURCE = "Xiangli et al., arXiv 2002.05512, figure 3, read off its curves"
# Outcomes: (steps of G, modes, share of high-quality samples), where the figure names the steps.
PAPER = {2: (1, 4, 0.43), 5: (3, 4, 0.54), 10: (6, 5, 0.54), 20: (14, 6, 0.62), 30: (25, 8, 0.72), 40: (36, 8, 0.76)}


def main(argv):
    """Train, count and write as `argv` says."""
    parser = command.Parser(__doc__)
    parser.add_argument("--outcomes", nargs="+", type=int, default=list(PAPER), help=f"of {', '.join(map(str, PAPER))}")
    parser.add_argument("--iterations", type=command.count, default=1000, help="of each run (default 1000)")
    parser.add_argument("--seeds", type=command.count, default=1, metavar="N", help="seeds 0 to N - 1 (default 1)")
    parser.add_argument("--out", help="path without suffix")
    arguments = parser.parse_args(argv)
    unknown = [number for number in arguments.outcomes if number not in PAPER]
    if unknown:
        raise UserError(f"expected --outcomes of {list(PAPER)}, received {unknown}")
    cells = sorted({(number, steps) for number in arguments.outcomes for steps in (1, PAPER[number][0])})
    runs = {
        (number, steps, seed): training_runs.Run(
            EXPERIMENT,
            {
                "num_outcomes": number,
                "g_steps": steps,
                "seed": seed,
                "MAXITER": arguments.iterations,
                "SAVEFREQ": max(1, arguments.iterations // 20),
                "wts_dir": f"models/outcomes/{arguments.iterations}/{number}_{steps}/seed{seed}",
            },
        )
        for number, steps in cells
        for seed in range(arguments.seeds)
    }
    for run in runs.values():
        run.check()

    # The longest runs start first, so that no process is idle at the end.
    ordered = sorted(runs, key=lambda key: -key[1])
    failures = dict(zip(ordered, training_runs.train([runs[key] for key in ordered])))
    command.start_tensorflow()
    curves = {key: [] if failures[key] else mode_coverage.count_run(run.options()) for key, run in runs.items()}
    result = provenance.record(range(arguments.seeds)) | {
        "iterations": arguments.iterations,
        "rule": RULE,
        "source": SOURCE,
    }
    result["rows"] = [row(number, steps, curves, arguments.seeds) for number, steps in cells]
    whole = set(arguments.outcomes) == set(PAPER)
    out = pathlib.Path(arguments.out or ("docs/results/outcomes" if whole else "models/outcomes/table"))
    atomic.write_text(out.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    text = table(result["rows"])
    atomic.write_text(out.with_suffix(".txt"), text)
    print(text, end="")
    draw(out.with_suffix(".png"), result["rows"], runs, curves)
    print(f"wrote {out}.json, {out}.txt, {out}.png")


def best(curve):
    """Return (iteration, counts) of the save with the most modes, then high-quality samples; None without saves."""
    if not curve:
        return None
    return max(curve, key=lambda point: (point[1][RULE]["modes"], point[1][RULE]["high_quality"]))


def row(number, steps, curves, num_seeds):
    """Return our counts for a number of outcomes and of steps of G, averaged over the seeds, and the paper's."""
    mine = [curves[number, steps, seed] for seed in range(num_seeds)]
    nothing = {"modes": 0, "high_quality": 0.0}
    picked = [best(curve) for curve in mine]
    converged = steps == PAPER[number][0]
    return {
        "outcomes": number,
        "g_steps": steps,
        "picked": mode_coverage.summary([point[1][RULE] if point else nothing for point in picked]),
        "picked_iterations": [point[0] if point else None for point in picked],
        "last": mode_coverage.summary([curve[-1][1][RULE] if curve else nothing for curve in mine]),
        "diverged": sum(not curve for curve in mine),
        "paper": {"modes": PAPER[number][1], "high_quality": PAPER[number][2]} if converged else None,
    }


def table(rows):
    """Return the rows as text."""
    lines = [
        "outcomes  steps of G | picked: modes  high quality | last: modes  high quality | paper: modes  high quality"
    ]
    for each in rows:
        cells = [f"{each['outcomes']:8d}  {each['g_steps']:10d}"]
        for key, width in (("picked", 13), ("last", 11)):
            counts = {name: each[key][name]["mean"] for name in ("modes", "high_quality")}
            cells.append(f"{counts['modes']:{width}.1f}  {100 * counts['high_quality']:10.1f} %")
        paper = each["paper"]
        cells.append(
            f"{paper['modes']:12d}  about {100 * paper['high_quality']:4.0f} %" if paper else f"{'-':>12}  {'-':>12}"
        )
        lines.append(" | ".join(cells) + (f" | {each['diverged']} diverged" if each["diverged"] else ""))
    return "\n".join(lines) + "\n"


def draw(path, rows, runs, curves):
    """Draw samples of the first seed, with the paper's steps of G and with one, and the counts over outcomes."""
    from matplotlib.figure import Figure

    numbers = sorted({each["outcomes"] for each in rows})
    figure = Figure(figsize=(max(6, 3 * len(numbers)), 10), layout="constrained")
    grid = figure.add_gridspec(3, 2 * len(numbers), height_ratios=[3, 3, 3.4])
    mixture = mixtures.find("mixture:grid9")
    for column, number in enumerate(numbers):
        for line, steps in enumerate((PAPER[number][0], 1)):
            plot = figure.add_subplot(grid[line, 2 * column : 2 * column + 2])
            plot.set_title(f"{number} outcomes, {steps} steps of G", fontsize=9)
            point = best(curves[number, steps, 0])
            if point:
                samples = mode_coverage.samples(runs[number, steps, 0].options(), point[0])
                pictures.scatter_on(plot, samples[: mode_rules.RULES["3 std"].samples], mixture)
                plot.set(xlabel=f"iteration {point[0]}", ylabel="", xticks=[], yticks=[])
    for i, (key, title, most) in enumerate((("modes", "modes", 9), ("high_quality", "share of high quality", 1))):
        plot = figure.add_subplot(grid[2, i * len(numbers) : (i + 1) * len(numbers)])
        plot.set(xlabel="outcomes", ylabel=title, ylim=(0, 1.05 * most))
        converged = [each for each in rows if each["paper"]]
        x = [each["outcomes"] for each in converged]
        plot.plot(x, [each["paper"][key] for each in converged], "k--", label="paper, its steps of G (about)")
        plot.plot(x, [each["picked"][key]["mean"] for each in converged], "o-", label="ours, the paper's steps of G")
        single = [each for each in rows if each["g_steps"] == 1]
        x = [each["outcomes"] for each in single]
        plot.plot(x, [each["picked"][key]["mean"] for each in single], "s-", label="ours, one step of G")
        plot.legend()
    atomic.write(path, lambda file: figure.savefig(file, format="png", dpi=80))


if __name__ == "__main__":
    command.run(main)
