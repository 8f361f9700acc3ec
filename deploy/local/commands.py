"""The local runner: `python -m deploy.local COMMAND`. `make help` lists what people use it for."""

import argparse
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.local import compose, demo, homes, launcher, records, tail
from deploy.local.interrupts import Interrupts
from deploy.local.stack import AlreadyRunning, Stack, StackError, end_leftovers, note
from deploy.local.supervisor import State, Supervisor, SupervisorError
from shared.settings import SettingError, Settings, load, unknown

_STOP_WITHIN_S = 60.0
_SCALE_WITHIN_S = 60.0
_EXIT_INTERRUPTED = 130


def _say(text: str) -> None:
    print(text, flush=True)


def run(settings: Settings, environ: Mapping[str, str]) -> int:
    """Starts the stack and stays in the foreground until it is told to stop."""
    interrupts = Interrupts()
    interrupts.install()
    began = time.monotonic()
    with Stack(settings, environ, interrupts=interrupts) as stack:
        try:
            stack.start()
            stack.wait_ready()
            _greet(stack, time.monotonic() - began)
            _check_sample_site_once(stack)
            stack.watch()
        except KeyboardInterrupt:
            return 0
    return 0


def _greet(stack: Stack, took_s: float) -> None:
    stack.say(f"ready after {took_s:.1f} s")
    stack.say(f"  page      {stack.url}/")
    stack.say(f"  API       {stack.url}/docs")
    if compose.starts_nsq(stack.settings):
        stack.say(f"  queues    http://{compose.ADDRESS}:{stack.settings.nsqadmin_port}/ (nsqadmin)")
    stack.say(f"  terminal  {Path(sys.executable).with_name(launcher.NAME)} --help")
    stack.say("Ctrl-C stops everything; from another terminal: make ps, make logs, make scale fetcher=4, make stop")


def _check_sample_site_once(stack: Stack) -> None:
    """On the first start of a WORDWATCH_HOME: a first look at what wordwatch does, and whether it does it."""
    marker = stack.home / homes.CHECKED
    if marker.exists():
        return
    stack.say(f"checking the sample site ({stack.sample_url}/), as `make demo` does")
    try:
        well = demo.run(stack.url, demo.of_sample_site(stack.sample_url), stack.say)
    except demo.DemoError as error:
        stack.say(f"the sample site could not be checked: {error}")
        return
    if well:
        marker.touch()
    else:
        stack.say("the counts are not what they should be; the logs may say why: make logs")


def run_demo(settings: Settings, environ: Mapping[str, str], url: str, words: str) -> int:
    """Checks the sample site, or one page; starts a stack for it when none runs."""
    interrupts = Interrupts()
    interrupts.install()
    running = note(settings.home)
    try:
        if running is not None and running.get("ready"):
            return _demo(running["url"], running["sample_url"], url, words)
        with Stack(settings, environ, interrupts=interrupts, show_logs=False) as stack:
            stack.say("starting a stack for the demo")
            stack.start()
            stack.wait_ready()
            code = _demo(stack.url, stack.sample_url, url, words)
            if code == 0 and not url:
                (stack.home / homes.CHECKED).touch()
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    return code


def _demo(gateway: str, sample_url: str, url: str, words: str) -> int:
    wanted = [demo.Wanted(url, demo.split_words(words))] if url else demo.of_sample_site(sample_url)
    try:
        return 0 if demo.run(gateway, wanted, _say) else 1
    except demo.DemoError as error:
        print(error, file=sys.stderr)
        return 1


def scale(settings: Settings, wishes: list[str]) -> int:
    """Changes how many fetchers run."""
    usage = f"usage: make scale fetcher=N, with N from 1 to {compose.MAX_FETCHERS}"
    if len(wishes) != 1 or not (wish := re.fullmatch(r"([\w-]+)=(.*)", wishes[0])):
        print(usage, file=sys.stderr)
        return 2
    name, number = wish.groups()
    if name != compose.FETCHER:
        print(f"{name} can't be scaled here, only {compose.FETCHER}; {usage}", file=sys.stderr)
        return 2
    if not re.fullmatch(r"[0-9]{1,4}", number) or not 1 <= int(number) <= compose.MAX_FETCHERS:
        print(f"fetcher={number} is out of range; {usage}", file=sys.stderr)
        return 2
    if note(settings.home) is None:
        print("nothing runs: `make run` starts it (WORDWATCH_FETCHERS says with how many fetchers)", file=sys.stderr)
        return 1
    Supervisor(settings.home.absolute()).scale_fetchers(int(number), ready_within_s=_SCALE_WITHIN_S)
    _say(f"{number} fetcher{'s run' if int(number) > 1 else ' runs'}")
    return 0


