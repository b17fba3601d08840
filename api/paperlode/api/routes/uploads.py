"""Files in and out: what is uploaded becomes a job, and what it became can be had as it was, or read."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from paperlode.api.job_models import JobOut
from paperlode.api.service.desk import desk_of
from paperlode.api.service.files import Incoming, plain_name
from paperlode.api.service.job import NewFile
from paperlode.api.service.removal import remove_document
from paperlode.ingest.errors import SourceTooLarge, SourceUnsupported
from paperlode.ingest.sources import MEDIA_TYPES, READS, media_type_of

from .access import CollectionName, GateDep, Reader, Writer
from .documents import Key

__all__ = ["router"]

router = APIRouter(prefix="/documents", tags=["documents"])

_HEAD = 1024
_FORMS = {"json": "application/json", "markdown": "text/markdown; charset=utf-8", "jsonl": "application/jsonl"}
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "",
    summary="Upload a document",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": f"the bytes of the file ({READS}), as they are",
            "content": dict.fromkeys((*MEDIA_TYPES, "application/octet-stream"), _BINARY),
        }
    },
    responses={202: {"headers": {"Location": {"description": "the job", "schema": {"type": "string"}}}}},
)
async def upload(
    request: Request,
    response: Response,
    caller: Writer,
    *,
    name: Annotated[str, Query(min_length=1, max_length=255, description="of the file", examples=["lease.pdf"])],
    collection: CollectionName = "default",
    content_length: Annotated[int | None, Header(ge=0)] = None,
) -> JobOut:
    """Takes a file in: it is on the disk when this answers, and the job that is told makes it searchable.

    A file whose bytes are on their way already is told by its job; sending it twice does nothing twice.
    """
    desk = desk_of(request)
    record = await run_in_threadpool(desk.collection, caller, collection)
    if content_length is not None and content_length > desk.service.limits.file_bytes:
        raise SourceTooLarge(
            f"The file has {content_length >> 20} MB, and {desk.service.limits.file_bytes >> 20} MB are the most.",
            hint="Split it, or have the limit raised.",
        )
    files = await run_in_threadpool(desk.service.files, record.id)
    incoming = await run_in_threadpool(files.incoming)
    with incoming:
        head = await _received(request, incoming)
        file = await run_in_threadpool(_kept, incoming, name, head)
    submit = desk.service.queue.submit
    (job,) = await run_in_threadpool(submit, caller.tenant, record.id, [file], most=desk.service.limits.jobs)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return JobOut.of(job, record.name)


async def _received(request: Request, incoming: Incoming) -> bytes:
    """Writes the body as it comes. Returns its beginning."""
    head = b""
    async for piece in request.stream():
        if len(head) < _HEAD:
            head += piece[: _HEAD - len(head)]
        await run_in_threadpool(incoming.write, piece)
    return head


def _kept(incoming: Incoming, name: str, head: bytes) -> NewFile:
    media_type = media_type_of(head)
    if incoming.size and media_type is None:
        raise SourceUnsupported(f"The file is none of {READS}.", hint="Convert it, and send that.")
    endings = MEDIA_TYPES.get(media_type or "", ("",))
    plain = plain_name(name)
    return incoming.keep(plain if plain.lower().endswith(endings) else plain + endings[0])


@router.delete("/{key}", summary="Delete a document", status_code=204, response_class=Response)
def delete(request: Request, caller: Writer, gate: GateDep, key: Key, collection: CollectionName = "default") -> None:
    """Takes the document out of the index, with its file; a job that is busy with it is ended first."""
    desk = desk_of(request)
    with gate.enter() as archive:
        record = archive.document(key)
    remove_document(desk.service, caller.tenant, desk.collection(caller, collection).id, record)


@router.get(
    "/{key}/original",
    summary="The file itself",
    response_class=FileResponse,
    responses={
        200: {"description": "its bytes, as they were uploaded", "content": dict.fromkeys(MEDIA_TYPES, _BINARY)}
    },
)
def original(gate: GateDep, key: Key, _caller: Reader) -> FileResponse:
    """The bytes that were uploaded, to be saved and not shown: a browser would run what is in them."""
    with gate.enter() as archive:
        record = archive.document(key)
        path = archive.original(record.digest)
    return FileResponse(
        path,
        media_type=record.media_type,
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(record.name, safe='')}"},
    )


@router.get(
    "/{key}/{form}",
    summary="What was read",
    response_class=StreamingResponse,
    responses={200: {"description": "the document in that form", "content": {"text/plain": _BINARY}}},
)
def exported(
    gate: GateDep,
    key: Key,
    form: Annotated[str, Path(pattern="^(json|markdown|jsonl)$", description="json, markdown, or jsonl: its chunks")],
) -> Response:
    """The document as it was read: JSON with every box, Markdown, or its chunks, one a line."""
    with gate.enter() as archive:
        record = archive.document(key)
        text = "".join(archive.export(record.digest, form))
    return Response(text, media_type=_FORMS[form])
