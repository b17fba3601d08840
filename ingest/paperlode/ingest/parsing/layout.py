"""Where things stand on a page, what they are, and in which order they are read: PP-DocLayout through transformers.

torchvision is not needed: the picture is prepared here, and ``layout_outputs`` reads the model's raw outputs.
``layout_rules`` then settles what overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from paperlode.ingest.document import Box
from paperlode.ingest.errors import InvalidRequest, MissingExtra, ModelError, ModelUnknown
from paperlode.ingest.parsing import layout_outputs as outputs
from paperlode.ingest.parsing.layout_labels import LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = ["DEFAULT_LAYOUT", "DocLayout", "LayoutModel", "Region", "prepared"]

DEFAULT_LAYOUT = "PaddlePaddle/PP-DocLayoutV3_safetensors"
"""The layout model that PaddleOCR-VL 1.5 and 1.6 are used with (their model cards)."""

_SIDE = 800  # pixels: the models' input, aspect not kept (``inference.yml``, Resize)

_SINCE = {"v2": "5.3", "v3": "5.1", "v4": "5.20"}
"""First release of transformers with the model (looked up in the released packages)."""

_THRESHOLD = 0.3
"""V3, all classes: ``draw_threshold`` of PaddleOCR-VL's pipeline. V4 is read with it as well; no other is published."""

_V2_THRESHOLDS = {
    **dict.fromkeys(
        ("display_formula", "doc_title", "inline_formula", "paragraph_title", "text", "vertical_text"), 0.4
    ),
    "seal": 0.45,
}
_V2_THRESHOLD = 0.5
"""V2 by class (PaddleOCR-VL's pipeline), for a checkpoint whose configuration has no ``class_thresholds``."""


@dataclass(frozen=True, slots=True)
class Region:
    """One thing on a page.

    Attributes:
        label: what it is, one of ``layout_labels.LABELS``.
        score: 0 to 1.
        box: pixels of the picture.
        polygon: its outline in pixels; empty when the model gives none, then the box is the outline.
        order: place in the reading order, lower is earlier, not without gaps; None when unknown.
    """

    label: str
    score: float
    box: Box
    polygon: tuple[tuple[float, float], ...] = ()
    order: int | None = None


class LayoutModel(Protocol):
    """Finds the regions of a page. Not safe to share between processes: one for each worker."""

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Region, ...]:
        """The regions of an RGB picture (h, w, 3), in reading order, overlaps not yet settled.

        Raises:
            InvalidRequest: not such a picture.
        """
        ...


class DocLayout:
    """PP-DocLayoutV2, V3 or V4. Make one with ``load``."""

    def __init__(
        self,
        model: Any,
        *,
        version: str,
        labels: Sequence[str],
        thresholds: Sequence[float],
        mask_threshold: float,
        device: str = "cpu",
    ) -> None:
        """A model of transformers in evaluation mode; ``labels`` and ``thresholds`` by class number."""
        self._model = model
        self._labels = tuple(labels)
        self._thresholds = tuple(thresholds)
        self._mask_threshold = mask_threshold
        self._device = device
        self.version = version
        """``v2``, ``v3`` or ``v4``."""

    @classmethod
    def load(
        cls,
        source: str | Path = DEFAULT_LAYOUT,
        *,
        device: str = "cpu",
        threads: int | None = None,
        threshold: float | None = None,
        offline: bool = False,
    ) -> Self:
        """The model in a folder or of that name on the Hugging Face hub.

        Args:
            source: folder or name.
            device: torch device.
            threads: CPU threads of torch, for the whole process; None leaves them as they are.
            threshold: lowest score of a region for every class; None takes the model's own.
            offline: never ask the hub, only look into its cache.

        Raises:
            MissingExtra: torch or transformers is not installed, or a transformers too old for this model.
            ModelUnknown: nothing there, or no PP-DocLayout model.
            ModelError: its weights cannot be read or are not complete.
        """
        torch, transformers = _libraries()
        if threads is not None:
            torch.set_num_threads(threads)
        version = _version(transformers, str(source), offline)
        model = _weights(_model_class(transformers, version, str(source)), str(source), offline).to(device)
        names = {int(k): str(v) for k, v in model.config.id2label.items()}
        labels = _labels(names)
        return cls(
            model.eval(),
            version=version,
            labels=labels,
            thresholds=_thresholds(version, labels, model.config, threshold),
            mask_threshold=_THRESHOLD if threshold is None else threshold,
            device=device,
        )

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Region, ...]:
        """See ``LayoutModel.detect``."""
        import torch

        pixels = prepared(picture).to(self._device)
        with torch.inference_mode():
            raw = self._model(pixel_values=pixels)
        arrays = {k: raw[k][0].float().cpu().numpy() for k in _OUTPUTS if raw.get(k) is not None}
        return self._regions(arrays, picture.shape[1], picture.shape[0])

    def _regions(self, raw: Mapping[str, NDArray[np.float32]], width: int, height: int) -> tuple[Region, ...]:
        import numpy as np

        scores, labels, queries = outputs.best_labels(raw["logits"])
        keep = scores >= np.array(self._thresholds, np.float32)[labels]
        scores, labels, queries = scores[keep], labels[keep], queries[keep]
        read = _read_quads if self.version == "v4" else self._read_boxes
        boxes, outlines, ranks = read(raw, queries, width, height)
        return tuple(
            Region(
                label=self._labels[labels[i]],
                score=float(scores[i]),
                box=Box(*(float(v) for v in boxes[i])),
                polygon=tuple((float(x), float(y)) for x, y in outlines[i]),
                order=int(ranks[i]),
            )
            for i in np.argsort(ranks, kind="stable")
        )

    def _read_boxes(
        self, raw: Mapping[str, NDArray[np.float32]], queries: NDArray[np.intp], width: int, height: int
    ) -> tuple[Any, Any, Any]:
        boxes = outputs.corner_boxes(raw["pred_boxes"][queries], width, height)
        outlines: list[Any] = [()] * len(queries)
        if "out_masks" in raw:
            outlines = [
                outputs.mask_outline(raw["out_masks"][q], box, width, height, self._mask_threshold)
                for q, box in zip(queries, boxes, strict=True)
            ]
        return boxes, outlines, outputs.voted_order(raw["order_logits"])[queries]


