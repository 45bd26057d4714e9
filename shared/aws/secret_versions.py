"""The versions of a secret while it is rotated (Secrets Manager User Guide, "Rotation by Lambda function")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.aws import session
from shared.core.errors import NotFoundError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"


class SecretVersions:
    """A secret has one version in use and at most one that is to take its place.

    Every method raises NotFoundError, ForbiddenError, TransientError.
    """

    def current(self, secret_id: str) -> tuple[str, str]:
        """The version in use: its id and its text."""
        with session.translated(f"secret {secret_id}"):
            answer = self._client.get_secret_value(SecretId=secret_id)
        return answer["VersionId"], answer["SecretString"]

    def pending(self, secret_id: str) -> str | None:
        """The id of the version that is to take its place, which may have no text yet; None when there is none.

        After a rotation the label may stay on the version that is current by now (API Reference, RotateSecret).
        """
        found = (v for v, labels in self._labels(secret_id).items() if PENDING in labels and CURRENT not in labels)
        return next(found, None)

    def text(self, secret_id: str, version: str) -> str | None:
        """The text of a version; None when it has none."""
        try:
            with session.translated(f"version {version} of secret {secret_id}"):
                return self._client.get_secret_value(SecretId=secret_id, VersionId=version)["SecretString"]
        except NotFoundError:
            return None

    def propose(self, secret_id: str, version: str, text: str) -> None:
        """Make `version`, with this text, the one that is to take the place of the current one."""
        with session.translated(f"secret {secret_id}"):
            self._client.put_secret_value(
                SecretId=secret_id, ClientRequestToken=version, SecretString=text, VersionStages=[PENDING]
            )

    def promote(self, secret_id: str, version: str) -> None:
        """Put `version` to use. Harmless when it is in use."""
        labels = self._labels(secret_id)
        (current,) = (v for v, own in labels.items() if CURRENT in own)
        with session.translated(f"secret {secret_id}"):
            if current != version:
                self._client.update_secret_version_stage(
                    SecretId=secret_id, VersionStage=CURRENT, MoveToVersionId=version, RemoveFromVersionId=current
                )
            if PENDING in labels[version]:
                self._client.update_secret_version_stage(
                    SecretId=secret_id, VersionStage=PENDING, RemoveFromVersionId=version
                )

    def _labels(self, secret_id: str) -> dict[str, list[str]]:
        with session.translated(f"secret {secret_id}"):
            return self._client.describe_secret(SecretId=secret_id).get("VersionIdsToStages", {})

    @property
    def _client(self) -> SecretsManagerClient:
        client: SecretsManagerClient = session.client("secretsmanager")
        return client
