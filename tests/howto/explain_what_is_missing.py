import ant_wif

try:
    ant_wif.resolve(environ={"HOME": "/nonexistent", "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01EXAMPLE"})
except ant_wif.NoCredentialsError as error:
    print(error.hint)
    for candidate in error.candidates:
        print(candidate.tier, candidate.origin, candidate.missing)
