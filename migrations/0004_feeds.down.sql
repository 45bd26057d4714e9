DROP VIEW calendars_in_use;
DROP TABLE feed_calendars, feeds;
