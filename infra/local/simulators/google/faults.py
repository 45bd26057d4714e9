"""Google's own switches."""

from infra.local.simulators.faults import FaultSettings, Rate


class GoogleFaults(FaultSettings):
    """What only Google does, and which of two ways where the documents leave it open (behaviours.md).

    incomplete_tombstones: deleted events carry nothing that is not guaranteed, in `get` too.
    always_etag_change: a write that changes nothing still makes a new version, which syncs and notifies.
    trim_text: titles and places lose trailing white space, and CRLF becomes LF.
    token_keeps_window: a sync token remembers the timeMin and timeMax of the full listing it comes from.
    exceptions_follow_master: deleting a series also lists its exceptions as cancelled.
    batch_conflict: share of writes inside a batch that are answered 409 conflict.
    """

    incomplete_tombstones: bool = False
    always_etag_change: bool = True
    trim_text: bool = True
    token_keeps_window: bool = False
    exceptions_follow_master: bool = True
    batch_conflict: Rate = 0
