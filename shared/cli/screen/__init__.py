"""The way to the person: lists, questions, waiting, and what went wrong."""
