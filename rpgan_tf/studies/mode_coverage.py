"""Mode coverage of trained experiments: the samples of the generators that a run kept, counted, and their averages."""

import functools
import hashlib
import json
import pathlib

import numpy as np

from rpgan_tf import checkpoint
from rpgan_tf.data import mixtures, names
from rpgan_tf.evaluation import image_sets
from rpgan_tf.files import atomic
from rpgan_tf.sampling import generators
from rpgan_tf.studies import mode_rules

NUM_STACKED = 26000  # samples, as VEEGAN and PacGAN draw of stacked MNIST
CLASSIFIER = "classifier"  # the rule by which stacked digits are counted


def rules_of(options):
    """Return the names of the rules that count samples of an experiment."""
    return (CLASSIFIER,) if options.lfile == names.STACKED else mode_rules.rules_of(mixtures.find(options.lfile))


def count_run(options):
    """Count the samples of each generator that a run kept: [(iteration, {rule: counts}), ...].

    What was counted before, by the same rules of the same weights, is read from `<wts_dir>/modes.json`.
    """
    path = pathlib.Path(options.wts_dir) / "modes.json"
    known, curve = json.loads(path.read_text()) if path.is_file() else {}, []
    for iteration in checkpoint.iterations(options.wts_dir, "ema" if options.ema else "gmodel"):
        key = _identity(generators.find(options, iteration), options)
        if key not in known:
            known[key] = count_samples(samples(options, iteration), options)
            atomic.write_text(path, json.dumps(known) + "\n")
        curve.append((iteration, known[key]))
    return curve


def _identity(path, options):
    """Return a hash of a generator's weights and of the rules by which its samples are counted."""
    rules = [(rule, mode_rules.RULES.get(rule)) for rule in rules_of(options)]
    return hashlib.sha256(path.read_bytes() + repr((rules, options.seed, options.bsz)).encode()).hexdigest()[:16]


def samples(options, iteration=None, count=None):
    """Draw samples of a run, as many as its rules count by default; nets that normalize by the batch have theirs."""
    count = count or max(
        NUM_STACKED if rule == CLASSIFIER else mode_rules.RULES[rule].samples for rule in rules_of(options)
    )
    generate = generators.load(options, generators.find(options, iteration))
    z = generators.latents(options, options.seed, -(-count // options.bsz) * options.bsz)
    return np.concatenate([generate(part) for part in np.split(z, len(z) // options.bsz)])[:count]


def count_samples(drawn, options):
    """Count samples by each rule of their experiment: {rule: counts}."""
    if options.lfile != names.STACKED:
        mixture, rules = mixtures.find(options.lfile), {rule: mode_rules.RULES[rule] for rule in rules_of(options)}
        return {name: mode_rules.count(drawn[: rule.samples], mixture, rule) for name, rule in rules.items()}
    classify, shares = classifier(), digit_shares()
    pixels = image_sets.to_pixels(drawn)
    labels = np.stack([np.argmax(classify(pixels[..., i : i + 1])[1], axis=1) for i in range(3)], axis=1)
    return {CLASSIFIER: mode_rules.count_stacked(labels, shares)}


@functools.cache
def classifier():
    """Return the classifier of single digits."""
    from rpgan_tf.evaluation import features

    return features.find("digits")


def digit_shares():
    """Return how frequent each digit is in the data, float64 [10]."""
    import sklearn.datasets

    labels = sklearn.datasets.load_digits().target
    return np.bincount(labels, minlength=10) / len(labels)


def real_samples(options, seed):
    """Draw as many of the data as samples are counted."""
    if options.lfile != names.STACKED:
        count = max(mode_rules.RULES[rule].samples for rule in rules_of(options))
        return mixtures.find(options.lfile).points(count, seed)
    from rpgan_tf.data import drawn, pixels

    return pixels.scale(drawn.stacked(options.imsz, seed)(np.arange(NUM_STACKED))).numpy()


def summary(counts):
    """Return {"modes": {"mean": .., "error": .., "values": [..]}, ...} of the counts of several seeds.

    `error` is the standard error of the mean, None for a single seed.
    """
    keys = dict.fromkeys(key for each in counts for key in each)
    summaries = {}
    for key in keys:
        values = [each[key] for each in counts if each.get(key) is not None]
        error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
        summaries[key] = {"mean": float(np.mean(values)) if values else None, "error": error, "values": values}
    return summaries


def mean_curve(curves):
    """Return [{"iteration": .., rule: {count: mean over the runs}}, ...] of the iterations that all runs have."""
    curves, points = [dict(curve) for curve in curves], []
    for iteration in sorted(set.intersection(*map(set, curves))) if curves else []:
        steps = [curve[iteration] for curve in curves]
        rules = {rule: summary([counts[rule] for counts in steps]) for rule in steps[0]}
        means = {rule: {key: value["mean"] for key, value in of.items()} for rule, of in rules.items()}
        points.append({"iteration": iteration} | means)
    return points
