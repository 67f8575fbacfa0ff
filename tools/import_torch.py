#!/usr/bin/env python3
"""Read a generator or a discriminator that was trained in PyTorch.

tools/import_torch.py dcgan G.npz generator                 writes <wts_dir>/iter_0.gmodel.npz
tools/import_torch.py dcgan D.npz discriminator 100000      writes <wts_dir>/iter_100000.dmodel.npz
tools/import_torch.py realness D.npz discriminator --skip fc    without the arrays of the module fc
tools/import_torch.py glead D.npz discriminator --skip b8_dec img_proj feat_proj1 feat_proj2    of StyleGAN2, say

The experiment names the net: its layers must be those of the PyTorch program, with the same sizes. Layers of
StyleGAN2, GGDR and GLeaD are matched by name, those of other nets by order. For the former, modules of --skip may also
be missing in the file: they start as in a new run. A moving average, such as G_ema, is imported as a generator.

The .npz holds the arrays of a `state_dict` under their names; make it where PyTorch is installed, with

    import numpy, torch
    state = torch.load("G.pth", map_location="cpu", weights_only=True)
    numpy.savez("G.npz", **{name: array.numpy() for name, array in state.items()})

where the weights may be one level deeper, as in state["model_state_dict"]. Pickles of StyleGAN2's programs can be read
only by these programs, and hold networks: state = networks["G_ema"].state_dict(). PyTorch is not needed here.
"""

import itertools
import math

import numpy as np

from rpgan_tf import checkpoint, command
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

Arrays = dict[str, np.ndarray]
NAMES = {  # a layer's array here: its names in PyTorch
    "kernel": ("weight", "weight_orig", "weight_bar"),
    "bias": ("bias",),
    "u": ("weight_u",),
    "v": ("weight_v",),
    "gamma": ("weight", "gamma"),
    "beta": ("bias",),
    "moving_mean": ("running_mean",),
    "moving_variance": ("running_var",),
}


def main(argv: list[str]) -> None:
    """Import the file that the command line names."""
    parser = command.Parser(__doc__)
    parser.add_experiment()
    parser.add_argument("file", help=".npz with the arrays of a state_dict")
    parser.add_argument("role", choices=["generator", "discriminator"])
    parser.add_argument("iteration", nargs="?", type=int, default=0, help="in the name of the file (default 0)")
    parser.add_argument("--skip", nargs="+", default=[], metavar="MODULE", help="modules that only one side has")
    arguments = parser.parse_args(argv)
    if arguments.iteration < 0:
        raise UserError(f"expected an iteration >= 0, received {arguments.iteration}")
    options = command.load_options(arguments.name, arguments.set)
    kinds = [f"{arguments.role[0]}model"]
    if arguments.role == "generator" and checkpoint.has_average(options):
        kinds.append("ema")
    paths = [checkpoint.path_of(options.wts_dir, arguments.iteration, kind) for kind in kinds]
    for path in paths:
        if path.exists():
            raise UserError(f"'{path}' is there already; give another iteration, or set another wts_dir")
    state = atomic.load_arrays(arguments.file)
    state = {name: array for name, array in state.items() if _module(name) not in arguments.skip}

    command.start_tensorflow()
    import keras

    from rpgan_tf import factory

    seeds = keras.random.SeedGenerator(options.seed)  # skipped modules start as in a new run
    generator, discriminator = factory.build_generator(options, seeds), factory.build_discriminator(options, seeds)
    net = generator if arguments.role == "generator" else discriminator
    if options.net in ("stylegan2", "glead"):
        own = {name: array for name, array in net.get_arrays().items() if _module(name) not in arguments.skip}
        net.set_arrays(net.get_arrays() | convert_by_name(state, own))
    else:
        net.set_arrays(convert(state, net.get_arrays()))
    for path in paths:
        checkpoint.save_npz(net, path)
        print(f"wrote {path}")


