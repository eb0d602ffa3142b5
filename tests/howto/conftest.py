"""The sample project is run as a project of its own; see test_sample_project.py."""

collect_ignore = ["sample_project"]
