import anyio
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query


async def main() -> None:
    async for message in query(prompt="Say this", options=ClaudeAgentOptions(max_turns=1)):
        if isinstance(message, ResultMessage):
            print(message.result)


anyio.run(main)
