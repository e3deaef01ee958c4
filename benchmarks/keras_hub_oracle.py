"""Try tracing and shrinking on backbones of keras-hub, built from small configurations without any download.

Needs `pip install keras-hub`, of which tfprune has no use otherwise. Each backbone runs in a process of its own; what
does not work is in the table with its reason. Sequences have a fixed length, as they have on a device.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from applications_oracle import measure, reasons, run_all, start
from common import FOLDER, destination, make_parser, markdown, report, version

IMAGE = {"image_shape": (64, 64, 3)}
TEXT = {"vocabulary_size": 32, "num_layers": 2, "hidden_dim": 16, "intermediate_dim": 32}
HEADS = {**TEXT, "num_heads": 2}
QUERIES = {**TEXT, "num_query_heads": 4, "num_key_value_heads": 2}
VIT = {**IMAGE, "patch_size": (16, 16), "num_layers": 2, "num_heads": 2, "hidden_dim": 16}
MIT = {
    "num_layers": 2, "hidden_dims": [16, 32], "layerwise_depths": [1, 1], "layerwise_num_heads": [2, 4],
    "layerwise_sr_ratios": [2, 1], "layerwise_patch_sizes": [7, 3], "layerwise_strides": [4, 2],
    "max_drop_path_rate": 0.1, **IMAGE,
}  # fmt: skip
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "ResNet": {
        "input_conv_filters": [16], "input_conv_kernel_sizes": [7], "stackwise_num_filters": [64, 64, 64],
        "stackwise_num_blocks": [2, 2, 2], "stackwise_num_strides": [1, 2, 2], "block_type": "bottleneck_block",
        **IMAGE,
    },
    "DenseNet": {"stackwise_num_repeats": [2, 3, 2], "growth_rate": 8, **IMAGE},
    "EfficientNet": {
        "stackwise_kernel_sizes": [3, 3, 5], "stackwise_num_repeats": [1, 2, 2],
        "stackwise_input_filters": [16, 16, 24], "stackwise_output_filters": [16, 24, 32],
        "stackwise_expansion_ratios": [1, 4, 4], "stackwise_squeeze_and_excite_ratios": [0.0, 0.0, 0.25],
        "stackwise_strides": [1, 2, 2], "stackwise_block_types": ["fused", "fused", "unfused"],
        "stackwise_force_input_filters": [0] * 3, "stackwise_nores_option": [False] * 3,
        "stackwise_width_coefficients": [1.0] * 3, "stackwise_depth_coefficients": [1.0] * 3,
        "input_shape": (64, 64, 3), "num_features": 64,
    },
    "MobileNet": {
        "stackwise_expansion": [[40, 56], [64, 72]], "stackwise_num_blocks": [2, 2],
        "stackwise_num_filters": [[16, 16], [24, 24]], "stackwise_kernel_size": [[3, 3], [5, 5]],
        "stackwise_num_strides": [[2, 1], [2, 1]], "stackwise_se_ratio": [[None, None], [0.25, 0.25]],
        "stackwise_activation": [["relu", "relu"], ["hard_swish", "hard_swish"]],
        "stackwise_padding": [[1, 1], [2, 2]], "output_num_filters": 48, "depthwise_filters": 16,
        "depthwise_stride": 2, "depthwise_residual": False, "last_layer_filter": 32, "squeeze_and_excite": 0.5,
        "input_num_filters": 16, **IMAGE,
    },
    "CSPNet": {
        "stem_filters": 16, "stem_kernel_size": 3, "stem_strides": 1, "stackwise_depth": [1, 2, 2],
        "stackwise_strides": [1, 2, 2], "stackwise_num_filters": [16, 32, 48], "block_type": "dark_block",
        "stage_type": "dark", **IMAGE,
    },
    "VGG": {"stackwise_num_repeats": [2, 2, 2], "stackwise_num_filters": [8, 16, 24], **IMAGE},
    "Xception": {
        "stackwise_conv_filters": [[8, 16], [16, 24], [32, 32]], "stackwise_pooling": [True, True, False], **IMAGE,
    },
    "HGNetV2": {
        "depths": [1, 2], "embedding_size": 16, "hidden_sizes": [32, 64], "stem_channels": [3, 8, 16],
        "hidden_act": "relu", "use_learnable_affine_block": True,
        "stackwise_stage_filters": [(16, 8, 32, 1, 2, 3), (32, 16, 64, 2, 2, 3)], "apply_downsample": [False, True],
        "use_lightweight_conv_block": [False, True], **IMAGE,
    },
    "ViT": {**VIT, "mlp_dim": 32},
    "DeiT": {**VIT, "intermediate_dim": 32},
    "DINOV2": {**VIT, "patch_size": 16, "intermediate_dim": 32, "position_embedding_shape": (64, 64)},
    "DINOV3": {**VIT, "patch_size": 16, "intermediate_dim": 32, "num_register_tokens": 2},
    "MiT": MIT,
    "SwinTransformer": {**IMAGE, "embed_dim": 16, "depths": (2, 2), "num_heads": (2, 4), "window_size": 4},
    "ViTDet": {
        **IMAGE, "patch_size": 16, "hidden_size": 16, "num_layers": 2, "global_attention_layer_indices": [1],
        "intermediate_dim": 32, "num_heads": 2, "num_output_channels": 8, "window_size": 2,
    },
    "SAM": {},
    "CLIP": {"projection_dim": 16},
    "SigLIP": {},
    "DeepLabV3": {
        "spatial_pyramid_pooling_key": "P4", "upsampling_size": 4, "dilation_rates": [2, 4],
        "low_level_feature_key": "P2", "projection_filters": 8, **IMAGE,
    },
    "SegFormer": {"projection_filters": 16},
    "RetinaNet": {"min_level": 3, "max_level": 4, "use_p5": False, **IMAGE},
    "DepthAnything": {
        "reassemble_factors": [4, 2, 1, 0.5], "neck_hidden_dims": [8, 16, 16, 16], "fusion_hidden_dim": 8,
        "head_hidden_dim": 8, "head_in_index": -1, "feature_keys": ["stage1", "stage2", "stage3", "stage4"],
    },
    "PARSeq": {
        "vocabulary_size": 16, "max_label_length": 16, "decoder_hidden_dim": 16, "num_decoder_layers": 1,
        "num_decoder_heads": 2, "decoder_mlp_dim": 32,
    },
    "VideoPrism": {
        "num_frames": 2, "patch_size": 16, "hidden_dim": 16, "intermediate_dim": 32, "num_heads": 2,
        "num_spatial_layers": 2, "num_temporal_layers": 1, "num_auxiliary_layers": 0, **IMAGE,
    },
    "PaliGemma": {
        **QUERIES, "num_query_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "image_size": 32,
        "vit_patch_size": 16, "vit_num_heads": 2, "vit_hidden_dim": 8, "vit_num_layers": 2,
    },
    "Bert": HEADS,
    "Roberta": HEADS,
    "DistilBert": HEADS,
    "Albert": {**HEADS, "embedding_dim": 8},
    "Electra": {"vocab_size": 32, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "embedding_dim": 8,
                "intermediate_dim": 32},
    "FNet": TEXT,
    "DebertaV3": {**HEADS, "bucket_size": 8},
    "XLNet": HEADS,
    "RoformerV2": {**HEADS, "head_size": 8},
    "ESM": HEADS,
    "GPT2": HEADS,
    "GPTNeoX": HEADS,
    "OPT": HEADS,
    "Bloom": HEADS,
    "Falcon": {"vocabulary_size": 32, "num_layers": 2, "num_attention_heads": 2, "hidden_dim": 16,
               "intermediate_dim": 32},
    "Llama": QUERIES,
    "Mistral": QUERIES,
    "Mixtral": {**QUERIES, "num_experts": 2},
    "Qwen": QUERIES,
    "Qwen3": {**QUERIES, "head_dim": 8},
    "Qwen3Moe": {**QUERIES, "moe_intermediate_dim": 16, "num_experts": 2, "top_k": 1, "head_dim": 8},
    "Phi3": QUERIES,
    "SmolLM3": {
        "vocabulary_size": 32, "hidden_dim": 16, "intermediate_dim": 32, "num_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "attention_bias": False, "attention_dropout": 0.0,
        "rope_layer_enabled_list": [True, False], "layer_types": ["full_attention"] * 2, "mlp_bias": False,
        "layer_norm_epsilon": 1e-6, "max_position_embeddings": 64, "rope_theta": 1e4, "partial_rotary_factor": 1.0,
    },
    "RWKV7": {"vocabulary_size": 32, "num_layers": 2, "hidden_size": 16, "head_size": 8, "intermediate_dim": 32,
              "gate_lora": 8, "mv_lora": 4, "aaa_lora": 4, "decay_lora": 4},
    "Gemma": {**QUERIES, "head_dim": 8},
    "Gemma3": {**QUERIES, "head_dim": 8, "image_size": 16},
    "T5": HEADS,
    "Bart": HEADS,
    "Whisper": {**HEADS, "num_mels": 8, "max_encoder_sequence_length": 24, "max_decoder_sequence_length": 12},
    "Moonshine": {
        "vocabulary_size": 32, "filter_dim": 16, "encoder_num_layers": 2, "decoder_num_layers": 2, "hidden_dim": 16,
        "intermediate_dim": 32, "encoder_num_heads": 2, "decoder_num_heads": 2,
    },
}  # fmt: skip
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "DeepLabV3": ("ResNet", {}),
    "RetinaNet": ("ResNet", {}),
    "SegFormer": ("MiT", {}),
    "DepthAnything": ("DINOV2", {"patch_size": 8, "num_layers": 4}),
    "PARSeq": ("ViT", {"image_shape": (32, 64, 3), "patch_size": (8, 8), "use_class_token": False}),
}
"""Backbones that have another one for images, and what that is made with."""
STEPS, SAMPLES = 12, 2000
"""Length of the sequences, and of sounds."""

QUICK = ("ResNet", "ViT", "Bert")


def fixed(backbone: Any) -> Any:
    """Return a backbone for inputs of a fixed length, as a device needs it."""
    import keras

    given = backbone._inputs_struct
    if all(None not in tensor.shape[1:] for tensor in keras.tree.flatten(given)):
        return backbone
    flat = keras.tree.flatten(given)
    sounds = (
        {"encoder_padding_mask", "encoder_input_values"} if "encoder_input_values" in {x.name for x in flat} else ()
    )
    sizes = {x.name: [size or (SAMPLES if x.name in sounds else STEPS) for size in x.shape[1:]] for x in flat}
    inputs = keras.tree.map_structure(lambda x: keras.Input(sizes[x.name], dtype=x.dtype, name=x.name), given)
    return keras.Model(inputs, backbone(inputs))


def build(name: str, **changes: Any) -> Any:
    """Return one of the backbones."""
    import keras
    import keras_hub

    models, layers = keras_hub.models, keras_hub.layers
    given = {**CONFIGURATIONS[name], **changes}
    if name in ENCODERS:
        encoder, own = ENCODERS[name]
        given["image_encoder"] = build(encoder, **own)
    if name == "SAM":
        prompts = {"hidden_size": 8, "image_embedding_size": (4, 4), "input_image_size": (64, 64)}
        decoder = {
            "num_layers": 2, "hidden_size": 8, "intermediate_dim": 16, "num_heads": 2, "embedding_dim": 8,
            "num_multimask_outputs": 2, "iou_head_depth": 2, "iou_head_hidden_dim": 8,
        }  # fmt: skip
        given = {
            "image_encoder": build("ViTDet"),
            "prompt_encoder": layers.SAMPromptEncoder(**prompts, mask_in_channels=8),
            "mask_decoder": layers.SAMMaskDecoder(**decoder),
        }
    if name in ("CLIP", "SigLIP"):  # their encoders have no public name
        vision, text = (
            keras.saving.get_registered_object(f"keras_hub>{name}{kind}Encoder") for kind in ("Vision", "Text")
        )
        given["vision_encoder"] = vision(16, 16, 2, 2, 32, **IMAGE)
        given["text_encoder"] = text(32, 16, 16, 2, 2, 32, max_sequence_length=STEPS)
    return getattr(models, f"{name}Backbone")(**given)


def inputs_of(model: Any, seed: int = 0, batch: int = 2) -> Any:
    """Return random inputs that the backbone's embeddings have rows for."""
    import keras
    import numpy as np

    rng = np.random.default_rng(seed)

    def one(tensor: Any) -> Any:
        shape = [batch if n == 0 else (size or STEPS) for n, size in enumerate(tensor.shape)]
        if "mask" in tensor.name and len(shape) == 2:
            return np.ones(shape, tensor.dtype)
        if keras.backend.is_float_dtype(tensor.dtype):
            return rng.normal(size=shape).astype(tensor.dtype)
        return rng.integers(0, 2, shape).astype(tensor.dtype)

    return keras.tree.map_structure(one, model._inputs_struct)


