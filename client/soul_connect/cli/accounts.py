"""Commands of whoever runs the server: accounts, tokens, invitations, backup and check.

They work on the data directory, whether or not a server is running on it; a running one
notices within a second.
"""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.running import find_running
from soul_connect.settings import ServerSettings, SettingsError, find_data_dir, parse_ttl
from soul_protocol.roles import Role, Scope

if TYPE_CHECKING:
    from soul_coordinator.accounts import Accounts

PANEL: Final = "Server"
_REVOKE: Final = "revoke"


def checked_ttl(text: str) -> str:
    """A duration as it was given, if it is one."""
    try:
        parse_ttl(text)
    except ValueError as error:
        raise typer.BadParameter(f"must be {error}") from None
    return text


def _scope(text: str) -> str:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if unknown := [word for word in words if word not in set(Scope)]:
        raise typer.BadParameter(
            f"{unknown[0]!r} is none; allowed are {', '.join(Scope)}, with commas between"
        )
    return ",".join(words)


DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Where keys, certificates and the database are."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The user.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")
]
ScopeWords = Annotated[
    str,
    typer.Option(
        "--scope", callback=_scope, metavar="WORDS", help="What a guest may do: control,queue,transfer."
    ),
]
Ttl = Annotated[
    str,
    typer.Option(
        "--ttl", callback=checked_ttl, metavar="TIME", help="How long it lives: 90s, 15m, 4h or 30d."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    user = typer.Typer(
        help="Accounts: add, list, remove, password.", no_args_is_help=True, rich_markup_mode=None
    )
    user.command("add")(user_add)
    user.command("list")(user_list)
    user.command("remove")(user_remove)
    user.command("password")(user_password)
    app.add_typer(user, name="user", rich_help_panel=PANEL)
    for function in (token, invite, backup, check):
        app.command(rich_help_panel=PANEL)(function)


def user_add(name: Name, *, password_stdin: PasswordStdin = False, data_dir: DataDir = None) -> None:
    """Make an account. Without a password it can have tokens, but not log in to the page.

    Example: soul-connect user add alice --password-stdin < password.txt
    """
    password = _password_from_stdin() if password_stdin else None
    with accounts_of(data_dir) as accounts:
        accounts.add(name, password)
    more = "" if password else f" `soul-connect user password {name}` lets them log in to the page."
    _say(f"{name} is added.{more}")


def user_list(*, data_dir: DataDir = None) -> None:
    """Show all accounts.

    Example: soul-connect user list
    """
    with accounts_of(data_dir) as accounts:
        users = accounts.users()
    if not users:
        # Said with the place: a mistyped directory is made like any other.
        where = find_data_dir(data_dir)
        _say(f"There are no users in {where} yet; `soul-connect user add NAME` makes one.")
    width = max((len(user.name) for user in users), default=0)
    for user in users:
        login = "password" if user.has_password else "no password"
        facts = (login, _count(user.devices, "device"), _count(user.tokens, "token"))
        print(f"{user.name.ljust(width)}  {', '.join(facts)}")  # noqa: T201


def user_remove(name: Name, *, data_dir: DataDir = None) -> None:
    """Remove an account with all that is kept of it; its connections end within a second.

    Example: soul-connect user remove alice
    """
    with accounts_of(data_dir) as accounts:
        accounts.remove(name)
    _say(f"{name} is removed.")


def user_password(name: Name, *, password_stdin: PasswordStdin = False, data_dir: DataDir = None) -> None:
    """Give an account another password. Its tokens stay as they are.

    Example: soul-connect user password alice
    """
    if password_stdin:
        password = _password_from_stdin()
    elif sys.stdin.isatty():
        from getpass import getpass

        password = getpass(f"New password of {name}: ")
    else:
        raise CliError(Exit.USAGE, "There is no terminal to ask on; use --password-stdin.")
    with accounts_of(data_dir) as accounts:
        accounts.set_password(name, password)
    _say(f"{name} has a new password.")


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The user; or the word `revoke`.")],
    taken_back: Annotated[
        str | None, typer.Argument(metavar="[JTI|TOKEN]", help="After `revoke`: what is taken back.")
    ] = None,
    *,
    role: Annotated[Role, typer.Option("--role", help="What its holder is.")] = Role.DEVICE,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="UUID", help="Only this device may use it; a guest gets one if none is given."
        ),
    ] = None,
    scope: ScopeWords = "",
    ttl: Ttl = "30d",
    data_dir: DataDir = None,
) -> None:
    """Print a token for a user, and nothing else; or take one back: `token revoke JTI|TOKEN`.

    Example: soul-connect token alice --role observer --ttl 4h
    """
    if name == _REVOKE:
        _revoke(taken_back, data_dir)
        return
    if taken_back is not None:
        raise CliError(Exit.USAGE, f"{taken_back!r} is too much; did you mean `token revoke {taken_back}`?")
    if scope and role is not Role.GUEST:
        raise CliError(Exit.USAGE, "--scope is for guests: add --role guest.")
    if role is Role.GUEST and device is None:
        import uuid

        device = str(uuid.uuid4())
    with accounts_of(data_dir) as accounts:
        issued = accounts.issue(
            name,
            role,
            device=device.lower() if device else None,
            scope=_scopes(scope),
            ttl=parse_ttl(ttl),
        )
    print(issued.token)  # noqa: T201


