"""Statistics of each discriminator on real and fake images, and a line in the log when discriminators have won.

Knows no paper, and changes nothing: training with a look every iteration computes what training without does.
"""

from __future__ import annotations

import functools
import pathlib
import types
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
import tqdm

from rpgan_tf.data import faults, stream
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, run_logs
from rpgan_tf.randomness import MONITOR
from rpgan_tf.training import blocks
from rpgan_tf.training.diagnosis import advice, verdict
from rpgan_tf.training.scalars import Scalars


def diagnose(gan: keras.Model, real: tf.Tensor, z: tf.Tensor, labels: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
    """Compute the statistics of each discriminator in evaluation mode; nothing changes.

    Args:
        gan: `rpgan_tf.gan.GAN`.
        real: images [pack * B, H, W, C], or points [pack * B, dims].
        z: latents [pack * B, zlen].
        labels: [pack * B, num_classes] of real and fake images, for nets that have labels.

    Returns:
        dict of float32 [], or [K] of a bank:
        "real_loss", "fake_loss": the terms of the discriminator's loss for real and for fake images, without a penalty;
        "chance_loss": the sum of both where all logits are 0, so of a discriminator that cannot tell;
        "accuracy": the share of images on the right side (see `accuracy` of the GAN);
        "g_loss": the generator's loss;
        "gradient_norm": the mean over the batch of || d (B g_loss) / d image ||_2, the gradient of an image's own share
        of the loss. With `pack`, an image is `pack` of them, stacked.
    """
    labels, drawn = () if labels is None else (labels,), gan.draw()
    real, fake = gan.packed(real), gan.packed(gan.generate(z, *labels, training=False))
    discriminator = gan.discriminator
    real_logits = discriminator(real, *labels, training=False)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fake)
        seen = discriminator.project(fake)
        fake_logits = discriminator.judge(seen, *labels, training=False)
        g_loss = gan.g_loss(real_logits, fake_logits, *drawn)
        total = tf.reduce_sum(g_loss)
    real_loss, fake_loss = gan.d_terms(real_logits, fake_logits, *drawn)
    return {
        "g_loss": g_loss,
        "real_loss": real_loss,
        "fake_loss": fake_loss,
        "chance_loss": gan.d_loss(tf.zeros_like(real_logits), tf.zeros_like(fake_logits), *drawn),
        "accuracy": gan.accuracy(real_logits, fake_logits),
        "gradient_norm": _gradient_norm(tape, total, seen, fake, g_loss.shape),
    }


def _gradient_norm(
    tape: tf.GradientTape, total: tf.Tensor, seen: tf.Tensor, fake: tf.Tensor, shape: tf.TensorShape
) -> tf.Tensor:
    """Return the gradient norms of `diagnose`: [], or [K].

    Discriminator k alone judges its projection, [k] of `seen`. So one backward pass through all discriminators is
    enough; only the projections need one each.
    """
    at_seen = tape.gradient(total, seen)
    if not shape.rank:
        gradients = [tape.gradient(seen, fake, at_seen)]
    else:
        gradients = []
        for k in range(shape[0]):
            own = tf.reshape(tf.one_hot(k, shape[0]), [-1] + [1] * (len(seen.shape) - 1))
            gradients.append(tape.gradient(seen, fake, own * at_seen))
    size = tf.shape(fake)[0]
    flat = tf.reshape(tf.stack(gradients), [len(gradients), size, -1])
    norms = tf.cast(size, tf.float32) * tf.reduce_mean(tf.norm(flat, axis=-1), axis=-1)
    return tf.reshape(norms, shape)


class Monitor(blocks.Callback):
    """Compute the discriminators' statistics every `monitor_every` iterations, and report when they have won.

    A look is their statistics at one iteration (see `diagnose`), on the first batch of training and fixed latents. It
    goes to TensorBoard, as a run of its own, since TensorBoard reads only the newest file of a run; and to
    `<wts_dir>/monitor.jsonl`, with a list for each statistic, one number for each discriminator, and with the seconds
    that iterations have taken so far, over all starts of the run (see `Blocks.spent`).
    """

    def __init__(self, options: types.SimpleNamespace) -> None:
        super().__init__()
        self.options, self.folder, self.every = options, pathlib.Path(options.wts_dir), options.monitor_every

    def on_train_begin(self, logs: dict | None = None) -> None:
        iteration, path = blocks.completed(self.model), self.folder / run_logs.FILE
        # A run that was killed repeats the iterations after its last save.
        self.looks = [look for look in run_logs.read_looks(self.folder) if look["iteration"] <= iteration]
        if path.exists():
            atomic.write_text(path, "".join(map(run_logs.to_line, self.looks)))
        self.before_start = self.spent = np.zeros(2)
        if self.looks:  # assume that the iterations after the last look took as long as those before it
            last = self.looks[-1]
            self.before_start = np.array([last["seconds"], last["cpu_seconds"]]) * iteration / last["iteration"]
        self.scalars = Scalars(self.folder / "tensorboard" / "monitor")
        self.reported = verdict(self.looks)

    def read(self, rows: Sequence[blocks.Row]) -> None:
        self.spent = rows[-1].spent

    def act(self, iteration: int) -> None:
        numbers = {name: value.numpy() for name, value in self.compute().items()}
        scalars = {name: np.mean(value) for name, value in numbers.items()}
        for name, value in numbers.items():
            scalars |= {f"{name}_of_each/{i:02d}": number for i, number in enumerate(value if value.ndim else [])}
        self.scalars.write(iteration, scalars)
        self.scalars.writer.flush()
        seconds = (self.before_start + self.spent).round(3).tolist()
        look = {"iteration": iteration, "seconds": seconds[0], "cpu_seconds": seconds[1]}
        look |= {name: np.atleast_1d(value).tolist() for name, value in numbers.items()}
        self.looks.append(look)
        run_logs.append(self.folder / run_logs.FILE, run_logs.to_line(look))
        self.report(iteration)

    def on_train_end(self, logs: dict | None = None) -> None:
        self.scalars.writer.close()

    def report(self, iteration: int) -> None:
        """Report what has begun or ended with the last look, on standard output and in `train.log`."""
        now, num_discriminators = verdict(self.looks), len(self.looks[-1]["g_loss"])
        for name, clause in now.items():
            if bool(clause) == bool(self.reported[name]):
                continue
            if clause:
                text = f"{clause}; try {', or '.join(advice(name, self.options, num_discriminators))}"
            else:
                text = f"no longer: {self.reported[name].partition(' (')[0]}"
            tqdm.tqdm.write(f"iteration {iteration}: {text}")
            run_logs.append(self.folder / run_logs.LOG, run_logs.remark(iteration, f"monitor: {text}"))
        self.reported = now

    @functools.cached_property
    def compute(self) -> Callable[[], dict[str, tf.Tensor]]:
        """The function that computes the statistics, with the real images and latents of all looks."""
        gan = self.model
        try:
            real, *labels = tf.nest.flatten(next(iter(stream.dataset(self.options, batches=_one))))
        except tf.errors.OpError:  # a resumed run does not read the first batch again, which may have been damaged
            fault = faults.find_fault(self.options, 0, 1, _one)
            if fault is None:
                raise
            raise UserError(fault) from None
        latents = gan.draw_latents(real.shape[0], tf.random.fold_in([self.options.seed, MONITOR], 0))
        diagnose_all = functools.partial(gan.of_all, functools.partial(diagnose, gan))
        return functools.partial(tf.function(diagnose_all, autograph=False), real, latents, *labels)


def _one(iteration: int) -> int:
    """Return the number of batches that a look takes."""
    return 1
