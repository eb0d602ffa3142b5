"""Checks 4 to 10: is it a token of the rule's issuer, signed, and valid now?"""

from __future__ import annotations

from ant_wif.rules.case import Case, Finding, shown
from ant_wif.rules.jwt import ALLOWED_ALGORITHMS, KeySetUnavailableError, signature_verifies

LEEWAY_SECONDS = 30


def algorithm(case: Case) -> Finding:
    alg = case.assertion.header.get("alg")
    wanted = ", ".join(ALLOWED_ALGORITHMS)
    if alg in ALLOWED_ALGORITHMS:
        return Finding(None, shown(alg), wanted)
    return Finding(
        "alg_not_allowed",
        shown(alg),
        wanted,
        f"The token is signed with {shown(alg)}; only public-key signatures are accepted.",
    )


def key_named(case: Case) -> Finding:
    kid = case.assertion.header.get("kid")
    if isinstance(kid, str) and kid:
        return Finding(None, shown(kid))
    return Finding("kid_missing", shown(kid), "a string", "The token's header does not name its key in `kid`.")


def issuer(case: Case) -> Finding:
    found, wanted = case.claim("iss"), case.issuer.issuer_url
    if found == wanted:
        return Finding(None, shown(found), shown(wanted))
    return Finding(
        "issuer_mismatch",
        shown(found),
        shown(wanted),
        f"`iss` is {shown(found)}; it must equal {shown(wanted)} in every byte, a slash at the end included.",
    )


def key_published(case: Case) -> Finding:
    kid = str(case.assertion.header["kid"])
    try:
        keys = case.key_set()
    except KeySetUnavailableError as error:
        return Finding("jwks_unavailable", "none", shown(kid), f"The issuer's keys cannot be had: {error}.")
    case.key = keys.get(kid)
    found = ", ".join(shown(known) for known in list(keys)[:8])
    if case.key is not None:
        return Finding(None, found, shown(kid))
    return Finding("kid_not_found", found, shown(kid), f"The issuer publishes no key named {shown(kid)}.")


def signature(case: Case) -> Finding:
    alg, assertion = str(case.assertion.header["alg"]), case.assertion
    if case.key and signature_verifies(case.key, alg, assertion.signing_input, assertion.signature):
        return Finding(None, "verifies")
    return Finding(
        "signature_invalid",
        f"does not verify with {alg}",
        "verifies",
        "The signature was not made by the published key, or the token was altered.",
    )


def times(case: Case) -> Finding:
    for name, wanted, required, fits in (
        ("sub", "a string", True, bool(case.claim("sub")) and isinstance(case.claim("sub"), str)),
        ("iat", "a number of seconds", True, case.time("iat") is not None),
        ("exp", "a number of seconds", True, case.time("exp") is not None),
        ("nbf", "a number of seconds, or absent", False, case.time("nbf") is not None),
        ("jti", "a string, or absent", False, isinstance(case.claim("jti"), str)),
    ):
        present = name in case.assertion.claims
        if not fits and (required or present):
            found = shown(case.claim(name))
            state = f"is {found}" if present else "is missing"
            sentence = f"The claim `{name}` {state}; it must be {wanted}."
            return Finding("claim_missing", found, wanted, sentence)
    return _on_time(case)


def _on_time(case: Case) -> Finding:
    now, exp = case.now, case.time("exp") or 0
    wanted = f"{now:.0f}, give or take {LEEWAY_SECONDS} s"
    if exp + LEEWAY_SECONDS <= now:
        return Finding("expired", f"exp {exp:.0f}", wanted, f"The token expired {now - exp:.0f} s ago.")
    for name in ("iat", "nbf"):
        begins = case.time(name)
        if begins is not None and begins - LEEWAY_SECONDS > now:
            sentence = f"The token's `{name}` is {begins - now:.0f} s ahead: one of the clocks is wrong."
            return Finding("not_yet_valid", f"{name} {begins:.0f}", wanted, sentence)
    return Finding(None, f"{exp - now:.0f} s left", wanted)


def lifetime(case: Case) -> Finding:
    exp, iat = case.time("exp") or 0, case.time("iat") or 0
    longest = case.issuer.max_jwt_lifetime_seconds
    found, wanted = f"{exp - iat:.0f} s", f"at most {longest} s"
    if exp - iat <= longest:
        return Finding(None, found, wanted)
    return Finding(
        "lifetime_exceeded",
        found,
        wanted,
        f"The token lives {found} from `iat` to `exp`; the issuer is registered with {wanted}.",
    )
