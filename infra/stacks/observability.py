"""What tells an operator: alarms by e-mail, a dashboard, a budget. Metrics go by name: nothing here binds the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws, CfnParameter, Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from infra import ROOT, alerts
from infra.catalogue import CATALOGUE, Queue
from infra.constructs.closed import close_unless_deployable
from infra.constructs.key import encryption_key

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct

    from infra.alerts import Rule
    from infra.stacks.application import Application
    from infra.stages import Cloud, Stage

_PERIOD = Duration.minutes(5)
_BEYOND = {
    "above": cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    "below": cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
}
_SILENCE = {"good": cloudwatch.TreatMissingData.NOT_BREACHING, "bad": cloudwatch.TreatMissingData.BREACHING}


class Observability(Stack):
    """Alarms on everything that fails without anybody looking, for the person behind the parameter AlarmEmail."""

    def __init__(self, scope: Construct, stage: Stage, cloud: Cloud, application: Application) -> None:
        super().__init__(
            scope,
            "Observability",
            stack_name=f"kalends-{stage.name}-observability",
            description=f"Kalends ({stage.name}): alarms, dashboard and budget",
        )
        self.add_stack_dependency(application)
        self._prefix = f"kalends-{stage.name}"
        self._api_id = application.api_id
        email = CfnParameter(
            self,
            "AlarmEmail",
            description="Who is told of alarms and of the budget; confirms by the link in the first e-mail",
            allowed_pattern="[^@\\s]+@[^@\\s]+",
        ).value_as_string
        topic = self._topic(encryption_key(self, stage=stage, meaning="alarms on their way"))
        topic.add_subscription(subscriptions.EmailSubscription(email))
        for rule in alerts.rules():
            for name in alerts.subjects(rule):
                self._alarm(rule, name, topic, cloud)
        self._dashboard()
        self._budget(stage, cloud, email)
        close_unless_deployable(self, stage)

    def _alarm(self, rule: Rule, name: str, topic: sns.ITopic, cloud: Cloud) -> None:
        called = rule.name.format(name=name)
        alarm = cloudwatch.Alarm(
            self,
            "".join(word.title() for word in called.split("-")),
            alarm_name=f"{self._prefix}-{called}",
            alarm_description=f"[{rule.severity}] {rule.meaning.format(name=name)}. "
            f"What to do: {alerts.HANDBOOK.relative_to(ROOT)}#{rule.do}",
            metric=self._watched(rule, name),
            threshold=_threshold(rule, cloud),
            evaluation_periods=rule.periods,
            comparison_operator=_BEYOND[rule.beyond],
            treat_missing_data=_SILENCE[rule.silence],
        )
        tell = actions.SnsAction(topic)
        alarm.add_alarm_action(tell)
        alarm.add_ok_action(tell)

    def _watched(self, rule: Rule, name: str) -> cloudwatch.IMetric:
        period = Duration.minutes(rule.period)
        metric = self._metric(rule, name, rule.metric).with_(period=period)
        if rule.per is None:
            return metric
        return cloudwatch.MathExpression(
            expression="IF(whole > 0, 100 * part / whole, 0)",
            using_metrics={"part": metric, "whole": self._metric(rule, name, rule.per).with_(period=period)},
            label=rule.condition,
            period=period,
        )

    def _metric(self, rule: Rule, name: str, metric: str) -> cloudwatch.Metric:
        match rule.each:
            case "function":
                return self._function(name, metric, rule.statistic)
            case "queue":
                return self._queue(name, metric, rule.statistic)
            case "dead_letters":
                return self._queue(f"{name}-dead", metric, rule.statistic)
            case "api":
                return self._api(metric, rule.statistic)
            case "database":
                return self._database(metric, rule.statistic)

    def _topic(self, key: kms.Key) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", topic_name=f"{self._prefix}-alarms", master_key=key, enforce_ssl=True)
        alarms = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        ours = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[alarms], actions=["sns:Publish"], resources=[topic.topic_arn], conditions=ours
            )
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[alarms],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],  # in a key's policy: this key
                conditions=ours,
            )
        )
        return topic

    def _dashboard(self) -> None:
        queues = [line.trigger.name for line in CATALOGUE if isinstance(line.trigger, Queue)]
        names = [line.name for line in CATALOGUE]
        board = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=self._prefix)
        board.add_widgets(
            _graph(
                "Waiting messages", *(self._queue(q, "ApproximateNumberOfMessagesVisible", "Maximum") for q in queues)
            ),
            _graph(
                "Age of the oldest message, s",
                *(self._queue(q, "ApproximateAgeOfOldestMessage", "Maximum") for q in queues),
            ),
            _graph(
                "Dead letters",
                *(self._queue(f"{q}-dead", "ApproximateNumberOfMessagesVisible", "Maximum") for q in queues),
            ),
        )
        board.add_widgets(
            _graph("Function errors", *(self._function(name, "Errors") for name in names)),
            _graph("Function throttles", *(self._function(name, "Throttles") for name in names)),
            _graph("Function duration, ms (p95)", *(self._function(name, "Duration", "p95") for name in names)),
        )
        board.add_widgets(
            _graph("Requests and failures", *(self._api(metric, "Sum") for metric in ("Count", "4xx", "5xx"))),
            _graph("API latency, ms", *(self._api("Latency", part) for part in ("p50", "p95", "p99"))),
            _graph(
                "Database: processor, %, and connections",
                self._database("CPUUtilization", "Average"),
                self._database("DatabaseConnections", "Maximum"),
            ),
        )
        board.add_widgets(
            _graph(
                "Database: free memory and disk, bytes",
                self._database("FreeableMemory", "Minimum"),
                self._database("FreeStorageSpace", "Minimum"),
            ),
        )

    def _budget(self, stage: Stage, cloud: Cloud, email: str) -> None:
        """Counts what bears the tag `stage`: an account has to activate it as a cost allocation tag."""
        subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="EMAIL", address=email)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=self._prefix,
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=cloud.monthly_budget, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:stage${stage.name}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind, comparison_operator="GREATER_THAN", threshold=percent
                    ),
                    subscribers=[subscriber],
                )
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )

    def _function(self, name: str, metric: str, statistic: str = "Sum") -> cloudwatch.Metric:
        return _metric("AWS/Lambda", metric, statistic, FunctionName=f"{self._prefix}-{name}")

    def _queue(self, name: str, metric: str, statistic: str) -> cloudwatch.Metric:
        return _metric("AWS/SQS", metric, statistic, QueueName=f"{self._prefix}-{name}")

    def _api(self, metric: str, statistic: str) -> cloudwatch.Metric:
        return _metric("AWS/ApiGateway", metric, statistic, ApiId=self._api_id)

    def _database(self, metric: str, statistic: str) -> cloudwatch.Metric:
        return _metric("AWS/RDS", metric, statistic, DBInstanceIdentifier=self._prefix)


def _threshold(rule: Rule, cloud: Cloud) -> float:
    """In the metric's unit: RDS counts memory and disk in bytes."""
    size = cloud.database
    whole = {
        None: 100.0,
        "connections": size.connections,
        "storage": size.storage * 1024**3,
        "memory": size.memory * 1024**3,
    }
    return whole[rule.percent_of] * rule.threshold / 100


def _metric(namespace: str, name: str, statistic: str, **dimensions: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        statistic=statistic,
        dimensions_map=dimensions,
        period=_PERIOD,
    )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8)
