"""The program `wordwatch`: its commands and their options, and what they are wired to."""

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Annotated, Final, NoReturn

import typer

from services.cli import batching, config, doctor, filters, handlers, options, render_state, watching
from services.cli.client import connected
from services.cli.handlers import Tool
from services.cli.outcomes import ApiError, Exit, Unreachable, UsageError
from services.cli.output import Output
from services.cli.uploads import ExportFormat, FileFormat, Question, export_format, file_format
from shared import settings
from shared.version import VERSION

MOST_URLS: Final = 1_000
_EPILOG: Final = (
    "Exit codes: 0 all done, 1 some failed or invalid (or the answer is a no), 2 wrong usage, 3 no answer, or not "
    "taken, 4 time was up, 130 Ctrl-C."
)

app = typer.Typer(
    name="wordwatch",
    help="Counts words on web pages, by a wordwatch that runs here or elsewhere.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,  # its boxes leave no room for the text
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Runs the command that the arguments of this process name, and ends the process with its exit code."""
    # A program in the background of a shell ignores Ctrl-C, and goes on doing so.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # None, where it was closed
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="wordwatch")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wordwatch {VERSION}")
        raise typer.Exit


@app.callback()
def _every(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which wordwatch this is, and end.")
    ] = False,
) -> None:
    pass


Work = Callable[[Tool], Awaitable[Exit]]


def _run(server: str | None, as_json: bool, work: Work) -> NoReturn:
    """Does the work of a command and ends with its exit code; whatever goes wrong is told, never thrown."""
    output = Output(as_json=as_json)
    with _told(output):
        code = asyncio.run(_connected(config.choose(server, settings.config_dir()), output, work))
    raise typer.Exit(code)


@contextlib.contextmanager
def _told(output: Output) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
    except (UsageError, settings.SettingError) as error:
        output.complain(str(error))
        raise typer.Exit(Exit.USAGE) from None


async def _connected(place: config.Server, output: Output, work: Work) -> Exit:
    async with connected(place.url) as client:
        try:
            return await work(Tool(client, output, place))
        except ApiError as error:
            await client.add_hint(error)
            output.problem(error, client.page_of(error))
            return error.outcome
        except Unreachable as error:
            output.problem(error)
            return Exit.NOT_TAKEN


@app.command()
def check(
    urls: Annotated[
        list[str] | None, typer.Argument(metavar="URL", help="The pages; - reads them, one a line.")
    ] = None,
    words: options.Words = None,
    source: options.Source = False,
    whole_word: options.WholeWord = True,
    case_sensitive: options.CaseSensitive = False,
    label: options.Label = None,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, max=86_400, metavar="SECONDS", help="How long to wait for the counts.")
    ] = 30.0,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait: the checks are made, and go on.")] = False,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Count words on pages, and show the counts or why there are none."""
    found = _urls(urls or [])
    question = Question(
        words=words or (), source=source, whole_word=whole_word, case_sensitive=case_sensitive, label=label
    )
    _run(server, as_json, lambda tool: handlers.check(tool, found, question, 0.0 if no_wait else wait_s))


def _urls(given: list[str]) -> list[str]:
    """The addresses of the command line, and those of standard input where it asks for them."""
    if not given and sys.stdin.isatty():
        raise typer.BadParameter("name a page, or give addresses on standard input", param_hint="URL")
    found: list[str] = []
    for each in given or ["-"]:
        found += _lines(sys.stdin) if each == "-" else [each]
        if len(found) > MOST_URLS:
            raise typer.BadParameter(f"more than {MOST_URLS:,} pages: wordwatch batch takes them", param_hint="URL")
    if not found:
        raise typer.BadParameter("there is no address on standard input", param_hint="URL")
    return found


def _lines(stream: Iterable[str]) -> Iterator[str]:
    """Lines that are not blank, and one more than may be."""
    count = 0
    for line in stream:
        if text := line.strip():
            yield text
            count += 1
        if count > MOST_URLS:
            return


@app.command()
def batch(
    name: Annotated[str, typer.Argument(metavar="FILE", help="The addresses; - is standard input.")],
    words: options.Words = None,
    source: options.Source = False,
    whole_word: options.WholeWord = True,
    case_sensitive: options.CaseSensitive = False,
    label: options.Label = None,
    kind: Annotated[
        FileFormat | None, typer.Option("--format", help="What the file is; without it, the end of its name tells.")
    ] = None,
    wait: options.Wait = False,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Count words on all pages of a file."""
    question = Question(
        words=words or (), source=source, whole_word=whole_word, case_sensitive=case_sensitive, label=label
    )

    # Before the event loop is there: Ctrl-C has to end the reading of standard input.
    with _told(Output(as_json=as_json)):
        known = file_format(name, kind)
        question.query()
        opened = _opened(name)
    with opened:
        upload = batching.Upload(opened, name, known, question)
        _run(server, as_json, lambda tool: batching.batch(tool, upload, wait=wait))


def _opened(name: str) -> IO[bytes]:
    """The file, or a copy of standard input, which could not be read twice.

    Raises:
        UsageError: it can't be read.
    """
    if name != "-":
        try:
            return Path(name).open("rb")
        except OSError as error:
            raise UsageError(f"{name} can't be read: {error.strerror or error}") from None
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - whoever called closes it
    shutil.copyfileobj(sys.stdin.buffer, copy)
    return copy


@app.command("list")
def list_(
    batches: Annotated[bool, typer.Option("--batches", help="Batches instead of checks.")] = False,
    status: Annotated[str | None, typer.Option(help="Those in this state.")] = None,
    label: Annotated[str | None, typer.Option(help="Those with this label.")] = None,
    host: Annotated[str | None, typer.Option(help="Pages of this host, or of all below it: *.example.org.")] = None,
    word: Annotated[str | None, typer.Option(help="Those that count this word.")] = None,
    error: Annotated[str | None, typer.Option(help="Those that failed with this code.")] = None,
    http_status: Annotated[str | None, typer.Option(help="Pages answered with this HTTP status.")] = None,
    url_prefix: Annotated[str | None, typer.Option(help="Addresses that begin so.")] = None,
    created_from: Annotated[str | None, typer.Option(help="Asked for at this time or later (RFC 3339).")] = None,
    created_to: Annotated[str | None, typer.Option(help="Asked for before this time (RFC 3339).")] = None,
    batch_id: Annotated[str | None, typer.Option(help="The checks of this batch.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many on a page.")] = 50,
    all_pages: Annotated[bool, typer.Option("--all", help="Every page, not the first alone.")] = False,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """List checks or batches, the newest first."""

    async def work(tool: Tool) -> Exit:
        wanted = {
            "status": status,
            "label": label,
            "host": host,
            "word": word,
            "error": error,
            "http_status": http_status,
            "url_prefix": url_prefix,
            "created_from": created_from,
            "created_to": created_to,
            "batch_id": batch_id,
        }
        query = filters.of_batches(wanted, limit) if batches else filters.of_checks(wanted, limit)
        return await handlers.list_(tool, "batches" if batches else "checks", query, all_pages=all_pages)

    _run(server, as_json, work)


@app.command()
def show(
    id_: options.Id, wait: options.Wait = False, server: options.Server = None, as_json: options.AsJson = False
) -> None:
    """Show a check with its matches and attempts, or how far a batch is."""
    _run(server, as_json, lambda tool: handlers.show(tool, id_, wait=wait))


@app.command()
def retry(
    id_: options.Id, wait: options.Wait = False, server: options.Server = None, as_json: options.AsJson = False
) -> None:
    """Begin a failed or cancelled check anew, or the failed lines of a batch."""
    _run(server, as_json, lambda tool: handlers.change(tool, id_, "retry", wait=wait))


@app.command()
def cancel(id_: options.Id, server: options.Server = None, as_json: options.AsJson = False) -> None:
    """Give a check or a batch up."""
    _run(server, as_json, lambda tool: handlers.change(tool, id_, "cancel"))


@app.command()
def delete(
    id_: options.Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Remove a check with its history, or a batch with all its checks."""
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("nobody is there to be asked: say --yes", param_hint="--yes")
        typer.confirm(f"Delete {id_} for good?", abort=True, err=True)
    _run(server, as_json, lambda tool: handlers.delete(tool, id_))


@app.command()
def export(
    batch_id: options.BatchId,
    target: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="Where to; without it, standard output.")
    ] = None,
    kind: Annotated[
        ExportFormat | None, typer.Option("--format", help="Without it, the end of the file's name tells; else csv.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the file if it is there.")] = False,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Write all results of a batch, line by line."""

    async def work(tool: Tool) -> Exit:
        file = None if target is None or str(target) == "-" else target
        known = export_format(None if file is None else file.name, kind, as_json=as_json)
        return await batching.export(tool, batch_id, known, file, force=force, stdout=sys.stdout.buffer)

    _run(server, as_json, work)


@app.command()
def stats(
    live: Annotated[bool, typer.Option("--live", help="Anew each second, until Ctrl-C.")] = False,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Show totals, queues, fetchers and hosts."""
    _run(server, as_json, watching.live if live else watching.stats)


@app.command("doctor")
def doctor_(server: options.Server = None, as_json: options.AsJson = False) -> None:
    """Look at what can be reached, and say what to do about what can't."""

    async def work(tool: Tool) -> Exit:
        found = await doctor.examine(tool.client, tool.server, settings.from_environment())
        tool.output.tell(doctor.as_document(found), render_state.findings(found))
        return Exit.DONE if doctor.is_well(found) else Exit.FAILED

    _run(server, as_json, work)
