#!/usr/bin/env python3
"""Measure mode collapse: train objectives on mixtures and stacked digits, and count the modes that samples reach.

tools/modes.py                                   the best experiment of each benchmark, and the standard GAN on its nets
tools/modes.py grid25 --objectives gan rsgan wgangp --projections both
tools/modes.py ring8 --profile quick --seeds 2   a tenth of the iterations: minutes
tools/modes.py ring8 grid25 --profile paper --seeds 10     PacGAN's nets, optimizer and 400,000 iterations

Benchmarks: the mixtures ring8, grid25, grid9 and 1200d, and stacked: three of the embedded digits as red, green and
blue, 1,000 modes that a classifier counts. Runs are trained one a core below models/modes, resumed from their last
save, and counted at each save. The table compares them with the data and with published numbers; it is of the last
iteration, with means and standard errors over the seeds. Writes OUT.json, OUT.txt and OUT.png. By default, OUT is
docs/results/modes for the first command above, and models/modes/<profile>/table for others.
"""

import json
import pathlib

import numpy as np

from rpgan_tf import checkpoint, command, config
from rpgan_tf.data import mixtures, names
from rpgan_tf.errors import UserError, nearest
from rpgan_tf.files import atomic, provenance
from rpgan_tf.studies import mode_coverage, training_runs

BENCHMARKS = {  # name: experiment with the best settings found
    "ring8": "modes_ring8",
    "grid25": "modes_grid25",
    "grid9": "modes_grid9",
    "1200d": "modes_1200d",
    "stacked": "modes_stacked",
}
OBJECTIVES = {  # name: overrides of that experiment; None for options that the GAN lacks
    "best": {},
    "gan": {"gan": "DCGAN", "pack": 1, "penalty": None, "ema": 0},
    "pacgan2": {"gan": "DCGAN", "pack": 2, "penalty": None},
    "rsgan": {"gan": "RSGAN", "pack": 1, "penalty": 0},
    "rasgan": {"gan": "RaSGAN", "pack": 1, "penalty": 0},
    "ralsgan": {"gan": "RaLSGAN", "pack": 1, "penalty": 0},
    "wgangp": {"gan": "WGANGP", "pack": 1, "penalty": 10},
    "r3gan": {"gan": "R3GAN", "pack": 1, "schedule_kimg": None, "ema_kimg": None},
    "realness": {"gan": "RealnessGAN", "pack": 1, "penalty": None},
}
PROJECTIONS = {  # by channels: filters, and for images the nets for projections
    2: {"filts": "filts/K12_ring.npz"},
    1200: {"filts": "filts/K24_1200d.npz"},
    3: {"filts": "filts/K12_dm12.npz", "net": "rpgan", "f1": 64, "df": 16, "ngf": None, "ndf": None, "d_norm": None},
}
PROJECTED = {"as_is": [None], "with": [True], "without": [False], "both": [False, True]}  # None: as the experiment
DEFAULT = ["best", "gan"]
PAPER = {  # Lin et al., arXiv 1712.04086
    "g_width": 400,
    "d_width": 200,
    "bsz": 100,
    "zlen": 2,
    "learning_rate": 1e-4,
    "beta_1": 0.8,
    "beta_2": 0.999,
    "decay": 0,
    "ema": 0,
    "MAXITER": 400000,
    "SAVEFREQ": 20000,
}
PUBLISHED = pathlib.Path("docs/results/published.json")


