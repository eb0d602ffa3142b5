"""GitHub Actions: the jobs of one repository, for one branch, tag or environment, or for its pull requests.

https://docs.github.com/en/actions/reference/security/oidc
"""

from __future__ import annotations

import re

from ant_wif._secrets import sanitize
from ant_wif.admin.setup.models import WorkloadIdentity, issuer_address, required, slug
from ant_wif.errors import ConfigurationError

__all__ = ["ISSUER_URL", "trust"]

ISSUER_URL = "https://token.actions.githubusercontent.com"
"""The issuer of the identity tokens of GitHub Actions on github.com."""

# An account's name and a repository's; since July 2026 each may be followed by its number in a subject:
# https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
_OWNER, _NAME, _NUMBER = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", r"[A-Za-z0-9._-]{1,100}", r"(?:@(\d{1,20}))?"
_REPOSITORY = rf"({_OWNER}){_NUMBER}/({_NAME}){_NUMBER}"
# git-check-ref-format(1), as far as it concerns one name; `*` and `?` are none of it.
_REF = r"(?!/)(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/$|\.$))[^\x00-\x20\x7f~^:?*\[\\]{1,244}"
# An environment stands in the workflow, where GitHub would evaluate an expression.
_ENVIRONMENT = r"(?!.*\$\{\{)[^*?]{1,255}"
# The issuer of GitHub Enterprise Server, which has no numbers in its subjects.
_SERVER_ISSUER = "/_services/token"


def trust(
    *,
    repository: str,
    branch: str | None = None,
    tag: str | None = None,
    environment: str | None = None,
    pull_request: bool = False,
    issuer_url: str = ISSUER_URL,
) -> WorkloadIdentity:
    """Return what accepts these jobs and no others; the branch is `main` where nothing is said.

    `repository` is OWNER/NAME, or OWNER@ID/NAME@ID as the subjects of newer repositories have it, with or without
    the `repo:` before it. An `environment` may be narrowed to a branch or a tag. `issuer_url` is that of GitHub
    Enterprise Server.

    Raises:
        ConfigurationError: an option is not what it should be, or does not go with another.
    """
    repository = repository.removeprefix("repo:")
    required(repository, _REPOSITORY, what="a repository", expected="OWNER/NAME, or OWNER@ID/NAME@ID")
    found = re.fullmatch(_REPOSITORY, repository, re.ASCII)
    assert found is not None  # noqa: S101 - it was just matched
    owner, owner_id, name, name_id = found.groups()
    if (owner_id is None) != (name_id is None) or name in {".", ".."}:
        raise ConfigurationError(
            f"{sanitize(repository)!r} is not a repository: expected OWNER/NAME, or OWNER@ID/NAME@ID",
            hint="give both numbers or none",
        )
    if branch is not None and tag is not None:
        raise ConfigurationError("a job runs for a branch or for a tag, not for both", hint="run it once for each")
    if pull_request and (branch or tag or environment):
        raise ConfigurationError(
            "the subject of a pull request's job names no branch, no tag and no environment",
            hint="leave the others out",
        )
    claims = {"repository": f"{owner}/{name}", "repository_owner": owner}
    if owner_id is not None and name_id is not None:
        claims |= {"repository_id": name_id, "repository_owner_id": owner_id}
    if pull_request:
        context, label = "pull_request", "pull-request"
        claims["event_name"] = "pull_request"
    else:
        kind, short = ("tags", tag) if tag is not None else ("heads", branch)
        if short is None and environment is None:
            short = "main"
        ref = None if short is None else f"refs/{kind}/{_short_name(short, kind)}"
        claims |= {"ref": ref} if ref is not None else {}
        context, label = f"ref:{ref}", short or ""
        if environment is not None:
            required(environment, _ENVIRONMENT, what="an environment", expected="its name as the repository has it")
            # What separates the parts of a subject is escaped in it, and stands as it is in the claim.
            context, label = f"environment:{environment.replace(':', '%3A')}", f"{environment} {label}"
            claims["environment"] = environment
    issuer_url = issuer_address(issuer_url).rstrip("/")
    may_have_numbers = owner_id is None and not issuer_url.endswith(_SERVER_ISSUER)
    return WorkloadIdentity(
        platform="github",
        issuer_name="github-actions" if issuer_url == ISSUER_URL else slug("github", issuer_url.partition("://")[2]),
        issuer_url=issuer_url,
        name=slug("github", owner, name, label),
        subject=f"repo:{repository}:{context}",
        claims=claims,
        notes=tuple(_notes(f"{owner}/{name}", may_have_numbers=may_have_numbers, pull_request=pull_request)),
    )


def _short_name(name: str, kind: str) -> str:
    short = name.removeprefix(f"refs/{kind}/")
    what = "a branch" if kind == "heads" else "a tag"
    return required(short, _REF, what=what, expected="one name, as git has it")


def _notes(repository: str, *, may_have_numbers: bool, pull_request: bool) -> list[str]:
    notes = [
        "The ids are no secrets: they may stand in the workflow, or among the variables that the settings of "
        f"{repository} have for Actions."
    ]
    if may_have_numbers:
        notes.append(
            "The tokens of a repository that was created, renamed or transferred after 15 July 2026, or has chosen it, "
            "name it with numbers, and this rule denies them. "
            f"`gh api repos/{repository}/actions/oidc/customization/sub --jq .sub_claim_prefix` prints how they name "
            "it: where there are numbers, run this again with that as --repo."
        )
    if pull_request:
        notes.append(
            "Whoever may push a branch to the repository may open a pull request that changes what its jobs run. "
            "Pull requests from forks get no identity token."
        )
    return notes
