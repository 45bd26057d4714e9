"""Graph's refusals: codes and messages as the service words them, in its one error shape.

The shape is {"error": {"code", "message", "innerError": {"date", "request-id", "client-request-id"}}} (vendor
doc: errors). What innerError holds belongs to the request, so `graph.stamped` fills it in.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from infra.local.simulators.exchange import Answer, Refused


def answer(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error answer, its innerError still empty."""
    body = {"error": {"code": code, "message": message, "innerError": {}}}
    return Answer(status=status, body=json.dumps(body).encode(), headers=headers or {})


def refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Refused:
    """What a handler raises to end its call with an error."""
    return Refused(answer(status, code, message, headers))


def invalid(message: str, code: str = "ErrorPropertyValidationFailure") -> Refused:
    """400: a property has a value that Exchange does not take."""
    return refused(400, code, message)


def bad_query(message: str) -> Refused:
    """400: a query option that this resource does not take."""
    return refused(400, "ErrorInvalidUrlQuery", message)


def unknown_property(name: str, kind: str) -> Refused:
    """400: the body has a property that the type lacks."""
    return refused(
        400,
        "RequestBodyRead",
        f"The property '{name}' does not exist on type 'microsoft.graph.{kind}'. "
        "Make sure to only use property names that are defined by the type.",
    )


def unreadable(message: str) -> Refused:
    """400: the body is not what the type asks for."""
    return refused(400, "RequestBodyRead", message)


def zone_not_supported(name: str) -> Refused:
    """400: a time zone that is neither a Windows nor an IANA name."""
    return refused(
        400,
        "TimeZoneNotSupportedException",
        f"A valid TimeZone value must be specified. The following TimeZone value is not supported: '{name}'.",
    )


def item_not_found() -> Refused:
    """404: no such item (any more) in this mailbox."""
    return refused(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def malformed_id() -> Refused:
    """400: not an id that this mailbox could have given."""
    return refused(400, "ErrorInvalidIdMalformed", "Id is malformed.")


def enumerated(value: Any, members: Iterable[str], kind: str) -> str:
    """The member of an enumeration that a client means; Graph reads them in any case, and answers its own."""
    for member in members:
        if isinstance(value, str) and member.lower() == value.lower():
            return member
    raise unreadable(f"Requested value '{value}' was not found in 'microsoft.graph.{kind}'.")
