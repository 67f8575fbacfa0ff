#!/usr/bin/env python3
"""Draw docs/wings.png: the wings of rpgan_tf, and which of them imports which, read from their sources.

docs/wings.py

Every import counts, also one within a function, but for those that only type checkers follow. An arrow that follows
from two others is left out. Ends with a message if wings import each other in a circle.
"""

import ast
import pathlib
import sys

DOCS = pathlib.Path(__file__).parent
PACKAGE = DOCS.parent / "rpgan_tf"
CONTENTS = {  # name: what is written below it; in this order from left to right, where nothing else decides
    "studies": "reproductions",
    "training": "callbacks, monitor",
    "evaluation": "metrics, features",
    "sampling": "samples, pictures",
    "factory": "options to a GAN",
    "gans": "one file a paper",
    "gan": "the iteration",
    "many": "K discriminators",
    "nets": "one file a family",
    "augmentation": "what D is shown",
    "checkpoint": "weights, resuming",
    "command": "command lines",
    "devices": "replicas, steps",
    "data": "batches of images",
    "config": "options, checks",
    "projections": "random filters",
    "files": "formats on disk",
}
WITH_DEVICES = {"optimizers", "randomness"}  # they know replicas, and the steps know them
WITH_GAN = {"averages", "schedules"}  # what every GAN has beside its iteration
EVERYWHERE = {"errors", "images", "__init__"}  # imported by all, or names alone


def imported(path):
    """Return the names below rpgan_tf that a file imports."""
    tree = ast.parse(path.read_text())
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    skipped = {inner for node in typing for inner in ast.walk(node)}
    names = []
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "rpgan_tf":
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rpgan_tf."):
            names.append(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names += [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("rpgan_tf.")]
    return names


def wing(name):
    """Return the wing that a folder or module of rpgan_tf is counted with."""
    return "devices" if name in WITH_DEVICES else "gan" if name in WITH_GAN else name


def measure():
    """Return {wing: wings that it imports}."""
    found = {name: set() for name in CONTENTS}
    for path in PACKAGE.rglob("*.py"):
        name = wing(path.relative_to(PACKAGE).parts[0].removesuffix(".py"))
        if name not in EVERYWHERE:
            found[name] |= set(map(wing, imported(path))) - EVERYWHERE - {name}
    return found


def heights(found):
    """Return {wing: length of the longest way down}."""
    known = {}

    def height(name, above=()):
        if name in above:
            sys.exit(f"a circle of imports: {' -> '.join((*above[above.index(name) :], name))}")
        if name not in known:
            known[name] = max((height(below, (*above, name)) + 1 for below in found[name]), default=0)
        return known[name]

    return {name: height(name) for name in found}


def reachable(found, name):
    """Return all wings below one."""
    return set().union(*({below} | reachable(found, below) for below in found[name]))


def places(found, rows):
    """Return {wing: (x, y)} of the middle of its box, a box being 1 wide and rows 1 apart."""
    middles = {}
    for row in range(max(rows.values()) + 1):
        floor = [name for name in CONTENTS if rows[name] == row]
        if row:  # above the middle of what a wing imports
            floor.sort(key=lambda name: sum(middles[below][0] for below in found[name]) / len(found[name]))
        for i, name in enumerate(floor):
            middles[name] = 1.15 * (i - (len(floor) - 1) / 2), row
    return middles


def draw(found, path):
    """Write the picture as PNG."""
    from matplotlib import figure, patches

    middles = places(found, heights(found))
    xs, ys = zip(*middles.values())
    width, height = max(xs) - min(xs) + 1.1, max(ys) + 0.7
    axes = figure.Figure((1.5 * width, 0.95 * height)).add_axes((0, 0, 1, 1))
    axes.set(xlim=(min(xs) - 0.55, max(xs) + 0.55), ylim=(-0.35, max(ys) + 0.35))
    axes.set_axis_off()
    for name, belows in found.items():
        longer = set().union(*(reachable(found, below) for below in belows))
        for below in belows - longer:
            (x1, y1), (x2, y2) = middles[name], middles[below]
            bend = 0.25 if y1 - y2 > 1 else 0.0  # around the boxes between
            style = {"arrowstyle": "-|>", "color": "0.45", "connectionstyle": f"arc3,rad={bend if x1 > x2 else -bend}"}
            axes.annotate("", (x2, y2 + 0.24), (x1, y1 - 0.24), arrowprops=style, zorder=1)
    for name, (x, y) in middles.items():
        folder = (PACKAGE / name).is_dir()
        colors = (
            {"facecolor": "#e8eaf6", "edgecolor": "#3f51b5"}
            if folder
            else {"facecolor": "#fff8e1", "edgecolor": "#c0902f"}
        )
        box = patches.FancyBboxPatch((x - 0.46, y - 0.2), 0.92, 0.4, boxstyle="round,pad=0.04", zorder=2, **colors)
        axes.add_patch(box)
        axes.text(x, y + 0.08, f"{name}{'/' if folder else '.py'}", ha="center", va="center", weight="bold", size=11)
        axes.text(x, y - 0.1, CONTENTS[name], ha="center", va="center", size=9)
    axes.figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(measure(), DOCS / "wings.png")
