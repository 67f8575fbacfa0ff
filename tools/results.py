#!/usr/bin/env python3
"""Write docs/results.md, and the tables of README.md and docs/devices.md, from what was recorded in docs/results/.

tools/results.py

Records are made by tools/modes.py, tools/outcomes.py, tools/stability.py figure2 and tools/stability.py ksweep, by
tools/evaluate.py ... >> docs/results/evaluations.jsonl, and by tools/check_devices.py ... --record; what is not there
is left out, and said. Each table stands with its command, seeds and date; no number is typed by hand.
"""

import json
import pathlib

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import protocol
from rpgan_tf.files import atomic
from rpgan_tf.studies import rpgan_claims

FOLDER, PAGE, README = pathlib.Path("docs/results"), pathlib.Path("docs/results.md"), pathlib.Path("README.md")
DEVICES = pathlib.Path("docs/devices.md")
COMPARABLE = ("samples", "statistics", "size", "reference_hash", "extractor_key", "order")  # in which rows must agree
MARKS = "<!-- written by tools/results.py -->", "<!-- end -->"
HEAD = """# Results

This page is written by `tools/results.py` from the records beside it in `docs/results/`; edit the tools, not the page.
Numbers are means and, after +-, standard errors over the seeds.
"""


def main(argv):
    """Write the page."""
    command.Parser(__doc__).parse_args(argv)
    parts = [section(name, *of) for name, of in SECTIONS.items()] + evaluations()
    if not any((FOLDER / f"{name}.json").is_file() for name in SECTIONS) and not parts[len(SECTIONS) :]:
        raise UserError(
            f"no records in '{FOLDER}'; make some with tools/modes.py, tools/outcomes.py, tools/stability.py"
        )
    atomic.write_text(PAGE, "\n".join([HEAD, *parts]))
    print(f"wrote {PAGE}")
    if (FOLDER / "modes.txt").is_file():
        atomic.put_between(README, MARKS, table_of_modes())
    if any(FOLDER.glob("devices/*.json")):
        atomic.put_between(DEVICES, MARKS, table_of_devices())


def section(name, title, maker, body):
    """Return a section of the page."""
    path = FOLDER / f"{name}.json"
    lines = [f"## {title}", ""]
    if not path.is_file():
        return "\n".join([*lines, f"Not recorded here yet: `{maker}` does.", ""])
    result = json.loads(path.read_text())
    lines += [provenance(result), "", *body(name, result)]
    if path.with_suffix(".png").is_file():
        lines += [f"![{title}](results/{name}.png)", ""]
    return "\n".join(lines)


def provenance(result):
    """Return the line that says how a record was made."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    seeds = ", ".join(map(str, result["seeds"]))
    return f"`{result['command']}`, seeds {seeds}, {result['date']}, {result['cores']} cores, {versions}."


def table_of_modes():
    """Return the lines of the mode-coverage benchmark for the README: how it was made, the table and the picture."""
    result = json.loads((FOLDER / "modes.json").read_text())
    return [
        provenance(result),
        "",
        "```",
        (FOLDER / "modes.txt").read_text().rstrip(),
        "```",
        "",
        f"![Samples of the first seed]({FOLDER}/modes.png)",
    ]


def table_of_devices():
    """Return the lines of how far several devices are apart from one, a column for each record, and how it was made."""
    records = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("devices/*.json"))]
    names = list(dict.fromkeys(name for record in records for name in record["rows"]))
    lines = [f"| | {' | '.join(record['what'] for record in records)} |", "|---" * (1 + len(records)) + "|"]
    for name in names:
        rows = [record["rows"].get(name) for record in records]
        lines.append(f"| {name} | {' | '.join('-' if row is None else format(row['way'], '.1e') for row in rows)} |")
    loss = max(row["losses"] for record in records for row in record["rows"].values())
    lines += ["", f"The losses of the last iteration differ by {loss:.1e} at most. Made by:", ""]
    return lines + [f"- {record['iterations']} iterations: {provenance(record)}" for record in records]


def of_modes(name, result):
    """Return the lines of the mode-coverage benchmark."""
    text = (FOLDER / f"{name}.txt").read_text().rstrip()
    return [
        f"Profile {result['profile']}; counted after the last iteration. *KL* is of the modes' shares among samples "
        "of high quality, *width* that of a mode's samples over the data's. Rows with a source are published numbers, "
        "of other budgets and nets. Of 1,200 dimensions, the published rule of 10 standard deviations accepts no "
        "sample of the data themselves, which lie 26.5 from their means; that of the shell takes these. Stacked "
        "digits stand beside stacked MNIST, which has the same 1,000 modes and other images.",
        "",
        "```",
        text,
        "```",
        "",
    ]


def of_outcomes(name, result):
    """Return the lines of RealnessGAN's figure 3."""
    text = (FOLDER / f"{name}.txt").read_text().rstrip()
    return [
        f"{result['iterations']} iterations each; modes and high quality by the rule of {result['rule']}. The paper's "
        f"numbers: {result['source']}.",
        "",
        "```",
        text,
        "```",
        "",
    ]


def of_stability(name, result):
    """Return the lines of figure 2 or of the sweep over K: a row for each run, then the paper's statements."""
    clock = result["clock"]
    lines = [
        f"{result['iterations']} iterations each, {result['samples']} samples measured; {clock.replace('_', ' ')} are "
        "of training alone.",
        "",
        f"| D | seed | {clock.replace('_', ' ')} | last iteration | FID | precision | recall | highest octave |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        what = f"K = {row['discriminators']}" if row["experiment"] == "digits" else "single, no projection"
        for point in row["quality"]:
            if point["iteration"] in (result["iterations"], row.get("equal_time_iteration")):
                numbers = [f"{point[key]:.2f}" for key in ("fid", "precision", "recall", "high_frequency")]
                cells = [what, row["seed"], f"{point[clock]:.0f}", point["iteration"], *numbers]
                lines.append("| " + " | ".join(map(str, cells)) + " |")
    return [*lines, "", "```", rpgan_claims.text(result["claims"]).rstrip(), "```", ""]


def evaluations():
    """Return the section of what tools/evaluate.py printed, none without: a table for what can be compared."""
    groups = {}
    for row in protocol.read(FOLDER / "evaluations.jsonl"):
        groups.setdefault(tuple(str(row.get(key)) for key in COMPARABLE), []).append(row)
    lines = ["## Objectives on the digits", ""] if groups else []
    for rows in groups.values():
        names = list(dict.fromkeys(name for row in rows for name in row["values"]))
        lines += [f"| experiment | iteration | seed | {' | '.join(names)} |", "|---" * (3 + len(names)) + "|"]
        for row in rows:
            cells = [row["experiment"], row["iteration"], row["seed"]]
            cells += ["-" if row["values"].get(name) is None else f"{row['values'][name]:.3g}" for name in names]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
        lines.append("")
        for row in rows:
            lines += [f"`{row['command']}`, {row['date']}; {row['protocol']}.", ""]
    return ["\n".join(lines)] if lines else []


SECTIONS = {
    "modes": ("Mode coverage", "tools/modes.py", of_modes),
    "outcomes": ("RealnessGAN: outcomes and steps of G", "tools/outcomes.py", of_outcomes),
    "figure2": ("RP-GAN against a single discriminator", "tools/stability.py figure2", of_stability),
    "ksweep": ("RP-GAN: the number of discriminators", "tools/stability.py ksweep", of_stability),
}


if __name__ == "__main__":
    command.run(main)
