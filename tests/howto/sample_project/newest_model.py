"""The program under test: it is given a client, and knows nothing of credentials."""

import httpx


def newest_model(client: httpx.Client) -> str:
    """Return the id of the model that was published last."""
    models = client.get("/v1/models").raise_for_status().json()["data"]
    newest: str = max(models, key=lambda model: model["created_at"])["id"]
    return newest
