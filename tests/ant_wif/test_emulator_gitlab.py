"""GitLab CI: a token that the job has from the beginning, and no way to get another."""

from __future__ import annotations

import jwt

from ant_wif.emulator import Emulator


def test_a_job_begins_with_a_token_in_its_variables() -> None:
    with Emulator() as emulator:
        job, next_job = emulator.env("gitlab"), emulator.env("gitlab")
        issuer = emulator.issuer("gitlab").issuer_url
    claims = jwt.decode(job["ANTHROPIC_ID_TOKEN"], options={"verify_signature": False})
    assert job["GITLAB_CI"] == "true"
    assert claims["iss"] == issuer
    assert claims["sub"] == "project_path:acme/app:ref_type:branch:ref:main"
    assert claims["project_path"] == job["CI_PROJECT_PATH"]
    assert claims["pipeline_source"] == job["CI_PIPELINE_SOURCE"]
    assert claims["user_login"] == job["GITLAB_USER_LOGIN"]
    assert claims["aud"] == "https://api.anthropic.com"
    assert claims["jti"] != jwt.decode(next_job["ANTHROPIC_ID_TOKEN"], options={"verify_signature": False})["jti"]
