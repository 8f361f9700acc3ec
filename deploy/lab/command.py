"""`make lab`: opens the lab beside the stack that runs, or with one of its own, and stays until Ctrl-C."""

import dataclasses
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.lab import front
from deploy.lab.certificates import bundle
from deploy.lab.doors import Door, Doors
from deploy.lab.lab import Lab, LabError
from deploy.local import compose, homes, ports
from deploy.local.interrupts import Interrupts
from deploy.local.ports import Port
from deploy.local.stack import Stack, StackError, note
from deploy.local.supervisor import SupervisorError
from services.fetcher.fetching.addresses import parse_allow
from shared.settings import SettingError, Settings, load, unknown, variable

AUTHORITIES = Path("run") / "lab-authorities.pem"
_LOOK_EVERY_S = 0.5
_NOT_ALLOWED = """
The stack that runs may not reach the lab: its checks will come to forbidden_address. Either stop both, and
`make lab` alone starts one that may; or leave this open, and start the stack like this:

  make run {setting}={targets}
"""


def main(environ: Mapping[str, str]) -> int:
    """Runs the lab until it is interrupted; the exit code says how it went."""
    interrupts = Interrupts()
    interrupts.install()
    try:
        settings = load(environ)
        for name in unknown(environ):
            print(f"{name} is set, but is no setting of wordwatch: misspelt?", file=sys.stderr)
        doors = _doors(settings)
        running = note(settings.home)
        if running is not None:
            _beside(doors, str(running["url"]), running.get("allow_targets", ()))
        else:
            _with_a_stack(doors, settings, environ, interrupts)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # whoever read the table has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    except (LabError, StackError, SupervisorError, homes.HomeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _doors(settings: Settings) -> Doors:
    """Where the lab goes.

    Raises:
        LabError: a port is taken.
        SettingError: there are no such ports.
    """
    try:
        doors = Doors.from_port(settings.lab_port)
    except ValueError as error:
        raise SettingError(f"{variable('lab_port')}={settings.lab_port}: {error}") from None
    wanted = [Port(port, variable("lab_port"), "the lab") for port in doors.ports.values()]
    taken = ports.problems(wanted)
    if len(taken) == len(wanted):
        raise LabError(f"{taken[0]}\nIt is the same with the {len(taken) - 1} ports after it: a lab is open already?")
    if taken:
        raise LabError("\n".join(taken))
    return doors


def _with_a_stack(doors: Doors, settings: Settings, environ: Mapping[str, str], interrupts: Interrupts) -> None:
    """A stack that may reach the lab and trusts its authority, and ends with it."""
    allowed = dataclasses.replace(settings, allow_targets=(*settings.allow_targets, *doors.targets))
    gateway = f"http://{compose.ADDRESS}:{settings.port}"
    authorities = settings.home.absolute() / AUTHORITIES
    with Lab(doors, trusted=True, gateway=gateway) as lab:
        # OpenSSL reads this variable by itself.
        trusting = {**environ, "SSL_CERT_FILE": str(authorities)}
        with Stack(allowed, trusting, interrupts=interrupts, show_logs=False) as stack:
            stack.say("starting a stack that may reach the lab")
            homes.claim(stack.home)
            authorities.parent.mkdir(exist_ok=True)
            authorities.write_bytes(bundle(lab.certificates.authority))
            stack.start()
            stack.wait_ready()
            print(front.text(doors, trusted=True, columns=_columns()))
            _greet(doors, gateway)
            stack.watch()


def _beside(doors: Doors, gateway: str, allow_targets: Sequence[str]) -> None:
    """The lab alone, for the stack that runs."""
    with Lab(doors, trusted=False, gateway=gateway) as lab:
        print(front.text(doors, trusted=False, columns=_columns()))
        _greet(doors, gateway)
        refused = missing(doors, allow_targets)
        if refused:
            print(_NOT_ALLOWED.format(setting=variable("allow_targets"), targets=",".join([*allow_targets, *refused])))
        sys.stdout.flush()
        while True:
            lab.check()
            time.sleep(_LOOK_EVERY_S)


def missing(doors: Doors, allow_targets: Sequence[str]) -> list[str]:
    """Which of the lab's addresses a stack with these settings refuses."""
    allow = parse_allow(",".join(allow_targets))
    return [
        target
        for target, port in zip(doors.targets, doors.ports.values(), strict=True)
        if not allow.allowed(compose.ADDRESS, port)
    ]


def _columns() -> int:
    """How wide a line may be: what is no terminal breaks none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def _greet(doors: Doors, gateway: str) -> None:
    print(
        f"\nThe lab is open: {doors.url(Door.WEB, '/')} has this table as a page.\n"
        f"Have its addresses checked at {gateway}/; Ctrl-C closes it.",
        flush=True,
    )
