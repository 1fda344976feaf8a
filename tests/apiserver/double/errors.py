# SPDX-License-Identifier: Apache-2.0
"""API errors: every failure a client sees is one ApiError, which knows its Status object.

Codes, reasons and messages follow k8s.io/apimachinery/pkg/api/errors: clients match on them.
"""


class ApiError(Exception):
    """A failure that is answered with a Status object."""

    def __init__(self, code, reason, message, details=None, list_meta=None):
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.list_meta = list_meta or {}

    @property
    def retry_after(self):
        return (self.details or {}).get("retryAfterSeconds")

    def status(self):
        ret = {"kind": "Status", "apiVersion": "v1", "metadata": self.list_meta,
               "status": "Failure", "message": self.message, "reason": self.reason,
               "code": self.code}
        if self.details:
            ret["details"] = self.details
        return ret


def _qualified(res):
    return f"{res.plural}.{res.group}" if res.group else res.plural


def _details(res, name):
    ret = {"name": name, "group": res.group, "kind": res.plural}
    return {k: v for k, v in ret.items() if v}


def not_found(res, name):
    return ApiError(404, "NotFound", f'{_qualified(res)} "{name}" not found', _details(res, name))


def no_such_path():
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(res, name):
    return ApiError(409, "AlreadyExists", f'{_qualified(res)} "{name}" already exists',
                    _details(res, name))


def conflict(res, name, why="the object has been modified; please apply your changes to the "
             "latest version and try again"):
    return ApiError(409, "Conflict",
                    f'Operation cannot be fulfilled on {_qualified(res)} "{name}": '
                    f"{why}", _details(res, name))


def forbidden(res, name, why, causes=None):
    details = _details(res, name)
    if causes:
        details["causes"] = causes
    return ApiError(403, "Forbidden", f'{_qualified(res)} "{name}" is forbidden: {why}', details)


def invalid(kind, group, name, causes):
    """causes: list of cause() results; at least one."""
    texts = [f"{c['field']}: {c['message']}" for c in causes]
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    qualified = f"{kind}.{group}" if group else kind
    details = {"name": name, "group": group, "kind": kind, "causes": causes}
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}',
                    {k: v for k, v in details.items() if v})


def bad_request(message):
    return ApiError(400, "BadRequest", message)


def unauthorized():
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed():
    return ApiError(405, "MethodNotAllowed",
                    "the server does not allow this method on the requested resource")


def not_acceptable(accepted):
    return ApiError(406, "NotAcceptable",
                    "only the following media types are accepted: " + accepted)


def unsupported_media_type(accepted):
    return ApiError(415, "UnsupportedMediaType",
                    "the body of the request was in an unknown format - accepted media types "
                    "include: " + accepted)


def expired(message, continue_token=None):
    return ApiError(410, "Expired", message, list_meta={"continue": continue_token}
                    if continue_token else None)


def too_large_version(asked, current):
    return ApiError(504, "Timeout", f"Too large resource version: {asked}, current: {current}",
                    {"causes": [{"reason": "ResourceVersionTooLarge",
                                 "message": "Too large resource version"}],
                     "retryAfterSeconds": 1})


def cause(reason, field, message):
    return {"reason": reason, "message": message, "field": field}


def required(field, message=""):
    return cause("FieldValueRequired", field,
                 "Required value" + (": " + message if message else ""))


def bad_value(field, value, message):
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return cause("FieldValueInvalid", field, f"Invalid value: {shown}: {message}")


def not_supported(field, value, supported):
    allowed = ", ".join(f'"{s}"' for s in supported)
    return cause("FieldValueNotSupported", field,
                 f'Unsupported value: "{value}": supported values: {allowed}')


def duplicate(field, value):
    return cause("FieldValueDuplicate", field, f'Duplicate value: "{value}"')


def forbidden_value(field, message):
    return cause("FieldValueForbidden", field, f"Forbidden: {message}")
