"""What an emulator starts with."""
