"""The smoke run: `python -m tests.smoke`. The last line on standard output is one JSON object; 0 means all is well."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from infra import ROOT
from infra.local import aws
from tests.e2e import cloud as clouds
from tests.smoke import dav, privacy
from tests.smoke.hard import HardRun
from tests.smoke.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.cloud import Cloud
    from tests.smoke.dav import Server
    from tests.smoke.privacy import Needles
    from tests.smoke.run import Report

KEPT = ROOT / "build" / "smoke"
"""Where logs, dump and report of the last run stay."""
_SHOWN = 40


def main() -> int:
    """Run, print the result, say what to look at when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.smoke", description=__doc__)
    parser.add_argument("--events", type=int, default=300, help="events on the Google side (default: %(default)s)")
    parser.add_argument("--changes", type=int, default=60, help="live changes, both ways (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is made up (default: %(default)s)")
    parser.add_argument("--faults", action="store_true", help="in bad weather: faults, kills, an outage")
    parser.add_argument("--ready-file", type=Path, help="of a running local cloud; by default one is started")
    options = parser.parse_args()
    if options.faults and options.ready_file:
        parser.error("--faults kills workers and stops the database: it needs a cloud of its own, not --ready-file")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stop what was started, as after Ctrl-C
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    say = progress(time.monotonic())
    with ExitStack() as stack:
        server = stack.enter_context(dav.serving(Path(stack.enter_context(TemporaryDirectory(prefix="radicale-")))))
        if options.ready_file:
            facts = json.loads(options.ready_file.read_text())
            directory = Path(facts["logs"]).parent
            report, needles = attempt(plain(facts, server, options, say), directory, facts)
            time.sleep(3)  # the last lines of the Lambdas' logs arrive
        else:
            say("starting the local cloud")
            directory = stack.enter_context(clouds.folder())
            with clouds.started(directory) as cloud:
                facts = json.loads((directory / "ready.json").read_text())
                say(f"the local cloud is up: {facts['base_url']}")
                run = hard(cloud, server, options, say) if options.faults else plain(facts, server, options, say)
                report, needles = attempt(run, directory, facts)
        leaks = privacy.in_files(needles, directory / "logs")
        shutil.copytree(directory / "logs", KEPT / "logs", ignore_dangling_symlinks=True)
    report.leaked(leaks)
    report.save(KEPT / "report.json")
    if report.wrong:
        for sentence in report.wrong[:_SHOWN]:
            say(f"WRONG {sentence}")
        say(f"{len(report.wrong)} things are wrong. Look at {KEPT}/report.json and the logs in {KEPT}/logs")
    print(report.line(), flush=True)
    return 1 if report.wrong else 0


def plain(facts: Mapping[str, Any], server: Server, options: argparse.Namespace, say: Callable[[str], None]) -> Run:
    """The run as it goes in fair weather."""
    return Run(facts, server=server, events=options.events, changes=options.changes, seed=options.seed, say=say)


def hard(cloud: Cloud, server: Server, options: argparse.Namespace, say: Callable[[str], None]) -> Run:
    """The run in bad weather."""
    return HardRun(cloud, server=server, events=options.events, changes=options.changes, seed=options.seed, say=say)


def attempt(run: Run, directory: Path, facts: Mapping[str, Any]) -> tuple[Report, Needles]:
    """Do the run and look for leaks in queues and database; answers the report, and what else to look for."""
    report = run.everything()
    needles = privacy.needles(directory, run.world.canaries.planted, run.kalends.secrets)
    in_queues, messages = privacy.in_queues(needles, aws.client("sqs", str(facts["aws_endpoint"])))
    dsn = privacy.superuser(directory, str(facts["dsn_owner"]))
    in_database = privacy.in_database(needles, dsn, KEPT / "database.sql")
    run.say(f"looked for {len(needles)} private words and secrets in the database and {messages} messages")
    report.leaked([*in_queues, *in_database])
    return report, needles


def progress(began: float) -> Callable[[str], None]:
    """A function that prints lines with the seconds since `began` to standard error, whole ones from any thread."""
    turn = threading.Lock()

    def say(line: str) -> None:
        with turn:
            print(f"{time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)

    return say


if __name__ == "__main__":
    sys.exit(main())
