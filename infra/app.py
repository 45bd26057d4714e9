"""The CDK app. `cdk.json` runs it for one stage (`-c stage=dev`); `infra.synth` writes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk

from infra.stacks.application import Application
from infra.stacks.data import Data
from infra.stacks.firewall import Firewall
from infra.stacks.observability import Observability
from infra.stages import STAGES

if TYPE_CHECKING:
    from pathlib import Path

    from infra.stages import Stage


def app(stage: Stage, *, outdir: Path | None = None) -> cdk.App:
    """The app of one stage, not yet synthesized. Without `outdir` the CDK command line says where."""
    app = cdk.App(
        outdir=str(outdir) if outdir else None,
        analytics_reporting=False,
        tree_metadata=False,
        # CloudFormation refuses to take away what a stack on top still uses.
        context={"@aws-cdk/core:defaultCrossStackReferences": "strong"},
    )
    data = Data(app, stage, stage.cloud) if stage.cloud else None
    application = Application(app, stage, data)
    if stage.cloud:
        Observability(app, stage, stage.cloud, application)
    if stage.has_front:
        application.add_stack_dependency(Firewall(app, stage))
    for name, value in {"application": "kalends", "stage": stage.name}.items():
        cdk.Tags.of(app).add(name, value)
    return app


def main() -> None:
    """Synthesize the stage in the CDK context."""
    name = cdk.App().node.try_get_context("stage")
    if name not in STAGES:
        raise SystemExit(f"Say which stage: cdk ... -c stage={'|'.join(STAGES)} (not {name!r}).")
    app(STAGES[name]).synth()


if __name__ == "__main__":
    main()
