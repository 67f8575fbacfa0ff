"""Weights in the original's files, and the state that makes a resumed run equal an uninterrupted one.

In `<wts_dir>`, each saved iteration has `iter_<N>.gmodel.npz` and `.dmodel.npz` with weights, running averages and the
vectors of spectral normalization, and with `ema` an `.ema.npz` with the moving average of the generator; `fixbn` adds
`.bgmodel.npz`, a generator with the statistics of its batch normalization. RP-GAN's nets have the original's names and
layouts. `iter_<N>.state.npz` holds the optimizers' state and a GAN's own averages; noise, crops, order, anchors and
schedules are functions of the iteration, so nothing else is needed.
"""

from __future__ import annotations

import pathlib
import re
import types
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

if TYPE_CHECKING:
    from rpgan_tf.gan import GAN
    from rpgan_tf.nets.base import Net
    from rpgan_tf.nets.rpgan import Generator, Moments

Path: TypeAlias = str | pathlib.Path
Arrays: TypeAlias = dict[str, np.ndarray]


def save_npz(net: Net, path: Path) -> None:
    """Write the weights of `gan.generator` or `gan.discriminator` in the original's format."""
    atomic.save_arrays(path, net.get_arrays())


def load_npz(net: Net, path: Path) -> None:
    """Read weights in the original's format into `gan.generator` or `gan.discriminator`.

    Raises:
        UserError: the file is missing or damaged, or its arrays do not fit the net, which is left unchanged.
    """
    arrays = atomic.load_arrays(path)
    _check_arrays(arrays, net.get_arrays(), path)
    net.set_arrays(arrays)


def name_statistics(statistics: list[Moments]) -> Arrays:
    """Return {name in the original's bgmodel: array} for (mean [C], variance [C]) of each batch normalization."""
    return {
        f"bn{letter}_c{layer}_w": array
        for layer, moments in enumerate(statistics, start=1)
        for letter, array in zip("mv", moments)
    }


def load_bgmodel(generator: Generator, path: Path) -> list[Moments]:
    """Read the weights of a bgmodel into the generator, and return its statistics in the form of `name_statistics`.

    Raises:
        UserError: as `load_npz`, or statistics are missing.
    """
    arrays = atomic.load_arrays(path)
    expected = name_statistics(
        [(bias, bias) for bias in map(np.asarray, generator.biases[:-1])]
    )  # biases have the same shapes
    _check_arrays(arrays, generator.get_arrays() | expected, path)
    generator.set_arrays(arrays)
    names = list(expected)
    return [(arrays[mean], arrays[variance]) for mean, variance in zip(names[::2], names[1::2])]


def path_of(wts_dir: Path, iteration: int | str, kind: str) -> pathlib.Path:
    """Return the path of a kind of file ("gmodel", "dmodel", "ema", "bgmodel", "bgema", "state") of an iteration."""
    return pathlib.Path(wts_dir) / f"iter_{iteration}.{kind}.npz"


def saved_iterations(wts_dir: Path, kind: str) -> list[int]:
    """Return the iterations that have a file of this kind, ascending."""
    matches = (re.fullmatch(rf"iter_(\d+)\.{kind}\.npz", path.name) for path in pathlib.Path(wts_dir).glob("iter_*"))
    return sorted(int(match[1]) for match in matches if match)


def has_average(options: types.SimpleNamespace) -> bool:
    """Return whether a run has a moving average of the generator, of kind "ema", which draws its samples."""
    return bool(options.ema) or options.ema_kimg is not None


def find_file(wts_dir: Path, kind: str, iteration: int | None = None) -> pathlib.Path:
    """Return the path of the newest file of a kind, or of the given iteration; raises `UserError` if there is none."""
    known = saved_iterations(wts_dir, kind)
    if not known or (iteration is not None and iteration not in known):
        there = f"there are iterations {', '.join(map(str, known))}" if known else "there is none at all"
        maker = "fixbn.py" if kind.startswith("bg") else "train.py"
        wanted = path_of(wts_dir, "<N>" if iteration is None else iteration, kind)
        raise UserError(f"no file '{wanted}': {there}; make it with {maker}")
    return path_of(wts_dir, known[-1] if iteration is None else iteration, kind)


def contents(gan: GAN) -> dict[str, Arrays]:
    """Return {kind: {name: array}} of all files of a save; with divided discriminators, every machine must call it."""
    found = {"dmodel": gan.discriminator.get_arrays(), "state": _read_state(gan)}
    if gan.options.redraw:
        found["filts"] = gan.discriminator.get_projections()
    if gan.average is not None:
        found["ema"] = gan.average.get_arrays()
    return found | {"gmodel": gan.generator.get_arrays()}


def save(gan: GAN, options: types.SimpleNamespace, found: dict[str, Arrays] | None = None) -> list[pathlib.Path]:
    """Save a GAN so that its run can be resumed, then clean up by the original's rule.

    That rule keeps nets of the newest iteration and of multiples of SAVEFREQ, and only the newest state.

    Args:
        gan: compiled GAN.
        options: of its experiment.
        found: `contents(gan)`, if they are at hand.

    Returns:
        The paths written. The generator comes last: an iteration that has it is complete.

    Raises:
        UserError: a weight is not finite, or a file cannot be written; earlier files are kept.
    """
    iteration = int(gan.iteration.numpy())
    found = found or contents(gan)
    for kind, arrays in found.items():
        for name, array in arrays.items():
            if not np.all(np.isfinite(array)):
                raise UserError(
                    f"training diverged: {name} of the {kind} is not finite after iteration {iteration}, so nothing "
                    f"was saved; the last good files in '{options.wts_dir}' are kept; try a smaller learning rate"
                )
    for kind, arrays in found.items():
        atomic.save_arrays(path_of(options.wts_dir, iteration, kind), arrays)
    for kind in found:
        for old in saved_iterations(options.wts_dir, kind):
            if old != iteration and (kind == "state" or old % options.SAVEFREQ):
                path_of(options.wts_dir, old, kind).unlink(missing_ok=True)
    for part in pathlib.Path(options.wts_dir).glob(".iter_*.part"):  # left by a killed save
        part.unlink(missing_ok=True)
    return [path_of(options.wts_dir, iteration, kind) for kind in found]


