"""Weights in the original's files, and the state that makes a resumed run equal an uninterrupted one.

`<wts_dir>/iter_<N>.gmodel.npz` and `.dmodel.npz` hold weights, running averages and the vectors of spectral
normalization, `.ema.npz` the moving average of the generator, `.bgmodel.npz` a generator with the statistics that
`fixbn` stored; those of RP-GAN's nets have the original's names and layouts. `iter_<N>.state.npz` holds the optimizers'
state, and what a GAN averages over iterations; noise, crops, order, anchors and schedules are functions of the
iteration, so nothing else is needed.
"""

import pathlib
import re

import numpy as np

from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic


def save_npz(net, path):
    """Write the weights of `gan.generator` or `gan.discriminator` in the original's format."""
    atomic.save_arrays(path, net.get_arrays())


def load_npz(net, path):
    """Read weights in the original's format into `gan.generator` or `gan.discriminator`.

    Raises:
        UserError: the file is missing or damaged, or its arrays are not those of the net; the net is left as it was.
    """
    arrays = atomic.load_arrays(path)
    _check_arrays(arrays, net.get_arrays(), path)
    net.set_arrays(arrays)


def name_statistics(statistics):
    """Return {name in the original's bgmodel: array} for a list with (mean [C], variance [C]) for each layer."""
    return {
        f"bn{letter}_c{layer}_w": array
        for layer, moments in enumerate(statistics, start=1)
        for letter, array in zip("mv", moments)
    }


def load_bgmodel(generator, path):
    """Read the weights of a bgmodel into the generator; return its statistics, as `name_statistics` takes them.

    Raises:
        UserError: as `load_npz`, or statistics are missing.
    """
    arrays = atomic.load_arrays(path)
    expected = name_statistics([(bias, bias) for bias in map(np.asarray, generator.biases[:-1])])  # of the same shapes
    _check_arrays(arrays, generator.get_arrays() | expected, path)
    generator.set_arrays(arrays)
    names = list(expected)
    return [(arrays[mean], arrays[variance]) for mean, variance in zip(names[::2], names[1::2])]


def path_of(wts_dir, iteration, kind):
    """Return the path of the `kind` ("gmodel", "dmodel", "ema", "bgmodel", "bgema", "state") of an iteration."""
    return pathlib.Path(wts_dir) / f"iter_{iteration}.{kind}.npz"


def iterations(wts_dir, kind):
    """Return the iterations that have a file of this kind, ascending."""
    matches = (re.fullmatch(rf"iter_(\d+)\.{kind}\.npz", path.name) for path in pathlib.Path(wts_dir).glob("iter_*"))
    return sorted(int(match[1]) for match in matches if match)


def find(wts_dir, kind, iteration=None):
    """Return the path of the newest file of a kind, or of the given iteration; raises `UserError` if there is none."""
    known = iterations(wts_dir, kind)
    if not known or (iteration is not None and iteration not in known):
        there = f"there are iterations {', '.join(map(str, known))}" if known else "there is none at all"
        maker = "fixbn.py" if kind.startswith("bg") else "train.py"
        wanted = path_of(wts_dir, "<N>" if iteration is None else iteration, kind)
        raise UserError(f"no file '{wanted}': {there}; make it with {maker}")
    return path_of(wts_dir, known[-1] if iteration is None else iteration, kind)


def contents(gan):
    """Return {kind: {name: array}} of all that is saved; of divided discriminators, all machines must ask."""
    found = {"dmodel": gan.discriminator.get_arrays(), "state": _read_state(gan)}
    if gan.average is not None:
        found["ema"] = gan.average.get_arrays()
    return found | {"gmodel": gan.generator.get_arrays()}


