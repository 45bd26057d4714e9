"""The secrets of one local installation: made up at its first start, kept in a file that only its owner reads."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from infra.local.console import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """Passwords of the database's roles, and the product's own secrets."""

    superuser: str
    owner: str
    runtime: str
    operator: str
    key_ring: str
    """32 bytes in base64. Whoever loses it loses every sealed token and text."""
    session: str
    webhook_signing: str

    def secret_values(
        self, databases: Mapping[str, Mapping[str, object]], clients: Mapping[str, Mapping[str, str]]
    ) -> dict[str, object]:
        """What goes into Secrets Manager, by the secret's name; `databases` in the shape RDS gives them, and our OAuth
        apps at the providers."""
        values: dict[str, object] = {
            **databases,
            "key-ring": {"primary": "k1", "keys": {"k1": self.key_ring}},
            "session": {"current": self.session, "previous": None},
            "webhook-signing": {"current": self.webhook_signing, "previous": None},
            "oauth-clients": clients,
        }
        return {f"kalends/local/{name}": value for name, value in values.items()}


def unlock(file: Path) -> Vault:
    """The vault in `file`; a new one where there is none."""
    if file.exists():
        try:
            return Vault(**json.loads(file.read_text()))
        except (ValueError, TypeError) as error:
            raise StartError(
                f"{file} is damaged: {error}. Restore it, or forget all local data with: make clean"
            ) from error
    made = Vault(
        key_ring=base64.b64encode(secrets.token_bytes(32)).decode(),
        **{name: secrets.token_urlsafe(32) for name in Vault.__dataclass_fields__ if name != "key_ring"},
    )
    write_private(file, asdict(made))
    return made


def write_private(file: Path, content: object) -> None:
    """Write JSON that only its owner may read, at once and whole."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as target:  # noqa: PTH123
        json.dump(content, target, indent=2)
    unfinished.replace(file)
