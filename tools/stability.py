#!/usr/bin/env python3
"""Reproduce the training studies of RP-GAN's paper at small scale, on the embedded digits.

tools/stability.py figure2                 K = 12 against the single discriminator: about 25 minutes on two idle cores
tools/stability.py ksweep --K 1 3 6 12 24  quality against time, and the single discriminator without a projection
tools/stability.py figure2 --quick         a trial of a minute

figure2 trains both for the same iterations, and continues the single one until it has used the time of the other; times
are of training alone. Runs are trained one after the other on all cores, resumed from their last save, and kept below
models/stability. Measured are FID, precision and recall on features of the digits, and the energy of the highest
octave. Writes OUT.json, with the paper's statements and whether they were seen, and OUT.png. By default, OUT is
docs/results/figure2 or ksweep, with --quick below models/stability.
"""

import json
import math
import pathlib

import numpy as np

from rpgan_tf import checkpoint, command, projections
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import features
from rpgan_tf.files import atomic, provenance, run_logs
from rpgan_tf.studies import rpgan_claims, training_runs

METRICS, SAVES, LOOKS = ("fid", "pr"), 6, 25  # number of saves, and of looks between two of them
LEAST = features.DIGITS_FEATURES + 1  # samples, for covariances of full rank
PROJECTED, SINGLE = "digits", "digits1"
QUICK = {"bsz": 8, "f1": 32, "df": 8, "zlen": 16}
CLOCKS = ("seconds", "cpu_seconds")
NUM_OCTAVE = 1000  # images for the energy of the highest octave


