"""Sending requests with an HTTP library: within limits, and only as long as the client is open."""
