"""Several trainings for one table: each a process of train.py, some at a time, resumed where they were."""

import contextlib
import dataclasses
import datetime
import os
import pathlib
import platform
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

import tqdm

import rpgan_tf
from rpgan_tf import checkpoint, command, config
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

TRAIN = pathlib.Path(__file__).parents[2] / "train.py"
POLL = 0.5  # seconds


@dataclasses.dataclass(frozen=True)
class Run:
    """An experiment with options of its own, wts_dir among them."""

    experiment: str
    overrides: dict

    @property
    def assignments(self):
        """The options as --set takes them."""
        return [f"{key}={value}" for key, value in self.overrides.items()]

    def options(self):
        """Return the resolved options; raises `UserError`."""
        return command.load_options(self.experiment, self.assignments)

    def check(self):
        """Raise a `UserError` if files are missing, or the run was started with other options."""
        options = self.options()
        config.check_files(options)
        differing = config.changes(options, pathlib.Path(options.wts_dir) / "options.json")
        if differing:
            what = differing[0].removeprefix("changed since the last start: ")
            raise UserError(f"'{options.wts_dir}' holds a run with other options: {what}; delete or move that folder")


def train(runs, processes=None):
    """Train runs to their MAXITER, `processes` at a time (None: one a core), each of these on cores of its own.

    A run that was stopped goes on; one that is finished, or has diverged before, is not started. Ctrl-C and SIGTERM
    stop all as they stop train.py, and so does a run that fails.

    Returns:
        For each run None, or train.py's message if it diverged.

    Raises:
        RuntimeError: train.py failed otherwise.
    """
    terminated = []  # by a signal, which is looked at between starts: an exception in the middle of one could be lost
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))
    processes = min(processes or len(cores), len(cores))
    share = len(cores) // processes
    todo = [(run, run.options()) for run in runs]
    total = sum(options.MAXITER for _, options in todo)
    waiting = [(run, options) for run, options in todo if not _failure(options) and reached(options) < options.MAXITER]
    free, running = [cores[i * share : (i + 1) * share] for i in range(processes)], []
    with contextlib.ExitStack() as stack:
        interval = 1 if sys.stderr.isatty() else 30
        bar = stack.enter_context(tqdm.tqdm(total=total, unit="iteration", mininterval=interval, dynamic_ncols=True))
        stack.callback(_stop, running)
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, lambda *_: terminated.append(True))
            stack.callback(signal.signal, signal.SIGTERM, before)
        while waiting or running:
            if terminated:
                raise KeyboardInterrupt
            while waiting and free:
                run, options = waiting.pop(0)
                mine = free.pop()
                tqdm.tqdm.write(f"training {run.experiment} in {options.wts_dir}", file=sys.stderr)
                running.append((_start(run, options, mine), run, options, mine))
            time.sleep(POLL)
            for entry in [entry for entry in running if entry[0].poll() is not None]:
                process, run, options, mine = entry
                running.remove(entry)
                free.append(mine)
                _check_end(process.returncode, run, options)
            done = sum(options.MAXITER if _failure(options) else _seen(options) for _, options in todo)
            bar.update(done - bar.n)
    return [_failure(options) for _, options in todo]


def reached(options):
    """Return the iteration of a run's last save, 0 without one."""
    return max(checkpoint.saved_iterations(options.wts_dir, "gmodel"), default=0)


def record(seeds):
    """Return what every table says of its making: command, date, seeds, machine and versions."""
    import importlib.metadata

    return {
        "command": shlex.join([_from_root(sys.argv[0]), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seeds": list(seeds),
        "cores": os.cpu_count(),
        "versions": {
            "rpgan_tf": rpgan_tf.__version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")},
        },
    }


def _from_root(path):
    """Return a path as it is called from where train.py is, if it is below."""
    path = pathlib.Path(path).absolute()
    return str(path.relative_to(TRAIN.parent)) if path.is_relative_to(TRAIN.parent) else path.name


def _start(run, options, cores):
    """Start train.py on some cores; what it prints goes to `<wts_dir>/study.log`."""
    folder = pathlib.Path(options.wts_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "study.log", "a") as log:
        return subprocess.Popen(
            [sys.executable, str(TRAIN), run.experiment, *(["--set", *run.assignments] if run.overrides else [])],
            stdout=log,
            stderr=log,
            env=os.environ | {"OMP_NUM_THREADS": str(len(cores))},
            preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if hasattr(os, "sched_setaffinity") else None,
        )


def _stop(running):
    """Let what still runs save and end."""
    for process, *_ in running:
        process.terminate()
    for process, *_ in running:
        process.wait()


def _check_end(code, run, options):
    """Keep the message of a run that diverged; raise for any other failure."""
    if code == 0 and reached(options) >= options.MAXITER:
        return
    log = (pathlib.Path(options.wts_dir) / "study.log").read_text().splitlines() or [""]
    if code == 2 and "training diverged" in log[-1]:
        atomic.write_text(pathlib.Path(options.wts_dir) / "diverged.txt", log[-1] + "\n")
        return
    raise RuntimeError(f"{run.experiment} in {options.wts_dir} ended with exit code {code}: {log[-1]}")


def _failure(options):
    path = pathlib.Path(options.wts_dir) / "diverged.txt"
    return path.read_text().strip() if path.is_file() else None


def _seen(options):
    """Return the last iteration that a run has logged."""
    path = pathlib.Path(options.wts_dir) / "train.log"
    if not path.is_file():
        return 0
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        found = re.findall(rb"\[(\d{9})\]", file.read())
    return int(found[-1]) if found else 0
