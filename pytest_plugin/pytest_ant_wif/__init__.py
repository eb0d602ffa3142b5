"""Claude API credentials for test suites: a real one in CI, a faithful stand-in on a laptop."""
