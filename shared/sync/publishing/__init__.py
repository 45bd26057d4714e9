"""Calendars that are published as feeds of their own."""
