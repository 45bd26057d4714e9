"""Run one simulator: `python -m infra.local.simulators google --port 0 --state FILE`."""

import argparse
import asyncio
import importlib
import logging
from pathlib import Path

from infra.local.simulators import server


def main() -> None:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.simulators", description=__doc__)
    parser.add_argument("provider", choices=["google", "microsoft"])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    parser.add_argument("--state", type=Path, help="file that keeps the data between runs")
    parser.add_argument(
        "--redirect-uri",
        action="append",
        default=[],
        help="redirect URI of the registered client; repeatable",
    )
    parser.add_argument("--require-https", action="store_true", help="refuse webhook addresses without https")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(name)s %(levelname)s %(message)s")
    provider = importlib.import_module(f"infra.local.simulators.{options.provider}")
    app = provider.build(state=options.state, redirect_uris=options.redirect_uri, require_https=options.require_https)
    asyncio.run(server.serve(app, name=options.provider, host=options.host, port=options.port))


if __name__ == "__main__":
    main()
