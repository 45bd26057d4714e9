"""The README's walk in a browser: come in, connect two accounts, link two calendars, and see an event cross over.

With KALENDS_SCREENSHOTS=1 the pictures in docs/images are taken anew.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from infra import ROOT
from tests.e2e import browser as browsers
from tests.smoke.product import invitation
from tests.smoke.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, ViewportSize

    from tests.e2e.cloud import Cloud

pytestmark = pytest.mark.slow

DESKTOP: ViewportSize = {"width": 960, "height": 480}
PHONE: ViewportSize = {"width": 375, "height": 740}
ROBIN = {"google": "robin@example.com", "microsoft": "robin@contoso.example"}
EMAIL, PASSWORD = "robin@kalends.example", "a sentence is easier to keep"
PICTURES = ROOT / "docs" / "images"
PATIENCE = 30_000
"""Milliseconds until a page must show what it should: on a busy machine the first start of a function takes seconds."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    with browsers.launch() as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A window as wide as a desktop's, that has never been here."""
    context = chromium.new_context(viewport=DESKTOP, locale="en-GB", timezone_id="Europe/Zurich")
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield context.new_page()
    context.close()


def picture(page: Page, name: str) -> None:
    """Keep a picture for the README, if pictures are wanted."""
    if os.environ.get("KALENDS_SCREENSHOTS") == "1":
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True, animations="disabled")


def fits(page: Page) -> bool:
    """Whether nobody has to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def fits_a_phone(page: Page) -> bool:
    """Whether the page as it stands fits a phone, too."""
    page.set_viewport_size(PHONE)
    fine = fits(page)
    page.set_viewport_size(DESKTOP)
    return fine


def allow(page: Page, account: str) -> None:
    """Say yes on a provider's consent page."""
    page.get_by_role("radio", name=account).check()
    picture(page, "consent")
    page.get_by_role("button", name="Allow").click()


def test_an_event_crosses_from_google_to_microsoft_as_the_preview_said(cloud: Cloud, page: Page) -> None:
    google = Simulator(provider="google", base=cloud.google_url)
    microsoft = Simulator(provider="microsoft", base=cloud.microsoft_url)
    google.add_account(ROBIN["google"], name="Robin")
    microsoft.add_account(ROBIN["microsoft"], name="Robin")
    agenda = f"{cloud.microsoft_url}/calendars/{microsoft.primary(ROBIN['microsoft'])}"
    narrow = []

    # The first administrator comes in by a one-time link, and can sign in again.
    page.goto(invitation(cloud.aws_endpoint, EMAIL))
    page.get_by_label("Your name").fill("Robin")
    page.get_by_label("Password").fill(PASSWORD)
    narrow.append(("welcome", fits_a_phone(page)))
    picture(page, "welcome")
    page.get_by_role("button", name="Come in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Two steps to calendars in step")
    narrow.append(("first overview", fits_a_phone(page)))
    page.get_by_role("link", name="Profile").click()
    expect(page.get_by_label("Your time zone")).to_have_value("Europe/Zurich")  # as the browser has it
    narrow.append(("profile", fits_a_phone(page)))
    picture(page, "profile")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{cloud.base_url}/signin")
    narrow.append(("sign in", fits_a_phone(page)))
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Two steps to calendars in step")

    # Both accounts are connected on the providers' own pages.
    page.goto(f"{cloud.base_url}/connections")
    page.get_by_role("link", name="Connect Google").click()
    allow(page, ROBIN["google"])
    expect(page.get_by_role("status")).to_contain_text(f"Google account {ROBIN['google']} is connected")
    page.get_by_role("link", name="Connect Microsoft").click()
    allow(page, ROBIN["microsoft"])
    expect(page.get_by_role("status")).to_contain_text(f"Microsoft account {ROBIN['microsoft']} is connected")
    narrow.append(("accounts", fits_a_phone(page)))
    picture(page, "accounts")

    # A link, with what others will see shown before it is made.
    page.goto(f"{cloud.base_url}/links/new")
    page.get_by_role("combobox", name="From", exact=True).select_option(label=ROBIN["google"])
    page.get_by_role("combobox", name="Into", exact=True).select_option(label="Calendar")
    busy = page.locator("label.choice", has=page.locator("input[value=busy]"))
    busy.locator("input").check()
    expect(busy.locator(".event strong")).to_have_text("Busy")
    narrow.append(("new link", fits_a_phone(page)))
    picture(page, "new-link")
    page.get_by_role("button", name="See what that makes").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("what that makes")
    narrow.append(("plan", fits_a_phone(page)))
    picture(page, "plan")
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("→ Calendar")
    expect(page.get_by_text("Up to date")).to_be_visible()
    link = page.url

    # An event, added by hand at Google ...
    start = (datetime.now() + timedelta(days=1)).replace(hour=14, minute=0)  # noqa: DTZ005 - as the person types it
    page.goto(cloud.google_url)
    page.get_by_role("link", name=ROBIN["google"]).click()
    page.get_by_label("Title", exact=True).fill("Dentist")
    page.get_by_label("Start", exact=True).fill(f"{start:%Y-%m-%dT%H:%M}")
    page.get_by_label("End", exact=True).fill(f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#events")).to_contain_text("Dentist")
    picture(page, "google")

    # ... stands at Microsoft, masked, before one has looked there.
    page.goto(f"{agenda}?live")
    mirror = page.locator("#events li", has_text="Busy")
    expect(mirror).to_have_count(1)
    expect(mirror).to_contain_text(f"{start:%a %d %b %H:%M} – {start + timedelta(hours=1):%H:%M}")
    expect(mirror).to_contain_text("private")
    expect(page.locator("#events")).not_to_contain_text("Dentist")
    picture(page, "microsoft")

    # Kalends tells what it did.
    page.goto(link)
    expect(page.get_by_role("region", name="Recent changes")).to_contain_text("Made “Busy”")
    expect(page.get_by_text("Up to date")).to_be_visible()
    narrow.append(("link", fits_a_phone(page)))
    picture(page, "link")
    page.goto(cloud.base_url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Everything in step")
    picture(page, "overview")
    narrow += [
        (path, fits_a_phone(page))
        for path in ("/calendars", "/held", "/tokens", "/")
        if page.goto(cloud.base_url + path)
    ]
    page.set_viewport_size(PHONE)
    picture(page, "overview-phone")
    assert [name for name, fine in narrow if not fine] == []
