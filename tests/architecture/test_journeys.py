"""A reader who follows one journey through the code opens few files, in few packages."""

from __future__ import annotations

import pytest

from architecture.journeys import packages, visited_files
from support import preloaded


@pytest.mark.parametrize(
    ("journey", "most_files", "most_packages"), [("resolve", 21, 10), ("first_request", 24, 10), ("exchange", 17, 10)]
)
def test_a_journey_visits_few_files_in_few_packages(journey: str, most_files: int, most_packages: int) -> None:
    files = visited_files(journey, preloaded.run)
    assert files, "nothing was recorded"
    assert len(files) <= most_files, files
    assert len(packages(files)) <= most_packages, sorted(packages(files))