def save(gan, options, found=None):
    """Save everything that a later start needs, then delete what the clean-up rule of the original gives up.

    That rule: of the models of G and D, those of multiples of SAVEFREQ and the newest stay. Of the optimizers' state,
    only the newest does.

    Returns:
        The paths written. The generator comes last: an iteration that has it is complete.

    Raises:
        UserError: a weight is not finite, or a file cannot be written. Earlier files are still there.
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
        for old in iterations(options.wts_dir, kind):
            if old != iteration and (kind == "state" or old % options.SAVEFREQ):
                path_of(options.wts_dir, old, kind).unlink(missing_ok=True)
    for part in pathlib.Path(options.wts_dir).glob(".iter_*.part"):  # of a save that was killed
        part.unlink(missing_ok=True)
    return [path_of(options.wts_dir, iteration, kind) for kind in found]


def restore(gan, wts_dir):
    """Load the newest save into a compiled GAN.

    Models without a state (those of the original, say) are taken as the original takes them: the newest G, its D or
    else the newest one, and new optimizers.

    Returns:
        Lines that say what was read; empty for a new run.
    """
    known = iterations(wts_dir, "gmodel")
    if not known:
        return []
    iteration = known[-1]
    discriminators = iterations(wts_dir, "dmodel")
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
    path = path_of(wts_dir, iteration, "state")
    if path.exists() and iteration in discriminators:
        state = atomic.load_arrays(path)
        from rpgan_tf.devices import replicas  # and with it TensorFlow, which is there by now

        _check_arrays(state, _read_state(gan), path)
        variables = _state(gan)
        replicas.put(variables.values(), [state[name] for name in variables])
        lines.append(f"read {path}")
    elif path.exists():
        lines.append(f"'{path}' is not used, since its discriminator is missing: the optimizers start afresh")
    else:
        lines.append(f"no '{path}': the optimizers start afresh")
    gan.iteration.assign(iteration)
    return lines


def transfer(gan, folder):
    """Start from the newest weights of another run: each array goes where one of its name and shape is.

    Returns:
        Lines that say what was read, and what starts anew.

    Raises:
        UserError: the folder has no weights, or none that fit.
    """
    lines = []
    for net, kinds in ((gan.generator, ["gmodel"]), (gan.discriminator, ["dmodel"]), (gan.average, ["ema", "gmodel"])):
        kind = next((kind for kind in kinds if iterations(folder, kind)), None)
        if net is None or kind is None:
            continue
        path, own = find(folder, kind), net.get_arrays()
        arrays = atomic.load_arrays(path)
        fitting = {name: arrays[name] for name in own if name in arrays and arrays[name].shape == own[name].shape}
        if not fitting:
            raise UserError(f"'{path}' has no array that fits the {net.name}: is it of other nets? see start_from")
        net.set_arrays(own | fitting)
        anew = [name for name in own if name not in fitting]
        text = f"; new: {', '.join(anew[:5])}{', ...' if len(anew) > 5 else ''}" if anew else ""
        lines.append(f"started from '{path}': {len(fitting)} of {len(own)} arrays{text}")
    return lines


def _slots(optimizer):
    """Return the optimizer's variables; not its learning rate, which the experiment says."""
    return [variable for variable in optimizer.variables if variable.name != "learning_rate"]


def _state(gan):
    """Return {name: variable} of both optimizers, and of what a GAN keeps itself."""
    optimizers = {"g_optimizer": gan.g_optimizer, "d_optimizer": gan.d_optimizer}
    slots = {f"{name}/{i}": slot for name, each in optimizers.items() for i, slot in enumerate(_slots(each))}
    return slots | gan.state


def _read_state(gan):
    """Return {name: array} of `_state`."""
    from rpgan_tf.devices import replicas

    variables = _state(gan)
    return dict(zip(variables, replicas.get(variables.values())))


def _check_arrays(arrays, expected, path):
    """Raise a `UserError` unless `arrays` has the names and shapes of `expected`; statistics may be extra."""
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
        raise UserError(f"'{path}' does not fit: it has an array '{extra[0]}' that the net has not; {mend}")
