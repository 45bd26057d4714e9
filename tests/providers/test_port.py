from __future__ import annotations

import pytest

from shared.providers.port import Withdraw


def test_a_persons_event_as_a_whole_is_not_withdrawn_unseen() -> None:
    with pytest.raises(ValueError, match="last seen"):
        Withdraw(event_id="one")
