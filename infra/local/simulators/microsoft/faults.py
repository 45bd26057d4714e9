"""The switches that only Microsoft has; the ones where nobody could verify the service go both ways."""

from typing import Literal

from pydantic import Field

from infra.local.simulators.faults import FaultSettings, Quota


class MicrosoftFaults(FaultSettings):
    """Graph's own switches. The defaults are what the vendor documents, or else what was observed.

    quota: 4 calls at a time and 10,000 in ten minutes per app and mailbox (vendor doc: throttling-limits).
    honour_if_match: PATCH and DELETE of events answer 412 on a stale If-Match; otherwise they ignore it.
    transaction_id_lifetime: seconds a transactionId is remembered.
    transaction_id_answer: a repeated POST is answered with the event it made, or always refused.
    transaction_id_status: status of ErrorDuplicateTransactionId.
    replay_delta: delta pages repeat entries given before and come in any order.
    empty_pages: a page without entries precedes each delta page.
    split_series: a series' entries may be spread over several delta pages.
    gone: how an expired delta token is refused.
    all_day_floating: all-day events are answered at midnight of whatever zone was asked for; otherwise they
      are converted as instants.
    newer_fields: answers carry uid and occurrenceId, which the vendor's text has and its v1.0 schema lacks.
    long_subject: what happens to a subject over 255 characters.
    subscription_limit_minutes: longest life of a subscription (10,070 was observed).
    refuse_duplicate_subscription: 409 for a second subscription to the same resource and change types.
    batch_concurrency: a batch's calls over the limit wait for their turn, or are answered 429.
    wrong_tenant, needs_approval: sign-ins that cannot go on end on Microsoft's own page, or go back to the
      application with the error.
    slow_answer_seconds: an endpoint that takes longer is slow; more than 10 % slow delays its notifications by as
      much, more than 15 % drops them.
    """

    quota: Quota = Quota(concurrent_per_mailbox=4, per_mailbox_10min=10_000)
    honour_if_match: bool = True
    transaction_id_lifetime: int = Field(default=86_400, ge=0)
    transaction_id_answer: Literal["original", "conflict"] = "original"
    transaction_id_status: Literal[400, 409] = 409
    replay_delta: bool = False
    empty_pages: bool = False
    split_series: bool = False
    gone: Literal["syncStateNotFound", "resyncRequired"] = "syncStateNotFound"
    all_day_floating: bool = True
    newer_fields: bool = False
    long_subject: Literal["truncate", "refuse"] = "truncate"
    subscription_limit_minutes: int = Field(default=10_080, ge=45)
    refuse_duplicate_subscription: bool = False
    batch_concurrency: Literal["wait", "refuse"] = "wait"
    wrong_tenant: Literal["page", "redirect"] = "page"
    needs_approval: Literal["page", "redirect"] = "page"
    slow_answer_seconds: float = Field(default=10, gt=0)
