DROP TABLE webhook_deliveries, webhook_channels, calendar_sync_state, calendars, oauth_states, external_calendar_connections, oauth_apps;
DROP FUNCTION reset_sync_state();
DROP FUNCTION roll_up_sync_state();
