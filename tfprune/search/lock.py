"""The lock of a queue, which is let go of on a full disk, too."""

from __future__ import annotations

import errno
from pathlib import Path

from optuna.storages.journal import JournalFileSymlinkLock

__all__ = ["Lock"]


class Lock(JournalFileSymlinkLock):  # type: ignore[misc]
    """Optuna's lock for journal files, released by removing it where it can't be renamed first.

    Optuna renames the lock before it removes it. A full disk has no room for another name, and then Optuna says that it
    did not possess the lock, and leaves it to those who wait.

    Args:
        filepath: The file that it protects.
    """

    def release(self) -> None:
        """Let go of the lock.

        Raises:
            RuntimeError: If it is not there any more: another process has taken it for one that was left behind.
        """
        try:
            super().release()
        except RuntimeError as error:
            cause = error.__context__
            if not isinstance(cause, OSError) or cause.errno == errno.ENOENT:
                raise
            Path(self._lock_file).unlink(missing_ok=True)
