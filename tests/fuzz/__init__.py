# SPDX-License-Identifier: Apache-2.0
"""Fuzz harnesses: a short deterministic slice of each is a test, the long run is started by hand."""
