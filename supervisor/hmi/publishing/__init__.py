# SPDX-License-Identifier: Apache-2.0
"""What a client is told unasked: monitored items, their queues, subscriptions and when they publish."""
