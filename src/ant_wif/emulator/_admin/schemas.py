"""What the Admin API takes and answers, as JSON Schema: read by the checks of a body, and by whoever asks for it.

A check of a body looks at structure only: fields, types, what is required, constants. Bounds and forms stand here
for the reader, and are checked where the rest of a registration is, by `ant_wif.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ant_wif.rules.registration import MAX_JWT_LIFETIMES, NAME_FORM, SCOPES, TOKEN_LIFETIMES

Schema = Mapping[str, object]

WORKSPACE_ROLES = ("workspace_admin", "workspace_developer", "workspace_restricted_developer", "workspace_user")

_STRING: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_TEXT: Schema = {"type": "string", "minLength": 1}
_NAME: Schema = {"type": "string", "pattern": f"^{NAME_FORM}$"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_STRINGS: Schema = {"type": "object", "additionalProperties": _STRING}
_ROLE: Schema = {"type": "string", "enum": ["admin", "developer"]}
_SCOPE: Schema = {"type": "string", "examples": list(SCOPES)}


def within(allowed: range) -> Schema:
    return {"type": "integer", "minimum": allowed[0], "maximum": allowed[-1]}


def constant(value: str) -> Schema:
    return {"type": "string", "const": value}


def or_null(schema: Schema) -> Schema:
    return {"oneOf": [schema, {"type": "null"}]} if "enum" in schema else {**schema, "type": [schema["type"], "null"]}


def closed(properties: Mapping[str, Schema], required: Sequence[str] = ()) -> Schema:
    """Return the schema of an object that has no other fields."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def answered(properties: Mapping[str, Schema]) -> Schema:
    """Return the schema of an object that has all of these fields and no others."""
    return closed(properties, list(properties))


def _deleted(kind: str, owner: str) -> Schema:
    return answered({"type": constant(kind), owner: _STRING, "workspace_id": _STRING})


_FETCHED: Mapping[str, Schema] = {"ca_cert_pem": or_null(_STRING)}
_JWKS_KINDS: Mapping[str, tuple[Mapping[str, Schema], Sequence[str]]] = {
    "discovery": ({"discovery_base": or_null(_STRING), **_FETCHED}, ()),
    "explicit_url": ({"url": _STRING, **_FETCHED}, ("url",)),
    "inline": ({"keys": {"type": "array", "items": {"type": "object"}, "minItems": 1}}, ("keys",)),
}


def _jwks(*, nullable: bool = False) -> Schema:
    kinds: list[Schema] = [
        closed({"type": constant(kind), **fields}, ["type", *required])
        for kind, (fields, required) in _JWKS_KINDS.items()
    ]
    return {"oneOf": [*kinds, {"type": "null"}] if nullable else kinds}


JWKS = _jwks()
MATCH = closed(
    {
        "subject_prefix": or_null(_TEXT),
        "audience": or_null(_TEXT),
        "claims": or_null(_STRINGS),
        "condition": or_null(_TEXT),
    }
)
TARGET = closed(
    {
        "type": constant("service_account"),
        "service_account_id": _STRING,
        "service_account_name": or_null(_STRING),
    },
    ["type", "service_account_id"],
)

ACCOUNT_CREATE = closed({"name": _NAME, "description": or_null(_STRING), "organization_role": _ROLE}, ["name"])
ACCOUNT_UPDATE = closed({"description": or_null(_STRING), "organization_role": or_null(_ROLE)})
ISSUER_CREATE = closed(
    {
        "name": _NAME,
        "issuer_url": _TEXT,
        "jwks": JWKS,
        "max_jwt_lifetime_seconds": or_null(within(MAX_JWT_LIFETIMES)),
        "check_jti": or_null(_BOOLEAN),
    },
    ["name", "issuer_url"],
)
ISSUER_UPDATE = closed(
    {
        "name": or_null(_NAME),
        "issuer_url": or_null(_TEXT),
        "jwks": _jwks(nullable=True),
        "max_jwt_lifetime_seconds": or_null(within(MAX_JWT_LIFETIMES)),
        "check_jti": or_null(_BOOLEAN),
        "jwks_polling_disabled": {"type": ["boolean", "null"], "enum": [False, None]},
    }
)
_RULE_FIELDS: Mapping[str, Schema] = {
    "name": _NAME,
    "description": or_null(_STRING),
    "match": MATCH,
    "target": TARGET,
    "workspace_id": or_null(_STRING),
    "applies_to_all_workspaces": _BOOLEAN,
    "oauth_scope": _SCOPE,
    "token_lifetime_seconds": within(TOKEN_LIFETIMES),
    "attributes": or_null({**_STRINGS, "maxProperties": 0}),
}
RULE_CREATE = closed({"issuer_id": _STRING, **_RULE_FIELDS}, ["issuer_id", "match", "name", "oauth_scope", "target"])
RULE_UPDATE = closed(
    {
        field: schema if field in {"description", "workspace_id", "attributes"} else or_null(schema)
        for field, schema in _RULE_FIELDS.items()
    }
)
MEMBERSHIP_CREATE = closed(
    {"workspace_id": _STRING, "workspace_role": {"type": "string", "enum": list(WORKSPACE_ROLES)}},
    ["workspace_id", "workspace_role"],
)
ENABLEMENT_CREATE = closed({"workspace_id": _STRING}, ["workspace_id"])
NOTHING = closed({})

