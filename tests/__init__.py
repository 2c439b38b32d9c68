# SPDX-License-Identifier: Apache-2.0
"""Tests of Vigie. `tests.sim.loop` is the virtual time every folder may use."""
