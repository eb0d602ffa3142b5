"""GitHub Actions: the jobs of one repository, for one branch, tag or environment, or for its pull requests.

https://docs.github.com/en/actions/reference/security/oidc
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from ant_wif._http import Flow, Request, RequestFailure, check_url, send
from ant_wif._secrets import SecretStr, quoted, sanitize
from ant_wif.admin.setup.models import WorkloadIdentity, issuer_address, path_of_address, required, slug
from ant_wif.errors import ConfigurationError

__all__ = [
    "ISSUER_URL",
    "SubjectForm",
    "SubjectSettings",
    "api_url",
    "read_settings",
    "repository_of",
    "split_repository",
    "trust",
]

ISSUER_URL = "https://token.actions.githubusercontent.com"
"""The issuer of the identity tokens of GitHub Actions on github.com."""

# An account's name and a repository's; since July 2026 each may be followed by its number in a subject:
# https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
_OWNER, _NAME, _NUMBER = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", r"[A-Za-z0-9._-]{1,100}", r"(?:@(\d{1,20}))?"
_REPOSITORY = rf"({_OWNER}){_NUMBER}/({_NAME}){_NUMBER}"
# git-check-ref-format(1), as far as it concerns one name; `*` and `?` are not allowed.
_REF = r"(?!/)(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/$|\.$))[^\x00-\x20\x7f~^:?*\[\\]{1,244}"
# An environment stands in the workflow, where GitHub would evaluate an expression.
_ENVIRONMENT = r"(?!.*\$\{\{)[^*?]{1,255}"
# The issuer of GitHub Enterprise Server, which has no numbers in its subjects.
_SERVER_ISSUER = "/_services/token"


SubjectForm = Literal["classic", "immutable", "both"]
"""The form of a repository's subjects: with names, with names and numbers, or either."""


@dataclass(frozen=True)
class SubjectSettings:
    """What a repository's settings say of the subjects of its jobs.

    `numbers` are those of owner and repository, `None` where GitHub does not say; `include_claim_keys` are the parts
    of a subject where the repository has chosen its own. `unknown` says why nothing of this is known.
    """

    immutable: bool = False
    numbers: tuple[str, str] | None = None
    include_claim_keys: tuple[str, ...] = ()
    unknown: str | None = None


def split_repository(repository: str) -> tuple[str, str, tuple[str, str] | None]:
    """Return owner, name and, where they are given, the numbers of both. Raises ConfigurationError."""
    repository = repository.removeprefix("repo:")
    longer = re.match(rf"({_REPOSITORY})/", repository, re.ASCII)
    hint = f"did you mean {longer[1]}?" if longer else ""
    required(repository, _REPOSITORY, what="a repository", expected="OWNER/NAME, or OWNER@ID/NAME@ID", hint=hint)
    found = re.fullmatch(_REPOSITORY, repository, re.ASCII)
    assert found is not None  # noqa: S101 - it was just matched
    owner, owner_id, name, name_id = found.groups()
    if (owner_id is None) != (name_id is None) or name in {".", ".."}:
        raise ConfigurationError(
            f"{quoted(repository)} is not a repository: expected OWNER/NAME, or OWNER@ID/NAME@ID",
            hint="give both numbers or none",
        )
    return owner, name, None if owner_id is None or name_id is None else (owner_id, name_id)


def repository_of(text: str, issuer_url: str = ISSUER_URL) -> str:
    """Return OWNER/NAME of a repository whose address is given; any other text unchanged. Raises ConfigurationError."""
    api = api_url(issuer_url)
    host = "" if api is None else (urlsplit(api).hostname or "").removeprefix("api.")
    server = "give --issuer-url https://HOST/_services/token, if that is GitHub Enterprise Server"
    return path_of_address(text, f"https://{host}", elsewhere=server)


