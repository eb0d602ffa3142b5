import anthropic
from langchain_anthropic import ChatAnthropic

import ant_wif

creds = ant_wif.resolve()
chat = ChatAnthropic(model="claude-opus-5-5", max_tokens=50, api_key="unused")
chat._client = anthropic.Anthropic(base_url=creds.base_url, credentials=ant_wif.anthropic_credentials(creds))
print(chat.invoke("Say this").content)
