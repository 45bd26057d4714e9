"""How Outlook names what RFC 5545 abbreviates (Graph: recurrencePattern)."""

WEEKDAYS = {
    "MO": "monday",
    "TU": "tuesday",
    "WE": "wednesday",
    "TH": "thursday",
    "FR": "friday",
    "SA": "saturday",
    "SU": "sunday",
}
INDEXES = {"1": "first", "2": "second", "3": "third", "4": "fourth", "-1": "last"}
