from __future__ import annotations

from tests.providers.contract import ProviderContract


class TestGoogle(ProviderContract):
    """Google Calendar keeps what the port promises."""
