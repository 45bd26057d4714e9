"""What happened, for tests and oracles to read: writes, requests, and the mail guests would have got."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

type Operation = Literal["insert", "update", "delete"]
type Origin = Literal["api", "person"]

_KEEP_WRITES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One accepted change of one event. `client_id` is empty when a person made it.

    `occurrence`: it was made to one occurrence of a series.
    """

    seq: int
    at: str
    account: str
    calendar: str
    event: str
    operation: Operation
    origin: Origin
    client_id: str
    occurrence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message the provider would have sent to guests."""

    at: str
    account: str
    event: str
    kind: Literal["invitation", "update", "cancellation"]
    to: tuple[str, ...]


class Journal:
    """The memory of one simulator since its start (writes, mail) or since the last reset (requests)."""

    def __init__(self) -> None:
        self._writes: deque[Write] = deque(maxlen=_KEEP_WRITES)
        self._last = 0
        self._more = asyncio.Condition()
        self._woken: asyncio.Task[None] | None = None
        self._requests: Counter[tuple[str, int]] = Counter()
        self._mail: list[Mail] = []
        self._injected: Counter[str] = Counter()

    def write(
        self,
        *,
        at: datetime,
        account: str,
        calendar: str,
        event: str,
        operation: Operation,
        origin: Origin,
        client_id: str = "",
        occurrence: bool = False,
    ) -> int:
        """Record one accepted change and wake who waits for it; answers its sequence number."""
        self._last += 1
        self._writes.append(
            Write(
                seq=self._last,
                at=at.isoformat(),
                account=account,
                calendar=calendar,
                event=event,
                operation=operation,
                origin=origin,
                client_id=client_id,
                occurrence=occurrence,
            )
        )
        if self._woken is None or self._woken.done():
            try:
                self._woken = asyncio.get_running_loop().create_task(self._wake())
            except RuntimeError:  # seeded before the server runs: nobody can be waiting
                self._woken = None
        return self._last

    async def _wake(self) -> None:
        async with self._more:
            self._more.notify_all()

    def writes_after(self, seq: int, calendar: str | None = None) -> list[Write]:
        """Writes numbered above `seq`, oldest first, of one calendar or of all."""
        first = self._last - len(self._writes) + 1
        later = islice(self._writes, max(0, seq + 1 - first), None)
        return [write for write in later if calendar is None or write.calendar == calendar]

    async def wait_for_writes(self, seq: int, seconds: float, calendar: str | None = None) -> list[Write]:
        """Like `writes_after`, but waits up to `seconds` for the first one."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (found := self.writes_after(seq, calendar)):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            async with self._more:
                try:
                    await asyncio.wait_for(self._more.wait(), left)
                except TimeoutError:
                    break
        return found or self.writes_after(seq, calendar)

    @property
    def last(self) -> int:
        """The number of the newest write, 0 before the first."""
        return self._last

    def request(self, route: str, status: int) -> None:
        """Count an API call: `route` is the method and the route's template."""
        self._requests[route, status] += 1

    def requests(self) -> list[dict[str, Any]]:
        """Counts of API calls by route and status."""
        return [
            {"route": route, "status": status, "count": count}
            for (route, status), count in sorted(self._requests.items())
        ]

    def inject(self, fault: str) -> None:
        """Count a fault that was shown to a client."""
        self._injected[fault] += 1

    def injected(self) -> dict[str, int]:
        """How often each fault was shown since the last reset."""
        return dict(sorted(self._injected.items()))

    def forget_requests(self) -> None:
        """Count from zero again."""
        self._requests.clear()

    def mail(
        self,
        *,
        at: datetime,
        account: str,
        event: str,
        kind: Literal["invitation", "update", "cancellation"],
        to: Sequence[str],
    ) -> None:
        """Record a message that guests would have got."""
        self._mail.append(Mail(at=at.isoformat(), account=account, event=event, kind=kind, to=tuple(to)))

    def mails(self) -> list[dict[str, Any]]:
        """Every message recorded."""
        return [asdict(mail) for mail in self._mail]

    def reset(self) -> None:
        """Forget requests and mail; write numbers go on, so that a waiting reader never misses any."""
        self._writes.clear()
        self._requests.clear()
        self._mail.clear()
        self._injected.clear()
