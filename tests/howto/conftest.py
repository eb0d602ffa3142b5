"""The samples are run as projects of their own; see test_sample_project.py and test_sample_agent.py."""

collect_ignore = ["sample_agent", "sample_project"]
