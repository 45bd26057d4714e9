"""A secret with a made-up first value: the one way a secret is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, RemovalPolicy, Validations
from aws_cdk import aws_secretsmanager as secretsmanager

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_kms as kms
    from constructs import Construct

    from infra.catalogue import Need
    from infra.stages import Stage

DATABASE_NAME = "kalends"
ROLES: Mapping[Need, str] = {
    "database": "kalends_runtime",
    "database_owner": "kalends_owner",
    "database_operator": "kalends_operator",
}
"""The needs that are a role of the database."""

# Need: meaning, and what the first deployment makes up (a template and the key of its random part). What nobody can
# make up, an operator puts in. The three of the database have the JSON shape of RDS.
_SECRETS: dict[Need, tuple[str, str, str]] = {
    "database": ("PostgreSQL: the role of the functions", "", "password"),
    "database_owner": ("PostgreSQL: the role that migrates", "", "password"),
    "database_operator": ("PostgreSQL: the role of the runbooks", "", "password"),
    "key_ring": ('Seals tokens and texts: {"primary":"k1","keys":{"k1":"<base64 of 32 bytes>"}}', "{}", "unset"),
    "session": ("Signs session cookies", '{"previous":null}', "current"),
    "oauth_clients": ('{"google":{"client_id","client_secret"},"microsoft":{the same}}', "{}", "unset"),
    "webhook_signing": ("Signs the tokens that providers send back", '{"previous":null}', "current"),
    "origin": ("CloudFront shows it to the API, which answers nobody else", '{"previous":null}', "current"),
}


def secret(scope: Construct, need: Need, *, stage: Stage, key: kms.IKey, host: str = "") -> secretsmanager.Secret:
    """The secret behind `need`. `host` is the database's address for its roles; empty: whoever knows it puts it in."""
    meaning, template, made_up = _SECRETS[need]
    if role := ROLES.get(need):
        template = f'{{"engine":"postgres","host":"{host}","port":5432,"dbname":"{DATABASE_NAME}","username":"{role}"}}'
    name = need.replace("_", "-")
    made = secretsmanager.Secret(
        scope,
        f"Secret{name.title().replace('-', '')}",
        secret_name=f"kalends/{stage.name}/{name}",
        description=meaning,
        encryption_key=key,
        generate_secret_string=secretsmanager.SecretStringGenerator(
            secret_string_template=template,
            generate_string_key=made_up,
            password_length=43,
            exclude_punctuation=True,
        ),
        removal_policy=RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY,
    )
    if need != "database_owner" or stage.cloud is None:
        reason = (
            "Rotated every 30 days by a function that stands in another stack."
            if need in ROLES
            else "Rotated by an operator, old and new side by side (see the shape of each secret)."
        )
        Validations.of(made).acknowledge(Acknowledgment(id="AwsSolutions-SMG4", reason=reason))
    return made
