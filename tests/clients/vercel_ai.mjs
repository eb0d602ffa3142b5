import { createAnthropic } from "@ai-sdk/anthropic";
import { generateText } from "ai";

const { ANTHROPIC_AUTH_TOKEN: authToken, ANTHROPIC_BASE_URL: base } = process.env;
const anthropic = createAnthropic({ authToken, baseURL: `${base}/v1` });
console.log((await generateText({ model: anthropic("claude-opus-5-5"), prompt: "Say this" })).text);
