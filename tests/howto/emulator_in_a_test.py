import ant_wif
from ant_wif.emulator import Emulator

with Emulator() as emulator:
    creds = ant_wif.resolve(environ={"HOME": "/nonexistent", "ANT_CACHE": "memory", **emulator.env("github")})
    token = creds.token()
    assert emulator.exchanges == 1

    emulator.revoke(token)
    emulator.update_rule("github", subject_prefix="repo:acme/app:environment:production")
    creds.invalidate()
    try:
        creds.token()
    except ant_wif.ExchangeError as error:
        print(error.status, emulator.history[-1].reason)
