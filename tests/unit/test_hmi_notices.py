# SPDX-License-Identifier: Apache-2.0
"""Numbers of notices are those of the standard, and asyncua decodes what carries them."""

from __future__ import annotations

import struct

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import extensionobject_from_binary, extensionobject_to_binary, struct_to_binary

from supervisor.hmi.publishing.notices import DATA_CHANGE, EVENT_LIST, STATUS_CHANGE, Notice


@pytest.mark.parametrize(
    ("type_id", "number", "made"),
    [
        (DATA_CHANGE, 811, ua.DataChangeNotification()),
        (EVENT_LIST, 916, ua.EventNotificationList()),
        (STATUS_CHANGE, 820, ua.StatusChangeNotification()),
    ],
)
def test_a_notice_is_a_notification_data(type_id: int, number: int, made: object) -> None:
    """Numbers: OPC 10000-6, annex A (NodeIds.csv)."""
    assert type_id == number
    notice = Notice(type_id, struct_to_binary(made), 0)
    raw = struct.pack("<BBHBi", 1, 0, notice.type_id, 1, len(notice.body)) + notice.body
    assert raw == extensionobject_to_binary(made)
    assert type(extensionobject_from_binary(Buffer(raw))) is type(made)
