DROP TRIGGER forget_readers ON calendars;
DROP VIEW calendars_to_search, mirrors_due;
DROP TABLE double_bookings, event_times, sync_plans, undo_items, sync_journal, orphans, conflicts, source_writes, event_mappings, held_changes, external_calendar_events, sync_jobs, sync_runs, links, link_groups;
DROP FUNCTION push_cleared_event(), note_due(), end_conflicts(), forget_readers();
