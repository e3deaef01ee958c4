"""Every example runs, with few images and short trainings; notebooks have the code of their scripts."""

import ast
import json

import pytest
from docs.pages import modules_of
from support import ROOT
from warm import example

(notebooks,) = modules_of("examples", "notebooks")
FOLDER = ROOT / "examples"
ARGUMENTS = {"report": ["--epochs", 2]}
BY_HAND = {"fashion_mnist", "headline_models"}
"""One needs all of Fashion-MNIST, the other a network that others have trained."""
SCRIPTS = [path for path in sorted(FOLDER.glob("*.py")) if path.stem not in {"notebooks", *BY_HAND}]
SAYS = {
    "audio": "int8, as on the device",
    "custom_training_loop": "80.0% of the weights are zero",
    "gan": "sparse: ",
    "compress_with_a_recipe": "% zeros: ",
    "distil": "lost most: ",
    "for_phones_and_microcontrollers": "arena",
    "make_it_small": "zeros, int8",
    "partition": "samples/s as a pipeline (expected",
    "quickstart": "Speed-up of",
    "search": "half of the macs: ",
    "factorize_layers": "and fewer filters: ",
    "remove_filters": "after training on: ",
    "without_labels": "a quarter of it, by magnitude: ",
    "segmentation": "Speed-up of",
    "subclassed": "Functional with",
    "text": "taught by the original",
    "transfer_learning": "2 models",
}
"""What some of them say at the end."""


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path):
    done = example(tmp_path, path, *ARGUMENTS.get(path.stem, []))
    assert done.returncode == 0, done.stderr[-3000:]
    assert SAYS.get(path.stem, "%") in done.stdout


@pytest.mark.parametrize("path", notebooks.CELLS, ids=lambda path: path.stem)
def test_notebook_has_the_code_of_its_script_and_was_run(path):
    notebook = json.loads((notebooks.NOTEBOOKS / f"{path.stem}.ipynb").read_text(encoding="utf-8"))
    fresh = json.loads(notebooks.notebook_of(path))
    sources = [[(cell["cell_type"], "".join(cell["source"])) for cell in one["cells"]] for one in (notebook, fresh)]
    assert sources[0] == sources[1], f"run: python examples/notebooks.py {path.stem}"
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert any(cell["outputs"] for cell in code)
    assert not any(output["output_type"] == "error" for cell in code for output in cell["outputs"])


@pytest.mark.parametrize("path", notebooks.CELLS, ids=lambda path: path.stem)
def test_quick_runs_are_asked_for_in_one_way(path):
    names = {node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
    assert "QUICK" in names


OTHERWISE = {"android": "an app", "from_tfmot": "another tool", "from_torch_pruning": "another tool"}


@pytest.mark.parametrize("guide", sorted((ROOT / "docs" / "guides").glob("*.md")), ids=lambda path: path.stem)
def test_every_guide_has_a_notebook(guide):
    rows = [row for row in (ROOT / "docs" / "examples.md").read_text("utf-8").splitlines() if f"/{guide.name})" in row]
    names = [row.split("`")[1] for row in rows]
    assert bool(names) != (guide.stem in OTHERWISE)
    assert all((notebooks.NOTEBOOKS / f"{name}.ipynb").exists() for name in names)
