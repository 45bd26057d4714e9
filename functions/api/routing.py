"""Powertools' router, where its types end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.core.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable


def new_router() -> APIGatewayHttpRouter:
    """Some routes."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


def new_resolver(*routers: APIGatewayHttpRouter) -> APIGatewayHttpResolver:
    """All routes. Nothing is answered here for what goes wrong: errors leave as ours, for the one translator."""
    resolver = APIGatewayHttpResolver(enable_validation=True, response_validation_error_http_code=500)
    for router in routers:
        resolver.include_router(router)
    raisers: dict[type[Exception], Callable[[Exception], NoReturn]] = {
        RequestValidationError: _raise_malformed,
        NoRouteError: _raise_no_route,
        Exception: _raise,
    }
    for error, raiser in raisers.items():
        resolver.exception_handler(error)(raiser)
    return resolver


def _raise_malformed(error: Exception) -> NoReturn:
    """Every bad field at once, by where it stands (`body.privacy`), never with what was sent."""
    if not isinstance(error, RequestValidationError):
        raise error
    fields = {".".join(str(part) for part in item["loc"]): str(item["msg"]) for item in error.errors()}
    listing = "; ".join(f"{name}: {problem}" for name, problem in fields.items())
    raise InvalidError(f"Please correct: {listing}.", code="REQUEST.INVALID", fields=fields)


def _raise_no_route(_: Exception) -> NoReturn:
    raise NotFoundError("There is no such address. See /openapi.json for those there are.", code="ROUTE.NOT_FOUND")


def _raise(error: Exception) -> NoReturn:
    raise error
