import Anthropic from "@anthropic-ai/sdk";

for await (const model of new Anthropic().models.list()) {
  console.log(model.id);
  break;
}