def restore(gan: GAN, wts_dir: Path) -> list[str]:
    """Load the newest save into a compiled GAN.

    Models without a state, such as the original's, are resumed as the original does: from the newest G, its D or else
    the newest D, and new optimizers.

    Returns:
        Lines for the log about the files read; none for a new run.
    """
    known = saved_iterations(wts_dir, "gmodel")
    if not known:
        return []
    iteration = known[-1]
    discriminators = saved_iterations(wts_dir, "dmodel")
    path = path_of(wts_dir, iteration, "gmodel")
    load_npz(gan.generator, path)
    lines = [f"read {path}"]
    if discriminators:
        path = path_of(wts_dir, iteration if iteration in discriminators else discriminators[-1], "dmodel")
        load_npz(gan.discriminator, path)
        lines.append(f"read {path}")
    else:
        lines.append(f"no iter_<N>.dmodel.npz in '{wts_dir}': the discriminator starts from new weights")
    if gan.average is not None:
        path = path_of(wts_dir, iteration, "ema")
        if path.exists():
            load_npz(gan.average, path)
            lines.append(f"read {path}")
        else:
            gan.average.set_arrays(gan.generator.get_arrays())
            lines.append(f"no '{path}': the moving average starts from the generator")
    path = path_of(wts_dir, iteration, "filts")
    if gan.options.redraw and path.exists():
        gan.discriminator.set_projections(atomic.load_arrays(path))
        lines.append(f"read {path}")
    path = path_of(wts_dir, iteration, "state")
    if path.exists() and iteration in discriminators:
        _load_state(gan, path)
        lines.append(f"read {path}")
    elif path.exists():
        lines.append(f"'{path}' is not used, since its discriminator is missing: the optimizers start afresh")
    else:
        lines.append(f"no '{path}': the optimizers start afresh")
    gan.iteration.assign(iteration)
    return lines


def transfer(gan: GAN, folder: Path) -> list[str]:
    """Start from the newest weights of another run, with every array whose name and shape fit.

    Returns:
        Lines for the log about the files read, and the arrays that keep their initial values.

    Raises:
        UserError: no array of a file fits.
    """
    lines = []
    for net, kinds in ((gan.generator, ["gmodel"]), (gan.discriminator, ["dmodel"]), (gan.average, ["ema", "gmodel"])):
        kind = next((kind for kind in kinds if saved_iterations(folder, kind)), None)
        if net is None or kind is None:
            continue
        path, own = find_file(folder, kind), net.get_arrays()
        arrays = atomic.load_arrays(path)
        fitting = {name: arrays[name] for name in own if name in arrays and arrays[name].shape == own[name].shape}
        if not fitting:
            raise UserError(f"'{path}' has no array that fits the {net.name}: is it of other nets? see start_from")
        net.set_arrays(own | fitting)
        anew = [name for name in own if name not in fitting]
        text = f"; new: {', '.join(anew[:5])}{', ...' if len(anew) > 5 else ''}" if anew else ""
        lines.append(f"started from '{path}': {len(fitting)} of {len(own)} arrays{text}")
    return lines


def _slots(optimizer) -> list:
    """Return the optimizer's variables without its learning rate, which is an option."""
    return [variable for variable in optimizer.variables if variable.name != "learning_rate"]


def _state(gan: GAN) -> dict:
    """Return {name: variable} of both optimizers, and of a GAN's own averages."""
    optimizers = {"g_optimizer": gan.g_optimizer, "d_optimizer": gan.d_optimizer}
    slots = {f"{name}/{i}": slot for name, each in optimizers.items() for i, slot in enumerate(_slots(each))}
    return slots | gan.state


def _read_state(gan: GAN) -> Arrays:
    """Return {name: array} of `_state`."""
    from rpgan_tf.devices import replicas

    variables = _state(gan)
    return dict(zip(variables, replicas.get(variables.values())))


def _load_state(gan: GAN, path: Path) -> None:
    """Assign the arrays of a file to `_state`; raises as `load_npz`."""
    from rpgan_tf.devices import replicas

    arrays, variables = atomic.load_arrays(path), _state(gan)
    _check_arrays(arrays, _read_state(gan), path)
    replicas.put(variables.values(), [arrays[name] for name in variables])


def _check_arrays(arrays: Arrays, expected: Arrays, path: Path) -> None:
    """Raise a `UserError` unless `arrays` has the names and shapes of `expected`; only statistics may be extra."""
    mend = "is it of another experiment, or have options of its nets, optimizers or filts changed? see its options.json"
    for name, array in expected.items():
        if name not in arrays:
            raise UserError(f"'{path}' does not fit: it has no array '{name}'; {mend}")
        received = arrays[name].shape
        if received != array.shape:
            sizes = f"expected {name} {list(array.shape)}, received {list(received)}"
            raise UserError(f"'{path}' does not fit: {sizes}; {mend}")
    extra = [name for name in arrays if name not in expected and not name.startswith(("bnm_", "bnv_"))]
    if extra:
        raise UserError(f"'{path}' does not fit: it has an array '{extra[0]}' unknown to the net; {mend}")
