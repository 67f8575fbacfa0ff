"""Images of a list, a folder, a .zip, tensorflow-datasets or scikit-learn's digits, or points of mixtures of Gaussians.

As an endless stream of batches, whose order, crops and points are functions of (seed, position) alone, so that it can
start anywhere; or, to be held out, once and in stored order. Of what the data are for, only how many of them an
iteration takes is known here.
"""

import itertools
import os

import numpy as np
import PIL.Image
import tensorflow as tf

from rpgan_tf.data import cache, mixtures, names, sources
from rpgan_tf.errors import UserError, nearest
from rpgan_tf.files import image_folders

# What is drawn here; `rpgan_tf.gan` counts its own roles up from 0.
CROP, POINTS, HELD_OUT_POINTS, TRIPLES, HELD_OUT_TRIPLES = range(-1, -6, -1)
NUM_HELD_OUT = 10000  # where there is no end of data
PARALLEL_IMAGES = 16  # read and decoded at the same time
DIGITS = {"digits": slice(None), "digits:train": slice(1500), "digits:test": slice(1500, None)}


def distributed(options, start=0):
    """Return `dataset` for the strategy that is in use: each replica gets its part of every batch.

    Every pipeline, of which a machine has one, reads the images of its own replicas alone.
    """
    strategy = tf.distribute.get_strategy()
    count = strategy.num_replicas_in_sync
    if count == 1:
        return dataset(options, start)

    def of_machine(context):
        own = count // context.num_input_pipelines
        first = context.input_pipeline_id * own
        return dataset(options, start, parts=(range(first, first + own), count))

    return strategy.distribute_datasets_from_function(of_machine)


def dataset(options, start=0, batches=None, parts=(range(1), 1)):
    """Return the data of `options.lfile` as an endless dataset with one element for each iteration.

    The element of iteration i is that iteration's batches, of bsz * pack images each, one after the other. It holds the
    next positions of one stream, in which images are ordered as in the original: `RandomState(seed).permutation(n)`,
    and whenever the images are used up, the next permutation of the same generator; elements run across its ends. With
    `subset` the images are so many, drawn at random; with `mirror` all of these are followed by their mirror images, so
    that there are twice as many.

    Args:
        options: from `rpgan_tf.config`.
        start: int, iteration of the first element.
        batches: function from an iteration to how many batches it takes; None for that of the GAN in `options`.
        parts: (numbers, count): bsz is divided into so many parts, and an iteration has an element for each of these.

    Returns:
        `tf.data.Dataset` of float32 [batches(i) * bsz * pack, imsz, imsz, channels] in [-1, 1], or of points
        [batches(i) * bsz * pack, dims]; the first axis is static if it is the same for all iterations up to MAXITER.
        Where the net has `num_classes`, of pairs of images and labels, float32 [batches(i) * bsz * pack, num_classes].
        Iterating it raises a `tf.errors.OpError` at the first element with an image that is missing, damaged or,
        without `crop` and `resize`, not imsz x imsz: see `find_fault`.

    Raises:
        UserError: there are no images, fewer than `subset`, or `lfile` cannot be read; or the labels are not of length
            `num_classes`; or with `cache`, an image is missing or damaged, or there is no room for all.
    """
    batches = batches or _batches_of_gan(options)
    num_images, load = _open_data("lfile", options, options.seed, keep=options.cache is not None)
    chosen, found = _choose(options, num_images), _find_labels("lfile", options)

    def element(positions, entries, mirrored):
        images = load(positions, entries)
        if options.mirror:
            images = tf.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
        return images if found is None else (images, _take(found, entries))

    numbers = numbers_of_batches(options, batches)
    size = max(numbers) * options.bsz * options.pack // parts[1] if len(numbers) == 1 else None
    indices = tf.data.Dataset.from_generator(
        lambda: _divide(_order(options, chosen, start, batches), options, *parts),
        output_signature=tuple(tf.TensorSpec([size], kind) for kind in (tf.int64, tf.int64, tf.bool)),
    )
    return indices.map(element).prefetch(num_ahead(numbers))


