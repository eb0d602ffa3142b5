"""The history as a page: what a person finds on it, and what cannot be put onto it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

import httpx
import pytest

from ant_wif.emulator import Emulator
from ant_wif.rules import REASONS
from support.consent_page import Shown, approved_code, redeem, refresh
from support.federation_grant import exchange
from support.leaks import jwts_in

PAGE = "/_emulator/"


def words(client: httpx.Client) -> str:
    """All that is on the page, with single blanks."""
    response = client.get(PAGE)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return " ".join("".join(Shown(response.text).texts).split())


def plain(text: str) -> str:
    return text.replace("`", "")


def test_where_nothing_happened_the_page_says_so(emulator: Emulator, client: httpx.Client) -> None:
    assert emulator.history == []
    assert "Nothing was attempted at the token endpoint yet." in words(client)


def test_a_denial_is_explained_with_its_remedy(emulator: Emulator, client: httpx.Client) -> None:
    denied = exchange(client, emulator, emulator.issue(sub="repo:acme/other:ref:refs/heads/main"))
    shown, rule = words(client), emulator.rule()
    assert "1 denied; the newest first." in shown
    assert "Denied: match_subject_prefix" in shown
    assert plain(REASONS["match_subject_prefix"].means) in shown
    assert plain(REASONS["match_subject_prefix"].remedy) in shown
    assert f"{rule.name}{rule.id}" in shown
    assert emulator.issuer().issuer_url in shown
    assert '"sub": "repo:acme/other:ref:refs/heads/main"' in shown
    assert denied.headers["request-id"] in shown


def test_the_newest_is_first_with_time_and_workspace(emulator: Emulator, client: httpx.Client) -> None:
    emulator.move_to(1_800_000_000)
    spent = emulator.issue()
    exchange(client, emulator, spent)
    emulator.advance(120)
    exchange(client, emulator, spent)
    client.post("/v1/oauth/token", json={})
    shown = words(client)
    places = [shown.index(title) for title in ("Malformed", "Denied: jti_reused", "Granted")]
    assert places == sorted(places)
    assert "1 granted, 1 denied, 1 malformed; the newest first." in shown
    assert "2027-01-15 08:00:0" in shown
    assert "2027-01-15 08:02:0" in shown
    assert f"Engineering{emulator.rule().workspace_ids[0]}" in shown


def test_neither_tokens_nor_assertions_are_on_the_page(emulator: Emulator, client: httpx.Client) -> None:
    assertion = emulator.issue(stolen=emulator.issue(), key_of_somebody=emulator.api_key)
    token = exchange(client, emulator, assertion).json()["access_token"]
    login = emulator.login()
    renewed = refresh(client, login.refresh_token).json()
    page = client.get(PAGE).text
    for secret in (token, login.refresh_token, renewed["access_token"], emulator.api_key, *assertion.split(".")):
        assert secret not in page
    assert jwts_in(page) == []
    assert "key_of_somebody" in page


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "</pre></details>", '"><img src=x onerror=y>', "&lt;"]
)
def test_what_a_token_or_a_request_says_is_text(emulator: Emulator, client: httpx.Client, hostile: str) -> None:
    exchange(client, emulator, emulator.issue(actor=hostile, **{hostile: hostile}))
    client.post("/v1/oauth/token", json={"grant_type": hostile})
    right = emulator.issuer("aws").issuer_url
    emulator.update_issuer("aws", issuer_url=hostile)
    exchange(client, emulator, emulator.issue("aws"), federation_rule_id=emulator.rule("aws").id)
    emulator.update_issuer("aws", issuer_url=right)
    page = client.get(PAGE)
    assert not {tag for tag, _ in Shown(page.text).elements} & {"script", "img"}
    assert page.text.count("<pre>") == page.text.count("</pre>") == 2
    assert hostile in html.unescape(re.sub(r"<[^>]*>", "", page.text))
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("strange", ["\ud800", "\u202egnp.exe", "\x00\x1b[31m", "語" * 500])
def test_characters_that_no_page_can_have_do_no_harm(emulator: Emulator, client: httpx.Client, strange: str) -> None:
    body = json.dumps({"grant_type": strange}).encode("ascii")
    client.post("/v1/oauth/token", content=body, headers={"content-type": "application/json"})
    exchange(client, emulator, emulator.issue(actor=strange, deep=json.loads("[" * 50 + "]" * 50)))
    page = client.get(PAGE).text
    assert not set(page) & {"\u202e", "\x00", "\x1b"}
    assert "actor" in page


def test_the_page_asks_for_nothing_but_itself(client: httpx.Client) -> None:
    response = client.get(PAGE)
    page = Shown(response.text)
    assert not {"src", "srcset", "onclick", "style"} & {name for _, attributes in page.elements for name in attributes}
    assert [link["href"] for link in page.all("a")] == [PAGE, "/_emulator/history"]
    assert not page.all("link")
    style = response.text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"


def test_a_long_history_is_cut_on_the_page_and_whole_as_json(emulator: Emulator, client: httpx.Client) -> None:
    for number in range(205):
        client.post("/v1/oauth/token", json={"grant_type": f"number-{number}"})
    shown = words(client)
    assert "Here are the last 200; the JSON has all." in shown
    assert shown.count("number-") == 200
    assert "number-204" in shown
    assert "number-4 " not in shown
    assert len(client.get("/_emulator/history").json()["data"]) == 205


def test_the_json_explains_as_the_page_does(emulator: Emulator, client: httpx.Client) -> None:
    exchange(client, emulator, emulator.issue(aud="https://github.com/acme"))
    exchange(client, emulator)
    denied, granted = client.get("/_emulator/history").json()["data"]
    meaning = REASONS["match_audience"]
    assert denied["explanation"] == {"means": meaning.means, "remedy": meaning.remedy}
    assert (denied["rule_name"], granted["explanation"]) == ("github", None)
    assert denied["issuer"] == emulator.issuer().issuer_url


def test_every_reason_that_a_login_is_denied_for_is_explained(emulator: Emulator, client: httpx.Client) -> None:
    login = emulator.login()
    refresh(client, "sk-ant-ort01-unknown")
    refresh(client, login.refresh_token, "another")
    newer = refresh(client, login.refresh_token).json()["refresh_token"]
    refresh(client, login.refresh_token)
    emulator.revoke(newer)
    refresh(client, newer)
    code = approved_code(client)
    redeem(client, "unknown")
    redeem(client, code, redirect_uri="http://localhost:1/callback")
    redeem(client, code, state="another")
    redeem(client, code, code_verifier="x" * 43)
    redeem(client, code)
    redeem(client, code)
    late = approved_code(client)
    emulator.advance(61)
    redeem(client, late)
    denied = [record for record in emulator.history if record.outcome == "denied"]
    of_refreshes = {f"refresh_token_{why}" for why in ("unknown", "reused", "revoked")} | {"client_id_mismatch"}
    of_codes = {"redirect_uri_mismatch", "state_mismatch", "verifier_mismatch"}
    of_codes |= {f"code_{why}" for why in ("unknown", "used", "expired")}
    assert {record.reason for record in denied} == of_refreshes | of_codes
    shown = words(client)
    for record in denied:
        assert record.explanation is not None
        assert plain(record.explanation.means) in shown
