"""The configuration directory, its documents, and the settings that they make.

All but the locations is loaded on first use (PEP 562): completion in a shell needs no more than these, and the models
of documents are built when a file is read.
"""

from ant_wif._config.locations import KEYS, LOGIN_KEYS, locate, names
from ant_wif._lazy import loader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ant_wif._config.cache_dir import CacheDir
    from ant_wif._config.config_dir import EXPORTED, Active, ConfigDir, Via, check_name
    from ant_wif._config.documents import Profile, StoredCredentials
    from ant_wif._config.settings import (
        DEFAULT_BASE_URL,
        DEFAULT_CONSOLE_URL,
        Settings,
        check_value,
        flag,
        names_another,
    )

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_CONSOLE_URL",
    "EXPORTED",
    "KEYS",
    "LOGIN_KEYS",
    "Active",
    "CacheDir",
    "ConfigDir",
    "Profile",
    "Settings",
    "StoredCredentials",
    "Via",
    "check_name",
    "check_value",
    "flag",
    "locate",
    "names",
    "names_another",
]

if not TYPE_CHECKING:
    __getattr__ = loader(
        __name__,
        {
            "cache_dir": ("CacheDir",),
            "config_dir": ("EXPORTED", "Active", "ConfigDir", "Via", "check_name"),
            "documents": ("Profile", "StoredCredentials"),
            "settings": ("DEFAULT_BASE_URL", "DEFAULT_CONSOLE_URL", "Settings", "check_value", "flag", "names_another"),
        },
    )
