# SPDX-License-Identifier: Apache-2.0
"""How bytes and people come in: connections, secure channels, certificates, logins, sessions."""
