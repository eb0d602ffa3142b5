"""The variables of a job of the emulator: those that name its federation, those of its platform, and a profile."""

from __future__ import annotations

from collections.abc import Mapping


def federation_of(job: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in job.items() if name.startswith("ANTHROPIC_")}


def platform_of(job: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in job.items() if not name.startswith("ANTHROPIC_")}


def profile_of(job: Mapping[str, str], **authentication: object) -> dict[str, object]:
    """A profile that federates as the job's variables do, with these fields of its authentication."""
    return {
        "version": "1.0",
        "authentication": {
            "type": "oidc_federation",
            "federation_rule_id": job["ANTHROPIC_FEDERATION_RULE_ID"],
            "service_account_id": job["ANTHROPIC_SERVICE_ACCOUNT_ID"],
            **authentication,
        },
        "organization_id": job["ANTHROPIC_ORGANIZATION_ID"],
        "workspace_id": job["ANTHROPIC_WORKSPACE_ID"],
        "base_url": job["ANTHROPIC_BASE_URL"],
    }
