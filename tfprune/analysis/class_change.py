"""`class_changes`: who pays for a compression."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from tfprune.analysis.contestant import Model, answers_of, named_models, samples_for
from tfprune.analysis.intervals import holm, mcnemar, wilson
from tfprune.analysis.rendering import as_text, new_table, number, plain
from tfprune.analysis.samples import class_numbers
from tfprune.arguments import named_arguments
from tfprune.errors import InputError
from tfprune.numbers import is_real
from tfprune.shown import Shown

__all__ = ["ClassChange", "ClassChanges", "class_changes"]


@dataclass(frozen=True)
class ClassChange:
    """What has become of the samples of one class.

    Args:
        label: The class.
        count: How many samples it has.
        before: Share of them that the first network gets right.
        before_interval: Wilson's interval of that.
        after: Share of them that the second network gets right.
        after_interval: Wilson's interval of that.
        lost: How many only the first gets right.
        gained: How many only the second gets right.
        p_value: How likely as uneven a change is by chance (McNemar's exact test), corrected for the number of classes
            (Holm).
        changed: Whether that is below `1 − confidence`.
    """

    label: int
    count: int
    before: float
    before_interval: tuple[float, float]
    after: float
    after_interval: tuple[float, float]
    lost: int
    gained: int
    p_value: float
    changed: bool

    @property
    def change(self) -> float:
        """By how much the accuracy has risen; below 0 the class pays."""
        return self.after - self.before


@dataclass(frozen=True)
class ClassChanges(Shown):
    """What has become of each class, those that pay most first.

    Args:
        classes: The classes.
        before: Accuracy of the first network on all samples.
        after: Accuracy of the second.
        confidence: What the intervals and the flags stand for.
        names: Names of the classes, by number; none if they have none.

    Example:
        >>> bags = ClassChange(8, count=100, before=0.97, before_interval=(0.92, 0.99), after=0.86, lost=12, gained=1,
        ...                    after_interval=(0.78, 0.91), p_value=0.007, changed=True)
        >>> found = ClassChanges((bags,), before=0.9, after=0.89, confidence=0.95, names=tfprune.datasets.CLASSES)
        >>> [(found.name(label), round(found.classes[0].change, 2)) for label in found.pay]
        [('bag', -0.11)]
    """

    classes: tuple[ClassChange, ...]
    before: float
    after: float
    confidence: float
    names: tuple[str, ...] = ()

    @property
    def pay(self) -> tuple[int, ...]:
        """Classes that have become worse by more than chance, the worst first."""
        return tuple(each.label for each in self.classes if each.changed and each.change < 0)

    def name(self, label: int) -> str:
        """Return what a class is called."""
        return self.names[label] if label < len(self.names) else str(label)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        found: dict[str, Any] = plain({**asdict(self), "pay": self.pay})
        return found

    def table(self) -> Table:
        """Return a rich table."""
        title = f"accuracy {self.before:.1%} → {self.after:.1%}"
        columns = ("class", "samples", "before", "after", "change", "lost", "gained", "p (Holm)", "")
        table = new_table(title, *columns)
        for each in self.classes:
            pairs = ((each.before, each.before_interval), (each.after, each.after_interval))
            shares = [f"{share:.1%} ({low:.0%}–{high:.0%})" for share, (low, high) in pairs]
            mark = "" if not each.changed else "pays" if each.change < 0 else "gains"
            cells = [*shares, f"{each.change:+.1%}", str(each.lost), str(each.gained), number(each.p_value), mark]
            table.add_row(Text(self.name(each.label)), str(each.count), *cells)
        return table

    def __str__(self) -> str:
        return as_text(self.table())


@named_arguments()
def class_changes(
    before: Model,
    after: Model,
    data: Any,
    *,
    confidence: float = 0.95,
    names: Any = (),
    samples: int = 10_000,
    batch: int = 64,
) -> ClassChanges:
    """Say for each class how its accuracy has changed, and whether by more than chance.

    A mean that hardly moves can hide a class that pays for all of it (Hooker et al., "What Do Compressed Deep Neural
    Networks Forget?", 2019). Both networks see the same samples, so it is counted on which of them they differ.

    Args:
        before: A Keras model, or the path of a .tflite file.
        after: Another one.
        data: Anything `fit` takes, with labels: class numbers or one-hot rows.
        confidence: Of the intervals, and `1 −` the chance that any class at all is flagged where none has changed.
        names: Names of the classes, by number.
        samples: How many samples are used at most.
        batch: How many go through Keras models at once.

    Returns:
        The change of each class, those that pay most first.

    Raises:
        InputError: If there are no class labels, or a network gives no classes.

    Example:
        >>> labels = tfprune.datasets.fashion_mnist_small().y_test[:8]
        >>> found = class_changes("dense.tflite", "small.tflite", (x_test, labels))
        >>> found.pay, sum(each.count for each in found.classes)
        ((), 8)
    """
    if not is_real(confidence) or not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence!r}; give a number between 0 and 1, such as 0.95.")
    named_models([before, after])
    given = samples_for([before, after], data, samples)
    labels = class_numbers(given.labels)
    if labels is None:
        raise InputError("This needs labels that are classes; give data as (x, y) with class numbers or one-hot rows.")
    right = []
    for model in (before, after):
        outputs = answers_of(model, given, batch)
        if len(outputs) != 1 or outputs[0].ndim != 2 or outputs[0].shape[1] < 2:
            told = ", ".join(str(each.shape[1:]) for each in outputs)
            raise InputError(f"A network's outputs have the shapes {told}; this is for one output of class scores.")
        right.append(outputs[0].argmax(axis=1) == labels)
    found = []
    classes = np.unique(labels)
    parts = [[side[labels == label] for side in right] for label in classes]
    lost = [int((old & ~new).sum()) for old, new in parts]
    gained = [int((new & ~old).sum()) for old, new in parts]
    corrected = holm([mcnemar(a, b) for a, b in zip(lost, gained, strict=True)])
    for place, (label, (old, new)) in enumerate(zip(classes, parts, strict=True)):
        count = len(old)
        intervals = [wilson(int(side.sum()), count, confidence) for side in (old, new)]
        p_value = corrected[place]
        found.append(
            ClassChange(
                int(label),
                count,
                float(old.mean()),
                intervals[0],
                float(new.mean()),
                intervals[1],
                lost[place],
                gained[place],
                p_value,
                p_value < 1 - confidence,
            )
        )
    found.sort(key=lambda each: (each.change, each.label))
    means = [float(side.mean()) for side in right]
    return ClassChanges(tuple(found), means[0], means[1], float(confidence), tuple(map(str, names)))
