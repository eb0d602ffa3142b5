"""What the Admin API takes and answers, as pydantic models. Imported at first use: start-up time counts.

A model looks at structure only: fields, types, what is required, constants. Bounds and forms stand here for the
reader of the OpenAPI document, and are checked where the rest of a registration is, by `ant_wif.rules`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.fields import NOT_PERMITTED
from ant_wif.rules.registration import MAX_JWT_LIFETIMES, NAME_FORM, SCOPES, TOKEN_LIFETIMES

T = TypeVar("T")

_SENTENCES = {
    "extra_forbidden": NOT_PERMITTED,
    "missing": "this field is required",
    "union_tag_not_found": "this field is required",
    "string_type": "must be a string",
    "string_unicode": "must have names of fields that are valid Unicode",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


class Strict(BaseModel):
    """An object without other fields. Nothing is converted: "1" is not a number, and neither is true."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


def _or_null(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False)
        if first["loc"] or first["type"].startswith("union_tag"):
            raise
        sentence = f"{_sentence(first)} or null"
        raise PydanticCustomError("nullable", "{sentence}", {"sentence": sentence}) from None


OrNull = Annotated[Optional[T], WrapValidator(_or_null)]  # noqa: UP045  # `T | None` takes no arguments in Python 3.10


def find_flaw(model: type[BaseModel], body: object) -> tuple[list[str | int], str] | None:
    """Return the place of what is wrong first, and a sentence such as "must be a string"; `None` for a valid body."""
    try:
        model.model_validate(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        ranks = {"extra_forbidden": 0, "missing": 1}
        first = min(errors, key=lambda each: ranks.get(each["type"], 2))
        return _place(first, body), _sentence(first)
    return None


def _sentence(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] in {"literal_error", "union_tag_invalid"}:
        words = re.findall(r"'([^']*)'", str(context.get("expected") or context.get("expected_tags")))
        return f"must be {' or '.join(words)}"
    sentence = _SENTENCES.get(error["type"])
    return error["msg"] if sentence is None else sentence.format_map(context)


def _place(error: ErrorDetails, body: object) -> list[str | int]:
    """Return the path in the body. pydantic's has the tags of unions, too, which are not in the body."""
    place: list[str | int] = []
    if not error["loc"]:
        return place
    *parents, last = error["loc"]
    for name in parents:
        if isinstance(body, dict) and isinstance(name, str) and (name in body or body.get("type") != name):
            body = body.get(name)
        elif isinstance(body, list) and isinstance(name, int):
            body = body[name]
        else:
            continue
        place.append(name)
    if not (isinstance(body, str | list) and isinstance(last, str)):
        place.append(last)
    if error["type"].startswith("union_tag"):
        place.append("type")
    return [sanitize(name, limit=64) if isinstance(name, str) else name for name in place]


# Deeper than any key, and far from where a reader or writer of JSON gives up.
_DEEPEST = 8


def _shallow(value: object) -> object:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise PydanticCustomError("too_deep", "is nested too deeply")
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inner for item in items]
    return value


def _false(value: bool) -> bool:  # noqa: FBT001  # called by pydantic
    if value:
        raise PydanticCustomError("only_false", "must be false")
    return value


def _shown_bounds(allowed: range) -> Any:
    return Field(json_schema_extra={"minimum": allowed[0], "maximum": allowed[-1]})


