# SPDX-License-Identifier: Apache-2.0
"""What a client finds: the address space and everything in it that can be named, browsed or described."""
