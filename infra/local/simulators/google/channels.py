"""Push channels: watch, notify, stop (Calendar API guide "Push notifications")."""

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from infra.local.simulators.credentials import Caller
from infra.local.simulators.deliveries import Notification
from infra.local.simulators.exchange import Answer, Call, Refused
from infra.local.simulators.google import access, answers, errors
from infra.local.simulators.google.store import Store
from infra.local.simulators.port import Parts

_LONGEST_LIFE = timedelta(days=7)
_ID = re.compile(r"[A-Za-z0-9\-_+/=]{1,64}")
_GAP = 20

type State = Literal["sync", "exists", "not_exists"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel; `number` is that of its last message."""

    id: str
    client_id: str
    email: str
    calendar: str
    address: str
    token: str
    resource_id: str
    resource_uri: str
    expires_at: str
    number: int = 0

    def is_alive(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return datetime.fromisoformat(self.expires_at) > now


class Channels:
    """All channels of one simulator."""

    def __init__(self, parts: Parts, store: Store, *, require_https: bool) -> None:
        self._parts = parts
        self._store = store
        self._require_https = require_https
        self._channels: dict[str, Channel] = {}
        self._used: set[str] = set()
        self._held: set[str] | None = None

    def watch(self, call: Call, caller: Caller, calendar_id: str) -> Answer:
        """`events.watch`: open a channel and send its `sync` message."""
        access.require_scope(caller, access.READ_EVENTS)
        calendar, entry = access.calendar_of(self._store, caller.email, calendar_id)
        access.require_role(entry, "freeBusyReader")
        wanted = answers.body_of(call)
        channel_id, address = wanted.get("id"), wanted.get("address")
        self._check(channel_id, wanted.get("type"), address)
        now = self._parts.clock.now()
        expires_at = _expiration(wanted, now)
        channel = Channel(
            id=str(channel_id),
            client_id=caller.client_id,
            email=caller.email,
            calendar=calendar.id,
            address=str(address),
            token=str(wanted.get("token") or ""),
            resource_id=_resource_id(f"{calendar.id} {calendar.born}"),
            resource_uri=f"{call.base}/calendar/v3/calendars/{quote(calendar_id, safe='@')}/events?alt=json",
            expires_at=expires_at.isoformat(),
        )
        self._used.add(channel.id)
        self._parts.state.put("used_channel", channel.id, True)
        self._send(channel, "sync")
        body = {
            "kind": "api#channel",
            "id": channel.id,
            "resourceId": channel.resource_id,
            "resourceUri": channel.resource_uri,
            **({"token": channel.token} if channel.token else {}),
            "expiration": str(int(expires_at.timestamp() * 1000)),
        }
        return answers.resource(call, body)

    def stop(self, call: Call, caller: Caller) -> Answer:
        """`channels.stop`: needs the id and the resource id; 404 when they do not name a channel of this client."""
        access.require_scope(caller, access.READ_ANY)
        wanted = answers.body_of(call)
        channel = self._channels.get(str(wanted.get("id")))
        if channel is None or channel.resource_id != wanted.get("resourceId") or channel.client_id != caller.client_id:
            message = f"Channel '{wanted.get('id')}' not found for project '{caller.client_id}'"
            raise Refused(errors.answer(404, "notFound", message))
        self._drop(channel)
        return answers.EMPTY

    def changed(self, calendar_id: str, state: State = "exists") -> None:
        """Tell every channel of a calendar."""
        if self._held is not None:
            self._held.add(calendar_id)
            return
        now = self._parts.clock.now()
        for channel in [known for known in self._channels.values() if known.calendar == calendar_id]:
            if channel.is_alive(now):
                self._send(channel, state)
            else:
                self._drop(channel)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Changes made in this block are told once, at its end."""
        self._held = set()
        try:
            yield
        finally:
            held, self._held = self._held, None
            for calendar_id in held:
                self.changed(calendar_id)

    def alive(self) -> list[dict[str, Any]]:
        """Every live channel, for tests to look at."""
        now = self._parts.clock.now()
        return [asdict(channel) for channel in self._channels.values() if channel.is_alive(now)]

    def drop_all(self) -> int:
        """End all of them silently."""
        count = len(self._channels)
        for channel in list(self._channels.values()):
            self._drop(channel)
        return count

    def load(self, rows: dict[str, dict[str, Any]]) -> None:
        """Take up what the state file had."""
        self._channels = {key: Channel(**row) for key, row in rows.get("channel", {}).items()}
        self._used = set(rows.get("used_channel", {}))

    def reset(self) -> None:
        """Forget all channels and that their ids were used."""
        self._channels.clear()
        self._used.clear()

    def _check(self, channel_id: Any, kind: Any, address: Any) -> None:
        if not channel_id:
            raise errors.required("Required")
        if not isinstance(channel_id, str) or not _ID.fullmatch(channel_id):
            raise errors.invalid("Channel id must match [A-Za-z0-9\\-_\\+/=]+ and have at most 64 characters")
        if kind not in ("web_hook", "webhook"):
            raise Refused(errors.answer(400, "push.channelTypeNotSupported", f"Unknown channel type: {kind}"))
        parts = urlsplit(str(address or ""))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise errors.required("WebHook callback address is missing or is not a URL")
        loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if parts.scheme != "https" and (self._require_https or not loopback):
            message = f"WebHook callback must be HTTPS: {address}"
            raise Refused(errors.answer(400, "push.webhookUrlNotHttps", message))
        if channel_id in self._used:
            raise Refused(errors.answer(400, "channelIdNotUnique", f"Channel id {channel_id} not unique"))

    def _send(self, channel: Channel, state: State) -> None:
        gap = 1 if state == "sync" else 1 + secrets.randbelow(_GAP)
        channel = replace(channel, number=channel.number + gap)
        self._channels[channel.id] = channel
        self._parts.state.put("channel", channel.id, asdict(channel))
        expires_at = datetime.fromisoformat(channel.expires_at).astimezone(UTC)
        headers = {
            "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
            "X-Goog-Channel-ID": channel.id,
            "X-Goog-Channel-Expiration": format_datetime(expires_at, usegmt=True),
            "X-Goog-Resource-ID": channel.resource_id,
            "X-Goog-Resource-URI": channel.resource_uri,
            "X-Goog-Resource-State": state,
            "X-Goog-Message-Number": str(channel.number),
        }
        if channel.token:
            headers["X-Goog-Channel-Token"] = channel.token
        self._parts.deliveries.post(Notification(address=channel.address, headers=headers))

    def _drop(self, channel: Channel) -> None:
        del self._channels[channel.id]
        self._parts.state.drop("channel", channel.id)


def _expiration(wanted: dict[str, Any], now: datetime) -> datetime:
    latest = now + _LONGEST_LIFE
    try:
        if wanted.get("expiration"):
            return min(latest, datetime.fromtimestamp(int(wanted["expiration"]) / 1000, UTC))
        if ttl := (wanted.get("params") or {}).get("ttl"):
            return min(latest, now + timedelta(seconds=int(ttl)))
    except (TypeError, ValueError, OverflowError) as error:
        raise errors.invalid("Invalid value for: expiration") from error
    return latest


def _resource_id(resource: str) -> str:
    return hashlib.sha256(resource.encode()).hexdigest()[:27]
