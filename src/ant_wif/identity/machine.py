"""Which cloud a machine stands in, as its firmware says (DMI). No packet is sent to find out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["AMAZON", "GOOGLE", "MICROSOFT", "cloud_of"]

AMAZON, GOOGLE, MICROSOFT = "amazon", "google", "microsoft"

# What every virtual machine of Azure has for an asset tag, and no other machine of that vendor.
_AZURE_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"


def cloud_of(root: Path) -> str | None:
    """Return `amazon`, `google`, `microsoft`, or `None` on any other machine. `root` is the file system's."""
    vendor = _said(root, "sys_vendor").lower()
    if vendor == "google" or _said(root, "product_name") in {"Google", "Google Compute Engine"}:
        return GOOGLE
    if vendor == "amazon ec2" or _said(root, "bios_version").lower().endswith("amazon"):
        return AMAZON
    if _said(root, "chassis_asset_tag") == _AZURE_ASSET_TAG:
        return MICROSOFT
    return None


def _said(root: Path, name: str) -> str:
    with suppress(OSError, ValueError):
        return (root / "sys/class/dmi/id" / name).read_text().strip()
    return ""
