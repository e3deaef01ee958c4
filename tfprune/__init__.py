"""tfprune: make a trained Keras network small and fast on a device.

Everything is loaded when it is first used: `import tfprune` loads neither TensorFlow nor Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfprune.version import __version__

if TYPE_CHECKING:
    from tfprune import (
        analysis,
        benchmark,
        callbacks,
        cost,
        criteria,
        datasets,
        distillation,
        export,
        factorization,
        gates,
        granularity,
        graph,
        latency,
        linting,
        micro,
        models,
        partition,
        penalties,
        pruning,
        quantization,
        recipe,
        refit,
        report,
        schedules,
        scope,
        search,
        strategies,
        surgery,
        targets,
    )
    from tfprune.analysis import (
        class_changes,
        compare,
        compare_attributions,
        compare_layers,
        error_injection,
        interactions,
        sparsity_patterns,
    )
    from tfprune.callbacks import (
        BackupAndRestore,
        FactorizeCallback,
        GateCallback,
        PruneCallback,
        QuantizeCallback,
        RegularizeCallback,
        SparsityBoard,
        TFLiteExportCallback,
    )
    from tfprune.cost import Budget
    from tfprune.distillation import Distiller
    from tfprune.errors import BenchmarkError, ExportError, InputError, SparsityError, TfpruneError
    from tfprune.export import ExportResult, to_tflite
    from tfprune.factorization import factorize, factorize_layer, plan_factorization
    from tfprune.linting import lint
    from tfprune.one_call import prune
    from tfprune.pruning import (
        Pruner,
        plan_filters,
        prune_filters,
        prune_iteratively,
        prune_layer,
        random_prune,
        strip,
    )
    from tfprune.recipe import compress
    from tfprune.report.summary import summary
    from tfprune.surgery import shrink

MODULES = {
    "analysis",
    "benchmark",
    "callbacks",
    "cost",
    "criteria",
    "datasets",
    "distillation",
    "export",
    "factorization",
    "gates",
    "granularity",
    "graph",
    "latency",
    "linting",
    "micro",
    "models",
    "partition",
    "penalties",
    "pruning",
    "quantization",
    "recipe",
    "refit",
    "report",
    "schedules",
    "scope",
    "search",
    "strategies",
    "surgery",
    "targets",
}
NAMES = {
    "BackupAndRestore": "callbacks",
    "FactorizeCallback": "callbacks",
    "GateCallback": "callbacks",
    "PruneCallback": "callbacks",
    "QuantizeCallback": "callbacks",
    "RegularizeCallback": "callbacks",
    "SparsityBoard": "callbacks",
    "TFLiteExportCallback": "callbacks",
    "class_changes": "analysis",
    "compare": "analysis",
    "compare_attributions": "analysis",
    "compare_layers": "analysis",
    "error_injection": "analysis",
    "interactions": "analysis",
    "sparsity_patterns": "analysis",
    "Budget": "cost",
    "Distiller": "distillation",
    "BenchmarkError": "errors",
    "ExportError": "errors",
    "InputError": "errors",
    "SparsityError": "errors",
    "TfpruneError": "errors",
    "ExportResult": "export",
    "to_tflite": "export",
    "factorize": "factorization",
    "factorize_layer": "factorization",
    "plan_factorization": "factorization",
    "lint": "linting",
    "Pruner": "pruning",
    "plan_filters": "pruning",
    "prune": "one_call",
    "prune_filters": "pruning",
    "prune_iteratively": "pruning",
    "prune_layer": "pruning",
    "random_prune": "pruning",
    "strip": "pruning",
    "compress": "recipe",
    "summary": "report",
    "shrink": "surgery",
}

__all__ = [
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
]


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return importlib.import_module(f"tfprune.{name}")
    if name in NAMES:
        value = getattr(importlib.import_module(f"tfprune.{NAMES[name]}"), name)
        globals()[name] = value  # a function and its module may share a name: the function stays
        return value
    raise AttributeError(f"module 'tfprune' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
