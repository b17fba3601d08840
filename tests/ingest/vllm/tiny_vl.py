"""Writes a tiny PaddleOCR-VL checkpoint with random weights: what vLLM loads, less what it would have learned.

Architecture, file names, special tokens, template and preprocessing are the public checkpoint's; every size is shrunk
(2.6 MB). What it reads is noise: it proves launch, wire and accounting, never recognition.

Run as a program: ``python tiny_vl.py FOLDER``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["write_tiny_vl"]

# In this order they are numbered 0, 1, 2, ...
SPECIALS = (
    "<unk>",
    "<s>",
    "</s>",
    "<|begin_of_sentence|>",
    "<|end_of_sentence|>",
    "<|IMAGE_PLACEHOLDER|>",
    "<|IMAGE_START|>",
    "<|IMAGE_END|>",
    "<|video_pad|>",
)
ROLES: dict[str, Any] = {
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "pad_token": "<unk>",
    "cls_token": "<|begin_of_sentence|>",
    "sep_token": "<|end_of_sentence|>",
}
CONTEXT = 16_384

# The loops run over message['content'] itself: only then does vLLM take the template for one that knows pictures, and
# not paste the placeholder and a newline in front of the text.
TEMPLATE = """\
{{- '<|begin_of_sentence|>' -}}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{{- 'User: ' -}}
{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}
{{- '<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>' -}}
{%- endif -%}{%- endfor -%}
{%- for part in message['content'] -%}{%- if part['type'] == 'text' -%}{{- part['text'] -}}{%- endif -%}{%- endfor -%}
{{- '\\n' -}}
{%- else -%}
{{- 'Assistant:\\n' -}}
{%- for part in message['content'] -%}{%- if part['type'] == 'text' -%}{{- part['text'] -}}{%- endif -%}{%- endfor -%}
{{- '</s>' -}}
{%- endif -%}
{%- endfor -%}
{{- 'Assistant:\\n' -}}
"""

# What --trust-remote-code loads: the attributes min_pixels and max_pixels that vLLM asks the public code for
PICTURE_PROCESSOR = '''\
"""Picture processor of the tiny checkpoint."""

from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import PaddleOCRVLImageProcessorPil


class TinyImageProcessor(PaddleOCRVLImageProcessorPil):
    def __init__(self, min_pixels=112896, max_pixels=1003520, **kwargs):
        kwargs.pop("size", None)
        super().__init__(min_pixels=min_pixels, max_pixels=max_pixels, **kwargs)
        self.min_pixels = min_pixels
        self.max_pixels = max_pixels
        self.size = {"min_pixels": min_pixels, "max_pixels": max_pixels}

    def preprocess(self, images, **kwargs):
        least = kwargs.pop("min_pixels", None) or self.min_pixels
        most = kwargs.pop("max_pixels", None) or self.max_pixels
        kwargs["size"] = {"shortest_edge": least, "longest_edge": most}
        return super().preprocess(images, **kwargs)
'''

PICTURES: dict[str, Any] = {
    "image_processor_type": "TinyImageProcessor",
    "auto_map": {"AutoImageProcessor": "image_processing_tiny.TinyImageProcessor"},
    "processor_class": "PaddleOCRVLProcessor",
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
    "resample": 3,
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 1,
    "min_pixels": 112_896,
    "max_pixels": 1_003_520,
}


def write_tiny_vl(folder: Path, *, seed: int = 0, vocabulary: int = 2_048) -> Path:
    """Writes the checkpoint and returns its folder; the same seed gives the same weights.

    Needs torch and transformers (5.16 or later); nothing is downloaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers, size = _write_tokenizer(folder, vocabulary)
    config = _config(numbers, size)
    _write_weights(folder, config, seed)
    # The flat form of the hub, with the text model's fields at the top; saving the model wrote transformers' own
    _write_json(folder / "config.json", config)
    _write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0})
    _write_json(folder / "preprocessor_config.json", PICTURES)
    (folder / "processor_config.json").unlink(missing_ok=True)
    (folder / "image_processing_tiny.py").write_text(PICTURE_PROCESSOR, encoding="utf-8")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return folder


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _texts() -> list[str]:
    """Something to learn word pieces from that is the same everywhere: prompts, markup, digits, a little English."""
    prompts = [
        "OCR:",
        "Table Recognition:",
        "Formula Recognition:",
        "Chart Recognition:",
        "Spotting:",
        "User: Assistant:\n",
    ]
    markup = ["<fcel>0.12<ecel><lcel><ucel><xcel><nl>", r"\frac{a}{b} \sum_{i=0}^{n} x_i", "0123456789 " * 20]
    return [*prompts, *markup, *(str(m.__doc__) for m in (str, dict, list, int, bytes, property, Path, json, argparse))]


