import anthropic

import ant_wif

creds = ant_wif.resolve()
with anthropic.Anthropic(credentials=ant_wif.anthropic_credentials(creds), base_url=creds.base_url) as client:
    print(client.models.list().data[0].id)