def numbers_of_batches(options, batches=None):
    """Return the set of how many batches the iterations up to MAXITER take; `batches` as for `dataset`."""
    return set(map(batches or _batches_of_gan(options), range(options.MAXITER)))


def num_ahead(numbers):
    """Return how many iterations' data are read ahead: one may take a hundred batches."""
    return 2 if numbers == {1} else 1


def held_out(options):
    """Return the data of `options.test_lfile` once, in stored order, as batches of bsz * pack.

    Values and labels are as in `dataset`, with the central crop for a random one, and without `subset` and `mirror`.
    What does not fill a batch is left out. Of a mixture there are 10,000 points, of stacked digits as many images.

    Raises:
        UserError: there are less than one batch, or `test_lfile` cannot be read; or the labels are not of length
            `num_classes`.
    """
    num_images, load = _open_data("test_lfile", options, None)
    num_images, size = num_images or NUM_HELD_OUT, options.bsz * options.pack
    if num_images < size:
        raise UserError(
            f"test_lfile = '{options.test_lfile}' has {num_images} images: expected at least one batch of bsz * pack = "
            f"{size}; add images, or set a smaller bsz"
        )
    found = _find_labels("test_lfile", options)

    def element(entries):
        images = load(entries, entries)
        return images if found is None else (images, _take(found, entries))

    return tf.data.Dataset.range(num_images).batch(size, drop_remainder=True).map(element).prefetch(2)


def labels(options):
    """Return the `image_folders.Labels` of the images that are trained on; None where `num_classes` is 0.

    Mirror images, which have the same labels, are not counted twice.

    Raises:
        UserError: as for `dataset`.
    """
    found = _find_labels("lfile", options)
    return found and found._replace(values=found.values[_choose(options, len(found.values))])


def draw_labels(found, count, seed):
    """Draw from `Labels`, one being as likely as the other: float32 [count, num_classes].

    Args:
        found: as returned by `labels`.
        count: int, or int tensor [].
        seed: int [2]; the draw is a function of it.
    """
    size = tf.constant(len(found.values), tf.int64)
    entries = tf.random.stateless_uniform([count], seed, tf.constant(0, tf.int64), size, tf.int64, alg="philox")
    return _take(found, entries)


def once(option, options):
    """Open the data that an option names, to go through all of them once, in stored order.

    Values are as in `held_out`, without labels; nothing is left out.

    Args:
        option: "lfile", "test_lfile", or any attribute of `options` with such a text.
        options: as for `dataset`.

    Returns:
        The number of images; and a function from the number of the first image and a size to an iterator over batches,
        float32 [<= size, imsz, imsz, channels] in [-1, 1]. The iterator raises a `UserError` that names the first image
        that is missing, damaged or not imsz x imsz.

    Raises:
        UserError: there are no images, or they cannot be read.
    """
    num_images, load = _open_data(option, options, None)
    num_images = num_images or NUM_HELD_OUT

    def batches(first, size):
        entries = tf.data.Dataset.range(first, num_images).batch(size)
        try:
            yield from entries.map(lambda entries: load(entries, entries)).prefetch(1).as_numpy_iterator()
        except tf.errors.OpError:
            source = sources.find(option, getattr(options, option))
            fault = _first_fault(source, range(len(source.items)), options)
            if fault is None:
                raise
            raise UserError(fault) from None

    return num_images, batches


def find_fault(options, first_iteration, num_iterations, batches=None):
    """Find the image that stopped a run, by looking at one image after the other.

    Args:
        options: as for `dataset`.
        first_iteration: int, the first iteration whose images are looked at.
        num_iterations: int, the images of how many iterations are looked at.
        batches: as for `dataset`.

    Returns:
        What is wrong with the first image that is missing, damaged or, without `crop` and `resize`, not imsz x imsz,
        and how to mend it; or None.
    """
    if names.is_computed(options.lfile):
        return None
    source = sources.find("lfile", options.lfile)
    chosen = _choose(options, len(source.items))
    order = _order(options, chosen, first_iteration, batches or _batches_of_gan(options))
    entries = itertools.chain.from_iterable(entries for _, entries, _ in itertools.islice(order, num_iterations))
    return _first_fault(source, dict.fromkeys(entries), options)


