"""What changes the files of the configuration directory: login, logout, editing."""

from ant_wif._lazy import loader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ant_wif._profiles.callback import Listener
    from ant_wif._profiles.editor import create_federation, get_value, set_value, unset_value
    from ant_wif._profiles.login import LoggedIn, LoginPlan, plan_login
    from ant_wif._profiles.stored_tokens import (
        StoredToken,
        clear,
        list_stored_tokens,
        log_out,
        log_out_everywhere,
        stored_document,
        stored_token,
    )

__all__ = [
    "Listener",
    "LoggedIn",
    "LoginPlan",
    "StoredToken",
    "clear",
    "create_federation",
    "get_value",
    "list_stored_tokens",
    "log_out",
    "log_out_everywhere",
    "plan_login",
    "set_value",
    "stored_document",
    "stored_token",
    "unset_value",
]

if not TYPE_CHECKING:
    __getattr__ = loader(
        __name__,
        {
            "callback": ("Listener",),
            "editor": ("create_federation", "get_value", "set_value", "unset_value"),
            "login": ("LoggedIn", "LoginPlan", "plan_login"),
            "stored_tokens": (
                "StoredToken",
                "clear",
                "list_stored_tokens",
                "log_out",
                "log_out_everywhere",
                "stored_document",
                "stored_token",
            ),
        },
    )
