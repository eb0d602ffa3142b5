"""What changes the files of the configuration directory."""
