"""Numbers of a generator or a set of images, against a reference."""
