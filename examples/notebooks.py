"""Make executed notebooks of the examples that are written in cells, with what they print.

python examples/notebooks.py [name …]
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jupytext

FOLDER = Path(__file__).resolve().parent
NOTEBOOKS = FOLDER / "notebooks"
CELLS = sorted(path for path in FOLDER.glob("*.py") if path.read_text(encoding="utf-8").startswith("# %%"))


def notebook_of(path: Path) -> str:
    """Return a script as a notebook that was not run."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for number, cell in enumerate(notebook.cells):
        cell["id"], cell["metadata"] = f"cell-{number}", {}
    return jupytext.writes(notebook, fmt="ipynb")


def run(path: Path) -> None:
    """Run an example as a notebook, and keep what it printed."""
    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"{path.stem}.ipynb"
        made.write_text(notebook_of(path), encoding="utf-8")
        command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace"]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TFPRUNE_OUT": folder, "COLUMNS": "120"}
        subprocess.run([*command, str(made)], check=True, env=environment, cwd=folder)
        notebook = nbformat.read(made, as_version=4)
        for cell in notebook.cells:
            cell["metadata"] = {}
            cell["outputs"] = [tidy(output) for output in cell.get("outputs", []) if shown(output)]
            if cell.cell_type != "code":
                del cell["outputs"]
        notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
        NOTEBOOKS.mkdir(exist_ok=True)
        text = nbformat.writes(notebook).replace(folder, "out")
        (NOTEBOOKS / made.name).write_text(text + "\n", encoding="utf-8")


def shown(output: dict) -> bool:
    """Whether an output is one to keep: not what TensorFlow logs, nor what `fit` returns."""
    if output["output_type"] == "execute_result":
        return not output["data"].get("text/plain", "").startswith("<keras.")
    return output["output_type"] != "stream" or output["name"] != "stderr"


def tidy(output: dict) -> dict:
    """Return an output without colours and addresses."""
    for texts, key in ((output, "text"), (output.get("data", {}), "text/plain")):
        if key in texts:
            texts[key] = re.sub(r"\x1b\[[0-9;]*m", "", texts[key])
    return output


def main() -> None:
    wanted = sys.argv[1:]
    for path in CELLS:
        if not wanted or path.stem in wanted:
            print(f"running {path.name} …", flush=True)
            run(path)


if __name__ == "__main__":
    main()
