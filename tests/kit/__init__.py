# SPDX-License-Identifier: Apache-2.0
"""Every driver under the same claims."""
