"""StyleGAN2's nets with what GGDR and GLeaD add to D: a decoder, and heads from whose outputs G can go on.

Lee et al., "Generator Knows What Discriminator Should Learn in Unconditional GANs" (GGDR), arXiv 2207.13320; Bai et
al., "GLeaD: Improving GANs with A Generator-Leading Task", arXiv 2212.03752; the authors' code is at
github.com/EzioBy/glead. As in that code, the decoder is linear: convolutions, upsampling, and the encoder's features
beside. Differs from it in: the head for images has the channels of the images; the decoder is in full precision at
every size. Knows no loss.
"""

from typing import Literal, NamedTuple

import tensorflow as tf

from rpgan_tf.config import SizeFrom8
from rpgan_tf.nets import stylegan2
from rpgan_tf.nets.stylegan2 import Discriminator, Generator, build_generator
from rpgan_tf.nets.stylegan2_blocks import Convolution

__all__ = ["DecodingDiscriminator", "Generator", "build_discriminator", "build_generator"]


class Decoded(NamedTuple):
    """What D's decoder makes of B images; without heads, only the map.

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
    """The discriminator of StyleGAN2 with a decoder, from its smallest features up to `res_d`.

    Args:
        res_d: size of the decoder's map, below that of the images.
        res_g: size of the features from which G goes on, below that of the images.
        decoder_kernel: size of the decoder's kernels.
        heads: whether there are heads for features, image and w (GLeaD), or just the map (GGDR).
        w_dim: length of w.
        imsz, channels, channel_base, channel_max, seeds, ...: as for StyleGAN2's.
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
        imsz=256,
        channels=3,
        channel_base=32768,
        channel_max=512,
        *,
        res_d=64,
        res_g=64,
        decoder_kernel=1,
        heads=True,
        w_dim=512,
        seeds=None,
        **kwargs,
    ):
        super().__init__(imsz, channels, channel_base, channel_max, seeds=seeds, **kwargs)
        self.res_g, self.decoder = res_g, []
        width = stylegan2.widths(imsz, channel_base, channel_max)
        arguments = {"activation": False, "seeds": seeds}
        for size in stylegan2.sizes(res_d)[1:]:
            inputs = width[size // 2] * (1 if size == 8 else 2)
            self.decoder.append(
                Convolution(inputs, width[size], decoder_kernel, "up", name=f"b{size}_dec", **arguments)
            )
        self.heads = None
        if heads:
            outputs = {"feat_proj1": width[res_g], "img_proj": channels, "feat_proj2": w_dim}
            self.heads = [
                Convolution(width[res_d], units, 1, name=name, **arguments) for name, units in outputs.items()
            ]

    def decode(self, features):
        """Return what the decoder makes of what `features` returned: `Decoded`."""
        y, size = tf.cast(features[4], tf.float32), 4
        for layer in self.decoder:
            if size > 4:
                y = tf.concat([y, tf.cast(features[size], tf.float32)], axis=-1)
            y, size = layer(y), 2 * size
        if self.heads is None:
            return Decoded(y)
        of_g, image, w = (head(y) for head in self.heads)
        return Decoded(y, resize(of_g, self.res_g), resize(image, self.res_g), tf.reduce_mean(w, axis=[1, 2]))


def resize(x, size):
    """Resize [B, H, W, C] to [B, size, size, C] bilinearly. It has first derivatives only."""
    return x if x.shape[1] == size else tf.image.resize(x, [size, size])


def reconstruct(generator, decoded, noise="const"):
    """Return the images [B, imsz, imsz, channels] that G makes, going on from what D's heads say of images.

    Its blocks above `res_g` are run, with the same w for all layers (2212.03752, section 3.2).
    """
    num_codes = 2 * sum(size > decoded.image.shape[1] for size in generator.blocks) + 1
    codes = tf.repeat(decoded.w[:, None], num_codes, axis=1)
    return generator.synthesize(codes, noise, start=(decoded.features, decoded.image))[0]


def build_discriminator(options, projections=None, seeds=None):
    """Build the discriminator that `options` describe; see StyleGAN2's."""
    arguments = stylegan2.discriminator_arguments(options) | {"w_dim": options.w_dim}
    arguments |= {name: getattr(options, name) for name in ("res_d", "res_g", "decoder_kernel", "heads")}
    return DecodingDiscriminator(**arguments, seeds=seeds, name="discriminator")
