"""The protocol of a measurement: checked before TensorFlow is imported, printed as a line, kept with the numbers.

A number is worth as much as its protocol: rows of `metrics.jsonl` hold both.
"""

import importlib.util
import pathlib
import types
import typing
from collections.abc import Sequence

import numpy as np

from rpgan_tf import checkpoint, config
from rpgan_tf.data import names
from rpgan_tf.errors import UserError, nearest
from rpgan_tf.evaluation import image_sets, tfgan
from rpgan_tf.files import atomic, lpips_weights, run_logs
from rpgan_tf.sampling import generators, w_codes

KID_BLOCK = 1000  # images of the larger set in a block at most
IS_SPLITS = 10
PR_K, DC_K = 3, 5  # neighbours
SWD_IMAGES = 8192  # most images of a set
PPL_EPSILON = 1e-4  # step on a path
SETTINGS = {  # in each row
    "order": "random",  # images are shuffled before blocks and splits
    "kid_block": KID_BLOCK,
    "is_splits": IS_SPLITS,
    "pr_k": PR_K,
    "dc_k": DC_K,
    "swd_images": SWD_IMAGES,
    "ppl_epsilon": PPL_EPSILON,
    "ppl_trim": "observed lengths at 1 and 99 percent",
}
METRICS = {  # name: its part of the protocol
    "fid": "",
    "intra_fid": "intra_fid: mean over {num_classes} classes",
    "kid": "kid: blocks of {kid_block} in {order} order",
    "is": "is: {is_splits} splits in {order} order",
    "swd": "swd: {swd_images} images of each",
    "pr": "precision and recall: k = {pr_k}",
    "dc": "density and coverage: k = {dc_k}",
    "ppl": "ppl: features of unit length, epsilon {ppl_epsilon:g}, pixels not rounded",
    "ppl_w": "ppl_w: ends of paths in w, LPIPS by {lpips}, epsilon {ppl_epsilon:g}, pixels not rounded",
}
PUBLISHED = {  # names of StyleGAN2's program, for 50,000 samples against the whole reference
    "fid50k_full": "fid",
    "kid50k_full": "kid",
    "pr50k3_full": "pr",
    "is50k": "is",
    "ppl2_wend": "ppl_w",
}
WITHOUT_FEATURES = ("swd", "ppl_w")
SAMPLES, SAMPLES_OF_FEW = 50000, 10000  # as in published tables; enough for 64 features
FEW_FEATURES = ("digits", "random:VGG")  # starts of the names of extractors with 64
FILE = "metrics.jsonl"
IDENTITY = (  # two rows with the same values of these keys are of one measurement
    *("weights_hash", "samples", "seed", "prior", "statistics", "rounding"),
    *("reference_hash", "size", "extractor_key", "lpips", *SETTINGS),
)


def check(
    options: types.SimpleNamespace, metrics: Sequence[str], samples: int | None, reference: str, extractor: str | None
) -> tuple[str, str, str | None]:
    """Check a measurement and fill in its defaults.

    Args:
        options: from `rpgan_tf.config`.
        metrics: names in `METRICS`.
        samples: number of images to generate; None for the default.
        reference: "train", "test", an .npz file or any value of `lfile`.
        extractor: as for `features.find_extractor`; by default "digits" for a reference of digits, else "inception".

    Returns:
        The split of the reference ("train", "test" or "path"), the reference itself, and the name of the extractor;
        None if no metric needs features.

    Raises:
        UserError: something is unknown, missing, or does not fit.
    """
    for name in metrics:
        if name not in METRICS:
            raise UserError(f"no metric '{name}'; {nearest(name, METRICS)}")
    if not metrics or len(set(metrics)) != len(metrics):
        raise UserError(f"expected different metrics of {', '.join(METRICS)}; received '{','.join(metrics)}'")
    _check_options(options, metrics)
    if samples is not None and samples < 2:
        raise UserError(f"expected --samples of at least 2, received {samples}")
    split = reference if reference in ("train", "test") else "path"
    source = _find_reference(options, reference, split)
    _check_reference(options, metrics, source)
    return split, source, _choose_extractor(metrics, source, extractor)


def is_set(text: str) -> bool:
    """Return whether a command's first argument names a folder or an .npz file of images, not an experiment."""
    found = pathlib.Path(text).is_dir() or text.endswith(".npz")
    return found and not pathlib.Path(f"exp/{text}.py").is_file()


