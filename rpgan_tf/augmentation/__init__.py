"""Differentiable augmentation of the images that a discriminator is shown, for every GAN."""
