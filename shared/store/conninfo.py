"""How to reach the database: from a secret of the RDS JSON shape to libpq's connection string."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from psycopg.conninfo import make_conninfo
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.core.errors import InvalidError

AUTHORITIES = Path(__file__).with_name("rds")
"""Who may sign for a database of RDS, one file for each region (infra/authorities.py says where they come from)."""
_OF_RDS = re.compile(r".+\.([a-z0-9-]+)\.rds\.amazonaws\.com")


class DatabaseSecret(BaseModel):
    """What RDS keeps in Secrets Manager for one database role."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = Field(min_length=1)
    port: int = 5432
    username: str = Field(min_length=1)
    password: str = Field(min_length=1)
    dbname: str = Field(min_length=1)
    sslrootcert: str = ""
    """The file with who may sign for a server that is neither here nor at RDS; empty: any public authority."""

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
        """libpq's connection string.

        Unless the database is on this machine, its certificate must be for its name and signed by RDS, or for other
        hosts by `sslrootcert` (PostgreSQL manual, "SSL Support", "Client Verification of Server Certificates"). Raises
        InvalidError for a region of RDS whose authorities are not known.
        """
        return make_conninfo(
            host=self.host,
            port=self.port,
            user=self.username,
            password=self.password,
            dbname=self.dbname,
            **_encryption(self.host, self.sslrootcert),
        )


def _encryption(host: str, named: str) -> dict[str, str]:
    if _is_local(host):
        return {"sslmode": "prefer"}
    return {"sslmode": "verify-full", "sslrootcert": _authorities(host, named)}


def _authorities(host: str, named: str) -> str:
    """The file with those who may sign for `host`."""
    match = _OF_RDS.fullmatch(host)
    if match is None:
        import certifi

        return named or certifi.where()
    file = AUTHORITIES / f"{match[1]}.pem"
    if not file.exists():
        raise InvalidError(
            f"It is not known who signs for databases in {match[1]}: see infra/authorities.py, or use another region.",
            code="CONFIG.DATABASE_REGION",
        )
    return str(file)


def _is_local(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
