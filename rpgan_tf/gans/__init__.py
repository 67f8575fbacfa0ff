"""Objectives and their algorithms: one file per paper."""
