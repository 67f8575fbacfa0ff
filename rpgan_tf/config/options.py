"""The options of every experiment. Knows no GAN and no net, except for the names of the defaults."""

from typing import ClassVar, Literal

from rpgan_tf.config.kinds import Color, Count, CountFrom2, Fixed, NonNegative, Rules, Share, Size, Whole


class Options:
    """The options of every experiment."""

    gan: str = "RPGAN"  # class in rpgan_tf/gans/
    net: str = "rpgan"  # module in rpgan_tf/nets/
    lfile: str = ""  # images: list file, folder, .zip, tfds:<name>[:<split>], digits[:<part>]; or mixture:<name>
    test_lfile: str = ""  # held-out images, whose losses are reported
    test_every: Count = 500  # iterations between reports of the held-out losses
    subset: Count | None = None  # train on this many of the images, drawn at random; None: on all
    mirror: bool = False  # train on the images and on their mirror images
    crop: bool = False  # resize the shorter side to imsz + 1, then crop at random; as the original of RP-GAN
    resize: Literal["no", "cover", "stretch"] = "no"  # cover: shorter side to imsz, centre; stretch: both sides
    resize_filter: Literal["bilinear", "bicubic", "lanczos3", "area"] = "bilinear"
    channels: Literal[1, 3] = 3  # 3: RGB, 1: grey
    background: Color = "white"  # under transparent images: white, black or #rrggbb
    cache: Literal["memory", "disk"] | None = None  # decode each image once, and keep its pixels there
    cache_dir: str = "<wts_dir>/cache"  # folder of the cache on disk
    imsz: Size = 64  # height and width of an image
    bsz: Count = 64  # images a batch, on all devices together
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"  # type of convolutions and products
    sync_bn: bool = False  # normalize the batch of all devices as one, where there are several
    compile: Literal["auto", "xla", "graph", "eager"] = "auto"  # the step: by XLA or as a graph; auto: as the net says
    wts_dir: str = ""  # folder for weights and all other files of a run
    start_from: str = ""  # folder of another run, from whose newest weights a new run starts, array by array
    SAVEFREQ: Count = 1000  # iterations between saves
    MAXITER: Count = 100000  # iterations in all
    seed: Whole = 0  # seeds initial weights, noise, order of images and crops
    monitor_every: Whole = 100  # iterations between discriminator statistics, into monitor.jsonl; 0: none
    evaluate_every: Whole = 0  # iterations between evaluations, at saves; 0: none
    evaluate_metrics: str = "fid"  # metrics of an evaluation, as --metrics of tools/evaluate.py
    evaluate_samples: Count | None = None  # None: the number of tools/evaluate.py
    evaluate_reference: str = "train"  # images to compare with, as --reference of tools/evaluate.py
    extractor: str = ""  # feature extractor; "": digits for the embedded digits, else inception
    lpips_weights: str | None = None  # .npz of tools/convert_lpips.py; for losses by LPIPS, ppl_w, projection to w

    points: Fixed[bool] = False  # whether the data are points and not images, as the net says

    # Only some GANs or nets offer these; with all others they have the values that stand here.
    filts: Fixed[str | None] = None
    num_classes: Fixed[Whole] = 0
    num_outcomes: Fixed[CountFrom2 | None] = None
    num_half: Fixed[Whole] = 0
    mbstd_group: Fixed[Count] = 1
    heads: Fixed[bool] = False
    divide: Fixed[Literal["batch", "discriminators"]] = "batch"
    chunk: Fixed[Count | None] = None
    weighting: Fixed[Literal["mean", "softmax", "softmax_detached", "hypervolume", "minimum_norm"]] = "mean"
    feedback_dropout: Fixed[Share] = 0.0
    active: Fixed[Count | None] = None
    redraw: Fixed[Whole] = 0
    penalty: Fixed[NonNegative] = 0.0

    rules: ClassVar[Rules] = [
        (
            "pack == 1 or not num_classes",
            "images that are judged together have labels of their own: expected pack = 1 with num_classes = "
            "{num_classes}, received {pack}; set pack=1, or num_classes=0",
        ),
        ("seed < 2**31", "option 'seed' must be in 0 .. 2^31 - 1, received {seed}"),
        (
            "not crop or resize == 'no'",
            "crop = True resizes by itself and excludes resize = '{resize}'; keep one of them",
        ),
        (
            "cache == 'disk' or 'cache_dir' not in given",
            "cache_dir is of cache = 'disk', received cache = {cache!r}; set cache=disk, or leave it out: --set "
            "cache_dir=None",
        ),
        (
            "evaluate_every % SAVEFREQ == 0",
            "evaluations are at saves: evaluate_every must be a multiple of SAVEFREQ = {SAVEFREQ}, received "
            "{evaluate_every}",
        ),
    ]
