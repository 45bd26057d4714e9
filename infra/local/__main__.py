"""Start the local cloud and keep it running: `python -m infra.local` (what `make run` calls)."""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from infra import ROOT
from infra.local import accounts, banner, cloud, postgres, vault
from infra.local.console import StartError, say

SIMULATED, REAL = ROOT / ".local", ROOT / ".local-real"
"""Where data is kept, unless somewhere else is named."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Start, say what there is to look at, wait to be stopped; 1 with a reason when it cannot start or go on."""
    arguments = _parse()
    try:
        if arguments.forget:
            _forget(arguments.directory)
        else:
            _serve(arguments)
    except StartError as error:
        say(f"\n{error}")
        return 1
    return 0


def _forget(directory: Path | None) -> None:
    """Forget a cloud's data. Without `directory` all that is built is deleted next, so that no cloud may run."""
    with ExitStack() as stack:
        if directory is None and REAL.exists():
            stack.enter_context(cloud.locked(REAL))
        cloud.forget(directory or SIMULATED)


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
    parser.add_argument("--directory", type=Path, help="keeps the data, secrets and logs (default: .local)")
    parser.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="talk to the real Google and Microsoft if the environment or this file names OAuth apps; without this "
        "option there are only simulators (default directory then: .local-real)",
    )
    parser.add_argument("--ready-file", type=Path, help="written with addresses and DSNs (JSON) when all is up")
    parser.add_argument("--with-parent", action="store_true", help="obey standard input; stop when it ends")
    parser.add_argument("--forget", action="store_true", help="delete what is kept outside the directory, and end")
    arguments = parser.parse_args()
    if arguments.directory:
        arguments.directory = arguments.directory.resolve()
    return arguments


def _run(arguments: argparse.Namespace, stack: ExitStack) -> None:
    began = time.monotonic()
    say("Kalends, the local cloud")
    real = accounts.read(arguments.env_file) if arguments.env_file else None
    if real:
        banner.warn()
    directory = arguments.directory or (REAL if real else SIMULATED)
    options = cloud.Options(
        directory=directory, port=arguments.port, database_url=os.environ.get("DATABASE_URL", ""), real=real
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
        **(banner.rows(real, base_url=running.base_url, here=str(running.facts["address"])) if real else {}),
        "Logs": str(running.facts["logs"]),
        "Addresses and DSNs": str(directory / cloud.FACTS),
        "Stop": "Ctrl-C",
    }
    for name, value in rows.items():
        if value:
            say(f"  {name:<24}{value}")
    if real:
        banner.warn()
    _watch(running, until_stdin_ends=arguments.with_parent)


def _watch(running: cloud.Running, *, until_stdin_ends: bool) -> None:
    """Until the end of standard input, obey what the parent says there; raises StartError when a part has ended."""
    words: queue.Queue[str | None] = queue.Queue()
    if until_stdin_ends:

        def listen_to_parent() -> None:
            for line in sys.stdin.buffer:
                words.put(line.decode().strip())
            words.put(None)

        threading.Thread(target=listen_to_parent, daemon=True).start()
    while True:
        with suppress(queue.Empty):
            word = words.get(timeout=1)
            if word is None:
                return
            _obey(word, running)
        for child in running.children:
            if not child.running:
                raise StartError(f"{child.name} ended by itself: {child.last_words()}")


def _obey(word: str, running: cloud.Running) -> None:
    match word, running.database:
        case "database stop", postgres.Server() as database:
            database.stop()
        case "database start", postgres.Server() as database:
            database.start()
        case _:
            raise StartError(f"Nothing here understands {word!r}; a parent may say: database stop, database start.")


if __name__ == "__main__":
    sys.exit(main())
