import litellm

message = {"role": "user", "content": "Say this"}
answer = litellm.completion(model="anthropic/claude-opus-5-5", messages=[message], max_tokens=50)
print(answer.choices[0].message.content)
