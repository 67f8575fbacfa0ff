"""What discriminators on K random projections have in common: their options, and projections that change.

Knows no architecture and no loss.
"""

from __future__ import annotations

import types
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from rpgan_tf.config import Count, NonNegative, Positive, Share, Whole
from rpgan_tf.devices import replicas, strategies
from rpgan_tf.nets import base
from rpgan_tf.projections import Projections, to_arrays


class Bank(base.Discriminator):
    """K discriminators on K projections, or without `filts` one on what it is shown."""

    filts: str | None = None
    active: Count | None = None  # discriminators that take part in an iteration; None: all
    redraw: Whole = 0  # iterations between new projections; 0: those of filts for the whole run
    redraw_discriminators: Literal["kept", "new"] = "kept"  # whether they start again with new projections
    weighting: Literal["mean", "softmax", "softmax_detached", "hypervolume", "minimum_norm"] = "mean"  # of G's K losses
    weighting_alpha: NonNegative = 1.0  # softmax of alpha times the losses: 0 the mean, a large one the maximum
    weighting_slack: Positive = 1.5  # nadir of the hypervolume over the largest loss; above 1
    weighting_unit: bool = False  # minimum norm of gradients scaled to unit length
    feedback_dropout: Share = 0.0  # probability with which a discriminator's loss does not reach G in an iteration

    projections: Projections | None
    limits: list[float]  # half widths of the uniform distributions of initial weights

    rules = [
        (
            "filts or not (active or redraw)",
            "active = {active} and redraw = {redraw} are of K discriminators, received filts = None; set "
            "filts, or leave them out: --set active=None redraw=None",
        ),
        (
            "redraw or 'redraw_discriminators' not in given",
            "redraw_discriminators is of redraw, received redraw = 0; set redraw, or leave it out: --set "
            "redraw_discriminators=None",
        ),
        (
            "filts or (weighting == 'mean' and not feedback_dropout)",
            "weighting = '{weighting}' with feedback_dropout = {feedback_dropout} is for K discriminators, received "
            "filts = None; set filts, or leave them out: --set weighting=None feedback_dropout=None",
        ),
        (
            "weighting != 'minimum_norm' or divide == 'batch'",
            "weighting = 'minimum_norm' compares the gradients of all discriminators, received divide = '{divide}'; "
            "take divide = 'batch', or another weighting",
        ),
        ("weighting_slack > 1", "expected weighting_slack > 1, above the largest loss, received {weighting_slack}"),
        (
            "weighting in ('softmax', 'softmax_detached') or 'weighting_alpha' not in given",
            "weighting_alpha is of weighting = 'softmax' or 'softmax_detached', received weighting = '{weighting}'; "
            "set one of these, or leave it out: --set weighting_alpha=None",
        ),
        (
            "weighting == 'hypervolume' or 'weighting_slack' not in given",
            "weighting_slack is of weighting = 'hypervolume', received weighting = '{weighting}'; set that, or leave "
            "it out: --set weighting_slack=None",
        ),
        (
            "weighting == 'minimum_norm' or 'weighting_unit' not in given",
            "weighting_unit is of weighting = 'minimum_norm', received weighting = '{weighting}'; set that, or leave "
            "it out: --set weighting_unit=None",
        ),
    ]

    def hold_filters(self) -> None:
        """Make a variable for filters that change: not a weight, since no file of weights has it."""
        if self.projections is None or not self.projections.moving:
            return
        kernels = self.projections.kernels
        number = len(kernels) // (strategies.count() if self.divided else 1)
        variable = keras.Variable(kernels[:number], trainable=False, dtype="float32", name="filters")
        if self.divided:
            replicas.divide(variable)
            replicas.put([variable], [kernels])
        self.holder = types.SimpleNamespace(filters=variable)  # in which Keras does not find it

    def each_filter(self) -> tf.Tensor:
        """Return the filters of now [K, k, k, C, numf]; of a divided bank those of this replica's part."""
        assert self.projections is not None
        if self.projections.moving:
            return tf.convert_to_tensor(self.holder.filters)
        filters = tf.constant(self.projections.kernels)
        return replicas.own_part(filters) if self.divided else filters

    def set_filters(self, filters: tf.Tensor) -> None:
        """Assign filters [K, k, k, C, numf], on a replica; of a divided bank those of its part."""
        replicas.put_own(self.holder.filters.value, filters)

    def get_projections(self) -> dict[str, np.ndarray]:
        """Return the projections of now as a file of filters has them."""
        assert self.projections is not None
        return to_arrays(replicas.get([self.holder.filters])[0], self.projections.stride)

    def set_projections(self, arrays: dict[str, np.ndarray]) -> None:
        """Assign what `get_projections` returned."""
        kernels = np.stack([arrays[f"p{i}"] for i in range(int(arrays["nfilt"]))])
        replicas.put([self.holder.filters], [kernels])

    def initial_weights(self, seed: tf.Tensor) -> list[tf.Tensor]:
        """Draw weights with the distribution of the initial ones; of a divided bank those of this replica's part."""
        found = []
        for i, (variable, limit) in enumerate(zip(self.trainable_variables, self.limits, strict=True)):
            whole = variable.shape[0] * (strategies.count() if self.divided else 1)
            shape, own_seed = [whole, *variable.shape[1:]], tf.random.fold_in(seed, i)
            drawn = (
                tf.random.stateless_uniform(shape, own_seed, -limit, limit, alg="philox") if limit else tf.zeros(shape)
            )
            found.append(replicas.own_part(drawn) if self.divided else drawn)
        return found
