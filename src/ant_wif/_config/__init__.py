"""The configuration directory, its documents, and the settings that they make."""
