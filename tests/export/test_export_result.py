"""What an export tells: as an object, as text, as JSON and as a card."""

import dataclasses
import gzip
import hashlib
import json
from pathlib import Path

import pytest

from tfprune.errors import InputError
from tfprune.export import ExportResult, Parity, TensorInfo, to_tflite


@pytest.fixture
def result(tmp_path) -> ExportResult:
    info = TensorInfo("x|<b>", (None, 4), "int8", 0.5, -3)
    parity = Parity("random", 8, 0.01, 0.002, 0.875)
    path = tmp_path / "model.tflite"
    return ExportResult(
        path, 2048, 1024, "int8", True, (info,), (info,), 0.8, parity, "ab", {"keras": "3"}, ("Careful.",)
    )


def test_the_facts_are_those_of_the_file(mlp, tmp_path):
    result = to_tflite(mlp, str(tmp_path / "m.tflite"))
    content = Path(result.path).read_bytes()
    assert result.bytes == len(content)
    assert result.gzip_bytes == len(gzip.compress(content, 9, mtime=0))
    assert result.sha256 == hashlib.sha256(content).hexdigest()
    assert {"tfprune", "tensorflow", "keras", "numpy", "python"} <= set(result.versions)
    assert (result.quantize, result.sparse, result.notes) == (None, False, ())


def test_it_is_frozen(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.bytes = 1


def test_json_round_trip(result):
    plain = json.loads(result.to_json())
    assert plain == result.to_dict()
    assert plain["parity"]["top1_agreement"] == 0.875
    assert plain["inputs"][0] == {"name": "x|<b>", "shape": [None, 4], "dtype": "int8", "scale": 0.5, "zero_point": -3}


def test_text(result):
    text = str(result)
    for words in (
        "2,048 bytes (1,024 after gzip)",
        "int8, sparse",
        "[? × 4], step 0.5, zero at -3",
        "80.0%",
        "87.5%",
        "8 samples of random data",
        "Careful.",
    ):
        assert words in text
    assert "not checked" in str(dataclasses.replace(result, parity=None))


def test_a_card_and_its_json(result, tmp_path):
    card = result.save_card()
    assert card == tmp_path / "model.tflite.md"
    text = card.read_text(encoding="utf-8")
    assert text.startswith("# model\n")
    assert "x\\|&lt;b&gt;" in text
    assert "<b>" not in text
    assert "- Careful." in text
    assert json.loads((tmp_path / "model.tflite.json").read_text(encoding="utf-8")) == {
        **result.to_dict(), "path": "model.tflite"
    }  # fmt: skip


def test_a_card_is_not_overwritten_by_accident(result, tmp_path):
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(InputError, match="exists"):
        result.save_card(tmp_path / "card.md")
    assert not (tmp_path / "card.md").exists()
    assert result.save_card(tmp_path / "card.md", overwrite=True).exists()
    with pytest.raises(InputError, match="Markdown"):
        result.save_card(tmp_path / "card.json", overwrite=True)
