"""What happens around the iterations of `fit`: stopping, log lines, TensorBoard and saving."""

import datetime
import pathlib
import signal
import sys
import time

import keras
import numpy as np
import tensorflow as tf
import tqdm

from rpgan_tf import checkpoint
from rpgan_tf.data import stream
from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError
from rpgan_tf.sampling import generators, latents, pictures
from rpgan_tf.training import monitor
from rpgan_tf.training.counted import Counted


def for_run(options):
    """Return the callbacks of a training run, in the order in which they must be called."""
    callbacks = [Log(options), StopOnDivergence(options), Save(options), TensorBoard(options), StopOnSignal()]
    looks = not divided_among_machines(options)
    if options.test_lfile and looks:
        callbacks.insert(1, HeldOut(options))
    if options.monitor_every and looks:
        callbacks.insert(0, monitor.Monitor(options))  # first, since it takes the time of iterations alone
    if options.evaluate_every:
        from rpgan_tf.evaluation import evaluator  # needs the extra "metrics"

        callbacks.insert(-1, evaluator.Evaluate(options))
    return callbacks


def for_worker(options):
    """Return the callbacks of a worker that is not the chief, and writes nothing."""
    callbacks = [StopOnDivergence(options), StopOnSignal()]
    if divided_among_machines(options):
        callbacks.insert(1, Save(options, chief=False))
    return callbacks


def divided_among_machines(options):
    """Return whether no machine has all discriminators: it cannot look at them, and to save them takes all."""
    return strategies.divide_discriminators(options) and strategies.several_machines()


class StopOnDivergence(keras.callbacks.Callback):
    """Raise a `UserError` when a loss is not finite. Stands before `Save`, so that the last good files stay.

    The generator's losses for single discriminators are looked at first, so that the message names the one at fault.
    """

    def __init__(self, options):
        super().__init__()
        self.options = options

    def on_train_batch_end(self, batch, logs=None):
        for name, value in sorted(logs.items(), key=lambda item: (np.ndim(item[1]), item[0]), reverse=True):
            finite = np.isfinite(value)
            if not np.all(finite):
                which = f" of discriminator {np.flatnonzero(~finite)[0]}" if np.ndim(value) else ""
                raise UserError(
                    f"training diverged: {name}{which} is {np.asarray(value)[~finite][0]} in iteration "
                    f"{_iteration(self.model)}, expected a finite number; the last good files in "
                    f"'{self.options.wts_dir}' are kept; try a smaller learning rate, or look at the images"
                )


class StopOnSignal(keras.callbacks.Callback):
    """End training cleanly after the iteration in which Ctrl-C or SIGTERM came.

    Only a Ctrl-C more than `patience` seconds after the first signal ends it at once, without saving. Of several
    machines, all stop after the same iteration, whichever got the signal.
    """

    received = None
    patience = 2.0

    def on_train_begin(self, logs=None):
        self.previous = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(self, batch, logs=None):
        if strategies.anyone(self.received is not None):
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _receive(self, number, frame):
        if self.received is None:
            self.received = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self.received > self.patience:
            raise KeyboardInterrupt


class Save(Counted):
    """Save every SAVEFREQ iterations and at the end of training; or only tell the chief what it is to save."""

    def __init__(self, options, chief=True):
        super().__init__()
        self.options, self.chief, self.saved = options, chief, None

    def on_train_begin(self, logs=None):
        self.saved = _iteration(self.model)

    def on_train_batch_end(self, batch, logs=None):
        if self.completed(batch) % self.options.SAVEFREQ == 0:
            self.save()

    def on_train_end(self, logs=None):
        if _iteration(self.model) != self.saved:
            self.save()

    def save(self):
        """Save now, and say so."""
        contents = checkpoint.contents(self.model)
        for path in checkpoint.save(self.model, self.options, contents) if self.chief else []:
            tqdm.tqdm.write(f"wrote {path}")
        self.saved = _iteration(self.model)


class Log(Counted):
    """Write the original's two lines an iteration to `<wts_dir>/train.log`, and show progress on standard output.

    On a terminal that is one live line; elsewhere a line every `interval` seconds.
    """

    def __init__(self, options, interval=30.0):
        super().__init__()
        self.options, self.interval = options, interval
        self.path = pathlib.Path(options.wts_dir) / "train.log"

    def on_train_begin(self, logs=None):
        self.bar = tqdm.tqdm(
            total=self.options.MAXITER,
            initial=_iteration(self.model),
            unit="iteration",
            file=sys.stdout,
            mininterval=0.5,
            dynamic_ncols=True,
            disable=not sys.stdout.isatty(),
        )
        self.shown, self.since, self.seen, self.waited = time.monotonic(), None, 0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        iteration = self.completed(batch)
        now = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        losses = _losses(logs)
        optimizer = getattr(self.model.g_optimizer, "inner_optimizer", self.model.g_optimizer)  # of one that scales
        lines = f"{now} [{iteration:09d}] {type(optimizer).__name__} Loss: {losses}\n"
        if "g_losses" in logs:
            each = ",".join(f"L{i:02d}={loss:.3f}" for i, loss in enumerate(np.asarray(logs["g_losses"])))
            lines += f"[{iteration:09d}]* {each}\n"
        _append(self.path, lines)
        self.seen += _real_images(self.model, iteration)
        self.waited += float(self.model.waited)
        seconds = time.monotonic()
        if self.since is None:  # the first iteration compiles, and says nothing of the rate
            self.since, self.seen, self.waited = (seconds, iteration), 0, 0.0
            self.bar.set_postfix_str(losses, refresh=False)
        else:
            elapsed = seconds - self.since[0]
            waiting = f"{self.waited / elapsed:.0%} of the time waiting for data"
            self.bar.set_postfix_str(f"{losses}, {waiting}", refresh=False)
            if self.bar.disable and (seconds - self.shown > self.interval or iteration == self.options.MAXITER):
                self.shown = seconds
                left = round((self.options.MAXITER - iteration) * elapsed / (iteration - self.since[1]))
                left = datetime.timedelta(seconds=left)
                progress = f"iteration {iteration} of {self.options.MAXITER}: {losses}"
                print(f"{progress}, {self.seen / elapsed:.0f} images/s, {left} left, {waiting}", flush=True)
        self.bar.update()

    def on_train_end(self, logs=None):
        self.bar.close()


