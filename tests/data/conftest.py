"""Fixtures of the tests of data: lists of images, and prepared data sets of tensorflow-datasets."""

import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tests.data.images import SIDE, encode, flat, write_list


@pytest.fixture
def numbered(tmp_path):
    """A list of five images; every pixel of image n is n."""
    return write_list(tmp_path, [encode(flat(number)) for number in range(5)])


@pytest.fixture
def mixed_sizes(tmp_path):
    """A list of seven noise images of many sizes."""
    random = np.random.RandomState(1)
    sizes = [(9, 9), (9, 20), (31, 12), (10, 11), (40, 40), (8, 17), (5, 6)]
    return write_list(tmp_path, [encode(np.uint8(random.randint(0, 256, (*size, 3)))) for size in sizes])


@pytest.fixture(scope="module")
def tfds_folder(tmp_path_factory):
    """A folder with two prepared data sets whose code is then unknown, and one, `drawn_later`, that is code only."""
    tfds = pytest.importorskip("tensorflow_datasets")

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        code_path = None  # no checksums and descriptions beside this file

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(self.features))

        def _split_generators(self, manager):
            return {"train": self._generate_examples(11), "test": self._generate_examples(3)}

        def _generate_examples(self, count):
            for number in range(count):
                yield number, self.example(number)

    image, label = tfds.features.Image, tfds.features.ClassLabel(num_classes=20)

    class TinyGrey(Builder, skip_registration=True):
        features = {"image": image(shape=(SIDE, SIDE, 1)), "label": label}

        def example(self, number):
            return {"image": flat(number)[..., :1], "label": number}

    class TinyColour(Builder, skip_registration=True):
        features = {
            "depth": image(shape=(SIDE, SIDE, 1), dtype=np.float32),
            "mask": tfds.features.LabeledImage(shape=(SIDE, SIDE, 1), labels=2),
            "photo": image(shape=(None, None, 3), encoding_format="jpeg"),
        }

        def example(self, number):
            zeros = np.zeros((SIDE, SIDE, 1))
            side = SIDE + (number == 7)
            return {"depth": np.float32(zeros), "mask": np.uint8(zeros), "photo": flat(20 * number, side, SIDE)}

    class TinyText(Builder, skip_registration=True):
        features = {"text": tfds.features.Text(), "label": label}

        def example(self, number):
            return {"text": str(number), "label": number}

    class DrawnLater(TinyGrey):
        pass

    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(num_shards=3)
    for builder in (TinyGrey, TinyColour, TinyText):
        builder(data_dir=folder).download_and_prepare(download_config=config)
    return folder


@pytest.fixture
def stored(tfds_folder, monkeypatch):
    """Return a function: the images of a split of a data set in stored order, read from its raw record files."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tfds_folder))

    def read(name, key, split):
        files = sorted(map(str, tfds_folder.glob(f"{name}/1.0.0/{name}-{split}.tfrecord*")))
        records = [tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(files)]
        contents = [record.features.feature[key].bytes_list.value[0] for record in records]
        return [np.array(PIL.Image.open(io.BytesIO(content)).convert("RGB")) for content in contents]

    return read