_OUTPUTS = ("logits", "pred_boxes", "order_logits", "out_masks", "relative_order_logits", "successor_order_logits")


def _read_quads(
    raw: Mapping[str, NDArray[np.float32]], queries: NDArray[np.intp], width: int, height: int
) -> tuple[Any, Any, Any]:
    import numpy as np

    quads = outputs.quad_corners(raw["pred_boxes"][queries], width, height)
    boxes = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)
    seen, places = np.unique(queries, return_inverse=True)
    pairs = np.ix_(seen, seen)
    ranks = outputs.chained_order(raw["relative_order_logits"][pairs], raw["successor_order_logits"][pairs])
    return boxes, quads, ranks[places]


def prepared(picture: NDArray[np.uint8]) -> torch.Tensor:
    """An RGB picture (h, w, 3) as the models want it: (1, 3, 800, 800), float, 0 to 1.

    Bicubic without antialiasing, as the models were trained (``cv2.resize``), but in float and clipped: rounding to
    whole gray values in between moves high contrast edges by up to 22/255, which is enough to change the predicted
    reading order (huggingface/transformers#48387).

    Raises:
        InvalidRequest: not such a picture, or an empty one.
    """
    import numpy as np
    import torch

    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise InvalidRequest(
            f"A page picture must have the shape (height, width, 3) and type uint8, not {picture.shape} {picture.dtype}.",
            hint="Convert it to RGB first.",
        )
    whole = torch.from_numpy(np.ascontiguousarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
    small = torch.nn.functional.interpolate(
        whole, size=(_SIDE, _SIDE), mode="bicubic", align_corners=False, antialias=False
    )
    return small.clamp(0, 1)


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
    except ImportError as exc:
        raise MissingExtra.named("torch", "vllm") from exc
    try:
        import transformers
    except ImportError as exc:
        raise MissingExtra.named("transformers", "vllm") from exc
    return torch, transformers


def _version(transformers: Any, source: str, offline: bool) -> str:
    """``v2``, ``v3``, ``v4`` or a later one, from the model's configuration."""
    try:
        config, _ = transformers.PreTrainedConfig.get_config_dict(source, local_files_only=offline)
    except (OSError, ValueError) as exc:
        raise ModelUnknown(
            f"There is no layout model at {source!r}: {exc}", hint=f"Give a folder, or a name such as {DEFAULT_LAYOUT}."
        ) from exc
    kind = str(config.get("model_type", ""))
    if not kind.startswith("pp_doclayout_v"):
        raise ModelUnknown(
            f"The model at {source!r} is of the type {kind!r}, not PP-DocLayout.",
            hint=f"Use for example {DEFAULT_LAYOUT}.",
        )
    return kind.removeprefix("pp_doclayout_")


def _model_class(transformers: Any, version: str, source: str) -> Any:
    found = getattr(transformers, f"PPDocLayout{version.upper()}ForObjectDetection", None)
    if version not in _SINCE:
        raise ModelUnknown(
            f"The model at {source!r} is PP-DocLayout{version.upper()}, which paperlode cannot read.",
            hint=f"Use for example {DEFAULT_LAYOUT}.",
        )
    if found is None:
        needed = f"transformers>={_SINCE[version]}"
        raise MissingExtra(
            f"PP-DocLayout{version.upper()} needs {needed}; {transformers.__version__} is installed.",
            hint=f"Run: pip install '{needed}'",
        )
    return found


def _weights(model_class: Any, source: str, offline: bool) -> Any:
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging as notices

    bars: Any = notices  # its functions carry no types
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        model, info = model_class.from_pretrained(
            source,
            local_files_only=offline,
            use_safetensors=True,  # a pickle could run code
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as exc:
        raise ModelError(f"The layout model at {source!r} cannot be loaded: {exc}", hint="Download it again.") from exc
    finally:
        if shown:
            bars.enable_progress_bar()
    if missing := sorted(info["missing_keys"]):  # transformers would fill them with random numbers
        raise ModelError(
            f"The layout model at {source!r} lacks {len(missing)} weights, for example {missing[0]}.",
            hint="Download it again.",
        )
    return model


def _labels(names: Mapping[int, str]) -> tuple[str, ...]:
    """Names by class number; ours where the checkpoint only numbers its classes."""
    labels = tuple(names[i] for i in range(len(names)))
    numbered = all(n == f"LABEL_{i}" for i, n in enumerate(labels))
    return LABELS if numbered and len(labels) == len(LABELS) else labels


def _thresholds(version: str, labels: Sequence[str], config: Any, threshold: float | None) -> tuple[float, ...]:
    if threshold is not None:
        return (threshold,) * len(labels)
    if version != "v2":
        return (_THRESHOLD,) * len(labels)
    own = getattr(config, "class_thresholds", None)
    if own is not None and len(own) == len(labels):
        return tuple(float(t) for t in own)
    return tuple(_V2_THRESHOLDS.get(name, _V2_THRESHOLD) for name in labels)
