"""The options that several commands have, each said once."""

from __future__ import annotations

from typing import Annotated

import typer

from shared.settings import variable

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar=variable("server"),
        metavar="URL",
        help="The gateway to ask. Else: the file of settings, or http://localhost:8080.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="The API's JSON, one document a line, instead of text.")]
Words = Annotated[
    list[str] | None,
    typer.Option("--word", "-w", metavar="WORD", help="A word or phrase to count; may be given more than once."),
]
Source = Annotated[bool, typer.Option("--source", help="Count in the page's source instead of in what a reader sees.")]
WholeWord = Annotated[
    bool, typer.Option("--whole-word/--no-whole-word", help="Whether a match has to begin and end where words do.")
]
CaseSensitive = Annotated[bool, typer.Option("--case-sensitive", help="Whether Python and python are two words.")]
Label = Annotated[str | None, typer.Option("--label", "-l", help="A name of your own for it.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a check or of a batch.")]
BatchId = Annotated[str, typer.Argument(metavar="BATCH_ID", help="The id of a batch.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended; the exit code says how.")]
