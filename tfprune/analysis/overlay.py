"""`operation_overlay`: sparsity, cost and latency of a .tflite file's operations, for Model Explorer and Netron."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from tfprune.analysis.file_operations import read_operations
from tfprune.analysis.rendering import as_text, new_table, percent, plain
from tfprune.arguments import named_arguments
from tfprune.benchmark.flatbuffer import parsing
from tfprune.benchmark.layer_report import LayerReport
from tfprune.benchmark.model_file import PathLike, check_model_file
from tfprune.errors import InputError, nearest
from tfprune.files import check_destination, write_atomically

__all__ = ["OperationRow", "Overlay", "operation_overlay"]

VALUES = ("sparsity", "weights", "bytes", "macs", "latency_ms")
"""What can be shown."""

COLOURS = {
    "sparsity": [("#f5f5f5", 0.0), ("#1b7837", 1.0)],
    "other": [("#fff7ec", 0.0), ("#fc8d59", 0.5), ("#b30000", 1.0)],
}
"""Colours of the lowest and the highest value: green for zeros, red for what costs."""


@dataclass(frozen=True)
class OperationRow:
    """An operation of a .tflite file.

    Args:
        location: Its number in the file, which Netron shows as `location` and Model Explorer as the node's id.
        type: What Netron calls it: "Conv2D".
        name: Name of the tensor that it makes, by which Model Explorer finds it.
        layers: The Keras layers that it comes from, with spaces between, as far as the file tells.
        weights: How many weights it multiplies with.
        sparsity: The share of zeros among them; None if it has none.
        bytes: Bytes of its constants in the file.
        macs: Its multiply-accumulates; 0 for what multiplies no matrices.
        latency_ms: Its time; None where it was not measured. Operations that were timed together share it evenly.
    """

    location: int
    type: str
    name: str
    layers: str
    weights: int
    sparsity: float | None
    bytes: int
    macs: int
    latency_ms: float | None = None


@dataclass(frozen=True)
class Overlay:
    """The operations of a .tflite file, to be laid over its graph.

    Args:
        model: The path of the file.
        operations: Its operations, those on constants (the unpacking of weights) included, in the file's order.

    Example:
        >>> found = operation_overlay("small.tflite")
        >>> print(found.csv().splitlines()[0])
        location,type,name,layers,weights,sparsity,bytes,macs,latency_ms
        >>> found.write_node_data("sparsity.json", "sparsity").name
        'sparsity.json'
    """

    model: str
    operations: tuple[OperationRow, ...]

    def node_data(self, value: str = "sparsity") -> dict[str, Any]:
        """Return values in Model Explorer's format for node data of one graph.

        Args:
            value: "sparsity", "weights", "bytes", "macs" or "latency_ms".

        Raises:
            InputError: If it is something else, or known of no operation.
        """
        if value not in VALUES:
            raise InputError(f"There is no {value!r} to show. {nearest(value, VALUES)}")
        known = {row.name: getattr(row, value) for row in self.operations if getattr(row, value) is not None}
        if not known:
            raise InputError(
                f"The {value} of no operation is known; {'give latency=' if 'ms' in value else 'it has none'}."
            )
        stops = COLOURS.get(value, COLOURS["other"])
        return {
            "results": {name: {"value": each} for name, each in known.items()},
            "gradient": [{"stop": stop, "bgColor": colour} for colour, stop in stops],
        }

    def write_node_data(self, path: PathLike, value: str = "sparsity", *, overwrite: bool = False) -> Path:
        """Write values as a JSON file, which Model Explorer takes by "Load data" or `config.add_node_data_from_path`.

        Args:
            path: The file.
            value: "sparsity", "weights", "bytes", "macs" or "latency_ms".
            overwrite: Whether an existing file may be replaced.
        """
        content = json.dumps(self.node_data(value), indent=1)
        destination = check_destination(path, overwrite=overwrite)
        write_atomically(destination, content)
        return destination

    def csv(self) -> str:
        """Return all values as CSV, a line for each operation; names are those that Netron shows."""
        text = io.StringIO()
        names = list(OperationRow.__dataclass_fields__)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        for row in self.operations:
            values = (getattr(row, name) for name in names)
            writer.writerow(["" if each is None else guarded(each) for each in values])
        return text.getvalue()

    def write_csv(self, path: PathLike, *, overwrite: bool = False) -> Path:
        """Write all values as a CSV file."""
        destination = check_destination(path, overwrite=overwrite)
        write_atomically(destination, self.csv())
        return destination

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        found: dict[str, Any] = plain(asdict(self))
        return found

    def table(self) -> Table:
        """Return a rich table."""
        table = new_table(Path(self.model).name, "layers", "#", "type", "weights", "zeros", "bytes", "MACs", "latency")
        for row in self.operations:
            time = "–" if row.latency_ms is None else f"{row.latency_ms:.4f} ms"
            cells = [f"{row.weights:,}", percent(row.sparsity), f"{row.bytes:,}", f"{row.macs:,}", time]
            table.add_row(Text(row.layers or row.name), str(row.location), Text(row.type), *cells)
        return table

    def __str__(self) -> str:
        return as_text(self.table())


@named_arguments()
def operation_overlay(path: PathLike, *, latency: LayerReport | None = None) -> Overlay:
    """Read what each operation of a .tflite file holds and costs, to be laid over its graph.

    Args:
        path: The file.
        latency: What `tfprune.benchmark.layers(path)` has measured of it; None leaves latency out.

    Returns:
        The operations of the file.

    Raises:
        InputError: If the file is no .tflite file, or the times are those of another.

    Example:
        >>> found = operation_overlay("small.tflite")
        >>> [(row.type, row.layers, row.sparsity > 0.5) for row in found.operations if row.weights][0]
        ('Conv2D', 'relu_1 norm_1 conv_1', ...)
        >>> sorted(found.node_data("macs"))
        ['gradient', 'results']
    """
    file = check_model_file(path)
    with parsing(path):
        operations = read_operations(file.read_bytes())
    times: dict[int, float] = {}
    if latency is not None:
        counted = [each.location for each in operations if not each.constant]
        if latency.method != "cuts" or sum(len(part.operations) for part in latency) != len(counted):
            raise InputError(
                f"These times are of {Path(latency.model).name} by {latency.method}, and can't be told to the "
                f"{len(counted)} operations of {file.name}; give what layers(path) measures without benchmark_model."
            )
        for part in latency:
            for _ in part.operations:
                times[counted.pop(0)] = part.ms / len(part.operations)
    rows = tuple(
        OperationRow(
            each.location,
            each.type,
            each.name,
            " ".join(each.layers),
            each.weights,
            each.zeros / each.weights if each.weights else None,
            each.bytes,
            each.macs,
            times.get(each.location),
        )
        for each in operations
    )
    return Overlay(str(file), rows)


def guarded(value: Any) -> Any:
    """Return a value that no spreadsheet takes for a formula, as names come from files of any origin."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
