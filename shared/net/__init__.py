"""Requests to addresses that people give us."""
