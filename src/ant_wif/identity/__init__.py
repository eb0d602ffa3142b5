"""Where identity tokens come from: one module per platform, all of one shape.

To add a platform, write a module like `github_actions` and list it in `_registry`; for one that hands its jobs a token
in a variable, a row of `variables` is enough. A package of yours adds one through the entry-point group
`ant_wif.identity_sources`.

Sources are loaded on first use (PEP 562): a process pays for the platform that it is on.
"""

from ant_wif._constants import DEFAULT_AUDIENCE
from ant_wif._http import Flow, call
from ant_wif._lazy import loader
from ant_wif._secrets import SecretStr
from ant_wif.identity._registry import BUILT_IN, detect, detect_all, first_detected, jobs, read_source, source_by_name
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, not_detected
from ant_wif.identity.token import IdentityToken, unverified_issuer_subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ant_wif.identity.aws import Aws
    from ant_wif.identity.azure import Azure
    from ant_wif.identity.azure_pipelines import AzurePipelines
    from ant_wif.identity.command import Command
    from ant_wif.identity.env import Env, Literal
    from ant_wif.identity.file import File
    from ant_wif.identity.fly import Fly
    from ant_wif.identity.github_actions import GitHubActions
    from ant_wif.identity.google_cloud import GoogleCloud
    from ant_wif.identity.kubernetes import Kubernetes
    from ant_wif.identity.oauth import OAuth
    from ant_wif.identity.programs import Buildkite, CircleCI
    from ant_wif.identity.spiffe import Spiffe
    from ant_wif.identity.url import Url
    from ant_wif.identity.variables import JobVariable as Bitbucket
    from ant_wif.identity.variables import JobVariable as GitLab
    from ant_wif.identity.variables import JobVariable as Semaphore
    from ant_wif.identity.variables import JobVariable as Spacelift
    from ant_wif.identity.variables import JobVariable as TerraformCloud
    from ant_wif.identity.variables import JobVariable as Vercel

__all__ = [
    "DEFAULT_AUDIENCE",
    "Aws",
    "Azure",
    "AzurePipelines",
    "Bitbucket",
    "Buildkite",
    "CircleCI",
    "Command",
    "Context",
    "Detection",
    "Env",
    "File",
    "Flow",
    "Fly",
    "GitHubActions",
    "GitLab",
    "GoogleCloud",
    "IdentitySource",
    "IdentityToken",
    "Kubernetes",
    "Literal",
    "OAuth",
    "SecretStr",
    "Semaphore",
    "Spacelift",
    "Spiffe",
    "TerraformCloud",
    "Url",
    "Vercel",
    "call",
    "detect",
    "detect_all",
    "detected",
    "first_detected",
    "jobs",
    "not_detected",
    "read_source",
    "source_by_name",
    "unverified_issuer_subject",
]

if not TYPE_CHECKING:
    _HOMES = {"env": ["Env", "Literal"]}
    for _listed in BUILT_IN:
        _HOMES.setdefault(_listed.shared_module or _listed.name, []).append(_listed.class_name)
    __getattr__ = loader(__name__, _HOMES)