def convert(state: Arrays, arrays: Arrays) -> Arrays:
    """Convert the arrays of a PyTorch module to those of a net that computes the same.

    Layers are matched in the order of their definition. PyTorch's counters are left out, ours stay as they are.

    Args:
        state: {name in the module's state_dict: array in PyTorch's layout}.
        arrays: of the net's `get_arrays`.

    Returns:
        {name: array} for the net's `set_arrays`.

    Raises:
        UserError: an array is missing, left over, or of another shape; the message names the first.
    """
    converted = dict(arrays)
    layers = _group({name: array for name, array in arrays.items() if array.dtype.kind == "f"}, "/")
    modules = _group({name: array for name, array in state.items() if not name.endswith("num_batches_tracked")}, ".")
    mend = "is it the same net, with its layers in the same order? --skip leaves modules out"
    for (layer, own), (module, given) in itertools.zip_longest(layers.items(), modules.items(), fillvalue=("", {})):
        given = dict(given)
        for kind, array in own.items():
            ours = f"{layer}/{kind}".lstrip("/")
            names = [name for name in NAMES.get(kind, (kind,)) if name in given]
            if not names:
                received = ", ".join(f"{module}.{name}" for name in modules.get(module, {})) or "no more arrays"
                expected = " or ".join(NAMES.get(kind, (kind,)))
                raise UserError(f"no array for {ours}: expected {expected}, received {received}; {mend}")
            value = np.atleast_1d(given.pop(names[0]))
            if value.shape != _shape_in_torch(kind, array.shape):
                raise UserError(
                    f"{module}.{names[0]} does not fit {ours}: expected {list(_shape_in_torch(kind, array.shape))}, "
                    f"received {list(value.shape)}; {mend}"
                )
            if kind == "kernel":
                value = np.moveaxis(value, [0, 1], [-1, -2])
            elif kind == "v":  # in the order of the kernel's other axes
                *sizes, rows, _ = own["kernel"].shape
                value = np.moveaxis(value.reshape(rows, *sizes), 0, -1)
            converted[ours] = np.float32(value).reshape(array.shape)
        if given:
            raise UserError(f"{module}.{next(iter(given))} is left over: expected no such array; {mend}")
    return converted


def convert_by_name(state: Arrays, arrays: Arrays) -> Arrays:
    """Convert the arrays of a PyTorch module of StyleGAN2's nets, or of GGDR's or GLeaD's D, to those of ours.

    Args, returns and errors are those of `convert`; filters of resampling are left out.
    """
    state = {name: array for name, array in state.items() if not name.endswith("resample_filter")}
    names = {name: name.replace("/", ".").replace("kernel", "weight") for name in arrays}
    missing = [name for name in names.values() if name not in state]
    if missing:
        modules = " ".join(dict.fromkeys(map(_module, missing)))
        raise UserError(
            f"no array {missing[0]}, which the net of the experiment has; is it the same net? --skip {modules} leaves "
            "what is missing as in a new run"
        )
    extra = [name for name in state if name not in names.values()]
    if extra:
        modules = " ".join(dict.fromkeys(map(_module, extra)))
        raise UserError(
            f"{extra[0]} is left over: expected no such array; is it the same net? --skip {modules} leaves out what "
            "the net does not have"
        )
    converted = {}
    for name, own in arrays.items():
        axes = _axes(name, own.shape)
        value, expected = np.asarray(state[names[name]]), np.transpose(own, np.argsort(axes)).shape
        if value.shape != expected:
            raise UserError(
                f"{names[name]} does not fit {name}: expected {list(expected)}, received {list(value.shape)}; is it "
                "the same net, with the same options?"
            )
        value = value.transpose(axes)
        if name == "b4/fc/kernel":  # an image is flattened as [C, H, W] there
            value = value.reshape(-1, 4, 4, value.shape[1]).transpose(1, 2, 0, 3).reshape(own.shape)
        converted[name] = np.float32(value)
    return converted


def _axes(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of PyTorch's array in our order."""
    if len(shape) == 3:
        return 1, 2, 0  # the learned constant
    if len(shape) == 4:
        upsamples = (name.startswith("synthesis") and "conv0" in name) or ("_dec" in name and shape[0] == 3)
        return (2, 3, 0, 1) if upsamples else (2, 3, 1, 0)
    return (1, 0) if name.endswith("kernel") else tuple(range(len(shape)))


def _module(name: str) -> str:
    """Return the module of an array, from its name here or in PyTorch."""
    return name.replace("/", ".").rpartition(".")[0]


def _group(arrays: Arrays, separator: str) -> dict[str, Arrays]:
    """Return {layer: {kind: array}}."""
    layers: dict[str, Arrays] = {}
    for name, array in arrays.items():
        layer, _, kind = name.rpartition(separator)
        layers.setdefault(layer, {})[kind] = array
    return layers


def _shape_in_torch(kind: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape in PyTorch of an array of ours; a bank of one dense layer is that layer."""
    if kind != "kernel":
        return (math.prod(shape),)
    *sizes, second, first = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    return (first, second, *sizes)


if __name__ == "__main__":
    command.run(main)
