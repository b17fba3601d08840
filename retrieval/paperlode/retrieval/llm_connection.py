"""A language model by its address: any server with OpenAI's ``/v1/chat/completions`` (vLLM, llama.cpp, Ollama, OpenAI)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import (
    MissingExtra,
    ServerBusy,
    ServerError,
    ServerFailed,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerRequestRefused,
    ServerTimeout,
    ServerUnreachable,
)

from .endpoint import base_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llama_index.core.llms import LLM

__all__ = ["connect_llm", "llm_errors"]

CONTEXT = 8192
"""Tokens that a model is taken to read where nothing says it."""
LONGEST_ANSWER = 700
"""Tokens of an answer."""


def connect_llm(
    url: str,
    model: str,
    *,
    key: str | None = None,
    context: int = CONTEXT,
    timeout: float = 120.0,
    attempts: int = 3,
) -> LLM:
    """The model called ``model`` at ``url``, as LlamaIndex has models; answers are the likeliest words (temperature 0).

    Args:
        url: of the server, with or without ``/v1``.
        model: as the server names it.
        key: bearer key.
        context: tokens that the model reads, answer included.
        timeout: seconds that a request, or the wait for the next words, may take.
        attempts: times that a request is made when the server is busy or broken.

    Raises:
        MissingExtra: the client is not installed.
        InvalidRequest: no http address, or one that holds a password.
    """
    try:
        import httpx
        from llama_index.llms.openai_like import OpenAILike
    except ImportError as exc:
        raise MissingExtra.named("llama-index-llms-openai-like", "llm") from exc

    # no proxies from the environment: a server on loopback is asked directly; no connection outlives its answer, for
    # nothing closes a model
    how: dict[str, Any] = {
        "timeout": timeout,
        "trust_env": False,
        "limits": httpx.Limits(max_keepalive_connections=0),
    }
    clients: dict[str, Any] = {"http_client": httpx.Client(**how), "async_http_client": httpx.AsyncClient(**how)}
    return OpenAILike(
        model=model,
        api_base=f"{base_of(url)}/v1",
        api_key=key or "none",
        context_window=context,
        max_tokens=LONGEST_ANSWER,
        temperature=0.0,
        is_chat_model=True,
        timeout=timeout,
        max_retries=max(0, attempts - 1),
        **clients,
    )


@contextmanager
def llm_errors(where: str) -> Iterator[None]:
    """Errors of the OpenAI client become ours, whatever model a caller brought; other errors pass as they are.

    Args:
        where: what is asked, for the message.

    Raises:
        ServerError: with the server's own words.
    """
    try:
        yield
    except Exception as exc:
        if type(exc).__module__.partition(".")[0] != "openai":
            raise
        raise _ours(exc, where) from exc


def _ours(exc: Exception, where: str) -> ServerError:
    import openai

    said = " ".join(str(getattr(exc, "message", exc)).split())[:300]
    what = f"The language model {where} gave no answer: {said}"
    kinds: tuple[tuple[type[Exception], type[ServerError], str], ...] = (
        (openai.APITimeoutError, ServerTimeout, "Is the server overloaded? Ask again later."),
        (
            openai.APIConnectionError,
            ServerUnreachable,
            "Is the server running, and its address (PAPERLODE_LLM_URL) right?",
        ),
        (openai.AuthenticationError, ServerKeyRefused, "Give the server's key in PAPERLODE_LLM_KEY."),
        (openai.PermissionDeniedError, ServerKeyRefused, "Give the server's key in PAPERLODE_LLM_KEY."),
        (openai.NotFoundError, ServerModelUnknown, "See which models it serves: GET /v1/models."),
        (openai.RateLimitError, ServerBusy, "Ask again later."),
        (openai.InternalServerError, ServerFailed, "See the server's log."),
        (openai.APIStatusError, ServerRequestRefused, "See what the server says; is its context long enough?"),
    )
    for theirs, ours, hint in kinds:
        if isinstance(exc, theirs):
            return ours(what, hint=hint)
    return ServerIncompatible(what, hint="The address must be that of a server with OpenAI's paths.")
