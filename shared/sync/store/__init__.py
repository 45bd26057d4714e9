"""The engine's tables, a module each."""
