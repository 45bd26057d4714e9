"""Start the local cloud and keep it running: `python -m infra.local` (what `make run` calls)."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from infra import ROOT
from infra.local import cloud, vault
from infra.local.console import StartError, say

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Start, say what there is to look at, wait to be stopped; 1 with a reason when it cannot start or go on."""
    arguments = _parse()
    try:
        if arguments.forget:
            cloud.forget(arguments.directory)
        else:
            _serve(arguments)
    except StartError as error:
        say(f"\n{error}")
        return 1
    return 0


def _serve(arguments: argparse.Namespace) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    stack = ExitStack()
    try:
        _run(arguments, stack)
    except KeyboardInterrupt:
        pass
    finally:
        for number in _SIGNALS:  # stopping takes seconds, and a second Ctrl-C would leave processes behind
            signal.signal(number, signal.SIG_IGN)
        say("\nStopping ...")
        stack.close()
        say("Stopped. The data stays; make clean forgets it.")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("PORT", 3001),
        help="the front door's (default: PORT or 3001); 0: any",
    )
    parser.add_argument("--directory", type=Path, default=ROOT / ".local", help="keeps the data, secrets and logs")
    parser.add_argument("--ready-file", type=Path, help="written with addresses and DSNs (JSON) when all is up")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")
    parser.add_argument("--forget", action="store_true", help="delete what is kept outside the directory, and end")
    arguments = parser.parse_args()
    arguments.directory = arguments.directory.resolve()
    return arguments


def _run(arguments: argparse.Namespace, stack: ExitStack) -> None:
    began = time.monotonic()
    say("Kalends, the local cloud")
    options = cloud.Options(
        directory=arguments.directory, port=arguments.port, database_url=os.environ.get("DATABASE_URL", "")
    )
    running = cloud.start(options, stack)
    link = cloud.first_administrator(running)
    if arguments.ready_file:
        vault.write_private(arguments.ready_file, running.facts)
        stack.callback(arguments.ready_file.unlink, missing_ok=True)
    say(f"\nReady in {time.monotonic() - began:.1f} s:  {running.base_url}")
    rows = {
        "First administrator": link,
        **{
            f"{name.title()} simulator": f"{address}  (see and change calendars)"
            for name, address in running.simulators.items()
        },
        "Logs": str(running.facts["logs"]),
        "Addresses and DSNs": str(arguments.directory / cloud.FACTS),
        "Stop": "Ctrl-C",
    }
    for name, value in rows.items():
        if value:
            say(f"  {name:<22}{value}")
    _watch(running, until_stdin_ends=arguments.with_parent)


def _watch(running: cloud.Running, *, until_stdin_ends: bool) -> None:
    ended = threading.Event()
    if until_stdin_ends:

        def wait_for_parent() -> None:
            sys.stdin.buffer.read()
            ended.set()

        threading.Thread(target=wait_for_parent, daemon=True).start()
    while not ended.wait(1):
        for child in running.children:
            if not child.running:
                raise StartError(f"{child.name} ended by itself: {child.last_words()}")


if __name__ == "__main__":
    sys.exit(main())
