"""How the losses of G against K discriminators make the one number that G minimizes. Pure functions of losses [K].

GMAN: Durugkar, Gemp, Mahadevan, "Generative Multi-Adversarial Networks", ICLR 2017, arXiv 1611.01673; authors' code:
github.com/iDurugkar/GMAN. hGAN: Albuquerque, Monteiro, Doan, Considine, Falk, Mitliagkas, "Multi-objective Training of
Generative Adversarial Networks with Multiple Discriminators", ICML 2019, arXiv 1901.08680; authors' code:
github.com/joaomonteirof/hGAN.

Of the K, only those that are `kept` count: bool [K], None for all.
"""

from __future__ import annotations

import tensorflow as tf

SMALL = 1e-8  # added to the nadir, as in hGAN's program
RIDGE = 1e-13  # keeps products of gradients that depend on each other positive definite, in spite of rounding
FAR = 1e9  # squared length of a vector that is left out of the convex hull, over the largest one's


def mean(losses: tf.Tensor, kept: tf.Tensor | None = None) -> tf.Tensor:
    """Return 1/K sum_k L_k (RP-GAN, equation 2); hGAN's "average" is the sum."""
    return tf.reduce_mean(losses) if kept is None else tf.reduce_sum(losses * shares(losses, 0.0, kept))


def softmax(losses: tf.Tensor, alpha: float, kept: tf.Tensor | None = None) -> tf.Tensor:
    """Return sum_k w_k L_k with w_k ~ exp(alpha L_k), differentiated through w (GMAN, section 3.2).

    d / d L_k = w_k (1 + alpha (L_k - sum_j w_j L_j)). alpha = 0 is the mean, a large one the maximum.
    """
    return tf.reduce_sum(shares(losses, alpha, kept) * losses)


def softmax_detached(losses: tf.Tensor, alpha: float, kept: tf.Tensor | None = None) -> tf.Tensor:
    """Return `softmax` with constant w: d / d L_k = w_k, as hGAN's program computes GMAN."""
    return tf.reduce_sum(tf.stop_gradient(shares(losses, alpha, kept)) * losses)


def hypervolume(losses: tf.Tensor, slack: float, kept: tf.Tensor | None = None) -> tf.Tensor:
    """Return - sum_k log(eta - L_k), eta = slack max_k L_k, the nadir, a constant (hGAN, section 3.2).

    d / d L_k = 1 / (eta - L_k). A large slack is the mean's direction, one near 1 the maximum's. Losses must be >= 0.
    """
    counted = losses if kept is None else tf.where(kept, losses, 0.0)
    eta = slack * tf.stop_gradient(tf.reduce_max(counted)) + SMALL
    logs = tf.math.log(eta - counted)
    return -tf.reduce_sum(logs if kept is None else tf.where(kept, logs, 0.0))


def shares(losses: tf.Tensor, alpha: float, kept: tf.Tensor | None = None) -> tf.Tensor:
    """Return softmax(alpha L) of those kept, [K]."""
    scores = alpha * losses
    return tf.nn.softmax(scores if kept is None else tf.where(kept, scores, -float("inf")))


def minimum_norm(gram: tf.Tensor, kept: tf.Tensor | None = None) -> tf.Tensor:
    """Return the w on the simplex that minimizes || sum_k w_k g_k ||^2, for the gram matrix g_i . g_j [K, K].

    The shortest vector of the convex hull descends on every loss (multiple gradient descent: Desideri 2012; hGAN,
    section 3.1). If it is 0, no direction does. By a primal-dual interior point method (Mehrotra 1992), whose cost does
    not depend on the length of the gradients; of several minima it finds a central one. Give it float64: products in
    float32 of gradients that depend on each other may have no minimum.
    """
    m = tf.cast(gram, tf.float64)
    m /= tf.maximum(tf.reduce_max(tf.linalg.diag_part(m)), 1e-300)
    m += RIDGE * tf.eye(m.shape[0], dtype=m.dtype)
    if kept is not None:
        both = tf.logical_and(kept[:, None], kept[None])
        m = tf.where(both, m, tf.linalg.diag(tf.where(kept, tf.zeros_like(m[0]), FAR)))
    w = _interior_point(m)
    w = w if kept is None else tf.where(kept, w, 0.0)
    return tf.cast(w / tf.reduce_sum(w), gram.dtype)


def _interior_point(m: tf.Tensor) -> tf.Tensor:
    """Minimize w . M w / 2 with sum w = 1, w >= 0: M w = y 1 + s, s >= 0, w_k s_k = 0; follow w_k s_k = mu to 0."""
    number = m.shape[0]
    ones = tf.ones([number, 1], tf.float64)

    def newton(w: tf.Tensor, s: tf.Tensor, y: tf.Tensor, target: tf.Tensor) -> tuple:
        """Return the step towards w_k s_k = target_k."""
        factor = tf.linalg.cholesky(m + tf.linalg.diag((s / w)[:, 0]))
        excess = target / w + y - m @ w
        towards, along = (tf.linalg.cholesky_solve(factor, b) for b in (excess, ones))
        dy = (1 - tf.reduce_sum(w) - tf.reduce_sum(towards)) / tf.reduce_sum(along)
        dw = towards + dy * along
        return dw, target / w - s - s / w * dw, dy

    def longest(x: tf.Tensor, dx: tf.Tensor) -> tf.Tensor:
        """Return the share of a step, at most 1, at which the first entry is 0."""
        return tf.minimum(tf.reduce_min(tf.where(dx < 0, -x / tf.minimum(dx, -1e-300), float("inf"))), 1.0)

    def gap(w: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(w * s) / number

    def step(i: tf.Tensor, w: tf.Tensor, s: tf.Tensor, y: tf.Tensor) -> tuple:
        dw, ds, _ = newton(w, s, y, tf.zeros_like(w))
        share = tf.minimum(longest(w, dw), longest(s, ds))
        centering = (gap(w + share * dw, s + share * ds) / gap(w, s)) ** 3
        dw, ds, dy = newton(w, s, y, centering * gap(w, s) - dw * ds)
        share = 0.99 * tf.minimum(longest(w, dw), longest(s, ds))
        return i + 1, w + share * dw, s + share * ds, y + share * dy

    start = tf.constant(0), ones / number, ones, tf.zeros([], tf.float64)
    _, w, _, _ = tf.while_loop(lambda i, w, s, y: (i < 60) & (gap(w, s) > 1e-17), step, start)
    return w[:, 0]
