"""What is known of a credential: the report of `ant auth status`, a check against the API, why a denial."""
