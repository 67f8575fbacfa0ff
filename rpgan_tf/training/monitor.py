"""How a training goes: what each discriminator makes of real and fake images, and what is said when it has won.

Knows no paper, and changes nothing: training with a look every iteration computes what training without does.
"""

import functools
import pathlib
import time

import numpy as np
import tensorflow as tf
import tqdm

from rpgan_tf.data import faults, stream
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, run_logs
from rpgan_tf.randomness import MONITOR
from rpgan_tf.training.counted import Counted
from rpgan_tf.training.diagnosis import advice, verdict


def diagnose(gan, real, z, labels=None):
    """Look at each discriminator, in evaluation mode: nothing changes.

    Args:
        gan: `rpgan_tf.gan.GAN`.
        real: images [pack * B, H, W, C], or points [pack * B, dims].
        z: latents [pack * B, zlen].
        labels: [pack * B, num_classes] of both, for nets that have labels.

    Returns:
        dict of float32 [], or [K] of a bank:
        "real_loss", "fake_loss": what the discriminator is charged for real and for fake images, without a penalty;
        "chance_loss": the sum of both for a discriminator that cannot tell, whose logits are 0;
        "accuracy": the share of images on the right side (see `accuracy` of the GAN);
        "g_loss": the generator's loss;
        "gradient_norm": the mean over the batch of || d (B g_loss) / d image ||_2, the gradient of an image's own share
        of the loss. With `pack`, an image is `pack` of them, stacked.
    """
    labels, drawn = () if labels is None else (labels,), gan.draw()
    real, fake = gan.packed(real), gan.packed(gan.generator(z, *labels, training=False))
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


def _gradient_norm(tape, total, seen, fake, shape):
    """Return the norms of `diagnose`: [], or [K].

    What discriminator k sees, [k] of `seen`, is judged by it alone. So one pass back through all of them is enough, and
    only the projections are gone back through one by one.
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


class Monitor(Counted):
    """Look at the discriminators every `monitor_every` iterations, and say in words when they have won.

    Looks are at the first batch of training and at fixed latents. Their numbers (see `diagnose`) go to TensorBoard, as
    a run of its own, which reads the newest file of a run only; and to `<wts_dir>/monitor.jsonl`, a line a look, in
    lists with one number for each discriminator. Beside them stand the seconds that the iterations have taken so far,
    on the clock and of the processors, over all starts of the run: without looks, saves and pictures, and without the
    first iteration after a start, which compiles.
    """

    def __init__(self, options):
        super().__init__()
        self.options, self.folder = options, pathlib.Path(options.wts_dir)

    def on_train_begin(self, logs=None):
        iteration, path = int(self.model.iteration.numpy()), self.folder / run_logs.FILE
        # Of a run that was killed, what came after its last save is done again.
        self.looks = [look for look in run_logs.read_looks(self.folder) if look["iteration"] <= iteration]
        if path.exists():
            atomic.write_text(path, "".join(map(run_logs.to_line, self.looks)))
        self.seconds, self.began, self.step = np.zeros(2), None, None
        if self.looks:  # since the last of them, iterations took as long as before
            last = self.looks[-1]
            self.seconds += np.array([last["seconds"], last["cpu_seconds"]]) * iteration / last["iteration"]
        self.writer = tf.summary.create_file_writer(str(self.folder / "tensorboard" / "monitor"))
        self.compiled, self.said = False, verdict(self.looks)

    def on_train_batch_begin(self, batch, logs=None):
        self.began = _clocks()

    def on_train_batch_end(self, batch, logs=None):
        iteration = self.completed(batch)
        if self.compiled:
            self.seconds += _clocks() - self.began
        self.compiled = True
        if iteration % self.options.monitor_every == 0:
            self.look(iteration)

    def on_train_end(self, logs=None):
        self.writer.close()

    def look(self, iteration):
        """Look now, and write down what is seen."""
        if self.step is None:
            self.prepare()
        numbers = {name: value.numpy() for name, value in self.step(self.real, self.latents, *self.labels).items()}
        with self.writer.as_default(step=iteration):
            for name, value in numbers.items():
                tf.summary.scalar(name, np.mean(value))
                for i, number in enumerate(value if value.ndim else []):
                    tf.summary.scalar(f"{name}_of_each/{i:02d}", number)
        self.writer.flush()
        seconds = dict(zip(("seconds", "cpu_seconds"), self.seconds.round(3).tolist()))
        look = {"iteration": iteration} | seconds
        look |= {name: np.atleast_1d(value).tolist() for name, value in numbers.items()}
        self.looks.append(look)
        _append(self.folder / run_logs.FILE, run_logs.to_line(look))
        self.tell(iteration)

    def tell(self, iteration):
        """Say what has begun or ended with the last look, on standard output and in `train.log`."""
        now, num_discriminators = verdict(self.looks), len(self.looks[-1]["g_loss"])
        for name, clause in now.items():
            if bool(clause) == bool(self.said[name]):
                continue
            if clause:
                text = f"{clause}; try {', or '.join(advice(name, self.options, num_discriminators))}"
            else:
                text = f"no longer: {self.said[name].partition(' (')[0]}"
            tqdm.tqdm.write(f"iteration {iteration}: {text}")
            _append(self.folder / "train.log", f"[{iteration:09d}] monitor: {text}\n")
        self.said = now

    def prepare(self):
        """Take the batch of real images and the latents that all looks are at."""
        gan = self.model
        try:
            self.real, *self.labels = tf.nest.flatten(next(iter(stream.dataset(self.options, batches=_one))))
        except tf.errors.OpError:  # training has read it long ago, before the run was resumed
            fault = faults.find_fault(self.options, 0, 1, _one)
            if fault is None:
                raise
            raise UserError(fault) from None
        seed = tf.random.fold_in([self.options.seed, MONITOR], 0)
        self.latents = gan.draw_latents(self.real.shape[0], seed)
        diagnose_all = functools.partial(gan.of_all, functools.partial(diagnose, gan))
        self.step = tf.function(diagnose_all, autograph=False)


def _append(path, line):
    with open(path, "a") as file:
        file.write(line)


def _one(iteration):
    """Return how many batches of an iteration are looked at."""
    return 1


def _clocks():
    """Return the seconds of the clock and of this process' processors, float64 [2]."""
    return np.array([time.perf_counter(), time.process_time()])
