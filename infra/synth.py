"""Write the CloudFormation templates into cdk.out/STAGE: `python -m infra.synth [STAGE ...]`.

Cached by what they are made from; the layer and the code package are built on the way.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from infra import ROOT, assets
from infra.stages import STAGES

if TYPE_CHECKING:
    from infra.stages import Stage, StageName

OUT = ROOT / "cdk.out"
"""One cloud assembly per stage, in a folder named after it."""

_MARK = ".made-from"


def assembly(stage: StageName) -> Path:
    """Where the cloud assembly of a stage is, or will be."""
    return OUT / stage


def is_current(stage: StageName) -> bool:
    """Whether the assembly was made from the sources as they are now."""
    mark = assembly(stage) / _MARK
    return mark.exists() and mark.read_text() == _sources()


def _sources() -> str:
    """What a template depends on: the stacks, the code package, the locks, and for `local` the machine."""
    stacks = [path for path in sorted((ROOT / "infra").rglob("*.py")) if (ROOT / "infra/local") not in path.parents]
    locks = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]
    return assets.fingerprint(platform.machine(), *locks, *stacks, *assets.code_files())


def synthesize(stage: Stage) -> Path:
    """Write the assembly of `stage` and answer its folder; an earlier one is replaced only by a whole one."""
    # CDK's own validation phase costs as much as all the rest; `infra.audit` runs the rules that matter.
    os.environ.setdefault("CDK_VALIDATION", "false")
    from infra.app import app  # costs three seconds, which a cached start should not pay

    OUT.mkdir(exist_ok=True)
    sources, fresh, final = _sources(), Path(mkdtemp(dir=OUT, prefix=f".{stage.name}-")), assembly(stage.name)
    try:
        app(stage, outdir=fresh).synth()
        (fresh / _MARK).write_text(sources)
        shutil.rmtree(final, ignore_errors=True)
        fresh.rename(final)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return final


def main() -> None:
    """Synthesize the stages named on the command line, or all."""
    arguments = argparse.ArgumentParser(prog="python -m infra.synth", description=__doc__.partition("\n")[0])
    arguments.add_argument("stage", nargs="*", choices=STAGES, help="default: all of them")
    for name in arguments.parse_args().stage or STAGES:
        started = time.monotonic()
        current = is_current(name)
        folder = assembly(name) if current else synthesize(STAGES[name])
        took = "is current" if current else f"written in {time.monotonic() - started:.1f} s"
        print(f"synth: {name:8} {took}: {folder.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
