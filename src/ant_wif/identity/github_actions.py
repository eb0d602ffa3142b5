"""`github_actions`: the OIDC token of a GitHub Actions job.

https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal
from urllib.parse import parse_qsl, urlencode

from ant_wif._http import HTML, Flow, Request, Response, check_url
from ant_wif._secrets import SecretStr
from ant_wif.errors import IdentitySourceError
from ant_wif.identity._endpoint import Endpoint
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, nearly_detected, not_detected
from ant_wif.identity.token import IdentityToken

URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
TOKEN = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - a variable's name


@dataclass(frozen=True)
class GitHubActions(IdentitySource):
    """Asks GitHub for a token of this job; every request returns a new one."""

    audience: str | None = None
    source: Literal["github_actions"] = "github_actions"

    title: ClassVar[str] = "GitHub Actions OIDC"
    renewable: ClassVar[bool] = True

    @classmethod
    def detect(cls, context: Context) -> Detection:
        if context.environ.get("GITHUB_ACTIONS") != "true":
            if URL in context.environ and "GITHUB_ACTIONS" not in context.environ:
                return nearly_detected(
                    "github_actions",
                    f"{URL} is set, but GITHUB_ACTIONS is not, as in a container that has some variables of its job",
                    f"hand on GITHUB_ACTIONS and {TOKEN} as well (docker run --env GITHUB_ACTIONS --env …)",
                )
            return not_detected("github_actions", "GITHUB_ACTIONS is not 'true'")
        return detected(cls(), "GITHUB_ACTIONS=true")

    def unmet(self, context: Context) -> IdentitySourceError | None:
        missing = [name for name in (URL, TOKEN) if name not in context.environ]
        if not missing:
            return None
        return IdentitySourceError(
            "this GitHub Actions job cannot request an identity token: "
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            hint="add `permissions: {id-token: write}` to the job or the workflow (with `contents: read` "
            "beside it for checkout); a pull request from a fork gets no identity token",
        )

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        self.require_met(context)
        audience = self.audience or context.audience
        token = context.header_value(TOKEN)
        request = Request(
            "GET",
            _with_audience(context.environ[URL], audience, context.environ),
            headers={"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")},
        )
        raw = yield from _ENDPOINT.token(request, "value", sent=[token], explain=_explained)
        return context.parse(self, raw, audience=audience)


def _is_pending(reply: Response) -> bool:
    """Whether GitHub has not yet seen that the job runs."""
    return reply.status == 403 and b"'Pending'" in reply.body


_ENDPOINT = Endpoint(
    "GitHub's OIDC endpoint",
    f"run the job again; if it persists, see https://www.githubstatus.com, and check that {URL} is the runner's",
    passing=_is_pending,
)


def _explained(reply: Response, shown: str) -> IdentitySourceError | None:
    if reply.status not in {401, 403} or shown.endswith(HTML):
        return None
    said = f"GitHub's OIDC endpoint refused this job's request token (HTTP {reply.status}): {shown}"
    if _is_pending(reply):
        return IdentitySourceError(said, hint=_ENDPOINT.remedy)
    return IdentitySourceError(
        said,
        hint="the request token ends with the job: check `permissions: {id-token: write}` and that the "
        f"values of {URL} and {TOKEN} are this job's own",
    )


def _with_audience(url: str, audience: str, environ: Mapping[str, str]) -> str:
    """Add the audience to a URL that already has a query; any audience it came with is replaced."""
    place, _, query = url.partition("?")
    check_url(place, what=URL, environ=environ)
    kept = [pair for pair in parse_qsl(query.partition("#")[0], keep_blank_values=True) if pair[0] != "audience"]
    return f"{place}?{urlencode([*kept, ('audience', audience)])}"
