"""Operations that need no web page and no token, only the right to invoke this function. Invoked by hand or a deploy.

{"command": "migrate"}
{"command": "admin-link", "email": "ada@example.com"}     (without email: only until there is an administrator)
{"command": "doctor"}
{"command": "gate", "name": "CALENDAR_SYNC_ENABLED", "open": true, "reason": "rollout"}
{"command": "gates"}
{"command": "stop-channels"}      (before the installation goes; closes CALENDAR_SYNC_ENABLED)
{"command": "reconcile"}      (after a restore, if nobody should wait for dispatch to notice it)
{"command": "rotate", "role": "runtime"}      (or operator; on AWS it happens every 30 days by itself)
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from functions.observability import observed
from shared.control import gates
from shared.core import clock
from shared.core.errors import InvalidError
from shared.operations import checks, setup, switches
from shared.sync import reconciliation
from shared.sync.listening import channels
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from shared.wiring import App


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Migrate(_Command):
    """Apply migrations, set the roles' passwords, save the default OAuth apps."""

    command: Literal["migrate"]

    def run(self, application: App) -> dict[str, Any]:
        """`{"applied": [1, 2], "oauth_apps": {"google": "<client id>"}}`."""
        settings, secrets = application.settings, application.secrets
        migrated = setup.migrate_database(
            application.database,
            owner_secret=secrets.get(settings.database_owner_secret_id, refresh=True),
            runtime_secret=secrets.get(settings.database_secret_id, refresh=True),
            operator_secret=secrets.get(settings.database_operator_secret_id, refresh=True),
            clients=application.oauth_clients(),
            microsoft_tenant=settings.ms_tenant_id,
        )
        return asdict(migrated)


class AdminLink(_Command):
    """The one-time link by which an administrator comes in."""

    command: Literal["admin-link"]
    email: str | None = Field(default=None, min_length=3)

    def run(self, application: App) -> dict[str, Any]:
        """`{"link": "<url>"}`; null when there is an administrator and no e-mail address was named."""
        link = setup.administrator_link(
            application.database, app_base_url=application.settings.app_base_url, now=clock.now(), email=self.email
        )
        return {"link": link}


class Doctor(_Command):
    """Look whether everything is set up."""

    command: Literal["doctor"]

    def run(self, application: App) -> dict[str, Any]:
        """`{"ok": true, "checks": [{"name", "ok", "detail", "code"}]}`."""
        findings = checks.examine(application)
        return {"ok": all(finding.ok for finding in findings), "checks": [asdict(finding) for finding in findings]}


class SetGate(_Command):
    """Open or close a gate."""

    command: Literal["gate"]
    name: str
    open: bool
    reason: str = Field(min_length=1, max_length=500)

    def run(self, application: App) -> dict[str, Any]:
        """The gate as it stands now."""
        operation = gates.operation(self.name)
        switches.set_gate(
            application.database, operation, opened=self.open, actor="ops", reason=self.reason, now=clock.now()
        )
        return {"name": self.name, "open": self.open}


class StopChannels(_Command):
    """Before the installation goes: stop every push channel, and let nothing open another."""

    command: Literal["stop-channels"]

    def run(self, application: App) -> dict[str, Any]:
        """`{"stopped": 7, "failed": 0, "left": 0}`. Ask again while some are `left`; `failed` ones run out."""
        reason, now = "The push channels are stopped: the installation goes.", clock.now()
        operation = gates.Operation.SYNC
        switches.set_gate(application.database, operation, opened=False, actor="ops", reason=reason, now=now)
        return asdict(channels.stop_everything(application.engine(), now=now))


class ListGates(_Command):
    """How the gates stand."""

    command: Literal["gates"]

    def run(self, application: App) -> dict[str, Any]:
        """`{"gates": [{"name", "open", "changed_by", "reason"}]}`."""
        with application.database.everyone() as conn:
            listed = gates.list_gates(conn, settings_flags=application.flags)
        return {"gates": [{"name": g.name, "open": g.open, "by": g.changed_by, "reason": g.reason} for g in listed]}


class Reconcile(_Command):
    """Bring everything that is linked back in step with its providers."""

    command: Literal["reconcile"]

    def run(self, application: App) -> dict[str, Any]:
        """`{"calendars": 7}`: so many are read in full, and searched for mirrors that nothing knows."""
        with application.database.everyone() as conn:
            return {"calendars": len(reconciliation.begin(conn, None, now=clock.now()))}


class Rotate(_Command):
    """Give a role's other user a new password, and put that user to use."""

    command: Literal["rotate"]
    role: Literal["runtime", "operator"]

    def run(self, application: App) -> dict[str, Any]:
        """`{"user": "kalends_runtime_clone"}`: who is in use from now on."""
        settings = application.settings
        secret = settings.database_secret_id if self.role == "runtime" else settings.database_operator_secret_id
        return {"user": application.rotation(secret).run()}


type _AnyCommand = Migrate | AdminLink | Doctor | SetGate | ListGates | StopChannels | Reconcile | Rotate

_COMMANDS: TypeAdapter[_AnyCommand] = TypeAdapter(Annotated[_AnyCommand, Field(discriminator="command")])


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run one command and answer its result. Raises InvalidError naming what is wrong with the command."""
    try:
        command = _COMMANDS.validate_python(event)
    except ValidationError as error:
        problems = {".".join(map(str, item["loc"])) or "command": item["msg"] for item in error.errors()}
        listing = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
        raise InvalidError(f"The command is not understood: {listing}", code="OPS.COMMAND", fields=problems) from None
    return command.run(app())
