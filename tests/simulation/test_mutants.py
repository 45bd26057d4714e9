"""The oracle is worth something only if it sees what is broken: each test breaks one promise of the engine, as a
developer might by mistake, and some history within the first 200 must name that promise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.calendar import mask, merge
from shared.calendar.event import Text
from shared.calendar.patch import OF_ROOTS
from shared.core.errors import InvalidError
from shared.providers.port import Delete, Removed, Update, Upserted
from shared.store import leases
from shared.sync import apply, links, pull, push, reconciliation, settle
from shared.sync.listening import silence
from shared.sync.rules import guard, marker
from shared.sync.store import calendars, events, journal, mappings, written
from shared.sync.two_way import edits
from tests.simulation import store, storm
from tests.simulation.caldav import CalDavLike
from tests.simulation.oracle.judging import PROMISES
from tests.simulation.storm import Has

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.store.database import Connection
    from tests.simulation.store import Store

SEEDS = range(1, 201)


@pytest.fixture(scope="module")
def served() -> Iterator[Store]:
    with store.serve() as one:
        yield one


@pytest.fixture
def caught(served: Store) -> Callable[[str], bool]:
    def caught(kind: str, *, lately: int = 1, has: Has | None = None) -> bool:
        """Whether a history finds this kind of thing; tells which. The one that did `lately` is asked first. With what
        it `has`, if that is not to be drawn."""
        for seed in (lately, *SEEDS):
            for finding in storm.run(served, seed, has=has).findings:
                if finding.startswith(f"{kind}: "):
                    print(f"promise {PROMISES.get(kind, 'none')}: seed {seed} finds {finding}")
                    return True
        return False

    return caught


# 1. Delete only on proof.


def test_a_listing_whose_gaps_count_as_deletions_is_caught(caught, monkeypatch):
    def unasked(run, provider, page, window):
        shown = {change.event.id for change in page.changes if isinstance(change, Upserted)}
        with run.engine.database.person(run.calendar.user_id) as conn:
            missing = [one for one in events.unseen(conn, run.calendar, window, limit=200) if one not in shown]
        return replace(page, changes=(*page.changes, *(Removed(event_id=one) for one in missing)))

    monkeypatch.setattr(pull, "_prove_missing", unasked)

    assert caught("unproved delete")


def test_mass_deletions_that_wait_for_nobody_are_caught(caught, monkeypatch):
    monkeypatch.setattr(guard, "must_hold", lambda deletions, *, mirrors: False)

    assert caught("not held", lately=56)


# 2. Exactly one mirror.


def test_a_creation_that_forgets_that_it_was_tried_before_is_caught(caught, monkeypatch):
    monkeypatch.setattr(written, "mark_tried", lambda conn, mapping_ids: None)

    assert caught("duplicate", lately=39)


# 3. Fixpoint.


def test_a_mirror_that_is_not_known_again_after_it_was_written_is_caught(caught, monkeypatch):
    save = written.save_written

    def forgets(conn: Connection, standing: Sequence[written.Standing]) -> None:
        save(conn, [replace(one, observed={}) for one in standing])

    monkeypatch.setattr(written, "save_written", forgets)

    assert caught("rewritten")


def test_a_full_read_that_has_everything_written_again_is_caught(caught, monkeypatch):
    compare = settle.writes.differences.compare
    want = mappings.want

    def wanted(conn, *, wishes, **named):
        return want(conn, wishes=[replace(wish, touched=True) for wish in wishes], **named)

    def compared(mirror, applied):
        return compare(mirror, replace(applied, root=None))

    monkeypatch.setattr(mappings, "want", wanted)
    monkeypatch.setattr(settle.writes.differences, "compare", compared)

    assert caught("write after quiet")


# 4. Never mirror a mirror.


def test_mirrors_that_nobody_recognises_by_their_marker_are_caught(caught, monkeypatch):
    monkeypatch.setattr(marker, "verify", lambda secrets, text, *, calendar_id: None)

    assert caught("mirror of a mirror", lately=11)


# 5. The cursor moves only with what it covers.


def test_a_cursor_that_is_saved_before_its_page_is_caught(caught, monkeypatch):
    save = pull._save

    def early(run, page, *given, asked, **named):
        with run.transaction(run.engine.now()) as conn:
            calendars.save_page(
                conn, run.calendar, next_page=page.next_page, cursor=page.cursor, unfinished=(), now=asked
            )
        save(run, page, *given, asked=asked, **named)

    monkeypatch.setattr(pull, "_save", early)

    assert caught("lost", lately=21)


# 6. One writer.


def test_a_lease_that_nobody_looks_at_again_is_caught(caught, monkeypatch):
    monkeypatch.setattr(leases, "guard", lambda conn, lease, *, now, duration: None)

    assert caught("two writers", lately=13)


def test_an_adapter_that_writes_over_what_it_has_never_read_is_caught(caught, monkeypatch):
    monkeypatch.setattr(CalDavLike, "_require_unchanged", lambda self, shelf, name, read: None)

    assert caught("overwritten", lately=8)


# 7. No notification is lost.


def test_a_pull_that_answers_whatever_was_asked_for_meanwhile_is_caught(caught, monkeypatch):
    save = calendars.save_page

    def cleared(conn, calendar, **named):
        saved = save(conn, calendar, **named)
        if named["cursor"] is not None:
            calendars.forget_requests(conn, calendar.id)
        return saved

    monkeypatch.setattr(calendars, "save_page", cleared)

    assert caught("notification lost", lately=57)


def test_a_last_page_that_answers_for_the_pages_before_it_is_caught(caught, monkeypatch):
    get = calendars.get

    def forgetful(conn, calendar_id):
        calendar = get(conn, calendar_id)
        return replace(calendar, covered=calendar.requested)

    monkeypatch.setattr(calendars, "get", forgetful)

    assert caught("notification lost", lately=40)


def test_a_channel_that_may_be_silent_for_ever_is_caught(caught, monkeypatch):
    monkeypatch.setattr(silence, "judge", lambda conn, *, now: 0)

    assert caught("silent channel", lately=3)


# 8. Masked text never leaves.


def test_a_mask_that_hides_the_title_only_is_caught(caught, monkeypatch):
    def half(text, mask):
        return Text(title=mask.busy_title, location=text.location)

    monkeypatch.setattr(mask, "_text", half)
    monkeypatch.setattr(mask.Mask, "needs_text", True)

    assert caught("leak")


def test_a_tightened_link_that_forgets_the_mirrors_it_has_is_caught(caught, monkeypatch):
    monkeypatch.setattr(mappings, "render_anew", lambda conn, link_id: None)

    assert caught("leak", lately=65)


def test_a_writer_that_remembers_what_a_link_showed_is_caught(caught, monkeypatch):
    by_ids = links.by_ids
    known = {}

    def remembered(conn, link_ids):
        known.update({name: link for name, link in by_ids(conn, link_ids).items() if name not in known})
        return {name: known[name] for name in link_ids if name in known}

    monkeypatch.setattr(links, "by_ids", remembered)

    assert caught("leak")


def test_hidden_text_that_flows_back_is_caught(caught, monkeypatch):
    monkeypatch.setattr(merge, "exposed_by", lambda how: frozenset(OF_ROOTS))

    assert caught("told back", lately=16, has=Has(two_way=True))


def test_an_edit_that_is_read_off_a_page_is_caught(caught, monkeypatch):
    monkeypatch.setattr(edits, "ASKED_FOR", 0)
    monkeypatch.setattr(journal, "accepted_since", lambda *_: set())

    assert caught("from nowhere", lately=186, has=Has(two_way=True))


# 9. No guest is ever notified: updates are in place.


def test_a_series_that_is_deleted_and_made_anew_is_caught(caught, monkeypatch):
    write = push._write

    def anew(provider, calendar, work):
        for one in work:
            update = one.root_write
            if isinstance(update, Update) and update.appearance.recurrence:
                provider.write(calendar.remote_id, [Delete(event_id=update.event_id, marker=update.marker)])
                one.mapping = replace(one.mapping, mirror_event_id=None)
        write(provider, calendar, work)

    monkeypatch.setattr(push, "_write", anew)

    assert caught("replaced")


# 10. One bad item skips one item.


def test_an_item_that_spoils_its_page_is_caught(caught, monkeypatch):
    apply_page = apply.page

    def strict(conn, calendar, page, **named):
        if page.skipped:
            raise InvalidError("The page holds something that nobody can read.", code="EVENT.TIME")
        return apply_page(conn, calendar, page, **named)

    monkeypatch.setattr(apply, "page", strict)

    assert caught("spoiled", lately=25)


def test_an_item_that_is_skipped_without_a_word_is_caught(caught, monkeypatch):
    monkeypatch.setattr(events, "mark_skipped", lambda conn, calendar, event_id, reason: None)

    assert caught("not recorded", lately=25)


# 12. Every write is journalled.


def test_updates_that_stand_in_no_journal_are_caught(caught, monkeypatch):
    intend = journal.intend

    def creations_only(conn, intents, **named):
        return intend(conn, [intent for intent in intents if intent.operation == "insert"], **named)

    monkeypatch.setattr(journal, "intend", creations_only)

    assert caught("not journalled")


# 13. Restore loses nothing.


def test_a_restored_database_that_trusts_itself_is_caught(caught, monkeypatch):
    monkeypatch.setattr(reconciliation, "begin", lambda conn, calendar_ids, *, now: [])

    assert caught("orphan", lately=118)


def test_a_search_that_removes_whatever_it_does_not_know_is_caught(caught, monkeypatch):
    monkeypatch.setattr(reconciliation, "_recover", lambda conn, run, mapping_ids, *, now: [])
    monkeypatch.setattr(links, "of_target", lambda conn, calendar_id: [])

    assert caught("unproved delete", lately=147, has=Has(caldav=True, restores=True))


def test_each_promise_that_is_judged_has_its_test():
    assert set(PROMISES.values()) == {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13}
