"""``StructureNodeParser``: Markdown of any reader as LlamaIndex nodes, cut by its structure.

A node's text is a stretch of the Markdown as it was written, from ``start_char_idx`` to ``end_char_idx``; the nodes of
a Document hold every character that is no white space, once and in order. What stands around the stretch so that it
can be read alone (a table's caption and header rows, a code fence) is repeated, and counted in ``repeated``.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.node_parser.interface import IdFuncCallable, NodeParser
from llama_index.core.schema import BaseNode, MetadataMode, NodeRelationship, TextNode
from llama_index.core.utils import get_tqdm_iterable

from paperlode.ingest.document import Kind
from paperlode.ingest.errors import InvalidRequest
from paperlode.ingest.llama_documents import BLOCKS, BlockPlace, compact, places
from paperlode.ingest.minilm_tokens import MiniLMTokens
from paperlode.ingest.structure_cuts import Cut, Piecemeal, structure_cuts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llama_index.core.schema import Document, RelatedNodeInfo

    from paperlode.ingest.text_cuts import TokenCounter

__all__ = ["HEADING_PATH", "StructureNodeParser", "content_id"]

HEADING_PATH = "heading_path"
"""Metadata key of the headings above a node, outermost first, joined by `` > ``."""
KIND, FLAGS, REPEATED = "kind", "flags", "repeated"
LEAST = 16
"""Fewest tokens of a node: a smaller one holds no heading and a word."""
USUAL = 256
"""Tokens of a node where the tokenizer does not say what its model reads."""
TRIES = 5
"""How often a Document is cut again, shorter, when a node is longer than its pieces were counted."""
OVER_LIMIT = "over_limit"
"""Flag of a node that is longer than the limit: a formula, or what a tokenizer counts beyond reason."""

_NOT_IN_PROMPT = (KIND, FLAGS, REPEATED, "page_index", BLOCKS)
_NOT_EMBEDDED = (*_NOT_IN_PROMPT, "page_label")
_TOLD = frozenset({Kind.CAPTION, Kind.FORMULA, Kind.TOC, Kind.REFERENCE})
"""Kinds that a block's record tells better than its Markdown does."""


