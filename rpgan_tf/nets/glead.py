"""StyleGAN2's nets with the additions of GGDR and GLeaD to D: a decoder, and heads whose outputs G can start from.

Lee et al., "Generator Knows What Discriminator Should Learn in Unconditional GANs" (GGDR), arXiv 2207.13320; Bai et
al., "GLeaD: Improving GANs with A Generator-Leading Task", arXiv 2212.03752; the authors' code is at
github.com/EzioBy/glead. As in that code, the decoder is linear: convolutions and upsampling, with the encoder's
features concatenated. Differs from it in: the head for images has the channels of the images; the decoder is in full
precision at every size. Knows no loss.
"""

import types
from typing import Any, Literal, NamedTuple

import tensorflow as tf

from rpgan_tf.config import SizeFrom8
from rpgan_tf.nets import stylegan2
from rpgan_tf.nets.base import Seeds
from rpgan_tf.nets.stylegan2 import Discriminator, Generator, build_generator
from rpgan_tf.nets.stylegan2_blocks import Convolution
from rpgan_tf.projections import Projections

__all__ = ["DecodingDiscriminator", "Generator", "build_discriminator", "build_generator"]


class Decoded(NamedTuple):
    """Output of D's decoder for B images; without heads, only the map.

    Attributes:
        map: [B, res_d, res_d, C].
        features: [B, res_g, res_g, C of G there].
        image: [B, res_g, res_g, channels].
        w: [B, w_dim].
    """

    map: tf.Tensor
    features: tf.Tensor | None = None
    image: tf.Tensor | None = None
    w: tf.Tensor | None = None


class DecodingDiscriminator(Discriminator):
    """StyleGAN2's discriminator with a decoder, from its smallest features up to `res_d`.

    Args:
        imsz, channels, channel_base, channel_max, seeds, ...: as for StyleGAN2's.
        res_d: size of the decoder's map, below `imsz`.
        res_g: size of the features from which G starts, below `imsz`.
        decoder_kernel: size of the decoder's kernels.
        heads: whether there are heads for features, image and w (GLeaD), or just the map (GGDR).
        w_dim: length of w.
    """

    res_d: SizeFrom8 = 64
    res_g: SizeFrom8 = 64
    decoder_kernel: Literal[1, 3] = 1
    heads: bool = True

    rules = [
        (
            "max(res_d, res_g) < imsz",
            "res_d = {res_d} and res_g = {res_g} must be below imsz = {imsz}; change one of them",
        ),
    ]

    def __init__(
        self,
        *,
        imsz: int,
        channels: int,
        channel_base: int,
        channel_max: int,
        res_d: int,
        res_g: int,
        decoder_kernel: int,
        heads: bool,
        w_dim: int,
        seeds: Seeds = None,
        **kwargs,
    ) -> None:
        super().__init__(
            imsz=imsz, channels=channels, channel_base=channel_base, channel_max=channel_max, seeds=seeds, **kwargs
        )
        self.res_g = res_g
        self.decoder: list[Convolution] = []
        width = stylegan2.widths(imsz, channel_base, channel_max)
        arguments: dict[str, Any] = {"activation": False, "seeds": seeds}
        for size in stylegan2.sizes(res_d)[1:]:
            inputs = width[size // 2] * (1 if size == 8 else 2)
            self.decoder.append(
                Convolution(inputs, width[size], decoder_kernel, "up", name=f"b{size}_dec", **arguments)
            )
        outputs = {"feat_proj1": width[res_g], "img_proj": channels, "feat_proj2": w_dim} if heads else {}
        self.head_layers = [
            Convolution(width[res_d], units, 1, name=name, **arguments) for name, units in outputs.items()
        ]

    def decode(self, features: dict[int, tf.Tensor]) -> Decoded:
        """Decode the output of `features`."""
        y, size = tf.cast(features[4], tf.float32), 4
        for layer in self.decoder:
            if size > 4:
                y = tf.concat([y, tf.cast(features[size], tf.float32)], axis=-1)
            y, size = layer(y), 2 * size
        if not self.head_layers:
            return Decoded(y)
        of_g, image, w = (head(y) for head in self.head_layers)
        return Decoded(y, resize(of_g, self.res_g), resize(image, self.res_g), tf.reduce_mean(w, axis=[1, 2]))


def resize(x: tf.Tensor, size: int) -> tf.Tensor:
    """Resize [B, H, W, C] to [B, size, size, C] bilinearly, with first derivatives only."""
    return x if x.shape[1] == size else tf.image.resize(x, [size, size])


def reconstruct(generator: Generator, decoded: Decoded, noise: str | tf.Tensor = "const") -> tf.Tensor:
    """Return the images [B, imsz, imsz, channels] that G makes, starting from the outputs of D's heads.

    The blocks above `res_g` are run, with the same w for all layers (2212.03752, section 3.2).
    """
    if decoded.features is None or decoded.image is None or decoded.w is None:
        raise ValueError("expected a map decoded with heads, received one without")
    num_codes = 2 * sum(size > decoded.image.shape[1] for size in generator.blocks) + 1
    codes = tf.repeat(decoded.w[:, None], num_codes, axis=1)
    return generator.synthesize(codes, noise, start=(decoded.features, decoded.image))[0]


def build_discriminator(
    options: types.SimpleNamespace, projections: Projections | None = None, seeds: Seeds = None
) -> DecodingDiscriminator:
    """Build the discriminator of an experiment; this net takes no projections."""
    names = "res_d", "res_g", "decoder_kernel", "heads", "w_dim"
    arguments = stylegan2.discriminator_arguments(options) | {name: getattr(options, name) for name in names}
    return DecodingDiscriminator(**arguments, seeds=seeds, name="discriminator")
