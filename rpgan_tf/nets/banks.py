"""What discriminators on K random projections have in common: their options. Knows no architecture and no loss."""

from __future__ import annotations

from typing import Literal

from rpgan_tf.config import NonNegative, Positive, Share
from rpgan_tf.nets import base


class Bank(base.Discriminator):
    """K discriminators on K projections, or without `filts` one on what it is shown."""

    filts: str | None = None
    weighting: Literal["mean", "softmax", "softmax_detached", "hypervolume", "minimum_norm"] = "mean"  # of G's K losses
    weighting_alpha: NonNegative = 1.0  # softmax of alpha times the losses: 0 the mean, a large one the maximum
    weighting_slack: Positive = 1.5  # nadir of the hypervolume over the largest loss; above 1
    weighting_unit: bool = False  # minimum norm of gradients scaled to unit length
    feedback_dropout: Share = 0.0  # probability with which a discriminator's loss does not reach G in an iteration

    rules = [
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
