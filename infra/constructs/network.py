"""The network: isolated subnets for the database, private ones for the functions, and security groups by need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.constructs.log_group import log_group

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk import aws_kms as kms

    from infra.catalogue import Need
    from infra.stages import Cloud, Stage

PORT = 5432
_DATABASE: frozenset[Need] = frozenset({"database", "database_owner", "database_operator", "database_rotation"})
_NOWHERE = ec2.CfnSecurityGroup.EgressProperty(
    ip_protocol="icmp",
    cidr_ip="255.255.255.255/32",
    from_port=252,
    to_port=86,
    description="Nowhere",
)
ENDPOINTS = {
    "SecretsManager": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "Sqs": ec2.InterfaceVpcEndpointAwsService.SQS,
    "Events": ec2.InterfaceVpcEndpointAwsService.EVENTBRIDGE,
}


class Network(Construct):
    """A VPC in which nothing may talk but by a security group's leave.

    `to_database`, `to_aws` and `to_internet` are what a function may wear: each opens one way out. `database` and
    `endpoints` stand at the other end.
    """

    def __init__(self, scope: Construct, *, stage: Stage, cloud: Cloud, key: kms.IKey) -> None:
        super().__init__(scope, "Network")
        nat = cloud.network.nat_gateways
        subnets = [
            ec2.SubnetConfiguration(name="Functions", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=22),
            ec2.SubnetConfiguration(name="Database", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=26),
        ]
        if nat:
            subnets.append(
                ec2.SubnetConfiguration(
                    name="Gateways", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=27, map_public_ip_on_launch=False
                )
            )
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=f"kalends-{stage.name}",
            ip_addresses=ec2.IpAddresses.cidr("10.61.0.0/16"),
            ip_protocol=ec2.IpProtocol.IPV4_ONLY if nat else ec2.IpProtocol.DUAL_STACK,
            max_azs=cloud.network.zones,
            nat_gateways=nat,
            subnet_configuration=subnets,
        )
        self.by_ipv6 = not nat
        rejected = log_group(self, name=f"/aws/vendedlogs/kalends-{stage.name}/network", stage=stage, key=key)
        self.vpc.add_flow_log(
            "Rejected",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(rejected),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        self.database = self._group("Database", "The database: functions that need it, by PostgreSQL")
        self.endpoints = self._group("Endpoints", "The AWS services that functions call")
        self.to_database = self._group("ToDatabase", "May reach the database")
        self.to_aws = self._group("ToAws", "May reach the AWS services that functions call")
        self.to_internet = self._group("ToInternet", "May reach calendar providers by HTTPS")
        self._open(self.to_database, self.database, PORT)
        self._open(self.to_aws, self.endpoints, 443)
        self.to_internet.add_egress_rule(
            ec2.Peer.any_ipv6() if self.by_ipv6 else ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "Calendar providers"
        )
        for name, service in ENDPOINTS.items():
            self.vpc.add_interface_endpoint(
                name,
                service=service,
                open=False,
                security_groups=[self.endpoints],
                subnets=ec2.SubnetSelection(subnets=self.vpc.private_subnets[: cloud.network.endpoint_zones]),
            )

    def groups(self, needs: Iterable[Need]) -> list[ec2.ISecurityGroup]:
        """What a function with these needs wears; every function reads a secret, so all may reach AWS."""
        wanted = set(needs)
        worn = [self.to_aws]
        if wanted & _DATABASE:
            worn.append(self.to_database)
        if "internet" in wanted:
            worn.append(self.to_internet)
        return list(worn)

    def _group(self, name: str, meaning: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self.vpc, description=meaning, allow_all_outbound=False)

    @staticmethod
    def _open(source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int) -> None:
        source.add_egress_rule(target, ec2.Port.tcp(port))
        target.add_ingress_rule(source, ec2.Port.tcp(port))
        group = source.node.default_child
        if not isinstance(group, ec2.CfnSecurityGroup):
            raise TypeError("CDK no longer makes an AWS::EC2::SecurityGroup of a SecurityGroup")
        # EC2 lets a group without a rule of its own out everywhere, and the rule above is a resource beside it.
        group.security_group_egress = [_NOWHERE]
