"""What is said of a training: that discriminators have won, or that the generator's loss swings; and what to try.

Knows NumPy only; `rpgan_tf.training.monitor` takes the looks that this is about.
"""

import numpy as np

from rpgan_tf.files import run_logs

# When discriminators have won, from means over the last looks; the second number is that at which it ends, so that what
# is said does not flicker.
WINDOW = 5  # looks
HORIZON = 1000  # the last looks, which are all that is judged by
ACCURACY = 0.99, 0.95  # at least
LOSS = 0.05, 0.1  # at most this share of what one is charged that cannot tell: there is next to nothing left to learn
GRADIENT = 0.1, 0.2  # or at most this share of the largest so far: the generator is not told where to go
MAJORITY = 0.5  # at least this share of the discriminators: the generator follows their mean
# When the generator's loss is unsteady: the standard deviation over twice as many looks, against its median so far.
UNSTEADY = 4.0, 2.0  # times, at least


def won(looks):
    """Return which discriminators have won at each look, bool [N, K].

    One has won when, over the last looks, its accuracy is at least 0.99, and either its loss is at most 5 % of that of
    one that cannot tell, or the gradient at the image is at most a tenth of the largest so far. It takes both: a critic
    is to rank all images right; and where G's loss does not saturate, the gradient of a D that is sure is large, but
    has little to do with the data (Arjovsky and Bottou, arXiv 1701.04862, section 2.2). An objective whose loss has no
    lowest value, or one above 0, goes by the gradient alone.

    Args:
        looks: list of N dicts as `rpgan_tf.training.monitor.Monitor` writes them.
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


def unsteady(looks):
    """Return at each look whether the generator's loss swings more than it did, bool [N].

    The standard deviation of its mean over the discriminators, over the last ten looks, is compared with the median so
    far, of which there are to be at least ten.
    """
    states, window = np.zeros(len(looks), bool), 2 * WINDOW
    if len(looks) < 2 * window:
        return states
    _, deviation = run_logs.moving(run_logs.column(looks, "g_loss").mean(axis=1), window)
    for i in range(window, len(deviation)):
        last = window - 1 + i
        states[last] = deviation[i] >= UNSTEADY[int(states[last - 1])] * np.median(deviation[:i])
    return states


def verdict(looks):
    """Say what is wrong at the last look: {"won": a clause, "unsteady": a clause}, each "" where it is not.

    Args:
        looks: list of dicts as `rpgan_tf.training.monitor.Monitor` writes them, of which the last 1,000 count.
    """
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


def advice(name, options, num_discriminators):
    """Return what to try where `verdict` says `name`."""
    rate = options.d_learning_rate or options.learning_rate
    if name == "unsteady":
        tries = ["smaller learning rates", "a larger bsz"]
        return tries if options.ema else [*tries, "samples of a moving average (ema = 0.999)"]
    more = "more random projections" if num_discriminators > 1 else "several discriminators on random projections"
    tries = [f"{more} (filts, tools/rproj.py)", f"a smaller d_learning_rate (it is {rate:g})"]
    if options.d_steps > 1:
        tries.append(f"fewer d_steps (they are {options.d_steps})")
    others = " or ".join(f"'{gan}'" for gan in ("WGANGP", "RaLSGAN") if gan != options.gan)
    return [*tries, f"another objective (gan = {others})"]


def _means(values):
    """Return the means over the last looks: [N, K] -> [N - WINDOW + 1, K]."""
    return run_logs.moving(values.T, WINDOW)[0].T
