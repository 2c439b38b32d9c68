# SPDX-License-Identifier: Apache-2.0
"""What a person is told when a command cannot go on."""

from __future__ import annotations


class Failure(Exception):
    """One clear sentence for whoever typed the command: what is wrong, whose matter it is, what to do.

    Raised anywhere in `supervisor`, caught only in `supervisor/cli/main.py`, which prints it and exits 1.
    """
