# SPDX-License-Identifier: Apache-2.0
"""The past over OPC UA: HistoryRead (Parts 11 and 13)."""
