"""`python -m shared.cli` is `kalends`."""

from shared.cli import main

main()
