curl --silent --show-error --fail-with-body "${ANTHROPIC_BASE_URL:-https://api.anthropic.com}/v1/models?limit=1" \
    --header "Authorization: Bearer $(ant auth print-credentials --access-token)" \
    --header "anthropic-version: 2023-06-01" \
    --header "anthropic-beta: oauth-2025-04-20"
