"""How much memory training takes, estimated from the graph of an iteration, without allocating anything.

Nets and optimizers are built in a graph that no session runs, where a variable is a name and a shape, and an iteration
is traced in it. The estimate walks its operations in the order of tracing: a tensor is in memory from the operation
that returns it to the last one that takes it.
"""

import functools
import itertools
import math
import pathlib
import re
import tempfile
import types

import tensorflow as tf

from rpgan_tf import factory, projections
from rpgan_tf.data import names, stream
from rpgan_tf.devices import strategies
from rpgan_tf.devices.steps import Schedule
from rpgan_tf.files import atomic
from rpgan_tf.gan import GAN

SAME = {"Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient", "EnsureShape"}
SAME |= {"TensorScatterUpdate"}  # writes to its first argument
ELSEWHERE = {"Placeholder", "Const", "ReadVariableOp"}  # arguments and variables, and what is small
ELEMENTWISE = set(  # may write to an argument
    """
    Abs Add AddN AddV2 BiasAdd Exp LeakyRelu LeakyReluGrad Maximum Minimum Mul Neg RealDiv Relu ReluGrad Rsqrt RsqrtGrad
    Sigmoid SigmoidGrad Softplus SoftplusGrad Sqrt SqrtGrad Square SquaredDifference Sub Tanh TanhGrad
    """.split()
)
FUNCTIONS = dict.fromkeys(["PartitionedCall", "StatefulPartitionedCall"], ["f"])  # in which attributes they stand
FUNCTIONS |= dict.fromkeys(["If", "StatelessIf"], ["then_branch", "else_branch"])
FUNCTIONS |= dict.fromkeys(["While", "StatelessWhile"], ["body"])


