"""The emulator's time: moved by a test, wrong on purpose, and keys that are replaced as time goes by."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, KeysView
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import httpx
import jwt
import pytest

from ant_wif.emulator import Emulator
from ant_wif.emulator._issuers import SigningKey
from support.consent_page import list_models, refresh
from support.federation_grant import exchange

NOW = 1_800_000_000


def reason(client: httpx.Client, emulator: Emulator, assertion: str) -> str | None:
    exchange(client, emulator, assertion)
    return emulator.history[-1].reason


def test_a_token_expires_when_the_time_is_moved(emulator: Emulator, client: httpx.Client) -> None:
    token = exchange(client, emulator, emulator.issue()).json()["access_token"]
    emulator.advance(590)
    assert list_models(client, token).status_code == 200
    emulator.advance(11)
    assert list_models(client, token).status_code == 401


def test_an_identity_token_of_before_has_expired_and_a_new_one_is_of_now(
    emulator: Emulator, client: httpx.Client
) -> None:
    before = emulator.issue(lifetime=300)
    emulator.advance(331)
    assert reason(client, emulator, before) == "expired"
    assert reason(client, emulator, emulator.issue()) is None


def test_a_login_outlasts_a_month_and_its_access_token_does_not(emulator: Emulator, client: httpx.Client) -> None:
    login = emulator.login()
    emulator.advance(30 * 86_400)
    assert list_models(client, login.access_token).status_code == 401
    renewed = refresh(client, login.refresh_token).json()
    assert list_models(client, renewed["access_token"]).status_code == 200


def test_the_time_goes_on_from_where_it_was_moved_to(emulator: Emulator) -> None:
    emulator.move_to(NOW)
    assert NOW <= emulator.now < NOW + 60
    emulator.advance(-3600)
    assert NOW - 3600 <= emulator.now < NOW - 3540
    emulator.reset_clock()
    assert abs(emulator.now - time.time()) < 60


def test_every_answer_is_dated_by_the_emulators_clock(emulator: Emulator, client: httpx.Client) -> None:
    emulator.move_to(NOW)
    for path in ("/v1/models", "/nowhere", "/_emulator/", "/github/.well-known/jwks"):
        date = parsedate_to_datetime(client.get(path).headers["date"])
        assert NOW <= date.timestamp() < NOW + 60, path


def test_a_clock_of_ones_own_is_moved_like_any_other() -> None:
    with Emulator(clock=lambda: float(NOW)) as emulator:
        assert emulator.now == NOW
        emulator.advance(10)
        assert emulator.now == NOW + 10
        assert jwt.decode(emulator.issue(), options={"verify_signature": False})["iat"] == NOW + 10
        emulator.clock = lambda: NOW + 5.0
        assert emulator.now == NOW + 15
        other = emulator.spawn()
        emulator.advance(1)
        assert other.now == emulator.now == NOW + 16


@pytest.mark.parametrize(
    ("seconds", "why"), [(-331, "not_yet_valid"), (-20, None), (0, None), (200, None), (331, "expired")]
)
def test_a_service_whose_clock_is_wrong_judges_by_it(
    emulator: Emulator, client: httpx.Client, seconds: int, why: str | None
) -> None:
    emulator.skew(seconds)
    assert reason(client, emulator, emulator.issue(lifetime=300, nbf=None)) == why
    ahead = parsedate_to_datetime(client.get("/").headers["date"]).timestamp() - time.time()
    assert seconds - 60 < ahead < seconds + 60
    emulator.skew(0)
    assert reason(client, emulator, emulator.issue()) is None


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1e12, 1e12, 10**400])
def test_a_time_that_no_date_can_be_written_for_is_refused(emulator: Emulator, wrong: float) -> None:
    for move in (emulator.advance, emulator.move_to, emulator.skew):
        with pytest.raises(ValueError, match="1970 and 9999"):
            move(wrong)
    assert abs(emulator.now - time.time()) < 60


def test_time_that_goes_by_leads_to_no_moment_that_no_date_can_be_written_for() -> None:
    with Emulator(clock=lambda: float(NOW)) as emulator:
        with pytest.raises(ValueError, match="1970 and 9999"):
            emulator.move_to(253_402_300_000)
        emulator.move_to(253_370_700_000)
        emulator.clock = lambda: NOW + 300 * 86_400.0
        assert httpx.get(f"{emulator.base_url}/v1/models", trust_env=False).headers["date"].endswith("GMT")


def test_many_threads_move_the_time_by_what_each_asked_for() -> None:
    emulator = Emulator(clock=lambda: float(NOW))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(emulator.advance, [1.0] * 800))
    assert emulator.now == NOW + 800


def published(client: httpx.Client, platform: str = "github") -> list[str]:
    return [key["kid"] for key in client.get(f"/{platform}/.well-known/jwks").json()["keys"]]


def test_no_two_issuers_have_an_rsa_key_in_common_and_one_that_is_gone_leaves_its_own_to_the_next() -> None:
    gone, other = SigningKey(), SigningKey()
    numbers = [next(iter(each.key_set().values())).public_key.public_numbers() for each in (gone, other)]
    assert numbers[0] != numbers[1]
    del gone
    (key,) = SigningKey().key_set().values()
    assert key.public_key.public_numbers() == numbers[0]


def test_after_a_rotation_the_old_key_is_not_found(emulator: Emulator, client: httpx.Client) -> None:
    before, old = emulator.issue(), published(client)
    emulator.rotate_keys("github")
    assert len(published(client)) == len(old)
    assert set(published(client)).isdisjoint(old)
    assert reason(client, emulator, before) == "kid_not_found"
    assert reason(client, emulator, emulator.issue()) is None


def test_a_rotation_may_keep_the_old_key_published(emulator: Emulator, client: httpx.Client) -> None:
    before, old = emulator.issue(), published(client)
    emulator.rotate_keys("github", keep_old=True)
    assert jwt.get_unverified_header(emulator.issue())["kid"] not in old
    assert published(client)[-len(old) :] == old
    assert [reason(client, emulator, token) for token in (before, emulator.issue())] == [None, None]
    emulator.rotate_keys("github")
    assert len(published(client)) == 1


class Meanwhile(dict[str, object]):
    """Headers of a token during the writing of which something else happens."""

    def __init__(self, happen: Callable[[], None]) -> None:
        super().__init__(cty="JWT")
        self._happen = happen

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> KeysView[str]:
        self._happen()
        return super().keys()


@pytest.mark.parametrize("keep_old", [False, True])
def test_a_token_that_is_issued_during_a_rotation_names_the_key_that_signed_it(
    emulator: Emulator, client: httpx.Client, keep_old: bool
) -> None:
    before = published(client)
    rotating = Meanwhile(lambda: emulator.rotate_keys("github", keep_old=keep_old))
    assert reason(client, emulator, emulator.issue(headers=rotating)) is None
    assert published(client)[0] not in before


def test_a_published_key_verifies_what_is_signed_after_a_rotation(emulator: Emulator, client: httpx.Client) -> None:
    emulator.rotate_keys("spiffe")
    keys = jwt.PyJWKSet.from_dict(client.get("/spiffe/.well-known/jwks").json())
    for alg in ("RS256", "ES256"):
        token = emulator.sign_as("spiffe", {"sub": "x"}, alg)
        key = keys[jwt.get_unverified_header(token)["kid"]]
        assert jwt.decode(token, key, algorithms=[alg])["sub"] == "x"


def test_a_platform_that_is_not_emulated_has_no_keys(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="jenkins"):
        emulator.rotate_keys("jenkins")
