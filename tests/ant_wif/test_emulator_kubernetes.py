"""Kubernetes: projected tokens, and the cluster's TokenRequest API."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import ant_wif
from ant_wif.emulator import Emulator, Fault
from support.tokens import claims_of

Ask = Callable[..., httpx.Response]
BUILDER = "/api/v1/namespaces/ci/serviceaccounts/builder/token"
AUDIENCE = "https://api.anthropic.com"


@pytest.fixture
def account(emulator: Emulator, tmp_path: Path) -> Path:
    return Path(emulator.kubernetes_pod(tmp_path), "var/run/secrets/kubernetes.io/serviceaccount")


@pytest.fixture
def ask(emulator: Emulator, account: Path) -> Ask:
    env, own = emulator.env("kubernetes"), (account / "token").read_text()

    def post(path: str = BUILDER, token: str = own, **spec: object) -> httpx.Response:
        spec = {"audiences": [AUDIENCE], "expirationSeconds": 900, **spec}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        url = f"{env['ANT_KUBERNETES_API_URL']}{path}"
        return httpx.post(url, json=body, headers={"authorization": f"Bearer {token}"})

    return post


def test_a_pod_finds_a_projected_token_that_can_be_exchanged(emulator: Emulator) -> None:
    environ = {"HOME": "/nonexistent", "ANT_CACHE": "memory", **emulator.env("kubernetes")}
    assert ant_wif.resolve(environ=environ).token().startswith("sk-ant-oat01-")
    claims = claims_of(Path(environ["ANTHROPIC_IDENTITY_TOKEN_FILE"]).read_text())
    assert claims["sub"] == "system:serviceaccount:ci:builder"
    assert claims["aud"] == [AUDIENCE]
    bound = claims["kubernetes.io"]
    assert isinstance(bound, dict)
    assert set(bound) == {"namespace", "node", "pod", "serviceaccount"}
    assert bound["serviceaccount"]["name"] == "builder"


def test_the_pods_own_token_is_for_the_cluster_and_lives_for_a_year(account: Path) -> None:
    claims = claims_of((account / "token").read_text())
    assert claims["aud"] == ["https://kubernetes.default.svc.cluster.local"]
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 365 * 86_400
    bound = claims["kubernetes.io"]
    assert isinstance(bound, dict)
    assert bound["warnafter"] == int(str(claims["iat"])) + 3607
    assert (account / "namespace").read_text() == "ci"


def test_a_time_that_is_stated_beside_a_token_agrees_with_it_however_time_passes(tmp_path: Path) -> None:
    with Emulator(clock=itertools.count(1_900_000_000, 1).__next__) as emulator:
        own = Path(emulator.kubernetes_pod(tmp_path), "var/run/secrets/kubernetes.io/serviceaccount/token")
        claims = claims_of(own.read_text())
        bound = claims["kubernetes.io"]
        assert isinstance(bound, dict)
        assert bound["warnafter"] == int(str(claims["iat"])) + 3607
        env = emulator.env("azure")
        answer = httpx.get(
            env["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": env["ANT_IDENTITY_AUDIENCE"]},
            headers={"x-identity-header": env["IDENTITY_HEADER"]},
        ).json()
        assert answer["expires_on"] == str(claims_of(answer["access_token"])["exp"])


def test_the_kubelet_replaces_a_token_in_its_file(emulator: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "var" / "token"
    assert emulator.kubernetes_token(path, lifetime=600) == str(path)
    first = claims_of(path.read_text())
    emulator.kubernetes_token(path, audience="api://other")
    second = claims_of(path.read_text())
    assert first["jti"] != second["jti"]
    assert second["aud"] == ["api://other"]
    assert [file.name for file in path.parent.iterdir()] == ["token"]


def test_a_token_request_issues_a_new_token_each_time(emulator: Emulator, ask: Ask) -> None:
    first, second = ask(), ask()
    assert first.status_code == 201
    token = first.json()["status"]["token"]
    claims = claims_of(token)
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 900
    assert claims["jti"] != claims_of(second.json()["status"]["token"])["jti"]
    expires = first.json()["status"]["expirationTimestamp"]
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(str(claims["exp"])))) == expires


def test_a_service_account_that_may_not_request_tokens_is_told_so(emulator: Emulator, ask: Ask) -> None:
    emulator.allow_token_requests = False
    refused = ask()
    assert refused.status_code == refused.json()["code"] == 403
    assert refused.json()["kind"] == "Status"
    assert 'cannot create resource "serviceaccounts/token"' in refused.json()["message"]
    emulator.allow_token_requests = True
    assert ask().status_code == 201


@pytest.mark.parametrize("path", [BUILDER.replace("builder", "admin"), BUILDER.replace("/ci/", "/kube-system/")])
def test_a_service_account_requests_tokens_for_itself_only(ask: Ask, path: str) -> None:
    assert ask(path).status_code == 403


def test_the_api_takes_no_token_that_is_not_for_it(emulator: Emulator, ask: Ask) -> None:
    for token in ("x", emulator.issue("kubernetes"), emulator.issue("kubernetes", aud=["*"], exp=0)):
        assert ask(token=token).status_code == 401
    audience = "https://kubernetes.default.svc.cluster.local"
    assert ask(token=emulator.issue("kubernetes", aud=[audience], key="other")).status_code == 401
    assert ask(token=emulator.issue("kubernetes", aud=[audience], iss="https://x")).status_code == 401
    assert ask(token=emulator.issue("kubernetes", aud=[audience])).status_code == 201


def test_a_token_names_the_pod_only_if_it_was_to_be_bound_to_it(account: Path, ask: Ask) -> None:
    own = claims_of((account / "token").read_text())["kubernetes.io"]
    assert isinstance(own, dict)
    pod = {"kind": "Pod", "apiVersion": "v1", **own["pod"]}
    bound = claims_of(ask(boundObjectRef=pod).json()["status"]["token"])["kubernetes.io"]
    free = claims_of(ask().json()["status"]["token"])["kubernetes.io"]
    assert isinstance(bound, dict)
    assert isinstance(free, dict)
    assert bound["pod"] == own["pod"]
    assert set(free) == {"namespace", "serviceaccount"}
    assert ask(boundObjectRef={**pod, "name": "gone"}).status_code == 404
    assert ask(boundObjectRef={**pod, "uid": "older"}).status_code == 409
    assert ask(boundObjectRef={**pod, "kind": "Secret"}).status_code == 400


@pytest.mark.parametrize(
    ("spec", "status"),
    [({"expirationSeconds": 599}, 422), ({"expirationSeconds": "900"}, 422), ({"audiences": "x"}, 400)],
)
def test_a_spec_that_makes_no_sense_is_refused(ask: Ask, spec: dict[str, object], status: int) -> None:
    assert ask(**spec).status_code == status


def test_a_fault_at_kubernetes_meets_the_next_token_request(emulator: Emulator, ask: Ask) -> None:
    emulator.fail("kubernetes", Fault.status(503))
    assert [ask().status_code for _ in range(2)] == [503, 201]
