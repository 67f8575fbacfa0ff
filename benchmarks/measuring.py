"""Measure for the benchmarks: sides in turns, medians over rounds, the machine's peaks in the same rounds, records."""

import dataclasses
import datetime
import os
import pathlib
import platform
import re
import resource
import shlex
import statistics
import sys
import time

import cost

from rpgan_tf import command
from rpgan_tf.devices import processor
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

RECORDS = pathlib.Path("docs/results/speed")
BUSY = 0.05  # share of the processors' time: a row says so if others took more
KINDS = {"NEON": "neon", "SVE": "sve", "AVX2": "avx2", "AVX-512": "avx512", "AMX": "amx"}
# What a user's environment changes in the arithmetic of TensorFlow, oneDNN, XLA, PyTorch and MKL.
VARIABLES = ["OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "XLA_FLAGS", "ATEN_CPU_CAPABILITY"]
VARIABLES += ["MKL_ENABLE_INSTRUCTIONS"]
TITLE = r"^(\S.*): best PyTorch \((.*)\) / here ([\d.]+)"  # of a `comparison`
COLUMNS = f"{'side':25} |      ms  of here | cores  system     faults"


def add_options(parser, quick):
    """Add the common options of the benchmarks to a parser; `quick` is the help of --quick."""
    parser.add_argument(
        "--rounds", type=command.count, default=9, help="timed rounds, after two that do not count (default 9)"
    )
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--record", action="store_true", help=f"also write the table to {RECORDS}, for docs/speed.md")


def begin(docstring, argv, quick):
    """Parse the common options, start TensorFlow without the cache of XLA's code, and return the arguments."""
    os.environ["RPGAN_TF_XLA_CACHE"] = "0"  # first iterations compile
    parser = command.Parser(docstring)
    add_options(parser, quick)
    arguments = parser.parse_args(argv)
    command.start_tensorflow()
    return arguments


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a call takes of the machine.

    Attributes:
        seconds: of wall time, the median over the rounds.
        cores: CPU time over wall time, the median.
        system: share of the CPU time that is the kernel's; of all rounds, since it is sampled every few milliseconds.
        faults: minor page faults, the median.
    """

    seconds: float
    cores: float
    system: float
    faults: float


def usages(calls, rounds):
    """Return {name: Usage} of functions, called in turn in every round, so that all meet the same noise.

    Args:
        calls: {name: function without arguments that returns when its work is done}.
        rounds: number of rounds that count; two more come first.
    """
    found = {name: [] for name in calls}
    for round_number in range(rounds + 2):
        for name, call in calls.items():
            before = readings()
            call()
            if round_number >= 2:
                found[name].append([after - first for after, first in zip(readings(), before)])
    return {name: usage(each) for name, each in found.items()}


def readings():
    """Return the clock, user and system seconds, and minor page faults of this process."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), own.ru_utime, own.ru_stime, own.ru_minflt


def usage(rounds):
    """Return the Usage of rounds, each (wall, user and system seconds, faults)."""
    wall, user, system, faults = zip(*rounds)
    cores = statistics.median((u + s) / w for w, u, s in zip(wall, user, system))
    share = sum(system) / max(sum(user) + sum(system), 1e-9)
    return Usage(statistics.median(wall), cores, share, statistics.median(faults))


def medians(calls, rounds):
    """Return {name: median seconds} of `usages`."""
    return {name: each.seconds for name, each in usages(calls, rounds).items()}


def usages_and_machine(calls, rounds):
    """Return `usages`, and the `cost.Machine` whose peaks were measured in the same rounds.

    Its FLOP/s are those of sgemm, a product of two float32 matrices 2048 x 2048; its bytes/s those of a copy, which
    reads and writes 256 MB.
    """
    import tensorflow as tf

    matrix = tf.random.stateless_normal([2048, 2048], [1, 2])
    long = tf.zeros([64 * 2**20])
    product = tf.function(lambda: tf.matmul(matrix, matrix)[0, 0])
    negative = tf.function(lambda: tf.negative(long))
    peaks = {"sgemm": lambda: float(product()), "copy": lambda: negative()[0].numpy()}
    found = usages(calls | peaks, rounds)
    sgemm, copy = (found.pop(name).seconds for name in peaks)
    return found, cost.Machine(flops=2 * 2048**3 / sgemm, memory=8 * 64 * 2**20 / copy)


def medians_and_machine(calls, rounds):
    """Return {name: median seconds}, and the machine of `usages_and_machine`."""
    found, machine = usages_and_machine(calls, rounds)
    return {name: each.seconds for name, each in found.items()}, machine


def comparison(title, found, least=None):
    """Return lines that compare Usages, under `COLUMNS`: a title that `TITLE` finds, and a row for each side.

    Args:
        title: the GAN and its size.
        found: {side: Usage}; "here" and what begins with it is this library, the others are PyTorch.
        least: seconds that an iteration takes at least.
    """
    here = found["here"].seconds
    best = min((name for name in found if not name.startswith("here")), key=lambda name: found[name].seconds)
    lines = [f"\n{title}: best PyTorch ({best}) / here {found[best].seconds / here:.2f}"]
    lines[0] += f", least {least * 1e3:.1f} ms" if least else ""
    for name, each in found.items():
        times = f"{each.seconds * 1e3:7.1f} {each.seconds / here:8.2f}"
        lines.append(f"  {name:23} | {times} | {each.cores:5.2f} {each.system:7.0%} {each.faults:10,.0f}")
    return lines


def compiled(gan, **how):
    """Return `train_step` as `fit` compiles it; `how` overrides arguments of tf.function."""
    import tensorflow as tf

    return tf.function(
        gan.train_step, **{"reduce_retracing": True, "jit_compile": gan.jit_compile, "autograph": False} | how
    )


def random_images(gan):
    """Return uniform noise in the shape of an iteration's real images, or points."""
    import tensorflow as tf

    options = gan.options
    shape = [gan.schedule(options, 0).batches * options.bsz * gan.pack, options.imsz, options.imsz, options.channels]
    return tf.random.stateless_uniform(shape if options.imsz > 1 else [shape[0], shape[3]], [1, 2], -1, 1)


class Others:
    """The share of the processors' time that others take: other processes, or guests of the same host ("steal").

    CPU over wall time of a side does not tell a busy machine: a side that computes on one thread has one core on an
    idle machine, too. Sgemm could be watched instead, but runs in few benchmarks, and not beside those that start
    processes. The system's own account of its processors, less the time of this program and all processes that it
    started, holds for each of them. A limit on this program's time (of a container) is not seen.

    Args:
        read: returns seconds of the clock, those that anybody used of an average processor, and this program's share.
    """

    def __init__(self, read=None):
        self.read = read or processor_seconds
        self.before = self.read()

    def share(self):
        """Return the share since the last call; 0 within a second of it, for the system counts in steps of 10 ms."""
        now = self.read()
        passed, used, own = (after - before for after, before in zip(now, self.before))
        if passed < 1:
            return 0.0
        self.before = now
        return max(used - own, 0) / passed


def processor_seconds():
    """Read the clock, and seconds of an average processor: busy or stolen, and this program's. For `Others`."""
    try:
        import psutil
    except ImportError:
        raise UserError("this needs psutil: pip install 'rpgan_tf[benchmarks]'") from None
    everywhere = psutil.cpu_times(percpu=True)
    available = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(everywhere))
    processors = [everywhere[number] for number in available]
    kinds = "user", "nice", "system", "irq", "softirq", "steal"  # user includes guest; some systems lack some
    used = sum(getattr(each, kind, 0) for each in processors for kind in kinds)
    this = psutil.Process()
    own = sum(sum(process.cpu_times()[:4]) for process in (this, *this.children(recursive=True)))  # and what ended
    return time.perf_counter(), used / len(processors), own / len(processors)