def one(name: str, folder: Path) -> dict[str, Any]:
    """Return the result of one backbone; runs in a process of its own."""
    import keras

    keras.utils.set_random_seed(0)
    result: dict[str, Any] = {"name": name}
    stage = "can't be built"
    try:
        build(name)
        stage = "can't be traced and cut"
        return result | measure(lambda: fixed(build(name)), folder, inputs_of=inputs_of)
    except Exception as error:
        return result | {"failed": f"{stage}: {type(error).__name__}: {str(error).strip().splitlines()[0][:300]}"}


def line(result: dict[str, Any]) -> str:
    """Return a result in a line."""
    if "failed" in result:
        return f"{result['name']}: {result['failed']}"
    return (
        f"{result['name']}: {result['operations']} operations, {result['prunable']}/{result['groups']} groups "
        f"{result['kinds']}, errors {exponent(result['error'])} {exponent(result['error_float32'])}, "
        f"varies by {result['liveliness']:.2f}, opaque: {summary(result['opaque'])}"
    )


def exponent(error: float | None) -> str:
    """Return an error as text."""
    return "–" if error is None else f"{error:.1e}"


def summary(opaque: dict[str, str]) -> str:
    """Return the kinds of opaque operations with their reasons, each once."""
    seen: dict[str, int] = {}
    for path, reason in opaque.items():
        key = f"{path.rpartition('/')[2].rstrip('_0123456789')}: {reason}"
        seen[key] = seen.get(key, 0) + 1
    return "; ".join(f"{key} (×{count})" if count > 1 else key for key, count in seen.items()) or "none"


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    headers = [
        "backbone", "operations", "groups", "prunable (of these inexact)", "of what", "parameters after",
        "oracle error, float64", "float32", "outputs vary by", "stock layers", ".tflite against Keras",
        "opaque operations",
    ]  # fmt: skip
    rows = []
    for r in results:
        if "failed" in r:
            rows.append([r["name"], *[""] * 10, r["failed"]])
            continue
        kinds = ", ".join(f"{count} × {kind}" for kind, count in r["kinds"].items())
        rows.append([
            r["name"], r["operations"], r["groups"], f"{r['prunable']} ({r['inexact']})", kinds,
            f"{r['parameters_after'] / r['parameters']:.0%}", exponent(r["error"]),
            f"{r['error_float32']:.1e}", f"{r['liveliness']:.2f}", "yes" if r["stock"] else "no",
            exponent(r["tflite_error"]) if "tflite_error" in r else r["tflite_failed"].replace("|", "\\|"),
            summary(r["opaque"]).replace("|", "\\|"),
        ])  # fmt: skip
    return markdown(headers, rows) + "\n\nWhy groups are kept:\n\n" + reasons(results)