def _write_tokenizer(folder: Path, vocabulary: int) -> tuple[dict[str, int], int]:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    space = "\u2581"
    made = Tokenizer(models.BPE(unk_token=SPECIALS[0], byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", space)
    made.pre_tokenizer = pre_tokenizers.Split(space, behavior="merged_with_next")
    made.decoder = decoders.Sequence([decoders.Replace(space, " "), decoders.ByteFallback(), decoders.Fuse()])
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, show_progress=False, max_token_length=16, special_tokens=[*SPECIALS, *pieces]
    )
    made.train_from_iterator(_texts(), trainer)
    # The trainer makes the bytes special too, and then they would vanish from what is read
    plain = json.loads(made.to_str())
    plain["added_tokens"] = [t for t in plain["added_tokens"] if t["content"] in SPECIALS]
    fast: Any = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(plain)),
        **ROLES,
        extra_special_tokens={"image_token": "<|IMAGE_PLACEHOLDER|>"},
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(str(folder))
    return {token: int(fast.convert_tokens_to_ids(token)) for token in SPECIALS}, len(fast)


def _config(numbers: dict[str, int], size: int) -> dict[str, Any]:
    shared = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "torch_dtype": "float32"}
    return {
        **shared,
        "architectures": ["PaddleOCRVLForConditionalGeneration"],
        "model_type": "paddleocr_vl",
        "vocab_size": size,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "use_bias": False,
        "use_cache": True,
        "rope_theta": 500_000,
        "rope_scaling": {"type": "default", "rope_type": "default", "mrope_section": [16, 24, 24]},
        "rope_is_neox_style": True,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "image_token_id": numbers["<|IMAGE_PLACEHOLDER|>"],
        "video_token_id": numbers["<|video_pad|>"],
        "vision_start_token_id": numbers["<|IMAGE_START|>"],
        "vision_end_token_id": numbers["<|IMAGE_END|>"],
        "vision_config": {
            **shared,
            "model_type": "paddleocr_vl_vision",
            "num_attention_heads": 2,
            "num_channels": 3,
            "image_size": 384,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "tokens_per_second": 2,
            "hidden_act": "gelu_pytorch_tanh",
            "layer_norm_eps": 1e-6,
        },
    }


def _write_weights(folder: Path, config: dict[str, Any], seed: int) -> None:
    import torch
    from transformers import PaddleOCRVLConfig, PaddleOCRVLForConditionalGeneration

    # A copy: the configuration changes what it is given
    model: Any = PaddleOCRVLForConditionalGeneration(PaddleOCRVLConfig(**json.loads(json.dumps(config)))).float()
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:  # wider than transformers makes them, so that another picture gives another text
                parameter.normal_(0.0, 0.08, generator=chance)
    model.save_pretrained(str(folder))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Writes a tiny PaddleOCR-VL checkpoint with random weights.")
    options.add_argument("folder", type=Path)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    where = write_tiny_vl(given.folder, seed=given.seed)
    sys.stdout.write(f"{sum(f.stat().st_size for f in where.iterdir()) / 1e6:.1f} MB in {where}\n")
