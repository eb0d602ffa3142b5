import anthropic
import instructor
from pydantic import BaseModel


class Form(BaseModel):
    city: str


client = instructor.from_anthropic(anthropic.Anthropic())
message = {"role": "user", "content": "Where?"}
form = client.messages.create(model="claude-opus-5-5", max_tokens=50, response_model=Form, messages=[message])
print(form.city)