def report(options: types.SimpleNamespace, num_replicas: int = 1) -> dict[str, int]:
    """Return {what: bytes} of training on each of so many devices.

    Args:
        options: from `rpgan_tf.config`.
        num_replicas: int that divides `bsz`, and where the discriminators are divided, K.

    Raises:
        UserError: so many devices cannot divide the discriminators.

    Returns:
        Permanent: "weights of G", "weights of D", "average of G", "optimizer of G", "optimizer of D". "input": the
        images of an iteration and those read ahead. "iteration": the peak of everything else; "kept for D" and "kept
        for G" are its activations that wait for the gradients of a step.
    """
    divided = strategies.divide_discriminators(options, num_replicas)
    options = types.SimpleNamespace(**vars(options) | {"bsz": options.bsz // num_replicas})
    schedules = set(map(functools.partial(factory.find(options).schedule, options), range(options.MAXITER)))
    numbers = {schedule.batches for schedule in schedules}
    count = max(numbers) * options.bsz * options.pack
    points = names.is_mixture(options.lfile)
    inputs = [tf.TensorSpec([count, *([] if points else [options.imsz] * 2), options.channels])]
    if options.num_classes:
        inputs.append(tf.TensorSpec([count, options.num_classes]))
    with tf.Graph().as_default(), tempfile.TemporaryDirectory() as folder:
        if divided:  # a device has the discriminators of some filters, and is shown the images of all devices
            arrays = atomic.load_arrays(options.filts)
            projections.check_division(int(arrays["nfilt"]), num_replicas, options.active)
            own = str(pathlib.Path(folder, "filts.npz"))
            atomic.save_arrays(own, arrays | {"nfilt": arrays["nfilt"] // num_replicas})
            active = options.active and options.active // num_replicas
            options = types.SimpleNamespace(**vars(options) | {"filts": own, "active": active})
        model = factory.build(options, _shown_all(options, num_replicas) if divided else None)
        graph = trace(model, inputs, max(schedules, key=lambda schedule: schedule.batches))
        trained = [(model.discriminator, model.d_optimizer)]
        if model.subset:  # those that take part in an iteration have copies
            trained.append((model.subset.discriminator, model.subset.optimizer))
        kept = {name: _kept(graph, name) for name in ("d_optimizer", "g_optimizer")}
        return {
            "weights of G": _total(model.generator.variables),
            "weights of D": sum(_total(net.variables) for net, _ in trained),
            "average of G": _total(model.average.variables) if model.average else 0,
            "optimizer of G": _total(model.g_optimizer.variables),
            "optimizer of D": sum(_total(optimizer.variables) for _, optimizer in trained),
            "input": (1 + stream.num_ahead(numbers)) * _total(inputs),
            "iteration": Liveness(graph).height(),
            "kept for D": kept["d_optimizer"],
            "kept for G": kept["g_optimizer"],
        }


def describe(found: dict[str, int]) -> list[str]:
    """Return the lines of what `report` returned."""
    together = sum(size for what, size in found.items() if not what.startswith("kept"))
    rows = [
        ("weights of G", "weights of G"),
        ("weights of D", "weights of D"),
        ("average of G", "moving average of G's weights"),
        ("optimizer of G", "optimizer of G"),
        ("optimizer of D", "optimizer of D"),
        ("input", "images of an iteration, and those read ahead"),
        ("iteration", "activations and gradients when they are most"),
        ("kept for D", "    activations that wait for gradients: step of D"),
        ("kept for G", "    activations that wait for gradients: step of G"),
        ("together", "together"),
    ]
    found = found | {"together": together}
    return [f"{text:50} {found[what] / 2**20:12,.1f} MiB" for what, text in rows]


def trace(model: GAN, inputs: list[tf.TensorSpec], schedule: Schedule) -> tf.Graph:
    """Return the graph of an iteration; a scope <name of the optimizer>/gradients begins where gradients do."""
    step = tf.function(lambda *inputs: model.train_step(inputs if inputs[1:] else inputs[0], schedule), autograph=False)
    return step.get_concrete_function(*inputs).graph


def _shown_all(options: types.SimpleNamespace, num_replicas: int) -> type[GAN]:
    """Return the class of a GAN whose discriminators are shown the images of all replicas."""

    gan = factory.find(options)

    def packed(self: GAN, images: tf.Tensor) -> tf.Tensor:
        return tf.concat([gan.packed(self, images)] * num_replicas, axis=0)

    return type(gan.__name__, (gan,), {"packed": packed})


def _kept(graph: tf.Graph, optimizer: str) -> int:
    """Return the most bytes that wait for gradients in a step of an optimizer, in a graph and its functions."""
    scopes, most = set(), 0
    for place, operation in enumerate(graph.get_operations()):
        scope = re.match(rf"(.*/)?{optimizer}/gradients(_\d+)?/", operation.name)
        if scope and scope[0] not in scopes:
            scopes.add(scope[0])
            most = max(most, Liveness(graph).at(place))
        most = max([most, *(_kept(inner, optimizer) for inner in functions_of(operation))])
    return most


class Liveness:
    """When the tensors of a graph are in memory, if its operations run in the order in which they were traced.

    Arguments of the graph, variables and constants count nothing. What XLA compiles counts as if it did not.
    """

    def __init__(self, graph: tf.Graph) -> None:
        operations = needed(graph)
        self.last: dict = {}  # {tensor: place of the last operation that takes it, or what has its memory}
        for place, operation in operations:
            self.last |= {tensor.ref(): place for tensor in (*operation.inputs, *operation.outputs)}
        self.last |= {tensor.ref(): math.inf for tensor in graph.outputs}
        self.owners: dict = {}  # {tensor: the one whose memory it has, or None}
        self.first: dict = {}  # {owner: place of the operation that returns it}
        self.inside: dict = {}  # {place: what the functions of an operation have in memory, beside what it returns}
        for place, operation in operations:
            inner, returned = functions_of(operation), 0
            for index, tensor in enumerate(operation.outputs):
                owner = self.owners[tensor.ref()] = self._owner(place, operation, tensor, index, inner)
                if owner is not None:
                    self.first.setdefault(owner, place)
                    self.last[owner] = max(self.last[owner], self.last[tensor.ref()])
                if owner == tensor.ref() and "While" not in operation.type:  # a loop returns its arguments' memory
                    returned += bytes_of(tensor)
            if inner:
                self.inside[place] = max(Liveness(each).height() for each in inner) - returned

    def _owner(self, place, operation, tensor, index, functions):
        """Return whose memory an operation's result has: its own, or that of what the operation is given."""
        if operation.type in ELSEWHERE or not bytes_of(tensor):
            return None
        if operation.type in SAME or operation.type == "IdentityN":
            return self.owners[operation.inputs[index].ref()]
        if operation.type in ELEMENTWISE:
            for given in map(tf.Tensor.ref, operation.inputs):
                owner = self.owners[given]
                if owner is not None and self.last[owner] == place and bytes_of(given.deref()) == bytes_of(tensor):
                    return owner
        for function in functions:
            source = function.outputs[index]
            while source.op.type in SAME:
                source = source.op.inputs[0]
            for argument, given in zip(function.inputs, operation.inputs[-len(function.inputs) :]):
                if source is argument:
                    return self.owners[given.ref()]
        return tensor.ref()

    def at(self, place: int) -> int:
        """Return the bytes of what operations before this place return and others take."""
        return sum(bytes_of(owner.deref()) for owner, first in self.first.items() if first < place <= self.last[owner])

    def height(self) -> int:
        """Return the bytes that are in memory when they are most."""
        changes = [(first, 0, bytes_of(owner.deref())) for owner, first in self.first.items()]
        changes += [(self.last[owner], 3, -bytes_of(owner.deref())) for owner in self.first]
        changes += [(place, 1, size) for place, size in self.inside.items()]
        changes += [(place, 2, -size) for place, size in self.inside.items()]
        return max(itertools.accumulate((change for _, _, change in sorted(changes)), initial=0))


def functions_of(operation: tf.Operation) -> list[tf.Graph]:
    """Return the graphs of an operation's functions."""
    names = [operation.get_attr(key).name for key in FUNCTIONS.get(operation.type, ())]
    return [operation.graph._get_function(name).graph for name in names]


def needed(graph: tf.Graph) -> list[tuple[int, tf.Operation]]:
    """Return [(place, operation), ...] of a function's graph, without those that nothing needs: they are not run."""
    found, waiting = set(), [*(tensor.op for tensor in graph.outputs), *graph.control_outputs]
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]
    return [(place, each) for place, each in enumerate(graph.get_operations()) if each in found]


def bytes_of(tensor: tf.Tensor) -> int:
    """Return the bytes of a tensor; 0 for resources, and for lists of axes and logs of a loop, of unknown shapes."""
    if tensor.dtype in (tf.resource, tf.variant, tf.string):
        return 0
    return (tensor.shape.num_elements() or 0) * tensor.dtype.size


def _total(tensors: list) -> int:
    return sum(math.prod(each.shape) * tf.as_dtype(each.dtype).size for each in tensors)