def find_held_out_fault(options):
    """Return as `find_fault` what is wrong with the first faulty image of `options.test_lfile`, or None."""
    if names.is_computed(options.test_lfile):
        return None
    source = sources.find("test_lfile", options.test_lfile)
    return _first_fault(source, range(len(source.items)), options)


def digits(size, channels=3):
    """Return scikit-learn's 1797 digits (8x8, 0 .. 16) as grey images uint8 [1797, size, size, channels].

    Raises:
        UserError: scikit-learn is not installed.
    """
    try:
        import sklearn.datasets
    except ImportError:
        raise UserError("lfile = 'digits' needs scikit-learn: pip install scikit-learn") from None
    small = np.uint8(sklearn.datasets.load_digits().images * 255 / 16)
    large = [PIL.Image.fromarray(image).resize((size, size), PIL.Image.Resampling.BICUBIC) for image in small]
    return np.repeat(np.stack(large)[..., None], channels, axis=-1)


def _batches_of_gan(options):
    from rpgan_tf import factory

    return factory.batches(options)


def _choose(options, num_images):
    """Return which images are trained on, int64 [m], in stored order; None where there is no end of data.

    Raises:
        UserError: there are fewer than `subset`.
    """
    if num_images is None or options.subset is None:
        return num_images and np.arange(num_images)
    if options.subset > num_images:
        raise UserError(
            f"lfile = '{options.lfile}' has {num_images} images: expected subset of at most as many, received "
            f"{options.subset}; set a smaller subset, or None for all images"
        )
    return np.sort(np.random.RandomState(options.seed).permutation(num_images)[: options.subset])


def _order(options, chosen, start, batches):
    """Yield (positions, entries, mirrored), int64 [n] twice and bool [n], of iterations start, start + 1, ...

    Position p takes entry p of `chosen`, and mirrors it or not. Where there is no end of data, `chosen` is None and
    entries are positions.
    """
    random = np.random.RandomState(options.seed)
    num_images = chosen is not None and len(chosen) * (1 + options.mirror)
    position = sum(map(batches, range(start))) * options.bsz * options.pack
    ahead, first = np.zeros(0, np.int64), 0  # the images of positions first, first + 1, ...
    for iteration in itertools.count(start):
        size = batches(iteration) * options.bsz * options.pack
        positions = np.arange(position, position + size)
        while num_images and first + len(ahead) < position + size:
            used = min(position - first, len(ahead))
            ahead, first = np.concatenate([ahead[used:], random.permutation(num_images)]), first + used
        if num_images:
            taken = ahead[position - first :][:size]
            yield positions, chosen[taken % len(chosen)], taken >= len(chosen)
        else:
            yield positions, positions, np.zeros(size, bool)
        position += size


