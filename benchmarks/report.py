#!/usr/bin/env python3
"""Write docs/speed.md from the records in docs/results/speed/, those of each kind of processor in a folder.

    benchmarks/report.py
    benchmarks/report.py --measure    run all benchmarks first, and record them

Variables before the command limit TensorFlow, PyTorch and XLA to less than the processor has; such records are a kind
of their own, here avx2-limited:

    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 XLA_FLAGS=--xla_cpu_max_isa=AVX2 benchmarks/report.py --measure

Words are in benchmarks/templates/, measured numbers in the records, and benchmarks/cost.py computes the others: none is
typed by hand.
"""

import pathlib
import re
import string
import subprocess
import sys

import cost
import measuring

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

PAGE, TEMPLATES = pathlib.Path("docs/speed.md"), pathlib.Path(__file__).parent / "templates"


def main(argv):
    """Write the page."""
    parser = command.Parser(__doc__)
    parser.add_argument("--measure", action="store_true", help="run all benchmarks first, and record them")
    failed = []
    if parser.parse_args(argv).measure:
        run = lambda name: subprocess.run([sys.executable, f"benchmarks/{name}.py", "--record"])  # noqa: E731
        failed = [name for name in sections() if run(name).returncode]
    kinds = sorted(path.name for path in measuring.RECORDS.glob("*") if list(path.glob("*.txt")))
    if not kinds:
        raise UserError(f"no records in '{measuring.RECORDS}'; make some with benchmarks/train_step.py --record")
    parts = {name: section(name, kinds) for name in sections()}
    atomic.write_text(PAGE, fill("speed", **parts, speedups=speedups(kinds), face48=face48()) + "\n")
    print(f"wrote {PAGE}")
    if failed:
        raise UserError(f"no new records of {', '.join(failed)}: see above why; run benchmarks/NAME.py --record again")


def section(name, kinds):
    """Return the records of a benchmark, one kind of processor after the other."""
    paths = {kind: measuring.RECORDS / kind / f"{name}.txt" for kind in kinds}
    found = [f"`{kind}`:\n\n```\n{path.read_text()}```" for kind, path in paths.items() if path.is_file()]
    return "\n\n".join(found) or fill("missing", benchmark=name)


def speedups(kinds):
    """Return the table of best PyTorch / here: a row for each GAN and size, a column for each kind of processor."""
    rows = {}
    for kind in kinds:
        for path in sorted((measuring.RECORDS / kind).glob("*.txt")):
            for title, form, ratio in re.findall(measuring.TITLE, path.read_text(), re.M):
                rows.setdefault(title, {})[kind] = f"{ratio} ({form})"
    if not rows:
        return fill("missing", benchmark="against_pytorch")
    head = [f"| GAN and size | {' | '.join(kinds)} |", "|---" * (1 + len(kinds)) + "|"]
    cells = (" | ".join(row.get(kind, "") for kind in kinds) for row in rows.values())
    return "\n".join([*head, *(f"| {title} | {row} |" for title, row in zip(rows, cells))])


def template(name):
    """Return a template of benchmarks/templates/, without the newline at its end."""
    return string.Template((TEMPLATES / f"{name}.md").read_text().removesuffix("\n"))


def fill(name, **fields):
    """Return a template with its fields filled in."""
    return template(name).substitute(fields)


def sections():
    """Return the benchmarks that have a section on the page, in its order."""
    return [name for name in template("speed").get_identifiers() if name not in ("speedups", "face48")]


def face48():
    """Return the section on face48 on H100s."""
    work, machine = cost.Work(num_discriminators=48, bsz=64, df=128, imsz=64, f1=1024), cost.H100
    rows = [(1, "-", machine.seconds(work.iteration, work.bytes))]
    for count in (2, 8):
        rows += [(count, part, cost.divided(work, count, machine, part)) for part in ("batch", "discriminators")]
    return fill(
        "face48",
        iteration=f"{work.iteration / 1e12:.2f}",
        generator=f"{work.generator / work.iteration:.0%}",
        weights=f"{work.weights / 1e6:.0f}",
        bytes=f"{work.bytes / 1e9:.0f}",
        flops=f"{machine.flops / 1e12:.0f}",
        memory=f"{machine.memory / 1e12:.2f}",
        link=f"{machine.link / 1e9:.0f}",
        rows="\n".join(f"| {count} | {part} | {s * 1e3:.1f} | {work.bsz / s:.0f} |" for count, part, s in rows),
        bound="memory's" if work.bytes / machine.memory > work.iteration / machine.flops else "arithmetic's",
        sent=f"{8 * work.weights * 7 / 8 / 1e9:.1f}",
    )


if __name__ == "__main__":
    command.run(main)
