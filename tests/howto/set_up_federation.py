import ant_wif
from ant_wif.admin import setup
from ant_wif.admin.client import Admin
from ant_wif.emulator import Emulator

with Emulator() as emulator:
    token = emulator.login(scope="org:admin").access_token
    with Admin(ant_wif.resolve(auth_token=token, base_url=emulator.base_url)) as admin:
        trust = setup.github.trust(repository="acme/app", environment="production")
        wanted = setup.SetupRequest(trust=trust, workspace_id=admin.workspace_id("Engineering"))
        plan = setup.plan(admin, wanted)
        for item in plan.items:
            print(item.action, item.kind, item.name)
        setup.apply(admin, plan)
        print(setup.plan(admin, wanted).changes_something)
