# SPDX-License-Identifier: Apache-2.0
"""Aggregates of OPC 10000-13 as column operations."""
