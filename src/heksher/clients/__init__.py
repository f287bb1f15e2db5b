"""The clients of a Heksher service."""
