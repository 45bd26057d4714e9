"""The key that signs id tokens."""

import functools
import secrets
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey


@functools.cache
def _key() -> tuple[str, RSAKey]:
    """The process's key with its id: making one takes a tenth of a second."""
    id_ = secrets.token_hex(20)
    return id_, RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": id_})


class SigningKey:
    """An RSA key that lives as long as the process; clients learn its public half from `jwks`."""

    def __init__(self) -> None:
        self._id, self._key = _key()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT (RS256) with these claims."""
        return jwt.encode({"alg": "RS256", "kid": self._id, "typ": "JWT"}, dict(claims), self._key)

    def jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517) to check signatures with."""
        return {"keys": [self._key.as_dict(private=False)]}