def _divide(order, options, numbers, count):
    """Yield what `_order` yields, for each iteration the parts with these numbers of `count`, of every batch."""
    for arrays in order:
        divided = [array.reshape(-1, options.pack, count, options.bsz // count) for array in arrays]
        for number in numbers:
            yield tuple(array[:, :, number].reshape(-1) for array in divided)


def _find_labels(option, options):
    """Return the `image_folders.Labels` of all data that an option names, None where `num_classes` is 0.

    Raises:
        UserError: there are none, or not of that length.
    """
    lfile, num_classes = getattr(options, option), getattr(options, "num_classes", 0)
    if not num_classes:
        return None
    found = None
    if lfile in DIGITS:
        import sklearn.datasets

        found = image_folders.Labels(np.int64(sklearn.datasets.load_digits().target[DIGITS[lfile]]), 10)
    elif not names.is_computed(lfile):
        found = sources.find_labels(option, lfile)
    image_folders.check_labels(option, lfile, found.num_classes if found else 0, num_classes)
    return found


def _take(found, entries):
    """Return those of `Labels` that entries, int64 [n], stand for, as float32 [n, num_classes]."""
    values = tf.gather(found.values, entries)
    return values if found.values.ndim == 2 else tf.one_hot(values, found.num_classes)


def _open_data(option, options, seed, keep=False):
    """Open the data that an option names.

    Args:
        option: "lfile" or "test_lfile".
        options: as for `dataset`.
        seed: int, of random crops; None for central ones.
        keep: bool, whether the images that are trained on are decoded once and kept, as `options.cache` says.

    Returns:
        The number of images, None where there is no end of data; and the function from positions and entries, int64
        [n], to what they stand for, scaled: float32 [n, imsz, imsz, channels] or [n, dims].
    """
    lfile, shape = getattr(options, option), [options.imsz, options.imsz, options.channels]
    if names.is_mixture(lfile):
        mixture = mixtures.find(lfile)
        role = HELD_OUT_POINTS if lfile.endswith(names.HELD_OUT) else POINTS
        return None, lambda positions, _: _points(mixture, [options.seed, role], positions)
    if lfile.startswith("digits:") and lfile not in names.DIGITS:
        raise UserError(f"no digits '{lfile}' for {option}; {nearest(lfile, names.DIGITS)}")
    if lfile == names.STACKED:
        pixels, role = tf.constant(digits(options.imsz, 1)[..., 0]), TRIPLES if option == "lfile" else HELD_OUT_TRIPLES
        return None, lambda positions, _: _scale(_triples(pixels, [options.seed, role], positions))
    if lfile in DIGITS:
        pixels = tf.constant(digits(options.imsz, options.channels)[DIGITS[lfile]])
        return len(pixels), lambda _, entries: _scale(tf.gather(pixels, entries))
    source = sources.find(option, lfile)

    def decode(entry):
        return _decode(source.read(source.items[entry]), options.channels)

    pixels = _keep(options, source, decode) if keep else decode

    def load(position, entry):
        image = pixels(entry)
        place = None if seed is None else tf.random.fold_in([seed, CROP], position)
        return _scale(tf.ensure_shape(_fit(image, options, place), shape))

    return len(source.items), lambda positions, entries: tf.map_fn(
        lambda index: load(*index),
        (positions, entries),
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
        parallel_iterations=PARALLEL_IMAGES,
    )


def _keep(options, source, decode):
    """Return what `cache.keep` does; raises `UserError` as that, and if an image is missing or damaged."""
    chosen = _choose(options, len(source.items))
    try:
        return cache.keep(options, source, chosen, decode)
    except tf.errors.OpError:
        fault = _first_fault(source, chosen, options)
        if fault is None:
            raise
        raise UserError(fault) from None


def _scale(pixels):
    """Return pixels of 0 .. 255 as float32 in [-1, 1]."""
    return tf.cast(pixels, tf.float32) * 2 / 255 - 1


def _points(mixture, seed, positions):
    """Draw the points of ascending positions, int64 [n], from a mixture: float32 [n, dims].

    Each position has counters of its own, so that a point is the same in whatever batch it comes. Their second half
    tells the two draws apart.
    """
    width = -(-mixture.dims // 4)
    uniform = _draw(tf.raw_ops.StatelessRandomUniformV2, seed, positions, 1, 0)
    modes = tf.cast(uniform[:, 0] * len(mixture.centers), tf.int32)
    normal = _draw(tf.raw_ops.StatelessRandomNormalV2, seed, positions, width, 1)
    points = tf.gather(mixture.centers, modes) + mixture.scales * normal[:, : mixture.dims]
    return tf.ensure_shape(points, [positions.shape[0], mixture.dims])


def _triples(pixels, seed, positions):
    """Draw three of the images uint8 [M, H, W] as red, green and blue for ascending positions, int64 [n]."""
    uniform = _draw(tf.raw_ops.StatelessRandomUniformV2, seed, positions, 1, 0)
    entries = tf.cast(uniform[:, :3] * len(pixels), tf.int32)
    images = tf.transpose(tf.gather(pixels, entries), [0, 2, 3, 1])
    return tf.ensure_shape(images, [positions.shape[0], *pixels.shape[1:], 3])


def _draw(operation, seed, positions, width, role):
    """Return `width` times four random numbers for each of ascending positions: float32 [n, 4 * width].

    Philox turns a counter into four numbers. Those of positions that are left out are drawn, too.
    """
    first = tf.cast(positions[0], tf.uint64) * tf.constant(width, tf.uint64)
    drawn = operation(
        shape=[positions[-1] - positions[0] + 1, 4 * width],
        key=tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed).key,
        counter=tf.stack([first, tf.constant(role, tf.uint64)]),
        alg=tf.random.Algorithm.PHILOX.value,
    )
    return tf.gather(drawn, positions - positions[0])


def _decode(contents, channels=3):
    """Decode the bytes of a PNG or JPEG file, string [], to uint8 [H, W, channels]; raises `tf.errors.OpError`.

    Grey, palette and 16-bit images become 8-bit RGB, or all become grey; alpha is dropped, as in the original.
    """
    head = tf.strings.substr(contents, 0, 3)
    tf.debugging.Assert((head == b"\x89PN") | (head == b"\xff\xd8\xff"), ["neither PNG nor JPEG"])
    image = tf.io.decode_image(contents, channels=channels, expand_animations=False)
    return tf.ensure_shape(image, [None, None, channels])


def _fit(image, options, place):
    """Bring an image to imsz x imsz pixels as `crop` and `resize` say; without them it is returned as it is.

    Args:
        image: uint8 [H, W, C].
        options: as for `dataset`.
        place: seed, int [2], of a random crop, whose every place is as likely; None for the central one.

    Returns:
        float32 [imsz, imsz, C] in 0 .. 255, or the image.
    """
    size = options.imsz
    if options.crop:
        image = _resize_as_original(image, size + 1)
        if place is not None:
            return tf.image.stateless_random_crop(image, [size, size, image.shape[-1]], place)
    elif options.resize == "no":
        return image
    else:
        sides = tf.shape(image)[:2]
        shorter = tf.reduce_min(sides)
        sides = [size, size] if options.resize == "stretch" else (sides * size + shorter // 2) // shorter  # rounded
        image = tf.clip_by_value(tf.image.resize(image, sides, options.resize_filter, antialias=True), 0, 255)
    top, left = tf.unstack((tf.shape(image)[:2] - size) // 2)
    return image[top : top + size, left : left + size]


def _resize_as_original(image, shorter):
    """Resize an image uint8 [H, W, C] to its shorter side, rarely one less by rounding: float32 in 0 .. 255.

    Sides and pixels are the original's: float32 arithmetic, truncated; bilinear without half-pixel centers.
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    sides = tf.cast(float(shorter) / tf.reduce_min(sides) * sides, tf.int32)
    return tf.raw_ops.ResizeBilinear(images=image[None], size=sides, align_corners=False, half_pixel_centers=False)[0]


def _first_fault(source, entries, options):
    """Return where the first faulty image among entries is, what is wrong with it and how to mend it; or None."""
    for entry in entries:
        fault = _fault(source, source.items[entry], options)
        if fault:
            return f"{source.place(entry)} {fault}"
    return None


def _fault(source, item, options):
    """Return what is wrong with an image and how to mend it, or None."""
    try:
        contents = source.read(item)
    except tf.errors.OpError as error:
        reason = error.message.partition(" [Op:")[0].rpartition("; ")[2]
        expected = f"expected a PNG or JPEG file, seen from '{os.getcwd()}'"
        return f"cannot be read: {reason}; {expected}; correct the path or {source.removal}"
    try:
        height, width, _ = _decode(contents).shape
    except tf.errors.OpError:
        return f"is damaged or no image: expected a whole PNG or JPEG file; replace it or {source.removal}"
    size = options.imsz
    if not options.crop and options.resize == "no" and (height, width) != (size, size):
        mend = f"set resize = 'cover' or crop = True, resize it, or {source.removal}"
        return f"is {width}x{height} pixels: expected {size}x{size}; {mend}"
    return None
