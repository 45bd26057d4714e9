"""Settings: one frozen model, read once on the first call and never at import.

It holds the names of secrets, not secrets. A bad or missing variable gives one error that lists all of them.
"""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.core.errors import InvalidError

Stage = Literal["local", "dev", "staging", "prod"]
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_EC2_METADATA = ipaddress.ip_address("fd00:ec2::254")


class Settings(BaseSettings):
    """What a Lambda is told by its environment (written by `infra/constructs/function.py`)."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    stage: Stage
    app_base_url: str = Field(description="Public address of this installation, without a trailing slash.")
    log_level: str = "INFO"

    database_secret_id: str = ""
    database_owner_secret_id: str = ""
    database_operator_secret_id: str = ""
    key_ring_secret_id: str = ""
    session_secret_id: str = ""
    oauth_clients_secret_id: str = ""
    webhook_secret_id: str = ""

    pull_queue_url: str = ""
    push_queue_url: str = ""
    repair_queue_url: str = ""
    backfill_queue_url: str = ""
    dead_letter_queue_urls: str = Field(default="", description="Of all queues, separated by commas.")
    event_bus_name: str = ""

    google_api_endpoint: str = "https://www.googleapis.com/"
    google_auth_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    google_token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    google_revoke_url: str = "https://oauth2.googleapis.com/revoke"
    google_redirect_uri: str = ""
    microsoft_graph_endpoint: str = "https://graph.microsoft.com/v1.0"
    microsoft_authority: str = "https://login.microsoftonline.com"
    ms_tenant_id: str = "common"
    ms_redirect_uri: str = ""

    egress_allowed_hosts: str = Field(
        default="",
        description="Hosts that people's feeds and servers may stand on although their addresses are private, or "
        "although they speak plain http; names or addresses, separated by commas. This machine only if it is a laptop.",
    )

    # Only the literal string "true" opens a gate (runbook 004, S4-13..S4-16); the gates table decides at run time.
    calendar_sync_enabled: bool = False
    calendar_oauth_enabled: bool = False
    calendar_jobs_enabled: bool = False
    calendar_webhook_enabled: bool = False

    @field_validator("app_base_url", "microsoft_graph_endpoint", "microsoft_authority")
    @classmethod
    def _without_trailing_slash(cls, address: str) -> str:
        if not address.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return address.rstrip("/")

    @field_validator(
        "calendar_sync_enabled",
        "calendar_oauth_enabled",
        "calendar_jobs_enabled",
        "calendar_webhook_enabled",
        mode="before",
    )
    @classmethod
    def _only_true_is_true(cls, value: object) -> bool:
        return value is True or value == "true"

    @field_validator("egress_allowed_hosts")
    @classmethod
    def _not_this_machine(cls, hosts: str, info: ValidationInfo) -> str:
        if info.data.get("stage") != "local" and any(map(_is_the_machines_own, _listed(hosts))):
            raise ValueError("may name this machine and link-local addresses only where the stage is local")
        return hosts

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """The hosts of `egress_allowed_hosts`."""
        return _listed(self.egress_allowed_hosts)

    def redirect_uri(self, provider: str) -> str:
        """Where the provider sends a person back after consent: the setting, or this installation's own address."""
        configured = {"google": self.google_redirect_uri, "microsoft": self.ms_redirect_uri}.get(provider, "")
        return configured or f"{self.app_base_url}/oauth/{provider}/callback"

    def webhook_address(self, provider: str) -> str | None:
        """Where the provider posts notifications; None where none can arrive, so that calendars are polled.

        Google and Graph post to nothing but https; simulators on this machine post to it.
        """
        if self.app_base_url.startswith("https://") or self._is_simulated:
            return f"{self.app_base_url}/webhooks/{provider}"
        return None

    @property
    def warns_of_real_accounts(self) -> bool:
        """Whether this is somebody's trial on a laptop, and yet the calendars are real ones."""
        return self.stage == "local" and not self._is_simulated

    @property
    def _is_simulated(self) -> bool:
        """Whether every provider stands on this machine: by the addresses themselves, not by what somebody claims."""
        addresses = (
            self.google_api_endpoint,
            self.google_auth_url,
            self.google_token_url,
            self.google_revoke_url,
            self.microsoft_graph_endpoint,
            self.microsoft_authority,
        )
        return all(urlsplit(address).hostname in _THIS_MACHINE for address in addresses)


def _listed(hosts: str) -> tuple[str, ...]:
    return tuple(host.strip().lower() for host in hosts.split(",") if host.strip())


def _is_the_machines_own(host: str) -> bool:
    """Whether a Lambda's runtime interface, or what gives out its credentials, answers there."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
    return address.is_loopback or address.is_link_local or address.is_unspecified or address == _EC2_METADATA


def read_settings() -> Settings:
    """Read the environment. Raises InvalidError naming every bad variable at once, never their values."""
    try:
        return Settings()
    except ValidationError as error:
        problems = {str(item["loc"][0]).upper() if item["loc"] else "SETTINGS": item["msg"] for item in error.errors()}
        listing = "; ".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))
        raise InvalidError(
            f"Settings are missing or malformed. Correct these variables and start again: {listing}",
            code="CONFIG.INVALID",
            fields=problems,
        ) from None