def trust(
    *,
    repository: str,
    branch: str | None = None,
    tag: str | None = None,
    environment: str | None = None,
    pull_request: bool = False,
    issuer_url: str = ISSUER_URL,
    form: SubjectForm | None = None,
    settings: SubjectSettings | None = None,
) -> WorkloadIdentity:
    """Return what accepts these jobs and no others; the branch is `main` where nothing is said.

    `repository` is OWNER/NAME, or OWNER@ID/NAME@ID as the subjects of newer repositories have it, with or without
    the `repo:` before it. An `environment` may be narrowed to a branch or a tag. `issuer_url` is that of GitHub
    Enterprise Server, of a host below ghe.com, or of an enterprise. `form` is that of the subject; by default it is
    what `settings` say, or else follows from `repository`.

    Raises:
        ConfigurationError: an option is not what it should be, or does not go with another.
    """
    owner, name, stated = split_repository(repository)
    asked, settings = settings, settings or SubjectSettings()
    numbers = stated or settings.numbers
    claims = {"repository": f"{owner}/{name}", "repository_owner": owner}
    if numbers is not None:
        claims |= {"repository_id": numbers[1], "repository_owner_id": numbers[0]}
    context, label, more = _job(branch, tag, environment, pull_request=pull_request)
    claims |= more
    issuer_url = issuer_address(issuer_url).rstrip("/")
    chosen: SubjectForm = form or ("immutable" if stated or settings.immutable else "classic")
    subjects = {"classic": f"repo:{owner}/{name}:{context}"}
    if numbers is not None:
        subjects["immutable"] = f"repo:{owner}@{numbers[0]}/{name}@{numbers[1]}:{context}"
    elif chosen == "immutable":
        raise ConfigurationError(
            f"an immutable subject names the numbers of {owner} and {name}, and these are not known",
            hint=f"set GH_TOKEN, or give --repo the prefix that `{_ask(owner, name)}` prints",
        )
    subject, condition = subjects.get(chosen), None
    if settings.include_claim_keys:
        if chosen == "both":
            raise ConfigurationError(
                f"the subjects of {owner}/{name} are made of {_listed(settings.include_claim_keys)}: --subject both is "
                "for the default ones",
                hint="leave out --subject",
            )
        repo = str(subject).removesuffix(f":{context}")
        subject = _custom_subject(settings.include_claim_keys, {"repo": repo, "context": context}, claims)
    elif chosen == "both":
        condition = _either(subjects, owner, context)
    assumption = None
    if (
        form is None
        and stated is None
        and (asked is None or settings.unknown)
        and not issuer_url.endswith(_SERVER_ISSUER)
    ):
        why = f"{settings.unknown}; " if settings.unknown else ""
        assumption = f"{why}the plan assumes the classic form of the subject: pass --subject, or set GH_TOKEN"
    return WorkloadIdentity(
        platform="github",
        issuer_name="github-actions" if issuer_url == ISSUER_URL else slug("github", issuer_url.partition("://")[2]),
        issuer_url=issuer_url,
        name=slug("github", owner, name, label),
        subject=subject,
        condition=condition,
        assumption=assumption,
        other_subjects=tuple(each for each in subjects.values() if each != subject),
        claims=claims,
        notes=tuple(
            _notes(
                f"{owner}/{name}",
                settings,
                is_assumed=assumption is not None,
                pull_request=pull_request,
                both=chosen == "both",
            )
        ),
    )


def _job(
    branch: str | None, tag: str | None, environment: str | None, *, pull_request: bool
) -> tuple[str, str, dict[str, str]]:
    """Return how a subject ends, what names the job, and its claims. Raises ConfigurationError."""
    if branch is not None and tag is not None:
        raise ConfigurationError("a job runs for a branch or for a tag, not for both", hint="run it once for each")
    if pull_request and (branch or tag or environment):
        raise ConfigurationError(
            "the subject of a pull request's job names no branch, no tag and no environment",
            hint="leave the others out",
        )
    if pull_request:
        return "pull_request", "pull-request", {"event_name": "pull_request"}
    kind, short = ("tags", tag) if tag is not None else ("heads", branch)
    if short is None and environment is None:
        short = "main"
    ref = None if short is None else f"refs/{kind}/{_short_name(short, kind)}"
    claims = {"ref": ref} if ref is not None else {}
    if environment is None:
        return f"ref:{ref}", short or "", claims
    required(environment, _ENVIRONMENT, what="an environment", expected="its name as the repository has it")
    claims["environment"] = environment
    return f"environment:{_escaped(environment)}", f"{environment} {short or ''}", claims


def api_url(issuer_url: str) -> str | None:
    """Return where the REST API of an issuer's GitHub is, `None` where its address does not tell.

    Raises:
        ConfigurationError: the address is not valid.
    """
    parts = urlsplit(issuer_address(issuer_url))
    host = (parts.hostname or "").lower()
    if host == "token.actions.githubusercontent.com":
        return "https://api.github.com"
    if re.fullmatch(r"token\.actions\.[a-z0-9-]+\.ghe\.com", host):
        return f"https://api.{host.removeprefix('token.actions.')}"
    if parts.path.rstrip("/") == _SERVER_ISSUER and parts.scheme == "https":
        return check_url(f"https://{parts.netloc}/api/v3", what="the issuer's URL")
    return None


