"""New passwords for the database's roles, while work goes on: each role has two users that take turns.

They are the role itself and its twin (`kalends_runtime`, `kalends_runtime_clone`; Secrets Manager User Guide, "Rotation
strategy: alternating users"), and may do the same: the twin is a member of the role, inherits its rights and the
policies of row-level security, and may become the operator where the role may. A rotation makes up a password for the
user that is not in use, and puts it to use; whoever is connected, or still knows the other user's password, is not
disturbed until the next rotation. The four steps are those that Secrets Manager asks for; each may be repeated, and
the whole may be taken up after any of them.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from shared.core.errors import InvalidError
from shared.store import migrate
from shared.store.conninfo import DatabaseSecret
from shared.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.aws.secret_versions import SecretVersions

type Step = Literal["createSecret", "setSecret", "testSecret", "finishSecret"]
STEPS: tuple[Step, ...] = ("createSecret", "setSecret", "testSecret", "finishSecret")
_TWIN = "_clone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The rotation of one role's secret. `owner_secret` reads the secret of the role that may make users."""

    secret_id: str
    versions: SecretVersions
    owner_secret: Callable[[], str]

    def run(self) -> str:
        """All four steps, or those that an interrupted rotation has left; answers the user that is in use from now on.

        What a step raises leaves the current user in use.
        """
        version = self.versions.pending(self.secret_id) or str(uuid4())
        for step in STEPS:
            self.take(step, version)
        return DatabaseSecret.parse(self.versions.current(self.secret_id)[1]).username

    def take(self, step: Step, version: str) -> None:
        """One step of the rotation to `version`; nothing is done when that version is in use.

        Raises InvalidError when the version to come is not the other user of the same database, and what the database
        and Secrets Manager raise.
        """
        current, text = self.versions.current(self.secret_id)
        if current == version:
            self.versions.promote(self.secret_id, version)  # its last label may be left over
            return
        match step:
            case "createSecret":
                if self.versions.text(self.secret_id, version) is None:
                    self.versions.propose(self.secret_id, version, _successor(text))
            case "setSecret":
                coming = self._coming(version, text)
                migrate.provide_user(
                    DatabaseSecret.parse(self.owner_secret()).conninfo,
                    user=coming.username,
                    password=coming.password,
                    role=coming.username.removesuffix(_TWIN),
                )
            case "testSecret":
                self._try(self._coming(version, text))
            case "finishSecret":
                self._try(self._coming(version, text))
                self.versions.promote(self.secret_id, version)

    def _coming(self, version: str, current: str) -> DatabaseSecret:
        text = self.versions.text(self.secret_id, version)
        if text is None:
            raise InvalidError(
                f"Version {version} of secret {self.secret_id} has no text: begin with createSecret.",
                code="ROTATION.OUT_OF_ORDER",
            )
        now, coming = DatabaseSecret.parse(current), DatabaseSecret.parse(text)
        where = (now.host, now.port, now.dbname, other_user(now.username))
        if (coming.host, coming.port, coming.dbname, coming.username) != where:
            raise InvalidError(
                f"Version {version} of secret {self.secret_id} is not the other user of the same database. "
                "Take the label AWSPENDING off it and rotate again.",
                code="ROTATION.FOREIGN_VERSION",
            )
        return coming

    @staticmethod
    def _try(coming: DatabaseSecret) -> None:
        """Sign in, and do what both roles must be able to."""
        database = Database(coming.conninfo)
        try:
            with database.everyone() as conn:
                conn.execute("SELECT count(*) FROM schema_migrations")
        finally:
            database.close()


def other_user(user: str) -> str:
    """The user that takes turns with `user`."""
    return user.removesuffix(_TWIN) if user.endswith(_TWIN) else user + _TWIN


def _successor(text: str) -> str:
    """The secret of the other user, with a new password; what else is in the secret stays."""
    now = DatabaseSecret.parse(text)
    return json.dumps({**json.loads(text), "username": other_user(now.username), "password": secrets.token_urlsafe(32)})
