"""The iteration of a GAN, written once. Knows no paper: those are in `rpgan_tf.gans`.

Every loss keeps the leading axis: a plain discriminator gives logits [B] and a loss [], a bank of K gives [K, B] and
[K]. Summed over what is left, each discriminator gets the gradient of its own loss; averaged, the generator is judged
by all alike.
"""

import contextlib
import functools
import importlib
import inspect
from typing import ClassVar, Literal

import keras
import tensorflow as tf

from rpgan_tf import config, optimizers, projections
from rpgan_tf.config import Count, Fixed, NonNegative, Positive, Rules, Share, Whole
from rpgan_tf.devices import replicas
from rpgan_tf.errors import UserError

# What noise is drawn for; the last three are added to the role of the step that draws it.
G_STEP, D_STEP, HELD_OUT, PENALTY, ANCHORS, MONITOR, PATHS, DIRECTIONS, REAL, RECONSTRUCTION = range(10)
MIXING, NOISE, AUGMENTATION = 16, 32, 48


class GAN(keras.Model):
    """A generator and a discriminator (or a bank of K) that train each other.

    A paper fills `g_loss` and `d_terms`, and what else it does differently; its options are annotated class attributes.

    Args:
        generator: maps latents [B, zlen] to images [B, H, W, C] in [-1, 1], or to points [B, dims].
        discriminator: maps images to logits [B] or [K, B], or to [..., B, A] for a loss of A outcomes.
        options: from `rpgan_tf.config`.
        average: a second generator, for the moving average of the first one's weights; None without `ema`.
    """

    d_steps: Count = 1  # of an iteration, each with real images and noise of its own
    g_steps: Count = 1  # of an iteration, each with noise of its own
    accumulation: Count = 1  # batches whose gradients are averaged for one step of an optimizer
    pack: Count = 1  # images that the discriminator sees at once (PacGAN, arXiv 1712.04086), stacked on channels
    prior: Literal["normal", "uniform"] = "normal"  # of the latents: N(0, 1) or U[-1, 1)
    learning_rate: Positive = 2e-4
    d_learning_rate: Positive | None = None  # that of D, where it differs
    decay: Share = 0.0  # of the learning rates: they are multiplied by 1 - decay after each iteration
    weight_decay: NonNegative = 0.0  # times the weights, added to their gradients
    beta_1: Share = 0.5
    beta_2: Share = 0.999
    ema: Share = 0.0  # samples come from the moving average of G's weights with this momentum; 0: from G itself
    num_classes: Fixed[Whole] = 0  # length of a label; GANs that know labels offer it

    rules: ClassVar[Rules] = []  # on options, see `config.checks`
    needs: ClassVar[list[str]] = []  # checks of files, see `config.checks`

    def __init__(self, generator, discriminator, options, average=None, **kwargs):
        super().__init__(**kwargs)
        self.generator, self.discriminator, self.average = generator, discriminator, average
        self.options = options
        annotated = {name for base in type(self).__mro__ for name in inspect.get_annotations(base)}
        for name in annotated & vars(options).keys():  # an option of the paper
            setattr(self, name, getattr(options, name))
        self.iteration = self.add_weight((), "zeros", dtype="int64", trainable=False, name="iteration")
        if average is not None:
            for variable, weight in zip(average.weights, generator.weights):
                variable.assign(weight.value)
        self.built = True

    def g_loss(self, real_logits, fake_logits):
        """Return the generator's loss: logits [..., B] -> [...]. `real_logits` are None unless `g_sees_real`."""
        raise NotImplementedError

    def d_loss(self, real_logits, fake_logits):
        """Return the discriminator's loss: logits [..., B] -> [...]."""
        real_loss, fake_loss = self.d_terms(real_logits, fake_logits)
        return real_loss + fake_loss

    def d_terms(self, real_logits, fake_logits):
        """Return what the discriminator is charged for real and for fake images: logits [..., B] -> twice [...]."""
        raise NotImplementedError

    def accuracy(self, real_logits, fake_logits):
        """Return the share of images on their side of what divides real from fake: logits [..., B] -> [...].

        Here 0 divides them, for discriminators that classify; real and fake images count half each.
        """
        return (share(real_logits > 0) + share(fake_logits <= 0)) / 2

    def d_penalty(self, real, fake, step):
        """Return what is added to the discriminator's loss for packed images [B, H, W, C]: [...], or None."""
        del real, fake, step

    @classmethod
    def g_sees_real(cls, options):
        """Return whether the generator's loss looks at a batch of real images of its own."""
        del options
        return False

    @classmethod
    def batches(cls, options, iteration):
        """Return how many batches of real images the iteration takes: those of D's steps, then those of G's."""
        del iteration
        return (options.d_steps + options.g_steps * cls.g_sees_real(options)) * options.accumulation

    def num_batches(self):
        """Return `batches` of this iteration: int, or int tensor [] where it changes."""
        return self.batches(self.options, None)

    def num_d_steps(self):
        """Return how many steps of D this iteration has: int, or int tensor [] where it changes."""
        return self.d_steps

    def make_optimizer(self, learning_rate, **arguments):
        """Return an optimizer; the one of D serves all K, since every weight's moments see its own gradient alone."""
        return optimizers.Adam(learning_rate, self.beta_1, self.beta_2, epsilon=1e-8, **arguments)

    def compile(self, g_optimizer=None, d_optimizer=None, *, run_eagerly=None, steps_per_execution=1, jit_compile=None):
        """Set both optimizers, None for the paper's own; their variables are made here, ready to be restored.

        The other arguments are Keras', None for what the option `compile` says.
        """
        if run_eagerly is None:
            run_eagerly = self.options.compile == "eager"
        if jit_compile is None:
            jit_compile = not run_eagerly and self.by_xla()
        if self.options.precision == "mixed_float16" and self.num_replicas > 1:
            raise UserError(
                f"precision = 'mixed_float16' is for one device, and there are {self.num_replicas}: expected "
                "'mixed_bfloat16' or 'float32', since losses are scaled for each device alone"
            )
        super().compile(run_eagerly=run_eagerly, steps_per_execution=steps_per_execution, jit_compile=jit_compile)
        arguments = {"gradient_accumulation_steps": self.accumulation if self.accumulation > 1 else None}
        g_rate, d_rate = self.learning_rate, self.d_learning_rate or self.learning_rate
        self.g_optimizer = g_optimizer or self.make_optimizer(self.decaying(g_rate), name="g_optimizer", **arguments)
        self.d_optimizer = d_optimizer or self.make_optimizer(self.decaying(d_rate), name="d_optimizer", **arguments)
        if self.options.precision == "mixed_float16":  # whose small gradients would be 0
            self.g_optimizer, self.d_optimizer = map(optimizers.scaled, (self.g_optimizer, self.d_optimizer))
        self.g_optimizer.build(self.generator.trainable_variables)
        self.d_optimizer.build(self.discriminator.trainable_variables)
        if self.discriminator.divided:
            if not isinstance(self.d_optimizer, optimizers.Adam):
                raise UserError(
                    f"divide = 'discriminators' needs Adam: gan = '{type(self).__name__}' trains them by "
                    f"{type(self.d_optimizer).__name__}; expected divide = 'batch', or another gan"
                )
            self.d_optimizer.local = True
            for slot in self.d_optimizer.variables:
                if len(slot.shape):
                    replicas.divide(slot)

    def by_xla(self):
        """Return whether XLA is to compile the whole step.

        Keras' own choice would be that it does, which is slow where it has no fast convolution. Where the number of
        batches changes it cannot: XLA would take the iteration, on which the number depends, for a constant, and
        compile each anew. Nor with several replicas: their gradients are exchanged in between.
        """
        obstacle = None
        if not isinstance(self.num_batches(), int):
            obstacle = f"gan = '{type(self).__name__}' takes more batches in some iterations than in others"
        elif self.num_replicas > 1:
            obstacle = f"there are {self.num_replicas} devices, and XLA compiles the step of one"
        if self.options.compile == "xla" and obstacle:
            raise UserError(f"compile = 'xla' cannot be: {obstacle}; expected compile = 'auto' or 'graph'")
        return self.options.compile == "xla" or (
            self.options.compile == "auto" and self.discriminator.jit_compile and not obstacle
        )

    def decaying(self, learning_rate):
        """Return the learning rate, or where it decays, a function that computes it for the current iteration."""
        if not self.decay:
            return learning_rate
        return lambda: learning_rate * (1 - self.decay) ** tf.cast(self.iteration, tf.float32)

    @property
    def num_replicas(self):
        """Number of replicas among which each batch is divided."""
        return self.distribute_strategy.num_replicas_in_sync

    def make_train_function(self, force=False):
        """Make what `fit` calls; it also sets `waited`, the seconds that passed until its images were there, [].

        With several replicas it is not `train_step` that is run on each, but its steps.
        """
        if self.train_function is not None and not force:
            return
        several = self.num_replicas > 1

        def step(real):
            return self.train_step(real) if several else self.distribute_strategy.run(self.train_step, (real,))

        def steps(iterator):
            logs, waited = {}, tf.constant(0.0)
            for _ in range(self.steps_per_execution):
                with tf.control_dependencies([waited, *logs.values()]):  # one after the other, as clocks must be read
                    real, seconds = receive(iterator)
                with tf.control_dependencies([seconds]):
                    logs, waited = step(real), waited + seconds
            return logs, waited

        if not self.run_eagerly:
            step = tf.function(step, jit_compile=self.jit_compile, reduce_retracing=True, autograph=False)
            if not several:
                steps = tf.function(steps, reduce_retracing=True, autograph=False)

        def train(iterator):
            logs, self.waited = steps(iterator)
            return logs

        self.train_function = train

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Do nothing: all weights are there. Keras would average a batch over all machines, and fail with labels."""

    def call(self, z):
        return self.sampler(z)

    @property
    def sampler(self):
        """The generator that samples come from: with `ema` the average of the one that is trained."""
        return self.generator if self.average is None else self.average

    @property
    def state(self):
        """{name: variable} of what is kept from iteration to iteration, beside nets, optimizers and the iteration."""
        return {}

    def noise_seed(self, role, step=0):
        """Return the seed of a stateless draw: a function of seed, iteration, role and step within the iteration."""
        seed = tf.random.fold_in([self.options.seed, role], self.iteration)
        return seed if isinstance(step, int) and step == 0 else tf.random.fold_in(seed, step)

    def latents(self, batch_size, role, step=0):
        """Draw latents [batch_size, zlen] for a role and a step within the iteration."""
        return self.draw_latents(batch_size, self.noise_seed(role, step))

    def draw_latents(self, batch_size, seed):
        """Draw latents [batch_size, zlen] of the prior."""
        shape = [batch_size, self.generator.zlen]
        if self.prior == "uniform":
            return replicas.uniform(shape, seed, -1, 1, groups=self.pack)
        return replicas.normal(shape, seed, groups=self.pack)

    def judge(self, images, training=True):
        """Return the discriminator's logits for images [pack * B, ...], `pack` of them at a time."""
        return self.discriminator(self.packed(images), training=training)

    def packed(self, images):
        """Stack image i, B + i, 2 B + i, ... on their last axis: [pack * B, ..., C] -> [B, ..., pack * C].

        Where the discriminators are divided among the replicas, all of these are shown the whole batch.
        """
        images = images if self.pack == 1 else tf.concat(tf.split(images, self.pack), axis=-1)
        return replicas.gather(images) if self.discriminator.divided else images

    def judging(self):
        """Return the context in which losses are computed of what `packed` returned."""
        return replicas.whole() if self.discriminator.divided else contextlib.nullcontext()

    def train_step(self, real):
        """Do one iteration on real images, all batches of the iteration one after the other: [n * pack * B, ...].

        Where images have labels, `real` is (images, labels [n * pack * B, num_classes]).

        With several replicas it is called once for all, with their parts of `real`, and each step of an optimizer runs
        on all of them: gradients cannot be exchanged within a loop or a condition of a replica's own.
        """
        arrived = tf.nest.flatten(real, expand_composites=True)
        with tf.control_dependencies(arrived):  # input that fails or ends leaves everything as it was
            logs = self.iterate(real)
            self.iteration.assign_add(1)
            if self.average is not None:
                self.update_average()
        logs = {key: value for key, value in logs.items() if not key.endswith("logits")}
        if logs["d_loss"].shape.rank:  # a bank: report the mean, and each of its K
            each = {"g_losses": logs["g_loss"], "d_losses": logs["d_loss"]}
            logs = {key: tf.reduce_mean(loss) for key, loss in logs.items()} | each
        return logs

    def iterate(self, real):
        """Do the steps of D, then those of G; return the losses of the last of each."""
        real = self.run(self.divide, real)
        return self.all_d_steps(real) | self.all_g_steps(real)

    def run(self, function, *values):
        """Return function(*values): of each replica and its parts of the values, where there are several."""
        return function(*values) if self.num_replicas == 1 else self.distribute_strategy.run(function, values)

    def divide(self, real):
        """Divide an iteration's images into its batches: [n * pack * B, ...] -> [n, pack * B, ...]."""
        count, total = self.num_batches(), real.shape[0]
        if isinstance(count, int) and total is not None and total % (count * self.pack):
            raise UserError(
                f"an iteration of {type(self).__name__} takes {count} batches of real images, each a multiple of "
                f"{self.pack}: received {total} images; rpgan_tf.data.dataset(options) gives it as many as it takes"
            )
        return tf.reshape(real, [count, -1, *real.shape[1:]])

    def all_d_steps(self, real):
        """Do the steps of D on the first batches of real images [n, pack * B, ...]."""

        def step(i, real):
            return self.d_step(real[i], self.latents(tf.shape(real)[1], D_STEP, i), i)

        return self.repeat(self.num_d_steps() * self.accumulation, step, real)

    def all_g_steps(self, real):
        """Do the steps of G, on the last of the batches if its loss looks at real images."""
        count, sees_real = self.g_steps * self.accumulation, self.g_sees_real(self.options)

        def step(i, real):
            own = real[-count:][i] if sees_real else None
            return self.g_step(own, self.latents(tf.shape(real)[1], G_STEP, i))

        return self.repeat(count, step, real)

    def repeat(self, count, step, *values):
        """Do step(0, *values) ... step(count - 1, *values), for `count` int or int tensor []; return the last's logs.

        With several replicas, logs are means over these, but logits [..., B] stay where they are.
        """
        if self.num_replicas > 1:
            return self.repeat_on_replicas(count, step, *values)
        logs = step(0, *values)
        if isinstance(count, int) and count == 1:
            return logs
        return self.loop(count, lambda i: step(i, *values), logs)

    def repeat_on_replicas(self, count, step, *values):
        """Do what `repeat` does; where `count` is a tensor, no logits are returned."""

        def do(i):
            logs = self.distribute_strategy.run(functools.partial(step, i), values)
            return {key: value if key.endswith("logits") else self.combine(value) for key, value in logs.items()}

        if isinstance(count, int):
            return [do(i) for i in range(count)][-1]

        def without_logits(i):
            return {key: value for key, value in do(i).items() if not key.endswith("logits")}

        return self.loop(count, without_logits, without_logits(0))

    def combine(self, values):
        """Return the mean of the replicas' values; where the discriminators are divided, those of all K."""
        strategy = self.distribute_strategy
        return strategy.gather(values, axis=0) if self.discriminator.divided else strategy.reduce("MEAN", values, None)

    def loop(self, count, step, logs):
        """Do step(1) ... step(count - 1); return the logs of the last, `logs` if there is none."""
        shapes = {key: tf.TensorShape([None] * value.shape.rank) for key, value in logs.items()}
        _, logs = tf.while_loop(
            lambda i, _: i < count,
            lambda i, _: (i + 1, step(i)),
            (tf.constant(1), logs),
            shape_invariants=(tf.TensorShape([]), shapes),
            parallel_iterations=1,
        )
        return logs

    def d_step(self, real, z, step=0):
        """Do one optimizer step on the discriminators with latents z [B, zlen].

        `step` counts the steps within the iteration, for what a loss draws.

        Returns:
            {"d_loss": [] or [K]}, the penalty included if there is one, "d_penalty", and the logits before the step.
        """
        real, fake = self.packed(real), self.packed(self.generator(z, training=True))
        with self.judging():
            with tf.GradientTape() as tape:
                real_logits, fake_logits = self.judge_both(real, fake)
                logs = {"d_loss": self.d_loss(real_logits, fake_logits)}
                penalty = self.d_penalty(real, fake, step)
                if penalty is not None:
                    logs = {"d_loss": logs["d_loss"] + penalty, "d_penalty": penalty}
                objective = tf.reduce_sum(logs["d_loss"])
            self.update(self.d_optimizer, self.discriminator.trainable_variables, objective, tape)
        return logs | {"real_logits": real_logits, "fake_logits": fake_logits}

    def judge_both(self, real, fake):
        """Return the logits of packed real and fake images: in one call if that makes no difference, else in two."""
        if not self.discriminator.independent:
            return self.discriminator(real, training=True), self.discriminator(fake, training=True)
        logits = self.discriminator(tf.concat([real, fake], axis=0), training=True)
        return tf.split(logits, 2, axis=self.discriminator.batch_axis)

    def g_step(self, real, z, real_logits=None):
        """Do one optimizer step on the generator with latents z [B, zlen]; return {"g_loss": [] or [K]}.

        Where the loss looks at real images, these are `real`, unless their logits are at hand.
        """
        if self.g_sees_real(self.options) and real_logits is None:
            real_logits = self.judge(real)
        with tf.GradientTape() as tape:
            fake_logits = self.judge(self.generator(z, training=True))
            with self.judging():
                loss = self.g_loss(real_logits, fake_logits)
            objective = tf.reduce_mean(loss)
        self.update(self.g_optimizer, self.generator.trainable_variables, objective, tape)
        return {"g_loss": loss}

    def update(self, optimizer, variables, objective, tape):
        """Do a step of an optimizer, with weight decay."""
        gradients = tape.gradient(objective, variables, optimizer.scale_loss(replicas.part_of_mean(objective)))
        if self.weight_decay:
            decay = optimizer.scale_loss(self.weight_decay / replicas.count())
            gradients = [gradient + decay * variable.value for gradient, variable in zip(gradients, variables)]
        optimizer.apply(gradients, variables)

    def update_average(self):
        """Move the average towards the generator's weights."""
        self.move_average(self.ema)

    def move_average(self, momentum):
        """Do average += (1 - momentum) (weight - average) for what is trained, and copy the rest."""
        average, generator = self.average, self.generator
        move = lambda average, weight: average + (1 - momentum) * (weight - average)  # noqa: E731
        replicas.assign(average.trainable_variables, move, generator.trainable_variables)
        replicas.assign(average.non_trainable_variables, lambda _, weight: weight, generator.non_trainable_variables)

    def test_step(self, real):
        """Return the losses of held-out images [pack * B, ...] and of the same latents each time, in evaluation mode.

        No penalty is added.
        """
        seed = tf.random.fold_in([self.options.seed, HELD_OUT], 0)
        fake = self.generator(self.draw_latents(tf.shape(real)[0], seed), training=False)

        def losses(real, fake):
            logits = self.judge(real, training=False), self.judge(fake, training=False)
            return {"g_loss": self.g_loss(*logits), "d_loss": self.d_loss(*logits)}

        return {name: tf.reduce_mean(loss) for name, loss in self.of_all(losses, real, fake).items()}

    def of_all(self, function, *values):
        """Return {name: [] or [K]} of function(*values), where the discriminators are divided that of all of them."""
        if not self.discriminator.divided:
            return function(*values)

        def of_own(*values):
            with replicas.whole():
                return function(*values)

        found = self.distribute_strategy.run(of_own, values)
        return {name: self.combine(value) for name, value in found.items()}


