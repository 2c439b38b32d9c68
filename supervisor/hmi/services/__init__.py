# SPDX-License-Identifier: Apache-2.0
"""What a client may ask: requests as bytes, the service sets, Read, Write, Browse and Call."""
