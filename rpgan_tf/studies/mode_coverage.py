"""Mode coverage of trained runs: count the modes of samples at each save, and average over seeds."""

from __future__ import annotations

import functools
import hashlib
import json
import pathlib
import types
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from rpgan_tf import checkpoint
from rpgan_tf.data import digits, mixtures, names
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators, latents, pictures
from rpgan_tf.studies import mode_rules

NUM_STACKED = 26000  # samples, as in VEEGAN and PacGAN for stacked MNIST
CLASSIFIER = "classifier"  # the rule for stacked digits

Counts = dict[str, dict]  # {rule: what `mode_rules.count` returns}
Curve = list[tuple[int, Counts]]  # [(iteration, counts), ...]


def rules_of(options: types.SimpleNamespace) -> tuple[str, ...]:
    """Return the names of the rules that count the samples of an experiment."""
    return (CLASSIFIER,) if options.lfile == names.STACKED else mode_rules.rules_of(mixtures.find(options.lfile))


def count_run(options: types.SimpleNamespace) -> Curve:
    """Count the samples of each generator that a run saved.

    `<wts_dir>/modes.json` keeps the counts, so that the same weights are counted only once by the same rules.
    """
    path = pathlib.Path(options.wts_dir) / "modes.json"
    known: dict[str, Counts] = json.loads(path.read_text()) if path.is_file() else {}
    curve = []
    for iteration in checkpoint.saved_iterations(options.wts_dir, generators.weights_kind(options)):
        key = _identity(generators.find_weights(options, iteration), options)
        if key not in known:
            known[key] = count_samples(samples(options, iteration), options)
            atomic.write_text(path, json.dumps(known) + "\n")
        curve.append((iteration, known[key]))
    return curve


def _identity(path: pathlib.Path, options: types.SimpleNamespace) -> str:
    """Return a hash of a generator's weights and of the rules that count its samples."""
    rules = [(rule, mode_rules.RULES.get(rule)) for rule in rules_of(options)]
    return hashlib.sha256(path.read_bytes() + repr((rules, options.seed, options.bsz)).encode()).hexdigest()[:16]


def samples(options: types.SimpleNamespace, iteration: int | None = None, count: int | None = None) -> np.ndarray:
    """Draw samples of a run [count, ...] in whole batches of bsz, for nets that normalize by the batch.

    Args:
        options: of the run.
        iteration: of the save, the newest by default.
        count: as many as the rules need by default.
    """
    count = count or max(
        NUM_STACKED if rule == CLASSIFIER else mode_rules.RULES[rule].samples for rule in rules_of(options)
    )
    generate = generators.load(options, generators.find_weights(options, iteration))
    inputs = latents.inputs(options, options.seed, -(-count // options.bsz) * options.bsz)
    return np.concatenate([generate(*part) for part in latents.chunks(options.bsz, *inputs)])[:count]


def count_samples(drawn: np.ndarray, options: types.SimpleNamespace) -> Counts:
    """Count samples by each rule of their experiment."""
    if options.lfile != names.STACKED:
        mixture, rules = mixtures.find(options.lfile), {rule: mode_rules.RULES[rule] for rule in rules_of(options)}
        return {name: mode_rules.count(drawn[: rule.samples], mixture, rule) for name, rule in rules.items()}
    classify, shares = classifier(), digit_shares()
    pixels = pictures.to_pixels(drawn)
    labels = np.stack([np.argmax(classify(pixels[..., i : i + 1])[1], axis=1) for i in range(3)], axis=1)
    return {CLASSIFIER: mode_rules.count_stacked(labels, shares)}


@functools.cache
def classifier() -> Callable:
    """Return the classifier of single digits."""
    from rpgan_tf.evaluation import features

    return features.find_extractor("digits")


def digit_shares() -> np.ndarray:
    """Return the share of each digit in the data, float64 [10]."""
    labels = digits.classes("digits")
    return np.bincount(labels, minlength=10) / len(labels)


def real_samples(options: types.SimpleNamespace) -> np.ndarray:
    """Draw as many real samples as the rules count, by the seed of the options."""
    if options.lfile != names.STACKED:
        count = max(mode_rules.RULES[rule].samples for rule in rules_of(options))
        return mixtures.find(options.lfile).points(count, options.seed)
    from rpgan_tf.data import drawn, pixels

    return pixels.scale(drawn.stacked(options.imsz, options.seed)(np.arange(NUM_STACKED))).numpy()


def summary(counts: Sequence[dict]) -> dict[str, dict]:
    """Average the counts of several seeds.

    Returns:
        {"modes": {"mean": .., "error": .., "values": [..]}, ...}; `error` is the standard error of the mean, None for a
        single seed.
    """
    keys = dict.fromkeys(key for each in counts for key in each)
    summaries = {}
    for key in keys:
        values = [each[key] for each in counts if each.get(key) is not None]
        error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
        summaries[key] = {"mean": float(np.mean(values)) if values else None, "error": error, "values": values}
    return summaries


def mean_curve(curves: Iterable[Curve]) -> list[dict]:
    """Return [{"iteration": .., rule: {count: mean over the runs}}, ...] for the iterations that all runs have."""
    runs, points = [dict(curve) for curve in curves], []
    for iteration in sorted(set(runs[0]).intersection(*runs[1:])) if runs else []:
        steps = [run[iteration] for run in runs]
        rules = {rule: summary([counts[rule] for counts in steps]) for rule in steps[0]}
        means = {rule: {key: each["mean"] for key, each in counts.items()} for rule, counts in rules.items()}
        points.append({"iteration": iteration, **means})
    return points
