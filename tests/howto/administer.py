import anthropic

from ant_wif.emulator import Emulator

with Emulator() as emulator:
    token = emulator.login(scope="org:admin").access_token
    with anthropic.Anthropic(auth_token=token, base_url=emulator.base_url) as client:
        federation = client.beta.organization.federation
        rule = emulator.rule("github")
        try:
            federation.rules.update(rule.id, match={"subject_prefix": "repo:*"})
        except anthropic.BadRequestError as error:
            print(error.status_code, "match: does not say whose tokens" in str(error))
        changed = federation.rules.update(rule.id, match={"subject_prefix": "repo:acme/*"})
        print(changed.match.subject_prefix, emulator.rule("github").subject_prefix)
