"""Package metadata. Ranges are what should work; constraints.txt holds the exact versions that were tested."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent

LSUN = ["lmdb>=1.4"]  # the format of the databases that LSUN comes in
METRICS = [  # TensorFlow-GAN, and what it needs and does not say, or says too loosely
    "scikit-learn>=1.5",  # neighbours, and the digits of the classifier
    "setuptools<81",  # tensorflow-hub imports pkg_resources
    "tensorflow-gan>=2.1",
    "tensorflow-hub>=0.16",
    "tensorflow-probability>=0.25",
    "tf-keras>=2.19",
]

setuptools.setup(
    name="rpgan_tf",
    version=re.search(r'__version__ = "(.+)"', (ROOT / "rpgan_tf/__init__.py").read_text())[1],
    description="RP-GAN and the papers around it for TensorFlow 2 and Keras 3",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=setuptools.find_packages(include=["rpgan_tf", "rpgan_tf.*"]),
    package_data={"rpgan_tf": ["py.typed"], "rpgan_tf.studies": ["*.toml"]},
    install_requires=[
        "absl-py>=2.1",
        "imageio>=2.34",  # GIF, and with imageio-ffmpeg MP4, of morphs and time-lapses
        "imageio-ffmpeg>=0.5",
        "importlib_resources>=6.0",  # tensorflow-datasets needs it for its own data sets and does not say so
        "keras>=3.10",
        "numpy>=1.26",
        "pillow>=10.0",
        "tensorboard>=2.19",  # the TensorFlow wheel no longer brings it
        "tensorflow>=2.19",
        "tensorflow-datasets>=4.9.8",
        "tqdm>=4.66",  # progress and time left on a terminal
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.19"],
        "benchmarks": ["psutil>=5.9", "torch>=2.5"],  # others' use of the processors; what speed is compared with
        "demo": ["matplotlib>=3.9", "scikit-learn>=1.5"],  # the embedded digits, and their picture
        "docs": ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"],
        "lsun": LSUN,
        "metrics": METRICS,
        "test": [
            "ipykernel>=6.29",  # with nbclient, runs the notebook
            "matplotlib>=3.9",
            "mypy>=1.15",
            "nbclient>=0.10",
            "pre-commit>=4.0",
            "pytest>=8.0",
            "pytest-xdist>=3.7",
            "ruff>=0.9",
            "scikit-learn>=1.5",
            "scipy>=1.11",  # independent values
            "types-tqdm>=4.66",
            *LSUN,
            *METRICS,
        ],
    },
)
