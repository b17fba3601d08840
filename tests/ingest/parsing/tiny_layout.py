"""Tiny PP-DocLayout checkpoints with random weights, a page to show them, and transformers' own reading of outputs."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from paperlode.ingest.parsing.layout_labels import LABELS

VERSIONS = ("v2", "v3", "v4")
QUERIES = 50


def page(width: int = 620, height: int = 877) -> np.ndarray:
    """An RGB page of grey bars on white."""
    out = np.full((height, width, 3), 255, np.uint8)
    for y in range(height // 12, height - height // 12, 20):
        out[y : y + 9, width // 12 : width - width // (8 + y % 5)] = (y % 90, y % 90, y % 60)
    return out


def make_checkpoint(folder: Path, version: str, *, seed: int = 0) -> Path:
    """Writes a checkpoint of a few hundred thousand random weights that has all parts of the real one."""
    import torch
    import transformers

    name = f"PPDocLayout{version.upper()}"
    options: dict[str, Any] = {
        "backbone_config": _backbone(transformers, version),
        "encoder_in_channels": [32, 32, 32],
        "encoder_hidden_dim": 32,
        "encoder_ffn_dim": 64,
        "encoder_attention_heads": 2,
        "decoder_in_channels": [32, 32, 32],
        "decoder_ffn_dim": 64,
        "decoder_layers": 2,
        "decoder_attention_heads": 2,
        "num_queries": QUERIES,
        "num_denoising": 0,
        "id2label": dict(enumerate(LABELS)),
        "label2id": {label: i for i, label in enumerate(LABELS)},
        ("hidden_size" if version == "v4" else "d_model"): 32,
    }
    if version == "v2":
        options["reading_order_config"] = {
            "hidden_size": 48,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "coordinate_size": 8,
            "shape_size": 8,
            "num_classes": len(LABELS),
        }
        options["class_thresholds"] = [0.0] * len(LABELS)
        options["class_order"] = list(range(len(LABELS)))
    if version == "v3":
        options |= {"mask_feature_channels": [16, 16], "x4_feat_dim": 16, "num_prototypes": 8}
    torch.manual_seed(seed)
    config = getattr(transformers, f"{name}Config")(**options)
    model = getattr(transformers, f"{name}ForObjectDetection")(config).eval()
    with torch.no_grad():  # fresh heads are all zero, so every query would score the same
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0.0, (2 / weight[0].numel()) ** 0.5)
    model.save_pretrained(folder)
    return folder


def _backbone(transformers: Any, version: str) -> Any:
    stages = ["stage1", "stage2", "stage3", "stage4"]
    return transformers.HGNetV2Config(
        arch="L",
        stem_channels=[3, 8, 8],
        embedding_size=8,
        hidden_sizes=[16, 32, 32, 32],
        stage_in_channels=[8, 16, 32, 32],
        stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[16, 32, 32, 32],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[2, 2, 2, 2],
        stage_downsample=[False, True, True, True],
        stage_light_block=[False, False, True, True],
        stage_kernel_size=[3, 3, 5, 5],
        depths=[1, 1, 1, 1],
        out_features=stages if version == "v3" else stages[1:],
    )


def reference(version: str) -> Any:
    """The post-processing of transformers itself, taken from its source so that torchvision need not be installed.

    The module's imports and its preprocessing need torchvision, the post-processing does not: the class is built from
    those methods alone. Returns an object with ``post_process_object_detection``.
    """
    import cv2
    import torch

    sparse: Any = importlib.import_module("scipy.sparse")  # without types

    folder = f"transformers.models.pp_doclayout_{version}"
    spec = importlib.util.find_spec(folder)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).with_name(f"image_processing_pp_doclayout_{version}.py").read_text(encoding="utf-8")
    name = f"PPDocLayout{version.upper()}ImageProcessor"
    (found,) = (n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == name)
    methods: list[ast.stmt] = [n for n in found.body if isinstance(n, ast.FunctionDef) and n.name != "_preprocess"]
    for method in methods:
        assert isinstance(method, ast.FunctionDef)
        method.decorator_list = []
    bare = ast.ClassDef(name, [], [], methods, [])
    head = ast.parse("from __future__ import annotations").body
    module = ast.fix_missing_locations(ast.Module([*head, bare], []))
    space = {
        "np": np,
        "torch": torch,
        "cv2": cv2,
        "coo_matrix": sparse.coo_matrix,
        "connected_components": importlib.import_module("scipy.sparse.csgraph").connected_components,
        "defaultdict": defaultdict,
    }
    exec(compile(module, name, "exec"), space)  # noqa: S102 (an installed package's own code)
    made: Any = space[name]()
    made.size = {"height": 800, "width": 800}
    return made