def receive(iterator):
    """Return the iterator's next element, and the seconds [] until it was there, as a step of `fit` has to wait."""
    asked = tf.timestamp()
    with tf.control_dependencies([asked]):
        element = next(iterator)
    with tf.control_dependencies(tf.nest.flatten(element, expand_composites=True)):
        return element, tf.cast(tf.timestamp() - asked, tf.float32)


def share(true):
    """Return how much of the last axis is true: bool [..., B] -> float32 [...]."""
    return tf.reduce_mean(tf.cast(true, tf.float32), axis=-1)


def find(options):
    """Return the class of the GAN that `options` name."""
    return getattr(importlib.import_module(f"rpgan_tf.gans.{config.gan_module(options.gan)}"), options.gan)


def build(options):
    """Build the compiled GAN that `options` (from `rpgan_tf.config`) describe, with new weights.

    Raises:
        UserError: filters are missing or do not fit, or sizes do not fit each other.
    """
    seeds = keras.random.SeedGenerator(options.seed)
    generator, discriminator = build_generator(options, seeds), build_discriminator(options, seeds)
    for net in (generator, discriminator):
        if options.sync_bn:
            net.synchronize()
        if options.precision != "float32":
            net.compute_products_in(options.precision.removeprefix("mixed_"))
    gan = find(options)(generator, discriminator, options, build_generator(options) if options.ema else None)
    gan.compile()
    return gan


def build_generator(options, seeds=None):
    """Build only the generator, without `seeds` for weights that are to be loaded."""
    return importlib.import_module(f"rpgan_tf.nets.{options.net}").build_generator(options, seeds)


def build_discriminator(options, seeds=None):
    """Build only the discriminator, or the bank; raises as `build`."""
    filters = None
    if options.filts:
        filters = projections.load(options.filts)
        projections.check_fit(filters, options.imsz, options.filts, options.channels)
    return importlib.import_module(f"rpgan_tf.nets.{options.net}").build_discriminator(options, filters, seeds)
