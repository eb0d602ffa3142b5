// Lists the models with one client, once for each line that it is given, and prints the first.
import Anthropic from "@anthropic-ai/sdk";
import { createInterface } from "node:readline";

const client = new Anthropic();
for await (const _ of createInterface({ input: process.stdin })) {
  const page = await client.models.list();
  console.log(page.data[0].id);
}