def read_settings(owner: str, name: str, *, url: str, token: SecretStr) -> Flow[SubjectSettings]:
    """Ask GitHub's REST API, at `url`, what the subjects of a repository's jobs are made of.

    What goes wrong is told in `unknown` of the result.
    https://docs.github.com/en/rest/actions/oidc
    """
    request = Request(
        "GET",
        f"{url}/repos/{owner}/{name}/actions/oidc/customization/sub",
        headers={
            "Authorization": SecretStr(f"Bearer {token.get_secret_value()}"),
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        timeout=10.0,
        known=(token,),
    )
    reply = yield from send(request)
    repository = f"{owner}/{name}"
    if isinstance(reply, RequestFailure):
        return SubjectSettings(unknown=f"GitHub could not be reached: {reply.reason}")
    if reply.status != 200:
        why = {
            301: f"{repository} was renamed or moved",
            401: "the token is not valid",
            403: f"the token may not read the Actions settings of {repository}",
            404: f"there is no repository {repository} that the token can see",
        }.get(reply.status, reply.error((token,)).said)
        return SubjectSettings(unknown=f"GitHub returned HTTP {reply.status} for its OIDC settings: {why}")
    return _settings_of(reply.body) or SubjectSettings(unknown="GitHub returned OIDC settings that cannot be read")


_SETTINGS = {"use_default": bool, "use_immutable_subject": bool, "sub_claim_prefix": str, "include_claim_keys": list}


def _settings_of(body: bytes) -> SubjectSettings | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    stated = {name: found[name] for name in _SETTINGS if found.get(name) is not None} if isinstance(found, dict) else {}
    keys = stated.get("include_claim_keys", [])
    has_forms = all(isinstance(value, _SETTINGS[name]) for name, value in stated.items())
    if not has_forms or not {"use_default", "use_immutable_subject"} & stated.keys():
        return None
    if not all(isinstance(key, str) for key in keys):
        return None
    prefix = re.fullmatch(rf"repo:{_REPOSITORY}", stated.get("sub_claim_prefix", ""), re.ASCII)
    numbers = (prefix[2], prefix[4]) if prefix is not None and prefix[2] and prefix[4] else None
    custom = tuple(keys) if stated.get("use_default") is False else ()
    if custom == ("repo", "context"):
        custom = ()
    return SubjectSettings(stated.get("use_immutable_subject") is True or numbers is not None, numbers, custom)


def _custom_subject(keys: tuple[str, ...], parts: dict[str, str], claims: dict[str, str]) -> str | None:
    """Return the subject as far as its parts are known, with `*` for the rest; `None` where the first is not."""
    found = []
    for key in keys:
        if key in parts:
            found.append(parts[key])
        elif key in claims:
            found.append(f"{key}:{_escaped(claims[key])}")
        else:
            return ":".join([*found, f"{key}:*"]) if found else None
    return ":".join(found)


def _either(subjects: dict[str, str], owner: str, context: str) -> str:
    """Return a condition for either form; where numbers are not known, the claims of the rule name the repository."""
    classic, immutable = (subjects.get(form) for form in ("classic", "immutable"))
    newer = (
        f"claims.sub == {_cel(immutable)}"
        if immutable is not None
        else f"claims.sub.startsWith({_cel(f'repo:{owner}@')}) && claims.sub.endsWith({_cel(f':{context}')})"
    )
    return f"claims.sub == {_cel(str(classic))} || {newer}"


def _cel(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(value: str) -> str:
    """What separates the parts of a subject is escaped in it, and stands as it is in the claim."""
    return value.replace(":", "%3A")


def _listed(keys: tuple[str, ...]) -> str:
    return sanitize(", ".join(keys), limit=256)


def _ask(owner: str, name: str) -> str:
    return f"gh api repos/{owner}/{name}/actions/oidc/customization/sub --jq .sub_claim_prefix"


def _short_name(name: str, kind: str) -> str:
    short = name.removeprefix(f"refs/{kind}/")
    what = "a branch" if kind == "heads" else "a tag"
    return required(short, _REF, what=what, expected="one name, as git has it")


def _notes(
    repository: str, settings: SubjectSettings, *, is_assumed: bool, pull_request: bool, both: bool
) -> list[str]:
    notes = [
        f"The IDs are not secrets. Keep them in the workflow, or as Actions variables in the settings of {repository}."
    ]
    if is_assumed:
        notes.append(
            "If the repository was created, renamed or transferred after 15 July 2026, or has opted in, its subjects "
            "contain numbers and this rule denies its tokens. To find out, run "
            f"`{_ask(*repository.split('/'))}`. If it prints numbers, run this command again with that value as --repo."
        )
    if settings.include_claim_keys:
        notes.append(
            f"The repository has chosen what its subjects are made of: {_listed(settings.include_claim_keys)}. "
            "When it changes this, run this command again."
        )
    if both:
        notes.append("After the change, run this command again with --subject immutable and archive this rule.")
    if pull_request:
        notes.append(
            "A user who can push a branch to the repository can open a pull request that changes its jobs. "
            "Pull requests from forks get no identity token."
        )
    return notes
