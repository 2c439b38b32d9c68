# SPDX-License-Identifier: Apache-2.0
"""The OPC UA server. Bytes arrive in `transport`, `processor` finds who answers them; the rooms, by what they are for:

| room | asks or answers |
|---|---|
| `entrance/` | who comes in: channels, certificates, logins, audits |
| `model/` | what there is: the address space and all that can be named, browsed or described |
| `services/` | what a client asks: Read, Write, Browse, Call, the service sets |
| `publishing/` | what a client is told: monitored items, queues, subscriptions |
| `events/`, `conditions/` | what happens, and what is wrong |
| `history/` | what was |
"""
