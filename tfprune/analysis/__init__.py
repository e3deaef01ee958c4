"""What a compressed network is like inside: patterns, interactions, what layers lost, and what answers stand on."""

from tfprune.analysis.attribution import integrated_gradients, occlusion
from tfprune.analysis.attribution_change import AttributionChanges, compare_attributions
from tfprune.analysis.class_change import ClassChanges, class_changes
from tfprune.analysis.comparison import Comparison, compare
from tfprune.analysis.grad_cam import grad_cam
from tfprune.analysis.injection import Sensitivities, error_injection
from tfprune.analysis.interaction import Interactions, interactions
from tfprune.analysis.layer_change import LayerChanges, compare_layers
from tfprune.analysis.overlay import Overlay, operation_overlay
from tfprune.analysis.sparsity import SparsityPatterns, sparsity_patterns

__all__ = [
    "AttributionChanges",
    "ClassChanges",
    "Comparison",
    "Interactions",
    "LayerChanges",
    "Overlay",
    "Sensitivities",
    "SparsityPatterns",
    "class_changes",
    "compare",
    "compare_attributions",
    "compare_layers",
    "error_injection",
    "grad_cam",
    "integrated_gradients",
    "interactions",
    "occlusion",
    "operation_overlay",
    "sparsity_patterns",
]
