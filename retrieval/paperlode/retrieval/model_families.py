"""What model families want in front of a question and of a text, and the multilingual models known by a short name.

Most retrieval models were trained with a prefix or an instruction, and rank worse without it. The table is looked up by
the model's name; a sentence-transformers model whose own configuration has prompts is asked as that says instead. Each row
names the model card that it was taken from (on huggingface.co).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from .scripts import cjk_share

__all__ = ["FAMILIES", "NO_FAMILY", "PRESETS", "Family", "Languages", "family_of", "split_family"]

SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
"""The task that the instruction-following models were evaluated with on retrieval."""
_BGE = "Represent this sentence for searching relevant passages: "


class Languages(StrEnum):
    """What a model was trained on."""

    ENGLISH = "english"
    CHINESE = "chinese"
    MANY = "many"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Family:
    """Models that want the same in front of a text.

    Attributes:
        name: short; ``st:MODEL#NAME`` and ``openai:MODEL@URL#NAME`` choose it where the model's name does not tell.
        names: matches the last part of a model's name, in lower case.
        query: in front of a question. document: in front of a text.
        max_tokens: the longest text it reads, for a server that does not say; None where that differs within the family.
        languages: it was trained on.
        source: model card.
    """

    name: str
    names: str
    query: str = ""
    document: str = ""
    max_tokens: int | None = None
    languages: Languages = Languages.UNKNOWN
    source: str = ""

    def reads(self, text: str) -> float | None:
        """The share of the text in a script that it was trained on; None where the family does not tell."""
        if self.languages is Languages.ENGLISH:
            return 1 - cjk_share(text)
        return None if self.languages is Languages.UNKNOWN else 1.0


_INSTRUCT = f"Instruct: {SEARCH}\nQuery: "

# The first that matches counts.
FAMILIES: tuple[Family, ...] = (
    Family(
        "e5-instruct", r"(multilingual-e5-.*-instruct|e5-mistral-.*)", query=_INSTRUCT,
        languages=Languages.MANY, source="intfloat/multilingual-e5-large-instruct, intfloat/e5-mistral-7b-instruct",
    ),
    Family(
        "e5-multilingual", r"multilingual-e5-.*", query="query: ", document="passage: ", max_tokens=512,
        languages=Languages.MANY, source="intfloat/multilingual-e5-small",
    ),
    Family(
        "e5", r"e5-(small|base|large).*", query="query: ", document="passage: ", max_tokens=512,
        languages=Languages.ENGLISH, source="intfloat/e5-base-v2",
    ),
    Family("bge-m3", r"bge-m3.*", max_tokens=8192, languages=Languages.MANY, source="BAAI/bge-m3"),
    Family(
        "bge-gemma2", r"bge-multilingual-gemma2.*", query=f"<instruct>{SEARCH}\n<query>", max_tokens=8192,
        languages=Languages.MANY, source="BAAI/bge-multilingual-gemma2",
    ),
    Family(
        "bge-en", r"bge-(small|base|large)-en.*", query=_BGE, max_tokens=512,
        languages=Languages.ENGLISH, source="BAAI/bge-small-en-v1.5",
    ),
    Family(
        "bge-zh", r"bge-(small|base|large)-zh.*", query="为这个句子生成表示以用于检索相关文章：", max_tokens=512,
        languages=Languages.CHINESE, source="BAAI/bge-small-zh-v1.5",
    ),
    Family(
        "gte-qwen", r"gte-qwen.*-instruct.*", query=_INSTRUCT,
        languages=Languages.MANY, source="Alibaba-NLP/gte-Qwen2-1.5B-instruct",
    ),
    Family("gte-multilingual", r"gte-multilingual.*", max_tokens=8192, languages=Languages.MANY,
           source="Alibaba-NLP/gte-multilingual-base"),
    Family("gte-zh", r"gte-(small|base|large)-zh.*", max_tokens=512, languages=Languages.CHINESE,
           source="thenlper/gte-base-zh"),
    Family("gte", r"gte-(small|base|large|modernbert).*", languages=Languages.ENGLISH,
           source="thenlper/gte-base, Alibaba-NLP/gte-base-en-v1.5, Alibaba-NLP/gte-modernbert-base"),
    Family(  # without the space behind "Query:", unlike the others
        "qwen3", r"qwen3-embedding.*", query=f"Instruct: {SEARCH}\nQuery:", max_tokens=32768,
        languages=Languages.MANY, source="Qwen/Qwen3-Embedding-0.6B",
    ),
    Family(
        "nomic-v2", r"nomic-embed-text-v2.*", query="search_query: ", document="search_document: ", max_tokens=512,
        languages=Languages.MANY, source="nomic-ai/nomic-embed-text-v2-moe",
    ),
    Family(
        "nomic", r"nomic-embed-text.*", query="search_query: ", document="search_document: ", max_tokens=2048,
        languages=Languages.ENGLISH, source="nomic-ai/nomic-embed-text-v1.5",
    ),
    Family(
        "arctic-v2", r"snowflake-arctic-embed-.*-v2.*", query="query: ", max_tokens=8192,
        languages=Languages.MANY, source="Snowflake/snowflake-arctic-embed-l-v2.0",
    ),
    Family(
        "arctic", r"snowflake-arctic-embed.*", query=_BGE, max_tokens=512,
        languages=Languages.ENGLISH, source="Snowflake/snowflake-arctic-embed-m-v1.5",
    ),
    Family(  # its tasks retrieval.query and retrieval.passage, as the prompts that they stand for
        "jina-v3", r"jina-embeddings-v3.*",
        query="Represent the query for retrieving evidence documents: ", document="Represent the document for retrieval: ",
        max_tokens=8192, languages=Languages.MANY, source="jinaai/jina-embeddings-v3",
    ),
    Family(
        "mxbai", r"mxbai-embed-large.*", query=_BGE, max_tokens=512,
        languages=Languages.ENGLISH, source="mixedbread-ai/mxbai-embed-large-v1",
    ),
    Family(
        "embeddinggemma", r"embeddinggemma.*", query="task: search result | query: ", document="title: none | text: ",
        max_tokens=2048, languages=Languages.MANY, source="google/embeddinggemma-300m",
    ),
    Family("minilm-multilingual", r"paraphrase-multilingual-.*", languages=Languages.MANY,
           source="sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"),
    Family("openai", r"text-embedding-(3|ada).*", max_tokens=8191, languages=Languages.MANY,
           source="platform.openai.com/docs/guides/embeddings"),
)  # fmt: skip

NO_FAMILY = Family("none", r"(?!)")
"""Nothing in front of anything."""

PRESETS: dict[str, str] = {
    "multilingual": "intfloat/multilingual-e5-small",
    "multilingual-base": "intfloat/multilingual-e5-base",
    "multilingual-large": "intfloat/multilingual-e5-large",
    "bge-m3": "BAAI/bge-m3",
    "qwen3-0.6b": "Qwen/Qwen3-Embedding-0.6B",
    "qwen3-4b": "Qwen/Qwen3-Embedding-4B",
    "arctic-l-v2": "Snowflake/snowflake-arctic-embed-l-v2.0",
    "embeddinggemma": "google/embeddinggemma-300m",
}
"""Short name -> model on the Hugging Face hub; each reads many languages, and none needs code of its own to be run."""


def family_of(model: str) -> Family:
    """The family that a model's name tells: ``intfloat/multilingual-e5-small``, a folder, or what a server calls it."""
    last = model.rstrip("/\\").replace("\\", "/").rpartition("/")[2].lower()
    return next((f for f in FAMILIES if re.fullmatch(f.names, last)), NO_FAMILY)


def split_family(name: str) -> tuple[str, Family]:
    """``MODEL#FAMILY`` in two; without a known family's name behind a ``#``, all is the model, and its name tells."""
    model, mark, wanted = name.rpartition("#")
    for family in (*FAMILIES, NO_FAMILY):
        if mark and model and family.name == wanted:
            return model, family
    return name, family_of(name)
