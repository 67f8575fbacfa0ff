"""Train the runs of a study: each is a process of train.py, several at a time, resumed from their last saves."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterable, Iterator, Sequence

import tqdm

from rpgan_tf import checkpoint, command, config
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, provenance, run_logs

TRAIN = pathlib.Path(__file__).parents[2] / "train.py"
POLL = 0.5  # seconds


@dataclasses.dataclass(frozen=True)
class Run:
    """An experiment with its own options, wts_dir among them."""

    experiment: str
    overrides: dict

    @property
    def assignments(self) -> list[str]:
        """Its own options as arguments of --set."""
        return [f"{key}={value}" for key, value in self.overrides.items()]

    def options(self) -> types.SimpleNamespace:
        """Return the resolved options; raises `UserError`."""
        return command.load_options(self.experiment, self.assignments)

    def check(self, may_change: Sequence[str] = ()) -> None:
        """Raise a `UserError` if files are missing, or the run was started with other options.

        Args:
            may_change: options that may differ from those of the last start.
        """
        options = self.options()
        config.check_files(options)
        changes = config.changes(options, pathlib.Path(options.wts_dir) / "options.json")
        changes = [line.removeprefix("changed since the last start: ") for line in changes]
        changes = [line for line in changes if line.partition(" = ")[0] not in may_change]
        if changes:
            raise UserError(
                f"'{options.wts_dir}' holds a run with other options: {changes[0]}; delete or move that folder"
            )


def train(runs: Sequence[Run], processes: int | None = None) -> list[str | None]:
    """Train runs to their MAXITER, `processes` at a time (None: one a core), each on its own cores.

    Interrupted runs are resumed; finished and diverged ones are not started. Ctrl-C and SIGTERM stop all runs as they
    stop train.py; so does the failure of one.

    Returns:
        For each run None, or train.py's message if it diverged.

    Raises:
        RuntimeError: train.py failed otherwise.
    """
    todo = [(run, run.options()) for run in runs]
    total = sum(options.MAXITER for _, options in todo)
    waiting = [(run, options) for run, options in todo if not _failure(options) and reached(options) < options.MAXITER]
    free = _divide_cores(processes)
    running: list[tuple[subprocess.Popen, Run, types.SimpleNamespace, list[int]]] = []
    with contextlib.ExitStack() as stack:
        interval = 1 if sys.stderr.isatty() else 30
        bar = stack.enter_context(tqdm.tqdm(total=total, unit="iteration", mininterval=interval, dynamic_ncols=True))
        stack.callback(_stop, running)
        terminated = stack.enter_context(_terminated())
        while waiting or running:
            if terminated:
                raise KeyboardInterrupt
            while waiting and free:
                run, options = waiting.pop(0)
                cores = free.pop()
                tqdm.tqdm.write(f"training {run.experiment} in {options.wts_dir}", file=sys.stderr)
                running.append((_start(run, options, cores), run, options, cores))
            time.sleep(POLL)
            for entry in [entry for entry in running if entry[0].poll() is not None]:
                process, run, options, cores = entry
                running.remove(entry)
                free.append(cores)
                _check_end(process.returncode, run, options)
            done = sum(options.MAXITER if _failure(options) else _seen(options) for _, options in todo)
            bar.update(done - bar.n)
    return [_failure(options) for _, options in todo]


def _divide_cores(processes: int | None) -> list[list[int]]:
    """Return the cores of each process, as many for each."""
    if hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
    else:
        cores = list(range(os.cpu_count() or 1))
    processes = min(processes or len(cores), len(cores))
    share = len(cores) // processes
    return [cores[i * share : (i + 1) * share] for i in range(processes)]


@contextlib.contextmanager
def _terminated() -> Iterator[list]:
    """Return a list that SIGTERM fills, to be checked between starts: an exception in one could lose its process."""
    received: list[bool] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = signal.signal(signal.SIGTERM, lambda *_: received.append(True))
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def reached(options: types.SimpleNamespace) -> int:
    """Return the iteration of a run's last save, 0 without one."""
    return max(checkpoint.saved_iterations(options.wts_dir, "gmodel"), default=0)


def record(seeds: Iterable[int]) -> dict:
    """Return the provenance of a table: command, date, seeds, cores and versions."""
    found = provenance.record()
    return {"command": found["command"], "date": found["date"], "seeds": list(seeds)} | found


def _start(run: Run, options: types.SimpleNamespace, cores: list[int]) -> subprocess.Popen:
    """Start train.py on some cores, with `<wts_dir>/study.log` as its output."""
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


def _stop(running: list) -> None:
    """Let the processes that still run save and end."""
    for process, *_ in running:
        process.terminate()
    for process, *_ in running:
        process.wait()


def _check_end(code: int, run: Run, options: types.SimpleNamespace) -> None:
    """Keep the message of a run that diverged; raise for any other failure."""
    if code == 0 and reached(options) >= options.MAXITER:
        return
    log = (pathlib.Path(options.wts_dir) / "study.log").read_text().splitlines() or [""]
    if code == 2 and "training diverged" in log[-1]:
        atomic.write_text(pathlib.Path(options.wts_dir) / "diverged.txt", log[-1] + "\n")
        return
    raise RuntimeError(f"{run.experiment} in {options.wts_dir} ended with exit code {code}: {log[-1]}")


def _failure(options: types.SimpleNamespace) -> str | None:
    """Return the message of a run that diverged."""
    path = pathlib.Path(options.wts_dir) / "diverged.txt"
    return path.read_text().strip() if path.is_file() else None


def _seen(options: types.SimpleNamespace) -> int:
    """Return the last iteration that a run has logged."""
    return run_logs.last_iteration(pathlib.Path(options.wts_dir) / run_logs.LOG)
