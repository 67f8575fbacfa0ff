#!/usr/bin/env python3
"""Time the input of training against PyTorch's DataLoader with two workers, on the same files.

    benchmarks/input.py            5,000 JPEGs of 64x64 pixels, and as many of 178x218
    benchmarks/input.py --quick    500 of 64x64, few batches

Protocol. The files are random pieces of scikit-learn's two photographs, resized, with JPEG quality 90. Both sides
resize the shorter side to 65 pixels, bilinearly, crop a random 64x64 (`crop = True`), scale to [-1, 1], and give
endless batches of 64 float32 images, all files in random order. Each side runs in its own process; rounds of
`--batches` batches alternate over the sides, after some batches read ahead and one round that does not count. `here` is
`rpgan_tf.data.dataset` as `fit` gets it, without and with `cache`; `DataLoader` has two persistent workers, and decodes
and resizes by Pillow. Medians and quartiles over the rounds are printed. `CPU us` is the processor time per image of
all processes of a side, workers included: time that training on the same cores loses.
"""

import importlib.util
import itertools
import multiprocessing
import pathlib
import statistics
import tempfile
import time

import measuring

from rpgan_tf import command, config
from rpgan_tf.errors import UserError

SIZES = (64, 64), (178, 218)  # width and height; the second are those of CelebA's aligned images
IMSZ, BSZ = 64, 64
AHEAD = 5  # batches; DataLoader prefetches two for each worker
SIDES = "DataLoader, 2 workers", "here", "here, cache = 'memory'", "here, cache = 'disk'"


def main(argv):
    """Time as `argv` says."""
    parser = command.Parser(__doc__)
    measuring.add_options(parser, "500 files of 64x64 alone, 5 batches a round")
    parser.add_argument("--batches", type=command.count, default=60, help="in a round (default 60)")
    arguments = parser.parse_args(argv)
    for module, extra in (("torch", "benchmarks"), ("sklearn", "demo")):
        if importlib.util.find_spec(module) is None:
            raise UserError(f"this needs {module}: pip install 'rpgan_tf[{extra}]'")
    table = measuring.Table(arguments)
    table(f"{'files':7}  {'side':22} | images/s {'(quartiles)':>16}  over DataLoader | CPU us")
    for size in SIZES[:1] if arguments.quick else SIZES:
        with tempfile.TemporaryDirectory() as folder:
            make_files(pathlib.Path(folder), size, 500 if arguments.quick else 5000)
            rows = measure(folder, arguments.rounds, 5 if arguments.quick else arguments.batches)
        base = statistics.median(rate for rate, _ in rows[SIDES[0]])
        for side, rounds in rows.items():
            low, rate, high = statistics.quantiles([rate for rate, _ in rounds], n=4, method="inclusive")
            cpu = statistics.median(cpu for _, cpu in rounds)
            table(
                f"{f'{size[0]}x{size[1]}':7}  {side:22} | {rate:8,.0f} {f'({low:,.0f} - {high:,.0f})':>16} "
                f"{rate / base:16.2f} | {cpu * 1e6:6.0f}"
            )
    table.close()


def make_files(folder, size, count):
    """Write pieces of photographs, and a list of their paths."""
    import numpy as np
    import PIL.Image
    import sklearn.datasets

    photographs = [PIL.Image.fromarray(image) for image in sklearn.datasets.load_sample_images().images]
    random = np.random.RandomState(0)
    paths = [folder / f"{number:05d}.jpg" for number in range(count)]
    for path in paths:
        photograph = photographs[random.randint(len(photographs))]
        largest = min(have / wanted for have, wanted in zip(photograph.size, size))
        zoom = random.uniform(1, largest)
        width, height = zoom * size[0], zoom * size[1]
        left, top = random.uniform(0, photograph.width - width), random.uniform(0, photograph.height - height)
        box = left, top, left + width, top + height
        photograph.resize(size, PIL.Image.Resampling.BICUBIC, box).save(path, quality=90)
    (folder / "list.txt").write_text("".join(f"{path}\n" for path in paths))


def measure(folder, rounds, batches):
    """Return {side: [(images per second, CPU seconds per image) of each round]}."""
    processes = multiprocessing.get_context("spawn")
    connections, servers = {}, []
    for side in SIDES:
        connections[side], other = processes.Pipe()
        servers.append(processes.Process(target=serve, args=(side, folder, other)))
        servers[-1].start()
        other.close()
    found = {side: [] for side in SIDES}
    for round_number in range(rounds + 1):
        for side, connection in connections.items():
            connection.send(batches)
            received = connection.recv()
            if round_number:
                found[side].append(received)
    for connection in connections.values():
        connection.send(None)
    for server in servers:
        server.join()
    return found


def serve(side, folder, connection):
    """Receive numbers of batches until None; read as many, and send (images per second, CPU seconds per image)."""
    import psutil

    def cpu_seconds():
        return sum(sum(process.cpu_times()[:2]) for process in [own, *own.children()])

    own, batches = psutil.Process(), (of_pytorch if side == SIDES[0] else of_this_library)(side, folder)
    for count in iter(connection.recv, None):
        for _ in range(AHEAD):
            next(batches)
        start, cpu = time.perf_counter(), cpu_seconds()
        for batch in itertools.islice(batches, count):
            if tuple(batch.shape) != (BSZ, IMSZ, IMSZ, 3):
                raise SystemExit(f"{side}: received a batch of shape {tuple(batch.shape)}")
        images = count * BSZ
        connection.send((images / (time.perf_counter() - start), (cpu_seconds() - cpu) / images))


def of_this_library(side, folder):
    """Return the endless batches of this library."""
    command.start_tensorflow()
    from rpgan_tf import data

    cache = side.split("'")[1] if "cache" in side else None
    values = {"lfile": f"{folder}/list.txt", "crop": True, "imsz": IMSZ, "bsz": BSZ, "wts_dir": folder, "cache": cache}
    return iter(data.dataset(config.resolve(values | {"gan": "DCGAN", "net": "dcgan"})))


def of_pytorch(side, folder):
    """Return the endless batches of a DataLoader."""
    import torch

    images = Images(pathlib.Path(folder, "list.txt").read_text().splitlines())
    loader = torch.utils.data.DataLoader(
        images, BSZ, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True
    )
    return itertools.chain.from_iterable(itertools.repeat(loader))


class Images:
    """The images at paths, as a `torch.utils.data.Dataset`: float32 [IMSZ, IMSZ, 3] in [-1, 1]."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        import numpy as np
        import PIL.Image
        import torch

        with PIL.Image.open(self.paths[index]) as file:
            image = file.convert("RGB")
        scale = (IMSZ + 1) / min(image.size)
        image = image.resize([int(side * scale) for side in image.size], PIL.Image.Resampling.BILINEAR)
        left, top = (int(torch.randint(side - IMSZ + 1, ())) for side in image.size)
        pixels = np.asarray(image.crop((left, top, left + IMSZ, top + IMSZ)), np.float32)
        return torch.from_numpy(pixels / 127.5 - 1)


if __name__ == "__main__":
    command.run(main)
