"""What TensorFlow Lite Micro has not, as it is told."""

from tfprune.micro.operations import missing_operations


def test_names_of_a_damaged_file_are_printable():
    assert missing_operations(["CONV_2D", "\x00", "Flex\nQr"]) == ["Flex Qr", "an operation without a name"]
