"""Which operations of a model the interpreter's delegate took; lives in the worker process only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["count_delegated"]

_DELEGATE = "DELEGATE"


def count_delegated(operations: Sequence[Mapping[str, Any]]) -> dict[str, int] | None:
    """Count the operations that a delegate took and those that are left.

    An interpreter lists the operations of the file and, once tensors are allocated, a DELEGATE for each group of them
    that a delegate took; it does not say which those are. A DELEGATE has the inputs and outputs of its group, so they
    are what makes its outputs, back to its inputs.

    Args:
        operations: What `_get_ops_details()` returns after allocation: of each operation its name, and the numbers
            of the tensors that it reads and makes. It is about the main graph; bodies of loops are not in it.

    Returns:
        How many were taken and left, and the number of groups; None if the list makes no sense.

    Example:
        >>> listed = [
        ...     {"op_name": "CONV_2D", "inputs": [0, 1], "outputs": [2]},
        ...     {"op_name": "CUMSUM", "inputs": [2], "outputs": [3]},
        ...     {"op_name": "DELEGATE", "inputs": [0, 1], "outputs": [2]},
        ... ]
        >>> count_delegated(listed)
        {'taken': 1, 'left': 1, 'partitions': 1}
    """
    makers: dict[int, int] = {}
    groups = [operation for operation in operations if operation["op_name"] == _DELEGATE]
    own = [operation for operation in operations if operation["op_name"] != _DELEGATE]
    for number, operation in enumerate(own):
        makers.update({int(tensor): number for tensor in operation["outputs"]})
    taken: set[int] = set()
    for group in groups:
        given = {int(tensor) for tensor in group["inputs"]}
        waiting = [int(tensor) for tensor in group["outputs"]]
        if any(tensor not in makers for tensor in waiting):
            return None
        while waiting:
            tensor = waiting.pop()
            if tensor in given or tensor not in makers or makers[tensor] in taken:
                continue
            taken.add(makers[tensor])
            waiting += [int(source) for source in own[makers[tensor]]["inputs"]]
    return {"taken": len(taken), "left": len(own) - len(taken), "partitions": len(groups)}
