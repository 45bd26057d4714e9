"""ICS feeds: calendars that are published as a file, to be read only."""
