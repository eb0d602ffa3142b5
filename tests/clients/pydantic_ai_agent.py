import anthropic
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

import ant_wif

creds = ant_wif.resolve()
client = anthropic.AsyncAnthropic(base_url=creds.base_url, credentials=ant_wif.anthropic_credentials(creds))
model = AnthropicModel("claude-opus-5-5", provider=AnthropicProvider(anthropic_client=client))
print(Agent(model).run_sync("Say this").output)
