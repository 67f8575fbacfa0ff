#!/usr/bin/env python3
"""See tools/interp.py."""

from rpgan_tf import command
from tools.interp import main

if __name__ == "__main__":
    command.run(main)
