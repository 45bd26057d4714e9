"""The whole local cloud, part after part, from the database to the front door."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra import ROOT, assets, layer, synth
from infra.local import accounts, aws, lambda_logs, ports, postgres, providers, proxy, vault
from infra.local.console import StartError, say, step
from infra.local.deployer import STACK, Deployer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from infra.local.accounts import RealAccounts
    from infra.local.child import Child

FACTS = "run.json"
"""In the directory while the cloud runs: addresses, DSNs, the stack's outputs."""
_DATABASE, _OWNER = "kalends", "kalends_owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line and the environment ask for."""

    directory: Path
    """Where everything that lasts is kept: data, secrets, logs."""
    port: int
    """The front door's; 0 is any free one, also for the parts behind it."""
    database_url: str = ""
    """A database to use instead of the embedded one."""
    real: RealAccounts | None = None
    """OAuth apps at the real providers; None: simulators stand in for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The started cloud: what others need to know, and the processes to watch."""

    base_url: str
    """Where people open it, and where providers send them back to."""
    simulators: Mapping[str, str]
    facts: dict[str, object]
    database: postgres.Server | None
    """None if it is somebody else's."""
    others: tuple[Child, ...]

    @property
    def children(self) -> tuple[Child, ...]:
        """The processes that must run now."""
        database = self.database
        return self.others if database is None or database.stopped else (database.process, *self.others)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold `directory` for this process alone. Raises StartError when another one has it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise StartError(f"The local cloud of {directory} is running already: {lock.read().strip()}") from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}\n")
        lock.flush()
        yield


def start(options: Options, stack: ExitStack) -> Running:
    """Start everything; `stack` stops it in the reverse order. Raises StartError, naming what is in the way."""
    directory = options.directory
    stack.enter_context(locked(directory))
    (directory / FACTS).unlink(missing_ok=True)  # of a run that was killed
    sockets = ports.listen(options.port)
    for socket in sockets:
        stack.callback(socket.close)
    port = int(sockets[0].getsockname()[1])
    here = f"http://localhost:{port}"
    base_url = (options.real.public_url if options.real else "") or here
    near = [port + offset if options.port else 0 for offset in range(1, 5)]

    keys = vault.unlock(directory / "secrets.json")
    databases, database = _database(options, keys, near[0], stack)
    accounts.keep_apart(_dsn(databases["database-owner"]), options.real)
    others = (
        providers.real(options.real)
        if options.real
        else providers.simulated(base_url=base_url, directory=directory, preferred=near[1:3], stack=stack)
    )
    _synthesize()
    stack.enter_context(assets.held(layer.tree("host")))  # every Lambda reads its dependencies there
    gateway = ports.available(near[3])
    endpoint = f"http://{ports.LOOPBACK}:{gateway}"
    with step("embedded AWS") as current:
        ministack = stack.enter_context(
            aws.running(port=gateway, workplace=directory / "tmp", log=directory / "logs" / "aws.log")
        )
        current.found = f"MiniStack on port {gateway}"
    deployer = Deployer(endpoint)
    with step("deployment") as current:
        template = deployer.upload(synth.assembly("local"))
        level = os.environ.get("LOG_LEVEL", "INFO")
        given = {"AppBaseUrl": base_url, "LogLevel": level, "EgressAllowedHosts": "localhost,127.0.0.1"}
        outputs = deployer.deploy(template, {**given, **others.parameters})
        deployer.put_secrets(keys.secret_values(databases, others.clients))
        current.found = f"stack {STACK}"
    stack.enter_context(lambda_logs.collected(endpoint, directory / "logs" / "lambda"))
    _migrate(deployer)
    api = f"{endpoint}/_aws/execute-api/{outputs['ApiId']}/$default"
    stack.enter_context(proxy.serving(sockets, api))
    _greet(here)
    facts: dict[str, object] = {
        "base_url": base_url,
        "address": here,
        **{f"{provider}_url": address for provider, address in others.simulators.items()},
        "aws_endpoint": endpoint,
        "aws_region": aws.REGION,
        **{name.replace("database", "dsn").replace("-", "_"): _dsn(secret) for name, secret in databases.items()},
        "outputs": outputs,
        "logs": str(directory / "logs"),
    }
    vault.write_private(directory / FACTS, facts)
    stack.callback((directory / FACTS).unlink, missing_ok=True)
    return Running(
        base_url=base_url,
        simulators=others.simulators,
        facts=facts,
        database=database,
        others=(ministack, *others.children),
    )