_ACTORS: Mapping[str, Schema] = {
    "created_at": _TIME,
    "created_by_actor_id": or_null(_STRING),
    "updated_at": _TIME,
    "updated_by_actor_id": or_null(_STRING),
    "archived_at": or_null(_TIME),
    "archived_by_actor_id": or_null(_STRING),
}

ACCOUNT = answered(
    {
        "type": constant("service_account"),
        "id": _STRING,
        "name": _NAME,
        "description": or_null(_STRING),
        "organization_role": _ROLE,
        **_ACTORS,
    }
)
_POLL_STATUS = answered(
    {
        "consecutive_failures": {"type": "integer", "minimum": 0},
        "last_fetched_at": or_null(_TIME),
        "next_poll_at": or_null(_TIME),
    }
)
ISSUER = answered(
    {
        "type": constant("federation_issuer"),
        "id": _STRING,
        "name": _NAME,
        "issuer_url": _STRING,
        "jwks": JWKS,
        "max_jwt_lifetime_seconds": within(MAX_JWT_LIFETIMES),
        "check_jti": _BOOLEAN,
        "jwks_polling_disabled_at": or_null(_TIME),
        "poll_status": or_null(_POLL_STATUS),
        **_ACTORS,
    }
)
RULE = answered(
    {
        "type": constant("federation_rule"),
        "id": _STRING,
        "name": _NAME,
        "description": or_null(_STRING),
        "issuer_id": _STRING,
        "issuer_name": _STRING,
        "match": MATCH,
        "target": answered(
            {
                "type": constant("service_account"),
                "service_account_id": _STRING,
                "service_account_name": _STRING,
            }
        ),
        "workspace_id": {"type": "null"},
        "workspace_ids": {"type": "array", "items": _STRING},
        "applies_to_all_workspaces": _BOOLEAN,
        "oauth_scope": _SCOPE,
        "token_lifetime_seconds": within(TOKEN_LIFETIMES),
        "attributes": {"type": "null"},
        **_ACTORS,
    }
)
MEMBERSHIP = answered(
    {
        "type": constant("service_account_workspace_member"),
        "service_account_id": _STRING,
        "workspace_id": _STRING,
        "workspace_role": {"type": "string", "enum": list(WORKSPACE_ROLES)},
        "created_by_actor_id": or_null(_STRING),
        "implicit": _BOOLEAN,
    }
)
MEMBERSHIP_DELETED = _deleted("service_account_workspace_member_deleted", "service_account_id")
ENABLEMENT = answered(
    {
        "type": constant("federation_rule_workspace"),
        "federation_rule_id": _STRING,
        "workspace_id": _STRING,
        "workspace_name": or_null(_STRING),
        "created_at": _TIME,
        "created_by_actor_id": or_null(_STRING),
    }
)
ENABLEMENT_DELETED = _deleted("federation_rule_workspace_deleted", "federation_rule_id")
WORKSPACE = answered(
    {
        "type": constant("workspace"),
        "id": _STRING,
        "name": _STRING,
        "archived_at": or_null(_TIME),
        "compartment_id": _STRING,
        "created_at": _TIME,
        "data_residency": answered(
            {"allowed_inference_geos": _STRING, "default_inference_geo": _STRING, "workspace_geo": _STRING}
        ),
        "display_color": _STRING,
        "external_key_id": or_null(_STRING),
        "tags": _STRINGS,
        "user_profile_id": or_null(_STRING),
    }
)
ERROR = answered(
    {
        "type": constant("error"),
        "error": answered({"type": _STRING, "message": _STRING}),
        "request_id": _STRING,
    }
)


def page_of(schema: Schema) -> Schema:
    return answered({"data": {"type": "array", "items": schema}, "next_page": or_null(_STRING)})


def page_by_id(schema: Schema) -> Schema:
    ids = {"first_id": or_null(_STRING), "last_id": or_null(_STRING)}
    return answered({"data": {"type": "array", "items": schema}, "has_more": _BOOLEAN, **ids})
