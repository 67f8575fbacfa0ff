"""The callbacks of a training run: divergence, signals, saving, the log, TensorBoard, held-out losses, metrics."""

from __future__ import annotations

import datetime
import functools
import pathlib
import signal
import sys
import time
import types
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tqdm

from rpgan_tf import checkpoint
from rpgan_tf.data import stream
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import evaluator, protocol, subjects
from rpgan_tf.files import run_logs, xla_cache
from rpgan_tf.sampling import generators, latents, pictures
from rpgan_tf.training import blocks, monitor
from rpgan_tf.training.blocks import completed
from rpgan_tf.training.scalars import Scalars


def for_run(gan: keras.Model, options: types.SimpleNamespace) -> blocks.Blocks:
    """Return the callbacks of a training run, for `fit`."""
    looks = not divided_among_machines(options)
    callbacks = [
        monitor.Monitor(options) if options.monitor_every and looks else None,
        Log(options),
        HeldOut(options) if options.test_lfile and looks else None,
        StopOnDivergence(options),
        Save(options),
        TensorBoard(options),
        Evaluate(options) if options.evaluate_every else None,
        StopOnSignal(),
    ]
    return blocks.Blocks([callback for callback in callbacks if callback], gan, options)


def for_worker(gan: keras.Model, options: types.SimpleNamespace) -> blocks.Blocks:
    """Return the callbacks of a worker that is not the chief, and writes nothing."""
    callbacks = [StopOnDivergence(options), StopOnSignal()]
    if divided_among_machines(options):
        callbacks.insert(1, Save(options, chief=False))
    return blocks.Blocks(callbacks, gan, options)


def divided_among_machines(options: types.SimpleNamespace) -> bool:
    """Return whether no machine has all discriminators: none can compute their statistics, and all save together."""
    return strategies.divide_discriminators(options) and strategies.several_machines()


class StopOnDivergence(blocks.Callback):
    """Raise a `UserError` when a loss is not finite. Stands before `Save`, so that the last good files stay.

    The generator's losses for single discriminators come first, so that the message names the one at fault.
    """

    def __init__(self, options: types.SimpleNamespace) -> None:
        super().__init__()
        self.options = options

    def read(self, rows: Sequence[blocks.Row]) -> None:
        for row in rows:
            if not row.finite:
                self.stop(row)

    def stop(self, row: blocks.Row) -> None:
        """Raise the `UserError` of an iteration that diverged."""
        for name, value in sorted(row.losses.items(), key=lambda item: (np.ndim(item[1]), item[0]), reverse=True):
            finite = np.isfinite(value)
            if not np.all(finite):
                which = f" of discriminator {np.flatnonzero(~finite)[0]}" if np.ndim(value) else ""
                raise UserError(
                    f"training diverged: {name}{which} is {np.asarray(value)[~finite][0]} in iteration "
                    f"{row.iteration}, expected a finite number; the last good files in "
                    f"'{self.options.wts_dir}' are kept; try a smaller learning rate, or look at the images"
                )


class StopOnSignal(blocks.Callback):
    """End training cleanly after the iteration in which Ctrl-C or SIGTERM came.

    Only a Ctrl-C more than `patience` seconds after the first signal ends it at once, without saving. Several machines
    tell each other of a signal every few iterations, and stop after the same one.
    """

    received: float | None = None
    patience = 2.0

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.every = blocks.OF_MACHINES if strategies.several_machines() else 1
        self.previous = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}

    def act(self, iteration: int) -> None:
        if strategies.anyone(self.received is not None):
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: types.FrameType | None) -> None:
        if self.received is None:
            self.received = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self.received > self.patience:
            raise KeyboardInterrupt


