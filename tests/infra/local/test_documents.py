"""What the page on real accounts says of scopes, variables and addresses is what the product does."""

from __future__ import annotations

import re

from infra import ROOT
from infra.local import accounts, providers
from shared.providers.google.oauth import SCOPES as GOOGLE
from shared.providers.microsoft.oauth import SCOPES as MICROSOFT

PAGE = (ROOT / "docs" / "real-accounts.md").read_text()


def section(title: str) -> str:
    """The text below a heading."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def reasons(text: str, heading: str) -> set[str]:
    """The names in the first column of the table below `heading | why`."""
    rows = text.partition(f"| {heading} | why |\n")[2].partition("\n\n")[0].splitlines()
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_exactly_the_scopes_that_are_asked_for_are_explained() -> None:
    assert reasons(section("Google"), "scope") == set(GOOGLE)
    assert reasons(section("Microsoft"), "permission") == set(MICROSOFT)


def test_every_variable_is_explained() -> None:
    assert not [name for name in accounts.VARIABLES if f"`{name}`" not in section("What `make run` then does")]


def test_redirect_uris_are_those_that_the_terminal_prints() -> None:
    for provider in providers.PROVIDERS:
        text = section(provider.title())

        assert f"`{providers.redirect_uri('http://localhost:3001', provider)}`" in text
        assert f"`{providers.redirect_uri('https://HOST', provider)}`" in text


def test_the_readme_leads_there() -> None:
    readme = (ROOT / "README.md").read_text()

    assert "(docs/real-accounts.md)" in readme
    assert "(.env.example)" in readme
