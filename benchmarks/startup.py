#!/usr/bin/env python3
"""Time how long commands take to start, each in a process of its own.

    benchmarks/startup.py            help, a mistake, sample.py on face48's weights, first iterations
    benchmarks/startup.py --quick    help and a mistake only

Protocol. Rounds alternate over all calls; medians over the rounds are printed, of the elapsed and the processor time.
`import tensorflow` is part of sample.py and train.py, too. face48's weights are random; face12 trains with a batch of
16 on random images. A first iteration is all of train.py but its callbacks, since saving face12 takes longer: cold
without the cache of what XLA compiles, warm with it, resumed from a save with it.
"""

import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import measuring

from rpgan_tf import command

ROOT = pathlib.Path(__file__).parents[1]
SAVE = """
import sys
from rpgan_tf import checkpoint, config, factory
options = config.load(sys.argv[1], {"wts_dir": "models/face48"})
checkpoint.save_npz(factory.build_generator(options, 0), "models/face48/iter_1.gmodel.npz")
"""
IMAGES = """
import numpy as np, PIL.Image
for i in range(64):
    pixels = np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(f"{i}.png")
open("faces.txt", "w").write("".join(f"{i}.png\\n" for i in range(64)))
"""
ITERATION = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import train
from rpgan_tf.training import callbacks
callbacks.for_run = lambda gan, options: []
train.main(sys.argv[1:])
"""
FILTERS = f"filts={ROOT / 'filts/K12_dm12.npz'}"
TRAINED = {"face12": [FILTERS, "bsz=16", "lfile=faces.txt"], "digits": [FILTERS], "glead_digits": []}


def main(argv):
    """Time as `argv` says."""
    parser = command.Parser(__doc__)
    measuring.add_options(parser, "help and a mistake only")
    arguments = parser.parse_args(argv)
    table = measuring.Table(arguments)
    face48, face12 = (str(ROOT / f"exp/{name}.py") for name in ("face48", "face12"))
    calls = {
        "train.py --help": ["train.py", "--help"],
        "sample.py --help": ["sample.py", "--help"],
        "tools/evaluate.py --help": ["tools/evaluate.py", "--help"],
        "train.py face48 --set bzs=1": ["train.py", face48, "--set", "bzs=1"],
    }
    if not arguments.quick:
        calls |= {
            "import tensorflow": ["-c", "import tensorflow"],
            "sample.py face48": ["sample.py", face48, "out.png", "--set", "wts_dir=models/face48"],
        }
        calls |= first_iterations()
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.quick:
            os.makedirs(f"{folder}/models/face48")
            run(folder, ["-c", SAVE, face48])
            run(folder, ["-c", IMAGES])
            for name, values in TRAINED.items():
                run(folder, ["train.py", str(ROOT / f"exp/{name}.py"), "--set", *values, "MAXITER=1"])
        times = {name: [] for name in calls}
        for _ in range(arguments.rounds):
            for name, line in calls.items():
                if name.endswith("cold"):
                    shutil.rmtree(f"{folder}/cache")
                times[name].append(run(folder, line))
    table(f"{'command':30} | seconds  CPU seconds")
    for name, found in times.items():
        clock, processors = (statistics.median(each) for each in zip(*found))
        table(f"{name:30} | {clock:7.2f} {processors:12.2f}")
    table.close()


def first_iterations():
    """Return {row: command line} of first iterations, in the order in which they must run."""
    calls = {}
    for name, values in TRAINED.items():
        line = ["-c", ITERATION, str(ROOT / f"exp/{name}.py"), "--set", *values]
        for state in ("cold", "warm"):
            calls[f"train.py {name}, {state}"] = [*line, "MAXITER=1", "wts_dir=models/new"]
        calls[f"train.py {name}, resumed"] = [*line, "MAXITER=2"]
    return calls


def run(folder, line):
    """Run a command of this library, or Python's -c; return the elapsed and the processor seconds."""
    line = [sys.executable, line[0] if line[0] == "-c" else str(ROOT / line[0]), *line[1:]]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"RPGAN_TF_CACHE": f"{folder}/cache"}
    process = subprocess.run(line, cwd=folder, capture_output=True, text=True, env=environment)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode not in (0, 2):
        raise SystemExit(process.stderr[-3000:])
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    command.run(main)
