"""The HTTP status of every error: one table for all protocols."""

from __future__ import annotations

from http import HTTPStatus

from app import errors

STATUSES: dict[type[errors.ServingError], HTTPStatus] = {
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ModelNotFound: HTTPStatus.NOT_FOUND,
    errors.NoDefault: HTTPStatus.BAD_REQUEST,
    errors.VersionNotFound: HTTPStatus.NOT_FOUND,
    errors.AliasNotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.MalformedBody: HTTPStatus.BAD_REQUEST,
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.BodyTimeout: HTTPStatus.REQUEST_TIMEOUT,
    errors.Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    errors.NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.InternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.PredictionFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.BundleError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status(error: errors.ServingError) -> HTTPStatus:
    return STATUSES[type(error)]


def plain(error: errors.ServingError) -> HTTPStatus:
    """The status under protocols that tell what cannot be read and what breaks the contract by the same one."""
    found = status(error)
    return HTTPStatus.BAD_REQUEST if found is HTTPStatus.UNPROCESSABLE_ENTITY else found
