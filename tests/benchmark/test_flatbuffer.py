"""What is read of a .tflite file can be shown, whatever is written there."""

from types import SimpleNamespace

import pytest

from tfprune.benchmark.flatbuffer import operation_names

CUSTOM, CONVOLUTION = 32, 3


@pytest.mark.parametrize(
    ("builtin", "custom", "name"),
    [
        (CONVOLUTION, None, "CONV_2D"),
        (CONVOLUTION, b"mine", "CONV_2D"),
        (CUSTOM, b"FlexQr", "FlexQr"),
        (CUSTOM, b"\x1b[31mred\nalert\xff\x00", "[31mred alert\ufffd"),
        (CUSTOM, b"\x00", "CUSTOM"),
        (CUSTOM, None, "CUSTOM"),
        (10_000, None, "UNKNOWN"),
    ],
)
def test_names_of_operations_can_be_printed(builtin, custom, name):
    kind = SimpleNamespace(builtinCode=builtin, deprecatedBuiltinCode=min(builtin, 127), customCode=custom)
    assert operation_names(SimpleNamespace(operatorCodes=[kind])) == [name]
