import anthropic

client = anthropic.Anthropic()
answer = client.messages.create(
    model="claude-opus-5-5", max_tokens=50, messages=[{"role": "user", "content": "Say this"}]
)
print(answer.content[0].text)
