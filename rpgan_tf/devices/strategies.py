"""Devices of a command: one, those of a machine, or those of several machines.

A strategy is checked before TensorFlow is imported, and started before anything is computed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from rpgan_tf.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

KINDS = "auto", "one", "mirrored", "multiworker", "tpu"


def forms(machines: bool) -> str:
    """Return the help text of --strategy, with several machines or without."""
    text = "auto: all GPUs of this machine, else one device (default); one; mirrored[:N], of N GPUs or parts of the CPU"
    return text + "; multiworker, from TF_CONFIG; tpu" * machines


def check(text: str, machines: bool = True) -> None:
    """Raise a `UserError` unless `text` is a strategy and its environment is set.

    "mirrored:N" stands for N GPUs, or N logical devices of the CPU if there is no GPU.
    """
    kind, colon, count = text.partition(":")
    kinds = KINDS if machines else KINDS[:3]
    if kind not in kinds or (colon and (kind != "mirrored" or not count.isdecimal() or int(count) < 1)):
        raise UserError(f"expected --strategy of {', '.join(kinds)}, or mirrored:N; received '{text}'")
    if kind == "multiworker":
        _read_cluster()


def _read_cluster() -> tuple[list[str], int]:
    """Return (workers, number of this one) of TF_CONFIG; raises `UserError`."""
    text = os.environ.get("TF_CONFIG", "")
    form = 'TF_CONFIG=\'{"cluster": {"worker": ["host0:port", "host1:port"]}, "task": {"type": "worker", "index": 0}}\''
    try:
        found = json.loads(text)
        workers = found["cluster"]["worker"]
        kind, index = found["task"]["type"], found["task"]["index"]
        sound = set(found["cluster"]) == {"worker"} and kind == "worker" and isinstance(index, int)
        sound = sound and all(isinstance(worker, str) and ":" in worker for worker in workers)
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise UserError(f"--strategy multiworker reads the cluster from TF_CONFIG: expected {form}, received '{text}'")
    if not 0 <= index < len(workers) or len(set(workers)) < len(workers):
        raise UserError(
            f"TF_CONFIG names {len(workers)} workers and task {index}: expected different workers, and an index from 0 "
            f"to {len(workers) - 1}"
        )
    return workers, index


def local_tasks(number: int) -> list[str]:
    """Return the TF_CONFIG of each of `number` processes on this machine, at ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(number)]
        cluster = {"worker": [f"localhost:{each.getsockname()[1]}" for each in sockets]}
    return [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}}) for i in range(number)]


def is_chief(text: str) -> bool:
    """Return whether this process writes the files: the first worker does."""
    return text != "multiworker" or _read_cluster()[1] == 0


def start(text: str) -> None:
    """Run everything from now on under a checked strategy; raises `UserError` if devices are missing."""
    strategy = _build(text)
    if strategy is not None:
        import tensorflow as tf

        tf.distribute.experimental_set_strategy(strategy)


def _build(text: str) -> tf.distribute.Strategy | None:
    """Return the `tf.distribute.Strategy`, None for one device."""
    kind, _, given = text.partition(":")
    if kind == "one":
        return None
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if kind == "auto" and len(gpus) < 2:
        return None
    if kind == "multiworker":
        return _meet()
    if kind == "tpu":
        try:
            return tf.distribute.TPUStrategy(tf.distribute.cluster_resolver.TPUClusterResolver.connect())
        except (ValueError, tf.errors.OpError) as error:
            raise UserError(f"--strategy tpu finds no TPU: {str(error).splitlines()[0]}") from None
    number = int(given) if given else len(gpus)
    if gpus:
        if number > len(gpus):
            raise UserError(f"expected at most mirrored:{len(gpus)}, as many as there are GPUs; received '{text}'")
        return tf.distribute.MirroredStrategy([f"GPU:{i}" for i in range(number)])
    if not number:
        raise UserError("--strategy mirrored is for several GPUs, and there is none; mirrored:2 divides the CPU in two")
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * number)
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(number)])


def _meet() -> tf.distribute.Strategy:
    """Wait for all machines, and return their strategy."""
    import tensorflow as tf

    workers, index = _read_cluster()
    previous = signal.signal(signal.SIGINT, signal.SIG_DFL)  # else Python handles Ctrl-C only after the wait
    print(f"worker {index} of 0 to {len(workers) - 1}: waiting until all are there", flush=True)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.InvalidArgumentError as error:  # the first worker has another list
        raise UserError(_others_disagree(workers, error)) from None
    except tf.errors.UnknownError as error:
        raise UserError(
            f"worker {index} cannot listen at '{workers[index]}': expected a free port of this machine, received "
            f"'{str(error).splitlines()[0]}'; wait for an earlier run to end, or name another port in TF_CONFIG"
        ) from None
    except (tf.errors.DeadlineExceededError, tf.errors.UnavailableError) as error:
        raise UserError(
            f"not all of {', '.join(workers)} came: expected the same command on each, received "
            f"'{str(error).splitlines()[0]}'; start them all, and let them reach each other's ports"
        ) from None
    finally:
        signal.signal(signal.SIGINT, previous)


