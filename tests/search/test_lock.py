"""The lock of a search's queue is let go of where a disk is full, and by nobody who does not have it."""

from __future__ import annotations

import errno
import os

import pytest

from tfprune.search.lock import Lock
from tfprune.search.queue import Queue


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_does_not_keep_it(tmp_path, monkeypatch):
    queue = Queue(tmp_path / "queue.log")
    monkeypatch.setattr(os, "rename", full)
    queue.put({"point": [1]})
    assert [path.name for path in tmp_path.iterdir()] == ["queue.log"]
    assert [task.values for task in Queue(tmp_path / "queue.log").tasks()] == [{"point": [1]}]


def test_a_lock_that_another_has_removed_is_told(tmp_path):
    lock = Lock(str(tmp_path / "queue.log"))
    assert lock.acquire()
    lock.release()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError, match="did not possess lock"):
        lock.release()
