"""Examples of what the query API takes and gives, for its OpenAPI document."""

from pydantic import JsonValue

__all__ = ["ASKED", "CITATION", "DOCUMENT", "FAILED", "FINDING", "HIT", "JOB", "PASSAGE", "READ_BY", "REGION"]

DIGEST = "8f4b1c9e6a2d7035b1e8c4f60d93a7528f4b1c9e6a2d7035b1e8c4f60d93a752"
CHUNK = "3f0c7a52-8a61-5d0e-9c38-1f2b64d7e9a0"
REGION: dict[str, JsonValue] = {"page": 3, "box": [72.0, 310.5, 523.2, 352.8]}
READ_BY: dict[str, JsonValue] = {"paddleocr-vl-1.6-1-v3-200-png": 12, "paddleocr-vl-1.6-1-v3-200-png/text-layer": 2}
FINDING: dict[str, JsonValue] = {
    "code": "sum_mismatch",
    "reason": "Total assets, 2023: 1,420 is stated, its rows come to 1,402.",
    "regions": [REGION],
}
COPY: dict[str, JsonValue] = {"id": "9d2e1b47-0c35-5f6a-8b90-64c1d7e2f3a8", "document": "c4" * 32, "page": 11}
HIT: dict[str, JsonValue] = {
    "rank": 1,
    "score": 1.73,
    "id": CHUNK,
    "document": DIGEST,
    "name": "supply-agreement.pdf",
    "page": 3,
    "pages": [3],
    "regions": [REGION],
    "kind": "text",
    "layer": "body",
    "heading_path": ["7 Liability", "7.2 Cap"],
    "text": "The total liability of the Supplier shall not exceed EUR 2,000,000.",
    "passage": "7.2 Cap\nThe total liability of the Supplier shall not exceed EUR 2,000,000.",
    "because": ["document of Meridian Pumps Ltd"],
    "copies": [COPY],
    "confidence": 0.97,
    "flags": [],
    "findings": [],
    "labels": ["7.2"],
    "references": ["term:Supplier"],
    "read_by": ["paddleocr-vl-1.6-1-v3-200-png"],
    "picture": f"/v1/documents/{DIGEST}/pages/3/picture.png?hit={CHUNK}",
}
PASSAGE: dict[str, JsonValue] = {
    k: HIT[k] for k in ("id", "pages", "regions", "kind", "heading_path", "text", "labels", "references")
}
ASKED: dict[str, JsonValue] = {"question": "What is the cap on liability?", "limit": 5, "documents": [DIGEST]}
CITATION: dict[str, JsonValue] = {
    "n": 1,
    "document": DIGEST,
    "name": "supply-agreement.pdf",
    "page": 3,
    "regions": [REGION],
    "quote": "The total liability of the Supplier shall not exceed EUR 2,000,000.",
    "read_by": ["paddleocr-vl-1.6-1-v3-200-png"],
    "picture": f"/v1/documents/{DIGEST}/pages/3/picture.png",
}
DOCUMENT: dict[str, JsonValue] = {
    "id": DIGEST,
    "content": DIGEST,
    "name": "supply-agreement.pdf",
    "media_type": "application/pdf",
    "size": 182_044,
    "pages": 14,
    "failed_pages": 0,
    "read_by": READ_BY,
    "chunks": 61,
    "status": "indexed",
    "updated": "2026-01-15T09:30:00Z",
}
JOB: dict[str, JsonValue] = {
    "id": "2c6e7f0e-5f59-4b7e-9d0c-0a4a3b1f6c11",
    "collection": "contracts",
    "name": "supply-agreement.pdf",
    "content": DIGEST,
    "size": 182_044,
    "state": "running",
    "cancelling": False,
    "attempts": 1,
    "pages": 14,
    "pages_done": 6,
    "pages_failed": 0,
    "code": "",
    "reason": "",
    "hint": "",
    "created": "2026-01-15T09:29:50Z",
    "updated": "2026-01-15T09:29:58Z",
}
FAILED: dict[str, JsonValue] = {"page": 8, "code": "page_timeout", "message": "Page 9 took longer than 120 s."}
