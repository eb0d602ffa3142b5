import os

import ant_wif
from ant_wif.identity import GitHubActions

creds = ant_wif.federate(
    GitHubActions(),
    federation_rule_id=os.environ["ANTHROPIC_FEDERATION_RULE_ID"],
    organization_id=os.environ["ANTHROPIC_ORGANIZATION_ID"],
    base_url=os.environ["ANTHROPIC_BASE_URL"],
)
print(creds.source, creds.identity_source)
assert creds.token() == creds.token()
