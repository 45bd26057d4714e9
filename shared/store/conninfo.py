"""How to reach the database: from a secret of the RDS JSON shape to libpq's connection string."""

from __future__ import annotations

import ipaddress

from psycopg.conninfo import make_conninfo
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.core.errors import InvalidError


class DatabaseSecret(BaseModel):
    """What RDS keeps in Secrets Manager for one database role."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = Field(min_length=1)
    port: int = 5432
    username: str = Field(min_length=1)
    password: str = Field(min_length=1)
    dbname: str = Field(min_length=1)

    @classmethod
    def parse(cls, secret_json: str) -> DatabaseSecret:
        """Read the secret. Raises InvalidError, which names the bad fields and repeats no value."""
        try:
            return cls.model_validate_json(secret_json)
        except ValidationError as error:
            names = ", ".join(sorted({".".join(map(str, item["loc"])) or "(not JSON)" for item in error.errors()}))
            raise InvalidError(
                f"The database secret is malformed. Correct: {names}. It has the RDS shape: "
                "engine, host, port, username, password, dbname.",
                code="CONFIG.DATABASE_SECRET",
            ) from None

    @property
    def conninfo(self) -> str:
        """libpq's connection string; encrypted unless the database is on this machine."""
        return make_conninfo(
            host=self.host,
            port=self.port,
            user=self.username,
            password=self.password,
            dbname=self.dbname,
            sslmode="prefer" if _is_local(self.host) else "require",
        )


def _is_local(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
