"""Secrets, by id. Values are kept for a minute, so that a rotated one is seen soon and AWS is asked rarely."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol

from shared.aws import session
from shared.core.errors import InvalidError, TransientError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

TIME_TO_LIVE = 60.0

log = logging.getLogger(__name__)


class SecretStore(Protocol):
    """Where secrets stand."""

    def get(self, secret_id: str, *, refresh: bool = False) -> str:
        """The secret's text; `refresh` asks again now, for instance after it was refused."""


class SecretsManager:
    """AWS Secrets Manager. If it cannot be reached, a value that was read before goes on serving."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, str]] = {}

    def get(self, secret_id: str, *, refresh: bool = False) -> str:
        """The secret's text. Raises NotFoundError, ForbiddenError, TransientError, InvalidError (no id, no text)."""
        if not secret_id:
            raise InvalidError("A secret's id is not set: see the function's needs.", code="CONFIG.SECRET_ID_MISSING")
        read_at, text = self._known.get(secret_id, (0.0, ""))
        if text and not refresh and time.monotonic() - read_at < TIME_TO_LIVE:
            return text
        client: SecretsManagerClient = session.client("secretsmanager")
        try:
            with session.translated(f"secret {secret_id}"):
                answer = client.get_secret_value(SecretId=secret_id)
        except TransientError:
            if not text or refresh:
                raise
            log.warning("secret could not be read again; the known value goes on", extra={"secret_id": secret_id})
            return text
        text = answer.get("SecretString", "")
        if not text:
            raise InvalidError(f"Secret {secret_id} holds no text.", code="CONFIG.SECRET_EMPTY")
        self._known[secret_id] = time.monotonic(), text
        return text
