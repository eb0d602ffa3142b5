"""Reading requests, writing responses, and the server."""