def show_processes(settings: Settings) -> int:
    """A table of what runs."""
    if note(settings.home) is None:
        left = records.ours(settings.home.absolute())
        _say(
            "nothing runs"
            + (f" but {len(left)} processes of a run that was killed; `make stop` ends them" if left else "")
        )
        return 0
    rows: list[tuple[str, ...]] = [("name", "pid", "status", "ready", "restarts", "age")]
    rows += [_row(state) for state in Supervisor(settings.home.absolute()).states()]
    _say(demo.table(rows))
    return 0


def _row(state: State) -> tuple[str, ...]:
    if state.name == "migrate" and state.status == "Completed":
        return state.name, "", "done" if state.exit_code == 0 else f"failed ({state.exit_code})", "", "", ""
    minutes, seconds = divmod(int(state.age_s), 60)
    age = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if state.active else ""
    ready = ("yes" if state.ready else "no") if state.has_probe else ""
    return state.name, str(state.pid), state.status.lower(), ready, str(state.restarts), age


def show_logs(settings: Settings, service: str) -> int:
    """The end of the logs, then what comes, for as long as the stack runs."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `make logs | head` ends like any other filter
    known = {compose.FETCHER, *compose.project(settings, settings.home)["processes"]}
    if service and service not in known:
        listed = ", ".join(sorted(name for name in known if not name.startswith(f"{compose.FETCHER}-")))
        print(f"there is no process {service}; there are {listed}", file=sys.stderr)
        return 2

    def show(name: str, line: str) -> None:
        print(f"{name:11} | {line}", flush=True)

    try:
        found = tail.follow(settings.home / "logs", service, show, lambda: note(settings.home) is not None)
    except KeyboardInterrupt:
        return 0
    if not found:
        print(f"there is no log{f' of {service}' if service else ''} in {settings.home / 'logs'}", file=sys.stderr)
        return 1
    return 0


def stop(settings: Settings) -> int:
    """Stops the stack of this WORDWATCH_HOME, or what a killed one left, and returns when all is gone."""
    home = settings.home.absolute()
    running = note(home)
    if running is not None:
        runner = records.Process("runner", running["pid"], running["start"])
        records.send(runner, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_WITHIN_S
        while records.alive(runner):
            if time.monotonic() > deadline:
                print(f"it does not end within {_STOP_WITHIN_S:.0f} s (pid {runner.pid})", file=sys.stderr)
                return 1
            time.sleep(0.1)
    left = end_leftovers(home, _say)
    _say("stopped" if running is not None or left else "nothing runs")
    return 0


def clean(settings: Settings) -> int:
    """Stops the stack and removes what it made: only that, whatever else is in the folder."""
    home = settings.home.absolute()
    if homes.is_ours(home):
        code = stop(settings)
        if code:
            return code
    return 0 if homes.remove(home, _say) else 1


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="deploy.local")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "ps", "stop", "clean"):
        commands.add_parser(name)
    add = commands.add_parser("demo")
    add.add_argument("--url", default="")
    add.add_argument("--words", default="")
    commands.add_parser("scale").add_argument("wishes", nargs="*")
    commands.add_parser("logs").add_argument("--service", default="")
    return parser.parse_args(argv)


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Runs one command; its exit code says how it went."""
    options = _parse(argv)
    commands: dict[str, Callable[[Settings], int]] = {
        "run": lambda settings: run(settings, environ),
        "demo": lambda settings: run_demo(settings, environ, options.url, options.words),
        "scale": lambda settings: scale(settings, options.wishes),
        "ps": show_processes,
        "logs": lambda settings: show_logs(settings, options.service),
        "stop": stop,
        "clean": clean,
    }
    try:
        settings = load(environ)
        for name in unknown(environ):
            print(f"{name} is set, but is no setting of wordwatch: misspelt?", file=sys.stderr)
        return commands[options.command](settings)
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    except (AlreadyRunning, StackError, SupervisorError, homes.HomeError) as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        owner = Path(error.filename or ".")
        print(f"{error}: was {owner} made by another user (root)? Use another WORDWATCH_HOME", file=sys.stderr)
        return 1
