"""The order in which a calendar's items changed: what delta rounds walk along."""

from bisect import bisect_right
from collections.abc import Iterator

_COMPACT_ABOVE = 1024


class ChangeLog:
    """Each item once, at its latest change; `since` costs what changed and not what the calendar holds.

    A deleted item keeps its place, as the change that removed it.
    """

    def __init__(self) -> None:
        self._versions: list[int] = []
        self._numbers: list[int] = []
        self._latest: dict[int, int] = {}

    @property
    def last(self) -> int:
        """The newest change, 0 before the first."""
        return self._versions[-1] if self._versions else 0

    def record(self, version: int, number: int) -> None:
        """An item changed; versions only grow."""
        self._versions.append(version)
        self._numbers.append(number)
        self._latest[number] = version
        if len(self._versions) > _COMPACT_ABOVE and len(self._versions) > 2 * len(self._latest):
            kept = list(self.since(0))
            self._versions = [version for version, _ in kept]
            self._numbers = [number for _, number in kept]

    def since(self, version: int, upto: int | None = None) -> Iterator[tuple[int, int]]:
        """(version, item) of what changed last after `version` and not after `upto`, oldest first."""
        for index in range(bisect_right(self._versions, version), len(self._versions)):
            changed, number = self._versions[index], self._numbers[index]
            if upto is not None and changed > upto:
                return
            if self._latest[number] == changed:
                yield changed, number
