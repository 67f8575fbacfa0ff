"""The commands: each file is a docstring that is its usage, and main(argv)."""
