"""Five tiers: which credential a run uses, and what became of the others."""

from ant_wif._resolution.candidates import ResolutionContext, TierCandidate
from ant_wif._resolution.chain import IDENTITY_MISSING, Resolution, resolution_of, resolve

__all__ = ["IDENTITY_MISSING", "Resolution", "ResolutionContext", "TierCandidate", "resolution_of", "resolve"]
