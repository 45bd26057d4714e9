"""The embedded cloud: the synthesized template of stage `local`, running on this machine. `python -m infra.local`."""
