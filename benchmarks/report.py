#!/usr/bin/env python3
"""Write docs/speed.md, and the tables of speed in README.md, from the records in docs/results/speed/.

    benchmarks/report.py
    benchmarks/report.py --measure    run all benchmarks first, and record them

What is computed on the page comes from benchmarks/cost.py; no number is typed by hand.
"""

import pathlib
import subprocess
import sys

import cost
import measuring

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

PAGE, README = pathlib.Path("docs/speed.md"), pathlib.Path("README.md")
MARKS = "<!-- written by benchmarks/report.py -->", "<!-- end of speed -->"
HEAD = """# Speed

Written by `benchmarks/report.py` from the records in `docs/results/speed/`, each of which one command makes. All were
made on CPUs; nothing here was run on a GPU. Machines that are shared are noisy: ratios within a row, whose sides take
turns, say more than milliseconds. Every program's own help gives its protocol.
"""
SECTIONS = {
    "train_step": "RP-GAN: all discriminators at once, and one after the other",
    "against_pytorch": "Whole iterations, and the same in plain PyTorch",
    "growth": "As K, the batch and the resolution grow",
    "scaling": "Several devices",
    "compile": "Graphs and XLA",
    "stylegan2": "StyleGAN2's phases",
    "precision": "Half precision",
    "input": "Reading images",
    "startup": "Starting",
    "overhead": "What an empty iteration takes",
    "memory": "Memory of an iteration",
}


def main(argv):
    """Write the page."""
    parser = command.Parser(__doc__)
    parser.add_argument("--measure", action="store_true", help="run all benchmarks first, and record them")
    if parser.parse_args(argv).measure:
        for name in SECTIONS:
            line = [sys.executable, f"benchmarks/{name}.py", "--record"]
            if subprocess.run(line).returncode:
                raise UserError(f"benchmarks/{name}.py did not end; the records before it are made, the page is not")
    paths = {name: measuring.RECORDS / f"{name}.txt" for name in SECTIONS}
    blocks = {name: f"```\n{path.read_text()}```\n" for name, path in paths.items() if path.is_file()}
    if not blocks:
        raise UserError(f"no records in '{measuring.RECORDS}'; make some with benchmarks/train_step.py --record")
    parts = [f"## {SECTIONS[name]}\n\n{block}" for name, block in blocks.items()]
    atomic.write_text(PAGE, "\n".join([HEAD, *parts, computed()]))
    print(f"wrote {PAGE}")
    atomic.put_between(
        README, MARKS, ["", *(blocks[name] for name in ("train_step", "against_pytorch") if name in blocks)]
    )


def computed():
    """Return the section on face48 on H100s."""
    work, machine = cost.Work(num_discriminators=48, bsz=64, df=128, imsz=64, f1=1024), cost.H100
    lines = [
        "## face48 on H100s: computed, not measured",
        "",
        f"An iteration of `exp/face48.py` is {work.iteration / 1e12:.2f} TFLOP, {work.generator / work.iteration:.0%} "
        f"of them G's; its discriminators have {work.weights / 1e6:.0f} million weights and move at least "
        f"{work.bytes / 1e9:.0f} GB (`benchmarks/cost.py`). The least times, at the full rates of the data sheet "
        f"({machine.flops / 1e12:.0f} TFLOP/s of TF32, {machine.memory / 1e12:.2f} TB/s, {machine.link / 1e9:.0f} GB/s "
        "of NVLink each way), which no program reaches:",
        "",
        "| devices | divided | ms | images/s |",
        "|---|---|---|---|",
    ]
    rows = [(1, "-", machine.seconds(work.iteration, work.bytes))]
    for count in (2, 8):
        rows += [(count, what, cost.divided(work, count, machine, what)) for what in ("batch", "discriminators")]
    lines += [f"| {count} | {what} | {s * 1e3:.1f} | {work.bsz / s:.0f} |" for count, what, s in rows]
    bound = "bytes" if work.bytes / machine.memory > work.iteration / machine.flops else "operations"
    lines += [
        "",
        f"On one device the bound is that of {bound}. With the batch divided, every device reads and moves all "
        f"weights, and sends {8 * work.weights * 7 / 8 / 1e9:.1f} GB of their gradients between 8; with the "
        "discriminators divided (`divide = 'discriminators'`) it holds and moves an eighth of them, and images are all "
        "that is sent.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(main)