def _revoke(taken_back: str | None, data_dir: Path | None) -> None:
    if taken_back is None:
        raise CliError(Exit.USAGE, "`token revoke` needs the token, or its jti.")
    with accounts_of(data_dir) as accounts:
        change = accounts.revoke(taken_back)
    _say(f"The token {change.jti} of {change.user} is revoked.")


def invite(
    name: Name,
    *,
    scope: ScopeWords = "control,queue",
    ttl: Ttl = "4h",
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The page's address as the guest reaches it."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The server's settings file.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Print a link that makes one guest's browser a remote control, until it ends.

    Example: soul-connect invite alice --scope queue --ttl 4h
    """
    try:
        settings = ServerSettings.load(config, {"data_dir": data_dir, "public_url": url})
    except SettingsError as error:
        raise SettingsError(str(error).replace("--public-url", "--url")) from None
    base = settings.public_url or _page(settings)
    with accounts_of(settings.data_dir) as accounts:
        invitation = accounts.invite(name, _scopes(scope), ttl=parse_ttl(ttl))
    # In the fragment: it is never sent, so no log of a proxy has it.
    link = f"{base.rstrip('/')}/#invite={invitation.code}"
    print(link)  # noqa: T201
    if _stays_here(base):
        _say("The link works on this machine only; for guests elsewhere add --url, or set public_url.")
    if sys.stdout.isatty():
        _show_code(link)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Copy the database, also while the server runs. Keys and certificates are not in it.

    Example: soul-connect backup /srv/backup/soul-connect.db
    """
    with _failures():
        from soul_coordinator.adapters.sqlite_upkeep import backup as copy

        copy(_database(data_dir), file)
    _say(f"The database is copied to {file}.")


def check(*, data_dir: DataDir = None) -> None:
    """Look whether the database is sound, also while the server runs.

    Example: soul-connect check
    """
    with _failures():
        from soul_coordinator.adapters.sqlite_connection import connect, reading
        from soul_coordinator.adapters.sqlite_upkeep import check as look

        with contextlib.closing(connect(_database(data_dir))) as connection, reading(connection):
            problems = look(connection)
    for problem in problems:
        print(problem)  # noqa: T201
    if problems:
        raise CliError(Exit.REJECTED, f"The database has {_count(len(problems), 'problem')}.")
    print("The database is sound.")  # noqa: T201


@contextlib.contextmanager
def accounts_of(data_dir: Path | None) -> "Iterator[Accounts]":
    """The accounts of a data directory; what they raise ends the command."""
    with _failures():
        from soul_coordinator.accounts import Accounts

        yield Accounts.of_data_dir(find_data_dir(data_dir))


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """What the server's parts raise, as the end of a command."""
    try:
        from soul_coordinator.accounts_errors import AccountError, BadRequest
        from soul_coordinator.accounts_key import DataDirectoryError
        from soul_coordinator.adapters.sqlite_errors import StoreError
    except ModuleNotFoundError as error:
        text = f"This needs the server's parts ({error.name} is missing): pip install 'soul-connect[server]'."
        raise CliError(Exit.USAGE, text) from None
    try:
        yield
    except (BadRequest, DataDirectoryError) as error:
        raise CliError(Exit.USAGE, str(error)) from error
    except (AccountError, StoreError) as error:
        raise CliError(Exit.REJECTED, str(error)) from error


def _database(data_dir: Path | None) -> Path:
    from soul_coordinator.adapters.sqlite_connection import DATABASE

    file = find_data_dir(data_dir) / DATABASE
    if not file.is_file():
        raise CliError(
            Exit.REJECTED, f"There is no database in {file.parent}; --data-dir names another place."
        )
    return file


def _password_from_stdin() -> str:
    line = sys.stdin.readline()
    return line.removesuffix("\n").removesuffix("\r")


def _scopes(words: str) -> frozenset[Scope]:
    return frozenset(Scope(word) for word in words.split(",") if word)


def _page(settings: ServerSettings) -> str:
    """The page of the server that runs, else where the settings would have it."""
    running = find_running(settings.data_dir)
    page = f"http://127.0.0.1:{settings.http_port}" if settings.http_port else None
    if running is not None:
        page = running.page
    if page is None:
        raise CliError(Exit.USAGE, "The server has no page of its own; --url says where the page is.")
    return page


def _stays_here(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _show_code(link: str) -> None:
    from qrcode.main import QRCode

    code = QRCode(border=2)
    code.add_data(link)
    code.print_ascii(tty=False, invert=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _say(sentence: str) -> None:
    """To a person: stdout is for what scripts read."""
    print(sentence, file=sys.stderr)  # noqa: T201