class HeldOut(Counted):
    """Report the losses of the held-out images every `test_every` iterations: to `train.log`, and to TensorBoard.

    There they are a run of their own with the tags of training, so that the curves lie over each other.
    """

    def __init__(self, options):
        super().__init__()
        self.options, self.folder = options, pathlib.Path(options.wts_dir)

    def on_train_begin(self, logs=None):
        self.images = stream.held_out(self.options)
        self.step = tf.function(self.model.test_step, autograph=False)
        self.writer = tf.summary.create_file_writer(str(self.folder / "tensorboard" / "test"))

    def on_train_batch_end(self, batch, logs=None):
        iteration = self.completed(batch)
        if iteration % self.options.test_every:
            return
        losses = [self.step(batch) for batch in self.images]
        means = {key: np.mean([loss[key] for loss in losses]) for key in ("g_loss", "d_loss")}
        with self.writer.as_default(step=iteration):
            for name, mean in means.items():
                tf.summary.scalar(name, mean)
        self.writer.flush()
        _append(self.folder / "train.log", f"[{iteration:09d}] held out: {_losses(means)}\n")

    def on_train_end(self, logs=None):
        self.writer.close()


class TensorBoard(Counted):
    """Write losses, each discriminator's own, images per second, and a picture of fixed latents at each save.

    So is the share of time that was spent waiting for data: between asking for an iteration's images and having them.
    Scalars go out every `every` iterations, below `<wts_dir>/tensorboard`.
    """

    def __init__(self, options, every=10):
        super().__init__()
        self.options, self.every = options, every

    def on_train_begin(self, logs=None):
        self.writer = tf.summary.create_file_writer(str(pathlib.Path(self.options.wts_dir) / "tensorboard"))
        self.write = tf.function(self._write, autograph=False)  # of 100 scalars, each takes most of a millisecond else
        self.inputs = latents.inputs(self.options, 0)
        self.since, self.seen, self.waited = time.monotonic(), 0, 0.0
        self.drawn = _iteration(self.model)

    def on_train_batch_end(self, batch, logs=None):
        iteration = self.completed(batch)
        self.seen += _real_images(self.model, iteration)
        self.waited += float(self.model.waited)
        if iteration % self.every == 0:
            scalars = {}
            for name, value in logs.items():
                if name.endswith("losses"):
                    name = name.removesuffix("es")
                    scalars |= {f"{name}_of_each/{i:02d}": loss for i, loss in enumerate(np.asarray(value))}
                else:
                    scalars[name] = value
            elapsed = time.monotonic() - self.since
            scalars["images_per_second"] = self.seen / elapsed
            scalars["share_of_time_waiting_for_data"] = self.waited / elapsed
            self.names = list(scalars)
            self.write(tf.constant(iteration, tf.int64), tf.constant(list(scalars.values()), tf.float32))
            self.since, self.seen, self.waited = time.monotonic(), 0, 0.0
        if iteration % self.options.SAVEFREQ == 0:
            self.draw()

    def on_train_end(self, logs=None):
        if _iteration(self.model) != self.drawn:
            self.draw()
        self.writer.close()

    def _write(self, iteration, values):
        with self.writer.as_default(step=iteration):
            for name, value in zip(self.names, tf.unstack(values)):
                tf.summary.scalar(name, value)

    def draw(self):
        """Write the picture of samples now."""
        self.drawn = _iteration(self.model)
        with self.writer.as_default(step=self.drawn):
            samples = generators.generate(self.model.sampler, self.options, *self.inputs)
            tf.summary.image("samples", pictures.picture(samples, self.options)[None])
        self.writer.flush()


def _append(path, lines):
    with open(path, "a") as file:
        file.write(lines)


def _losses(logs):
    return f"G={float(logs['g_loss']):.6f},D={float(logs['d_loss']):.6f}"


def _real_images(gan, iteration):
    """Return how many real images the last of so many iterations took."""
    return gan.schedule(gan.options, iteration - 1).batches * gan.options.bsz * gan.pack


def _iteration(gan):
    """Return the number of completed iterations."""
    return int(gan.iteration.numpy())
