"""Operations that lack what they compute with are refused by name before anything looks into them."""

from __future__ import annotations

import pytest

from tfprune.errors import InputError
from tfprune.xnnpack.clusters import survey
from tfprune.xnnpack.network import Network, Operation, Tensor

IMAGES, KERNEL, PADS = (
    Tensor("images", (1, 8, 8, 3), "float32"),
    Tensor("kernel", (4, 3, 3, 3), "float32", constant=True),
    Tensor("pads", (4, 2), "int32", constant=True),
)
MADE = Tensor("made", (1, 8, 8, 4), "float32")
STRIDES = {"padding": 0, "strideH": 1, "strideW": 1}


def network(op, *tensors):
    return Network(tensors or (IMAGES, KERNEL, PADS, MADE), (op,), (0,), (3,))


@pytest.mark.parametrize(
    ("op", "said"),
    [
        (Operation(0, "CONV_2D", (0,), (3,), STRIDES), "not the 2 inputs"),
        (Operation(0, "CONV_2D", (0, -1), (3,), STRIDES), "not the 2 inputs"),
        (Operation(0, "CONV_2D", (0, 1), (), STRIDES), "no output"),
        (Operation(0, "CONV_2D", (0, 2), (3,), STRIDES), "2 axes instead of images"),
        (Operation(0, "CONV_2D", (0, 1), (3,)), "no strides"),
        (Operation(0, "PAD", (0, 2), ()), "no output"),
        (Operation(0, "PADV2", (0, 2), (3,)), "not the 3 inputs"),
        (Operation(0, "RELU", (), (3,)), "no input"),
    ],
)
def test_it_is_refused(op, said):
    with pytest.raises(InputError, match=f"Operation 0 .{op.kind}. has .*{said}.*convert it again"):
        survey(network(op))


@pytest.mark.parametrize(
    "op",
    [
        Operation(0, "CONV_2D", (0, 1, -1), (3,), STRIDES),  # a bias may be missing
        Operation(0, "ASSIGN_VARIABLE", (0, 1), ()),  # and operations that are not looked into make nothing
        Operation(0, "VAR_HANDLE", (), (3,)),
    ],
    ids=lambda op: op.kind,
)
def test_what_may_be_missing_is_not(op):
    survey(network(op))
