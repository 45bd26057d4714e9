"""What an installation on AWS stands on: the network, the database and its secrets. The stage `local` has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Stack

from infra.constructs.closed import close_unless_deployable
from infra.constructs.database import Database
from infra.constructs.key import encryption_key
from infra.constructs.network import Network

if TYPE_CHECKING:
    from constructs import Construct

    from infra.stages import Cloud, Stage


class Data(Stack):
    """Network and database of one stage; `network` and `database.secrets` are what the application takes from it."""

    def __init__(self, scope: Construct, stage: Stage, cloud: Cloud) -> None:
        super().__init__(
            scope,
            "Data",
            stack_name=f"kalends-{stage.name}-data",
            description=f"Kalends ({stage.name}): network, database and the secrets of its roles",
            termination_protection=stage.keeps_data,
        )
        key = encryption_key(
            self,
            stage=stage,
            meaning="database, its secrets and logs",
            log_groups=("/aws/rds/instance/kalends", "/aws/vendedlogs/kalends"),
        )
        self.network = Network(self, stage=stage, cloud=cloud, key=key)
        self.database = Database(self, stage=stage, cloud=cloud, network=self.network, key=key)
        CfnOutput(self, "DatabaseHost", value=self.database.instance.instance_endpoint.hostname)
        close_unless_deployable(self, stage)
