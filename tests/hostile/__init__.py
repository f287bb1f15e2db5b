"""What strangers, careless operators and bad days can do to a service; each as a test, and as a command."""
