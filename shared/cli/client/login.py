"""The login: which host, as whom, with which token. One file of the user's, readable by nobody else."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from shared.cli.screen.problem import MISUSED, CliError

_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where one is logged in. `token_id` is None for a token that was brought along: it is not ours to revoke."""

    host: str
    email: str
    token: str = field(repr=False)
    token_id: str | None = None


_LOGIN = TypeAdapter(Login)


def path() -> Path:
    """The file: KALENDS_CONFIG, or kalends/config.json in XDG_CONFIG_HOME (XDG Base Directory Specification)."""
    if named := os.environ.get("KALENDS_CONFIG"):
        return Path(named).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME", "")
    # Relative paths are invalid there and to be ignored, says the specification.
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".config") / "kalends" / "config.json"


def find() -> Login | None:
    """The login, or None. Raises CliError for a file that cannot be read, or is none."""
    file = path()
    try:
        return _LOGIN.validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no login"
        todo = "Log in again: kalends login --host URL"
        raise CliError(f"{file} cannot be read: {reason}.", code="LOGIN.UNREADABLE", todo=todo) from None


def require() -> Login:
    """The login. Raises CliError when there is none."""
    found = find()
    if found is None:
        raise CliError("You are not logged in.", code="LOGIN.NONE", todo="Log in: kalends login --host URL")
    return found


def save(login: Login) -> Path:
    """Keep the login and answer where. The file is whole at any moment, and its owner's alone from the first byte."""
    file = path()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=file.parent, prefix=".kalends-", delete_on_close=False) as fresh:
            json.dump(asdict(login), fresh, indent=2)
            fresh.close()
            Path(fresh.name).replace(file)
    except OSError as error:
        todo = "Name another place in KALENDS_CONFIG."
        message = f"The login cannot be kept in {file}: {error.strerror}."
        raise CliError(message, code="LOGIN.UNWRITABLE", todo=todo) from None
    return file


def forget() -> None:
    """Delete the login."""
    path().unlink(missing_ok=True)


def host(address: str) -> str:
    """An address as a host: scheme, name and port. Raises CliError where a token would travel in clear text."""
    text = address.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        message = "The host is an address such as https://kalends.example.com, without path or password."
        raise CliError(message, code="LOGIN.HOST", exit_code=MISUSED)
    if parts.scheme == "http" and not is_here(text):
        message = f"{text} is not encrypted: whoever is on the way could read your password and token."
        raise CliError(message, code="LOGIN.INSECURE", todo="Use its https:// address.", exit_code=MISUSED)
    return text


def is_here(host: str) -> bool:
    """Whether it is this machine."""
    return urlsplit(host).hostname in _HERE
