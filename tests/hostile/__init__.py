"""Attacks on a service, each as a function and as a command: what they cost it is measured, and bounded by tests."""
