"""What is misconfigured."""

import typer

from shared.cli import OPERATE
from shared.cli.client import api as http
from shared.cli.client.api import Item
from shared.cli.screen import output
from shared.cli.screen.output import AsJson
from shared.cli.screen.problem import FAILED

PANEL = OPERATE

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
def doctor(as_json: AsJson = False) -> None:
    """Check the installation (for administrators).

    Says what to do where something is wrong, and exits with 1 then.
    """
    with http.logged_in() as api:
        found = api.get("/api/doctor")
    show(found, as_json=as_json)


def show(diagnosis: Item, *, as_json: bool) -> None:
    """Show the checks; ends the command with 1 if one failed."""
    if as_json:
        output.as_json(diagnosis)
    else:
        output.table(
            ("state", "check", "detail"),
            [("ok" if one["ok"] else "wrong", one["name"], _detail(one)) for one in diagnosis["checks"]],
            empty="Nothing was checked.",
        )
    if not diagnosis["ok"]:
        raise typer.Exit(FAILED)


def _detail(finding: Item) -> str:
    return f"{finding['detail']} ({finding['code']})" if finding["code"] else str(finding["detail"])
