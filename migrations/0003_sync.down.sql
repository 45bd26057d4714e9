DROP TABLE double_bookings, event_times, sync_journal, event_mappings, held_changes, external_calendar_events, sync_jobs, sync_runs, links;
DROP FUNCTION push_cleared_event();
