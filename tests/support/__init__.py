"""What tests share: servers, sample documents, and ways to run `ant`."""
