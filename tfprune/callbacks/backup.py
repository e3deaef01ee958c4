"""Resuming a training that was killed, to the bit: also what Keras' own backup leaves out."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras.src.saving import saving_lib

from tfprune.cost.network import size_of
from tfprune.files import atomic_path
from tfprune.graph.random_state import random_states

__all__ = ["BackupAndRestore"]

GROUP = "tfprune_training_state"

IN_MEMORY = 1 << 30
"""Bytes of variables up to which the file is made in memory: HDF5 ends the process where a disk is full."""

BESIDES = 4096
"""Bytes that HDF5 writes for a variable besides its values, at most."""


@keras.saving.register_keras_serializable(package="tfprune")
class BackupAndRestore(keras.callbacks.BackupAndRestore):  # type: ignore[misc]
    """Keras' `BackupAndRestore`, whole or absent, with the state of random layers.

    Keras writes weights and epoch number to two files, neither atomically, so a process that is killed while it writes
    leaves a backup that does not load, or weights of one epoch with the number of another; and on a full disk, HDF5
    ends the process. This writes one file and moves it into place; a full disk is an OSError that names it. And it
    saves what dropout and other random layers draw next, so that a resumed run equals the uninterrupted one to the bit
    where the data comes in the same order (`shuffle=False`).

    Masks need no backup: a `PruneCallback` finds them again from the zeros of the weights.

    Args:
        backup_dir: Folder of the backup, used for nothing else; removed when training ends well.
        save_freq: `"epoch"`, or an int to save every so many batches (a resumption starts the epoch anew).
        delete_checkpoint: Whether to remove the backup when training ends well.

    Example:
        >>> import tempfile
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> backup = BackupAndRestore(tempfile.mkdtemp() + "/backup")
        >>> history = model.fit(np.ones((8, 4)), np.ones(8), epochs=2, callbacks=[backup], verbose=0)
    """

    def __init__(self, backup_dir: str, save_freq: str | int = "epoch", delete_checkpoint: bool = True) -> None:
        super().__init__(str(backup_dir), save_freq=save_freq, delete_checkpoint=delete_checkpoint)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {
            "backup_dir": self.backup_dir,
            "save_freq": self.save_freq,
            "delete_checkpoint": self.delete_checkpoint,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BackupAndRestore:
        """Make a callback from `get_config()`'s result."""
        return cls(**config)

    def on_train_end(self, logs: Any = None) -> None:
        """Remove the backup, and let the next `fit` begin with its first epoch again."""
        super().on_train_end(logs)
        self.model._initial_epoch = None

    def _save_model(self) -> None:
        Path(self.backup_dir).mkdir(parents=True, exist_ok=True)
        variables = [*self.model.variables, *(self.model.optimizer.variables if self.model.optimizer else ())]
        size = sum(math.prod(variable.shape) * size_of(variable) + BESIDES for variable in variables)
        with atomic_path(self._weights_path) as temporary:
            if size <= IN_MEMORY:
                content = io.BytesIO()
                self._write(content)
                temporary.write_bytes(content.getbuffer())
            else:
                look_for_room(temporary, size)
                self._write(temporary)

    def _write(self, where: io.BytesIO | Path) -> None:
        store = saving_lib.H5IOStore(where, mode="w")
        saving_lib._save_state(
            self.model, weights_store=store, assets_store=None, inner_path="", visited_saveables=set()
        )
        store.close()
        with h5py.File(where, "a") as file:
            state = file.create_group(GROUP)
            state.attrs["epoch"] = self._current_epoch
            for index, seed in enumerate(random_states(self.model)):
                state.create_dataset(str(index), data=np.asarray(seed))

    def _load_model(self) -> None:
        for left in Path(self.backup_dir).glob(".latest.weights-*"):  # of a process that was killed while it wrote
            left.unlink(missing_ok=True)
        if not Path(self._weights_path).is_file():
            return
        super()._load_model()
        with h5py.File(self._weights_path, "r") as file:
            if GROUP not in file:
                return  # a backup that Keras' own callback wrote
            state = file[GROUP]
            for index, seed in enumerate(random_states(self.model)):
                if str(index) in state:
                    seed.assign(state[str(index)][()])
            self.model._initial_epoch = int(state.attrs["epoch"])


def look_for_room(path: Path, size: int) -> None:
    """Raise an OSError if a file can't have so many bytes; where the system can't say that, nothing is done."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "rb+") as file:
            os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(0)
