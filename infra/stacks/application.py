"""The application: HTTP API, Lambdas, queues, schedules, bus, secrets. The database and the alarms stand elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import AssetHashType, CfnOutput, CfnParameter, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_

from infra import assets, layer
from infra.catalogue import CATALOGUE, Http, Invoke, Queue, Rotation, Schedule
from infra.constructs.api import Api
from infra.constructs.closed import close_unless_deployable
from infra.constructs.domain import Domain
from infra.constructs.front import Front
from infra.constructs.function import QUEUES, ROTATED, SECRETS, Handler, Surroundings
from infra.constructs.key import encryption_key
from infra.constructs.migration import Migration
from infra.constructs.queue import WorkQueue
from infra.constructs.rotation import rotate
from infra.constructs.schedule import Tick
from infra.constructs.secret import secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

    from infra.catalogue import Function, QueueName
    from infra.stacks.data import Data
    from infra.stages import Stage

# Variable, parameter, default, meaning. The defaults are the real providers; the local cloud passes its simulators.
PARAMETERS = (
    ("GOOGLE_API_ENDPOINT", "GoogleApiEndpoint", "https://www.googleapis.com/", "Google APIs"),
    ("GOOGLE_AUTH_URL", "GoogleAuthUrl", "https://accounts.google.com/o/oauth2/v2/auth", "Google consent page"),
    ("GOOGLE_TOKEN_URL", "GoogleTokenUrl", "https://oauth2.googleapis.com/token", "Google token endpoint"),
    ("GOOGLE_REVOKE_URL", "GoogleRevokeUrl", "https://oauth2.googleapis.com/revoke", "Google revocation endpoint"),
    ("MICROSOFT_GRAPH_ENDPOINT", "MicrosoftGraphEndpoint", "https://graph.microsoft.com/v1.0", "Microsoft Graph"),
    ("MICROSOFT_AUTHORITY", "MicrosoftAuthority", "https://login.microsoftonline.com", "Microsoft sign-in"),
    ("MS_TENANT_ID", "MsTenantId", "common", "The Microsoft tenant whose people may connect, or common"),
    (
        "EGRESS_ALLOWED_HOSTS",
        "EgressAllowedHosts",
        "",
        "Private hosts that feeds and calendar servers may stand on, separated by commas",
    ),
    ("LOG_LEVEL", "LogLevel", "INFO", "DEBUG, INFO, WARNING or ERROR"),
)
_OPERATIONS = "ops-run"
GATES = ("CALENDAR_SYNC_ENABLED", "CALENDAR_OAUTH_ENABLED", "CALENDAR_JOBS_ENABLED", "CALENDAR_WEBHOOK_ENABLED")


class Application(Stack):
    """Everything of one stage that is not its database or an alarm. On AWS it stands on the stack `data`."""

    def __init__(self, scope: Construct, stage: Stage, data: Data | None) -> None:
        super().__init__(
            scope,
            "Application",
            stack_name=f"kalends-{stage.name}",
            description=f"Kalends ({stage.name}): HTTP API, functions, queues, schedules, bus and secrets",
            termination_protection=stage.keeps_data,
        )
        self._stage = stage
        self._key = encryption_key(
            self,
            stage=stage,
            meaning="secrets, queues and logs",
            log_groups=("/aws/lambda/kalends", "/aws/vendedlogs/kalends"),
        )
        given = data.database.secrets if data else {}
        self._queues = {
            line.trigger.name: self._queue(line.trigger.name, timeout=line.timeout)
            for line in CATALOGUE
            if isinstance(line.trigger, Queue)
        }
        self._api = Api(self, stage=stage, key=self._key)
        code = assets.package(assets.code())
        self._around = Surroundings(
            stage=stage,
            code=_package(code),
            layer=lambda_.LayerVersion(
                self,
                "Dependencies",
                description="What requirements.lock names",
                code=_package(layer.build(stage.platform)),
                compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
            ),
            key=self._key,
            secrets={
                need: given.get(need) or secret(self, need, stage=stage, key=self._key)
                for need in SECRETS
                if need != "origin" or stage.has_front
            },
            queues={need: self._queues[name].queue for need, name in QUEUES.items()},
            dead_letters=[work.dead_letters for work in self._queues.values()],
            bus=events.EventBus(self, "Bus", event_bus_name=f"kalends-{stage.name}"),
            variables=self._variables(),
            network=data.network if data else None,
        )
        handlers = {line.name: self._function(line) for line in CATALOGUE}
        if data:  # on a laptop the local cloud migrates, and its proxy has the address
            self._migrate_before(handlers, code=code)
            if stage.has_front:
                Front(self, self._api, stage=stage, origin=self._around.secrets["origin"])
            else:
                Domain(self, self._api)
        self.api_id = self._api.api.api_id
        CfnOutput(self, "ApiId", value=self.api_id)
        CfnOutput(self, "ApiUrl", value=self._api.api.api_endpoint)
        close_unless_deployable(self, stage)

    def _function(self, line: Function) -> Handler:
        handler = Handler(self, line, self._around)
        match line.trigger:
            case Http() as trigger:
                self._api.serve(trigger, line.name, handler.function)
            case Queue() as trigger:
                queue = self._queues[trigger.name].queue
                handler.consume(queue, self._around, batch=trigger.batch, workers=self._stage.workers[trigger.name])
            case Schedule() as trigger:
                Tick(self, line.name, stage=self._stage, when=trigger, target=handler.function)
            case Rotation() as trigger:
                if self._stage.cloud:
                    for need in ROTATED:
                        rotate(self, self._around.secrets[need], by=handler.function, every=trigger.days)
            case Invoke():
                pass
        return handler

    def _migrate_before(self, handlers: Mapping[str, Handler], *, code: assets.Asset) -> None:
        """Migrate with the new operations function before any other function is made or changed."""
        operations = handlers[_OPERATIONS]
        migration = Migration(
            self, stage=self._stage, key=self._key, operations=operations.function, code=code.fingerprint
        )
        for handler in handlers.values():
            if handler is not operations:
                handler.function.node.add_dependency(migration.done)

    def _queue(self, name: QueueName, *, timeout: int) -> WorkQueue:
        work = WorkQueue(
            self,
            f"{name.title()}Work",
            name=name,
            stage=self._stage,
            key=self._key,
            consumer_timeout=timeout,
        )
        CfnOutput(self, f"{name.title()}QueueUrl", value=work.queue.queue_url)
        CfnOutput(self, f"{name.title()}DeadLettersUrl", value=work.dead_letters.queue_url)
        return work

    def _variables(self) -> dict[str, str]:
        """The settings that every function reads."""
        base_url = CfnParameter(
            self,
            "AppBaseUrl",
            description="Public address of this installation, without a trailing slash",
            allowed_pattern="https?://[^/]+" if self._stage.name == "local" else "https://[^/]+",
        )
        variables = {
            name: CfnParameter(self, parameter, description=meaning, default=default).value_as_string
            for name, parameter, default, meaning in PARAMETERS
        }
        gates = dict.fromkeys(GATES, "true" if self._stage.gates_open else "false")
        return {"STAGE": self._stage.name, "APP_BASE_URL": base_url.value_as_string, **variables, **gates}


def _package(asset: assets.Asset) -> lambda_.Code:
    # The hash of the sources, not of the zip: templates stay the same on every machine.
    return lambda_.Code.from_asset(str(asset.path), asset_hash=asset.fingerprint, asset_hash_type=AssetHashType.CUSTOM)