def content_id(i: int, doc: BaseNode) -> str:
    """The default ``id_func``: says that a node's id is a hash of the Document's id and of what the node says."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"{doc.node_id}\x1f{i}".encode()).digest()[:16], version=5))


class StructureNodeParser(NodeParser):
    """Cuts by headings; keeps tables, formulas, code and lists whole where they fit, else cuts between rows, lines, items.

    Metadata of a node: that of its Document, ``heading_path``, ``kind``, and where there is something to say ``flags``
    and ``repeated`` (characters before and after the stretch that stand in the text too). Of a Document from
    ``PaddleOCRVLReader`` each node keeps the blocks it stands on: ``blocks_of(node)`` gives their boxes. Ids are hashes:
    the same Document gives the same ids.

    Attributes:
        chunk_size: most tokens of what is embedded of a node: its metadata, heading path and text. None for what the
            model of the tokenizer reads, 256 where it does not say.
        target_size: tokens up to which paragraphs of a section are put together; None for about three quarters.
        tokenizer: an ``Embedder`` or other ``TokenCounter``, or a function from text to tokens (or to their number).
            None for the embedded MiniLM's. It is not serialised, its name is.
        counted_by: name of the tokenizer.

    Raises:
        InvalidRequest: a size or a tokenizer that makes no sense.
        MissingExtra: MiniLM's tokenizer or ``markdown-it-py`` is not installed.
    """

    chunk_size: int | None = Field(default=None, ge=LEAST)
    target_size: int | None = Field(default=None, ge=1)
    tokenizer: Any = Field(default=None, exclude=True, repr=False)
    counted_by: str = ""
    id_func: IdFuncCallable = Field(default=content_id)

    _counter: Any = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Finds out how tokens are counted.

        Raises:
            InvalidRequest: no tokenizer, or not the one that was named.
        """
        super().model_post_init(context)
        name = _name_of(self.tokenizer)
        if self.counted_by and self.counted_by != name:
            raise InvalidRequest(
                f"The parser counts with {self.counted_by!r}, and {name!r} was given.",
                hint="Give the same tokenizer again: from_dict(data, tokenizer=...).",
            )
        self.counted_by = name

    @classmethod
    def class_name(cls) -> str:
        """Name under which LlamaIndex serialises it."""
        return "StructureNodeParser"

    @classmethod
    def from_defaults(cls, **options: Any) -> Self:
        """A parser with these options, as LlamaIndex's own are made."""
        return cls(**options)

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """The parser back from ``to_dict``; a tokenizer or ``id_func`` of your own has to be given again."""
        data = {**data, **kwargs}
        written = data.get("id_func")
        if isinstance(written, dict):
            if written.get("id_func_name") != content_id.__name__:
                raise InvalidRequest(
                    f"The parser's id_func {written.get('id_func_name')!r} cannot be made from its name.",
                    hint="Give it again: from_dict(data, id_func=...).",
                )
            del data["id_func"]
        return super().from_dict(data)

    def __getstate__(self) -> dict[str, Any]:
        # LlamaIndex's own drops what cannot be pickled, with a warning: the parser would count with another tokenizer
        state = {k: v for k, v in self.__dict__.items() if k != "callback_manager"}
        return {
            "__dict__": state,
            "__pydantic_extra__": None,
            "__pydantic_fields_set__": set(self.model_fields_set),
            "__pydantic_private__": None,
        }

    # ------------------------------------------------------------------------------------------------------- parsing

    def _parse_nodes(self, nodes: Sequence[BaseNode], show_progress: bool = False, **_: Any) -> list[BaseNode]:
        out: list[BaseNode] = []
        for node in get_tqdm_iterable(nodes, show_progress, "Parsing nodes"):
            out += self._of_one(node)
        return out

    def _of_one(self, parent: BaseNode) -> list[TextNode]:
        text = parent.get_content(metadata_mode=MetadataMode.NONE)
        if not text.strip():
            return []
        maker = _Maker(parent, text, self._count, self._limit(), metadata=self.include_metadata)
        size = maker.limit - maker.overhead
        if size < LEAST:
            raise InvalidRequest(
                f"The metadata of {parent.node_id} takes {maker.overhead} of the {maker.limit} tokens of a node.",
                hint="Give a larger chunk_size, or put its keys into excluded_embed_metadata_keys.",
            )
        nodes: list[TextNode] = []
        for _ in range(TRIES):
            target = self.target_size or max(1, size * 25 // 32)
            counter = Piecemeal(self._count, size)
            nodes = maker.nodes(structure_cuts(text, counter=counter, target=target, known=maker.known))
            worst = max((n for n in maker.lengths if n > maker.limit), default=0)
            if not worst or size <= LEAST:
                break
            size = max(LEAST, min(size - 1, size * maker.limit // worst))
        self._name(nodes, parent)
        return nodes

    def _name(self, nodes: Sequence[TextNode], parent: BaseNode) -> None:
        """Ids: the hash of the Document's id and of the text, so that what did not change keeps its own."""
        seen: Counter[str] = Counter()
        for i, node in enumerate(nodes):
            if self.id_func is not content_id:
                node.id_ = self.id_func(i, parent)
                continue
            said = hashlib.sha256(f"{parent.node_id}\x1f{node.text}".encode("utf-8", "surrogatepass")).hexdigest()
            seen[said] += 1
            digest = hashlib.sha256(f"{said}\x1f{seen[said]}".encode()).digest()
            node.id_ = str(uuid.UUID(bytes=digest[:16], version=5))

    def _postprocess_parsed_nodes(self, nodes: list[BaseNode], parent_doc_map: dict[str, Document]) -> list[BaseNode]:
        """As for every node parser, but for the offsets, which are known, and blocks, which each node keeps to itself."""
        spans = [(n.start_char_idx, n.end_char_idx) if isinstance(n, TextNode) else (None, None) for n in nodes]
        nodes = super()._postprocess_parsed_nodes(nodes, parent_doc_map)
        for node, (start, end) in zip(nodes, spans, strict=True):
            if isinstance(node, TextNode):
                node.start_char_idx, node.end_char_idx = start, end
            for related in node.relationships.values():
                for one in related if isinstance(related, list) else [related]:
                    _drop_blocks(one)
        return nodes

    # -------------------------------------------------------------------------------------------------------- tokens

    @property
    def _count(self) -> Callable[[str], int]:
        if self._counter is None:
            self._counter = _counting(self.tokenizer)
        count: Callable[[str], int] = self._counter.count
        return count

    def _limit(self) -> int:
        _ = self._count
        reads: int = self._counter.max_tokens
        return min(self.chunk_size, reads) if self.chunk_size and reads else self.chunk_size or reads or USUAL


def _counting(tokenizer: Any) -> TokenCounter:
    """The tokenizer as a ``TokenCounter``; ``max_tokens`` is 0 where it does not know."""
    if tokenizer is None:
        return MiniLMTokens()
    if hasattr(tokenizer, "count") and hasattr(tokenizer, "max_tokens"):
        return Piecemeal(tokenizer.count, int(tokenizer.max_tokens))

    def count(text: str) -> int:
        tokens = tokenizer(text)
        return tokens if isinstance(tokens, int) else len(tokens)

    return Piecemeal(count, 0)


def _name_of(tokenizer: Any) -> str:
    if tokenizer is None:
        return MiniLMTokens.name
    if hasattr(tokenizer, "count") and hasattr(tokenizer, "max_tokens"):
        return str(getattr(tokenizer, "name", type(tokenizer).__qualname__))
    if not callable(tokenizer):
        raise InvalidRequest(
            f"tokenizer={tokenizer!r} is neither a function nor has it count() and max_tokens.",
            hint="Give an embedder of paperlode, or a function from text to its tokens.",
        )
    inner = getattr(tokenizer, "func", tokenizer)  # of functools.partial
    home = getattr(inner, "__module__", None) or "builtins"  # methods of str have none
    return f"{home}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def _drop_blocks(related: RelatedNodeInfo) -> None:
    if BLOCKS in related.metadata:
        related.metadata = {k: v for k, v in related.metadata.items() if k != BLOCKS}


class _Maker:
    """Nodes of one parent.

    Attributes:
        limit: most tokens of what is embedded of a node.
        overhead: tokens of it that the parent's metadata takes.
        lengths: tokens of the nodes made last, without those that cannot be shorter.
    """

    def __init__(self, parent: BaseNode, text: str, count: Callable[[str], int], limit: int, *, metadata: bool) -> None:
        self._parent, self._text, self._count, self.limit = parent, text, count, limit
        self._base = getattr(parent, "start_char_idx", None) or 0
        self._places = _places(parent, self._base, len(text))
        self._metadata = dict(parent.metadata) if metadata else {}
        self._source = parent.as_related_node_info()
        _drop_blocks(self._source)
        self.lengths: list[int] = []
        own = {**self._metadata, HEADING_PATH: "", **({BLOCKS: ""} if self._places is not None else {})}
        heads = self._node("", own, 0, 0).get_metadata_str(MetadataMode.EMBED)
        self.overhead = max(0, count(f"{heads}\n\n") - count("")) + 2

    def known(self, start: int, end: int) -> Kind | None:
        """What the reader knows of the block at these offsets, where that is more than its Markdown tells."""
        found = (p for p in self._places or () if p.start <= self._base + start and self._base + end <= p.end)
        return next((p.kind for p in found if p.kind in _TOLD), None)

    def nodes(self, cuts: Sequence[Cut]) -> list[TextNode]:
        """One node a cut, whole with what is repeated and its heading path where that fits, else with less."""
        self.lengths = []
        return [self._fitting(cut) for cut in cuts]

    def _fitting(self, cut: Cut) -> TextNode:
        least: TextNode | None = None
        tokens = 0
        for repeat, path in ((True, True), (True, False), (False, True), (False, False)):
            if not (repeat or cut.before or cut.after) or not (path or cut.path):
                continue
            node = self._made(cut, repeat=repeat, path=path)
            tokens = self._count(node.get_content(metadata_mode=MetadataMode.EMBED))
            if tokens <= self.limit:
                self.lengths.append(tokens)
                return node
            least = node
        assert least is not None
        if "embedded_prefix" not in cut.flags:
            self.lengths.append(tokens)
        least.metadata[FLAGS] = ", ".join((*cut.flags, OVER_LIMIT))
        return least

    def _made(self, cut: Cut, *, repeat: bool, path: bool) -> TextNode:
        before, after = (cut.before, cut.after) if repeat else ("", "")
        start, end = self._base + cut.start, self._base + cut.end
        metadata = self._metadata | {KIND: cut.kind.value}
        if cut.path:
            metadata[HEADING_PATH] = " > ".join(cut.path)
        if cut.flags:
            metadata[FLAGS] = ", ".join(cut.flags)
        if before or after:
            metadata[REPEATED] = f"{len(before)}, {len(after)}"
        if self._places is not None:
            mine = [p for p in self._places if p.meets(start, end)]
            metadata[BLOCKS] = compact([p.record() for p in mine])
            metadata |= _pages(mine, metadata)
        hidden = () if path else (HEADING_PATH,)
        return self._node(before + self._text[cut.start : cut.end] + after, metadata, start, end, hidden)

    def _node(
        self, text: str, metadata: dict[str, Any], start: int, end: int, hidden: tuple[str, ...] = ()
    ) -> TextNode:
        parent = self._parent
        without, unseen = parent.excluded_embed_metadata_keys, parent.excluded_llm_metadata_keys
        return TextNode(
            text=text,
            metadata=metadata,
            start_char_idx=start,
            end_char_idx=end,
            excluded_embed_metadata_keys=list(
                dict.fromkeys([*without, *(k for k in (*_NOT_EMBEDDED, *hidden) if k in metadata)])
            ),
            excluded_llm_metadata_keys=list(dict.fromkeys([*unseen, *(k for k in _NOT_IN_PROMPT if k in metadata)])),
            metadata_template=parent.metadata_template,
            metadata_seperator=parent.metadata_separator,
            text_template=getattr(parent, "text_template", TextNode.model_fields["text_template"].default),
            relationships={NodeRelationship.SOURCE: self._source},
        )


def _places(parent: BaseNode, base: int, length: int) -> tuple[BlockPlace, ...] | None:
    """The blocks in the parent's metadata; None when it has none, or not ours, or of another text."""
    written = parent.metadata.get(BLOCKS)
    if not isinstance(written, str):
        return None
    try:
        found = places(written)
    except InvalidRequest:
        return None
    fits = all(0 <= p.start <= p.end for p in found) and (base > 0 or all(p.end <= length for p in found))
    return found if fits else None


def _pages(mine: Sequence[BlockPlace], metadata: dict[str, Any]) -> dict[str, Any]:
    """The pages of a node whose Document is more than a page."""
    pages = sorted({r.page for p in mine for r in p.regions})
    if "page_label" in metadata or not pages:
        return {}
    label = str(pages[0] + 1) if len(pages) == 1 else f"{pages[0] + 1}-{pages[-1] + 1}"
    return {"page_label": label, "page_index": pages[0]}
