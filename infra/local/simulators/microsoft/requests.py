"""What the handlers share: reading a call's headers, options and body, and answering in Graph's wire format."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.local.simulators.credentials import Caller
from infra.local.simulators.exchange import Answer, Call
from infra.local.simulators.microsoft import errors, extended, odata, zones
from infra.local.simulators.microsoft.faults import MicrosoftFaults
from infra.local.simulators.microsoft.rendering import View

JSON_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

_PREFERENCE = re.compile(r'([\w.-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,;"]+)))?')


def answer(
    resource: Mapping[str, Any] | None, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """A JSON answer, or one without a body."""
    body = b"" if resource is None else json.dumps(resource, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status=status, body=body, headers=headers or {}, content_type=JSON_TYPE)


def body(call: Call) -> dict[str, Any]:
    """The call's JSON object. Raises Refused with Graph's 400."""
    try:
        value = json.loads(call.body)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise errors.refused(400, "BadRequest", "Unable to read JSON request payload.") from None
    if not isinstance(value, dict):
        raise errors.refused(400, "BadRequest", "Empty or unexpected payload. JSON object expected.")
    return value


def need(caller: Caller, *scopes: str) -> None:
    """Refuse a caller that has none of the scopes (names as in Calendars.Read)."""
    granted = {scope.lower() for scope in caller.scopes}
    if not granted & {scope.lower() for scope in scopes}:
        raise errors.refused(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")


def need_read(caller: Caller) -> None:
    """Refuse a caller that may not read calendars."""
    need(caller, "Calendars.Read", "Calendars.ReadWrite", "Calendars.Read.Shared", "Calendars.ReadWrite.Shared")


def need_write(caller: Caller) -> None:
    """Refuse a caller that may not change calendars."""
    need(caller, "Calendars.ReadWrite", "Calendars.ReadWrite.Shared")


def preferences(call: Call) -> dict[str, str]:
    """The Prefer headers (RFC 7240), names in lower case."""
    headers = call.headers
    lines = headers.getall("Prefer", []) if hasattr(headers, "getall") else [headers.get("Prefer", "")]
    found = (match for line in lines for match in _PREFERENCE.finditer(line))
    return {match[1].lower(): match[2] if match[2] is not None else match[3] or "" for match in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A call's query options; those of OData in lower case without the dollar sign."""

    values: Mapping[str, str]

    def get(self, name: str) -> str | None:
        """An option's value by its lower-case name."""
        return self.values.get(name)

    def number(self, name: str, default: int, most: int) -> int:
        """An option that is a number from 0 to `most`. Raises Refused."""
        text = self.values.get(name)
        if text is None:
            return default
        if not text.isdecimal() or int(text) > most:
            raise errors.bad_query(f"The query option '{name}' must be a number from 0 to {most}.")
        return int(text)

    def expand(self) -> dict[str, odata.Expression | None]:
        """The $expand; empty without one."""
        return odata.parse_expand(self.values["$expand"]) if "$expand" in self.values else {}

    def select(self) -> list[str] | None:
        """The names in $select; None without one."""
        text = self.values.get("$select")
        return [name.strip() for name in text.split(",")] if text else None

    def window(self) -> tuple[datetime, datetime]:
        """startDateTime and endDateTime in UTC. Raises Refused."""
        first, last = self.values.get("startdatetime"), self.values.get("enddatetime")
        if first is None or last is None:
            raise errors.refused(
                400,
                "ErrorInvalidParameter",
                "This request requires a time window specified by the query string parameters StartDateTime and "
                "EndDateTime.",
            )
        start, end = instant(first, "StartDateTime"), instant(last, "EndDateTime")
        if end < start:
            raise errors.refused(400, "ErrorInvalidParameter", "The EndDateTime is earlier than the StartDateTime.")
        return start, end


def options(call: Call) -> Options:
    """The query of a call."""
    return Options(values={name.lower(): value for name, value in call.query.items()})


def instant(text: str, name: str) -> datetime:
    """An ISO 8601 time, in UTC when it has no offset. Raises Refused."""
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError:
        message = f"The value '{text}' of {name} is not a date and time."
        raise errors.refused(400, "ErrorInvalidParameter", message) from None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def view(call: Call, faults: MicrosoftFaults) -> View:
    """How the call wants its events. Raises Refused for an unknown zone or a wrong $expand."""
    wanted = preferences(call)
    zone = wanted.get("outlook.timezone", "").strip()
    if zone and zones.windows_name(zone) is None:
        raise errors.zone_not_supported(zone)
    expand = options(call).expand()
    properties: frozenset[str] | None = frozenset()
    if "singlevalueextendedproperties" in expand:
        ids = odata.equal_ids(expand["singlevalueextendedproperties"])
        if ids is None:
            raise errors.bad_query("Expanding singleValueExtendedProperties needs a $filter on their id.")
        properties = frozenset(extended.property_id(id_) for id_ in ids)
    extensions: frozenset[str] | None = frozenset()
    if "extensions" in expand:
        ids = odata.equal_ids(expand["extensions"])
        extensions = None if ids is None else frozenset(extended.extension_name(id_) for id_ in ids)
    return View(
        zone="UTC" if not zone or zone.upper() == "UTC" else zone,
        immutable=wanted.get("idtype", "").lower() == "immutableid",
        as_text=wanted.get("outlook.body-content-type", "").lower() == "text",
        floating=faults.all_day_floating,
        newer_fields=faults.newer_fields,
        properties=properties,
        extensions=extensions,
    )


def applied(call: Call) -> dict[str, str]:
    """The Preference-Applied header: what the answer heeded."""
    wanted = preferences(call)
    named = {
        "outlook.timezone": "outlook.timezone",
        "idtype": "IdType",
        "outlook.body-content-type": "outlook.body-content-type",
    }
    heeded = [f'{name}="{wanted[key]}"' for key, name in named.items() if key in wanted]
    if "odata.maxpagesize" in wanted:
        heeded.append(f"odata.maxpagesize={wanted['odata.maxpagesize']}")
    return {"Preference-Applied": ", ".join(heeded)} if heeded else {}
