"""Invoked by Secrets Manager when the password of a database user is due, once for each of the four steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from functions.observability import observed
from shared.core.errors import InvalidError
from shared.wiring import app

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


class Asked(BaseModel):
    """What Secrets Manager sends (User Guide, "Rotation by Lambda function")."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    step: Literal["createSecret", "setSecret", "testSecret", "finishSecret"] = Field(alias="Step")
    secret_id: str = Field(alias="SecretId", min_length=1)
    version: str = Field(alias="ClientRequestToken", min_length=32)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take one step. Raises InvalidError for another secret than the roles', and what the step raises."""
    try:
        asked = Asked.model_validate(event)
    except ValidationError:
        raise InvalidError("This is not what Secrets Manager sends.", code="ROTATION.EVENT") from None
    app().rotation(asked.secret_id).take(asked.step, asked.version)
    return {"step": asked.step}
