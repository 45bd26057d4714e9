"""The description of the API."""

from typing import Any

from aws_lambda_powertools.event_handler import Response, content_types

from functions.api.routing import new_router

router = new_router()


@router.get("/openapi.json", include_in_schema=False, enable_validation=False)
def openapi() -> Response[Any]:
    """This API in OpenAPI 3.1."""
    from functions.api import description

    return Response(
        status_code=200,
        content_type=content_types.APPLICATION_JSON,
        body=description.as_text(),
        headers={"Cache-Control": "public, max-age=300"},
    )
