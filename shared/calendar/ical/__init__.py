"""iCalendar (RFC 5545) to our events and back. Pure: text in, units out; appearances in, text out."""
