"""Which sources there are, in which order they are tried, and how one is made from a name or a profile."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ant_wif._environment import Environment
from ant_wif._secrets import quoted, sanitize
from ant_wif._strict import problem_in_words
from ant_wif.errors import ConfigurationError
from ant_wif.identity.source import Context, Detection, IdentitySource, Job, detected, not_detected
from ant_wif.identity.variables import PLATFORMS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


AMAZON, GOOGLE, MICROSOFT = "amazon", "google", "microsoft"

# What every virtual machine of Azure has for an asset tag, and no other machine of that vendor.
_AZURE_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"


def cloud_of(root: Path) -> str | None:
    """Return `amazon`, `google`, `microsoft`, or `None` on any other machine. `root` is the file system's."""
    vendor = _said(root, "sys_vendor").lower()
    if vendor == "google" or _said(root, "product_name") in {"Google", "Google Compute Engine"}:
        return GOOGLE
    if vendor == "amazon ec2" or _said(root, "bios_version").lower().endswith("amazon"):
        return AMAZON
    if _said(root, "chassis_asset_tag") == _AZURE_ASSET_TAG:
        return MICROSOFT
    return None


def _said(root: Path, name: str) -> str:
    with suppress(OSError, ValueError):
        return (root / "sys/class/dmi/id" / name).read_text().strip()
    return ""


GROUP = "ant_wif.identity_sources"
_MENDED = "upgrade or remove the package that provides it"

log = logging.getLogger("ant_wif.identity")

AWS_SIGNS = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_LAMBDA_FUNCTION_NAME",
    "CODEBUILD_BUILD_ID",
)
"""Set by containers (ECS, EKS, CodeBuild) and Lambda. Not AWS_WEB_IDENTITY_TOKEN_FILE: that token is for STS alone."""
GOOGLE_METADATA_SIGNS = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP")
GOOGLE_SERVERLESS_SIGNS = ("K_SERVICE", "CLOUD_RUN_JOB", "FUNCTION_TARGET", "GAE_SERVICE")


class Machine(NamedTuple):
    """How a virtual machine of a cloud is recognised.

    `firmware` is what `cloud_of` returns, `called` what messages call the machine, with an article; `variable` names
    another address of its metadata server.
    """

    firmware: str
    called: str
    variable: str | None = None


class ListedSource(NamedTuple):
    """A source of this package, and by what its platform is recognised.

    Where none of the variables `signs` is set and there is no `path`, the module is not even loaded.
    """

    name: str
    class_name: str
    signs: tuple[str, ...] = ()
    path: str | None = None
    machine: Machine | None = None
    job: Job | None = None
    shared_module: str = ""
    """Where its class is, when the source does not have a module under its own name."""

    def may_be_here(self, context: Context) -> bool:
        if any(variable in context.environ for variable in self.signs):
            return True
        with suppress(ConfigurationError):
            # Not Path.exists, which raises where a folder may not be searched.
            return self.path is not None and os.path.exists(context.locate(self.path))
        return False

    def detect_machine(self, context: Context) -> Detection:
        """As `IdentitySource.detect_machine`; the module is loaded only on a machine of the platform."""
        if self.machine is None:
            return not_detected(self.name, "")
        if self.machine.variable is not None and self.machine.variable in context.environ:
            return detected(self.load()(), f"{self.machine.variable} is set", of_machine=True)
        if cloud_of(context.root) == self.machine.firmware:
            return detected(self.load()(), f"the firmware says that this is {self.machine.called}", of_machine=True)
        return not_detected(self.name, f"the firmware names no {self.machine.called.partition(' ')[2]}")

    def load(self) -> type[IdentitySource]:
        return cast(
            "type[IdentitySource]",
            getattr(import_module(f"ant_wif.identity.{self.shared_module or self.name}"), self.class_name),
        )


_VARIABLE_PLATFORMS = {
    row.name: ListedSource(row.name, row.class_name, (*row.signs, row.variable), job=row.job, shared_module="variables")
    for row in PLATFORMS
}

