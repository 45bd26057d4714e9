"""The PostgreSQL server on RDS, its three roles' secrets, and the rotation of the owner's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Validations
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.log_group import log_group
from infra.constructs.network import PORT
from infra.constructs.secret import DATABASE_NAME, ROLES, secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import Stack
    from aws_cdk import aws_kms as kms

    from infra.catalogue import Need
    from infra.constructs.network import Network
    from infra.stages import Cloud, Stage

_LOGS = ("postgresql", "upgrade")


class Database(Construct):
    """An RDS instance that speaks TLS only. `secrets` are those of its roles, in the JSON shape of RDS.

    Point-in-time recovery comes with automated backups: any second of the last `backup_days` (RDS User Guide,
    "Restoring a DB instance to a specified time").
    """

    def __init__(self, stack: Stack, *, stage: Stage, cloud: Cloud, network: Network, key: kms.IKey) -> None:
        super().__init__(stack, "Database")
        size, name = cloud.database, f"kalends-{stage.name}"
        owner = secret(stack, "database_owner", stage=stage, key=key)
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_18)
        self.instance = rds.DatabaseInstance(
            self,
            "Server",
            instance_identifier=name,
            engine=engine,
            instance_type=ec2.InstanceType(size.instance),
            database_name=DATABASE_NAME,
            port=PORT,
            credentials=rds.Credentials.from_secret(owner, ROLES["database_owner"]),
            parameter_group=rds.ParameterGroup(
                self,
                "Parameters",
                engine=engine,
                description=f"Kalends ({stage.name}): TLS only, and no statement's content in a log",
                parameters={
                    "rds.force_ssl": "1",
                    "max_connections": str(size.connections),
                    "log_min_error_statement": "panic",
                    "log_parameter_max_length": "0",
                    "log_parameter_max_length_on_error": "0",
                },
            ),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[network.database],
            publicly_accessible=False,
            multi_az=size.two_zones,
            storage_type=rds.StorageType.GP3,
            allocated_storage=size.storage,
            max_allocated_storage=size.max_storage,
            storage_encrypted=True,
            storage_encryption_key=key,
            ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
            backup_retention=Duration.days(size.backup_days),
            preferred_backup_window="02:00-02:30",
            preferred_maintenance_window="sun:03:00-sun:03:30",
            copy_tags_to_snapshot=True,
            delete_automated_backups=not stage.keeps_data,
            deletion_protection=stage.keeps_data,
            removal_policy=RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY,
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=False,
            enable_performance_insights=True,
            performance_insight_encryption_key=key,
            performance_insight_retention=rds.PerformanceInsightRetention.DEFAULT,
            cloudwatch_logs_exports=list(_LOGS),
        )
        # RDS would make these groups itself, unsealed and for ever.
        for kind in _LOGS:
            scope = Construct(self, f"{kind.title()}Log")
            self.instance.node.add_dependency(
                log_group(scope, name=f"/aws/rds/instance/{name}/{kind}", stage=stage, key=key)
            )
        host = self.instance.instance_endpoint.hostname
        self.secrets: Mapping[Need, secretsmanager.Secret] = {
            "database_owner": owner,
            **{
                need: secret(stack, need, stage=stage, key=key, host=host) for need in ROLES if need != "database_owner"
            },
        }
        owner.add_rotation_schedule(
            "Rotation",
            automatically_after=Duration.days(30),
            rotate_immediately_on_update=False,
            hosted_rotation=secretsmanager.HostedRotation.postgre_sql_single_user(
                function_name=f"{name}-rotate-database-owner",
                vpc=network.vpc,
                vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                security_groups=[network.to_aws, network.to_database],
            ),
        )
        self._acknowledge(stage, cloud)

    def _acknowledge(self, stage: Stage, cloud: Cloud) -> None:
        reasons = {"AwsSolutions-RDS11": "Security groups say who may reach the port; another number hides nothing."}
        if not cloud.database.two_zones:
            reasons["AwsSolutions-RDS3"] = "This stage may be away for the minutes that a restore takes."
        if not stage.keeps_data:
            reasons["AwsSolutions-RDS10"] = "This stage is there to be thrown away."
        Validations.of(self.instance).acknowledge(*(Acknowledgment(id=id_, reason=why) for id_, why in reasons.items()))
