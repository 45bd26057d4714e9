"""The SQS shape: every message on its own, and only the failed ones come again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from functions.observability import add_facts
from shared.core.errors import KalendsError
from shared.core.messages import SyncMessage

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


def each(event: dict[str, Any], work: Callable[[SyncMessage], None]) -> dict[str, Any]:
    """Do `work` for each message of `event`, and answer the ones that failed (ReportBatchItemFailures).

    SQS delivers failed ones again when their visibility time-out ends, and puts them aside as dead letters after five
    times. A message that cannot be read goes the same way: somebody must see it. No body is ever logged.
    """
    failed = [record["messageId"] for record in event.get("Records", ()) if not _done(record, work)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _done(record: dict[str, Any], work: Callable[[SyncMessage], None]) -> bool:
    about = {
        "message_id": record["messageId"],
        "attempt": record.get("attributes", {}).get("ApproximateReceiveCount", "1"),
    }
    try:
        message = SyncMessage.model_validate_json(record["body"])
    except ValidationError as error:
        wrong = ", ".join(sorted({".".join(map(str, item["loc"])) or "(not JSON)" for item in error.errors()}))
        log.error("message cannot be read", extra={**about, "fields": wrong})  # noqa: TRY400 - it would repeat the body
        return False
    add_facts(correlation_id=message.correlation_id, calendar_id=str(message.calendar_id), user_id=str(message.user_id))
    about["task"] = message.task
    try:
        work(message)
    except KalendsError as error:
        log.warning("message failed", extra={**about, "error_code": error.error_code, "error": error.message})
        return False
    except Exception:
        log.exception("message failed", extra=about)
        return False
    return True
