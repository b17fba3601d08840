"""``paperlode glossary``: what questions ask for and how documents name it, to be read, changed and checked."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import Annotated

import typer

from paperlode.api.command import faces

__all__ = ["glossary"]


def glossary(
    check: Annotated[
        Path | None, typer.Option("--check", help="Read this file and say what is in it, in place of printing.")
    ] = None,
) -> None:
    """Print the glossary that leads from a question's words to line items and to tables and sections by their role.

    To change it for one archive: paperlode glossary > INDEX/glossary.toml, and edit that file. What questions lead to counts
    from the next search; roles are recognised when documents are ingested.
    """
    from paperlode.retrieval.glossary import DATA, Glossary

    with faces(as_json=False):
        if check is None:
            sys.stdout.write(DATA.read_text("utf-8"))
            return
        found = Glossary.load(check)
        typer.echo(f"{check}: {len(found.roles)} roles, {len(found.notions)} notions.")
