from __future__ import annotations

from tests.providers.contract import ProviderContract


class TestMicrosoft(ProviderContract):
    """Microsoft Graph keeps what the port promises."""
