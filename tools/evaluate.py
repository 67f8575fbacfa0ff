#!/usr/bin/env python3
"""Measure samples of a generator, or a set of images, against data: FID and other metrics, with their protocol.

tools/evaluate.py digits                                       FID of the newest iteration against the training data
tools/evaluate.py digits,7 2000 --metrics fid,kid,pr,dc        iteration 2000, seed 7
tools/evaluate.py digits all --metrics fid --samples 20000     each iteration that was kept
tools/evaluate.py face48 --reference test                      against test_lfile; or a list, a folder, tfds:.., an .npz
tools/evaluate.py face48 --extractor inception:models/inception
tools/evaluate.py samples/ --experiment face48                 a folder or an .npz file, against face48's data
tools/evaluate.py samples.npz --reference other.npz

Metrics: fid, intra_fid (the FID of each class and their mean, for nets with labels), kid, is, swd, pr (precision and
recall), dc (density and coverage), ppl (perceptual path length), ppl_w (path length in w, for nets with codes, by
LPIPS: --set lpips_weights=FILE.npz of tools/convert_lpips.py); and with the names of StyleGAN2's program, for 50,000
samples, fid50k_full, kid50k_full, pr50k3_full, is50k, ppl2_wend. That program differs: new noise for each image instead
of the stored one; features of VGG16 for precision and recall; 100 random subsets for KID; logits without bias for IS;
LPIPS by VGG16 for ppl2_wend.
Extractors: inception, the default, as in published tables; digits, the default for a reference of digits, a small
classifier that needs no download; keras:NAME; random:VGG16[:seed], random weights for data far from ImageNet, without a
download. --samples is 50,000 by default, 10,000 with digits or random:VGG16; all for a set.

The protocol goes to standard error, a row of JSON for each iteration to standard output. Rows are appended to
metrics.jsonl in the experiment's wts_dir, in the folder of images, or beside the .npz file; rows of experiments also go
to TensorBoard. A measurement with the same protocol is not repeated without --again; a killed one resumes. Features are
kept in $RPGAN_TF_CACHE, by default ~/.cache/rpgan_tf.
"""

import contextlib
import functools
import json
import logging
import pathlib
import sys
import types

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import protocol


def main(argv: list[str]) -> None:
    """Measure the subjects that the command line names."""
    parser = command.Parser(__doc__)
    parser.add_experiment("NAME[,seed]|FOLDER|FILE.npz")
    parser.add_argument("iteration", nargs="?", help="newest by default; all: every saved one")
    parser.add_argument("--metrics", default="fid", metavar="NAME,...", help=",".join(protocol.METRICS))
    parser.add_argument("--samples", type=int, metavar="N", help="number of images")
    parser.add_argument("--reference", default="train", metavar="train|test|PATH")
    parser.add_extractor()
    parser.add_argument("--statistics", choices=["auto", "batch", "stored"], default="auto", help="for normalization")
    parser.add_argument("--experiment", metavar="NAME", help="experiment whose data are the reference of a set")
    parser.add_argument("--again", action="store_true", help="repeat measurements that exist")
    parser.add_strategy()
    arguments = parser.parse_args(argv)
    metrics, samples = protocol.parse(arguments.metrics, arguments.samples)
    is_set = protocol.is_set(arguments.name)
    name, seed = (arguments.name, None) if is_set else command.split_name(arguments.name, 1)
    if is_set:
        if arguments.iteration or arguments.statistics != "auto":
            raise UserError(f"'{name}' is a set of images: an iteration and --statistics are for experiments")
        options = protocol.options_of_set(name, arguments.reference, arguments.experiment, arguments.set)
        protocol.check_statistics(metrics, None)
    else:
        if arguments.experiment:
            raise UserError(f"--experiment is for a folder or an .npz file, received the experiment '{name}'")
        options = command.load_options(name, arguments.set)
    wanted = metrics, samples, arguments.reference, arguments.extractor
    protocol.check(options, *wanted)
    found = [] if is_set else find_weights(options, arguments.iteration, arguments.statistics)
    for _, statistics in found:
        protocol.check_statistics(metrics, statistics)

    command.start_tensorflow(arguments.strategy)
    from rpgan_tf.evaluation import evaluator, subjects

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # warnings about TensorFlow-GAN's deprecated interfaces
    rows = sys.stdout  # only for them: all other prints go to standard error
    with contextlib.redirect_stdout(sys.stderr):
        measuring, experiment = evaluator.Evaluator(options, *wanted), pathlib.Path(name).stem
        makers = [functools.partial(subjects.saved, options, *each, seed or 0, experiment) for each in found]
        for make in makers or [functools.partial(subjects.collected, name, options)]:
            print(json.dumps(measuring.measure(make(), arguments.again, announce)), file=rows, flush=True)


def find_weights(
    options: types.SimpleNamespace, iteration: str | None, statistics: str
) -> list[tuple[pathlib.Path, str]]:
    """Return (path, statistics) of one iteration, None for the newest, or of "all"."""
    if iteration != "all" and not (iteration or "0").isdecimal():
        raise UserError(f"expected an iteration, a whole number, or all; received '{iteration}'")
    if iteration == "all":
        found = [protocol.find_weights(options, each, statistics) for each in protocol.iterations(options)]
        if len({kind for _, kind in found}) > 1:  # a curve has one protocol
            announce("fixbn.py has not been run for every iteration: all are measured with --statistics batch")
            found = [protocol.find_weights(options, each, "batch") for each in protocol.iterations(options)]
        return found
    return [protocol.find_weights(options, iteration and int(iteration), statistics)]


def announce(text: str) -> None:
    """Print a line to standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run(main)
