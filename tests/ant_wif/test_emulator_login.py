"""The Console that the emulator plays: a person is asked, and what they approve becomes a login."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import parse_qs, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ant_wif.emulator import Emulator, Fault, Landing
from support.clock import Clock, advance
from support.consent_page import (
    CHALLENGE,
    CLIENT_ID,
    LISTENER,
    STATE,
    VERIFIER,
    Listener,
    Shown,
    approved_code,
    ask,
    authorize_url,
    led_to,
    list_models,
    parameters,
    paste_uri,
    press,
    redeem,
    refresh,
)
from support.processes import in_threads
from support.samples import pairs


@pytest.fixture
def emulator(emulator: Emulator) -> Emulator:
    emulator.clock = Clock(1_800_000_000.5)
    emulator.omit_login_fields = ()
    return emulator


def test_what_a_person_approves_becomes_a_login(emulator: Emulator, client: httpx.Client) -> None:
    where, answer = led_to(press(client, "approve", ask(client)))
    assert (where, set(answer), answer["state"]) == (LISTENER, {"code", "state"}, STATE)
    response = redeem(client, answer["code"])
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    granted = response.json()
    assert list_models(client, granted["access_token"]).status_code == 200
    assert granted.pop("access_token").startswith("sk-ant-oat01-")
    assert emulator.is_live_refresh_token(granted.pop("refresh_token"))
    default = emulator.login()
    assert len(granted["account"].pop("uuid")) == 36
    assert granted == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "user:profile user:inference user:developer",
        "organization": {"uuid": emulator.organization_id, "name": "Acme"},
        "account": {"email_address": "ada@acme.example"},
        "workspace": {"id": default.workspace_id, "name": "default"},
    }


def test_what_a_person_denies_leads_back_with_the_state_and_no_code(client: httpx.Client) -> None:
    assert led_to(press(client, "deny", ask(client))) == (LISTENER, {"error": "access_denied", "state": STATE})


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_a_page_is_good_for_one_answer(client: httpx.Client, decision: str) -> None:
    shown = ask(client)
    assert press(client, decision, shown).status_code == 303
    for again in ("approve", "deny"):
        refused = press(client, again, shown)
        assert (refused.status_code, "location" in refused.headers) == (400, False)
        assert "answered before" in refused.text


def test_a_page_is_good_for_ten_minutes(emulator: Emulator, client: httpx.Client) -> None:
    shown, other = ask(client), ask(client)
    advance(emulator, 599)
    assert press(client, "approve", shown).status_code == 303
    advance(emulator, 1)
    assert press(client, "approve", other).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"ticket": "never handed out"},
        {"ticket": ""},
        {"decision": ""},
        {"decision": "Approve"},
        {"workspace_id": ""},
        {"workspace_id": "wrkspc_01none"},
        {"redirect_uri": "http://localhost:1/callback"},
        {"<script>": "1"},
    ],
)
def test_a_form_that_is_not_the_pages_is_refused_and_answers_nothing(
    client: httpx.Client, wrong: dict[str, str]
) -> None:
    shown = ask(client)
    refused = press(client, "approve", shown, **wrong)
    assert (refused.status_code, refused.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "location" not in refused.headers
    assert not Shown(refused.text).all("script")
    assert press(client, "approve", shown).status_code == 303, "the page can be answered still"


def test_an_answer_is_a_form_of_bounded_length_with_each_field_once(client: httpx.Client) -> None:
    shown = ask(client)
    fields = {"ticket": shown.ticket, "decision": "deny"}
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/oauth/authorize", json=fields).status_code == 400
    assert client.post("/oauth/authorize", data={**fields, "decision": ["deny", "approve"]}).status_code == 400
    assert client.post("/oauth/authorize", content=b"\xff\xfe", headers=form).status_code == 400
    assert client.post("/oauth/authorize", data={**fields, "more": "x" * 70_000}).status_code == 413
    assert client.get("/oauth/authorize", params=fields).status_code == 400
    assert client.put("/oauth/authorize", data=fields).status_code == 405
    assert client.post("/oauth/authorize", data=fields).status_code == 303


def test_the_page_says_who_asks_for_what_and_where_the_answer_goes(emulator: Emulator, client: httpx.Client) -> None:
    text = " ".join(ask(client, scope="user:profile org:admin").texts)
    for part in (
        CLIENT_ID,
        "Acme",
        emulator.organization_id,
        "ada@acme.example",
        "http://localhost:54321",
        "org:admin",
    ):
        assert part in text
    assert "user:inference" not in text
    pasted = " ".join(ask(client, redirect_uri=paste_uri(emulator)).texts)
    assert "a code to paste" in pasted
    assert emulator.base_url not in pasted


def test_a_person_picks_the_workspace(emulator: Emulator, client: httpx.Client) -> None:
    shown = ask(client)
    engineering = emulator.rule().workspace_ids[0]
    assert set(shown.workspaces) == {emulator.login().workspace_id, engineering}
    assert [option["value"] for option in shown.all("option") if "selected" in option] == [
        emulator.login().workspace_id
    ]
    code = led_to(press(client, "approve", shown, workspace_id=engineering))[1]["code"]
    granted = redeem(client, code).json()
    assert granted["workspace"] == {"id": engineering, "name": "Engineering"}
    assert list_models(client, granted["access_token"]).headers["anthropic-workspace-id"] == engineering


@pytest.mark.parametrize("hint", ["engineering", "default"])
def test_a_workspace_that_is_known_beforehand_is_shown_and_not_picked(
    emulator: Emulator, client: httpx.Client, hint: str
) -> None:
    engineering, default = emulator.rule().workspace_ids[0], emulator.login().workspace_id
    wanted, other = (engineering, default) if hint == "engineering" else (default, engineering)
    shown = ask(client, workspace_id="default" if hint == "default" else engineering)
    assert not shown.all("select")
    assert wanted in shown.texts
    assert press(client, "approve", shown, workspace_id=other).status_code == 400
    code = led_to(press(client, "approve", shown))[1]["code"]
    assert redeem(client, code).json()["workspace"]["id"] == wanted


def test_a_hint_at_what_does_not_exist_leaves_the_choice_to_the_person(
    emulator: Emulator, client: httpx.Client
) -> None:
    shown = ask(client, workspace_id="wrkspc_01none", orgUUID="0f3c1a52-7b7e-4a51-9c0e-6c1f2d3e4b5a")
    assert len(shown.workspaces) == 2
    assert "You are not in the organization that was asked for." in shown.texts
    code = led_to(press(client, "approve", shown))[1]["code"]
    assert redeem(client, code).json()["organization"]["uuid"] == emulator.organization_id


def test_the_organization_that_was_asked_for_needs_no_word(emulator: Emulator, client: httpx.Client) -> None:
    for hint in (emulator.organization_id, emulator.organization_id.upper(), "", None):
        assert not any("not in the organization" in text for text in ask(client, orgUUID=hint).texts)


BAD_REDIRECTS = [
    None, "http://localhost/callback", "http://localhost:0/callback", "http://localhost:65536/callback",
    "http://localhost:٣/callback", "http://localhost:54321/callback/", "http://localhost:54321/callback?a=b",
    "http://localhost:54321/callback\n", "https://localhost:54321/callback",
    "http://localhost.evil.example:54321/callback", "http://localhost:54321@evil.example/callback",
    "https://evil.example/oauth/code/callback?app=anthropic-cli",
    "http://127.0.0.1:1/oauth/code/callback?app=anthropic-cli", "javascript:alert(1)",
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), pairs({"client_id": [None, "", "another"], "redirect_uri": BAD_REDIRECTS}))
def test_who_cannot_be_trusted_gets_no_redirect_and_no_form(client: httpx.Client, name: str, value: str | None) -> None:
    page = client.get("/oauth/authorize", params=parameters(**{name: value}))
    assert (page.status_code, "location" in page.headers) == (400, False)
    assert not Shown(page.text).all("form")
    assert f"{name}: must be there once" in page.text
    assert "evil.example" not in page.text


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_what_is_trusted_is_there_once(client: httpx.Client, name: str) -> None:
    twice = [*parameters().items(), (name, parameters()[name])]
    assert client.get(f"/oauth/authorize?{urlencode(twice)}").status_code == 400


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("response_type", None, "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge", None, "invalid_request"),
        ("code_challenge", CHALLENGE[:-1], "invalid_request"),
        ("code_challenge", f"{CHALLENGE}=", "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("scope", None, "invalid_scope"),
        ("scope", "everything", "invalid_scope"),
        ("scope", "user:profile user:profile", "invalid_scope"),
        ("scope", "user:profile  org:admin", "invalid_scope"),
    ],
)
def test_a_request_that_is_wrong_is_told_to_the_client(
    client: httpx.Client, name: str, value: str | None, error: str
) -> None:
    where, answer = led_to(client.get("/oauth/authorize", params=parameters(**{name: value})))
    assert (where, answer["error"], answer["state"]) == (LISTENER, error, STATE)
    assert answer["error_description"].startswith(f"{name}: ")


@pytest.mark.parametrize("state", [None, "", "x" * 513, "line\nfeed", "umläut"])
def test_a_state_is_needed_and_one_that_cannot_be_is_not_sent_back(client: httpx.Client, state: str | None) -> None:
    _, answer = led_to(client.get("/oauth/authorize", params=parameters(state=state)))
    assert (answer["error"], "state" in answer) == ("invalid_request", False)


@pytest.mark.parametrize("name", ["state", "scope", "code_challenge", "workspace_id", "orgUUID"])
def test_no_parameter_is_there_twice(client: httpx.Client, name: str) -> None:
    twice = [*parameters(workspace_id="default", orgUUID="a").items(), (name, "b")]
    assert led_to(client.get(f"/oauth/authorize?{urlencode(twice)}"))[1]["error"].startswith("invalid_")


def test_unknown_parameters_are_no_matter_unless_they_are_very_many(client: httpx.Client) -> None:
    assert ask(client, login_hint="ada").ticket
    many = "&".join(f"a{number}=1" for number in range(200))
    assert client.get(f"/oauth/authorize?{urlencode(parameters())}&{many}").status_code == 400


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("code", "never-handed-out", "code_unknown"),
        ("client_id", "another", "client_id_mismatch"),
        ("redirect_uri", "http://127.0.0.1:54321/callback", "redirect_uri_mismatch"),
        ("state", "another", "state_mismatch"),
        ("code_verifier", CHALLENGE, "verifier_mismatch"),
        ("code_verifier", f"{VERIFIER}x", "verifier_mismatch"),
    ],
)
def test_a_code_is_tied_to_all_that_was_approved(
    emulator: Emulator, client: httpx.Client, field: str, value: str, reason: str
) -> None:
    code = approved_code(client)
    response = redeem(client, code, **{field: value})
    assert response.status_code == 400
    assert response.json() == {"error": "invalid_grant", "error_description": "Authorization code not found or invalid"}
    record = emulator.history[-1]
    assert (record.grant_type, record.outcome, record.reason) == ("authorization_code", "denied", reason)
    assert redeem(client, code).status_code == 200, "who cannot use a code cannot use it up"


def test_a_code_is_good_for_a_minute(emulator: Emulator, client: httpx.Client) -> None:
    in_time, too_late = approved_code(client), approved_code(client)
    advance(emulator, 59)
    assert redeem(client, in_time).status_code == 200
    advance(emulator, 1)
    assert redeem(client, too_late).status_code == 400
    assert emulator.history[-1].reason == "code_expired"


def test_a_code_that_is_used_twice_ends_the_login_it_began(emulator: Emulator, client: httpx.Client) -> None:
    code = approved_code(client)
    granted = redeem(client, code).json()
    renewed = refresh(client, granted["refresh_token"]).json()
    assert redeem(client, code).status_code == 400
    assert emulator.history[-1].reason == "code_used"
    for tokens in (granted, renewed):
        assert list_models(client, tokens["access_token"]).status_code == 401
    assert not emulator.is_live_refresh_token(renewed["refresh_token"])
    assert refresh(client, renewed["refresh_token"]).status_code == 400


def test_of_two_that_redeem_a_code_at_once_one_gets_tokens_and_both_lose_them(emulator: Emulator) -> None:
    with httpx.Client(base_url=emulator.base_url) as client:
        code = approved_code(client)
    answers = in_threads(2, emulator.base_url, lambda own: redeem(own, code))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    granted = next(answer for answer in answers if answer.status_code == 200).json()
    assert not emulator.is_live_refresh_token(granted["refresh_token"])


@pytest.mark.parametrize(
    ("field", "value"),
    pairs(
        {
            **{name: [None] for name in ("grant_type", "client_id", "redirect_uri", "state")},
            "code": [None, ""],
            "code_verifier": [None, "too-short", "x" * 129, "ä" * 43],
            "scope": ["org:admin"],
            "client_secret": ["none-is-had"],
        }
    ),
)
def test_a_malformed_exchange_is_told_its_field_and_uses_nothing_up(
    emulator: Emulator, client: httpx.Client, field: str, value: str | None
) -> None:
    code = approved_code(client)
    response = redeem(client, code, **{field: value})
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert response.json()["error"]["message"].startswith(f"{field}: ")
    assert (emulator.history[-1].outcome, emulator.history[-1].status) == ("invalid", 400)
    assert redeem(client, code).status_code == 200


def test_a_code_is_redeemed_with_a_form_and_without_a_beta_and_a_refresh_is_not(
    emulator: Emulator, client: httpx.Client
) -> None:
    code = approved_code(client)
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "client_id": CLIENT_ID,
        "redirect_uri": LISTENER,
        "state": STATE,
    }
    for response in (
        client.post("/v1/oauth/token", json=fields),
        client.post("/v1/oauth/token", data={**fields, "state": [STATE, STATE]}),
        client.post("/v1/oauth/token", data=fields, headers={"anthropic-beta": "oauth-2025-04-20"}),
        client.post("/v1/oauth/token", data=fields, headers={"content-type": "text/plain"}),
        client.post("/v1/oauth/token", params=fields),
    ):
        assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    refresh_token = redeem(client, code).json()["refresh_token"]
    as_form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": CLIENT_ID}
    beta = {"anthropic-beta": "oauth-2025-04-20"}
    assert client.post("/v1/oauth/token", data=as_form, headers=beta).status_code == 400
    assert emulator.is_live_refresh_token(refresh_token)


def test_the_history_holds_neither_code_nor_verifier_nor_state(emulator: Emulator, client: httpx.Client) -> None:
    code = approved_code(client)
    granted = redeem(client, code)
    redeem(client, code, state=None)
    shown = client.get("/_emulator/history").text
    assert granted.headers["request-id"] in shown
    assert not any(secret in shown for secret in (code, VERIFIER, CHALLENGE, STATE, "sk-ant"))


def test_another_client_is_known_once_it_is_registered(emulator: Emulator, client: httpx.Client) -> None:
    assert client.get("/oauth/authorize", params=parameters(client_id="a <b>client</b>")).status_code == 400
    emulator.register_client("a <b>client</b>")
    shown = ask(client, client_id="a <b>client</b>")
    assert "a <b>client</b>" in shown.texts
    code = led_to(press(client, "approve", shown))[1]["code"]
    assert redeem(client, code).status_code == 400
    assert redeem(client, code, client_id="a <b>client</b>").status_code == 200


@pytest.mark.parametrize("field", ["workspace", "organization", "account", "refresh_token", "scope"])
def test_the_answer_to_a_login_can_lack_a_field(emulator: Emulator, client: httpx.Client, field: str) -> None:
    complete = redeem(client, approved_code(client)).json()
    emulator.omit_login_fields = {field}
    lacking = redeem(client, approved_code(client)).json()
    assert complete.keys() - lacking.keys() == emulator.omit_login_fields == {field}


def test_a_field_that_no_answer_has_cannot_be_left_out(emulator: Emulator) -> None:
    for wrong in ({"workspaces"}, "workspace"):
        with pytest.raises(ValueError, match=r"there are .*'workspace'"):
            emulator.omit_login_fields = wrong
    assert emulator.omit_login_fields == set()


def every_page(emulator: Emulator, client: httpx.Client) -> list[httpx.Response]:
    paste = paste_uri(emulator)
    landing = emulator.approve(authorize_url(emulator, redirect_uri=paste))
    return [
        client.get("/oauth/authorize", params=parameters()),
        client.get("/oauth/authorize", params=parameters(redirect_uri=paste, workspace_id="default", orgUUID="x")),
        client.get("/oauth/authorize"),
        client.post("/oauth/authorize"),
        client.get(landing.url),
        client.get(paste),
        client.get(paste, params={"error": "access_denied"}),
        client.get(paste, params={"error": "invalid_scope"}),
    ]


def test_every_page_needs_nothing_else_and_lets_nothing_else_in(emulator: Emulator, client: httpx.Client) -> None:
    for page in every_page(emulator, client):
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["x-frame-options"] == "DENY"
        assert "set-cookie" not in page.headers
        policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
        style = re.search("<style>(.*)</style>", page.text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        form_action = policy.pop("form-action")
        assert policy == {
            "default-src": "'none'",
            "style-src": f"'sha256-{digest}'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        shown = Shown(page.text)
        assert form_action.startswith("'self' http://") if shown.all("form") else form_action == "'none'"
        assert not any({"src", "href", "style", "onclick"} & set(attributes) for _, attributes in shown.elements)
        assert not any(shown.all(tag) for tag in ("script", "link", "img", "iframe"))
        assert "url(" not in style[1]
        assert "@import" not in style[1]


def test_every_page_can_be_used_without_eyes_or_mouse(emulator: Emulator, client: httpx.Client) -> None:
    for page in every_page(emulator, client):
        shown = Shown(page.text)
        assert page.text.startswith("<!doctype html>")
        assert shown.all("html") == [{"lang": "en"}]
        assert [len(shown.all(tag)) for tag in ("title", "main", "h1")] == [1, 1, 1]
        labelled = {label["for"] for label in shown.all("label")}
        assert {select["id"] for select in shown.all("select")} == labelled
        identifiers = [attributes["id"] for _, attributes in shown.elements if "id" in attributes]
        assert len(identifiers) == len(set(identifiers))
        assert [button["value"] for button in shown.all("button")] in ([], ["approve", "deny"])
        # In the order of the page, with no jumps.
        assert not any("tabindex" in attributes for _, attributes in shown.elements)


def test_the_form_may_lead_to_the_listener_and_nowhere_else(client: httpx.Client) -> None:
    for listener in (LISTENER, "http://127.0.0.1:8080/callback"):
        page = client.get("/oauth/authorize", params=parameters(redirect_uri=listener))
        origin = listener.removesuffix("/callback")
        assert f"form-action 'self' {origin};" in page.headers["content-security-policy"]


def test_redirects_are_neither_stored_nor_named_to_the_next_page(client: httpx.Client) -> None:
    for redirect in (
        press(client, "approve", ask(client)),
        client.get("/oauth/authorize", params=parameters(scope="x")),
    ):
        assert redirect.headers["cache-control"] == "no-store"
        assert redirect.headers["referrer-policy"] == "no-referrer"
        assert redirect.text == ""


def test_the_code_to_paste_is_shown_with_its_state(emulator: Emulator, client: httpx.Client) -> None:
    for origin in (emulator.base_url, emulator.base_url.replace("127.0.0.1", "localhost")):
        redirect_uri = f"{origin}/oauth/code/callback?app=anthropic-cli"
        landed = press(client, "approve", ask(client, redirect_uri=redirect_uri, state="a<b>&c"))
        assert landed.headers["location"].startswith(f"{redirect_uri}&code=")
        page = client.get(landed.headers["location"])
        code = parse_qs(landed.headers["location"])["code"][0]
        assert f"{code}#a<b>&c" in Shown(page.text).texts
        assert redeem(client, code, redirect_uri=redirect_uri, state="a<b>&c").status_code == 200


def test_the_page_with_the_code_shows_no_text_of_anybody_else(emulator: Emulator, client: httpx.Client) -> None:
    for query in ({}, {"code": "call 555 0100", "state": "now"}, {"error": "<b>call</b>", "error_description": "now"}):
        page = client.get(paste_uri(emulator), params=query)
        assert page.status_code == 400
        assert "555 0100" not in page.text
        assert not Shown(page.text).all("b")
        assert not Shown(page.text).all("code")


def test_to_approve_follows_the_browser_to_the_listener(emulator: Emulator) -> None:
    engineering = emulator.rule().workspace_ids[0]
    with Listener() as listener, httpx.Client(base_url=emulator.base_url) as client:
        landing = emulator.approve(authorize_url(emulator, redirect_uri=listener.uri), workspace_id=engineering)
        (query,) = listener.queries
        granted = redeem(client, query["code"][0], redirect_uri=listener.uri).json()
    assert isinstance(landing, Landing)
    assert (landing.status, landing.page, landing.code) == (200, "<h1>Back in the terminal</h1>", None)
    assert landing.url.startswith(f"{listener.uri}?code=")
    assert query["state"] == [STATE]
    assert granted["workspace"]["id"] == engineering


def test_to_deny_follows_the_browser_to_the_listener_too(emulator: Emulator) -> None:
    with Listener() as listener:
        emulator.deny(authorize_url(emulator, redirect_uri=listener.uri))
        emulator.approve(authorize_url(emulator, redirect_uri=listener.uri, scope="everything"))
    denied, refused = listener.queries
    assert denied == {"error": ["access_denied"], "state": [STATE]}
    assert refused["error"] == ["invalid_scope"], "the page does not ask: there is nothing to approve"


def test_to_approve_returns_the_code_to_paste(emulator: Emulator, client: httpx.Client) -> None:
    url = authorize_url(emulator, redirect_uri=paste_uri(emulator))
    landing = emulator.approve(url)
    assert landing.code is not None
    code, _, state = landing.code.partition("#")
    assert state == STATE
    assert code not in repr(landing)
    assert redeem(client, code, redirect_uri=paste_uri(emulator)).status_code == 200
    denied = emulator.deny(url)
    assert (denied.code, denied.status) == (None, 200)
    assert "Login denied" in denied.page
    by_name = url.replace("127.0.0.1", "localhost", 1)
    assert emulator.approve(by_name).code


def test_what_cannot_be_approved_is_an_error_that_says_why(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="must begin with"):
        emulator.approve(f"https://platform.claude.com/oauth/authorize?{urlencode(parameters())}")
    with pytest.raises(ValueError, match="must begin with"):
        emulator.approve(f"{emulator.base_url}/v1/models")
    with pytest.raises(ValueError, match=r"HTTP 400.*client_id: must be there once"):
        emulator.approve(authorize_url(emulator, client_id="another"))
    with pytest.raises(ValueError, match=r"'wrkspc_01none'.*wrkspc_"):
        emulator.approve(authorize_url(emulator), workspace_id="wrkspc_01none")
    with Emulator() as other:
        pass
    with pytest.raises(RuntimeError, match="not started"):
        other.approve(authorize_url(emulator))


def test_a_listener_that_is_gone_is_an_error_without_the_code(emulator: Emulator) -> None:
    with Listener() as listener:
        pass
    with pytest.raises(ConnectionError, match="ConnectError") as caught:
        emulator.approve(authorize_url(emulator, redirect_uri=listener.uri))
    assert caught.value.__suppress_context__
    assert "code" not in str(caught.value)


def test_the_consent_page_can_fail(emulator: Emulator) -> None:
    emulator.fail("authorize", Fault.status(529))
    with pytest.raises(ValueError, match="HTTP 529"):
        emulator.approve(authorize_url(emulator))
    emulator.fail("authorize", Fault.drop_before())
    with pytest.raises(ConnectionError):
        emulator.approve(authorize_url(emulator))


ANYTHING = st.one_of(
    st.text(max_size=40), st.sampled_from(['"><script>alert(1)</script>', "'; --", "%0d%0aset-cookie: a=b"])
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(st.sampled_from([*parameters(), "workspace_id", "orgUUID"]), ANYTHING, max_size=3),
    extra=st.binary(max_size=20).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)),
)
@example(changes={"state": "\"'><b id=code>&amp;", "workspace_id": "<b>", "orgUUID": "<b>"}, extra="")
def test_whatever_an_authorize_url_holds_a_page_or_a_redirect_to_the_listener_answers(
    running: Emulator, client: httpx.Client, changes: dict[str, str], extra: str
) -> None:
    answer = client.get(f"/oauth/authorize?{urlencode(parameters(**changes))}&{extra}")
    assert "set-cookie" not in answer.headers
    if answer.status_code == 302:
        where, sent = led_to(answer)
        assert where == LISTENER
        assert sent.get("state", changes.get("state")) == changes.get("state", STATE)
        return
    assert answer.status_code in {200, 400}
    shown = Shown(answer.text)
    assert not {tag for tag, _ in shown.elements} & {"script", "b", "img", "a", "iframe"}
    assert len(shown.all("input")) == (answer.status_code == 200)
    if answer.status_code == 200:
        led = led_to(press(client, "deny", shown))
        assert led == (LISTENER, {"error": "access_denied", "state": changes.get("state", STATE)})
