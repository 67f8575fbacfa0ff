"""Whether discriminators have won, or the generator's loss swings; and remedies to try.

Knows NumPy only. A look holds the statistics of all K discriminators at one iteration, as `training.monitor` writes
them.
"""

import types

import numpy as np

from rpgan_tf import checkpoint
from rpgan_tf.files import run_logs

# Thresholds for means over the last looks: a state begins at the first number and ends at the second, so that reports
# do not flicker.
WINDOW = 5  # looks
HORIZON = 1000  # looks that count, the last ones
ACCURACY = 0.99, 0.95  # at least
LOSS = 0.05, 0.1  # at most, relative to the loss at chance: next to nothing is left to learn
GRADIENT = 0.1, 0.2  # or at most, relative to the largest gradient so far: the generator has no direction to follow
MAJORITY = 0.5  # at least this share of the discriminators, since the generator follows their mean
# Standard deviation of the generator's loss over twice as many looks, relative to its median so far.
UNSTEADY = 4.0, 2.0  # at least
STEADY = "WGANGP", "RaLSGAN"  # objectives that keep a gradient when D classifies all images right


def won(looks: list[dict]) -> np.ndarray:
    """Return which discriminators have won at each of N looks, bool [N, K].

    A discriminator has won if, over the last looks, its accuracy is at least 0.99, and either its loss is at most 5 %
    of the loss at chance, or the gradient at the image is at most a tenth of the largest so far. Accuracy alone does
    not suffice, since a good critic ranks all images right; nor does the gradient, since with a non-saturating loss the
    gradient of a confident D is large, but has little to do with the data (Arjovsky and Bottou, arXiv 1701.04862,
    section 2.2). The gradient alone decides for an objective whose loss has no lower bound, or one above 0.
    """
    accuracy, gradient = (run_logs.column(looks, name) for name in ("accuracy", "gradient_norm"))
    chance = run_logs.column(looks, "chance_loss")
    loss = run_logs.column(looks, "real_loss") + run_logs.column(looks, "fake_loss")
    states = np.zeros(accuracy.shape, bool)
    if len(looks) < WINDOW:
        return states
    accuracy, gradient, loss, chance = (_means(values) for values in (accuracy, gradient, loss, chance))
    peak = np.fmax.accumulate(gradient)
    begins, goes_on = (
        (accuracy >= ACCURACY[i]) & (((chance > 0) & (loss <= LOSS[i] * chance)) | (gradient <= GRADIENT[i] * peak))
        for i in range(2)
    )
    for i in range(len(begins)):
        states[WINDOW - 1 + i] = begins[i] | (states[WINDOW - 2 + i] & goes_on[i])
    return states


def unsteady(looks: list[dict]) -> np.ndarray:
    """Return at each of N looks whether the generator's loss swings more than before, bool [N].

    The loss is the mean over the discriminators. Its standard deviation over the last ten looks is compared with the
    median of at least ten earlier ones.
    """
    states, window = np.zeros(len(looks), bool), 2 * WINDOW
    if len(looks) < 2 * window:
        return states
    _, deviation = run_logs.moving(run_logs.column(looks, "g_loss").mean(axis=1), window)
    for i in range(window, len(deviation)):
        last = window - 1 + i
        states[last] = deviation[i] >= UNSTEADY[int(states[last - 1])] * np.median(deviation[:i])
    return states


def verdict(looks: list[dict]) -> dict[str, str]:
    """Return {"won": clause, "unsteady": clause} on the last look, each "" where there is nothing to report."""
    looks = looks[-HORIZON:]
    clauses = {"won": "", "unsteady": ""}
    if len(looks) < WINDOW:
        return clauses
    winners = won(looks)[-1]
    if np.mean(winners) >= MAJORITY:
        accuracy, gradient = (
            np.mean(run_logs.column(looks[-WINDOW:], name)[:, winners]) for name in ("accuracy", "gradient_norm")
        )
        who = f"{winners.sum()} of {len(winners)} discriminators have" if len(winners) > 1 else "the discriminator has"
        numbers = f"accuracy {accuracy:.3f}, gradient norm at the image {gradient:.3g}"
        clauses["won"] = f"{who} won ({numbers} over {WINDOW} looks)"
    if unsteady(looks)[-1]:
        losses = run_logs.column(looks[-2 * WINDOW :], "g_loss").mean(axis=1)
        clauses["unsteady"] = f"the generator's loss swings between {losses.min():.3g} and {losses.max():.3g}"
    return clauses


def advice(name: str, options: types.SimpleNamespace, num_discriminators: int) -> list[str]:
    """Return the remedies for "won" or "unsteady"."""
    rate = options.d_learning_rate or options.learning_rate
    if name == "unsteady":
        tries = ["smaller learning rates", "a larger bsz"]
        return tries if checkpoint.has_average(options) else [*tries, "samples of a moving average (ema = 0.999)"]
    more = "more random projections" if num_discriminators > 1 else "several discriminators on random projections"
    tries = [f"{more} (filts, tools/rproj.py)", f"a smaller d_learning_rate (it is {rate:g})"]
    if options.d_steps > 1:
        tries.append(f"fewer d_steps (they are {options.d_steps})")
    others = " or ".join(f"'{gan}'" for gan in STEADY if gan != options.gan)
    return [*tries, f"another objective (gan = {others})"]


def _means(values: np.ndarray) -> np.ndarray:
    """Return the moving means over `WINDOW` looks: [N, K] -> [N - WINDOW + 1, K]."""
    return run_logs.moving(values.T, WINDOW)[0].T
