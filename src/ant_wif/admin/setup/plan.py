"""What is there already, what is missing, and what differs; and a plan carried out, resource by resource.

To plan is to read: nothing is changed. A plan that broke off is continued by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from ant_wif._http import is_loopback
from ant_wif._secrets import quoted
from ant_wif.admin.client import (
    Admin,
    Document,
    ResourceCollection,
    is_archived,
    parsed,
    read_issuer,
    read_rule,
    read_service_account,
)
from ant_wif.admin.setup.models import Change, PlannedResource, SetupPlan, SetupRequest, WorkloadIdentity
from ant_wif.admin.setup.narrowest_rule import RuleRequest, is_same_workload, narrowed
from ant_wif.errors import ApiError, ConfigurationError
from ant_wif.rules import Issuer, RegistrationError, ServiceAccount, check_issuer, check_name, check_rule


def plan(admin: Admin, wanted: SetupRequest) -> SetupPlan:
    """Compare what is wanted with what is registered.

    Raises:
        ConfigurationError: the server would refuse it, or what is there stands in its way.
        ApiError: the server refused, failed or could not be reached.
    """
    rules = [each for each in admin.rules.list() if not is_archived(each)]
    issuer = _issuer(admin, wanted, rules)
    account, registered = _service_account(admin, wanted, issuer, rules)
    return SetupPlan(
        wanted=wanted,
        base_url=admin.credentials.base_url,
        organization_id=admin.organization_id(),
        issuer=issuer,
        service_account=account,
        membership=_membership(admin, wanted, account),
        rule=_rule(admin, RuleRequest(wanted, issuer.id, account.id), registered, rules),
    )


def _issuer(admin: Admin, wanted: SetupRequest, rules: Sequence[Document]) -> PlannedResource:
    trust = wanted.trust
    live = [each for each in admin.issuers.list() if not is_archived(each)]
    found = min(
        (each for each in live if each.get("issuer_url") == trust.issuer_url),
        key=lambda each: (
            not any(_is_ours(rule, trust, each.get("id")) for rule in rules),
            str(each.get("created_at")),
        ),
        default=None,
    )
    if found is None:
        return _new_issuer(admin, wanted)
    issuer = parsed(read_issuer, found)
    body: dict[str, object] = {}
    changes = []
    if issuer.max_jwt_lifetime_seconds < trust.max_jwt_lifetime_seconds:
        body["max_jwt_lifetime_seconds"] = trust.max_jwt_lifetime_seconds
        changes.append(
            Change("max_jwt_lifetime_seconds", issuer.max_jwt_lifetime_seconds, trust.max_jwt_lifetime_seconds)
        )
    if trust.jwks is not None and _keys(found.get("jwks")) != _keys(trust.jwks):
        body["jwks"] = dict(trust.jwks)
        changes.append(Change("jwks", _shown(found.get("jwks")), _shown(trust.jwks)))
    return PlannedResource(
        kind="issuer",
        action="update" if changes else "keep",
        name=issuer.name,
        id=admin.issuers.checked_id(found),
        details={"issuer_url": trust.issuer_url, "keys": _shown(found.get("jwks"))},
        changes=tuple(changes),
        body=body,
    )


def _new_issuer(admin: Admin, wanted: SetupRequest) -> PlannedResource:
    trust, longest = wanted.trust, wanted.trust.max_jwt_lifetime_seconds
    jwks = dict(trust.jwks or {"type": "discovery"})
    name = _free_name(admin.issuers, trust.issuer_name)
    issuer = Issuer(id="", name=name, issuer_url=trust.issuer_url, max_jwt_lifetime_seconds=longest)
    _check_issuer(admin, wanted, issuer, jwks)
    details = {"issuer_url": trust.issuer_url, "keys": _shown(jwks), "max_jwt_lifetime_seconds": longest}
    body = {"name": name, "issuer_url": trust.issuer_url, "jwks": jwks, "max_jwt_lifetime_seconds": longest}
    return PlannedResource(kind="issuer", action="create", name=name, details=details, body=body)


def _service_account(
    admin: Admin, wanted: SetupRequest, issuer: PlannedResource, rules: Sequence[Document]
) -> tuple[PlannedResource, ServiceAccount | None]:
    asked, accounts = wanted.service_account or wanted.trust.name, admin.service_accounts
    if accounts.is_id(asked):
        found: Document | None = accounts.get(asked)
    else:
        there = {each.get("name"): each for each in accounts.list(include_archived=True)}
        if wanted.service_account is None:
            # Names of workloads may be alike: what acts for another one alone is not to act for this one too.
            asked = next(
                name
                for name in _numbered(asked, there)
                if name not in there or not _is_another_s(there[name], wanted.trust, issuer, rules)
            )
        found = there.get(asked)
    if found is None:
        try:
            check_name(asked)
        except RegistrationError as error:
            raise ConfigurationError(
                f"there is no service account {quoted(asked, limit=128)}, and none can be made: its {error}",
                hint="give an id, svac_…, or a name of lower-case letters, digits and hyphens with --service-account",
            ) from None
        body = {"name": asked, "description": f"made by `ant wif setup {wanted.trust.platform}`"}
        return PlannedResource(kind="service_account", action="create", name=asked, body=body), None
    account = parsed(read_service_account, found)
    if account.archived:
        raise ConfigurationError(
            f"the service account {account.name} ({account.id}) is archived, and its name stays taken",
            hint="give another name with --service-account",
        )
    item = PlannedResource(kind="service_account", action="keep", name=account.name, id=accounts.checked_id(found))
    return item, account


def _is_another_s(
    account: Document, trust: WorkloadIdentity, issuer: PlannedResource, rules: Sequence[Document]
) -> bool:
    """Whether there are rules that act as the account, and none of them is for this workload."""
    targets = [(each.get("target"), each) for each in rules]
    own = [
        _is_ours(each, trust, issuer.id)
        for target, each in targets
        if isinstance(target, Mapping) and target.get("service_account_id") == account.get("id")
    ]
    return bool(own) and not any(own)


def _is_ours(rule: Document, trust: WorkloadIdentity, issuer_id: object) -> bool:
    return rule.get("issuer_id") == issuer_id and is_same_workload(trust, parsed(read_rule, rule))


def _membership(admin: Admin, wanted: SetupRequest, account: PlannedResource) -> PlannedResource:
    """Every account is a member of the default workspace; of another, it must be made one."""
    workspace = wanted.workspace_id
    held = [] if account.id is None else admin.service_accounts.workspaces(account.id)
    role = next((each.get("workspace_role") for each in held if each.get("workspace_id") == workspace), None)
    if role is None and workspace == admin.default_workspace_id():
        role = "workspace_user"
    return PlannedResource(
        kind="membership",
        action="create" if role is None else "keep",
        name=f"{account.name} in {wanted.workspace_name or workspace}",
        id=workspace,
        details={"workspace_role": role or wanted.workspace_role},
        body={"workspace_id": workspace, "workspace_role": wanted.workspace_role} if role is None else {},
    )


def _rule(
    admin: Admin, demand: RuleRequest, registered: ServiceAccount | None, rules: Sequence[Document]
) -> PlannedResource:
    trust = demand.wanted.trust
    there = {admin.rules.checked_id(each): each for each in rules if each.get("issuer_id") == demand.issuer_id}
    read = [parsed(read_rule, each) for each in there.values()]
    item, rule = narrowed(demand, read, lambda: _free_name(admin.rules, trust.name))
    if "match" in item.body and item.id is not None:
        item = replace(item, body={**item.body, "match": _merged(there[item.id], item.body["match"])})
    if item.action != "keep":
        role = registered.organization_role if registered else "developer"
        try:
            # A condition that stands in a rule has been checked by the server.
            ours = replace(rule, condition=None)
            check_rule(ours, issuer_url=trust.issuer_url, organization_role=role)
        except RegistrationError as error:
            raise ConfigurationError(
                f"the server would refuse the rule: {error}", hint=f"correct {error.field.partition('.')[0]}"
            ) from None
    return item


def _check_issuer(admin: Admin, wanted: SetupRequest, issuer: Issuer, jwks: Mapping[str, object]) -> None:
    # What runs on this machine, such as the emulator, may fetch from this machine.
    local = is_loopback(urlsplit(admin.credentials.base_url).hostname or "")
    try:
        check_issuer(issuer, jwks, allow_loopback=local)
    except RegistrationError as error:
        cluster = wanted.trust.platform == "kubernetes"
        raise ConfigurationError(
            f"the server would refuse the issuer: {error}",
            hint="give its key set with --jwks, because the server cannot fetch it" if cluster else "correct its URL",
        ) from None


def _merged(rule: Document, match: object) -> dict[str, object]:
    """Return a new `match`, with what the rule has besides: fields that are not known here go on to count."""
    before = rule.get("match")
    kept = {name: value for name, value in before.items() if value is not None} if isinstance(before, Mapping) else {}
    return {**kept, **(match if isinstance(match, Mapping) else {})}


def _free_name(registry: ResourceCollection, name: str) -> str:
    """Return the name, or the first with a number that nothing has: those of archived resources stay taken."""
    taken = {each.get("name") for each in registry.list(include_archived=True)}
    return next(each for each in _numbered(name, taken) if each not in taken)


def _numbered(name: str, taken: Collection[object]) -> Iterator[str]:
    """Yield the name, then the name with one number after another: more than are taken."""
    yield name
    yield from (f"{name}-{number}" for number in range(2, len(taken) + 3))


def _keys(jwks: object) -> object:
    """Return what two key sets are compared by: their keys, in any order."""
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list):
        return None
    members = ("kty", "kid", "n", "e", "crv", "x", "y")
    return sorted(tuple(str(each.get(name)) for name in members) for each in keys if isinstance(each, dict))


def _shown(jwks: object) -> str:
    """Say where keys come from."""
    if not isinstance(jwks, Mapping):
        return "none"
    keys = jwks.get("keys")
    if isinstance(keys, list):
        kids = ", ".join(str(each.get("kid")) for each in keys if isinstance(each, dict))
        return f"inline: {kids}"
    return "fetched from the issuer" if jwks.get("type") == "discovery" else f"fetched: {jwks.get('url')}"


_TAKEN = 409


def apply(admin: Admin, planned: SetupPlan, done: Callable[[PlannedResource], object] = lambda _: None) -> SetupPlan:
    """Create and update what the plan says, and return it with the ids that there are now.

    `done` is called with each item that was made. What another run made meanwhile, just as planned here, is kept.
    Raises ApiError; what was made before stays, and a plan that is made anew goes on from there.
    """
    made: dict[str, PlannedResource] = {}

    def told(item: PlannedResource) -> PlannedResource:
        if item.action != "keep":
            made[item.kind] = item
            done(item)
        return item

    while True:
        try:
            found = _carried_out(admin, planned, told)
        except ApiError as error:
            if made or error.status == _TAKEN:
                again = "what was made stays: run this again to go on from there"
                error.hint = f"{again}; {error.hint}" if error.hint else again
            if error.status != _TAKEN:
                raise
            left = plan(admin, planned.wanted)
            if not _is_part(left, planned):
                raise
            planned = left
        else:
            issuer, account, membership, rule = (made.get(item.kind, item) for item in found.items)
            return replace(found, issuer=issuer, service_account=account, membership=membership, rule=rule)


def _carried_out(admin: Admin, plan: SetupPlan, told: Callable[[PlannedResource], PlannedResource]) -> SetupPlan:
    issuer = told(_made(admin.issuers, plan.issuer))
    account = told(_made(admin.service_accounts, plan.service_account))
    if plan.membership.action == "create":
        admin.service_accounts.add_workspace(account.id or "", plan.membership.body)
    told(plan.membership)
    target = {"type": "service_account", "service_account_id": account.id}
    rule = told(_made(admin.rules, plan.rule, {"issuer_id": issuer.id, "target": target}))
    return replace(plan, issuer=issuer, service_account=account, rule=rule)


def _made(
    registry: ResourceCollection, item: PlannedResource, references: Mapping[str, object] | None = None
) -> PlannedResource:
    """Create or update a resource; `references` are what only a new one is told."""
    if item.action == "create":
        document = registry.create({**item.body, **(references or {})})
        return replace(item, id=registry.checked_id(document))
    if item.action == "update":
        registry.update(item.id or "", item.body)
    return item


def _is_part(left: SetupPlan, plan: SetupPlan) -> bool:
    """Whether there is less to do than was planned, and nothing else."""
    to_do, planned = (
        [(item.kind, item.action, item.name, item.body) for item in each.items if item.action != "keep"]
        for each in (left, plan)
    )
    return len(to_do) < len(planned) and all(item in planned for item in to_do)