class Save(blocks.Callback):
    """Save every SAVEFREQ iterations and at the end of training.

    A worker that is not the chief only takes part: it writes nothing, but has discriminators that the chief needs.
    """

    def __init__(self, options: types.SimpleNamespace, chief: bool = True) -> None:
        super().__init__()
        self.options, self.chief, self.every = options, chief, options.SAVEFREQ

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.saved = completed(self.model)

    def act(self, iteration: int) -> None:
        contents = checkpoint.contents(self.model)
        for path in checkpoint.save(self.model, self.options, contents) if self.chief else []:
            tqdm.tqdm.write(f"wrote {path}")
        self.saved = iteration
        xla_cache.keep()

    def on_train_end(self, logs: dict | None = None) -> None:
        iteration = completed(self.model)
        if iteration != self.saved:
            self.act(iteration)


class Log(blocks.Callback):
    """Write the original's two lines an iteration to `<wts_dir>/train.log`, and show progress on standard output.

    On a terminal progress is one live line; elsewhere it is a line every `interval` seconds.
    """

    def __init__(self, options: types.SimpleNamespace, interval: float = 30.0) -> None:
        super().__init__()
        self.options, self.interval = options, interval
        self.path = pathlib.Path(options.wts_dir) / run_logs.LOG

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.bar = tqdm.tqdm(
            total=self.options.MAXITER,
            initial=completed(self.model),
            unit="iteration",
            file=sys.stdout,
            mininterval=0.5,
            dynamic_ncols=True,
            disable=not sys.stdout.isatty(),
        )
        self.first: blocks.Row | None = None  # it compiles, so the rate is that of those after it
        self.shown, self.seen, self.waited = time.monotonic(), 0, 0.0

    def read(self, rows: Sequence[blocks.Row]) -> None:
        run_logs.append(self.path, "".join(map(self.lines, rows)))
        self.bar.set_postfix_str(run_logs.format_losses(rows[-1].losses), refresh=False)
        self.bar.update(len(rows))
        if self.first is None:
            self.first, *rows = rows
        if rows:
            self.seen += sum(_real_images(self.model, row.iteration) for row in rows)
            self.waited += sum(row.waited for row in rows)
            self.show(rows[-1], self.first)

    def lines(self, row: blocks.Row) -> str:
        """Return an iteration's lines of the log."""
        completed_at = datetime.datetime.now() - datetime.timedelta(seconds=time.monotonic() - row.time)
        optimizer = getattr(self.model.g_optimizer, "inner_optimizer", self.model.g_optimizer)  # loss scaling wraps it
        return run_logs.loss_lines(row.iteration, completed_at, type(optimizer).__name__, row.losses)

    def show(self, row: blocks.Row, first: blocks.Row) -> None:
        """Show the progress up to an iteration, with the rate since the first."""
        elapsed, losses = row.time - first.time, run_logs.format_losses(row.losses)
        waiting = f"{self.waited / elapsed:.0%} of the time waiting for data"
        self.bar.set_postfix_str(f"{losses}, {waiting}", refresh=False)
        if self.bar.disable and (row.time - self.shown > self.interval or row.iteration == self.options.MAXITER):
            self.shown = row.time
            left = (self.options.MAXITER - row.iteration) * elapsed / (row.iteration - first.iteration)
            progress = f"iteration {row.iteration} of {self.options.MAXITER}: {losses}"
            rate = f"{self.seen / elapsed:.0f} images/s, {datetime.timedelta(seconds=round(left))} left"
            print(f"{progress}, {rate}, {waiting}", flush=True)

    def on_train_end(self, logs: dict | None = None) -> None:
        self.bar.close()


class HeldOut(blocks.Callback):
    """Report the losses of the held-out images every `test_every` iterations, to `train.log` and TensorBoard.

    In TensorBoard they are a run of their own with the tags of training, so that the curves lie over each other.
    """

    def __init__(self, options: types.SimpleNamespace) -> None:
        super().__init__()
        self.options, self.folder, self.every = options, pathlib.Path(options.wts_dir), options.test_every

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.images = stream.held_out(self.options)
        self.step = tf.function(self.model.test_step, autograph=False)
        self.scalars = Scalars(self.folder / "tensorboard" / "test")

    def act(self, iteration: int) -> None:
        losses = [self.step(batch) for batch in self.images]
        means = {key: np.mean([loss[key] for loss in losses]) for key in ("g_loss", "d_loss")}
        self.scalars.write(iteration, means)
        self.scalars.writer.flush()
        text = run_logs.remark(iteration, f"held out: {run_logs.format_losses(means)}")
        run_logs.append(self.folder / run_logs.LOG, text)

    def on_train_end(self, logs: dict | None = None) -> None:
        self.scalars.writer.close()


