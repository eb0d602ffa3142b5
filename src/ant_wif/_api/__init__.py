"""The API client behind `ant models`, `ant messages` and `ant api`."""
