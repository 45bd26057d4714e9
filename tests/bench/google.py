"""A simulated Google in a process of its own, so that it shares no interpreter with whoever is measured."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra import ROOT
from infra.local.simulators import google
from tests.installation import Simulator as Person
from tests.smoke.simulator import Agenda, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

REDIRECT = "http://127.0.0.1:9/oauth/google/callback"
OWNER = "alex@example.com"
PAGE = 2_500
_SCOPE = "openid email https://www.googleapis.com/auth/calendar"
_STOP_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Google:
    """A running simulator, and an access token of one person."""

    simulator: Simulator
    token: str

    @property
    def base(self) -> str:
        """Its address."""
        return self.simulator.base

    def calendar(self, name: str, *, events: int = 0) -> Agenda:
        """A further calendar of the person, with so many events of the coming year."""
        calendar = self.simulator.add_calendar(OWNER, summary=name)
        agenda = Agenda(simulator=self.simulator, owner=OWNER, calendar=calendar, name=name)
        bodies = [body(number) for number in range(events)]
        for first in range(0, events, PAGE):
            agenda.add_all(bodies[first : first + PAGE])
        return agenda

    def slow(self, seconds: float) -> None:
        """From now on every call is answered so much later; 0 ends that."""
        self.simulator.call("PUT", "/faults", {"slow": {"rate": 1 if seconds else 0, "seconds": seconds}})


@contextmanager
def running() -> Iterator[Google]:
    """Start a simulator and sign its first person in."""
    command = [sys.executable, "-m", "infra.local.simulators", "google", "--redirect-uri", REDIRECT]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().split()[-1]
            yield Google(simulator=Simulator(provider="google", base=base), token=_token(base))
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def body(number: int) -> dict[str, Any]:
    """An event such as people have: some all day, some weekly, most of them once; about 1.4 KB as Google sends it."""
    start = (datetime.now(UTC) + timedelta(days=1 + number % 340)).replace(hour=7 + number % 11, minute=0, second=0)
    written = {
        "summary": f"Review {number} with the team",
        "description": f"Agenda of meeting {number}. " + "What was decided, by whom, and until when. " * 8,
        "location": "Main Street 1, 8000 Zürich",
    }
    if number % 10 == 0:
        first = start.date()
        return {
            **written,
            "start": {"date": first.isoformat()},
            "end": {"date": (first + timedelta(days=1)).isoformat()},
        }
    times = {
        name: {"dateTime": moment.replace(microsecond=0, tzinfo=None).isoformat(), "timeZone": "Europe/Zurich"}
        for name, moment in (("start", start), ("end", start + timedelta(minutes=45)))
    }
    rule = {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=12"]} if number % 10 == 1 else {}
    return {**written, **times, **rule}


def _token(base: str) -> str:
    """An access token, as a person gets it who allows everything."""
    person = Person(name="google", base=base, calls={})  # type: ignore[arg-type]
    query = f"client_id={google.CLIENT_ID}&redirect_uri={REDIRECT}&response_type=code&state=s&scope={_SCOPE}"
    code = person.decide(f"{base}/o/oauth2/v2/auth?{query.replace(' ', '%20')}", account=OWNER)["code"]
    answer = person.http.post(
        f"{base}/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "client_id": google.CLIENT_ID,
            "client_secret": google.CLIENT_SECRET,
        },
    )
    person.http.close()
    return str(answer.raise_for_status().json()["access_token"])
