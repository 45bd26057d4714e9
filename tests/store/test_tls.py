"""A database elsewhere must prove who it is: a real PostgreSQL behind real TLS, under an authority made for the test.

The embedded PostgreSQL is built without TLS. A listener in front of it takes PostgreSQL's SSLRequest (manual,
"Message Flow", "SSL Session Encryption"), makes the handshake, and passes the rest on.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.conninfo import make_conninfo

from shared.core.errors import InvalidError
from shared.store import conninfo
from tests.postgres import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Logins

HOST = "kalends-dev.c0ffee.eu-central-1.rds.amazonaws.com"
NOW = datetime.now(UTC)


class Authority:
    """Somebody who signs certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Root CA")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self._own = self._certificate(self._name, self._key, constraints)

    @property
    def pem(self) -> bytes:
        """What a client trusts."""
        return self._own.public_bytes(serialization.Encoding.PEM)

    def issue(self, host: str) -> tuple[bytes, bytes]:
        """Certificate and key of a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._certificate(name, key, x509.SubjectAlternativeName([x509.DNSName(host)]))
        return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _certificate(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        unsigned = x509.CertificateBuilder(
            subject_name=name,
            issuer_name=self._name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=NOW - timedelta(days=1),
            not_valid_after=NOW + timedelta(days=1),
        )
        return unsigned.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Who signs for the server."""
    return Authority()


class Front:
    """Listens in front of a PostgreSQL; `context` None: it has no TLS, and says so."""

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        self._behind, self._context = port, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            assert client.recv(8) == bytes.fromhex("0000000804d2162f")  # SSLRequest
            client.sendall(b"S" if self._context else b"N")
            if self._context:
                with self._context.wrap_socket(client, server_side=True) as spoken:
                    self._pass_on(spoken)

    def _pass_on(self, client: ssl.SSLSocket) -> None:
        with socket.create_connection(("127.0.0.1", self._behind)) as server:
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join(5)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def speaking_as(host: str, authority: Authority, folder: Path) -> ssl.SSLContext:
    """TLS with a certificate for `host`."""
    for name, pem in zip(("crt", "key"), authority.issue(host), strict=True):
        (folder / name).write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context


@pytest.fixture
def front(authority: Authority, logins: Logins, tmp_path: Path) -> Iterator[Front]:
    """A PostgreSQL that speaks TLS as `HOST`."""
    with contextlib.closing(Front(logins.port, speaking_as(HOST, authority, tmp_path))) as listening:
        yield listening


@pytest.fixture
def front_without_tls(logins: Logins) -> Iterator[Front]:
    """A PostgreSQL that speaks no TLS."""
    with contextlib.closing(Front(logins.port, None)) as listening:
        yield listening


@pytest.fixture
def trusting(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's authority stands where RDS's stand."""
    (tmp_path / "eu-central-1.pem").write_bytes(authority.pem)
    monkeypatch.setattr(conninfo, "AUTHORITIES", tmp_path)


def connect(front: Front, logins: Logins, host: str = HOST, **more: str) -> psycopg.Connection:
    """Connect as a Lambda would whose secret names `host`; only the way to it is given, instead of by DNS."""
    secret = {**json.loads(logins.secret(RUNTIME)), "host": host, "port": front.port, **more}
    settings = conninfo.DatabaseSecret.parse(json.dumps(secret)).conninfo
    return psycopg.connect(make_conninfo(settings, hostaddr="127.0.0.1", connect_timeout=5))


@pytest.mark.usefixtures("trusting")
def test_the_right_server_under_the_right_authority_is_spoken_to_by_tls(front: Front, logins: Logins) -> None:
    with connect(front, logins) as conn:
        row = conn.execute("SELECT current_user").fetchone()

        assert conn.pgconn.ssl_in_use
    assert row == (RUNTIME,)


def test_an_authority_that_is_not_that_of_rds_is_refused(front: Front, logins: Logins) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect(front, logins)


@pytest.mark.usefixtures("trusting")
def test_another_name_than_that_of_the_certificate_is_refused(front: Front, logins: Logins) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        connect(front, logins, "somebody-else.c0ffee.eu-central-1.rds.amazonaws.com")


@pytest.mark.usefixtures("trusting")
def test_a_server_without_tls_is_refused(front_without_tls: Front, logins: Logins) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        connect(front_without_tls, logins)


def test_outside_rds_a_private_authority_is_refused(front: Front, logins: Logins) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect(front, logins, "db.example")


def test_outside_rds_a_private_authority_may_be_named(logins: Logins, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(authority.pem)

    with contextlib.closing(Front(logins.port, speaking_as("db.example", authority, tmp_path))) as front:
        connect(front, logins, "db.example", sslrootcert=str(tmp_path / "own.pem")).close()


def test_at_rds_nobody_else_may_be_named(front: Front, logins: Logins, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(authority.pem)

    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect(front, logins, sslrootcert=str(tmp_path / "own.pem"))


def test_a_region_whose_authorities_are_not_known_is_named(front: Front, logins: Logins) -> None:
    with pytest.raises(InvalidError, match="mars-east-1"):
        connect(front, logins, "kalends-dev.c0ffee.mars-east-1.rds.amazonaws.com")
