"""Your program: whatever uses an official SDK, in any language. It says nothing about credentials."""

import anthropic

for model in anthropic.Anthropic().models.list():
    print(model.id)
