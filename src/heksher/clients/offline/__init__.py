"""What settings answer while the service has never been reached: files with the last known values, and defaults."""
