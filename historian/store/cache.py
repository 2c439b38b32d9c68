# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_query.py
"""Files at hand: those used last, at most so many, safe from several threads.

Law of this file: it opens and forgets; a file that somebody still reads is closed when nobody holds it any more.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Open files by path, relative to a root.

    Attributes:
        most: bound.
    """

    def __init__(self, root: Path, open_file: Callable[[Path], T], most: int) -> None:
        self.most = most
        self._root = root
        self._open = open_file
        self._mutex = threading.Lock()
        self._files: OrderedDict[str, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._files)

    def get(self, path: str) -> T:
        """The file, opened if it is not at hand; raises what opening raises."""
        with self._mutex:
            file = self._files.get(path)
            if file is not None:
                self._files.move_to_end(path)
                return file
        opened = self._open(self._root / path)
        with self._mutex:
            self._files[path] = opened
            while len(self._files) > self.most:
                self._files.popitem(last=False)
        return opened

    def forget(self, paths: Sequence[str]) -> None:
        """Hold these no longer."""
        with self._mutex:
            for path in paths:
                self._files.pop(path, None)

    def clear(self) -> None:
        """Hold none."""
        with self._mutex:
            self._files.clear()
