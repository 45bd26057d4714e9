"""What a cold start pays for: every handler imported with nothing but the code package and the layer on its path.

`python -m infra.imports` prints the table and fails for a handler that does not import or costs too much. The limits
are meant for the machine they were set on: where the same yardstick takes longer, a handler may take as much longer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from infra import assets, layer
from infra.catalogue import CATALOGUE

if TYPE_CHECKING:
    from pathlib import Path

    from infra.catalogue import Function

RUNS = 5
# Milliseconds of processor time and megabytes: a provider waits for a webhook, nobody waits for the others.
WEBHOOK_LIMITS = (300, 50)
OTHER_LIMITS = (650, 90)
# The same kind of work (reading and running modules), which no change of ours makes slower, and the milliseconds of
# processor time that it took where the limits were set.
YARDSTICK = (
    "asyncio ctypes dataclasses decimal email.mime.multipart email.parser http.cookiejar http.server json"
    " logging.config multiprocessing.pool pdb sqlite3 ssl tomllib typing unittest.mock urllib.request xml.dom.minidom"
    " xml.etree.ElementTree zipfile"
)
YARDSTICK_MILLISECONDS = 155

# Runs in an interpreter without site-packages, user settings or environment. The peak comes from the kernel's record
# of this program alone: getrusage would count the one that started it.
_MEASURE = """
import sys, time
names, sys.path[:0] = sys.argv[1].split(), sys.argv[2:]
started = time.perf_counter(), time.process_time()
for name in names:
    module = __import__(name, fromlist=["handler"])
wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
try:
    with open("/proc/self/status") as status:
        kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except FileNotFoundError:
    import resource
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
import json
print(json.dumps([callable(getattr(module, "handler", None)), 1000 * cpu, 1000 * wall, kilobytes / 1024,
                  len(sys.modules)]))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What importing a handler costs on a machine that is `slowness` times as slow as the one the limits were set on.

    The limit holds for the processor's time: on a quiet machine it is the time on the clock, on a busy one it stays
    nearly the same.
    """

    cpu_milliseconds: float
    wall_milliseconds: float
    megabytes: float
    modules: int
    slowness: float = 1.0

    def within(self, line: Function) -> bool:
        """Whether `line` may cost that much."""
        milliseconds, megabytes = limits(line)
        return self.cpu_milliseconds <= milliseconds * self.slowness and self.megabytes <= megabytes


class ImportFailedError(Exception):
    """A handler does not import on Lambda; the message is what Lambda would log."""


def limits(line: Function) -> tuple[int, int]:
    """The milliseconds and megabytes that a handler's import may cost."""
    return WEBHOOK_LIMITS if line.name.startswith("webhooks-") else OTHER_LIMITS


def cost(line: Function) -> Cost:
    """Import a handler in fresh interpreters until it is within its limits, at most `RUNS` times; the best run.

    From the second run on the yardstick is laid beside it. Raises ImportFailedError.
    """
    best = _handler(line)
    for _ in range(RUNS - 1):
        if best.within(line):
            break
        again = replace(_handler(line), slowness=_slowness())
        best = min(best, again, key=lambda cost: cost.cpu_milliseconds / cost.slowness)
    return best


def _handler(line: Function) -> Cost:
    is_handler, found = _once(line.handler.removesuffix(".handler"), assets.code(), layer.tree("host") / "python")
    if not is_handler:
        raise ImportFailedError(f"{line.handler} is nothing that can be called")
    return found


def _slowness() -> float:
    _, found = _once(YARDSTICK)
    return max(1.0, found.cpu_milliseconds / YARDSTICK_MILLISECONDS)


def _once(modules: str, *path: Path) -> tuple[bool, Cost]:
    """Import modules (names with blanks between them) one after the other; whether the last has a handler."""
    ran = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-I", "-S", "-B", "-c", _MEASURE, modules, *map(str, path)],
        env={"LANG": "C.UTF-8"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise ImportFailedError(f"{modules}: {ran.stderr.strip().splitlines()[-1]}")
    is_handler, *numbers = json.loads(ran.stdout)
    return is_handler, Cost(*numbers)


def main() -> None:
    """Print the table; exit with 1 when a handler fails or costs too much."""
    print(f"{'handler':<46}{'cpu ms':>8}{'ms':>8}{'peak MB':>9}{'modules':>9}")
    wrong = []
    for line in CATALOGUE:
        try:
            found = cost(line)
        except ImportFailedError as error:
            wrong.append(str(error))
            continue
        print(
            f"{line.handler:<46}{found.cpu_milliseconds:>8.0f}{found.wall_milliseconds:>8.0f}"
            f"{found.megabytes:>9.0f}{found.modules:>9}"
        )
        if not found.within(line):
            milliseconds, megabytes = limits(line)
            wrong.append(
                f"{line.handler} costs more than {milliseconds} ms (here, {found.slowness:.2f} times as slow:"
                f" {milliseconds * found.slowness:.0f} ms) or {megabytes} MB"
            )
    if wrong:
        sys.exit("\n".join(["imports:", *wrong]))


if __name__ == "__main__":
    main()
