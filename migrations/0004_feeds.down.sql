DROP VIEW pulls_due, calendars_in_use;
DROP TABLE feed_calendars, feeds;