def main(argv):
    """Train, count and write as `argv` says."""
    arguments = parse(argv)
    seeds = range(arguments.seeds)
    rows = [
        Row(benchmark, objective, projections, arguments.profile)
        for benchmark in arguments.benchmarks
        for objective in arguments.objectives
        for projections in PROJECTED[arguments.projections]
    ]
    runs = {row: [row.run(seed) for seed in seeds] for row in rows}
    for run in sum(runs.values(), []):
        run.check()

    failures = iter(training_runs.train(sum(runs.values(), []), arguments.processes))
    command.start_tensorflow()
    counted = [row.count(runs[row], [next(failures) for _ in seeds]) for row in rows]
    result = provenance.record(seeds) | {"profile": arguments.profile, "rows": []}
    for benchmark in arguments.benchmarks:
        mine = [row for row in counted if row["benchmark"] == benchmark]
        result["rows"] += [real(benchmark, mine[0], arguments.seeds), *mine]
    atomic.write_text(arguments.out.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    text = table(result["rows"], json.loads(PUBLISHED.read_text()) if PUBLISHED.is_file() else [])
    atomic.write_text(arguments.out.with_suffix(".txt"), text)
    print(text)
    draw(arguments.out.with_suffix(".png"), runs)
    print(f"wrote {arguments.out}.json, {arguments.out}.txt, {arguments.out}.png")


def parse(argv):
    """Return the arguments: each name once, and `out` as a path."""
    parser = command.Parser(__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help=f"{', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--objectives", nargs="+", default=DEFAULT, help=f"{', '.join(OBJECTIVES)}; default best gan")
    parser.add_argument("--projections", choices=list(PROJECTED), default="as_is")
    parser.add_argument("--seeds", type=command.count, default=5, metavar="N", help="seeds 0 to N - 1 (default 5)")
    parser.add_argument("--profile", choices=["full", "quick", "paper"], default="full")
    parser.add_argument("--processes", type=command.count, help="runs at a time (default: one a core)")
    parser.add_argument("--out", help="path without suffix")
    arguments = parser.parse_args(argv)
    arguments.benchmarks = list(dict.fromkeys(arguments.benchmarks or BENCHMARKS))
    arguments.objectives = list(dict.fromkeys(arguments.objectives))
    for chosen, known in ((arguments.benchmarks, BENCHMARKS), (arguments.objectives, OBJECTIVES)):
        for name in chosen:
            if name not in known:
                raise UserError(f"no '{name}'; {nearest(name, known)}")
    whole = arguments.profile == "full" and arguments.seeds >= 5 and arguments.projections == "as_is"
    whole = whole and set(arguments.benchmarks) == set(BENCHMARKS) and arguments.objectives == DEFAULT
    out = "docs/results/modes" if whole else f"models/modes/{arguments.profile}/table"
    arguments.out = pathlib.Path(arguments.out or out)
    return arguments


class Row:
    """A row of the table: an experiment with overrides, trained once for each seed.

    Args:
        benchmark: name in `BENCHMARKS`.
        objective: name in `OBJECTIVES`.
        projections: whether discriminators see random projections; None for the experiment's own setting.
        profile: "full", "quick" or "paper".
    """

    def __init__(self, benchmark, objective, projections, profile):
        experiment = BENCHMARKS[benchmark]
        values = config.load(experiment)
        overrides = dict(OBJECTIVES[objective])
        if profile == "paper":
            if benchmark not in ("ring8", "grid25"):
                raise UserError("--profile paper is PacGAN's for ring8 and grid25; leave out the other benchmarks")
            overrides |= PAPER
        if profile == "quick":
            overrides |= {key: getattr(values, key) // 10 for key in ("MAXITER", "SAVEFREQ")}
            overrides["decay"] = 10 * values.decay
        if projections:
            overrides |= PROJECTIONS[values.channels]
        elif projections is not None:
            overrides["filts"] = None
        self.benchmark, self.objective, self.experiment, self.overrides = benchmark, objective, experiment, overrides
        self.folder = "_".join([objective] + {True: ["rp"], False: ["single"]}.get(projections, []))
        self.folder = f"models/modes/{profile}/{benchmark}/{self.folder}"

    def run(self, seed):
        """Return the `training_runs.Run` of a seed."""
        return training_runs.Run(
            self.experiment, self.overrides | {"seed": seed, "wts_dir": f"{self.folder}/seed{seed}"}
        )

    def count(self, runs, failures):
        """Return the row: means and standard errors over the runs, and the curve over their iterations.

        A diverged run counts with no modes and no samples of high quality; it has no other numbers.
        """
        options = runs[0].options()
        nothing = {rule: {"modes": 0, "high_quality": 0.0} for rule in mode_coverage.rules_of(options)}
        curves = [[] if failure else mode_coverage.count_run(run.options()) for run, failure in zip(runs, failures)]
        last = [curve[-1][1] if curve else nothing for curve in curves]
        diverged = sum(map(bool, failures))
        lost = f", {diverged} of {len(runs)} diverged" if diverged else ""
        return {
            "benchmark": self.benchmark,
            "name": label(self.objective, options) + lost,
            "experiment": self.experiment,
            "options": {key: value for key, value in self.overrides.items() if key != "filts"},
            "projections": options.filts,
            "iterations": options.MAXITER,
            "diverged": diverged,
            "rules": {rule: mode_coverage.summary([counts[rule] for counts in last]) for rule in nothing},
            "curve": mode_coverage.mean_curve([curve for curve in curves if curve]),
        }


def label(objective, options):
    """Return the name of a row: its objective and what is added to that."""
    parts = [options.gan]
    parts += [f"projections of K = {np.load(options.filts)['nfilt']}"] if options.filts else []
    parts += [f"packing {options.pack}"] if options.pack > 1 else []
    parts += [f"penalty {options.penalty:g}"] if options.penalty else []
    parts += ["EMA"] if checkpoint.has_average(options) else []
    return ("best: " if objective == "best" else "") + ", ".join(parts)


def real(benchmark, row, num_seeds):
    """Return the row of the data themselves: the score of a perfect model."""
    loaded = [config.load(BENCHMARKS[benchmark], {"seed": seed}) for seed in range(num_seeds)]
    counts = [mode_coverage.count_samples(mode_coverage.real_samples(options), options) for options in loaded]
    rules = {rule: mode_coverage.summary([each[rule] for each in counts]) for rule in row["rules"]}
    return {"benchmark": benchmark, "name": "the data", "rules": rules}


COLUMNS = {  # count: heading, scale, decimals
    "modes": ("modes", 1, 1),
    "high_quality": ("high quality %", 100, 1),
    "reverse_kl": ("KL", 1, 3),
    "width": ("width", 1, 2),
}


def table(rows, published):
    """Return the table as text, with the published numbers of each benchmark and rule."""
    lines = []
    for benchmark in dict.fromkeys(row["benchmark"] for row in rows):
        mine = [row for row in rows if row["benchmark"] == benchmark]
        for rule in mine[0]["rules"]:
            theirs = [row for row in published if (row["benchmark"], row["rule"]) == (benchmark, rule)]
            body = [[row["name"], *(cell(row["rules"][rule].get(key), key) for key in COLUMNS)] for row in mine]
            body += [
                [f"{row['name']} ({row['source']})", *(cell(row.get(key), key) for key in COLUMNS)] for row in theirs
            ]
            head = [f"{benchmark}, {rule}", *(title for title, _, _ in COLUMNS.values())]
            widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
            for line in [head, *body]:
                first, *others = [text.rjust(width) for text, width in zip(line, widths)]
                lines.append("  ".join([first.strip().ljust(widths[0]), *others]))
            lines.append("")
    return "\n".join(lines)


def cell(value, key):
    """Return a mean with its standard error as text; `value` is of `mode_coverage.summary`, or a published list."""
    _, scale, digits = COLUMNS[key]
    if not value:
        return "-"
    mean, error = (value["mean"], value["error"]) if isinstance(value, dict) else (*value, None)[:2]
    if mean is None:
        return "-"
    scale = scale if isinstance(value, dict) else 1  # published shares are in percent
    return f"{scale * mean:.{digits}f}" + ("" if error is None else f" +- {scale * error:.{digits}f}")


def draw(path, rows):
    """Draw samples of each row's first seed over the data, benchmarks along the longer side of the picture."""
    from matplotlib.figure import Figure

    from rpgan_tf.sampling import pictures

    benchmarks = list(dict.fromkeys(row.benchmark for row in rows))
    groups = [[each for each in rows.items() if each[0].benchmark == benchmark] for benchmark in benchmarks]
    shape = max(map(len, groups)), len(groups)
    figure = Figure(figsize=(4 * max(shape), 4.3 * min(shape)), layout="constrained")
    plots = figure.subplots(min(shape), max(shape), squeeze=False)
    plots = plots if shape[0] <= shape[1] else plots.T  # [objectives, benchmarks]
    for plot in plots.flat:
        plot.axis("off")
    for i, group in enumerate(groups):
        for j, (row, runs) in enumerate(group):
            plot, options = plots[j, i], runs[0].options()
            plot.set_title(f"{row.benchmark}: {label(row.objective, options)}", fontsize=9)
            if options.lfile == names.STACKED:
                plot.imshow(pictures.grid(mode_coverage.samples(options, count=100), 10))
                continue
            plot.axis("on")
            pictures.scatter_on(plot, mode_coverage.samples(options, count=2500), mixtures.find(options.lfile))
    atomic.write(path, lambda file: figure.savefig(file, format="png", dpi=80))


if __name__ == "__main__":
    command.run(main)
