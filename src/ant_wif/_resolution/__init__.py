"""Five tiers: which credential a run uses."""
