"""Who stands at the other end: simulators on this machine, or the real Google and Microsoft."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from infra import ROOT
from infra.local import ports
from infra.local.accounts import CREDENTIALS, SIMULATED
from infra.local.child import Child
from infra.local.console import step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from infra.local.accounts import RealAccounts

PROVIDERS = tuple(CREDENTIALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """What the rest of the cloud needs to know of them."""

    clients: Mapping[str, Mapping[str, str]] = field(repr=False)
    """Our OAuth apps there, by provider."""
    parameters: Mapping[str, str]
    """The template's. Its defaults are the real providers' addresses."""
    simulators: Mapping[str, str] = field(default_factory=dict)
    """The simulators' addresses."""
    children: tuple[Child, ...] = ()


def redirect_uri(base_url: str, provider: str) -> str:
    """Where a provider sends people back to."""
    return f"{base_url}/oauth/{provider}/callback"


def real(accounts: RealAccounts) -> Providers:
    """The real ones."""
    return Providers(clients=accounts.clients, parameters={"MsTenantId": accounts.tenant})


def simulated(*, base_url: str, directory: Path, preferred: Sequence[int], stack: ExitStack) -> Providers:
    """Simulators, started; `preferred` are their ports."""
    started = {
        provider: _simulator(provider, directory, port, base_url, stack)
        for provider, port in zip(PROVIDERS, preferred, strict=True)
    }
    addresses = {provider: address for provider, (_, address) in started.items()}
    google, microsoft = addresses["google"], addresses["microsoft"]
    return Providers(
        clients=SIMULATED,
        parameters={
            "GoogleApiEndpoint": f"{google}/",
            "GoogleAuthUrl": f"{google}/o/oauth2/v2/auth",
            "GoogleTokenUrl": f"{google}/token",
            "GoogleRevokeUrl": f"{google}/revoke",
            "MicrosoftGraphEndpoint": f"{microsoft}/v1.0",
            "MicrosoftAuthority": microsoft,
        },
        simulators=addresses,
        children=tuple(child for child, _ in started.values()),
    )


def _simulator(provider: str, directory: Path, preferred: int, base_url: str, stack: ExitStack) -> tuple[Child, str]:
    with step(f"{provider.title()} simulator") as current:
        port = ports.available(preferred)
        (directory / "simulators").mkdir(exist_ok=True)
        callbacks = (redirect_uri(base_url, provider), f"{base_url}/auth/{provider}/callback")
        child = Child(
            f"The {provider.title()} simulator",
            [
                *(sys.executable, "-m", "infra.local.simulators", provider, "--port", str(port)),
                *("--state", str(directory / "simulators" / f"{provider}.json")),
                *(word for callback in callbacks for word in ("--redirect-uri", callback)),
            ],
            log=directory / "logs" / f"{provider}.log",
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"},
        )
        stack.callback(child.stop)
        address = f"http://localhost:{port}"
        child.wait_until(lambda: status(f"http://{ports.LOOPBACK}:{port}/_sim/accounts") == 200)
        current.found = address
    return child, address


def status(address: str) -> int:
    """The status that a GET of `address`, on this machine, answers; 0 when nobody does."""
    try:
        with urlopen(address, timeout=35) as answer:  # noqa: S310 - http, this machine
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except (URLError, OSError):
        return 0
