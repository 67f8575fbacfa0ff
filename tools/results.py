#!/usr/bin/env python3
"""Write docs/results.md, and the table in docs/devices.md, from the records in docs/results/.

tools/results.py

Records are made by tools/modes.py, tools/outcomes.py, tools/stability.py figure2 and tools/stability.py ksweep, by
tools/evaluate.py ... >> docs/results/evaluations.jsonl, and by tools/check_devices.py ... --record; the page says which
are missing. Each table stands with its command, seeds and date. Words are in tools/templates/, numbers in the
records: none is typed by hand.
"""

import json
import pathlib
import string

from rpgan_tf import command
from rpgan_tf.devices import processor
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, run_logs
from rpgan_tf.studies import rpgan_claims

FOLDER, PAGE, DEVICES = pathlib.Path("docs/results"), pathlib.Path("docs/results.md"), pathlib.Path("docs/devices.md")
TEMPLATES = pathlib.Path(__file__).parent / "templates"
COMPARABLE = ("samples", "statistics", "size", "reference_hash", "extractor_key", "order")  # in which rows must agree
MARKS = "<!-- written by tools/results.py -->", "<!-- end -->"


def main(argv):
    """Write the page and the table."""
    command.Parser(__doc__).parse_args(argv)
    records = {name: read(FOLDER / f"{name}.json") for name in SECTIONS if (FOLDER / f"{name}.json").is_file()}
    evaluated = run_logs.read_records(FOLDER / "evaluations.jsonl")
    if not records and not evaluated:
        raise UserError(
            f"no records in '{FOLDER}'; make some with tools/modes.py, tools/outcomes.py, tools/stability.py"
        )
    parts = {
        name: section(name, records[name]) if name in records else fill("missing", command=maker)
        for name, (maker, section) in SECTIONS.items()
    }
    page = fill("results", **parts, evaluations=evaluations(evaluated) if evaluated else "")
    atomic.write_text(PAGE, page.rstrip() + "\n")
    print(f"wrote {PAGE}")
    devices = [read(path) for path in sorted(FOLDER.glob("devices/*.json"))]
    if devices:
        atomic.put_between(DEVICES, MARKS, table_of_devices(devices).splitlines())


def read(path):
    """Return a record."""
    return json.loads(path.read_text())


def fill(template, **fields):
    """Return a template of tools/templates/ with its fields filled in, without the newline at its end."""
    return string.Template((TEMPLATES / f"{template}.md").read_text()).substitute(fields).removesuffix("\n")


def row(*cells):
    """Return a row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def provenance(record):
    """Return the line on how a record was made."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    # Older records name the number of cores alone.
    machine = processor.line(record["machine"]) if "machine" in record else f"{record['cores']} cores"
    seeds = ", ".join(map(str, record["seeds"]))
    return fill("provenance", **record | {"seeds": seeds, "machine": machine, "versions": versions})


def of_table(name, record):
    """Return the section of a record whose table is a text file beside it."""
    table = (FOLDER / f"{name}.txt").read_text().rstrip()
    return fill(name, **record | {"provenance": provenance(record), "table": table})


def of_stability(name, record):
    """Return the section of figure 2 or of the sweep over K: a row for each run, then the paper's statements."""
    clock, rows = record["clock"], []
    for run in record["rows"]:
        seen = f"K = {run['discriminators']}" if run["experiment"] == "digits" else "single, no projection"
        for point in run["quality"]:
            if point["iteration"] in (record["iterations"], run.get("equal_time_iteration")):
                numbers = [f"{point[key]:.2f}" for key in ("fid", "precision", "recall", "high_frequency")]
                rows.append(row(seen, run["seed"], f"{point[clock]:.0f}", point["iteration"], *numbers))
    fields = {"provenance": provenance(record), "clock": clock.replace("_", " "), "rows": "\n".join(rows)}
    fields["claims"] = rpgan_claims.text(record["claims"]).rstrip()
    return fill(name, runs=fill("stability", **record | fields))


def evaluations(rows):
    """Return the section of what tools/evaluate.py printed: a table for each set of comparable rows."""
    groups, tables = {}, []
    for each in rows:
        groups.setdefault(tuple(str(each.get(key)) for key in COMPARABLE), []).append(each)
    for group in groups.values():
        names = list(dict.fromkeys(name for each in group for name in each["values"]))
        lines = [row("experiment", "iteration", "seed", *names), "|---" * (3 + len(names)) + "|"]
        for each in group:
            values = [each["values"].get(name) for name in names]
            numbers = ["-" if value is None else f"{value:.3g}" for value in values]
            lines.append(row(each["experiment"], each["iteration"], each["seed"], *numbers))
        tables += ["\n".join(lines), *(fill("evaluation", **each) for each in group)]
    return fill("evaluations", tables="\n\n".join(tables))


def table_of_devices(records):
    """Return the table of how far several devices are apart from one: a column for each record, and how it was made."""
    rows = []
    for name in dict.fromkeys(name for record in records for name in record["rows"]):
        found = [record["rows"].get(name) for record in records]
        rows.append(row(name, *("-" if each is None else f"{each['way']:.1e}" for each in found)))
    loss = max(each["losses"] for record in records for each in record["rows"].values())
    return fill(
        "devices",
        records=" | ".join(record["what"] for record in records),
        rule="|---" * len(records),
        rows="\n".join(rows),
        loss=f"{loss:.1e}",
        made="\n".join(f"- {record['iterations']} iterations: {provenance(record)}" for record in records),
    )


SECTIONS = {  # name of the record: command that makes it, function that returns its section
    "modes": ("tools/modes.py", of_table),
    "outcomes": ("tools/outcomes.py", of_table),
    "figure2": ("tools/stability.py figure2", of_stability),
    "ksweep": ("tools/stability.py ksweep", of_stability),
}


if __name__ == "__main__":
    command.run(main)
