"""Files are whole or absent, and what is left of a killed process is told from what is not ours."""

import errno

import pytest

from tfprune.files import atomic_path, remove_temporaries, write_atomically


def test_a_full_disk_leaves_the_old_file_and_is_named(tmp_path):
    path = tmp_path / "model.bin"
    write_atomically(path, b"old")

    def write():
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half of the n")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        write()
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_temporaries_of_the_named_files_are_removed(tmp_path):
    kept = [".model-notes.keras", ".other-abcd1234.keras", "model-abcd1234.keras", ".model-abcd1234.h5", "model.keras"]
    for name in (*kept, ".model-abcd1234.keras", ".stage_2-x_y_z_00.keras"):
        (tmp_path / name).touch()
    remove_temporaries(tmp_path, "model.keras", "stage_*.keras")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_an_error_that_is_only_words_keeps_them(tmp_path):
    with pytest.raises(OSError, match=r"^this layer can't be saved$"), atomic_path(tmp_path / "model.bin"):
        raise OSError("this layer can't be saved")
    assert not list(tmp_path.iterdir())