def first_administrator(running: Running) -> str:
    """The one-time link by which the first person becomes administrator; empty when there is one."""
    answer = Deployer(str(running.facts["aws_endpoint"])).invoke("ops-run", {"command": "admin-link"})
    return str(answer.get("link") or "")


def _database(
    options: Options, keys: vault.Vault, preferred: int, stack: ExitStack
) -> tuple[dict[str, dict[str, object]], postgres.Server | None]:
    """The secrets of the database's three roles, in the shape RDS gives them; the server if it is ours."""
    server: postgres.Server | None = None
    authority = {}
    if options.database_url:
        with step("database (DATABASE_URL)") as current:
            try:
                given = conninfo_to_dict(options.database_url)
                psycopg.connect(options.database_url, connect_timeout=5).close()
            except psycopg.Error as error:
                raise StartError(f"The database of DATABASE_URL does not answer: {error}") from error
            current.found = f"{given.get('host')}:{given.get('port', 5432)}/{given.get('dbname')}"
        owner = str(given.get("user")), str(given.get("password", ""))
        host, port, name = str(given.get("host")), int(given.get("port") or 5432), str(given.get("dbname"))
        authority = {"sslrootcert": given["sslrootcert"]} if "sslrootcert" in given else {}
    else:
        with step("database") as current:
            where = postgres.place(options.directory)
            fresh = postgres.initialise(where, options.directory, keys.superuser)
            server = stack.enter_context(
                postgres.running(
                    where,
                    port=ports.available(preferred),
                    superuser_password=keys.superuser,
                    log=options.directory / "logs" / "postgres.log",
                )
            )
            server.provide(database=_DATABASE, owner=_OWNER, password=keys.owner)
            current.found = f"PostgreSQL on port {server.port}{' (new)' if fresh else ''}"
        owner, host, port, name = (_OWNER, keys.owner), ports.LOOPBACK, server.port, _DATABASE
    roles = {
        "database": ("kalends_runtime", keys.runtime),
        "database-owner": owner,
        "database-operator": ("kalends_operator", keys.operator),
    }
    secrets: dict[str, dict[str, object]] = {
        secret: {
            **{"engine": "postgres", "host": host, "port": port, "username": user, "password": word, "dbname": name},
            **authority,
        }
        for secret, (user, word) in roles.items()
    }
    return secrets, server


def _dsn(secret: dict[str, object]) -> str:
    return make_conninfo(
        host=str(secret["host"]),
        port=str(secret["port"]),
        user=str(secret["username"]),
        password=str(secret["password"]),
        dbname=str(secret["dbname"]),
    )


def _synthesize() -> None:
    with step("template") as current:
        if synth.is_current("local"):
            current.found = "unchanged"
            return
        made = subprocess.run(
            [sys.executable, "-m", "infra.synth", "local"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in accounts.VARIABLES},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if made.returncode:
            raise StartError(f"The template could not be synthesized:\n{made.stdout}")
        current.found = "synthesized"


def _migrate(deployer: Deployer) -> None:
    with step("migrations") as current:
        applied = deployer.invoke("ops-run", {"command": "migrate"}).get("applied")
        current.found = f"applied {applied}" if applied else "none to apply"


def _greet(base_url: str) -> None:
    with step("first request") as current:
        deadline = time.monotonic() + 30
        while (status := providers.status(f"{base_url}/healthz")) == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        current.found = "healthy" if status == 200 else f"/healthz answers {status}: see the logs of health-healthz"


def forget(directory: Path) -> None:
    """Delete what the local cloud keeps outside `directory`. Raises StartError while it runs."""
    if directory.exists():
        with locked(directory):
            postgres.forget(directory)
            say(f"The local data in {directory} is forgotten.")
