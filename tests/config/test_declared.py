"""What classes declare: options, values that cannot be set, and rules."""

import ast
import contextlib
import functools
import itertools
import re
import string

import pytest

from rpgan_tf import config
from rpgan_tf.config import checks, declared, kinds
from rpgan_tf.errors import UserError
from tests.conftest import ROOT

PAIRS = [(gan, net) for gan, net in itertools.product(config.gans(), config.nets())]


def resolve(gan, net, **values):
    data = {"lfile": "mixture:ring8"} if net == "toy" else {}
    return config.resolve({"gan": gan, "net": net} | data | values)


@functools.cache
def combinations():
    """Return the options of each GAN with each net, where these go together."""
    found = []
    for gan, net in PAIRS:
        with contextlib.suppress(UserError):  # no other exception, such as a NameError within a rule
            found.append(resolve(gan, net))
    assert {options.gan for options in found} == set(config.gans())
    assert {options.net for options in found} == set(config.nets())
    return found


def test_every_option_that_others_look_at_has_a_value_for_every_gan():
    """Else a module that is of no single GAN or net fails for those that do not offer it."""
    everywhere = set.intersection(*(set(vars(options)) for options in combinations()))
    anywhere = set.union(*(set(vars(options)) for options in combinations()))
    assert {"num_classes", "divide", "d_steps", "penalty", "filts"} <= everywhere and "f1" in anywhere - everywhere
    known = {"lpips_weights.py"}  # of a task that only one GAN has, and asked for by it alone
    for path in (*ROOT.glob("*.py"), *ROOT.glob("tools/*.py"), *ROOT.glob("rpgan_tf/**/*.py")):
        if path.name in known or path.parent.name in ("gans", "nets"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("options", "self.options"):
                assert node.attr in everywhere or node.attr not in anywhere, f"{path}: {node.attr}"


def test_values_that_cannot_be_set():
    options = config.resolve({"gan": "StyleGAN2", "net": "stylegan2"})
    assert (options.d_steps, options.decay, options.num_outcomes, options.filts) == (1, 0.0, None, None)
    assert config.resolve({"mbstd_group": None, "heads": None}).mbstd_group == 1
    with pytest.raises(UserError, match="has no option 'd_steps' .gan = 'DCGAN', gan = .*, [.]{3} has"):
        config.resolve({"gan": "StyleGAN2", "net": "stylegan2", "d_steps": 1})
    with pytest.raises(UserError, match="has no option 'heads' .gan = 'GGDR', net = 'glead' has"):
        config.resolve({"heads": False})


@pytest.mark.parametrize("gan, net", PAIRS)
def test_values_are_of_their_kind(gan, net):
    for key, (annotation, default, _) in declared.of(gan, net).items():
        assert kinds.typed(key, default, annotation, "") == default


def test_names_in_rules_are_known():
    """Names in conditions and fields of messages are options of the GAN or of the net, whatever the values."""
    helpers = {"given", "of_net", "min", "max"}
    number = 0
    for options in combinations():
        known = set(declared.of(options.gan, options.net))
        for condition, message in declared.literals("rules", options.gan, options.net):
            names = {node.id for node in ast.walk(ast.parse(condition)) if isinstance(node, ast.Name)}
            fields = {field for _, field, _, _ in string.Formatter().parse(message) if field is not None}
            assert names <= known | helpers and fields <= known, condition
            number += 1
    assert number > len(combinations())


def test_functions_that_check_files_exist():
    needs = {need for gan, net in PAIRS for need in declared.literals("needs", gan, net)}
    assert needs
    for need in needs:
        module, _, name = need.partition(":")
        assert f"def {name}(options" in (ROOT / f"{module.replace('.', '/')}.py").read_text()


def test_no_gan_and_no_net_is_named_in_config():
    """But for the defaults of `gan` and `net`, and for the presets of one paper."""
    names = re.compile(rf"\b({'|'.join(config.gans() + config.nets())})\b")
    for path in (ROOT / "rpgan_tf/config").glob("*.py"):
        if path.name != "presets.py":
            lines = path.read_text().splitlines()
            found = [line for line in lines if names.search(line) and not re.match(r"    (gan|net): str = ", line)]
            assert not found, f"{path}: {found}"


SOURCES = {
    "config/options.py": """
class Options:
    bsz: Count = 4
    heads: Fixed[bool] = False
    rules = [('bsz < 9', 'of all')]
""",
    "gan.py": "class GAN(keras.Model):\n    decay: Share = 0.5\n    name: ClassVar[str] = 'none'\n",
    "gans/first.py": """
from rpgan_tf import gan
class First(gan.GAN):
    weight: NonNegative = 1.0
    rules = [('weight < 2', 'weight = {weight} is too large')]
class _Inner(First):
    decay: Fixed[Share] = 0.0
class Draws:
    pass
""",
    "gans/second.py": """
from rpgan_tf.gans.first import _Inner
class Second(_Inner):
    rules = [("'bsz' in given or net != 'two'", 'bsz is missing')]
    needs = ['module:function']
""",
    "nets/one.py": """
class Generator(base.Net):
    zlen: Count = 3
    rules = [('zlen < 9', 'zlen = {zlen} is too long')]
def build_generator(options):
    width: Count = 1
""",
    "nets/two.py": """
from rpgan_tf.nets import one
from rpgan_tf.nets.one import build_generator
class Generator(one.Generator):
    heads: bool = True
class Decoded(NamedTuple):
    image: str | None = None
""",
    "nets/layers.py": "class Dense:\n    pass\n",
}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A library with two GANs and two nets in place of this one."""
    package = tmp_path / "rpgan_tf"
    for name, text in SOURCES.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    cached = [declared.of, declared.of_gan, declared.of_net, declared._modules]
    monkeypatch.setattr(declared, "PACKAGE", package)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def test_options_of_base_classes(sources):
    assert (declared.gans(), declared.nets(), config.gan_module("Second")) == (
        ["First", "Second"],
        ["one", "two"],
        "second",
    )
    assert list(declared.of("First", "one")) == ["bsz", "heads", "zlen", "decay", "weight"]
    found = declared.of("Second", "two")
    assert [key for key in found if declared.offers(found, key)] == ["bsz", "zlen", "heads", "weight"]
    assert found["decay"] == ("Share", 0.0, True) and found["heads"].default


@pytest.mark.parametrize(
    "net, values, message",
    [
        ("one", {}, None),
        ("one", {"weight": 3.0, "zlen": 20, "bsz": 10}, "weight = 3.0 is too large"),
        ("two", {"weight": 3.0}, "bsz is missing"),
        ("two", {"zlen": 20, "bsz": 10}, "zlen = 20 is too long"),
        ("two", {"bsz": 10}, "of all"),
    ],
)
def test_rules_of_base_classes_apply_to_subclasses(sources, net, values, message):
    """Those of the GAN come first, then those of the net, then those of all; a subclass's before its base's."""
    options = {key: option.default for key, option in declared.of("Second", net).items()}
    options |= {"gan": "Second", "net": net} | values
    with pytest.raises(UserError, match=f"^here: {message}$") if message else contextlib.nullcontext():
        checks.check_rules(options, set(values), "here")
    assert declared.literals("needs", "Second", net) == ["module:function"]
