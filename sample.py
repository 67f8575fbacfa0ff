#!/usr/bin/env python3
"""See tools/sample.py."""

from rpgan_tf import command
from tools.sample import main

if __name__ == "__main__":
    command.run(main)