def main(argv):
    """Train, measure and write as `argv` says."""
    parser = command.Parser(__doc__)
    parser.add_argument("study", choices=["figure2", "ksweep"])
    parser.add_argument("--seeds", type=command.count, default=3, metavar="N", help="seeds 0 to N - 1 (default 3)")
    parser.add_argument("--iterations", type=int, help="of each run (default 1500)")
    parser.add_argument("--K", type=command.count, nargs="+", default=[1, 3, 6, 12, 24], help="numbers of projections")
    parser.add_argument("--samples", type=int, default=5000, help="images measured (default 5000)")
    parser.add_argument("--clock", choices=CLOCKS, default=CLOCKS[0], help="on a busy machine: cpu_seconds")
    parser.add_argument("--quick", action="store_true", help="tiny nets and 60 iterations")
    parser.add_argument("--out", help="path without suffix")
    arguments = parser.parse_args(argv)
    arguments.iterations = arguments.iterations or (60 if arguments.quick else 1500)
    if arguments.iterations < SAVES or arguments.samples < LEAST:
        raise UserError(
            f"expected --iterations of at least {SAVES} and --samples of {LEAST}, received {arguments.iterations} and "
            f"{arguments.samples}"
        )
    if arguments.quick:
        arguments.samples = min(arguments.samples, 200)
    out = folder(arguments) if arguments.quick else pathlib.Path("docs/results")
    arguments.out = pathlib.Path(arguments.out or out / arguments.study)
    result = {"figure2": figure2, "ksweep": ksweep}[arguments.study](arguments)
    atomic.write_text(arguments.out.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    print(rpgan_claims.text(result["claims"]), end="")
    print(f"wrote {arguments.out}.json, {arguments.out}.png")


def figure2(arguments):
    """Train both kinds for every seed, and the single one to equal time; draw the curves, and return the record."""
    clock, seeds, equal = arguments.clock, range(arguments.seeds), SAVES * savefreq(arguments)
    runs = {name: [run(arguments, name, name, seed) for seed in seeds] for name in (PROJECTED, SINGLE)}
    train([each[seed] for seed in seeds for each in runs.values()])
    longer = []
    for projected, single in zip(runs[PROJECTED], runs[SINGLE]):
        budget, used = (spent(each.options(), equal)[clock] for each in (projected, single))
        saves = max(SAVES, math.ceil(SAVES * budget / used))
        longer.append(training_runs.Run(single.experiment, single.overrides | {"MAXITER": saves * savefreq(arguments)}))
    train(longer)

    command.start_tensorflow()
    from rpgan_tf.studies import rpgan_figure2

    rows, pairs = [], []
    for projected, single in zip(runs[PROJECTED], longer):
        budget = spent(projected.options(), equal)[clock]
        last = max(i for i in saved(single.options()) if spent(single.options(), i)[clock] <= budget)
        further = {last, saved(single.options())[-1]}
        pair = [measured(arguments, projected), measured(arguments, single, further)]
        pair[1]["equal_time_iteration"] = last
        rows += pair
        pairs.append(dict(zip(("projected", "single"), map(of_claims, pair))))
    groups = rpgan_figure2.grouped([rpgan_figure2.Run(each.options().wts_dir) for each in runs[PROJECTED] + longer])
    figure = rpgan_figure2.draw(groups, with_samples=True)
    atomic.write(arguments.out.with_suffix(".png"), lambda file: figure.savefig(file, format="png", dpi=80))
    return record(arguments, rows) | {"claims": rpgan_claims.of_figure2(pairs)}


def ksweep(arguments):
    """Train every K and the single discriminator for every seed; draw the sweep, and return the record."""
    runs, seeds = {}, range(arguments.seeds)
    for seed in seeds:
        runs[SINGLE, seed] = run(arguments, SINGLE, SINGLE, seed)
        for k in arguments.K:
            filters = folder(arguments) / f"filts/K{k}_seed{seed}.npz"
            if not filters.exists():
                atomic.save_arrays(filters, projections.draw([(8, 2, 1, k)], seed))
            runs[k, seed] = run(arguments, PROJECTED, f"K{k}", seed, filts=str(filters))
    train(list(runs.values()))

    command.start_tensorflow()
    rows = {key: measured(arguments, each) for key, each in runs.items()}
    figure = draw_sweep(rows, arguments.clock)
    atomic.write(arguments.out.with_suffix(".png"), lambda file: figure.savefig(file, format="png", dpi=80))
    sweeps = [
        {
            k: {
                "seconds_per_iteration": rows[k, seed][arguments.clock] / (SAVES * savefreq(arguments)),
                "fid": rows[k, seed]["quality"][-1]["fid"],
                "high_frequency": rows[k, seed]["quality"][-1]["high_frequency"],
            }
            for k in arguments.K
        }
        for seed in seeds
    ]
    return record(arguments, list(rows.values())) | {"claims": rpgan_claims.of_ksweep(sweeps)}


def folder(arguments):
    """Return the folder of the runs."""
    return pathlib.Path(f"models/stability/{'quick' if arguments.quick else 'full'}_{arguments.iterations}")


def savefreq(arguments):
    """Return the iterations between saves, a multiple of those between looks."""
    return arguments.iterations // SAVES // looks_every(arguments) * looks_every(arguments)


def looks_every(arguments):
    """Return the iterations between looks."""
    return max(1, arguments.iterations // (SAVES * LOOKS))


def run(arguments, experiment, name, seed, **overrides):
    """Return the `training_runs.Run` of a seed."""
    values = {"seed": seed, "MAXITER": SAVES * savefreq(arguments), "SAVEFREQ": savefreq(arguments)}
    values |= {"monitor_every": looks_every(arguments), "wts_dir": f"{folder(arguments)}/{name}/seed{seed}"}
    return training_runs.Run(experiment, values | overrides | (QUICK if arguments.quick else {}))


def train(runs):
    """Train runs one after the other, since their time is measured; a run may be continued to a larger MAXITER."""
    for each in runs:
        each.check(may_change=["MAXITER"])
    failures = [failure for failure in training_runs.train(runs, processes=1) if failure]
    if failures:
        raise UserError(f"a run diverged, and nothing can be compared: {failures[0]}")


def saved(options):
    """Return the iterations that have both a saved generator and a look."""
    looked = {look["iteration"] for look in run_logs.read_looks(options.wts_dir)}
    return [iteration for iteration in checkpoint.saved_iterations(options.wts_dir, "gmodel") if iteration in looked]


def spent(options, iteration):
    """Return {"seconds", "cpu_seconds"} of training up to an iteration that has a look."""
    looks = {look["iteration"]: look for look in run_logs.read_looks(options.wts_dir)}
    if iteration not in looks:
        raise UserError(f"'{options.wts_dir}/{run_logs.FILE}' has no iteration {iteration}; delete the run to train it")
    return {clock: looks[iteration][clock] for clock in CLOCKS}


def measured(arguments, each, further=()):
    """Return the row of a run: its losses up to the common number of iterations, and the quality of its saves.

    Saves beyond that number are measured if they are in `further`.
    """
    from rpgan_tf.evaluation import evaluator

    options, equal = each.options(), SAVES * savefreq(arguments)
    iterations, mean, of_each = run_logs.read_losses(pathlib.Path(options.wts_dir) / "train.log")
    looks = [look for look in run_logs.read_looks(options.wts_dir) if look["iteration"] <= equal]
    row = {"experiment": each.experiment, "wts_dir": options.wts_dir, "overrides": each.overrides}
    row |= {"discriminators": of_each.shape[1], "iterations": options.MAXITER, "seed": options.seed}
    row |= spent(options, equal) | {
        "losses": rpgan_claims.losses(mean[iterations <= equal], of_each[iterations <= equal])
    }
    row["gradient_norm"] = float(np.nanmean(run_logs.column(looks, "gradient_norm")))
    row["quality"] = []
    for iteration in saved(options):
        if iteration <= equal or iteration in further:
            found = evaluator.evaluate(options, iteration, METRICS, arguments.samples, extractor="digits")
            numbers = evaluator.numbers(found) | {"high_frequency": high_frequency(options, iteration)}
            row["quality"].append({"iteration": iteration} | spent(options, iteration) | numbers)
            row["protocol"] = found["protocol"]
    return row


def of_claims(row):
    """Return a run as `rpgan_claims.of_figure2` takes it, with a copy of the losses: `record` drops moving means."""
    equal = [point for point in row["quality"] if point["iteration"] <= SAVES * row["overrides"]["SAVEFREQ"]]
    found = {"losses": dict(row["losses"]), "fids": [point["fid"] for point in equal]}
    found |= {"gradient_norm": row["gradient_norm"], "long_fids": [point["fid"] for point in row["quality"]]}
    found["equal_time_fid"] = next(
        (point["fid"] for point in row["quality"] if point["iteration"] == row.get("equal_time_iteration")), None
    )
    return found


def record(arguments, rows):
    """Return the record of rows: their provenance, and the rows."""
    for row in rows:
        row["losses"].pop("moving_mean", None)
    return provenance.record(range(arguments.seeds)) | {
        "iterations": SAVES * savefreq(arguments),
        "clock": arguments.clock,
        "samples": arguments.samples,
        "quick": arguments.quick,
        "rows": rows,
    }


def high_frequency(options, iteration):
    """Return the energy of samples at spatial frequencies above 1/4 cycle per pixel, relative to the data's."""
    from rpgan_tf.data import digits
    from rpgan_tf.sampling import generators, latents

    generate = generators.load(options, generators.find_weights(options, iteration))
    drawn = generate(*latents.inputs(options, options.seed, NUM_OCTAVE))
    real = np.float32(digits.images("digits", options.imsz, options.channels)) / 127.5 - 1
    frequencies = np.fft.fftfreq(options.imsz)
    highest = np.hypot(frequencies[:, None], frequencies) > 0.25
    energy = [np.mean(np.abs(np.fft.fft2(images, axes=(1, 2))[:, highest]) ** 2) for images in (drawn, real)]
    return float(energy[0] / energy[1])


def draw_sweep(rows, clock):
    """Return the figure of the sweep: FID over time, time over K, highest octave over K."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for name, _ in rows))
    seeds = sorted({seed for _, seed in rows})
    figure = Figure(figsize=(15, 4.5), layout="constrained")
    quality, time, octave = figure.subplots(1, 3)
    numbers = [name for name in names if name != SINGLE]
    for i, name in enumerate(names):
        mine = [rows[name, seed] for seed in seeds]
        x = np.mean([[point[clock] for point in row["quality"]] for row in mine], axis=0)
        y = np.array([[point["fid"] for point in row["quality"]] for row in mine])
        style = {"color": "k", "linestyle": "--"} if name == SINGLE else {"color": f"C{i}"}
        label = "single, no projection" if name == SINGLE else f"K = {name}"
        quality.plot(x, y.mean(0), marker="o", label=label, **style)
        quality.fill_between(x, y.min(0), y.max(0), color=style["color"], alpha=0.15, linewidth=0)
    quality.set(xlabel=f"{clock.replace('_', ' ')} of training", ylabel="FID (features of the digits)", yscale="log")
    quality.legend()
    for plot, label, value in (
        (time, f"{clock.replace('_', ' ')} an iteration", lambda r: r[clock] / r["quality"][-1]["iteration"]),
        (octave, "energy of the highest octave over that of the data", lambda r: r["quality"][-1]["high_frequency"]),
    ):
        values = np.array([[value(rows[name, seed]) for name in names] for seed in seeds]).T
        own = {name: each for name, each in zip(names, values)}
        for name in numbers:
            plot.plot([name] * len(seeds), own[name], "o", color="0.6")
        plot.plot(numbers, [own[name].mean() for name in numbers], "o-", color="C0", label="projections")
        plot.axhline(own[SINGLE].mean(), color="k", linestyle="--", label="single, no projection")
        plot.set(xlabel="K", ylabel=label, ylim=(0, None))
        plot.legend()
    return figure


if __name__ == "__main__":
    command.run(main)
