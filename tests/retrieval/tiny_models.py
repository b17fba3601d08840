"""Writes tiny models with random weights, as sentence-transformers and vLLM load them: an embedder and a cross-encoder.

Architecture and file names are BERT's; a token is a letter or a digit. They know nothing: they prove loading, wire and
accounting, never quality.
"""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["DIMENSIONS", "write_cross_encoder", "write_embedder"]

DIMENSIONS = 64
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def _vocabulary() -> list[str]:
    signs = [*string.ascii_lowercase, *string.digits]
    return [*SPECIALS, *signs, *(f"##{s}" for s in signs), *string.punctuation]


def _write_tokenizer(folder: Path, length: int) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    number = {token: i for i, token in enumerate(_vocabulary())}
    made = Tokenizer(models.WordPiece(number, unk_token="[UNK]"))  # noqa: S106
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", number["[SEP]"]), ("[CLS]", number["[CLS]"]))
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(_vocabulary()) + "\n", encoding="utf-8")
    roles = {f"{name.strip('[]').lower()}_token": name for name in SPECIALS}
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": length, **roles},
    )


def _config(length: int, **other: Any):
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(_vocabulary()),
        hidden_size=DIMENSIONS,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,  # heads of 32: vLLM on the CPU has none of 16
        max_position_embeddings=length,
        initializer_range=0.3,  # wider than usual, so that another text gives another vector
        pad_token_id=0,
        **other,
    )


def write_embedder(folder: Path, *, length: int = 128, prompts: Mapping[str, str] | None = None, seed: int = 0) -> Path:
    """A sentence-transformers model: mean pooling, then unit length; ``prompts`` as in its configuration."""
    import torch
    from transformers import BertModel

    torch.manual_seed(seed)
    BertModel(_config(length)).save_pretrained(str(folder))
    _write_tokenizer(folder, length)
    parts = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    kinds = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(parts.items())
    ]
    _write(folder / "modules.json", kinds)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": False})
    _write(
        folder / "1_Pooling" / "config.json", {"word_embedding_dimension": DIMENSIONS, "pooling_mode_mean_tokens": True}
    )
    (folder / "2_Normalize").mkdir(exist_ok=True)
    if prompts is not None:
        _write(folder / "config_sentence_transformers.json", {"prompts": dict(prompts), "default_prompt_name": None})
    return folder


def write_cross_encoder(folder: Path, *, length: int = 128, seed: int = 0) -> Path:
    """A cross-encoder that gives a pair one score."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(seed)
    model = BertForSequenceClassification(_config(length, num_labels=1))
    with torch.no_grad():
        model.classifier.weight.normal_(0.0, 1.0)
    model.save_pretrained(str(folder))
    _write_tokenizer(folder, length)
    return folder