def verdict(results: list[dict[str, Any]]) -> str:
    """Return in one sentence what holds."""
    good = [r for r in results if "failed" not in r]
    right = sum((r["error_float32"] if r["error"] is None else r["error"]) < 1e-6 for r in good)
    return (
        f"{len(good)} of {len(results)} are built and traced, {sum(r['prunable'] > 0 for r in good)} cut; {right} "
        "compute what the network with zeros does within 1e-6 in float64 (or in float32, where they can only be of "
        "that); "
        f"{sum(r['stock'] for r in good)} come back as stock Keras layers and functions alone; "
        f"{sum('tflite_error' in r for r in good)} become a .tflite file that agrees with Keras; in "
        f"{sum(not r['opaque'] for r in good)} nothing is opaque; in {sum(not r['prunable'] for r in good)} nothing "
        f"can be removed."
    )


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--models", nargs="+", help="some of them instead of all")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.folder)))
        return
    if version("keras-hub") is None:
        sys.exit("This needs keras-hub: pip install keras-hub.")
    path = destination(arguments, "keras_hub_oracle")
    content = start(path)
    content["environment"]["versions"]["keras-hub"] = version("keras-hub")
    names = list(QUICK) if arguments.quick else list(CONFIGURATIONS)
    run_all(arguments.models or names, str(FOLDER / "keras_hub_oracle.py"), path, content, line)
    report(path, content, f"{table(content['results'])}\n\n{verdict(content['results'])}")


if __name__ == "__main__":
    main()
