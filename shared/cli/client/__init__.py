"""The way to an installation: its HTTP API, the login to it, and its ops function."""
