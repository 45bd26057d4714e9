"""Carrying out a request once: the HTTP side of idempotency keys."""

import hashlib
from collections.abc import Callable

from aws_lambda_powertools.event_handler import Response, content_types
from pydantic import BaseModel

from functions.visit import Visit
from shared.store import idempotency
from shared.store.idempotency import Answered

REPLAYED = "Idempotency-Replayed"


def once[T: BaseModel](
    visit: Visit,
    key: str | None,
    make: Callable[[], T],
    *,
    shape: type[T],
    status: int = 201,
    headers: Callable[[T], dict[str, str]] = lambda made: {},
    kept: Callable[[T], T] = lambda made: made,
) -> Response[T]:
    """The answer of `make`, or the one it gave when the same key first came, marked Idempotency-Replayed.

    `kept` is what of the answer may be stored: secrets are shown once. Raises what `make` raises; then the key is
    free again.
    """
    if key is None:
        return _answer(made := make(), status, headers(made))
    user_id = visit.principal.user_id
    with visit.mine() as conn:
        before = idempotency.claim(conn, user_id=user_id, key=key, request_hash=_hash(visit), now=visit.now)
    if before is not None:
        again = shape.model_validate(before.response)
        return _answer(again, before.status, {**headers(again), REPLAYED: "true"})
    try:
        made = make()
    except Exception:
        with visit.mine() as conn:
            idempotency.release(conn, user_id=user_id, key=key)
        raise
    answered = Answered(status=status, response=kept(made).model_dump(mode="json"))
    with visit.mine() as conn:
        idempotency.save(conn, user_id=user_id, key=key, answered=answered)
    return _answer(made, status, headers(made))


def _hash(visit: Visit) -> bytes:
    request = visit.request
    return hashlib.sha256(f"{request.method} {request.path}\n".encode() + request.body).digest()


def _answer[T: BaseModel](body: T, status: int, headers: dict[str, str]) -> Response[T]:
    return Response(status_code=status, content_type=content_types.APPLICATION_JSON, body=body, headers={**headers})
