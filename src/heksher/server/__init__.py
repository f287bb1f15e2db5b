"""The Heksher service."""
