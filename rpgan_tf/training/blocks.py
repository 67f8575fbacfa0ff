"""Losses stay on the device, and are copied to the host in blocks of iterations.

A copy waits until the device has computed what is copied. Keras' own list of callbacks copies every log of every
iteration; this one hands the logs over as they are.
"""

from __future__ import annotations

import math
import time
import types
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from rpgan_tf.devices import strategies

SECONDS = 1.0  # after which a block ends
MOST = 100  # iterations of a block
OF_MACHINES = 5  # iterations of a block on several machines: all must end it in the same one, so no clock decides


class Row(NamedTuple):
    """One iteration, on the host."""

    iteration: int  # number of completed iterations
    losses: dict[str, np.ndarray]  # float32, [] or [K]
    waited: float  # seconds until its images were there
    time: float  # `time.monotonic()` at its end
    spent: np.ndarray  # `Blocks.spent` at the end of its block
    finite: bool  # all losses are


class Callback(keras.callbacks.Callback):
    """A callback that reads the losses of finished blocks, and acts every `every` iterations (0: never)."""

    every = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.before = completed(self.model)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        iteration = self.before + batch + 1
        if self.every and iteration % self.every == 0:
            self.act(iteration)

    def read(self, rows: Sequence[Row]) -> None:
        """Read the losses of successive iterations, at least one."""

    def act(self, iteration: int) -> None:
        """Act after an iteration that is a multiple of `every`, whose losses and all before it have been read."""


class Blocks(keras.callbacks.CallbackList):
    """The callbacks of a run, for `fit`; fetches the losses that they read.

    A block ends after `SECONDS`, after `MOST` iterations, with the first iteration (which compiles), and wherever the
    options have a callback act. At its end, the callbacks read all iterations of the block but the last; then each in
    turn reads the last and acts, as if there were no blocks. Nothing is read beyond a loss that is not finite.

    Attributes:
        spent: seconds that iterations have taken, on the clock and of this process' processors, float64 [2]; without
            the first iteration and without the callbacks, but with the time that a fetch waits for the device.

    Args:
        callbacks: list of Keras callbacks, in the order in which they are called.
        gan: the model that `fit` is called on.
        options: from `rpgan_tf.config`.
    """

    def __init__(self, callbacks: list, gan: keras.Model, options: types.SimpleNamespace) -> None:
        super().__init__(callbacks, add_history=True, model=gan)
        several = strategies.several_machines()
        self.seconds, self.most = (math.inf, OF_MACHINES) if several else (SECONDS, MOST)
        # Those of the options, not of the callbacks: of several machines, one has callbacks that others have not.
        self.periods = {options.SAVEFREQ, options.monitor_every, options.evaluate_every}
        self.periods |= {options.test_every} if options.test_lfile else set()

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.pending: list[tuple] = []
        self.spent, self.compiled, self.ended = np.zeros(2), False, time.monotonic()
        super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.before = completed(self.model)
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        super().on_train_batch_begin(batch, logs)
        self.began = _clocks()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        iteration = self.before + batch + 1
        self.pending.append((iteration, time.monotonic(), (logs or {}) | {"waited": self.model.waited}))
        columns = self.copy() if self.ends_block(iteration) else None
        if self.compiled:
            self.spent = self.spent + _clocks() - self.began
        self.compiled = True
        rows = [] if columns is None else self.rows(columns)
        self.read(rows[:-1])
        for callback in self.callbacks:
            if rows and isinstance(callback, Callback):
                callback.read(rows[-1:])
            callback.on_train_batch_end(batch, logs=logs)

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.pending:
            self.read(self.rows(self.copy()))
        super().on_train_end(logs)

    def ends_block(self, iteration: int) -> bool:
        """Return whether a block ends with this iteration."""
        return (
            not self.compiled
            or len(self.pending) >= self.most
            or any(every and iteration % every == 0 for every in self.periods)
            or time.monotonic() - self.ended >= self.seconds
        )

    def copy(self) -> dict[str, np.ndarray]:
        """Copy the logs of all N pending iterations to the host, and which of them are "finite": {name: [N, ...]}."""
        logs = [each for _, _, each in self.pending]
        columns = {name: tf.stack([each[name] for each in logs]) for name in logs[0]}
        finite = [tf.reshape(tf.math.is_finite(column), [len(logs), -1]) for column in columns.values()]
        columns["finite"] = tf.reduce_all(tf.concat(finite, axis=1), axis=1)
        return {name: column.numpy() for name, column in columns.items()}

    def rows(self, columns: dict[str, np.ndarray]) -> list[Row]:
        """Return the pending iterations, of which there are none then.

        Where the device computes while the host goes on, the host's times are too early: they are spread over the time
        that the block has taken.
        """
        began, self.ended = self.ended, time.monotonic()
        iterations, times = zip(*(each[:2] for each in self.pending))
        self.pending = []
        times = np.interp(times, [began, times[-1]], [began, self.ended])
        waited, finite = columns.pop("waited"), columns.pop("finite")
        losses = [dict(zip(columns, values)) for values in zip(*columns.values())]
        return list(map(Row, iterations, losses, waited, times, [self.spent] * len(times), finite))

    def read(self, rows: list[Row]) -> None:
        """Let the callbacks read rows, up to the first that is not finite: there, one of them ends training."""
        diverged = [i for i, row in enumerate(rows) if not row.finite]
        rows = rows[: diverged[0] + 1] if diverged else rows
        for callback in self.callbacks if rows else []:
            if isinstance(callback, Callback):
                callback.read(rows)


def completed(gan: keras.Model) -> int:
    """Return the number of completed iterations; waits for the device."""
    return int(gan.iteration.numpy())


def _clocks() -> np.ndarray:
    """Return the seconds of the clock and of this process' processors, float64 [2]."""
    return np.array([time.monotonic(), time.process_time()])
