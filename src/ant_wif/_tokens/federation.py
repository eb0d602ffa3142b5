"""From an identity token to an access token: never the same single-use assertion twice, never a denied one again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ant_wif._environment import moment
from ant_wif._http import Backoff, Flow, RequestFailure, Response, call, check_url, pause, seconds_ahead, send
from ant_wif._secrets import sanitize
from ant_wif._tokens.access_token import AccessToken
from ant_wif._tokens.assertion_log import (
    DENIED,
    GRANTED,
    UNKNOWN,
    USED,
    AssertionLog,
    AssertionUse,
    earlier_use,
    outcome_of,
)
from ant_wif._tokens.grants.jwt_bearer import Federation, exchange_request, read_exchange
from ant_wif.errors import ExchangeError, IdentityTokenError, IdentityTokenReusedError
from ant_wif.identity import Context, IdentitySource, IdentityToken


def fetch_and_exchange(
    federation: Federation,
    source: IdentitySource,
    context: Context,
    spent: AssertionLog,
    *,
    patient: bool = True,
    again: bool = False,
    places: Mapping[str, str],
) -> Flow[AccessToken]:
    """Obtain an identity token that was not presented yet, and exchange it.

    What passes by itself is tried again for a minute at most (not at all unless `patient`), after a
    request that the server may have received only with another assertion. `places` says which option, variable or
    file names each field of the federation. `again` says that the access token of an earlier exchange has expired: an
    issuer with `check_jti: false` accepts its assertion once more, so that is tried where there is no other.

    Raises:
        InsecureUrlError: the base URL must not carry a token, and nothing was sent.
        IdentityTokenReusedError: the source has only a token that was exchanged before.
        IdentityTokenError: the source has no token that could be exchanged.
        ExchangeError: the endpoint denied, failed, or could not be reached.
    """
    check_url(federation.base_url, what=places.get("base_url") or "the base URL")
    backoff = Backoff() if patient else Backoff(attempts=1)
    token, before = yield from _unused(federation, source, context, spent, again=again)

    def read(answer: Response | RequestFailure) -> AccessToken:
        return read_exchange(
            answer,
            federation,
            token,
            context.clock(),
            lambda: likely_causes(federation, token, source, context, before, answer=answer),
            places=places,
            is_renewable=source.renewable,
        )

    while True:
        answer = yield from _present(federation, token, spent, before)
        if _is_second_use(token, before) and outcome_of(answer) == DENIED:
            token, before = yield from _unused(federation, source, context, spent)
            continue
        delay = backoff.delay(answer)
        if delay is None:
            return read(answer)
        yield from pause(delay)
        if isinstance(answer, RequestFailure) and not answer.maybe_received:
            continue
        try:
            other = yield from source.another(token, context)
        except IdentityTokenError:
            other = token
        if other.is_single_use and other.assertion == token.assertion:
            return read(answer)
        token, before = other, None


def _present(
    federation: Federation, token: IdentityToken, spent: AssertionLog, before: AssertionUse | None
) -> Flow[Response | RequestFailure]:
    """Send the assertion once, and record what became of it: before the answer, because the process may be killed."""
    fingerprint = federation.fingerprint()
    is_second_use = _is_second_use(token, before)
    if not is_second_use:
        yield from call(lambda: spent.record(token, fingerprint))
    answer = yield from send(exchange_request(federation, token))
    if isinstance(answer, Response):
        yield from call(lambda: spent.record(token, fingerprint, answer, before if is_second_use else None))
    elif before is None and not answer.maybe_received:
        yield from call(lambda: spent.withdraw(token))
    return answer


def _is_second_use(token: IdentityToken, before: AssertionUse | None) -> bool:
    return token.is_single_use and before is not None and before.was_granted


def _unused(
    federation: Federation, source: IdentitySource, context: Context, spent: AssertionLog, *, again: bool = False
) -> Flow[tuple[IdentityToken, AssertionUse | None]]:
    """Fetch a token; if it was presented already, ask the source once for another.

    Returns it with what is known of its earlier use, if it may still serve: where its response was lost, or, if
    `again`, where it was granted for the same federation.
    """
    try:
        token = yield from source.fetch(context)
    except IdentityTokenError as error:
        # Of a token that was used before it expired, more is known than that it has expired.
        raw = yield from call(lambda: source.at_hand(context))
        used = (yield from call(lambda: spent.find(raw))) if raw is not None else None
        if used is not None and used.was_granted:
            raise _already_used(used, f"{error.summary}, and was exchanged already", context.clock) from None
        raise
    before = yield from call(lambda: spent.find(token.assertion))
    if before is None:
        return token, None
    fingerprint = federation.fingerprint()

    def serves_again(use: AssertionUse) -> bool:
        return again and use.outcome == GRANTED and use.federation == fingerprint

    try:
        other = yield from source.another(token, context)
    except IdentityTokenReusedError:
        if not serves_again(before):
            raise
        other = token
    is_same = other.assertion == token.assertion
    used = before if is_same else (yield from call(lambda: spent.find(other.assertion)))
    if used is not None and not serves_again(used):
        _refuse_used(used, federation, other, context.clock, lambda: likely_causes(federation, other, source, context))
    return other, used


def _refuse_used(
    before: AssertionUse,
    federation: Federation,
    token: IdentityToken,
    clock: Callable[[], float],
    causes_of: Callable[[], tuple[str, ...]],
) -> None:
    same = before.federation == federation.fingerprint()
    if before.was_granted and token.is_single_use:
        elsewhere = "" if same else " for another rule, workspace or host"
        raise _already_used(before, f"the identity token from {token.source} was exchanged already{elsewhere}", clock)
    if before.outcome == DENIED and same:
        causes, status = causes_of(), before.status or 401
        raise ExchangeError(
            f"the identity token from {token.source} was denied before ({_answer(before)})",
            facts=[
                f"denied: {_when(before, clock)}; a denied token is not sent again",
                *(f"to check: {cause}" for cause in causes),
            ],
            hint="obtain a new identity token; after the rule was corrected, `ant cache clear` lets this one be tried",
            status=status,
            request_id=before.request_id,
            causes=causes,
            unverified_claims=token.unverified_claims,
        )


def _already_used(before: AssertionUse, what: str, clock: Callable[[], float]) -> IdentityTokenReusedError:
    return IdentityTokenReusedError(
        what,
        facts=[
            f"exchanged: {_when(before, clock)}",
            "a token with a `jti` can be exchanged once; its access token cannot be used here or has expired",
            *([f"sent again since then: denied ({_answer(before)})"] if before.outcome == USED else ()),
        ],
        hint="use an identity source that issues new tokens (`ant identity detect`), or run all programs under "
        "one `ant exec -- …`; otherwise let the platform write a new token first",
        used_at=before.at,
        used_by=before.used_by,
    )


def _answer(before: AssertionUse) -> str:
    return f"HTTP {before.status or 401}" + (f", request id {before.request_id}" if before.request_id else "")


def _when(before: AssertionUse, clock: Callable[[], float]) -> str:
    return f"{moment(before.at, max(before.at, clock()))}, by {before.used_by}"


def likely_causes(
    federation: Federation,
    token: IdentityToken,
    source: IdentitySource,
    context: Context,
    before: AssertionUse | None = None,
    *,
    answer: Response | RequestFailure | None = None,
) -> tuple[str, ...]:
    """Why a well-formed request is denied: what can be seen from here, then what happens most. The server never says.

    `before` is what is known of an earlier use of the token. Its times are judged by the clock that sent `answer`.
    """
    from ant_wif.rules import NOTABLE_SECONDS, ExchangeRequest, Knowledge, drift_cause, examine, visible_causes

    known = Knowledge(expected_audience=getattr(source, "audience", None) or context.audience)
    request = ExchangeRequest(assertion=token.assertion.get_secret_value(), **federation.ids())
    claims, used = token.unverified_claims, before is not None and before.was_granted
    lost = before is not None and before.outcome == UNKNOWN
    now = context.clock()
    ahead = seconds_ahead(answer.headers, now) if isinstance(answer, Response) else None
    if ahead is not None and abs(ahead) >= NOTABLE_SECONDS:
        now += ahead
    found = examine(request, known, source=source.source, now=now, used=used, lost=lost)
    visible = visible_causes(found.checks, claims, known, source=source.source, before=earlier_use(before, claims))
    drift = drift_cause(ahead, "the Claude API, which judges the token's times.")
    return (*(sanitize(cause, limit=600) for cause in (*visible, *drift)), *_usual_causes(federation, token))


def _usual_causes(federation: Federation, token: IdentityToken) -> list[str]:
    causes = [
        "the rule's subject, claims and audience match the `sub` and `aud` above; the comparison is case-sensitive",
        "the rule's issuer has exactly the `iss` above, and its key set is reachable",
        f"the rule {federation.federation_rule_id} exists in this organization and is not archived",
    ]
    if "jti" in token.unverified_claims:
        causes.insert(1, "this very token was not exchanged before: one that carries a `jti` can be used once")
    if federation.workspace_id is None:
        causes.insert(1, "the rule covers several workspaces: set ANTHROPIC_WORKSPACE_ID to choose one")
    else:
        causes.append(f"the rule is enabled for the workspace {federation.workspace_id} and its account a member")
    return causes