def options_of_set(
    path: str, reference: str, experiment: str | None, assignments: Sequence[str]
) -> types.SimpleNamespace:
    """Return the options by which a set of images is measured: those of `experiment`, or defaults of its own size.

    Args:
        path: folder or .npz file.
        reference: "train", "test", an .npz file or any value of `lfile`.
        experiment: its name, or None.
        assignments: texts key=value of --set.

    Raises:
        UserError: the reference is missing, or images of the two differ in size.
    """
    size, overrides = image_sets.find_size(path), config.parse_overrides(list(assignments))
    if experiment:
        options = config.load(experiment, overrides)
    else:
        if reference in ("train", "test"):
            raise UserError(
                f"'{path}' is a set of images and has no data '{reference}': expected --experiment NAME, or "
                "--reference with a list file, a folder, tfds:.., digits or an .npz file"
            )
        options = config.resolve(overrides)
        options.imsz, options.channels = size[0], size[2]
    if reference.endswith(".npz"):
        expected = image_sets.find_size(reference)
    else:
        expected = options.imsz, options.imsz, options.channels
    if not path.endswith(".npz"):  # an image file is read as grey or RGB, as needed
        options.channels, size = expected[2], (*size[:2], expected[2])
    if size != expected:
        sizes = ["x".join(map(str, each)) for each in (expected, size)]
        raise UserError(
            f"image sizes differ: the reference has {sizes[0]} (height, width, channels), '{path}' {sizes[1]}; images "
            "of lists and folders must be square"
        )
    return options


def _check_options(options, metrics):
    """Raise a `UserError` if the experiment, or a missing package, rules out a metric."""
    if names.is_mixture(options.lfile):
        raise UserError(f"metrics are of images, and lfile = '{options.lfile}' has points; tools/modes.py counts these")
    if set(metrics) & {"kid", "is", "swd"}:
        tfgan.check()
    if set(metrics) & {"pr", "dc"} and importlib.util.find_spec("sklearn") is None:
        raise UserError("pr and dc need scikit-learn: pip install scikit-learn")
    if "swd" in metrics and (options.imsz < 8 or options.imsz & (options.imsz - 1)):
        raise UserError(f"swd needs images whose side is a power of two >= 8, received {options.imsz}; leave it out")
    if "intra_fid" in metrics and not options.num_classes:
        raise UserError("intra_fid is of a generator with labels, and num_classes = 0; take fid")
    if "ppl" in metrics and options.num_classes:
        raise UserError("ppl is of latents without labels, and the net has num_classes > 0; leave it out")
    if "ppl_w" in metrics:
        w_codes.check_net(options, "ppl_w")
        lpips_weights.load_for_metric(options, "ppl_w")
    if "ppl" in metrics and options.num_half:
        raise UserError("ppl needs full precision, and the net has num_half > 0: add --set num_half=0, or take ppl_w")


def _find_reference(options, reference, split):
    """Return the .npz file or value of `lfile` that a reference stands for; raises `UserError` if there is none."""
    source = {"train": options.lfile, "test": options.test_lfile}.get(reference, reference)
    if not source:
        key = "lfile" if split == "train" else "test_lfile"
        raise UserError(
            f"there is no reference '{reference}': option '{key}' is not set; expected --reference with a list file, a "
            f"folder or an .npz file, or --set {key}=..."
        )
    return source


def _check_reference(options, metrics, source):
    """Raise a `UserError` if the reference is missing, has no images, or rules out a metric."""
    if source == names.STACKED and options.channels == 1:
        raise UserError(f"the reference '{source}' has three channels, and the experiment channels = 1; take another")
    if names.is_mixture(source):
        raise UserError(f"the reference '{source}' has points: expected images")
    if not source.endswith(".npz"):
        config.check_source("reference", source, "--reference")
        if "intra_fid" in metrics:
            config.check_labels("reference", source, options.num_classes)
        return
    if "intra_fid" in metrics:
        raise UserError(f"intra_fid needs labels, and the reference '{source}' has none: expected a folder or .zip")
    height, width, _ = image_sets.find_size(source)
    if "swd" in metrics and height != width:
        raise UserError(f"swd needs square images, received {height}x{width}; leave it out")


def _choose_extractor(metrics, source, extractor):
    """Return the name of the extractor, None if no metric needs one; raises `UserError` if it cannot be used."""
    if set(metrics) <= set(WITHOUT_FEATURES):
        return None
    from rpgan_tf.evaluation import features

    name = extractor or ("digits" if source in names.DIGITS else "inception")
    features.check(name)
    if "is" in metrics and name.startswith(("keras:", "random:")):
        raise UserError(f"is needs classes, which the extractor '{name}' does not have; take another, or leave it out")
    return name


