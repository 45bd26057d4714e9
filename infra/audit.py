"""Hold the templates of the stages that go to AWS against cdk-nag's AwsSolutions rules: `python -m infra.audit`.

A rule is set aside only where the resource is made, with its reason.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from infra.app import app
from infra.stages import STAGES


def main() -> None:
    """Exit with 1 and the list of findings when there are any."""
    for stage in STAGES.values():
        if stage.name == "local":
            continue
        with TemporaryDirectory() as folder:
            checked = app(stage, outdir=Path(folder))
            Validations.of(checked).add_plugins(AwsSolutionsChecks(checked))
            try:
                checked.synth()
            except RuntimeError as findings:
                if "Validation failed" not in str(findings):
                    raise
                sys.exit(f"audit: {stage.name} has the findings above")
        print(f"audit: {stage.name:8} nothing to report")


if __name__ == "__main__":
    main()
