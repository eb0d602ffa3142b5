"""From nothing to a workload that may call the Claude API: issuer, service account, membership and rule.

    with Admin(credentials) as admin:
        trust = setup.github.trust(repository="acme/app", branch="main")
        workspace = admin.workspace_id("Engineering")
        plan = setup.plan(admin, setup.SetupRequest(trust=trust, workspace_id=workspace))
        setup.apply(admin, plan)

A plan is made from what is registered, so to make it and carry it out again changes nothing.
"""

from ant_wif.admin.setup import aws, azure, ci, github, google_cloud, kubernetes
from ant_wif.admin.setup.models import Change, PlannedResource, SetupPlan, SetupRequest, WorkloadIdentity
from ant_wif.admin.setup.plan import apply, plan

__all__ = [
    "Change",
    "PlannedResource",
    "SetupPlan",
    "SetupRequest",
    "WorkloadIdentity",
    "apply",
    "aws",
    "azure",
    "ci",
    "github",
    "google_cloud",
    "kubernetes",
    "plan",
]
