"""Commands end on a user's mistake with one line and exit code 2, before TensorFlow is imported."""

import json
import sys

from tests.conftest import command

MISTAKES = [
    (["tinny"], "did you mean 'tiny'?"),
    (["tiny", "--set", "bzs=3"], "did you mean 'bsz'?"),
    (["tiny", "--set", "lfile=no.txt"], "images not found"),
    (["tiny", "--stet"], "unrecognized arguments: --stet"),
    ([], "the following arguments are required: NAME"),
]
OF_TRAINING = [
    (["tiny", "--set", "filts=no.npz"], "filters not found"),
    (["tiny", "--set", "ksz=7"], "ksz = 7, imsz = 16, f1 = 16 do not fit: expected imsz ="),
    (["tiny", "--set", "wts_dir=K2.npz", "--dry_run"], "cannot write wts_dir = 'K2.npz': "),
    (["tiny", "--set", "wts_dir=K2.npz/below", "--dry_run"], "cannot write wts_dir = 'K2.npz/below': "),
    (["tiny", "--set", "filts=exp", "--dry_run"], "filters not found: expected a file 'exp'"),
    (["x" * 300, "--dry_run"], "File name too long"),
    (["tiny", "--set", f"lfile={'x' * 300}", "--dry_run"], "File name too long"),
    (["tiny", "--set", f"filts={'x' * 300}", "--dry_run"], "File name too long"),
    (["styles", "--dry_run"], "gan = 'StyleGAN2' trains the nets stylegan2 and glead, received net = 'rpgan'"),
    (["styles", "--set", "net=stylegan2", "bsz=6", "--dry_run"], "bsz = 6 must be a multiple of mbstd_group = 4"),
    (["styles", "--set", "net=glead", "imsz=64", "--dry_run"], "res_d = 64 and res_g = 64 must be below imsz = 64"),
    (["styles", "--set", "gan=GGDR", "net=glead", "heads=1", "--dry_run"], "option 'heads' must be True or False"),
    (["styles", "--set", "gan=GGDR", "net=glead", "heads=True", "--dry_run"], "without heads: expected heads = False"),
    (["styles", "--set", "gan=GLeaD", "net=glead", "heads=False", "--dry_run"], "gan = 'GLeaD' needs D's heads"),
]


def test_mistakes_end_in_one_line_before_tensorflow_is_imported(project, run_all):
    (project / "exp" / "styles.py").write_text("gan = 'StyleGAN2'\nlfile = 'digits'\nwts_dir = 'models/s'\n")
    cases = [("train.py", *case) for case in MISTAKES + OF_TRAINING]
    cases += [("baseline_train.py", *case) for case in MISTAKES]
    ends = run_all(*([name, *arguments] for name, arguments, _ in cases))
    for (name, _, message), (code, out, err) in zip(cases, ends, strict=True):
        assert code == 2, err
        assert err.startswith(f"{name}: ") and message in err
        assert err.count("\n") == 1 and not out
    assert not (project / "models").exists()


def test_dry_run_prints_the_options_and_writes_nothing(project):
    process = command("train.py", "tiny", "--set", "bsz=2", "crop=True", "--set", "seed=3", "--dry_run")
    options = json.loads(process.stdout)
    assert (options["bsz"], options["crop"], options["seed"]) == (2, True, 3)
    assert not (project / "models").exists()


def test_importing_the_library_does_not_import_tensorflow():
    process = command(
        "-c", "import rpgan_tf, sys; rpgan_tf.checkpoint, rpgan_tf.images; print('tensorflow' in sys.modules)"
    )
    assert process.stdout == "False\n", sys.path
