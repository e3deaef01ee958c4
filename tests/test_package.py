"""The package as a whole: what it exports, what importing it loads."""

import json
import pkgutil
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

import tfprune
from tfprune.version import versions_of

PUBLIC = {
    "BackupAndRestore",
    "BenchmarkError",
    "Budget",
    "Distiller",
    "ExportError",
    "ExportResult",
    "FactorizeCallback",
    "GateCallback",
    "InputError",
    "PruneCallback",
    "Pruner",
    "QuantizeCallback",
    "RegularizeCallback",
    "SparsityBoard",
    "SparsityError",
    "TFLiteExportCallback",
    "TfpruneError",
    "__version__",
    "analysis",
    "benchmark",
    "callbacks",
    "class_changes",
    "compare",
    "compare_attributions",
    "compare_layers",
    "compress",
    "cost",
    "criteria",
    "datasets",
    "distillation",
    "error_injection",
    "export",
    "factorization",
    "factorize",
    "factorize_layer",
    "gates",
    "granularity",
    "graph",
    "interactions",
    "latency",
    "lint",
    "linting",
    "micro",
    "models",
    "partition",
    "penalties",
    "plan_factorization",
    "plan_filters",
    "prune",
    "prune_filters",
    "prune_iteratively",
    "prune_layer",
    "pruning",
    "quantization",
    "random_prune",
    "recipe",
    "refit",
    "report",
    "schedules",
    "scope",
    "search",
    "shrink",
    "sparsity_patterns",
    "strategies",
    "strip",
    "summary",
    "surgery",
    "targets",
    "to_tflite",
}


def test_the_public_interface():
    assert set(tfprune.__all__) == PUBLIC
    assert all(getattr(tfprune, name) is not None for name in PUBLIC)
    assert set(dir(tfprune)) == PUBLIC
    with pytest.raises(AttributeError, match="no attribute 'prun'"):
        _ = tfprune.prun


CHILDREN = ["benchmark.worker", "export.child", "export.inspection", "micro.worker", "partition.stage_worker"]
"""What runs in processes of its own, started again and again."""


@pytest.mark.parametrize("module", ["tfprune", "tfprune.cli", "tfprune.benchmark", *(f"tfprune.{x}" for x in CHILDREN)])
def test_importing_loads_neither_tensorflow_nor_keras(run_python, module):
    code = f"import sys, json, {module}; print(json.dumps([m for m in ('tensorflow', 'keras') if m in sys.modules]))"
    assert json.loads(run_python(code).stdout) == []


def test_what_needs_tensorflow_is_refused_in_one_sentence_on_another_backend(run_python):
    code = "import keras, tfprune; keras.backend.backend = lambda: 'jax'; tfprune.GateCallback"
    done = run_python(code, check=False)
    assert "set KERAS_BACKEND=tensorflow" in done.stderr.splitlines()[-1]


def test_callbacks_at_the_top_level_are_the_packages():
    root = Path(tfprune.__file__).parents[1]
    link = root / "callbacks"
    if not (root / "setup.cfg").exists():
        pytest.skip("not a checkout")
    assert link.is_symlink()
    assert link.resolve() == root / "tfprune" / "callbacks"


def test_every_module_is_importable_and_no_file_is_too_long():
    root = Path(tfprune.__file__).parent
    for module in pkgutil.walk_packages([str(root)], "tfprune."):
        path = root.parent / (module.name.replace(".", "/") + ("/__init__.py" if module.ispkg else ".py"))
        assert len(path.read_text().splitlines()) <= 400, f"{path} holds more than one idea"


def test_strategies_are_registered_and_documented():
    todo = [
        tfprune.schedules.Schedule,
        tfprune.criteria.Criterion,
        tfprune.granularity.Granularity,
        tfprune.penalties.Penalty,
        tfprune.scope.Scope,
    ]
    found = 0
    while todo:
        one = todo.pop()
        todo += one.__subclasses__()
        if (
            one is not tfprune.criteria.Criterion
            and one.__module__.startswith("tfprune.")
            and not getattr(one, "__abstractmethods__", None)
        ):
            assert keras.saving.get_registered_name(one).startswith("tfprune>"), one
            assert len(one.__doc__ or "") > 40, one
            found += 1
    assert found >= 19


def test_versions_are_of_what_is_installed_or_imported(monkeypatch):
    """As TensorFlow is, whichever distribution it comes from."""
    monkeypatch.setitem(sys.modules, "other_name", SimpleNamespace(__version__="1.2"))
    assert versions_of("keras", "other-name", "not-there") == {"keras": keras.__version__, "other-name": "1.2"}
