# SPDX-License-Identifier: Apache-2.0
"""Virtual time: hours in milliseconds over real loopback sockets."""
