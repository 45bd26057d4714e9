"""What a cold start pays for: every handler imported with nothing but the code package and the layer on its path.

`python -m infra.imports` prints the table and fails for a handler that does not import or costs too much.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
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

# Runs in an interpreter without site-packages, user settings or environment. The peak comes from the kernel's record
# of this program alone: getrusage would count the one that started it.
_MEASURE = """
import sys, time
sys.path[:0] = sys.argv[1:3]
started = time.perf_counter(), time.process_time()
module = __import__(sys.argv[3], fromlist=["handler"])
wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
assert callable(module.handler)
try:
    with open("/proc/self/status") as status:
        kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except FileNotFoundError:
    import resource
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
import json
print(json.dumps([1000 * cpu, 1000 * wall, kilobytes / 1024, len(sys.modules)]))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What importing a handler costs.

    The limit holds for the processor's time: on a quiet machine it is the time on the clock, on a busy one it stays.
    """

    cpu_milliseconds: float
    wall_milliseconds: float
    megabytes: float
    modules: int

    def within(self, line: Function) -> bool:
        """Whether `line` may cost that much."""
        milliseconds, megabytes = limits(line)
        return self.cpu_milliseconds <= milliseconds and self.megabytes <= megabytes


class ImportFailedError(Exception):
    """A handler does not import on Lambda; the message is what Lambda would log."""


def limits(line: Function) -> tuple[int, int]:
    """The milliseconds and megabytes that a handler's import may cost."""
    return WEBHOOK_LIMITS if line.name.startswith("webhooks-") else OTHER_LIMITS


def cost(line: Function) -> Cost:
    """Import a handler in fresh interpreters until it is within its limits, at most `RUNS` times; the best run.

    Raises ImportFailedError.
    """
    code, python = assets.code(), layer.tree("host") / "python"
    best = _once(line, code, python)
    for _ in range(RUNS - 1):
        if best.within(line):
            break
        best = min(best, _once(line, code, python), key=lambda cost: cost.cpu_milliseconds)
    return best


def _once(line: Function, code: Path, python: Path) -> Cost:
    module = line.handler.removesuffix(".handler")
    ran = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-I", "-S", "-B", "-c", _MEASURE, str(code), str(python), module],
        env={"LANG": "C.UTF-8"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise ImportFailedError(f"{line.handler}: {ran.stderr.strip().splitlines()[-1]}")
    return Cost(*json.loads(ran.stdout))


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
            wrong.append("{} costs more than {} ms or {} MB".format(line.handler, *limits(line)))
    if wrong:
        sys.exit("\n".join(["imports:", *wrong]))


if __name__ == "__main__":
    main()