def _others_disagree(workers: list[str], error: Exception) -> str:
    return (
        f"machines have different lists of workers: this one has {len(workers)} in TF_CONFIG, "
        f"{', '.join(workers)}; expected the same list on all, received '{str(error).splitlines()[0]}'"
    )


def count() -> int:
    """Return the number of devices among which the current strategy divides a batch."""
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Run without a strategy inside this context."""
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    tf.distribute.experimental_set_strategy(None)
    try:
        yield
    finally:
        tf.distribute.experimental_set_strategy(strategy)


def each(function: Callable, parts: Iterable) -> list:
    """Return [function(part) for part in parts], computed by the devices of the strategy in turn.

    Each device reads its own copy of the variables.
    """
    import tensorflow as tf

    strategy, found = tf.distribute.get_strategy(), []
    names = strategy.extended.worker_devices if strategy.num_replicas_in_sync > 1 else [None]
    for i, part in enumerate(parts):
        with tf.device(names[i % len(names)]):
            found.append(function(part))
    return found


def planned(text: str) -> int:
    """Return the number of devices of a checked strategy, without waiting for other machines."""
    import tensorflow as tf

    if text == "multiworker":
        return len(_read_cluster()[0]) * max(1, len(tf.config.list_physical_devices("GPU")))
    strategy = _build(text)
    return 1 if strategy is None else strategy.num_replicas_in_sync


def check_batch(options: types.SimpleNamespace, number: int | None = None) -> None:
    """Raise a `UserError` unless `number` devices can divide a batch; None stands for those of the strategy."""
    number = number or count()
    if number == 1:  # rules of the net check the groups of one device
        return
    if options.bsz % number:
        raise UserError(
            f"bsz = {options.bsz} images cannot be divided among {number} devices; set a multiple, such as "
            f"--set bsz={-(-options.bsz // number) * number}"
        )
    own, group = options.bsz // number, options.mbstd_group
    if own > group and own % group:
        raise UserError(
            f"bsz = {options.bsz} gives each of {number} devices {own} images, which are not groups of mbstd_group = "
            f"{group}: expected a multiple of {number * group}, or mbstd_group of at least {own}; change one of them"
        )


def divide_discriminators(options: types.SimpleNamespace, number: int | None = None) -> bool:
    """Return whether `number` devices, None for those of the strategy, divide discriminators and not the batch."""
    return options.divide == "discriminators" and (number or count()) > 1


def several_machines() -> bool:
    """Return whether several machines train together."""
    import tensorflow as tf

    return isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)


def anyone(said: bool) -> bool:
    """Return whether `said` is true on any machine; all call this in the same iteration."""
    import tensorflow as tf

    if not several_machines():
        return said
    strategy = tf.distribute.get_strategy()
    values = strategy.experimental_distribute_values_from_function(lambda context: tf.constant(float(said)))
    return float(strategy.reduce("SUM", values, axis=None)) > 0


def check_start(iteration: int) -> None:
    """Wait for all machines, and raise a `UserError` unless all start from the same iteration."""
    import tensorflow as tf

    if not several_machines():
        return
    strategy = tf.distribute.get_strategy()
    values = strategy.experimental_distribute_values_from_function(lambda context: tf.constant(float(iteration)))
    mean = float(strategy.reduce("MEAN", values, axis=None))
    if mean != iteration:
        raise UserError(
            f"machines start from different saves: this one from iteration {iteration}, all on average "
            f"from {mean:g}; expected that wts_dir is one folder which all of them see"
        )


@contextlib.contextmanager
def rejoining(text: str) -> Iterator[None]:
    """Restart this process if another machine is lost: it waits for that machine, and all resume from the last save.

    Raises:
        UserError: another machine has other workers in its TF_CONFIG.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.InternalError as error:
        if "joining a group with size" not in str(error):
            raise
        raise UserError(_others_disagree(_read_cluster()[0], error)) from None
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        if text != "multiworker":
            raise
        reason = str(error).strip().splitlines()[-1]
        print(f"another machine is lost ({reason}); waiting for it, to go on from the last save", flush=True)
        os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)  # set by `command.start_tensorflow`
        os.execv(sys.executable, [sys.executable, *sys.argv])