Name = Annotated[str, Field(json_schema_extra={"pattern": f"^{NAME_FORM}$"})]
Text = Annotated[str, Field(json_schema_extra={"minLength": 1})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Scope = Annotated[str, Field(examples=list(SCOPES))]
Role = Literal["admin", "developer"]
WorkspaceRole = Literal["workspace_admin", "workspace_developer", "workspace_restricted_developer", "workspace_user"]
JwtLifetime = Annotated[int, _shown_bounds(MAX_JWT_LIFETIMES)]
TokenLifetime = Annotated[int, _shown_bounds(TOKEN_LIFETIMES)]


class Discovery(Strict):
    type: Literal["discovery"]
    discovery_base: OrNull[str] = None
    ca_cert_pem: OrNull[str] = None


class ExplicitUrl(Strict):
    type: Literal["explicit_url"]
    url: str
    ca_cert_pem: OrNull[str] = None


class Inline(Strict):
    type: Literal["inline"]
    keys: Annotated[list[dict[str, Annotated[Any, AfterValidator(_shallow)]]], Field(json_schema_extra={"minItems": 1})]


Jwks = Annotated[Discovery | ExplicitUrl | Inline, Field(discriminator="type")]


class Match(Strict):
    subject_prefix: OrNull[Text] = None
    audience: OrNull[Text] = None
    claims: OrNull[dict[str, str]] = None
    condition: OrNull[Text] = None


class Target(Strict):
    type: Literal["service_account"]
    service_account_id: str
    service_account_name: OrNull[str] = None


class ServiceAccountCreate(Strict):
    name: Name
    description: OrNull[str] = None
    organization_role: Role = "developer"


class ServiceAccountUpdate(Strict):
    description: OrNull[str] = None
    organization_role: OrNull[Role] = None


class IssuerCreate(Strict):
    name: Name
    issuer_url: Text
    jwks: Jwks = Discovery.model_construct(type="discovery")
    max_jwt_lifetime_seconds: OrNull[JwtLifetime] = None
    check_jti: OrNull[bool] = None


class IssuerUpdate(Strict):
    name: OrNull[Name] = None
    issuer_url: OrNull[Text] = None
    jwks: OrNull[Jwks] = None
    max_jwt_lifetime_seconds: OrNull[JwtLifetime] = None
    check_jti: OrNull[bool] = None
    jwks_polling_disabled: OrNull[
        Annotated[bool, AfterValidator(_false), Field(json_schema_extra={"enum": [False]})]
    ] = None


_NoAttributes = Annotated[dict[str, str], Field(json_schema_extra={"maxProperties": 0})]


class RuleCreate(Strict):
    name: Name
    issuer_id: str
    match: Match
    target: Target
    oauth_scope: Scope
    description: OrNull[str] = None
    workspace_id: OrNull[str] = None
    applies_to_all_workspaces: bool = False
    token_lifetime_seconds: TokenLifetime = 3600
    attributes: OrNull[_NoAttributes] = None


class RuleUpdate(Strict):
    name: OrNull[Name] = None
    match: OrNull[Match] = None
    target: OrNull[Target] = None
    oauth_scope: OrNull[Scope] = None
    description: OrNull[str] = None
    workspace_id: OrNull[str] = None
    applies_to_all_workspaces: OrNull[bool] = None
    token_lifetime_seconds: OrNull[TokenLifetime] = None
    attributes: OrNull[_NoAttributes] = None


class MembershipCreate(Strict):
    workspace_id: str
    workspace_role: WorkspaceRole


class EnablementCreate(Strict):
    workspace_id: str


class Nothing(Strict):
    pass


class _Resource(Strict):
    id: str
    name: Name
    created_at: Time
    created_by_actor_id: str | None
    updated_at: Time
    updated_by_actor_id: str | None
    archived_at: Time | None
    archived_by_actor_id: str | None


class ServiceAccountResource(_Resource):
    type: Literal["service_account"]
    description: str | None
    organization_role: Role


class PollStatus(Strict):
    consecutive_failures: Annotated[int, Field(ge=0)]
    last_fetched_at: Time | None
    next_poll_at: Time | None


class IssuerResource(_Resource):
    type: Literal["federation_issuer"]
    issuer_url: str
    jwks: Jwks
    max_jwt_lifetime_seconds: JwtLifetime
    check_jti: bool
    jwks_polling_disabled_at: Time | None
    poll_status: PollStatus | None


class NamedTarget(Strict):
    type: Literal["service_account"]
    service_account_id: str
    service_account_name: str


class RuleResource(_Resource):
    type: Literal["federation_rule"]
    description: str | None
    issuer_id: str
    issuer_name: str
    match: Match
    target: NamedTarget
    workspace_id: None
    workspace_ids: list[str]
    applies_to_all_workspaces: bool
    oauth_scope: Scope
    token_lifetime_seconds: TokenLifetime
    attributes: None


class MembershipResource(Strict):
    type: Literal["service_account_workspace_member"]
    service_account_id: str
    workspace_id: str
    workspace_role: WorkspaceRole
    created_by_actor_id: str | None
    implicit: bool


class MembershipDeleted(Strict):
    type: Literal["service_account_workspace_member_deleted"]
    service_account_id: str
    workspace_id: str


class EnablementResource(Strict):
    type: Literal["federation_rule_workspace"]
    federation_rule_id: str
    workspace_id: str
    workspace_name: str | None
    created_at: Time
    created_by_actor_id: str | None


class EnablementDeleted(Strict):
    type: Literal["federation_rule_workspace_deleted"]
    federation_rule_id: str
    workspace_id: str


class DataResidency(Strict):
    allowed_inference_geos: str
    default_inference_geo: str
    workspace_geo: str


class WorkspaceResource(Strict):
    type: Literal["workspace"]
    id: str
    name: str
    archived_at: Time | None
    compartment_id: str
    created_at: Time
    data_residency: DataResidency
    display_color: str
    external_key_id: str | None
    tags: dict[str, str]
    user_profile_id: str | None


class ErrorDetail(Strict):
    type: str
    message: str


class ErrorBody(Strict):
    type: Literal["error"]
    error: ErrorDetail
    request_id: str


class ResourcePage(Strict, Generic[T]):
    data: list[T]
    next_page: str | None


class PageById(Strict, Generic[T]):
    data: list[T]
    has_more: bool
    first_id: str | None
    last_id: str | None