def check_statistics(metrics: Sequence[str], statistics: str | None) -> None:
    """Raise a `UserError` if a metric needs other images than those of "stored" or "batch" statistics, or of a set.

    Args:
        metrics: names in `METRICS`.
        statistics: "stored", "batch", or None for a set of images.
    """
    if statistics is None and "intra_fid" in metrics:
        raise UserError("intra_fid is of a generator, received a set of images; leave it out")
    found = [name for name in metrics if name.startswith("ppl")]
    if found and statistics != "stored":
        raise UserError(
            f"{found[0]} needs a generator with stored statistics, since it compares two images of nearly the same "
            f"latents: make them with fixbn.py first, or leave {found[0]} out"
        )


def check_run(options: types.SimpleNamespace) -> tuple[list[str], int | None, str, str]:
    """Check the measurements of a training run as `check` does; return its four arguments after the options."""
    metrics, samples = parse(options.evaluate_metrics, options.evaluate_samples)
    wanted = metrics, samples, options.evaluate_reference, options.extractor
    check(options, *wanted)
    check_statistics(metrics, "batch" if options.net == generators.FIXED_BY_FIXBN else "stored")
    return wanted


def parse(text: str, samples: int | None) -> tuple[list[str], int | None]:
    """Return the metrics of a text such as "fid,kid" and their number of samples, None for the default.

    Raises:
        UserError: a published name stands for a number of samples other than `samples`.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    published = [name for name in names if name in PUBLISHED]
    if published and samples not in (None, SAMPLES):
        raise UserError(f"{published[0]} is of {SAMPLES} samples, received {samples}; take {PUBLISHED[published[0]]}")
    return [PUBLISHED.get(name, name) for name in names], SAMPLES if published else samples


def find_weights(
    options: types.SimpleNamespace, iteration: int | None, statistics: str
) -> tuple[pathlib.Path, typing.Literal["batch", "stored"]]:
    """Return the file of a generator, and the statistics by which it normalizes.

    Args:
        options: from `rpgan_tf.config`.
        iteration: None for the newest.
        statistics: "batch", "stored", or "auto". For RP-GAN's nets "auto" means the statistics that fixbn.py stored for
            this iteration, else those of the batch; for other nets their running averages.

    Returns:
        Its path, and "batch" or "stored".

    Raises:
        UserError: there is no such file, or the stored statistics belong to other weights.
    """
    path = generators.find_weights(options, iteration)
    if options.net != generators.FIXED_BY_FIXBN:
        return path, "batch" if statistics == "batch" else "stored"
    stored = generators.fixed_path(path)
    if statistics == "batch" or (statistics == "auto" and not stored.exists()):
        return path, "batch"
    stored = generators.find_weights(options, generators.iteration_of(path), single=True)
    arrays, fixed = atomic.load_arrays(path), atomic.load_arrays(stored)
    if any(name not in fixed or not np.array_equal(array, fixed[name]) for name, array in arrays.items()):
        raise UserError(
            f"'{stored}' has other weights than '{path}': it is of an earlier run; make it anew with fixbn.py, or use "
            "--statistics batch"
        )
    return stored, "stored"


def iterations(options: types.SimpleNamespace) -> list[int]:
    """Return all iterations that can be measured; raises `UserError` if there are none."""
    generators.find_weights(options)
    return checkpoint.saved_iterations(options.wts_dir, generators.weights_kind(options))


def line(row: dict) -> str:
    """Return the protocol of a row of metrics as one line."""
    subject = f"{row['weights']} ({row['weights_hash']}), {row['samples']} images"
    if row["seed"] is not None:
        subject += f" of seed {row['seed']} and {row['prior']} latents, {row['statistics']}"
    reference = f"{row['split']}, {row['reference']} ({row['reference_hash']}), {row['reference_images']} images"
    parts = [f"protocol: {subject}", f"reference: {reference}, {row['origin']}"]
    parts += ["x".join(map(str, row["size"])), f"pixels {row['rounding']}"]
    parts += [f"extractor: {row['extractor']} ({row['extractor_key']})"] if row["extractor"] else []
    parts += [METRICS[name].format(**row) for name in row["metrics"] if METRICS[name]]
    return "; ".join(parts)


def find_row(path: str | pathlib.Path, row: dict) -> dict | None:
    """Return the last row of a file that is of the same measurement and has all metrics of `row`, or None."""
    for other in reversed(run_logs.read_records(path)):
        same = all(other.get(key) == row[key] for key in IDENTITY)
        if same and set(row["metrics"]) <= set(other.get("metrics", ())):
            return other
    return None
