"""Which model a callback is about."""

from __future__ import annotations

import keras

__all__ = ["student_of"]


def student_of(model: keras.Model) -> keras.Model:
    """Return the student of a distiller, any other model itself."""
    student = getattr(model, "student", None)
    return student if isinstance(student, keras.Model) and hasattr(model, "teacher") else model
