"""The pages name every option with its default, every tool and every experiment; links, paths and commands hold."""

import ast
import pathlib
import re
import shlex

import PIL.Image
import pytest

from rpgan_tf import config
from rpgan_tf.config import declared
from rpgan_tf.errors import UserError
from tests.conftest import ROOT

GUIDES = [path for path in sorted(ROOT.glob("docs/*.md")) if path.stem not in ("results", "speed")]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
OF_RUNS = (  # commands whose first argument is an experiment
    *("train", "baseline_train", "sample", "fixbn", "interp", "morph", "timelapse", "dump", "evaluate"),
    *("generate", "reconstruct", "nearest", "project", "import_torch"),
)


def resolved():
    """Return {(gan, net): the options that its experiments can set, with their defaults} of every pair that can be."""
    found = {}
    for gan in declared.gans():
        for net in declared.nets():
            lfile = "mixture:ring8" if net == "toy" else "digits"
            try:
                options = vars(config.resolve({"gan": gan, "net": net, "lfile": lfile, "wts_dir": "<wts_dir>"}))
            except UserError:
                continue
            offered = declared.of(gan, net)
            found[gan, net] = {key: value for key, value in options.items() if declared.offers(offered, key)}
    return found


def documented():
    """Return {(owner, option): default} of all tables; owners are "every experiment", GANs and "net NAME"."""
    found = {}
    for page in GUIDES:
        for owners, body in re.findall(
            r"\| option of (.+?) \| default \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text()
        ):
            net = "net " if owners.startswith("net ") else ""
            for owner in owners.removeprefix("net ").split(", "):
                for option, default in re.findall(r"^\| `(\w+)` \| (.+?) \|", body, re.M):
                    assert (net + owner, option) not in found, f"{page.name} has `{option}` of {owner} once more"
                    found[net + owner, option] = default
    return found


def test_every_option_stands_in_a_table_with_its_default():
    tables, pairs = documented(), resolved()
    assert {gan for gan, _ in pairs} == set(declared.gans()) and {net for _, net in pairs} == set(declared.nets())
    known = {option for options in pairs.values() for option in options}
    assert known == {option for _, option in tables}, "the guides' tables of options"
    points = {"imsz", "channels", "lfile"}
    for (gan, net), options in pairs.items():
        for option, value in options.items():
            owner = next((o for o in (gan, f"net {net}", "every experiment") if (o, option) in tables), None)
            if owner and option not in {"gan", "net", "wts_dir", "lfile"} | (points if net == "toy" else set()):
                said = ast.literal_eval(tables[owner, option].strip("`"))
                assert said == value, f"`{option}` of {owner}, for gan = '{gan}', net = '{net}'"


@pytest.mark.parametrize("kind", ["tools/*.py", "exp/*.py", "benchmarks/*.py", "filts/*.npz"])
def test_every_file_of_a_kind_is_named(kind):
    text = "\n".join(path.read_text() for path in [*GUIDES, ROOT / "README.md", ROOT / "docs/speed.md"])
    for path in sorted(ROOT.glob(kind)):
        if path.stem not in ("__init__", "measuring", "pytorch", "pytorch_stylegan2"):
            name = path.stem if kind.startswith("exp") else f"{path.parent.name}/{path.name}"
            root = f"./{path.name}" if path.parent.name == "tools" and (ROOT / path.name).exists() else name
            assert re.search(rf"(?<![\w/]){re.escape(root)}(?!\w)", text), f"no guide names {name}"


def slug(heading):
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower())


def outside_code(page):
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page):
    text = re.sub(r"`[^`]*`", "", outside_code(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        to = page.parent / path if path else page
        assert to.exists(), f"{target}: no such file"
        assert page.parent == ROOT or (ROOT / "docs") in to.resolve().parents, f"{target} leaves the site"
        headings = re.findall(r"^#+ (.+)$", outside_code(to), re.M) if anchor else []
        assert not anchor or anchor in map(slug, headings), f"{target}: no such heading"


def commands(page):
    """Return the words of each command of ours in the page's blocks of shell."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.S | re.M):
        lines = re.findall(
            r"^(?:TF_CONFIG='.*?' +)?((?:\./|tools/|benchmarks/)\w+\.py\b.*)", block.replace("\\\n", ""), re.M
        )
        found += [shlex.split(line, comments=True) for line in lines]
    return found


def own_experiments(page):
    """Return {name: text} of the experiments that a page writes."""
    return dict(re.findall(r"^cat > exp/(\w+)\.py <<'END'\n(.*?)^END$", page.read_text(), re.S | re.M))


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=lambda page: page.name)
def test_commands_name_what_there_is(page, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    own = own_experiments(page)
    for name, text in own.items():
        (tmp_path / f"{name}.py").write_text(text)
    for words in commands(page):
        assert (ROOT / words[0]).is_file(), words[0]
        if pathlib.Path(words[0]).stem in OF_RUNS:
            name = words[1].partition(",")[0]
            if "/" in name:  # a folder of images
                continue
            start = words.index("--set") + 1 if "--set" in words else len(words)
            values = config.parse_overrides(word for word in words[start:] if "=" in word)
            config.load(str(tmp_path / f"{name}.py") if name in own else name, values)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_exist(page):
    for path in re.findall(
        r"(?<![\w/.*])((?:tools|benchmarks|exp|rpgan_tf|filts|examples)/[\w/]+\.\w+)", page.read_text()
    ):
        own = path.removeprefix("exp/").removesuffix(".py") in own_experiments(page)
        placeholder = any(word in path for word in ("NAME", "my_", "paper"))
        assert own or placeholder or (ROOT / path).exists(), f"{page.name}: {path}"


def test_readme_has_every_gan():
    text = (ROOT / "README.md").read_text()
    assert set(declared.gans()) == set(re.findall(r"^\| `(\w+)` \|", text, re.M))


def test_readme_is_short_and_written_by_hand():
    text = (ROOT / "README.md").read_text()
    assert text.count("\n") <= 140 and "written by" not in text.replace("Written by `make demo`", "")


def test_the_tutorial_draws_its_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = re.search(r"^```python\n(.*?)^```", (ROOT / "docs/tutorial.md").read_text(), re.S | re.M)[1]
    assert "range(1000)" in script
    exec(script.replace("range(1000)", "range(12)"), {})
    pictures = sorted(pathlib.Path("photos").glob("*.png"))
    assert len(pictures) == 12
    with PIL.Image.open(pictures[0]) as picture:
        assert picture.size == (80, 64) and picture.mode == "RGB"


def test_pictures_are_small():
    for path in (ROOT / "docs/images").glob("*"):
        assert path.stat().st_size < 200_000, path.name