def variables():
    """Return {name: value} of `VARIABLES` that are set, but for the library's own default."""
    found = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {name: value for name, value in found.items() if (name, value) != ("TF_ENABLE_ONEDNN_OPTS", "1")}


def kind():
    """Return the kind of processor, whose records have a folder: its widest vector extension in force, as "avx512".

    Where variables change the arithmetic it is a kind of its own, as "avx2-limited".
    """
    found = processor.describe()
    widths = [KINDS[name] for name in found["extensions"] if name in KINDS] or [platform.machine().lower()]
    limit = found["limit"] or ""  # as AVX2, AVX512_CORE_BF16, AVX512_CORE_AMX
    limit = "amx" if "AMX" in limit else limit.partition("_")[0].lower()
    return (limit if limit in widths else widths[-1]) + "-limited" * bool(variables())


def multiplies_bfloat16():
    """Return whether oneDNN multiplies in bfloat16: the processor does, and no limit is below that."""
    found = processor.describe()
    has = {"BF16", "AMX"} & set(found["extensions"])
    return bool(has and found["onednn"] and re.search("BF16|FP16|AMX", found["limit"] or "AMX"))


class Table:
    """Prints lines, flags those that were measured on a busy machine, and with `--record` writes a record of them."""

    def __init__(self, arguments, others=None):
        self.name, self.lines = arguments.record and pathlib.Path(sys.argv[0]).stem, []
        self.others, self.busy = others or Others(), False

    def __call__(self, line):
        share = self.others.share()
        flag = f"   BUSY: others took {share:.0%} of the processors" if share > BUSY else ""
        self.busy = self.busy or bool(flag)
        print(line + flag, flush=True)
        self.lines.append(line)

    def close(self):
        """Write the record: the command, the date, the processor, and all lines; none of a busy machine."""
        if not self.name:
            return
        path = RECORDS / kind() / f"{self.name}.txt"
        if self.busy or self.others.share() > BUSY:
            raise SystemExit(f"the machine was busy: '{path}' is as it was; run this again when nothing else runs")
        setting = [f"{name}={shlex.quote(value)}" for name, value in variables().items()]
        arguments = [argument for argument in sys.argv[1:] if argument != "--record"]
        head = f"$ {' '.join([*setting, f'benchmarks/{self.name}.py', *arguments])}"
        head += f"    # {datetime.date.today().isoformat()}, {processor.line()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, "\n".join([head, *self.lines]) + "\n")
