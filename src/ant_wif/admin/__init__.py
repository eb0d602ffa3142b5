"""The federation resources of the Admin API, and what one workload needs of them."""
