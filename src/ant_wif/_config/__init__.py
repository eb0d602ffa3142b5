"""The configuration directory, its documents, and the settings that they make.

`Profile` and `StoredCredentials` are named here for type checkers only: their models are built when a file is read.
"""

from __future__ import annotations

from ant_wif._config.cache_dir import CacheDir
from ant_wif._config.config_dir import Active, ConfigDir, Via, check_name
from ant_wif._config.locations import KEYS, LOGIN_KEYS, locate, names
from ant_wif._config.settings import DEFAULT_BASE_URL, DEFAULT_CONSOLE_URL, Settings, flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ant_wif._config.documents import Profile as Profile
    from ant_wif._config.documents import StoredCredentials as StoredCredentials

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_CONSOLE_URL",
    "KEYS",
    "LOGIN_KEYS",
    "Active",
    "CacheDir",
    "ConfigDir",
    "Settings",
    "Via",
    "check_name",
    "flag",
    "locate",
    "names",
]
