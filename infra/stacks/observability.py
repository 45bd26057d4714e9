"""What tells an operator: alarms by e-mail, a dashboard, a budget. Metrics go by name: nothing here binds the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Aws, CfnParameter, Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from infra.catalogue import CATALOGUE, Http, Queue
from infra.constructs.closed import close_unless_deployable
from infra.constructs.key import encryption_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_cdk import aws_kms as kms
    from constructs import Construct

    from infra.catalogue import Function, Trigger
    from infra.stacks.application import Application
    from infra.stages import Cloud, Stage

_PERIOD = Duration.minutes(5)
_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When an alarm sounds: `metric` beyond `threshold` in each of `periods` of five minutes."""

    name: str
    meaning: str
    metric: cloudwatch.IMetric
    threshold: float
    periods: int = 1
    beyond: cloudwatch.ComparisonOperator = _ABOVE
    silence_is_bad: bool = False
    """Whether missing values sound it too: a database always has some, a queue or function at rest has none."""


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
        for rule in self._rules(cloud):
            self._alarm(rule, topic)
        self._dashboard()
        self._budget(stage, cloud, email)
        close_unless_deployable(self, stage)

    def _rules(self, cloud: Cloud) -> Iterator[Rule]:
        for line in CATALOGUE:
            yield from self._function_rules(line)
            if isinstance(line.trigger, Queue):
                yield Rule(
                    name=f"{line.trigger.name}-dead-letters",
                    meaning="Messages failed as often as they may. docs/operations.md says how to look and redrive.",
                    metric=self._queue(f"{line.trigger.name}-dead", "ApproximateNumberOfMessagesVisible", "Maximum"),
                    threshold=0,
                )
        yield from self._api_rules()
        yield from self._database_rules(cloud)

    def _function_rules(self, line: Function) -> Iterator[Rule]:
        yield Rule(
            name=f"{line.name}-errors",
            meaning=f"{line.handler} crashed or ran out of time or memory; its log group has the trace.",
            metric=self._function(line.name, "Errors"),
            threshold=_tolerated(line.trigger),
        )
        yield Rule(
            name=f"{line.name}-throttles",
            meaning=f"Lambda refused to run {line.handler}: the account's concurrency is used up.",
            metric=self._function(line.name, "Throttles"),
            threshold=0,
        )

    def _api_rules(self) -> Iterator[Rule]:
        rate = cloudwatch.MathExpression(
            expression="IF(requests > 0, 100 * failed / requests, 0)",
            using_metrics={"failed": self._api("5xx", "Sum"), "requests": self._api("Count", "Sum")},
            label="5xx, % of requests",
            period=_PERIOD,
        )
        yield Rule(
            name="api-5xx", meaning="More than 5 % of requests fail by our fault.", metric=rate, threshold=5, periods=2
        )
        for percentile, milliseconds in (("p95", 2_000), ("p99", 8_000)):
            yield Rule(
                name=f"api-latency-{percentile}",
                meaning=f"Requests take long: {percentile} above {milliseconds} ms for a quarter of an hour.",
                metric=self._api("Latency", percentile),
                threshold=milliseconds,
                periods=3,
            )

    def _database_rules(self, cloud: Cloud) -> Iterator[Rule]:
        size = cloud.database
        yield Rule(
            name="database-cpu",
            meaning="The database's processor is over 80 % for a quarter of an hour, or the database is gone.",
            metric=self._database("CPUUtilization", "Average"),
            threshold=80,
            periods=3,
            silence_is_bad=True,
        )
        yield Rule(
            name="database-storage",
            meaning="Less than a fifth of the first disk is free; it grows by itself, but not beyond its maximum.",
            metric=self._database("FreeStorageSpace", "Minimum"),
            threshold=0.2 * size.storage * 1024**3,
            beyond=_BELOW,
        )
        yield Rule(
            name="database-connections",
            meaning="Four fifths of the database's connections are in use.",
            metric=self._database("DatabaseConnections", "Maximum"),
            threshold=0.8 * size.connections,
        )

    def _alarm(self, rule: Rule, topic: sns.ITopic) -> None:
        alarm = cloudwatch.Alarm(
            self,
            "".join(word.title() for word in rule.name.split("-")),
            alarm_name=f"{self._prefix}-{rule.name}",
            alarm_description=rule.meaning,
            metric=rule.metric,
            threshold=rule.threshold,
            evaluation_periods=rule.periods,
            comparison_operator=rule.beyond,
            treat_missing_data=(
                cloudwatch.TreatMissingData.BREACHING
                if rule.silence_is_bad
                else cloudwatch.TreatMissingData.NOT_BREACHING
            ),
        )
        tell = actions.SnsAction(topic)
        alarm.add_alarm_action(tell)
        alarm.add_ok_action(tell)

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
                "Database",
                self._database("CPUUtilization", "Average"),
                self._database("DatabaseConnections", "Maximum"),
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


def _tolerated(trigger: Trigger) -> int:
    """Crashes in five minutes that need no person: a queue delivers again, a browser asks again, a schedule may be
    nightly."""
    return 2 if isinstance(trigger, Queue | Http) else 0


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