class TensorBoard(blocks.Callback):
    """Write losses, images per second and the share of time spent waiting for data; at saves, a picture of samples.

    Scalars go out every `interval` iterations, below `<wts_dir>/tensorboard`; pictures are of fixed latents, with a
    class in each row for nets with labels.
    """

    def __init__(self, options: types.SimpleNamespace, interval: int = 10) -> None:
        super().__init__()
        self.options, self.interval, self.every = options, interval, options.SAVEFREQ

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.scalars = Scalars(pathlib.Path(self.options.wts_dir) / "tensorboard")
        self.inputs = latents.of_progress(self.options, 0)
        self.since, self.seen, self.waited = time.monotonic(), 0, 0.0
        self.drawn = completed(self.model)

    def read(self, rows: Sequence[blocks.Row]) -> None:
        for row in rows:
            self.seen += _real_images(self.model, row.iteration)
            self.waited += row.waited
            if row.iteration % self.interval == 0:
                self.write_scalars(row)
                self.since, self.seen, self.waited = row.time, 0, 0.0

    def write_scalars(self, row: blocks.Row) -> None:
        """Write the losses of an iteration, and the rates since those that were written before."""
        scalars: dict[str, np.ndarray | float] = {}
        for name, value in row.losses.items():
            if name.endswith("losses"):
                name = name.removesuffix("es")
                scalars |= {f"{name}_of_each/{i:02d}": loss for i, loss in enumerate(value)}
            else:
                scalars[name] = value
        elapsed = row.time - self.since
        scalars["images_per_second"] = self.seen / elapsed
        scalars["share_of_time_waiting_for_data"] = self.waited / elapsed
        self.scalars.write(row.iteration, scalars)

    def act(self, iteration: int) -> None:
        self.drawn = iteration
        with self.scalars.writer.as_default(step=iteration):
            samples = generators.generate(self.model.sampler, self.options, *self.inputs)
            tf.summary.image("samples", pictures.picture(samples, self.options)[None])
        self.scalars.writer.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        iteration = completed(self.model)
        if iteration != self.drawn:
            self.act(iteration)
        self.scalars.writer.close()


class Evaluate(blocks.Callback):
    """Measure the generator every `evaluate_every` iterations, after the save.

    An evaluation that a killed process left is done when training goes on. It changes nothing that training computes.
    """

    def __init__(self, options: types.SimpleNamespace) -> None:
        super().__init__()
        self.options, self.every = options, options.evaluate_every

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.evaluator = evaluator.Evaluator(self.options, *protocol.check_run(self.options))
        iteration = completed(self.model)
        if iteration and iteration % self.every == 0:
            self.act(iteration)

    def act(self, iteration: int) -> None:
        options, sampler = self.options, self.model.sampler
        path = checkpoint.path_of(options.wts_dir, iteration, generators.weights_kind(options))
        statistics = "batch" if options.net == generators.FIXED_BY_FIXBN else "stored"
        subject = subjects.generated(
            options, path, sampler.get_arrays(), functools.partial(generators.generate, sampler, options), statistics
        )
        row = self.evaluator.measure(subject)
        tqdm.tqdm.write(f"iteration {iteration}: {evaluator.text_of(evaluator.numbers(row))}")


def _real_images(gan: keras.Model, iteration: int) -> int:
    """Return the number of real images that the last of so many iterations took."""
    return gan.schedule(gan.options, iteration - 1).batches * gan.options.bsz * gan.pack
