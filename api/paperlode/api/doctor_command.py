"""``paperlode doctor``: what is found wrong, and what to do."""
# ruff: noqa: PLR0917  Typer passes every argument by name

from typing import Annotated

import typer

from paperlode.api.command import faces, settings_of
from paperlode.api.options import DeviceOption, IndexOption, JsonOption, LayoutOption, ServerOption, VersionOption

__all__ = ["doctor"]

_MARKS = {"": ("ok   ", "bold green"), "warning": ("warn ", "bold yellow"), "skipped": ("skip ", "bold yellow")}


def doctor(
    index: IndexOption = None,
    embedding: Annotated[
        str | None, typer.Option("--embedding", "--model", help="Embedding model to check. [default: the index's]")
    ] = None,
    server: ServerOption = None,
    vl_version: VersionOption = None,
    layout: LayoutOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the installation, the index, and the recognition server if there is one.

    Versions, model, workers, disk, index. Each server by itself: address, key, model, context; then it is given a page
    whose words are known, and must read them. Exit code 1 when something is not well.
    """
    with faces(as_json=as_json):
        from dataclasses import asdict

        from paperlode.api import terminal
        from paperlode.api.doctor import examine
        from paperlode.api.parsers import Recognition

        settings = settings_of(
            index=index,
            embedding=embedding,
            server=",".join(server) if server else None,
            vl_version=vl_version,
            layout=layout,
            device=device,
        )
        recognition = Recognition.of(settings)
        out, checks = terminal.console(), []
        found = examine(settings.index, model=settings.embedder, min_free=settings.min_free, recognition=recognition)
        for check in found:
            checks.append(check)
            if not as_json:
                mark = _MARKS[check.mark] if check.ok else ("FAIL ", "bold red")
                out.print(terminal.styled(mark, (check.name, "bold"), f": {check.found} ", (check.hint, "italic")))
        if as_json:
            terminal.print_json({"ok": all(c.ok for c in checks), "checks": [asdict(c) for c in checks]})
    raise typer.Exit(0 if all(c.ok for c in checks) else 1)
