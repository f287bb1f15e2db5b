"""Where the service keeps its data."""