# In the order in which they are asked: by variables and files, then by machine, then what may stand beside a cloud.
BUILT_IN = (
    ListedSource("file", "File", ("ANTHROPIC_IDENTITY_TOKEN_FILE",)),
    ListedSource("env", "Env", ("ANTHROPIC_IDENTITY_TOKEN",)),
    ListedSource(
        "github_actions",
        "GitHubActions",
        ("GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_URL"),
        job=Job("RUNNER_TEMP"),
    ),
    _VARIABLE_PLATFORMS.pop("gitlab"),
    ListedSource("circleci", "CircleCI", ("CIRCLECI",), job=Job(id="CIRCLE_WORKFLOW_JOB_ID"), shared_module="programs"),
    ListedSource("buildkite", "Buildkite", ("BUILDKITE",), job=Job(id="BUILDKITE_JOB_ID"), shared_module="programs"),
    ListedSource(
        "azure_pipelines",
        "AzurePipelines",
        ("SYSTEM_OIDCREQUESTURI", "TF_BUILD"),
        job=Job("AGENT_TEMPDIRECTORY", "SYSTEM_JOBID"),
    ),
    *_VARIABLE_PLATFORMS.values(),
    ListedSource("fly", "Fly", ("FLY_APP_NAME",)),
    ListedSource("kubernetes", "Kubernetes", ("KUBERNETES_SERVICE_HOST",), path="/var/run/secrets/anthropic.com/token"),
    ListedSource(
        "azure",
        "Azure",
        ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"),
        machine=Machine(MICROSOFT, "an Azure machine", "AZURE_POD_IDENTITY_AUTHORITY_HOST"),
    ),
    ListedSource(
        "aws",
        "Aws",
        (*AWS_SIGNS, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        machine=Machine(AMAZON, "an EC2 instance", "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
    ),
    ListedSource(
        "google_cloud",
        "GoogleCloud",
        ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", *GOOGLE_METADATA_SIGNS, *GOOGLE_SERVERLESS_SIGNS),
        path="~/.config/gcloud/application_default_credentials.json",
        machine=Machine(GOOGLE, "a Google machine"),
    ),
    ListedSource("spiffe", "Spiffe", ("SPIFFE_ENDPOINT_SOCKET",)),
    ListedSource("oauth", "OAuth"),
    ListedSource("url", "Url"),
    ListedSource("command", "Command"),
)
_BY_MACHINE = ("google_cloud", "azure", "aws")
_AFTER_MACHINES = frozenset({"spiffe"})


def jobs(environ: Environment) -> Iterator[Job]:
    """Return what the CI systems whose signs are set say of their job."""
    for each in BUILT_IN:
        if each.job is not None and any(name in environ for name in each.signs):
            yield each.job


def detect(context: Context | None = None, *, plugins: bool = True) -> IdentitySource | None:
    """Return the source that this machine offers, or `None`. No network is touched.

    The first that recognises itself is used, and no other: if it then fails, its failure is the error.
    Looking for sources of other packages takes a while; `plugins` says whether that is wanted.
    """
    return first_detected(context or Context(), plugins=plugins)[0]


def first_detected(context: Context, *, plugins: bool) -> tuple[IdentitySource | None, list[Detection]]:
    """Return the source to use, and the near misses before it; see `Detection`."""
    near_misses: list[Detection] = []
    for each in _in_order(context, plugins=plugins):
        if each.near_miss is not None:
            near_misses.append(each)
        if each.found is not None and not (near_misses and each.of_machine):
            return each.found, near_misses
    return None, near_misses


def _in_order(context: Context, *, plugins: bool) -> Iterator[Detection]:
    """Ask one source after the other: variables before machines, the specific before the general."""
    listed = {each.name: each for each in BUILT_IN}
    for each in BUILT_IN:
        if each.name not in _AFTER_MACHINES and each.may_be_here(context):
            yield each.load().detect(context)
    for name in _BY_MACHINE:
        yield listed[name].detect_machine(context)
    for name in _AFTER_MACHINES:
        if listed[name].may_be_here(context):
            yield listed[name].load().detect(context)
    for plugin in _plugins() if plugins else ():
        yield _asked(plugin, context)


def detect_all(context: Context | None = None) -> list[Detection]:
    """Ask every source whether it recognises this machine: those of this package, then those of others."""
    context = context or Context()
    found = [_surveyed(each.load(), context, each) for each in BUILT_IN]
    return [*found, *(_asked(plugin, context) for plugin in _plugins())]


def _surveyed(source: type[IdentitySource], context: Context, listed: ListedSource | None = None) -> Detection:
    by_variables = source.detect(context)
    if by_variables.detected:
        return by_variables
    by_machine = (listed or source).detect_machine(context)
    if by_machine.detected:
        return replace(by_machine, near_miss=by_variables.near_miss)
    return replace(by_variables, reason="; ".join(filter(None, [by_variables.reason, by_machine.reason])))


def source_by_name(name: str, context: Context, *, place: str = "") -> IdentitySource:
    """Return the source of that name, configured from the environment where it needs configuration.

    `place` is the option or variable that names it.

    Raises:
        ConfigurationError: there is no such source, or it needs more than its name.
    """
    source = _class_named(name, place or "--identity-source or ANT_IDENTITY_SOURCE")
    listed = next((each for each in BUILT_IN if each.name == name), None)
    try:
        detection = _surveyed(source, context, listed)
    except Exception as error:
        if listed is not None:
            raise
        raise ConfigurationError(
            f"the identity source {name} failed to look around: {type(error).__name__}: {sanitize(error)}", hint=_MENDED
        ) from None
    if detection.found:
        return detection.found
    try:
        return source()
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"the identity source {name} needs more than its name: {detection.reason}",
            hint="write a profile that has it (`ant profile create --help`), or set what is missing",
        ) from None


def read_source(document: Mapping[str, object]) -> IdentitySource:
    """Make a source from a profile's `identity_token` object: `source`, and the fields of that source.

    An empty field counts as absent. What the source has no field for is left aside, and said in the debug log.

    Raises:
        ConfigurationError: there is no such source, or a field is missing or of the wrong kind.
    """
    from pydantic import TypeAdapter, ValidationError

    name = document.get("source")
    try:
        kind = _class_named(name if isinstance(name, str) else "")
    except ConfigurationError:
        raise ConfigurationError(
            f"identity_token.source is {quoted(name, limit=64)}, expected one of {', '.join(_names())}",
            hint="`source` names the kind of identity source, the other fields are the kind's own",
        ) from None
    try:
        stated = {name: value for name, value in document.items() if value != ""}
        found = TypeAdapter(kind).validate_python(stated)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    else:
        _tell_of_unknown(document, found)
        return found
    where = ".".join(str(step) for step in first["loc"])
    raise ConfigurationError(
        f"identity_token{f'.{where}' if where else ''} {sanitize(problem_in_words(first['type'], first['msg']))}",
        hint=f"correct the fields of the identity source {name}",
    )


def _tell_of_unknown(document: Mapping[str, object], source: IdentitySource) -> None:
    unknown = sanitize(", ".join(str(name) for name in document if name not in vars(source)))
    if unknown:
        log.debug("identity_token: fields that the source %s does not know: %s", source.source, unknown)


def _class_named(name: str, place: str = "identity_token.source") -> type[IdentitySource]:
    for listed in BUILT_IN:
        if listed.name == name:
            return listed.load()
    for plugin in _plugins():
        if plugin.name == name:
            return _loaded(plugin)
    raise ConfigurationError(
        f"{place} is not a valid identity source",
        facts=(f"found: {quoted(name, limit=64)}", f"expected: {', '.join(_names())}, auto or none"),
        hint=f"correct {place}",
    )


def _names() -> list[str]:
    return [*(listed.name for listed in BUILT_IN), *(plugin.name for plugin in _plugins())]


def _plugins() -> tuple[EntryPoint, ...]:
    return _plugins_on(tuple(sys.path))


@cache
def _plugins_on(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001 - entry_points reads it itself
    """Return the sources of other packages. To look for them reads a file of every package that is installed."""
    from importlib.metadata import entry_points

    ours = {listed.name for listed in BUILT_IN}
    found = (each for each in entry_points(group=GROUP) if each.name not in ours)
    return tuple(sorted(found, key=lambda each: each.name))


def _asked(plugin: EntryPoint, context: Context) -> Detection:
    """Ask a source of another package. A broken one is said to be broken, and does not break the rest."""
    try:
        return _surveyed(_loaded(plugin), context)
    except Exception as error:  # noqa: BLE001 - whatever another package raises
        return not_detected(plugin.name, f"{sanitize(error)}")


def _loaded(plugin: EntryPoint) -> type[IdentitySource]:
    """Raises ConfigurationError: it cannot be loaded, or is not an identity source."""
    try:
        found: object = plugin.load()
    except Exception as error:  # noqa: BLE001 - whatever another package raises
        raise ConfigurationError(
            f"the identity source {sanitize(plugin.name, limit=64)} could not be loaded from {sanitize(plugin.value)}: "
            f"{type(error).__name__}: {sanitize(error)}",
            hint=_MENDED,
        ) from None
    if not isinstance(found, type) or not issubclass(found, IdentitySource):
        raise ConfigurationError(
            f"{sanitize(plugin.value)}, registered as the identity source {sanitize(plugin.name, limit=64)}, is not "
            "a subclass of ant_wif.identity.IdentitySource",
            hint=_MENDED,
        )
    return found
