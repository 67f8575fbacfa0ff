#!/usr/bin/env python3
"""See tools/fixbn.py."""

from rpgan_tf import command
from tools.fixbn import main

if __name__ == "__main__":
    command.run(main)
