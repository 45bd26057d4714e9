"""One suite for all providers: what the port promises, driven against a server that really listens.

A provider's tests inherit ProviderContract and give it a `world` fixture (see `World`).
"""

from __future__ import annotations

from tests.providers.contract_account import AccountContract
from tests.providers.contract_amending import AmendingContract
from tests.providers.contract_contents import ContentsContract
from tests.providers.contract_invitations import InvitationContract
from tests.providers.contract_reading import ReadingContract
from tests.providers.contract_writing import WritingContract


class ProviderContract(
    AccountContract, ReadingContract, WritingContract, ContentsContract, InvitationContract, AmendingContract
):
    """What every provider does."""
